//! `JoinChimeMeeting` and `ModifyChimeMeetingAttendees`.

use super::Action;
use crate::reader::{ActionError, INVALID, Object, SYSTEM};
use model::LegSide;
use serde_json::Value;
use std::sync::Arc;

/// Characters of a token, an id or a passcode; more is wrong whatever it is.
const MOST_CHARACTERS: usize = 256;
/// Attendees of one action, as the service bounds them.
const MOST_ATTENDEES: usize = 100;

/// Which meeting leg A is to join, and by what right.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Room {
    /// As an attendee that the API has made (`CreateAttendee`).
    Attendee {
        /// The meeting's `MeetingId`.
        meeting: Arc<str>,
        /// The attendee's `JoinToken`.
        token: Arc<str>,
    },
    /// By what a caller would type.
    Number {
        /// 10 digits of an attendee, 13 of a moderator.
        digits: Arc<str>,
        /// The moderators' passcode; empty where there is none.
        passcode: Arc<str>,
    },
}

/// What an application wants of the meetings of this node.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum MeetingRequest {
    /// Leg A, which is answered, joins.
    Join {
        /// Which.
        room: Room,
        /// Whose guesses wrong numbers are, and who the others see: the calling number.
        from: Arc<str>,
    },
    /// Attendees are muted, or heard again.
    Mute {
        /// The meeting that leg A is in.
        meeting: Arc<str>,
        /// Their `AttendeeId`s, 1 to 100.
        attendees: Vec<Arc<str>>,
        /// Whether they are silent from now on.
        on: bool,
    },
    /// Leg A leaves its meeting, or joins none any more; nothing is answered.
    Leave,
}

/// Why nothing was done of a [`MeetingRequest`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MeetingRefusal {
    /// There is no such meeting, or it has no such attendee.
    Wrong,
    /// It is locked, or it is not its time.
    Closed,
    /// So many people are in it, or in all meetings of the node, already.
    Full,
    /// So many wrong numbers were tried for this caller.
    Guessed,
    /// Leg A is in no such meeting.
    NotIn,
    /// Somebody of the list is not in the meeting.
    Stranger,
    /// The node has no meeting rooms.
    NoRooms,
    /// The node cannot do it now, in words.
    Failed(String),
}

impl MeetingRefusal {
    /// As `ActionData` says it of `JoinChimeMeeting` and `ModifyChimeMeetingAttendees`.
    pub(crate) fn error(&self) -> (&'static str, String) {
        let invalid = |why: &str| (INVALID, why.to_owned());
        match self {
            MeetingRefusal::Wrong => invalid(
                "JoinToken parameter value is invalid: there is no such meeting, or it has no such attendee",
            ),
            MeetingRefusal::Closed => {
                invalid("the meeting takes nobody now: it is locked, over, or has not begun")
            }
            MeetingRefusal::Full => invalid("the meeting is full"),
            MeetingRefusal::Guessed => {
                invalid("too many wrong IDs were tried for this caller; wait before the next one")
            }
            MeetingRefusal::NotIn => invalid("Call is not connected to Chime Meeting."),
            MeetingRefusal::Stranger => invalid(
                "One or more attendees are not part of this meeting. All attendees must be part of this \
                 meeting.",
            ),
            MeetingRefusal::NoRooms => {
                let why = "this node has no meeting rooms; add [rooms] to its configuration file";
                (SYSTEM, why.to_owned())
            }
            MeetingRefusal::Failed(why) => (SYSTEM, why.clone()),
        }
    }
}

/// Reads `JoinChimeMeeting`.
pub(super) fn join(object: Object<'_>, leg: LegSide) -> Result<Action, ActionError> {
    if leg != LegSide::A {
        return Err(object.invalid("ParticipantTag", "is to be \"LEG-A\": no other leg joins"));
    }
    let meeting = word(object, "MeetingId")?;
    let digits = meeting
        .filter(|id| matches!(id.len(), 10 | 13) && id.bytes().all(|digit| digit.is_ascii_digit()));
    if let Some(digits) = digits {
        let passcode = word(object, "JoinToken")?.unwrap_or_default().into();
        return Ok(joined(Room::Number { digits: digits.into(), passcode }));
    }
    let token = word(object, "JoinToken")?.ok_or_else(|| object.missing("JoinToken"))?;
    if token.is_empty() {
        return Err(object.invalid("JoinToken", "is empty"));
    }
    let meeting = meeting.ok_or_else(|| object.missing("MeetingId"))?;
    Ok(joined(Room::Attendee { meeting: meeting.into(), token: token.into() }))
}

/// Whose call it is, the program says.
fn joined(room: Room) -> Action {
    Action::Meeting(MeetingRequest::Join { room, from: "".into() })
}

/// Reads `ModifyChimeMeetingAttendees`.
pub(super) fn modify(object: Object<'_>) -> Result<Action, ActionError> {
    let on = match object.required("Operation")? {
        "Mute" => true,
        "Unmute" => false,
        _ => return Err(object.invalid("Operation", "is to be \"Mute\" or \"Unmute\"")),
    };
    let meeting = word(object, "MeetingId")?.ok_or_else(|| object.missing("MeetingId"))?;
    let list = object.list("AttendeeList")?.ok_or_else(|| object.missing("AttendeeList"))?;
    if !(1..=MOST_ATTENDEES).contains(&list.len()) {
        let why = format_args!("is to have 1 to {MOST_ATTENDEES} attendees");
        return Err(object.invalid("AttendeeList", why));
    }
    let is_short = |id: &&str| id.len() <= MOST_CHARACTERS;
    let ids = list.iter().map(|id| id.as_str().filter(is_short).map(Arc::from));
    let attendees: Option<Vec<Arc<str>>> = ids.collect();
    let attendees = attendees
        .ok_or_else(|| object.invalid("AttendeeList", "is to be a list of AttendeeIds"))?;
    Ok(Action::Meeting(MeetingRequest::Mute { meeting: meeting.into(), attendees, on }))
}

/// A text of a bounded length.
fn word<'a>(object: Object<'a>, name: &str) -> Result<Option<&'a str>, ActionError> {
    let Some(word) = object.get(name).and_then(Value::as_str) else {
        return object.text(name);
    };
    match word.len() <= MOST_CHARACTERS {
        true => Ok(Some(word)),
        false => {
            let why = format_args!("has more than {MOST_CHARACTERS} characters");
            Err(object.invalid(name, why))
        }
    }
}
