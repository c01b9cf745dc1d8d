//! Voice connectors, what belongs to each, and their groups.

use super::Reading;
use crate::api::Settings;
use crate::error::{ApiError, ErrorKind};
use crate::state::{Connector, Stored};
use crate::writes::timestamp;
use directory::{OriginationRoute, VoiceConnector, VoiceConnectorGroup};
use model::TransportProtocol;
use serde_json::{Value, json};
use std::sync::Arc;

impl Reading<'_> {
    pub(super) fn list_voice_connectors(&self) -> Result<Value, ApiError> {
        fn by_id(each: &Arc<VoiceConnector>) -> &str {
            each.id.as_str()
        }
        let all = &self.catalogue.connectors;
        self.page("VoiceConnectors", "", all, by_id, |each| self.written(each))
    }

    pub(super) fn voice_connector(&self) -> Result<Value, ApiError> {
        Ok(json!({ "VoiceConnector": self.written(self.connector()?) }))
    }

    fn written(&self, connector: &VoiceConnector) -> Value {
        let id = connector.id.as_str();
        if let Some(stored) = self.state.get::<Connector>(id) {
            return written_connector(self.settings, self.catalogue.domain(), id, stored);
        }
        json!({
            "VoiceConnectorId": id,
            "AwsRegion": self.settings.region,
            "Name": &*connector.name,
            "OutboundHostName": format!("{id}.voiceconnector.{}", self.catalogue.domain()),
            "RequireEncryption": connector.require_encryption,
            "VoiceConnectorArn": self.settings.arn("vc", id),
        })
    }

    pub(super) fn origination(&self) -> Result<Value, ApiError> {
        let connector = self.connector()?;
        if let Some(stored) = self.state.get::<Connector>(connector.id.as_str()) {
            let made = stored.value.origination.as_ref();
            let made = made.ok_or_else(|| self.lacks(connector, "origination"))?;
            return Ok(json!({ "Origination": made }));
        }
        let origination = &connector.origination;
        if origination.routes.is_empty() && !origination.disabled {
            return Err(self.lacks(connector, "origination"));
        }
        let routes: Vec<Value> = origination.routes.iter().map(route).collect();
        Ok(json!({ "Origination": { "Routes": routes, "Disabled": origination.disabled } }))
    }

    pub(super) fn termination(&self) -> Result<Value, ApiError> {
        let connector = self.connector()?;
        let Some(termination) = &connector.termination else {
            return Err(self.lacks(connector, "termination"));
        };
        let networks: Vec<String> =
            termination.cidr_allowed_list.iter().map(ToString::to_string).collect();
        let mut written = json!({
            "CpsLimit": termination.cps_limit,
            "CallingRegions": termination.calling_regions,
            "CidrAllowedList": networks,
            "Disabled": termination.disabled,
        });
        if let Some(number) = &connector.caller.default_number {
            written["DefaultPhoneNumber"] = (**number).into();
        }
        Ok(json!({ "Termination": written }))
    }

    pub(super) fn credentials(&self) -> Result<Value, ApiError> {
        let termination = self.connector()?.termination.as_ref();
        let credentials = termination.map(|each| each.credentials.as_slice()).unwrap_or_default();
        let names: Vec<&str> = credentials.iter().map(|each| &*each.username).collect();
        Ok(json!({ "Usernames": names }))
    }

    pub(super) fn streaming(&self) -> Result<Value, ApiError> {
        let streaming = &self.connector()?.streaming;
        let mut written = json!({
            "DataRetentionInHours": streaming.retention_hours,
            "Disabled": !streaming.enabled,
        });
        let to = streaming.notifications;
        let targets = [(to.event_bridge, "EventBridge"), (to.sns, "SNS"), (to.sqs, "SQS")];
        let targets: Vec<Value> = targets
            .into_iter()
            .filter(|(is_told, _)| *is_told)
            .map(|(_, name)| json!({ "NotificationTarget": name }))
            .collect();
        // The model wants one to three, or no list.
        if !targets.is_empty() {
            written["StreamingNotificationTargets"] = targets.into();
        }
        Ok(json!({ "StreamingConfiguration": written }))
    }

    pub(super) fn logging(&self) -> Result<Value, ApiError> {
        let logging = self.connector()?.logging;
        Ok(json!({ "LoggingConfiguration": {
            "EnableSIPLogs": logging.sip_messages,
            "EnableMediaMetricLogs": logging.media_metrics,
        } }))
    }

    pub(super) fn emergency_calling(&self) -> Result<Value, ApiError> {
        let connector = self.connector()?;
        let Some(emergency) = &connector.emergency else {
            return Err(self.lacks(connector, "emergency calling"));
        };
        let written = emergency.dnis.iter().map(|dnis| {
            let mut written = json!({
                "EmergencyPhoneNumber": &*dnis.emergency_phone_number,
                "CallingCountry": dnis.calling_country,
            });
            if let Some(test) = &dnis.test_phone_number {
                written["TestPhoneNumber"] = (**test).into();
            }
            written
        });
        let dnis: Vec<Value> = written.collect();
        Ok(json!({ "EmergencyCallingConfiguration": { "DNIS": dnis } }))
    }

    pub(super) fn list_groups(&self) -> Result<Value, ApiError> {
        fn by_id(each: &Arc<VoiceConnectorGroup>) -> &str {
            &each.id
        }
        let all = &self.catalogue.groups;
        self.page("VoiceConnectorGroups", "", all, by_id, |each| self.written_group(each))
    }

    pub(super) fn group(&self) -> Result<Value, ApiError> {
        let id = self.routed.member("VoiceConnectorGroupId").unwrap_or_default();
        let group = self.catalogue.group(id).ok_or_else(|| {
            ApiError::new(ErrorKind::NotFound, format!("there is no voice connector group {id:?}"))
        })?;
        Ok(json!({ "VoiceConnectorGroup": self.written_group(group) }))
    }

    fn written_group(&self, group: &VoiceConnectorGroup) -> Value {
        let items = group.members.iter().map(|member| {
            json!({
                "VoiceConnectorId": member.voice_connector.as_str(),
                "Priority": member.priority,
            })
        });
        json!({
            "VoiceConnectorGroupId": &*group.id,
            "Name": &*group.name,
            "VoiceConnectorItems": items.collect::<Vec<_>>(),
            "VoiceConnectorGroupArn": self.settings.arn("vcg", &group.id),
            "CallDistributionType": "PriorityWeightedDistribution",
        })
    }

    /// The voice connector of the path.
    fn connector(&self) -> Result<&Arc<VoiceConnector>, ApiError> {
        let id = self.routed.member("VoiceConnectorId").unwrap_or_default();
        check_id(id)?;
        self.catalogue.connector(id).ok_or_else(|| {
            ApiError::new(ErrorKind::NotFound, format!("there is no voice connector {id}"))
        })
    }

    fn lacks(&self, connector: &VoiceConnector, what: &str) -> ApiError {
        let message = format!("voice connector {} has no {what}", connector.id);
        ApiError::new(ErrorKind::NotFound, message)
    }
}

