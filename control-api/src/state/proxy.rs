//! Proxy phone sessions as the API has them, in the shapes of the service's model.

use super::Stored;
use directory::country_code;
use model::{ProxySessionId, UnixTime, VoiceConnectorId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A voice connector's proxy configuration; its id is the voice connector's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Proxy {
    /// Minutes that a session lasts which does not say how long.
    pub default_session_expiry_minutes: u32,
    /// No further session is made.
    #[serde(default)]
    pub disabled: bool,
    /// Who gets the calls of anybody without a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fall_back_phone_number: Option<String>,
    /// Where proxy numbers are.
    pub phone_number_countries: Vec<String>,
}

/// A proxy phone session; its times beside `ended` are the record's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProxySession {
    /// Whose.
    pub voice_connector_id: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who takes part.
    pub participants: [ProxyParticipant; 2],
    /// What it is for.
    pub capabilities: Vec<ProxyCapability>,
    /// How its numbers were chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_selection_behavior: Option<NumberSelection>,
    /// The same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geo_match_level: Option<GeoMatchLevel>,
    /// The same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geo_match_params: Option<GeoMatchParams>,
    /// Minutes from its last change on.
    pub expiry_minutes: u32,
    /// When it was ended, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
}

/// One of the two people of a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProxyParticipant {
    /// Its own number.
    pub phone_number: String,
    /// What it calls and sees.
    pub proxy_phone_number: String,
}

/// What a session is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ProxyCapability {
    /// Calls.
    Voice,
    /// Text messages.
    #[serde(rename = "SMS")]
    Sms,
}

/// Whether two people get their last numbers again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum NumberSelection {
    /// If they are free.
    PreferSticky,
    /// If no others are.
    AvoidSticky,
}

/// What numbers should have in common with the first participant's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum GeoMatchLevel {
    /// The country.
    Country,
    /// The area code.
    AreaCode,
}

/// Where numbers should be instead.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GeoMatchParams {
    /// The country.
    pub country: String,
    /// The area code.
    pub area_code: String,
}

/// A configuration as calls are routed by it.
pub(crate) fn configuration(id: &str, record: &Proxy) -> Option<directory::ProxyConfiguration> {
    let countries = record.phone_number_countries.iter().filter_map(|each| country_code(each));
    Some(directory::ProxyConfiguration {
        voice_connector: VoiceConnectorId::new(id).ok()?,
        default_expiry_minutes: record.default_session_expiry_minutes,
        disabled: record.disabled,
        fallback: record.fall_back_phone_number.as_deref().map(Arc::from),
        countries: countries.collect(),
        numbers: None,
    })
}

/// A session as calls are routed by it.
pub(crate) fn session(id: &str, stored: &Stored<ProxySession>) -> Option<directory::ProxySession> {
    let record = &stored.value;
    Some(directory::ProxySession {
        id: ProxySessionId::parse(id).ok()?,
        voice_connector: VoiceConnectorId::new(&record.voice_connector_id).ok()?,
        name: record.name.as_deref().map(Arc::from),
        participants: record.participants.each_ref().map(|each| directory::Participant {
            number: each.phone_number.as_str().into(),
            proxy_number: each.proxy_phone_number.as_str().into(),
        }),
        capabilities: record.capabilities.iter().copied().map(Into::into).collect(),
        selection: record.number_selection_behavior.map(Into::into),
        geo_level: record.geo_match_level.map(Into::into),
        geo_params: record.geo_match_params.clone().map(Into::into),
        expiry_minutes: record.expiry_minutes,
        created: stored.created,
        updated: stored.updated,
        ended: record.ended_ms.map(UnixTime::from_millis),
    })
}

/// A session as it is written down.
pub(crate) fn record(session: &directory::ProxySession) -> ProxySession {
    ProxySession {
        voice_connector_id: session.voice_connector.to_string(),
        name: session.name.as_deref().map(str::to_owned),
        participants: session.participants.each_ref().map(|each| ProxyParticipant {
            phone_number: each.number.to_string(),
            proxy_phone_number: each.proxy_number.to_string(),
        }),
        capabilities: session.capabilities.iter().copied().map(Into::into).collect(),
        number_selection_behavior: session.selection.map(Into::into),
        geo_match_level: session.geo_level.map(Into::into),
        geo_match_params: session.geo_params.as_ref().map(|params| GeoMatchParams {
            country: params.country.to_string(),
            area_code: params.area_code.to_string(),
        }),
        expiry_minutes: session.expiry_minutes,
        ended_ms: session.ended.map(UnixTime::as_millis),
    }
}

macro_rules! same {
    ($($name:ident: $($variant:ident)*;)*) => {$(
        impl From<$name> for directory::$name {
            fn from(from: $name) -> Self {
                match from {
                    $($name::$variant => directory::$name::$variant,)*
                }
            }
        }

        impl From<directory::$name> for $name {
            fn from(from: directory::$name) -> Self {
                match from {
                    $(directory::$name::$variant => $name::$variant,)*
                }
            }
        }
    )*};
}

same! {
    ProxyCapability: Voice Sms;
    NumberSelection: PreferSticky AvoidSticky;
    GeoMatchLevel: Country AreaCode;
}

impl From<GeoMatchParams> for directory::GeoMatchParams {
    fn from(from: GeoMatchParams) -> Self {
        directory::GeoMatchParams { country: from.country.into(), area_code: from.area_code.into() }
    }
}
