//! What else belongs to a voice connector: streaming, logging, emergency calling, external systems.

use super::termination::NOT_E164;
use super::{Writing, bad_request, refused};
use crate::error::ApiError;
use crate::state::{Dnis, ExternalSystems, Logging, Streaming};
use directory::{country_code, limits, parse_e164};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashSet;

/// Who is told of streams, at most; one of each kind.
const NOTIFICATION_TARGETS: usize = 3;

#[derive(Deserialize)]
struct EmergencyCalling {
    #[serde(rename = "DNIS", default)]
    dnis: Vec<Dnis>,
}

impl Writing<'_, '_> {
    pub(super) fn put_streaming(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.connector()?;
        let streaming: Streaming = self.required("StreamingConfiguration")?;
        check_streaming(&streaming)?;
        let told = json!({ "StreamingConfiguration": streaming });
        stored.value.streaming = Some(streaming);
        self.draft.put(&id, stored.value);
        Ok(told)
    }

    pub(super) fn delete_streaming(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.connector()?;
        stored.value.streaming = None;
        self.draft.put(&id, stored.value);
        Ok(Value::Null)
    }

    pub(super) fn put_logging(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.connector()?;
        let logging: Logging = self.required("LoggingConfiguration")?;
        stored.value.logging = Some(logging);
        self.draft.put(&id, stored.value);
        Ok(json!({ "LoggingConfiguration": logging }))
    }

    pub(super) fn put_emergency_calling(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.connector()?;
        let EmergencyCalling { dnis } = self.required("EmergencyCallingConfiguration")?;
        let is_missing = [
            ("origination", stored.value.origination.is_none()),
            ("termination", stored.value.termination.is_none()),
        ];
        if let Some((what, _)) = is_missing.into_iter().find(|(_, is_missing)| *is_missing) {
            return Err(bad_request(format!(
                "EmergencyCallingConfiguration: voice connector {id} has no {what}, which emergency \
                 calling needs: put it first"
            )));
        }
        check_dnis(&dnis)?;
        let told = json!({ "EmergencyCallingConfiguration": { "DNIS": dnis } });
        stored.value.emergency = Some(dnis);
        self.draft.put(&id, stored.value);
        Ok(told)
    }

    pub(super) fn delete_emergency_calling(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.connector()?;
        stored.value.emergency = None;
        self.draft.put(&id, stored.value);
        Ok(Value::Null)
    }

    pub(super) fn put_external_systems(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.connector()?;
        let systems = ExternalSystems {
            session_border_controller_types: self.member("SessionBorderControllerTypes")?,
            contact_center_system_types: self.member("ContactCenterSystemTypes")?,
        };
        let told = json!({ "ExternalSystemsConfiguration": systems });
        stored.value.external_systems = Some(systems);
        self.draft.put(&id, stored.value);
        Ok(told)
    }

    pub(super) fn delete_external_systems(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.connector()?;
        stored.value.external_systems = None;
        self.draft.put(&id, stored.value);
        Ok(Value::Null)
    }
}

fn check_streaming(streaming: &Streaming) -> Result<(), ApiError> {
    let member = "StreamingConfiguration";
    let (hours, range) = (streaming.data_retention_in_hours, limits::RETENTION_HOURS);
    if !range.contains(&hours) {
        return Err(bad_request(format!(
            "{member}.DataRetentionInHours: {hours} is out of range; use {} to {}",
            range.start(),
            range.end()
        )));
    }
    if let Some(told) = &streaming.streaming_notification_targets {
        let kinds: HashSet<_> = told.iter().map(|each| each.notification_target).collect();
        if !(1..=NOTIFICATION_TARGETS).contains(&told.len()) || kinds.len() < told.len() {
            return Err(bad_request(format!(
                "{member}.StreamingNotificationTargets: must be one to three, none of them twice"
            )));
        }
    }
    match &streaming.media_insights_configuration {
        Some(insights) if insights.disabled != Some(true) => Err(refused(format!(
            "{member}.MediaInsightsConfiguration: Tandem has no call analytics; leave it out, or set \
             Disabled"
        ))),
        _ => Ok(()),
    }
}

fn check_dnis(dnis: &[Dnis]) -> Result<(), ApiError> {
    let member = "EmergencyCallingConfiguration.DNIS";
    if dnis.is_empty() {
        return Err(bad_request(format!("{member}: must have at least one entry")));
    }
    let mut countries = HashSet::new();
    for (n, each) in dnis.iter().enumerate() {
        let refuse =
            |name: &str, why: &str| Err(bad_request(format!("{member}[{n}].{name}: {why}")));
        if parse_e164(&each.emergency_phone_number).is_none() {
            return refuse("EmergencyPhoneNumber", NOT_E164);
        }
        if each.test_phone_number.as_deref().is_some_and(|test| parse_e164(test).is_none()) {
            return refuse("TestPhoneNumber", NOT_E164);
        }
        let Some(country) = country_code(&each.calling_country) else {
            return refuse("CallingCountry", "is no country that has phone numbers");
        };
        if !countries.insert(country) {
            return refuse("CallingCountry", &format!("{country} is listed twice"));
        }
    }
    Ok(())
}
