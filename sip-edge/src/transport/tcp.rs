//! The table of stream connections: accepted within limits, opened on demand, reused.

use super::admission::{Admission, Admitted};
use super::connection::{Activity, Connection, Ended, Write};
use super::layer::Layer;
use super::tls::{self, TlsAcceptor};
use super::{Feedback, FeedbackQueue, TcpLimits, TransportCounters};
use crate::clock::Clock;
use crate::tls::{Tls, TlsCounters};
use b2bua::{ExpectedPeer, PeerCertificate};
use bytes::Bytes;
use model::{ConnectionId, Flow, Instant, PeerIdentity, TransportProtocol};
use sip_proto::{ClientKey, Transmit};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
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

/// What a connection may be used for again: never for another transport, and over TLS never for
/// another identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct PoolKey {
    protocol: TransportProtocol,
    remote: SocketAddr,
    identity: Option<PeerIdentity>,
}

impl PoolKey {
    const fn of(flow: &Flow) -> PoolKey {
        PoolKey { protocol: flow.protocol, remote: flow.remote, identity: flow.identity }
    }
}

/// Client transactions whose failure is reported when their connection breaks before the peer said
/// anything more. Older ones are left to their timers.
const UNANSWERED: usize = 256;

pub(super) struct Entry {
    key: PoolKey,
    /// What a peer that connected to us has proved.
    certificate: Option<PeerCertificate>,
    /// Where the peer asked to be reached over this connection (RFC 5923).
    alias: Option<SocketAddr>,
    /// A first message came.
    spoke: bool,
    writes: mpsc::Sender<Write>,
    activity: Arc<Activity>,
    task: AbortHandle,
    /// Not while it is being opened.
    established: bool,
    /// The call logic has seen its id.
    known: bool,
    /// Requests sent since the peer last said something.
    unanswered: Vec<ClientKey>,
}

impl Entry {
    /// Of a connection that a peer opened.
    pub(super) fn accepted(
        flow: Flow,
        writes: mpsc::Sender<Write>,
        activity: Arc<Activity>,
        task: AbortHandle,
        certificate: Option<PeerCertificate>,
    ) -> Entry {
        Entry {
            key: PoolKey::of(&flow),
            certificate,
            alias: None,
            spoke: false,
            writes,
            activity,
            task,
            established: true,
            known: false,
            unanswered: Vec::new(),
        }
    }

    /// `false` when the write queue has no room for `payload`. One message always fits.
    fn queue(&self, now: Instant, payload: Bytes, limits: &TcpLimits) -> bool {
        let queued = self.activity.queued_bytes.load(Ordering::Relaxed);
        let length = payload.len();
        if queued > 0 && queued.saturating_add(length) > limits.queued_bytes {
            return false;
        }
        self.activity.note(now, &payload);
        self.activity.queued_bytes.fetch_add(length, Ordering::Relaxed);
        self.writes.try_send(Write::Octets(payload)).is_ok()
    }
}

/// Every stream connection of a worker.
pub(crate) struct Streams {
    limits: Arc<TcpLimits>,
    clock: Clock,
    inputs: mpsc::Sender<StreamInput>,
    next_id: Arc<AtomicU64>,
    table: HashMap<ConnectionId, Entry>,
    /// The youngest connection to each peer.
    pool: HashMap<PoolKey, ConnectionId>,
    /// Connections that peers opened and allow us to use for requests to an address of theirs.
    aliases: HashMap<SocketAddr, ConnectionId>,
    identities: HashMap<PeerIdentity, Arc<ExpectedPeer>>,
    /// With the runtime of its thread.
    tls: Option<(Arc<Tls>, Handle)>,
    listeners: Vec<AbortHandle>,
}

