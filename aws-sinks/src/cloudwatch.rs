//! CloudWatch metrics.

pub mod batch;
mod probe;

use crate::answer::ServiceError;
use crate::connection::{Connection, NoAnswer, Protocol, Request, Sender};
use crate::fault::{self, Fault, Waiting, Words};
use crate::tally::{Item, Sent, Tally, send_all};
use crate::{Access, Endpoint};
use batch::{Checked, Datum, MAX_BYTES, NEWEST};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use outbox::{BatchRules, Destination, Entry, Outcome};
use std::io::Write;
use std::time::Duration;

const WORDS: Words = Words::of_records("cloudwatch", "cloudwatch:PutMetricData");
/// Documents of a batch: an hour's minutes of one node after an outage.
const MAX_DOCUMENTS: usize = 64;
/// A body of fewer octets is sent as it is.
const COMPRESSED_FROM: usize = 1_024;

/// Puts metrics into CloudWatch: a record is a document `{"MetricData":[…]}` with the members of
/// PutMetricData; times are seconds or ISO 8601. The namespace is the destination's own.
///
/// The service has no idempotency key: data that may be there already are counted twice when they
/// are, which the log tells.
#[derive(Debug)]
pub struct CloudWatch {
    endpoint: Endpoint,
    connection: Connection,
    namespace: String,
}

