//! The shell over real sockets, with scripted call logic. Every wait is for an event, with a limit.

mod edge;
mod handle;
mod returning;
mod tcp;
mod tls;
mod udp;

use crate::handle::SipEdge;
use crate::logic::CallLogic;
use crate::ports::Ports;
use crate::resolver::{Lookup, Reply, ResolverLimits};
use crate::start::{ShellConfig, start_with};
use crate::transport::TcpLimits;
use crate::{Clock, StartError};
use b2bua::{
    EdgeConfig, EdgeStatistics, ListenRefusal, Output, PeerCertificate, ResolveId, SavedBinding,
    Stir,
};
use bytes::Bytes;
use directory::{Resources, Snapshot};
use model::TransportProtocol;
use model::{
    ConnectionId, Flow, Instant, LegSide, MediaCommand, MediaEvent, MediaId, TransactionId,
};
use sip_proto::locate::Target;
use sip_proto::{
    ClientKey, Method, OwnerTag, StepRandom, TransactionConfig, Transactions, Transmit,
};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Far more than any step takes; a test that needs it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What the scripted call logic was given.
#[derive(Debug)]
pub(crate) enum Seen {
    Input(Flow, Bytes),
    Media(MediaEvent),
    Resolved(ResolveId, Vec<Target>),
    Unreachable(ClientKey),
    PeerUnreachable(SocketAddr),
    Certificate(ConnectionId, PeerCertificate),
    Closed(ConnectionId),
    Directory,
    Ordered(TransactionId, u32, model::ApplicationOrder),
    ApplicationUnreachable(TransactionId),
    CalledForRooms(TransactionId, Arc<str>),
    Drain,
    EndAll,
    Timeout,
}

/// Call logic that tells the test what it is given and does what the test says.
pub(crate) struct Scripted {
    seen: SyncSender<Seen>,
    outputs: Receiver<Output>,
    calls: Arc<AtomicUsize>,
    timeout: Arc<Mutex<Option<Instant>>>,
}

impl Scripted {
    fn note(&self, seen: Seen) {
        self.seen.try_send(seen).expect("the test reads what is seen");
    }
}

impl CallLogic for Scripted {
    fn handle_input(&mut self, _: Instant, flow: Flow, raw: Bytes) {
        self.note(Seen::Input(flow, raw));
    }
    fn handle_media_event(&mut self, _: Instant, event: MediaEvent) {
        // `Silent` only wakes the worker, see `Rig::output`.
        if !matches!(event, MediaEvent::Silent { .. }) {
            self.note(Seen::Media(event));
        }
    }
    fn handle_resolved(&mut self, _: Instant, id: ResolveId, targets: Vec<Target>) {
        self.note(Seen::Resolved(id, targets));
    }
    fn handle_unreachable(&mut self, _: Instant, client: ClientKey) {
        self.note(Seen::Unreachable(client));
    }
    fn handle_peer_unreachable(&mut self, _: Instant, remote: SocketAddr) {
        self.note(Seen::PeerUnreachable(remote));
    }
    fn handle_certificate(&mut self, id: ConnectionId, certificate: PeerCertificate) {
        self.note(Seen::Certificate(id, certificate));
    }
    fn handle_connection_closed(&mut self, _: Instant, id: ConnectionId) {
        self.note(Seen::Closed(id));
    }
    fn handle_timeout(&mut self, now: Instant) {
        let due = self.timeout.lock().unwrap().take();
        assert!(due.is_some_and(|at| at <= now), "called before the deadline");
        self.note(Seen::Timeout);
    }
    fn set_directory(&mut self, _: Arc<Snapshot>) {
        self.note(Seen::Directory);
    }
    fn drain(&mut self, _: Instant) {
        self.note(Seen::Drain);
    }
    fn end_all(&mut self, _: Instant) {
        self.calls.store(0, Ordering::SeqCst);
        self.note(Seen::EndAll);
    }
    fn active_calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
    fn statistics(&self) -> EdgeStatistics {
        EdgeStatistics::default()
    }
    fn bindings(&mut self, _: Instant) -> Vec<SavedBinding> {
        Vec::new()
    }
    fn bindings_revision(&self) -> u64 {
        0
    }
    fn set_dtls_fingerprint(&mut self, _: Option<model::Fingerprint>) {}
    fn set_listening(
        &mut self,
        _: Instant,
        call: TransactionId,
        wanted: bool,
    ) -> Result<(), ListenRefusal> {
        let is_known = wanted && call == TransactionId::from_random(1);
        if is_known { Ok(()) } else { Err(ListenRefusal::NoCall) }
    }
    fn order_application(
        &mut self,
        _: Instant,
        call: TransactionId,
        number: u32,
        order: model::ApplicationOrder,
    ) {
        self.note(Seen::Ordered(call, number, order));
    }
    fn application_unreachable(&mut self, _: Instant, call: TransactionId) {
        self.note(Seen::ApplicationUnreachable(call));
    }
    fn call_for_application(
        &mut self,
        _: Instant,
        wanted: model::OutboundCall,
    ) -> Result<TransactionId, b2bua::NotCalled> {
        let is_known = &*wanted.application == "known";
        if is_known {
            Ok(TransactionId::from_random(2))
        } else {
            Err(b2bua::NotCalled::NoApplication)
        }
    }
    fn call_for_rooms(&mut self, _: Instant, call: TransactionId, to: Arc<str>) {
        self.note(Seen::CalledForRooms(call, to));
    }
    fn set_stir(&mut self, _: Stir) {}
    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.try_recv().ok()
    }
    fn poll_timeout(&self) -> Option<Instant> {
        *self.timeout.lock().unwrap()
    }
}

