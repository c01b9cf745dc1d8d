use super::*;
use crate::description::{Description, State};
use crate::keys::KeyConfig;
use crate::scratch::Scratch;
use crate::{Keep, Keys, Recordings, RecordingsConfig, Rotation, all_descriptions, unseal};
use crossbeam_channel::bounded;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn meeting() -> TapedMeeting {
    let began = UnixTime::from_millis(1_795_355_520_123);
    TapedMeeting { id: "../a meeting".into(), name: "Weekly".into(), began }
}

fn config(root: &Path, format: MeetingFormat, key: Option<KeyConfig>) -> RecordingsConfig {
    RecordingsConfig {
        root: root.to_owned(),
        node: "edge-1".to_owned(),
        writers: 1,
        rotation: Rotation { seconds: None, bytes: u64::MAX },
        keep: Keep { age: None, meetings: None, uploaded: None, bytes: u64::MAX },
        key,
        upload: None,
        meetings: Some(MeetingsConfig { format, sample_rate: 16_000, participants: false }),
        notices: None,
        outcomes: None,
    }
}

/// Three seconds, of which the second one found no room; the first one is on the disk before the rest comes.
fn record(config: RecordingsConfig) -> PathBuf {
    let root = config.root.clone();
    let recordings = Recordings::start(config).unwrap();
    let tape = recordings.meetings().unwrap().begin(meeting()).unwrap();
    let speak = |frames: std::ops::Range<u64>| {
        frames.for_each(|n| tape.frame(None, n * TAPE_FRAME as u64, &noise(n)));
    };
    speak(0..50);
    until_written(&root);
    speak(100..150);
    drop(tape);
    drop(recordings);
    let all = all_descriptions(&root);
    assert_eq!(all.len(), 1);
    all[0].clone()
}

/// White noise, another in each frame: worth its octets to an encoder.
fn noise(frame: u64) -> [i16; TAPE_FRAME] {
    let mut state = frame as u32 ^ 0x9e37_79b9;
    std::array::from_fn(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as i16 / 4
    })
}

