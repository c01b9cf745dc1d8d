//! Keys that wait to be sent to a leg as tones in its audio (ITU-T Q.23), one after the other.

use codecs::dtmf::ToneGenerator;
use model::{Codec, Instant};
use rtp_proto::codecs::g711::{encode_a_law, encode_mu_law};
use std::time::Duration;

/// Keys that wait behind the one that is heard; more are refused, and who asked is told.
const WAITING: usize = 32;
/// One packet.
const INTERVAL: Duration = Duration::from_millis(20);
/// Samples, and octets of G.711, of one packet.
pub(crate) const SAMPLES: usize = 160;
const SAMPLE_RATE: u32 = 8_000;
/// After a key: receivers tell two equal ones apart by it (ITU-T Q.24 has 40 ms). What else is said on
/// the leg passes.
const PAUSE: Duration = Duration::from_millis(60);
/// Shorter keys are not heard everywhere (Q.24 has 40 ms), longer ones help nobody.
const DURATIONS: [Duration; 2] = [Duration::from_millis(60), Duration::from_secs(6)];

#[derive(Debug, Default)]
pub(crate) struct ToneQueue {
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
    timestamp: u32,
}

/// One packet of tones, or of the silence that ends one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TonePacket {
    pub(crate) payload: [u8; SAMPLES],
    pub(crate) timestamp: u32,
    /// The first of a key.
    pub(crate) marker: bool,
}

impl ToneQueue {
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

    /// The packet that is due at `now`, in G.711's form `codec`; a key that begins does so at
    /// `timestamp`.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        timestamp: u32,
        codec: Codec,
    ) -> Option<TonePacket> {
        self.deadline().filter(|due| *due <= now)?;
        if self.current.is_none() {
            self.current = self.begin(timestamp);
        }
        let current = self.current.as_mut()?;
        let marker = current.sent.is_zero();
        let mut samples = [0; SAMPLES];
        let [_, longest] = DURATIONS;
        let until = current.duration.unwrap_or(longest).saturating_sub(current.sent);
        let count = (until.as_millis() as usize * (SAMPLE_RATE as usize / 1_000)).min(SAMPLES);
        current.generator.generate(samples.get_mut(..count)?);
        let encode = if codec == Codec::Pcma { encode_a_law } else { encode_mu_law };
        let packet =
            TonePacket { payload: samples.map(encode), timestamp: current.timestamp, marker };
        current.sent += INTERVAL;
        current.timestamp = current.timestamp.wrapping_add(SAMPLES as u32);
        let goes_on = current.sent < current.duration.unwrap_or(longest);
        // The last packet lasts as well.
        let pace = if goes_on { INTERVAL } else { INTERVAL + PAUSE };
        if !goes_on {
            self.current = None;
        }
        // Late by more than a packet: what was missed is not made up for in a burst.
        let due = self.next + pace;
        self.next = if due <= now { now + pace } else { due };
        Some(packet)
    }

    fn begin(&mut self, timestamp: u32) -> Option<Current> {
        while self.len > 0 {
            let key = *self.keys.get(self.first)?;
            (self.first, self.len) = ((self.first + 1) % WAITING, self.len - 1);
            if let Some(generator) = ToneGenerator::new(key.event, SAMPLE_RATE) {
                let (duration, sent) = (key.duration, Duration::ZERO);
                return Some(Current { generator, duration, sent, timestamp });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
