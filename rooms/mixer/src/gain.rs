//! One loudness for all voices, and less of what is none.

use crate::level::{Heard, factor};

/// The loudness that voices are brought to, in dBov.
const TARGET: f32 = -26.0;
/// Bounds of the gain, in dB.
const LEAST: f32 = -24.0;
const MOST: f32 = 15.0;
/// How far above its noise a frame is that tells of a voice's loudness, in dB: noise alone never
/// raises the gain.
const CLEAR: f32 = 12.0;
/// Loudness follows a louder frame by this share of the difference, and a quieter one by that: a
/// voice is as loud as its loud parts.
const ATTACK: f32 = 0.2;
const RELEASE: f32 = 0.01;
/// How far the gain rises and falls in 20 ms, in dB.
const RISE: f32 = 0.06;
const FALL: f32 = 1.0;
/// What is no voice is turned down by this, in dB, so much of it in 20 ms.
const GATE: f32 = -18.0;
const CLOSING: f32 = 2.0;

/// The gain of one participant.
#[derive(Clone, Debug)]
pub(crate) struct Gain {
    /// How loud the voice is, in dBov.
    loudness: f32,
    /// In dB.
    gain: f32,
    gate: f32,
}

impl Default for Gain {
    fn default() -> Self {
        Gain { loudness: TARGET, gain: 0.0, gate: GATE }
    }
}

impl Gain {
    /// Takes what a frame was heard to be; the factor at its end.
    pub(crate) fn follow(&mut self, heard: &Heard) -> f32 {
        let is_clear = heard.is_loud && heard.level > heard.floor + CLEAR;
        let is_too_loud = heard.level > TARGET;
        if is_clear || is_too_loud {
            let share = if heard.level > self.loudness { ATTACK } else { RELEASE };
            self.loudness += share * (heard.level - self.loudness);
            let wanted = (TARGET - self.loudness).clamp(LEAST, MOST);
            self.gain = wanted.clamp(self.gain - FALL, self.gain + RISE);
        }
        self.gate = if heard.is_voice { 0.0 } else { (self.gate - CLOSING).max(GATE) };
        factor(self.gain + self.gate)
    }

    /// In dB, without what turns noise down.
    pub(crate) const fn decibels(&self) -> f32 {
        self.gain
    }
}

/// Multiplies `from` into `to` with a factor that goes from one value to another: in 2 ms when it
/// rises, so that a word's beginning is there, and over the whole frame when it falls.
pub(crate) fn apply(from: &[i16], to: &mut [f32], before: f32, after: f32) {
    let ramp = if after > before { from.len() / 10 } else { from.len() }.max(1);
    let step = (after - before) / ramp as f32;
    let (ramped, flat) = to.split_at_mut(ramp.min(to.len()));
    for (at, (value, sample)) in ramped.iter_mut().zip(from).enumerate() {
        *value = f32::from(*sample) * (before + step * (at + 1) as f32);
    }
    for (value, sample) in flat.iter_mut().zip(from.get(ramp..).unwrap_or_default()) {
        *value = f32::from(*sample) * after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(level: f32, floor: f32, is_loud: bool) -> Heard {
        Heard { level, is_loud, is_voice: is_loud, floor }
    }

    #[test]
    fn voices_come_to_one_loudness() {
        for level in [-6.0, -14.0, -26.0, -38.0] {
            let mut gain = Gain::default();
            for n in 0..1_500 {
                // Syllables and pauses.
                let is_loud = n % 10 < 6;
                gain.follow(&heard(if is_loud { level } else { -65.0 }, -65.0, is_loud));
            }
            let after = level + gain.decibels();
            assert!((after - TARGET).abs() < 1.5, "{level} became {after}");
        }
    }

    #[test]
    fn a_loud_talker_is_brought_down_within_a_second() {
        let mut gain = Gain::default();
        for _ in 0..50 {
            gain.follow(&heard(-6.0, -60.0, true));
        }
        assert!(-6.0 + gain.decibels() < -24.0, "{}", gain.decibels());
    }

    #[test]
    fn noise_raises_nothing() {
        let mut gain = Gain::default();
        for _ in 0..5_000 {
            gain.follow(&heard(-45.0, -47.0, false));
        }
        assert!(gain.decibels() <= 0.0);
        assert!(gain.follow(&heard(-45.0, -47.0, false)) < 0.13, "and is turned down");
    }

    #[test]
    fn a_factor_changes_without_a_step() {
        let mut out = [0.0; 960];
        for (before, after) in [(0.0, 1.0), (1.0, 0.0), (0.5, 0.5)] {
            apply(&[10_000; 960], &mut out, before, after);
            let first = (out[0] - before * 10_000.0).abs();
            let steps = out.windows(2).map(|pair| (pair[1] - pair[0]).abs());
            assert!(first.max(steps.fold(0.0, f32::max)) < 110.0, "{before} to {after}");
            assert!((out[959] - after * 10_000.0).abs() < 20.0);
        }
    }
}
