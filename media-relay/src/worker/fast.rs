//! The worker's turns over what the kernel forwards: counts it, and keeps what the kernel may do in
//! line with what the streams have become.

use super::Worker;
use super::streams::{Stream, StreamKey};
use crate::counters::WorkerCounters;
use crate::fast_path::{FastLeg, Lane, ROOM};
use model::{Instant, LegSide};
use std::net::SocketAddr;
use std::time::Duration;

/// Between two turns.
const TURN: Duration = Duration::from_millis(100);
/// So many turns visit every stream. What a visit fetches from memory, some two dozen cache lines,
/// costs as much as the arithmetic of many packets; those of half a second share it.
const CYCLE: usize = 5;
/// Packets since the last visit, a cycle ago, from which on a stream is visited each turn, so that
/// its ring does not fill.
const MANY_A_CYCLE: u32 = 40;
/// The same, a turn ago. A stream of 20 ms has five.
const MANY_A_TURN: u32 = 8;
const _: () = assert!(MANY_A_CYCLE < ROOM && MANY_A_TURN * (CYCLE as u32) < ROOM);
/// Between two looks at whether the program is still attached.
const WATCH: Duration = Duration::from_secs(1);
/// Streams that one turn may hand over to the kernel: each costs two or three system calls, and
/// audio in sockets must not wait for a thousand of them.
const HANDOVERS: usize = 512;

/// The streams whose sockets are read, by how often they are visited.
#[derive(Default)]
pub(super) struct Visits {
    /// Each turn: new ones, those that the kernel has nothing of yet, and those of many packets.
    often: Vec<StreamKey>,
    /// One list each turn.
    seldom: [Vec<StreamKey>; CYCLE],
    turns: usize,
    /// The list that the next stream goes to; in turns, so that all are of one length.
    next_list: usize,
    next_turn: Instant,
    next_watch: Instant,
}

/// When a stream is visited again.
enum Visit {
    Often,
    Seldom,
    /// It has ended.
    Never,
}

impl Visits {
    /// Takes in a new stream.
    pub(super) fn add(&mut self, key: StreamKey) {
        self.often.push(key);
    }

    fn is_empty(&self) -> bool {
        self.often.is_empty() && self.seldom.iter().all(Vec::is_empty)
    }

    /// Takes a turn. `visit` gets each stream that is due, and how many packets since the last time
    /// are many.
    fn turn(&mut self, mut visit: impl FnMut(StreamKey, u32) -> Visit) {
        self.turns = self.turns.wrapping_add(1);
        let mut often = std::mem::take(&mut self.often);
        if let Some(list) = self.seldom.get_mut(self.turns % CYCLE) {
            list.retain(|key| match visit(*key, MANY_A_CYCLE) {
                Visit::Often => {
                    self.often.push(*key);
                    false
                }
                Visit::Seldom => true,
                Visit::Never => false,
            });
        }
        often.retain(|key| match visit(*key, MANY_A_TURN) {
            Visit::Often => true,
            Visit::Seldom => {
                self.next_list = (self.next_list + 1) % CYCLE;
                if let Some(list) = self.seldom.get_mut(self.next_list) {
                    list.push(*key);
                }
                false
            }
            Visit::Never => false,
        });
        self.often.append(&mut often);
    }
}

impl Worker {
    /// How long to wait for packets.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let wait = self.timers.wait(now);
        if self.visits.is_empty() {
            return wait;
        }
        let turn = self.visits.next_turn.saturating_since(now);
        Some(wait.map_or(turn, |wait| wait.min(turn)))
    }

    /// Takes a turn over the streams when it is due.
    pub(super) fn serve_fast_path(&mut self) {
        let Some(lane) = &mut self.lane else { return };
        let now = self.parts.clock.now();
        if now < self.visits.next_turn {
            return;
        }
        self.visits.next_turn = now + TURN;
        let counters = &self.parts.counters;
        let (streams, mut handovers) = (&mut self.streams, 0);
        self.visits.turn(|key, many| {
            let Some(stream) = streams.get_mut(key) else { return Visit::Never };
            if stream.fast.is_none() && handovers >= HANDOVERS {
                return Visit::Often;
            }
            let is_new = stream.visit(lane, counters, now);
            handovers += usize::from(is_new);
            match stream.packets_since(lane) {
                Some(packets) if !is_new && packets < many => Visit::Seldom,
                _ => Visit::Often,
            }
        });
        if self.is_first && now >= self.visits.next_watch {
            self.visits.next_watch = now + WATCH;
            lane.watch();
        }
    }
}

impl Stream {
    /// Counts what the kernel has forwarded, and looks what it may go on with; whether that is new.
    fn visit(&mut self, lane: &mut Lane, counters: &WorkerCounters, now: Instant) -> bool {
        self.count_fast_path(lane, counters, now);
        self.review_fast_path(lane, counters, now)
    }

    /// Packets of the busier direction that the kernel has forwarded since the last visit; `None`
    /// when it has not got the stream yet.
    fn packets_since(&mut self, lane: &Lane) -> Option<u32> {
        let legs = self.fast.as_mut()?.iter_mut().flatten();
        legs.map(|leg| lane.packets_since(leg)).max()
    }

    /// Counts what the kernel has forwarded.
    pub(super) fn count_fast_path(&mut self, lane: &Lane, counters: &WorkerCounters, now: Instant) {
        let Some(legs) = &self.fast else { return };
        for side in LegSide::BOTH {
            if let Some(leg) = &legs[side.index()] {
                counters.forwarded_fast(lane.count(leg, &mut self.session, side, now));
            }
        }
    }

    /// Lets the kernel do what it may do now, and nothing else; whether that is new for the stream.
    pub(super) fn review_fast_path(
        &mut self,
        lane: &mut Lane,
        counters: &WorkerCounters,
        now: Instant,
    ) -> bool {
        if self.fast.is_none()
            && LegSide::BOTH.iter().all(|side| self.session.fast_forward(*side, now).is_none())
        {
            return false;
        }
        let local = self.bound();
        let is_new = self.fast.is_none();
        let legs = self.fast.get_or_insert_default();
        for side in LegSide::BOTH {
            let leg = &mut legs[side.index()];
            let before = is_installed(leg);
            lane.review(leg, &self.session, side, &local, now);
            let after = is_installed(leg);
            counters.fast_streams.add(u64::from(after && !before));
            counters.fast_streams.subtract(u64::from(before && !after));
        }
        is_new
    }

    /// Takes the stream out of the kernel's hands before its plan changes.
    pub(super) fn leave_fast_path(
        &mut self,
        lane: &mut Lane,
        counters: &WorkerCounters,
        now: Instant,
    ) {
        let Some(legs) = &mut self.fast else { return };
        for leg in legs.iter_mut() {
            counters.fast_streams.subtract(u64::from(is_installed(leg)));
            lane.withdraw(leg, now);
        }
        self.count_fast_path(lane, counters, now);
    }

    /// The same for good.
    pub(super) fn release_fast_path(
        &mut self,
        lane: &mut Lane,
        counters: &WorkerCounters,
        now: Instant,
    ) {
        self.leave_fast_path(lane, counters, now);
        for leg in self.fast.iter_mut().flat_map(|legs| legs.iter_mut()) {
            lane.release(leg, now);
        }
    }

    fn bound(&self) -> [SocketAddr; 2] {
        self.sockets.each_ref().map(|leg| SocketAddr::new(leg.ip, leg.port))
    }
}

fn is_installed(leg: &Option<FastLeg>) -> bool {
    leg.as_ref().is_some_and(FastLeg::is_installed)
}
