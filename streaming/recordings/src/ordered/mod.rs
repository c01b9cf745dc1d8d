//! Recordings that applications order of the calls that they steer: one WAV file each, of one party or of
//! both side by side, which is put where the application said and may be played at once.
//!
//! Bounds, each with what happens when it is reached:
//! - recordings at once ([`MOST`]): the next one fails, and its application is told;
//! - audio that waits for the thread that writes ([`QUEUE`]): it is lost, counted, and silence of a
//!   recording of both parties;
//! - beginnings and ends that wait for it: a recording whose end might find no room fails at its beginning,
//!   and its application is told;
//! - files that wait to be put where they belong, small and large ones ([`WAITING`] of either): the next one
//!   stays in the directory of those that are written, its application is told, and the next start looks
//!   after it.

mod consumer;
mod keeper;
mod writer;

#[cfg(test)]
mod tests;

use call_audio::{AudioConsumer, Opening};
use consumer::{Consumer, Message};
use crossbeam_channel::{Sender, bounded};
use keeper::Keeper;
use model::{OrderedRecording, RecordedObject, TransactionId};
use std::collections::HashMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use writer::Writer;

/// Recordings at once.
const MOST: u64 = 500;
/// Messages that wait for the writer, each of half a second.
const QUEUE: usize = 4_096;
/// Of those, kept for beginnings and ends: each recording has one of either. A beginning is refused that
/// would leave less room than the ends of all open recordings take.
const RESERVE: usize = 2 * MOST as usize;
/// What is left besides: several threads look at once.
const SPARE: usize = 64;
/// Files that wait to be put where they belong.
const WAITING: usize = 1_024;
/// Pauses of recordings that have not begun, or of none.
const MOST_PAUSES: usize = 4_096;

/// Where recordings go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OrderedStore {
    /// The object `KEY` of the bucket `BUCKET` is the file `BUCKET/KEY` in this directory.
    Directory(PathBuf),
    /// S3.
    S3(aws_sinks::Access),
}

/// Something happened to a recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderedNews {
    /// Its call.
    pub call: TransactionId,
    /// The order's number.
    pub order: u32,
    /// What.
    pub event: OrderedEvent,
}

/// What happens to a recording: it begins and ends, or ends without having begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OrderedEvent {
    /// Its file is there, and is written.
    Began,
    /// Where it is, or in words why it is not there.
    Ended(Result<RecordedObject, String>),
}

/// Who hears what becomes of recordings. It must not wait.
pub type OrderedSink = Arc<dyn Fn(OrderedNews) + Send + Sync>;

/// What was done since the start.
#[derive(Default, Debug)]
pub struct OrderedCounters {
    /// Recordings that are open now.
    pub open: AtomicU64,
    /// Recordings that are where they belong.
    pub saved: AtomicU64,
    /// Recordings that could not be written or brought there.
    pub failed: AtomicU64,
    /// Samples that found no room and are not in their recording.
    pub lost_samples: AtomicU64,
}

type Pauses = Arc<Mutex<HashMap<(TransactionId, u32), Arc<AtomicBool>>>>;

/// Opens recordings, and pauses those that are open.
#[derive(Clone)]
pub struct OrderedOpener {
    queue: Sender<Message>,
    next: Arc<AtomicU64>,
    pauses: Pauses,
    counters: Arc<OrderedCounters>,
    sink: OrderedSink,
}

