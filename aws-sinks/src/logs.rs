//! CloudWatch Logs.

pub mod batch;
mod probe;

use crate::Access;
use crate::Endpoint;
use crate::answer::{Answer, ServiceError};
use crate::connection::{Connection, NoAnswer, Protocol, Request, Sender};
use crate::fault::{self, Fault, Waiting, Words};
use crate::tally::{Exception, Item, Sent, Tally, send_all};
use batch::{EVENT_OVERHEAD, Event, MAX_BYTES, MAX_EVENTS, MAX_SPAN};
use model::UnixTime;
use outbox::{BatchRules, Destination, Entry, OutboxRecord, Outcome};
use serde_json::{Value, json};
use std::time::Duration;

/// What a group's retention may be, in days, as CloudWatch Logs takes it.
pub const RETENTION_DAYS: [u16; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557,
    2_922, 3_288, 3_653,
];

/// Marks an event that may be in the log already.
const MARK: &str = ",\"possible_duplicate\":true}";
/// An event that is farther ahead of the service's clock is refused: its stream would wait too long.
const MOST_AHEAD: Duration = Duration::from_secs(24 * 3_600);
/// When events that the service's clock finds too new are tried again.
const TOO_NEW_AFTER: Duration = Duration::from_secs(300);
/// Permissions that a group's beginning needs.
const MAKES: Words = Words::of_records("logs", "logs:CreateLogGroup and logs:CreateLogStream");
const PUTS: Words = Words::of_records("logs", "logs:PutLogEvents");

/// Puts records into CloudWatch Logs: one JSON text each, into the group and stream that
/// [`OutboxRecord::stream`] names as `group:stream`. Both are made when they are missing.
///
/// A JSON object that may be there already gets `"possible_duplicate":true`.
#[derive(Debug)]
pub struct Logs {
    endpoint: Endpoint,
    connection: Connection,
    retention_days: Option<u16>,
}

impl Item for Event {
    fn entry(&self) -> usize {
        self.entry
    }

    fn name(&self) -> String {
        String::new()
    }
}

/// A group and a stream of it.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    group: &'a str,
    stream: &'a str,
}

impl<'a> Place<'a> {
    fn of(stream: &'a str) -> Option<Self> {
        let (group, stream) = stream.rsplit_once(':')?;
        (!group.is_empty() && !stream.is_empty()).then_some(Place { group, stream })
    }
}

impl Logs {
    /// Groups that are made keep their events `retention_days`, one of [`RETENTION_DAYS`], or
    /// without an end.
    pub fn new(access: &Access, retention_days: Option<u16>) -> Self {
        let endpoint = access.endpoint.clone();
        let protocol = Protocol { signing_name: "logs", is_s3: false };
        Logs {
            endpoint: endpoint.unwrap_or_else(|| Endpoint::of_aws("logs", &access.region)),
            connection: Connection::new(access, protocol),
            retention_days,
        }
    }

    async fn put_batch(&mut self, place: Place<'_>, batch: &[Entry], tally: &mut Tally) {
        let mut events = Vec::with_capacity(batch.len());
        for (n, entry) in batch.iter().enumerate() {
            match message(entry) {
                Ok(message) => events.push(Event { entry: n, time: entry.record.time, message }),
                Err(reason) => tally.refuse(n, reason.to_owned()),
            }
        }
        let (requests, refused) = batch::requests(events);
        for (event, reason) in refused {
            tally.refuse(event.entry, reason.to_owned());
        }
        let sender = self.connection.prepare().await;
        let service = Service { endpoint: &self.endpoint, retention_days: self.retention_days };
        send_all(tally, requests, async |events: &[Event]| match &sender {
            Ok(sender) => service.put(sender, place, events).await,
            Err(no_answer) => Sent::Failed(Fault::Wait(no_answer.clone().into())),
        })
        .await;
        if tally.renews() {
            self.connection.forget_credentials();
        }
    }
}

impl Destination for Logs {
    fn rules(&self) -> BatchRules {
        BatchRules {
            max_entries: MAX_EVENTS,
            max_bytes: MAX_BYTES,
            overhead_bytes: EVENT_OVERHEAD,
            one_stream: true,
            max_span: Some(MAX_SPAN),
        }
    }

