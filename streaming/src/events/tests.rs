//! Events and records against their literal JSON.

use super::*;
use model::VoiceConnectorId;
use model::{CallDirection, LegSide, ListenedUpdate, NotificationTargets, TransactionId, UnixTime};
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

const BEGAN: UnixTime = UnixTime::from_millis(1_767_323_045_678);
const LATER: UnixTime = UnixTime::from_millis(1_767_323_107_700);
const ARN: &str = "arn:aws:kinesisvideo:us-east-1:111122223333:stream/ChimeVoiceConnector-\
                   abcdef1ghij2klmno3pqr4-6f1b2d1e-0000-4000-8000-000000000001/1767323000000";
const XML: &str =
    "<?xml version=\"1.0\"?>\r\n<recording xmlns='urn:ietf:params:xml:ns:recording:1'/>";

#[derive(Default)]
struct Kept {
    events: Mutex<Vec<Event>>,
    records: Mutex<Vec<Record>>,
}

impl EventSink for Kept {
    fn event(&self, event: Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    fn record(&self, record: Record) {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }
}

impl Kept {
    fn events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    fn details(&self) -> Vec<Value> {
        self.events().iter().map(|event| serde_json::from_str(&event.detail).unwrap()).collect()
    }

    fn records(&self) -> Vec<(String, Value)> {
        let records = std::mem::take(&mut *self.records.lock().unwrap());
        let read = |record: &Record| serde_json::from_slice(&record.body).unwrap();
        records.iter().map(|record| (record.path.to_string(), read(record))).collect()
    }
}

fn issuer() -> Issuer {
    Issuer {
        account_id: "111122223333".to_owned(),
        region: "us-east-1".to_owned(),
        region_code: "USE1".to_owned(),
        source: "tandem.voiceconnector".to_owned(),
    }
}

fn pair(name: &str, value: &str) -> (Arc<str>, Arc<str>) {
    (name.into(), value.into())
}

fn call() -> ListenedCall {
    ListenedCall {
        transaction_id: TransactionId::parse("ec97a8ff-3f83-4de2-8d73-d988070f6af4").unwrap(),
        voice_connector_id: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
        call_id: "1112-2222-4333".into(),
        direction: CallDirection::Outbound,
        from_number: "+12065550100".into(),
        to_number: "+13605550199".into(),
        invite_headers: vec![
            pair("from", "\"John\" <sip:+12065550100@192.0.2.1>;tag=abcdefg"),
            pair("call-id", "1112-2222-4333"),
            pair("cseq", "101 INVITE"),
        ],
        siprec_metadata: Some(XML.into()),
    }
}

fn channels() -> [Option<Channel>; 2] {
    [(LegSide::A, true, 0, "1"), (LegSide::B, false, 1, "2")].map(|(side, is_caller, at, label)| {
        Some(Channel { side, is_caller, media_index: at, label: Some(label.into()) })
    })
}

fn listener() -> KinesisVideoListener {
    KinesisVideoListener {
        retention_hours: 24,
        mu_law: false,
        notify: NotificationTargets::default(),
    }
}

fn begin() -> StreamBegin {
    StreamBegin { arn: ARN.into(), fragment: Some("9134385".into()), at: BEGAN }
}

fn told(call: ListenedCall, channels: [Option<Channel>; 2]) -> (Arc<Kept>, StreamingEvents) {
    let kept = Arc::new(Kept::default());
    let sink: Arc<dyn EventSink> = Arc::<Kept>::clone(&kept);
    let events = EventSender::new(issuer(), sink).of_call(call.into(), channels, 8_000, listener());
    (kept, events)
}

#[test]
fn a_stream_that_begins_is_told_in_aws_s_form() {
    let (kept, events) = told(call(), channels());
    events.started(LegSide::B, begin());
    let [event] = &kept.events()[..] else { panic!() };
    let message: Value = serde_json::from_str(&event.message()).unwrap();
    let id = message["id"].as_str().unwrap();
    assert_eq!((id.len(), id.get(14..15)), (36, Some("8")), "{id}");
    let expected = json!({
        "version": "0",
        "id": id,
        "detail-type": "Chime VoiceConnector Streaming Status",
        "source": "tandem.voiceconnector",
        "account": "111122223333",
        "time": "2026-01-02T03:04:05Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "callId": "1112-2222-4333",
            "direction": "Outbound",
            "fromNumber": "+12065550100",
            "inviteHeaders": {
                "from": "\"John\" <sip:+12065550100@192.0.2.1>;tag=abcdefg",
                "call-id": "1112-2222-4333",
                "cseq": "101 INVITE",
            },
            "isCaller": false,
            "mediaType": "audio/L16",
            "sdp": {"mediaIndex": 1, "mediaLabel": "2"},
            "siprecMetadata": XML,
            "startFragmentNumber": "9134385",
            "startTime": "2026-01-02T03:04:05.678Z",
            "streamArn": ARN,
            "toNumber": "+13605550199",
            "transactionId": "ec97a8ff-3f83-4de2-8d73-d988070f6af4",
            "voiceConnectorId": "abcdef1ghij2klmno3pqr4",
            "streamingStatus": "STARTED",
            "version": "0",
        },
    });
    assert_eq!(message, expected);
    assert_eq!(event.line(), event.message());
    assert!(!event.message().contains('\n'), "it is a line of a file");
    assert_eq!(event.targets, NotificationTargets::default());
    assert_eq!(event.group, "ec97a8ff-3f83-4de2-8d73-d988070f6af4");
}

