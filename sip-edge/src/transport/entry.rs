//! One stream connection as the table knows it.

use super::TcpLimits;
use super::connection::{Activity, Write};
use super::returning::{Caller, Parked};
use b2bua::PeerCertificate;
use bytes::Bytes;
use model::{Flow, Instant, PeerIdentity, TransportProtocol};
use sip_proto::ClientKey;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// What a connection may be used for again: never for another transport, and over TLS never for
/// another identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct PoolKey {
    pub(super) protocol: TransportProtocol,
    pub(super) remote: SocketAddr,
    pub(super) identity: Option<PeerIdentity>,
}

impl PoolKey {
    pub(super) const fn of(flow: &Flow) -> PoolKey {
        PoolKey { protocol: flow.protocol, remote: flow.remote, identity: flow.identity }
    }
}

/// Client transactions whose failure is reported when their connection breaks before the peer said
/// anything more. Older ones are left to their timers.
const UNANSWERED: usize = 256;

pub(super) struct Entry {
    pub(super) key: PoolKey,
    /// What a peer that connected to us has proved.
    pub(super) certificate: Option<PeerCertificate>,
    /// Where the peer asked to be reached over this connection (RFC 5923).
    pub(super) alias: Option<SocketAddr>,
    /// A first message came.
    pub(super) spoke: bool,
    writes: mpsc::Sender<Write>,
    activity: Arc<Activity>,
    /// Of a connection that others serve `None`: they end with its write queue.
    task: Option<AbortHandle>,
    /// Not while it is being opened.
    pub(super) established: bool,
    /// The peer opened it.
    pub(super) accepted: bool,
    /// The call logic has seen its id.
    pub(super) known: bool,
    /// Requests sent since the peer last said something.
    pub(super) unanswered: Vec<ClientKey>,
    /// What waits for the peer to connect to us, should this connection not open. Bounded by the
    /// write queue.
    pub(super) unsent: Vec<Parked>,
}

impl Entry {
    /// Of a connection that a peer opened.
    pub(super) fn accepted(
        flow: Flow,
        writes: mpsc::Sender<Write>,
        activity: Arc<Activity>,
        task: impl Into<Option<AbortHandle>>,
        certificate: Option<PeerCertificate>,
    ) -> Entry {
        Entry {
            key: PoolKey::of(&flow),
            certificate,
            alias: None,
            spoke: false,
            writes,
            activity,
            task: task.into(),
            established: true,
            accepted: true,
            known: false,
            unanswered: Vec::new(),
            unsent: Vec::new(),
        }
    }

    /// Of a connection that is being opened.
    pub(super) fn opening(
        flow: Flow,
        writes: mpsc::Sender<Write>,
        activity: Arc<Activity>,
        task: AbortHandle,
    ) -> Entry {
        let entry = Entry::accepted(flow, writes, activity, task, None);
        Entry { established: false, accepted: false, ..entry }
    }

    /// Ends it now.
    pub(super) fn abort(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }

    /// Its peer, if that opened it and may open another one in its place. A browser does not: who comes
    /// next from its address may be anybody.
    pub(super) fn caller(&self) -> Option<Caller> {
        let PoolKey { protocol, remote, .. } = self.key;
        if protocol.is_web_socket() {
            return None;
        }
        let certificate = self.certificate.clone();
        self.accepted.then(|| Caller { protocol, ip: remote.ip(), certificate })
    }

    /// Whether this peer opened it.
    pub(super) fn is_of(&self, caller: &Caller) -> bool {
        self.accepted
            && self.key.protocol == caller.protocol
            && self.key.remote.ip() == caller.ip
            && self.certificate == caller.certificate
    }

    /// The peer has said something, so what was sent to it has most likely come through. Gives the
    /// address that it offers to be reached at over this connection, once.
    pub(super) fn heard(&mut self, flow: &Flow, raw: &Bytes) -> Option<SocketAddr> {
        self.known = true;
        self.unanswered.clear();
        if self.certificate.is_none() || std::mem::replace(&mut self.spoke, true) {
            return None;
        }
        self.alias = offered_alias(flow, raw);
        self.alias
    }

    /// Notes a request whose failure is to be reported.
    pub(super) fn await_answer(&mut self, client: Option<ClientKey>) {
        let room = self.unanswered.len() < UNANSWERED;
        self.unanswered.extend(client.filter(|_| room));
    }

    /// `false` when the write queue has no room for `payload`. One message always fits.
    pub(super) fn queue(&self, now: Instant, payload: Bytes, limits: &TcpLimits) -> bool {
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

/// Where a peer asks to be reached over its own connection: at the port of its Via, when that says
/// `alias` (RFC 5923 section 5).
fn offered_alias(flow: &Flow, raw: &Bytes) -> Option<SocketAddr> {
    let message = sip_proto::Message::parse(raw.clone(), &sip_proto::Limits::default()).ok()?;
    let via = message.is_request().then(|| message.top_via().ok()).flatten()?;
    via.params.get("alias")?;
    let port = via.sent_by_port.unwrap_or(flow.protocol.default_port());
    Some(SocketAddr::new(flow.remote.ip(), port))
}
