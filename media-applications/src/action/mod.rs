//! Actions: what an application wants done, typed.

mod bridge;
mod meeting;
mod read;
mod record;

pub use meeting::{MeetingRefusal, MeetingRequest, Room};
pub(crate) use read::{known, read};

use crate::digits::{KeySet, Pattern};
use crate::reader::ActionError;
use model::{Bridge, DtmfKey, LegSide, RecordingSilence};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// Something to be played that is not here yet.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Sound {
    /// An object of S3 (`AudioSource`).
    Object {
        /// Its bucket; 1 to 63 letters, digits, dots and hyphens, never only dots.
        bucket: Arc<str>,
        /// Its key, 1 to 1,024 octets. It may try to lead elsewhere: check it before it names a file.
        key: Arc<str>,
    },
    /// A text that is to be spoken.
    Speech(Speech),
}

/// A text to be spoken, in the words of Amazon Polly. Texts are 1 to 3,000 characters.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Speech {
    /// What is said.
    pub text: Arc<str>,
    /// Whether the text is SSML.
    pub is_ssml: bool,
    /// `standard` or `neural`.
    pub engine: Arc<str>,
    /// For example `en-US`; empty where nothing is said.
    pub language: Arc<str>,
    /// Polly's name of a voice.
    pub voice: Arc<str>,
}

/// An action of a response, as it came and as it was understood.
#[derive(Debug)]
pub(crate) struct Planned {
    /// `Type`.
    pub(crate) name: String,
    /// `Parameters`, with the leg's `CallId` where it has a leg.
    pub(crate) parameters: Map<String, Value>,
    pub(crate) action: Result<Action, ActionError>,
}

/// What an action does.
#[derive(Debug)]
pub(crate) enum Action {
    Answer,
    HangUp {
        leg: LegSide,
        status: u16,
    },
    Pause(Duration),
    Play {
        leg: LegSide,
        sound: Sound,
        rounds: u32,
        terminators: KeySet,
    },
    GetDigits(Box<GetDigits>),
    Receive {
        leg: LegSide,
        rule: Receive,
    },
    Send {
        leg: LegSide,
        keys: Vec<Sent>,
        duration: Duration,
    },
    Bridge {
        bridge: Box<Bridge>,
        ringback: Option<Sound>,
    },
    Record(Box<Record>),
    StopRecording,
    PauseRecording(bool),
    /// Leg A joins a meeting, or something is done in the one that it is in.
    Meeting(MeetingRequest),
}

/// What `RecordAudio` and `StartCallRecording` record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    /// The leg of the action.
    pub(crate) leg: LegSide,
    /// Whose audio.
    pub(crate) legs: [bool; 2],
    pub(crate) bucket: Arc<str>,
    /// What the key begins with: empty, or with a slash at its end.
    pub(crate) prefix: Arc<str>,
    pub(crate) longest: Duration,
    pub(crate) silence: Option<RecordingSilence>,
    /// Keys that end it.
    pub(crate) terminators: KeySet,
    /// It goes on beside other actions.
    pub(crate) is_of_call: bool,
}

/// What `ReceiveDigits` waits for.
#[derive(Clone, Debug)]
pub(crate) struct Receive {
    pub(crate) pattern: Pattern,
    /// The silence after a key before keys are compared.
    pub(crate) between: Duration,
    /// Since the first key, after which the keys are compared and forgotten.
    pub(crate) flush: Duration,
}

/// What `PlayAudioAndGetDigits` and `SpeakAndGetDigits` do.
#[derive(Clone, Debug)]
pub(crate) struct GetDigits {
    pub(crate) leg: LegSide,
    pub(crate) prompt: Sound,
    pub(crate) failure: Option<Sound>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) least: usize,
    pub(crate) most: usize,
    pub(crate) terminators: KeySet,
    pub(crate) between: Duration,
    /// Attempts, at least 1.
    pub(crate) attempts: u32,
    /// For how long the first key is waited for after the prompt.
    pub(crate) patience: Duration,
}

/// A step of `SendDigits`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    Keys(Vec<DtmfKey>),
    /// Half a second for each comma.
    Pause(Duration),
}

/// The ids of the legs that are in the call.
#[derive(Clone, Default, Debug)]
pub(crate) struct Legs(pub(crate) [Option<String>; 2]);

impl Action {
    /// The leg that is heard or spoken to, which must be in the call, and answered.
    pub(crate) fn media_leg(&self) -> Option<LegSide> {
        match self {
            Action::Play { leg, .. } | Action::Send { leg, .. } => Some(*leg),
            Action::GetDigits(get) => Some(get.leg),
            Action::Record(record) => Some(record.leg),
            Action::Meeting(MeetingRequest::Join { .. }) => Some(LegSide::A),
            Action::StopRecording
            | Action::PauseRecording(_)
            | Action::Meeting(_)
            | Action::Answer
            | Action::HangUp { .. }
            | Action::Pause(_)
            | Action::Receive { .. }
            | Action::Bridge { .. } => None,
        }
    }
}
