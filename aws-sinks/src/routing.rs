//! Which of the recorder's files goes to which service, and as what.

use crate::s3::KEY;
use jiff::Timestamp;
use model::UnixTime;
use outbox::{OutboxRecord, Record};
use serde::Deserialize;

/// A service that records go to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Service {
    /// Metrics: files below `cloudwatch/`.
    CloudWatch,
    /// Logs: files below `logs/`.
    Logs,
    /// Objects: files below `s3/`.
    S3,
}

impl Service {
    /// All of them.
    pub const ALL: [Service; 3] = [Service::CloudWatch, Service::Logs, Service::S3];

    /// As configuration and queues name it.
    pub const fn name(self) -> &'static str {
        match self {
            Service::CloudWatch => "cloudwatch",
            Service::Logs => "logs",
            Service::S3 => "s3",
        }
    }

    /// The service of a record; `None` for what is only a file.
    pub fn of(record: &Record) -> Option<Service> {
        let (first, _) = record.path.as_str().split_once('/')?;
        Service::ALL.into_iter().find(|service| service.name() == first)
    }
}

/// A record as the service gets it: `node` names the log stream; `now` is its time when it tells
/// none.
///
/// `logs/aws/Group/vc.jsonl` goes into the log group `/aws/Group/vc`, `s3/key` into the object
/// `key`.
pub fn outbox_record(service: Service, record: Record, node: &str, now: UnixTime) -> OutboxRecord {
    let path = record.path.as_str();
    let rest = path.split_once('/').map_or("", |(_, rest)| rest);
    let (mut stream, mut attributes, mut time) = (String::new(), Vec::new(), now);
    match service {
        Service::CloudWatch => stream = "metrics".to_owned(),
        Service::Logs => {
            time = event_time(&record.body).unwrap_or(now);
            let group = rest.strip_suffix(".jsonl").unwrap_or(rest);
            stream = format!("/{group}:{}", log_stream(node, time));
        }
        Service::S3 => attributes = vec![(KEY.to_owned(), rest.to_owned())],
    }
    OutboxRecord { stream, time, kind: 0, attributes, body: record.body }
}

/// The stream of a log group that a node's events of a day are in: `node/2026/01/02`.
pub fn log_stream(node: &str, time: UnixTime) -> String {
    let node: String = node.chars().map(|c| if matches!(c, ':' | '*') { '-' } else { c }).collect();
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    format!("{node}/{}", time.strftime("%Y/%m/%d"))
}

/// What tells an event's time, in milliseconds; in Embedded Metric Format its `_aws` does.
#[derive(Deserialize)]
struct Event {
    event_timestamp: Option<u64>,
    #[serde(rename = "_aws")]
    embedded: Option<Embedded>,
}

#[derive(Deserialize)]
struct Embedded {
    #[serde(rename = "Timestamp")]
    timestamp: u64,
}

fn event_time(body: &[u8]) -> Option<UnixTime> {
    let event: Event = serde_json::from_slice(body).ok()?;
    let embedded = event.embedded.map(|embedded| embedded.timestamp);
    event.event_timestamp.or(embedded).map(UnixTime::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use outbox::{RecordKind, RecordPath};

    fn record(path: &str, body: &str) -> Record {
        let path = RecordPath::new(path).unwrap();
        Record { path, body: body.into(), kind: RecordKind::AppendLine }
    }

    fn routed(path: &str, body: &str) -> OutboxRecord {
        let record = record(path, body);
        let service = Service::of(&record).unwrap();
        outbox_record(service, record, "edge:1", UnixTime::from_millis(1_000))
    }

    #[test]
    fn a_log_goes_into_the_group_that_its_file_names() {
        let body = r#"{"voice_connector_id":"abc","event_timestamp":1767323045678,"x":{}}"#;
        let out = routed("logs/aws/ChimeVoiceConnectorSipMessages/abc.jsonl", body);
        assert_eq!(out.stream, "/aws/ChimeVoiceConnectorSipMessages/abc:edge-1/2026/01/02");
        assert_eq!(out.time, UnixTime::from_millis(1_767_323_045_678));
        let metrics = r#"{"_aws":{"Timestamp":1767323040000,"CloudWatchMetrics":[]},"Sum":1}"#;
        let out = routed("logs/aws/ChimeVoiceConnectorMetrics.jsonl", metrics);
        assert_eq!(out.stream, "/aws/ChimeVoiceConnectorMetrics:edge-1/2026/01/02");
        assert_eq!(out.time, UnixTime::from_millis(1_767_323_040_000));
        assert_eq!(routed("logs/aws/a/b.jsonl", "text").time, UnixTime::from_millis(1_000));
    }

    #[test]
    fn an_object_keeps_its_key() {
        let out = routed("s3/CDRs/json/vc/2026/01/02/03.04.05.678_id", "{}");
        assert_eq!(out.attribute(KEY), Some("CDRs/json/vc/2026/01/02/03.04.05.678_id"));
        assert_eq!(out.stream, "");
    }

    #[test]
    fn what_has_no_service_is_only_a_file() {
        assert_eq!(Service::of(&record("calls/2026-01-02.jsonl", "{}")), None);
        assert_eq!(Service::of(&record("cloudwatch", "{}")), None);
        let metrics = record("cloudwatch/2026-01-02.jsonl", "{}");
        assert_eq!(Service::of(&metrics), Some(Service::CloudWatch));
    }
}
