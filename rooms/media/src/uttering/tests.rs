//! What is kept of four seconds: vectors that say where the voice is, and how loud.

use super::*;
use codecs::Recording;
use std::f32::consts::TAU;

/// Samples of 48,000 a second: for each part how long it is in ms, its tone, and how loud in dBFS.
fn heard(parts: &[(usize, f32, f32)]) -> Vec<i16> {
    let mut samples = Vec::new();
    for (millis, hertz, level) in parts {
        let amplitude = 10_f32.powf(level / 20.0) * FULL_SCALE * 2_f32.sqrt();
        samples.extend((0..millis * 48).map(|at| {
            let phase = at as f32 * hertz * TAU / 48_000.0;
            (amplitude * phase.sin()).clamp(-32_768.0, 32_767.0) as i16
        }));
    }
    samples
}

/// Noise of one level, as a line has it: the same each time.
fn noise(samples: &mut [i16], level: f32) {
    let mut state = 1_u32;
    let amplitude = 10_f32.powf(level / 20.0) * FULL_SCALE * 3_f32.sqrt();
    for sample in samples {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let drawn = (state >> 8) as f32 / (1_u32 << 23) as f32 - 1.0;
        *sample = (f32::from(*sample) + amplitude * drawn).clamp(-32_768.0, 32_767.0) as i16;
    }
}

fn kept(samples: &[i16]) -> Option<Recording> {
    let mut uttering = Uttering::begin(MediaId(1), Duration::from_secs(4), 7);
    for frame in samples.as_chunks::<TICK_SAMPLES>().0 {
        uttering.take(frame);
    }
    let utterance = uttering.finish()?;
    Some(Recording::from_wav(utterance.octets()).unwrap())
}

fn level_of(recording: &Recording) -> f32 {
    level(recording.samples())
}

#[test]
fn silence_is_trimmed_at_both_ends_and_the_level_is_that_of_prompts() {
    for (said, noise_level) in [(-15.0, -80.0), (-30.0, -60.0), (-38.0, -70.0)] {
        let mut samples = heard(&[
            (700, 0.0, 0.0),
            (400, 700.0, said),
            (200, 0.0, 0.0),
            (300, 900.0, said),
            (1_400, 0.0, 0.0),
        ]);
        noise(&mut samples, noise_level);
        let recording = kept(&samples).unwrap();
        assert_eq!(recording.sample_rate(), 16_000);
        let millis = recording.duration().as_millis();
        // 900 ms from the first sound to the last, 60 before and 100 after, to a frame each.
        assert!((1_020..=1_100).contains(&millis), "{said}: {millis} ms");
        let power = level_of(&recording);
        // 700 of these are the voice's: 1.8 dB less than that.
        assert!((power - (-21.8)).abs() < 0.7, "{said}: {power}");
        let ends = [recording.samples()[0], *recording.samples().last().unwrap()];
        assert!(ends.iter().all(|sample| sample.abs() < 64), "{ends:?}");
    }
}

#[test]
fn whoever_speaks_all_the_time_is_kept_whole() {
    let recording = kept(&heard(&[(4_000, 700.0, -25.0)])).unwrap();
    assert_eq!(recording.duration(), Duration::from_secs(4));
    assert!((level_of(&recording) + 20.0).abs() < 0.2);
    // What comes behind the time is not taken.
    let recording = kept(&heard(&[(6_000, 700.0, -25.0)])).unwrap();
    assert_eq!(recording.duration(), Duration::from_secs(4));
}

#[test]
fn who_says_nothing_has_no_name() {
    assert!(kept(&[]).is_none());
    assert!(kept(&heard(&[(4_000, 0.0, 0.0)])).is_none());
    let mut samples = heard(&[(4_000, 0.0, 0.0)]);
    noise(&mut samples, -45.0);
    assert!(kept(&samples).is_none(), "a noisy line");
    // A click is no voice, nor is a cough.
    assert!(kept(&heard(&[(1_000, 0.0, 0.0), (40, 700.0, -10.0), (500, 0.0, 0.0)])).is_none());
    assert!(kept(&heard(&[(1_000, 0.0, 0.0), (120, 700.0, -10.0), (500, 0.0, 0.0)])).is_none());
}

#[test]
fn a_click_before_or_behind_the_name_is_trimmed_too() {
    let parts = [
        (400, 0.0, 0.0),
        (20, 2_000.0, -20.0),
        (600, 0.0, 0.0),
        (500, 700.0, -20.0),
        (600, 0.0, 0.0),
        (40, 2_000.0, -20.0),
        (400, 0.0, 0.0),
    ];
    let millis = kept(&heard(&parts)).unwrap().duration().as_millis();
    assert!((620..=700).contains(&millis), "{millis} ms");
}

#[test]
fn a_voice_above_noise_is_found_and_no_peak_is_cut_off() {
    let mut samples = heard(&[(1_000, 0.0, 0.0), (800, 700.0, -22.0), (1_500, 0.0, 0.0)]);
    noise(&mut samples, -42.0);
    let millis = kept(&samples).unwrap().duration().as_millis();
    assert!((920..=1_000).contains(&millis), "{millis} ms");
    // Short and loud in a long quiet word: the peak decides.
    let parts = [
        (600, 0.0, 0.0),
        (1_200, 700.0, -33.0),
        (60, 700.0, -6.0),
        (1_200, 700.0, -33.0),
        (600, 0.0, 0.0),
    ];
    let recording = kept(&heard(&parts)).unwrap();
    let peak =
        recording.samples().iter().map(|sample| f32::from(*sample).abs()).fold(0.0, f32::max);
    assert!((decibels(peak / FULL_SCALE) - PEAK).abs() < 0.2, "{peak}");
}

#[test]
fn its_time_is_counted_by_the_room() {
    let uttering = Uttering::begin(MediaId(1), Duration::from_secs(4), 7);
    assert!(!uttering.is_over(206) && uttering.is_over(207));
    let uttering = Uttering::begin(MediaId(1), Duration::from_secs(60), 0);
    assert!(uttering.is_over(200), "four seconds is the most");
}
