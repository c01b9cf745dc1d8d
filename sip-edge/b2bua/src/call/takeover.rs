//! The call that takes over a leg of another one: the call to a transfer's target, the call that a
//! Replaces header brings, or the transferor's second call. Its own leg `near` goes to the other
//! call, which ends with it, and the leg that came is offered the media of the new far end.

mod for_application;

use super::setup::SetupState;
use super::transactions::exchange_transactions;
use super::trial::Trial;
use super::{Call, ClientPurpose};
use crate::context::{CallKey, Context};
use crate::deadline::Deadline;
use crate::leg::{ALLOW, IN_DIALOG_SUPPORTED};
use crate::machine::{Machine, State};
use crate::media::description_in;
use crate::transfer::{Order, Outcome};
use model::{CallEventKind, Instant, LegSide};
use sdp::SessionDescription;
use sip_proto::{HeaderName, Message, Method};
use std::time::Duration;

/// Where the taking over of a leg is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TakeoverState {
    /// None is under way.
    Idle,
    /// The call to a transfer's target: leg A is nobody yet.
    Target,
    /// A call that replaces a leg waits for its media: leg B is nobody yet.
    Replacement,
    /// Its own far end has answered; the leg is to come.
    Ready,
    /// The leg that came has the new far end's media as an offer.
    Offering,
    /// The far end has the answer to that as an offer.
    Confirming,
    /// The present offer met another one (491) and comes again.
    Waiting,
}

impl State for TakeoverState {
    const INITIAL: Self = TakeoverState::Idle;
    const EDGES: &'static [(Self, Self)] = {
        use TakeoverState::{Confirming, Idle, Offering, Ready, Replacement, Target, Waiting};
        &[
            (Idle, Target),
            (Idle, Replacement),
            (Idle, Ready),
            (Idle, Confirming),
            (Target, Ready),
            (Replacement, Ready),
            (Ready, Idle),
            (Ready, Offering),
            (Offering, Waiting),
            (Offering, Confirming),
            (Offering, Idle),
            (Waiting, Offering),
            (Waiting, Confirming),
            (Waiting, Idle),
            (Confirming, Waiting),
            (Confirming, Idle),
        ]
    };
}

/// The sub-machine.
#[derive(Default)]
pub(crate) struct Takeover {
    machine: Machine<TakeoverState>,
    /// The call and leg that are to come, and our own leg that goes.
    wanted: Option<(CallKey, LegSide, LegSide)>,
    /// What the leg that is to come described, while this call answers in its place.
    pub(super) described: Option<Box<SessionDescription>>,
    /// It is for an application that steers another call, which takes leg B.
    for_application: bool,
    /// The far end is to hear what the leg that came has answered.
    confirm: bool,
    /// The present offer is the one that tells it.
    is_confirming: bool,
    offer: Option<Box<Offer>>,
    tries: u8,
    /// What came before the leg that is asked now, until it agrees.
    pub(super) trial: Option<Box<Trial>>,
}

/// The offer under way.
struct Offer {
    to: LegSide,
    cseq: u32,
    description: SessionDescription,
}

/// How often a leg that is busy is tried again, twice a second: as long as a transaction may take.
const MAX_JOIN_TRIES: u8 = 64;
const JOIN_INTERVAL: Duration = Duration::from_millis(500);
/// How often an offer is repeated that met another one.
const MAX_OFFER_TRIES: u8 = 5;

impl Takeover {
    /// Whether this is the call to a transfer's target, before the leg has come.
    pub(super) fn is_target(&self) -> bool {
        self.machine.state() == TakeoverState::Target
    }

    /// Whether this call replaces a leg of another and waits for its media.
    pub(super) fn is_replacement(&self) -> bool {
        self.machine.state() == TakeoverState::Replacement
    }

    pub(super) fn is_busy(&self) -> bool {
        self.machine.state() != TakeoverState::Idle
    }

