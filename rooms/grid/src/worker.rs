//! One thread that composes.

use crate::clock::{Clock, thread_time};
use crate::closing::{Burden, to_close};
use crate::composer::{Composer, ComposerTally};
use crate::governor::{Change, Governor, Used, turns};
use crate::signs::{GridSign, ThreadSigns};
use crate::{GridPace, GridSize, GridState, OutputSettings, Tile};
use model::Instant;
use relay_core::{RingReader, RingWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::thread::{self, Thread};
use std::time::Duration;

/// How soon a thread with nothing to do sees that it is to end. It is woken for a grid.
const IDLE: Duration = Duration::from_millis(500);

/// What a grid is told.
#[derive(Debug)]
pub(crate) enum Order {
    Tiles(Arc<[Tile]>),
    Output(GridSize, Option<OutputSettings>),
    KeyFrame(GridSize),
}

/// A grid, as its thread has it.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) orders: Receiver<Order>,
    pub(crate) packets: RingReader<1>,
    pub(crate) units: RingWriter<2>,
    pub(crate) wants: SyncSender<u16>,
    pub(crate) wake: Thread,
    pub(crate) sign: Arc<GridSign>,
    pub(crate) composer: Composer,
}

impl Drop for Seat {
    /// However it ends, whoever has the grid learns it.
    fn drop(&mut self) {
        self.sign.set(GridState::Closed);
        self.wake.unpark();
    }
}

/// The words before a unit: size, end and key frame above its length; its timestamp.
pub(crate) const UNIT_SIZE: u32 = 32;
pub(crate) const UNIT_ENDS: u64 = 1 << 40;
pub(crate) const UNIT_KEY: u64 = 1 << 41;
/// The key of a tile, above the length of its packet.
pub(crate) const PACKET_KEY: u32 = 32;

/// A grid, and what was counted of it.
#[derive(Debug)]
struct Held {
    seat: Seat,
    opened: Instant,
    counted: ComposerTally,
    lost_packets: u64,
    /// What it has used in this turn.
    used: Duration,
    burden: Burden,
}

/// The thread's own.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) clock: Clock,
    pub(crate) inbox: Receiver<Seat>,
    pub(crate) signs: Arc<ThreadSigns>,
    pub(crate) per_second: u32,
}

/// What a thread has at work.
struct Desk {
    worker: Worker,
    /// In the order in which they were opened.
    grids: Vec<Held>,
    governor: Governor,
    turn: u32,
    /// A packet, while it is looked at.
    octets: Vec<u8>,
}

impl Worker {
    /// Composes until it is stopped, or nobody will open a grid any more and all are closed.
    pub(crate) fn serve(self, stops: &AtomicBool) {
        let governor = Governor::new(self.per_second);
        let period = Duration::from_secs(1) / self.per_second.max(1);
        let mut due = self.clock.now();
        let mut desk =
            Desk { worker: self, grids: Vec::new(), governor, turn: 0, octets: Vec::new() };
        while !stops.load(Ordering::Acquire) {
            let is_open = desk.let_in();
            let now = desk.worker.clock.now();
            if desk.grids.is_empty() {
                if !is_open {
                    break;
                }
                desk.rest();
                thread::park_timeout(IDLE);
                due = desk.worker.clock.now();
            } else if now < due {
                thread::park_timeout(due - now);
            } else {
                let is_late = now >= due + period;
                desk.take_turn(now, is_late);
                // A thread that is late does not run after what is past.
                due = if is_late { now + period } else { due + period };
            }
        }
    }
}

