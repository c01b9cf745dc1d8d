//! A voice connector group as the API has it.

use serde::{Deserialize, Serialize};

/// Voice connectors that stand in for each other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Group {
    /// What people call it.
    pub name: String,
    /// Its voice connectors, at most three.
    #[serde(default)]
    pub voice_connector_items: Vec<GroupItem>,
}

/// A voice connector of a group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupItem {
    /// Which; of the API or of the configuration file.
    pub voice_connector_id: String,
    /// 1 to 99; the lowest is tried first.
    pub priority: u8,
}
