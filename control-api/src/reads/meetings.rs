//! Meetings as chime-sdk-meetings tells them.

use super::Reading;
use crate::api::Settings;
use crate::error::ApiError;
use crate::rooms::{attendee_of, meeting_of, refused};
use directory::Snapshot;
use room_core::{Attendee, MeetingRecord};
use serde_json::{Value, json};

impl Reading<'_> {
    pub(super) fn meeting(&self) -> Result<Value, ApiError> {
        let record = self.meetings.get_meeting(meeting_of(self.routed)?).map_err(refused)?;
        Ok(json!({ "Meeting": written_meeting(self.settings, self.directory, record) }))
    }

    pub(super) fn attendee(&self) -> Result<Value, ApiError> {
        let (meeting, attendee) = (meeting_of(self.routed)?, attendee_of(self.routed)?);
        let found = self.meetings.get_attendee(meeting, attendee).map_err(refused)?;
        Ok(json!({ "Attendee": written_attendee(found) }))
    }

    pub(super) fn list_attendees(&self) -> Result<Value, ApiError> {
        let meeting = meeting_of(self.routed)?;
        let list = format!("{}?{meeting}", self.routed.operation.name);
        let (after, most) = (self.after(&list)?, self.max_results(100)?);
        let page = self.meetings.list_attendees(meeting, after.as_deref(), most);
        let page = page.map_err(refused)?;
        let entries = page.entries.iter().map(|each| written_attendee(each));
        let mut body = json!({ "Attendees": entries.collect::<Vec<_>>() });
        if let Some(next) = page.next {
            body["NextToken"] = self.tokens.write(&list, &next).into();
        }
        Ok(body)
    }
}

/// A meeting. Clients of media at AWS find nothing of theirs in `MediaPlacement`: it has where devices
/// and telephones dial.
pub(crate) fn written_meeting(
    settings: &Settings,
    directory: &Snapshot,
    record: &MeetingRecord,
) -> Value {
    let id = record.meeting_id.to_string();
    let request = &record.request;
    let mut written = json!({
        "MeetingId": id,
        "ExternalMeetingId": request.external_meeting_id,
        "MediaRegion": request.media_region,
        "MediaPlacement": {},
        "MeetingArn": settings.arn("meeting", &id),
    });
    if let Some(uri) = dialled(directory, record) {
        written["MediaPlacement"] = json!({ "AudioHostUrl": uri, "SignalingUrl": uri });
    }
    if !request.tenant_ids.is_empty() {
        written["TenantIds"] = json!(request.tenant_ids);
    }
    if let Some(host) = &request.meeting_host_id {
        written["MeetingHostId"] = host.as_str().into();
    }
    if let Some(features) = &request.meeting_features {
        written["MeetingFeatures"] = serde_json::to_value(features).unwrap_or_default();
    }
    written
}

/// What devices dial; `None` where the node has no rooms.
pub(super) fn dialled(directory: &Snapshot, record: &MeetingRecord) -> Option<String> {
    let rooms = directory.rooms()?;
    Some(format!("sip:{}@{}", record.attendee_number, rooms.host()))
}

/// An attendee, with its token, as the service tells it.
pub(crate) fn written_attendee(attendee: &Attendee) -> Value {
    let mut written = serde_json::to_value(attendee).unwrap_or_default();
    if let Some(members) = written.as_object_mut() {
        members.remove("Moderator");
    }
    written
}
