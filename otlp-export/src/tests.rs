//! Against a collector that is a script: for each request it says what is answered.

use super::*;
use call_metrics::{CallTrace, Recorder, RecorderConfig, TraceConfig};
use model::{
    CallDirection, CallEnd, CallEvent, CallEventKind, CallParties, EndedBy, Instant, TransactionId,
    UnixTime, VoiceConnectorId,
};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// A call that failed at once; its trace is one span.
fn call(number: u128) -> CallTrace {
    let origin = UnixTime::from_millis(1_551_460_200_020);
    let names = RecorderConfig::new("edge-1", "us-east-1", "111122223333", origin);
    let traces = Some(TraceConfig::new(1));
    let mut recorder = Recorder::new(RecorderConfig { traces, ..names });
    let parties = Arc::new(CallParties {
        direction: CallDirection::Outbound,
        voice_connector: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
        from_user: "+12065550100".into(),
        from_country: "US",
        to_user: "+81312345678".into(),
        to_country: "JP",
        call_id: "a84b4c76e66710@pbx".into(),
        carrier: None,
        emergency: None,
        source: "127.0.0.3:5070".parse().unwrap(),
        sip_auth_user: None,
        proxy: None,
        log_sip_messages: false,
        log_media_metrics: false,
    });
    let end = CallEnd { status: 404, cause: "refused", ended_by: EndedBy::LegB, refusal: None };
    for (at, kind) in [(1, CallEventKind::Attempted { parties }), (9, CallEventKind::Ended(end))] {
        let transaction_id = TransactionId::from_random(number);
        recorder.handle_call_event(CallEvent {
            transaction_id,
            at: Instant::from_millis(at),
            kind,
        });
    }
    recorder.handle_timeout(Instant::from_millis(9_000));
    recorder.poll_trace().unwrap()
}

/// What the collector does with one request.
#[derive(Clone, Copy)]
enum Does {
    Answer(&'static str, &'static [u8]),
    Close,
    Wait,
}

const OK: Does = Does::Answer("200 OK", b"");

struct Heard {
    head: String,
    body: Vec<u8>,
}

/// Does what the script says, the last line for ever; gives away what it heard.
fn collector(script: Vec<Does>) -> (String, Receiver<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (heard, receiver) = sync_channel(1_000);
    thread::spawn(move || {
        let mut script = script.into_iter();
        let mut last = OK;
        for stream in listener.incoming().flatten() {
            let mut next = || {
                last = script.next().unwrap_or(last);
                last
            };
            if serve(stream, &mut next, &heard).is_none() {
                continue;
            }
        }
    });
    (url, receiver)
}

fn serve(
    stream: TcpStream,
    next: &mut dyn FnMut() -> Does,
    heard: &SyncSender<Heard>,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        heard.send(Heard { head, body }).ok()?;
        match next() {
            Does::Close => return None,
            // Until the asker gives up and closes.
            Does::Wait => {
                let _ = reader.read(&mut [0]);
                return None;
            }
            Does::Answer(status, body) => {
                let text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(&[text.as_bytes(), body].concat()).ok()?;
            }
        }
    }
}

fn config(url: &str) -> OtlpConfig {
    OtlpConfig {
        endpoint: Endpoint::parse(url).unwrap(),
        headers: vec![("x-key".to_owned(), "s3cret".to_owned())],
        gzip: false,
        timeout: Duration::from_millis(300),
        resource: vec![("service.name".to_owned(), "tandem".to_owned())],
    }
}

/// Two calls through an exporter that is stopped at once, or after `again` requests failed.
fn run(script: Vec<Does>, again: u64, limit: Duration) -> (TraceStatistics, Vec<Heard>) {
    let (url, heard) = collector(script);
    let exporter = TraceExporter::start(config(&url)).unwrap();
    let sender = exporter.sender();
    for number in 0..2 {
        sender.send(call(number));
    }
    let mut all = Vec::new();
    while again > 0 && sender.statistics().again < again {
        all.extend(heard.recv_timeout(Duration::from_millis(50)));
    }
    let statistics = exporter.stop(limit);
    all.extend(heard.try_iter());
    (statistics, all)
}

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn what_waits_is_sent_in_one_request_when_the_node_stops() {
    let (statistics, heard) = run(vec![OK], 0, LIMIT);
    assert_eq!((statistics.exported, statistics.taken, statistics.dropped), (2, 1, 0));
    assert_eq!((statistics.again, statistics.failed, statistics.last_error), (0, 0, None));
    let [request] = &heard[..] else { panic!("{} requests", heard.len()) };
    assert!(request.head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", request.head);
    let head = request.head.to_ascii_lowercase();
    for line in ["content-type: application/x-protobuf\r\n", "x-key: s3cret\r\n"] {
        assert!(head.contains(line), "{head}");
    }
    assert!(!head.contains("content-encoding"));
    let ids = [0, 1].map(|number| TransactionId::from_random(number).as_u128().to_be_bytes());
    for id in ids {
        assert!(request.body.windows(16).any(|part| part == id), "the trace of each call");
    }
}

#[test]
fn bodies_are_compressed_where_that_is_asked_for() {
    let (url, heard) = collector(vec![OK]);
    let exporter = TraceExporter::start(OtlpConfig { gzip: true, ..config(&url) }).unwrap();
    exporter.sender().send(call(1));
    assert_eq!(exporter.stop(LIMIT).exported, 1);
    let Heard { head, body } = heard.recv().unwrap();
    assert!(head.to_ascii_lowercase().contains("content-encoding: gzip\r\n"), "{head}");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, encode(&config(&url).resource, &call(1).spans()));
}

