//! Keys that wait to be sent to a leg as tones in its audio (ITU-T Q.23), one after the other.

use codecs::dtmf::ToneGenerator;
use codecs::{AudioEncoder, AudioFormat, Encoder, LONGEST_PAYLOAD};
use model::Instant;
use std::time::Duration;

/// Keys that wait behind the one that is heard; more are refused, and who asked is told.
const WAITING: usize = 32;
/// One packet, in ms; less in a format whose octets would be too many.
const PACKET_MS: u32 = 20;
/// Of Opus, in samples a second: at lower rates its encoder takes tones for a voice and bends them.
const OPUS_RATE: u32 = 48_000;
/// Samples of the longest packet.
const SAMPLES: usize = (OPUS_RATE / 1_000 * PACKET_MS) as usize;
/// After a key: receivers tell two equal ones apart by it (ITU-T Q.24 has 40 ms). What else is said on
/// the leg passes.
const PAUSE: Duration = Duration::from_millis(60);
/// Shorter keys are not heard everywhere (Q.24 has 40 ms), longer ones help nobody.
const DURATIONS: [Duration; 2] = [Duration::from_millis(60), Duration::from_secs(6)];
/// Packets of silence before a key in G.722: its decoder stands where the other leg's audio left it, and
/// needs so long to follow ours. A tone would come to it broken in two.
const LEAD: u8 = 2;

#[derive(Debug)]
pub(crate) struct ToneQueue {
    format: AudioFormat,
    encoder: AudioEncoder,
    keys: [Key; WAITING],
    first: usize,
    len: usize,
    current: Option<Current>,
    /// When the next packet is due, or the next key may begin.
    next: Instant,
}

#[derive(Clone, Copy, Default, Debug)]
struct Key {
    event: u8,
    /// `None` while it is held.
    duration: Option<Duration>,
}

#[derive(Debug)]
struct Current {
    generator: ToneGenerator,
    /// `None` while it is held.
    duration: Option<Duration>,
    sent: Duration,
    /// Packets of silence that are still to come before it.
    lead: u8,
    is_new: bool,
    timestamp: u32,
}

/// One packet of tones, or of the silence that ends one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TonePacket {
    /// Octets of the payload.
    pub(crate) len: usize,
    pub(crate) timestamp: u32,
    /// The first of a key.
    pub(crate) marker: bool,
}

impl ToneQueue {
    /// For a leg that hears `format`; it and [`ToneQueue::speak`] alone take memory.
    pub(crate) fn new(format: AudioFormat) -> Option<Self> {
        Some(ToneQueue {
            format,
            encoder: encoder(format)?,
            keys: [Key::default(); WAITING],
            first: 0,
            len: 0,
            current: None,
            next: Instant::ZERO,
        })
    }

    /// What the tones are encoded in.
    pub(crate) const fn format(&self) -> AudioFormat {
        self.format
    }

    /// The leg hears `format` from now on. The key that sounds ends where that has other samples.
    pub(crate) fn speak(&mut self, format: AudioFormat) {
        if format == self.format {
            return;
        }
        let Some(encoder) = encoder(format) else { return };
        if encoder.sample_rate() != self.encoder.sample_rate() {
            self.current = None;
        }
        (self.format, self.encoder) = (format, encoder);
    }

    /// A key of known duration, or one that is held until [`ToneQueue::release`]; `None` when there is
    /// no room.
    pub(crate) fn push(
        &mut self,
        event: u8,
        duration: Option<Duration>,
        now: Instant,
    ) -> Option<()> {
        let [shortest, longest] = DURATIONS;
        let is_idle = self.deadline().is_none();
        let room = (self.len < WAITING).then_some((self.first + self.len) % WAITING)?;
        let duration = duration.map(|duration| duration.clamp(shortest, longest));
        *self.keys.get_mut(room)? = Key { event, duration };
        self.len += 1;
        if is_idle {
            self.next = self.next.max(now);
        }
        Some(())
    }

    /// The key that is held was let go, after `duration`.
    pub(crate) fn release(&mut self, duration: Duration) {
        let [shortest, longest] = DURATIONS;
        let duration = duration.clamp(shortest, longest);
        let waiting = (0..self.len).map(|at| (self.first + at) % WAITING);
        let held = self.current.as_mut().map(|current| &mut current.duration);
        match held.filter(|held| held.is_none()) {
            Some(held) => *held = Some(duration),
            None => {
                for at in waiting {
                    if let Some(key) = self.keys.get_mut(at) {
                        key.duration.get_or_insert(duration);
                    }
                }
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        (self.len, self.current) = (0, None);
    }

    /// Whether a key is heard now.
    pub(crate) const fn is_playing(&self) -> bool {
        self.current.is_some()
    }

    /// `None` while nothing is to be sent.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (self.len > 0 || self.current.is_some()).then_some(self.next)
    }

    /// Writes the packet that is due at `now` to the beginning of `payload`; a key that begins does so
    /// at `timestamp`.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        timestamp: u32,
        payload: &mut [u8; LONGEST_PAYLOAD],
    ) -> Option<TonePacket> {
        self.deadline().filter(|due| *due <= now)?;
        if self.current.is_none() {
            self.current = self.begin(timestamp);
        }
        let current = self.current.as_mut()?;
        let marker = std::mem::take(&mut current.is_new);
        let packet_ms = self.format.packet_ms(PACKET_MS);
        let interval = Duration::from_millis(packet_ms.into());
        let in_ms = (self.encoder.sample_rate() / 1_000) as usize;
        let mut samples = [0; SAMPLES];
        let samples = samples.get_mut(..packet_ms as usize * in_ms)?;
        let [_, longest] = DURATIONS;
        let until = current.duration.unwrap_or(longest).saturating_sub(current.sent);
        let count = (until.as_millis() as usize * in_ms).min(samples.len());
        match current.lead.checked_sub(1) {
            Some(lead) => current.lead = lead,
            None => {
                current.generator.generate(samples.get_mut(..count)?);
                current.sent += interval;
            }
        }
        let len = self.encoder.encode(samples, payload).ok();
        let packet = len.map(|len| TonePacket { len, timestamp: current.timestamp, marker });
        let ticks = self.format.clock_rate() / 1_000 * packet_ms;
        current.timestamp = current.timestamp.wrapping_add(ticks);
        let goes_on = current.sent < current.duration.unwrap_or(longest);
        // The last packet lasts as well.
        let pace = if goes_on { interval } else { interval + PAUSE };
        if !goes_on {
            self.current = None;
        }
        // Late by more than a packet: what was missed is not made up for in a burst.
        let due = self.next + pace;
        self.next = if due <= now { now + pace } else { due };
        packet
    }

    fn begin(&mut self, timestamp: u32) -> Option<Current> {
        while self.len > 0 {
            let key = *self.keys.get(self.first)?;
            (self.first, self.len) = ((self.first + 1) % WAITING, self.len - 1);
            if let Some(generator) = ToneGenerator::new(key.event, self.encoder.sample_rate()) {
                let lead = if self.format == AudioFormat::G722 { LEAD } else { 0 };
                let (duration, sent) = (key.duration, Duration::ZERO);
                return Some(Current { generator, duration, sent, lead, is_new: true, timestamp });
            }
        }
        None
    }
}

fn encoder(format: AudioFormat) -> Option<AudioEncoder> {
    AudioEncoder::new(format, OPUS_RATE)
}

#[cfg(test)]
mod tests;
