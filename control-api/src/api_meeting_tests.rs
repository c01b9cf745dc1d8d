//! Meetings: by the operations of chime-sdk-meetings, by own ones, and over faults.

use super::*;
use crate::ComposedPicture;
use crate::operations::MEETING_OPERATIONS;
use crate::state::{Kind, Row};
use room_core::StoredMeeting;

const ROOMS: &str = "/tandem/rooms";

fn world() -> (Api, Node) {
    (api(10), node(Ok(None), 1))
}

fn ask(api: &mut Api, node: &mut Node, to: (&str, &str, &str), body: &Value) -> Value {
    served(api, node, to, body).unwrap()
}

fn request(token: &str) -> Value {
    json!({ "ClientRequestToken": token, "MediaRegion": "eu-central-1", "ExternalMeetingId": "weekly",
        "Tags": [{ "Key": "team", "Value": "a" }] })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The journal as another process would read it.
fn read_again(node: &Node) -> State {
    let mut rows: std::collections::BTreeMap<(Kind, String), Row> = Default::default();
    for change in &node.journal {
        match change {
            Change::Put(row) => rows.insert((row.kind, row.id.clone()), row.clone()),
            Change::Remove { kind, id } => rows.remove(&(*kind, id.clone())),
        };
    }
    State::load(rows.into_values()).unwrap()
}

#[test]
fn a_meeting_is_made_found_changed_and_deleted() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    let made = ask(api, node, ("POST", "/meetings", ""), &request("token"));
    let id = text(&made["Meeting"]["MeetingId"]);
    let path = format!("/meetings/{id}");
    assert_eq!(
        made["Meeting"]["MeetingArn"],
        format!("arn:aws:chime:us-east-1:111122223333:meeting/{id}")
    );
    let again = ask(api, node, ("POST", "/meetings", ""), &request("token"));
    assert_eq!(again, made, "the same token makes it once");
    let mut other = request("token");
    other["ExternalMeetingId"] = "daily".into();
    let refused = served(api, node, ("POST", "/meetings", ""), &other).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert_eq!(
        ask(
            api,
            node,
            ("GET", &path.to_uppercase().replace("/MEETINGS", "/meetings"), ""),
            &Value::Null
        ),
        made
    );

    let people = format!("{path}/attendees");
    let anna = ask(api, node, ("POST", &people, ""), &json!({ "ExternalUserId": "anna" }));
    let anna = anna["Attendee"].clone();
    assert_eq!(anna["Capabilities"]["Video"], "SendReceive");
    assert_eq!(anna["JoinToken"].as_str().unwrap().len(), 32);
    let batch =
        json!({ "Attendees": [{ "ExternalUserId": "ben" }, { "ExternalUserId": "aws:x" }] });
    let batch = ask(api, node, ("POST", &people, "operation=batch-create"), &batch);
    assert_eq!(batch["Errors"][0]["ErrorCode"], "BadRequestException");
    let first = ask(api, node, ("GET", &people, "max-results=1"), &Value::Null);
    assert_eq!(first["Attendees"], json!([anna]));
    let query = format!("max-results=1&next-token={}", text(&first["NextToken"]));
    let second = ask(api, node, ("GET", &people, &query), &Value::Null);
    assert_eq!((&second["Attendees"], &second["NextToken"]), (&batch["Attendees"], &Value::Null));
    let other = format!("{query}&max-results=1").replace("next-token=", "next-token=x");
    let refused = served(api, node, ("GET", &people, &other), &Value::Null).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::BadRequest);

    let of_anna = format!("{people}/{}", text(&anna["AttendeeId"]));
    let may = json!({ "Capabilities": { "Audio": "Receive", "Video": "None", "Content": "None" } });
    let updated = ask(api, node, ("PUT", &format!("{of_anna}/capabilities"), ""), &may);
    assert_eq!(updated["Attendee"]["Capabilities"], may["Capabilities"]);
    let except = json!({ "Capabilities": { "Audio": "Send", "Video": "None", "Content": "None" },
        "ExcludedAttendeeIds": [{ "AttendeeId": anna["AttendeeId"] }] });
    let to = format!("{people}/capabilities");
    assert_eq!(ask(api, node, ("PUT", &to, "operation=batch-update-except"), &except), Value::Null);
    let all = ask(api, node, ("GET", &people, ""), &Value::Null);
    let audio: Vec<_> = all["Attendees"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| &each["Capabilities"]["Audio"])
        .collect();
    assert_eq!(audio, ["Receive", "Send"]);

    // Whoever starts anew with the journal goes on with the same.
    api.replace_state(read_again(node));
    assert_eq!(ask(api, node, ("GET", &people, ""), &Value::Null), all);
    assert_eq!(ask(api, node, ("DELETE", &of_anna, ""), &Value::Null), Value::Null);
    assert_eq!(
        served(api, node, ("GET", &of_anna, ""), &Value::Null).unwrap_err().kind,
        ErrorKind::NotFound
    );
    let arn = text(&made["Meeting"]["MeetingArn"]).replace(':', "%3A").replace('/', "%2F");
    let tags = ask(api, node, ("GET", "/tags", &format!("arn={arn}")), &Value::Null);
    assert_eq!(tags["Tags"], request("token")["Tags"]);
    ask(api, node, ("DELETE", &path, ""), &Value::Null);
    assert_eq!(
        served(api, node, ("GET", &path, ""), &Value::Null).unwrap_err().kind,
        ErrorKind::NotFound
    );
    let left = read_again(node);
    assert!(left.all::<StoredMeeting>().is_empty() && left.all::<Tags>().is_empty());
}

