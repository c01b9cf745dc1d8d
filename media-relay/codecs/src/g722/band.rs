//! One sub-band: the step of its quantiser and its predictor of two poles and six zeros.

use super::saturate;
use super::tables::INVERSE_LOG;

/// Places of a vector of 16-bit numbers; the predictor's zeros take six of them.
const LANES: usize = 8;
/// The zeros that count have all bits set; those that fill the vector stay 0.
const COUNTS: [i16; LANES] = [-1, -1, -1, -1, -1, -1, 0, 0];

/// A sub-band's state, the same in encoder and decoder.
#[derive(Clone, Debug)]
pub(super) struct Band {
    /// `NBL`, `NBH`: the logarithm of the step.
    log_step: i32,
    /// `DETL`, `DETH`.
    step: i32,
    /// The highest logarithm, and how far the inverse logarithm is shifted.
    log_limit: i32,
    log_shift: i32,
    /// `S`: the signal's estimate, and `SZ`, the zeros' part in it.
    estimate: i32,
    zero_part: i32,
    /// `R`: the last two reconstructed signals, and `A`, the poles.
    reconstructed: [i32; 2],
    poles: [i32; 2],
    /// `P`: the last two partly reconstructed signals.
    partial: [i32; 2],
    /// `D`: the last differences, the newest first and each doubled into 16 bits, and `B`, the zeros.
    doubled: [i16; LANES],
    zeros: [i16; LANES],
}

impl Band {
    pub(super) fn lower() -> Self {
        Band::new(32, 18_432, 8)
    }

    pub(super) fn higher() -> Self {
        Band::new(8, 22_528, 10)
    }

    fn new(step: i32, log_limit: i32, log_shift: i32) -> Self {
        Band {
            log_step: 0,
            step,
            log_limit,
            log_shift,
            estimate: 0,
            zero_part: 0,
            reconstructed: [0; 2],
            poles: [0; 2],
            partial: [0; 2],
            doubled: [0; LANES],
            zeros: [0; LANES],
        }
    }

    pub(super) fn prediction(&self) -> i32 {
        self.estimate
    }

    pub(super) fn step(&self) -> i32 {
        self.step
    }

    /// LOGSCL and SCALEL, LOGSCH and SCALEH: the step for the next sample.
    pub(super) fn adapt(&mut self, log_change: i32) {
        let leaked = (self.log_step * 127) >> 7;
        self.log_step = (leaked + log_change).clamp(0, self.log_limit);
        let fraction = ((self.log_step >> 6) & 31) as usize;
        let value = INVERSE_LOG[fraction % INVERSE_LOG.len()];
        let shift = self.log_shift - (self.log_step >> 11);
        let scaled = if shift < 0 { value << -shift } else { value >> shift };
        self.step = scaled << 2;
    }

    /// Takes the quantised difference and predicts the next sample.
    pub(super) fn predict(&mut self, difference: i32) {
        // RECONS and PARREC.
        let reconstructed = saturate(self.estimate + difference);
        let partial = saturate(self.zero_part + difference);
        self.update_poles(partial);
        // It is of 16 bits: the greatest step times the greatest quantised value, by 2^15.
        let doubled = saturate(difference + difference) as i16;
        self.update_zeros(doubled);
        let [d0, d1, d2, d3, d4, d5, d6, _] = self.doubled;
        self.doubled = [doubled, d0, d1, d2, d3, d4, d5, d6];
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];
        // FILTEP, FILTEZ and PREDIC.
        let pole_part: i32 = self.poles.iter().zip(&self.reconstructed).map(weighted).sum();
        self.zero_part = saturate(self.filter_zeros());
        self.estimate = saturate(saturate(pole_part) + self.zero_part);
    }

    /// UPPOL2 and UPPOL1.
    fn update_poles(&mut self, partial: i32) {
        let agrees = |before: i32| (partial < 0) == (before < 0);
        let [first, second] = self.poles;
        let four_times = saturate(first << 2);
        let pull = if agrees(self.partial[0]) { saturate(-four_times) } else { four_times };
        let push = if agrees(self.partial[1]) { 128 } else { -128 };
        let second = (push + (pull >> 7) + ((second * 32_512) >> 15)).clamp(-12_288, 12_288);
        let push = if agrees(self.partial[0]) { 192 } else { -192 };
        let bound = 15_360 - second;
        let first = saturate(push + ((first * 32_640) >> 15)).clamp(-bound, bound);
        self.poles = [first, second];
    }

    /// UPZERO, on all zeros at once: without a branch, and in 16 bits as the Recommendation has it, so
    /// that the compiler uses vectors.
    fn update_zeros(&mut self, doubled: i16) {
        let weight = if doubled == 0 { 0 } else { 128 };
        for ((zero, before), counts) in self.zeros.iter_mut().zip(&self.doubled).zip(&COUNTS) {
            // All bits set where the signs differ, which turns the weight's sign.
            let differs = (doubled ^ *before) >> 15;
            let push = (weight ^ differs) - differs;
            // Times 32640 by 2^15, which is less a 256th of it.
            let leaked = *zero + ((i32::from(*zero) * -256) >> 16) as i16;
            *zero = leaked.saturating_add(push) & counts;
        }
    }

    fn filter_zeros(&self) -> i32 {
        let product =
            |(zero, doubled): (&i16, &i16)| (i32::from(*zero) * i32::from(*doubled)) >> 15;
        self.zeros.iter().zip(&self.doubled).map(product).sum()
    }
}

fn weighted((coefficient, value): (&i32, &i32)) -> i32 {
    (coefficient * saturate(value + value)) >> 15
}
