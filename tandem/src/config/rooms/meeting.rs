//! `[[rooms.meeting]]`: rooms that are always there, with IDs that stay.

use super::super::reader::Table;
use super::super::value;
use jiff::Timestamp;
use model::{PictureLayout, UnixTime};
use room_core::{
    Access, Announce, AttendeeNumber, Clash, CreateMeeting, FloorPolicy, Language, LastModerator,
    MOST_PEOPLE, MeetingId, MeetingRecord, MeetingSettings, ModeratorNumber, Passcode, Plan,
    WARNING_MINUTES, WhenLocked,
};
use toml::de::DeValue;

/// A day, in seconds.
const DAY: u32 = 86_400;
/// Seconds that a scheduled meeting may last longer, as one of the API.
const GRACE: u32 = 15 * 60;

const ACCESS: &[(&str, Access)] =
    &[("open", Access::Open), ("moderated", Access::Moderated), ("admitted", Access::Admitted)];
const WHEN_LOCKED: &[(&str, WhenLocked)] =
    &[("refuse", WhenLocked::Refuse), ("knock", WhenLocked::Knock)];
const ANNOUNCE: &[(&str, Announce)] =
    &[("tone", Announce::Tone), ("name", Announce::Name), ("off", Announce::Off)];
const SLIDES: &[(&str, FloorPolicy)] = &[
    ("everyone", FloorPolicy::Everyone),
    ("asked", FloorPolicy::Asked),
    ("moderators", FloorPolicy::Moderators),
    ("nobody", FloorPolicy::Nobody),
];
const LAYOUT: &[(&str, PictureLayout)] =
    &[("speaker", PictureLayout::Speaker), ("grid", PictureLayout::Grid)];
/// How many seconds stand in a key of their own.
const END_AFTER: &str = "end-after";
const LAST_MODERATOR: &[(&str, LastModerator)] = &[
    ("continue", LastModerator::Continue),
    (END_AFTER, LastModerator::EndAfter(0)),
    ("promote", LastModerator::Promote),
    ("back-to-waiting", LastModerator::BackToWaiting),
];

/// A meeting of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FileMeeting {
    pub(crate) record: MeetingRecord,
    /// Where its `attendee_id` and `moderator_id` stand, counted from 1.
    lines: [usize; 2],
}

impl FileMeeting {
    /// The key that one of its IDs stands under, and its line.
    pub(crate) fn place(&self, clash: Clash) -> (&'static str, usize) {
        let [attendee, moderator] = self.lines;
        match clash {
            Clash::Attendee => ("attendee_id", attendee),
            Clash::Moderator => ("moderator_id", moderator),
        }
    }
}

/// All of them; two that cannot be told apart are an error.
pub(super) fn read_meetings(table: &mut Table<'_>) -> Vec<FileMeeting> {
    let mut others = Vec::new();
    table.tables("meeting", |table| read_meeting(table, &mut others))
}

fn read_meeting(mut table: Table<'_>, others: &mut Vec<FileMeeting>) -> Option<FileMeeting> {
    let name = table.required("name", "name = \"Board room\"", value::string);
    let attendee = table.required("attendee_id", "attendee_id = \"4081234567\"", attendee_number);
    let example = "moderator_id = \"7035550123456\"";
    let moderator = table.required("moderator_id", example, moderator_number);
    let passcode = table.optional("passcode", passcode);
    let settings = read_settings(&mut table, name.clone().unwrap_or_default());
    if let Err(fault) = settings.check() {
        table.error_at(fault.setting, format!("must be {}", fault.must));
    }
    let lines = ["attendee_id", "moderator_id"].map(|key| table.line_of(key));
    let meeting = name.zip(attendee).zip(moderator).map(|((name, attendee), moderator)| {
        let record = MeetingRecord {
            meeting_id: id_of(attendee),
            attendee_number: attendee,
            moderator_number: moderator,
            passcode,
            request: CreateMeeting {
                // No request of the API can have it: it takes letters, digits, - and _.
                client_request_token: format!("[[rooms.meeting]] {}", String::from(attendee)),
                media_region: "local".to_owned(),
                external_meeting_id: name,
                ..CreateMeeting::default()
            },
            settings,
            created: UnixTime::from_millis(0),
            attendees: Vec::new(),
        };
        FileMeeting { record, lines }
    });
    if let Some(meeting) = &meeting {
        tell_apart(&table, &meeting.record, others);
        others.push(meeting.clone());
    }
    table.finish();
    meeting
}

