//! How many meetings and callers there are, for the Prometheus page.

use super::floor_sockets::FloorCounters;
use crate::readings::reading;
use call_metrics::{Reading, definitions};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Set by the rooms' thread.
#[derive(Default)]
pub(super) struct Counters {
    meetings: AtomicUsize,
    callers: AtomicUsize,
    /// Of floor control; all zero without it.
    pub(super) floor: Arc<FloorCounters>,
    /// Messages to devices that found no room in the rooms.
    pub(super) floor_lost: AtomicU64,
    speaking: AtomicUsize,
    /// Wrong ids, and those who are to try later.
    guesses: [AtomicU64; 2],
}

impl Counters {
    pub(super) fn set(&self, meetings: usize, callers: usize, speaking: usize) {
        self.meetings.store(meetings, Ordering::Relaxed);
        self.callers.store(callers, Ordering::Relaxed);
        self.speaking.store(speaking, Ordering::Relaxed);
    }

    pub(super) fn set_guesses(&self, guesses: [u64; 2]) {
        for (counter, count) in self.guesses.iter().zip(guesses) {
            counter.store(count, Ordering::Relaxed);
        }
    }
}

/// What is read of them.
pub(crate) struct RoomsReadings(pub(super) Arc<Counters>);

impl RoomsReadings {
    /// Their numbers now.
    pub(crate) fn read(&self, out: &mut Vec<Reading>) {
        for (definition, count) in [
            (&definitions::ROOM_MEETINGS, &self.0.meetings),
            (&definitions::ROOM_CALLERS, &self.0.callers),
            (&definitions::ROOM_SPEAKING, &self.0.speaking),
        ] {
            out.push(reading(definition, "", count.load(Ordering::Relaxed) as u64));
        }
        for (outcome, count) in ["wrong", "too_fast"].into_iter().zip(&self.0.guesses) {
            out.push(reading(&definitions::ROOM_GUESSES, outcome, count.load(Ordering::Relaxed)));
        }
        let floor = self.0.floor.read();
        out.push(reading(&definitions::FLOOR_DEVICES, "", floor.admitted));
        out.push(reading(&definitions::FLOOR_CONNECTIONS, "", floor.links));
        let lost = self.0.floor_lost.load(Ordering::Relaxed);
        for (outcome, count) in [
            ("understood", floor.tally.messages),
            ("unreadable", floor.tally.unreadable),
            ("stranger", floor.tally.strangers),
            ("too_fast", floor.tally.too_fast),
            ("untold", floor.untold),
            ("unsent", floor.tally.unsent + lost),
        ] {
            out.push(reading(&definitions::FLOOR_MESSAGES, outcome, count));
        }
    }
}
