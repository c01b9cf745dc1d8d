use super::*;
use model::{Instant, LegSide, LocalMedia, MediaLine};
use relay_core::{MediaSocket, PacketKind, TapWriter, Tapped, ring};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Mutex;

struct Folder(PathBuf, Arc<Mutex<Vec<MediaEvent>>>);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tandem-rec-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path, Arc::default())
    }

    fn recorder(&self, max_octets: u64) -> Recorder {
        #[expect(clippy::disallowed_methods, reason = "a test is a shell and chooses the origin")]
        let clock = Clock::new(std::time::Instant::now());
        let (config, said) =
            (RecordingConfig { directory: self.0.clone(), max_octets }, Arc::clone(&self.1));
        let events: EventSink = Arc::new(move |event| said.lock().unwrap().push(event));
        Recorder::start(&config, clock, events).unwrap()
    }

    /// What was said of the streams: nothing, or the failure.
    fn said(&self) -> Vec<Option<RecordingFailure>> {
        let said = self.1.lock().unwrap();
        let of = |event: &MediaEvent| match event {
            MediaEvent::Records { id: MediaId(7) } => None,
            MediaEvent::RecordingFailed { id: MediaId(7), failure } => Some(failure.clone()),
            other => panic!("{other:?}"),
        };
        said.iter().map(of).collect()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }

    fn notes(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn recording(name: &str) -> Recording {
    Recording { name: name.into(), about: "{\"call-id\": \"c\"}".into() }
}

fn stream(octets: usize) -> (TapWriter, RecordedStream) {
    let (writer, reader) = ring(octets);
    let at = |port| ([198, 51, 100, 1], port).into();
    let local = [30_000, 30_002].map(|port| LocalMedia { rtp: at(port), rtcp: at(port + 1) });
    (writer, RecordedStream { id: MediaId(7), line: MediaLine::Main, local, reader })
}

fn put(writer: &mut TapWriter, number: u64) -> bool {
    let tapped = Tapped {
        from: LegSide::B,
        socket: MediaSocket::Rtcp,
        kind: PacketKind::Rtcp,
        source: ([192, 0, 2, 1], 4_000).into(),
        arrival: Instant::from_millis(number * 20),
    };
    writer.write(&tapped, &[number as u8; 100])
}

const PACKET: usize = 16 + 20 + 8 + 100;

#[test]
fn all_that_was_written_is_in_the_file_when_the_recorder_ends() {
    let folder = Folder::new("all");
    let recorder = folder.recorder(u64::MAX);
    let (mut writer, first) = stream(1024 * 1024);
    let (mut other, second) = stream(1024 * 1024);
    assert!((0..1_000).all(|number| put(&mut writer, number)));
    assert!(put(&mut other, 0));
    recorder.record(recording("call-1"), first).unwrap();
    recorder.record(recording("call-1"), second).unwrap();
    drop(recorder);
    let capture = folder.read("call-1.pcap");
    assert_eq!(capture.len(), 24 + 1_001 * PACKET);
    assert_eq!(capture[..4], 0xa1b2_3c4d_u32.to_le_bytes());
    // From the party to the port for RTCP of leg B.
    let first = &capture[24 + 16..24 + PACKET];
    assert_eq!((&first[12..16], &first[16..20]), (&[192, 0, 2, 1][..], &[198, 51, 100, 1][..]));
    assert_eq!(first[20..24], [0x0f, 0xa0, 0x75, 0x33]);
    assert_eq!(first[28..], [0; 100]);
    let times = capture[24..].chunks(PACKET).map(|packet| {
        let word = |at: usize| u64::from(u32::from_le_bytes(*packet[at..].first_chunk().unwrap()));
        word(0) * 1_000_000_000 + word(4)
    });
    let times: Vec<u64> = times.take(1_000).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 20_000_000), "{times:?}");
    let notes = folder.notes("call-1.json");
    for part in [
        "\"packets\": 1001, \"lost_packets\": 0",
        "\"is_cut\": false",
        "\"about\": {\"call-id\": \"c\"}",
        "\"stream\": 7, \"media\": \"audio\", \"a\": {\"rtp\": \"198.51.100.1:30000\"",
    ] {
        assert!(notes.contains(part), "{part} in {notes}");
    }
    assert!(!notes.contains("\"ended_unix_ms\": null"), "{notes}");
    for name in ["call-1.pcap", "call-1.json"] {
        let mode = fs::metadata(folder.0.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 2);
}

#[test]
fn what_finds_no_room_is_counted() {
    let folder = Folder::new("full");
    let bound = 24 + 3 * PACKET as u64 + 10;
    let recorder = folder.recorder(bound);
    // Eight kibibytes take 62 packets.
    let (mut writer, stream) = stream(8_192);
    let written = (0..100).filter(|number| put(&mut writer, *number)).count();
    assert_eq!(written, 8_192 / 136);
    drop(writer);
    recorder.record(recording("cut"), stream).unwrap();
    let shared = Arc::clone(&recorder.shared);
    drop(recorder);
    assert_eq!(folder.read("cut.pcap").len(), 24 + 3 * PACKET);
    assert!(folder.notes("cut.json").contains("\"packets\": 3, \"lost_packets\": 97"));
    assert!(folder.notes("cut.json").contains("\"is_cut\": true"));
    let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
    assert_eq!((read(&shared.packets), read(&shared.lost), read(&shared.failures)), (3, 97, 0));
    assert_eq!((read(&shared.open), shared.streams.load(Ordering::Relaxed)), (0, 0));
}

