//! From leg A's INVITE to its ACK: routing, media, and the hunt over leg B's routes.

use super::{Call, ClientPurpose, NoResponse};
use crate::admission::Admission;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::edge::{Output, ResolveId};
use crate::hunt::Hunt;
use crate::leg::{Leg, via};
use crate::machine::State;
use crate::media::{BodyFault, description_in, refuse_own_address};
use crate::session_timer::{SessionTimer, seconds};
use crate::{carry, leg};
use directory::{Host, Route};
use model::{
    AllocationFailure, CallDirection, CallEventKind, EndedBy, Flow, Instant, IpFamily, LegSide,
    LocalMedia, MediaCommand, MediaId, Refusal,
};
use sdp::SessionDescription;
use sip_proto::{ClientKey, Composer, HeaderName, Message, Method, ServerKey};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Where a call setup is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SetupState {
    /// Choosing the next route.
    Routing,
    /// Waiting for the address of a route that is named.
    Resolving,
    /// Waiting for the relay's ports.
    Allocating,
    /// The INVITE to leg B is out.
    Calling,
    /// Leg B sent a provisional response beyond 100.
    Proceeding,
    /// Leg B answered, and so did we; leg A has not acknowledged.
    Answered,
    /// Leg A has acknowledged.
    Established,
    /// Leg A got a final response other than 2xx.
    Failed,
}

impl State for SetupState {
    const INITIAL: Self = SetupState::Routing;
    const EDGES: &'static [(Self, Self)] = {
        use SetupState::{
            Allocating, Answered, Calling, Established, Failed, Proceeding, Resolving, Routing,
        };
        &[
            (Routing, Resolving),
            (Routing, Allocating),
            (Routing, Calling),
            (Routing, Failed),
            (Resolving, Routing),
            (Resolving, Failed),
            (Allocating, Calling),
            (Allocating, Routing),
            (Allocating, Failed),
            (Calling, Routing),
            (Calling, Proceeding),
            (Calling, Answered),
            (Calling, Failed),
            (Proceeding, Routing),
            (Proceeding, Answered),
            (Proceeding, Failed),
            (Answered, Established),
        ]
    };
}

/// What a setup needs and an established call does not.
pub(crate) struct PendingSetup {
    pub(super) server: ServerKey,
    pub(super) invite: Message,
    /// Leg A's offer; `None` when its INVITE had none and leg B's 2xx brings it.
    pub(super) offer: Option<SessionDescription>,
    /// Leg B's offer that waits for the answer in leg A's ACK.
    pub(super) delayed_offer: Option<SessionDescription>,
    /// Leg B's answer from a provisional response.
    pub(super) early_answer: Option<SessionDescription>,
    hunt: Hunt,
    route: Option<Route>,
    /// Addresses of the present route that are still to be tried.
    addresses: VecDeque<SocketAddr>,
    destination: Option<SocketAddr>,
    pub(super) client: Option<ClientKey>,
    pub(super) attempt: u32,
    session_seconds: u32,
    /// How often the present route has asked for a longer session interval.
    interval_refusals: u8,
    /// The question that the resolver has not answered.
    resolving: Option<ResolveId>,
    pub(super) ringing_noted: bool,
    pub(super) session_answer: Option<crate::session_timer::SessionAnswer>,
}

/// A route that still refuses the interval after it got what it asked for twice is broken.
const MAX_INTERVAL_REFUSALS: u8 = 2;

impl Call {
    /// Sets an admitted call going.
    pub(crate) fn start(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        invite: Message,
        admission: &Admission,
    ) {
        let config = &context.config;
        self.deadlines.set(Deadline::Lifetime, now + config.max_call_duration);
        let session_seconds = seconds(config.session_expires);
        let routes = self.routes(context, admission);
        context.event(self.id, now, CallEventKind::Attempted { parties: self.parties.clone() });
        self.adopt_caller(&invite);
        self.register_leg(context, LegSide::A);
        self.open_invite(context, server, LegSide::A);
        let body = description_in(&invite).and_then(|offer| match offer {
            Some(offer) if offer.audio().is_none() => Err(BodyFault::NotAcceptable),
            Some(offer) => refuse_own_address(&offer, &context.own_media).map(|()| Some(offer)),
            None => Ok(None),
        });
        let (offer, fault) = match body {
            Ok(offer) => (offer, None),
            Err(fault) => (None, Some(fault)),
        };
        self.pending = Some(Box::new(PendingSetup {
            server,
            invite,
            offer,
            delayed_offer: None,
            early_answer: None,
            hunt: Hunt::new(routes),
            route: None,
            addresses: VecDeque::new(),
            destination: None,
            client: None,
            attempt: 0,
            session_seconds,
            interval_refusals: 0,
            resolving: None,
            ringing_noted: false,
            session_answer: None,
        }));
        match fault {
            Some(fault) => self.refuse_body(context, now, fault),
            None if self.accept_session_timer(context, now) => self.next_route(context, now),
            None => {}
        }
    }

