use super::*;
use crate::RecorderConfig;
use bytes::Bytes;
use model::{CallEnd, CallEventKind, EndedBy, Refusal, RefusalEvent, TransactionId, UnixTime};
use outbox::{FileSink, FileSinkConfig};

fn recorder() -> Recorder {
    Recorder::new(RecorderConfig::new("n", "us-east-1", "111122223333", UnixTime::default()))
}

fn sip() -> Observation {
    Observation::Sip(SipObservation::Refused(RefusalEvent {
        refusal: Refusal::NoRoute,
        at: Instant::ZERO,
        source: "127.0.0.1:5060".parse().unwrap(),
        voice_connector: None,
        start_line: Bytes::new(),
    }))
}

fn call() -> Observation {
    let end = CallEnd { status: 200, cause: "BYE", ended_by: EndedBy::LegA, refusal: None };
    Observation::Call(CallEvent {
        transaction_id: TransactionId::from_random(1),
        at: Instant::ZERO,
        kind: CallEventKind::Ended(end),
    })
}

#[test]
fn sip_messages_are_shed_first_and_calls_only_when_the_queue_is_full() {
    let (queue, receiver) = bounded(8);
    let page = Arc::clone(recorder().page());
    let sender = ObservationSender {
        queue,
        page: Arc::clone(&page),
        rest: Rest::default(),
        recorder: thread::current(),
    };
    for _ in 0..10 {
        sender.send(sip());
    }
    assert_eq!(receiver.len(), 7);
    assert!(page.encode().contains("tandem_recorder_dropped_total{what=\"sip\"} 3"));
    sender.send(call());
    assert_eq!(receiver.len(), 8);
    sender.send(call());
    assert!(page.encode().contains("tandem_recorder_dropped_total{what=\"call\"} 1"));
    drop(receiver);
    sender.send(call());
    assert!(page.encode().contains("tandem_recorder_dropped_total{what=\"call\"} 2"));
}

#[test]
fn the_thread_takes_in_all_that_was_sent_before_it_is_stopped() {
    let root = std::env::temp_dir().join(format!("recorder-test-{}", std::process::id()));
    let sink = FileSink::start(FileSinkConfig::new(&root)).unwrap();
    let (sender, handle) =
        spawn(recorder(), 1_024, sink.sender(), || Instant::from_millis(5)).unwrap();
    let view = handle.view();
    for _ in 0..700 {
        sender.send(sip());
    }
    handle.stop();
    assert!(view.encode().contains("tandem_refusals_total{reason=\"no_route\"} 700"));
    assert!(view.calls().is_empty());
    sink.flush_and_close();
    std::fs::remove_dir_all(&root).unwrap();
}
