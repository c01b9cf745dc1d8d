//! kill -9 at moments that nothing announces: the test's own binary runs its test `child` as another process,
//! and is killed. Included by the tests that need it; it is no crate.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// How long a child may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a child works, and which one it is.
const DIRECTORY: &str = "TANDEM_KILLED_DIRECTORY";
const ROUND: &str = "TANDEM_KILLED_ROUND";

/// In the child: its directory and its round. Nothing in any other process.
pub(crate) fn child() -> Option<(PathBuf, u64)> {
    let directory = std::env::var_os(DIRECTORY)?.into();
    Some((directory, std::env::var(ROUND).unwrap().parse().unwrap()))
}

/// A name for what all rounds share, in memory if it can be: each start synchronises files.
pub(crate) fn directory(name: &str) -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    let base = if shared.is_dir() { shared } else { std::env::temp_dir() };
    base.join(format!("{name}-{}", std::process::id()))
}

/// Moments, the same in each run.
pub(crate) struct Moments(u64);

impl Moments {
    pub(crate) const fn new() -> Self {
        Moments(0x9e37_79b9_7f4a_7c15)
    }

    /// From `least` microseconds to less than `span` more.
    pub(crate) fn next(&mut self, least: u64, span: u64) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_micros(least + self.0 % span)
    }
}

/// Runs the test `child` and kills it so much after its start. With a `word`, that is so in each fourth
/// round; in the others it counts from when the child first said the word: a machine may be too slow to
/// come to anything before. The number that it said last behind `word`.
pub(crate) fn run_and_kill(
    directory: &Path,
    round: u64,
    after: Duration,
    word: Option<&str>,
) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let waits = word.is_some() && !round.is_multiple_of(4);
    let (says, begun) = sync_channel(1);
    let killer = std::thread::spawn(move || {
        if waits {
            // A child that says nothing is killed all the same, and found out by who asked.
            let _ = begun.recv_timeout(PATIENCE);
        }
        // The point of the test is a moment that nothing announces.
        std::thread::park_timeout(after);
        child.kill().unwrap();
        child.wait().unwrap()
    });
    let mut last = None;
    for line in lines {
        let line = line.unwrap();
        // The test harness writes the child's name in front of its first line.
        if let Some(number) = word.and_then(|word| line.split(word).nth(1)) {
            last = number.trim().parse().ok();
            let _ = says.try_send(());
        }
    }
    let status = killer.join().unwrap();
    assert!(!status.success(), "killed, not ended by itself");
    last
}
