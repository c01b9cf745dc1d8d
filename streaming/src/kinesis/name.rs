//! Names of streams.

use model::{TransactionId, VoiceConnectorId};
use std::fmt;
use std::sync::Arc;

const PREFIX: &str = "ChimeVoiceConnector-";

/// The name of a stream of a voice connector: `ChimeVoiceConnector-<id>-<UUID>`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct StreamName {
    text: Arc<str>,
    connector: VoiceConnectorId,
}

impl StreamName {
    /// A name of 128 random bits.
    pub fn from_random(connector: &VoiceConnectorId, bits: u128) -> Self {
        // The same form, and as unlikely twice.
        let uuid = TransactionId::from_random(bits);
        StreamName {
            text: format!("{PREFIX}{connector}-{uuid}").into(),
            connector: connector.clone(),
        }
    }

    /// Reads a name; `None` for what is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (connector, uuid) = text.strip_prefix(PREFIX)?.split_once('-')?;
        TransactionId::parse(uuid).ok()?;
        Some(StreamName { text: text.into(), connector: VoiceConnectorId::new(connector).ok()? })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// Whose stream it is.
    pub fn connector(&self) -> &VoiceConnectorId {
        &self.connector
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
