//! Directions whose numbers the kernel changes.

use super::*;
use crate::{GROWTH, LONGEST_MADE, PlayableFormat, RtcpStyle, Track};
use codecs::{Clip, Recording};
use model::{OtherMedia, Ringback, Transcoding};
use std::sync::Arc;

const KEY: Duration = Duration::from_millis(100);

fn draw() -> impl FnMut() -> u64 {
    let mut drawn = 0x0123_4567_89ab_cdef_u64;
    move || {
        drawn = drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        drawn
    }
}

/// What a packet of A becomes at B by the kernel's program; `None` when it is left to the sockets.
fn by_the_kernel(session: &mut RtpSession, packet: &ForwardedPacket) -> Option<Numbers> {
    let forward = session.fast_forward(LegSide::A, packet.arrival)?;
    let first = session.fast_numbers_from(LegSide::A);
    let numbers = forward.numbers;
    let goes_on = numbers.is_none_or(|n| packet.sequence.wrapping_sub(first) <= n.span);
    if forward.ssrc != packet.ssrc || forward.withheld == Some(packet.payload_type) || !goes_on {
        return None;
    }
    session.forwarded(LegSide::A, &ForwardedPacket { numbers, ..*packet });
    let ForwardedPacket { ssrc, sequence, timestamp, .. } = *packet;
    Some(Numbers {
        ssrc: numbers.map_or(ssrc, |n| n.ssrc),
        sequence: sequence.wrapping_add(numbers.map_or(0, |n| n.sequence_offset)),
        timestamp: timestamp.wrapping_add(numbers.map_or(0, |n| n.timestamp_offset)),
    })
}

/// The same by the sockets; `None` when it does not go on.
fn by_sockets(session: &mut RtpSession, packet: &ForwardedPacket) -> Option<Numbers> {
    let ForwardedPacket { ssrc, sequence, timestamp, payload_type, marker, .. } = *packet;
    let header = RtpHeader { payload_type, marker, sequence, timestamp, ssrc };
    let mut octets = header.to_bytes().to_vec();
    octets.resize(packet.octets + GROWTH, 0xd5);
    let (len, arrival) = (packet.octets, packet.arrival);
    match session.forward(LegSide::A, MediaSocket::Rtp, at(A), &mut octets, len, arrival) {
        Decision::Send { .. } => Numbers::read(&octets),
        Decision::Drop(_) => None,
        other => panic!("{other:?}"),
    }
}

/// What B gets, made packets too.
#[derive(Default)]
struct Heard {
    numbers: Vec<Numbers>,
    by_the_kernel: u32,
}

impl Heard {
    fn pass(&mut self, session: &mut RtpSession, packet: &ForwardedPacket, may_be_fast: bool) {
        let fast = may_be_fast.then(|| by_the_kernel(session, packet)).flatten();
        self.by_the_kernel += u32::from(fast.is_some());
        self.numbers.extend(fast.or_else(|| by_sockets(session, packet)));
        self.made(session, packet.arrival);
    }

    fn made(&mut self, session: &mut RtpSession, now: Instant) {
        let mut buffer = [0; LONGEST_MADE];
        while session.poll_made(now, &mut buffer).is_some() {
            self.numbers.extend(Numbers::read(&buffer));
        }
    }
}

/// A minute in which two keys are sent to B; what B gets, and what is reported.
fn heard(plan: &MediaPlan, is_fast: impl Fn(usize) -> bool) -> (Heard, Vec<QualityReport>) {
    let mut session = session(plan);
    let (mut heard, mut reports, mut draw) = (Heard::default(), Vec::new(), draw());
    for (index, packet) in bad_minute().iter().enumerate() {
        if index == 200 || index == 1_500 {
            session.send_event(LegSide::B, 5, KEY, packet.arrival, &mut draw).unwrap();
        }
        heard.pass(&mut session, packet, is_fast(index));
        if index % 400 == 399 {
            reports.extend(session.poll_report(packet.arrival, ReportKind::Interval));
        }
    }
    reports.extend(session.poll_report(millis(70_000), ReportKind::Final));
    (heard, reports)
}

