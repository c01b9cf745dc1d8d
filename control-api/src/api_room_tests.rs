//! Rooms: all that is set for them, and those of a configuration file that changes.

use super::*;

#[test]
fn all_that_is_set_for_rooms_is_told_and_changed() {
    let (mut api, mut node) = world();
    let (api, node) = (&mut api, &mut node);
    let made = ask(api, node, ("POST", ROOMS, ""), &json!({ "Name": "Board" }));
    let room = format!("{ROOMS}/{}", text(&made["Room"]["MeetingId"]));
    let usual = &made["Room"];
    assert_eq!((&usual["LastModerator"], &usual["Warnings"]), (&json!("Continue"), &json!([5, 1])));
    assert!(usual.get("EndAfterSeconds").is_none());
    let all = json!({
        "WhenLocked": "Knock", "EmptySeconds": 0, "LastModerator": "EndAfter", "EndAfterSeconds": 90,
        "Warnings": [10, 1], "WaitingMinutes": 5, "VanishedSeconds": 20, "UnmuteOneself": false,
        "ConfirmCalled": false,
    });
    let told = ask(api, node, ("POST", &room, ""), &all);
    for (member, value) in all.as_object().unwrap() {
        assert_eq!(&told["Room"][member], value, "{member}");
    }
    let left = read_again(node);
    assert_eq!(left.all::<StoredMeeting>().len(), 1);
    // The seconds alone, where they mean something; and not where they mean nothing.
    let told = ask(api, node, ("POST", &room, ""), &json!({ "EndAfterSeconds": 30 }));
    assert_eq!(told["Room"]["EndAfterSeconds"], 30);
    let told = ask(api, node, ("POST", &room, ""), &json!({ "LastModerator": "EndAfter" }));
    assert_eq!(told["Room"]["EndAfterSeconds"], 30, "as before");
    let told = ask(api, node, ("POST", &room, ""), &json!({ "LastModerator": "Promote" }));
    assert!(told["Room"].get("EndAfterSeconds").is_none());
    for (wrong, why) in [
        (json!({ "EndAfterSeconds": 30 }), "LastModerator as EndAfter"),
        (
            json!({ "LastModerator": "Continue", "EndAfterSeconds": 30 }),
            "LastModerator as EndAfter",
        ),
        (json!({ "LastModerator": "EndAfter" }), "EndAfterSeconds: say"),
        (json!({ "Warnings": [4] }), "warnings must be of"),
        (json!({ "WaitingMinutes": 241 }), "aitingMinutes"),
    ] {
        let refused = served(api, node, ("POST", &room, ""), &wrong).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::BadRequest, "{wrong}");
        assert!(refused.message.contains(why), "{wrong}: {}", refused.message);
    }
}

#[test]
fn another_file_is_told_of_and_what_it_has_no_more_until_it_ends() {
    let (mut api, mut node) = world();
    let mut records = Vec::new();
    for name in ["one", "two", "three"] {
        let made = ask(&mut api, &mut node, ("POST", ROOMS, ""), &json!({ "Name": name }));
        let id = MeetingId::parse(&text(&made["Room"]["MeetingId"])).unwrap();
        records.push(api.state().registry().0.get_meeting(id).unwrap().clone());
    }
    let [one, two, mut three] = <[_; 3]>::try_from(records).unwrap();
    let (api, mut node) = world();
    let mut api = api.with_meetings_of_file(vec![one.clone(), two.clone()]);
    let names = |api: &mut Api, node: &mut Node| -> Vec<String> {
        let listed = ask(api, node, ("GET", ROOMS, ""), &Value::Null);
        let rooms = listed["Rooms"].as_array().unwrap().iter();
        let mut names: Vec<String> = rooms.map(|room| text(&room["Name"])).collect();
        names.sort();
        names
    };
    // Somebody is in the first; the third has its numbers now.
    (three.attendee_number, three.moderator_number) = (one.attendee_number, one.moderator_number);
    assert!(!api.has_meetings_that_end());
    api.set_meetings_of_file(vec![three.clone()], Some(&[one.meeting_id]));
    assert!(api.has_meetings_that_end());
    assert_eq!(names(&mut api, &mut node), ["one", "three"]);
    let query = format!("number={}", one.attendee_number);
    let found = ask(&mut api, &mut node, ("GET", ROOMS, &query), &Value::Null);
    assert_eq!(found["Rooms"][0]["Name"], "three");
    let room = format!("{ROOMS}/{}", one.meeting_id);
    let refused = served(&mut api, &mut node, ("POST", &room, "operation=reset"), &Value::Null);
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Forbidden);
    api.replace_state(State::default());
    assert_eq!(names(&mut api, &mut node), ["one", "three"]);
    // It has ended: now it is gone. One that the file has is not.
    api.remove_ended(NOW, &[one.meeting_id, three.meeting_id], &mut node).unwrap();
    assert_eq!(names(&mut api, &mut node), ["three"]);
    assert!(!api.has_meetings_that_end());
    // Where it is not known who is held, all are told of; and one that is back is no other.
    api.set_meetings_of_file(vec![two.clone()], None);
    assert_eq!(names(&mut api, &mut node), ["three", "two"]);
    api.set_meetings_of_file(vec![three], Some(&[]));
    assert_eq!(names(&mut api, &mut node), ["three"]);
}
