use super::*;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// All packets until nothing waits, with the time that each was due.
fn drain(queue: &mut EventQueue) -> Vec<(u64, EventPacket)> {
    let mut packets = Vec::new();
    while let Some(due) = queue.deadline() {
        if let Some(packet) = queue.poll(due, due.as_millis() as u32 * 8, 8_000) {
            packets.push((due.as_millis(), packet));
        }
    }
    packets
}

#[test]
fn keys_follow_each_other_with_a_pause() {
    let mut queue = EventQueue::default();
    for event in [1, 1] {
        queue.push(event, Duration::from_millis(100), at(1_000)).unwrap();
    }
    let packets = drain(&mut queue);
    let due: Vec<u64> = packets.iter().map(|(due, _)| *due).collect();
    let first = [1_000, 1_020, 1_040, 1_060, 1_080, 1_100, 1_120];
    assert_eq!(due[..7], first);
    assert_eq!(due[7..], first.map(|at| at + 180));
    let markers: Vec<bool> = packets.iter().map(|(_, packet)| packet.marker).collect();
    assert_eq!(markers.iter().filter(|marker| **marker).count(), 2);
    assert!(markers[0] && markers[7]);
    let ends = packets.iter().filter(|(_, packet)| packet.event.end).count();
    assert_eq!(ends, 6, "three for each key");
    assert_eq!(packets[6].1.event.duration, 800);
    assert_eq!((packets[6].1.timestamp, packets[7].1.timestamp), (8_000, 1_180 * 8));
}

#[test]
fn a_key_lasts_long_enough_to_be_told_and_no_longer_than_a_key() {
    let mut queue = EventQueue::default();
    queue.push(0, Duration::ZERO, at(0)).unwrap();
    queue.push(0, Duration::from_secs(3_600), at(0)).unwrap();
    let durations: Vec<u16> = drain(&mut queue)
        .iter()
        .filter(|(_, packet)| packet.event.end)
        .map(|(_, packet)| packet.event.duration)
        .collect();
    assert_eq!(durations, [320, 320, 320, 48_000, 48_000, 48_000]);
}

#[test]
fn a_full_queue_refuses_and_forgets_nothing() {
    let mut queue = EventQueue::default();
    for key in 0..WAITING {
        queue.push(key as u8 % 16, Duration::ZERO, at(0)).unwrap();
    }
    assert_eq!(queue.push(0, Duration::ZERO, at(0)), None);
    let sent: Vec<u8> =
        drain(&mut queue).iter().filter(|(_, p)| p.marker).map(|(_, p)| p.event.event).collect();
    assert_eq!(sent, (0..WAITING).map(|key| key as u8 % 16).collect::<Vec<_>>());
    queue.push(3, Duration::ZERO, at(60_000)).unwrap();
    assert_eq!(queue.deadline(), Some(at(60_000)));
    queue.clear();
    assert_eq!(queue.deadline(), None);
}

#[test]
fn what_was_missed_is_not_sent_in_a_burst() {
    let mut queue = EventQueue::default();
    queue.push(5, Duration::from_secs(1), at(0)).unwrap();
    queue.poll(at(0), 0, 8_000).unwrap();
    // The worker was busy for a while.
    assert!(queue.poll(at(300), 0, 8_000).is_some());
    assert!(queue.poll(at(300), 0, 8_000).is_none());
    assert_eq!(queue.deadline(), Some(at(320)));
}
