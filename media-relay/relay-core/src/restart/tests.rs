use super::*;
use crate::quality::{Arrival, PacketFacts, Reception};
use crate::{Decision, DropReason, GROWTH, LONGEST_REPORT, LearningPolicy, MediaSocket, RtcpStyle};
use model::{
    Codec, CodecMapping, LegPlan, LegSecurity, MediaId, MediaLine, MediaPlan, SdesKeys, SrtpKey,
    SrtpSuite, TransactionId, XrWishes,
};
use proptest::prelude::*;
use rtp_proto::rtcp::{RtcpPacket, parse_compound};
use rtp_proto::srtp::{SrtpReceiver, SrtpSender};
use rtp_proto::{NtpTime, RtpHeader};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

const SSRC: u32 = 0xaaaa_0001;
const SUITE: SrtpSuite = SrtpSuite::AesCm128HmacSha1_80;

fn key(fill: u8) -> SrtpKey {
    SrtpKey::new(SUITE, &vec![fill; SUITE.key_len() + SUITE.salt_len()]).unwrap()
}

/// The leg sends under `fill`, and we under `fill` + 1.
fn srtp(fill: u8) -> LegSecurity {
    LegSecurity::Sdes(Box::new(SdesKeys { receive: key(fill), send: key(fill + 1) }))
}

fn address(leg: LegSide) -> SocketAddr {
    ([192, 0, 2, 1 + leg.index() as u8], 4_000).into()
}

