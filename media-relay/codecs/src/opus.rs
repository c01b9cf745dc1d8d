//! Opus by the crate `opus-rs`, one channel (docs/decisions/0043).

use crate::error::{DecodeError, EncodeError};
use crate::pcm::to_sample;
use opus_rs::{Application, OpusDecoder, OpusEncoder};
use std::fmt;
use std::ops::RangeInclusive;

/// The longest packet is of 120 ms (RFC 6716 section 3.2.5).
const LONGEST_PACKET: usize = 5_760;
/// Octets of a packet with one frame of the longest (RFC 6716 section 3.2.1). More, in several frames,
/// would be over 250 kbit/s, which no speech has; the library miscounts in a longer frame.
const MOST_OCTETS: usize = 1_276;
/// Bits a second: the sweet spots of RFC 7587 section 3.1.1 for narrowband, wideband and fullband
/// speech.
const BITRATES: [(u32, i32); 3] = [(8_000, 12_000), (16_000, 20_000), (48_000, 40_000)];

/// Decodes Opus to one channel.
pub struct OpusReader {
    decoder: OpusDecoder,
    sample_rate: u32,
    /// What the library writes.
    scratch: [f32; LONGEST_PACKET],
    /// Samples of the last packet, for what is lost after it.
    last: usize,
}

impl fmt::Debug for OpusReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusReader").field("sample_rate", &self.sample_rate).finish_non_exhaustive()
    }
}

impl OpusReader {
    /// For samples of 8,000, 16,000 or 48,000 a second; `None` for other rates.
    pub fn new(sample_rate: u32) -> Option<Self> {
        bitrate(sample_rate)?;
        let decoder = OpusDecoder::new(i32::try_from(sample_rate).ok()?, 1).ok()?;
        let last = (sample_rate / 50) as usize;
        Some(OpusReader { decoder, sample_rate, scratch: [0.0; LONGEST_PACKET], last })
    }

    /// Samples in a second.
    pub const fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Decodes a packet; the samples written.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(&mut self, packet: &[u8], out: &mut [i16]) -> Result<usize, DecodeError> {
        if packet.len() > MOST_OCTETS {
            return Err(DecodeError::Malformed);
        }
        let samples = packet_samples(packet, self.sample_rate).ok_or(DecodeError::Malformed)?;
        let out = out.get_mut(..samples).ok_or(DecodeError::NoRoom)?;
        let scratch = self.scratch.get_mut(..samples).ok_or(DecodeError::Malformed)?;
        match self.decoder.decode(packet, samples, scratch) {
            Ok(decoded) if decoded == samples => {}
            _ => return Err(DecodeError::Malformed),
        }
        convert(scratch, out);
        self.last = samples;
        Ok(samples)
    }

    /// Writes what most likely stood in a lost packet; `false` when the decoder cannot tell.
    pub fn conceal(&mut self, out: &mut [i16]) -> bool {
        for out in out.chunks_mut(self.last) {
            let whole = self.last;
            let Some(scratch) = self.scratch.get_mut(..whole) else { return false };
            if self.decoder.decode(&[], whole, scratch).is_err() {
                return false;
            }
            convert(scratch, out);
        }
        true
    }

    /// Writes what stood in the lost packets before `next`, with what `next` says of them in its
    /// in-band error correction (RFC 6716 section 2.1.7); what it does not say is concealed. `next` is
    /// to be decoded behind it, and [`has_redundancy`] tells whether it says anything. Of `out`, at most
    /// 120 ms, only a multiple of 2.5 ms can be filled; `false` when nothing was.
    pub fn recover(&mut self, next: &[u8], out: &mut [i16]) -> bool {
        if next.len() > MOST_OCTETS || packet_samples(next, self.sample_rate).is_none() {
            return self.conceal(out);
        }
        let Some(scratch) = self.scratch.get_mut(..out.len()) else { return false };
        match self.decoder.decode_fec(next, out.len(), scratch) {
            Ok(recovered) if recovered == out.len() => convert(scratch, out),
            _ => return false,
        }
        true
    }
}

