//! SQS.

mod probe;
mod queue_url;

pub use queue_url::{InvalidQueueUrl, QueueUrl};

use crate::Access;
use crate::answer::{Answer, ServiceError, printable};
use crate::connection::{Connection, NoAnswer, Protocol, Request, Sender};
use crate::events::batch::Notice;
use crate::events::{self, Failure, again, each, not_understood};
use crate::fault::{self, Fault, Waiting, Words};
use crate::tally::{Exception, Sent};
use outbox::{BatchRules, Destination, Entry, Outcome};
use serde_json::{Value, json};

const WORDS: Words = Words::of_records("sqs", "sqs:SendMessage");

/// Sends each record to a queue, its body as the message. A queue of first-in-first-out order gets the
/// record's stream as the group, and the same deduplication id at every attempt.
#[derive(Debug)]
pub struct Sqs {
    queue: QueueUrl,
    connection: Connection,
}

impl Sqs {
    /// Sends to `queue`, where its URL says; `access` has the region and authorities.
    pub fn new(access: &Access, queue: QueueUrl) -> Self {
        let protocol = Protocol { signing_name: "sqs", is_s3: false };
        Sqs { queue, connection: Connection::new(access, protocol) }
    }
}

impl Destination for Sqs {
    fn rules(&self) -> BatchRules {
        events::rules()
    }

    async fn deliver(&mut self, entries: &[Entry]) -> Outcome {
        let sender = match self.connection.prepare().await {
            Ok(sender) => sender,
            Err(NoAnswer(reason)) => return Outcome::Unavailable { reason, after: None },
        };
        let queue = &self.queue;
        let send = async |notices: &[Notice]| queue.send(&sender, notices).await;
        let (outcome, renews) = events::deliver(entries, 0, queue.is_fifo(), send).await;
        if renews {
            self.connection.forget_credentials();
        }
        outcome
    }
}

impl QueueUrl {
    async fn send(&self, sender: &Sender, notices: &[Notice]) -> Sent {
        let entries = notices.iter().enumerate().map(|(n, notice)| self.entry(n, notice));
        let body = json!({"QueueUrl": self.as_str(), "Entries": entries.collect::<Vec<_>>()});
        match self.call(sender, "SendMessageBatch", &body).await {
            Ok(answer) if answer.is_success() => taken(&answer, notices.len()),
            Ok(answer) => Sent::Failed(fault_of(&answer.error(), self)),
            Err(no_answer) => Sent::Failed(Fault::Wait(no_answer.into())),
        }
    }

    fn entry(&self, place: usize, notice: &Notice) -> Value {
        let mut entry = json!({"Id": place.to_string(), "MessageBody": notice.text});
        if let Some(entry) = entry.as_object_mut().filter(|_| self.is_fifo()) {
            let group = if notice.group.is_empty() { &notice.key } else { &notice.group };
            entry.insert("MessageGroupId".to_owned(), group.as_str().into());
            entry.insert("MessageDeduplicationId".to_owned(), notice.key.as_str().into());
        }
        entry
    }

