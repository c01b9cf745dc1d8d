use super::*;
use crate::{Decision, GROWTH, LearningPolicy, NtpTime, REPORT_INTERVAL};
use model::{
    Codec, CodecMapping, LegPlan, LegSecurity, MediaPlan, RtcpStyle, SdesKeys, SrtpKey, SrtpSuite,
    StreamKind, XrWishes,
};
use proptest::prelude::*;
use rtp_proto::RtpHeader;
use rtp_proto::rtcp::{SenderInfo, validate_compound, write_sender_report};
use rtp_proto::srtp::SrtpSender;
use std::time::Duration;

const ID: MediaId = MediaId(7);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn of_leg(leg: LegSide) -> SocketAddr {
    ([192, 0, 2, 1 + leg.index() as u8], 4_001).into()
}

fn key(fill: u8) -> SrtpKey {
    SrtpKey::new(SrtpSuite::AesCm128HmacSha1_80, &[fill; 30]).unwrap()
}

fn plan(security: [LegSecurity; 2]) -> MediaPlan {
    let mut side = LegSide::A;
    let mut plan = MediaPlan::rtp(security.map(|security| {
        let remote = of_leg(side);
        side = side.other();
        LegPlan {
            remote_rtp: Some(SocketAddr::new(remote.ip(), 4_000)),
            remote_rtcp: Some(remote),
            signalling_source: None,
            rtcp_mux: false,
            accepts_from: true,
            sends_to: true,
            relearn: true,
            codecs: vec![CodecMapping {
                payload_type: 0,
                codec: Codec::Pcmu,
                clock_rate: 8_000,
                packet_duration: Duration::from_millis(20),
            }],
            telephone_event: None,
            xr: XrWishes::default(),
            security,
            ice: None,
        }
    }));
    plan.copies_rtcp = true;
    plan
}

fn session(style: RtcpStyle, plan: &MediaPlan) -> RtpSession {
    let call = TransactionId::from_random(1);
    let mut session = RtpSession::new(ID, call, Instant::ZERO, LearningPolicy::default());
    session.set_rtcp(style, REPORT_INTERVAL, &mut || 7);
    session.apply(plan, Instant::ZERO);
    session
}

fn report(ssrc: u32) -> Vec<u8> {
    let mut out = Vec::new();
    write_sender_report(&mut out, ssrc, &SenderInfo::default(), &[]);
    out
}

fn forward(session: &mut RtpSession, from: LegSide, compound: &[u8], now: Instant) -> Decision {
    let mut buffer = compound.to_vec();
    buffer.resize(compound.len() + GROWTH, 0);
    let (source, len) = (of_leg(from), compound.len());
    session.forward(from, MediaSocket::Rtcp, source, &mut buffer, len, now)
}

#[test]
fn what_a_leg_sends_is_copied_once_and_without_its_encryption() {
    let secured = LegSecurity::Sdes(Box::new(SdesKeys { receive: key(1), send: key(2) }));
    for (security, is_secured) in
        [([LegSecurity::Plain, LegSecurity::Plain], false), ([secured.clone(), secured], true)]
    {
        let mut session = session(RtcpStyle::Translator, &plan(security));
        let plain = report(9);
        let mut sent = plain.clone();
        if is_secured {
            sent.resize(plain.len() + GROWTH, 0);
            let len = SrtpSender::new(&key(1)).protect_rtcp(&mut sent, plain.len()).unwrap();
            sent.truncate(len);
            assert_ne!(sent[8..plain.len()], plain[8..], "nobody else could read it");
        }
        let at = Instant::from_millis(20);
        let decision = forward(&mut session, LegSide::B, &sent, at);
        assert!(matches!(decision, Decision::Send { to: LegSide::A, .. }), "{decision:?}");
        let socket = MediaSocket::Rtcp;
        let expected = CopiedRtcp::received(LegSide::B, socket, of_leg(LegSide::B), at, &plain);
        assert_eq!(session.take_rtcp_copy(), Some(expected));
        assert_eq!(session.take_rtcp_copy(), None, "it is taken once");
    }
}

