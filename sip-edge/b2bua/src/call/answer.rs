//! Leg B's progress and answer, and the three-way handshakes that complete them.

use super::setup::SetupState;
use super::{Call, ClientPurpose};
use crate::body::with_body;
use crate::carry;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::leg::{ALLOW, IN_DIALOG_SUPPORTED, Leg, SentAck, Unacknowledged, address_uri};
use crate::media::{BodyFault, description_in, refuse_own_address};
use crate::session_timer::SessionAnswer;
use bytes::Bytes;
use model::{CallEventKind, EndedBy, Flow, Instant, LegSide, MediaTimeouts};
use sdp::SessionDescription;
use sip_proto::{Composer, HeaderName, Message, Method, Refresher, ServerKey, push_ip};

impl Call {
    /// Leg B answered.
    pub(super) fn answered(&mut self, context: &mut Context, now: Instant, response: &Message) {
        self.deadlines.clear(Deadline::NoResponse);
        self.deadlines.clear(Deadline::NoAnswer);
        let followed = self.enter_fork(response);
        let Some(pending) = self.pending.as_mut() else { return };
        let cseq = pending.invite_cseq;
        pending.client = None;
        if !followed {
            self.fail(context, now, 502, "the answer's dialog cannot be read", EndedBy::Edge, None);
            return;
        }
        pending.answer = context.config.keep_calls.then(|| response.raw().clone());
        self.legs[LegSide::B.index()].session.answered(response);
        let body = if self.is_outbound_steered() {
            self.take_called_answer(context, response).map(|()| None)
        } else if self.pending.as_ref().is_some_and(|pending| pending.offer.is_none()) {
            self.forward_delayed_offer(context, response)
        } else {
            self.forward_answer(context, response)
        };
        if !self.owes_delayed_ack() || body.is_err() {
            self.legs[LegSide::B.index()].acknowledge(context, cseq, None);
        }
        match body {
            Ok(body) if self.reliable.withholds_success() => {
                // RFC 3262 section 3: the description comes before the 2xx.
                self.setup.go(SetupState::Withheld);
                if let Some(pending) = self.pending.as_mut() {
                    pending.withheld = Some((response.clone(), body));
                }
            }
            Ok(body) => self.answer_leg_a(context, now, response, body.as_deref()),
            Err(fault) => {
                self.setup.go(SetupState::Proceeding);
                self.bye_reason = Some(match fault {
                    BodyFault::Plain => "SIP;cause=488;text=\"SRTP required\"",
                    _ => "SIP;cause=488;text=\"The answer cannot be used\"",
                });
                self.send_bye(context, now, LegSide::B, None);
                self.fail(context, now, 502, "the answer cannot be used", EndedBy::Edge, None);
            }
        }
    }

    /// Leg A has acknowledged the description that the 2xx waited for.
    pub(super) fn release_success(&mut self, context: &mut Context, now: Instant) {
        let withheld = self.pending.as_mut().and_then(|pending| pending.withheld.take());
        let Some((response, body)) = withheld else { return };
        self.answer_leg_a(context, now, &response, body.as_deref());
    }

    /// The answer for leg A; `None` when it has one already that it acknowledged.
    fn forward_answer(
        &mut self,
        context: &mut Context,
        response: &Message,
    ) -> Result<Option<Vec<u8>>, BodyFault> {
        let told_reliably = self.reliable.agreed || self.reliable.is_describing();
        let pending = self.pending.as_ref().ok_or(BodyFault::NotAcceptable)?;
        let fork = pending.forks.leading().ok_or(BodyFault::NotAcceptable)?;
        if fork.agreed
            && pending.agreed_with.is_some()
            && pending.agreed_with == pending.forks.leading_tag()
        {
            return Ok(None);
        }
        let answer = self.answer_in(response)?;
        let pending = self.pending.as_mut().ok_or(BodyFault::NotAcceptable)?;
        let offer = pending.offer.as_ref().ok_or(BodyFault::NotAcceptable)?;
        if answer.audio_ref().is_none() {
            return Err(BodyFault::NotAcceptable);
        }
        refuse_own_address(&answer, &context.own_media)?;
        let undo = self.media.before_offer(LegSide::A);
        let body = self.media.write_answer(context.random.as_mut(), LegSide::A, offer, &answer)?;
        self.media.note_received(LegSide::A, offer);
        self.media.note_received(LegSide::B, &answer);
        let told = pending.told.take();
        let body = match told {
            // RFC 3261 section 13.2.1: the first description was the answer, whatever comes later.
            Some(told) if told != body => {
                self.media.undo(undo);
                pending.realign = Some(answer);
                told
            }
            _ => body,
        };
        self.apply_media(context);
        Ok((!told_reliably).then_some(body))
    }

    /// What leg B answers with its 2xx, or has answered before.
    pub(super) fn answer_in(
        &mut self,
        response: &Message,
    ) -> Result<SessionDescription, BodyFault> {
        let pending = self.pending.as_mut().ok_or(BodyFault::NotAcceptable)?;
        let fork = pending.forks.leading().ok_or(BodyFault::NotAcceptable)?;
        match fork.answer.clone().filter(|_| fork.agreed) {
            Some(answer) => Ok(answer),
            // Some answerers leave out what their provisional response already said.
            None => match description_in(response)? {
                Some(answer) => Ok(answer),
                None => pending.early_answer.take().ok_or(BodyFault::NotAcceptable),
            },
        }
    }

