//! One signalling worker: messages, media events and deadlines in; messages, media commands and
//! records out.

mod authenticate;
mod door;
mod emergency;
mod events;
mod kept;
mod observe;
mod register;
mod steered;
mod transfer;

pub use steered::NotCalled;

use crate::authentication::Authentication;
use crate::call::{Call, ListenRefusal};
use crate::config::EdgeConfig;
use crate::context::{CallKey, Context};
use crate::health::Health;
use crate::identity::ExpectedPeer;
use crate::kept::Kept;
use crate::leg::OPTION_TAGS;
use crate::over_mtu::StreamRefusals;
use crate::peer_certificate::{self, PeerCertificate};
use crate::policing::Policing;
use crate::registrar::Registrar;
use crate::registration::Registrations;
use crate::slab::Calls;
use crate::statistics::EdgeStatistics;
use crate::strangers::Strangers;
use crate::target_health::TargetHealth;
use bytes::Bytes;
use directory::Snapshot;
use model::{
    ApplicationEvent, CallEvent, ConnectionId, Fingerprint, Flow, Instant, MediaCommand,
    MediaEvent, MessageDirection, PeerIdentity, SipObservation, TerminationHealth, TransactionId,
    TransportProtocol, UnixTime, VoiceConnectorId,
};
use sip_proto::locate::{Target, Wanted};
use sip_proto::{
    ClientKey, Composer, Endpoint, HeaderName, Message, OwnerTag, Precedence, Random, ServerKey,
    TimerWheel, TransactionConfig, Transmit,
};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

/// What the worker wants done, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a message.
    Transmit(Transmit),
    /// Tell the relay.
    Media(MediaCommand),
    /// Record something of a call.
    Call(CallEvent),
    /// Tell the application's side what happens in a call that it steers.
    Application(ApplicationEvent),
    /// Record a message or a refusal.
    Sip(SipObservation),
    /// Write down, or forget, what a call needs to go on after a restart.
    Kept(Kept),
    /// Find the servers of a name (RFC 3263); answer with [`Edge::handle_resolved`].
    Resolve {
        /// To be given back.
        id: ResolveId,
        /// Whose servers.
        wanted: Wanted,
    },
    /// Whom flows with this identity must lead to. Comes once, before the first of them.
    Identity {
        /// The name in [`Flow::identity`].
        identity: PeerIdentity,
        /// What it stands for.
        expected: ExpectedPeer,
    },
}

/// A question to the resolver.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ResolveId(pub u64);

/// The calls of one signalling worker. See the crate's documentation for the order of calling.
pub struct Edge {
    context: Context,
    calls: Calls,
    wheel: TimerWheel<CallKey>,
    strangers: Strangers,
    authentication: Authentication,
}

impl Edge {
    /// A worker without calls.
    pub fn new(
        config: EdgeConfig,
        directory: Arc<Snapshot>,
        mut random: Box<dyn Random + Send>,
    ) -> Edge {
        let owner = OwnerTag { node: config.node, worker: config.worker };
        let transactions = TransactionConfig {
            timers: config.timers.clone(),
            max_transactions: config.max_transactions,
            max_transactions_per_source: config.max_transactions_per_source,
            emergency_reserve: config.emergency_headroom.saturating_mul(TRANSACTIONS_A_CALL),
            limits: config.limits.clone(),
            hash_seed: random.next_u64(),
            supported: OPTION_TAGS.to_vec(),
            ..TransactionConfig::new(owner)
        };
        let authentication = Authentication::new(config.authentication, random.as_mut());
        let mut edge = Edge {
            authentication,
            calls: Calls::new(config.max_calls.saturating_add(config.emergency_headroom)),
            strangers: Strangers::new(config.stranger_answers_per_second, random.next_u64()),
            wheel: TimerWheel::new(),
            context: Context {
                endpoint: Endpoint::new(transactions),
                health: Health::new(config.health, &directory),
                registrations: Registrations::new(config.udp_keep_alive),
                registrar: Registrar::restored(&config, &directory),
                config,
                random,
                outputs: VecDeque::new(),
                policing: Policing::default(),
                spending: Default::default(),
                statistics: EdgeStatistics::default(),
                draining: false,
                closed: false,
                precedence: Precedence::Ordinary,
                target_health: TargetHealth::default(),
                stream_refusals: StreamRefusals::default(),
                clients: Default::default(),
                invites: Default::default(),
                dialogs: Default::default(),
                call_ids: Default::default(),
                copies: Default::default(),
                steered: Default::default(),
                own_media: Default::default(),
                orders: VecDeque::new(),
                calendar: None,
                identities: Default::default(),
                certificates: Default::default(),
                certificates_demanded: peer_certificate::are_demanded(&directory),
                directory,
            },
        };
        edge.context.follow_registrations();
        edge.restore_calls();
        edge.say_farewells();
        edge.end_lost_setups();
        edge
    }

