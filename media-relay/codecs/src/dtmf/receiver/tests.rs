use super::*;

fn packet(event: u8, duration: u16, end: bool) -> TelephoneEvent {
    TelephoneEvent { event, end, volume: 10, duration }
}

fn steps(packets: &[(u32, TelephoneEvent)]) -> Vec<EventStep> {
    let mut receiver = EventReceiver::default();
    packets.iter().flat_map(|(stamp, event)| receiver.take(*stamp, event)).flatten().collect()
}

fn pressed(event: u8) -> EventStep {
    EventStep::Pressed { event, volume: 10 }
}

#[test]
fn repeats_and_late_packets_are_one_key() {
    let got = steps(&[
        (100, packet(5, 160, false)),
        (100, packet(5, 480, true)),
        (100, packet(5, 320, false)),
        (100, packet(5, 480, true)),
        (100, packet(5, 480, true)),
    ]);
    assert_eq!(got, [pressed(5), EventStep::Released { event: 5, duration: 480 }]);
}

#[test]
fn the_same_key_twice_is_two() {
    let got = steps(&[
        (100, packet(5, 480, true)),
        (2_000, packet(5, 480, true)),
        // The first one's repeat comes late.
        (100, packet(5, 480, true)),
    ]);
    let released = EventStep::Released { event: 5, duration: 480 };
    assert_eq!(got, [pressed(5), released, pressed(5), released]);
}

#[test]
fn a_lost_end_is_told_by_the_next_key_or_by_giving_up() {
    let mut receiver = EventReceiver::default();
    receiver.take(0, &packet(1, 160, false));
    let next = receiver.take(1_000, &packet(2, 320, true));
    let expected = [
        Some(EventStep::Released { event: 1, duration: 160 }),
        Some(pressed(2)),
        Some(EventStep::Released { event: 2, duration: 320 }),
    ];
    assert_eq!(next, expected);
    assert_eq!(receiver.give_up(), None);
    receiver.take(5_000, &packet(3, 800, false));
    assert_eq!(receiver.give_up(), Some(EventStep::Released { event: 3, duration: 800 }));
    // What still comes of it is nothing new.
    assert_eq!(receiver.take(5_000, &packet(3, 960, true)), [None; 3]);
}

#[test]
fn another_event_under_the_same_timestamp_is_ignored() {
    let got = steps(&[(7, packet(1, 160, false)), (7, packet(2, 160, true))]);
    assert_eq!(got, [pressed(1)]);
}

proptest::proptest! {
    #[test]
    fn keys_are_pressed_and_let_go_by_turns(
        packets in proptest::collection::vec(
            (0..4_u32, 0..3_u8, proptest::prelude::any::<u16>(), proptest::prelude::any::<bool>()),
            0..60),
        scale in proptest::prelude::any::<u32>(),
    ) {
        let mut receiver = EventReceiver::default();
        let mut held = None;
        for (stamp, event, duration, end) in packets {
            let stamp = stamp.wrapping_mul(scale);
            for step in receiver.take(stamp, &packet(event, duration, end)).into_iter().flatten() {
                match step {
                    EventStep::Pressed { event, .. } => {
                        proptest::prop_assert_eq!(held.replace(event), None);
                    }
                    EventStep::Released { event, .. } => {
                        proptest::prop_assert_eq!(held.take(), Some(event));
                    }
                }
            }
        }
    }
}
