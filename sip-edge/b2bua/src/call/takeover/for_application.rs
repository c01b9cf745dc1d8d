//! The call to somebody whom an application wants as leg B of a call that it steers, and that call's
//! taking of the leg.

use super::{Call, TakeoverState};
use crate::context::{CallKey, Context};
use crate::deadline::Deadline;
use crate::transfer::Order;
use model::{Instant, LegSide};

impl Call {
    /// Makes this the call to whom an application wants in the call `giver`, which gets leg B;
    /// [`Call::start`] follows. Leg A is nobody, now and then.
    pub(crate) fn become_leg_b_of(&mut self, giver: &Call) {
        self.become_target(giver, giver.near());
        self.takeover.wanted = Some((giver.key, giver.far(), LegSide::A));
        self.takeover.for_application = true;
    }

    /// Makes this the call that takes leg B of `target`.
    pub(in crate::call) fn become_bridged(&mut self, target: CallKey) {
        self.takeover.machine.go(TakeoverState::Ready);
        self.takeover.wanted = Some((target, LegSide::B, self.far()));
        self.takeover.confirm = true;
        self.takeover.tries = 0;
    }

    /// Whether it is the call to whom an application wants in another one.
    pub(in crate::call) fn is_for_application(&self) -> bool {
        self.takeover.for_application
    }

    /// The call that an application steers and that gets leg B of this one.
    pub(in crate::call) fn bridged_for(&self) -> Option<CallKey> {
        let (steered, ..) = self.takeover.wanted.filter(|_| self.takeover.for_application)?;
        Some(steered)
    }

    /// Gives up to join a leg that is still another call's.
    pub(super) fn withdraw_joining(&mut self, context: &mut Context, now: Instant, status: u16) {
        if let Some((target, _, _)) = self.takeover.wanted {
            context.orders.push_back(Order::Withdraw { target });
        }
        self.drop_joining_leg(context, now, false, status);
    }

    /// Nothing is joined any more; an offer that tells leg A of something is still answered.
    pub(in crate::call) fn stop_joining(&mut self) {
        self.takeover.wanted = None;
        self.takeover.offer = None;
        self.takeover.confirm = false;
        self.takeover.is_confirming = false;
        self.takeover.machine.go(TakeoverState::Idle);
        self.deadlines.clear(Deadline::Transfer);
    }
}
