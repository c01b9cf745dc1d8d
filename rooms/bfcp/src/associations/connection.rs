//! TCP connections: whose they are, and what comes over them.

use super::{Action, Associations, LinkId, MAX_LINKS, MAX_LINKS_OF_SOURCE, complaint};
use crate::message::Message;
use crate::{Framer, ParseError};
use model::{FloorTransport, Instant};
use std::net::SocketAddr;

/// A connection that was accepted.
#[derive(Debug)]
pub(super) struct Link {
    source: SocketAddr,
    pub(super) opened_at: Instant,
    framer: Framer,
    /// What it has said before anybody knew its call.
    first: Option<Message>,
    /// Whose it is.
    conference: Option<u32>,
}

impl Associations {
    /// A device has connected. Whether it may stay; else it is to be closed and nothing more is told of it.
    pub fn handle_connected(&mut self, now: Instant, link: LinkId, source: SocketAddr) -> bool {
        let same = |of: &Link| of.source.ip() == source.ip();
        let unbound = self.unbound.iter().filter_map(|link| self.links.get(link));
        if self.links.len() >= MAX_LINKS
            || unbound.filter(|of| same(of)).count() >= MAX_LINKS_OF_SOURCE
        {
            self.tally.strangers += 1;
            return false;
        }
        let framer = Framer::new();
        let of = Link { source, opened_at: now, framer, first: None, conference: None };
        self.links.insert(link, of);
        self.unbound.insert(link);
        true
    }

    /// Octets have come over a connection.
    pub fn handle_octets(&mut self, now: Instant, link: LinkId, octets: &[u8]) {
        let mut rest = octets;
        loop {
            let Some(of) = self.links.get_mut(&link) else { return };
            let taken = of.framer.push(rest);
            rest = rest.get(taken..).unwrap_or_default();
            self.drive(now, link);
            if rest.is_empty() {
                return;
            }
            if taken == 0 {
                // It says more than can wait, before its call is known.
                self.tally.too_fast += 1;
                return self.close(link);
            }
        }
    }

    /// A connection has ended.
    pub fn handle_closed(&mut self, link: LinkId) {
        self.forget(link);
    }

    /// Takes the messages that a connection has brought.
    pub(super) fn drive(&mut self, now: Instant, link: LinkId) {
        loop {
            let Some(of) = self.links.get_mut(&link) else { return };
            let read = match of.first.take() {
                Some(first) => Ok(first),
                None => match of.framer.poll() {
                    Some(read) => read,
                    None if of.framer.is_broken() => return self.close(link),
                    None => return,
                },
            };
            let is_over = match (of.conference, read) {
                (Some(conference), Ok(message)) => {
                    self.take_message(now, link, conference, message)
                }
                (Some(conference), Err(fault)) => self.take_fault(now, link, conference, &fault),
                (None, Ok(message)) => self.bind(link, message),
                // Nobody is told what is wrong who has not said who they are.
                (None, Err(_)) => {
                    self.tally.strangers += 1;
                    self.close(link);
                    true
                }
            };
            if is_over {
                return;
            }
        }
    }

    /// The first message says whose the connection is; whether nothing more is to be read now.
    fn bind(&mut self, link: LinkId, message: Message) -> bool {
        let Some(of) = self.links.get_mut(&link) else { return true };
        let header = message.header;
        let source = of.source.ip();
        let Some(call) = self.calls.get_mut(&header.conference) else {
            // The news of its call may be on their way.
            of.first = Some(message);
            return true;
        };
        let is_its = call.transport == FloorTransport::Tcp
            && call.user == header.user
            && call.is_from(source);
        if !is_its {
            self.tally.strangers += 1;
            self.close(link);
            return true;
        }
        of.first = Some(message);
        of.conference = Some(header.conference);
        self.unbound.remove(&link);
        // Of several the newest counts: the device has lost the one before.
        if let Some(before) = call.link.replace(link) {
            self.links.remove(&before);
            self.actions.push_back(Action::Close { link: before });
        }
        false
    }

    fn take_message(
        &mut self,
        now: Instant,
        link: LinkId,
        conference: u32,
        message: Message,
    ) -> bool {
        let Some(call) = self.calls.get_mut(&conference) else { return true };
        if !call.rate.take(now) {
            self.tally.too_fast += 1;
            self.close(link);
            return true;
        }
        let header = message.header;
        if (header.conference, header.user) != (conference, call.user) {
            self.tally.strangers += 1;
            self.close(link);
            return true;
        }
        self.tally.messages += 1;
        self.actions.push_back(Action::Message(message));
        false
    }

    fn take_fault(
        &mut self,
        now: Instant,
        link: LinkId,
        conference: u32,
        fault: &ParseError,
    ) -> bool {
        self.tally.unreadable += 1;
        if let Some(message) = complaint(fault) {
            self.actions.push_back(Action::Write { link, octets: message.write() });
        }
        let call = self.calls.get_mut(&conference);
        if call.is_none_or(|call| !call.rate.take(now)) {
            self.tally.too_fast += 1;
            self.close(link);
            return true;
        }
        false
    }

    pub(super) fn close(&mut self, link: LinkId) {
        self.forget(link);
        self.actions.push_back(Action::Close { link });
    }

    fn forget(&mut self, link: LinkId) {
        self.unbound.remove(&link);
        let Some(of) = self.links.remove(&link) else { return };
        let Some(conference) = of.conference else { return };
        if let Some(call) = self.calls.get_mut(&conference)
            && call.link == Some(link)
        {
            call.link = None;
            self.actions.push_back(Action::Lost { conference });
        }
    }
}
