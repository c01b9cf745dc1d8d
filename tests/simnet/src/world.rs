//! One edge and a network that delivers at once, driven step by step.

mod restart;

use crate::audit::Audit;
use crate::fixture::{EDGE, EDGE_TCP, EDGE_TLS, EDGE_WSS, config, directory, snapshot};
use crate::losing::{Losing, may_be_lost_for_good};
use crate::network::Rng;
use crate::relay::FakeRelay;
use crate::streams::Streams;
use crate::ua::Ua;
use b2bua::{
    Edge, EdgeConfig, ExpectedPeer, Output, ResolveId, SavedCall, SavedFarewell, SavedSetup,
};
use bytes::Bytes;
use directory::Resources;
use model::{
    ApplicationEvent, CallEnd, ConnectionId, DtmfPress, Flow, Instant, LegSide, MediaPlan,
    PeerIdentity, Refusal, TransactionId, TransportProtocol,
};
use sip_proto::locate::{Target, Wanted};
use sip_proto::{Message, Transmit};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The edge, the relay, and everybody's letter boxes.
pub struct World {
    /// Under test.
    pub edge: Edge,
    /// Its relay.
    pub relay: FakeRelay,
    /// What was checked and recorded.
    pub audit: Audit,
    /// What names resolve to, over the transport that is asked for or UDP. A name that is neither
    /// here nor in [`World::servers`] is not answered, see [`World::questions`].
    pub names: HashMap<&'static str, Vec<SocketAddr>>,
    /// What names resolve to when the DNS chooses the transport.
    pub servers: HashMap<&'static str, Vec<Target>>,
    /// Questions to the resolver that wait.
    pub questions: Vec<(ResolveId, Arc<str>)>,
    /// What was asked, answered or not, oldest first.
    pub asked: Vec<Wanted>,
    /// Where streams are refused.
    pub no_streams: Vec<SocketAddr>,
    /// Where what is sent over a stream is never heard of again.
    pub lost_streams: Vec<SocketAddr>,
    /// Where messages to an address fail with "unreachable".
    pub unreachable: Vec<SocketAddr>,
    /// Connections that the edge opened.
    pub opened: Vec<SocketAddr>,
    /// Whom bare CRLFs were sent to, and when.
    pub keep_alives: Vec<(Instant, SocketAddr)>,
    /// What is kept of calls.
    pub kept: HashMap<TransactionId, SavedCall>,
    /// What peers of calls that cannot be taken up are to be told.
    pub farewells: HashMap<TransactionId, SavedFarewell>,
    /// What peers of calls that are being set up are to be told.
    pub setups: HashMap<TransactionId, SavedSetup>,
    /// How often one of those was told.
    pub setup_notes: usize,
    /// What the application's side was told, oldest first.
    pub told: Vec<ApplicationEvent>,
    now: Instant,
    inboxes: HashMap<SocketAddr, VecDeque<Message>>,
    connections: HashMap<SocketAddr, ConnectionId>,
    streams: Streams,
    /// Connections under TLS, with whom those that the edge opened must lead to.
    secure: HashMap<SocketAddr, Option<PeerIdentity>>,
    /// Peers whose connection is a WebSocket, under TLS or plain.
    web: HashMap<SocketAddr, TransportProtocol>,
    identities: HashMap<PeerIdentity, ExpectedPeer>,
    ladder: Vec<String>,
    serial: u32,
    losing: Option<Losing>,
}

impl World {
    /// The fixture.
    pub fn new() -> Self {
        World::with(config(), directory())
    }

    /// Other settings, another directory.
    pub fn with(config: EdgeConfig, resources: Resources) -> Self {
        let random = Box::new(Rng::new(42));
        World {
            edge: Edge::new(config, snapshot(resources), random),
            relay: FakeRelay::new(),
            audit: Audit::default(),
            names: HashMap::new(),
            servers: HashMap::new(),
            questions: Vec::new(),
            asked: Vec::new(),
            no_streams: Vec::new(),
            lost_streams: Vec::new(),
            unreachable: Vec::new(),
            opened: Vec::new(),
            keep_alives: Vec::new(),
            kept: HashMap::new(),
            farewells: HashMap::new(),
            setups: HashMap::new(),
            setup_notes: 0,
            told: Vec::new(),
            now: Instant::from_millis(1_000),
            inboxes: HashMap::new(),
            connections: HashMap::new(),
            streams: Streams::default(),
            secure: HashMap::new(),
            web: HashMap::new(),
            identities: HashMap::new(),
            ladder: Vec::new(),
            serial: 0,
            losing: None,
        }
    }

    /// An endpoint that will call `number`.
    pub fn caller(&mut self, at: SocketAddr, number: &str) -> Ua {
        Ua::caller(self, at, number)
    }

