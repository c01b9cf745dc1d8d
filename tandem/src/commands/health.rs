//! `tandem health`.

use super::{complain, load, say, say_data};
use crate::control;
use call_metrics::PeerHealth;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn health(path: &Path, json: bool) -> ExitCode {
    let Some(config) = load(path) else { return ExitCode::FAILURE };
    match control::peer_health(&config.node.data_dir) {
        Ok(health) if json => match serde_json::to_string(&health) {
            Ok(text) => say_data(&text),
            Err(error) => {
                complain(error);
                return ExitCode::FAILURE;
            }
        },
        Ok(health) => say(tables(&health).trim_end()),
        Err(error) => {
            complain(error);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn tables(health: &PeerHealth) -> String {
    let mut text = String::new();
    if health.targets.is_empty() {
        text.push_str(
            "no carrier and no origination route has options_ping, or none was asked yet\n",
        );
    } else {
        let _ =
            writeln!(text, "{:<40}  {:<32}  {:<5}  LAST PING", "CARRIER OR ROUTE", "AT", "STATE");
    }
    for target in &health.targets {
        let state = if target.is_up { "up" } else { "down" };
        let (name, at, cause) = (&target.name, &target.destination, &target.cause);
        let _ = writeln!(text, "{name:<40}  {at:<32}  {state:<5}  {cause}");
    }
    if !health.terminations.is_empty() {
        let _ = writeln!(text, "\n{:<40}  {:<32}", "VOICE CONNECTOR", "LAST OPTIONS FROM");
    }
    for termination in &health.terminations {
        let (id, source) = (&termination.voice_connector_id, &termination.source);
        let _ = writeln!(text, "{id:<40}  {source:<32}");
    }
    text
}
