//! A leg that wants to know whether it is recorded (`record-aware`) learns in mid-call that a recording
//! began, paused or ended (RFC 7866 section 6.1.2): it is offered the description that it has, with
//! another `a=record`. The other leg and the relay have no part in it.
//!
//! [`Call::review_indication`] runs after every input to the call and compares what a leg was told last
//! with what is true. One request is out at a time, so that of a switch that goes back and forth only what
//! it came to is told. A leg that refuses keeps the call, and is told of the next change.

use super::backoff::glare_wait;
use super::setup::SetupState;
use super::target::retry_after;
use super::transactions::NoResponse;
use super::{Call, ClientPurpose};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::leg::Leg;
use crate::media::{Undo, description_in, refuse_own_address};
use model::{Instant, LegSide};
use sdp::RecordState;
use sip_proto::{ClientKey, HeaderName, Message, Method, OwnerTag};
use std::time::Duration;

/// A leg is told again so long after it was told, at the earliest.
const SPACING: Duration = Duration::from_secs(1);
/// What a leg that is busy or cannot be reached is tried again for.
const MAX_TRIES: u8 = 8;
/// How long such a leg may ask to be left alone.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A re-INVITE that a leg has not answered by then is withdrawn, since no other may pass meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of telling a leg. It goes with the leg when that changes calls.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Indicated {
    /// It does not want to hear this.
    refused: Option<RecordState>,
    /// Tries in a row that came to nothing.
    tries: u8,
    /// When it may be told again.
    earliest: Option<Instant>,
}

impl Indicated {
    /// A try came to nothing: it may be the last one.
    fn tried(&mut self, state: RecordState) {
        self.tries = self.tries.saturating_add(1);
        if self.tries >= MAX_TRIES {
            (self.refused, self.tries) = (Some(state), 0);
        }
    }
}

/// The sub-machine: idle, or waiting for the answer of one leg.
#[derive(Default)]
pub(super) struct Indication {
    asked: Option<Box<Asked>>,
}

/// The request that is out.
struct Asked {
    to: LegSide,
    /// Its number.
    cseq: u32,
    client: ClientKey,
    method: Method<'static>,
    state: RecordState,
    /// What is true of the leg's description if it is refused.
    undo: Undo,
}

impl Indication {
    pub(super) fn is_under_way(&self) -> bool {
        self.asked.is_some()
    }

    /// The leg has left a call that goes on without it.
    pub(super) fn forget(&mut self, side: LegSide) {
        self.asked.take_if(|asked| asked.to == side);
    }

    /// The leg whose answer is waited for, and what is true of it if it gives none.
    pub(super) fn before(&self) -> Option<(LegSide, &Undo)> {
        self.asked.as_ref().map(|asked| (asked.to, &asked.undo))
    }
}

impl Leg {
    /// How long to wait before an offer that crossed one of the leg is made again (RFC 3261 section 14.1).
    /// Which of the two made the Call-ID, the place of a leg that has moved does not say.
    pub(super) fn glare_wait(&self, context: &mut Context) -> Duration {
        let is_ours = OwnerTag::decode(self.call_id.as_bytes()) == Some(context.owner());
        let as_of = if is_ours { LegSide::B } else { LegSide::A };
        glare_wait(as_of, context.random.next_u64())
    }
}

impl Call {
    /// Has a leg told what it does not know. Called after every input to the call.
    pub(crate) fn review_indication(&mut self, context: &mut Context, now: Instant) {
        if self.is_recording() || !self.legs.iter().any(|leg| leg.record_aware) {
            return;
        }
        // The review of the copy may have changed it.
        self.tell_of_listening();
        if self.indication.is_under_way() {
            return;
        }
        self.deadlines.clear(Deadline::Indication);
        if !self.may_indicate() {
            return;
        }
        let mut soonest: Option<Instant> = None;
        for side in LegSide::BOTH {
            let Some(state) = self.next_word(side) else { continue };
            match self.legs[side.index()].indicated.earliest.filter(|at| *at > now) {
                None => return self.indicate(context, now, side, state),
                Some(at) => soonest = Some(soonest.map_or(at, |other| other.min(at))),
            }
        }
        if let Some(at) = soonest {
            self.deadlines.set(Deadline::Indication, at);
        }
    }

