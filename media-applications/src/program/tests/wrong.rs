//! What an application does wrong, and what becomes of its call.

use super::*;

#[test]
fn a_wrong_response_is_told_and_ends_the_call() {
    let attributes: Map<String, Value> = (0..101).map(|n| (n.to_string(), 1.into())).collect();
    for (response, message) in [
        ("{", "is no JSON"),
        ("[]", "is no JSON object"),
        ("{}", "SchemaVersion is missing"),
        (r#"{"SchemaVersion":"2.0"}"#, "SchemaVersion is to be \"1.0\""),
        (r#"{"SchemaVersion":"1.0","Actions":{}}"#, "Actions is to be a list"),
        (r#"{"SchemaVersion":"1.0","Actions":[7]}"#, "Actions[0] is no object"),
        (r#"{"SchemaVersion":"1.0","Actions":[{}]}"#, "Actions[0].Type is missing"),
        (&json!({ "SchemaVersion": "1.0", "Actions": vec![play(); 11] }).to_string(), "11 actions"),
        (
            &json!({ "SchemaVersion": "1.0", "TransactionAttributes": attributes }).to_string(),
            "100",
        ),
        (&" ".repeat(65_537), "65536 octets"),
    ] {
        let mut call = Call::begin(facts());
        call.invoked("NEW_INBOUND_CALL");
        call.program.handle_response(call.now, response.as_bytes());
        let order = call.ordered().1;
        assert_eq!(order, ApplicationOrder::HangUp { leg: None, status: 503 });
        let body = call.invoked("INVALID_LAMBDA_RESPONSE");
        let told = body["ActionData"]["ErrorMessage"].as_str().unwrap();
        assert!(told.contains(message), "{told} for {message}");
        call.answer(json!([play()]));
        call.nothing();
        call.hung_up(LegSide::A);
        call.invoked("HANGUP");
        call.answer(json!([]));
        assert!(call.program.is_over());
        assert!(matches!(call.program.ended(), Some(Ended::InvalidResponse(_))));
    }
}

#[test]
fn a_wrong_action_says_what_and_where() {
    let with = |name: &str, parameters: Value| json!({ "Type": name, "Parameters": parameters });
    let at = "Actions[1].Parameters";
    for (action, kind, message) in [
        (
            with("Dance", json!({})),
            "UnsupportedAction",
            "Actions[1], Dance: there is no such".to_owned(),
        ),
        (
            with("JoinChimeMeeting", json!({ "JoinToken": "t" })),
            "MissingRequiredActionParameter",
            format!("{at}.MeetingId is missing"),
        ),
        (
            with("Pause", json!({})),
            "MissingRequiredActionParameter",
            format!("{at}.DurationInMilliseconds"),
        ),
        (
            with("Pause", json!({ "DurationInMilliseconds": 0 })),
            "InvalidActionParameter",
            format!("{at}.Dur"),
        ),
        (
            with("Hangup", json!({ "SipResponseCode": 200 })),
            "InvalidActionParameter",
            format!("{at}.Sip"),
        ),
        (
            with("Hangup", json!({ "CallId": "x" })),
            "InvalidActionParameter",
            format!("{at}.CallId"),
        ),
        (
            with("Hangup", json!({ "ParticipantTag": "LEG-B" })),
            "InvalidActionParameter",
            "LEG-B is not".into(),
        ),
        (
            with("PlayAudio", json!({ "AudioSource": { "BucketName": "..", "Key": "a" } })),
            "InvalidAudioSource",
            format!("{at}.AudioSource.BucketName"),
        ),
        (
            with("PlayAudio", json!({ "AudioSource": { "BucketName": "b" } })),
            "MissingRequiredActionParameter",
            format!("{at}.AudioSource.Key is missing"),
        ),
        (
            with("ReceiveDigits", json!({ "InputDigitsRegex": "(" })),
            "InvalidActionParameter",
            format!("{at}.Inp"),
        ),
        (
            with("SendDigits", json!({ "Digits": "12x" })),
            "InvalidActionParameter",
            format!("{at}.Digits"),
        ),
        (
            with(
                "CallAndBridge",
                json!({ "CallerIdNumber": "+1", "Endpoints": [
            { "BridgeEndpointType": "PSTN", "Uri": "alice" }] }),
            ),
            "InvalidActionParameter",
            format!("{at}.Endpoints[0].Uri"),
        ),
        (
            with(
                "CallAndBridge",
                json!({ "CallerIdNumber": "+1", "Endpoints": [
            { "BridgeEndpointType": "PSTN", "Uri": "+1" }], "SipHeaders": { "Via": "x" } }),
            ),
            "InvalidActionParameter",
            "Invalid SIP header(s) provided: Via".into(),
        ),
    ] {
        let pause = with("Pause", json!({ "DurationInMilliseconds": 1 }));
        let mut call = Call::with(json!([pause, action]));
        call.nothing();
        call.pass(1);
        let body = call.invoked("ACTION_FAILED");
        assert_eq!(body["ActionData"]["ErrorType"], kind, "{body}");
        let told = body["ActionData"]["ErrorMessage"].as_str().unwrap();
        assert!(told.contains(&message), "{told} for {message}");
    }
}

#[test]
fn a_sound_that_is_not_there_fails_the_action() {
    let mut call = Call::with(json!([play()]));
    call.answered();
    let Output::Fetch(number, sound) = call.output() else { panic!() };
    assert_eq!(sound, Sound::Object { bucket: "sounds".into(), key: "a.wav".into() });
    call.program.handle_sound(call.now, number, Err("no such file".to_owned()));
    let body = call.invoked("ACTION_FAILED");
    assert_eq!(body["ActionData"]["ErrorType"], "InvalidAudioSource");
    assert_eq!(body["ActionData"]["ErrorMessage"], "no such file");
}

#[test]
fn an_application_that_is_away_ends_the_call() {
    let mut call = Call::begin(facts());
    call.invoked("NEW_INBOUND_CALL");
    call.program.handle_failure(call.now, "refused");
    // Nothing was ordered, so that another application may take the call.
    call.nothing();
    assert!(call.program.is_over());
    assert_eq!(call.program.ended(), Some(&Ended::Unreachable("refused".to_owned())));

    let mut call = Call::with(json!([play()]));
    call.answered();
    let order = call.plays();
    call.played(order);
    call.invoked("ACTION_SUCCESSFUL");
    call.program.handle_failure(call.now, "timeout");
    assert_eq!(call.ordered().1, ApplicationOrder::HangUp { leg: None, status: 503 });
    call.hung_up(LegSide::A);
    call.nothing();
    assert!(call.program.is_over());
}

#[test]
fn a_call_that_nobody_answers_ends() {
    let mut call = Call::with(json!([]));
    call.pass(29_999);
    call.nothing();
    call.pass(1);
    assert_eq!(call.ordered().1, ApplicationOrder::HangUp { leg: None, status: 480 });
    assert_eq!(call.program.ended(), Some(&Ended::Unanswered));
}

#[test]
fn an_application_is_asked_a_thousand_times() {
    let pause = json!([{ "Type": "Pause", "Parameters": { "DurationInMilliseconds": 1 } }]);
    let mut call = Call::with(pause.clone());
    for _ in 2..=1_000 {
        call.pass(1);
        call.invoked("ACTION_SUCCESSFUL");
        call.answer(pause.clone());
    }
    call.pass(1);
    assert_eq!(call.ordered().1, ApplicationOrder::HangUp { leg: None, status: 503 });
    call.hung_up(LegSide::A);
    call.nothing();
    assert!(call.program.is_over());
}
