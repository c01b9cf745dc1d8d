//! EventBridge.

mod probe;

use crate::answer::{Answer, ServiceError, printable};
use crate::connection::{Connection, NoAnswer, Protocol, Request, Sender};
use crate::events::batch::Notice;
use crate::events::{self, Failure, again, each, not_understood};
use crate::fault::{self, Fault, Waiting, Words};
use crate::tally::{Exception, Sent};
use crate::{Access, Endpoint};
use outbox::{BatchRules, Destination, Entry, Outcome};
use serde_json::{Value, json};

const WORDS: Words = Words::of_records("events", "events:PutEvents");
/// Octets that an entry's time counts.
const TIME_BYTES: usize = 14;
/// Marks a detail of an event that may be there already.
const MARK: &str = ",\"possibleDuplicate\":true}";

/// Whose events, and where they go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventBridgeConfig {
    /// The `source` of every event. AWS keeps those that begin with `aws.` for itself.
    pub source: String,
    /// The bus, by its name or ARN.
    pub bus: String,
}

/// Puts each record onto an event bus: its body is the `detail`, its attribute `detail-type` the type.
/// EventBridge gives each event an id of its own, so a detail that may be there already gets
/// `"possibleDuplicate":true`.
#[derive(Debug)]
pub struct EventBridge {
    endpoint: Endpoint,
    connection: Connection,
    config: EventBridgeConfig,
}

impl EventBridge {
    /// Puts events as `config` says.
    pub fn new(access: &Access, config: EventBridgeConfig) -> Self {
        let endpoint = access.endpoint.clone();
        let protocol = Protocol { signing_name: "events", is_s3: false };
        EventBridge {
            endpoint: endpoint.unwrap_or_else(|| Endpoint::of_aws("events", &access.region)),
            connection: Connection::new(access, protocol),
            config,
        }
    }

    /// Octets that an entry counts beside its detail, at most.
    fn overhead(&self) -> usize {
        TIME_BYTES + self.config.source.len() + MOST_DETAIL_TYPE + MARK.len()
    }
}

/// Octets of a `detail-type`.
const MOST_DETAIL_TYPE: usize = 128;

impl Destination for EventBridge {
    fn rules(&self) -> BatchRules {
        events::rules()
    }

    async fn deliver(&mut self, entries: &[Entry]) -> Outcome {
        let sender = match self.connection.prepare().await {
            Ok(sender) => sender,
            Err(NoAnswer(reason)) => return Outcome::Unavailable { reason, after: None },
        };
        let bus = Bus { endpoint: &self.endpoint, config: &self.config };
        let overhead = self.overhead();
        let put = async |notices: &[Notice]| bus.put(&sender, notices).await;
        let (outcome, renews) = events::deliver(entries, overhead, false, put).await;
        if renews {
            self.connection.forget_credentials();
        }
        outcome
    }
}

struct Bus<'a> {
    endpoint: &'a Endpoint,
    config: &'a EventBridgeConfig,
}

impl Bus<'_> {
    async fn put(&self, sender: &Sender, notices: &[Notice]) -> Sent {
        let entries: Vec<Value> = notices.iter().map(|notice| self.entry(notice)).collect();
        match self.call(sender, &entries).await {
            Ok(answer) if answer.is_success() => taken(&answer, notices.len(), self.config),
            Ok(answer) => Sent::Failed(fault_of(&answer.error(), self.config)),
            Err(no_answer) => Sent::Failed(Fault::Wait(no_answer.into())),
        }
    }

    fn entry(&self, notice: &Notice) -> Value {
        let detail = match notice.text.strip_suffix('}').filter(|_| notice.is_repeated) {
            Some(open) if open.len() > 1 => format!("{open}{MARK}"),
            _ => notice.text.clone(),
        };
        json!({
            "Time": notice.time.as_millis() as f64 / 1_000.0,
            "Source": self.config.source,
            "Resources": [],
            "DetailType": notice.detail_type,
            "Detail": detail,
            "EventBusName": self.config.bus,
        })
    }

    async fn call(&self, sender: &Sender, entries: &[Value]) -> Result<Answer, NoAnswer> {
        let headers = vec![
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", "AWSEvents.PutEvents"),
        ];
        let (url, body) =
            (format!("{}/", self.endpoint), json!({ "Entries": entries }).to_string().into());
        sender.send(Request { method: "POST", url, headers, body }).await
    }
}

