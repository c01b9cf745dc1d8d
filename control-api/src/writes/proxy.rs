//! Proxy configurations and proxy phone sessions.

use super::{Writing, bad_request, not_found};
use crate::error::{ApiError, ErrorKind};
use crate::reads::written_session;
use crate::state::proxy::{self, GeoMatchLevel, GeoMatchParams, NumberSelection, ProxyCapability};
use crate::state::{Proxy, ProxySession};
use directory::{ProxyProblem, ProxyRequest, VoiceConnector, country_code, parse_e164};
use model::ProxySessionId;
use serde_json::{Value, json};
use std::sync::Arc;

impl Writing<'_, '_> {
    pub(super) fn put_proxy(&mut self) -> Result<Value, ApiError> {
        let connector = self.masked_connector()?;
        let minutes: u32 = self.required("DefaultSessionExpiryMinutes")?;
        if minutes == 0 {
            return Err(bad_request("DefaultSessionExpiryMinutes: at least 1".to_owned()));
        }
        let countries: Vec<String> = self.required("PhoneNumberPoolCountries")?;
        if let Some(wrong) = countries.iter().find(|each| country_code(each).is_none()) {
            return Err(bad_request(format!(
                "PhoneNumberPoolCountries: {wrong:?} is no country that has phone numbers"
            )));
        }
        let fallback: Option<String> = self.member("FallBackPhoneNumber")?;
        if let Some(wrong) = fallback.as_deref().filter(|each| parse_e164(each).is_none()) {
            return Err(bad_request(format!(
                "FallBackPhoneNumber: {wrong:?} is not an E.164 number such as +12065550100"
            )));
        }
        let record = Proxy {
            default_session_expiry_minutes: minutes,
            disabled: self.member("Disabled")?.unwrap_or(false),
            fall_back_phone_number: fallback,
            phone_number_countries: countries,
        };
        let is_in_pool = |number: &str| {
            proxy::configuration(connector.id.as_str(), &record)
                .is_some_and(|of| of.pool(&connector).any(|each| **each == *number))
        };
        if let Some(number) = record.fall_back_phone_number.as_deref().filter(|n| is_in_pool(n)) {
            return Err(bad_request(format!(
                "FallBackPhoneNumber: {number} is a proxy number itself: its calls would go round"
            )));
        }
        let told = json!({ "Proxy": record });
        self.draft.put(connector.id.as_str(), record);
        Ok(told)
    }

    pub(super) fn delete_proxy(&mut self) -> Result<Value, ApiError> {
        // Also of a voice connector that the file has no more.
        let id = self.routed.member("VoiceConnectorId").unwrap_or_default();
        if !self.draft.remove::<Proxy>(id) {
            self.masked_connector()?;
            return Err(lacks(id));
        }
        // Nobody can be reached over them any more.
        let now = self.draft.now();
        for (mut session, key) in self.sessions(id) {
            if session.ended.is_none() {
                session.close(now);
                self.draft.put(&key, proxy::record(&session));
            }
        }
        Ok(Value::Null)
    }

    pub(super) fn create_proxy_session(&mut self) -> Result<Value, ApiError> {
        let connector = self.masked_connector()?;
        let id = connector.id.as_str();
        let configuration = self.draft.get::<Proxy>(id).map(|stored| &stored.value);
        let configuration = configuration.and_then(|record| proxy::configuration(id, record));
        let configuration = configuration.ok_or_else(|| lacks(id))?;
        let request = self.proxy_request()?;
        let now = self.draft.now();
        let mut sessions = Vec::new();
        for (session, key) in self.sessions(id) {
            if session.is_forgotten(now) {
                self.draft.remove::<ProxySession>(&key);
            } else {
                sessions.push(session);
            }
        }
        let new = ProxySessionId::from_random(self.draw()?);
        let session = directory::ProxySession::create(
            new,
            now,
            &configuration,
            &connector,
            &sessions,
            request,
        )
        .map_err(refused)?;
        self.draft.put(&new.to_string(), proxy::record(&session));
        Ok(json!({ "ProxySession": written_session(&session, now, self.live) }))
    }

