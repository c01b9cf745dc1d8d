//! The table of stream connections: accepted within limits, opened on demand, reused.

use super::accept::Acceptor;
use super::admission::Admission;
use super::connection::{Activity, Connection, Ended};
use super::entry::{Entry, PoolKey};
use super::layer::Layer;
use super::open::open_and_run;
use super::returning::{Caller, Former, Parked, Returning};
use super::tls::{self, TlsAcceptor};
use super::{Feedback, FeedbackQueue, TcpLimits, TransportCounters};
use crate::clock::Clock;
use crate::tls::{HandshakeFailure, Tls, TlsCounters};
use b2bua::{ExpectedPeer, PeerCertificate};
use bytes::Bytes;
use model::{ConnectionId, Flow, Instant, PeerIdentity, TransportProtocol};
use sip_proto::Transmit;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// What the tasks of listeners and connections tell the driver.
pub(crate) enum StreamInput {
    /// A listener accepted a connection.
    Accepted(Box<Accepted>),
    /// A connection was refused because a limit is reached.
    Refused,
    /// A connection that we open is established.
    Connected { id: ConnectionId },
    /// A message.
    Message { at: Instant, flow: Flow, raw: Bytes },
    /// A connection is over.
    Ended { id: ConnectionId, reason: Ended },
}

pub(crate) struct Accepted {
    pub(super) flow: Flow,
    pub(super) id: ConnectionId,
    pub(super) entry: Entry,
}

/// What the call logic is to be told.
pub(crate) enum FromStream {
    /// A message.
    Message(Instant, Flow, Bytes),
    /// What the peer of a new connection has proved.
    Certificate(ConnectionId, PeerCertificate),
}

/// Every stream connection of a worker.
pub(crate) struct Streams {
    limits: Arc<TcpLimits>,
    clock: Clock,
    inputs: mpsc::Sender<StreamInput>,
    next_id: Arc<AtomicU64>,
    table: HashMap<ConnectionId, Entry>,
    /// How many of these we have opened.
    opened: usize,
    /// The youngest connection to each peer.
    pool: HashMap<PoolKey, ConnectionId>,
    /// Connections that peers opened and allow us to use for requests to an address of theirs.
    aliases: HashMap<SocketAddr, ConnectionId>,
    identities: HashMap<PeerIdentity, Arc<ExpectedPeer>>,
    /// With the runtime of its thread.
    tls: Option<(Arc<Tls>, Handle)>,
    listeners: Vec<AbortHandle>,
    /// Peers whose connection has ended.
    returning: Returning,
}

impl Streams {
    pub(crate) fn new(
        limits: TcpLimits,
        clock: Clock,
        (inputs, next_id): (mpsc::Sender<StreamInput>, Arc<AtomicU64>),
    ) -> Streams {
        Streams {
            limits: Arc::new(limits),
            clock,
            inputs,
            next_id,
            table: HashMap::new(),
            opened: 0,
            pool: HashMap::new(),
            aliases: HashMap::new(),
            identities: HashMap::new(),
            tls: None,
            listeners: Vec::new(),
            returning: Returning::default(),
        }
    }

    /// Accepts connections on `listener` until the worker ends. All listeners share `admission`.
    pub(crate) fn listen(
        &mut self,
        listener: std::net::TcpListener,
        admission: &Arc<Admission>,
    ) -> io::Result<()> {
        let acceptor = Acceptor {
            listener: TcpListener::from_std(listener)?,
            admission: Arc::clone(admission),
            limits: Arc::clone(&self.limits),
            clock: self.clock,
            inputs: self.inputs.clone(),
            next_id: Arc::clone(&self.next_id),
        };
        self.listeners.push(tokio::spawn(acceptor.run()).abort_handle());
        Ok(())
    }

    /// Serves TLS from now on, with handshakes on `handle`'s thread.
    pub(crate) fn serve_tls(&mut self, tls: Arc<Tls>, handle: Handle) {
        self.tls = Some((tls, handle));
    }

