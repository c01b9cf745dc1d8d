//! Reads payloads of any format as the audio that a [`super::ToneDetector`] searches, and puts silence
//! in the place of what must not be heard.

use crate::format::{AudioDecoder, AudioEncoder, AudioFormat, Decoder, Encoder};
use crate::g722::{G722Decoder, G722Encoder};
use crate::opus;
use crate::resample::Resampler;

/// What a detector searches, in samples a second.
const SAMPLE_RATE: u32 = 8_000;
/// Opus is read at this rate: its decoder folds what is above 4,000 Hz into what it writes at 8,000.
const OPUS_RATE: u32 = 16_000;
/// The most audio that a payload may hold, in samples of 48,000 a second: 120 ms.
const LONGEST: usize = 5_760;

/// Hears one direction of audio in one format. Its memory is taken when it is made.
#[derive(Debug)]
pub struct Listener {
    format: AudioFormat,
    decoder: AudioDecoder,
    resampler: Resampler,
    decoded: Box<[i16]>,
    heard: Box<[i16]>,
    silence: Silence,
}

/// Writes silence that a decoder far away takes for it, whatever it decoded before.
#[derive(Debug)]
enum Silence {
    /// Each sample stands alone: this octet throughout.
    Octet(u8),
    /// A decoder of G.722 remembers: silence begins where it stands. `before` is our own before the
    /// last payload, which is where the far one stands while all passes.
    G722 { before: Box<G722Decoder>, after: Box<G722Encoder>, is_silenced: bool, goes_on: bool },
    /// Each frame of silence says so anew.
    Opus(Box<AudioEncoder>),
}

impl Listener {
    /// For payloads of `format`; the only allocation is here.
    pub fn new(format: AudioFormat) -> Option<Self> {
        let decoder = AudioDecoder::new(format, OPUS_RATE)?;
        let resampler = Resampler::new(decoder.sample_rate(), SAMPLE_RATE)?;
        let silence = match format {
            AudioFormat::Pcmu => Silence::Octet(0xff),
            AudioFormat::Pcma => Silence::Octet(0xd5),
            AudioFormat::L16 { .. } => Silence::Octet(0),
            AudioFormat::G722 => Silence::G722 {
                before: Box::default(),
                after: Box::default(),
                is_silenced: false,
                goes_on: false,
            },
            AudioFormat::Opus => Silence::Opus(Box::new(AudioEncoder::new(format, OPUS_RATE)?)),
        };
        let heard = vec![0; resampler.output_of(LONGEST)].into();
        let decoded = vec![0; LONGEST].into();
        Some(Listener { format, decoder, resampler, decoded, heard, silence })
    }

    /// What it reads.
    pub const fn format(&self) -> AudioFormat {
        self.format
    }

    /// The audio of the payload that follows, 8,000 samples a second; nothing of one that cannot be
    /// read, as if it had been lost.
    pub fn listen(&mut self, payload: &[u8]) -> &[i16] {
        if let (Silence::G722 { before, is_silenced, goes_on, .. }, AudioDecoder::G722(decoder)) =
            (&mut self.silence, &self.decoder)
        {
            (**before).clone_from(decoder);
            *goes_on = std::mem::take(is_silenced);
        }
        let count = self.decoder.decode(payload, &mut self.decoded).unwrap_or_default();
        let decoded = self.decoded.get(..count).unwrap_or_default();
        let count = self.resampler.resample(decoded, &mut self.heard);
        self.heard.get(..count).unwrap_or_default()
    }

    /// Puts silence in the place of the payload that was listened to last, the first `octets` of
    /// `buffer`; the octets of the silence, which may be more. `None` when there is no room.
    pub fn silence(&mut self, buffer: &mut [u8], octets: usize) -> Option<usize> {
        match &mut self.silence {
            Silence::Octet(octet) => {
                buffer.get_mut(..octets)?.fill(*octet);
                Some(octets)
            }
            Silence::G722 { before, after, is_silenced, goes_on } => {
                if !*goes_on {
                    **after = G722Encoder::behind(before);
                }
                (*is_silenced, *goes_on) = (true, true);
                for octet in buffer.get_mut(..octets)? {
                    after.encode(&[0; 2], std::slice::from_mut(octet)).ok()?;
                }
                Some(octets)
            }
            Silence::Opus(encoder) => {
                let payload = buffer.get(..octets)?;
                let millis = opus::packet_samples(payload, 48_000)? / 48;
                // A frame of 5 ms gets 10 of silence, which the next one cuts short.
                let millis = self.format.packet_ms(u32::try_from(millis).ok()?);
                let samples = (OPUS_RATE / 1_000 * millis) as usize;
                encoder.encode([0; LONGEST].get(..samples)?, buffer).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests;
