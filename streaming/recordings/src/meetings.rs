//! Recordings of meetings: one file of what everybody hears, and by choice one of each participant alone,
//! all of one channel, with a JSON each. They lie, are encrypted, kept and uploaded as recordings of calls.
//!
//! Who mixes has a [`MeetingTape`], which hands over 20 ms at a time and never waits: a queue stands between
//! it and the thread that writes. Full policy of that ([`QUEUE`] frames, some 8 MiB a thread): a frame that finds
//! no room is silence of its length in the file, and counted; [`RESERVE`] places are kept for beginnings,
//! comings and ends. A recording that finds no place among [`MOST`] does not begin.

mod reel;
mod writer;

#[cfg(test)]
mod tests;

use crate::counters::{RecordingCounters, add};
use crossbeam_channel::Sender;
use model::{TransactionId, UnixTime};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
pub(crate) use writer::MeetingWriter;

/// Samples of a frame, at [`TAPE_RATE`].
pub const TAPE_FRAME: usize = 960;
/// Samples a second that are handed over.
pub const TAPE_RATE: u32 = 48_000;
/// Frames and news that wait for the thread that writes.
pub(crate) const QUEUE: usize = 4_096;
const RESERVE: usize = 512;
/// Meetings that are recorded at a time.
const MOST: u64 = 500;
/// The directory below that of all recordings.
const FOLDER: &str = "rooms";

/// How meetings are recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeetingsConfig {
    /// What files are.
    pub format: MeetingFormat,
    /// Samples a second: 8,000, 16,000 or 48,000.
    pub sample_rate: u32,
    /// Whether each participant has a file, beside that of what everybody hears.
    pub participants: bool,
}

/// What a meeting's files are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum MeetingFormat {
    /// Opus in Matroska.
    #[default]
    Mkv,
    /// Linear samples in WAV.
    Wav,
}

/// What is recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TapedMeeting {
    /// The meeting's id. Files are named after it: letters, digits and `-`; of any other character there is
    /// `_` in the name.
    pub id: Arc<str>,
    /// What people call it.
    pub name: Arc<str>,
    /// When place 0 was.
    pub began: UnixTime,
}

/// Somebody in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TapedPerson {
    /// The call.
    pub call: TransactionId,
    /// As it is to be shown.
    pub name: Arc<str>,
    /// Whether it moderates.
    pub is_moderator: bool,
}

/// How a recording fares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TapeProgress {
    /// Its file is not there yet.
    Begins,
    /// It is written.
    Runs,
    /// Nothing more is written; in words why.
    Failed(Arc<str>),
}

/// What is handed over.
#[expect(
    clippy::large_enum_variant,
    reason = "most are frames, and a box would take memory for each"
)]
pub(crate) enum Message {
    Begin(Box<Beginning>),
    Joined { id: u64, call: TransactionId, at: u64 },
    Named { id: u64, person: Box<TapedPerson> },
    Left { id: u64, call: TransactionId, at: u64 },
    Frame { id: u64, whose: Option<TransactionId>, at: u64, samples: [i16; TAPE_FRAME] },
    End { id: u64 },
}

pub(crate) struct Beginning {
    id: u64,
    meeting: TapedMeeting,
    mark: Arc<Mark>,
}

/// How a recording fares, for who mixes: one word, and a text once it has failed. Its other end is told by
/// that it is gone.
#[derive(Default, Debug)]
struct Mark {
    progress: AtomicU8,
    why: Mutex<Option<Arc<str>>>,
}

const BEGINS: u8 = 0;
const RUNS: u8 = 1;
const FAILED: u8 = 2;

impl Mark {
    fn run(&self) {
        let _ = self.progress.compare_exchange(BEGINS, RUNS, Ordering::AcqRel, Ordering::Relaxed);
    }

    fn fail(&self, why: &str) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.into());
        self.progress.store(FAILED, Ordering::Release);
    }

    fn read(&self) -> TapeProgress {
        match self.progress.load(Ordering::Acquire) {
            BEGINS => TapeProgress::Begins,
            RUNS => TapeProgress::Runs,
            _ => {
                let why = self.why.lock().unwrap_or_else(PoisonError::into_inner).clone();
                TapeProgress::Failed(why.unwrap_or_default())
            }
        }
    }
}

