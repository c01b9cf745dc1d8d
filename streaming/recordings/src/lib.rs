//! Recordings of calls as files that people can play, how long they are kept, and where they go.
//!
//! [`Recordings::open`] gives a listener ([`AudioConsumer`]) for one call. It hands audio over to a thread
//! that writes one file of two channels, the caller left and the called right, with a JSON beside it
//! ([`Description`]). Another thread finishes files, also those that a crash left, and removes what is old;
//! a third one uploads to S3. docs/recordings.md has the formats.
//!
//! - The call never waits: a disk, KMS or S3 that is slow or full costs audio of recordings, counted, which
//!   is silence in the file, so that its length stays right.
//! - After a crash a file can be played up to the last second or two; the next start finishes it.
//! - What is to be uploaded is removed here when the bucket is proven to have it, not before.
#![forbid(unsafe_code)]

mod calendar;
mod counters;
mod description;
mod interleaver;
mod keeper;
mod keys;
mod meetings;
mod mkv_opus;
mod notice;
mod ogg;
mod opus;
mod ordered;
mod part;
mod recording;
mod repair;
#[cfg(test)]
mod scratch;
mod seal;
mod subject;
#[cfg(test)]
mod testing;
mod tree;
mod unfinished;
mod unsealing;
mod upload;
mod wav;
mod writer;

pub use counters::RecordingCounters;
pub use description::{
    DescribedChannel, DescribedKey, DescribedMeeting, DescribedParticipant, Description, State,
    Upload,
};
pub use keeper::{Keep, Outcome, OutcomeSink};
pub use keys::{Envelope, KeyConfig, KeyError, Keys, PlainKey, key_context};
pub use meetings::{
    MeetingFormat, MeetingOpener, MeetingTape, MeetingsConfig, TAPE_FRAME, TAPE_RATE, TapeProgress,
    TapedMeeting, TapedPerson,
};
pub use notice::{Notice, NoticeKind, NoticeSink};
pub use ordered::{
    OrderedCounters, OrderedEvent, OrderedNews, OrderedOpener, OrderedRecordings, OrderedSink,
    OrderedStore,
};
pub use recording::Rotation;
pub use seal::{SealError, SealedHeader, Unsealed, read_sealed_header};
pub use tree::all_descriptions;
pub use unsealing::{UnsealError, unseal};
pub use upload::UploadConfig;

use call_audio::{AudioConsumer, Opening};
use counters::add;
use crossbeam_channel::{Sender, bounded};
use keeper::{Keeper, TASKS, Task};
use keys::DataKey;
use meetings::MeetingWriter;
use model::RecordingFormat;
use notice::Notices;
use outbox::Backoff;
use outbox::clock::draw;
use recording::{OpenFiles, Place};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use upload::{Uploader, WAITING};
use writer::{Consumer, Desk, Message, QUEUE, Writer};

/// Data keys that are made before they are needed: calls that begin while KMS does not answer.
const KEYS_AHEAD: usize = 64;

/// How recordings are written and kept.
#[derive(Clone)]
pub struct RecordingsConfig {
    /// The directory, which holds nothing else.
    pub root: PathBuf,
    /// The node's name, for notices.
    pub node: String,
    /// Threads that write; at least one. One writes hundreds of calls to WAV, some fifty to Opus.
    pub writers: usize,
    /// When a part ends.
    pub rotation: Rotation,
    /// What is kept.
    pub keep: Keep,
    /// What encrypts; `None` leaves files as everybody can play them.
    pub key: Option<KeyConfig>,
    /// Where they go; `None` keeps them here.
    pub upload: Option<UploadConfig>,
    /// How meetings are recorded; `None` where they are not.
    pub meetings: Option<MeetingsConfig>,
    /// Who is told what happens. It must not wait.
    pub notices: Option<NoticeSink>,
    /// Who counts what became of recordings. It must not wait.
    pub outcomes: Option<OutcomeSink>,
}

