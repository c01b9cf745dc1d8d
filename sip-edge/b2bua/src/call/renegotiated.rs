//! What comes of a change of media: the other leg's answer or refusal, its withdrawal, its ACK.

use super::answer::{host_of, number, success_headers};
use super::is_invite;
use super::renegotiation::{Exchange, RenegotiationState};
use super::setup::SetupState;
use super::{Call, ClientPurpose};
use crate::body::with_body;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::media::{BodyFault, description_in, refuse_own_address};
use crate::{carry, redirect};
use model::{Flow, Instant, LegSide};
use sip_proto::{Message, Method};

impl Call {
    /// The other leg answers the forwarded re-INVITE.
    pub(super) fn handle_renegotiation_response(
        &mut self,
        context: &mut Context,
        now: Instant,
        to: LegSide,
        response: &Message,
        flow: Flow,
    ) {
        let status = response.status().unwrap_or_default();
        if status < 200 {
            return;
        }
        let success = status < 300;
        if status == 422 && self.ask_longer_interval(context, now, to, response) {
            return;
        }
        let current = self
            .renegotiation
            .exchange
            .as_ref()
            .is_some_and(|e| e.from == to.other() && e.cseq == number(response));
        let expected =
            current && self.renegotiation.machine.state() == RenegotiationState::Forwarded;
        match (success, expected) {
            (true, true) => {
                let is_offer =
                    self.renegotiation.exchange.as_ref().is_some_and(|e| e.offer.is_none());
                let purpose = (ClientPurpose::Renegotiation(to), to);
                if !(is_offer && self.response_waits(context, now, purpose, response, flow)) {
                    self.forward_renegotiated(context, now, to, response);
                }
            }
            (true, false) => self.renegotiated_late(context, now, to, response, flow),
            (false, true) => self.renegotiation_refused(context, now, status, Some(response)),
            (false, false) => {}
        }
    }

    /// A 2xx that came again, or one to a change that was withdrawn or given up meanwhile. In the
    /// latter case the legs no longer agree on the media: one was told that nothing changed and
    /// the other took the change. No answer can undo that, so the call ends.
    fn renegotiated_late(
        &mut self,
        context: &mut Context,
        now: Instant,
        to: LegSide,
        response: &Message,
        flow: Flow,
    ) {
        let leg = &self.legs[to.index()];
        if leg.acknowledge_again(context, response)
            || self.renegotiation.owes_delayed_ack(number(response))
        {
            return;
        }
        if !is_invite(response) {
            // The far end took a change that the asking leg was told had failed. Before the answer
            // that happens only on a route that is given up, and then it does not matter.
            if self.setup.state() == SetupState::Established {
                self.end_disagreement(context, now);
            }
            return;
        }
        if !self.legs[to.index()].is_of_dialog(response) {
            self.handle_other_answer(context, now, to, response, flow);
            return;
        }
        self.legs[to.index()].acknowledge(context, number(response), None);
        self.end_disagreement(context, now);
    }

    /// The other leg wants a longer session interval (RFC 4028 section 7.3): the same request once
    /// more, with that one. `false` when that is no way out.
    fn ask_longer_interval(
        &mut self,
        context: &mut Context,
        now: Instant,
        to: LegSide,
        response: &Message,
    ) -> bool {
        let Some(mut exchange) = self.renegotiation.exchange.take() else { return false };
        let session = &mut self.legs[to.index()].session;
        let asked = session.interval_seconds().unwrap_or_default();
        let current = exchange.cseq == number(response)
            && exchange.from == to.other()
            && exchange.client.is_some()
            && exchange.method != Method::Prack
            && exchange.interval_refusals < 2;
        let longer = if current { session.refused(response, asked) } else { None };
        let sent = longer.is_some_and(|seconds| {
            self.legs[to.index()].session.set_interval(seconds);
            exchange.interval_refusals += 1;
            self.send_exchange(context, now, &mut exchange).is_ok()
        });
        self.renegotiation.exchange = Some(exchange);
        sent
    }

    fn forward_renegotiated(
        &mut self,
        context: &mut Context,
        now: Instant,
        to: LegSide,
        response: &Message,
    ) {
        let leg = &mut self.legs[to.index()];
        leg.note_abilities(response);
        if let Some(dialog) = leg.dialog.as_mut() {
            dialog.update_remote_target(response);
        }
        let established = self.setup.state() == SetupState::Established;
        if leg.session.interval_seconds().is_some()
            || response.session_expires().is_ok_and(|s| s.is_some())
        {
            leg.session.answered(response);
        }
        if established {
            leg.session.arm(&mut self.deadlines, to, now);
        }
        let Some(mut exchange) = self.renegotiation.exchange.take() else { return };
        exchange.client = None;
        let from = exchange.from;
        let body = self.renegotiated_body(context, &mut exchange, response);
        if is_invite(response) && (exchange.delayed_offer.is_none() || body.is_err()) {
            self.legs[to.index()].acknowledge(context, exchange.cseq, None);
        }
        let Ok(body) = body else {
            self.renegotiation.exchange = Some(exchange);
            self.renegotiation_refused(context, now, 488, None);
            return;
        };
        let leg = &self.legs[from.index()];
        let direction = self.towards(from);
        let mut composer = leg.response(context, &exchange.request, 200);
        if exchange.request.method() != Some(Method::Prack) {
            success_headers(&mut composer, exchange.session);
        }
        carry::carry(&mut composer, response, direction, &host_of(leg));
        let bytes = with_body(composer, response, Some(&body), direction.is_masked);
        if established {
            leg.session.arm(&mut self.deadlines, from, now);
        }
        if established {
            self.tell_listeners(context, &exchange.request);
        }
        self.drop_realign();
        self.deadlines.clear(Deadline::Renegotiation);
        let Some(server) = exchange.server.take() else { return };
        if exchange.request.method() == Some(Method::Invite) {
            let cseq = number(&exchange.request);
            self.renegotiation.machine.go(RenegotiationState::Answered);
            self.renegotiation.exchange = Some(exchange);
            self.respond_success(context, now, from, server, cseq, bytes);
        } else {
            self.renegotiation.machine.go(RenegotiationState::Idle);
            context.respond(now, server, 200, bytes);
        }
    }

