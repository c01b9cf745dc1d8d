//! Transactions: RFC 3261 section 17 with RFC 6026 (accepted INVITEs) and the CANCEL of section 9.
//!
//! Four state machines, one file each, declare their transitions as tables. This layer matches
//! messages to transactions, runs the timers, repeats what must be repeated, and tells the core
//! what happened.
//!
//! Methods come in four kinds: `handle_*` take what happened outside, commands
//! ([`Transactions::send_request`], [`Transactions::respond`], [`Transactions::cancel`]) take what
//! the core wants, `poll_*` give what is to be done, and getters change nothing. After every
//! `handle_*` and every command, call [`Transactions::poll_transmit`] and
//! [`Transactions::poll_event`] until both are empty, then ask [`Transactions::poll_timeout`].
//! A call queues a few items at most, except that the closing of a connection or a long sleep
//! queues up to four per transaction; the table's limit bounds both queues.

mod action;
mod build;
mod client;
mod counters;
mod invite_client;
mod invite_server;
mod key;
pub(crate) mod machine;
mod non_invite_client;
mod non_invite_server;
mod room;
mod server;
mod slab;
mod timers;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use model::{ConnectionId, Flow, Instant};

use crate::message::{Limits, Message, Method};
use crate::owner::{MAGIC_COOKIE, OwnerTag, RANDOM_CHARS, push_base32};
use crate::random::Random;
use crate::wheel::TimerWheel;

pub use build::with_branch;
use client::ClientTransaction;
pub use client::OpenInvite;
pub use counters::TransactionCounters;
use room::Room;
pub use room::{Precedence, SendOptions};
use server::ServerTransaction;
use slab::{Handle, Slab};
use timers::Timer;
pub use timers::TimerConfig;

/// A server transaction. It may outlive the transaction: then every use of it finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerKey(Handle);

impl ServerKey {
    /// No peer's transaction: every use of it finds nothing. For a request that we make up
    /// ourselves and handle as if a peer had sent it.
    pub const NONE: ServerKey = ServerKey(Handle::NONE);
}

/// A client transaction. It may outlive the transaction: then every use of it finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientKey(Handle);

/// What must be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where. A stream flow without a connection asks for one to `remote`.
    pub flow: Flow,
    /// The whole message.
    pub payload: Bytes,
    /// The client transaction to report to with [`Transactions::handle_unreachable`] when sending
    /// fails.
    pub client: Option<ClientKey>,
}

