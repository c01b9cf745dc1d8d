//! A call's recording: parts, crashes, and what is written when there is nothing to write it with.

use super::*;
use crate::description::Description;
use crate::keys::{KeyConfig, Keys};
use crate::repair::{RepairError, repair};
use crate::scratch::Scratch;
use crate::testing::opening;
use crate::{UnsealError, unseal};
use crossbeam_channel::bounded;
use std::fs;

const RATE: u32 = 8_000;
const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn place(scratch: &Scratch) -> Place {
    Place {
        root: scratch.path().join("recordings"),
        rotation: Rotation { seconds: None, bytes: u64::MAX },
        keys: None,
        open: OpenFiles::default(),
    }
}

fn keys(scratch: &Scratch) -> Keys {
    let path = scratch.path().join("key");
    fs::write(&path, HEX).unwrap();
    Keys::new(&KeyConfig::File(path)).unwrap()
}

/// Left a ramp, right the same below zero.
fn value(side: LegSide, at: u64) -> i16 {
    let value = i16::try_from(at % 30_000).unwrap() + 1;
    if side == LegSide::A { value } else { -value }
}

/// Half a second of both channels.
fn half_second(recording: &mut Recording, place: &Place, half: u64) -> Vec<Closed> {
    let at = half * u64::from(RATE) / 2;
    let mut closed = Vec::new();
    for side in LegSide::BOTH {
        let samples: Vec<_> = (at..at + u64::from(RATE) / 2).map(|at| value(side, at)).collect();
        closed.extend(recording.audio(place, side, at, &samples, 0).closed);
    }
    closed
}

fn pairs_of(wav: &[u8]) -> Vec<[i16; 2]> {
    assert_eq!(u32::from_le_bytes(wav[40..44].try_into().unwrap()) as usize, wav.len() - 44);
    assert_eq!(u32::from_le_bytes(wav[4..8].try_into().unwrap()) as usize, wav.len() - 8);
    let sample = |octets: &[u8]| i16::from_le_bytes(octets.try_into().unwrap());
    wav[44..].chunks_exact(4).map(|pair| [sample(&pair[..2]), sample(&pair[2..])]).collect()
}

fn is_ramp(pairs: &[[i16; 2]], first: u64) -> bool {
    let expected = |at: u64| LegSide::BOTH.map(|side| value(side, at));
    pairs.iter().zip(first..).all(|(pair, at)| *pair == expected(at))
}

#[test]
fn a_call_becomes_a_file_of_its_exact_length() {
    let scratch = Scratch::new();
    let place = place(&scratch);
    let mut recording = Recording::new(opening(RATE), RecordingFormat::Wav);
    for half in 0..5 {
        assert!(half_second(&mut recording, &place, half).is_empty());
        recording.tick(&place);
    }
    recording.audio(&place, LegSide::A, 20_000, &[7; 13], 3);
    let done = recording.finish(&place);
    let [closed] = done.closed.as_slice() else { panic!("{done:?}") };
    assert!(closed.result.is_ok() && done.lost == 0);
    let below = "abcdef1ghij2klmno3pqr4/2026/11/22/13.52.00.123_\
                 12345678-9abc-4def-8123-456789abcdef.json";
    assert_eq!(closed.json, place.root.join(below));
    assert_eq!(closed.description.samples, Some(20_013));
    assert_eq!(closed.description.missing_samples, Some(vec![3, 13]));
    let wav = fs::read(closed.description.audio_path(&closed.json)).unwrap();
    let pairs = pairs_of(&wav);
    assert!(pairs.len() == 20_013 && is_ramp(&pairs[..20_000], 0));
    assert_eq!(pairs[20_000..], [[7, 0]; 13]);
    assert!(place.open.has(&closed.json));
}

#[test]
fn parts_follow_on_each_other_without_a_gap() {
    for (seconds, bytes, parts) in [(Some(1), u64::MAX, 5), (None, 40_000, 3)] {
        let scratch = Scratch::new();
        let place = Place { rotation: Rotation { seconds, bytes }, ..place(&scratch) };
        let mut recording = Recording::new(opening(RATE), RecordingFormat::Wav);
        let mut closed = Vec::new();
        for half in 0..9 {
            closed.extend(half_second(&mut recording, &place, half));
            closed.extend(recording.tick(&place).closed);
        }
        closed.extend(recording.finish(&place).closed);
        assert_eq!(closed.len(), parts);
        let mut next = 0;
        for (n, Closed { json, description, .. }) in closed.iter().enumerate() {
            assert_eq!((description.part as usize, description.first_sample), (n + 1, next));
            let pairs = pairs_of(&fs::read(description.audio_path(json)).unwrap());
            assert!(is_ramp(&pairs, next));
            next += pairs.len() as u64;
        }
        assert_eq!(next, 36_000);
    }
}

