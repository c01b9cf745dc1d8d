//! The recorder warning tone: both legs hear it now and then while their call is recorded.
//!
//! It is mixed into whatever goes to a leg while it sounds, in the format of those packets: the other
//! leg's audio, what is played or said in its place. Where nothing goes out (DTX, hold music that nobody has, a
//! leg that has not spoken yet) packets of the tone alone are made. Listeners hear what the legs sent,
//! without it.
//!
//! G.722 and Opus remember what was before: their packets are read from a little before each tone on,
//! so that what is written then goes on where the sender's own encoder stands.

use crate::forward::pair;
use crate::made::{Made, MadePacket};
use crate::plan::CompiledLeg;
use crate::player::audio_format;
use crate::rtp_session::{Leg, RtpSession};
use crate::security::GROWTH;
use codecs::{
    AudioDecoder, AudioEncoder, AudioFormat, Decoder, Encoder, LONGEST_PAYLOAD, ToneBurst,
};
use model::{Codec, Instant, LegSide, WarningTone};
use rtp_proto::{RtpHeader, RtpPacket};
use std::time::Duration;

/// From the order to the first tone: who has just answered holds the telephone to the ear by then.
const FIRST: Duration = Duration::from_secs(1);
/// For how long nothing must have gone to the leg, beyond the duration of a packet, before packets of the
/// tone alone are made: longer than the jitter between two packets.
const QUIET: Duration = Duration::from_millis(40);
/// How long before a tone formats that remember are read.
const LEAD: Duration = Duration::from_millis(100);
/// A tone that has not been heard so long after its end is given up, and tried again after [`RETRY`].
const PATIENCE: Duration = Duration::from_millis(500);
const RETRY: Duration = Duration::from_secs(1);
/// Formats of a leg that can have a tone; packets of others pass without.
const FORMATS: usize = 4;
/// The longest packet that is read, in ms.
const LONGEST_MS: u32 = 120;
/// Packets that are sent at once by who comes late.
const MOST_AT_ONCE: u32 = 5;
/// The static payload type of comfort noise (RFC 3551 section 6).
const COMFORT_NOISE: u8 = 13;
const PADDING_BIT: u8 = 0x20;

/// Tones to one leg. Its memory is taken when it is made and with [`Warning::tune`].
#[derive(Debug)]
pub(crate) struct Warning {
    tone: WarningTone,
    burst: ToneBurst,
    mixers: Vec<Mixer>,
    /// Payload types of comfort noise: of who is silent.
    quiet: u128,
    /// Audio in a packet that is made here, in ms.
    packet_ms: u32,
    /// Which of `mixers` the last packet to the leg was for.
    current: usize,
    /// When audio last went to the leg.
    passed: Option<Instant>,
    /// When the next tone begins.
    next: Instant,
    /// The one that sounds now.
    sounding: Option<Sounding>,
    /// Tones that the leg was sent whole.
    heard: u64,
    /// Those of them that [`RtpSession::take_warnings`] has told.
    counted: u64,
}

#[derive(Clone, Copy, Debug)]
struct Sounding {
    began: Instant,
    /// How much of it went out.
    done: Duration,
    /// When a packet of it is made, if none passes until then.
    due: Instant,
    /// Of the next such packet; `None` when the last packet was not made here.
    timestamp: Option<u32>,
}

/// Reads and writes one format.
#[derive(Debug)]
struct Mixer {
    payload_type: u8,
    format: AudioFormat,
    decoder: AudioDecoder,
    encoder: AudioEncoder,
    samples: Box<[i16]>,
}

/// A packet that is made; its payload is where [`Warning::step`] was told.
#[derive(Clone, Copy, Debug)]
struct TonePacket {
    payload_type: u8,
    marker: bool,
    timestamp: u32,
    /// The timestamp behind it, which is due then.
    next: (u32, Instant),
    clock_rate: u32,
    len: usize,
}

impl Mixer {
    fn new(payload_type: u8, format: AudioFormat) -> Option<Self> {
        let rate = format.sample_rate();
        let samples = vec![0; (rate / 1_000 * LONGEST_MS) as usize].into();
        let (decoder, encoder) =
            (AudioDecoder::new(format, rate)?, AudioEncoder::new(format, rate)?);
        Some(Mixer { payload_type, format, decoder, encoder, samples })
    }

