//! Feedback where RTCP ends here.

use super::*;
use rtp_proto::rtcp::{Feedback, FeedbackMessage};

/// Packets of which the words `S` and `M` are their sender and the media that they speak of.
const S: u32 = 0x5555_5555;
const M: u32 = 0x3333_3333;

/// An RTCP packet of these words; the length is counted.
fn message(format: u8, packet_type: u8, words: &[u32]) -> Vec<u8> {
    let mut packet = vec![0x80 | format, packet_type, 0, words.len() as u8];
    packet.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    packet
}

/// The same with other sources.
fn spoken(packet: &[u8], sender: u32, media: u32) -> Vec<u8> {
    let word = |word: &[u8]| match u32::from_be_bytes(word.try_into().unwrap()) {
        S => sender.to_be_bytes(),
        M => media.to_be_bytes(),
        other => other.to_be_bytes(),
    };
    packet.chunks(4).flat_map(word).collect()
}

fn source(packet: &[u8]) -> u32 {
    u32::from_be_bytes(packet[8..12].try_into().unwrap())
}

/// A call with media both ways, and the sources that A and B know of each other.
fn call(style: RtcpStyle, change: impl FnOnce(&mut [LegPlan; 2])) -> (Call, [u32; 2]) {
    let mut call = Call::new(style, change);
    call.run(40, &[A, B]);
    call.sequence += 1;
    let known = [source(&call.audio(B)), source(&call.audio(A))];
    (call, known)
}

impl Call {
    /// What the other leg gets at once for a compound of `from` with this behind its report.
    fn feedback(&mut self, from: LegSide, packet: &[u8]) -> Option<Vec<u8>> {
        let mut compound = empty_report(SSRCS[from.index()]);
        compound.extend_from_slice(packet);
        assert_eq!(self.rtcp(from, &compound), Decision::Taken);
        let before = self.own.len();
        self.serve();
        let sent = self.own.get(before).map(|(_, to, octets)| {
            assert_eq!(*to, from.other());
            octets.clone()
        });
        assert!(self.own.len() <= before + 1);
        sent
    }
}

/// What stands behind RR and SDES in a compound of the source `ssrc`.
fn behind_report(compound: &[u8], ssrc: u32) -> Vec<u8> {
    let parts = packets(compound);
    let [RtcpPacket::ReceiverReport(report), RtcpPacket::SourceDescription(_), ..] = parts[..]
    else {
        panic!("{parts:?}")
    };
    assert_eq!((report.ssrc, report.blocks.iter().count()), (ssrc, 0));
    let report = 8;
    let words = u16::from_be_bytes([compound[report + 2], compound[report + 3]]);
    compound[report + 4 + 4 * usize::from(words)..].to_vec()
}

#[test]
fn feedback_reaches_whoever_sends_the_media_under_the_sources_that_it_knows() {
    let (mut call, known) = call(RtcpStyle::BackToBack, |_| {});
    let remb = u32::from_be_bytes(*b"REMB");
    let messages = [
        // Generic NACK, TMMBR, TMMBN, an empty TMMBN, transport-wide congestion control.
        message(1, 205, &[S, M, 0x0004_8001, 0x0100_0000]),
        message(3, 205, &[S, 0, M, 0x1234_5628]),
        message(4, 205, &[S, 0, M, 0x1234_5628]),
        message(4, 205, &[S, 0]),
        message(15, 205, &[S, M, 0x0001_0004, 0x0000_2a07, 0x2004_1010, 0x1010_0000]),
        // PLI, SLI, RPSI, FIR of two, TSTR, REMB of two.
        message(1, 206, &[S, M]),
        message(2, 206, &[S, M, 0x0008_4003]),
        message(3, 206, &[S, M, 0x0060_1234]),
        message(4, 206, &[S, 0, M, 0x0700_0000, M, 0x0800_0000]),
        message(5, 206, &[S, 0, M, 0x0100_0005]),
        message(15, 206, &[S, 0, remb, 0x020b_d3f3, M, M]),
    ];
    for packet in &messages {
        for from in LegSide::BOTH {
            let (to, at) = (from.other(), from.index());
            // It speaks of what it gets under the source that it knows.
            let heard = spoken(packet, SSRCS[at], known[at]);
            let sent = call.feedback(from, &heard).unwrap_or_else(|| panic!("{packet:02x?}"));
            let ours = known[to.index()];
            let wanted = spoken(packet, ours, SSRCS[to.index()]);
            assert_eq!(behind_report(&sent, ours), wanted, "{packet:02x?}");
        }
    }
    assert_eq!(call.session.take_unpassed_feedback(), 0);
    let [a, b] = call.reports();
    assert_eq!((a.sent.rtcp_packets, b.sent.rtcp_packets), (11, 11));
}