#[test]
fn numbers_and_quality_are_the_same_over_every_mix_of_both_paths() {
    let converted =
        MediaPlan { dtmf: [DtmfConversion::EventsToSignalling, DtmfConversion::None], ..plan() };
    for plan in [plan(), converted] {
        let (slow, reports) = heard(&plan, |_| false);
        type Mix = dyn Fn(usize) -> bool;
        let mixes: [(&str, &Mix, u32); 3] = [
            ("all that may", &|_| true, 2_000),
            ("every other", &|index| index % 2 == 1, 1_000),
            ("by turns of 100", &|index| index / 100 % 2 == 1, 900),
        ];
        for (name, is_fast, least) in mixes {
            let (mixed, same) = heard(&plan, is_fast);
            assert!(mixed.by_the_kernel > least, "{name}: {}", mixed.by_the_kernel);
            assert_eq!(mixed.numbers, slow.numbers, "{name}");
            assert_eq!(format!("{same:#?}"), format!("{reports:#?}"), "{name}");
        }
        // One source from the first key on, although A's is another in the end.
        let sources = slow.numbers.iter().filter(|numbers| numbers.ssrc != 7).count();
        assert_eq!(sources, 0);
    }
}

/// A stream without loss: not a number is missing or comes twice from before the key to after it, and
/// time goes on.
#[test]
fn between_the_paths_the_numbers_have_no_seam() {
    let mut session = session(&plan());
    let (mut heard, mut draw) = (Heard::default(), draw());
    for number in 0..2_000_u16 {
        let mut packet = packet(number);
        if number > 900 {
            // Another source, which starts over 600 packets later.
            packet.ssrc = 8;
            packet.sequence = number + if number > 1_500 { 30_000 } else { 60_000 };
        }
        if number % 500 == 200 {
            session.send_event(LegSide::B, 5, KEY, packet.arrival, &mut draw).unwrap();
        }
        heard.pass(&mut session, &packet, true);
    }
    assert!(heard.by_the_kernel > 1_000, "{}", heard.by_the_kernel);
    let mut audio = heard.numbers.windows(2);
    let is_next = |pair: &[Numbers]| {
        pair[0].ssrc == pair[1].ssrc && pair[1].sequence == pair[0].sequence.wrapping_add(1)
    };
    assert!(audio.all(is_next), "{:?}", heard.numbers.windows(2).find(|pair| !is_next(pair)));
    let last = heard.numbers.last().unwrap();
    assert_eq!((last.ssrc, last.timestamp), (7, 1_999 * 160));
}

fn track(session: &RtpSession) -> Track {
    let PlayableFormat { payload_type, format, packet_ms } = session.playable(LegSide::B).unwrap();
    let recording = Recording::ringback(Ringback::Europe);
    let clip = Arc::new(Clip::encode(&recording, format, packet_ms).unwrap());
    Track { clip, payload_type, first: 0, rounds: None, with: OtherMedia::Yields }
}

#[test]
fn a_leg_that_was_played_to_is_fast_again_when_the_other_has_passed_for_a_while() {
    let mut session = session(&plan());
    let (mut heard, mut draw) = (Heard::default(), draw());
    (0..100).for_each(|number| heard.pass(&mut session, &packet(number), true));
    assert_eq!(heard.by_the_kernel, 99);
    let track = track(&session);
    session.play(LegSide::B, track, millis(2_000), &mut draw);
    for number in 100..300 {
        assert_eq!(session.fast_forward(LegSide::A, packet(number).arrival), None);
        heard.pass(&mut session, &packet(number), true);
    }
    session.stop_playing(LegSide::B, millis(6_000));
    (300..400).for_each(|number| heard.pass(&mut session, &packet(number), true));
    assert_eq!((heard.by_the_kernel, heard.numbers.len()), (99, 400));
    (400..500).for_each(|number| heard.pass(&mut session, &packet(number), true));
    assert_eq!((heard.by_the_kernel, heard.numbers.len()), (199, 500));
    let sequences = heard.numbers.iter().map(|numbers| numbers.sequence);
    assert!(sequences.eq(0..500), "one number after the other");
    assert!(heard.numbers.iter().all(|numbers| numbers.ssrc == 7));
}

