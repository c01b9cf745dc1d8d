//! A voice that comes from beside the call: what somebody writes into a [`codecs::voice_ring`] is said
//! to a leg, packet by packet, in the leg's one source.
//!
//! It is live: each packet duration takes that much from the ring, whether the leg can hear it or not. Who is on
//! hold, or hears a clip or keys, misses what is said meanwhile, as they would of a person. Where
//! nothing is written nothing is sent, and the other leg's media passes.

use crate::ear::Ear;
use crate::forward::pair;
use crate::made::{Made, MadePacket};
use crate::plan::CompiledLeg;
use crate::player::{PlayableFormat, audio_format, is_silent};
use crate::rtp_session::{Leg, RtpSession};
use codecs::{AudioEncoder, AudioFormat, Encoder, LONGEST_PAYLOAD, Resampler, VoiceReader};
use model::{Instant, LegSide, OtherMedia};
use rtp_proto::{RtpHeader, RtpPacket};
use std::time::Duration;

/// How long nothing but silence must have come from the other leg before a voice is heard that yields
/// to it: longer than the jitter between two packets, shorter than a turn in a conversation.
const QUIET: Duration = Duration::from_millis(200);
/// How much must be there before it begins, in ms: what comes over a network comes unevenly.
const LEAD_MS: u32 = 60;
/// After so long it begins with less: a word may be that short.
const LONGEST_LEAD: Duration = Duration::from_millis(60);
/// For how long the other leg is not let through when samples come late.
const HANGOVER: Duration = Duration::from_millis(100);
/// What goes on within so long was one utterance that came too late.
const GAP: Duration = Duration::from_millis(200);
/// Packets that are sent at once by who comes late; what is beyond is said later.
const MOST_AT_ONCE: u32 = 5;
/// How often it is looked whether there is something to say, in ms.
const IDLE_MS: u32 = 20;
/// The longest packet, in ms.
const LONGEST_MS: u32 = 60;

/// What speaks to a leg. Its memory is taken when it is made and with [`Voice::tune`].
#[derive(Debug)]
pub(crate) struct Voice {
    reader: VoiceReader,
    with: OtherMedia,
    /// `None` while the leg has no format that can be made.
    mouth: Option<Mouth>,
    /// What was taken, the longest packet of it.
    taken: Box<[i16]>,
    /// When something is taken next, and the timestamp of that.
    due: Instant,
    timestamp: u32,
    state: State,
    /// The next packet follows silence.
    marker: bool,
    /// When the other leg last sent anything but silence; where it cannot be told, anything.
    audible_at: Option<Instant>,
    /// Hears whether it does; `None` where that makes no difference, or cannot be told.
    ear: Option<Ear>,
}

/// Each with when there last was something to say, if ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Silent(Option<Instant>),
    /// Something is there since then, but not enough to begin.
    Gathering(Instant, Option<Instant>),
    Speaking(Instant),
}

/// From samples to payloads of the leg's format.
#[derive(Debug)]
struct Mouth {
    format: PlayableFormat,
    encoder: AudioEncoder,
    resampler: Resampler,
    /// A packet at the encoder's rate.
    samples: Box<[i16]>,
}

/// A packet of what is said; its payload is where [`Voice::step`] was told.
#[derive(Clone, Copy, Debug)]
struct Words {
    payload_type: u8,
    marker: bool,
    timestamp: u32,
    len: usize,
}

impl Mouth {
    fn new(format: PlayableFormat, sample_rate: u32) -> Option<Self> {
        let encoder = AudioEncoder::new(format.format, sample_rate)?;
        let resampler = Resampler::new(sample_rate, encoder.sample_rate())?;
        let count = encoder.sample_rate() / 1_000 * format.packet_ms;
        let samples = vec![0; count as usize].into();
        Some(Mouth { format, encoder, resampler, samples })
    }

    fn clock_rate(&self) -> u32 {
        self.format.format.clock_rate()
    }

    fn ticks(&self) -> u32 {
        self.clock_rate() / 1_000 * self.format.packet_ms
    }

    fn encode(&mut self, taken: &[i16], payload: &mut [u8]) -> Option<usize> {
        let count = self.resampler.resample(taken, &mut self.samples);
        self.encoder.encode(self.samples.get(..count)?, payload).ok()
    }
}

impl Voice {
    fn new(reader: VoiceReader, with: OtherMedia, now: Instant) -> Box<Self> {
        let longest = reader.sample_rate() / 1_000 * LONGEST_MS;
        Box::new(Voice {
            reader,
            with,
            mouth: None,
            taken: vec![0; longest as usize].into(),
            due: now,
            timestamp: 0,
            state: State::Silent(None),
            marker: true,
            audible_at: None,
            ear: None,
        })
    }

