//! What a question to the services finds, and that it leaves nothing behind.

use super::server::{Reply, Seen, Server};
use super::{access, run};
use aws_sinks::{Access, Endpoint, Judgement, Question, S3Config, Said, Target, probe};
use std::time::{Duration, Instant};

const IDENTITY: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult>\
    <Arn>arn:aws:iam::111122223333:user/edge</Arn><UserId>AIDA</UserId>\
    <Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
const NO_UPLOAD: &str = "<Error><Code>NoSuchUpload</Code></Error>";
const GROUP: &str = "/aws/ChimeVoiceConnectorLogs/vc";

fn questions(access: &Access) -> Vec<Question> {
    let config =
        S3Config { bucket: "records".to_owned(), prefix: "p/".to_owned(), encryption: None };
    let targets = [
        Target::CloudWatch { namespace: "Tandem/VoiceConnector".to_owned() },
        Target::Logs { group: GROUP.to_owned(), stream: "edge/doctor".to_owned() },
        Target::S3 { config, key: "CDRs/doctor".to_owned() },
    ];
    targets.map(|target| Question { access: access.clone(), target }).into()
}

/// `probe` has a runtime of its own, so it is asked from another thread.
async fn asked(access: Access) -> Vec<Said> {
    tokio::task::spawn_blocking(move || probe(&questions(&access))).await.unwrap()
}

