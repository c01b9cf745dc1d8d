//! Bytes in, transactions out: parse, validate, refuse what is wrong, pass on the rest.

use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use model::{Flow, Instant};

use crate::message::{Composer, HeaderName, Message, Method, Via, default_reason, salvage};
use crate::owner;
use crate::stamp;
use crate::transaction::{Overflow, Precedence, TransactionConfig, Transactions};
use crate::validate::{Violation, validate_request, validate_response};

/// The SIP side of one worker: everything between the transport and the core.
///
/// What it lacks itself is [`Transactions`], to which it dereferences; see there for the order in
/// which to call.
#[derive(Debug)]
pub struct Endpoint {
    transactions: Transactions,
    counters: EndpointCounters,
}

/// What the endpoint counts; each only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EndpointCounters {
    /// Requests that came in, good and bad.
    pub requests: u64,
    /// Responses that came in, good and bad.
    pub responses: u64,
    /// Datagrams of line ends and blanks only (keep-alives); dropped.
    pub keep_alives: u64,
    /// Requests that do not parse and were answered 400.
    pub malformed_requests: u64,
    /// Messages that do not parse and cannot be answered; dropped.
    pub garbage: u64,
    /// Requests that parse but are wrong, and were answered with the status they are owed.
    pub violations: u64,
    /// ACKs that are wrong; dropped, for an ACK is never answered.
    pub bad_acks: u64,
    /// Responses that do not parse or lack what they need; dropped.
    pub bad_responses: u64,
    /// Responses whose top Via is not ours; dropped (RFC 3261 section 18.1.2).
    pub foreign_responses: u64,
    /// Responses with more than one Via; dropped (section 8.1.3.3).
    pub extra_via_responses: u64,
    /// Requests that found the transaction table, or their source's share of it, full and were
    /// answered 503.
    pub overflows: u64,
}

impl EndpointCounters {
    /// Every counter with its name in logs and metrics.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [
            ("requests", self.requests),
            ("responses", self.responses),
            ("keep_alives", self.keep_alives),
            ("malformed_requests", self.malformed_requests),
            ("garbage", self.garbage),
            ("violations", self.violations),
            ("bad_acks", self.bad_acks),
            ("bad_responses", self.bad_responses),
            ("foreign_responses", self.foreign_responses),
            ("extra_via_responses", self.extra_via_responses),
            ("overflows", self.overflows),
        ]
        .into_iter()
    }
}

impl Endpoint {
    /// An endpoint without transactions.
    pub fn new(config: TransactionConfig) -> Self {
        Endpoint { transactions: Transactions::new(config), counters: EndpointCounters::default() }
    }

    /// Takes one datagram, or one message of a stream.
    ///
    /// A request that is wrong gets its status without a transaction; a response that is wrong or
    /// not ours is dropped. Both are counted.
    pub fn handle_input(&mut self, now: Instant, flow: Flow, raw: Bytes) {
        self.handle_input_with(now, flow, raw, Precedence::Ordinary);
    }

