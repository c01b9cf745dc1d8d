//! Whatever comes in whatever order.

use super::*;
use crate::action::MeetingRefusal;
use proptest::prelude::*;

/// Whatever an edge, an application and a clock may do.
#[derive(Clone, Debug)]
enum Input {
    News(ApplicationNews),
    Response(String),
    Failure,
    Sound(u32, bool),
    Met(u32, bool),
    Update,
    Pass(u64),
}

fn object() -> RecordedObject {
    RecordedObject { bucket: "b".into(), key: "k".into() }
}

fn inputs() -> impl Strategy<Value = Input> {
    let leg = prop_oneof![Just(LegSide::A), Just(LegSide::B)];
    let key = (0_u8..16).prop_map(|event| DtmfKey::from_event(event).unwrap());
    let news = prop_oneof![
        leg.clone().prop_map(ApplicationNews::Ringing),
        leg.clone().prop_map(ApplicationNews::Answered),
        (leg.clone(), key).prop_map(|(leg, key)| ApplicationNews::Key { leg, key }),
        (0_u32..12)
            .prop_map(|order| ApplicationNews::Played { order, outcome: PlayOutcome::Finished }),
        (0_u32..12).prop_map(|order| ApplicationNews::KeysSent { order }),
        (0_u32..12).prop_map(|order| ApplicationNews::BridgeFailed { order, status: 486 }),
        (0_u32..12).prop_map(|order| ApplicationNews::Records { order }),
        (0_u32..12).prop_map(|order| ApplicationNews::Writes { order }),
        (0_u32..12).prop_map(|order| ApplicationNews::Recorded { order, outcome: Ok(object()) }),
        (0_u32..12)
            .prop_map(|order| ApplicationNews::Recorded { order, outcome: Err(String::new()) }),
        (0_u32..12).prop_map(|order| ApplicationNews::Refused { order, why: "no".to_owned() }),
        Just(ApplicationNews::HungUp { leg: LegSide::B, ordered: false, status: 200 }),
    ];
    let actions = prop_oneof![
        Just(play()),
        Just(bridge()),
        Just(get_digits(json!({ "Repeat": 2, "MaxNumberOfDigits": 3 }))),
        Just(json!({ "Type": "Pause", "Parameters": { "DurationInMilliseconds": 700 } })),
        Just(json!({ "Type": "SendDigits", "Parameters": { "Digits": "1,2" } })),
        Just(json!({ "Type": "Hangup", "Parameters": { "ParticipantTag": "LEG-B" } })),
        Just(json!({ "Type": "Speak", "Parameters": { "Text": "hello" } })),
        Just(json!({ "Type": "ReceiveDigits", "Parameters": { "InputDigitsRegex": "1",
            "InBetweenDigitsDurationInMilliseconds": 1, "FlushDigitsDurationInMilliseconds": 9 } })),
        Just(json!({ "Type": "RecordAudio", "Parameters": { "DurationInSeconds": 1,
            "RecordingTerminators": ["1"], "RecordingDestination": { "BucketName": "b" } } })),
        Just(json!({ "Type": "StartCallRecording", "Parameters": { "Track": "BOTH",
            "Destination": { "Location": "b" } } })),
        Just(json!({ "Type": "PauseCallRecording" })),
        Just(json!({ "Type": "StopCallRecording" })),
        Just(json!({ "Type": "JoinChimeMeeting", "Parameters": {
            "JoinToken": "t", "MeetingId": "4081234567" } })),
        Just(json!({ "Type": "ModifyChimeMeetingAttendees", "Parameters": {
            "Operation": "Mute", "MeetingId": "m", "AttendeeList": ["a"] } })),
        Just(json!({ "Type": "?" })),
    ];
    let lists = prop::collection::vec(actions, 0..5)
        .prop_map(|list| json!({ "SchemaVersion": "1.0", "Actions": list }).to_string());
    prop_oneof![
        6 => news.prop_map(Input::News),
        6 => lists.prop_map(Input::Response),
        1 => ".{0,40}".prop_map(Input::Response),
        1 => Just(Input::Failure),
        3 => (0_u32..12, any::<bool>()).prop_map(|(number, fine)| Input::Sound(number, fine)),
        3 => (0_u32..12, any::<bool>()).prop_map(|(number, fine)| Input::Met(number, fine)),
        1 => Just(Input::Update),
        3 => (0_u64..4_000).prop_map(Input::Pass),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_a_call_ends_with_its_leg(list in prop::collection::vec(inputs(), 0..60)) {
        let mut call = Call::begin(facts());
        call.invoked("NEW_INBOUND_CALL");
        let mut under_way = 1_i32;
        for input in list {
            match input {
                Input::News(news) => call.news(news),
                Input::Response(body) => {
                    under_way = 0;
                    call.program.handle_response(call.now, body.as_bytes());
                }
                Input::Failure => {
                    under_way = 0;
                    call.program.handle_failure(call.now, "away");
                }
                Input::Sound(number, fine) => {
                    let sound = if fine { Ok(source()) } else { Err("none".to_owned()) };
                    call.program.handle_sound(call.now, number, sound);
                }
                Input::Met(number, fine) => {
                    let outcome = if fine { Ok(()) } else { Err(MeetingRefusal::Full) };
                    call.program.handle_meeting(call.now, number, outcome);
                }
                Input::Update => {
                    let _ = call.program.update(call.now, Map::new());
                }
                Input::Pass(millis) => call.pass(millis),
            }
            let mut outputs = 0;
            while let Some(output) = call.program.poll_output() {
                under_way += i32::from(matches!(output, Output::Invoke(_)));
                outputs += 1;
            }
            prop_assert!(outputs <= 30, "{outputs} outputs at once");
            prop_assert!(under_way <= 1, "two invocations at a time");
        }
        call.hung_up(LegSide::A);
        for _ in 0..4 {
            while call.program.poll_output().is_some() {}
            call.program.handle_response(call.now, b"{}");
        }
        prop_assert!(call.program.is_over());
        prop_assert_eq!(call.program.poll_timeout(), None);
    }

    #[test]
    fn no_response_is_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut call = Call::begin(facts());
        call.program.handle_response(call.now, &body);
    }
}
