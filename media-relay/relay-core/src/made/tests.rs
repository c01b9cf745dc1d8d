use super::*;
use crate::{Decision, LearningPolicy, MediaSocket, NtpTime, REPORT_INTERVAL, RtcpStyle};
use model::{
    Codec, CodecMapping, LegPlan, LegSecurity, MediaId, MediaPlan, ReportKind, SdesKeys, SrtpKey,
    SrtpSuite, TransactionId, XrWishes,
};
use rtp_proto::rtcp::{ReportBlock, RtcpPacket, parse_compound, write_receiver_report};
use rtp_proto::srtp::SrtpReceiver;
use rtp_proto::{RtpPacket, TelephoneEvent};

const A: LegSide = LegSide::A;
const B: LegSide = LegSide::B;
const SSRC: u32 = 0xaaaa_0001;
const EVENTS: u8 = 101;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn address(leg: LegSide) -> SocketAddr {
    ([192, 0, 2, 1 + leg.index() as u8], 4_000).into()
}

fn mapping(payload_type: u8, codec: Codec) -> CodecMapping {
    let packet_duration = Duration::from_millis(20);
    CodecMapping { payload_type, codec, clock_rate: 8_000, packet_duration }
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
        codecs: vec![mapping(0, Codec::Pcmu), mapping(EVENTS, Codec::TelephoneEvent)],
        telephone_event: Some(EVENTS),
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

fn keys() -> SdesKeys {
    let suite = SrtpSuite::AesCm128HmacSha1_80;
    let key = |seed: u8| SrtpKey::new(suite, &[seed; 30]).unwrap();
    SdesKeys { send: key(1), receive: key(2) }
}

fn session(style: RtcpStyle, change: impl FnOnce(&mut [LegPlan; 2])) -> RtpSession {
    let mut legs = [leg(A), leg(B)];
    change(&mut legs);
    let id = TransactionId::from_random(1);
    let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
    session.set_rtcp(style, REPORT_INTERVAL, &mut draw());
    session.apply(&MediaPlan::rtp(legs), Instant::ZERO);
    session
}

fn draw() -> impl FnMut() -> u64 {
    let mut drawn = 0x0123_4567_89ab_cdef_u64;
    move || {
        drawn = drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        drawn
    }
}

/// A packet of audio from A; what B gets of it.
fn audio(session: &mut RtpSession, sequence: u16) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 160;
    let header = RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc: SSRC };
    let mut packet = [0; 172 + GROWTH];
    header.write_header(&mut packet).unwrap();
    let now = at(u64::from(sequence) * 20);
    let decision = session.forward(A, MediaSocket::Rtp, address(A), &mut packet, 172, now);
    let Decision::Send { len, to: B, .. } = decision else { panic!("{decision:?}") };
    packet[..len].to_vec()
}

fn made(session: &mut RtpSession, now: Instant) -> Vec<Vec<u8>> {
    let mut buffer = [0; LONGEST_MADE];
    let mut packets = Vec::new();
    while let Some(packet) = session.poll_made(now, &mut buffer) {
        assert_eq!((packet.to, packet.destination), (B, address(B)));
        packets.push(buffer[..packet.len].to_vec());
    }
    packets
}

const KEY: Duration = Duration::from_millis(60);

#[test]
fn a_key_comes_among_the_audio_as_one_source() {
    for style in [RtcpStyle::Auto, RtcpStyle::Translator, RtcpStyle::BackToBack] {
        let mut session = session(style, |_| {});
        let mut heard = Vec::new();
        for sequence in 0..30 {
            let now = at(u64::from(sequence) * 20);
            heard.push(audio(&mut session, sequence));
            if sequence == 10 {
                session.send_event(B, 5, KEY, now, &mut draw()).unwrap();
                assert_eq!(session.made_deadline(), Some(now));
            }
            heard.extend(made(&mut session, now));
        }
        let packets: Vec<RtpPacket<'_>> =
            heard.iter().map(|octets| RtpPacket::parse(octets).unwrap()).collect();
        let source = packets[0].ssrc();
        assert_eq!(source == SSRC, style != RtcpStyle::BackToBack);
        for (position, packet) in packets.iter().enumerate() {
            assert_eq!((packet.ssrc(), usize::from(packet.sequence())), (source, position));
        }
        let events: Vec<_> = packets.iter().filter(|p| p.payload_type() == EVENTS).collect();
        assert_eq!(events.len(), 5, "60 ms in steps of 20, and the end twice again");
        assert!(events.iter().all(|packet| packet.timestamp() == 10 * 160));
        let event = TelephoneEvent::parse(events[4].payload()).unwrap();
        assert_eq!((event.event, event.end, event.duration), (5, true, 480));
        let last = packets.last().unwrap();
        assert_eq!((last.timestamp(), last.payload_type()), (29 * 160, 0));
        assert_eq!(session.made_deadline(), None);
        let [_, report] = session.poll_report(at(600), ReportKind::Final);
        assert_eq!(report.sent.rtp_packets, 35);
    }
}

