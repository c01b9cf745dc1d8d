use super::*;
use crate::Encoding;

const AUDIO: Audio = Audio { encoding: Encoding::Linear, sample_rate: 8_000 };
const FRAME: [u8; 320] = [0; 320];

fn writer(millis: u64) -> FragmentWriter {
    FragmentWriter::new(AUDIO, Duration::from_millis(millis), Tags::new(), Tags::new())
}

/// The octets of `text` stand in `octets`.
fn has(octets: &[u8], text: &[u8]) -> bool {
    octets.windows(text.len()).any(|window| window == text)
}

#[test]
fn a_fragment_is_complete_with_the_frame_that_fills_it() {
    let mut writer = writer(1_200);
    for frame in 0..59 {
        assert_eq!(writer.push(5_000 + frame * 20, &FRAME, 0), Ok(None));
    }
    let fragment = writer.push(5_000 + 59 * 20, &FRAME, 0).unwrap().unwrap();
    assert_eq!(fragment.timecode_ms, 5_000);
    assert_eq!(fragment.duration, Duration::from_millis(1_200));
    // A cluster of unknown size, its 8-octet timestamp, and a first block of track 1.
    let begin = [
        &[0x1F, 0x43, 0xB6, 0x75, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF][..],
        &[0xE7, 0x88, 0, 0, 0, 0, 0, 0, 0x13, 0x88],
        &[0xA3, 0x41, 0x44, 0x81, 0, 0, 0x80],
    ]
    .concat();
    assert!(fragment.octets.starts_with(&begin));
    assert_eq!(fragment.octets.len(), 22 + 60 * (7 + 320));
    assert_eq!(writer.finish(), None);
}

#[test]
fn what_is_left_at_the_end_is_a_fragment() {
    let mut writer = writer(1_000);
    assert_eq!(writer.finish(), None);
    writer.push(40, &FRAME, 0).unwrap();
    writer.push(60, &FRAME[..24], 0).unwrap();
    let fragment = writer.finish().unwrap();
    assert_eq!(fragment.timecode_ms, 40);
    // 160 and 12 samples.
    assert_eq!(fragment.duration, Duration::from_micros(21_500));
    assert_eq!(writer.finish(), None);
}

#[test]
fn a_hole_in_time_ends_a_fragment() {
    let mut writer = writer(1_000);
    writer.push(0, &FRAME, 0).unwrap();
    assert_eq!(writer.push(980, &FRAME, 0), Ok(None));
    let before = writer.push(60_000, &FRAME, 0).unwrap().unwrap();
    assert_eq!((before.timecode_ms, before.duration), (0, Duration::from_millis(40)));
    assert_eq!(writer.finish().unwrap().timecode_ms, 60_000);
}

#[test]
fn time_goes_forward() {
    let mut writer = writer(1_000);
    writer.push(100, &FRAME, 0).unwrap();
    let refused = NotForward { timecode_ms: 100, last_ms: 100 };
    assert_eq!(writer.push(100, &FRAME, 0), Err(refused));
    let first = writer.finish().unwrap();
    assert_eq!(first.duration, Duration::from_millis(20));
    assert_eq!(writer.push(99, &FRAME, 0).unwrap_err().last_ms, 100);
    assert_eq!(writer.push(101, &FRAME, 0), Ok(None));
}

#[test]
fn each_fragment_has_its_tags() {
    let tags = |names: &[&str]| {
        let mut tags = Tags::new();
        names.iter().for_each(|name| tags.add(name, "x").unwrap());
        tags
    };
    let mut writer = FragmentWriter::new(
        AUDIO,
        Duration::from_secs(1),
        tags(&["TransactionId", "CallId"]),
        tags(&["TransactionId"]),
    );
    writer.push(0, &FRAME, 0).unwrap();
    let first = writer.finish().unwrap();
    assert!(has(&first.octets, b"TransactionId") && has(&first.octets, b"CallId"));
    assert!(!has(&first.octets, b"MissingSamples"));
    writer.push(20, &FRAME, 160).unwrap();
    writer.push(40, &FRAME, 5).unwrap();
    let second = writer.finish().unwrap();
    assert!(has(&second.octets, b"TransactionId") && !has(&second.octets, b"CallId"));
    assert!(has(&second.octets, b"MissingSamples\x44\x87\x83165"));
    assert_eq!((first.missing_samples, second.missing_samples), (0, 165));
}

#[test]
fn lengths_are_those_that_kinesis_takes() {
    let seconds = |length: Duration| {
        let mut writer = FragmentWriter::new(AUDIO, length, Tags::new(), Tags::new());
        let mut fragments =
            (0..2_000).filter_map(|frame| writer.push(frame * 20, &FRAME, 0).unwrap());
        fragments.next().unwrap().duration.as_secs()
    };
    assert_eq!(seconds(Duration::ZERO), 1);
    assert_eq!(seconds(Duration::from_secs(20)), 20);
    assert_eq!(seconds(Duration::MAX), 20);
}
