//! The fast path on a real network: a caller, a callee and the relay on three hosts (namespaces).
//!
//! Needs CAP_NET_ADMIN, CAP_SYS_ADMIN and CAP_BPF; says so and passes where they are missing.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test helpers outside of #[test] functions"
)]

#[path = "../impaired/mod.rs"]
mod impaired;
mod impairments;
mod numbers;
mod world;

use impaired::receive;
use media_relay::{Clock, DropReason, EventSink, FastPathMode, Relay, RelayConfig};
use model::{
    Codec, CodecMapping, DtmfConversion, IpFamily, LegPlan, LocalMedia, MediaCommand, MediaEvent,
    MediaId, MediaPlan, QualityReport, ReportKind, TransactionId,
};
use rtp_proto::RtpHeader;
use rtp_proto::rtcp::write_receiver_report;
use std::io::Write;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};
use world::{End, World};

const SSRC: u32 = 7;
const DEADLINE: Duration = Duration::from_secs(20);
const ID: MediaId = MediaId(1);

/// A call through a relay on its own host.
struct Rig {
    world: World,
    relay: Relay,
    events: Receiver<MediaEvent>,
    plan: MediaPlan,
    local: [LocalMedia; 2],
    ends: [UdpSocket; 2],
    sequence: u16,
    ssrc: u32,
}

impl Rig {
    fn new(v6: bool) -> Option<Rig> {
        let world = World::new()?;
        Rig::within(world, v6, "10000-10998")
    }

    fn within(world: World, v6: bool, ports: &str) -> Option<Rig> {
        let (first, last) = ports.split_once('-').unwrap();
        let ports = first.parse().unwrap()..=last.parse().unwrap();
        // A wildcard: each leg gets the address of its own network.
        let bind: IpAddr = if v6 { "::" } else { "0.0.0.0" }.parse().unwrap();
        let mut config = RelayConfig::new(vec![bind], ports);
        config.advertise = vec![End::Caller.addresses(v6).1];
        config.fast_path = FastPathMode::Required;
        config.fast_path_capacity = 64;
        // Tests send as fast as packets pass.
        config.max_packets_per_second = 0;
        let (sender, events) = sync_channel(10_000);
        let sink: EventSink = Arc::new(move |event| sender.send(event).unwrap());
        let started = world.at_the_relay(|| Relay::start(config, Clock::new(now()), sink));
        let relay = match started {
            Ok(relay) => relay,
            Err(reason) if reason.to_string().contains("CAP_BPF") => {
                skip(&reason.to_string());
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let families = [if v6 { IpFamily::V6 } else { IpFamily::V4 }; 2];
        let transaction_id = TransactionId::from_random(1);
        relay
            .command(MediaCommand::Allocate {
                id: ID,
                transaction_id,
                families,
                emergency: false,
                line: Default::default(),
            })
            .unwrap();
        let MediaEvent::Allocated { local, .. } = events.recv_timeout(DEADLINE).unwrap() else {
            panic!("no ports");
        };
        let ends = [End::Caller, End::Callee]
            .map(|end| world.socket(end, &SocketAddr::new(end.addresses(v6).0, 0).to_string()));
        let plan = MediaPlan::rtp(ends.each_ref().map(|end| leg(end.local_addr().unwrap())));
        let rig = Rig { world, relay, events, plan, local, ends, sequence: 0, ssrc: SSRC };
        rig.apply();
        Some(rig)
    }

    /// Puts the plan into force, and returns when it is: commands are served in their order, and one
    /// for a stream that does not exist is counted.
    fn apply(&self) {
        let plan = Box::new(self.plan.clone());
        self.relay.command(MediaCommand::Apply { id: ID, plan }).unwrap();
        let before = self.relay.statistics().unknown_streams;
        self.relay.command(MediaCommand::Release { id: MediaId(99) }).unwrap();
        self.until("the plan is in force", || self.relay.statistics().unknown_streams > before);
    }

    /// Where an end sends to: the relay's address on its own network.
    fn relay_at(&self, end: End) -> SocketAddr {
        let v6 = self.local[0].rtp.is_ipv6();
        SocketAddr::new(end.addresses(v6).1, self.local[end as usize].rtp.port())
    }

    fn end(&self, end: End) -> &UdpSocket {
        &self.ends[end as usize]
    }

    /// Sends one packet and waits for it on the other side.
    fn pass(&mut self, from: End, to: End) {
        let packet = self.packet();
        self.end(from).send_to(&packet, self.relay_at(from)).unwrap();
        let mut buffer = [0; 2048];
        let (length, source) = receive(self.end(to), &mut buffer).expect("the packet arrives");
        assert_eq!(&buffer[..length], packet, "nothing is changed");
        assert_eq!(source, self.relay_at(to), "it comes from the relay");
    }

    fn packet(&mut self) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        rtp(self.sequence, self.ssrc)
    }

    /// Passes packets both ways until the kernel forwards them.
    fn become_fast(&mut self) {
        let begin = now();
        while self.relay.statistics().fast_streams < 2 {
            assert!(now() - begin < DEADLINE, "{:?}", self.relay.statistics());
            self.pass(End::Caller, End::Callee);
            self.pass(End::Callee, End::Caller);
        }
    }

    fn fast_packets(&self) -> u64 {
        self.relay.statistics().fast_packets
    }

    /// Waits until the relay has read the kernel's notes of `count` packets.
    fn until_counted(&self, count: u64) {
        self.until("packets are counted", || self.fast_packets() >= count);
    }

    fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begin = now();
        while !holds() {
            assert!(now() - begin < DEADLINE, "{what}: {:?}", self.relay.statistics());
            std::thread::yield_now();
        }
    }

