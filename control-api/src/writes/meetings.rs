//! Operations of chime-sdk-meetings that change meetings. What they may be is the registry's; what it
//! has changed is put into the draft.

use super::{Writing, bad_request, of_file};
use crate::error::{ApiError, ErrorKind};
use crate::reads::{written_attendee, written_meeting};
use crate::rooms::{attendee_of, meeting_of, refused};
use model::UnixTime;
use room_core::{
    Attendee, AttendeeId, Capabilities, CreateAttendee, CreateAttendeeError, CreateMeeting, Draw,
    MeetingId, Registry, RoomOptions, StoredMeeting,
};
use serde_json::{Value, json};
use std::collections::HashSet;

/// A meeting on demand that nobody came to, and a scheduled one that is over, are kept for a day.
const OVER_MS: u64 = 24 * 3_600 * 1_000;

/// The kind of meetings in ARNs.
pub(super) const KIND: &str = "meeting";

impl Writing<'_, '_> {
    pub(super) fn create_meeting(&mut self) -> Result<Value, ApiError> {
        let request: CreateMeeting = self.whole()?;
        let attendees: Vec<CreateAttendee> = self.member("Attendees")?.unwrap_or_default();
        let now = self.draft.now();
        self.remove_over(now);
        let made = self.drawn(|meetings, draw| {
            let made = meetings.create_meeting(now, request, RoomOptions::default(), draw);
            made.map(|record| record.meeting_id)
        })?;
        // Of a token that came before, nothing is made again.
        let is_new = self.meetings.changed().iter().any(|(id, _)| *id == made);
        let (mut all, mut errors) = (Vec::new(), Vec::new());
        if is_new && !attendees.is_empty() {
            (all, errors) =
                self.drawn(|meetings, draw| meetings.batch_create_attendee(made, attendees, draw))?;
        } else if !attendees.is_empty() {
            all = self.meetings.get_meeting(made).map_err(refused)?.attendees.clone();
        }
        if is_new {
            let arn = self.settings.arn(KIND, &made.to_string());
            self.keep_tags(&arn)?;
        }
        self.keep_meetings();
        let record = self.meetings.get_meeting(made).map_err(refused)?;
        let meeting = written_meeting(self.settings, self.directory, record);
        match self.routed.operation.name {
            "CreateMeeting" => Ok(json!({ "Meeting": meeting })),
            _ => Ok(with_attendees(json!({ "Meeting": meeting }), &all, &errors)),
        }
    }

    pub(super) fn delete_meeting(&mut self) -> Result<Value, ApiError> {
        let id = self.own_meeting()?;
        self.meetings.delete_meeting(id).map_err(refused)?;
        self.keep_meetings();
        Ok(Value::Null)
    }

    pub(super) fn create_attendee(&mut self) -> Result<Value, ApiError> {
        let (id, request) = (self.own_meeting()?, self.whole()?);
        let made = self
            .drawn(|meetings, draw| meetings.create_attendee(id, request, false, draw).cloned())?;
        self.keep_meetings();
        Ok(json!({ "Attendee": written_attendee(&made) }))
    }

    pub(super) fn batch_create_attendee(&mut self) -> Result<Value, ApiError> {
        let (id, requests) = (self.own_meeting()?, self.required("Attendees")?);
        let (made, errors) =
            self.drawn(|meetings, draw| meetings.batch_create_attendee(id, requests, draw))?;
        self.keep_meetings();
        Ok(with_attendees(json!({}), &made, &errors))
    }

    pub(super) fn delete_attendee(&mut self) -> Result<Value, ApiError> {
        let (id, attendee) = (self.own_meeting()?, attendee_of(self.routed)?);
        self.meetings.delete_attendee(id, attendee).map_err(refused)?;
        self.keep_meetings();
        Ok(Value::Null)
    }

    pub(super) fn update_capabilities(&mut self) -> Result<Value, ApiError> {
        let (id, attendee) = (self.own_meeting()?, attendee_of(self.routed)?);
        let capabilities: Capabilities = self.required("Capabilities")?;
        let updated = self.meetings.update_attendee_capabilities(id, attendee, capabilities);
        let written = written_attendee(updated.map_err(refused)?);
        self.keep_meetings();
        Ok(json!({ "Attendee": written }))
    }

