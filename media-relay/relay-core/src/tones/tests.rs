use super::*;
use codecs::dtmf::{ToneDetector, ToneStep};
use rtp_proto::codecs::g711::decode_mu_law;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// Everything that is sent until `end`, each packet with its time.
fn sent(queue: &mut ToneQueue, from: u64, end: u64) -> Vec<(u64, TonePacket)> {
    let mut packets = Vec::new();
    for millis in from..end {
        while let Some(packet) = queue.poll(at(millis), millis as u32 * 8, Codec::Pcmu) {
            packets.push((millis, packet));
        }
    }
    packets
}

fn keys(packets: &[(u64, TonePacket)]) -> Vec<(u8, u32)> {
    let mut detector = ToneDetector::default();
    let (mut found, mut now) = (Vec::new(), packets.first().map_or(0, |(at, _)| *at));
    let mut tell = |step| {
        if let ToneStep::Released { event, millis } = step {
            found.push((event, millis));
        }
    };
    for (at, packet) in packets {
        // What is not sent is silent.
        detector.take(&vec![0; (*at - now) as usize * 8], &mut tell);
        detector.take(&packet.payload.map(decode_mu_law), &mut tell);
        now = *at + 20;
    }
    detector.take(&[0; 800], &mut tell);
    found
}

#[test]
fn keys_are_heard_in_order_with_pauses_between_equal_ones() {
    let mut queue = ToneQueue::default();
    for event in [5, 5, 11, 15] {
        queue.push(event, Some(Duration::from_millis(100)), at(0)).unwrap();
    }
    let packets = sent(&mut queue, 0, 2_000);
    assert_eq!(packets.len(), 20);
    let found = keys(&packets);
    assert_eq!(found.iter().map(|(event, _)| *event).collect::<Vec<_>>(), [5, 5, 11, 15]);
    assert!(found.iter().all(|(_, millis)| (90..=120).contains(millis)), "{found:?}");
    assert!(packets[0].1.marker && !packets[1].1.marker && packets[5].1.marker);
    assert_eq!(packets[6].1.timestamp - packets[5].1.timestamp, 160);
    assert_eq!((queue.is_playing(), queue.deadline()), (false, None));
}

#[test]
fn a_held_key_sounds_until_it_is_let_go_and_no_longer_than_is_allowed() {
    let mut queue = ToneQueue::default();
    queue.push(1, None, at(0)).unwrap();
    let begun = sent(&mut queue, 0, 500);
    assert!(queue.is_playing());
    queue.release(Duration::from_millis(510));
    let rest = sent(&mut queue, 500, 2_000);
    assert_eq!(begun.len() + rest.len(), 26, "of 20 ms");
    queue.push(2, None, at(3_000)).unwrap();
    assert_eq!(sent(&mut queue, 3_000, 20_000).len(), 300, "6 s");
}

#[test]
fn a_key_that_was_let_go_before_it_began_keeps_its_duration() {
    let mut queue = ToneQueue::default();
    queue.push(1, Some(Duration::from_millis(200)), at(0)).unwrap();
    queue.push(2, None, at(0)).unwrap();
    sent(&mut queue, 0, 50);
    queue.release(Duration::from_millis(100));
    let found = keys(&sent(&mut queue, 50, 2_000));
    assert_eq!(found.last().map(|(event, _)| *event), Some(2));
    assert!(found.last().is_some_and(|(_, millis)| (90..=120).contains(millis)), "{found:?}");
}

#[test]
fn durations_and_places_are_bounded() {
    let mut queue = ToneQueue::default();
    for _ in 0..WAITING {
        queue.push(1, Some(Duration::ZERO), at(0)).unwrap();
    }
    assert_eq!(queue.push(1, None, at(0)), None);
    assert_eq!(sent(&mut queue, 0, 200).len(), 6, "60 ms each, 80 ms apart");
    queue.clear();
    assert_eq!(queue.deadline(), None);
}

#[test]
fn what_is_late_is_not_made_up_for() {
    let mut queue = ToneQueue::default();
    queue.push(1, Some(Duration::from_secs(1)), at(0)).unwrap();
    assert!(queue.poll(at(0), 0, Codec::Pcma).is_some());
    assert!(queue.poll(at(900), 0, Codec::Pcma).is_some());
    assert!(queue.poll(at(900), 0, Codec::Pcma).is_none());
    assert_eq!(queue.deadline(), Some(at(920)));
}
