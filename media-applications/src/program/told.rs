//! Invocations that wait: one is under way at a time.

use crate::invocation::Event;
use serde_json::{Map, Value};
use std::collections::VecDeque;

/// Invocations of a call at most, as the service bounds them.
pub(super) const MOST: u32 = 1_000;
/// Those that wait. When as many do, keys, ringing and requests for an update are dropped; what
/// actions and legs have to tell is at most four, and always has room.
const MOST_WAITING: usize = 32;

/// What is to be told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) event: Event,
    pub(super) data: Option<Map<String, Value>>,
    /// Whether the answer does nothing, whatever the event.
    pub(super) ignored: bool,
}

/// The queue, and what is under way.
#[derive(Default, Debug)]
pub(super) struct Invocations {
    waiting: VecDeque<Told>,
    under_way: Option<Told>,
    sequence: u32,
}

impl Invocations {
    /// Whether there is room for what may be dropped.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MOST_WAITING
    }

    pub(super) fn push(&mut self, told: Told) {
        self.waiting.push_back(told);
    }

    /// The next one, which is under way from now on, with its number; `None` while one is.
    pub(super) fn next(&mut self) -> Option<(u32, &Told)> {
        if self.under_way.is_some() {
            return None;
        }
        let told = self.waiting.pop_front()?;
        self.sequence += 1;
        Some((self.sequence, self.under_way.insert(told)))
    }

    /// Takes what was under way, which is answered or given up.
    pub(super) fn finish(&mut self) -> Option<Told> {
        self.under_way.take()
    }

    /// Forgets what waits but what was wrong with a response; the answer to what is under way does
    /// nothing any more.
    pub(super) fn call_is_over(&mut self) {
        self.waiting.retain(|told| told.event == Event::InvalidResponse);
        if let Some(told) = &mut self.under_way {
            told.ignored = true;
        }
    }

    /// Whether the next one would be beyond [`MOST`].
    pub(super) fn is_one_too_many(&self) -> bool {
        self.sequence >= MOST && self.under_way.is_none() && !self.waiting.is_empty()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_none() && self.waiting.is_empty()
    }

    /// Whether the next action waits for an answer.
    pub(super) fn hold_actions(&self) -> bool {
        let all = self.waiting.iter().chain(&self.under_way);
        all.into_iter().any(|told| told.event.holds_actions() && !told.ignored)
    }
}