    /// The far end that hears what the leg that came has answered; it keeps what it had if it does not
    /// agree.
    pub(super) fn confirms(&self) -> Option<LegSide> {
        let is_confirming = self.is_confirming && self.trial.is_none();
        let offer = self.offer.as_ref().filter(|_| is_confirming)?;
        Some(offer.to)
    }

    /// Whether an offer of ours is with a leg, or about to be.
    pub(super) fn is_joining(&self) -> bool {
        !matches!(
            self.machine.state(),
            TakeoverState::Idle | TakeoverState::Target | TakeoverState::Replacement
        )
    }
}

impl Call {
    /// Makes this the call to a transfer's target; [`Call::start`] follows. It may live as long as
    /// the call that `leg` comes from.
    pub(crate) fn become_target(&mut self, giver: &Call, leg: LegSide) {
        self.takeover.machine.go(TakeoverState::Target);
        self.media.start_leg(LegSide::A, giver.media.encryption(leg), giver.media.habits(leg));
        self.takeover.wanted = Some((giver.key, leg, LegSide::A));
        self.sides[LegSide::A.index()] = giver.sides[leg.index()];
        self.share_copying(giver);
        self.share_lifetime(giver);
    }

    /// Makes this the call that replaces a leg; [`Call::start`] follows.
    pub(crate) fn become_replacement(&mut self, giver: &Call, leg: LegSide) {
        self.takeover.machine.go(TakeoverState::Replacement);
        self.media.start_leg(LegSide::B, giver.media.encryption(leg), giver.media.habits(leg));
        self.takeover.described = giver.media.renewed(leg, None).ok().map(Box::new);
        self.takeover.wanted = Some((giver.key, leg, LegSide::B));
        self.share_copying(giver);
        self.share_lifetime(giver);
    }

    /// Makes this established call the one that takes over `leg` in the place of `near`.
    pub(crate) fn become_taker(&mut self, giver: &Call, leg: LegSide, near: LegSide) {
        self.takeover.machine.go(TakeoverState::Ready);
        self.takeover.wanted = Some((giver.key, leg, near));
        self.share_copying(giver);
        self.takeover.confirm = true;
    }

    /// The hard limit of a call's life holds through every transfer.
    fn share_lifetime(&mut self, other: &Call) {
        for limit in [Deadline::Lifetime, Deadline::DurationCap] {
            let ends = [&self.deadlines, &other.deadlines].map(|d| d.at(limit));
            if let Some(end) = ends.into_iter().flatten().min() {
                self.deadlines.set(limit, end);
            }
        }
    }

    /// Tells the call that wants this one's outcome, while it waits for it.
    pub(super) fn report_target(&mut self, context: &mut Context, outcome: Outcome) {
        let waits = matches!(
            self.takeover.machine.state(),
            TakeoverState::Target | TakeoverState::Replacement | TakeoverState::Ready
        );
        if let (true, Some((to, _, _))) = (waits, self.takeover.wanted) {
            context.orders.push_back(Order::Report { to, outcome });
        }
    }

    /// The transfer's target has answered.
    pub(super) fn target_answered(&mut self, context: &mut Context, now: Instant) {
        self.setup.go(SetupState::Answered);
        self.setup.go(SetupState::Established);
        self.begin_talk(context, now);
        self.pending = None;
        self.legs[LegSide::B.index()].session.arm(&mut self.deadlines, LegSide::B, now);
        context.statistics.answers += 1;
        context.event(self.id, now, CallEventKind::Answered);
        self.ready_to_join(context);
    }

    pub(super) fn ready_to_join(&mut self, context: &mut Context) {
        self.takeover.machine.go(TakeoverState::Ready);
        if let Some((giver, leg, near)) = self.takeover.wanted {
            if self.takeover.for_application {
                context.orders.push_back(Order::Bridged { steered: giver, target: self.key });
                return;
            }
            context.orders.push_back(Order::Join { giver, leg, taker: self.key, near });
        }
    }

