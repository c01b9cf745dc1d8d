use super::super::PacketKind;
use super::*;
use model::Instant;

fn packet(sequence: u16, millis: u64) -> PacketFacts {
    PacketFacts {
        sequence,
        timestamp: u32::from(sequence) * 160,
        arrival: Instant::from_millis(millis),
        clock_rate: 8_000,
        payload_bytes: 100,
        marker: false,
        kind: PacketKind::Audio,
        was_asked: false,
    }
}

fn receive(totals: &mut StreamTotals, ssrc: u32, sequences: impl IntoIterator<Item = u16>) {
    for sequence in sequences {
        totals.on_packet(ssrc, &packet(sequence, u64::from(sequence) * 20));
    }
}

#[test]
fn totals_go_on_when_the_source_changes() {
    let mut totals = StreamTotals::new();
    receive(&mut totals, 1, [0, 1, 3]);
    receive(&mut totals, 2, [50_000, 50_001]);
    receive(&mut totals, 3, [9, 10, 10, 13]);
    // 4 expected, 1 lost; 2 and 0; 9 to 13: 5 expected, 4 received.
    assert_eq!(totals.cumulative(), LossCounts { expected: 11, lost: 2 });
    // Distinct: 3 of 4, 2 of 2, 3 of 5.
    assert_eq!(totals.distinct_loss(), LossCounts { expected: 11, lost: 3 });
    assert_eq!((totals.packets(), totals.payload_bytes()), (9, 900));
    assert_eq!((totals.duplicated(), totals.ssrc_changes()), (1, 2));
    assert_eq!(totals.ssrc(), Some(3));
}

#[test]
fn two_alternating_sources_keep_their_places() {
    let mut totals = StreamTotals::new();
    for n in 0..10 {
        receive(&mut totals, 1, [n]);
        // The other one loses every second packet.
        receive(&mut totals, 2, [30_000 + 2 * n]);
    }
    // 10 and 0; 30000 to 30018: 19 expected, 10 received.
    assert_eq!(totals.cumulative(), LossCounts { expected: 29, lost: 9 });
}

#[test]
fn an_interval_spans_a_change_of_source() {
    let mut totals = StreamTotals::new();
    receive(&mut totals, 1, [0, 1]);
    assert_eq!(
        totals.take_interval(IntervalReader::Record).loss,
        LossCounts { expected: 2, lost: 0 }
    );
    receive(&mut totals, 1, [3]);
    receive(&mut totals, 2, [100, 101]);
    receive(&mut totals, 3, [7, 7]);
    let interval = totals.take_interval(IntervalReader::Record);
    // 2 and 3 of source 1, two of source 2, one of source 3, that came twice.
    assert_eq!(interval.loss, LossCounts { expected: 5, lost: 0 });
    assert_eq!(interval.distinct_loss, LossCounts { expected: 5, lost: 1 });
    assert_eq!(interval.packets, 5);
    let quiet = totals.take_interval(IntervalReader::Record);
    assert_eq!(quiet.loss, LossCounts::default());
    assert_eq!((quiet.packets, quiet.jitter_max, quiet.burst_ratio), (0, Duration::ZERO, 1.0));
}

#[test]
fn the_jitter_of_a_folded_source_stays_in_its_interval() {
    let mut totals = StreamTotals::new();
    // 30 ms = 240 units for 160: d = 80; 80 / 16 = 5 units = 625 µs.
    for (sequence, millis) in [(1, 0), (2, 20), (3, 50)] {
        totals.on_packet(1, &packet(sequence, millis));
    }
    assert_eq!(totals.jitter(), Duration::from_micros(625));
    receive(&mut totals, 2, [1]);
    receive(&mut totals, 3, [1]);
    assert_eq!(totals.jitter(), Duration::ZERO);
    assert_eq!(totals.take_interval(IntervalReader::Record).jitter_max, Duration::from_micros(625));
    assert_eq!(totals.take_interval(IntervalReader::Record).jitter_max, Duration::ZERO);
}

#[test]
fn a_new_source_with_every_packet_loses_nothing_and_stays_small() {
    let mut totals = StreamTotals::new();
    for ssrc in 0..1_000 {
        receive(&mut totals, ssrc, [ssrc as u16]);
    }
    assert_eq!(totals.cumulative(), LossCounts { expected: 1_000, lost: 0 });
    assert!(size_of::<StreamTotals>() < 1_024, "{}", size_of::<StreamTotals>());
}

#[test]
fn the_readers_take_their_intervals_apart() {
    let mut totals = StreamTotals::new();
    for sequence in 0..10 {
        totals.on_packet(1, &packet(sequence, u64::from(sequence) * 20));
    }
    // Late by 10 ms: an estimate of 625 us, and less with every packet after.
    totals.on_packet(1, &packet(10, 210));
    let live = totals.take_interval(IntervalReader::Live);
    assert_eq!((live.packets, live.jitter_max), (11, Duration::from_micros(625)));
    for sequence in 11..16 {
        totals.on_packet(1, &packet(sequence, u64::from(sequence) * 20 + 10));
    }
    let live = totals.take_interval(IntervalReader::Live);
    assert_eq!(live.packets, 5);
    assert!(live.jitter_max < Duration::from_micros(625), "{:?}", live.jitter_max);
    let record = totals.take_interval(IntervalReader::Record);
    assert_eq!((record.packets, record.jitter_max), (16, Duration::from_micros(625)));
    assert_eq!(record.loss, LossCounts { expected: 16, lost: 0 });
    assert_eq!(totals.take_interval(IntervalReader::Live).packets, 0);
}
