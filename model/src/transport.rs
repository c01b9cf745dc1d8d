//! Where a SIP message came from and how an answer gets back.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;

/// The transports of RFC 3261 section 18 that Tandem speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum TransportProtocol {
    /// Datagrams; retransmission is the transaction layer's work.
    Udp,
    /// A byte stream with Content-Length framing.
    Tcp,
    /// TCP under TLS.
    Tls,
    /// A WebSocket that a browser has opened, each message one SIP message (RFC 7118).
    Ws,
    /// The same under TLS.
    Wss,
}

impl TransportProtocol {
    /// Whether the transport retransmits by itself (RFC 3261 section 17).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, TransportProtocol::Udp)
    }

    /// Whether only peers open its connections: nobody can be called over it but on a connection that
    /// there is (RFC 7118 section 5).
    pub const fn is_web_socket(self) -> bool {
        matches!(self, TransportProtocol::Ws | TransportProtocol::Wss)
    }

    /// The port that a URI without one means (RFC 3261 section 19.1.2, RFC 7118 section 5.2).
    pub const fn default_port(self) -> u16 {
        match self {
            TransportProtocol::Udp | TransportProtocol::Tcp => 5060,
            TransportProtocol::Tls => 5061,
            TransportProtocol::Ws => 80,
            TransportProtocol::Wss => 443,
        }
    }

    /// The token of a Via line's `sent-protocol`, as in `SIP/2.0/UDP`.
    pub const fn via_token(self) -> &'static str {
        match self {
            TransportProtocol::Udp => "UDP",
            TransportProtocol::Tcp => "TCP",
            TransportProtocol::Tls => "TLS",
            TransportProtocol::Ws => "WS",
            TransportProtocol::Wss => "WSS",
        }
    }

    /// The value of a URI's `transport` parameter; of both kinds of WebSocket the same
    /// (RFC 7118 section 5.2.4).
    pub const fn uri_token(self) -> &'static str {
        match self {
            TransportProtocol::Udp => "udp",
            TransportProtocol::Tcp => "tcp",
            TransportProtocol::Tls => "tls",
            TransportProtocol::Ws | TransportProtocol::Wss => "ws",
        }
    }

    /// Reads a token in any case, of those over which requests can be sent to anybody.
    pub fn parse(token: &str) -> Option<Self> {
        [TransportProtocol::Udp, TransportProtocol::Tcp, TransportProtocol::Tls]
            .into_iter()
            .find(|t| token.eq_ignore_ascii_case(t.uri_token()))
    }
}

impl fmt::Display for TransportProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TransportProtocol::Wss => "wss",
            other => other.uri_token(),
        })
    }
}

/// One accepted or opened stream connection, unique while the node runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// Whom the far end of a TLS connection must have proved to be: the call logic's short name for a
/// host name with the authorities that may vouch for it. A connection that was verified for one
/// identity never serves another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeerIdentity(pub std::num::NonZeroU32);

/// A path between one of our addresses and a peer's: what an answer follows back
/// (RFC 3261 section 18.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flow {
    /// The transport.
    pub protocol: TransportProtocol,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The stream connection; `None` for UDP, and for a stream that is still to be opened.
    pub connection: Option<ConnectionId>,
    /// Whom a TLS connection to `remote` must lead to; `None` on connections that the peer opened,
    /// and for other transports. TLS is never opened without it.
    pub identity: Option<PeerIdentity>,
}

impl Flow {
    /// A path that has no connection yet, or needs none.
    pub const fn new(protocol: TransportProtocol, local: SocketAddr, remote: SocketAddr) -> Flow {
        Flow { protocol, local, remote, connection: None, identity: None }
    }
}
