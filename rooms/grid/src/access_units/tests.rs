use super::*;
use proptest::prelude::*;
use rtp_proto::RtpHeader;

/// Of 176x144, baseline, as x264 writes it.
const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x02, 0xc4, 0xec, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00,
    0x00, 0x07, 0xa3, 0xc4, 0x89, 0x92,
];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
/// Slices that begin a picture, and one that does not.
const IDR: &[u8] = &[0x65, 0x88, 1, 2, 3];
const NEXT: &[u8] = &[0x41, 0x9a, 4, 5, 6];
const LATER: &[u8] = &[0x41, 0x42, 7];

/// Sends payloads, and writes down what is decoded.
struct Sender {
    units: AccessUnits,
    sequence: u16,
    decoded: Vec<Vec<u8>>,
}

impl Sender {
    fn new() -> Self {
        Sender { units: AccessUnits::new(), sequence: 65_534, decoded: Vec::new() }
    }

    fn send(&mut self, timestamp: u32, marker: bool, payload: &[u8]) {
        let header =
            RtpHeader { payload_type: 97, marker, sequence: self.sequence, timestamp, ssrc: 7 };
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = [&header.to_bytes()[..], payload].concat();
        let decoded = &mut self.decoded;
        self.units.take(&RtpPacket::parse(&bytes).unwrap(), &mut |whole| {
            decoded.push(whole.octets.to_vec());
        });
    }

    /// A key frame with its sets in one aggregation packet.
    fn send_key(&mut self, timestamp: u32) {
        let mut payload = vec![0x78];
        for unit in [SPS, PPS] {
            payload.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            payload.extend_from_slice(unit);
        }
        self.send(timestamp, false, &payload);
        self.send(timestamp, true, IDR);
    }

    fn take(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.decoded)
    }
}

fn stream(units: &[&[u8]]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&START_CODE, *unit].concat()).collect()
}

#[test]
fn pictures_are_put_together_from_all_kinds_of_payloads() {
    let mut sender = Sender::new();
    sender.send_key(1_000);
    assert_eq!(sender.take(), [stream(&[SPS, PPS, IDR])]);
    assert!(!sender.units.needs_key_frame());
    // Two slices, the second in fragments; delimiters and remarks are left out.
    sender.send(4_000, false, &[9, 0x10]);
    sender.send(4_000, false, NEXT);
    sender.send(4_000, false, &[6, 1, 2]);
    sender.send(4_000, false, &[0x5c, 0x81, 0x42]);
    sender.send(4_000, false, &[0x5c, 0x01, 7]);
    sender.send(4_000, true, &[0x5c, 0x41, 8]);
    assert_eq!(sender.take(), [stream(&[NEXT, &[0x41, 0x42, 7, 8]])]);
    // Without a marker a picture ends where the next begins.
    sender.send(7_000, false, NEXT);
    assert!(sender.take().is_empty());
    sender.send(10_000, true, NEXT);
    assert_eq!(sender.take(), [stream(&[NEXT]), stream(&[NEXT])]);
    assert_eq!(sender.units.refused, Refused::default());
}

