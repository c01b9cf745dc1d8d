//! kill -9 while records of calls go on from file to file and the history follows them: afterwards every
//! whole line of every file is in the history, once.
//!
//! The child is this test's own binary: it writes records as fast as it can into files of a few of them,
//! and takes them in beside that. The parent kills it at a random time, again and again.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../../../tests/hardship/killed.rs"]
mod killed;

use call_history::{CallQuery, History};
use call_metrics::{CallRecord, Recorder, RecorderConfig};
use model::{
    CallDirection, CallEvent, CallEventKind, CallParties, Instant, TransactionId, UnixTime,
    VoiceConnectorId,
};
use outbox::{FileSink, FileSinkConfig, Record, RecordKind, RecordPath, Rotation};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const ROUNDS: u64 = 40;
/// A machine that is busy needs more of them until enough has happened.
const MOST_ROUNDS: u64 = 400;
const MOST_TIMES: u32 = 100;
const ENOUGH_FILES: usize = 40;
/// Of one file: some five records.
const MAX_BYTES: u64 = 4_000;

/// The record of a call as a node writes it, and its transaction's id in it.
fn record() -> (String, String) {
    let id = TransactionId::from_random(1);
    let config = RecorderConfig::new("n", "us-east-1", "111122223333", UnixTime::default());
    let mut recorder = Recorder::new(config);
    let parties = CallParties {
        direction: CallDirection::Outbound,
        voice_connector: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
        from_user: "+12065550100".into(),
        from_country: "",
        to_user: "+81312345678".into(),
        to_country: "",
        call_id: "c".into(),
        carrier: None,
        emergency: None,
        source: "127.0.0.1:5060".parse().unwrap(),
        sip_auth_user: None,
        proxy: None,
        log_sip_messages: false,
        log_media_metrics: false,
    };
    let kind = CallEventKind::Attempted { parties: parties.into() };
    recorder.handle_call_event(CallEvent { transaction_id: id, at: Instant::ZERO, kind });
    assert!(!recorder.handle_shutdown(Instant::ZERO));
    let mut records = std::iter::from_fn(|| recorder.poll_record().map(|(record, _)| record));
    let record = records.find(|record| record.path.as_str().starts_with("calls/")).unwrap();
    (String::from_utf8(record.body).unwrap(), id.to_string())
}

fn id(round: u64, number: u64) -> TransactionId {
    TransactionId::from_random((u128::from(round) << 64) | u128::from(number))
}

fn sink(directory: &Path) -> FileSink {
    let continued = vec!["calls".to_owned()];
    FileSink::start(FileSinkConfig {
        rotation: Some(Rotation { below: Vec::new(), continued, max_bytes: MAX_BYTES }),
        flush_records: 3,
        ..FileSinkConfig::new(directory)
    })
    .unwrap()
}

/// The child's part; nothing without the environment.
#[test]
fn child() {
    let Some((directory, round)) = killed::child() else { return };
    let sink = sink(&directory);
    let mut history = History::open(&directory).unwrap();
    let (text, of) = record();
    for number in 0.. {
        let record = Record {
            path: RecordPath::new("calls/2026-11-21.jsonl").unwrap(),
            body: text.replace(&of, &id(round, number).to_string()).into_bytes(),
            kind: RecordKind::AppendLine,
        };
        sink.sender().send(record).unwrap();
        if number.is_multiple_of(5) {
            sink.flush();
            history.take_in().unwrap();
        }
    }
}

#[test]
fn whenever_it_is_killed_the_history_has_each_record_once() {
    let directory = killed::directory("history-kill");
    let mut moments = killed::Moments::new();
    let mut written = BTreeSet::new();
    // A machine on which a process needs long to begin has more time in each round.
    let (mut rounds, mut times) = (0, 1);
    while rounds < ROUNDS || (files_in(&directory) < ENOUGH_FILES && rounds < MOST_ROUNDS) {
        let after = moments.next(15_000, 60_000);
        killed::run_and_kill(&directory, rounds, after * times, None);
        rounds += 1;
        let before = written.len();
        if let Ok(now) = lines(&directory.join("calls")) {
            assert!(now.is_superset(&written), "a line that was there stays");
            written = now;
        }
        if written.len() == before {
            times = (times + 1).min(MOST_TIMES);
        }
    }
    sink(&directory).flush_and_close();
    let files = files_in(&directory);
    assert!(files >= ENOUGH_FILES, "{files} files, {} records", written.len());
    let mut history = History::open(&directory).unwrap();
    while history.take_in().unwrap().more {}
    assert_eq!(history.count().unwrap(), written.len() as u64);
    let every = CallQuery { limit: u32::MAX, ..CallQuery::default() };
    let found = history.search(&every).unwrap();
    let found: BTreeSet<_> = found.into_iter().map(|call| call.transaction_id).collect();
    assert_eq!(found, written);
    for round in 0..rounds {
        let id = id(round, 0);
        let record = history.record(id).unwrap();
        assert_eq!(record.is_some(), written.contains(&id.to_string()));
        assert!(record.is_none_or(|record| record.transaction_id == id.to_string()));
    }
    fs::remove_dir_all(&directory).unwrap();
}

fn files_in(directory: &Path) -> usize {
    fs::read_dir(directory.join("calls")).map_or(0, Iterator::count)
}

/// The calls of all whole lines, each of which must be in one file once.
fn lines(directory: &Path) -> std::io::Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let Ok(record) = serde_json::from_str::<CallRecord>(line) else { continue };
            assert!(all.insert(record.transaction_id), "twice, again in {}", path.display());
        }
    }
    Ok(all)
}