#[test]
fn strangers_lies_and_streams_that_nobody_wants_copied_leave_nothing() {
    let plain = || plan([LegSecurity::Plain, LegSecurity::Plain]);
    let mut session = session(RtcpStyle::Translator, &plain());
    let now = Instant::from_millis(20);
    forward(&mut session, LegSide::A, &report(9), now);
    assert!(session.take_rtcp_copy().is_some());
    let mut lie = report(9);
    lie[3] = 99;
    assert!(matches!(forward(&mut session, LegSide::A, &lie, now), Decision::Drop(_)));
    assert_eq!(session.take_rtcp_copy(), None);
    let mut octets = report(9);
    let (stranger, len) = (address("203.0.113.9:4001"), octets.len());
    let later = Instant::from_millis(60_000);
    session.forward(LegSide::A, MediaSocket::Rtcp, stranger, &mut octets, len, later);
    assert_eq!(session.take_rtcp_copy(), None);
    for unwanted in [
        MediaPlan { copies_rtcp: false, ..plain() },
        MediaPlan { kind: StreamKind::Udptl, ..plain() },
    ] {
        session.apply(&plain(), later);
        assert!(session.copies_rtcp());
        session.apply(&unwanted, later);
        assert!(!session.copies_rtcp());
        forward(&mut session, LegSide::A, &report(9), later);
        assert_eq!(session.take_rtcp_copy(), None);
    }
}

#[test]
fn our_own_reports_and_goodbyes_are_copied_too() {
    let mut session =
        session(RtcpStyle::BackToBack, &plan([LegSecurity::Plain, LegSecurity::Plain]));
    let mut out = Vec::with_capacity(crate::LONGEST_REPORT);
    let ntp = NtpTime::from_unix(Duration::from_secs(1_700_000_000));
    for sequence in 0..600_u16 {
        let now = Instant::from_millis(u64::from(sequence) * 20);
        let timestamp = u32::from(sequence) * 160;
        let header = RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc: 9 };
        let mut packet = [0; 172 + GROWTH];
        header.write_header(&mut packet).unwrap();
        let source = SocketAddr::new(of_leg(LegSide::A).ip(), 4_000);
        session.forward(LegSide::A, MediaSocket::Rtp, source, &mut packet, 172, now);
        assert_eq!(session.take_rtcp_copy(), None, "audio is not copied");
    }
    let now = Instant::from_millis(12_000);
    // Where RTCP ends here, what came is copied all the same.
    assert_eq!(forward(&mut session, LegSide::A, &report(9), now), Decision::Taken);
    assert_eq!(session.take_rtcp_copy().map(|copied| copied.octets.to_vec()), Some(report(9)));
    for goodbye in [false, true] {
        let own = match goodbye {
            false => session.poll_rtcp(LegSide::B, now, ntp, 500, &mut out),
            true => session.poll_goodbye(LegSide::B, now, ntp, &mut out),
        };
        let own = own.expect("it is due");
        let sent = out.get(..own.len).unwrap().to_vec();
        let copied = session.take_rtcp_copy().expect("it is copied");
        assert_eq!((copied.direction, copied.leg), (MessageDirection::Sent, LegSide::B));
        assert_eq!((copied.peer, copied.at), (own.destination, now));
        assert!(copied.octets == sent && validate_compound(copied.octets));
    }
}

proptest! {
    /// Whatever fits comes out as it went in, in its order; the rest is counted.
    #[test]
    fn a_ring_gives_back_what_it_took(
        copies in prop::collection::vec((any::<[u64; 4]>(), 1_usize..LONGEST_COPY), 1..40),
    ) {
        let (mut writer, mut reader) = copy_ring(16_384);
        let (mut expected, mut lost) = (Vec::new(), 0);
        for ([id, call, at, choice], len) in copies {
            let octets: Vec<u8> = (0..len).map(|n| (n as u64 ^ id) as u8).collect();
            let addresses = ["192.0.2.1:4001", "[2001:db8::1]:65535", "[::ffff:192.0.2.1]:1"];
            let [local, peer] = [choice, choice / 3]
                .map(|n| address(addresses[(n % 3) as usize]));
            let leg = if choice & 8 == 0 { LegSide::A } else { LegSide::B };
            let direction = match choice & 16 {
                0 => MessageDirection::Sent,
                _ => MessageDirection::Received,
            };
            let (at, socket) = (Instant::from_nanos(at), MediaSocket::Rtcp);
            let copied = CopiedRtcp { leg, direction, socket, peer, at, octets: &octets };
            let of = (MediaId(id), TransactionId::from_random(u128::from(call) << 60));
            if writer.write(of, local, &copied) {
                let (id, transaction_id) = of;
                let remote = peer;
                expected.push(RtcpCopy {
                    id, transaction_id, leg, direction, local, remote, at, octets,
                });
            } else {
                lost += 1;
            }
        }
        drop(writer);
        let found: Vec<_> = std::iter::from_fn(|| reader.read()).collect();
        prop_assert_eq!(found, expected);
        prop_assert!(reader.lost() == lost && reader.is_closed());
    }
}
