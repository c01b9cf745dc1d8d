//! Changes of an established call's media: re-INVITE and UPDATE with a description, hold and
//! resume among them, and the refreshes of a leg's own session timer.
//!
//! One exchange runs at a time. It passes to the other leg as a re-INVITE, and the asking leg gets
//! that one's outcome; a rejected offer leaves everything as it was (RFC 3264 section 8).

use super::answer::{host_of, number, success_headers};
use super::setup::SetupState;
use super::{Call, ClientPurpose};
use crate::carry;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::leg::{ALLOW, SUPPORTED};
use crate::machine::{Machine, State};
use crate::media::{BodyFault, Undo, description_in, refuse_own_address};
use crate::redirect;
use crate::session_timer::SessionAnswer;
use model::{Flow, Instant, LegSide};
use sdp::SessionDescription;
use sip_proto::{ClientKey, HeaderName, Message, Method, ServerKey};
use std::time::Duration;

/// Where a change of media is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RenegotiationState {
    /// Nothing is under way.
    Idle,
    /// The offer, or the wish for one, is with the other leg.
    Forwarded,
    /// The asking leg has its 2xx and owes its ACK.
    Answered,
}

impl State for RenegotiationState {
    const INITIAL: Self = RenegotiationState::Idle;
    const EDGES: &'static [(Self, Self)] = &[
        (RenegotiationState::Idle, RenegotiationState::Forwarded),
        (RenegotiationState::Idle, RenegotiationState::Answered),
        (RenegotiationState::Forwarded, RenegotiationState::Answered),
        (RenegotiationState::Forwarded, RenegotiationState::Idle),
        (RenegotiationState::Answered, RenegotiationState::Idle),
    ];
}

/// The exchange under way.
struct Exchange {
    from: LegSide,
    /// The asking leg's transaction; `None` once it has its final response.
    server: Option<ServerKey>,
    request: Message,
    /// The asking leg's offer; `None` when its re-INVITE had none.
    offer: Option<SessionDescription>,
    /// The other leg's offer, which the asking leg's ACK will answer.
    delayed_offer: Option<SessionDescription>,
    client: Option<ClientKey>,
    /// Our request's number on the other leg.
    cseq: u32,
    undo: Undo,
    session: Option<SessionAnswer>,
}

/// The sub-machine.
#[derive(Default)]
pub(crate) struct Renegotiation {
    machine: Machine<RenegotiationState>,
    exchange: Option<Box<Exchange>>,
}

impl Renegotiation {
    pub(super) fn is_busy(&self) -> bool {
        self.machine.state() != RenegotiationState::Idle
    }

    /// Whether the 2xx to our request of this number holds an offer whose answer the asking leg's
    /// ACK will bring.
    pub(super) fn owes_delayed_ack(&self, cseq: u32) -> bool {
        self.exchange.as_ref().is_some_and(|e| e.delayed_offer.is_some() && e.cseq == cseq)
    }

    fn finish(&mut self) -> Option<Box<Exchange>> {
        self.machine.go(RenegotiationState::Idle);
        self.exchange.take()
    }
}

/// An UPDATE must be answered before its sender's transaction gives up at 64 × T1 (RFC 3311
/// section 5.2).
const UPDATE_PATIENCE: Duration = Duration::from_secs(25);

