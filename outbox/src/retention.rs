//! What was put aside is compressed, and removed when it is old or too much.

use crate::FileSender;
use crate::clock::unix_time;
use crate::rotation::{PutAside, written_last};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use flate2::Compression;
use flate2::write::GzEncoder;
use model::UnixTime;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Between two looks.
const TURN: Duration = Duration::from_secs(60);
/// Directories within directories that are looked into: more than any record's path has.
const DEPTH: u8 = 12;
/// Octets that are compressed in one go, and the pause behind them: media packets come first.
const PIECE: usize = 256 * 1_024;
const PAUSE: Duration = Duration::from_millis(5);
/// Turns between two looks at files of one record each, of which there may be millions.
const WHOLE_TURNS: u32 = 60;

/// What is kept of a file sink's files, and for how long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetentionConfig {
    /// The sink's root.
    pub root: PathBuf,
    /// Files of lines, each kind with bounds of its own.
    pub lines: Vec<Lines>,
    /// Compress what was put aside.
    pub compress: bool,
    /// Files that are written once.
    pub whole: Vec<WholeFiles>,
}

impl RetentionConfig {
    /// Files that are written once, and no lines.
    pub fn of_whole(root: impl Into<PathBuf>, whole: Vec<WholeFiles>) -> Self {
        RetentionConfig { root: root.into(), lines: Vec::new(), compress: false, whole }
    }
}

/// Files of lines that are kept for some time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lines {
    /// Their directories, relative to the root: those of [`Rotation`](crate::Rotation).
    pub below: Vec<String>,
    /// They are removed so long after their last line; `None` for never.
    pub keep: Option<Duration>,
    /// Those that were put aside have at most so many octets together; then the oldest go.
    pub max_bytes: u64,
}

/// Files that are written once and kept for some time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WholeFiles {
    /// Their directory, relative to the root; empty for the root itself.
    pub below: String,
    /// How long they are kept, from when they were written last.
    pub keep: Duration,
    /// What their names end with, such as `pcap`; empty for all.
    pub extensions: Vec<String>,
}

/// What was done since the start.
#[derive(Default, Debug)]
pub struct RetentionCounters {
    /// Files removed.
    pub removed_files: AtomicU64,
    /// Octets of those.
    pub removed_bytes: AtomicU64,
    /// Files compressed.
    pub compressed_files: AtomicU64,
    /// Files that could not be removed or compressed; they are tried again.
    pub failures: AtomicU64,
}

/// The thread that looks once a minute, until it is dropped.
#[derive(Debug)]
pub struct Retention {
    counters: Arc<RetentionCounters>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Retention {
    /// Starts the thread. `sink`, if its files are lines, puts those aside that got none for as long
    /// as they are kept.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(config: RetentionConfig, sink: Option<FileSender>) -> io::Result<Retention> {
        let counters = Arc::new(RetentionCounters::default());
        let (stop, stopped) = bounded(0);
        let own = Arc::clone(&counters);
        let thread = thread::Builder::new().name("retention".into()).spawn(move || {
            let keeper = Keeper { config, counters: own, stopped };
            for turn in 0.. {
                let done = keeper.turn(unix_time(), u32::is_multiple_of(turn, WHOLE_TURNS));
                if let Some(sink) = &sink {
                    done.idle.into_iter().for_each(|path| sink.put_aside(path));
                }
                if keeper.has_to_stop(TURN) {
                    break;
                }
            }
        })?;
        Ok(Retention { counters, stop: Some(stop), thread: Some(thread) })
    }

    /// What it did.
    pub fn counters(&self) -> Arc<RetentionCounters> {
        Arc::clone(&self.counters)
    }
}

impl Drop for Retention {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One turn's findings.
#[derive(Default, PartialEq, Eq, Debug)]
struct Turn {
    files: u64,
    bytes: u64,
    /// Files of lines that got none for so long that they are to go: put aside first, by the sink.
    idle: Vec<PathBuf>,
}

struct Keeper {
    config: RetentionConfig,
    counters: Arc<RetentionCounters>,
    stopped: Receiver<()>,
}

/// A file that was put aside.
struct Aside {
    path: PathBuf,
    bytes: u64,
    last: UnixTime,
    is_compressed: bool,
}

impl Keeper {
    fn turn(&self, now: UnixTime, looks_at_whole: bool) -> Turn {
        let mut turn = Turn::default();
        let kept: Vec<Aside> =
            self.config.lines.iter().flat_map(|lines| self.lines(lines, now, &mut turn)).collect();
        for aside in kept.iter().filter(|aside| self.config.compress && !aside.is_compressed) {
            if self.has_to_stop(Duration::ZERO) {
                break;
            }
            match self.compress(aside) {
                Ok(true) => {
                    self.counters.compressed_files.fetch_add(1, Ordering::Relaxed);
                }
                Ok(false) => {}
                Err(error) => self.complain("compressed", &aside.path, &error),
            }
        }
        for files in self.config.whole.iter().filter(|_| looks_at_whole) {
            self.whole(&self.config.root.join(&files.below), files, now, DEPTH, &mut turn);
        }
        if turn.files > 0 {
            tracing::info!(
                files = turn.files,
                bytes = turn.bytes,
                "old files were removed ([retention])"
            );
        }
        turn
    }