    /// The endpoint that the next INVITE to `at` has arrived at.
    pub fn callee(&mut self, at: SocketAddr) -> Ua {
        Ua::callee(self, at)
    }

    /// Sends bytes to the edge.
    pub fn send(&mut self, from: SocketAddr, raw: impl Into<Bytes>) {
        let raw = raw.into();
        let now = self.now;
        if self.losing.as_mut().is_none_or(|losing| losing.leaves(now, from, &raw)) {
            self.hand_in(from, raw);
        } else {
            self.note(from, "-x", &raw);
        }
    }

    fn hand_in(&mut self, from: SocketAddr, raw: Bytes) {
        self.note(from, "->", &raw);
        let flow = self.flow(from);
        self.edge.handle_input(self.now, flow, raw);
        self.pump();
    }

    /// The path between the edge and a peer: a stream for one that has a connection.
    pub fn flow(&self, peer: SocketAddr) -> Flow {
        match self.connections.get(&peer) {
            Some(&connection) if self.web.contains_key(&peer) => Flow {
                protocol: self.web[&peer],
                local: EDGE_WSS,
                remote: peer,
                connection: Some(connection),
                identity: None,
            },
            Some(&connection) if self.secure.contains_key(&peer) => Flow {
                protocol: TransportProtocol::Tls,
                local: EDGE_TLS,
                remote: peer,
                connection: Some(connection),
                identity: self.secure.get(&peer).copied().flatten(),
            },
            Some(&connection) => Flow {
                protocol: TransportProtocol::Tcp,
                local: EDGE_TCP,
                remote: peer,
                connection: Some(connection),
                identity: None,
            },
            None => Flow {
                protocol: TransportProtocol::Udp,
                local: EDGE,
                remote: peer,
                connection: None,
                identity: None,
            },
        }
    }

    /// A peer opens a stream to the edge.
    pub fn connect(&mut self, peer: SocketAddr) -> ConnectionId {
        self.serial += 1;
        let id = ConnectionId(u64::from(self.serial));
        self.connections.insert(peer, id);
        for payload in self.streams.come_back(peer) {
            let message = self.audit.check_message(peer, &payload);
            self.inboxes.entry(peer).or_default().push_back(message);
        }
        id
    }

    /// A peer opens a TLS connection to the edge.
    pub fn connect_tls(&mut self, peer: SocketAddr) -> ConnectionId {
        self.secure.insert(peer, None);
        self.connect(peer)
    }

    /// A browser opens a WebSocket to the edge.
    pub fn connect_web(&mut self, peer: SocketAddr) -> ConnectionId {
        self.web.insert(peer, TransportProtocol::Wss);
        self.connect(peer)
    }

    /// One opens it without TLS, which a proxy has had.
    pub fn connect_plain_web(&mut self, peer: SocketAddr) -> ConnectionId {
        self.web.insert(peer, TransportProtocol::Ws);
        self.connect(peer)
    }

    /// The name that the peer of a TLS connection which the edge opened had to prove.
    pub fn expected_at(&self, peer: SocketAddr) -> Option<String> {
        let identity = (*self.secure.get(&peer)?)?;
        self.identities.get(&identity).map(|expected| expected.name.to_string())
    }

    /// A stream closes.
    pub fn disconnect(&mut self, peer: SocketAddr) {
        self.secure.remove(&peer);
        if let Some(id) = self.connections.remove(&peer) {
            self.streams.close(id, peer);
            self.edge.handle_connection_closed(self.now, id);
            self.pump();
        }
    }

    /// The relay gives the ports that it held back.
    pub fn answer_relay(&mut self) {
        let answers = self.relay.answer_held();
        self.say(answers);
    }

    /// The relay has its ports, and its first answer comes; the others for [`World::say`].
    pub fn answer_first(&mut self) -> Vec<model::MediaEvent> {
        let mut answers = self.relay.answer_held();
        let late = answers.split_off(answers.len().min(1));
        self.say(answers);
        late
    }

    /// The relay says something.
    pub fn say(&mut self, events: Vec<model::MediaEvent>) {
        for event in events {
            self.edge.handle_media_event(self.now, event);
        }
        self.pump();
    }

    /// The relay has heard nothing of `leg` (of any leg) for too long, on every call.
    pub fn fall_silent(&mut self, leg: Option<LegSide>) {
        for event in self.relay.time_out(leg) {
            self.edge.handle_media_event(self.now, event);
        }
        self.pump();
    }

    /// The relay has heard nothing but silence in what `leg` sends, on every call.
    pub fn hear_nothing_of(&mut self, leg: LegSide) {
        for event in self.relay.hear_nothing_of(leg) {
            self.edge.handle_media_event(self.now, event);
        }
        self.pump();
    }

