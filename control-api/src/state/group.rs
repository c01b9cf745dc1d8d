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
    /// How calls are given to them; `None` for [`Group::BY_PRIORITY`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_distribution_type: Option<String>,
}

impl Group {
    /// The one way that there is.
    pub const BY_PRIORITY: &str = "PriorityWeightedDistribution";
}

/// A voice connector of a group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupItem {
    /// Which; of the API or of the configuration file.
    pub voice_connector_id: String,
    /// 1 to 99; the lowest is tried first.
    #[serde(default = "first")]
    pub priority: u8,
}

const fn first() -> u8 {
    1
}
