//! kill -9 at any time: what was written is playable, and the next start finishes it.
//!
//! The child is this test's own binary: it records a call as fast as it can for as long as it lives.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod support;

use call_recordings::{Description, KeyConfig, Keys, Recordings, State, all_descriptions, unseal};
use model::{LegSide, RecordingFormat};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{config, opening, speak};

const RATE: u32 = 8_000;
const CHILD: &str = "RECORDINGS_KILL_CHILD";
const ROUNDS: u64 = 8;

fn value(side: LegSide, at: u64) -> i16 {
    let value = (at % 30_000) as i16;
    if side == LegSide::A { value } else { -value }
}

#[test]
fn the_next_start_finishes_what_a_kill_left() {
    if let Some(root) = std::env::var_os(CHILD) {
        return record_until_killed(Path::new(&root));
    }
    let directory = std::env::temp_dir().join(format!("recordings-kill-{}", std::process::id()));
    let root = directory.join("recordings");
    std::fs::create_dir_all(&root).unwrap();
    let key = directory.join("recordings.key");
    std::fs::write(&key, "5a".repeat(32)).unwrap();
    for round in 0..ROUNDS {
        let before = all_descriptions(&root).len();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_next_start_finishes_what_a_kill_left", "--nocapture"])
            .env(CHILD, &root)
            .env("ROUND", round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "records"));
        // The first one perhaps before its first write, the others from then to after the next one.
        for _ in 0..600 {
            if round == 0 || all_descriptions(&root).len() > before {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
        std::thread::park_timeout(Duration::from_millis(170 * round));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut config = config(&root);
    config.key = Some(KeyConfig::File(key.clone()));
    let recordings = Recordings::start(config).unwrap();
    drop(recordings);
    let left = all_descriptions(&root);
    assert!(left.len() as u64 >= ROUNDS - 1, "{left:?}");
    let mut keys = Keys::new(&KeyConfig::File(key)).unwrap();
    for json in &left {
        let description = Description::read(json).unwrap();
        assert_eq!((description.state, description.repaired), (State::Finished, true));
        check(&description, &description.audio_path(json), &mut keys);
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

fn check(description: &Description, audio: &Path, keys: &mut Keys) {
    let mut wav = std::fs::read(audio).unwrap();
    if description.encryption.is_some() {
        wav.clear();
        unseal(audio, keys, &mut wav).unwrap();
    }
    let samples = description.samples.unwrap();
    assert_eq!(wav.len() as u64, 44 + 4 * samples, "{}", description.audio);
    assert_eq!(u32::from_le_bytes(wav[40..44].try_into().unwrap()) as usize, wav.len() - 44);
    for (at, pair) in wav[44..].chunks_exact(4).enumerate() {
        let sample = |octets: &[u8]| i16::from_le_bytes(octets.try_into().unwrap());
        let pair = [sample(&pair[..2]), sample(&pair[2..])];
        assert_eq!(pair, LegSide::BOTH.map(|side| value(side, at as u64)), "{at}");
    }
}

fn record_until_killed(root: &Path) {
    let round: u64 = std::env::var("ROUND").unwrap().parse().unwrap();
    let mut config = config(root);
    if round % 2 == 1 {
        let key = root.with_file_name("recordings.key");
        config.key = Some(KeyConfig::File(key));
    }
    let recordings = Recordings::start(config).unwrap();
    let mut consumer = recordings.open(&opening(round, RATE), RecordingFormat::Wav).unwrap();
    println!("records");
    for frame in 0.. {
        speak(&mut *consumer, frame, RATE, value);
        if frame % 25 == 24 {
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }
}
