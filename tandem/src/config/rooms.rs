//! `[rooms]`: how meeting rooms are reached, who mixes them, and meetings that are always there.

mod call_out;
mod floor;
mod grid;
mod guests;
mod languages;
mod meeting;
mod menus;
mod recording;

use super::reader::Table;
use super::sip::Sip;
use super::value;
use super::voice_connector::read_logging;
use crate::rooms::has_built_in;
use directory::Rooms;
pub(crate) use floor::FloorListener;
pub(crate) use guests::GuestsSection;
pub(crate) use meeting::FileMeeting;
use meeting::read_meetings;
pub(crate) use recording::RoomRecording;
use room_core::{Language, Languages, MeetingRecord, Menus, Prompt};
use room_media::{GridSettings, MixingConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use toml::de::DeValue;

/// Threads that mix, at most.
const THREADS: std::ops::RangeInclusive<usize> = 1..=64;
/// Streams in conferences at a time, at most.
const PARTICIPANTS: std::ops::RangeInclusive<usize> = 1..=65_536;

/// Files that are no prompts, named one by one.
const MOST_STRAYS: usize = 20;

/// What is of this node in the rooms, beside how they are reached.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct RoomsSection {
    /// What callers hear.
    pub(crate) prompts: RoomPrompts,
    /// Threads that mix.
    pub(crate) threads: usize,
    /// Callers in meetings at a time.
    pub(crate) max_participants: usize,
    /// Streams of pictures in meetings at a time.
    pub(crate) max_pictures: usize,
    /// The language of callers.
    pub(crate) language: Language,
    /// Those who are spoken to in others.
    pub(crate) languages: Languages,
    /// What keys do.
    pub(crate) menus: Menus,
    /// People may be called into meetings.
    pub(crate) call_out: bool,
    /// The country of numbers that are typed without one, 1 to 3 digits.
    pub(crate) country_code: Option<Arc<str>>,
    /// Meetings of the file.
    pub(crate) meetings: Vec<FileMeeting>,
    /// Where devices ask for the floor of the slides; `None` for nowhere.
    pub(crate) bfcp: Option<FloorListener>,
    /// The page by which browsers join.
    pub(crate) guests: Option<GuestsSection>,
    /// How meetings are recorded; `None` where they may not be.
    pub(crate) recording: Option<RoomRecording>,
    /// Pictures that are composed of several; `None` for none.
    pub(crate) grid: Option<GridSettings>,
}

impl RoomsSection {
    /// Whether all is the same but what a reload takes.
    pub(crate) fn is_alike(&self, other: &RoomsSection) -> bool {
        let RoomsSection { call_out, country_code, meetings, .. } = other.clone();
        RoomsSection { call_out, country_code, meetings, ..self.clone() } == *other
    }

    /// The meetings of the file.
    pub(crate) fn records(&self) -> Vec<MeetingRecord> {
        self.meetings.iter().map(|meeting| meeting.record.clone()).collect()
    }

    /// What mixes them.
    pub(crate) fn mixing(&self) -> MixingConfig {
        MixingConfig { threads: self.threads, grids: self.grid, ..MixingConfig::default() }
    }
}

impl Default for RoomsSection {
    fn default() -> Self {
        RoomsSection {
            prompts: RoomPrompts::default(),
            threads: 1,
            max_participants: 2_048,
            max_pictures: 512,
            language: Language::english(),
            languages: Languages::default(),
            menus: Menus::default(),
            call_out: false,
            country_code: None,
            meetings: Vec::new(),
            bfcp: None,
            guests: None,
            recording: None,
            grid: grid::usual(),
        }
    }
}

/// WAV files by language and name.
type PromptFiles = BTreeMap<(String, String), Arc<str>>;

/// What callers hear: WAV files by language and name; for what is missing, what is in the binary.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct RoomPrompts {
    /// The directory; `None` for what is in the binary alone.
    pub(crate) directory: Option<Arc<str>>,
    /// Its files.
    pub(crate) files: PromptFiles,
    /// What those hear who wait.
    pub(crate) music: Option<Arc<str>>,
}

