//! Meetings that nobody enters any more while people are in them, and ids that are two meetings'.

use super::{MeetingRecord, Registry};
use crate::MeetingId;
use std::collections::btree_map::Entry;

/// Which of a meeting's ids is another's, or could be taken for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clash {
    /// The attendee id: it is another's, or another's moderator id begins with it.
    Attendee,
    /// The moderator id: it is another's, or begins with another's attendee id.
    Moderator,
}

impl MeetingRecord {
    /// Which of its ids cannot be, beside another meeting.
    pub fn clash(&self, other: &MeetingRecord) -> Option<Clash> {
        let (attendee, moderator) = (self.attendee_number, self.moderator_number);
        if attendee == other.attendee_number || other.moderator_number.begins_with(attendee) {
            return Some(Clash::Attendee);
        }
        let is_others =
            moderator == other.moderator_number || moderator.begins_with(other.attendee_number);
        is_others.then_some(Clash::Moderator)
    }
}

impl Registry {
    /// Nobody finds a meeting by its ids any more, and they are free for others; it is still told of,
    /// until it is deleted or followed.
    pub fn retire(&mut self, id: MeetingId) {
        if self.meetings.contains_key(&id) {
            self.release_ids(id);
            self.retired.insert(id);
        }
    }

    /// Tells of a meeting that was retired elsewhere; nothing where there is one of this `MeetingId`.
    pub fn show_retired(&mut self, record: MeetingRecord) {
        let id = record.meeting_id;
        if let Entry::Vacant(place) = self.meetings.entry(id) {
            place.insert(record);
            self.retired.insert(id);
        }
    }

    /// Whether a meeting was retired.
    pub fn is_retired(&self, id: MeetingId) -> bool {
        self.retired.contains(&id)
    }

    /// Gives the ids of a meeting back, where it has them.
    pub(crate) fn release_ids(&mut self, id: MeetingId) {
        let Some(record) = self.meetings.get(&id) else { return };
        // Those of one that was retired may be another's by now; all of them are kept or none.
        if self.by_attendee_number.get(&record.attendee_number) == Some(&id) {
            self.numbers.remove(record.attendee_number, record.moderator_number);
            self.by_attendee_number.remove(&record.attendee_number);
            self.by_moderator_number.remove(&record.moderator_number);
            self.by_token.remove(&record.request.client_request_token);
        }
    }
}
