//! Relays compared under the same load: `media-load [--rates PPS,…] [--seconds N] [--rounds N]
//! [--relays direct,kernel,rtpengine,tandem[:ebpf|:GATHER_MICROS],…] [--srtp SUITE[:both]] [--loopback]
//! [--climb] [--output FILE]`.
//!
//! See `bench/README.md` for what the columns mean.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![expect(clippy::disallowed_methods, reason = "it paces itself")]

use edge_bench::cpu;
use edge_bench::ends::{Ends, PACKETS_A_SECOND, Received, Window, receive, send, wall_nanos};
use edge_bench::network::{Network, pin};
use edge_bench::relays::{ENDS_CORE, Relay, Rtpengine, Tandem};
use edge_bench::srtp::Srtp;
use serde_json::{Value, json};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What comes before the measured time: relays learn sources, caches fill.
const WARM_UP: Duration = Duration::from_secs(3);
/// For packets that are still under way at the end.
const DRAIN: Duration = Duration::from_millis(300);
/// Where the search for the highest clean rate begins, and how close it comes.
const CLIMB: [u64; 2] = [25_000, 5_000];
/// What is clean: at most so much lost, so late (µs, of 99 % of the packets), and so little less sent
/// than offered. A queue that only grows loses nothing for a while; its delay tells.
const CLEAN_LOSS: f64 = 0.001;
const CLEAN_P99: usize = 20_000;
const CLEAN_SENT: f64 = 0.98;

#[derive(Clone)]
struct Options {
    rates: Vec<u64>,
    seconds: u64,
    rounds: usize,
    relays: Vec<String>,
    loopback: bool,
    climb: bool,
    srtp: Option<Srtp>,
    output: Option<String>,
}

struct Measured {
    relay: String,
    rate: u64,
    sent: u64,
    received: Received,
    cpu: Cpu,
    bytes_per_call: Option<u64>,
}

/// What was used within the measured time.
#[derive(Clone, Copy, Debug)]
struct Cpu {
    /// The relay's process.
    relay: Duration,
    /// Relay, ends and the kernel's softirq threads. Packets are delivered in the context of who
    /// sends, so this is all that the traffic costs, whatever else the machine does.
    traffic: Duration,
}

impl Cpu {
    fn until_now(pid: Option<u32>) -> std::io::Result<Cpu> {
        let relay = pid.map_or(Ok(Duration::ZERO), cpu::of_process)?;
        let traffic = relay + cpu::of_this_process() + cpu::of_kernel_softirqs()?;
        Ok(Cpu { relay, traffic })
    }

