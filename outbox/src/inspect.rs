//! What waits in the queues of a directory, as far as their files tell. Nothing is changed: a node may
//! be at work on them.

use crate::marks::Marks;
use crate::segment::{self, HEADER_BYTES, SegmentHeader};
use model::UnixTime;
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

/// Streams of a queue that are told apart; the records of all others count together.
const STREAMS: usize = 256;
/// Octets of a line in a list of refused records that are looked at.
const LINE: u64 = 4 << 20;

/// The queue of one destination.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct QueueInspection {
    /// The destination.
    pub destination: String,
    /// Octets of its segment files.
    pub bytes: u64,
    /// What waits.
    pub waiting: Waiting,
    /// The same by stream, the longest first, at most 256 streams; the empty name has records that
    /// need no order.
    pub streams: Vec<(String, Waiting)>,
    /// Records that cannot be read.
    pub damaged: u64,
    /// Files that no version of ours wrote, set aside.
    pub unreadable_files: u64,
    /// Records that the destination will never take.
    pub refused: RefusedInspection,
}

/// Records that wait.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Waiting {
    /// How many.
    pub records: u64,
    /// Of which time the oldest is.
    pub oldest: Option<UnixTime>,
}

/// The list of refused records, both of its files.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RefusedInspection {
    /// How many it holds; older ones may have gone.
    pub records: u64,
    /// When the last one was refused.
    pub last_at: Option<UnixTime>,
    /// Why; empty without one.
    pub last_reason: String,
}

impl Waiting {
    fn add(&mut self, time: UnixTime) {
        self.records += 1;
        self.oldest = Some(self.oldest.map_or(time, |oldest| oldest.min(time)));
    }
}

/// Looks at every queue below `root`, by name; at none when there is no such directory.
///
/// # Errors
/// When a file cannot be read.
pub fn inspect(root: &Path) -> io::Result<Vec<QueueInspection>> {
    let mut queues = Vec::new();
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(queues),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            queues.push(inspect_queue(&path)?);
        }
    }
    queues.sort_by(|a, b| a.destination.cmp(&b.destination));
    Ok(queues)
}

fn inspect_queue(directory: &Path) -> io::Result<QueueInspection> {
    let name = directory.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut queue = QueueInspection { destination: name.unwrap_or_default(), ..Default::default() };
    let marks = Marks::read(&read(&directory.join("marks"))?.unwrap_or_default());
    let mut streams = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("segment") => {
                // The node may have removed it meanwhile: all of it is delivered then.
                let bytes = read(&path)?.unwrap_or_default();
                queue.bytes += bytes.len() as u64;
                count(&bytes, &marks, &mut queue, &mut streams);
            }
            Some("unreadable") => queue.unreadable_files += 1,
            _ => {}
        }
    }
    queue.streams = streams.into_iter().collect();
    queue.streams.sort_by_key(|(_, waiting)| Reverse(waiting.records));
    for file in ["refused.jsonl.1", "refused.jsonl"] {
        read_refused(&directory.join(file), &mut queue.refused)?;
    }
    Ok(queue)
}

fn count(
    bytes: &[u8],
    marks: &Marks,
    queue: &mut QueueInspection,
    streams: &mut BTreeMap<String, Waiting>,
) {
    // A file that was just begun has no header yet.
    let Some(header) = SegmentHeader::read(bytes) else { return };
    let entries = bytes.get(HEADER_BYTES..).unwrap_or_default();
    // What is cut off at the end is perhaps being written.
    let scanned = segment::scan(header.id, entries, false, |found| {
        if !marks.is_settled(found.sequence) {
            queue.waiting.add(found.time);
            if let Some(waiting) = streams.get_mut(found.stream) {
                waiting.add(found.time);
            } else if streams.len() < STREAMS {
                streams.entry(found.stream.to_owned()).or_default().add(found.time);
            }
        }
        true
    });
    queue.damaged += scanned.damaged;
}

/// The file's octets; `None` when there is none.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        octets => octets.map(Some),
    }
}