#[test]
fn a_meeting_is_made_with_its_attendees_once() {
    let (mut api, mut node) = world();
    let mut body = request("token");
    body["Attendees"] = json!([{ "ExternalUserId": "anna" }, { "ExternalUserId": "ben" }]);
    let to = ("POST", "/meetings", "operation=create-attendees");
    let made = ask(&mut api, &mut node, to, &body);
    assert_eq!(made["Attendees"].as_array().unwrap().len(), 2);
    assert_eq!(
        node.journal.iter().filter(|each| each.kind() == Kind::Meeting).count(),
        1,
        "in one record"
    );
    assert_eq!(ask(&mut api, &mut node, to, &body), made);
}

#[test]
fn what_is_not_written_down_is_not_there() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    let made = ask(api, node, ("POST", ROOMS, ""), &json!({ "Name": "Weekly" }))["Room"].take();
    let path = format!("{ROOMS}/{}", text(&made["MeetingId"]));
    let before = ask(api, node, ("GET", &path, ""), &Value::Null);
    node.fault = Some(CommitFault::Journal);
    let attempts: [(&str, &str, &str, Value); 4] = [
        ("POST", ROOMS, "", json!({ "Name": "Other" })),
        ("POST", &path, "operation=reset", json!({})),
        ("POST", &path, "", json!({ "Name": "Renamed", "Capacity": 3 })),
        ("DELETE", &path, "", Value::Null),
    ];
    for (method, path, query, body) in attempts {
        let refused = served(api, node, (method, path, query), &body).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::ServiceUnavailable, "{method} {path} {query}");
    }
    node.fault = None;
    assert_eq!(ask(api, node, ("GET", &path, ""), &Value::Null), before);
    let number = format!("number={}", text(&made["AttendeeId"]));
    assert_eq!(
        ask(api, node, ("GET", ROOMS, &number), &Value::Null)["Rooms"],
        json!([before["Room"]])
    );
    // A tag that cannot be is found after the meeting was drawn.
    let mut body = request("token");
    body["Tags"] = json!([{ "Key": "a", "Value": "1" }, { "Key": "a", "Value": "2" }]);
    assert!(served(api, node, ("POST", "/meetings", ""), &body).is_err());
    assert_eq!(
        ask(api, node, ("GET", ROOMS, ""), &Value::Null)["Rooms"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn rooms_have_numbers_settings_and_a_passcode() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    let body = json!({ "Name": "Anna's room", "Plan": "Personal", "Access": "Moderated", "Capacity": 7,
        "Passcode": "1234", "Announce": "Name", "Language": "ja" });
    let made = ask(api, node, ("POST", ROOMS, ""), &body)["Room"].take();
    assert_eq!((text(&made["AttendeeId"]).len(), text(&made["ModeratorId"]).len()), (10, 13));
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(&made[name], value, "{name}");
    }
    let path = format!("{ROOMS}/{}", text(&made["MeetingId"]));
    let told = ask(api, node, ("GET", &path, ""), &Value::Null)["Room"].take();
    assert_eq!((&told["Held"], &told["ModeratorId"]), (&json!(false), &made["ModeratorId"]));
    let reset = ask(api, node, ("POST", &path, "operation=reset"), &json!({}))["Room"].take();
    assert_ne!(reset["AttendeeId"], made["AttendeeId"]);
    assert_ne!(reset["Passcode"], made["Passcode"]);
    let changed = ask(api, node, ("POST", &path, ""), &json!({ "Capacity": 9 }))["Room"].take();
    assert_eq!((&changed["Capacity"], &changed["Name"]), (&json!(9), &made["Name"]));
    let without =
        ask(api, node, ("POST", ROOMS, ""), &json!({ "Name": "x", "WithoutPasscode": true }));
    assert_eq!(without["Room"]["Passcode"], Value::Null);
    let drawn = ask(
        api,
        node,
        ("POST", ROOMS, ""),
        &json!({ "Name": "x",
        "StartTimestamp": "2026-01-03T09:00:00Z", "EndTimestamp": "2026-01-03T10:00:00Z" }),
    );
    assert_eq!(text(&drawn["Room"]["Passcode"]).len(), 6);
    assert_eq!(drawn["Room"]["EndTimestamp"], "2026-01-03T10:00:00.000Z");

    let bad = [
        json!({}),
        json!({ "Name": " " }),
        json!({ "Name": "a\nb" }),
        json!({ "Name": "x", "Passcode": "12" }),
        json!({ "Name": "x", "Passcode": "1234", "WithoutPasscode": true }),
        json!({ "Name": "x", "Capacity": 251 }),
        json!({ "Name": "x", "Access": "Sometimes" }),
        json!({ "Name": "x", "Language": "Klingon" }),
        json!({ "Name": "x", "Plan": "Scheduled" }),
        json!({ "Name": "x", "Plan": "Personal", "EndTimestamp": "2026-01-03T10:00:00Z" }),
        json!({ "Name": "x", "StartTimestamp": 1, "EndTimestamp": 2 }),
    ];
    for body in bad {
        let refused = served(api, node, ("POST", ROOMS, ""), &body).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::BadRequest, "{body}: {}", refused.message);
    }
    // The passcode is written down sealed, and in no audit.
    assert!(Kind::Meeting.is_secret());
    // A scheduled meeting that was over a day ago goes when another one is made.
    let later = UnixTime::from_millis(NOW.as_millis() + 3 * 24 * 3_600 * 1_000);
    let to = ("POST", ROOMS, "");
    served_at(later, api, node, to, &json!({ "Name": "y" })).unwrap();
    let names = ask(api, node, ("GET", ROOMS, ""), &Value::Null);
    let mut names: Vec<String> =
        names["Rooms"].as_array().unwrap().iter().map(|each| text(&each["Name"])).collect();
    names.sort();
    assert_eq!(names, ["Anna's room", "y"], "and one on demand that nobody came to");
}

