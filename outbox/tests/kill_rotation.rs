//! kill -9 while files are put aside: every line that a later one follows is in exactly one file.
//!
//! The child is this test's own binary: it writes numbered lines as fast as it can into a file that is
//! put aside, and into one that goes on in another, every few hundred octets. The parent kills it at a
//! random time, again and again.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../../tests/hardship/killed.rs"]
mod killed;

use outbox::{FileSink, FileSinkConfig, PutAside, Record, RecordKind, RecordPath, Rotation};
use std::fs;
use std::path::{Path, PathBuf};

const ROUNDS: u64 = 60;
/// A machine that is busy needs more of them until enough has happened.
const MOST_ROUNDS: u64 = 600;
const ENOUGH_FILES: usize = 100;
const BELOW: [&str; 2] = ["logs", "calls"];

fn sink(directory: &Path) -> FileSink {
    FileSink::start(FileSinkConfig {
        rotation: Some(Rotation {
            below: vec!["logs".to_owned()],
            continued: vec!["calls".to_owned()],
            max_bytes: 2_000,
        }),
        flush_records: 20,
        ..FileSinkConfig::new(directory)
    })
    .unwrap()
}

/// The child's part; nothing without the environment.
#[test]
fn child() {
    let Some((directory, round)) = killed::child() else { return };
    let sink = sink(&directory);
    for number in 0_u64.. {
        for path in ["logs/a.jsonl", "calls/2026-11-21.jsonl"] {
            let record = Record {
                path: RecordPath::new(path).unwrap(),
                // The full stop tells a whole line from one that was cut.
                body: format!("{round} {number}.").into_bytes(),
                kind: RecordKind::AppendLine,
            };
            sink.sender().send(record).unwrap();
        }
        if number.is_multiple_of(100) {
            sink.flush();
        }
    }
}

#[test]
fn whenever_it_is_killed_no_line_is_lost_or_doubled() {
    let directory = killed::directory("rotation-kill");
    let mut moments = killed::Moments::new();
    let has_enough = || BELOW.iter().all(|below| files_in(&directory.join(below)) > ENOUGH_FILES);
    let mut round = 0;
    while round < ROUNDS || (!has_enough() && round < MOST_ROUNDS) {
        killed::run_and_kill(&directory, round, moments.next(8_000, 40_000), None);
        round += 1;
    }
    sink(&directory).flush_and_close();
    for below in BELOW {
        let (files, lines) = lines(&directory.join(below));
        assert!(
            files > ENOUGH_FILES && lines.len() > 2_000,
            "{files} files, {} lines",
            lines.len()
        );
        follow_each_other(lines);
    }
    fs::remove_dir_all(&directory).unwrap();
}

fn files_in(directory: &Path) -> usize {
    fs::read_dir(directory).map_or(0, Iterator::count)
}

fn follow_each_other(lines: Vec<(u64, u64)>) {
    let mut last: Option<(u64, u64)> = None;
    for (round, number) in lines {
        let follows = match last {
            Some((before, last)) if before == round => number == last + 1,
            Some((before, _)) => round > before && number == 0,
            None => number == 0,
        };
        assert!(follows, "{round} {number} after {last:?}");
        last = Some((round, number));
    }
}

/// The lines of all files in their order, without those that a kill cut.
fn lines(directory: &Path) -> (usize, Vec<(u64, u64)>) {
    let mut files: Vec<(Option<PutAside>, PathBuf)> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (PutAside::parse(path.file_name().unwrap().to_str().unwrap()), path))
        .collect();
    // Of those that were put aside the one that grows comes last, of parts the one with the most.
    let stem = |path: &PathBuf| path.file_stem().map(std::ffi::OsStr::to_owned);
    files.sort_by_key(|(aside, path)| (aside.is_none(), aside.clone(), stem(path)));
    let mut all = Vec::new();
    for (_, path) in &files {
        for line in fs::read_to_string(path).unwrap().lines() {
            if let Some((round, number)) =
                line.strip_suffix('.').and_then(|line| line.split_once(' '))
                && let (Ok(round), Ok(number)) = (round.parse(), number.parse())
            {
                all.push((round, number));
            }
        }
    }
    (files.len(), all)
}
