//! Places of streams in conferences whose media one process mixes (RFC 4353 section 4.4, RFC 7667
//! section 3.6).

use crate::LegSide;
use serde::{Deserialize, Serialize};
use std::fmt;

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
}

impl fmt::Display for SeatFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SeatFailure::NoConferences => "this relay mixes no conferences",
            SeatFailure::TooMany => "as many streams as are allowed are in conferences now",
            SeatFailure::NoStream => "the call has no audio",
        })
    }
}

impl std::error::Error for SeatFailure {}
