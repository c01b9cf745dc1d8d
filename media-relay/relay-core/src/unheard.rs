//! Legs that send audio, and nothing in it but silence: one-way audio although packets flow.
//!
//! A leg is listened to until it is heard for the first time, or told, and never again: who falls silent later
//! has muted a microphone, or listens. So the cost, a decoder and the kernel's path, lasts as long as
//! nobody says a word.

use crate::ear::Ear;
use crate::plan::CompiledLeg;
use crate::rtp_session::RtpSession;
use codecs::AudioFormat;
use model::{Codec, Instant, LegSide, MediaPlan};
use rtp_proto::RtpPacket;
use std::time::Duration;

/// Formats of a leg that are listened to; one more counts as heard.
const EARS: usize = 4;
/// A leg of which nothing has come for so long sends nothing: that is silence of another kind, see
/// [`RtpSession::poll_timeout`].
const STILL_SENDS: Duration = Duration::from_secs(2);

/// Whom a stream listens to.
#[derive(Debug)]
pub(crate) struct Unheard {
    limit: Duration,
    legs: [Listening; 2],
}

#[derive(Debug, Default)]
struct Listening {
    ears: Vec<Ear>,
    /// When the first packet came that it should have been heard in.
    since: Option<Instant>,
    is_heard: bool,
    is_told: bool,
}

impl Unheard {
    fn is_listening(&self, leg: LegSide) -> bool {
        let leg = &self.legs[leg.index()];
        !leg.is_heard && !leg.is_told
    }

    /// Takes a packet of `from`.
    #[inline]
    pub(crate) fn listen(
        &mut self,
        from: LegSide,
        plan: &CompiledLeg,
        packet: &RtpPacket<'_>,
        arrival: Instant,
    ) {
        let leg = &mut self.legs[from.index()];
        if leg.is_heard || leg.is_told || !plan.accepts_from {
            return;
        }
        leg.since.get_or_insert(arrival);
        let format = plan.format(packet.payload_type());
        // A key is pressed whether or not the microphone works.
        if plan.is_telephone_event(packet.payload_type()) || format.codec == Codec::ComfortNoise {
            return;
        }
        let read = AudioFormat::new(format.codec, format.clock_rate);
        // What cannot be told is not said to be silence.
        let ear = leg.ears.iter_mut().find(|ear| ear.reads(read));
        leg.is_heard = ear.is_none_or(|ear| !ear.is_silent(read, packet.payload()));
    }
}

impl RtpSession {
    /// Listens to the legs as `plan` asks for. Who was heard once stays heard.
    pub(crate) fn apply_unheard(&mut self, plan: &MediaPlan) {
        // Before the answer, or of a call that nobody asks this of.
        let Some(limit) = plan.unheard_after else {
            self.unheard = None;
            return;
        };
        let mut unheard = self
            .unheard
            .take()
            .unwrap_or_else(|| Box::new(Unheard { limit, legs: Default::default() }));
        unheard.limit = limit;
        for (leg, plan) in unheard.legs.iter_mut().zip(&plan.legs) {
            let formats = plan.codecs.iter().filter(|_| !leg.is_heard);
            let formats = formats.filter_map(|m| AudioFormat::new(m.codec, m.clock_rate));
            leg.ears.clear();
            for format in formats {
                let is_known = leg.ears.iter().any(|ear| ear.reads(Some(format)));
                if !is_known && leg.ears.len() < EARS {
                    leg.ears.extend(Ear::new(format));
                }
            }
            if !plan.accepts_from {
                // On hold: what comes then does not count, nor what came before.
                leg.since = None;
            }
        }
        self.unheard = Some(unheard);
    }

    /// Whether packets of `from` are needed here to be listened to.
    pub(crate) fn is_listening(&self, from: LegSide) -> bool {
        self.unheard.as_deref().is_some_and(|unheard| unheard.is_listening(from))
    }

    /// A leg that has sent audio for as long as [`MediaPlan::unheard_after`] says, with nothing but
    /// silence and comfort noise in it; said once. And for how long.
    pub fn poll_unheard(&mut self, now: Instant) -> Option<(LegSide, Duration)> {
        let unheard = self.unheard.as_deref_mut()?;
        let limit = unheard.limit;
        LegSide::BOTH.into_iter().find_map(|side| {
            let heard_of = self.legs[side.index()].heard;
            let leg = &mut unheard.legs[side.index()];
            let since = leg.since.filter(|_| !leg.is_heard && !leg.is_told)?;
            let lasted = now.saturating_since(since);
            if now.saturating_since(heard_of) > STILL_SENDS {
                // It begins anew with the next packet.
                leg.since = None;
                return None;
            }
            leg.is_told = lasted >= limit;
            leg.is_told.then_some((side, lasted))
        })
    }

    /// When [`RtpSession::poll_unheard`] can first say something; `None` for never.
    pub fn unheard_deadline(&self) -> Option<Instant> {
        let unheard = self.unheard.as_deref()?;
        let waiting = unheard.legs.iter().filter(|leg| !leg.is_heard && !leg.is_told);
        waiting.filter_map(|leg| Some(leg.since? + unheard.limit)).min()
    }
}

#[cfg(test)]
mod tests;
