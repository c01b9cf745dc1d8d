//! What applications are told and what they answer, for those that ask for it.

use crate::clock::Origin;
use crate::config::Config;
use call_applications::Exchanged;
use call_metrics::{Numbers, PerSink};
use call_streaming::events::EventSink;
use control_api::text_shown;
use model::{TransactionId, UnixTime};
use outbox::{Record, RecordKind, RecordPath};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::Arc;

/// Octets of a message that are logged.
const MOST: usize = 64 * 1_024;

/// What opens a meeting to whoever has it: a moderators' passcode or an attendee's token.
const TOKEN: &str = "JoinToken";
/// So does the id that moderators dial, which has this many digits.
const MEETING: &str = "MeetingId";
const MODERATOR_DIGITS: usize = 13;
const MASK: &str = "***";

/// Takes messages: a line of JSON each, in a file or a log group of each application.
pub(super) struct MessageLog {
    sink: Arc<dyn EventSink>,
    /// People as in events that leave the node: a line goes wherever logs go.
    numbers: Numbers,
    region: Arc<str>,
}

impl MessageLog {
    pub(super) fn new(
        config: &Config,
        (sink, people): (&Arc<dyn EventSink>, &PerSink<Numbers>),
    ) -> Self {
        let (sink, numbers) = (Arc::clone(sink), people.service.clone());
        MessageLog { sink, numbers, region: config.node.region.as_str().into() }
    }

    pub(super) fn write(&self, call: TransactionId, application: &str, message: Exchanged<'_>) {
        // The id is a UUID.
        let Ok(path) = RecordPath::new(path(application)) else { return };
        let shown = |number: &str| self.numbers.user(number).into_owned();
        let body = line((application, &self.region), Origin::now().calendar, call, message, &shown);
        self.sink.record(Record { path, body, kind: RecordKind::AppendLine });
    }
}

/// The path of an application's log.
fn path(application: &str) -> String {
    format!("logs/aws/ChimeSipMediaApplicationSipMessages/{application}.jsonl")
}

/// A message without what opens meetings. Of one that is no JSON nothing stays from there on.
fn without_secrets(text: Cow<'_, str>) -> Cow<'_, str> {
    if let Ok(mut value) = serde_json::from_str::<Value>(&text) {
        // Of a key that comes twice the value has but one.
        let is_named = text.contains(TOKEN) || text.contains(MEETING);
        return if mask(&mut value) || is_named { value.to_string().into() } else { text };
    }
    let names = [TOKEN, MEETING].into_iter().filter_map(|name| text.find(name));
    match names.min().and_then(|at| text.get(..at)) {
        Some(before) => format!("{before}{MASK}").into(),
        None => text,
    }
}

/// Hides what opens meetings, at any depth; whether there was something.
fn mask(value: &mut Value) -> bool {
    let members = match value {
        Value::Array(values) => return values.iter_mut().fold(false, |any, one| mask(one) | any),
        Value::Object(members) => members,
        _ => return false,
    };
    let mut is_masked = false;
    for (name, value) in members {
        let is_secret = match (name.as_str(), &*value) {
            (TOKEN, _) => true,
            (MEETING, Value::Number(_)) => true,
            (MEETING, Value::String(id)) => {
                id.len() == MODERATOR_DIGITS && id.bytes().all(|digit| digit.is_ascii_digit())
            }
            _ => false,
        };
        if is_secret {
            *value = MASK.into();
        }
        is_masked |= is_secret || mask(value);
    }
    is_masked
}

/// Composes a line. Octets that are no UTF-8 are replaced by U+FFFD.
fn line(
    (application, region): (&str, &str),
    at: UnixTime,
    call: TransactionId,
    message: Exchanged<'_>,
    numbers: &dyn Fn(&str) -> String,
) -> Vec<u8> {
    let (name, text) = match message {
        Exchanged::Told(body) => ("told", without_secrets(body.into())),
        Exchanged::Answered(body) => ("answered", without_secrets(String::from_utf8_lossy(body))),
        Exchanged::Failed(why) => ("failed", why.into()),
    };
    let octets = text.as_bytes();
    let text = String::from_utf8_lossy(octets.get(..MOST).unwrap_or(octets));
    let line = json!({
        "sip_media_application_id": application,
        "aws_region": region,
        "event_timestamp": at.as_millis(),
        "call_id": call.to_string(),
        "kind": name,
        "message": text_shown(&text, numbers),
    });
    line.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn written(message: Exchanged<'_>) -> Value {
        let numbers = |number: &str| format!("<{}>", number.len());
        let call = TransactionId::from_u128(7);
        let line = line(("id", "us-east-1"), UnixTime::from_millis(5), call, message, &numbers);
        assert!(!line.contains(&b'\n'));
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn a_message_is_a_line_whose_numbers_are_hidden() {
        let told = written(Exchanged::Told(r#"{"To":"+12065550100","Digits":"12"}"#));
        assert_eq!(told["message"], r#"{"To":"<12>","Digits":"12"}"#);
        assert_eq!((&told["kind"], &told["event_timestamp"]), (&json!("told"), &json!(5)));
        let answered = written(Exchanged::Answered(b"{\n\xff}"));
        assert_eq!(answered["message"], "{\n\u{fffd}}");
        let long = vec![b'x'; MOST + 1];
        let cut = written(Exchanged::Answered(&long));
        assert_eq!(cut["message"].as_str().unwrap().len(), MOST);
        let failed = written(Exchanged::Failed("JoinToken: is empty"));
        assert_eq!(
            (&failed["kind"], &failed["message"]),
            (&json!("failed"), &json!("JoinToken: is empty"))
        );
        assert!(RecordPath::new(path("1f2e3d4c-5b6a-4798-8a9b-0c1d2e3f4a5b")).is_ok());
    }

    #[test]
    fn what_opens_a_meeting_is_in_no_line() {
        let of = |message: &Value| -> Value {
            serde_json::from_str(message["message"].as_str().unwrap()).unwrap()
        };
        let action = |meeting: &str, token: &str| {
            json!({ "Type": "JoinChimeMeeting",
                "Parameters": { "MeetingId": meeting, "JoinToken": token } })
        };
        let moderator = json!({ "Actions": [action("7035550123456", "secret")] }).to_string();
        let answered = of(&written(Exchanged::Answered(moderator.as_bytes())));
        assert_eq!(answered, json!({ "Actions": [action("***", "***")] }));
        let told = json!({ "ActionData": action("4081234567", "secret") }).to_string();
        let told = of(&written(Exchanged::Told(&told)));
        assert_eq!(told, json!({ "ActionData": action("4081234567", "***") }), "guests' ids stay");
        for hidden in [
            r#"{"a":{"JoinToken":"secret"},"a":1}"#,
            r#"{"Join\u0054oken":"secret"}"#,
            r#"{"JoinToken":["secret"]}"#,
            r#"{"a":[1,{"JoinToken":"secret","#,
        ] {
            let line = written(Exchanged::Answered(hidden.as_bytes()));
            assert!(!line.to_string().contains("secret"), "{line}");
        }
        let broken = written(Exchanged::Answered(br#"{"a":1,"JoinToken":"secret""#));
        assert_eq!(broken["message"], r#"{"a":1,"***"#);
    }
}
