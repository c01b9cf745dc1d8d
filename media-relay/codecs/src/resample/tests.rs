use super::*;

const PAIRS: [(u32, u32); 6] = [
    (8_000, 16_000),
    (16_000, 8_000),
    (8_000, 48_000),
    (48_000, 8_000),
    (16_000, 48_000),
    (48_000, 16_000),
];

fn tone(hertz: f64, rate: u32) -> Vec<i16> {
    (0..rate)
        .map(|at| {
            let angle = std::f64::consts::TAU * hertz * f64::from(at) / f64::from(rate);
            (10_000.0 * angle.sin()) as i16
        })
        .collect()
}

/// In frames of 20 ms, as packets come.
fn resampled(from: u32, to: u32, samples: &[i16]) -> Vec<i16> {
    let mut resampler = Resampler::new(from, to).unwrap();
    let mut out = Vec::new();
    let mut frame = [0; 960];
    for samples in samples.chunks(from as usize / 50) {
        let written = resampler.resample(samples, &mut frame);
        assert_eq!(written, resampler.output_of(samples.len()));
        out.extend_from_slice(&frame[..written]);
    }
    out
}

fn power(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
    sum / samples.len() as f64
}

/// The share in dB of a tone's power that is not the tone: least squares on its sine and cosine.
fn distortion(samples: &[i16], hertz: f64, rate: u32) -> f64 {
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let angle = std::f64::consts::TAU * hertz * at as f64 / f64::from(rate);
        sine += f64::from(*sample) * angle.sin();
        cosine += f64::from(*sample) * angle.cos();
    }
    let count = samples.len() as f64;
    let in_tone = 2.0 * (sine * sine + cosine * cosine) / (count * count);
    10.0 * ((power(samples) - in_tone).max(1e-9) / power(samples)).log10()
}

#[test]
fn a_tone_within_the_band_keeps_its_level_and_stays_clean() {
    for (from, to) in PAIRS {
        for share in [0.05, 0.25, 0.44] {
            let hertz = (share * f64::from(from.min(to))).round();
            let got = resampled(from, to, &tone(hertz, from));
            assert_eq!(got.len(), to as usize);
            let settled = &got[to as usize / 2..];
            let level = 10.0 * (power(settled) / 50e6).log10();
            assert!(level.abs() < 0.1, "{from} to {to}, {hertz} Hz: {level:.2} dB");
            let noise = distortion(settled, hertz, to);
            assert!(noise < -60.0, "{from} to {to}, {hertz} Hz: {noise:.1} dB");
        }
    }
}

#[test]
fn what_the_lower_rate_cannot_carry_is_taken_away() {
    for (from, to) in PAIRS.into_iter().filter(|(from, to)| from > to) {
        for share in [0.56, 0.8] {
            let hertz = (share * f64::from(to)).round();
            let got = resampled(from, to, &tone(hertz, from));
            let level = 10.0 * (power(&got[to as usize / 2..]).max(1e-9) / 50e6).log10();
            assert!(level < -65.0, "{from} to {to}, {hertz} Hz: {level:.1} dB");
        }
    }
}

#[test]
fn packet_borders_are_not_heard() {
    for (from, to) in PAIRS {
        let sent = tone(440.0, from);
        let mut whole = vec![0; to as usize];
        Resampler::new(from, to).unwrap().resample(&sent, &mut whole);
        assert_eq!(resampled(from, to, &sent), whole);
    }
}

#[test]
fn full_scale_saturates() {
    let square: Vec<i16> =
        (0..800).map(|at| if at / 8 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let got = resampled(8_000, 16_000, &square);
    assert!(got.contains(&i16::MAX) && got.contains(&i16::MIN));
}

#[test]
fn only_whole_ratios() {
    for (from, to) in [(8_000, 44_100), (0, 8_000), (8_000, 0), (8_000, 56_000), (0, 0)] {
        assert!(Resampler::new(from, to).is_none(), "{from} to {to}");
    }
    let mut same = Resampler::new(16_000, 16_000).unwrap();
    let mut out = [0; 4];
    assert_eq!(same.resample(&[1, -2, 3], &mut out), 3);
    assert_eq!(out, [1, -2, 3, 0]);
}

#[test]
fn a_short_output_ends_it() {
    assert_eq!(Resampler::new(8_000, 16_000).unwrap().resample(&[5; 9], &mut [0; 7]), 6);
    assert_eq!(Resampler::new(16_000, 8_000).unwrap().resample(&[5; 9], &mut [0; 2]), 2);
}

#[test]
fn pieces_of_any_length_are_one_whole() {
    for (from, to) in PAIRS {
        let sent = tone(1_000.0, from);
        let mut whole = vec![0; to as usize];
        Resampler::new(from, to).unwrap().resample(&sent, &mut whole);
        let (mut resampler, mut pieces) = (Resampler::new(from, to).unwrap(), Vec::new());
        let mut rest = sent.as_slice();
        for len in (0..75).cycle() {
            let (now, later) = rest.split_at(len.min(rest.len()));
            let mut out = [0; 480];
            let written = resampler.resample(now, &mut out);
            pieces.extend_from_slice(&out[..written]);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        assert!(pieces == whole, "{from} to {to}");
    }
}
