//! Audio files to be played: read and encoded away from the threads that serve packets, once for
//! each format and packet duration, and shared by all calls.

mod library;

pub(crate) use library::{AudioLibrary, ClipReply};

use codecs::{LONGEST_FILE, Recording};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// Memory that the files of the configuration may take together, in octets: some two hours at 8,000 Hz.
const MAX_RECORDINGS: usize = 128 * 1024 * 1024;
/// Memory that what was encoded may take, in octets; what nobody asked for the longest goes first.
const MAX_CLIPS: usize = 256 * 1024 * 1024;
/// The longest file of those that come with an order whose encoded form is kept, in octets: a minute of
/// µ-law. Prompts are shorter; what is longer is hardly played twice.
const MAX_KEPT_OCTETS: usize = 512 * 1024;
/// Wishes that wait to be read and encoded; more fail.
const MAX_WISHES: usize = 1_024;

/// An audio file that cannot be played.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AudioFileError {
    path: String,
    reason: String,
}

impl AudioFileError {
    fn new(path: impl Into<String>, reason: impl ToString) -> Self {
        AudioFileError { path: path.into(), reason: reason.to_string() }
    }
}

impl fmt::Display for AudioFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "audio file \"{}\": {}", self.path, self.reason)
    }
}

impl std::error::Error for AudioFileError {}

/// Reads a file as the relay would; how long it lasts.
///
/// # Errors
/// Why it cannot be played.
pub fn check_audio_file(path: &str) -> Result<Duration, AudioFileError> {
    read(Path::new(path)).map(|recording| recording.duration())
}

fn read(path: &Path) -> Result<Recording, AudioFileError> {
    let failed =
        |reason: &dyn ToString| AudioFileError::new(path.display().to_string(), reason.to_string());
    // What is no file, such as a named pipe, could keep its reader waiting for ever.
    let described = std::fs::metadata(path).map_err(|error| failed(&error))?;
    if !described.is_file() {
        return Err(failed(&"this is no file"));
    }
    if described.len() > LONGEST_FILE {
        return Err(failed(&codecs::RecordingError::TooLong));
    }
    let mut octets = Vec::new();
    let file = File::open(path).map_err(|error| failed(&error))?;
    file.take(LONGEST_FILE).read_to_end(&mut octets).map_err(|error| failed(&error))?;
    Recording::from_wav(&octets).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests;
