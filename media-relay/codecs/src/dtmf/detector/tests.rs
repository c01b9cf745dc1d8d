use super::*;
use crate::dtmf::ToneGenerator;
use rtp_proto::codecs::g711;
use std::f64::consts::TAU as TURN;

const PER_MS: usize = 8;

/// Both tones with their shares of frequency, and levels in dBm0.
fn tones(event: u8, shares: [f64; 2], levels: [f64; 2], samples: usize) -> Vec<i16> {
    let place = EVENTS.iter().enumerate().find_map(|(row, events)| {
        events.iter().position(|known| *known == event).map(|column| (row, column))
    });
    let (row, column) = place.unwrap();
    let hertz = [f64::from(ROWS[row]) * shares[0], f64::from(COLUMNS[column]) * shares[1]];
    (0..samples)
        .map(|at| {
            let value: f64 = hertz
                .iter()
                .zip(levels)
                .map(|(hertz, level)| {
                    let amplitude = f64::from(ZERO_DBM0) * 10_f64.powf(level / 20.0);
                    amplitude * (TURN * hertz * at as f64 / 8_000.0).sin()
                })
                .sum();
            value as i16
        })
        .collect()
}

fn plain(event: u8, ms: usize) -> Vec<i16> {
    tones(event, [1.0; 2], [-10.0; 2], ms * PER_MS)
}

/// White noise whose root mean square is `level` dBm0 of a sine.
fn noise(level: f64, samples: usize, seed: u32) -> Vec<i16> {
    let mut random = seed;
    let rms = f64::from(ZERO_DBM0) / 2_f64.sqrt() * 10_f64.powf(level / 20.0);
    (0..samples)
        .map(|_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((f64::from(random >> 8) / 8_388_608.0 - 1.0) * 3_f64.sqrt() * rms) as i16
        })
        .collect()
}

/// The signal over µ-law, from `offset` samples of silence on, in packets of 20 ms.
fn detect_at(offset: usize, signal: &[i16]) -> Vec<ToneStep> {
    let mut all = vec![0; offset];
    all.extend_from_slice(signal);
    all.extend([0; 800]);
    let coded: Vec<i16> =
        all.iter().map(|s| g711::decode_mu_law(g711::encode_mu_law(*s))).collect();
    let mut detector = ToneDetector::default();
    let mut steps = Vec::new();
    for packet in coded.chunks(160) {
        detector.take(packet, |step| steps.push(step));
    }
    steps
}

fn keys(steps: &[ToneStep]) -> Vec<u8> {
    let key = |step: &ToneStep| match step {
        ToneStep::Pressed { event, .. } => Some(*event),
        ToneStep::Released { .. } => None,
    };
    steps.iter().filter_map(key).collect()
}

/// At each alignment of the tone to the windows.
fn at_every_offset(signal: &[i16]) -> Vec<Vec<u8>> {
    (0..HOP).step_by(5).map(|offset| keys(&detect_at(offset, signal))).collect()
}

#[test]
fn every_key_is_found_with_its_duration_and_level() {
    for event in 0..16 {
        for offset in (0..HOP).step_by(9) {
            let steps = detect_at(offset, &plain(event, 100));
            let [
                ToneStep::Pressed { event: pressed, volume },
                ToneStep::Released { event: released, millis },
            ] = steps[..]
            else {
                panic!("{event}: {steps:?}")
            };
            assert_eq!((pressed, released), (event, event));
            assert!((90..=120).contains(&millis), "{event}: {millis} ms");
            // Two tones of -10 dBm0 are -7.
            assert!((6..=8).contains(&volume), "{event}: -{volume} dBm0");
        }
    }
}

#[test]
fn q24_durations() {
    for event in 0..16 {
        for got in at_every_offset(&plain(event, 40)) {
            assert_eq!(got, [event], "40 ms are a key");
        }
        for got in at_every_offset(&plain(event, 23)) {
            assert_eq!(got, [], "23 ms are none");
        }
    }
}

#[test]
fn q24_pauses_and_interruptions() {
    for (pause, expected) in [(40, 2), (10, 1)] {
        let gap = vec![0; pause * PER_MS];
        let signal = [plain(8, 60), gap, plain(8, 60)].concat();
        for got in at_every_offset(&signal) {
            assert_eq!(got.len(), expected, "{pause} ms between");
        }
    }
    let signal = [plain(1, 50), vec![0; 40 * PER_MS], plain(2, 50)].concat();
    for got in at_every_offset(&signal) {
        assert_eq!(got, [1, 2]);
    }
}

#[test]
fn q24_frequencies() {
    for event in 0..16 {
        for shares in [[1.015, 1.015], [0.985, 0.985], [1.015, 0.985], [0.985, 1.015]] {
            let got = keys(&detect_at(33, &tones(event, shares, [-10.0; 2], 480)));
            assert_eq!(got, [event], "{shares:?} is within 1.5 %");
        }
        for shares in [[1.035, 1.0], [0.965, 1.0], [1.0, 1.035], [1.0, 0.965], [1.05, 1.05]] {
            let got = keys(&detect_at(33, &tones(event, shares, [-10.0; 2], 4_000)));
            assert_eq!(got, [], "{event} {shares:?} is beyond 3.5 %");
        }
    }
}

