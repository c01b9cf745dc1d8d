//! A network that loses one message of an exchange, once, and the transaction layers of the
//! endpoints, which then repeat what they have sent (RFC 3261 section 17, RFC 3262 section 3).

use bytes::Bytes;
use model::Instant;
use sip_proto::{HeaderName, Limits, Message, Method};
use std::net::SocketAddr;
use std::time::Duration;

/// When an endpoint repeats for the first time.
const T1: Duration = Duration::from_millis(500);

/// What was counted, lost, and is to be repeated.
#[derive(Default)]
pub(crate) struct Losing {
    /// The message that is lost, counted from 0; `None` only counts.
    lost: Option<usize>,
    counted: usize,
    /// What the endpoints have sent, oldest first.
    sent: Vec<(SocketAddr, Message)>,
    /// What has come to the endpoints.
    seen: Vec<(SocketAddr, Bytes)>,
    /// What endpoints will send again.
    again: Vec<(Instant, SocketAddr, Bytes)>,
}

impl Losing {
    /// Loses the message with this number, or none.
    pub(crate) fn new(lost: Option<usize>) -> Self {
        Losing { lost, ..Losing::default() }
    }

    /// Messages so far, repeated ones not among them.
    pub(crate) fn counted(&self) -> usize {
        self.counted
    }

    /// Whether a message of an endpoint reaches the edge.
    pub(crate) fn leaves(&mut self, now: Instant, from: SocketAddr, raw: &Bytes) -> bool {
        let message = Message::parse(raw.clone(), &Limits::default()).expect("endpoints are right");
        let repeats = is_repeated_by_its_sender(&message);
        self.sent.push((from, message));
        let lost = self.loses_next();
        if lost && repeats {
            self.again.push((now + T1, from, raw.clone()));
        }
        !lost
    }

    /// Whether a message of the edge reaches the endpoint's user.
    pub(crate) fn arrives(&mut self, now: Instant, at: SocketAddr, message: &Message) -> bool {
        let copy = (at, message.raw().clone());
        if self.seen.contains(&copy) {
            if let Some(answer) = self.answer_to(at, message) {
                self.again.push((now, at, answer));
            }
            return false;
        }
        if self.loses_next() {
            if let Some(unanswered) = self.asked_by(at, message) {
                self.again.push((now + T1, at, unanswered));
            }
            return false;
        }
        self.seen.push(copy);
        true
    }

    /// When the next message comes again.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.again.iter().map(|(at, _, _)| *at).min()
    }

    /// What comes again at `now`.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(SocketAddr, Bytes)> {
        let position = self.again.iter().position(|(at, _, _)| *at <= now)?;
        let (_, from, raw) = self.again.remove(position);
        Some((from, raw))
    }

    fn loses_next(&mut self) -> bool {
        let lost = self.lost == Some(self.counted);
        self.counted += 1;
        lost
    }

    /// What `at` has answered to a message that comes again.
    fn answer_to(&self, at: SocketAddr, message: &Message) -> Option<Bytes> {
        match message.method() {
            Some(Method::Ack) => None,
            Some(_) => self.find(at, |sent| !sent.is_request() && same_branch(sent, message)),
            None if is_final_to_invite(message) => {
                self.find(at, |sent| sent.method() == Some(Method::Ack) && same_turn(sent, message))
            }
            None => None,
        }
    }

    /// What `at` repeats because `message` was lost; its own repetitions are the edge's to make.
    fn asked_by(&self, at: SocketAddr, message: &Message) -> Option<Bytes> {
        match message.method() {
            Some(Method::Ack) => {
                self.find(at, |sent| is_final_to_invite(sent) && same_turn(sent, message))
            }
            Some(_) => None,
            None if message.status() == Some(100) || !is_to_invite(message) => {
                self.find(at, |sent| sent.is_request() && same_branch(sent, message))
            }
            None => None,
        }
    }

    fn find(&self, at: SocketAddr, wanted: impl Fn(&Message) -> bool) -> Option<Bytes> {
        let found = self.sent.iter().rev().find(|(from, sent)| *from == at && wanted(sent))?;
        Some(found.1.raw().clone())
    }
}

/// Whether the sender goes on sending until something comes back.
fn is_repeated_by_its_sender(message: &Message) -> bool {
    match message.method() {
        Some(method) => method != Method::Ack,
        None => {
            is_final_to_invite(message)
                || (is_to_invite(message) && message.header(HeaderName::RSeq).is_some())
        }
    }
}

/// Whether it is a provisional response that nobody repeats.
pub(crate) fn may_be_lost_for_good(message: &Message) -> bool {
    message.status().is_some_and(|status| status < 200)
        && message.header(HeaderName::RSeq).is_none()
}

fn is_to_invite(response: &Message) -> bool {
    response.cseq().is_ok_and(|cseq| cseq.method == Method::Invite)
}

fn is_final_to_invite(message: &Message) -> bool {
    message.status().is_some_and(|status| status >= 200) && is_to_invite(message)
}

/// Whether two messages are of one transaction.
fn same_branch(one: &Message, other: &Message) -> bool {
    let key = |message: &Message| {
        let via = message.top_via().ok()?;
        let method = message.cseq().ok()?.method.as_str().to_owned();
        Some((via.branch.map(str::to_owned), method))
    };
    key(one).is_some() && key(one) == key(other)
}

/// Whether two messages are of the same INVITE and, if it forked, of the same fork.
fn same_turn(one: &Message, other: &Message) -> bool {
    let key = |message: &Message| {
        let tag = message.to().ok()?.tag().map(str::to_owned);
        Some((message.call_id().ok()?.to_owned(), message.cseq().ok()?.number, tag))
    };
    key(one).is_some() && key(one) == key(other)
}
