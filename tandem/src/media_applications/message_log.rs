//! What applications are told and what they answer, for those that ask for it.

use crate::clock::Origin;
use crate::config::Config;
use call_applications::Exchanged;
use call_metrics::{Numbers, PerSink};
use call_streaming::events::EventSink;
use control_api::text_shown;
use model::{TransactionId, UnixTime};
use outbox::{Record, RecordKind, RecordPath};
use serde_json::json;
use std::sync::Arc;

/// Octets of a message that are logged.
const MOST: usize = 64 * 1_024;

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

/// Composes a line. Octets that are no UTF-8 are replaced by U+FFFD.
fn line(
    (application, region): (&str, &str),
    at: UnixTime,
    call: TransactionId,
    message: Exchanged<'_>,
    numbers: &dyn Fn(&str) -> String,
) -> Vec<u8> {
    let (name, octets) = match message {
        Exchanged::Told(body) => ("told", body.as_bytes()),
        Exchanged::Answered(body) => ("answered", body),
        Exchanged::Failed(why) => ("failed", why.as_bytes()),
    };
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
        assert_eq!(written(Exchanged::Failed("no answer"))["kind"], "failed");
        assert!(RecordPath::new(path("1f2e3d4c-5b6a-4798-8a9b-0c1d2e3f4a5b")).is_ok());
    }
}
