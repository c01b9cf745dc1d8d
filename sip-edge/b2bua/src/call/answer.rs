//! Leg B's progress and answer, and the three-way handshakes that complete them.

use super::setup::SetupState;
use super::{Call, ClientPurpose};
use crate::carry;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::leg::{ALLOW, Leg, SUPPORTED, SentAck, Unacknowledged};
use crate::media::{BodyFault, description_in, refuse_own_address};
use crate::session_timer::SessionAnswer;
use bytes::Bytes;
use model::{CallEventKind, EndedBy, Flow, Instant, LegSide};
use sdp::SessionDescription;
use sip_proto::{Composer, HeaderName, Message, Method, Refresher, ServerKey, push_ip};

impl Call {
    /// A provisional response from leg B goes to leg A, with its early media.
    pub(super) fn progress(
        &mut self,
        context: &mut Context,
        now: Instant,
        status: u16,
        response: &Message,
    ) {
        self.deadlines.clear(Deadline::NoResponse);
        self.setup.go(SetupState::Proceeding);
        self.adopt_callee(response);
        let Some(pending) = self.pending.as_mut() else { return };
        let rings_first = !std::mem::replace(&mut pending.ringing_noted, true);
        // An answer in an unreliable provisional response is a promise of the 2xx's answer
        // (RFC 3261 section 13.2.1); one that cannot be read is ignored, the 2xx decides.
        let answer = match &pending.offer {
            Some(_) => description_in(response).ok().flatten().filter(|a| a.audio_ref().is_some()),
            None => None,
        };
        let body = answer.and_then(|answer| self.take_early_answer(context, answer));
        if rings_first {
            context.event(self.id, now, CallEventKind::Ringing);
        }
        let direction = self.towards(LegSide::A);
        let Some(pending) = self.pending.as_ref() else { return };
        let leg = &self.legs[LegSide::A.index()];
        let mut composer = leg.response(context, &pending.invite, status);
        composer.header(HeaderName::Allow, ALLOW);
        carry::carry(&mut composer, response, direction, &host_of(leg));
        let bytes = match &body {
            Some(body) => composer.body(Some("application/sdp"), body),
            None => composer.finish(),
        };
        context.respond(now, pending.server, status, bytes);
    }

    fn take_early_answer(
        &mut self,
        context: &mut Context,
        answer: SessionDescription,
    ) -> Option<Vec<u8>> {
        refuse_own_address(&answer, &context.own_media).ok()?;
        let pending = self.pending.as_mut()?;
        let offer = pending.offer.as_ref()?;
        let body = self.media.write_answer(LegSide::A, offer, &answer).ok()?;
        self.media.note_received(LegSide::A, offer);
        self.media.note_received(LegSide::B, &answer);
        pending.early_answer = Some(answer);
        self.apply_media(context);
        Some(body)
    }

    /// Takes leg B's dialog from a response. A later response with another tag is of another fork:
    /// the last provisional one counts until a 2xx decides.
    fn adopt_callee(&mut self, response: &Message) {
        let leg = &mut self.legs[LegSide::B.index()];
        leg.note_abilities(response);
        let tagged = response.to().is_ok_and(|to| to.tag().is_some());
        if tagged || response.status().is_some_and(|status| status >= 200) {
            leg.adopt_response(response);
        }
    }

