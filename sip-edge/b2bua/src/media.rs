//! The media of one call: what each leg described, what we wrote to it, and the relay's plan.

mod body;
mod habits;
mod lines;
mod saved;
mod writing;

pub(crate) use body::{BodyFault, description_in, refuse_own_address};
pub(crate) use habits::Habits;
pub(crate) use saved::Parts;

use crate::dtmf::{self, InfoBecomes};
use body::seen_under;
use directory::Dtmf;
pub(crate) use lines::RoomOffer;
use lines::{CallLine, LegLines};
use model::{
    CodecMapping, DtmfConversion, Fingerprint, IpFamily, LegPlan, LegSecurity, LegSide, LocalMedia,
    MediaCommand, MediaId, MediaPlan, MediaTimeouts, RtcpStyle, StreamKind, TranscodableFormat,
};
use sdp::{
    AudioStream, Encryption, FloorLine, Limits, Making, OriginState, RecordState,
    SessionDescription, media_plan_leg,
};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

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
    /// It is another stream of this node.
    is_joined: bool,
    /// What the other leg hears while this one holds.
    hold_music: Option<Arc<str>>,
    /// It has wanted media before: what does not any more is a hold.
    has_listened: bool,
    /// What it is told of being recorded, from its next description on.
    recorded: Option<RecordState>,
    /// The line of floor control that its next answer takes, or offer has.
    floor: Option<FloorLine>,
    /// What it was told last is an offer.
    was_offered: bool,
    lines: LegLines,
    habits: Habits,
}

impl LegMedia {
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
    /// What the voice connector says of the formats that a leg is offered beside those of the other,
    /// because audio may be transcoded; empty where it may not. A carrier's word goes before it.
    transcodes: Arc<[TranscodableFormat]>,
    /// Packets are made anew where the legs want other durations of them.
    repacketises: bool,
    /// Comfort noise takes the place of silence where audio is made anew.
    sends_noise: bool,
    /// When the relay is to tell that a leg's audio is but silence.
    unheard_after: Option<Duration>,
    /// The relay is to copy RTCP.
    copies_rtcp: bool,
    /// Keys of both legs are told to signalling, whatever becomes of them.
    tells_keys: bool,
    hears_tones: bool,
    /// The sides must not learn of each other.
    is_masked: bool,
    /// Beside the main line; at most [`model::MAX_CALL_LINES`] less that one.
    lines: Vec<CallLine>,
}

