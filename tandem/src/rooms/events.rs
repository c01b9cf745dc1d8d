//! What happens in meetings, told in the form of chime-sdk-meetings' events.

use crate::config::Config;
use crate::sinks;
use call_metrics::{Numbers, PerSink};
use call_streaming::events::{Event, EventSink, Issuer};
use model::{NotificationTargets, TransactionId};
use room_core::{EventKind, Person};
use serde::Serialize;
use std::sync::Arc;

/// As EventBridge names them.
const DETAIL_TYPE: &str = "Chime Meeting State Change";

/// Sends them to the file of events and to services.
pub(super) struct Teller {
    issuer: Arc<Issuer>,
    people: PerSink<Numbers>,
    sink: Arc<dyn EventSink>,
}

/// The names of the service's members, and `tandem` ones beside them. Each text is bounded where it
/// comes from: names and ids have 64 characters at most.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    version: &'static str,
    event_type: &'static str,
    /// Milliseconds since 1970.
    timestamp: u64,
    meeting_id: String,
    external_meeting_id: &'a str,
    media_region: &'a str,
    /// Counts the meeting's events, from 1 on.
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    attendee_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_user_id: Option<&'a str>,
    /// The call's, as its record has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moderator: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

impl Teller {
    pub(super) fn new(
        config: &Config,
        (sink, people): (Arc<dyn EventSink>, PerSink<Numbers>),
    ) -> Self {
        Teller { issuer: Arc::new(sinks::issuer(config)), people, sink }
    }

    pub(super) fn tell(&self, event: &room_core::Event) {
        let PerSink { file, service } = &self.people;
        let Ok(id) = event_id() else { return };
        let in_files = (file != service).then(|| detail(event, file));
        self.sink.event(Event {
            id,
            detail_type: DETAIL_TYPE,
            issuer: Arc::clone(&self.issuer),
            time: event.at,
            group: event.meeting.to_string(),
            targets: NotificationTargets { event_bridge: true, sns: true, sqs: true },
            detail: detail(event, service),
            detail_in_files: in_files,
        });
    }
}

/// Another one for each: two meetings in the same room have the same sequence numbers.
fn event_id() -> Result<String, getrandom::Error> {
    let bits = u128::from(getrandom::u64()?) << 64 | u128::from(getrandom::u64()?);
    Ok(TransactionId::from_random(bits).to_string())
}

fn detail(event: &room_core::Event, people: &Numbers) -> String {
    let person = event.kind.person();
    let attendee = person.and_then(|person| person.attendee.as_ref());
    let (dialled, status) = match event.kind {
        EventKind::Dialling(call) => (Some(call), None),
        EventKind::DialFailed(call, status) => (Some(call), Some(status)),
        EventKind::Dropped(_, room_core::DropReason::CallFailed(status)) => (None, Some(status)),
        _ => (None, None),
    };
    let call = person.map(|person| person.call).or(dialled);
    let detail = Detail {
        version: "0",
        event_type: event.kind.name(),
        timestamp: event.at.as_millis(),
        meeting_id: event.meeting.to_string(),
        external_meeting_id: &event.external_meeting_id,
        media_region: &event.media_region,
        sequence: event.sequence,
        attendee_id: attendee.map(|(id, _)| id.to_string()),
        external_user_id: attendee.map(|(_, external)| &**external),
        transaction_id: call.map(|call| call.to_string()),
        name: person.map(|Person { name, .. }| people.user(name).into_owned()),
        moderator: person.map(|person| person.moderator),
        reason: event.kind.reason(),
        status,
    };
    // Plain fields cannot fail.
    serde_json::to_string(&detail).unwrap_or_default()
}
