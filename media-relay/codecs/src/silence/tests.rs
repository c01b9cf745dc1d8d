use super::*;
use std::f64::consts::TAU;

const RATES: [u32; 3] = [8_000, 16_000, 48_000];

/// White noise of a level in -dBov.
fn noise(level: u8, samples: usize) -> Vec<i16> {
    let mut noise = ComfortNoise::default();
    noise.describe(&[level]);
    let mut out = vec![0; samples];
    noise.generate(&mut out);
    out
}

fn tone(hertz: &[f64], amplitude: f64, rate: u32, samples: usize) -> Vec<i16> {
    let sample = |at: usize| {
        let phase = |hertz: &f64| (TAU * hertz * at as f64 / f64::from(rate)).sin();
        (amplitude * hertz.iter().map(phase).sum::<f64>()) as i16
    };
    (0..samples).map(sample).collect()
}

/// What packets of 20 ms are.
fn judged(detector: &mut SilenceDetector, samples: &[i16]) -> Vec<Heard> {
    samples.chunks(2 * detector.block).map(|packet| detector.judge(packet)).collect()
}

fn speech_in(heard: &[Heard]) -> usize {
    heard.iter().filter(|heard| **heard == Heard::Speech).count()
}

#[test]
fn nothing_at_all_is_silence_behind_the_hangover_and_told_again() {
    for rate in RATES {
        let mut detector = SilenceDetector::new(rate);
        let heard = judged(&mut detector, &vec![0; rate as usize * 2]);
        assert_eq!(speech_in(&heard), 15, "300 ms");
        assert_eq!(heard[15], Heard::NewNoise);
        let told: Vec<usize> = heard
            .iter()
            .enumerate()
            .filter(|(_, h)| **h == Heard::NewNoise)
            .map(|(at, _)| at)
            .collect();
        assert_eq!(told, [15, 35, 55, 75, 95], "every 400 ms");
        let mut out = [0; LONGEST];
        assert_eq!(detector.describe(true, &mut out), Some(LONGEST));
        assert_eq!(out, [120, 127, 127, 127, 127, 127, 127]);
        assert_eq!(detector.describe(false, &mut out), Some(1));
        assert_eq!(detector.describe(true, &mut out[..3]), None);
    }
}

#[test]
fn steady_noise_is_silence_once_it_is_known() {
    for rate in RATES {
        for level in [45, 55, 70] {
            let mut detector = SilenceDetector::new(rate);
            let heard = judged(&mut detector, &noise(level, rate as usize * 10));
            let known = if level < 66 { 100 } else { 0 };
            assert_eq!(speech_in(&heard[..known]), known, "two seconds to know it");
            let speech = speech_in(&heard[known + 15..]);
            assert!(speech < 12, "{rate} {level}: {speech} of 385 packets");
            let mut out = [0; LONGEST];
            detector.describe(true, &mut out).unwrap();
            assert!(out[0].abs_diff(level) <= 1, "{level}: {}", out[0]);
        }
    }
}

#[test]
fn every_packet_in_which_something_begins_is_sent_and_300_ms_behind_its_end() {
    // A word of 200 ms that begins anywhere in a packet, 10 dB and more above the noise.
    for (level, amplitude) in [(70, 60.0), (60, 150.0), (50, 500.0), (50, 3_000.0)] {
        for offset in [0, 37, 80, 119, 150] {
            let mut detector = SilenceDetector::new(8_000);
            judged(&mut detector, &noise(level, 24_000));
            let mut samples = noise(level, 8_000);
            let word = tone(&[310.0, 830.0, 2_150.0], amplitude, 8_000, 1_600);
            for (sample, spoken) in samples[3_200 + offset..].iter_mut().zip(&word) {
                *sample = sample.saturating_add(*spoken);
            }
            let heard = judged(&mut detector, &samples);
            // Packet 20 may hold a few samples of it only.
            let first = if offset > 140 { 21 } else { 20 };
            assert_eq!(speech_in(&heard[..19]), 0, "{level} {offset}");
            assert_eq!(speech_in(&heard[first..30]), 30 - first, "{level} {offset}: cut");
            assert_eq!(speech_in(&heard[30..44]), 14, "{level} {offset}: 300 ms");
            let behind = heard[44..].iter().find(|heard| **heard != Heard::Speech);
            assert_eq!(behind, Some(&Heard::NewNoise), "told at once");
        }
    }
}

