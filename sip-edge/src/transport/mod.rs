//! Sockets: datagrams in batches, streams with one task per connection. No policy beyond limits.

mod accept;
mod admission;
mod batch;
mod connection;
mod entry;
mod layer;
mod messages;
mod open;
mod returning;
mod tcp;
mod tls;
mod udp;

pub(crate) use tcp::{FromStream, StreamInput, Streams};
pub(crate) use udp::{Heard, UdpSocket, bind as bind_udp};

pub use connection::TcpLimits;
pub use messages::{MessageConnection, MessageConnections, MessageEnd};

use sip_proto::ClientKey;
use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::tls::TlsCounters;
use model::ConnectionId;

/// What a transport found out while sending. The driver hands it to the call logic in its next
/// round, not at once, so that an answer to it cannot recurse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Feedback {
    /// The request of this client transaction did not get away.
    Unreachable(ClientKey),
    /// ICMP says that nobody can be reached there.
    PeerUnreachable(SocketAddr),
    /// The connection is gone.
    ConnectionClosed(ConnectionId),
}

/// Feedback in the order it arose. Bounded by what one round of the driver sends.
pub(crate) type FeedbackQueue = VecDeque<Feedback>;

/// What the transports did, since the start unless a name says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TransportCounters {
    /// Datagrams received that were not keep-alives.
    pub udp_received: u64,
    /// Keep-alive datagrams (CRLF or NUL octets), ignored.
    pub udp_keep_alives: u64,
    /// Datagrams given to the operating system.
    pub udp_sent: u64,
    /// Datagrams dropped because the send queue was full.
    pub udp_send_queue_full: u64,
    /// Datagrams that the operating system refused (no route, too large).
    pub udp_send_failed: u64,
    /// ICMP errors that said a peer cannot be reached.
    pub udp_unreachable: u64,
    /// Connections open now, accepted and opened.
    pub tcp_connections: u64,
    /// Connections accepted.
    pub tcp_accepted: u64,
    /// Connections opened by us, or tried.
    pub tcp_opened: u64,
    /// Connections refused because the limit for all or for one source was reached.
    pub tcp_refused: u64,
    /// Connections that could not be opened.
    pub tcp_connect_failed: u64,
    /// Messages dropped because too many wait for a connection that is being opened.
    pub tcp_connect_queue_full: u64,
    /// Messages received on streams.
    pub tcp_received: u64,
    /// Messages queued to streams.
    pub tcp_sent: u64,
    /// Connections closed because a started message did not become complete in time.
    pub tcp_slow_messages: u64,
    /// Connections closed because nothing passed for too long.
    pub tcp_idle: u64,
    /// Connections closed because the stream could not be cut into messages.
    pub tcp_framing_errors: u64,
    /// Connections closed because the peer did not take what we wrote: a full queue, or a write
    /// that passed its deadline.
    pub tcp_write_stalled: u64,
    /// Connections closed because the peer did not answer keep-alives.
    pub tcp_no_pong: u64,
    /// Connections closed because what came was not valid TLS.
    pub tls_broken: u64,
    /// TLS handshakes, both ways.
    pub tls: TlsCounters,
    /// Messages for a transport that is not served here.
    pub unserved_transport: u64,
}