impl RoomPrompts {
    /// Of one file, since it goes with each order that plays it: 4 MiB, eight minutes of µ-law.
    pub(crate) const MOST_OCTETS: u64 = 4 * 1024 * 1024;
}

/// Rooms as the file has them, and what is of this node. Without the section they are as usual where
/// devices can call them and the relay is this process (`has_relay`). `None` for no rooms. Devices send media,
/// and so what is about slides, to `addresses`.
pub(super) fn read(
    mut table: Table<'_>,
    sip: &Sip,
    addresses: &[IpAddr],
    has_relay: bool,
) -> Option<(Rooms, RoomsSection)> {
    let has_tls = sip.listeners.iter().any(|each| each.protocol == model::TransportProtocol::Tls);
    if !table.is_present() {
        table.finish();
        let are_reached = has_tls && has_relay;
        let rooms = Rooms::usual(&sip.domain).filter(|_| are_reached)?;
        return Some((rooms, RoomsSection::default()));
    }
    let is_enabled = table.or("enabled", true, value::boolean);
    let domain = table.or("domain", sip.domain.as_str().into(), value::shared_text);
    let rooms = Rooms {
        regions: table.tables("regions", read_region),
        require_srtp: table.or("require_srtp", true, value::boolean),
        allow_plain: table.list("allow_plain", value::network).unwrap_or_default(),
        numbers: table.list("numbers", value::shared_text).unwrap_or_default(),
        max_calls: table.or("max_calls", Rooms::DEFAULT_MAX_CALLS, value::integer),
        max_calls_per_source: table.or(
            "max_calls_per_source",
            Rooms::DEFAULT_MAX_CALLS_PER_SOURCE,
            value::integer,
        ),
        video: table.or("video", true, value::boolean),
        video_hd: table.or("video_hd", false, value::boolean),
        logging: read_logging(table.table("logging")),
        call_out: call_out::read(table.table("call_out")),
        ..Rooms::new(&domain)
    };
    if rooms.video_hd && !rooms.video {
        table.warn_at("video_hd", "there are no pictures: video is false; leave out video_hd");
    }
    if is_enabled && !has_tls && rooms.allow_plain.is_empty() && !table.has("guests") {
        let message = "nobody can call the rooms: [sip] has no tls listener, and allow_plain is \
             empty; add tls = [\"0.0.0.0:5061\"] to [sip]";
        table.warn_at("domain", message);
    }
    let usual = RoomsSection::default();
    let prompts = read_prompts(&mut table);
    let language = table.or("language", usual.language, language);
    let is_said = |(known, _): &(String, String)| known == language.as_str();
    if !has_built_in(language.as_str()) && !prompts.files.keys().any(is_said) {
        let message = format!(
            "there is not one prompt in {0}, so English is heard; add the folder {0} to the directory of prompts",
            language.as_str()
        );
        table.warn_at("language", message);
    }
    let country_code = table.optional("country_code", call_out::country_code);
    let section = RoomsSection {
        prompts,
        threads: table.or("threads", usual.threads, |v| value::within(value::integer(v)?, THREADS)),
        max_participants: table.or("max_participants", usual.max_participants, |v| {
            value::within(value::integer(v)?, PARTICIPANTS)
        }),
        max_pictures: table.or("max_pictures", usual.max_pictures, |v| {
            value::within(value::integer(v)?, PARTICIPANTS)
        }),
        language,
        languages: languages::read(&mut table, &rooms.regions),
        menus: menus::read(table.table("menus")),
        call_out: rooms.call_out.is_some(),
        country_code,
        bfcp: floor::read(&mut table, sip, addresses),
        meetings: read_meetings(&mut table),
        guests: guests::read(table.table("guests"), sip),
        recording: recording::read(table.table("recording")),
        grid: grid::read(table.table("grid"), rooms.video),
    };
    table.finish();
    is_enabled.then_some((rooms, section))
}

fn read_region(mut table: Table<'_>) -> Option<Arc<str>> {
    let code = table.required("code", "code = \"us-east-1\"", value::shared_text);
    table.finish();
    code
}

