//! What the metrics of a minute cost: 5,000 concurrent calls report on both legs, and the minute is
//! closed and written. First by themselves, then beside a relay that forwards packets, to see what
//! they add to its delays.
//!
//! ```text
//! minute-flush [--calls 5000] [--connectors 10] [--minutes 5] [--seconds 10] [--output FILE]
//! ```
#![expect(clippy::print_stdout, reason = "a command line tool")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use call_metrics::{METRIC_DATA_PATH, Recorder, RecorderConfig};
use edge_bench::allocations::{Counting, allocated};
use edge_bench::cpu;
use edge_bench::ends::{Ends, Received, Window, receive, send, wall_nanos};
use edge_bench::network::{Network, pin};
use edge_bench::relays::{ENDS_CORE, Relay, Tandem};
use model::{
    CallDirection, CallEvent, CallEventKind, CallParties, Codec, Codecs, Instant as At, LegSide,
    LossCounts, MediaId, Mos, PeerView, QualityReport, ReceivedView, ReportKind, SentView,
    TransactionId, UnixTime, VoiceConnectorId,
};
use serde_json::{Value, json};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls that the relay forwards meanwhile: 10,000 packets a second.
const RELAYED: usize = 100;
/// Time for the relay to latch before packets count.
const WARM_UP: Duration = Duration::from_secs(2);

struct Options {
    calls: usize,
    connectors: usize,
    minutes: u64,
    seconds: u64,
    output: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let alone = alone(&options)?;
    let [quiet, beside] = [false, true].map(|flushes| beside_a_relay(&options, flushes));
    let result = json!({ "alone": alone, "quiet": quiet?, "beside": beside? });
    if let Some(file) = options.output {
        std::fs::write(file, serde_json::to_string_pretty(&result)?)?;
    }
    Ok(())
}

/// A recorder whose calls have all begun, and the minute that it is in.
struct Calls {
    recorder: Recorder,
    ids: Vec<TransactionId>,
    minute: u64,
    /// A multiplier of a linear congruence, so that values differ and every run is the same.
    state: u64,
}

/// What a minute came to.
#[derive(Default)]
struct Written {
    lines: usize,
    octets: usize,
}

impl Calls {
    fn begin(options: &Options) -> Result<Calls, Box<dyn Error>> {
        let origin = UnixTime::from_millis(1_800_000_000_000);
        let mut config = RecorderConfig::new("bench", "us-east-1", "111122223333", origin);
        config.max_records = usize::MAX;
        let mut calls =
            Calls { recorder: Recorder::new(config), ids: Vec::new(), minute: 0, state: 1 };
        for call in 0..options.calls {
            let id = TransactionId::from_random(call as u128 + 1);
            let parties = parties(call % options.connectors)?;
            let kind = CallEventKind::Attempted { parties };
            let at = At::from_millis(1);
            calls.recorder.handle_call_event(CallEvent { transaction_id: id, at, kind });
            calls.ids.push(id);
        }
        Ok(calls)
    }

    /// A number below `bound`.
    fn number(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 33) % bound
    }

    /// Both legs of all calls report.
    fn report(&mut self) {
        for at in 0..self.ids.len() {
            let id = self.ids[at];
            for leg in LegSide::BOTH {
                let (jitter, rtt, mos) =
                    (self.number(20_000), 5_000 + self.number(200_000), self.number(340));
                let report = report(id, at as u64, leg, self.minute, [jitter, rtt, mos]);
                self.recorder.handle_quality(report);
            }
        }
    }

    /// Closes the minute; what was written for CloudWatch.
    fn flush(&mut self) -> Written {
        self.minute += 1;
        self.recorder.handle_timeout(At::from_millis(self.minute * 60_000 + 2_000));
        let mut written = Written::default();
        while let Some((record, _)) = self.recorder.poll_record() {
            if record.path.as_str() == METRIC_DATA_PATH {
                written.lines += 1;
                written.octets += record.body.len();
            }
        }
        written
    }
}

/// The recorder with nothing beside it.
fn alone(options: &Options) -> Result<Value, Box<dyn Error>> {
    let before = cpu::memory_kib(std::process::id())?;
    let mut calls = Calls::begin(options)?;
    calls.report();
    let memory = cpu::memory_kib(std::process::id())?.saturating_sub(before);
    calls.flush();
    let mut best = (Duration::MAX, Duration::MAX);
    let (mut written, mut bytes) = (Written::default(), 0);
    for _ in 0..options.minutes {
        let begin = cpu::of_this_process();
        calls.report();
        let reported = cpu::of_this_process();
        let allocated_before = allocated().bytes;
        written = calls.flush();
        bytes = allocated().bytes - allocated_before;
        let flush = cpu::of_this_process().saturating_sub(reported);
        best = (best.0.min(reported.saturating_sub(begin)), best.1.min(flush));
    }
    let reports = best.0.as_nanos() as f64 / (2 * options.calls) as f64;
    let flush = best.1.as_secs_f64() * 1_000.0;
    println!("{} calls of {} voice connectors", options.calls, options.connectors);
    println!("  taking a report in     {reports:10.0} ns (with page, media log and series)");
    println!("  closing the minute     {flush:10.2} ms of CPU, {} KiB allocated", bytes / 1_024);
    println!("  written                {:10} lines, {} KiB", written.lines, written.octets / 1_024);
    println!("  memory of the recorder {memory:10} KiB");
    Ok(json!({
        "calls": options.calls, "connectors": options.connectors, "report_ns": reports,
        "flush_ms": flush, "flush_allocated_bytes": bytes, "lines": written.lines,
        "octets": written.octets, "memory_kib": memory,
    }))
}