fn leg(side: LegSide, security: LegSecurity) -> LegPlan {
    LegPlan {
        remote_rtp: Some(address(side)),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: false,
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
}

fn plan(a: LegSecurity) -> MediaPlan {
    MediaPlan::rtp([leg(LegSide::A, a), leg(LegSide::B, srtp(3))])
}

/// Leg A speaks, leg B has SRTP and reads what it gets.
struct Rig {
    session: RtpSession,
    receiver: SrtpReceiver,
    /// What A protects with, if it has SRTP.
    sender: Option<SrtpSender>,
    now: Instant,
}

impl Rig {
    fn of_line(a: LegSecurity, line: MediaLine, style: RtcpStyle) -> Self {
        let id = TransactionId::from_random(1);
        let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
        session.set_line(line);
        session.set_rtcp(style, Duration::from_secs(5), &mut || 0x7777_0000_1234_5678);
        session.apply(&plan(a), Instant::ZERO);
        let receiver = SrtpReceiver::new(&key(4));
        Rig { session, receiver, sender: None, now: Instant::ZERO }
    }

    fn new(a: LegSecurity) -> Self {
        Rig::of_line(a, MediaLine::Main, RtcpStyle::Auto)
    }

    /// What B reads of a packet that A sends 20 ms later.
    fn pass(&mut self, ssrc: u32, sequence: u16, timestamp: u32) -> Result<Numbers, DropReason> {
        self.now += Duration::from_millis(20);
        let header = RtpHeader { sequence, ssrc, timestamp, ..RtpHeader::default() };
        let mut buffer = header.to_bytes().to_vec();
        buffer.resize(172, sequence as u8);
        buffer.resize(172 + 2 * GROWTH, 0);
        let mut len = 172;
        if let Some(sender) = &mut self.sender {
            len = sender.protect_rtp(&mut buffer, len).unwrap();
        }
        let from = address(LegSide::A);
        let (session, now) = (&mut self.session, self.now);
        match session.forward(LegSide::A, MediaSocket::Rtp, from, &mut buffer, len, now) {
            Decision::Send { len, .. } => {
                buffer.truncate(len);
                let len = self.receiver.unprotect_rtp(&mut buffer).expect("the receiver reads it");
                assert_eq!(len, 172);
                assert!(buffer[12..172].iter().all(|octet| *octet == sequence as u8));
                Ok(Numbers::read(&buffer).unwrap())
            }
            Decision::Drop(reason) => Err(reason),
            other => panic!("{other:?}"),
        }
    }

    /// Sends a run of `count` packets from `sequence` on, and says what B got of it.
    fn run(&mut self, ssrc: u32, sequence: u16, count: u16) -> Vec<Numbers> {
        self.run_from(ssrc, sequence, u32::from(sequence) * 160, count)
    }

    /// The same of one whose first packet has another timestamp.
    fn run_from(&mut self, ssrc: u32, sequence: u16, begin: u32, count: u16) -> Vec<Numbers> {
        let packets = (0..count).map(|n| {
            let timestamp = begin.wrapping_add(u32::from(n) * 160);
            self.pass(ssrc, sequence.wrapping_add(n), timestamp)
        });
        packets.filter_map(Result::ok).collect()
    }
}

/// One source, every number of it, and a timestamp that goes on with the clock.
fn assert_continuous(got: &[Numbers]) {
    for pair in got.windows(2) {
        let [before, after] = pair else { unreachable!() };
        assert_eq!(after.ssrc, before.ssrc);
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        assert_eq!(after.timestamp.wrapping_sub(before.timestamp), 160, "{before:?} {after:?}");
    }
}

/// RFC 3550 appendix A.1: a hundred or more behind, or three thousand or more ahead, is a source that
/// started over.
#[test]
fn no_packet_of_a_source_that_starts_over_is_lost() {
    for back in [100, 127, 128, 129, 1_000, 5_000, 20_000, 32_000] {
        let mut rig = Rig::new(LegSecurity::Plain);
        let mut got = rig.run(SSRC, 30_000, 400);
        let highest = 30_399_u16;
        got.extend(rig.run(SSRC, highest.wrapping_sub(back), 300));
        assert_eq!(got.len(), 700, "{back}");
        assert_eq!(got[0], Numbers { ssrc: SSRC, sequence: 30_000, timestamp: 30_000 * 160 });
        assert_continuous(&got);
        // And again, and once more ahead.
        got.extend(rig.run(SSRC, 20_000, 200));
        got.extend(rig.run(SSRC, 60_000, 200));
        assert_eq!(got.len(), 1_100, "{back}");
        assert_continuous(&got);
    }
}

#[test]
fn what_is_repeated_or_late_is_still_not_protected_twice() {
    let mut rig = Rig::new(LegSecurity::Plain);
    assert_eq!(rig.run(SSRC, 1_000, 200).len(), 200);
    for sequence in [1_199, 1_198, 1_100] {
        let again = rig.pass(SSRC, sequence, u32::from(sequence) * 160);
        assert_eq!(again, Err(DropReason::SrtpRepeated), "{sequence}");
    }
    assert!(rig.session.legs[1].made.is_none(), "nothing has started over");
    assert_eq!(rig.run(SSRC, 1_200, 5).len(), 5);
}

#[test]
fn a_source_that_comes_back_from_its_beginning_is_heard_under_the_number_that_it_had() {
    let mut rig = Rig::new(LegSecurity::Plain);
    assert_eq!(rig.run(SSRC, 1_000, 500).len(), 500);
    // Another one passes as it is: a translator changes no source without need.
    assert_eq!(rig.run(7, 40_000, 300)[0].ssrc, 7);
    let got = rig.run(SSRC, 1_000, 300);
    assert_eq!((got.len(), got[0].ssrc, got[0].sequence), (300, SSRC, 1_500));
    // From here on all sources are one.
    let more = rig.run(9, 0, 300);
    assert_eq!((more.len(), more[0].ssrc, more[0].sequence), (300, SSRC, 1_800));
}

#[test]
fn more_sources_than_a_key_may_serve_become_one() {
    let mut rig = Rig::new(LegSecurity::Plain);
    let heard = (0..40).map(|ssrc| rig.run(ssrc, 100 * ssrc as u16, 50).len()).sum::<usize>();
    assert_eq!(heard, 40 * 50);
}

/// The peer begins anew under a new key, while ours towards the other leg stays.
#[test]
fn a_source_that_has_srtp_starts_over_with_a_new_key() {
    let mut rig = Rig::new(srtp(1));
    rig.sender = Some(SrtpSender::new(&key(1)));
    let mut got = rig.run(SSRC, 30_000, 300);
    rig.session.apply(&plan(srtp(11)), rig.now);
    rig.sender = Some(SrtpSender::new(&key(11)));
    got.extend(rig.run(SSRC, 29_000, 300));
    assert_eq!(got.len(), 600);
    assert_continuous(&got);
}

#[test]
fn one_stray_packet_leaves_no_gap_in_what_follows_it() {
    let mut rig = Rig::new(LegSecurity::Plain);
    let mut got = rig.run(SSRC, 1_000, 300);
    got.extend(rig.run(SSRC, 17, 1));
    got.extend(rig.run(SSRC, 1_300, 100));
    let numbers: Vec<u16> = got.iter().map(|numbers| numbers.sequence).collect();
    assert_eq!(numbers, (1_000..1_401).collect::<Vec<_>>());
}

#[test]
fn a_key_that_was_laid_by_stays_one_that_was_used() {
    let mut rig = Rig::new(LegSecurity::Plain);
    assert_eq!(rig.run(SSRC, 30_000, 300).len(), 300);
    let mut unprotected = plan(LegSecurity::Plain);
    unprotected.legs[1].security = LegSecurity::Plain;
    rig.session.apply(&unprotected, rig.now);
    rig.session.apply(&plan(LegSecurity::Plain), rig.now);
    let got = rig.run(SSRC, 29_000, 300);
    assert_eq!((got.len(), got[0].sequence), (300, 30_300));
}

/// A report of the leg speaks of numbers that the source does not know: RTCP ends here.
#[test]
fn reports_are_ours_once_the_numbers_are() {
    for style in [RtcpStyle::Auto, RtcpStyle::Translator, RtcpStyle::BackToBack] {
        let mut rig = Rig::of_line(LegSecurity::Plain, MediaLine::Main, style);
        let first = rig.run(SSRC, 30_000, 300)[0];
        assert_eq!(first.ssrc == SSRC, style != RtcpStyle::BackToBack);
        assert_eq!(rig.session.terminates_rtcp(), style == RtcpStyle::BackToBack);
        assert_eq!(rig.run(SSRC, 3, 300).len(), 300, "{style:?}");
        assert!(rig.session.terminates_rtcp());
        let at = rig.session.rtcp_deadline().expect("reports are due");
        assert!(at <= rig.now + Duration::from_secs(3), "{style:?}");
        let mut out = Vec::with_capacity(LONGEST_REPORT);
        let report = rig.session.poll_rtcp(LegSide::B, at, NtpTime(7 << 32), 500, &mut out);
        let mut report = out[..report.expect("it is due").len].to_vec();
        let len = rig.receiver.unprotect_rtcp(&mut report).unwrap();
        let Some(Ok(RtcpPacket::SenderReport(report))) = parse_compound(&report[..len]).next()
        else {
            panic!("no sender report");
        };
        assert_eq!((report.ssrc, report.info.packet_count), (first.ssrc, 600), "{style:?}");
    }
}

#[test]
fn the_sources_of_a_picture_are_not_made_one() {
    let line = MediaLine::Further { index: 1, media: MediaType::Video };
    let mut rig = Rig::of_line(LegSecurity::Plain, line, RtcpStyle::Auto);
    assert_eq!(rig.run(SSRC, 30_000, 300).len(), 300);
    assert_eq!(rig.run(SSRC, 29_000, 300).len(), 0);
    assert_eq!(rig.run(7, 0, 300).len(), 300, "another one is heard");
}

mod near;

#[derive(Clone, Debug)]
struct Run {
    ssrc: u32,
    /// Where it begins, from the number after the last.
    jump: i32,
    count: usize,
}

fn runs() -> impl Strategy<Value = Vec<Run>> {
    let jump = prop_oneof![
        4 => Just(0),
        2 => -130..130_i32,
        2 => -4_000..4_000_i32,
        3 => -40_000..40_000_i32,
    ];
    let run = (0_u32..3, jump, 1_usize..60);
    let run = run.prop_map(|(ssrc, jump, count)| Run { ssrc, jump, count });
    prop::collection::vec(run, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever jumps, is lost, comes twice or in another order: what counts as received by RFC 3550
    /// appendix A.1 is read by a receiver that has the key, and no index is used twice.
    #[test]
    fn what_counts_as_received_is_sent_and_no_index_twice(
        begin: u16,
        runs in runs(),
        fates in prop::collection::vec(0_u8..30, 64),
    ) {
        let mut packets = Vec::new();
        let mut next = begin;
        for run in &runs {
            next = next.wrapping_add(run.jump as u16);
            for _ in 0..run.count {
                packets.push((SSRC + run.ssrc, next));
                next = next.wrapping_add(1);
            }
        }
        let mut sent: Vec<(u32, u16)> = Vec::new();
        for (packet, fate) in packets.into_iter().zip(fates.iter().cycle()) {
            match fate {
                0 => {}
                1 => sent.extend([packet, packet]),
                2 => sent.insert(sent.len().saturating_sub(2), packet),
                _ => sent.push(packet),
            }
        }
        let mut rig = Rig::new(LegSecurity::Plain);
        let (mut receptions, mut before) = (HashMap::new(), [None; 200]);
        for (ssrc, sequence) in sent {
            let timestamp = u32::from(sequence) * 160;
            let reception: &mut Reception = receptions.entry(ssrc).or_default();
            let arrival = reception.on_packet(&PacketFacts {
                sequence,
                timestamp,
                arrival: rig.now,
                clock_rate: 8_000,
                payload_bytes: 160,
                marker: false,
                kind: crate::quality::PacketKind::Audio,
                was_asked: false,
            });
            let passed = rig.pass(ssrc, sequence, timestamp);
            match passed {
                // The receiver has read it, and reads nothing under an index that it saw.
                Ok(_) => {}
                Err(reason) => {
                    prop_assert_eq!(reason, DropReason::SrtpRepeated);
                    prop_assert!(
                        matches!(arrival, Arrival::Duplicate | Arrival::Late)
                            || before.contains(&Some((ssrc, sequence))),
                        "{sequence} of {ssrc:x} was lost: {arrival:?}"
                    );
                }
            }
            // What jumped is counted only once it is confirmed, and a repetition of it not as one.
            before.rotate_left(1);
            before[199] = Some((ssrc, sequence));
        }
    }
}