    /// Takes one datagram, or one message of a stream.
    pub fn handle_input(&mut self, now: Instant, flow: Flow, raw: Bytes) {
        if self.refuse_stranger(now, &flow, &raw) {
            return;
        }
        // The call is looked up on both sides of the work: an INVITE's does not exist before, and
        // that of a last message may be gone after.
        let call_id = sip_proto::call_id_of(&raw);
        let call_of = |context: &Context| context.call_ids.get(call_id?).copied();
        let before = call_of(&self.context).and_then(|of| self.belonging(of));
        let place = self.context.outputs.len();
        let precedence = self.precedence_of(&flow, &raw);
        self.context.endpoint.handle_input_with(now, flow, raw.clone(), precedence);
        self.process_events(now, flow);
        let of = before.or_else(|| call_of(&self.context).and_then(|of| self.belonging(of)));
        // The record shows the message before what came of it.
        if let Some(event) = self.observation(now, flow, &raw, MessageDirection::Received, of) {
            self.context.outputs.insert(place, Output::Sip(SipObservation::Message(event)));
        }
    }

    /// Takes the relay's answer to a command, or its notice about a stream.
    pub fn handle_media_event(&mut self, now: Instant, event: MediaEvent) {
        let id = match &event {
            MediaEvent::Allocated { id, .. }
            | MediaEvent::AllocationFailed { id, .. }
            | MediaEvent::Silent { id, .. }
            | MediaEvent::TimedOut { id, .. }
            | MediaEvent::Unheard { id, .. }
            | MediaEvent::Plays { id, .. }
            | MediaEvent::Played { id, .. }
            | MediaEvent::Records { id }
            | MediaEvent::RecordingFailed { id, .. }
            | MediaEvent::Listens { id }
            | MediaEvent::ListenFailed { id, .. }
            | MediaEvent::Sits { id }
            | MediaEvent::SeatFailed { id, .. }
            | MediaEvent::PictureWanted { id }
            | MediaEvent::ConferenceRecords { id }
            | MediaEvent::ConferenceRecordingFailed { id, .. }
            | MediaEvent::Uttered { id, .. }
            | MediaEvent::Heard { id, .. }
            | MediaEvent::Dtmf { id, .. }
            | MediaEvent::Lost { id } => *id,
            MediaEvent::Report(_) | MediaEvent::Rtcp(_) => return,
        };
        let key = CallKey::of_media(id);
        let found = self.with_call(now, key, |call, context| {
            call.handle_media_event(context, now, &event);
        });
        if !found && matches!(event, MediaEvent::Allocated { .. }) {
            self.context.outputs.push_back(Output::Media(MediaCommand::Release { id }));
        }
    }

    /// Takes the resolver's answer, the target to be tried first at the front; an empty list when
    /// there is none.
    pub fn handle_resolved(&mut self, now: Instant, id: ResolveId, targets: Vec<Target>) {
        if self.context.take_ping_resolved(now, id, &targets)
            || self.context.take_registration_resolved(now, id, &targets)
        {
            return self.observe_transmits(now);
        }
        self.with_call(now, CallKey::of_resolve(id), |call, context| {
            call.handle_resolved(context, now, id, targets);
        });
    }

    /// Takes the transport's word that a message with this key could not be sent.
    pub fn handle_unreachable(&mut self, now: Instant, client: ClientKey) {
        self.context.endpoint.handle_unreachable(now, client);
        self.process_events(now, NO_FLOW);
    }

    /// Takes the network's word (ICMP) that nothing listens at an address: every request that
    /// waits for a first response from there fails now instead of after 64 × T1.
    pub fn handle_peer_unreachable(&mut self, now: Instant, remote: SocketAddr) {
        self.context.endpoint.handle_peer_unreachable(now, remote);
        self.process_events(now, NO_FLOW);
    }

    /// Takes what the peer of a connection to us has proved by its certificate, before anything
    /// that comes over it.
    pub fn handle_certificate(&mut self, id: ConnectionId, certificate: PeerCertificate) {
        self.context.note_certificate(id, certificate);
    }

