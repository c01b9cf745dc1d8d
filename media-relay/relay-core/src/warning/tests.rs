//! Leg A speaks, leg B is listened to: what it gets is decoded as a telephone would, and searched for
//! the tone and for A's voice.

use super::*;
use crate::{
    Decision, LONGEST_MADE, LearningPolicy, MediaSocket, PlayableFormat, RtpSession, Track,
};
use codecs::{Clip, Recording};
use model::{
    CodecMapping, LegPlan, LegSecurity, MediaId, MediaPlan, OtherMedia, Ringback, TransactionId,
    XrWishes,
};
use proptest::prelude::*;
use std::f32::consts::TAU;
use std::net::SocketAddr;
use std::sync::Arc;

const A: LegSide = LegSide::A;
const B: LegSide = LegSide::B;
const TONE: WarningTone = WarningTone {
    every: Duration::from_secs(5),
    length: Duration::from_millis(200),
    frequency: 1_400,
    level: -20,
};
/// Of A's voice, in Hz.
const VOICE: f32 = 440.0;
const PCMU: (u8, Codec, u32) = (0, Codec::Pcmu, 8_000);

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

fn warned(formats: &[(u8, Codec, u32)]) -> RtpSession {
    let id = TransactionId::from_random(1);
    let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, LearningPolicy::default());
    session.apply(&MediaPlan::rtp([leg(A, formats), leg(B, formats)]), Instant::ZERO);
    session.warn(TONE, Instant::ZERO, &mut || 7);
    session
}

/// What B got, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Got {
    when: Instant,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    payload_type: u8,
    payload: Vec<u8>,
}

fn got(packet: &[u8], when: Instant) -> Got {
    let packet = RtpPacket::parse(packet).unwrap();
    Got {
        when,
        ssrc: packet.ssrc(),
        sequence: packet.sequence(),
        timestamp: packet.timestamp(),
        payload_type: packet.payload_type(),
        payload: packet.payload().to_vec(),
    }
}

/// A telephone that speaks: packets of 20 ms.
struct Speaker {
    format: AudioFormat,
    payload_type: u8,
    encoder: AudioEncoder,
    sent: u32,
}

impl Speaker {
    fn new((payload_type, codec, clock_rate): (u8, Codec, u32)) -> Self {
        let format = AudioFormat::new(codec, clock_rate).unwrap();
        let encoder = AudioEncoder::new(format, format.sample_rate()).unwrap();
        Speaker { format, payload_type, encoder, sent: 0 }
    }

    fn packet(&mut self) -> (Vec<u8>, usize) {
        let count = self.format.sample_rate() / 50;
        let of = |n: u32| {
            let turns = VOICE * (self.sent * count + n) as f32 / self.format.sample_rate() as f32;
            ((turns.fract() * TAU).sin() * 4_000.0) as i16
        };
        let samples: Vec<i16> = (0..count).map(of).collect();
        let mut packet = vec![0; 2_000];
        let header = RtpHeader {
            payload_type: self.payload_type,
            marker: false,
            sequence: self.sent as u16,
            timestamp: self.sent * (self.format.clock_rate() / 50),
            ssrc: 0xaaaa_0001,
        };
        header.write_header(&mut packet).unwrap();
        let len = self.encoder.encode(&samples, &mut packet[RtpHeader::BYTES..]).unwrap();
        self.sent += 1;
        (packet, RtpHeader::BYTES + len)
    }

    /// Sends the next packet; what B gets of it.
    fn speak(&mut self, session: &mut RtpSession, now: Instant) -> Option<Got> {
        let (mut packet, len) = self.packet();
        match session.forward(A, MediaSocket::Rtp, address(A), &mut packet, len, now) {
            Decision::Send { to: B, len, .. } => Some(got(&packet[..len], now)),
            _ => None,
        }
    }
}

/// What is made for `leg` until `now`, as a worker does it that wakes in time.
fn made_until(session: &mut RtpSession, leg: LegSide, now: Instant) -> Vec<Got> {
    made_between(session, leg, [Instant::ZERO, now])
}

/// The same after nothing was due, or could be sent, before `from`.
fn made_between(session: &mut RtpSession, leg: LegSide, [from, now]: [Instant; 2]) -> Vec<Got> {
    let (mut buffer, mut packets) = ([0; LONGEST_MADE], Vec::new());
    while let Some(due) = session.made_deadline().filter(|due| *due <= now) {
        let due = due.max(from);
        while let Some(packet) = session.poll_made(due, &mut buffer) {
            if packet.to == leg {
                packets.push(got(&buffer[..packet.len], due));
            }
        }
    }
    packets
}

