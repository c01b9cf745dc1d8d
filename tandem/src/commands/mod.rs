//! The commands that are not the test user agent's.

pub(crate) mod calls;
pub(crate) mod check;
pub(crate) mod health;
pub(crate) mod report;
pub(crate) mod run;

use crate::config::{self, Config};
use std::io::Write;
use std::path::Path;

/// Prints to standard output. A reader that has gone (`| head`) is no error of ours.
pub(crate) fn say(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints to standard error.
pub(crate) fn complain(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Reads a configuration and shows its warnings, or everything that is wrong with it.
pub(crate) fn load(path: &Path) -> Option<Config> {
    match config::load(path) {
        Ok(config) => {
            let file = path.display().to_string();
            for warning in &config.warnings {
                complain(format_args!("warning: {}", warning.in_file(&file)));
            }
            Some(config)
        }
        Err(errors) => {
            complain(errors);
            None
        }
    }
}
