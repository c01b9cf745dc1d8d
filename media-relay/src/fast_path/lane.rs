//! What one worker has of the fast path: its share of the rings, and the ways of its streams.

use super::FastPath;
use super::layout::{Entry, Key, Way};
use super::network::{Network, Route};
use aya::maps::{HashMap as BpfMap, Map, MapData};
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
/// How long a slot rests after use: no packet that began before its entry was deleted is still on
/// its way through the program then.
const REST: Duration = Duration::from_millis(100);

/// A worker's part of the fast path.
#[derive(Debug)]
pub(crate) struct Lane {
    path: Arc<FastPath>,
    streams: BpfMap<MapData, Key, Entry>,
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
    /// What is in the program's map.
    installed: Option<Way>,
    /// Until then the sockets' queues may hold packets that came before the first note.
    settles: Instant,
    /// When the route is to be looked at again, at the latest.
    route_due: Instant,
    epoch: u32,
}

impl FastLeg {
    fn forward(&self) -> Option<FastForward> {
        let way = self.installed?;
        let (source, destination) = (way.source, way.new_destination);
        Some(FastForward { source, destination, withheld: way.withheld })
    }

    /// The kernel forwards this direction now.
    pub(crate) fn is_installed(&self) -> bool {
        self.installed.is_some()
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
        let other = |error: aya::maps::MapError| std::io::Error::other(error.to_string());
        let data = MapData::from_fd(path.streams.try_clone()?).map_err(other)?;
        let streams = BpfMap::try_from(Map::HashMap(data)).map_err(other)?;
        let vacant = (0..path.capacity).filter(|slot| *slot as usize % workers == number).collect();
        Ok(Lane {
            path,
            streams,
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
        if leg.as_ref().and_then(FastLeg::forward) == wanted && !is_due {
            return;
        }
        match wanted.and_then(|forward| self.way(forward, from, local, now)) {
            Some(way) => self.install(leg, way, now),
            None => self.withdraw(leg),
        }
    }

    /// How many packets [`Lane::count`] would find.
    pub(crate) fn waiting(&self, leg: &FastLeg) -> u32 {
        self.path.slots.waiting(leg.slot)
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
        let drained = self.path.slots.drain(leg.slot, |note| {
            let packet = ForwardedPacket {
                ssrc: note.ssrc,
                sequence: note.number_sequence as u16,
                timestamp: note.timestamp,
                payload_type: note.payload_type_marker & 0x7f,
                marker: note.payload_type_marker & 0x80 != 0,
                octets: usize::from(note.length),
                arrival: Instant::from_nanos(note.arrival.saturating_sub(self.origin)),
            };
            counted.octets += packet.octets as u64;
            session.forwarded(from, &packet);
        });
        counted.packets = u64::from(drained.read);
        counted.unmeasured = u64::from(drained.lost);
        counted
    }

    /// Takes a direction out of the kernel's hands; its ring stays until [`Lane::release`].
    pub(crate) fn withdraw(&mut self, leg: &mut Option<FastLeg>) {
        let Some(leg) = leg else { return };
        if let Some(way) = leg.installed.take() {
            // It cannot be missing: nobody else deletes from this map.
            let _ = self.streams.remove(&Key::new(way.local));
            // What it noted just now is older than what the sockets get from here on.
            leg.settles = Instant::ZERO;
        }
    }

    /// Gives back a direction's ring, after the last [`Lane::count`].
    pub(crate) fn release(&mut self, leg: &mut Option<FastLeg>, now: Instant) {
        self.withdraw(leg);
        if let Some(leg) = leg.take() {
            self.resting.push_back((now + REST, leg.slot));
        }
    }

    fn install(&mut self, leg: &mut Option<FastLeg>, way: Way, now: Instant) {
        if leg.as_ref().is_some_and(|leg| leg.installed.is_some_and(|old| old.local != way.local)) {
            self.withdraw(leg);
        }
        if leg.is_none() {
            let Some(slot) = self.take_slot(now) else { return };
            self.path.slots.reset(slot);
            let epoch = self.epoch;
            *leg = Some(FastLeg { slot, installed: None, settles: now, route_due: now, epoch });
        }
        let Some(current) = leg else { return };
        current.route_due = now + ROUTE_LIFETIME;
        current.epoch = self.epoch;
        if current.installed == Some(way) {
            return;
        }
        let entry = Entry::new(&way, current.slot, self.path.dscp);
        match self.streams.insert(Key::new(way.local), entry, 0) {
            Ok(()) => {
                if current.installed.replace(way).is_none() {
                    current.settles = now + SETTLING;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the fast path took no stream");
                self.withdraw(leg);
            }
        }
    }

    fn take_slot(&mut self, now: Instant) -> Option<u32> {
        while let Some((until, slot)) = self.resting.front().copied()
            && until <= now
        {
            self.resting.pop_front();
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
