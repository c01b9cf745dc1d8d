//! A relay with real sockets on loopback: two endpoints, packets both ways, ports and their rest.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test helpers outside of #[test] functions"
)]

mod bundle;
mod connected;
mod copies;
mod fork;
#[path = "../impaired/mod.rs"]
mod impaired;
mod impairments;
mod listen;
mod made;
mod picture;
mod play;
mod rate;
mod record;
mod rig;
mod seat;

use media_relay::{Clock, DropReason, Relay, RelayConfig};
use model::{
    AllocationFailure, IpFamily, LegSide, MediaCommand, MediaEvent, MediaId, MediaPlan,
    MediaTimeouts, ReportKind, SdesKeys, SrtpKey, SrtpSuite, TransactionId,
};
use rig::{Endpoint, Rig, receive, rtp};
use rtp_proto::rtcp::write_receiver_report;
use rtp_proto::srtp::{LONGEST_GROWTH, SrtpReceiver, SrtpSender};
use std::net::{SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

fn passes_both_ways(ip: &str, ports: RangeInclusive<u16>) {
    let rig = Rig::new(ip, ports, |_| {});
    let local = rig.allocate(1).unwrap();
    assert_eq!(local[0].rtp.port() % 2, 0);
    assert_eq!(local[0].rtcp.port(), local[0].rtp.port() + 1);
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    // What comes just before the plan waits for it.
    a.send(local[0].rtp, 0);
    rig.apply(1, [&a, &b]);
    assert_eq!(b.receive().0, rtp(0));
    for sequence in 1..50 {
        a.send(local[0].rtp, sequence);
        b.send(local[1].rtp, sequence);
        let (packet, from) = b.receive();
        assert_eq!((packet, from), (rtp(sequence), local[1].rtp));
        assert_eq!(a.receive(), (rtp(sequence), local[0].rtp));
    }
    let mut report = Vec::new();
    write_receiver_report(&mut report, 5, &[]);
    a.rtcp.send_to(&report, local[0].rtcp).unwrap();
    assert_eq!(receive(&b.rtcp), (report.clone(), local[1].rtcp));

    let stranger = UdpSocket::bind((rig.ip, 0)).unwrap();
    for sequence in 0..20 {
        stranger.send_to(&rtp(sequence), local[0].rtp).unwrap();
    }
    rig.until(|s| s.dropped(DropReason::WrongSource) == 20);
    b.send(local[1].rtp, 50);
    assert_eq!(a.receive().0, rtp(50));

    let [leg_a, leg_b] = rig.release(1);
    assert_eq!((leg_a.leg, leg_a.kind), (LegSide::A, ReportKind::Final));
    assert_eq!(leg_a.received.rtp_packets, 50);
    assert_eq!(leg_a.received.rtp_bytes, 50 * 172);
    assert_eq!(leg_a.received.wrong_source, 20);
    assert_eq!(leg_b.sent.rtp_packets, leg_a.received.rtp_packets);
    assert_eq!((leg_b.received.rtp_packets, leg_a.sent.rtp_packets), (50, 50));
    assert_eq!((leg_a.received.rtcp_packets, leg_b.sent.rtcp_packets), (1, 1));
    assert_eq!((leg_a.received.loss.lost, leg_b.received.loss.lost), (0, 0));
    let statistics = rig.relay.statistics();
    assert_eq!((statistics.streams, statistics.port_pairs_used), (0, 0));
    assert_eq!(statistics.port_pairs_quarantined, 2);
}

#[test]
fn packets_pass_both_ways_over_ipv4_and_counters_are_exact() {
    passes_both_ways("127.0.0.1", 20_000..=20_099);
}

#[test]
fn packets_pass_both_ways_over_ipv6_and_counters_are_exact() {
    passes_both_ways("::1", 20_000..=20_099);
}

#[test]
fn srtp_on_one_leg_becomes_rtp_on_the_other_and_failures_are_counted() {
    let rig = Rig::new("127.0.0.1", 20_800..=20_849, |_| {});
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    let key = |fill| SrtpKey::new(SrtpSuite::AeadAes256Gcm, &[fill; 44]).unwrap();
    let mut legs = [a.plan(), b.plan()];
    let keys = SdesKeys { receive: key(1), send: key(2) };
    legs[0].security = model::LegSecurity::Sdes(Box::new(keys));
    let plan = Box::new(MediaPlan::rtp(legs));
    rig.relay.command(MediaCommand::Apply { id: MediaId(1), plan }).unwrap();

    let (mut sender, mut receiver) = (SrtpSender::new(&key(1)), SrtpReceiver::new(&key(2)));
    for sequence in 0..50 {
        let mut packet = rtp(sequence);
        packet.resize(172 + LONGEST_GROWTH, 0);
        let len = sender.protect_rtp(&mut packet, 172).unwrap();
        a.rtp.send_to(&packet[..len], local[0].rtp).unwrap();
        assert_eq!(b.receive().0, rtp(sequence));
        b.send(local[1].rtp, sequence);
        let mut back = a.receive().0;
        assert_eq!(back.len(), 172 + 16);
        let len = receiver.unprotect_rtp(&mut back).unwrap();
        assert_eq!(back[..len], rtp(sequence));
        if sequence == 49 {
            a.rtp.send_to(&packet[..188], local[0].rtp).unwrap();
            a.send(local[0].rtp, 50);
        }
    }
    let statistics = rig.until(|s| s.dropped(DropReason::SrtpAuthentication) == 1);
    assert_eq!(statistics.dropped(DropReason::SrtpReplayed), 1);
    let [leg_a, _] = rig.release(1);
    assert_eq!((leg_a.received.rtp_packets, leg_a.sent.rtp_bytes), (50, 50 * 188));
}

#[test]
fn a_leg_that_goes_over_to_another_workers_stream_takes_its_srtp_along() {
    for workers in [1, 2] {
        let rig = Rig::new("127.0.0.1", 20_850..=20_899, |config| config.workers = workers);
        let local = [rig.allocate(1).unwrap(), rig.allocate(2).unwrap()];
        let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
        let key = |fill| SrtpKey::new(SrtpSuite::AesCm128HmacSha1_80, &[fill; 30]).unwrap();
        let apply = |id: u64, send: u8| {
            let mut legs = [a.plan(), b.plan()];
            let keys = SdesKeys { receive: key(1), send: key(send) };
            legs[0].security = model::LegSecurity::Sdes(Box::new(keys));
            let plan = Box::new(MediaPlan::rtp(legs));
            rig.relay.command(MediaCommand::Apply { id: MediaId(id), plan }).unwrap();
        };
        let mut sender = SrtpSender::new(&key(1));
        let mut send = |sequence: u16, to: SocketAddr| {
            let mut packet = rtp(sequence);
            packet.resize(172 + LONGEST_GROWTH, 0);
            let len = sender.protect_rtp(&mut packet, 172).unwrap();
            a.rtp.send_to(&packet[..len], to).unwrap();
            packet[..len].to_vec()
        };
        apply(1, 2);
        let mut last = Vec::new();
        for sequence in [0, 0x4000, 0x8000, 0xc000, 0, 0x4000] {
            last = send(sequence, local[0][0].rtp);
            assert_eq!(b.receive().0, rtp(sequence));
        }
        let (from, to) = ((MediaId(1), LegSide::A), (MediaId(2), LegSide::A));
        rig.relay.command(MediaCommand::MoveLeg { from, to }).unwrap();
        rig.release(1);
        // It is handed over by the worker that released, and so before what follows.
        apply(2, 3);
        a.rtp.send_to(&last, local[1][0].rtp).unwrap();
        rig.until(|s| s.dropped(DropReason::SrtpReplayed) == 1);
        send(0x4001, local[1][0].rtp);
        assert_eq!(b.receive().0, rtp(0x4001));
        rig.release(2);
    }
}

#[test]
fn exhaustion_fails_the_allocation_and_a_pair_returns_after_its_quarantine() {
    let rig = Rig::new("127.0.0.1", 20_100..=20_107, |config| {
        config.quarantine = Duration::from_millis(50);
    });
    let first = rig.allocate(1).unwrap();
    let second = rig.allocate(2).unwrap();
    let mut ports: Vec<u16> = [first, second].iter().flatten().map(|l| l.rtp.port()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [20_100, 20_102, 20_104, 20_106]);
    assert_eq!(rig.allocate(3), Err(AllocationFailure::PortsExhausted));
    assert_eq!(rig.relay.statistics().ports_exhausted, 1);
    rig.release(1);
    rig.until(|s| s.port_pairs_free == 2 && s.port_pairs_quarantined == 0);
    let third = rig.allocate(3).unwrap();
    assert!(third.iter().all(|l| first.iter().any(|f| f.rtp == l.rtp)));
}

#[test]
fn a_long_quarantine_keeps_a_released_pair_from_the_next_stream() {
    let rig = Rig::new("127.0.0.1", 20_108..=20_111, |config| {
        config.quarantine = Duration::from_secs(3_600);
    });
    rig.allocate(1).unwrap();
    rig.release(1);
    assert_eq!(rig.allocate(2), Err(AllocationFailure::PortsExhausted));
    assert_eq!(rig.relay.statistics().port_pairs_quarantined, 2);
}

#[test]
fn half_a_stream_is_not_left_behind_when_the_second_leg_fails() {
    let rig = Rig::new("127.0.0.1", 20_112..=20_115, |_| {});
    let id = MediaId(1);
    let transaction_id = TransactionId::from_random(1);
    let families = [IpFamily::V4, IpFamily::V6];
    rig.relay
        .command(MediaCommand::Allocate {
            id,
            transaction_id,
            families,
            emergency: false,
            line: Default::default(),
        })
        .unwrap();
    assert!(matches!(
        rig.event(),
        MediaEvent::AllocationFailed { reason: AllocationFailure::NoAddress(IpFamily::V6), .. }
    ));
    assert_eq!(rig.relay.statistics().port_pairs_used, 0);
}

#[test]
fn a_port_that_another_program_holds_is_passed_over() {
    let squatter = UdpSocket::bind(("127.0.0.1", 20_117)).unwrap();
    let rig = Rig::new("127.0.0.1", 20_116..=20_121, |_| {});
    let local = rig.allocate(1).unwrap();
    assert!(local.iter().all(|leg| leg.rtp.port() != 20_116), "{local:?}");
    drop(squatter);
}

#[test]
fn a_leg_that_describes_our_own_port_makes_no_loop() {
    let rig = Rig::new("127.0.0.1", 20_122..=20_129, |_| {});
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    let mut plan = MediaPlan::rtp([a.plan(), b.plan()]);
    plan.legs[1].remote_rtp = Some(local[0].rtp);
    rig.relay.command(MediaCommand::Apply { id: MediaId(1), plan: plan.into() }).unwrap();
    rig.until(|s| s.own_addresses == 1);
    a.send(local[0].rtp, 0);
    rig.until(|s| s.dropped(DropReason::NoDestination) == 1);
    assert_eq!(rig.relay.statistics().rtp_packets, 0);
}

#[test]
fn a_queue_that_filled_long_before_the_plan_is_the_past() {
    let rig = Rig::new("127.0.0.1", 20_160..=20_163, |_| {});
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    for sequence in 0..100 {
        a.send(local[0].rtp, sequence);
    }
    rig.apply(1, [&a, &b]);
    // As many as the socket held.
    rig.until(|s| s.dropped(DropReason::NoPlan) > 50);
    a.send(local[0].rtp, 100);
    assert_eq!(b.receive().0, rtp(100));
}

#[test]
fn a_datagram_larger_than_a_buffer_is_counted_and_the_next_passes() {
    let rig = Rig::new("127.0.0.1", 20_130..=20_133, |_| {});
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    a.send(local[0].rtp, 0);
    assert_eq!(b.receive().0, rtp(0), "the plan is in force");
    let mut large = rtp(1);
    large.resize(9_000, 0);
    a.rtp.send_to(&large, local[0].rtp).unwrap();
    rig.until(|s| s.oversized == 1);
    a.send(local[0].rtp, 2);
    assert_eq!(b.receive().0, rtp(2));
    assert_eq!(rig.release(1)[0].received.malformed, 1);
}

#[test]
fn interval_reports_and_silence_come_without_packets() {
    let rig = Rig::new("127.0.0.1", 20_134..=20_137, |config| {
        config.report_interval = Duration::from_millis(20);
        config.silence_after = Duration::from_millis(30);
    });
    rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    let (mut silent, mut reports) = (Vec::new(), 0);
    while reports < 8 || silent.len() < 2 {
        match rig.event() {
            MediaEvent::Silent { leg, .. } => silent.push(leg),
            MediaEvent::Report(report) => {
                assert_eq!(report.kind, ReportKind::Interval);
                reports += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    silent.sort_unstable();
    assert_eq!(silent, LegSide::BOTH);
}

#[test]
fn a_report_comes_when_it_is_asked_for() {
    let rig = Rig::new("127.0.0.1", 20_290..=20_293, |_| {});
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    a.send(local[0].rtp, 0);
    b.receive();
    rig.relay.command(MediaCommand::Report { id: MediaId(1) }).unwrap();
    let [leg_a, leg_b] = [rig.report(), rig.report()];
    assert_eq!((leg_a.kind, leg_a.received.rtp_packets), (ReportKind::Live, 1));
    assert_eq!(leg_a.received.source, Some(a.rtp.local_addr().unwrap()));
    assert_eq!((leg_b.leg, leg_b.sent.rtp_packets), (LegSide::B, 1));
    rig.relay.command(MediaCommand::Report { id: MediaId(2) }).unwrap();
    rig.until(|s| s.unknown_streams == 1);
}

#[test]
fn a_stream_without_media_is_told_when_the_plan_says_so() {
    let rig = Rig::new("127.0.0.1", 20_138..=20_141, |_| {});
    rig.allocate(1).unwrap();
    let ends = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    let after = Duration::from_millis(50);
    let timeouts = MediaTimeouts { one: None, both: Some(after) };
    let plan = MediaPlan { timeouts, ..MediaPlan::rtp(ends.each_ref().map(Endpoint::plan)) };
    rig.relay.command(MediaCommand::Apply { id: MediaId(1), plan: plan.into() }).unwrap();
    match rig.event() {
        MediaEvent::TimedOut { id, leg, silent_for } => {
            assert_eq!((id, leg), (MediaId(1), None));
            assert!(silent_for >= after, "{silent_for:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn live_reports_come_once_there_is_media() {
    let rig = Rig::new("127.0.0.1", 20_154..=20_157, |config| {
        config.live_interval = Duration::from_millis(20);
    });
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    // The first packets may overtake the plan, and are dropped then.
    let mut sequences = 0..1_000;
    let first = sequences
        .find_map(|sequence| {
            a.send(local[0].rtp, sequence);
            rig.events.recv_timeout(Duration::from_millis(10)).ok()
        })
        .expect("a live report comes");
    for (leg, event) in LegSide::BOTH.into_iter().zip([first, rig.event()]) {
        let MediaEvent::Report(report) = event else { panic!("{event:?}") };
        assert_eq!((report.leg, report.kind), (leg, ReportKind::Live));
        assert_eq!(report.received.rtp_packets > 0, leg == LegSide::A);
    }
}

#[test]
fn shutdown_releases_what_is_left_with_final_reports() {
    let rig = Rig::new("127.0.0.1", 20_138..=20_153, |config| config.workers = 2);
    for id in 0..4 {
        rig.allocate(id).unwrap();
    }
    rig.relay.shutdown();
    let finals: Vec<MediaId> = rig
        .events
        .iter()
        .filter_map(|event| match event {
            MediaEvent::Report(report) if report.kind == ReportKind::Final => Some(report.id),
            _ => None,
        })
        .collect();
    assert_eq!(finals.len(), 8);
}

#[test]
fn a_configuration_that_cannot_work_says_what_to_change() {
    let start = |bind: &str, ports| {
        let config = RelayConfig::new(vec![bind.parse().unwrap()], ports);
        #[expect(clippy::disallowed_methods, reason = "a test is a shell and chooses the origin")]
        let clock = Clock::new(std::time::Instant::now());
        Relay::start(config, clock, Arc::new(|_| {})).unwrap_err().to_string()
    };
    assert!(start("0.0.0.0", 20_000..=20_100).contains("[media] advertise"));
    assert!(start("127.0.0.1", 20_000..=20_002).contains("[media] ports"));
    assert!(start("192.0.2.1", 20_000..=20_100).contains("[media] bind"));
}