    /// The call that asked for this one has ended, or wants it no more.
    pub(crate) fn withdraw(&mut self, context: &mut Context, now: Instant) {
        if self.is_steered() {
            return self.drop_joining_leg(context, now, true, 480);
        }
        let near = self.takeover.wanted.take().map(|(_, _, near)| near);
        match self.takeover.machine.state() {
            TakeoverState::Target => self.cancel_setup(context, now),
            TakeoverState::Ready => {
                self.takeover.machine.go(TakeoverState::Idle);
                self.deadlines.clear(Deadline::Transfer);
                // A leg that is nobody's has nobody to talk to.
                let nobody = near.is_some_and(|side| self.legs[side.index()].dialog.is_none());
                if nobody {
                    self.bye_reason = Some("SIP;cause=487;text=\"Transfer withdrawn\"");
                    self.end_both(context, now, "the transferee hung up", 200);
                }
            }
            _ => {}
        }
    }

    /// Whether nothing is under way on a leg, so that it can go to another call.
    pub(crate) fn can_move(&self, side: LegSide) -> bool {
        let leg = &self.legs[side.index()];
        // Leg A of a steered call may not have acknowledged its answer.
        let is_ready = !self.is_steered() || self.setup.state() == SetupState::Established;
        self.is_live()
            && is_ready
            && !self.renegotiation.is_busy()
            && self.waiting.is_none()
            && !leg.refreshing
            && leg.unacknowledged.is_none()
            && !matches!(
                self.takeover.machine.state(),
                TakeoverState::Offering | TakeoverState::Confirming | TakeoverState::Waiting
            )
    }

    /// One of the two legs is busy: the join is tried again soon, and given up in the end.
    pub(crate) fn join_later(&mut self, context: &mut Context, now: Instant) {
        if self.takeover.machine.state() != TakeoverState::Ready || !self.is_live() {
            return;
        }
        self.takeover.tries += 1;
        if self.takeover.tries > MAX_JOIN_TRIES && self.is_steered() {
            self.withdraw_joining(context, now, 500);
        } else if self.takeover.tries > MAX_JOIN_TRIES {
            self.bye_reason = Some("SIP;cause=500;text=\"Transfer failed\"");
            self.end_both(context, now, "the transferred leg stayed busy", 500);
        } else {
            self.deadlines.set(Deadline::Transfer, now + JOIN_INTERVAL);
        }
    }

    pub(super) fn transfer_due(&mut self, context: &mut Context, now: Instant) {
        match self.takeover.machine.state() {
            TakeoverState::Ready => self.ready_to_join(context),
            TakeoverState::Waiting => self.offer_again(context, now),
            _ => {}
        }
    }

    /// Takes `leg` of `giver` in the place of `near`; `giver` gets that one.
    pub(crate) fn take_leg(
        &mut self,
        context: &mut Context,
        now: Instant,
        near: LegSide,
        giver: &mut Call,
        leg: LegSide,
    ) {
        self.drop_realign();
        giver.drop_realign();
        self.takeover.trial = Some(Box::new(Trial::of(self, near, giver, leg)));
        self.exchange_legs(context, now, near, giver, leg);
        self.remember_own_cap();
        self.share_lifetime(giver);
        giver.leg_leaves(self.id);
        if giver.takeover.for_application {
            giver.takeover.wanted = None;
        }
        self.takeover.wanted = None;
        self.takeover.tries = 0;
        self.takeover.is_confirming = false;
        let far = near.other();
        let sent = self.media.last_sent(near).map(<[u8]>::to_vec);
        match self.media.renewed(far, sent.as_deref()) {
            Ok(description) => self.offer_to(context, now, near, description),
            Err(_) => self.join_is_refused(context, now, 488),
        }
    }

