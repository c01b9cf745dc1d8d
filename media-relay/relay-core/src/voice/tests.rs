//! Somebody beside the call speaks to leg B, packet by packet.

use super::*;
use crate::{
    Decision, DropReason, GROWTH, LONGEST_MADE, LearningPolicy, MediaSocket, Track, VoiceWriter,
    voice_ring,
};
use codecs::{AudioDecoder, Clip, Decoder, Recording};
use model::{
    Codec, CodecMapping, LegPlan, LegSecurity, MediaId, MediaPlan, Ringback, TransactionId,
    XrWishes,
};
use proptest::prelude::*;
use std::net::SocketAddr;
use std::sync::Arc;

const A: LegSide = LegSide::A;
const B: LegSide = LegSide::B;
const SSRC: u32 = 0xaaaa_0001;
/// Of µ-law.
const SILENCE: u8 = 0xff;
const SOUND: u8 = 0x10;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn address(leg: LegSide) -> SocketAddr {
    ([192, 0, 2, 1 + leg.index() as u8], 4_000).into()
}

fn leg(side: LegSide, formats: &[(u8, Codec, u32)]) -> LegPlan {
    let codecs = formats.iter().map(|&(payload_type, codec, clock_rate)| CodecMapping {
        payload_type,
        codec,
        clock_rate,
        packet_duration: Duration::from_millis(20),
    });
    LegPlan {
        remote_rtp: Some(address(side)),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: false,
        accepts_from: true,
        sends_to: true,
        relearn: false,
        codecs: codecs.collect(),
        telephone_event: None,
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

const PCMU: &[(u8, Codec, u32)] = &[(0, Codec::Pcmu, 8_000)];

fn draw() -> impl FnMut() -> u64 {
    let mut drawn = 0x0123_4567_89ab_cdef_u64;
    move || {
        drawn = drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        drawn
    }
}

fn spoken(formats: &[(u8, Codec, u32)], rate: u32, with: OtherMedia) -> (RtpSession, VoiceWriter) {
    let id = TransactionId::from_random(1);
    let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
    session.apply(&MediaPlan::rtp([leg(A, formats), leg(B, formats)]), Instant::ZERO);
    let (writer, reader) = voice_ring(rate);
    session.speak(B, reader, with, Instant::ZERO, &mut draw());
    (session, writer)
}

/// A packet that goes to B.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Seen {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    payload_type: u8,
    marker: bool,
    payload: Vec<u8>,
}

fn seen(packet: &[u8]) -> Seen {
    let packet = RtpPacket::parse(packet).unwrap();
    Seen {
        ssrc: packet.ssrc(),
        sequence: packet.sequence(),
        timestamp: packet.timestamp(),
        payload_type: packet.payload_type(),
        marker: packet.marker(),
        payload: packet.payload().to_vec(),
    }
}

/// What B gets for packet `n` of A, sent at `now`, all of whose octets are `fill`.
fn from_a(session: &mut RtpSession, n: u16, fill: u8, now: Instant) -> Result<Seen, DropReason> {
    let mut packet = [fill; 172 + GROWTH];
    let timestamp = u32::from(n) * 160;
    let header = RtpHeader { payload_type: 0, marker: false, sequence: n, timestamp, ssrc: SSRC };
    header.write_header(&mut packet).unwrap();
    match session.forward(A, MediaSocket::Rtp, address(A), &mut packet, 172, now) {
        Decision::Send { to: B, len, .. } => Ok(seen(&packet[..len])),
        Decision::Drop(reason) => Err(reason),
        other => panic!("{other:?}"),
    }
}

/// What is made for B until `now`, as a worker does it that wakes in time.
fn made_until(session: &mut RtpSession, now: Instant) -> Vec<Seen> {
    let mut packets = Vec::new();
    while let Some(due) = session.made_deadline().filter(|due| *due <= now) {
        packets.extend(made_at(session, due));
    }
    packets
}

fn made_at(session: &mut RtpSession, now: Instant) -> Vec<Seen> {
    let mut buffer = [0; LONGEST_MADE];
    let mut packets = Vec::new();
    while let Some(packet) = session.poll_made(now, &mut buffer) {
        assert_eq!((packet.to, packet.destination), (B, address(B)));
        packets.push(seen(&buffer[..packet.len]));
    }
    packets
}

fn tone(samples: usize) -> Vec<i16> {
    (0..samples).map(|n| ((n as f32 * 0.6).sin() * 8_000.0) as i16).collect()
}

#[test]
fn what_is_written_is_said_in_the_legs_one_source() {
    let (mut session, mut writer) = spoken(PCMU, 8_000, OtherMedia::Yields);
    assert!(session.is_spoken_to(B) && !session.is_spoken_to(A));
    let first = from_a(&mut session, 1, SOUND, at(0)).unwrap();
    assert_eq!(made_until(&mut session, at(10)), [], "nothing to say");
    assert_eq!(writer.write(&tone(800)), 800);
    let said = made_until(&mut session, at(120));
    assert_eq!(said.len(), 5, "100 ms");
    for (n, packet) in said.iter().enumerate() {
        assert_eq!((packet.ssrc, packet.payload_type), (first.ssrc, 0));
        assert_eq!(packet.sequence, first.sequence.wrapping_add(1 + n as u16));
        assert_eq!(packet.timestamp, first.timestamp.wrapping_add(160 * (1 + n as u32)));
        assert_eq!((packet.marker, packet.payload.len()), (n == 0, 160));
        let mut decoded = [0; 160];
        let mut decoder = AudioDecoder::new(AudioFormat::Pcmu, 8_000).unwrap();
        decoder.decode(&packet.payload, &mut decoded).unwrap();
        for (decoded, written) in decoded.iter().zip(&tone(800)[n * 160..]) {
            assert!(decoded.abs_diff(*written) < 400, "{decoded} {written}");
        }
    }
    assert_eq!((writer.taken(), writer.gaps(), writer.unheard()), (800, 0, 0));
    assert_eq!(from_a(&mut session, 7, SOUND, at(121)), Err(DropReason::Replaced));
    assert_eq!(made_until(&mut session, at(260)), [], "all is said");
    let next = from_a(&mut session, 14, SOUND, at(260)).unwrap();
    assert_eq!((next.ssrc, next.sequence), (first.ssrc, said[4].sequence.wrapping_add(1)));
    assert_eq!(next.timestamp, first.timestamp.wrapping_add(260 * 8), "time went on");
}

#[test]
fn a_short_word_waits_a_little_for_more() {
    let (mut session, mut writer) = spoken(PCMU, 8_000, OtherMedia::Yields);
    made_until(&mut session, at(0));
    writer.write(&tone(200));
    assert_eq!(made_until(&mut session, at(79)), []);
    let said = made_until(&mut session, at(140));
    assert_eq!(said.len(), 2);
    let end = &said[1].payload[40..];
    assert!(end.iter().all(|octet| *octet == SILENCE), "the packet is filled: {end:?}");
}

#[test]
fn samples_that_come_too_late_are_a_gap_and_counted() {
    let (mut session, mut writer) = spoken(PCMU, 8_000, OtherMedia::Yields);
    writer.write(&tone(480));
    assert_eq!(made_until(&mut session, at(100)).len(), 3);
    assert_eq!(from_a(&mut session, 5, SOUND, at(100)), Err(DropReason::Replaced), "not yet over");
    writer.write(&tone(480));
    let said = made_until(&mut session, at(200));
    assert_eq!((said.len(), said[0].marker), (3, true));
    assert_eq!(writer.gaps(), 1);
    // Much later it is another utterance.
    made_until(&mut session, at(1_000));
    writer.write(&tone(480));
    made_until(&mut session, at(1_100));
    assert_eq!((writer.gaps(), writer.taken()), (1, 1_440));
}

#[test]
fn a_voice_that_yields_is_heard_only_in_the_others_silence() {
    let (mut session, mut writer) = spoken(PCMU, 8_000, OtherMedia::Wins);
    for n in 1..=20_u16 {
        let now = at(u64::from(n) * 20);
        writer.write(&tone(160));
        assert!(from_a(&mut session, n, SOUND, now).is_ok(), "packet {n}");
        assert_eq!(made_until(&mut session, now), [], "packet {n}");
    }
    assert!(writer.unheard() >= 2_000, "{}", writer.unheard());
    let (mut said, mut replaced) = (0, 0);
    for n in 21..=60_u16 {
        let now = at(u64::from(n) * 20);
        writer.write(&tone(160));
        replaced += u32::from(from_a(&mut session, n, SILENCE, now).is_err());
        said += made_until(&mut session, now).len();
    }
    assert!((28..=31).contains(&said) && (28..=31).contains(&replaced), "{said} {replaced}");
}

#[test]
fn who_is_on_hold_misses_what_is_said() {
    let (mut session, mut writer) = spoken(PCMU, 8_000, OtherMedia::Yields);
    let held = LegPlan { sends_to: false, ..leg(B, PCMU) };
    session.apply(&MediaPlan::rtp([leg(A, PCMU), held]), at(1));
    writer.write(&tone(1_600));
    assert_eq!(made_until(&mut session, at(110)), []);
    assert!(writer.unheard() >= 640, "{}", writer.unheard());
    session.apply(&MediaPlan::rtp([leg(A, PCMU), leg(B, PCMU)]), at(111));
    let said = made_until(&mut session, at(300)).len() as u64;
    assert_eq!(writer.unheard() + said * 160, 1_600);
    assert!(said >= 4, "{said}");
}

#[test]
fn what_is_played_to_the_leg_goes_first() {
    let (mut session, mut writer) = spoken(PCMU, 8_000, OtherMedia::Yields);
    let PlayableFormat { payload_type, format, packet_ms } = session.playable(B).unwrap();
    let clip = Clip::encode(&Recording::ringback(Ringback::Europe), format, packet_ms).unwrap();
    let track = Track {
        clip: Arc::new(clip),
        payload_type,
        first: 0,
        rounds: None,
        with: OtherMedia::Yields,
    };
    session.play(B, track, at(0), &mut draw());
    writer.write(&tone(1_600));
    let packets = made_until(&mut session, at(200));
    assert_eq!(packets.len(), 11, "one source of audio");
    assert!(writer.unheard() > 1_000);
}

#[test]
fn a_new_plan_changes_what_is_spoken() {
    let (mut session, mut writer) = spoken(PCMU, 16_000, OtherMedia::Yields);
    writer.write(&tone(3_200));
    assert_eq!(made_until(&mut session, at(59)).len(), 3);
    let formats = &[(9, Codec::G722, 8_000)];
    session.apply(&MediaPlan::rtp([leg(A, formats), leg(B, formats)]), at(60));
    let said = made_until(&mut session, at(99));
    assert_eq!(
        said.iter().map(|p| (p.payload_type, p.marker)).collect::<Vec<_>>(),
        [(9, true), (9, false)]
    );
    let nothing = &[(18, Codec::G729, 8_000)];
    session.apply(&MediaPlan::rtp([leg(A, nothing), leg(B, nothing)]), at(100));
    assert_eq!(made_until(&mut session, at(200)), [], "no G.729 is made here");
    assert_eq!((writer.taken(), writer.unheard()), (3_200, 1_600));
}

#[test]
fn a_cleared_voice_falls_silent_at_once() {
    let (mut session, mut writer) = spoken(PCMU, 8_000, OtherMedia::Yields);
    writer.write(&tone(4_000));
    assert_eq!(made_until(&mut session, at(59)).len(), 3);
    writer.clear();
    assert_eq!(made_until(&mut session, at(159)), []);
    assert_eq!(writer.waiting(), 0);
    assert!(from_a(&mut session, 8, SOUND, at(160)).is_ok());
}

#[test]
fn a_late_worker_sends_no_more_than_five_packets_at_once() {
    let (mut session, mut writer) = spoken(PCMU, 8_000, OtherMedia::Yields);
    writer.write(&tone(4_000));
    assert_eq!(made_at(&mut session, at(0)).len(), 1);
    assert_eq!(made_at(&mut session, at(80)).len(), 4);
    assert!(made_at(&mut session, at(1_000)).len() <= 5);
    let said = made_until(&mut session, at(1_100));
    assert!(said.len() <= 6, "{}", said.len());
}

#[test]
fn a_voice_ends_with_its_writer_or_by_order() {
    let (mut session, mut writer) = spoken(PCMU, 8_000, OtherMedia::Yields);
    writer.write(&tone(320));
    drop(writer);
    assert_eq!(made_until(&mut session, at(500)).len(), 2, "what was said is heard");
    assert_eq!(session.made_deadline(), None);
    assert!(session.stop_speaking(B) && !session.stop_speaking(B));
    let (mut session, writer) = spoken(PCMU, 8_000, OtherMedia::Yields);
    session.stop_speaking(B);
    assert!(writer.is_closed() && session.made_deadline().is_none());
}

proptest! {
    /// Whoever speaks, B gets one source without holes or repeats, whose time never runs back.
    #[test]
    fn numbers_go_on(
        turns in prop::collection::vec((0_usize..700, any::<bool>(), any::<bool>(), 1_u64..40), 1..80),
    ) {
        let (mut session, mut writer) = spoken(PCMU, 8_000, OtherMedia::Yields);
        let (mut now, mut n, mut packets) = (0, 0, Vec::new());
        for (samples, passes, clears, pause) in turns {
            now += pause;
            writer.write(&tone(samples));
            if clears && samples % 5 == 0 {
                writer.clear();
            }
            packets.extend(made_until(&mut session, at(now)));
            if passes {
                n += 1;
                packets.extend(from_a(&mut session, n, SOUND, at(now)).ok());
            }
        }
        for pair in packets.windows(2) {
            prop_assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
            prop_assert_eq!(pair[1].ssrc, pair[0].ssrc);
            let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp) as i32;
            let is_made = pair[1].payload[0] != SOUND;
            prop_assert!(step >= 0 || !is_made, "{} after {:?}", step, pair[0].timestamp);
        }
    }
}
