use super::*;
use crate::{Decision, LearningPolicy, MediaSocket, RtpSession};
use model::{
    Codec, CodecMapping, LegPlan, LegSide, MediaId, MediaPlan, ReportKind, SrtpKey, SrtpSuite,
    TransactionId,
};
use rtp_proto::RtpHeader;
use std::net::SocketAddr;

const A: &str = "192.0.2.1:4000";
const B: &str = "198.51.100.2:6000";
const SUITE: SrtpSuite = SrtpSuite::AesCm128HmacSha1_80;

fn key(suite: SrtpSuite, fill: u8) -> SrtpKey {
    SrtpKey::new(suite, &vec![fill; suite.key_len() + suite.salt_len()]).unwrap()
}

/// Keys with which the leg sends under `fill` and we under `fill` + 1.
fn sdes(suite: SrtpSuite, fill: u8) -> model::LegSecurity {
    let keys = SdesKeys { receive: key(suite, fill), send: key(suite, fill + 1) };
    model::LegSecurity::Sdes(Box::new(keys))
}

fn leg(remote: &str, security: model::LegSecurity) -> LegPlan {
    let remote_rtp: SocketAddr = remote.parse().unwrap();
    LegPlan {
        remote_rtp: Some(remote_rtp),
        remote_rtcp: Some(SocketAddr::new(remote_rtp.ip(), remote_rtp.port() + 1)),
        signalling_source: None,
        rtcp_mux: false,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: vec![CodecMapping {
            payload_type: 0,
            codec: Codec::Pcmu,
            clock_rate: 8_000,
            packet_duration: Duration::from_millis(20),
        }],
        telephone_event: None,
        xr: model::XrWishes::default(),
        ice: None,
        security,
    }
}

/// A stream, and what one end of it sends and reads.
struct Rig {
    session: RtpSession,
    now: Instant,
}

impl Rig {
    fn new(a: model::LegSecurity, b: model::LegSecurity) -> Self {
        let id = TransactionId::from_random(1);
        let policy = LearningPolicy::default();
        let mut rig = Rig {
            session: RtpSession::new(MediaId(1), id, Instant::ZERO, policy),
            now: Instant::ZERO,
        };
        rig.apply(a, b);
        rig
    }

    fn apply(&mut self, a: model::LegSecurity, b: model::LegSecurity) {
        self.session.apply(&MediaPlan::rtp([leg(A, a), leg(B, b)]), self.now);
    }

    fn forward_from(
        &mut self,
        source: &str,
        socket: MediaSocket,
        packet: &[u8],
    ) -> Result<Vec<u8>, DropReason> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + GROWTH, 0);
        let from = if source == B { LegSide::B } else { LegSide::A };
        let source = source.parse().unwrap();
        match self.session.forward(from, socket, source, &mut buffer, packet.len(), self.now) {
            Decision::Send { len, .. } => Ok(buffer[..len].to_vec()),
            Decision::Drop(reason) => Err(reason),
            control => panic!("no control message was sent: {control:?}"),
        }
    }

    fn forward(&mut self, source: &str, packet: &[u8]) -> Result<Vec<u8>, DropReason> {
        self.forward_from(source, MediaSocket::Rtp, packet)
    }

    fn later(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let header = RtpHeader { sequence, ssrc, timestamp: 1, ..RtpHeader::default() };
    let mut packet = header.to_bytes().to_vec();
    packet.resize(172, 0xd5);
    packet
}

fn protect(sender: &mut SrtpSender, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + GROWTH, 0);
    let len = sender.protect_rtp(&mut buffer, packet.len()).unwrap();
    buffer[..len].to_vec()
}

fn unprotect(receiver: &mut SrtpReceiver, mut packet: Vec<u8>) -> Vec<u8> {
    let len = receiver.unprotect_rtp(&mut packet).unwrap();
    packet.truncate(len);
    packet
}

