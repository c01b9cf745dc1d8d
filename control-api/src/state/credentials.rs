//! Credentials of a voice connector's termination.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What the customer's systems may prove, at most ten of them.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Credentials(pub Vec<Credential>);

/// One of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Credential {
    /// The user name.
    pub username: String,
    /// The password; it is sealed on disk.
    pub password: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("username", &self.username).finish_non_exhaustive()
    }
}
