//! The JSON beside a recording: what it is of, and what became of it.

use crate::calendar;
use crate::subject::Container;
use call_audio::Opening;
use model::{CallDirection, Channel, LegSide, RecordingFormat, UnixTime};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The version of the JSON that is written here.
pub(crate) const VERSION: u32 = 1;
/// Octets of one that is read.
const MOST_BYTES: u64 = 1_048_576;
/// Octets of each text that a peer wrote; what is longer is cut.
const MOST_TEXT: usize = 1_024;

/// What became of a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is written, or its node died and has not started again.
    Recording,
    /// It is whole and here.
    Finished,
    /// It is whole and in the bucket; its audio is not here any more.
    Uploaded,
}

/// One file of audio: a call's, or a part of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Description {
    /// Of this JSON.
    pub version: u32,
    /// What became of it.
    pub state: State,
    /// The call's name everywhere.
    pub transaction_id: String,
    /// Which part of the call's recording, from 1.
    pub part: u32,
    /// Whose call. This and what follows up to the numbers is not there of a meeting.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub voice_connector_id: String,
    /// The Call-ID of leg A.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub call_id: String,
    /// `Outbound` or `Inbound`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub direction: String,
    /// Who called.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from_number: String,
    /// Who was called.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub to_number: String,
    /// What it is of, where that is a meeting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meeting: Option<DescribedMeeting>,
    /// The audio's file, beside this one.
    pub audio: String,
    /// `wav`, `ogg` or `mkv`.
    pub format: String,
    /// Samples a second and channel.
    pub sample_rate: u32,
    /// Who is left and who is right; `null` where nobody was listened to. Of a meeting there is one channel.
    #[serde(default, skip_serializing_if = "is_nobody")]
    pub channels: [Option<DescribedChannel>; 2],
    /// The place of the first sample on the call's timeline.
    pub first_sample: u64,
    /// When the first sample was.
    pub began: String,
    /// When the last one was.
    pub ended: Option<String>,
    /// Samples of each channel.
    pub samples: Option<u64>,
    /// How many of them, left and right, are silence that nobody sent: lost on the way, or here. `null`
    /// after a crash. Of a meeting one number: samples that could not be written, or mixed, in time, and of
    /// one participant alone also those before and between its stays.
    pub missing_samples: Option<Vec<u64>>,
    /// Octets of the audio's file.
    pub bytes: Option<u64>,
    /// SHA-256 of the audio's file, hexadecimal.
    pub sha256: Option<String>,
    /// What opens it; `null` when everybody can.
    pub encryption: Option<DescribedKey>,
    /// Its node died, and finished it when it came back: up to the last second or two may be missing.
    pub repaired: bool,
    /// Where it went.
    pub upload: Option<Upload>,
}

/// The meeting that a recording is of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DescribedMeeting {
    /// Its id.
    pub meeting_id: String,
    /// What people call it.
    pub name: String,
    /// The call of whom the file is alone; `null` of what everybody heard.
    pub alone: Option<String>,
    /// Who was there while it was recorded, in the order of their coming; each stay is one entry.
    pub participants: Vec<DescribedParticipant>,
}

/// Somebody's stay in a meeting that was recorded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DescribedParticipant {
    /// The call's name everywhere.
    pub transaction_id: String,
    /// As `[privacy] recordings` shows people.
    pub name: String,
    /// Whether it moderated.
    pub moderator: bool,
    /// Since when it was there, or the recording's beginning.
    pub joined: String,
    /// Until when; `null` as long as it is.
    pub left: Option<String>,
    /// The place of `joined` on the recording's timeline, in samples.
    pub first_sample: u64,
}

/// A channel of a recording.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DescribedChannel {
    /// `A` or `B`.
    pub leg: String,
    /// The party called; the other one was called.
    pub is_caller: bool,
    /// Its label in the session description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// What opens an encrypted recording.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DescribedKey {
    /// `file` or `aws-kms`.
    pub provider: String,
    /// Which key of theirs.
    pub key_id: String,
}

