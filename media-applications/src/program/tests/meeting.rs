//! Leg A in a meeting, which the test plays.

use super::*;
use crate::action::{MeetingRefusal, MeetingRequest, Room};

const MEETING: &str = "17bc8b19-cac7-45cb-b632-af6821e0843e";

fn join() -> Value {
    json!({ "Type": "JoinChimeMeeting", "Parameters": { "JoinToken": "token", "MeetingId": MEETING } })
}

fn mute(operation: &str, attendees: Value) -> Value {
    json!({ "Type": "ModifyChimeMeetingAttendees", "Parameters": {
        "Operation": operation, "MeetingId": MEETING, "AttendeeList": attendees } })
}

impl Call {
    fn meets(&mut self) -> (u32, MeetingRequest) {
        match self.output() {
            Output::Meeting(number, request) => (number, request),
            other => panic!("nothing of a meeting: {other:?}"),
        }
    }

    fn met(&mut self, number: u32, outcome: Result<(), MeetingRefusal>) {
        self.program.handle_meeting(self.now, number, outcome);
    }

    fn failed(&mut self) -> (String, String) {
        let body = self.invoked("ACTION_FAILED");
        let text = |name: &str| body["ActionData"][name].as_str().unwrap().to_owned();
        (text("ErrorType"), text("ErrorMessage"))
    }

    /// In a meeting, and the list that follows.
    fn in_meeting(actions: Value) -> Self {
        let mut call = Call::with(json!([join()]));
        call.answered();
        let (number, _) = call.meets();
        call.met(number, Ok(()));
        let body = call.invoked("ACTION_SUCCESSFUL");
        assert_eq!(body["ActionData"]["Type"], "JoinChimeMeeting");
        call.answer(actions);
        call
    }
}

#[test]
fn leg_a_is_answered_joins_and_is_steered_on() {
    let mut call = Call::with(json!([join(), play()]));
    call.answered();
    let (number, request) = call.meets();
    let room = Room::Attendee { meeting: MEETING.into(), token: "token".into() };
    assert_eq!(request, MeetingRequest::Join { room, from: "+12065550199".into() });
    call.met(number + 1, Ok(()));
    call.nothing();
    call.met(number, Ok(()));
    // Told at once, though more actions follow.
    let body = call.invoked("ACTION_SUCCESSFUL");
    assert_eq!(body["ActionData"]["Parameters"]["MeetingId"], MEETING);
    assert_eq!(
        body["ActionData"]["Parameters"]["CallId"],
        body["CallDetails"]["Participants"][0]["CallId"]
    );
    call.program.handle_response(call.now, b"null");
    let order = call.plays();
    call.played(order);
    call.invoked("ACTION_SUCCESSFUL");
    call.answer(json!([{ "Type": "Hangup" }]));
    assert!(matches!(call.ordered().1, ApplicationOrder::HangUp { leg: Some(LegSide::A), .. }));
    call.hung_up(LegSide::A);
    call.invoked("HANGUP");
}

#[test]
fn what_the_meeting_refuses_fails_by_name() {
    for (refusal, kind, message) in [
        (MeetingRefusal::Wrong, "InvalidActionParameter", "JoinToken parameter value is invalid"),
        (MeetingRefusal::Closed, "InvalidActionParameter", "locked"),
        (MeetingRefusal::Full, "InvalidActionParameter", "full"),
        (MeetingRefusal::Guessed, "InvalidActionParameter", "wrong IDs"),
        (MeetingRefusal::NoRooms, "SystemException", "add [rooms]"),
        (MeetingRefusal::Failed("no seat".to_owned()), "SystemException", "no seat"),
    ] {
        let mut call = Call::with(json!([join(), play()]));
        call.answered();
        let (number, _) = call.meets();
        call.met(number, Err(refusal));
        let (found, why) = call.failed();
        assert!(found == kind && why.contains(message), "{found}: {why}");
        // Not in a meeting: somebody may be bridged.
        call.answer(json!([bridge()]));
        assert!(matches!(call.ordered().1, ApplicationOrder::Bridge(_)));
    }
}

#[test]
fn rooms_that_do_not_answer_are_left() {
    let mut call = Call::with(json!([join()]));
    call.answered();
    let (number, _) = call.meets();
    call.pass(30_000);
    assert_eq!(call.meets().1, MeetingRequest::Leave);
    assert_eq!(call.failed().0, "SystemException");
    call.met(number, Ok(()));
    call.answer(json!([bridge()]));
    assert!(matches!(call.ordered().1, ApplicationOrder::Bridge(_)));
}