    fn release(&self) -> [QualityReport; 2] {
        self.relay.command(MediaCommand::Release { id: ID }).unwrap();
        let mut reports = Vec::new();
        while reports.len() < 2 {
            if let MediaEvent::Report(report) = self.events.recv_timeout(DEADLINE).unwrap()
                && report.kind == ReportKind::Final
            {
                reports.push(*report);
            }
        }
        reports.try_into().unwrap()
    }
}

/// Written past the harness, which would keep it to itself when the test passes.
fn skip(reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

#[expect(clippy::disallowed_methods, reason = "the test's own clock")]
fn now() -> Instant {
    Instant::now()
}

fn leg(remote: SocketAddr) -> LegPlan {
    LegPlan {
        remote_rtp: Some(remote),
        remote_rtcp: Some(remote),
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: false,
        codecs: vec![CodecMapping {
            payload_type: 0,
            codec: Codec::Pcmu,
            clock_rate: 8_000,
            packet_duration: Duration::from_millis(20),
        }],
        telephone_event: Some(101),
        xr: model::XrWishes::default(),
        security: model::LegSecurity::Plain,
        ice: None,
    }
}

fn rtp(sequence: u16, ssrc: u32) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 160;
    let header = RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc };
    let mut packet = header.to_bytes().to_vec();
    // An odd length: the last octet of a checksum stands alone.
    packet.resize(171, sequence as u8);
    packet
}

fn passes_both_ways(v6: bool, verified: bool) {
    let Some(mut rig) = Rig::new(v6) else { return };
    if verified {
        rig.world.verify_checksums();
    }
    rig.become_fast();
    let before = rig.fast_packets();
    for round in 1..=5 {
        // No more than a ring takes between two turns of the worker.
        for _ in 0..40 {
            rig.pass(End::Caller, End::Callee);
            rig.pass(End::Callee, End::Caller);
        }
        rig.until_counted(before + round * 80);
    }
    assert_eq!(rig.world.wrong_checksums(End::Caller), 0);
    assert_eq!(rig.world.wrong_checksums(End::Callee), 0);
    let sent = u64::from(rig.sequence) / 2;
    let reports = rig.release();
    for report in reports {
        assert_eq!(report.received.rtp_packets, sent, "{:?}", report.leg);
        assert_eq!(report.sent.rtp_packets, sent);
        assert_eq!(report.received.rtp_bytes, sent * 171);
        // Each end numbers every other packet.
        assert_eq!(report.received.loss.expected, sent * 2 - 1);
    }
    let statistics = rig.relay.statistics();
    assert_eq!((statistics.fast_streams, statistics.unmeasured_packets), (0, 0));
    assert_eq!(statistics.rtp_packets, sent * 2);
}

#[test]
fn the_kernel_forwards_ipv4_both_ways() {
    passes_both_ways(false, false);
}

#[test]
fn the_kernel_forwards_ipv6_both_ways() {
    passes_both_ways(true, false);
}

#[test]
fn every_checksum_of_ipv4_is_right() {
    passes_both_ways(false, true);
}

#[test]
fn every_checksum_of_ipv6_is_right() {
    passes_both_ways(true, true);
}