/// What a crash leaves: every file as it is at some moment, cut off anywhere behind what was flushed.
#[test]
fn a_crash_leaves_what_was_written_to_be_played() {
    for format in [RecordingFormat::Wav, RecordingFormat::OggOpus] {
        for is_sealed in [false, true] {
            let scratch = Scratch::new();
            let mut keys = keys(&scratch);
            let (ready, taken) = bounded(1);
            ready.send(keys.generate().unwrap()).unwrap();
            let place = Place { keys: is_sealed.then_some(taken), ..place(&scratch) };
            let mut recording = Recording::new(opening(RATE), format);
            half_second(&mut recording, &place, 0);
            half_second(&mut recording, &place, 1);
            recording.tick(&place);
            let json = crate::tree::all_descriptions(&place.root).remove(0);
            let description = Description::read(&json).unwrap();
            let audio = description.audio_path(&json);
            let flushed = fs::metadata(&audio).unwrap().len();
            half_second(&mut recording, &place, 2);
            half_second(&mut recording, &place, 3);
            recording.tick(&place);
            let whole = fs::read(&audio).unwrap();
            drop(recording);
            let step = (whole.len() - flushed as usize) / 97 + 1;
            for cut in (flushed as usize..=whole.len()).step_by(step) {
                fs::write(&audio, &whole[..cut]).unwrap();
                let samples = repair(&audio, &description, Some(&mut keys)).unwrap();
                assert!((7_900..=16_000).contains(&samples), "{format:?}: {samples}");
                let repaired = fs::read(&audio).unwrap();
                // Again, it changes nothing.
                assert_eq!(repair(&audio, &description, Some(&mut keys)).unwrap(), samples);
                assert_eq!(fs::read(&audio).unwrap(), repaired);
                let mut plain = Vec::new();
                if is_sealed {
                    unseal(&audio, &mut keys, &mut plain).unwrap();
                } else {
                    plain = repaired;
                }
                match format {
                    RecordingFormat::Wav => {
                        let pairs = pairs_of(&plain);
                        assert!(pairs.len() as u64 == samples && is_ramp(&pairs, 0));
                    }
                    RecordingFormat::OggOpus => assert!(plain.starts_with(b"OggS")),
                }
            }
        }
    }
}

#[test]
fn what_was_never_written_is_told() {
    let scratch = Scratch::new();
    let path = scratch.path().join("a.wav");
    let mut description = Description::of(&opening(RATE), RecordingFormat::Wav, 1, 0);
    for octets in [&b""[..], b"RIFF", &[0; 100]] {
        fs::write(&path, octets).unwrap();
        assert!(matches!(repair(&path, &description, None), Err(RepairError::Empty)));
    }
    description.format = "ogg".to_owned();
    assert!(matches!(repair(&path, &description, None), Err(RepairError::Empty)));
}

#[test]
fn an_encrypted_file_has_no_octet_in_the_plain_and_opens_with_its_key() {
    let scratch = Scratch::new();
    let mut keys = keys(&scratch);
    let (ready, taken) = bounded(1);
    ready.send(keys.generate().unwrap()).unwrap();
    let place = Place { keys: Some(taken), ..place(&scratch) };
    let mut recording = Recording::new(opening(RATE), RecordingFormat::Wav);
    half_second(&mut recording, &place, 0);
    recording.tick(&place);
    half_second(&mut recording, &place, 1);
    let done = recording.finish(&place);
    let Closed { json, description, .. } = &done.closed[0];
    assert!(description.audio.ends_with(".wav.enc"));
    assert_eq!(description.encryption.as_ref().unwrap().provider, "file");
    let audio = description.audio_path(json);
    let octets = fs::read(&audio).unwrap();
    let ramp: Vec<u8> = (1_000..1_004)
        .flat_map(|at| LegSide::BOTH.map(|side| value(side, at).to_le_bytes()))
        .flatten()
        .collect();
    assert!(!octets.windows(ramp.len()).any(|window| window == ramp));
    assert!(!octets.windows(8).any(|window| window == b"WAVEfmt "));
    let mut plain = Vec::new();
    unseal(&audio, &mut keys, &mut plain).unwrap();
    assert!(plain.windows(ramp.len()).any(|window| window == ramp));
    let pairs = pairs_of(&plain);
    assert!(pairs.len() == 8_000 && is_ramp(&pairs, 0));
    fs::write(&audio, &octets[..octets.len() - 1]).unwrap();
    let cut = unseal(&audio, &mut keys, &mut Vec::new());
    assert!(matches!(cut, Err(UnsealError::Seal(crate::SealError::Unfinished(3)))), "{cut:?}");
}

