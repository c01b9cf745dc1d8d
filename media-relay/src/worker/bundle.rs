//! Streams that share the transport of leg A (BUNDLE, RFC 9143): one of them has the ports, the path and the
//! handshake, and gives the others what is theirs. Each decrypts, measures and answers by itself, and sends from
//! the same port.

use super::control::Surroundings;
use super::streams::{Connection, StreamKey, Token};
use super::{Heard, Worker};
use crate::batch::Batch;
use model::{BundledLine, Instant, LegPlan, LegSide, MediaId};
use relay_core::{
    BUNDLED_LINES, Bundle, BundleRoute, Decision, DropReason, LegContexts, MediaSocket, RtpSession,
};
use std::net::SocketAddr;

/// The leg whose lines share a transport.
const LEG: LegSide = LegSide::A;
/// Octets of the longest compound that is given to every line.
const LONGEST_COMPOUND: usize = 2_048;

/// What the stream with the transport knows of those that share it.
#[derive(Debug)]
pub(super) struct SharedTransport {
    lines: Bundle,
    /// By place; the first is the stream itself.
    streams: [Option<Sharing>; BUNDLED_LINES],
    /// A compound, for the next line.
    compound: Box<[u8; LONGEST_COMPOUND]>,
    /// What SRTP remembers of those that have ended, for who comes after them: the keys stay the same, and
    /// neither may a packet be taken again nor one of ours be encrypted as another was.
    ended: Option<Box<LegContexts>>,
}

#[derive(Clone, Copy, Debug)]
struct Sharing {
    key: StreamKey,
    /// It has the keys of the handshake.
    has_keys: bool,
}

impl Default for SharedTransport {
    fn default() -> Self {
        SharedTransport {
            lines: Bundle::default(),
            streams: [None; BUNDLED_LINES],
            compound: Box::new([0; LONGEST_COMPOUND]),
            ended: None,
        }
    }
}

impl SharedTransport {
    fn key(&self, place: usize) -> Option<StreamKey> {
        self.streams.get(place).copied().flatten().map(|sharing| sharing.key)
    }

    fn has(&self, key: StreamKey) -> bool {
        self.streams.iter().flatten().any(|sharing| sharing.key == key)
    }

    /// The place of a stream, a new one where it has none; `None` where there is none left.
    fn place(&mut self, key: StreamKey, is_own: bool) -> Option<usize> {
        let is_it = |sharing: &Option<Sharing>| sharing.is_some_and(|sharing| sharing.key == key);
        let others = || self.streams.iter().enumerate().skip(1);
        let known = self.streams.iter().position(is_it).or(is_own.then_some(0));
        let place = known.or_else(|| others().find(|(_, one)| one.is_none()).map(|(at, _)| at))?;
        self.streams.get_mut(place)?.get_or_insert(Sharing { key, has_keys: is_own });
        Some(place)
    }

    /// The others have keys that are none any more.
    fn forget_keys(&mut self) {
        self.streams.iter_mut().skip(1).flatten().for_each(|sharing| sharing.has_keys = false);
    }
}

impl Worker {
    /// A stream shares its transport from now on as its plan says, before its sockets are watched. One that
    /// shares another's does so to its end.
    pub(super) fn share_transport(&mut self, id: MediaId, line: &BundledLine, leg: &LegPlan) {
        let Some(key) = self.streams.key_of(id) else { return };
        let Some(owner) = self.streams.key_of(line.on) else {
            self.parts.counters.unknown_streams.add(1);
            tracing::debug!(media = id.0, "the stream whose transport it shares does not exist");
            return;
        };
        let is_own = key == owner;
        if !is_own && !self.lend_socket(key, owner) {
            return;
        }
        let Some(stream) = self.streams.get_mut(owner) else { return };
        let shared = stream.shared.get_or_insert_default();
        let is_new = !is_own && !shared.has(key);
        let Some(place) = shared.place(key, is_own) else {
            self.parts.counters.socket_failures.add(1);
            return;
        };
        shared.lines.set(place, line, &leg.codecs);
        // A new plan may be of another handshake.
        shared.forget_keys();
        let ended = shared.ended.as_deref().filter(|_| is_new).map(LegContexts::copy);
        if let Some(ended) = ended
            && let Some(stream) = self.streams.get_mut(key)
        {
            stream.session.adopt_contexts(LEG, ended);
        }
        self.tell_transport(owner);
        self.part_sources(owner);
    }

    /// Gives a stream the socket of another one to send from; whether it has it.
    fn lend_socket(&mut self, key: StreamKey, owner: StreamKey) -> bool {
        let lent =
            self.streams.get_mut(owner).map(|stream| stream.sockets[LEG.index()].rtp.try_clone());
        let Some(stream) = self.streams.get_mut(key) else { return false };
        if stream.shares == Some(owner) {
            return true;
        }
        match lent {
            Some(Ok(socket)) => {
                let sockets = &mut stream.sockets[LEG.index()];
                sockets.rtp = socket;
                let is_open = sockets.connected.remote().is_some();
                self.parts.counters.connected_legs.subtract(u64::from(is_open));
                // What comes from the leg comes to the other stream.
                sockets.connected = Connection::Refused;
                stream.shares = Some(owner);
                true
            }
            _ => {
                self.parts.counters.socket_failures.add(1);
                tracing::warn!("no socket for a line that shares another one's: raise ulimit -n");
                false
            }
        }
    }