/// Delays of packets through a relay, while minutes are closed every second or not.
fn beside_a_relay(options: &Options, flushes: bool) -> Result<Value, Box<dyn Error>> {
    let network = Network::loopback();
    let ends = Ends::open(&network)?;
    let mut relay = Tandem::start(&network, "sockets", None)?;
    let destinations =
        (0..RELAYED).map(|call| relay.open(call, ends.addresses)).collect::<Result<Vec<_>, _>>()?;
    let mut calls = Calls::begin(options)?;
    let from = wall_nanos() + WARM_UP.as_nanos() as u64;
    let window = Window { from, until: from + options.seconds * 1_000_000_000 };
    let (stop, flushed) = (AtomicBool::new(false), AtomicU64::new(0));
    let received = std::thread::scope(|scope| -> std::thread::Result<Received> {
        scope.spawn(|| {
            while flushes && !stop.load(Ordering::Relaxed) {
                let begin = Instant::now();
                calls.report();
                calls.flush();
                flushed.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_secs(1).saturating_sub(begin.elapsed()));
            }
        });
        let receiver = scope.spawn(|| {
            pin(ENDS_CORE);
            receive(&ends, &window, &stop, None)
        });
        let sender = scope.spawn(|| {
            pin(ENDS_CORE);
            send(&ends, &destinations, &window, None)
        });
        let sent = sender.join();
        std::thread::sleep(Duration::from_millis(100));
        stop.store(true, Ordering::Relaxed);
        sent.and_then(|_| receiver.join())
    });
    let received = received.map_err(|_| "a thread of the load panicked")?;
    let delays = [500, 990, 999].map(|per_mille| received.delay(per_mille));
    let flushed = flushed.into_inner();
    println!(
        "{} packets through a relay, {flushed} minutes closed meanwhile: p50 {} µs, p99 {} µs, \
         p99.9 {} µs",
        received.packets, delays[0], delays[1], delays[2]
    );
    Ok(json!({ "packets": received.packets, "minutes": flushed, "delays_us": delays }))
}

fn parties(connector: usize) -> Result<Arc<CallParties>, Box<dyn Error>> {
    let id = format!("abcdef1ghij2klmno3p{connector:03}");
    Ok(Arc::new(CallParties {
        direction: CallDirection::Outbound,
        voice_connector: VoiceConnectorId::new(&id).map_err(|_| "at most 1,000 connectors")?,
        from_user: "+12065550100".into(),
        from_country: "US",
        to_user: "+13125550199".into(),
        to_country: "US",
        call_id: "bench@example.com".into(),
        carrier: None,
        emergency: None,
        source: "127.0.0.3:5070".parse()?,
        sip_auth_user: None,
        proxy: None,
        log_sip_messages: true,
        log_media_metrics: true,
    }))
}

/// A report of a leg's minute with this jitter and round trip in µs and this MOS over 1, in hundredths.
fn report(
    id: TransactionId,
    call: u64,
    leg: LegSide,
    minute: u64,
    [jitter, rtt, mos]: [u64; 3],
) -> QualityReport {
    let packets = (minute + 1) * 3_000;
    let jitter = Duration::from_micros(jitter);
    let mos = Some(Mos::new(1.0 + mos as f64 / 100.0));
    QualityReport {
        id: MediaId(call),
        transaction_id: id,
        line: Default::default(),
        leg,
        at: At::from_millis(minute * 60_000 + call % 60_000),
        kind: ReportKind::Interval,
        codecs: Codecs { received: Some(Codec::Pcmu), transcoded: None },
        received: ReceivedView {
            rtp_packets: packets,
            rtp_bytes: packets * 172,
            loss: LossCounts { expected: packets, lost: 3 },
            interval_loss: LossCounts { expected: 3_000, lost: 0 },
            jitter,
            interval_jitter_max: jitter,
            burst_ratio: 1.0,
            ..ReceivedView::default()
        },
        sent: SentView { rtp_packets: packets, rtp_bytes: packets * 172, ..SentView::default() },
        peer: Some(PeerView { packets_lost: 2, jitter, reports: minute + 1 }),
        peer_metrics: None,
        rtt: Some(Duration::from_micros(rtt)),
        mos,
        interval_mos: mos,
        fax: None,
    }
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options =
        Options { calls: 5_000, connectors: 10, minutes: 5, seconds: 10, output: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--calls" => options.calls = value.parse::<usize>()?.max(1),
            "--connectors" => options.connectors = value.parse::<usize>()?.clamp(1, 1_000),
            "--minutes" => options.minutes = value.parse::<u64>()?.max(1),
            "--seconds" => options.seconds = value.parse::<u64>()?.max(1),
            "--output" => options.output = Some(value),
            _ => return Err(format!("{name} is unknown").into()),
        }
    }
    Ok(options)
}
