//! How a call ends: a failed setup, a BYE, a timer. Whatever the cause, each leg hears of it once,
//! the media is released once, and the record is closed once.

use super::answer::host_of;
use super::setup::SetupState;
use super::{Call, OpenTransaction};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::edge::Output;
use crate::machine::State;
use crate::{carry, redirect};
use model::{CallEnd, CallEventKind, EndedBy, Instant, LegSide, MediaCommand, MediaId, Refusal};
use sip_proto::{Composer, HeaderName, Message, ServerKey};

/// Why calls end that last longer than a node that stops lets them.
pub(super) const NODE_STOPS: &str = "the node stops";

/// Whether and how far a call has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TeardownState {
    /// It has not begun to end.
    Live,
    /// Its end is decided and told; outcomes are awaited.
    Ending,
    /// Nothing is left of it.
    Done,
}

impl State for TeardownState {
    const INITIAL: Self = TeardownState::Live;
    const EDGES: &'static [(Self, Self)] = &[
        (TeardownState::Live, TeardownState::Ending),
        (TeardownState::Ending, TeardownState::Done),
    ];
}

impl Call {
    /// Ends the setup with a final response to leg A.
    pub(super) fn fail(
        &mut self,
        context: &mut Context,
        now: Instant,
        status: u16,
        cause: &'static str,
        ended_by: EndedBy,
        refusal: Option<Refusal>,
    ) {
        self.reject_leg_a(context, now, status, |_| {});
        self.close(context, now, CallEnd { status, cause, ended_by, refusal });
    }

    /// The same with more headers, on our own account or on that of leg A.
    pub(super) fn refuse_with(
        &mut self,
        context: &mut Context,
        now: Instant,
        status: u16,
        cause: &'static str,
        refusal: Option<Refusal>,
        headers: impl FnOnce(&mut Composer),
    ) {
        self.reject_leg_a(context, now, status, headers);
        let ended_by = if status == 487 { EndedBy::LegA } else { EndedBy::Edge };
        self.close(context, now, CallEnd { status, cause, ended_by, refusal });
    }

    /// Ends the setup with what leg B said, in the form that leg A may see.
    pub(super) fn pass_failure(
        &mut self,
        context: &mut Context,
        now: Instant,
        status: u16,
        response: Option<&Message>,
        ended_by: EndedBy,
    ) {
        let direction = self.towards(LegSide::A);
        let host = host_of(&self.legs[LegSide::A.index()]);
        let contacts = response
            .filter(|_| redirect::is_shown_redirect(status) && !direction.is_masked)
            .map(|response| redirect::contacts(response, &host))
            .unwrap_or_default();
        let told = if contacts.is_empty() { redirect::status_for_caller(status) } else { status };
        self.reject_leg_a(context, now, told, |composer| {
            for contact in &contacts {
                composer.header(HeaderName::Contact, contact);
            }
            let Some(response) = response else { return };
            carry::carry(composer, response, direction, &host);
            if response.header(HeaderName::Reason).is_none() {
                composer.header_args(HeaderName::Reason, format_args!("SIP;cause={status}"));
            }
            // It may have a comment (RFC 3261 section 20.33), which nobody has looked at.
            if told == status && status != 503 && !direction.is_masked {
                composer.copy_all(response, HeaderName::RetryAfter);
            }
        });
        let cause =
            if ended_by == EndedBy::LegB { "refused by leg B" } else { "no route answered" };
        self.close(context, now, CallEnd { status: told, cause, ended_by, refusal: None });
    }

    fn reject_leg_a(
        &mut self,
        context: &mut Context,
        now: Instant,
        status: u16,
        headers: impl FnOnce(&mut Composer),
    ) {
        self.overtake_provisional();
        let Some(pending) = self.pending.take() else { return };
        self.setup.go(SetupState::Failed);
        let leg = &self.legs[LegSide::A.index()];
        let mut composer = leg.response(context, &pending.invite, status);
        headers(&mut composer);
        context.respond(now, pending.server, status, composer.finish());
    }

