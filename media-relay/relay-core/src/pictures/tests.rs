//! Leg A takes part in a conference with pictures; leg B is nobody.

use super::*;
use crate::{
    Decision, LONGEST_MADE, LONGEST_REPORT, LearningPolicy, MediaSocket, NtpTime, RtcpStyle,
};
use model::{
    Codec, CodecMapping, DtlsPlan, DtlsRole, Fingerprint, FingerprintHash, LegPlan, LegSecurity,
    MediaId, MediaPlan, SdesKeys, SrtpKey, SrtpSuite, TransactionId, XrWishes,
};
use rtp_proto::rtcp::{
    Nack, ReportBlock, RtcpPacket, parse_compound, write_nack, write_picture_loss,
    write_receiver_report,
};
use rtp_proto::srtp::{SrtpReceiver, SrtpSender};
use std::net::SocketAddr;

const NUMBER: u8 = 97;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn address() -> SocketAddr {
    ([192, 0, 2, 1], 4_000).into()
}

fn plan(sends_to: bool, accepts_from: bool) -> MediaPlan {
    let leg = LegPlan {
        remote_rtp: Some(address()),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from,
        sends_to,
        relearn: false,
        codecs: vec![CodecMapping {
            payload_type: NUMBER,
            codec: Codec::Other,
            clock_rate: CLOCK_RATE,
            packet_duration: Duration::ZERO,
        }],
        telephone_event: None,
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    };
    let (remote_rtp, codecs) = (None, Vec::new());
    let nobody =
        LegPlan { remote_rtp, codecs, sends_to: false, accepts_from: false, ..leg.clone() };
    MediaPlan::rtp([leg, nobody])
}

struct World {
    session: RtpSession,
    rings: PictureRings,
    numbers: PictureNumbers,
}

impl World {
    fn new() -> World {
        World::with(RtcpStyle::Auto, false)
    }

    /// With a style of the node, or, where it sits ahead of its first plan, of that one.
    fn with(style: RtcpStyle, sits_first: bool) -> World {
        let id = TransactionId::from_random(1);
        let mut session = RtpSession::new(MediaId(1), id, at(0), LearningPolicy::default());
        let mut number = 0x1234_5678_9abc_def0_u64;
        let mut draw = || {
            number = number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            number
        };
        let node = if sits_first { RtcpStyle::Auto } else { style };
        session.set_rtcp(node, Duration::from_secs(5), &mut draw);
        let plan = MediaPlan { rtcp: Some(style), ..plan(true, true) };
        if !sits_first {
            session.apply(&plan, at(0));
        }
        let (ends, rings) = picture_rings();
        let numbers = session.sit_picture(ends, NUMBER, at(0), &mut draw);
        if sits_first {
            session.apply(&plan, at(0));
        }
        World { session, rings, numbers }
    }

    fn sends(&mut self, sequence: u16, payload_type: u8) -> Decision {
        let header = RtpHeader { payload_type, sequence, ssrc: 7, ..RtpHeader::default() };
        let mut packet = header.to_bytes().to_vec();
        packet.extend_from_slice(b"picture");
        let len = packet.len();
        self.session.forward(LEG, MediaSocket::Rtp, address(), &mut packet, len, at(10))
    }

    fn read(&mut self) -> Option<(PictureSent, Vec<u8>)> {
        let mut octets = Vec::new();
        self.rings.sent.read(&mut octets).map(|(kind, _)| (kind, octets))
    }

    fn give(&mut self, after: u16, timestamp: u32) {
        let sequence = self.numbers.sequence.wrapping_add(after);
        let timestamp = self.numbers.timestamp.wrapping_add(timestamp);
        let header = RtpHeader {
            payload_type: NUMBER,
            marker: true,
            sequence,
            timestamp,
            ssrc: self.numbers.ssrc,
        };
        assert!(self.rings.given.packet(&[&header.to_bytes()[..], b"shown"].concat()));
    }

    /// Sequence numbers, counted from the first, of what the leg gets.
    fn gets(&mut self, now: Instant) -> Vec<u16> {
        let mut buffer = [0; LONGEST_MADE];
        let mut got = Vec::new();
        while let Some(made) = self.session.poll_made(now, &mut buffer) {
            assert_eq!((made.to, made.destination), (LEG, address()));
            let packet = RtpPacket::parse(&buffer[..made.len]).unwrap();
            assert_eq!((packet.ssrc(), packet.payload()), (self.numbers.ssrc, &b"shown"[..]));
            got.push(packet.sequence().wrapping_sub(self.numbers.sequence));
        }
        got
    }

