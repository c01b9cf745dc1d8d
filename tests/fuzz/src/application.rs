//! What applications that steer calls answer.

use crate::{bounded, parts};
use media_applications::{Direction, Facts, MeetingRefusal, MeetingRequest, Output, Program};
use model::{
    ApplicationNews, ApplicationOrder, AudioSource, DtmfKey, Instant, LegSide, PlayOutcome,
    RecordedObject, TransactionId, UnixTime,
};
use serde_json::Value;
use std::time::Duration;

/// Answers of a script.
const MOST_ANSWERS: usize = 24;
/// What a program may want at once.
const MOST_OUTPUTS: usize = 40;
/// Steps of a call: an action may ask for digits a thousand times.
const MOST_STEPS: usize = 400;

/// A script of answers to a call's invocations, one after the other; a part that begins with `#` is keys that
/// the caller presses. The edge does at once what it is ordered.
///
/// # Panics
/// When an invocation is no JSON object with its words, a failed action does not say what is wrong, or
/// a program wants too much at once.
pub fn application(data: &[u8]) {
    let data = bounded(data);
    let mut call = Call::begin();
    for part in parts(data, MOST_ANSWERS) {
        match part.strip_prefix(b"#") {
            Some(keys) => call.press(keys),
            None => call.program.handle_response(call.now, part),
        }
        call.go_on();
    }
    call.news(&ApplicationNews::HungUp { leg: LegSide::A, ordered: false, status: 200 });
    for _ in 0..4 {
        while call.program.poll_output().is_some() {}
        call.program.handle_response(call.now, b"null");
    }
    while call.program.poll_output().is_some() {}
    assert!(call.program.is_over(), "a call without leg A is over");
    assert_eq!(call.program.poll_timeout(), None);
}

struct Call {
    program: Program,
    now: Instant,
    steps: usize,
}

impl Call {
    fn begin() -> Self {
        let facts = Facts {
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
            headers: Vec::new(),
            arguments: Vec::new(),
            unrecorded: None,
            on_failure: 503,
        };
        let now = Instant::from_millis(1_000);
        let mut call = Call { program: Program::new(now, facts), now, steps: MOST_STEPS };
        call.go_on();
        call
    }

    fn news(&mut self, news: &ApplicationNews) {
        self.program.handle_news(self.now, news);
    }

    fn press(&mut self, keys: &[u8]) {
        for key in keys.iter().take(32).filter_map(|key| DtmfKey::from_symbol(char::from(*key))) {
            self.news(&ApplicationNews::Key { leg: LegSide::A, key });
        }
    }

    /// Does what is wanted, and lets time pass, until only an answer is waited for.
    fn go_on(&mut self) {
        while self.steps > 0 {
            self.steps -= 1;
            let mut outputs = Vec::new();
            while let Some(output) = self.program.poll_output() {
                outputs.push(output);
            }
            assert!(outputs.len() <= MOST_OUTPUTS, "{} outputs at once", outputs.len());
            while self.program.poll_acted().is_some() {}
            let is_idle = outputs.is_empty();
            outputs.into_iter().for_each(|output| self.serve(output));
            if is_idle {
                let Some(at) = self.program.poll_timeout() else { return };
                self.now = self.now.max(at) + Duration::from_millis(1);
                self.program.handle_timeout(self.now);
            }
        }
        while self.program.poll_output().is_some() {}
    }

    fn serve(&mut self, output: Output) {
        match output {
            Output::Invoke(body) => invoked(&body),
            Output::Fetch(number, _) => {
                let sound = match number % 5 {
                    0 => Err("there is no such object".to_owned()),
                    _ => Ok(AudioSource::Octets(b"RIFF\0\0\0\0WAVE"[..].into())),
                };
                self.program.handle_sound(self.now, number, sound);
            }
            Output::PauseRecording(..) => {}
            Output::Meeting(number, request) => {
                let outcome = match request {
                    MeetingRequest::Leave => return,
                    MeetingRequest::Mute { attendees, .. } => {
                        assert!((1..=100).contains(&attendees.len()));
                        Ok(())
                    }
                    MeetingRequest::Join { .. } if number % 3 == 0 => Err(MeetingRefusal::Full),
                    MeetingRequest::Join { .. } => Ok(()),
                };
                self.program.handle_meeting(self.now, number, outcome);
            }
            Output::Order(order, wanted) => {
                let news = match wanted {
                    ApplicationOrder::Answer => ApplicationNews::Answered(LegSide::A),
                    ApplicationOrder::Bridge(_) => ApplicationNews::Answered(LegSide::B),
                    ApplicationOrder::HangUp { leg, status } => {
                        let leg = leg.unwrap_or(LegSide::A);
                        ApplicationNews::HungUp { leg, ordered: true, status }
                    }
                    ApplicationOrder::SendKeys { .. } => ApplicationNews::KeysSent { order },
                    ApplicationOrder::Play { .. } => {
                        ApplicationNews::Played { order, outcome: PlayOutcome::Finished }
                    }
                    ApplicationOrder::Record(recording) => {
                        let path = format!("{}{order}", recording.prefix);
                        assert!(!path.starts_with('/') && !path.split('/').any(|of| of == ".."));
                        self.news(&ApplicationNews::Records { order });
                        self.news(&ApplicationNews::Writes { order });
                        let object =
                            RecordedObject { bucket: recording.bucket.clone(), key: path.into() };
                        ApplicationNews::Recorded { order, outcome: Ok(object) }
                    }
                    _ => return,
                };
                self.news(&news);
            }
        }
    }
}

fn invoked(body: &str) {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let kind = body["InvocationEventType"].as_str().unwrap_or_default();
    assert!(!kind.is_empty() && body["CallDetails"].is_object(), "{body}");
    if kind == "ACTION_FAILED" {
        let data = &body["ActionData"];
        for name in ["Type", "ErrorType", "ErrorMessage"] {
            assert!(data[name].as_str().is_some(), "{name} of {body}");
        }
        assert!(data["ErrorMessage"] != "", "what is wrong is said: {body}");
    }
}

/// Too regular for files.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let list = |action: &str, count: usize| {
        let actions = vec![action; count].join(",");
        format!(r#"{{"SchemaVersion":"1.0","Actions":[{actions}]}}"#).into_bytes()
    };
    let digits = r#"{"Type":"PlayAudioAndGetDigits","Parameters":{"AudioSource":{"BucketName":"b",
        "Key":"k"},"Repeat":1000,"RepeatDurationInMilliseconds":1}}"#;
    let keys = r#"{"Type":"SendDigits","Parameters":{"Digits":"1,2,3,4,5,6,7,8,9,0"}}"#;
    vec![
        ("digits", list(digits, 10)),
        ("keys", list(keys, 10)),
        ("too-many", list("{}", 11)),
        ("nested", b"[".repeat(100_000)),
        ("long", [b"{\"SchemaVersion\":\"".as_slice(), &b"1".repeat(65_536)].concat()),
    ]
}
