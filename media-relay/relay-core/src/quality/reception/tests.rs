use super::*;
use proptest::prelude::*;

fn packet(sequence: u16) -> PacketFacts {
    PacketFacts {
        sequence,
        timestamp: u32::from(sequence) * 160,
        arrival: Instant::from_millis(u64::from(sequence) * 20),
        clock_rate: 8_000,
        payload_bytes: 160,
        marker: false,
        kind: PacketKind::Audio,
        was_asked: false,
    }
}

fn receive(reception: &mut Reception, sequences: impl IntoIterator<Item = u16>) -> Vec<Arrival> {
    sequences.into_iter().map(|sequence| reception.on_packet(&packet(sequence))).collect()
}

fn loss(expected: u64, lost: i64) -> LossCounts {
    LossCounts { expected, lost }
}

#[test]
fn nothing_received_is_nothing_expected() {
    let mut reception = Reception::new();
    assert_eq!(reception.cumulative(), loss(0, 0));
    assert_eq!(reception.take_interval(), loss(0, 0));
    assert_eq!(reception.highest_sequence(), None);
    assert_eq!(reception.burst_ratio(), 1.0);
}

#[test]
fn a_gap_is_lost_until_its_packets_come() {
    let mut reception = Reception::new();
    let arrivals = receive(&mut reception, [10, 11, 14, 12]);
    use Arrival::{InOrder, Probation, Reordered};
    assert_eq!(arrivals, [Probation, InOrder, InOrder, Reordered]);
    // 10 to 14: 5 expected, 4 received.
    assert_eq!(reception.cumulative(), loss(5, 1));
    assert_eq!((reception.reordered(), reception.packets()), (1, 4));
    assert_eq!((reception.pattern().received(), reception.pattern().lost()), (4, 1));
}

#[test]
fn wraps_extend_what_is_expected() {
    let mut reception = Reception::new();
    receive(&mut reception, [65_533, 65_534, 1, 0]);
    // 65533, 65534, 65535, 0, 1: 5 expected, 4 received.
    assert_eq!(reception.cumulative(), loss(5, 1));
    assert_eq!(reception.highest_sequence(), Some(0x0001_0001));
}

#[test]
fn duplicates_make_the_loss_negative_but_not_the_distinct_one() {
    let mut reception = Reception::new();
    let arrivals = receive(&mut reception, [1, 2, 2, 1, 4]);
    assert_eq!(arrivals[2..4], [Arrival::Duplicate, Arrival::Duplicate]);
    // 1 to 4: 4 expected, 5 received: 4 - 5 = -1 (A.3). Yet packet 3 never came.
    assert_eq!(reception.cumulative(), loss(4, -1));
    assert_eq!(reception.duplicated(), 2);
    assert_eq!(reception.pattern().lost(), 1);
}

#[test]
fn intervals_differ_from_the_whole() {
    let mut reception = Reception::new();
    receive(&mut reception, [1, 2, 4, 5]);
    assert_eq!(reception.take_interval(), loss(5, 1));
    // Packet 3 comes in the next interval with 6: 1 expected, 2 received: -1.
    receive(&mut reception, [3, 6]);
    assert_eq!(reception.take_interval(), loss(1, -1));
    assert_eq!(reception.cumulative(), loss(6, 0));
    assert_eq!(reception.take_interval(), loss(0, 0));
}

#[test]
fn a_packet_from_before_the_first_counts_as_received() {
    let mut reception = Reception::new();
    // Too far behind the beginning to know whether it came before it.
    assert_eq!(receive(&mut reception, [2, 1])[1], Arrival::Late);
    // A.3: base stays 2; 1 expected, 2 received.
    assert_eq!(reception.cumulative(), loss(1, -1));
}

#[test]
fn late_and_duplicate_are_told_apart_within_the_window() {
    let fresh = || {
        let mut reception = Reception::new();
        receive(&mut reception, (0..=200).filter(|s| ![137, 136].contains(s)));
        reception
    };
    // Highest 200, 64 remembered: 137 is the oldest.
    assert_eq!(fresh().on_packet(&packet(137)), Arrival::Reordered);
    assert_eq!(fresh().on_packet(&packet(138)), Arrival::Duplicate);
    let mut reception = fresh();
    assert_eq!(reception.on_packet(&packet(136)), Arrival::Late);
    // 201 expected, 199 + 1 received.
    assert_eq!(reception.cumulative(), loss(201, 1));
    // For the ear both are gone.
    assert_eq!(reception.pattern().lost(), 2);
    assert_eq!(reception.late(), 1);
}

#[test]
fn a_long_gap_is_loss_up_to_the_dropout_limit() {
    let mut reception = Reception::new();
    receive(&mut reception, [0, 1, 3_000]);
    // 2,999 ahead: below MAX_DROPOUT. 3,001 expected, 3 received.
    assert_eq!(reception.cumulative(), loss(3_001, 2_998));
    assert_eq!(reception.pattern().lost(), 2_998);
    // One run: 2998 / 1 * 3 / 3001.
    assert!((reception.burst_ratio() - 2_998.0 * 3.0 / 3_001.0).abs() < 1e-9);
}

