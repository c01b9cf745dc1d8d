use super::*;
use model::{DtmfKey, PlayOutcome, TransactionId};
use proptest::prelude::*;
use serde_json::json;

fn facts() -> Facts {
    Facts {
        transaction_id: TransactionId::from_random(7),
        seed: 11,
        account_id: "111122223333".into(),
        region: "us-east-1".into(),
        rule_id: Some("rule".into()),
        application_id: "application".into(),
        direction: Direction::Inbound,
        to: "+12065550100".into(),
        from: "+12065550199".into(),
        started: UnixTime::from_millis(1_700_000_000_000),
        headers: vec![("X-Account".into(), "7".into())],
        arguments: Vec::new(),
        unrecorded: None,
        on_failure: 503,
    }
}

/// A program, and the clock that it is shown.
struct Call {
    program: Program,
    now: Instant,
}

impl Call {
    fn begin(facts: Facts) -> Self {
        let now = Instant::from_millis(1_000);
        Call { program: Program::new(now, facts), now }
    }

    /// A call whose first answer is this list.
    fn with(actions: Value) -> Self {
        let mut call = Call::begin(facts());
        call.invoked("NEW_INBOUND_CALL");
        call.answer(actions);
        call
    }

    fn output(&mut self) -> Output {
        self.program.poll_output().expect("an output")
    }

    fn nothing(&mut self) {
        assert_eq!(self.program.poll_output(), None);
    }

    fn invoked(&mut self, event: &str) -> Value {
        let Output::Invoke(body) = self.output() else { panic!("no invocation") };
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["InvocationEventType"], event, "{body}");
        body
    }

    fn ordered(&mut self) -> (u32, ApplicationOrder) {
        match self.output() {
            Output::Order(number, order) => (number, order),
            other => panic!("no order: {other:?}"),
        }
    }

    fn respond(&mut self, body: Value) {
        self.program.handle_response(self.now, body.to_string().as_bytes());
    }

    fn answer(&mut self, actions: Value) {
        self.respond(json!({ "SchemaVersion": "1.0", "Actions": actions }));
    }

    fn news(&mut self, news: ApplicationNews) {
        self.program.handle_news(self.now, &news);
    }

    fn press(&mut self, keys: &str) {
        for symbol in keys.chars() {
            let key = DtmfKey::from_symbol(symbol).unwrap();
            self.news(ApplicationNews::Key { leg: LegSide::A, key });
        }
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        if self.program.poll_timeout().is_some_and(|at| at <= self.now) {
            self.program.handle_timeout(self.now);
        }
    }

    /// Leg A is answered, which was ordered.
    fn answered(&mut self) {
        assert_eq!(self.ordered().1, ApplicationOrder::Answer);
        self.news(ApplicationNews::Answered(LegSide::A));
    }

    /// A sound is fetched and its order comes.
    fn plays(&mut self) -> u32 {
        let Output::Fetch(number, _) = self.output() else { panic!("nothing is fetched") };
        self.program.handle_sound(self.now, number, Ok(source()));
        let (number, order) = self.ordered();
        assert!(matches!(order, ApplicationOrder::Play { .. }), "{order:?}");
        number
    }

    fn played(&mut self, order: u32) {
        self.news(ApplicationNews::Played { order, outcome: PlayOutcome::Finished });
    }

    fn hung_up(&mut self, leg: LegSide) {
        self.news(ApplicationNews::HungUp { leg, ordered: false, status: 200 });
    }
}

fn source() -> AudioSource {
    AudioSource::File("a.wav".into())
}

fn play() -> Value {
    json!({ "Type": "PlayAudio", "Parameters": {
        "AudioSource": { "Type": "S3", "BucketName": "sounds", "Key": "a.wav" } } })
}

fn get_digits(extra: Value) -> Value {
    let mut action = json!({ "Type": "PlayAudioAndGetDigits", "Parameters": {
        "AudioSource": { "Type": "S3", "BucketName": "sounds", "Key": "a.wav" },
        "FailureAudioSource": { "Type": "S3", "BucketName": "sounds", "Key": "wrong.wav" },
        "RepeatDurationInMilliseconds": 3000, "InBetweenDigitsDurationInMilliseconds": 1000 } });
    let fields = extra.as_object().unwrap().clone();
    action["Parameters"].as_object_mut().unwrap().extend(fields);
    action
}

