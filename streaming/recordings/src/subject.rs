//! What a file is a recording of: a call of two parties side by side, or a meeting in one channel.

use crate::description::Description;
use call_audio::Opening;
use model::{RecordingFormat, UnixTime, VoiceConnectorId};

/// What files hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Container {
    /// Linear samples.
    Wav,
    /// Opus in Ogg, two channels.
    OggOpus,
    /// Opus in Matroska, one channel.
    MkvOpus,
}

impl Container {
    /// The end of a file's name.
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Container::Wav => "wav",
            Container::OggOpus => "ogg",
            Container::MkvOpus => "mkv",
        }
    }

    /// What it is, for HTTP.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Container::Wav => "audio/wav",
            Container::OggOpus => "audio/ogg",
            Container::MkvOpus => "audio/x-matroska",
        }
    }
}

impl From<RecordingFormat> for Container {
    fn from(format: RecordingFormat) -> Self {
        match format {
            RecordingFormat::Wav => Container::Wav,
            RecordingFormat::OggOpus => Container::OggOpus,
        }
    }
}

/// What one recording is of, as far as names of files and their JSON tell it.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The directory below that of all recordings.
    pub(crate) folder: String,
    /// The end of its files' names, behind the time.
    pub(crate) name: String,
    /// The time of place 0.
    pub(crate) began: UnixTime,
    /// Samples a second of a channel.
    pub(crate) sample_rate: u32,
    /// One or two.
    pub(crate) channels: usize,
    pub(crate) container: Container,
    /// The JSON of its first part, as it begins.
    pub(crate) description: Description,
    /// Whose call.
    pub(crate) voice_connector: Option<VoiceConnectorId>,
}

impl Subject {
    /// A call.
    pub(crate) fn of_call(opening: &Opening, format: RecordingFormat) -> Self {
        let call = &opening.call;
        Subject {
            folder: call.voice_connector_id.to_string(),
            name: call.transaction_id.to_string(),
            began: opening.began,
            sample_rate: opening.sample_rate,
            channels: 2,
            container: format.into(),
            description: Description::of(opening, format, 1, 0),
            voice_connector: Some(call.voice_connector_id.clone()),
        }
    }
}
