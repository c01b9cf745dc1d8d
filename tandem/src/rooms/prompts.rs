//! What callers of the meeting rooms hear: files of the configuration; tones, or nothing, in their place.

use crate::config::RoomPrompts;
use model::AudioSource;
use room_core::{Language, Prompt, Words};
use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::sync::Arc;

const SAMPLES_PER_SECOND: u32 = 8_000;
/// A fifth of full scale: -14 dB.
const LOUDNESS: f64 = 6_500.0;

/// Frequencies in Hz, 0 for silence, with lengths in milliseconds.
type Tones = &'static [(u32, u32)];

/// Rising: go on.
const GO_ON: Tones = &[(523, 180), (0, 60), (784, 240)];
/// Twice the same, low: no.
const NO: Tones = &[(330, 200), (0, 100), (330, 200)];
/// Falling: the end.
const END: Tones = &[(784, 180), (0, 60), (523, 180), (392, 300)];
const JOINED: Tones = &[(587, 90), (880, 120)];
const LEFT: Tones = &[(880, 90), (587, 120)];
const BEEP: Tones = &[(1_000, 250)];
/// For those who wait: two notes every five seconds.
const WAIT: Tones = &[(440, 350), (0, 150), (554, 450), (0, 4_050)];

/// All of them.
#[derive(Debug)]
pub(super) struct Prompts {
    files: BTreeMap<(String, String), Arc<str>>,
    has_directory: bool,
    tones: BTreeMap<Tones, AudioSource>,
    music: AudioSource,
}

impl Prompts {
    pub(super) fn of(configured: &RoomPrompts) -> Self {
        let tones = [GO_ON, NO, END, JOINED, LEFT, BEEP];
        Prompts {
            files: configured.files.clone(),
            has_directory: configured.directory.is_some(),
            tones: tones.map(|tones| (tones, AudioSource::Octets(wav(tones).into()))).into(),
            music: match &configured.music {
                Some(path) => AudioSource::File(Arc::clone(path)),
                None => AudioSource::Octets(wav(WAIT).into()),
            },
        }
    }

    /// Says once which prompts of a language have no file.
    pub(super) fn tell_of_missing(&self, language: &Language) {
        if !self.has_directory {
            return;
        }
        let names = Prompt::all().filter_map(|(prompt, _)| prompt.name());
        let missing: Vec<_> =
            names.filter(|name| self.file(language.as_str(), name).is_none()).collect();
        if !missing.is_empty() {
            let (language, count) = (language.as_str(), missing.len());
            let missing = missing.join(", ");
            tracing::warn!(language, count, missing, "[rooms] prompts has no files for these");
        }
    }

    /// What those hear who wait; it is repeated.
    pub(super) fn music(&self) -> AudioSource {
        self.music.clone()
    }

    /// What is played for words, one after the other.
    pub(super) fn sources(&self, words: &Words) -> Vec<AudioSource> {
        let prompts = words.prompts.iter().take(Words::MOST);
        prompts.filter_map(|prompt| self.source(&words.language, *prompt)).collect()
    }

    fn source(&self, language: &Language, prompt: Prompt) -> Option<AudioSource> {
        let name = prompt.name()?;
        let english = Language::english();
        let file =
            self.file(language.as_str(), &name).or_else(|| self.file(english.as_str(), &name));
        match file {
            Some(path) => Some(AudioSource::File(Arc::clone(path))),
            None => self.tones.get(tones_for(prompt)?).cloned(),
        }
    }

    fn file(&self, language: &str, name: &str) -> Option<&Arc<str>> {
        self.files.get(&(language.to_owned(), name.to_owned()))
    }
}

/// What stands in for a prompt without a file; nothing for most.
const fn tones_for(prompt: Prompt) -> Option<&'static Tones> {
    Some(match prompt {
        Prompt::EnterId | Prompt::EnterPasscode | Prompt::Joining | Prompt::Unmuted => &GO_ON,
        Prompt::WrongId | Prompt::NotAllowed | Prompt::CannotUnmute | Prompt::RecordingFailed => {
            &NO
        }
        Prompt::Muted | Prompt::EveryoneMuted | Prompt::Locked | Prompt::CannotCall => &NO,
        Prompt::Goodbye | Prompt::TryLater | Prompt::MeetingEnded | Prompt::Removed => &END,
        Prompt::JoinTone => &JOINED,
        Prompt::LeaveTone => &LEFT,
        Prompt::RecordTone => &BEEP,
        _ => return None,
    })
}

/// A WAV file of tones.
fn wav(tones: Tones) -> Vec<u8> {
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

    fn english(prompts: &[Prompt]) -> Words {
        Words { language: Language::english(), prompts: prompts.to_vec() }
    }

    #[test]
    fn tones_are_files_that_the_relay_plays() {
        let place = std::env::temp_dir().join(format!("tandem-room-tone-{}", std::process::id()));
        let prompts = Prompts::of(&RoomPrompts::default());
        let all: Vec<_> = Prompt::all().map(|(prompt, _)| prompt).collect();
        let mut sources = prompts.sources(&english(&all[..Words::MOST.min(all.len())]));
        sources.push(prompts.music());
        assert!(sources.len() > 10);
        for source in sources {
            let AudioSource::Octets(octets) = source else { panic!("no file is configured") };
            std::fs::write(&place, &octets).unwrap();
            assert!(media_relay::check_audio_file(&place.display().to_string()).is_ok());
            std::fs::remove_file(&place).unwrap();
        }
    }

    #[test]
    fn a_file_of_the_language_goes_before_english_and_tones() {
        let file = |language: &str, name: &str| {
            ((language.to_owned(), name.to_owned()), Arc::from(format!("{language}/{name}.wav")))
        };
        let files = [file("en", "welcome"), file("ja", "enter-id"), file("en", "enter-id")];
        let configured = RoomPrompts {
            directory: Some("prompts".into()),
            files: files.into(),
            music: Some("m.wav".into()),
        };
        let prompts = Prompts::of(&configured);
        let japanese = Words {
            language: Language::parse("ja").unwrap(),
            prompts: vec![Prompt::Welcome, Prompt::EnterId, Prompt::Key('1'), Prompt::JoinTone],
        };
        let found = prompts.sources(&japanese);
        let [AudioSource::File(welcome), AudioSource::File(enter), AudioSource::Octets(_)] =
            &found[..]
        else {
            panic!("{} sources", found.len())
        };
        assert_eq!((&**welcome, &**enter), ("en/welcome.wav", "ja/enter-id.wav"));
        assert_eq!(prompts.music(), AudioSource::File("m.wav".into()));
    }
}
