//! Calls that nobody speaks on any more, and those that lost their way to speak.

use super::Call;
use super::setup::SetupState;
use crate::context::Context;
use model::{
    ApplicationNews, CallEventKind, EndedBy, Instant, LegSide, MediaId, MediaTimeouts, Refusal,
};
use std::time::Duration;

/// When the meeting rooms are told that nothing comes from a caller any more. What is to become of it they
/// decide; what the voice connector says does not count there.
const ROOM_SILENCE: Duration = Duration::from_secs(5);

impl Call {
    /// What the voice connector says of silence. Whoever called for help may be unable to speak.
    pub(super) fn media_timeouts(&self) -> MediaTimeouts {
        // Who rings may say nothing for a while.
        if self.is_emergency() || self.hears_early_media() {
            return MediaTimeouts::default();
        }
        if self.is_of_rooms() {
            return MediaTimeouts { one: Some(ROOM_SILENCE), both: None };
        }
        self.voice_connector.media_timeouts
    }

    /// The relay has heard nothing for that long: of a leg, or of all that should send.
    pub(super) fn media_timed_out(
        &mut self,
        context: &mut Context,
        now: Instant,
        leg: Option<LegSide>,
        silent_for: Duration,
    ) {
        let is_answered =
            matches!(self.setup.state(), SetupState::Answered | SetupState::Established);
        if !is_answered || self.media_timeouts() == MediaTimeouts::default() {
            return;
        }
        if self.is_of_rooms() {
            return self.tell(context, now, ApplicationNews::Silent { silent_for });
        }
        // Q.850 cause 102: recovery on timer expiry.
        self.bye_reason = Some("Q.850;cause=102;text=\"Media timeout\"");
        let cause = match leg {
            None => "no media from either side for media.both_silent of the voice connector",
            Some(LegSide::A) => {
                "no media from the caller for media.one_silent of the voice connector"
            }
            Some(LegSide::B) => {
                "no media from the callee for media.one_silent of the voice connector"
            }
        };
        self.end_both(context, now, cause, 200);
    }

    /// For how long a leg may send audio without ever being heard.
    pub(super) fn unheard_after(&self) -> Option<Duration> {
        let is_watched = !self.is_emergency() && !self.hears_early_media();
        let unheard = self.voice_connector.unheard.filter(|_| is_watched)?;
        Some(unheard.after)
    }

    /// The relay has heard nothing but silence in the audio of a leg.
    pub(super) fn leg_unheard(&mut self, context: &mut Context, now: Instant, leg: LegSide) {
        let is_answered =
            matches!(self.setup.state(), SetupState::Answered | SetupState::Established);
        let Some(policy) = self.voice_connector.unheard else { return };
        if !is_answered || self.is_emergency() {
            return;
        }
        context.event(self.id, now, CallEventKind::Unheard { leg });
        if !policy.ends_call {
            return;
        }
        self.bye_reason = Some("Q.850;cause=102;text=\"No audio\"");
        let cause = match leg {
            LegSide::A => "one-way audio: only silence from the caller for media.unheard_after",
            LegSide::B => "one-way audio: only silence from the callee for media.unheard_after",
        };
        self.end_both(context, now, cause, 200);
    }

    /// The relay has the call's stream no more: nobody hears anything.
    pub(super) fn media_lost(&mut self, context: &mut Context, now: Instant, id: MediaId) {
        if self.media.has_line(id) {
            // The call goes on with the others.
            self.media.forget_line(id);
            self.tell_pictures(context, now);
            return;
        }
        if self.media.id() != Some(id) || !self.is_live() {
            return;
        }
        // There is nothing to be released; the other lines were there too.
        self.forget_media(context);
        let _ = self.media.release_lines();
        if matches!(self.setup.state(), SetupState::Answered | SetupState::Established) {
            // Q.850 cause 41: temporary failure.
            self.bye_reason = Some("Q.850;cause=41;text=\"Media relay lost\"");
            self.end_both(context, now, "the media relay lost the call", 200);
            return;
        }
        self.abandon_attempt(context, now);
        let cause = "the media relay lost the call";
        let refusal = Some(Refusal::RelayUnavailable);
        self.fail(context, now, 503, cause, EndedBy::Edge, refusal);
    }
}