/// A voice connector of the API.
pub(crate) fn written_connector(
    settings: &Settings,
    domain: &str,
    id: &str,
    stored: &Stored<Connector>,
) -> Value {
    let record = &stored.value;
    let mut written = json!({
        "VoiceConnectorId": id,
        "AwsRegion": record.aws_region,
        "Name": record.name,
        "OutboundHostName": format!("{id}.voiceconnector.{domain}"),
        "RequireEncryption": record.require_encryption,
        "CreatedTimestamp": timestamp(stored.created),
        "UpdatedTimestamp": timestamp(stored.updated),
        "VoiceConnectorArn": settings.arn("vc", id),
        "NetworkType": record.network_type,
    });
    if let Some(integration) = &record.integration_type {
        written["IntegrationType"] = integration.as_str().into();
    }
    written
}

/// An id of the model's shape: ours, or a UUID in small letters.
pub(crate) fn check_id(id: &str) -> Result<(), ApiError> {
    let small = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_ours = matches!(id.len(), 21 | 22) && id.bytes().all(small);
    let is_uuid = id.len() == 36
        && id.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
        });
    if is_ours || is_uuid {
        return Ok(());
    }
    let message = format!("VoiceConnectorId: {id:?} is not 21 or 22 characters of a-z and 0-9");
    Err(ApiError::new(ErrorKind::BadRequest, message))
}

fn route(route: &OriginationRoute) -> Value {
    let protocol = match route.protocol {
        TransportProtocol::Udp => "UDP",
        // The model knows no third: encrypted signalling is TCP there.
        _ => "TCP",
    };
    let mut written = json!({
        "Host": route.host.to_string(),
        "Protocol": protocol,
        "Priority": route.priority,
        "Weight": route.weight,
    });
    if let Some(port) = route.port {
        written["Port"] = port.into();
    }
    written
}
