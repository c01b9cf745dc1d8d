use super::*;
use crate::{Decision, DropReason, LearningPolicy, MediaSocket, ring};
use model::{
    CodecMapping, LegPlan, LegSecurity, MediaPlan, SdesKeys, SrtpKey, SrtpSuite, XrWishes,
};
use rtp_proto::RtpHeader;
use rtp_proto::srtp::SrtpSender;
use std::net::SocketAddr;
use std::time::Duration;

const A: &str = "192.0.2.1:4000";
const B: &str = "198.51.100.2:6000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn mapping(payload_type: u8, codec: Codec, clock_rate: u32) -> CodecMapping {
    CodecMapping { payload_type, codec, clock_rate, packet_duration: Duration::from_millis(30) }
}

fn leg(remote: &str) -> LegPlan {
    LegPlan {
        remote_rtp: Some(address(remote)),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: vec![
            mapping(96, Codec::Opus, 48_000),
            mapping(8, Codec::Pcma, 8_000),
            mapping(101, Codec::TelephoneEvent, 8_000),
        ],
        telephone_event: Some(101),
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

struct World {
    session: RtpSession,
    sequence: u16,
}

impl World {
    fn new(plan: &MediaPlan) -> Self {
        let id = TransactionId::from_random(1);
        let policy = LearningPolicy::default();
        let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, policy);
        session.apply(plan, Instant::ZERO);
        World { session, sequence: 0 }
    }

    fn packet(&mut self, payload_type: u8) -> Vec<u8> {
        self.sequence += 1;
        let (marker, sequence, timestamp) = (false, self.sequence, 0);
        let header = RtpHeader { payload_type, marker, sequence, timestamp, ssrc: 7 };
        let mut octets = header.to_bytes().to_vec();
        octets.extend_from_slice(b"speech");
        octets
    }

    fn now(&self) -> Instant {
        Instant::from_millis(u64::from(self.sequence) * 20)
    }

    fn send(&mut self, from: LegSide, payload_type: u8) -> (Decision, Vec<u8>) {
        let mut octets = self.packet(payload_type);
        let source = address(if from == LegSide::A { A } else { B });
        let (sent, len, now) = (octets.clone(), octets.len(), self.now());
        let socket = MediaSocket::Rtp;
        (self.session.forward(from, socket, source, &mut octets, len, now), sent)
    }

    fn listen(&mut self, octets: usize, legs: [bool; 2]) -> ListenReader {
        let (writer, reader) = listen_ring(octets);
        let now = self.now();
        self.session.listen(writer, legs, now);
        reader
    }
}

fn plan() -> MediaPlan {
    MediaPlan::rtp([leg(A), leg(B)])
}

/// Payload types and formats.
fn read_formats(reader: &mut ListenReader) -> LegFormats {
    match reader.read(&mut vec![1]) {
        Some(Listened::Formats(formats)) => formats,
        other => panic!("{other:?}"),
    }
}

#[test]
fn packets_follow_on_what_they_are() {
    let mut world = World::new(&plan());
    world.send(LegSide::A, 8);
    let mut reader = world.listen(65_536, [true, true]);
    let opus = ListenedFormat { payload_type: 96, codec: Codec::Opus, clock_rate: 48_000 };
    let narrow = |payload_type, codec| ListenedFormat { payload_type, codec, clock_rate: 8_000 };
    let expected = [
        opus,
        narrow(8, Codec::Pcma),
        // These need not be agreed.
        narrow(0, Codec::Pcmu),
        narrow(9, Codec::G722),
    ];
    for side in LegSide::BOTH {
        let formats = read_formats(&mut reader);
        assert_eq!((formats.from, formats.at), (side, Instant::from_millis(20)));
        assert_eq!((formats.may_send, formats.packet_ms), (true, 30));
        assert_eq!(formats.formats, expected);
    }
    let mut out = Vec::new();
    assert_eq!(reader.read(&mut out), None);
    let (decision, sent) = world.send(LegSide::B, 8);
    assert!(matches!(decision, Decision::Send { .. }));
    let arrival = Instant::from_millis(40);
    assert_eq!(reader.read(&mut out), Some(Listened::Packet { from: LegSide::B, arrival }));
    assert_eq!(out, sent);
    // Keys, and what nobody knows, pass and are not heard.
    for payload_type in [101, 77] {
        let (decision, _) = world.send(LegSide::A, payload_type);
        assert!(matches!(decision, Decision::Send { .. }));
        assert_eq!(reader.read(&mut out), None);
    }
    world.session.unlisten();
    assert!(reader.is_closed() && !world.session.is_listened_to(LegSide::A));
    world.send(LegSide::A, 8);
    assert_eq!((reader.read(&mut out), reader.lost()), (None, 0));
}

#[test]
fn one_leg_is_listened_to_beside_a_recorder_of_both() {
    let mut world = World::new(&plan());
    let (writer, mut recorded) = ring(65_536);
    world.session.tap(writer, [true; 2]);
    let mut reader = world.listen(65_536, [false, true]);
    assert_eq!(read_formats(&mut reader).from, LegSide::B);
    let mut out = Vec::new();
    for (leg, is_heard) in [(LegSide::A, false), (LegSide::B, true), (LegSide::A, false)] {
        let (_, sent) = world.send(leg, 8);
        assert_eq!(recorded.read(&mut out).map(|tapped| tapped.from), Some(leg));
        assert_eq!(out, sent);
        assert_eq!(reader.read(&mut out).is_some(), is_heard);
    }
}

#[test]
fn a_plan_says_anew_what_packets_are_and_who_is_on_hold() {
    let mut world = World::new(&plan());
    let mut reader = world.listen(65_536, [true, true]);
    let _ = (read_formats(&mut reader), read_formats(&mut reader));
    world.send(LegSide::A, 96);
    let mut held = plan();
    held.legs[0].codecs = vec![mapping(96, Codec::L16, 16_000)];
    // B listens no more, and sends music.
    held.legs[1].sends_to = false;
    held.legs[0].accepts_from = false;
    let now = world.now();
    world.session.apply(&held, now);
    let (decision, _) = world.send(LegSide::A, 96);
    assert_eq!(decision, Decision::Drop(DropReason::NotAccepted));
    world.send(LegSide::B, 8);
    let mut out = Vec::new();
    let packet =
        |from, millis| Some(Listened::Packet { from, arrival: Instant::from_millis(millis) });
    assert_eq!(reader.read(&mut out), packet(LegSide::A, 20), "before the plan");
    let [a, b] = [read_formats(&mut reader), read_formats(&mut reader)];
    assert_eq!((a.from, a.may_send, a.at), (LegSide::A, false, now));
    assert_eq!(a.formats[0].codec, Codec::L16);
    assert_eq!((b.from, b.may_send), (LegSide::B, true));
    assert_eq!(reader.read(&mut out), packet(LegSide::B, 60));
    assert_eq!(reader.read(&mut out), None, "what is said on hold is not part of the call");
}

#[test]
fn a_copy_of_a_call_that_nobody_is_on_the_other_side_of_is_heard_and_goes_nowhere() {
    let mut copy = plan();
    copy.legs[0].sends_to = false;
    copy.legs[1] = LegPlan {
        remote_rtp: None,
        accepts_from: false,
        sends_to: false,
        codecs: Vec::new(),
        telephone_event: None,
        ..leg(B)
    };
    let mut world = World::new(&copy);
    let mut reader = world.listen(65_536, [true, false]);
    read_formats(&mut reader);
    let mut out = Vec::new();
    for _ in 0..3 {
        let (decision, sent) = world.send(LegSide::A, 8);
        assert_eq!(decision, Decision::Drop(DropReason::NoDestination));
        assert!(matches!(reader.read(&mut out), Some(Listened::Packet { .. })));
        assert_eq!(out, sent);
        // Somebody who has found the other side's ports is not heard, and gets nothing.
        let (decision, _) = world.send(LegSide::B, 8);
        assert!(matches!(decision, Decision::Drop(_)), "{decision:?}");
    }
    assert_eq!(reader.read(&mut out), None);
    // The client pauses.
    copy.legs[0].accepts_from = false;
    let now = world.now();
    world.session.apply(&copy, now);
    world.send(LegSide::A, 8);
    assert!(!read_formats(&mut reader).may_send);
    assert_eq!(reader.read(&mut out), None);
}

#[test]
fn a_full_ring_loses_packets_and_never_what_they_are() {
    let mut world = World::new(&plan());
    let mut reader = world.listen(4_096, [true, false]);
    let mut sent = 0;
    while reader.lost() == 0 {
        let (decision, _) = world.send(LegSide::A, 8);
        assert!(matches!(decision, Decision::Send { .. }), "the call knows nothing of it");
        sent += 1;
    }
    let mut changed = plan();
    changed.legs[0].codecs = vec![mapping(96, Codec::Pcmu, 8_000)];
    let now = world.now();
    world.session.apply(&changed, now);
    world.send(LegSide::A, 96);
    assert_eq!(reader.lost(), 3, "a packet, the formats, and they again before another packet");
    let mut out = Vec::new();
    read_formats(&mut reader);
    for _ in 1..sent {
        assert!(matches!(reader.read(&mut out), Some(Listened::Packet { .. })));
    }
    assert_eq!(reader.read(&mut out), None);
    world.send(LegSide::A, 96);
    assert_eq!(read_formats(&mut reader).formats[0].codec, Codec::Pcmu);
    assert!(matches!(reader.read(&mut out), Some(Listened::Packet { .. })));
}

#[test]
fn listeners_get_no_encryption() {
    let suite = SrtpSuite::AesCm128HmacSha1_80;
    let key = || SrtpKey::new(suite, &vec![5; suite.key_len() + suite.salt_len()]).unwrap();
    let keys = Box::new(SdesKeys { receive: key(), send: key() });
    let mut plan = plan();
    plan.legs[0].security = LegSecurity::Sdes(keys);
    let mut world = World::new(&plan);
    let mut reader = world.listen(65_536, [true, false]);
    read_formats(&mut reader);
    let mut sender = SrtpSender::new(&key());
    let mut octets = world.packet(8);
    let (sent, len) = (octets.clone(), octets.len());
    octets.resize(len + 64, 0);
    let len = sender.protect_rtp(&mut octets, len).unwrap();
    assert_ne!(octets[..sent.len()], sent);
    let (socket, now) = (MediaSocket::Rtp, world.now());
    world.session.forward(LegSide::A, socket, address(A), &mut octets, len, now);
    let mut out = Vec::new();
    assert!(matches!(reader.read(&mut out), Some(Listened::Packet { .. })));
    assert_eq!(out, sent);
}

#[test]
fn a_direction_that_is_listened_to_leaves_the_fast_path_and_comes_back() {
    let mut world = World::new(&plan());
    for _ in 0..200 {
        world.send(LegSide::A, 8);
        world.send(LegSide::B, 8);
    }
    let later = Instant::from_millis(20_000);
    let is_fast =
        |world: &World| LegSide::BOTH.map(|leg| world.session.fast_forward(leg, later).is_some());
    assert_eq!(is_fast(&world), [true, true]);
    let _reader = world.listen(65_536, [true, false]);
    assert_eq!(is_fast(&world), [false, true]);
    world.session.unlisten();
    assert_eq!(is_fast(&world), [true, true]);
}
