//! Changes of an established call's media: re-INVITE and UPDATE with a description, hold and
//! resume among them, and the refreshes of a leg's own session timer.
//!
//! One exchange runs at a time. It passes to the other leg as a re-INVITE, and the asking leg gets
//! that one's outcome; a rejected offer leaves everything as it was (RFC 3264 section 8).

use super::answer::{host_of, number, success_headers};
use super::setup::SetupState;
use super::{Call, ClientPurpose};
use crate::body::with_body;
use crate::carry;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::leg::{ALLOW, IN_DIALOG_SUPPORTED};
use crate::machine::{Machine, State};
use crate::media::{Undo, description_in, refuse_own_address};
use crate::session_timer::SessionAnswer;
use model::{Instant, LegSide};
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
pub(super) struct Exchange {
    pub(super) from: LegSide,
    /// The asking leg's transaction; `None` once it has its final response.
    pub(super) server: Option<ServerKey>,
    pub(super) request: Message,
    /// The asking leg's offer; `None` when its re-INVITE had none.
    pub(super) offer: Option<SessionDescription>,
    /// The other leg's offer, which the asking leg's ACK will answer.
    pub(super) delayed_offer: Option<SessionDescription>,
    /// Our request on the other leg, which brings the offer.
    pub(super) method: Method<'static>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) client: Option<ClientKey>,
    /// Its number.
    pub(super) cseq: u32,
    /// How often the other leg has asked for a longer session interval.
    pub(super) interval_refusals: u8,
    pub(super) undo: Undo,
    pub(super) session: Option<SessionAnswer>,
}

/// The sub-machine.
#[derive(Default)]
pub(crate) struct Renegotiation {
    pub(super) machine: Machine<RenegotiationState>,
    pub(super) exchange: Option<Box<Exchange>>,
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

    pub(super) fn finish(&mut self) -> Option<Box<Exchange>> {
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
        let is_update = request.method() == Some(Method::Update);
        let early = self.setup.state() != SetupState::Established;
        if early && is_update && request.body_bytes().is_empty() {
            self.answer_early_update(context, now, from, server, request);
            return;
        }
        let refusal = if early && is_update { self.early_refusal(from) } else { self.glare(from) };
        if let Some(status) = refusal {
            self.refuse_glare(context, now, from, server, request, status);
            return;
        }
        let offer = match description_in(request).and_then(|offer| match offer {
            Some(offer) => refuse_own_address(&offer, &context.own_media).map(|()| Some(offer)),
            None => Ok(None),
        }) {
            Ok(offer) => offer,
            Err(fault) => {
                self.refuse_offer(context, now, from, server, request, fault);
                return;
            }
        };
        let waits = match &offer {
            offer if self.is_alone() => {
                self.pictures_wait(context, now, server, request, offer.as_ref())
            }
            Some(offer) => self.request_waits(context, now, from, server, request, offer),
            None => false,
        };
        if waits {
            return;
        }
        let session = if early {
            None
        } else {
            let Some(session) = self.negotiate_session(context, now, from, server, request) else {
                return;
            };
            session
        };
        let leg = &mut self.legs[from.index()];
        leg.note_abilities(request);
        if let Some(dialog) = leg.dialog.as_mut() {
            dialog.update_remote_target(request);
        }
        self.note_listening(context, from, request);
        let unchanged = match &offer {
            Some(offer) => self.media.is_unchanged(from, offer) && !self.was_offered_in_room(),
            None => is_update,
        };
        if self.is_alone() && !unchanged {
            self.answer_offer_alone(context, now, server, request, offer.as_ref(), session);
        } else if unchanged {
            self.answer_refresh(context, now, from, server, request, session);
        } else {
            // A re-INVITE may need a person, which only a re-INVITE gives the time for.
            let takes_update = self.legs[from.other().index()].takes_update;
            let method = if is_update && takes_update { Method::Update } else { Method::Invite };
            self.forward_offer(context, now, from, server, request, offer, session, method);
        }
    }

