use super::ledger::Counts;
use super::*;
use crate::OutboxRecord;
use crate::scratch::Scratch;
use model::UnixTime;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;

const CONFIG: QueueConfig =
    QueueConfig { segment_bytes: 400, most_bytes: 1 << 20, fsync: Fsync::Never };

fn record(number: u64) -> OutboxRecord {
    OutboxRecord {
        stream: format!("s{}", number % 3),
        time: UnixTime::from_millis(number),
        body: format!("body {number}").into_bytes(),
        ..OutboxRecord::default()
    }
}

fn records(numbers: std::ops::Range<u64>) -> Vec<OutboxRecord> {
    numbers.map(record).collect()
}

fn open_in(scratch: &Scratch, config: QueueConfig) -> Ends {
    open(scratch.path(), config, Box::new(SystemDisk)).unwrap()
}

/// Appends all; the ids of segments count up from `id`.
fn append(ends: &mut Ends, records: &[OutboxRecord], mut id: u64) {
    let mut draw = || {
        id += 1;
        id
    };
    let (accepted, outcome) = ends.appender.append(records, UnixTime::from_millis(1), &mut draw);
    outcome.unwrap();
    assert_eq!(accepted, records.len());
}

/// Numbers and records of all that waits.
fn drain(ends: &mut Ends) -> Vec<(u64, OutboxRecord)> {
    let mut out = Vec::new();
    for position in ends.reader.fetch(usize::MAX).unwrap() {
        if let Some(record) = ends.reader.read(&position).unwrap() {
            out.push((position.sequence, record));
        }
    }
    out
}

fn deliver(ends: &mut Ends, sequences: &[u64]) {
    ends.reader.hand_out(sequences);
    let verdicts: Vec<_> = sequences.iter().map(|s| (*s, Settled::Delivered)).collect();
    ends.reader.settle(&verdicts);
}

fn segment_files(scratch: &Scratch) -> Vec<PathBuf> {
    let entries = fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "segment")).collect();
    files.sort();
    files
}

fn waiting(ends: &Ends) -> u64 {
    ends.ledger.lock().waiting
}

fn counts(ends: &Ends) -> Counts {
    ends.ledger.lock().counts
}

