//! The thread that sends traces, and the queue in front of it.

use crate::answer::{Refused, Verdict, judge};
use crate::batch::Batch;
use crate::client::Client;
use crate::counters::{Counters, add};
use crate::{OtlpConfig, TraceStatistics, request};
use call_metrics::CallTrace;
use model::Instant;
use outbox::Backoff;
use outbox::clock::{self, Clock};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Finished calls that wait. Full policy: the newest is dropped, and counted.
const QUEUE: usize = 2_048;
/// How long a request waits for more calls after its first one.
const GATHER: Duration = Duration::from_secs(2);
/// How long a request is tried again before its spans are given up.
const GIVE_UP: Duration = Duration::from_secs(300);
/// Pauses between attempts.
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(30) };

/// The running exporter.
#[derive(Debug)]
pub struct TraceExporter {
    sender: TraceSender,
    clock: Clock,
    stop: watch::Sender<Option<Instant>>,
    thread: Option<JoinHandle<()>>,
}

/// Hands finished calls over, and tells what became of them; cheap to clone, never waits.
#[derive(Clone, Debug)]
pub struct TraceSender {
    queue: mpsc::Sender<CallTrace>,
    counters: Arc<Counters>,
}

/// No thread could be started.
#[derive(Debug)]
pub struct StartError(io::Error);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start the export of traces: {}", self.0)
    }
}

impl std::error::Error for StartError {}

impl TraceExporter {
    /// Starts the thread. It connects when there is something to send.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: OtlpConfig) -> Result<Self, StartError> {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let (stop, stopped) = watch::channel(None);
        let counters = Arc::new(Counters::default());
        let clock = Clock::start();
        let worker = Worker {
            queue: receiver,
            stop: stopped,
            client: Client::new(config),
            counters: Arc::clone(&counters),
            clock,
            complaint: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StartError)?;
        let run = move || {
            runtime.block_on(worker.run());
            // Not waited for: it may be the resolver, asking a server that is not there.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("traces".into()).spawn(run).map_err(StartError)?;
        let sender = TraceSender { queue, counters };
        Ok(TraceExporter { sender, clock, stop, thread: Some(thread) })
    }

    /// A handle that hands calls over.
    pub fn sender(&self) -> TraceSender {
        self.sender.clone()
    }

    /// Sends what waits, for at most `limit`; the rest is dropped and counted.
    pub fn stop(mut self, limit: Duration) -> TraceStatistics {
        self.end(limit);
        self.sender.statistics()
    }

    fn end(&mut self, limit: Duration) {
        let Some(thread) = self.thread.take() else { return };
        let _ = self.stop.send(Some(self.clock.now() + limit));
        if thread.join().is_err() {
            tracing::error!("the thread that exports traces panicked; traces were lost");
        }
    }
}

impl Drop for TraceExporter {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

impl TraceSender {
    /// Hands a finished call over, or drops it and counts that. Never waits.
    pub fn send(&self, call: CallTrace) {
        if self.queue.try_send(call).is_err() {
            add(&self.counters.dropped, 1);
        }
    }

