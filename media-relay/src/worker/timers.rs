//! When each stream is to be looked at next.

use super::streams::StreamKey;
use model::Instant;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Deadlines of streams. A deadline that was brought forward or whose stream is gone stays until it
/// comes up or is swept; the sweep keeps such leftovers to about the number of the living.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, StreamKey)>>,
}

impl Timers {
    pub(super) fn set(&mut self, at: Instant, key: StreamKey) {
        self.heap.push(Reverse((at, key)));
    }

    /// The next stream whose deadline has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<(Instant, StreamKey)> {
        if self.heap.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            return self.heap.pop().map(|Reverse(entry)| entry);
        }
        None
    }

    /// How long to wait for the next deadline; `None` when there is none.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.heap.peek().map(|Reverse((at, _))| at.saturating_since(now))
    }

    /// Keeps only the deadlines that still count, when there are many others.
    pub(super) fn sweep(
        &mut self,
        living: usize,
        mut counts: impl FnMut(Instant, StreamKey) -> bool,
    ) {
        if self.heap.len() <= living * 2 + 1024 {
            return;
        }
        self.heap.retain(|Reverse((at, key))| counts(*at, *key));
    }
}