    /// What a leg is to be told, if anything.
    fn next_word(&mut self, side: LegSide) -> Option<RecordState> {
        let leg = &mut self.legs[side.index()];
        if !leg.record_aware || leg.gone || leg.dialog.is_none() {
            return None;
        }
        let state = self.media.untold(side);
        if state.is_none() {
            (leg.indicated.refused, leg.indicated.tries) = (None, 0);
        }
        state.filter(|state| leg.indicated.refused != Some(*state))
    }

    /// Whether nothing else is under way: no offer of ours or of a leg (RFC 3261 section 14.1), no leg
    /// that changes calls. Whatever it is, its end is an input to the call.
    fn may_indicate(&self) -> bool {
        let is_free =
            |leg: &Leg| !leg.refreshing && leg.unacknowledged.is_none() && !leg.bye_after_ack;
        self.is_live()
            && self.setup.state() == SetupState::Established
            && !self.renegotiation.is_busy()
            && self.waiting.is_none()
            && !self.realign.is_busy()
            && !self.is_waiting_alone()
            && !self.referral.is_leaving()
            && !self.takeover.is_busy()
            && self.legs.iter().all(is_free)
    }

    fn indicate(&mut self, context: &mut Context, now: Instant, to: LegSide, state: RecordState) {
        let undo = self.media.before_offer(to);
        let Some(body) = self.media.say_recorded(to, state) else {
            self.legs[to.index()].indicated.refused = Some(state);
            return;
        };
        let leg = &mut self.legs[to.index()];
        // An UPDATE is answered at once and by no person (RFC 3311 section 5.2).
        let method = if leg.takes_update { Method::Update } else { Method::Invite };
        let cseq = leg.next_cseq();
        let Some(client) = leg.send_indication(context, now, (method, cseq), &body) else {
            self.media.undo(undo);
            return self.indicate_later(context, now, to, state, None);
        };
        leg.refreshing = true;
        if method == Method::Invite {
            self.deadlines.set(Deadline::Indication, now + PATIENCE);
        }
        self.indication.asked = Some(Box::new(Asked { to, cseq, client, method, state, undo }));
        self.open_client(context, client, ClientPurpose::Indicate(to));
    }

    /// Whether the request of this number is the one that is out.
    pub(super) fn indicates(&self, cseq: u32) -> bool {
        self.indication.asked.as_ref().is_some_and(|asked| asked.cseq == cseq)
    }

    /// It went out once more, with credentials and another number.
    pub(super) fn indication_sent_again(&mut self, client: ClientKey, cseq: u32) {
        if let Some(asked) = self.indication.asked.as_mut() {
            (asked.client, asked.cseq) = (client, cseq);
        }
    }

    /// A leg may be told again, which the review does that follows; or it has not answered.
    pub(super) fn indication_due(&mut self, context: &mut Context, now: Instant) {
        let out = self.indication.asked.as_ref().filter(|asked| asked.method == Method::Invite);
        if let Some(client) = out.map(|asked| asked.client) {
            let _ = context.endpoint.cancel(now, client, context.random.as_mut());
        }
    }

    /// A leg's final response.
    pub(super) fn handle_indication_response(
        &mut self,
        context: &mut Context,
        now: Instant,
        side: LegSide,
        response: &Message,
    ) {
        let status = response.status().unwrap_or_default();
        let leg = &mut self.legs[side.index()];
        if (200..300).contains(&status) && super::is_invite(response) {
            if leg.acknowledge_again(context, response) {
                return;
            }
            leg.acknowledge(context, super::answer::number(response), None);
        }
        let Some(asked) = self.take_asked(side, Some(super::answer::number(response))) else {
            return;
        };
        if !self.is_live() {
            return;
        }
        if (200..300).contains(&status) {
            self.note_indicated(context, now, side, response);
            return;
        }
        let Asked { state, undo, method, .. } = asked;
        self.media.undo(undo);
        let leg = &mut self.legs[side.index()];
        match status {
            // The dialog is gone there (RFC 3261 section 12.2.1.2).
            481 | 408 => self.end_unreachable(context, now),
            // It names UPDATE among what it takes, and does not take it: at once by re-INVITE.
            405 | 501 if method == Method::Update => {
                leg.takes_update = false;
                leg.indicated.tried(state);
            }
            // A longer session interval is wanted (RFC 4028 section 7.3): at once with that one.
            422 => {
                let asked = leg.session.interval_seconds().unwrap_or_default();
                match leg.session.refused(response, asked) {
                    Some(seconds) => leg.session.set_interval(seconds),
                    None => leg.indicated.refused = Some(state),
                }
                leg.indicated.tried(state);
            }
            491 | 500 | 503 | 504 => {
                let wait = retry_after(response).map(|wait| wait.min(LONGEST_WAIT));
                self.indicate_later(context, now, side, state, wait);
            }
            // As if no offer had been made (RFC 3261 section 14.1).
            _ => leg.indicated.refused = Some(state),
        }
    }