    /// Accepts TLS connections on `listener`, after [`Streams::serve_tls`]. All listeners share
    /// `admission`, and `shaking` for handshakes under way.
    pub(crate) fn listen_tls(
        &mut self,
        listener: std::net::TcpListener,
        admission: &Arc<Admission>,
        shaking: &Arc<Admission>,
    ) {
        let Some((tls, handle)) = &self.tls else { return };
        let acceptor = TlsAcceptor {
            listener,
            tls: Arc::clone(tls),
            worker: Handle::current(),
            admission: Arc::clone(admission),
            shaking: Arc::clone(shaking),
            limits: Arc::clone(&self.limits),
            clock: self.clock,
            inputs: self.inputs.clone(),
            next_id: Arc::clone(&self.next_id),
        };
        self.listeners.push(handle.spawn(acceptor.run()).abort_handle());
    }

    pub(crate) fn admission(&self) -> Arc<Admission> {
        Admission::new(self.limits.connections, self.limits.connections_per_source)
    }

    /// Places for TLS handshakes under way.
    pub(crate) fn shaking(&self) -> Arc<Admission> {
        Admission::new(self.limits.handshakes, self.limits.handshakes_per_source)
    }

    pub(crate) fn tls_counters(&self) -> TlsCounters {
        self.tls.as_ref().map(|(tls, _)| tls.tally.read()).unwrap_or_default()
    }

    /// Notes whom flows with `identity` must lead to.
    pub(crate) fn learn(&mut self, identity: PeerIdentity, expected: ExpectedPeer) {
        self.identities.insert(identity, Arc::new(expected));
    }

    /// The connection that an authenticated peer opened and offered for requests to this address
    /// (RFC 5923 section 5), if its certificate is what the flow asks for.
    fn aliased(&self, flow: &Flow) -> Option<ConnectionId> {
        let expected = self.identities.get(&flow.identity?)?;
        let id = self.aliases.get(&flow.remote)?;
        let certificate = self.table.get(id)?.certificate.as_ref()?;
        let name = expected.name.to_string();
        let named = certificate.names.iter().any(|held| **held == *name);
        (named && certificate.trusted_by.contains(&expected.policy.ca)).then_some(*id)
    }

    /// The connection that the peer of one that has ended uses now: the one that proves the same
    /// by its certificate; of peers that prove nothing, the only one that has come from their address
    /// since. Several could be different systems behind one NAT.
    fn successor(&self, former: ConnectionId) -> Option<ConnectionId> {
        let Former { caller, later } = self.returning.former(former)?;
        let of_peer = self.table.iter().filter(|(_, entry)| entry.is_of(caller));
        let found = of_peer.map(|(id, _)| *id);
        match caller.certificate {
            Some(_) => found.max(),
            None => {
                let mut since = found.filter(|id| id >= later);
                since.next().filter(|_| since.next().is_none())
            }
        }
    }

    /// Whether a message may take the connection of a peer that has come back before a new one to its
    /// name was tried: that of a peer which proves nothing only where no name is known.
    fn may_precede(&self, id: ConnectionId, flow: &Flow) -> bool {
        flow.identity.is_none() || self.table.get(&id).is_some_and(|e| e.certificate.is_some())
    }

    /// Queues a message: on the connection of its flow, else on one to the same peer, else on a new
    /// one. When none can be opened to a peer whose connection has ended, the message waits for that
    /// peer to connect again.
    pub(crate) fn transmit(
        &mut self,
        now: Instant,
        transmit: Transmit,
        counters: &mut TransportCounters,
        feedback: &mut FeedbackQueue,
    ) {
        let Transmit { flow, payload, client } = transmit;
        let usable = |id: &ConnectionId| {
            self.table.get(id).is_some_and(|entry| entry.key.protocol == flow.protocol)
        };
        let former = flow.connection.filter(|id| self.returning.former(*id).is_some());
        let id = flow
            .connection
            .filter(usable)
            .or_else(|| self.pool.get(&PoolKey::of(&flow)).copied())
            .or_else(|| self.aliased(&flow))
            .or_else(|| self.successor(former?).filter(|id| self.may_precede(*id, &flow)));
        let Some(id) = id.or_else(|| self.open(now, flow, counters)) else {
            match former {
                Some(former) => self.park(now, Parked { former, payload, client }, feedback),
                None => feedback.extend(client.map(Feedback::Unreachable)),
            }
            return;
        };
        let Some(entry) = self.table.get_mut(&id) else { return };
        if entry.queue(now, payload.clone(), &self.limits) {
            counters.tcp_sent += 1;
            match former.filter(|_| !entry.established) {
                Some(former) => entry.unsent.push(Parked { former, payload, client }),
                None => entry.await_answer(client),
            }
            return;
        }
        feedback.extend(client.map(Feedback::Unreachable));
        if entry.established {
            // The peer does not read. What it has not read so far would only grow old.
            entry.abort();
            self.ended(id, Ended::WriteStalled, counters, feedback);
        } else {
            counters.tcp_connect_queue_full += 1;
        }
    }