    /// Leg B answered.
    pub(super) fn answered(&mut self, context: &mut Context, now: Instant, response: &Message) {
        self.deadlines.clear(Deadline::NoResponse);
        self.deadlines.clear(Deadline::NoAnswer);
        self.adopt_callee(response);
        let cseq = self.legs[LegSide::B.index()].cseq;
        let Some(pending) = self.pending.as_mut() else { return };
        pending.client = None;
        if self.legs[LegSide::B.index()].dialog.is_none() {
            // Without a readable Contact (RFC 3261 section 12.1.2) it cannot be acknowledged.
            self.fail(context, now, 502, "the answer has no contact", EndedBy::Edge, None);
            return;
        }
        self.legs[LegSide::B.index()].session.answered(response);
        let delayed = pending.offer.is_none();
        let body = if delayed {
            self.forward_delayed_offer(context, response)
        } else {
            self.forward_answer(context, response)
        };
        if !delayed || body.is_err() {
            self.legs[LegSide::B.index()].acknowledge(context, cseq, None);
        }
        match body {
            Ok(body) => self.answer_leg_a(context, now, response, &body),
            Err(_) => {
                self.setup.go(SetupState::Proceeding);
                self.send_bye(context, now, LegSide::B, None);
                self.fail(context, now, 502, "the answer cannot be used", EndedBy::Edge, None);
            }
        }
    }

    fn forward_answer(
        &mut self,
        context: &mut Context,
        response: &Message,
    ) -> Result<Vec<u8>, BodyFault> {
        let pending = self.pending.as_mut().ok_or(BodyFault::NotAcceptable)?;
        let offer = pending.offer.as_ref().ok_or(BodyFault::NotAcceptable)?;
        // Some answerers leave out what their provisional response already said.
        let answer = match description_in(response)? {
            Some(answer) => answer,
            None => pending.early_answer.take().ok_or(BodyFault::NotAcceptable)?,
        };
        if answer.audio_ref().is_none() {
            return Err(BodyFault::NotAcceptable);
        }
        refuse_own_address(&answer, &context.own_media)?;
        let body = self.media.write_answer(LegSide::A, offer, &answer)?;
        self.media.note_received(LegSide::A, offer);
        self.media.note_received(LegSide::B, &answer);
        self.apply_media(context);
        Ok(body)
    }

    fn forward_delayed_offer(
        &mut self,
        context: &mut Context,
        response: &Message,
    ) -> Result<Vec<u8>, BodyFault> {
        let offer = description_in(response)?.ok_or(BodyFault::NotAcceptable)?;
        refuse_own_address(&offer, &context.own_media)?;
        let body = self.media.write_offer(LegSide::A, &offer)?;
        let pending = self.pending.as_mut().ok_or(BodyFault::NotAcceptable)?;
        pending.delayed_offer = Some(offer);
        Ok(body)
    }

    fn answer_leg_a(
        &mut self,
        context: &mut Context,
        now: Instant,
        response: &Message,
        body: &[u8],
    ) {
        let direction = self.towards(LegSide::A);
        let Some(pending) = self.pending.as_ref() else { return };
        let leg = &self.legs[LegSide::A.index()];
        let mut composer = leg.response(context, &pending.invite, 200);
        success_headers(&mut composer, pending.session_answer);
        carry::carry(&mut composer, response, direction, &host_of(leg));
        let bytes = composer.body(Some("application/sdp"), body);
        let (server, cseq) = (pending.server, number(&pending.invite));
        self.setup.go(SetupState::Answered);
        self.respond_success(context, now, LegSide::A, server, cseq, bytes);
        for side in LegSide::BOTH {
            self.legs[side.index()].session.arm(&mut self.deadlines, side, now);
        }
        context.statistics.answers += 1;
        context.event(self.id, now, CallEventKind::Answered);
    }

    /// Sends a 2xx to an INVITE and repeats it until its ACK comes (RFC 3261 section 13.3.1.4).
    pub(super) fn respond_success(
        &mut self,
        context: &mut Context,
        now: Instant,
        side: LegSide,
        server: ServerKey,
        cseq: u32,
        bytes: Bytes,
    ) {
        let leg = &mut self.legs[side.index()];
        let flow = context.endpoint.server_flow(server).unwrap_or(leg.flow);
        context.respond(now, server, 200, bytes.clone());
        let t1 = context.config.timers.t1;
        leg.unacknowledged = Some(Unacknowledged {
            cseq,
            response: bytes,
            flow,
            interval: t1,
            give_up: now + t1 * 64,
        });
        self.deadlines.set(Deadline::Retransmit(side), now + t1);
        self.close_invite(context, server);
    }

