//! Random calls over a bad network, all from one seed.

use crate::audit::Audit;
use crate::endpoint::Actor;
use crate::fixture::{CARRIER, CARRIER_2, EDGE, PBX, config, directory, snapshot};
use crate::network::{Conditions, Rng};
use crate::relay::{FakeRelay, RelayMode};
use crate::secured::{self, KeyWatch};
use crate::world::over_udp;
use b2bua::{Edge, Output, ResolveId};
use bytes::Bytes;
use model::{AllocationFailure, CallEventKind, Flow, Instant, MediaEvent, TransportProtocol};
use sip_proto::ClientKey;
use sip_proto::locate::Target;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// What a run saw, for a test that wants to know that it saw enough.
#[derive(Clone, Copy, Default, Debug)]
pub struct Outcome {
    /// Calls that were attempted.
    pub attempted: usize,
    /// Calls that were answered.
    pub answered: usize,
    /// Legs that went over to another call.
    pub transferred: usize,
    /// Answers of the edge with a key.
    pub secured: usize,
    /// Messages that the edge sent.
    pub sent: usize,
}

enum Arrival {
    AtEdge { from: SocketAddr, raw: Bytes },
    AtEndpoint { to: SocketAddr, raw: Bytes },
    Media(MediaEvent),
    Resolved(ResolveId, Vec<Target>),
    Refused(ClientKey),
    Dial { actor: usize, number: &'static str },
    EndAll,
}

/// One run.
pub struct Simulation {
    edge: Edge,
    relay: FakeRelay,
    audit: Audit,
    keys: KeyWatch,
    actors: Vec<Actor>,
    rng: Rng,
    conditions: Conditions,
    arrivals: BTreeMap<(Instant, u64), Arrival>,
    serial: u64,
    now: Instant,
    /// The last datagrams to the edge: now and then an old one comes once more.
    recent: VecDeque<(SocketAddr, Bytes)>,
    outcome: Outcome,
    trace: bool,
}

impl Simulation {
    /// Everything that follows from `seed`. With `trace` every message is printed.
    pub fn new(seed: u64, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let mut settings = config();
        settings.max_call_duration = Duration::from_secs(400);
        settings.no_answer_timeout = Duration::from_secs(20);
        settings.session_expires = Duration::from_secs(100);
        if rng.percent(20) {
            // Nearly every INVITE is too big for a datagram, and nobody takes a stream.
            settings.max_datagram_request = 700;
        }
        let mut resources = directory();
        if rng.percent(30) {
            resources.carriers[0].host = directory::Host::parse("sip.first.example").unwrap();
        }
        if seed.is_multiple_of(2) {
            resources.carriers.iter_mut().for_each(|c| c.hold_music = Some("carrier.wav".into()));
            let connectors = &mut resources.voice_connectors;
            connectors.iter_mut().for_each(|c| c.hold_music = Some("customer.wav".into()));
        }
        // By dice of its own: runs without SRTP stay what they were.
        let habits = secured::choose(&mut Rng::new(!seed), &mut resources);
        let mut audit = Audit::default();
        let actors = [PBX, CARRIER, CARRIER_2].into_iter().zip(100..).map(|(at, node)| {
            audit.keep_secret(at, &at.ip().to_string());
            audit.keep_secret(at, &format!("inner-{}.example", at.port()));
            audit.keep_secret(at, &secured::key_mark(at));
            let mut actor = Actor::new(at, EDGE, node, Rng::new(rng.next()));
            actor.habit = habits.of(at);
            actor
        });
        let actors: Vec<Actor> = actors.collect();
        let conditions = Conditions::draw(&mut rng);
        let random = Box::new(Rng::new(rng.next()));
        let mut simulation = Simulation {
            edge: Edge::new(settings, snapshot(resources), random),
            relay: FakeRelay::new(),
            audit,
            keys: KeyWatch::new(&habits),
            actors,
            conditions,
            rng,
            arrivals: BTreeMap::new(),
            serial: 0,
            recent: VecDeque::new(),
            now: Instant::from_millis(1),
            outcome: Outcome::default(),
            trace,
        };
        simulation.plan_calls();
        simulation
    }

    /// Runs until nothing happens any more.
    ///
    /// # Panics
    /// When one of the invariants does not hold.
    pub fn run(mut self) -> Outcome {
        let limit = Instant::from_millis(2_000_000);
        while let Some(at) = self.next_time() {
            assert!(at < limit, "still busy: {:?}", self.edge.statistics());
            self.now = self.now.max(at);
            self.step();
        }
        let left = self.edge.statistics();
        assert!(self.edge.is_idle(), "left: {left:?}");
        assert_eq!(self.edge.active_calls(), 0);
        assert_eq!(self.relay.open(), 0, "ports are left");
        self.audit.check_records();
        self.outcome.secured = self.keys.answers;
        for event in &self.audit.events {
            match event.kind {
                CallEventKind::Attempted { .. } => self.outcome.attempted += 1,
                CallEventKind::Answered => self.outcome.answered += 1,
                CallEventKind::Transferred { .. } => self.outcome.transferred += 1,
                _ => {}
            }
        }
        self.outcome
    }

