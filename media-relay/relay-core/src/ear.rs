//! Tells the silence that a holder sends from music of its own.

use codecs::{AudioDecoder, AudioFormat, Decoder};

/// The most audio that a packet may hold, in samples of 48,000 a second: 120 ms.
const LONGEST_PACKET: usize = 5_760;
/// What is quieter is silence, as the root of the mean square of samples of 16 bits: some 54 dB below
/// the loudest.
const QUIETEST: u64 = 64;

/// Listens to what one leg sends. Its memory is taken when it is made.
#[derive(Debug)]
pub(crate) struct Ear {
    format: AudioFormat,
    decoder: AudioDecoder,
}

impl Ear {
    pub(crate) fn new(format: AudioFormat) -> Option<Self> {
        // Opus is read at the lowest rate: it is only to be weighed.
        Some(Ear { format, decoder: AudioDecoder::new(format, 8_000)? })
    }

    /// Whether it understands `format`.
    pub(crate) fn reads(&self, format: Option<AudioFormat>) -> bool {
        format == Some(self.format)
    }

    /// Whether a packet of `format` holds nothing but silence; `false` when it cannot be told.
    pub(crate) fn is_silent(&mut self, format: Option<AudioFormat>, payload: &[u8]) -> bool {
        if format != Some(self.format) {
            return false;
        }
        let mut samples = [0; LONGEST_PACKET];
        let Ok(count) = self.decoder.decode(payload, &mut samples) else { return false };
        let samples = samples.get(..count).unwrap_or_default();
        let square = |sample: &i16| u64::from(sample.unsigned_abs()).pow(2);
        let sum: u64 = samples.iter().map(square).sum();
        sum <= QUIETEST * QUIETEST * samples.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_from_sound_in_every_format() {
        for format in [
            AudioFormat::Pcmu,
            AudioFormat::Pcma,
            AudioFormat::G722,
            AudioFormat::L16 { sample_rate: 16_000 },
            AudioFormat::Opus,
        ] {
            let rate = match format {
                AudioFormat::Opus => 8_000,
                format => format.sample_rate(),
            };
            let mut encoder = codecs::AudioEncoder::new(format, rate).unwrap();
            let mut ear = Ear::new(format).unwrap();
            let (mut payload, mut silent) = ([0; 2_000], Vec::new());
            for amplitude in [0, 8_000, 0] {
                for packet in 0..25 {
                    let wave =
                        |n: usize| if (n / 10).is_multiple_of(2) { amplitude } else { -amplitude };
                    let samples: Vec<i16> = (0..rate as usize / 50).map(wave).collect();
                    let len =
                        codecs::Encoder::encode(&mut encoder, &samples, &mut payload).unwrap();
                    let is_silent = ear.is_silent(Some(format), &payload[..len]);
                    // A coder needs a moment to follow.
                    if packet == 24 {
                        silent.push(is_silent);
                    }
                }
            }
            assert_eq!(silent, [true, false, true], "{format:?}");
            assert!(!ear.is_silent(None, &payload[..100]), "another format may be anything");
        }
    }
}
