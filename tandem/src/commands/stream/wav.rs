//! A call as a WAV file of two channels.

use call_streaming::kinesis::{Heard, LegAudio, StoredCall};
use std::io::{self, Write};

/// Samples of each channel that are written in one go.
const PIECE: usize = 4_096;
/// Octets of one instant: two channels of 16 bits.
const INSTANT: u32 = 4;

/// A call's audio, ready to be written.
pub(super) struct Wav {
    left: Option<LegAudio>,
    right: Option<LegAudio>,
    sample_rate: u32,
    /// Of each channel.
    samples: u32,
}

impl Wav {
    /// The caller left, the other one right; of two that both called, or neither, channel A left.
    pub(super) fn of(call: &StoredCall) -> Result<Self, String> {
        let sample_rate = call.sample_rate().ok_or_else(|| {
            "its legs have different sample rates; export their streams one by one, by name"
                .to_owned()
        })?;
        let began_ns = call.began_ns();
        let lasts = u128::from(call.ended_ns().saturating_sub(began_ns));
        let samples = (lasts * u128::from(sample_rate) + 500_000_000) / 1_000_000_000;
        // All sizes in the file have 32 bits.
        let samples = u32::try_from(samples).ok().filter(|samples| {
            samples.checked_mul(INSTANT).and_then(|octets| octets.checked_add(36)).is_some()
        });
        let samples = samples.ok_or("it is longer than a WAV file can be (4 GiB)")?;
        let mut legs = call.legs.iter();
        let (mut left, mut right) = (legs.next(), legs.next());
        if left.is_some_and(|leg| !leg.is_caller && *leg.channel == *"B") && right.is_none() {
            right = left.take();
        }
        if legs.next().is_some() {
            return Err("its files name more than two legs".to_owned());
        }
        let audio = |leg| LegAudio::new(leg, sample_rate, began_ns);
        Ok(Wav { left: left.map(audio), right: right.map(audio), sample_rate, samples })
    }

    /// How long it lasts, in milliseconds.
    pub(super) fn millis(&self) -> u64 {
        self.in_millis(self.samples.into())
    }

    /// How long so many samples last.
    pub(super) fn in_millis(&self, samples: u64) -> u64 {
        samples.saturating_mul(1_000) / u64::from(self.sample_rate.max(1))
    }

    /// Writes all of it.
    pub(super) fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&header(self.sample_rate, self.samples))?;
        let mut left_over = usize::try_from(self.samples).unwrap_or(usize::MAX);
        let (mut left, mut right) = ([0; PIECE], [0; PIECE]);
        while left_over > 0 {
            let length = left_over.min(PIECE);
            let sides = [(&mut self.left, &mut left), (&mut self.right, &mut right)];
            for (leg, samples) in sides {
                if let Some(leg) = leg {
                    leg.fill(samples.get_mut(..length).unwrap_or_default());
                }
            }
            let pairs = left.iter().zip(&right).take(length);
            let octets: Vec<u8> = pairs
                .flat_map(|(left, right)| [*left, *right])
                .flat_map(i16::to_le_bytes)
                .collect();
            out.write_all(&octets)?;
            left_over -= length;
        }
        out.flush()
    }

    /// What the legs' files told besides samples.
    pub(super) fn heard(&self) -> impl Iterator<Item = &Heard> {
        [&self.left, &self.right].into_iter().flatten().map(LegAudio::heard)
    }
}

/// RIFF, WAVE, a format chunk of 16 octets, and the head of the samples.
fn header(sample_rate: u32, samples: u32) -> Vec<u8> {
    let octets = samples.saturating_mul(INSTANT);
    let mut header = Vec::with_capacity(44);
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&octets.saturating_add(36).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x02\0");
    header.extend_from_slice(&sample_rate.to_le_bytes());
    header.extend_from_slice(&sample_rate.saturating_mul(INSTANT).to_le_bytes());
    header.extend_from_slice(b"\x04\0\x10\0data");
    header.extend_from_slice(&octets.to_le_bytes());
    header
}
