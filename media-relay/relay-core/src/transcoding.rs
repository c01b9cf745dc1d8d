//! Audio of one leg that the other gets in another format.
//!
//! A packet is taken behind the latch and, with SRTP, behind authentication, and measured as it came.
//! What is made of it takes its place in the buffer; where one packet becomes several, the others wait
//! for [`crate::RtpSession::poll_made`]. The numbers of what goes out are those of the leg's one
//! continuous source, see `outbound.rs`.

use crate::forward::pair;
use crate::made::MadePacket;
use crate::plan::CompiledLeg;
use crate::rtp_session::{Leg, RtpSession};
use crate::security::GROWTH;
use codecs::{AudioFormat, Outgoing, Received, Transcoder};
use model::{Codec, CodecMapping, Instant, LegPlan, LegSide, MediaPlan};
use rtp_proto::{RtpPacket, TelephoneEvent};
use std::time::Duration;

/// Formats of one leg that are transcoded; more pass as they are.
const WAYS: usize = 4;
/// For how long noise is made after a sender said that it is silent, without another word of it.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);
/// The sources that transcoders number their packets by; no leg sees them.
const FIRST_SOURCE: u32 = 0x7c0d_ec00;

/// The audio of one direction.
#[derive(Debug)]
pub(crate) struct Stage {
    plan: Box<model::Transcoding>,
    /// Of the leg that the audio goes to.
    events: Option<CodecMapping>,
    ways: Vec<Way>,
    /// The position in `ways` of each payload type, from 1; what has 0 passes.
    by_payload_type: [u8; 128],
    /// The way of the last audio; `None` while audio passes as it is.
    active: Option<usize>,
    /// When the next packet of noise is due.
    noise: Option<Noise>,
    /// Some of the leg's audio passes: formats that both legs have.
    some_passes: bool,
    /// When a packet was last taken or made.
    polled: Instant,
}

/// One format that is read.
#[derive(Debug)]
struct Way {
    codec: Codec,
    format: AudioFormat,
    transcoder: Transcoder,
    /// What came and nobody has asked for yet.
    heard: TranscodedCounts,
}

/// Packets of one format that came to be transcoded.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TranscodedCounts {
    /// Packets, those included that came late or twice.
    pub packets: u64,
    /// Octets of their payloads.
    pub octets: u64,
}

#[derive(Clone, Copy, Debug)]
struct Noise {
    due: Instant,
    until: Instant,
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Made {
    /// It passes as it is.
    Passes,
    /// A packet of so many octets stands in its place.
    Packet(usize),
    /// Nothing goes out for it, or not yet.
    Nothing,
}

impl Stage {
    /// Between a leg and the other, `to`; `None` when nothing of `plan` can be transcoded.
    ///
    /// `number` tells it from those that were before it.
    pub(crate) fn new(
        plan: &model::Transcoding,
        from: &LegPlan,
        to: &LegPlan,
        number: u32,
    ) -> Option<Box<Self>> {
        let format = format_of(&plan.to)?;
        let mut ways: Vec<Way> = Vec::new();
        let mut by_payload_type = [0; 128];
        for mapping in &plan.from {
            let Some(read) = format_of(mapping) else { continue };
            let Some(entry) = by_payload_type.get_mut(usize::from(mapping.payload_type)) else {
                continue;
            };
            let known = ways.iter().position(|way| way.format == read);
            let position = match known {
                Some(position) => position,
                None if ways.len() == WAYS => continue,
                None => {
                    let source = number
                        .wrapping_mul(WAYS as u32)
                        .wrapping_add(FIRST_SOURCE + ways.len() as u32);
                    let out = outgoing(&plan.to, source);
                    let mut transcoder = Transcoder::new(read, format, out)?;
                    if let Some(bits) = plan.bitrate {
                        transcoder = transcoder.with_bitrate(bits);
                    }
                    if let Some(noise) = plan.comfort_noise {
                        let detects = noise.in_place_of_silence;
                        transcoder = transcoder.with_comfort_noise(noise.payload_type, detects);
                    }
                    let heard = TranscodedCounts::default();
                    ways.push(Way { codec: mapping.codec, format: read, transcoder, heard });
                    ways.len() - 1
                }
            };
            *entry = position as u8 + 1;
        }
        if ways.is_empty() {
            return None;
        }
        // What has no other way is transcoded from its first packet on, keys before audio too.
        let passes = |mapping: &CodecMapping| {
            !matches!(mapping.codec, Codec::TelephoneEvent | Codec::ComfortNoise)
                && by_payload_type.get(usize::from(mapping.payload_type)) == Some(&0)
        };
        let some_passes = from.codecs.iter().any(passes);
        Some(Box::new(Stage {
            plan: Box::new(plan.clone()),
            events: events_of(to, plan.to.clock_rate),
            ways,
            by_payload_type,
            active: (!some_passes).then_some(0),
            noise: None,
            some_passes,
            polled: Instant::ZERO,
        }))
    }

