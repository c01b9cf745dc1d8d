//! Operations of Tandem's own, for what AWS's API has none. They cannot collide with AWS's: their paths
//! begin with `/tandem/`, their actions in policies with `tandem:`.

use super::ErrorKind::{AccessDenied, Conflict, NotFound};
use super::Method::{Get, Post};
use super::Support::Served;
use super::{ErrorKind, Method, Operation};

/// What the paths of all of them begin with.
pub(super) const ROOT: &str = "/tandem/";

/// Every operation of Tandem's own, by name.
pub const OWN_OPERATIONS: &[Operation] = &[
    own(
        "AdvancePortingOrder",
        (Post, 200),
        &[AccessDenied, Conflict, NotFound],
        "/tandem/porting-orders/{portingOrderId}?operation=advance",
    ),
    own("CreatePortingOrder", (Post, 201), &[AccessDenied, Conflict], "/tandem/porting-orders"),
    own(
        "GetPortingOrder",
        (Get, 200),
        &[AccessDenied, NotFound],
        "/tandem/porting-orders/{portingOrderId}",
    ),
    own("ListPortingOrders", (Get, 200), &[AccessDenied], "/tandem/porting-orders"),
];

const fn own(
    name: &'static str,
    (method, status): (Method, u16),
    errors: &'static [ErrorKind],
    target: &'static str,
) -> Operation {
    Operation { name, method, target, status, errors, lacks: &[], support: Served }
}
