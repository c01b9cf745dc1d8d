//! A short tone that is mixed into audio.

use crate::dtmf::ZERO_DBM0;
use std::f32::consts::TAU;
use std::time::Duration;

/// How long it takes to swell and to fade: a sine that is cut off clicks.
const RAMP: Duration = Duration::from_millis(5);

/// One tone of a length, whose samples are added to those of speech.
#[derive(Clone, Copy, Debug)]
pub struct ToneBurst {
    /// Hz.
    frequency: u16,
    amplitude: f32,
    length: Duration,
}

impl ToneBurst {
    /// `frequency` in Hz, `level` in dBm0.
    pub fn new(frequency: u16, level: i8, length: Duration) -> Self {
        let amplitude = ZERO_DBM0 * 10.0_f32.powf(f32::from(level) / 20.0);
        ToneBurst { frequency, amplitude, length }
    }

    /// How long it is.
    pub const fn length(&self) -> Duration {
        self.length
    }

    /// Adds to `samples`, of `sample_rate` a second, what sounds from `from` after its beginning on;
    /// sums that are too great are cut. Behind its end nothing is added.
    pub fn mix(&self, from: Duration, sample_rate: u32, samples: &mut [i16]) {
        let rate = u64::from(sample_rate.max(1));
        let in_samples = |time: Duration| time.as_micros() as u64 * rate / 1_000_000;
        let (first, end) = (in_samples(from), in_samples(self.length));
        let ramp = in_samples(RAMP).max(1);
        for (at, sample) in (first..end).zip(samples) {
            let swell = (at + 1).min(end - at).min(ramp) as f32 / ramp as f32;
            // Whole numbers: the phase is exact however long it sounds.
            let turns = (u64::from(self.frequency) * at % rate) as f32 / rate as f32;
            let value = self.amplitude * swell * (turns * TAU).sin();
            *sample = sample.saturating_add(value.round() as i16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_millis(200);

    /// The root of the mean square of what `frequency` has in `samples`, by Goertzel's filter.
    fn level(samples: &[i16], frequency: f32, sample_rate: u32) -> f32 {
        let omega = TAU * frequency / sample_rate as f32;
        let (mut before, mut last) = (0.0, 0.0);
        for sample in samples {
            let next = 2.0 * omega.cos() * last - before + f32::from(*sample);
            (before, last) = (last, next);
        }
        let power = last * last + before * before - 2.0 * omega.cos() * last * before;
        power.max(0.0).sqrt() * 2.0_f32.sqrt() / samples.len() as f32
    }

    #[test]
    fn it_has_its_frequency_level_and_length_at_every_rate() {
        for rate in [8_000, 16_000, 48_000] {
            let burst = ToneBurst::new(1_400, -20, LENGTH);
            let mut whole = vec![0; rate as usize / 2];
            burst.mix(Duration::ZERO, rate, &mut whole);
            let (sound, silence) = whole.split_at(rate as usize / 5);
            assert!(silence.iter().all(|sample| *sample == 0), "{rate}");
            // 0 dBm0 is a sine of 22,300: 20 dB less, as the root of the mean square.
            let found = level(&sound[rate as usize / 100..], 1_400.0, rate);
            assert!((found - 1_577.0).abs() < 80.0, "{rate}: {found}");
            assert!(level(sound, 1_000.0, rate) < 20.0, "{rate}");
            // In packets it is the same.
            let mut pieces = vec![0; whole.len()];
            for (n, piece) in pieces.chunks_mut(rate as usize / 50).enumerate() {
                burst.mix(Duration::from_millis(20 * n as u64), rate, piece);
            }
            assert_eq!(pieces, whole, "{rate}");
            assert!(sound[0].abs() < 400 && sound[sound.len() - 1].abs() < 400, "it swells");
        }
    }

    #[test]
    fn it_is_added_and_never_wraps() {
        let burst = ToneBurst::new(1_400, -6, LENGTH);
        let mut loud = vec![i16::MAX; 800];
        burst.mix(Duration::ZERO, 8_000, &mut loud);
        assert!(loud.iter().all(|sample| *sample > 20_000), "{loud:?}");
        assert!(loud.contains(&i16::MAX));
    }
}
