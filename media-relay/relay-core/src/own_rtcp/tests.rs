mod extended;
mod feedback;
mod sources;

use super::*;
use crate::{Decision, ForwardedPacket, LearningPolicy};
use model::{
    Codec, CodecMapping, LegPlan, LegSecurity, MediaId, MediaPlan, QualityReport, ReportKind,
    SdesKeys, SrtpKey, SrtpSuite, TransactionId, XrWishes,
};
use rtp_proto::rtcp::{
    ReportBlock, RtcpPacket, SenderInfo, parse_compound, validate_compound, write_bye,
    write_receiver_report, write_sender_report,
};
use rtp_proto::srtp::SrtpReceiver;
use rtp_proto::{NtpMid, RtpHeader, dlsr_from_duration};

const A: LegSide = LegSide::A;
const B: LegSide = LegSide::B;
/// The sources of the media of leg A and of leg B.
const SSRCS: [u32; 2] = [0xaaaa_0001, 0xbbbb_0002];

fn address(leg: LegSide) -> SocketAddr {
    ([192, 0, 2, 1 + leg.index() as u8], 4_000).into()
}

fn leg(side: LegSide) -> LegPlan {
    let remote = address(side);
    LegPlan {
        remote_rtp: Some(remote),
        remote_rtcp: Some(SocketAddr::new(remote.ip(), 4_001)),
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
        security: LegSecurity::Plain,
        ice: None,
    }
}

/// A call with audio both ways, and what the relay has sent of its own.
struct Call {
    session: RtpSession,
    now: u64,
    sequence: u16,
    /// Milliseconds, leg, octets without protection.
    own: Vec<(u64, LegSide, Vec<u8>)>,
    draws: u64,
}

impl Call {
    fn new(style: RtcpStyle, change: impl FnOnce(&mut [LegPlan; 2])) -> Call {
        let mut legs = [leg(A), leg(B)];
        change(&mut legs);
        let id = TransactionId::from_random(1);
        let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
        let mut draws = 0x0123_4567_89ab_cdef_u64;
        session.set_rtcp(style, REPORT_INTERVAL, &mut || {
            draws = draws.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
            draws
        });
        session.apply(&MediaPlan::rtp(legs), Instant::ZERO);
        Call { session, now: 0, sequence: 0, own: Vec::new(), draws }
    }

    fn at(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    /// What the wall clock of the relay shows.
    fn ntp(&self) -> NtpTime {
        NtpTime::from_unix(Duration::from_millis(1_700_000_000_000 + self.now))
    }

    /// Sends a packet of audio from `from`; what the other leg gets of it.
    fn audio(&mut self, from: LegSide) -> Vec<u8> {
        let header = RtpHeader {
            payload_type: 0,
            marker: false,
            sequence: self.sequence,
            timestamp: u32::from(self.sequence) * 160,
            ssrc: SSRCS[from.index()],
        };
        let mut packet = [0; 172 + GROWTH];
        header.write_header(&mut packet).unwrap();
        let now = self.at();
        let source = address(from);
        let decision = self.session.forward(from, MediaSocket::Rtp, source, &mut packet, 172, now);
        let Decision::Send { len, .. } = decision else { panic!("{decision:?}") };
        packet[..len].to_vec()
    }

    fn rtcp(&mut self, from: LegSide, compound: &[u8]) -> Decision {
        let mut buffer = compound.to_vec();
        buffer.resize(compound.len() + GROWTH, 0);
        let source = SocketAddr::new(address(from).ip(), 4_001);
        let (len, now) = (compound.len(), self.at());
        self.session.forward(from, MediaSocket::Rtcp, source, &mut buffer, len, now)
    }

    /// Goes on for a while with audio from `speaking`, and sends what is due.
    fn run(&mut self, millis: u64, speaking: &[LegSide]) {
        for _ in 0..millis / 20 {
            self.now += 20;
            self.sequence = self.sequence.wrapping_add(1);
            for from in speaking {
                self.audio(*from);
            }
            self.serve();
        }
    }

    fn serve(&mut self) {
        let (now, ntp) = (self.at(), self.ntp());
        if self.session.rtcp_deadline().is_none_or(|at| at > now) {
            return;
        }
        for to in LegSide::BOTH {
            self.draws = self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
            let mut out = Vec::new();
            let random = self.draws >> 20;
            if let Some(report) = self.session.poll_rtcp(to, now, ntp, random, &mut out) {
                assert_eq!(report.socket, MediaSocket::Rtcp);
                assert_eq!(report.destination, SocketAddr::new(address(to).ip(), 4_001));
                self.own.push((self.now, to, out[..report.len].to_vec()));
            }
        }
    }

    fn own_to(&self, leg: LegSide) -> Vec<&[u8]> {
        self.own.iter().filter(|own| own.1 == leg).map(|own| &own.2[..]).collect()
    }

    fn reports(&mut self) -> [QualityReport; 2] {
        let now = self.at();
        self.session.poll_report(now, ReportKind::Interval)
    }
}

fn packets(compound: &[u8]) -> Vec<RtcpPacket<'_>> {
    assert!(validate_compound(compound), "{compound:?}");
    parse_compound(compound).collect::<Result<_, _>>().unwrap()
}

