//! Transfers over a restart of the process. A transfer that is under way does not outlive it: the
//! transferor hears that it failed, and its call is as it was before the REFER. The leg to the target
//! is of no use to anybody then, and is said goodbye to by the next process.

use super::open_setup::{Owed, invite_of};
use super::referral::ReferralState;
use super::setup::SetupState;
use super::{Call, ClientPurpose, OpenTransaction};
use crate::context::Context;
use crate::edge::Output;
use crate::kept::{Kept, OpenRequest, SavedCall, SavedFarewell, SavedRequest, SavedTransfer};
use crate::leg::Leg;
use model::{Instant, LegSide};
use sip_proto::{ClientKey, HeaderName, Method};

/// What the next process would have to tell the peers of a call in a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OwedByTransfer {
    /// That this INVITE is withdrawn, and whether it has had a provisional response.
    invite: Option<(ClientKey, bool)>,
    /// That the dialogs of these legs are over.
    legs: [bool; 2],
}

/// What the transferor hears of a transfer that ended with the process.
const LOST: u16 = 503;

impl Call {
    /// What of a transfer is to be kept with a call that it leaves as it is.
    pub(super) fn saved_transfer(&self) -> Option<SavedTransfer> {
        let subscription = self.referral.subscription.as_ref();
        let transferor = self.referral.transferor;
        let gone = transferor.is_some_and(|side| self.legs[side.index()].gone);
        let offer_to = self.takeover.confirms();
        let is_open = transferor.is_some() || subscription.is_some() || offer_to.is_some();
        is_open.then(|| SavedTransfer {
            transferor,
            gone,
            subscriber: subscription.map(|of| of.leg()),
            event_id: subscription.and_then(|of| of.id()),
            rings: self.referral.is_ringing(),
            offer_to,
        })
    }

    /// Keeps the call as it is, for `leg` leaves it on trial: the next process offers that one the
    /// media that it had.
    pub(crate) fn keep_before_leaving(&mut self, context: &mut Context, leg: LegSide) {
        if !context.config.keep_calls || !self.kept {
            return;
        }
        let Some(mut saved) = self.saved(context) else { return };
        saved.transfer.get_or_insert_default().offer_to = Some(leg);
        self.referral.before = Some(Box::new(saved));
    }

    /// How it was before a leg of it left on trial, with what the transferor has done since.
    pub(crate) fn saved_before_leaving(&self) -> Option<SavedCall> {
        let mut saved = self.referral.before.as_deref()?.clone();
        let transfer = saved.transfer.get_or_insert_default();
        transfer.gone = transfer.transferor.is_some_and(|side| self.legs[side.index()].gone);
        Some(saved)
    }

    /// Takes the transfer of a call from before this process as it was. [`Call::fail_transfer`]
    /// follows.
    pub(super) fn restore_transfer(&mut self, saved: &SavedTransfer) {
        let Some(transferor) = saved.transferor else { return };
        self.legs[transferor.index()].gone = saved.gone;
        self.referral.restore(saved, transferor);
    }

    /// Reports a transfer from before this process as failed, and brings a leg that may have been told
    /// of other media back to the call's. Without a transferor there is no call left.
    pub(crate) fn fail_transfer(
        &mut self,
        context: &mut Context,
        now: Instant,
        saved: &SavedTransfer,
    ) {
        if let Some(side) = saved.offer_to.filter(|_| !saved.gone) {
            self.offer_anew(context, now, side);
        }
        if saved.transferor.is_some() {
            self.transfer_failed(context, now, LOST);
        }
    }

    /// Tells what the next process would owe the peers of a call in a transfer that would not be taken
    /// up, where that has changed.
    pub(crate) fn keep_farewell(&mut self, context: &mut Context) {
        let left = self.referral.machine.state() == ReferralState::Left;
        let has_farewell = self.is_recording() || self.is_steered() || self.takeover.is_busy();
        if !left && (self.kept || !has_farewell) {
            return;
        }
        let owed = OwedByTransfer {
            invite: self.open_setup(context),
            legs: LegSide::BOTH.map(|side| self.is_owed_a_bye(side)),
        };
        if matches!(self.owed, Some(Owed::Transfer(told)) if told == owed) {
            return;
        }
        self.owed = Some(Owed::Transfer(owed));
        let invite = owed.invite.and_then(|(client, _)| invite_of(context, client));
        let mut requests: Vec<_> =
            invite.as_ref().and_then(OpenRequest::saved).into_iter().collect();
        for side in LegSide::BOTH.into_iter().filter(|side| owed.legs[side.index()]) {
            requests.extend(self.legs[side.index()].saved_bye(context));
        }
        self.kept = false;
        let farewell = SavedFarewell { transaction_id: self.id, requests };
        context.outputs.push_back(Output::Kept(Kept::Farewell(Box::new(farewell))));
    }

    fn open_setup(&self, context: &Context) -> Option<(ClientKey, bool)> {
        self.open.iter().find_map(|open| {
            let OpenTransaction::Client(client) = open else { return None };
            let has_provisional = context.endpoint.waits_for_final(*client)?;
            let (_, purpose) = context.clients.get(client)?;
            matches!(purpose, ClientPurpose::Setup { .. }).then_some((*client, has_provisional))
        })
    }

    /// Whether a leg has an answered dialog that is this call's alone: one on trial goes back to its
    /// own call.
    fn is_owed_a_bye(&self, side: LegSide) -> bool {
        let answered = matches!(self.setup.state(), SetupState::Answered | SetupState::Established);
        let leg = &self.legs[side.index()];
        let on_trial = self.takeover.trial.as_ref().is_some_and(|trial| trial.is_at(side));
        answered && !on_trial && leg.dialog.is_some() && !leg.gone
    }
}

impl Leg {
    fn saved_bye(&self, context: &mut Context) -> Option<SavedRequest> {
        let cseq = super::kept::cseq_after_restart(self.cseq);
        let (mut composer, _, flow) = self.request(context, Method::Bye, cseq)?;
        composer
            .header(HeaderName::Reason, "SIP;cause=503;text=\"Edge restarted\"")
            .header(HeaderName::UserAgent, &context.config.product);
        let bye = OpenRequest::new(context, flow, composer.finish());
        Some(bye.saved_whole())
    }
}