#[test]
fn records_come_out_as_they_went_in_and_their_files_go() {
    let scratch = Scratch::new();
    let mut ends = open_in(&scratch, CONFIG);
    append(&mut ends, &records(0..20), 0);
    assert!(segment_files(&scratch).len() > 2, "several segments");
    for file in segment_files(&scratch).iter().chain([&scratch.path().join("marks")]) {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let mode = fs::metadata(scratch.path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
    let out = drain(&mut ends);
    assert_eq!(out, (0..20).zip(records(0..20)).collect::<Vec<_>>());
    assert_eq!(ends.reader.fetch(10).unwrap(), []);
    append(&mut ends, &records(20..21), 0);
    assert_eq!(drain(&mut ends), [(20, record(20))]);
    deliver(&mut ends, &(0..21).collect::<Vec<_>>());
    assert_eq!((waiting(&ends), counts(&ends).delivered), (0, 21));
    assert_eq!(segment_files(&scratch).len(), 1, "only the one that is being written");
}

#[test]
fn after_a_restart_only_what_waits_comes_again_and_only_what_was_handed_out_is_suspect() {
    let scratch = Scratch::new();
    let mut ends = open_in(&scratch, CONFIG);
    append(&mut ends, &records(0..20), 0);
    drain(&mut ends);
    deliver(&mut ends, &[0, 1, 2, 5, 9]);
    ends.reader.hand_out(&[3, 4, 11]);
    drop(ends);

    let mut ends = open_in(&scratch, CONFIG);
    assert_eq!(waiting(&ends), 15);
    let out: Vec<_> = drain(&mut ends).into_iter().map(|(sequence, _)| sequence).collect();
    assert_eq!(out, [3, 4, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    let suspect: Vec<_> =
        out.iter().copied().filter(|s| ends.reader.was_handed_before(*s)).collect();
    assert_eq!(suspect, [3, 4, 6, 7, 8, 10, 11]);
    append(&mut ends, &records(20..21), 50);
    assert_eq!(drain(&mut ends), [(20, record(20))]);
    deliver(&mut ends, &out);
    assert_eq!(waiting(&ends), 1);
    drop(ends);
    let mut ends = open_in(&scratch, CONFIG);
    assert_eq!(drain(&mut ends), [(20, record(20))]);
}

#[test]
fn numbers_are_not_used_again_when_all_files_are_gone() {
    let scratch = Scratch::new();
    let mut ends = open_in(&scratch, CONFIG);
    append(&mut ends, &records(0..5), 0);
    drain(&mut ends);
    deliver(&mut ends, &[0, 1, 2, 3, 4]);
    drop(ends);
    for file in segment_files(&scratch) {
        fs::remove_file(file).unwrap();
    }
    let mut ends = open_in(&scratch, CONFIG);
    append(&mut ends, &records(5..6), 9);
    assert_eq!(drain(&mut ends), [(5, record(5))]);
}

#[test]
fn a_tail_that_was_cut_off_is_removed_and_counted_once() {
    let scratch = Scratch::new();
    let config = QueueConfig { segment_bytes: 1 << 16, ..CONFIG };
    let mut ends = open_in(&scratch, config);
    append(&mut ends, &records(0..3), 0);
    drop(ends);
    let file = segment_files(&scratch).remove(0);
    let whole = fs::metadata(&file).unwrap().len();
    OpenOptions::new().write(true).open(&file).unwrap().set_len(whole - 1).unwrap();
    let mut ends = open_in(&scratch, config);
    assert_eq!((counts(&ends).torn, waiting(&ends)), (1, 2));
    append(&mut ends, &records(2..4), 10);
    let out = drain(&mut ends);
    assert_eq!(out, (0..4).zip(records(0..4)).collect::<Vec<_>>());
    drop(ends);
    let ends = open_in(&scratch, config);
    assert_eq!((counts(&ends).torn, waiting(&ends)), (0, 4));
}

#[test]
fn a_file_that_was_just_begun_holds_nothing_and_another_version_is_set_aside() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path()).unwrap();
    fs::write(segment_path(scratch.path(), 3), b"TDMOBX").unwrap();
    fs::write(segment_path(scratch.path(), 4), [0; 4_096]).unwrap();
    fs::write(segment_path(scratch.path(), 5), [b'x'; 4_096]).unwrap();
    fs::write(scratch.path().join("notes.segment"), "not ours").unwrap();
    let mut ends = open_in(&scratch, CONFIG);
    assert_eq!(drain(&mut ends), []);
    let left: Vec<_> = segment_files(&scratch);
    assert_eq!(left, [scratch.path().join("notes.segment")]);
    assert!(segment_path(scratch.path(), 5).with_extension("unreadable").exists());
}

#[test]
fn what_is_damaged_in_the_middle_is_counted_and_the_rest_delivered() {
    let scratch = Scratch::new();
    let mut ends = open_in(&scratch, CONFIG);
    append(&mut ends, &records(0..20), 0);
    let second = segment_files(&scratch).remove(1);
    let mut bytes = fs::read(&second).unwrap();
    bytes[HEADER_BYTES + 30] ^= 1;
    fs::write(&second, bytes).unwrap();
    let out = drain(&mut ends);
    assert_eq!(out.len(), 19);
    let state = ends.ledger.lock();
    assert_eq!((state.counts.damaged, state.waiting), (1, 19));
    drop(state);
    // A file that somebody removed is lost as a whole, and said so.
    drop(ends);
    fs::remove_file(second).unwrap();
    let mut ends = open_in(&scratch, CONFIG);
    let left = drain(&mut ends).len() as u64;
    let state = ends.ledger.lock();
    assert_eq!(state.counts.damaged, 19 - left);
    assert_eq!(state.waiting, left);
}

#[test]
fn the_oldest_go_first_when_the_bound_is_reached() {
    let scratch = Scratch::new();
    let config = QueueConfig { most_bytes: 1_200, ..CONFIG };
    let mut ends = open_in(&scratch, config);
    for number in 0..60 {
        append(&mut ends, &[record(number)], number * 10);
        assert!(ends.ledger.bytes() <= 1_200);
    }
    let state = ends.ledger.lock();
    let (dropped, waiting) = (state.counts.dropped, state.waiting);
    assert_eq!((state.counts.accepted, dropped + waiting), (60, 60));
    drop(state);
    assert!(dropped > 20 && waiting > 3, "{dropped} dropped, {waiting} wait");
    let out: Vec<_> = drain(&mut ends).into_iter().map(|(sequence, _)| sequence).collect();
    assert_eq!(out, (dropped..60).collect::<Vec<_>>(), "the newest remain, without a gap");
    drop(ends);
    let mut ends = open_in(&scratch, config);
    assert_eq!(drain(&mut ends).len() as u64, waiting);
}

#[test]
fn an_entry_that_is_dropped_in_flight_counts_by_its_verdict() {
    let scratch = Scratch::new();
    let mut ends = open_in(&scratch, CONFIG);
    append(&mut ends, &records(0..20), 0);
    ends.reader.hand_out(&[0, 1, 2]);
    let dropped = ends.ledger.drop_oldest().unwrap();
    ends.reader.settle(&[(0, Settled::Delivered), (1, Settled::Refused), (2, Settled::Returned)]);
    let found = counts(&ends);
    assert_eq!((found.delivered, found.refused, found.again), (1, 1, 1));
    assert_eq!(found.dropped, dropped + 1);
    assert_eq!(found.delivered + found.refused + found.dropped + waiting(&ends), 20);
    assert_eq!(counts(&ends).damaged, 0);
}

/// A disk with room for so many octets; writes are short.
#[derive(Clone)]
struct SmallDisk(Arc<Mutex<usize>>);

impl Disk for SmallDisk {
    fn write(&mut self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        let mut room = self.0.lock().unwrap();
        let most = (*room).min(7).min(bytes.len());
        if most == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        *room -= most;
        SystemDisk.write(file, &bytes[..most])
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        SystemDisk.sync(file)
    }
}

#[test]
fn a_full_disk_takes_whole_entries_or_nothing_and_heals() {
    let scratch = Scratch::new();
    let room = Arc::new(Mutex::new(1_000));
    let config = QueueConfig { fsync: Fsync::Always, ..CONFIG };
    let mut ends = open(scratch.path(), config, Box::new(SmallDisk(Arc::clone(&room)))).unwrap();
    let all = records(0..40);
    let mut next = 0;
    for _ in 0..4 {
        let mut id = next as u64 * 100;
        let mut draw = || {
            id += 1;
            id
        };
        let (accepted, outcome) =
            ends.appender.append(&all[next..], UnixTime::from_millis(1), &mut draw);
        next += accepted;
        if next < all.len() {
            assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
        *room.lock().unwrap() = 1_000;
    }
    assert!(next > 10, "{next} accepted");
    let expected: Vec<_> = (0..next as u64).zip(records(0..next as u64)).collect();
    assert_eq!(drain(&mut ends), expected);
    drop(ends);
    // What the failures left on disk is no entry after a restart either.
    let mut ends = open_in(&scratch, CONFIG);
    assert_eq!(drain(&mut ends), expected);
    assert_eq!(counts(&ends).damaged, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Appending, delivering in any order, restarting and dropping, as a set of numbers tells it.
    #[test]
    fn it_is_a_queue_whatever_happens(steps in vec((0..5_u8, 0..12_u64), 1..40)) {
        let scratch = Scratch::new();
        let mut ends = open_in(&scratch, CONFIG);
        let mut model: BTreeSet<u64> = BTreeSet::new();
        let (mut next, mut id) = (0, 0);
        // What was fetched since the last restart and is not settled.
        let mut seen: BTreeSet<u64> = BTreeSet::new();
        for (step, number) in steps {
            match step {
                0 | 1 => {
                    id += 1_000;
                    append(&mut ends, &records(next..next + number), id);
                    model.extend(next..next + number);
                    next += number;
                }
                2 => {
                    for position in ends.reader.fetch(number as usize).unwrap() {
                        let read = ends.reader.read(&position).unwrap();
                        prop_assert_eq!(read, Some(record(position.sequence)));
                        prop_assert!(model.contains(&position.sequence));
                        prop_assert!(seen.last().is_none_or(|last| *last < position.sequence));
                        seen.insert(position.sequence);
                    }
                }
                3 => {
                    let done: Vec<_> = seen.iter().copied().filter(|s| s % 12 < number).collect();
                    deliver(&mut ends, &done);
                    for sequence in done {
                        seen.remove(&sequence);
                        model.remove(&sequence);
                    }
                }
                _ if number < 4 => {
                    if ends.ledger.drop_oldest().is_some() {
                        let floor = ends.ledger.lock().marks.floor();
                        model.retain(|sequence| *sequence >= floor);
                        seen.retain(|sequence| *sequence >= floor);
                    }
                }
                _ => {
                    drop(ends);
                    ends = open_in(&scratch, CONFIG);
                    seen.clear();
                    // Numbers of dropped entries may be used again once nothing tells of them.
                    let again = ends.ledger.lock().next;
                    prop_assert!(again <= next && model.last().is_none_or(|last| *last < again));
                    next = again;
                }
            }
            prop_assert_eq!(waiting(&ends), model.len() as u64);
        }
        drop(ends);
        let mut ends = open_in(&scratch, CONFIG);
        let out: Vec<_> = drain(&mut ends).into_iter().map(|(sequence, _)| sequence).collect();
        prop_assert_eq!(out, model.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(counts(&ends).damaged, 0);
    }
}
