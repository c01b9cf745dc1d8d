//! All destinations that are asked with OPTIONS, each once however many targets share it. Pure: it
//! says what to resolve and whom to ask, and is told what came of it.

use super::HealthConfig;
use super::probe::{Liveness, Probe, RoundState, Verdict};
use directory::{Destination, Host, Snapshot, Target};
use model::{HealthCause, HealthEvent, Instant, TargetHealth, TransportProtocol};
use sip_proto::locate::Target as ServerTarget;
use sip_proto::{ClientKey, Random};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// A destination, for the answers to its questions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ProbeId(pub(crate) u32);

/// What a probe wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Find the servers of a name; [`Probes::handle_resolved`] follows. Without a transport the DNS
    /// chooses one.
    Resolve {
        probe: ProbeId,
        serial: u8,
        host: Arc<str>,
        port: Option<u16>,
        transport: Option<TransportProtocol>,
    },
    /// Send OPTIONS; [`Probes::asked`] follows.
    Ask { probe: ProbeId, destination: Destination, address: SocketAddr },
}

/// Addresses of a name that one round asks; the rest is not asked.
const ADDRESSES_A_ROUND: usize = 4;

pub(crate) struct Probes {
    config: HealthConfig,
    probes: HashMap<ProbeId, (Destination, Probe)>,
    by_destination: HashMap<Destination, ProbeId>,
    by_client: HashMap<ClientKey, ProbeId>,
    deadlines: BTreeSet<(Instant, ProbeId)>,
    /// Probes without a deadline: they came with a directory, which tells no time.
    unscheduled: Vec<ProbeId>,
    actions: VecDeque<Action>,
    news: VecDeque<HealthEvent>,
    next_id: u32,
    dead: usize,
}

impl Probes {
    pub(super) fn new(config: HealthConfig) -> Self {
        Probes {
            config,
            probes: HashMap::new(),
            by_destination: HashMap::new(),
            by_client: HashMap::new(),
            deadlines: BTreeSet::new(),
            unscheduled: Vec::new(),
            actions: VecDeque::new(),
            news: VecDeque::new(),
            next_id: 0,
            dead: 0,
        }
    }

    /// Asks whom this directory wants asked, and nobody else.
    pub(super) fn follow(&mut self, directory: &Snapshot, news: &mut VecDeque<HealthEvent>) {
        let mut before: Vec<Arc<str>> = Vec::new();
        for (_, probe) in self.probes.values_mut() {
            before.append(&mut probe.names);
        }
        let mut wanted: HashMap<Destination, Vec<&Arc<Target>>> = HashMap::new();
        for target in directory.targets().filter(|target| target.options_ping.is_some()) {
            wanted.entry(target.destination.clone()).or_default().push(target);
        }
        let gone: Vec<ProbeId> = self
            .by_destination
            .iter()
            .filter(|(destination, _)| !wanted.contains_key(destination))
            .map(|(_, id)| *id)
            .collect();
        gone.into_iter().for_each(|id| self.remove(id));
        let mut after: HashSet<Arc<str>> = HashSet::new();
        for (destination, targets) in wanted {
            after.extend(targets.iter().map(|target| target.name.clone()));
            self.want(destination, &targets);
        }
        before.retain(|name| !after.contains(name));
        news.extend(before.into_iter().map(|name| HealthEvent::TargetForgotten { name }));
    }

    fn want(&mut self, destination: Destination, targets: &[&Arc<Target>]) {
        let intervals = targets.iter().filter_map(|target| target.options_ping);
        let Some(interval) = intervals.min() else { return };
        let id = self.by_destination.get(&destination).copied().unwrap_or_else(|| {
            let id = ProbeId(self.next_id);
            self.next_id = self.next_id.wrapping_add(1);
            self.by_destination.insert(destination.clone(), id);
            self.probes.insert(id, (destination, Probe::new(interval)));
            self.unscheduled.push(id);
            id
        });
        if let Some((_, probe)) = self.probes.get_mut(&id) {
            probe.interval = interval;
            probe.names = targets.iter().map(|target| target.name.clone()).collect();
        }
    }

