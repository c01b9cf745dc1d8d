//! SNS, which has no JSON: forms in, XML out.

mod probe;
mod topic;

pub use topic::{InvalidTopic, TopicArn};

use crate::answer::{Answer, ServiceError, element, printable};
use crate::connection::{Connection, NoAnswer, Protocol, Request, Sender};
use crate::events::batch::Notice;
use crate::events::{self, Failure, again, each, not_understood};
use crate::fault::{self, Fault, Waiting, Words};
use crate::tally::{Exception, Sent};
use crate::{Access, Endpoint};
use outbox::{BatchRules, Destination, Entry, Outcome};
use std::fmt::Write as _;

const WORDS: Words = Words::of_records("sns", "sns:Publish");
const VERSION: &str = "2010-03-31";

/// Publishes each record to a topic, its body as the message. A topic of first-in-first-out order gets
/// the record's stream as the group, and the same deduplication id at every attempt.
#[derive(Debug)]
pub struct Sns {
    endpoint: Endpoint,
    topic: TopicArn,
    connection: Connection,
}

impl Sns {
    /// Publishes to `topic`.
    pub fn new(access: &Access, topic: TopicArn) -> Self {
        let endpoint = access.endpoint.clone();
        let protocol = Protocol { signing_name: "sns", is_s3: false };
        Sns {
            endpoint: endpoint.unwrap_or_else(|| Endpoint::of_aws("sns", &access.region)),
            topic,
            connection: Connection::new(access, protocol),
        }
    }
}

impl Destination for Sns {
    fn rules(&self) -> BatchRules {
        events::rules()
    }

    async fn deliver(&mut self, entries: &[Entry]) -> Outcome {
        let sender = match self.connection.prepare().await {
            Ok(sender) => sender,
            Err(NoAnswer(reason)) => return Outcome::Unavailable { reason, after: None },
        };
        let service = Service { endpoint: &self.endpoint, topic: &self.topic };
        let publish = async |notices: &[Notice]| service.publish(&sender, notices).await;
        let is_fifo = self.topic.is_fifo();
        let (outcome, renews) = events::deliver(entries, 0, is_fifo, publish).await;
        if renews {
            self.connection.forget_credentials();
        }
        outcome
    }
}

struct Service<'a> {
    endpoint: &'a Endpoint,
    topic: &'a TopicArn,
}

/// A form (`application/x-www-form-urlencoded`) with the topic in it.
struct Form(String);

impl Form {
    fn of(action: &str, topic: &TopicArn) -> Self {
        let mut form = Form(String::new());
        form.put("Action", action);
        form.put("Version", VERSION);
        form.put("TopicArn", topic.as_str());
        form
    }

    fn put(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        for octet in value.bytes() {
            if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
                self.0.push(char::from(octet));
            } else {
                // Writing into a String cannot fail.
                let _ = write!(self.0, "%{octet:02X}");
            }
        }
    }
}

impl Service<'_> {
    async fn publish(&self, sender: &Sender, notices: &[Notice]) -> Sent {
        let mut form = Form::of("PublishBatch", self.topic);
        for (n, notice) in notices.iter().enumerate() {
            let mut put = |name: &str, value: &str| {
                form.put(&format!("PublishBatchRequestEntries.member.{}.{name}", n + 1), value);
            };
            put("Id", &n.to_string());
            put("Message", &notice.text);
            if self.topic.is_fifo() {
                let group = if notice.group.is_empty() { &notice.key } else { &notice.group };
                put("MessageGroupId", group);
                put("MessageDeduplicationId", &notice.key);
            }
        }
        match self.call(sender, form).await {
            Ok(answer) if answer.is_success() => taken(&answer, notices.len()),
            Ok(answer) => Sent::Failed(fault_of(&answer.error(), self.topic)),
            Err(no_answer) => Sent::Failed(Fault::Wait(no_answer.into())),
        }
    }

    async fn call(&self, sender: &Sender, form: Form) -> Result<Answer, NoAnswer> {
        let headers = vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        let (url, body) = (format!("{}/", self.endpoint), form.0.into());
        sender.send(Request { method: "POST", url, headers, body }).await
    }
}

/// What became of each message.
fn taken(answer: &Answer, count: usize) -> Sent {
    let text = String::from_utf8_lossy(&answer.body);
    if !text.contains("<PublishBatchResult") {
        return not_understood(WORDS);
    }
    let (sent, failed) = (members(&text, "Successful"), members(&text, "Failed"));
    let find = |list: &[String], id: &str| {
        list.iter().find(|member| element(member, "Id").as_deref() == Some(id)).cloned()
    };
    let of = |n: usize| {
        let id = n.to_string();
        if let Some(member) = find(&failed, &id) {
            let text = |name: &str| element(&member, name).map(|text| printable(text.trim()));
            return Some(Err(Failure {
                code: text("Code").unwrap_or_default(),
                message: text("Message").unwrap_or_default(),
                is_ours: text("SenderFault").as_deref() == Some("true"),
            }));
        }
        find(&sent, &id).map(|_| Ok(()))
    };
    each(count, of, exception)
}

