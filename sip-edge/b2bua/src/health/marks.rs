//! Passive marking: targets that a call has met a failure at.

use directory::Target;
use model::Instant;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Until when each target is avoided. At most one entry a target of the directory.
#[derive(Default)]
pub(super) struct Marks {
    marks: HashMap<Arc<str>, Mark>,
}

struct Mark {
    name: Arc<str>,
    until: Instant,
}

impl Marks {
    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Avoids a target for `span`, or longer if it is avoided for longer already. `true` when it was
    /// not avoided before.
    pub(super) fn mark(&mut self, now: Instant, target: &Target, span: Duration) -> bool {
        let is_new = !self.is_marked(now, &target.key);
        let mark = self
            .marks
            .entry(target.key.clone())
            .or_insert_with(|| Mark { name: target.name.clone(), until: now });
        mark.until = mark.until.max(now + span);
        is_new
    }

    pub(super) fn is_marked(&self, now: Instant, key: &str) -> bool {
        self.marks.get(key).is_some_and(|mark| mark.until > now)
    }

    pub(super) fn clear(&mut self, key: &str) {
        if !self.marks.is_empty() {
            self.marks.remove(key);
        }
    }

    /// Forgets the mark of the target with this name.
    pub(super) fn clear_named(&mut self, name: &str) {
        self.marks.retain(|_, mark| *mark.name != *name);
    }

    pub(super) fn retain(&mut self, exists: impl Fn(&str) -> bool) {
        self.marks.retain(|key, _| exists(key));
    }
}
