//! Makes the tones of a key.

use super::{COLUMNS, EVENTS, ROWS, ZERO_DBM0};
use std::f32::consts::TAU;

/// The level of the lower tone, and of the higher one, in dBm0: within what every network of
/// ITU-T Q.24 table A-1 takes, the higher one stronger by 2 dB.
const LEVELS: [f32; 2] = [-8.0, -6.0];

/// Makes the two tones of one key, as long as it is asked to.
#[derive(Clone, Debug)]
pub struct ToneGenerator {
    /// In turns.
    phases: [f32; 2],
    /// In turns a sample.
    steps: [f32; 2],
    amplitudes: [f32; 2],
}

impl ToneGenerator {
    /// For the key of an event, 0 to 15, at `sample_rate` Hz; `None` for other events.
    pub fn new(event: u8, sample_rate: u32) -> Option<Self> {
        let (row, column) = position(event)?;
        let step = |hertz: f32| hertz / sample_rate.max(1) as f32;
        Some(ToneGenerator {
            phases: [0.0; 2],
            steps: [step(ROWS[row]), step(COLUMNS[column])],
            amplitudes: LEVELS.map(|level| ZERO_DBM0 * 10.0_f32.powf(level / 20.0)),
        })
    }

    /// Fills `out` with what follows.
    pub fn generate(&mut self, out: &mut [i16]) {
        for sample in out {
            let mut value = 0.0;
            for ((phase, step), amplitude) in
                self.phases.iter_mut().zip(self.steps).zip(self.amplitudes)
            {
                value += amplitude * (*phase * TAU).sin();
                *phase = (*phase + step).fract();
            }
            *sample = value.round() as i16;
        }
    }
}

fn position(event: u8) -> Option<(usize, usize)> {
    EVENTS
        .iter()
        .enumerate()
        .find_map(|(row, events)| Some((row, events.iter().position(|known| *known == event)?)))
}
