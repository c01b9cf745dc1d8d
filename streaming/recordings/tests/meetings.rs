//! Recordings of meetings as ffmpeg decodes them: who is in which file, and when. Skipped, with a line that
//! says so, where ffmpeg is not installed.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a test")]

#[path = "../../../tests/hardship/small_disk.rs"]
mod small_disk;
#[allow(dead_code, reason = "calls are for other tests")]
mod support;

use call_recordings::{
    Description, MeetingFormat, MeetingTape, MeetingsConfig, Recordings, State, TAPE_FRAME,
    TapeProgress, TapedMeeting, TapedPerson, all_descriptions,
};
use model::{TransactionId, UnixTime};
use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::config;

const HERTZ: [f64; 2] = [440.0, 1_000.0];
const SECONDS: u64 = 3;
const MEETING: &str = "17bc8b19-cac7-45cb-b632-af6821e0843e";

fn call(n: usize) -> TransactionId {
    TransactionId::from_random(n as u128 + 1)
}

fn meeting() -> TapedMeeting {
    let began = UnixTime::from_millis(1_795_355_520_123);
    TapedMeeting { id: MEETING.into(), name: "Weekly meeting".into(), began }
}

/// 20 ms of the tones of these people, from the meeting's frame on.
fn tones(whose: &[usize], frame: u64) -> [i16; TAPE_FRAME] {
    let mut samples = [0; TAPE_FRAME];
    for (sample, at) in samples.iter_mut().zip(frame * TAPE_FRAME as u64..) {
        let tone = |n: &usize| (TAU * HERTZ[*n] * at as f64 / 48_000.0).sin() * 8_000.0;
        *sample = whose.iter().map(tone).sum::<f64>() as i16;
    }
    samples
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    panic!("it does not come about: {what}");
}

/// The first one is there all the time, the second one from the first to the second second.
fn record(root: &Path, of: MeetingsConfig) {
    let config = call_recordings::RecordingsConfig { meetings: Some(of), ..config(root) };
    let recordings = Recordings::start(config).unwrap();
    let tape = recordings.meetings().unwrap().begin(meeting()).unwrap();
    assert_eq!(tape.takes_each(), of.participants);
    tape.joined(call(0), 0);
    let person = |n: usize, name: &str| TapedPerson {
        call: call(n),
        name: name.into(),
        is_moderator: n == 0,
    };
    tape.named(person(0, "Room 4"));
    for frame in 0..50 * SECONDS {
        let at = frame * TAPE_FRAME as u64;
        let is_there = (50..100).contains(&frame);
        if frame == 50 {
            tape.joined(call(1), at);
            tape.named(person(1, "+12065550100"));
        }
        if frame == 100 {
            tape.left(call(1), at);
        }
        let people: &[usize] = if is_there { &[0, 1] } else { &[0] };
        for n in people.iter().filter(|_| of.participants) {
            tape.frame(Some(call(*n)), at, &tones(&[*n], frame));
        }
        tape.frame(None, at, &tones(people, frame));
    }
    until("it runs", || tape.progress() == TapeProgress::Runs);
    drop(tape);
    let counters = recordings.counters();
    drop(recordings);
    assert_eq!(counters.lost_samples.load(Ordering::Relaxed), 0);
    assert_eq!(counters.saved.load(Ordering::Relaxed), if of.participants { 3 } else { 1 });
}

/// Its samples as ffmpeg decodes them; `None` when it is not there.
fn decoded(file: &Path, rate: u32) -> Option<Vec<i16>> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-hide_banner", "-loglevel", "error", "-i"]).arg(file);
    let output = ffmpeg.args(["-f", "s16le", "-ac", "1", "-ar", &rate.to_string(), "-"]).output();
    let Ok(output) = output else {
        println!("skipped: ffmpeg is not installed (tests/setup.sh does that)");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{}: {said}", file.display());
    let sample = |octets: &[u8]| i16::from_le_bytes(octets.try_into().unwrap());
    Some(output.stdout.chunks_exact(2).map(sample).collect())
}

/// How loud a tone is in the middle of a second of a file, as a share of what was said.
fn loudness(samples: &[i16], second: usize, hertz: f64, rate: u32) -> f64 {
    let rate = rate as usize;
    let from = second * rate + rate / 4;
    let part = samples.get(from..from + rate / 2).unwrap();
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (n, sample) in part.iter().enumerate() {
        let phase = TAU * hertz * n as f64 / rate as f64;
        real += f64::from(*sample) * phase.cos();
        imaginary += f64::from(*sample) * phase.sin();
    }
    f64::hypot(real, imaginary) * 2.0 / part.len() as f64 / 8_000.0
}

