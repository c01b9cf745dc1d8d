//! The thread that delivers a queue to its destination.

mod backoff;
mod window;

pub use backoff::Backoff;

use crate::clock::{Clock, draw, unix_time};
use crate::queue::{Position, Reader, Settled};
use crate::refused::RefusedList;
use crate::statistics::DeliveryError;
use crate::{Destination, DestinationName, Entry, OutboxRecord, Outcome, Verdict};
use model::Instant;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use window::Window;

/// Entries whose positions are known at once, 80 octets each.
const WINDOW_ENTRIES: usize = 65_536;
/// The longest wait without a look, when nothing tells that there is something.
const LOOK: Duration = Duration::from_secs(1);

/// What the thread shares with others.
#[derive(Default, Debug)]
pub(crate) struct Report {
    last_error: Mutex<Option<DeliveryError>>,
    failures_in_a_row: std::sync::atomic::AtomicU32,
    /// Until when to deliver what waits; set when the node stops.
    stop: Mutex<Option<Duration>>,
}

impl Report {
    pub(crate) fn last_error(&self) -> Option<DeliveryError> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Delivers what can be delivered within `limit`, then ends.
    pub(crate) fn stop(&self, limit: Duration) {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(limit);
    }

    fn stop_limit(&self) -> Option<Duration> {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_error(&self, reason: &str) {
        let error = DeliveryError { at: unix_time(), reason: reason.to_owned() };
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

pub(crate) struct Delivery<D> {
    pub(crate) name: DestinationName,
    pub(crate) destination: D,
    pub(crate) reader: Reader,
    pub(crate) refused: RefusedList,
    pub(crate) backoff: Backoff,
    pub(crate) timeout: Duration,
    pub(crate) report: Arc<Report>,
    pub(crate) arrived: Arc<Notify>,
}

impl<D: Destination> Delivery<D> {
    /// Delivers until [`Report::stop`].
    pub(crate) async fn run(self) {
        let clock = Clock::start();
        let window = Window::new(WINDOW_ENTRIES);
        let resume_at = Instant::ZERO;
        Running { parts: self, clock, window, failures: 0, resume_at, stop_at: None }.run().await;
    }
}

struct Running<D> {
    parts: Delivery<D>,
    clock: Clock,
    window: Window,
    /// Attempts in a row that met a service that took nothing.
    failures: u32,
    /// No attempt before.
    resume_at: Instant,
    stop_at: Option<Instant>,
}

impl<D: Destination> Running<D> {
    async fn run(mut self) {
        loop {
            let now = self.clock.now();
            if self.stop_at.is_none() {
                self.stop_at = self.parts.report.stop_limit().map(|limit| now + limit);
            }
            if self.stop_at.is_some_and(|at| at <= now) {
                return;
            }
            self.refill();
            let batch = if self.resume_at <= now { self.build(now) } else { Vec::new() };
            if !batch.is_empty() {
                self.deliver(&batch).await;
                continue;
            }
            let next = self.window.next_attempt().map(|at| at.max(self.resume_at));
            match (self.stop_at, next) {
                // Nothing more is tried before the end: it stays on disk.
                (Some(_), None) => return,
                (Some(end), Some(next)) if next >= end => return,
                _ => {}
            }
            let now = self.clock.now();
            let pause = next.map_or(LOOK, |at| at.saturating_since(now)).min(LOOK);
            // A timer of tokio rounds up to a millisecond by itself; of zero it would spin.
            let pause = pause.max(Duration::from_millis(1));
            let _ = tokio::time::timeout(pause, self.parts.arrived.notified()).await;
        }
    }

    /// Takes new entries into the window, and those out of it whose segment was dropped.
    fn refill(&mut self) {
        let floor = self.parts.reader.ledger().lock().marks.floor();
        self.window.forget_before(floor);
        match self.parts.reader.fetch(self.window.room()) {
            Ok(positions) => self.window.push(positions),
            Err(error) => {
                self.parts.report.note_error(&format!("the outbox cannot be read: {error}"));
                let queue = self.parts.reader.ledger().directory().display().to_string();
                tracing::error!(queue, %error, "the outbox cannot be read");
                self.resume_at = self.clock.now() + LOOK;
            }
        }
        self.parts.reader.note_oldest(self.window.oldest());
    }

    fn build(&mut self, now: Instant) -> Vec<Entry> {
        let Running { parts: Delivery { destination, reader, .. }, window, .. } = self;
        let rules = destination.rules();
        let mut loaded: Vec<(u64, OutboxRecord)> = Vec::new();
        let mut broken = None;
        let choice = window.choose(now, &rules, |position| match reader.read(position) {
            Ok(Some(record)) => {
                let bytes = destination.wire_bytes(&record);
                loaded.push((position.sequence, record));
                Some(bytes)
            }
            Ok(None) => None,
            Err(error) => {
                broken = Some(error);
                None
            }
        });
        if let Some(error) = broken {
            // Nothing is lost; the disk may be back later.
            self.parts.report.note_error(&format!("the outbox cannot be read: {error}"));
            self.resume_at = now + LOOK;
            return Vec::new();
        }
        self.window.forget(&choice.gone);
        let mut record_of = |position: &Position| {
            let at = loaded.iter().position(|(sequence, _)| *sequence == position.sequence)?;
            Some(std::mem::take(&mut loaded.get_mut(at)?.1))
        };
        let oversized: Vec<_> =
            choice.oversized.iter().filter_map(|p| Some((p.sequence, record_of(p)?))).collect();
        // In the batch's order, so that each is found at the front.
        let mut rest = loaded.into_iter();
        let batch: Vec<_> = choice
            .batch
            .iter()
            .filter_map(|(position, attempts)| {
                let (_, record) = rest.find(|(sequence, _)| *sequence == position.sequence)?;
                Some(self.entry(position, *attempts, record))
            })
            .collect();
        self.refuse_oversized(&oversized, rules.max_bytes);
        batch
    }

    fn entry(&self, position: &Position, attempts: u32, record: OutboxRecord) -> Entry {
        let Position { sequence, segment: (_, id), .. } = *position;
        Entry {
            sequence,
            idempotency_key: format!("{}-{id:016x}-{sequence}", self.parts.name),
            possible_duplicate: attempts > 0 || self.parts.reader.was_handed_before(sequence),
            attempts,
            record,
        }
    }

    fn refuse_oversized(&mut self, oversized: &[(u64, OutboxRecord)], most: usize) {
        if oversized.is_empty() {
            return;
        }
        let reason = format!("larger than a request of {most} octets");
        let refused: Vec<_> = oversized
            .iter()
            .map(|(sequence, record)| (*sequence, record, reason.as_str()))
            .collect();
        self.list_refused(&refused);
        let settled: Vec<_> = refused.iter().map(|(s, ..)| (*s, Settled::Refused)).collect();
        self.settle(&settled, &[]);
    }

    async fn deliver(&mut self, batch: &[Entry]) {
        let sequences: Vec<_> = batch.iter().map(|entry| entry.sequence).collect();
        self.parts.reader.hand_out(&sequences);
        let left = self.stop_at.map(|at| at.saturating_since(self.clock.now()));
        let limit = left.map_or(self.parts.timeout, |left| left.min(self.parts.timeout));
        let outcome = attempt(&mut self.parts.destination, batch, limit).await;
        match outcome {
            Outcome::PerEntry(verdicts) => {
                self.failures = 0;
                self.take_verdicts(batch, verdicts);
            }
            Outcome::Unavailable { reason, after } => self.back_off(&reason, after, &sequences),
        }
        let failures = self.failures;
        let count = &self.parts.report.failures_in_a_row;
        count.store(failures, std::sync::atomic::Ordering::Relaxed);
    }

    fn take_verdicts(&mut self, batch: &[Entry], mut verdicts: Vec<Verdict>) {
        let missing =
            || Verdict::Again { reason: "the destination gave no verdict".to_owned(), after: None };
        verdicts.resize_with(batch.len(), missing);
        let mut settled = Vec::with_capacity(batch.len());
        let (mut again, mut refused, mut failed) = (Vec::new(), Vec::new(), None);
        for (entry, verdict) in batch.iter().zip(&verdicts) {
            settled.push((
                entry.sequence,
                match verdict {
                    Verdict::Delivered => Settled::Delivered,
                    Verdict::Again { reason, after } => {
                        failed = Some(reason);
                        again.push((entry.sequence, *after));
                        Settled::Returned
                    }
                    Verdict::Refused(reason) => {
                        refused.push((entry.sequence, &entry.record, reason.as_str()));
                        Settled::Refused
                    }
                },
            ));
        }
        if let Some(reason) = failed {
            self.parts.report.note_error(reason);
        }
        self.list_refused(&refused);
        self.settle(&settled, &again);
    }

    fn back_off(&mut self, reason: &str, after: Option<Duration>, sequences: &[u64]) {
        self.parts.report.note_error(reason);
        let destination = self.parts.name.as_str();
        self.failures = self.failures.saturating_add(1);
        // Said at 1, 2, 4, 8, … attempts.
        if self.failures.is_power_of_two() {
            let failures = self.failures;
            tracing::warn!(destination, failures, reason, "nothing can be delivered; it waits");
        }
        let settled: Vec<_> = sequences.iter().map(|s| (*s, Settled::Returned)).collect();
        self.window.count_attempt(sequences);
        self.settle(&settled, &[]);
        let pause = self.parts.backoff.pause(self.failures, after, draw());
        self.resume_at = self.clock.now() + pause;
    }

    fn settle(&mut self, verdicts: &[(u64, Settled)], again: &[(u64, Option<Duration>)]) {
        self.parts.reader.settle(verdicts);
        let done = verdicts.iter().filter(|(_, verdict)| *verdict != Settled::Returned);
        self.window.forget(&done.map(|(sequence, _)| *sequence).collect::<Vec<_>>());
        self.window.put_back(self.clock.now(), again, &self.parts.backoff, draw());
        self.parts.reader.note_oldest(self.window.oldest());
    }

    fn list_refused(&mut self, refused: &[(u64, &OutboxRecord, &str)]) {
        let Some((_, _, reason)) = refused.first() else { return };
        self.parts.report.note_error(&format!("refused: {reason}"));
        let destination = self.parts.name.as_str();
        let count = refused.len();
        tracing::warn!(destination, count, reason, "refused for good; see refused.jsonl");
        if let Err(error) = self.parts.refused.add(unix_time(), refused) {
            tracing::error!(destination, count, %error, "refused records cannot be listed: lost");
        }
    }
}

/// One attempt. A destination that takes too long, or panics, is unavailable.
async fn attempt<D: Destination>(destination: &mut D, batch: &[Entry], limit: Duration) -> Outcome {
    let unavailable = |reason: String| Outcome::Unavailable { reason, after: None };
    let mut future = std::pin::pin!(destination.deliver(batch));
    let caught = std::future::poll_fn(|context| {
        let poll = AssertUnwindSafe(|| future.as_mut().poll(context));
        match std::panic::catch_unwind(poll) {
            Ok(poll) => poll,
            Err(_) => std::task::Poll::Ready(unavailable("the destination panicked".to_owned())),
        }
    });
    let seconds = limit.as_secs_f32();
    tokio::time::timeout(limit, caught)
        .await
        .unwrap_or_else(|_| unavailable(format!("no answer within {seconds:.1} s")))
}
