//! The thread that sends the audio of all streams of a node.

use crate::counters::Counters;
use crate::fragment::MAX_FRAGMENT_BYTES;
use crate::intake::Intake;
use crate::producer::ProducerConfig;
use crate::stream::{Order, StreamTask};
use crate::streams::{Streams, lock};
use aws_sinks::{Access, Endpoint, KinesisVideo};
use mkv::{Fragment, FragmentSink, NotOpened, StreamOrder, StreamSink};
use outbox::clock::Clock;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;

/// Octets that a stream may keep in any case: half a minute of linear audio at 8,000 samples a second.
const LEAST_ROOM: usize = 512 << 10;
/// The tag of a stream that names the node that made it.
pub(crate) const NODE_TAG: &str = "tandem-node";
/// Answers to questions that wait to be asked; more are refused.
const MOST_QUESTIONS: usize = 64;

/// Where audio goes, and how much of it may wait.
#[derive(Clone, Debug)]
pub struct PutMediaConfig {
    /// The service.
    pub access: Access,
    /// Where data go, in place of where the service says.
    pub data_endpoint: Option<Endpoint>,
    /// This node's name, which streams that it makes are tagged with (`tandem-node`). Two nodes of one
    /// account have different ones.
    pub node: String,
    /// How each stream is sent.
    pub producer: ProducerConfig,
    /// Streams that are open at once; more are refused.
    pub max_streams: usize,
    /// Octets that all streams together may keep. When there is less than their own bound for each of
    /// them, each may keep its share, and 512 KiB in any case.
    pub max_bytes: usize,
}

impl PutMediaConfig {
    /// Up to 4,000 streams, and 512 MiB that wait.
    pub fn new(access: Access, node: &str) -> Self {
        PutMediaConfig {
            access,
            data_endpoint: None,
            node: node.to_owned(),
            producer: ProducerConfig::default(),
            max_streams: 4_000,
            max_bytes: 512 << 20,
        }
    }
}

/// What the thread and its streams share.
pub(crate) struct Shared {
    pub(crate) config: PutMediaConfig,
    pub(crate) clock: Clock,
    pub(crate) streams: Streams,
    /// Or why there is none.
    pub(crate) tls: Result<TlsConnector, String>,
    pub(crate) open_streams: AtomicUsize,
    pub(crate) kept_bytes: AtomicUsize,
}

/// What is known of the sending.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PutMediaView {
    /// What all streams have counted.
    pub counters: Counters,
    /// Streams that are open.
    pub open_streams: usize,
    /// Octets that the service has not yet said to keep: what a sudden end of this process costs.
    pub kept_bytes: usize,
}

/// Sends audio to Kinesis Video Streams, on a thread of its own, until it is stopped.
pub struct PutMedia {
    streams: PutMediaStreams,
    /// Ends the thread when no stream has one any more.
    open: mpsc::Sender<()>,
    /// Over when the thread is.
    ended: std::sync::mpsc::Receiver<()>,
}

/// Opens streams.
#[derive(Clone)]
pub struct PutMediaStreams {
    shared: Arc<Shared>,
    runtime: Handle,
    open: mpsc::WeakSender<()>,
    questions: Arc<tokio::sync::Semaphore>,
}

/// One stream that is open. When it is dropped, no more fragments come.
struct OpenStream {
    shared: Arc<Shared>,
    intake: Arc<Intake>,
}

impl PutMedia {
    /// Starts the thread `kinesis-video`. The service is asked for nothing before a stream is opened.
    ///
    /// # Errors
    /// When there is no thread.
    pub fn start(config: PutMediaConfig) -> io::Result<Self> {
        let service = Arc::new(KinesisVideo::new(&config.access, config.data_endpoint.clone()));
        let tls = service.tls().map(|config| TlsConnector::from(Arc::new(config)));
        let clock = Clock::start();
        let shared = Arc::new(Shared {
            config,
            clock,
            streams: Streams::new(service, clock),
            tls,
            open_streams: AtomicUsize::new(0),
            kept_bytes: AtomicUsize::new(0),
        });
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (open, mut closed) = mpsc::channel::<()>(1);
        let (ends, ended) = std::sync::mpsc::sync_channel::<()>(0);
        std::thread::Builder::new().name("kinesis-video".to_owned()).spawn(move || {
            let _until_it_ends = ends;
            // Nobody sends: this ends when nobody could.
            runtime.block_on(closed.recv());
            // A name that is being resolved is not waited for.
            runtime.shutdown_background();
        })?;
        let streams = PutMediaStreams {
            shared,
            runtime: handle,
            open: open.downgrade(),
            questions: Arc::new(tokio::sync::Semaphore::new(MOST_QUESTIONS)),
        };
        Ok(PutMedia { streams, open, ended })
    }