#[test]
fn no_file_that_is_there_is_touched() {
    let folder = Folder::new("there");
    fs::write(folder.0.join("old.pcap"), "old").unwrap();
    symlink(folder.0.join("elsewhere"), folder.0.join("link.pcap")).unwrap();
    let recorder = folder.recorder(u64::MAX);
    for name in ["old", "link"] {
        let (mut writer, stream) = stream(8_192);
        put(&mut writer, 1);
        recorder.record(recording(name), stream).unwrap();
    }
    for name in ["../out", "a/b", "", ".hidden"] {
        let refused = recorder.record(recording(name), stream(8_192).1);
        assert_eq!(refused, Err(RecordingFailure::Name), "{name:?}");
    }
    let shared = Arc::clone(&recorder.shared);
    drop(recorder);
    assert_eq!(shared.failures.load(Ordering::Relaxed), 6);
    assert_eq!(shared.streams.load(Ordering::Relaxed), 0);
    assert_eq!(folder.read("old.pcap"), b"old");
    assert!(!folder.0.join("elsewhere").exists());
    let failures = folder.said().into_iter().flatten().map(|failure| failure.to_string());
    for (failure, name) in failures.zip(["old", "link"]) {
        let path = folder.0.join(format!("{name}.pcap"));
        assert!(failure.contains(path.to_str().unwrap()), "{failure}");
        assert!(
            failure.contains("File exists") && failure.contains("--recording-dir"),
            "{failure}"
        );
    }
    assert_eq!(folder.said().len(), 2);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 2);
}

#[test]
fn streams_are_bounded() {
    let folder = Folder::new("many");
    let recorder = folder.recorder(u64::MAX);
    recorder.shared.streams.store(MAX_STREAMS - 1, Ordering::Relaxed);
    let (_first, stream_one) = stream(4_096);
    recorder.record(recording("a"), stream_one).unwrap();
    assert_eq!(recorder.record(recording("b"), stream(4_096).1), Err(RecordingFailure::TooMany));
    assert_eq!(recorder.counts().failures, 1);
}

#[test]
fn a_directory_that_cannot_be_written_to_is_found_at_the_start() {
    let folder = Folder::new("none");
    fs::write(folder.0.join("file"), "").unwrap();
    for name in ["missing", "file"] {
        let error = check_directory(&folder.0.join(name)).unwrap_err().to_string();
        assert!(error.contains("recordings cannot be kept in") && error.contains(name), "{error}");
    }
    assert!(check_directory(&folder.0).is_ok());
}

/// A directory on a file system that takes no octet is not to be had here; one that is gone is.
#[test]
fn what_cannot_begin_is_said_and_leaves_nothing() {
    let folder = Folder::new("gone");
    let recorder = folder.recorder(u64::MAX);
    recorder.record(recording("first"), stream(4_096).1).unwrap();
    fs::write(folder.0.join("second.json"), "").unwrap();
    recorder.record(recording("second"), stream(4_096).1).unwrap();
    drop(recorder);
    let [None, Some(RecordingFailure::File { path, .. })] = &folder.said()[..] else {
        panic!("{:?}", folder.said())
    };
    assert!(path.ends_with("second.json"), "{path}");
    assert!(folder.0.join("first.pcap").exists());
    assert!(!folder.0.join("second.pcap").exists(), "no capture without its notes");
}

/// `/dev/full` refuses every octet.
#[test]
fn a_file_that_takes_no_more_ends_with_a_whole_packet() {
    let folder = Folder::new("no-room");
    let now = (Instant::ZERO, 0);
    let mut open = OpenRecording::create(&folder.0, recording("cut"), u64::MAX, now).unwrap();
    let (mut writer, stream) = stream(8_192);
    open.add(stream);
    assert!(put(&mut writer, 1));
    assert_eq!((open.write().written, open.is_over()), (1, false));
    open.write_to(fs::File::options().write(true).open("/dev/full").unwrap());
    assert!(put(&mut writer, 2) && put(&mut writer, 3));
    let turn = open.write();
    assert_eq!((turn.written, turn.lost, turn.failed), (0, 2, true));
    assert!(put(&mut writer, 4));
    let turn = open.write();
    assert_eq!((turn.written, turn.lost, turn.failed), (0, 1, false));
    assert!(open.finish(0));
    assert_eq!(folder.read("cut.pcap").len(), 24 + PACKET);
    assert!(folder.notes("cut.json").contains("\"packets\": 1, \"lost_packets\": 3"));
}
