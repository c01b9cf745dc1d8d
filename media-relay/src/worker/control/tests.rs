//! A relay with real sockets and a peer that checks its path, shakes hands and speaks SRTP.

use crate::dtls::{DtlsIdentity, Handshake};
use crate::{Clock, EventSink, Relay, RelayConfig};
use model::{
    DtlsPlan, DtlsRole, Fingerprint, IcePlan, IpFamily, LegPlan, LegSecurity, LocalMedia,
    MediaCommand, MediaEvent, MediaId, MediaPlan, SdesKeys, TransactionId,
};
use rtp_proto::RtpHeader;
use rtp_proto::srtp::{LONGEST_GROWTH, SrtpReceiver, SrtpSender};
use rtp_proto::stun::{LONGEST_RESPONSE, write_check};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(10);
const PASSWORD: &str = "0123456789abcdefghijkl";

#[expect(clippy::disallowed_methods, reason = "a test is a shell")]
fn now() -> Instant {
    Instant::now()
}

struct Rig {
    relay: Relay,
    events: Receiver<MediaEvent>,
    identity: Arc<DtlsIdentity>,
    local: [LocalMedia; 2],
}

impl Rig {
    fn new(ports: std::ops::RangeInclusive<u16>) -> Rig {
        let identity = Arc::new(DtlsIdentity::generate().unwrap());
        let mut config = RelayConfig::new(vec![[127, 0, 0, 1].into()], ports);
        config.dtls = Some(Arc::clone(&identity));
        let (sender, events) = sync_channel(10_000);
        let sink: EventSink = Arc::new(move |event| sender.send(event).unwrap());
        let relay = Relay::start(config, Clock::new(now()), sink).unwrap();
        let transaction_id = TransactionId::from_random(1);
        let families = [IpFamily::V4; 2];
        relay
            .command(MediaCommand::Allocate {
                id: MediaId(1),
                transaction_id,
                families,
                emergency: false,
                line: Default::default(),
            })
            .unwrap();
        let Ok(MediaEvent::Allocated { local, .. }) = events.recv_timeout(DEADLINE) else {
            panic!("no ports")
        };
        Rig { relay, events, identity, local }
    }

