//! What every call of a worker shares: the endpoint below, the outputs above, and the indexes that
//! find a call again.

use crate::call::ClientPurpose;
use crate::config::{EdgeConfig, Listener};
use crate::edge::{Output, ResolveId};
use crate::health::Health;
use crate::identity::Identities;
use crate::over_mtu::StreamRefusals;
use crate::peer_certificate::PeerCertificate;
use crate::policing::Policing;
use crate::registrar::Registrar;
use crate::registration::Registrations;
use crate::spending::Spending;
use crate::statistics::EdgeStatistics;
use crate::target_health::TargetHealth;
use crate::transfer::Order;
use directory::{Snapshot, VoiceConnector};
use model::{
    CallEvent, CallEventKind, ConnectionId, Flow, Instant, IpFamily, LegSide, MediaId, Refusal,
    RefusalEvent, SipObservation, TransactionId, TransportProtocol, UnixTime,
};
use sip_proto::{ClientKey, Endpoint, Message, OwnerTag, Precedence, Random, ServerKey};
use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// The handle of a call in its worker's table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct CallKey {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl CallKey {
    /// Ids that the worker hands out carry the call's handle in their low 24 and the generation in
    /// the next 32 bits, so that an answer finds its call without a table of its own.
    fn pack(self, serial: u8) -> u64 {
        u64::from(self.index & 0xff_ffff)
            | u64::from(self.generation) << 24
            | u64::from(serial) << 56
    }

    fn unpack(id: u64) -> Self {
        CallKey { index: (id & 0xff_ffff) as u32, generation: (id >> 24) as u32 }
    }

    pub(crate) fn of_media(id: MediaId) -> Self {
        Self::unpack(id.0)
    }

    pub(crate) fn of_resolve(id: ResolveId) -> Self {
        Self::unpack(id.0)
    }

    pub(crate) fn media_id(self, serial: u8) -> MediaId {
        MediaId(self.pack(serial))
    }

    pub(crate) fn resolve_id(self, serial: u8) -> ResolveId {
        ResolveId(self.pack(serial))
    }
}

/// The shared part of a worker.
pub(crate) struct Context {
    pub(crate) config: EdgeConfig,
    pub(crate) directory: Arc<Snapshot>,
    pub(crate) endpoint: Endpoint,
    pub(crate) random: Box<dyn Random + Send>,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) policing: Policing,
    pub(crate) spending: Spending,
    pub(crate) health: Health,
    pub(crate) registrations: Registrations,
    pub(crate) registrar: Registrar,
    pub(crate) statistics: EdgeStatistics,
    pub(crate) draining: bool,
    /// The drain is over: not even emergency calls are taken.
    pub(crate) closed: bool,
    /// Of the call that is being worked on.
    pub(crate) precedence: Precedence,
    pub(crate) target_health: TargetHealth,
    /// Who takes no stream.
    pub(crate) stream_refusals: StreamRefusals,
    /// Our requests that await an outcome.
    pub(crate) clients: HashMap<ClientKey, (CallKey, ClientPurpose)>,
    /// INVITEs that await our final response, to find the call of a CANCEL.
    pub(crate) invites: HashMap<ServerKey, (CallKey, LegSide)>,
    /// Our tag of every dialog.
    pub(crate) dialogs: HashMap<Arc<str>, (CallKey, LegSide)>,
    /// Call-IDs, to say which call a message on the wire belongs to.
    pub(crate) call_ids: HashMap<Arc<str>, (CallKey, LegSide)>,
    /// Our tag and the Call-ID of every dialog with a recorder that gets a call's copy.
    pub(crate) copies: HashMap<Arc<str>, CallKey>,
    /// Calls that applications steer.
    pub(crate) steered: HashMap<TransactionId, CallKey>,
    /// Media addresses that the relay has open for our calls.
    pub(crate) own_media: HashSet<SocketAddr>,
    /// What calls want done with other calls. A call adds one or two at an input, and they are
    /// carried out before the next input, so it stays short.
    pub(crate) orders: VecDeque<Order>,
    /// What the calendar said, and when; `None` until it was told.
    pub(crate) calendar: Option<(Instant, UnixTime)>,
    /// Whom our TLS connections must lead to.
    pub(crate) identities: Identities,
    /// What the peers of connections to us have proved; bounded by the transport's connections.
    pub(crate) certificates: HashMap<ConnectionId, PeerCertificate>,
    /// Somebody in the directory must show a certificate; asked before every request's source is
    /// looked up.
    pub(crate) certificates_demanded: bool,
}

impl Context {
    /// The calendar's time, if it is known.
    pub(crate) fn unix_time(&self, now: Instant) -> Option<UnixTime> {
        let (at, unix) = self.calendar?;
        let since = now.saturating_since(at).as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        Some(UnixTime::from_millis(unix.as_millis().saturating_add(since)))
    }

    pub(crate) fn owner(&self) -> OwnerTag {
        OwnerTag { node: self.config.node, worker: self.config.worker }
    }

    /// A new tag or the local part of a Call-ID, unguessable and marked as ours.
    pub(crate) fn new_token(&mut self) -> Arc<str> {
        let owner = self.owner();
        owner.new_token(self.random.as_mut()).into()
    }

    pub(crate) fn new_branch(&mut self) -> String {
        self.endpoint.new_branch(self.random.as_mut())
    }

    pub(crate) fn new_transaction_id(&mut self) -> TransactionId {
        let high = u128::from(self.random.next_u64());
        TransactionId::from_random(high << 64 | u128::from(self.random.next_u64()))
    }

    /// The listener that requests to `remote` leave from.
    pub(crate) fn listener_for(
        &self,
        protocol: TransportProtocol,
        remote: &SocketAddr,
    ) -> Option<Listener> {
        let family = IpFamily::of(remote);
        self.config
            .listeners
            .iter()
            .find(|l| l.protocol == protocol && IpFamily::of(&l.local) == family)
            .copied()
    }

    /// The listener that a message came in on, for the addresses in our answers.
    pub(crate) fn listener_of(&self, flow: &Flow) -> Listener {
        let exact = self
            .config
            .listeners
            .iter()
            .find(|l| l.protocol == flow.protocol && l.local == flow.local);
        exact.copied().or_else(|| self.listener_for(flow.protocol, &flow.remote)).unwrap_or(
            Listener { protocol: flow.protocol, local: flow.local, advertised: flow.local },
        )
    }

    /// Whether an address is one that we listen on.
    pub(crate) fn is_own_address(&self, address: &SocketAddr) -> bool {
        self.config.listeners.iter().any(|l| l.local == *address || l.advertised == *address)
    }

    /// Counts a refused request and has it recorded with its first line.
    pub(crate) fn note_refusal(
        &mut self,
        now: Instant,
        request: &Message,
        flow: Flow,
        refusal: Refusal,
        connector: Option<&VoiceConnector>,
    ) {
        self.statistics.refusals += 1;
        let mut start_line = request.start_line();
        start_line.truncate(200);
        self.outputs.push_back(Output::Sip(SipObservation::Refused(RefusalEvent {
            refusal,
            at: now,
            source: flow.remote,
            voice_connector: connector.map(|connector| connector.id.clone()),
            start_line,
        })));
    }

    pub(crate) fn event(&mut self, id: TransactionId, at: Instant, kind: CallEventKind) {
        self.outputs.push_back(Output::Call(CallEvent { transaction_id: id, at, kind }));
    }
}
