//! One relay, as an edge knows it.

use crate::delivery::{Inbound, Outbound};
use crate::message::{Claim, DRAINING, EdgeBody, EdgeHello, Frame, Purpose, RelayHello, encode};
use crate::seal::SealKey;
use model::{Fingerprint, Instant, MediaCommand};
use std::net::SocketAddr;
use std::time::Duration;

/// Messages that wait for one relay, or for its word that it has them. An `Allocate` is refused from a
/// quarter of it on, all but a `Release` from three quarters; at the bound a command is given back to
/// its sender. Of a stream there is one `Release`, so that a relay's ports bound them.
pub(crate) const WAITING_MAX: usize = 65_536;
/// Claims in one message.
const CLAIMS_AT_ONCE: usize = 1_024;

/// How far a link has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LinkState {
    /// Nobody there.
    Away,
    /// Connected; it is still to be said which streams it holds for us.
    Listing,
    /// In use.
    Up,
}

/// What a relay's link looks like, for people and metrics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkStatus {
    /// Where the relay listens.
    pub address: SocketAddr,
    /// The name of its node; empty before the first connection.
    pub name: String,
    /// It can be given streams.
    pub is_up: bool,
    /// The last round trip to it; `None` before the first.
    pub round_trip: Option<Duration>,
    /// Connections that broke.
    pub losses: u64,
    /// Our streams there.
    pub streams: u64,
    /// Messages that it is not known to have.
    pub waiting: u64,
}

pub(crate) struct Link {
    pub(crate) address: SocketAddr,
    pub(crate) state: LinkState,
    pub(crate) name: String,
    /// The relay's incarnation; 0 before the first.
    pub(crate) relay: u64,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) orphan_timeout: Duration,
    pub(crate) outbound: Outbound<EdgeBody>,
    pub(crate) inbound: Inbound,
    /// Our streams there.
    pub(crate) streams: usize,
    /// The relay has said what it holds.
    listed: bool,
    /// Those of the relay's list that we know by an id from before our start.
    pub(crate) claims: Vec<Claim>,
    /// All that the relay has, as it said last: other edges' too.
    pub(crate) load: u64,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) losses: u64,
    /// A ping to be sent.
    pub(crate) ping: Option<Instant>,
    /// Something to say that is no message: what was received.
    pub(crate) acknowledge: bool,
}

impl Link {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Link {
            address,
            state: LinkState::Away,
            name: String::new(),
            relay: 0,
            fingerprint: None,
            orphan_timeout: Duration::ZERO,
            outbound: Outbound::default(),
            inbound: Inbound::default(),
            streams: 0,
            listed: false,
            claims: Vec::new(),
            load: 0,
            round_trip: None,
            losses: 0,
            ping: None,
            acknowledge: false,
        }
    }

    pub(crate) fn hello(&self, node: &str, incarnation: u64, seal: SealKey) -> EdgeHello {
        let (received, relay) = (self.inbound.last(), self.relay);
        let (node, purpose) = (node.to_owned(), Purpose::Serve);
        EdgeHello { node, incarnation, received, relay, purpose, seal }
    }

    /// The relay's first word; `false` when it knows nothing of what was said before.
    pub(crate) fn welcome(&mut self, hello: &RelayHello) -> bool {
        let goes_on = hello.resumed && (self.relay == 0 || self.relay == hello.incarnation);
        self.name.clone_from(&hello.node);
        self.fingerprint = hello.fingerprint;
        self.orphan_timeout = Duration::from_millis(hello.orphan_timeout_ms);
        self.ping = None;
        self.load = 0;
        if goes_on {
            self.outbound.acknowledge(hello.received);
            self.outbound.rewind();
            // The list, if it was under way, goes on as every other message.
            self.state = if self.listed { LinkState::Up } else { LinkState::Listing };
        } else {
            self.outbound.restart().for_each(drop);
            self.inbound = Inbound::default();
            self.claims.clear();
            self.streams = 0;
            self.listed = false;
            self.state = LinkState::Listing;
        }
        self.relay = hello.incarnation;
        goes_on
    }

    /// It can be given streams.
    pub(crate) fn is_up(&self) -> bool {
        self.state == LinkState::Up && self.load != DRAINING
    }

    /// Queues a command, or gives it back.
    pub(crate) fn push(&mut self, command: MediaCommand) -> Result<(), MediaCommand> {
        let limit = match command {
            MediaCommand::Allocate { emergency: false, .. } => WAITING_MAX / 4,
            MediaCommand::Release { .. } => WAITING_MAX,
            _ => WAITING_MAX / 4 * 3,
        };
        if self.outbound.len() >= limit {
            return Err(command);
        }
        self.outbound.push(EdgeBody::Command(command));
        Ok(())
    }

    /// The list has ended: what we know is claimed, and the link is in use.
    pub(crate) fn finish_listing(&mut self) {
        for some in std::mem::take(&mut self.claims).chunks(CLAIMS_AT_ONCE) {
            self.outbound.push(EdgeBody::Claim(some.to_vec()));
        }
        self.outbound.push(EdgeBody::Claimed);
        self.listed = true;
        self.state = LinkState::Up;
    }

    /// Writes the next frame; `false` when there is none.
    pub(crate) fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        let acknowledged = self.inbound.last();
        if let Some(at) = self.ping.take() {
            let ping = Frame::<EdgeBody>::Ping { sent: at.as_nanos(), acknowledged };
            return encode(&ping, out);
        }
        while let Some((number, body)) = self.outbound.next() {
            self.acknowledge = false;
            let frame = Frame::Message { number, acknowledged, body };
            if encode(&frame, out) {
                return true;
            }
            tracing::error!("a command for the relay is too long for a frame, and is not sent");
        }
        if std::mem::take(&mut self.acknowledge) {
            let pong = Frame::<EdgeBody>::Pong { sent: 0, acknowledged, streams: 0 };
            return encode(&pong, out);
        }
        false
    }

    pub(crate) fn status(&self) -> LinkStatus {
        LinkStatus {
            address: self.address,
            name: self.name.clone(),
            is_up: self.is_up(),
            round_trip: self.round_trip,
            losses: self.losses,
            streams: self.streams as u64,
            waiting: self.outbound.len() as u64,
        }
    }
}