    async fn call(
        &self,
        sender: &Sender,
        operation: &str,
        body: &Value,
    ) -> Result<Answer, NoAnswer> {
        let target = format!("AmazonSQS.{operation}");
        let headers =
            vec![("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
        let (url, body) = (format!("{}/", self.origin()), body.to_string().into());
        sender.send(Request { method: "POST", url, headers, body }).await
    }
}

/// What became of each message.
fn taken(answer: &Answer, count: usize) -> Sent {
    let parsed: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let list = |name: &str| parsed.get(name).and_then(Value::as_array);
    let (sent, failed) = (list("Successful"), list("Failed"));
    if sent.is_none() && failed.is_none() {
        return not_understood(WORDS);
    }
    let find = |list: Option<&Vec<Value>>, id: &str| {
        list?.iter().find(|entry| entry.get("Id").and_then(Value::as_str) == Some(id)).cloned()
    };
    let of = |n: usize| {
        let id = n.to_string();
        if let Some(entry) = find(failed, &id) {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).map(printable);
            return Some(Err(Failure {
                code: text("Code").unwrap_or_default(),
                message: text("Message").unwrap_or_default(),
                is_ours: entry.get("SenderFault").and_then(Value::as_bool).unwrap_or(false),
            }));
        }
        find(sent, &id).map(|_| Ok(()))
    };
    each(count, of, exception)
}

/// What an error of one message means.
fn exception(failure: &Failure) -> Exception {
    match is_key(&failure.code) {
        true => again(failure, KEY_ADVICE),
        false if failure.is_ours && !is_permission(&failure.code) => {
            Exception::Refused(failure.told())
        }
        false => again(failure, ""),
    }
}

/// What an error of a request as a whole means.
fn fault_of(error: &ServiceError, queue: &QueueUrl) -> Fault {
    let told = fault::told(error);
    let wait = |advice: String| Fault::Wait(Waiting::because(format!("{told}: {advice}")));
    match error.code.as_str() {
        code if is_missing(code) => wait(missing_advice(queue)),
        code if is_key(code) => wait(KEY_ADVICE.to_owned()),
        "InvalidAddress" | "InvalidAddressException" => wait(missing_advice(queue)),
        "BatchRequestTooLong"
        | "AWS.SimpleQueueService.BatchRequestTooLong"
        | "InvalidMessageContents"
        | "InvalidParameterValue"
        | "InvalidParameterValueException"
        | "MissingParameter"
        | "SerializationException"
        | "ValidationException" => Fault::Invalid(told),
        _ if error.status == 413 => Fault::Invalid(told),
        _ => fault::common(error, WORDS).unwrap_or_else(|| Fault::Wait(Waiting::because(told))),
    }
}

const KEY_ADVICE: &str = "allow kms:GenerateDataKey and kms:Decrypt on the queue's key to these \
                          credentials, or see to the state of that key; events wait";

fn is_missing(code: &str) -> bool {
    matches!(
        code,
        "QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue" | "QueueDeletedRecently"
    )
}

/// Something is wrong with the key that the queue is encrypted with.
fn is_key(code: &str) -> bool {
    code.to_ascii_lowercase().starts_with("kms")
}

fn is_permission(code: &str) -> bool {
    code.starts_with("AccessDenied") || code == "OverLimit"
}

fn missing_advice(queue: &QueueUrl) -> String {
    format!("make the queue {}, or correct queue_url of [sinks] sqs; events wait", queue.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_a_message_has_its_own_meaning() {
        let exception = |code: &str, is_ours| {
            exception(&Failure { code: code.to_owned(), message: String::new(), is_ours })
        };
        let refused = exception("InvalidMessageContents", true);
        assert!(matches!(refused, Exception::Refused(_)), "{refused:?}");
        for (code, is_ours) in
            [("InternalError", false), ("KmsAccessDenied", true), ("AccessDenied", true)]
        {
            assert!(matches!(exception(code, is_ours), Exception::Again(_)), "{code}");
        }
    }

    #[test]
    fn a_queue_that_is_missing_waits() {
        let queue = QueueUrl::parse("https://sqs.eu-west-1.amazonaws.com/1/calls").unwrap();
        let fault = |status, code: &str| {
            let (code, message) = (code.to_owned(), String::new());
            fault_of(&ServiceError { status, code, message, retry_after: None }, &queue)
        };
        for code in ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"] {
            let Fault::Wait(waiting) = fault(400, code) else { panic!("{code}") };
            assert!(waiting.reason.contains("queue_url of [sinks] sqs"), "{}", waiting.reason);
        }
        assert!(matches!(fault(403, "AccessDenied"), Fault::Wait(_)));
        assert!(matches!(fault(400, "KmsDisabled"), Fault::Wait(_)));
        assert!(matches!(fault(400, "BatchRequestTooLong"), Fault::Invalid(_)));
    }
}