    fn apply(&self, legs: [LegPlan; 2]) {
        let plan = Box::new(MediaPlan::rtp(legs));
        self.relay.command(MediaCommand::Apply { id: MediaId(1), plan }).unwrap();
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    socket
}

fn plan(remote: Option<SocketAddr>, security: LegSecurity, ice: Option<IcePlan>) -> LegPlan {
    LegPlan {
        remote_rtp: remote,
        remote_rtcp: remote,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: Vec::new(),
        telephone_event: None,
        xr: model::XrWishes::default(),
        security,
        ice: ice.map(Box::new),
    }
}

fn dtls(role: DtlsRole, remote_fingerprint: Fingerprint) -> LegSecurity {
    LegSecurity::Dtls(Box::new(DtlsPlan { role, remote_fingerprint }))
}

fn ice() -> IcePlan {
    IcePlan {
        local_fragment: "ours".into(),
        local_password: PASSWORD.into(),
        remote_fragment: "peer".into(),
    }
}

/// Sends a nominating check until its response is there.
fn check(peer: &UdpSocket, to: SocketAddr) {
    let mut request = [0; LONGEST_RESPONSE];
    let password = PASSWORD.as_bytes();
    let length = write_check(&mut request, b"transaction!", "ours:peer", password, true).unwrap();
    let until = now() + DEADLINE;
    while now() < until {
        peer.send_to(&request[..length], to).unwrap();
        let mut response = [0; 1_500];
        if let Ok((_, from)) = peer.recv_from(&mut response)
            && from == to
            && response[..2] == [0x01, 0x01]
        {
            return;
        }
    }
    panic!("the check is not answered");
}

/// Runs the peer's side of the handshake; its keys.
fn shake_hands(peer: &UdpSocket, to: SocketAddr, mut handshake: Handshake) -> SdesKeys {
    handshake.begin(now(), to).unwrap();
    let until = now() + DEADLINE;
    while now() < until {
        while let Some((to, datagram)) = handshake.poll_transmit() {
            peer.send_to(&datagram, to).unwrap();
        }
        let mut datagram = [0; 2_048];
        match peer.recv_from(&mut datagram) {
            Ok((length, from)) => {
                // A passive peer says its last word after it has the keys.
                let keys = handshake.handle(now(), from, &datagram[..length]).unwrap();
                while let Some((to, datagram)) = handshake.poll_transmit() {
                    peer.send_to(&datagram, to).unwrap();
                }
                if let Some(keys) = keys {
                    return keys;
                }
            }
            Err(_) => handshake.handle_timeout(now()).unwrap(),
        }
    }
    panic!("no keys");
}

fn rtp(sequence: u16) -> Vec<u8> {
    let header = RtpHeader { sequence, ssrc: 7, timestamp: 1, ..RtpHeader::default() };
    let mut packet = header.to_bytes().to_vec();
    packet.resize(172, 0xd5);
    packet
}

/// SRTP of the peer arrives as RTP at the other end, and the other way round.
fn assert_audio_flows(rig: &Rig, peer: &UdpSocket, far: &UdpSocket, keys: &SdesKeys) {
    let (mut sender, mut receiver) =
        (SrtpSender::new(&keys.send), SrtpReceiver::new(&keys.receive));
    sender.make_room();
    receiver.make_room();
    let [near_port, far_port] = rig.local.map(|local| local.rtp);
    let mut heard = [false; 2];
    let until = now() + DEADLINE;
    let mut sequence = 0;
    while heard != [true; 2] && now() < until {
        sequence += 1;
        let mut packet = rtp(sequence);
        packet.resize(172 + LONGEST_GROWTH, 0);
        let length = sender.protect_rtp(&mut packet, 172).unwrap();
        peer.send_to(&packet[..length], near_port).unwrap();
        far.send_to(&rtp(sequence), far_port).unwrap();
        let mut arrived = [0; 2_048];
        if let Ok((length, _)) = far.recv_from(&mut arrived) {
            assert_eq!(&arrived[12..length], &rtp(1)[12..], "plain on the plain leg");
            heard[1] = true;
        }
        while let Ok((length, _)) = peer.recv_from(&mut arrived) {
            // What is not media here is a repeated message of the handshake.
            if arrived[0] & 0xc0 == 0x80 {
                assert_ne!(arrived[12..172], rtp(1)[12..], "protected on the other");
                let length = receiver.unprotect_rtp(&mut arrived[..length]).unwrap();
                assert_eq!(arrived[12..length], rtp(1)[12..]);
                heard[0] = true;
            }
        }
    }
    assert_eq!(heard, [true; 2], "{:?}", rig.relay.statistics());
}

#[test]
fn a_peer_that_shakes_hands_first_gets_keys_and_audio() {
    let rig = Rig::new(42_000..=42_019);
    let (peer, far) = (socket(), socket());
    let own = DtlsIdentity::generate().unwrap();
    rig.apply([
        plan(peer.local_addr().ok(), dtls(DtlsRole::Passive, own.fingerprint()), None),
        plan(far.local_addr().ok(), LegSecurity::Plain, None),
    ]);
    let expected =
        DtlsPlan { role: DtlsRole::Active, remote_fingerprint: rig.identity.fingerprint() };
    let handshake = Handshake::new(&own, &expected, peer.local_addr().unwrap()).unwrap();
    let keys = shake_hands(&peer, rig.local[0].rtp, handshake);
    assert_audio_flows(&rig, &peer, &far, &keys);
}

#[test]
fn with_ice_the_path_is_the_one_that_was_checked_and_we_shake_hands_on_it() {
    let rig = Rig::new(42_020..=42_039);
    let (peer, far) = (socket(), socket());
    let own = DtlsIdentity::generate().unwrap();
    // The described address is somewhere else, as behind a NAT.
    let described = Some("203.0.113.9:4000".parse().unwrap());
    rig.apply([
        plan(described, dtls(DtlsRole::Active, own.fingerprint()), Some(ice())),
        plan(far.local_addr().ok(), LegSecurity::Plain, None),
    ]);
    check(&peer, rig.local[0].rtp);
    let expected =
        DtlsPlan { role: DtlsRole::Passive, remote_fingerprint: rig.identity.fingerprint() };
    let handshake = Handshake::new(&own, &expected, peer.local_addr().unwrap()).unwrap();
    let keys = shake_hands(&peer, rig.local[0].rtp, handshake);
    assert_audio_flows(&rig, &peer, &far, &keys);
}

#[test]
fn another_certificate_gets_no_audio_and_is_counted() {
    let rig = Rig::new(42_040..=42_059);
    let (peer, far) = (socket(), socket());
    let (own, other) = (DtlsIdentity::generate().unwrap(), DtlsIdentity::generate().unwrap());
    rig.apply([
        plan(peer.local_addr().ok(), dtls(DtlsRole::Passive, other.fingerprint()), None),
        plan(far.local_addr().ok(), LegSecurity::Plain, None),
    ]);
    let expected =
        DtlsPlan { role: DtlsRole::Active, remote_fingerprint: rig.identity.fingerprint() };
    let handshake = Handshake::new(&own, &expected, peer.local_addr().unwrap()).unwrap();
    // By its own lights the peer is done; the relay has seen who it is.
    let keys = shake_hands(&peer, rig.local[0].rtp, handshake);
    let mut sender = SrtpSender::new(&keys.send);
    sender.make_room();
    let mut packet = rtp(1);
    packet.resize(172 + LONGEST_GROWTH, 0);
    let length = sender.protect_rtp(&mut packet, 172).unwrap();
    peer.send_to(&packet[..length], rig.local[0].rtp).unwrap();
    far.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(far.recv_from(&mut [0; 2_048]).is_err(), "no audio of a stranger");
    assert_eq!(rig.relay.statistics().handshake_failures, 1);
    assert_eq!(rig.relay.statistics().rtp_packets, 0);
}

#[test]
fn without_keys_nothing_passes_in_either_direction() {
    let rig = Rig::new(42_060..=42_079);
    let (peer, far) = (socket(), socket());
    let own = DtlsIdentity::generate().unwrap();
    rig.apply([
        plan(peer.local_addr().ok(), dtls(DtlsRole::Passive, own.fingerprint()), None),
        plan(far.local_addr().ok(), LegSecurity::Plain, None),
    ]);
    let dropped = |rig: &Rig| rig.relay.statistics().dropped(crate::DropReason::NoKeys);
    let until = now() + DEADLINE;
    let mut sequence = 0;
    while dropped(&rig) < 4 && now() < until {
        sequence += 1;
        peer.send_to(&rtp(sequence), rig.local[0].rtp).unwrap();
        far.send_to(&rtp(sequence), rig.local[1].rtp).unwrap();
        assert!(far.recv_from(&mut [0; 2_048]).is_err());
    }
    assert!(dropped(&rig) >= 4);
    assert_eq!(rig.relay.statistics().rtp_packets, 0);
    assert!(rig.events.try_recv().is_err(), "no report of a stream that goes on");
}
