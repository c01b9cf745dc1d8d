//! The recorder's thread and the bounded queue in front of it.

use crate::copies::CopySender;
use crate::health::{self, LiveTermination, PeerHealth};
use crate::live::LiveCall;
use crate::refusal_log::RefusalLog;
use crate::registration_log;
use crate::{ApiRequest, CallTrace, Page, Reach, Reading, Recorder};
use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};
use model::{
    CallEvent, CallEventKind, CopyNews, CopyState, Instant, ProxySessionId, QualityReport,
    RecordedCall, RecordedMetadata, ReportKind, RtcpCopy, SipObservation, TransactionId,
    VoiceConnectorId,
};
use outbox::{FileSender, Record, Rest};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

/// Something for the recorder.
#[derive(Clone, Debug)]
pub enum Observation {
    /// What happened to a call.
    Call(CallEvent),
    /// A SIP message or a refusal.
    Sip(SipObservation),
    /// A leg's quality.
    Quality(Box<QualityReport>),
    /// RTCP of a call, for a collector.
    Rtcp(Box<RtcpCopy>),
    /// A recording of a call, or a part of it, has come to its end.
    Recorded(KeptRecording),
    /// Nothing; the time has come for what is due at this instant. The thread does this by
    /// itself; tests use it.
    Tick(Instant),
}

/// What became of a recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptRecording {
    /// When that was known.
    pub at: Instant,
    /// Whose call; `None` when nobody knows any more.
    pub voice_connector: Option<VoiceConnectorId>,
    /// Octets of its file; `None` when it is lost.
    pub bytes: Option<u64>,
}

/// Hands observations to the recorder; cheap to clone, never blocks.
///
/// Full policy: the newest is dropped and counted (`tandem_recorder_dropped_total`). SIP messages,
/// RTCP and live quality are shed first: they are dropped as soon as three quarters of the queue are full, so
/// that calls and their records' quality still pass.
#[derive(Clone, Debug)]
pub struct ObservationSender {
    queue: Sender<Job>,
    page: Arc<Page>,
    rest: Rest,
    recorder: Thread,
}

/// Reads the recorder's tables; cheap to clone.
#[derive(Clone)]
pub struct RecorderView {
    recorder: Arc<Mutex<Recorder>>,
    page: Arc<Page>,
    clock: Arc<dyn Fn() -> Instant + Send + Sync>,
}

/// The running recorder.
pub struct RecorderHandle {
    view: RecorderView,
    queue: Sender<Job>,
    thread: Option<JoinHandle<()>>,
}

/// Takes the recorder's records, on its thread: it must not wait, and counts what it cannot take.
pub trait RecordSink: Send + 'static {
    /// Takes a record, for no more sinks than it may reach.
    fn write(&self, record: Record, reach: Reach);

    /// Takes the trace of a finished call. Nobody wants it unless somebody says so.
    fn trace(&self, trace: CallTrace) {
        drop(trace);
    }
}

impl RecordSink for FileSender {
    fn write(&self, record: Record, reach: Reach) {
        if reach != Reach::Services {
            let _ = self.send(record);
        }
    }
}

/// Starts the recorder's thread behind a queue of `queue_length` observations. Records go to
/// `sink`; `clock` is the node's monotonic clock.
///
/// # Errors
/// When no thread can be started, or no socket opened for the copies.
pub fn spawn(
    recorder: Recorder,
    queue_length: usize,
    sink: impl RecordSink,
    clock: impl Fn() -> Instant + Send + Sync + 'static,
) -> io::Result<(ObservationSender, RecorderHandle)> {
    let (queue, receiver) = bounded(queue_length.max(4));
    let page = Arc::clone(recorder.page());
    let view = RecorderView {
        recorder: Arc::new(Mutex::new(recorder)),
        page: Arc::clone(&page),
        clock: Arc::new(clock),
    };
    let copies = view.lock().config.hep.as_ref().map(CopySender::new).transpose()?;
    let refusals = RefusalLog::new(view.lock().config.privacy.log.clone());
    let rest = Rest::default();
    let worker = Worker { view: view.clone(), sink, copies, refusals, rest: rest.clone() };
    let thread =
        thread::Builder::new().name("recorder".into()).spawn(move || worker.run(&receiver))?;
    let sender =
        ObservationSender { queue: queue.clone(), page, rest, recorder: thread.thread().clone() };
    Ok((sender, RecorderHandle { view, queue, thread: Some(thread) }))
}

