use super::*;
use crate::LearningPolicy;
use model::{
    Codec, CodecMapping, LegPlan, MediaId, MediaPlan, QualityReport, ReportKind, TransactionId,
};
use rtp_proto::rtcp::{ReportBlock, SenderInfo, write_receiver_report, write_sender_report};
use rtp_proto::{NtpTime, RtpHeader, dlsr_from_duration};
use std::time::Duration;

const A: &str = "192.0.2.1:4000";
const B: &str = "198.51.100.2:6000";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn leg(remote: &str) -> LegPlan {
    let remote_rtp = at(remote);
    LegPlan {
        remote_rtp: Some(remote_rtp),
        remote_rtcp: Some(SocketAddr::new(remote_rtp.ip(), remote_rtp.port() + 1)),
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
        telephone_event: Some(101),
        xr: model::XrWishes::default(),
        security: model::LegSecurity::Plain,
        ice: None,
    }
}

fn plan() -> MediaPlan {
    MediaPlan::rtp([leg(A), leg(B)])
}

fn session(plan: &MediaPlan) -> RtpSession {
    let mut session = RtpSession::new(
        MediaId(1),
        TransactionId::from_random(1),
        Instant::ZERO,
        LearningPolicy::default(),
    );
    session.apply(plan, Instant::ZERO);
    session
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    rtp_of_type(0, ssrc, sequence)
}

fn rtp_of_type(payload_type: u8, ssrc: u32, sequence: u16) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 160;
    let header = RtpHeader { payload_type, marker: false, sequence, timestamp, ssrc };
    let mut packet = header.to_bytes().to_vec();
    packet.resize(172, 0xd5);
    packet
}

fn send(session: &mut RtpSession, from: LegSide, source: &str, packet: &[u8]) -> Decision {
    send_at(session, from, MediaSocket::Rtp, source, packet, 0)
}

fn send_at(
    session: &mut RtpSession,
    from: LegSide,
    socket: MediaSocket,
    source: &str,
    packet: &[u8],
    millis: u64,
) -> Decision {
    let mut copy = packet.to_vec();
    let now = Instant::from_millis(millis);
    let decision = session.forward(from, socket, at(source), &mut copy, packet.len(), now);
    assert_eq!(copy, packet, "a transport translator changes nothing");
    decision
}

fn sent(to: LegSide, socket: MediaSocket, destination: &str, len: usize) -> Decision {
    let kind = if len == 172 { PacketKind::Rtp } else { PacketKind::Rtcp };
    Decision::Send { to, socket, destination: at(destination), len, kind }
}

fn reports(session: &mut RtpSession, millis: u64) -> [QualityReport; 2] {
    session.poll_report(Instant::from_millis(millis), ReportKind::Interval)
}

#[test]
fn rtp_passes_both_ways_and_is_counted_on_both_legs() {
    let mut session = session(&plan());
    for sequence in 0..10 {
        let packet = rtp(1, sequence);
        let decision = send(&mut session, LegSide::A, A, &packet);
        assert_eq!(decision, sent(LegSide::B, MediaSocket::Rtp, B, 172));
    }
    let decision = send(&mut session, LegSide::B, B, &rtp(2, 0));
    assert_eq!(decision, sent(LegSide::A, MediaSocket::Rtp, A, 172));
    let [a, b] = reports(&mut session, 0);
    assert_eq!((a.received.rtp_packets, a.received.rtp_bytes), (10, 1720));
    assert_eq!((b.sent.rtp_packets, b.sent.rtp_bytes), (10, 1720));
    assert_eq!((b.received.rtp_packets, a.sent.rtp_packets), (1, 1));
    assert_eq!(a.codecs.received, Some(Codec::Pcmu));
}

