//! Threads and all.

use super::*;
use crate::scratch::Scratch;
use crate::testing::opening;
use call_audio::{ConsumerEnd, Frame};
use model::LegSide;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn config(scratch: &Scratch) -> (RecordingsConfig, Receiver<Notice>) {
    let (told, notices) = sync_channel(100);
    let told = Mutex::new(told);
    let config = RecordingsConfig {
        root: scratch.path().join("recordings"),
        node: "edge-1".to_owned(),
        writers: 2,
        rotation: Rotation { seconds: None, bytes: u64::MAX },
        keep: Keep { age: None, meetings: None, uploaded: None, bytes: u64::MAX },
        key: None,
        upload: None,
        meetings: None,
        notices: Some(Arc::new(move |notice| {
            let _ = told.lock().unwrap().try_send(notice);
        })),
        outcomes: None,
    };
    (config, notices)
}

/// A second of both channels, as a hub gives it.
fn speak(consumer: &mut dyn AudioConsumer, seconds: u64) {
    for n in 0..50 * seconds {
        for side in LegSide::BOTH {
            let samples = [if side == LegSide::A { 100 } else { -100 }; 160];
            consumer.audio(&Frame { side, at: n * 160, samples: &samples, missing: 0 });
        }
    }
}

fn only(root: &std::path::Path) -> (PathBuf, Description) {
    let json = all_descriptions(root);
    assert_eq!(json.len(), 1, "{json:?}");
    (json[0].clone(), Description::read(&json[0]).unwrap())
}

