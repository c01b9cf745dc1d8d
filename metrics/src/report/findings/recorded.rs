//! Copies of calls: those that recording clients send, and ours for other recorders.

use super::{Findings, Severity, is_mute};
use crate::call_record::{CallRecord, CopiedRecord, RecordedRecord};
use crate::printable_line;
use crate::report::{side_name, talk_ms};

/// Shorter recordings may end before the first packet.
const SHORT_MS: u64 = 1_000;

impl Findings {
    /// The copy that somebody else's recorder was to get.
    pub(super) fn copied(&mut self, copied: &CopiedRecord) {
        let Some(why) = &copied.last_failure else { return };
        let (why, recorder) = (printable_line(why), printable_line(&copied.recorder));
        let (severity, what) = match (copied.begun, copied.was_given_up) {
            (0, _) => (Severity::Bad, "got no copy of this call"),
            (_, true) => (Severity::Bad, "did not get all of this call"),
            (_, false) => (Severity::Fair, "missed a part of this call"),
        };
        self.add(severity, format!("The recorder {recorder} {what}: {why}."));
    }

    pub(super) fn recorded(&mut self, record: &CallRecord, recorded: &RecordedRecord) {
        let Some(talk) = talk_ms(record) else { return };
        if let Some(first) = &record.quality[0] {
            if is_mute(first) && talk >= SHORT_MS {
                self.add(
                    Severity::Bad,
                    "No audio came on the first line of the recording client (0 RTP packets). Look at \
                     whether it records this call, at its firewall, and at the media address it was \
                     given."
                        .to_owned(),
                );
            }
            self.side(side_name(record, 0), first);
        }
        self.0.append(&mut crate::report::lines::findings(record));
        if !matches!(recorded.metadata.as_str(), "read" | "missing") {
            let why = printable_line(&recorded.metadata);
            self.add(
                Severity::Fair,
                format!(
                    "The recording client's metadata was not read ({why}), and listeners were shown \
                     none of it. Look at what the client sends (RFC 7865)."
                ),
            );
        }
        if let Some(label) = &recorded.unknown_label {
            let label = printable_line(label);
            self.add(
                Severity::Note,
                format!(
                    "The metadata names label {label}, which no line of the description has: who \
                     speaks there is not known. Look at a=label in what the client sends."
                ),
            );
        }
        if recorded.declined > 0 {
            self.add(
                Severity::Note,
                format!(
                    "Lines of the recording client that were declined: {}. Two are taken, of audio in \
                     PCMU, PCMA, G.722 or Opus.",
                    recorded.declined
                ),
            );
        }
    }
}
