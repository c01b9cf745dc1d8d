//! What is known of the health of peers, for logs and metrics.

use crate::{Instant, VoiceConnectorId};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// News about the health of a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HealthEvent {
    /// What a carrier or an origination route is known to be.
    Target(TargetHealth),
    /// A carrier or a route is asked no more.
    TargetForgotten {
        /// Its name in logs and metrics.
        name: Arc<str>,
    },
    /// Calls avoid a carrier or a route for a while.
    Avoided {
        /// Its name in logs and metrics.
        name: Arc<str>,
        /// Why.
        cause: HealthCause,
        /// For how long, 1 s to 5 min.
        span: Duration,
    },
    /// A customer's system asked with OPTIONS whether we are alive (AWS: termination health).
    Termination(TerminationHealth),
}

/// What pings found out about a carrier or an origination route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetHealth {
    /// Its name in logs and metrics.
    pub name: Arc<str>,
    /// Where it is asked, as configured.
    pub destination: Arc<str>,
    /// Whether it is alive.
    pub is_up: bool,
    /// Whether that is new.
    pub is_change: bool,
    /// Whether it was dead until now.
    pub is_recovery: bool,
    /// What the last ping met.
    pub cause: HealthCause,
    /// When the ping was answered or given up.
    pub at: Instant,
}

/// The last OPTIONS of a voice connector's customer (AWS: `TerminationHealth`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TerminationHealth {
    /// The voice connector.
    pub voice_connector: VoiceConnectorId,
    /// Where it came from.
    pub source: SocketAddr,
    /// When.
    pub at: Instant,
}

/// What a request met at a peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HealthCause {
    /// A final response.
    Status(u16),
    /// No response in time.
    Timeout,
    /// The transport could not reach it, or there was no room to ask.
    Unreachable,
    /// Its name could not be resolved.
    Unresolved,
}

impl fmt::Display for HealthCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HealthCause::Status(status) => write!(f, "answered {status}"),
            HealthCause::Timeout => f.write_str("no response in time"),
            HealthCause::Unreachable => f.write_str("not reachable"),
            HealthCause::Unresolved => f.write_str("its name has no address"),
        }
    }
}