    /// A leg hangs up.
    pub(super) fn handle_bye(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        bye: &Message,
    ) {
        self.legs[from.index()].answer(context, now, server, bye, 200);
        if !self.is_live() {
            return;
        }
        if self.outlives(from) {
            self.lose_transferor(from);
            return;
        }
        if self.is_steered() && from == self.far() {
            self.steered_leg_left(context, now);
            return;
        }
        let ended_by = if from == LegSide::A { EndedBy::LegA } else { EndedBy::LegB };
        if self.setup_is_open() {
            // Leg A may end an early dialog with BYE (RFC 3261 section 15): the INVITE ends as if
            // cancelled. A leg B that hangs up before it answers is a callee that declined.
            if from == LegSide::A || self.setup.state() != SetupState::Withheld {
                self.abandon_attempt(context, now);
            }
            let status = if from == LegSide::A { 487 } else { 480 };
            self.fail(context, now, status, "hung up before the answer", ended_by, None);
            return;
        }
        // A leg that hung up will not acknowledge any more.
        self.legs[from.index()].unacknowledged = None;
        self.deadlines.clear(Deadline::Retransmit(from));
        self.hang_up(context, now, from.other(), Some(bye));
        let cause = if from == LegSide::A { "leg A hung up" } else { "leg B hung up" };
        self.close(context, now, CallEnd { status: 200, cause, ended_by, refusal: None });
    }

    /// Leg A is a browser, and its connection is lost: there is no other way to it, and it forgets the
    /// call as it loads its page again.
    pub(crate) fn cut_off(&mut self, context: &mut Context, now: Instant) {
        if !self.is_live() {
            return;
        }
        let cause = "the browser's connection is lost";
        if self.setup_is_open() {
            self.abandon_attempt(context, now);
            self.fail(context, now, 487, cause, EndedBy::LegA, None);
            return;
        }
        let leg = &mut self.legs[LegSide::A.index()];
        (leg.gone, leg.unacknowledged, leg.bye_after_ack) = (true, None, false);
        self.deadlines.clear(Deadline::Retransmit(LegSide::A));
        self.hang_up(context, now, LegSide::B, None);
        let ended_by = EndedBy::LegA;
        self.close(context, now, CallEnd { status: 200, cause, ended_by, refusal: None });
    }

    /// Whether that has happened.
    pub(super) fn is_cut_off(&self) -> bool {
        let leg = &self.legs[LegSide::A.index()];
        leg.flow.protocol.is_web_socket() && leg.disconnected
    }

    fn setup_is_open(&self) -> bool {
        !matches!(
            self.setup.state(),
            SetupState::Answered | SetupState::Established | SetupState::Failed
        )
    }

    /// Ends an established leg with BYE: at once, or after the ACK that it owes us
    /// (RFC 3261 section 15).
    pub(super) fn hang_up(
        &mut self,
        context: &mut Context,
        now: Instant,
        side: LegSide,
        reason: Option<&Message>,
    ) {
        if side == LegSide::B && self.owes_delayed_ack() {
            let cseq = self.pending.as_ref().map(|pending| pending.invite_cseq);
            self.legs[side.index()].acknowledge(context, cseq.unwrap_or_default(), None);
        }
        if self.legs[side.index()].gone {
            return;
        }
        if self.legs[side.index()].unacknowledged.is_some() {
            self.legs[side.index()].bye_after_ack = true;
            return;
        }
        self.send_bye(context, now, side, reason);
    }

    pub(super) fn send_deferred_bye(&mut self, context: &mut Context, now: Instant, side: LegSide) {
        self.legs[side.index()].bye_after_ack = false;
        self.send_bye(context, now, side, None);
    }

    /// No ACK for our 2xx came in 64 × T1.
    pub(super) fn not_acknowledged(&mut self, context: &mut Context, now: Instant, side: LegSide) {
        if self.legs[side.index()].bye_after_ack {
            self.send_deferred_bye(context, now, side);
            return;
        }
        self.bye_reason = Some("SIP;cause=408;text=\"ACK timeout\"");
        self.end_both(context, now, "the 2xx was not acknowledged", 200);
    }

    pub(super) fn lifetime_over(&mut self, context: &mut Context, now: Instant) {
        if !self.is_live() {
            return;
        }
        if self.setup_is_open() {
            self.abandon_attempt(context, now);
            self.fail(context, now, 408, "the call's lifetime is over", EndedBy::Edge, None);
            return;
        }
        self.bye_reason = Some("SIP;cause=408;text=\"Maximum call duration\"");
        self.end_both(context, now, "the call's lifetime is over", 200);
    }

    pub(super) fn end_unreachable(&mut self, context: &mut Context, now: Instant) {
        self.bye_reason = Some("SIP;cause=408;text=\"Peer does not answer\"");
        self.end_both(context, now, "a leg does not answer", 200);
    }