impl Call {
    /// A re-INVITE or an UPDATE.
    pub(super) fn handle_offer_request(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
    ) {
        if !self.is_live() {
            self.legs[from.index()].answer(context, now, server, request, 481);
            return;
        }
        if let Some(status) = self.glare(from) {
            self.refuse_glare(context, now, from, server, request, status);
            return;
        }
        let offer = match description_in(request).and_then(|offer| match offer {
            Some(offer) => refuse_own_address(&offer, &context.own_media).map(|()| Some(offer)),
            None => Ok(None),
        }) {
            Ok(offer) => offer,
            Err(fault) => {
                self.legs[from.index()].answer(context, now, server, request, fault.status());
                return;
            }
        };
        let Some(session) = self.negotiate_session(context, now, from, server, request) else {
            return;
        };
        let leg = &mut self.legs[from.index()];
        leg.note_abilities(request);
        if let Some(dialog) = leg.dialog.as_mut() {
            dialog.update_remote_target(request);
        }
        let is_update = request.method() == Some(Method::Update);
        let unchanged = match &offer {
            Some(offer) => self.media.is_unchanged(from, offer),
            None => is_update,
        };
        if unchanged {
            self.answer_refresh(context, now, from, server, request, session);
        } else {
            self.forward_offer(context, now, from, server, request, offer, session);
        }
    }

    /// RFC 3261 section 14.2: 491 while a request of ours is under way on that leg, 500 while an
    /// earlier one of the leg itself is.
    fn glare(&self, from: LegSide) -> Option<u16> {
        if self.setup.state() != SetupState::Established {
            return Some(if from == LegSide::A { 500 } else { 491 });
        }
        match &self.renegotiation.exchange {
            Some(exchange) if exchange.from == from => Some(500),
            Some(_) => Some(491),
            None if self.legs.iter().any(|leg| leg.refreshing) => Some(491),
            None if self.legs[from.index()].unacknowledged.is_some() => Some(500),
            None if self.legs[from.other().index()].unacknowledged.is_some() => Some(491),
            None => None,
        }
    }

    fn refuse_glare(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
        status: u16,
    ) {
        let wait = context.random.next_u64() % 10;
        let leg = &self.legs[from.index()];
        let mut composer = leg.response(context, request, status);
        if status == 500 {
            composer.header_args(HeaderName::RetryAfter, format_args!("{wait}"));
        }
        context.respond(now, server, status, composer.finish());
    }

    /// Settles the asking leg's session timer; `None` when the request was refused for it.
    fn negotiate_session(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
    ) -> Option<Option<SessionAnswer>> {
        let (ours, min_se) = (context.config.session_expires, context.config.min_se);
        let leg = &mut self.legs[from.index()];
        match leg.session.answer(request, ours, min_se) {
            Ok(answer) => Some(answer),
            Err(too_small) => {
                let mut composer = leg.response(context, request, 422);
                composer
                    .header_args(HeaderName::MinSe, format_args!("{}", too_small.min_se_seconds));
                context.respond(now, server, 422, composer.finish());
                None
            }
        }
    }

