//! What holds for all voice connectors.

use serde::{Deserialize, Serialize};

/// Settings of the account. There is one record of them, once something was set through the API.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GlobalSettings {
    /// The bucket that call detail records go to; `None` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cdr_bucket: Option<String>,
}

impl GlobalSettings {
    /// The id of the one record.
    pub const ID: &str = "global";
}
