//! A phone number as the API has it.

use serde::{Deserialize, Serialize};

/// A number of the inventory; its id is its E.164 form.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Number {
    /// `VoiceConnector` or `SipMediaApplicationDialIn`.
    pub product_type: String,
    /// Where it leads; `None` for nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub association: Option<Association>,
}

/// Where a number leads.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Association {
    /// To a voice connector.
    Connector(String),
    /// To a voice connector group.
    Group(String),
}
