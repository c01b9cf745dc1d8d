//! What the operations on meetings share, and those that are about people who are in one.

use crate::backend::Backend;
use crate::error::{ApiError, ErrorKind};
use crate::router::Routed;
use crate::writes::bad_request;
use model::TransactionId;
use room_core::{AttendeeId, Command, MeetingId, Refused, Registry};
use serde_json::Value;

/// The meeting of the path.
pub(crate) fn meeting_of(routed: &Routed) -> Result<MeetingId, ApiError> {
    let (name, given) = match routed.member("MeetingId") {
        Some(given) => ("MeetingId", given),
        None => ("RoomId", routed.member("RoomId").unwrap_or_default()),
    };
    MeetingId::parse(given).map_err(|invalid| bad_request(format!("{name}: {invalid}")))
}

/// The attendee of the path.
pub(crate) fn attendee_of(routed: &Routed) -> Result<AttendeeId, ApiError> {
    let given = routed.member("AttendeeId").unwrap_or_default();
    AttendeeId::parse(given).map_err(|invalid| bad_request(format!("AttendeeId: {invalid}")))
}

/// What the registry of meetings refuses.
pub(crate) fn refused(error: room_core::ApiError) -> ApiError {
    let kind = match error {
        room_core::ApiError::BadRequest(_) => ErrorKind::BadRequest,
        room_core::ApiError::Conflict(_) => ErrorKind::Conflict,
        room_core::ApiError::NotFound(_) => ErrorKind::NotFound,
        room_core::ApiError::LimitExceeded(_) => ErrorKind::ResourceLimitExceeded,
        room_core::ApiError::Unavailable(_) => ErrorKind::ServiceUnavailable,
    };
    ApiError::new(kind, error.to_string())
}

/// What is to be done in a meeting by an operation that changes nothing else.
pub(crate) fn command(routed: &Routed, input: &Value) -> Result<Option<Command>, ApiError> {
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    let call = || {
        let read = |text: &str| {
            TransactionId::parse(text).map_err(|invalid| bad_request(format!("CallId: {invalid}")))
        };
        text("CallId").map(read).transpose()
    };
    Ok(Some(match routed.operation.name {
        "LockRoom" => Command::Lock(true),
        "UnlockRoom" => Command::Lock(false),
        "MuteRoom" => call()?.map_or(Command::MuteAll(true), |call| Command::Mute(call, true)),
        "UnmuteRoom" => call()?.map_or(Command::MuteAll(false), |call| Command::Mute(call, false)),
        "AdmitToRoom" => call()?.map_or(Command::AdmitAll, Command::Admit),
        "PresentInRoom" | "StopPresentingInRoom" => {
            let call = call()?.ok_or_else(|| bad_request("CallId: say whose slides"))?;
            match routed.operation.name {
                "PresentInRoom" => Command::TakeFloor(call),
                _ => Command::LeaveFloor(call),
            }
        }
        "LayOutRoom" => {
            let call = call()?.ok_or_else(|| bad_request("CallId: say who is to see it"))?;
            let layout = input.get("Layout").cloned().unwrap_or_default();
            let layout = serde_json::from_value(layout)
                .map_err(|_| bad_request("Layout: say Speaker or Grid"))?;
            Command::LayOut(call, layout)
        }
        "StartRoomRecording" => Command::Record(true),
        "StopRoomRecording" => Command::Record(false),
        "EndRoom" => Command::End,
        "CallFromRoom" => Command::DialOut(text("E164PhoneNumber").unwrap_or_default().to_owned()),
        _ => return Ok(None),
    }))
}

/// Has it done by the node.
pub(crate) fn perform(
    meetings: &Registry,
    routed: &Routed,
    command: Command,
    backend: &mut dyn Backend,
) -> Result<Value, ApiError> {
    let record = meetings.get_meeting(meeting_of(routed)?).map_err(refused)?;
    let id = record.meeting_id;
    let done = backend.command_meeting(id, command);
    done.map(|()| Value::Null).map_err(|why| {
        let kind = match why {
            Refused::NobodyThere => ErrorKind::NotFound,
            Refused::Malformed => ErrorKind::BadRequest,
            Refused::Full => ErrorKind::ResourceLimitExceeded,
            Refused::TooFast => ErrorKind::ThrottledClient,
            Refused::NoMeeting
            | Refused::ModeratorsOnly
            | Refused::NotAllowed
            | Refused::Unrecorded => ErrorKind::Conflict,
        };
        let message = match why {
            Refused::NoMeeting => format!("nobody is in meeting {id} now"),
            Refused::NotAllowed if routed.operation.name == "CallFromRoom" => {
                "nobody may be called into a meeting: [rooms.call_out] of the node's configuration says who, or \
                 the meeting is over, has not begun or is gone from the configuration file"
                    .to_owned()
            }
            other => other.to_string(),
        };
        ApiError::new(kind, message)
    })
}

/// The meetings that people are in, for an operation that removes those that are over; `None` for any
/// other, and when it cannot be told.
pub(crate) fn held(
    backend: &dyn Backend,
    routed: &Routed,
    meetings: &Registry,
) -> Option<Vec<MeetingId>> {
    match routed.operation.name {
        "CreateMeeting" | "CreateMeetingWithAttendees" | "CreateRoom" if !meetings.is_empty() => {
            backend.held_meetings()
        }
        _ => None,
    }
}