/// A's audio is transcoded for some time; B's never.
#[test]
fn transcoding_keeps_its_direction_from_the_kernel_while_it_goes_on() {
    let pcmu = leg(None).codecs[0].clone();
    let pcma = CodecMapping { payload_type: 8, codec: Codec::Pcma, ..pcmu.clone() };
    let stage = Transcoding { from: vec![pcmu], to: pcma, bitrate: None, comfort_noise: None };
    let transcoded = MediaPlan { transcoding: [Some(Box::new(stage)), None], ..plan() };
    let mut session = session(&transcoded);
    session.begin_transcoding(Instant::ZERO, &mut draw());
    let mut heard = Heard::default();
    let mut from_b = RtpHeader { ssrc: 9, ..RtpHeader::default() }.to_bytes().to_vec();
    from_b.resize(172, 0);
    session.forward(LegSide::B, MediaSocket::Rtp, at(B), &mut from_b, 172, millis(0));
    (0..300).for_each(|number| heard.pass(&mut session, &packet(number), true));
    assert_eq!(heard.by_the_kernel, 0);
    let back = session.fast_forward(LegSide::B, millis(6_000)).unwrap();
    assert_eq!((back.ssrc, back.numbers), (9, None));
    session.apply(&plan(), millis(6_000));
    (300..401).for_each(|number| heard.pass(&mut session, &packet(number), true));
    assert_eq!(heard.by_the_kernel, 1);
    let first = heard.numbers[0];
    let is_one = |(count, numbers): (usize, &Numbers)| {
        numbers.ssrc == first.ssrc && numbers.sequence == first.sequence.wrapping_add(count as u16)
    };
    assert!(heard.numbers.iter().enumerate().all(is_one), "{:?}", heard.numbers);
}

#[test]
fn payload_types_that_change_keep_their_direction_from_the_kernel_only() {
    let mut plan = plan();
    let opus = |payload_type| CodecMapping {
        payload_type,
        codec: Codec::Opus,
        clock_rate: 48_000,
        packet_duration: Duration::from_millis(20),
    };
    // B knows only the first of A's two numbers.
    plan.legs[0].codecs.extend([opus(96), opus(111)]);
    plan.legs[1].codecs.push(opus(96));
    let mut session = session(&plan);
    speak(&mut session, A);
    let mut from_b = RtpHeader { ssrc: 9, ..RtpHeader::default() }.to_bytes().to_vec();
    session.forward(LegSide::B, MediaSocket::Rtp, at(B), &mut from_b, 12, millis(0));
    let is_fast = LegSide::BOTH.map(|leg| session.fast_forward(leg, millis(1)).is_some());
    assert_eq!(is_fast, [false, true]);
}

/// Back-to-back RTP sessions: only the source is another one.
#[test]
fn sources_of_ours_are_fast_from_the_first_packet_on_and_jumps_pass_as_they_are() {
    let id = TransactionId::from_random(1);
    let new = || {
        let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
        session.set_rtcp(RtcpStyle::BackToBack, Duration::from_secs(5), &mut draw());
        session.apply(&plan(), Instant::ZERO);
        session
    };
    let [mut fast, mut slow] = [new(), new()];
    let [mut by_both, mut by_sockets] = [Heard::default(), Heard::default()];
    for number in (0..100).chain(20_000..20_100) {
        by_both.pass(&mut fast, &packet(number), true);
        by_sockets.pass(&mut slow, &packet(number), false);
    }
    assert_eq!(by_both.numbers, by_sockets.numbers);
    assert_eq!(by_both.by_the_kernel, 199);
    assert!(by_both.numbers.iter().all(|numbers| numbers.ssrc != 7));
}
