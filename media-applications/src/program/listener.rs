//! `ReceiveDigits`: keys of a leg that nobody else takes.

use crate::action::Receive;
use crate::digits::MOST_DIGITS;
use model::{DtmfKey, Instant};
use serde_json::{Map, Value};

/// A leg's keys since the last ones that were told or forgotten.
#[derive(Debug)]
pub(super) struct Listener {
    rule: Receive,
    /// `Parameters` of the action.
    pub(super) parameters: Map<String, Value>,
    digits: String,
    /// When to compare the keys: no other one came.
    compare_at: Option<Instant>,
    /// When to compare the keys and forget them: the first one is so long ago.
    flush_at: Option<Instant>,
}

impl Listener {
    pub(super) fn new(rule: Receive, parameters: Map<String, Value>) -> Self {
        Listener { rule, parameters, digits: String::new(), compare_at: None, flush_at: None }
    }

    /// Keys beyond 128 are not kept.
    pub(super) fn handle_key(&mut self, now: Instant, key: DtmfKey) {
        if self.digits.is_empty() {
            self.flush_at = Some(now + self.rule.flush);
        }
        if self.digits.len() < MOST_DIGITS {
            self.digits.push(key.symbol());
        }
        self.compare_at = Some(now + self.rule.between);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.compare_at, self.flush_at].into_iter().flatten().min()
    }

    /// The keys that fit, when it is time to compare them.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<String> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let flushes = is_due(self.flush_at);
        if !flushes && !is_due(self.compare_at) {
            return None;
        }
        self.compare_at = None;
        let fits = self.rule.pattern.matches(&self.digits);
        if !fits && !flushes {
            return None;
        }
        self.flush_at = None;
        let digits = std::mem::take(&mut self.digits);
        fits.then_some(digits)
    }
}