    fn report(&mut self, now: Instant) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(LONGEST_REPORT);
        let ntp = NtpTime::default();
        let report = self.session.poll_rtcp(LEG, now, ntp, 7, &mut out)?;
        out.truncate(report.len);
        Some(out)
    }
}

#[test]
fn what_a_leg_sends_reaches_whoever_switches_and_nobody_else() {
    let mut world = World::new();
    assert!(!world.session.take_picture_news());
    assert_eq!(world.sends(1, NUMBER), Decision::Kept);
    assert!(world.session.take_picture_news() && !world.session.take_picture_news());
    let (kind, octets) = world.read().unwrap();
    assert_eq!(
        (kind, RtpPacket::parse(&octets).unwrap().payload()),
        (PictureSent::Packet, &b"picture"[..])
    );
    // Another format than the seat's is none that others could be shown.
    assert_eq!(world.sends(2, 98), Decision::Kept);
    assert!(world.read().is_none());
    // On hold it sends nothing that counts.
    world.session.apply(&plan(true, false), at(20));
    assert!(matches!(world.sends(3, NUMBER), Decision::Drop(_)));
    assert!(world.read().is_none());
}

#[test]
fn what_is_hidden_stays_here() {
    let mut world = World::new();
    world.session.hide_picture(true);
    assert!(world.session.take_picture_news() && world.rings.signs.is_hidden());
    world.sends(1, NUMBER);
    assert!(world.read().is_none());
    world.session.hide_picture(false);
    world.sends(2, NUMBER);
    assert!(!world.rings.signs.is_hidden() && world.read().is_some());
}

#[test]
fn what_a_leg_sees_of_the_others_can_change() {
    let mut world = World::new();
    assert!(!world.rings.signs.wants_grid());
    for (layout, wants_grid) in [(PictureLayout::Grid, true), (PictureLayout::Speaker, false)] {
        world.session.lay_out_picture(layout);
        assert!(world.session.take_picture_news());
        assert_eq!(world.rings.signs.wants_grid(), wants_grid);
    }
}

#[test]
fn what_is_given_goes_out_with_the_numbers_that_it_has() {
    let mut world = World::new();
    assert_eq!(world.session.made_deadline(), None);
    for (after, timestamp) in [(0, 0), (1, 3_000), (3, 6_000)] {
        world.give(after, timestamp);
    }
    assert_eq!(world.session.made_deadline(), Some(Instant::ZERO));
    assert_eq!(world.gets(at(100)), [0, 1, 3], "a hole stays a hole");
    assert_eq!(world.session.take_unshown(), 0);
    // A sender report ties their time to the clock (RFC 3550 section 6.4.1).
    let report = (101..20_000).find_map(|millis| world.report(at(millis)).map(|r| (millis, r)));
    let (millis, report) = report.unwrap();
    let parts: Vec<_> = parse_compound(&report).map(Result::unwrap).collect();
    let [RtcpPacket::SenderReport(sender), RtcpPacket::SourceDescription(_), ..] = &parts[..]
    else {
        panic!("{parts:?}")
    };
    assert_eq!((sender.ssrc, sender.info.packet_count), (world.numbers.ssrc, 3));
    let passed = u32::try_from((millis - 100) * 90).unwrap();
    let expected = world.numbers.timestamp.wrapping_add(6_000 + passed);
    assert_eq!(sender.info.rtp_timestamp, expected);
}

/// What a lost packet costs is known by it: nothing is asked for again that would come too late.
#[test]
fn the_answer_to_a_report_tells_the_round_trip() {
    let mut world = World::new();
    world.give(0, 0);
    assert_eq!(world.gets(at(0)), [0]);
    let ntp = NtpTime(0x1234_5678_0000_0000);
    let mut out = Vec::with_capacity(LONGEST_REPORT);
    let sent_at = (1..20_000)
        .find(|millis| {
            let report = world.session.poll_rtcp(LEG, at(*millis), ntp, 7, &mut out);
            report.is_some() && out[1] == 200
        })
        .unwrap();
    let answer = |world: &mut World, ssrc: u32, sent: NtpTime, now: u64| {
        let block = ReportBlock {
            ssrc,
            last_sender_report: sent.mid(),
            delay_since_last_sender_report: 1 << 15,
            ..ReportBlock::default()
        };
        let mut report = Vec::new();
        write_receiver_report(&mut report, 7, &[block]);
        let len = report.len();
        world.session.forward(LEG, MediaSocket::Rtp, address(), &mut report, len, at(now));
        world.rings.signs.round_trip()
    };
    let ours = world.numbers.ssrc;
    assert_eq!(answer(&mut world, ours ^ 1, ntp, sent_at + 530), None, "of another stream");
    assert_eq!(answer(&mut world, ours, NtpTime(0), sent_at + 530), None, "heard no report yet");
    // Half a second of these it was kept there.
    let round_trip = answer(&mut world, ours, ntp, sent_at + 530).unwrap();
    let off = round_trip.abs_diff(Duration::from_millis(30));
    assert!(off < Duration::from_millis(1), "{round_trip:?}");
}

