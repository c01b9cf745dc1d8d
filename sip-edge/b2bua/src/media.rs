//! The media of one call: what each leg described, what we wrote to it, and the relay's plan.

mod lines;

use crate::dtmf::{self, InfoBecomes};
use crate::kept::{self, SavedMedia};
use directory::Dtmf;
use lines::{CallLine, LegLines};
use model::{
    DtmfConversion, Fingerprint, IpFamily, LegPlan, LegSecurity, LegSide, LocalMedia, MediaCommand,
    MediaId, MediaPlan, MediaTimeouts, Refusal, StreamKind, TranscodableFormat,
};
use sdp::{
    AnchorOptions, AudioStream, Encryption, Limits, Making, OriginState, Role, SdpError,
    SessionDescription, anchor_lines, extract_sdp, leg_security, media_plan_leg,
};
use sip_proto::{HeaderName, Message, Random};
use std::borrow::Cow;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Why a body is no description that we can work with, and the status that says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BodyFault {
    /// Not SDP at all: 415.
    UnsupportedType,
    /// SDP that cannot be read: 400.
    Malformed,
    /// SDP without anything that we relay, or to an address that we refuse: 488.
    NotAcceptable,
    /// SDP without encryption where it is required: 488.
    Plain,
}

impl BodyFault {
    pub(crate) fn status(self) -> u16 {
        match self {
            BodyFault::UnsupportedType => 415,
            BodyFault::Malformed => 400,
            BodyFault::NotAcceptable | BodyFault::Plain => 488,
        }
    }

    /// Under which name it is counted, when it is a refusal by policy.
    pub(crate) fn refusal(self) -> Option<Refusal> {
        match self {
            BodyFault::NotAcceptable => Some(Refusal::NotAcceptable),
            BodyFault::Plain => Some(Refusal::PlainMedia),
            BodyFault::UnsupportedType | BodyFault::Malformed => None,
        }
    }
}