    /// Leg B's offer for leg A; `None` when leg A has answered one before.
    fn forward_delayed_offer(
        &mut self,
        context: &mut Context,
        response: &Message,
    ) -> Result<Option<Vec<u8>>, BodyFault> {
        let pending = self.pending.as_mut().ok_or(BodyFault::NotAcceptable)?;
        if pending.early_offer.is_some() || self.reliable.agreed {
            // Leg A can answer one offer; that of another fork finds nobody.
            let agreed = pending.forks.leading().is_some_and(|fork| fork.agreed);
            return if agreed { Ok(None) } else { Err(BodyFault::NotAcceptable) };
        }
        let offer = description_in(response)?.ok_or(BodyFault::NotAcceptable)?;
        refuse_own_address(&offer, &context.own_media)?;
        let body = self.media.write_offer(context.random.as_mut(), LegSide::A, &offer)?;
        pending.delayed_offer = Some(offer);
        Ok(Some(body))
    }

    fn answer_leg_a(
        &mut self,
        context: &mut Context,
        now: Instant,
        response: &Message,
        body: Option<&[u8]>,
    ) {
        if self.takeover.is_target() {
            self.target_answered(context, now);
            return;
        }
        if self.is_outbound_steered() {
            self.called_answered(context, now, response);
            return;
        }
        self.overtake_provisional();
        let direction = self.towards(LegSide::A);
        let Some(pending) = self.pending.as_ref() else { return };
        let leg = &self.legs[LegSide::A.index()];
        let mut composer = leg.response(context, &pending.invite, 200);
        success_headers(&mut composer, pending.session_answer);
        carry::carry(&mut composer, response, direction, &host_of(leg));
        let bytes = with_body(composer, response, body, direction.is_masked);
        let (server, cseq) = (pending.server, number(&pending.invite));
        self.setup.go(SetupState::Answered);
        self.respond_success(context, now, LegSide::A, server, cseq, bytes);
        for side in LegSide::BOTH {
            self.legs[side.index()].session.arm(&mut self.deadlines, side, now);
        }
        context.statistics.answers += 1;
        context.event(self.id, now, CallEventKind::Answered);
        self.note_listening(context, LegSide::B, response);
        self.review_listening(context);
        self.begin_talk(context, now);
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
        self.review_playing(context);
        let Some(pending) = self.pending.take() else { return };
        if self.is_steered() {
            self.steered_established(context, now, ack);
            return;
        }
        if let Some(answer) = pending.realign {
            self.begin_realign(context, now, answer);
        }
        let Some(offer) = pending.delayed_offer else { return };
        let cseq = pending.invite_cseq;
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
        let body =
            self.media.write_answer(context.random.as_mut(), from.other(), offer, &answer)?;
        self.media.note_received(from, &answer);
        self.media.note_received(from.other(), offer);
        self.apply_media(context);
        Ok(body)
    }

    /// Puts both legs' descriptions into force at the relay.
    pub(super) fn apply_media(&mut self, context: &mut Context) {
        let timeouts = self.media_timeouts();
        self.media.listen(self.unheard_after());
        self.apply_media_with(context, timeouts);
        // A leg that is still to learn of the answer may learn of a line.
        if self.pending.as_ref().is_none_or(|pending| pending.realign.is_none()) {
            self.release_unused_lines(context);
        }
    }

    /// The same before the answer, where silence means nothing.
    pub(super) fn apply_early_media(&mut self, context: &mut Context) {
        self.media.listen(None);
        self.apply_media_with(context, MediaTimeouts::default());
    }

    fn apply_media_with(&mut self, context: &mut Context, timeouts: MediaTimeouts) {
        let sources = [0, 1].map(|index: usize| self.legs[index].flow.remote.ip());
        let connector = &self.voice_connector.id;
        let sample = context.config.rtcp_copies.as_ref();
        self.media.copy_rtcp(sample.is_some_and(|sample| sample.has(self.id, Some(connector))));
        if let Some(command) = self.media.apply(sources, timeouts) {
            context.outputs.push_back(crate::edge::Output::Media(command));
        }
        self.review_playing(context);
        self.review_listening(context);
        let lines = self.media.apply_lines(sources);
        context.outputs.extend(lines.into_iter().map(crate::edge::Output::Media));
        self.review_pictures(context);
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
        let leg = &self.legs[side.index()];
        if self.setup.state() == SetupState::Established && leg.is_of_dialog(response) {
            // To an INVITE from before a restart of the process: the session stays as it was.
            leg.acknowledge_only(context, number(response));
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
    pub(super) fn hang_up_other_answer(
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
        let is_masked = self.is_masked();
        let leg = &mut self.legs[side.index()];
        let cseq = leg.next_cseq();
        let Some((mut composer, branch, flow)) = leg.request(context, Method::Bye, cseq) else {
            return;
        };
        composer.header(HeaderName::UserAgent, &context.config.product);
        if let Some(message) = reason {
            carry::carry_in_dialog(&mut composer, message, is_masked);
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
        // PRACKs in its early dialog may have taken the numbers that follow the INVITE's.
        leg.cseq = super::kept::cseq_after_restart(cseq.number);
        leg.adopt_response(response, &address_uri(&flow));
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
    composer.header(HeaderName::Allow, ALLOW).header(HeaderName::Supported, IN_DIALOG_SUPPORTED);
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
        composer.header(HeaderName::Require, "timer");
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