#[test]
fn hissing_sounds_stand_out_of_rumbling_noise() {
    // Rumble at -42 dBov, and a hiss that raises its level by less than 5 dB.
    let rumble = |samples: usize| -> Vec<i16> {
        let mut state = 0.0_f32;
        let white = noise(35, samples);
        white
            .iter()
            .map(|s| {
                state += 0.3 * (f32::from(*s) - state);
                state as i16
            })
            .collect()
    };
    let mut detector = SilenceDetector::new(8_000);
    let mut samples = rumble(40_000);
    let hiss = noise(43, 800);
    let mut last = 0;
    for (sample, hissing) in samples[32_000..].iter_mut().zip(&hiss) {
        *sample = sample.saturating_add(hissing - last);
        last = *hissing;
    }
    let heard = judged(&mut detector, &samples);
    assert!(speech_in(&heard[130..200]) < 30, "{}", speech_in(&heard[130..200]));
    assert_eq!(speech_in(&heard[200..205]), 5, "the hiss");
}

#[test]
fn tones_and_what_is_loud_are_never_noise() {
    for rate in RATES {
        for (hertz, amplitude) in [
            (&[425.0][..], 100.0),
            (&[425.0], 2_000.0),
            (&[350.0, 440.0], 60.0),
            (&[440.0, 480.0], 400.0),
            (&[1_100.0], 50.0),
            (&[2_100.0], 300.0),
        ] {
            let mut detector = SilenceDetector::new(rate);
            let samples = tone(hertz, amplitude, rate, rate as usize * 8);
            let heard = judged(&mut detector, &samples);
            assert_eq!(speech_in(&heard), heard.len(), "{rate} {hertz:?} {amplitude}");
        }
        let mut detector = SilenceDetector::new(rate);
        let heard = judged(&mut detector, &noise(30, rate as usize * 8));
        assert_eq!(speech_in(&heard), heard.len(), "loud noise at {rate}");
    }
}

#[test]
fn noise_that_changes_is_described_again() {
    let mut detector = SilenceDetector::new(8_000);
    judged(&mut detector, &noise(50, 24_000));
    let heard = judged(&mut detector, &noise(62, 1_600));
    let told = heard.iter().filter(|heard| **heard == Heard::NewNoise).count();
    assert!((2..8).contains(&told), "{heard:?}");
}

#[test]
fn the_colour_that_is_told_is_that_of_the_noise() {
    for colour in [&[40][..], &[210], &[60, 180], &[30, 150, 100]] {
        let mut source = ComfortNoise::default();
        let payload: Vec<u8> = [48].iter().chain(colour).copied().collect();
        source.describe(&payload);
        let mut samples = vec![0; 80_000];
        source.generate(&mut samples);
        let mut detector = SilenceDetector::new(8_000);
        judged(&mut detector, &samples);
        let mut out = [0; LONGEST];
        detector.describe(true, &mut out).unwrap();
        for (at, told) in out[1..].iter().enumerate() {
            let meant = colour.get(at).copied().unwrap_or(127);
            assert!(told.abs_diff(meant) < 30, "{colour:?}: {out:?}");
        }
        assert!(out[0].abs_diff(48) <= 1, "{out:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_audio_is_judged(samples in proptest::collection::vec(proptest::prelude::any::<i16>(), 0..2_000)) {
        for rate in RATES {
            let mut detector = SilenceDetector::new(rate);
            detector.judge(&samples);
            let mut out = [0; LONGEST];
            proptest::prop_assert_eq!(detector.describe(true, &mut out), Some(LONGEST));
            proptest::prop_assert!(out[0] < 128);
        }
    }
}