/// Whether a packet also says what stood in the one before it (RFC 6716 sections 4.2.3 and 4.2.4: behind
/// a voice activity flag for each SILK frame). Of packets whose frames have lengths of their own
/// (section 3.2.5) it is not known, and `false`.
pub fn has_redundancy(packet: &[u8]) -> bool {
    let Some(&first) = packet.first() else { return false };
    let configuration = first >> 3;
    // SILK frames of 20 ms in a frame; CELT has none.
    let voice_flags = match configuration {
        0..=11 => [1, 1, 2, 3][usize::from(configuration & 3)],
        12..=15 => 1,
        _ => return false,
    };
    let at = match first & 3 {
        0 | 1 => 1,
        // Section 3.2.1: a length of one octet, or of two from 252 on.
        2 if packet.get(1).is_some_and(|length| *length < 252) => 2,
        2 => 3,
        _ => return false,
    };
    packet.get(at).is_some_and(|octet| octet & (0x80 >> voice_flags) != 0)
}

/// The audio in a packet by its first octets (RFC 6716 section 3.1), in samples of `sample_rate`;
/// `None` when there are none or it is over 120 ms.
pub fn packet_samples(packet: &[u8], sample_rate: u32) -> Option<usize> {
    let first = *packet.first()?;
    let configuration = first >> 3;
    // In 1/400 s, the shortest frame.
    let frame: u32 = match configuration {
        // SILK, 10 to 60 ms.
        0..=11 => [4, 8, 16, 24][usize::from(configuration & 3)],
        // Hybrid, 10 and 20 ms.
        12..=15 => [4, 8][usize::from(configuration & 1)],
        // CELT, 2.5 to 20 ms.
        _ => 1 << (configuration & 3),
    };
    let frames = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(*packet.get(1)? & 0x3f),
    };
    let duration = frame * frames;
    if duration == 0 || duration > 48 {
        return None;
    }
    usize::try_from(duration * (sample_rate / 400)).ok()
}

fn convert(from: &[f32], to: &mut [i16]) {
    for (sample, value) in to.iter_mut().zip(from) {
        *sample = to_sample(value * 32_768.0);
    }
}

fn bitrate(sample_rate: u32) -> Option<i32> {
    BITRATES.iter().find(|(rate, _)| *rate == sample_rate).map(|(_, bitrate)| *bitrate)
}

/// Encodes one channel to Opus.
pub struct OpusWriter {
    encoder: OpusEncoder,
    sample_rate: u32,
}

impl fmt::Debug for OpusWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusWriter").field("sample_rate", &self.sample_rate).finish_non_exhaustive()
    }
}

impl OpusWriter {
    /// Bits a second that can be asked for: from the least of the format (RFC 6716 section 2.1.1) to
    /// the most that one channel gains by (RFC 7587 section 3.1.1).
    const CHOICE: RangeInclusive<u32> = 6_000..=128_000;

    /// For samples of 8,000, 16,000 or 48,000 a second; `None` for other rates.
    pub fn new(sample_rate: u32) -> Option<Self> {
        let bitrate = bitrate(sample_rate)?;
        let rate = i32::try_from(sample_rate).ok()?;
        let mut encoder = OpusEncoder::new(rate, 1, Application::Voip).ok()?;
        encoder.bitrate_bps = bitrate;
        Some(OpusWriter { encoder, sample_rate })
    }

    /// Writes so many bits a second from now on, at least 6,000 and at most 128,000.
    pub fn set_bitrate(&mut self, bits: u32) {
        let (least, most) = (*Self::CHOICE.start(), *Self::CHOICE.end());
        self.encoder.bitrate_bps = i32::try_from(bits.clamp(least, most)).unwrap_or(i32::MAX);
    }

