//! What one worker has of the fast path: its share of the rings, and the ways of its streams.

use super::FastPath;
use super::layout::{Entry, Way};
use super::network::{Network, Route};
use model::{Instant, LegSide};
use relay_core::{FastForward, ForwardedPacket, RtpSession};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long an answer about a route holds. Neighbours are the kernel's to find; routes change when
/// somebody changes them.
const ROUTE_LIFETIME: Duration = Duration::from_secs(5);
/// Routes remembered; when there are more, all are asked for again.
const ROUTES: usize = 4_096;
/// How long after an entry came into force packets may still wait in the socket's queue.
const SETTLING: Duration = Duration::from_millis(50);
/// How long a slot rests before it is written again: no packet that began while a port led to it is
/// still on its way through the program then.
const REST: Duration = Duration::from_millis(100);

/// A worker's part of the fast path.
#[derive(Debug)]
pub(crate) struct Lane {
    path: Arc<FastPath>,
    network: Network,
    routes: HashMap<(IpAddr, IpAddr), (Instant, Option<Route>)>,
    vacant: Vec<u32>,
    /// By the time of their release.
    resting: VecDeque<(Instant, u32)>,
    /// Nanoseconds of CLOCK_MONOTONIC at the origin of the relay's clock.
    origin: u64,
    /// The [`FastPath::epoch`] in which `routes` were asked for.
    epoch: u32,
}

/// One direction of a stream that has a ring.
#[derive(Debug)]
pub(crate) struct FastLeg {
    slot: u32,
    /// Notes taken of the slot when it was last asked how many.
    taken: u32,
    /// What the slot says.
    written: Option<Way>,
    /// Its port leads to the slot.
    is_installed: bool,
    /// The first sequence number that it was told to forward.
    first: u16,
    /// From then on no packet is on its way through the program with what the slot says.
    rested: Instant,
    /// Until then the sockets' queues may hold packets that came before the first note.
    settles: Instant,
    /// When the route is to be looked at again, at the latest.
    route_due: Instant,
    epoch: u32,
}

impl FastLeg {
    fn forward(&self) -> Option<FastForward> {
        let way = self.written.filter(|_| self.is_installed)?;
        let Way { source, ssrc, withheld, numbers, new_destination: destination, .. } = way;
        Some(FastForward { source, ssrc, destination, withheld, numbers })
    }

    /// The kernel forwards this direction now.
    pub(crate) fn is_installed(&self) -> bool {
        self.is_installed
    }
}

/// What a turn over a stream did.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Counted {
    /// Packets that the kernel forwarded.
    pub(crate) packets: u64,
    /// Octets of them.
    pub(crate) octets: u64,
    /// Packets that it forwarded and of which the note was lost.
    pub(crate) unmeasured: u64,
}

impl Lane {
    /// The part of worker `number` of `workers`. `origin` is CLOCK_MONOTONIC, in nanoseconds, at the
    /// origin of the relay's clock.
    ///
    /// # Errors
    /// The system's refusal of a descriptor.
    pub(crate) fn new(
        path: Arc<FastPath>,
        number: usize,
        workers: usize,
        origin: u64,
    ) -> std::io::Result<Self> {
        let vacant = (0..path.capacity).filter(|slot| *slot as usize % workers == number).collect();
        Ok(Lane {
            path,
            network: Network::open()?,
            routes: HashMap::new(),
            vacant,
            resting: VecDeque::new(),
            origin,
            epoch: 0,
        })
    }

    /// See [`FastPath::watch`].
    pub(crate) fn watch(&self) {
        self.path.watch();
    }

    /// Brings what the kernel does with RTP from `from` in line with what it may do.
    pub(crate) fn review(
        &mut self,
        leg: &mut Option<FastLeg>,
        session: &RtpSession,
        from: LegSide,
        local: &[SocketAddr; 2],
        now: Instant,
    ) {
        let wanted = session.fast_forward(from, now);
        let epoch = self.path.epoch();
        if std::mem::replace(&mut self.epoch, epoch) != epoch {
            self.routes.clear();
        }
        let is_due = leg.as_ref().is_some_and(|leg| now >= leg.route_due || leg.epoch != epoch);
        let first = session.fast_numbers_from(from);
        if leg.as_ref().and_then(FastLeg::forward) == wanted && !is_due {
            if let Some(leg) = leg.as_mut().filter(|leg| leg.first != first) {
                self.path.slots.expect_from(leg.slot, first);
                leg.first = first;
            }
            return;
        }
        match wanted.and_then(|forward| self.way(forward, from, local, now)) {
            Some(way) => self.install(leg, way, first, now),
            None => self.withdraw(leg, now),
        }
    }

    /// How many packets the kernel has forwarded since this was last asked.
    pub(crate) fn packets_since(&self, leg: &mut FastLeg) -> u32 {
        let taken = self.path.slots.taken(leg.slot);
        taken.wrapping_sub(std::mem::replace(&mut leg.taken, taken))
    }