#[test]
fn a_spray_of_strangers_redirects_nothing_and_is_counted() {
    let mut session = session(&plan());
    send(&mut session, LegSide::A, A, &rtp(1, 0));
    for port in 1_024..6_024_u16 {
        let source = format!("203.0.113.7:{port}");
        let decision = send(&mut session, LegSide::A, &source, &rtp(9, port));
        assert_eq!(decision, Decision::Drop(DropReason::WrongSource));
    }
    let decision = send(&mut session, LegSide::B, B, &rtp(2, 0));
    assert_eq!(decision, sent(LegSide::A, MediaSocket::Rtp, A, 172));
    let [a, b] = reports(&mut session, 0);
    assert_eq!((a.received.wrong_source, a.received.rtp_packets), (5_000, 1));
    assert_eq!(b.sent.rtp_packets, 1);
}

#[test]
fn before_a_plan_everything_is_dropped() {
    let mut session = RtpSession::new(
        MediaId(1),
        TransactionId::from_random(1),
        Instant::ZERO,
        LearningPolicy::default(),
    );
    let decision = send(&mut session, LegSide::A, A, &rtp(1, 0));
    assert_eq!(decision, Decision::Drop(DropReason::NoPlan));
    let report = receiver_report(1, &[]);
    let decision = send(&mut session, LegSide::A, A, &report);
    assert_eq!(decision, Decision::Drop(DropReason::NoPlan));
}

#[test]
fn hold_counts_what_still_comes_and_forwards_none_of_it_and_resume_does_again() {
    let mut held = plan();
    held.legs[0].accepts_from = false;
    let mut session = session(&held);
    let decision = send(&mut session, LegSide::A, A, &rtp(1, 0));
    assert_eq!(decision, Decision::Drop(DropReason::NotAccepted));
    held.legs[0].accepts_from = true;
    held.legs[1].sends_to = false;
    session.apply(&held, Instant::ZERO);
    let decision = send(&mut session, LegSide::A, A, &rtp(1, 1));
    assert_eq!(decision, Decision::Drop(DropReason::NotWanted));
    // RTCP goes on during hold.
    let report = receiver_report(1, &[]);
    let decision = send(&mut session, LegSide::A, A, &report);
    assert!(matches!(decision, Decision::Send { .. }));
    session.apply(&plan(), Instant::ZERO);
    let decision = send(&mut session, LegSide::A, A, &rtp(1, 2));
    assert_eq!(decision, sent(LegSide::B, MediaSocket::Rtp, B, 172));
    let [a, b] = reports(&mut session, 0);
    assert_eq!((a.received.rtp_packets, b.sent.rtp_packets), (3, 1));
    assert_eq!(a.received.loss.lost, 0);
}

#[test]
fn a_plan_swap_redirects_to_the_new_description() {
    let mut session = session(&plan());
    send(&mut session, LegSide::B, B, &rtp(2, 0));
    let mut moved = plan();
    moved.legs[1] = leg("[2001:db8::7]:7000");
    session.apply(&moved, Instant::ZERO);
    let decision = send(&mut session, LegSide::A, A, &rtp(1, 0));
    assert_eq!(decision, sent(LegSide::B, MediaSocket::Rtp, "[2001:db8::7]:7000", 172));
    let decision = send(&mut session, LegSide::B, "[2001:db8::7]:7000", &rtp(2, 1));
    assert_eq!(decision, sent(LegSide::A, MediaSocket::Rtp, A, 172));
}

