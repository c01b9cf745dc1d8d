//! Somebody called as leg B for the application: a call of its own until it is answered, under every
//! rule for calls of that kind. Then its leg comes here, in the place of nobody, and leg A stays where
//! it is.

use super::Call;
use crate::admission::Admission;
use crate::call::answer::host_of;
use crate::call::setup::SetupState;
use crate::context::{CallKey, Context};
use crate::deadline::Deadline;
use crate::leg::via;
use crate::transfer::{Order, Outcome};
use directory::parse_e164;
use model::{ApplicationNews, AudioSource, Bridge, Instant, LegSide, OtherMedia};
use sip_proto::{Composer, HeaderName, Message, Method};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

const RING_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(120);
/// Header fields of the INVITE that an application may set, and octets of the longest value.
const MAX_HEADERS: usize = 32;
const LONGEST_VALUE: usize = 1_024;

/// Who is called for the application.
pub(super) struct Bridging {
    order: u32,
    /// The call to it.
    pub(super) target: Option<CallKey>,
    /// Whom to call once leg A has said where it takes media: its INVITE said nothing.
    waiting: Option<Box<Bridge>>,
    rings: bool,
    ringback: Option<AudioSource>,
    /// The attempt to call it whose early media leg A gets.
    pub(super) early: Option<u32>,
}

impl Bridging {
    /// What leg A hears meanwhile; `node` is the node's tone, for while leg B rings.
    pub(super) fn heard(&self, node: Option<&AudioSource>) -> Option<AudioSource> {
        let own = self.ringback.as_ref();
        own.or_else(|| node.filter(|_| self.rings)).cloned()
    }

    /// What becomes of it when leg B is heard before its answer.
    pub(super) fn with(&self) -> OtherMedia {
        match self.early {
            Some(_) => OtherMedia::Wins,
            None => OtherMedia::Yields,
        }
    }
}

