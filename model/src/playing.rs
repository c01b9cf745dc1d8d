//! What the relay plays to a leg.

use crate::Utterance;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// What is played to a leg, and how it goes with what the other leg sends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Playing {
    /// What.
    pub source: AudioSource,
    /// Where the first round begins, in samples of the source; later ones begin at 0.
    pub start: u32,
    /// How often; `None` for ever.
    pub rounds: Option<u32>,
    /// What of the other leg's media.
    pub with: OtherMedia,
}

/// Where audio to be played comes from.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum AudioSource {
    /// A WAV file by its path; one that the relay was started with, or in its directory for media.
    File(Arc<str>),
    /// A WAV file, octet by octet.
    Octets(Arc<[u8]>),
    /// What somebody has said: of it nothing is kept when it has been played.
    Said(Utterance),
    /// A ringback tone.
    Ringback(Ringback),
}

/// Which network's ringback tone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub enum Ringback {
    /// 425 Hz, one second in five (ITU-T E.180, most of the world).
    Europe,
    /// 440 and 480 Hz together, two seconds in six (North America).
    #[default]
    NorthAmerica,
}

/// What becomes of the media of the other leg while something is played.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum OtherMedia {
    /// It passes, and what is played is silent meanwhile.
    Wins,
    /// It is dropped.
    Yields,
}

/// How playing ended by itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum PlayOutcome {
    /// All of it was played.
    Finished,
    /// Nothing, or nothing more, was played.
    Failed(PlayFailure),
}

/// Why something is not played.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum PlayFailure {
    /// The file is not there, may not be read or is none that can be played.
    File,
    /// The leg has agreed to no format that can be made, or to none yet.
    NoFormat,
    /// Too much waits to be read and encoded.
    Overloaded,
    /// There is no such stream.
    NoStream,
    /// It ends before [`Playing::start`].
    PastEnd,
}

impl fmt::Display for PlayFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PlayFailure::File => "the file is not there or cannot be played; the log says why",
            PlayFailure::NoFormat => {
                "the leg has not agreed to PCMU, PCMA, G722, L16 or opus, or to nothing yet"
            }
            PlayFailure::Overloaded => "too many files wait to be read",
            PlayFailure::NoStream => "the call has no media",
            PlayFailure::PastEnd => "the file ends before start-pos, which counts samples",
        })
    }
}
