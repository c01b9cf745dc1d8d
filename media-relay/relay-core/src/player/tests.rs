//! Hold music and its kin, packet by packet.

use super::*;
use crate::{Decision, DropReason, GROWTH, LONGEST_MADE, LearningPolicy, MediaSocket, RtcpStyle};
use codecs::Recording;
use model::{
    Codec, CodecMapping, LegPlan, LegSecurity, MediaId, MediaPlan, MediaTimeouts, Ringback,
    SdesKeys, SrtpKey, SrtpSuite, StreamKind, TransactionId, XrWishes,
};
use proptest::prelude::*;
use rtp_proto::RtpPacket;
use rtp_proto::rtcp::{ReportBlock, write_receiver_report};
use rtp_proto::srtp::SrtpReceiver;
use std::net::SocketAddr;

const A: LegSide = LegSide::A;
const B: LegSide = LegSide::B;
const SSRC: u32 = 0xaaaa_0001;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn address(leg: LegSide) -> SocketAddr {
    ([192, 0, 2, 1 + leg.index() as u8], 4_000).into()
}

fn mapping(payload_type: u8, codec: Codec, clock_rate: u32) -> CodecMapping {
    let packet_duration = Duration::from_millis(20);
    CodecMapping { payload_type, codec, clock_rate, packet_duration }
}

fn leg(side: LegSide) -> LegPlan {
    LegPlan {
        remote_rtp: Some(address(side)),
        remote_rtcp: Some(SocketAddr::new(address(side).ip(), 4_001)),
        signalling_source: None,
        rtcp_mux: false,
        accepts_from: true,
        sends_to: true,
        relearn: side == B,
        codecs: vec![
            mapping(18, Codec::G729, 8_000),
            mapping(8, Codec::Pcma, 8_000),
            mapping(0, Codec::Pcmu, 8_000),
        ],
        telephone_event: None,
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

fn session() -> RtpSession {
    let id = TransactionId::from_random(1);
    let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
    session.set_rtcp(RtcpStyle::Auto, crate::REPORT_INTERVAL, &mut draw());
    session.apply(&MediaPlan::rtp([leg(A), leg(B)]), Instant::ZERO);
    session
}

/// A holds: it is `sendonly`, or sends nothing either.
fn hold(session: &mut RtpSession, may_send: bool, now: Instant) {
    let a = LegPlan { accepts_from: may_send, sends_to: false, ..leg(A) };
    let b = LegPlan { accepts_from: false, relearn: false, ..leg(B) };
    session.apply(&MediaPlan::rtp([a, b]), now);
}

fn resume(session: &mut RtpSession, now: Instant) {
    session.stop_playing(B, now);
    let b = LegPlan { relearn: false, ..leg(B) };
    session.apply(&MediaPlan::rtp([leg(A), b]), now);
}

fn draw() -> impl FnMut() -> u64 {
    let mut drawn = 0x0123_4567_89ab_cdef_u64;
    move || {
        drawn = drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        drawn
    }
}

/// What leg B is played: one second of tone and four of silence, over and over.
fn track(session: &RtpSession, with: OtherMedia, rounds: Option<u32>) -> Track {
    let PlayableFormat { payload_type, format, packet_ms } = session.playable(B).unwrap();
    let recording = Recording::ringback(Ringback::Europe);
    let clip = Arc::new(Clip::encode(&recording, format, packet_ms).unwrap());
    Track { clip, payload_type, first: 0, rounds, with }
}

/// A packet of PCMU from A at `now`.
fn audio(session: &mut RtpSession, sequence: u16, timestamp: u32, now: Instant) -> Decision {
    audio_into(session, sequence, timestamp, now, &mut [0; 172 + GROWTH])
}

fn audio_into(
    session: &mut RtpSession,
    sequence: u16,
    timestamp: u32,
    now: Instant,
    packet: &mut [u8; 172 + GROWTH],
) -> Decision {
    let header = RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc: SSRC };
    header.write_header(packet).unwrap();
    session.forward(A, MediaSocket::Rtp, address(A), packet, 172, now)
}

/// Sequence number, timestamp and payload type of a packet that goes to B.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Seen {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    payload_type: u8,
    marker: bool,
}