    /// Exchanges two legs with all that belongs to them.
    pub(super) fn exchange_legs(
        &mut self,
        context: &mut Context,
        now: Instant,
        near: LegSide,
        giver: &mut Call,
        leg: LegSide,
    ) {
        self.forget_leg(context, &self.legs[near.index()]);
        giver.forget_leg(context, &giver.legs[leg.index()]);
        std::mem::swap(&mut self.legs[near.index()], &mut giver.legs[leg.index()]);
        std::mem::swap(&mut self.sides[near.index()], &mut giver.sides[leg.index()]);
        std::mem::swap(&mut self.held[near.index()], &mut giver.held[leg.index()]);
        let moved = self.media.swap_leg(near, &mut giver.media, leg);
        context.outputs.extend(moved.into_iter().map(crate::edge::Output::Media));
        self.register_leg(context, near);
        giver.register_leg(context, leg);
        exchange_transactions(context, self, near, giver, leg);
        for (call, side) in [(&mut *self, near), (&mut *giver, leg)] {
            call.legs[side.index()].session.arm(&mut call.deadlines, side, now);
        }
    }

    /// Offers a leg the call's media, in case that it was told of other.
    pub(super) fn offer_anew(&mut self, context: &mut Context, now: Instant, side: LegSide) {
        let sent = self.media.last_sent(side).map(<[u8]>::to_vec);
        let Ok(description) = self.media.renewed(side.other(), sent.as_deref()) else { return };
        self.media.skip_versions(side);
        self.takeover.is_confirming = true;
        self.takeover.tries = 0;
        self.offer_to(context, now, side, description);
    }

    /// Offers `description`, which is the other leg's, to a leg.
    fn offer_to(
        &mut self,
        context: &mut Context,
        now: Instant,
        side: LegSide,
        description: SessionDescription,
    ) {
        let Ok(body) = self.media.write_offer(context.random.as_mut(), side, &description) else {
            self.join_is_refused(context, now, 488);
            return;
        };
        let confirming = self.takeover.is_confirming;
        self.takeover.machine.go(if confirming {
            TakeoverState::Confirming
        } else {
            TakeoverState::Offering
        });
        let leg = &mut self.legs[side.index()];
        let cseq = leg.next_cseq();
        self.takeover.offer = Some(Box::new(Offer { to: side, cseq, description }));
        let Some((mut composer, branch, flow)) = leg.request(context, Method::Invite, cseq) else {
            self.join_is_refused(context, now, 481);
            return;
        };
        composer
            .header(HeaderName::Contact, leg.contact())
            .header(HeaderName::Allow, ALLOW)
            .header(HeaderName::Supported, IN_DIALOG_SUPPORTED);
        if let Some(interval) = leg.session.interval_seconds() {
            composer.header_args(HeaderName::SessionExpires, format_args!("{interval}"));
        }
        composer.header(HeaderName::UserAgent, &context.config.product);
        let bytes = composer.body(Some("application/sdp"), &body);
        match context.send(now, flow, &branch, Method::Invite, bytes) {
            Some(client) => {
                self.legs[side.index()].refreshing = true;
                self.open_client(context, client, ClientPurpose::Join(side));
            }
            None => self.join_is_refused(context, now, 503),
        }
    }

    /// Whether the offer under way went out with this number.
    pub(super) fn is_offered(&self, cseq: u32) -> bool {
        self.takeover.offer.as_ref().is_some_and(|offer| offer.cseq == cseq)
    }

    /// The offer under way went out once more, with credentials and another number.
    pub(super) fn offer_sent_again(&mut self, cseq: u32) {
        if let Some(offer) = self.takeover.offer.as_mut() {
            offer.cseq = cseq;
        }
    }

    fn offer_again(&mut self, context: &mut Context, now: Instant) {
        if let Some(offer) = self.takeover.offer.take() {
            self.offer_to(context, now, offer.to, offer.description);
        }
    }

