use super::*;
use crate::dtmf::{EventReceiver, EventStep};

fn all(sender: &mut EventSender) -> Vec<EventPacket> {
    std::iter::from_fn(|| sender.poll_packet()).take(2_000).collect()
}

#[test]
fn a_key_of_50_ms_is_three_packets_and_two_repeats() {
    let mut sender = EventSender::new(160);
    sender.press(5, 10, 1_000, Some(400));
    let packets = all(&mut sender);
    let seen: Vec<(u16, bool, bool)> =
        packets.iter().map(|p| (p.event.duration, p.event.end, p.marker)).collect();
    // RFC 4733 section 2.5.1: the last one three times, unchanged; a marker on the first.
    let expected = [
        (160, false, true),
        (320, false, false),
        (400, true, false),
        (400, true, false),
        (400, true, false),
    ];
    assert_eq!(seen, expected);
    assert!(packets.iter().all(|p| (p.timestamp, p.event.event, p.event.volume) == (1_000, 5, 10)));
    assert!(!sender.is_active());
}

#[test]
fn a_key_that_is_held_ends_when_it_is_let_go() {
    let mut sender = EventSender::new(160);
    sender.press(11, 7, 0, None);
    for expected in [160, 320, 480] {
        let packet = sender.poll_packet().unwrap();
        assert_eq!((packet.event.duration, packet.event.end), (expected, false));
    }
    sender.release();
    let rest = all(&mut sender);
    assert_eq!(rest.len(), 3);
    assert!(rest.iter().all(|p| (p.event.duration, p.event.end) == (640, true)));
    sender.release();
    assert_eq!(sender.poll_packet(), None);
}

#[test]
fn a_long_key_goes_on_in_segments_that_a_receiver_joins() {
    let mut sender = EventSender::new(160);
    sender.press(1, 10, u32::MAX - 5, Some(150_000));
    let mut receiver = EventReceiver::default();
    let mut steps = Vec::new();
    let mut stamps = Vec::new();
    for packet in all(&mut sender) {
        if stamps.last() != Some(&packet.timestamp) {
            stamps.push(packet.timestamp);
        }
        steps.extend(receiver.take(packet.timestamp, &packet.event).into_iter().flatten());
    }
    assert_eq!(stamps.len(), 3);
    assert_eq!(stamps[1].wrapping_sub(stamps[0]), 65_440);
    let expected = [
        EventStep::Pressed { event: 1, volume: 10 },
        EventStep::Released { event: 1, duration: 150_000 },
    ];
    assert_eq!(steps, expected);
}

#[test]
fn another_key_takes_over_at_once() {
    let mut sender = EventSender::new(0);
    sender.press(1, 10, 0, None);
    sender.poll_packet();
    sender.press(2, 10, 800, Some(0));
    let packets = all(&mut sender);
    assert_eq!(packets.len(), 3);
    assert!(packets.iter().all(|p| p.event.event == 2 && p.event.end && p.timestamp == 800));
    assert!(packets[0].marker && !packets[1].marker);
}