    /// Has those that share a transport know where the leg is, and the keys that its handshake gave.
    pub(super) fn tell_transport(&mut self, owner: StreamKey) {
        let now = self.parts.clock.now();
        let Some(stream) = self.streams.get_mut(owner) else { return };
        let latched = stream.session.latched(LEG);
        let keys = stream.handshake_keys(LEG).cloned();
        let Some(mut shared) = stream.shared.take() else { return };
        for sharing in shared.streams.iter_mut().skip(1).flatten() {
            let Some(other) = self.streams.get_mut(sharing.key) else { continue };
            if let Some(source) = latched {
                other.session.follow(LEG, source);
            }
            if let Some(keys) = keys.as_ref().filter(|_| !sharing.has_keys) {
                other.session.install_keys(LEG, keys, now);
                sharing.has_keys = true;
            }
        }
        self.put_back(owner, shared);
    }

    /// A stream has another source from now on: no other that shares its transport may have that too.
    pub(super) fn part_sources_of(&mut self, key: StreamKey) {
        let owner = self.streams.get_mut(key).map(|stream| stream.shares.unwrap_or(key));
        if let Some(owner) = owner {
            self.part_sources(owner);
        }
    }

    /// No two of those that share a transport, and so its keys, may send as one source.
    fn part_sources(&mut self, owner: StreamKey) {
        let Some(stream) = self.streams.get_mut(owner) else { return };
        let Some(shared) = stream.shared.take() else { return };
        for (at, later) in shared.streams.iter().enumerate().skip(1) {
            for earlier in shared.streams.iter().take(at).flatten() {
                let Some(key) = later.map(|sharing| sharing.key) else { continue };
                let taken = self.streams.get_mut(earlier.key);
                let taken = taken.map(|stream| stream.session.own_sources(LEG)).unwrap_or_default();
                let Some(stream) = self.streams.get_mut(key) else { continue };
                for source in taken.into_iter().flatten() {
                    stream.session.avoid_source(LEG, source);
                }
            }
        }
        self.put_back(owner, shared);
    }

    /// A stream that shares a transport has ended; `contexts` is what SRTP remembers of it.
    pub(super) fn leave_transport(
        &mut self,
        key: StreamKey,
        owner: StreamKey,
        contexts: Option<LegContexts>,
    ) {
        let Some(stream) = self.streams.get_mut(owner) else { return };
        let Some(shared) = stream.shared.as_deref_mut() else { return };
        let is_it = |sharing: &Option<Sharing>| sharing.is_some_and(|sharing| sharing.key == key);
        if let Some(place) = shared.streams.iter().position(is_it) {
            shared.streams[place] = None;
            shared.lines.remove(place);
        }
        if let Some(mut contexts) = contexts {
            // Of a source that both know, who has ended last knows more.
            if let Some(earlier) = shared.ended.take() {
                contexts.learn(&earlier);
            }
            shared.ended = Some(Box::new(contexts));
        }
    }

    fn put_back(&mut self, owner: StreamKey, shared: Box<SharedTransport>) {
        if let Some(stream) = self.streams.get_mut(owner) {
            stream.shared = Some(shared);
        }
    }

    /// [`Worker::hear`] of a transport that several share.
    pub(super) fn hear_shared(&mut self, token: Token, batch: &mut Batch) -> Option<Heard> {
        let (owner, socket) = (token.key(), token.socket());
        let stream = self.streams.get_mut(owner)?;
        let fd = stream.sockets[LEG.index()].fd(socket)?;
        let Ok(received) = batch.receive(fd) else {
            self.parts.counters.receive_failures.add(1);
            return None;
        };
        let mut shared = self.streams.get_mut(owner)?.shared.take()?;
        let arrival = self.parts.clock.now();
        let mut has_control = false;
        for index in 0..received {
            let Some((source, buffer, len)) = batch.datagram(index) else {
                self.parts.counters.oversized.add(1);
                if let Some(stream) = self.streams.get_mut(owner) {
                    stream.session.count_malformed(LEG);
                }
                continue;
            };
            let given = Given { socket: socket.media(), source, arrival };
            match shared.lines.route(buffer.get(..len).unwrap_or_default()) {
                BundleRoute::Transport => {
                    has_control |= self.give_transport(owner, &mut shared, given, buffer, len);
                }
                BundleRoute::Line { place, ssrc } => {
                    let key = shared.key(place);
                    if key.is_some_and(|key| self.give(key, given, buffer, len)) {
                        shared.lines.learn(ssrc, place);
                    }
                }
                BundleRoute::Every => self.give_every(&mut shared, given, buffer, len),
                BundleRoute::Nobody => self.parts.counters.dropped(DropReason::NoLine),
            }
        }
        self.serve_sharing(&shared, arrival);
        self.put_back(owner, shared);
        if has_control {
            self.tell_transport(owner);
        }
        self.heard_of(owner, received, arrival, has_control)
    }