    pub(super) fn retransmit_answer(&mut self, context: &mut Context, now: Instant, side: LegSide) {
        let t2 = context.config.timers.t2;
        let leg = &mut self.legs[side.index()];
        let Some(pending) = leg.unacknowledged.as_mut() else { return };
        if now >= pending.give_up {
            leg.unacknowledged = None;
            self.not_acknowledged(context, now, side);
            return;
        }
        context.endpoint.send_directly(pending.flow, pending.response.clone());
        pending.interval = (pending.interval * 2).min(t2);
        let next = (now + pending.interval).min(pending.give_up);
        self.deadlines.set(Deadline::Retransmit(side), next);
    }

    /// Leg A acknowledged our answer: the call is established.
    pub(super) fn confirm(&mut self, context: &mut Context, now: Instant, ack: &Message) {
        self.setup.go(SetupState::Established);
        let Some(pending) = self.pending.take() else { return };
        let Some(offer) = pending.delayed_offer else { return };
        let cseq = self.legs[LegSide::B.index()].cseq;
        match self.delayed_answer(context, LegSide::A, &offer, ack) {
            Ok(body) => self.legs[LegSide::B.index()].acknowledge(context, cseq, Some(&body)),
            Err(_) => {
                self.legs[LegSide::B.index()].acknowledge(context, cseq, None);
                self.end_unusable_answer(context, now);
            }
        }
    }

    /// The answer that `from` put into its ACK, written for the other leg, which made `offer`.
    pub(super) fn delayed_answer(
        &mut self,
        context: &mut Context,
        from: LegSide,
        offer: &SessionDescription,
        ack: &Message,
    ) -> Result<Vec<u8>, BodyFault> {
        let answer = description_in(ack)?.ok_or(BodyFault::NotAcceptable)?;
        refuse_own_address(&answer, &context.own_media)?;
        let body = self.media.write_answer(from.other(), offer, &answer)?;
        self.media.note_received(from, &answer);
        self.media.note_received(from.other(), offer);
        self.apply_media(context);
        Ok(body)
    }

    pub(super) fn apply_media(&mut self, context: &mut Context) {
        let sources = [0, 1].map(|index: usize| self.legs[index].flow.remote.ip());
        if let Some(command) = self.media.apply(sources) {
            context.outputs.push_back(crate::edge::Output::Media(command));
        }
    }

    /// A 2xx to an INVITE of ours that nothing waits for: a copy, the answer of a second fork, or
    /// one that crossed our CANCEL.
    pub(crate) fn handle_other_answer(
        &mut self,
        context: &mut Context,
        now: Instant,
        side: LegSide,
        response: &Message,
        flow: Flow,
    ) {
        let repeated = self.legs[side.index()].acknowledge_again(context, response);
        // The ACK may have to wait for the answer that the other leg's ACK will bring.
        if repeated || self.owes_ack(side, response) {
            return;
        }
        self.hang_up_other_answer(context, now, response, flow);
    }

    /// Whether `response` is a copy of a 2xx with an offer that we have passed on and not yet
    /// acknowledged.
    fn owes_ack(&self, side: LegSide, response: &Message) -> bool {
        let in_setup = side == LegSide::B && self.owes_delayed_ack();
        self.legs[side.index()].is_of_dialog(response)
            && (in_setup || self.renegotiation.owes_delayed_ack(number(response)))
    }

    /// Acknowledges and hangs up an answer beside the call's own; its copies only get the ACK again
    /// (RFC 3261 section 13.2.2.4).
    fn hang_up_other_answer(
        &mut self,
        context: &mut Context,
        now: Instant,
        response: &Message,
        flow: Flow,
    ) {
        if let Some(known) = self.hung_up.iter().find(|sent| sent.is_for(response)) {
            known.send(context);
            return;
        }
        let Some(sent) = context.hang_up_late_answer(now, response, flow) else { return };
        // With more forks than this the oldest's copies get another BYE, which does no harm.
        if self.hung_up.len() >= MAX_HUNG_UP {
            self.hung_up.remove(0);
        }
        self.hung_up.push(sent);
    }

