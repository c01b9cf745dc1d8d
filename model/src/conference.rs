//! Places of streams in conferences whose media one process mixes (RFC 4353 section 4.4, RFC 7667
//! section 3.6).

use crate::{LegSide, TransactionId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A conference, to whoever mixes its media.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ConferenceId(pub u64);

/// Somebody in it. One participant may have several streams: audio, a camera's picture, slides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ParticipantId(pub u64);

/// Where a stream of a call sits: what one of its legs sends goes to the conference, and what the
/// conference says goes to that leg. The other one is nobody.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Seat {
    /// The conference.
    pub conference: ConferenceId,
    /// Whose stream it is.
    pub participant: ParticipantId,
    /// Which leg of the stream takes part.
    pub leg: LegSide,
    /// Nobody hears what the leg sends.
    pub is_muted: bool,
}

impl Seat {
    /// Whether the other is the same place, muted or not.
    pub fn is_same_place(&self, other: &Seat) -> bool {
        Seat { is_muted: other.is_muted, ..*self } == *other
    }
}

/// How a leg with a seat is heard in its conference.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Heard {
    /// It speaks now.
    pub is_speaking: bool,
    /// It is whom the conference looks at: the one who has spoken loudest for a while, until somebody else is.
    pub is_active_speaker: bool,
    /// Its loudness, in -dBov from 0 (the loudest) to 127 (silence), as in RFC 6464 section 3.
    pub level: u8,
}

/// Why a stream has no seat.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum SeatFailure {
    /// The relay was started without anybody who mixes.
    NoConferences,
    /// As many streams as are allowed have a seat now, or whoever mixes does not keep up.
    TooMany,
    /// There is no such stream, or it is no audio.
    NoStream,
    /// It was there, and whoever mixes or switches has let it go. No answer to an order: one that is on its way
    /// is answered as ever.
    Abandoned,
}

impl fmt::Display for SeatFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SeatFailure::NoConferences => "this relay mixes no conferences",
            SeatFailure::TooMany => "as many streams as are allowed are in conferences now",
            SeatFailure::NoStream => "the call has no audio",
            SeatFailure::Abandoned => "nobody mixes for the call any more",
        })
    }
}

impl std::error::Error for SeatFailure {}

/// Which recording of a conference: of two the later one has the larger number.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
pub struct ConferenceRecordingId(pub u64);

/// What becomes of a conference's recording. Orders come by way of several streams, whose relay workers may
/// hand them on in any order: each names the recording that it is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ConferenceRecordingOrder {
    /// It is recorded from now on; of a recording that runs, or is newer, more people are in it. One that was
    /// stopped does not begin again.
    Record(Box<ConferenceRecording>),
    /// This recording ends; another one goes on.
    Stop(ConferenceRecordingId),
}

/// How a conference is recorded: said by whoever knows what it is, to whoever mixes it. What format the
/// files have, and where they are, is of the process that writes them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConferenceRecording {
    /// Which of its recordings it is.
    pub id: ConferenceRecordingId,
    /// The meeting's id, a UUID as text. Files are named after it.
    pub meeting: Arc<str>,
    /// What people call the meeting.
    pub name: Arc<str>,
    /// Who is in it. Of who comes later the recording is ordered again.
    pub people: Vec<RecordedPerson>,
}

/// Somebody in a conference that is recorded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordedPerson {
    /// The call.
    pub call: TransactionId,
    /// As people are shown beside recordings.
    pub name: Arc<str>,
    /// Whether it moderates.
    pub is_moderator: bool,
}

/// Why a conference is not recorded, or not any more.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ConferenceRecordingFailure {
    /// Whoever mixes was told of no place for recordings.
    NotConfigured,
    /// The stream that was to say which conference has no seat in any.
    NoSeat,
    /// More is recorded, or ordered, than can be.
    TooMany,
    /// The file cannot be written; what the system says.
    File(Arc<str>),
}

impl fmt::Display for ConferenceRecordingFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConferenceRecordingFailure::NotConfigured => {
                "meetings are not recorded here: add [rooms.recording] to the file of the process \
                 that has the relay, and restart it"
            }
            ConferenceRecordingFailure::NoSeat => "the call is in no conference",
            ConferenceRecordingFailure::TooMany => "more is to be recorded than can be written",
            ConferenceRecordingFailure::File(why) => {
                return write!(f, "it cannot be written: {why}");
            }
        })
    }
}

impl std::error::Error for ConferenceRecordingFailure {}