fn sender_report(compound: &[u8]) -> rtp_proto::rtcp::SenderReport<'_> {
    match packets(compound)[0] {
        RtcpPacket::SenderReport(report) => report,
        ref other => panic!("{other:?}"),
    }
}

fn empty_report(ssrc: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_receiver_report(&mut bytes, ssrc, &[]);
    bytes
}

#[test]
fn a_leg_beside_one_without_rtcp_gets_our_reports_and_its_answers_give_round_trip_and_loss() {
    let mut call = Call::new(RtcpStyle::Auto, |_| {});
    let mut report = Vec::new();
    let info = SenderInfo { ntp: NtpTime(0x1234_5678_0000_0000), ..SenderInfo::default() };
    write_sender_report(&mut report, SSRCS[0], &info, &[]);
    let decision = call.rtcp(A, &report);
    assert!(matches!(decision, Decision::Send { to: B, .. }), "{decision:?}");
    for answer in 1..=3 {
        while call.own.len() < answer {
            call.run(20, &[A, B]);
            if call.now.is_multiple_of(4_000) {
                call.rtcp(A, &report);
            }
        }
        // The peer holds the report for 50 ms; the way there and back takes 30.
        let ntp = sender_report(&call.own[answer - 1].2).info.ntp.mid();
        call.now += 80;
        let block = ReportBlock {
            ssrc: SSRCS[1],
            cumulative_lost: 3,
            last_sender_report: ntp,
            delay_since_last_sender_report: dlsr_from_duration(Duration::from_millis(50)),
            ..ReportBlock::default()
        };
        let mut answer = Vec::new();
        write_receiver_report(&mut answer, SSRCS[0], &[block]);
        call.rtcp(A, &answer);
    }
    let own = call.own_to(A);
    assert!(call.own_to(B).is_empty(), "nothing is added where the other side speaks");
    let report = sender_report(own[0]);
    // It speaks for the media that the leg gets, and of what came from it.
    assert_eq!(report.ssrc, SSRCS[1]);
    let block = report.blocks.iter().next().unwrap();
    assert_eq!((block.ssrc, block.cumulative_lost, block.fraction_lost), (SSRCS[0], 0, 0));
    assert_eq!(block.last_sender_report, NtpMid(0x5678_0000));
    let held = rtp_proto::dlsr_to_duration(block.delay_since_last_sender_report);
    assert!(held.abs_diff(Duration::from_secs(2)) < Duration::from_millis(1), "{held:?}");
    let RtcpPacket::SourceDescription(sdes) = packets(own[0])[1] else { panic!() };
    assert_eq!(sdes.cname(SSRCS[1]).map(<[u8]>::len), Some(16));
    let [a, b] = call.reports();
    let rtt = a.rtt.unwrap();
    assert!(rtt.abs_diff(Duration::from_millis(30)) < Duration::from_millis(1), "{rtt:?}");
    assert_eq!(a.peer.unwrap().packets_lost, 3);
    assert_eq!((b.rtt, b.peer), (None, None));
    assert_eq!(a.sent.rtcp_packets, call.own_to(A).len() as u64);
}

