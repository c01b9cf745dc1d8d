//! What edge and relay say to each other.
//!
//! The first frame of each side is an opening, whose beginning (a mark and the version) is the
//! same in every version, so that each can say what the other speaks. All others are [`Frame`]s.
//! Values are written by serde in postcard's form; within a version it never changes.

use crate::frame;
use crate::seal::SealKey;
use model::{Fingerprint, Instant, MediaCommand, MediaEvent, MediaId, TransactionId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The version of this protocol. Anything that changes what is written makes it another one: a field
/// or a variant of a command, an event, a plan or a report too.
pub const VERSION: u16 = 14;
/// Streams in one [`RelayBody::Held`].
pub const HELD_MAX: usize = 1_024;
/// In a pong: the relay takes no new streams.
pub(crate) const DRAINING: u64 = u64::MAX;
/// Characters of a node's name, as the configuration allows them.
const NAME_MAX: usize = 64;
const MARK: &[u8; 8] = b"TDMRELAY";

/// Octets of the other side that are none of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// The first frame has not our mark: something else listens there.
    Mark,
    /// The other side speaks another version.
    Version(u16),
    /// What is in the frame cannot be read.
    Content,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Mark => f.write_str("no relay control is spoken there; check the address"),
            Malformed::Version(theirs) => {
                let older = if *theirs < VERSION { "the other side" } else { "this side" };
                write!(
                    f,
                    "the other side speaks version {theirs} of relay control and this one \
                     {VERSION}: bring {older} up to date, so that both run the same Tandem"
                )
            }
            Malformed::Content => f.write_str("a frame that cannot be read"),
        }
    }
}

impl std::error::Error for Malformed {}

/// The first word of an edge.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EdgeHello {
    /// The name of its node; streams belong to it.
    pub node: String,
    /// Drawn at its start: another one has forgotten what was asked before.
    pub incarnation: u64,
    /// The number of the last message that it has of the relay's incarnation below; 0 for none.
    pub received: u64,
    /// The relay's incarnation that it spoke with last; 0 for none.
    pub relay: u64,
    /// What it wants.
    pub purpose: Purpose,
    /// Drawn at its start: what it writes down of secrets is sealed with it, and a relay keeps it
    /// for the next incarnation.
    pub seal: SealKey,
}

/// Why an edge connects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Purpose {
    /// It only looks whether the relay is there, and takes nothing over.
    Look,
    /// It is being started: it asks for the keys of incarnations before it, and leaves its own.
    Ask,
    /// It wants streams.
    Serve,
}

/// The first word of a relay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Greeting {
    /// It takes the edge.
    Welcome(RelayHello),
    /// It does not; why, for people.
    Refused(String),
}

/// What a relay says to an edge that it takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RelayHello {
    /// The name of its node.
    pub node: String,
    /// Drawn at its start.
    pub incarnation: u64,
    /// It goes on with what this incarnation of the edge said before.
    pub resumed: bool,
    /// The number of the last message that it has of the edge's incarnation; 0 for none.
    pub received: u64,
    /// Of its certificate for DTLS-SRTP.
    pub fingerprint: Option<Fingerprint>,
    /// For how long it keeps streams without their edge, in milliseconds.
    pub orphan_timeout_ms: u64,
    /// For [`Purpose::Ask`]: the keys of the edge's incarnations before this one.
    pub seals: Vec<SealKey>,
}

/// Every further frame; `B` is what the sender says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Frame<B> {
    /// Are you there?
    Ping {
        /// The sender's clock, to be given back.
        sent: u64,
        /// The last message that the sender has.
        acknowledged: u64,
    },
    /// Yes.
    Pong {
        /// As in the ping.
        sent: u64,
        /// The last message that the sender has.
        acknowledged: u64,
        /// Streams that the relay has in all; all bits set when it takes no more.
        streams: u64,
    },
    /// A message.
    Message {
        /// Counts up from 1 in each direction, with gaps where something was given up.
        number: u64,
        /// The last message that the sender has.
        acknowledged: u64,
        /// What is said.
        body: B,
    },
}

/// An edge takes up a stream that it asked for before it was started anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// By which id the relay has it.
    pub old: MediaId,
    /// By which one it is known from now on.
    pub new: MediaId,
}

/// What an edge says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum EdgeBody {
    /// For the relay's workers.
    Command(MediaCommand),
    /// Some of the streams of [`RelayBody::Held`].
    Claim(Vec<Claim>),
    /// All were claimed that are known: the others may end.
    Claimed,
}

/// What a relay says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RelayBody {
    /// Of the relay's workers.
    Event {
        /// The event; its instants are the relay's.
        event: Box<MediaEvent>,
        /// The relay's clock when it was sent.
        now: Instant,
    },
    /// Streams that the edge asked for before it was started anew.
    Held {
        /// Their ids and calls.
        streams: Vec<(MediaId, TransactionId)>,
        /// There are no more.
        last: bool,
    },
}

/// Writes a whole frame at the end of `out`; `false`, and nothing, when it would be too long.
pub fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> bool {
    let start = frame::begin(out);
    write(value, out, start)
}

/// Writes the first frame of a side.
pub fn encode_opening<T: Serialize>(value: &T, out: &mut Vec<u8>) -> bool {
    let start = frame::begin(out);
    out.extend_from_slice(MARK);
    out.extend_from_slice(&VERSION.to_be_bytes());
    write(value, out, start)
}

fn write<T: Serialize>(value: &T, out: &mut Vec<u8>, start: usize) -> bool {
    match postcard::to_allocvec(value) {
        Ok(written) => {
            out.extend_from_slice(&written);
            frame::finish(out, start)
        }
        Err(_) => {
            out.truncate(start);
            false
        }
    }
}

/// Reads the content of a frame.
///
/// # Errors
/// [`Malformed::Content`], also when there is more than was expected.
pub fn decode<T: DeserializeOwned>(content: &[u8]) -> Result<T, Malformed> {
    match postcard::take_from_bytes(content) {
        Ok((value, [])) => Ok(value),
        _ => Err(Malformed::Content),
    }
}

/// Reads the content of the first frame of a side.
///
/// # Errors
/// [`Malformed`] says what is spoken there.
pub fn decode_opening<T: DeserializeOwned>(content: &[u8]) -> Result<T, Malformed> {
    let rest = content.strip_prefix(MARK).ok_or(Malformed::Mark)?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or(Malformed::Mark)?;
    match u16::from_be_bytes(*version) {
        VERSION => decode(rest),
        other => Err(Malformed::Version(other)),
    }
}

impl EdgeHello {
    /// Whether its name is one that a configuration can give.
    pub(crate) fn is_plausible(&self) -> bool {
        let letters = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        (1..=NAME_MAX).contains(&self.node.len()) && self.node.bytes().all(letters)
    }
}
