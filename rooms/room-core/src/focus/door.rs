//! What the welcome may know of meetings: whether an id opens one, and nothing else.

use super::{Announce, Meeting, Role};
use crate::guess::{GuessLimiter, Source, Turn};
use crate::output::Now;
use crate::registry::{MeetingRecord, Registry};
use crate::welcome::Door;
use crate::{AttendeeNumber, MeetingId, ModeratorNumber};
use std::collections::BTreeMap;

/// What somebody has who gave a right id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ticket {
    pub(super) meeting: MeetingId,
    pub(super) role: Role,
    /// Whether the meeting says who joins.
    pub(super) asks_name: bool,
}

pub(super) struct FocusDoor<'a> {
    pub(super) registry: &'a Registry,
    pub(super) meetings: &'a BTreeMap<MeetingId, Meeting>,
    pub(super) limiter: &'a mut GuessLimiter,
    pub(super) source: Option<&'a Source>,
    pub(super) is_telephone: bool,
}

impl FocusDoor<'_> {
    fn find(&self, now: Now, id: &str, passcode: Option<&str>) -> Option<(&MeetingRecord, Role)> {
        if let Ok(number) = AttendeeNumber::parse(id) {
            let record = self.registry.by_attendee_number(number)?;
            let meeting = self.meetings.get(&record.meeting_id);
            let closed = meeting.is_some_and(Meeting::is_closed_to_attendees);
            let open = record.settings.is_open_at(now.unix, false) && !closed;
            return open.then_some((record, Role::Attendee));
        }
        let number = ModeratorNumber::parse(id).ok()?;
        let record = self.registry.by_moderator_number(number)?;
        let right = match &record.passcode {
            Some(right) => right.matches(passcode?),
            None => true,
        };
        let open = right && record.settings.is_open_at(now.unix, true);
        open.then_some((record, Role::Moderator))
    }
}

impl Door<Ticket> for FocusDoor<'_> {
    fn take_turn(&mut self, now: Now) -> Turn {
        match self.source {
            Some(source) => self.limiter.take_turn(now.at, source),
            None => Turn::At(now.at),
        }
    }

    fn open(&mut self, now: Now, id: &str, passcode: Option<&str>) -> Option<Ticket> {
        let (record, role) = self.find(now, id, passcode)?;
        // What holds in one that is held.
        let held = self.meetings.get(&record.meeting_id);
        let settings = held.map_or(&record.settings, Meeting::settings);
        let asks_name = settings.announce == Announce::Name;
        let ticket = Ticket { meeting: record.meeting_id, role, asks_name };
        if let Some(source) = self.source {
            self.limiter.was_right(source);
        }
        Some(ticket)
    }

    fn wants_name(&self, ticket: &Ticket) -> bool {
        ticket.asks_name && self.is_telephone
    }
}
