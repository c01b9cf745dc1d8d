//! A program between an application and an edge, both of which the test plays.

mod digits;
mod lost;
mod meeting;
mod random;
mod recording;
mod wrong;

use super::*;
use model::{DtmfKey, PlayOutcome, RecordedObject, TransactionId};
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
