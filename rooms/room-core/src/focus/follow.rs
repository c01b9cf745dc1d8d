//! Meetings as others have them: whoever stores them, and the configuration file.

use super::{Focus, Now};
use crate::MeetingId;
use crate::meeting::Facts;
use crate::registry::{ApiError, StoredMeeting};

/// What has become of a meeting elsewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Followed {
    /// It is new, or changed.
    Stored(Box<StoredMeeting>),
    /// It was deleted: it ends for all who are in it.
    Deleted,
    /// It is taken away without a word to those who are in it: they stay, nobody else enters, and it ends
    /// when nobody is in it.
    Retired,
}

impl Focus {
    /// Goes on with meetings as they are elsewhere now. Their ids are given back before the first is taken
    /// in, so that one may have what was another's.
    ///
    /// Returns those that cannot be, and why, as [`crate::Registry::restore`] says it; then there is no such meeting.
    pub fn follow_meetings(
        &mut self,
        now: Now,
        followed: Vec<(MeetingId, Followed)>,
    ) -> Vec<(MeetingId, ApiError)> {
        for (id, _) in &followed {
            self.registry.release_ids(*id);
        }
        let mut faults = Vec::new();
        for (id, what) in followed {
            let done = match what {
                Followed::Stored(stored) => self.follow_meeting(now, id, Some(*stored)),
                Followed::Deleted => self.follow_meeting(now, id, None),
                Followed::Retired => {
                    self.retire_meeting(now, id);
                    Ok(())
                }
            };
            faults.extend(done.err().map(|fault| (id, fault)));
        }
        faults
    }

    /// Goes on with a meeting as whoever stores meetings has it now: a new one, a changed one, or none.
    /// Whoever is in it and may no more is made to leave. What is set holds at once, as far as it is about
    /// what is still to come: docs/decisions/0159.
    ///
    /// # Errors
    /// As [`crate::Registry::restore`]; then there is no such meeting.
    pub fn follow_meeting(
        &mut self,
        now: Now,
        id: MeetingId,
        stored: Option<StoredMeeting>,
    ) -> Result<(), ApiError> {
        let StoredMeeting::V1(after) = match &stored {
            Some(stored) => stored,
            None => {
                // Gone already where it ended here before.
                let _ = self.delete_meeting(now, id);
                return self.registry.follow(id, None);
            }
        };
        let known = self.registry.get_meeting(id).map(|record| record.attendees.clone());
        for before in known.unwrap_or_default() {
            match after.attendees.iter().find(|it| it.attendee_id == before.attendee_id) {
                // There is one: it is of the list.
                None => drop(self.delete_attendee(now, id, before.attendee_id)),
                Some(after) if after.capabilities != before.capabilities => {
                    let (of, may) = (after.attendee_id, after.capabilities);
                    drop(self.update_attendee_capabilities(now, id, of, may));
                }
                Some(_) => {}
            }
        }
        self.registry.follow(id, stored)?;
        if let Some(meeting) = self.meetings.get_mut(&id)
            && let Ok(record) = self.registry.get_meeting(id)
        {
            meeting.change(now, Facts::of(record, &self.settings.languages.default), &mut self.out);
        }
        self.settle(now);
        Ok(())
    }

    fn retire_meeting(&mut self, now: Now, id: MeetingId) {
        match self.meetings.get_mut(&id) {
            Some(meeting) => {
                self.registry.retire(id);
                meeting.retire(now, &mut self.out);
            }
            // That it is gone is told to whoever asks what has changed.
            None => drop(self.registry.delete_meeting(id)),
        }
        self.settle(now);
    }
}
