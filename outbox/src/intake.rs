//! Where records come in: a bounded queue in memory, and a thread that puts them on disk.

use crate::clock::{Clock, draw, unix_time};
use crate::queue::{Appender, Fsync, Ledger};
use crate::{OutboxRecord, TooLarge};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use model::Instant;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;
use tokio::sync::Notify;

/// Records that are written in one go, at most.
const BATCH_RECORDS: usize = 4_096;
/// Octets of them, about.
const BATCH_BYTES: usize = 1_048_576;
/// Pause of the writer when nothing waits.
const PAUSE: Duration = Duration::from_millis(20);
/// Pause before a write that failed is tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Hands records to a destination's queue; cheap to clone, never waits for the disk.
#[derive(Clone, Debug)]
pub struct OutboxSender {
    queue: Sender<OutboxRecord>,
    intake: Arc<Intake>,
}

/// Why a record was not taken. It has been counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotTaken {
    /// Too many records wait for the disk, or too large ones: it is slower than they come, full, or
    /// fails.
    Full,
    /// It exceeds a bound of [`OutboxRecord`].
    TooLarge(TooLarge),
    /// The outbox was stopped.
    Stopped,
}

impl OutboxSender {
    /// Takes a record, which counts as accepted once it is on disk
    /// ([`OutboxSender::wait_accepted`], [`crate::OutboxStatistics::accepted`]).
    ///
    /// # Errors
    /// [`NotTaken`]; full policy: this record, the newest, is dropped and counted.
    pub fn offer(&self, record: OutboxRecord) -> Result<(), NotTaken> {
        let intake = &self.intake;
        let outcome =
            record.check().map_err(NotTaken::TooLarge).and_then(|()| self.enqueue(record));
        if let Err(reason) = outcome {
            let lost = intake.not_taken.fetch_add(1, Ordering::Relaxed) + 1;
            // Said at 1, 2, 4, 8, …: a flood of drops does not become a flood of log lines.
            if lost.is_power_of_two() {
                let queue = intake.ledger.directory().display().to_string();
                tracing::warn!(queue, lost, %reason, "records are not taken into the outbox");
            }
        }
        outcome
    }

    /// Waits until every record taken so far is accepted; false when that lasts longer than `limit`,
    /// or the writer ended before.
    pub fn wait_accepted(&self, limit: Duration) -> bool {
        let target = self.intake.taken.load(Ordering::SeqCst);
        self.intake.wake();
        let written = self.intake.written.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = self.intake.changed.wait_timeout_while(written, limit, |written| {
            *written < target && !self.intake.ended.load(Ordering::SeqCst)
        });
        *waiting.unwrap_or_else(PoisonError::into_inner).0 >= target
    }

    fn enqueue(&self, record: OutboxRecord) -> Result<(), NotTaken> {
        let intake = &self.intake;
        if intake.closing.load(Ordering::SeqCst) {
            return Err(NotTaken::Stopped);
        }
        let weight = record.weight() as u64;
        if intake.memory.fetch_add(weight, Ordering::SeqCst) + weight > intake.most_memory {
            intake.memory.fetch_sub(weight, Ordering::SeqCst);
            return Err(NotTaken::Full);
        }
        if let Err(error) = self.queue.try_send(record) {
            intake.memory.fetch_sub(weight, Ordering::SeqCst);
            return Err(match error {
                TrySendError::Full(_) => NotTaken::Full,
                TrySendError::Disconnected(_) => NotTaken::Stopped,
            });
        }
        intake.taken.fetch_add(1, Ordering::SeqCst);
        // The writer looks by itself every PAUSE; a system call for every record would cost more
        // than the record. A queue that fills quickly is worth one.
        if self.queue.len() > self.queue.capacity().unwrap_or(usize::MAX) / 4 {
            intake.wake();
        }
        Ok(())
    }
}

/// What the senders and the writer share.
#[derive(Debug)]
pub(crate) struct Intake {
    ledger: Arc<Ledger>,
    most_memory: u64,
    /// Octets of memory that records take which are not written.
    memory: AtomicU64,
    taken: AtomicU64,
    /// Of `taken`, those that are accepted.
    written: Mutex<u64>,
    changed: Condvar,
    not_taken: AtomicU64,
    failed_writes: AtomicU64,
    closing: AtomicBool,
    ended: AtomicBool,
    writer: OnceLock<Thread>,
}

impl Intake {
    fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    pub(crate) fn not_taken(&self) -> u64 {
        self.not_taken.load(Ordering::Relaxed)
    }

    pub(crate) fn failed_writes(&self) -> u64 {
        self.failed_writes.load(Ordering::Relaxed)
    }

    /// Records that wait for the disk.
    pub(crate) fn unwritten(&self) -> u64 {
        let written = *self.written.lock().unwrap_or_else(PoisonError::into_inner);
        self.taken.load(Ordering::SeqCst).saturating_sub(written)
    }

    fn add_written(&self, count: u64) {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) += count;
        self.changed.notify_all();
    }

    /// Takes no more records; those that were taken are written once more, and the thread ends.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.wake();
    }
}

/// How much may wait for the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct IntakeLimits {
    pub(crate) records: usize,
    pub(crate) bytes: u64,
}

/// What the writer needs beside the queue.
pub(crate) struct WriterParts {
    pub(crate) appender: Appender,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) fsync: Fsync,
    /// Called before each write with the octets that come; keeps all queues within their bound.
    pub(crate) make_room: Box<dyn Fn(u64) + Send>,
    /// Told when there is something to deliver.
    pub(crate) arrived: Arc<Notify>,
}