    fn since(self, before: Cpu) -> Cpu {
        Cpu {
            relay: self.relay.saturating_sub(before.relay),
            traffic: self.traffic.saturating_sub(before.traffic),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    if cpu::cores() > 1 {
        pin(ENDS_CORE);
    }
    let network = if options.loopback { Network::loopback() } else { Network::namespaces()? };
    let mut rows = Vec::new();
    for &rate in &options.rates {
        let mut measured = Vec::new();
        // Interleaved, so that a disturbance does not hit one relay alone.
        for _ in 0..options.rounds {
            for relay in &options.relays {
                let result = measure(&network, relay, rate, &options)?;
                eprintln!(
                    "  {relay} @{rate}: {} of {} arrived, {:?}",
                    result.received.packets, result.sent, result.cpu
                );
                measured.push(result);
            }
        }
        rows.extend(summarise(&options.relays, rate, options.seconds, &measured));
    }
    if let Some(srtp) = &options.srtp {
        println!("SRTP: {srtp}");
    }
    print_table(&rows);
    if options.climb {
        rows.extend(climb(&network, &options)?);
    }
    if let Some(path) = &options.output {
        std::fs::write(path, serde_json::to_string_pretty(&rows)? + "\n")?;
    }
    Ok(())
}

/// The highest rate that each relay carries cleanly, one row a relay.
fn climb(network: &Network, options: &Options) -> Result<Vec<Value>, Box<dyn Error>> {
    println!("Highest clean rate (99 % within 20 ms, at most 0.1 % lost)");
    let mut rows = Vec::new();
    for relay in options.relays.iter().filter(|relay| *relay != "direct") {
        let [begin, step] = CLIMB;
        let (mut clean, mut foul, mut rate) = (0, None, begin);
        let mut starved = false;
        while foul.is_none_or(|foul| foul - clean > step) {
            let result = measure(network, relay, rate, &Options { seconds: 2, ..options.clone() })?;
            let share = result.sent as f64 / (rate * 2) as f64;
            let loss = 1.0 - result.received.packets as f64 / result.sent.max(1) as f64;
            let is_clean = loss <= CLEAN_LOSS && result.received.delay(990) <= CLEAN_P99;
            eprintln!(
                "  {relay} @{rate}: {loss:.4} lost, {share:.2} of it sent, clean: {is_clean}"
            );
            if is_clean && share >= CLEAN_SENT {
                clean = rate;
            } else {
                // What was sent was carried: the end is the generator's.
                starved = is_clean;
                foul = Some(rate);
            }
            rate = foul.map_or(rate * 2, |foul| clean + (foul - clean) / 2);
        }
        let bound = if starved { " or more: the generator has no core left" } else { "" };
        println!("{clean:>9} {relay}{bound}");
        rows.push(json!({ "relay": relay, "highest_clean": clean, "is_generators_end": starved }));
    }
    Ok(rows)
}

fn measure(
    network: &Network,
    name: &str,
    rate: u64,
    options: &Options,
) -> Result<Measured, Box<dyn Error>> {
    let calls = (rate / PACKETS_A_SECOND / 2).max(1) as usize;
    let ends = Ends::open(network)?;
    let mut relay: Option<Box<dyn Relay>> = match name.split_once(':').unwrap_or((name, "sockets"))
    {
        ("direct" | "kernel", _) => None,
        ("rtpengine", _) => Some(Box::new(Rtpengine::start(network, options.srtp)?)),
        ("tandem", path) => Some(Box::new(Tandem::start(network, path, options.srtp)?)),
        (other, _) => return Err(format!("no relay is called {other:?}").into()),
    };
    let mut bytes_per_call = None;
    let (sink, destinations) = if let Some(relay) = &mut relay {
        let before = cpu::memory_kib(relay.pid())?;
        let destinations = (0..calls)
            .map(|call| relay.open(call, ends.addresses))
            .collect::<Result<Vec<_>, _>>()?;
        let grown = cpu::memory_kib(relay.pid())?.saturating_sub(before);
        bytes_per_call = Some(grown * 1024 / calls as u64);
        (None, destinations)
    } else {
        let sink = match name {
            "kernel" => Ends::open_behind(network)?,
            _ => Ends::open_at_the_relay(network)?,
        };
        let destinations = vec![sink.addresses; calls];
        (Some(sink), destinations)
    };
    let pid = relay.as_ref().map(|relay| relay.pid());
    let load = Load { ends: &ends, sink: sink.as_ref().unwrap_or(&ends), srtp: options.srtp };
    let load = load.run(&destinations, options.seconds, pid)?;
    let (sent, received, cpu) = load;
    Ok(Measured { relay: name.to_owned(), rate, sent, received, cpu, bytes_per_call })
}

struct Load<'a> {
    ends: &'a Ends,
    sink: &'a Ends,
    srtp: Option<Srtp>,
}

impl Load<'_> {
    /// Packets sent, what arrived, and what it took.
    fn run(
        &self,
        destinations: &[[SocketAddr; 2]],
        seconds: u64,
        pid: Option<u32>,
    ) -> Result<(u64, Received, Cpu), Box<dyn Error>> {
        let from = wall_nanos() + WARM_UP.as_nanos() as u64;
        let window = Window { from, until: from + seconds * 1_000_000_000 };
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let receiver = scope.spawn(|| receive(self.sink, &window, &stop, self.srtp));
            let sender = scope.spawn(|| send(self.ends, destinations, &window, self.srtp));
            std::thread::sleep(WARM_UP);
            let before = Cpu::until_now(pid)?;
            std::thread::sleep(Duration::from_secs(seconds));
            let used = Cpu::until_now(pid)?.since(before);
            let sent = sender.join().map_err(|_| "the sender failed")?;
            std::thread::sleep(DRAIN);
            stop.store(true, Ordering::Relaxed);
            let received = receiver.join().map_err(|_| "the receiver failed")?;
            Ok((sent, received, used))
        })
    }
}