impl ObservationSender {
    /// Hands over an observation, or drops it and counts that. Never blocks.
    pub fn send(&self, observation: Observation) {
        let (what, may_be_shed) = match &observation {
            Observation::Call(_) => ("call", false),
            Observation::Quality(report) => ("quality", report.kind == ReportKind::Live),
            Observation::Rtcp(_) => ("rtcp", true),
            Observation::Recorded(_) => ("recorded", false),
            Observation::Tick(_) => ("tick", false),
            // Few, and the last word on a peer must not be lost.
            Observation::Sip(SipObservation::Health(_)) => ("health", false),
            Observation::Sip(_) => ("sip", true),
        };
        let (queued, quarter) = (self.queue.len(), self.queue.capacity().unwrap_or(usize::MAX) / 4);
        if may_be_shed && queued > quarter * 3 {
            return self.page.dropped(what);
        }
        match self.queue.try_send(Job::Observe(observation)) {
            // The recorder looks by itself after a pause. Waking it for every observation would cost
            // the call path a system call each; only a queue that fills quickly is worth one, and the
            // first one after a while.
            Ok(()) if queued > quarter || self.rest.is_to_be_woken() => self.recorder.unpark(),
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.page.dropped(what),
        }
    }
}

impl RecorderView {
    /// The calls that are not over, oldest first.
    pub fn calls(&self) -> Vec<LiveCall> {
        let now = (self.clock)();
        self.lock().calls(now)
    }

    /// The proxy phone sessions of calls that are not over, once for each call.
    pub fn proxied_calls(&self) -> Vec<ProxySessionId> {
        self.lock().proxied_calls()
    }

    /// What is known of peers' health.
    pub fn health(&self) -> PeerHealth {
        self.lock().health()
    }

    /// The last OPTIONS of a voice connector's customer.
    pub fn termination(&self, id: &VoiceConnectorId) -> Option<LiveTermination> {
        self.lock().termination(id)
    }

    /// The Prometheus page as text.
    pub fn encode(&self) -> String {
        self.page.encode()
    }

    /// Counts a request to the control API.
    pub fn api_answered(&self, request: ApiRequest) {
        self.page.api_answered(request);
    }

    /// Counts of applications that steer calls.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// Sets, once, where counters and gauges of other parts of the node are read from.
    pub fn set_readings(&self, source: impl Fn(&mut Vec<Reading>) + Send + Sync + 'static) {
        self.page.set_readings(source);
    }

    fn lock(&self) -> MutexGuard<'_, Recorder> {
        // A panic while the lock was held leaves at worst one call's record incomplete.
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecorderHandle {
    /// A view for the Prometheus page and the control socket.
    pub fn view(&self) -> RecorderView {
        self.view.clone()
    }

    /// Takes in what is queued, closes every call's record and ends the thread. The sink must be
    /// closed after this.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            // An error means that the thread is gone already; joining tells why.
            let _ = self.queue.send(Job::Stop);
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the recorder's thread panicked; records were lost");
            }
        }
    }
}

impl Drop for RecorderHandle {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for RecorderView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecorderView").finish_non_exhaustive()
    }
}

impl fmt::Debug for RecorderHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecorderHandle").finish_non_exhaustive()
    }
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "Stop is sent once; a box would cost every observation an allocation"
)]
enum Job {
    Observe(Observation),
    Stop,
}

/// Longest pause between two looks at what is due.
const TICK: Duration = Duration::from_millis(100);
/// Pause of the thread when its queue is empty; what is shown is at most this old. After one in which nothing
/// came it rests until the next observation, or until something is due.
const PAUSE: Duration = Duration::from_millis(10);
/// Observations taken in before the lock is given up for readers.
const BATCH: usize = 256;

struct Worker<S> {
    view: RecorderView,
    sink: S,
    copies: Option<CopySender>,
    refusals: RefusalLog,
    rest: Rest,
}

impl<S: RecordSink> Worker<S> {
    fn run(mut self, queue: &Receiver<Job>) {
        let mut due = (self.view.clock)();
        let mut has_paused = false;
        loop {
            let refusals = &mut self.refusals;
            let mut recorder = self.view.lock();
            let mut is_empty = false;
            for _ in 0..BATCH {
                match queue.try_recv() {
                    Ok(Job::Observe(observation)) => {
                        has_paused = false;
                        log(refusals, &observation);
                        observe(&mut recorder, observation);
                    }
                    Err(TryRecvError::Empty) => {
                        is_empty = true;
                        break;
                    }
                    Ok(Job::Stop) | Err(TryRecvError::Disconnected) => {
                        let now = (self.view.clock)();
                        self.write(&mut recorder);
                        while recorder.handle_shutdown(now) {
                            self.write(&mut recorder);
                        }
                        return self.write(&mut recorder);
                    }
                }
            }
            let now = (self.view.clock)();
            if now >= due {
                recorder.handle_timeout(now);
                due = now + TICK;
            }
            self.write(&mut recorder);
            drop(recorder);
            if is_empty {
                match has_paused {
                    false => thread::park_timeout(PAUSE),
                    true => self.rest.rest(TICK, || !queue.is_empty()),
                }
                has_paused = true;
            }
        }
    }

