//! The writer thread and the bounded queue in front of it.

use crate::files::Files;
use crate::rest::Rest;
use crate::{Record, RecordKind, Rotation};
use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

/// Sizes of a [`FileSink`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileSinkConfig {
    /// The directory that every path is relative to; made (mode 0700) when it is missing.
    pub root: PathBuf,
    /// Records that may wait. Full policy: the newest record is dropped and counted.
    pub queue_records: usize,
    /// Files that stay open; beyond it the least recently used one is closed.
    pub open_files: usize,
    /// A file's lines are written out when this many octets have gathered.
    pub buffer_bytes: usize,
    /// All lines are written out at least after this many records, however busy the queue is.
    pub flush_records: usize,
    /// Which files of lines are put aside, and when; `None` for none.
    pub rotation: Option<Rotation>,
}

impl FileSinkConfig {
    /// The usual sizes: 65,536 records, 256 files, 64 KiB, 1,024 records.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        FileSinkConfig {
            root: root.into(),
            queue_records: 65_536,
            open_files: 256,
            buffer_bytes: 64 * 1_024,
            flush_records: 1_024,
            rotation: None,
        }
    }
}

/// Writes records into files, on a thread of its own.
///
/// The thread looks at its queue 20 times a second while records come, and hands all that waits to the operating
/// system in one batch. Nothing is synced to the device: a crash of the process loses at most a
/// batch, a power failure what the kernel had not written.
///
/// A write that fails (disk full, permission) loses the lines that it carried; they are counted
/// and the sink goes on. The log says when writing begins to fail, at each doubling of the
/// failures, and when it works again.
#[derive(Debug)]
pub struct FileSink {
    sender: FileSender,
    writer: Option<JoinHandle<()>>,
}

/// Hands records to a [`FileSink`]; cheap to clone, never blocks.
#[derive(Clone, Debug)]
pub struct FileSender {
    queue: Sender<Job>,
    counters: Arc<Counters>,
    rest: Rest,
    writer: Thread,
}

/// Why a record was not accepted. It has been counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotAccepted {
    /// The queue is full: the disk is slower than the records.
    QueueFull,
    /// The sink was closed.
    Closed,
}

/// What a sink did since it started.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SinkStatistics {
    /// Records in files.
    pub written_records: u64,
    /// Octets in files.
    pub written_bytes: u64,
    /// Records dropped because the queue was full or the sink closed.
    pub dropped_records: u64,
    /// Records lost because a write failed.
    pub failed_records: u64,
    /// Records that wait now.
    pub queued_records: u64,
    /// Files open after the last batch.
    pub open_files: u64,
}

impl FileSink {
    /// Makes the root directory and starts the writer thread.
    ///
    /// # Errors
    /// When the root directory cannot be made or no thread can be started.
    pub fn start(config: FileSinkConfig) -> io::Result<FileSink> {
        crate::files::make_directories(&config.root)?;
        let (sender, receiver) = bounded(config.queue_records.max(1));
        let counters = Arc::new(Counters::default());
        let rest = Rest::default();
        let writer = Writer::new(config, Arc::clone(&counters), rest.clone());
        let thread =
            thread::Builder::new().name("file-sink".into()).spawn(move || writer.run(&receiver))?;
        let writer = thread.thread().clone();
        let sender = FileSender { queue: sender, counters, rest, writer };
        Ok(FileSink { sender, writer: Some(thread) })
    }

    /// A handle for a producer of records.
    pub fn sender(&self) -> FileSender {
        self.sender.clone()
    }

    /// Waits until every record accepted so far has been tried to be written.
    pub fn flush(&self) {
        self.sender.flush();
    }

    /// What the sink did so far.
    pub fn statistics(&self) -> SinkStatistics {
        self.sender.statistics()
    }

    /// Writes what is queued, closes the files and ends the thread. Records that come later are
    /// refused as [`NotAccepted::Closed`].
    pub fn flush_and_close(mut self) -> SinkStatistics {
        self.close();
        self.statistics()
    }

    fn close(&mut self) {
        if let Some(writer) = self.writer.take() {
            // An error means that the thread is gone already; joining tells why.
            let _ = self.sender.queue.send(Job::Close);
            writer.thread().unpark();
            if writer.join().is_err() {
                tracing::error!("the file sink's thread panicked; records were lost");
            }
        }
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        self.close();
    }
}

impl FileSender {
    /// Queues a record.
    ///
    /// # Errors
    /// [`NotAccepted`]; the record is dropped and counted.
    pub fn send(&self, record: Record) -> Result<(), NotAccepted> {
        let reason = match self.queue.try_send(Job::Write(record)) {
            Ok(()) => {
                // The writer looks by itself after a pause; a system call to wake it for every
                // record would cost more than the record. A queue that fills quickly is worth one, and
                // the first record after a while.
                let is_filling = self.queue.len() > self.queue.capacity().unwrap_or(usize::MAX) / 4;
                if is_filling || self.rest.is_to_be_woken() {
                    self.writer.unpark();
                }
                return Ok(());
            }
            Err(TrySendError::Full(_)) => NotAccepted::QueueFull,
            Err(TrySendError::Disconnected(_)) => NotAccepted::Closed,
        };
        let dropped = self.counters.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        // Said at 1, 2, 4, 8, …: a flood of drops does not become a flood of log lines.
        if dropped.is_power_of_two() {
            tracing::warn!(dropped, %reason, "records are not written");
        }
        Err(reason)
    }

