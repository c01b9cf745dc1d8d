//! `tandem key`: access keys of the control API.

use super::{complain, load, say, say_data};
use crate::ConfigFile;
use crate::control_api::{self, KeySummary};
use call_metrics::printable_line;
use jiff::Timestamp;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum KeyCommand {
    /// Make an access key and print it; its secret is shown this once. A running node knows it at once.
    Create {
        #[command(flatten)]
        file: ConfigFile,
        /// What it is called in answers and in the audit.
        #[arg(long, default_value = "key")]
        name: String,
        /// A policy in JSON that says what it may do [default: everything]
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// A JSON object with access_key_id and secret_access_key.
        #[arg(long)]
        json: bool,
    },
    /// List the access keys, without their secrets.
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// One JSON array instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Delete an access key; a running node refuses it from then on.
    Delete {
        /// Its access key id.
        access_key_id: String,
        #[command(flatten)]
        file: ConfigFile,
    },
}

pub(crate) fn run(command: &KeyCommand) -> ExitCode {
    let done = match command {
        KeyCommand::Create { file, name, policy, json } => {
            create(&file.path, name, policy.as_deref(), *json)
        }
        KeyCommand::List { file, json } => list(&file.path, *json),
        KeyCommand::Delete { access_key_id, file } => delete(&file.path, access_key_id),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is_empty() {
                complain(error);
            }
            ExitCode::FAILURE
        }
    }
}

/// An error that has been told already is empty.
fn create(config: &Path, name: &str, policy: Option<&Path>, json: bool) -> Result<(), String> {
    let config = load(config).ok_or_else(String::new)?;
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let policy = policy.map(read).transpose()?;
    let data_dir = &config.node.data_dir;
    // A key may be made before the node's first start.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .map_err(|error| format!("[node] data_dir \"{}\": {error}", data_dir.display()))?;
    let key = control_api::make_key(&config, name, policy)?;
    let (id, secret) = (&key.facts.id, key.secret.as_str());
    if json {
        let text = serde_json::json!({
            "access_key_id": id,
            "secret_access_key": secret,
            "name": name,
        });
        say_data(&text.to_string());
    } else {
        say(format_args!("access key id      {id}"));
        say(format_args!("secret access key  {secret}"));
        say("The secret is not shown again. For the aws CLI:");
        say(format_args!("  export AWS_ACCESS_KEY_ID={id} AWS_SECRET_ACCESS_KEY={secret}"));
    }
    Ok(())
}

fn list(config: &Path, json: bool) -> Result<(), String> {
    let config = load(config).ok_or_else(String::new)?;
    // Looking makes nothing.
    let has_store = config.node.data_dir.join(directory_store::FILE).exists();
    let keys = if has_store { control_api::list_keys(&config)? } else { Vec::new() };
    if json {
        let keys: Vec<_> = keys.iter().map(written).collect();
        say_data(&serde_json::Value::from(keys).to_string());
        return Ok(());
    }
    if keys.is_empty() {
        say("no access keys; make one with `tandem key create`");
        return Ok(());
    }
    say(format_args!(
        "{:<20}  {:<20}  {:<12}  {}",
        "access key id", "made (UTC)", "policy", "name"
    ));
    for key in &keys {
        let policy = if key.policy.is_some() { "its own" } else { "everything" };
        let made = made(key);
        let name = printable_line(&key.name);
        say(format_args!("{:<20}  {made:<20}  {policy:<12}  {name}", key.id));
    }
    Ok(())
}

fn delete(config: &Path, id: &str) -> Result<(), String> {
    let config = load(config).ok_or_else(String::new)?;
    let has_store = config.node.data_dir.join(directory_store::FILE).exists();
    if !has_store || !control_api::delete_key(&config, id)? {
        return Err(format!("there is no access key {id:?}; `tandem key list` shows all"));
    }
    say(format_args!("{id} is deleted"));
    Ok(())
}

fn written(key: &KeySummary) -> serde_json::Value {
    let policy = key.policy.as_deref().and_then(|text| serde_json::from_str(text).ok());
    serde_json::json!({
        "access_key_id": key.id,
        "name": key.name,
        "created": made(key),
        "policy": policy.unwrap_or(serde_json::Value::Null),
    })
}

fn made(key: &KeySummary) -> String {
    let millis = i64::try_from(key.created_ms).unwrap_or(i64::MAX);
    Timestamp::from_second(millis / 1_000).map(|at| at.to_string()).unwrap_or_default()
}
