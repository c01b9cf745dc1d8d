//! What one offer or answer does to a dialogue: the description for the other side, and the plan.

use crate::dialogue::Dialogue;
use crate::lines::{PartyLines, move_to};
use crate::request::Request;
use crate::text::{with_feedback_of, with_ptime, with_rtcp_mux, without_rtcp_mux};
use model::{IpFamily, LegSide, LocalMedia};
use sdp::{
    AnchorOptions, AudioStream, Encryption, Limits, Role, RtpProfile, SdpError, SessionDescription,
    anchor_lines, in_formats_of, with_formats,
};
use std::borrow::Cow;
use std::sync::Arc;

/// An offer, read.
pub(crate) struct Offered {
    /// As the offerer will find it answered.
    theirs: SessionDescription,
    /// As it goes to the other side.
    pub(crate) towards: SessionDescription,
}

impl Offered {
    /// Reads an offer under the policy of the leg that makes it.
    pub(crate) fn read(request: &Request, encryption: Encryption) -> Result<Self, SdpError> {
        let flags = &request.flags;
        let mut text = flags.formats.apply(&request.sdp);
        if flags.rtcp_mux.reject {
            text = without_rtcp_mux(&text);
        }
        let theirs = parse(&text)?.for_leg(encryption);
        let mut shown = match (flags.rtcp_mux.offer, flags.rtcp_mux.demux) {
            (true, _) => Some(with_rtcp_mux(&text)),
            (false, true) => Some(without_rtcp_mux(&text)),
            (false, false) => None,
        };
        if let Some(millis) = flags.ptime {
            shown = Some(with_ptime(shown.as_ref().unwrap_or(&text), millis));
        }
        let towards = match shown {
            Some(text) => parse(&text)?.for_leg(encryption),
            None => theirs.clone(),
        };
        Ok(Offered { theirs, towards })
    }

    /// The address families of both legs: the offerer's own, and the one asked for.
    pub(crate) fn families(&self, request: &Request) -> Result<[IpFamily; 2], SdpError> {
        let own = self.theirs.audio_ref().ok_or(SdpError::NoAudio)?.ip_family;
        Ok([own, request.flags.family.unwrap_or(own)])
    }
}

fn parse(text: &[u8]) -> Result<SessionDescription, SdpError> {
    SessionDescription::parse(text, &Limits::default())
}

/// How the leg that gets an offer is to be protected. Without a word of the proxy as the offer is.
fn encryption_towards(request: &Request, audio: &AudioStream) -> Encryption {
    let flags = &request.flags;
    let by_handshake = !flags.dtls_off && (flags.sdes_off || flags.ice);
    let of_profile = |profile: RtpProfile, has_handshake: bool| match profile {
        RtpProfile::DtlsSavp | RtpProfile::DtlsSavpf => Encryption::Dtls,
        // The name that browsers' streams had before UDP/TLS/RTP/SAVPF, and some still ask for.
        RtpProfile::Savp | RtpProfile::Savpf if has_handshake => Encryption::Dtls,
        RtpProfile::Savp | RtpProfile::Savpf => Encryption::Required,
        RtpProfile::Avp | RtpProfile::Avpf | RtpProfile::Bfcp | RtpProfile::Udptl => {
            Encryption::Off
        }
    };
    match flags.profile {
        Some(profile) => of_profile(profile, by_handshake),
        None => match of_profile(audio.profile, audio.dtls.is_some()) {
            // RFC 8643 passes as such.
            Encryption::Off if !audio.crypto.is_empty() => Encryption::Optional,
            encryption => encryption,
        },
    }
}

impl Dialogue {
    /// Takes an offer of `side`; the description for the other side.
    pub(crate) fn take_offer(
        &mut self,
        side: LegSide,
        request: &Request,
        draw: &mut dyn FnMut() -> u64,
    ) -> Result<Vec<u8>, String> {
        let encryption = self.party(side).origin.encryption();
        let offered = Offered::read(request, encryption).map_err(|fault| fault.to_string())?;
        let target = side.other();
        self.transcodes |= request.flags.formats.may_transcode();
        self.repacketizes |= request.flags.ptime.is_some();
        self.opus_bitrate = request.flags.formats.opus_bitrate.or(self.opus_bitrate);
        self.begin_target(target, &offered, request).map_err(|fault| fault.to_string())?;
        let towards = self.shown_to(target, &offered.towards, request)?;
        let text = self.write(target, &towards, request, Role::Offer, draw)?;
        let text = match request.flags.profile {
            Some(profile) => with_feedback_of(text, profile),
            None => text,
        };
        self.note_signalling(side, request);
        if !self.answered {
            // Media may come before the answer does.
            self.note_received(side, &offered.theirs);
        }
        self.offer = Some((side, Arc::new(offered.theirs)));
        Ok(text)
    }

