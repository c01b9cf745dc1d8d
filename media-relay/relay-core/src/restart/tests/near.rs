//! Sources that start over so near to where they were that only the timestamp tells it.

use super::*;
use std::collections::HashSet;

#[test]
fn less_than_a_hundred_back_another_timestamp_tells_that_a_source_started_over() {
    for back in [0, 1, 2, 50, 99, 100, 127] {
        for timestamp in [0, 30_000 * 160 - 1, 0x8000_0000, u32::MAX] {
            let mut rig = Rig::new(LegSecurity::Plain);
            let mut got = rig.run(SSRC, 30_000, 400);
            got.extend(rig.run_from(SSRC, 30_399 - back, timestamp, 300));
            assert_eq!(got.len(), 700, "{back}");
            // Once more, now that the numbers are ours.
            got.extend(rig.run_from(SSRC, 30_698 - back - back / 2, 77, 300));
            assert_eq!(got.len(), 1_000, "{back}");
            assert_continuous(&got);
        }
    }
}

#[test]
fn the_first_packets_of_what_started_over_may_be_lost_or_in_another_order() {
    for order in [vec![0, 2, 3], vec![0, 2, 1, 3], vec![1, 0, 2, 3], vec![0, 1, 3, 2]] {
        let mut rig = Rig::new(LegSecurity::Plain);
        assert_eq!(rig.run(SSRC, 1_000, 200).len(), 200);
        for n in order.iter().copied().chain(4..100) {
            let passed = rig.pass(SSRC, 1_150 + n, 7 + u32::from(n) * 160);
            assert!(passed.is_ok(), "{n} of {order:?}: {passed:?}");
            let again = rig.pass(SSRC, 1_150 + n, 7 + u32::from(n) * 160);
            assert_eq!(again, Err(DropReason::SrtpRepeated), "{n} of {order:?}");
        }
    }
}

#[test]
fn one_stray_packet_near_the_others_leaves_no_gap_either() {
    let mut rig = Rig::new(LegSecurity::Plain);
    let mut got = rig.run(SSRC, 1_000, 300);
    got.extend(rig.run_from(SSRC, 1_280, 7, 1));
    got.extend(rig.run(SSRC, 1_300, 100));
    let numbers: Vec<u16> = got.iter().map(|numbers| numbers.sequence).collect();
    assert_eq!(numbers, (1_000..1_401).collect::<Vec<_>>());
    assert_eq!(rig.run(SSRC, 1_390, 10).len(), 0, "these are repeated");
}

/// A file that is played in a loop, numbers and all: octet for octet what was sent before.
#[test]
fn a_source_that_goes_back_with_its_timestamps_is_heard_when_it_has_caught_up() {
    let mut rig = Rig::new(LegSecurity::Plain);
    assert_eq!(rig.run(SSRC, 1_000, 200).len(), 200);
    assert_eq!(rig.run(SSRC, 1_101, 199).len(), 100);
    assert!(rig.session.legs[1].made.is_none());
}

/// Both legs have SRTP: under the key that it has, a source cannot start over at all.
#[test]
fn a_source_that_has_srtp_starts_over_near_with_a_new_key() {
    let mut rig = Rig::new(srtp(1));
    rig.sender = Some(SrtpSender::new(&key(1)));
    let mut got = rig.run(SSRC, 30_000, 300);
    rig.session.apply(&plan(srtp(11)), rig.now);
    rig.sender = Some(SrtpSender::new(&key(11)));
    got.extend(rig.run_from(SSRC, 30_250, 9, 300));
    assert_eq!(got.len(), 600);
    assert_continuous(&got);
}

#[test]
fn a_leg_without_srtp_needs_no_memory_for_it() {
    let mut rig = Rig::new(LegSecurity::Plain);
    let [a, b] = &rig.session.legs;
    assert!(a.spare.is_none() && b.spare.as_ref().is_some_and(|spare| spare.stamps.is_some()));
    assert_eq!(rig.run(SSRC, 1_000, 10).len(), 10);
    // A key that is pressed takes it over.
    rig.session.make_for(LegSide::B, rig.now, &mut || 7);
    assert_eq!(rig.run_from(SSRC, 1_005, 3, 10).len(), 10);
    let mut unprotected = plan(LegSecurity::Plain);
    unprotected.legs[1].security = LegSecurity::Plain;
    rig.session.apply(&unprotected, rig.now);
    assert!(rig.session.legs[1].made.as_ref().is_some_and(|made| made.stamps.is_none()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// One source that starts over again and again, each time with other timestamps, whose packets are
    /// lost, come twice or, within a run, in another order: what is refused was sent before. Where packets
    /// of two runs are mixed some may be lost, or be sent twice under two numbers.
    #[test]
    fn nothing_but_repetitions_is_refused(
        // Before its first number SRTP has no place (RFC 3711 appendix A).
        begin in 1_000_u16..,
        runs in prop::collection::vec((-99..=0_i32, 2_usize..150), 1..12),
        fates in prop::collection::vec(0_u8..30, 64),
    ) {
        let mut sent: Vec<(u16, u32)> = Vec::new();
        let (mut next, mut highest) = (i32::from(begin), i32::from(begin));
        let mut fates = fates.iter().cycle();
        for (run, (jump, count)) in runs.into_iter().enumerate() {
            // Further back the distance alone tells it.
            next = (next + jump).max(highest - 98);
            let run_begins = sent.len();
            for n in 0..count as u32 {
                // No two runs share a timestamp.
                let packet = (next as u16, ((run as u32) << 20) | (n * 160));
                match fates.next() {
                    Some(0) => {}
                    Some(1) => sent.extend([packet, packet]),
                    Some(2) => sent.insert(sent.len().saturating_sub(2).max(run_begins), packet),
                    _ => sent.push(packet),
                }
                highest = highest.max(next);
                next += 1;
            }
        }
        let mut rig = Rig::new(LegSecurity::Plain);
        let mut passed = HashSet::new();
        for (sequence, timestamp) in sent {
            // The rig's receiver panics where an index comes twice.
            match rig.pass(SSRC, sequence, timestamp) {
                Ok(_) => {
                    passed.insert((sequence, timestamp));
                }
                Err(reason) => {
                    prop_assert_eq!(reason, DropReason::SrtpRepeated);
                    prop_assert!(passed.contains(&(sequence, timestamp)), "{sequence} was lost");
                }
            }
        }
    }
}
