//! The recorder: takes packets out of the streams' rings and writes them to files, on a thread of its
//! own. A disk that is slow, full or gone costs recordings packets, which are counted, and calls
//! nothing.

mod file;
mod pcap;

use crate::clock::Clock;
use crate::relay::EventSink;
pub(crate) use file::RecordedStream;
use file::{OpenRecording, Turn};
use model::{MediaEvent, MediaId, Recording, RecordingFailure};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

/// Streams that are recorded at a time, each with a ring; more are refused.
const MAX_STREAMS: usize = 4_096;
/// Streams that wait until the recorder takes them; more are refused.
const MAX_WAITING: usize = 1_024;
/// Between two turns over all rings, which hold seconds of audio.
const TURN: Duration = Duration::from_millis(50);

/// Where recordings go.
#[derive(Clone, Debug)]
pub struct RecordingConfig {
    /// The directory; it must be there.
    pub directory: PathBuf,
    /// Octets of one file at most; what is more is lost and counted.
    pub max_octets: u64,
}

/// What a recorder has done.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct RecorderCounts {
    /// Recordings now.
    pub(crate) open: u64,
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    /// Recordings that could not begin, go on or be finished.
    pub(crate) failures: u64,
}

#[derive(Debug, Default)]
struct Shared {
    open: AtomicU64,
    streams: AtomicUsize,
    packets: AtomicU64,
    lost: AtomicU64,
    failures: AtomicU64,
}

/// The recorder's handle; the last of them waits until all is written.
#[derive(Debug)]
pub(crate) struct Recorder {
    shared: Arc<Shared>,
    streams: Option<SyncSender<(Recording, RecordedStream)>>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Begins to wait for streams. `events` hears of each whether its recording begins.
    ///
    /// # Errors
    /// When the directory cannot be written to, or the system refuses a thread.
    pub(crate) fn start(
        config: &RecordingConfig,
        clock: Clock,
        events: EventSink,
    ) -> io::Result<Self> {
        check_directory(&config.directory)?;
        let shared = Arc::new(Shared::default());
        let (streams, waiting) = mpsc::sync_channel(MAX_WAITING);
        let config = config.clone();
        let (of_desk, recordings) = (Arc::clone(&shared), HashMap::new());
        let mut desk = Desk { config, clock, events, shared: of_desk, recordings };
        let thread = std::thread::Builder::new()
            .name("relay-recorder".to_owned())
            .spawn(move || desk.run(&waiting))?;
        Ok(Recorder { shared, streams: Some(streams), thread: Some(thread) })
    }

