//! A node whose calendar and a service's are apart.

use super::server::{Reply, Server};
use super::{access, metrics, now, run};
use aws_sinks::{CloudWatch, Logs};
use outbox::{Destination, Outcome, Verdict};
use serde_json::json;

const HOUR: i64 = 3_600;

/// A `Date` so many seconds from now (RFC 9110 section 5.6.7).
fn date(ahead: i64) -> String {
    let at = i64::try_from(now() / 1_000).unwrap() + ahead;
    jiff::Timestamp::from_second(at).unwrap().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The hours by which a request's signature is ahead of this node's calendar, rounded.
fn signed_ahead(stamp: &str) -> i64 {
    let stamp = stamp.trim_end_matches('Z');
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", stamp).unwrap();
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second();
    let off = at - i64::try_from(now() / 1_000).unwrap();
    (off + off.signum() * HOUR / 2) / HOUR
}

#[test]
fn a_signature_that_is_refused_for_its_time_is_made_again_with_the_service_s() {
    run(
        "clocks::a_signature_that_is_refused_for_its_time_is_made_again_with_the_service_s",
        async {
            const SKEWED: &str =
                r#"{"__type":"InvalidSignatureException","message":"Signature expired: x"}"#;
            let server = Server::start(|seen| match signed_ahead(seen.header("x-amz-date")) {
                3 => Reply::Dated(200, "{}", date(3 * HOUR)),
                _ => Reply::Dated(403, SKEWED, date(3 * HOUR)),
            })
            .await;
            let mut sink = Logs::new(&access(&server), None);
            let batch = [super::entry(1, super::STREAM, "{}")];
            for requests in [2, 3] {
                let outcome = sink.deliver(&batch).await;
                assert_eq!(outcome, Outcome::PerEntry(vec![Verdict::Delivered]));
                assert_eq!(server.seen().len(), requests, "once it is known, it is signed so");
            }
        },
    );
}

#[test]
fn a_service_that_stays_with_its_refusal_is_not_asked_for_ever() {
    run("clocks::a_service_that_stays_with_its_refusal_is_not_asked_for_ever", async {
        let server = Server::start(|_| {
            Reply::Dated(403, r#"{"__type":"RequestTimeTooSkewed"}"#, date(-9 * HOUR))
        })
        .await;
        let mut sink = CloudWatch::new(&access(&server), "N");
        let Outcome::Unavailable { reason, .. } = sink.deliver(&[metrics(1, &["A"])]).await else {
            panic!()
        };
        assert!(reason.contains("NTP"), "{reason}");
        assert_eq!(server.seen().len(), 2);
    });
}

/// A document of one datum that happened so many seconds from now.
fn minute(ahead: i64) -> outbox::Entry {
    let at = i64::try_from(now() / 1_000).unwrap() + ahead;
    let datum = json!({"MetricName": "A", "Value": 1, "Timestamp": at});
    super::entry(1, "metrics", &json!({"MetricData": [datum]}).to_string())
}

#[test]
fn what_is_too_old_or_too_new_is_judged_by_the_service_s_clock() {
    run("clocks::what_is_too_old_or_too_new_is_judged_by_the_service_s_clock", async {
        let month = 30 * 24 * HOUR;
        // By this node's calendar, the minutes are a month old; the service's is a month behind.
        let server = Server::start(move |_| Reply::Dated(200, "{}", date(-month))).await;
        let mut sink = CloudWatch::new(&access(&server), "N");
        let outcome = sink.deliver(&[minute(-month), minute(3 * HOUR - month)]).await;
        let Outcome::PerEntry(verdicts) = outcome else { panic!("{outcome:?}") };
        assert_eq!(verdicts[0], Verdict::Delivered);
        let Verdict::Again { reason, after } = &verdicts[1] else { panic!("{verdicts:?}") };
        assert!(reason.contains("3.0 h ahead of CloudWatch's clock"), "{reason}");
        assert!(after.is_some_and(|after| after.as_secs().abs_diff(3_600) < 60), "{after:?}");
        let methods: Vec<_> = server.seen().iter().map(|seen| seen.method.clone()).collect();
        assert_eq!(methods, ["GET", "POST"], "it is asked for its time, once");
    });
}

#[test]
fn what_depends_on_a_time_that_is_not_to_be_had_waits() {
    run("clocks::what_depends_on_a_time_that_is_not_to_be_had_waits", async {
        let server = Server::start(|_| Reply::Close).await;
        let mut sink = CloudWatch::new(&access(&server), "N");
        let outcome = sink.deliver(&[minute(-30 * 24 * HOUR)]).await;
        assert!(matches!(outcome, Outcome::Unavailable { .. }), "{outcome:?}");
    });
}
