//! Streams that are made to cost much.

use super::*;
use crate::MOST_UNITS;
use crate::clock::thread_time;

/// Bits of a unit, and its octets.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: usize) -> &mut Self {
        self.0.extend((0..count).rev().map(|at| value >> at & 1 == 1));
        self
    }

    /// An Exp-Golomb code.
    fn code(&mut self, value: u32) -> &mut Self {
        let bits = 32 - (value + 1).leading_zeros() as usize;
        self.put(0, bits - 1).put(value + 1, bits)
    }

    /// The unit, with the octets that keep start codes out of it.
    fn unit(&mut self, header: u8) -> Vec<u8> {
        self.put(1, 1);
        self.0.resize(self.0.len().next_multiple_of(8), false);
        let (mut unit, mut zeros) = (vec![header], 0);
        for bits in self.0.chunks(8) {
            let octet = bits.iter().fold(0, |octet, bit| octet << 1 | u8::from(*bit));
            if zeros >= 2 && octet <= 3 {
                unit.push(3);
                zeros = 0;
            }
            zeros = if octet == 0 { zeros + 1 } else { 0 };
            unit.push(octet);
        }
        unit
    }
}

const WIDE: u32 = 120;
const HIGH: u32 = 68;

/// 1920x1088, baseline, level 4.0, with orders of pictures of eight bits.
fn sequence_set() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(66, 8).put(0, 8).put(40, 8).code(0).code(0).code(0).code(4).code(1).put(0, 1);
    bits.code(WIDE - 1).code(HIGH - 1).put(0b1100, 4);
    bits.unit(0x67)
}

fn picture_set() -> Vec<u8> {
    vec![0x68, 0xce, 0x3c, 0x80]
}

/// A key frame of grey.
fn key() -> Vec<u8> {
    let mut bits = Bits::default();
    // First macroblock, I, sets, frame, key frame's number, order; two marks, step, filter.
    bits.code(0).code(7).code(0).put(0, 4).code(0).put(0, 8).put(0, 2).code(0).code(1);
    for _ in 0..WIDE * HIGH {
        // Predicted as a whole from its neighbours, and nothing else.
        bits.code(3).code(0).code(0).code(0);
    }
    bits.unit(0x65)
}

/// A slice of another picture from this macroblock on, all of which is as it was.
fn skipping(first: u32, order: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.code(first).code(5).code(0).put(1, 4).put(order & 0xff, 8).put(0, 2).code(0);
    bits.code(1).code(WIDE * HIGH - first);
    bits.unit(0x01)
}

/// Sends units as aggregation packets of one picture.
fn send(composer: &mut Composer, sequence: &mut u16, timestamp: u32, units: &[Vec<u8>]) {
    let packets: Vec<&[Vec<u8>]> = units.chunks(100).collect();
    for (number, units) in packets.iter().enumerate() {
        let marker = number + 1 == packets.len();
        let header =
            RtpHeader { payload_type: 97, marker, sequence: *sequence, timestamp, ssrc: 9 };
        *sequence = sequence.wrapping_add(1);
        let mut packet = [&header.to_bytes()[..], &[0x78]].concat();
        for unit in *units {
            packet.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            packet.extend_from_slice(unit);
        }
        composer.packet(1, &packet);
    }
}

#[test]
fn a_call_has_few_pictures_however_many_are_hidden_in_one() {
    let mut composer = Composer::new(15);
    composer.set_tiles(&[tile(1)]);
    let mut sequence = 0;
    send(&mut composer, &mut sequence, 0, &[sequence_set(), picture_set(), key()]);
    assert_eq!(composer.tally().decoded, 1, "{:?}", composer.tally());
    // One that is what it seems to be.
    send(&mut composer, &mut sequence, 3_000, &[skipping(0, 2)]);
    assert_eq!(composer.tally().decoded, 2, "{:?}", composer.tally());
    // All slices but one leave out the first macroblock; each is of another picture, or all are of one.
    let hidden = |count: u32, step: u32| -> Vec<Vec<u8>> {
        (0..count).map(|number| skipping(number.min(1), 4 + step * number)).collect()
    };
    for step in [2, 0] {
        let (before, began) = (composer.tally(), thread_time());
        send(&mut composer, &mut sequence, 6_000 + step, &hidden(MOST_UNITS, step));
        println!("{:?} of CPU time, {:?}", thread_time() - began, composer.tally());
        assert_eq!(composer.tally().units - before.units, u64::from(MOST_UNITS));
        send(&mut composer, &mut sequence, 7_000 + step, &[sequence_set(), picture_set(), key()]);
    }
    // More never reach the decoder, nor do two that begin.
    let (before, began) = (composer.tally(), thread_time());
    send(&mut composer, &mut sequence, 9_000, &[sequence_set(), picture_set(), key()]);
    send(&mut composer, &mut sequence, 12_000, &hidden(5_000, 2));
    send(&mut composer, &mut sequence, 15_000, &[sequence_set(), picture_set(), key()]);
    let whole: Vec<Vec<u8>> = (0..5_000).map(|number| skipping(0, 4 + 2 * number)).collect();
    send(&mut composer, &mut sequence, 18_000, &whole);
    println!("{:?} of CPU time, {:?}", thread_time() - began, composer.tally());
    assert_eq!(composer.tally().units - before.units, 6);
    assert_eq!(composer.tally().decoded - before.decoded, 2);
}

#[test]
fn a_source_that_sends_more_than_its_level_is_not_decoded() {
    let mut meeting = Meeting::new();
    let mut camera = Camera::new(1, (1_920, 1_080), COLOURS[0]);
    meeting.composer.set_tiles(&[tile(1)]);
    // 50 pictures of 8,160 macroblocks in one turn: a second has time for 30.
    camera.send(&mut meeting.composer, true);
    for _ in 1..50 {
        camera.send(&mut meeting.composer, false);
    }
    let tally = meeting.composer.tally();
    assert_eq!(tally.decoded, 31);
    assert!(tally.refused >= 15, "{tally:?}");
    // A second later it is decoded again, from its next key frame on.
    meeting.turn(&mut []);
    meeting.turn += 16;
    assert_eq!(meeting.turn(&mut []), [1]);
    camera.send(&mut meeting.composer, true);
    assert_eq!(meeting.composer.tally().decoded, tally.decoded + 1);
}

#[test]
fn a_source_that_takes_too_much_time_is_not_decoded() {
    thread_local! {
        static USED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }
    // Each picture takes 200 ms, whatever its size.
    let meter = || Duration::from_millis(USED.replace(USED.get() + 200));
    let mut meeting = Meeting { composer: Composer::metered(15, meter), turn: 0 };
    let mut camera = Camera::new(1, (320, 180), COLOURS[0]);
    meeting.composer.set_tiles(&[tile(1)]);
    meeting.turn(&mut []);
    // Half of its thread is a source's: the first second's is used up by three.
    for turn in 0..10 {
        camera.send(&mut meeting.composer, turn == 0);
    }
    let tally = meeting.composer.tally();
    assert_eq!(tally.decoded, 3, "{tally:?}");
    assert!(tally.units >= 3 + 2 && tally.units <= 3 * u64::from(MOST_UNITS));
    // What was too much is made good before: 100 ms, which are 200 of the time that passes.
    let mut turns = 0;
    while meeting.composer.tally().decoded == 3 {
        camera.send(&mut meeting.composer, true);
        meeting.turn(&mut []);
        turns += 1;
        assert!(turns < 100);
    }
    assert!((4..=6).contains(&turns), "{turns}");
}
