//! Those that a call's audio is given to in a bench, with what their threads used and lost.
#![expect(
    clippy::disallowed_methods,
    reason = "files tell nobody that they grow: a reader looks again"
)]

use crate::marks::{MarkReader, Marks};
use crate::{cpu, stand_in};
use aws_sinks::{Access, Endpoint};
use call_audio::Opening;
use call_recordings::{Keep, Recordings, RecordingsConfig, Rotation};
use call_streaming::Openers;
use call_streaming::events::StreamBegin;
use call_streaming::kinesis::{
    FileStreams, FileStreamsConfig, KinesisVideo, StreamEvents, StreamPool,
};
use model::{
    Channel, KinesisVideoListener, LegSide, ListenedUpdate, Listener, NotificationTargets,
    RecordingFormat, RecordingListener, UnixTime,
};
use put_media::{PutMedia, PutMediaConfig};
use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Streams whose files are looked at for marks, and how often.
const WATCHED: usize = 40;
const LOOK: Duration = Duration::from_millis(2);
const WATCHER: &str = "watcher";
/// The last fragments may take so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// A kind of consumer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Fragments of Matroska into files.
    Files,
    /// The same over PutMedia to a stand-in.
    PutMedia,
    /// Recordings in WAV.
    Wav,
}

/// The consumers of a run.
pub struct Consumers {
    kind: Kind,
    running: Running,
    stops: Arc<AtomicBool>,
}

enum Running {
    Files(Arc<FileStreams>),
    PutMedia(PutMedia),
    Wav(Recordings),
}

impl Consumers {
    /// Starts the threads; files go below `folder`. With them come how the hub opens listeners, and who
    /// listens.
    ///
    /// # Errors
    /// When something cannot be started.
    pub fn start(
        kind: Kind,
        folder: &Path,
        marks: &Arc<Marks>,
    ) -> Result<(Self, Openers, Listener), Box<dyn Error>> {
        let stops = Arc::<AtomicBool>::default();
        let video = Listener::KinesisVideo(KinesisVideoListener {
            retention_hours: 24,
            mu_law: false,
            notify: NotificationTargets::NONE,
        });
        let (running, openers, listener) = match kind {
            Kind::Files => {
                let root = folder.join("streams");
                let config = FileStreamsConfig::new(&root, "us-east-1", "111122223333");
                let files = Arc::new(FileStreams::start(config)?);
                let (marks, stops) = (Arc::clone(marks), Arc::clone(&stops));
                let watch = move || watch(&root, &marks, &stops);
                drop(thread::Builder::new().name(WATCHER.to_owned()).spawn(watch)?);
                let streams = KinesisVideo::new(StreamPool::default(), files.clone());
                (Running::Files(files), to_streams(streams), video)
            }
            Kind::PutMedia => {
                let address = stand_in::start(Arc::clone(marks))?;
                let endpoint = Endpoint::parse(&format!("http://{address}"))?;
                let region = "us-east-1".to_owned();
                let access = Access { region, endpoint: Some(endpoint.clone()), authorities: None };
                let mut config = PutMediaConfig::new(access, "bench");
                config.data_endpoint = Some(endpoint);
                let sender = PutMedia::start(config)?;
                let streams = KinesisVideo::new(StreamPool::default(), Arc::new(sender.streams()));
                (Running::PutMedia(sender), to_streams(streams), video)
            }
            Kind::Wav => {
                let recordings = Recordings::start(recordings(&folder.join("recordings")))?;
                let opener = recordings.opener().ok_or("no recordings")?;
                let open = move |listener: &RecordingListener, opening: &Opening| {
                    opener.open(opening, listener.format)
                };
                let openers = Openers { recording: Some(Box::new(open)), ..Openers::default() };
                let listener = RecordingListener { format: RecordingFormat::Wav };
                (Running::Wav(recordings), openers, Listener::Recording(listener))
            }
        };
        Ok((Consumers { kind, running, stops }, openers, listener))
    }