    fn routes(&self, context: &mut Context, admission: &Admission) -> Vec<Route> {
        let directory = context.directory.clone();
        let random = &mut context.random;
        let mut draw = || random.next_u64();
        match admission.direction {
            CallDirection::Outbound => directory.outbound_routes(&admission.called, &mut draw),
            CallDirection::Inbound => {
                directory.inbound_routes(&admission.voice_connector, &mut draw)
            }
        }
    }

    /// Takes leg A's identity and dialog from its INVITE.
    fn adopt_caller(&mut self, invite: &Message) {
        let leg = &mut self.legs[LegSide::A.index()];
        leg.adopt_request(invite);
        leg.note_abilities(invite);
    }

    fn refuse_body(&mut self, context: &mut Context, now: Instant, fault: BodyFault) {
        let refusal = (fault == BodyFault::NotAcceptable).then_some(Refusal::NotAcceptable);
        self.fail(
            context,
            now,
            fault.status(),
            "session description refused",
            EndedBy::Edge,
            refusal,
        );
    }

    /// Settles leg A's session timer; `false` when its interval was refused.
    fn accept_session_timer(&mut self, context: &mut Context, now: Instant) -> bool {
        let (ours, min_se) = (context.config.session_expires, context.config.min_se);
        let Some(pending) = self.pending.as_mut() else { return false };
        let leg = &mut self.legs[LegSide::A.index()];
        match leg.session.answer(&pending.invite, ours, min_se) {
            Ok(answer) => {
                pending.session_answer = answer;
                true
            }
            Err(too_small) => {
                self.refuse_with(context, now, 422, "session interval too small", None, |c| {
                    c.header_args(HeaderName::MinSe, format_args!("{}", too_small.min_se_seconds));
                });
                false
            }
        }
    }

    /// Tries the next address of the present route, or the next route, or gives up.
    fn next_route(&mut self, context: &mut Context, now: Instant) {
        let Some(pending) = self.pending.as_mut() else { return };
        self.setup.go(SetupState::Routing);
        if let Some(address) = pending.addresses.pop_front() {
            self.place(context, now, address);
            return;
        }
        let Some(route) = pending.hunt.next() else {
            self.no_route_left(context, now);
            return;
        };
        let port = route.port.unwrap_or(route.protocol.default_port());
        let host = route.host.clone();
        let protocol = route.protocol;
        pending.route = Some(route);
        pending.interval_refusals = 0;
        match host {
            Host::Ip(ip) => self.place(context, now, SocketAddr::new(ip, port)),
            Host::Name(host) => {
                self.setup.go(SetupState::Resolving);
                self.media_serial = self.media_serial.wrapping_add(1);
                let id = self.key.resolve_id(self.media_serial);
                pending.resolving = Some(id);
                // A resolver that never answers must not hold the call.
                self.arm_no_response(now);
                context.outputs.push_back(Output::Resolve { id, host, port: Some(port), protocol });
            }
        }
    }

    fn no_route_left(&mut self, context: &mut Context, now: Instant) {
        let known = self.pending.as_ref().and_then(|pending| pending.hunt.best());
        match known {
            Some(status) => {
                let told = crate::redirect::status_for_caller(status);
                self.fail(context, now, told, "no route answered", EndedBy::Edge, None);
            }
            None => {
                let refusal = match self.parties.direction {
                    CallDirection::Outbound => Refusal::NoRoute,
                    CallDirection::Inbound => Refusal::NoOrigination,
                };
                self.fail(context, now, refusal.status(), "no route", EndedBy::Edge, Some(refusal));
            }
        }
    }

    /// The resolver answered for the present route.
    pub(crate) fn handle_resolved(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: ResolveId,
        addresses: Vec<SocketAddr>,
    ) {
        let Some(pending) = self.pending.as_mut() else { return };
        // An answer for a route that was given up meanwhile must not be taken for this one's.
        if self.setup.state() != SetupState::Resolving || pending.resolving != Some(id) {
            return;
        }
        pending.resolving = None;
        self.deadlines.clear(Deadline::NoResponse);
        pending.addresses = addresses.into();
        if pending.addresses.is_empty() {
            pending.hunt.note(503);
        }
        self.next_route(context, now);
    }

