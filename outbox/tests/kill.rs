//! kill -9 at many points: nothing that was accepted is lost, and what comes twice says so.
//!
//! The child is this test's own binary, told by the environment what to do: it offers records as
//! fast as it can, says on its output which are accepted, and delivers into a file (a write survives
//! its process). The parent kills it after a random time, two hundred times on the same queue.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

#[path = "../../tests/hardship/killed.rs"]
mod killed;

use outbox::{
    BatchRules, Destination, DestinationName, Entry, Fsync, Outbox, OutboxConfig, OutboxRecord,
    Outcome, Verdict,
};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::time::Duration;

const ROUNDS: u64 = 200;

/// Writes a line for each entry: round, number, stream, whether it may be a duplicate.
struct IntoFile {
    file: File,
    /// Some batches fail, some are cut.
    calls: u64,
}

impl Destination for IntoFile {
    fn rules(&self) -> BatchRules {
        BatchRules {
            max_entries: 50,
            max_bytes: 1 << 20,
            overhead_bytes: 0,
            one_stream: self.calls.is_multiple_of(2),
            max_span: None,
        }
    }

    async fn deliver(&mut self, batch: &[Entry]) -> Outcome {
        self.calls += 1;
        if self.calls.is_multiple_of(7) {
            return Outcome::Unavailable { reason: "seventh".to_owned(), after: None };
        }
        let mut text = String::new();
        for entry in batch {
            let mark = if entry.possible_duplicate { "again" } else { "new" };
            let body = String::from_utf8(entry.record.body.clone()).unwrap();
            text += &format!("{} {body} {mark}\n", entry.idempotency_key);
        }
        // One write: whole lines, or none.
        self.file.write_all(text.as_bytes()).unwrap();
        tokio::task::yield_now().await;
        Outcome::PerEntry(vec![Verdict::Delivered; batch.len()])
    }
}

fn name() -> DestinationName {
    DestinationName::new("file").unwrap()
}

fn config(directory: &Path) -> OutboxConfig {
    OutboxConfig {
        fsync: Fsync::Never,
        backoff: outbox::Backoff {
            first: Duration::from_millis(2),
            most: Duration::from_millis(10),
        },
        ..OutboxConfig::new(directory.join("outbox"))
    }
}

fn destination(directory: &Path) -> IntoFile {
    let file =
        OpenOptions::new().append(true).create(true).open(directory.join("delivered")).unwrap();
    IntoFile { file, calls: u64::from(std::process::id()) }
}

/// The child's part; nothing without the environment.
#[test]
fn child() {
    let Some((directory, round)) = killed::child() else { return };
    let mut outbox = Outbox::new(config(&directory));
    let sender = outbox.start(&name(), destination(&directory)).unwrap();
    println!("begun");
    for number in 0_u64.. {
        let record = OutboxRecord {
            stream: format!("s{}", number % 3),
            body: format!("{round} {number} s{}", number % 3).into_bytes(),
            attributes: vec![("filler".to_owned(), "x".repeat((number % 1_500) as usize))],
            ..OutboxRecord::default()
        };
        while sender.offer(record.clone()).is_err() {
            sender.wait_accepted(Duration::from_secs(1));
        }
        if number.is_multiple_of(17) {
            assert!(sender.wait_accepted(Duration::from_secs(60)));
            // One write, so that the parent never reads a number cut short.
            let line = format!("accepted {number}\n");
            std::io::stdout().write_all(line.as_bytes()).unwrap();
            std::io::stdout().flush().unwrap();
            // Not so many that delivering them makes the test long.
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

#[test]
fn whenever_it_is_killed_nothing_accepted_is_lost() {
    let directory = killed::directory("outbox-kill");
    fs::create_dir_all(&directory).unwrap();
    let mut accepted: HashMap<u64, u64> = HashMap::new();
    let mut moments = killed::Moments::new();
    for round in 0..ROUNDS {
        let after = moments.next(8_000, 90_000);
        if let Some(last) = killed::run_and_kill(&directory, round, after, Some("accepted ")) {
            accepted.insert(round, last);
        }
    }
    assert!(accepted.len() as u64 > ROUNDS / 3, "{} rounds got far", accepted.len());
    finish(&directory);
    reconcile(&directory, &accepted);
    fs::remove_dir_all(&directory).unwrap();
}

/// Delivers what is left.
fn finish(directory: &Path) {
    let mut outbox = Outbox::new(config(directory));
    let _sender = outbox.start(&name(), destination(directory)).unwrap();
    let statistics = outbox.stop(Duration::from_secs(60)).remove(0);
    assert_eq!(statistics.depth_entries, 0, "{statistics:?}");
    assert_eq!((statistics.damaged, statistics.dropped), (0, 0), "{statistics:?}");
}

fn reconcile(directory: &Path, accepted: &HashMap<u64, u64>) {
    let mut delivered: HashMap<(u64, u64), u64> = HashMap::new();
    let mut keys: HashMap<String, (u64, u64)> = HashMap::new();
    let mut last_first: HashMap<(u64, String), u64> = HashMap::new();
    let mut unmarked = HashSet::new();
    let mut again = 0;
    for line in BufReader::new(File::open(directory.join("delivered")).unwrap()).lines() {
        let line = line.unwrap();
        let parts: Vec<_> = line.split(' ').collect();
        let [key, round, number, stream, mark] = parts[..] else { panic!("{line}") };
        let id: (u64, u64) = (round.parse().unwrap(), number.parse().unwrap());
        assert_eq!(*keys.entry(key.to_owned()).or_insert(id), id, "{key} stands for one record");
        let times = delivered.entry(id).or_default();
        *times += 1;
        if *times == 1 {
            // In the order of its stream.
            let before = last_first.insert((id.0, stream.to_owned()), id.1);
            assert!(before.is_none_or(|before| before < id.1), "{line} after {before:?}");
        } else {
            again += 1;
            assert_eq!(mark, "again", "{line} came before");
        }
        if mark == "new" {
            assert!(unmarked.insert(id), "{line} twice as new");
        }
    }
    for (round, last) in accepted {
        for number in 0..=*last {
            assert!(delivered.contains_key(&(*round, number)), "round {round}, {number} is lost");
        }
    }
    let total: u64 = accepted.values().map(|last| last + 1).sum();
    println!("{ROUNDS} kills, {total} records known to be accepted, {again} came again, marked");
}
