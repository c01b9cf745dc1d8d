//! The operations of chime-sdk-meetings (apiVersion 2021-07-15). Its paths begin with `/meetings`, and
//! tags have the paths of chime-sdk-voice: one endpoint serves both.

use super::ErrorKind::{
    AccessDenied, Conflict, NotFound, ResourceLimitExceeded, UnprocessableEntity,
};
use super::Method::{Delete, Get, Post, Put};
use super::Support::{Later, Served};
use super::{ErrorKind, Method, Operation, Support};

/// What the paths of all of them begin with.
pub(super) const ROOT: &str = "/meetings";

const NEW: &[ErrorKind] = &[AccessDenied, Conflict, ResourceLimitExceeded];
const OF_ONE: &[ErrorKind] = &[AccessDenied, NotFound];
const INTO_ONE: &[ErrorKind] =
    &[AccessDenied, NotFound, ResourceLimitExceeded, UnprocessableEntity];
const CHANGED: &[ErrorKind] = &[AccessDenied, Conflict, NotFound];

/// Every operation of it, by name, but those of tags, which are chime-sdk-voice's too.
pub const MEETING_OPERATIONS: &[Operation] = &[
    of(
        "BatchCreateAttendee",
        (Post, 201),
        INTO_ONE,
        Served,
        "/meetings/{MeetingId}/attendees?operation=batch-create",
    ),
    of(
        "BatchUpdateAttendeeCapabilitiesExcept",
        (Put, 200),
        CHANGED,
        Served,
        "/meetings/{MeetingId}/attendees/capabilities?operation=batch-update-except",
    ),
    of("CreateAttendee", (Post, 201), INTO_ONE, Served, "/meetings/{MeetingId}/attendees"),
    of("CreateMeeting", (Post, 201), NEW, Served, "/meetings"),
    of(
        "CreateMeetingWithAttendees",
        (Post, 201),
        NEW,
        Served,
        "/meetings?operation=create-attendees",
    ),
    of(
        "DeleteAttendee",
        (Delete, 204),
        OF_ONE,
        Served,
        "/meetings/{MeetingId}/attendees/{AttendeeId}",
    ),
    of("DeleteMeeting", (Delete, 204), OF_ONE, Served, "/meetings/{MeetingId}"),
    of("GetAttendee", (Get, 200), OF_ONE, Served, "/meetings/{MeetingId}/attendees/{AttendeeId}"),
    of("GetMeeting", (Get, 200), OF_ONE, Served, "/meetings/{MeetingId}"),
    of("ListAttendees", (Get, 200), OF_ONE, Served, "/meetings/{MeetingId}/attendees"),
    of(
        "StartMeetingTranscription",
        (Post, 200),
        INTO_ONE,
        Later,
        "/meetings/{MeetingId}/transcription?operation=start",
    ),
    of(
        "StopMeetingTranscription",
        (Post, 200),
        INTO_ONE,
        Later,
        "/meetings/{MeetingId}/transcription?operation=stop",
    ),
    of(
        "UpdateAttendeeCapabilities",
        (Put, 200),
        CHANGED,
        Served,
        "/meetings/{MeetingId}/attendees/{AttendeeId}/capabilities",
    ),
];

const fn of(
    name: &'static str,
    (method, status): (Method, u16),
    errors: &'static [ErrorKind],
    support: Support,
    target: &'static str,
) -> Operation {
    Operation { name, method, target, status, errors, lacks: &[], support }
}