#[test]
fn what_user_space_must_see_reaches_it_while_the_stream_is_fast() {
    let Some(mut rig) = Rig::new(false) else { return };
    rig.become_fast();
    let to = rig.relay_at(End::Caller);

    // RTCP on the RTP port.
    let mut report = Vec::new();
    write_receiver_report(&mut report, 7, &[]);
    rig.end(End::Caller).send_to(&report, to).unwrap();
    let mut buffer = [0; 2048];
    let (got, _) = receive(rig.end(End::Callee), &mut buffer).unwrap();
    assert_eq!(buffer[..got], report);

    // A header extension: still forwarded, by the sockets.
    let mut extended = rig.packet();
    extended[0] |= 0x10;
    extended.splice(12..12, [0xbe, 0xde, 0, 0]);
    let before = rig.relay.statistics().rtp_packets;
    rig.end(End::Caller).send_to(&extended, to).unwrap();
    let (got, _) = receive(rig.end(End::Callee), &mut buffer).unwrap();
    assert_eq!(buffer[..got], extended);
    rig.until("it is counted", || rig.relay.statistics().rtp_packets > before);

    // A stranger on the same host, with the stream's own SSRC and numbers.
    let stranger = rig.world.socket(End::Caller, "198.18.1.3:0");
    let forged = rig.packet();
    for _ in 0..20 {
        stranger.send_to(&forged, to).unwrap();
    }
    rig.until("they are refused", || rig.relay.statistics().dropped(DropReason::WrongSource) == 20);
    // The next packet at the callee is the caller's.
    rig.pass(End::Caller, End::Callee);
    let [a, _] = rig.release();
    assert_eq!(a.received.wrong_source, 20);
    assert_eq!(a.received.rtcp_packets, 1);
}

#[test]
fn events_that_are_converted_reach_user_space_and_the_audio_beside_them_stays_fast() {
    let Some(mut rig) = Rig::new(false) else { return };
    rig.plan.dtmf[0] = DtmfConversion::EventsToSignalling;
    rig.apply();
    rig.become_fast();
    let sent = u64::from(rig.sequence);
    rig.until("all before is counted", || rig.relay.statistics().rtp_packets == sent);
    let before = rig.fast_packets();
    for flags in [0, 0, 0x80, 0x80, 0x80] {
        let mut event = rig.packet();
        event.truncate(12);
        event[1] = 101;
        event.extend([5, flags, 3, 0]);
        rig.end(End::Caller).send_to(&event, rig.relay_at(End::Caller)).unwrap();
    }
    rig.until("they are taken", || rig.relay.statistics().dropped(DropReason::Replaced) == 5);
    // The next packet at the callee is audio.
    rig.pass(End::Caller, End::Callee);
    rig.until_counted(before + 1);
}

#[test]
fn what_is_too_long_for_some_way_goes_through_the_sockets() {
    let Some(mut rig) = Rig::new(false) else { return };
    rig.become_fast();
    let sent = u64::from(rig.sequence);
    rig.until("all before is counted", || rig.relay.statistics().rtp_packets == sent);
    let mut buffer = [0; 2048];
    for (octets, is_fast) in [(1_252, true), (1_253, false), (1_900, false)] {
        let before = rig.relay.statistics();
        let mut long = rig.packet();
        long.resize(octets, 1);
        rig.end(End::Caller).send_to(&long, rig.relay_at(End::Caller)).unwrap();
        let (length, _) = receive(rig.end(End::Callee), &mut buffer).unwrap();
        assert_eq!(buffer[..length], long);
        rig.until("it is counted", || rig.relay.statistics().rtp_packets > before.rtp_packets);
        let fast = rig.fast_packets() - before.fast_packets;
        assert_eq!(fast, u64::from(is_fast), "{octets} octets");
    }
}

#[test]
fn hold_stops_the_kernel_and_resume_starts_it_again_without_a_seam() {
    let Some(mut rig) = Rig::new(false) else { return };
    rig.become_fast();
    rig.pass(End::Caller, End::Callee);
    rig.plan.legs[0].accepts_from = false;
    rig.apply();
    let held = rig.packet();
    rig.end(End::Caller).send_to(&held, rig.relay_at(End::Caller)).unwrap();
    rig.until("it is withheld", || rig.relay.statistics().dropped(DropReason::NotAccepted) == 1);
    rig.plan.legs[0].accepts_from = true;
    rig.apply();
    rig.become_fast();
    rig.pass(End::Caller, End::Callee);
    let sent = u64::from(rig.sequence);
    let reports = rig.release();
    let received = reports.each_ref().map(|report| report.received.rtp_packets);
    assert_eq!(received[0] + received[1], sent, "the withheld one is received too");
    assert_eq!(reports[0].received.duplicated + reports[1].received.duplicated, 0);
}

#[test]
fn another_synchronisation_source_is_seen_by_user_space_first() {
    let Some(mut rig) = Rig::new(false) else { return };
    rig.become_fast();
    rig.ssrc = 8;
    rig.pass(End::Caller, End::Callee);
    rig.until("the sockets carry it", || rig.relay.statistics().fast_streams == 1);
    rig.become_fast();
    let before = rig.fast_packets();
    rig.pass(End::Caller, End::Callee);
    rig.until_counted(before + 1);
    let sent = u64::from(rig.sequence);
    let reports = rig.release();
    let received = reports.map(|report| report.received.rtp_packets);
    assert_eq!(received[0] + received[1], sent);
}