/// Starts the writer's thread.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn start(
    name: &str,
    limits: IntakeLimits,
    parts: WriterParts,
) -> io::Result<(OutboxSender, Arc<Intake>, JoinHandle<()>)> {
    let (sender, receiver) = bounded(limits.records.max(1));
    let intake = Arc::new(Intake {
        ledger: Arc::clone(&parts.ledger),
        most_memory: limits.bytes,
        memory: AtomicU64::new(0),
        taken: AtomicU64::new(0),
        written: Mutex::new(0),
        changed: Condvar::new(),
        not_taken: AtomicU64::new(0),
        failed_writes: AtomicU64::new(0),
        closing: AtomicBool::new(false),
        ended: AtomicBool::new(false),
        writer: OnceLock::new(),
    });
    let clock = Clock::start();
    let writer = Writer {
        parts,
        intake: Arc::clone(&intake),
        clock,
        pending: Vec::new(),
        retry_at: None,
        synced_at: Instant::ZERO,
    };
    let thread = thread::Builder::new()
        .name(format!("out-w-{name}"))
        .spawn(move || writer.run(&receiver))?;
    let _ = intake.writer.set(thread.thread().clone());
    Ok((OutboxSender { queue: sender, intake: Arc::clone(&intake) }, intake, thread))
}

struct Writer {
    parts: WriterParts,
    intake: Arc<Intake>,
    clock: Clock,
    /// Taken out of the queue and not yet on disk.
    pending: Vec<OutboxRecord>,
    /// Set while writing fails.
    retry_at: Option<Instant>,
    synced_at: Instant,
}

impl Writer {
    fn run(mut self, queue: &Receiver<OutboxRecord>) {
        loop {
            // Read first: what comes after it is refused, what came before is in the queue.
            let closing = self.intake.closing.load(Ordering::SeqCst);
            self.gather(queue);
            let now = self.clock.now();
            if !self.pending.is_empty() && (closing || self.retry_at.is_none_or(|at| at <= now)) {
                self.write(now);
            }
            self.sync_when_due(now);
            let idle = self.pending.is_empty() && queue.is_empty();
            if closing && (idle || self.retry_at.is_some()) {
                return self.end(queue);
            }
            if idle || self.retry_at.is_some() {
                thread::park_timeout(PAUSE);
            }
        }
    }

    fn gather(&mut self, queue: &Receiver<OutboxRecord>) {
        let mut bytes: usize = self.pending.iter().map(OutboxRecord::weight).sum();
        while self.pending.len() < BATCH_RECORDS && bytes < BATCH_BYTES {
            let Ok(record) = queue.try_recv() else { return };
            bytes += record.weight();
            self.pending.push(record);
        }
    }

    fn write(&mut self, now: Instant) {
        let weight = |records: &[OutboxRecord]| -> u64 {
            records.iter().map(|record| record.weight() as u64).sum()
        };
        (self.parts.make_room)(weight(&self.pending));
        let (accepted, outcome) = self.parts.appender.append(&self.pending, unix_time(), &mut draw);
        let done: Vec<_> = self.pending.drain(..accepted).collect();
        self.intake.memory.fetch_sub(weight(&done), Ordering::SeqCst);
        if accepted > 0 {
            self.intake.add_written(accepted as u64);
            self.parts.arrived.notify_one();
        }
        let queue = || self.parts.ledger.directory().display().to_string();
        match outcome {
            Ok(()) => {
                if self.retry_at.take().is_some() {
                    tracing::info!(queue = queue(), "the outbox is written again");
                }
            }
            Err(error) => {
                self.intake.failed_writes.fetch_add(1, Ordering::Relaxed);
                if self.retry_at.is_none() {
                    tracing::error!(
                        queue = queue(), %error,
                        "the outbox cannot be written: records wait in memory, then are dropped; \
                         make room under data_dir or fix its permissions"
                    );
                }
                self.retry_at = Some(now + AFTER_FAILURE);
            }
        }
    }

    fn sync_when_due(&mut self, now: Instant) {
        let Fsync::Interval(interval) = self.parts.fsync else { return };
        if now.saturating_since(self.synced_at) >= interval {
            self.synced_at = now;
            if let Err(error) = self.parts.appender.sync() {
                self.intake.failed_writes.fetch_add(1, Ordering::Relaxed);
                let queue = self.parts.ledger.directory().display().to_string();
                tracing::error!(queue, %error, "the outbox cannot be synced to the disk");
            }
        }
    }

    fn end(mut self, queue: &Receiver<OutboxRecord>) {
        if self.parts.fsync != Fsync::Never
            && let Err(error) = self.parts.appender.sync()
        {
            let queue = self.parts.ledger.directory().display().to_string();
            tracing::error!(queue, %error, "the outbox cannot be synced to the disk");
        }
        let lost = (self.pending.len() + queue.len()) as u64;
        if lost > 0 {
            self.intake.not_taken.fetch_add(lost, Ordering::Relaxed);
            let queue = self.parts.ledger.directory().display().to_string();
            tracing::error!(queue, lost, "records are lost: the disk did not take them");
        }
        self.intake.ended.store(true, Ordering::SeqCst);
        self.intake.add_written(0);
        self.parts.arrived.notify_one();
    }
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotTaken::Full => {
                f.write_str("too much waits for the disk under data_dir: it is slow, full or fails")
            }
            NotTaken::TooLarge(what) => what.fmt(f),
            NotTaken::Stopped => f.write_str("the outbox is stopped"),
        }
    }
}

impl std::error::Error for NotTaken {}
