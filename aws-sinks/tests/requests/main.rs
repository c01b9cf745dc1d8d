//! What is asked of a service, and what its answers mean for the entries of a batch.
#![allow(clippy::unwrap_used, reason = "a test")]

mod clocks;
mod events;
mod kinesis_video;
mod probes;
mod recordings;
mod server;
mod uploads;

use aws_sinks::{Access, CloudWatch, Encryption, Endpoint, Logs, S3, S3Config};
use model::UnixTime;
use outbox::{Destination, Entry, OutboxRecord, Outcome, Verdict};
use serde_json::{Value, json};
use server::{Reply, Seen, Server};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

const KEY: &str = "AKIDOFATEST";

/// Credentials come from the environment, which a test must not change for the others: it runs
/// again as a process of its own.
fn run(test: &str, body: impl Future<Output = ()>) {
    if std::env::var("AWS_ACCESS_KEY_ID").is_ok_and(|key| key == KEY) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        return runtime.enable_all().build().unwrap().block_on(body);
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture"]);
    child.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", "secret");
    child.env("AWS_EC2_METADATA_DISABLED", "true");
    assert!(child.status().unwrap().success(), "{test} failed in its process");
}

fn access(server: &Server) -> Access {
    let endpoint = Some(Endpoint::parse(&server.url).unwrap());
    Access { region: "eu-west-1".to_owned(), endpoint, authorities: None }
}

fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "what services compare times with")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

fn entry(sequence: u64, stream: &str, body: &str) -> Entry {
    let record = OutboxRecord {
        stream: stream.to_owned(),
        time: UnixTime::from_millis(now()),
        attributes: vec![("key".to_owned(), format!("CDRs/{sequence} a"))],
        body: body.into(),
        ..OutboxRecord::default()
    };
    let idempotency_key = sequence.to_string();
    Entry { sequence, idempotency_key, possible_duplicate: false, attempts: 0, record }
}

fn metrics(sequence: u64, names: &[&str]) -> Entry {
    let data: Vec<_> =
        names.iter().map(|name| json!({"MetricName": name, "Value": 1, "Unit": "Count"})).collect();
    entry(sequence, "metrics", &json!({"Namespace": "other", "MetricData": data}).to_string())
}

