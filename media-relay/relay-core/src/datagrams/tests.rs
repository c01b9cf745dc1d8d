use super::*;
use crate::LearningPolicy;
use model::{
    LegPlan, LegSecurity, MediaId, MediaPlan, QualityReport, ReportKind, StreamKind, TransactionId,
};

const A: &str = "192.0.2.1:4000";
const B: &str = "198.51.100.2:6000";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn leg(remote: &str) -> LegPlan {
    LegPlan {
        remote_rtp: Some(at(remote)),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: false,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: Vec::new(),
        telephone_event: None,
        xr: model::XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

fn fax() -> MediaPlan {
    MediaPlan { kind: StreamKind::Udptl, ..MediaPlan::rtp([leg(A), leg(B)]) }
}

fn session(plan: &MediaPlan) -> RtpSession {
    let id = TransactionId::from_random(1);
    let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
    session.apply(plan, Instant::ZERO);
    session
}

fn send(
    session: &mut RtpSession,
    from: LegSide,
    source: &str,
    datagram: &[u8],
    ms: u64,
) -> Decision {
    let mut copy = datagram.to_vec();
    let now = Instant::from_millis(ms);
    let decision =
        session.forward(from, MediaSocket::Rtp, at(source), &mut copy, datagram.len(), now);
    assert_eq!(copy, datagram, "nothing is changed");
    decision
}

fn sent(to: LegSide, destination: &str, len: usize) -> Decision {
    let (socket, kind) = (MediaSocket::Rtp, PacketKind::Udptl);
    Decision::Send { to, socket, destination: at(destination), len, kind }
}

fn reports(session: &mut RtpSession) -> [QualityReport; 2] {
    session.poll_report(Instant::from_millis(1_000), ReportKind::Interval)
}

#[test]
fn whatever_the_octets_are_they_pass_both_ways_and_are_counted_apart() {
    let mut session = session(&fax());
    // A UDPTL sequence number, one that looks like RTP, like RTCP, like STUN, and DTLS.
    for datagram in [&[0, 1, 2, 0xc0][..], &[0x80, 0, 1], &[0x80, 200, 0, 6], &[0, 1, 0, 0], &[22]]
    {
        let len = datagram.len();
        assert_eq!(send(&mut session, LegSide::A, A, datagram, 0), sent(LegSide::B, B, len));
        assert_eq!(send(&mut session, LegSide::B, B, datagram, 0), sent(LegSide::A, A, len));
    }
    let [a, b] = reports(&mut session);
    for report in [&a, &b] {
        let fax = report.fax.unwrap();
        assert_eq!((fax.received_packets, fax.received_bytes), (5, 16));
        assert_eq!((fax.sent_packets, fax.sent_bytes), (5, 16));
        assert_eq!((report.received.rtp_packets, report.sent.rtp_packets), (0, 0));
        assert_eq!(
            (report.received.loss.expected, report.mos),
            (0, None),
            "no quality to speak of"
        );
    }
    assert!(session.has_media());
}

#[test]
fn a_stranger_or_the_other_socket_gets_nothing_through() {
    let mut session = session(&fax());
    let dropped = Decision::Drop(DropReason::WrongSource);
    assert_eq!(send(&mut session, LegSide::A, "203.0.113.9:4000", b"x", 0), dropped);
    let other =
        session.forward(LegSide::A, MediaSocket::Rtcp, at(A), &mut [0; 9], 9, Instant::ZERO);
    assert_eq!(other, Decision::Drop(DropReason::NotMedia));
    let empty = send(&mut session, LegSide::A, A, b"", 0);
    assert_eq!(empty, Decision::Drop(DropReason::NotMedia));
    assert_eq!(reports(&mut session)[0].received.wrong_source, 1);
}

#[test]
fn a_source_behind_a_nat_is_learned_as_for_rtp() {
    let mut session = session(&fax());
    let learning = Decision::Drop(DropReason::Learning);
    assert_eq!(send(&mut session, LegSide::A, "192.0.2.1:4999", b"1", 0), learning);
    assert_eq!(send(&mut session, LegSide::A, "192.0.2.1:4999", b"2", 20), learning);
    let third = send(&mut session, LegSide::A, "192.0.2.1:4999", b"3", 40);
    assert_eq!(third, sent(LegSide::B, B, 1));
    let back = send(&mut session, LegSide::B, B, b"4", 50);
    assert_eq!(back, sent(LegSide::A, "192.0.2.1:4999", 1));
}

#[test]
fn directions_hold() {
    let mut plan = fax();
    plan.legs[0].accepts_from = false;
    plan.legs[0].sends_to = false;
    let mut session = session(&plan);
    let not_accepted = Decision::Drop(DropReason::NotAccepted);
    assert_eq!(send(&mut session, LegSide::A, A, b"x", 0), not_accepted);
    let not_wanted = Decision::Drop(DropReason::NotWanted);
    assert_eq!(send(&mut session, LegSide::B, B, b"x", 0), not_wanted);
}

#[test]
fn a_call_goes_from_audio_to_fax_and_back() {
    let audio = MediaPlan::rtp([leg(A), leg(B)]);
    let mut session = session(&audio);
    let mut rtp = vec![0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7];
    rtp.resize(172, 0xd5);
    let sends_rtp = |session: &mut RtpSession| {
        let decision = send(session, LegSide::A, A, &rtp, 0);
        matches!(decision, Decision::Send { kind: PacketKind::Rtp, .. })
    };
    assert!(sends_rtp(&mut session));
    let not_media = Decision::Drop(DropReason::NotMedia);
    assert_eq!(send(&mut session, LegSide::A, A, b"\x00\x01fax", 0), not_media);
    let mut moved = fax();
    moved.legs[0].remote_rtp = Some(at("192.0.2.1:4002"));
    session.apply(&moved, Instant::ZERO);
    let switched = send(&mut session, LegSide::A, "192.0.2.1:4002", b"\x00\x01fax", 0);
    assert_eq!(switched, sent(LegSide::B, B, 5));
    session.apply(&audio, Instant::ZERO);
    assert!(sends_rtp(&mut session));
    let [a, _] = reports(&mut session);
    assert_eq!((a.received.rtp_packets, a.fax.unwrap().received_packets), (2, 1));
}