#[test]
fn what_goes_on_in_a_meeting_is_the_nodes() {
    use room_core::{Command, MeetingId, MeetingState, Person, RosterEntry};
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    let made = ask(api, node, ("POST", ROOMS, ""), &json!({ "Name": "x" }))["Room"].take();
    let path = format!("{ROOMS}/{}", text(&made["MeetingId"]));
    let refused = served(api, node, ("POST", &path, "operation=lock"), &json!({})).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict, "nobody is in it");

    let call = TransactionId::from_random(5);
    let person = Person { call, attendee: None, name: "Room 4".into(), moderator: true };
    let since = model::Instant::from_nanos(0);
    let entry = RosterEntry {
        person,
        is_in: true,
        since,
        muted: false,
        hand: true,
        level: -30,
        is_speaking: true,
        is_lost: false,
        speaks: true,
        shows: false,
        asks_to_show: false,
        camera: true,
        slides: false,
        layout: model::PictureLayout::Speaker,
    };
    let state = MeetingState { people: 1, waiting: 0, called: 0, locked: true, recording: false };
    let at = since + std::time::Duration::from_secs(90);
    let id = MeetingId::parse(made["MeetingId"].as_str().unwrap()).unwrap();
    let held = HeldMeeting { state, people: vec![entry], at, composed: None };
    node.held.insert(id, held.clone());
    let told = ask(api, node, ("GET", &path, ""), &Value::Null)["Room"].take();
    assert_eq!(told.get("Composed"), None);
    let picture = ComposedPicture { tiles: 5, viewers: 2, frames_per_second: 7, cpu_percent: 31 };
    node.held.insert(id, HeldMeeting { composed: Some(picture), ..held });
    let told = ask(api, node, ("GET", &path, ""), &Value::Null)["Room"].take();
    let written = json!({ "Tiles": 5, "Viewers": 2, "FramesPerSecond": 7, "CpuPercent": 31 });
    assert_eq!(told["Composed"], written);
    assert_eq!(
        (&told["Held"], &told["People"], &told["Locked"]),
        (&json!(true), &json!(1), &json!(true))
    );
    let people = ask(api, node, ("GET", &format!("{path}/participants"), ""), &Value::Null);
    let one = &people["Participants"][0];
    assert_eq!(
        (&one["Name"], &one["Seconds"], &one["Waiting"]),
        (&json!("Room 4"), &json!(90), &json!(false))
    );
    assert_eq!((&one["Camera"], &one["Slides"]), (&json!(true), &json!(false)));
    assert_eq!(one["Layout"], "Speaker");
    let of_call = json!({ "CallId": call.to_string() });
    let e164 = "+12065550100";
    let all = [
        ("lock", json!({}), Command::Lock(true)),
        ("unlock", json!({}), Command::Lock(false)),
        ("mute", json!({}), Command::MuteAll(true)),
        ("mute", of_call.clone(), Command::Mute(call, true)),
        ("unmute", of_call.clone(), Command::Mute(call, false)),
        ("admit", json!({}), Command::AdmitAll),
        ("admit", of_call, Command::Admit(call)),
        (
            "lay-out",
            json!({ "CallId": call.to_string(), "Layout": "Grid" }),
            Command::LayOut(call, model::PictureLayout::Grid),
        ),
        ("call", json!({ "E164PhoneNumber": e164 }), Command::DialOut(e164.into())),
        ("start-recording", json!({}), Command::Record(true)),
        ("stop-recording", json!({}), Command::Record(false)),
        ("end", json!({}), Command::End),
    ];
    for (operation, body, command) in all {
        let query = format!("operation={operation}");
        assert_eq!(ask(api, node, ("POST", &path, &query), &body), Value::Null);
        assert_eq!(node.commanded.pop(), Some((id, command)));
    }
    // One that people are in is not cleared away, however old it is.
    let later = UnixTime::from_millis(NOW.as_millis() + 3 * 24 * 3_600 * 1_000);
    served_at(later, api, node, ("POST", ROOMS, ""), &json!({ "Name": "y" })).unwrap();
    assert_eq!(
        ask(api, node, ("GET", ROOMS, ""), &Value::Null)["Rooms"].as_array().unwrap().len(),
        2
    );
}

