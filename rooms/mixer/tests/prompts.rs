//! The sounds in rooms/prompts: what they are is held against what make.sh promises.
//!
//! Whether speech is understood no test says. These say that it is there: its level, its length, and
//! that its energy is where a voice has it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use codecs::Recording;
use codecs::dtmf::ToneDetector;
use std::collections::BTreeSet;
use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

/// 20 ms.
const FRAME: usize = 160;
const FULL_SCALE: f64 = 32_768.0;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../prompts")
}

/// Name, and samples at 8,000 Hz.
fn sounds() -> Vec<(String, Vec<i16>)> {
    let mut all = Vec::new();
    for language in ["en", "ja"] {
        for file in std::fs::read_dir(folder().join(language)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            all.push((format!("{language}/{name}"), read(&path)));
        }
    }
    let of = |language: &str| {
        let mut names: Vec<_> =
            all.iter().filter_map(|(name, _)| name.strip_prefix(language)).collect();
        names.sort_unstable();
        names
    };
    assert!(of("en/").len() > 70, "the sounds are there");
    assert_eq!(of("en/"), of("ja/"), "each language has them all");
    all
}

fn read(path: &Path) -> Vec<i16> {
    let file = std::fs::read(path).unwrap();
    // G.711 µ-law, mono, 8,000 Hz: what most calls have, and half of what 16 bits take.
    assert_eq!(file[20..28], [7, 0, 1, 0, 0x40, 0x1f, 0, 0], "{}", path.display());
    let recording = Recording::from_wav(&file).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    assert_eq!(recording.sample_rate(), 8_000);
    recording.samples().to_vec()
}

fn decibels(rms: f64) -> f64 {
    20.0 * (rms / FULL_SCALE).log10()
}

/// Of the frames that are at most 30 dB below the loudest one.
fn active_level(samples: &[i16]) -> f64 {
    let power = |frame: &[i16]| {
        frame.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / frame.len() as f64
    };
    let powers: Vec<f64> = samples.chunks(FRAME).map(power).collect();
    let loudest = powers.iter().copied().fold(0.0, f64::max);
    let active: Vec<f64> = powers.into_iter().filter(|p| *p >= loudest / 1_000.0).collect();
    decibels((active.iter().sum::<f64>() / active.len() as f64).sqrt())
}

fn peak(samples: &[i16]) -> f64 {
    decibels(samples.iter().map(|s| f64::from(*s).abs()).fold(0.0, f64::max))
}

/// The energy of one frequency in frames of 20 ms, over all of them.
fn energy(samples: &[i16], hertz: f64) -> f64 {
    samples
        .chunks_exact(FRAME)
        .map(|frame| {
            let (mut real, mut imaginary) = (0.0, 0.0);
            for (n, sample) in frame.iter().enumerate() {
                let phase = TAU * hertz * n as f64 / 8_000.0;
                real += f64::from(*sample) * phase.cos();
                imaginary += f64::from(*sample) * phase.sin();
            }
            real * real + imaginary * imaginary
        })
        .sum()
}

#[test]
fn all_are_as_loud_as_each_other_and_none_clips() {
    for (name, samples) in sounds() {
        let wanted = if name.ends_with("-tone") { -22.0 } else { -20.0 };
        let (level, peak) = (active_level(&samples), peak(&samples));
        assert!((level - wanted).abs() < 1.0, "{name}: {level:.1} dBFS");
        assert!(peak < -3.0, "{name}: its peak is at {peak:.1} dBFS");
    }
}

#[test]
fn all_are_short_and_begin_and_end_in_silence() {
    for (name, samples) in sounds() {
        let seconds = samples.len() as f64 / 8_000.0;
        assert!((0.2..8.0).contains(&seconds), "{name}: {seconds:.2} s");
        let ends = [samples[..8].to_vec(), samples[samples.len() - 8..].to_vec()].concat();
        assert!(ends.iter().all(|sample| sample.abs() < 64), "{name} clicks: {ends:?}");
        let loud = |sample: &i16| sample.abs() > 300;
        let silent = samples.len() - samples.iter().filter(|sample| loud(sample)).count();
        let (first, last) = (samples.iter().position(loud), samples.iter().rposition(loud));
        let (first, last) = (first.unwrap(), last.unwrap());
        assert!(first < 2_000 && samples.len() - last < 3_200, "{name}: {first}, {last}, {silent}");
    }
}