fn seen(packet: &[u8]) -> Seen {
    let packet = RtpPacket::parse(packet).unwrap();
    Seen {
        ssrc: packet.ssrc(),
        sequence: packet.sequence(),
        timestamp: packet.timestamp(),
        payload_type: packet.payload_type(),
        marker: packet.marker(),
    }
}

fn passed(session: &mut RtpSession, sequence: u16, timestamp: u32, now: Instant) -> Seen {
    let mut packet = [0; 172 + GROWTH];
    let decision = audio_into(session, sequence, timestamp, now, &mut packet);
    let Decision::Send { to: B, len, .. } = decision else { panic!("{decision:?}") };
    seen(&packet[..len])
}

fn due(session: &mut RtpSession, now: Instant) -> Vec<Seen> {
    let mut buffer = [0; LONGEST_MADE];
    let mut packets = Vec::new();
    while let Some(packet) = session.poll_made(now, &mut buffer) {
        assert_eq!((packet.to, packet.destination), (B, address(B)));
        packets.push(seen(&buffer[..packet.len]));
    }
    packets
}

/// Ten packets of a call, and then a hold with music from 200 ms on.
fn held() -> RtpSession {
    let mut session = session();
    for n in 0..10 {
        passed(&mut session, n, u32::from(n) * 160, at(u64::from(n) * 20));
    }
    hold(&mut session, false, at(200));
    let track = track(&session, OtherMedia::Wins, None);
    session.play(B, track, at(200), &mut draw());
    session
}

#[test]
fn music_goes_on_in_the_numbers_of_what_passed_and_back() {
    let mut session = held();
    assert!(session.is_played_to(B) && !session.is_played_to(A));
    let mut heard = Vec::new();
    for n in 0..100 {
        assert_eq!(session.made_deadline(), Some(at(200 + n * 20)));
        heard.extend(due(&mut session, at(200 + n * 20)));
    }
    for (n, packet) in heard.iter().enumerate() {
        let expected = Seen {
            ssrc: SSRC,
            sequence: 10 + n as u16,
            timestamp: (10 + n as u32) * 160,
            // What A sent so far.
            payload_type: 0,
            marker: n == 0,
        };
        assert_eq!(*packet, expected);
    }
    resume(&mut session, at(2_195));
    assert_eq!((session.made_deadline(), session.is_played_to(B)), (None, false));
    assert_eq!(due(&mut session, at(2_300)), []);
    // The telephone that held has counted on, or not, or began anew: B sees no difference.
    let first = passed(&mut session, 10, 17_600, at(2_205));
    assert_eq!((first.ssrc, first.sequence, first.timestamp), (SSRC, 110, 110 * 160 + 40));
    let second = passed(&mut session, 11, 17_760, at(2_225));
    assert_eq!((second.sequence, second.timestamp), (111, 111 * 160 + 40));
}

#[test]
fn an_hour_of_music_does_not_drift() {
    let mut session = held();
    let (mut now, mut count) = (at(200), 0_u64);
    while now < at(200 + 3_600_000) {
        count += due(&mut session, now).len() as u64;
        let next = session.made_deadline().unwrap();
        assert_eq!(next, at(200 + count * 20));
        // The worker comes up to 15 ms late, differently each time.
        now = next + Duration::from_micros(count * 7_919 % 15_000);
    }
    assert_eq!(count, 180_000);
}

#[test]
fn who_comes_late_sends_five_packets_at_most_and_leaves_out_the_rest() {
    let mut session = held();
    let first = due(&mut session, at(200))[0];
    let late = due(&mut session, at(200 + 99));
    assert_eq!(late.len(), 4, "those of 220 to 280 ms");
    assert_eq!(late[3].timestamp, first.timestamp + 4 * 160);
    // A second of stall: nothing of it is sent in a burst, and nobody misses a number.
    let later = due(&mut session, at(1_305));
    assert_eq!(later.len(), 1);
    assert_eq!(later[0].sequence, late[3].sequence.wrapping_add(1));
    assert_eq!(later[0].timestamp, first.timestamp + 55 * 160);
    assert_eq!(session.made_deadline(), Some(at(1_320)));
}