/// One row a relay: the medians over the rounds.
fn summarise(relays: &[String], rate: u64, seconds: u64, measured: &[Measured]) -> Vec<Value> {
    let seconds = seconds.max(1) as f64;
    let of = |relay: &str, value: &dyn Fn(&Measured) -> f64| {
        median(measured.iter().filter(|m| m.relay == relay).map(value).collect())
    };
    let per_packet = |time: Duration, m: &Measured| time.as_nanos() as f64 / m.sent.max(1) as f64;
    let traffic = |m: &Measured| per_packet(m.cpu.traffic, m);
    let process = |m: &Measured| per_packet(m.cpu.relay, m);
    let net = |relay: &str| of(relay, &traffic) - of("direct", &traffic);
    let direct = |value: &dyn Fn(&Measured) -> f64| of("direct", value);
    let mut rows = Vec::new();
    for relay in relays {
        let delay = |per_mille| move |m: &Measured| m.received.delay(per_mille) as f64;
        let loss = |m: &Measured| 1.0 - m.received.packets as f64 / m.sent.max(1) as f64;
        let peer = relays.iter().any(|r| r == "rtpengine") && relay.starts_with("tandem");
        rows.push(json!({
            "relay": relay,
            "rate": rate,
            "streams": rate / PACKETS_A_SECOND,
            "net_cores": net(relay) * of(relay, &|m| m.sent as f64) / seconds / 1e9,
            "sent": of(relay, &|m| m.sent as f64),
            "net_ns_per_packet": net(relay),
            "net_ratio": peer.then(|| net(relay) / net("rtpengine")),
            "process_ns_per_packet": of(relay, &process),
            "process_ratio": peer.then(|| of(relay, &process) / of("rtpengine", &process)),
            "loss": of(relay, &loss),
            "added_p50_us": of(relay, &delay(500)) - direct(&delay(500)),
            "added_p99_us": of(relay, &delay(990)) - direct(&delay(990)),
            "bytes_per_call": of(relay, &|m| m.bytes_per_call.unwrap_or(0) as f64),
            "rounds": measured.iter().filter(|m| m.relay == *relay && m.rate == rate).count(),
        }));
    }
    rows
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn print_table(rows: &[Value]) {
    println!("Relaying 172-byte RTP, CPU per packet and added delay (x rtpengine in this run)");
    println!(
        "{:>8} {:>7} {:14} {:>9} {:>16} {:>16} {:>8} {:>18} {:>8}",
        "packets/s",
        "streams",
        "relay",
        "net cores",
        "net ns",
        "process ns",
        "lost",
        "added p50/p99 µs",
        "KiB/call"
    );
    for row in rows {
        let number = |key: &str| row[key].as_f64().unwrap_or(0.0);
        let with_ratio = |value: &str, ratio: &str| match row[ratio].as_f64() {
            Some(ratio) => format!("{:.0} ({ratio:.2}x)", number(value)),
            None => format!("{:.0}", number(value)),
        };
        println!(
            "{:>9} {:>7} {:14} {:>9.2} {:>16} {:>16} {:>7.3}% {:>18} {:>8.1}",
            number("rate"),
            number("streams"),
            row["relay"].as_str().unwrap_or_default(),
            number("net_cores"),
            with_ratio("net_ns_per_packet", "net_ratio"),
            with_ratio("process_ns_per_packet", "process_ratio"),
            number("loss") * 100.0,
            format!("{:.0} / {:.0}", number("added_p50_us"), number("added_p99_us")),
            number("bytes_per_call") / 1024.0,
        );
    }
}

/// What cannot run on loopback: it has no fast path, and the kernel routes nothing there.
fn needs_namespaces(relay: &str) -> bool {
    matches!(relay, "kernel" | "tandem:ebpf")
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        rates: vec![25_000, 50_000, 100_000, 200_000],
        seconds: 5,
        rounds: 1,
        relays: ["direct", "kernel", "rtpengine", "tandem", "tandem:ebpf"]
            .map(str::to_owned)
            .to_vec(),
        loopback: false,
        climb: false,
        srtp: None,
        output: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--loopback" => {
                options.loopback = true;
                continue;
            }
            "--climb" => {
                options.climb = true;
                continue;
            }
            _ => {}
        }
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--rates" => {
                options.rates = value.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            "--seconds" => options.seconds = value.parse()?,
            "--rounds" => options.rounds = value.parse::<usize>()?.max(1),
            "--relays" => options.relays = value.split(',').map(str::to_owned).collect(),
            "--srtp" => options.srtp = Some(value.parse()?),
            "--output" => options.output = Some(value),
            other => return Err(format!("{other} is not understood").into()),
        }
    }
    // The keys are the process's, and the kernel's own forwarding would pass SRTP unread.
    let is_left_out =
        |relay: &String| (options.loopback || options.srtp.is_some()) && needs_namespaces(relay);
    let (out, relays): (Vec<String>, _) = options.relays.iter().cloned().partition(is_left_out);
    for relay in out {
        eprintln!("{relay} is left out: it has no SRTP and needs network namespaces");
    }
    options.relays = relays;
    Ok(options)
}