    /// A request that changes nothing concerns only the leg's own session timer: it gets what the
    /// leg already has, and the other leg is left in peace.
    fn answer_refresh(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
        session: Option<SessionAnswer>,
    ) {
        let body = self.media.last_sent(from).map(<[u8]>::to_vec).unwrap_or_default();
        let leg = &self.legs[from.index()];
        let mut composer = leg.response(context, request, 200);
        success_headers(&mut composer, session);
        leg.session.arm(&mut self.deadlines, from, now);
        let has_offer = !request.body_bytes().is_empty();
        let bytes = if has_offer {
            composer.body(Some("application/sdp"), &body)
        } else {
            composer.finish()
        };
        if request.method() == Some(Method::Invite) {
            self.open_invite(context, server, from);
            self.respond_success(context, now, from, server, number(request), bytes);
        } else {
            context.respond(now, server, 200, bytes);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one request, each used once")]
    fn forward_offer(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
        offer: Option<SessionDescription>,
        session: Option<SessionAnswer>,
    ) {
        let to = from.other();
        let undo = self.media.before_offer(to);
        let body = match offer.as_ref().map(|offer| self.media.write_offer(to, offer)) {
            Some(Ok(body)) => Some(body),
            Some(Err(fault)) => {
                self.legs[from.index()].answer(context, now, server, request, fault.status());
                return;
            }
            None => None,
        };
        let direction = self.towards(to);
        let leg = &mut self.legs[to.index()];
        let cseq = leg.next_cseq();
        let host = host_of(leg);
        let Some((mut composer, branch, flow)) = leg.request(context, Method::Invite, cseq) else {
            self.legs[from.index()].answer(context, now, server, request, 500);
            return;
        };
        composer
            .header(HeaderName::Contact, leg.contact())
            .header(HeaderName::Allow, ALLOW)
            .header(HeaderName::Supported, SUPPORTED);
        if let Some(interval) = leg.session.interval_seconds() {
            composer.header_args(HeaderName::SessionExpires, format_args!("{interval}"));
        }
        composer.header(HeaderName::UserAgent, &context.config.product);
        carry::carry(&mut composer, request, direction, &host);
        let bytes = match &body {
            Some(body) => composer.body(Some("application/sdp"), body),
            None => composer.finish(),
        };
        let Some(client) = context.send(now, flow, &branch, Method::Invite, bytes) else {
            self.media.undo(undo);
            self.legs[from.index()].answer(context, now, server, request, 503);
            return;
        };
        self.open_client(context, client, ClientPurpose::Renegotiation(to));
        if request.method() == Some(Method::Invite) {
            self.open_invite(context, server, from);
        }
        // A re-INVITE may take as long as a person needs, an UPDATE may not.
        let patience = match request.method() {
            Some(Method::Update) => UPDATE_PATIENCE,
            _ => context.config.no_answer_timeout,
        };
        self.deadlines.set(Deadline::Renegotiation, now + patience);
        self.renegotiation.machine.go(RenegotiationState::Forwarded);
        self.renegotiation.exchange = Some(Box::new(Exchange {
            from,
            server: Some(server),
            request: request.clone(),
            offer,
            delayed_offer: None,
            client: Some(client),
            cseq,
            undo,
            session,
        }));
    }

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
        let current = self
            .renegotiation
            .exchange
            .as_ref()
            .is_some_and(|e| e.from == to.other() && e.cseq == number(response));
        let expected =
            current && self.renegotiation.machine.state() == RenegotiationState::Forwarded;
        match (success, expected) {
            (true, true) => self.forward_renegotiated(context, now, to, response),
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
        if !self.legs[to.index()].is_of_dialog(response) {
            self.handle_other_answer(context, now, to, response, flow);
            return;
        }
        self.legs[to.index()].acknowledge(context, number(response), None);
        self.end_disagreement(context, now);
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
        if leg.session.interval_seconds().is_some()
            || response.session_expires().is_ok_and(|s| s.is_some())
        {
            leg.session.answered(response);
        }
        leg.session.arm(&mut self.deadlines, to, now);
        let Some(mut exchange) = self.renegotiation.exchange.take() else { return };
        exchange.client = None;
        let from = exchange.from;
        let body = self.renegotiated_body(context, &mut exchange, response);
        if exchange.delayed_offer.is_none() || body.is_err() {
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
        success_headers(&mut composer, exchange.session);
        carry::carry(&mut composer, response, direction, &host_of(leg));
        let bytes = composer.body(Some("application/sdp"), &body);
        leg.session.arm(&mut self.deadlines, from, now);
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
                let body = self.media.write_answer(from, offer, &theirs)?;
                self.media.note_received(from, offer);
                self.media.note_received(from.other(), &theirs);
                self.apply_media(context);
                Ok(body)
            }
            None => {
                let body = self.media.write_offer(from, &theirs)?;
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
        let told = match status {
            491 => 491,
            _ => redirect::status_for_caller(status),
        };
        if let Some(server) = server {
            let leg = &self.legs[from.index()];
            let mut composer = leg.response(context, &request, told);
            if let Some(response) = response {
                carry::carry_in_dialog(&mut composer, response);
            }
            context.respond(now, server, told, composer.finish());
        }
        // The dialog no longer exists there (RFC 3261 section 12.2.1.2).
        if matches!(status, 481 | 408) {
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
