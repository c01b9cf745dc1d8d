//! ffmpeg decodes what is written here, sample by sample, without a word of complaint. Skipped where it is
//! not installed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use proptest::prelude::*;
use room_stills::{
    Card, FRAME_NUMBERS, LEAST_MACROBLOCKS, LEAST_SLICE, Picture, USUAL_MACROBLOCKS, key_picture,
    parameter_sets, repeat, vp8_key_frame, vp8_payloads, vp8_repeat,
};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// The samples of all pictures in units, and what ffmpeg complains of; `None` without ffmpeg.
fn decode(units: &[Vec<u8>]) -> Option<(Vec<u8>, String)> {
    let stream: Vec<u8> =
        units.iter().flat_map(|unit| [&[0, 0, 0, 1][..], unit].concat()).collect();
    decode_as("h264", stream)
}

fn decode_as(format: &str, stream: Vec<u8>) -> Option<(Vec<u8>, String)> {
    let spawned = Command::new("ffmpeg")
        .args(["-v", "warning", "-f", format, "-i", "-", "-fps_mode", "passthrough"])
        .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        println!("skipped: ffmpeg is not installed (tests/setup.sh does that)");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&stream));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    Some((output.stdout, String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn stream(picture: &Picture, limit: usize, repeats: u8) -> Vec<Vec<u8>> {
    let mut units = parameter_sets(picture, 31).to_vec();
    units.extend(key_picture(picture, 0, limit));
    units.extend((1..=repeats).map(|number| repeat(picture, number % FRAME_NUMBERS)));
    units.extend(parameter_sets(picture, 31));
    units.extend(key_picture(picture, 1, limit));
    units
}

fn check(card: &Card, most_macroblocks: u32, limit: usize) {
    let picture = card.draw(most_macroblocks);
    let units = stream(&picture, limit, 20);
    assert!(units.iter().all(|unit| unit.len() <= limit.max(LEAST_SLICE)));
    let Some((samples, complaints)) = decode(&units) else { return };
    assert!(!complaints.contains("error") && !complaints.contains("conceal"), "{complaints}");
    let (width, height) = picture.shown();
    let octets = width * height * 3 / 2;
    assert_eq!(samples.len(), octets * 22, "{complaints}");
    for shown in samples.chunks(octets) {
        assert!(shown == picture.samples(), "what is decoded is not what was drawn");
    }
}

fn welcome() -> Card {
    Card {
        title: "Board room / 役員会議室".to_owned(),
        action: "Please enter the meeting ID, followed by the pound key.".to_owned(),
        lines: vec!["会議の番号を入力し、最後にシャープを押してください。".to_owned()],
    }
}

#[test]
fn a_card_is_shown_as_it_was_drawn() {
    check(&welcome(), 1_620, 1_200);
    check(&welcome(), 396, 1_200);
    check(&Card::default(), 1_620, 1_200);
}

/// Frames as a file that ffmpeg reads.
fn ivf(frames: &[Vec<u8>], (width, height): (usize, usize)) -> Vec<u8> {
    let mut file = [&b"DKIF\0\0\x20\0VP80"[..], &(width as u16).to_le_bytes()].concat();
    file.extend((height as u16).to_le_bytes());
    file.extend([30, 1, frames.len() as u32, 0].map(u32::to_le_bytes).as_flattened());
    for (at, frame) in (0_u64..).zip(frames) {
        file.extend((frame.len() as u32).to_le_bytes());
        file.extend(at.to_le_bytes());
        file.extend(frame);
    }
    file
}

/// Peak signal to noise ratio in dB: how near one picture is to another.
fn likeness(one: &[u8], other: &[u8]) -> f64 {
    let squares: f64 = one.iter().zip(other).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    10.0 * (255.0_f64.powi(2) * one.len() as f64 / squares.max(1.0)).log10()
}

fn check_vp8(card: &Card, most_macroblocks: u32) {
    let picture = card.draw(most_macroblocks);
    let mut frames = vec![vp8_key_frame(&picture)];
    frames.extend(std::iter::repeat_n(vp8_repeat(&picture), 20));
    frames.push(vp8_key_frame(&picture));
    let stream = ivf(&frames, picture.shown());
    let Some((samples, complaints)) = decode_as("ivf", stream) else { return };
    assert_eq!(complaints, "");
    let (width, height) = picture.shown();
    let octets = width * height * 3 / 2;
    assert_eq!(samples.len(), octets * 22);
    let shown: Vec<_> = samples.chunks(octets).collect();
    assert!(shown.iter().all(|one| *one == shown[0]), "it stands still");
    let likeness = likeness(shown[0], &picture.samples());
    assert!(likeness > 42.0, "{likeness:.1} dB");
}

#[test]
fn a_card_is_legible_in_vp8() {
    check_vp8(&welcome(), 1_620);
    check_vp8(&welcome(), 396);
    check_vp8(&Card::default(), 1_620);
}

#[test]
fn a_card_in_vp8_costs_less_and_goes_into_packets() {
    let picture = welcome().draw(1_620);
    let key = vp8_key_frame(&picture);
    assert!(key.len() < 40_000, "{}", key.len());
    assert!(vp8_repeat(&picture).len() < 100, "{}", vp8_repeat(&picture).len());
    let payloads = vp8_payloads(&key, 1_200);
    assert!(payloads.iter().all(|payload| (2..=1_200).contains(&payload.len())));
    let heads: Vec<u8> = payloads.iter().map(|payload| payload[0]).collect();
    assert_eq!(heads[0], 0x10, "it begins a picture");
    assert!(heads[1..].iter().all(|head| *head == 0));
    assert_eq!(payloads.iter().flat_map(|payload| &payload[1..]).copied().collect::<Vec<_>>(), key);
}

#[test]
fn the_least_receiver_takes_the_small_card() {
    let (across, down) = welcome().draw(LEAST_MACROBLOCKS).macroblocks();
    assert_eq!(across * down, LEAST_MACROBLOCKS as usize);
    let (across, down) = welcome().draw(USUAL_MACROBLOCKS).macroblocks();
    assert_eq!(across * down, USUAL_MACROBLOCKS as usize);
}

#[test]
fn a_card_costs_what_a_room_can_send() {
    let picture = welcome().draw(1_620);
    let octets: usize = key_picture(&picture, 0, 1_200).iter().map(Vec::len).sum();
    assert!(octets < 100_000, "{octets}");
    assert!(repeat(&picture, 1).len() < 16);
    let empty = Card::default().draw(1_620);
    let octets: usize = key_picture(&empty, 0, 1_200).iter().map(Vec::len).sum();
    assert!(octets < 2_500, "a flat ground costs next to nothing: {octets}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn any_words_and_any_limit_are_shown_as_drawn(
        title in "\\PC{0,80}",
        lines in proptest::collection::vec(".{0,250}", 0..6),
        limit in 0_usize..3_000,
        most in 0_u32..2_000,
    ) {
        let card = Card { title, action: String::new(), lines };
        check(&card, most, limit);
        check_vp8(&card, most);
    }
}