    fn write(&self, recorder: &mut Recorder) {
        while let Some((record, reach)) = recorder.poll_record() {
            self.sink.write(record, reach);
        }
        while let Some(packet) = recorder.poll_copy() {
            if let Some(copies) = &self.copies {
                copies.send(packet);
            }
        }
        if let Some(copies) = &self.copies {
            recorder.page().copied(copies.take_outcomes());
        }
        while let Some(trace) = recorder.poll_trace() {
            self.sink.trace(trace);
        }
    }
}

/// What belongs into the node's own log.
fn log(refusals: &mut RefusalLog, observation: &Observation) {
    match observation {
        Observation::Sip(SipObservation::Refused(event)) => refusals.note(event),
        Observation::Call(CallEvent { transaction_id, at, kind: CallEventKind::Excused(rule) }) => {
            refusals.note_excuse(*at, *transaction_id, *rule);
        }
        Observation::Call(CallEvent {
            transaction_id,
            kind: CallEventKind::Unheard { leg },
            ..
        }) => {
            let leg = if leg.index() == 0 { "A" } else { "B" };
            tracing::warn!(
                %transaction_id,
                leg,
                "one-way audio: this leg sends RTP, and nothing but silence was heard in it yet"
            );
        }
        Observation::Call(CallEvent {
            transaction_id,
            kind: CallEventKind::Recorded(recorded),
            ..
        }) => log_recorded(*transaction_id, recorded),
        Observation::Call(CallEvent {
            transaction_id, kind: CallEventKind::Copied(news), ..
        }) => log_copied(*transaction_id, news),
        Observation::Call(CallEvent {
            transaction_id,
            kind: CallEventKind::NotListenedTo(failure),
            ..
        }) => {
            tracing::warn!(%transaction_id, %failure, "a call is not streamed");
        }
        Observation::Sip(SipObservation::WouldRefuse(event)) => refusals.note_dry_run(event),
        Observation::Sip(SipObservation::Registration(event)) => registration_log::log(event),
        Observation::Sip(SipObservation::CarrierCredential(event)) => {
            refusals.note_credential(event);
        }
        Observation::Sip(SipObservation::Health(event)) => health::log(event),
        _ => {}
    }
}

fn log_copied(transaction_id: TransactionId, news: &CopyNews) {
    let CopyNews { recorder, state } = news;
    match state {
        CopyState::Begun => {
            tracing::debug!(%transaction_id, %recorder, "a recorder takes the copy of a call");
        }
        CopyState::Ended => {
            tracing::debug!(%transaction_id, %recorder, "the copy of a call has ended");
        }
        CopyState::Failed { failure, retry_in: Some(pause) } => {
            let again_after_seconds = pause.as_secs();
            tracing::warn!(
                %transaction_id, %recorder, %failure, again_after_seconds,
                "a call is not copied for now; it goes on"
            );
        }
        CopyState::Failed { failure, retry_in: None } => {
            tracing::warn!(
                %transaction_id, %recorder, %failure,
                "a call is not copied, and that is not tried again; it goes on"
            );
        }
    }
}

fn observe(recorder: &mut Recorder, observation: Observation) {
    match observation {
        Observation::Call(event) => recorder.handle_call_event(event),
        Observation::Sip(observation) => recorder.handle_sip(observation),
        Observation::Quality(report) => recorder.handle_quality(*report),
        Observation::Rtcp(copy) => recorder.handle_rtcp(&copy),
        Observation::Recorded(recorded) => recorder.handle_recorded(&recorded),
        Observation::Tick(now) => recorder.handle_timeout(now),
    }
}

/// What is odd about what a recording client sends.
fn log_recorded(transaction_id: TransactionId, recorded: &RecordedCall) {
    if let RecordedMetadata::Unreadable(why) = recorded.metadata {
        tracing::warn!(
            %transaction_id, why, "the recording client's metadata cannot be read; the call is recorded"
        );
    }
    if let Some(label) = recorded.unknown_label.as_deref() {
        let label = crate::printable_line(label);
        tracing::warn!(
            %transaction_id, %label,
            "the recording client's metadata names a label that no line has; the call is recorded"
        );
    }
}

#[cfg(test)]
mod tests;
