//! An INVITE with Replaces (RFC 3891): its sender takes the place of a leg. It is answered in the
//! name of that leg's far end, which then gets it as its new one.

use super::Call;
use super::answer::{number, success_headers};
use super::setup::SetupState;
use crate::context::Context;
use crate::media::BodyFault;
use model::{CallEventKind, Instant, IpFamily, LegSide};
use sdp::SessionDescription;

impl Call {
    pub(super) fn allocate_replacement(&mut self, context: &mut Context, now: Instant) {
        let offered = self.pending.as_ref().and_then(|pending| pending.offer.as_ref());
        let families = [offered, self.takeover.described.as_deref()]
            .map(|described| described.and_then(SessionDescription::audio_ref))
            .map(|audio| audio.map(|audio| audio.ip_family));
        let [Some(ours), Some(theirs)] = families else {
            // Without an offer the answer would come in the ACK, too late for the leg to be moved.
            self.refuse_body(context, now, BodyFault::NotAcceptable);
            return;
        };
        let families: [IpFamily; 2] = [ours, theirs];
        let id = self.next_media_id();
        self.media.requested(id, families);
        self.go_allocating(now);
        self.allocate(context, id, families);
        self.allocate_replaced_lines(context, families);
    }

    pub(super) fn answer_replacement(&mut self, context: &mut Context, now: Instant) {
        let body = match self.replacement_answer(context) {
            Ok(body) => body,
            Err(fault) => {
                self.refuse_body(context, now, fault);
                return;
            }
        };
        self.release_untold_lines(context, LegSide::A);
        let Some(pending) = self.pending.as_ref() else { return };
        let leg = &self.legs[LegSide::A.index()];
        let mut composer = leg.response(context, &pending.invite, 200);
        success_headers(&mut composer, pending.session_answer);
        let bytes = composer.body(Some("application/sdp"), &body);
        let (server, cseq) = (pending.server, number(&pending.invite));
        self.setup.go(SetupState::Answered);
        self.respond_success(context, now, LegSide::A, server, cseq, bytes);
        self.legs[LegSide::A.index()].session.arm(&mut self.deadlines, LegSide::A, now);
        context.statistics.answers += 1;
        context.event(self.id, now, CallEventKind::Answered);
        self.ready_to_join(context);
    }

    fn replacement_answer(&mut self, context: &mut Context) -> Result<Vec<u8>, BodyFault> {
        let described = self.takeover.described.take().ok_or(BodyFault::NotAcceptable)?;
        let pending = self.pending.as_ref().ok_or(BodyFault::NotAcceptable)?;
        let offer = pending.offer.as_ref().ok_or(BodyFault::NotAcceptable)?;
        let body =
            self.media.write_answer(context.random.as_mut(), LegSide::A, offer, &described)?;
        self.media.note_received(LegSide::A, offer);
        Ok(body)
    }
}
