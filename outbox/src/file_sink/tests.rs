use super::*;
use crate::RecordPath;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::atomic::AtomicU32;

/// A directory that is removed at the end of its test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("outbox-test-{}-{number}", std::process::id()));
        Scratch(path)
    }

    fn sink(&self) -> FileSink {
        FileSink::start(FileSinkConfig::new(&self.0)).unwrap()
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn line(path: &str, body: &str) -> Record {
    Record {
        path: RecordPath::new(path).unwrap(),
        body: body.as_bytes().to_vec(),
        kind: RecordKind::AppendLine,
    }
}

fn whole(path: &str, body: &str) -> Record {
    Record { kind: RecordKind::WholeFile, ..line(path, body) }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn lines_are_appended_in_order_and_whole_files_appear_whole() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    for number in 0..100 {
        sink.sender().send(line("logs/a.jsonl", &format!("{{\"n\":{number}}}"))).unwrap();
    }
    sink.sender().send(whole("s3/2026/01/one", "{}")).unwrap();
    let statistics = sink.flush_and_close();
    let expected: String = (0..100).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    assert_eq!(scratch.read("logs/a.jsonl"), expected);
    assert_eq!(scratch.read("s3/2026/01/one"), "{}");
    assert_eq!(fs::read_dir(scratch.0.join("s3/2026/01")).unwrap().count(), 1, "no .partial left");
    assert_eq!(statistics.written_records, 101);
    assert_eq!(statistics.written_bytes, expected.len() as u64 + 2);
    assert_eq!((statistics.dropped_records, statistics.failed_records), (0, 0));
}

#[test]
fn a_whole_file_replaces_the_one_that_was_there() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    sink.sender().send(whole("s3/one", "a longer text")).unwrap();
    sink.sender().send(whole("s3/one", "{}")).unwrap();
    let statistics = sink.flush_and_close();
    assert_eq!(scratch.read("s3/one"), "{}");
    assert_eq!((statistics.written_records, statistics.failed_records), (2, 0));
}

#[test]
fn only_the_owner_may_read_what_is_written() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    sink.sender().send(line("logs/deep/a.jsonl", "{}")).unwrap();
    sink.sender().send(whole("s3/deep/one", "{}")).unwrap();
    sink.flush();
    for file in ["logs/deep/a.jsonl", "s3/deep/one"] {
        assert_eq!(mode(&scratch.0.join(file)), 0o600, "{file}");
    }
    for directory in ["", "logs", "logs/deep", "s3/deep"] {
        assert_eq!(mode(&scratch.0.join(directory)), 0o700, "{directory:?}");
    }
}

#[test]
fn a_rotated_and_a_deleted_file_are_made_again() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    sink.sender().send(line("a.jsonl", "1")).unwrap();
    sink.flush();
    fs::rename(scratch.0.join("a.jsonl"), scratch.0.join("a.jsonl.1")).unwrap();
    sink.sender().send(line("a.jsonl", "2")).unwrap();
    sink.flush();
    fs::remove_file(scratch.0.join("a.jsonl")).unwrap();
    sink.sender().send(line("a.jsonl", "3")).unwrap();
    sink.flush();
    assert_eq!(scratch.read("a.jsonl.1"), "1\n");
    assert_eq!(scratch.read("a.jsonl"), "3\n");
}

#[test]
fn a_line_cut_by_a_crash_spoils_no_other_line() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    fs::write(scratch.0.join("a.jsonl"), "{\"cut\":").unwrap();
    sink.sender().send(line("a.jsonl", "{}")).unwrap();
    sink.sender().send(line("a.jsonl", "{}")).unwrap();
    sink.flush();
    assert_eq!(scratch.read("a.jsonl"), "{\"cut\":\n{}\n{}\n");
}

#[test]
fn a_full_disk_costs_only_the_records_that_it_refused() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    symlink("/dev/full", scratch.0.join("full.jsonl")).unwrap();
    for _ in 0..3 {
        sink.sender().send(line("full.jsonl", "{}")).unwrap();
        sink.sender().send(line("fine.jsonl", "{}")).unwrap();
    }
    sink.flush();
    let statistics = sink.statistics();
    assert_eq!((statistics.written_records, statistics.failed_records), (3, 3));
    fs::remove_file(scratch.0.join("full.jsonl")).unwrap();
    sink.sender().send(line("full.jsonl", "{}")).unwrap();
    sink.flush();
    assert_eq!(scratch.read("full.jsonl"), "{}\n");
    assert_eq!(sink.statistics().written_records, 4);
}

#[test]
fn what_is_in_the_way_is_counted_and_the_sink_goes_on() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    fs::write(scratch.0.join("file"), "").unwrap();
    fs::create_dir(scratch.0.join("directory")).unwrap();
    sink.sender().send(line("file/below.jsonl", "{}")).unwrap();
    sink.sender().send(line("directory", "{}")).unwrap();
    sink.sender().send(whole("directory", "{}")).unwrap();
    sink.sender().send(whole("file/below", "{}")).unwrap();
    sink.sender().send(line("fine.jsonl", "{}")).unwrap();
    sink.flush();
    let statistics = sink.statistics();
    assert_eq!((statistics.written_records, statistics.failed_records), (1, 4));
}

#[test]
fn open_files_are_bounded_and_closed_ones_are_continued() {
    let scratch = Scratch::new();
    let config = FileSinkConfig { open_files: 3, ..FileSinkConfig::new(&scratch.0) };
    let sink = FileSink::start(config).unwrap();
    for round in 0..3 {
        for number in 0..10 {
            sink.sender().send(line(&format!("{number}.jsonl"), &round.to_string())).unwrap();
        }
        sink.flush();
        assert!(sink.statistics().open_files <= 3);
    }
    for number in 0..10 {
        assert_eq!(scratch.read(&format!("{number}.jsonl")), "0\n1\n2\n");
    }
}

#[test]
fn a_full_queue_drops_the_newest_and_counts_it() {
    let counters = Arc::new(Counters::default());
    let (queue, receiver) = bounded(2);
    let sender = FileSender { queue, counters, rest: Rest::default(), writer: thread::current() };
    assert_eq!(sender.send(line("a", "1")), Ok(()));
    assert_eq!(sender.send(line("a", "2")), Ok(()));
    assert_eq!(sender.send(line("a", "3")), Err(NotAccepted::QueueFull));
    assert_eq!(sender.statistics().dropped_records, 1);
    assert_eq!(sender.statistics().queued_records, 2);
    let kept: Vec<_> = receiver
        .try_iter()
        .map(|job| match job {
            Job::Write(record) => record.body,
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(kept, [b"1".to_vec(), b"2".to_vec()]);
}

#[test]
fn a_closed_sink_refuses_records() {
    let scratch = Scratch::new();
    let sink = scratch.sink();
    let sender = sink.sender();
    sink.flush_and_close();
    assert_eq!(sender.send(line("a", "1")), Err(NotAccepted::Closed));
    sender.flush();
    assert_eq!(sender.statistics().dropped_records, 1);
}

#[test]
fn large_batches_reach_the_file_before_the_queue_is_empty() {
    let scratch = Scratch::new();
    let mut files = Files::new(scratch.0.clone(), 4, 10);
    let path = RecordPath::new("a.jsonl").unwrap();
    files.append_line(&path, b"12345");
    assert!(!scratch.0.join("a.jsonl").exists());
    files.append_line(&path, b"12345");
    assert_eq!(scratch.read("a.jsonl"), "12345\n12345\n");
}