    /// Waits until every record accepted so far has been tried to be written.
    pub fn flush(&self) {
        let (done, wait) = bounded(1);
        if self.queue.send(Job::Flush(done)).is_ok() {
            self.writer.unpark();
            // An error means that the thread ended meanwhile: then nothing is left to wait for.
            let _ = wait.recv();
        }
    }

    /// Asks for a file to be put aside, when the queue has room: who asks, asks again.
    pub(crate) fn put_aside(&self, path: PathBuf) {
        let _ = self.queue.try_send(Job::PutAside(path));
        if self.rest.is_to_be_woken() {
            self.writer.unpark();
        }
    }

    /// What the sink did so far.
    pub fn statistics(&self) -> SinkStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SinkStatistics {
            written_records: read(&self.counters.written),
            written_bytes: read(&self.counters.written_bytes),
            dropped_records: read(&self.counters.dropped),
            failed_records: read(&self.counters.failed),
            queued_records: self.queue.len() as u64,
            open_files: read(&self.counters.open_files),
        }
    }
}

impl fmt::Display for NotAccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotAccepted::QueueFull => {
                "the sink's queue is full: the disk under data_dir is too slow or stalled"
            }
            NotAccepted::Closed => "the sink is closed",
        })
    }
}

impl std::error::Error for NotAccepted {}

/// Pause of the writer when its queue is empty.
const PAUSE: Duration = Duration::from_millis(50);
/// How long it rests when nothing came in such a pause, unless something comes.
const REST: Duration = Duration::from_secs(5);

#[derive(Debug)]
enum Job {
    Write(Record),
    Flush(Sender<()>),
    PutAside(PathBuf),
    Close,
}

#[derive(Default, Debug)]
struct Counters {
    written: AtomicU64,
    written_bytes: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    open_files: AtomicU64,
}

struct Writer {
    files: Files,
    counters: Arc<Counters>,
    rest: Rest,
    flush_records: usize,
    unflushed: usize,
    failing: bool,
}

impl Writer {
    fn new(config: FileSinkConfig, counters: Arc<Counters>, rest: Rest) -> Self {
        Writer {
            flush_records: config.flush_records.max(1),
            files: Files::new(config.root, config.open_files, config.buffer_bytes)
                .rotated(config.rotation),
            counters,
            rest,
            unflushed: 0,
            failing: false,
        }
    }

    fn run(mut self, queue: &Receiver<Job>) {
        let mut has_paused = false;
        loop {
            let job = queue.try_recv();
            has_paused &= job.is_err();
            match job {
                Ok(Job::Write(record)) => self.write(&record),
                Ok(Job::Flush(done)) => {
                    self.flush();
                    let _ = done.try_send(());
                }
                Ok(Job::PutAside(path)) => self.files.put_aside(&path),
                Err(TryRecvError::Empty) => {
                    self.flush();
                    match has_paused {
                        false => thread::park_timeout(PAUSE),
                        true => self.rest.rest(REST, || !queue.is_empty()),
                    }
                    has_paused = true;
                }
                Ok(Job::Close) | Err(TryRecvError::Disconnected) => return self.flush(),
            }
        }
    }

    fn write(&mut self, record: &Record) {
        match record.kind {
            RecordKind::AppendLine => self.files.append_line(&record.path, &record.body),
            RecordKind::WholeFile => self.files.write_whole(&record.path, &record.body),
        }
        self.unflushed += 1;
        if self.unflushed >= self.flush_records {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.unflushed = 0;
        self.files.flush();
        let outcome = self.files.take_outcome();
        let counters = &self.counters;
        counters.written.fetch_add(outcome.written_records, Ordering::Relaxed);
        counters.written_bytes.fetch_add(outcome.written_bytes, Ordering::Relaxed);
        counters.open_files.store(self.files.open_count() as u64, Ordering::Relaxed);
        if outcome.failed_records > 0 {
            let before = counters.failed.fetch_add(outcome.failed_records, Ordering::Relaxed);
            let failed = before + outcome.failed_records;
            if !self.failing || before.checked_ilog2() != failed.checked_ilog2() {
                let error = outcome.error.unwrap_or_default();
                tracing::error!(
                    failed,
                    error,
                    "records are lost: make room under data_dir or fix its permissions"
                );
            }
            self.failing = true;
        } else if self.failing && outcome.written_records > 0 {
            self.failing = false;
            tracing::info!("records are written again");
        }
    }
}

#[cfg(test)]
mod tests;
