//! INFO and MESSAGE inside a call: what one leg tells the other beside the call. (Keys in INFO that the
//! other leg gets in another form are `dtmf.rs`'s.)

use super::{Call, ClientPurpose, NoResponse};
use crate::carry;
use crate::context::Context;
use crate::masking;
use model::{Instant, LegSide};
use sip_proto::{HeaderName, Message, Method, ServerKey};

impl Call {
    /// INFO (RFC 6086) and MESSAGE (RFC 3428) pass end to end with their bodies, which the limits of
    /// every message bound; so do their responses. A leg that has told us what it takes is sent
    /// nothing else: who asks for it learns at once what passes.
    pub(super) fn forward_information(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
    ) {
        if self.take_steered_information(context, now, from, server, request) {
            return;
        }
        let to = from.other();
        let Some(method) = request.method().and_then(Method::known) else { return };
        if !self.is_live() || self.legs[to.index()].dialog.is_none() {
            self.legs[from.index()].answer(context, now, server, request, 481);
            return;
        }
        if self.take_listening_order(context, now, from, server, request) {
            return;
        }
        if method == Method::Info && self.take_key(context, now, from, server, request) {
            return;
        }
        if !self.passes(method, to) {
            self.refuse_method(context, now, from, server, request);
            return;
        }
        let key = match self.is_masked() {
            true if method == Method::Info => masking::key_body(request),
            _ => None,
        };
        if self.is_masked() && key.is_none() {
            // What else is in it nobody can know.
            self.refuse_method(context, now, from, server, request);
            return;
        }
        let leg = &mut self.legs[to.index()];
        let cseq = leg.next_cseq();
        let Some((mut composer, branch, flow)) = leg.request(context, method, cseq) else {
            return;
        };
        let bytes = match key {
            Some((media_type, body)) => composer.body(Some(media_type), body.as_bytes()),
            None => {
                carry::carry_in_dialog(&mut composer, request, false);
                composer.copy_all(request, HeaderName::ContentDisposition);
                composer.body(request.header(HeaderName::ContentType), request.body_bytes())
            }
        };
        match context.send(now, flow, &branch, method, bytes) {
            Some(client) => {
                self.open_client(context, client, ClientPurpose::Info { to, server });
            }
            None => self.legs[from.index()].answer(context, now, server, request, 503),
        }
    }

    /// Whether policy lets a method through to a leg that takes it. A peer without Allow may take
    /// anything (RFC 3261 section 20.5): its own answer tells.
    fn passes(&self, method: Method<'_>, to: LegSide) -> bool {
        let (passed, leg) = (&self.voice_connector.passed_requests, &self.legs[to.index()]);
        match method {
            Method::Info => passed.info && !leg.refuses_info,
            Method::Message => passed.message && !leg.refuses_message,
            _ => false,
        }
    }

    pub(super) fn return_information_response(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        response: &Message,
    ) {
        let status = response.status().unwrap_or(500);
        let told = if status >= 300 { crate::redirect::status_for_caller(status) } else { status };
        self.respond_to_information(context, now, server, told, Some(response));
    }

    /// A timeout here is one for the asking leg as well, at the same moment: a response would come
    /// too late to be of use (RFC 4320 section 4.2).
    pub(super) fn fail_information(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        failure: NoResponse,
    ) {
        match failure {
            NoResponse::Timeout => {}
            NoResponse::Unreachable => self.respond_to_information(context, now, server, 500, None),
        }
    }

    fn respond_to_information(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        status: u16,
        response: Option<&Message>,
    ) {
        let Some(request) = context.endpoint.request_of(server).cloned() else { return };
        let reason = sip_proto::default_reason(status);
        let mut composer = sip_proto::Composer::response_to(&request, status, reason, None);
        composer.header(HeaderName::Server, &context.config.product);
        let bytes = match response {
            Some(response) if !self.is_masked() => {
                carry::carry_in_dialog(&mut composer, response, false);
                composer.body(response.header(HeaderName::ContentType), response.body_bytes())
            }
            _ => composer.finish(),
        };
        context.respond(now, server, status, bytes);
    }
}
