//! One attempt of a setup: leg B's INVITE, and what comes of it.

use super::answer::host_of;
use super::forks::Forks;
use super::registered::address_binding;
use super::reliable::Reliability;
use super::setup::SetupState;
use super::{Call, ClientPurpose, LegAuthentication, NoResponse};
use crate::body::with_body;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::encryption;
use crate::leg::{Leg, via};
use crate::media::Habits;
use crate::session_timer::{SessionTimer, seconds};
use crate::{leg, secure};
use model::{
    CallDirection, CallEventKind, EndedBy, Flow, Instant, LegSide, Refusal, TransportProtocol,
};
use sip_proto::{Composer, HeaderName, Message, Method, push_address};

/// A route that still refuses the interval after it got what it asked for twice is broken.
const MAX_INTERVAL_REFUSALS: u8 = 2;

impl Call {
    /// Sends the INVITE of a new attempt, as a new dialog of its own.
    pub(super) fn call_leg_b(&mut self, context: &mut Context, now: Instant) {
        let Some(pending) = self.pending.as_mut() else { return };
        let (Some(route), Some(target)) = (&pending.route, &pending.destination) else {
            return;
        };
        let (destination, protocol) = (target.address, target.transport);
        let Some(listener) = context.listener_for(protocol, &destination) else {
            pending.hunt.note(503);
            self.next_route(context, now);
            return;
        };
        let binding = pending.binding.as_ref();
        let identity = match binding {
            // Its connection is there, and was opened by the customer's side.
            Some(_) => None,
            None => secure::expected(context, route, protocol),
        };
        let is_open = self.parties.direction == CallDirection::Inbound
            && !encryption::allows_signalling(&self.voice_connector, protocol);
        if is_open
            || (protocol == TransportProtocol::Tls && identity.is_none() && binding.is_none())
        {
            pending.hunt.note(503);
            self.next_route(context, now);
            return;
        }
        let (listener, flow) = match binding {
            Some(binding) => (context.listener_of(&binding.flow), binding.flow),
            None => {
                let flow = Flow { identity, ..Flow::new(protocol, listener.local, destination) };
                (listener, flow)
            }
        };
        let encryption = encryption::of_route(&self.voice_connector, self.parties.direction, route);
        let habits = Habits::of(&self.voice_connector, route.carrier.as_deref());
        self.media.start_leg(LegSide::B, encryption, habits);
        let music = match &route.carrier {
            Some(carrier) => &carrier.hold_music,
            None => &self.voice_connector.hold_music,
        };
        self.media.set_hold_music(LegSide::B, music.clone());
        pending.attempt += 1;
        pending.early_answer = None;
        pending.forks = Forks::default();
        pending.agreed_with = None;
        pending.invite_cseq = 1;
        self.reliable.forget_waiting();
        let (carrier, attempt) = (route.carrier.as_ref().map(|c| c.id.clone()), pending.attempt);
        let by_way_of = carrier.clone().or_else(|| self.parties.carrier.clone());
        if route.udp_only {
            let kept = context.config.max_call_duration;
            context.stream_refusals.note(now, destination, kept);
        }
        let authentication =
            route.carrier.as_ref().and_then(|c| LegAuthentication::of(c, destination.ip()));
        let min_se_seconds = self.legs[LegSide::B.index()].session.min_se_seconds;
        let ids = [context.new_token(), context.new_token()];
        let mut leg = Leg::new(flow, listener, ids);
        leg.secure = self.legs[LegSide::A.index()].secure;
        leg.session = SessionTimer::asking_for(min_se_seconds);
        let host = host_of(&leg);
        let caller = pending.caller.as_ref();
        leg.local_party =
            caller.map(|c| c.address(&pending.invite, &host)).unwrap_or_default().into();
        let called = pending.redirections.called().unwrap_or(&self.parties.to_user);
        let mut address = String::with_capacity(64);
        push_address(&mut address, destination);
        let scheme = secure::scheme(leg.secure);
        leg.remote_party = ["<", scheme, called, "@", &address, ">"].concat().into();
        leg.cseq = 1;
        leg.authentication = authentication;
        let old = std::mem::replace(&mut self.legs[LegSide::B.index()], leg);
        self.forget_leg(context, &old);
        self.register_leg(context, LegSide::B);
        context.event(
            self.id,
            now,
            CallEventKind::Routed { carrier, destination, protocol, attempt },
        );
        self.decide_listening_by(by_way_of.as_ref());
        self.tell_of_listening_to_come();
        self.invite_leg_b(context, now, &host);
    }

