//! Which entries go into the next batch. Pure: time and chance are arguments.
//!
//! The window knows the oldest entries that wait, by their positions; bodies stay on disk. An entry
//! that is to be tried again holds up its stream and nothing else. Only when entries of held
//! streams fill the whole window do others wait for them.

use crate::BatchRules;
use crate::delivery::Backoff;
use crate::queue::Position;
use model::{Instant, UnixTime};
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
struct Waiting {
    position: Position,
    /// Attempts so far.
    attempts: u32,
    /// When to try it again.
    not_before: Instant,
    /// Dealt with, and only here until those before it are too.
    done: bool,
}

#[derive(Debug)]
pub(crate) struct Window {
    /// In the order of sequence numbers.
    entries: VecDeque<Waiting>,
    /// Of `entries`, those that are done.
    done: usize,
    most: usize,
}

/// What a look into the window found.
#[derive(PartialEq, Eq, Default, Debug)]
pub(crate) struct Choice {
    /// The batch, with the attempts so far.
    pub(crate) batch: Vec<(Position, u32)>,
    /// Larger than any batch.
    pub(crate) oversized: Vec<Position>,
    /// Could not be loaded.
    pub(crate) gone: Vec<u64>,
}

impl Window {
    pub(crate) fn new(most: usize) -> Self {
        Window { entries: VecDeque::new(), done: 0, most }
    }

    /// How many more entries it takes.
    pub(crate) fn room(&self) -> usize {
        self.most.saturating_sub(self.entries.len())
    }

    /// Adds entries, in the order of their numbers.
    pub(crate) fn push(&mut self, positions: impl IntoIterator<Item = Position>) {
        let not_before = Instant::ZERO;
        let waiting = |position| Waiting { position, attempts: 0, not_before, done: false };
        self.entries.extend(positions.into_iter().map(waiting));
    }

    /// Entries before this one are dealt with.
    pub(crate) fn forget_before(&mut self, floor: u64) {
        while self.entries.front().is_some_and(|w| w.done || w.position.sequence < floor) {
            let gone = self.entries.pop_front();
            self.done -= usize::from(gone.is_some_and(|waiting| waiting.done));
        }
    }

    /// These are dealt with.
    pub(crate) fn forget(&mut self, sequences: &[u64]) {
        for sequence in sequences {
            if let Some(waiting) = self.find(*sequence)
                && !waiting.done
            {
                waiting.done = true;
                self.done += 1;
            }
        }
        // Amortised: as many are removed as were added since the last time.
        if self.done * 2 > self.entries.len() {
            self.entries.retain(|waiting| !waiting.done);
            self.done = 0;
        }
        self.forget_before(0);
    }

    /// The time of its oldest entry's record.
    pub(crate) fn oldest(&self) -> Option<UnixTime> {
        self.entries.front().map(|waiting| waiting.position.time)
    }

    /// When the next entry is to be tried, as far as one is.
    pub(crate) fn next_attempt(&self) -> Option<Instant> {
        let mut seen = HashSet::new();
        let heads = self.entries.iter().filter(|waiting| !waiting.done).filter(|waiting| {
            let stream = waiting.position.stream;
            stream == 0 || seen.insert(stream)
        });
        heads.map(|waiting| waiting.not_before).min()
    }

    /// The next batch. `load` tells a record's octets in a request, or `None` when it is gone.
    pub(crate) fn choose(
        &self,
        now: Instant,
        rules: &BatchRules,
        mut load: impl FnMut(&Position) -> Option<usize>,
    ) -> Choice {
        let mut choice = Choice::default();
        let mut held = HashSet::new();
        let mut bytes = 0_usize;
        let mut span: Option<(u64, u64)> = None;
        for waiting in self.entries.iter().filter(|waiting| !waiting.done) {
            let position = waiting.position;
            let stream = position.stream;
            if stream != 0 && held.contains(&stream) {
                continue;
            }
            let time = position.time.as_millis();
            let (from, to) = span.map_or((time, time), |(f, t)| (f.min(time), t.max(time)));
            let first = choice.batch.first().map(|(first, _)| first.stream);
            let other_stream = rules.one_stream && first.is_some_and(|first| first != stream);
            let too_long = rules.max_span.is_some_and(|s| Duration::from_millis(to - from) > s);
            if waiting.not_before > now || other_stream || too_long {
                held.insert(stream);
                continue;
            }
            let Some(size) = load(&position) else {
                choice.gone.push(position.sequence);
                continue;
            };
            let size = size.saturating_add(rules.overhead_bytes);
            if size > rules.max_bytes {
                choice.oversized.push(position);
                continue;
            }
            if bytes.saturating_add(size) > rules.max_bytes {
                break;
            }
            bytes += size;
            span = Some((from, to));
            choice.batch.push((position, waiting.attempts));
            if choice.batch.len() >= rules.max_entries.max(1) {
                break;
            }
        }
        choice
    }

    /// An attempt for these came to nothing; they may be tried again at once.
    pub(crate) fn count_attempt(&mut self, sequences: &[u64]) {
        for sequence in sequences {
            if let Some(waiting) = self.find(*sequence) {
                waiting.attempts = waiting.attempts.saturating_add(1);
            }
        }
    }

    /// These are to be tried again: with the pause that the service asked for, and one random number
    /// for all of them, so that entries of a stream stay together.
    pub(crate) fn put_back(
        &mut self,
        now: Instant,
        again: &[(u64, Option<Duration>)],
        backoff: &Backoff,
        draw: u64,
    ) {
        for (sequence, after) in again {
            if let Some(waiting) = self.find(*sequence) {
                waiting.attempts = waiting.attempts.saturating_add(1);
                waiting.not_before = now + backoff.pause(waiting.attempts, *after, draw);
            }
        }
    }

    fn find(&mut self, sequence: u64) -> Option<&mut Waiting> {
        let at = self.entries.binary_search_by_key(&sequence, |w| w.position.sequence).ok()?;
        self.entries.get_mut(at)
    }
}

#[cfg(test)]
mod tests;
