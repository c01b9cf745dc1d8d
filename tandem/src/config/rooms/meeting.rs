//! `[[rooms.meeting]]`: rooms that are always there, with IDs that stay.

use super::super::reader::Table;
use super::super::value;
use model::{PictureLayout, UnixTime};
use room_core::{
    Access, Announce, AttendeeNumber, CreateMeeting, FloorPolicy, MeetingId, MeetingRecord,
    MeetingSettings, ModeratorNumber, Passcode, Plan, Registry, StoredMeeting,
};
use toml::de::DeValue;

/// All of them; two that cannot be told apart are an error.
pub(super) fn read_meetings(table: &mut Table<'_>) -> Vec<MeetingRecord> {
    let mut registry = Registry::default();
    table.tables("meeting", |table| read_meeting(table, &mut registry))
}

fn read_meeting(mut table: Table<'_>, others: &mut Registry) -> Option<MeetingRecord> {
    let name = table.required("name", "name = \"Board room\"", value::string);
    let attendee = table.required("attendee_id", "attendee_id = \"4081234567\"", attendee_number);
    let example = "moderator_id = \"7035550123456\"";
    let moderator = table.required("moderator_id", example, moderator_number);
    let passcode = table.optional("passcode", passcode);
    let settings = MeetingSettings {
        name: name.clone().unwrap_or_default(),
        plan: Plan::Personal,
        access: table.or("access", Access::Open, access),
        announce: table.or("announce", Announce::Tone, announce),
        floor: table.or("slides", FloorPolicy::Everyone, slides),
        layout: table.or("layout", PictureLayout::Speaker, layout),
        ..MeetingSettings::default()
    };
    let record =
        name.zip(attendee).zip(moderator).map(|((name, attendee_number), moderator_number)| {
            MeetingRecord {
                meeting_id: id_of(attendee_number),
                attendee_number,
                moderator_number,
                passcode,
                request: CreateMeeting {
                    client_request_token: format!(
                        "configuration-{}",
                        String::from(attendee_number)
                    ),
                    media_region: "local".to_owned(),
                    meeting_host_id: None,
                    external_meeting_id: name,
                    meeting_features: None,
                    primary_meeting_id: None,
                    tenant_ids: Vec::new(),
                    tags: Vec::new(),
                },
                settings,
                created: UnixTime::from_millis(0),
                attendees: Vec::new(),
            }
        });
    if let Some(record) = &record
        && let Err(error) = others.restore(StoredMeeting::V1(record.clone()))
    {
        table.error(format!("this meeting cannot be: {error}"));
    }
    table.finish();
    record
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

fn access(value: &DeValue<'_>) -> Result<Access, String> {
    Ok(match value::text(value)? {
        "open" => Access::Open,
        "moderated" => Access::Moderated,
        "admitted" => Access::Admitted,
        other => {
            let known = "use \"open\", \"moderated\" or \"admitted\"";
            return Err(format!("{other:?} is unknown; {known}"));
        }
    })
}

fn announce(value: &DeValue<'_>) -> Result<Announce, String> {
    Ok(match value::text(value)? {
        "off" => Announce::Off,
        "tone" => Announce::Tone,
        "name" => Announce::Name,
        other => {
            let known = "use \"tone\", \"name\" or \"off\"";
            return Err(format!("{other:?} is unknown; {known}"));
        }
    })
}

fn slides(value: &DeValue<'_>) -> Result<FloorPolicy, String> {
    Ok(match value::text(value)? {
        "everyone" => FloorPolicy::Everyone,
        "asked" => FloorPolicy::Asked,
        "moderators" => FloorPolicy::Moderators,
        "nobody" => FloorPolicy::Nobody,
        other => {
            let known = "use \"everyone\", \"asked\", \"moderators\" or \"nobody\"";
            return Err(format!("{other:?} is unknown; {known}"));
        }
    })
}

fn layout(value: &DeValue<'_>) -> Result<PictureLayout, String> {
    Ok(match value::text(value)? {
        "speaker" => PictureLayout::Speaker,
        "grid" => PictureLayout::Grid,
        other => return Err(format!("{other:?} is unknown; use \"speaker\" or \"grid\"")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{accepts, errors, with};
    use room_core::{Access, Announce, FloorPolicy};

    const MEETING: &str =
        "name = \"Board\"\nattendee_id = \"4081234567\"\nmoderator_id = \"7035550123456\"\n";

    #[test]
    fn a_meeting_has_the_same_id_at_each_start() {
        let text = format!(
            "[rooms]\n[[rooms.meeting]]\n{MEETING}passcode = \"987654\"\naccess = \"moderated\"\n\
             slides = \"asked\"\nlayout = \"grid\"\nannounce = \"name\"\n"
        );
        let [one, other] = [&text, &text].map(|text| accepts(text).rooms.unwrap().meetings);
        assert_eq!(one, other);
        assert_eq!((one.len(), one[0].settings.access), (1, Access::Moderated));
        assert_eq!(one[0].settings.floor, FloorPolicy::Asked);
        assert_eq!(one[0].settings.layout, model::PictureLayout::Grid);
        assert_eq!(one[0].settings.announce, Announce::Name);
        assert!(one[0].passcode.as_ref().unwrap().matches("987654"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, message) in [
            ("access = \"closed\"", 9, "access: \"closed\" is unknown; use \"open\""),
            ("announce = \"song\"", 9, "announce: \"song\" is unknown; use \"tone\", \"name\""),
            ("slides = \"me\"", 9, "slides: \"me\" is unknown; use \"everyone\", \"asked\""),
            ("layout = \"all\"", 9, "layout: \"all\" is unknown; use \"speaker\" or \"grid\""),
            ("passcode = \"12\"", 9, "passcode: "),
            ("pin = \"12\"", 9, "unknown key `pin`"),
            (
                "[[rooms.meeting]]\nname = \"b\"\nattendee_id = \"4081234567\"\nmoderator_id = \"7035550123457\"",
                9,
                "this meeting cannot be: ",
            ),
            ("[[rooms.meeting]]\nattendee_id = \"408\"", 10, "attendee_id: "),
        ] {
            let found = errors(&with(&format!("[rooms]\n[[rooms.meeting]]\n{MEETING}{text}")));
            let expected = format!("t.toml:{line}: {message}");
            assert!(found.contains(&expected), "{text}: {found}");
            assert!(!found.contains("\"12\""), "{found}");
        }
    }
}
