//! One of the formats that a participant may send, and what reads it.

use codecs::opus::{has_redundancy, packet_samples};
use codecs::{AudioDecoder, AudioFormat, DecodeError, Decoder, Resampler};

/// The longest packet, in ms.
const LONGEST_MS: usize = 120;

pub(super) struct Source {
    pub(super) payload_type: u8,
    pub(super) format: AudioFormat,
    decoder: AudioDecoder,
    /// To the rate that is worked at, where that is another.
    resampler: Option<Resampler>,
    decoded: Box<[i16]>,
}

impl Source {
    /// `rate` is what is worked at, in Hz.
    pub(super) fn new(payload_type: u8, format: AudioFormat, rate: u32) -> Option<Self> {
        let decoder = AudioDecoder::new(format, format.sample_rate())?;
        let from = decoder.sample_rate();
        let resampler = if from == rate { None } else { Some(Resampler::new(from, rate)?) };
        let decoded = vec![0; LONGEST_MS * (from / 1_000) as usize].into();
        Some(Source { payload_type, format, decoder, resampler, decoded })
    }

    /// The audio in a payload, in 1/48,000 s; `None` when it can be none of the format.
    pub(super) fn duration(&self, payload: &[u8]) -> Option<i64> {
        let samples = match self.format {
            AudioFormat::Pcmu | AudioFormat::Pcma | AudioFormat::G722 => payload.len() * 6,
            AudioFormat::L16 { sample_rate } => {
                let samples = payload.len() / 2 * (48_000 / sample_rate.max(1)) as usize;
                Some(samples).filter(|_| payload.len().is_multiple_of(2))?
            }
            AudioFormat::Opus => packet_samples(payload, 48_000)?,
        };
        let is_audio = samples > 0 && samples <= LONGEST_MS * 48;
        i64::try_from(samples).ok().filter(|_| is_audio)
    }

    /// Decodes a packet to the beginning of `out`, at the rate that is worked at; the samples.
    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, DecodeError> {
        match &mut self.resampler {
            None => self.decoder.decode(payload, out),
            Some(resampler) => {
                let count = self.decoder.decode(payload, &mut self.decoded)?;
                let decoded = self.decoded.get(..count).ok_or(DecodeError::NoRoom)?;
                Ok(resampler.resample(decoded, out))
            }
        }
    }

    /// Fills `out` with what is lost before `next`, if the format knows; whether any of it was
    /// recovered from `next` and not made up.
    pub(super) fn conceal(&mut self, next: Option<&[u8]>, out: &mut [i16]) -> Option<bool> {
        let ratio = self.resampler.as_ref().map_or(1, |resampler| resampler.output_of(1).max(1));
        let samples = match &self.resampler {
            None => out.len(),
            Some(_) => out.len() / ratio,
        };
        let decoded = self.decoded.get_mut(..samples)?;
        let is_filled = next.is_some_and(|next| self.decoder.recover(next, decoded));
        if !is_filled && !self.decoder.conceal(decoded) {
            return None;
        }
        let is_recovered = is_filled && next.is_some_and(has_redundancy);
        match &mut self.resampler {
            None => out.copy_from_slice(decoded),
            Some(resampler) => {
                resampler.resample(decoded, out);
            }
        }
        Some(is_recovered)
    }
}