/// What happened. Each variant is for the core to act on.
#[derive(Clone, Debug)]
pub enum TransactionEvent {
    /// A new request, ACK and CANCEL excepted. An INVITE has been answered with 100 Trying.
    Request {
        /// Answer it with [`Transactions::respond`].
        key: ServerKey,
        /// The request, its top Via stamped with `received` and `rport`.
        message: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// An ACK that belongs to a 2xx, or to nothing.
    Ack {
        /// The ACK.
        message: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// A CANCEL for an INVITE that has no final response yet. It has been answered; the core
    /// answers the INVITE with 487 (RFC 3261 section 9.2).
    Cancelled {
        /// The INVITE's transaction.
        invite: ServerKey,
        /// The CANCEL, for its Reason header (RFC 3326).
        message: Message,
    },
    /// A response. Every further 2xx of an INVITE comes too, while the transaction lives (RFC 6026).
    Response {
        /// The request's transaction.
        key: ClientKey,
        /// The response.
        message: Message,
        /// What was asked, when the response asks for credentials (401, 407): it is to be sent
        /// again with them, see [`crate::auth::with_credentials`].
        request: Option<Bytes>,
    },
    /// No (final) response in time: Timer B, Timer F, or 64 × T1 after a CANCEL.
    ClientTimeout {
        /// The request's transaction.
        key: ClientKey,
    },
    /// The request could not be sent, or its connection closed before any response.
    ClientUnreachable {
        /// The request's transaction.
        key: ClientKey,
        /// What was to be sent; it may go elsewhere, see [`with_branch`](crate::with_branch).
        request: Bytes,
    },
    /// A request went to its fallback ([`Transactions::send_request_or`]): the peer refused the
    /// connection, or was silent on it. The transaction goes on.
    FellBack {
        /// The request's transaction.
        key: ClientKey,
        /// Who took no stream.
        refused: SocketAddr,
    },
    /// A non-2xx final response to INVITE was acknowledged, or Timer H gave up waiting.
    ServerDone {
        /// The INVITE's transaction.
        key: ServerKey,
        /// Whether the ACK came.
        acked: bool,
    },
    /// A client transaction is gone: the last event with this key, sent exactly once.
    ClientDone {
        /// The former transaction.
        key: ClientKey,
    },
    /// A 2xx to an INVITE of ours whose transaction is gone. It wants an ACK, and a BYE when
    /// nobody knows its dialog (RFC 3261 section 13.2.2.4). Other responses without a transaction
    /// are counted and dropped.
    StrayResponse {
        /// The response.
        message: Message,
        /// Where it came from.
        flow: Flow,
    },
}

/// How the layer behaves.
#[derive(Clone, Debug)]
pub struct TransactionConfig {
    /// Timer base values.
    pub timers: TimerConfig,
    /// How many server transactions, and how many client transactions, may live at once. Default
    /// 200,000 (about 64 s of 1,500 calls per second).
    ///
    /// The last fifth is kept for requests inside dialogs, CANCELs and our own ones: a new call is
    /// refused before a running one fails to hang up.
    pub max_transactions: usize,
    /// How many of the server transactions one source (an IPv4 address or an IPv6 /64) may have.
    /// Requests inside dialogs and INVITEs that were accepted do not count: what is left is what a
    /// flood is made of. Default 50,000.
    pub max_transactions_per_source: usize,
    /// How many server transactions, and how many client transactions, are kept over all these
    /// bounds for emergency calls ([`Precedence::Emergency`]). Default 512.
    pub emergency_reserve: usize,
    /// The parser's bounds.
    pub limits: Limits,
    /// The start of our branches: the magic cookie, then the [`OwnerTag`] of this worker. What
    /// follows the cookie also starts the tags that the layer makes.
    pub branch_prefix: String,
    /// Mixed into the hashes that layer-made tags come from. Random per process, so that nobody
    /// outside predicts them.
    pub hash_seed: u64,
    /// Option tags that a Require or Proxy-Require may name (RFC 3261 section 8.2.2.3). Default `timer`
    /// (RFC 4028).
    pub supported: Vec<&'static str>,
    /// The Retry-After of a 503 that a full table causes, in seconds.
    pub retry_after_seconds: u32,
}

impl TransactionConfig {
    /// The defaults for this owner.
    pub fn new(owner: OwnerTag) -> Self {
        TransactionConfig {
            timers: TimerConfig::default(),
            max_transactions: 200_000,
            max_transactions_per_source: 50_000,
            emergency_reserve: 512,
            limits: Limits::default(),
            branch_prefix: owner.branch_prefix(),
            hash_seed: 0,
            supported: vec!["timer"],
            retry_after_seconds: 5,
        }
    }
}

impl Default for TransactionConfig {
    fn default() -> Self {
        TransactionConfig::new(OwnerTag::default())
    }
}

/// The table of client transactions is full, or the branch is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room for another client transaction: raise max_transactions or shed load")
    }
}

impl std::error::Error for Full {}

/// A request that found the table of server transactions full. It is owed a 503.
#[derive(Debug)]
pub struct Overflow {
    /// The request.
    pub message: Message,
    /// Where it came from.
    pub flow: Flow,
}

/// The transaction has ended, or it already carries a final response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the transaction has ended or has its final response")
    }
}

impl std::error::Error for Gone {}

