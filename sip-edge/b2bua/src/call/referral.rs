//! The transferor's call: from its REFER to the moment when its far end has left for the target,
//! or is back with it.

use super::Call;
use super::notify::Subscription;
use super::setup::SetupState;
use crate::context::{CallKey, Context};
use crate::deadline::Deadline;
use crate::kept::{SavedCall, SavedTransfer};
use crate::machine::{Machine, State};
use crate::transfer::{Order, Outcome};
use model::{CallEnd, CallEventKind, Instant, LegSide, TransactionId};
use sip_proto::{HeaderName, Message, ServerKey};

/// Where a transfer is, seen from the call whose leg asked for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReferralState {
    /// None is under way.
    Idle,
    /// Accepted; the target is being called, or its leg fetched.
    Trying,
    /// It failed; the transferor is still to hear of it.
    Failing,
    /// The far end is with the other call, which asks whether it agrees to the media there.
    Leaving,
    /// The far end has left; the transferor is still to hear of it, and then to be hung up.
    Left,
}

impl State for ReferralState {
    const INITIAL: Self = ReferralState::Idle;
    const EDGES: &'static [(Self, Self)] = &[
        (ReferralState::Idle, ReferralState::Trying),
        (ReferralState::Idle, ReferralState::Leaving),
        (ReferralState::Trying, ReferralState::Failing),
        (ReferralState::Trying, ReferralState::Idle),
        (ReferralState::Trying, ReferralState::Leaving),
        (ReferralState::Leaving, ReferralState::Left),
        (ReferralState::Leaving, ReferralState::Failing),
        (ReferralState::Leaving, ReferralState::Idle),
        (ReferralState::Failing, ReferralState::Idle),
    ];
}

/// The sub-machine.
#[derive(Default)]
pub(crate) struct Referral {
    pub(super) machine: Machine<ReferralState>,
    /// The leg that asked, while a transfer is under way.
    pub(super) transferor: Option<LegSide>,
    target: Option<CallKey>,
    /// The transferor's implicit subscription (RFC 3515 section 2.4.4).
    pub(super) subscription: Option<Subscription>,
    /// A REFER came before in this call: the next subscription needs an id (RFC 3515 section 2.4.6).
    repeated: bool,
    /// The target rings, or is called again elsewhere.
    rings: bool,
    /// The call that the far end leaves for.
    leaving_for: Option<TransactionId>,
    /// The call before a leg of it left on trial, to be kept until that has an outcome.
    pub(super) before: Option<Box<SavedCall>>,
}

impl Referral {
    pub(super) fn is_busy(&self) -> bool {
        self.machine.state() != ReferralState::Idle
    }

    /// Whether `leg` waits for a target that rings.
    pub(super) fn rings_for(&self, leg: LegSide) -> bool {
        let waits = self.machine.state() == ReferralState::Trying;
        waits && self.rings && self.transferor == Some(leg.other())
    }

    /// Whether the target is known to ring.
    pub(super) const fn is_ringing(&self) -> bool {
        self.rings
    }

    /// Whether a leg is with another call, on trial or for good.
    pub(super) fn has_moved(&self) -> bool {
        matches!(self.machine.state(), ReferralState::Leaving | ReferralState::Left)
    }

    /// Takes a transfer from before this process, whose target is not known any more.
    pub(super) fn restore(&mut self, saved: &SavedTransfer, transferor: LegSide) {
        self.machine.go(ReferralState::Trying);
        self.transferor = Some(transferor);
        self.repeated = true;
        self.rings = saved.rings;
        let subscriber = saved.subscriber.filter(|_| !saved.gone);
        self.subscription = subscriber.map(|leg| Subscription::restored(leg, saved.event_id));
    }

    /// Whether the far end is with another call, on trial: none is here to negotiate with.
    pub(super) fn is_leaving(&self) -> bool {
        self.machine.state() == ReferralState::Leaving
    }
}

impl Call {
    /// Whether the far end waits for the target and the transferor has hung up: nobody is there to
    /// negotiate with.
    pub(super) fn is_waiting_alone(&self) -> bool {
        self.referral
            .transferor
            .is_some_and(|side| self.outlives(side) && self.legs[side.index()].gone)
    }

    /// Whether a REFER of `from` can be looked at now.
    ///
    /// # Errors
    /// The status that it is owed.
    pub(super) fn may_refer(&self, from: LegSide) -> Result<(), u16> {
        let answered = self.setup.state() == SetupState::Established;
        if !self.is_live() || !answered || self.legs[from.index()].gone {
            return Err(if self.is_live() && !answered { 500 } else { 481 });
        }
        // One at a time; and a leg that is just being joined has no far end to transfer.
        let busy = self.referral.is_busy() || self.takeover.is_busy();
        if busy { Err(491) } else { Ok(()) }
    }

    /// Accepts a REFER: 202, and what it subscribes to.
    pub(crate) fn accept_refer(
        &mut self,
        context: &mut Context,
        now: Instant,
        transferor: LegSide,
        server: ServerKey,
        request: &Message,
        target: CallKey,
    ) {
        // RFC 4488: the transferor may not want to hear of it.
        let wanted = request
            .header(HeaderName::ReferSub)
            .is_none_or(|value| !value.trim().to_ascii_lowercase().starts_with("false"));
        let mut composer = self.legs[transferor.index()].response(context, request, 202);
        if !wanted {
            composer.header(HeaderName::ReferSub, "false");
        }
        context.respond(now, server, 202, composer.finish());
        let number = request.cseq().map(|cseq| cseq.number).unwrap_or_default();
        let id = std::mem::replace(&mut self.referral.repeated, true).then_some(number);
        self.referral.machine.go(ReferralState::Trying);
        self.referral.transferor = Some(transferor);
        self.referral.rings = false;
        self.referral.target = Some(target);
        if wanted {
            self.subscribe(context, now, transferor, id);
        }
    }