#[test]
fn srtp_on_one_leg_rtp_on_the_other_or_two_suites() {
    for suite in SrtpSuite::ALL {
        let mut rig = Rig::new(sdes(suite, 1), model::LegSecurity::Plain);
        let (mut sender, mut receiver) =
            (SrtpSender::new(&key(suite, 1)), SrtpReceiver::new(&key(suite, 2)));
        let packet = protect(&mut sender, &rtp(7, 1));
        assert_eq!(rig.forward(A, &packet), Ok(rtp(7, 1)));
        let back = rig.forward(B, &rtp(9, 1)).unwrap();
        assert_ne!(back[12..172], rtp(9, 1)[12..]);
        assert_eq!(unprotect(&mut receiver, back), rtp(9, 1));

        let mut rig = Rig::new(sdes(suite, 1), sdes(SUITE, 3));
        let mut receiver = SrtpReceiver::new(&key(SUITE, 4));
        let there = rig.forward(A, &packet).unwrap();
        assert_eq!(unprotect(&mut receiver, there), rtp(7, 1));
        let [a, b] = rig.session.poll_report(rig.now, ReportKind::Interval);
        assert_eq!(a.received.rtp_bytes, packet.len() as u64, "as it came");
        assert_eq!(b.sent.rtp_bytes, 182, "as it went");
    }
}

#[test]
fn rtcp_is_protected_too() {
    let mut rig = Rig::new(sdes(SUITE, 1), model::LegSecurity::Plain);
    let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    let there = "198.51.100.2:6001";
    let mut buffer = report.to_vec();
    buffer.resize(8 + GROWTH, 0);
    let source = there.parse().unwrap();
    let decision =
        rig.session.forward(LegSide::B, MediaSocket::Rtcp, source, &mut buffer, 8, rig.now);
    let Decision::Send { len, .. } = decision else { panic!("{decision:?}") };
    let mut receiver = SrtpReceiver::new(&key(SUITE, 2));
    let len = receiver.unprotect_rtcp(&mut buffer[..len]).unwrap();
    assert_eq!(buffer[..len], report);

    let mut sender = SrtpSender::new(&key(SUITE, 1));
    let mut buffer = report.to_vec();
    buffer.resize(8 + GROWTH, 0);
    let len = sender.protect_rtcp(&mut buffer, 8).unwrap();
    let from = "192.0.2.1:4001";
    assert_eq!(rig.forward_from(from, MediaSocket::Rtcp, &buffer[..len]), Ok(report.to_vec()));
    let plain = rig.forward_from(from, MediaSocket::Rtcp, &report);
    assert_eq!(plain, Err(DropReason::SrtpMalformed));
}

#[test]
fn what_is_not_authentic_moves_no_latch_and_counts_as_nothing_received() {
    let mut rig = Rig::new(sdes(SUITE, 1), model::LegSecurity::Plain);
    assert_eq!(rig.forward(A, &rtp(7, 1)), Err(DropReason::SrtpAuthentication));
    assert_eq!(rig.forward(A, &[0x80; 14]), Err(DropReason::SrtpMalformed));
    assert_eq!(rig.session.latched(LegSide::A), None);
    let [a, _] = rig.session.poll_report(rig.now, ReportKind::Interval);
    assert_eq!((a.received.rtp_packets, a.received.loss.expected), (0, 0));
    assert_eq!((a.received.unauthentic, a.received.malformed), (1, 1));
    // A forger on the leg's address, from another port: nothing is learned.
    for sequence in 0..20 {
        rig.later(20);
        let forged = rig.forward("192.0.2.1:9", &rtp(7, sequence));
        assert_eq!(forged, Err(DropReason::SrtpAuthentication));
    }
    assert_eq!(rig.session.latched(LegSide::A), None);
    // One authentic packet from there is proof.
    let mut sender = SrtpSender::new(&key(SUITE, 1));
    let packet = protect(&mut sender, &rtp(7, 21));
    assert_eq!(rig.forward("203.0.113.1:4000", &packet), Err(DropReason::WrongSource));
    assert!(rig.forward("192.0.2.1:9", &packet).is_ok());
    assert_eq!(rig.session.latched(LegSide::A), Some("192.0.2.1:9".parse().unwrap()));
    assert_eq!(rig.forward("192.0.2.1:9", &packet), Err(DropReason::SrtpReplayed));
}

#[test]
fn a_repeated_packet_of_a_plain_leg_is_not_protected_twice() {
    let mut rig = Rig::new(sdes(SUITE, 1), model::LegSecurity::Plain);
    assert!(rig.forward(B, &rtp(9, 5)).is_ok());
    assert_eq!(rig.forward(B, &rtp(9, 5)), Err(DropReason::SrtpRepeated));
    assert!(rig.forward(B, &rtp(9, 4)).is_ok());
}

