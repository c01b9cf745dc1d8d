//! Why another configuration is not put into force, though it is one that can be.

use super::Node;
use crate::config::{Config, FileMeeting, Finding};
use media_relay::AudioFileError;

/// The old one stays in force, whole.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// A file that cannot be played.
    AudioFile(AudioFileError),
    /// Meetings with IDs that meetings of the control API have; never empty.
    Meetings(Vec<Finding>),
}

impl NotTaken {
    /// One `FILE:LINE: message` a line.
    pub(crate) fn in_file(&self, file: &str) -> String {
        match self {
            NotTaken::AudioFile(error) => error.to_string(),
            NotTaken::Meetings(findings) => {
                let lines: Vec<String> = findings.iter().map(|each| each.in_file(file)).collect();
                lines.join("\n")
            }
        }
    }
}

impl Node {
    /// Whether meetings of another file can be beside those of the API. People have those IDs: a reload
    /// does not take them away. What was taken at the start, where the file counts, keeps no file out.
    pub(super) fn check_meetings(&self, config: &Config) -> Result<(), NotTaken> {
        let meetings: &[FileMeeting] = config.rooms.as_ref().map_or(&[], |rooms| &rooms.meetings);
        let records: Vec<_> = meetings.iter().map(|meeting| meeting.record.clone()).collect();
        let taken = self.directory.meetings().newly_taken(&records);
        let mut findings: Vec<Finding> = taken
            .iter()
            .filter_map(|taken| {
                let (key, line) = meetings.get(taken.place)?.place(taken.clash);
                let (id, name) = (taken.meeting, &taken.name);
                // Of one that is left out the API knows nothing.
                let or_reset = match taken.is_in_force {
                    true => format!(", or that one (tandem room reset {id})"),
                    false => String::new(),
                };
                let message = format!(
                    "{key}: the meeting {name:?} of the control API has it, or one that is too like it; give \
                     this one another{or_reset}"
                );
                Some(Finding { line: Some(line), message })
            })
            .collect();
        findings.sort();
        match findings.is_empty() {
            true => Ok(()),
            false => Err(NotTaken::Meetings(findings)),
        }
    }
}
