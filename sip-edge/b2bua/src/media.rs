//! The media of one call: what each leg described, what we wrote to it, and the relay's plan.

use model::{IpFamily, LegPlan, LegSide, LocalMedia, MediaCommand, MediaId, MediaPlan};
use sdp::{
    AnchorOptions, AudioStream, Limits, OriginState, Role, SdpError, SessionDescription, anchor,
    extract_sdp, media_plan_leg,
};
use sip_proto::{HeaderName, Message};
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

/// Why a body is no description that we can work with, and the status that says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BodyFault {
    /// Not SDP at all: 415.
    UnsupportedType,
    /// SDP that cannot be read: 400.
    Malformed,
    /// SDP without anything that we relay, or to an address that we refuse: 488.
    NotAcceptable,
}

impl BodyFault {
    pub(crate) fn status(self) -> u16 {
        match self {
            BodyFault::UnsupportedType => 415,
            BodyFault::Malformed => 400,
            BodyFault::NotAcceptable => 488,
        }
    }
}

impl From<SdpError> for BodyFault {
    fn from(error: SdpError) -> Self {
        match error {
            SdpError::NoAudio | SdpError::UnsuitableAddress(_) => BodyFault::NotAcceptable,
            SdpError::Malformed(_) | SdpError::OverLimit { .. } => BodyFault::Malformed,
        }
    }
}

/// Reads the description that a message carries, if it carries a body.
pub(crate) fn description_in(message: &Message) -> Result<Option<SessionDescription>, BodyFault> {
    let body = message.body_bytes();
    if body.is_empty() {
        return Ok(None);
    }
    let content_type = message.header(HeaderName::ContentType).unwrap_or_default();
    let sdp = extract_sdp(content_type, body).ok_or(BodyFault::UnsupportedType)?;
    Ok(Some(SessionDescription::parse(sdp, &Limits::default())?))
}

/// One leg's descriptions.
pub(crate) struct LegMedia {
    origin: OriginState,
    /// What the leg last described to us, agreed or offered.
    received: Option<AudioStream>,
    /// The raw form, to recognise a refresh that changes nothing.
    received_body: Option<Box<[u8]>>,
    /// What we last described to the leg.
    sent: Option<AudioStream>,
    plan: Option<LegPlan>,
}

/// The media of a call.
pub(crate) struct CallMedia {
    id: Option<MediaId>,
    families: [IpFamily; 2],
    local: Option<[LocalMedia; 2]>,
    legs: [LegMedia; 2],
}

/// A rejected offer puts this back (RFC 3264 section 8: the session stays as it was).
pub(crate) struct Undo {
    leg: LegSide,
    origin: OriginState,
    sent: Option<AudioStream>,
}

impl CallMedia {
    pub(crate) fn new(origin_ids: [u64; 2]) -> Self {
        // RFC 8866 section 5.2 leaves the size open, RFC 3264 section 5 wants 62 bits at most.
        let leg = |id: u64| LegMedia {
            origin: OriginState::new(id >> 2),
            received: None,
            received_body: None,
            sent: None,
            plan: None,
        };
        CallMedia { id: None, families: [IpFamily::V4; 2], local: None, legs: origin_ids.map(leg) }
    }

    pub(crate) fn id(&self) -> Option<MediaId> {
        self.id
    }

    pub(crate) fn is_allocated(&self) -> bool {
        self.local.is_some()
    }

    /// Whether ports of these families are reserved or asked for.
    pub(crate) fn fits(&self, families: [IpFamily; 2]) -> bool {
        self.id.is_some() && self.families == families
    }

    pub(crate) fn requested(&mut self, id: MediaId, families: [IpFamily; 2]) {
        self.id = Some(id);
        self.families = families;
        self.local = None;
    }

    pub(crate) fn allocated(&mut self, local: [LocalMedia; 2]) {
        self.local = Some(local);
    }