/// More than what stands before the audio.
fn until_written(root: &Path) {
    for _ in 0..600 {
        let audio = all_descriptions(root).first().and_then(|json| {
            let description = Description::read(json).ok()?;
            fs::metadata(description.audio_path(json)).ok()
        });
        if audio.is_some_and(|audio| audio.len() > 1_000) {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    panic!("nothing is written");
}

#[test]
fn what_nobody_takes_is_counted_and_never_waited_for() {
    let (queue, taken) = bounded(QUEUE);
    let counters = Arc::<RecordingCounters>::default();
    let config =
        MeetingsConfig { format: MeetingFormat::Wav, sample_rate: TAPE_RATE, participants: true };
    let opener = MeetingOpener::new(vec![queue], Arc::clone(&counters), config);
    let tape = opener.begin(meeting()).unwrap();
    for frame in 0..QUEUE as u64 {
        tape.frame(None, frame * TAPE_FRAME as u64, &[0; TAPE_FRAME]);
    }
    // The beginning has one of the places.
    let lost = RESERVE as u64 + 1;
    assert_eq!(counters.lost_samples.load(Ordering::Relaxed), lost * TAPE_FRAME as u64);
    // Its end, and comings, find room.
    tape.joined(TransactionId::from_random(1), 0);
    drop(tape);
    assert!(matches!(taken.iter().nth(QUEUE - RESERVE + 1), Some(Message::End { .. })));
    assert_eq!(opener.open.load(Ordering::Relaxed), 0);
}

#[test]
fn more_than_may_be_do_not_begin() {
    let (queue, _taken) = bounded(QUEUE);
    let config =
        MeetingsConfig { format: MeetingFormat::Wav, sample_rate: TAPE_RATE, participants: false };
    let opener = MeetingOpener::new(vec![queue], Arc::default(), config);
    let mut tapes: Vec<_> = (0..MOST).map(|_| opener.begin(meeting()).unwrap()).collect();
    assert!(opener.begin(meeting()).is_none());
    assert_eq!(opener.counters.failed.load(Ordering::Relaxed), 1);
    tapes.pop();
    assert!(opener.begin(meeting()).is_some());
}

#[test]
fn what_found_no_room_is_silence_of_its_length() {
    let scratch = Scratch::new();
    let json = record(config(&scratch.path().join("r"), MeetingFormat::Wav, None));
    let name = json.file_name().unwrap().to_str().unwrap();
    assert_eq!(name, "13.52.00.123____a_meeting.json", "it stays in its directory");
    let description = Description::read(&json).unwrap();
    assert_eq!(description.samples, Some(48_000));
    assert_eq!(description.missing_samples, Some(vec![16_000]));
    let octets = fs::read(description.audio_path(&json)).unwrap();
    let at = |second: f64| 44 + 2 * (second * 16_000.0) as usize;
    assert_eq!(octets.len(), at(3.0));
    let is_silent = |second: f64| octets[at(second)..at(second) + 2] == [0, 0];
    assert!(!is_silent(0.5) && is_silent(1.5) && !is_silent(2.5));
}

/// As a crash would leave it: torn in the middle of something, and `recording`.
fn tear(json: &Path) {
    let mut description = Description::read(json).unwrap();
    let audio = description.audio_path(json);
    let octets = fs::read(&audio).unwrap();
    fs::write(&audio, &octets[..octets.len() * 2 / 3 + 1]).unwrap();
    (description.state, description.samples, description.sha256) = (State::Recording, None, None);
    description.write(json).unwrap();
}

#[test]
fn what_a_crash_left_is_finished_by_the_next_start() {
    for format in [MeetingFormat::Wav, MeetingFormat::Mkv] {
        let scratch = Scratch::new();
        let key = scratch.path().join("key");
        fs::write(&key, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
            .unwrap();
        for key in [None, Some(KeyConfig::File(key))] {
            let root = scratch.path().join(if key.is_some() { "sealed" } else { "plain" });
            let config = config(&root, format, key.clone());
            let json = record(config.clone());
            tear(&json);
            drop(Recordings::start(config).unwrap());
            let description = Description::read(&json).unwrap();
            assert_eq!((description.state, description.repaired), (State::Finished, true));
            let samples = description.samples.unwrap();
            assert!((1..48_000).contains(&samples), "{format:?} {samples}");
            let audio = description.audio_path(&json);
            let mut plain = Vec::new();
            match key {
                None => plain = fs::read(&audio).unwrap(),
                Some(key) => {
                    unseal(&audio, &mut Keys::new(&key).unwrap(), &mut plain).unwrap();
                }
            }
            if format == MeetingFormat::Mkv {
                let scan = mkv::scan_file(&mut &plain[..]).unwrap();
                assert_eq!(scan.whole, plain.len() as u64);
                assert_eq!(scan.blocks * 320, samples);
            } else {
                let data = u32::from_le_bytes(plain[40..44].try_into().unwrap());
                assert_eq!(u64::from(data), 2 * samples);
                assert_eq!(plain.len() as u64, 44 + 2 * samples);
            }
        }
    }
}

/// A part that is full is followed by another, which says where it belongs.
#[test]
fn a_long_meeting_is_in_parts() {
    let scratch = Scratch::new();
    let mut config = config(&scratch.path().join("r"), MeetingFormat::Mkv, None);
    config.rotation.seconds = Some(2);
    let root = config.root.clone();
    let recordings = Recordings::start(config).unwrap();
    let tape = recordings.meetings().unwrap().begin(meeting()).unwrap();
    for frame in 0..150 {
        tape.frame(None, frame * TAPE_FRAME as u64, &[1_000; TAPE_FRAME]);
    }
    drop(tape);
    drop(recordings);
    let all: Vec<_> =
        all_descriptions(&root).iter().map(|json| Description::read(json).unwrap()).collect();
    let parts: Vec<_> =
        all.iter().map(|part| (part.part, part.first_sample, part.samples)).collect();
    assert_eq!(parts, [(1, 0, Some(32_000)), (2, 32_000, Some(16_000))]);
}

#[test]
fn keep_of_meetings_is_their_own() {
    let scratch = Scratch::new();
    let config = config(&scratch.path().join("r"), MeetingFormat::Wav, None);
    let json = record(config.clone());
    let is_past =
        Description::read(&json).unwrap().began_at().unwrap() < outbox::clock::unix_time();
    let age = Some(Duration::ZERO);
    let keep = Keep { age, meetings: None, ..config.keep };
    drop(Recordings::start(RecordingsConfig { keep, ..config.clone() }).unwrap());
    assert!(json.exists(), "that of calls is another one");
    let keep = Keep { age: None, meetings: age, ..config.keep };
    drop(Recordings::start(RecordingsConfig { keep, ..config.clone() }).unwrap());
    // The meeting of the test lies in the future of some clocks.
    assert_eq!(json.exists(), !is_past);
}
