//! From leg A's INVITE to the choice of a route and its media: everything before leg B's INVITE.

use super::Call;
use super::forks::Forks;
use super::redirection::Redirections;
use super::targets::Targets;
use crate::admission::Admission;
use crate::caller::Caller;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::edge::{Output, ResolveId};
use crate::encryption;
use crate::hunt::Hunt;
use crate::machine::State;
use crate::media::{BodyFault, description_in, refuse_own_address};
use crate::registrar::Binding;
use crate::secure;
use crate::session_timer::seconds;
use bytes::Bytes;
use directory::{Host, Route, Snapshot};
use model::{CallDirection, CallEventKind, EndedBy, Instant, LegSide, Refusal, Side};
use sdp::SessionDescription;
use sip_proto::locate::{Target, Wanted};
use sip_proto::{ClientKey, HeaderName, Message, ServerKey};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

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
    /// An application decides what becomes of the call.
    Steered,
    /// Leg B answered; our 2xx waits for leg A's PRACK (RFC 3262 section 3).
    Withheld,
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
            Steered, Withheld,
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
            (Allocating, Answered),
            (Allocating, Steered),
            (Allocating, Failed),
            (Calling, Routing),
            (Calling, Proceeding),
            (Calling, Answered),
            (Calling, Failed),
            (Proceeding, Routing),
            (Proceeding, Answered),
            (Proceeding, Failed),
            (Calling, Withheld),
            (Proceeding, Withheld),
            (Withheld, Answered),
            (Withheld, Failed),
            (Steered, Answered),
            (Steered, Failed),
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
    /// Leg B's offer from a reliable provisional response, which leg A's PRACK will answer.
    pub(super) early_offer: Option<SessionDescription>,
    /// Leg B's 2xx as it came, where calls are kept over a restart.
    pub(super) answer: Option<Bytes>,
    /// Leg B's last answer from a provisional response.
    pub(super) early_answer: Option<SessionDescription>,
    /// The answer that leg A was given before the 2xx.
    pub(super) told: Option<Vec<u8>>,
    /// The early dialog of leg B whose description leg A has acknowledged.
    pub(super) agreed_with: Option<Box<str>>,
    /// What leg A has yet to learn of, because it was told something else before.
    pub(super) realign: Option<SessionDescription>,
    /// Leg B's 2xx and the body for leg A, while they wait for leg A's PRACK.
    pub(super) withheld: Option<(Message, Option<Vec<u8>>)>,
    pub(super) redirections: Redirections,
    /// Leg B's early dialogs.
    pub(super) forks: Forks,
    /// Number of the present INVITE to leg B.
    pub(super) invite_cseq: u32,
    pub(super) hunt: Hunt,
    pub(super) route: Option<Route>,
    /// Targets of the present route that are still to be tried (RFC 3263 section 4.3).
    pub(super) targets: Targets,
    /// Bindings of the present route that are still to be tried, and the one that is.
    pub(super) bindings: VecDeque<Arc<Binding>>,
    pub(super) binding: Option<Arc<Binding>>,
    /// The target that is being tried.
    pub(super) destination: Option<Target>,
    pub(super) client: Option<ClientKey>,
    pub(super) attempt: u32,
    pub(super) session_seconds: u32,
    /// How often the present route has asked for a longer session interval.
    pub(super) interval_refusals: u8,
    /// The question that the resolver has not answered.
    pub(super) resolving: Option<ResolveId>,
    pub(super) ringing_noted: bool,
    pub(super) session_answer: Option<crate::session_timer::SessionAnswer>,
    /// `None` when the caller may not call.
    pub(super) caller: Option<Caller>,
}

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
        if self.deadlines.at(Deadline::Lifetime).is_none() {
            self.deadlines.set(Deadline::Lifetime, now + config.max_call_duration);
        }
        let session_seconds = seconds(config.session_expires);
        let (routes, insecure_only) =
            secure::usable(self.routes(context, admission), self.legs[LegSide::A.index()].secure);
        let routes = context.health.sort(now, routes, &mut context.statistics);
        context.event(self.id, now, CallEventKind::Attempted { parties: self.parties.clone() });
        if let Some(verification) = admission.verification {
            context.event(self.id, now, CallEventKind::CallerVerified(verification));
        }
        self.decide_listening(&invite);
        self.decide_copying(&invite);
        let caller = self.caller_of(&context.directory, &invite, admission);
        self.adopt_caller(&invite);
        self.register_leg(context, LegSide::A);
        self.open_invite(context, server, LegSide::A);
        let identity = self.legs[LegSide::A.index()].flow.identity;
        context.endpoint.expect_peer(server, identity);
        let body = description_in(&invite).and_then(|offer| match offer {
            Some(offer) if offer.audio_ref().is_none() => Err(BodyFault::NotAcceptable),
            Some(offer) => self
                .media
                .check(LegSide::A, &offer)
                .and_then(|()| refuse_own_address(&offer, &context.own_media))
                .map(|()| Some(offer)),
            None => Ok(None),
        });
        let (offer, fault) = match body {
            Ok(offer) => (offer, None),
            Err(fault) => (None, Some(fault)),
        };
        self.note_excuses(context, now, offer.as_ref());
        self.pending = Some(Box::new(PendingSetup {
            server,
            invite,
            offer,
            delayed_offer: None,
            early_offer: None,
            answer: None,
            early_answer: None,
            told: None,
            agreed_with: None,
            realign: None,
            withheld: None,
            redirections: Redirections::default(),
            forks: Forks::default(),
            invite_cseq: 0,
            hunt: Hunt::new(routes.alive, routes.dead),
            route: None,
            targets: Targets::default(),
            bindings: VecDeque::new(),
            binding: None,
            destination: None,
            client: None,
            attempt: 0,
            session_seconds,
            interval_refusals: 0,
            resolving: None,
            ringing_noted: false,
            session_answer: None,
            caller: caller.as_ref().ok().cloned(),
        }));
        match fault {
            _ if insecure_only && !self.is_recording() && !self.is_steered() => {
                self.refuse_sips(context, now)
            }
            _ if caller.is_err() => self.refuse_caller(context, now),
            Some(fault) => self.refuse_body(context, now, fault),
            None if !self.accept_session_timer(context, now) => {}
            None if self.is_recording() => self.take_recording(context, now),
            None if self.is_outbound_steered() => self.call_out(context, now),
            None if self.is_steered() => self.take_steered(context, now),
            None if self.takeover.is_replacement() => self.allocate_replacement(context, now),
            None => self.next_route(context, now),
        }
    }

    /// Who calls, by the voice connector's policy. A call that replaces a leg tells nobody, nor does one
    /// that is recorded.
    fn caller_of(
        &self,
        directory: &Snapshot,
        invite: &Message,
        admission: &Admission,
    ) -> Result<Caller, Refusal> {
        if let Some(proxy) = &admission.proxy {
            return Ok(Caller::masked(proxy, &self.voice_connector));
        }
        let by_customer = self.sides[LegSide::A.index()] == Side::Customer;
        match admission.direction {
            // What an application calls is a call of its own, with a caller of its own.
            CallDirection::Outbound
                if !self.takeover.is_replacement()
                    && !self.is_recording()
                    && (!self.is_steered() || self.is_outbound_steered()) =>
            {
                let is_emergency = admission.emergency.is_some();
                Caller::outbound(
                    invite,
                    directory,
                    &self.voice_connector,
                    by_customer,
                    is_emergency,
                )
            }
            _ => Ok(Caller::inbound(invite, admission)),
        }
    }

    fn refuse_caller(&mut self, context: &mut Context, now: Instant) {
        let refusal = Refusal::CallerNotAllowed;
        let cause = "the calling number is not the voice connector's";
        self.fail(context, now, refusal.status(), cause, EndedBy::Edge, Some(refusal));
    }

    fn routes(&self, context: &mut Context, admission: &Admission) -> Vec<Route> {
        let directory = context.directory.clone();
        let random = &mut context.random;
        let mut draw = || random.next_u64();
        let connector = &admission.voice_connector;
        match admission.direction {
            // Nobody is called.
            _ if admission.is_recording || !admission.applications.is_empty() => Vec::new(),
            CallDirection::Outbound if admission.emergency.is_some() => {
                directory.emergency_routes(connector, &admission.called, &mut draw)
            }
            CallDirection::Outbound => directory.outbound_routes(&admission.called, &mut draw),
            CallDirection::Inbound => {
                let mut routes = directory.inbound_routes(connector, &mut draw);
                for other in &admission.alternates {
                    routes.append(&mut directory.inbound_routes(other, &mut draw));
                }
                routes
            }
        }
    }

    /// Takes leg A's identity and dialog from its INVITE.
    fn adopt_caller(&mut self, invite: &Message) {
        let leg = &mut self.legs[LegSide::A.index()];
        leg.adopt_request(invite);
        leg.note_abilities(invite);
    }

    pub(super) fn refuse_body(&mut self, context: &mut Context, now: Instant, fault: BodyFault) {
        let refusal = fault.refusal();
        let cause = "session description refused";
        self.refuse_with(context, now, fault.status(), cause, refusal, |composer| {
            if let Some(refusal) = refusal {
                encryption::explain(composer, refusal);
            }
            if fault == BodyFault::UnsupportedType {
                // RFC 3261 section 21.4.13.
                composer.header(HeaderName::Accept, "application/sdp");
            }
        });
    }

    /// A sips call that no route could carry under TLS.
    fn refuse_sips(&mut self, context: &mut Context, now: Instant) {
        let refusal = Refusal::SipsNotAllowed;
        let reason = "no route is encrypted";
        self.refuse_with(context, now, refusal.status(), reason, Some(refusal), |composer| {
            secure::explain(composer, refusal);
        });
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

    /// Tries the next target of the present route, or the next route, or gives up.
    pub(super) fn next_route(&mut self, context: &mut Context, now: Instant) {
        if self.pending.is_none() {
            return;
        }
        self.setup.go(SetupState::Routing);
        if self.next_binding(context, now) {
            return;
        }
        let Some(pending) = self.pending.as_mut() else { return };
        if let Some(target) = pending.targets.pop_front() {
            self.place(context, now, target);
            return;
        }
        let Some(route) = self.choose_route(context, now) else {
            self.no_route_left(context, now);
            return;
        };
        let Some(pending) = self.pending.as_mut() else { return };
        pending.interval_refusals = 0;
        pending.route = Some(route);
        if self.follow_registered_route(context, now) {
            return;
        }
        let Some(pending) = self.pending.as_mut() else { return };
        let Some(route) = pending.route.as_ref() else { return };
        let secure = self.legs[LegSide::A.index()].secure;
        let wanted = match &route.host {
            Host::Ip(ip) => {
                let port = route.port.unwrap_or(route.protocol.default_port());
                let target = Target::literal(SocketAddr::new(*ip, port), route.protocol);
                self.place(context, now, target);
                return;
            }
            Host::Name(name) => wanted(name, route, secure),
        };
        self.setup.go(SetupState::Resolving);
        let id = self.next_resolve_id();
        let Some(pending) = self.pending.as_mut() else { return };
        pending.resolving = Some(id);
        // A resolver that never answers must not hold the call.
        self.arm_no_response(now);
        context.outputs.push_back(Output::Resolve { id, wanted });
    }

    fn next_resolve_id(&mut self) -> ResolveId {
        self.media_serial = self.media_serial.wrapping_add(1);
        self.key.resolve_id(self.media_serial)
    }

    /// Has the next hops of both dialogs looked up where they are names.
    pub(crate) fn locate_next_hops(&mut self, context: &mut Context, now: Instant) {
        if !self.is_live() {
            return;
        }
        let key = self.key;
        for side in LegSide::BOTH {
            let leg = &mut self.legs[side.index()];
            let Some(dialog) = &leg.dialog else { continue };
            let Some(wanted) = leg.next_hop.question(now, key, dialog, leg.flow.protocol) else {
                continue;
            };
            let id = self.next_resolve_id();
            self.legs[side.index()].next_hop.asked(id);
            context.outputs.push_back(Output::Resolve { id, wanted });
        }
    }

    pub(super) fn no_route_left(&mut self, context: &mut Context, now: Instant) {
        let known = self.pending.as_ref().and_then(|pending| pending.hunt.best());
        match known {
            Some(status) => {
                let told = crate::redirect::status_for_caller(status);
                self.fail(context, now, told, "no route answered", EndedBy::Edge, None);
            }
            None if self.pending.as_ref().is_some_and(|pending| pending.hunt.met_busy()) => {
                self.refuse_overload(context, now, Refusal::RoutesFull);
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

    pub(super) fn refuse_overload(
        &mut self,
        context: &mut Context,
        now: Instant,
        refusal: Refusal,
    ) {
        let retry = crate::policing::Policing::retry_after(refusal);
        self.refuse_with(context, now, 503, refusal.name(), Some(refusal), |composer| {
            if let Some(seconds) = retry {
                composer.header_args(HeaderName::RetryAfter, format_args!("{seconds}"));
            }
        });
    }
}

/// What to ask the resolver about a route to a name.
fn wanted(name: &Arc<str>, route: &Route, secure: bool) -> Wanted {
    // With a port there is nothing to choose (RFC 3263 section 4.1).
    let chosen = route.choose_transport && route.port.is_none();
    let transport = (!chosen).then_some(route.protocol);
    Wanted { host: name.clone(), port: route.port, transport, secure }
}
