//! Hold music and ringback.

use super::{accepts, refuses};
use b2bua::HoldMusicWhen;
use model::Ringback;

const CARRIER: &str = "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\nprefixes = [\"+\"]\n";
const CONNECTOR: &str = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";

/// The music of the voice connector and of the carrier.
fn music(media: &str, carrier: &str, connector: &str) -> [Option<String>; 2] {
    let config = accepts(&format!(
        "[media]\n{media}\n{CARRIER}{carrier}\n{CONNECTOR}[voice_connector.media]\n{connector}"
    ));
    let directory = &config.directory;
    let connector = directory.voice_connectors().next().unwrap().hold_music.clone();
    let carrier = directory.carriers().next().unwrap().hold_music.clone();
    [connector, carrier].map(|music| music.map(|path| path.to_string()))
}

#[test]
fn hold_music_of_media_holds_for_all_who_say_nothing_else() {
    let some = |text: &str| Some(text.to_owned());
    let all = "hold_music = \"all.wav\"";
    assert_eq!(music("", "", ""), [None, None]);
    assert_eq!(music(all, "", ""), [some("all.wav"), some("all.wav")]);
    let off = "hold_music = \"off\"";
    assert_eq!(music(all, off, ""), [some("all.wav"), None]);
    assert_eq!(music(all, "", off), [None, some("all.wav")]);
    let own = "hold_music = \"own.wav\"";
    assert_eq!(music("", "", own), [some("own.wav"), None]);
    assert_eq!(music(all, own, own), [some("own.wav"), some("own.wav")]);
}

#[test]
fn each_file_is_read_once_and_known_by_its_lines() {
    let config = accepts(&format!(
        "[media]\nhold_music = \"b.wav\"\n{CARRIER}hold_music = \"a.wav\"\n{CONNECTOR}\
         [voice_connector.media]\nhold_music = \"b.wav\""
    ));
    let lines: Vec<_> = config.audio_files.iter().map(|file| (file.line, &*file.path)).collect();
    assert_eq!(lines, [(5, "b.wav"), (10, "a.wav"), (14, "b.wav")]);
    assert_eq!(config.audio_paths(), ["a.wav".into(), "b.wav".into()]);
}

#[test]
fn when_music_plays_and_which_ringback() {
    let config = accepts("[media]");
    assert_eq!(config.media.hold_music_when, HoldMusicWhen::Silent);
    assert_eq!(config.media.ringback, Some(Ringback::NorthAmerica));
    let config = accepts("[media]\nhold_music_when = \"always\"\nringback = \"europe\"");
    assert_eq!(config.media.hold_music_when, HoldMusicWhen::Always);
    assert_eq!(config.media.ringback, Some(Ringback::Europe));
    assert_eq!(accepts("[media]\nringback = \"off\"").media.ringback, None);
    refuses(
        "[media]\nringback = \"japan\"",
        "t.toml:5: ringback: \"japan\" is unknown; use \"north-america\", \"europe\" or \"off\"",
    );
    refuses(
        "[media]\nhold_music_when = \"never\"",
        "t.toml:5: hold_music_when: \"never\" is unknown; use \"silent\" or \"always\"",
    );
    refuses("[media]\nhold_music = \"\"", "t.toml:5: hold_music: must not be empty");
}
