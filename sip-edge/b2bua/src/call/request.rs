//! Requests inside the dialogs of a call: what must hold for each of them, and which sub-machine
//! gets it.

use super::Call;
use crate::context::Context;
use model::{Flow, Instant, LegSide};
use sip_proto::{HeaderName, Message, Method, ServerKey};

/// Requests inside the dialogs of one call, both legs together; dialled digits by INFO come at ten a
/// second.
pub(super) const MAX_REQUESTS_PER_SECOND: u32 = 50;

impl Call {
    /// A request inside one of the call's dialogs, other than ACK.
    pub(crate) fn handle_request(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
        flow: Flow,
    ) {
        let Some(method) = request.method() else { return };
        self.end_wait(context, now);
        let other_fork = self.is_from_other_fork(from, request);
        // A leg must always be able to hang up.
        if method != Method::Bye
            && (other_fork || self.legs[from.index()].is_from_peer(request))
            && !self.requests.take(MAX_REQUESTS_PER_SECOND, now)
        {
            self.refuse_flood(context, now, from, server, request);
            return;
        }
        if other_fork {
            self.answer_other_fork(context, now, server, request);
            return;
        }
        if !self.legs[from.index()].is_from_peer(request) {
            context.statistics.unknown_dialogs += 1;
            self.legs[from.index()].answer(context, now, server, request, 481);
            return;
        }
        if self.is_alone() && from == self.far() && self.legs[from.index()].gone {
            // It has left the call, which goes on.
            self.legs[from.index()].answer(context, now, server, request, 481);
            return;
        }
        if !self.accept_signalling(context, now, from, server, request, flow) {
            return;
        }
        if !self.accept_sequence(context, now, from, server, request) {
            return;
        }
        self.follow_flow(from, flow);
        match method {
            _ if self.is_recording() => {
                self.handle_client_request(context, now, server, request);
            }
            Method::Bye => self.handle_bye(context, now, from, server, request),
            Method::Invite | Method::Update => {
                self.handle_offer_request(context, now, from, server, request);
            }
            Method::Prack => self.handle_prack(context, now, from, server, request),
            Method::Info | Method::Message => {
                self.forward_information(context, now, from, server, request);
            }
            Method::Options => self.answer_options(context, now, from, server, request),
            Method::Refer => self.handle_refer(context, now, from, server, request),
            Method::Notify => self.handle_notify(context, now, from, server, request),
            _ => self.refuse_method(context, now, from, server, request),
        }
    }

    /// CSeq must grow within a dialog (RFC 3261 section 12.2.2: 500 otherwise).
    fn accept_sequence(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
    ) -> bool {
        let leg = &mut self.legs[from.index()];
        let number = request.cseq().map(|cseq| cseq.number).unwrap_or_default();
        let accepted = match &mut leg.dialog {
            Some(dialog) => dialog.check_remote_cseq(number).is_ok(),
            None => true,
        };
        if !accepted {
            self.legs[from.index()].answer(context, now, server, request, 500);
        }
        accepted
    }

    /// More requests than any use of a call needs: 500 with Retry-After (RFC 3261 section 21.5.1),
    /// which costs the call nothing.
    fn refuse_flood(
        &self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
    ) {
        let mut composer = self.legs[from.index()].response(context, request, 500);
        composer.header(HeaderName::RetryAfter, "1");
        context.respond(now, server, 500, composer.finish());
    }

    /// A peer that opened a new connection is answered and asked on that one from now on.
    fn follow_flow(&mut self, side: LegSide, flow: Flow) {
        let leg = &mut self.legs[side.index()];
        if flow.protocol == leg.flow.protocol && flow.protocol.is_reliable() {
            leg.follow(Flow { identity: flow.identity.or(leg.flow.identity), ..flow });
        }
    }
}