const STREAM: &str = "/aws/ChimeVoiceConnectorLogs/vc:edge-1/2026/01/02";
const NOT_FOUND: Reply = Reply::Answer(400, r#"{"__type":"ResourceNotFoundException"}"#);

#[test]
fn data_go_into_one_signed_request() {
    run("data_go_into_one_signed_request", async {
        let server = Server::start(|_| Reply::Answer(200, "{}")).await;
        let mut sink = CloudWatch::new(&access(&server), "Tandem/VoiceConnector");
        let many: Vec<_> = (0..50).map(|n| format!("M{n}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let outcome = sink.deliver(&[metrics(1, &["RtpPackets"]), metrics(2, &many)]).await;
        assert_eq!(outcome, Outcome::PerEntry(vec![Verdict::Delivered; 2]));
        let [request] = &server.seen()[..] else { panic!() };
        assert_eq!(request.header("x-amz-target"), "GraniteServiceVersion20100801.PutMetricData");
        assert_eq!(request.header("content-encoding"), "gzip");
        let signed = request.header("authorization");
        assert!(signed.contains("/eu-west-1/monitoring/aws4_request"), "{signed}");
        let body = request.json();
        assert_eq!(body["Namespace"], "Tandem/VoiceConnector");
        assert_eq!(body["MetricData"].as_array().unwrap().len(), 51);
    });
}

#[test]
fn a_datum_that_is_refused_costs_only_itself() {
    run("a_datum_that_is_refused_costs_only_itself", async {
        let server = Server::start(|seen| {
            let bad = seen.json()["MetricData"].to_string().contains("Bad");
            match bad {
                true => Reply::Answer(400, r#"{"__type":"InvalidParameterValue","message":"no"}"#),
                false => Reply::Answer(200, ""),
            }
        })
        .await;
        let mut sink = CloudWatch::new(&access(&server), "N");
        let batch = [metrics(1, &["A", "B"]), metrics(2, &["C", "Bad", "D"]), metrics(3, &["E"])];
        let Outcome::PerEntry(verdicts) = sink.deliver(&batch).await else { panic!() };
        let [Verdict::Delivered, Verdict::Refused(reason), Verdict::Delivered] = &verdicts[..]
        else {
            panic!("{verdicts:?}")
        };
        assert!(reason.contains("1 of its 3 parts") && reason.contains("Bad: 400"), "{reason}");
        let names: Vec<_> = taken(&server.seen(), "MetricData", "MetricName", "Bad");
        assert_eq!(names, ["A", "B", "C", "D", "E"]);
    });
}

/// What requests without `bad` carried, in order.
fn taken(seen: &[Seen], list: &str, key: &str, bad: &str) -> Vec<String> {
    let bodies = seen.iter().map(Seen::json).filter(|body| !body.to_string().contains(bad));
    let items = bodies.flat_map(|body| body[list].as_array().unwrap().clone());
    let mut names: Vec<_> = items.map(|item| item[key].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn groups_and_streams_are_made_when_missing() {
    run("groups_and_streams_are_made_when_missing", async {
        let streams = AtomicUsize::new(0);
        let made = AtomicUsize::new(0);
        let server = Server::start(move |seen| match seen.operation() {
            "CreateLogStream" if streams.fetch_add(1, Ordering::SeqCst) == 0 => NOT_FOUND,
            "PutLogEvents" if made.fetch_add(1, Ordering::SeqCst) == 0 => NOT_FOUND,
            _ => Reply::Answer(200, "{}"),
        })
        .await;
        let mut sink = Logs::new(&access(&server), Some(30));
        let batch = [entry(1, STREAM, "{\"a\":1}"), entry(2, STREAM, "{\"a\":2}")];
        let outcome = sink.deliver(&batch).await;
        assert_eq!(outcome, Outcome::PerEntry(vec![Verdict::Delivered; 2]));
        let operations: Vec<_> =
            server.seen().iter().map(|seen| seen.operation().to_owned()).collect();
        assert_eq!(
            operations,
            [
                "PutLogEvents",
                "CreateLogStream",
                "CreateLogGroup",
                "PutRetentionPolicy",
                "CreateLogStream",
                "PutLogEvents",
            ]
        );
        let seen = server.seen();
        let retention =
            json!({"logGroupName": "/aws/ChimeVoiceConnectorLogs/vc", "retentionInDays": 30});
        assert_eq!(seen[3].json(), retention);
        assert_eq!(seen[5].json()["logStreamName"], "edge-1/2026/01/02");
        assert_eq!(seen[5].json()["logEvents"][1]["message"], "{\"a\":2}");
    });
}

#[test]
fn rejected_events_get_their_own_verdicts() {
    run("rejected_events_get_their_own_verdicts", async {
        let info = r#"{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":1,"tooNewLogEventStartIndex":2}}"#;
        let server = Server::start(move |_| Reply::Answer(200, info)).await;
        let mut sink = Logs::new(&access(&server), None);
        let mut batch: Vec<_> = (0..3).map(|n| entry(n, STREAM, "{\"a\":1}")).collect();
        batch[0].record.time = UnixTime::from_millis(now() - 3_600_000);
        let Outcome::PerEntry(verdicts) = sink.deliver(&batch).await else { panic!() };
        assert!(matches!(&verdicts[0], Verdict::Refused(why) if why.contains("14 days")));
        assert_eq!(verdicts[1], Verdict::Delivered);
        assert!(matches!(&verdicts[2], Verdict::Again { reason, .. } if reason.contains("NTP")));
    });
}

#[test]
fn what_was_refused_for_one_event_is_sent_without_it() {
    run("what_was_refused_for_one_event_is_sent_without_it", async {
        let server = Server::start(|seen| match seen.json()["logEvents"].to_string() {
            events if events.contains("bad") => {
                Reply::Answer(400, r#"{"__type":"InvalidParameterException","message":"no"}"#)
            }
            _ => Reply::Answer(200, "{}"),
        })
        .await;
        let mut sink = Logs::new(&access(&server), None);
        let batch = ["a", "b", "bad", "c"].map(|text| entry(1, STREAM, text));
        let Outcome::PerEntry(verdicts) = sink.deliver(&batch).await else { panic!() };
        let refused: Vec<_> = verdicts.iter().map(|v| matches!(v, Verdict::Refused(_))).collect();
        assert_eq!(refused, [false, false, true, false]);
        assert_eq!(taken(&server.seen(), "logEvents", "message", "bad"), ["a", "b", "c"]);
    });
}

#[test]
fn objects_have_their_key_a_checksum_and_encryption() {
    run("objects_have_their_key_a_checksum_and_encryption", async {
        let server = Server::start(|_| Reply::Answer(200, "")).await;
        let config = S3Config {
            bucket: "records".to_owned(),
            prefix: "p/".to_owned(),
            encryption: Some(Encryption::S3),
        };
        let mut sink = S3::new(&access(&server), config);
        let outcome = sink.deliver(&[entry(7, "", "{}")]).await;
        assert_eq!(outcome, Outcome::PerEntry(vec![Verdict::Delivered]));
        let [request] = &server.seen()[..] else { panic!() };
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("PUT", "/records/p/CDRs/7%20a")
        );
        assert_eq!(request.header("x-amz-server-side-encryption"), "AES256");
        // SHA-256 of the two octets of an empty object.
        let digest = "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=";
        assert_eq!(request.header("x-amz-checksum-sha256"), digest);
        assert_eq!(request.header("x-amz-content-sha256").len(), 64);
    });
}

#[test]
fn one_object_that_is_refused_holds_up_no_other() {
    run("one_object_that_is_refused_holds_up_no_other", async {
        let server = Server::start(|seen| match seen.path.ends_with("2%20a") {
            true => Reply::Answer(400, "<Error><Code>KeyTooLongError</Code></Error>"),
            false => Reply::Answer(200, ""),
        })
        .await;
        let config = S3Config { bucket: "b-1".to_owned(), prefix: String::new(), encryption: None };
        let mut sink = S3::new(&access(&server), config);
        let batch: Vec<_> = (1..4).map(|n| entry(n, "", "{}")).collect();
        let Outcome::PerEntry(verdicts) = sink.deliver(&batch).await else { panic!() };
        assert_eq!((&verdicts[0], &verdicts[2]), (&Verdict::Delivered, &Verdict::Delivered));
        assert!(matches!(&verdicts[1], Verdict::Refused(why) if why.contains("KeyTooLong")));
    });
}

#[test]
fn what_may_be_there_is_put_only_if_it_is_not() {
    run("what_may_be_there_is_put_only_if_it_is_not", async {
        let server = Server::start(|seen| match seen.header("if-none-match") {
            "*" if seen.path.ends_with("1%20a") => Reply::Answer(412, "<Error/>"),
            "*" if seen.path.ends_with("2%20a") => {
                Reply::Answer(501, "<Error><Code>NotImplemented</Code></Error>")
            }
            _ => Reply::Answer(200, ""),
        })
        .await;
        let config = S3Config { bucket: "b-1".to_owned(), prefix: String::new(), encryption: None };
        let mut sink = S3::new(&access(&server), config);
        let mut batch: Vec<_> = (1..4).map(|n| entry(n, "", "{}")).collect();
        batch[0].possible_duplicate = true;
        batch[1].possible_duplicate = true;
        let outcome = sink.deliver(&batch).await;
        assert_eq!(outcome, Outcome::PerEntry(vec![Verdict::Delivered; 3]));
        let mut asked: Vec<_> = server
            .seen()
            .iter()
            .map(|seen| (seen.path.clone(), seen.header("if-none-match").to_owned()))
            .collect();
        asked.sort();
        let asked: Vec<_> = asked.iter().map(|(path, how)| (path.as_str(), how.as_str())).collect();
        assert_eq!(
            asked,
            [
                ("/b-1/CDRs/1%20a", "*"),
                ("/b-1/CDRs/2%20a", ""),
                ("/b-1/CDRs/2%20a", "*"),
                ("/b-1/CDRs/3%20a", ""),
            ]
        );
    });
}

/// What the service does, what the reason tells, and the pause that it asks for, in seconds.
type Case = (fn() -> Reply, &'static str, Option<u64>);

/// What a batch's outcome says of a service that answers so, to each of the three.
async fn unavailable(reply: fn() -> Reply) -> Vec<(String, Option<Duration>)> {
    let server = Server::start(move |_| reply()).await;
    let access = access(&server);
    let config = S3Config { bucket: "b-1".to_owned(), prefix: String::new(), encryption: None };
    let outcomes = [
        CloudWatch::new(&access, "N").deliver(&[metrics(1, &["A"])]).await,
        Logs::new(&access, None).deliver(&[entry(1, STREAM, "{}")]).await,
        S3::new(&access, config).deliver(&[entry(1, "", "{}")]).await,
    ];
    outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Unavailable { reason, after } => (reason, after),
            Outcome::PerEntry(verdicts) => panic!("{verdicts:?}"),
        })
        .collect()
}

#[test]
fn a_service_in_trouble_loses_nothing() {
    run("a_service_in_trouble_loses_nothing", async {
        let cases: [Case; 5] = [
            (|| Reply::Answer(500, "{}"), "trouble", None),
            (|| Reply::RetryAfter(503, 9), "trouble", Some(9)),
            (|| Reply::Answer(400, r#"{"__type":"ThrottlingException"}"#), "throttles", None),
            (|| Reply::Half, "http://127.0.0.1:", None),
            (|| Reply::Close, "http://127.0.0.1:", None),
        ];
        for (reply, advice, seconds) in cases {
            for (reason, after) in unavailable(reply).await {
                assert!(reason.contains(advice), "{advice}: {reason}");
                assert_eq!(after, seconds.map(Duration::from_secs), "{reason}");
            }
        }
    });
}

#[test]
fn a_port_that_nobody_listens_on_is_named() {
    run("a_port_that_nobody_listens_on_is_named", async {
        let endpoint = Some(Endpoint::parse("http://127.0.0.1:9").unwrap());
        let access = Access { region: "eu-west-1".to_owned(), endpoint, authorities: None };
        let outcome = CloudWatch::new(&access, "N").deliver(&[metrics(1, &["A"])]).await;
        let Outcome::Unavailable { reason, .. } = outcome else { panic!("{outcome:?}") };
        assert!(reason.starts_with("http://127.0.0.1:9: "), "{reason}");
    });
}

#[test]
fn the_shape_of_a_request_is_json() {
    let body = aws_sinks::cloudwatch::batch::body("a\"b", &[]);
    let parsed: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(parsed, json!({"Namespace": "a\"b", "MetricData": []}));
}
