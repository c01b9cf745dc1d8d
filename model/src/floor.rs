//! Floor control of meetings by BFCP (RFC 8855): what a call's description says of it (RFC 8856).

use std::net::SocketAddr;

/// How a device reaches the node's floor control server, and whom it says it is: lines of floor control of
/// its call are answered with this.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FloorAccess {
    /// The server, as peers reach it; over UDP and TCP.
    pub address: SocketAddr,
    /// `a=confid`: drawn at random for each call, since BFCP has no other proof of who speaks.
    pub conference: u32,
    /// `a=userid`, of no other call now.
    pub user: u16,
}

/// What carries a device's messages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FloorTransport {
    /// `UDP/BFCP`.
    Udp,
    /// `TCP/BFCP`; the device opens the connection.
    Tcp,
}

/// A device whose line of floor control is taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FloorPeer {
    /// What carries its messages.
    pub transport: FloorTransport,
    /// Where it says that it is. Over TCP its port means nothing, and behind a NAT neither part does.
    pub address: SocketAddr,
}