/// A running shell, its scripted logic and the relay that it commands.
pub(crate) struct Rig {
    pub(crate) edge: SipEdge,
    pub(crate) seen: Receiver<Seen>,
    pub(crate) commands: Receiver<MediaCommand>,
    pub(crate) calls: Arc<AtomicUsize>,
    pub(crate) timeout: Arc<Mutex<Option<Instant>>>,
    pub(crate) clock: Clock,
    outputs: SyncSender<Output>,
}

impl Rig {
    pub(crate) fn start(udp: &[&str], tcp: &[&str], tcp_limits: TcpLimits) -> Rig {
        Rig::with_lookup(udp, tcp, tcp_limits, no_lookup())
    }

    pub(crate) fn with_lookup(
        udp: &[&str],
        tcp: &[&str],
        tcp_limits: TcpLimits,
        lookup: Lookup,
    ) -> Rig {
        Rig::try_start(config(udp, tcp, tcp_limits), lookup).unwrap()
    }

    pub(crate) fn try_start(config: ShellConfig, lookup: Lookup) -> Result<Rig, StartError> {
        Rig::try_start_with(config, lookup, empty_directory())
    }

    pub(crate) fn try_start_with(
        config: ShellConfig,
        lookup: Lookup,
        directory: Arc<Snapshot>,
    ) -> Result<Rig, StartError> {
        let clock = config.clock;
        let (seen_sender, seen) = sync_channel(65_536);
        let (outputs, outputs_receiver) = sync_channel(65_536);
        // The relay takes one command at a time, so that a second one is given back.
        let (commands_sender, commands) = sync_channel(1);
        let calls = Arc::new(AtomicUsize::new(0));
        let timeout = Arc::new(Mutex::new(None));
        let scripted = Scripted {
            seen: seen_sender,
            outputs: outputs_receiver,
            calls: Arc::clone(&calls),
            timeout: Arc::clone(&timeout),
        };
        let ports = Ports {
            directory,
            media: Box::new(move |command| {
                commands_sender.try_send(command).map_err(|refused| match refused {
                    std::sync::mpsc::TrySendError::Full(command)
                    | std::sync::mpsc::TrySendError::Disconnected(command) => command,
                })
            }),
            calls: Box::new(|_| {}),
            applications: Box::new(Err),
            kept: Box::new(|_| {}),
            sip: Box::new(|_| {}),
        };
        let edge = start_with(config, ports, lookup, move |_, _| scripted)?;
        Ok(Rig { edge, seen, commands, calls, timeout, clock, outputs })
    }

    /// The first listening address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.edge.addresses()[0].1
    }

    /// Makes the call logic want `output`.
    pub(crate) fn output(&self, output: Output) {
        self.outputs.send(output).unwrap();
        self.wake();
    }

    pub(crate) fn wake(&self) {
        let (id, leg, at) = (MediaId(0), LegSide::A, Instant::ZERO);
        self.edge.media_events().send(MediaEvent::Silent { id, leg, at });
    }

    pub(crate) fn transmit(&self, flow: Flow, payload: &str, client: Option<ClientKey>) {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        self.output(Output::Transmit(Transmit { flow, payload, client }));
    }

    pub(crate) fn next(&self) -> Seen {
        self.seen.recv_timeout(PATIENCE).expect("the call logic is told something")
    }

    pub(crate) fn next_input(&self) -> (Flow, Bytes) {
        match self.next() {
            Seen::Input(flow, raw) => (flow, raw),
            other => panic!("expected a message, not {other:?}"),
        }
    }
}

pub(crate) fn config(udp: &[&str], tcp: &[&str], tcp_limits: TcpLimits) -> ShellConfig {
    let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    #[expect(clippy::disallowed_methods, reason = "a test chooses its clock's origin")]
    let origin = std::time::Instant::now();
    ShellConfig {
        edge: EdgeConfig::default(),
        udp: parse(udp),
        tcp: parse(tcp),
        tls: Vec::new(),
        tls_settings: None,
        tcp_limits,
        resolver: ResolverLimits::default(),
        dns_servers: Vec::new(),
        clock: Clock::new(origin),
    }
}

/// A DNS that knows nothing.
pub(crate) fn no_lookup() -> Lookup {
    Arc::new(|_| Box::pin(async { Reply::Records(Vec::new(), None) }))
}

pub(crate) fn empty_directory() -> Arc<Snapshot> {
    let domain = "tandem.localhost".into();
    let resources = Resources {
        domain,
        carriers: Vec::new(),
        voice_connectors: Vec::new(),
        ..Resources::default()
    };
    Arc::new(Snapshot::build(resources).unwrap())
}

/// A handle of a client transaction, as the call logic would put into a transmit.
pub(crate) fn client_key() -> ClientKey {
    let mut transactions = Transactions::new(TransactionConfig::new(OwnerTag::default()));
    let branch = transactions.new_branch(&mut StepRandom::new(1));
    let local = "127.0.0.1:5060".parse().unwrap();
    let flow = Flow {
        protocol: TransportProtocol::Udp,
        local,
        remote: local,
        connection: None,
        identity: None,
    };
    let request = Bytes::from(message("OPTIONS", &branch, ""));
    transactions.send_request(Instant::ZERO, flow, &branch, Method::Options, request).unwrap()
}

pub(crate) fn message(method: &str, branch: &str, body: &str) -> String {
    format!(
        "{method} sip:edge.example SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch={branch}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@example>;tag=1\r\nTo: <sip:b@example>\r\n\
         Call-ID: {branch}\r\nCSeq: 1 {method}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
