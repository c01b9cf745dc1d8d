//! The table of stream connections: accepted within limits, opened on demand, reused.

use super::connection::{Activity, Connection, Ended, Write};
use super::{Feedback, FeedbackQueue, TcpLimits, TransportCounters};
use crate::clock::Clock;
use bytes::Bytes;
use model::{ConnectionId, Flow, Instant, TransportProtocol};
use sip_proto::{ClientKey, Transmit};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
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
    flow: Flow,
    id: ConnectionId,
    entry: Entry,
}

/// Client transactions whose failure is reported when their connection breaks before the peer said
/// anything more. Older ones are left to their timers.
const UNANSWERED: usize = 256;

struct Entry {
    remote: SocketAddr,
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
    by_remote: HashMap<SocketAddr, ConnectionId>,
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
            by_remote: HashMap::new(),
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

    pub(crate) fn admission(&self) -> Arc<Admission> {
        Arc::new(Admission {
            connections: self.limits.connections,
            per_source: self.limits.connections_per_source,
            admitted: Mutex::default(),
        })
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
        let id = flow
            .connection
            .filter(|id| self.table.contains_key(id))
            .or_else(|| self.by_remote.get(&flow.remote).copied())
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
    ) -> Option<(Instant, Flow, Bytes)> {
        match input {
            StreamInput::Accepted(accepted) => {
                let Accepted { id, flow, entry } = *accepted;
                counters.tcp_accepted += 1;
                self.by_remote.insert(flow.remote, id);
                self.table.insert(id, entry);
                counters.tcp_connections = self.table.len() as u64;
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
                let entry = flow.connection.and_then(|id| self.table.get_mut(&id))?;
                entry.known = true;
                entry.unanswered.clear();
                counters.tcp_received += 1;
                return Some((at, flow, raw));
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
        }
        tracing::debug!(connection = id.0, ?reason, "a connection ended");
        if self.by_remote.get(&entry.remote) == Some(&id) {
            self.by_remote.remove(&entry.remote);
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
        };
        let task = tokio::spawn(open_and_run(connection, queue)).abort_handle();
        let unanswered = Vec::new();
        let remote = flow.remote;
        let (established, known) = (false, false);
        let entry = Entry { remote, writes, activity, task, established, known, unanswered };
        self.by_remote.insert(remote, id);
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
            let ended = StreamInput::Ended { id, reason: Ended::ConnectFailed };
            let _ = connection.inputs.send(ended).await;
        }
    }
}

/// Connects from `local`'s address, so that the peer sees the address it has allowed; the port is
/// the operating system's choice.
async fn connect(local: SocketAddr, remote: SocketAddr) -> io::Result<TcpStream> {
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
        };
        let serving = async move {
            let _admitted = admitted;
            connection.run(stream, queue).await;
        };
        let task = tokio::spawn(serving).abort_handle();
        let unanswered = Vec::new();
        let (established, known) = (true, false);
        let entry = Entry { remote, writes, activity, task, established, known, unanswered };
        StreamInput::Accepted(Box::new(Accepted { flow, id, entry }))
    }
}

/// How many accepted connections are open, in all and by source.
pub(crate) struct Admission {
    connections: usize,
    per_source: usize,
    admitted: Mutex<AdmittedCounts>,
}

#[derive(Default)]
struct AdmittedCounts {
    total: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// One place; given back when dropped.
struct Admitted {
    admission: Arc<Admission>,
    source: IpAddr,
}

impl Admission {
    fn admit(admission: &Arc<Admission>, remote: IpAddr) -> Option<Admitted> {
        let source = source_network(remote);
        let mut counts = admission.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        let from_source = counts.by_source.get(&source).copied().unwrap_or(0);
        if counts.total >= admission.connections || from_source >= admission.per_source {
            return None;
        }
        counts.total += 1;
        counts.by_source.insert(source, from_source + 1);
        Some(Admitted { admission: Arc::clone(admission), source })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total = counts.total.saturating_sub(1);
        if let Some(from_source) = counts.by_source.get_mut(&self.source) {
            *from_source = from_source.saturating_sub(1);
            if *from_source == 0 {
                counts.by_source.remove(&self.source);
            }
        }
    }
}

/// What counts as one source: an IPv6 host commands a whole /64.
fn source_network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & (u128::MAX << 64)).into(),
    }
}