#[test]
fn the_first_report_comes_after_two_silent_intervals_and_then_every_five_seconds_or_so() {
    let mut call = Call::new(RtcpStyle::Auto, |_| {});
    call.run(200_000, &[A, B]);
    for leg in LegSide::BOTH {
        let times: Vec<u64> = call.own.iter().filter(|own| own.1 == leg).map(|own| own.0).collect();
        assert_eq!(times[0], 10_000);
        let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (2_500..=7_520).contains(gap)), "{gaps:?}");
        let mean = gaps.iter().sum::<u64>() / gaps.len() as u64;
        assert!((4_000..6_000).contains(&mean), "{mean}");
        assert!(gaps.iter().max() > gaps.iter().min(), "randomised");
    }
}

#[test]
fn nothing_is_added_while_both_legs_speak_and_nothing_ever_by_a_translator() {
    for (style, speaking) in [(RtcpStyle::Auto, true), (RtcpStyle::Translator, false)] {
        let mut call = Call::new(style, |_| {});
        for _ in 0..10 {
            if speaking {
                for from in LegSide::BOTH {
                    call.rtcp(from, &empty_report(SSRCS[from.index()]));
                }
            }
            call.run(6_000, &[A, B]);
        }
        assert_eq!(call.own, [], "{style:?}");
    }
}

#[test]
fn we_fall_silent_when_the_other_side_begins_to_speak_and_take_over_when_it_stops() {
    let mut call = Call::new(RtcpStyle::Auto, |_| {});
    call.run(30_000, &[A, B]);
    let spoken = call.own_to(A).len();
    assert!(spoken > 2);
    for _ in 0..4 {
        call.rtcp(B, &empty_report(SSRCS[1]));
        call.run(5_000, &[A, B]);
    }
    assert_eq!(call.own_to(A).len(), spoken);
    // No goodbye for somebody who speaks for himself.
    let (now, ntp) = (call.at(), call.ntp());
    assert_eq!(call.session.poll_goodbye(A, now, ntp, &mut Vec::new()), None);
    call.run(20_000, &[A, B]);
    assert!(call.own_to(A).len() > spoken);
}

#[test]
fn nothing_is_sent_before_media_nor_during_fax() {
    let mut call = Call::new(RtcpStyle::BackToBack, |_| {});
    call.run(30_000, &[]);
    assert_eq!(call.own, []);
    call.run(100, &[A]);
    let fax = MediaPlan { kind: model::StreamKind::Udptl, ..MediaPlan::rtp([leg(A), leg(B)]) };
    call.session.apply(&fax, call.at());
    call.run(30_000, &[]);
    assert_eq!(call.own, []);
}

#[test]
fn a_leg_that_sends_no_audio_gets_what_we_received_and_one_without_media_a_receiver_report() {
    let mut call = Call::new(RtcpStyle::Auto, |_| {});
    call.run(12_000, &[A]);
    // Towards A there is no media: we report on A's with a source of our own.
    let to_a = packets(call.own_to(A)[0]);
    let RtcpPacket::ReceiverReport(report) = to_a[0] else { panic!("{to_a:?}") };
    assert!(!SSRCS.contains(&report.ssrc));
    assert_eq!(report.blocks.iter().next().map(|block| block.ssrc), Some(SSRCS[0]));
    let to_b = sender_report(call.own_to(B)[0]);
    assert_eq!((to_b.ssrc, to_b.blocks.len()), (SSRCS[0], 0));
    assert_eq!(to_b.info.packet_count, 500);
    assert_eq!(to_b.info.octet_count, 500 * 160);
    assert_eq!(to_b.info.rtp_timestamp, 500 * 160);
    // When A falls silent we are no sender any more after two reports, nor is there news of it.
    call.run(30_000, &[]);
    let last = packets(call.own_to(B).last().unwrap());
    assert!(matches!(last[0], RtcpPacket::ReceiverReport(_)), "{last:?}");
    let last = packets(call.own_to(A).last().unwrap());
    let RtcpPacket::ReceiverReport(report) = last[0] else { panic!("{last:?}") };
    assert_eq!(report.blocks.len(), 0);
}