#[test]
fn what_the_holder_plays_itself_wins() {
    let mut session = session();
    for n in 0..10 {
        passed(&mut session, n, u32::from(n) * 160, at(u64::from(n) * 20));
    }
    hold(&mut session, true, at(185));
    let track = track(&session, OtherMedia::Wins, None);
    session.play(B, track, at(185), &mut draw());
    // The holder may still be about to play: it is waited for.
    assert_eq!(session.made_deadline(), Some(at(180 + 200)));
    let mut last = passed(&mut session, 10, 1_600, at(200));
    assert_eq!((last.sequence, session.made_deadline()), (10, Some(at(400))));
    for n in 20..40_u16 {
        let packet = passed(&mut session, n - 9, u32::from(n) * 160, at(u64::from(n) * 20));
        assert_eq!(packet.sequence, last.sequence.wrapping_add(1));
        assert_eq!(due(&mut session, at(u64::from(n) * 20 + 10)), []);
        last = packet;
    }
    // It falls silent.
    let ours = due(&mut session, at(980));
    assert_eq!((ours.len(), ours[0].marker, ours[0].sequence), (1, true, last.sequence + 1));
    assert_eq!(ours[0].timestamp, last.timestamp + 1_600, "200 ms later");
    assert_eq!(due(&mut session, at(1_000)).len(), 1);
    // And is heard again.
    let again = passed(&mut session, 31, 9_999, at(1_010));
    assert_eq!(again.sequence, ours[0].sequence + 2);
    assert_eq!(again.timestamp, ours[0].timestamp + 320, "behind what was played");
    assert_eq!(due(&mut session, at(1_020)), []);
}

#[test]
fn a_holder_that_sends_silence_plays_nothing_and_one_that_rests_does() {
    let mut session = session();
    for n in 0..10 {
        passed(&mut session, n, u32::from(n) * 160, at(u64::from(n) * 20));
    }
    hold(&mut session, true, at(185));
    let track = track(&session, OtherMedia::Wins, None);
    session.play(B, track, at(185), &mut draw());
    let send = |session: &mut RtpSession, n: u16, octet: u8| {
        let mut packet = [octet; 172 + GROWTH];
        let now = at(u64::from(n) * 20);
        let ours = due(session, now).len();
        (audio_into(session, n, u32::from(n) * 160, now, &mut packet), ours)
    };
    // A rest of less than a second after its last sound, at 180 ms, passes.
    for n in 10..59 {
        let (way, ours) = send(&mut session, n, 0xff);
        assert!(matches!(way, Decision::Send { .. }) && ours == 0, "{n}: {way:?}");
    }
    // Then what it sends is taken for what it is.
    let mut played = 0;
    for n in 59..159 {
        let (way, ours) = send(&mut session, n, 0xff);
        assert_eq!(way, Decision::Drop(DropReason::Replaced), "{n}");
        played += ours;
    }
    assert_eq!(played, 99);
    // Its music begins, and rests, and goes on.
    for (n, octet) in (159..400).zip([0x20, 0x20, 0x20, 0x7f, 0xff].into_iter().cycle()) {
        let (way, ours) = send(&mut session, n, octet);
        assert!(matches!(way, Decision::Send { .. }), "{n}: {way:?}");
        assert!(ours == 0 || n == 159, "{n}");
    }
}

#[test]
fn what_replaces_the_other_legs_media_lets_none_of_it_pass() {
    let mut session = session();
    passed(&mut session, 0, 0, at(0));
    let track = track(&session, OtherMedia::Yields, Some(1));
    session.play(B, track, at(20), &mut draw());
    assert_eq!(due(&mut session, at(20)).len(), 1);
    assert_eq!(audio(&mut session, 1, 160, at(25)), Decision::Drop(DropReason::Replaced));
    assert_eq!(due(&mut session, at(40)).len(), 1);
}