    /// The body for the asking leg: the other leg's answer, or its offer.
    fn renegotiated_body(
        &mut self,
        context: &mut Context,
        exchange: &mut Exchange,
        response: &Message,
    ) -> Result<Vec<u8>, BodyFault> {
        let from = exchange.from;
        let theirs = description_in(response)?.ok_or(BodyFault::NotAcceptable)?;
        refuse_own_address(&theirs, &context.own_media)?;
        match &exchange.offer {
            Some(offer) => {
                let body =
                    self.media.write_answer(context.random.as_mut(), from, offer, &theirs)?;
                self.media.note_received(from, offer);
                self.media.note_received(from.other(), &theirs);
                self.note_early_exchange(from, offer, &theirs);
                self.apply_media(context);
                Ok(body)
            }
            None => {
                let body = self.media.write_offer(context.random.as_mut(), from, &theirs)?;
                exchange.delayed_offer = Some(theirs);
                Ok(body)
            }
        }
    }

    /// The other leg refused: the asking leg hears it, and everything stays as it was.
    fn renegotiation_refused(
        &mut self,
        context: &mut Context,
        now: Instant,
        status: u16,
        response: Option<&Message>,
    ) {
        self.deadlines.clear(Deadline::Renegotiation);
        let Some(exchange) = self.renegotiation.finish() else { return };
        let Exchange { from, server, request, undo, .. } = *exchange;
        self.media.undo(undo);
        if self.setup.state() == SetupState::Established {
            self.release_unused_lines(context);
        }
        let told = match status {
            491 => 491,
            _ => redirect::status_for_caller(status),
        };
        if let Some(server) = server {
            let leg = &self.legs[from.index()];
            let mut composer = leg.response(context, &request, told);
            if let Some(response) = response {
                carry::carry_in_dialog(&mut composer, response, self.is_masked());
            }
            context.respond(now, server, told, composer.finish());
        }
        // The dialog no longer exists there (RFC 3261 section 12.2.1.2).
        if matches!(status, 481 | 408) && self.setup.state() == SetupState::Established {
            self.end_unreachable(context, now);
        }
    }

    /// The other leg did not answer the re-INVITE at all.
    pub(super) fn handle_renegotiation_failure(
        &mut self,
        context: &mut Context,
        now: Instant,
        _to: LegSide,
    ) {
        if self.renegotiation.machine.state() == RenegotiationState::Forwarded {
            self.renegotiation_refused(context, now, 408, None);
        }
    }

    /// The outcome of a forwarded UPDATE comes too late.
    pub(super) fn renegotiation_timed_out(&mut self, context: &mut Context, now: Instant) {
        if self.renegotiation.machine.state() == RenegotiationState::Forwarded {
            self.cancel_forwarded(context, now);
            self.renegotiation_refused(context, now, 504, None);
        }
    }

    /// The asking leg withdrew its re-INVITE.
    pub(super) fn cancel_renegotiation(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
    ) {
        let ours = self.renegotiation.exchange.as_ref().is_some_and(|e| e.from == from);
        if ours && self.renegotiation.machine.state() == RenegotiationState::Forwarded {
            self.cancel_forwarded(context, now);
            self.renegotiation_refused(context, now, 487, None);
        }
    }

    fn cancel_forwarded(&mut self, context: &mut Context, now: Instant) {
        let client = self.renegotiation.exchange.as_mut().and_then(|e| e.client.take());
        if let Some(client) = client {
            let _ = context.endpoint.cancel(now, client, context.random.as_mut());
        }
    }

    /// The asking leg acknowledged; with a delayed offer its ACK holds the answer.
    pub(super) fn renegotiation_acknowledged(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        ack: &Message,
    ) {
        if self.renegotiation.machine.state() != RenegotiationState::Answered {
            return;
        }
        let Some(exchange) = self.renegotiation.finish() else { return };
        let Some(offer) = exchange.delayed_offer else { return };
        let to = from.other();
        match self.delayed_answer(context, from, &offer, ack) {
            Ok(body) => self.legs[to.index()].acknowledge(context, exchange.cseq, Some(&body)),
            Err(_) => {
                self.legs[to.index()].acknowledge(context, exchange.cseq, None);
                self.end_unusable_answer(context, now);
            }
        }
    }

    /// The call ends: an open re-INVITE ends with it (RFC 3261 section 15.1.2: 487).
    pub(super) fn abort_renegotiation(&mut self, context: &mut Context, now: Instant) {
        self.cancel_forwarded(context, now);
        let Some(exchange) = self.renegotiation.finish() else { return };
        if let Some(server) = exchange.server {
            let leg = &self.legs[exchange.from.index()];
            leg.answer(context, now, server, &exchange.request, 487);
        }
        if exchange.delayed_offer.is_some() {
            let to = exchange.from.other();
            self.legs[to.index()].acknowledge(context, exchange.cseq, None);
        }
    }
}