    /// Whether what stands in a packet depends on those before it.
    const fn remembers(&self) -> bool {
        matches!(self.format, AudioFormat::G722 | AudioFormat::Opus)
    }

    /// Adds the tone from `from` on to `read`, and writes all of it to `payload`: its octets and how
    /// much time it is; `None` for what cannot be read or written.
    fn mix(
        &mut self,
        read: &[u8],
        tone: Option<(&ToneBurst, Duration)>,
        payload: &mut [u8],
    ) -> Option<(usize, Duration)> {
        let count = self.decoder.decode(read, &mut self.samples).ok().filter(|count| *count > 0)?;
        self.write(count, tone, payload)
    }

    /// The tone alone.
    fn make(
        &mut self,
        packet_ms: u32,
        tone: (&ToneBurst, Duration),
        payload: &mut [u8],
    ) -> Option<(usize, Duration)> {
        let count = (self.format.sample_rate() / 1_000 * packet_ms) as usize;
        self.samples.get_mut(..count)?.fill(0);
        self.write(count, Some(tone), payload)
    }

    fn write(
        &mut self,
        count: usize,
        tone: Option<(&ToneBurst, Duration)>,
        payload: &mut [u8],
    ) -> Option<(usize, Duration)> {
        let rate = self.format.sample_rate();
        let samples = self.samples.get_mut(..count)?;
        if let Some((burst, from)) = tone {
            burst.mix(from, rate, samples);
        }
        let len = self.encoder.encode(samples, payload).ok()?;
        let micros = count as u64 * 1_000_000 / u64::from(rate.max(1));
        Some((len, Duration::from_micros(micros)))
    }
}

impl Warning {
    fn new(tone: WarningTone, now: Instant) -> Box<Self> {
        Box::new(Warning {
            tone,
            burst: ToneBurst::new(tone.frequency, tone.level, tone.length),
            mixers: Vec::new(),
            quiet: 0,
            packet_ms: 20,
            current: 0,
            passed: None,
            next: now + FIRST,
            sounding: None,
            heard: 0,
            counted: 0,
        })
    }

    /// The leg has these formats from now on.
    fn tune(&mut self, plan: Option<&CompiledLeg>) {
        let numbered = || plan.into_iter().flat_map(CompiledLeg::numbered);
        let made = |(number, format)| Some((number, audio_format(format)?));
        let is_same = {
            let wanted = numbered().filter_map(made).take(FORMATS);
            wanted.eq(self.mixers.iter().map(|mixer| (mixer.payload_type, mixer.format)))
        };
        if !is_same {
            let wanted = numbered().filter_map(made).take(FORMATS);
            self.mixers =
                wanted.filter_map(|(number, format)| Mixer::new(number, format)).collect();
            self.current = 0;
        }
        let quiet = numbered().filter(|(_, format)| format.codec == Codec::ComfortNoise);
        self.quiet = quiet.fold(1 << COMFORT_NOISE, |all, (number, _)| all | 1 << number);
        self.packet_ms = plan.map_or(20, |plan| plan.packet_ms.into());
    }

    /// When [`Warning::step`] has something to do.
    fn deadline(&self) -> Option<Instant> {
        let due = self.sounding.map_or(self.next, |sounding| sounding.due);
        (!self.mixers.is_empty()).then_some(due)
    }

    fn packet_time(&self) -> Duration {
        let format = self.mixers.get(self.current).map(|mixer| mixer.format);
        Duration::from_millis(format.map_or(20, |format| format.packet_ms(self.packet_ms)).into())
    }

    /// A tone begins, unless one sounds.
    fn begin(&mut self, now: Instant) -> Sounding {
        let quiet = self.packet_time() + QUIET;
        let passed = self.passed;
        *self.sounding.get_or_insert_with(|| Sounding {
            began: now,
            done: Duration::ZERO,
            due: passed.map_or(now, |at| now.max(at + quiet)),
            timestamp: None,
        })
    }

    /// So much more of it went out.
    fn go_on(&mut self, mut sounding: Sounding, more: Duration) {
        sounding.done += more;
        self.sounding = Some(sounding);
        if sounding.done >= self.burst.length() {
            (self.sounding, self.next) = (None, sounding.began + self.tone.every);
            self.heard += 1;
        }
    }

    /// Nobody listens, although it was ordered: what would be said is not true.
    fn postpone(&mut self, now: Instant) {
        if self.sounding.is_none() && self.next <= now {
            self.next = now + RETRY;
        }
    }

