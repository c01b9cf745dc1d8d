use crate::{Decision, GROWTH, LearningPolicy, MediaSocket, RtpSession};
use model::{
    Codec, CodecMapping, Instant, LegPlan, LegSecurity, LegSide, MediaId, MediaPlan, ReportKind,
    SdesKeys, SrtpKey, SrtpSuite, TransactionId,
};
use rtp_proto::srtp::{SrtpReceiver, SrtpSender};
use rtp_proto::{RtpHeader, RtpPacket};
use std::net::SocketAddr;
use std::time::Duration;

type Formats<'a> = &'a [(u8, Codec, u32)];

const PORTS: [u16; 2] = [4_000, 6_000];

fn leg(port: u16, formats: Formats<'_>) -> LegPlan {
    let mapping = |&(payload_type, codec, clock_rate): &(u8, Codec, u32)| CodecMapping {
        payload_type,
        codec,
        clock_rate,
        packet_duration: Duration::from_millis(20),
    };
    let codecs: Vec<CodecMapping> = formats.iter().map(mapping).collect();
    let event = codecs.iter().find(|mapping| mapping.codec == Codec::TelephoneEvent);
    LegPlan {
        remote_rtp: Some(address(port)),
        remote_rtcp: Some(address(port + 1)),
        signalling_source: None,
        rtcp_mux: false,
        accepts_from: true,
        sends_to: true,
        relearn: false,
        telephone_event: event.map(|mapping| mapping.payload_type),
        codecs,
        xr: model::XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

fn address(port: u16) -> SocketAddr {
    ([192, 0, 2, 1], port).into()
}

fn plan(a: Formats<'_>, b: Formats<'_>) -> MediaPlan {
    MediaPlan::rtp([leg(PORTS[0], a), leg(PORTS[1], b)])
}

fn session(plan: &MediaPlan) -> RtpSession {
    let policy = LearningPolicy::default();
    let id = TransactionId::from_random(1);
    let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, policy);
    session.apply(plan, Instant::ZERO);
    session
}

fn packet(payload_type: u8, marker: bool, sequence: u16) -> Vec<u8> {
    let header = RtpHeader { payload_type, marker, sequence, timestamp: 7, ssrc: 9 };
    let mut packet = header.to_bytes().to_vec();
    packet.extend([0x5a; 160]);
    packet
}

/// What goes on of a packet.
fn passed(session: &mut RtpSession, from: LegSide, mut packet: Vec<u8>) -> Vec<u8> {
    let len = packet.len();
    packet.resize(len + GROWTH, 0);
    let source = address(PORTS[from.index()]);
    let decision = session.forward(from, MediaSocket::Rtp, source, &mut packet, len, Instant::ZERO);
    let Decision::Send { len, .. } = decision else { panic!("{decision:?}") };
    packet.truncate(len);
    packet
}

const CALLER: Formats<'_> = &[
    (96, Codec::Opus, 48_000),
    (0, Codec::Pcmu, 8_000),
    (97, Codec::AmrWb, 16_000),
    (101, Codec::TelephoneEvent, 8_000),
    (102, Codec::TelephoneEvent, 48_000),
    (100, Codec::Other, 8_000),
];
const CALLED: Formats<'_> = &[
    (111, Codec::Opus, 48_000),
    (0, Codec::Pcmu, 8_000),
    (98, Codec::AmrWb, 16_000),
    (96, Codec::TelephoneEvent, 8_000),
    (110, Codec::TelephoneEvent, 48_000),
    (99, Codec::Other, 8_000),
];

#[test]
fn each_leg_gets_its_own_numbers() {
    let mut session = session(&plan(CALLER, CALLED));
    // 97 depends on parameters, 100 has no name, 33 was not agreed: they pass as they are.
    let pairs = [(96, 111), (0, 0), (97, 97), (101, 96), (102, 110), (100, 100), (33, 33)];
    for (sequence, (number, expected)) in pairs.into_iter().enumerate() {
        for marker in [false, true] {
            let sent = packet(number, marker, sequence as u16 * 2 + u16::from(marker));
            let got = passed(&mut session, LegSide::A, sent.clone());
            let rtp = RtpPacket::parse(&got).unwrap();
            assert_eq!((rtp.payload_type(), rtp.marker()), (expected, marker), "{number}");
            // All else is the sender's.
            assert_eq!((got[0], &got[2..]), (sent[0], &sent[2..]));
        }
    }
    for (sequence, (number, expected)) in [(111, 96), (96, 101), (110, 102)].iter().enumerate() {
        let got = passed(&mut session, LegSide::B, packet(*number, false, sequence as u16));
        assert_eq!(RtpPacket::parse(&got).unwrap().payload_type(), *expected, "{number}");
    }
}

