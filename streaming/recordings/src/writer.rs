//! Threads that write recordings, and the consumers that hand audio over to them.

use crate::counters::{RecordingCounters, add};
use crate::keeper::{OutcomeSink, Task};
use crate::notice::{NoticeKind, Notices};
use crate::recording::{Done, Place, Recording};
use call_audio::{AudioConsumer, ConsumerEnd, Frame, Opening};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use model::{Instant, LegSide, ListenedUpdate, RecordingFormat};
use outbox::clock::Clock;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Messages that wait for a thread, each of half a second of a channel: 32 MiB at the most.
pub(crate) const QUEUE: usize = 2_048;
/// Kept for beginnings and ends.
const RESERVE: usize = 512;
/// Between two looks at every recording.
const TURN: Duration = Duration::from_secs(1);
/// A recording whose consumer went without a word, which only a full queue makes, ends so much later.
const GONE: Duration = Duration::from_secs(10);

/// What a consumer hands over.
pub(crate) enum Message {
    Begin { id: u64, opening: Opening, format: RecordingFormat, is_alive: Weak<()> },
    Audio { id: u64, block: Block },
    End { id: u64 },
}

/// Samples of a channel that follow on each other.
pub(crate) struct Block {
    side: LegSide,
    at: u64,
    samples: Vec<i16>,
    missing: u64,
}

/// Hands a call's audio over, half a second at a time.
///
/// Full policy: audio that the queue has no room for is dropped and counted; it is silence in the file. A
/// call whose beginning finds no room is not recorded, and counted.
pub(crate) struct Consumer {
    id: u64,
    queue: Sender<Message>,
    counters: Arc<RecordingCounters>,
    blocks: [Block; 2],
    /// Samples of a block.
    size: usize,
    /// Tells the thread by its end that this one is gone.
    _alive: Arc<()>,
}

impl Consumer {
    /// Begins a recording; `None` when its thread has no room for it.
    pub(crate) fn begin(
        id: u64,
        opening: &Opening,
        format: RecordingFormat,
        queue: &Sender<Message>,
        counters: &Arc<RecordingCounters>,
    ) -> Option<Self> {
        let alive = Arc::new(());
        let is_alive = Arc::downgrade(&alive);
        let begin = Message::Begin { id, opening: opening.clone(), format, is_alive };
        queue.try_send(begin).ok()?;
        let block = |side| Block { side, at: 0, samples: Vec::new(), missing: 0 };
        Some(Consumer {
            id,
            queue: queue.clone(),
            counters: Arc::clone(counters),
            blocks: LegSide::BOTH.map(block),
            size: opening.sample_rate as usize / 2,
            _alive: alive,
        })
    }

    fn hand_over(&mut self, side: LegSide) {
        let block = &mut self.blocks[side.index()];
        if block.samples.is_empty() {
            return;
        }
        let samples = std::mem::take(&mut block.samples);
        let count = samples.len() as u64;
        let missing = std::mem::take(&mut block.missing);
        let block = Block { side, at: block.at, samples, missing };
        let has_room = self.queue.len() < QUEUE - RESERVE;
        let message = Message::Audio { id: self.id, block };
        if !has_room || self.queue.try_send(message).is_err() {
            add(&self.counters.lost_samples, count);
        }
    }
}

impl AudioConsumer for Consumer {
    fn audio(&mut self, frame: &Frame<'_>) {
        let block = &self.blocks[frame.side.index()];
        if block.at + block.samples.len() as u64 != frame.at {
            self.hand_over(frame.side);
        }
        let size = self.size;
        let block = &mut self.blocks[frame.side.index()];
        if block.samples.is_empty() {
            block.at = frame.at;
            block.samples.reserve_exact(size + frame.samples.len());
        }
        block.samples.extend_from_slice(frame.samples);
        block.missing += u64::from(frame.missing);
        if block.samples.len() >= size {
            self.hand_over(frame.side);
        }
    }

    /// The JSON tells of the call as it began.
    fn update(&mut self, _update: &ListenedUpdate) {}

    fn end(mut self: Box<Self>, _end: ConsumerEnd) {
        for side in LegSide::BOTH {
            self.hand_over(side);
        }
        // Where there is no room even for this, the thread finds out by itself.
        let _ = self.queue.try_send(Message::End { id: self.id });
    }
}

/// What every thread that writes has: where to, and who hears what comes of it.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) place: Place,
    pub(crate) counters: Arc<RecordingCounters>,
    pub(crate) notices: Notices,
    pub(crate) outcomes: Option<OutcomeSink>,
    pub(crate) keeper: Sender<Task>,
}

/// A thread that writes.
pub(crate) struct Writer {
    pub(crate) desk: Desk,
    pub(crate) queue: Receiver<Message>,
    /// Whoever still holds an opener then is not waited for.
    pub(crate) is_stopping: Arc<AtomicBool>,
}

