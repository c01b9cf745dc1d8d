//! What callers of the meeting rooms hear where no file says otherwise: the sounds of `rooms/prompts`,
//! which are in the binary.

use model::AudioSource;
use std::sync::{Arc, LazyLock};

/// Sounds by their names.
type Sounds = &'static [(&'static str, &'static [u8])];

macro_rules! sounds {
    ($language:literal; $($name:literal)*) => {
        &[$((
            $name,
            include_bytes!(concat!("../../../rooms/prompts/", $language, "/", $name, ".wav")),
        )),*]
    };
}

/// Every prompt of one language; each is in the binary.
macro_rules! every_prompt {
    ($language:literal) => {
        sounds! { $language;
            "welcome" "enter-id" "enter-passcode" "wrong-id" "no-input" "goodbye" "try-later" "say-name"
            "joining" "meeting-full" "wait-for-moderator" "wait-to-be-admitted" "no-moderator" "removed"
            "meeting-ended" "joined-elsewhere" "recorded" "recording-stopped" "recording-failed" "locked"
            "unlocked" "knock" "muted" "unmuted" "cannot-unmute" "everyone-muted" "everyone-unmuted"
            "hand-raised" "hand-lowered" "somebody-raised-hand" "everybody-shown" "speaker-shown" "now-moderator"
            "moderator-left" "not-allowed" "nobody-waits" "enter-number" "calling" "cannot-call" "invited" "confirm-end"
            "people-count" "join-tone" "leave-tone" "record-tone" "has-joined" "has-left" "is-waiting"
            "minutes-left-1" "minutes-left-2" "minutes-left-3" "minutes-left-5" "minutes-left-10"
            "minutes-left-15" "minutes-left-30"
            "key-0" "key-1" "key-2" "key-3" "key-4" "key-5" "key-6" "key-7" "key-8" "key-9" "key-star"
            "key-pound"
            "menu-help" "menu-count-people" "menu-mute-self" "menu-raise-hand" "menu-layout" "menu-record" "menu-lock"
            "menu-mute-all" "menu-unmute-all" "menu-admit" "menu-dial-out" "menu-end-for-all"
        }
    };
}

const EVERYTHING: &[(&str, Sounds)] = &[("en", every_prompt!("en")), ("ja", every_prompt!("ja"))];

const MUSIC: &[u8] = include_bytes!("../../../rooms/prompts/music.wav");

/// One copy of each in memory for all orders; made with the first one.
static SHARED: LazyLock<Vec<Vec<Arc<[u8]>>>> = LazyLock::new(|| {
    let shared = |sounds: &Sounds| sounds.iter().map(|(_, octets)| Arc::from(*octets)).collect();
    EVERYTHING.iter().map(|(_, sounds)| shared(sounds)).collect()
});

/// The prompt of this name in this language (`en`, `ja`); `None` where the binary has none.
pub(super) fn prompt(language: &str, name: &str) -> Option<AudioSource> {
    let at = EVERYTHING.iter().position(|(known, _)| *known == language)?;
    let place = EVERYTHING.get(at)?.1.iter().position(|(known, _)| *known == name)?;
    let octets = SHARED.get(at)?.get(place)?;
    Some(AudioSource::Octets(Arc::clone(octets)))
}

/// Whether the binary has the prompts of this language, which are then all of them.
pub(crate) fn has(language: &str) -> bool {
    EVERYTHING.iter().any(|(known, _)| *known == language)
}

/// What those hear who wait: 30 s, to be repeated.
pub(super) fn music() -> AudioSource {
    static SHARED: LazyLock<Arc<[u8]>> = LazyLock::new(|| MUSIC.into());
    AudioSource::Octets(Arc::clone(&SHARED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use room_core::Prompt;
    use std::collections::BTreeSet;

    #[test]
    fn every_prompt_is_in_the_binary_in_each_language() {
        let names: BTreeSet<_> = Prompt::all().filter_map(|(prompt, _)| prompt.name()).collect();
        for (language, sounds) in EVERYTHING {
            let kept: BTreeSet<_> = sounds.iter().map(|(name, _)| (*name).into()).collect();
            assert_eq!(kept, names, "{language}");
            assert_eq!(sounds.len(), names.len(), "{language}: none is there twice");
        }
        let octets = |sounds: &Sounds| sounds.iter().map(|(_, octets)| octets.len()).sum::<usize>();
        let all: usize = EVERYTHING.iter().map(|(_, sounds)| octets(sounds)).sum();
        assert!(all + MUSIC.len() < 3 * 1024 * 1024, "{all} octets are in the binary");
    }

    #[test]
    fn a_prompt_is_its_file_and_all_share_one_copy() {
        let Some(AudioSource::Octets(first)) = prompt("ja", "welcome") else { panic!("no sound") };
        let Some(AudioSource::Octets(again)) = prompt("ja", "welcome") else { panic!("no sound") };
        assert!(Arc::ptr_eq(&first, &again));
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../rooms/prompts/ja/welcome.wav");
        assert!(std::fs::read(file).unwrap() == *first);
        assert_eq!(prompt("de", "welcome"), None);
        assert_eq!(prompt("en", "../music"), None);
        assert!(matches!(music(), AudioSource::Octets(octets) if *octets == *MUSIC));
    }
}