#[test]
fn policies_name_meetings_and_the_exceptions_are_the_services() {
    let (mut api, mut node) = world();
    let made = ask(&mut api, &mut node, ("POST", "/meetings", ""), &request("token"));
    let id = text(&made["Meeting"]["MeetingId"]);
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["chime:GetMeeting","tandem:GetRoom"],
        "Resource":"arn:aws:chime:us-east-1:111122223333:meeting/{id}"}}]}}"#
    );
    let limited = key(Some(&policy));
    let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut try_it = |method: &str, path: &str| {
        let request = Request { method, path, query: "", headers: &[], body: b"", source };
        let routed = route(&request).unwrap();
        api.serve(NOW, b"", &mut node, &limited, &routed).map(|_| ()).map_err(|error| error.kind)
    };
    assert_eq!(try_it("GET", &format!("/meetings/{id}")), Ok(()));
    assert_eq!(try_it("GET", &format!("{ROOMS}/{}", id.to_uppercase())), Ok(()));
    assert_eq!(try_it("DELETE", &format!("/meetings/{id}")), Err(ErrorKind::AccessDenied));
    assert_eq!(try_it("GET", ROOMS), Err(ErrorKind::AccessDenied));
    for kind in MEETING_OPERATIONS.iter().flat_map(|operation| operation.errors) {
        assert!(
            [
                "ForbiddenException",
                "ConflictException",
                "NotFoundException",
                "LimitExceededException",
                "UnprocessableEntityException"
            ]
            .contains(&kind.exception_of_meetings())
        );
    }
}

