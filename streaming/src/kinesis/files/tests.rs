use super::queue::Next;
use super::*;
use crate::kinesis::PROPERTIES;
use mkv::{Audio, Encoding, Event, FragmentWriter, Reader, StreamObserver, StreamReport, Tags};
use model::{UnixTime, VoiceConnectorId};
use std::fs::{File, FileTimes};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::time::SystemTime;

const AUDIO: Audio = Audio { encoding: Encoding::Linear, sample_rate: 8_000 };
const BEGAN: u64 = 1_792_000_000_000;

/// A folder that is removed at the end of its test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("stream-files-{}-{number}", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<StreamReport>>>);

impl StreamObserver for Heard {
    fn report(&mut self, report: StreamReport) {
        self.0.lock().unwrap().push(report);
    }
}

impl Heard {
    fn kinds(&self) -> String {
        let kind = |report: &StreamReport| match report {
            StreamReport::Started { .. } => 'S',
            StreamReport::Trouble { .. } => 'T',
            StreamReport::Failed { .. } => 'F',
            StreamReport::Ended { .. } => 'E',
        };
        self.0.lock().unwrap().iter().map(kind).collect()
    }
}

fn name(bits: u128) -> StreamName {
    StreamName::from_random(&VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(), bits)
}

fn start(scratch: &Scratch) -> FileStreams {
    FileStreams::start(FileStreamsConfig::new(&scratch.0, "us-east-1", "111122223333")).unwrap()
}

fn open(files: &FileStreams, bits: u128, hours: u32) -> (Box<dyn FragmentSink>, Heard) {
    let heard = Heard::default();
    let order = StreamOrder {
        name: name(bits).shared(),
        retention_hours: hours,
        audio: AUDIO,
        observer: Box::new(heard.clone()),
    };
    (files.open(order).unwrap(), heard)
}

/// A second of audio from so many seconds after the beginning.
fn fragment(second: u64) -> Fragment {
    let length = Duration::from_secs(1);
    let mut writer = FragmentWriter::new(AUDIO, length, Tags::new(), Tags::new());
    let began = BEGAN + second * 1_000;
    let mut fragments =
        (0..50).filter_map(|frame| writer.push(began + frame * 20, &[1; 320], 0).unwrap());
    fragments.next().unwrap()
}

/// The files of a stream, by name.
fn mkvs(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "mkv")).collect();
    files.sort();
    files
}

/// The timecodes of a file's fragments in seconds since the beginning, and the octets of its samples.
fn read(path: &Path) -> (Vec<u64>, usize) {
    let mut reader = Reader::new();
    reader.push(&fs::read(path).unwrap());
    let (mut seconds, mut octets) = (Vec::new(), 0);
    while let Some(event) = reader.poll().unwrap() {
        match event {
            Event::Fragment { timecode_ns } => {
                seconds.push((timecode_ns / 1_000_000 - BEGAN) / 1_000);
            }
            Event::Block { payload, .. } => octets += payload.len(),
            Event::Tracks(_) | Event::Tags(_) => {}
        }
    }
    reader.finish().unwrap();
    (seconds, octets)
}

#[test]
fn a_stream_becomes_a_file_that_nobody_else_reads() {
    let scratch = Scratch::new();
    let files = start(&scratch);
    let (mut stream, heard) = open(&files, 1, 24);
    (0..3).for_each(|second| stream.fragment(fragment(second)));
    stream.finish();
    files.flush();
    let folder = scratch.0.join(name(1).as_str());
    let path = folder.join("20261014T174640.000Z.mkv");
    assert_eq!(mkvs(&folder), std::slice::from_ref(&path));
    assert_eq!(read(&path), (vec![0, 1, 2], 3 * 16_000));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let properties = folder.join(PROPERTIES);
    assert_eq!([mode(&path), mode(&properties), mode(&folder)], [0o600, 0o600, 0o700]);
    assert_eq!(heard.kinds(), "SE");
    let reports = heard.0.lock().unwrap();
    let StreamReport::Started { stream_arn, fragment_number, .. } = &reports[0] else {
        panic!("{reports:?}");
    };
    let known = StreamProperties::read(&folder).unwrap();
    assert_eq!((&**stream_arn, &**fragment_number), (&*known.stream_arn, "1792000000000"));
    let arn = format!("arn:aws:kinesisvideo:us-east-1:111122223333:stream/{}/", name(1));
    assert!(stream_arn.starts_with(&arn));
    assert_eq!(reports[1], StreamReport::Ended { fragment_number: Some("1792000002000".into()) });
    let written = files.statistics();
    assert_eq!((written.written_fragments, written.queued_bytes), (3, 0));
    assert_eq!(written.written_bytes, fs::metadata(&path).unwrap().len());
}

