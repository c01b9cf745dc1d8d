//! Connected sockets for legs that have settled: the kernel finds them at once, and needs no route
//! for what they send.

use super::Worker;
use super::streams::{Connection, LegSocket, Stream, StreamKey, Token};
use crate::batch::{BATCH, Batch};
use crate::sockets;
use model::{Instant, LegSide};
use std::os::fd::AsFd;

/// RTP packets of a leg from which on a connected socket is worth its six system calls: a second of
/// audio.
const WORTH_IT: u64 = 50;

/// Batches that a socket's buffer can hold, and some.
const BATCHES: usize = 32;

impl Stream {
    /// Whether the leg's connected socket is not the one that it should have. Asked after every
    /// batch.
    #[inline]
    pub(super) fn wants_connection(&self, leg: LegSide, now: Instant) -> bool {
        match &self.sockets[leg.index()].connected {
            Connection::Refused => false,
            Connection::Open { remote, .. } => self.session.latched(leg) != Some(*remote),
            Connection::None => {
                self.session.rtp_packets(leg) >= WORTH_IT
                    && self.fast.is_none()
                    && self.session.settled(leg, now).is_some()
            }
        }
    }
}

impl Worker {
    /// Connects a leg's RTP to its settled source, or closes a connection that leads elsewhere.
    #[cold]
    pub(super) fn connect(&mut self, key: StreamKey, leg: LegSide, batch: &mut Batch) {
        let now = self.parts.clock.now();
        let dscp = self.parts.config.dscp;
        let token = Token::new(key, leg, LegSocket::Connected);
        let Some(stream) = self.streams.get_mut(key) else { return };
        if stream.sockets[leg.index()].connected.remote().is_some() {
            self.disconnect(key, leg, batch);
            return;
        }
        let Some(remote) = stream.session.settled(leg, now) else { return };
        let sockets = &mut stream.sockets[leg.index()];
        let opened = sockets::open_connected(&sockets.rtp, remote, dscp)
            .and_then(|socket| self.epoll.add(socket.as_fd(), token.0).map(|()| socket));
        sockets.connected = match opened {
            Ok(socket) => {
                self.parts.counters.connected_legs.add(1);
                Connection::Open { socket, remote }
            }
            Err(error) => {
                tracing::debug!(%error, %remote, "a leg's media stays on its unconnected socket");
                Connection::Refused
            }
        };
    }

    /// Closes a leg's connected socket, after what waits on it has been heard.
    fn disconnect(&mut self, key: StreamKey, leg: LegSide, batch: &mut Batch) {
        let token = Token::new(key, leg, LegSocket::Connected);
        for _ in 0..BATCHES {
            if self.hear(token, batch).is_none_or(|heard| heard.received < BATCH) {
                break;
            }
        }
        if let Some(stream) = self.streams.get_mut(key) {
            stream.sockets[leg.index()].connected = Connection::None;
            self.parts.counters.connected_legs.subtract(1);
        }
    }
}