    /// Takes a message that could not be sent on a connection of ours: its peer may have connected
    /// meanwhile.
    fn send_on_return(
        &mut self,
        parked: Parked,
        counters: &mut TransportCounters,
        feedback: &mut FeedbackQueue,
    ) {
        let now = self.clock.now();
        match self.successor(parked.former).and_then(|id| self.table.get_mut(&id)) {
            Some(entry) if entry.queue(now, parked.payload.clone(), &self.limits) => {
                counters.tcp_sent += 1;
                entry.await_answer(parked.client);
            }
            _ => self.park(now, parked, feedback),
        }
    }

    /// Keeps a message for a peer that must connect first.
    fn park(&mut self, now: Instant, parked: Parked, feedback: &mut FeedbackQueue) {
        tracing::debug!(connection = parked.former.0, "a message waits for its peer to connect");
        if let Err(parked) = self.returning.park(now, parked) {
            feedback.extend(parked.client.map(Feedback::Unreachable));
        }
    }

    /// Sends what waits for a peer that has connected, if that is known to be the one.
    fn welcome(
        &mut self,
        caller: &Caller,
        counters: &mut TransportCounters,
        feedback: &mut FeedbackQueue,
    ) {
        if self.returning.is_waiting() {
            for parked in self.returning.take(self.clock.now(), caller) {
                self.send_on_return(parked, counters, feedback);
            }
        }
    }

    /// Takes what a task said; gives a message for the call logic.
    pub(crate) fn handle(
        &mut self,
        input: StreamInput,
        counters: &mut TransportCounters,
        feedback: &mut FeedbackQueue,
    ) -> Option<FromStream> {
        match input {
            StreamInput::Accepted(accepted) => {
                let Accepted { id, flow, mut entry } = *accepted;
                counters.tcp_accepted += 1;
                // Over TLS nobody is at an address until that is proved: see `aliased`.
                if flow.protocol == TransportProtocol::Tcp {
                    self.pool.insert(entry.key, id);
                }
                let (certificate, caller) = (entry.certificate.clone(), entry.caller());
                entry.known |= certificate.is_some();
                self.table.insert(id, entry);
                counters.tcp_connections = self.table.len() as u64;
                if let Some(caller) = caller {
                    self.welcome(&caller, counters, feedback);
                }
                return certificate.map(|certificate| FromStream::Certificate(id, certificate));
            }
            StreamInput::Refused => counters.tcp_refused += 1,
            StreamInput::Connected { id } => {
                if let Some(entry) = self.table.get_mut(&id) {
                    entry.established = true;
                    for parked in std::mem::take(&mut entry.unsent) {
                        entry.await_answer(parked.client);
                    }
                }
                tracing::debug!(connection = id.0, "opened a connection");
            }
            StreamInput::Message { at, flow, raw } => {
                // What a connection sent before it was closed here is no longer wanted.
                let id = flow.connection?;
                let entry = self.table.get_mut(&id)?;
                self.aliases.extend(entry.heard(&flow, &raw).map(|alias| (alias, id)));
                counters.tcp_received += 1;
                return Some(FromStream::Message(at, flow, raw));
            }
            StreamInput::Ended { id, reason } => self.ended(id, reason, counters, feedback),
        }
        None
    }

