//! A disk that is really full.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

#[path = "../../../tests/hardship/small_disk.rs"]
mod small_disk;
mod support;

use call_audio::ConsumerEnd;
use call_recordings::{Description, Recordings, State, all_descriptions};
use model::{LegSide, RecordingFormat};
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{config, opening, speak};

const RATE: u32 = 8_000;

fn value(side: LegSide, _: u64) -> i16 {
    if side == LegSide::A { 1_000 } else { -1_000 }
}

#[test]
fn a_full_disk_costs_audio_and_no_length() {
    let Some(disk) = small_disk::enter("a_full_disk_costs_audio_and_no_length") else { return };
    let root = disk.join("recordings");
    let recordings = Recordings::start(config(&root)).unwrap();
    let counters = recordings.counters();
    let mut wav = recordings.open(&opening(1, RATE), RecordingFormat::Wav).unwrap();
    let mut ogg = recordings.open(&opening(2, RATE), RecordingFormat::OggOpus).unwrap();
    let mut frame = 0;
    let mut speak_for = |seconds: u64| {
        for _ in 0..50 * seconds {
            speak(&mut *wav, frame, RATE, value);
            speak(&mut *ogg, frame, RATE, value);
            frame += 1;
        }
    };
    speak_for(2);
    wait(|| all_descriptions(&root).len() == 2);
    wait(|| bytes(&root, "wav") >= 64_044 && bytes(&root, "ogg") > 1_000);
    // Somebody else fills the disk.
    let filler = disk.join("filler");
    assert!(fs::write(&filler, vec![0; 8 << 20]).is_err(), "the disk is small");
    while counters.lost_samples.load(Ordering::Relaxed) == 0 {
        speak_for(1);
        std::thread::park_timeout(Duration::from_millis(300));
    }
    fs::remove_file(&filler).unwrap();
    let lost = || counters.lost_samples.load(Ordering::Relaxed);
    // It heals within a turn or two: nothing more is lost then.
    wait(|| {
        std::thread::park_timeout(Duration::from_millis(1_500));
        let before = lost();
        speak_for(1);
        std::thread::park_timeout(Duration::from_millis(1_500));
        lost() == before
    });
    wav.end(ConsumerEnd::Ended);
    ogg.end(ConsumerEnd::Ended);
    drop(recordings);
    let expected = frame * u64::from(RATE) / 50;
    for json in all_descriptions(&root) {
        let description = Description::read(&json).unwrap();
        assert_eq!(description.state, State::Finished);
        assert_eq!(description.samples, Some(expected), "{}", description.audio);
        assert!(description.missing_samples.unwrap()[0] < expected);
    }
    assert_eq!(bytes(&root, "wav"), 44 + 4 * expected);
    assert_eq!(counters.saved.load(Ordering::Relaxed), 2);
}

fn bytes(root: &Path, ending: &str) -> u64 {
    let files = all_descriptions(root).into_iter().map(|json| json.with_extension(ending));
    files.filter_map(|file| fs::metadata(file).ok()).map(|metadata| metadata.len()).sum()
}

fn wait(mut until: impl FnMut() -> bool) {
    for _ in 0..300 {
        if until() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    panic!("it does not come about");
}