impl fmt::Debug for RecordingsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingsConfig").field("root", &self.root).finish_non_exhaustive()
    }
}

/// Why recordings cannot start.
#[derive(Debug)]
pub enum StartError {
    /// The key cannot be used.
    Key(KeyError),
    /// A thread cannot be started.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Key(error) => write!(f, "[recordings] {error}"),
            StartError::Thread(error) => write!(f, "recordings have no thread: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// The threads of a node's recordings, until it is dropped.
pub struct Recordings {
    opener: Option<Opener>,
    meetings: Option<MeetingOpener>,
    writers: Vec<JoinHandle<()>>,
    tasks: Sender<Task>,
    keeper: Option<JoinHandle<()>>,
    uploader: Option<JoinHandle<()>>,
    is_stopping: Arc<AtomicBool>,
    counters: Arc<RecordingCounters>,
    notices: Notices,
}

/// Opens recordings. What is opened after [`Recordings`] is dropped is not written.
#[derive(Clone)]
pub struct Opener {
    queues: Vec<Sender<Message>>,
    next: Arc<AtomicU64>,
    counters: Arc<RecordingCounters>,
    outcomes: Option<OutcomeSink>,
}

impl Opener {
    /// A listener that records a call; `None`, counted as failed, when its thread has no room for it.
    pub fn open(
        &self,
        opening: &Opening,
        format: RecordingFormat,
    ) -> Option<Box<dyn AudioConsumer>> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let queue = usize::try_from(id).unwrap_or_default() % self.queues.len().max(1);
        let queue = self.queues.get(queue)?;
        match Consumer::begin(id, opening, format, queue, &self.counters) {
            Some(consumer) => Some(Box::new(consumer)),
            None => {
                add(&self.counters.failed, 1);
                if let Some(outcomes) = &self.outcomes {
                    let voice_connector = Some(opening.call.voice_connector_id.clone());
                    outcomes(Outcome { voice_connector, bytes: None });
                }
                None
            }
        }
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("threads", &self.queues.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Recordings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recordings").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl Recordings {
    /// Starts the threads, finishes what a crash left, and goes on with what was to be uploaded.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: RecordingsConfig) -> Result<Self, StartError> {
        let keys = |config: &KeyConfig| Keys::new(config).map_err(StartError::Key);
        let (opening, making) = (
            config.key.as_ref().map(keys).transpose()?,
            config.key.as_ref().map(keys).transpose()?,
        );
        let counters = Arc::new(RecordingCounters::default());
        let notices = Notices::new(&config.node, config.notices.clone());
        let (is_stopping, is_wanted) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let open = OpenFiles::default();
        let (tasks, waiting_tasks) = bounded(TASKS);
        let (uploads, files) = bounded(WAITING);
        let keeper = Keeper {
            root: config.root.clone(),
            keep: config.keep,
            open: open.clone(),
            keys: opening,
            tasks: waiting_tasks,
            uploads: config.upload.as_ref().map(|_| uploads),
            counters: Arc::clone(&counters),
            notices: notices.clone(),
            outcomes: config.outcomes.clone(),
            is_wanted: Arc::clone(&is_wanted),
        };
        let keeper = spawn("recordings-keep", move || keeper.run())?;
        let uploader = config.upload.map(|upload| {
            let uploader = Uploader {
                root: config.root.clone(),
                config: upload,
                files,
                counters: Arc::clone(&counters),
                notices: notices.clone(),
                is_stopping: Arc::clone(&is_stopping),
                is_wanted,
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(StartError::Thread)?;
            spawn("recordings-up", move || uploader.run(&runtime))
        });
        let uploader = uploader.transpose()?;
        let keys = making.map(|keys| keys_ahead(keys, &notices, &is_stopping)).transpose()?;
        let place = Place { root: config.root, rotation: config.rotation, keys, open };
        let (mut queues, mut writers) = (Vec::new(), Vec::new());
        let desk = Desk {
            place,
            counters: Arc::clone(&counters),
            notices: notices.clone(),
            outcomes: config.outcomes.clone(),
            keeper: tasks.clone(),
        };
        for _ in 0..config.writers.max(1) {
            let (queue, messages) = bounded(QUEUE);
            let is_stopping = Arc::clone(&is_stopping);
            let writer = Writer { desk: desk.clone(), queue: messages, is_stopping };
            queues.push(queue);
            writers.push(spawn("recordings", move || writer.run())?);
        }
        let mut meetings = None;
        if let Some(of) = config.meetings {
            let mut queues = Vec::new();
            for _ in 0..config.writers.max(1) {
                let (queue, messages) = bounded(meetings::QUEUE);
                let (desk, is_stopping) = (desk.clone(), Arc::clone(&is_stopping));
                let writer = MeetingWriter { desk, config: of, queue: messages, is_stopping };
                queues.push(queue);
                writers.push(spawn("recordings-room", move || writer.run())?);
            }
            meetings = Some(MeetingOpener::new(queues, Arc::clone(&counters), of));
        }
        notices.tell(NoticeKind::Started, "calls are recorded");
        let (next, outcomes) = (Arc::default(), config.outcomes);
        let opener = Opener { queues, next, counters: Arc::clone(&counters), outcomes };
        let (opener, keeper) = (Some(opener), Some(keeper));
        Ok(Recordings {
            opener,
            meetings,
            writers,
            tasks,
            keeper,
            uploader,
            is_stopping,
            counters,
            notices,
        })
    }

    /// What opens recordings.
    pub fn opener(&self) -> Option<Opener> {
        self.opener.clone()
    }

    /// What begins recordings of meetings, where they may be recorded.
    pub fn meetings(&self) -> Option<MeetingOpener> {
        self.meetings.clone()
    }

    /// A listener that records a call; `None`, counted as failed, when its thread has no room for it.
    pub fn open(
        &self,
        opening: &Opening,
        format: RecordingFormat,
    ) -> Option<Box<dyn AudioConsumer>> {
        self.opener.as_ref()?.open(opening, format)
    }

    /// What was done since the start.
    pub fn counters(&self) -> Arc<RecordingCounters> {
        Arc::clone(&self.counters)
    }
}

impl Drop for Recordings {
    /// Finishes what is recorded; listeners must have ended. What is not uploaded yet is uploaded by the
    /// next start.
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        drop(self.opener.take());
        drop(self.meetings.take());
        for writer in self.writers.drain(..) {
            let _ = writer.join();
        }
        let _ = self.tasks.send(Task::Stop);
        for thread in self.keeper.take().into_iter().chain(self.uploader.take()) {
            let _ = thread.join();
        }
        self.notices.tell(NoticeKind::Stopped, "calls are not recorded any more");
    }
}

/// A thread that keeps some data keys ready. It ends when nobody takes them any more.
fn keys_ahead(
    mut keys: Keys,
    notices: &Notices,
    is_stopping: &Arc<AtomicBool>,
) -> Result<crossbeam_channel::Receiver<DataKey>, StartError> {
    let (ready, taken) = bounded(KEYS_AHEAD);
    let (notices, is_stopping) = (notices.clone(), Arc::clone(is_stopping));
    let make = move || {
        let mut failures = 0_u32;
        while !is_stopping.load(Ordering::Relaxed) {
            match keys.generate() {
                Ok(key) => {
                    failures = 0;
                    if ready.send(key).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    if failures.is_power_of_two() {
                        tracing::warn!(%error, failures, "no key for new recordings; it is tried again");
                    }
                    let message = format!("no key for new recordings: {error}");
                    notices.tell(NoticeKind::RecordingFailed, message);
                    thread::park_timeout(Backoff::default().pause(failures, None, draw()));
                }
            }
        }
    };
    // It ends by itself: nothing waits for it.
    drop(spawn("recordings-keys", make)?);
    Ok(taken)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(StartError::Thread)
}

#[cfg(test)]
mod tests;
