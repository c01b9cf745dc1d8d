//! Connected sockets of legs that have settled.

use super::rig::{DEADLINE, Endpoint, Rig, rtp};
use media_relay::DropReason;
use model::{MediaCommand, MediaId};
use std::net::UdpSocket;

#[test]
fn a_leg_that_has_settled_gets_a_connected_socket_and_strangers_are_still_counted() {
    for (ip, ports) in [("127.0.0.1", 20_900..=20_919), ("::1", 20_900..=20_919)] {
        let rig = Rig::new(ip, ports, |_| {});
        let local = rig.allocate(1).unwrap();
        let [a, mut b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
        rig.apply(1, [&a, &b]);
        let both_ways = |a: &Endpoint, b: &Endpoint, sequences: std::ops::Range<u16>| {
            for sequence in sequences {
                a.send(local[0].rtp, sequence);
                b.send(local[1].rtp, sequence);
                assert_eq!(b.receive(), (rtp(sequence), local[1].rtp));
                assert_eq!(a.receive(), (rtp(sequence), local[0].rtp));
            }
        };
        both_ways(&a, &b, 0..49);
        assert_eq!(rig.relay.statistics().connected_legs, 0);
        both_ways(&a, &b, 49..100);
        rig.until(|s| s.connected_legs == 2);
        both_ways(&a, &b, 100..150);

        // Whoever else sends is not let in, and nobody else gets the port.
        let stranger = UdpSocket::bind((rig.ip, 0)).unwrap();
        for sequence in 0..20 {
            stranger.send_to(&rtp(sequence), local[0].rtp).unwrap();
        }
        rig.until(|s| s.dropped(DropReason::WrongSource) == 20);
        assert!(UdpSocket::bind(local[0].rtp).is_err());

        // The callee's program is gone for a while: what comes back for it (ICMP) disturbs nothing.
        let place = b.rtp.local_addr().unwrap();
        drop(b);
        for sequence in 150..170 {
            a.send(local[0].rtp, sequence);
        }
        rig.until(|s| s.rtp_packets + s.send_failures >= 320);
        b = Endpoint { rtp: UdpSocket::bind(place).unwrap(), ..Endpoint::new(rig.ip) };
        b.rtp.set_read_timeout(Some(DEADLINE)).unwrap();
        both_ways(&a, &b, 170..180);

        // A new description moves the leg, and its socket.
        let moved = Endpoint::new(rig.ip);
        rig.apply(1, [&a, &moved]);
        // Commands are served in their order: the plan is in force when this one is counted.
        rig.relay.command(MediaCommand::Release { id: MediaId(9) }).unwrap();
        rig.until(|s| s.unknown_streams == 1);
        both_ways(&a, &moved, 180..250);
        rig.until(|s| s.connected_legs == 2);
        let [leg_a, leg_b] = rig.release(1);
        assert_eq!(leg_a.received.rtp_packets, 250);
        assert_eq!(leg_b.received.rtp_packets, 230);
        assert_eq!(leg_a.received.wrong_source, 20);
        assert_eq!((leg_a.received.loss.lost, leg_a.received.duplicated), (0, 0));
        assert_eq!(rig.relay.statistics().connected_legs, 0);
    }
}
