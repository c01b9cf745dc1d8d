//! A recording in one format, packet by packet, ready to be sent as often as somebody is to hear it.

use crate::format::{AudioEncoder, AudioFormat, Encoder, LONGEST_PAYLOAD};
use crate::recording::Recording;
use crate::resample::Resampler;
use std::time::Duration;

/// The payloads of a recording. Read only: all calls share one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clip {
    format: AudioFormat,
    packet_ms: u32,
    /// Of the recording.
    sample_rate: u32,
    octets: Box<[u8]>,
    /// Where each payload ends.
    ends: Box<[u32]>,
}

impl Clip {
    /// Encodes `recording` in packets of `packet_ms`, which [`AudioFormat::packet_ms`] gives. The last
    /// packet ends in silence. `None` when the format has no packets of that duration, or the
    /// recording no samples.
    pub fn encode(recording: &Recording, format: AudioFormat, packet_ms: u32) -> Option<Self> {
        if format.packet_ms(packet_ms) != packet_ms {
            return None;
        }
        let from = recording.sample_rate();
        let to = match format {
            // It takes what the recording has.
            AudioFormat::Opus => from,
            format => format.sample_rate(),
        };
        let mut encoder = AudioEncoder::new(format, to)?;
        let mut resampler = Resampler::new(from, to)?;
        let frame = (from / 1_000 * packet_ms) as usize;
        let mut samples = vec![0; frame];
        let mut resampled = vec![0; resampler.output_of(frame)];
        let mut payload = [0; LONGEST_PAYLOAD];
        let (mut octets, mut ends) = (Vec::new(), Vec::new());
        for piece in recording.samples().chunks(frame) {
            samples.fill(0);
            samples.get_mut(..piece.len())?.copy_from_slice(piece);
            let count = resampler.resample(&samples, &mut resampled);
            let len = encoder.encode(resampled.get(..count)?, &mut payload).ok()?;
            octets.extend_from_slice(payload.get(..len)?);
            ends.push(u32::try_from(octets.len()).ok()?);
        }
        if ends.is_empty() {
            return None;
        }
        let (octets, ends) = (octets.into(), ends.into());
        Some(Clip { format, packet_ms, sample_rate: from, octets, ends })
    }

    /// Its format.
    pub const fn format(&self) -> AudioFormat {
        self.format
    }

    /// Samples in a second of the recording.
    pub const fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// The packet that has a sample of the recording; `None` behind the last.
    pub fn packet_of(&self, sample: u32) -> Option<usize> {
        let packet = sample / (self.sample_rate / 1_000 * self.packet_ms).max(1);
        usize::try_from(packet).ok().filter(|packet| *packet < self.packets())
    }

    /// Packets in it, at least one.
    pub fn packets(&self) -> usize {
        self.ends.len()
    }

    /// The payload of a packet; nothing beyond the last.
    #[inline]
    pub fn payload(&self, packet: usize) -> &[u8] {
        let end = self.ends.get(packet).map_or(0, |end| *end as usize);
        let before = packet.checked_sub(1).and_then(|before| self.ends.get(before));
        let begin = before.map_or(0, |begin| *begin as usize);
        self.octets.get(begin..end).unwrap_or_default()
    }

    /// The audio in each packet.
    pub const fn packet_duration(&self) -> Duration {
        Duration::from_millis(self.packet_ms as u64)
    }

    /// Ticks of the RTP timestamp in each packet.
    pub const fn packet_ticks(&self) -> u32 {
        self.format.clock_rate() / 1_000 * self.packet_ms
    }

    /// How long all of it lasts.
    pub fn duration(&self) -> Duration {
        self.packet_duration() * self.ends.len() as u32
    }

    /// Octets of memory that it takes.
    pub fn memory(&self) -> usize {
        self.octets.len() + self.ends.len() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests;
