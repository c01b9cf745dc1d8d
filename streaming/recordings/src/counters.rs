//! What recordings did since the start.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters and levels; read at any time.
#[derive(Default, Debug)]
pub struct RecordingCounters {
    /// Calls and meetings that are recorded now.
    pub recording: AtomicU64,
    /// Files that are whole on this disk: a call's, or its parts.
    pub saved: AtomicU64,
    /// Octets of those.
    pub saved_bytes: AtomicU64,
    /// Recordings of which nothing could be written, or that could not be finished.
    pub failed: AtomicU64,
    /// Samples that were heard and are silence in their recording: the disk, its thread, or KMS was too
    /// slow.
    pub lost_samples: AtomicU64,
    /// Files that a node which died had left, and that were finished.
    pub repaired: AtomicU64,
    /// Files that are proven to be in the bucket.
    pub uploaded: AtomicU64,
    /// Octets of those.
    pub uploaded_bytes: AtomicU64,
    /// Attempts to upload that failed; they are repeated.
    pub upload_failures: AtomicU64,
    /// Files that wait to be uploaded.
    pub waiting: AtomicU64,
    /// Files removed by their age, or because there were too many.
    pub removed: AtomicU64,
    /// How many of those were never uploaded though they should have been: `max_bytes` was reached.
    pub removed_unsent: AtomicU64,
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
