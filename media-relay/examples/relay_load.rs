//! Loads a relay on loopback and prints what a packet costs, for quick tuning:
//! `cargo run --release -p media-relay --example relay_load -- STREAMS SECONDS GATHER_MICROS`.
//!
//! Each stream carries 50 packets of G.711 a second in each direction. The cost is the CPU time of
//! the worker threads, which on loopback includes delivering to the receiver.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]
#![expect(clippy::unwrap_used, reason = "it ends at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "a load generator reads the clock and paces itself")]

use media_relay::{Clock, DropReason, Relay, RelayConfig};
use model::{
    Codec, CodecMapping, IpFamily, LegPlan, LocalMedia, MediaCommand, MediaEvent, MediaId,
    MediaPlan, TransactionId,
};
use rtp_proto::RtpHeader;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

const PACKETS_PER_SECOND: u64 = 50;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<u64>().unwrap());
    let streams = arguments.next().unwrap_or(250);
    let seconds = arguments.next().unwrap_or(5);
    let gather = Duration::from_micros(arguments.next().unwrap_or(0));

    let origin = Instant::now();
    let mut config = RelayConfig::new(vec![[127, 0, 0, 1].into()], 10_000..=60_000);
    config.gather = gather;
    let (sender, events) = sync_channel(100_000);
    let sink = Arc::new(move |event| sender.send(event).unwrap());
    let relay = Relay::start(config, Clock::new(origin), sink).unwrap();

    let endpoints = [endpoint("127.0.0.2:0"), endpoint("127.0.0.3:0")];
    let memory_before = resident_kib();
    let mut destinations = Vec::new();
    for id in 0..streams {
        let id = MediaId(id);
        let transaction_id = TransactionId::from_random(u128::from(id.0));
        let families = [IpFamily::V4; 2];
        relay
            .command(MediaCommand::Allocate {
                id,
                transaction_id,
                families,
                emergency: false,
                line: Default::default(),
            })
            .unwrap();
        let MediaEvent::Allocated { local, .. } = events.recv().unwrap() else {
            panic!("no ports: raise ulimit -n");
        };
        destinations.push(local);
        let legs = [0, 1].map(|leg: usize| plan(endpoints[leg].local_addr().unwrap()));
        relay.command(MediaCommand::Apply { id, plan: MediaPlan::rtp(legs).into() }).unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let receivers: Vec<_> = endpoints
        .iter()
        .map(|endpoint| {
            let (socket, stop) = (endpoint.try_clone().unwrap(), Arc::clone(&stop));
            std::thread::spawn(move || receive(&socket, origin, &stop))
        })
        .collect();
    let allocated = resident_kib();
    let cpu_before = worker_nanos();
    let sent = send(&endpoints, &destinations, origin, Duration::from_secs(seconds));
    std::thread::sleep(Duration::from_millis(100));
    let cpu = worker_nanos() - cpu_before;
    stop.store(true, Ordering::Relaxed);
    let mut latencies: Vec<u64> =
        receivers.into_iter().flat_map(|receiver| receiver.join().unwrap()).collect();
    latencies.sort_unstable();
    let percentile =
        |p: usize| latencies.get(latencies.len() * p / 100).map_or(0, |nanos| nanos / 1_000);

    let statistics = relay.statistics();
    let drops: u64 = DropReason::ALL.iter().map(|reason| statistics.dropped(*reason)).sum();
    println!(
        "streams {streams}  sent {sent}  forwarded {}  received {}  dropped {drops}  failed {}",
        statistics.rtp_packets,
        latencies.len(),
        statistics.send_failures
    );
    println!(
        "{} packets/s  worker {} ns/packet  latency p50 {} p99 {} µs  {} bytes/stream resident",
        sent / seconds,
        cpu / statistics.rtp_packets.max(1),
        percentile(50),
        percentile(99),
        (allocated - memory_before) * 1024 / streams.max(1)
    );
    relay.shutdown();
}

fn endpoint(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    socket
}

fn plan(remote: SocketAddr) -> LegPlan {
    LegPlan {
        remote_rtp: Some(remote),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
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
        security: model::LegSecurity::Plain,
        ice: None,
    }
}

/// Sends both directions of every stream, spread evenly over each 20 ms; the packets sent.
fn send(
    endpoints: &[UdpSocket; 2],
    streams: &[[LocalMedia; 2]],
    origin: Instant,
    length: Duration,
) -> u64 {
    let ways = streams.len() as u64 * 2;
    let gap = Duration::from_nanos(1_000_000_000 / (PACKETS_PER_SECOND * ways));
    let begin = Instant::now();
    let mut number = 0_u64;
    let mut packet = [0; 172];
    while begin.elapsed() < length {
        let due = begin.elapsed().as_nanos() / gap.as_nanos();
        while u128::from(number) < due {
            let (way, round) = (number % ways, number / ways);
            let leg = (way % 2) as usize;
            let header = RtpHeader {
                payload_type: 0,
                marker: false,
                sequence: round as u16,
                timestamp: round as u32 * 160,
                ssrc: way as u32,
            };
            header.write_header(&mut packet);
            let now = origin.elapsed().as_nanos() as u64;
            packet[12..20].copy_from_slice(&now.to_be_bytes());
            let to = streams[(way / 2) as usize][leg].rtp;
            endpoints[leg].send_to(&packet, to).unwrap();
            number += 1;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    number
}

fn receive(socket: &UdpSocket, origin: Instant, stop: &AtomicBool) -> Vec<u64> {
    let mut latencies = Vec::with_capacity(1 << 20);
    let mut packet = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        if socket.recv(&mut packet).is_ok() {
            let sent = u64::from_be_bytes(*packet[12..].first_chunk().unwrap());
            latencies.push((origin.elapsed().as_nanos() as u64).saturating_sub(sent));
        }
    }
    latencies
}

/// CPU time of the threads named relay-*.
fn worker_nanos() -> u64 {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|task| {
            std::fs::read_to_string(task.join("comm")).is_ok_and(|n| n.starts_with("relay-"))
                && task.file_name().is_some()
        })
        .filter_map(|task| std::fs::read_to_string(task.join("schedstat")).ok())
        .filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
