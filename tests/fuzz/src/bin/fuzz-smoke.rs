//! Replays every seed through its target, then a few thousand deterministic mutations.
//!
//! ```text
//! cargo xtask fuzz-smoke                                  everything
//! cargo xtask fuzz-smoke --target sdp --mutations 100000  one target, longer
//! cargo xtask fuzz-smoke --target sdp --file PATH         one input, with its panic
//! ```
#![expect(clippy::print_stdout, reason = "a command line tool")]

use fuzz_targets::mutate::{Generator, mutate};
use fuzz_targets::{MAX_INPUT, TARGETS, Target, seeds};
use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, panic, process, thread};

/// One input that takes longer is reported as endless.
const LONGEST_INPUT: Duration = Duration::from_secs(20);
/// Panics of one target that are written down before it is left.
const MOST_FAILURES: usize = 5;
/// Characters of a panic's message.
const MOST_SAID: usize = 600;

struct Options {
    target: Option<String>,
    file: Option<PathBuf>,
    mutations: usize,
    /// Mutations of one target end after this, seeds never.
    seconds: u64,
    seed: u64,
}

struct Input {
    name: String,
    bytes: Vec<u8>,
}

thread_local! {
    /// What the last panic of this thread said.
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What is being run, for the report when it does not end.
type Current = Arc<Mutex<Input>>;

fn main() -> ExitCode {
    let options = match Options::read(env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            println!("fuzz-smoke: {message}");
            return ExitCode::from(2);
        }
    };
    if let Some(file) = &options.file {
        return run_file(&options, file);
    }
    // Told once for all threads: each keeps what its own last panic said.
    panic::set_hook(Box::new(|info| SAID.set(info.to_string())));
    let wanted = |target: &&Target| options.target.as_deref().is_none_or(|n| n == target.name);
    let failures = smoke_all(&TARGETS.iter().filter(wanted).copied().collect::<Vec<_>>(), &options);
    println!("fuzz-smoke: {failures} failures");
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options =
            Options { target: None, file: None, mutations: 3_000, seconds: 20, seed: 1 };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(format!("{name} needs a value"))?;
            let number = || value.parse::<u64>().map_err(|_| format!("{name}: give a number"));
            match name.as_str() {
                "--target" => options.target = Some(value),
                "--file" => options.file = Some(value.into()),
                "--mutations" => options.mutations = usize::try_from(number()?).unwrap_or(0),
                "--seconds" => options.seconds = number()?,
                "--seed" => options.seed = number()?,
                _ => {
                    let known = "--target, --file, --mutations, --seconds or --seed";
                    return Err(format!("{name} is not known; give {known}"));
                }
            }
        }
        if let Some(name) = &options.target {
            find(name)?;
        }
        Ok(options)
    }
}

fn find(name: &str) -> Result<Target, String> {
    TARGETS.iter().copied().find(|target| target.name == name).ok_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        format!("no target {name}; there are {}", names.join(", "))
    })
}

/// Lets the panic through, so that RUST_BACKTRACE works.
fn run_file(options: &Options, file: &Path) -> ExitCode {
    let Some(target) = options.target.as_deref().and_then(|name| find(name).ok()) else {
        println!("fuzz-smoke: --file needs --target");
        return ExitCode::from(2);
    };
    match fs::read(file) {
        Ok(bytes) => {
            (target.run)(&bytes);
            println!("{}: {} runs through", target.name, file.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("fuzz-smoke: {}: {error}", file.display());
            ExitCode::from(2)
        }
    }
}

/// Runs the targets, as many at once as there are processors; the number of failures.
fn smoke_all(targets: &[Target], options: &Options) -> usize {
    let (next, failures) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let count = smoke(*target, options).unwrap_or_else(|message| {
                        println!("fuzz-smoke: {message}");
                        1
                    });
                    failures.fetch_add(count, Ordering::Relaxed);
                }
            });
        }
    });
    failures.into_inner()
}