    fn wire_bytes(&self, record: &OutboxRecord) -> usize {
        record.body.len() + if is_object(&record.body) { MARK.len() - 1 } else { 0 }
    }

    async fn deliver(&mut self, batch: &[Entry]) -> Outcome {
        let mut tally = Tally::new(batch.len());
        let stream = batch.first().map_or("", |entry| &entry.record.stream);
        match Place::of(stream) {
            Some(place) => self.put_batch(place, batch, &mut tally).await,
            None => (0..batch.len())
                .for_each(|n| tally.refuse(n, format!("{stream:?} names no log group and stream"))),
        }
        tally.outcome()
    }
}

fn is_object(body: &[u8]) -> bool {
    body.len() > 2 && body.starts_with(b"{") && body.ends_with(b"}")
}

/// An entry's text.
fn message(entry: &Entry) -> Result<String, &'static str> {
    let body = &entry.record.body;
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8")?;
    let marked = entry.possible_duplicate && is_object(body);
    Ok(match text.strip_suffix('}').filter(|_| marked) {
        Some(open) => format!("{open}{MARK}"),
        None => text.to_owned(),
    })
}

/// The service's operations.
struct Service<'a> {
    endpoint: &'a Endpoint,
    retention_days: Option<u16>,
}

impl Service<'_> {
    /// Puts events, and makes the group and the stream when they are missing.
    async fn put(&self, sender: &Sender, place: Place<'_>, events: &[Event]) -> Sent {
        let list: Vec<Value> = events
            .iter()
            .map(|event| json!({"timestamp": event.time.as_millis(), "message": event.message}))
            .collect();
        let body = json!({
            "logGroupName": place.group, "logStreamName": place.stream, "logEvents": list,
        });
        for is_first in [true, false] {
            let answer = match self.call(sender, "PutLogEvents", &body).await {
                Ok(answer) if answer.is_success() => {
                    return taken(&answer, events, sender.now());
                }
                Ok(answer) => answer.error(),
                Err(no_answer) => return Sent::Failed(Fault::Wait(no_answer.into())),
            };
            if answer.code == "ResourceNotFoundException" && is_first {
                match self.make(sender, place).await {
                    Ok(()) => continue,
                    Err(waiting) => return Sent::Failed(waiting),
                }
            }
            return Sent::Failed(put_fault(&answer, place));
        }
        // The second attempt always returns.
        Sent::Failed(Fault::Again(Waiting::because("the log stream was not found")))
    }

    async fn make(&self, sender: &Sender, place: Place<'_>) -> Result<(), Fault> {
        let Place { group, stream } = place;
        let names = json!({"logGroupName": group, "logStreamName": stream});
        match self.make_one(sender, "CreateLogStream", &names).await {
            Err(error) if error.code == "ResourceNotFoundException" => {}
            other => return other.map(|_| ()).map_err(|error| make_fault(&error, group)),
        }
        let name = json!({"logGroupName": group});
        let made = self.make_one(sender, "CreateLogGroup", &name).await;
        let is_new = made.map_err(|error| make_fault(&error, group))?;
        if let Some(days) = self.retention_days.filter(|_| is_new) {
            let body = json!({"logGroupName": group, "retentionInDays": days});
            // The group serves without it: said once, when the group is made.
            if let Err(error) = self.make_one(sender, "PutRetentionPolicy", &body).await {
                let error = fault::told(&error);
                tracing::warn!(
                    group,
                    days,
                    error,
                    "the log group keeps its events without an end: allow logs:PutRetentionPolicy, \
                     or set its retention by hand"
                );
            }
        }
        let made = self.make_one(sender, "CreateLogStream", &names).await;
        made.map(|_| ()).map_err(|error| make_fault(&error, group))
    }

    /// Whether it was made, or is there already.
    async fn make_one(
        &self,
        sender: &Sender,
        operation: &str,
        body: &Value,
    ) -> Result<bool, ServiceError> {
        match self.call(sender, operation, body).await {
            Ok(answer) if answer.is_success() => Ok(true),
            Ok(answer) => match answer.error() {
                error if error.code == "ResourceAlreadyExistsException" => Ok(false),
                error => Err(error),
            },
            Err(NoAnswer(message)) => {
                Err(ServiceError { status: 0, code: String::new(), message, retry_after: None })
            }
        }
    }

    async fn call(
        &self,
        sender: &Sender,
        operation: &str,
        body: &Value,
    ) -> Result<Answer, NoAnswer> {
        let target = format!("Logs_20140328.{operation}");
        let headers =
            vec![("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        let url = format!("{}/", self.endpoint);
        let body = body.to_string().into();
        sender.send(Request { method: "POST", url, headers, body }).await
    }
}

/// What became of a request that was answered with success: CloudWatch Logs names the events that
/// it did not take.
fn taken(answer: &Answer, events: &[Event], now: UnixTime) -> Sent {
    let parsed: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let info = parsed.get("rejectedLogEventsInfo");
    let index = |name: &str| {
        let index = info?.get(name)?.as_u64()?;
        Some(usize::try_from(index).unwrap_or(usize::MAX))
    };
    // Both ends are exclusive, the start is not.
    let old = index("tooOldLogEventEndIndex").unwrap_or(0);
    let expired = index("expiredLogEventEndIndex").unwrap_or(0);
    let new = index("tooNewLogEventStartIndex").unwrap_or(usize::MAX);
    let mut exceptions = Vec::new();
    for (n, event) in events.iter().enumerate() {
        let ahead = event.time.as_millis().saturating_sub(now.as_millis());
        let exception = if n < expired {
            Exception::Refused("it is older than the log group's retention".to_owned())
        } else if n < old {
            Exception::Refused("it is older than CloudWatch Logs takes (14 days)".to_owned())
        } else if n < new {
            continue;
        } else if u128::from(ahead) > MOST_AHEAD.as_millis() {
            let reason = "its time is more than a day ahead of CloudWatch Logs' clock";
            Exception::Refused(reason.to_owned())
        } else {
            Exception::Again(Waiting {
                reason:
                    "CloudWatch Logs finds events too new: they are ahead of its clock by more \
                         than 2 hours and wait; correct this node's clock (NTP)"
                        .to_owned(),
                after: Some(TOO_NEW_AFTER),
                renew: false,
            })
        };
        exceptions.push((n, exception));
    }
    Sent::Except(exceptions)
}

/// What an error of PutLogEvents means.
fn put_fault(error: &ServiceError, place: Place<'_>) -> Fault {
    let told = fault::told(error);
    match error.code.as_str() {
        "DataAlreadyAcceptedException" => Fault::Taken,
        "InvalidParameterException" | "ValidationException" | "SerializationException" => {
            Fault::Invalid(told)
        }
        "InvalidSequenceTokenException" | "OperationAbortedException" => {
            Fault::Again(Waiting::because(told))
        }
        "ResourceNotFoundException" => Fault::Again(Waiting::because(format!(
            "{told}: log group {} or its stream was deleted while it was written to",
            place.group
        ))),
        _ if error.status == 413 => Fault::Invalid(told),
        // A policy may allow one group and not the next.
        "AccessDeniedException" | "AccessDenied" => Fault::Again(Waiting::because(format!(
            "{told}: allow logs:PutLogEvents on log group {} to these credentials (docs/aws.md has \
             the policy)",
            place.group
        ))),
        _ => fault::common(error, PUTS).unwrap_or_else(|| Fault::Wait(Waiting::because(told))),
    }
}

/// What an error of CreateLogGroup or CreateLogStream means.
fn make_fault(error: &ServiceError, group: &str) -> Fault {
    let told = fault::told(error);
    match error.code.as_str() {
        _ if error.status == 0 => Fault::Wait(Waiting::because(error.message.clone())),
        "InvalidParameterException" => {
            Fault::Invalid(format!("log group {group} cannot be made: {told}"))
        }
        "LimitExceededException" => Fault::Again(Waiting::because(format!(
            "log group {group} cannot be made: {told}; delete groups, or have the account's quota \
             raised"
        ))),
        "OperationAbortedException" => Fault::Again(Waiting::because(told)),
        "AccessDeniedException" | "AccessDenied" => Fault::Again(Waiting::because(format!(
            "{told}: allow {} on log group {group} to these credentials, or make it by hand \
             (docs/aws.md has the policy)",
            MAKES.action
        ))),
        _ => fault::common(error, MAKES).unwrap_or_else(|| Fault::Wait(Waiting::because(told))),
    }
}

#[cfg(test)]
mod tests;
