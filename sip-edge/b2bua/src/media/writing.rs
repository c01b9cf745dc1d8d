//! What a leg is described: offers and answers made from what the other leg sent.

use super::body::seen_under;
use super::{BodyFault, CallMedia, Undo};
use crate::dtmf;
use crate::masking;
use model::{FloorPeer, LegSide};
use sdp::{
    AnchorOptions, Encryption, FloorLine, Limits, Role, SessionDescription, anchor_lines,
    leg_security,
};
use sip_proto::Random;
use std::borrow::Cow;

impl CallMedia {
    /// Refuses the audio that `leg` describes if its policy does: plain where SRTP is required, and
    /// SRTP where there is to be none; and a handshake when we have no certificate for one.
    pub(crate) fn check(
        &self,
        leg: LegSide,
        description: &SessionDescription,
    ) -> Result<(), BodyFault> {
        let encryption = self.encryption(leg);
        let origin = &self.legs[leg.index()].origin;
        let handshake = description.audio_ref().is_some_and(|audio| audio.dtls.is_some());
        if handshake && !origin.has_fingerprint() {
            return Err(BodyFault::NotAcceptable);
        }
        let refused = description.audio_ref().is_some()
            && seen_under(encryption, description).audio_ref().is_none();
        match (refused, encryption) {
            (false, _) => Ok(()),
            (true, Encryption::Required | Encryption::Dtls) => Err(BodyFault::Plain),
            (true, _) => Err(BodyFault::NotAcceptable),
        }
    }

    /// What a rejected offer to `leg` must put back.
    pub(crate) fn before_offer(&self, leg: LegSide) -> Undo {
        let media = &self.legs[leg.index()];
        let (origin, floor) = (media.origin.clone(), media.floor.clone());
        Undo { leg, origin, floor, was_offered: media.was_offered }
    }

    pub(crate) fn undo(&mut self, undo: Undo) {
        let leg = &mut self.legs[undo.leg.index()];
        (leg.origin, leg.floor, leg.was_offered) = (undo.origin, undo.floor, undo.was_offered);
    }

    /// Writes towards `target` what the other leg offered. `random` gives new keys.
    pub(crate) fn write_offer(
        &mut self,
        random: &mut dyn Random,
        target: LegSide,
        offer: &SessionDescription,
    ) -> Result<Vec<u8>, BodyFault> {
        self.check(target.other(), offer)?;
        let offer = seen_under(self.encryption(target.other()), offer);
        let last = self.legs[target.index()].origin.last_audio();
        let widened = sdp::with_formats(&offer, self.transcodes_to(target), last);
        let told = dtmf::offer_for(self.dtmf(target), self.dtmf(target.other()), last, widened);
        let changed = match told {
            Cow::Borrowed(_) => None,
            Cow::Owned(changed) => Some(changed),
        };
        self.write(random, target, changed.as_ref().unwrap_or(&offer), Role::Offer)
    }

    /// Writes towards `target`, which made `offer`, what the other leg answered. An answer whose
    /// keys do not fit our offer is refused: its media could not be read.
    pub(crate) fn write_answer(
        &mut self,
        random: &mut dyn Random,
        target: LegSide,
        offer: &SessionDescription,
        answer: &SessionDescription,
    ) -> Result<Vec<u8>, BodyFault> {
        self.check(target.other(), answer)?;
        let offer = seen_under(self.encryption(target), offer);
        let answer = seen_under(self.encryption(target.other()), answer);
        let ours = self.legs[target.other().index()].origin.last_audio();
        let at = match (ours, answer.audio_ref()) {
            (Some(ours), Some(answer)) => {
                leg_security(Some(answer), Some(ours)).ok_or(BodyFault::NotAcceptable)?;
                Some(ours.index)
            }
            (Some(ours), None) => Some(ours.index),
            // It answers in the place of another leg, which has not been asked yet.
            (None, answer) => answer.map(|answer| answer.index),
        };
        let narrowed = match self.may_transcode() {
            false => Cow::Borrowed(&*answer),
            true => sdp::in_formats_of(&answer, &offer, self.sends_noise),
        };
        let [told, heard] = [target, target.other()].map(|leg| self.dtmf(leg));
        let answer = dtmf::answer_for(told, heard, &offer, narrowed);
        self.write(random, target, &answer, Role::Answer { to: &offer, at })
    }

    /// The line of floor control that answers to `leg` take from now on, or offers to it have, beside slides.
    pub(crate) fn set_floor(&mut self, leg: LegSide, floor: Option<FloorLine>) {
        self.legs[leg.index()].floor = floor;
    }

    /// Who has floor control by an answer that was written to `leg`.
    pub(crate) fn agreed_floor(&self, leg: LegSide, answer: &[u8]) -> Option<FloorPeer> {
        self.legs[leg.index()].floor.as_ref()?.agreed(answer)
    }

    /// What `leg` was told last.
    pub(crate) fn last_told(&self, leg: LegSide) -> Option<SessionDescription> {
        SessionDescription::parse(self.last_sent(leg)?, &Limits::default()).ok()
    }

    /// Whether that is an offer.
    pub(crate) fn was_offered(&self, leg: LegSide) -> bool {
        self.legs[leg.index()].was_offered
    }

    fn write(
        &mut self,
        random: &mut dyn Random,
        target: LegSide,
        received: &SessionDescription,
        role: Role<'_>,
    ) -> Result<Vec<u8>, BodyFault> {
        let further = self.further_lines(target, received, role);
        let local = self.local.as_ref().ok_or(BodyFault::NotAcceptable)?;
        let holder = &self.legs[target.other().index()];
        let with_music = (holder.has_listened && holder.hold_music.is_some())
            .then(|| received.clone().sending_on_hold());
        let received = with_music.as_ref().unwrap_or(received);
        let leg = &mut self.legs[target.index()];
        let (recorded, floor, bundle) =
            (leg.recorded, leg.floor.clone(), leg.lines.bundle().cloned());
        let options = AnchorOptions { recorded, floor, bundle, ..AnchorOptions::default() };
        let mut draw = || random.next_u64();
        let local = &local[target.index()];
        let origin = &mut leg.origin;
        let body = anchor_lines(received, local, &further, origin, role, &options, &mut draw)?;
        leg.was_offered = matches!(role, Role::Offer);
        Ok(if self.is_masked { masking::described(body) } else { body })
    }

    /// What `leg` last described, as the offer to another far end that last got `previous`.
    pub(crate) fn renewed(
        &self,
        leg: LegSide,
        previous: Option<&[u8]>,
    ) -> Result<SessionDescription, BodyFault> {
        let limits = Limits::default();
        let body = self.legs[leg.index()].received_body.as_ref().ok_or(BodyFault::NotAcceptable)?;
        let described = SessionDescription::parse(body, &limits)?;
        let previous = previous.and_then(|sent| SessionDescription::parse(sent, &limits).ok());
        Ok(sdp::renewed(&described, previous.as_ref())?.for_leg(Encryption::Optional))
    }
}