    fn invite_leg_b(&mut self, context: &mut Context, now: Instant, host: &str) {
        let direction = self.towards(LegSide::B);
        let Some(pending) = self.pending.as_mut() else { return };
        let leg = &self.legs[LegSide::B.index()];
        let body = match &pending.offer {
            Some(offer) => match self.media.write_offer(context.random.as_mut(), LegSide::B, offer)
            {
                Ok(body) => Some(body),
                Err(fault) => {
                    self.refuse_body(context, now, fault);
                    return;
                }
            },
            None => None,
        };
        let called = pending.redirections.called().unwrap_or(&self.parties.to_user);
        let uri = match &pending.binding {
            Some(binding) => binding.uri.to_string(),
            None => target_of(called, leg),
        };
        // An offer in a reliable provisional response can only be passed to a leg A that answers it
        // in its PRACK.
        let takes_reliable =
            pending.offer.is_some() || Reliability::of(&pending.invite) != Reliability::Unknown;
        let supported = if takes_reliable { leg::SUPPORTED } else { leg::IN_DIALOG_SUPPORTED };
        let branch = context.new_branch();
        let mut composer = Composer::request("INVITE", &uri);
        via(&mut composer, &leg.listener, &branch, context.identities.alias(&leg.flow));
        let hops = pending.invite.max_forwards().ok().flatten().unwrap_or(70).min(255);
        composer
            .header_number(HeaderName::MaxForwards, hops.saturating_sub(1))
            .header_pieces(HeaderName::From, &[&leg.local_party, ";tag=", &leg.local_tag])
            .header(HeaderName::To, &leg.remote_party)
            .header(HeaderName::CallId, &leg.call_id)
            .cseq(leg.cseq, Method::Invite)
            .header(HeaderName::Contact, leg.contact())
            .header(HeaderName::Allow, leg::ALLOW)
            .header(HeaderName::Supported, supported)
            .header_args(HeaderName::SessionExpires, format_args!("{}", pending.session_seconds));
        let min_se = leg.session.min_se_seconds.max(seconds(context.config.min_se));
        composer
            .header_args(HeaderName::MinSe, format_args!("{min_se}"))
            .header(HeaderName::UserAgent, &context.config.product);
        let carrier = pending.route.as_ref().and_then(|route| route.carrier.as_deref());
        if let Some(caller) = &pending.caller {
            let called = pending.redirections.called().unwrap_or(&self.parties.to_user);
            let signature = caller.sign(context, now, carrier, called, self.id);
            let signs = signature.is_some();
            caller.carry(&mut composer, &pending.invite, direction, host, carrier, signs);
            if let Some((value, attestation)) = signature {
                composer.header(HeaderName::Identity, value);
                context.event(self.id, now, CallEventKind::CallerSigned { attestation });
            }
        }
        if let Some(binding) = &pending.binding {
            address_binding(&mut composer, binding, &leg.remote_party);
        }
        let bytes = with_body(composer, &pending.invite, body.as_deref(), direction.is_masked);
        let (flow, attempt) = (leg.flow, pending.attempt);
        self.setup.go(SetupState::Calling);
        match context.send(now, flow, &branch, Method::Invite, bytes) {
            Some(client) => {
                pending.client = Some(client);
                self.open_client(context, client, ClientPurpose::Setup { attempt });
                self.arm_no_response(now);
                self.arm_no_answer(context, now);
            }
            None => self.refuse_overload(context, now, Refusal::Overloaded),
        }
    }

    /// The URI that leg B was called at, for a peer that does not name a Contact.
    pub(super) fn leg_b_target(&self) -> String {
        let redirected = self.pending.as_ref().and_then(|pending| pending.redirections.called());
        let called = redirected.unwrap_or(&self.parties.to_user);
        target_of(called, &self.legs[LegSide::B.index()])
    }