#[test]
fn feedback_behind_one_another_goes_in_one_compound() {
    let (mut call, known) = call(RtcpStyle::BackToBack, |_| {});
    let both = [message(1, 205, &[S, M, 0x0004_0000]), message(1, 206, &[S, M])].concat();
    // Reduced size (RFC 5506): no report before it.
    let heard = spoken(&both, SSRCS[0], known[0]);
    assert_eq!(call.rtcp(A, &heard), Decision::Taken);
    assert_eq!(call.session.rtcp_deadline(), Some(call.at()), "it waits for nothing");
    call.serve();
    let sent = call.own_to(B)[0].to_vec();
    assert_eq!(behind_report(&sent, known[1]), spoken(&both, known[1], SSRCS[1]));
    // The reports come when they are due.
    call.run(2_500, &[A, B]);
    assert_eq!(call.own_to(B).len(), 2);
    sender_report(call.own_to(B)[1]);
}

#[test]
fn what_cannot_be_told_the_other_leg_is_counted() {
    let (mut call, known) = call(RtcpStyle::BackToBack, |_| {});
    let fit = |packet: &[u8]| spoken(packet, SSRCS[0], known[0]);
    for packet in [
        // Nobody knows these; VBCM names a source and a payload type; an application's own; RFC 8888's, of many sources.
        message(9, 205, &[S, M]),
        message(9, 206, &[S, M, 1]),
        message(7, 206, &[S, 0, M, 0x0160_0001, 0xff00_0000]),
        message(15, 206, &[S, M, 0x4142_4344]),
        message(11, 205, &[S, M, 0x0001_0000, 0x0000_1234]),
        // A NACK of nothing, half an entry.
        message(1, 205, &[S, M]),
        message(3, 205, &[S, 0, M]),
        message(4, 206, &[S, 0, M]),
        message(15, 206, &[S, 0, u32::from_be_bytes(*b"REMB"), 0]),
    ] {
        assert_eq!(call.feedback(A, &fit(&packet)), None, "{packet:02x?}");
        assert_eq!(call.session.take_unpassed_feedback(), 1, "{packet:02x?}");
    }
    // As much as one report holds waits.
    for _ in 0..100 {
        call.rtcp(A, &fit(&message(1, 206, &[S, M])));
    }
    assert_eq!(call.session.take_unpassed_feedback(), 20);
    call.serve();
    assert_eq!(call.own_to(B).last().unwrap().len(), 8 + 28 + 960);
    assert!(call.own_to(B).last().unwrap().len() + GROWTH <= LONGEST_REPORT);
}

#[test]
fn feedback_for_a_leg_that_cannot_be_reached_is_forgotten() {
    let (mut call, known) = call(RtcpStyle::BackToBack, |legs| legs[1].remote_rtcp = None);
    let packet = spoken(&message(1, 206, &[S, M]), SSRCS[0], known[0]);
    assert_eq!(call.feedback(A, &packet), None);
    assert!(call.session.rtcp_deadline() > Some(call.at()));
}

#[test]
fn a_translator_passes_feedback_as_it_is() {
    for style in [RtcpStyle::Auto, RtcpStyle::Translator] {
        let (mut call, _) = call(style, |_| {});
        let packet = spoken(&message(1, 206, &[S, M]), SSRCS[0], SSRCS[1]);
        assert!(matches!(call.rtcp(A, &packet), Decision::Send { to: B, len: 12, .. }));
        assert_eq!(call.session.take_unpassed_feedback(), 0);
    }
}

/// The sequence numbers that a NACK names, and its media source.
fn nacked(packet: &[u8]) -> (u32, Vec<u16>) {
    let parts: Vec<_> = parse_compound(packet).collect::<Result<_, _>>().unwrap();
    let [RtcpPacket::Feedback(feedback @ Feedback { media_ssrc, .. })] = parts[..] else {
        panic!("{parts:?}")
    };
    let FeedbackMessage::Nack(nacks) = feedback.message() else { panic!("{feedback:?}") };
    (media_ssrc, nacks.iter().flat_map(|nack| nack.packets()).collect())
}

