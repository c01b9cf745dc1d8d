//! How callers go from one place to another.

use super::door::{FocusDoor, Ticket};
use super::{Caller, Focus, LONGEST_FAREWELL, NORMAL, Stage};
use crate::MeetingId;
use crate::layout::Sees;
use crate::meeting::{CannotJoin, Facts, Meeting, Newcomer};
use crate::output::status::{FULL, NO_MEETING};
use crate::output::{Now, Order, Outputs};
use crate::prompt::Prompt;
use crate::registry::Capabilities;
use crate::welcome::{Outcome, Welcome};
use model::TransactionId;

impl Focus {
    pub(super) fn is_full(&self) -> bool {
        self.callers.len() >= self.settings.most_callers.unwrap_or(10_000)
    }

    pub(super) fn meeting_of(&mut self, call: TransactionId) -> Option<&mut Meeting> {
        match self.callers.get(&call)?.stage {
            Stage::Meeting(id) => self.meetings.get_mut(&id),
            Stage::Moving | Stage::Welcome(_) | Stage::Farewell(..) => None,
        }
    }

    /// Whether a caller hears a last word: it was sent away, or has given no right number.
    pub fn hears_farewell(&self, call: TransactionId) -> bool {
        self.callers.get(&call).is_some_and(|caller| matches!(caller.stage, Stage::Farewell(..)))
    }

    /// Whether a caller whose call is over, or nearly, has nothing to come back to: it was sent away, or the meeting that
    /// it was in has been ended since.
    pub fn is_over_for(&self, call: TransactionId) -> bool {
        self.gone.is_over_for(call)
    }

    pub(super) fn seen_by(&self, caller: &Caller) -> Sees {
        match (caller.pictures[0], self.settings.uncomposed) {
            (false, _) => Sees::Nothing,
            (true, true) => Sees::Speaker,
            (true, false) => Sees::Either,
        }
    }

    pub(super) fn door<'a>(&'a mut self, caller: &'a Caller) -> (FocusDoor<'a>, &'a mut Outputs) {
        let door = FocusDoor {
            registry: &self.registry,
            meetings: &self.meetings,
            limiter: &mut self.limiter,
            source: caller.source.as_ref(),
            is_telephone: caller.is_telephone,
        };
        (door, &mut self.out)
    }

    /// Goes on with the dialogue of a caller who is still in it.
    pub(super) fn welcome(
        &mut self,
        now: Now,
        call: TransactionId,
        act: impl FnOnce(&mut Welcome<Ticket>, &mut FocusDoor<'_>, &mut Outputs) -> Outcome<Ticket>,
    ) {
        let Some(mut caller) = self.callers.remove(&call) else { return };
        let mut stage = std::mem::replace(&mut caller.stage, Stage::Moving);
        let outcome = match &mut stage {
            Stage::Welcome(welcome) => {
                let (mut door, out) = self.door(&caller);
                act(welcome, &mut door, out)
            }
            Stage::Moving | Stage::Meeting(_) | Stage::Farewell(..) => Outcome::Open,
        };
        caller.stage = stage;
        self.callers.insert(call, caller);
        self.follow(now, call, outcome);
    }

    pub(super) fn follow(&mut self, now: Now, call: TransactionId, outcome: Outcome<Ticket>) {
        match outcome {
            Outcome::Open => {}
            Outcome::GiveUp(words) => self.say_farewell(now, call, words, NO_MEETING),
            Outcome::Enter(ticket, has_said_name) => {
                self.enter(now, call, ticket, has_said_name);
            }
        }
        self.settle(now);
    }

    /// Whoever has the right number goes in, if that is still so.
    pub(super) fn enter(
        &mut self,
        now: Now,
        call: TransactionId,
        ticket: Ticket,
        has_said_name: bool,
    ) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        caller.stage = Stage::Meeting(ticket.meeting);
        let newcomer = Newcomer {
            call,
            role: ticket.role,
            name: caller.name.clone(),
            attendee: None,
            language: caller.language.clone(),
            capabilities: Capabilities::default(),
            has_said_name,
            invited: false,
            layout: caller.layout,
        };
        match self.join(now, ticket.meeting, newcomer) {
            Ok(()) => {}
            Err(CannotJoin::Full) => {
                let words = vec![Prompt::MeetingFull, Prompt::Goodbye];
                self.say_farewell(now, call, words, FULL);
            }
            Err(CannotJoin::Closed) => {
                let words = vec![Prompt::WrongId, Prompt::Goodbye];
                self.say_farewell(now, call, words, NO_MEETING);
            }
        }
    }

    /// Joins somebody to a meeting, which begins with the first.
    pub(super) fn join(
        &mut self,
        now: Now,
        id: MeetingId,
        newcomer: Newcomer,
    ) -> Result<(), CannotJoin> {
        self.begin(now, id).ok_or(CannotJoin::Closed)?;
        let meeting = self.meetings.get_mut(&id).ok_or(CannotJoin::Closed)?;
        meeting.join(now, newcomer, &mut self.out)
    }

    /// Holds a meeting, if it is not held; `None` of one that there is not, or is over.
    pub(super) fn begin(&mut self, now: Now, id: MeetingId) -> Option<()> {
        if !self.meetings.contains_key(&id) {
            let record = self.registry.get_meeting(id).ok()?;
            if record.settings.is_over_at(now.unix) {
                return None;
            }
            let facts = Facts::of(record, &self.settings.languages.default);
            let meeting = Meeting::begin(now, facts, &mut self.out);
            self.meetings.insert(id, meeting);
        }
        Some(())
    }

    /// Follows what an input has done in meetings: people who were sent away, meetings that are over.
    pub(super) fn settle(&mut self, now: Now) {
        for (call, words, status) in std::mem::take(&mut self.out.dismissed) {
            let Some(caller) = self.callers.get(&call) else { continue };
            match caller.stage {
                Stage::Meeting(id) if words.is_empty() => self.gone.note(call, id),
                _ => self.gone.note_sent_away(call),
            }
            if words.is_empty() {
                self.hang_up(call, status);
            } else {
                self.say_farewell(now, call, words, status);
            }
        }
        for id in std::mem::take(&mut self.out.over) {
            if self.meetings.remove(&id).is_some_and(|meeting| meeting.was_ended()) {
                self.gone.note_ended(id);
            }
            if self.registry.is_once(id) || self.registry.is_retired(id) {
                // It is there: that was asked just now.
                let _ = self.registry.delete_meeting(id);
            }
        }
    }

    pub(super) fn say_farewell(
        &mut self,
        now: Now,
        call: TransactionId,
        words: Vec<Prompt>,
        status: u16,
    ) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let number = self.out.play(call, &caller.language, words);
        caller.stage = Stage::Farewell(number, now.at + LONGEST_FAREWELL, status);
    }

    pub(super) fn hang_up(&mut self, call: TransactionId, status: u16) {
        if self.callers.remove(&call).is_some() {
            self.out.order(call, Order::HangUp { status, cause: NORMAL });
        }
    }
}
