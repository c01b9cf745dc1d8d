//! `tandem vc`, `number`, `group`, `rule`, `application`, `room` and `api`: the control API's resources without
//! another client. Every command is a request, or a few, that any client could make.

pub(crate) mod api;
pub(crate) mod application;
pub(crate) mod group;
mod hint;
pub(crate) mod number;
mod port;
pub(crate) mod room;
mod room_set;
pub(crate) mod rule;
mod shown;
#[cfg(test)]
mod tests;
mod value;
pub(crate) mod vc;
mod vc_part;

use super::{complain, load, say, say_data};
use crate::control_api::{Asked, Client, Failure, Reply};
use serde_json::{Map, Value};
use shown::{Column, Shown};
use std::path::PathBuf;
use std::process::ExitCode;

/// What all of these commands take.
#[derive(clap::Args)]
pub(crate) struct How {
    /// The configuration file of the node.
    #[arg(long = "config", value_name = "FILE", default_value = DEFAULT_CONFIG, global = true)]
    path: PathBuf,
    /// The reply of the API as it is, instead of text for people.
    #[arg(long, global = true)]
    json: bool,
}

/// The configuration that completion asks by, without a word about one that cannot be read.
pub(crate) fn known_config(path: Option<PathBuf>) -> Option<crate::config::Config> {
    crate::config::load(&path.unwrap_or_else(|| DEFAULT_CONFIG.into())).ok()
}

const DEFAULT_CONFIG: &str = "configs/dev.toml";

/// One of these commands.
pub(crate) trait Resource {
    /// Whether it changes nothing.
    fn is_read(&self) -> bool;

    /// Asks what it asks; `brief` wants the one reply that the command is about.
    ///
    /// # Errors
    /// What the API, or the way to it, says.
    fn perform(&self, api: &mut dyn Asked, brief: bool) -> Result<Outcome, Failure>;

    /// How a user finds what there is, after "there is no such".
    fn listing(&self) -> &'static str;
}

/// What became of a command.
pub(crate) struct Outcome {
    reply: Reply,
    shown: Shown,
}

/// Runs a command and prints what became of it.
pub(crate) fn run(how: &How, resource: &dyn Resource) -> ExitCode {
    let Some(config) = load(&how.path) else { return ExitCode::FAILURE };
    let asked =
        Client::of(&config, !resource.is_read()).map_err(Failure::Way).and_then(|mut client| {
            let outcome = resource.perform(&mut client, how.json)?;
            if client.is_beside_node() && !resource.is_read() {
                complain("the node that runs takes it over within a second");
            }
            Ok(outcome)
        });
    let Outcome { reply, shown } = match asked {
        Ok(outcome) => outcome,
        Err(failure) => {
            complain(&failure);
            if let Some(hint) = hint::of(&failure, resource.listing()) {
                complain(format_args!("  {hint}"));
            }
            return ExitCode::FAILURE;
        }
    };
    let failed = failed_numbers(&reply.value);
    match (how.json, reply.text.trim()) {
        (true, "") => say_data("{}"),
        (true, text) => say_data(text),
        (false, _) if failed.is_empty() => say(shown.text(&reply.value)),
        (false, _) => {}
    }
    for line in &failed {
        complain(line);
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Numbers of a batch that were not taken: the API answers 200 and names them.
fn failed_numbers(reply: &Value) -> Vec<String> {
    let errors = reply["PhoneNumberErrors"].as_array();
    let errors = errors.into_iter().flatten().map(|error| {
        let text = |name: &str| error[name].as_str().unwrap_or("?");
        format!("{}: {}: {}", text("PhoneNumberId"), text("ErrorCode"), text("ErrorMessage"))
    });
    errors.collect()
}

/// Members of a request: what is `null` is not sent.
fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// A request whose reply is shown in full.
fn facts(api: &mut dyn Asked, operation: &str, asked: Value) -> Result<Outcome, Failure> {
    let reply = api.ask(operation, &members(asked))?;
    Ok(Outcome { reply, shown: Shown::Facts })
}

/// A request whose reply says nothing that a user needs beyond `done`.
fn done(
    api: &mut dyn Asked,
    operation: &str,
    asked: Value,
    done: String,
) -> Result<Outcome, Failure> {
    let reply = api.ask(operation, &members(asked))?;
    Ok(Outcome { reply, shown: Shown::Done(done) })
}

/// A list with all of its pages, as a table.
fn list(
    api: &mut dyn Asked,
    operation: &str,
    asked: Value,
    entries: &'static str,
    columns: &'static [Column],
) -> Result<Outcome, Failure> {
    let reply = api.ask_all(operation, &members(asked), entries)?;
    Ok(Outcome { reply, shown: Shown::Table { entries, columns } })
}