/// Sends numbers up to `last` from A, so that the roll-over counter is 1.
fn roll_over(rig: &mut Rig, sender: &mut SrtpSender, last: u16) {
    for sequence in (60_000..=u16::MAX).chain(0..=last).step_by(97) {
        let packet = protect(sender, &rtp(7, sequence));
        assert_eq!(rig.forward(A, &packet), Ok(rtp(7, sequence)));
    }
}

#[test]
fn a_plan_with_the_same_keys_keeps_roll_over_counters_and_replay_windows() {
    for suite in SrtpSuite::ALL {
        let mut rig = Rig::new(sdes(suite, 1), model::LegSecurity::Plain);
        let mut sender = SrtpSender::new(&key(suite, 1));
        let mut receiver = SrtpReceiver::new(&key(suite, 2));
        roll_over(&mut rig, &mut sender, 500);
        for sequence in (60_000..=u16::MAX).chain(0..=500).step_by(97) {
            let packet = rig.forward(B, &rtp(9, sequence)).unwrap();
            unprotect(&mut receiver, packet);
        }
        let last = protect(&mut sender, &rtp(7, 600));
        assert!(rig.forward(A, &last).is_ok());
        for plan in [sdes(suite, 1), model::LegSecurity::Plain, sdes(suite, 1)] {
            rig.apply(plan, model::LegSecurity::Plain);
        }
        assert_eq!(rig.forward(A, &last), Err(DropReason::SrtpReplayed));
        let next = protect(&mut sender, &rtp(7, 601));
        assert_eq!(rig.forward(A, &next), Ok(rtp(7, 601)));
        let back = rig.forward(B, &rtp(9, 601)).unwrap();
        assert_eq!(unprotect(&mut receiver, back), rtp(9, 601));
        assert_eq!(rig.forward(B, &rtp(9, 601)), Err(DropReason::SrtpRepeated));
    }
}

#[test]
fn a_new_key_is_in_force_at_once_and_the_former_one_for_a_while() {
    for suite in SrtpSuite::ALL {
        let mut rig = Rig::new(sdes(suite, 1), model::LegSecurity::Plain);
        let mut old = SrtpSender::new(&key(suite, 1));
        roll_over(&mut rig, &mut old, 300);
        rig.apply(sdes(suite, 11), model::LegSecurity::Plain);
        // The peer has not our answer yet.
        rig.later(31_000);
        let packet = protect(&mut old, &rtp(7, 400));
        assert_eq!(rig.forward(A, &packet), Ok(rtp(7, 400)));
        assert_eq!(rig.forward(A, &packet), Err(DropReason::SrtpReplayed));
        let mut late = (401..404).map(|n| protect(&mut old, &rtp(7, n))).collect::<Vec<_>>();
        let mut new = old.successor(&key(suite, 11));
        let packet = protect(&mut new, &rtp(7, 405));
        assert_eq!(rig.forward(A, &packet), Ok(rtp(7, 405)));
        rig.later(900);
        assert_eq!(rig.forward(A, &late.remove(0)), Ok(rtp(7, 401)));
        rig.later(100);
        assert_eq!(rig.forward(A, &late.remove(0)), Err(DropReason::SrtpAuthentication));
        // What we send is under the new key, its roll-over counter continued.
        let back = rig.forward(B, &rtp(9, 1)).unwrap();
        let mut receiver = SrtpReceiver::new(&key(suite, 12));
        assert_eq!(unprotect(&mut receiver, back), rtp(9, 1));
        // A key that comes back finds its context.
        rig.apply(sdes(suite, 1), model::LegSecurity::Plain);
        assert_eq!(rig.forward(A, &late.remove(0)), Ok(rtp(7, 403)));
    }
}

#[test]
fn the_former_key_ends_when_nothing_comes_under_the_new_one() {
    let mut rig = Rig::new(sdes(SUITE, 1), model::LegSecurity::Plain);
    rig.apply(sdes(SUITE, 11), model::LegSecurity::Plain);
    let mut old = SrtpSender::new(&key(SUITE, 1));
    rig.later(31_999);
    let packet = protect(&mut old, &rtp(7, 1));
    assert!(rig.forward(A, &packet).is_ok());
    rig.later(1);
    let packet = protect(&mut old, &rtp(7, 2));
    assert_eq!(rig.forward(A, &packet), Err(DropReason::SrtpAuthentication));
}

