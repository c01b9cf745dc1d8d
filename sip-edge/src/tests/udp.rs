use super::{PATIENCE, Rig, Seen, client_key, message};
use crate::transport::TcpLimits;
use model::{Flow, TransportProtocol};
use std::net::{SocketAddr, UdpSocket};

fn peer(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn udp_flow(local: SocketAddr, remote: SocketAddr) -> Flow {
    Flow { protocol: TransportProtocol::Udp, local, remote, connection: None, identity: None }
}

#[test]
fn datagrams_pass_both_ways_and_keep_alives_stay_outside() {
    for (ours, theirs) in [("127.0.0.1:0", "127.0.0.2:0"), ("[::1]:0", "[::1]:0")] {
        let rig = Rig::start(&[ours], &[], TcpLimits::default());
        let peer = peer(theirs);
        for keep_alive in [&b"\r\n"[..], b"\r\n\r\n", b"\0\0\0\0", b"\0"] {
            peer.send_to(keep_alive, rig.address()).unwrap();
        }
        let sent = message("OPTIONS", "z9hG4bK1", "");
        peer.send_to(sent.as_bytes(), rig.address()).unwrap();
        let (flow, raw) = rig.next_input();
        assert_eq!(raw, sent);
        assert_eq!(flow, udp_flow(rig.address(), peer.local_addr().unwrap()));

        rig.transmit(flow, "SIP/2.0 200 OK\r\n\r\n", None);
        let mut answer = [0; 100];
        let (length, from) = peer.recv_from(&mut answer).unwrap();
        assert_eq!(&answer[..length], b"SIP/2.0 200 OK\r\n\r\n");
        assert_eq!(from, rig.address());
        let transport = rig.edge.statistics().transport;
        assert_eq!((transport.udp_received, transport.udp_keep_alives), (1, 4));
        assert_eq!(transport.udp_sent, 1);
    }
}

#[test]
fn a_burst_beyond_one_batch_arrives_in_order() {
    let rig = Rig::start(&["127.0.0.1:0"], &[], TcpLimits::default());
    let peer = peer("127.0.0.1:0");
    for number in 0..200 {
        peer.send_to(format!("number {number}").as_bytes(), rig.address()).unwrap();
    }
    for number in 0..200 {
        assert_eq!(rig.next_input().1, format!("number {number}"));
    }
    let flow = udp_flow(rig.address(), peer.local_addr().unwrap());
    for number in 0..200 {
        rig.transmit(flow, &format!("answer {number}"), None);
    }
    let mut answer = [0; 100];
    for number in 0..200 {
        let length = peer.recv(&mut answer).unwrap();
        assert_eq!(&answer[..length], format!("answer {number}").as_bytes());
    }
}

#[test]
fn a_wildcard_socket_knows_and_keeps_the_address_that_was_called() {
    for (wildcard, called, theirs) in
        [("0.0.0.0:0", "127.0.0.9", "127.0.0.2:0"), ("[::]:0", "::1", "[::1]:0")]
    {
        let rig = Rig::start(&[wildcard], &[], TcpLimits::default());
        let called = SocketAddr::new(called.parse().unwrap(), rig.address().port());
        let peer = peer(theirs);
        peer.send_to(b"hello", called).unwrap();
        let (flow, _) = rig.next_input();
        assert_eq!(flow.local, called);
        rig.transmit(flow, "answer", None);
        let mut answer = [0; 100];
        assert_eq!(peer.recv_from(&mut answer).unwrap(), (6, called));
    }
}

#[test]
fn an_icmp_error_is_reported_with_the_peer_that_cannot_be_reached() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let rig = Rig::start(&[address], &[], TcpLimits::default());
        // A port that was free a moment ago.
        let nobody = peer(address).local_addr().unwrap();
        rig.transmit(udp_flow(rig.address(), nobody), "INVITE", None);
        match rig.next() {
            Seen::PeerUnreachable(remote) => assert_eq!(remote, nobody),
            other => panic!("expected an unreachable peer, not {other:?}"),
        }
        // The pending error neither swallows the next datagram nor stops the socket.
        let peer = peer(address);
        let flow = udp_flow(rig.address(), peer.local_addr().unwrap());
        rig.transmit(udp_flow(rig.address(), nobody), "INVITE", None);
        rig.transmit(flow, "answer", None);
        let mut answer = [0; 100];
        assert_eq!(peer.recv(&mut answer).unwrap(), 6);
        peer.send_to(b"hello", rig.address()).unwrap();
        loop {
            match rig.next() {
                Seen::PeerUnreachable(remote) => assert_eq!(remote, nobody),
                Seen::Input(_, raw) => break assert_eq!(raw, "hello"),
                other => panic!("unexpected {other:?}"),
            }
        }
    }
}

#[test]
fn what_cannot_be_sent_at_all_is_reported_for_its_transaction() {
    let rig = Rig::start(&["127.0.0.1:0"], &[], TcpLimits::default());
    let key = client_key();
    let remote = "127.0.0.1:9".parse().unwrap();
    // Larger than any datagram.
    rig.transmit(udp_flow(rig.address(), remote), &"x".repeat(70_000), Some(key));
    assert!(matches!(rig.next(), Seen::Unreachable(reported) if reported == key));
    // No socket has this address.
    let elsewhere = "127.0.0.77:5060".parse().unwrap();
    rig.transmit(udp_flow(elsewhere, remote), "x", Some(key));
    assert!(matches!(rig.next(), Seen::Unreachable(reported) if reported == key));
    let transport = rig.edge.statistics().transport;
    assert_eq!((transport.udp_send_failed, transport.unserved_transport), (1, 1));
}
