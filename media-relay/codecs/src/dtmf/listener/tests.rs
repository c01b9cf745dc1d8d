use super::*;
use crate::dtmf::{ToneDetector, ToneGenerator, ToneStep};
use crate::format::LONGEST_PAYLOAD;

const FORMATS: [AudioFormat; 7] = [
    AudioFormat::Pcmu,
    AudioFormat::Pcma,
    AudioFormat::G722,
    AudioFormat::L16 { sample_rate: 8_000 },
    AudioFormat::L16 { sample_rate: 16_000 },
    AudioFormat::L16 { sample_rate: 48_000 },
    AudioFormat::Opus,
];
/// Keys that are too short for Q.24, in ms.
const TOO_SHORT: usize = 23;

/// Somebody breathes.
fn breath(samples: usize) -> Vec<i16> {
    let mut noise = 1_u32;
    let mut next = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 26) as i16 - 32
    };
    (0..samples).map(|_| next()).collect()
}

/// All 16 keys of 100 ms, each `begin` 1/160 into a packet of 20 ms, with pauses, at `rate` Hz.
fn dialled(rate: usize, begin: usize) -> Vec<i16> {
    let mut audio = breath(rate / 5 + rate / 50 * begin / 160);
    for event in 0..16 {
        let mut tone = vec![0; rate / 10];
        ToneGenerator::new(event, rate as u32).unwrap().generate(&mut tone);
        audio.extend(tone);
        audio.extend(breath(rate / 10));
    }
    audio.extend(breath(rate / 5));
    audio
}

/// The payloads of `audio`, which has the encoder's sample rate.
fn payloads(format: AudioFormat, audio: impl Fn(usize) -> Vec<i16>) -> Vec<Vec<u8>> {
    let mut encoder = AudioEncoder::new(format, 48_000).unwrap();
    let rate = encoder.sample_rate() as usize;
    let packet = rate / 1_000 * format.packet_ms(20) as usize;
    let mut buffer = [0; LONGEST_PAYLOAD];
    let encode = |samples: &[i16]| {
        let len = encoder.encode(samples, &mut buffer).unwrap();
        buffer[..len].to_vec()
    };
    audio(rate).chunks_exact(packet).map(encode).collect()
}

/// What was pressed.
fn keys(found: &[ToneStep]) -> Vec<u8> {
    let pressed = |step: &ToneStep| match step {
        ToneStep::Pressed { event, .. } => Some(*event),
        ToneStep::Released { .. } => None,
    };
    found.iter().filter_map(pressed).collect()
}

/// The keys in what is listened to, and the payloads in which they are silenced.
fn search(format: AudioFormat, payloads: &[Vec<u8>]) -> (Vec<ToneStep>, Vec<Vec<u8>>) {
    let mut listener = Listener::new(format).unwrap();
    let mut detector = ToneDetector::default();
    let (mut found, mut passed) = (Vec::new(), Vec::new());
    for payload in payloads {
        detector.take(listener.listen(payload), |step| found.push(step));
        let mut buffer = [0; LONGEST_PAYLOAD];
        buffer[..payload.len()].copy_from_slice(payload);
        let len = match detector.suspects() {
            true => listener.silence(&mut buffer, payload.len()).unwrap(),
            false => payload.len(),
        };
        passed.push(buffer[..len].to_vec());
    }
    (found, passed)
}

#[test]
fn every_key_is_found_in_every_format_and_nobody_behind_hears_it() {
    for format in FORMATS {
        for begin in [0, 90] {
            let sent = payloads(format, |rate| dialled(rate, begin));
            let (found, passed) = search(format, &sent);
            assert_eq!(keys(&found), (0..16).collect::<Vec<_>>(), "{format:?} {begin}");
            for step in &found {
                if let ToneStep::Released { millis, .. } = step {
                    assert!((90..=120).contains(millis), "{format:?}: {millis} ms");
                }
            }
            let (behind, _) = search(format, &passed);
            assert_eq!(keys(&behind), [], "{format:?} {begin}");
            assert!(loudest_run(format, &passed) < TOO_SHORT, "{format:?} {begin}");
        }
    }
}

/// For how many ms in a row somebody behind hears anything, at most.
fn loudest_run(format: AudioFormat, payloads: &[Vec<u8>]) -> usize {
    let mut listener = Listener::new(format).unwrap();
    let (mut longest, mut run) = (0, 0);
    for payload in payloads {
        for block in listener.listen(payload).chunks(8) {
            let is_loud = block.iter().any(|sample| sample.unsigned_abs() > 2_000);
            run = if is_loud { run + 1 } else { 0 };
            longest = longest.max(run);
        }
    }
    longest
}

/// A voice: a pitch that glides, its harmonics under three formants that move, in syllables.
fn speech(rate: usize, seconds: usize) -> Vec<i16> {
    let mut phase = 0.0_f64;
    let voice = |at: usize| {
        let time = at as f64 / rate as f64;
        let pitch = 125.0 + 35.0 * (time * 2.3).sin() + 12.0 * (time * 9.1).sin();
        phase = (phase + pitch / rate as f64).fract();
        let formants = [
            500.0 + 250.0 * (time * 5.0).sin(),
            1_400.0 + 500.0 * (time * 3.7).sin(),
            2_500.0 + 300.0 * (time * 2.9).cos(),
        ];
        let harmonic = |n: f64| {
            let hertz = n * pitch;
            let near = |formant: &f64| 1.0 / (1.0 + ((hertz - formant) / 90.0).powi(2));
            let strength: f64 = formants.iter().map(near).sum();
            strength * (std::f64::consts::TAU * n * phase).sin()
        };
        let sum: f64 = (1..24).map(|n| harmonic(f64::from(n))).sum();
        let syllable = (0.5 + 0.5 * (time * 26.0).sin()).powi(2);
        (sum * syllable * 5_000.0).clamp(-32_000.0, 32_000.0) as i16
    };
    (0..rate * seconds).map(voice).collect()
}

#[test]
fn a_voice_is_no_key_in_any_format() {
    for format in FORMATS {
        let sent = payloads(format, |rate| speech(rate, 8));
        let (found, passed) = search(format, &sent);
        assert_eq!(keys(&found), [], "{format:?}");
        let silenced = passed.iter().zip(&sent).filter(|(passed, sent)| passed != sent).count();
        assert!(silenced * 50 < sent.len(), "{format:?}: {silenced} of {}", sent.len());
    }
}

#[test]
fn what_cannot_be_read_is_as_if_it_had_been_lost() {
    for format in FORMATS {
        let mut listener = Listener::new(format).unwrap();
        assert!(listener.listen(&[]).is_empty());
        // 255 is a packet of Opus whose number of frames is not there.
        let heard = listener.listen(&[255]).len();
        assert_eq!(
            heard,
            usize::from(!matches!(format, AudioFormat::Opus | AudioFormat::L16 { .. }))
        );
        assert!(listener.listen(&[0; 12_000]).is_empty(), "{format:?}");
        assert_eq!(listener.silence(&mut [0; 1], 160), None, "no room");
    }
}
