//! What threads say of themselves: state and counters, which nobody waits for.

use crate::governor::rate;
use crate::{ComposerTally, GridPace, GridState, GridStatistics, GridView};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// One thread's.
#[derive(Debug, Default)]
pub(crate) struct ThreadSigns {
    /// It has no time for one grid more.
    pub(crate) is_busy: AtomicBool,
    /// It makes fewer pictures than it is to.
    pub(crate) is_degraded: AtomicBool,
    /// Grids that it has, and those that are on the way to it.
    pub(crate) open: AtomicU64,
    pub(crate) closed: AtomicU64,
    decoded: AtomicU64,
    refused: AtomicU64,
    pictures: AtomicU64,
    lost_packets: AtomicU64,
    lost_units: AtomicU64,
    failed: AtomicU64,
    used: AtomicU64,
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl ThreadSigns {
    /// Counts what a grid has done since `before`.
    pub(crate) fn count(&self, before: ComposerTally, now: ComposerTally) {
        add(&self.decoded, now.decoded - before.decoded);
        add(&self.refused, now.refused - before.refused);
        add(&self.pictures, now.pictures - before.pictures);
        add(&self.lost_units, now.lost - before.lost);
        add(&self.failed, now.failed - before.failed);
    }

    pub(crate) fn count_lost_packets(&self, lost: u64) {
        add(&self.lost_packets, lost);
    }

    pub(crate) fn count_used(&self, used: Duration) {
        add(&self.used, u64::try_from(used.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds its own to a pool's. A thread that does not live has no grids, whatever it had.
    pub(crate) fn add_to(&self, sum: &mut GridStatistics, lives: bool) {
        if lives {
            sum.open += read(&self.open);
            sum.degraded += u64::from(self.is_degraded.load(Ordering::Relaxed));
        }
        sum.closed += read(&self.closed);
        sum.decoded += read(&self.decoded);
        sum.refused_pictures += read(&self.refused);
        sum.pictures += read(&self.pictures);
        sum.lost_packets += read(&self.lost_packets);
        sum.lost_units += read(&self.lost_units);
        sum.failed += read(&self.failed);
        sum.used += Duration::from_nanos(read(&self.used));
    }
}

/// What becomes of one grid, and what it is like.
#[derive(Debug, Default)]
pub(crate) struct GridSign {
    state: AtomicU8,
    tiles: AtomicU32,
    viewers: AtomicU32,
    cpu_percent: AtomicU32,
}

const CLOSED: u8 = 3;

impl GridSign {
    pub(crate) fn set(&self, state: GridState) {
        let state = match state {
            GridState::Open(pace) => pace as u8,
            GridState::Closed => CLOSED,
        };
        self.state.store(state, Ordering::Release);
    }

    /// Notes what it is like after a turn.
    pub(crate) fn note(&self, [tiles, viewers, cpu_percent]: [u32; 3]) {
        self.tiles.store(tiles, Ordering::Relaxed);
        self.viewers.store(viewers, Ordering::Relaxed);
        self.cpu_percent.store(cpu_percent, Ordering::Relaxed);
    }

    /// What it is like; `None` of one that is closed. `full` pictures are made a second at the full pace.
    pub(crate) fn view(&self, name: u64, full: u32) -> Option<GridView> {
        let GridState::Open(pace) = self.get() else { return None };
        Some(GridView {
            name,
            frames_per_second: rate(full, pace),
            tiles: self.tiles.load(Ordering::Relaxed),
            viewers: self.viewers.load(Ordering::Relaxed),
            cpu_percent: self.cpu_percent.load(Ordering::Relaxed),
        })
    }

    pub(crate) fn get(&self) -> GridState {
        match self.state.load(Ordering::Acquire) {
            0 => GridState::Open(GridPace::Full),
            1 => GridState::Open(GridPace::Half),
            2 => GridState::Open(GridPace::Slow),
            _ => GridState::Closed,
        }
    }
}
