//! All queues of a node, and the bound that they share.

use crate::delivery::{Delivery, Report};
use crate::intake::{self, Intake, IntakeLimits, WriterParts};
use crate::queue::{self, Ledger, QueueConfig, SystemDisk};
use crate::refused::RefusedList;
use crate::{Backoff, Destination, DestinationName, Fsync, OutboxSender, OutboxStatistics};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::Notify;

/// Octets of a segment file, unless the bounds are small.
const SEGMENT_BYTES: u64 = 8 * 1_048_576;

/// Sizes of an [`Outbox`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboxConfig {
    /// The directory that holds one directory for each destination; made (mode 0700) when the first
    /// one is started.
    pub root: PathBuf,
    /// Octets of all queues together, at least [`OutboxConfig::LEAST_BYTES`]. Full policy: the oldest
    /// segment of any queue is dropped, counted and logged.
    pub max_bytes: u64,
    /// Octets of one queue, at least [`OutboxConfig::LEAST_BYTES`]. Full policy: its oldest segment
    /// is dropped, counted and logged.
    pub destination_max_bytes: u64,
    /// When what is written is made to survive a power failure.
    pub fsync: Fsync,
    /// Records of one destination that may wait for the disk in memory. Full policy: the newest is
    /// not taken, and counted.
    pub unwritten_records: usize,
    /// Octets of them.
    pub unwritten_bytes: u64,
    /// Octets of one destination's lists of refused records.
    pub refused_bytes: u64,
    /// Pauses between attempts.
    pub backoff: Backoff,
    /// How long one attempt may take.
    pub delivery_timeout: Duration,
}

impl OutboxConfig {
    /// The least bound: eight segments of 64 KiB.
    pub const LEAST_BYTES: u64 = 512 * 1_024;

    /// The usual sizes: 4 GiB and 1 GiB for a destination on disk, synced every second; 16,384
    /// records or 64 MiB that wait for the disk; 16 MiB of refused records; pauses from 1 s to 60 s;
    /// 60 s for an attempt.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        OutboxConfig {
            root: root.into(),
            max_bytes: 4 << 30,
            destination_max_bytes: 1 << 30,
            fsync: Fsync::Interval(Duration::from_secs(1)),
            unwritten_records: 16_384,
            unwritten_bytes: 64 << 20,
            refused_bytes: 16 << 20,
            backoff: Backoff::default(),
            delivery_timeout: Duration::from_secs(60),
        }
    }

    fn queue(&self) -> QueueConfig {
        let least = self.max_bytes.min(self.destination_max_bytes).max(Self::LEAST_BYTES);
        QueueConfig {
            segment_bytes: (least / 8).min(SEGMENT_BYTES),
            most_bytes: self.destination_max_bytes.max(Self::LEAST_BYTES),
            fsync: self.fsync,
        }
    }
}

/// The queues of all destinations. Nothing runs, and no file is made, before the first one is
/// started.
#[derive(Debug)]
pub struct Outbox {
    config: OutboxConfig,
    view: OutboxView,
    running: Vec<Running>,
}

/// Tells the state of every queue; cheap to clone.
#[derive(Clone, Default, Debug)]
pub struct OutboxView(Arc<Mutex<Vec<Watched>>>);

#[derive(Clone, Debug)]
struct Watched {
    name: DestinationName,
    ledger: Arc<Ledger>,
    intake: Arc<Intake>,
    report: Arc<Report>,
}

#[derive(Debug)]
struct Running {
    intake: Arc<Intake>,
    report: Arc<Report>,
    arrived: Arc<Notify>,
    writer: JoinHandle<()>,
    delivery: JoinHandle<()>,
}

impl Outbox {
    /// An outbox without destinations.
    pub fn new(config: OutboxConfig) -> Self {
        Outbox { config, view: OutboxView::default(), running: Vec::new() }
    }

