//! The running edge as other threads hold it: a handle, and the way for the relay's events in.

use crate::resolver::ResolverCounters;
use crate::tls::{CertificateStatus, WebTls};
use crate::tls_thread::TlsThread;
use crate::transport::{MessageConnections, TransportCounters};
use b2bua::{EdgeStatistics, ListenRefusal, NotCalled, SavedBinding, Stir};
use directory::Snapshot;
use model::{
    AllocationFailure, ApplicationOrder, Fingerprint, MediaEvent, MediaId, OutboundCall,
    TransactionId, TransportProtocol,
};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// Media events that wait for the worker.
pub(crate) const MEDIA_QUEUE: usize = 16_384;

/// Streams whose event found the queue full and that are failed instead.
const FAILED_STREAMS: usize = 65_536;

/// How long [`SipEdge::drain`] waits, beyond its limit, for the calls that it ended to be gone.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// How long [`SipEdge::statistics`] waits for a busy worker before it gives what it has.
const STATISTICS_PATIENCE: Duration = Duration::from_secs(1);

/// What a worker has done and holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ShellStatistics {
    /// The call logic's counters.
    pub edge: EdgeStatistics,
    /// The transports' counters.
    pub transport: TransportCounters,
    /// The resolver's counters.
    pub resolver: ResolverCounters,
    /// Calls now that are not yet ending.
    pub active_calls: usize,
    /// Media events that were lost because the worker did not keep up; see [`MediaEventSender`].
    pub media_events_lost: u64,
    /// Media commands that were lost because the relay did not keep up.
    pub media_commands_lost: u64,
}

/// The registrations of customers' systems that outlive a restart
/// ([`b2bua::EdgeConfig::bindings`]).
#[derive(Clone, Default, Debug)]
pub struct Bindings {
    /// Another one than before when something has changed since.
    pub revision: u64,
    /// The bindings, the oldest first.
    pub list: Arc<[SavedBinding]>,
}

/// How a drain ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Drained {
    /// Calls that were still there at the limit, or when they were to end at once, and were ended.
    pub ended_by_force: usize,
}

/// What wakes the worker from outside.
pub(crate) enum WorkerInput {
    Media(MediaEvent),
    /// Have a call listened to, or no more, and say whether that can be.
    Listening {
        call: TransactionId,
        wanted: bool,
        reply: SyncSender<Result<(), ListenRefusal>>,
    },
    /// Give a steered call an order of its application's with its number; without one, the application
    /// cannot be asked.
    Application {
        call: TransactionId,
        order: Option<(u32, ApplicationOrder)>,
    },
    /// Call somebody for an application, and say which call it is.
    Call {
        wanted: Box<OutboundCall>,
        /// Set by the worker as it calls, or by who asked when it has no patience left.
        decided: Arc<AtomicBool>,
        reply: SyncSender<Result<TransactionId, NotCalled>>,
    },
    /// Call somebody into a meeting.
    CallForRooms {
        call: TransactionId,
        to: Arc<str>,
    },
    /// Look at [`Requests`].
    Requests,
}

/// What the handle wants of the worker. Flags and a latest value, so that nothing queues up.
#[derive(Default)]
pub(crate) struct Requests {
    /// The directory, with how many there were before it.
    pub(crate) directory: Option<(u64, Arc<Snapshot>)>,
    pub(crate) drain: bool,
    pub(crate) end_all: bool,
    pub(crate) statistics: bool,
    pub(crate) bindings: bool,
    pub(crate) stir: Option<Stir>,
    /// Another certificate, or none.
    pub(crate) fingerprint: Option<Option<Fingerprint>>,
    pub(crate) stop: bool,
    /// Streams to be failed as overloaded.
    pub(crate) failed_streams: VecDeque<MediaId>,
}

/// What the worker publishes.
#[derive(Default)]
pub(crate) struct Published {
    pub(crate) statistics: ShellStatistics,
    pub(crate) bindings: Bindings,
    /// The number of the directory that calls are routed by.
    pub(crate) followed: u64,
    /// No new calls are taken, and of those that were there so many were ended by force.
    pub(crate) draining: bool,
    pub(crate) ended_by_force: usize,
    /// Whoever drains is to wait no longer; the handle says so.
    pub(crate) hurried: bool,
    /// Grows with each publication.
    pub(crate) version: u64,
    /// The worker has ended; nothing more is published.
    pub(crate) ended: bool,
}

