//! Records a second into the outbox with each fsync policy, beside the limit: the same octets
//! appended to a file in writes of the same size, in the same run.
//!
//! ```text
//! outbox-rate [--records 200000] [--bytes 1000] [--rounds 3] [--directory DIR] [--output FILE]
//! ```
#![expect(clippy::print_stdout, reason = "a command line tool")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use outbox::{
    BatchRules, Destination, DestinationName, Entry, Fsync, NotTaken, Outbox, OutboxConfig,
    OutboxRecord, Outcome,
};
use serde_json::json;
use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What the outbox's writer writes in one go.
const CHUNK: usize = 1_048_576;

struct Options {
    records: usize,
    bytes: usize,
    rounds: usize,
    directory: PathBuf,
    output: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let policies = [
        ("never", Fsync::Never),
        ("1s", Fsync::Interval(Duration::from_secs(1))),
        ("always", Fsync::Always),
    ];
    let mut results = Vec::new();
    println!("{} records of {} octets, records/s:", options.records, options.bytes);
    println!("| fsync | plain append | outbox | outbox of plain |\n|---|---|---|---|");
    for (policy, fsync) in policies {
        let mut rates = Vec::new();
        for _ in 0..options.rounds.max(1) {
            rates.push((plain(&options, fsync)?, through_outbox(&options, fsync)?));
        }
        // The median of the ratio, with the figures of its round.
        rates.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        let Some((plain, outbox)) = rates.get(rates.len() / 2).copied() else { continue };
        println!("| {policy} | {plain:.0} | {outbox:.0} | {:.2}x |", outbox / plain);
        results.push(json!({ "fsync": policy, "plain": plain, "outbox": outbox }));
    }
    if let Some(output) = &options.output {
        let text = json!({
            "records": options.records,
            "bytes": options.bytes,
            "records_per_second": results,
        });
        fs::write(output, serde_json::to_vec_pretty(&text)?)?;
    }
    Ok(())
}

/// Never there: only the way in is measured.
struct Away;

impl Destination for Away {
    fn rules(&self) -> BatchRules {
        BatchRules {
            max_entries: 1,
            max_bytes: 1 << 20,
            overhead_bytes: 0,
            one_stream: false,
            max_span: None,
        }
    }

    async fn deliver(&mut self, _: &[Entry]) -> Outcome {
        Outcome::Unavailable { reason: "away".to_owned(), after: Some(Duration::from_secs(3_600)) }
    }
}

/// From the first offer until the last record is accepted.
fn through_outbox(options: &Options, fsync: Fsync) -> Result<f64, Box<dyn Error>> {
    let root = options.directory.join("outbox");
    let config = OutboxConfig { fsync, ..OutboxConfig::new(&root) };
    let mut outbox = Outbox::new(config);
    let sender = outbox.start(&DestinationName::new("bench")?, Away)?;
    let record = OutboxRecord {
        stream: "stream".to_owned(),
        body: vec![b'x'; options.bytes],
        ..OutboxRecord::default()
    };
    let begun = Instant::now();
    for _ in 0..options.records {
        // A producer that is faster than the disk waits for it here, as a call never does.
        while let Err(reason) = sender.offer(record.clone()) {
            if reason != NotTaken::Full || !sender.wait_accepted(Duration::from_secs(60)) {
                return Err(reason.into());
            }
        }
    }
    if !sender.wait_accepted(Duration::from_secs(600)) {
        return Err("the outbox did not take the records within 10 minutes".into());
    }
    let rate = options.records as f64 / begun.elapsed().as_secs_f64();
    let statistics = outbox.stop(Duration::ZERO);
    let accepted = statistics.first().map_or(0, |queue| queue.accepted);
    fs::remove_dir_all(&root)?;
    if accepted != options.records as u64 {
        return Err(format!("{accepted} of {} records were accepted", options.records).into());
    }
    Ok(rate)
}

/// The same octets and fsyncs without anything else.
fn plain(options: &Options, fsync: Fsync) -> Result<f64, Box<dyn Error>> {
    let path = options.directory.join("plain");
    let per_chunk = (CHUNK / options.bytes.max(1)).clamp(1, 4_096);
    let chunk = vec![b'x'; per_chunk * options.bytes];
    let mut file = File::create(&path)?;
    let begun = Instant::now();
    let mut synced = begun;
    let mut written = 0;
    while written < options.records {
        file.write_all(&chunk)?;
        written += per_chunk;
        let due = match fsync {
            Fsync::Always => true,
            Fsync::Interval(interval) => synced.elapsed() >= interval,
            Fsync::Never => false,
        };
        if due {
            file.sync_data()?;
            synced = Instant::now();
        }
    }
    let rate = written as f64 / begun.elapsed().as_secs_f64();
    fs::remove_file(&path)?;
    Ok(rate)
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
        let directory = std::env::temp_dir().join(format!("outbox-rate-{}", std::process::id()));
        let mut options =
            Options { records: 200_000, bytes: 1_000, rounds: 3, directory, output: None };
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--records" => options.records = value.parse()?,
                "--bytes" => options.bytes = value.parse()?,
                "--rounds" => options.rounds = value.parse()?,
                "--directory" => options.directory = value.into(),
                "--output" => options.output = Some(value.into()),
                _ => return Err(format!("{option} is unknown").into()),
            }
        }
        fs::create_dir_all(&options.directory)?;
        Ok(options)
    }
}