    /// Opens the destination's queue, with what an earlier process left in it, and delivers from
    /// then on. Two threads: one writes, one delivers.
    ///
    /// # Errors
    /// When the queue cannot be opened, a thread not be started, or the name is taken.
    pub fn start<D: Destination>(
        &mut self,
        name: &DestinationName,
        destination: D,
    ) -> io::Result<OutboxSender> {
        if self.view.watched().iter().any(|watched| watched.name == *name) {
            let taken = format!("the outbox has a destination {name} already");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, taken));
        }
        let config = &self.config;
        let directory = config.root.join(name.as_str());
        let ends = queue::open(&directory, config.queue(), Box::new(SystemDisk))?;
        let (report, arrived) = (Arc::new(Report::default()), Arc::new(Notify::new()));
        let delivery = Delivery {
            name: name.clone(),
            destination,
            reader: ends.reader,
            refused: RefusedList::new(&directory, config.refused_bytes),
            backoff: config.backoff,
            timeout: config.delivery_timeout,
            report: Arc::clone(&report),
            arrived: Arc::clone(&arrived),
        };
        let (view, most) = (self.view.clone(), config.max_bytes);
        let parts = WriterParts {
            appender: ends.appender,
            ledger: Arc::clone(&ends.ledger),
            fsync: config.fsync,
            make_room: Box::new(move |incoming| view.make_room(incoming, most)),
            arrived: Arc::clone(&arrived),
        };
        let limits =
            IntakeLimits { records: config.unwritten_records, bytes: config.unwritten_bytes };
        let (sender, intake, writer) = intake::start(name.as_str(), limits, parts)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let delivery = thread::Builder::new()
            .name(format!("out-d-{name}"))
            .spawn(move || runtime.block_on(delivery.run()))?;
        let watched = Watched {
            name: name.clone(),
            ledger: ends.ledger,
            intake: Arc::clone(&intake),
            report: Arc::clone(&report),
        };
        self.view.lock().push(watched);
        self.running.push(Running { intake, report, arrived, writer, delivery });
        Ok(sender)
    }

    /// A handle that tells the state of the queues.
    pub fn view(&self) -> OutboxView {
        self.view.clone()
    }

    /// The state of every queue.
    pub fn statistics(&self) -> Vec<OutboxStatistics> {
        self.view.statistics()
    }

    /// Takes no more records, puts those that were taken on disk, delivers what can be delivered
    /// within `limit`, and ends. The rest stays on disk for the next start.
    pub fn stop(self, limit: Duration) -> Vec<OutboxStatistics> {
        let Outbox { view, running, .. } = self;
        for destination in &running {
            destination.intake.close();
        }
        let mut deliveries = Vec::with_capacity(running.len());
        for Running { report, arrived, writer, delivery, .. } in running {
            if writer.join().is_err() {
                tracing::error!("a writer of the outbox panicked; records were lost");
            }
            // All at once: the limit is for all of them together.
            report.stop(limit);
            arrived.notify_one();
            deliveries.push(delivery);
        }
        for delivery in deliveries {
            if delivery.join().is_err() {
                tracing::error!("a delivery of the outbox panicked; its records wait on disk");
            }
        }
        view.statistics()
    }
}

impl OutboxView {
    /// The state of every queue, in the order in which they were started.
    pub fn statistics(&self) -> Vec<OutboxStatistics> {
        self.watched().iter().map(Watched::statistics).collect()
    }

    fn watched(&self) -> Vec<Watched> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops oldest segments, of whichever queue, until `incoming` octets fit into `most`.
    fn make_room(&self, incoming: u64, most: u64) {
        let watched = self.watched();
        loop {
            let bytes: u64 = watched.iter().map(|queue| queue.ledger.bytes()).sum();
            if bytes.saturating_add(incoming) <= most {
                return;
            }
            let oldest = watched
                .iter()
                .filter_map(|queue| Some((queue.ledger.oldest_sealed()?, &queue.ledger)))
                .min_by_key(|(created, _)| *created);
            // Segments that are being written remain: a small part of the bound.
            let Some((_, ledger)) = oldest else { return };
            if ledger.drop_oldest().is_none() {
                return;
            }
        }
    }
}

impl Watched {
    fn statistics(&self) -> OutboxStatistics {
        let state = self.ledger.lock();
        let counts = state.counts;
        let (depth_entries, oldest) = (state.waiting, state.oldest);
        drop(state);
        OutboxStatistics {
            destination: self.name.to_string(),
            depth_entries,
            depth_bytes: self.ledger.bytes(),
            oldest,
            unwritten: self.intake.unwritten(),
            accepted: counts.accepted,
            delivered: counts.delivered,
            refused: counts.refused,
            dropped: counts.dropped,
            not_accepted: self.intake.not_taken(),
            again: counts.again,
            damaged: counts.damaged,
            torn: counts.torn,
            failed_writes: self.intake.failed_writes(),
            last_error: self.report.last_error(),
            failures_in_a_row: self.report.failures_in_a_row(),
        }
    }
}