impl From<SdpError> for BodyFault {
    fn from(error: SdpError) -> Self {
        match error {
            SdpError::NoAudio | SdpError::NoCertificate | SdpError::UnsuitableAddress(_) => {
                BodyFault::NotAcceptable
            }
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
    let Some(sdp) = extract_sdp(content_type, body) else {
        let ignorable = crate::body::is_optional(message);
        return if ignorable { Ok(None) } else { Err(BodyFault::UnsupportedType) };
    };
    // Which of several streams a leg has is for its policy to say; here any will do.
    let description = SessionDescription::parse(sdp, &Limits::default())?;
    Ok(Some(description.for_leg(Encryption::Optional)))
}

/// One leg's descriptions.
#[derive(Clone)]
pub(crate) struct LegMedia {
    /// With what we last described to the leg.
    origin: OriginState,
    /// What the leg last described to us, agreed or offered.
    received: Option<AudioStream>,
    /// As it came, to recognise a refresh that changes nothing.
    received_body: Option<Arc<[u8]>>,
    plan: Option<LegPlan>,
    /// What the other leg hears while this one holds.
    hold_music: Option<Arc<str>>,
    /// It has wanted media before: what does not any more is a hold.
    has_listened: bool,
    lines: LegLines,
    /// How its side says that a key was pressed.
    dtmf: Dtmf,
}

impl LegMedia {
    fn saved(&self) -> Option<SavedMedia> {
        let is_plain = |plan: &LegPlan| plan.security == LegSecurity::Plain && plan.ice.is_none();
        self.plan.as_ref().filter(|plan| is_plain(plan))?;
        let text = |body: &[u8]| String::from_utf8(body.to_vec()).ok();
        Some(SavedMedia {
            encryption: kept::policy_code(self.origin.encryption())?,
            sent: text(self.origin.last()?)?,
            received: text(self.received_body.as_ref()?)?,
            hold_music: self.hold_music.clone(),
            has_listened: self.has_listened,
            dtmf: kept::dtmf_code(self.dtmf),
        })
    }

    fn restored(saved: &SavedMedia, fingerprint: Option<Fingerprint>) -> Option<Self> {
        let encryption = kept::policy_of(saved.encryption)?;
        let origin = OriginState::restored(saved.sent.as_bytes(), encryption, fingerprint)?;
        let mut leg = LegMedia {
            origin,
            received: None,
            received_body: None,
            plan: None,
            hold_music: saved.hold_music.clone(),
            has_listened: saved.has_listened,
            lines: LegLines::default(),
            dtmf: kept::dtmf_of(saved.dtmf)?,
        };
        let received =
            SessionDescription::parse(saved.received.as_bytes(), &Limits::default()).ok()?;
        leg.note_received(&received.for_leg(Encryption::Optional));
        Some(leg)
    }

    fn note_received(&mut self, description: &SessionDescription) {
        let seen = seen_under(self.origin.encryption(), description);
        self.received = seen.audio();
        self.lines.note_received(&seen);
        self.has_listened |= self.received.as_ref().is_some_and(|r| r.direction.receives());
        self.received_body = Some(description.text().clone());
    }
}

/// The media of a call.
pub(crate) struct CallMedia {
    id: Option<MediaId>,
    families: [IpFamily; 2],
    local: Option<[LocalMedia; 2]>,
    legs: [LegMedia; 2],
    /// The formats that we offer beside those of the other leg, because audio may be transcoded;
    /// empty where it may not.
    transcodes: Arc<[TranscodableFormat]>,
    /// Packets are made anew where the legs want other durations of them.
    repacketises: bool,
    /// Beside the main line; at most [`model::MAX_CALL_LINES`] less that one.
    lines: Vec<CallLine>,
}

/// A rejected offer puts this back (RFC 3264 section 8: the session stays as it was).
pub(crate) struct Undo {
    leg: LegSide,
    origin: OriginState,
}

impl CallMedia {
    /// `fingerprint` is the one of the relay's certificate, if it has one.
    pub(crate) fn new(origin_ids: [u64; 2], fingerprint: Option<Fingerprint>) -> Self {
        // RFC 8866 section 5.2 leaves the size open, RFC 3264 section 5 wants 62 bits at most.
        let leg = |id: u64| LegMedia {
            origin: OriginState::new(id >> 2).with_fingerprint(fingerprint),
            received: None,
            received_body: None,
            plan: None,
            hold_music: None,
            has_listened: false,
            lines: LegLines::default(),
            dtmf: Dtmf::default(),
        };
        CallMedia {
            id: None,
            families: [IpFamily::V4; 2],
            local: None,
            legs: origin_ids.map(leg),
            transcodes: Arc::default(),
            repacketises: false,
            lines: Vec::new(),
        }
    }

    /// From now on audio may be transcoded where the legs have no format in common, and `formats` are
    /// offered for that; with none it may not. And packets are made anew, if `packets` says so, where
    /// the legs want other durations of them.
    pub(crate) fn transcode(&mut self, formats: Arc<[TranscodableFormat]>, packets: bool) {
        (self.transcodes, self.repacketises) = (formats, packets);
    }

    /// What a plain call needs to go on after a restart: our address, and for each leg its policy and
    /// the last description either way. `None` while it has no ports, and of a call with keys, which
    /// are not to lie on a disk, and of one with further lines.
    pub(crate) fn saved(&self) -> Option<([LocalMedia; 2], [SavedMedia; 2])> {
        let [a, b] = &self.legs;
        if !self.lines.is_empty() {
            return None;
        }
        Some((self.local?, [a.saved()?, b.saved()?]))
    }

    /// The media of a call that began before this process; `None` when it was not saved by us.
    pub(crate) fn restored(
        id: MediaId,
        local: [LocalMedia; 2],
        legs: [&SavedMedia; 2],
        fingerprint: Option<Fingerprint>,
    ) -> Option<Self> {
        let families = local.map(|media| IpFamily::of(&media.rtp));
        let [a, b] = legs;
        let legs = [LegMedia::restored(a, fingerprint)?, LegMedia::restored(b, fingerprint)?];
        let (id, local) = (Some(id), Some(local));
        let (transcodes, repacketises, lines) = (Arc::default(), false, Vec::new());
        Some(CallMedia { id, families, local, legs, transcodes, repacketises, lines })
    }

    pub(crate) fn id(&self) -> Option<MediaId> {
        self.id
    }

    /// The families of the legs' addresses, while ports of those are reserved.
    pub(crate) fn families(&self) -> Option<[IpFamily; 2]> {
        self.local.map(|_| self.families)
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

    pub(crate) fn encryption(&self, leg: LegSide) -> Encryption {
        self.legs[leg.index()].origin.encryption()
    }

    pub(crate) fn dtmf(&self, leg: LegSide) -> Dtmf {
        self.legs[leg.index()].dtmf
    }

    /// Begins the leg's media under its side's policies: what another peer was told on it is
    /// forgotten.
    pub(crate) fn start_leg(&mut self, leg: LegSide, encryption: Encryption, dtmf: Dtmf) {
        let leg = &mut self.legs[leg.index()];
        leg.origin.start_leg(encryption);
        leg.dtmf = dtmf;
    }

    /// What becomes of keys that come from `leg` as media, by the plan in force.
    pub(crate) fn conversion(&self, leg: LegSide) -> DtmfConversion {
        let plans = self.legs.each_ref().map(|leg| leg.plan.as_ref());
        let [Some(a), Some(b)] = plans else { return DtmfConversion::None };
        let settings = self.legs.each_ref().map(|leg| leg.dtmf);
        dtmf::conversions(settings, [a, b])[leg.index()]
    }

    /// What a key in an INFO from `leg` becomes for the other one, by the plan in force; `None` when
    /// such an INFO passes like any other.
    pub(crate) fn info_becomes(&self, leg: LegSide) -> Option<InfoBecomes> {
        let side = |leg: LegSide| {
            let media = &self.legs[leg.index()];
            Some((media.dtmf, media.plan.as_ref()?))
        };
        dtmf::info_becomes(side(leg)?, side(leg.other())?)
    }

    /// What the other leg is to hear while `leg` holds.
    pub(crate) fn set_hold_music(&mut self, leg: LegSide, music: Option<Arc<str>>) {
        let media = &mut self.legs[leg.index()];
        (media.hold_music, media.has_listened) = (music, false);
    }

    /// The music of a leg that holds (RFC 3264 section 8.4); `None` of one that does not, or has none.
    pub(crate) fn hold_music_of(&self, leg: LegSide) -> Option<Arc<str>> {
        let media = &self.legs[leg.index()];
        let holds = media.has_listened && !media.received.as_ref()?.direction.receives();
        media.hold_music.clone().filter(|_| holds)
    }

    /// Whether the relay may send a leg media.
    pub(crate) fn wants_media(&self, leg: LegSide) -> bool {
        self.legs[leg.index()].plan.as_ref().is_some_and(|plan| plan.sends_to)
    }

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
        let widened = sdp::with_formats(&offer, &self.transcodes, last);
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
        let narrowed = match self.transcodes.is_empty() {
            true => Cow::Borrowed(&*answer),
            false => sdp::in_formats_of(&answer, &offer),
        };
        let [told, heard] = [target, target.other()].map(|leg| self.dtmf(leg));
        let answer = dtmf::answer_for(told, heard, &offer, narrowed);
        self.write(random, target, &answer, Role::Answer { to: &offer, at })
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
        let options = AnchorOptions::default();
        let mut draw = || random.next_u64();
        let local = &local[target.index()];
        let origin = &mut leg.origin;
        Ok(anchor_lines(received, local, &further, origin, role, &options, &mut draw)?)
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

    /// Exchanges one leg's descriptions with another call's. What the relay was told of either is
    /// not true of its new ports; what SRTP remembers of the leg that comes is to come with it.
    pub(crate) fn swap_leg(
        &mut self,
        side: LegSide,
        other: &mut CallMedia,
        theirs: LegSide,
    ) -> Vec<MediaCommand> {
        let mut moves = self.moved_lines(side, other, theirs);
        let has_srtp = |plan: &LegPlan| plan.security != LegSecurity::Plain;
        let moved = other.legs[theirs.index()].plan.as_ref().is_some_and(has_srtp);
        let (from, to) = (other.id.zip(Some(theirs)), self.id.zip(Some(side)));
        let (mine, theirs) = (&mut self.legs[side.index()], &mut other.legs[theirs.index()]);
        std::mem::swap(mine, theirs);
        (mine.plan, theirs.plan) = (None, None);
        mine.lines.forget_plans();
        theirs.lines.forget_plans();
        // The relay counts anew there: no key of ours may protect the same packet number twice.
        mine.origin.renew_keys();
        theirs.origin.renew_keys();
        let main = from.zip(to).filter(|_| moved);
        moves.extend(main.map(|(from, to)| MediaCommand::MoveLeg { from, to }));
        moves
    }

    /// A leg's descriptions, for [`CallMedia::put_back`].
    pub(crate) fn kept(&self, leg: LegSide) -> LegMedia {
        self.legs[leg.index()].clone()
    }

    /// A leg is back on the ports that it never knew to have left: what the relay has is still true.
    pub(crate) fn put_back(&mut self, leg: LegSide, kept: LegMedia) {
        self.legs[leg.index()] = kept;
    }

    /// What a rejected offer to `leg` must put back.
    pub(crate) fn before_offer(&self, leg: LegSide) -> Undo {
        let media = &self.legs[leg.index()];
        Undo { leg, origin: media.origin.clone() }
    }

    pub(crate) fn undo(&mut self, undo: Undo) {
        self.legs[undo.leg.index()].origin = undo.origin;
    }

    /// Notes what `leg` described, once it is agreed (an answer, or an offer that was answered).
    pub(crate) fn note_received(&mut self, leg: LegSide, description: &SessionDescription) {
        self.legs[leg.index()].note_received(description);
    }

    /// Whether `leg` describes exactly what it described before, and what we told it last answers
    /// that: an offer of ours with several keys, or one that leaves a choice, does not.
    pub(crate) fn is_unchanged(&self, leg: LegSide, description: &SessionDescription) -> bool {
        let leg = &self.legs[leg.index()];
        let Some(before) = &leg.received_body else { return false };
        // The same in other words, as line ends, is the same.
        let same = *before == *description.text()
            || SessionDescription::parse(before, &Limits::default())
                .is_ok_and(|before| before.write() == description.write());
        same && leg.origin.last_answers(&seen_under(leg.origin.encryption(), description))
    }

    /// The last description that we wrote to `leg`.
    pub(crate) fn last_sent(&self, leg: LegSide) -> Option<&[u8]> {
        self.legs[leg.index()].origin.last()
    }

    /// The command that puts both legs' present descriptions into force.
    pub(crate) fn apply(
        &mut self,
        signalling_sources: [IpAddr; 2],
        timeouts: MediaTimeouts,
    ) -> Option<MediaCommand> {
        let id = self.id?;
        let mut plan = |side: LegSide| {
            let leg = &mut self.legs[side.index()];
            let source = Some(signalling_sources[side.index()]);
            let (received, sent) = (leg.received.as_ref(), leg.origin.last_audio());
            let plan = media_plan_leg(received, sent, source, leg.plan.as_ref());
            leg.origin.note_plan(&plan);
            leg.plan = Some(plan.clone());
            plan
        };
        let legs = [plan(LegSide::A), plan(LegSide::B)];
        let is_fax = |stream: &AudioStream| stream.profile.is_fax();
        let fax = self.legs.iter().filter_map(|leg| leg.received.as_ref()).any(is_fax);
        let kind = if fax { StreamKind::Udptl } else { StreamKind::Rtp };
        let settings = self.legs.each_ref().map(|leg| leg.dtmf);
        let dtmf = match kind {
            StreamKind::Rtp => dtmf::conversions(settings, legs.each_ref()),
            StreamKind::Udptl | StreamKind::Bfcp => Default::default(),
        };
        // Before both legs have described themselves nobody knows what they will agree on.
        let described = self.legs.iter().all(|leg| leg.received.is_some());
        let making = Making { formats: !self.transcodes.is_empty(), packets: self.repacketises };
        let transcoding = match described && !fax {
            true => sdp::transcoding(legs.each_ref(), making),
            false => [None, None],
        };
        let plan = MediaPlan { kind, timeouts, dtmf, transcoding, ..MediaPlan::rtp(legs) };
        Some(MediaCommand::Apply { id, plan: Box::new(plan) })
    }
}

/// A description with the stream that a leg under `encryption` has. One without keys is the same
/// under every policy that does not require them.
fn seen_under(
    encryption: Encryption,
    description: &SessionDescription,
) -> Cow<'_, SessionDescription> {
    let has_keys = description.audio_ref().is_some_and(AudioStream::has_keys);
    if !has_keys && !matches!(encryption, Encryption::Required | Encryption::Dtls) {
        return Cow::Borrowed(description);
    }
    Cow::Owned(description.clone().for_leg(encryption))
}

/// Refuses a description whose media would come straight back to a port that our relay has open.
pub(crate) fn refuse_own_address(
    description: &SessionDescription,
    own: &HashSet<SocketAddr>,
) -> Result<(), BodyFault> {
    let remote = description.audio_ref().and_then(|audio| audio.remote_rtp);
    match remote {
        Some(remote) if own.contains(&remote) => Err(BodyFault::NotAcceptable),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(text: &str) -> SessionDescription {
        SessionDescription::parse(text.as_bytes(), &Limits::default()).expect("valid SDP")
    }

    #[test]
    fn a_description_repeated_with_other_line_ends_is_unchanged() {
        let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                    m=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n";
        let mut media = CallMedia::new([1, 2], None);
        assert!(!media.is_unchanged(LegSide::A, &description(text)), "nothing came before");
        media.note_received(LegSide::A, &description(text));
        assert!(media.is_unchanged(LegSide::A, &description(text)));
        assert!(media.is_unchanged(LegSide::A, &description(&text.replace("\r\n", "\n"))));
        assert!(
            !media.is_unchanged(LegSide::A, &description(&text.replace("sendrecv", "sendonly")))
        );
        assert!(!media.is_unchanged(LegSide::A, &description(&text.replace("- 1 1", "- 1 2"))));
        assert!(!media.is_unchanged(LegSide::B, &description(text)), "the other leg's");
    }
}
