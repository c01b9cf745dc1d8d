//! Copies of RTCP, over sockets.

use super::rig::{DEADLINE, Endpoint, Rig, receive};
use model::{
    LegSide, LocalMedia, MediaCommand, MediaEvent, MediaId, MediaPlan, MessageDirection, RtcpCopy,
    RtcpStyle, TransactionId,
};
use rtp_proto::rtcp::{RtcpPacket, parse_compound, write_receiver_report};
use std::time::Duration;

fn report(ssrc: u32) -> Vec<u8> {
    let mut out = Vec::new();
    write_receiver_report(&mut out, ssrc, &[]);
    out
}

fn apply(rig: &Rig, ends: [&Endpoint; 2], rtcp_mux: bool, copies_rtcp: bool) {
    let legs = ends.map(|end| {
        let mut plan = end.plan();
        plan.rtcp_mux = rtcp_mux;
        plan
    });
    let plan = MediaPlan { copies_rtcp, ..MediaPlan::rtp(legs) };
    rig.relay.command(MediaCommand::Apply { id: MediaId(1), plan: plan.into() }).unwrap();
    // A report comes after the orders before it.
    rig.relay.command(MediaCommand::Report { id: MediaId(1) }).unwrap();
    rig.report();
    rig.report();
}

/// The next copy, past reports of quality.
fn copied(rig: &Rig) -> RtcpCopy {
    loop {
        match rig.events.recv_timeout(DEADLINE).unwrap() {
            MediaEvent::Rtcp(copy) => return *copy,
            MediaEvent::Report(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn rtcp_is_told_with_the_addresses_of_its_packets() {
    for (ip, rtcp_mux, first) in [("127.0.0.1", false, 21_000), ("::1", true, 21_010)] {
        let rig = Rig::new(ip, first..=first + 9, |config| config.rtcp = RtcpStyle::Translator);
        let local = rig.allocate(1).unwrap();
        let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
        apply(&rig, [&a, &b], rtcp_mux, true);
        let socket = |end: &Endpoint, at: &LocalMedia| match rtcp_mux {
            true => (end.rtp.try_clone().unwrap(), at.rtp),
            false => (end.rtcp.try_clone().unwrap(), at.rtcp),
        };
        for ((from, to), leg) in [((0, 1), LegSide::A), ((1, 0), LegSide::B)] {
            let ends = [&a, &b];
            let (from, here) = socket(ends[from], &local[from]);
            let (to, _) = socket(ends[to], &local[to]);
            let sent = report(7 + leg.index() as u32);
            from.send_to(&sent, here).unwrap();
            assert_eq!(receive(&to).0, sent, "it passes");
            let copy = copied(&rig);
            assert_eq!((copy.id, copy.transaction_id), (MediaId(1), TransactionId::from_random(1)));
            assert_eq!((copy.leg, copy.direction), (leg, MessageDirection::Received));
            assert_eq!((copy.local, copy.remote), (here, from.local_addr().unwrap()));
            assert_eq!(copy.octets, sent);
        }
        // What follows the plan is not copied; the next copy would be seen first.
        apply(&rig, [&a, &b], rtcp_mux, false);
        let (from, here) = socket(&a, &local[0]);
        from.send_to(&report(9), here).unwrap();
        receive(&socket(&b, &local[1]).0);
        apply(&rig, [&a, &b], rtcp_mux, true);
        from.send_to(&report(10), here).unwrap();
        assert_eq!(copied(&rig).octets, report(10));
        let statistics = rig.relay.statistics();
        assert_eq!((statistics.copied_rtcp, statistics.uncopied_rtcp), (3, 0));
    }
}

#[test]
fn our_own_reports_are_told_up_to_the_goodbye() {
    let rig = Rig::new("127.0.0.1", 21_020..=21_029, |config| {
        config.rtcp = RtcpStyle::BackToBack;
        config.rtcp_interval = Duration::from_millis(60);
        config.live_interval = Duration::ZERO;
    });
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    apply(&rig, [&a, &b], false, true);
    a.send(local[0].rtp, 1);
    b.receive();
    let (sent, _) = receive(&b.rtcp);
    let copy = std::iter::repeat_with(|| copied(&rig)).find(|copy| copy.leg == LegSide::B).unwrap();
    assert_eq!((copy.direction, &copy.octets), (MessageDirection::Sent, &sent));
    assert_eq!((copy.local, copy.remote), (local[1].rtcp, b.rtcp.local_addr().unwrap()));
    rig.relay.command(MediaCommand::Release { id: MediaId(1) }).unwrap();
    let says_goodbye = |copy: &RtcpCopy| {
        let mut packets = parse_compound(&copy.octets).flatten();
        packets.any(|packet| matches!(packet, RtcpPacket::Goodbye(_)))
    };
    std::iter::repeat_with(|| copied(&rig)).find(says_goodbye).unwrap();
}