fn language(value: &DeValue<'_>) -> Result<Language, String> {
    Language::parse(value::text(value)?)
}

fn read_prompts(table: &mut Table<'_>) -> RoomPrompts {
    let mut prompts = RoomPrompts::default();
    if let Some(directory) = table.optional("prompts", value::shared_text) {
        match files_in(Path::new(&*directory)) {
            Ok((files, strays)) => {
                prompts.files = files;
                for stray in strays.iter().take(MOST_STRAYS) {
                    let message = format!("{stray:?} is not played: no prompt has this name");
                    table.warn_at("prompts", message);
                }
            }
            Err(error) => table.error_at(
                "prompts",
                format!(
                    "{directory:?} cannot be read: {error}; name a folder that has one for each \
                     language, such as en"
                ),
            ),
        }
        prompts.files.values().for_each(|path| note_sound(table, "prompts", path));
        warn_of_missing(table, &prompts.files);
        prompts.directory = Some(directory);
    }
    if let Some(music) = table.optional("music", value::shared_text) {
        note_sound(table, "music", &music);
        prompts.music = Some(music);
    }
    prompts
}

/// A file that goes to the relay with each order.
fn note_sound(table: &Table<'_>, key: &'static str, path: &Arc<str>) {
    // One that is not there is said by whoever reads it.
    let octets = std::fs::metadata(&**path).map_or(0, |described| described.len());
    if octets > RoomPrompts::MOST_OCTETS {
        let most = RoomPrompts::MOST_OCTETS;
        let advice = "make it shorter, or µ-law at 8,000 Hz";
        table.error_at(
            key,
            format!("{key}: {path:?} has {octets} octets, and may have {most}; {advice}"),
        );
    }
    table.note_sent_audio_file(key, path);
}

/// Says which prompts a language lacks that has some: English is heard in between.
fn warn_of_missing(table: &Table<'_>, files: &PromptFiles) {
    let languages: BTreeSet<&str> = files.keys().map(|(language, _)| language.as_str()).collect();
    let names: Vec<_> = Prompt::all().filter_map(|(prompt, _)| prompt.name()).collect();
    for language in languages.into_iter().filter(|language| !has_built_in(language)) {
        let is_missing =
            |name: &&str| !files.contains_key(&(language.to_owned(), (*name).to_owned()));
        let missing: Vec<&str> = names.iter().map(|name| &**name).filter(is_missing).collect();
        if !missing.is_empty() {
            let (count, all, which) = (missing.len(), names.len(), missing.join(", "));
            let message = format!(
                "{language} lacks {count} of {all} prompts, which are heard in English: {which}"
            );
            table.warn_at("prompts", message);
        }
    }
}

