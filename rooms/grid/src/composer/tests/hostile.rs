//! Streams that are made to cost much.

use super::*;
use crate::MOST_UNITS;
use crate::access_units::PIECE;
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

thread_local! {
    /// Milliseconds of CPU time that were said to be used.
    static USED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

#[test]
fn slices_that_each_cost_a_picture_end_when_they_take_too_long() {
    // Each look at the time finds it so much later. Slices of one picture, or each of another; all reach its end.
    for (looks_at, step) in [(30, 0), (30, 2), (0, 2)] {
        let meter: fn() -> Duration = match looks_at {
            0 => || Duration::ZERO,
            _ => || Duration::from_millis(USED.replace(USED.get() + 30)),
        };
        let mut composer = Composer::metered(15, meter);
        composer.set_tiles(&[tile(1)]);
        let mut sequence = 0;
        send(&mut composer, &mut sequence, 0, &[sequence_set(), picture_set(), key()]);
        assert_eq!(composer.tally().decoded, 1, "{:?}", composer.tally());
        // One that is what it seems to be.
        send(&mut composer, &mut sequence, 3_000, &[skipping(0, 2)]);
        assert_eq!(composer.tally().decoded, 2, "{:?}", composer.tally());
        let count = if looks_at == 0 { 2 * PIECE + 1 } else { MOST_UNITS };
        let hidden: Vec<Vec<u8>> =
            (0..count).map(|number| skipping(number, 4 + step * number)).collect();
        let (before, began) = (composer.tally(), thread_time());
        send(&mut composer, &mut sequence, 6_000, &hidden);
        println!("{:?} of CPU time, {:?}", thread_time() - began, composer.tally());
        let units = composer.tally().units - before.units;
        if looks_at == 0 {
            // Where it does not take too long, all of it is looked at, as far as the decoder goes.
            assert!(units >= u64::from(PIECE), "{units}");
            continue;
        }
        // 150 ms are over when it is looked for the fifth time.
        assert!(units <= 5 * u64::from(PIECE), "{units}");
        assert_eq!(composer.tally().refused, before.refused + 1);
        // The half that was decoded is none of the next.
        send(&mut composer, &mut sequence, 9_000, &[sequence_set(), picture_set(), key()]);
        assert_eq!(composer.tally().decoded, before.decoded + 1, "{:?}", composer.tally());
    }
}

#[test]
fn slices_that_do_not_go_forward_and_too_many_never_reach_the_decoder() {
    let mut composer = Composer::new(15);
    composer.set_tiles(&[tile(1)]);
    let mut sequence = 0;
    let mut number = 0;
    for hidden in [
        // Two that begin, one twice, one before another, one behind the picture, and more than there may be.
        vec![0, 0],
        vec![0, 1, 1],
        vec![0, 600, 599],
        vec![0, WIDE * HIGH],
        vec![1],
        (0..MOST_UNITS + 1).collect(),
        (0..5_000).collect(),
    ] {
        let before = composer.tally();
        send(&mut composer, &mut sequence, number, &[sequence_set(), picture_set(), key()]);
        let slices: Vec<Vec<u8>> = hidden.iter().map(|first| skipping(*first, 2)).collect();
        send(&mut composer, &mut sequence, number + 3_000, &slices);
        let tally = composer.tally();
        assert_eq!(
            (tally.units - before.units, tally.decoded - before.decoded),
            (3, 1),
            "{hidden:?}"
        );
        assert_eq!(tally.refused - before.refused, 1);
        number += 6_000;
    }
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