#[test]
fn what_cannot_be_written_for_long_is_silence_of_its_length() {
    // Seconds without a key, as while KMS is away; and how many of them are silence then.
    for (seconds, silent) in [(1, 0), (10, 0), (13, 3)] {
        let scratch = Scratch::new();
        let mut keys = keys(&scratch);
        let (ready, taken) = bounded(1);
        let place = Place { keys: Some(taken), ..place(&scratch) };
        let mut recording = Recording::new(opening(RATE), RecordingFormat::Wav);
        for half in 0..2 * seconds {
            half_second(&mut recording, &place, half);
        }
        assert!(recording.tick(&place).error.is_some());
        assert!(crate::tree::all_descriptions(&place.root).is_empty());
        ready.send(keys.generate().unwrap()).unwrap();
        assert!(recording.tick(&place).error.is_none());
        half_second(&mut recording, &place, 2 * seconds);
        let done = recording.finish(&place);
        let Closed { json, description, .. } = &done.closed[0];
        assert_eq!(description.first_sample, 0);
        let silent = silent * u64::from(RATE);
        assert_eq!(description.missing_samples, Some(vec![silent, silent]));
        let mut plain = Vec::new();
        unseal(&description.audio_path(json), &mut keys, &mut plain).unwrap();
        let pairs = pairs_of(&plain);
        assert_eq!(pairs.len() as u64, (2 * seconds + 1) * u64::from(RATE) / 2);
        let (held, rest) = pairs.split_at(seconds.min(10) as usize * RATE as usize);
        let (silence, last) = rest.split_at(silent as usize);
        assert!(is_ramp(held, 0) && silence.iter().all(|pair| *pair == [0, 0]));
        assert!(last.len() == 4_000 && is_ramp(last, seconds * u64::from(RATE)));
    }
}

#[test]
fn a_recording_without_a_key_until_its_end_is_none() {
    let scratch = Scratch::new();
    let (_ready, taken) = bounded(1);
    let place = Place { keys: Some(taken), ..place(&scratch) };
    let mut recording = Recording::new(opening(RATE), RecordingFormat::Wav);
    half_second(&mut recording, &place, 0);
    let done = recording.finish(&place);
    assert!(done.nothing.is_some() && done.closed.is_empty());
    assert_eq!(done.lost, 4_000);
}

#[test]
fn what_a_disk_did_not_take_until_the_end_is_counted_as_lost() {
    let scratch = Scratch::new();
    let place = place(&scratch);
    let mut recording = Recording::new(opening(RATE), RecordingFormat::Wav);
    half_second(&mut recording, &place, 0);
    assert!(recording.tick(&place).error.is_none());
    recording.file.part.as_mut().unwrap().stall();
    half_second(&mut recording, &place, 1);
    // The file has the first of them to write, the others wait for it.
    assert!(recording.tick(&place).error.is_some());
    half_second(&mut recording, &place, 2);
    let done = recording.finish(&place);
    assert_eq!((done.lost, done.closed.len()), (8_000, 1));
    assert!(done.closed[0].result.is_err() && done.nothing.is_none());
}

#[test]
fn a_name_that_is_taken_is_left_alone() {
    let scratch = Scratch::new();
    let place = place(&scratch);
    let record = || {
        let mut recording = Recording::new(opening(RATE), RecordingFormat::OggOpus);
        half_second(&mut recording, &place, 0);
        recording.finish(&place).closed.remove(0)
    };
    let (first, second) = (record(), record());
    assert_eq!((first.description.part, second.description.part), (1, 2));
    assert!(second.description.audio.ends_with("_2.ogg"), "{}", second.description.audio);
}

#[test]
fn recordings_of_one_call_in_two_formats_have_a_json_each() {
    let scratch = Scratch::new();
    let place = place(&scratch);
    let mut audio = BTreeSet::new();
    for format in [RecordingFormat::Wav, RecordingFormat::OggOpus] {
        let mut recording = Recording::new(opening(RATE), format);
        half_second(&mut recording, &place, 0);
        let done = recording.finish(&place);
        assert!(done.error.is_none() && done.closed.len() == 1, "{done:?}");
    }
    for json in crate::all_descriptions(&place.root) {
        audio.insert(Description::read(&json).unwrap().audio_path(&json));
    }
    assert_eq!(audio.len(), 2, "{audio:?}");
    assert!(audio.iter().all(|audio| audio.exists()));
}

#[test]
fn a_name_is_claimed_before_its_files_are_there() {
    // Whoever finishes what crashes left looks at any time, also between the two.
    let scratch = Scratch::new();
    let place = place(&scratch);
    let first =
        part::json_of(&place.root, &Subject::of_call(&opening(RATE), RecordingFormat::Wav), 1);
    assert!(place.open.add(&first));
    let mut recording = Recording::new(opening(RATE), RecordingFormat::Wav);
    half_second(&mut recording, &place, 0);
    let second =
        part::json_of(&place.root, &Subject::of_call(&opening(RATE), RecordingFormat::Wav), 2);
    assert!(!first.exists() && second.exists() && place.open.has(&second));
    assert_eq!(recording.finish(&place).closed.len(), 1);
}

#[test]
fn a_name_that_could_not_be_used_is_not_kept() {
    let scratch = Scratch::new();
    let place = place(&scratch);
    // A file where the directory would be.
    fs::write(&place.root, "").unwrap();
    let mut recording = Recording::new(opening(RATE), RecordingFormat::Wav);
    assert!(half_second(&mut recording, &place, 0).is_empty());
    assert!(recording.finish(&place).error.is_some());
    assert!(place.open.add(&part::json_of(
        &place.root,
        &Subject::of_call(&opening(RATE), RecordingFormat::Wav),
        1
    )));
}
