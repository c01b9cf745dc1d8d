use super::*;
use codecs::dtmf::Listener;
use codecs::dtmf::{ToneDetector, ToneStep};

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn queue() -> ToneQueue {
    ToneQueue::new(AudioFormat::Pcmu).unwrap()
}

/// Everything that is sent until `end`, each packet with its time.
fn sent(queue: &mut ToneQueue, from: u64, end: u64) -> Vec<(u64, TonePacket, Vec<u8>)> {
    let mut packets = Vec::new();
    for millis in from..end {
        let mut payload = [0; LONGEST_PAYLOAD];
        while let Some(packet) = queue.poll(at(millis), millis as u32 * 8, &mut payload) {
            packets.push((millis, packet, payload[..packet.len].to_vec()));
        }
    }
    packets
}

fn keys(packets: &[(u64, TonePacket, Vec<u8>)]) -> Vec<(u8, u32)> {
    keys_in(AudioFormat::Pcmu, packets)
}

fn keys_in(format: AudioFormat, packets: &[(u64, TonePacket, Vec<u8>)]) -> Vec<(u8, u32)> {
    let mut listener = Listener::new(format).unwrap();
    let mut detector = ToneDetector::default();
    let (mut found, mut now) = (Vec::new(), packets.first().map_or(0, |(at, ..)| *at));
    let mut tell = |step| {
        if let ToneStep::Released { event, millis } = step {
            found.push((event, millis));
        }
    };
    for (at, _, payload) in packets {
        // What is not sent is silent.
        let gap = at.saturating_sub(now) as usize * 8;
        detector.take(&vec![0; gap], &mut tell);
        let heard = listener.listen(payload);
        now = *at + heard.len() as u64 / 8;
        detector.take(heard, &mut tell);
    }
    detector.take(&[0; 800], &mut tell);
    found
}

#[test]
fn keys_are_heard_in_order_with_pauses_between_equal_ones() {
    let mut queue = queue();
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
    let mut queue = queue();
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
    let mut queue = queue();
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
    let mut queue = queue();
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
    let mut queue = queue();
    queue.push(1, Some(Duration::from_secs(1)), at(0)).unwrap();
    let mut payload = [0; LONGEST_PAYLOAD];
    assert!(queue.poll(at(0), 0, &mut payload).is_some());
    assert!(queue.poll(at(900), 0, &mut payload).is_some());
    assert!(queue.poll(at(900), 0, &mut payload).is_none());
    assert_eq!(queue.deadline(), Some(at(920)));
}

#[test]
fn every_key_is_heard_in_every_format() {
    for (format, ticks) in [
        (AudioFormat::Pcma, 160),
        (AudioFormat::G722, 160),
        (AudioFormat::L16 { sample_rate: 8_000 }, 160),
        (AudioFormat::L16 { sample_rate: 16_000 }, 320),
        // 20 ms would be 1,920 octets.
        (AudioFormat::L16 { sample_rate: 48_000 }, 480),
        (AudioFormat::Opus, 960),
    ] {
        for millis in [60, 100, 250] {
            let mut queue = ToneQueue::new(format).unwrap();
            for event in 0..16 {
                queue.push(event, Some(Duration::from_millis(millis)), at(0)).unwrap();
            }
            let packets = sent(&mut queue, 0, 8_000);
            let found = keys_in(format, &packets);
            let events: Vec<u8> = found.iter().map(|(event, _)| *event).collect();
            assert_eq!(events, (0..16).collect::<Vec<_>>(), "{format:?} {millis}");
            for (_, found) in found {
                assert!(u64::from(found).abs_diff(millis) <= 40, "{format:?} {millis}: {found}");
            }
            assert_eq!(packets[1].1.timestamp - packets[0].1.timestamp, ticks);
            assert!(packets[0].1.marker && !packets[1].1.marker);
        }
    }
}

#[test]
fn a_leg_that_changes_its_format_hears_the_keys_that_wait_in_the_new_one() {
    let mut queue = queue();
    for event in [1, 2, 3] {
        queue.push(event, Some(Duration::from_millis(100)), at(0)).unwrap();
    }
    sent(&mut queue, 0, 30);
    queue.speak(AudioFormat::Pcma);
    assert!(queue.is_playing(), "of the same sample rate");
    queue.speak(AudioFormat::G722);
    assert!(!queue.is_playing());
    let found = keys_in(AudioFormat::G722, &sent(&mut queue, 30, 1_000));
    assert_eq!(found.iter().map(|(event, _)| *event).collect::<Vec<_>>(), [2, 3]);
}

/// A decoder of G.722 remembers what it heard last.
#[test]
fn keys_in_g722_are_heard_behind_what_another_encoder_said() {
    let mut queue = ToneQueue::new(AudioFormat::G722).unwrap();
    for event in 0..16 {
        queue.push(event, Some(Duration::from_millis(100)), at(0)).unwrap();
    }
    let mut peer = AudioEncoder::new(AudioFormat::G722, 16_000).unwrap();
    let (mut packets, mut noise) = (Vec::new(), 1_u32);
    let mut payload = [0; LONGEST_PAYLOAD];
    for millis in (0..4_000).step_by(20) {
        if let Some(packet) = queue.poll(at(millis), 0, &mut payload) {
            packets.push((millis, packet, payload[..packet.len].to_vec()));
            continue;
        }
        let samples: [i16; 320] = std::array::from_fn(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 18) as i16 - 8_192
        });
        let len = peer.encode(&samples, &mut payload).unwrap();
        let packet = TonePacket { len, timestamp: 0, marker: false };
        packets.push((millis, packet, payload[..len].to_vec()));
    }
    let found = keys_in(AudioFormat::G722, &packets);
    assert_eq!(
        found.iter().map(|(event, _)| *event).collect::<Vec<_>>(),
        (0..16).collect::<Vec<_>>()
    );
}
