//! What the relay copies to a file.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A recording of a call. Every stream that names it writes to the same file.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Recording {
    /// The file's name, without a directory and an ending. Letters of ASCII, digits, `-`, `_` and `.`
    /// alone, not beginning with `.`, 200 at most; any other is refused. Nobody else has ever had it.
    pub name: Arc<str>,
    /// What signalling knows of the call, as one value of JSON; it is written beside the numbers.
    pub about: Arc<str>,
}

impl Recording {
    /// Octets of the longest name.
    pub const MAX_NAME: usize = 200;

    /// Whether the name is one that a file of any directory may have.
    pub fn has_plain_name(&self) -> bool {
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        (1..=Self::MAX_NAME).contains(&self.name.len())
            && self.name.bytes().all(is_plain)
            && !self.name.starts_with('.')
    }
}

/// Why a stream is not recorded.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum RecordingFailure {
    /// The relay was given no directory for recordings.
    NoDirectory,
    /// Too many streams are recorded now.
    TooMany,
    /// There is no such stream.
    NoStream,
    /// The name is none that a file may have.
    Name,
    /// The system refuses the file.
    File {
        /// Where it would be.
        path: Arc<str>,
        /// What the system says.
        error: Arc<str>,
    },
}

impl fmt::Display for RecordingFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordingFailure::NoDirectory => {
                "this relay records nothing; start it with --recording-dir"
            }
            RecordingFailure::TooMany => {
                "too many streams are recorded; stop a recording, or share calls out to more relays"
            }
            RecordingFailure::NoStream => "the call has no media",
            RecordingFailure::Name => "the recording's name is none that a file may have",
            RecordingFailure::File { path, error } => {
                return write!(
                    f,
                    "{path} cannot be written: {error}; see that there is room and that the relay \
                     may write there, or start it with another --recording-dir"
                );
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_directory() {
        let is_plain =
            |name: &str| Recording { name: name.into(), about: "{}".into() }.has_plain_name();
        assert!(is_plain("call-1_a.b-0123"));
        let long = "x".repeat(Recording::MAX_NAME + 1);
        for bad in ["", ".", "..", ".hidden", "a/b", "../a", "a b", "a\0", "é", &long] {
            assert!(!is_plain(bad), "{bad:?}");
        }
        assert!(is_plain(&long[1..]));
    }
}
