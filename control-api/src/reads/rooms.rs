//! Meetings as people use them: their numbers, what is set for them, who is in them.

use super::Reading;
use super::meetings::dialled;
use crate::backend::HeldMeeting;
use crate::error::ApiError;
use crate::rooms::{meeting_of, refused};
use crate::writes::{bad_request, timestamp};
use directory::Snapshot;
use model::UnixTime;
use room_core::{
    AttendeeNumber, LastModerator, MeetingId, MeetingRecord, ModeratorNumber, Plan, RosterEntry,
};
use serde_json::{Value, json};
use std::collections::HashSet;

impl Reading<'_> {
    pub(super) fn room(&self) -> Result<Value, ApiError> {
        let record = self.meetings.get_meeting(meeting_of(self.routed)?).map_err(refused)?;
        let held = self.backend.meeting(record.meeting_id);
        Ok(json!({ "Room": written_room(self.directory, record, Some(held)) }))
    }

    pub(super) fn list_rooms(&self) -> Result<Value, ApiError> {
        let held = self.backend.held_meetings().unwrap_or_default();
        let held: HashSet<MeetingId> = held.into_iter().collect();
        if let Some(number) = self.routed.parameter("number") {
            let found = match (AttendeeNumber::parse(number), ModeratorNumber::parse(number)) {
                (Ok(number), _) => self.meetings.by_attendee_number(number),
                (_, Ok(number)) => self.meetings.by_moderator_number(number),
                _ => return Err(bad_request("Number: give the 10 or 13 digits of a meeting's id")),
            };
            let found = found.map(|record| self.listed(record, &held));
            return Ok(json!({ "Rooms": found.into_iter().collect::<Vec<_>>() }));
        }
        let list = format!("{}?", self.routed.operation.name);
        let (after, most) = (self.after(&list)?, self.max_results(100)?);
        let page = self.meetings.list_meetings(after.as_deref(), most).map_err(refused)?;
        let entries = page.entries.iter();
        let entries = entries.map(|record| self.listed(record, &held));
        let mut body = json!({ "Rooms": entries.collect::<Vec<_>>() });
        if let Some(next) = page.next {
            body["NextToken"] = self.tokens.write(&list, &next).into();
        }
        Ok(body)
    }

    fn listed(&self, record: &MeetingRecord, held: &HashSet<MeetingId>) -> Value {
        let id = record.meeting_id;
        let held = if held.contains(&id) { self.backend.meeting(id) } else { None };
        written_room(self.directory, record, Some(held))
    }

    pub(super) fn room_participants(&self) -> Result<Value, ApiError> {
        let record = self.meetings.get_meeting(meeting_of(self.routed)?).map_err(refused)?;
        let held = self.backend.meeting(record.meeting_id);
        let people = held.as_ref().into_iter().flat_map(|held| {
            held.people.iter().map(|each| {
                let seconds = held.at.saturating_since(each.since).as_secs();
                written_participant(each, seconds)
            })
        });
        Ok(json!({ "Participants": people.collect::<Vec<_>>() }))
    }
}

fn written_participant(entry: &RosterEntry, seconds: u64) -> Value {
    let person = &entry.person;
    let mut written = json!({
        "CallId": person.call.to_string(),
        "Name": &*person.name,
        "Moderator": person.moderator,
        "Waiting": !entry.is_in,
        "Muted": entry.muted,
        "Hand": entry.hand,
        "Camera": entry.camera,
        "Slides": entry.slides,
        "Layout": entry.layout,
        "Speaks": entry.speaks,
        "Presents": entry.shows,
        "AsksToPresent": entry.asks_to_show,
        "Seconds": seconds,
    });
    if let Some((attendee, user)) = &person.attendee {
        written["AttendeeId"] = attendee.to_string().into();
        written["ExternalUserId"] = (**user).into();
    }
    written
}

const fn last_moderator(of: LastModerator) -> &'static str {
    match of {
        LastModerator::Continue => "Continue",
        LastModerator::EndAfter(_) => "EndAfter",
        LastModerator::Promote => "Promote",
        LastModerator::BackToWaiting => "BackToWaiting",
    }
}

/// A meeting with its numbers and passcode, and what goes on in it where that was asked.
pub(crate) fn written_room(
    directory: &Snapshot,
    record: &MeetingRecord,
    held: Option<Option<HeldMeeting>>,
) -> Value {
    let set = &record.settings;
    // One that a program has made has the name that the program knows it by.
    let name = if set.name.is_empty() { &record.request.external_meeting_id } else { &set.name };
    let mut written = json!({
        "MeetingId": record.meeting_id.to_string(),
        "Name": name,
        "AttendeeId": record.attendee_number.to_string(),
        "ModeratorId": record.moderator_number.to_string(),
        "Plan": "OnDemand",
        "Access": set.access,
        "Capacity": set.capacity,
        "Announce": set.announce,
        "WhenLocked": set.when_locked,
        "Slides": set.floor,
        "Layout": set.layout,
        "LongestMinutes": set.longest_minutes,
        "EmptySeconds": set.empty_seconds,
        "LastModerator": last_moderator(set.last_moderator),
        "Warnings": set.warnings,
        "WaitingMinutes": set.waiting_minutes,
        "VanishedSeconds": set.vanished_seconds,
        "UnmuteOneself": set.unmute_oneself,
        "ConfirmCalled": set.confirm_called,
        "Attendees": record.attendees.len(),
    });
    if let LastModerator::EndAfter(seconds) = set.last_moderator {
        written["EndAfterSeconds"] = seconds.into();
    }
    // The configuration file does not say when.
    if record.created != UnixTime::from_millis(0) {
        written["CreatedTimestamp"] = timestamp(record.created).into();
    }
    match set.plan {
        Plan::OnDemand => {}
        Plan::Personal => written["Plan"] = "Personal".into(),
        Plan::Scheduled { start, end, .. } => {
            written["Plan"] = "Scheduled".into();
            written["StartTimestamp"] = timestamp(start).into();
            written["EndTimestamp"] = timestamp(end).into();
        }
    }
    if let Some(passcode) = &record.passcode {
        written["Passcode"] = passcode.as_str().into();
    }
    if let Some(language) = &set.language {
        written["Language"] = serde_json::to_value(language).unwrap_or_default();
    }
    if let Some(uri) = dialled(directory, record) {
        written["SipUri"] = uri.into();
    }
    if let Some(rooms) = directory.rooms().filter(|rooms| !rooms.numbers.is_empty()) {
        written["PhoneNumbers"] = rooms.numbers.iter().map(|each| Value::from(&**each)).collect();
    }
    let Some(held) = held else { return written };
    written["Held"] = held.is_some().into();
    if let Some(held) = held {
        written["People"] = held.state.people.into();
        written["Waiting"] = held.state.waiting.into();
        written["Locked"] = held.state.locked.into();
        written["Recording"] = held.state.recording.into();
        if let Some(picture) = held.composed {
            written["Composed"] = json!({
                "Tiles": picture.tiles,
                "Viewers": picture.viewers,
                "FramesPerSecond": picture.frames_per_second,
                "CpuPercent": picture.cpu_percent,
            });
        }
    }
    written
}