    /// What opens streams.
    pub fn streams(&self) -> PutMediaStreams {
        self.streams.clone()
    }

    /// Opens no more streams, and waits until those that are open are done: each is, after it was
    /// finished, within [`ProducerConfig::linger`] and a few seconds. What is not done `within` is
    /// left; returns how many octets of fragments that is.
    pub fn stop(self, within: Duration) -> usize {
        drop(self.open);
        // Nobody sends: it ends with the thread.
        let _ = self.ended.recv_timeout(within);
        self.streams.view().kept_bytes
    }
}

impl PutMediaStreams {
    /// What is known of the sending.
    pub fn view(&self) -> PutMediaView {
        let shared = &self.shared;
        PutMediaView {
            counters: *lock(&shared.streams.counters),
            open_streams: shared.open_streams.load(Ordering::Relaxed),
            kept_bytes: shared.kept_bytes.load(Ordering::Relaxed),
        }
    }

    /// Asks the service for the streams whose names begin with `prefix`, that this node has made and
    /// that can be used, for whoever reuses them: those of other nodes may be sent to at this moment.
    /// `then` is called once, from the thread, with at most 2,000 names or with the reason why they
    /// are not known; each name takes the service a request, 40 a second.
    pub fn list(
        &self,
        prefix: &str,
        then: impl FnOnce(Result<Vec<String>, String>) + Send + 'static,
    ) {
        let asks = Arc::clone(&self.questions).try_acquire_owned();
        let (Some(open), Ok(asks)) = (self.open.upgrade(), asks) else {
            return then(Err("Kinesis Video Streams is asked for too much, or no more".to_owned()));
        };
        let (shared, prefix) = (Arc::clone(&self.shared), prefix.to_owned());
        self.runtime.spawn(async move {
            let own = (NODE_TAG, shared.config.node.as_str());
            then(shared.streams.list(&prefix, own).await);
            drop((open, asks));
        });
    }
}

impl StreamSink for PutMediaStreams {
    fn open(&self, order: StreamOrder) -> Result<Box<dyn FragmentSink>, NotOpened> {
        let refused = |reason: String| Err(NotOpened { reason: reason.into() });
        let Some(open) = self.open.upgrade() else {
            return refused("the node stops".to_owned());
        };
        let (shared, most) = (Arc::clone(&self.shared), self.shared.config.max_streams);
        if shared.open_streams.fetch_add(1, Ordering::Relaxed) >= most {
            shared.open_streams.fetch_sub(1, Ordering::Relaxed);
            return refused(format!("{most} streams are open; share calls out to more relays"));
        }
        let StreamOrder { name, retention_hours, audio, observer } = order;
        let intake = Arc::new(Intake::default());
        let order = Order { name, retention_hours, audio, observer };
        let task = StreamTask::new(Arc::clone(&shared), order, Arc::clone(&intake));
        self.runtime.spawn(async move {
            task.run().await;
            drop(open);
        });
        Ok(Box::new(OpenStream { shared, intake }))
    }
}

impl FragmentSink for OpenStream {
    fn fragment(&mut self, fragment: Fragment) {
        if self.intake.push(fragment.into()).is_err() {
            lock(&self.shared.streams.counters).rejected_fragments += 1;
        }
    }

    fn finish(self: Box<Self>) {}
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.intake.end();
    }
}

impl Shared {
    /// Octets that one stream may keep now.
    pub(crate) fn room_of_one(&self) -> usize {
        let open = self.open_streams.load(Ordering::Relaxed).max(1);
        (self.config.max_bytes / open).clamp(LEAST_ROOM, MAX_FRAGMENT_BYTES)
    }
}
