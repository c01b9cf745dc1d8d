//! Safety of plain RTP on the packet path: who may inject, and what odd streams do to the numbers.
//!
//! What plain RTP cannot promise is tested too, so that it stays as narrow as
//! `docs/hostile-input.md` says.
#![expect(clippy::unwrap_used, reason = "test helpers outside of #[test] functions")]

use model::{
    Codec, CodecMapping, Instant, LegPlan, LegSecurity, LegSide, MediaId, MediaPlan, QualityReport,
    ReceivedView, ReportKind, TransactionId,
};
use proptest::prelude::*;
use relay_core::{Decision, DropReason, ForwardedPacket, LearningPolicy, MediaSocket, RtpSession};
use rtp_proto::RtpHeader;
use std::net::SocketAddr;
use std::time::Duration;

const A: &str = "192.0.2.1:4000";
const B: &str = "198.51.100.2:6000";
const STRANGER: &str = "203.0.113.66:4000";

/// One packet, 20 ms after the one before.
#[derive(Clone, Copy, Debug)]
struct Packet {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

struct Call {
    session: RtpSession,
    now: Instant,
}

impl Call {
    fn new() -> Call {
        let id = TransactionId::from_random(1);
        let now = Instant::from_millis(1_000);
        let mut session = RtpSession::new(MediaId(1), id, now, LearningPolicy::default());
        session.apply(&MediaPlan::rtp([leg(A), leg(B)]), now);
        Call { session, now }
    }

    fn send(&mut self, from: LegSide, source: &str, packet: Packet) -> Decision {
        let Packet { ssrc, sequence, timestamp } = packet;
        let header = RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc };
        let mut octets = header.to_bytes().to_vec();
        octets.resize(172, 0xd5);
        let source = source.parse().unwrap();
        self.session.forward(from, MediaSocket::Rtp, source, &mut octets, 172, self.now)
    }

    /// From the leg itself: it must be sent on, to the other leg.
    fn genuine(&mut self, from: LegSide, packet: Packet) {
        let (source, destination) = match from {
            LegSide::A => (A, B),
            LegSide::B => (B, A),
        };
        let decision = self.send(from, source, packet);
        self.now += Duration::from_millis(20);
        let Decision::Send { to, destination: sent_to, .. } = decision else {
            panic!("{decision:?} for {packet:?}");
        };
        assert_eq!((to, sent_to), (from.other(), at(destination)));
    }

    /// The same, forwarded by the kernel.
    fn by_the_kernel(&mut self, packet: Packet) {
        let Packet { ssrc, sequence, timestamp } = packet;
        let note = ForwardedPacket {
            ssrc,
            sequence,
            timestamp,
            numbers: None,
            payload_type: 0,
            marker: false,
            octets: 172,
            arrival: self.now,
        };
        self.session.forwarded(LegSide::A, &note);
        self.now += Duration::from_millis(20);
    }

    fn received(&mut self, leg: LegSide) -> ReceivedView {
        self.reports()[leg.index()].received
    }

    fn reports(&mut self) -> [QualityReport; 2] {
        self.session.poll_report(self.now, ReportKind::Interval)
    }
}

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
        codecs: vec![CodecMapping {
            payload_type: 0,
            codec: Codec::Pcmu,
            clock_rate: 8_000,
            packet_duration: Duration::from_millis(20),
        }],
        telephone_event: None,
        xr: model::XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

fn packet(ssrc: u32, number: u32) -> Packet {
    Packet { ssrc, sequence: number as u16, timestamp: number.wrapping_mul(160) }
}

/// A stream of `packets` through either path: the first packet always through the sockets.
fn after(packets: &[Packet], kernel: bool) -> ReceivedView {
    let mut call = Call::new();
    for (number, packet) in packets.iter().enumerate() {
        if kernel && number > 0 {
            call.by_the_kernel(*packet);
        } else {
            call.genuine(LegSide::A, *packet);
        }
    }
    call.received(LegSide::A)
}

#[test]
fn a_spray_from_the_first_packet_on_is_refused_packet_by_packet() {
    let mut call = Call::new();
    let strangers = [
        STRANGER,
        "203.0.113.66:4002",
        "192.0.2.2:4000",
        "198.51.100.2:6000",
        "[2001:db8::1]:4000",
    ];
    let mut forged = 0;
    for number in 0..2_000 {
        // The stranger knows the SSRC and the numbers, and is always first. So is the other leg's
        // address a stranger's here.
        for stranger in strangers {
            let decision = call.send(LegSide::A, stranger, packet(7, number));
            assert_eq!(decision, Decision::Drop(DropReason::WrongSource), "{stranger}");
            forged += 1;
        }
        // The call's own media begins later.
        if number >= 50 {
            call.genuine(LegSide::A, packet(7, number));
            call.genuine(LegSide::B, packet(9, number));
        }
    }
    let [a, b] = call.reports();
    assert_eq!((a.received.wrong_source, b.received.wrong_source), (forged, 0));
    for report in [&a, &b] {
        let received = &report.received;
        assert_eq!((received.rtp_packets, received.loss.expected), (1_950, 1_950));
        assert_eq!((received.loss.lost, received.duplicated), (0, 0));
        assert_eq!(report.sent.rtp_packets, 1_950);
    }
}