#[test]
fn plans_make_room_for_more_sources() {
    let mut rig = Rig::new(sdes(SUITE, 1), model::LegSecurity::Plain);
    let mut sender = SrtpSender::new(&key(SUITE, 1));
    for ssrc in 0..16 {
        let packet = protect(&mut sender, &rtp(ssrc, 1));
        assert!(rig.forward(A, &packet).is_ok());
    }
    sender.make_room();
    let packet = protect(&mut sender, &rtp(16, 1));
    assert_eq!(rig.forward(A, &packet), Err(DropReason::SrtpExhausted));
    rig.apply(sdes(SUITE, 1), model::LegSecurity::Plain);
    assert!(rig.forward(A, &packet).is_ok());
}

/// The leg's SRTP, `rolls` times around, is at A; the rig that it moves to has nothing yet.
fn moved(suite: SrtpSuite, rolls: u32) -> (Rig, SrtpSender, Option<LegContexts>) {
    let mut rig = Rig::new(sdes(suite, 1), model::LegSecurity::Plain);
    let mut sender = SrtpSender::new(&key(suite, 1));
    for index in (0..rolls << 16).step_by(0x4000) {
        let packet = protect(&mut sender, &rtp(7, index as u16));
        assert!(rig.forward(A, &packet).is_ok());
    }
    let contexts = rig.session.copy_contexts(LegSide::A);
    (rig, sender, contexts)
}

/// A leg whose peer keeps its key, while ours is a new one, as RFC 4568 section 7.1.4 wants.
fn same_key_of_theirs(suite: SrtpSuite) -> model::LegSecurity {
    let keys = SdesKeys { receive: key(suite, 1), send: key(suite, 99) };
    model::LegSecurity::Sdes(Box::new(keys))
}

#[test]
fn a_leg_that_moves_after_a_day_is_heard_at_once_and_replays_are_not() {
    for suite in SrtpSuite::ALL {
        // Twice what the search for roll-over counters covers.
        let (_, mut sender, contexts) = moved(suite, 256);
        let mut rig = Rig::new(model::LegSecurity::Plain, model::LegSecurity::Plain);
        rig.session.adopt_contexts(LegSide::A, contexts.unwrap());
        assert!(rig.session.copy_contexts(LegSide::A).is_some(), "it may move on at once");
        rig.apply(same_key_of_theirs(suite), model::LegSecurity::Plain);
        let packet = protect(&mut sender, &rtp(7, 1));
        assert_eq!(rig.forward(A, &packet), Ok(rtp(7, 1)));
        assert_eq!(rig.forward(A, &packet), Err(DropReason::SrtpReplayed));
        // Ours begins again at 0.
        let back = rig.forward(B, &rtp(9, 1)).unwrap();
        assert_eq!(unprotect(&mut SrtpReceiver::new(&key(suite, 99)), back), rtp(9, 1));
    }
}

#[test]
fn a_leg_whose_context_was_lost_on_the_way_or_comes_late_is_heard_all_the_same() {
    let (_, mut sender, contexts) = moved(SUITE, 40);
    let old = protect(&mut SrtpSender::new(&key(SUITE, 1)), &rtp(7, 0xc000));
    let mut rig = Rig::new(same_key_of_theirs(SUITE), model::LegSecurity::Plain);
    let heard = (1..=32).find(|&n| rig.forward(A, &protect(&mut sender, &rtp(7, n))).is_ok());
    assert!(heard.is_some(), "found by trying");
    rig.session.adopt_contexts(LegSide::A, contexts.unwrap());
    assert_eq!(rig.forward(A, &protect(&mut sender, &rtp(7, 33))), Ok(rtp(7, 33)));
    assert_eq!(rig.forward(A, &old), Err(DropReason::SrtpReplayed), "older than the window");
}