#[test]
fn a_later_call_has_a_file_of_its_own_in_the_same_stream() {
    let scratch = Scratch::new();
    let files = start(&scratch);
    for second in [0, 100] {
        let (mut stream, _) = open(&files, 1, 24);
        stream.fragment(fragment(second));
        drop(stream);
        files.flush();
    }
    let (stream, heard) = open(&files, 1, 48);
    stream.finish();
    drop(files);
    let folder = scratch.0.join(name(1).as_str());
    assert_eq!(mkvs(&folder).len(), 2);
    assert_eq!(heard.kinds(), "E");
    // Of a stream that got nothing nothing is known.
    assert_eq!(StreamProperties::read(&folder).unwrap().data_retention_in_hours, 24);
    assert_eq!(start(&scratch).known(), [name(1)]);
}

#[test]
fn an_hour_fills_a_file() {
    let scratch = Scratch::new();
    let files = start(&scratch);
    let (mut stream, _) = open(&files, 1, 24);
    [0, 3_599, 3_600, 3_601].into_iter().for_each(|second| stream.fragment(fragment(second)));
    drop(stream);
    drop(files);
    let files = mkvs(&scratch.0.join(name(1).as_str()));
    let seconds: Vec<_> = files.iter().map(|path| read(path).0).collect();
    assert_eq!(seconds, [vec![0, 3_599], vec![3_600, 3_601]]);
}

#[test]
fn what_was_moved_or_touched_is_followed_by_a_new_file() {
    let scratch = Scratch::new();
    let files = start(&scratch);
    let (mut stream, heard) = open(&files, 1, 24);
    let folder = scratch.0.join(name(1).as_str());
    stream.fragment(fragment(0));
    files.flush();
    fs::remove_dir_all(&folder).unwrap();
    stream.fragment(fragment(1));
    files.flush();
    let second = mkvs(&folder).pop().unwrap();
    assert_eq!(read(&second).0, [1]);
    let cut = cut(&second);
    stream.fragment(fragment(2));
    files.flush();
    assert_eq!(fs::metadata(&second).unwrap().len(), cut);
    assert_eq!(read(mkvs(&folder).last().unwrap()).0, [2]);
    assert_eq!(heard.kinds(), "S");
}

/// Cuts a file as a crash of the machine may; its length then.
fn cut(path: &Path) -> u64 {
    let file = File::options().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len() - 5;
    file.set_len(length).unwrap();
    length
}

#[test]
fn what_cannot_be_written_is_counted_and_the_stream_goes_on_later() {
    let scratch = Scratch::new();
    let files = start(&scratch);
    let folder = scratch.0.join(name(1).as_str());
    // A file is in the way of the folder.
    fs::write(&folder, "in the way").unwrap();
    let (mut stream, heard) = open(&files, 1, 24);
    [0, 1].into_iter().for_each(|second| stream.fragment(fragment(second)));
    files.flush();
    assert_eq!(heard.kinds(), "T");
    assert_eq!(files.statistics().failed_fragments, 2);
    fs::remove_file(&folder).unwrap();
    stream.fragment(fragment(2));
    stream.finish();
    files.flush();
    assert_eq!(heard.kinds(), "TSE");
    assert_eq!(read(&mkvs(&folder)[0]).0, [2]);
}

