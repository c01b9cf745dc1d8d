//! What other programs hear: ffmpeg's own decoder, and libopus through ffmpeg. Skipped, with a line that
//! says so, where ffmpeg is not installed.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod support;

use call_audio::ConsumerEnd;
use call_recordings::{Recordings, all_descriptions};
use model::{LegSide, RecordingFormat};
use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{config, opening, speak};

const SECONDS: u64 = 3;
const HERTZ: [f64; 2] = [440.0, 1_000.0];

/// The caller's tone is left, the called's right; each begins a second later than it might.
fn tone(side: LegSide, at: u64, rate: u32) -> i16 {
    let begins = u64::from(rate) * (side.index() as u64 + 1) / 2;
    let value = (TAU * HERTZ[side.index()] * at as f64 / f64::from(rate)).sin() * 10_000.0;
    if at < begins { 0 } else { value as i16 }
}

fn record(root: &Path, format: RecordingFormat, rate: u32) -> PathBuf {
    let recordings = Recordings::start(config(root)).unwrap();
    let mut consumer = recordings.open(&opening(1, rate), format).unwrap();
    for frame in 0..50 * SECONDS {
        speak(&mut *consumer, frame, rate, |side, at| tone(side, at, rate));
    }
    consumer.end(ConsumerEnd::Ended);
    drop(recordings);
    let json = all_descriptions(root).remove(0);
    let ending = if format == RecordingFormat::Wav { "wav" } else { "ogg" };
    json.with_extension(ending)
}

/// Both channels at `rate` as ffmpeg decodes them; `None` when it is not there.
fn decoded(file: &Path, rate: u32, decoder: &[&str]) -> Option<[Vec<i16>; 2]> {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error"])
        .args(decoder)
        .arg("-i")
        .arg(file)
        .args(["-f", "s16le", "-ar", &rate.to_string(), "-"])
        .output();
    let Ok(output) = output else {
        println!("skipped: ffmpeg is not installed (tests/setup.sh does that)");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    let sample = |octets: &[u8]| i16::from_le_bytes(octets.try_into().unwrap());
    let pairs: Vec<_> = output.stdout.chunks_exact(4).collect();
    Some([0, 2].map(|at| pairs.iter().map(|pair| sample(&pair[at..at + 2])).collect()))
}

/// How loud a tone is among samples, as a share of a full sine's amplitude of 10,000.
fn loudness(samples: &[i16], hertz: f64, rate: u32) -> f64 {
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let phase = TAU * hertz * n as f64 / f64::from(rate);
        real += f64::from(*sample) * phase.cos();
        imaginary += f64::from(*sample) * phase.sin();
    }
    f64::hypot(real, imaginary) * 2.0 / samples.len() as f64 / 10_000.0
}

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("recordings-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn judge(name: &str, format: RecordingFormat, rate: u32, decoder: &[&str]) {
    let root = scratch(name);
    let file = record(&root, format, rate);
    let heard = decoded(&file, rate, decoder);
    std::fs::remove_dir_all(&root).unwrap();
    let Some(heard) = heard else { return };
    for side in LegSide::BOTH {
        let (own, other) = (HERTZ[side.index()], HERTZ[side.other().index()]);
        let samples = &heard[side.index()];
        assert_eq!(samples.len() as u64, SECONDS * u64::from(rate), "{name} {side:?}");
        let begins = rate as usize * (side.index() + 1) / 2;
        let tone = &samples[begins + rate as usize / 2..];
        assert!(loudness(tone, own, rate) > 0.8, "{name}: {side:?} has not its tone");
        assert!(loudness(tone, other, rate) < 0.01, "{name}: {side:?} has the other's tone");
        // It begins where it began, to a few milliseconds.
        let first = samples.iter().position(|sample| sample.unsigned_abs() > 1_500).unwrap();
        assert!(first.abs_diff(begins) <= rate as usize / 125, "{name} {side:?}: {first} {begins}");
    }
}

#[test]
fn every_player_hears_each_party_in_its_channel() {
    judge("wav", RecordingFormat::Wav, 8_000, &[]);
    judge("wav16", RecordingFormat::Wav, 16_000, &[]);
    judge("ogg", RecordingFormat::OggOpus, 8_000, &["-c:a", "opus"]);
    judge("ogg16", RecordingFormat::OggOpus, 16_000, &["-c:a", "opus"]);
    judge("libopus", RecordingFormat::OggOpus, 8_000, &["-c:a", "libopus"]);
    judge("libopus16", RecordingFormat::OggOpus, 16_000, &["-c:a", "libopus"]);
}