    /// Whether it does already what a new plan asks for.
    pub(crate) fn serves(&self, plan: &model::Transcoding, to: &LegPlan) -> bool {
        *self.plan == *plan && self.events == events_of(to, plan.to.clock_rate)
    }

    /// Takes the RTP packet in the first `len` octets of `buffer`. `from` is the plan of the leg that
    /// it came from.
    pub(crate) fn take(
        &mut self,
        from: &CompiledLeg,
        buffer: &mut [u8],
        len: usize,
        now: Instant,
    ) -> Made {
        let Some(packet) = buffer.get(..len).and_then(|octets| RtpPacket::parse(octets).ok())
        else {
            return Made::Nothing;
        };
        let (number, marker) = (packet.payload_type(), packet.marker());
        let received = Received {
            ssrc: packet.ssrc(),
            sequence: packet.sequence(),
            timestamp: packet.timestamp(),
            payload: packet.payload(),
        };
        let way = self.by_payload_type.get(usize::from(number)).copied().unwrap_or_default();
        if let Some(way) = usize::from(way).checked_sub(1) {
            self.choose(way);
            if let Some(way) = self.ways.get_mut(way) {
                way.heard.packets += 1;
                way.heard.octets += received.payload.len() as u64;
                way.transcoder.take(&received);
            }
            self.noise = None;
            return self.poll(now, buffer).map_or(Made::Nothing, Made::Packet);
        }
        let Some(active) = self.active.and_then(|active| self.ways.get_mut(active)) else {
            return Made::Passes;
        };
        let transcoder = &mut active.transcoder;
        if from.is_telephone_event(number) {
            let Some(event) = received.payload.first_chunk::<{ TelephoneEvent::BYTES }>().copied()
            else {
                return Made::Nothing;
            };
            let received = Received { payload: &event, ..received };
            let Some(to) = &self.events else { return Made::Nothing };
            let clocks = [from.format(number).clock_rate, to.clock_rate];
            let made = transcoder.pass_event(&received, clocks, to.payload_type, marker, buffer);
            return made.map_or(Made::Nothing, Made::Packet);
        }
        if from.format(number).codec == Codec::ComfortNoise {
            transcoder.take_comfort_noise(&received);
            let due = now + pace(transcoder);
            let until = now + LONGEST_SILENCE;
            // Where it passes there is nothing to be made.
            self.noise = transcoder.is_silent().then_some(Noise { due, until });
            return self.poll(now, buffer).map_or(Made::Nothing, Made::Packet);
        }
        if !self.some_passes {
            return Made::Nothing;
        }
        // Audio that both legs have, after audio that they have not.
        self.active = None;
        self.noise = None;
        Made::Passes
    }

    /// When [`Stage::poll_due`] has a packet; `None` for never.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let active = self.ways.get(self.active?)?;
        if active.transcoder.is_ready() {
            return Some(self.polled);
        }
        self.noise.map(|noise| noise.due)
    }