#[test]
fn loss_is_told_of_the_interval_and_of_the_whole() {
    let mut call = Call::new(RtcpStyle::BackToBack, |_| {});
    let mut blocks = Vec::new();
    for lossy in [false, true, false] {
        for n in 0..600 {
            if lossy && n % 4 == 0 {
                call.now += 20;
                call.sequence += 1;
                call.serve();
            } else {
                call.run(20, &[A]);
            }
        }
    }
    for (_, _, bytes) in call.own.iter().filter(|own| own.1 == A) {
        let RtcpPacket::ReceiverReport(report) = packets(bytes)[0] else { panic!() };
        blocks.extend(report.blocks.iter());
    }
    assert_eq!(blocks[0].fraction_lost, 0);
    let worst = blocks.iter().map(|block| block.fraction_lost).max().unwrap();
    assert!((60..=66).contains(&worst), "{worst}");
    let last = blocks.last().unwrap();
    assert_eq!((last.fraction_lost, last.cumulative_lost), (0, 150));
}

#[test]
fn back_to_back_ends_rtcp_and_gives_media_sources_of_our_own() {
    let mut call = Call::new(RtcpStyle::BackToBack, |_| {});
    let source = |packet: &[u8]| u32::from_be_bytes(packet[8..12].try_into().unwrap());
    call.run(20, &[]);
    let (towards_b, towards_a) = (source(&call.audio(A)), source(&call.audio(B)));
    assert!(!SSRCS.contains(&towards_b) && !SSRCS.contains(&towards_a));
    let fast = call.session.fast_forward(A, Instant::from_millis(60_000)).unwrap();
    assert_eq!(fast.numbers.map(|numbers| numbers.ssrc), Some(towards_b));
    call.run(3_000, &[A, B]);
    // The first after half of an interval, and to both legs.
    assert_eq!(call.own.iter().map(|own| own.0).collect::<Vec<_>>(), [2_500, 2_500]);
    let to_a = sender_report(call.own_to(A)[0]);
    assert_eq!(to_a.ssrc, towards_a);
    assert_eq!(to_a.blocks.iter().next().unwrap().ssrc, SSRCS[0]);
    let ntp = to_a.info.ntp.mid();
    // A answers about the source that it sees.
    let mut report = Vec::new();
    let block = ReportBlock {
        ssrc: towards_a,
        cumulative_lost: 7,
        last_sender_report: ntp,
        delay_since_last_sender_report: dlsr_from_duration(Duration::from_millis(400)),
        ..ReportBlock::default()
    };
    write_receiver_report(&mut report, SSRCS[0], &[block]);
    assert_eq!(call.rtcp(A, &report), Decision::Taken);
    let [a, b] = call.reports();
    assert_eq!(a.peer.unwrap().packets_lost, 7);
    // From 2,500 to 3,020, less what A held it for.
    let rtt = a.rtt.unwrap();
    assert!(rtt.abs_diff(Duration::from_millis(120)) < Duration::from_millis(1), "{rtt:?}");
    assert_eq!((a.received.rtcp_packets, b.sent.rtcp_packets), (1, 1));
    // A block about the source of the other side is of no stream that A knows.
    let alien = ReportBlock { ssrc: SSRCS[1], cumulative_lost: 99, ..ReportBlock::default() };
    let mut report = Vec::new();
    write_receiver_report(&mut report, SSRCS[0], &[alien]);
    call.rtcp(A, &report);
    assert_eq!(call.reports()[0].peer.unwrap().packets_lost, 7);
}

#[test]
fn back_to_back_passes_a_goodbye_at_once_and_says_its_own_at_the_end() {
    let mut call = Call::new(RtcpStyle::BackToBack, |_| {});
    // Who has said nothing takes no leave (RFC 3550 section 6.3.7).
    let (now, ntp) = (call.at(), call.ntp());
    assert_eq!(call.session.poll_goodbye(A, now, ntp, &mut Vec::new()), None);
    call.run(3_000, &[A, B]);
    let known = sender_report(call.own_to(B)[0]).ssrc;
    let mut leaving = empty_report(SSRCS[0]);
    write_bye(&mut leaving, SSRCS[0], b"done");
    assert_eq!(call.rtcp(A, &leaving), Decision::Taken);
    assert_eq!(call.session.rtcp_deadline(), Some(call.at()));
    call.serve();
    let compound = packets(call.own_to(B).last().unwrap());
    let Some(RtcpPacket::Goodbye(bye)) = compound.last() else { panic!("{compound:?}") };
    assert_eq!(bye.sources().collect::<Vec<_>>(), [known]);
    // B has been told; A is told at the end.
    let mut out = Vec::new();
    let (now, ntp) = (call.at(), call.ntp());
    assert_eq!(call.session.poll_goodbye(B, now, ntp, &mut out), None);
    let last = call.session.poll_goodbye(A, now, ntp, &mut out).unwrap();
    let compound = packets(&out[..last.len]);
    assert!(matches!(compound.last(), Some(RtcpPacket::Goodbye(_))), "{compound:?}");
}