    pub(super) fn arm_no_response(&mut self, now: Instant) {
        if let Some(route) = self.pending.as_ref().and_then(|pending| pending.route.as_ref()) {
            self.deadlines.set(Deadline::NoResponse, now + route.timeout);
        }
    }

    fn arm_no_answer(&mut self, context: &Context, now: Instant) {
        let route = self.pending.as_ref().and_then(|pending| pending.route.as_ref());
        let ours = context.config.no_answer_timeout;
        let patience = route.map_or(ours, |route| route.no_answer_timeout.min(ours));
        self.deadlines.set(Deadline::NoAnswer, now + patience);
    }

    /// A response to the INVITE of `attempt`.
    pub(super) fn handle_setup_response(
        &mut self,
        context: &mut Context,
        now: Instant,
        attempt: u32,
        response: &Message,
        flow: Flow,
    ) {
        let status = response.status().unwrap_or_default();
        let success = (200..300).contains(&status);
        let current = self.pending.as_ref().is_some_and(|p| p.attempt == attempt)
            && matches!(self.setup.state(), SetupState::Calling | SetupState::Proceeding);
        if !current {
            if success {
                self.handle_other_answer(context, now, LegSide::B, response, flow);
            }
            return;
        }
        let is_offer = self.pending.as_ref().is_some_and(|pending| pending.offer.is_none());
        if is_offer && (101..300).contains(&status) {
            let purpose = (ClientPurpose::Setup { attempt }, LegSide::B);
            if self.response_waits(context, now, purpose, response, flow) {
                return;
            }
        }
        self.note_target_response(context, now, status, response);
        self.follow_answer(context, flow);
        if (101..300).contains(&status) {
            self.note_route_works(context);
        }
        match status {
            100 => self.route_trying(now),
            101..200 => self.progress(context, now, status, response),
            200..300 => self.answered(context, now, response),
            _ => self.route_failed(context, now, status, Some(response)),
        }
    }

    /// 100 says that the next hop is alive and works on it. Reaching a telephone may take it ten
    /// seconds, so the route gets [`TRYING_FACTOR`] times its patience before a further one is
    /// tried; the last one is given the time that it needs.
    fn route_trying(&mut self, now: Instant) {
        let Some(pending) = self.pending.as_ref() else { return };
        let redirected = !pending.redirections.is_empty();
        let alone = pending.targets.is_empty() && pending.bindings.is_empty();
        if alone && pending.hunt.is_exhausted() && !redirected {
            self.deadlines.clear(Deadline::NoResponse);
        } else if let Some(route) = &pending.route {
            self.deadlines.set(Deadline::NoResponse, now + route.timeout * TRYING_FACTOR);
        }
    }

    pub(super) fn handle_setup_failure(
        &mut self,
        context: &mut Context,
        now: Instant,
        attempt: u32,
        failure: NoResponse,
    ) {
        let current = self.pending.as_ref().is_some_and(|p| p.attempt == attempt)
            && matches!(self.setup.state(), SetupState::Calling | SetupState::Proceeding);
        if current {
            let status = match failure {
                NoResponse::Timeout => 408,
                NoResponse::Unreachable => 503,
            };
            self.note_target_failure(context, now, None);
            self.route_failed(context, now, status, None);
        }
    }