/// All is well.
fn well(seen: &Seen) -> Reply {
    match (seen.operation(), seen.method.as_str(), seen.path.as_str()) {
        ("DescribeLogGroups", ..) => Reply::Answer(200, r#"{"logGroups":[{},{}]}"#),
        ("PutLogEvents", ..) => Reply::Answer(400, r#"{"__type":"ResourceNotFoundException"}"#),
        ("PutMetricData", ..) => Reply::Answer(400, r#"{"__type":"MissingParameter"}"#),
        ("", "HEAD", _) => Reply::Headed(200, "", "x-amz-bucket-region: eu-west-1"),
        ("", "PUT", _) => Reply::Answer(404, NO_UPLOAD),
        _ => Reply::Answer(200, IDENTITY),
    }
}

fn of<'a>(told: &'a [Said], subject: &str) -> &'a Said {
    told.iter().find(|said| said.subject == subject).unwrap()
}

#[test]
fn what_works_is_told_and_nothing_is_left() {
    run("probes::what_works_is_told_and_nothing_is_left", async {
        let server = Server::start(well).await;
        let told = asked(access(&server)).await;
        let judged: Vec<_> = told.iter().map(|said| (said.subject, said.judgement)).collect();
        assert_eq!(
            judged,
            [
                ("identity", Judgement::Works),
                ("cloudwatch", Judgement::Works),
                ("cloudwatch", Judgement::Unknown),
                ("logs", Judgement::Works),
                ("logs", Judgement::Unknown),
                ("s3", Judgement::Works),
            ]
        );
        let identity = "arn:aws:iam::111122223333:user/edge of account 111122223333";
        assert!(told[0].found.starts_with(identity), "{told:?}");
        assert!(
            of(&told, "logs").found.contains(GROUP) && of(&told, "logs").found.contains("2 groups")
        );
        assert!(of(&told, "s3").found.ends_with("bucket records in eu-west-1"), "{told:?}");
        for seen in server.seen() {
            match (seen.operation(), seen.method.as_str()) {
                ("PutMetricData", _) => {
                    assert!(seen.json()["MetricData"].as_array().unwrap().is_empty());
                }
                ("PutLogEvents", _) => assert_eq!(seen.json()["logStreamName"], "edge/doctor"),
                ("", "PUT") => {
                    let path = "/records/p/CDRs/doctor?partNumber=1&uploadId=tandem-doctor";
                    assert_eq!((seen.path.as_str(), seen.body.len()), (path, 0));
                }
                ("DescribeLogGroups", _) | ("", "HEAD") => {}
                (_, method) => {
                    assert_eq!((method, seen.path.as_str()), ("POST", "/"));
                    assert!(seen.header("authorization").contains("/sts/aws4_request"));
                }
            }
        }
    });
}

/// Who is asked, what the service does, what is found, what is advised.
type Case = (&'static str, fn(&Seen) -> Option<Reply>, &'static str, &'static str);

fn of_s3(seen: &Seen, reply: Reply) -> Option<Reply> {
    (seen.operation().is_empty() && seen.path != "/").then_some(reply)
}

fn of_operation(seen: &Seen, operation: &str, reply: Reply) -> Option<Reply> {
    (seen.operation() == operation).then_some(reply)
}

const REFUSALS: [Case; 8] = [
    (
        "s3",
        |seen| {
            let moved = "<Error><Code>PermanentRedirect</Code></Error>";
            of_s3(seen, Reply::Headed(301, moved, "x-amz-bucket-region: us-west-2"))
        },
        "301 PermanentRedirect",
        "bucket records is in us-west-2: set region = \"us-west-2\" in [sinks] s3; it is \"eu-west-1\"",
    ),
    (
        "s3",
        |seen| {
            let told = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>us-west-2</Region></Error>";
            of_s3(seen, Reply::Answer(400, told))
        },
        "400 AuthorizationHeaderMalformed",
        "set region = \"us-west-2\" in [sinks] s3",
    ),
    (
        "s3",
        |seen| of_s3(seen, Reply::Answer(404, "<Error><Code>NoSuchBucket</Code></Error>")),
        "NoSuchBucket",
        "make the bucket records, or correct bucket of [sinks] s3",
    ),
    (
        "s3",
        |seen| of_s3(seen, Reply::Answer(403, "<Error><Code>AccessDenied</Code></Error>")),
        "AccessDenied",
        "allow s3:PutObject",
    ),
    (
        "logs",
        |seen| {
            let denied = r#"{"__type":"AccessDeniedException"}"#;
            of_operation(seen, "PutLogEvents", Reply::Answer(400, denied))
        },
        "AccessDeniedException",
        "allow logs:PutLogEvents on log group /aws/ChimeVoiceConnectorLogs/vc",
    ),
    (
        "logs",
        |seen| {
            let expired = r#"{"__type":"ExpiredTokenException"}"#;
            of_operation(seen, "PutLogEvents", Reply::Answer(400, expired))
        },
        "ExpiredTokenException",
        "expired",
    ),
    (
        "cloudwatch",
        |seen| {
            let denied = r#"{"__type":"AccessDenied"}"#;
            of_operation(seen, "PutMetricData", Reply::Answer(403, denied))
        },
        "AccessDenied",
        "allow cloudwatch:PutMetricData",
    ),
    (
        "cloudwatch",
        |seen| {
            let wrong = r#"{"__type":"InvalidParameterValue","message":"The value AWS/ for parameter Namespace is invalid."}"#;
            of_operation(seen, "PutMetricData", Reply::Answer(400, wrong))
        },
        "Namespace is invalid",
        "set namespace of [sinks] cloudwatch",
    ),
];

#[test]
fn each_refusal_names_its_setting() {
    run("probes::each_refusal_names_its_setting", async {
        for (subject, script, found, advice) in REFUSALS {
            let server =
                Server::start(move |seen| script(seen).unwrap_or_else(|| well(seen))).await;
            let told = asked(access(&server)).await;
            let said = of(&told, subject);
            assert_eq!(said.judgement, Judgement::Fails, "{said:?}");
            assert!(said.found.contains(found) && said.found.contains(&server.url), "{said:?}");
            assert!(said.advice.contains(advice), "{said:?}");
            let others = told.iter().filter(|other| other.subject != subject);
            assert!(others.clone().count() >= 3, "{told:?}");
            assert!(others.clone().all(|other| other.judgement != Judgement::Fails), "{told:?}");
        }
    });
}

#[test]
fn what_need_not_be_allowed_is_no_failure() {
    run("probes::what_need_not_be_allowed_is_no_failure", async {
        let server = Server::start(|seen| match (seen.operation(), seen.method.as_str()) {
            ("DescribeLogGroups", _) => Reply::Answer(400, r#"{"__type":"AccessDeniedException"}"#),
            ("", "HEAD") => Reply::Answer(403, ""),
            ("", "POST") => Reply::Answer(404, "<html>"),
            _ => well(seen),
        })
        .await;
        let told = asked(access(&server)).await;
        assert!(told.iter().all(|said| said.judgement != Judgement::Fails), "{told:?}");
        let identity = of(&told, "identity");
        assert!(identity.found.contains("a backend other than AWS's need not"), "{identity:?}");
        assert_eq!(of(&told, "logs").judgement, Judgement::Works);
        assert_eq!(of(&told, "s3").judgement, Judgement::Works);
    });
}

#[test]
fn a_clock_that_is_wrong_is_told_once() {
    run("probes::a_clock_that_is_wrong_is_told_once", async {
        let far = || Reply::Dated(400, r#"{"__type":"X"}"#, "Fri, 01 Jan 2038 00:00:00 GMT".into());
        let server = Server::start(move |_| far()).await;
        let told = asked(access(&server)).await;
        let clocks: Vec<_> = told.iter().filter(|said| said.subject == "clock").collect();
        let [clock] = &clocks[..] else { panic!("{told:?}") };
        assert!(clock.found.ends_with("behind the services'"), "{clock:?}");
        assert!(clock.advice.contains("NTP"), "{clock:?}");
    });
}

#[test]
fn who_does_not_answer_holds_nothing_up() {
    run("probes::who_does_not_answer_holds_nothing_up", async {
        let silent = Server::start(|_| Reply::Silence).await;
        let ending = Server::start(|_| Reply::Close).await;
        let nobody = Endpoint::parse("http://127.0.0.1:9").unwrap();
        let nobody = Access { endpoint: Some(nobody), ..access(&silent) };
        for (access, found) in [
            (access(&silent), "no answer within 6 s"),
            (access(&ending), "http://127.0.0.1:"),
            (nobody, "http://127.0.0.1:9: "),
        ] {
            #[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
            let begun = Instant::now();
            let told = asked(access).await;
            // One after the other these would take more than 24 s.
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
            assert_eq!(of(&told, "identity").judgement, Judgement::Unknown, "{told:?}");
            for subject in ["cloudwatch", "logs", "s3"] {
                let said = of(&told, subject);
                assert_eq!(said.judgement, Judgement::Fails, "{said:?}");
                assert!(said.found.contains(found), "{said:?}");
                assert!(
                    said.advice.contains("check endpoint_url and region of [sinks] "),
                    "{said:?}"
                );
            }
        }
    });
}
