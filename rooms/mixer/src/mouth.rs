//! From a mix to packets: a resampler and an encoder, for one participant or for all who hear the same.

use crate::TICK_SAMPLES;
use crate::config::{Format, JoinError, RoomConfig};
use crate::level::{decibels, power};
use codecs::{AudioEncoder, AudioFormat, Encoder, LONGEST_PAYLOAD, Resampler};

/// Ticks of silence before less is sent: 200 ms. And how often something is, then: 400 ms, as an Opus
/// encoder would (RFC 6716 section 2.1.9).
const TICKS_BEFORE: u32 = 10;
const TICKS_BETWEEN: u32 = 20;
/// What Opus encodes, in Hz: wideband. At 48,000 Hz the encoder spends half as much again as it is told
/// to at these bit rates, and cannot tell anything twice (docs/decisions/0119).
const OPUS_RATE: u32 = 16_000;
/// Packets that one tick may end.
const MOST_PACKETS: usize = 2;

/// What two participants must have in common to be sent the same payloads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Kind {
    pub(crate) format: AudioFormat,
    /// 10, 20, 40 or 60.
    pub(crate) packet_ms: u32,
    /// Takes comfort noise packets.
    pub(crate) takes_noise: bool,
}

/// How much is lost on a participant's way, in classes, so that few encoders serve many.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Debug)]
pub(crate) enum Loss {
    #[default]
    None,
    Some,
    Much,
}

impl Loss {
    /// The class of a fraction of lost packets, 0 to 1 (RFC 3550 section 6.4.1).
    pub(crate) fn of(fraction: f32) -> Self {
        match fraction {
            f if f >= 0.08 => Loss::Much,
            f if f >= 0.01 => Loss::Some,
            _ => Loss::None,
        }
    }

    const fn percent(self) -> u8 {
        match self {
            Loss::None => 0,
            Loss::Some => 5,
            Loss::Much => 15,
        }
    }
}

impl Kind {
    pub(crate) fn of(format: &Format) -> Self {
        let packet_ms = match format.format.packet_ms(format.packet_ms) {
            60.. => 60,
            40..60 => 40,
            20..40 => 20,
            _ => 10,
        };
        let takes_noise = format.comfort_noise.is_some() && format.format != AudioFormat::Opus;
        Kind { format: format.format, packet_ms, takes_noise }
    }

    /// Ticks that a packet spans.
    pub(crate) const fn ticks(self) -> u32 {
        if self.packet_ms < 20 { 1 } else { self.packet_ms / 20 }
    }

    const fn packets(self) -> usize {
        if self.packet_ms < 20 { MOST_PACKETS } else { 1 }
    }
}

/// A packet that a tick ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    pub(crate) payload: &'a [u8],
    /// Comfort noise, to be sent with its payload type.
    pub(crate) is_noise: bool,
    pub(crate) marker: bool,
    /// Where it begins, in 1/48,000 s after the tick's beginning; may lie before it.
    pub(crate) offset: i64,
    pub(crate) packet_ms: u32,
}

/// Its memory is taken when it is made.
pub(crate) struct Mouth {
    pub(crate) kind: Kind,
    pub(crate) loss: Loss,
    encoder: AudioEncoder,
    resampler: Resampler,
    /// Samples of the encoder's rate, those of a packet, and how many are there.
    samples: Box<[i16]>,
    waiting: usize,
    payloads: [Payload; MOST_PACKETS],
    /// Ticks for which nobody was heard.
    silent: u32,
    /// The next packet follows some that were not sent.
    marker: bool,
    /// The last tick that it spoke in.
    last: Option<u64>,
}

struct Payload {
    octets: Box<[u8]>,
    len: usize,
    is_noise: bool,
    marker: bool,
}

impl Mouth {
    pub(crate) fn new(kind: Kind, loss: Loss, config: &RoomConfig) -> Result<Self, JoinError> {
        let rate = match kind.format {
            AudioFormat::Opus => OPUS_RATE,
            other => other.sample_rate(),
        };
        let mut encoder = AudioEncoder::new(kind.format, rate).ok_or(JoinError::NoFormat)?;
        if let AudioEncoder::Opus(opus) = &mut encoder {
            opus.set_packet_loss(loss.percent());
            opus.set_complexity(config.opus_complexity);
        }
        let resampler = Resampler::new(crate::SAMPLE_RATE, encoder.sample_rate());
        let payload = || Payload {
            octets: vec![0; LONGEST_PAYLOAD].into(),
            len: 0,
            is_noise: false,
            marker: false,
        };
        let samples = (encoder.sample_rate() / 1_000 * 20 * kind.ticks()) as usize;
        Ok(Mouth {
            kind,
            loss,
            resampler: resampler.ok_or(JoinError::NoFormat)?,
            encoder,
            samples: vec![0; samples].into(),
            waiting: 0,
            payloads: [payload(), payload()],
            silent: 0,
            marker: true,
            last: None,
        })
    }