    pub(super) fn update_capabilities_except(&mut self) -> Result<Value, ApiError> {
        let id = self.own_meeting()?;
        let capabilities: Capabilities = self.required("Capabilities")?;
        let excluded: Vec<Value> = self.required("ExcludedAttendeeIds")?;
        let read = |item: &Value| {
            let text = item.get("AttendeeId").and_then(Value::as_str).unwrap_or_default();
            AttendeeId::parse(text)
                .map_err(|invalid| bad_request(format!("ExcludedAttendeeIds: {invalid}")))
        };
        let excluded: HashSet<AttendeeId> = excluded.iter().map(read).collect::<Result<_, _>>()?;
        let all = &self.meetings.get_meeting(id).map_err(refused)?.attendees;
        let all: Vec<AttendeeId> = all.iter().map(|each| each.attendee_id).collect();
        for attendee in all.into_iter().filter(|each| !excluded.contains(each)) {
            let updated = self.meetings.update_attendee_capabilities(id, attendee, capabilities);
            updated.map_err(refused)?;
        }
        self.keep_meetings();
        Ok(Value::Null)
    }

    /// The meeting of the path, to be changed: none of the configuration file.
    pub(super) fn own_meeting(&self) -> Result<MeetingId, ApiError> {
        let id = meeting_of(self.routed)?;
        let is_known = self.meetings.get_meeting(id).is_ok();
        match is_known && self.draft.get::<StoredMeeting>(&id.to_string()).is_none() {
            true => Err(of_file(&format!("meeting {id}"))),
            false => Ok(id),
        }
    }

    /// The request as one of the registry's.
    fn whole<T: serde::de::DeserializeOwned>(&self) -> Result<T, ApiError> {
        T::deserialize(&self.input).map_err(|error| bad_request(error.to_string()))
    }

    /// Does what draws random numbers, from the system's.
    pub(super) fn drawn<T>(
        &mut self,
        work: impl FnOnce(&mut Registry, Draw<'_>) -> Result<T, room_core::ApiError>,
    ) -> Result<T, ApiError> {
        let (random, mut is_dry) = (&mut *self.random, false);
        let mut draw = || match random() {
            // A UUID's worth of bits: half of them is a draw.
            Some(bits) => (bits >> 64) as u64,
            None => {
                is_dry = true;
                u64::MAX
            }
        };
        let done = work(self.meetings, &mut draw);
        if is_dry {
            // Nothing that could be guessed is kept.
            let message = "no random numbers from the system; see Tandem's log";
            return Err(ApiError::new(ErrorKind::ServiceUnavailable, message));
        }
        done.map_err(refused)
    }

    /// Deletes meetings that nobody can, or did, come to.
    pub(super) fn remove_over(&mut self, now: UnixTime) {
        let before = UnixTime::from_millis(now.as_millis().saturating_sub(OVER_MS));
        // Where that is not known, nothing is removed: people may be in it.
        let Some(held) = &self.held else { return };
        let held: HashSet<MeetingId> = held.iter().copied().collect();
        // Those of the configuration file stay as long as it has them.
        let is_of_file = |id: MeetingId| self.draft.get::<StoredMeeting>(&id.to_string()).is_none();
        self.meetings.remove_over(before, |id| held.contains(&id) || is_of_file(id));
    }

    /// Puts what the registry has changed into the draft.
    pub(super) fn keep_meetings(&mut self) {
        for (id, stored) in self.meetings.changed() {
            let id = id.to_string();
            match stored {
                Some(stored) => self.draft.put(&id, stored),
                None => {
                    self.draft.remove::<StoredMeeting>(&id);
                    self.drop_tags(KIND, &id);
                }
            }
        }
    }
}

fn with_attendees(mut body: Value, made: &[Attendee], errors: &[CreateAttendeeError]) -> Value {
    body["Attendees"] = made.iter().map(written_attendee).collect();
    body["Errors"] = serde_json::to_value(errors).unwrap_or_default();
    body
}
