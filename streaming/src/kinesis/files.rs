//! Streams as files: `<root>/<stream>/<start>.mkv`, the octets that the service would get.
//!
//! Fragments wait in one queue for one thread, which looks at it 20 times a second. It holds no file
//! open: a fragment is one `write` at the end of its file, so that a file that was moved or removed is
//! followed by a new one, and the number of streams costs no descriptors. Nothing is synced to the
//! device: the end of the process costs what is in the queue, a power failure what the kernel had not
//! written.

mod keeper;
mod properties;
mod queue;
mod writer;

pub use properties::StreamProperties;

use super::StreamName;
use keeper::Keeper;
use mkv::{Fragment, FragmentSink, NotOpened, StreamOrder, StreamSink};
use queue::Queue;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use writer::Writer;

/// Pause of the writer when its queue is empty.
const PAUSE: Duration = Duration::from_millis(50);
/// The same while no stream is open; the next one wakes it.
const REST: Duration = Duration::from_secs(5);

/// Where streams go, and how much of them may wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileStreamsConfig {
    /// The folder of all streams: [`FOLDER`](super::FOLDER) under `data_dir`. Made (mode 0700) when it
    /// is missing.
    pub root: PathBuf,
    /// For the names of streams beyond this node.
    pub region: String,
    /// The same.
    pub account_id: String,
    /// Octets of fragments that may wait. Full policy: the oldest fragment of all streams is dropped
    /// whole and counted.
    pub queue_bytes: usize,
    /// Streams that are open at a time; more are not opened.
    pub max_streams: usize,
}

impl FileStreamsConfig {
    /// The usual sizes: 64 MiB, which 1,000 legs fill in 4 s; 20,000 streams.
    pub fn new(root: impl Into<PathBuf>, region: &str, account_id: &str) -> Self {
        FileStreamsConfig {
            root: root.into(),
            region: region.to_owned(),
            account_id: account_id.to_owned(),
            queue_bytes: 64 << 20,
            max_streams: 20_000,
        }
    }
}

/// What was done since the start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct FileStreamsStatistics {
    /// Fragments in files.
    pub written_fragments: u64,
    /// Octets in files.
    pub written_bytes: u64,
    /// Fragments dropped because the queue was full.
    pub dropped_fragments: u64,
    /// Fragments lost because a write failed.
    pub failed_fragments: u64,
    /// Octets that wait now.
    pub queued_bytes: u64,
    /// Files that were removed at the end of their time.
    pub removed_files: u64,
}

#[derive(Default, Debug)]
struct Counters {
    written: AtomicU64,
    written_bytes: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    removed: AtomicU64,
}

/// Writes streams into files, and removes files when their stream's retention is over.
///
/// A write that fails (disk full, permission) loses its fragment, which is counted; the file keeps what
/// was whole in it, and the next fragment begins a new one. The log says when writing begins to fail, at
/// each doubling of the failures, and when it works again. Dropped, it writes what waits.
pub struct FileStreams {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    root: PathBuf,
    writer: Option<JoinHandle<()>>,
    keeper: Option<Keeper>,
}

impl FileStreams {
    /// Makes the folder and starts the threads.
    ///
    /// # Errors
    /// When the folder cannot be made or no thread can be started.
    pub fn start(config: FileStreamsConfig) -> io::Result<FileStreams> {
        properties::make_folder(&config.root)?;
        let counters = Arc::new(Counters::default());
        let queue = Arc::new(Queue::new(config.queue_bytes, config.max_streams));
        let root = config.root.clone();
        let keeper = Keeper::start(root.clone(), Arc::clone(&counters))?;
        let mut writer = Writer::new(config, Arc::clone(&queue), Arc::clone(&counters));
        let writer = thread::Builder::new().name("stream-files".into()).spawn(move || {
            while !writer.turn() {
                thread::park_timeout(if writer.has_streams() { PAUSE } else { REST });
            }
        })?;
        Ok(FileStreams { queue, counters, root, writer: Some(writer), keeper: Some(keeper) })
    }

    /// The streams that are there, for the pool.
    pub fn known(&self) -> Vec<StreamName> {
        let folders = fs::read_dir(&self.root).into_iter().flatten().flatten();
        folders.filter_map(|folder| StreamName::parse(folder.file_name().to_str()?)).collect()
    }

    /// Waits until every fragment taken so far has been tried to be written.
    pub fn flush(&self) {
        self.wake();
        self.queue.wait_until_empty();
    }

    /// What was done so far.
    pub fn statistics(&self) -> FileStreamsStatistics {
        let counters = &self.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FileStreamsStatistics {
            written_fragments: read(&counters.written),
            written_bytes: read(&counters.written_bytes),
            dropped_fragments: read(&counters.dropped),
            failed_fragments: read(&counters.failed),
            queued_bytes: self.queue.octets() as u64,
            removed_files: read(&counters.removed),
        }
    }

    fn wake(&self) {
        if let Some(writer) = &self.writer {
            writer.thread().unpark();
        }
    }
}

impl StreamSink for FileStreams {
    fn open(&self, order: StreamOrder) -> Result<Box<dyn FragmentSink>, NotOpened> {
        let number = self.queue.open(order)?;
        self.wake();
        let (queue, counters) = (Arc::clone(&self.queue), Arc::clone(&self.counters));
        Ok(Box::new(OpenStream { queue, counters, number }))
    }
}

impl Drop for FileStreams {
    fn drop(&mut self) {
        drop(self.keeper.take());
        self.queue.close();
        self.wake();
        // The writer itself may be the last who has it, by a stream's observer: it ends by itself then.
        if let Some(writer) = self.writer.take()
            && writer.thread().id() != thread::current().id()
            && writer.join().is_err()
        {
            tracing::error!("the thread that writes streams panicked; audio was lost");
        }
    }
}

impl std::fmt::Debug for FileStreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("FileStreams");
        out.field("root", &self.root).field("statistics", &self.statistics());
        out.finish_non_exhaustive()
    }
}

/// A stream that a leg has. Dropped, it is finished.
struct OpenStream {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    number: u64,
}

impl FragmentSink for OpenStream {
    fn fragment(&mut self, fragment: Fragment) {
        let dropped = self.queue.push(self.number, fragment);
        if dropped > 0 {
            let before = self.counters.dropped.fetch_add(dropped, Ordering::Relaxed);
            // Said at 1, 2, 4, 8, …: a flood of drops does not become a flood of log lines.
            if before.checked_ilog2() != (before + dropped).checked_ilog2() {
                tracing::warn!(
                    dropped = before + dropped,
                    "fragments of streams are not written: the disk under data_dir is too slow"
                );
            }
        }
    }

    fn finish(self: Box<Self>) {}
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.queue.finish(self.number);
    }
}

#[cfg(test)]
mod tests;
