//! What callers of the meeting rooms hear: files of the configuration, or tones in their place.

use crate::config::RoomPrompts;
use model::AudioSource;
use std::f64::consts::TAU;
use std::sync::Arc;

const SAMPLES_PER_SECOND: u32 = 8_000;
/// A fifth of full scale: -14 dB.
const LOUDNESS: f64 = 6_500.0;

/// One prompt for each occasion.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Prompts {
    pub(super) welcome: AudioSource,
    pub(super) wrong: AudioSource,
    pub(super) goodbye: AudioSource,
}

impl Prompts {
    pub(super) fn of(configured: &RoomPrompts) -> Self {
        let or_tones = |file: &Option<Arc<str>>, tones: &[(u32, u32)]| match file {
            Some(path) => AudioSource::File(path.clone()),
            None => AudioSource::Octets(wav(tones).into()),
        };
        Prompts {
            // Rising: go on. Twice the same, low: no. Falling: the end.
            welcome: or_tones(&configured.welcome, &[(523, 180), (0, 60), (784, 240)]),
            wrong: or_tones(&configured.wrong, &[(330, 200), (0, 100), (330, 200)]),
            goodbye: or_tones(&configured.goodbye, &[(784, 180), (0, 60), (523, 180), (392, 300)]),
        }
    }
}

/// A WAV file of tones, each with its frequency in Hz, 0 for silence, and its length in milliseconds.
fn wav(tones: &[(u32, u32)]) -> Vec<u8> {
    let mut samples: Vec<u8> = Vec::new();
    for (hertz, milliseconds) in tones {
        for n in 0..SAMPLES_PER_SECOND * milliseconds / 1_000 {
            let phase = f64::from(n) * f64::from(*hertz) / f64::from(SAMPLES_PER_SECOND);
            let sample = ((phase * TAU).sin() * LOUDNESS) as i16;
            samples.extend_from_slice(&sample.to_le_bytes());
        }
    }
    // A few seconds: far below 4 GiB.
    let length = samples.len() as u32;
    let mut file = Vec::with_capacity(samples.len() + 44);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + length).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    for word in [16, 0x0001_0001, SAMPLES_PER_SECOND, SAMPLES_PER_SECOND * 2, 0x0010_0002_u32] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(b"data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend(samples);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_are_files_that_the_relay_plays() {
        let place = std::env::temp_dir().join(format!("tandem-room-tone-{}", std::process::id()));
        for source in [
            Prompts::of(&RoomPrompts::default()).welcome,
            Prompts::of(&RoomPrompts::default()).wrong,
            Prompts::of(&RoomPrompts::default()).goodbye,
        ] {
            let AudioSource::Octets(octets) = source else { panic!("no file is configured") };
            std::fs::write(&place, &octets).unwrap();
            assert!(media_relay::check_audio_file(&place.display().to_string()).is_ok());
            std::fs::remove_file(&place).unwrap();
        }
    }

    #[test]
    fn a_configured_file_takes_the_place_of_a_tone() {
        let configured = RoomPrompts { wrong: Some("no.wav".into()), ..RoomPrompts::default() };
        let prompts = Prompts::of(&configured);
        assert_eq!(prompts.wrong, AudioSource::File("no.wav".into()));
        assert!(matches!(prompts.welcome, AudioSource::Octets(_)));
    }
}