    /// RFC 3261 section 14.2: 491 while a request of ours is under way on that leg, 500 while an
    /// earlier one of the leg itself is.
    pub(super) fn glare(&self, from: LegSide) -> Option<u16> {
        if self.setup.state() != SetupState::Established {
            return Some(if from == LegSide::A { 500 } else { 491 });
        }
        let moving = self.takeover.is_joining() || self.referral.is_leaving();
        if self.is_waiting_alone() || moving {
            return Some(491);
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

    pub(super) fn refuse_glare(
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
    pub(super) fn negotiate_session(
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

    /// Passes an offer, or the wish for one, to the other leg in a request of `method`.
    #[expect(clippy::too_many_arguments, reason = "the parts of one request, each used once")]
    pub(super) fn forward_offer(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
        offer: Option<SessionDescription>,
        session: Option<SessionAnswer>,
        method: Method<'static>,
    ) {
        let to = from.other();
        let undo = self.media.before_offer(to);
        let random = context.random.as_mut();
        let body = match offer.as_ref().map(|offer| self.media.write_offer(random, to, offer)) {
            Some(Ok(body)) => Some(body),
            Some(Err(fault)) => {
                self.refuse_offer(context, now, from, server, request, fault);
                return;
            }
            None => None,
        };
        let mut exchange = Box::new(Exchange {
            from,
            server: Some(server),
            request: request.clone(),
            offer,
            delayed_offer: None,
            method,
            body,
            client: None,
            cseq: 0,
            interval_refusals: 0,
            undo,
            session,
        });
        if let Err(status) = self.send_exchange(context, now, &mut exchange) {
            self.media.undo(exchange.undo);
            self.release_unused_lines(context);
            self.legs[from.index()].answer(context, now, server, request, status);
            return;
        }
        if request.method() == Some(Method::Invite) {
            self.open_invite(context, server, from);
        }
        if method == Method::Invite {
            // A re-INVITE may take as long as a person needs, an UPDATE may not.
            let patience = match request.method() {
                Some(Method::Invite) => context.config.no_answer_timeout,
                _ => UPDATE_PATIENCE,
            };
            self.deadlines.set(Deadline::Renegotiation, now + patience);
        }
        self.renegotiation.machine.go(RenegotiationState::Forwarded);
        self.renegotiation.exchange = Some(exchange);
    }

    /// Sends the request of an exchange, for the first time or again.
    ///
    /// # Errors
    /// The status for the asking leg, when it cannot be sent.
    pub(super) fn send_exchange(
        &mut self,
        context: &mut Context,
        now: Instant,
        exchange: &mut Exchange,
    ) -> Result<(), u16> {
        let (to, method) = (exchange.from.other(), exchange.method);
        let direction = self.towards(to);
        let (mut composer, branch, flow) = if method == Method::Prack {
            self.compose_prack(context).ok_or(500_u16)?
        } else {
            let leg = &mut self.legs[to.index()];
            let cseq = leg.next_cseq();
            let (mut composer, branch, flow) = leg.request(context, method, cseq).ok_or(500_u16)?;
            composer
                .header(HeaderName::Contact, leg.contact())
                .header(HeaderName::Allow, ALLOW)
                .header(HeaderName::Supported, IN_DIALOG_SUPPORTED);
            if let Some(interval) = leg.session.interval_seconds() {
                composer.header_args(HeaderName::SessionExpires, format_args!("{interval}"));
                if leg.session.min_se_seconds > 0 {
                    let min_se = leg.session.min_se_seconds;
                    composer.header_args(HeaderName::MinSe, format_args!("{min_se}"));
                }
            }
            composer.header(HeaderName::UserAgent, &context.config.product);
            (composer, branch, flow)
        };
        let leg = &self.legs[to.index()];
        exchange.cseq = leg.cseq;
        carry::carry(&mut composer, &exchange.request, direction, &host_of(leg));
        let bytes =
            with_body(composer, &exchange.request, exchange.body.as_deref(), direction.is_masked);
        let client = context.send(now, flow, &branch, method, bytes).ok_or(503_u16)?;
        exchange.client = Some(client);
        self.open_client(context, client, ClientPurpose::Renegotiation(to));
        Ok(())
    }
}