#[test]
fn a_leg_that_moves_and_changes_its_key_may_go_on_or_begin_again() {
    let (_, old, contexts) = moved(SUITE, 3);
    for mut sender in [old.successor(&key(SUITE, 5)), SrtpSender::new(&key(SUITE, 5))] {
        let mut rig = Rig::new(model::LegSecurity::Plain, model::LegSecurity::Plain);
        let contexts = contexts.as_ref().unwrap();
        let copy = LegContexts { receive: contexts.receive.copy(), send: contexts.send.copy() };
        rig.session.adopt_contexts(LegSide::A, copy);
        rig.apply(sdes(SUITE, 5), model::LegSecurity::Plain);
        assert_eq!(rig.forward(A, &protect(&mut sender, &rtp(7, 1))), Ok(rtp(7, 1)));
    }
}

#[test]
fn our_key_that_was_kept_against_the_rule_uses_no_keystream_twice() {
    let mut first = Rig::new(sdes(SUITE, 1), model::LegSecurity::Plain);
    assert!(first.forward(B, &rtp(9, 5)).is_ok());
    for applied_first in [false, true] {
        let contexts = first.session.copy_contexts(LegSide::A).unwrap();
        let mut rig = Rig::new(model::LegSecurity::Plain, model::LegSecurity::Plain);
        if applied_first {
            rig.apply(sdes(SUITE, 1), model::LegSecurity::Plain);
            rig.session.adopt_contexts(LegSide::A, contexts);
        } else {
            rig.session.adopt_contexts(LegSide::A, contexts);
            rig.apply(sdes(SUITE, 1), model::LegSecurity::Plain);
        }
        assert_eq!(rig.forward(B, &rtp(9, 5)), Err(DropReason::SrtpRepeated));
        assert!(rig.forward(B, &rtp(9, 6)).is_ok());
    }
}

#[test]
fn fax_in_between_leaves_the_keys_of_the_audio() {
    let mut rig = Rig::new(sdes(SUITE, 1), model::LegSecurity::Plain);
    let mut sender = SrtpSender::new(&key(SUITE, 1));
    roll_over(&mut rig, &mut sender, 300);
    let legs = [leg(A, model::LegSecurity::Plain), leg(B, model::LegSecurity::Plain)];
    let fax = MediaPlan { kind: model::StreamKind::Udptl, ..MediaPlan::rtp(legs) };
    rig.session.apply(&fax, rig.now);
    assert!(rig.forward(A, &[0, 1, 2, 3]).is_ok(), "fax is not protected");
    rig.apply(sdes(SUITE, 1), model::LegSecurity::Plain);
    assert_eq!(rig.forward(A, &protect(&mut sender, &rtp(7, 400))), Ok(rtp(7, 400)));
}

#[test]
fn a_leg_that_takes_the_place_of_another_with_srtp_is_heard_at_once() {
    for suite in SrtpSuite::ALL {
        let (_, mut sender, contexts) = moved(suite, 200);
        // The taker's own leg, under keys of its own.
        let mut rig = Rig::new(sdes(suite, 21), model::LegSecurity::Plain);
        let mut other = SrtpSender::new(&key(suite, 21));
        assert!(rig.forward(A, &protect(&mut other, &rtp(8, 1))).is_ok());
        rig.session.adopt_contexts(LegSide::A, contexts.unwrap());
        assert!(rig.forward(A, &protect(&mut other, &rtp(8, 2))).is_ok(), "until it has left");
        rig.apply(same_key_of_theirs(suite), model::LegSecurity::Plain);
        let packet = protect(&mut sender, &rtp(7, 1));
        assert_eq!(rig.forward(A, &packet), Ok(rtp(7, 1)));
        assert_eq!(rig.forward(A, &packet), Err(DropReason::SrtpReplayed));
        let late = rig.forward(A, &protect(&mut other, &rtp(8, 3)));
        assert_eq!(late, Err(DropReason::SrtpAuthentication), "it is another call's");
    }
}

#[test]
fn a_leg_that_did_not_stay_leaves_the_keys_of_the_one_that_was_there() {
    let (_, _, contexts) = moved(SUITE, 2);
    let mut rig = Rig::new(sdes(SUITE, 21), model::LegSecurity::Plain);
    let mut own = SrtpSender::new(&key(SUITE, 21));
    roll_over(&mut rig, &mut own, 300);
    rig.session.adopt_contexts(LegSide::A, contexts.unwrap());
    rig.apply(sdes(SUITE, 21), model::LegSecurity::Plain);
    assert_eq!(rig.forward(A, &protect(&mut own, &rtp(7, 400))), Ok(rtp(7, 400)));
}