    pub(super) fn session_expired(&mut self, context: &mut Context, now: Instant, side: LegSide) {
        self.bye_reason = Some("SIP;cause=408;text=\"Session expired\"");
        if self.is_steered() && side == self.far() {
            self.hang_up(context, now, side, None);
            self.bye_reason = None;
            return self.lose_leg_b(context, now, false);
        }
        self.end_both(context, now, "a leg's session was not refreshed", 200);
    }

    pub(super) fn end_disagreement(&mut self, context: &mut Context, now: Instant) {
        self.bye_reason = Some("SIP;cause=491;text=\"Media change crossed its cancellation\"");
        self.end_both(context, now, "the legs disagree on the media", 200);
    }

    pub(super) fn end_unusable_answer(&mut self, context: &mut Context, now: Instant) {
        self.bye_reason = Some("SIP;cause=488;text=\"Answer cannot be used\"");
        self.end_both(context, now, "the answer cannot be used", 200);
    }

    /// Ends the call by the node's decision, whatever its state.
    pub(crate) fn end_by_operator(&mut self, context: &mut Context, now: Instant) {
        if !self.is_live() {
            return;
        }
        if self.setup_is_open() {
            self.abandon_attempt(context, now);
            self.fail(context, now, 503, NODE_STOPS, EndedBy::Edge, Some(Refusal::Draining));
            return;
        }
        self.bye_reason = Some("SIP;cause=503;text=\"Node stops\"");
        self.end_both(context, now, NODE_STOPS, 200);
    }

    /// Ends an answered call on both legs.
    pub(super) fn end_both(
        &mut self,
        context: &mut Context,
        now: Instant,
        cause: &'static str,
        status: u16,
    ) {
        if !self.is_live() {
            return;
        }
        self.hang_up(context, now, LegSide::A, None);
        self.hang_up(context, now, LegSide::B, None);
        let end = CallEnd { status, cause, ended_by: EndedBy::Edge, refusal: None };
        self.close(context, now, end);
    }

    /// The one place where a call's end takes effect.
    pub(super) fn close(&mut self, context: &mut Context, now: Instant, end: CallEnd) {
        if !self.is_live() {
            return;
        }
        let end = self.end_transfers(context, now, end);
        self.end_steering(context, now, &end);
        self.begin_end(context, now);
        context.event(self.id, now, CallEventKind::Ended(end));
    }

    /// What the end of a call does besides the record.
    pub(super) fn begin_end(&mut self, context: &mut Context, now: Instant) {
        self.teardown.go(TeardownState::Ending);
        self.end_wait(context, now);
        self.abort_renegotiation(context, now);
        self.abort_recording(context, now);
        self.drop_realign();
        self.withdraw_invites(context, now);
        self.pending = None;
        self.deadlines.clear_for_teardown();
        self.let_go(context, now);
        // Transactions end by themselves within 64 × T1; a 2xx that awaits its ACK and then its BYE
        // may take twice that.
        let linger = context.config.timers.t1 * (2 * 64 + 8);
        self.deadlines.set(Deadline::Linger, now + linger);
        self.end_copy(context, now);
        self.release_media(context);
    }

    /// An INVITE of ours that still waits, such as a session refresh, waits for nobody any more. A
    /// peer that has sent a provisional response and then hung up may never answer it, and only a
    /// cancelled INVITE ends by itself.
    fn withdraw_invites(&self, context: &mut Context, now: Instant) {
        for open in &self.open {
            if let OpenTransaction::Client(client) = open {
                // Other methods and answered INVITEs are not there to be cancelled.
                let _ = context.endpoint.cancel(now, *client, context.random.as_mut());
            }
        }
    }

    pub(super) fn release_media(&mut self, context: &mut Context) {
        // Before the main one: their last reports are then there when its own closes the record.
        self.release_lines(context);
        self.release_recording(context);
        // Ports that are asked for but not yet reserved are released when the relay's answer
        // finds nobody waiting.
        let reserved = self.media.is_allocated();
        if let Some(id) = self.forget_media(context)
            && reserved
        {
            context.outputs.push_back(Output::Media(MediaCommand::Release { id }));
        }
    }

    /// Forgets the relay's ports; returns the stream that they were of.
    pub(super) fn forget_media(&mut self, context: &mut Context) -> Option<MediaId> {
        for media in self.media.local().into_iter().flatten() {
            context.own_media.remove(&media.rtp);
        }
        self.media.release()
    }
}