    /// Makes sure that the relay has ports of the right families, then calls.
    fn place(&mut self, context: &mut Context, now: Instant, address: SocketAddr) {
        if context.is_own_address(&address) {
            self.fail(
                context,
                now,
                482,
                "the route leads back to us",
                EndedBy::Edge,
                Some(Refusal::Loop),
            );
            return;
        }
        let Some(pending) = self.pending.as_mut() else { return };
        pending.destination = Some(address);
        let leg_a_family = match pending.offer.as_ref().and_then(SessionDescription::audio) {
            Some(audio) => audio.ip_family,
            None => IpFamily::of(&self.legs[LegSide::A.index()].flow.remote),
        };
        let families = [leg_a_family, IpFamily::of(&address)];
        if self.media.fits(families) && self.media.is_allocated() {
            self.call_leg_b(context, now);
            return;
        }
        self.release_media(context);
        self.media_serial = self.media_serial.wrapping_add(1);
        let id = self.key.media_id(self.media_serial);
        self.media.requested(id, families);
        self.setup.go(SetupState::Allocating);
        context.outputs.push_back(Output::Media(MediaCommand::Allocate {
            id,
            transaction_id: self.id,
            families,
        }));
    }

    pub(super) fn media_allocated(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: MediaId,
        local: [LocalMedia; 2],
    ) {
        if self.media.id() != Some(id) || self.setup.state() != SetupState::Allocating {
            // Of a route that is no longer tried, or of a call that has ended meanwhile.
            context.outputs.push_back(Output::Media(MediaCommand::Release { id }));
            return;
        }
        self.media.allocated(local);
        context.own_media.extend(local.iter().map(|media| media.rtp));
        context.event(self.id, now, CallEventKind::MediaAllocated { media: id });
        self.call_leg_b(context, now);
    }

    pub(super) fn media_refused(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: MediaId,
        reason: AllocationFailure,
    ) {
        if self.media.id() != Some(id) || self.setup.state() != SetupState::Allocating {
            return;
        }
        self.media.release();
        match reason {
            AllocationFailure::NoAddress(_) => {
                self.fail(
                    context,
                    now,
                    488,
                    "no media address of the needed family",
                    EndedBy::Edge,
                    Some(Refusal::NotAcceptable),
                );
            }
            AllocationFailure::PortsExhausted => {
                self.refuse_overload(context, now, Refusal::PortsExhausted);
            }
            AllocationFailure::Socket | AllocationFailure::Overloaded => {
                self.refuse_overload(context, now, Refusal::Overloaded);
            }
        }
    }

    fn refuse_overload(&mut self, context: &mut Context, now: Instant, refusal: Refusal) {
        let retry = crate::policing::Policing::retry_after(refusal);
        self.refuse_with(context, now, 503, refusal.name(), Some(refusal), |composer| {
            if let Some(seconds) = retry {
                composer.header_args(HeaderName::RetryAfter, format_args!("{seconds}"));
            }
        });
    }

