//! What both ends of a queue know of it.

use crate::marks::{Mark, Marks};
use crate::queue::segment_path;
use crate::segment::SegmentHeader;
use model::UnixTime;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One segment file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    /// The number after its last entry.
    pub(crate) end: u64,
    /// Octets that are known to be written.
    pub(crate) bytes: u64,
    /// Nothing is appended any more.
    pub(crate) sealed: bool,
}

/// What became of an entry that was handed to the destination.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Settled {
    Delivered,
    Refused,
    /// It is to be tried again.
    Returned,
}

/// Entries since the queue was opened.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) delivered: u64,
    pub(crate) refused: u64,
    /// Dropped because the queue, or all of them together, reached its bound.
    pub(crate) dropped: u64,
    /// Attempts that are to be made again.
    pub(crate) again: u64,
    /// Entries that could not be read back.
    pub(crate) damaged: u64,
    /// Tails that were cut off at the opening.
    pub(crate) torn: u64,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) marks: Marks,
    /// The number of the next entry.
    pub(crate) next: u64,
    /// Entries that are not dealt with.
    pub(crate) waiting: u64,
    /// Of the oldest entry that waits, as far as it has been looked at.
    pub(crate) oldest: Option<UnixTime>,
    /// Entries that the destination has in hand.
    pub(crate) in_flight: Vec<u64>,
    pub(crate) counts: Counts,
}

/// The state behind a lock that is never held during I/O, but for the removal of a file.
#[derive(Debug)]
pub(crate) struct Ledger {
    directory: PathBuf,
    state: Mutex<State>,
}

impl State {
    /// Of the segments that were found; those before the first are dealt with.
    pub(super) fn new(segments: VecDeque<Segment>, marks: &mut Marks) -> Self {
        // A number that any mark speaks of is not used again, even if its entry was lost.
        let next = segments.back().map_or(0, |last| last.end).max(marks.beyond());
        marks.take(Mark::Floor(segments.front().map_or(next, |first| first.header.first)));
        let unsettled = |s: &Segment| marks.unsettled_within(s.header.first, s.end);
        let waiting = segments.iter().map(unsettled).sum();
        State {
            segments,
            marks: marks.clone(),
            next,
            waiting,
            oldest: None,
            in_flight: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Settles entries that have no other fate. Returns how many were not settled before.
    pub(super) fn settle(&mut self, first: u64, last: u64) -> u64 {
        let new = self.marks.take(Mark::Settled(first, last));
        self.waiting = self.waiting.saturating_sub(new);
        new
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}

impl Ledger {
    pub(super) fn new(directory: &Path, state: State) -> Self {
        Ledger { directory: directory.to_owned(), state: Mutex::new(state) }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Octets of all segment files.
    pub(crate) fn bytes(&self) -> u64 {
        self.lock().bytes()
    }

    /// When its oldest segment that can be dropped was begun.
    pub(crate) fn oldest_sealed(&self) -> Option<UnixTime> {
        let state = self.lock();
        state.segments.iter().find(|segment| segment.sealed).map(|segment| segment.header.created)
    }

    /// Drops the oldest segment that is not being written, with what of it waits. Returns how many
    /// entries that were; `None` when there is no such segment.
    pub(crate) fn drop_oldest(&self) -> Option<u64> {
        let mut state = self.lock();
        let at = state.segments.iter().position(|segment| segment.sealed)?;
        let segment = state.segments.remove(at)?;
        let entries = segment.header.first..segment.end;
        let lost = match segment.end.checked_sub(1) {
            Some(last) => state.settle(segment.header.first, last),
            None => 0,
        };
        // The verdict on these is still to come, and counts.
        let pending = state.in_flight.iter().filter(|s| entries.contains(s)).count() as u64;
        let lost = lost.saturating_sub(pending);
        let before = state.counts.dropped;
        state.counts.dropped += lost;
        let dropped = state.counts.dropped;
        state.oldest = None;
        self.remove_file(&segment);
        drop(state);
        // Said at the first and at each doubling.
        if dropped > 0 && before.checked_ilog2() != dropped.checked_ilog2() {
            let queue = self.directory.display().to_string();
            tracing::error!(
                queue,
                dropped,
                "the outbox is full: its oldest records are dropped undelivered; \
                 raise [outbox] max_bytes, or mend the destination"
            );
        }
        Some(lost)
    }

    /// Removes the files of segments whose entries are all dealt with.
    pub(crate) fn remove_settled(&self) {
        let mut state = self.lock();
        let State { segments, marks, .. } = &mut *state;
        segments.retain(|segment| {
            let waits = marks.unsettled_within(segment.header.first, segment.end) > 0;
            if segment.sealed && !waits {
                self.remove_file(segment);
            }
            !segment.sealed || waits
        });
    }

    fn remove_file(&self, segment: &Segment) {
        let path = segment_path(&self.directory, segment.header.first);
        if let Err(error) = fs::remove_file(&path) {
            let file = path.display().to_string();
            tracing::warn!(file, %error, "a segment of the outbox cannot be removed");
        }
    }
}