/// The energy of each bin of 50 Hz in one frame.
fn spectrum(frame: &[i16], cosine: &[f64]) -> Vec<f64> {
    let bin = |bin: usize| {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (n, sample) in frame.iter().enumerate() {
            let sample = f64::from(*sample);
            real += sample * cosine[bin * n % FRAME];
            imaginary += sample * cosine[(bin * n + FRAME / 4) % FRAME];
        }
        real * real + imaginary * imaginary
    };
    (0..FRAME / 2).map(bin).collect()
}

#[test]
fn speech_has_its_energy_where_a_voice_has_it() {
    let cosine: Vec<f64> = (0..FRAME).map(|n| (TAU * n as f64 / FRAME as f64).cos()).collect();
    for (name, samples) in sounds().into_iter().filter(|(name, _)| !name.ends_with("-tone")) {
        let (mut bands, mut heard) = ([0.0; 3], BTreeSet::new());
        for frame in samples.chunks_exact(FRAME) {
            let bins = spectrum(frame, &cosine);
            // Below 100 Hz, to 1,500 Hz, and the rest.
            for (band, range) in bands.iter_mut().zip([0..2, 2..30, 30..80]) {
                *band += bins[range].iter().sum::<f64>();
            }
            if active_level(frame) > -30.0 {
                heard.insert((6..80).max_by(|a, b| bins[*a].total_cmp(&bins[*b])));
            }
        }
        let [below, voiced, above] = bands;
        let all = below + voiced + above;
        assert!(voiced / all > 0.6, "{name}: {:.2} of it is voiced", voiced / all);
        assert!(below / all < 0.06, "{name}: {:.3} of it is hum", below / all);
        // A tone stays where it is; in more than a syllable, over the voice's pitch, formants move.
        assert!(name.contains("/key-") || heard.len() >= 3, "{name} is one tone: {heard:?}");
    }
}

#[test]
fn tones_are_the_notes_that_they_are_said_to_be() {
    for (name, samples) in sounds().into_iter().filter(|(name, _)| name.ends_with("-tone")) {
        let (first, last) = samples.split_at(samples.len() / 2);
        let high = |half| energy(half, 880.0) > energy(half, 587.33);
        match name.split_once('/').unwrap().1 {
            "join-tone" => assert!(!high(first) && high(last), "{name} rises"),
            "leave-tone" => assert!(high(first) && !high(last), "{name} falls"),
            _ => assert!(energy(&samples, 1_000.0) > 20.0 * energy(&samples, 880.0), "{name}"),
        }
    }
}

#[test]
fn the_music_is_quiet_and_can_be_repeated() {
    let samples = read(&folder().join("music.wav"));
    assert_eq!(samples.len(), 240_000, "30 s");
    assert!((active_level(&samples) + 26.0).abs() < 1.0 && peak(&samples) < -10.0);
    // Where it begins again there is no step that it does not have elsewhere.
    let step = |pair: &[i16]| (i32::from(pair[1]) - i32::from(pair[0])).abs();
    let most = samples.windows(2).map(step).max().unwrap();
    assert!(step(&[samples[samples.len() - 1], samples[0]]) <= most);
    // It is never silent for a second.
    for (at, second) in samples.chunks(8_000).enumerate() {
        assert!(active_level(second) > -45.0, "second {at}");
    }
}

#[test]
fn no_prompt_sounds_like_a_key() {
    // Who has no other keys than tones says what it hears of a prompt back to us, as an echo.
    let music = read(&folder().join("music.wav"));
    for (name, samples) in sounds().into_iter().chain([("music".to_owned(), music)]) {
        for gain in [1.0, 0.25] {
            let mut samples: Vec<i16> =
                samples.iter().map(|sample| (f32::from(*sample) * gain) as i16).collect();
            samples.resize(samples.len() + 800, 0);
            let mut found = Vec::new();
            ToneDetector::default().take(&samples, |step| found.push(step));
            assert!(found.is_empty(), "{name}: {found:?}");
        }
    }
}