    /// Counts what the kernel has forwarded from `from` since the last time.
    pub(crate) fn count(
        &self,
        leg: &FastLeg,
        session: &mut RtpSession,
        from: LegSide,
        now: Instant,
    ) -> Counted {
        let mut counted = Counted::default();
        // Of a full ring the notes are older than what the sockets have: by now that is not what
        // came before the first note, but what the ring did not take any more.
        if now < leg.settles && !self.path.slots.is_full(leg.slot) {
            return counted;
        }
        let Some(Way { ssrc, numbers, .. }) = leg.written else { return counted };
        let monotonic = self.origin + now.as_nanos();
        let drained = self.path.slots.drain(leg.slot, |note| {
            let arrival = note.arrival(monotonic).saturating_sub(self.origin);
            let packet = ForwardedPacket {
                ssrc,
                sequence: note.sequence,
                timestamp: note.timestamp,
                numbers,
                payload_type: note.payload_type,
                marker: note.marker,
                octets: usize::from(note.octets),
                arrival: Instant::from_nanos(arrival),
            };
            counted.octets += packet.octets as u64;
            session.forwarded(from, &packet);
        });
        counted.packets = u64::from(drained.read);
        counted.unmeasured = u64::from(drained.lost);
        counted
    }

    /// Takes a direction out of the kernel's hands; its ring stays until [`Lane::release`].
    pub(crate) fn withdraw(&mut self, leg: &mut Option<FastLeg>, now: Instant) {
        let Some(leg) = leg else { return };
        if let Some(way) = leg.written.filter(|_| leg.is_installed) {
            self.path.slots.part(way.local);
            leg.is_installed = false;
            leg.rested = now + REST;
            // What it noted just now is older than what the sockets get from here on.
            leg.settles = Instant::ZERO;
        }
    }

    /// Gives back a direction's ring, after the last [`Lane::count`].
    pub(crate) fn release(&mut self, leg: &mut Option<FastLeg>, now: Instant) {
        self.withdraw(leg, now);
        if let Some(leg) = leg.take() {
            self.resting.push_back((now + REST, leg.slot));
        }
    }

    fn install(&mut self, leg: &mut Option<FastLeg>, way: Way, first: u16, now: Instant) {
        if leg.as_ref().is_some_and(|leg| leg.written.is_some_and(|old| old != way)) {
            self.withdraw(leg, now);
        }
        if leg.is_none() {
            *leg = self.take_slot(now).map(|slot| FastLeg {
                slot,
                taken: self.path.slots.taken(slot),
                written: None,
                is_installed: false,
                first,
                rested: now,
                settles: now,
                route_due: now,
                epoch: self.epoch,
            });
        }
        let Some(leg) = leg else { return };
        leg.route_due = now + ROUTE_LIFETIME;
        leg.epoch = self.epoch;
        let slots = &self.path.slots;
        if leg.written != Some(way) {
            // The next turn finds it rested and its last notes read.
            if now < leg.rested || !slots.is_empty(leg.slot) {
                return;
            }
            slots.write(leg.slot, &Entry::new(&way, self.path.dscp));
            leg.written = Some(way);
        }
        slots.expect_from(leg.slot, first);
        leg.first = first;
        if !leg.is_installed {
            leg.is_installed = slots.lead(way.local, leg.slot);
            leg.settles = now + SETTLING;
        }
    }

    fn take_slot(&mut self, now: Instant) -> Option<u32> {
        while let Some((until, slot)) = self.resting.front().copied()
            && until <= now
        {
            self.resting.pop_front();
            self.path.slots.reset(slot);
            self.vacant.push(slot);
        }
        self.vacant.pop()
    }

    /// The way of a direction through this host; `None` when the kernel cannot go it alone.
    fn way(
        &mut self,
        forward: FastForward,
        from: LegSide,
        local: &[SocketAddr; 2],
        now: Instant,
    ) -> Option<Way> {
        let [towards, onwards] = [local[from.index()], local[from.other().index()]];
        let out = self.route(onwards.ip(), forward.destination.ip(), now)?;
        // Behind a wildcard the host chooses its address: the same as for the sockets' packets.
        let back = match towards.ip().is_unspecified() {
            true => self.route(towards.ip(), forward.source.ip(), now)?.source?,
            false => towards.ip(),
        };
        let new_source = if onwards.ip().is_unspecified() { out.source? } else { onwards.ip() };
        Some(Way {
            source: forward.source,
            local: SocketAddr::new(back, towards.port()),
            new_source: SocketAddr::new(new_source, onwards.port()),
            new_destination: forward.destination,
            withheld: forward.withheld,
            numbers: forward.numbers,
            ssrc: forward.ssrc,
            interface: out.interface,
            next_hop: out.next_hop,
        })
    }

    fn route(&mut self, source: IpAddr, destination: IpAddr, now: Instant) -> Option<Route> {
        if let Some((until, route)) = self.routes.get(&(source, destination))
            && now < *until
        {
            return *route;
        }
        if self.routes.len() >= ROUTES {
            self.routes.clear();
        }
        let route = self.network.route(source, destination);
        self.routes.insert((source, destination), (now + ROUTE_LIFETIME, route));
        route
    }
}
