use super::*;
use proptest::prelude::*;

const RATE: u32 = 8_000;

fn audio(sequence: u16, timestamp: u32, millis: u64) -> PacketFacts {
    PacketFacts {
        sequence,
        timestamp,
        arrival: Instant::from_millis(millis),
        clock_rate: RATE,
        payload_bytes: 160,
        marker: false,
        kind: PacketKind::Audio,
        was_asked: false,
    }
}

fn after(packets: &[PacketFacts]) -> InterarrivalJitter {
    let mut jitter = InterarrivalJitter::default();
    for packet in packets {
        jitter.on_packet(packet);
    }
    jitter
}

#[test]
fn the_estimate_follows_a8_step_by_step() {
    let mut jitter = InterarrivalJitter::default();
    for (packet, scaled) in [
        (audio(1, 0, 0), 0),
        // 160 units apart on both clocks: d = 0; 0 + 0 - ((0 + 8) >> 4) = 0.
        (audio(2, 160, 20), 0),
        // 25 ms = 200 units for 160: d = 40; 0 + 40 - ((0 + 8) >> 4 = 0) = 40.
        (audio(3, 320, 45), 40),
        // 15 ms = 120 units for 160: d = 40; 40 + 40 - ((40 + 8) >> 4 = 3) = 77.
        (audio(4, 480, 60), 77),
        // On time: 77 + 0 - ((77 + 8) >> 4 = 5) = 72.
        (audio(5, 640, 80), 72),
    ] {
        jitter.on_packet(&packet);
        assert_eq!(jitter.scaled, scaled, "packet {}", packet.sequence);
    }
    // 72 / 16 = 4.5 units of 125 µs.
    assert_eq!(jitter.timestamp_units(), 4);
    assert_eq!(jitter.current(), Duration::from_nanos(562_500));
    // 77 / 16 * 125 µs.
    assert_eq!(jitter.take_interval_max(), Duration::from_nanos(601_562));
    assert_eq!(jitter.take_interval_max(), Duration::ZERO);
}

#[test]
fn the_difference_wraps_with_the_timestamp_and_with_the_sequence() {
    let start = u32::MAX - 159;
    // Timestamps: -160, 0, 160 modulo 2^32. The last comes 5 ms = 40 units late.
    let jitter = after(&[audio(65_534, start, 0), audio(65_535, 0, 20), audio(0, 160, 45)]);
    assert_eq!(jitter.scaled, 40);
}

#[test]
fn the_arrival_clock_wraps_too() {
    // 2^32 units of 8,000 Hz last 536,870,912 ms: the second arrival is 20 ms beyond the wrap.
    let wrap = 536_870_912;
    let jitter = after(&[audio(1, 0, wrap), audio(2, 160, wrap + 20), audio(3, 320, wrap + 45)]);
    assert_eq!(jitter.scaled, 40);
}

#[test]
fn reordered_packets_count_in_order_of_arrival() {
    // 1, 3, 2, 4 at 0, 40, 41, 60 ms.
    // 3: 320 - 320 = 0. 2: 8 - (-160) = 168 -> 0 + 168 - 0 = 168.
    // 4: 152 - 320 = -168 -> 168 + 168 - ((168 + 8) >> 4 = 11) = 325.
    let jitter = after(&[audio(1, 0, 0), audio(3, 320, 40), audio(2, 160, 41), audio(4, 480, 60)]);
    assert_eq!(jitter.scaled, 325);
}

#[test]
fn a_talkspurt_after_silence_disturbs_nothing() {
    let before = after(&[audio(1, 0, 0), audio(2, 160, 20), audio(3, 320, 45)]);
    // 400 ms of silence; the sender's timestamp went on by 300 ms only.
    let spurt = PacketFacts { marker: true, ..audio(4, 2_720, 445) };
    let mut with_marker = before;
    with_marker.on_packet(&spurt);
    assert_eq!(with_marker.scaled, 40);
    // The same jump without a marker: 2,400 units off the rhythm of 160, more than 1,600.
    let mut without = before;
    without.on_packet(&PacketFacts { marker: false, timestamp: 2_880, ..spurt });
    assert_eq!(without.scaled, 40);
    // The rhythm goes on behind it: 20 ms for 160 units.
    with_marker.on_packet(&audio(5, 2_880, 465));
    // 40 - ((40 + 8) >> 4) = 37.
    assert_eq!(with_marker.scaled, 37);
}

