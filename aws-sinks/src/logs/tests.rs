use super::*;

fn events(times: &[u64]) -> Vec<Event> {
    let event = |(entry, at): (usize, &u64)| Event {
        entry,
        time: UnixTime::from_millis(*at),
        message: "{}".to_owned(),
    };
    times.iter().enumerate().map(event).collect()
}

fn told_of(info: &str, times: &[u64], now: u64) -> Vec<Option<Exception>> {
    let body = format!("{{\"rejectedLogEventsInfo\":{info}}}").into_bytes();
    let answer = Answer {
        status: 200,
        retry_after: None,
        error_type: None,
        bucket_region: None,
        object: Default::default(),
        body,
    };
    let events = events(times);
    let Sent::Except(list) = taken(&answer, &events, UnixTime::from_millis(now)) else { panic!() };
    (0..events.len())
        .map(|n| list.iter().find(|(at, _)| *at == n).map(|(_, exception)| exception.clone()))
        .collect()
}

#[test]
fn rejected_events_are_told_apart_one_by_one() {
    let hour = 3_600_000;
    let now = 100 * hour;
    let times = [1, 2, 3, now, now + 3 * hour, now + 25 * hour];
    let info =
        r#"{"tooOldLogEventEndIndex":2,"expiredLogEventEndIndex":1,"tooNewLogEventStartIndex":4}"#;
    let told = told_of(info, &times, now);
    let refused = |at: usize, why: &str| match &told[at] {
        Some(Exception::Refused(reason)) => assert!(reason.contains(why), "{at}: {reason}"),
        other => panic!("{at}: {other:?}"),
    };
    refused(0, "retention");
    refused(1, "14 days");
    assert_eq!((&told[2], &told[3]), (&None, &None));
    assert!(matches!(&told[4], Some(Exception::Again(w)) if w.reason.contains("NTP")));
    refused(5, "more than a day ahead");
    assert_eq!(told_of("null", &times, now), vec![None; 6]);
}

#[test]
fn errors_of_one_request_are_told_from_those_of_the_service() {
    let place = Place::of("/aws/ChimeVoiceConnectorLogs/abc:edge-1/2026/01/02").unwrap();
    assert_eq!(place.stream, "edge-1/2026/01/02");
    let fault = |status, code: &str| {
        let error = ServiceError {
            status,
            code: code.to_owned(),
            message: "m".to_owned(),
            retry_after: None,
        };
        (put_fault(&error, place), make_fault(&error, place.group))
    };
    assert_eq!(fault(400, "DataAlreadyAcceptedException").0, Fault::Taken);
    assert!(matches!(
        fault(400, "InvalidParameterException"),
        (Fault::Invalid(_), Fault::Invalid(_))
    ));
    assert!(matches!(fault(400, "InvalidSequenceTokenException").0, Fault::Again(_)));
    assert!(matches!(fault(400, "LimitExceededException").1, Fault::Again(_)));
    assert!(matches!(fault(503, "ServiceUnavailableException"), (Fault::Wait(_), Fault::Wait(_))));
    assert!(matches!(fault(400, "SomethingNew"), (Fault::Wait(_), Fault::Wait(_))));
    let (Fault::Again(put), Fault::Again(make)) = fault(400, "AccessDeniedException") else {
        panic!()
    };
    assert!(put.reason.contains("logs:PutLogEvents on log group /aws/Chime"), "{}", put.reason);
    assert!(make.reason.contains("logs:CreateLogGroup"), "{}", make.reason);
}

#[test]
fn only_what_may_be_there_already_is_marked() {
    let entry = |body: &str, possible_duplicate| Entry {
        sequence: 1,
        idempotency_key: String::new(),
        possible_duplicate,
        attempts: 0,
        record: OutboxRecord { body: body.into(), ..OutboxRecord::default() },
    };
    assert_eq!(message(&entry("{\"a\":1}", false)).unwrap(), "{\"a\":1}");
    assert_eq!(
        message(&entry("{\"a\":1}", true)).unwrap(),
        "{\"a\":1,\"possible_duplicate\":true}"
    );
    assert_eq!(message(&entry("{}", true)).unwrap(), "{}");
    assert_eq!(message(&entry("text", true)).unwrap(), "text");
    let logs =
        Logs::new(&Access { region: "r".to_owned(), endpoint: None, authorities: None }, None);
    for body in ["{\"a\":1}", "{}", "text", ""] {
        let entry = entry(body, true);
        assert!(message(&entry).unwrap().len() <= logs.wire_bytes(&entry.record), "{body}");
    }
}
