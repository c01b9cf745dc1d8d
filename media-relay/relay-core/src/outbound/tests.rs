use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

const OTHER: u32 = 0xaaaa_0001;
const TOWARDS: u32 = 0xbbbb_0002;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn numbers(sequence: u16) -> Numbers {
    Numbers { ssrc: OTHER, sequence, timestamp: u32::from(sequence).wrapping_mul(160) }
}

/// After packet 100 at 2 s.
fn outbound() -> Outbound {
    Outbound::after(TOWARDS, numbers(100), at(2_000), 8_000)
}

#[test]
fn what_passes_makes_room_for_what_was_inserted() {
    let mut outbound = outbound();
    assert_eq!(outbound.insert(), 101);
    assert_eq!(outbound.insert(), 102);
    let next = outbound.pass(numbers(101), 8_000, at(2_020), false);
    assert_eq!(next, Numbers { ssrc: TOWARDS, sequence: 103, timestamp: 101 * 160 });
    assert_eq!(outbound.insert(), 104);
    assert_eq!(outbound.pass(numbers(102), 8_000, at(2_040), false).sequence, 105);
}

#[test]
fn what_comes_late_keeps_the_number_that_it_had() {
    let mut outbound = outbound();
    outbound.insert();
    // 103 overtakes 102, and a packet is inserted between them.
    assert_eq!(outbound.pass(numbers(101), 8_000, at(2_020), false).sequence, 102);
    assert_eq!(outbound.pass(numbers(103), 8_000, at(2_040), false).sequence, 104);
    assert_eq!(outbound.insert(), 105);
    assert_eq!(outbound.pass(numbers(102), 8_000, at(2_041), false).sequence, 103);
    assert_eq!(outbound.pass(numbers(99), 8_000, at(2_042), false).sequence, 99);
    assert_eq!(outbound.pass(numbers(104), 8_000, at(2_060), false).sequence, 106);
}

#[test]
fn a_gap_passes_as_the_gap_that_it_is() {
    let mut outbound = outbound();
    outbound.insert();
    assert_eq!(outbound.pass(numbers(105), 8_000, at(2_100), false).sequence, 106);
}

#[test]
fn another_source_goes_on_where_the_last_one_stood() {
    let mut outbound = outbound();
    outbound.insert();
    let first = Numbers { ssrc: 7, sequence: 60_000, timestamp: 5 };
    let passed = outbound.pass(first, 8_000, at(2_500), false);
    // Half a second after the last packet.
    assert_eq!(passed, Numbers { ssrc: TOWARDS, sequence: 102, timestamp: 16_000 + 4_000 });
    let second = Numbers { sequence: 60_001, timestamp: 165, ..first };
    assert_eq!(outbound.pass(second, 8_000, at(2_520), false).timestamp, 20_160);
}

#[test]
fn a_source_that_starts_over_goes_on_too() {
    let mut outbound = Outbound::after(TOWARDS, numbers(30_000), at(2_000), 8_000);
    outbound.insert();
    assert_eq!(outbound.pass(numbers(3), 8_000, at(2_020), false).sequence, 30_002);
    assert_eq!(outbound.pass(numbers(4), 8_000, at(2_040), false).sequence, 30_003);
}

#[test]
fn before_anything_has_passed_the_numbers_are_those_that_were_drawn() {
    let last = Sent { sequence: u16::MAX, timestamp: 10, at: at(0), clock_rate: 48_000 };
    let mut outbound = Outbound::new(TOWARDS, last);
    assert_eq!(outbound.insert(), 0);
    assert_eq!(outbound.timestamp_at(at(20)), 970);
    assert_eq!(outbound.pass(numbers(7), 48_000, at(40), false).sequence, 1);
}

