//! The SIP message log: every message of a voice connector that asks for it.

use crate::{MessagePrivacy, Recorder};
use model::{SipMessageEvent, TransactionId, UnixTime};
use outbox::RecordKind;
use serde::Serialize;
use std::borrow::Cow;

/// The path of a voice connector's log.
fn path(voice_connector: &str) -> String {
    format!("logs/aws/ChimeVoiceConnectorSipMessages/{voice_connector}.jsonl")
}

impl Recorder {
    pub(crate) fn log_message(&mut self, event: &SipMessageEvent) {
        let (Some(vc), Some(message)) = (&event.voice_connector, &event.message) else { return };
        if event.is_logged {
            let at = self.node().unix(event.at);
            let region = &self.config.region;
            let bodies = self.config.privacy.sip_messages.made(|privacy| {
                line(privacy, vc.as_str(), region, at, event.transaction_id, message)
            });
            self.write_each(&path(vc.as_str()), bodies, RecordKind::AppendLine);
        }
    }
}

/// Composes a line. Octets that are no UTF-8 are replaced by U+FFFD.
fn line(
    privacy: &MessagePrivacy,
    voice_connector: &str,
    region: &str,
    at: UnixTime,
    call: Option<TransactionId>,
    message: &[u8],
) -> Vec<u8> {
    let message = privacy.of_message(message);
    let line = Line {
        voice_connector_id: voice_connector,
        aws_region: region,
        event_timestamp: at.as_millis(),
        call_id: call.map(|id| id.to_string()),
        sip_message: String::from_utf8_lossy(&message),
    };
    let mut out = Vec::with_capacity(message.len() + message.len() / 8 + 256);
    // Serialising plain fields into memory cannot fail.
    let _ = serde_json::to_writer(&mut out, &line);
    out
}

#[derive(Serialize)]
struct Line<'a> {
    voice_connector_id: &'a str,
    aws_region: &'a str,
    event_timestamp: u64,
    call_id: Option<String>,
    sip_message: Cow<'a, str>,
}