#[test]
fn q24_levels_and_twist() {
    let levels = |low: f64, high: f64| {
        let found = |event| keys(&detect_at(17, &tones(event, [1.0; 2], [low, high], 480)));
        (0..16).filter(|event| found(*event) == [*event]).count()
    };
    for (low, high) in
        [(-4.0, -4.0), (-25.0, -25.0), (-29.0, -29.0), (-14.0, -10.0), (-10.0, -18.0)]
    {
        assert_eq!(levels(low, high), 16, "{low} and {high} dBm0");
    }
    for (low, high) in [(-40.0, -40.0), (-20.0, -10.0), (-10.0, -22.0), (-10.0, -90.0)] {
        assert_eq!(levels(low, high), 0, "{low} and {high} dBm0");
    }
}

#[test]
fn keys_are_found_over_noise() {
    for event in 0..16 {
        for seed in 1..20 {
            let mut signal = plain(event, 60);
            // 15 dB under one tone.
            let noise = noise(-25.0, signal.len(), seed);
            signal.iter_mut().zip(noise).for_each(|(sample, noise)| *sample += noise);
            assert_eq!(keys(&detect_at(seed as usize, &signal)), [event]);
        }
    }
}

#[test]
fn noise_dial_tones_and_single_tones_are_no_keys() {
    for seed in 1..6 {
        assert_eq!(keys(&detect_at(0, &noise(-10.0, 80_000, seed))), []);
    }
    for (low, high) in [(350.0, 440.0), (440.0, 480.0), (425.0, 425.0), (1_400.0, 2_060.0)] {
        let tone = |at: usize| {
            let time = at as f64 / 8_000.0;
            (5_000.0 * ((TURN * low * time).sin() + (TURN * high * time).sin())) as i16
        };
        let signal: Vec<i16> = (0..16_000).map(tone).collect();
        assert_eq!(keys(&detect_at(0, &signal)), [], "{low} and {high} Hz");
    }
    for hertz in ROWS.iter().chain(&COLUMNS) {
        let tone =
            |at: usize| (9_000.0 * (TURN * f64::from(*hertz) * at as f64 / 8_000.0).sin()) as i16;
        let signal: Vec<i16> = (0..8_000).map(tone).collect();
        assert_eq!(keys(&detect_at(0, &signal)), [], "{hertz} Hz alone");
    }
}

#[test]
fn minutes_of_voices_have_no_keys_in_them() {
    // Harmonics of gliding pitches under moving formants, in syllables; not one may sound like two
    // tones of its own for 40 ms.
    let mut random = 99_u32;
    let mut draw = |from: f64, to: f64| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        from + (to - from) * f64::from(random >> 8) / 16_777_216.0
    };
    let mut detector = ToneDetector::default();
    let (mut found, mut suspected) = (Vec::new(), 0);
    for _ in 0..1_200 {
        let (pitch, glide) = (draw(80.0, 400.0), draw(-60.0, 60.0));
        let formants = [draw(300.0, 900.0), draw(900.0, 2_300.0), draw(2_300.0, 3_300.0)];
        let widths = [draw(40.0, 200.0), draw(60.0, 200.0), draw(80.0, 250.0)];
        let mut angle = 0.0;
        let syllable: Vec<i16> = (0..1_600)
            .map(|at| {
                let time = f64::from(at) / 8_000.0;
                let hertz = pitch + glide * time * 5.0;
                angle += TURN * hertz / 8_000.0;
                let value: f64 = (1..=(3_600.0 / hertz) as u32)
                    .map(|harmonic| {
                        let at = hertz * f64::from(harmonic);
                        let gain: f64 = formants
                            .iter()
                            .zip(widths)
                            .map(|(formant, width)| 1.0 / (1.0 + ((at - formant) / width).powi(2)))
                            .sum();
                        gain * (angle * f64::from(harmonic)).sin()
                    })
                    .sum();
                (4_000.0 * (TURN * 2.5 * time).sin() * value) as i16
            })
            .collect();
        for packet in syllable.chunks(160) {
            detector.take(packet, |step| found.push(step));
            suspected += u32::from(detector.suspects());
        }
    }
    assert_eq!(found, []);
    // Of 12,000 packets.
    assert!(suspected < 60, "{suspected}");
}

#[test]
fn what_the_generator_makes_is_found_at_every_rate() {
    for (rate, ratio) in [(8_000, 1), (16_000, 2), (48_000, 6)] {
        for event in 0..16 {
            let mut samples = vec![0; 60 * PER_MS * ratio];
            ToneGenerator::new(event, rate).unwrap().generate(&mut samples);
            let lowered: Vec<i16> = samples.iter().step_by(ratio).copied().collect();
            assert_eq!(keys(&detect_at(0, &lowered)), [event], "{rate} Hz");
        }
    }
    assert!(ToneGenerator::new(16, 8_000).is_none());
}

#[test]
fn any_split_of_the_audio_gives_the_same() {
    let signal = [plain(3, 80), vec![0; 480], plain(4, 80), vec![0; 480]].concat();
    let found = |len: usize| {
        let mut detector = ToneDetector::default();
        let mut steps = Vec::new();
        signal.chunks(len).for_each(|part| detector.take(part, |step| steps.push(step)));
        steps
    };
    assert_eq!(keys(&found(160)), [3, 4]);
    for len in [1, 7, 80, 333, 5_000] {
        assert_eq!(found(len), found(160), "{len}");
    }
}