#[test]
fn what_is_not_known_is_left_out() {
    let call = ListenedCall { invite_headers: Vec::new(), siprec_metadata: None, ..call() };
    let [caller, _] = channels();
    let caller = caller.map(|channel| Channel { label: None, ..channel });
    let (kept, events) = told(call, [caller, None]);
    events.started(LegSide::A, StreamBegin { fragment: None, ..begin() });
    let [detail] = &kept.details()[..] else { panic!() };
    for name in ["inviteHeaders", "siprecMetadata", "startFragmentNumber", "truncated", "endTime"] {
        assert!(detail.get(name).is_none(), "{name}: {detail}");
    }
    assert_eq!(detail["sdp"], json!({"mediaIndex": 0}));
}

#[test]
fn an_end_tells_how_it_began_too() {
    let (kept, events) = told(call(), channels());
    events.started(LegSide::A, begin());
    events.ended(LegSide::A, LATER, Some("9134400"));
    let [began, mut ended] = <[Value; 2]>::try_from(kept.details()).unwrap();
    assert_eq!(ended["streamingStatus"], "ENDED");
    assert_eq!(ended["endTime"], "2026-01-02T03:05:07.700Z");
    assert_eq!(ended["currentFragmentNumber"], "9134400");
    for name in ["endTime", "currentFragmentNumber"] {
        ended.as_object_mut().unwrap().remove(name);
    }
    ended["streamingStatus"] = "STARTED".into();
    assert_eq!(ended, began);
}

#[test]
fn an_update_is_told_of_each_leg_that_streams() {
    let (kept, events) = told(call(), channels());
    let update = ListenedUpdate {
        headers: vec![pair("cseq", "102 INVITE")],
        siprec_metadata: Some("<recording/>".into()),
    };
    events.updated(&update, BEGAN);
    assert_eq!(kept.details(), Vec::<Value>::new(), "nothing streams yet");
    events.started(LegSide::A, begin());
    events.started(LegSide::B, begin());
    kept.events();
    events.updated(&update, LATER);
    let expected = |is_caller: bool| {
        json!({
            "callId": "1112-2222-4333",
            "updateHeaders": {"cseq": "102 INVITE"},
            "isCaller": is_caller,
            "siprecMetadata": "<recording/>",
            "streamingStatus": "UPDATED",
            "transactionId": "ec97a8ff-3f83-4de2-8d73-d988070f6af4",
            "version": "0",
            "voiceConnectorId": "abcdef1ghij2klmno3pqr4",
        })
    };
    assert_eq!(kept.details(), [expected(true), expected(false)]);
    // What follows has the newest metadata, and an update without any leaves it.
    events.updated(&ListenedUpdate::default(), LATER);
    assert_eq!(kept.details()[0]["siprecMetadata"], "<recording/>");
}

