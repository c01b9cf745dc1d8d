//! The commands that are not the test user agent's.

pub(crate) mod api_schema;
pub(crate) mod calls;
pub(crate) mod check;
pub(crate) mod completion;
pub(crate) mod directory;
pub(crate) mod dns;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod key;
pub(crate) mod recording;
pub(crate) mod relay;
pub(crate) mod report;
pub(crate) mod resources;
pub(crate) mod run;
pub(crate) mod stream;
pub(crate) mod switch_stream;

use crate::config::{self, Config};
use call_metrics::printable;
use std::io::{Read as _, Write};
use std::path::Path;
use zeroize::Zeroizing;

/// Prints to standard output, for people: what peers put into it can do nothing to the terminal. A
/// reader that has gone (`| head`) is no error of ours.
pub(crate) fn say(text: impl std::fmt::Display) {
    let text = text.to_string();
    let _ = writeln!(std::io::stdout().lock(), "{}", printable(&text));
}

/// Prints to standard output, for programs: exactly this.
pub(crate) fn say_data(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Empties the terminal, so that a list that is shown again stays in its place.
pub(crate) fn clear_screen() {
    let _ = write!(std::io::stdout().lock(), "\x1b[H\x1b[2J");
}

/// Prints to standard error, for people.
pub(crate) fn complain(text: impl std::fmt::Display) {
    let text = text.to_string();
    let _ = writeln!(std::io::stderr().lock(), "{}", printable(&text));
}

/// The first line of a file, or of standard input for `-`: a secret, which belongs on no command line.
fn secret_of(file: &str, what: &str) -> Result<Zeroizing<String>, String> {
    const LONGEST: u64 = 64 * 1024;
    let mut text = Zeroizing::new(String::new());
    let read = match file {
        "-" => std::io::stdin().lock().take(LONGEST).read_to_string(&mut text),
        file => std::fs::File::open(file)
            .and_then(|opened| opened.take(LONGEST).read_to_string(&mut text)),
    };
    read.map_err(|error| format!("{file}: {error}"))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Zeroizing::new(line.to_owned())),
        _ => Err(format!("{file}: its first line must be the {what}")),
    }
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