    /// The relay has played to its end what `leg` was to hear once, on every call.
    pub fn play_to_end(&mut self, leg: LegSide) {
        for event in self.relay.play_to_end(leg) {
            self.edge.handle_media_event(self.now, event);
        }
        self.pump();
    }

    /// The relay has lost every stream.
    pub fn lose_media(&mut self) {
        for event in self.relay.forget() {
            self.edge.handle_media_event(self.now, event);
        }
        self.pump();
    }

    /// The relay has heard a key of `leg`, on every call.
    pub fn press(&mut self, leg: LegSide, press: DtmfPress) {
        for event in self.relay.hear(leg, press) {
            self.edge.handle_media_event(self.now, event);
        }
        self.pump();
    }

    /// The resolver answers the oldest question.
    pub fn answer_question(&mut self, addresses: &[SocketAddr]) {
        let (id, _) = self.questions.remove(0);
        self.edge.handle_resolved(self.now, id, over_udp(addresses));
        self.pump();
    }

    /// Lets time pass, with everything that is due in it.
    pub fn advance(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.next_due().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            while let Some((from, raw)) = self.losing.as_mut().and_then(|l| l.pop(self.now)) {
                self.hand_in(from, raw);
            }
            self.edge.handle_timeout(self.now);
            self.pump();
        }
        self.now = end;
    }

    fn next_due(&self) -> Option<Instant> {
        let again = self.losing.as_ref().and_then(Losing::next);
        self.edge.poll_timeout().into_iter().chain(again).min()
    }

    /// From now on loses the datagram with this number, or none, counted from 0 and without
    /// repetitions; endpoints repeat what they sent as RFC 3261 wants it, and wait for what does not
    /// come at once. Nobody waits for unreliable provisional responses: they do not come.
    pub fn lose(&mut self, number: Option<usize>) {
        self.losing = Some(Losing::new(number));
    }

    /// How many datagrams there were since [`World::lose`].
    pub fn counted(&self) -> usize {
        self.losing.as_ref().map_or(0, Losing::counted)
    }

    /// The virtual clock.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Runs a command on the edge and what follows from it.
    pub fn command(&mut self, work: impl FnOnce(&mut Edge, Instant)) {
        work(&mut self.edge, self.now);
        self.pump();
    }

    /// Takes the first message to `at`, of `call_id` if that is given. 100 Trying is passed over.
    pub fn take(&mut self, at: SocketAddr, call_id: Option<&str>) -> Option<Message> {
        self.take_where(at, |message| {
            call_id.is_none_or(|call_id| message.call_id().is_ok_and(|id| id == call_id))
        })
    }

    /// Takes the message that an endpoint waits for. Where one is lost, others may overtake it.
    pub(crate) fn take_expected(
        &mut self,
        at: SocketAddr,
        call_id: Option<&str>,
        what: &str,
    ) -> Option<Message> {
        if self.losing.is_none() {
            return self.take(at, call_id);
        }
        for _ in 0..MAX_WAITS {
            let found = self.take_where(at, |message| {
                let same = call_id.is_none_or(|id| message.call_id().is_ok_and(|own| own == id));
                same && word(message) == what
            });
            if found.is_some() {
                return found;
            }
            self.advance(WAIT);
        }
        None
    }

    fn take_where(&mut self, at: SocketAddr, wanted: impl Fn(&Message) -> bool) -> Option<Message> {
        let loses = self.losing.is_some();
        let inbox = self.inboxes.entry(at).or_default();
        inbox.retain(|message| {
            message.status() != Some(100) && !(loses && may_be_lost_for_good(message))
        });
        let position = inbox.iter().position(wanted)?;
        inbox.remove(position)
    }

    /// Every message to `at` that nobody took.
    pub fn take_all(&mut self, at: SocketAddr) -> Vec<Message> {
        self.inboxes.remove(&at).unwrap_or_default().into()
    }

    /// The plan in force.
    pub fn plan(&self) -> &MediaPlan {
        self.relay.plans.last().expect("a plan was applied")
    }

    /// How the only call ended.
    pub fn end(&self) -> &CallEnd {
        let ends = self.audit.ends();
        assert_eq!(ends.len(), 1, "{ends:?}\n{}", self.ladder());
        ends[0]
    }

    /// What policy refused, oldest first.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.audit.refusals.iter().map(|refusal| refusal.refusal).collect()
    }

    /// Everything that passed, a line a message.
    pub fn ladder(&self) -> String {
        self.ladder.join("\n")
    }

    /// A new number, for identifiers.
    pub fn next_serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    /// Runs time far ahead; then nothing of any call may be left.
    pub fn finish(mut self) {
        self.advance(Duration::from_secs(300));
        let left = self.edge.statistics();
        assert!(self.edge.is_idle(), "left: {left:?}\n{}", self.ladder());
        assert_eq!(self.edge.poll_timeout(), None, "a timer is left\n{}", self.ladder());
        assert_eq!(self.edge.active_calls(), 0);
        assert_eq!(self.relay.open(), 0, "ports are left\n{}", self.ladder());
        self.audit.check_records();
    }

    fn pump(&mut self) {
        while let Some(output) = self.edge.poll_output() {
            match output {
                Output::Transmit(transmit) => self.deliver(transmit),
                Output::Media(command) => {
                    if let Some(event) = self.relay.handle(command) {
                        self.edge.handle_media_event(self.now, event);
                    }
                }
                Output::Call(event) => self.audit.events.push(event),
                Output::Application(event) => self.told.push(event),
                Output::Sip(observation) => self.audit.note_observation(observation),
                Output::Kept(kept) => self.keep(kept),
                Output::Identity { identity, expected } => {
                    let before = self.identities.insert(identity, expected);
                    assert_eq!(before, None, "an identity is told once");
                }
                Output::Resolve { id, wanted } => self.resolve(id, wanted),
            }
        }
    }

    fn resolve(&mut self, id: ResolveId, wanted: Wanted) {
        let host = wanted.host.clone();
        let protocol = wanted.transport.unwrap_or(TransportProtocol::Udp);
        self.asked.push(wanted);
        let targets = match (self.servers.get(&*host), self.names.get(&*host)) {
            (Some(targets), _) => targets.clone(),
            (None, Some(found)) => found.iter().map(|at| Target::literal(*at, protocol)).collect(),
            (None, None) => {
                self.questions.push((id, host));
                return;
            }
        };
        self.edge.handle_resolved(self.now, id, targets);
    }

    fn deliver(&mut self, transmit: Transmit) {
        let Transmit { flow, payload, client } = transmit;
        if payload.iter().all(u8::is_ascii_whitespace) {
            self.keep_alives.push((self.now, flow.remote));
            return;
        }
        self.note(flow.remote, "<-", &payload);
        let stream = flow.protocol.is_reliable();
        if stream && self.lost_streams.contains(&flow.remote) {
            return;
        }
        let refused = stream && self.no_streams.contains(&flow.remote);
        if refused || self.unreachable.contains(&flow.remote) {
            if let Some(client) = client {
                self.edge.handle_unreachable(self.now, client);
            }
            return;
        }
        if flow.protocol.is_web_socket() {
            // Nobody opens one to a browser; the transport says so, and tries no other.
            let is_open = flow.connection.is_some_and(|id| !self.streams.is_closed(id));
            if !is_open {
                if let Some(client) = client {
                    self.edge.handle_unreachable(self.now, client);
                }
                return;
            }
        } else if flow.protocol.is_reliable() {
            if self.streams.waits(&flow, &payload) {
                return;
            }
            let open = flow.connection.filter(|id| !self.streams.is_closed(*id));
            match (open, self.connections.get(&flow.remote)) {
                (Some(asked), known) => assert_eq!(Some(&asked), known, "a connection is reused"),
                (None, Some(_)) => {}
                (None, None) => {
                    if flow.protocol == TransportProtocol::Tls {
                        let identity = flow.identity.expect("TLS is opened to somebody");
                        assert!(self.identities.contains_key(&identity), "told before");
                        self.secure.insert(flow.remote, Some(identity));
                    }
                    self.connect(flow.remote);
                    self.opened.push(flow.remote);
                }
            }
        }
        let message = self.audit.check_message(flow.remote, &payload);
        if self.losing.as_mut().is_some_and(|l| !l.arrives(self.now, flow.remote, &message)) {
            self.note(flow.remote, "x-", &payload);
            return;
        }
        self.inboxes.entry(flow.remote).or_default().push_back(message);
    }

    fn note(&mut self, peer: SocketAddr, arrow: &str, raw: &Bytes) {
        let line = String::from_utf8_lossy(sip_proto::start_line_of(raw)).into_owned();
        self.ladder.push(format!("{:?} {peer} {arrow} {line}", self.now));
    }
}

/// How long an endpoint waits for a message that may have been lost: longer than any transaction.
const WAIT: Duration = Duration::from_millis(50);
const MAX_WAITS: usize = 800;

impl Default for World {
    fn default() -> Self {
        World::new()
    }
}

/// These addresses as targets for datagrams.
pub(crate) fn over_udp(addresses: &[SocketAddr]) -> Vec<Target> {
    addresses.iter().map(|at| Target::literal(*at, TransportProtocol::Udp)).collect()
}

/// What a message is, in a word: its method or its status.
pub(crate) fn word(message: &Message) -> String {
    match (message.method(), message.status()) {
        (Some(method), _) => method.as_str().to_owned(),
        (None, Some(status)) => status.to_string(),
        (None, None) => String::new(),
    }
}