#[test]
fn a_failure_says_why_and_a_stream_may_begin_again() {
    let (kept, events) = told(call(), channels());
    events.failed(LegSide::A, BEGAN, "ClientLimitExceededException: too many streams");
    let expected = json!({
        "callId": "1112-2222-4333",
        "direction": "Outbound",
        "failTime": "2026-01-02T03:04:05.678Z",
        "failureReason": "ClientLimitExceededException: too many streams",
        "isCaller": true,
        "streamingStatus": "FAILED",
        "transactionId": "ec97a8ff-3f83-4de2-8d73-d988070f6af4",
        "version": "0",
        "voiceConnectorId": "abcdef1ghij2klmno3pqr4",
    });
    assert_eq!(kept.details(), [expected]);
    events.started(LegSide::A, begin());
    events.started(LegSide::B, begin());
    events.ended(LegSide::A, LATER, None);
    events.ended(LegSide::A, LATER, None);
    assert_eq!(kept.records(), []);
    events.ended(LegSide::B, LATER, None);
    let states: Vec<_> = kept.details().iter().map(|d| d["streamingStatus"].clone()).collect();
    assert_eq!(states, ["STARTED", "STARTED", "ENDED", "ENDED"]);
    events.failed(LegSide::A, LATER, "after its end");
    assert_eq!(kept.details(), Vec::<Value>::new());
    let [(_, record)] = &kept.records()[..] else { panic!() };
    assert_eq!((&record["Status"], &record["StatusMessage"]), (&json!("Completed"), &json!("OK")));
}

#[test]
fn who_does_not_hear_a_call_at_all_is_told_of_once_a_leg() {
    let kept = Arc::new(Kept::default());
    let sink: Arc<dyn EventSink> = Arc::<Kept>::clone(&kept);
    let sender = EventSender::new(issuer(), sink);
    let notify = NotificationTargets { sqs: true, ..NotificationTargets::NONE };
    let [a, _] = channels();
    for (channels, legs) in [(channels(), vec![true, false]), ([a, None], vec![true])] {
        sender.failed(&Arc::new(call()), &channels, 8_000, notify, (BEGAN, "no room"));
        let events = kept.events();
        assert!(events.iter().all(|event| event.targets == notify && event.time == BEGAN));
        let read = |event: &Event| serde_json::from_str::<Value>(&event.detail).unwrap();
        let details: Vec<_> = events.iter().map(read).collect();
        let told = |detail: &Value| {
            assert_eq!(
                (&detail["streamingStatus"], &detail["failureReason"], &detail["failTime"]),
                (&json!("FAILED"), &json!("no room"), &json!("2026-01-02T03:04:05.678Z"))
            );
            detail["isCaller"].as_bool().unwrap()
        };
        assert_eq!(details.iter().map(told).collect::<Vec<_>>(), legs);
        assert_eq!(kept.records(), [], "nothing was streamed");
    }
}

#[test]
fn a_call_has_one_detail_record() {
    let (kept, events) = told(call(), channels());
    events.started(LegSide::B, StreamBegin { at: LATER, ..begin() });
    events.started(LegSide::A, begin());
    events.ended(LegSide::B, LATER, None);
    // Told last, ended first.
    events.ended(LegSide::A, UnixTime::from_millis(LATER.as_millis() - 5_000), None);
    let [(path, record)] = &kept.records()[..] else { panic!() };
    assert_eq!(
        path,
        "s3/Amazon-Chime-Voice-Connector-SDRs/json/abcdef1ghij2klmno3pqr4/2026/01/02/\
         03.04.05.678_ec97a8ff-3f83-4de2-8d73-d988070f6af4"
    );
    let expected = json!({
        "SchemaVersion": "1.0",
        "AwsAccountId": "111122223333",
        "TransactionId": "ec97a8ff-3f83-4de2-8d73-d988070f6af4",
        "CallId": "1112-2222-4333",
        "VoiceConnectorId": "abcdef1ghij2klmno3pqr4",
        "StartTimeEpochSeconds": 1_767_323_045,
        "EndTimeEpochSeconds": 1_767_323_107,
        "Status": "Completed",
        "StatusMessage": "OK",
        "ServiceCode": "AmazonChime",
        "UsageType": "USE1-VC-kinesis-audio-streaming",
        "BillableDurationSeconds": 63,
        "Region": "us-east-1",
    });
    assert_eq!(*record, expected);
}

#[test]
fn a_record_tells_what_failed_and_nothing_of_what_never_began() {
    let (kept, events) = told(call(), channels());
    events.ended(LegSide::A, LATER, None);
    events.ended(LegSide::B, LATER, None);
    assert_eq!(kept.records(), []);
    let (kept, events) = told(call(), channels());
    events.failed(LegSide::A, LATER, "no room");
    events.ended(LegSide::A, LATER, None);
    events.ended(LegSide::B, LATER, None);
    let [(_, record)] = &kept.records()[..] else { panic!() };
    assert_eq!(
        (&record["Status"], &record["StatusMessage"]),
        (&json!("Failed"), &json!("no room"))
    );
    assert_eq!(record["BillableDurationSeconds"], 0);
}