/// Says which of its IDs is another's, or could be taken for it.
fn tell_apart(table: &Table<'_>, record: &MeetingRecord, others: &[FileMeeting]) {
    if record.moderator_number.begins_with(record.attendee_number) {
        let why =
            "begins with the attendee_id, which who types it would be taken for; give another";
        table.error_at("moderator_id", why);
    }
    for other in others {
        let Some(clash) = record.clash(&other.record) else { continue };
        let is_same = match clash {
            Clash::Attendee => record.attendee_number == other.record.attendee_number,
            Clash::Moderator => record.moderator_number == other.record.moderator_number,
        };
        let (key, line) = other.place(clash);
        let name = &other.record.settings.name;
        let why = match clash {
            _ if is_same => format!("is that of {name:?} too (line {line})"),
            Clash::Attendee => format!("the moderator_id of {name:?} begins with it"),
            Clash::Moderator => format!("begins with the attendee_id of {name:?}"),
        };
        table.error_at(key, format!("{why}; give each meeting IDs of its own"));
    }
}

fn read_settings(table: &mut Table<'_>, name: String) -> MeetingSettings {
    let usual = MeetingSettings::default();
    MeetingSettings {
        name,
        plan: read_plan(table),
        access: table.or("access", usual.access, |v| one_of(v, ACCESS)),
        when_locked: table.or("when_locked", usual.when_locked, |v| one_of(v, WHEN_LOCKED)),
        announce: table.or("announce", usual.announce, |v| one_of(v, ANNOUNCE)),
        last_moderator: read_last_moderator(table),
        capacity: table
            .or("capacity", usual.capacity, |v| value::within(value::integer(v)?, 1..=MOST_PEOPLE)),
        empty_seconds: table.or("empty_seconds", usual.empty_seconds, up_to_a_day),
        longest_minutes: table.or("longest_minutes", usual.longest_minutes, |v| {
            value::within(value::integer(v)?, 1..=2_880)
        }),
        warnings: table.list("warnings", warning).map_or(usual.warnings, |mut minutes| {
            minutes.sort_unstable();
            minutes.dedup();
            minutes
        }),
        waiting_minutes: table.or("waiting_minutes", usual.waiting_minutes, |v| {
            value::within(value::integer(v)?, 1..=240)
        }),
        vanished_seconds: table.or("vanished_seconds", usual.vanished_seconds, |v| {
            value::within(value::integer(v)?, 5..=600)
        }),
        unmute_oneself: table.or("unmute_oneself", usual.unmute_oneself, value::boolean),
        confirm_called: table.or("confirm_called", usual.confirm_called, value::boolean),
        floor: table.or("slides", usual.floor, |v| one_of(v, SLIDES)),
        layout: table.or("layout", usual.layout, |v| one_of(v, LAYOUT)),
        language: table.optional("language", |v| Language::parse(value::text(v)?)),
    }
}

/// Always, unless it is said from when to when.
fn read_plan(table: &mut Table<'_>) -> Plan {
    let (has_start, has_end) = (table.has("start"), table.has("end"));
    let (start, end) = (table.optional("start", time), table.optional("end", time));
    let grace = table.optional("grace_seconds", up_to_a_day);
    for (key, is_missing, other) in
        [("start", has_start && !has_end, "end"), ("end", has_end && !has_start, "start")]
    {
        if is_missing {
            table.error_at(key, format!("is nothing without {other}; give both or none"));
        }
    }
    if grace.is_some() && !has_start && !has_end {
        let why = "is of a scheduled meeting; give start and end, or leave it out";
        table.error_at("grace_seconds", why);
    }
    match start.zip(end) {
        Some((start, end)) => Plan::Scheduled { start, end, grace_seconds: grace.unwrap_or(GRACE) },
        None => Plan::Personal,
    }
}

fn read_last_moderator(table: &mut Table<'_>) -> LastModerator {
    let what = table.optional("last_moderator", |v| one_of(v, LAST_MODERATOR));
    let seconds = table.optional("end_after_seconds", up_to_a_day);
    match (what, seconds) {
        (Some(LastModerator::EndAfter(_)), Some(seconds)) => LastModerator::EndAfter(seconds),
        (Some(LastModerator::EndAfter(_)), None) => {
            if !table.has("end_after_seconds") {
                let why = "says not when; add a line such as end_after_seconds = 60";
                table.error_at("last_moderator", why);
            }
            LastModerator::Continue
        }
        (what, seconds) => {
            if seconds.is_some() {
                let why = format!("is nothing without last_moderator = {END_AFTER:?}");
                table.error_at("end_after_seconds", why);
            }
            what.unwrap_or(LastModerator::Continue)
        }
    }
}

/// The same for the same number, at each start.
fn id_of(number: AttendeeNumber) -> MeetingId {
    // SplitMix64 spreads the digits.
    let mut state = String::from(number).parse::<u64>().unwrap_or_default();
    MeetingId::draw(&mut || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    })
}

fn attendee_number(value: &DeValue<'_>) -> Result<AttendeeNumber, String> {
    AttendeeNumber::parse(value::text(value)?).map_err(|error| error.to_string())
}