/// When a tone begins to be heard, in seconds.
fn onset(samples: &[i16], hertz: f64, rate: u32) -> f64 {
    let (window, step) = (rate as usize / 50, rate as usize / 500);
    let loud = |part: &[i16]| {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (n, sample) in part.iter().enumerate() {
            let phase = TAU * hertz * n as f64 / f64::from(rate);
            real += f64::from(*sample) * phase.cos();
            imaginary += f64::from(*sample) * phase.sin();
        }
        f64::hypot(real, imaginary) * 2.0 / part.len() as f64 / 8_000.0
    };
    let places = (0..samples.len() - window).step_by(step);
    let first = places.into_iter().find(|at| loud(&samples[*at..at + window]) > 0.5);
    (first.unwrap() + window / 2) as f64 / f64::from(rate)
}

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("meetings-{name}-{}", std::process::id()));
    fs::create_dir_all(&path).unwrap();
    path
}

fn described(root: &Path) -> Vec<(PathBuf, Description)> {
    let all = all_descriptions(root).into_iter();
    all.map(|json| (json.clone(), Description::read(&json).unwrap())).collect()
}

fn alone(description: &Description) -> Option<&str> {
    description.meeting.as_ref().unwrap().alone.as_deref()
}

/// As close to the length as packets of 20 ms, and the encoder's own delay, allow.
fn has_length(samples: usize, seconds: u64, rate: u32, is_opus: bool) -> bool {
    let (wanted, more) = (seconds as usize * rate as usize, rate as usize / 25);
    samples == wanted || (is_opus && samples.abs_diff(wanted) <= more)
}

fn judge(name: &str, format: MeetingFormat, sample_rate: u32) {
    let root = scratch(name);
    record(&root, MeetingsConfig { format, sample_rate, participants: true });
    let all = described(&root);
    let is_opus = format == MeetingFormat::Mkv;
    for (json, description) in &all {
        let file = description.audio_path(json);
        assert!(file.starts_with(root.join("rooms/2026/11/22")), "{}", file.display());
        assert_eq!(description.state, State::Finished);
        let Some(heard) = decoded(&file, sample_rate) else { return };
        let loud = |second: usize, n: usize| loudness(&heard, second, HERTZ[n], sample_rate);
        match alone(description) {
            None => {
                assert!(has_length(heard.len(), 3, sample_rate, is_opus), "{}", heard.len());
                assert!((0..3).all(|second| loud(second, 0) > 0.7), "{name}");
                assert!(loud(1, 1) > 0.7 && loud(0, 1) < 0.02 && loud(2, 1) < 0.02, "{name}");
                assert_eq!(description.missing_samples, Some(vec![0]));
                // It begins where it began.
                let began = onset(&heard, HERTZ[1], sample_rate);
                assert!((0.98..1.02).contains(&began), "{name}: {began} s");
            }
            Some(whose) if whose == call(0).to_string() => {
                assert!((0..3).all(|second| loud(second, 0) > 0.7 && loud(second, 1) < 0.02));
                assert_eq!(description.first_sample, 0);
            }
            Some(whose) => {
                assert_eq!(whose, call(1).to_string());
                assert!(has_length(heard.len(), 1, sample_rate, is_opus), "{}", heard.len());
                assert!(loud(0, 1) > 0.7 && loud(0, 0) < 0.02, "{name}");
                // Where it belongs in the mix.
                assert_eq!(description.first_sample, u64::from(sample_rate));
                assert_eq!(description.began, "2026-11-22T13:52:01.123Z");
            }
        }
    }
    let mut who: Vec<_> = all.iter().map(|(_, description)| alone(description)).collect();
    who.sort_unstable();
    let (first, second) = (call(0).to_string(), call(1).to_string());
    assert_eq!(who, [None, Some(&*first), Some(&*second)]);
    fs::remove_dir_all(&root).unwrap();
}

#[test]
fn each_is_in_the_mix_and_alone_in_a_file_of_its_own() {
    judge("mkv", MeetingFormat::Mkv, 48_000);
    judge("mkv16", MeetingFormat::Mkv, 16_000);
    judge("wav", MeetingFormat::Wav, 48_000);
    judge("wav8", MeetingFormat::Wav, 8_000);
}

