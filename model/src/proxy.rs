//! Calls whose parties do not learn each other's numbers (AWS: proxy phone sessions).

use crate::{InvalidId, TransactionId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The identity of a proxy phone session: a UUID (RFC 9562, version 4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProxySessionId(TransactionId);

impl ProxySessionId {
    /// Makes one of 128 random bits.
    pub const fn from_random(bits: u128) -> Self {
        ProxySessionId(TransactionId::from_random(bits))
    }

    /// Reads the 36-character form, in either case.
    ///
    /// # Errors
    /// [`InvalidId`] when the text is not a UUID.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        TransactionId::parse(text)
            .map(ProxySessionId)
            .map_err(|invalid| InvalidId { kind: "proxy session id", ..invalid })
    }
}

impl fmt::Display for ProxySessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ProxySessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What makes a call a masked one: neither side is told anything of the other but a proxy number.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ProxiedCall {
    /// The session that joins the two; `None` of a call that goes to the fallback number.
    pub session: Option<ProxySessionId>,
    /// The proxy number that was called.
    pub called: Arc<str>,
    /// The proxy number that the called side sees.
    pub shown: Arc<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_s_id_is_a_uuid_in_and_out() {
        let id = ProxySessionId::from_random(u128::MAX);
        assert_eq!(id.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(ProxySessionId::parse("FFFFFFFF-ffff-4fff-bfff-ffffffffffff"), Ok(id));
        let error = ProxySessionId::parse("x").unwrap_err().to_string();
        assert!(error.contains("proxy session id"), "{error}");
    }
}