impl fmt::Debug for OrderedOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderedOpener").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl OrderedOpener {
    /// A listener that records what was ordered; `None` when there is no room for it, which `sink` is told.
    pub fn open(
        &self,
        ordered: &OrderedRecording,
        opening: &Opening,
    ) -> Option<Box<dyn AudioConsumer>> {
        let (call, order) = (opening.call.transaction_id, ordered.order);
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let is_paused = self.paused(call, order);
        let counters = &self.counters;
        let mut why =
            format!("{MOST} recordings of applications are under way, which are the most");
        if counters.open.fetch_add(1, Ordering::Relaxed) < MOST {
            let consumer =
                Consumer::begin(id, (ordered, opening), &self.queue, counters, is_paused);
            if let Some(consumer) = consumer {
                return Some(Box::new(consumer));
            }
            why = "recordings of applications are not written as fast as they come".to_owned();
        }
        counters.open.fetch_sub(1, Ordering::Relaxed);
        self.refuse(call, order, why);
        None
    }

    /// Tells that nobody will record what was ordered, and why.
    pub fn refuse(&self, call: TransactionId, order: u32, why: String) {
        self.counters.failed.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%call, %why, "what an application has ordered is not recorded");
        (self.sink)(OrderedNews { call, order, event: OrderedEvent::Ended(Err(why)) });
    }

    /// A recording keeps silence from now on, or goes on. Of one that has not begun it holds from its
    /// beginning.
    pub fn pause(&self, call: TransactionId, order: u32, on: bool) {
        self.paused(call, order).store(on, Ordering::Relaxed);
    }

    fn paused(&self, call: TransactionId, order: u32) -> Arc<AtomicBool> {
        let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        if pauses.len() >= MOST_PAUSES {
            // Those that nobody holds are of recordings that are over.
            pauses.retain(|_, paused| Arc::strong_count(paused) > 1);
        }
        Arc::clone(pauses.entry((call, order)).or_default())
    }
}

/// The threads, until it is dropped.
pub struct OrderedRecordings {
    opener: Option<OrderedOpener>,
    threads: Vec<JoinHandle<()>>,
    is_stopping: Arc<AtomicBool>,
    counters: Arc<OrderedCounters>,
}

impl fmt::Debug for OrderedRecordings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderedRecordings")
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl OrderedRecordings {
    /// Starts the threads, which also look after what a crash left in `spool`, the directory of files that
    /// are written. With [`OrderedStore::Directory`] it is to be on the same file system.
    ///
    /// # Errors
    /// The system's, when it has no thread.
    pub fn start(spool: PathBuf, store: OrderedStore, sink: OrderedSink) -> std::io::Result<Self> {
        let counters: Arc<OrderedCounters> = Arc::default();
        let is_stopping: Arc<AtomicBool> = Arc::default();
        let (queue, messages) = bounded(QUEUE);
        let (finished, files) = bounded(WAITING);
        let writer = Writer {
            spool: spool.clone(),
            queue: messages,
            finished,
            counters: Arc::clone(&counters),
            sink: Arc::clone(&sink),
        };
        let (slow, slow_files) = bounded(WAITING);
        let keeper = |left, files, slow| Keeper {
            left,
            spool: spool.clone(),
            store: store.clone(),
            files,
            slow,
            counters: Arc::clone(&counters),
            sink: Arc::clone(&sink),
            is_stopping: Arc::clone(&is_stopping),
        };
        let slow_keeper = keeper(keeper::left_in(&spool), slow_files, None);
        let keeper = keeper(Vec::new(), files, Some(slow));
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (kept, slowly) = (runtime()?, runtime()?);
        let spawn = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let threads = vec![
            spawn("ordered").spawn(move || writer.run())?,
            spawn("ordered-keep").spawn(move || keeper.run(&kept))?,
            spawn("ordered-slow").spawn(move || slow_keeper.run(&slowly))?,
        ];
        let (next, pauses) = (Arc::default(), Pauses::default());
        let opener = OrderedOpener { queue, next, pauses, counters: Arc::clone(&counters), sink };
        Ok(OrderedRecordings { opener: Some(opener), threads, is_stopping, counters })
    }

    /// What opens recordings.
    pub fn opener(&self) -> Option<OrderedOpener> {
        self.opener.clone()
    }

    /// What was done since the start.
    pub fn counters(&self) -> Arc<OrderedCounters> {
        Arc::clone(&self.counters)
    }

    /// Ends the threads once what is written is whole; listeners must have ended. What is not in S3 by
    /// then stays for the next start.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for OrderedRecordings {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        if let Some(opener) = self.opener.take() {
            // The writer always takes what waits.
            let _ = opener.queue.send(Message::Stop);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The path `BUCKET/KEY` below `root`; never one outside it.
fn below(root: &Path, bucket: &str, key: &str) -> Result<PathBuf, String> {
    let is_plain = |text: &str| {
        let is_normal = |part: Component<'_>| matches!(part, Component::Normal(_));
        !text.is_empty() && !text.contains('\\') && Path::new(text).components().all(is_normal)
    };
    if !is_plain(bucket) || !is_plain(key) || bucket.contains('/') {
        return Err(format!("{bucket}/{key} is no path below {}", root.display()));
    }
    Ok(root.join(bucket).join(key))
}