    /// The leg has this format from now on, and the other one that.
    fn tune(&mut self, format: Option<PlayableFormat>, other: Option<AudioFormat>) {
        if self.mouth.as_ref().map(|mouth| mouth.format) != format {
            let rate = self.reader.sample_rate();
            self.mouth = format.and_then(|format| Mouth::new(format, rate));
            self.marker = true;
        }
        if self.with == OtherMedia::Wins && !self.ear.as_ref().is_some_and(|e| e.reads(other)) {
            self.ear = other.and_then(Ear::new);
        }
    }

    /// `None` once nothing more can come.
    fn deadline(&self) -> Option<Instant> {
        let has_ended = self.reader.is_closed() && self.reader.waiting() == 0;
        (!has_ended || self.is_speaking()).then_some(self.due)
    }

    const fn is_speaking(&self) -> bool {
        matches!(self.state, State::Speaking(_))
    }

    /// Whether it stands in the place of the other leg's audio.
    pub(crate) fn is_heard(&self, now: Instant) -> bool {
        self.is_speaking() && !self.is_talked_over(now)
    }

    fn is_talked_over(&self, now: Instant) -> bool {
        self.with == OtherMedia::Wins && self.audible_at.is_some_and(|at| now < at + QUIET)
    }

    /// Whether it stands in the place of a packet of the other leg.
    pub(crate) fn replaces(
        &mut self,
        plan: &CompiledLeg,
        packet: &RtpPacket<'_>,
        arrival: Instant,
    ) -> bool {
        if self.with == OtherMedia::Wins && !is_silent(&mut self.ear, plan, packet) {
            self.audible_at = Some(arrival);
        }
        self.is_heard(arrival)
    }

    /// Takes what is due at `now` and writes it to `payload`. `can_hear` says whether the leg can;
    /// what follows silence does so at `timestamp`.
    fn step(
        &mut self,
        now: Instant,
        timestamp: u32,
        can_hear: bool,
        payload: &mut [u8; LONGEST_PAYLOAD],
    ) -> Option<Words> {
        self.reader.settle();
        let packet_ms = self.mouth.as_ref().map_or(IDLE_MS, |mouth| mouth.format.packet_ms);
        let duration = Duration::from_millis(packet_ms.into());
        if now - self.due >= duration * MOST_AT_ONCE {
            (self.due, self.marker) = (now, true);
        }
        self.state = self.next_state(now);
        if !self.is_speaking() {
            self.due += Duration::from_millis(IDLE_MS.into());
            return None;
        }
        let count = (self.reader.sample_rate() / 1_000 * packet_ms) as usize;
        let taken = self.taken.get_mut(..count)?;
        let said = self.reader.take(taken);
        taken.get_mut(said..)?.fill(0);
        let words = self.say(said, [now, self.due], timestamp, can_hear, payload);
        self.due += duration;
        words
    }

    /// Writes the first `said` samples of what was taken, and silence behind them, as a packet.
    fn say(
        &mut self,
        said: usize,
        [now, due]: [Instant; 2],
        timestamp: u32,
        can_hear: bool,
        payload: &mut [u8; LONGEST_PAYLOAD],
    ) -> Option<Words> {
        if said > 0 {
            self.state = State::Speaking(now);
        }
        let can_hear = can_hear && !self.is_talked_over(now);
        let Some(mouth) = self.mouth.as_mut().filter(|_| can_hear && said > 0) else {
            self.marker = true;
            self.reader.count_unheard(said);
            return None;
        };
        let marker = std::mem::take(&mut self.marker);
        if marker {
            self.timestamp = timestamp;
            self.due = due.max(now);
        }
        let count = (self.reader.sample_rate() / 1_000 * mouth.format.packet_ms) as usize;
        let encoded = mouth.encode(self.taken.get(..count)?, payload);
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(mouth.ticks());
        let payload_type = mouth.format.payload_type;
        Some(Words { payload_type, marker, timestamp, len: encoded? })
    }

