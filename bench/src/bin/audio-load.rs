//! Calls whose audio is listened to: how many one core carries, and how long it takes to whoever listens.
//!
//! ```text
//! audio-load [--to samples|files|put-media|wav] [--directory FOLDER] [--calls 100,250,500] [--seconds 8]
//!            [--codec pcmu|g722|opus] [--rate 8000|16000] [--output FILE]
//! ```
//!
//! One thread forwards the packets of all calls through the relay's packet path, without sockets, in real time:
//! first with nobody listening, then into the rings that the hub's one thread takes them from. The hub's
//! listener looks at every sample, or is what a node has: fragments into files below `--directory`, fragments
//! over PutMedia to a stand-in in this process, or recordings.
#![expect(clippy::print_stdout, reason = "a command line tool")]
#![expect(
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and sleeps between packets"
)]

use call_audio::{AudioConsumer, ConsumerEnd, DELAY, FRAME, Frame, Opening};
use call_streaming::{Hub, HubConfig, HubStatistics, Openers};
use edge_bench::audio_consumers::{Consumers, Kind};
use edge_bench::cpu;
use edge_bench::listened::{Audio, Calls, unix_micros};
use edge_bench::marks::Marks;
use model::{Codec, ListenedUpdate, Listener, RecordingFormat, RecordingListener};
use serde_json::{Value, json};
use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};
use std::{env, fs};

/// What is wanted: calls of two legs on one core.
const GOAL_CALLS: f64 = 500.0;
/// A frame's delay by design, and two turns of the hub.
const GOAL_FRAME: Duration = DELAY.saturating_add(FRAME).saturating_add(FRAME);
/// From a packet until whoever reads the stream has its fragment.
const GOAL_FRAGMENT: Duration = Duration::from_millis(1_500);
/// Every so many frames its delay is noted.
const SAMPLED: u64 = 16;
/// Before anything counts: what begins with a call is no part of its cost. PutMedia asks for streams no
/// faster than the service allows.
const WARM: Duration = Duration::from_secs(2);
const WARM_AT_MOST: Duration = Duration::from_secs(60);
/// The marks of the last moment may still come.
const LAST: Duration = Duration::from_secs(3);
/// What signs requests to the stand-in, which looks at none of it.
const CREDENTIALS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "bench"), ("AWS_SECRET_ACCESS_KEY", "bench")];

