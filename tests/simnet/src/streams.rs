//! Streams that have closed, and what waits for their peers, as the transport keeps it.

use bytes::Bytes;
use model::{ConnectionId, Flow, TransportProtocol};
use std::collections::HashMap;
use std::net::SocketAddr;

/// What the edge's transport remembers of closed streams.
#[derive(Default)]
pub(crate) struct Streams {
    closed: HashMap<ConnectionId, SocketAddr>,
    waiting: Vec<(SocketAddr, Bytes)>,
}

impl Streams {
    pub(crate) fn close(&mut self, id: ConnectionId, peer: SocketAddr) {
        self.closed.insert(id, peer);
    }

    pub(crate) fn is_closed(&self, id: ConnectionId) -> bool {
        self.closed.contains_key(&id)
    }

    /// Keeps a message for a peer that nobody may connect to: over TLS that takes a name.
    pub(crate) fn waits(&mut self, flow: &Flow, payload: &Bytes) -> bool {
        let nameless = flow.protocol == TransportProtocol::Tls && flow.identity.is_none();
        let peer = flow.connection.and_then(|id| self.closed.get(&id)).filter(|_| nameless);
        self.waiting.extend(peer.map(|peer| (*peer, payload.clone())));
        peer.is_some()
    }

    /// What waits for a peer that connects.
    pub(crate) fn come_back(&mut self, peer: SocketAddr) -> Vec<Bytes> {
        let (found, left) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(at, _)| at.ip() == peer.ip());
        self.waiting = left;
        Vec::into_iter(found).map(|(_, payload)| payload).collect()
    }
}