/// LANGUAGE/NAME.wav of every prompt that has one, and WAV files there that are none.
fn files_in(directory: &Path) -> std::io::Result<(PromptFiles, BTreeSet<String>)> {
    let names: BTreeSet<_> = Prompt::all().filter_map(|(prompt, _)| prompt.name()).collect();
    let (mut files, mut strays) = (PromptFiles::new(), BTreeSet::new());
    for folder in std::fs::read_dir(directory)? {
        let folder = folder?.path();
        let Some(language) = folder.file_name().and_then(|name| name.to_str()) else { continue };
        if Language::parse(language).is_err() || !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&folder)? {
            let file = file?.path();
            let is_wav = file.extension().is_some_and(|extension| extension == "wav");
            let stem = file.file_stem().and_then(|stem| stem.to_str());
            let Some((path, name)) = file.to_str().zip(stem).filter(|_| is_wav) else { continue };
            if names.contains(name) {
                files.insert((language.to_owned(), name.to_owned()), path.into());
            } else {
                strays.insert(format!("{language}/{name}.wav"));
            }
        }
    }
    Ok((files, strays))
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::tests::{accepts, errors, warnings, with};
    use directory::Rooms;

    #[test]
    fn without_the_section_they_are_as_usual_where_devices_can_call() {
        let config = accepts("");
        assert!(config.resources.rooms.is_none() && config.directory.rooms().is_none());
        let text = "[node]\n[sip]\ndomain = \"example.com\"\ntls = [\"127.0.0.1:5061\"]\n";
        let config = Config::parse(text, "t.toml").unwrap();
        let said = Config::parse(&format!("{text}[rooms]\n"), "t.toml").unwrap();
        let rooms = config.resources.rooms.clone().unwrap();
        assert_eq!(rooms.host(), format!("meet.{}", config.directory.domain()));
        assert_eq!(Some(Rooms { is_configured: true, ..rooms }), said.resources.rooms);
        assert_eq!(config.rooms, said.rooms, "all as usual");
        // Whoever has not asked for rooms is kept from nothing by them.
        let rule = "[[sip_media_application]]\nid = \"123e4567-e89b-42d3-a456-426614174000\"\n\
             endpoint = \"http://127.0.0.1:9000/\"\n[[sip_rule]]\nid = \"menu\"\n\
             request_uri_hostname = \"meet.example.com\"\n\
             targets = [{ application = \"123e4567-e89b-42d3-a456-426614174000\", priority = 1 }]\n";
        let config = Config::parse(&format!("{text}{rule}"), "t.toml").unwrap();
        assert!(config.rooms.is_none() && config.directory.rooms().is_none());
        assert!(Config::parse(&format!("{text}[rooms]\n{rule}"), "t.toml").is_err());
        let elsewhere = "[relay_control]\nrelays = [\"192.0.2.2:5090\"]\n\
             certificate = \"edge.pem\"\nkey = \"edge.key\"\nca = \"ca.pem\"\n";
        for other in ["[rooms]\nenabled = false\n", elsewhere] {
            let config = Config::parse(&format!("{text}{other}"), "t.toml").unwrap();
            assert!(config.rooms.is_none() && config.directory.rooms().is_none(), "{other}");
        }
    }

    #[test]
    fn the_section_has_its_defaults() {
        let config = accepts("[rooms]\n");
        let rooms = config.resources.rooms.clone().unwrap();
        assert_eq!(rooms, Rooms::new(config.directory.domain()));
        assert!(rooms.require_srtp && rooms.allow_plain.is_empty());
        assert_eq!((rooms.max_calls, rooms.max_calls_per_source), (500, 50));
        assert!(rooms.video && !rooms.video_hd);
        let reached = config.directory.rooms_by_host(&rooms.host());
        assert!(reached.is_some_and(|reached| reached.region().is_none()));
    }

    #[test]
    fn the_section_says_all_of_it() {
        let config = accepts(
            "[rooms]\ndomain = \"example.com\"\nregions = [{ code = \"eu\" }, { code = \"us-1\" }]\n\
             require_srtp = false\nallow_plain = [\"192.0.2.7\", \"198.51.100.0/24\"]\n\
             numbers = [\"+12065550777\"]\nmax_calls = 20\nmax_calls_per_source = 7\n\
             video = true\nvideo_hd = true\n\
             logging = { media_metrics = true, hep_sample = 0.5 }\n\
             threads = 2\nmax_participants = 30\nmax_pictures = 8\nlanguage = \"ja\"\nmusic = \"music.wav\"\n",
        );
        let rooms = config.resources.rooms.clone().unwrap();
        assert_eq!(
            rooms.hosts(),
            ["meet.example.com", "meet.eu.example.com", "meet.us-1.example.com"]
        );
        assert!(!rooms.require_srtp && rooms.max_calls == 20 && rooms.video && rooms.video_hd);
        assert_eq!(rooms.max_calls_per_source, 7);
        let target = config.directory.rooms_by_number("+12065550777").unwrap();
        let logging = target.connector.logging;
        assert!(logging.media_metrics && !logging.sip_messages && logging.hep_share == Some(5_000));
        assert!(config.directory.rooms_by_number("+12065550777").is_some());
        let section = config.rooms.unwrap();
        assert_eq!((section.threads, section.max_participants), (2, 30));
        assert_eq!(section.max_pictures, 8);
        assert_eq!(section.language.as_str(), "ja");
        assert_eq!(section.prompts.music.as_deref(), Some("music.wav"));
        assert!(config.audio_files.iter().any(|file| &*file.path == "music.wav"));
    }

    #[test]
    fn high_definition_without_pictures_is_warned_of() {
        let found = warnings("[rooms]\nvideo = false\nvideo_hd = true");
        let is_it = |said: &String| said.contains("there are no pictures: video is false");
        assert_eq!(found.iter().filter(|said| is_it(said)).count(), 1, "{found:?}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, message) in [
            ("domain = \"a b\"", "domain: \"a b\" is not a domain name; write one such as"),
            ("regions = [\"eu\"]", "regions"),
            ("regions = [{}]", "[rooms.regions] needs `code`"),
            (
                "regions = [{ code = \"a.b\" }]",
                "code: \"a.b\" cannot stand in meet.<code>.<domain>",
            ),
            ("enabled = 1", "enabled: expected true or false"),
            ("require_srtp = 1", "require_srtp: expected true or false"),
            ("allow_plain = [\"meeting\"]", "allow_plain"),
            ("allow_plain = [\"192.0.2.1/24\"]", "allow_plain: 192.0.2.1/24 has bits set"),
            ("numbers = [\"4711\"]", "numbers: \"4711\" is not an E.164 number"),
            ("video = \"on\"", "video: expected true or false"),
            ("video_hd = 1", "video_hd: expected true or false"),
            ("max_calls = 0", "max_calls: 0 is out of range; use 1 to 1000000"),
            (
                "max_calls_per_source = 0",
                "max_calls_per_source: 0 is out of range; use 1 to 1000000",
            ),
            ("logging = { sip = true }", "unknown key `sip` in [rooms.logging]"),
            ("logging = { sip_messages = 1 }", "sip_messages: expected true or false"),
            ("pin = 1", "unknown key `pin` in [rooms]"),
            ("threads = 0", "threads: 0 is out of range; use 1 to 64"),
            ("max_participants = 0", "max_participants: 0 is out of range; use 1 to 65536"),
            ("max_pictures = 0", "max_pictures: 0 is out of range; use 1 to 65536"),
            ("language = \"English\"", "language: \"English\" is no language: write one as"),
            ("prompts = \"/no/such/folder\"", "prompts: \"/no/such/folder\" cannot be read: "),
        ] {
            let found = errors(&with(&format!("[rooms]\n{text}")));
            let expected = format!("t.toml:5: {message}");
            assert!(found.starts_with(&expected), "{text}: {found}");
            assert_eq!(found.lines().count(), 1, "{found}");
        }
    }

    #[test]
    fn prompts_are_found_by_language_and_name() {
        let place = std::env::temp_dir().join(format!("tandem-prompts-{}", std::process::id()));
        for file in ["en/welcome.wav", "en/unknown.wav", "pt-BR/key-1.wav", "Notes/welcome.wav"] {
            let file = place.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, b"").unwrap();
        }
        let config = accepts(&format!("[rooms]\nprompts = {:?}\n", place.display().to_string()));
        std::fs::remove_dir_all(&place).unwrap();
        let warned = |what: &str| config.warnings.iter().any(|w| w.in_file("").contains(what));
        assert!(warned("prompts: \"en/unknown.wav\" is not played: no prompt has this name"));
        assert!(warned("prompts: pt-BR lacks 78 of 79 prompts, which are heard in English: "));
        assert!(!warned("en lacks"), "the binary has them");
        let prompts = config.rooms.unwrap().prompts;
        let found: Vec<_> = prompts.files.keys().map(|(l, name)| format!("{l}/{name}")).collect();
        assert_eq!(found, ["en/welcome", "pt-BR/key-1"]);
        assert_eq!(config.audio_files.len(), 2, "tandem check reads them");
    }

    #[test]
    fn a_language_without_prompts_is_warned_of() {
        let of = |language: &str| warnings(&format!("[rooms]\nlanguage = {language:?}\n"));
        let found = of("de");
        assert!(
            found.iter().any(|warning| warning.contains("language: there is not one prompt in de")),
            "{found:?}"
        );
        let found = of("ja");
        assert!(!found.iter().any(|warning| warning.contains("language:")), "{found:?}");
    }
}