    /// A leg answers the offer that joins it to its new far end.
    pub(super) fn handle_join_response(
        &mut self,
        context: &mut Context,
        now: Instant,
        side: LegSide,
        response: &Message,
    ) {
        let status = response.status().unwrap_or_default();
        if !(200..300).contains(&status) {
            self.join_failed(context, now, side, status);
            return;
        }
        let leg = &mut self.legs[side.index()];
        if leg.acknowledge_again(context, response) {
            return;
        }
        let cseq = super::answer::number(response);
        leg.acknowledge(context, cseq, None);
        // A copy of what the leg answered before it came here.
        if self.takeover.offer.as_ref().is_some_and(|offer| offer.cseq != cseq) {
            return;
        }
        let leg = &mut self.legs[side.index()];
        leg.refreshing = false;
        leg.note_abilities(response);
        if let Some(dialog) = leg.dialog.as_mut() {
            dialog.update_remote_target(response);
        }
        if !self.is_live() {
            return;
        }
        let leg = &mut self.legs[side.index()];
        if leg.session.interval_seconds().is_some() {
            leg.session.answered(response);
        }
        leg.session.arm(&mut self.deadlines, side, now);
        let Some(offer) = self.takeover.offer.take() else { return };
        let answer = description_in(response).ok().flatten().filter(|a| {
            let own = crate::media::refuse_own_address(a, &context.own_media);
            let wanted = own.and_then(|()| self.media.check(side, a));
            wanted.is_ok() && a.audio_ref().is_some()
        });
        let Some(answer) = answer else {
            self.join_is_impossible(context, now);
            return;
        };
        self.media.note_received(side, &answer);
        if side == self.far() || !self.is_alone() {
            self.media.note_received(side.other(), &offer.description);
        }
        let listeners = self.takeover.trial.as_mut().map(|trial| trial.listeners.take());
        let stranger = listeners.map(|listeners| self.adopt_listeners(side, listeners));
        self.apply_media(context);
        if let Some(stranger) = stranger {
            self.introduce_to_listeners(context, stranger);
        }
        self.takeover.tries = 0;
        self.end_trial(context, now, 200);
        if side == self.far() {
            self.bridge_joined(context, now);
        }
        let agrees = self.is_steered() && self.media.legs_agree();
        if std::mem::take(&mut self.takeover.confirm) && !agrees {
            self.takeover.is_confirming = true;
            self.offer_to(context, now, side.other(), answer);
        } else {
            self.takeover.machine.go(TakeoverState::Idle);
        }
    }

    /// A leg refused the offer, or was silent.
    pub(super) fn join_failed(
        &mut self,
        context: &mut Context,
        now: Instant,
        side: LegSide,
        status: u16,
    ) {
        self.legs[side.index()].refreshing = false;
        if !self.is_live() || !self.takeover.is_joining() {
            return;
        }
        self.takeover.tries += 1;
        match status {
            491 | 500 if self.takeover.tries < MAX_OFFER_TRIES => {
                self.takeover.machine.go(TakeoverState::Waiting);
                let wait = self.legs[side.index()].glare_wait(context);
                self.deadlines.set(Deadline::Transfer, now + wait);
            }
            408 | 481 if side == self.far() && self.is_alone() => {
                self.join_is_refused(context, now, status);
            }
            408 | 481 => self.end_unreachable(context, now),
            // The far end keeps what it had, and that is what the other leg has answered to.
            _ if self.takeover.is_confirming => {
                self.takeover.offer = None;
                self.takeover.machine.go(TakeoverState::Idle);
            }
            _ => self.join_is_refused(context, now, status),
        }
    }

    /// The leg that came cannot be joined: it goes back to where it was.
    fn join_is_refused(&mut self, context: &mut Context, now: Instant, status: u16) {
        self.takeover.offer = None;
        if self.takeover.trial.is_none() {
            self.join_is_impossible(context, now);
            return;
        }
        context.orders.push_back(Order::GiveBack { taker: self.key, status: status.max(400) });
    }

    /// The leg is where it came from again.
    pub(super) fn join_is_undone(&mut self) {
        self.takeover.machine.go(TakeoverState::Idle);
        self.takeover.confirm = false;
        self.deadlines.clear(Deadline::Transfer);
    }

    pub(crate) fn join_is_impossible(&mut self, context: &mut Context, now: Instant) {
        if self.is_alone() {
            return self.drop_joining_leg(context, now, true, 488);
        }
        self.bye_reason = Some("SIP;cause=488;text=\"Transfer: no common media\"");
        self.end_both(context, now, "the transferred legs have no common media", 200);
    }
}