#[test]
fn a_meeting_and_a_leg_b_exclude_each_other() {
    for action in [bridge(), join()] {
        let mut call = Call::in_meeting(json!([action]));
        let (kind, why) = call.failed();
        assert!(kind == "InvalidActionParameter" && why.contains("meeting"), "{why}");
    }
    let mut call = Call::with(json!([bridge()]));
    call.ordered();
    call.news(ApplicationNews::Answered(LegSide::A));
    call.news(ApplicationNews::Answered(LegSide::B));
    call.invoked("ACTION_SUCCESSFUL");
    call.answer(json!([join()]));
    let (kind, why) = call.failed();
    assert!(kind == "InvalidActionParameter" && why.contains("LEG-B"), "{why}");
}

#[test]
fn attendees_are_muted_by_those_in_their_meeting() {
    let list = json!(["one", "two"]);
    for (operation, on) in [("Mute", true), ("Unmute", false)] {
        let mut call = Call::in_meeting(json!([mute(operation, list.clone()), play()]));
        let (number, request) = call.meets();
        let attendees = vec!["one".into(), "two".into()];
        assert_eq!(request, MeetingRequest::Mute { meeting: MEETING.into(), attendees, on });
        call.met(number, Ok(()));
        let body = call.invoked("ACTION_SUCCESSFUL");
        assert_eq!(body["ActionData"]["Parameters"]["Operation"], operation);
    }
    for (refusal, message) in [
        (MeetingRefusal::NotIn, "not connected to Chime Meeting"),
        (MeetingRefusal::Stranger, "not part of this meeting"),
    ] {
        let mut call = Call::in_meeting(json!([mute("Mute", list.clone())]));
        let (number, _) = call.meets();
        call.met(number, Err(refusal));
        let (kind, why) = call.failed();
        assert!(kind == "InvalidActionParameter" && why.contains(message), "{why}");
    }
    let mut call = Call::with(json!([mute("Mute", list)]));
    assert!(call.failed().1.contains("not connected to Chime Meeting"));
}

#[test]
fn a_room_is_joined_by_what_a_caller_would_type() {
    for (id, passcode) in [("4081234567", None), ("7035550123456", Some("987654"))] {
        let mut action = join();
        action["Parameters"] = json!({ "MeetingId": id, "JoinToken": passcode });
        let mut call = Call::with(json!([action]));
        call.answered();
        let MeetingRequest::Join { room, .. } = call.meets().1 else { panic!() };
        let passcode = passcode.unwrap_or_default().into();
        assert_eq!(room, Room::Number { digits: id.into(), passcode });
    }
}

#[test]
fn who_was_called_joins_under_its_own_number() {
    let mut call = Call::begin(Facts { direction: Direction::Outbound, ..facts() });
    call.invoked("NEW_OUTBOUND_CALL");
    call.answer(json!([]));
    call.news(ApplicationNews::Answered(LegSide::A));
    call.invoked("CALL_ANSWERED");
    call.answer(json!([join()]));
    let MeetingRequest::Join { from, .. } = call.meets().1 else { panic!() };
    assert_eq!(&*from, "+12065550100");
}

#[test]
fn wrong_parameters_are_named() {
    let many: Vec<_> = (0..101).map(|number| number.to_string()).collect();
    for (parameters, kind, place) in [
        (json!({ "MeetingId": MEETING }), "Missing", "JoinToken is missing"),
        (json!({ "JoinToken": "t" }), "Missing", "MeetingId is missing"),
        (json!({ "JoinToken": 7, "MeetingId": MEETING }), "Invalid", "JoinToken: is to be a text"),
        (json!({ "JoinToken": "", "MeetingId": MEETING }), "Invalid", "JoinToken: is empty"),
        (json!({ "JoinToken": "t".repeat(257), "MeetingId": "m" }), "Invalid", "256 characters"),
        (
            json!({ "JoinToken": "t", "MeetingId": MEETING, "ParticipantTag": "LEG-B" }),
            "Invalid",
            "ParticipantTag: is to be \"LEG-A\"",
        ),
    ] {
        let action = json!({ "Type": "JoinChimeMeeting", "Parameters": parameters });
        let mut call = Call::with(json!([action]));
        let (found, why) = call.failed();
        assert!(found.starts_with(kind) && why.contains(place), "{found}: {why}");
    }
    for (action, place) in [
        (mute("Kick", json!(["one"])), "Operation: is to be \"Mute\" or \"Unmute\""),
        (mute("Mute", json!([])), "AttendeeList: is to have 1 to 100"),
        (mute("Mute", json!(many)), "AttendeeList: is to have 1 to 100"),
        (mute("Mute", json!([7])), "AttendeeList: is to be a list of AttendeeIds"),
    ] {
        let mut call = Call::in_meeting(json!([action]));
        let (kind, why) = call.failed();
        assert!(kind == "InvalidActionParameter" && why.contains(place), "{why}");
    }
}
