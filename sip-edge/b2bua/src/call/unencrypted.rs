//! What an established call refuses because it would weaken its encryption.

use super::Call;
use crate::context::Context;
use crate::encryption;
use crate::media::BodyFault;
use model::{Flow, Instant, LegSide, Refusal, Side, TransportProtocol};
use sip_proto::{Message, ServerKey};

impl Call {
    /// Refuses a request of the customer without TLS where encryption is required.
    pub(super) fn accept_signalling(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
        flow: Flow,
    ) -> bool {
        let is_customer = self.sides[from.index()] == Side::Customer;
        // A WebSocket leads to the rooms alone; whether it is under TLS is for its server to say.
        let is_secure = flow.protocol == TransportProtocol::Tls || flow.protocol.is_web_socket();
        if !is_customer || is_secure || !self.requires_encryption() {
            return true;
        }
        self.refuse_in_dialog(context, now, from, server, request, 403, Refusal::PlainSignalling);
        false
    }

    /// Refuses an offer inside the dialog; everything stays as it was.
    pub(super) fn refuse_offer(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
        fault: BodyFault,
    ) {
        let status = fault.status();
        match fault.refusal() {
            Some(refusal) => {
                self.refuse_in_dialog(context, now, from, server, request, status, refusal);
            }
            None => self.legs[from.index()].answer(context, now, server, request, status),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one response, each used once")]
    fn refuse_in_dialog(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
        status: u16,
        refusal: Refusal,
    ) {
        let mut composer = self.legs[from.index()].response(context, request, status);
        encryption::explain(&mut composer, refusal);
        let bytes = composer.finish();
        context.respond(now, server, status, bytes);
        let flow = self.legs[from.index()].flow;
        context.note_refusal(now, request, flow, refusal, Some(&self.voice_connector));
    }
}