#[test]
fn a_meeting_that_has_ended_is_gone() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    let made = ask(api, node, ("POST", "/meetings", ""), &request("token"));
    let id = MeetingId::parse(made["Meeting"]["MeetingId"].as_str().unwrap()).unwrap();
    node.fault = Some(CommitFault::Stale);
    assert!(api.remove_ended(NOW, &[id], node).is_err());
    node.fault = None;
    let path = format!("/meetings/{id}");
    ask(api, node, ("GET", &path, ""), &Value::Null);
    api.remove_ended(NOW, &[id], node).unwrap();
    api.remove_ended(NOW, &[id], node).unwrap();
    let gone = served(api, node, ("GET", &path, ""), &Value::Null).unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound);
    let left = read_again(node);
    assert!(left.all::<StoredMeeting>().is_empty() && left.all::<Tags>().is_empty());
}

#[test]
fn meetings_of_the_configuration_file_are_shown_and_stay() {
    let (made, mut node) = world();
    let mut api = made;
    // The second one's ids are none that the other node draws first.
    ask(&mut api, &mut node, ("POST", ROOMS, ""), &json!({ "Name": "first" }));
    let registered = ask(&mut api, &mut node, ("POST", ROOMS, ""), &json!({ "Name": "Board" }));
    let id = text(&registered["Room"]["MeetingId"]);
    let (registry, _) = api.state().registry();
    let mut record = registry.get_meeting(MeetingId::parse(&id).unwrap()).unwrap().clone();
    record.created = UnixTime::from_millis(0);
    record.settings.plan = room_core::Plan::Personal;
    // Another node, whose file has this meeting.
    let (api, mut node) = world();
    let mut api = api.with_meetings_of_file(vec![record]);
    let own = ask(&mut api, &mut node, ("POST", ROOMS, ""), &json!({ "Name": "own" }));
    let listed = ask(&mut api, &mut node, ("GET", ROOMS, ""), &Value::Null);
    assert_eq!(listed["Rooms"].as_array().unwrap().len(), 2);
    let room = format!("{ROOMS}/{id}");
    let told = ask(&mut api, &mut node, ("GET", &room, ""), &Value::Null);
    assert_eq!(
        (&told["Room"]["Name"], &told["Room"]["CreatedTimestamp"]),
        (&json!("Board"), &Value::Null)
    );
    let number = text(&told["Room"]["AttendeeId"]);
    let query = format!("number={number}");
    let found = ask(&mut api, &mut node, ("GET", ROOMS, &query), &Value::Null);
    assert_eq!(found["Rooms"][0]["MeetingId"], id.as_str());
    let meeting = format!("/meetings/{id}");
    ask(&mut api, &mut node, ("GET", &meeting, ""), &Value::Null);
    let people = format!("{meeting}/attendees");
    let before = node.journal.len();
    for (method, path, query, body) in [
        ("DELETE", &room, "", Value::Null),
        ("POST", &room, "", json!({ "Name": "other" })),
        ("POST", &room, "operation=reset", Value::Null),
        ("DELETE", &meeting, "", Value::Null),
        ("POST", &people, "", json!({ "ExternalUserId": "anna" })),
    ] {
        let refused = served(&mut api, &mut node, (method, path, query), &body).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Forbidden, "{method} {path}");
        assert!(refused.message.contains("configuration file"), "{}", refused.message);
    }
    assert_eq!(node.journal.len(), before);
    // They stay when somebody else has written, and one that is gone is not found.
    api.replace_state(read_again(&node));
    let listed = ask(&mut api, &mut node, ("GET", ROOMS, ""), &Value::Null);
    assert_eq!(listed["Rooms"].as_array().unwrap().len(), 2);
    let own = format!("{ROOMS}/{}", text(&own["Room"]["MeetingId"]));
    ask(&mut api, &mut node, ("DELETE", &own, ""), &Value::Null);
    let gone = served(&mut api, &mut node, ("DELETE", &own, ""), &Value::Null).unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound);
}

#[path = "api_room_tests.rs"]
mod rooms;
