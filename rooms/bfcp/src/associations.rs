//! Which of what comes over a node's UDP socket and TCP connections is which call's, pure.
//!
//! BFCP itself proves nothing. A message counts as a call's when it has the conference and user that this
//! call alone was told (48 bits, 32 of them random) and comes from an address that the call has signalled, over the
//! transport that was agreed. Everything else is counted and answered nothing.

mod connection;

use crate::message::{Header, Message, ParseError, VERSION_RELIABLE, read_header};
use crate::{Datagrams, Primitive, Received};
use connection::Link;
use model::{FloorTransport, Instant};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Calls that may speak at a time. Full: the next one is not admitted.
pub const MAX_ASSOCIATIONS: usize = 65_536;
/// TCP connections at a time. Full: a further one is closed.
pub const MAX_LINKS: usize = 4_096;
/// TCP connections that one address may have without having said whose they are.
pub const MAX_LINKS_OF_SOURCE: usize = 8;
/// How long a TCP connection may not say whose it is. A device may be faster than the news of its call.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Messages of a call at once, and each second afterwards. More over UDP is dropped; over TCP the
/// connection is closed.
pub const BURST: u32 = 40;
/// See [`BURST`].
pub const PER_SECOND: u32 = 10;

/// Between two looks at what waits.
const TICK: Duration = Duration::from_millis(100);

/// A TCP connection, as its holder numbers it. No number is used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u64);

/// A call whose device may speak.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admission {
    /// `a=confid` that it was told; of no other call.
    pub conference: u32,
    /// `a=userid` that it was told.
    pub user: u16,
    /// What was agreed.
    pub transport: FloorTransport,
    /// Where it may come from: what its description says and where its signalling comes from.
    pub addresses: Vec<IpAddr>,
    /// The number of our first transaction over UDP.
    pub first_transaction: u16,
}

/// Something to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// A call's device has said this. Its answer is to follow by [`Associations::send`].
    Message(Message),
    /// A device says nothing more: it did not acknowledge, or its connection has ended.
    Lost {
        /// Whose.
        conference: u32,
    },
    /// A datagram.
    Send {
        /// To where.
        to: SocketAddr,
        /// What.
        datagram: Vec<u8>,
    },
    /// Octets for a TCP connection.
    Write {
        /// Which.
        link: LinkId,
        /// What.
        octets: Vec<u8>,
    },
    /// A TCP connection is to be closed, once what is written to it is sent.
    Close {
        /// Which.
        link: LinkId,
    },
}

/// What has come, since the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Messages of calls that were understood.
    pub messages: u64,
    /// Messages of calls that were none; their senders are told so.
    pub unreadable: u64,
    /// Datagrams and connections that are no call's.
    pub strangers: u64,
    /// Over [`PER_SECOND`].
    pub too_fast: u64,
    /// What could not be told a device, which acknowledges nothing or has never said anything.
    pub unsent: u64,
}

/// All of them. After each call [`Associations::poll`] is asked until it has nothing.
#[derive(Debug, Default)]
pub struct Associations {
    calls: HashMap<u32, Association>,
    links: BTreeMap<LinkId, Link>,
    /// Calls over UDP with a request of ours that is not answered.
    waiting: BTreeSet<u32>,
    /// Links that have not said whose they are.
    unbound: BTreeSet<LinkId>,
    actions: VecDeque<Action>,
    tally: Tally,
    looked_at: Instant,
}

#[derive(Debug)]
struct Association {
    user: u16,
    transport: FloorTransport,
    addresses: Vec<IpAddr>,
    datagrams: Datagrams,
    /// Where its datagrams come from, once there was one.
    remote: Option<SocketAddr>,
    link: Option<LinkId>,
    rate: Rate,
}

#[derive(Clone, Copy, Debug)]
struct Rate {
    left: u32,
    since: Instant,
}

impl Rate {
    fn take(&mut self, now: Instant) -> bool {
        let whole = (now - self.since).as_millis() * u128::from(PER_SECOND) / 1_000;
        if whole > 0 {
            let whole = u32::try_from(whole).unwrap_or(BURST).min(BURST);
            self.left = self.left.saturating_add(whole).min(BURST);
            self.since = now;
        }
        let has = self.left > 0;
        self.left = self.left.saturating_sub(1);
        has
    }
}

impl Association {
    fn is_from(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|known| known.to_canonical() == address.to_canonical())
    }
}

impl Associations {
    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// What has come.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// Calls that may speak.
    pub fn admitted(&self) -> usize {
        self.calls.len()
    }

    /// TCP connections.
    pub fn links(&self) -> usize {
        self.links.len()
    }