    /// What [`Worker::serve_socket`] has to see to of the stream with the transport.
    fn heard_of(
        &mut self,
        owner: StreamKey,
        received: usize,
        arrival: Instant,
        has_control: bool,
    ) -> Option<Heard> {
        let stream = self.streams.get_mut(owner)?;
        let has_keys = stream.session.has_dtmf_news();
        let has_made = stream.session.made_deadline().is_some();
        let copied_to = stream.copies[LEG.index()].filter(|_| !self.forks.is_empty());
        // Reports are looked after with those of the others.
        let has_rtcp = stream.session.take_rtcp_is_nearer();
        Some(Heard { received, arrival, has_control, has_rtcp, has_keys, has_made, copied_to })
    }

    /// Gives a datagram that is no media to the stream with the transport; whether it was a check or a part of a
    /// handshake. Where that has given keys, those that share it have none until they are told.
    fn give_transport(
        &mut self,
        owner: StreamKey,
        shared: &mut SharedTransport,
        given: Given,
        buffer: &mut [u8],
        len: usize,
    ) -> bool {
        let counters = &self.parts.counters;
        let Some(stream) = self.streams.get_mut(owner) else { return false };
        let decision = given.forward(&mut stream.session, buffer, len);
        let around = Surroundings { clock: self.parts.clock, counters, now: given.arrival };
        let datagram = buffer.get(..len).unwrap_or_default();
        match decision {
            Decision::Check => stream.take_check(LEG, given.source, datagram, around),
            Decision::Handshake => {
                if stream.take_handshake(LEG, given.source, datagram, around) {
                    shared.forget_keys();
                }
            }
            Decision::Drop(reason) => {
                counters.dropped(reason);
                return false;
            }
            _ => return false,
        }
        true
    }

    /// Gives RTP to the stream whose line it is of; whether that has taken it.
    fn give(&mut self, key: StreamKey, given: Given, buffer: &mut [u8], len: usize) -> bool {
        let Some(stream) = self.streams.get_mut(key) else {
            self.parts.counters.dropped(DropReason::NoLine);
            return false;
        };
        let decision = given.forward(&mut stream.session, buffer, len);
        if let Some(octets) = stream.session.take_copied() {
            self.forks.keep(octets);
        }
        match decision {
            // Nobody else is on a leg whose lines share a transport.
            Decision::Send { .. } => self.parts.counters.dropped(DropReason::NoDestination),
            Decision::Drop(reason) => {
                self.parts.counters.dropped(reason);
                // It came from the leg, whatever became of it.
                return is_authentic(reason);
            }
            _ => {}
        }
        true
    }

    /// Gives a compound to every line. Its whole goes to whoever switches the leg's pictures once.
    fn give_every(
        &mut self,
        shared: &mut SharedTransport,
        given: Given,
        buffer: &mut [u8],
        len: usize,
    ) {
        let Some(datagram) =
            buffer.get(..len).filter(|datagram| datagram.len() <= LONGEST_COMPOUND)
        else {
            return self.parts.counters.dropped(DropReason::MalformedRtcp);
        };
        let mut is_handed = false;
        for sharing in shared.streams.iter().flatten() {
            let Some(stream) = self.streams.get_mut(sharing.key) else { continue };
            // Each decrypts it in place.
            let compound = &mut shared.compound[..];
            let Some(copy) = compound.get_mut(..len) else { continue };
            copy.copy_from_slice(datagram);
            is_handed |= stream.session.hand_on_reports(!is_handed);
            if let Decision::Drop(reason) = given.forward(&mut stream.session, compound, len) {
                self.parts.counters.dropped(reason);
            }
            self.copies.take(stream);
        }
    }

    /// After a batch: reports, packets and news of those that were given something.
    fn serve_sharing(&mut self, shared: &SharedTransport, now: Instant) {
        for (place, sharing) in shared.streams.iter().enumerate() {
            let Some(Sharing { key, .. }) = *sharing else { continue };
            let counters = &self.parts.counters;
            let Some(stream) = self.streams.get_mut(key) else { continue };
            counters.untold_rtcp.add(stream.session.take_unpassed_feedback().into());
            if stream.session.take_picture_news()
                && let Some(picture) = stream.picture.as_deref()
            {
                picture.call();
            }
            self.schedule_reports(key);
            // The stream with the transport is seen to as any other is.
            if place > 0 {
                self.send_what_waits(key, now);
            }
        }
    }
}

/// How a datagram came.
#[derive(Clone, Copy)]
struct Given {
    socket: MediaSocket,
    source: SocketAddr,
    arrival: Instant,
}

impl Given {
    fn forward(self, session: &mut RtpSession, buffer: &mut [u8], len: usize) -> Decision {
        session.forward(LEG, self.socket, self.source, buffer, len, self.arrival)
    }
}

/// Whether a packet that was dropped so has proven to be the leg's.
fn is_authentic(reason: DropReason) -> bool {
    matches!(reason, DropReason::NotAccepted | DropReason::NotWanted | DropReason::NoDestination)
}