fn bridge() -> Value {
    json!({ "Type": "CallAndBridge", "Parameters": { "CallerIdNumber": "+12065550199",
        "Endpoints": [{ "BridgeEndpointType": "PSTN", "Uri": "+12065550177" }],
        "SipHeaders": { "x-floor": "3" } } })
}

#[test]
fn an_application_is_told_of_a_call_as_the_service_does() {
    let mut call = Call::begin(facts());
    let body = call.invoked("NEW_INBOUND_CALL");
    let participant = &body["CallDetails"]["Participants"][0];
    let id = participant["CallId"].as_str().unwrap().to_owned();
    assert_eq!(
        body,
        json!({ "SchemaVersion": "1.0", "Sequence": 1, "InvocationEventType": "NEW_INBOUND_CALL",
            "CallDetails": {
                "TransactionId": facts().transaction_id.to_string(),
                "AwsAccountId": "111122223333", "AwsRegion": "us-east-1", "SipRuleId": "rule",
                "SipMediaApplicationId": "application",
                "Participants": [{ "CallId": id, "ParticipantTag": "LEG-A",
                    "To": "+12065550100", "From": "+12065550199", "Direction": "Inbound",
                    "StartTimeInMilliseconds": "1700000000000", "Status": "Connected",
                    "SipHeaders": { "X-Account": "7" } }] } })
    );
    call.nothing();
}

#[test]
fn playing_answers_the_call_and_the_last_action_is_told() {
    let mut call = Call::with(json!([play(), play()]));
    call.answered();
    let first = call.plays();
    call.nothing();
    call.played(first);
    let second = call.plays();
    call.played(first);
    call.nothing();
    call.played(second);
    let body = call.invoked("ACTION_SUCCESSFUL");
    assert_eq!(body["Sequence"], 2);
    assert_eq!(body["ActionData"]["Type"], "PlayAudio");
    let id = &body["CallDetails"]["Participants"][0]["CallId"];
    assert_eq!(&body["ActionData"]["Parameters"]["CallId"], id);
    call.answer(json!([{ "Type": "Hangup", "Parameters": { "SipResponseCode": "0" } }]));
    let (_, order) = call.ordered();
    assert_eq!(order, ApplicationOrder::HangUp { leg: Some(LegSide::A), status: 480 });
    call.news(ApplicationNews::HungUp { leg: LegSide::A, ordered: true, status: 200 });
    let body = call.invoked("HANGUP");
    assert_eq!(body["ActionData"]["Parameters"]["SipResponseCode"], 0);
    assert_eq!(body["CallDetails"]["Participants"][0]["Status"], "Disconnected");
    assert!(!call.program.is_over());
    call.answer(json!([play()]));
    call.nothing();
    assert!(call.program.is_over());
    assert_eq!(call.program.ended(), None);
}

#[test]
fn digits_are_collected_to_their_end() {
    let mut call = Call::with(json!([get_digits(json!({ "InputDigitsRegex": r"^\d{4}$" }))]));
    call.answered();
    call.plays();
    call.press("12");
    assert_eq!(call.ordered().1, ApplicationOrder::StopPlaying { leg: LegSide::A });
    call.pass(999);
    call.press("34");
    call.pass(999);
    call.nothing();
    call.pass(1);
    let body = call.invoked("ACTION_SUCCESSFUL");
    assert_eq!(body["ActionData"]["ReceivedDigits"], "1234");
}

#[test]
fn a_terminator_ends_digits_and_counts_where_the_pattern_wants_it() {
    for (pattern, digits) in [(r"^\d{2}$", "12"), (r"^\d{2}#$", "12#")] {
        let mut call = Call::with(json!([get_digits(json!({ "InputDigitsRegex": pattern }))]));
        call.answered();
        call.plays();
        call.press("12#");
        call.output();
        let body = call.invoked("ACTION_SUCCESSFUL");
        assert_eq!(body["ActionData"]["ReceivedDigits"], digits);
    }
}

#[test]
fn as_many_digits_as_are_wanted_end_them() {
    let extra = json!({ "MinNumberOfDigits": 2, "MaxNumberOfDigits": 3 });
    let mut call = Call::with(json!([get_digits(extra)]));
    call.answered();
    call.plays();
    call.press("123");
    call.output();
    let body = call.invoked("ACTION_SUCCESSFUL");
    assert_eq!(body["ActionData"]["ReceivedDigits"], "123");
}

