//! What the exporter tells of itself.

use model::UnixTime;
use outbox::clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What happened since the process started.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TraceStatistics {
    /// Finished calls that wait to be sent.
    pub queued: u64,
    /// Calls that were dropped because too many waited, or because the node stopped.
    pub dropped: u64,
    /// Spans that the collector took.
    pub exported: u64,
    /// Spans that it rejected within a request that it took.
    pub rejected: u64,
    /// Spans that were given up: the collector refused them, or was away for too long.
    pub failed: u64,
    /// Requests that were taken.
    pub taken: u64,
    /// Requests that have to be made again: no answer, or one that says so.
    pub again: u64,
    /// Requests that were refused for good.
    pub refused: u64,
    /// The last request that was not taken, or not as a whole.
    pub last_error: Option<ExportError>,
}

/// A request that was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportError {
    /// When.
    pub at: UnixTime,
    /// What the collector, or the way to it, said.
    pub reason: String,
}

#[derive(Default, Debug)]
pub(crate) struct Counters {
    pub(crate) dropped: AtomicU64,
    pub(crate) exported: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) taken: AtomicU64,
    pub(crate) again: AtomicU64,
    pub(crate) refused: AtomicU64,
    last_error: Mutex<Option<ExportError>>,
}

impl Counters {
    pub(crate) fn fail(&self, reason: &str) {
        let error = ExportError { at: clock::unix_time(), reason: reason.to_owned() };
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(crate) fn read(&self, queued: u64) -> TraceStatistics {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TraceStatistics {
            queued,
            dropped: of(&self.dropped),
            exported: of(&self.exported),
            rejected: of(&self.rejected),
            failed: of(&self.failed),
            taken: of(&self.taken),
            again: of(&self.again),
            refused: of(&self.refused),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
