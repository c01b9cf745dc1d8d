//! What an application has recorded.

use super::*;
use model::{OrderedRecording, RecordingSilence};

/// What happens to the recording of this order.
type Happens = fn(&mut Call, u32);

fn record(extra: Value) -> Value {
    let mut action = json!({ "Type": "RecordAudio", "Parameters": {
        "DurationInSeconds": "10", "SilenceDurationInSeconds": 3, "SilenceThreshold": 100,
        "RecordingTerminators": ["#"],
        "RecordingDestination": { "Type": "S3", "BucketName": "demo", "Prefix": "voice/mail" } } });
    for (name, value) in extra.as_object().unwrap() {
        action["Parameters"][name] = value.clone();
    }
    action
}

fn start(track: &str) -> Value {
    json!({ "Type": "StartCallRecording", "Parameters": {
        "Track": track, "Destination": { "Type": "S3", "Location": "demo/calls/" } } })
}

fn pause() -> Value {
    json!({ "Type": "Pause", "Parameters": { "DurationInMilliseconds": "1000" } })
}

fn records(call: &mut Call) -> OrderedRecording {
    match call.ordered() {
        (number, ApplicationOrder::Record(recording)) if number == recording.order => *recording,
        other => panic!("{other:?}"),
    }
}

fn recorded(call: &mut Call, order: u32, outcome: Result<(), &str>) {
    let object = RecordedObject { bucket: "demo".into(), key: "voice/mail/1.wav".into() };
    let outcome = outcome.map(|()| object).map_err(str::to_owned);
    call.news(ApplicationNews::Recorded { order, outcome });
}

#[test]
fn a_key_ends_what_somebody_says_and_the_file_is_told() {
    let mut call = Call::with(json!([record(json!({})), play()]));
    call.answered();
    let recording = records(&mut call);
    let silence = RecordingSilence { length: Duration::from_secs(3), threshold: 100 };
    let order = recording.order;
    let expected = OrderedRecording {
        order,
        legs: [true, false],
        bucket: "demo".into(),
        prefix: "voice/mail/".into(),
        longest: Duration::from_secs(10),
        silence: Some(silence),
    };
    assert_eq!(recording, expected);
    call.news(ApplicationNews::Writes { order });
    call.press("5");
    call.nothing();
    call.press("##");
    assert_eq!(call.ordered().1, ApplicationOrder::StopRecording { order });
    call.nothing();
    recorded(&mut call, order, Ok(()));
    call.ordered();
    let data = call.invoked("ACTION_SUCCESSFUL")["ActionData"].clone();
    assert_eq!(data["Type"], "RecordAudio");
    assert_eq!(data["RecordingTerminatorUsed"], "#");
    let place = json!({ "Type": "S3", "BucketName": "demo", "Key": "voice/mail/1.wav" });
    assert_eq!(data["RecordingDestination"], place);
    // What follows in the list waits for the answer, which may replace it.
    call.answer(json!([{ "Type": "Hangup" }]));
    assert!(matches!(call.ordered().1, ApplicationOrder::HangUp { .. }));
}

#[test]
fn one_that_fails_is_refused_or_lost_fails_the_action_alone() {
    let cases: [(Happens, &str); 4] = [
        (|call, order| recorded(call, order, Err("the disk is full")), "the disk is full"),
        (
            |call, order| {
                call.news(ApplicationNews::Refused { order, why: "no room".to_owned() });
            },
            "no room",
        ),
        (|call, _| call.pass(100_000), "the recording did not begin"),
        (
            |call, order| {
                call.news(ApplicationNews::Writes { order });
                call.pass(100_000);
            },
            "the recording was not there",
        ),
    ];
    for (happens, why) in cases {
        let mut call = Call::with(json!([record(json!({}))]));
        call.answered();
        let order = records(&mut call).order;
        happens(&mut call, order);
        let mut told = call.output();
        if let Output::Order(_, stop) = &told {
            assert_eq!(*stop, ApplicationOrder::StopRecording { order });
            told = call.output();
        }
        let Output::Invoke(body) = told else { panic!("{told:?}") };
        assert!(body.contains("ACTION_FAILED") && body.contains(why), "{body} for {why}");
        // Another one's end, or its own that comes late, changes nothing.
        recorded(&mut call, order, Ok(()));
        call.nothing();
        assert!(call.program.ended().is_none());
    }
}

#[test]
fn a_node_that_records_nothing_says_which_setting() {
    let why = "set recordings of [media_applications]";
    for action in [record(json!({})), start("BOTH")] {
        let mut call = Call::begin(Facts { unrecorded: Some(why.into()), ..facts() });
        call.invoked("NEW_INBOUND_CALL");
        call.answer(json!([action]));
        let data = &call.invoked("ACTION_FAILED")["ActionData"];
        assert_eq!(data["ErrorType"], "UnsupportedAction");
        assert_eq!(data["ErrorMessage"], why);
    }
}

