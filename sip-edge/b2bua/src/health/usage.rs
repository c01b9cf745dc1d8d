//! Calls at once and calls a second, by target.

use crate::policing::TokenBucket;
use directory::Target;
use model::Instant;
use std::collections::HashMap;
use std::sync::Arc;

/// Which limit of a target is used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Busy {
    /// `max_calls`.
    Full,
    /// `cps_limit`.
    Rate,
}

/// The use of every target that calls were sent to.
#[derive(Default)]
pub(super) struct TargetUsage {
    targets: HashMap<Arc<str>, Usage>,
}

struct Usage {
    active: u32,
    calls: TokenBucket,
}

impl TargetUsage {
    pub(super) fn occupy(&mut self, now: Instant, target: &Target) -> Result<(), Busy> {
        let usage = self.of(now, target);
        if target.max_calls.is_some_and(|limit| usage.active >= limit) {
            return Err(Busy::Full);
        }
        if let Some(rate) = target.cps_limit
            && !usage.calls.take(rate, now)
        {
            return Err(Busy::Rate);
        }
        usage.active += 1;
        Ok(())
    }

    pub(super) fn occupy_anyway(&mut self, now: Instant, target: &Target) {
        self.of(now, target).active += 1;
    }

    pub(super) fn vacate(&mut self, key: &str) {
        if let Some(usage) = self.targets.get_mut(key) {
            usage.active = usage.active.saturating_sub(1);
        }
    }

    /// Whether no call was sent to any target.
    pub(super) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Forgets targets that are neither in use nor in the directory any more.
    pub(super) fn retain(&mut self, exists: impl Fn(&str) -> bool) {
        self.targets.retain(|key, usage| usage.active > 0 || exists(key));
    }

    fn of(&mut self, now: Instant, target: &Target) -> &mut Usage {
        let rate = target.cps_limit.unwrap_or(0);
        self.targets
            .entry(target.key.clone())
            .or_insert_with(|| Usage { active: 0, calls: TokenBucket::full(rate, now) })
    }
}