    /// [`handle_input`](Self::handle_input) for a message of this precedence.
    pub fn handle_input_with(
        &mut self,
        now: Instant,
        flow: Flow,
        raw: Bytes,
        precedence: Precedence,
    ) {
        if raw.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | 0)) {
            self.counters.keep_alives += 1;
        } else if owner::is_response(&raw) {
            self.counters.responses += 1;
            self.take_response(now, flow, raw);
        } else {
            self.counters.requests += 1;
            self.take_request(now, flow, raw, precedence);
        }
    }

    /// Answers what could not be framed or parsed with `status`, as far as it says whom to answer.
    /// `head` holds at least the header lines up to CSeq.
    pub fn reject_malformed(&mut self, flow: Flow, head: &[u8], status: u16, reason: &str) {
        let stamped = stamp::stamp_request(Bytes::copy_from_slice(head), flow.remote);
        self.answer_salvaged(flow, &stamped, status, reason);
    }

    /// Refuses a request without a transaction, for one that is worth none; its repetition brings
    /// the answer again. ACK and CANCEL get no answer (a CANCEL has nothing to cancel then).
    /// `explain` writes further header fields. Returns the request; `None` when it cannot be read.
    pub fn refuse_statelessly(
        &mut self,
        flow: Flow,
        raw: Bytes,
        status: u16,
        explain: impl FnOnce(&mut Composer),
    ) -> Option<Message> {
        let stamped = stamp::stamp_request(raw, flow.remote);
        let request = Message::parse(stamped, &self.transactions.config().limits).ok()?;
        if !matches!(request.method(), Some(Method::Ack | Method::Cancel) | None) {
            let tag = self.transactions.derived_tag(&request);
            let reason = default_reason(status);
            let mut response = Composer::response_to(&request, status, reason, Some(&tag));
            explain(&mut response);
            self.send_stateless(flow, request.top_via().ok(), response.finish());
        }
        Some(request)
    }

    /// What was counted here; [`Transactions::transaction_counters`] has the rest.
    pub const fn counters(&self) -> &EndpointCounters {
        &self.counters
    }

    fn take_request(&mut self, now: Instant, flow: Flow, raw: Bytes, precedence: Precedence) {
        let raw = stamp::stamp_request(raw, flow.remote);
        let config = self.transactions.config();
        let message = match Message::parse(raw.clone(), &config.limits) {
            Ok(message) if message.is_request() => message,
            Ok(_) => {
                self.counters.garbage += 1;
                return;
            }
            Err(fault) => {
                // Our own words: what the peer wrote is not repeated in the reason phrase.
                let reason = format!("Bad Request: {}, {}", fault.part, fault.reason);
                self.answer_salvaged(flow, &raw, 400, &reason);
                return;
            }
        };
        match validate_request(&message, &config.supported) {
            Ok(()) => {}
            Err(_) if message.method() == Some(Method::Ack) => {
                self.counters.bad_acks += 1;
                return;
            }
            Err(violation) => {
                self.counters.violations += 1;
                self.answer_violation(flow, &message, &violation);
                return;
            }
        }
        let taken = self.transactions.handle_message_with(now, flow, message, precedence);
        if let Err(overflow) = taken {
            self.counters.overflows += 1;
            self.answer_overflow(&overflow);
        }
    }

    fn take_response(&mut self, now: Instant, flow: Flow, raw: Bytes) {
        let message = match Message::parse(raw, &self.transactions.config().limits) {
            Ok(message) if validate_response(&message).is_ok() => message,
            _ => {
                self.counters.bad_responses += 1;
                return;
            }
        };
        let branch = message.top_via().ok().and_then(|via| via.branch).unwrap_or_default();
        if !has_prefix(branch, &self.transactions.config().branch_prefix) {
            self.counters.foreign_responses += 1;
        } else if message.values(HeaderName::Via).nth(1).is_some() {
            self.counters.extra_via_responses += 1;
        } else {
            // Only a new request can overflow.
            let _ = self.transactions.handle_message(now, flow, message);
        }
    }

    fn answer_violation(&mut self, flow: Flow, request: &Message, violation: &Violation) {
        let tag = self.transactions.derived_tag(request);
        let mut response =
            Composer::response_to(request, violation.status, violation.reason, Some(&tag));
        for option in &violation.unsupported {
            response.header(HeaderName::Unsupported, option);
        }
        self.send_stateless(flow, request.top_via().ok(), response.finish());
    }

    fn answer_overflow(&mut self, overflow: &Overflow) {
        let request = &overflow.message;
        let tag = self.transactions.derived_tag(request);
        let retry_after = self.transactions.config().retry_after_seconds;
        let mut response = Composer::response_to(request, 503, default_reason(503), Some(&tag));
        response.header_args(HeaderName::RetryAfter, format_args!("{retry_after}"));
        self.send_stateless(overflow.flow, request.top_via().ok(), response.finish());
    }

    fn answer_salvaged(&mut self, flow: Flow, stamped: &[u8], status: u16, reason: &str) {
        let Some(request) = salvage(stamped).filter(|request| request.can_be_answered()) else {
            self.counters.garbage += 1;
            return;
        };
        self.counters.malformed_requests += 1;
        let tag = self.transactions.derived_tag_of(&(&request.call_id, &request.from));
        let via = request.vias.first().and_then(|via| Via::parse(via).ok());
        let response = request.response(status, reason, &tag).finish();
        self.send_stateless(flow, via, response);
    }

    /// Sends a response that no transaction repeats: the request's own repetition brings it again.
    fn send_stateless(&mut self, flow: Flow, via: Option<Via<'_>>, response: Bytes) {
        let target = via.map_or(flow, |via| stamp::response_flow(flow, &via));
        self.transactions.send_directly(target, response);
    }
}

impl Deref for Endpoint {
    type Target = Transactions;

    fn deref(&self) -> &Transactions {
        &self.transactions
    }
}

impl DerefMut for Endpoint {
    fn deref_mut(&mut self) -> &mut Transactions {
        &mut self.transactions
    }
}

fn has_prefix(branch: &str, prefix: &str) -> bool {
    branch.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests;
