//! Files that can be played, and those that cannot.

use super::*;
use proptest::prelude::*;

/// A WAV file of these octets of audio.
fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
    file.extend(tag.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend([0; 6]);
    file.extend(bits.to_le_bytes());
    // Other chunks may stand between; this one has an odd length.
    file.extend(b"LIST\x03\0\0\0abc\0data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

#[test]
fn linear_files_are_read_sample_by_sample() {
    let data: Vec<u8> =
        [1_i16, -2, i16::MIN, i16::MAX].iter().flat_map(|s| s.to_le_bytes()).collect();
    let mono = Recording::from_wav(&wav(1, 1, 16_000, 16, &data)).unwrap();
    assert_eq!((mono.sample_rate(), mono.samples()), (16_000, &[1, -2, i16::MIN, i16::MAX][..]));
    let stereo = Recording::from_wav(&wav(1, 2, 48_000, 16, &data)).unwrap();
    assert_eq!(stereo.samples(), [0, 0], "the mean, which does not overflow");
}

#[test]
fn companded_files_are_read_as_g_711() {
    let ulaw = Recording::from_wav(&wav(7, 1, 8_000, 8, &[0xff, 0x80, 0x00])).unwrap();
    assert_eq!(ulaw.samples(), [0, 32_124, -32_124]);
    let alaw = Recording::from_wav(&wav(6, 1, 8_000, 8, &[0xd5, 0x2a])).unwrap();
    assert_eq!(alaw.samples(), [8, -32_256]);
    assert_eq!(alaw.duration(), std::time::Duration::from_micros(250));
}

#[test]
fn a_format_may_stand_in_the_extension() {
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x28\0\0\0\xfe\xff\x01\0\x40\x1f\0\0".to_vec();
    file.extend([0; 6]);
    file.extend([16, 0, 22, 0, 16, 0, 4, 0, 0, 0, 1, 0]);
    file.extend([0; 14]);
    // Its writer never came back to write the length.
    file.extend(b"data\xff\xff\xff\xff\x05\0\x06\0");
    assert_eq!(Recording::from_wav(&file).unwrap().samples(), [5, 6]);
}

#[test]
fn what_cannot_be_played_says_why() {
    let second = [0; 16_000];
    for (file, error) in [
        (b"ID3 and then music".to_vec(), RecordingError::NotWave),
        (b"RIFF\0\0\0\0WAVE".to_vec(), RecordingError::Malformed),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0".to_vec(), RecordingError::Malformed),
        (b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0\x01\0".to_vec(), RecordingError::Malformed),
        (wav(1, 1, 44_100, 16, &second), RecordingError::SampleRate(44_100)),
        (wav(1, 6, 8_000, 16, &second), RecordingError::Channels(6)),
        (wav(1, 1, 8_000, 24, &second), RecordingError::Encoding { tag: 1, bits: 24 }),
        (wav(3, 1, 8_000, 32, &second), RecordingError::Encoding { tag: 3, bits: 32 }),
        (wav(1, 1, 8_000, 16, &[]), RecordingError::Empty),
        (wav(7, 1, 8_000, 8, &vec![0; 8_000 * 300 + 1]), RecordingError::TooLong),
    ] {
        assert_eq!(Recording::from_wav(&file), Err(error), "{error}");
    }
    let mut cut = wav(1, 1, 8_000, 16, &second);
    cut.pop();
    assert_eq!(Recording::from_wav(&cut), Err(RecordingError::Truncated));
    assert_eq!(
        Recording::from_wav(&wav(7, 1, 8_000, 8, &vec![0; 8_000 * 300])).map(|_| ()),
        Ok(())
    );
}

#[test]
fn ringback_has_its_frequencies_and_pauses() {
    for (ringback, tones, on, period) in [
        (Ringback::Europe, &[425.0][..], 1, 5),
        (Ringback::NorthAmerica, &[440.0, 480.0][..], 2, 6),
    ] {
        let recording = Recording::ringback(ringback);
        let samples = recording.samples();
        assert_eq!(samples.len(), period * 8_000);
        let (tone, pause) = samples.split_at(on * 8_000);
        assert!(pause.iter().all(|sample| *sample == 0));
        let total: f64 =
            tone.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / tone.len() as f64;
        let mut found = 0.0;
        for hertz in tones {
            let (mut cosine, mut sine) = (0.0, 0.0);
            for (at, sample) in tone.iter().enumerate() {
                let angle = std::f64::consts::TAU * hertz * at as f64 / 8_000.0;
                cosine += f64::from(*sample) * angle.cos();
                sine += f64::from(*sample) * angle.sin();
            }
            let amplitude = 2.0 * cosine.hypot(sine) / tone.len() as f64;
            found += amplitude * amplitude / 2.0;
            let level = 20.0 * (amplitude / 22_300.0).log10();
            assert!((level + 16.0).abs() < 0.1, "{hertz} Hz at {level} dBm0");
        }
        assert!(found / total > 0.999, "nothing else is in it");
    }
}

proptest! {
    #[test]
    fn any_octets_are_a_recording_or_an_error(
        tag in prop::sample::select(vec![1_u16, 6, 7, 0xfffe]),
        channels in 0_u16..4,
        bits in prop::sample::select(vec![8_u16, 16, 24]),
        data in prop::collection::vec(any::<u8>(), 0..200),
        cut in 0_usize..280,
        place in 0_usize..60,
        octet in any::<u8>(),
    ) {
        let mut file = wav(tag, channels, 8_000, bits, &data);
        let end = file.len().saturating_sub(cut);
        file.truncate(end);
        if let Some(slot) = file.get_mut(place) {
            *slot = octet;
        }
        if let Ok(recording) = Recording::from_wav(&file) {
            prop_assert!(!recording.samples().is_empty());
            prop_assert!(recording.samples().len() <= file.len());
        }
    }
}