/// Runs one target in its own thread and watches over it; the number of failures.
fn smoke(target: Target, options: &Options) -> Result<usize, String> {
    let started = now();
    let seeds = read_seeds(&target)?;
    let (mutations, seconds, seed) = (options.mutations, options.seconds, options.seed);
    let current = Arc::new(Mutex::new(Input { name: String::new(), bytes: Vec::new() }));
    let (alive, progress) = sync_channel::<()>(1);
    let seed_count = seeds.len();
    let worker = {
        let current = Arc::clone(&current);
        let work = move || {
            let deadline = now() + Duration::from_secs(seconds);
            let mut run = Run { target, current, alive, failures: 0, inputs: 0 };
            run.all(&seeds, mutations, seed, deadline);
            (run.inputs, run.failures)
        };
        // As much stack as a worker of the edge has.
        let builder = thread::Builder::new().name(target.name.to_owned()).stack_size(2 << 20);
        builder.spawn(work).map_err(|error| format!("no thread: {error}"))?
    };
    loop {
        match progress.recv_timeout(LONGEST_INPUT) {
            Ok(()) => {}
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let input = current.lock().unwrap_or_else(PoisonError::into_inner);
                report(&target, &input, &format!("no end within {LONGEST_INPUT:?}"));
                process::exit(1);
            }
        }
    }
    let (inputs, failures) = worker.join().map_err(|_| format!("{} died", target.name))?;
    let seconds = (now() - started).as_secs_f64();
    println!("{:<14} {seed_count:>4} seeds {inputs:>7} inputs {seconds:>6.1} s", target.name);
    Ok(failures)
}

struct Run {
    target: Target,
    current: Current,
    alive: SyncSender<()>,
    failures: usize,
    inputs: usize,
}

impl Run {
    fn all(&mut self, seeds: &[Input], mutations: usize, seed: u64, deadline: Instant) {
        for input in seeds {
            self.one(input.name.clone(), input.bytes.clone());
        }
        let mut generator = Generator::new(seed);
        for number in 0..mutations {
            if self.failures >= MOST_FAILURES || seeds.is_empty() || now() >= deadline {
                break;
            }
            let base = &seeds[generator.below(seeds.len())];
            let other = &seeds[generator.below(seeds.len())];
            let bytes = mutate(&mut generator, &base.bytes, &other.bytes, self.target.words);
            self.one(format!("mutation {number} of {}", base.name), bytes);
        }
    }

    fn one(&mut self, name: String, bytes: Vec<u8>) {
        let run = self.target.run;
        let copy = bytes.clone();
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Input { name, bytes };
        if panic::catch_unwind(move || run(&copy)).is_err() {
            self.failures += 1;
            let input = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            report(&self.target, &input, &SAID.take());
        }
        self.inputs += 1;
        // A full channel means that the watcher has not looked yet: it will.
        let _ = self.alive.try_send(());
    }
}

/// Writes the input down and says how to run it again.
fn report(target: &Target, input: &Input, what: &str) {
    let mut hasher = DefaultHasher::new();
    input.bytes.hash(&mut hasher);
    let folder = root().join("target/fuzz-smoke");
    let path = folder.join(format!("{}-{:016x}.bin", target.name, hasher.finish()));
    let what: String = what.chars().take(MOST_SAID).collect();
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, &input.bytes));
    println!("FAILED {}: {} ({} bytes)\n  {what}", target.name, input.name, input.bytes.len());
    match written {
        Ok(()) => println!(
            "  again: cargo xtask fuzz-smoke --target {} --file {}",
            target.name,
            path.display()
        ),
        Err(error) => println!("  {} could not be written: {error}", path.display()),
    }
}

/// The files of the target's folders in the order of their names, then the generated seeds.
fn read_seeds(target: &Target) -> Result<Vec<Input>, String> {
    let own = root().join("tests/fuzz/corpus").join(target.name);
    let shared = target.shared_seeds.iter().map(|name| root().join("tests/corpus").join(name));
    let mut seeds = Vec::new();
    for folder in [own].into_iter().chain(shared) {
        let fault = |error| format!("seeds of {} in {}: {error}", target.name, folder.display());
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder).map_err(fault)? {
            files.push(entry.map_err(fault)?.path());
        }
        files.sort();
        for file in files.into_iter().filter(|file| file.extension().is_none_or(|e| e != "md")) {
            let mut bytes = fs::read(&file).map_err(fault)?;
            bytes.truncate(MAX_INPUT);
            let name = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
            seeds.push(Input { name, bytes });
        }
    }
    for (name, bytes) in seeds::generated(target.name) {
        seeds.push(Input { name: format!("generated {name}"), bytes });
    }
    Ok(seeds)
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}

#[expect(clippy::disallowed_methods, reason = "a tool measures itself")]
fn now() -> Instant {
    Instant::now()
}
