//! `tandem stream on` and `tandem stream off`: whether a call's audio goes to listeners.

use super::{complain, load, say};
use crate::control;
use model::TransactionId;
use std::path::Path;
use std::process::ExitCode;

/// Has a call of the running node streamed from now on, or no more.
pub(crate) fn switch_stream(path: &Path, transaction_id: &str, on: bool) -> ExitCode {
    let Some(config) = load(path) else { return ExitCode::FAILURE };
    let Ok(id) = TransactionId::parse(transaction_id) else {
        complain(format_args!(
            "\"{transaction_id}\" is no transaction ID; `tandem calls` shows those of live calls"
        ));
        return ExitCode::FAILURE;
    };
    match control::switch_stream(&config.node.data_dir, id, on) {
        Ok(()) => {
            say(format_args!("{id}: streaming {}", if on { "on" } else { "off" }));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}