#[test]
fn a_restart_is_no_loss() {
    let mut reception = Reception::new();
    receive(&mut reception, [0, 1, 3]);
    let arrivals = receive(&mut reception, [40_000, 40_001, 40_003]);
    assert_eq!(arrivals, [Arrival::Probation, Arrival::Restart, Arrival::InOrder]);
    // Before: 0 to 3, 4 expected, 3 received. After: 40000 to 40003, 4 expected, 3 received.
    assert_eq!(reception.cumulative(), loss(8, 2));
    assert_eq!(reception.pattern().lost(), 2);
    receive(&mut reception, [9, 10]);
    assert_eq!(reception.cumulative(), loss(10, 2));
    assert_eq!(reception.restarts(), 2);
}

#[test]
fn a_stray_jump_counts_for_nothing() {
    let mut reception = Reception::new();
    let arrivals = receive(&mut reception, [0, 1, 40_000, 2, 3]);
    assert_eq!(arrivals[2], Arrival::Probation);
    assert_eq!(reception.cumulative(), loss(4, 0));
    assert_eq!((reception.packets(), reception.restarts()), (5, 0));
}

#[test]
fn silence_hold_and_events_are_no_loss() {
    let mut reception = Reception::new();
    let at = |sequence, timestamp, millis, kind| PacketFacts {
        timestamp,
        arrival: Instant::from_millis(millis),
        kind,
        ..packet(sequence)
    };
    for facts in [
        at(1, 0, 0, PacketKind::Audio),
        at(2, 160, 20, PacketKind::Audio),
        at(3, 320, 40, PacketKind::ComfortNoise),
        at(4, 400_000, 50_000, PacketKind::Audio),
        at(5, 400_160, 50_020, PacketKind::TelephoneEvent),
        at(6, 400_160, 50_070, PacketKind::TelephoneEvent),
        at(7, 400_160, 50_120, PacketKind::TelephoneEvent),
        at(8, 401_120, 50_140, PacketKind::Audio),
        at(9, 401_280, 50_160, PacketKind::Audio),
    ] {
        reception.on_packet(&facts);
    }
    assert_eq!(reception.cumulative(), loss(9, 0));
    assert_eq!(reception.jitter(), Duration::ZERO);
    assert_eq!(reception.burst_ratio(), 1.0);
    assert_eq!(reception.payload_bytes(), 9 * 160);
}

proptest! {
    /// Against a model that keeps every number: nothing of the window's bookkeeping may show.
    #[test]
    fn counts_agree_with_a_list_of_all_packets(
        first: u16,
        moves in prop::collection::vec((1u64..90, 0u64..110), 1..300),
    ) {
        let mut reception = Reception::new();
        let start = 1 << 20;
        let mut seen = std::collections::BTreeMap::new();
        let mut highest = start;
        let mut send = |reception: &mut Reception, n: u64| {
            let facts = packet(first.wrapping_add((n - start) as u16));
            *seen.entry(n).or_insert(0) += 1;
            reception.on_packet(&facts)
        };
        send(&mut reception, start);
        let mut received = 1;
        for (ahead, behind) in moves {
            highest += if ahead > 70 { ahead } else { 1 + ahead % 3 };
            prop_assert_eq!(send(&mut reception, highest), Arrival::InOrder);
            received += 1;
            if behind < 64 && highest - behind > start {
                let arrival = send(&mut reception, highest - behind);
                prop_assert!(matches!(arrival, Arrival::Reordered | Arrival::Duplicate));
                received += 1;
            }
        }
        let expected = highest - start + 1;
        prop_assert_eq!(reception.cumulative(), loss(expected, expected as i64 - received));
        let distinct = seen.len() as u64;
        prop_assert_eq!(reception.pattern().received(), distinct);
        prop_assert_eq!(reception.pattern().lost(), expected - distinct);
        let again = seen.values().map(|count| count - 1).sum::<u64>();
        prop_assert_eq!(reception.duplicated(), again);
    }

    #[test]
    fn any_sequences_keep_the_sums_sound(sequences in prop::collection::vec(any::<u16>(), 0..300)) {
        let mut reception = Reception::new();
        let mut intervals = loss(0, 0);
        for chunk in sequences.chunks(7) {
            receive(&mut reception, chunk.iter().copied());
            intervals = sum(intervals, reception.take_interval());
        }
        prop_assert_eq!(intervals, reception.cumulative());
        let pattern = reception.pattern();
        prop_assert_eq!(pattern.received() + pattern.lost(), reception.cumulative().expected);
        prop_assert_eq!(reception.packets(), sequences.len() as u64);
    }
}
