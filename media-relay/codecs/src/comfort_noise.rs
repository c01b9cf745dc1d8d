//! Comfort noise (RFC 3389): what a sender that falls silent says of the noise around it.

use crate::pcm::to_sample;

/// Reflection coefficients that are used; more are ignored, as RFC 3389 section 3 lets a receiver.
pub(crate) const MAX_ORDER: usize = 10;
/// The quietest level, in -dBov.
const QUIETEST: u8 = 127;
/// Seeds the noise. Any but 0; the noise need not be unpredictable.
const SEED: u32 = 0x2545_f491;

/// Makes noise of the level and colour that a sender described.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    /// Root mean square of what excites the filter.
    excitation: f32,
    /// Reflection coefficients of the all-pole filter, between -1 and 1.
    reflection: [f32; MAX_ORDER],
    /// Of these up to the last that is not 0: those behind it change nothing.
    order: usize,
    /// The lattice's backward errors.
    backward: [f32; MAX_ORDER],
    random: u32,
}

impl Default for ComfortNoise {
    /// Silence.
    fn default() -> Self {
        ComfortNoise {
            excitation: 0.0,
            reflection: [0.0; MAX_ORDER],
            order: 0,
            backward: [0.0; MAX_ORDER],
            random: SEED,
        }
    }
}

impl ComfortNoise {
    /// Takes a comfort noise payload (RFC 3389 section 3): the level in -dBov, then any number of
    /// quantised reflection coefficients. An empty payload changes nothing.
    pub fn describe(&mut self, payload: &[u8]) {
        let [level, coefficients @ ..] = payload else { return };
        // 0 dBov is the power of a square wave of full scale.
        let level = f32::from((level & 0x7f).min(QUIETEST));
        let power = 32_768.0 * 10.0_f32.powf(-level / 20.0);
        self.reflection = [0.0; MAX_ORDER];
        let mut gain = 1.0;
        for (reflection, octet) in self.reflection.iter_mut().zip(coefficients) {
            // Section 3.2: 127 is 0, and 255 is not used.
            *reflection = 258.0 * (f32::from(*octet).min(254.0) - 127.0) / 32_768.0;
            gain *= 1.0 - *reflection * *reflection;
        }
        self.order = self.reflection.iter().rposition(|one| *one != 0.0).map_or(0, |at| at + 1);
        // The filter raises the power by the inverse of this product.
        self.excitation = power * gain.max(0.0).sqrt();
    }

    /// A reflection coefficient, between -1 and 1, as a payload says it (RFC 3389 section 3.2).
    pub(crate) fn quantised(reflection: f32) -> u8 {
        ((reflection * 32_768.0 / 258.0).round() + 127.0).clamp(0.0, 254.0) as u8
    }

    /// Fills `out` with noise.
    pub fn generate(&mut self, out: &mut [i16]) {
        for sample in out {
            // Uniform between ±√3 has a root mean square of 1.
            let white = (self.draw() as f32 / 2_147_483_648.0 - 1.0) * 1.732_050_8;
            *sample = to_sample(self.filter(white * self.excitation));
        }
    }

    /// An all-pole lattice filter: stable, because no coefficient reaches 1.
    fn filter(&mut self, excitation: f32) -> f32 {
        let mut forward = excitation;
        for at in (0..self.order).rev() {
            forward -= self.reflection[at] * self.backward[at];
            let backward = self.backward[at] + self.reflection[at] * forward;
            if let Some(next) = self.backward.get_mut(at + 1) {
                *next = backward;
            }
        }
        self.backward[0] = forward;
        forward
    }

    /// Marsaglia's xorshift.
    fn draw(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random
    }
}

#[cfg(test)]
mod tests;