/// What became of each entry: the status says nothing of that.
fn taken(answer: &Answer, count: usize, config: &EventBridgeConfig) -> Sent {
    let parsed: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(failed) = parsed.get("FailedEntryCount").and_then(Value::as_u64) else {
        return not_understood(WORDS);
    };
    let of = |n: usize| {
        if failed == 0 {
            return Some(Ok(()));
        }
        let entry = parsed.get("Entries")?.get(n)?;
        let text = |name: &str| entry.get(name).and_then(Value::as_str).map(printable);
        Some(match text("ErrorCode") {
            Some(code) => {
                let message = text("ErrorMessage").unwrap_or_default();
                Err(Failure { code, message, is_ours: false })
            }
            None => Ok(()),
        })
    };
    each(count, of, |failure| exception(failure, config))
}

/// What an error of one entry means.
fn exception(failure: &Failure, config: &EventBridgeConfig) -> Exception {
    match failure.code.as_str() {
        "MalformedDetail"
        | "InvalidArgument"
        | "InvalidParameterException"
        | "ValidationException"
        | "EventSizeTooLarge"
        | "ValidationError" => Exception::Refused(failure.told()),
        code if is_source(code) => again(failure, &source_advice(config)),
        code if is_bus(code) => again(failure, &bus_advice(config)),
        code if code.starts_with("AccessDenied") || code.starts_with("NotAuthorized") => again(
            failure,
            "allow events:PutEvents to these credentials (docs/aws.md has the policy)",
        ),
        _ => again(failure, ""),
    }
}

/// What an error of PutEvents as a whole means.
fn fault_of(error: &ServiceError, config: &EventBridgeConfig) -> Fault {
    let told = fault::told(error);
    let wait = |advice: String| Fault::Wait(Waiting::because(format!("{told}: {advice}")));
    match error.code.as_str() {
        code if is_source(code) => wait(source_advice(config)),
        code if is_bus(code) => wait(bus_advice(config)),
        "ValidationException"
        | "SerializationException"
        | "RequestEntityTooLarge"
        | "PutEventsRequestSizeExceeded" => Fault::Invalid(told),
        _ if error.status == 413 => Fault::Invalid(told),
        _ => fault::common(error, WORDS).unwrap_or_else(|| Fault::Wait(Waiting::because(told))),
    }
}

fn is_source(code: &str) -> bool {
    matches!(code, "NotAuthorizedForSourceException" | "NotAuthorizedForSource")
}

fn is_bus(code: &str) -> bool {
    matches!(code, "ResourceNotFoundException" | "InvalidEventBusName" | "EventBusNotFound")
}

fn source_advice(config: &EventBridgeConfig) -> String {
    format!(
        "set source of [sinks] events to a name of your own; it is {:?}, and AWS keeps those that \
         begin with aws. for itself; events wait",
        config.source
    )
}

fn bus_advice(config: &EventBridgeConfig) -> String {
    format!("make the event bus {:?}, or correct bus of [sinks] events; events wait", config.bus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> EventBridgeConfig {
        EventBridgeConfig { source: "aws.chime".to_owned(), bus: "calls".to_owned() }
    }

    #[test]
    fn each_error_of_an_entry_has_its_own_meaning() {
        let exception = |code: &str| {
            let failure = Failure { code: code.to_owned(), message: String::new(), is_ours: false };
            exception(&failure, &config())
        };
        assert!(matches!(exception("MalformedDetail"), Exception::Refused(_)));
        for (code, advice) in [
            ("NotAuthorizedForSourceException", "set source of [sinks] events"),
            ("ResourceNotFoundException", "make the event bus \"calls\""),
            ("AccessDeniedException", "allow events:PutEvents"),
            ("ThrottlingException", "ThrottlingException"),
            ("SomethingNew", "SomethingNew"),
        ] {
            let Exception::Again(waiting) = exception(code) else { panic!("{code}") };
            assert!(waiting.reason.contains(advice), "{}", waiting.reason);
        }
    }

    #[test]
    fn a_setting_waits_and_a_request_that_is_wrong_is_halved() {
        let fault = |status, code: &str| {
            let (code, message) = (code.to_owned(), String::new());
            fault_of(&ServiceError { status, code, message, retry_after: None }, &config())
        };
        for (status, code) in [
            (400, "ResourceNotFoundException"),
            (400, "AccessDeniedException"),
            (400, "ThrottlingException"),
            (500, "InternalException"),
            (400, "SomethingNew"),
        ] {
            assert!(matches!(fault(status, code), Fault::Wait(_)), "{code}");
        }
        assert!(matches!(fault(400, "ValidationException"), Fault::Invalid(_)));
        assert!(matches!(fault(413, ""), Fault::Invalid(_)));
    }
}