    /// Our addresses towards both legs, while they are reserved.
    pub(crate) fn local(&self) -> Option<&[LocalMedia; 2]> {
        self.local.as_ref()
    }

    /// Forgets the relay's ports; returns the stream to release.
    pub(crate) fn release(&mut self) -> Option<MediaId> {
        self.local = None;
        self.id.take()
    }

    /// Writes towards `target` what the other leg offered.
    pub(crate) fn write_offer(
        &mut self,
        target: LegSide,
        offer: &SessionDescription,
    ) -> Result<Vec<u8>, BodyFault> {
        self.write(target, offer, Role::Offer)
    }

    /// Writes towards `target`, which made `offer`, what the other leg answered.
    pub(crate) fn write_answer(
        &mut self,
        target: LegSide,
        offer: &SessionDescription,
        answer: &SessionDescription,
    ) -> Result<Vec<u8>, BodyFault> {
        self.write(target, answer, Role::Answer { to: offer })
    }

    fn write(
        &mut self,
        target: LegSide,
        received: &SessionDescription,
        role: Role<'_>,
    ) -> Result<Vec<u8>, BodyFault> {
        let local = self.local.as_ref().ok_or(BodyFault::NotAcceptable)?;
        let leg = &mut self.legs[target.index()];
        let options = AnchorOptions::default();
        let body = anchor(received, &local[target.index()], &mut leg.origin, role, &options)?;
        leg.sent = SessionDescription::parse(&body, &Limits::default())?.audio();
        Ok(body)
    }

    /// What a rejected offer to `leg` must put back.
    pub(crate) fn before_offer(&self, leg: LegSide) -> Undo {
        let media = &self.legs[leg.index()];
        Undo { leg, origin: media.origin.clone(), sent: media.sent.clone() }
    }

    pub(crate) fn undo(&mut self, undo: Undo) {
        let media = &mut self.legs[undo.leg.index()];
        media.origin = undo.origin;
        media.sent = undo.sent;
    }

    /// Notes what `leg` described, once it is agreed (an answer, or an offer that was answered).
    pub(crate) fn note_received(&mut self, leg: LegSide, description: &SessionDescription) {
        let media = &mut self.legs[leg.index()];
        media.received = description.audio();
        media.received_body = Some(description.write().into());
    }

    /// Whether `leg` describes exactly what it described before.
    pub(crate) fn is_unchanged(&self, leg: LegSide, description: &SessionDescription) -> bool {
        self.legs[leg.index()].received_body.as_deref() == Some(&*description.write())
    }

    /// The last description that we wrote to `leg`.
    pub(crate) fn last_sent(&self, leg: LegSide) -> Option<&[u8]> {
        self.legs[leg.index()].origin.last()
    }

    /// The command that puts both legs' present descriptions into force.
    pub(crate) fn apply(&mut self, signalling_sources: [IpAddr; 2]) -> Option<MediaCommand> {
        let id = self.id?;
        let mut plan = |side: LegSide| {
            let leg = &mut self.legs[side.index()];
            let source = Some(signalling_sources[side.index()]);
            let plan =
                media_plan_leg(leg.received.as_ref(), leg.sent.as_ref(), source, leg.plan.as_ref());
            leg.plan = Some(plan.clone());
            plan
        };
        let legs = [plan(LegSide::A), plan(LegSide::B)];
        Some(MediaCommand::Apply { id, plan: Box::new(MediaPlan { legs }) })
    }
}

/// Refuses a description whose media would come straight back to a port that our relay has open.
pub(crate) fn refuse_own_address(
    description: &SessionDescription,
    own: &HashSet<SocketAddr>,
) -> Result<(), BodyFault> {
    let remote = description.audio().and_then(|audio| audio.remote_rtp);
    match remote {
        Some(remote) if own.contains(&remote) => Err(BodyFault::NotAcceptable),
        _ => Ok(()),
    }
}