    /// Removes files of lines that are too old or too many; what is left of those put aside.
    fn lines(&self, lines: &Lines, now: UnixTime, turn: &mut Turn) -> Vec<Aside> {
        let mut asides = Vec::new();
        for below in &lines.below {
            self.look(&self.config.root.join(below), (now, lines.keep), DEPTH, &mut asides, turn);
        }
        asides.sort_by(|a, b| (a.last, &a.path).cmp(&(b.last, &b.path)));
        let mut total: u64 = asides.iter().map(|aside| aside.bytes).sum();
        asides.retain(|aside| {
            let goes = is_old(lines.keep, aside.last, now) || total > lines.max_bytes;
            if goes {
                total -= aside.bytes;
                self.remove(&aside.path, aside.bytes, turn);
            }
            !goes
        });
        asides
    }

    fn look(
        &self,
        at: &Path,
        (now, keep): (UnixTime, Option<Duration>),
        depth: u8,
        out: &mut Vec<Aside>,
        turn: &mut Turn,
    ) {
        for (path, metadata) in entries(at) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if metadata.is_dir() && depth > 0 {
                self.look(&path, (now, keep), depth - 1, out, turn);
            } else if let Some(aside) = PutAside::parse(name) {
                let (bytes, last) = (metadata.len(), written_last(&metadata));
                let twin = PutAside { is_compressed: true, ..aside.clone() };
                if !aside.is_compressed && path.with_file_name(twin.name()).exists() {
                    // It was compressed whole before it was to be removed: a crash came between.
                    let _ = fs::remove_file(&path);
                } else {
                    out.push(Aside { path, bytes, last, is_compressed: aside.is_compressed });
                }
            } else if let Some(whole) = name.strip_suffix(".gz.partial") {
                // Of a file that is not there any more nobody goes on with it.
                if !path.with_file_name(whole).exists() {
                    let _ = fs::remove_file(&path);
                }
            } else if name.ends_with(".jsonl")
                && metadata.is_file()
                && is_old(keep, written_last(&metadata), now)
            {
                turn.idle.push(path);
            }
        }
    }

    /// Files of one record each: by their age, and then the directories that nothing is left in.
    fn whole(&self, at: &Path, files: &WholeFiles, now: UnixTime, depth: u8, turn: &mut Turn) {
        for (path, metadata) in entries(at) {
            let is_old = is_old(Some(files.keep), written_last(&metadata), now);
            if metadata.is_dir() && depth > 0 {
                self.whole(&path, files, now, depth - 1, turn);
                if is_old && files.extensions.is_empty() {
                    // It is empty, or it stays.
                    let _ = fs::remove_dir(&path);
                }
            } else if metadata.is_file() && is_old && files.has(&path) {
                self.remove(&path, metadata.len(), turn);
            }
        }
    }

    fn remove(&self, path: &Path, bytes: u64, turn: &mut Turn) {
        match fs::remove_file(path) {
            Ok(()) => {
                turn.files += 1;
                turn.bytes += bytes;
                self.counters.removed_files.fetch_add(1, Ordering::Relaxed);
                self.counters.removed_bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.complain("removed", path, &error),
        }
    }

    fn complain(&self, what: &str, path: &Path, error: &io::Error) {
        let failures = self.counters.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures.is_power_of_two() {
            let path = path.display();
            tracing::warn!(%path, %error, failures, "an old file cannot be {what}; it is tried again");
        }
    }

    /// Whether it was done: not when the thread is to stop meanwhile. The compressed file appears whole,
    /// with the time of the other, which goes then: a reader that finds both takes the compressed one.
    fn compress(&self, aside: &Aside) -> io::Result<bool> {
        let compressed = with_suffix(&aside.path, ".gz");
        let partial = with_suffix(&aside.path, ".gz.partial");
        let mut from = File::open(&aside.path)?;
        let to = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)?;
        let mut to = GzEncoder::new(to, Compression::fast());
        let mut piece = vec![0; PIECE];
        loop {
            let length = from.read(&mut piece)?;
            if length == 0 {
                break;
            }
            to.write_all(piece.get(..length).unwrap_or_default())?;
            if self.has_to_stop(PAUSE) {
                fs::remove_file(&partial)?;
                return Ok(false);
            }
        }
        let to = to.finish()?;
        to.set_times(FileTimes::new().set_modified(from.metadata()?.modified()?))?;
        to.sync_all()?;
        fs::rename(&partial, &compressed)?;
        fs::remove_file(&aside.path)?;
        Ok(true)
    }

    fn has_to_stop(&self, within: Duration) -> bool {
        !matches!(self.stopped.recv_timeout(within), Err(RecvTimeoutError::Timeout))
    }
}

impl WholeFiles {
    fn has(&self, path: &Path) -> bool {
        let extension = path.extension().and_then(|extension| extension.to_str());
        self.extensions.is_empty()
            || extension.is_some_and(|one| self.extensions.iter().any(|known| known == one))
    }
}

fn is_old(keep: Option<Duration>, last: UnixTime, now: UnixTime) -> bool {
    let keep = keep.and_then(|keep| u64::try_from(keep.as_millis()).ok());
    keep.is_some_and(|keep| now.as_millis().saturating_sub(last.as_millis()) > keep)
}

/// What is in a directory; nothing of one that is not there. Links are not followed.
fn entries(directory: &Path) -> Vec<(PathBuf, fs::Metadata)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?))).collect()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
