//! Traces of calls as OpenTelemetry has them: a span for the call, for each of its legs and for each
//! SIP transaction.
//!
//! The recorder gathers what it sees of the calls that are sampled, and gives a [`CallTrace`] away
//! when a call's record is written; its spans are made where it is sent, not on the recorder's thread.
//! `docs/traces.md` lists the names.

mod head;
mod ids;
mod span;
mod transactions;
mod tree;

pub use ids::call_span_id;
pub use span::{AttributeValue, Attributes, Span, SpanEvent, SpanKind, SpanLink};
pub(crate) use transactions::{Key, Transactions};

use crate::tracked::TrackedCall;
use crate::{Numbers, Recorder};
use model::{CallSample, Instant, SipMessageEvent, TransactionId, UnixTime};

/// Traces that wait for [`Recorder::poll_trace`]. Full policy: the newest is dropped, and counted.
const WAITING: usize = 1_024;
/// Transactions of ended calls that a last answer may still come for. Full policy: the answer is in
/// no trace.
const AWAITED: usize = 65_536;
/// Answers that name no call and may be the last one of a call that ends at once. Full policy: the
/// oldest goes.
const UNCLAIMED: usize = 64;

/// What is traced, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceConfig {
    /// The share of calls that is traced, in 1/10,000.
    pub share: u16,
    /// Drawn when the process started: a call that outlives its process gets other span ids in the
    /// next one.
    pub run: u64,
}

impl TraceConfig {
    /// Every call.
    pub const fn new(run: u64) -> Self {
        TraceConfig { share: CallSample::WHOLE, run }
    }

    /// What is gathered of a new call, when it is traced.
    pub(crate) fn begin(&self, call: TransactionId) -> Option<Box<Transactions>> {
        self.has(call).then(Box::default)
    }

    /// Whether a call is among those that are traced.
    pub(crate) fn has(&self, call: TransactionId) -> bool {
        // The id is random: its low bits choose.
        (call.as_u128() % u128::from(CallSample::WHOLE)) < u128::from(self.share)
    }
}

/// A finished call, to be made into spans.
#[derive(Debug)]
pub struct CallTrace {
    id: TransactionId,
    call: Box<TrackedCall>,
    config: TraceConfig,
    numbers: Numbers,
    origin: UnixTime,
    /// When this run of the node began.
    begun: Instant,
    /// When nothing more was waited for.
    closed: Instant,
    /// The call's record, [`crate::CallRecord`] as JSON.
    record: Vec<u8>,
}

impl Recorder {
    /// The next finished call that is traced.
    pub fn poll_trace(&mut self) -> Option<CallTrace> {
        self.traces.pop_front()
    }

    /// Takes in a message of a call; also the last ones, which name no call because the edge has
    /// forgotten it by then.
    pub(crate) fn trace_message(&mut self, event: &SipMessageEvent) {
        let Some(config) = self.config.traces else { return };
        let is_left_out = match event.transaction_id {
            Some(id) => !config.has(id),
            None => event.status.is_none(),
        };
        if is_left_out {
            return;
        }
        let Some(read) = transactions::read(event) else { return };
        let id = event.transaction_id.or_else(|| self.awaited.get(&read.key).copied());
        let Some(id) = id else {
            // The answer that ends a call is told before the end.
            if self.unclaimed.len() >= UNCLAIMED {
                self.unclaimed.pop_front();
            }
            return self.unclaimed.push_back((read.key, event.clone()));
        };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(transactions) = call.transactions.as_mut() else { return };
        let is_kept = transactions.take(event, &read);
        // A BYE of ours is told after the end that it brings about.
        let is_late_request = is_kept && event.status.is_none() && call.ended.is_some();
        if is_late_request && self.awaited.len() < AWAITED {
            self.awaited.insert(read.key, id);
        }
    }

    /// The call is over: what it still waits for is found by its transactions alone.
    pub(crate) fn trace_end(&mut self, id: TransactionId) {
        let call = self.calls.get_mut(&id);
        let Some(transactions) = call.and_then(|call| call.transactions.as_mut()) else { return };
        let unfinished: Vec<Key> = transactions.unfinished().collect();
        for key in unfinished {
            let place = self.unclaimed.iter().rposition(|(of, _)| *of == key);
            if let Some((_, event)) = place.and_then(|place| self.unclaimed.remove(place)) {
                if let Some(read) = transactions::read(&event) {
                    transactions.take(&event, &read);
                }
            } else if self.awaited.len() < AWAITED {
                self.awaited.insert(key, id);
            }
        }
    }

    /// Nothing more of it is waited for.
    pub(crate) fn trace_close(
        &mut self,
        id: TransactionId,
        mut call: TrackedCall,
        closed: Instant,
        record: Vec<u8>,
    ) {
        let (Some(config), Some(seen)) = (self.config.traces, call.transactions.as_deref()) else {
            return;
        };
        for key in seen.keys() {
            self.awaited.remove(&key);
        }
        if self.traces.len() >= WAITING {
            return self.page.dropped("trace");
        }
        call.forget_ladder();
        self.traces.push_back(CallTrace {
            id,
            call: Box::new(call),
            config,
            numbers: self.config.privacy.traces.clone(),
            origin: self.config.origin,
            begun: self.config.begun,
            closed,
            record,
        });
    }
}

#[cfg(test)]
mod tests;
