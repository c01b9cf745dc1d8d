//! `[rooms.recording]`: where it is, meetings may be recorded. Where files lie, how they are encrypted and
//! uploaded, and how much of them is kept, `[recordings]` says.

use super::super::reader::Table;
use super::super::{recordings, value};
use call_recordings::{MeetingFormat, MeetingsConfig};
use std::time::Duration;
use toml::de::DeValue;

/// Samples a second that a file may have.
const RATES: [u32; 3] = [8_000, 16_000, 48_000];

/// How meetings are recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RoomRecording {
    /// What files are: default Opus in Matroska, 48,000 samples a second, and one file a meeting.
    pub(crate) files: MeetingsConfig,
    /// How long they are kept: 1 day to 10 years, or never removed; default as `keep` of `[recordings]`.
    pub(crate) keep: Option<Option<Duration>>,
}

pub(super) fn read(mut table: Table<'_>) -> Option<RoomRecording> {
    let is_there = table.is_present();
    let format = table.or("format", MeetingFormat::Mkv, format);
    let sample_rate = table.or("sample_rate", 48_000, rate);
    let participants = table.or("participants", false, value::boolean);
    let keep = table.optional("keep", recordings::keep);
    table.finish();
    let files = MeetingsConfig { format, sample_rate, participants };
    is_there.then_some(RoomRecording { files, keep })
}

fn format(value: &DeValue<'_>) -> Result<MeetingFormat, String> {
    match value::text(value)? {
        "mkv" => Ok(MeetingFormat::Mkv),
        "wav" => Ok(MeetingFormat::Wav),
        other => Err(format!("{other:?} is unknown; use \"mkv\" or \"wav\"")),
    }
}

fn rate(value: &DeValue<'_>) -> Result<u32, String> {
    let rate = value::integer(value)?;
    match RATES.contains(&rate) {
        true => Ok(rate),
        false => Err(format!("{rate} is none that files have; use 8000, 16000 or 48000")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{accepts, errors, with};
    use super::*;

    fn recording(text: &str) -> Option<RoomRecording> {
        accepts(&format!("[rooms]\n{text}")).rooms.unwrap().recording
    }

    #[test]
    fn meetings_are_recorded_only_where_it_is_said() {
        assert_eq!(recording(""), None);
        let usual =
            MeetingsConfig { format: MeetingFormat::Mkv, sample_rate: 48_000, participants: false };
        assert_eq!(recording("recording = {}"), Some(RoomRecording { files: usual, keep: None }));
        let all = "[rooms.recording]\nformat = \"wav\"\nsample_rate = 16000\n\
                   participants = true\nkeep = \"7d\"\n";
        let files =
            MeetingsConfig { format: MeetingFormat::Wav, sample_rate: 16_000, participants: true };
        let keep = Some(Some(Duration::from_secs(7 * 24 * 3_600)));
        assert_eq!(recording(all), Some(RoomRecording { files, keep }));
        let off = recording("recording = { keep = \"off\" }").unwrap();
        assert_eq!(off.keep, Some(None));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, message) in [
            ("format = \"mp3\"", "format: \"mp3\" is unknown; use \"mkv\" or \"wav\""),
            (
                "sample_rate = 44100",
                "sample_rate: 44100 is none that files have; use 8000, 16000 or 48000",
            ),
            ("participants = 1", "participants: expected true or false, found"),
            ("keep = \"1h\"", "keep: the string \"1h\" is out of range; use \"1d\" to \"3650d\""),
            ("directory = \"x\"", "unknown key `directory` in [rooms.recording]"),
        ] {
            let found = errors(&with(&format!("[rooms.recording]\n{text}")));
            assert!(found.starts_with(&format!("t.toml:5: {message}")), "{text}: {found}");
            assert_eq!(found.lines().count(), 1, "{found}");
        }
    }
}