fn moderator_number(value: &DeValue<'_>) -> Result<ModeratorNumber, String> {
    ModeratorNumber::parse(value::text(value)?).map_err(|error| error.to_string())
}

fn passcode(value: &DeValue<'_>) -> Result<Passcode, String> {
    Passcode::parse(value::text(value)?).map_err(|error| error.to_string())
}

fn up_to_a_day(value: &DeValue<'_>) -> Result<u32, String> {
    value::within(value::integer(value)?, 0..=DAY)
}

fn warning(value: &DeValue<'_>) -> Result<u8, String> {
    let minutes = value::integer(value)?;
    match WARNING_MINUTES.contains(&minutes) {
        true => Ok(minutes),
        false => Err(format!("{minutes} minutes are not said; use any of {WARNING_MINUTES:?}")),
    }
}

/// A date of TOML or a text, either with its zone.
fn time(value: &DeValue<'_>) -> Result<UnixTime, String> {
    let text = match value {
        DeValue::Datetime(date) => date.to_string(),
        value => value::text(value)?.to_owned(),
    };
    let read = text.parse::<Timestamp>().ok();
    let millis = read.and_then(|at| u64::try_from(at.as_millisecond()).ok());
    millis.map(UnixTime::from_millis).ok_or_else(|| {
        format!(
            "{text:?} is no time with its zone; write one such as 2026-03-31T09:00:00Z or \
             2026-03-31T18:00:00+09:00"
        )
    })
}