    fn ended(
        &mut self,
        id: ConnectionId,
        reason: Ended,
        counters: &mut TransportCounters,
        feedback: &mut FeedbackQueue,
    ) {
        let Some(entry) = self.table.remove(&id) else { return };
        self.opened -= usize::from(!entry.accepted);
        counters.tcp_connections = self.table.len() as u64;
        match reason {
            Ended::Closed => {}
            Ended::ConnectFailed => counters.tcp_connect_failed += 1,
            Ended::SlowMessage => counters.tcp_slow_messages += 1,
            Ended::Idle => counters.tcp_idle += 1,
            Ended::Framing => counters.tcp_framing_errors += 1,
            Ended::WriteStalled => counters.tcp_write_stalled += 1,
            Ended::NoPong => counters.tcp_no_pong += 1,
            Ended::BrokenTls => counters.tls_broken += 1,
            Ended::CertificateRefused => self.note_refused_certificate(&entry),
        }
        tracing::debug!(connection = id.0, ?reason, "a connection ended");
        if self.pool.get(&entry.key) == Some(&id) {
            self.pool.remove(&entry.key);
        }
        if let Some(alias) = entry.alias.filter(|alias| self.aliases.get(alias) == Some(&id)) {
            self.aliases.remove(&alias);
        }
        if let Some(caller) = entry.caller().filter(|_| entry.known) {
            let later = ConnectionId(self.next_id.load(Ordering::Relaxed));
            self.returning.remember(id, Former { caller, later });
        }
        feedback.extend(entry.unanswered.into_iter().map(Feedback::Unreachable));
        for parked in entry.unsent {
            self.send_on_return(parked, counters, feedback);
        }
        if entry.known {
            feedback.push_back(Feedback::ConnectionClosed(id));
        }
    }

    /// Counts and tells that a peer did not take our certificate.
    fn note_refused_certificate(&self, entry: &Entry) {
        let Some((tls, _)) = &self.tls else { return };
        let expected = entry.key.identity.and_then(|identity| self.identities.get(&identity));
        let failure = HandshakeFailure::OurCertificateRefused;
        tls.complain(entry.key.remote, expected.map(|e| &**e), failure, "after the handshake");
    }

    /// Starts opening a connection for `flow`; what is queued meanwhile is bounded like any write
    /// queue. `None` when too many are open, and where
    /// only peers open connections.
    fn open(
        &mut self,
        now: Instant,
        flow: Flow,
        counters: &mut TransportCounters,
    ) -> Option<ConnectionId> {
        // Accepted ones and browsers' have their own limits, and take nobody's place here.
        if self.opened >= self.limits.connections {
            return None;
        }
        if flow.protocol.is_web_socket() {
            return None;
        }
        let tls = match flow.protocol {
            TransportProtocol::Tls => {
                // Whoever answered would be taken for the peer: nothing is opened without a name.
                let expected = Arc::clone(self.identities.get(&flow.identity?)?);
                let (tls, handle) = self.tls.as_ref()?;
                Some((Arc::clone(tls), handle.clone(), expected))
            }
            _ => None,
        };
        counters.tcp_opened += 1;
        let id = ConnectionId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let (writes, queue) = mpsc::channel(self.limits.queued_messages.max(1));
        let activity = Activity::new(now);
        let connection = Connection {
            id,
            // `local` stays the listener's address that the call logic chose: it is what stands in
            // our Via and Contact, and the connection's own port means nothing to anybody.
            flow: Flow { connection: Some(id), ..flow },
            limits: Arc::clone(&self.limits),
            clock: self.clock,
            activity: Arc::clone(&activity),
            inputs: self.inputs.clone(),
            writes: writes.clone(),
            layer: Layer::Plain,
            opened_by_us: true,
        };
        let task = match tls {
            Some((tls, handle, expected)) => {
                tokio::spawn(tls::open_and_run(tls, handle, expected, connection, queue))
            }
            None => tokio::spawn(open_and_run(connection, queue)),
        };
        let task = task.abort_handle();
        let entry = Entry::opening(flow, writes, activity, task);
        self.pool.insert(entry.key, id);
        self.table.insert(id, entry);
        self.opened += 1;
        counters.tcp_connections = self.table.len() as u64;
        Some(id)
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.listeners.iter().for_each(AbortHandle::abort);
        self.table.values().for_each(Entry::abort);
    }
}
