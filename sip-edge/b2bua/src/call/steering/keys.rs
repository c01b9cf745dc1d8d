//! Keys that a leg presses, told to the application, and keys that the application sends.

use super::Call;
use super::pictures::is_media_control;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::dtmf::key_in;
use crate::edge::Output;
use directory::Dtmf;
use model::{ApplicationNews, DtmfKey, DtmfPress, Instant, LegSide, MediaCommand, MediaId};
use sip_proto::{Message, ServerKey};
use std::collections::VecDeque;
use std::time::Duration;

/// Keys in one order.
const MAX_KEYS: usize = 50;
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(24);
/// The same key by its tone and, after so long at most, by INFO is one key.
const SAME_KEY: Duration = Duration::from_secs(1);

/// The keys of an order that are still to be sent.
pub(super) struct KeysUnderWay {
    order: u32,
    left: VecDeque<DtmfKey>,
    duration: Duration,
}

impl Call {
    /// Sends a leg keys, one after the other.
    pub(super) fn send_keys(
        &mut self,
        context: &mut Context,
        now: Instant,
        leg: LegSide,
        (order, keys, duration): (u32, Vec<DtmfKey>, Duration),
    ) -> Result<(), &'static str> {
        if keys.is_empty() || keys.len() > MAX_KEYS {
            return Err("1 to 50 keys are sent");
        }
        if !(SHORTEST..=LONGEST).contains(&duration) {
            return Err("a key lasts 50 ms to 24 s");
        }
        let Some(steering) = self.steering.as_mut() else { return Ok(()) };
        let under_way = &mut steering.keys[leg.index()];
        if under_way.is_some() {
            return Err("keys are being sent to this leg; wait for their end");
        }
        *under_way = Some(KeysUnderWay { order, left: keys.into(), duration });
        self.keys_due(context, now, leg);
        Ok(())
    }

    /// The next key is due, or all are sent.
    pub(in crate::call) fn keys_due(&mut self, context: &mut Context, now: Instant, leg: LegSide) {
        let Some(steering) = self.steering.as_mut() else { return };
        let Some(under_way) = steering.keys[leg.index()].as_mut() else { return };
        let duration = under_way.duration;
        match under_way.left.pop_front() {
            Some(key) => {
                self.send_key(context, now, leg, DtmfPress { key, duration });
                self.deadlines.set(Deadline::Keys(leg), now + duration * 2);
            }
            None => {
                let order = under_way.order;
                steering.keys[leg.index()] = None;
                self.tell(context, now, ApplicationNews::KeysSent { order });
            }
        }
    }

    /// Sends a leg one key, in the form that it takes.
    fn send_key(&mut self, context: &mut Context, now: Instant, leg: LegSide, press: DtmfPress) {
        if self.media.dtmf(leg) == Dtmf::Info {
            return self.send_key_by_info(context, now, leg, press);
        }
        let Some(id) = self.media.id() else { return };
        let DtmfPress { key, duration } = press;
        let command = MediaCommand::SendEvent { id, leg, key, duration };
        context.outputs.push_back(Output::Media(command));
    }

    /// The relay has heard a key: the application is told, and the other leg gets it. `false` where no
    /// application steers.
    pub(in crate::call) fn steered_key(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: MediaId,
        from: LegSide,
        press: DtmfPress,
    ) -> bool {
        if !self.is_steered() {
            return false;
        }
        // Keys of a leg B that has not answered are nobody's.
        let is_there = from == self.near() || !self.is_alone();
        let is_told = self.is_told_of_tones(from, |tones| tones.may_tell_tone(now, press.key));
        if is_there && is_told && self.media.id() == Some(id) && self.is_live() {
            self.key_of_leg(context, now, from, press);
        }
        true
    }

    /// What is to become of a key of a leg whose audio is searched for keys; of other legs it is told.
    fn is_told_of_tones(
        &mut self,
        from: LegSide,
        ask: impl FnOnce(&mut TonesOrInfo) -> bool,
    ) -> bool {
        let is_searched = self.media.tells_tones(from);
        let steering = self.steering.as_mut().filter(|_| is_searched);
        steering.is_none_or(|steering| ask(&mut steering.tones))
    }

    fn key_of_leg(&mut self, context: &mut Context, now: Instant, from: LegSide, press: DtmfPress) {
        let leg = if from == self.near() { LegSide::A } else { LegSide::B };
        self.tell(context, now, ApplicationNews::Key { leg, key: press.key });
        if !self.is_alone() {
            self.send_key(context, now, from.other(), press);
        }
    }

    /// An INFO of a leg: a key is told to the application, and goes on as the other leg takes it. What
    /// else it holds is for the other leg, where there is one. Whether it is dealt with.
    pub(in crate::call) fn take_steered_information(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
    ) -> bool {
        if !self.is_steered() || !self.is_live() {
            return false;
        }
        let status = match key_in(request) {
            Some(Ok(press)) => {
                if self.is_told_of_tones(from, |tones| tones.may_tell_info(now, press.key)) {
                    self.key_of_leg(context, now, from, press);
                }
                200
            }
            Some(Err(crate::dtmf::KeyFault::Encoded)) => 415,
            Some(Err(crate::dtmf::KeyFault::Malformed)) => 400,
            None if self.is_in_room() && is_media_control(request) => {
                self.take_media_control(context, request);
                200
            }
            None if self.is_alone() => {
                self.refuse_method(context, now, from, server, request);
                return true;
            }
            None => return false,
        };
        self.legs[from.index()].answer(context, now, server, request, status);
        true
    }
}

/// A leg that says keys by INFO may have their tones in its audio as well: then INFO counts.
#[derive(Default)]
pub(super) struct TonesOrInfo {
    says_info: bool,
    last_tone: Option<(DtmfKey, Instant)>,
}

impl TonesOrInfo {
    fn may_tell_tone(&mut self, now: Instant, key: DtmfKey) -> bool {
        self.last_tone = Some((key, now));
        !self.says_info
    }

    fn may_tell_info(&mut self, now: Instant, key: DtmfKey) -> bool {
        // The first one may have been told by its tone.
        let is_told = |(told, at): (DtmfKey, Instant)| told == key && now < at + SAME_KEY;
        let says_info = std::mem::replace(&mut self.says_info, true);
        says_info || !self.last_tone.is_some_and(is_told)
    }
}