/// All transactions of one worker.
#[derive(Debug)]
pub struct Transactions {
    config: TransactionConfig,
    servers: Slab<ServerTransaction>,
    clients: Slab<ClientTransaction>,
    /// By the text of [`key::server_key`].
    servers_by_key: HashMap<Arc<str>, Handle>,
    /// By the hash of [`key::origin_key`]: every INVITE, and every request outside a dialog.
    servers_by_origin: HashMap<u64, Handle>,
    /// By the text of [`key::client_key`].
    clients_by_key: HashMap<Arc<str>, Handle>,
    by_connection: BTreeSet<(ConnectionId, Owner)>,
    wheel: TimerWheel<(Owner, Timer)>,
    room: Room,
    events: VecDeque<TransactionEvent>,
    transmits: VecDeque<Transmit>,
    counters: TransactionCounters,
    /// Key texts are written here, so that a look-up does not allocate.
    scratch: String,
    /// The request that the challenge under work answers; `None` between two inputs.
    challenged: Option<Bytes>,
}

/// Which transaction a timer or a connection belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Owner {
    Server(Handle),
    Client(Handle),
}

impl Transactions {
    /// An empty layer.
    pub fn new(config: TransactionConfig) -> Self {
        Transactions {
            config,
            servers: Slab::new(),
            clients: Slab::new(),
            servers_by_key: HashMap::new(),
            servers_by_origin: HashMap::new(),
            clients_by_key: HashMap::new(),
            by_connection: BTreeSet::new(),
            wheel: TimerWheel::new(),
            room: Room::default(),
            events: VecDeque::new(),
            transmits: VecDeque::new(),
            counters: TransactionCounters::default(),
            scratch: String::new(),
            challenged: None,
        }
    }

    /// Takes a message that has been parsed and validated; a request's top Via has been stamped
    /// ([`crate::Endpoint`] does all three).
    ///
    /// # Errors
    /// [`Overflow`] when a new request finds the table full: the caller answers it 503 without a
    /// transaction.
    pub fn handle_message(
        &mut self,
        now: Instant,
        flow: Flow,
        message: Message,
    ) -> Result<(), Box<Overflow>> {
        self.handle_message_with(now, flow, message, Precedence::Ordinary)
    }

    /// [`handle_message`](Self::handle_message) for a message of this precedence.
    ///
    /// # Errors
    /// As [`handle_message`](Self::handle_message).
    pub fn handle_message_with(
        &mut self,
        now: Instant,
        flow: Flow,
        message: Message,
        precedence: Precedence,
    ) -> Result<(), Box<Overflow>> {
        match message.method() {
            None => self.handle_response(now, flow, message),
            Some(Method::Ack) => self.handle_ack(now, flow, message),
            Some(_) => return self.handle_request(now, flow, message, precedence),
        }
        Ok(())
    }

