//! A copy of RTCP, for whoever watches a call.

use crate::{Instant, LegSide, MediaId, MessageDirection, TransactionId};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// One RTCP datagram of a leg, without its encryption: as it came, or as the relay made it. One that
/// passes to the other leg is copied where it came from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RtcpCopy {
    /// The stream.
    pub id: MediaId,
    /// The call.
    pub transaction_id: TransactionId,
    /// The leg that sent it, or got it from us.
    pub leg: LegSide,
    /// Whether the leg sent it, or we.
    pub direction: MessageDirection,
    /// Our address that it came to or left from.
    pub local: SocketAddr,
    /// The leg's.
    pub remote: SocketAddr,
    /// When it came, or was made.
    pub at: Instant,
    /// The compound (RFC 3550 section 6.1). Each length in it has been checked.
    pub octets: Vec<u8>,
}