    /// Writes the next packet that is due to the beginning of `buffer`; its octets.
    pub(crate) fn poll_due(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        let transcoder = &mut self.ways.get_mut(self.active?)?.transcoder;
        if !transcoder.is_ready() {
            let noise = self.noise.filter(|noise| noise.due <= now)?;
            let next = noise.due + pace(transcoder);
            // Late by more than a packet: what was missed is not made up for in a burst.
            let due = if next <= now { now + pace(transcoder) } else { next };
            let goes_on = now < noise.until && transcoder.fill_silence();
            self.noise = goes_on.then_some(Noise { due, ..noise });
        }
        self.poll(now, buffer)
    }

    /// The clock rate of what goes out, in Hz.
    pub(crate) fn clock_rate(&self) -> u32 {
        self.plan.to.clock_rate
    }

    fn forget(&mut self) {
        self.noise = None;
        if let Some(active) = self.active.and_then(|active| self.ways.get_mut(active)) {
            active.transcoder.begin_again();
        }
    }

    fn poll(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        self.polled = now;
        self.ways.get_mut(self.active?)?.transcoder.poll_packet(buffer)
    }

    fn choose(&mut self, way: usize) {
        if self.active != Some(way) {
            self.active = Some(way);
            if let Some(way) = self.ways.get_mut(way) {
                way.transcoder.begin_again();
            }
        }
    }
}

impl RtpSession {
    /// Makes ready what the plan in force says of transcoding: the legs that get such audio have one
    /// continuous source from now on, and RTCP ends here, because a leg's reports no longer fit what
    /// the other is sent (RFC 3550 section 7.2). To be called after each [`RtpSession::apply`];
    /// nothing transcoded goes out before. `draw` gives unguessable numbers.
    pub fn begin_transcoding(&mut self, now: Instant, draw: &mut dyn FnMut() -> u64) {
        for from in LegSide::BOTH {
            if self.stage_of(from).is_some() {
                self.make_for(from.other(), now, draw);
            }
        }
    }

    /// Whether the plan in force transcodes audio of a leg.
    pub fn has_transcoding(&self) -> bool {
        LegSide::BOTH.into_iter().any(|from| self.stage_of(from).is_some())
    }

    /// What is transcoded of leg `from` at present, and to what; `None` where its audio passes, or
    /// only its packets are made anew.
    pub fn transcodes(&self, from: LegSide) -> Option<[Codec; 2]> {
        let stage = self.rare.as_ref()?.transcoding[from.index()].as_deref()?;
        let way = stage.ways.get(stage.active?)?;
        let is_other = Some(way.format) != format_of(&stage.plan.to);
        is_other.then_some([way.codec, stage.plan.to.codec])
    }

    /// The formats between which audio of leg `from` is transcoded at present, as
    /// [`RtpSession::transcodes`] has it.
    pub fn transcoded_formats(&self, from: LegSide) -> Option<[AudioFormat; 2]> {
        let stage = self.stage_of(from)?;
        let way = stage.ways.get(stage.active?)?;
        Some([way.format, format_of(&stage.plan.to)?]).filter(|[from, to]| from != to)
    }

    /// What came to be transcoded since it was last asked for, by the formats that it had and got.
    pub fn take_transcoded(&mut self, each: &mut dyn FnMut([AudioFormat; 2], TranscodedCounts)) {
        let Some(rare) = self.rare.as_deref_mut() else { return };
        for stage in rare.transcoding.iter_mut().flatten() {
            let Some(to) = format_of(&stage.plan.to) else { continue };
            for way in stage.ways.iter_mut().filter(|way| way.format != to) {
                let heard = std::mem::take(&mut way.heard);
                if heard.packets > 0 {
                    each([way.format, to], heard);
                }
            }
        }
    }

    /// The stages of a new plan, and how many were made so far. What goes on as it was keeps its
    /// stage.
    pub(crate) fn stages_for(&mut self, plan: &MediaPlan) -> ([Option<Box<Stage>>; 2], u32) {
        let (mut before, mut made) = match self.rare.as_deref_mut() {
            Some(rare) => (std::mem::take(&mut rare.transcoding), rare.stages),
            None => (Default::default(), 0),
        };
        let stages = LegSide::BOTH.map(|from| {
            let wanted = plan.transcoding[from.index()].as_deref()?;
            let [from_leg, to_leg] = [from, from.other()].map(|leg| &plan.legs[leg.index()]);
            let kept = before[from.index()].take();
            kept.filter(|stage| stage.serves(wanted, to_leg)).or_else(|| {
                made = made.wrapping_add(1);
                Stage::new(wanted, from_leg, to_leg, made)
            })
        });
        (stages, made)
    }