    /// Takes the end of a stream connection.
    pub fn handle_connection_closed(&mut self, now: Instant, id: ConnectionId) {
        self.context.certificates.remove(&id);
        self.context.registrations.handle_connection_closed(now, id);
        self.context.registrar.handle_connection_closed(id);
        self.context.endpoint.handle_connection_closed(now, id);
        self.process_events(now, NO_FLOW);
        self.calls.for_each(|call| call.handle_connection_closed(id));
        for key in self.calls.all_of(|call| call.hangs_on(id)) {
            self.with_call(now, key, |call, context| call.cut_off(context, now));
        }
    }

    /// Runs everything whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.context.endpoint.handle_timeout(now);
        self.process_events(now, NO_FLOW);
        self.context.run_health(now);
        self.context.run_registrations(now);
        self.context.run_registrar(now);
        self.observe_transmits(now);
        while let Some(key) = self.wheel.pop(now) {
            self.with_call(now, key, |call, context| {
                call.armed = None;
                call.handle_timeout(context, now);
            });
        }
    }

    /// Replaces the directory. Calls under way keep what they began with.
    pub fn set_directory(&mut self, directory: Arc<Snapshot>) {
        let before = std::mem::replace(&mut self.context.directory, directory);
        let directory = Arc::clone(&self.context.directory);
        // One of many numbers changes far more often than anything else, and nothing below is about it.
        if before.shares_resources(&directory) {
            return;
        }
        if !before.shares_ids(&directory) {
            self.context.policing.retain(|id| directory.connector_of_calls(id).is_some());
            self.context.spending.retain(|id| directory.connector_of_calls(id).is_some());
            self.context.follow_registrations();
        }
        self.context.certificates_demanded = peer_certificate::are_demanded(&directory);
        self.context.health.set_directory(&directory);
        self.context.tell_health();
        self.context.registrar.follow(&directory);
    }

    /// Tells the time of day, which identities are dated by. Without it no call is signed, and none
    /// verifies.
    pub fn set_calendar(&mut self, now: Instant, unix: UnixTime) {
        self.context.calendar = Some((now, unix));
    }

    /// Descriptions vouch for this certificate from now on. Legs that have heard of another one keep
    /// that; calls from before this process, which began without one, learn it.
    pub fn set_dtls_fingerprint(&mut self, fingerprint: Option<Fingerprint>) {
        self.context.config.dtls_fingerprint = fingerprint;
        if let Some(fingerprint) = fingerprint {
            self.calls.for_each(|call| call.learn_fingerprint(fingerprint));
        }
    }

    /// Has a call listened to, or no more, by the operator's word.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn set_listening(
        &mut self,
        now: Instant,
        call: TransactionId,
        wanted: bool,
    ) -> Result<(), ListenRefusal> {
        let key = self.calls.find(|of| of.id == call).ok_or(ListenRefusal::NoCall)?;
        let mut outcome = Err(ListenRefusal::NoCall);
        self.with_call(now, key, |call, context| outcome = call.set_listening(context, wanted));
        outcome
    }

    /// Takes no new calls from now on but those for help; running ones go on.
    pub fn drain(&mut self, now: Instant) {
        self.context.draining = true;
        self.context.health.probes.stop();
        self.context.registrations.stop();
        self.context.run_registrations(now);
        self.observe_transmits(now);
    }

    /// Ends every call, and takes none any more: the limit of a drain is reached.
    pub fn end_all(&mut self, now: Instant) {
        self.context.closed = true;
        for key in self.calls.keys() {
            self.with_call(now, key, |call, context| call.end_by_operator(context, now));
        }
    }

    /// The last OPTIONS of a voice connector's customer (AWS: termination health).
    pub fn termination_health(&self, id: &VoiceConnectorId) -> Option<&TerminationHealth> {
        self.context.health.termination(id)
    }

    /// Calls that have not begun to end.
    pub fn active_calls(&self) -> usize {
        self.context.statistics.active_calls as usize
    }

    /// Counters and present numbers.
    pub fn statistics(&self) -> EdgeStatistics {
        let (servers, clients) = self.context.endpoint.len();
        let counters = self.context.endpoint.counters();
        let transactions = self.context.endpoint.transaction_counters();
        EdgeStatistics {
            calls: self.calls.len() as u64,
            steered_calls: self.context.steered.len() as u64,
            server_transactions: servers as u64,
            client_transactions: clients as u64,
            malformed: counters.malformed_requests
                + counters.garbage
                + counters.violations
                + counters.bad_responses
                + counters.bad_acks,
            stray_responses: counters.foreign_responses + counters.extra_via_responses,
            target_failures: self.context.target_health.failures,
            target_recoveries: self.context.target_health.recoveries,
            stream_fallbacks: transactions.fallbacks,
            table_refusals: transactions.refused_requests - transactions.share_refusals,
            share_refusals: transactions.share_refusals,
            authentication: self.authentication.counters(),
            bindings: self.context.registrar.len() as u64,
            registrations_wanted: self.context.registrations.counts().0,
            registrations: self.context.registrations.counts().1,
            ..self.context.statistics
        }
    }

    /// Whether nothing is left: no call, transaction, timer, index entry or media address.
    pub fn is_idle(&self) -> bool {
        let c = &self.context;
        self.calls.len() == 0
            && c.endpoint.len() == (0, 0)
            && self.wheel.is_empty()
            && c.clients.is_empty()
            && c.invites.is_empty()
            && c.dialogs.is_empty()
            && c.call_ids.is_empty()
            && c.copies.is_empty()
            && c.steered.is_empty()
            && c.own_media.is_empty()
            && c.health.probes.is_idle()
            && c.registrations.is_idle()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.context.outputs.pop_front() {
            return Some(output);
        }
        self.context.endpoint.poll_transmit().map(Output::Transmit)
    }

    /// When to call [`Edge::handle_timeout`] at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let context = &self.context;
        let transactions = context.endpoint.poll_timeout();
        transactions
            .into_iter()
            .chain(self.wheel.next_deadline())
            .chain(context.health.probes.poll_timeout())
            .chain(context.registrations.poll_timeout())
            .chain(context.registrar.poll_timeout())
            .min()
    }

    /// Runs `work` on a call, then lets it settle. `false` when there is no such call.
    fn with_call(
        &mut self,
        now: Instant,
        key: CallKey,
        work: impl FnOnce(&mut Call, &mut Context),
    ) -> bool {
        let Some(mut call) = self.calls.take(key) else { return false };
        self.context.precedence = call.precedence();
        work(&mut call, &mut self.context);
        self.context.precedence = Precedence::Ordinary;
        self.put_back(now, key, call);
        true
    }

    fn put_back(&mut self, now: Instant, key: CallKey, call: Box<Call>) {
        self.settle_call(now, key, call);
        self.run_orders(now);
    }

    /// Puts a call back without carrying out what it wants done with others.
    fn settle_call(&mut self, now: Instant, key: CallKey, mut call: Box<Call>) {
        call.settle();
        call.locate_next_hops(&mut self.context, now);
        call.review_copy(&mut self.context, now);
        call.review_indication(&mut self.context, now);
        self.context.keep(&mut call);
        if call.counted && !call.is_live() {
            call.counted = false;
            self.context.policing.release(&call.voice_connector().id);
            if let Some(id) = call.counted_for.take() {
                self.context.policing.release(&id);
            }
            if let Some(source) = call.counted_source.take() {
                self.context.policing.release_source(source);
            }
            self.context.statistics.active_calls -= 1;
        }
        let wanted = if call.is_done() { None } else { call.deadlines.earliest() };
        if call.armed.map(|(at, _)| at) != wanted {
            if let Some((_, timer)) = call.armed.take() {
                self.wheel.cancel(timer);
            }
            call.armed = wanted.map(|at| (at, self.wheel.insert(at, key)));
        }
        if call.is_done() {
            call.forget(&mut self.context);
            self.calls.remove(key);
        } else {
            self.calls.put(key, call);
        }
        self.observe_transmits(now);
    }
}

/// Transactions that are kept for each emergency call of the headroom, on either side: its INVITE,
/// those of its dialogs, and what lingers of the call before it.
const TRANSACTIONS_A_CALL: usize = 8;

/// For events that come from no message.
const NO_FLOW: Flow = Flow {
    protocol: TransportProtocol::Udp,
    local: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
    remote: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
    connection: None,
    identity: None,
};

impl Context {
    /// Answers a request that belongs to no call.
    fn answer_outside(
        &mut self,
        now: Instant,
        server: ServerKey,
        request: &Message,
        status: u16,
        headers: impl FnOnce(&mut Composer),
    ) {
        let tag = self.new_token();
        let reason = sip_proto::default_reason(status);
        let mut composer = Composer::response_to(request, status, reason, Some(&tag));
        composer.header(HeaderName::Server, &self.config.product);
        headers(&mut composer);
        self.respond(now, server, status, composer.finish());
    }
}
