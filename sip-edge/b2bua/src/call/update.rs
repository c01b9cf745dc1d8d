//! UPDATE before the call is answered, and offers in PRACK (RFC 3311 section 5, RFC 3262
//! section 5).

use super::Call;
use super::setup::SetupState;
use crate::context::Context;
use crate::leg::ALLOW;
use crate::media::refuse_own_address;
use model::{Instant, LegSide};
use sdp::SessionDescription;
use sip_proto::{HeaderName, Message, Method, ServerKey};

impl Call {
    /// Whether offer and answer of the INVITE are complete on a leg that is not yet answered, so
    /// that a further offer may be made there.
    fn early_agreed(&self, side: LegSide) -> bool {
        let Some(pending) = self.pending.as_ref() else { return false };
        match side {
            LegSide::A => self.reliable.agreed,
            LegSide::B => pending.forks.leading().is_some_and(|fork| {
                fork.agreed && fork.prack.state() != super::forks::PrackState::Held
            }),
        }
    }

    /// What an UPDATE with an offer is refused with before the call is answered, if anything.
    pub(super) fn early_refusal(&self, from: LegSide) -> Option<u16> {
        if let Some(exchange) = &self.renegotiation.exchange {
            return Some(if exchange.from == from { 500 } else { 491 });
        }
        if self.setup.state() != SetupState::Proceeding || !self.early_agreed(from) {
            // RFC 3311 section 5.2: 500 while we owe an answer, 491 while an offer of ours is open.
            return Some(if from == LegSide::A { 500 } else { 491 });
        }
        let other = &self.legs[from.other().index()];
        // The other leg cannot be asked before it answers (section 5.2: 504).
        (!self.early_agreed(from.other()) || !other.takes_update).then_some(504)
    }

    /// An UPDATE without an offer before the call is answered: it moves the target.
    pub(super) fn answer_early_update(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        update: &Message,
    ) {
        let leg = &mut self.legs[from.index()];
        leg.note_abilities(update);
        if let Some(dialog) = leg.dialog.as_mut() {
            dialog.update_remote_target(update);
        }
        let mut composer = leg.response(context, update, 200);
        composer.header(HeaderName::Allow, ALLOW);
        context.respond(now, server, 200, composer.finish());
    }

    /// A further offer in leg A's PRACK: it goes into leg B's PRACK if that one waits for it, else
    /// into an UPDATE. The PRACK itself has acknowledged; only its offer can be refused.
    pub(super) fn prack_offer(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        prack: &Message,
        offer: SessionDescription,
        owed: Option<&str>,
    ) {
        let leads = self.pending.as_ref().and_then(|pending| pending.forks.leading_tag());
        let with_prack = owed.is_some() && owed == leads.as_deref();
        let usable = self.reliable.agreed
            && offer.audio_ref().is_some()
            && refuse_own_address(&offer, &context.own_media).is_ok();
        let free = !self.renegotiation.is_busy();
        if usable && free && self.prack_waits(context, now, server, prack, &offer, owed) {
            return;
        }
        if usable && free && with_prack {
            let method = Method::Prack;
            self.forward_offer(context, now, LegSide::A, server, prack, Some(offer), None, method);
            return;
        }
        if let Some(tag) = owed {
            self.send_prack(context, now, tag, None);
        }
        if usable && free && self.early_refusal(LegSide::A).is_none() {
            let method = Method::Update;
            self.forward_offer(context, now, LegSide::A, server, prack, Some(offer), None, method);
        } else {
            self.legs[LegSide::A.index()].answer(context, now, server, prack, 488);
        }
    }

    /// Offer and answer went round once more before the call is answered: what its answer is
    /// compared with, and what another route is offered.
    pub(super) fn note_early_exchange(
        &mut self,
        from: LegSide,
        offer: &SessionDescription,
        answer: &SessionDescription,
    ) {
        let told = self.media.last_sent(LegSide::A).map(<[u8]>::to_vec);
        let Some(pending) = self.pending.as_mut() else { return };
        let (of_a, of_b) = if from == LegSide::A { (offer, answer) } else { (answer, offer) };
        if pending.offer.is_some() {
            pending.offer = Some(of_a.clone());
        }
        pending.told = told;
        pending.agreed_with = pending.forks.leading_tag();
        if let Some(fork) = pending.forks.leading_mut() {
            fork.answer = Some(of_b.clone());
        }
    }
}
