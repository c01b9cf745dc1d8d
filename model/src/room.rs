//! Calls to meeting rooms: what was dialled, and who calls with what.

use crate::{MediaType, PictureContent, TransportProtocol};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// The application id of [`SteeredCall`](crate::SteeredCall)s that the node's meeting rooms steer. No
/// SIP media application has it: theirs are UUIDs.
pub const ROOMS: &str = "rooms";

/// The id under which calls to the rooms are counted, limited and recorded, in the place of a voice
/// connector's.
pub const ROOMS_CONNECTOR: &str = "meetingrooms0000000000";

/// The digits of a meeting as a caller gives them. Their number says which they are; whether there is
/// such a meeting is for the rooms to say.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum MeetingDigits {
    /// 10 digits, an attendee's.
    Attendee(Arc<str>),
    /// 13 digits, a moderator's.
    Moderator(Arc<str>),
}

impl MeetingDigits {
    /// Digits of an attendee's ID.
    pub const ATTENDEE: usize = 10;
    /// Digits of a moderator's ID.
    pub const MODERATOR: usize = 13;

    /// Reads ASCII digits; `None` of any other text, and of any other length.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        match text.len() {
            Self::ATTENDEE => Some(MeetingDigits::Attendee(text.into())),
            Self::MODERATOR => Some(MeetingDigits::Moderator(text.into())),
            _ => None,
        }
    }

    /// The digits.
    pub fn digits(&self) -> &str {
        match self {
            MeetingDigits::Attendee(digits) | MeetingDigits::Moderator(digits) => digits,
        }
    }
}

/// What a caller has dialled beyond the rooms' host: everything that is missing is asked for in the
/// welcome. Printing it shows no passcode.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Dialled {
    /// The meeting.
    pub meeting: Option<MeetingDigits>,
    /// Its passcode, 1 to 16 digits.
    pub passcode: Option<Arc<str>>,
    /// The layout of the pictures that is wished for: codes one after the other, 1 to 48 digits.
    pub layout: Option<Arc<str>>,
    /// The key that makes the caller the host, 1 to 16 digits.
    pub host_key: Option<Arc<str>>,
}

impl fmt::Debug for Dialled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialled")
            .field("meeting", &self.meeting)
            .field("has_passcode", &self.passcode.is_some())
            .field("layout", &self.layout)
            .field("has_host_key", &self.host_key.is_some())
            .finish()
    }
}

/// What the rooms learn of a call to them as it begins, beside what every steered call tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomCall {
    /// What was dialled.
    pub dialled: Dialled,
    /// The code of the region whose name was called; `None` of the name without one, and of a number.
    pub region: Option<Arc<str>>,
    /// The caller's name as its device shows it, at most 128 characters, none of them a control
    /// character. Anybody may say anything there.
    pub display_name: Option<Arc<str>>,
    /// The device's `User-Agent`, bounded likewise.
    pub user_agent: Option<Arc<str>>,
    /// Where the call came from.
    pub address: SocketAddr,
    /// Over what.
    pub protocol: TransportProtocol,
    /// The `m=` lines that the device offers, in their order; empty where it leaves the offer to us.
    pub lines: Vec<RoomLine>,
}

/// An `m=` line of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomLine {
    /// Its media; `None` of one that has no name here, as `image` or `message`.
    pub media: Option<MediaType>,
    /// What the line is for, by its `a=content` (RFC 4796): `main`, `slides`, or another word.
    pub content: Option<Arc<str>>,
    /// What becomes of it.
    pub part: RoomLinePart,
}

/// What becomes of an `m=` line in a room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RoomLinePart {
    /// The sound of the call.
    Sound,
    /// Its pictures, where there are ports for them.
    Pictures(PictureContent),
    /// The device asks for nothing with it: its port is 0.
    Unused,
    /// It is answered with port 0; but one of floor control is taken where the rooms have floor control
    /// ([`ApplicationOrder::ControlFloor`](crate::ApplicationOrder::ControlFloor)).
    Declined,
}