/// Sources and numbers, counted from the first, of what the leg gets when it asks for that packet again.
fn asks_again(world: &mut World, ssrc: u32, after: u16, now: u64) -> Vec<(u32, u16)> {
    let first = world.numbers.sequence;
    let mut asks = Vec::new();
    write_receiver_report(&mut asks, 7, &[]);
    let nack = Nack { packet: first.wrapping_add(after), following: 0 };
    write_nack(&mut asks, 7, ssrc, &[nack]);
    let len = asks.len();
    world.session.forward(LEG, MediaSocket::Rtp, address(), &mut asks, len, at(now));
    sent_to(world, now)
}

fn sent_to(world: &mut World, now: u64) -> Vec<(u32, u16)> {
    let first = world.numbers.sequence;
    let mut buffer = [0; LONGEST_MADE];
    let mut got = Vec::new();
    while let Some(made) = world.session.poll_made(at(now), &mut buffer) {
        let packet = RtpPacket::parse(&buffer[..made.len]).unwrap();
        got.push((packet.ssrc(), packet.sequence().wrapping_sub(first)));
    }
    got
}

#[test]
fn what_was_sent_under_other_keys_or_of_another_source_is_not_sent_again() {
    let mut world = World::new();
    world.session.send_pictures_again();
    let ours = world.numbers.ssrc;
    (0..3).for_each(|after| world.give(after, 3_000 * u32::from(after)));
    assert_eq!(world.gets(at(10)), [0, 1, 2]);
    assert_eq!(asks_again(&mut world, ours, 1, 11), [(ours, 1)]);
    // A new plan may have new keys.
    world.session.apply(&plan(true, true), at(12));
    assert_eq!(asks_again(&mut world, ours, 1, 13), []);
    world.give(3, 9_000);
    assert_eq!(world.gets(at(14)), [3]);
    assert_eq!(asks_again(&mut world, ours, 3, 15), [(ours, 3)]);
    // The leg reports as our source does: that one is another from then on (RFC 3550 section 8.2).
    let mut report = Vec::new();
    write_receiver_report(&mut report, ours, &[]);
    let len = report.len();
    world.session.forward(LEG, MediaSocket::Rtp, address(), &mut report, len, at(16));
    assert!((17..100).any(|millis| world.report(at(millis)).is_some()));
    world.give(4, 12_000);
    let sent = sent_to(&mut world, 100);
    let [(other, 4)] = sent[..] else { panic!("{sent:?}") };
    assert_ne!(other, ours);
    assert_eq!(asks_again(&mut world, other, 3, 101), []);
    assert_eq!(asks_again(&mut world, other, 4, 102), [(other, 4)]);
}

/// A leg's keys: it sends under `fill`, we under `fill` + 1.
fn keys(fill: u8) -> SdesKeys {
    let suite = SrtpSuite::AesCm128HmacSha1_80;
    let octets = |fill| vec![fill; suite.key_len() + suite.salt_len()];
    let key = |fill| SrtpKey::new(suite, &octets(fill)).unwrap();
    SdesKeys { receive: key(fill), send: key(fill + 1) }
}

/// The datagrams that the leg gets.
fn datagrams(world: &mut World, now: u64) -> Vec<Vec<u8>> {
    let mut buffer = [0; LONGEST_MADE];
    let mut got = Vec::new();
    while let Some(made) = world.session.poll_made(at(now), &mut buffer) {
        got.push(buffer[..made.len].to_vec());
    }
    got
}

/// The same when it asks for that packet again, its RTCP under a key of its own.
fn asks_under(world: &mut World, sender: &mut SrtpSender, after: u16, now: u64) -> Vec<Vec<u8>> {
    let mut asks = Vec::new();
    write_receiver_report(&mut asks, 7, &[]);
    let nack = Nack { packet: world.numbers.sequence.wrapping_add(after), following: 0 };
    write_nack(&mut asks, 7, world.numbers.ssrc, &[nack]);
    let len = asks.len();
    asks.resize(len + crate::GROWTH, 0);
    let len = sender.protect_rtcp(&mut asks, len).unwrap();
    let decision = world.session.forward(LEG, MediaSocket::Rtp, address(), &mut asks, len, at(now));
    assert_eq!(decision, Decision::Taken);
    datagrams(world, now)
}