    /// Declines a REFER.
    pub(crate) fn refuse_refer(
        &self,
        context: &mut Context,
        now: Instant,
        transferor: LegSide,
        server: ServerKey,
        request: &Message,
        status: u16,
    ) {
        self.legs[transferor.index()].answer(context, now, server, request, status);
    }

    /// The call to the target has something to tell.
    pub(crate) fn handle_report(&mut self, context: &mut Context, now: Instant, outcome: Outcome) {
        if self.is_steered() {
            return self.bridge_report(context, now, outcome);
        }
        if self.referral.machine.state() != ReferralState::Trying {
            return;
        }
        match outcome {
            Outcome::Progress(status) => {
                self.referral.rings = true;
                self.review_playing(context);
                self.notify(context, now, status);
            }
            Outcome::Failed(status) => self.transfer_failed(context, now, status),
        }
    }

    /// The far end stays where it is: with the transferor if that is still there.
    pub(super) fn transfer_failed(&mut self, context: &mut Context, now: Instant, status: u16) {
        let transferor = self.referral.transferor.take();
        self.referral.target = None;
        self.referral.machine.go(ReferralState::Failing);
        self.review_playing(context);
        self.notify(context, now, status);
        if transferor.is_some_and(|side| self.legs[side.index()].gone) {
            self.bye_reason = Some("SIP;cause=480;text=\"Transfer failed\"");
            self.end_both(context, now, "the transfer failed", 200);
        }
        self.referral_told(context, now);
    }

    /// The far end leaves for the call `to`, if it agrees.
    pub(super) fn leg_leaves(&mut self, to: TransactionId) {
        self.referral.target = None;
        self.referral.machine.go(ReferralState::Leaving);
        self.referral.leaving_for = Some(to);
    }

    /// The far end has left for the call `to`, which joined it (200) or lost it.
    pub(crate) fn leg_joined(
        &mut self,
        context: &mut Context,
        now: Instant,
        to: TransactionId,
        status: u16,
    ) {
        if !self.is_live() || !self.referral.is_leaving() {
            return;
        }
        self.referral.before = None;
        self.referral.machine.go(ReferralState::Left);
        self.end_copy(context, now);
        self.release_media(context);
        context.event(self.id, now, CallEventKind::Transferred { to });
        self.notify(context, now, status);
        self.referral_told(context, now);
    }

    /// The far end did not agree and is back.
    pub(super) fn leg_returned(&mut self, context: &mut Context, now: Instant, status: u16) {
        self.referral.before = None;
        if self.referral.transferor.is_some() {
            self.transfer_failed(context, now, status);
        } else {
            self.referral.machine.go(ReferralState::Idle);
        }
        if self.is_for_application() {
            self.bye_reason = Some("SIP;cause=488;text=\"No common media\"");
            self.end_both(
                context,
                now,
                "the legs of the application's call have no common media",
                200,
            );
        } else if self.legs.iter().any(|leg| leg.gone) {
            self.end_both(context, now, "a leg hung up during its transfer", 200);
        }
    }

    /// Called when the subscription may be over: nothing is left to tell the transferor.
    pub(super) fn referral_told(&mut self, context: &mut Context, now: Instant) {
        if self.referral.subscription.is_some() {
            return;
        }
        match self.referral.machine.state() {
            ReferralState::Failing => self.referral.machine.go(ReferralState::Idle),
            ReferralState::Left => self.end_both(context, now, "transferred", 200),
            ReferralState::Idle | ReferralState::Trying | ReferralState::Leaving => {}
        }
    }

    /// Whether the call goes on without `from`, which hangs up: RFC 5589 section 6.1 lets the
    /// transferor leave as soon as its REFER is accepted.
    pub(super) fn outlives(&self, from: LegSide) -> bool {
        match self.referral.machine.state() {
            ReferralState::Trying => self.referral.transferor == Some(from),
            ReferralState::Leaving => true,
            ReferralState::Idle | ReferralState::Failing | ReferralState::Left => false,
        }
    }

    pub(super) fn lose_transferor(&mut self, from: LegSide) {
        let leg = &mut self.legs[from.index()];
        leg.gone = true;
        leg.unacknowledged = None;
        for deadline in
            [Deadline::Refresh(from), Deadline::SessionExpiry(from), Deadline::Retransmit(from)]
        {
            self.deadlines.clear(deadline);
        }
    }

    /// The call ends: what that means for a transfer in which it takes part.
    pub(super) fn end_transfers(
        &mut self,
        context: &mut Context,
        now: Instant,
        end: CallEnd,
    ) -> CallEnd {
        let state = self.referral.machine.state();
        if state == ReferralState::Trying {
            if let Some(target) = self.referral.target.take() {
                context.orders.push_back(Order::Withdraw { target });
            }
            self.referral.machine.go(ReferralState::Failing);
            self.notify(context, now, 487);
        }
        if state == ReferralState::Leaving {
            self.referral.machine.go(ReferralState::Left);
            if let Some(to) = self.referral.leaving_for {
                context.event(self.id, now, CallEventKind::Transferred { to });
            }
            self.notify(context, now, 487);
        }
        // A target that hangs up before the leg has come was there, and is not any more.
        let failure = if end.status < 300 { 480 } else { end.status };
        self.report_target(context, Outcome::Failed(failure));
        self.end_trial(context, now, failure);
        if matches!(state, ReferralState::Leaving | ReferralState::Left) {
            return CallEnd { cause: "transferred", ..end };
        }
        end
    }
}
