//! A phone number as the API has it.

use directory::{NumberEntry, NumberOwner};
use model::{UnixTime, VoiceConnectorId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How long a deleted number can be restored, as at AWS.
pub const DELETION_QUEUE_MS: u64 = 7 * 24 * 3_600 * 1_000;
/// A calling name that was changed stays for so long.
pub(crate) const CALLING_NAME_MS: u64 = 7 * 24 * 3_600 * 1_000;

/// What numbers of voice connectors are for.
pub(crate) const FOR_VOICE_CONNECTORS: &str = "VoiceConnector";

/// A number of the inventory; its id is its E.164 form.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Number {
    /// `VoiceConnector` or `SipMediaApplicationDialIn`.
    pub product_type: String,
    /// Where it leads; `None` for nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub association: Option<Association>,
    /// Since when, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub associated_ms: Option<u64>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The caller's name of outbound calls from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calling_name: Option<String>,
    /// When that was last changed, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calling_name_ms: Option<u64>,
    /// The order that it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// A freephone number, as its pool says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub toll_free: bool,
    /// When it was put into the deletion queue, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_ms: Option<u64>,
}

/// Where a number leads.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Association {
    /// To a voice connector.
    Connector(String),
    /// To a voice connector group.
    Group(String),
}

/// What holds for all numbers.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NumberSettings {
    /// The caller's name of numbers that have none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calling_name: Option<String>,
    /// When that was last changed, in milliseconds since 1970.
    pub calling_name_ms: u64,
}

impl NumberSettings {
    /// The id of the only record.
    pub const ID: &'static str = "settings";
}

impl Number {
    /// Whether it has been in the deletion queue for so long that it is nobody's.
    pub fn is_gone(&self, now: UnixTime) -> bool {
        self.deleted_ms.is_some_and(|deleted| now.as_millis() >= deleted + DELETION_QUEUE_MS)
    }

    /// The model's PhoneNumberStatus.
    pub fn status(&self) -> &'static str {
        match (&self.deleted_ms, &self.association) {
            (Some(_), _) => "ReleaseInProgress",
            (None, Some(_)) => "Assigned",
            (None, None) => "Unassigned",
        }
    }

    /// What calls know of it; `None` for a number that leads nowhere.
    pub(crate) fn entry(&self) -> Option<NumberEntry> {
        let owner = match self.association.as_ref()? {
            Association::Connector(id) => NumberOwner::Connector(VoiceConnectorId::new(id).ok()?),
            Association::Group(id) => NumberOwner::Group(id.as_str().into()),
        };
        Some(NumberEntry { owner, calling_name: self.calling_name.as_deref().map(Arc::from) })
    }
}