impl Streams {
    pub(crate) fn new(
        limits: TcpLimits,
        clock: Clock,
        inputs: mpsc::Sender<StreamInput>,
    ) -> Streams {
        Streams {
            limits: Arc::new(limits),
            clock,
            inputs,
            next_id: Arc::new(AtomicU64::new(1)),
            table: HashMap::new(),
            pool: HashMap::new(),
            aliases: HashMap::new(),
            identities: HashMap::new(),
            tls: None,
            listeners: Vec::new(),
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

    /// Queues a message: on the connection of its flow, else on one to the same peer, else on a new
    /// one.
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
        let id = flow
            .connection
            .filter(usable)
            .or_else(|| self.pool.get(&PoolKey::of(&flow)).copied())
            .or_else(|| self.aliased(&flow))
            .or_else(|| self.open(now, flow, counters));
        let found = id.and_then(|id| Some((id, self.table.get_mut(&id)?)));
        let Some((id, entry)) = found else {
            feedback.extend(client.map(Feedback::Unreachable));
            return;
        };
        if entry.queue(now, payload, &self.limits) {
            counters.tcp_sent += 1;
            if let Some(client) = client.filter(|_| entry.unanswered.len() < UNANSWERED) {
                entry.unanswered.push(client);
            }
            return;
        }
        feedback.extend(client.map(Feedback::Unreachable));
        if entry.established {
            // The peer does not read. What it has not read so far would only grow old.
            entry.task.abort();
            self.ended(id, Ended::WriteStalled, counters, feedback);
        } else {
            counters.tcp_connect_queue_full += 1;
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
                let certificate = entry.certificate.clone();
                entry.known |= certificate.is_some();
                self.table.insert(id, entry);
                counters.tcp_connections = self.table.len() as u64;
                return certificate.map(|certificate| FromStream::Certificate(id, certificate));
            }
            StreamInput::Refused => counters.tcp_refused += 1,
            StreamInput::Connected { id } => {
                if let Some(entry) = self.table.get_mut(&id) {
                    entry.established = true;
                }
                tracing::debug!(connection = id.0, "opened a connection");
            }
            StreamInput::Message { at, flow, raw } => {
                // What a connection sent before it was closed here is no longer wanted.
                let id = flow.connection?;
                let entry = self.table.get_mut(&id)?;
                if entry.certificate.is_some() && !std::mem::replace(&mut entry.spoke, true) {
                    entry.alias = offered_alias(entry, &flow, &raw);
                    self.aliases.extend(entry.alias.map(|alias| (alias, id)));
                }
                entry.known = true;
                entry.unanswered.clear();
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
        }
        tracing::debug!(connection = id.0, ?reason, "a connection ended");
        if self.pool.get(&entry.key) == Some(&id) {
            self.pool.remove(&entry.key);
        }
        if let Some(alias) = entry.alias.filter(|alias| self.aliases.get(alias) == Some(&id)) {
            self.aliases.remove(&alias);
        }
        feedback.extend(entry.unanswered.into_iter().map(Feedback::Unreachable));
        if entry.known {
            feedback.push_back(Feedback::ConnectionClosed(id));
        }
    }

    /// Starts opening a connection for `flow`; what is queued meanwhile is bounded like any write
    /// queue. `None` when too many are open.
    fn open(
        &mut self,
        now: Instant,
        flow: Flow,
        counters: &mut TransportCounters,
    ) -> Option<ConnectionId> {
        // Accepted connections are bounded by their own limit, so these are at least as many.
        if self.table.len() >= self.limits.connections.saturating_mul(2) {
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
        let entry =
            Entry { established: false, ..Entry::accepted(flow, writes, activity, task, None) };
        self.pool.insert(entry.key, id);
        self.table.insert(id, entry);
        counters.tcp_connections = self.table.len() as u64;
        Some(id)
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        for task in self.listeners.iter().chain(self.table.values().map(|entry| &entry.task)) {
            task.abort();
        }
    }
}

async fn open_and_run(connection: Connection, queue: mpsc::Receiver<Write>) {
    let id = connection.id;
    let connecting = connect(connection.flow.local, connection.flow.remote);
    match tokio::time::timeout(connection.limits.connect_timeout, connecting).await {
        Ok(Ok(stream)) => {
            let _ = connection.inputs.send(StreamInput::Connected { id }).await;
            connection.run(stream, queue).await;
        }
        outcome => {
            let error = outcome.map_or_else(io::Error::from, |connected| match connected {
                Ok(_) => io::ErrorKind::Other.into(),
                Err(error) => error,
            });
            tracing::debug!(remote = %connection.flow.remote, %error, "cannot open a connection");
            peer_closed(&connection, Ended::ConnectFailed).await;
        }
    }
}

/// Tells the driver that a connection is over before it was served.
pub(super) async fn peer_closed(connection: &Connection, reason: Ended) {
    let ended = StreamInput::Ended { id: connection.id, reason };
    let _ = connection.inputs.send(ended).await;
}

/// Where a peer asks to be reached over its own connection: at the port of its Via, when that says
/// `alias` (RFC 5923 section 5) and the peer has shown a certificate.
fn offered_alias(entry: &Entry, flow: &Flow, raw: &Bytes) -> Option<SocketAddr> {
    entry.certificate.as_ref()?;
    let message = sip_proto::Message::parse(raw.clone(), &sip_proto::Limits::default()).ok()?;
    let via = message.is_request().then(|| message.top_via().ok()).flatten()?;
    via.params.get("alias")?;
    let port = via.sent_by_port.unwrap_or(flow.protocol.default_port());
    Some(SocketAddr::new(flow.remote.ip(), port))
}

/// Connects from `local`'s address, so that the peer sees the address it has allowed; the port is
/// the operating system's choice.
pub(super) async fn connect(local: SocketAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if !local.ip().is_unspecified() && local.is_ipv4() == remote.is_ipv4() {
        socket.bind(SocketAddr::new(local.ip(), 0))?;
    }
    let stream = socket.connect(remote).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

struct Acceptor {
    listener: TcpListener,
    admission: Arc<Admission>,
    limits: Arc<TcpLimits>,
    clock: Clock,
    inputs: mpsc::Sender<StreamInput>,
    next_id: Arc<AtomicU64>,
}

impl Acceptor {
    async fn run(self) {
        /// Out of descriptors, most likely: let some be closed before asking again.
        const PAUSE: Duration = Duration::from_millis(100);
        loop {
            match self.listener.accept().await {
                Ok((stream, remote)) => {
                    // Room in the driver's queue first: its entry must be there before the
                    // connection says anything.
                    let Ok(room) = self.inputs.reserve().await else { return };
                    room.send(match Admission::admit(&self.admission, remote.ip()) {
                        Some(admitted) => self.start(stream, remote, admitted),
                        None => StreamInput::Refused,
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; check the limit of open files");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn start(&self, stream: TcpStream, remote: SocketAddr, admitted: Admitted) -> StreamInput {
        let id = ConnectionId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let local = stream.local_addr().or_else(|_| self.listener.local_addr()).unwrap_or(remote);
        // Without it a small response may wait for the ACK of the one before.
        let _ = stream.set_nodelay(true);
        let flow = Flow {
            protocol: TransportProtocol::Tcp,
            local,
            remote,
            connection: Some(id),
            identity: None,
        };
        let (writes, queue) = mpsc::channel(self.limits.queued_messages.max(1));
        let activity = Activity::new(self.clock.now());
        let connection = Connection {
            id,
            flow,
            limits: Arc::clone(&self.limits),
            clock: self.clock,
            activity: Arc::clone(&activity),
            inputs: self.inputs.clone(),
            writes: writes.clone(),
            layer: Layer::Plain,
            opened_by_us: false,
        };
        let serving = async move {
            let _admitted = admitted;
            connection.run(stream, queue).await;
        };
        let task = tokio::spawn(serving).abort_handle();
        let entry = Entry::accepted(flow, writes, activity, task, None);
        StreamInput::Accepted(Box::new(Accepted { flow, id, entry }))
    }
}