    pub(super) fn update_proxy_session(&mut self) -> Result<Value, ApiError> {
        let (mut session, key) = self.session()?;
        let now = self.draft.now();
        let capabilities: Vec<ProxyCapability> = self.required("Capabilities")?;
        let capabilities = capabilities.into_iter().map(Into::into).collect();
        session.update(now, capabilities, self.member("ExpiryMinutes")?).map_err(refused)?;
        self.draft.put(&key, proxy::record(&session));
        Ok(json!({ "ProxySession": written_session(&session, now, self.live) }))
    }

    pub(super) fn delete_proxy_session(&mut self) -> Result<Value, ApiError> {
        let (mut session, key) = self.session()?;
        if session.ended.is_none() {
            session.close(self.draft.now());
            self.draft.put(&key, proxy::record(&session));
        }
        Ok(Value::Null)
    }

    /// What goes with a voice connector.
    pub(super) fn remove_proxy(&mut self, id: &str) {
        self.draft.remove::<Proxy>(id);
        for (_, key) in self.sessions(id) {
            self.draft.remove::<ProxySession>(&key);
        }
    }

    /// The voice connector of the path. One of the configuration file will do: the file has no form
    /// for what masks calls, and nothing that the file says is changed.
    fn masked_connector(&self) -> Result<Arc<VoiceConnector>, ApiError> {
        let id = self.routed.member("VoiceConnectorId").unwrap_or_default();
        crate::reads::check_id(id)?;
        let known = self.catalogue.connector(id);
        let known = known.map(|known| Arc::new(self.directory.numbers().with_own(known)));
        known.ok_or_else(|| not_found(format!("there is no voice connector {id}")))
    }

    /// The session of the path, and its key.
    fn session(&self) -> Result<(directory::ProxySession, String), ApiError> {
        let connector = self.routed.member("VoiceConnectorId").unwrap_or_default();
        let id = self.routed.member("ProxySessionId").unwrap_or_default();
        let key = ProxySessionId::parse(id).map(|id| id.to_string()).unwrap_or_default();
        let stored = self.draft.get::<ProxySession>(&key);
        let session = stored.and_then(|stored| proxy::session(&key, stored));
        let session = session.filter(|session| session.voice_connector.as_str() == connector);
        let session =
            session.ok_or_else(|| not_found(format!("there is no proxy session {id}")))?;
        Ok((session, key))
    }

    fn sessions(&self, connector: &str) -> Vec<(directory::ProxySession, String)> {
        let all = self.draft.all::<ProxySession>().iter();
        all.filter(|(_, stored)| stored.value.voice_connector_id == connector)
            .filter_map(|(key, stored)| Some((proxy::session(key, stored)?, key.clone())))
            .collect()
    }

    fn proxy_request(&self) -> Result<ProxyRequest, ApiError> {
        let participants: [String; 2] = self.required("ParticipantPhoneNumbers")?;
        let capabilities: Vec<ProxyCapability> = self.required("Capabilities")?;
        let name: Option<String> = self.member("Name")?;
        let selection: Option<NumberSelection> = self.member("NumberSelectionBehavior")?;
        let level: Option<GeoMatchLevel> = self.member("GeoMatchLevel")?;
        let params: Option<GeoMatchParams> = self.member("GeoMatchParams")?;
        Ok(ProxyRequest {
            name: name.map(Into::into),
            participants: participants.map(Into::into),
            capabilities: capabilities.into_iter().map(Into::into).collect(),
            selection: selection.map(Into::into),
            geo_level: level.map(Into::into),
            geo_params: params.map(Into::into),
            expiry_minutes: self.member("ExpiryMinutes")?,
        })
    }
}

fn lacks(id: &str) -> ApiError {
    not_found(format!("voice connector {id} has no proxy configuration: put one first"))
}

/// The service's model has no exception of its own for any of these.
fn refused(problem: ProxyProblem) -> ApiError {
    let kind = match problem {
        ProxyProblem::Disabled => ErrorKind::Forbidden,
        _ => ErrorKind::BadRequest,
    };
    ApiError::new(kind, problem.to_string())
}
