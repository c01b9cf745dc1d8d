//! The two lines that a recorder gets: what is described to it, and what the relay is told.

use crate::context::Context;
use crate::edge::Output;
use crate::media::BodyFault;
use model::{
    Codec, CodecMapping, LegPlan, LegSecurity, LegSide, LocalMedia, MediaCommand, MediaId,
    MediaPlan, RtcpStyle, TranscodableFormat, XrWishes,
};
use sdp::{
    AnchorOptions, AudioStream, Encryption, FurtherLine, Limits, Making, OriginState, Role,
    SessionDescription, anchor_lines, media_plan_leg,
};
use sip_proto::Random;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// The labels (RFC 4574) of leg A's line and of leg B's.
pub(super) const LABELS: [&str; 2] = ["1", "2"];
/// What a recorder is offered beside the formats of the call: every one of them can read it.
const READ_BY_ALL: [(u8, Codec); 2] = [(0, Codec::Pcmu), (8, Codec::Pcma)];

/// One line.
#[derive(Default)]
struct CopiedLine {
    id: Option<MediaId>,
    local: Option<[LocalMedia; 2]>,
    /// What the recorder and we have agreed on.
    plan: Option<LegPlan>,
    /// What the relay was told that the leg sends.
    told: Option<Vec<CodecMapping>>,
    /// The call's stream whose leg is copied to it.
    of: Option<MediaId>,
}

/// Both of them; leg A's is the first.
#[derive(Default)]
pub(super) struct CopiedLines {
    lines: [CopiedLine; 2],
    origin: Option<OriginState>,
}

impl CopiedLines {
    pub(super) fn has(&self, id: MediaId) -> bool {
        self.lines.iter().any(|line| line.id == Some(id))
    }

    pub(super) fn requested(&mut self, side: LegSide, id: MediaId) {
        self.lines[side.index()] = CopiedLine { id: Some(id), ..CopiedLine::default() };
    }

    /// Notes our addresses; whether both lines have theirs now.
    pub(super) fn allocated(&mut self, id: MediaId, local: [LocalMedia; 2]) -> bool {
        for line in self.lines.iter_mut().filter(|line| line.id == Some(id)) {
            line.local = Some(local);
        }
        self.lines.iter().all(|line| line.local.is_some())
    }

    /// Forgets a line that the relay does not have; whether it had ports.
    pub(super) fn forget(&mut self, context: &mut Context, id: MediaId) -> bool {
        let Some(line) = self.lines.iter_mut().find(|line| line.id == Some(id)) else {
            return false;
        };
        let local = std::mem::take(line).local;
        for media in local.iter().flatten() {
            context.own_media.remove(&media.rtp);
        }
        local.is_some()
    }

    /// Gives everything back; `main` is the call's stream, while it has one. What was asked for and is
    /// not there yet is given back when it comes.
    pub(super) fn release(&mut self, context: &mut Context, main: Option<MediaId>) {
        for (leg, line) in LegSide::BOTH.into_iter().zip(&mut self.lines) {
            let line = std::mem::take(line);
            if let Some(id) = line.of.filter(|of| Some(*of) == main) {
                let stop = MediaCommand::Copy { id, leg, to: None };
                context.outputs.push_back(Output::Media(stop));
            }
            for media in line.local.iter().flatten() {
                context.own_media.remove(&media.rtp);
            }
            if let Some(id) = line.id.filter(|_| line.local.is_some()) {
                context.outputs.push_back(Output::Media(MediaCommand::Release { id }));
            }
        }
        self.origin = None;
    }

    /// The last description that the recorder got.
    pub(super) fn last_sent(&self) -> Option<&[u8]> {
        self.origin.as_ref()?.last()
    }

    /// Writes an offer, or the answer to one of the recorder's. `formats` are the legs'; `random` gives
    /// new keys.
    pub(super) fn describe(
        &mut self,
        random: &mut dyn Random,
        formats: [&[CodecMapping]; 2],
        encryption: Encryption,
        answers: Option<&SessionDescription>,
    ) -> Result<Vec<u8>, BodyFault> {
        let locals = self.lines.each_ref().map(|line| line.local);
        let [Some(first), Some(second)] = locals else { return Err(BodyFault::NotAcceptable) };
        let origin = self.origin.get_or_insert_with(|| {
            let mut origin = OriginState::new(random.next_u64() >> 2);
            origin.start_leg(encryption);
            origin
        });
        let text = written(formats, [first[0].rtp, second[0].rtp]);
        let ours = SessionDescription::parse(text.as_bytes(), &Limits::default())?;
        let further = FurtherLine { received: 1, written: 1, local: second[1] };
        let role = match answers {
            Some(to) => Role::Answer { to, at: None },
            None => Role::Offer,
        };
        let mut draw = || random.next_u64();
        let options = AnchorOptions::default();
        Ok(anchor_lines(&ours, &first[1], &[further], origin, role, &options, &mut draw)?)
    }

