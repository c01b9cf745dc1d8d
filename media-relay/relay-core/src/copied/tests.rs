use super::*;
use crate::{GROWTH, LearningPolicy};
use model::{
    Codec, CodecMapping, LegPlan, LegSecurity, MediaId, MediaPlan, RtcpStyle, SdesKeys, SrtpKey,
    SrtpSuite, TransactionId, TranscodableFormat, Transcoding, XrWishes,
};
use rtp_proto::RtpHeader;
use rtp_proto::srtp::{SrtpReceiver, SrtpSender};
use std::time::Duration;

const PCMU: (u8, Codec) = (0, Codec::Pcmu);
const PCMA: (u8, Codec) = (8, Codec::Pcma);
const KEYS: (u8, Codec) = (101, Codec::TelephoneEvent);
const SSRC: u32 = 7;

fn address(port: u16) -> SocketAddr {
    ([192, 0, 2, 1], port).into()
}

fn leg(port: u16, formats: &[(u8, Codec)]) -> LegPlan {
    let mapping = |(payload_type, codec): &(u8, Codec)| CodecMapping {
        payload_type: *payload_type,
        codec: *codec,
        clock_rate: 8_000,
        packet_duration: Duration::from_millis(20),
    };
    LegPlan {
        remote_rtp: Some(address(port)),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: formats.iter().map(mapping).collect(),
        telephone_event: formats.contains(&KEYS).then_some(KEYS.0),
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

fn session(plan: &MediaPlan) -> RtpSession {
    let (id, policy) = (TransactionId::from_random(1), LearningPolicy::default());
    let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, policy);
    let mut draw = || 0x1234_5678_9abc_def0;
    session.set_rtcp(RtcpStyle::Auto, Duration::from_secs(5), &mut draw);
    session.apply(plan, Instant::ZERO);
    session.begin_transcoding(Instant::ZERO, &mut draw);
    session
}

/// A call whose leg A has these formats, and the stream that takes copies of that leg for a recorder
/// with those: from nobody else.
fn pair_of(call: &[(u8, Codec)], recorder: LegPlan) -> [RtpSession; 2] {
    let call_plan = MediaPlan::rtp([leg(4_000, call), leg(5_000, call)]);
    let mut copied = leg(4_100, call);
    (copied.accepts_from, copied.remote_rtp) = (false, None);
    copied.codecs.retain(|mapping| mapping.codec != Codec::TelephoneEvent);
    copied.telephone_event = None;
    let made: Vec<_> = copied
        .codecs
        .iter()
        .filter(|one| recorder.codecs.iter().all(|other| other.codec != one.codec))
        .cloned()
        .collect();
    let mut copy_plan = MediaPlan::rtp([copied, recorder]);
    copy_plan.rtcp = Some(RtcpStyle::BackToBack);
    if !made.is_empty() {
        let to = copy_plan.legs[1].codecs[0].clone();
        assert!(TranscodableFormat::of(&to).is_some());
        copy_plan.transcoding[0] =
            Some(Box::new(Transcoding { from: made, to, bitrate: None, comfort_noise: None }));
    }
    let mut session_of_call = session(&call_plan);
    session_of_call.copy_leg(LegSide::A, true);
    [session_of_call, session(&copy_plan)]
}

fn packet(payload_type: u8, sequence: u16, octet: u8) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 160;
    let header = RtpHeader { payload_type, marker: false, sequence, timestamp, ssrc: SSRC };
    let mut octets = header.to_bytes().to_vec();
    octets.resize(172, octet);
    octets
}

fn at(sequence: u16) -> Instant {
    Instant::from_millis(u64::from(sequence) * 20)
}

/// Leg `from` says something; what the recorder gets.
fn say(
    [call, copy]: &mut [RtpSession; 2],
    from: LegSide,
    packet: &[u8],
    sequence: u16,
) -> (Decision, Vec<u8>) {
    let source = address(if from == LegSide::A { 4_000 } else { 5_000 });
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + GROWTH, 0);
    let now = at(sequence);
    call.forward(from, MediaSocket::Rtp, source, &mut buffer, packet.len(), now);
    let Some(copied) = call.take_copied() else { return (Decision::Kept, Vec::new()) };
    let mut buffer = copied.to_vec();
    let len = buffer.len();
    buffer.resize(len + GROWTH, 0);
    let decision = copy.forward_copied(&mut buffer, len, now);
    if let Decision::Send { len, .. } = decision {
        buffer.truncate(len);
    }
    (decision, buffer)
}

