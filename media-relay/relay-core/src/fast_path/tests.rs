use super::*;
use crate::{Decision, LearningPolicy, MediaSocket};
use model::{
    Codec, CodecMapping, LegPlan, LegSecurity, MediaId, MediaPlan, QualityReport, ReportKind,
    TransactionId,
};
use rtp_proto::RtpHeader;
use std::time::Duration;

mod numbers;

const A: &str = "192.0.2.1:4000";
const B: &str = "198.51.100.2:6000";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn millis(count: u64) -> Instant {
    Instant::from_millis(count)
}

fn leg(remote: Option<&str>) -> LegPlan {
    let mapping = |payload_type, codec| CodecMapping {
        payload_type,
        codec,
        clock_rate: 8_000,
        packet_duration: Duration::from_millis(20),
    };
    LegPlan {
        remote_rtp: remote.map(at),
        remote_rtcp: None,
        signalling_source: Some(at("203.0.113.9:5060").ip()),
        rtcp_mux: false,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: vec![mapping(0, Codec::Pcmu), mapping(13, Codec::ComfortNoise)],
        telephone_event: Some(101),
        xr: model::XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

fn plan() -> MediaPlan {
    MediaPlan::rtp([leg(Some(A)), leg(Some(B))])
}

fn session(plan: &MediaPlan) -> RtpSession {
    let id = TransactionId::from_random(1);
    let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
    session.apply(plan, Instant::ZERO);
    session
}

fn packet(sequence: u16) -> ForwardedPacket {
    ForwardedPacket {
        ssrc: 7,
        sequence,
        timestamp: u32::from(sequence) * 160,
        numbers: None,
        payload_type: 0,
        marker: false,
        octets: 172,
        arrival: millis(u64::from(sequence) * 20),
    }
}

fn through_sockets(session: &mut RtpSession, source: &str, packet: &ForwardedPacket) -> Decision {
    let header = RtpHeader {
        payload_type: packet.payload_type,
        marker: packet.marker,
        sequence: packet.sequence,
        timestamp: packet.timestamp,
        ssrc: packet.ssrc,
    };
    let mut octets = header.to_bytes().to_vec();
    octets.resize(packet.octets, 0xd5);
    let (len, arrival) = (octets.len(), packet.arrival);
    session.forward(LegSide::A, MediaSocket::Rtp, at(source), &mut octets, len, arrival)
}

fn speak(session: &mut RtpSession, source: &str) {
    let decision = through_sockets(session, source, &packet(0));
    assert!(matches!(decision, Decision::Send { .. }), "{decision:?}");
}

#[test]
fn a_stream_is_fast_from_its_first_packet_on_when_it_comes_from_the_described_address() {
    let mut session = session(&plan());
    assert_eq!(session.fast_forward(LegSide::A, millis(0)), None);
    speak(&mut session, A);
    let expected =
        FastForward { source: at(A), ssrc: 7, destination: at(B), withheld: None, numbers: None };
    assert_eq!(session.fast_forward(LegSide::A, millis(1)), Some(expected));
    assert_eq!(session.fast_forward(LegSide::B, millis(1)), None, "B has not spoken");
}

#[test]
fn a_learned_source_is_fast_once_the_exact_one_cannot_take_its_place_any_more() {
    let mut session = session(&plan());
    let learned = "192.0.2.1:4444";
    for sequence in 0..3 {
        through_sockets(&mut session, learned, &packet(sequence));
    }
    // Locked at 40 ms; the learning window of 500 ms began with the first packet.
    assert_eq!(session.latched(LegSide::A), Some(at(learned)));
    assert_eq!(session.fast_forward(LegSide::A, millis(499)), None);
    let fast = session.fast_forward(LegSide::A, millis(500));
    assert_eq!(fast.map(|fast| fast.source), Some(at(learned)));
}

#[test]
fn whatever_needs_a_decision_is_not_fast() {
    let hold = |plan: &mut MediaPlan| plan.legs[0].accepts_from = false;
    let deaf = |plan: &mut MediaPlan| plan.legs[1].sends_to = false;
    let fax = |plan: &mut MediaPlan| plan.kind = model::StreamKind::Udptl;
    let lost = |plan: &mut MediaPlan| plan.legs[1].remote_rtp = None;
    let other_family =
        |plan: &mut MediaPlan| plan.legs[1].remote_rtp = Some(at("[2001:db8::1]:6000"));
    let relearn = |plan: &mut MediaPlan| plan.legs[0].relearn = true;
    let same = |_: &mut MediaPlan| {};
    type Change = dyn Fn(&mut MediaPlan);
    let tones = |plan: &mut MediaPlan| plan.dtmf[0] = DtmfConversion::EventsToTones;
    let searched = |plan: &mut MediaPlan| plan.dtmf[0] = DtmfConversion::TonesToSignalling;
    let cases: [(&str, &Change, bool); 9] = [
        ("the same plan", &same, true),
        ("the leg must not send", &hold, false),
        ("the other leg wants nothing", &deaf, false),
        ("fax", &fax, false),
        ("keys become tones", &tones, false),
        ("tones are looked for", &searched, false),
        ("no destination", &lost, false),
        ("a destination of another family", &other_family, false),
        ("the source is learned again", &relearn, false),
    ];
    for (name, change, is_fast) in cases {
        let mut plan = plan();
        plan.legs.iter_mut().for_each(|leg| leg.relearn = false);
        let mut session = session(&plan);
        speak(&mut session, A);
        assert!(session.fast_forward(LegSide::A, millis(1)).is_some());
        change(&mut plan);
        session.apply(&plan, millis(2));
        assert_eq!(session.fast_forward(LegSide::A, millis(3)).is_some(), is_fast, "{name}");
    }
}

/// A minute of audio as a bad network delivers it: losses alone and in bursts, duplicates,
/// reordering, jitter, a silence, telephone events, another SSRC, and a jump of the numbers.
fn bad_minute() -> Vec<ForwardedPacket> {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let mut packets = Vec::new();
    for number in 0..3_000_u64 {
        let mut next = packet(0);
        next.sequence = (65_000 + number + if number > 2_500 { 20_000 } else { 0 }) as u16;
        next.timestamp = (number * 160) as u32;
        next.arrival = millis(number * 20 + if number > 1_000 { 3_000 } else { 0 })
            + Duration::from_micros(draw(45_000));
        next.ssrc = if number > 2_000 { 8 } else { 7 };
        if number % 500 == 1 {
            (next.payload_type, next.octets) = (101, 16);
        }
        next.marker = number == 1_001;
        let lost = draw(20) == 0 || (number / 10) % 40 == 7;
        if !lost {
            packets.push(next);
            if draw(50) == 0 {
                packets.push(next);
            }
        }
    }
    packets.sort_by_key(|packet| packet.arrival);
    packets
}

fn measured(packets: &[ForwardedPacket], is_fast: impl Fn(usize) -> bool) -> Vec<QualityReport> {
    let mut session = session(&plan());
    let mut reports = Vec::new();
    for (index, packet) in packets.iter().enumerate() {
        if is_fast(index) {
            session.forwarded(LegSide::A, packet);
        } else {
            through_sockets(&mut session, A, packet);
        }
        if index % 400 == 399 {
            let [a, b] = session.poll_report(packet.arrival, ReportKind::Interval);
            reports.extend([a, b]);
        }
    }
    let [a, b] = session.poll_report(millis(70_000), ReportKind::Final);
    reports.extend([a, b]);
    reports
}

#[test]
fn the_numbers_are_the_same_over_every_mix_of_both_paths() {
    let packets = bad_minute();
    let slow = measured(&packets, |_| false);
    let last = &slow[slow.len() - 2].received;
    assert!(last.loss.lost > 100 && last.duplicated > 10 && last.reordered > 10, "{last:?}");
    type Mix = dyn Fn(usize) -> bool;
    let mixes: [(&str, &Mix); 3] = [
        ("all but the first", &|index| index > 0),
        ("every other", &|index| index % 2 == 1),
        ("by turns of 100", &|index| index / 100 % 2 == 1),
    ];
    for (name, is_fast) in mixes {
        let mixed = measured(&packets, is_fast);
        assert_eq!(format!("{mixed:#?}"), format!("{slow:#?}"), "{name}");
    }
}

#[test]
fn a_note_before_the_first_plan_counts_nothing_and_a_short_one_does_not_underflow() {
    let id = TransactionId::from_random(1);
    let mut unplanned = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
    unplanned.forwarded(LegSide::A, &packet(1));
    assert!(!unplanned.has_media());
    let mut session = session(&plan());
    session.forwarded(LegSide::A, &ForwardedPacket { octets: 3, ..packet(1) });
    assert!(session.has_media());
}

#[test]
fn what_the_kernel_forwards_is_not_silence() {
    let mut session = session(&plan());
    session.forwarded(LegSide::A, &ForwardedPacket { arrival: millis(29_000), ..packet(1) });
    assert!(!session.poll_silence(LegSide::A, millis(30_000), Duration::from_secs(30)));
    assert!(session.poll_silence(LegSide::A, millis(59_000), Duration::from_secs(30)));
}

#[test]
fn events_that_are_looked_for_are_left_to_the_sockets_and_nothing_else() {
    type Change = fn(&mut MediaPlan);
    let cases: [(Change, Option<u8>); 3] = [
        (|plan| plan.dtmf[0] = DtmfConversion::EventsToSignalling, Some(101)),
        (|plan| plan.blocked_events = [true, false], Some(101)),
        (|plan| plan.dtmf[1] = DtmfConversion::EventsToSignalling, None),
    ];
    for (change, withheld) in cases {
        let mut plan = plan();
        change(&mut plan);
        let mut session = session(&plan);
        speak(&mut session, A);
        let expected =
            FastForward { source: at(A), ssrc: 7, destination: at(B), withheld, numbers: None };
        assert_eq!(session.fast_forward(LegSide::A, millis(1)), Some(expected));
    }
    // Two payload types are more than the kernel tells apart.
    let mut plan = plan();
    plan.blocked_events = [true, false];
    let event = |payload_type| CodecMapping {
        payload_type,
        codec: Codec::TelephoneEvent,
        clock_rate: 8_000,
        packet_duration: Duration::from_millis(20),
    };
    plan.legs[0].codecs.extend([event(101), event(97)]);
    let mut session = session(&plan);
    speak(&mut session, A);
    assert_eq!(session.fast_forward(LegSide::A, millis(1)), None);
}

/// Pictures of three packets, those of every other picture through the kernel: no seam, and what
/// repairs them has no part in it.
#[test]
fn video_is_fast_too_and_shows_no_seam() {
    let leg = |remote| LegPlan {
        codecs: [(96, Codec::H264), (97, Codec::Repair)]
            .map(|(payload_type, codec)| CodecMapping {
                payload_type,
                codec,
                clock_rate: 90_000,
                packet_duration: Duration::from_millis(20),
            })
            .to_vec(),
        telephone_event: None,
        ..leg(Some(remote))
    };
    let plan = MediaPlan::rtp([leg(A), leg(B)]);
    let video = |number: u64| ForwardedPacket {
        ssrc: 7,
        sequence: number as u16,
        timestamp: (number / 3 * 3_000) as u32,
        numbers: None,
        payload_type: 96,
        marker: number % 3 == 2,
        octets: 1_200,
        arrival: Instant::from_nanos(number / 3 * 33_333_333 + number % 3 * 900_000),
    };
    let [mut mixed, mut plain] = [session(&plan), session(&plan)];
    for session in [&mut mixed, &mut plain] {
        let further = model::MediaLine::Further { index: 1, media: model::MediaType::Video };
        session.set_line(further);
    }
    for number in (0..300).filter(|number| number % 50 != 20) {
        let packet = video(number);
        through_sockets(&mut plain, A, &packet);
        let fast = mixed.fast_forward(LegSide::A, packet.arrival).is_some();
        assert!(fast || number == 0);
        if fast && number / 3 % 2 == 1 {
            mixed.forwarded(LegSide::A, &packet);
        } else {
            through_sockets(&mut mixed, A, &packet);
        }
        if number % 60 == 5 {
            let repair = ForwardedPacket { payload_type: 97, ssrc: 8, sequence: 9, ..packet };
            mixed.forwarded(LegSide::A, &repair);
            through_sockets(&mut plain, A, &repair);
        }
    }
    let end = millis(4_000);
    let [one, other] =
        [mixed, plain].map(|mut session| session.poll_report(end, ReportKind::Final));
    assert_eq!(one, other);
    assert_eq!((one[0].received.loss.lost, one[0].received.rtp_packets), (6, 299));
    assert_eq!((one[0].mos, one[0].received.ssrc), (None, Some(7)));
}
