//! A producer's connection.

use super::{End, Needs, Output, Producer};
use bytes::Bytes;
use model::Instant;
use std::time::Duration;

/// How long a connection may take to be opened, with all that it needs before; longer than what does
/// it waits for any answer.
const PREPARING: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub(super) enum Link {
    /// There is none.
    Down { not_before: Instant },
    /// One was asked for.
    Preparing { since: Instant },
    /// The request's body is being sent.
    Open(Open),
    /// The request's body is over.
    Finishing { since: Instant },
    /// There will be none.
    Over,
}

#[derive(Debug)]
pub(super) struct Open {
    since: Instant,
    /// To be sent before the first fragment.
    head: Option<Bytes>,
    last_sent: Instant,
    /// When something was heard, or when an answer came to be owed.
    quiet_since: Instant,
    /// Whether the connection takes more octets.
    has_room: bool,
}

impl Link {
    pub(super) fn is_connected(&self) -> bool {
        matches!(self, Link::Open(_) | Link::Finishing { .. })
    }

    pub(super) fn heard(&mut self, now: Instant) {
        if let Link::Open(open) = self {
            open.quiet_since = now;
        }
    }
}

impl Producer {
    /// The connection that was asked for is open; `head` is what its body begins with.
    pub fn handle_connected(&mut self, now: Instant, head: Bytes) {
        if !matches!(self.link, Link::Preparing { .. }) {
            return;
        }
        self.counters.connections += 1;
        self.needs = Needs::default();
        self.acknowledgements = Default::default();
        self.link = Link::Open(Open {
            since: now,
            head: Some(head),
            last_sent: now,
            quiet_since: now,
            has_room: true,
        });
    }

    /// The connection takes more octets.
    pub fn handle_room(&mut self) {
        if let Link::Open(open) = &mut self.link {
            open.has_room = true;
        }
    }

    /// The connection is over, from the other end.
    pub fn handle_closed(&mut self, now: Instant) {
        match self.link {
            Link::Finishing { .. } => self.end_finishing(now, "the service ended the connection"),
            Link::Open(_) => {
                self.hang_up(now);
                self.fail(now, "the service ended the connection".to_owned());
            }
            _ => {}
        }
    }

    /// No more is heard over a connection whose body is over.
    fn end_finishing(&mut self, now: Instant, how: &str) {
        let unanswered = self.kept.in_flight();
        self.hang_up(now);
        if unanswered > 0 {
            self.fail(now, format!("{how} with {unanswered} fragments unanswered"));
        }
    }

    /// Whether the service owes an answer: the end of a fragment is where the next one begins, so
    /// that the last one alone may wait.
    fn is_owed(&self) -> bool {
        self.kept.in_flight() > 0 && self.kept.len() > 1
    }

    /// The connection was not opened, or broke.
    pub fn handle_failure(&mut self, now: Instant, reason: String) {
        if matches!(self.link, Link::Down { .. } | Link::Over) {
            return;
        }
        self.hang_up(now);
        self.needs.endpoint = true;
        self.fail(now, reason);
    }

    /// What of the connection is due.
    pub(super) fn check_link(&mut self, now: Instant) {
        let config = self.config;
        match &self.link {
            Link::Preparing { since } if *since + PREPARING <= now => {
                self.queue.push_back(Output::Close);
                self.handle_failure(now, "no connection came about".to_owned());
            }
            Link::Open(open) if self.is_owed() && open.quiet_since + config.silence <= now => {
                self.queue.push_back(Output::Close);
                let seconds = config.silence.as_secs();
                self.handle_failure(now, format!("the service was silent for {seconds} s"));
            }
            Link::Finishing { since } if *since + config.finish_within <= now => {
                self.queue.push_back(Output::Close);
                self.end_finishing(now, "the connection was ended");
            }
            _ => {}
        }
    }

    pub(super) fn link_due(&self) -> Option<Instant> {
        let config = &self.config;
        match &self.link {
            Link::Down { not_before } => {
                (!self.kept.is_empty()).then(|| (*not_before).max(self.connects.next()))
            }
            Link::Preparing { since } => Some(*since + PREPARING),
            Link::Open(open) => {
                let ages = open.since + config.rotate_after;
                let silent = self.is_owed().then(|| open.quiet_since + config.silence);
                let next = match self.kept.unsent() {
                    Some(_) => open.has_room.then(|| self.sends.next()),
                    None => Some(open.last_sent + config.idle),
                };
                [Some(ages), silent, next].into_iter().flatten().min()
            }
            Link::Finishing { since } => Some(*since + config.finish_within),
            Link::Over => None,
        }
    }

    /// What the connection has to do now.
    pub(super) fn drive(&mut self, now: Instant) -> Option<Output> {
        let is_done = self.ended_at.is_some() && self.kept.is_empty();
        match &self.link {
            Link::Down { .. } if is_done => {
                self.link = Link::Over;
                Some(Output::Over(End::Finished))
            }
            Link::Down { not_before } => self.connect(now, *not_before),
            // Nobody waits for what a connection would be opened for.
            Link::Preparing { .. } if is_done => {
                self.hang_up(now);
                Some(Output::Close)
            }
            Link::Preparing { .. } | Link::Over => None,
            Link::Finishing { .. } if self.kept.in_flight() == 0 => {
                self.hang_up(now);
                Some(Output::Close)
            }
            Link::Finishing { .. } => None,
            Link::Open(_) => self.send(now),
        }
    }

    fn connect(&mut self, now: Instant, not_before: Instant) -> Option<Output> {
        let first_timecode = self.kept.unsent()?.timecode;
        if now < not_before || now < self.connects.next() {
            return None;
        }
        self.connects.take(now);
        self.link = Link::Preparing { since: now };
        Some(Output::Connect { needs: self.needs, first_timecode })
    }

    fn send(&mut self, now: Instant) -> Option<Output> {
        let Link::Open(open) = &mut self.link else { return None };
        let is_old = open.since + self.config.rotate_after <= now;
        let next = self.kept.unsent();
        let is_idle = open.last_sent + self.config.idle <= now || self.ended_at.is_some();
        // A body without a fragment is no stream: its head goes with the first one.
        let was_used = open.head.is_none();
        if is_old || (is_idle && next.is_none()) {
            if is_old {
                self.counters.rotations += 1;
            }
            self.link = Link::Finishing { since: now };
            if was_used {
                return Some(Output::Finish);
            }
            self.hang_up(now);
            return Some(Output::Close);
        }
        let next = next?;
        if !open.has_room || now < self.sends.next() {
            return None;
        }
        self.sends.take(now);
        if self.kept.in_flight() <= 1 {
            open.quiet_since = now;
        }
        (open.last_sent, open.has_room) = (now, false);
        let octets = match open.head.take() {
            Some(head) => [head, next.octets.clone()].concat().into(),
            None => next.octets.clone(),
        };
        self.counters.sent_fragments += 1;
        self.counters.sent_bytes += octets.len() as u64;
        if self.kept.mark_sent() {
            self.counters.replayed_fragments += 1;
        }
        Some(Output::Send(octets))
    }

    /// There is no connection any more: what is kept waits for the next one.
    pub(super) fn hang_up(&mut self, now: Instant) {
        self.kept.rewind();
        self.link = Link::Down { not_before: now };
    }

    /// The next connection is opened after a pause.
    pub(super) fn pause_until(&mut self, until: Instant) {
        if let Link::Down { not_before } = &mut self.link {
            *not_before = (*not_before).max(until);
        }
    }
}
