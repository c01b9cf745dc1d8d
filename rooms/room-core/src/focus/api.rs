//! Operations on meetings that concern people who are in them.

use super::{By, Command, Draw, EndReason, Focus, Now, Refused};
use crate::registry::{ApiError, Attendee, Capabilities, MeetingRecord};
use crate::{AttendeeId, MeetingId};
use model::UnixTime;

impl Focus {
    /// `DeleteMeeting`: it ends for all who are in it, and its numbers are wrong from now on.
    ///
    /// # Errors
    /// [`ApiError::NotFound`].
    pub fn delete_meeting(&mut self, now: Now, id: MeetingId) -> Result<MeetingRecord, ApiError> {
        let record = self.registry.delete_meeting(id)?;
        if let Some(meeting) = self.meetings.get_mut(&id) {
            meeting.end(now, EndReason::Api, &mut self.out);
        }
        self.settle(now);
        Ok(record)
    }

    /// Deletes scheduled meetings that were over at this time, and those on demand that were made before
    /// it and that nobody is in; meant to be asked some times a day, with a time a day or more ago.
    pub fn remove_over(&mut self, before: UnixTime) -> Vec<MeetingRecord> {
        let meetings = &self.meetings;
        self.registry.remove_over(before, |id| meetings.contains_key(&id))
    }

    /// `DeleteAttendee`: it is made to leave, and its token is wrong from now on.
    ///
    /// # Errors
    /// [`ApiError::NotFound`].
    pub fn delete_attendee(
        &mut self,
        now: Now,
        id: MeetingId,
        attendee: AttendeeId,
    ) -> Result<(), ApiError> {
        self.registry.delete_attendee(id, attendee)?;
        if let Some(meeting) = self.meetings.get_mut(&id)
            && let Some(call) = meeting.call_of(attendee)
        {
            meeting.remove(now, call, &mut self.out);
        }
        self.settle(now);
        Ok(())
    }

    /// `UpdateAttendeeCapabilities`, at once where it is in the meeting.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::BadRequest`].
    pub fn update_attendee_capabilities(
        &mut self,
        now: Now,
        id: MeetingId,
        attendee: AttendeeId,
        capabilities: Capabilities,
    ) -> Result<Attendee, ApiError> {
        let updated =
            self.registry.update_attendee_capabilities(id, attendee, capabilities)?.clone();
        if let Some(meeting) = self.meetings.get_mut(&id)
            && let Some(call) = meeting.call_of(attendee)
        {
            meeting.allow(now, call, capabilities, &mut self.out);
        }
        self.settle(now);
        Ok(updated)
    }

    /// Calls a number into a meeting, which begins with it where it is not held.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn dial_out(
        &mut self,
        now: Now,
        id: MeetingId,
        number: &str,
        draw: Draw<'_>,
    ) -> Result<(), Refused> {
        let was_held = self.meetings.contains_key(&id);
        let record = self.registry.get_meeting(id).map_err(|_| Refused::NoMeeting)?;
        if !was_held && !record.settings.is_open_at(now.unix, true) {
            return Err(Refused::NotAllowed);
        }
        let is_number = |text: &str| text.strip_prefix('+').unwrap_or(text).len() >= 3;
        if !is_number(number) {
            return Err(Refused::Malformed);
        }
        self.begin(now, id).ok_or(Refused::NoMeeting)?;
        self.command(now, id, By::Api, Command::DialOut(number.to_owned()), draw)
    }
}