fn one_of<T: Copy>(value: &DeValue<'_>, known: &[(&str, T)]) -> Result<T, String> {
    let given = value::text(value)?;
    if let Some((_, found)) = known.iter().find(|(word, _)| *word == given) {
        return Ok(*found);
    }
    let words: Vec<String> = known.iter().map(|(word, _)| format!("{word:?}")).collect();
    let use_one = match words.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => words.concat(),
    };
    Err(format!("{given:?} is unknown; use {use_one}"))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{accepts, errors, with};
    use model::UnixTime;
    use room_core::{
        Access, Announce, FloorPolicy, LastModerator, MeetingRecord, MeetingSettings, Plan,
        WhenLocked,
    };

    const MEETING: &str =
        "name = \"Board\"\nattendee_id = \"4081234567\"\nmoderator_id = \"7035550123456\"\n";

    fn meeting(more: &str) -> MeetingRecord {
        let config = accepts(&format!("[rooms]\n[[rooms.meeting]]\n{MEETING}{more}"));
        config.rooms.unwrap().records().remove(0)
    }

    #[test]
    fn a_meeting_has_the_same_id_at_each_start() {
        let text = "passcode = \"987654\"\naccess = \"moderated\"\n";
        let [one, other] = [text, text].map(meeting);
        assert_eq!(one, other);
        assert!(one.passcode.as_ref().unwrap().matches("987654"));
        assert_eq!(one.settings.access, Access::Moderated);
    }

    #[test]
    fn what_is_not_said_is_as_the_api_has_it() {
        let usual = MeetingSettings {
            name: "Board".into(),
            plan: Plan::Personal,
            ..MeetingSettings::default()
        };
        assert_eq!(meeting("").settings, usual);
    }

    #[test]
    fn all_that_is_set_for_meetings_can_be_said() {
        let settings = meeting(
            "access = \"admitted\"\nwhen_locked = \"knock\"\nannounce = \"name\"\nslides = \"asked\"\n\
             layout = \"grid\"\nlanguage = \"ja\"\ncapacity = 250\nwaiting_minutes = 240\n\
             unmute_oneself = false\nconfirm_called = false\nlast_moderator = \"end-after\"\n\
             end_after_seconds = 90\nempty_seconds = 0\nlongest_minutes = 2880\nwarnings = [10, 1, 10]\n\
             vanished_seconds = 5\nstart = 2026-03-31T09:00:00Z\nend = \"2026-03-31T19:00:00+09:00\"\n\
             grace_seconds = 60\n",
        )
        .settings;
        let at = |seconds: u64| UnixTime::from_millis(seconds * 1_000);
        let (start, end) = (at(1_774_947_600), at(1_774_951_200));
        let expected = MeetingSettings {
            name: "Board".into(),
            plan: Plan::Scheduled { start, end, grace_seconds: 60 },
            access: Access::Admitted,
            when_locked: WhenLocked::Knock,
            announce: Announce::Name,
            last_moderator: LastModerator::EndAfter(90),
            capacity: 250,
            empty_seconds: 0,
            longest_minutes: 2_880,
            warnings: vec![1, 10],
            waiting_minutes: 240,
            vanished_seconds: 5,
            unmute_oneself: false,
            confirm_called: false,
            floor: FloorPolicy::Asked,
            layout: model::PictureLayout::Grid,
            language: Some(room_core::Language::parse("ja").unwrap()),
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, message) in [
            ("access = \"closed\"", 9, "access: \"closed\" is unknown; use \"open\""),
            ("announce = \"song\"", 9, "announce: \"song\" is unknown; use \"tone\", \"name\""),
            ("slides = \"me\"", 9, "slides: \"me\" is unknown; use \"everyone\", \"asked\""),
            ("layout = \"all\"", 9, "layout: \"all\" is unknown; use \"speaker\" or \"grid\""),
            ("when_locked = true", 9, "when_locked: expected a string in quotes"),
            ("last_moderator = \"end\"", 9, "last_moderator: \"end\" is unknown; use \"continue\""),
            ("last_moderator = \"end-after\"", 9, "last_moderator: says not when; add a line such"),
            ("end_after_seconds = 60", 9, "end_after_seconds: is nothing without last_moderator"),
            (
                "last_moderator = \"end-after\"\nend_after_seconds = 86401",
                10,
                "end_after_seconds: 86401 is out of range; use 0 to 86400",
            ),
            ("capacity = 0", 9, "capacity: 0 is out of range; use 1 to 250"),
            ("capacity = 251", 9, "capacity: 251 is out of range; use 1 to 250"),
            ("capacity = \"many\"", 9, "capacity: expected a whole number"),
            ("empty_seconds = 86401", 9, "empty_seconds: 86401 is out of range"),
            ("longest_minutes = 0", 9, "longest_minutes: 0 is out of range; use 1 to 2880"),
            ("longest_minutes = 2881", 9, "longest_minutes: 2881 is out of range"),
            ("waiting_minutes = 241", 9, "waiting_minutes: 241 is out of range; use 1 to 240"),
            ("vanished_seconds = 4", 9, "vanished_seconds: 4 is out of range; use 5 to 600"),
            ("warnings = [5,\n4]", 10, "warnings: 4 minutes are not said; use any of [1, 2, 3, 5"),
            ("unmute_oneself = 1", 9, "unmute_oneself: expected true or false"),
            ("language = \"English\"", 9, "language: \"English\" is no language"),
            ("start = 2026-03-31T09:00:00Z", 9, "start: is nothing without end; give both or none"),
            ("grace_seconds = 1", 9, "grace_seconds: is of a scheduled meeting"),
            (
                "start = 2026-03-31T09:00:00Z\nend = 2026-03-31T10:00:00",
                10,
                "end: \"2026-03-31T10:00:00\" is no time with its zone; write one such as",
            ),
            (
                "start = 2026-03-31T09:00:00Z\nend = 2026-03-31T09:00:00Z",
                9,
                "start: must be before end",
            ),
            ("passcode = \"12\"", 9, "passcode: "),
            ("pin = \"12\"", 9, "unknown key `pin`"),
            ("[[rooms.meeting]]\nattendee_id = \"408\"", 10, "attendee_id: "),
        ] {
            let found = errors(&with(&format!("[rooms]\n[[rooms.meeting]]\n{MEETING}{text}")));
            let expected = format!("t.toml:{line}: {message}");
            assert!(found.contains(&expected), "{text}: {found}");
            assert!(!found.contains("\"12\""), "{found}");
        }
    }

    #[test]
    fn ids_of_two_meetings_are_unlike() {
        for (attendee, moderator, expected) in [
            (
                "4081234567",
                "7035550123457",
                "11: attendee_id: is that of \"Board\" too (line 7); give each meeting IDs of its own",
            ),
            ("4081234568", "7035550123456", "12: moderator_id: is that of \"Board\" too (line 8)"),
            (
                "7035550123",
                "8035550123456",
                "11: attendee_id: the moderator_id of \"Board\" begins",
            ),
            ("4081234568", "4081234567000", "12: moderator_id: begins with the attendee_id of \"B"),
            ("4081234568", "4081234568000", "12: moderator_id: begins with the attendee_id, which"),
        ] {
            let found = errors(&with(&format!(
                "[rooms]\n[[rooms.meeting]]\n{MEETING}[[rooms.meeting]]\nname = \"b\"\n\
                 attendee_id = \"{attendee}\"\nmoderator_id = \"{moderator}\"\n"
            )));
            assert!(found.starts_with(&format!("t.toml:{expected}")), "{found}");
            assert_eq!(found.lines().count(), 1, "{found}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_shown_is_said_with_its_line() {
        let name = "x".repeat(65);
        let text = format!(
            "[rooms]\n[[rooms.meeting]]\nname = \"{name}\"\nattendee_id = \"4081234567\"\n\
             moderator_id = \"7035550123456\"\n"
        );
        let expected = "t.toml:6: name: must be at most 64 printable characters";
        assert_eq!(errors(&with(&text)), expected);
    }
}