#[test]
fn after_a_loss_nothing_is_decoded_before_a_key_frame() {
    let mut sender = Sender::new();
    sender.send(500, true, NEXT);
    assert!(sender.take().is_empty() && sender.units.needs_key_frame(), "it begins in the middle");
    sender.send_key(1_000);
    sender.send(4_000, true, NEXT);
    assert_eq!(sender.take().len(), 2);
    // The second packet of the next is lost.
    sender.send(7_000, false, NEXT);
    sender.sequence = sender.sequence.wrapping_add(1);
    sender.send(7_000, true, LATER);
    assert!(sender.take().is_empty() && sender.units.needs_key_frame());
    sender.send(10_000, true, NEXT);
    assert!(sender.take().is_empty());
    // What was lost before a key frame is none of it.
    sender.send(13_000, false, NEXT);
    sender.sequence = sender.sequence.wrapping_add(3);
    sender.send_key(16_000);
    assert_eq!(sender.take(), [stream(&[SPS, PPS, IDR])]);
    assert_eq!(sender.units.refused.incomplete, 4);
    // But its own beginning is: the sets are kept, the first slice is not there.
    sender.sequence = sender.sequence.wrapping_add(1);
    sender.send(19_000, true, &[0x65, 0x42, 1]);
    assert!(sender.take().is_empty());
    sender.sequence = sender.sequence.wrapping_add(1);
    sender.send(22_000, true, IDR);
    assert_eq!(sender.take(), [stream(&[SPS, PPS, IDR])]);
    // Where the decoder failed, the same.
    sender.units.wait_for_key_frame();
    sender.send(25_000, true, NEXT);
    assert!(sender.take().is_empty() && sender.units.needs_key_frame());
}

#[test]
fn pieces_without_a_beginning_or_an_end_are_no_units() {
    let mut sender = Sender::new();
    sender.send_key(1_000);
    sender.take();
    sender.send(4_000, false, &[0x5c, 0x01, 7]);
    sender.send(4_000, true, NEXT);
    assert!(sender.take().is_empty());
    sender.send_key(7_000);
    assert_eq!(sender.take().len(), 1);
    sender.send(10_000, false, &[0x5c, 0x81, 0x9a]);
    sender.send(10_000, true, NEXT);
    assert!(sender.take().is_empty() && sender.units.needs_key_frame());
}

#[test]
fn what_is_too_large_or_unknown_never_reaches_the_decoder() {
    // 1920x1088 in high profile with four reference frames is the most; 4096x4096, high 10, and sixteen
    // frames of 1080p are too much.
    let full_hd: &[u8] = &[0x67, 100, 0, 40, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0];
    assert_eq!(taken(Nalu::new(full_hd).unwrap()), Some(120 * 68));
    let huge = sps(66, 1, 256, 256);
    let deep = sps(66, 16, 120, 68);
    assert_eq!(taken(Nalu::new(&sps(66, 4, 120, 68)).unwrap()), Some(120 * 68));
    for refused in [huge, deep, sps(110, 1, 20, 20), vec![0x67, 67]] {
        let mut sender = Sender::new();
        sender.send_key(1_000);
        assert_eq!(sender.take().len(), 1);
        sender.send(4_000, false, &refused);
        sender.send(4_000, false, PPS);
        sender.send(4_000, true, IDR);
        sender.send(7_000, true, NEXT);
        assert!(sender.take().is_empty(), "{refused:?}");
        assert_eq!(sender.units.refused.sets, 1);
        assert!(!sender.units.needs_key_frame(), "the next would be as large");
        // Of a size that is taken again.
        sender.send_key(10_000);
        let first = sender.take();
        assert_eq!(first.len(), 1);
        assert!(!first[0].windows(refused.len()).any(|window| window == refused));
    }
    // Data partitions of extended profile.
    let mut sender = Sender::new();
    sender.send_key(1_000);
    sender.send(4_000, true, &[0x62, 0x88, 1]);
    assert_eq!((sender.take().len(), sender.units.refused.malformed), (1, 1));
    // The interleaved mode.
    sender.send(7_000, true, &[0x79, 0, 0, 0]);
    assert_eq!(sender.units.refused.malformed, 2);
    assert!(sender.take().is_empty());
}

#[test]
fn a_picture_has_an_end() {
    let mut sender = Sender::new();
    sender.send_key(1_000);
    sender.take();
    let mut fragment = vec![0x5c, 0x81, 0x9a];
    fragment.resize(60_000, 7);
    sender.send(4_000, false, &fragment);
    fragment[1] = 0x01;
    for _ in 0..40 {
        sender.send(4_000, false, &fragment);
        assert!(sender.units.octets.len() <= MOST_OCTETS);
    }
    sender.send(4_000, true, &[0x5c, 0x41, 8]);
    assert!(sender.take().is_empty() && sender.units.needs_key_frame());
    sender.send_key(7_000);
    assert_eq!(sender.take().len(), 1);
}