#[test]
fn reports_are_protected_on_a_leg_with_srtp_and_go_where_rtcp_goes() {
    let key = |fill| SrtpKey::new(SrtpSuite::AesCm128HmacSha1_80, &[fill; 30]).unwrap();
    let mut call = Call::new(RtcpStyle::BackToBack, |legs| {
        let keys = SdesKeys { receive: key(1), send: key(2) };
        legs[1].security = LegSecurity::Sdes(Box::new(keys));
        legs[1].rtcp_mux = true;
    });
    let mut out = Vec::new();
    call.audio(A);
    call.now = 2_500;
    let (now, ntp) = (call.at(), call.ntp());
    let report = call.session.poll_rtcp(B, now, ntp, 0, &mut out).unwrap();
    assert_eq!((report.socket, report.destination), (MediaSocket::Rtp, address(B)));
    let mut receiver = SrtpReceiver::new(&key(2));
    let mut bytes = out[..report.len].to_vec();
    let plain = receiver.unprotect_rtcp(&mut bytes).unwrap();
    assert!(plain < report.len);
    sender_report(&bytes[..plain]);
    let [_, b] = call.reports();
    assert_eq!((b.sent.rtcp_packets, b.sent.rtcp_bytes), (1, report.len as u64));
    // A handshake that has given no keys yet gives no report either.
    call.session.send_failed(B, PacketKind::Rtcp, report.len);
    let [_, b] = call.reports();
    assert_eq!((b.sent.rtcp_packets, b.sent.dropped), (0, 1));
}

#[test]
fn what_the_kernel_forwarded_is_in_our_reports() {
    let mut call = Call::new(RtcpStyle::Auto, |_| {});
    call.run(1_000, &[A]);
    for n in 0..450_u16 {
        let sequence = call.sequence + 1 + n;
        call.session.forwarded(
            A,
            &ForwardedPacket {
                ssrc: SSRCS[0],
                sequence,
                timestamp: u32::from(sequence) * 160,
                numbers: None,
                payload_type: 0,
                marker: false,
                octets: 172,
                arrival: Instant::from_millis(call.now + 20 + u64::from(n) * 20),
            },
        );
    }
    call.now += 9_000;
    call.serve();
    let to_b = sender_report(call.own_to(B)[0]);
    assert_eq!((to_b.info.packet_count, to_b.info.octet_count), (500, 500 * 160));
    assert_eq!(to_b.info.rtp_timestamp, 500 * 160);
    let to_a = packets(call.own_to(A)[0]);
    let RtcpPacket::ReceiverReport(report) = to_a[0] else { panic!("{to_a:?}") };
    assert_eq!(report.blocks.iter().next().unwrap().highest_sequence, 500);
}

#[test]
fn the_first_plan_chooses_the_style_for_the_whole_stream() {
    let plan = |style| MediaPlan { rtcp: style, ..MediaPlan::rtp([leg(A), leg(B)]) };
    let source = |packet: &[u8]| u32::from_be_bytes(packet[8..12].try_into().unwrap());
    for (node, first, is_ours) in [
        (RtcpStyle::Auto, Some(RtcpStyle::BackToBack), true),
        (RtcpStyle::BackToBack, Some(RtcpStyle::Translator), false),
        (RtcpStyle::BackToBack, None, true),
    ] {
        let id = TransactionId::from_random(1);
        let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
        session.set_rtcp(node, REPORT_INTERVAL, &mut || 0x1234_5678);
        session.apply(&plan(first), Instant::ZERO);
        let mut call = Call { session, now: 0, sequence: 0, own: Vec::new(), draws: 1 };
        for style in [first, Some(RtcpStyle::Auto), Some(RtcpStyle::BackToBack)] {
            call.session.apply(&plan(style), call.at());
            call.sequence += 1;
            assert_eq!(source(&call.audio(A)) != SSRCS[0], is_ours, "{node:?} {first:?}");
            let taken = call.rtcp(A, &empty_report(SSRCS[0])) == Decision::Taken;
            assert_eq!(taken, is_ours, "{node:?} {first:?}");
        }
    }
}