#[test]
fn what_may_be_taken_later_is_sent_again_as_it_was() {
    for trouble in [
        Does::Answer("503 Service Unavailable", b""),
        Does::Answer("429 Too Many Requests\r\nretry-after: 0", b""),
        Does::Answer("502 Bad Gateway", b"<html>"),
        Does::Answer("504 Gateway Timeout", b""),
        Does::Close,
        Does::Wait,
    ] {
        let (statistics, heard) = run(vec![trouble, trouble, OK], 2, LIMIT);
        assert_eq!((statistics.exported, statistics.again, statistics.taken), (2, 2, 1));
        assert_eq!((statistics.failed, statistics.dropped, statistics.refused), (0, 0, 0));
        assert!(statistics.last_error.is_some());
        // A connection that breaks may have been tried once more by the client below.
        assert!(heard.len() >= 3 && heard.iter().all(|request| request.body == heard[0].body));
    }
}

#[test]
fn what_is_refused_is_given_up_and_counted() {
    let (statistics, heard) =
        run(vec![Does::Answer("400 Bad Request", b"no such tenant")], 0, LIMIT);
    assert_eq!((statistics.failed, statistics.refused, statistics.exported), (2, 1, 0));
    assert_eq!(statistics.last_error.unwrap().reason, "status 400: no such tenant");
    assert_eq!(heard.len(), 1, "it is not sent again");
}

#[test]
fn spans_that_a_collector_rejects_are_counted() {
    // partial_success { rejected_spans: 1, error_message: "old" }
    let partial = Does::Answer("200 OK", b"\x0a\x07\x08\x01\x12\x03old");
    let (statistics, heard) = run(vec![partial], 0, LIMIT);
    assert_eq!((statistics.exported, statistics.rejected, statistics.taken), (1, 1, 1));
    assert_eq!(statistics.last_error.unwrap().reason, "1 of 2 spans were rejected: old");
    assert_eq!(heard.len(), 1, "it is not sent again");
}

#[test]
fn a_node_that_stops_waits_for_a_collector_no_longer_than_it_may() {
    let (statistics, _) = run(vec![Does::Wait], 0, Duration::from_millis(100));
    assert_eq!((statistics.exported, statistics.failed), (0, 2));
}

#[test]
fn more_than_fits_is_dropped_and_nobody_waits() {
    let (url, _heard) = collector(vec![Does::Wait]);
    let slow = OtlpConfig { timeout: Duration::from_secs(60), ..config(&url) };
    let exporter = TraceExporter::start(slow).unwrap();
    let sender = exporter.sender();
    // One request may be under way and one batch be gathered: each of at most 512 calls.
    for number in 0..4_000 {
        sender.send(call(number));
    }
    let statistics = sender.statistics();
    assert!(statistics.dropped >= 4_000 - 2_048 - 2 * 512, "{statistics:?}");
    // A minute's patience with the collector ends with the node.
    let all = exporter.stop(Duration::ZERO);
    assert_eq!(all.dropped + all.failed, 4_000, "{all:?}");
    assert_eq!(all.queued, 0);
}

#[test]
fn a_probe_tells_what_a_collector_would_do() {
    let of = |does| probe(&config(&collector(vec![does]).0));
    assert!(matches!(of(OK), Probe::Takes(_)));
    let refuses = of(Does::Answer("401 Unauthorized", b"no key"));
    assert_eq!(refuses, Probe::Refuses("status 401: no key".to_owned()));
    let busy = of(Does::Answer("503 Service Unavailable", b""));
    assert_eq!(busy, Probe::NotNow("status 503".to_owned()));
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let Probe::Unreachable(reason) = probe(&config(&format!("http://{gone}"))) else { panic!() };
    assert!(reason.contains("refused"), "{reason}");
    assert!(matches!(of(Does::Wait), Probe::Unreachable(reason) if reason.contains("300 ms")));
}