#[test]
fn a_picture_is_one_and_has_no_more_units_than_it_may() {
    let mut sender = Sender::new();
    sender.send_key(1_000);
    // A second picture behind the first, without a marker between them.
    sender.send(4_000, false, NEXT);
    sender.send(4_000, true, NEXT);
    assert_eq!((sender.take().len(), sender.units.needs_key_frame()), (1, true));
    // One behind the other, as many as there may be, and one more; in aggregation packets, which have room for many.
    // Of pictures that are as large as one may be.
    let large = sps(66, 1, 120, 68);
    sender.send(2_000, false, &large);
    sender.send(2_000, false, PPS);
    for (slices, is_taken) in [(MOST_UNITS, true), (MOST_UNITS + 1, false), (2_000, false)] {
        sender.send_key(7_000);
        assert_eq!(sender.take().len(), 1);
        let mut payload = vec![0x78];
        for number in 0..slices {
            let unit = slice(number);
            payload.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            payload.extend_from_slice(&unit);
        }
        sender.send(10_000, true, &payload);
        assert_eq!(sender.take().len(), usize::from(is_taken), "{slices}");
        assert_eq!(sender.units.needs_key_frame(), !is_taken);
        sender.send(13_000, true, NEXT);
        assert_eq!(sender.take().len(), usize::from(is_taken));
    }
}

#[test]
fn slices_of_a_picture_go_forward() {
    let mut sender = Sender::new();
    // Of 99 macroblocks.
    for (slices, is_taken) in [
        (&[0, 1, 50, 98][..], true),
        (&[0, 99], false),
        (&[0, 50, 50], false),
        (&[0, 50, 49], false),
        (&[0, 0], false),
        (&[1, 2], false),
    ] {
        sender.send_key(1_000);
        assert_eq!(sender.take().len(), 1);
        for (number, first) in (1..).zip(slices) {
            sender.send(4_000, number == slices.len(), &slice(*first));
        }
        assert_eq!(sender.take().len(), usize::from(is_taken), "{slices:?}");
        assert_eq!(sender.units.needs_key_frame(), !is_taken);
    }
    // Of which the first code has no end.
    sender.send_key(1_000);
    sender.take();
    sender.send(4_000, false, NEXT);
    sender.send(4_000, true, &[0x41, 0, 0x40]);
    assert_eq!((sender.take().len(), sender.units.needs_key_frame()), (0, true));
}

#[test]
fn units_that_hide_others_never_reach_the_decoder() {
    let large = sps(66, 16, 256, 144);
    for between in [&[0, 0, 1][..], &[0, 0, 0, 1], &[0, 0, 0], &[0, 0, 2]] {
        let unit = [&NEXT[..3], between, &large].concat();
        let fragments = [vec![0x5c, 0x81, 0x9a], [&[0x5c, 0x41][..], &unit[2..]].concat()];
        for payloads in [&[unit][..], &fragments] {
            let mut sender = Sender::new();
            sender.send_key(1_000);
            assert_eq!(sender.take().len(), 1);
            for (number, payload) in (1..).zip(payloads) {
                sender.send(4_000, number == payloads.len(), payload);
            }
            assert!(sender.take().is_empty(), "{between:?}");
            assert!(sender.units.needs_key_frame());
            assert_eq!(sender.units.refused.malformed, 1);
        }
    }
    // Zeros behind a unit are none of it.
    let mut sender = Sender::new();
    sender.send_key(1_000);
    sender.take();
    sender.send(4_000, true, &[NEXT, &[0, 0, 0, 0]].concat());
    assert_eq!(sender.take(), [stream(&[NEXT])]);
    assert_eq!(sender.units.refused, Refused::default());
}