fn decode(format: AudioFormat, packets: &[Got]) -> Vec<i16> {
    let mut decoder = AudioDecoder::new(format, format.sample_rate()).unwrap();
    let mut all = Vec::new();
    for packet in packets {
        let mut samples = [0; 5_760];
        let count = decoder.decode(&packet.payload, &mut samples).unwrap();
        all.extend_from_slice(&samples[..count]);
    }
    all
}

/// The amplitude of `frequency` in `samples`, by Goertzel's filter.
fn amplitude(samples: &[i16], frequency: f32, rate: u32) -> f32 {
    let omega = TAU * frequency / rate as f32;
    let (mut before, mut last) = (0.0_f64, 0.0_f64);
    let turn = f64::from(2.0 * omega.cos());
    for sample in samples {
        (before, last) = (last, turn * last - before + f64::from(*sample));
    }
    let power = last * last + before * before - turn * last * before;
    (power.max(0.0).sqrt() * 2.0 / samples.len() as f64) as f32
}

/// The amplitudes of tone and voice in each 100 ms of a decoded call.
fn tenths(samples: &[i16], rate: u32) -> Vec<[f32; 2]> {
    let found = |part: &[i16]| [1_400.0, VOICE].map(|frequency| amplitude(part, frequency, rate));
    samples.chunks_exact(rate as usize / 10).map(found).collect()
}

#[test]
fn both_are_heard_in_every_format() {
    for format in [
        PCMU,
        (8, Codec::Pcma, 8_000),
        (9, Codec::G722, 8_000),
        (96, Codec::L16, 8_000),
        (97, Codec::L16, 16_000),
        (98, Codec::Opus, 48_000),
    ] {
        let mut session = warned(&[format]);
        let mut speaker = Speaker::new(format);
        let mut heard = Vec::new();
        for n in 0..350 {
            heard.extend(made_until(&mut session, B, at(n * 20)));
            heard.extend(speaker.speak(&mut session, at(n * 20)));
        }
        assert_eq!(heard.len(), 350, "{format:?}: none is made where all pass");
        for pair in heard.windows(2) {
            let ticks = speaker.format.clock_rate() / 50;
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
            assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(ticks));
        }
        let rate = speaker.format.sample_rate();
        let tenths = tenths(&decode(speaker.format, &heard), rate);
        // Opus's decoder is 6.5 ms late, the filters of G.722 some 2 ms: less than a tenth of a window.
        for (tenth, [tone, voice]) in tenths.into_iter().enumerate().skip(1) {
            let is_on = matches!(tenth, 10 | 11 | 60 | 61);
            let is_edge = matches!(tenth, 12 | 62);
            match is_on {
                true => assert!((1_600.0..2_600.0).contains(&tone), "{format:?} {tenth}: {tone}"),
                false if is_edge => {}
                false => assert!(tone < 120.0, "{format:?} {tenth}: {tone}"),
            }
            assert!((3_000.0..5_000.0).contains(&voice), "{format:?} {tenth}: voice {voice}");
        }
        assert_eq!(session.warnings_of(B), Some(2), "{format:?}");
    }
}

#[test]
fn packets_beside_the_tone_are_those_that_came() {
    let format = (98, Codec::Opus, 48_000);
    let (mut session, mut speaker) = (warned(&[format]), Speaker::new(format));
    let mut other = Speaker::new(format);
    for n in 0..200 {
        made_until(&mut session, B, at(n * 20));
        let heard = speaker.speak(&mut session, at(n * 20)).unwrap();
        let (sent, len) = other.packet();
        let is_same = heard.payload == sent[RtpHeader::BYTES..len];
        assert_eq!(is_same, !(50..60).contains(&n), "packet {n}");
    }
}

#[test]
fn who_gets_nothing_gets_the_tone_alone() {
    for format in [PCMU, (9, Codec::G722, 8_000), (98, Codec::Opus, 48_000)] {
        let mut session = warned(&[format]);
        assert_eq!(made_until(&mut session, B, at(999)), []);
        let made = made_until(&mut session, B, at(2_000));
        assert_eq!(made.len(), 10, "{format:?}: 200 ms");
        let audio = AudioFormat::new(format.1, format.2).unwrap();
        for (n, packet) in made.iter().enumerate() {
            assert_eq!((packet.when, packet.payload_type), (at(1_000 + 20 * n as u64), format.0));
            assert_eq!(packet.sequence, made[0].sequence.wrapping_add(n as u16));
            let ticks = audio.clock_rate() / 50 * n as u32;
            assert_eq!(packet.timestamp, made[0].timestamp.wrapping_add(ticks));
        }
        let rate = audio.sample_rate();
        let tone = tenths(&decode(audio, &made), rate)[1][0];
        assert!((1_600.0..2_600.0).contains(&tone), "{format:?}: {tone}");
        assert_eq!(made_until(&mut session, B, at(5_999)), []);
        assert_eq!(made_until(&mut session, B, at(6_500)).len(), 10, "{format:?}: the next");
    }
}