    /// Asks nobody any more. What is known stays known.
    pub(crate) fn stop(&mut self) {
        self.deadlines.clear();
        self.by_client.clear();
        self.unscheduled.clear();
        self.actions.clear();
        for (_, probe) in self.probes.values_mut() {
            probe.deadline = None;
            probe.client = None;
            probe.round = crate::machine::Machine::default();
        }
    }

    fn remove(&mut self, id: ProbeId) {
        let Some((destination, probe)) = self.probes.remove(&id) else { return };
        self.by_destination.remove(&destination);
        self.by_client.retain(|_, probe| *probe != id);
        self.unscheduled.retain(|probe| *probe != id);
        if let Some(at) = probe.deadline {
            self.deadlines.remove(&(at, id));
        }
        self.dead -= usize::from(probe.liveness.state() == Liveness::Down);
    }

    pub(super) fn knows_of_dead(&self) -> bool {
        self.dead > 0
    }

    pub(super) fn is_down(&self, target: &Target) -> bool {
        self.dead > 0
            && self
                .by_destination
                .get(&target.destination)
                .and_then(|id| self.probes.get(id))
                .is_some_and(|(_, probe)| probe.liveness.state() == Liveness::Down)
    }

    /// Whether no question is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.by_client.is_empty() && self.actions.is_empty()
    }

    /// When to call [`Probes::handle_timeout`]; at once for probes that are new.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if !self.unscheduled.is_empty() {
            return Some(Instant::ZERO);
        }
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Begins rounds and gives up waits whose time has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant, random: &mut dyn Random) {
        for id in std::mem::take(&mut self.unscheduled) {
            if let Some((_, probe)) = self.probes.get(&id) {
                let delay = probe.first_delay(random.next_u64());
                self.arm(id, now + delay);
            }
        }
        while let Some((at, id)) = self.deadlines.first().copied()
            && at <= now
        {
            self.deadlines.pop_first();
            let Some((_, probe)) = self.probes.get_mut(&id) else { continue };
            probe.deadline = None;
            match probe.round.state() {
                RoundState::Resting => self.begin(now, id),
                RoundState::Resolving => self.conclude(now, id, HealthCause::Unresolved, random),
                RoundState::Asking => self.failed(now, id, HealthCause::Timeout, random),
            }
        }
    }

    /// The probe that waits for a request's outcome.
    pub(crate) fn of_client(&self, client: ClientKey) -> Option<ProbeId> {
        self.by_client.get(&client).copied()
    }

    /// What was sent for an [`Action::Ask`]; `None` when it could not be.
    pub(crate) fn asked(
        &mut self,
        now: Instant,
        id: ProbeId,
        client: Option<ClientKey>,
        random: &mut dyn Random,
    ) {
        match (client, self.probes.get_mut(&id)) {
            (Some(client), Some((_, probe))) => {
                probe.client = Some(client);
                self.by_client.insert(client, id);
            }
            (None, Some(_)) => self.failed(now, id, HealthCause::Unreachable, random),
            (_, None) => {}
        }
    }

    /// A final response came.
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        id: ProbeId,
        status: u16,
        random: &mut dyn Random,
    ) {
        if Probe::is_alive(status) {
            self.conclude(now, id, HealthCause::Status(status), random);
        } else {
            self.failed(now, id, HealthCause::Status(status), random);
        }
    }

    /// No response came.
    pub(crate) fn handle_no_response(
        &mut self,
        now: Instant,
        id: ProbeId,
        cause: HealthCause,
        random: &mut dyn Random,
    ) {
        self.failed(now, id, cause, random);
    }

    /// The resolver answered.
    pub(crate) fn handle_resolved(
        &mut self,
        now: Instant,
        id: ProbeId,
        serial: u8,
        targets: &[ServerTarget],
        random: &mut dyn Random,
    ) {
        let Some((_, probe)) = self.probes.get_mut(&id) else { return };
        if probe.round.state() != RoundState::Resolving || probe.serial != serial {
            return;
        }
        let addresses = targets.iter().map(|target| (target.address, target.transport));
        probe.addresses = addresses.take(ADDRESSES_A_ROUND).collect();
        if probe.addresses.is_empty() {
            self.conclude(now, id, HealthCause::Unresolved, random);
        } else {
            self.ask_next(now, id);
        }
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    pub(super) fn poll_news(&mut self) -> Option<HealthEvent> {
        self.news.pop_front()
    }

    fn begin(&mut self, now: Instant, id: ProbeId) {
        let Some((destination, probe)) = self.probes.get_mut(&id) else { return };
        let protocol = destination.protocol;
        match &destination.host {
            Host::Ip(ip) => {
                let port = destination.port.unwrap_or(protocol.default_port());
                probe.addresses = [(SocketAddr::new(*ip, port), protocol)].into();
                self.ask_next(now, id);
            }
            Host::Name(host) => {
                probe.round.go(RoundState::Resolving);
                probe.serial = probe.serial.wrapping_add(1);
                let (serial, host, port) = (probe.serial, host.clone(), destination.port);
                let chosen = destination.choose_transport && port.is_none();
                let transport = (!chosen).then_some(protocol);
                let action = Action::Resolve { probe: id, serial, host, port, transport };
                self.actions.push_back(action);
                self.arm_wait(now, id);
            }
        }
    }

    fn ask_next(&mut self, now: Instant, id: ProbeId) {
        let Some((destination, probe)) = self.probes.get_mut(&id) else { return };
        let Some((address, protocol)) = probe.addresses.pop_front() else { return };
        probe.round.go(RoundState::Asking);
        let destination = Destination { protocol, ..destination.clone() };
        self.actions.push_back(Action::Ask { probe: id, destination, address });
        self.arm_wait(now, id);
    }

    /// One address failed: the next one is asked, or the round is lost.
    fn failed(&mut self, now: Instant, id: ProbeId, cause: HealthCause, random: &mut dyn Random) {
        self.forget_client(id);
        let Some((_, probe)) = self.probes.get(&id) else { return };
        if probe.round.state() != RoundState::Asking {
            return;
        }
        if probe.addresses.is_empty() {
            self.conclude(now, id, cause, random);
        } else {
            self.ask_next(now, id);
        }
    }

    fn conclude(&mut self, now: Instant, id: ProbeId, cause: HealthCause, random: &mut dyn Random) {
        self.forget_client(id);
        let Some((destination, probe)) = self.probes.get_mut(&id) else { return };
        let was_down = probe.liveness.state() == Liveness::Down;
        let Verdict { is_up, is_change, is_recovery, cause } = probe.conclude(&self.config, cause);
        self.dead = self.dead + usize::from(!is_up) - usize::from(was_down);
        let destination: Arc<str> = destination.to_string().into();
        self.news.extend(probe.names.iter().map(|name| {
            let (name, destination) = (name.clone(), destination.clone());
            HealthEvent::Target(TargetHealth {
                name,
                destination,
                is_up,
                is_change,
                is_recovery,
                cause,
                at: now,
            })
        }));
        let next = now + probe.next_interval(random.next_u64());
        self.arm(id, next);
    }

    fn forget_client(&mut self, id: ProbeId) {
        let client = self.probes.get_mut(&id).and_then(|(_, probe)| probe.client.take());
        if let Some(client) = client {
            self.by_client.remove(&client);
        }
    }

    fn arm_wait(&mut self, now: Instant, id: ProbeId) {
        let Some((_, probe)) = self.probes.get(&id) else { return };
        let patience = self.config.ping_timeout.min(probe.interval);
        self.arm(id, now + patience);
    }

    fn arm(&mut self, id: ProbeId, at: Instant) {
        let Some((_, probe)) = self.probes.get_mut(&id) else { return };
        if let Some(old) = probe.deadline.replace(at) {
            self.deadlines.remove(&(old, id));
        }
        self.deadlines.insert((at, id));
    }
}
