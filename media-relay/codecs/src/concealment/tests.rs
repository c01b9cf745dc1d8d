use super::*;

/// A voice of 125 Hz with harmonics.
fn voice(rate: u32, from: usize, samples: usize) -> Vec<i16> {
    (from..from + samples)
        .map(|at| {
            let angle = std::f64::consts::TAU * 125.0 * at as f64 / f64::from(rate);
            let value = angle.sin() + 0.6 * (2.0 * angle).sin() + 0.3 * (5.0 * angle + 1.0).sin();
            (4_000.0 * value) as i16
        })
        .collect()
}

fn energy(samples: &[i16]) -> f64 {
    samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum::<f64>() / samples.len() as f64
}

fn heard(rate: u32) -> (Concealment, usize) {
    let mut concealment = Concealment::new(rate);
    let frame = rate as usize / 50;
    for packet in 0..10 {
        concealment.received(&mut voice(rate, packet * frame, frame));
    }
    (concealment, 10 * frame)
}

#[test]
fn a_steady_voice_goes_on_over_a_lost_packet() {
    for rate in [8_000, 16_000, 48_000] {
        let (mut concealment, end) = heard(rate);
        let lost = voice(rate, end, rate as usize / 100);
        let mut filled = vec![0; lost.len()];
        concealment.conceal(&mut filled);
        let error: Vec<i16> = lost.iter().zip(&filled).map(|(a, b)| a - b).collect();
        let ratio = 10.0 * (energy(&lost) / energy(&error)).log10();
        assert!(ratio > 25.0, "{rate}: {ratio:.1} dB in the first 10 ms");
    }
}

#[test]
fn it_fades_from_10_ms_on_and_is_silent_after_60() {
    let (mut concealment, _) = heard(8_000);
    let mut filled = [0; 800];
    concealment.conceal(&mut filled);
    let tens: Vec<f64> = filled.chunks(80).map(energy).collect();
    assert!(tens[0] > 0.9 * energy(&voice(8_000, 0, 800)));
    for pair in tens[..6].windows(2) {
        assert!(pair[1] < pair[0], "{tens:?}");
    }
    assert!(tens[6..].iter().all(|energy| *energy == 0.0), "{tens:?}");
}

#[test]
fn neither_border_makes_a_step() {
    // The steepest slope of the voice itself.
    let whole = voice(8_000, 0, 1_600);
    let steepest = whole.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap();
    for lost in [80, 160, 320] {
        let (mut concealment, end) = heard(8_000);
        let mut signal = voice(8_000, end - 160, 160);
        let mut filled = vec![0; lost];
        concealment.conceal(&mut filled);
        signal.extend(filled);
        let mut next = voice(8_000, end + lost, 160);
        concealment.received(&mut next);
        signal.extend(next);
        for (at, pair) in signal.windows(2).enumerate() {
            let step = (i32::from(pair[1]) - i32::from(pair[0])).abs();
            assert!(step <= i32::from(steepest) * 3 / 2, "{lost} lost: {step} at {at}");
        }
    }
}

#[test]
fn the_audio_after_it_is_untouched_once_blended() {
    let (mut concealment, end) = heard(8_000);
    concealment.conceal(&mut [0; 160]);
    let next = voice(8_000, end + 160, 160);
    let mut blended = next.clone();
    concealment.received(&mut blended);
    assert_ne!(blended[..40], next[..40]);
    assert_eq!(blended[80..], next[80..]);
}

#[test]
fn nothing_before_gives_silence() {
    for rate in [0, 8_000, 16_000, 48_000] {
        let mut filled = [7; 480];
        let mut concealment = Concealment::new(rate);
        concealment.conceal(&mut filled);
        assert_eq!(filled, [0; 480], "{rate}");
        concealment.received(&mut []);
        concealment.received(&mut [3; 2_000]);
    }
}