proptest! {
    /// Whatever is lost, comes late or is inserted in between: the leg never sees a number twice.
    #[test]
    fn no_number_is_given_twice(
        begin: u16,
        steps in prop::collection::vec((0_u16..4, any::<bool>(), any::<bool>()), 1..200),
    ) {
        let mut outbound = Outbound::after(TOWARDS, numbers(begin), at(0), 8_000);
        let mut given = HashSet::from([begin]);
        let (mut sequence, mut late) = (begin, None);
        for (lost, insert, reorder) in steps {
            sequence = sequence.wrapping_add(lost + 1);
            if insert {
                prop_assert!(given.insert(outbound.insert()));
            }
            if reorder && late.is_none() {
                late = Some(sequence);
                continue;
            }
            prop_assert!(given.insert(outbound.pass(numbers(sequence), 8_000, at(0), false).sequence));
            if let Some(late) = late.take() {
                prop_assert!(given.insert(outbound.pass(numbers(late), 8_000, at(0), false).sequence));
            }
        }
    }

    /// Any packets at all: no panic.
    #[test]
    fn anything_passes(packets in prop::collection::vec((0_u32..3, any::<u16>(), any::<u32>()), 0..100)) {
        let mut outbound = outbound();
        for (ssrc, sequence, timestamp) in packets {
            let numbers = Numbers { ssrc, sequence, timestamp };
            prop_assert_eq!(outbound.pass(numbers, timestamp, at(u64::from(sequence)), false).ssrc, TOWARDS);
            outbound.insert();
        }
    }
}

#[test]
fn what_is_left_out_leaves_no_gap() {
    let mut outbound = outbound();
    outbound.skip(numbers(101), at(2_020));
    outbound.skip(numbers(102), at(2_040));
    assert_eq!(outbound.pass(numbers(103), 8_000, at(2_060), false).sequence, 101);
    // What the network lost stays lost.
    outbound.skip(numbers(105), at(2_100));
    assert_eq!(outbound.pass(numbers(106), 8_000, at(2_120), false).sequence, 103);
}

#[test]
fn inserted_in_the_place_of_what_is_left_out_keeps_the_count() {
    let mut outbound = outbound();
    for number in 0..500_u16 {
        assert_eq!(outbound.insert(), 101 + number);
        outbound.skip(numbers(101 + number), at(2_020 + u64::from(number) * 20));
    }
    assert_eq!(outbound.pass(numbers(601), 8_000, at(20_000), false).sequence, 601);
    // One that comes late has nothing to leave free any more.
    outbound.skip(numbers(600), at(20_001));
    assert_eq!(outbound.pass(numbers(602), 8_000, at(20_020), false).sequence, 602);
}

/// RFC 3550 appendix A.1: so far ahead is no gap but a source that started over.
#[test]
fn a_jump_of_the_sequence_leaves_no_gap_and_a_gap_stays_one() {
    for (ahead, told) in [(2_999, 100 + 2_999), (3_000, 101), (20_000, 101), (40_000, 101)] {
        let mut outbound = outbound();
        let first = outbound.pass(numbers(100_u16.wrapping_add(ahead)), 8_000, at(2_020), false);
        assert_eq!((first.ssrc, first.sequence), (TOWARDS, told), "{ahead}");
        let next = outbound.pass(numbers(101_u16.wrapping_add(ahead)), 8_000, at(2_040), false);
        assert_eq!(next.sequence, told + 1);
        assert_eq!(next.timestamp.wrapping_sub(first.timestamp), 160, "{ahead}");
    }
}

/// A clock that is set leaves numbers and source as they are: the leg sees the jump that there was.
#[test]
fn a_timestamp_that_is_reset_passes_as_it_is() {
    let mut outbound = outbound();
    let reset = Numbers { timestamp: 7, ..numbers(101) };
    assert_eq!(outbound.pass(reset, 8_000, at(2_020), false), Numbers { ssrc: TOWARDS, ..reset });
    let next = Numbers { timestamp: 167, ..numbers(102) };
    assert_eq!(outbound.pass(next, 8_000, at(2_040), false).timestamp, 167);
}

