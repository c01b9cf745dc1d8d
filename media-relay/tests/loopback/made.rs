//! Packets that the relay makes itself, over sockets.

use super::rig::{Endpoint, Rig, rtp};
use model::{DtmfKey, LegSide, MediaCommand, MediaId};
use rtp_proto::{RtpPacket, TelephoneEvent};
use std::time::Duration;

#[test]
fn keys_come_to_a_leg_in_their_order_among_its_audio() {
    let rig = Rig::new("127.0.0.1", 20_960..=20_979, |_| {});
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    a.send(local[0].rtp, 0);
    assert_eq!(b.receive(), (rtp(0), local[1].rtp));
    for event in [1, 12] {
        let key = DtmfKey::from_event(event).unwrap();
        let (id, leg, duration) = (MediaId(1), LegSide::B, Duration::from_millis(40));
        rig.relay.command(MediaCommand::SendEvent { id, leg, key, duration }).unwrap();
    }
    let mut keys = Vec::new();
    for sequence in 1..=8 {
        let (packet, from) = b.receive();
        assert_eq!(from, local[1].rtp);
        let packet = RtpPacket::parse(&packet).unwrap();
        assert_eq!((packet.sequence(), packet.payload_type(), packet.ssrc()), (sequence, 101, 5));
        let event = TelephoneEvent::parse(packet.payload()).unwrap();
        keys.push((event.event, event.end, packet.marker()));
    }
    // 40 ms in steps of 20, and the last packet twice again.
    let key = |event| {
        [(event, false, true), (event, true, false), (event, true, false), (event, true, false)]
    };
    assert_eq!(keys, [key(1), key(12)].concat());
    // What passes goes on behind them.
    a.send(local[0].rtp, 1);
    let (packet, _) = b.receive();
    let packet = RtpPacket::parse(&packet).unwrap();
    assert_eq!((packet.sequence(), packet.timestamp()), (9, 160));
    // What a leg without a plan does not get is counted.
    rig.allocate(2).unwrap();
    rig.relay
        .command(MediaCommand::SendEvent {
            id: MediaId(2),
            leg: LegSide::B,
            key: DtmfKey::from_event(9).unwrap(),
            duration: Duration::ZERO,
        })
        .unwrap();
    let statistics = rig.until(|s| s.unsent_keys == 1);
    assert_eq!(statistics.made_packets, 8);
    let [_, leg_b] = rig.release(1);
    assert_eq!(leg_b.sent.rtp_packets, 10);
}
