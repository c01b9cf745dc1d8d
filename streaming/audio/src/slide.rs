//! A few samples more or fewer in a packet, so that nobody hears it.
//!
//! Between its edges a packet is read a little slower or faster than it was written, by a windowed sinc;
//! its edges stay as they are, so that it joins what stands before and behind it.

use std::f32::consts::PI;
use std::sync::LazyLock;

/// Samples that one between two others is made of.
const TAPS: usize = 16;
/// At each end of a packet that stay as they are.
const EDGE: usize = TAPS / 2;
/// Places between two samples that coefficients are kept for; between them they are interpolated.
const PHASES: usize = 32;
/// Shape of the Kaiser window.
const BETA: f32 = 6.0;

static COEFFICIENTS: LazyLock<[[f32; TAPS]; PHASES + 1]> = LazyLock::new(coefficients);

/// Writes `samples` with `by` more of them, or fewer, to the beginning of `out`; how many were written.
/// `None`, and nothing written, where the packet is too short for it or `out` is.
pub(crate) fn slide(samples: &[i16], by: i64, out: &mut [i16]) -> Option<usize> {
    let len = samples.len();
    let inner = len.checked_sub(2 * EDGE)?;
    // Speech that is a twentieth faster still sounds as it should.
    if by.unsigned_abs() > (inner / 20) as u64 {
        return None;
    }
    let made = usize::try_from(inner as i64 + by).ok()?;
    let total = made + 2 * EDGE;
    let out = out.get_mut(..total)?;
    let table = &*COEFFICIENTS;
    let step = inner as f64 / made as f64;
    let (head, rest) = out.split_at_mut_checked(EDGE)?;
    let (middle, tail) = rest.split_at_mut_checked(made)?;
    head.copy_from_slice(samples.get(..EDGE)?);
    tail.copy_from_slice(samples.get(len - EDGE..)?);
    for (at, sample) in middle.iter_mut().enumerate() {
        let place = at as f64 * step;
        let whole = place as usize;
        let between = (place - whole as f64) as f32 * PHASES as f32;
        let phase = (between as usize).min(PHASES - 1);
        let share = between - phase as f32;
        let window = samples.get(whole + 1..whole + 1 + TAPS)?;
        let (Some(here), Some(next)) = (table.get(phase), table.get(phase + 1)) else {
            return None;
        };
        let mut sum = 0.0;
        for ((sample, here), next) in window.iter().zip(here).zip(next) {
            sum += f32::from(*sample) * (here + (next - here) * share);
        }
        // A cast saturates.
        *sample = sum.round() as i16;
    }
    Some(total)
}

/// For each phase what its value takes of the seven samples before it, the one at it or just before
/// it, and the eight behind that.
fn coefficients() -> [[f32; TAPS]; PHASES + 1] {
    let mut table = [[0.0; TAPS]; PHASES + 1];
    for (phase, row) in table.iter_mut().enumerate() {
        let share = phase as f32 / PHASES as f32;
        for (tap, value) in row.iter_mut().enumerate() {
            let distance = tap as f32 - (EDGE - 1) as f32 - share;
            *value = sinc(distance) * kaiser(distance / EDGE as f32);
        }
        let sum: f32 = row.iter().sum();
        for value in row {
            *value /= sum;
        }
    }
    table
}

fn sinc(x: f32) -> f32 {
    if x.abs() < 1e-6 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// 1 in the middle, next to nothing at -1 and 1.
fn kaiser(x: f32) -> f32 {
    bessel(BETA * (1.0 - x * x).max(0.0).sqrt()) / bessel(BETA)
}

/// The modified Bessel function of the first kind and order 0.
fn bessel(x: f32) -> f32 {
    let half = x / 2.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..20_u8 {
        term *= half / f32::from(k);
        sum += term * term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tone(hertz: f64, from: f64, count: usize) -> Vec<i16> {
        let sample = |at: usize| {
            let angle = (from + at as f64) * hertz / 8_000.0 * std::f64::consts::TAU;
            (10_000.0 * angle.sin()).round() as i16
        };
        (0..count).map(sample).collect()
    }

    /// What is left of a tone when its best fit is taken away, against the tone, in dB.
    fn noise_db(samples: &[i16], wanted: impl Fn(usize) -> f64) -> f64 {
        let (mut noise, mut power) = (0.0, 0.0);
        for (at, sample) in samples.iter().enumerate() {
            let wanted = wanted(at);
            noise += (f64::from(*sample) - wanted).powi(2);
            power += wanted * wanted;
        }
        10.0 * (noise / power).log10()
    }

    #[test]
    fn nothing_more_and_nothing_fewer_changes_nothing() {
        let samples = tone(1_000.0, 0.0, 160);
        let mut out = [0; 200];
        assert_eq!(slide(&samples, 0, &mut out), Some(160));
        assert_eq!(out[..160], samples);
    }

    #[test]
    fn a_tone_is_a_little_lower_or_higher_and_stays_a_tone() {
        for (hertz, limit) in [(300.0, -50.0), (1_000.0, -50.0), (2_500.0, -45.0), (3_300.0, -25.0)]
        {
            for by in [-4_i64, -1, 1, 4] {
                let samples = tone(hertz, 0.0, 160);
                let mut out = [0; 200];
                let len = slide(&samples, by, &mut out).unwrap();
                assert_eq!(len as i64, 160 + by);
                // It begins and ends as it did.
                assert_eq!(out[..8], samples[..8]);
                assert_eq!(out[len - 8..len], samples[152..]);
                let step = 144.0 / (144 + by) as f64;
                let noise = noise_db(&out[8..len - 8], |at| {
                    let place = 8.0 + at as f64 * step;
                    10_000.0 * (place * hertz / 8_000.0 * std::f64::consts::TAU).sin()
                });
                assert!(noise < limit, "{hertz} Hz by {by}: {noise} dB");
            }
        }
    }

    #[test]
    fn what_is_too_short_or_too_much_is_left_alone() {
        let mut out = [0; 200];
        assert_eq!(slide(&[1; 15], 1, &mut out), None);
        assert_eq!(slide(&[1; 30], 1, &mut out), None);
        assert_eq!(slide(&[1; 160], 8, &mut out), None);
        assert_eq!(slide(&[1; 160], -8, &mut out), None);
        assert_eq!(slide(&[1; 160], i64::MIN, &mut out), None);
        assert_eq!(slide(&[1; 160], 1, &mut out[..160]), None);
    }

    proptest! {
        #[test]
        fn any_packet_gets_exactly_as_many_as_asked(
            samples in prop::collection::vec(any::<i16>(), 0..2_000), by in -120_i64..120,
        ) {
            let mut out = vec![0; 2_200];
            if let Some(len) = slide(&samples, by, &mut out) {
                prop_assert_eq!(len as i64, samples.len() as i64 + by);
            }
        }
    }
}