impl Call {
    /// Begins to call somebody as leg B. A leg A that was not answered is answered first, so that it
    /// can be joined.
    pub(super) fn begin_bridge(
        &mut self,
        context: &mut Context,
        now: Instant,
        order: u32,
        bridge: Bridge,
    ) -> Result<(), &'static str> {
        check(&bridge)?;
        let steering = self.steering.as_ref().ok_or("no application steers the call")?;
        if steering.is_bridged || steering.bridging.is_some() {
            return Err("there is a leg B, or one is being called");
        }
        if steering.seating.is_some() {
            return Err("leg A is in a conference; order that it leaves first");
        }
        if self.takeover.is_busy() {
            return Err("the leg B before has not left yet; try again");
        }
        if self.is_outbound_steered() && self.setup.state() != SetupState::Established {
            return Err("leg A has not answered");
        }
        if self.setup.state() == SetupState::Steered {
            self.answer_steered(context, now);
            if let Some(steering) = self.steering.as_mut() {
                steering.answered_for_bridge = true;
            }
            if !self.is_live() {
                return Ok(());
            }
        }
        let ringback = bridge.ringback.clone();
        let bridging =
            Bridging { order, target: None, waiting: None, rings: false, ringback, early: None };
        self.deadlines.set(Deadline::Bridge, now + bridge.ring_timeout);
        let Some(steering) = self.steering.as_mut() else { return Ok(()) };
        let bridging = steering.bridging.insert(bridging);
        if steering.own_offer {
            bridging.waiting = Some(Box::new(bridge));
        } else {
            context.orders.push_back(Order::Bridge { from: self.key, bridge: Box::new(bridge) });
        }
        self.review_playing(context);
        Ok(())
    }

    /// Leg A has answered our offer: leg B can be offered what leg A takes. One that is called already may
    /// have said something before leg A's ACK came, which leg A is to hear from now on.
    pub(super) fn call_waiting_leg_b(&mut self, context: &mut Context) {
        let bridging = self.steering.as_mut().and_then(|steering| steering.bridging.as_mut());
        let Some(bridging) = bridging else { return };
        if let Some(target) = bridging.target {
            context.orders.push_back(Order::EarlyMedia { steered: self.key, target });
        }
        if let Some(bridge) = bridging.waiting.take() {
            context.orders.push_back(Order::Bridge { from: self.key, bridge });
        }
    }

    /// The call to leg B has begun.
    pub(crate) fn bridge_begun(&mut self, target: CallKey) {
        if let Some(bridging) = self.steering.as_mut().and_then(|s| s.bridging.as_mut()) {
            bridging.target = Some(target);
        }
    }

    /// The INVITE with which leg A would call leg B itself.
    pub(crate) fn bridge_invite(
        &self,
        context: &mut Context,
        bridge: &Bridge,
        admission: &Admission,
    ) -> Option<Message> {
        let near = self.near();
        let leg = &self.legs[near.index()];
        let offer = self.media.renewed(near, None).ok()?;
        let host = host_of(leg);
        let target = format!("sip:{}@{host}", admission.called);
        let mut composer = Composer::request("INVITE", &target);
        let branch = context.new_branch();
        via(&mut composer, &leg.listener, &branch, "");
        let tag = context.new_token();
        composer
            .header(HeaderName::MaxForwards, "70")
            .header_pieces(HeaderName::From, &["<sip:", &bridge.from, "@", &host, ">;tag=", &tag])
            .header_pieces(HeaderName::To, &["<", &target, ">"])
            .header(HeaderName::CallId, context.new_token())
            .cseq(1, Method::Invite);
        for (name, value) in &bridge.headers {
            composer.header_named(name, value);
        }
        let bytes = composer.body(Some("application/sdp"), &offer.write());
        Message::parse(bytes, &context.config.limits).ok()
    }

    /// The call to leg B has something to tell.
    pub(in crate::call) fn bridge_report(
        &mut self,
        context: &mut Context,
        now: Instant,
        outcome: Outcome,
    ) {
        let Some(bridging) = self.steering.as_mut().and_then(|s| s.bridging.as_mut()) else {
            return;
        };
        match outcome {
            Outcome::Progress(_) => {
                if !std::mem::replace(&mut bridging.rings, true) {
                    self.tell(context, now, ApplicationNews::Ringing(LegSide::B));
                    self.review_playing(context);
                }
            }
            Outcome::Failed(status) => self.bridge_failed(context, now, status),
        }
    }

    /// Nobody is called any more: the application hears why, and leg A goes on.
    pub(crate) fn bridge_failed(&mut self, context: &mut Context, now: Instant, status: u16) {
        self.deadlines.clear(Deadline::Bridge);
        let bridging = self.steering.as_mut().and_then(|steering| steering.bridging.take());
        let Some(Bridging { order, early, .. }) = bridging else { return };
        if early.is_some() && self.is_live() {
            let far = self.far();
            self.media.forget_leg(far);
            self.apply_media(context);
        }
        self.tell(context, now, ApplicationNews::BridgeFailed { order, status });
        self.review_playing(context);
    }

    /// Leg B has rung for as long as it may.
    pub(in crate::call) fn bridge_unanswered(&mut self, context: &mut Context, now: Instant) {
        // One that is just being joined has answered.
        if !self.takeover.is_busy() {
            self.withdraw_target(context);
            self.bridge_failed(context, now, 408);
        }
    }

    /// The application does not want leg B any more, before it is there.
    pub(super) fn cancel_bridge(
        &mut self,
        context: &mut Context,
        now: Instant,
    ) -> Result<(), &'static str> {
        if self.steering.as_ref().is_none_or(|steering| steering.bridging.is_none()) {
            return Err("there is no leg B");
        }
        self.withdraw_target(context);
        if self.takeover.is_busy() {
            self.drop_joining_leg(context, now, true, 487);
        } else {
            self.bridge_failed(context, now, 487);
        }
        Ok(())
    }

    /// As the call ends: whoever is called is let go.
    pub(super) fn withdraw_bridge(&mut self, context: &mut Context) {
        self.withdraw_target(context);
        if let Some(steering) = self.steering.as_mut() {
            steering.bridging = None;
        }
    }

    fn withdraw_target(&self, context: &mut Context) {
        let bridging = self.steering.as_ref().and_then(|steering| steering.bridging.as_ref());
        if let Some(target) = bridging.and_then(|bridging| bridging.target) {
            context.orders.push_back(Order::Withdraw { target });
        }
    }

    /// Whether leg B of `target` is still wanted here. It comes by [`Call::take_leg`] then.
    pub(crate) fn expect_leg_b(&mut self, target: CallKey) -> bool {
        let bridging = self.steering.as_ref().and_then(|steering| steering.bridging.as_ref());
        let is_wanted = bridging.is_some_and(|bridging| bridging.target == Some(target));
        if !is_wanted || !self.is_live() || self.takeover.is_busy() {
            return false;
        }
        self.become_bridged(target);
        true
    }

    /// Leg B has agreed to leg A's media: it is in the call.
    pub(in crate::call) fn bridge_joined(&mut self, context: &mut Context, now: Instant) {
        let Some(steering) = self.steering.as_mut() else { return };
        if steering.is_bridged {
            return;
        }
        steering.is_bridged = true;
        steering.bridging = None;
        steering.muted = [false; 2];
        self.deadlines.clear(Deadline::Bridge);
        self.tell(context, now, ApplicationNews::Answered(LegSide::B));
        self.review_playing(context);
        self.review_listening(context);
    }

    /// A leg B that has come, or was to come, does not stay: it is hung up where it has not done that
    /// itself, and leg A goes on.
    pub(in crate::call) fn drop_joining_leg(
        &mut self,
        context: &mut Context,
        now: Instant,
        hangs_up: bool,
        status: u16,
    ) {
        self.stop_joining();
        self.end_trial(context, now, status);
        if hangs_up {
            self.bye_reason = None;
            self.hang_up(context, now, self.far(), None);
        }
        self.forget_leg_b(context, now);
        self.bridge_failed(context, now, status);
    }

    /// Leg B hangs up: from the call, or while it was still to be joined.
    pub(in crate::call) fn steered_leg_left(&mut self, context: &mut Context, now: Instant) {
        if self.is_alone() {
            self.drop_joining_leg(context, now, false, 480);
        } else {
            self.lose_leg_b(context, now, false);
        }
    }

    /// Leg B has left: leg A is alone again.
    pub(in crate::call) fn lose_leg_b(
        &mut self,
        context: &mut Context,
        now: Instant,
        ordered: bool,
    ) {
        let Some(steering) = self.steering.as_mut() else { return };
        if !std::mem::take(&mut steering.is_bridged) {
            return;
        }
        // An offer that tells leg A of leg B's media is under way: its answer is still leg A's.
        self.forget_leg_b(context, now);
        let news = ApplicationNews::HungUp { leg: LegSide::B, ordered, status: 200 };
        self.tell(context, now, news);
        self.apply_media(context);
    }

    fn forget_leg_b(&mut self, context: &mut Context, now: Instant) {
        let side = self.far();
        self.abort_renegotiation(context, now);
        self.drop_realign();
        self.indication.forget(side);
        let leg = &mut self.legs[side.index()];
        leg.gone = true;
        leg.refreshing = false;
        if !leg.bye_after_ack {
            leg.unacknowledged = None;
            self.deadlines.clear(Deadline::Retransmit(side));
        }
        for deadline in
            [Deadline::Refresh(side), Deadline::SessionExpiry(side), Deadline::Keys(side)]
        {
            self.deadlines.clear(deadline);
        }
        self.let_go_of(context, now, side);
        self.release_lines(context);
        self.media.forget_leg(side);
        if let Some(steering) = self.steering.as_mut() {
            steering.plays[side.index()] = None;
            steering.keys[side.index()] = None;
            steering.muted = [false; 2];
        }
        self.restore_own_cap();
    }

    /// Leg B's call brings its own cap along: this call's is remembered.
    pub(in crate::call) fn remember_own_cap(&mut self) {
        let cap = self.deadlines.at(Deadline::DurationCap);
        if let Some(steering) = self.steering.as_mut() {
            // Of leg B that is exchanged for another it is known.
            steering.own_cap.get_or_insert(cap);
        }
    }

    /// Leg B is not there any more: its cap is none of leg A's.
    pub(in crate::call) fn restore_own_cap(&mut self) {
        match self.steering.as_mut().and_then(|steering| steering.own_cap.take()) {
            Some(Some(cap)) => self.deadlines.set(Deadline::DurationCap, cap),
            Some(None) => self.deadlines.clear(Deadline::DurationCap),
            None => {}
        }
    }
}