    /// No response came. A dialog whose peer is silent is over (RFC 3261 section 12.2.1.2); a way that is
    /// closed may open again.
    pub(super) fn indication_unanswered(
        &mut self,
        context: &mut Context,
        now: Instant,
        side: LegSide,
        failure: NoResponse,
    ) {
        let Some(asked) = self.take_asked(side, None) else { return };
        if !self.is_live() {
            return;
        }
        self.media.undo(asked.undo);
        match failure {
            NoResponse::Timeout => self.end_unreachable(context, now),
            NoResponse::Unreachable => {
                self.indicate_later(context, now, side, asked.state, None);
            }
        }
    }

    /// The request to a leg is over; `None` when it is not the one that is out.
    fn take_asked(&mut self, side: LegSide, cseq: Option<u32>) -> Option<Asked> {
        let is_it =
            |asked: &mut Box<Asked>| asked.to == side && cseq.is_none_or(|cseq| cseq == asked.cseq);
        let asked = self.indication.asked.take_if(is_it)?;
        self.deadlines.clear(Deadline::Indication);
        self.legs[side.index()].refreshing = false;
        Some(*asked)
    }

    fn indicate_later(
        &mut self,
        context: &mut Context,
        now: Instant,
        side: LegSide,
        state: RecordState,
        asked: Option<Duration>,
    ) {
        let wait = self.legs[side.index()].glare_wait(context).max(asked.unwrap_or_default());
        let indicated = &mut self.legs[side.index()].indicated;
        indicated.tried(state);
        // Never at once, for time must pass.
        let at = now + wait + Duration::from_millis(10);
        indicated.earliest = Some(at);
        self.deadlines.set(Deadline::Indication, at);
    }

    fn note_indicated(
        &mut self,
        context: &mut Context,
        now: Instant,
        side: LegSide,
        response: &Message,
    ) {
        let leg = &mut self.legs[side.index()];
        leg.indicated = Indicated { earliest: Some(now + SPACING), ..Indicated::default() };
        leg.note_abilities(response);
        if let Some(dialog) = leg.dialog.as_mut() {
            dialog.update_remote_target(response);
        }
        // It has refreshed the session as well (RFC 4028 section 7.4).
        if leg.session.interval_seconds().is_some() {
            leg.session.answered(response);
            leg.session.arm(&mut self.deadlines, side, now);
        }
        if let Ok(Some(answer)) = description_in(response)
            && refuse_own_address(&answer, &context.own_media).is_ok()
            && self.media.check(side, &answer).is_ok()
            && !self.media.is_unchanged(side, &answer)
        {
            self.media.note_received(side, &answer);
            self.apply_media(context);
        }
    }
}

impl Leg {
    fn send_indication(
        &self,
        context: &mut Context,
        now: Instant,
        (method, cseq): (Method<'static>, u32),
        body: &[u8],
    ) -> Option<ClientKey> {
        let (mut composer, branch, flow) = self.request(context, method, cseq)?;
        let (allow, supported) = self.abilities();
        composer
            .header(HeaderName::Contact, self.contact())
            .header(HeaderName::Allow, allow)
            .header(HeaderName::Supported, supported);
        // Whoever refreshes the session goes on to (RFC 4028 section 7.4).
        if let Some((interval, we_refresh)) = self.session.agreed() {
            let refresher = if we_refresh { "uac" } else { "uas" };
            let value = format_args!("{interval};refresher={refresher}");
            composer.header_args(HeaderName::SessionExpires, value);
            if self.session.min_se_seconds > 0 {
                let min_se = self.session.min_se_seconds;
                composer.header_args(HeaderName::MinSe, format_args!("{min_se}"));
            }
        }
        composer.header(HeaderName::UserAgent, &context.config.product);
        let bytes = composer.body(Some("application/sdp"), body);
        context.send(now, flow, &branch, method, bytes)
    }
}
