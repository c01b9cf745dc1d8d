use super::*;

fn noise(payload: &[u8]) -> Vec<i16> {
    let mut noise = ComfortNoise::default();
    noise.describe(payload);
    let mut out = vec![0; 16_000];
    noise.generate(&mut out);
    out
}

/// In dB below a square wave of full scale.
fn level(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
    -10.0 * (sum / samples.len() as f64 / (32_768.0 * 32_768.0)).log10()
}

#[test]
fn the_level_is_what_the_sender_said() {
    for said in [20, 40, 60] {
        let got = level(&noise(&[said]));
        assert!((got - f64::from(said)).abs() < 0.3, "{said}: {got:.2}");
    }
    assert!(noise(&[127]).iter().all(|sample| sample.abs() <= 1));
}

#[test]
fn the_level_holds_whatever_the_colour() {
    for colour in [&[200][..], &[50, 170], &[220, 40, 127, 100, 150]] {
        let payload: Vec<u8> = [40].iter().chain(colour).copied().collect();
        let got = level(&noise(&payload));
        assert!((got - 40.0).abs() < 1.0, "{colour:?}: {got:.2}");
    }
}

#[test]
fn a_coefficient_colours_the_noise() {
    // One coefficient k makes neighbours correlate by -k.
    for (octet, expected) in [(27, 0.787), (127, 0.0), (227, -0.787)] {
        let samples = noise(&[30, octet]);
        let product: f64 =
            samples.windows(2).map(|pair| f64::from(pair[0]) * f64::from(pair[1])).sum();
        let energy: f64 = samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
        let got = product / energy;
        assert!((got - expected).abs() < 0.03, "{octet}: {got:.3}");
    }
}

#[test]
fn coefficients_of_nothing_change_nothing() {
    // 127 stands for 0 (RFC 3389 section 3.2).
    assert_eq!(noise(&[40]), noise(&[40, 127, 127, 127]));
    assert_eq!(noise(&[40, 200]), noise(&[40, 200, 127, 127]));
    assert_ne!(noise(&[40, 127, 200]), noise(&[40]));
}

#[test]
fn any_payload_gives_bounded_noise() {
    let hostile: Vec<u8> = std::iter::once(0).chain([255; 40]).collect();
    assert_eq!(noise(&hostile).len(), 16_000);
    assert!(noise(&[]).iter().all(|sample| *sample == 0));
    // The reserved bit of the level is ignored.
    assert!((level(&noise(&[0x80 | 30])) - 30.0).abs() < 0.3);
}
