//! What callers of the meeting rooms hear: files of the configuration, else the sounds of the binary.

use super::built_in;
use super::names::Names;
use crate::config::RoomPrompts;
use model::AudioSource;
use room_core::{Language, Prompt, Words};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

/// All of them.
#[derive(Debug)]
pub(super) struct Prompts {
    /// By language and name.
    files: BTreeMap<(String, String), AudioSource>,
    music: AudioSource,
}

impl Prompts {
    /// Reads the files. One that cannot be played is told, and not missed.
    pub(super) fn of(configured: &RoomPrompts) -> Self {
        let files = configured.files.iter();
        let read_one =
            |(key, path): (&(String, String), &Arc<str>)| Some((key.clone(), read(path)?));
        Prompts {
            files: files.filter_map(read_one).collect(),
            music: configured.music.as_deref().and_then(read).unwrap_or_else(built_in::music),
        }
    }

    /// Whether it has words of this language.
    pub(super) fn has(&self, language: &Language) -> bool {
        let is_of = |(of, _): &(String, String)| of == language.as_str();
        self.files.keys().any(is_of) || built_in::prompt(language.as_str(), "welcome").is_some()
    }

    /// What those hear who wait; it is repeated.
    pub(super) fn music(&self) -> AudioSource {
        self.music.clone()
    }

    /// What is played for words, one after the other.
    pub(super) fn sources(&self, words: &Words, names: &Names) -> Vec<AudioSource> {
        let prompts = words.prompts.iter().take(Words::MOST);
        let source = |prompt: &Prompt| match prompt {
            Prompt::Name(call) => names.source(*call),
            prompt => self.source(&words.language, *prompt),
        };
        prompts.filter_map(source).collect()
    }

    /// A prompt that a language lacks is heard in English.
    fn source(&self, language: &Language, prompt: Prompt) -> Option<AudioSource> {
        let name = prompt.name()?;
        self.in_language(language.as_str(), &name)
            .or_else(|| self.in_language(Language::english().as_str(), &name))
    }

    fn in_language(&self, language: &str, name: &str) -> Option<AudioSource> {
        let file = self.files.get(&(language.to_owned(), name.to_owned()));
        file.cloned().or_else(|| built_in::prompt(language, name))
    }
}

/// A file, to go with the orders: a relay of its own has no such file.
fn read(path: &str) -> Option<AudioSource> {
    let octets = media_relay::check_audio_file(path).map_err(|error| error.to_string());
    let octets = octets.and_then(|_| {
        let mut octets = Vec::new();
        let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
        let most = RoomPrompts::MOST_OCTETS;
        let read = file.take(most + 1).read_to_end(&mut octets);
        match read.map_err(|error| format!("{path}: {error}"))? {
            long if long as u64 > most => Err(format!("{path}: it has more than {most} octets")),
            _ => Ok(octets),
        }
    });
    match octets {
        Ok(octets) => Some(AudioSource::Octets(octets.into())),
        Err(error) => {
            tracing::error!("{error}; what is in the binary is heard in its place");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(language: &str, prompts: &[Prompt]) -> Words {
        Words { language: Language::parse(language).unwrap(), prompts: prompts.to_vec() }
    }

    #[test]
    fn without_a_file_everything_is_said_all_the_same() {
        let prompts = Prompts::of(&RoomPrompts::default());
        let all: Vec<_> = Prompt::all().map(|(prompt, _)| prompt).collect();
        for language in ["en", "ja", "de"] {
            let sources = prompts.sources(&words(language, &all), &Names::default());
            assert_eq!(sources.len(), all.len(), "{language}");
        }
        assert_eq!(prompts.music(), built_in::music());
    }

    #[test]
    fn a_file_of_the_language_goes_before_the_binary_and_that_before_english() {
        let place = std::env::temp_dir().join(format!("tandem-room-files-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        // Any sound that the binary has will do as somebody's own, if it is another one.
        let own = |name: &str| {
            let AudioSource::Octets(octets) = built_in::prompt("ja", name).unwrap() else {
                panic!("octets")
            };
            octets
        };
        let write = |name: &str, octets: &[u8]| -> Arc<str> {
            let path = place.join(name);
            std::fs::write(&path, octets).unwrap();
            path.to_str().unwrap().into()
        };
        let key = |language: &str, name: &str| (language.to_owned(), name.to_owned());
        let files = [
            (key("en", "welcome"), write("a.wav", &own("locked"))),
            (key("ja", "enter-id"), write("b.wav", &own("muted"))),
            (key("de", "key-1"), write("c.wav", &own("key-9"))),
            (key("ja", "key-1"), write("bad.wav", b"ID3")),
        ];
        let configured = RoomPrompts {
            directory: Some("prompts".into()),
            files: files.into(),
            music: Some(write("m.wav", &own("removed"))),
        };
        let prompts = Prompts::of(&configured);
        std::fs::remove_dir_all(&place).unwrap();
        let asked = [Prompt::Welcome, Prompt::EnterId, Prompt::Key('1')];
        let built_in = |language, name| built_in::prompt(language, name).unwrap();
        let own = |name| AudioSource::Octets(own(name));
        assert_eq!(
            prompts.sources(&words("ja", &asked), &Names::default()),
            [built_in("ja", "welcome"), own("muted"), built_in("ja", "key-1")],
            "a file that cannot be played is not missed"
        );
        assert_eq!(
            prompts.sources(&words("de", &asked), &Names::default()),
            [own("locked"), built_in("en", "enter-id"), own("key-9")]
        );
        assert_eq!(prompts.music(), own("removed"));
    }
}