/// What is wrong with whom an application wants called.
fn check(bridge: &Bridge) -> Result<(), &'static str> {
    check_who(&bridge.to, &bridge.from, &bridge.headers)?;
    if !RING_TIMEOUT.contains(&bridge.ring_timeout) {
        return Err("leg B rings for 1 s to 120 s");
    }
    Ok(())
}

/// What is wrong with a call that an application wants to begin.
pub(crate) fn check_outbound(call: &model::OutboundCall) -> Result<(), &'static str> {
    check_who(&call.to, &call.from, &call.headers)
}

/// What is wrong with the numbers and header fields of a call for an application.
fn check_who(to: &str, from: &str, headers: &[(Arc<str>, Arc<str>)]) -> Result<(), &'static str> {
    if parse_e164(to).is_none() || parse_e164(from).is_none() {
        return Err("numbers are \"+\" and 7 to 15 digits");
    }
    let is_allowed = |name: &str| {
        let is_ours = name.eq_ignore_ascii_case("X-Tandem-Streaming")
            || name.eq_ignore_ascii_case("X-Tandem-Recording");
        let is_extension = name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
        let is_known = ["User-to-User", "Diversion"].iter().any(|n| name.eq_ignore_ascii_case(n));
        let is_token = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        is_token && name.len() <= 64 && (is_known || (is_extension && !is_ours))
    };
    let is_plain = |value: &str| {
        value.len() <= LONGEST_VALUE && value.chars().all(|c| c == ' ' || !c.is_control())
    };
    match headers.len() <= MAX_HEADERS
        && headers.iter().all(|(name, value)| is_allowed(name) && is_plain(value))
    {
        true => Ok(()),
        false => Err("32 header fields at most: User-to-User, Diversion and X-…, in plain text"),
    }
}
