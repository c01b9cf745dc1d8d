//! Sums that fit 16 bits.
//!
//! The whole frame is known before any of it leaves, so that the gain has fallen before a peak comes:
//! it goes in straight lines from one block's end to the next, below what either block needs.

use crate::TICK_SAMPLES;

/// What no sample is to exceed: -1 dB of full scale.
const CEILING: f32 = 29_200.0;
const BLOCK: usize = 96;
const BLOCKS: usize = TICK_SAMPLES / BLOCK;
/// By how much the gain rises again in a block of 2 ms: 6 dB in about 0.2 s.
const RECOVERY: f32 = 1.007;

#[derive(Clone, Debug)]
pub(crate) struct Limiter {
    /// At the last frame's end.
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Limiter { gain: 1.0 }
    }
}

impl Limiter {
    /// Writes a frame.
    pub(crate) fn limit(&mut self, from: &[f32; TICK_SAMPLES], to: &mut [i16; TICK_SAMPLES]) {
        let mut needed = [1.0_f32; BLOCKS];
        for (needed, block) in needed.iter_mut().zip(from.chunks_exact(BLOCK)) {
            let peak = block.iter().fold(0.0_f32, |peak, value| peak.max(value.abs()));
            *needed = if peak > CEILING { CEILING / peak } else { 1.0 };
        }
        let mut gain = self.gain;
        let blocks = from.chunks_exact(BLOCK).zip(to.chunks_exact_mut(BLOCK));
        for (at, (from, to)) in blocks.enumerate() {
            let next = needed.get(at + 1).copied().unwrap_or(1.0);
            let end = (gain * RECOVERY).min(1.0).min(needed[at]).min(next);
            // Only a frame's first block can find a gain that is too high.
            let step = (end - gain) / BLOCK as f32;
            for (n, (from, to)) in from.iter().zip(to).enumerate() {
                let value = from * (gain + step * (n + 1) as f32);
                // A cast saturates.
                *to = value.clamp(-32_768.0, 32_767.0) as i16;
            }
            gain = end;
        }
        self.gain = gain;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_untouched() {
        let mut from = [0.0; TICK_SAMPLES];
        for (n, value) in from.iter_mut().enumerate() {
            *value = (n as f32 * 0.05).sin() * 20_000.0;
        }
        let mut to = [0; TICK_SAMPLES];
        Limiter::default().limit(&from, &mut to);
        assert!(from.iter().zip(&to).all(|(from, to)| (from - f32::from(*to)).abs() < 1.0));
    }

    #[test]
    fn too_great_a_sum_neither_wraps_nor_breaks() {
        let mut limiter = Limiter::default();
        let mut to = [0_i16; TICK_SAMPLES];
        let mut last = 0_i16;
        for frame in 0..50 {
            let mut from = [0.0; TICK_SAMPLES];
            for (n, value) in from.iter_mut().enumerate() {
                let at = (frame * TICK_SAMPLES + n) as f32;
                // A swell to four times full scale and back.
                *value = (at * 0.02).sin() * 120_000.0 * (at / 15_000.0).sin();
            }
            limiter.limit(&from, &mut to);
            for (n, (from, sample)) in from.iter().zip(to).enumerate() {
                assert!(f32::from(sample) * from >= -40_000.0, "a sign turned at {frame}:{n}");
                let step = i32::from(sample) - i32::from(last);
                assert!(step.abs() < 2_500, "a step of {step} at {frame}:{n}");
                last = sample;
            }
        }
    }
}