    /// Takes a stream on.
    ///
    /// # Errors
    /// When there are too many, or the name is none of a file.
    pub(crate) fn record(
        &self,
        recording: Recording,
        stream: RecordedStream,
    ) -> Result<(), RecordingFailure> {
        let taken = self.take(recording, stream);
        if taken.is_err() {
            self.shared.failures.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    fn take(&self, recording: Recording, stream: RecordedStream) -> Result<(), RecordingFailure> {
        if !recording.has_plain_name() {
            return Err(RecordingFailure::Name);
        }
        let one_more = |streams| (streams < MAX_STREAMS).then_some(streams + 1);
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        let taken = self.shared.streams.fetch_update(set, get, one_more);
        taken.map_err(|_| RecordingFailure::TooMany)?;
        let sender = self.streams.as_ref();
        let sent = sender.is_some_and(|sender| sender.try_send((recording, stream)).is_ok());
        if !sent {
            self.shared.streams.fetch_sub(1, Ordering::Relaxed);
            return Err(RecordingFailure::TooMany);
        }
        Ok(())
    }

    pub(crate) fn counts(&self) -> RecorderCounts {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        RecorderCounts {
            open: read(&self.shared.open),
            packets: read(&self.shared.packets),
            lost: read(&self.shared.lost),
            failures: read(&self.shared.failures),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        drop(self.streams.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the recorder ended by a panic; recordings may lack their end");
        }
    }
}

/// What the recorder's thread has.
struct Desk {
    config: RecordingConfig,
    clock: Clock,
    events: EventSink,
    shared: Arc<Shared>,
    recordings: HashMap<Arc<str>, OpenRecording>,
}

impl Desk {
    fn run(&mut self, waiting: &Receiver<(Recording, RecordedStream)>) {
        loop {
            let next = match self.recordings.is_empty() {
                true => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => waiting.recv_timeout(TURN),
            };
            let has_ended = matches!(next, Err(RecvTimeoutError::Disconnected));
            for (recording, stream) in next.ok().into_iter().chain(waiting.try_iter()) {
                self.take(recording, stream);
            }
            self.turn(has_ended);
            if has_ended {
                return;
            }
        }
    }

    fn take(&mut self, recording: Recording, stream: RecordedStream) {
        let id = stream.id;
        let open = match self.recordings.get_mut(&recording.name) {
            Some(open) => open,
            None => match self.open(recording) {
                Ok(open) => open,
                Err(failure) => return self.cannot_begin(id, failure),
            },
        };
        open.add(stream);
        (self.events)(MediaEvent::Records { id });
    }

    fn open(&mut self, recording: Recording) -> Result<&mut OpenRecording, RecordingFailure> {
        let (name, now) = (Arc::clone(&recording.name), self.now());
        let RecordingConfig { directory, max_octets } = &self.config;
        let open = OpenRecording::create(directory, recording, *max_octets, now)?;
        self.shared.open.fetch_add(1, Ordering::Relaxed);
        Ok(self.recordings.entry(name).or_insert(open))
    }

    fn cannot_begin(&self, id: MediaId, failure: RecordingFailure) {
        tracing::error!(media = id.0, %failure, "a recording cannot begin");
        self.shared.failures.fetch_add(1, Ordering::Relaxed);
        self.shared.streams.fetch_sub(1, Ordering::Relaxed);
        (self.events)(MediaEvent::RecordingFailed { id, failure });
    }

    /// Writes what has come; at the end all of it.
    fn turn(&mut self, is_last: bool) {
        let mut sum = Turn::default();
        let mut failures = 0;
        let mut over = Vec::new();
        for (name, open) in &mut self.recordings {
            loop {
                let turn = open.write();
                sum.written += turn.written;
                sum.lost += turn.lost;
                sum.ended += turn.ended;
                failures += u64::from(turn.failed);
                if !is_last || turn.written + turn.lost == 0 {
                    break;
                }
            }
            if open.is_over() || is_last {
                over.push(Arc::clone(name));
            }
        }
        let (_, calendar) = self.now();
        for open in over.iter().filter_map(|name| self.recordings.remove(name)) {
            sum.ended += open.streams();
            self.shared.open.fetch_sub(1, Ordering::Relaxed);
            failures += u64::from(!open.finish(calendar));
        }
        self.shared.packets.fetch_add(sum.written, Ordering::Relaxed);
        self.shared.lost.fetch_add(sum.lost, Ordering::Relaxed);
        self.shared.failures.fetch_add(failures, Ordering::Relaxed);
        self.shared.streams.fetch_sub(sum.ended, Ordering::Relaxed);
    }

    /// By the relay's clock and, in nanoseconds since 1970, by the calendar.
    fn now(&self) -> (model::Instant, u64) {
        (self.clock.now(), self.clock.unix_nanos())
    }
}

fn check_directory(directory: &Path) -> io::Result<()> {
    let bad = |error: io::Error| {
        let directory = directory.display();
        io::Error::new(error.kind(), format!("recordings cannot be kept in {directory}: {error}"))
    };
    let metadata = std::fs::metadata(directory).map_err(bad)?;
    if !metadata.is_dir() {
        return Err(bad(io::Error::from(io::ErrorKind::NotADirectory)));
    }
    let probe = directory.join(format!(".tandem-{}", std::process::id()));
    std::fs::write(&probe, []).and_then(|()| std::fs::remove_file(&probe)).map_err(bad)
}

#[cfg(test)]
mod tests;