    /// Whether our INVITE to leg B still waits for its ACK, because leg A's brings the answer.
    pub(super) fn owes_delayed_ack(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.delayed_offer.is_some())
    }

    /// Registers a BYE's transaction so that the call waits for its end.
    pub(super) fn send_bye(
        &mut self,
        context: &mut Context,
        now: Instant,
        side: LegSide,
        reason: Option<&Message>,
    ) {
        let leg = &mut self.legs[side.index()];
        let cseq = leg.next_cseq();
        let Some((mut composer, branch, flow)) = leg.request(context, Method::Bye, cseq) else {
            return;
        };
        composer.header(HeaderName::UserAgent, &context.config.product);
        if let Some(message) = reason {
            carry::carry_in_dialog(&mut composer, message);
        } else if let Some(reason) = self.bye_reason {
            composer.header(HeaderName::Reason, reason);
        }
        let bytes = composer.finish();
        if let Some(client) = context.send(now, flow, &branch, Method::Bye, bytes) {
            self.open_client(context, client, ClientPurpose::Bye(side));
        }
    }
}

impl Context {
    /// A 2xx came for an INVITE that we had given up: RFC 3261 section 13.2.2.4 wants it
    /// acknowledged, and then the call that nobody waits for ended. Returns the ACK, for copies.
    pub(crate) fn hang_up_late_answer(
        &mut self,
        now: Instant,
        response: &Message,
        flow: Flow,
    ) -> Option<SentAck> {
        let listener = self.listener_of(&flow);
        let (Ok(from), Ok(to), Ok(call_id), Ok(cseq)) =
            (response.from(), response.to(), response.call_id(), response.cseq())
        else {
            return None;
        };
        let tag = from.tag()?;
        let flow = Flow { local: listener.local, ..flow };
        let ids = [call_id.into(), tag.into()];
        let mut leg = Leg::new(flow, listener, ids);
        leg.local_party = format!("<{}>", from.uri_text).into();
        leg.remote_party = format!("<{}>", to.uri_text).into();
        leg.cseq = cseq.number;
        leg.adopt_response(response);
        leg.acknowledge(self, cseq.number, None);
        let number = leg.next_cseq();
        if let Some((mut composer, branch, flow)) = leg.request(self, Method::Bye, number) {
            composer.header(HeaderName::UserAgent, &self.config.product);
            let bytes = composer.finish();
            let _ = self.send(now, flow, &branch, Method::Bye, bytes);
        }
        leg.sent_ack
    }
}

/// Answers beside its own that a call remembers to have hung up.
const MAX_HUNG_UP: usize = 8;

/// What a 2xx to INVITE or UPDATE says about us and the session timer.
pub(super) fn success_headers(composer: &mut Composer, session: Option<SessionAnswer>) {
    composer.header(HeaderName::Allow, ALLOW).header(HeaderName::Supported, SUPPORTED);
    let Some(session) = session else { return };
    let refresher = match session.refresher {
        Refresher::Uac => "uac",
        Refresher::Uas => "uas",
    };
    composer.header_args(
        HeaderName::SessionExpires,
        format_args!("{};refresher={refresher}", session.seconds),
    );
    if session.require {
        composer.header(HeaderName::Require, SUPPORTED);
    }
}

/// The host that stands in for every inner one towards a leg.
pub(super) fn host_of(leg: &Leg) -> String {
    let ip = leg.listener.advertised.ip();
    if ip.is_ipv6() {
        return format!("[{ip}]");
    }
    let mut host = String::with_capacity(16);
    push_ip(&mut host, ip);
    host
}

pub(super) fn number(message: &Message) -> u32 {
    message.cseq().map(|cseq| cseq.number).unwrap_or_default()
}