    /// Takes an answer of `side`; the description for the offerer.
    pub(crate) fn take_answer(
        &mut self,
        side: LegSide,
        request: &Request,
        draw: &mut dyn FnMut() -> u64,
    ) -> Result<Vec<u8>, String> {
        let (offerer, offer) = match &self.offer {
            Some((offerer, offer)) if *offerer == side.other() => (*offerer, Arc::clone(offer)),
            _ => return Err("There is no offer to answer".to_owned()),
        };
        let text = request.flags.formats.apply_to_answer(&request.sdp);
        let encryption = self.party(side).origin.encryption();
        let answer = parse(&text).map_err(|fault| fault.to_string())?;
        // One that declines the audio passes as such; keys that are missing decline nothing.
        let has_audio = answer.clone().for_leg(Encryption::Mirror).audio_ref().is_some();
        let answer = answer.for_leg(encryption);
        if has_audio && answer.audio_ref().is_none() {
            return Err("The answer is not protected as the offer to it was".to_owned());
        }
        let ours = self.party(side).origin.last_audio().map(|ours| ours.index);
        let role = Role::Answer { to: &offer, at: ours };
        let told = match self.transcodes {
            true => in_formats_of(&answer, &offer, false),
            false => Cow::Borrowed(&answer),
        };
        let told = match request.flags.ptime {
            Some(millis) => {
                self.repacketizes = true;
                let text = with_ptime(&told.write(), millis);
                let told = parse(&text).map_err(|fault| fault.to_string())?;
                Cow::Owned(told.for_leg(encryption))
            }
            None => told,
        };
        let text = self.write(offerer, &told, request, role, draw)?;
        self.note_signalling(side, request);
        if let Some(tag) = &request.to_tag {
            self.party_mut(side).tag = Some(tag.clone());
        }
        self.note_received(offerer, &offer);
        self.note_received(side, &answer);
        self.answered = true;
        Ok(text)
    }

    /// Begins the leg of the party that gets an offer, unless it has got one before.
    pub(crate) fn begin_target(
        &mut self,
        target: LegSide,
        offered: &Offered,
        request: &Request,
    ) -> Result<(), SdpError> {
        let audio = offered.towards.audio_ref().ok_or(SdpError::NoAudio)?;
        if self.party(target).origin.last().is_none() {
            let encryption = encryption_towards(request, audio);
            self.party_mut(target).origin.start_leg(encryption);
        }
        Ok(())
    }

    /// An offer as `target` is to see it: with formats of ours, without those that are hidden from it.
    fn shown_to<'a>(
        &self,
        target: LegSide,
        offer: &'a SessionDescription,
        request: &Request,
    ) -> Result<Cow<'a, SessionDescription>, String> {
        let formats = &request.flags.formats;
        if !formats.may_transcode() {
            return Ok(Cow::Borrowed(offer));
        }
        let told = self.party(target).origin.last_audio();
        let widened = with_formats(offer, &formats.transcode, told);
        let masked = parse(&formats.masked(&widened.write())).map_err(|fault| fault.to_string())?;
        Ok(Cow::Owned(masked.for_leg(offer.encryption())))
    }

    fn local_of(&self, target: LegSide, request: &Request) -> Result<LocalMedia, String> {
        let mut local = self.local.ok_or("There are no ports yet")?[target.index()];
        if let Some(address) = request.flags.media_address {
            local.rtp.set_ip(address);
            local.rtcp.set_ip(address);
        }
        Ok(local)
    }

    fn note_received(&mut self, side: LegSide, description: &SessionDescription) {
        let party = self.party_mut(side);
        party.received = description.audio();
        party.lines = PartyLines::of(description);
        if let (true, Some(source)) = (party.at_source, party.source) {
            party.lines.move_to(source);
            if let Some(audio) = &mut party.received {
                move_to(audio, source);
            }
        }
        party.advertised = description.audio_ref().and_then(|audio| audio.remote_rtp);
    }

    fn note_signalling(&mut self, side: LegSide, request: &Request) {
        let party = self.party_mut(side);
        party.source = request.flags.received_from.or(party.source);
        party.at_source = request.flags.sip_source_address;
        if request.label.is_some() {
            party.label.clone_from(&request.label);
        }
    }

    /// The description for `target`, made from what the other party sent.
    fn write(
        &mut self,
        target: LegSide,
        received: &SessionDescription,
        request: &Request,
        role: Role<'_>,
        draw: &mut dyn FnMut() -> u64,
    ) -> Result<Vec<u8>, String> {
        let local = self.local_of(target, request)?;
        let lines = self.further_lines(target, received, role, request.flags.media_address);
        let origin = &mut self.party_mut(target).origin;
        anchor_lines(received, &local, &lines, origin, role, &AnchorOptions::default(), draw)
            .map_err(|fault| fault.to_string())
    }
}