#[test]
fn a_clip_ends_after_its_rounds_and_says_so_once() {
    let mut session = session();
    let track = track(&session, OtherMedia::Yields, Some(2));
    assert_eq!(track.clip.packets(), 250);
    session.play(B, track, at(0), &mut draw());
    let mut count = 0;
    while let Some(now) = session.made_deadline() {
        assert_eq!(session.poll_played(), None);
        count += due(&mut session, now).len();
    }
    assert_eq!(count, 500);
    assert_eq!((session.poll_played(), session.poll_played()), (Some(B), None));
    assert!(!session.is_played_to(B));
    // What passes then is behind it.
    assert!(!passed(&mut session, 7, 0, at(10_000)).marker);
}

#[test]
fn a_leg_that_wants_no_media_is_sent_none() {
    let mut session = held();
    assert_eq!(due(&mut session, at(200)).len(), 1);
    let a = LegPlan { sends_to: false, accepts_from: false, ..leg(A) };
    let b = LegPlan { sends_to: false, accepts_from: false, relearn: false, ..leg(B) };
    session.apply(&MediaPlan::rtp([a, b]), at(210));
    assert_eq!((session.made_deadline(), due(&mut session, at(5_000))), (None, Vec::new()));
    hold(&mut session, false, at(6_000));
    assert_eq!(due(&mut session, at(6_000)).len(), 1, "no burst");
}

#[test]
fn fax_and_formats_that_cannot_be_made_are_not_played() {
    let mut session = session();
    assert_eq!(session.playable(B).map(|format| format.payload_type), Some(8), "the first of B's");
    assert_eq!(session.playable(A).map(|format| format.format), Some(AudioFormat::Pcma));
    let only = |codecs| LegPlan { codecs, relearn: false, ..leg(B) };
    let plan = MediaPlan::rtp([leg(A), only(vec![mapping(18, Codec::G729, 8_000)])]);
    session.apply(&plan, at(1));
    assert_eq!(session.playable(B), None);
    session
        .apply(&MediaPlan { kind: StreamKind::Udptl, ..MediaPlan::rtp([leg(A), leg(B)]) }, at(2));
    assert_eq!(session.playable(A), None);
    let opus = vec![mapping(111, Codec::Opus, 48_000)];
    session.apply(&MediaPlan::rtp([leg(A), only(opus)]), at(3));
    let expected = PlayableFormat { payload_type: 111, format: AudioFormat::Opus, packet_ms: 20 };
    assert_eq!(session.playable(B), Some(expected));
}

#[test]
fn the_leg_gets_the_format_that_it_is_sent_already() {
    let mut session = session();
    assert_eq!(session.playable(B).map(|format| format.format), Some(AudioFormat::Pcma));
    passed(&mut session, 0, 0, at(0));
    assert_eq!(session.playable(B).map(|format| format.format), Some(AudioFormat::Pcmu));
}

#[test]
fn srtp_protects_what_is_played() {
    let suite = SrtpSuite::AesCm128HmacSha1_80;
    let key = |seed: u8| SrtpKey::new(suite, &[seed; 30]).unwrap();
    let mut session = session();
    let security = LegSecurity::Sdes(Box::new(SdesKeys { send: key(1), receive: key(2) }));
    let b = LegPlan { security, ..leg(B) };
    session.apply(&MediaPlan::rtp([leg(A), b]), Instant::ZERO);
    let track = track(&session, OtherMedia::Wins, None);
    let payload = track.clip.payload(0).to_vec();
    session.play(B, track, at(0), &mut draw());
    let mut buffer = [0; LONGEST_MADE];
    let packet = session.poll_made(at(0), &mut buffer).unwrap();
    assert_eq!(packet.len, 172 + 10);
    let mut receiver = SrtpReceiver::new(&key(1));
    let len = receiver.unprotect_rtp(&mut buffer[..packet.len]).unwrap();
    assert_eq!(RtpPacket::parse(&buffer[..len]).unwrap().payload(), payload);
}

