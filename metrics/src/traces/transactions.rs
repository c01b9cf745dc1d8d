//! The SIP transactions of one call, put together from its messages.

use super::head::{self, Head};
use crate::methods;
use model::{Flow, Instant, LegSide, MessageDirection, SipMessageEvent};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Transactions of one call. Full policy: the newest is not kept, and counted.
const TRANSACTIONS: usize = 128;
/// Provisional responses of one transaction. Full policy: the newest is not kept, and counted.
const PROVISIONAL: usize = 32;
/// Acknowledgements of one call that are kept.
const ACKS: usize = 32;
/// Octets of a tag that are kept.
const TAG: usize = 64;

/// The name of a span whose method has no name of its own.
const OTHER: &str = "_OTHER";

/// Which transaction of a call a message is of: a digest of who sent the request, its branch, its
/// number and its method.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key(u64);

/// What was seen of a call's transactions.
#[derive(Default, Debug)]
pub(crate) struct Transactions {
    pub(super) list: Vec<Transaction>,
    /// Transactions that there was no room for.
    pub(super) dropped: u32,
    pub(super) acks: Vec<Ack>,
}

/// An ACK: no transaction of its own (RFC 3261 section 13.2.2.4, 17.1.1.3).
#[derive(Debug)]
pub(super) struct Ack {
    pub(super) at: Instant,
    pub(super) leg: Option<LegSide>,
    pub(super) direction: MessageDirection,
    pub(super) cseq: u32,
}

/// One transaction.
#[derive(Debug)]
pub(super) struct Transaction {
    key: Key,
    pub(super) leg: Option<LegSide>,
    /// Who sent the request: received ones make us the server.
    pub(super) request: MessageDirection,
    pub(super) method: &'static str,
    pub(super) cseq: u32,
    pub(super) flow: Flow,
    pub(super) began: Instant,
    /// When its last message passed.
    pub(super) last: Instant,
    /// The first final response.
    pub(super) finished: Option<(Instant, u16)>,
    pub(super) provisional: Vec<Provisional>,
    pub(super) dropped_provisional: u32,
    /// Requests after the first, final responses after the first.
    pub(super) retransmissions: u32,
    /// Final 2xx from further forks (RFC 3261 section 13.2.2.4).
    pub(super) more_answers: u32,
    answered_tag: Box<str>,
}

/// A provisional response.
#[derive(Debug)]
pub(super) struct Provisional {
    pub(super) at: Instant,
    pub(super) status: u16,
    /// Which early dialog; empty without a tag.
    pub(super) to_tag: Box<str>,
}

/// A message, and the transaction that it is of.
pub(crate) struct Read<'a> {
    pub(crate) key: Key,
    head: Head<'a>,
    request: MessageDirection,
}

/// Reads a message; `None` when there is none, or none that can be told apart.
pub(crate) fn read(event: &SipMessageEvent) -> Option<Read<'_>> {
    let head = head::read(event.message.as_deref()?)?;
    let request = match (event.direction, event.status.is_some()) {
        (MessageDirection::Received, false) | (MessageDirection::Sent, true) => {
            MessageDirection::Received
        }
        (MessageDirection::Sent, false) | (MessageDirection::Received, true) => {
            MessageDirection::Sent
        }
    };
    // A peer that finds two of the same digest confuses the trace of its own call.
    let mut hasher = DefaultHasher::new();
    (request, head.branch, head.cseq, head.method).hash(&mut hasher);
    Some(Read { key: Key(hasher.finish()), head, request })
}

impl Transactions {
    /// Takes in a message. Returns whether its transaction is kept.
    pub(crate) fn take(&mut self, event: &SipMessageEvent, read: &Read<'_>) -> bool {
        if read.head.method == b"ACK" {
            if self.acks.len() < ACKS {
                let (at, leg, direction) = (event.at, event.leg, event.direction);
                self.acks.push(Ack { at, leg, direction, cseq: read.head.cseq });
            }
            return false;
        }
        let is_full = self.list.len() >= TRANSACTIONS;
        let known = self.list.iter_mut().rev().find(|transaction| transaction.key == read.key);
        match (known, event.status) {
            (Some(transaction), status) => transaction.take(event.at, status, &read.head),
            // A response to a request that was not seen says nothing of how long it took.
            (None, Some(_)) => return false,
            (None, None) if is_full => {
                self.dropped = self.dropped.saturating_add(1);
                return false;
            }
            (None, None) => self.list.push(Transaction::new(event, read)),
        }
        true
    }

    /// Those that were kept.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        self.list.iter().map(|transaction| transaction.key)
    }

    /// Those that have no final response yet.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = Key> {
        self.list.iter().filter(|transaction| transaction.finished.is_none()).map(|t| t.key)
    }
}

impl Transaction {
    fn new(event: &SipMessageEvent, read: &Read<'_>) -> Self {
        let known = methods::position(read.head.method).and_then(|at| methods::NAMES.get(at));
        Transaction {
            key: read.key,
            leg: event.leg,
            request: read.request,
            method: known.copied().unwrap_or(OTHER),
            cseq: read.head.cseq,
            flow: event.flow,
            began: event.at,
            last: event.at,
            finished: None,
            provisional: Vec::new(),
            dropped_provisional: 0,
            retransmissions: 0,
            more_answers: 0,
            answered_tag: Box::default(),
        }
    }

    fn take(&mut self, at: Instant, status: Option<u16>, head: &Head<'_>) {
        self.last = self.last.max(at);
        match status {
            None => self.retransmissions = self.retransmissions.saturating_add(1),
            Some(status) if status < 200 => {
                if self.provisional.len() < PROVISIONAL {
                    self.provisional.push(Provisional { at, status, to_tag: tag(head.to_tag) });
                } else {
                    self.dropped_provisional = self.dropped_provisional.saturating_add(1);
                }
            }
            Some(status) if self.finished.is_none() => {
                self.finished = Some((at, status));
                self.answered_tag = tag(head.to_tag);
            }
            Some(status) if status < 300 && self.answered_tag != tag(head.to_tag) => {
                self.more_answers = self.more_answers.saturating_add(1);
            }
            Some(_) => self.retransmissions = self.retransmissions.saturating_add(1),
        }
    }

    /// When it was over, as far as it is known.
    pub(super) fn ended(&self) -> Instant {
        self.finished.map_or(self.last, |(at, _)| at)
    }
}

/// Printable, and cut.
fn tag(octets: &[u8]) -> Box<str> {
    let octets = octets.get(..TAG).unwrap_or(octets);
    crate::printable_line(&String::from_utf8_lossy(octets)).into()
}
