//! A leg that has come to another call and has not agreed to its new far end yet. Until it does, its
//! old call waits: a leg that refuses goes back, and everything is as it was before.

use super::{Call, TakenAlong};
use crate::context::{CallKey, Context};
use crate::media::LegMedia;
use crate::transfer::Order;
use model::{CallEventKind, EmergencyKind, Instant, LegSide, TransactionId};

/// What a refusal puts back.
pub(super) struct Trial {
    giver: CallKey,
    giver_id: TransactionId,
    emergency: Option<EmergencyKind>,
    /// Where the leg came from, and where it is.
    leg: LegSide,
    near: LegSide,
    /// The descriptions of the leg that went, and of the one that came.
    media: [LegMedia; 2],
    /// Who listens to the leg that came.
    pub(super) listeners: Option<TakenAlong>,
}

impl Trial {
    pub(super) fn of(taker: &Call, near: LegSide, giver: &Call, leg: LegSide) -> Self {
        let media = [taker.media.kept(near), giver.media.kept(leg)];
        let emergency = giver.parties.emergency;
        let listeners = giver.taken_along(leg);
        Trial { giver: giver.key, giver_id: giver.id, emergency, leg, near, media, listeners }
    }
}

impl Trial {
    /// Whether it is `side` that is on trial.
    pub(super) fn is_at(&self, side: LegSide) -> bool {
        self.near == side
    }
}

impl Call {
    /// The call that a leg on trial came from.
    pub(crate) fn trial_of(&self) -> Option<CallKey> {
        self.takeover.trial.as_ref().map(|trial| trial.giver)
    }

    /// The leg has agreed (200), or this call ends before it could: there is no way back.
    pub(super) fn end_trial(&mut self, context: &mut Context, now: Instant, status: u16) {
        let Some(trial) = self.takeover.trial.take() else { return };
        self.inherit(context, now, trial.emergency);
        context.event(self.id, now, CallEventKind::TookOver { from: trial.giver_id });
        let joined = Order::Joined { giver: trial.giver, taker: self.id, status };
        context.orders.push_back(joined);
    }

    /// The leg goes back to `giver`, which it came from, and each call has its own legs again. Those
    /// without two peers end.
    pub(crate) fn return_leg(
        &mut self,
        context: &mut Context,
        now: Instant,
        giver: &mut Call,
        status: u16,
    ) {
        let Some(trial) = self.takeover.trial.take() else { return };
        let Trial { leg, near, media: [mine, theirs], .. } = *trial;
        self.exchange_legs(context, now, near, giver, leg);
        self.media.put_back(near, mine);
        giver.media.put_back(leg, theirs);
        self.join_is_undone();
        let own = &self.legs[near.index()];
        if self.is_steered() {
            self.restore_own_cap();
            self.bridge_failed(context, now, status);
        } else if own.gone || own.dialog.is_none() {
            self.bye_reason = Some("SIP;cause=488;text=\"Transfer: no common media\"");
            self.end_both(context, now, "the transferred leg refused the media", 200);
        }
        giver.leg_returned(context, now, status);
    }
}