#[test]
fn what_is_made_is_protected() {
    let mut session =
        session(RtcpStyle::Auto, |legs| legs[1].security = LegSecurity::Sdes(keys().into()));
    let mut receiver = SrtpReceiver::new(&keys().send);
    let mut sequences = Vec::new();
    for sequence in 0..5 {
        let now = at(u64::from(sequence) * 20);
        let mut heard = vec![audio(&mut session, sequence)];
        if sequence == 1 {
            session.send_event(B, 11, KEY, now, &mut draw()).unwrap();
        }
        heard.extend(made(&mut session, now));
        for mut octets in heard {
            let len = receiver.unprotect_rtp(&mut octets).unwrap();
            sequences.push(RtpPacket::parse(&octets[..len]).unwrap().sequence());
        }
    }
    assert_eq!(sequences, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn from_the_first_made_packet_on_the_reports_are_ours() {
    let mut session = session(RtcpStyle::Auto, |_| {});
    for sequence in 0..50 {
        audio(&mut session, sequence);
    }
    let now = at(1_000);
    session.send_event(B, 1, KEY, now, &mut draw()).unwrap();
    assert_eq!(made(&mut session, now).len(), 1);
    audio(&mut session, 50);
    let mut report = Vec::new();
    // What B says of the source that it hears counts, and goes no further.
    let block = ReportBlock { ssrc: SSRC, cumulative_lost: 3, ..ReportBlock::default() };
    write_receiver_report(&mut report, 77, &[block]);
    let len = report.len();
    report.resize(len + GROWTH, 0);
    let source = SocketAddr::new(address(B).ip(), 4_001);
    let decision = session.forward(B, MediaSocket::Rtcp, source, &mut report, len, now);
    assert_eq!(decision, Decision::Taken);
    let [_, leg_b] = session.poll_report(at(1_100), ReportKind::Live);
    assert_eq!(leg_b.peer.unwrap().packets_lost, 3);

    let due = session.rtcp_deadline().unwrap();
    let (mut out, ntp) = (Vec::new(), NtpTime::from_unix(Duration::from_secs(1_700_000_000)));
    let sent = session.poll_rtcp(B, due, ntp, 0, &mut out).unwrap();
    let first = parse_compound(&out[..sent.len]).next().unwrap().unwrap();
    let RtcpPacket::SenderReport(report) = first else { panic!("{first:?}") };
    assert_eq!((report.ssrc, report.info.packet_count), (SSRC, 52));
    let since = (due - at(1_020)).as_millis() as u32;
    assert_eq!(report.info.rtp_timestamp, 50 * 160 + (since + 20) * 8);
}

#[test]
fn the_kernel_forwards_again_what_has_passed_for_a_while_after_what_was_made() {
    let mut session = session(RtcpStyle::Auto, |_| {});
    for sequence in 0..500 {
        audio(&mut session, sequence);
    }
    let now = at(10_000);
    assert_eq!(session.fast_forward(A, now).unwrap().numbers, None);
    session.send_event(B, 1, KEY, now, &mut draw()).unwrap();
    assert_eq!(session.fast_forward(A, now), None);
    let mut count = 0;
    for sequence in 500..620 {
        audio(&mut session, sequence);
        count += made(&mut session, at(u64::from(sequence) * 20)).len() as u16;
        assert_eq!(session.fast_forward(A, now), None, "{sequence}");
        if session.made_deadline().is_none() {
            break;
        }
    }
    let last = audio(&mut session, 620);
    let numbers = (621..).find_map(|sequence| {
        audio(&mut session, sequence);
        session.fast_forward(A, now)?.numbers
    });
    let numbers = numbers.unwrap();
    assert_eq!(count, 5, "packets of the key");
    assert_eq!((numbers.ssrc, numbers.sequence_offset, numbers.timestamp_offset), (SSRC, count, 0));
    assert_eq!(RtpPacket::parse(&last).unwrap().sequence(), 620 + count);
}

#[test]
fn what_cannot_be_sent_is_refused_or_forgotten() {
    let mut session = session(RtcpStyle::Auto, |legs| {
        legs[0].telephone_event = None;
        legs[0].codecs = vec![mapping(18, Codec::G729)];
    });
    let order = |session: &mut RtpSession, leg, event| {
        session.send_event(leg, event, KEY, at(0), &mut draw())
    };
    assert_eq!(order(&mut session, A, 1), Err(MakeError::NoFormat));
    assert_eq!(order(&mut session, B, 16), Err(MakeError::NoSuchEvent));
    for _ in 0..32 {
        order(&mut session, B, 2).unwrap();
    }
    assert_eq!(order(&mut session, B, 2), Err(MakeError::Full));
    // The leg is put on hold: what was pressed before is of the past.
    let mut legs = [leg(A), leg(B)];
    legs[1].sends_to = false;
    session.apply(&MediaPlan::rtp(legs), at(10));
    assert_eq!(made(&mut session, at(20)), Vec::<Vec<u8>>::new());
    assert_eq!(session.made_deadline(), None);
    assert_eq!(order(&mut session, B, 2), Err(MakeError::NotWanted));
}

#[test]
fn a_key_before_any_audio_begins_the_source_that_the_audio_joins() {
    let mut session = session(RtcpStyle::Auto, |_| {});
    session.send_event(B, 9, KEY, at(0), &mut draw()).unwrap();
    let first = made(&mut session, at(0)).remove(0);
    let first = RtpPacket::parse(&first).unwrap();
    let next = audio(&mut session, 5);
    let next = RtpPacket::parse(&next).unwrap();
    assert_eq!(next.ssrc(), first.ssrc());
    assert_eq!(next.sequence(), first.sequence().wrapping_add(1));
    // A tenth of a second later.
    assert_eq!(next.timestamp(), first.timestamp().wrapping_add(800));
}
