//! What the call logic tells of its registrations at carriers.

use crate::{CarrierId, Instant};
use std::net::SocketAddr;
use std::time::Duration;

/// News of our registration at a carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegistrationEvent {
    /// The carrier.
    pub carrier: CarrierId,
    /// When.
    pub at: Instant,
    /// The registrar's address; `None` when none was found.
    pub destination: Option<SocketAddr>,
    /// What.
    pub news: RegistrationNews,
}

/// What became of a registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegistrationNews {
    /// It is in force. Refreshes are not told.
    Registered {
        /// The time that the registrar grants, in seconds.
        seconds: u32,
    },
    /// A round of tries failed. An earlier registration may still be in force.
    Failed {
        /// The status of the last try: 408 for silence, 503 for an address that cannot be reached,
        /// 200 for a response that binds nothing, 0 for a name without addresses.
        status: u16,
        /// When the next round begins.
        retry_in: Duration,
    },
    /// It ran out before it could be refreshed.
    Lost,
    /// It was taken back.
    Removed,
}
