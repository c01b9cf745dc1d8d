//! `tandem check`.

use super::{load, say};
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn check(path: &Path) -> ExitCode {
    let Some(config) = load(path) else { return ExitCode::FAILURE };
    let directory = &config.directory;
    let numbers: usize =
        directory.voice_connectors().map(|connector| connector.numbers.len()).sum();
    say(format_args!(
        "{}: fine. {} voice connector(s) with {numbers} number(s), {} carrier(s), {} listener(s)",
        path.display(),
        directory.voice_connectors().count(),
        directory.carriers().count(),
        config.sip.listeners.len(),
    ));
    ExitCode::SUCCESS
}
