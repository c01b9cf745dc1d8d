//! How long a sound takes through a meeting of a real node, and what each caller costs it; on demand with the same
//! callers in a room of Janus's AudioBridge, by turns.
//!
//! ```text
//! room-delay TANDEM DIRECTORY [--callers 2,10,50] [--codecs pcmu,opus] [--rounds 2] [--seconds 4]
//!            [--janus PROGRAM] [--prebuffering PACKETS] [--output FILE]
//! ```
//!
//! Starts the servers below DIRECTORY, one after the other, and calls them on 127.0.0.1 with packets of 20 ms, each
//! caller at a time of its own within them. One caller speaks at a time, and then three; all others send silence. What
//! a speaker says has marks, which up to five others listen for. Kernel's stamps of arrivals, CPU of the server's
//! process by the scheduler.
#![expect(clippy::print_stdout, reason = "a command line tool")]

use edge_bench::rooms::janus::{self, Janus};
use edge_bench::rooms::run::percentile;
use edge_bench::rooms::tandem::Tandem;
use edge_bench::rooms::{Codec, Measured, Outcome, Plan, Server, measure};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

const USAGE: &str = "room-delay TANDEM DIRECTORY [--callers 2,10] [--codecs pcmu,opus] [--rounds 2] \
                     [--seconds 4] [--janus PROGRAM] [--prebuffering PACKETS] [--output FILE]";

struct Options {
    tandem: PathBuf,
    directory: PathBuf,
    callers: Vec<usize>,
    codecs: Vec<Codec>,
    rounds: u32,
    seconds: usize,
    janus: Option<PathBuf>,
    prebuffering: Option<u32>,
    output: Option<PathBuf>,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Outcome<Options> {
        let (tandem, directory) = words.next().zip(words.next()).ok_or(USAGE)?;
        let mut options = Options {
            tandem: tandem.into(),
            directory: directory.into(),
            callers: vec![2, 10, 50],
            codecs: vec![Codec::Pcmu],
            rounds: 2,
            seconds: 4,
            janus: None,
            prebuffering: None,
            output: None,
        };
        while let Some(word) = words.next() {
            let value = words.next().ok_or(USAGE)?;
            match word.as_str() {
                "--callers" => {
                    let counts = value.split(',').map(str::parse::<usize>);
                    options.callers = counts.collect::<Result<_, _>>()?;
                }
                "--codecs" => {
                    options.codecs = value.split(',').map(codec).collect::<Outcome<_>>()?;
                }
                "--rounds" => options.rounds = value.parse()?,
                "--seconds" => options.seconds = value.parse()?,
                "--janus" => options.janus = Some(value.into()),
                "--prebuffering" => options.prebuffering = Some(value.parse()?),
                "--output" => options.output = Some(value.into()),
                _ => return Err(USAGE.into()),
            }
        }
        let is_fine = options.callers.iter().all(|count| (2..=250).contains(count));
        if !is_fine || options.rounds == 0 || options.seconds == 0 {
            return Err("2 to 250 callers, one round and one second at least".into());
        }
        Ok(options)
    }

    /// Whom to measure, in the order of the first round.
    fn servers(&self) -> &'static [Kind] {
        if self.janus.is_some() { &[Kind::Tandem, Kind::Janus] } else { &[Kind::Tandem] }
    }

    fn start(&self, kind: Kind) -> Outcome<Box<dyn Server>> {
        let directory = self.directory.join(kind.name());
        Ok(match (kind, &self.janus) {
            (Kind::Janus, Some(binary)) => {
                Box::new(Janus::start(binary, &directory, self.prebuffering)?)
            }
            _ => Box::new(Tandem::start(&self.tandem, &directory)?),
        })
    }
}

fn codec(name: &str) -> Outcome<Codec> {
    match name {
        "pcmu" => Ok(Codec::Pcmu),
        "opus" => Ok(Codec::Opus),
        _ => Err(format!("{name}: there are pcmu and opus").into()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Tandem,
    Janus,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::Tandem => "tandem",
            Kind::Janus => "janus",
        }
    }
}

