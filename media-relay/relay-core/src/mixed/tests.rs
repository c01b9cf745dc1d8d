//! Leg A takes part in a conference; leg B is nobody.

use super::*;
use crate::{DropReason, LONGEST_MADE, LearningPolicy, Listened, MediaSocket, Track};
use codecs::{AudioFormat, Clip, Recording};
use model::{
    Codec, CodecMapping, LegPlan, LegSecurity, MediaId, MediaPlan, Ringback, TransactionId,
    XrWishes,
};
use rtp_proto::RtpPacket;
use std::net::SocketAddr;
use std::sync::Arc;

const A: LegSide = LegSide::A;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn address() -> SocketAddr {
    ([192, 0, 2, 1], 4_000).into()
}

fn leg(sends_to: bool) -> LegPlan {
    let mapping = |payload_type, codec, clock_rate| CodecMapping {
        payload_type,
        codec,
        clock_rate,
        packet_duration: Duration::from_millis(20),
    };
    LegPlan {
        remote_rtp: Some(address()),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to,
        relearn: false,
        codecs: vec![
            mapping(96, Codec::Opus, 48_000),
            mapping(0, Codec::Pcmu, 8_000),
            mapping(101, Codec::TelephoneEvent, 8_000),
        ],
        telephone_event: Some(101),
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

fn plan(sends_to: bool) -> MediaPlan {
    let nobody = LegPlan { remote_rtp: None, accepts_from: false, ..leg(false) };
    MediaPlan::rtp([leg(sends_to), nobody])
}

fn seated() -> (RtpSession, SeatRings) {
    let id = TransactionId::from_random(1);
    let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
    session.apply(&plan(true), Instant::ZERO);
    let (ends, rings) = seat_rings(4_096);
    session.sit(A, ends, Instant::ZERO, &mut || 0x0123_4567_89ab_cdef);
    (session, rings)
}

fn opus(n: u32) -> MixedPacket {
    MixedPacket { payload_type: 96, marker: n == 0, timestamp: n * 960, ticks: 960 }
}

/// Source, sequence number, timestamp, marker and payload of each packet that is due.
fn made(session: &mut RtpSession, now: Instant) -> Vec<(u32, u16, u32, bool, Vec<u8>)> {
    let mut buffer = [0; LONGEST_MADE];
    let mut found = Vec::new();
    if session.made_deadline().is_none_or(|due| due > now) {
        return found;
    }
    while let Some(packet) = session.poll_made(now, &mut buffer) {
        assert_eq!((packet.to, packet.destination), (A, address()));
        let packet = RtpPacket::parse(&buffer[..packet.len]).unwrap();
        let numbers = (packet.ssrc(), packet.sequence(), packet.timestamp());
        found.push((numbers.0, numbers.1, numbers.2, packet.marker(), packet.payload().to_vec()));
    }
    found
}

fn say(session: &mut RtpSession, payload_type: u8, sequence: u16) -> DropReason {
    let header = RtpHeader { payload_type, marker: false, sequence, timestamp: 0, ssrc: 7 };
    let mut packet = [0x55; 40];
    header.write_header(&mut packet).unwrap();
    let now = at(u64::from(sequence) * 20);
    match session.forward(A, MediaSocket::Rtp, address(), &mut packet, 32, now) {
        crate::Decision::Drop(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_the_leg_says_is_in_the_ring_with_its_formats_and_without_its_keys() {
    let (mut session, mut rings) = seated();
    assert_eq!(say(&mut session, 96, 1), DropReason::NotWanted);
    say(&mut session, 101, 2);
    say(&mut session, 0, 3);
    let mut octets = Vec::new();
    let Some(Listened::Formats(formats)) = rings.hears.read(&mut octets) else { panic!("none") };
    assert!(formats.from == A && formats.may_send);
    assert_eq!((formats.formats[0].payload_type, formats.formats[0].codec), (96, Codec::Opus));
    for number in [1, 3] {
        let packet = Listened::Packet { from: A, arrival: at(number * 20) };
        assert_eq!(rings.hears.read(&mut octets), Some(packet));
        assert_eq!(u64::from(RtpPacket::parse(&octets).unwrap().sequence()), number);
    }
    assert_eq!(rings.hears.read(&mut octets), None);
    session
        .apply(&MediaPlan::rtp([LegPlan { accepts_from: false, ..leg(true) }, leg(false)]), at(90));
    let Some(Listened::Formats(held)) = rings.hears.read(&mut octets) else { panic!("none") };
    assert!(!held.may_send);
}

#[test]
fn nobody_hears_a_muted_leg_which_hears() {
    let (mut session, mut rings) = seated();
    let mut octets = Vec::new();
    while rings.hears.read(&mut octets).is_some() {}
    session.mute_seat(true);
    say(&mut session, 96, 1);
    assert_eq!(rings.hears.read(&mut octets), None);
    rings.says.write(opus(0), &[1; 80]);
    assert_eq!(made(&mut session, at(20)).len(), 1);
    session.mute_seat(false);
    say(&mut session, 96, 2);
    assert!(rings.hears.read(&mut octets).is_some());
    assert!(!session.is_seat_abandoned());
    drop(rings.hears);
    assert!(session.is_seat_abandoned());
}

#[test]
fn what_is_mixed_is_one_source_with_numbers_of_its_own() {
    let (mut session, mut rings) = seated();
    assert_eq!(session.made_deadline(), None);
    for n in 0..3 {
        assert!(rings.says.write(opus(n), &[n as u8; 80]));
    }
    let sent = made(&mut session, at(20));
    assert_eq!(sent.len(), 3);
    for (n, (ssrc, sequence, timestamp, marker, payload)) in sent.iter().enumerate() {
        assert_eq!((*ssrc, *marker), (sent[0].0, n == 0));
        assert_eq!(*sequence, sent[0].1.wrapping_add(n as u16));
        assert_eq!(*timestamp, sent[0].2.wrapping_add(960 * n as u32));
        assert_eq!(*payload, [n as u8; 80]);
    }
    assert_eq!((made(&mut session, at(40)).len(), session.made_deadline()), (0, None));
    // Another format goes on in the same source, where its time has come to.
    let packet = MixedPacket { payload_type: 0, marker: false, timestamp: 5, ticks: 160 };
    assert!(rings.says.write(packet, &[1; 160]));
    let next = made(&mut session, at(60));
    assert_eq!((next[0].0, next[0].1), (sent[0].0, sent[2].1.wrapping_add(1)));
    // The last one's audio ended 20 ms after it was sent, with the others' before: that was at 40.
    assert_eq!(next[0].2, sent[2].2.wrapping_add(960 + 20 * 48), "in ticks of the clock before");
    assert!(rings.says.write(MixedPacket { timestamp: 165, ..packet }, &[1; 160]));
    assert_eq!(made(&mut session, at(80))[0].2, next[0].2.wrapping_add(160));
}

#[test]
fn what_the_leg_cannot_hear_is_counted_and_not_sent_later() {
    let (mut session, mut rings) = seated();
    rings.says.write(opus(0), &[1; 80]);
    let first = made(&mut session, at(20)).remove(0);
    session.apply(&plan(false), at(30));
    rings.says.write(opus(1), &[1; 80]);
    assert_eq!(made(&mut session, at(40)), []);
    session.apply(&plan(true), at(50));
    // Neither is a format that was not agreed.
    rings.says.write(MixedPacket { payload_type: 9, ..opus(2) }, &[1; 80]);
    assert_eq!(made(&mut session, at(60)), []);
    assert_eq!((session.take_unheard_mixed(), session.take_unheard_mixed()), (2, 0));
    rings.says.write(opus(4), &[1; 80]);
    let next = made(&mut session, at(100)).remove(0);
    assert_eq!((next.1, next.3), (first.1.wrapping_add(1), true), "no number is missing");
    assert_eq!(next.2, first.2.wrapping_add(80 * 48), "time went on");
}

#[test]
fn a_clip_is_heard_instead() {
    let (mut session, mut rings) = seated();
    let clip = Clip::encode(&Recording::ringback(Ringback::Europe), AudioFormat::Pcmu, 20).unwrap();
    let track = Track {
        clip: Arc::new(clip),
        payload_type: 0,
        rounds: None,
        with: model::OtherMedia::Yields,
        first: 0,
    };
    session.play(A, track, at(0), &mut || 1);
    rings.says.write(opus(0), &[1; 80]);
    let played = made(&mut session, at(0));
    assert_eq!((played.len(), played[0].4.len(), session.take_unheard_mixed()), (1, 160, 1));
    session.stop_playing(A, at(10));
    rings.says.write(opus(1), &[1; 80]);
    let mixed = made(&mut session, at(20));
    assert_eq!((mixed[0].0, mixed[0].1), (played[0].0, played[0].1.wrapping_add(1)));
    assert!(mixed[0].3);
}

#[test]
fn rings_are_bounded_and_end_with_the_seat() {
    let (mut session, mut rings) = seated();
    assert!(!rings.says.write(opus(0), &[0; LONGEST_PAYLOAD + 1]), "longer than a packet");
    let room = (0..).take_while(|n| rings.says.write(opus(*n), &[0; 80])).count();
    assert!((20..200).contains(&room), "{room}");
    assert_eq!(made(&mut session, at(20)).len(), room);
    assert!(!rings.says.is_abandoned() && !rings.hears.is_closed());
    session.stand_up();
    assert!(rings.says.is_abandoned() && rings.hears.is_closed() && !session.is_seated());
    assert!(made(&mut session, at(40)).is_empty());
}

#[test]
fn leg_b_takes_part_as_well_and_hears_nothing_of_leg_a_s() {
    let id = TransactionId::from_random(1);
    let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
    let nobody = LegPlan { remote_rtp: None, accepts_from: false, ..leg(false) };
    session.apply(&MediaPlan::rtp([nobody, leg(true)]), Instant::ZERO);
    let (ends, mut rings) = seat_rings(4_096);
    session.sit(LegSide::B, ends, Instant::ZERO, &mut || 0x0123_4567_89ab_cdef);
    let header = RtpHeader { payload_type: 0, marker: false, sequence: 1, timestamp: 0, ssrc: 7 };
    for from in [A, LegSide::B] {
        let mut packet = [0x55; 40];
        header.write_header(&mut packet).unwrap();
        let _ = session.forward(from, MediaSocket::Rtp, address(), &mut packet, 32, at(20));
    }
    let mut octets = Vec::new();
    let Some(Listened::Formats(formats)) = rings.hears.read(&mut octets) else { panic!("none") };
    assert_eq!(formats.from, LegSide::B);
    let packet = Listened::Packet { from: LegSide::B, arrival: at(20) };
    assert_eq!(rings.hears.read(&mut octets), Some(packet));
    assert_eq!(rings.hears.read(&mut octets), None, "nothing of leg A's");
    assert!(rings.says.write(opus(0), b"mixed"));
    let mut buffer = [0; LONGEST_MADE];
    let made = session.poll_made(at(20), &mut buffer).unwrap();
    assert_eq!((made.to, made.destination), (LegSide::B, address()));
    assert_eq!(RtpPacket::parse(&buffer[..made.len]).unwrap().payload(), b"mixed");
}