#[test]
fn what_was_sent_under_the_keys_of_a_handshake_before_is_not_sent_again() {
    let mut world = World::new();
    world.session.send_pictures_again();
    let MediaPlan { legs: [mut leg, nobody], .. } = plan(true, true);
    let remote_fingerprint = Fingerprint::new(FingerprintHash::Sha256, &[9; 32]).unwrap();
    leg.security =
        LegSecurity::Dtls(Box::new(DtlsPlan { role: DtlsRole::Active, remote_fingerprint }));
    let style = Some(RtcpStyle::Auto);
    world.session.apply(&MediaPlan { rtcp: style, ..MediaPlan::rtp([leg, nobody]) }, at(1));
    let [first, second] = [keys(1), keys(11)];
    world.session.install_keys(LEG, &first, at(10));
    (0..3).for_each(|after| world.give(after, 3_000 * u32::from(after)));
    let sent = datagrams(&mut world, 11);
    assert_eq!(sent.len(), 3);
    let mut old = SrtpSender::new(&first.receive);
    assert_eq!(asks_under(&mut world, &mut old, 1, 12), sent[1..2], "under the same keys it is");
    // The leg has begun its handshake anew (RFC 5763 section 6.6).
    world.session.install_keys(LEG, &second, at(20));
    let mut new = SrtpSender::new(&second.receive);
    assert_eq!(asks_under(&mut world, &mut new, 2, 21), [[0; 0]; 0]);
    assert_eq!(asks_under(&mut world, &mut old, 2, 22), [[0; 0]; 0], "on its way meanwhile");
    world.give(3, 9_000);
    let mut sent = datagrams(&mut world, 23);
    assert_eq!((sent.len(), &asks_under(&mut world, &mut new, 3, 24)), (1, &sent));
    let len = SrtpReceiver::new(&second.send).unprotect_rtp(&mut sent[0]).unwrap();
    assert_eq!(RtpPacket::parse(&sent[0][..len]).unwrap().payload(), b"shown");
}

/// What answers is behind what was sent meanwhile, further than packets overtake each other by: RFC 3550 A.1
/// would take it for the begin of another stream, and what follows for a loss.
#[test]
fn an_answer_that_comes_late_is_received_and_no_restart() {
    let mut world = World::new();
    let sends =
        |world: &mut World, sequence| assert_eq!(world.sends(sequence, NUMBER), Decision::Kept);
    (1..=4).chain(7..=8).for_each(|sequence| sends(&mut world, sequence));
    let mut asks = Vec::new();
    write_nack(&mut asks, 0, 7, &[Nack { packet: 5, following: 1 }]);
    assert!(world.rings.given.feedback(&asks));
    assert_eq!(world.gets(at(10)), [0; 0]);
    (9..=300).chain([5, 6, 301]).for_each(|sequence| sends(&mut world, sequence));
    let block = (20..20_000).find_map(|millis| {
        let report = world.report(at(millis))?;
        let RtcpPacket::ReceiverReport(first) = parse_compound(&report).next()?.unwrap() else {
            return None;
        };
        first.blocks.iter().next()
    });
    let reported = |block: ReportBlock| (block.ssrc, block.highest_sequence, block.cumulative_lost);
    assert_eq!(block.map(reported), Some((7, 301, 0)));
}

#[test]
fn a_leg_on_hold_misses_pictures_and_then_needs_a_whole_one() {
    let mut world = World::new();
    world.give(0, 0);
    assert_eq!(world.gets(at(0)), [0]);
    world.session.apply(&plan(false, true), at(10));
    for after in 1..200 {
        world.give(after, 3_000 * u32::from(after));
    }
    assert_eq!(world.gets(at(20)), [0; 0]);
    assert_eq!((world.session.take_unshown(), world.session.take_unshown()), (199, 0));
    assert!(!world.rings.signs.take_needs_key_frame());
    world.session.apply(&plan(true, true), at(30));
    world.give(200, 600_000);
    world.give(201, 600_000);
    assert_eq!(world.gets(at(40)), [2, 3], "one number is missing, not all of them");
    assert!(world.session.take_picture_news() && world.rings.signs.take_needs_key_frame());
    assert!(!world.rings.signs.take_needs_key_frame(), "once");
}