    /// How much of what is sent is lost on its way, in percent: from 1 on each packet also says, in
    /// fewer bits, what stood in the one before it (RFC 6716 section 2.1.7), as far as the bit rate has
    /// room for that. 0 sends nothing twice.
    pub fn set_packet_loss(&mut self, percent: u8) {
        self.encoder.use_inband_fec = percent > 0;
        self.encoder.packet_loss_perc = i32::from(percent.min(100));
    }

    /// How much work the encoder does for its bits, 0 to 10 (RFC 6716 section 2.1.5).
    pub fn set_complexity(&mut self, complexity: u8) {
        self.encoder.complexity = i32::from(complexity.min(10));
    }

    /// Samples in a second.
    pub const fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Encodes 10, 20, 40 or 60 ms into one packet; the octets written.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, EncodeError> {
        let ten_ms = (self.sample_rate / 100) as usize;
        if ![1, 2, 4, 6].iter().any(|count| samples.len() == count * ten_ms) {
            return Err(EncodeError::FrameLength);
        }
        self.encoder.encode_i16(samples, samples.len(), out).map_err(|_| EncodeError::NoRoom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(from: usize) -> Vec<i16> {
        // In syllables: what is steady is no speech, and not told twice.
        let syllable = |n: usize| (n as f32 * 0.001).sin().abs() * 6_000.0;
        let at = |n: usize| ((n as f32 * 0.12).sin() + (n as f32 * 0.31).sin()) * syllable(n);
        (from..from + 320).map(|n| at(n) as i16).collect()
    }

    /// Packets of 20 ms.
    fn packets(loss: u8) -> Vec<Vec<u8>> {
        let mut writer = OpusWriter::new(16_000).unwrap();
        writer.set_bitrate(24_000);
        writer.set_packet_loss(loss);
        let mut out = [0; 1_500];
        let mut encode = |n: usize| {
            let len = writer.encode(&tone(n * 320), &mut out).unwrap();
            out[..len].to_vec()
        };
        (0..50).map(&mut encode).collect()
    }

    #[test]
    fn what_was_lost_is_recovered_from_the_packet_behind_it() {
        let product = |a: &[i16], b: &[i16]| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let alike = [0, 20].map(|loss| {
            let packets = packets(loss);
            assert_eq!(packets.iter().any(|packet| has_redundancy(packet)), loss > 0);
            let mut whole = OpusReader::new(16_000).unwrap();
            let mut lossy = OpusReader::new(16_000).unwrap();
            let (mut wanted, mut got) = ([0; 320], [0; 320]);
            let mut alike = 0;
            for (n, packet) in packets.iter().enumerate() {
                whole.decode(packet, &mut wanted).unwrap();
                match packets.get(n + 1) {
                    Some(next) if n % 7 == 6 => {
                        assert!(lossy.recover(next, &mut got));
                        let powers = product(&wanted, &wanted) * product(&got, &got);
                        let likeness = product(&wanted, &got) / powers.sqrt();
                        alike += u32::from(likeness > 0.75);
                    }
                    _ => assert_eq!(lossy.decode(packet, &mut got), Ok(320)),
                }
            }
            alike
        });
        // Of seven; five of them are told twice.
        assert!(alike[0] == 0 && alike[1] >= 3, "{alike:?}");
    }

    #[test]
    fn no_packet_breaks_the_recovery() {
        let mut reader = OpusReader::new(48_000).unwrap();
        let mut out = [0; 5_760];
        for first in 0..=255_u8 {
            for packet in [&[first][..], &[first, 0xff], &[first, 0x83, 7, 7, 7], &[first; 1_400]] {
                for samples in [0, 120, 960, 961, 5_760] {
                    reader.recover(packet, &mut out[..samples]);
                }
                has_redundancy(packet);
            }
        }
        assert!(!has_redundancy(&[]));
    }
}