fn main() -> Outcome<()> {
    let options = Options::read(env::args().skip(1))?;
    let mut rows = Vec::new();
    println!(
        "{:<6}{:>8}{:>8}  {:<7}{:>13}{:>9}{:>9}{:>7}{:>7}{:>7}{:>7}{:>9}{:>8}{:>7}",
        "codec",
        "callers",
        "talkers",
        "server",
        "% of core, ea",
        "tandem x",
        "per core",
        "p50",
        "p95",
        "p99",
        "marks",
        "unheard",
        "lost",
        "late"
    );
    for codec in &options.codecs {
        for callers in &options.callers {
            let all = rounds(&options, *codec, *callers)?;
            rows.extend(show(*codec, *callers, &all));
        }
    }
    println!(
        "p50, p95, p99: ms from a sound in a packet that is sent to the same one in a packet that comes;"
    );
    println!("lost: packets; late: ms by which 1 in 100 packets was sent too late, by us");
    println!("tandem x: the CPU of Tandem by that of the peer in the same run");
    if options.janus.is_some() {
        println!(
            "janus mixes at {} Hz, {} packets wait for each caller; else its defaults",
            janus::SAMPLING_RATE,
            options.prebuffering.map_or("six".to_owned(), |count| count.to_string())
        );
    }
    if let Some(output) = &options.output {
        fs::write(output, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}

/// All rounds of each server, which begin by turns.
fn rounds(options: &Options, codec: Codec, callers: usize) -> Outcome<Vec<(Kind, Measured)>> {
    let mut all: Vec<(Kind, Measured)> = Vec::new();
    for round in 0..options.rounds {
        let mut kinds = options.servers().to_vec();
        if round % 2 == 1 {
            kinds.reverse();
        }
        for kind in kinds {
            let shift = Duration::from_micros(u64::from(round) * 7_300 % 20_000);
            let plan = Plan { codec, callers, seconds: options.seconds, shift };
            let mut server = options.start(kind)?;
            let measured = measure(server.as_mut(), &plan)
                .map_err(|error| format!("{}, {callers} callers: {error}", kind.name()))?;
            match all.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, sum)) => add(sum, measured),
                None => all.push((kind, measured)),
            }
        }
    }
    for (_, measured) in &mut all {
        for part in &mut measured.parts {
            part.cores /= f64::from(options.rounds);
            part.delays.sort_by(f64::total_cmp);
        }
    }
    all.sort_by_key(|(kind, _)| *kind);
    Ok(all)
}

fn add(sum: &mut Measured, more: Measured) {
    for (part, more) in sum.parts.iter_mut().zip(more.parts) {
        part.delays.extend(more.delays);
        part.unheard += more.unheard;
        part.cores += more.cores;
    }
    sum.lost += more.lost;
    sum.received += more.received;
    sum.late = sum.late.max(more.late);
}

/// Prints a line for each server and number of talkers; the same as values.
fn show(codec: Codec, callers: usize, all: &[(Kind, Measured)]) -> Vec<Value> {
    let mut rows = Vec::new();
    let ours = all.iter().find(|(kind, _)| *kind == Kind::Tandem).map(|(_, measured)| measured);
    let parts = all.first().map_or(0, |(_, measured)| measured.parts.len());
    for at in 0..parts {
        let ours = ours.and_then(|ours| ours.parts.get(at)).map(|part| part.cores);
        for (kind, measured) in all {
            let Some(part) = measured.parts.get(at) else { continue };
            let each = part.cores / callers as f64 * 100.0;
            let is_peer = *kind != Kind::Tandem && part.cores > 0.0;
            let ratio = ours.filter(|_| is_peer).map(|ours| ours / part.cores);
            let [half, most, last] = [0.5, 0.95, 0.99].map(|share| percentile(&part.delays, share));
            println!(
                "{:<6}{callers:>8}{:>8}  {:<7}{each:>13.3}{:>9}{:>9.0}{:>7}{:>7}{:>7}{:>7}{:>9}{:>8}{:>7.1}",
                codec.name(),
                part.talkers,
                kind.name(),
                written(ratio, 2),
                100.0 / each,
                written(half, 1),
                written(most, 1),
                written(last, 1),
                part.delays.len(),
                part.unheard,
                measured.lost,
                measured.late,
            );
            rows.push(json!({
                "codec": codec.name(), "callers": callers, "talkers": part.talkers,
                "server": kind.name(), "core_percent_each": each, "tandem_to_it": ratio,
                "delay_ms": { "p50": half, "p95": most, "p99": last },
                "marks": part.delays.len(), "unheard": part.unheard,
                "lost": measured.lost, "received": measured.received, "late_ms": measured.late,
            }));
        }
    }
    rows
}

fn written(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}