proptest! {
    /// Whatever was inserted, a number that the leg saw leads back to the packet that had it.
    #[test]
    fn a_number_leads_back_to_the_packet_that_had_it(steps in proptest::collection::vec(0_u8..5, 1..200)) {
        let mut outbound = outbound();
        let (mut next, mut seen, mut made, mut skipped) =
            (101_u16, Vec::new(), Vec::new(), HashSet::new());
        for (index, step) in steps.into_iter().enumerate() {
            match step {
                0 => made.push((index, outbound.insert())),
                1 => {
                    outbound.skip(numbers(next), at(2_000));
                    skipped.insert(next);
                }
                _ => seen.push((index, next, outbound.pass(numbers(next), 8_000, at(2_000), false).sequence)),
            }
            next += u16::from(step != 0);
            // As far back as the changes are remembered.
            let recent = |then: usize| index - then < STEPS;
            for (_, own, told) in seen.iter().filter(|seen| recent(seen.0)) {
                prop_assert_eq!(outbound.original(OTHER, *told), Some(*own));
            }
            for (_, told) in made.iter().filter(|made| recent(made.0)) {
                let original = outbound.original(OTHER, *told);
                prop_assert!(original.is_none_or(|own| skipped.contains(&own)));
            }
        }
        prop_assert_eq!(outbound.original(OTHER + 1, 101), None);
    }
}

/// RFC 3550 appendix A.1: a jump that the next packet does not confirm was a stray packet.
#[test]
fn what_went_on_before_a_stray_packet_goes_on_behind_it() {
    let mut outbound = outbound();
    for (own, told) in
        [(101, 101), (20_000, 102), (102, 103), (60_000, 104), (40_000, 105), (105, 108)]
    {
        assert_eq!(outbound.pass(numbers(own), 8_000, at(2_000), false).sequence, told, "{own}");
    }
    // What is late keeps the place that it had.
    assert_eq!(outbound.pass(numbers(104), 8_000, at(2_000), false).sequence, 107);
    // Two in sequence are a source that started over.
    for (own, told) in [(20_000, 109), (20_001, 110), (20_003, 112)] {
        assert_eq!(outbound.pass(numbers(own), 8_000, at(2_000), false).sequence, told, "{own}");
    }
}

/// The numbers before a source's first are those of what passed before it.
#[test]
fn what_comes_late_of_before_a_sources_first_packet_takes_no_number_twice() {
    let mut outbound = outbound();
    for (own, told) in [(20_001, 101), (20_000, 102), (20_002, 104), (20_003, 105)] {
        assert_eq!(outbound.pass(numbers(own), 8_000, at(2_000), false).sequence, told, "{own}");
    }
}

/// Half of all sequence numbers later, serial arithmetic takes what is long past for what lies ahead.
#[test]
fn numbers_go_on_however_long_ago_something_was_inserted() {
    let mut outbound = outbound();
    for _ in 0..7 {
        outbound.insert();
    }
    outbound.skip(numbers(101), at(2_020));
    let own = (102..200_000_u32).map(|own| own as u16).filter(|own| own % 50 > 1);
    for (step, own) in own.enumerate() {
        let given = outbound.pass(numbers(own), 8_000, at(2_040), false).sequence;
        assert_eq!(given.wrapping_sub(own), 6, "packet {step}");
        if step % 97 == 0 {
            let late = own.wrapping_sub(1 + (step % 900) as u16);
            let given = outbound.pass(numbers(late), 8_000, at(2_040), false).sequence;
            assert!(given.wrapping_sub(late) == 6 || step < 1_000, "{late} behind {own}");
        }
    }
}

#[test]
fn a_source_is_steady_when_nothing_late_can_be_of_before_the_last_change() {
    let mut outbound = outbound();
    let steady = |outbound: &Outbound| outbound.steady(OTHER);
    for own in 101..200 {
        outbound.pass(numbers(own), 8_000, at(2_000), false);
        assert_eq!(steady(&outbound), None, "{own}");
    }
    outbound.pass(numbers(200), 8_000, at(2_000), false);
    let expected =
        FastNumbers { ssrc: TOWARDS, sequence_offset: 0, timestamp_offset: 0, span: 3_098 };
    assert_eq!(steady(&outbound), Some(expected));
    assert_eq!(outbound.steady_from(), Some(101), "the first after the change");
    assert_eq!(outbound.steady(OTHER + 1), None, "another source");
    outbound.insert();
    assert_eq!(steady(&outbound), None);
    outbound.pass(numbers(300), 8_000, at(2_000), false);
    assert_eq!(steady(&outbound).unwrap().sequence_offset, 1);
    // A jump that nothing has confirmed, and then the source as it was, with a number more.
    outbound.pass(numbers(20_000), 8_000, at(2_000), false);
    assert_eq!(steady(&outbound), None);
    outbound.pass(numbers(301), 8_000, at(2_000), false);
    assert_eq!(steady(&outbound), None);
    outbound.pass(numbers(400), 8_000, at(2_000), false);
    assert_eq!(steady(&outbound).unwrap().sequence_offset, 2);
    outbound.part();
    assert_eq!((steady(&outbound), outbound.steady_from()), (None, None));
}