#[test]
fn wrong_digits_are_asked_again_and_then_fail() {
    let extra = json!({ "InputDigitsRegex": r"^9$", "Repeat": 2 });
    let mut call = Call::with(json!([get_digits(extra), play()]));
    call.answered();
    let prompt = call.plays();
    call.played(prompt);
    // Nobody presses anything.
    call.pass(2_999);
    call.nothing();
    call.pass(1);
    let failure = call.plays();
    call.press("9");
    call.played(failure);
    call.plays();
    call.press("8#");
    assert_eq!(call.ordered().1, ApplicationOrder::StopPlaying { leg: LegSide::A });
    let failure = call.plays();
    call.played(failure);
    let body = call.invoked("ACTION_FAILED");
    assert_eq!(body["ActionData"]["ErrorType"], "InvalidDigitsReceived");
    assert_eq!(body["ActionData"]["ErrorMessage"], "no valid digits in 2 attempts");
    assert_eq!(body["ActionData"]["ReceivedDigits"], "8");
    // What came after the failed action is not done, also when the answer has no list.
    call.respond(json!({ "SchemaVersion": "1.0" }));
    call.nothing();
}

#[test]
fn an_answer_without_a_list_keeps_the_one_that_is() {
    let mut call = Call::with(json!([get_digits(json!({})), play()]));
    call.answered();
    call.plays();
    call.press("1#");
    call.output();
    call.invoked("ACTION_SUCCESSFUL");
    call.nothing();
    call.program.handle_response(call.now, b"null");
    call.plays();
}

#[test]
fn a_key_ends_what_is_played() {
    let mut action = play();
    action["Parameters"]["PlaybackTerminators"] = json!(["#"]);
    let mut call = Call::with(json!([action]));
    call.answered();
    call.plays();
    call.press("1");
    call.nothing();
    call.press("#");
    assert_eq!(call.ordered().1, ApplicationOrder::StopPlaying { leg: LegSide::A });
    call.invoked("ACTION_SUCCESSFUL");
}

#[test]
fn digits_are_received_beside_other_actions() {
    let receive = json!({ "Type": "ReceiveDigits", "Parameters": { "InputDigitsRegex": r"^\d{2}#$",
        "InBetweenDigitsDurationInMilliseconds": 1000, "FlushDigitsDurationInMilliseconds": 5000 } });
    let mut call = Call::with(json!([receive, play()]));
    call.answered();
    let order = call.plays();
    call.press("1");
    call.pass(1_000);
    call.nothing();
    call.press("2#");
    call.pass(1_000);
    let body = call.invoked("DIGITS_RECEIVED");
    assert_eq!(body["ActionData"]["ReceivedDigits"], "12#");
    assert_eq!(body["ActionData"]["Type"], "ReceiveDigits");
    // The answer's actions wait for the one that runs.
    call.answer(json!([{ "Type": "Pause", "Parameters": { "DurationInMilliseconds": "10" } }]));
    call.nothing();
    // What does not fit is forgotten in time.
    call.press("7");
    call.pass(5_000);
    call.nothing();
    call.press("34#");
    call.played(order);
    call.pass(1_000);
    call.invoked("ACTION_SUCCESSFUL");
    call.answer(json!([]));
    let body = call.invoked("DIGITS_RECEIVED");
    assert_eq!(body["ActionData"]["ReceivedDigits"], "34#");
}

#[test]
fn a_bridge_brings_leg_b_and_its_end_is_told() {
    let mut call = Call::with(json!([bridge()]));
    let (_, order) = call.ordered();
    let ApplicationOrder::Bridge(bridge) = order else { panic!("{order:?}") };
    assert_eq!((&*bridge.to, &*bridge.from), ("+12065550177", "+12065550199"));
    assert_eq!(bridge.headers, [("x-floor".into(), "3".into())]);
    call.news(ApplicationNews::Answered(LegSide::A));
    call.news(ApplicationNews::Answered(LegSide::B));
    let body = call.invoked("ACTION_SUCCESSFUL");
    let leg_b = &body["CallDetails"]["Participants"][1];
    assert_eq!((&leg_b["ParticipantTag"], &leg_b["To"]), (&json!("LEG-B"), &json!("+12065550177")));
    call.answer(json!([{ "Type": "SendDigits", "Parameters": {
        "CallId": leg_b["CallId"], "Digits": "1,,2" } }]));
    let (first, order) = call.ordered();
    let keys = vec![DtmfKey::from_symbol('1').unwrap()];
    let duration = Duration::from_millis(250);
    assert_eq!(order, ApplicationOrder::SendKeys { leg: LegSide::B, keys, duration });
    call.news(ApplicationNews::KeysSent { order: first });
    call.pass(999);
    call.nothing();
    call.pass(1);
    call.ordered();
    call.hung_up(LegSide::B);
    let body = call.invoked("HANGUP");
    assert_eq!(body["ActionData"]["Parameters"]["ParticipantTag"], "LEG-B");
    assert_eq!(body["CallDetails"]["Participants"][1]["Status"], "Disconnected");
    call.answer(json!([play()]));
    let order = call.plays();
    call.played(order);
    let body = call.invoked("ACTION_SUCCESSFUL");
    assert_eq!(body["CallDetails"]["Participants"].as_array().unwrap().len(), 1);
}