    fn give_up_late(&mut self, now: Instant) {
        let longest = self.burst.length() + PATIENCE;
        if self.sounding.is_some_and(|sounding| now - sounding.began > longest) {
            (self.sounding, self.next) = (None, now + RETRY);
        }
    }

    /// Mixes the tone into the RTP packet in the first `len` octets of `buffer`, which goes to the leg
    /// at `at`; its octets then, `None` where it stays as it is. Keys must not be disturbed.
    fn mix(&mut self, buffer: &mut [u8], len: usize, has_keys: bool, at: Instant) -> Option<usize> {
        let packet = RtpPacket::parse(buffer.get(..len)?).ok()?;
        let number = packet.payload_type();
        if self.quiet >> number & 1 == 1 {
            return None;
        }
        self.passed = Some(at);
        self.give_up_late(at);
        let current = self.mixers.iter().position(|mixer| mixer.payload_type == number);
        let quiet = self.packet_time() + QUIET;
        if let Some(sounding) = &mut self.sounding {
            (sounding.due, sounding.timestamp) = (at + quiet, None);
        }
        self.current = current?;
        let mixer = self.mixers.get(self.current)?;
        let is_time = self.sounding.is_some() || at >= self.next;
        if has_keys || !(is_time || (mixer.remembers() && at + LEAD >= self.next)) {
            return None;
        }
        let begin = len - packet.payload().len() - packet.padding_bytes();
        let mut sounding = is_time.then(|| self.begin(at));
        let tone = sounding.as_ref().map(|sounding| (&self.burst, sounding.done));
        let mut payload = [0; LONGEST_PAYLOAD];
        let mixer = self.mixers.get_mut(self.current)?;
        let (octets, time) = mixer.mix(packet.payload(), tone, &mut payload)?;
        let sounding = sounding.as_mut()?;
        buffer.get_mut(begin..begin + octets)?.copy_from_slice(payload.get(..octets)?);
        if let Some(first) = buffer.first_mut() {
            *first &= !PADDING_BIT;
        }
        sounding.due = at + quiet;
        self.go_on(*sounding, time);
        Some(begin + octets)
    }

    /// Begins the tone that is due, or writes the packet of it that is to `payload`. One that begins
    /// does so at `timestamp`.
    fn step(
        &mut self,
        now: Instant,
        timestamp: u32,
        has_keys: bool,
        payload: &mut [u8; LONGEST_PAYLOAD],
    ) -> Option<TonePacket> {
        self.give_up_late(now);
        if self.sounding.is_none() {
            if self.next <= now {
                self.begin(now);
            }
            return None;
        }
        let duration = self.packet_time();
        let mut sounding = self.sounding?;
        if has_keys {
            sounding.due = now + duration + QUIET;
            self.sounding = Some(sounding);
            return None;
        }
        if now - sounding.due >= duration * MOST_AT_ONCE {
            (sounding.due, sounding.timestamp) = (now, None);
        }
        let marker = sounding.timestamp.is_none();
        let timestamp = sounding.timestamp.unwrap_or(timestamp);
        if marker {
            sounding.due = sounding.due.max(now);
        }
        let mixer = self.mixers.get_mut(self.current)?;
        let (payload_type, clock_rate) = (mixer.payload_type, mixer.format.clock_rate());
        let packet_ms = duration.as_millis() as u32;
        let written = mixer.make(packet_ms, (&self.burst, sounding.done), payload);
        let behind = timestamp.wrapping_add(clock_rate / 1_000 * packet_ms);
        sounding.due += duration;
        sounding.timestamp = Some(behind);
        let next = (behind, sounding.due);
        self.go_on(sounding, duration);
        let (len, _) = written?;
        Some(TonePacket { payload_type, marker, timestamp, next, clock_rate, len })
    }
}

impl RtpSession {
    /// From now on both legs hear `tone`, first in a second. `draw` gives unguessable numbers. The
    /// worker is to look at [`RtpSession::made_deadline`] then.
    pub fn warn(&mut self, tone: WarningTone, now: Instant, draw: &mut dyn FnMut() -> u64) {
        for to in LegSide::BOTH {
            let made = self.make_for(to, now, draw);
            // The same order again, as after a transfer, does not begin anew.
            if made.warning.as_deref().is_none_or(|warning| warning.tone != tone) {
                made.warning = Some(Warning::new(tone, now));
            }
        }
        self.tune_warnings();
    }