/// Octets of which units and start codes are made more often than of random ones.
fn octet() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => Just(0_u8),
        3 => 1..3_u8,
        1 => Just(0x80_u8),
        2 => prop::sample::select(vec![0x41, 0x61, 0x65, 0x67, 0x68, 0x42, 0x06, 0x78, 0x5c, 0x85]),
        1 => any::<u8>(),
    ]
}

proptest! {
    /// What a decoder finds in a picture, which it splits at start codes.
    #[test]
    fn a_decoder_finds_what_was_looked_at(
        payloads in prop::collection::vec(
            (prop::collection::vec(octet(), 1..40), any::<bool>(), 0..3_u8, 0..4_u8),
            1..60,
        ),
    ) {
        let mut sender = Sender::new();
        let mut timestamp = 0;
        for (octets, marker, next, kind) in payloads {
            timestamp += u32::from(next == 0) * 3_000;
            match kind {
                0 => sender.send_key(timestamp),
                1 => sender.send(timestamp, marker, &[NEXT, &octets].concat()),
                2 => sender.send(timestamp, marker, &[&[0x5c, octets[0] & 0xc1], &octets[..]].concat()),
                _ => sender.send(timestamp, marker, &octets),
            }
        }
        for picture in sender.take() {
            let starts = picture.windows(3).enumerate().filter(|(_, octets)| *octets == [0, 0, 1]);
            let starts: Vec<usize> = starts.map(|(at, _)| at + 3).collect();
            let (mut pictures, mut ends) = (0, starts[1..].to_vec());
            ends.push(picture.len() + 4);
            for (start, end) in starts.iter().zip(&ends) {
                let unit = Nalu::new(&picture[*start..end - 4]).unwrap();
                prop_assert!(matches!(unit.kind(), 1 | 5 | 7 | 8), "{picture:?}");
                prop_assert!(unit.kind() != 7 || taken(unit).is_some(), "{picture:?}");
                pictures += u32::from(unit.begins_picture());
            }
            prop_assert_eq!(pictures, 1, "{:?}", picture);
        }
    }
}

/// A sequence parameter set of frames, with so many references and macroblocks across and down.
fn sps(profile: u8, references: u32, across: u32, down: u32) -> Vec<u8> {
    let mut bits = String::new();
    code(&mut bits, 0);
    if profile > 100 {
        // 4:2:0, ten bits; then two flags.
        [1, 2, 2].into_iter().for_each(|value| code(&mut bits, value));
        bits.push_str("00");
    }
    [0, 2, references].into_iter().for_each(|value| code(&mut bits, value));
    bits.push('0');
    [across - 1, down - 1].into_iter().for_each(|value| code(&mut bits, value));
    bits.push_str("11001");
    while !bits.len().is_multiple_of(8) {
        bits.push('0');
    }
    let octets = bits.as_bytes().chunks(8);
    let octets =
        octets.map(|byte| byte.iter().fold(0, |value, &bit| value << 1 | u8::from(bit == b'1')));
    [vec![0x67, profile, 0, 51], octets.collect()].concat()
}

/// A slice that begins with this macroblock, and is not of an IDR picture.
fn slice(first: u32) -> Vec<u8> {
    let mut bits = String::new();
    code(&mut bits, first);
    bits.push('1');
    while !bits.len().is_multiple_of(8) {
        bits.push('0');
    }
    let octets = bits.as_bytes().chunks(8);
    let octets =
        octets.map(|byte| byte.iter().fold(0, |value, &bit| value << 1 | u8::from(bit == b'1')));
    [vec![0x41], octets.collect(), vec![7]].concat()
}

/// An Exp-Golomb code.
fn code(bits: &mut String, value: u32) {
    let code = format!("{:b}", value + 1);
    bits.push_str(&"0".repeat(code.len() - 1));
    bits.push_str(&code);
}