impl Item for Datum {
    fn entry(&self) -> usize {
        self.entry
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl CloudWatch {
    /// Puts all into `namespace`. AWS's own service refuses names that begin with `AWS/`.
    pub fn new(access: &Access, namespace: &str) -> Self {
        let endpoint = access.endpoint.clone();
        let protocol = Protocol { signing_name: "monitoring", is_s3: false };
        CloudWatch {
            endpoint: endpoint.unwrap_or_else(|| Endpoint::of_aws("monitoring", &access.region)),
            connection: Connection::new(access, protocol),
            namespace: namespace.to_owned(),
        }
    }

    fn url(&self) -> String {
        format!("{}/", self.endpoint)
    }

    /// What is to be sent, and what sends it.
    async fn prepare(
        &mut self,
        entries: &[Entry],
    ) -> Result<(Sender, Vec<Result<Checked, String>>), NoAnswer> {
        let sender = self.connection.prepare().await?;
        let mut checked = self.checked(entries);
        if checked.iter().flatten().any(|checked| checked.depends_on_time) {
            // Not by the calendar of this node alone, which may have jumped.
            sender.learn_time(self.url()).await?;
            checked = self.checked(entries);
        }
        Ok((sender, checked))
    }

    fn checked(&self, entries: &[Entry]) -> Vec<Result<Checked, String>> {
        let now = self.connection.now();
        let checked = |(n, Entry { record, .. }): (usize, &Entry)| {
            batch::data(n, &record.body, record.time, now)
        };
        entries.iter().enumerate().map(checked).collect()
    }

    async fn put(&self, sender: &Sender, data: &[Datum]) -> Sent {
        let body = batch::body(&self.namespace, data).into_bytes();
        let mut headers = vec![
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", "GraniteServiceVersion20100801.PutMetricData"),
        ];
        let body = match compressed(&body) {
            Some(smaller) => {
                headers.push(("content-encoding", "gzip"));
                smaller
            }
            None => body,
        };
        let (url, body) = (self.url(), Bytes::from(body));
        match sender.send(Request { method: "POST", url, headers, body }).await {
            Ok(answer) if answer.is_success() => Sent::Except(Vec::new()),
            Ok(answer) => Sent::Failed(fault_of(&answer.error(), &self.namespace)),
            Err(no_answer) => Sent::Failed(Fault::Wait(no_answer.into())),
        }
    }
}

impl Destination for CloudWatch {
    fn rules(&self) -> BatchRules {
        BatchRules {
            max_entries: MAX_DOCUMENTS,
            // A larger document becomes several requests.
            max_bytes: 2 * MAX_BYTES,
            overhead_bytes: 0,
            one_stream: false,
            max_span: None,
        }
    }

    async fn deliver(&mut self, entries: &[Entry]) -> Outcome {
        let mut tally = Tally::new(entries.len());
        let (sender, checked) = match self.prepare(entries).await {
            Ok(prepared) => prepared,
            Err(NoAnswer(reason)) => return Outcome::Unavailable { reason, after: None },
        };
        let mut all = Vec::new();
        for (n, checked) in checked.into_iter().enumerate() {
            match checked {
                Ok(Checked { wait: Some(wait), .. }) => tally.hold(n, ahead(wait)),
                Ok(Checked { data, refused, .. }) => {
                    all.extend(data);
                    refused.into_iter().for_each(|reason| tally.refuse(n, reason));
                }
                Err(reason) => tally.refuse(n, reason),
            }
        }
        let repeated = entries.iter().filter(|entry| entry.possible_duplicate).count();
        if repeated > 0 {
            tracing::warn!(
                documents = repeated,
                "metrics are sent to CloudWatch again; where the last attempt arrived unanswered, \
                 they count twice"
            );
        }
        let requests = batch::requests(all, self.namespace.len());
        let this = &*self;
        send_all(&mut tally, requests, async |data: &[Datum]| this.put(&sender, data).await).await;
        if tally.renews() {
            self.connection.forget_credentials();
        }
        tally.outcome()
    }
}

/// Why a document waits.
fn ahead(wait: Duration) -> Waiting {
    let hours = (wait + NEWEST).as_secs_f64() / 3_600.0;
    let reason = format!(
        "a minute is {hours:.1} h ahead of CloudWatch's clock, which takes 2; it waits: correct this \
         node's clock (NTP)"
    );
    Waiting { after: Some(wait), ..Waiting::because(reason) }
}

/// The body in fewer octets, when it is worth it.
fn compressed(body: &[u8]) -> Option<Vec<u8>> {
    if body.len() < COMPRESSED_FROM {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory cannot fail.
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

/// What an error of PutMetricData means.
fn fault_of(error: &ServiceError, namespace: &str) -> Fault {
    let told = fault::told(error);
    match error.code.as_str() {
        // The same for every datum, and one setting away.
        _ if is_namespace(error) => {
            let advice = namespace_advice(namespace);
            Fault::Wait(Waiting::because(format!("{told}: {advice}")))
        }
        "InvalidParameterValue"
        | "InvalidParameterValueException"
        | "InvalidParameterCombination"
        | "InvalidParameterCombinationException"
        | "MissingParameter"
        | "MissingRequiredParameterException"
        | "ValidationError"
        | "ValidationException"
        | "InvalidFormat"
        | "InvalidFormatFault"
        | "SerializationException"
        | "RequestEntityTooLarge" => Fault::Invalid(told),
        _ if error.status == 413 => Fault::Invalid(told),
        _ => fault::common(error, WORDS).unwrap_or_else(|| Fault::Wait(Waiting::because(told))),
    }
}

fn is_namespace(error: &ServiceError) -> bool {
    let codes = [
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "ValidationError",
        "ValidationException",
    ];
    codes.contains(&error.code.as_str()) && error.message.to_ascii_lowercase().contains("namespace")
}

fn namespace_advice(namespace: &str) -> String {
    format!(
        "set namespace of [sinks] cloudwatch to one that this service takes; it is {namespace:?}, and \
         AWS's own refuses AWS/…"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(status: u16, code: &str, message: &str) -> Fault {
        let (code, message) = (code.to_owned(), message.to_owned());
        fault_of(&ServiceError { status, code, message, retry_after: None }, "AWS/Test")
    }

    #[test]
    fn a_namespace_that_is_refused_loses_nothing() {
        let message = "The value AWS/ for parameter Namespace is invalid.";
        let Fault::Wait(waiting) = fault(400, "InvalidParameterValue", message) else { panic!() };
        assert!(waiting.reason.contains("set namespace of [sinks] cloudwatch"), "{waiting:?}");
    }

    #[test]
    fn errors_of_one_datum_are_told_from_those_of_the_service() {
        for (status, code) in [
            (400, "InvalidParameterValue"),
            (400, "InvalidParameterCombination"),
            (400, "MissingParameter"),
            (413, ""),
        ] {
            assert!(matches!(fault(status, code, "m"), Fault::Invalid(_)), "{code}");
        }
        for (status, code) in [
            (400, "Throttling"),
            (500, "InternalServiceFault"),
            (403, "AccessDenied"),
            (400, "SomethingNew"),
        ] {
            assert!(matches!(fault(status, code, "m"), Fault::Wait(_)), "{code}");
        }
    }

    #[test]
    fn what_is_compressed_comes_back_whole() {
        let body = b"{\"MetricName\":\"RtpPackets\"}".repeat(100);
        let smaller = compressed(&body).unwrap();
        assert!(smaller.len() < body.len() / 4);
        let mut out = Vec::new();
        let mut reader = flate2::read::GzDecoder::new(smaller.as_slice());
        std::io::Read::read_to_end(&mut reader, &mut out).unwrap();
        assert_eq!(out, body);
        assert_eq!(compressed(b"{}"), None);
    }
}