#[test]
fn what_a_leg_says_goes_to_the_recorder_under_a_source_of_ours() {
    let mut pair = pair_of(&[PCMU, KEYS], leg(6_000, &[PCMU]));
    let sent = packet(0, 5, 1);
    let (decision, got) = say(&mut pair, LegSide::A, &sent, 5);
    let Decision::Send { to: LegSide::B, socket: MediaSocket::Rtp, destination, len, kind } =
        decision
    else {
        panic!("{decision:?}")
    };
    assert_eq!((destination, len, kind), (address(6_000), 172, PacketKind::Rtp));
    let (mine, theirs) = (RtpPacket::parse(&sent).unwrap(), RtpPacket::parse(&got).unwrap());
    assert_eq!((theirs.sequence(), theirs.timestamp()), (mine.sequence(), mine.timestamp()));
    assert_eq!(theirs.payload(), mine.payload());
    assert_ne!(theirs.ssrc(), SSRC, "reports about the copy are ours alone");
    // A key, the other leg, and what nobody agreed to.
    let key = packet(101, 6, 1);
    assert_eq!(say(&mut pair, LegSide::A, &key, 6).0, Decision::Drop(DropReason::NotAccepted));
    assert_eq!(say(&mut pair, LegSide::B, &packet(0, 5, 2), 6).1, [0_u8; 0]);
    let other = packet(96, 7, 1);
    assert_eq!(say(&mut pair, LegSide::A, &other, 7).0, Decision::Drop(DropReason::NotAccepted));
    // What the call drops is not copied: a stranger's, and what comes from a leg on hold.
    let [call, _] = &mut pair;
    let mut buffer = packet(0, 8, 1);
    call.forward(LegSide::A, MediaSocket::Rtp, address(9), &mut buffer, 172, at(8));
    assert_eq!(call.take_copied(), None);
    let mut plan = MediaPlan::rtp([leg(4_000, &[PCMU]), leg(5_000, &[PCMU])]);
    plan.legs[0].accepts_from = false;
    plan.legs.iter_mut().for_each(|leg| leg.relearn = false);
    call.apply(&plan, at(9));
    assert_eq!(say(&mut pair, LegSide::A, &packet(0, 9, 1), 9).1, [0_u8; 0]);
    plan.legs[0].accepts_from = true;
    pair[0].apply(&plan, at(10));
    assert!(matches!(say(&mut pair, LegSide::A, &packet(0, 10, 1), 10).0, Decision::Send { .. }));
    pair[0].copy_leg(LegSide::A, false);
    assert!(!pair[0].is_copied(LegSide::A));
    assert_eq!(say(&mut pair, LegSide::A, &packet(0, 11, 1), 11).1, [0_u8; 0]);
}

#[test]
fn nobody_sends_to_a_recorder_but_the_copied_leg() {
    let [_, mut copy] = pair_of(&[PCMU], leg(6_000, &[PCMU]));
    let mut buffer = packet(0, 1, 1);
    let source = address(4_100);
    let decision =
        copy.forward(LegSide::A, MediaSocket::Rtp, source, &mut buffer, 172, Instant::ZERO);
    assert_eq!(decision, Decision::Drop(DropReason::WrongSource));
    // A recorder that pauses gets nothing.
    let mut paused = leg(6_000, &[PCMU]);
    paused.sends_to = false;
    let mut pair = pair_of(&[PCMU], paused);
    let (decision, _) = say(&mut pair, LegSide::A, &packet(0, 1, 1), 1);
    assert_eq!(decision, Decision::Drop(DropReason::NotWanted));
    let mut buffer = vec![0x80; 3];
    let decision = pair[1].forward_copied(&mut buffer, 3, Instant::ZERO);
    assert_eq!(decision, Decision::Drop(DropReason::MalformedRtp));
}

#[test]
fn both_sides_of_a_copy_may_be_encrypted() {
    let keys = |octet: u8| SrtpKey::new(SrtpSuite::AesCm128HmacSha1_80, &[octet; 30]).unwrap();
    let sdes = |receive: u8, send: u8| {
        LegSecurity::Sdes(Box::new(SdesKeys { receive: keys(receive), send: keys(send) }))
    };
    let mut recorder = leg(6_000, &[PCMU]);
    recorder.security = sdes(3, 4);
    let mut pair = pair_of(&[PCMU], recorder);
    let mut plan = MediaPlan::rtp([leg(4_000, &[PCMU]), leg(5_000, &[PCMU])]);
    plan.legs[0].security = sdes(1, 2);
    pair[0].apply(&plan, Instant::ZERO);
    let (mut phone, mut srs) = (SrtpSender::new(&keys(1)), SrtpReceiver::new(&keys(4)));
    for sequence in 1..4_u16 {
        let plain = packet(0, sequence, sequence as u8);
        let mut sealed = plain.clone();
        sealed.resize(plain.len() + GROWTH, 0);
        let len = phone.protect_rtp(&mut sealed, plain.len()).unwrap();
        let (decision, mut got) = say(&mut pair, LegSide::A, &sealed[..len], sequence);
        assert!(matches!(decision, Decision::Send { .. }), "{decision:?}");
        assert_ne!(got.get(12..172), plain.get(12..172), "encrypted");
        let opened = srs.unprotect_rtp(&mut got).unwrap();
        let opened = RtpPacket::parse(got.get(..opened).unwrap()).unwrap();
        assert_eq!(opened.payload(), &plain[12..]);
    }
}

#[test]
fn a_recorder_with_another_format_gets_that() {
    let mut pair = pair_of(&[PCMU], leg(6_000, &[PCMA]));
    let mut last = None;
    for sequence in 1..20_u16 {
        // Silence in µ-law.
        let (decision, got) = say(&mut pair, LegSide::A, &packet(0, sequence, 0xff), sequence);
        match decision {
            Decision::Send { .. } => last = Some(got),
            other => assert_eq!(other, Decision::Kept),
        }
        let mut made = [0; crate::LONGEST_MADE];
        while let Some(sent) = pair[1].poll_made(at(sequence), &mut made) {
            last = made.get(..sent.len).map(<[u8]>::to_vec);
        }
    }
    let last = last.expect("something was sent");
    let rtp = RtpPacket::parse(&last).unwrap();
    assert_eq!((rtp.payload_type(), rtp.payload().len()), (8, 160));
    assert!(rtp.payload().iter().all(|octet| matches!(octet, 0xd5 | 0x55)), "silence in A-law");
}
