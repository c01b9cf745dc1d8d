//! Leg B's early media on its way to leg A, before leg B is in the call: the stream of the call to leg B and
//! the stream of the steered call send to each other, as if each were the other's telephone.

use super::Call;
use crate::call::setup::SetupState;
use crate::context::{CallKey, Context};
use crate::media::BodyFault;
use directory::EarlyMedia;
use model::LegSide;
use sdp::{Encryption, Limits, SessionDescription};

impl Call {
    /// Has leg A hear what leg B sends before its answer, as `target` has learnt where that is. What
    /// leg A hears of us gives way when something comes.
    pub(crate) fn hear_early_media(
        &mut self,
        context: &mut Context,
        key: CallKey,
        target: &mut Call,
    ) {
        let Some((attempt, answer)) = target.early_of_leg_b() else { return };
        let bridging = self.steering.as_ref().and_then(|steering| steering.bridging.as_ref());
        let is_wanted = bridging.is_some_and(|bridging| {
            bridging.target == Some(key) && bridging.early != Some(attempt)
        });
        if !is_wanted
            || !self.is_live()
            || !self.is_alone()
            || self.takeover.is_busy()
            || self.setup.state() != SetupState::Established
        {
            return;
        }
        let far = self.far();
        self.media.forget_leg(far);
        let joined = self.join_early(context, target, &answer);
        if joined.is_err() {
            self.media.forget_leg(far);
        }
        self.apply_early_media(context);
        if let Some(bridging) = self.steering.as_mut().and_then(|s| s.bridging.as_mut()) {
            bridging.early = joined.is_ok().then_some(attempt);
        }
        self.review_playing(context);
    }

    fn join_early(
        &mut self,
        context: &mut Context,
        target: &mut Call,
        answer: &SessionDescription,
    ) -> Result<(), BodyFault> {
        let (near, far) = (self.near(), self.far());
        let described = self.media.renewed(near, None)?;
        let offer = self.media.write_offer(context.random.as_mut(), far, &described)?;
        let offer = SessionDescription::parse(&offer, &Limits::default())?;
        let told = target.send_early_to(context, &offer, answer)?;
        // Leg A was told of formats that it sends, which leg B's call passes on as they are.
        self.media.note_received(far, &told);
        self.media.join(far);
        Ok(())
    }

    /// The attempt and leg B's answer before the answer, of a call that lets it pass.
    fn early_of_leg_b(&self) -> Option<(u32, SessionDescription)> {
        let pending = self.pending.as_ref()?;
        let passes = self.voice_connector.early_media != EarlyMedia::Ringback;
        let answer = pending.early_answer.clone().filter(|_| passes && self.is_live())?;
        Some((pending.attempt, answer))
    }

    /// Sends what leg B sends to where `offer` says, in the place of leg A; how it does that.
    fn send_early_to(
        &mut self,
        context: &mut Context,
        offer: &SessionDescription,
        answer: &SessionDescription,
    ) -> Result<SessionDescription, BodyFault> {
        let (a, b) = (LegSide::A, LegSide::B);
        let habits = self.media.habits(a);
        self.media.start_leg(a, Encryption::Optional, habits);
        let body = self.media.write_answer(context.random.as_mut(), a, offer, answer)?;
        self.media.note_received(a, offer);
        self.media.join(a);
        self.media.note_received(b, answer);
        self.apply_early_media(context);
        Ok(SessionDescription::parse(&body, &Limits::default())?)
    }

    /// Whether leg A hears leg B's early media, or could.
    pub(in crate::call) fn hears_early_media(&self) -> bool {
        let bridging = self.steering.as_ref().and_then(|steering| steering.bridging.as_ref());
        bridging.is_some_and(|bridging| bridging.early.is_some())
    }
}