/// A rejected offer puts this back (RFC 3264 section 8: the session stays as it was).
pub(crate) struct Undo {
    leg: LegSide,
    origin: OriginState,
    floor: Option<FloorLine>,
    was_offered: bool,
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
            is_joined: false,
            hold_music: None,
            has_listened: false,
            recorded: None,
            floor: None,
            was_offered: false,
            lines: LegLines::default(),
            habits: Habits::default(),
        };
        CallMedia {
            id: None,
            families: [IpFamily::V4; 2],
            local: None,
            legs: origin_ids.map(leg),
            transcodes: Arc::default(),
            repacketises: false,
            sends_noise: false,
            unheard_after: None,
            copies_rtcp: false,
            tells_keys: false,
            hears_tones: false,
            is_masked: false,
            lines: Vec::new(),
        }
    }

    /// Neither leg is told anything of the other that is not needed for audio, from now on.
    pub(crate) fn mask(&mut self) {
        self.is_masked = true;
    }

    /// Whether the relay is to tell of a leg whose audio is but silence for so long, from the next plan on.
    pub(crate) fn listen(&mut self, unheard_after: Option<Duration>) {
        self.unheard_after = unheard_after;
    }

    /// Whether keys of both legs are told to signalling, from the next plan on.
    pub(crate) fn tell_keys(&mut self, tells: bool) {
        self.tells_keys = tells;
    }

    /// Keys that are told are looked for in the audio too, from the next plan on, of a leg that has agreed to
    /// no other way and whose side says of none.
    pub(crate) fn hear_tones(&mut self) {
        self.hears_tones = true;
    }

    /// Forgets all that a leg described and was told: nobody is there any more.
    pub(crate) fn forget_leg(&mut self, side: LegSide) {
        let leg = &mut self.legs[side.index()];
        leg.origin.start_leg(Encryption::Optional);
        (leg.received, leg.received_body, leg.plan) = (None, None, None);
        leg.is_joined = false;
        (leg.hold_music, leg.has_listened, leg.recorded) = (None, false, None);
        leg.lines = LegLines::default();
    }

    /// The leg is another stream of this node, until it is forgotten.
    pub(crate) fn join(&mut self, side: LegSide) {
        self.legs[side.index()].is_joined = true;
    }

    /// Whether each leg may send what the other one takes, without another word to either.
    pub(crate) fn legs_agree(&self) -> bool {
        let [Some(a), Some(b)] = self.legs.each_ref().map(|leg| leg.plan.as_ref()) else {
            return false;
        };
        let takes = |plan: &LegPlan, codec: model::Codec| {
            plan.codecs.iter().any(|known| known.codec == codec)
        };
        let first = [a, b].map(|plan| plan.codecs.first().map(|mapping| mapping.codec));
        first[0] == first[1] && a.codecs.iter().all(|mapping| takes(b, mapping.codec))
    }

    /// Whether the relay is to copy RTCP, from the next plan on.
    pub(crate) fn copy_rtcp(&mut self, copies: bool) {
        self.copies_rtcp = copies;
    }

    /// From now on audio may be transcoded where the legs have no format in common, and `formats` are
    /// offered for that; with none it may not. That is the voice connector's word, and a carrier may
    /// have another ([`Habits`]). And packets are made anew, if `packets` says so, where
    /// the legs want other durations of them; comfort noise takes the place of silence then, if `noise`
    /// says so.
    pub(crate) fn transcode(
        &mut self,
        formats: Arc<[TranscodableFormat]>,
        packets: bool,
        noise: bool,
    ) {
        (self.transcodes, self.repacketises, self.sends_noise) = (formats, packets, noise);
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
        self.legs[leg.index()].habits.dtmf
    }

    pub(crate) fn habits(&self, leg: LegSide) -> Habits {
        self.legs[leg.index()].habits.clone()
    }

    /// Who is to speak RTCP: what either side asks for, and of two the greater.
    fn rtcp(&self) -> Option<RtcpStyle> {
        if self.is_masked {
            // A source description (RFC 3550 section 6.5) has names, addresses and numbers.
            return Some(RtcpStyle::BackToBack);
        }
        self.legs.iter().filter_map(|leg| leg.habits.rtcp).max()
    }

    /// Begins the leg's media under its side's policies: what another peer was told on it is
    /// forgotten.
    pub(crate) fn start_leg(&mut self, leg: LegSide, encryption: Encryption, habits: Habits) {
        let leg = &mut self.legs[leg.index()];
        leg.origin.start_leg(encryption);
        leg.habits = habits;
    }

    /// How keys of a leg come to signalling where that is to hear of all of them.
    fn told(&self, leg: LegSide, plan: &LegPlan) -> DtmfConversion {
        let setting = match self.legs[leg.index()].habits.dtmf {
            Dtmf::Rfc4733 if self.hears_tones => Dtmf::Auto,
            other => other,
        };
        dtmf::told(setting, plan)
    }

    /// Whether keys of a leg are told as they are found in its audio.
    pub(crate) fn tells_tones(&self, leg: LegSide) -> bool {
        let plan = self.legs[leg.index()].plan.as_ref().filter(|_| self.tells_keys);
        plan.is_some_and(|plan| self.told(leg, plan) == DtmfConversion::TonesToSignalling)
    }

    /// What becomes of keys that come from `leg` as media, by the plan in force.
    pub(crate) fn conversion(&self, leg: LegSide) -> DtmfConversion {
        let plans = self.legs.each_ref().map(|leg| leg.plan.as_ref());
        let [Some(a), Some(b)] = plans else { return DtmfConversion::None };
        let settings = self.legs.each_ref().map(|leg| leg.habits.dtmf);
        dtmf::conversions(settings, [a, b])[leg.index()]
    }

    /// What a key in an INFO from `leg` becomes for the other one, by the plan in force; `None` when
    /// such an INFO passes like any other.
    pub(crate) fn info_becomes(&self, leg: LegSide) -> Option<InfoBecomes> {
        let side = |leg: LegSide| {
            let media = &self.legs[leg.index()];
            Some((media.habits.dtmf, media.plan.as_ref()?))
        };
        dtmf::info_becomes(side(leg)?, side(leg.other())?)
    }

    /// What the other leg is to hear while `leg` holds.
    pub(crate) fn set_hold_music(&mut self, leg: LegSide, music: Option<Arc<str>>) {
        let media = &mut self.legs[leg.index()];
        (media.hold_music, media.has_listened) = (music, false);
    }

    /// What a leg is told of being recorded, from its next description on; `None` for nothing.
    pub(crate) fn tell_recorded(&mut self, leg: LegSide, recorded: Option<RecordState>) {
        self.legs[leg.index()].recorded = recorded;
    }

    /// What it was told so.
    pub(crate) fn recorded(&self, leg: LegSide) -> Option<RecordState> {
        self.legs[leg.index()].recorded
    }

    /// What a leg is to be told of being recorded that its last description does not say; of one that
    /// never was recorded nothing has to be said.
    pub(crate) fn untold(&self, leg: LegSide) -> Option<RecordState> {
        let leg = &self.legs[leg.index()];
        let told = leg.origin.told_recorded().unwrap_or(RecordState::Off);
        leg.recorded.filter(|recorded| *recorded != told)
    }

    /// The description that a leg has, with another word on whether it is recorded: an offer that changes
    /// nothing else. `None` when it has none.
    pub(crate) fn say_recorded(&mut self, leg: LegSide, recorded: RecordState) -> Option<Vec<u8>> {
        self.legs[leg.index()].origin.say_recorded(recorded)
    }

    /// The music of a leg that holds (RFC 3264 section 8.4); `None` of one that does not, or has none.
    pub(crate) fn hold_music_of(&self, leg: LegSide) -> Option<Arc<str>> {
        let media = &self.legs[leg.index()];
        let holds = media.has_listened && !media.received.as_ref()?.direction.receives();
        media.hold_music.clone().filter(|_| holds)
    }

    /// Which `m=` line of its description a leg's audio is, and its label (RFC 4574).
    pub(crate) fn main_line(&self, leg: LegSide) -> (u16, Option<Arc<str>>) {
        let leg = &self.legs[leg.index()];
        let index = leg.received.as_ref().map_or(0, |audio| audio.index);
        let description = leg.received_body.as_deref();
        let description =
            description.map(|body| SessionDescription::parse(body, &Limits::default()));
        let description = description.and_then(Result::ok);
        let label = description.as_ref().and_then(|description| description.label_of(index));
        (u16::try_from(index).unwrap_or(u16::MAX), label.map(Into::into))
    }

    /// What a leg and we have agreed on for its audio, in its order.
    pub(crate) fn formats(&self, leg: LegSide) -> &[CodecMapping] {
        self.legs[leg.index()].plan.as_ref().map_or(&[], |plan| &plan.codecs)
    }

    /// Whether the relay may send a leg media.
    pub(crate) fn wants_media(&self, leg: LegSide) -> bool {
        self.legs[leg.index()].plan.as_ref().is_some_and(|plan| plan.sends_to)
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

    /// The leg may have been told of more than is remembered: its next description is newer than that.
    pub(crate) fn skip_versions(&mut self, leg: LegSide) {
        self.legs[leg.index()].origin.skip_versions();
    }

    /// The legs that have heard of no certificate of ours may be told of this one.
    pub(crate) fn learn_fingerprint(&mut self, fingerprint: Fingerprint) {
        for leg in &mut self.legs {
            leg.origin.learn_fingerprint(fingerprint);
        }
    }

    /// A leg's descriptions, for [`CallMedia::put_back`].
    pub(crate) fn kept(&self, leg: LegSide) -> LegMedia {
        self.legs[leg.index()].clone()
    }

    /// A leg is back on the ports that it never knew to have left: what the relay has is still true.
    pub(crate) fn put_back(&mut self, leg: LegSide, kept: LegMedia) {
        self.legs[leg.index()] = kept;
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
        let settings = self.legs.each_ref().map(|leg| leg.habits.dtmf);
        let dtmf = match kind {
            StreamKind::Rtp if self.tells_keys => {
                LegSide::BOTH.map(|leg| self.told(leg, &legs[leg.index()]))
            }
            StreamKind::Rtp => dtmf::conversions(settings, legs.each_ref()),
            StreamKind::Udptl | StreamKind::Bfcp => Default::default(),
        };
        // Before both legs have described themselves nobody knows what they will agree on.
        let described = self.legs.iter().all(|leg| leg.received.is_some());
        let making = Making {
            formats: self.may_transcode(),
            noise: self.sends_noise,
            packets: self.repacketises,
        };
        let transcoding = match described && !fax {
            true => sdp::transcoding(legs.each_ref(), making),
            false => [None, None],
        };
        let rtcp = self.rtcp();
        let unheard_after = self.unheard_after.filter(|_| kind == StreamKind::Rtp);
        let main = self.legs[0].received.as_ref().map(|received| received.index);
        let bundled = main.and_then(|index| self.legs[0].lines.bundled(Some(id), index));
        let plan = MediaPlan {
            kind,
            bundled,
            timeouts,
            unheard_after,
            dtmf,
            transcoding,
            rtcp,
            copies_rtcp: self.copies_rtcp,
            joined: self.legs.each_ref().map(|leg| leg.is_joined),
            ..MediaPlan::rtp(legs)
        };
        Some(MediaCommand::Apply { id, plan: Box::new(plan) })
    }
}

#[cfg(test)]
mod tests;