    /// Runs every timer whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((owner, timer)) = self.wheel.pop(now) {
            match owner {
                Owner::Server(handle) => self.server_timer(now, handle, timer),
                Owner::Client(handle) => self.client_timer(now, handle, timer),
            }
        }
    }

    /// Takes the transport's word that a message of this client transaction could not be sent.
    pub fn handle_unreachable(&mut self, now: Instant, key: ClientKey) {
        // The stream that was given up for a datagram may fail late, as by a time limit.
        if !self.clients.get(key.0).is_some_and(ClientTransaction::has_fallen_back) {
            self.client_unreachable(now, key.0);
        }
    }

    /// Takes the network's word that nothing listens at an address: every datagram request to it
    /// that had no response yet is unreachable. Costs a pass over all client transactions, and
    /// comes as rarely as such news does.
    pub fn handle_peer_unreachable(&mut self, now: Instant, remote: SocketAddr) {
        let waiting: Vec<Handle> = self
            .clients
            .iter()
            .filter(|(_, client)| client.waits_for(remote))
            .map(|(handle, _)| handle)
            .collect();
        for handle in waiting {
            self.client_unreachable(now, handle);
        }
    }

    /// Takes the end of a connection. Requests that had no response on it are unreachable; further
    /// messages of the other transactions go to a new connection (RFC 3261 section 18.2.2).
    pub fn handle_connection_closed(&mut self, now: Instant, id: ConnectionId) {
        while let Some(&(found, owner)) = self.by_connection.range((id, FIRST_OWNER)..).next()
            && found == id
        {
            self.by_connection.remove(&(found, owner));
            match owner {
                Owner::Server(handle) => self.server_disconnected(handle),
                Owner::Client(handle) => self.client_disconnected(now, handle),
            }
        }
    }

    /// A new branch of ours, with 64 random bits.
    pub fn new_branch(&mut self, random: &mut dyn Random) -> String {
        let prefix = &self.config.branch_prefix;
        let mut branch = String::with_capacity(prefix.len() + RANDOM_CHARS);
        branch.push_str(prefix);
        push_base32(&mut branch, random.next_u64(), RANDOM_CHARS);
        branch
    }

    /// Queues a message that belongs to no transaction: the ACK of a 2xx, a repeated 2xx whose
    /// transaction is gone.
    pub fn send_directly(&mut self, flow: Flow, payload: Bytes) {
        self.transmits.push_back(Transmit { flow, payload, client: None });
    }

    /// What to do about an event, oldest first.
    pub fn poll_event(&mut self) -> Option<TransactionEvent> {
        self.events.pop_front()
    }

    /// What to send next.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; never late, sometimes early.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }

    /// How many server and client transactions live.
    pub fn len(&self) -> (usize, usize) {
        (self.servers.len(), self.clients.len())
    }

    /// Whether no transaction lives.
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0)
    }

    /// The flow that responses to a request follow. When the request's connection has closed it
    /// leads to the address of the top Via and still names that connection.
    pub fn server_flow(&self, key: ServerKey) -> Option<Flow> {
        self.servers.get(key.0).map(ServerTransaction::response_flow)
    }

    /// The last response to a request, as it was sent; that of an accepted INVITE until its ACK
    /// comes.
    pub fn last_response(&self, key: ServerKey) -> Option<Bytes> {
        self.servers.get(key.0)?.last_response()
    }

    /// A request that waits for its final response. Once that is sent the request is forgotten.
    pub fn request_of(&self, key: ServerKey) -> Option<&Message> {
        self.servers.get(key.0)?.request()
    }

    /// What was counted so far.
    pub const fn transaction_counters(&self) -> &TransactionCounters {
        &self.counters
    }

    /// The configuration.
    pub const fn config(&self) -> &TransactionConfig {
        &self.config
    }

    /// A To tag for a response that the layer makes itself: the same for every copy of a request
    /// (RFC 3261 section 8.2.7), and naming our worker, so that the ACK comes back here.
    pub(crate) fn derived_tag(&mut self, request: &Message) -> String {
        let method = request.method().unwrap_or(Method::Other(""));
        key::origin_key(request, method, &mut self.scratch);
        let branch = request.top_via().ok().and_then(|via| via.branch);
        self.derived_tag_of(&(&self.scratch, branch))
    }

    /// As [`derived_tag`](Self::derived_tag), of anything that names the request.
    pub(crate) fn derived_tag_of(&self, request: &impl Hash) -> String {
        let prefix = &self.config.branch_prefix;
        let owner = prefix.strip_prefix(MAGIC_COOKIE).unwrap_or_default();
        let mut tag = owner.to_owned();
        push_base32(&mut tag, self.hash(request), RANDOM_CHARS);
        tag
    }

    fn hash(&self, value: &impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.config.hash_seed.hash(&mut hasher);
        value.hash(&mut hasher);
        hasher.finish()
    }

    fn track_connection(&mut self, flow: Flow, owner: Owner) {
        if let Some(id) = flow.connection {
            self.by_connection.insert((id, owner));
        }
    }

    fn untrack_connection(&mut self, flow: Flow, owner: Owner) {
        if let Some(id) = flow.connection {
            self.by_connection.remove(&(id, owner));
        }
    }
}

/// Sorts before every owner of a connection.
const FIRST_OWNER: Owner = Owner::Server(Handle::FIRST);

#[cfg(test)]
mod tests;
