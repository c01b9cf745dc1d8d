//! Telling leg A which description the answering fork really gave.
//!
//! Leg A heard one answer, the first (RFC 3261 section 13.2.1). When another early dialog of leg B
//! answers in the end, with other formats or another direction, a re-INVITE of ours brings leg A to
//! it after its ACK.

use super::backoff::glare_wait;
use super::{Call, ClientPurpose};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::leg::{ALLOW, IN_DIALOG_SUPPORTED};
use crate::machine::{Machine, State};
use crate::media::{Undo, description_in, refuse_own_address};
use model::{Instant, LegSide};
use sdp::SessionDescription;
use sip_proto::{HeaderName, Message, Method};

/// Where the alignment of leg A is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RealignState {
    /// Leg A knows what it must.
    Idle,
    /// It is to be told, when nothing else is under way.
    Due,
    /// The re-INVITE is out.
    Offered,
}

impl State for RealignState {
    const INITIAL: Self = RealignState::Idle;
    const EDGES: &'static [(Self, Self)] = &[
        (RealignState::Idle, RealignState::Due),
        (RealignState::Due, RealignState::Offered),
        (RealignState::Due, RealignState::Idle),
        (RealignState::Offered, RealignState::Due),
        (RealignState::Offered, RealignState::Idle),
    ];
}

/// The sub-machine.
#[derive(Default)]
pub(crate) struct Realign {
    machine: Machine<RealignState>,
    work: Option<Box<Work>>,
}

struct Work {
    description: SessionDescription,
    undo: Option<Undo>,
    attempts: u8,
}

/// A leg A that is always busy keeps its first answer.
const MAX_ATTEMPTS: u8 = 4;

impl Realign {
    pub(super) fn is_busy(&self) -> bool {
        self.machine.state() != RealignState::Idle
    }
}

impl Call {
    /// Leg A is to learn `description`, which is leg B's.
    pub(super) fn begin_realign(
        &mut self,
        context: &mut Context,
        now: Instant,
        description: SessionDescription,
    ) {
        self.realign.machine.go(RealignState::Due);
        self.realign.work = Some(Box::new(Work { description, undo: None, attempts: 0 }));
        self.try_realign(context, now);
    }

    /// A change of media by the legs themselves, or the call's end, makes it needless.
    pub(super) fn drop_realign(&mut self) {
        if self.realign.machine.state() == RealignState::Due {
            self.realign.machine.go(RealignState::Idle);
            self.realign.work = None;
            self.deadlines.clear(Deadline::Realign);
        }
    }

    pub(super) fn try_realign(&mut self, context: &mut Context, now: Instant) {
        if !self.is_live() || self.realign.machine.state() != RealignState::Due {
            return;
        }
        let leg = &self.legs[LegSide::A.index()];
        if self.renegotiation.is_busy() || leg.refreshing || leg.unacknowledged.is_some() {
            self.realign_later(context, now);
            return;
        }
        let Some(work) = self.realign.work.as_mut() else { return };
        work.attempts += 1;
        work.undo = Some(self.media.before_offer(LegSide::A));
        let Ok(body) =
            self.media.write_offer(context.random.as_mut(), LegSide::A, &work.description)
        else {
            self.drop_realign();
            return;
        };
        let leg = &mut self.legs[LegSide::A.index()];
        let cseq = leg.next_cseq();
        let Some((mut composer, branch, flow)) = leg.request(context, Method::Invite, cseq) else {
            self.drop_realign();
            return;
        };
        composer
            .header(HeaderName::Contact, leg.contact())
            .header(HeaderName::Allow, ALLOW)
            .header(HeaderName::Supported, IN_DIALOG_SUPPORTED)
            .header(HeaderName::UserAgent, &context.config.product);
        let bytes = composer.body(Some("application/sdp"), &body);
        match context.send(now, flow, &branch, Method::Invite, bytes) {
            Some(client) => {
                self.legs[LegSide::A.index()].refreshing = true;
                self.realign.machine.go(RealignState::Offered);
                self.open_client(context, client, ClientPurpose::Realign);
            }
            None => {
                self.take_back();
                self.realign_later(context, now);
            }
        }
    }

    fn realign_later(&mut self, context: &mut Context, now: Instant) {
        if self.realign.work.as_ref().is_none_or(|work| work.attempts >= MAX_ATTEMPTS) {
            self.drop_realign();
            return;
        }
        // RFC 3261 section 14.1's wait is the right one here too; never at once, for time must pass.
        let wait = glare_wait(LegSide::A, context.random.next_u64());
        let at = now + wait + std::time::Duration::from_millis(10);
        self.deadlines.set(Deadline::Realign, at);
    }

    /// The description of the offer that was not taken is not the last one any more.
    fn take_back(&mut self) {
        if let Some(undo) = self.realign.work.as_mut().and_then(|work| work.undo.take()) {
            self.media.undo(undo);
        }
    }

    pub(super) fn handle_realign_response(
        &mut self,
        context: &mut Context,
        now: Instant,
        response: &Message,
    ) {
        let status = response.status().unwrap_or_default();
        let leg = &mut self.legs[LegSide::A.index()];
        if (200..300).contains(&status) {
            if leg.acknowledge_again(context, response) {
                return;
            }
            leg.acknowledge(context, super::answer::number(response), None);
        }
        leg.refreshing = false;
        if !self.is_live() || self.realign.machine.state() != RealignState::Offered {
            return;
        }
        match status {
            200..300 => {
                self.realign.machine.go(RealignState::Idle);
                self.realign.work = None;
                self.note_realigned(context, response);
            }
            491 => {
                self.take_back();
                self.realign.machine.go(RealignState::Due);
                self.realign_later(context, now);
            }
            // The dialog is gone there (RFC 3261 section 12.2.1.2).
            481 | 408 => self.end_unreachable(context, now),
            // Leg A keeps its first answer (section 14.1: as if no offer had been made).
            _ => {
                self.take_back();
                self.realign.machine.go(RealignState::Idle);
                self.realign.work = None;
            }
        }
    }

    fn note_realigned(&mut self, context: &mut Context, response: &Message) {
        let leg = &mut self.legs[LegSide::A.index()];
        if let Some(dialog) = leg.dialog.as_mut() {
            dialog.update_remote_target(response);
        }
        if let Ok(Some(answer)) = description_in(response)
            && refuse_own_address(&answer, &context.own_media).is_ok()
            && self.media.check(LegSide::A, &answer).is_ok()
        {
            self.media.note_received(LegSide::A, &answer);
            self.apply_media(context);
        }
    }
}