/// Begins recordings of meetings; any thread may.
#[derive(Clone)]
pub struct MeetingOpener {
    /// One for each thread; a meeting is one thread's.
    pub(crate) queues: Vec<Sender<Message>>,
    pub(crate) next: Arc<AtomicU64>,
    pub(crate) open: Arc<AtomicU64>,
    pub(crate) counters: Arc<RecordingCounters>,
    pub(crate) participants: bool,
}

impl std::fmt::Debug for MeetingOpener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeetingOpener").field("open", &self.open).finish_non_exhaustive()
    }
}

impl MeetingOpener {
    pub(crate) fn new(
        queues: Vec<Sender<Message>>,
        counters: Arc<RecordingCounters>,
        config: MeetingsConfig,
    ) -> Self {
        let (next, open) = (Arc::default(), Arc::default());
        MeetingOpener { queues, next, open, counters, participants: config.participants }
    }

    /// Begins a recording; `None`, counted as failed, when as many as may be are under way, or what is
    /// handed over is not written in time.
    pub fn begin(&self, meeting: TapedMeeting) -> Option<MeetingTape> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let queue = usize::try_from(id).unwrap_or_default() % self.queues.len().max(1);
        let queue = self.queues.get(queue)?.clone();
        let mark = Arc::<Mark>::default();
        let has_place = self.open.fetch_add(1, Ordering::Relaxed) < MOST;
        let begin = Box::new(Beginning { id, meeting, mark: Arc::clone(&mark) });
        if has_place && queue.try_send(Message::Begin(begin)).is_ok() {
            let Self { open, counters, participants, .. } = self.clone();
            return Some(MeetingTape { id, queue, open, counters, participants, mark });
        }
        self.open.fetch_sub(1, Ordering::Relaxed);
        add(&self.counters.failed, 1);
        None
    }
}

/// Hands a meeting's audio over. Its end is the recording's.
pub struct MeetingTape {
    id: u64,
    queue: Sender<Message>,
    open: Arc<AtomicU64>,
    counters: Arc<RecordingCounters>,
    participants: bool,
    mark: Arc<Mark>,
}

impl std::fmt::Debug for MeetingTape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeetingTape").field("id", &self.id).finish_non_exhaustive()
    }
}

impl MeetingTape {
    /// Whether it takes each participant alone, too.
    pub const fn takes_each(&self) -> bool {
        self.participants
    }

    /// Somebody is there from this place on.
    pub fn joined(&self, call: TransactionId, at: u64) {
        self.tell(Message::Joined { id: self.id, call, at });
    }

    /// Who that is.
    pub fn named(&self, person: TapedPerson) {
        self.tell(Message::Named { id: self.id, person: Box::new(person) });
    }

    /// Somebody was there up to this place.
    pub fn left(&self, call: TransactionId, at: u64) {
        self.tell(Message::Left { id: self.id, call, at });
    }

    /// 20 ms of what everybody hears, or of one alone. It takes no memory and no lock: the queue has its
    /// places, and its reader does not sleep on it.
    pub fn frame(&self, whose: Option<TransactionId>, at: u64, samples: &[i16; TAPE_FRAME]) {
        let has_room = self.queue.len() < QUEUE - RESERVE;
        let frame = Message::Frame { id: self.id, whose, at, samples: *samples };
        if !has_room || self.queue.try_send(frame).is_err() {
            add(&self.counters.lost_samples, TAPE_FRAME as u64);
        }
    }

    /// How it fares.
    pub fn progress(&self) -> TapeProgress {
        self.mark.read()
    }

    /// What finds no room is not in the JSON.
    fn tell(&self, message: Message) {
        let _ = self.queue.try_send(message);
    }
}

impl Drop for MeetingTape {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        // Where there is no room even for this, the thread finds out by itself.
        let _ = self.queue.try_send(Message::End { id: self.id });
    }
}
