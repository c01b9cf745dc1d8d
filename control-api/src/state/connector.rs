//! A voice connector as the API has it, in the shapes of the service's model.

use serde::{Deserialize, Serialize};

/// A voice connector and all of its configurations but credentials and tags.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Connector {
    /// What people call it.
    pub name: String,
    /// Only TLS and SRTP towards the customer.
    pub require_encryption: bool,
    /// The region that it was made in.
    pub aws_region: String,
    /// `IPV4_ONLY` or `DUAL_STACK`.
    pub network_type: String,
    /// What other service it is for; kept and told, without meaning here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration_type: Option<String>,
    /// Inbound calling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origination: Option<Origination>,
    /// Outbound calling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination: Option<Termination>,
    /// Streaming of audio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming: Option<Streaming>,
    /// What is written about its calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// Emergency calling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<Vec<Dnis>>,
    /// Which systems it is used with; kept and told, without meaning here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_systems: Option<ExternalSystems>,
}

/// Inbound calling.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Origination {
    /// Where the customer's systems are; at most 20.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Refuse every inbound call.
    #[serde(default)]
    pub disabled: bool,
}

/// One of the customer's systems.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Route {
    /// An address or a name.
    pub host: String,
    /// The port; absent, or 0, for the transport's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Over what; with encryption TCP means TLS.
    pub protocol: Protocol,
    /// 1 to 100; the lowest is tried first.
    pub priority: u8,
    /// 1 to 100; the share among routes of one priority.
    pub weight: u8,
}

/// A transport, as the model names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP, or TLS with encryption.
    Tcp,
    /// UDP.
    Udp,
}

/// Outbound calling.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Termination {
    /// Call attempts a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cps_limit: Option<u32>,
    /// The calling number that stands in for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_phone_number: Option<String>,
    /// Countries that may be called.
    #[serde(default)]
    pub calling_regions: Vec<String>,
    /// Networks that may call out.
    #[serde(default)]
    pub cidr_allowed_list: Vec<String>,
    /// Refuse every outbound call.
    #[serde(default)]
    pub disabled: bool,
}

/// Streaming of audio into Kinesis video streams, or the files that stand for them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Streaming {
    /// How long it is kept, in hours.
    pub data_retention_in_hours: u32,
    /// Nothing is streamed.
    pub disabled: bool,
    /// Who is told; one to three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming_notification_targets: Option<Vec<StreamingTarget>>,
}

/// Who is told that a stream begins and ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamingTarget {
    /// Who.
    pub notification_target: NotificationTarget,
}

/// A service that carries notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum NotificationTarget {
    /// EventBridge.
    EventBridge,
    /// A topic of SNS.
    #[serde(rename = "SNS")]
    Sns,
    /// A queue of SQS.
    #[serde(rename = "SQS")]
    Sqs,
}

/// What is written about a voice connector's calls.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Logging {
    /// Every SIP message.
    #[serde(rename = "EnableSIPLogs", default)]
    pub sip: bool,
    /// Media quality, a line per call and minute.
    #[serde(rename = "EnableMediaMetricLogs", default)]
    pub media_metrics: bool,
}

/// Where emergency calls of one country go.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Dnis {
    /// The number of the emergency service's router, E.164.
    pub emergency_phone_number: String,
    /// The number for test calls, E.164.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_phone_number: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub calling_country: String,
}

/// Which systems a voice connector is used with.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExternalSystems {
    /// Session border controllers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_border_controller_types: Option<Vec<String>>,
    /// Contact centers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_center_system_types: Option<Vec<String>>,
}
