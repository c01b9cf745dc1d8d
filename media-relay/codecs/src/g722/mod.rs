//! ITU-T G.722 at 64 kbit/s: wideband audio in two sub-bands, each adaptive differential PCM.
//!
//! Block names in the comments are those of the Recommendation's section 6. 16-bit samples stand for
//! its 14-bit ones, shifted left by two. An octet holds two bits of the higher band, then six of the
//! lower. RTP counts it with a clock of 8,000 Hz (RFC 3551 section 4.5.2).

mod band;
mod filter_bank;
mod tables;

use crate::error::{DecodeError, EncodeError};
use band::Band;
use filter_bank::{Analysis, JOINED, Synthesis};
use tables::{DECISION_LEVELS, HIGHER, LOWER_4_BITS, LOWER_6_BITS, NEGATIVE_CODES, POSITIVE_CODES};

/// Samples of audio in a second.
pub const SAMPLE_RATE: u32 = 16_000;
/// The higher band's only decision level (section 6.2.1.4, `Q2`).
const HIGHER_DECISION: i32 = 564;

/// Turns samples into octets. Fixed in size.
#[derive(Clone, Debug)]
pub struct G722Encoder {
    filter: Analysis,
    lower: Band,
    higher: Band,
}

impl Default for G722Encoder {
    fn default() -> Self {
        G722Encoder { filter: Analysis::default(), lower: Band::lower(), higher: Band::higher() }
    }
}

impl G722Encoder {
    /// One whose octets follow, for a decoder that stands where `decoder` does, what that has decoded.
    pub fn behind(decoder: &G722Decoder) -> Self {
        let (lower, higher) = (decoder.lower.clone(), decoder.higher.clone());
        G722Encoder { filter: Analysis::default(), lower, higher }
    }

    /// Writes an octet for every two samples of 16,000 a second; the octets written.
    ///
    /// # Errors
    /// [`EncodeError::FrameLength`] for an odd number of samples, [`EncodeError::NoRoom`] when `out`
    /// is too short. Nothing is encoded then.
    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, EncodeError> {
        if !samples.len().is_multiple_of(2) {
            return Err(EncodeError::FrameLength);
        }
        let octets = samples.len() / 2;
        let out = out.get_mut(..octets).ok_or(EncodeError::NoRoom)?;
        for (octet, pair) in out.iter_mut().zip(samples.chunks_exact(2)) {
            let [first, second] = pair else { continue };
            *octet = self.encode_pair(*first, *second);
        }
        Ok(octets)
    }

    fn encode_pair(&mut self, first: i16, second: i16) -> u8 {
        let (low, high) = self.filter.split(first, second);
        let low_code = self.lower_code(low);
        let high_code = self.higher_code(high);
        (high_code << 6) | low_code
    }

    fn lower_code(&mut self, low: i32) -> u8 {
        // SUBTRA and QUANTL.
        let difference = saturate(low - self.lower.prediction());
        let magnitude = if difference < 0 { !difference } else { difference };
        let step = self.lower.step();
        let level = DECISION_LEVELS
            .iter()
            .position(|&level| magnitude < (level * step) >> 12)
            .unwrap_or(DECISION_LEVELS.len());
        let codes = if difference < 0 { &NEGATIVE_CODES } else { &POSITIVE_CODES };
        let code = codes.get(level).copied().unwrap_or_default();
        // Only four of the six bits drive the predictor, so that the others can be stolen (INVQAL).
        self.lower.advance_lower(code >> 2);
        code
    }

    fn higher_code(&mut self, high: i32) -> u8 {
        // SUBTRA and QUANTH.
        let difference = saturate(high - self.higher.prediction());
        let is_negative = difference < 0;
        let magnitude = if is_negative { !difference } else { difference };
        let is_large = magnitude >= (HIGHER_DECISION * self.higher.step()) >> 12;
        let code = match (is_negative, is_large) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        self.higher.advance_higher(code);
        code
    }
}

/// Turns octets into samples. Fixed in size.
#[derive(Clone, Debug)]
pub struct G722Decoder {
    filter: Synthesis,
    lower: Band,
    higher: Band,
}

impl Default for G722Decoder {
    fn default() -> Self {
        G722Decoder { filter: Synthesis::default(), lower: Band::lower(), higher: Band::higher() }
    }
}

impl G722Decoder {
    /// Writes two samples for each octet; the samples written.
    ///
    /// # Errors
    /// [`DecodeError::NoRoom`] when `out` is too short. Nothing is decoded then.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, DecodeError> {
        let samples = payload.len() * 2;
        let out = out.get_mut(..samples).ok_or(DecodeError::NoRoom)?;
        for (octets, out) in payload.chunks(JOINED).zip(out.chunks_mut(2 * JOINED)) {
            for (at, octet) in octets.iter().enumerate() {
                let (low, high) = self.decode_octet(*octet);
                self.filter.put(at, low, high);
            }
            self.filter.join(out);
        }
        Ok(samples)
    }

    /// A sample of each sub-band.
    fn decode_octet(&mut self, octet: u8) -> (i32, i32) {
        let (low_code, high_code) = (octet & 0x3f, octet >> 6);
        // INVQBL, RECONS and LIMIT.
        let step = self.lower.step();
        let value = LOWER_6_BITS[usize::from(low_code) % LOWER_6_BITS.len()];
        let low = limit(self.lower.prediction() + ((step * value) >> 15));
        self.lower.advance_lower(low_code >> 2);
        let difference = (self.higher.step() * HIGHER[usize::from(high_code) % HIGHER.len()]) >> 15;
        let high = limit(self.higher.prediction() + difference);
        self.higher.advance_higher(high_code);
        (low, high)
    }
}

/// Into 16 bits.
fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

/// Into the 15 bits of a sub-band's output (LIMIT).
fn limit(value: i32) -> i32 {
    value.clamp(-16_384, 16_383)
}

impl Band {
    fn advance_lower(&mut self, four_bits: u8) {
        let at = usize::from(four_bits) % LOWER_4_BITS.len();
        let difference = (self.step() * LOWER_4_BITS[at]) >> 15;
        self.adapt(tables::LOWER_LOG_STEPS[at]);
        self.predict(difference);
    }

    fn advance_higher(&mut self, two_bits: u8) {
        let at = usize::from(two_bits) % HIGHER.len();
        let difference = (self.step() * HIGHER[at]) >> 15;
        self.adapt(tables::HIGHER_LOG_STEPS[at]);
        self.predict(difference);
    }
}

#[cfg(test)]
mod tests;
