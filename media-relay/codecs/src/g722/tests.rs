use super::*;

fn tone(hertz: f64, amplitude: f64, samples: usize) -> Vec<i16> {
    (0..samples)
        .map(|at| {
            let angle = std::f64::consts::TAU * hertz * at as f64 / f64::from(SAMPLE_RATE);
            (amplitude * angle.sin()) as i16
        })
        .collect()
}

fn there_and_back(samples: &[i16]) -> Vec<i16> {
    let mut octets = vec![0; samples.len() / 2];
    assert_eq!(G722Encoder::default().encode(samples, &mut octets), Ok(samples.len() / 2));
    let mut decoded = vec![0; samples.len()];
    assert_eq!(G722Decoder::default().decode(&octets, &mut decoded), Ok(samples.len()));
    decoded
}

/// In dB, of what comes `delay` samples later.
fn signal_to_noise(sent: &[i16], got: &[i16], delay: usize) -> f64 {
    let (mut signal, mut noise) = (0.0, 0.0);
    for (sent, got) in sent.iter().zip(&got[delay..]).skip(800) {
        let (sent, got) = (f64::from(*sent), f64::from(*got));
        signal += sent * sent;
        noise += (sent - got) * (sent - got);
    }
    10.0 * (signal / noise).log10()
}

/// Both filters together delay by 22 samples (section 1.4.4 gives 3 ms with what surrounds them).
const DELAY: usize = 22;

#[test]
fn tones_of_both_bands_come_back() {
    for (hertz, least) in [(300.0, 30.0), (1_000.0, 30.0), (3_400.0, 20.0), (6_000.0, 12.0)] {
        let sent = tone(hertz, 8_000.0, 16_000);
        let got = there_and_back(&sent);
        let ratio = signal_to_noise(&sent, &got, DELAY);
        assert!(ratio > least, "{hertz} Hz: {ratio:.1} dB");
    }
}

#[test]
fn full_scale_neither_overflows_nor_wraps() {
    let square: Vec<i16> =
        (0..8_000).map(|at| if at / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let got = there_and_back(&square);
    let settled = &got[2_000..];
    let agreeing = settled
        .iter()
        .zip(&square[2_000 - DELAY..])
        .filter(|(got, sent)| got.is_positive() == sent.is_positive())
        .count();
    assert!(agreeing > settled.len() * 9 / 10, "{agreeing} of {}", settled.len());
}

#[test]
fn silence_stays_silent() {
    let got = there_and_back(&[0; 3_200]);
    assert!(got.iter().all(|sample| sample.abs() < 16), "{:?}", got.iter().max());
}

#[test]
fn a_frame_that_does_not_fit_changes_nothing() {
    let mut encoder = G722Encoder::default();
    assert_eq!(encoder.encode(&[1, 2, 3], &mut [0; 9]), Err(EncodeError::FrameLength));
    assert_eq!(encoder.encode(&[9; 8], &mut [0; 3]), Err(EncodeError::NoRoom));
    let mut decoder = G722Decoder::default();
    assert_eq!(decoder.decode(&[7; 8], &mut [0; 15]), Err(DecodeError::NoRoom));
    let (mut used, mut fresh) = ([0; 16], [0; 16]);
    let octets = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0];
    decoder.decode(&octets, &mut used).unwrap();
    G722Decoder::default().decode(&octets, &mut fresh).unwrap();
    assert_eq!(used, fresh);
}

#[test]
fn any_octets_decode() {
    // Every octet after every state of a long walk: no arithmetic overflows in a debug build.
    let mut decoder = G722Decoder::default();
    let mut random = 1_u32;
    let mut out = [0; 2];
    for _ in 0..200_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        decoder.decode(&[(random >> 24) as u8], &mut out).unwrap();
    }
}

#[test]
fn noise_decodes_to_the_same_samples_whole_and_in_pieces() {
    let mut random = 1_u32;
    let octet = |_| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as u8
    };
    let octets: Vec<u8> = (0..100_000).map(octet).collect();
    let mut whole = vec![0; 200_000];
    G722Decoder::default().decode(&octets, &mut whole).unwrap();
    // As the blocks of section 6.2 one by one have it (FNV-1a of the samples).
    let step =
        |hash: u64, sample: &i16| (hash ^ u64::from(*sample as u16)).wrapping_mul(0x0100_0000_01b3);
    assert_eq!(whole.iter().fold(0xcbf2_9ce4_8422_2325, step), 0xfe87de7fb887f94f);
    let (mut decoder, mut pieces) = (G722Decoder::default(), Vec::new());
    let mut rest = octets.as_slice();
    for len in (0..400).cycle() {
        let (now, later) = rest.split_at(len.min(rest.len()));
        let mut out = [0; 800];
        let samples = decoder.decode(now, &mut out).unwrap();
        pieces.extend_from_slice(&out[..samples]);
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    assert!(pieces == whole);
}