#[test]
fn a_bridge_that_fails_says_why() {
    let mut call = Call::with(json!([bridge()]));
    let (order, _) = call.ordered();
    call.news(ApplicationNews::BridgeFailed { order, status: 486 });
    let body = call.invoked("ACTION_FAILED");
    assert_eq!(body["ActionData"]["ErrorType"], "CallNotAnswered");
    assert!(body["ActionData"]["ErrorMessage"].as_str().unwrap().contains("486"));
}

#[test]
fn an_update_interrupts_what_may_be_interrupted() {
    let mut call = Call::with(json!([play(), play()]));
    call.answered();
    call.plays();
    let arguments = json!({ "leg": "A" }).as_object().unwrap().clone();
    call.program.update(call.now, arguments).unwrap();
    let body = call.invoked("CALL_UPDATE_REQUESTED");
    assert_eq!(body["ActionData"]["Parameters"]["Arguments"]["leg"], "A");
    call.answer(json!([{ "Type": "Pause", "Parameters": { "DurationInMilliseconds": 5000 } }]));
    assert_eq!(call.ordered().1, ApplicationOrder::StopPlaying { leg: LegSide::A });
    call.invoked("ACTION_INTERRUPTED");
    call.answer(json!([play()]));
    call.nothing();
    call.pass(5_000);
    call.invoked("ACTION_SUCCESSFUL");
}

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
            "UnsupportedAction",
            "rooms".into(),
        ),
        (with("RecordAudio", json!({})), "UnsupportedAction", "not recorded yet".into()),
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
fn attributes_are_kept_until_they_are_replaced() {
    let mut call = Call::begin(facts());
    call.invoked("NEW_INBOUND_CALL");
    let pause = json!([{ "Type": "Pause", "Parameters": { "DurationInMilliseconds": 1 } }]);
    let body =
        json!({ "SchemaVersion": "1.0", "Actions": pause, "TransactionAttributes": { "a": "1" } });
    call.respond(body);
    for (attributes, seen) in [
        (Value::Null, json!({ "a": "1" })),
        (json!({ "b": "2" }), json!({ "a": "1" })),
        (json!({}), json!({ "b": "2" })),
        (Value::Null, Value::Null),
    ] {
        call.pass(1);
        let body = call.invoked("ACTION_SUCCESSFUL");
        assert_eq!(body["CallDetails"]["TransactionAttributes"], seen);
        let body = json!({ "SchemaVersion": "1.0", "Actions": pause, "TransactionAttributes": attributes });
        call.respond(body);
    }
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
fn an_outbound_call_is_steered_from_its_answer_on() {
    let direction = Direction::Outbound;
    let arguments = vec![("code".into(), "7".into())];
    let mut call = Call::begin(Facts { direction, arguments, ..facts() });
    let body = call.invoked("NEW_OUTBOUND_CALL");
    assert_eq!(body["ActionData"]["Parameters"]["Arguments"]["code"], "7");
    call.news(ApplicationNews::Ringing(LegSide::A));
    call.answer(json!([play()]));
    call.invoked("RINGING");
    call.news(ApplicationNews::Answered(LegSide::A));
    call.answer(json!([play()]));
    call.invoked("CALL_ANSWERED");
    call.nothing();
    call.answer(json!([play()]));
    call.plays();
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

/// Whatever an edge, an application and a clock may do.
#[derive(Clone, Debug)]
enum Input {
    News(ApplicationNews),
    Response(String),
    Failure,
    Sound(u32, bool),
    Update,
    Pass(u64),
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
