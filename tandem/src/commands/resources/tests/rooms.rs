//! `tandem room`.

use super::*;

#[test]
fn meetings_are_operations_of_tandems_own() {
    const ID: &str = "0f4a1c9e-6f0e-4d53-9a55-6c1f6c1b2a3d";
    let of = |more: Value| {
        let mut asked = json!({ "RoomId": ID });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asked
    };
    let line = |line: &str| line.replace("ID", ID);
    let number = "+12065550100";
    for (words, operation, members) in [
        ("room create --name Weekly", "CreateRoom", json!({ "Name": "Weekly" })),
        (
            "room create --name w --personal --moderated --capacity 7 --passcode 1234 --announce name",
            "CreateRoom",
            json!({ "Name": "w", "Plan": "Personal", "Access": "Moderated", "Capacity": 7,
                "Passcode": "1234", "Announce": "Name" }),
        ),
        (
            "room create --name w --no-passcode --start 2026-03-31T09:00:00Z --end 2026-03-31T10:00:00Z",
            "CreateRoom",
            json!({ "Name": "w", "WithoutPasscode": true, "StartTimestamp": "2026-03-31T09:00:00Z",
                "EndTimestamp": "2026-03-31T10:00:00Z" }),
        ),
        ("room create --name w --passcode", "CreateRoom", json!({ "Name": "w" })),
        ("room list", "ListRooms", json!({})),
        ("room show ID", "GetRoom", of(json!({}))),
        ("room show 4155550123", "ListRooms", json!({ "Number": "4155550123" })),
        ("room update ID --open", "UpdateRoom", of(json!({ "Access": "Open" }))),
        ("room reset ID", "ResetRoom", of(json!({}))),
        ("room delete ID", "DeleteRoom", of(json!({}))),
        ("room lock ID", "LockRoom", of(json!({}))),
        ("room unlock ID", "UnlockRoom", of(json!({}))),
        ("room mute ID", "MuteRoom", of(json!({}))),
        ("room unmute ID --call c", "UnmuteRoom", of(json!({ "CallId": "c" }))),
        ("room admit ID --call c", "AdmitToRoom", of(json!({ "CallId": "c" }))),
        (
            "room update ID --slides asked --layout grid --when-locked knock",
            "UpdateRoom",
            of(json!({ "Slides": "Asked", "Layout": "Grid", "WhenLocked": "Knock" })),
        ),
        (
            "room update ID --last-moderator end-after --end-after 90 --empty 0 --warnings 10,1",
            "UpdateRoom",
            of(json!({ "LastModerator": "EndAfter", "EndAfterSeconds": 90, "EmptySeconds": 0,
                "Warnings": [10, 1] })),
        ),
        (
            "room update ID --waiting 5 --vanished 20 --unmute-oneself false --confirm-called true",
            "UpdateRoom",
            of(json!({ "WaitingMinutes": 5, "VanishedSeconds": 20, "UnmuteOneself": false,
                "ConfirmCalled": true })),
        ),
        (
            "room layout ID --call c grid",
            "LayOutRoom",
            of(json!({ "CallId": "c", "Layout": "Grid" })),
        ),
        ("room present ID --call c", "PresentInRoom", of(json!({ "CallId": "c" }))),
        ("room stop-presenting ID --call c", "StopPresentingInRoom", of(json!({ "CallId": "c" }))),
        ("room record start ID", "StartRoomRecording", of(json!({}))),
        ("room record stop ID", "StopRoomRecording", of(json!({}))),
        ("room end ID", "EndRoom", of(json!({}))),
        ("room call ID +12065550100", "CallFromRoom", of(json!({ "E164PhoneNumber": number }))),
    ] {
        assert_eq!(asked(&line(words)), (operation.to_owned(), members), "{words}");
    }
}

#[test]
fn a_meeting_is_told_as_one_object_and_found_by_its_name() {
    let made = json!({ "MeetingId": "m", "Name": "w", "AttendeeId": "4155550123",
        "ModeratorId": "9155550123456", "Passcode": "482915" });
    let mut api = Written::with("CreateRoom", json!([{ "Room": made }]));
    let (outcome, is_read) = api.run("room create --name w --json").unwrap();
    assert!(!is_read);
    let told: Value = serde_json::from_str(&outcome.reply.text).unwrap();
    assert_eq!(
        told,
        json!({ "meeting_id": "m", "name": "w", "attendee_id": "4155550123",
        "moderator_id": "9155550123456", "passcode": "482915" })
    );
    let text = outcome.shown.text(&outcome.reply.value);
    assert!(text.contains("attendee id   4155550123"), "{text}");

    let list = |names: &[&str]| {
        let rooms = names.iter().enumerate();
        let rooms: Vec<Value> =
            rooms.map(|(n, name)| json!({ "Name": name, "MeetingId": n.to_string() })).collect();
        json!([{ "Rooms": rooms }])
    };
    let mut api = Written::with("ListRooms", list(&["a", "w"]));
    api.run("room lock w").unwrap();
    assert_eq!(api.asked[1], ("LockRoom".to_owned(), json!({ "RoomId": "1" })));
    let mut api = Written::with("ListRooms", list(&["w", "w"]));
    let failure = api.run("room lock w").err().unwrap().to_string();
    assert!(failure.contains("several meetings"), "{failure}");
    let mut api = Written::with("ListRooms", list(&["a"]));
    let failure = api.run("room delete w").err().unwrap().to_string();
    assert!(failure.contains("there is no meeting \"w\"") && api.asked.len() == 1, "{failure}");
}