    /// The present route has failed: the next one is tried, or leg A hears about it.
    fn route_failed(
        &mut self,
        context: &mut Context,
        now: Instant,
        status: u16,
        response: Option<&Message>,
    ) {
        self.deadlines.clear(Deadline::NoResponse);
        self.deadlines.clear(Deadline::NoAnswer);
        self.take_redirect(context, status, response);
        let Some(pending) = self.pending.as_mut() else { return };
        pending.client = None;
        if status == 422
            && pending.interval_refusals < MAX_INTERVAL_REFUSALS
            && let Some(response) = response
        {
            let session = &mut self.legs[LegSide::B.index()].session;
            if let Some(seconds) = session.refused(response, pending.session_seconds) {
                pending.session_seconds = seconds;
                pending.interval_refusals += 1;
                self.call_again(context, now);
                return;
            }
        }
        // A target that is dead or has no time (RFC 3263 section 4.3) says nothing about the others
        // of its name; any other failure speaks for all of them.
        pending.targets.expire(now);
        if response.is_some() && status != 503 {
            pending.targets.clear();
            pending.bindings.clear();
        }
        let more_targets = !pending.targets.is_empty() || !pending.bindings.is_empty();
        // A leg A that has answered the offer of this route cannot answer another one's.
        let bound =
            pending.offer.is_none() && (self.reliable.agreed || self.reliable.is_describing());
        if !more_targets {
            self.note_route_failure(context, now, status, response);
        }
        let Some(pending) = self.pending.as_ref() else { return };
        let redirected = !pending.redirections.is_empty();
        let ends = bound || (!more_targets && !redirected && self.ends_hunt(status, response));
        let Some(pending) = self.pending.as_mut() else { return };
        pending.hunt.note(status);
        let told = pending.hunt.best().unwrap_or(status);
        self.abort_renegotiation(context, now);
        if !ends {
            context.statistics.target_failovers += u64::from(more_targets);
            self.next_route(context, now);
            return;
        }
        let ended_by = if response.is_some() { EndedBy::LegB } else { EndedBy::Edge };
        self.pass_failure(
            context,
            now,
            told,
            response.filter(|r| r.status() == Some(told)),
            ended_by,
        );
    }

    /// The same route once more, after it asked for a longer session interval.
    fn call_again(&mut self, context: &mut Context, now: Instant) {
        self.setup.go(SetupState::Routing);
        self.call_leg_b(context, now);
    }

    /// The route has not answered at all.
    pub(super) fn route_silent(&mut self, context: &mut Context, now: Instant) {
        match self.setup.state() {
            SetupState::Resolving => {
                if let Some(pending) = self.pending.as_mut() {
                    pending.hunt.note(503);
                }
                self.note_route_unresolved(context, now);
                self.next_route(context, now);
            }
            SetupState::Calling => {
                self.abandon_attempt(context, now);
                self.note_target_failure(context, now, None);
                self.route_failed(context, now, 408, None);
            }
            SetupState::Allocating => self.relay_silent(context, now),
            _ => {}
        }
    }

    /// Leg B rings and nobody answers: that is the callee's doing, so no other route is tried.
    pub(super) fn not_answered(&mut self, context: &mut Context, now: Instant) {
        // Where an application decides, it has not.
        let waits = matches!(
            self.setup.state(),
            SetupState::Calling | SetupState::Proceeding | SetupState::Steered
        );
        if !waits {
            return;
        }
        self.abandon_attempt(context, now);
        self.refuse_with(context, now, 480, "no answer", None, |composer| {
            composer.header(HeaderName::Reason, "Q.850;cause=19;text=\"No answer\"");
        });
    }

    /// Cancels leg B's INVITE. Its transaction lives on for the outcome, and a 2xx that crosses the
    /// CANCEL is acknowledged and hung up.
    pub(super) fn abandon_attempt(&mut self, context: &mut Context, now: Instant) {
        if self.setup.state() == SetupState::Withheld {
            // Answered and acknowledged there already.
            self.send_bye(context, now, LegSide::B, None);
            return;
        }
        let client = self.pending.as_mut().and_then(|pending| pending.client.take());
        if let Some(client) = client {
            let _ = context.endpoint.cancel(now, client, context.random.as_mut());
        }
    }

    /// Leg A gave up.
    pub(super) fn cancel_setup(&mut self, context: &mut Context, now: Instant) {
        if matches!(self.setup.state(), SetupState::Answered | SetupState::Established) {
            return;
        }
        self.abandon_attempt(context, now);
        self.refuse_with(context, now, 487, "cancelled", None, |_| {});
    }
}

/// How much longer a route may take that has answered 100.
const TRYING_FACTOR: u32 = 4;

fn target_of(user: &str, leg: &Leg) -> String {
    let mut uri = String::with_capacity(96);
    uri.push_str(secure::scheme(leg.secure));
    uri.push_str(user);
    uri.push('@');
    push_address(&mut uri, leg.flow.remote);
    if !leg.secure {
        uri.push_str(leg::transport_parameter(leg.flow.protocol));
    }
    uri
}