/// Notes are read late: something was left out, inserted, or begun meanwhile.
#[test]
fn what_passes_follows_what_was_given_without_asking() {
    let given = |own: u16| Numbers { ssrc: TOWARDS, ..numbers(own) };
    let ask = |outbound: &mut Outbound, own| {
        outbound.pass(numbers(own), 8_000, at(9_000), false).sequence
    };
    let noted = |outbound: &mut Outbound, own| {
        outbound.passed(numbers(own), given(own), 8_000, at(8_000));
    };
    // Packets are left out while the next one is given its old place.
    let mut outbound = outbound();
    for own in 101..=110 {
        outbound.skip(numbers(own), at(8_000));
    }
    noted(&mut outbound, 111);
    assert_eq!(outbound.timestamp_at(at(8_020)), 111 * 160 + 160);
    assert_eq!((ask(&mut outbound, 112), outbound.insert()), (112, 113));
    // A packet is inserted before one is noted that had its number.
    outbound.insert();
    noted(&mut outbound, 113);
    assert_eq!(ask(&mut outbound, 114), 116);
    // Nothing passes any more: something is played.
    outbound.part();
    noted(&mut outbound, 200);
    assert_eq!(outbound.insert(), 201);
    assert_eq!(ask(&mut outbound, 201), 202);
    // Another source has begun.
    let other = Numbers { ssrc: 7, sequence: 9, timestamp: 0 };
    assert_eq!(outbound.pass(other, 8_000, at(9_020), false).sequence, 203);
    noted(&mut outbound, 210);
    let next = Numbers { sequence: 10, ..other };
    assert_eq!(outbound.pass(next, 8_000, at(9_040), false).sequence, 211);
}

proptest! {
    /// What is steady is given what it would be given if it asked; what is not among those numbers need
    /// not ask in vain.
    #[test]
    fn what_is_steady_need_not_ask(
        begin: u16,
        inserted in 0_u16..40,
        steps in prop::collection::vec((-120_i32..3_100, any::<bool>()), 1..300),
    ) {
        let mut asked = Outbound::after(TOWARDS, numbers(begin), at(0), 8_000);
        (0..inserted).for_each(|_| { asked.insert(); });
        let first = (1..=100).map(|own| begin.wrapping_add(own));
        first.for_each(|own| { asked.pass(numbers(own), 8_000, at(0), false); });
        let mut noted = asked.clone();
        let mut highest = begin.wrapping_add(100);
        for (ahead, by_sockets) in steps {
            let ahead = if ahead % 7 > 0 { 1 } else { ahead };
            let own = numbers(highest.wrapping_add_signed(ahead as i16));
            let steady = noted.steady(OTHER).zip(noted.steady_from());
            let steady = steady.filter(|(numbers, from)| {
                !by_sockets && own.sequence.wrapping_sub(*from) <= numbers.span
            });
            let told = asked.pass(own, 8_000, at(0), false);
            let Some((steady, _)) = steady else {
                prop_assert_eq!(noted.pass(own, 8_000, at(0), false), told);
                highest = own.sequence;
                continue;
            };
            if is_after(own.sequence, highest) {
                highest = own.sequence;
            }
            let given = Numbers {
                ssrc: steady.ssrc,
                sequence: own.sequence.wrapping_add(steady.sequence_offset),
                timestamp: own.timestamp.wrapping_add(steady.timestamp_offset),
            };
            prop_assert_eq!(given, told);
            noted.passed(own, given, 8_000, at(0));
        }
        prop_assert_eq!(noted.insert(), asked.insert());
    }
}