struct Options {
    to: Option<Kind>,
    directory: PathBuf,
    calls: Vec<usize>,
    seconds: u64,
    audio: Audio,
    output: Option<String>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::read(env::args().skip(1))?;
    if options.to == Some(Kind::PutMedia) && env::var_os(CREDENTIALS[0].0).is_none() {
        let mut again = Command::new(env::current_exe()?);
        again.args(env::args_os().skip(1)).envs(CREDENTIALS);
        return Ok(if again.status()?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let name = options.name();
    println!(
        "{name}, {} samples a second, two legs a call, to {}",
        options.audio.rate,
        options.to()
    );
    println!(
        "| calls | packet path alone, ns a packet | listened to | hub | consumer | CPU of a call, of one alone | calls per core | p50/p99, ms | lost |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut rows = Vec::new();
    for calls in &options.calls {
        let alone = run_alone(&options, *calls)?;
        let heard = run(&options, *calls)?;
        rows.push(report(*calls, &alone, &heard));
    }
    if let Some(output) = &options.output {
        let (to, rate) = (options.to(), options.audio.rate);
        let result = json!({ "codec": name, "rate": rate, "to": to, "rows": rows });
        fs::write(output, serde_json::to_vec_pretty(&result)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What one run came to.
#[derive(Default)]
struct Run {
    packets: u64,
    lasted: Duration,
    /// CPU of the thread that forwards, of the hub's, of the consumer's, and of the bench's own.
    forwarding: Duration,
    hub: Duration,
    consumer: Duration,
    bench: Duration,
    statistics: HubStatistics,
    /// Fragments, or recordings, that came and that were lost.
    came_and_lost: [u64; 2],
    /// In order, and what is wanted of them.
    delays_ms: Vec<u64>,
    goal: Duration,
    strange_marks: u64,
}

impl Run {
    fn delay(&self, share: f64) -> u64 {
        let at = (self.delays_ms.len() as f64 * share) as usize;
        self.delays_ms.get(at).copied().unwrap_or_default()
    }
}

fn report(calls: usize, alone: &Run, heard: &Run) -> Value {
    let per_packet =
        |spent: Duration, run: &Run| spent.as_nanos() as f64 / run.packets.max(1) as f64;
    let alone_ns = per_packet(alone.forwarding, alone);
    let [heard_ns, hub_ns, consumer_ns, bench_ns] =
        [heard.forwarding, heard.hub, heard.consumer, heard.bench]
            .map(|cpu| per_packet(cpu, heard));
    let ratio = (heard_ns + hub_ns + consumer_ns) / alone_ns;
    let spent = (heard.hub + heard.consumer).as_secs_f64().max(1e-9);
    let per_core = calls as f64 * heard.lasted.as_secs_f64() / spent;
    let (p50, p99) = (heard.delay(0.5), heard.delay(0.99));
    let [came, dropped] = heard.came_and_lost;
    let lost = heard.statistics.lost_packets;
    let verdict = |is_met: bool| if is_met { "" } else { " MISSED" };
    let delay = match heard.delays_ms.is_empty() {
        true => "-".to_owned(),
        false => {
            let is_met = u128::from(p99) <= heard.goal.as_millis();
            format!("{p50}/{p99}{}", verdict(is_met))
        }
    };
    println!(
        "| {calls} | {alone_ns:.0} | {heard_ns:.0} | {hub_ns:.0} | {consumer_ns:.0} | {ratio:.1}x | {per_core:.0}{} | {delay} | {lost} packets, {dropped} of {came} |",
        verdict(per_core >= GOAL_CALLS),
    );
    json!({
        "calls": calls, "forwarded_ns": alone_ns, "listened_ns": heard_ns, "hub_ns": hub_ns,
        "consumer_ns": consumer_ns, "bench_ns": bench_ns, "cpu_ratio": ratio,
        "calls_per_core": per_core, "delay_p50_ms": p50, "delay_p99_ms": p99,
        "delays": heard.delays_ms.len(), "strange_marks": heard.strange_marks, "lost": lost,
        "came": came, "dropped": dropped, "late": heard.statistics.late_packets,
        "missing_samples": heard.statistics.missing_samples,
        "goal_calls_per_core": GOAL_CALLS, "goal_delay_ms": heard.goal.as_millis() as u64,
    })
}

/// In milliseconds.
type Delays = Arc<Mutex<Vec<u64>>>;

/// Looks at every sample, and at the clock now and then.
struct Ear {
    began: u64,
    rate: u64,
    frames: u64,
    loudest: u16,
    delays: Delays,
}

impl AudioConsumer for Ear {
    fn audio(&mut self, frame: &Frame<'_>) {
        let loudest = frame.samples.iter().map(|sample| sample.unsigned_abs()).max();
        self.loudest = self.loudest.max(loudest.unwrap_or_default());
        self.frames += 1;
        // The first seconds have what came before anybody listened, and all calls' beginnings.
        if self.frames.is_multiple_of(SAMPLED) && frame.at > 2 * self.rate {
            let heard = self.began + frame.at * 1_000 / self.rate;
            let delay = (unix_micros() / 1_000).saturating_sub(heard);
            self.delays.lock().unwrap_or_else(PoisonError::into_inner).push(delay);
        }
    }

    fn update(&mut self, _: &ListenedUpdate) {}

    fn end(self: Box<Self>, _: ConsumerEnd) {
        black_box(self.loudest);
    }
}

/// The same packets, to which nobody listens.
fn run_alone(options: &Options, calls: usize) -> Result<Run, Box<dyn Error>> {
    let mut calls = Calls::new(calls, options.audio, Instant::now())?;
    calls.forward(WARM, None);
    let before = cpu::of_this_thread()?;
    let packets = calls.forward(WARM + Duration::from_secs(options.seconds), None);
    Ok(Run { packets, forwarding: cpu::of_this_thread()? - before, ..Run::default() })
}

fn run(options: &Options, count: usize) -> Result<Run, Box<dyn Error>> {
    let origin = Instant::now();
    let (news, taken) = mpsc::sync_channel(count.max(1));
    let (marks, delays) = (Arc::<Marks>::default(), Delays::default());
    let folder = options.directory.join(format!("audio-load.{}", std::process::id()));
    let (consumers, openers, listener) = match options.to {
        None => (None, ears(&delays), wav()),
        Some(kind) => {
            let (consumers, openers, listener) = Consumers::start(kind, &folder, &marks)?;
            (Some(consumers), openers, listener)
        }
    };
    let hub = Hub::start(HubConfig { threads: 1, max_calls: count }, origin, taken, openers)?;
    let mut calls = Calls::new(count, options.audio, origin)?;
    calls.listen(&listener, &news)?;
    let mut warm = WARM;
    calls.forward(warm, None);
    while consumers.as_ref().is_some_and(|c| !c.are_ready(2 * count)) && warm < WARM_AT_MOST {
        warm += WARM;
        calls.forward(warm, None);
    }
    let used = || -> std::io::Result<[Duration; 4]> {
        let of = consumers.as_ref();
        let consumer = of.map_or(Ok(Duration::ZERO), Consumers::used)?;
        let bench = of.map_or(Ok(Duration::ZERO), Consumers::used_by_bench)?;
        Ok([cpu::of_this_thread()?, cpu::of_threads("listening-")?, consumer, bench])
    };
    let (before, begun) = (used()?, Instant::now());
    let until = warm + Duration::from_secs(options.seconds);
    let packets = calls.forward(until, Some(&marks));
    let (after, lasted) = (used()?, begun.elapsed());
    if consumers.is_some() {
        calls.forward(until + LAST, None);
    }
    let statistics = hub.statistics();
    let came_and_lost = consumers.as_ref().map_or([0; 2], Consumers::came_and_lost);
    hub.stop();
    if let Some(consumers) = consumers {
        consumers.stop();
    }
    let _ = fs::remove_dir_all(&folder);
    let [forwarding, hub, consumer, bench] =
        [0, 1, 2, 3].map(|at: usize| after[at].saturating_sub(before[at]));
    let (found, strange_marks) = marks.delays();
    let (delays_ms, goal) = match options.to {
        None => {
            let mut delays = delays.lock().unwrap_or_else(PoisonError::into_inner).clone();
            delays.sort_unstable();
            (delays, GOAL_FRAME)
        }
        Some(_) => (found.iter().map(|micros| micros / 1_000).collect(), GOAL_FRAGMENT),
    };
    Ok(Run {
        packets,
        lasted,
        forwarding,
        hub,
        consumer,
        bench,
        statistics,
        came_and_lost,
        delays_ms,
        goal,
        strange_marks,
    })
}

fn ears(delays: &Delays) -> Openers {
    let delays = Arc::clone(delays);
    let open = move |_: &RecordingListener, opening: &Opening| {
        let (began, rate) = (opening.began.as_millis(), u64::from(opening.sample_rate));
        let delays = Arc::clone(&delays);
        let ear: Box<dyn AudioConsumer> =
            Box::new(Ear { began, rate, frames: 0, loudest: 0, delays });
        Some(ear)
    };
    Openers { recording: Some(Box::new(open)), ..Openers::default() }
}

fn wav() -> Listener {
    Listener::Recording(RecordingListener { format: RecordingFormat::Wav })
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
        let mut options = Options {
            to: None,
            directory: env::temp_dir(),
            calls: vec![100, 250, 500],
            seconds: 8,
            audio: Audio { codec: (Codec::Pcmu, 8_000), rate: 8_000 },
            output: None,
        };
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--to" => {
                    options.to = match value.as_str() {
                        "samples" => None,
                        "files" => Some(Kind::Files),
                        "put-media" => Some(Kind::PutMedia),
                        "wav" => Some(Kind::Wav),
                        _ => {
                            let known = "samples, files, put-media and wav";
                            return Err(format!("{value}: there are {known}").into());
                        }
                    }
                }
                "--directory" => options.directory = Path::new(&value).to_owned(),
                "--calls" => {
                    options.calls = value.split(',').map(str::parse).collect::<Result<_, _>>()?;
                }
                "--seconds" => options.seconds = value.parse()?,
                "--codec" => {
                    options.audio.codec = match value.as_str() {
                        "pcmu" => (Codec::Pcmu, 8_000),
                        "g722" => (Codec::G722, 8_000),
                        "opus" => (Codec::Opus, 48_000),
                        _ => return Err(format!("{value}: there are pcmu, g722 and opus").into()),
                    }
                }
                "--rate" => options.audio.rate = value.parse()?,
                "--output" => options.output = Some(value),
                _ => {
                    return Err(format!("{option} is unknown; see the top of audio-load.rs").into());
                }
            }
        }
        Ok(options)
    }

    fn name(&self) -> &'static str {
        self.audio.codec.0.name()
    }

    fn to(&self) -> String {
        let folder = self.directory.display();
        match self.to {
            None => "whoever reads samples".to_owned(),
            Some(Kind::Files) => format!("files below {folder}"),
            Some(Kind::PutMedia) => "a stand-in by PutMedia".to_owned(),
            Some(Kind::Wav) => format!("recordings below {folder}"),
        }
    }
}