#[test]
fn another_port_of_the_described_host_is_heard_for_no_longer_than_the_window() {
    // The limit of plain RTP: who has the leg's own IP address (the same NAT) may be the leg behind
    // a NAT that changes ports. The described address takes its place at once, and for good.
    let mut call = Call::new();
    let neighbour = "192.0.2.1:4444";
    for number in 0..3 {
        let decision = call.send(LegSide::A, neighbour, packet(66, number));
        let passes = matches!(decision, Decision::Send { .. });
        assert_eq!(passes, number == 2, "not before three packets in 30 ms");
        call.now += Duration::from_millis(20);
    }
    call.genuine(LegSide::A, packet(7, 0));
    for number in 3..200 {
        let decision = call.send(LegSide::A, neighbour, packet(66, number));
        assert_eq!(decision, Decision::Drop(DropReason::WrongSource));
        call.genuine(LegSide::A, packet(7, number));
    }
}

#[test]
fn a_source_address_that_is_forged_to_be_the_legs_own_passes_and_moves_nothing() {
    // The other limit: nothing in plain RTP tells a forged source address. What it says is passed
    // on, and yet no packet of the call goes anywhere else.
    let mut call = Call::new();
    for number in 0..100 {
        call.genuine(LegSide::A, packet(7, number));
        call.genuine(LegSide::A, packet(0xbad, 5_000 + number));
        call.genuine(LegSide::B, packet(9, number));
    }
    assert_eq!(call.session.latched(LegSide::A), Some(at(A)));
    assert_eq!(call.session.destination(LegSide::A), Some(at(A)));
    // Two sources that alternate are measured apart.
    let received = call.received(LegSide::A);
    assert_eq!((received.loss.expected, received.loss.lost), (200, 0));
}

#[test]
fn both_legs_may_choose_the_same_ssrc() {
    // RFC 3550 section 8.2: a translator leaves collisions to the ends, and does not mix them up.
    let mut call = Call::new();
    for number in 0..100 {
        call.genuine(LegSide::A, packet(7, number));
        if number % 2 == 0 {
            call.genuine(LegSide::B, packet(7, 40_000 + number));
        }
    }
    let [a, b] = call.reports();
    assert_eq!((a.received.loss.expected, a.received.loss.lost), (100, 0));
    // B's every other number never came.
    assert_eq!((b.received.loss.expected, b.received.loss.lost), (99, 49));
}

#[test]
fn a_new_ssrc_begins_anew_and_loses_nothing() {
    for kernel in [false, true] {
        let packets: Vec<_> = (0..100)
            .map(|number| packet(7, number))
            // RFC 3550 section 8.2: whoever finds a collision goes on with another SSRC, and with
            // other first numbers.
            .chain((0..100).map(|number| packet(8, 900_000 + number)))
            .chain((0..100).map(|number| packet(9, 30 + number)))
            .collect();
        let received = after(&packets, kernel);
        assert_eq!((received.loss.expected, received.loss.lost), (300, 0), "{kernel}");
        assert_eq!((received.reordered, received.duplicated), (0, 0));
        assert_eq!(received.jitter, Duration::ZERO);
    }
}

#[test]
fn a_jump_of_numbers_is_loss_or_a_restart_as_rfc_3550_says() {
    // (numbers before, first number after the jump, expected, lost)
    let cases = [
        // Less than MAX_DROPOUT (3,000) ahead: loss.
        (100, 3_098, 3_198, 2_998),
        // From there on, and 100 or more behind: a new run of numbers.
        (100, 3_099, 200, 0),
        (100, 40_000, 200, 0),
        (30_000, 10, 30_100, 0),
    ];
    for kernel in [false, true] {
        for (before, jump, expected, lost) in cases {
            let numbers = (0..before).chain(jump..jump + 100);
            let packets: Vec<_> = numbers.map(|number| packet(7, number)).collect();
            let received = after(&packets, kernel);
            assert_eq!((received.loss.expected, received.loss.lost), (expected, lost), "{jump}");
        }
    }
}