/// Where a recording is in S3.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Upload {
    /// The bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// When the bucket had it.
    pub at: String,
    /// As the bucket names it.
    pub etag: String,
    /// Base64 of its SHA-256, or of its pieces' digests (`…-N`).
    pub checksum_sha256: Option<String>,
}

impl Description {
    /// Of a part that begins now.
    pub(crate) fn of(
        opening: &Opening,
        format: RecordingFormat,
        part: u32,
        first_sample: u64,
    ) -> Self {
        let call = &opening.call;
        let direction = match call.direction {
            CallDirection::Outbound => "Outbound",
            CallDirection::Inbound => "Inbound",
        };
        Description {
            transaction_id: call.transaction_id.to_string(),
            voice_connector_id: call.voice_connector_id.to_string(),
            call_id: cut(&call.call_id),
            direction: direction.to_owned(),
            from_number: cut(&call.from_number),
            to_number: cut(&call.to_number),
            channels: LegSide::BOTH.map(|side| described(opening.channels[side.index()].as_ref())),
            part,
            first_sample,
            began: calendar::readable(opening.began, first_sample, opening.sample_rate),
            ..Description::empty(format.into(), opening.sample_rate)
        }
    }

    /// Of a meeting, or of one participant alone; what is longer than it may be is cut.
    pub(crate) fn of_meeting(
        (container, sample_rate): (Container, u32),
        began: UnixTime,
        mut meeting: DescribedMeeting,
    ) -> Self {
        meeting.name = cut(&meeting.name);
        Description {
            transaction_id: meeting.alone.clone().unwrap_or_else(|| meeting.meeting_id.clone()),
            began: calendar::readable(began, 0, sample_rate),
            meeting: Some(meeting),
            ..Description::empty(container, sample_rate)
        }
    }

    fn empty(container: Container, sample_rate: u32) -> Self {
        Description {
            version: VERSION,
            state: State::Recording,
            transaction_id: String::new(),
            part: 1,
            voice_connector_id: String::new(),
            call_id: String::new(),
            direction: String::new(),
            from_number: String::new(),
            to_number: String::new(),
            meeting: None,
            audio: String::new(),
            format: container.extension().to_owned(),
            sample_rate,
            channels: [None, None],
            first_sample: 0,
            began: String::new(),
            ended: None,
            samples: None,
            missing_samples: None,
            bytes: None,
            sha256: None,
            encryption: None,
            repaired: false,
            upload: None,
        }
    }

    /// When its first sample was.
    pub(crate) fn began_at(&self) -> Option<UnixTime> {
        calendar::parse(&self.began)
    }

    /// Whether it is a call's first part and how it was called, for people.
    pub(crate) fn title(&self) -> String {
        if let Some(meeting) = &self.meeting {
            return meeting.name.clone();
        }
        format!("{} to {}", self.from_number, self.to_number)
    }