#[test]
fn rtcp_of_the_leg_reaches_whoever_switches_and_its_feedback_the_leg() {
    let mut world = World::new();
    let mut compound = Vec::new();
    write_receiver_report(&mut compound, 7, &[]);
    write_picture_loss(&mut compound, 7, world.numbers.ssrc);
    let said = compound.clone();
    let len = compound.len();
    let decision =
        world.session.forward(LEG, MediaSocket::Rtp, address(), &mut compound, len, at(10));
    assert_eq!(decision, Decision::Taken);
    assert_eq!(world.read(), Some((PictureSent::Report, said)));
    assert_eq!(world.session.take_unpassed_feedback(), 0, "it is told");
    // The other way, at once, behind a report, from the source that the leg knows.
    let mut asks = Vec::new();
    write_picture_loss(&mut asks, 0, 7);
    write_picture_loss(&mut asks, 0, 8);
    assert!(world.rings.given.feedback(&asks));
    assert!(world.report(at(20)).is_none());
    assert_eq!(world.gets(at(20)), [0; 0]);
    let report = world.report(at(20)).unwrap();
    let parts: Vec<_> = parse_compound(&report).map(Result::unwrap).collect();
    let asked = parts.iter().filter_map(|part| match part {
        RtcpPacket::Feedback(feedback) => Some((feedback.sender_ssrc, feedback.media_ssrc)),
        _ => None,
    });
    let ssrc = world.numbers.ssrc;
    assert_eq!(asked.collect::<Vec<_>>(), [(ssrc, 7), (ssrc, 8)]);
    assert!(matches!(parts[0], RtcpPacket::ReceiverReport(_)));
    assert!(world.report(at(20)).is_none(), "once");
}

/// Feedback of the conference goes out with reports of ours, whatever style was chosen.
#[test]
fn whoever_switches_is_heard_in_every_style() {
    let styles = [RtcpStyle::Auto, RtcpStyle::Translator, RtcpStyle::BackToBack];
    let cases = styles.into_iter().flat_map(|style| [(style, false), (style, true)]);
    for (style, sits_first) in cases {
        let mut world = World::with(style, sits_first);
        let mut asks = Vec::new();
        write_picture_loss(&mut asks, 0, 7);
        assert!(world.rings.given.feedback(&asks));
        assert_eq!(world.gets(at(20)), [0; 0]);
        assert!(world.session.rtcp_deadline().is_some_and(|due| due <= at(20)), "{style:?}");
        let report = world.report(at(20)).expect("it asks");
        let asked = parse_compound(&report).flatten().any(|part| match part {
            RtcpPacket::Feedback(feedback) => feedback.media_ssrc == 7,
            _ => false,
        });
        assert!(asked, "{style:?}, ahead of its first plan: {sits_first}");
        world.give(0, 0);
        assert_eq!(world.gets(at(30)), [0], "{style:?}");
    }
}

#[test]
fn signalling_is_told_of_a_wanted_picture_once_a_second() {
    let mut world = World::new();
    let mut told = Vec::new();
    for millis in (0..3_000).step_by(100) {
        if millis < 1_500 {
            assert!(world.rings.given.want_by_signalling());
        }
        world.gets(at(millis));
        if world.session.poll_picture_wanted(at(millis)) {
            told.push(millis);
        }
    }
    assert_eq!(told, [0, 1_000, 2_000]);
    assert_eq!(world.session.picture_wanted_deadline(), None);
}

#[test]
fn a_seat_ends_on_either_side() {
    let World { mut session, rings, .. } = World::new();
    assert!(!session.is_picture_abandoned() && !rings.given.is_abandoned());
    session.stand_up_picture();
    assert!(rings.sent.is_closed() && rings.given.is_abandoned() && !session.is_pictured());
    let World { session, rings, .. } = World::new();
    drop(rings);
    assert!(session.is_picture_abandoned());
}

#[test]
fn a_ring_that_is_full_loses_what_is_new_and_says_how_much() {
    let mut world = World::new();
    let packet = [0; LONGEST_PICTURE];
    let given = (0..1_000).filter(|_| world.rings.given.packet(&packet)).count();
    assert!((170..=180).contains(&given), "a key frame and half a second: {given}");
    assert!(!world.rings.given.packet(&[0; LONGEST_PICTURE + 1]));
    for sequence in 0..20_000 {
        world.sends(sequence, NUMBER);
    }
    assert!(world.rings.sent.lost() > 10_000);
}