#[test]
fn a_call_is_finished_with_its_digest_before_the_node_has_stopped() {
    let scratch = Scratch::new();
    let (config, notices) = config(&scratch);
    let root = config.root.clone();
    let recordings = Recordings::start(config).unwrap();
    assert_eq!(notices.recv_timeout(PATIENCE).unwrap().event, NoticeKind::Started);
    let mut consumer = recordings.open(&opening(8_000), RecordingFormat::Wav).unwrap();
    speak(&mut *consumer, 2);
    consumer.end(ConsumerEnd::Ended);
    let counters = recordings.counters();
    drop(recordings);
    let (json, description) = only(&root);
    assert_eq!(description.state, State::Finished);
    assert_eq!((description.samples, description.bytes), (Some(16_000), Some(64_044)));
    assert_eq!(description.missing_samples, Some(vec![0, 0]));
    let audio = description.audio_path(&json);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &fs::read(&audio).unwrap());
    let hex: String = digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(description.sha256, Some(hex));
    for path in [&json, &audio] {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::metadata(json.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
    assert_eq!(counters.saved.load(Ordering::Relaxed), 1);
    assert_eq!(counters.saved_bytes.load(Ordering::Relaxed), 64_044);
    assert_eq!(counters.recording.load(Ordering::Relaxed), 0);
    assert_eq!(notices.recv_timeout(PATIENCE).unwrap().event, NoticeKind::Stopped);
}

#[test]
fn the_next_start_finishes_what_a_crash_left_and_removes_what_is_old() {
    let scratch = Scratch::new();
    let (first, _notices) = config(&scratch);
    let root = first.root.clone();
    let recordings = Recordings::start(first).unwrap();
    let mut consumer = recordings.open(&opening(8_000), RecordingFormat::Wav).unwrap();
    speak(&mut *consumer, 1);
    consumer.end(ConsumerEnd::Ended);
    drop(recordings);
    // As a crash leaves it: the JSON of the beginning, more audio than the header says.
    let (json, mut description) = only(&root);
    let audio = description.audio_path(&json);
    let mut octets = fs::read(&audio).unwrap();
    octets.extend([1; 1_003]);
    fs::write(&audio, &octets).unwrap();
    (description.state, description.samples, description.sha256) = (State::Recording, None, None);
    description.write(&json).unwrap();

    let (again, _notices) = config(&scratch);
    let recordings = Recordings::start(again).unwrap();
    let counters = recordings.counters();
    drop(recordings);
    let (_, description) = only(&root);
    assert_eq!((description.state, description.repaired), (State::Finished, true));
    assert_eq!((description.samples, &description.missing_samples), (Some(8_250), &None));
    assert_eq!(counters.repaired.load(Ordering::Relaxed), 1);

    let (mut last, _notices) = config(&scratch);
    last.keep.age = Some(Duration::ZERO);
    // The call of the test lies in the future of some clocks.
    let is_past = description.began_at().unwrap() < outbox::clock::unix_time();
    let recordings = Recordings::start(last).unwrap();
    drop(recordings);
    if is_past {
        assert!(all_descriptions(&root).is_empty() && !audio.exists());
        assert!(fs::read_dir(&root).unwrap().next().is_none(), "empty directories stay");
    }
}

#[test]
fn audio_that_a_crash_left_behind_its_upload_goes() {
    let scratch = Scratch::new();
    let (first, _notices) = config(&scratch);
    let root = first.root.clone();
    let recordings = Recordings::start(first).unwrap();
    let mut consumer = recordings.open(&opening(8_000), RecordingFormat::Wav).unwrap();
    speak(&mut *consumer, 1);
    consumer.end(ConsumerEnd::Ended);
    drop(recordings);
    let (json, mut description) = only(&root);
    let audio = description.audio_path(&json);
    // The bucket has it, as the JSON says; the crash came before the audio was removed.
    description.state = State::Uploaded;
    description.write(&json).unwrap();
    assert!(audio.exists());
    let (again, _notices) = config(&scratch);
    drop(Recordings::start(again).unwrap());
    assert!(!audio.exists());
    assert_eq!(only(&root).1, description);

    // What is left of it has an age of its own.
    description.ended = Some("2020-01-02T03:04:05.000Z".to_owned());
    description.write(&json).unwrap();
    let day = Some(Duration::from_secs(24 * 3_600));
    for (age, uploaded, is_left) in [(day, None, true), (None, day, false)] {
        let (mut last, _notices) = config(&scratch);
        (last.keep.age, last.keep.uploaded) = (age, uploaded);
        drop(Recordings::start(last).unwrap());
        assert_eq!(json.exists(), is_left);
    }
}

#[test]
fn the_oldest_goes_when_there_is_too_much() {
    let scratch = Scratch::new();
    let (first, _notices) = config(&scratch);
    let root = first.root.clone();
    let recordings = Recordings::start(first).unwrap();
    let day = 24 * 3_600_000;
    for days in [3, 0, 1] {
        let mut opening = opening(8_000);
        let millis = opening.began.as_millis() + days * day;
        opening.began = model::UnixTime::from_millis(millis);
        let mut consumer = recordings.open(&opening, RecordingFormat::Wav).unwrap();
        speak(&mut *consumer, 1);
        consumer.end(ConsumerEnd::Ended);
    }
    drop(recordings);
    assert_eq!(all_descriptions(&root).len(), 3);
    let (mut last, _notices) = config(&scratch);
    last.keep.bytes = 2 * 32_044;
    let recordings = Recordings::start(last).unwrap();
    let counters = recordings.counters();
    drop(recordings);
    let left = all_descriptions(&root);
    assert_eq!(left.len(), 2);
    assert!(left[0].display().to_string().contains("/2026/11/23/"), "{left:?}");
    assert_eq!(counters.removed.load(Ordering::Relaxed), 1);
    assert_eq!(counters.removed_unsent.load(Ordering::Relaxed), 0);
}

#[test]
fn a_queue_without_room_costs_audio_and_nothing_else() {
    let (queue, messages) = bounded(QUEUE);
    let counters = Arc::new(RecordingCounters::default());
    let begin = |id| Consumer::begin(id, &opening(8_000), RecordingFormat::Wav, &queue, &counters);
    let mut consumer = begin(0).unwrap();
    let mut frames = 0;
    while counters.lost_samples.load(Ordering::Relaxed) == 0 {
        let samples = [1; 160];
        consumer.audio(&Frame {
            side: LegSide::A,
            at: frames * 160,
            samples: &samples,
            missing: 0,
        });
        frames += 1;
        assert!(frames < 100_000, "the queue has no bound");
    }
    assert_eq!(counters.lost_samples.load(Ordering::Relaxed), 4_000);
    // Beginnings and ends still find room, up to the queue's own bound.
    assert!(messages.len() < QUEUE);
    Box::new(consumer).end(ConsumerEnd::Ended);
    let others: Vec<_> = (1..=QUEUE as u64).map_while(begin).collect();
    assert_eq!(messages.len(), QUEUE);
    assert!(others.len() < QUEUE);
}

#[test]
fn a_key_that_is_missing_is_said_at_the_start() {
    let scratch = Scratch::new();
    let (mut config, _notices) = config(&scratch);
    config.key = Some(KeyConfig::File(scratch.path().join("none")));
    let error = Recordings::start(config).unwrap_err().to_string();
    assert!(error.starts_with("[recordings] key_file: "), "{error}");
}
