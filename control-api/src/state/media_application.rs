//! SIP media applications and SIP rules as the API has them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A SIP media application.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MediaApplication {
    /// What people call it.
    pub name: String,
    /// The region that it was made in.
    pub aws_region: String,
    /// The function that is asked.
    pub lambda_arn: String,
    /// Its messages are logged.
    #[serde(default)]
    pub message_logs: bool,
}

impl fmt::Debug for MediaApplication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The model counts the function's ARN among the secrets.
        f.debug_struct("MediaApplication").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A SIP rule.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SipRule {
    /// What people call it.
    pub name: String,
    /// It holds for no call.
    #[serde(default)]
    pub disabled: bool,
    /// What it looks at.
    pub trigger_type: TriggerType,
    /// The number or the host.
    pub trigger_value: String,
    /// Which applications, 1 to 25.
    pub target_applications: Vec<TargetApplication>,
}

/// What a rule looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TriggerType {
    /// The called number.
    ToPhoneNumber,
    /// The host of the request URI.
    RequestUriHostname,
}

/// An application of a rule.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TargetApplication {
    /// Which.
    pub sip_media_application_id: String,
    /// 1 and more; the lowest is asked first.
    pub priority: u16,
    /// Its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_region: Option<String>,
}