struct Written {
    recording: Recording,
    is_alive: Weak<()>,
    gone_since: Option<Instant>,
}

impl Writer {
    /// Writes until no consumer is left that could hand over anything.
    pub(crate) fn run(self) {
        let clock = Clock::start();
        let mut recordings: HashMap<u64, Written> = HashMap::new();
        let mut next_turn = clock.now() + TURN;
        let mut complaints = Complaints::default();
        loop {
            let wait = next_turn.saturating_since(clock.now());
            match self.queue.recv_timeout(wait) {
                Ok(message) => {
                    let done = self.take(message, &mut recordings);
                    self.desk.settle(done, 2, &mut complaints);
                }
                Err(RecvTimeoutError::Timeout) if self.is_stopping.load(Ordering::Relaxed) => break,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if clock.now() >= next_turn {
                self.turn(&mut recordings, clock.now(), &mut complaints);
                next_turn = clock.now() + TURN;
            }
        }
        for (_, written) in recordings.drain() {
            self.finish(written, &mut complaints);
        }
    }

    fn take(&self, message: Message, recordings: &mut HashMap<u64, Written>) -> Done {
        match message {
            Message::Begin { id, opening, format, is_alive } => {
                let recording = Recording::new(opening, format);
                recordings.insert(id, Written { recording, is_alive, gone_since: None });
                add(&self.desk.counters.recording, 1);
                Done::default()
            }
            Message::Audio { id, block: Block { side, at, samples, missing } } => recordings
                .get_mut(&id)
                .map(|written| {
                    written.recording.audio(&self.desk.place, side, at, &samples, missing)
                })
                .unwrap_or_default(),
            Message::End { id } => match recordings.remove(&id) {
                Some(written) => self.end(written),
                None => Done::default(),
            },
        }
    }

    fn end(&self, written: Written) -> Done {
        self.desk.counters.recording.fetch_sub(1, Ordering::Relaxed);
        written.recording.finish(&self.desk.place)
    }

    fn finish(&self, written: Written, complaints: &mut Complaints) {
        let done = self.end(written);
        self.desk.settle(done, 2, complaints);
    }

    fn turn(
        &self,
        recordings: &mut HashMap<u64, Written>,
        now: Instant,
        complaints: &mut Complaints,
    ) {
        let mut gone = Vec::new();
        for (id, written) in recordings.iter_mut() {
            let done = written.recording.tick(&self.desk.place);
            self.desk.settle(done, 2, complaints);
            if written.is_alive.strong_count() == 0 {
                let since = *written.gone_since.get_or_insert(now);
                if now.saturating_since(since) >= GONE {
                    gone.push(*id);
                }
            }
        }
        for id in gone {
            if let Some(written) = recordings.remove(&id) {
                self.finish(written, complaints);
            }
        }
        complaints.turn();
    }
}

impl Desk {
    /// Passes on what came of a turn with a file of so many channels.
    pub(crate) fn settle(&self, done: Done, channels: u64, complaints: &mut Complaints) {
        add(&self.counters.lost_samples, channels * done.lost);
        if let Some(error) = done.error {
            complaints.note();
            if complaints.are_new() {
                let directory = self.place.root.display();
                tracing::error!(
                    %directory, %error,
                    "recordings cannot be written; what is heard meanwhile is silence in them"
                );
                let message = format!(
                    "recordings below {directory} cannot be written: {error}; what is heard meanwhile \
                     is silence in them"
                );
                self.notices.tell(NoticeKind::RecordingFailed, message);
            }
        }
        if let Some(nothing) = done.nothing {
            add(&self.counters.failed, 1);
            if let Some(outcomes) = &self.outcomes {
                outcomes(nothing);
            }
        }
        for closed in done.closed {
            let json = closed.json.clone();
            if self.keeper.try_send(Task::Closed(Box::new(closed))).is_err() {
                // It finds the file by itself, as one that a crash left.
                self.place.open.remove(&json);
            }
        }
    }
}

/// Says when writing begins to fail, and when it works again.
#[derive(Default)]
pub(crate) struct Complaints {
    is_failing: bool,
    was_noted: bool,
    is_new: bool,
}

impl Complaints {
    fn note(&mut self) {
        self.was_noted = true;
        self.is_new = !self.is_failing;
        self.is_failing = true;
    }

    fn are_new(&self) -> bool {
        self.is_new
    }

    /// A turn without a failure ends them.
    pub(crate) fn turn(&mut self) {
        if self.is_failing && !self.was_noted {
            self.is_failing = false;
            tracing::info!("recordings are written again");
        }
        self.was_noted = false;
    }
}