#[test]
fn without_a_destination_packets_are_dropped_until_latching_finds_it() {
    let mut plan = plan();
    plan.legs[1].remote_rtp = None;
    plan.legs[1].remote_rtcp = None;
    plan.legs[1].signalling_source = Some(at(B).ip());
    let mut session = session(&plan);
    let decision = send(&mut session, LegSide::A, A, &rtp(1, 0));
    assert_eq!(decision, Decision::Drop(DropReason::NoDestination));
    for (sequence, millis) in [(0, 0), (1, 20)] {
        let packet = rtp(2, sequence);
        let decision = send_at(&mut session, LegSide::B, MediaSocket::Rtp, B, &packet, millis);
        assert_eq!(decision, Decision::Drop(DropReason::Learning));
    }
    let decision = send_at(&mut session, LegSide::B, MediaSocket::Rtp, B, &rtp(2, 2), 40);
    assert_eq!(decision, sent(LegSide::A, MediaSocket::Rtp, A, 172));
    assert_eq!(session.latched(LegSide::B), Some(at(B)));
    let decision = send(&mut session, LegSide::A, A, &rtp(1, 1));
    assert_eq!(decision, sent(LegSide::B, MediaSocket::Rtp, B, 172));
}

#[test]
fn rtcp_finds_its_socket_for_every_combination_of_multiplexing() {
    for (mux_a, mux_b) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut plan = plan();
        plan.legs[0].rtcp_mux = mux_a;
        plan.legs[1].rtcp_mux = mux_b;
        let mut session = session(&plan);
        let report = receiver_report(1, &[]);
        let (socket, source) =
            if mux_a { (MediaSocket::Rtp, A) } else { (MediaSocket::Rtcp, "192.0.2.1:4001") };
        let expected = if mux_b {
            sent(LegSide::B, MediaSocket::Rtp, B, report.len())
        } else {
            sent(LegSide::B, MediaSocket::Rtcp, "198.51.100.2:6001", report.len())
        };
        let decision = send_at(&mut session, LegSide::A, socket, source, &report, 0);
        assert_eq!(decision, expected, "mux {mux_a} {mux_b}");
        let [a, b] = reports(&mut session, 0);
        assert_eq!((a.received.rtcp_packets, b.sent.rtcp_packets), (1, 1));
        assert_eq!(a.received.rtcp_bytes, report.len() as u64);
    }
}

#[test]
fn rtcp_is_not_sent_to_a_described_address_that_rtp_disproved() {
    let mut plan = plan();
    plan.legs[0] = leg("10.0.0.5:4000");
    plan.legs[0].signalling_source = Some(at(A).ip());
    let mut session = session(&plan);
    for (sequence, millis) in [(0, 0), (1, 20), (2, 40)] {
        send_at(&mut session, LegSide::A, MediaSocket::Rtp, A, &rtp(1, sequence), millis);
    }
    let report = receiver_report(2, &[]);
    let to_a = |session: &mut RtpSession| {
        send_at(session, LegSide::B, MediaSocket::Rtcp, "198.51.100.2:6001", &report, 50)
    };
    assert_eq!(to_a(&mut session), Decision::Drop(DropReason::NoDestination));
    let source = "192.0.2.1:9999";
    send_at(&mut session, LegSide::A, MediaSocket::Rtcp, source, &receiver_report(1, &[]), 60);
    assert_eq!(to_a(&mut session), sent(LegSide::A, MediaSocket::Rtcp, source, report.len()));
}

#[test]
fn rtcp_with_lying_lengths_changes_nothing_and_is_counted() {
    let mut session = session(&plan());
    let mut lying = receiver_report(1, &[ReportBlock::default()]);
    for (position, value) in [(3, 200), (3, 1), (0, 0x9f), (0, 0xa1)] {
        let honest = std::mem::replace(&mut lying[position], value);
        let decision = send(&mut session, LegSide::A, A, &lying);
        assert_eq!(decision, Decision::Drop(DropReason::MalformedRtcp), "{position}={value}");
        lying[position] = honest;
    }
    assert_eq!(session.latched(LegSide::A), None);
    let [a, b] = reports(&mut session, 0);
    assert_eq!((a.received.malformed, a.received.rtcp_packets, b.sent.rtcp_packets), (4, 0, 0));
}