    /// The legs hear no more tones.
    pub fn stop_warning(&mut self) {
        for made in self.legs.iter_mut().filter_map(|leg| leg.made.as_deref_mut()) {
            made.warning = None;
        }
    }

    /// Tones that a leg has been sent whole since they were ordered; `None` where none are to be sent,
    /// or none can be because the leg has no format that is read and written here.
    pub fn warnings_of(&self, leg: LegSide) -> Option<u64> {
        let warning = self.legs[leg.index()].made.as_deref()?.warning.as_deref()?;
        (!warning.mixers.is_empty()).then_some(warning.heard)
    }

    /// Tones that either leg was sent whole since this was asked last.
    #[inline]
    pub fn take_warnings(&mut self) -> u64 {
        let made = self.legs.iter_mut().filter_map(|leg| leg.made.as_deref_mut());
        let warnings = made.filter_map(|made| made.warning.as_deref_mut());
        warnings.fold(0, |sum, warning| {
            sum + (warning.heard - std::mem::replace(&mut warning.counted, warning.heard))
        })
    }

    /// Tones go on in what the legs of a new plan have.
    pub(crate) fn tune_warnings(&mut self) {
        let is_fax = self.rare.as_ref().is_some_and(|rare| rare.is_fax);
        for leg in &mut self.legs {
            if let Some(warning) = leg.made.as_deref_mut().and_then(|m| m.warning.as_deref_mut()) {
                warning.tune(leg.plan.as_ref().filter(|_| !is_fax));
            }
        }
    }

    /// What goes to leg `to` at `at` of the RTP packet in the first `len` octets of `buffer`; its octets.
    #[inline]
    pub(crate) fn mix_warning(
        &mut self,
        to: LegSide,
        buffer: &mut [u8],
        len: usize,
        at: Instant,
    ) -> usize {
        let Some(made) = self.legs[to.index()].made.as_deref_mut() else { return len };
        let has_keys = made.plays_tones();
        let Some(warning) = made.warning.as_deref_mut() else { return len };
        if self.audio_tap.as_deref().is_some_and(|tap| !tap.is_read()) {
            warning.postpone(at);
        }
        let room = buffer.len().saturating_sub(GROWTH).max(len);
        let Some(buffer) = buffer.get_mut(..room) else { return len };
        warning.mix(buffer, len, has_keys, at).unwrap_or(len)
    }

    /// Writes the packet of a tone to a leg that is due because nothing else goes there.
    pub(crate) fn poll_warning(
        &mut self,
        to: LegSide,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<MadePacket> {
        loop {
            let leg = &mut self.legs[to.index()];
            leg.warning_deadline().filter(|due| *due <= now)?;
            let made = leg.made.as_deref_mut()?;
            let has_keys = made.has_keys();
            let Made { warning, outbound, .. } = made;
            let mut payload = [0; LONGEST_PAYLOAD];
            let timestamp = outbound.timestamp_at(now);
            let warning = warning.as_deref_mut()?;
            if self.audio_tap.as_deref().is_some_and(|tap| !tap.is_read()) {
                warning.postpone(now);
            }
            let Some(tone) = warning.step(now, timestamp, has_keys, &mut payload) else { continue };
            let header = RtpHeader {
                payload_type: tone.payload_type,
                marker: tone.marker,
                sequence: outbound.insert(),
                timestamp: tone.timestamp,
                ssrc: outbound.ssrc(),
            };
            // What follows, whoever sends it, stands behind this packet's audio.
            let (behind, due) = tone.next;
            outbound.advance(behind, tone.clock_rate, due);
            outbound.part();
            let (other, _) = pair(&mut self.legs, to.other());
            other.stream.hide_losses();
            let len = header.write_header(buffer)? + tone.len;
            buffer.get_mut(RtpHeader::BYTES..len)?.copy_from_slice(payload.get(..tone.len)?);
            if let Some(sent) = self.send_protected(to, len, buffer) {
                return Some(sent);
            }
        }
    }
}

impl Leg {
    /// When a tone to it begins, or goes on by itself; `None` while it wants no media.
    pub(crate) fn warning_deadline(&self) -> Option<Instant> {
        let warning = self.made.as_deref()?.warning.as_deref()?;
        self.plan.as_ref().filter(|plan| plan.sends_to).and_then(|_| warning.deadline())
    }
}

#[cfg(test)]
mod tests;