#[test]
fn packets_are_asked_for_by_the_numbers_that_their_sender_gave_them() {
    // Also where RTCP passed until something was made for the leg.
    for style in [RtcpStyle::BackToBack, RtcpStyle::Auto] {
        let events = |legs: &mut [LegPlan; 2]| {
            legs.iter_mut().for_each(|leg| leg.telephone_event = Some(101))
        };
        let (mut call, known) = call(style, events);
        let (now, duration) = (call.at(), Duration::from_millis(40));
        call.session.send_event(A, 5, duration, now, &mut || 9).unwrap();
        // As A and as B number what comes to A.
        let (mut numbers, mut made) = (Vec::new(), Vec::new());
        for _ in 0..30 {
            call.now += 20;
            call.sequence += 1;
            let number = |octets: &[u8]| u16::from_be_bytes([octets[2], octets[3]]);
            let passed = call.audio(B);
            assert_eq!(source(&passed), known[0]);
            numbers.push((number(&passed), call.sequence));
            let mut buffer = [0; 256];
            while call.session.poll_made(call.at(), &mut buffer).is_some() {
                made.push(number(&buffer));
            }
        }
        assert!(made.len() > 3 && numbers[29].0 > numbers[29].1);
        let nack = |named: &[u16]| {
            let words = named.iter().map(|number| u32::from(*number) << 16);
            let words: Vec<_> = [SSRCS[0], known[0]].into_iter().chain(words).collect();
            message(1, 205, &words)
        };
        let named: Vec<_> = numbers.iter().map(|(a, _)| *a).chain(made.clone()).collect();
        let sent = call.feedback(A, &nack(&named)).unwrap();
        let ours = source(&call.audio(A));
        let (of, asked) = nacked(&behind_report(&sent, ours));
        assert_eq!(of, SSRCS[1]);
        assert_eq!(asked, numbers.iter().map(|(_, b)| *b).collect::<Vec<_>>(), "{style:?}");
        // What was made here nobody has.
        assert_eq!(call.feedback(A, &nack(&made)), None);
        assert_eq!(call.session.take_unpassed_feedback(), 1);
    }
}

#[test]
fn a_nack_of_everything_is_bounded() {
    let (mut call, known) = call(RtcpStyle::BackToBack, |_| {});
    let words = (0..200).map(|number| (number * 40) << 16);
    let words: Vec<_> = [SSRCS[0], known[0]].into_iter().chain(words).collect();
    let sent = call.feedback(A, &message(1, 205, &words)).unwrap();
    let (_, asked) = nacked(&behind_report(&sent, known[1]));
    assert_eq!(asked, (0..64).map(|number| number * 40).collect::<Vec<_>>());
}

#[test]
fn payload_types_in_feedback_are_not_told_where_they_are_other_ones() {
    let numbered = |legs: &mut [LegPlan; 2]| {
        for (leg, payload_type) in legs.iter_mut().zip([96, 97]) {
            leg.codecs[0] = CodecMapping { payload_type, codec: Codec::Opus, ..leg.codecs[0] };
        }
    };
    let mut call = Call::new(RtcpStyle::BackToBack, numbered);
    call.run(40, &[A, B]);
    let rpsi = spoken(&message(3, 206, &[S, M, 0x0060_1234]), SSRCS[0], 1);
    assert_eq!(call.feedback(A, &rpsi), None);
    assert_eq!(call.session.take_unpassed_feedback(), 1);
}

#[test]
fn extended_reports_on_packets_go_on_and_those_of_the_way_to_us_do_not() {
    let (mut call, known) = call(RtcpStyle::BackToBack, |_| {});
    // Loss runs of eight packets, a statistics summary; a reference time and VoIP metrics.
    let told = [
        &[0x0100_0003, M, 0x0001_0009, 0x4008_0000][..],
        &[0x0680_0009, M, 0x0001_0009, 3, 0, 0, 0, 0, 0, 0],
    ];
    let ours = [&[0x0400_0002, 1, 2][..], &[0x0700_0008, M, 0, 0, 0, 0, 0, 0, 0]];
    let report = |blocks: &[&[u32]]| message(0, 207, &[&[S][..], &blocks.concat()].concat());
    let all = report(&[told[0], ours[0], told[1], ours[1]]);
    let sent = call.feedback(A, &spoken(&all, SSRCS[0], known[0])).unwrap();
    assert_eq!(behind_report(&sent, known[1]), spoken(&report(&told), known[1], SSRCS[1]));
    assert_eq!(call.feedback(A, &spoken(&report(&ours), SSRCS[0], known[0])), None);
    assert_eq!(call.session.take_unpassed_feedback(), 0);
    // Of packets that have other numbers nothing is told.
    let mut call = Call::new(RtcpStyle::BackToBack, |legs| legs[0].telephone_event = Some(101));
    call.run(40, &[A, B]);
    let now = call.at();
    call.session.send_event(A, 5, Duration::from_millis(40), now, &mut || 9).unwrap();
    assert_eq!(call.feedback(A, &spoken(&report(&told), SSRCS[0], 1)), None);
    assert_eq!(call.session.take_unpassed_feedback(), 1);
}