#[test]
fn what_is_no_media_is_dropped_at_every_length() {
    let mut session = session(&plan());
    let packet = rtp(1, 0);
    for len in 0..12 {
        assert!(matches!(
            send(&mut session, LegSide::A, A, &packet[..len]),
            Decision::Drop(DropReason::NotMedia | DropReason::MalformedRtp)
        ));
    }
    for first in [0, 3, 20, 63, 64, 255] {
        let decision = send(&mut session, LegSide::A, A, &[first; 40]);
        assert_eq!(decision, Decision::Drop(DropReason::NotMedia));
    }
    let decision = send_at(&mut session, LegSide::A, MediaSocket::Rtcp, A, &packet, 0);
    assert_eq!(decision, Decision::Drop(DropReason::NotMedia));
    assert_eq!(reports(&mut session, 0)[0].received.malformed, 19);
}

#[test]
fn unknown_payload_types_and_telephone_events_pass() {
    let mut session = session(&plan());
    for (sequence, payload_type) in [(0, 0), (1, 101), (2, 77), (3, 13)] {
        let packet = rtp_of_type(payload_type, 1, sequence);
        let decision = send(&mut session, LegSide::A, A, &packet);
        assert_eq!(decision, sent(LegSide::B, MediaSocket::Rtp, B, 172));
    }
    assert_eq!(reports(&mut session, 0)[0].received.loss.lost, 0);
}

#[test]
fn blocked_telephone_events_of_one_leg_are_counted_and_stay() {
    let mut plan = plan();
    plan.blocked_events = [true, false];
    let mut session = session(&plan);
    let blocked = send(&mut session, LegSide::A, A, &rtp_of_type(101, 1, 0));
    assert_eq!(blocked, Decision::Drop(DropReason::NotAccepted));
    let audio = send(&mut session, LegSide::A, A, &rtp(1, 1));
    assert_eq!(audio, sent(LegSide::B, MediaSocket::Rtp, B, 172));
    let other = send(&mut session, LegSide::B, B, &rtp_of_type(101, 2, 0));
    assert_eq!(other, sent(LegSide::A, MediaSocket::Rtp, A, 172));
    let received = reports(&mut session, 0)[0].received;
    assert_eq!((received.rtp_packets, received.loss.lost), (2, 0));
    plan.blocked_events = [false, false];
    session.apply(&plan, Instant::ZERO);
    let passed = send(&mut session, LegSide::A, A, &rtp_of_type(101, 1, 2));
    assert_eq!(passed, sent(LegSide::B, MediaSocket::Rtp, B, 172));
}

#[test]
fn the_round_trip_is_measured_between_us_and_the_leg_that_answers() {
    let mut session = session(&plan());
    send(&mut session, LegSide::A, A, &rtp(1, 0));
    let ntp = NtpTime(0x1234_5678_9abc_def0);
    let mut report = Vec::new();
    write_sender_report(&mut report, 1, &SenderInfo { ntp, ..SenderInfo::default() }, &[]);
    send_at(&mut session, LegSide::A, MediaSocket::Rtp, A, &report, 1_000);
    let block = ReportBlock {
        ssrc: 1,
        last_sender_report: ntp.mid(),
        delay_since_last_sender_report: dlsr_from_duration(Duration::from_millis(500)),
        jitter: 80,
        ..ReportBlock::default()
    };
    let answer = receiver_report(2, &[block]);
    send_at(&mut session, LegSide::B, MediaSocket::Rtp, B, &answer, 1_540);
    // The same answer when less time than its delay has passed is a lie.
    send_at(&mut session, LegSide::B, MediaSocket::Rtp, B, &answer, 1_400);
    let [a, b] = reports(&mut session, 2_000);
    assert_eq!(a.rtt, None);
    let rtt = b.rtt.unwrap();
    assert!(rtt.abs_diff(Duration::from_millis(40)) < Duration::from_micros(20), "{rtt:?}");
    assert_eq!(b.peer.unwrap().jitter, Duration::from_millis(10));
    assert_eq!(reports(&mut session, 3_000)[1].rtt, None);
}