#[test]
fn a_burst_beyond_the_ring_goes_through_the_sockets_and_all_of_it_is_counted() {
    let Some(mut rig) = Rig::new(false) else { return };
    rig.become_fast();
    let before = rig.fast_packets();
    let to = rig.relay_at(End::Caller);
    for _ in 0..120 {
        let packet = rig.packet();
        rig.end(End::Caller).send_to(&packet, to).unwrap();
    }
    let mut buffer = [0; 2048];
    for _ in 0..120 {
        receive(rig.end(End::Callee), &mut buffer).expect("each arrives");
    }
    rig.until_counted(before + 1);
    let sent = u64::from(rig.sequence);
    let received = rig.release().map(|report| report.received.rtp_packets);
    assert_eq!(received[0] + received[1], sent);
    assert_eq!(rig.relay.statistics().unmeasured_packets, 0);
}

#[test]
fn processors_that_handle_one_stream_at_once_lose_no_count() {
    let Some(mut rig) = Rig::new(false) else { return };
    rig.become_fast();
    let to = rig.relay_at(End::Caller);
    let (senders, rounds, each) = (2_u16, 60, 10_u16);
    let first = rig.sequence + 1;
    let callee = rig.end(End::Callee);
    for round in 0..rounds {
        // A virtual cable handles a packet on its sender's processor.
        std::thread::scope(|scope| {
            for sender in 0..senders {
                let socket = rig.end(End::Caller).try_clone().unwrap();
                let begin = first + (round * senders + sender) * each;
                scope.spawn(move || {
                    for sequence in begin..begin + each {
                        socket.send_to(&rtp(sequence, SSRC), to).unwrap();
                    }
                });
            }
        });
        let mut buffer = [0; 2048];
        for _ in 0..senders * each {
            receive(callee, &mut buffer).expect("each arrives");
        }
    }
    let sent = u64::from(rounds * senders * each);
    let before = u64::from(first - 1);
    let reports = rig.release();
    let received = reports.each_ref().map(|report| report.received.rtp_packets);
    assert_eq!(received[0] + received[1], before + sent);
    assert_eq!(reports[0].received.duplicated, 0);
    assert_eq!(reports[1].sent.rtp_packets, received[0]);
    assert_eq!(rig.relay.statistics().unmeasured_packets, 0);
}

#[test]
fn two_relays_share_an_interface_and_leave_it_clean() {
    let Some(world) = World::new() else { return };
    let Some(mut one) = Rig::within(world, false, "10000-10998") else { return };
    let mut config = RelayConfig::new(vec!["198.18.1.1".parse().unwrap()], 20_000..=20_998);
    config.fast_path = FastPathMode::Required;
    let sink: EventSink = Arc::new(|_| {});
    let other = one.world.at_the_relay(|| Relay::start(config, Clock::new(now()), sink)).unwrap();
    assert_eq!(programs(&one.world), 2);
    one.become_fast();
    for _ in 0..20 {
        one.pass(End::Caller, End::Callee);
    }
    other.shutdown();
    until_programs(&one.world, 1);
    one.pass(End::Caller, End::Callee);
    let Rig { world, relay, .. } = one;
    relay.shutdown();
    until_programs(&world, 0);
}

/// Programs at the ingress of the relay's interface towards the caller.
fn programs(world: &World) -> usize {
    world.at_the_relay(|| {
        let ingress = aya::programs::TcAttachType::Ingress;
        aya::programs::SchedClassifier::query_tcx("eth-caller", ingress).unwrap().1.len()
    })
}

/// A program goes with the last descriptor of its link, which a child of this process may hold for
/// the moment between its fork and its exec.
fn until_programs(world: &World, count: usize) {
    let begin = now();
    while programs(world) != count {
        assert!(now() - begin < DEADLINE, "{} programs are left", programs(world));
        std::thread::yield_now();
    }
}

#[test]
fn a_cable_that_comes_back_is_fast_again() {
    let Some(mut rig) = Rig::new(false) else { return };
    rig.become_fast();
    assert_eq!(rig.relay.statistics().fast_interfaces, 2);
    rig.world.unplug(End::Callee).unwrap();
    rig.until("the loss is seen", || rig.relay.statistics().fast_interfaces == 1);
    rig.world.plug_in(End::Callee).unwrap();
    rig.until("it is attached again", || rig.relay.statistics().fast_interfaces == 2);
    // Between the two only the sockets could have carried audio; now the kernel does again.
    rig.until("the routes are known anew", || rig.relay.statistics().fast_streams == 2);
    let before = rig.fast_packets();
    while rig.fast_packets() < before + 20 {
        rig.pass(End::Caller, End::Callee);
        rig.pass(End::Callee, End::Caller);
    }
}
