//! What a video device sees while it sees nobody: what is being said to its caller, or in which meeting it is.

use model::PictureCard;
use room_core::{Capabilities, Focus, Language, MeetingId, Prompt, Words};
use std::sync::Arc;

/// Texts of the prompts, which the sounds of the binary say: name, text, and how the engine is told it.
const TEXTS: [(&str, &str); 2] = [
    ("en", include_str!("../../../rooms/prompts/en.tsv")),
    ("ja", include_str!("../../../rooms/prompts/ja.tsv")),
];

/// What is said beside the prompts.
const NOBODY: [(&str, &str); 2] =
    [("en", "Nobody else shows a picture."), ("ja", "映像を送っている参加者は、ほかにいません。")];

/// The same to whom nobody's picture may be shown.
const WITHHELD: [(&str, &str); 2] = [
    ("en", "You are not shown pictures in this meeting."),
    ("ja", "この会議では、映像は表示されません。"),
];

/// What is drawn of what is said: where a caller is, and what is to be done. What happens in a meeting is
/// heard alone.
const DRAWN: &[Prompt] = &[
    Prompt::EnterId,
    Prompt::EnterPasscode,
    Prompt::WrongId,
    Prompt::NoInput,
    Prompt::TryLater,
    Prompt::SayName,
    Prompt::MeetingFull,
    Prompt::WaitForModerator,
    Prompt::WaitToBeAdmitted,
    Prompt::NoModerator,
    Prompt::Removed,
    Prompt::MeetingEnded,
    Prompt::JoinedElsewhere,
    Prompt::Goodbye,
];

/// What is shown while these words are said, and after; `None` where nothing of them is to be seen. The
/// last one is what is to be done.
pub(super) fn of_words(title: &Arc<str>, words: &Words) -> Option<Arc<PictureCard>> {
    let drawn = words.prompts.iter().filter(|prompt| DRAWN.contains(prompt));
    let mut texts: Vec<Arc<str>> =
        drawn.filter_map(|prompt| text(&words.language, *prompt)).map(Arc::from).collect();
    let action = texts.pop()?;
    Some(Arc::new(PictureCard { title: Arc::clone(title), action, lines: texts }))
}

/// What is shown to somebody in a meeting while nobody else shows anything, or nobody may be shown; `None`
/// where the rooms have no pictures.
pub(super) fn in_meeting(
    focus: &Focus,
    title: &Option<Arc<str>>,
    (meeting, capabilities): (MeetingId, Capabilities),
    language: &Language,
) -> Option<Arc<PictureCard>> {
    let record = focus.registry().get_meeting(meeting);
    let name = record.map_or("", |record| record.settings.name.as_str());
    Some(of_meeting(name, title.as_ref()?, language, capabilities))
}

fn of_meeting(
    name: &str,
    title: &Arc<str>,
    language: &Language,
    capabilities: Capabilities,
) -> Arc<PictureCard> {
    let title = if name.is_empty() { Arc::clone(title) } else { Arc::from(name) };
    let lines = if capabilities.video.receives() { &NOBODY } else { &WITHHELD };
    let line = in_language(lines, language).map(Arc::from);
    Arc::new(PictureCard { title, action: "".into(), lines: line.into_iter().collect() })
}

/// In English where a language has no texts, as with sounds.
fn in_language(texts: &[(&str, &'static str)], language: &Language) -> Option<&'static str> {
    let of = |wanted: &str| texts.iter().find(|(known, _)| *known == wanted).map(|(_, text)| *text);
    of(language.as_str()).or_else(|| of("en"))
}

fn text(language: &Language, prompt: Prompt) -> Option<&'static str> {
    let name = prompt.name()?;
    let rows = in_language(&TEXTS, language)?.lines();
    let mut columns = rows.map(|row| row.split('\t'));
    columns.find_map(|mut row| (row.next() == Some(&*name)).then(|| row.next()).flatten())
}

#[cfg(test)]
mod tests {
    use super::*;
    use room_core::MediaCapability;

    fn words(language: &str, prompts: &[Prompt]) -> Words {
        Words { language: Language::parse(language).unwrap(), prompts: prompts.to_vec() }
    }

    #[test]
    fn what_is_to_be_done_stands_last() {
        let title: Arc<str> = "meet.example.com".into();
        let card = of_words(&title, &words("en", &[Prompt::WrongId, Prompt::EnterId])).unwrap();
        assert_eq!(&*card.title, "meet.example.com");
        assert_eq!(&*card.action, "Please enter the meeting ID, followed by the pound key.");
        let lines: Vec<_> = card.lines.iter().map(|line| &**line).collect();
        assert_eq!(lines, ["The meeting ID or the passcode is not correct."]);
        let card = of_words(&title, &words("ja", &[Prompt::Welcome, Prompt::EnterId])).unwrap();
        assert_eq!(&*card.action, "会議の番号を入力し、最後にシャープを押してください。");
        assert_eq!(of_words(&title, &words("en", &[Prompt::Muted, Prompt::JoinTone])), None);
    }

    #[test]
    fn every_text_that_is_drawn_is_there_in_every_language() {
        for language in ["en", "ja", "de"] {
            let language = Language::parse(language).unwrap();
            for prompt in DRAWN {
                assert!(
                    text(&language, *prompt).is_some_and(|text| !text.is_empty()),
                    "{prompt:?}"
                );
            }
        }
    }

    #[test]
    fn a_meeting_without_a_name_has_that_of_the_rooms() {
        let title: Arc<str> = "meet.example.com".into();
        let english = Language::english();
        let all = Capabilities::default();
        assert_eq!(of_meeting("", &title, &english, all).title, title);
        assert_eq!(&*of_meeting("Board room", &title, &english, all).title, "Board room");
        let japanese = Language::parse("ja").unwrap();
        assert_eq!(of_meeting("", &title, &japanese, all).lines.len(), 1);
        let none = Capabilities { video: MediaCapability::Send, ..all };
        for language in [english, japanese] {
            let told = of_meeting("", &title, &language, none).lines.clone();
            assert_ne!(told, of_meeting("", &title, &language, all).lines);
        }
    }
}
