//! What a queue tells of itself.

use model::UnixTime;
use std::time::Duration;

/// The state of one destination's queue, and what happened since the process started.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct OutboxStatistics {
    /// The destination.
    pub destination: String,
    /// Entries on disk that are not delivered.
    pub depth_entries: u64,
    /// Octets of the queue's segment files.
    pub depth_bytes: u64,
    /// Of which time the oldest entry is that waits; `None` when none does, or it is not known yet.
    pub oldest: Option<UnixTime>,
    /// Records that were offered and are not yet on disk.
    pub unwritten: u64,
    /// Records that are, or were, safely on disk.
    pub accepted: u64,
    /// Entries that the destination took.
    pub delivered: u64,
    /// Entries that the destination will never take; they are in `refused.jsonl`.
    pub refused: u64,
    /// Entries that were dropped because the queue reached its bound, the oldest first.
    pub dropped: u64,
    /// Records that were never accepted: too many waited for the disk, or they exceeded a bound.
    pub not_accepted: u64,
    /// Attempts for one entry that have to be made again.
    pub again: u64,
    /// Entries that could not be read back from the disk.
    pub damaged: u64,
    /// Times that the last write of an earlier process was found cut off, and was removed.
    pub torn: u64,
    /// Writes to the disk that failed; their records are tried again.
    pub failed_writes: u64,
    /// The last attempt that failed, if any did.
    pub last_error: Option<DeliveryError>,
    /// Attempts in a row that met a service that took nothing at all.
    pub failures_in_a_row: u32,
}

/// An attempt to deliver that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeliveryError {
    /// When.
    pub at: UnixTime,
    /// What the service, or the way to it, said.
    pub reason: String,
}

impl DeliveryError {
    /// An error and what it follows from, in one line.
    pub fn in_one_line(error: &dyn std::error::Error) -> String {
        let mut out = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            let text = inner.to_string();
            if !out.contains(&text) {
                out.push_str(": ");
                out.push_str(&text);
            }
            source = inner.source();
        }
        out.replace(['\n', '\r'], " ")
    }
}

impl OutboxStatistics {
    /// How old the oldest entry that waits is; zero without one, or when the clock went back.
    pub fn age(&self, now: UnixTime) -> Duration {
        let oldest = self.oldest.filter(|_| self.depth_entries > 0).unwrap_or(now);
        Duration::from_millis(now.as_millis().saturating_sub(oldest.as_millis()))
    }
}