    /// Sends the INVITE of a new attempt, as a new dialog of its own.
    fn call_leg_b(&mut self, context: &mut Context, now: Instant) {
        let Some(pending) = self.pending.as_mut() else { return };
        let (Some(route), Some(destination)) = (&pending.route, pending.destination) else {
            return;
        };
        let Some(listener) = context.listener_for(route.protocol, &destination) else {
            pending.hunt.note(503);
            self.next_route(context, now);
            return;
        };
        let flow = Flow {
            protocol: route.protocol,
            local: listener.local,
            remote: destination,
            connection: None,
        };
        pending.attempt += 1;
        pending.early_answer = None;
        let (carrier, attempt) = (route.carrier.as_ref().map(|c| c.id.clone()), pending.attempt);
        let protocol = route.protocol;
        let min_se_seconds = self.legs[LegSide::B.index()].session.min_se_seconds;
        let ids = [context.new_token(), context.new_token()];
        let mut leg = Leg::new(flow, listener, ids);
        leg.session = SessionTimer::asking_for(min_se_seconds);
        let host = listener.advertised.ip();
        let host = match host {
            std::net::IpAddr::V4(ip) => ip.to_string(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        };
        leg.local_party = carry::caller_address(&pending.invite, &host).into();
        leg.remote_party = format!("<sip:{}@{destination}>", self.parties.to_user).into();
        leg.cseq = 1;
        let old = std::mem::replace(&mut self.legs[LegSide::B.index()], leg);
        self.forget_leg(context, &old);
        self.register_leg(context, LegSide::B);
        context.event(
            self.id,
            now,
            CallEventKind::Routed { carrier, destination, protocol, attempt },
        );
        self.invite_leg_b(context, now, &host);
    }

    fn invite_leg_b(&mut self, context: &mut Context, now: Instant, host: &str) {
        let direction = self.towards(LegSide::B);
        let Some(pending) = self.pending.as_mut() else { return };
        let leg = &self.legs[LegSide::B.index()];
        let body = match &pending.offer {
            Some(offer) => match self.media.write_offer(LegSide::B, offer) {
                Ok(body) => Some(body),
                Err(fault) => {
                    self.refuse_body(context, now, fault);
                    return;
                }
            },
            None => None,
        };
        let transport = match leg.flow.protocol {
            model::TransportProtocol::Udp => "",
            model::TransportProtocol::Tcp => ";transport=tcp",
            model::TransportProtocol::Tls => ";transport=tls",
        };
        let uri = format!("sip:{}@{}{transport}", self.parties.to_user, leg.flow.remote);
        let branch = context.new_branch();
        let mut composer = Composer::request("INVITE", &uri);
        via(&mut composer, &leg.listener, &branch);
        let hops = pending.invite.max_forwards().ok().flatten().unwrap_or(70).min(255);
        composer
            .header_args(HeaderName::MaxForwards, format_args!("{}", hops.saturating_sub(1)))
            .header_args(
                HeaderName::From,
                format_args!("{};tag={}", leg.local_party, leg.local_tag),
            )
            .header(HeaderName::To, &leg.remote_party)
            .header(HeaderName::CallId, &leg.call_id)
            .header_args(HeaderName::CSeq, format_args!("{} INVITE", leg.cseq))
            .header(HeaderName::Contact, leg.contact())
            .header(HeaderName::Allow, leg::ALLOW)
            .header(HeaderName::Supported, leg::SUPPORTED)
            .header_args(HeaderName::SessionExpires, format_args!("{}", pending.session_seconds));
        let min_se = leg.session.min_se_seconds.max(seconds(context.config.min_se));
        composer
            .header_args(HeaderName::MinSe, format_args!("{min_se}"))
            .header(HeaderName::UserAgent, &context.config.product);
        carry::carry(&mut composer, &pending.invite, direction, host);
        let bytes = match &body {
            Some(body) => composer.body(Some("application/sdp"), body),
            None => composer.finish(),
        };
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

    fn arm_no_response(&mut self, now: Instant) {
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
        self.legs[LegSide::B.index()].flow.connection = flow.connection;
        match status {
            100 => self.route_trying(),
            101..200 => self.progress(context, now, status, response),
            200..300 => self.answered(context, now, response),
            _ => self.route_failed(context, now, status, Some(response)),
        }
    }

    /// 100 says that somebody works on it, not that the callee was reached: a further route is
    /// tried in time all the same, but the last one is given the time that it needs.
    fn route_trying(&mut self) {
        let last = self
            .pending
            .as_ref()
            .is_some_and(|pending| pending.addresses.is_empty() && pending.hunt.is_exhausted());
        if last {
            self.deadlines.clear(Deadline::NoResponse);
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
        // An address of a name that fails says nothing about the callee: the next one is tried.
        let more_addresses = !pending.addresses.is_empty() && (status == 408 || status >= 500);
        let final_codes = match &pending.route {
            Some(route) => &*route.hunt_final_codes,
            None => &[],
        };
        let ends = !more_addresses && pending.hunt.ends_with(status, final_codes);
        pending.hunt.note(status);
        let told = pending.hunt.best().unwrap_or(status);
        if !ends {
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
                self.next_route(context, now);
            }
            SetupState::Calling => {
                self.abandon_attempt(context, now);
                self.route_failed(context, now, 408, None);
            }
            _ => {}
        }
    }

    /// Leg B rings and nobody answers: that is the callee's doing, so no other route is tried.
    pub(super) fn not_answered(&mut self, context: &mut Context, now: Instant) {
        if !matches!(self.setup.state(), SetupState::Calling | SetupState::Proceeding) {
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