    fn next_state(&self, now: Instant) -> State {
        let waiting = self.reader.waiting();
        let lead = (self.reader.sample_rate() / 1_000 * LEAD_MS) as usize;
        let has_lead = waiting >= lead || self.reader.is_closed();
        match self.state {
            State::Silent(last) | State::Gathering(_, last) if waiting == 0 => State::Silent(last),
            State::Silent(last) if !has_lead => State::Gathering(now, last),
            State::Gathering(since, last) if !has_lead && now - since < LONGEST_LEAD => {
                State::Gathering(since, last)
            }
            State::Silent(last) | State::Gathering(_, last) => {
                self.note_gap(now, last);
                State::Speaking(now)
            }
            State::Speaking(last) if waiting == 0 && now - last >= HANGOVER => {
                State::Silent(Some(last))
            }
            State::Speaking(last) => {
                if waiting > 0 && self.marker {
                    self.note_gap(now, Some(last));
                }
                self.state
            }
        }
    }

    fn note_gap(&self, now: Instant, last: Option<Instant>) {
        if last.is_some_and(|last| now - last < GAP) {
            self.reader.count_gap();
        }
    }
}

impl RtpSession {
    /// From now on says to a leg what `reader` gives; the voice of before ends. What becomes of the
    /// other leg's media meanwhile says `with`: with [`OtherMedia::Wins`] what is said while the
    /// other leg is heard is lost. `draw` gives unguessable numbers. The worker is to look at
    /// [`RtpSession::made_deadline`] then.
    pub fn speak(
        &mut self,
        to: LegSide,
        reader: VoiceReader,
        with: OtherMedia,
        now: Instant,
        draw: &mut dyn FnMut() -> u64,
    ) {
        self.make_for(to, now, draw).voice = Some(Voice::new(reader, with, now));
        self.tune_voice(to);
    }

    /// Nobody speaks to a leg from now on but the other one. Whether somebody did.
    pub fn stop_speaking(&mut self, to: LegSide) -> bool {
        let made = self.legs[to.index()].made.as_deref_mut();
        made.is_some_and(|made| made.voice.take().is_some())
    }

    /// Whether somebody beside the call may speak to a leg.
    pub fn is_spoken_to(&self, leg: LegSide) -> bool {
        self.legs[leg.index()].made.as_deref().is_some_and(|made| made.voice.is_some())
    }

    /// Voices go on in what the legs of a new plan have.
    pub(crate) fn tune_voices(&mut self) {
        LegSide::BOTH.into_iter().for_each(|to| self.tune_voice(to));
    }

    fn tune_voice(&mut self, to: LegSide) {
        if !self.is_spoken_to(to) {
            return;
        }
        let format = self.playable(to);
        let other = &self.legs[to.other().index()];
        let agreed = || other.plan.as_ref()?.numbered().map(|(_, format)| format).next();
        // Before the other leg is heard, what it is likely to send.
        let other = other.stream.format.or_else(agreed).and_then(audio_format);
        let made = self.legs[to.index()].made.as_deref_mut();
        if let Some(voice) = made.and_then(|made| made.voice.as_deref_mut()) {
            voice.tune(format, other);
        }
    }

    /// Writes the packet of what is said to a leg that is due.
    pub(crate) fn poll_voice(
        &mut self,
        to: LegSide,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<MadePacket> {
        loop {
            let leg = &mut self.legs[to.index()];
            leg.voice_deadline().filter(|due| *due <= now)?;
            let wants = leg.plan.as_ref().is_some_and(|plan| plan.sends_to);
            let has_other = leg.is_played_to();
            let made = leg.made.as_deref_mut()?;
            let can_hear = wants && !has_other && !made.plays_tones();
            let Made { voice, outbound, .. } = made;
            let voice = voice.as_deref_mut()?;
            let mut payload = [0; LONGEST_PAYLOAD];
            let words = voice.step(now, outbound.timestamp_at(now), can_hear, &mut payload);
            let Some(words) = words else { continue };
            let header = RtpHeader {
                payload_type: words.payload_type,
                marker: words.marker,
                sequence: outbound.insert(),
                timestamp: words.timestamp,
                ssrc: outbound.ssrc(),
            };
            // What follows, whoever sends it, stands behind this packet's audio.
            let clock_rate = voice.mouth.as_ref().map_or(8_000, Mouth::clock_rate);
            outbound.advance(voice.timestamp, clock_rate, voice.due);
            outbound.part();
            let (other, _) = pair(&mut self.legs, to.other());
            other.stream.hide_losses();
            let payload = payload.get(..words.len)?;
            if let Some(sent) = self.send_made(to, &header, payload, now, buffer) {
                return Some(sent);
            }
        }
    }
}

impl Leg {
    /// When the next packet of what is said to it is due.
    pub(crate) fn voice_deadline(&self) -> Option<Instant> {
        let voice = self.made.as_deref()?.voice.as_deref()?;
        self.plan.as_ref().and_then(|_| voice.deadline())
    }
}

#[cfg(test)]
mod tests;