#[test]
fn each_event_has_an_id_of_its_own_and_always_the_same() {
    let ids = || {
        let (kept, events) = told(call(), channels());
        events.started(LegSide::A, begin());
        events.started(LegSide::B, begin());
        events.updated(&ListenedUpdate::default(), LATER);
        events.updated(&ListenedUpdate::default(), LATER);
        let mut ids: Vec<_> = kept.events().into_iter().map(|event| event.id).collect();
        ids.sort();
        ids
    };
    let first = ids();
    assert_eq!(first, ids());
    assert!(first.windows(2).all(|two| two[0] != two[1]), "{first:?}");
}

/// Whatever peers write, an event fits into what each service takes.
#[test]
fn a_hostile_call_stays_within_the_bounds() {
    let hostile = "\u{1}".repeat(70_000);
    let headers: Vec<_> = (0..64).map(|n| pair(&format!("x-{n}"), &hostile[..n * 100])).collect();
    let many = ListenedCall {
        call_id: hostile.as_str().into(),
        from_number: hostile.as_str().into(),
        to_number: "é".repeat(3_000).into(),
        invite_headers: headers.clone(),
        siprec_metadata: Some("\u{ffff}\"".repeat(20_000).into()),
        ..call()
    };
    let [caller, _] = channels();
    let caller = caller.map(|channel| Channel { label: Some(hostile.as_str().into()), ..channel });
    let (kept, events) = told(many, [caller, None]);
    let begin = StreamBegin { arn: hostile.as_str().into(), ..begin() };
    events.started(LegSide::A, begin);
    let update = ListenedUpdate { headers, siprec_metadata: Some("x".repeat(150_000).into()) };
    events.updated(&update, LATER);
    events.ended(LegSide::A, LATER, Some(&hostile));
    let all = kept.events();
    assert_eq!(all.len(), 3);
    for event in &all {
        assert!(event.detail.len() <= MAX_DETAIL_BYTES, "{}", event.detail.len());
        assert!(event.message().len() <= 262_144);
        assert!(!event.detail.contains('\u{ffff}'));
    }
    let detail: Value = serde_json::from_str(&all[0].detail).unwrap();
    assert_eq!(detail["truncated"]["callId"], 70_000);
    assert_eq!(detail["truncated"]["inviteHeaders.x-20"], 2_000);
    assert!(detail["inviteHeaders"].get("x-20").is_none(), "left out whole");
    assert_eq!(detail["inviteHeaders"]["x-9"].as_str().unwrap().len(), 900);
    let rest: u64 = (32..64).map(|n| n * 100).sum();
    assert_eq!(detail["truncated"]["inviteHeaders"], rest, "beyond 32 fields");
    assert_eq!(detail["toNumber"].as_str().unwrap().chars().count(), 512);
    let detail: Value = serde_json::from_str(&all[1].detail).unwrap();
    assert!(detail.get("siprecMetadata").is_none());
    assert_eq!(detail["truncated"]["siprecMetadata"], 150_000);
}

#[test]
fn files_may_show_people_differently() {
    struct Hidden;
    impl People for Hidden {
        fn number<'a>(&self, _: &'a str) -> Cow<'a, str> {
            "N".into()
        }
        fn header<'a>(&self, name: &str, _: &'a str) -> Cow<'a, str> {
            format!("H {name}").into()
        }
        fn metadata<'a>(&self, _: &'a str) -> Cow<'a, str> {
            "M".into()
        }
    }
    let kept = Arc::new(Kept::default());
    let sink: Arc<dyn EventSink> = Arc::<Kept>::clone(&kept);
    let sender = EventSender::new(issuer(), sink).showing(Arc::new(Plain), Some(Arc::new(Hidden)));
    let events = sender.of_call(call().into(), channels(), 16_000, listener());
    events.started(LegSide::A, begin());
    let [event] = &kept.events()[..] else { panic!() };
    assert!(event.message().contains("+12065550100"));
    let line = event.line();
    assert!(!line.contains("206555") && !line.contains("recording"), "{line}");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["detail"]["inviteHeaders"]["from"], "H from");
    assert_eq!(line["detail"]["mediaType"], "audio/L16;rate=16000");
}