#[test]
fn a_marker_inside_the_rhythm_is_measured_as_any_packet() {
    let spurt = PacketFacts { marker: true, ..audio(3, 320, 45) };
    assert_eq!(after(&[audio(1, 0, 0), audio(2, 160, 20), spurt]).scaled, 40);
    // Also when every packet carries one.
    let marked: Vec<_> = [audio(1, 0, 0), audio(2, 160, 20), audio(3, 320, 45)]
        .map(|packet| PacketFacts { marker: true, ..packet })
        .to_vec();
    assert_eq!(after(&marked).scaled, 40);
}

#[test]
fn a_hold_during_which_the_timestamp_stood_still_is_no_jitter() {
    let both_sides =
        |gap: u64| after(&[audio(1, 0, 0), audio(2, 160, 20), audio(3, 320, 20 + gap)]);
    assert_eq!(both_sides(1_000).scaled, 0);
    // 999 ms = 7,992 units for 160: below the limit it is measured.
    assert_eq!(both_sides(999).scaled, 7_832);
}

#[test]
fn comfort_noise_and_telephone_events_are_not_compared() {
    for kind in [PacketKind::ComfortNoise, PacketKind::TelephoneEvent] {
        // Three packets with one timestamp, at 50, 70 and 90 ms, then audio where it belongs.
        let odd = |sequence, millis| PacketFacts { kind, ..audio(sequence, 400, millis) };
        let jitter = after(&[
            audio(1, 0, 0),
            audio(2, 160, 20),
            odd(3, 50),
            odd(4, 70),
            odd(5, 90),
            audio(6, 880, 113),
            audio(7, 1_040, 133),
        ]);
        assert_eq!(jitter.scaled, 0, "{kind:?}");
    }
}

#[test]
fn a_change_of_the_clock_keeps_the_duration() {
    let mut jitter = after(&[audio(1, 0, 0), audio(2, 160, 20), audio(3, 320, 45)]);
    let before = jitter.current();
    jitter.on_packet(&PacketFacts { clock_rate: 48_000, ..audio(4, 9, 60) });
    assert_eq!(jitter.scaled, 240);
    assert_eq!(jitter.current(), before);
}

#[test]
fn a_packet_without_a_clock_is_left_out() {
    let unknown = PacketFacts { clock_rate: 0, ..audio(2, 0, 500) };
    assert_eq!(after(&[audio(1, 0, 0), unknown, audio(3, 320, 40)]).scaled, 0);
}

#[test]
fn reported_jitter_converts_with_its_clock() {
    assert_eq!(jitter_duration(80, 8_000), Duration::from_millis(10));
    assert_eq!(jitter_duration(480, 48_000), Duration::from_millis(10));
}

proptest! {
    #[test]
    fn constant_delay_has_no_jitter(
        first: u16, timestamp: u32, start in 0u64..1 << 40, count in 2u32..200,
        step in prop::sample::select(vec![80u32, 160, 240, 480]),
    ) {
        let mut jitter = InterarrivalJitter::default();
        for n in 0..count {
            jitter.on_packet(&PacketFacts {
                sequence: first.wrapping_add(n as u16),
                timestamp: timestamp.wrapping_add(n * step),
                arrival: Instant::from_millis(start + u64::from(n * step / 8)),
                ..audio(0, 0, 0)
            });
        }
        prop_assert_eq!(jitter.scaled, 0);
    }

    #[test]
    fn arbitrary_packets_neither_panic_nor_exceed_what_they_differ_by(
        packets in prop::collection::vec((any::<u16>(), any::<u32>(), 0u64..5_000, any::<bool>(), 0u8..3, 0u32..100_000), 0..100),
    ) {
        let mut jitter = InterarrivalJitter::default();
        for (sequence, timestamp, millis, marker, kind, clock_rate) in packets {
            let kind = [PacketKind::Audio, PacketKind::ComfortNoise, PacketKind::TelephoneEvent]
                [usize::from(kind)];
            jitter.on_packet(&PacketFacts { marker, kind, clock_rate, ..audio(sequence, timestamp, millis) });
        }
        prop_assert!(jitter.current() < Duration::from_secs(10));
    }
}
