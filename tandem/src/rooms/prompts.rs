//! What callers of the meeting rooms hear: files of the configuration, or the sounds of the binary.

use super::built_in;
use crate::config::RoomPrompts;
use model::AudioSource;
use std::sync::Arc;

/// One prompt for each occasion.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Prompts {
    pub(super) welcome: AudioSource,
    pub(super) wrong: AudioSource,
    pub(super) goodbye: AudioSource,
}

impl Prompts {
    pub(super) fn of(configured: &RoomPrompts) -> Self {
        let or_built_in = |file: &Option<Arc<str>>, name| match file {
            Some(path) => AudioSource::File(path.clone()),
            None => built_in::prompt("en", name).unwrap_or_else(built_in::music),
        };
        Prompts {
            welcome: or_built_in(&configured.welcome, "enter-id"),
            wrong: or_built_in(&configured.wrong, "wrong-id"),
            goodbye: or_built_in(&configured.goodbye, "goodbye"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_file_takes_the_place_of_what_is_built_in() {
        let configured = RoomPrompts { wrong: Some("no.wav".into()), ..RoomPrompts::default() };
        let prompts = Prompts::of(&configured);
        assert_eq!(prompts.wrong, AudioSource::File("no.wav".into()));
        assert_eq!(Some(prompts.welcome), built_in::prompt("en", "enter-id"));
        assert_eq!(Some(prompts.goodbye), built_in::prompt("en", "goodbye"));
    }
}
