//! The worker's turns over what the kernel forwards: counts it, and keeps what the kernel may do in
//! line with what the streams have become.

use super::Worker;
use super::streams::Stream;
use crate::counters::WorkerCounters;
use crate::fast_path::{FastLeg, Lane};
use model::{Instant, LegSide};
use std::net::SocketAddr;
use std::time::Duration;

/// Between two turns over all streams. A ring holds more than ten times the packets that a stream
/// of 20 ms has in it.
const TURN: Duration = Duration::from_millis(100);
/// Notes from which on a turn reads a ring. A stream's numbers take a dozen cache lines, which are
/// worth fetching for some packets and not for one.
const WORTHWHILE: u32 = 12;
/// Every so many turns all is read and looked at.
const WHOLE: u32 = 5;
/// Between two looks at whether the program is still attached.
const WATCH: Duration = Duration::from_secs(1);
/// Streams that one turn may hand over to the kernel: each costs two or three system calls, and
/// audio in sockets must not wait for a thousand of them.
const HANDOVERS: usize = 512;

impl Worker {
    /// How long to wait for packets.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let wait = self.timers.wait(now);
        if self.fast_members.is_empty() {
            return wait;
        }
        let turn = self.next_fast_turn.saturating_since(now);
        Some(wait.map_or(turn, |wait| wait.min(turn)))
    }

    /// Takes a turn over all streams when it is due.
    pub(super) fn serve_fast_path(&mut self) {
        let Some(lane) = &mut self.lane else { return };
        let now = self.parts.clock.now();
        if now < self.next_fast_turn {
            return;
        }
        self.next_fast_turn = now + TURN;
        self.fast_turns = self.fast_turns.wrapping_add(1);
        let is_whole = self.fast_turns.is_multiple_of(WHOLE);
        let counters = &self.parts.counters;
        let (streams, mut handovers) = (&mut self.streams, 0);
        self.fast_members.retain(|key| {
            let Some(stream) = streams.get_mut(*key) else { return false };
            if is_whole || stream.is_worth_counting(lane) {
                stream.count_fast_path(lane, counters, now);
            }
            let is_due = match stream.fast {
                Some(_) => is_whole,
                None => handovers < HANDOVERS,
            };
            if is_due {
                handovers += usize::from(stream.review_fast_path(lane, counters, now));
            }
            true
        });
        if self.is_first && now >= self.next_watch {
            self.next_watch = now + WATCH;
            lane.watch();
        }
    }
}

impl Stream {
    fn is_worth_counting(&self, lane: &Lane) -> bool {
        let legs = self.fast.iter().flat_map(|legs| legs.iter().flatten());
        legs.into_iter().any(|leg| lane.waiting(leg) >= WORTHWHILE)
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
            lane.withdraw(leg);
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