#[test]
fn the_silence_of_a_holder_is_no_silence_while_music_plays() {
    let mut session = session();
    let limits = MediaTimeouts { one: None, both: Some(Duration::from_secs(60)) };
    let timed = |legs| MediaPlan { timeouts: limits, ..MediaPlan::rtp(legs) };
    passed(&mut session, 0, 0, at(0));
    let a = LegPlan { sends_to: false, ..leg(A) };
    let b = LegPlan { accepts_from: false, relearn: false, ..leg(B) };
    session.apply(&timed([a.clone(), b.clone()]), at(0));
    let track = track(&session, OtherMedia::Wins, None);
    session.play(B, track, at(0), &mut draw());
    assert_eq!((session.timeout_deadline(), session.poll_timeout(at(600_000))), (None, None));
    let after = Duration::from_secs(60);
    assert_eq!(session.silence_deadline(after), None);
    assert!(!session.poll_silence(A, at(600_000), after));
    session.stop_playing(B, at(600_000));
    assert_eq!(session.timeout_deadline(), Some(at(660_000)), "it counts from the music's end");
    assert!(session.poll_silence(A, at(660_000), after));
}

#[test]
fn music_is_no_loss_and_hides_none() {
    let mut session = held();
    for n in 0..50 {
        due(&mut session, at(200 + n * 20));
    }
    // Held, the telephone goes on sending all the same; none of it passes.
    for n in 10..30 {
        let decision = audio(&mut session, n, 0, at(500));
        assert_eq!(decision, Decision::Drop(DropReason::NotAccepted));
    }
    resume(&mut session, at(1_200));
    let mut last = 0;
    // One of A's packets is lost before it is here.
    for n in (40..60).filter(|n| *n != 50) {
        last = passed(&mut session, n, u32::from(n) * 160, at(1_200 + u64::from(n) * 20)).sequence;
    }
    // B missed that one, and two more on its own way.
    let block = ReportBlock {
        ssrc: SSRC,
        cumulative_lost: 3,
        highest_sequence: last.into(),
        ..ReportBlock::default()
    };
    let mut report = Vec::new();
    write_receiver_report(&mut report, 7, &[block]);
    let len = report.len();
    let from = SocketAddr::new(address(B).ip(), 4_001);
    for now in [3_000, 3_010] {
        session.forward(B, MediaSocket::Rtcp, from, &mut report, len, at(now));
    }
    let peer = session.legs[B.index()].stream.peer.view().unwrap();
    assert_eq!(peer.packets_lost, 2);
}

proptest! {
    /// Whatever plays and stops, and whatever A sends meanwhile: B gets one source whose numbers run
    /// on and whose time never runs back.
    #[test]
    fn one_continuous_source(steps in prop::collection::vec((0_u8..6, 1_u64..60), 1..120)) {
        let mut session = session();
        let (mut now, mut sequence, mut timestamp) = (at(0), 0_u16, 0_u32);
        let track = track(&session, OtherMedia::Wins, None);
        let mut heard: Vec<Seen> = Vec::new();
        for (step, millis) in steps {
            now += Duration::from_millis(millis);
            match step {
                0 => {
                    session.play(B, track.clone(), now, &mut draw());
                }
                1 => {
                    let with = OtherMedia::Yields;
                    let track = Track { with, rounds: Some(1), ..track.clone() };
                    session.play(B, track, now, &mut draw());
                }
                2 => {
                    session.stop_playing(B, now);
                }
                3 => timestamp = timestamp.wrapping_add(1 << 20),
                _ => {
                    sequence = sequence.wrapping_add(1);
                    timestamp = timestamp.wrapping_add(160);
                    let mut packet = [0; 172 + GROWTH];
                    let decision =
                        audio_into(&mut session, sequence, timestamp, now, &mut packet);
                    if let Decision::Send { len, .. } = decision {
                        heard.push(seen(&packet[..len]));
                    }
                }
            }
            heard.extend(due(&mut session, now));
        }
        for pair in heard.windows(2) {
            prop_assert_eq!(pair[1].ssrc, pair[0].ssrc);
            prop_assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
            prop_assert!(pair[1].timestamp.wrapping_sub(pair[0].timestamp) < 1 << 28);
        }
    }
}