#[test]
fn a_call_is_recorded_beside_other_actions() {
    let with = |name: &str| json!({ "Type": name });
    let mut call = Call::with(json!([start("INCOMING"), play()]));
    call.answered();
    let OrderedRecording { order, legs, prefix, silence, .. } = records(&mut call);
    assert_eq!((legs, &*prefix, silence), ([true, false], "calls/", None));
    call.nothing();
    // It is heard, and its file may fail yet.
    call.news(ApplicationNews::Records { order });
    call.nothing();
    call.news(ApplicationNews::Writes { order });
    let playing = call.plays();
    call.played(playing);
    call.invoked("ACTION_SUCCESSFUL");
    call.answer(json!([with("PauseCallRecording"), with("ResumeCallRecording"), start("BOTH")]));
    assert_eq!(call.output(), Output::PauseRecording(order, true));
    assert_eq!(call.output(), Output::PauseRecording(order, false));
    let data = &call.invoked("ACTION_FAILED")["ActionData"];
    assert!(data["ErrorMessage"].as_str().unwrap().contains("recorded already"));
    call.answer(json!([with("StopCallRecording"), with("StopCallRecording")]));
    assert_eq!(call.ordered().1, ApplicationOrder::StopRecording { order });
    let data = &call.invoked("ACTION_FAILED")["ActionData"];
    assert!(data["ErrorMessage"].as_str().unwrap().contains("is not recorded"));
    recorded(&mut call, order, Ok(()));
    call.nothing();
    call.answer(json!([start("OUTGOING")]));
    assert_eq!(records(&mut call).legs, [false, true]);
}

#[test]
fn a_recording_of_the_call_whose_file_cannot_be_made_fails_the_action() {
    let mut call = Call::with(json!([start("BOTH"), play()]));
    call.answered();
    let order = records(&mut call).order;
    call.news(ApplicationNews::Records { order });
    recorded(&mut call, order, Err("the disk is full"));
    assert_eq!(call.ordered().1, ApplicationOrder::StopRecording { order });
    let data = &call.invoked("ACTION_FAILED")["ActionData"];
    assert_eq!(data["ErrorMessage"], "the disk is full");
    // It is none that could be stopped.
    call.answer(json!([{ "Type": "StopCallRecording" }]));
    call.invoked("ACTION_FAILED");
}

#[test]
fn a_recording_of_the_call_that_ends_by_itself_is_stopped() {
    for outcome in [Ok(()), Err("the disk is full")] {
        let mut call = Call::with(json!([start("BOTH")]));
        call.answered();
        let order = records(&mut call).order;
        call.news(ApplicationNews::Writes { order });
        call.invoked("ACTION_SUCCESSFUL");
        // Another one's end changes nothing.
        recorded(&mut call, order + 1, Ok(()));
        call.nothing();
        call.answer(json!([pause()]));
        recorded(&mut call, order, outcome);
        assert_eq!(call.ordered().1, ApplicationOrder::StopRecording { order });
        if outcome.is_err() {
            // It is told, and whoever answers that without knowing it changes nothing.
            let data = &call.invoked("ACTION_FAILED")["ActionData"];
            assert_eq!(data["Type"], "StartCallRecording");
            assert_eq!(data["Parameters"]["Track"], "BOTH");
            assert_eq!(data["ErrorMessage"], "the disk is full");
            call.answer(json!([{ "Type": "Hangup" }]));
        }
        recorded(&mut call, order, outcome);
        call.nothing();
        call.pass(1_000);
        call.invoked("ACTION_SUCCESSFUL");
        call.answer(json!([start("INCOMING")]));
        assert_eq!(records(&mut call).legs, [true, false]);
    }
}

#[test]
fn the_words_of_a_recording_are_checked() {
    let to = |value: Value| record(json!({ "RecordingDestination": value }));
    let at = |value: &str| {
        json!({ "Type": "StartCallRecording", "Parameters": {
            "Track": "BOTH", "Destination": { "Location": value } } })
    };
    let long = "x".repeat(801);
    for (action, why) in [
        (to(Value::Null), "RecordingDestination is missing"),
        (to(json!({ "BucketName": "/" })), "RecordingDestination.BucketName: is no name"),
        (to(json!({ "BucketName": "b", "Prefix": "a/../b" })), "Prefix: is to be names"),
        (to(json!({ "BucketName": "b", "Prefix": "/a" })), "Prefix: is to be names"),
        (to(json!({ "BucketName": "b", "Prefix": long })), "Prefix: is to be names"),
        (to(json!({ "BucketName": "b", "Type": "EFS" })), "Type: is to be \"S3\""),
        (record(json!({ "DurationInSeconds": 0 })), "whole number, 1 to 14400"),
        (record(json!({ "SilenceThreshold": 1_001 })), "whole number, 1 to 1000"),
        (record(json!({ "RecordingTerminators": ["##"] })), "RecordingTerminators[0]"),
        (at("../x"), "Destination.Location: is no name of a bucket"),
        (at("b/../x"), "Destination.Location: is to be names"),
        (start("LEFT"), "Track: is to be"),
    ] {
        let mut call = Call::with(json!([action]));
        let data = &call.invoked("ACTION_FAILED")["ActionData"];
        let message = data["ErrorMessage"].as_str().unwrap();
        assert!(message.contains(why), "{message} for {why}");
    }
}

#[test]
fn what_ends_with_its_leg_is_stopped() {
    let mut call = Call::with(json!([bridge()]));
    call.ordered();
    call.news(ApplicationNews::Answered(LegSide::A));
    call.news(ApplicationNews::Answered(LegSide::B));
    while let Some(output) = call.program.poll_output() {
        if matches!(output, Output::Invoke(_)) {
            call.answer(json!([record(json!({ "ParticipantTag": "LEG-B" }))]));
        }
        if let Output::Order(order, ApplicationOrder::Record(_)) = output {
            call.hung_up(LegSide::B);
            assert_eq!(call.ordered().1, ApplicationOrder::StopRecording { order });
            call.invoked("HANGUP");
            return;
        }
    }
    panic!("nothing was recorded");
}
