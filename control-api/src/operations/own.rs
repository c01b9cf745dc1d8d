//! Operations of Tandem's own, for what AWS's API has none. They cannot collide with AWS's: their paths
//! begin with `/tandem/`, their actions in policies with `tandem:`.

use super::ErrorKind::{AccessDenied, Conflict, NotFound, ResourceLimitExceeded};
use super::Method::{Delete, Get, Post};
use super::Support::Served;
use super::{ErrorKind, Method, Operation};

/// What the paths of all of them begin with.
pub(super) const ROOT: &str = "/tandem/";

/// Of operations on one room, and on what goes on in it.
const ROOM: &[ErrorKind] = &[AccessDenied, NotFound];
const LIVE: &[ErrorKind] = &[AccessDenied, Conflict, NotFound, ResourceLimitExceeded];

/// Every operation of Tandem's own, by name.
pub const OWN_OPERATIONS: &[Operation] = &[
    own("AdmitToRoom", (Post, 204), LIVE, "/tandem/rooms/{roomId}?operation=admit"),
    own(
        "AdvancePortingOrder",
        (Post, 200),
        &[AccessDenied, Conflict, NotFound],
        "/tandem/porting-orders/{portingOrderId}?operation=advance",
    ),
    own("CallFromRoom", (Post, 204), LIVE, "/tandem/rooms/{roomId}?operation=call"),
    own("CreatePortingOrder", (Post, 201), &[AccessDenied, Conflict], "/tandem/porting-orders"),
    own(
        "CreateRoom",
        (Post, 201),
        &[AccessDenied, Conflict, ResourceLimitExceeded],
        "/tandem/rooms",
    ),
    own("DeleteRoom", (Delete, 204), ROOM, "/tandem/rooms/{roomId}"),
    own("EndRoom", (Post, 204), LIVE, "/tandem/rooms/{roomId}?operation=end"),
    own(
        "GetPortingOrder",
        (Get, 200),
        &[AccessDenied, NotFound],
        "/tandem/porting-orders/{portingOrderId}",
    ),
    own("GetRoom", (Get, 200), ROOM, "/tandem/rooms/{roomId}"),
    own("LayOutRoom", (Post, 204), LIVE, "/tandem/rooms/{roomId}?operation=lay-out"),
    own("ListPortingOrders", (Get, 200), &[AccessDenied], "/tandem/porting-orders"),
    own("ListRoomParticipants", (Get, 200), ROOM, "/tandem/rooms/{roomId}/participants"),
    own("ListRooms", (Get, 200), &[AccessDenied], "/tandem/rooms"),
    own("LockRoom", (Post, 204), LIVE, "/tandem/rooms/{roomId}?operation=lock"),
    own("MuteRoom", (Post, 204), LIVE, "/tandem/rooms/{roomId}?operation=mute"),
    own("PresentInRoom", (Post, 204), LIVE, "/tandem/rooms/{roomId}?operation=present"),
    own("ResetRoom", (Post, 200), ROOM, "/tandem/rooms/{roomId}?operation=reset"),
    own(
        "StartRoomRecording",
        (Post, 204),
        LIVE,
        "/tandem/rooms/{roomId}?operation=start-recording",
    ),
    own(
        "StopPresentingInRoom",
        (Post, 204),
        LIVE,
        "/tandem/rooms/{roomId}?operation=stop-presenting",
    ),
    own("StopRoomRecording", (Post, 204), LIVE, "/tandem/rooms/{roomId}?operation=stop-recording"),
    own("UnlockRoom", (Post, 204), LIVE, "/tandem/rooms/{roomId}?operation=unlock"),
    own("UnmuteRoom", (Post, 204), LIVE, "/tandem/rooms/{roomId}?operation=unmute"),
    own("UpdateRoom", (Post, 200), ROOM, "/tandem/rooms/{roomId}"),
];

const fn own(
    name: &'static str,
    (method, status): (Method, u16),
    errors: &'static [ErrorKind],
    target: &'static str,
) -> Operation {
    Operation { name, method, target, status, errors, lacks: &[], support: Served }
}