    fn plan_calls(&mut self) {
        for _ in 0..=self.rng.below(5) {
            let at = self.now + self.rng.millis(0, 60_000);
            let (actor, number) = self.rng.pick(&[
                (0, "+12065550123"),
                (0, "+12065550124"),
                (1, "+12065550100"),
                (2, "+12065550100"),
            ]);
            self.arrive(at, Arrival::Dial { actor, number });
        }
        if self.rng.percent(10) {
            let at = self.now + self.rng.millis(0, 90_000);
            self.arrive(at, Arrival::EndAll);
        }
    }

    fn arrive(&mut self, at: Instant, arrival: Arrival) {
        self.serial += 1;
        self.arrivals.insert((at, self.serial), arrival);
    }

    fn next_time(&self) -> Option<Instant> {
        let arrival = self.arrivals.keys().next().map(|(at, _)| *at);
        let actors = self.actors.iter().filter_map(Actor::poll_timeout).min();
        [arrival, actors, self.edge.poll_timeout()].into_iter().flatten().min()
    }

    fn step(&mut self) {
        while let Some(entry) = self.arrivals.first_entry()
            && entry.key().0 <= self.now
        {
            let arrival = entry.remove();
            self.take(arrival);
        }
        for actor in &mut self.actors {
            actor.handle_timeout(self.now);
        }
        self.edge.handle_timeout(self.now);
        self.collect();
    }

    fn take(&mut self, arrival: Arrival) {
        let now = self.now;
        match arrival {
            Arrival::AtEdge { from, raw } => {
                let flow = Flow {
                    protocol: TransportProtocol::Udp,
                    local: EDGE,
                    remote: from,
                    connection: None,
                    identity: None,
                };
                self.edge.handle_input(now, flow, raw);
            }
            Arrival::AtEndpoint { to, raw } => {
                if let Some(actor) = self.actors.iter_mut().find(|actor| actor.at == to) {
                    actor.handle_input(now, raw);
                }
            }
            Arrival::Media(event) => self.edge.handle_media_event(now, event),
            Arrival::Resolved(id, targets) => self.edge.handle_resolved(now, id, targets),
            Arrival::Refused(client) => self.edge.handle_unreachable(now, client),
            Arrival::Dial { actor, number } => self.actors[actor].call(now, number),
            Arrival::EndAll => self.edge.end_all(now),
        }
        self.collect();
    }

    /// Puts everything that anybody wants sent on its way.
    fn collect(&mut self) {
        while let Some(output) = self.edge.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    let (to, raw) = (transmit.flow.remote, transmit.payload);
                    let message = self.audit.check_message(to, &raw);
                    self.keys.check(to, &message);
                    self.outcome.sent += 1;
                    self.note(to, "<-", &raw);
                    if transmit.flow.protocol.is_reliable() {
                        // Refused, or lost on its way; the edge cannot tell how long either takes.
                        if let Some(client) = transmit.client.filter(|_| self.rng.percent(50)) {
                            let at = self.now + self.rng.millis(1, 3_000);
                            self.arrive(at, Arrival::Refused(client));
                        }
                        continue;
                    }
                    for delay in self.conditions.delays(&mut self.rng) {
                        self.arrive(self.now + delay, Arrival::AtEndpoint { to, raw: raw.clone() });
                    }
                }
                Output::Media(command) => self.command_relay(command),
                Output::Call(event) => self.audit.events.push(event),
                Output::Sip(observation) => self.audit.note_observation(observation),
                Output::Identity { .. } | Output::Kept(_) | Output::Application(_) => {}
                Output::Resolve { id, .. } => {
                    let addresses = self.rng.pick(&[&[CARRIER][..], &[CARRIER_2, CARRIER], &[]]);
                    let at = self.now + self.rng.millis(1, 9_000);
                    self.arrive(at, Arrival::Resolved(id, over_udp(addresses)));
                }
            }
        }
        for index in 0..self.actors.len() {
            while let Some(transmit) = self.actors[index].poll_transmit() {
                let from = self.actors[index].at;
                self.note(from, "->", &transmit.payload);
                self.keys.note(&transmit.payload);
                for delay in self.conditions.delays(&mut self.rng) {
                    let raw = transmit.payload.clone();
                    self.arrive(self.now + delay, Arrival::AtEdge { from, raw });
                }
                self.recent.push_back((from, transmit.payload));
                if self.recent.len() > 64 {
                    self.recent.pop_front();
                }
                if self.rng.percent(self.conditions.revenants()) {
                    let at = self.rng.below(self.recent.len() as u64) as usize;
                    let (from, raw) = self.recent[at].clone();
                    let delay = self.rng.millis(0, 40_000);
                    self.arrive(self.now + delay, Arrival::AtEdge { from, raw });
                }
            }
        }
    }

    fn command_relay(&mut self, command: model::MediaCommand) {
        self.relay.mode = match self.rng.below(30) {
            0 => RelayMode::Fails(AllocationFailure::PortsExhausted),
            _ => RelayMode::Answers,
        };
        if let model::MediaCommand::Apply { plan, .. } = &command {
            self.keys.check_plan(plan);
        }
        if let Some(event) = self.relay.handle(command) {
            let at = self.now + self.rng.millis(0, 1_500);
            self.arrive(at, Arrival::Media(event));
        }
    }

    fn note(&self, peer: SocketAddr, arrow: &str, raw: &Bytes) {
        if self.trace {
            let line = String::from_utf8_lossy(sip_proto::start_line_of(raw)).into_owned();
            let call_id = sip_proto::call_id_of(raw).unwrap_or_default();
            eprintln!("{:?} {peer} {arrow} {line}  [{call_id:.12}]", self.now);
        }
    }
}