    /// Takes what the recorder described, from `source`; whether it takes any line.
    pub(super) fn agree(&mut self, theirs: &SessionDescription, source: IpAddr) -> bool {
        let Some(origin) = self.origin.as_mut() else { return false };
        let theirs = theirs.clone().for_leg(origin.encryption());
        for (index, line) in self.lines.iter_mut().enumerate() {
            let sent: Option<AudioStream> = match index {
                0 => origin.last_audio().cloned(),
                further => origin.last_line(further).cloned(),
            };
            let received = theirs.audio_at(index);
            line.plan = received.as_ref().zip(sent.as_ref()).map(|(received, sent)| {
                let before = line.plan.as_ref();
                let plan = media_plan_leg(Some(received), Some(sent), Some(source), before);
                match index {
                    0 => origin.note_plan(&plan),
                    further => origin.note_line_plan(further, &plan),
                }
                plan
            });
            line.told = None;
        }
        self.lines.iter().any(|line| line.plan.is_some())
    }

    /// The recorder wants nothing of either leg for now.
    pub(super) fn are_paused(&self) -> bool {
        let mut agreed = self.lines.iter().filter_map(|line| line.plan.as_ref()).peekable();
        agreed.peek().is_some() && agreed.all(|plan| !plan.sends_to)
    }

    /// Tells the relay what has changed: what the legs of the call's stream `main` send, and where it
    /// goes.
    pub(super) fn apply(
        &mut self,
        context: &mut Context,
        main: MediaId,
        formats: [&[CodecMapping]; 2],
    ) {
        for ((leg, line), formats) in LegSide::BOTH.into_iter().zip(&mut self.lines).zip(formats) {
            let (Some(id), Some(theirs)) = (line.id, line.plan.as_ref()) else { continue };
            if line.told.as_deref() != Some(formats) {
                let plan = copy_plan(formats, theirs);
                let apply = MediaCommand::Apply { id, plan: Box::new(plan) };
                context.outputs.push_back(Output::Media(apply));
                line.told = Some(formats.to_vec());
            }
            if line.of != Some(main) {
                let copy = MediaCommand::Copy { id: main, leg, to: Some(id) };
                context.outputs.push_back(Output::Media(copy));
                line.of = Some(main);
            }
        }
    }
}

/// The plan of a line: what a leg sends in `formats`, for a recorder that has agreed to `theirs`. Nobody
/// sends to the stream's own leg A, and nobody hears from it.
fn copy_plan(formats: &[CodecMapping], theirs: &LegPlan) -> MediaPlan {
    let theirs = LegPlan { accepts_from: false, ..theirs.clone() };
    let has = |mapping: &CodecMapping| {
        let same = |other: &CodecMapping| {
            other.codec == mapping.codec && other.clock_rate == mapping.clock_rate
        };
        theirs.codecs.iter().any(same)
    };
    let can_make = theirs.codecs.iter().any(|one| TranscodableFormat::of(one).is_some());
    let can_be_had = |mapping: &&CodecMapping| {
        mapping.codec != Codec::TelephoneEvent
            && (has(mapping) || (can_make && TranscodableFormat::of(mapping).is_some()))
    };
    let copied = LegPlan {
        remote_rtp: None,
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: false,
        accepts_from: false,
        sends_to: false,
        relearn: false,
        codecs: formats.iter().filter(can_be_had).cloned().collect(),
        telephone_event: None,
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    };
    let making = Making { formats: true, noise: false, packets: false };
    let [transcoding, _] = sdp::transcoding([&copied, &theirs], making);
    let mut plan = MediaPlan::rtp([copied, theirs]);
    plan.transcoding = [transcoding, None];
    // Sources and reports are ours: the other leg's are about a stream that the recorder never gets.
    plan.rtcp = Some(RtcpStyle::BackToBack);
    plan
}

/// What the legs would describe to a recorder: lines that only send.
fn written(formats: [&[CodecMapping]; 2], addresses: [SocketAddr; 2]) -> String {
    let ip = addresses[0].ip();
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let mut text =
        format!("v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n");
    for ((formats, address), label) in formats.into_iter().zip(addresses).zip(LABELS) {
        let offered = offered(formats);
        // Writing into a String cannot fail.
        let _ = write!(text, "m=audio {} RTP/AVP", address.port());
        for one in &offered {
            let _ = write!(text, " {}", one.payload_type);
        }
        text.push_str("\r\n");
        for one in &offered {
            let channels = if one.codec == Codec::Opus { "/2" } else { "" };
            let (number, name, rate) = (one.payload_type, one.codec.name(), one.clock_rate);
            let _ = write!(text, "a=rtpmap:{number} {name}/{rate}{channels}\r\n");
        }
        let _ = write!(text, "a=sendonly\r\na=label:{label}\r\n");
    }
    text
}

/// The formats that a recorder is offered for a leg: those of the leg, in its order, and what every
/// recorder can read. A format that needs more parameters than its name is left out.
fn offered(formats: &[CodecMapping]) -> Vec<CodecMapping> {
    let is_plain = |one: &&CodecMapping| {
        TranscodableFormat::of(one).is_some()
            || matches!(one.codec, Codec::G729 | Codec::Gsm | Codec::ComfortNoise)
    };
    let mut offered: Vec<CodecMapping> = formats.iter().filter(is_plain).cloned().collect();
    for (payload_type, codec) in READ_BY_ALL {
        let is_there = offered.iter().any(|one| one.codec == codec);
        let is_free = offered.iter().all(|one| one.payload_type != payload_type);
        if !is_there && is_free {
            let packet_duration = std::time::Duration::from_millis(20);
            offered.push(CodecMapping { payload_type, codec, clock_rate: 8_000, packet_duration });
        }
    }
    offered
}