    /// What happened since the start.
    pub fn statistics(&self) -> TraceStatistics {
        let queued = self.queue.max_capacity() - self.queue.capacity();
        self.counters.read(queued as u64)
    }
}

struct Worker {
    queue: mpsc::Receiver<CallTrace>,
    /// When it has to be over, once it has to.
    stop: watch::Receiver<Option<Instant>>,
    client: Client,
    counters: Arc<Counters>,
    clock: Clock,
    /// What the log was told last.
    complaint: Option<String>,
}

impl Worker {
    async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            self.deliver(&batch).await;
        }
        // What there was no time for.
        let mut left = 0;
        while self.queue.try_recv().is_ok() {
            left += 1;
        }
        add(&self.counters.dropped, left);
        if left > 0 {
            tracing::warn!(calls = left, "traces were dropped: the node stops");
        }
    }

    /// The next request's spans; `None` when it is over.
    async fn gather(&mut self) -> Option<Batch> {
        if self.left() == Some(Duration::ZERO) {
            return None;
        }
        let mut batch = Batch::default();
        batch.add(&self.next(None).await?);
        let until = self.clock.now() + GATHER;
        while !batch.is_full() {
            let wait = until.saturating_since(self.clock.now());
            let Some(call) = self.next(Some(wait)).await else { break };
            batch.add(&call);
        }
        Some(batch)
    }

    /// The next call; `None` after `wait`, or when it has to end and nothing waits.
    async fn next(&mut self, wait: Option<Duration>) -> Option<CallTrace> {
        if let Ok(call) = self.queue.try_recv() {
            return Some(call);
        }
        if self.left().is_some() {
            return None;
        }
        let over = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            call = self.queue.recv() => call,
            _ = self.stop.changed() => self.queue.try_recv().ok(),
            () = over => None,
        }
    }

    /// How much time is left; `None` as long as the node runs.
    fn left(&self) -> Option<Duration> {
        self.stop.borrow().map(|until| until.saturating_since(self.clock.now()))
    }

    async fn deliver(&mut self, batch: &Batch) {
        let config = self.client.config();
        let (timeout, count) = (config.timeout, batch.spans().len() as u64);
        let body = self.client.packed(request::encode(&config.resource, batch.spans()));
        let begun = self.clock.now();
        for failures in 1.. {
            let patience = self.left().map_or(timeout, |left| left.min(timeout));
            let (reason, after) = match self.attempt(&body, patience).await {
                Verdict::Taken(refused) => return self.taken(count, refused),
                Verdict::Never { reason } => {
                    add(&self.counters.refused, 1);
                    return self.give_up(count, &reason);
                }
                Verdict::Later { reason, after } => (reason, after),
            };
            add(&self.counters.again, 1);
            self.complain(&reason);
            let pause = BACKOFF.pause(failures, after, clock::draw()).min(GIVE_UP);
            let waited = self.clock.now().saturating_since(begun) + pause;
            let is_last = waited >= GIVE_UP || self.left().is_some_and(|left| pause >= left);
            if is_last {
                self.give_up(count, &reason);
            }
            // What the collector asked for holds for the next request as well.
            self.rest(pause).await;
            if is_last {
                return;
            }
        }
    }

    /// Sends a request; when the node stops meanwhile, the answer has only the time that is left.
    async fn attempt(&mut self, body: &[u8], patience: Duration) -> Verdict {
        let (client, stop, clock) = (&self.client, &mut self.stop, self.clock);
        let mut post = std::pin::pin!(client.post(body, patience));
        let answer = tokio::select! {
            answer = &mut post => answer,
            _ = stop.changed() => {
                let until = *stop.borrow();
                let left = until.map_or(patience, |until| until.saturating_since(clock.now()));
                let answer = tokio::time::timeout(left, post).await;
                answer.unwrap_or_else(|_| Err("no answer before the node stopped".to_owned()))
            }
        };
        match answer {
            Ok(answer) => judge(&answer),
            Err(reason) => Verdict::Later { reason, after: None },
        }
    }

    /// A pause, which ends early when the node stops.
    async fn rest(&mut self, pause: Duration) {
        let pause = self.left().map_or(pause, |left| pause.min(left));
        tokio::select! {
            _ = self.stop.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    fn taken(&mut self, count: u64, refused: Refused) {
        let rejected = refused.spans.min(count);
        add(&self.counters.taken, 1);
        add(&self.counters.rejected, rejected);
        add(&self.counters.exported, count - rejected);
        if rejected > 0 {
            let reason = format!("{rejected} of {count} spans were rejected: {}", refused.message);
            return self.complain(&reason);
        }
        if self.complaint.take().is_some() {
            tracing::info!("the collector takes traces again");
        }
    }

    fn give_up(&mut self, count: u64, reason: &str) {
        add(&self.counters.failed, count);
        self.complain(reason);
    }

    /// Says what fails when it begins to, and when it is something else.
    fn complain(&mut self, reason: &str) {
        self.counters.fail(reason);
        if self.complaint.as_deref() != Some(reason) {
            let endpoint = &self.client.config().endpoint;
            tracing::warn!(
                %endpoint,
                reason,
                "the collector does not take traces; calls go on, see [traces] and `tandem doctor`"
            );
            self.complaint = Some(reason.to_owned());
        }
    }
}