    /// What becomes of an RTP packet of leg `from` in the first `len` octets of `buffer`.
    pub(crate) fn transcode(
        &mut self,
        from: LegSide,
        buffer: &mut [u8],
        len: usize,
        now: Instant,
    ) -> Made {
        let to = from.other();
        let is_ready = self.legs[to.index()].made.is_some();
        let Some(plan) = &self.legs[from.index()].plan else { return Made::Passes };
        let Some(rare) = self.rare.as_deref_mut() else { return Made::Passes };
        let Some(stage) = rare.transcoding[from.index()].as_deref_mut() else {
            return Made::Passes;
        };
        if !is_ready {
            return Made::Nothing;
        }
        let room = buffer.len().saturating_sub(GROWTH).max(len);
        let Some(room) = buffer.get_mut(..room) else { return Made::Nothing };
        let made = stage.take(plan, room, len, now);
        if let Made::Packet(_) = made {
            let clock_rate = stage.clock_rate();
            self.join_outbound(to, buffer, clock_rate, now, false);
            let (other, leg) = pair(&mut self.legs, from);
            leg.stream.number_anew(&other.stream, clock_rate);
        }
        made
    }

    pub(crate) fn transcoded_deadline(&self) -> Option<Instant> {
        let stages = &self.rare.as_ref()?.transcoding;
        stages.iter().flatten().filter_map(|stage| stage.deadline()).min()
    }

    /// The next transcoded packet towards `to` that did not stand in the place of one that came.
    pub(crate) fn poll_transcoded(
        &mut self,
        to: LegSide,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<MadePacket> {
        let wants = |leg: &Leg| leg.plan.as_ref().is_some_and(|plan| plan.sends_to);
        let leg = &self.legs[to.index()];
        let wanted = wants(leg) && leg.made.is_some() && !leg.hears_other_audio(now);
        let stage = self.rare.as_deref_mut()?.transcoding[to.other().index()].as_deref_mut()?;
        stage.deadline().filter(|due| *due <= now)?;
        let room = buffer.len().saturating_sub(GROWTH);
        let made = stage.poll_due(now, buffer.get_mut(..room)?);
        let clock_rate = stage.clock_rate();
        if !wanted {
            // On hold, or something is played: what was under way is of the past.
            stage.forget();
            return None;
        }
        let len = made?;
        self.join_outbound(to, buffer, clock_rate, now, false);
        let len = self.mix_warning(to, buffer, len, now);
        self.send_protected(to, len, buffer)
    }

    fn stage_of(&self, from: LegSide) -> Option<&Stage> {
        self.rare.as_ref()?.transcoding[from.index()].as_deref()
    }
}

fn pace(transcoder: &Transcoder) -> Duration {
    Duration::from_millis(transcoder.packet_ms().into())
}

fn format_of(mapping: &CodecMapping) -> Option<AudioFormat> {
    AudioFormat::new(mapping.codec, mapping.clock_rate)
}

/// The telephone events of a leg beside audio of `clock_rate`.
fn events_of(leg: &LegPlan, clock_rate: u32) -> Option<CodecMapping> {
    let mut events = leg.codecs.iter().filter(|m| m.codec == Codec::TelephoneEvent);
    let first = events.clone().next();
    events.find(|mapping| mapping.clock_rate == clock_rate).or(first).cloned()
}

fn outgoing(to: &CodecMapping, source: u32) -> Outgoing {
    Outgoing {
        payload_type: to.payload_type,
        ssrc: source,
        sequence: 0,
        timestamp: 0,
        packet_ms: u32::try_from(to.packet_duration.as_millis()).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests;