#[test]
fn loss_before_us_is_not_held_against_the_leg_that_reports_it() {
    let mut session = session(&plan());
    for sequence in [0, 1, 2, 5, 6, 7, 8, 9] {
        send(&mut session, LegSide::A, A, &rtp(1, sequence));
    }
    for (reported, here) in [(5, 3), (2, 0), (1, 0)] {
        let block = ReportBlock { ssrc: 1, cumulative_lost: reported, ..ReportBlock::default() };
        let report = receiver_report(2, &[block]);
        send(&mut session, LegSide::B, B, &report);
        let [a, b] = reports(&mut session, 0);
        assert_eq!(a.received.loss.lost, 2);
        assert_eq!(b.peer.unwrap().packets_lost, here);
    }
    // A report about a source that nobody sent says nothing.
    let stranger = ReportBlock { ssrc: 99, cumulative_lost: 50, ..ReportBlock::default() };
    send(&mut session, LegSide::B, B, &receiver_report(2, &[stranger]));
    assert_eq!(reports(&mut session, 0)[1].peer.unwrap().reports, 3);
}

#[test]
fn intervals_and_totals_are_kept_apart() {
    let mut session = session(&plan());
    for sequence in [0, 1, 3] {
        send(&mut session, LegSide::A, A, &rtp(1, sequence));
    }
    let first = &reports(&mut session, 0)[0].received;
    assert_eq!((first.loss.lost, first.interval_loss.lost), (1, 1));
    for sequence in [4, 5] {
        send(&mut session, LegSide::A, A, &rtp(1, sequence));
    }
    let second = &reports(&mut session, 0)[0].received;
    assert_eq!((second.loss.lost, second.loss.expected), (1, 6));
    assert_eq!((second.interval_loss.lost, second.interval_loss.expected), (0, 2));
}

#[test]
fn more_sources_than_places_keep_their_totals() {
    let mut session = session(&plan());
    for ssrc in 0..50_u32 {
        for sequence in [10, 12] {
            let millis = u64::from(ssrc) * 40;
            send_at(&mut session, LegSide::A, MediaSocket::Rtp, A, &rtp(ssrc, sequence), millis);
        }
    }
    let [a, _] = reports(&mut session, 0);
    assert_eq!((a.received.loss.expected, a.received.loss.lost), (150, 50));
}

#[test]
fn a_packet_that_the_system_did_not_take_was_not_sent() {
    let mut session = session(&plan());
    send(&mut session, LegSide::A, A, &rtp(1, 0));
    session.send_failed(LegSide::B, PacketKind::Rtp, 172);
    let [_, b] = reports(&mut session, 0);
    assert_eq!((b.sent.rtp_packets, b.sent.rtp_bytes, b.sent.dropped), (0, 0, 1));
}

#[test]
fn silence_is_said_once_and_again_after_the_leg_spoke() {
    let mut session = session(&plan());
    let after = Duration::from_secs(10);
    let silent = |session: &mut RtpSession, millis| {
        session.poll_silence(LegSide::A, Instant::from_millis(millis), after)
    };
    assert!(!silent(&mut session, 9_999));
    assert!(silent(&mut session, 10_000));
    assert!(!silent(&mut session, 20_000));
    send_at(&mut session, LegSide::A, MediaSocket::Rtp, A, &rtp(1, 0), 30_000);
    assert!(!silent(&mut session, 39_999));
    assert!(silent(&mut session, 40_000));
    let mut held = plan();
    held.legs = held.legs.map(|leg| LegPlan { accepts_from: false, ..leg });
    session.apply(&held, Instant::from_millis(50_000));
    assert_eq!(session.silence_deadline(after), None);
}

fn receiver_report(ssrc: u32, blocks: &[ReportBlock]) -> Vec<u8> {
    let mut out = Vec::new();
    write_receiver_report(&mut out, ssrc, blocks);
    out
}
