//! What of a meeting that is held follows when something else is set for it, or it is taken away.

use super::{Facts, Meeting, time};
use crate::event::EndReason;
use crate::output::{Now, Order, Outputs};
use crate::settings::{FloorPolicy, LastModerator, MeetingSettings};
use model::TransactionId;
use std::time::Duration;

impl Meeting {
    /// Something else is set for it. Nobody has to leave by it, and nobody's microphone opens: who is in it
    /// stays, and so does when it ends if by the new settings it would be over.
    pub(crate) fn change(&mut self, now: Now, facts: Facts, out: &mut Outputs) {
        self.retired = false;
        let before = std::mem::replace(&mut self.facts, facts).settings;
        self.sent_back &= self.facts.settings.last_moderator == LastModerator::BackToWaiting;
        self.change_end(now, &before);
        self.change_floor(now, &before, out);
        self.change_layout(&before, out);
        self.let_in_who_waits(now, out);
    }

    /// Nobody else enters it, and it ends with the last who is in it.
    pub(crate) fn retire(&mut self, now: Now, out: &mut Outputs) {
        self.retired = true;
        self.end_if_deserted(now, out);
    }

    /// Of a meeting that nobody enters any more: who waits would wait for nobody.
    pub(super) fn end_if_deserted(&mut self, now: Now, out: &mut Outputs) {
        let is_deserted =
            self.called.is_empty() && !self.people.values().any(|member| member.is_in());
        if self.retired && is_deserted {
            let why =
                if self.people.is_empty() { EndReason::Empty } else { EndReason::NoModerator };
            self.end(now, why, out);
        }
    }

    fn change_end(&mut self, now: Now, before: &MeetingSettings) {
        let after = &self.facts.settings;
        let lasts = |of: &MeetingSettings| (of.longest_minutes, of.plan, of.warnings.clone());
        if lasts(before) != lasts(after) {
            let (ends_at, mut warnings) = time::ends(self.began, after);
            if ends_at > now.at {
                warnings.retain(|(at, _)| *at > now.at);
                (self.ends_at, self.warnings) = (ends_at, warnings);
            }
        }
        if let Some(at) = self.empty_at {
            let seconds = |of: &MeetingSettings| Duration::from_secs(of.empty_seconds.into());
            self.empty_at = Some(at + seconds(after) - seconds(before));
        }
        // What was announced is what comes; where it is to end no more, nothing comes.
        if !matches!(after.last_moderator, LastModerator::EndAfter(_)) {
            self.unled_at = None;
        }
    }

    fn change_floor(&mut self, now: Now, before: &MeetingSettings, out: &mut Outputs) {
        let floor = self.facts.settings.floor;
        if floor == before.floor {
            return;
        }
        let mut loses: Vec<TransactionId> = match floor {
            FloorPolicy::Asked => Vec::new(),
            // No moderator is asked any more: who wants it asks again.
            FloorPolicy::Everyone | FloorPolicy::Moderators | FloorPolicy::Nobody => {
                self.floor_asked.iter().copied().collect()
            }
        };
        loses.extend(self.floor.filter(|call| match floor {
            FloorPolicy::Everyone | FloorPolicy::Asked => false,
            FloorPolicy::Moderators => !self.is_moderator(*call),
            FloorPolicy::Nobody => true,
        }));
        for call in loses {
            self.forget_floor(now, call, out);
        }
    }

    /// Whoever has asked for nothing sees the others as it is set.
    fn change_layout(&mut self, before: &MeetingSettings, out: &mut Outputs) {
        let layout = self.facts.settings.layout;
        if layout == before.layout {
            return;
        }
        for member in self.people.values() {
            if member.is_in() && member.layout.is_none() {
                out.order(member.call, Order::LayOut(layout));
            }
        }
    }

    fn is_moderator(&self, call: TransactionId) -> bool {
        self.moderator(super::By::Call(call)).is_ok()
    }
}