    /// Reads the JSON at `path`.
    ///
    /// # Errors
    /// That it cannot be read, or is none of this version.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut text = Vec::new();
        fs::File::open(path)?.take(MOST_BYTES).read_to_end(&mut text)?;
        let description: Description = serde_json::from_slice(&text)?;
        if description.version != VERSION {
            let reason = format!("version {} is not {VERSION}", description.version);
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        // It stays in its directory.
        let audio = Path::new(&description.audio);
        if audio.file_name() != Some(audio.as_os_str()) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "audio is no name of a file"));
        }
        Ok(description)
    }

    /// Writes it whole, in the place of what was there.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let partial = path.with_extension("json.partial");
        let written = self.write_to(&partial).and_then(|()| fs::rename(&partial, path));
        if written.is_err() {
            let _ = fs::remove_file(&partial);
        }
        written
    }

    fn write_to(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        file.write_all(&text)?;
        file.sync_data()
    }

    /// Where its audio is, when the JSON is at `json`.
    pub fn audio_path(&self, json: &Path) -> PathBuf {
        json.with_file_name(&self.audio)
    }

    /// What the audio is, for HTTP.
    pub(crate) fn content_type(&self) -> &'static str {
        match (self.encryption.is_some(), self.format.as_str()) {
            (true, _) => "application/octet-stream",
            (false, "ogg") => Container::OggOpus.content_type(),
            (false, "mkv") => Container::MkvOpus.content_type(),
            (false, _) => Container::Wav.content_type(),
        }
    }

    /// Channels of the audio.
    pub(crate) fn channel_count(&self) -> u16 {
        if self.meeting.is_some() { 1 } else { 2 }
    }

    /// Puts in what is known of the audio when it is whole.
    pub(crate) fn finish(&mut self, samples: u64) {
        self.samples = Some(samples);
        if let Some(began) = self.began_at() {
            self.ended = Some(calendar::readable(began, samples, self.sample_rate));
        }
    }
}

fn is_nobody(channels: &[Option<DescribedChannel>; 2]) -> bool {
    channels.iter().all(Option::is_none)
}

/// The start of a text, at most [`MOST_TEXT`] octets of it: who writes it must not keep us from reading
/// what we write.
pub(crate) fn cut(text: &str) -> String {
    let end = (0..=text.len().min(MOST_TEXT)).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

fn described(channel: Option<&Channel>) -> Option<DescribedChannel> {
    let channel = channel?;
    Some(DescribedChannel {
        leg: if channel.side == LegSide::A { "A" } else { "B" }.to_owned(),
        is_caller: channel.is_caller,
        label: channel.label.as_deref().map(cut),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use crate::testing::opening;
    use model::ListenedCall;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn what_is_written_is_read() {
        let scratch = Scratch::new();
        let path = scratch.path().join("a.json");
        let mut description = Description::of(&opening(8_000), RecordingFormat::Wav, 2, 12_000);
        description.audio = "a.wav".to_owned();
        assert_eq!(description.began, "2026-11-22T13:52:01.623Z");
        description.finish(4_000);
        assert_eq!(description.ended.as_deref(), Some("2026-11-22T13:52:02.123Z"));
        description.write(&path).unwrap();
        assert_eq!(Description::read(&path).unwrap(), description);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(description.audio_path(&path), scratch.path().join("a.wav"));
    }

    #[test]
    fn what_a_peer_wrote_is_never_too_long_to_be_read_again() {
        let scratch = Scratch::new();
        let path = scratch.path().join("a.json");
        let mut opening = opening(8_000);
        let long: &str = &"\"\u{20AC}".repeat(20_000);
        let mut call = ListenedCall::clone(&opening.call);
        (call.call_id, call.from_number, call.to_number) = (long.into(), long.into(), long.into());
        opening.call = call.into();
        for channel in opening.channels.iter_mut().flatten() {
            channel.label = Some(long.into());
        }
        let mut description = Description::of(&opening, RecordingFormat::Wav, 1, 0);
        description.audio = "a.wav".to_owned();
        description.write(&path).unwrap();
        assert_eq!(Description::read(&path).unwrap(), description);
        assert_eq!(description.call_id.len(), MOST_TEXT);
    }

    #[test]
    fn audio_elsewhere_is_refused() {
        let scratch = Scratch::new();
        let path = scratch.path().join("a.json");
        for audio in ["../a.wav", "/etc/passwd", "", ".."] {
            let mut description = Description::of(&opening(8_000), RecordingFormat::Wav, 1, 0);
            description.audio = audio.to_owned();
            description.write(&path).unwrap();
            assert!(Description::read(&path).is_err(), "{audio}");
        }
        fs::write(&path, "{}").unwrap();
        assert!(Description::read(&path).is_err());
    }
}