#[test]
fn the_json_tells_who_was_there_and_when() {
    let root = scratch("json");
    let of =
        MeetingsConfig { format: MeetingFormat::Wav, sample_rate: 16_000, participants: false };
    record(&root, of);
    let [(json, description)] = &described(&root)[..] else { panic!("one file") };
    let name = json.file_stem().unwrap().to_str().unwrap();
    assert_eq!(name, format!("13.52.00.123_{MEETING}"));
    assert_eq!(description.transaction_id, MEETING);
    assert_eq!((description.samples, description.sample_rate), (Some(48_000), 16_000));
    let told = description.meeting.as_ref().unwrap();
    assert_eq!((&*told.meeting_id, &*told.name), (MEETING, "Weekly meeting"));
    let people: Vec<_> = told
        .participants
        .iter()
        .map(|p| (&*p.name, p.moderator, &*p.joined, p.left.as_deref(), p.first_sample))
        .collect();
    assert_eq!(
        people,
        [
            ("Room 4", true, "2026-11-22T13:52:00.123Z", None, 0),
            (
                "+12065550100",
                false,
                "2026-11-22T13:52:01.123Z",
                Some("2026-11-22T13:52:02.123Z"),
                16_000
            ),
        ]
    );
    // Nothing of a call stands in it.
    let text = fs::read_to_string(json).unwrap();
    for absent in ["voice_connector_id", "call_id", "from_number", "direction", "channels"] {
        assert!(!text.contains(absent), "{text}");
    }
    fs::remove_dir_all(&root).unwrap();
}

/// Speaks on in real time until the tape says something else.
fn speak_until_other(tape: &MeetingTape, frame: &mut u64, was: &TapeProgress) -> TapeProgress {
    for _ in 0..6_000 {
        tape.frame(None, *frame * TAPE_FRAME as u64, &tones(&[0], *frame));
        *frame += 1;
        let progress = tape.progress();
        if progress != *was {
            return progress;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    panic!("it stays {was:?}");
}

#[test]
fn a_full_disk_is_told_and_what_was_written_is_whole() {
    let Some(disk) = small_disk::enter("a_full_disk_is_told_and_what_was_written_is_whole") else {
        return;
    };
    let root = disk.join("recordings");
    let of =
        MeetingsConfig { format: MeetingFormat::Wav, sample_rate: 48_000, participants: false };
    let config = call_recordings::RecordingsConfig { meetings: Some(of), ..config(&root) };
    let recordings = Recordings::start(config).unwrap();
    let opener = recordings.meetings().unwrap();
    let tape = opener.begin(meeting()).unwrap();
    let mut frame = 0;
    let runs = speak_until_other(&tape, &mut frame, &TapeProgress::Begins);
    assert_eq!(runs, TapeProgress::Runs);
    let filler = disk.join("filler");
    assert!(fs::write(&filler, vec![0; 8 << 20]).is_err(), "the disk is small");
    let failed = speak_until_other(&tape, &mut frame, &runs);
    assert!(matches!(&failed, TapeProgress::Failed(why) if why.contains("space")), "{failed:?}");
    // The next one does not begin at all.
    let second = opener.begin(TapedMeeting { id: "second".into(), ..meeting() }).unwrap();
    let failed = speak_until_other(&second, &mut 0, &TapeProgress::Begins);
    assert!(matches!(failed, TapeProgress::Failed(_)), "{failed:?}");
    drop((tape, second));
    fs::remove_file(&filler).unwrap();
    drop(recordings);
    let again = Recordings::start(support::config(&root)).unwrap();
    until("it is finished", || {
        let all = all_descriptions(&root);
        let state = |json: &PathBuf| Description::read(json).map(|description| description.state);
        all.len() == 1 && all.iter().all(|json| matches!(state(json), Ok(State::Finished)))
    });
    drop(again);
    let [(json, description)] = &described(&root)[..] else { panic!("one file") };
    let octets = fs::read(description.audio_path(json)).unwrap();
    let data = u32::from_le_bytes(octets[40..44].try_into().unwrap()) as usize;
    assert_eq!((data, octets[22]), (octets.len() - 44, 1));
    assert_eq!(description.samples, Some(data as u64 / 2));
    assert!(data > 0);
}