/// The members of an XML list.
fn members(text: &str, list: &str) -> Vec<String> {
    let list = element(text, list).unwrap_or_default();
    let members = list.split("<member>").skip(1);
    members.filter_map(|rest| Some(rest.split_once("</member>")?.0.to_owned())).collect()
}

/// What an error of one message means.
fn exception(failure: &Failure) -> Exception {
    let code = &failure.code;
    match is_key(code) {
        true => again(failure, KEY_ADVICE),
        false if failure.is_ours && !code.starts_with("Authorization") && code != "Throttled" => {
            Exception::Refused(failure.told())
        }
        false => again(failure, ""),
    }
}

/// What an error of a request as a whole means.
fn fault_of(error: &ServiceError, topic: &TopicArn) -> Fault {
    let told = fault::told(error);
    let wait = |advice: String| Fault::Wait(Waiting::because(format!("{told}: {advice}")));
    match error.code.as_str() {
        "NotFound" | "NotFoundException" | "ResourceNotFoundException" => {
            wait(missing_advice(topic))
        }
        code if is_key(code) => wait(KEY_ADVICE.to_owned()),
        "InvalidParameter"
        | "ParameterValueInvalid"
        | "InvalidParameterValue"
        | "BatchRequestTooLong"
        | "ValidationError"
        | "MalformedQueryString" => Fault::Invalid(told),
        _ if error.status == 413 => Fault::Invalid(told),
        _ => fault::common(error, WORDS).unwrap_or_else(|| Fault::Wait(Waiting::because(told))),
    }
}

const KEY_ADVICE: &str = "allow kms:GenerateDataKey and kms:Decrypt on the topic's key to these \
                          credentials, or see to the state of that key; events wait";

/// Something is wrong with the key that the topic is encrypted with.
fn is_key(code: &str) -> bool {
    code.starts_with("KMS")
}

fn missing_advice(topic: &TopicArn) -> String {
    let topic = topic.as_str();
    format!(
        "make the topic {topic}, or correct topic_arn of [sinks] sns (of notices of recordings: \
         notify_topic of [recordings]); events wait"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::ObjectHeaders;

    fn answer(body: &str) -> Answer {
        let body = body.into();
        let object = ObjectHeaders::default();
        Answer {
            status: 200,
            retry_after: None,
            error_type: None,
            bucket_region: None,
            object,
            body,
        }
    }

    #[test]
    fn each_message_has_its_own_end() {
        let body = "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
            <PublishBatchResult><Failed><member><Id>1</Id><Code>InvalidParameter</Code>\
            <Message>bad</Message><SenderFault>true</SenderFault></member><member><Id>2</Id>\
            <Code>InternalError</Code><SenderFault>false</SenderFault></member></Failed>\
            <Successful><member><Id>0</Id><MessageId>m</MessageId></member></Successful>\
            </PublishBatchResult></PublishBatchResponse>";
        let Sent::Except(exceptions) = taken(&answer(body), 3) else { panic!() };
        let [(1, Exception::Refused(reason)), (2, Exception::Again(waiting))] = &exceptions[..]
        else {
            panic!("{exceptions:?}")
        };
        assert_eq!(reason, "InvalidParameter (bad)");
        assert_eq!(waiting.reason, "InternalError");
        assert!(matches!(taken(&answer("<html>"), 1), Sent::Failed(Fault::Wait(_))));
    }

    #[test]
    fn a_form_has_only_what_a_form_may_have() {
        let mut form = Form(String::new());
        form.put("A.1", "a b&c=ü~");
        form.put("B", "");
        assert_eq!(form.0, "A.1=a%20b%26c%3D%C3%BC~&B=");
    }

    #[test]
    fn a_topic_that_is_missing_waits() {
        let topic = TopicArn::parse("arn:aws:sns:eu-west-1:111122223333:calls").unwrap();
        let fault = |status, code: &str| {
            let (code, message) = (code.to_owned(), String::new());
            fault_of(&ServiceError { status, code, message, retry_after: None }, &topic)
        };
        let Fault::Wait(waiting) = fault(404, "NotFound") else { panic!() };
        assert!(waiting.reason.contains("topic_arn of [sinks] sns"), "{}", waiting.reason);
        for (status, code) in
            [(403, "AuthorizationError"), (400, "KMSDisabled"), (429, "Throttled")]
        {
            assert!(matches!(fault(status, code), Fault::Wait(_)), "{code}");
        }
        assert!(matches!(fault(400, "InvalidParameter"), Fault::Invalid(_)));
    }
}
