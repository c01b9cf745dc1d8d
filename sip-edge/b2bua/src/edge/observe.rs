//! Messages as the record shows them: which call each belongs to, and in what order they went.

use super::{Edge, Output};
use crate::context::{CallKey, Context};
use bytes::Bytes;
use model::{
    Flow, Instant, LegSide, MessageDirection, SipMessageEvent, SipObservation, TransactionId,
    VoiceConnectorId,
};

/// The call that a message belongs to.
pub(super) struct Belonging {
    id: TransactionId,
    leg: LegSide,
    voice_connector: VoiceConnectorId,
    is_logged: bool,
}

impl Edge {
    /// Moves what the endpoint wants sent into the outputs, noting each message for the record.
    pub(super) fn observe_transmits(&mut self, now: Instant) {
        while let Some(transmit) = self.context.endpoint.poll_transmit() {
            let of = self.context.call_of(&transmit.payload).and_then(|of| self.belonging(of));
            let (flow, payload) = (transmit.flow, transmit.payload.clone());
            self.context.outputs.push_back(Output::Transmit(transmit));
            if let Some(event) = self.observation(now, flow, &payload, MessageDirection::Sent, of) {
                self.context.outputs.push_back(Output::Sip(SipObservation::Message(event)));
            }
        }
    }

    /// What is said of a message of this call, as long as there is the call.
    pub(super) fn belonging(&self, (key, leg): (CallKey, LegSide)) -> Option<Belonging> {
        let call = self.calls.get(key)?;
        let parties = &call.parties;
        let (voice_connector, is_logged) =
            (parties.voice_connector.clone(), parties.log_sip_messages);
        Some(Belonging { id: call.id, leg, voice_connector, is_logged })
    }

    pub(super) fn observation(
        &self,
        at: Instant,
        flow: Flow,
        raw: &Bytes,
        direction: MessageDirection,
        of: Option<Belonging>,
    ) -> Option<SipMessageEvent> {
        let line = sip_proto::start_line_of(raw);
        if line.is_empty() {
            return None;
        }
        let status = line
            .strip_prefix(b"SIP/2.0 ")
            .and_then(|rest| std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok());
        let start_line = raw.slice_ref(&line[..line.len().min(200)]);
        let logged = of.as_ref().is_some_and(|of| of.is_logged);
        Some(SipMessageEvent {
            transaction_id: of.as_ref().map(|of| of.id),
            leg: of.as_ref().map(|of| of.leg),
            voice_connector: of.map(|of| of.voice_connector),
            at,
            direction,
            flow,
            status,
            message: (logged
                || self.context.config.whole_messages
                || tells_more(line, raw, status))
            .then(|| raw.clone()),
            is_logged: logged,
            start_line,
        })
    }
}

/// Whether the record needs more of a message than its start line: a description, or why it was
/// sent. A message that has no body ends with its head.
fn tells_more(line: &[u8], raw: &[u8], status: Option<u16>) -> bool {
    !raw.ends_with(b"\r\n\r\n")
        || status.is_some_and(|status| status >= 300)
        || line.starts_with(b"BYE ")
        || line.starts_with(b"CANCEL ")
}

impl Context {
    /// The call that a message on the wire belongs to, by its Call-ID.
    pub(super) fn call_of(&self, raw: &[u8]) -> Option<(CallKey, LegSide)> {
        self.call_ids.get(sip_proto::call_id_of(raw)?).copied()
    }
}