    /// A call's device may speak from now on; said again of a call that may, it changes from where. Whether
    /// there was room.
    pub fn admit(&mut self, now: Instant, admission: Admission) -> bool {
        let Admission { conference, user, transport, addresses, first_transaction } = admission;
        if let Some(call) = self.calls.get_mut(&conference)
            && call.user == user
            && call.transport == transport
        {
            call.addresses = addresses;
            return true;
        }
        self.release(conference);
        if self.calls.len() >= MAX_ASSOCIATIONS {
            return false;
        }
        let call = Association {
            user,
            transport,
            addresses,
            datagrams: Datagrams::new(first_transaction),
            remote: None,
            link: None,
            rate: Rate { left: BURST, since: now },
        };
        self.calls.insert(conference, call);
        let unbound: Vec<LinkId> = self.unbound.iter().copied().collect();
        for link in unbound {
            self.drive(now, link);
        }
        true
    }

    /// A call has ended, or its device has no floor control any more.
    pub fn release(&mut self, conference: u32) {
        self.waiting.remove(&conference);
        let Some(call) = self.calls.remove(&conference) else { return };
        if let Some(link) = call.link {
            self.close(link);
        }
    }

    /// A datagram has come.
    pub fn handle_datagram(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) {
        let Some((header, ..)) = read_header(datagram) else {
            self.tally.strangers += 1;
            return;
        };
        let call = self.calls.get_mut(&header.conference).filter(|call| {
            call.transport == FloorTransport::Udp
                && call.user == header.user
                && call.is_from(source.ip())
        });
        let Some(call) = call else {
            self.tally.strangers += 1;
            return;
        };
        // A device that has started anew says Hello from another port.
        let is_hello = header.primitive == Primitive::Hello as u8;
        if call.remote.is_some_and(|known| known != source) && !is_hello {
            self.tally.strangers += 1;
            return;
        }
        if !call.rate.take(now) {
            self.tally.too_fast += 1;
            return;
        }
        call.remote = Some(source);
        match call.datagrams.handle_datagram(now, datagram) {
            Some(Received::Request(message)) => {
                self.tally.messages += 1;
                self.actions.push_back(Action::Message(message));
            }
            Some(Received::Response(_)) => self.tally.messages += 1,
            Some(Received::Unreadable(fault)) => {
                self.tally.unreadable += 1;
                if let Some(message) = complaint(&fault) {
                    call.datagrams.respond(message);
                }
            }
            None => {}
        }
        self.transmit(header.conference);
    }

    /// A message for a call's device: the answer to what it has said, or what is said to it unasked. Its
    /// header's conference says which call.
    pub fn send(&mut self, now: Instant, message: Message, is_response: bool) {
        let conference = message.header.conference;
        let Some(call) = self.calls.get_mut(&conference) else { return };
        match call.transport {
            FloorTransport::Udp if call.remote.is_none() => self.tally.unsent += 1,
            FloorTransport::Udp if is_response => call.datagrams.respond(message),
            FloorTransport::Udp => {
                self.tally.unsent += u64::from(call.datagrams.request(now, message).is_err());
            }
            FloorTransport::Tcp => match call.link {
                Some(link) => {
                    let mut message = message;
                    (message.header.version, message.header.responder) = (VERSION_RELIABLE, false);
                    self.actions.push_back(Action::Write { link, octets: message.write() });
                }
                None => self.tally.unsent += 1,
            },
        }
        self.transmit(conference);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.looked_at = now;
        for conference in self.waiting.clone() {
            let Some(call) = self.calls.get_mut(&conference) else { continue };
            if call.datagrams.handle_timeout(now).is_some() {
                self.actions.push_back(Action::Lost { conference });
            }
            self.transmit(conference);
        }
        let late =
            |link: &&LinkId| self.links.get(link).is_none_or(|of| now - of.opened_at >= PATIENCE);
        let late: Vec<LinkId> = self.unbound.iter().filter(late).copied().collect();
        for link in late {
            self.tally.strangers += 1;
            self.close(link);
        }
    }

    /// When [`Associations::handle_timeout`] has something to do at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waits = !self.waiting.is_empty() || !self.unbound.is_empty();
        waits.then(|| self.looked_at + TICK)
    }

    /// Sends what a call over UDP has to send, and notes whether it waits for something.
    fn transmit(&mut self, conference: u32) {
        let Some(call) = self.calls.get_mut(&conference) else { return };
        while let Some(datagram) = call.datagrams.poll_transmit() {
            let Some(to) = call.remote else { continue };
            self.actions.push_back(Action::Send { to, datagram });
        }
        if call.datagrams.queued() > 0 {
            self.waiting.insert(conference);
        } else {
            self.waiting.remove(&conference);
        }
    }
}

/// What the sender of something that is no message is told.
fn complaint(fault: &ParseError) -> Option<Message> {
    let (header, error) = fault.answer()?;
    let primitive = Primitive::Error as u8;
    let header = Header { version: VERSION_RELIABLE, responder: false, primitive, ..header };
    Some(Message { header, attributes: vec![error] })
}

#[cfg(test)]
mod tests;