/// A pauses (DTX) before the tone and speaks again while it sounds.
#[test]
fn a_tone_that_began_alone_goes_on_in_what_comes() {
    let (mut session, mut speaker) = (warned(&[PCMU]), Speaker::new(PCMU));
    let mut heard: Vec<Got> = Vec::new();
    for n in 0..45 {
        heard.extend(made_until(&mut session, B, at(n * 20)));
        heard.extend(speaker.speak(&mut session, at(n * 20)));
    }
    let before = heard.len();
    heard.extend(made_until(&mut session, B, at(1_095)));
    assert_eq!(heard.len() - before, 5, "alone, from 1,000 ms on");
    // The speaker's own clock went on.
    speaker.sent += 10;
    for n in 55..80 {
        heard.extend(speaker.speak(&mut session, at(n * 20)));
        heard.extend(made_until(&mut session, B, at(n * 20)));
    }
    assert_eq!(session.warnings_of(B), Some(1));
    let of_a = session.warnings_of(A).unwrap_or_default();
    assert_eq!([session.take_warnings(), session.take_warnings()], [1 + of_a, 0]);
    let after = &heard[before..];
    assert_eq!(after.len(), 5 + 25, "the rest of it was mixed in");
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
    }
    let tones = tenths(&decode(AudioFormat::Pcmu, after), 8_000);
    assert!(tones[0][0] > 1_600.0 && tones[1][0] > 1_600.0 && tones[2][0] < 120.0, "{tones:?}");
    assert!(tones[1][1] > 3_000.0, "the voice is heard in it: {tones:?}");
}

#[test]
fn who_is_on_hold_hears_it_when_the_call_goes_on() {
    let mut session = warned(&[PCMU]);
    let held = LegPlan { sends_to: false, ..leg(B, &[PCMU]) };
    session.apply(&MediaPlan::rtp([leg(A, &[PCMU]), held]), at(1));
    assert_eq!(made_until(&mut session, B, at(3_000)), []);
    session.apply(&MediaPlan::rtp([leg(A, &[PCMU]), leg(B, &[PCMU])]), at(3_001));
    let made = made_between(&mut session, B, [at(3_001), at(4_000)]);
    assert_eq!((made.len(), made[0].when), (10, at(3_001)));
    assert_eq!(made_until(&mut session, B, at(8_000)), [], "the next follows 5 s later");
    assert_eq!(made_until(&mut session, B, at(8_500)).len(), 10);
}

#[test]
fn it_is_heard_in_hold_music() {
    let mut session = warned(&[PCMU]);
    let PlayableFormat { payload_type, format, packet_ms } = session.playable(B).unwrap();
    let clip = Clip::encode(&Recording::ringback(Ringback::Europe), format, packet_ms).unwrap();
    let (clip, with) = (Arc::new(clip), OtherMedia::Yields);
    let track = Track { clip, payload_type, first: 0, rounds: None, with };
    session.play(B, track, at(0), &mut || 7);
    let heard = made_until(&mut session, B, at(2_000));
    assert_eq!(heard.len(), 101, "one source of audio");
    let tones = tenths(&decode(AudioFormat::Pcmu, &heard), 8_000);
    assert!(tones[10][0] > 1_600.0 && tones[11][0] > 1_600.0, "{tones:?}");
    assert!(tones[9][0] < 120.0 && tones[13][0] < 120.0, "{tones:?}");
}

#[test]
fn it_stops_by_order_and_a_same_order_changes_nothing() {
    let mut session = warned(&[PCMU]);
    assert_eq!(made_until(&mut session, B, at(1_500)).len(), 10);
    session.warn(TONE, at(1_500), &mut || 7);
    assert_eq!(made_until(&mut session, B, at(5_900)), [], "the next is due at 6,000 ms");
    session.stop_warning();
    assert_eq!((session.warnings_of(B), session.made_deadline()), (None, None));
    assert_eq!(made_until(&mut session, B, at(20_000)), []);
    session.warn(TONE, at(20_000), &mut || 7);
    assert_eq!(made_until(&mut session, B, at(21_500)).len(), 10, "on again");
}