    /// From now on so much is lost on the way of its packets.
    pub(crate) fn set_loss(&mut self, loss: Loss) {
        self.loss = loss;
        if let AudioEncoder::Opus(opus) = &mut self.encoder {
            opus.set_packet_loss(loss.percent());
        }
    }

    /// Whether it has spoken in `tick`.
    pub(crate) fn has_said(&self, tick: u64) -> bool {
        self.last == Some(tick)
    }

    /// Whether it spoke in the tick before `tick`.
    pub(crate) fn is_warm(&self, tick: u64) -> bool {
        tick > 0 && self.last == Some(tick - 1)
    }

    /// Says from `tick` on what `other` said up to it, or would have: `heard` is what whoever listens
    /// heard in the tick before.
    pub(crate) fn take_over(
        &mut self,
        other: Option<&Mouth>,
        heard: &[i16; TICK_SAMPLES],
        tick: u64,
    ) {
        let phase = (tick % u64::from(self.kind.ticks())) as usize;
        let in_tick = self.samples.len() / self.kind.ticks() as usize;
        self.samples.fill(0);
        self.waiting = 0;
        let count = self.resampler.resample(heard, &mut self.samples);
        let followed = other.is_some_and(|other| self.encoder.follow(&other.encoder));
        if !followed {
            self.encode_aside(count);
        }
        self.samples.fill(0);
        self.waiting = phase * in_tick;
        (self.silent, self.marker) = (0, false);
        if let Some(other) = other.filter(|other| other.is_warm(tick)) {
            if other.samples.len() == self.samples.len() {
                self.samples.copy_from_slice(&other.samples);
            }
            (self.silent, self.marker) = (other.silent, other.marker);
        }
    }

    /// What comes of what was encoded last, thrown away: brings the encoder near where the one before
    /// it was.
    fn encode_aside(&mut self, count: usize) {
        let Some(samples) = self.samples.get(..count) else { return };
        if let Some(payload) = self.payloads.first_mut() {
            let _ = self.encoder.encode(samples, &mut payload.octets);
        }
    }

    /// Says a tick's mix. `bitrate` is Opus's; with `is_silence` nobody is heard in it, which may be
    /// left out when `may_pause`.
    pub(crate) fn say(
        &mut self,
        mix: &[i16; TICK_SAMPLES],
        tick: u64,
        is_silence: bool,
        may_pause: bool,
        bitrate: u32,
    ) {
        self.last = Some(tick);
        self.payloads.iter_mut().for_each(|payload| payload.len = 0);
        self.silent = if is_silence { self.silent.saturating_add(1) } else { 0 };
        let room = self.samples.get_mut(self.waiting..).unwrap_or_default();
        self.waiting += self.resampler.resample(mix, room);
        if self.waiting < self.samples.len() {
            return;
        }
        self.waiting = 0;
        let takes_pauses = self.kind.format == AudioFormat::Opus || self.kind.takes_noise;
        if may_pause && takes_pauses && self.silent >= TICKS_BEFORE {
            return self.pause();
        }
        if let AudioEncoder::Opus(opus) = &mut self.encoder {
            opus.set_bitrate(bitrate);
        }
        let samples = self.samples.chunks_exact(self.samples.len() / self.kind.packets());
        for (samples, payload) in samples.zip(&mut self.payloads) {
            payload.len = self.encoder.encode(samples, &mut payload.octets).unwrap_or(0);
            (payload.is_noise, payload.marker) = (false, std::mem::take(&mut self.marker));
        }
    }

    /// A packet of silence now and then, in the place of all.
    fn pause(&mut self) {
        let since = self.silent - TICKS_BEFORE;
        let ticks = self.kind.ticks();
        self.marker = true;
        if since % TICKS_BETWEEN >= ticks {
            return;
        }
        let Some(payload) = self.payloads.first_mut() else { return };
        payload.marker = false;
        payload.is_noise = self.kind.takes_noise;
        if self.kind.takes_noise {
            // RFC 3389 section 3: the level in -dBov.
            let level = (-decibels(power(&self.samples))).clamp(0.0, 127.0) as u8;
            if let Some(octet) = payload.octets.first_mut() {
                *octet = level;
                payload.len = 1;
            }
            return;
        }
        let packet = self.samples.get(..self.samples.len() / self.kind.packets());
        let Some(samples) = packet else { return };
        payload.len = self.encoder.encode(samples, &mut payload.octets).unwrap_or(0);
    }

    /// The packets that the last tick ended.
    pub(crate) fn said(&self) -> impl Iterator<Item = Said<'_>> {
        let ticks = i64::from(self.kind.ticks());
        let packet_ms = self.kind.packet_ms;
        let begin = (1 - ticks) * TICK_SAMPLES as i64;
        self.payloads.iter().enumerate().filter(|(_, payload)| payload.len > 0).map(
            move |(at, payload)| Said {
                payload: payload.octets.get(..payload.len).unwrap_or_default(),
                is_noise: payload.is_noise,
                marker: payload.marker,
                offset: begin + at as i64 * i64::from(packet_ms) * 48,
                packet_ms,
            },
        )
    }
}
