use super::*;
use crate::config::accepts;
use call_metrics::Numbers;
use call_streaming::events::StreamBegin;
use model::{
    CallDirection, Channel, KinesisVideoListener, LegSide, ListenedCall, TransactionId, UnixTime,
    VoiceConnectorId,
};
use std::fs;
use std::path::Path;

const TO_SQS: &str =
    "[sinks]\nsqs = { kind = \"aws\", queue_url = \"http://127.0.0.1:9/1/calls\" }";

fn call() -> Arc<ListenedCall> {
    Arc::new(ListenedCall {
        transaction_id: TransactionId::from_random(7),
        voice_connector_id: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
        call_id: "c@192.0.2.1".into(),
        direction: CallDirection::Inbound,
        from_number: "+12065550100".into(),
        to_number: "+13605550199".into(),
        invite_headers: Vec::new(),
        siprec_metadata: None,
    })
}

/// Streams a call of one leg, and gives what waits for services, by queue.
fn streamed(
    config: &Config,
    root: &Path,
    numbers: PerSink<Numbers>,
    notify: NotificationTargets,
) -> Vec<(String, u64)> {
    let files = FileSink::start(FileSinkConfig::new(root)).unwrap();
    let mut outbox = Outbox::new(config.outbox.to_config(root));
    let routes = Routes::start(config, files.sender(), &mut outbox, None, Arc::default()).unwrap();
    let privacy = Privacy { events: numbers, ..Privacy::default() };
    let channel = Channel { side: LegSide::A, is_caller: true, media_index: 0, label: None };
    let listener = KinesisVideoListener { retention_hours: 1, mu_law: true, notify };
    let events = routes.events(config, &privacy);
    let events = events.of_call(call(), [Some(channel), None], 8_000, listener);
    let at = UnixTime::from_millis(1_767_323_045_678);
    let arn = "arn:aws:kinesisvideo:us-east-1:1:stream/s/1".into();
    events.started(LegSide::A, StreamBegin { arn, fragment: None, at });
    events.ended(LegSide::A, at, None);
    files.flush_and_close();
    outbox.stop(std::time::Duration::ZERO);
    let queues = outbox::inspect(&root.join("outbox")).unwrap();
    queues.into_iter().map(|queue| (queue.destination, queue.waiting.records)).collect()
}

fn scratch(name: &str) -> std::path::PathBuf {
    let root = std::env::temp_dir().join(format!("event-routes-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&root);
    root
}

fn lines(root: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(root.join(EVENTS_FILE)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn events_go_into_the_file_and_to_the_targets_of_their_connector() {
    let root = scratch("targets");
    let config = accepts(TO_SQS);
    let sqs = NotificationTargets { sqs: true, ..NotificationTargets::NONE };
    let waiting = streamed(&config, &root, PerSink::default(), sqs);
    assert_eq!(waiting, [("sqs".to_owned(), 2)]);
    let lines = lines(&root);
    let states: Vec<_> = lines.iter().map(|line| &line["detail"]["streamingStatus"]).collect();
    assert_eq!(states, ["STARTED", "ENDED"]);
    assert_eq!(lines[0]["source"], "tandem.voiceconnector");
    assert_eq!(lines[0]["detail"]["fromNumber"], "+12065550100");
    let records =
        root.join("s3/Amazon-Chime-Voice-Connector-SDRs/json/abcdef1ghij2klmno3pqr4/2026/01/02");
    let names: Vec<_> = fs::read_dir(records).unwrap().map(|file| file.unwrap()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    fs::remove_dir_all(&root).unwrap();
}

#[test]
fn a_connector_s_other_targets_get_nothing() {
    let root = scratch("others");
    let waiting = streamed(
        &accepts(TO_SQS),
        &root,
        PerSink::default(),
        NotificationTargets { sns: true, ..NotificationTargets::default() },
    );
    assert!(waiting.iter().all(|(_, records)| *records == 0), "{waiting:?}");
    assert_eq!(lines(&root).len(), 2);
    fs::remove_dir_all(&root).unwrap();
}

#[test]
fn people_in_events_are_shown_as_each_place_says() {
    let root = scratch("people");
    let masked = Numbers::Masked { shown: 4 };
    let numbers = PerSink { file: masked, service: Numbers::Plain };
    streamed(&accepts(TO_SQS), &root, numbers, NotificationTargets::default());
    assert_eq!(lines(&root)[0]["detail"]["fromNumber"], "+*******0100");
    fs::remove_dir_all(&root).unwrap();
}
