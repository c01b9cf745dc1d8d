//! How many meetings and callers there are, for the Prometheus page.

use crate::readings::reading;
use call_metrics::{Reading, definitions};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Set by the rooms' thread.
#[derive(Default)]
pub(super) struct Counters {
    meetings: AtomicUsize,
    callers: AtomicUsize,
    speaking: AtomicUsize,
}

impl Counters {
    pub(super) fn set(&self, meetings: usize, callers: usize, speaking: usize) {
        self.meetings.store(meetings, Ordering::Relaxed);
        self.callers.store(callers, Ordering::Relaxed);
        self.speaking.store(speaking, Ordering::Relaxed);
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
    }
}
