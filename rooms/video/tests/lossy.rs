//! Whatever a network does to packets, receivers have numbers without jumps but for what is really
//! lost, and never a packet that they cannot read.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod support;

use model::Instant;
use proptest::prelude::*;
use room_video::h264::PacketizationMode;
use room_video::{Feedback, Participant, StreamKey};
use rtp_proto::{RtpHeader, RtpPacket};
use support::{BLUE, Depacketizer, Packet, RED, packets, receiver_settings, room};

const PLAIN: &str = "profile-level-id=42e01f;packetization-mode=1";

/// One packet of a sender as the network gives it.
#[derive(Clone, Debug)]
struct Arrival {
    from: u16,
    at: u64,
    bytes: Vec<u8>,
}

/// What happens to the packets of one sender: lost, twice, later.
fn arrivals(from: u16, packets: &[Packet], luck: &[u8]) -> (Vec<Arrival>, u32) {
    let mut arrivals = Vec::new();
    let mut lost = 0;
    for (n, packet) in packets.iter().enumerate() {
        let luck = luck[n % luck.len()];
        let header = RtpHeader {
            payload_type: 97,
            marker: packet.marker,
            sequence: 65_400_u16.wrapping_add(n as u16),
            timestamp: packet.picture * 6_000,
            ssrc: u32::from(from) + 1,
        };
        let bytes = [&header.to_bytes()[..], &packet.payload].concat();
        let sent = u64::from(packet.picture) * 66 + n as u64 % 5;
        let mut arrive = |late: u64| {
            arrivals.push(Arrival { from, at: sent + late, bytes: bytes.clone() });
        };
        match luck {
            0..8 => lost += 1,
            8..16 => {
                arrive(0);
                arrive(30);
            }
            16..40 => arrive(u64::from(luck)),
            _ => arrive(0),
        }
    }
    (arrivals, lost)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn numbers_tell_what_is_lost_and_modes_are_kept(
        luck in prop::collection::vec(any::<u8>(), 300..400), speakers in prop::collection::vec(0u16..2, 1..8),
    ) {
        let mut switch = room(2);
        let single = StreamKey::main(Participant(8));
        let small = StreamKey::main(Participant(9));
        let now = Instant::ZERO;
        let settings = receiver_settings(800, PLAIN, PacketizationMode::Single, 1_000);
        switch.add_receiver(now, single, settings).unwrap();
        let settings = receiver_settings(900, PLAIN, PacketizationMode::NonInterleaved, 200);
        switch.add_receiver(now, small, settings).unwrap();
        let (mut all, _) = arrivals(0, &packets(RED, 400, false), &luck);
        all.extend(arrivals(1, &packets(BLUE, 900, true), &luck[100..]).0);
        all.sort_by_key(|arrival| arrival.at);
        let mut seen = [Depacketizer::default(), Depacketizer::default()];
        seen[0].single_only = true;
        let mut requests: Vec<(StreamKey, Instant)> = Vec::new();
        for (n, arrival) in all.iter().enumerate() {
            let now = Instant::from_millis(arrival.at);
            if n % 40 == 0 {
                let speaker = speakers[n / 40 % speakers.len()];
                switch.set_speaker(now, Some(Participant(speaker)));
            }
            let mut take = |to: StreamKey, packet: room_video::Outgoing<'_>| {
                if to == single {
                    seen[0].take(&packet);
                } else if to == small {
                    assert!(packet.payload_bytes() <= 200);
                    seen[1].take(&packet);
                }
            };
            switch.handle_timeout(now, &mut take);
            let packet = RtpPacket::parse(&arrival.bytes).unwrap();
            switch.handle_rtp(now, StreamKey::main(Participant(arrival.from)), &packet, &mut take);
            while let Some(feedback) = switch.poll_feedback(now) {
                if let Feedback::KeyFrame { to, .. } = feedback {
                    let before = requests.iter().rev().find(|(key, _)| *key == to);
                    if let Some((_, last)) = before {
                        prop_assert!((now - *last).as_millis() >= 1_000);
                    }
                    requests.push((to, now));
                }
            }
        }
        for (key, seen) in [(single, &seen[0]), (small, &seen[1])] {
            let view = switch.view(key).unwrap();
            prop_assert_eq!(u64::from(seen.missing), view.counters.skipped);
            for pair in seen.timestamps.windows(2) {
                prop_assert!(pair[1].wrapping_sub(pair[0]) < 1 << 31, "time goes on: {:?}", pair);
            }
        }
    }
}

#[test]
fn without_loss_nothing_is_missing_whatever_the_order() {
    let mut switch = room(1);
    let watcher = StreamKey::main(Participant(9));
    let settings = receiver_settings(900, PLAIN, PacketizationMode::NonInterleaved, 1_200);
    switch.add_receiver(Instant::ZERO, watcher, settings).unwrap();
    // Each third packet arrives behind the next two; nothing before the first key frame.
    let (mut all, lost) = arrivals(0, &packets(RED, 1_100, false), &[255]);
    assert_eq!(lost, 0);
    for trio in all[4..].chunks_exact_mut(3) {
        trio.rotate_left(1);
    }
    let mut seen = Depacketizer::default();
    for arrival in &all {
        let now = Instant::from_millis(arrival.at);
        let packet = RtpPacket::parse(&arrival.bytes).unwrap();
        let from = StreamKey::main(Participant(0));
        switch.handle_rtp(now, from, &packet, &mut |_, packet| seen.take(&packet));
    }
    let sent: usize = all.iter().map(|arrival| arrival.bytes.len() - 12).sum();
    assert_eq!(seen.payloads.iter().map(Vec::len).sum::<usize>(), sent);
    assert_eq!(seen.missing, 0);
}