#[test]
fn the_oldest_fragments_go_when_too_many_wait() {
    let size = fragment(0).octets.len();
    let queue = Queue::new(2 * size, 2);
    let heard = Heard::default();
    let order = |bits| StreamOrder {
        name: name(bits).shared(),
        retention_hours: 24,
        audio: AUDIO,
        observer: Box::new(heard.clone()),
    };
    let (one, two) = (queue.open(order(1)).unwrap(), queue.open(order(2)).unwrap());
    assert!(queue.open(order(3)).unwrap_err().reason.contains("2 streams"));
    let dropped = [(one, 0), (two, 0), (one, 1), (two, 1)]
        .map(|(stream, second)| queue.push(stream, fragment(second)));
    assert_eq!(dropped, [0, 0, 1, 1]);
    queue.finish(one);
    queue.finish(two);
    let mut order_of_work = Vec::new();
    loop {
        match queue.next() {
            Next::Write { stream, fragment, order } => {
                assert!(order.is_some());
                order_of_work.push((stream, Some(fragment.timecode_ms - BEGAN)));
            }
            Next::Over { stream, .. } => order_of_work.push((stream, None)),
            Next::Wait | Next::Closed => break,
        }
    }
    let expected = [(one, Some(1_000)), (one, None), (two, Some(1_000)), (two, None)];
    assert_eq!(order_of_work, expected);
    assert_eq!((queue.octets(), queue.push(one, fragment(5))), (0, 1));
    assert!(queue.open(order(3)).is_ok());
}

#[test]
fn files_go_when_their_streams_retention_is_over() {
    let scratch = Scratch::new();
    let files = start(&scratch);
    for (bits, hours) in [(1, 2), (2, 0)] {
        let (mut stream, _) = open(&files, bits, hours);
        stream.fragment(fragment(0));
    }
    files.flush();
    let folder = |bits| scratch.0.join(name(bits).as_str());
    fs::write(folder(1).join("notes.txt"), "not ours").unwrap();
    fs::create_dir(scratch.0.join("other")).unwrap();
    fs::write(scratch.0.join("other/old.mkv"), "not ours").unwrap();
    let written = SystemTime::UNIX_EPOCH + Duration::from_millis(BEGAN);
    let old = FileTimes::new().set_modified(written);
    for file in [&mkvs(&folder(1))[0], &mkvs(&folder(2))[0], &scratch.0.join("other/old.mkv")] {
        File::options().write(true).open(file).unwrap().set_times(old).unwrap();
    }
    let counters = Counters::default();
    let left = |minutes: u64| {
        keeper::turn(&scratch.0, UnixTime::from_millis(BEGAN + minutes * 60_000), &counters);
        (mkvs(&folder(1)).len(), mkvs(&folder(2)).len())
    };
    // A stream that keeps nothing still is written into for a minute.
    assert_eq!(left(1), (1, 1));
    assert_eq!(left(2), (1, 0));
    assert_eq!(left(120), (1, 0));
    assert_eq!(left(121), (0, 0));
    assert_eq!(counters.removed.load(Ordering::Relaxed), 2);
    assert!(folder(1).join("notes.txt").exists() && scratch.0.join("other/old.mkv").exists());
}

/// Holds the streams, as the listener of a call does by way of its observer.
struct Holds(Option<Arc<FileStreams>>, std::sync::mpsc::SyncSender<()>);

impl StreamObserver for Holds {
    fn report(&mut self, _: StreamReport) {}
}

impl Drop for Holds {
    fn drop(&mut self) {
        drop(self.0.take());
        // Nobody waits when the test has failed.
        let _ = self.1.send(());
    }
}

#[test]
fn the_writer_may_be_the_last_who_holds_the_streams() {
    let scratch = Scratch::new();
    let files = Arc::new(start(&scratch));
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let observer = Box::new(Holds(Some(Arc::clone(&files)), tell));
    let name = name(1).shared();
    let order = StreamOrder { name, retention_hours: 1, audio: AUDIO, observer };
    let stream = files.open(order).unwrap();
    drop(files);
    stream.finish();
    assert_eq!(told.recv(), Ok(()), "it ends without waiting for itself");
}
