//! Ringback tones: what a caller hears while the far end rings.

use crate::dtmf::ZERO_DBM0;
use model::Ringback;
use std::f32::consts::TAU;

/// The level of each frequency, in dBm0: within what E.180 and the North American plan ask for.
const LEVEL: f32 = -16.0;

/// Makes the samples of a ringback tone, beginning with the tone.
#[derive(Clone, Debug)]
pub(crate) struct ToneSequence {
    frequencies: &'static [f32],
    /// Samples with tone, and of the whole period.
    on: usize,
    period: usize,
}

impl ToneSequence {
    pub(crate) const SAMPLE_RATE: u32 = 8_000;

    pub(crate) const fn new(ringback: Ringback) -> Self {
        const SECOND: usize = ToneSequence::SAMPLE_RATE as usize;
        match ringback {
            Ringback::Europe => {
                ToneSequence { frequencies: &[425.0], on: SECOND, period: 5 * SECOND }
            }
            Ringback::NorthAmerica => {
                ToneSequence { frequencies: &[440.0, 480.0], on: 2 * SECOND, period: 6 * SECOND }
            }
        }
    }

    /// Samples until it begins again.
    pub(crate) const fn period(&self) -> usize {
        self.period
    }

    pub(crate) fn generate(&mut self, out: &mut [i16]) {
        let amplitude = ZERO_DBM0 * 10.0_f32.powf(LEVEL / 20.0);
        for (at, sample) in out.iter_mut().enumerate() {
            let at = at % self.period;
            if at >= self.on {
                *sample = 0;
                continue;
            }
            // Whole periods of each frequency fit into a second: the phase is exact.
            let phase = |hertz: f32| {
                let cycles = hertz * (at % ToneSequence::SAMPLE_RATE as usize) as f32;
                TAU * (cycles / ToneSequence::SAMPLE_RATE as f32).fract()
            };
            let sum: f32 = self.frequencies.iter().map(|hertz| phase(*hertz).sin()).sum();
            *sample = (amplitude * sum).round() as i16;
        }
    }
}
