//! A change of leg A's media while nobody is on its other side: it is answered here.

use super::Call;
use crate::call::answer::{number, success_headers};
use crate::context::Context;
use crate::session_timer::SessionAnswer;
use model::Instant;
use sdp::SessionDescription;
use sip_proto::{Message, Method, ServerKey};

impl Call {
    /// A re-INVITE or UPDATE of leg A with an offer, or a re-INVITE without one, which gets our offer where
    /// the lines are ours, else what leg A was told before.
    pub(in crate::call) fn answer_offer_alone(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        request: &Message,
        offer: Option<&SessionDescription>,
        session: Option<SessionAnswer>,
    ) {
        let side = self.near();
        let described = match (offer, self.own_offer_again()) {
            (Some(offer), _) => self.answer_alone(context, offer),
            (None, Some(own)) => self.describe_own(context, &own),
            (None, None) => Ok(self.media.last_sent(side).map(<[u8]>::to_vec).unwrap_or_default()),
        };
        let body = match described {
            Ok(body) => body,
            Err(fault) => return self.refuse_offer(context, now, side, server, request, fault),
        };
        let leg = &self.legs[side.index()];
        let mut composer = leg.response(context, request, 200);
        success_headers(&mut composer, session);
        leg.session.arm(&mut self.deadlines, side, now);
        let bytes = composer.body(Some("application/sdp"), &body);
        if request.method() == Some(Method::Invite) {
            self.open_invite(context, server, side);
            self.respond_success(context, now, side, server, number(request), bytes);
        } else {
            context.respond(now, server, 200, bytes);
        }
        if offer.is_some() {
            self.tell_floor(context, now, &body);
        }
        self.apply_media(context);
        self.tell_pictures(context, now);
    }

    /// A refresh of ours by re-INVITE has said an offer of ours again: leg A may answer it in another way.
    pub(in crate::call) fn take_refreshed_answer(
        &mut self,
        context: &mut Context,
        now: Instant,
        response: &Message,
    ) {
        if self.was_offered_in_room() {
            self.take_answer_alone(context, now, response);
        }
    }

    /// The ACK of a re-INVITE without an offer, `ack`, brings what leg A takes of what it was told.
    pub(in crate::call) fn take_answer_alone(
        &mut self,
        context: &mut Context,
        now: Instant,
        ack: &Message,
    ) {
        if !self.is_alone() {
            return;
        }
        if ack.body_bytes().is_empty() {
            // It takes nothing more than before.
            return self.give_back_declined(context);
        }
        let near = self.near();
        let answer = crate::media::description_in(ack).ok().flatten();
        let answer = answer.filter(|answer| {
            answer.audio_ref().is_some()
                && crate::media::refuse_own_address(answer, &context.own_media).is_ok()
                && self.media.check(near, answer).is_ok()
        });
        if let Some(answer) = answer {
            self.media.note_received(near, &answer);
            self.take_answer_in_room(context, now, &answer);
            self.apply_media(context);
            self.tell_pictures(context, now);
        }
    }
}
