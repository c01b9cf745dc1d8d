//! Proxy configurations and proxy phone sessions.

use super::Reading;
use crate::error::{ApiError, ErrorKind};
use crate::state::proxy::{self, ProxyCapability};
use crate::state::{Proxy, ProxySession};
use crate::writes::timestamp;
use directory::ProxySessionStatus;
use model::{ProxySessionId, UnixTime};
use serde_json::{Value, json};

impl Reading<'_> {
    pub(super) fn proxy(&self) -> Result<Value, ApiError> {
        let id = self.connector()?.id.as_str();
        let stored = self.state.get::<Proxy>(id).ok_or_else(|| {
            let message = format!("voice connector {id} has no proxy configuration");
            ApiError::new(ErrorKind::NotFound, message)
        })?;
        Ok(json!({ "Proxy": stored.value }))
    }

    pub(super) fn proxy_session(&self) -> Result<Value, ApiError> {
        let connector = self.connector()?;
        let id = self.routed.member("ProxySessionId").unwrap_or_default();
        let key = ProxySessionId::parse(id).map(|id| id.to_string()).unwrap_or_default();
        let stored = self.state.get::<ProxySession>(&key);
        let session = stored.and_then(|stored| proxy::session(&key, stored));
        let session = session.filter(|session| session.voice_connector == connector.id);
        let session = session.ok_or_else(|| {
            ApiError::new(ErrorKind::NotFound, format!("there is no proxy session {id}"))
        })?;
        Ok(json!({ "ProxySession": written_session(&session, self.now, self.live) }))
    }

    pub(super) fn list_proxy_sessions(&self) -> Result<Value, ApiError> {
        let id = self.connector()?.id.as_str();
        let wanted = self.routed.parameter("status").filter(|status| !status.is_empty());
        let sessions: Vec<_> = self
            .state
            .all::<ProxySession>()
            .iter()
            .filter(|(_, stored)| stored.value.voice_connector_id == id)
            .filter_map(|(key, stored)| Some((key.as_str(), proxy::session(key, stored)?)))
            .filter(|(_, session)| {
                let status = status_name(session, self.now, self.live);
                wanted.is_none_or(|wanted| wanted == status) && !session.is_forgotten(self.now)
            })
            .collect();
        let filters = format!("{id}&{}", wanted.unwrap_or_default());
        self.page(
            "ProxySessions",
            &filters,
            &sessions,
            |(key, _)| key,
            |(_, session)| written_session(session, self.now, self.live),
        )
    }
}

/// A session as the API tells it; `live` are those of calls that are up, once for each call.
pub(crate) fn written_session(
    session: &directory::ProxySession,
    now: UnixTime,
    live: &[ProxySessionId],
) -> Value {
    let record = proxy::record(session);
    let capabilities: Vec<ProxyCapability> = record.capabilities;
    let mut written = json!({
        "VoiceConnectorId": record.voice_connector_id,
        "ProxySessionId": session.id.to_string(),
        "Status": status_name(session, now, live),
        "ExpiryMinutes": record.expiry_minutes,
        "Capabilities": capabilities,
        "CreatedTimestamp": timestamp(session.created),
        "UpdatedTimestamp": timestamp(session.updated),
        "Participants": record.participants,
    });
    let more = [
        ("Name", json!(record.name)),
        ("EndedTimestamp", json!(session.ended_at(now).map(timestamp))),
        ("NumberSelectionBehavior", json!(record.number_selection_behavior)),
        ("GeoMatchLevel", json!(record.geo_match_level)),
        ("GeoMatchParams", json!(record.geo_match_params)),
    ];
    for (member, value) in more.into_iter().filter(|(_, value)| !value.is_null()) {
        written[member] = value;
    }
    written
}

fn status_name(
    session: &directory::ProxySession,
    now: UnixTime,
    live: &[ProxySessionId],
) -> &'static str {
    match session.status(now, u32::from(live.contains(&session.id))) {
        ProxySessionStatus::Open => "Open",
        ProxySessionStatus::InProgress => "InProgress",
        ProxySessionStatus::Closed => "Closed",
    }
}