#[test]
fn a_timestamp_that_starts_over_is_neither_loss_nor_jitter() {
    for kernel in [false, true] {
        for reset in [0_u64, 1 << 20, 1 << 31, (1 << 32) - 80] {
            let packets: Vec<_> = (0..400)
                .map(|number| Packet {
                    timestamp: (reset * u64::from(number / 100) + u64::from(number * 160)) as u32,
                    ..packet(7, number)
                })
                .collect();
            let received = after(&packets, kernel);
            assert_eq!((received.loss.expected, received.loss.lost), (400, 0), "{reset}");
            assert!(received.jitter < Duration::from_millis(2), "{reset}: {:?}", received.jitter);
        }
    }
}

#[test]
fn wild_numbers_are_passed_on_and_counted_within_reason() {
    // Every packet jumps: none confirms the one before, and nothing of it counts as lost.
    for kernel in [false, true] {
        let packets: Vec<_> = (0..500).map(|number| packet(7, number * 9_973 % 65_536)).collect();
        let received = after(&packets, kernel);
        assert_eq!(received.rtp_packets, 500);
        assert!(received.loss.expected <= 500 * 3_000, "{:?}", received.loss);
        assert!(received.loss.lost <= received.loss.expected as i64);
    }
}

#[test]
fn a_leg_over_its_rate_loses_the_excess_alone() {
    let mut call = Call::new();
    call.session.limit_rate(2_000);
    let mut dropped = 0;
    // Ten seconds at 4,000 packets a second, and a stranger's spray beside them.
    for number in 0..40_000 {
        call.now += Duration::from_micros(250);
        let strange = call.send(LegSide::A, STRANGER, packet(7, number));
        assert_eq!(strange, Decision::Drop(DropReason::WrongSource), "takes nothing of the leg's");
        match call.send(LegSide::A, A, packet(7, number)) {
            Decision::Send { .. } => {}
            decision => {
                assert_eq!(decision, Decision::Drop(DropReason::RateExceeded));
                dropped += 1;
            }
        }
        if number % 80 == 0 {
            let now = call.now;
            call.genuine(LegSide::B, packet(9, number / 80));
            call.now = now;
        }
    }
    assert!((17_990..=18_010).contains(&dropped), "{dropped}: half, but for the burst before");
    let [a, b] = call.reports();
    // It was received, and not passed on; nobody lost it.
    assert_eq!((a.received.rtp_packets, a.received.loss.lost), (40_000, 0));
    assert_eq!(b.sent.rtp_packets, 40_000 - dropped);
    assert_eq!((b.received.rtp_packets, b.received.loss.lost), (500, 0));
}

#[test]
fn what_the_kernel_forwards_counts_for_the_rate() {
    let mut call = Call::new();
    call.session.limit_rate(600);
    call.genuine(LegSide::A, packet(7, 0));
    let now = call.now;
    for number in 1..600 {
        call.by_the_kernel(packet(7, number));
        call.now = now;
    }
    let mut passed = 0;
    for number in 600..700 {
        let decision = call.send(LegSide::A, A, packet(7, number));
        passed += u32::from(matches!(decision, Decision::Send { .. }));
    }
    // Twelve packets' time has passed since the first.
    assert!(passed <= 13, "{passed}");
}

proptest! {
    /// Whatever comes, from whomever: only the leg's own packets go on, and only to the other leg.
    #[test]
    fn nobody_else_is_ever_passed_on(
        packets in prop::collection::vec(
            (0_usize..5, any::<bool>(), 0_u32..3, any::<u16>(), any::<u32>(), 0_u64..50), 1..200,
        ),
    ) {
        let sources = [A, B, STRANGER, "192.0.2.2:4000", "198.51.100.3:6000"];
        let mut call = Call::new();
        let mut own = [0, 0];
        for (source, is_b, ssrc, sequence, timestamp, wait) in packets {
            let (from, true_source) = if is_b { (LegSide::B, B) } else { (LegSide::A, A) };
            let decision = call.send(from, sources[source], Packet { ssrc, sequence, timestamp });
            call.now += Duration::from_millis(wait);
            if sources[source] == true_source {
                own[from.index()] += 1;
                let to = if let Decision::Send { to, .. } = decision { Some(to) } else { None };
                prop_assert_eq!(to, Some(from.other()));
            } else {
                prop_assert_eq!(decision, Decision::Drop(DropReason::WrongSource));
            }
        }
        for (report, own) in call.reports().iter().zip(own) {
            prop_assert_eq!(report.received.rtp_packets, own);
            prop_assert!(report.received.loss.expected <= own * 3_000);
            prop_assert!(report.received.loss.lost <= report.received.loss.expected as i64);
        }
    }
}