#[test]
fn it_is_not_heard_when_nobody_takes_the_audio() {
    let mut session = warned(&[PCMU]);
    let (writer, reader) = crate::listen_ring(4_096);
    session.listen(writer, [true; 2], at(0));
    assert_eq!(made_until(&mut session, B, at(1_500)).len(), 10, "somebody does");
    drop(reader);
    assert_eq!(made_until(&mut session, B, at(30_000)), []);
    let mut speaker = Speaker::new(PCMU);
    let sent = speaker.packet();
    assert_eq!(speaker.sent, 1);
    speaker = Speaker::new(PCMU);
    let heard = speaker.speak(&mut session, at(31_000)).unwrap();
    assert_eq!(heard.payload, sent.0[RtpHeader::BYTES..sent.1], "as it came");
    let (writer, _reader) = crate::listen_ring(4_096);
    session.listen(writer, [true; 2], at(32_000));
    assert_eq!(made_between(&mut session, B, [at(32_000), at(34_000)]).len(), 10, "again");
}

#[test]
fn a_leg_whose_format_is_not_written_here_hears_none() {
    let format = (18, Codec::G729, 8_000);
    let mut session = warned(&[format]);
    assert_eq!(session.warnings_of(B), None);
    let mut packet = vec![9; 100];
    let header = RtpHeader { payload_type: 18, ..RtpHeader::default() };
    header.write_header(&mut packet).unwrap();
    let sent = session.forward(A, MediaSocket::Rtp, address(A), &mut packet, 32, at(1_100));
    assert!(matches!(sent, Decision::Send { len: 32, .. }), "{sent:?}");
    assert!(packet[12..32].iter().all(|octet| *octet == 9));
    assert_eq!(made_until(&mut session, B, at(10_000)), []);
    // It is, from a new plan on.
    session.apply(&MediaPlan::rtp([leg(A, &[PCMU]), leg(B, &[PCMU])]), at(10_000));
    assert_eq!(made_between(&mut session, B, [at(10_000), at(11_000)]).len(), 10);
}

#[test]
fn hostile_packets_and_those_of_silence_stay_as_they_are() {
    let formats = &[(98, Codec::Opus, 48_000), (13, Codec::ComfortNoise, 8_000)];
    let mut session = warned(formats);
    made_until(&mut session, B, at(1_000));
    for (n, payload) in [&[][..], &[0xff; 30], &[0x03], &[0xfb, 0xff, 1]].into_iter().enumerate() {
        let mut packet = vec![0; 400];
        let sequence = n as u16;
        let header = RtpHeader { payload_type: 98, sequence, ..RtpHeader::default() };
        header.write_header(&mut packet).unwrap();
        packet[12..12 + payload.len()].copy_from_slice(payload);
        let len = 12 + payload.len();
        let now = at(1_010 + n as u64);
        let sent = session.forward(A, MediaSocket::Rtp, address(A), &mut packet, len, now);
        assert!(matches!(sent, Decision::Send { len: sent, .. } if sent == len), "{sent:?}");
        assert_eq!(&packet[12..len], payload);
    }
}

#[test]
fn padding_goes_and_a_header_extension_stays() {
    let mut session = warned(&[PCMU]);
    let mut packet = vec![0xff; 400];
    let header = RtpHeader { payload_type: 0, ..RtpHeader::default() };
    header.write_header(&mut packet).unwrap();
    packet[0] |= 0x30;
    packet[12..20].copy_from_slice(&[0xbe, 0xde, 0, 1, 0x10, 1, 0, 0]);
    packet[180..184].copy_from_slice(&[0, 0, 0, 4]);
    let sent = session.forward(A, MediaSocket::Rtp, address(A), &mut packet, 184, at(1_100));
    assert!(matches!(sent, Decision::Send { len: 180, .. }), "{sent:?}");
    let packet = RtpPacket::parse(&packet[..180]).unwrap();
    assert_eq!((packet.payload().len(), packet.padding_bytes()), (160, 0));
    assert_eq!(packet.extension().unwrap().data, [0x10, 1, 0, 0]);
    assert!(packet.payload().iter().any(|octet| *octet != 0xff));
}

proptest! {
    /// Whenever A speaks, B gets one source without holes or repeats.
    #[test]
    fn numbers_go_on(turns in prop::collection::vec((any::<bool>(), 1_u64..90), 1..120)) {
        let (mut session, mut speaker) = (warned(&[PCMU]), Speaker::new(PCMU));
        let (mut now, mut packets) = (0, Vec::new());
        for (speaks, pause) in turns {
            now += pause;
            packets.extend(made_until(&mut session, B, at(now)));
            if speaks {
                packets.extend(speaker.speak(&mut session, at(now)));
            }
        }
        for pair in packets.windows(2) {
            prop_assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
            prop_assert_eq!(pair[1].ssrc, pair[0].ssrc);
        }
    }
}