fn read_refused(path: &Path, refused: &mut RefusedInspection) -> io::Result<()> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut last = Vec::new();
    loop {
        line.clear();
        if io::Read::take(&mut reader, LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.ends_with(b"\n") {
            refused.records += 1;
            std::mem::swap(&mut line, &mut last);
        }
    }
    if let Ok(told) = serde_json::from_slice::<Value>(&last) {
        refused.last_at = told.get("refused_at").and_then(Value::as_u64).map(UnixTime::from_millis);
        refused.last_reason =
            told.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use crate::{
        BatchRules, Destination, DestinationName, Entry, Outbox, OutboxConfig, OutboxRecord,
        Outcome, Verdict,
    };
    use std::time::Duration;

    /// Takes records of the stream `good`, refuses those of `bad`, and takes all others later.
    struct Choosy;

    impl Destination for Choosy {
        fn rules(&self) -> BatchRules {
            BatchRules {
                max_entries: 1,
                max_bytes: 1_000,
                overhead_bytes: 0,
                one_stream: true,
                max_span: None,
            }
        }

        async fn deliver(&mut self, batch: &[Entry]) -> Outcome {
            let verdict = |entry: &Entry| match entry.record.stream.as_str() {
                "good" => Verdict::Delivered,
                "bad" => Verdict::Refused("no such group".to_owned()),
                _ => Verdict::Again { reason: "later".to_owned(), after: None },
            };
            Outcome::PerEntry(batch.iter().map(verdict).collect())
        }
    }

    /// Puts records, stream and time, into a queue of this name and waits until all but `left` are
    /// dealt with.
    fn fill(root: &Path, name: &str, records: &[(&str, u64)], left: u64) {
        let mut outbox = Outbox::new(OutboxConfig::new(root));
        let name = DestinationName::new(name).unwrap();
        let sender = outbox.start(&name, Choosy).unwrap();
        for (stream, millis) in records {
            let time = UnixTime::from_millis(*millis);
            let stream = (*stream).to_owned();
            let body = b"{}".to_vec();
            sender.offer(OutboxRecord { stream, time, body, ..Default::default() }).unwrap();
        }
        let view = outbox.view();
        let settled = || {
            let [queue] = &view.statistics()[..] else { panic!() };
            queue.unwritten == 0 && queue.depth_entries == left
        };
        while !settled() {
            std::thread::yield_now();
        }
        outbox.stop(Duration::ZERO);
    }

    #[test]
    fn what_waits_is_told_by_stream_with_its_age_and_what_was_refused() {
        let scratch = Scratch::new();
        assert_eq!(inspect(scratch.path()).unwrap(), [], "no directory, no queue");
        let records = [("good", 5), ("one", 40), ("bad", 6), ("two", 30), ("two", 20), ("good", 7)];
        fill(scratch.path(), "logs", &records, 3);
        fill(scratch.path(), "s3", &[("good", 1)], 0);
        let before = |name: &str| fs::read(scratch.path().join(name)).unwrap();
        let marks = before("logs/marks");
        let [logs, s3] = &inspect(scratch.path()).unwrap()[..] else { panic!() };
        assert_eq!(before("logs/marks"), marks, "nothing is changed");
        let waiting =
            |records, oldest| Waiting { records, oldest: Some(UnixTime::from_millis(oldest)) };
        assert_eq!((logs.destination.as_str(), logs.waiting), ("logs", waiting(3, 20)));
        let streams = [("two".to_owned(), waiting(2, 20)), ("one".to_owned(), waiting(1, 40))];
        assert_eq!(logs.streams, streams);
        assert!(logs.bytes > 0);
        assert_eq!((logs.damaged, logs.unreadable_files), (0, 0));
        assert_eq!((logs.refused.records, &*logs.refused.last_reason), (1, "no such group"));
        assert!(logs.refused.last_at.is_some());
        assert_eq!((s3.destination.as_str(), s3.waiting), ("s3", Waiting::default()));
        assert_eq!(s3.refused, RefusedInspection::default());
    }

    #[test]
    fn damage_is_counted_and_hides_nothing_else() {
        let scratch = Scratch::new();
        fill(scratch.path(), "logs", &[("one", 1), ("two", 2), ("three", 3)], 3);
        let directory = scratch.path().join("logs");
        let segment = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
        let segment = segment.into_iter().find(|p| p.extension().is_some_and(|e| e == "segment"));
        let segment = segment.unwrap();
        let mut octets = fs::read(&segment).unwrap();
        let last = octets.len() - 1;
        octets[last] ^= 1;
        fs::write(&segment, octets).unwrap();
        fs::write(directory.join("1.unreadable"), b"?").unwrap();
        fs::write(directory.join("refused.jsonl"), b"no json\n{\"reason\":").unwrap();
        let [queue] = &inspect(scratch.path()).unwrap()[..] else { panic!() };
        assert_eq!((queue.waiting.records, queue.damaged, queue.unreadable_files), (2, 1, 1));
        assert_eq!((queue.refused.records, &*queue.refused.last_reason), (1, ""));
    }
}
