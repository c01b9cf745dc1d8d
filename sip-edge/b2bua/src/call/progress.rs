//! Leg B's provisional responses on their way to leg A: which of them pass, with what early media,
//! and how reliably.

use super::Call;
use super::prack::reliable_number;
use super::reliable::{BodyRole, Progress, Reliability};
use super::setup::SetupState;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::media::{description_in, refuse_own_address};
use crate::transfer::{Order, Outcome};
use directory::EarlyMedia;
use model::{CallEventKind, Instant, LegSide};
use sdp::SessionDescription;
use sip_proto::Message;

impl Call {
    /// A provisional response other than 100 from leg B.
    pub(super) fn progress(
        &mut self,
        context: &mut Context,
        now: Instant,
        status: u16,
        response: &Message,
    ) {
        let followed = self.enter_fork(response);
        let reliable = reliable_number(response);
        if let Some(rseq) = reliable
            && (!followed || !self.accept_rseq(rseq))
        {
            return;
        }
        self.deadlines.clear(Deadline::NoResponse);
        self.setup.go(SetupState::Proceeding);
        if status == 199 {
            // RFC 6228: one of leg B's early dialogs is over. Leg A has one dialog, which goes on.
            self.acknowledge_progress(context, now, reliable);
            self.leave_fork(response);
            return;
        }
        let Some(pending) = self.pending.as_mut() else { return };
        if !std::mem::replace(&mut pending.ringing_noted, true) {
            context.event(self.id, now, CallEventKind::Ringing);
            self.called_rings(context, now);
        }
        self.report_target(context, Outcome::Progress(status));
        let (body, role) = self.early_body(context, response, reliable.is_some());
        self.tell_progress(context, now, status, response, body, role, reliable);
    }

    fn acknowledge_progress(&mut self, context: &mut Context, now: Instant, reliable: Option<u32>) {
        let tag = self.pending.as_ref().and_then(|pending| pending.forks.leading_tag());
        if let (Some(_), Some(tag)) = (reliable, tag) {
            self.send_prack(context, now, &tag, None);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one response, each used once")]
    fn tell_progress(
        &mut self,
        context: &mut Context,
        now: Instant,
        status: u16,
        response: &Message,
        body: Option<Vec<u8>>,
        role: BodyRole,
        reliable: Option<u32>,
    ) {
        let Some(pending) = self.pending.as_ref() else { return };
        let wish = Reliability::of(&pending.invite);
        // An answer that leg B may still change is no answer to promise reliably.
        let reliably =
            wish == Reliability::Required || (wish == Reliability::Supported && reliable.is_some());
        let ringback = self.voice_connector.early_media == EarlyMedia::Ringback;
        // Without its description "session progress" says nothing; ringing is what leg A makes.
        let stripped = ringback && role != BodyRole::Offer && !response.body_bytes().is_empty();
        let status = if stripped && status == 183 { 180 } else { status };
        if !reliably {
            let composed = self.compose_progress(context, status, response, body.as_deref(), None);
            if let Some((server, bytes)) = composed {
                context.respond(now, server, status, bytes);
            }
            self.acknowledge_progress(context, now, reliable);
            return;
        }
        let tag = self.pending.as_ref().and_then(|pending| pending.forks.leading_tag());
        // Where a description passes, the acknowledgement passes too, so that an answer or a
        // further offer in it reaches leg B in its own PRACK (RFC 3262 section 5).
        let owed = tag.filter(|_| reliable.is_some() && role != BodyRole::Nothing);
        let holds = owed.clone();
        let response = response.clone();
        let sent =
            self.send_reliably(context, now, Progress { status, response, body, role, owed });
        match holds.filter(|_| sent) {
            Some(tag) => self.hold_prack(&tag),
            None => self.acknowledge_progress(context, now, reliable),
        }
    }

    /// What leg A learns of leg B's description in a provisional response.
    fn early_body(
        &mut self,
        context: &mut Context,
        response: &Message,
        reliable: bool,
    ) -> (Option<Vec<u8>>, BodyRole) {
        let nothing = (None, BodyRole::Nothing);
        // One that cannot be read is ignored: the 2xx decides.
        let description = description_in(response).ok().flatten().filter(|description| {
            description.audio_ref().is_some()
                && refuse_own_address(description, &context.own_media).is_ok()
        });
        let Some(description) = description else { return nothing };
        let Some(pending) = self.pending.as_ref() else { return nothing };
        let agreed = pending.forks.leading().is_some_and(|fork| fork.agreed);
        let early = match &pending.offer {
            _ if agreed => None,
            Some(_) => self.early_answer(context, description, reliable),
            None if reliable => self.early_offer(context, &description),
            // Only a reliable response may bring the offer.
            None => None,
        };
        early.unwrap_or(nothing)
    }

    fn early_answer(
        &mut self,
        context: &mut Context,
        answer: SessionDescription,
        reliable: bool,
    ) -> Option<(Option<Vec<u8>>, BodyRole)> {
        let nobody_calls = self.takeover.is_target() || self.is_outbound_steered();
        let pending = self.pending.as_mut()?;
        let offer = pending.offer.as_ref()?;
        if nobody_calls {
            // Whoever will hear it still talks to the transferor, or is an application.
            if let Some(fork) = pending.forks.leading_mut() {
                fork.agreed |= reliable;
                fork.answer = Some(answer.clone());
            }
            pending.early_answer = Some(answer);
            if let Some(steered) = self.bridged_for() {
                let target = self.key;
                context.orders.push_back(Order::EarlyMedia { steered, target });
            }
            return None;
        }
        let undo = self.media.before_offer(LegSide::A);
        let body =
            self.media.write_answer(context.random.as_mut(), LegSide::A, offer, &answer).ok()?;
        self.media.note_received(LegSide::A, offer);
        self.media.note_received(LegSide::B, &answer);
        if let Some(fork) = pending.forks.leading_mut() {
            fork.agreed |= reliable;
            fork.answer = Some(answer.clone());
        }
        pending.early_answer = Some(answer);
        let told = if self.voice_connector.early_media == EarlyMedia::Ringback {
            None
        } else if self.reliable.agreed || self.reliable.is_describing() {
            // RFC 3261 section 13.2.1: leg A has its answer; the relay hides the change.
            None
        } else {
            Some(pending.told.get_or_insert_with(|| body.clone()).clone())
        };
        if pending.told.as_ref() != Some(&body) {
            self.media.undo(undo);
        }
        self.apply_early_media(context);
        let role = if told.is_some() { BodyRole::Answer } else { BodyRole::Nothing };
        Some((told, role))
    }

    /// Leg B's offer in a reliable provisional response passes to a leg A that can answer it.
    fn early_offer(
        &mut self,
        context: &mut Context,
        offer: &SessionDescription,
    ) -> Option<(Option<Vec<u8>>, BodyRole)> {
        let pending = self.pending.as_mut()?;
        let taken = pending.early_offer.is_some() || self.reliable.agreed;
        if taken || Reliability::of(&pending.invite) == Reliability::Unknown {
            return None;
        }
        let body = self.media.write_offer(context.random.as_mut(), LegSide::A, offer).ok()?;
        pending.early_offer = Some(offer.clone());
        Some((Some(body), BodyRole::Offer))
    }
}