#[test]
fn a_leg_is_measured_by_its_own_numbers() {
    let mut session = session(&plan(CALLER, CALLED));
    passed(&mut session, LegSide::A, packet(101, true, 1));
    passed(&mut session, LegSide::A, packet(96, false, 2));
    passed(&mut session, LegSide::B, packet(96, true, 1));
    let reports = session.poll_report(Instant::from_millis(1), ReportKind::Interval);
    let codecs = reports.map(|report| report.codecs.received);
    // 96 is Opus to leg A, and an event to leg B.
    assert_eq!(codecs, [Some(Codec::Opus), None]);
}

#[test]
fn numbers_that_both_know_pass_whatever_else_they_know() {
    // As after an answer that numbers events otherwise: both descriptions count.
    let a: Formats<'_> = &[(101, Codec::TelephoneEvent, 8_000), (96, Codec::TelephoneEvent, 8_000)];
    let b: Formats<'_> = &[(96, Codec::TelephoneEvent, 8_000), (101, Codec::TelephoneEvent, 8_000)];
    let mut session = session(&plan(a, b));
    assert!(session.rare.is_none());
    for (sequence, number) in [96, 101].into_iter().enumerate() {
        let got = passed(&mut session, LegSide::A, packet(number, false, sequence as u16));
        assert_eq!(RtpPacket::parse(&got).unwrap().payload_type(), number);
    }
}

#[test]
fn the_kernel_gets_no_stream_whose_numbers_change() {
    let same = plan(CALLER, CALLER);
    let mut session = session(&same);
    passed(&mut session, LegSide::A, packet(0, false, 1));
    let later = Instant::from_millis(10_000);
    assert!(session.fast_forward(LegSide::A, later).is_some());
    session.apply(&plan(CALLER, CALLED), later);
    for leg in LegSide::BOTH {
        assert_eq!(session.fast_forward(leg, later), None);
    }
    session.apply(&same, later);
    assert!(session.fast_forward(LegSide::A, later).is_some());
}

#[test]
fn numbers_change_under_srtp() {
    let suite = SrtpSuite::AesCm128HmacSha1_80;
    let key =
        |fill: u8| SrtpKey::new(suite, &vec![fill; suite.key_len() + suite.salt_len()]).unwrap();
    let keys = |receive, send| {
        LegSecurity::Sdes(Box::new(SdesKeys { receive: key(receive), send: key(send) }))
    };
    let mut plan = plan(CALLER, CALLED);
    plan.legs[0].security = keys(1, 2);
    plan.legs[1].security = keys(3, 4);
    let mut session = session(&plan);
    let mut sent = packet(96, true, 1);
    let len = sent.len();
    sent.resize(len + GROWTH, 0);
    let sealed = SrtpSender::new(&key(1)).protect_rtp(&mut sent, len).unwrap();
    sent.truncate(sealed);
    let mut got = passed(&mut session, LegSide::A, sent);
    let opened = SrtpReceiver::new(&key(4)).unprotect_rtp(&mut got).unwrap();
    let rtp = RtpPacket::parse(&got[..opened]).unwrap();
    assert_eq!((rtp.payload_type(), rtp.marker(), rtp.payload()), (111, true, &[0x5a; 160][..]));
}

#[test]
fn hostile_mappings_change_nothing_they_should_not() {
    let many: Vec<(u8, Codec, u32)> =
        (0..=255).map(|number| (number, Codec::Pcma, u32::from(number))).collect();
    let beyond: Formats<'_> = &[(200, Codec::Pcma, 5), (0, Codec::Pcma, 8_000)];
    let mut session = session(&plan(&many, beyond));
    for number in 0..128 {
        let got = passed(&mut session, LegSide::A, packet(number, false, number.into()));
        assert_eq!(RtpPacket::parse(&got).unwrap().payload_type(), number);
    }
}