/// Shared by the handle and the worker.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) requests: Mutex<Requests>,
    pub(crate) published: Mutex<Published>,
    pub(crate) publication: Condvar,
    pub(crate) media_events_lost: AtomicU64,
    /// How many directories the worker was told of.
    pub(crate) directories: AtomicU64,
}

impl Shared {
    pub(crate) fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn publish(&self, change: impl FnOnce(&mut Published)) {
        let mut published = self.published();
        change(&mut published);
        published.version += 1;
        self.publication.notify_all();
    }

    fn published(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `done` holds, the worker has ended or `limit` is over; gives the last statistics.
    fn wait(&self, limit: Duration, mut done: impl FnMut(&Published) -> bool) -> ShellStatistics {
        let published = self.published();
        let (published, _) = self
            .publication
            .wait_timeout_while(published, limit, |published| !published.ended && !done(published))
            .unwrap_or_else(PoisonError::into_inner);
        published.statistics
    }
}

/// Brings the relay's events to the signalling worker, from any thread, without ever blocking.
///
/// The queue holds 16,384 events. When it is full, `Silent`, `Unheard`, `Dtmf`, `Plays`, `Played`,
/// `Listens`, `ListenFailed` and `TimedOut` (which is said again) are dropped and counted. `Allocated`, `AllocationFailed`
/// and `Lost` become `AllocationFailed` with [`AllocationFailure::Overloaded`] through a
/// second list of 65,536 stream ids; past that they are dropped and counted, and the call ends by
/// its own setup timer. `Report` and `Rtcp` are for the recorders and never queued here.
#[derive(Clone)]
pub struct MediaEventSender {
    pub(crate) shared: Arc<Shared>,
    pub(crate) inputs: mpsc::Sender<WorkerInput>,
}

impl MediaEventSender {
    /// Queues `event` and wakes the worker.
    pub fn send(&self, event: MediaEvent) {
        let overloaded = match &event {
            MediaEvent::Allocated { id, .. }
            | MediaEvent::AllocationFailed { id, .. }
            | MediaEvent::Lost { id } => Some(*id),
            MediaEvent::Silent { .. }
            | MediaEvent::TimedOut { .. }
            | MediaEvent::Unheard { .. }
            | MediaEvent::Listens { .. }
            | MediaEvent::ListenFailed { .. }
            | MediaEvent::Sits { .. }
            | MediaEvent::SeatFailed { .. }
            | MediaEvent::PictureWanted { .. }
            | MediaEvent::ConferenceRecords { .. }
            | MediaEvent::ConferenceRecordingFailed { .. }
            | MediaEvent::Uttered { .. }
            | MediaEvent::Heard { .. }
            | MediaEvent::Plays { .. }
            | MediaEvent::Played { .. }
            | MediaEvent::Dtmf { .. } => None,
            // Nothing follows from the others.
            MediaEvent::Report(_)
            | MediaEvent::Rtcp(_)
            | MediaEvent::Records { .. }
            | MediaEvent::RecordingFailed { .. } => return,
        };
        if self.inputs.try_send(WorkerInput::Media(event)).is_ok() {
            return;
        }
        let mut requests = self.shared.requests();
        match overloaded {
            Some(id) if requests.failed_streams.len() < FAILED_STREAMS => {
                requests.failed_streams.push_back(id);
            }
            _ => {
                self.shared.media_events_lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Brings orders of applications to the calls that they steer, from any thread, without ever blocking.
/// They share the queue of [`MediaEventSender`], and are given back when it is full.
#[derive(Clone)]
pub struct ApplicationOrders {
    inputs: mpsc::Sender<WorkerInput>,
}

impl ApplicationOrders {
    /// Orders something in a call; `number` comes back in the news about it
    /// ([`b2bua::Edge::order_application`]).
    ///
    /// # Errors
    /// The order, when the queue is full or the worker has ended.
    pub fn order(
        &self,
        call: TransactionId,
        number: u32,
        order: ApplicationOrder,
    ) -> Result<(), ApplicationOrder> {
        let input = WorkerInput::Application { call, order: Some((number, order)) };
        self.inputs.try_send(input).map_err(|refused| match refused.into_inner() {
            WorkerInput::Application { order: Some((_, order)), .. } => order,
            // What was sent is what comes back.
            _ => ApplicationOrder::HangUp { leg: None, status: 503 },
        })
    }

    /// Says that the application of a call cannot be asked
    /// ([`b2bua::Edge::application_unreachable`]); `false` when the queue is full or the worker has
    /// ended.
    pub fn unreachable(&self, call: TransactionId) -> bool {
        self.inputs.try_send(WorkerInput::Application { call, order: None }).is_ok()
    }
}

impl ApplicationOrders {
    /// Calls somebody into a meeting ([`b2bua::Edge::call_for_rooms`]), without waiting; `false` when the
    /// queue is full or the worker has ended. Orders to this call follow it.
    pub fn call_for_rooms(&self, call: TransactionId, to: Arc<str>) -> bool {
        self.inputs.try_send(WorkerInput::CallForRooms { call, to }).is_ok()
    }

    /// Calls somebody for an application ([`b2bua::Edge::call_for_application`]); `None` when the
    /// worker has no room for it or does not come to it within a second. Then nobody is called.
    pub fn call(&self, wanted: OutboundCall) -> Option<Result<TransactionId, NotCalled>> {
        let (reply, answer) = sync_channel(1);
        let (wanted, decided) = (Box::new(wanted), Arc::new(AtomicBool::new(false)));
        let input = WorkerInput::Call { wanted, decided: Arc::clone(&decided), reply };
        self.inputs.try_send(input).ok()?;
        match answer.recv_timeout(STATISTICS_PATIENCE) {
            Ok(outcome) => Some(outcome),
            // It is being called just now: who asked must not ask again.
            Err(_) if decided.swap(true, Ordering::AcqRel) => answer.recv().ok(),
            Err(_) => None,
        }
    }
}

/// The event that stands for one that found the queue full.
pub(crate) fn overloaded(id: MediaId) -> MediaEvent {
    MediaEvent::AllocationFailed { id, reason: AllocationFailure::Overloaded }
}

/// A running SIP edge. Dropping it stops the worker without a word to the peers; call
/// [`SipEdge::drain`] first to end calls in good order.
pub struct SipEdge {
    pub(crate) shared: Arc<Shared>,
    pub(crate) inputs: mpsc::Sender<WorkerInput>,
    pub(crate) addresses: Vec<(TransportProtocol, SocketAddr)>,
    pub(crate) messages: MessageConnections,
    pub(crate) thread: Option<JoinHandle<()>>,
    pub(crate) tls_thread: Option<TlsThread>,
}

impl SipEdge {
    /// Where the edge listens, with the ports that the operating system chose for port 0.
    pub fn addresses(&self) -> &[(TransportProtocol, SocketAddr)] {
        &self.addresses
    }

    /// The way in for the relay's events.
    pub fn media_events(&self) -> MediaEventSender {
        MediaEventSender { shared: Arc::clone(&self.shared), inputs: self.inputs.clone() }
    }

    /// The way in for orders of applications that steer calls.
    pub fn application_orders(&self) -> ApplicationOrders {
        ApplicationOrders { inputs: self.inputs.clone() }
    }

    /// The way in for connections that others serve.
    pub fn message_connections(&self) -> MessageConnections {
        self.messages.clone()
    }

    /// The certificates that are shown, for pages of ours; `None` without TLS.
    pub fn web_tls(&self) -> Option<WebTls> {
        self.tls_thread.as_ref().map(|thread| WebTls { tls: Arc::clone(&thread.tls) })
    }

    /// Routes calls by `directory` from now on. Calls that run are not touched.
    ///
    /// Files of TLS that it names, and changed ones, are read first; what is wrong with them is
    /// logged, and what was read before stays in use.
    ///
    /// True once the next call is routed by it; false when the worker has not come to it within a
    /// second: it does so later, or has ended.
    pub fn reload(&self, directory: Arc<Snapshot>) -> bool {
        if let Some(tls) = &self.tls_thread {
            tls.tls.follow(&directory);
        }
        let mut number = 0;
        self.request(|requests| {
            number = self.shared.directories.fetch_add(1, Ordering::Relaxed) + 1;
            requests.directory = Some((number, directory));
        });
        let mut is_followed = false;
        self.shared.wait(STATISTICS_PATIENCE, |published| {
            is_followed = published.followed >= number;
            is_followed
        });
        is_followed
    }

    /// Takes no new calls and waits until the running ones are over. Those that still run after
    /// `limit`, or when [`end_calls`](SipEdge::end_calls) is called meanwhile, are ended.
    pub fn drain(&self, limit: Duration) -> Drained {
        let before = self.version();
        self.request(|requests| requests.drain = true);
        // What was published before that tells of other calls, or of none yet.
        let is_idle = |published: &Published| {
            let is_told = published.draining && published.version > before;
            is_told && published.statistics.active_calls == 0
        };
        self.shared.wait(limit, |published| published.hurried || is_idle(published));
        if !is_idle(&self.shared.published()) {
            self.request(|requests| requests.end_all = true);
            self.shared.wait(LAST_WORDS, is_idle);
        }
        let published = self.shared.published();
        // Those that are there yet, or were when the worker was heard of last, end with it.
        let left = published.statistics.active_calls;
        Drained { ended_by_force: published.ended_by_force.max(left) }
    }

    /// Ends every call that runs now, each side with its BYE, and has [`drain`](SipEdge::drain) wait for
    /// nothing but that.
    pub fn end_calls(&self) {
        self.request(|requests| requests.end_all = true);
        self.shared.published().hurried = true;
        self.shared.publication.notify_all();
    }

    /// What the worker has done and holds.
    pub fn statistics(&self) -> ShellStatistics {
        let before = self.version();
        self.request(|requests| requests.statistics = true);
        self.shared.wait(STATISTICS_PATIENCE, |published| published.version > before)
    }

    /// Whether the worker answers a question within a second: false when it has ended or hangs.
    pub fn is_responsive(&self) -> bool {
        let before = self.version();
        self.request(|requests| requests.statistics = true);
        self.shared.wait(STATISTICS_PATIENCE, |published| published.version > before);
        self.version() > before && !self.has_ended()
    }

    /// The registrations of customers' systems that outlive a restart.
    pub fn bindings(&self) -> Bindings {
        let before = self.version();
        self.request(|requests| requests.bindings = true);
        self.shared.wait(STATISTICS_PATIENCE, |published| published.version > before);
        self.shared.published().bindings.clone()
    }

    /// Signs and verifies callers by other keys and certificates from now on.
    pub fn set_stir(&self, stir: Stir) {
        self.request(|requests| requests.stir = Some(stir));
    }

    /// Descriptions vouch for this certificate of the relay from now on.
    pub fn set_dtls_fingerprint(&self, fingerprint: Option<Fingerprint>) {
        self.request(|requests| requests.fingerprint = Some(fingerprint));
    }

    /// Has a call listened to from now on, or no more ([`b2bua::Edge::set_listening`]); `None` when the
    /// worker does not answer within a second, and may do so later or not at all.
    pub fn set_listening(
        &self,
        call: TransactionId,
        wanted: bool,
    ) -> Option<Result<(), ListenRefusal>> {
        let (reply, answer) = sync_channel(1);
        self.inputs.try_send(WorkerInput::Listening { call, wanted, reply }).ok()?;
        answer.recv_timeout(STATISTICS_PATIENCE).ok()
    }

    /// The TLS certificates that are in use, with their ends.
    pub fn certificates(&self) -> Vec<CertificateStatus> {
        self.tls_thread.as_ref().map(|thread| thread.tls.certificates()).unwrap_or_default()
    }

    /// Whether the worker's thread has ended, which it does by itself only after a panic.
    pub fn has_ended(&self) -> bool {
        self.shared.published().ended
    }

    /// Closes every socket and ends the worker.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // First the thread that hands over connections, then the one that takes them.
        self.tls_thread = None;
        if let Some(thread) = self.thread.take() {
            self.request(|requests| requests.stop = true);
            if thread.join().is_err() {
                tracing::error!("the signalling worker ended by a panic");
            }
        }
    }

    fn version(&self) -> u64 {
        self.shared.published().version
    }

    fn request(&self, change: impl FnOnce(&mut Requests)) {
        change(&mut self.shared.requests());
        // A full queue wakes the worker all the same.
        let _ = self.inputs.try_send(WorkerInput::Requests);
    }
}

impl Drop for SipEdge {
    fn drop(&mut self) {
        self.end();
    }
}