    /// CPU time of the consumers' own threads.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn used(&self) -> std::io::Result<Duration> {
        cpu::of_threads(match self.kind {
            Kind::Files => "stream-",
            Kind::PutMedia => "kinesis-video",
            Kind::Wav => "recordings",
        })
    }

    /// CPU time of what stands for a service, or looks at files.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn used_by_bench(&self) -> std::io::Result<Duration> {
        Ok(cpu::of_threads(stand_in::THREADS)? + cpu::of_threads(WATCHER)?)
    }

    /// Whether all of so many streams have their way.
    pub fn are_ready(&self, streams: usize) -> bool {
        match &self.running {
            Running::PutMedia(sender) => {
                sender.streams().view().counters.connections >= streams as u64
            }
            Running::Files(_) | Running::Wav(_) => true,
        }
    }

    /// What came, and what was lost of it: fragments, or files and samples.
    pub fn came_and_lost(&self) -> [u64; 2] {
        match &self.running {
            Running::Files(files) => {
                let counts = files.statistics();
                [counts.written_fragments, counts.dropped_fragments + counts.failed_fragments]
            }
            Running::PutMedia(sender) => {
                let counts = sender.streams().view().counters;
                let lost = counts.dropped_fragments
                    + counts.unconfirmed_fragments
                    + counts.refused_fragments
                    + counts.rejected_fragments;
                [counts.persisted_fragments, lost]
            }
            Running::Wav(recordings) => {
                let counts = recordings.counters();
                [&counts.recording, &counts.lost_samples].map(|count| count.load(Ordering::Relaxed))
            }
        }
    }

    /// Ends the threads; after the hub.
    pub fn stop(self) {
        self.stops.store(true, Ordering::Relaxed);
        match self.running {
            Running::PutMedia(sender) => drop(sender.stop(PATIENCE)),
            Running::Files(files) => files.flush(),
            Running::Wav(recordings) => drop(recordings),
        }
    }
}

fn to_streams(streams: KinesisVideo) -> Openers {
    let open = move |listener: &KinesisVideoListener, opening: &Opening| {
        Some(streams.listen(opening, *listener, Arc::new(Nobody)))
    };
    Openers { kinesis_video: Some(Box::new(open)), ..Openers::default() }
}

/// Nobody is told what becomes of streams.
struct Nobody;

impl StreamEvents for Nobody {
    fn joined(&self, _: LegSide, _: &Channel) {}
    fn started(&self, _: LegSide, _: StreamBegin) {}
    fn updated(&self, _: &ListenedUpdate, _: UnixTime) {}
    fn failed(&self, _: LegSide, _: UnixTime, _: &str) {}
    fn ended(&self, _: LegSide, _: UnixTime, _: Option<&str>) {}
}

fn recordings(root: &Path) -> RecordingsConfig {
    RecordingsConfig {
        root: root.to_owned(),
        node: "bench".to_owned(),
        writers: 1,
        rotation: Rotation { seconds: None, bytes: u64::MAX },
        keep: Keep { age: None, meetings: None, uploaded: None, bytes: u64::MAX },
        key: None,
        upload: None,
        meetings: None,
        notices: None,
        outcomes: None,
    }
}

/// Reads what is appended to the files of some streams, as somebody would who waits for it.
fn watch(root: &Path, marks: &Arc<Marks>, stops: &AtomicBool) {
    let mut files: HashMap<PathBuf, (File, u64, MarkReader)> = HashMap::new();
    let mut octets = Vec::new();
    while !stops.load(Ordering::Relaxed) {
        if files.len() < WATCHED {
            let folders = fs::read_dir(root).into_iter().flatten().flatten().take(WATCHED);
            let found = folders.flat_map(|folder| fs::read_dir(folder.path())).flatten().flatten();
            for path in found.map(|file| file.path()) {
                let is_new =
                    path.extension().is_some_and(|e| e == "mkv") && !files.contains_key(&path);
                if let (true, Ok(file)) = (is_new, File::open(&path)) {
                    files.insert(path, (file, 0, MarkReader::new(Arc::clone(marks))));
                }
            }
        }
        for (file, read, reader) in files.values_mut() {
            let length = file.metadata().map_or(0, |metadata| metadata.len());
            if length > *read {
                octets.clear();
                // What is there is whole: a fragment is one write.
                let more = file.take(length - *read).read_to_end(&mut octets).unwrap_or_default();
                *read += more as u64;
                let _ = reader.take(&octets);
            }
        }
        thread::sleep(LOOK);
    }
}