impl Desk {
    /// Takes grids that were opened; `false` when nobody will open one any more.
    fn let_in(&mut self) -> bool {
        loop {
            match self.worker.inbox.try_recv() {
                Ok(seat) => self.grids.push(Held {
                    seat,
                    opened: self.worker.clock.now(),
                    counted: ComposerTally::default(),
                    lost_packets: 0,
                    used: Duration::ZERO,
                    burden: Burden::default(),
                }),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn rest(&mut self) {
        self.governor.rest();
        self.worker.signs.is_busy.store(false, Ordering::Relaxed);
        self.worker.signs.is_degraded.store(false, Ordering::Relaxed);
    }

    fn take_turn(&mut self, now: Instant, is_late: bool) {
        self.forget_dropped();
        self.turn = self.turn.wrapping_add(1);
        let pace = self.governor.pace();
        let each = turns(self.worker.per_second, pace);
        let mut used = Used { is_late, ..Used::default() };
        let mut began = thread_time();
        self.decode(began);
        used.always = thread_time().saturating_sub(began);
        for (number, held) in (0_u32..).zip(&mut self.grids) {
            let at = Instant::ZERO + (now - held.opened);
            began = thread_time();
            let before = used.always + used.paced;
            held.ask(at);
            let asked = thread_time();
            used.always += asked.saturating_sub(began);
            // Not all in the same turn.
            if self.turn.wrapping_add(number).is_multiple_of(each) {
                held.make(at, pace);
            }
            used.paced += thread_time().saturating_sub(asked);
            let used = used.always + used.paced - before;
            held.count(used, self.worker.per_second, &self.worker.signs);
        }
        self.worker.signs.count_used(used.always + used.paced);
        if let Some(change) = self.governor.note(self.worker.clock.now(), used) {
            self.follow(change);
        }
        let is_busy = !self.governor.has_room();
        self.worker.signs.is_busy.store(is_busy, Ordering::Relaxed);
    }

    /// Decodes what has come for as long as a turn lasts, in CPU time since `began`: each grid has its share of that, and
    /// what others leave. What more has come stays in its ring, in which what finds no room is lost and counted, and a key
    /// frame is waited for; so is it never longer than a turn in which other grids stand still.
    fn decode(&mut self, began: Duration) {
        let period = Duration::from_secs(1) / self.worker.per_second.max(1);
        let share = period / u32::try_from(self.grids.len()).unwrap_or(u32::MAX).max(1);
        for held in &mut self.grids {
            held.seat.follow_orders();
            let before = thread_time();
            held.seat.decode(&mut self.octets, before + share, thread_time);
            held.used = thread_time().saturating_sub(before);
        }
        for held in &mut self.grids {
            let before = thread_time();
            held.seat.decode(&mut self.octets, began + period, thread_time);
            held.used += thread_time().saturating_sub(before);
        }
    }

    /// Grids that were dropped.
    fn forget_dropped(&mut self) {
        let before = self.grids.len();
        self.grids.retain(|held| !held.seat.units.is_abandoned());
        self.count_gone(before - self.grids.len());
    }

    fn count_gone(&self, gone: usize) {
        self.worker.signs.open.fetch_sub(gone as u64, Ordering::Relaxed);
    }

    fn follow(&mut self, change: Change) {
        match change {
            Change::Pace(pace) => {
                let is_degraded = pace != GridPace::Full;
                self.worker.signs.is_degraded.store(is_degraded, Ordering::Relaxed);
                for held in &self.grids {
                    held.seat.sign.set(GridState::Open(pace));
                }
                let per_second = self.governor.rate(pace);
                if is_degraded {
                    tracing::warn!(
                        per_second,
                        "composing pictures takes more CPU than there is: fewer are made"
                    );
                } else {
                    tracing::info!(per_second, "there is CPU again to compose all pictures");
                }
            }
            Change::Close => self.close(),
        }
    }

    fn close(&mut self) {
        let Some(at) = to_close(self.grids.iter().map(|held| held.burden)) else { return };
        let Held { burden, .. } = self.grids.remove(at);
        self.count_gone(1);
        self.worker.signs.closed.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            viewers = burden.viewers,
            cpu_percent = burden.percent(self.worker.per_second),
            "composing pictures takes more CPU than there is: a meeting sees its speaker instead"
        );
    }
}

impl Seat {
    fn follow_orders(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Tiles(tiles) => self.composer.set_tiles(&tiles),
                Order::Output(size, settings) => self.composer.set_output(size, settings),
                Order::KeyFrame(size) => self.composer.ask_key_frame(size),
            }
        }
    }

    /// Decodes what has come until `meter` says `until`.
    pub(crate) fn decode(
        &mut self,
        octets: &mut Vec<u8>,
        until: Duration,
        meter: impl Fn() -> Duration,
    ) {
        while meter() < until
            && let Some([head]) = self.packets.read(octets)
        {
            self.composer.packet((head >> PACKET_KEY) as u16, octets);
        }
    }
}

impl Held {
    /// Asks for the key frames that are wanted. One that finds no room is wanted again a second later.
    fn ask(&mut self, at: Instant) {
        let Seat { wants, wake, composer, .. } = &mut self.seat;
        let mut is_asked = false;
        composer.wants(at, &mut |key| is_asked |= wants.try_send(key).is_ok());
        if is_asked {
            wake.unpark();
        }
    }

    fn make(&mut self, at: Instant, pace: GridPace) {
        let Seat { units, wake, composer, .. } = &mut self.seat;
        let mut is_given = false;
        composer.make(at, pace, &mut |unit, octets| {
            let mut head = (unit.size as u64) << UNIT_SIZE;
            head |= if unit.ends_picture { UNIT_ENDS } else { 0 };
            head |= if unit.is_key { UNIT_KEY } else { 0 };
            is_given = true;
            units.write([head, u64::from(unit.timestamp)], octets)
        });
        if is_given {
            wake.unpark();
        }
    }

    /// Ends a turn in which it has used so much beside decoding.
    fn count(&mut self, used: Duration, turns: u32, signs: &ThreadSigns) {
        let composer = &self.seat.composer;
        self.burden.note(std::mem::take(&mut self.used) + used);
        self.burden.viewers = composer.viewers();
        self.seat.sign.note([composer.tiles(), self.burden.viewers, self.burden.percent(turns)]);
        let tally = self.seat.composer.tally();
        signs.count(self.counted, tally);
        self.counted = tally;
        let lost = self.seat.packets.lost();
        signs.count_lost_packets(lost - std::mem::replace(&mut self.lost_packets, lost));
    }
}

#[cfg(test)]
mod tests;
