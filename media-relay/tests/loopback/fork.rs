//! Copies of a call for somebody else's recorder, over sockets.

use super::rig::{Endpoint, Rig, rtp};
use model::{
    IpFamily, LegPlan, LegSide, MediaCommand, MediaEvent, MediaId, MediaLine, MediaPlan, RtcpStyle,
    TransactionId,
};
use relay_core::DropReason;
use rtp_proto::RtpPacket;
use rtp_proto::rtcp::{RtcpPacket, parse_compound};
use std::net::SocketAddr;
use std::time::Duration;

/// Reserves ports of a recorder's line for call 1.
fn allocate_copy(rig: &Rig, id: MediaId, index: u8) -> [SocketAddr; 2] {
    let (families, line) = ([IpFamily::V4; 2], MediaLine::Copy { index });
    let transaction_id = TransactionId::from_random(1);
    let emergency = false;
    let allocate = MediaCommand::Allocate { id, transaction_id, families, emergency, line };
    rig.relay.command(allocate).unwrap();
    loop {
        if let MediaEvent::Allocated { id: of, local } = rig.event()
            && of == id
        {
            return local.map(|local| local.rtp);
        }
    }
}

fn begin_copy(rig: &Rig, id: MediaId, recorder: &Endpoint) {
    let nobody = LegPlan {
        remote_rtp: None,
        remote_rtcp: None,
        accepts_from: false,
        sends_to: false,
        telephone_event: None,
        ..recorder.plan()
    };
    let mut plan = MediaPlan::rtp([nobody, LegPlan { accepts_from: false, ..recorder.plan() }]);
    plan.rtcp = Some(RtcpStyle::BackToBack);
    rig.relay.command(MediaCommand::Apply { id, plan: plan.into() }).unwrap();
}

fn copy(rig: &Rig, leg: LegSide, to: Option<MediaId>) {
    rig.relay.command(MediaCommand::Copy { id: MediaId(1), leg, to }).unwrap();
    // The worker takes its commands in order: it has that one when it has reported.
    rig.relay.command(MediaCommand::Report { id: MediaId(1) }).unwrap();
    for _ in LegSide::BOTH {
        assert_eq!(rig.report().id, MediaId(1));
    }
}

/// Three workers, so that streams of one place are on one of them by no accident.
#[test]
fn both_legs_reach_the_recorder_on_a_line_each() {
    let rig = Rig::new("127.0.0.1", 20_760..=20_799, |config| {
        config.workers = 3;
        config.rtcp_interval = Duration::from_millis(20);
    });
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    let lines = [1, 2].map(|serial| MediaId(1).beside(serial));
    let recorder = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    let mut ours = Vec::new();
    for (index, (id, recorder)) in lines.into_iter().zip(&recorder).enumerate() {
        ours.push(allocate_copy(&rig, id, index as u8));
        begin_copy(&rig, id, recorder);
        copy(&rig, LegSide::BOTH[index], Some(id));
    }
    for sequence in 1..=3 {
        a.send(local[0].rtp, sequence);
        b.send(local[1].rtp, 100 + sequence);
        assert_eq!(b.receive().0, rtp(sequence), "the call is as it was");
        assert_eq!(a.receive().0, rtp(100 + sequence));
        for (index, expected) in [sequence, 100 + sequence].into_iter().enumerate() {
            let (packet, from) = recorder[index].receive();
            let got = RtpPacket::parse(&packet).unwrap();
            assert_eq!((got.sequence(), got.payload()), (expected, &rtp(expected)[12..]));
            assert_ne!(got.ssrc(), 5, "a source of ours");
            assert_eq!(from, ours[index][1]);
        }
    }
    // RFC 7866 section 8.1.5: sender reports, so that the recorder can align both lines.
    let (report, _) = super::rig::receive(&recorder[0].rtcp);
    let is_sender = |part: &RtcpPacket<'_>| matches!(part, RtcpPacket::SenderReport(_));
    assert!(parse_compound(&report).flatten().any(|part| is_sender(&part)));
    // Nobody else speaks on the recorder's lines.
    a.send(ours[0][0], 9);
    rig.until(|statistics| {
        let drops = DropReason::ALL.iter().map(|reason| statistics.dropped(*reason));
        statistics.copied_packets == 6 && drops.sum::<u64>() > 0
    });
    copy(&rig, LegSide::A, None);
    a.send(local[0].rtp, 4);
    b.send(local[1].rtp, 104);
    assert_eq!(b.receive().0, rtp(4));
    let (packet, _) = recorder[1].receive();
    assert_eq!(RtpPacket::parse(&packet).unwrap().sequence(), 104);
    // A recorder that has gone takes nothing with it.
    rig.relay.command(MediaCommand::Release { id: lines[1] }).unwrap();
    rig.until(|statistics| statistics.streams == 2);
    b.send(local[1].rtp, 105);
    assert_eq!(a.receive().0, rtp(104));
    assert_eq!(a.receive().0, rtp(105));
    assert_eq!(rig.relay.statistics().copied_packets, 7);
}

#[test]
fn a_leg_is_copied_to_streams_for_copies_alone() {
    let rig = Rig::new("127.0.0.1", 20_740..=20_759, |_| {});
    let local = rig.allocate(1).unwrap();
    rig.allocate(3).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    let before = rig.relay.statistics().unknown_streams;
    for to in [3, 4] {
        copy(&rig, LegSide::A, Some(MediaId(to)));
    }
    rig.until(|statistics| statistics.unknown_streams == before + 2);
    a.send(local[0].rtp, 1);
    assert_eq!(b.receive().0, rtp(1));
    assert_eq!(rig.relay.statistics().copied_packets, 0);
}
