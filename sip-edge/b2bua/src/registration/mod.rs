//! Our registrations at carriers (RFC 3261 section 10.2). Pure: it says whom to resolve and where to
//! send a REGISTER, and is told what came of it.
//!
//! Each carrier with `register = true` has one registration with a Contact of its own: the user part
//! is a random token, so that a call to it can only come from where we registered. A registration is
//! refreshed at about four fifths of its time; what fails is tried at the carrier's next address,
//! and then again after a growing, jittered wait (RFC 5626 section 4.5).

mod ask;
mod entry;
mod keep_alive;
mod spread;

#[cfg(test)]
mod tests;

use crate::call::LegAuthentication;
use directory::{Carrier, Host, Snapshot};
use entry::{Registration, RegistrationState};
use model::{ConnectionId, Flow, Instant, RegistrationEvent, RegistrationNews};
use sip_proto::locate::{Target, Wanted};
use sip_proto::{ClientKey, Random};
use spread::{half_jittered, jittered, refresh_after};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use entry::Granted;

/// A registration, for the answers to its questions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct RegistrationId(pub(crate) u32);

/// What a registration wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Find the servers of a name; [`Registrations::handle_resolved`] follows.
    Resolve { id: RegistrationId, serial: u8, wanted: Wanted },
    /// Send a REGISTER to its target; [`Registrations::sent`] follows.
    Send { id: RegistrationId },
    /// Let something pass to where it is registered.
    KeepAlive { id: RegistrationId },
}

/// How long the resolver may take, and a carrier's address without a response.
const PATIENCE: Duration = Duration::from_secs(5);
/// Addresses of a name that one round tries.
const ADDRESSES_A_ROUND: usize = 4;
/// The first wait after a failed round, and the longest (RFC 5626 section 4.5).
const BASE_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(1_800);
/// How often a registrar may ask for a longer time in one round (423).
const MAX_BRIEF_REFUSALS: u8 = 2;
/// A restart of many nodes does not become a burst of REGISTERs.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// All registrations of a worker; at most one for each carrier of the directory, and those that are
/// being removed.
#[derive(Default)]
pub(crate) struct Registrations {
    all: BTreeMap<RegistrationId, Registration>,
    by_client: HashMap<ClientKey, RegistrationId>,
    deadlines: BTreeSet<(Instant, RegistrationId)>,
    /// Without a deadline yet: they came or go with a directory, which tells no time.
    unscheduled: Vec<RegistrationId>,
    actions: VecDeque<Action>,
    news: VecDeque<RegistrationEvent>,
    next_id: u32,
    stopped: bool,
    /// How often something passes over UDP to where we are registered.
    keep_alive: Option<Duration>,
}

impl Registrations {
    /// None yet. Something passes over UDP at least every `keep_alive` to where we are registered.
    pub(crate) fn new(keep_alive: Option<Duration>) -> Self {
        Registrations { keep_alive, ..Registrations::default() }
    }

    /// Registers at the carriers of this directory that want it, and nowhere else any more.
    pub(crate) fn follow(&mut self, directory: &Snapshot, new_token: &mut dyn FnMut() -> Arc<str>) {
        if self.stopped {
            return;
        }
        let wanted: Vec<&Arc<Carrier>> =
            directory.carriers().filter(|carrier| carrier.registration.is_some()).collect();
        let gone: Vec<RegistrationId> = self
            .all
            .iter()
            .filter(|(_, entry)| !entry.leaving)
            .filter(|(_, entry)| !wanted.iter().any(|carrier| entry.is_for(carrier)))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.leave(id);
        }
        for carrier in wanted {
            if let Some(entry) = self.all.values_mut().find(|e| !e.leaving && e.is_for(carrier)) {
                entry.carrier = carrier.clone();
                continue;
            }
            let id = RegistrationId(self.next_id);
            self.next_id = self.next_id.wrapping_add(1);
            let names = [new_token(), new_token(), new_token()];
            self.all.insert(id, Registration::new(carrier.clone(), names));
            self.unscheduled.push(id);
        }
    }

    /// Removes every registration: the node stops.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        let all: Vec<RegistrationId> = self.all.keys().copied().collect();
        all.into_iter().for_each(|id| self.leave(id));
    }

    fn leave(&mut self, id: RegistrationId) {
        if let Some(entry) = self.all.get_mut(&id) {
            entry.leaving = true;
            self.unscheduled.push(id);
        }
    }

    /// Registrations that there are to be, and those that are.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let wanted = self.all.values().filter(|entry| !entry.leaving);
        let held = wanted.clone().filter(|entry| entry.until.is_some());
        (wanted.count() as u64, held.count() as u64)
    }

    /// Whether no question is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.by_client.is_empty() && self.actions.is_empty()
    }

    /// The carrier whose registered Contact `user` names, or where we are registered at `source`.
    pub(crate) fn carrier_of(&self, user: Option<&str>, source: IpAddr) -> Option<&Arc<Carrier>> {
        let held = || self.all.values().filter(|entry| entry.until.is_some());
        let named = user.and_then(|user| held().find(|entry| &*entry.token == user));
        let found = named.or_else(|| held().find(|entry| entry.is_at(source)));
        found.map(|entry| &entry.carrier)
    }

    /// Whether `user` is that of a Contact that is registered.
    pub(crate) fn is_contact(&self, user: &str) -> bool {
        self.all.values().any(|entry| entry.until.is_some() && &*entry.token == user)
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    pub(crate) fn poll_news(&mut self) -> Option<RegistrationEvent> {
        self.news.pop_front()
    }

    /// When to call [`Registrations::handle_timeout`]; at once for what is new.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if !self.unscheduled.is_empty() {
            return Some(Instant::ZERO);
        }
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Begins what is due, and gives up what took too long.
    pub(crate) fn handle_timeout(&mut self, now: Instant, random: &mut dyn Random) {
        for id in std::mem::take(&mut self.unscheduled) {
            let Some(entry) = self.all.get_mut(&id) else { continue };
            if entry.leaving {
                self.remove(now, id);
            } else {
                entry.due = Some(now + jittered(FIRST_WAIT, random));
                self.arm(id);
            }
        }
        while let Some((at, id)) = self.deadlines.first().copied()
            && at <= now
        {
            self.deadlines.pop_first();
            self.deadline_passed(now, id, random);
            self.arm(id);
        }
    }

    fn deadline_passed(&mut self, now: Instant, id: RegistrationId, random: &mut dyn Random) {
        let Some(entry) = self.all.get_mut(&id) else { return };
        entry.armed = None;
        if entry.until.is_some_and(|until| until <= now) {
            entry.until = None;
            self.tell(now, id, RegistrationNews::Lost);
        }
        self.keep_alive_passed(now, id);
        let Some(entry) = self.all.get_mut(&id) else { return };
        if entry.due.is_none_or(|due| due > now) {
            return;
        }
        entry.due = None;
        match entry.machine.state() {
            RegistrationState::Waiting | RegistrationState::Registered => self.begin(now, id),
            RegistrationState::Resolving => self.failed(now, id, 0, None, random),
            RegistrationState::Asking => self.failed(now, id, 408, None, random),
            RegistrationState::Removing => self.over(now, id),
        }
    }

    /// The registration that waits for a request's outcome.
    pub(crate) fn of_client(&self, client: ClientKey) -> Option<RegistrationId> {
        self.by_client.get(&client).copied()
    }

    /// For the sender of its requests.
    pub(crate) fn get_mut(&mut self, id: RegistrationId) -> Option<&mut Registration> {
        self.all.get_mut(&id)
    }

    /// What was sent for an [`Action::Send`], or with credentials after it; `None` when it could not
    /// be.
    pub(crate) fn sent(
        &mut self,
        now: Instant,
        id: RegistrationId,
        client: Option<ClientKey>,
        random: &mut dyn Random,
    ) {
        self.forget_client(id);
        let Some(entry) = self.all.get_mut(&id) else { return };
        match client {
            Some(client) => {
                entry.client = Some(client);
                entry.due = Some(now + PATIENCE);
                self.by_client.insert(client, id);
                self.arm(id);
            }
            None => {
                self.failed(now, id, 503, None, random);
                self.arm(id);
            }
        }
    }

    /// A final response came, and it does not ask for credentials that we could show.
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        id: RegistrationId,
        granted: Granted,
        flow: Flow,
        random: &mut dyn Random,
    ) {
        self.forget_client(id);
        let Some(entry) = self.all.get_mut(&id) else { return };
        entry.connection = flow.connection;
        let asking = entry.machine.state() == RegistrationState::Asking;
        match granted {
            _ if entry.machine.state() == RegistrationState::Removing => self.over(now, id),
            _ if !asking => {}
            Granted::For(seconds) if seconds > 0 => self.granted(now, id, seconds, random),
            Granted::For(_) => self.failed(now, id, 200, None, random),
            Granted::TooBrief { min_seconds } if entry.lengthen(min_seconds) => self.send(id),
            Granted::TooBrief { .. } => self.failed(now, id, 423, None, random),
            Granted::Refused { status, retry_after } => {
                self.failed(now, id, status, retry_after, random);
            }
        }
        self.arm(id);
    }

    fn granted(&mut self, now: Instant, id: RegistrationId, seconds: u32, random: &mut dyn Random) {
        let Some(entry) = self.all.get_mut(&id) else { return };
        let first = entry.until.is_none();
        let lifetime = Duration::from_secs(seconds.into());
        entry.until = Some(now + lifetime);
        entry.keep_alive(now, self.keep_alive);
        entry.due = Some(now + refresh_after(lifetime, random));
        entry.failures = 0;
        entry.brief_refusals = 0;
        entry.targets.clear();
        entry.machine.go(RegistrationState::Registered);
        if first {
            self.tell(now, id, RegistrationNews::Registered { seconds });
        }
        if self.all.get(&id).is_some_and(|entry| entry.leaving) {
            self.remove(now, id);
        }
    }

    /// No response came.
    pub(crate) fn handle_no_response(
        &mut self,
        now: Instant,
        id: RegistrationId,
        status: u16,
        random: &mut dyn Random,
    ) {
        self.forget_client(id);
        let state = self.all.get(&id).map(|entry| entry.machine.state());
        match state {
            Some(RegistrationState::Asking) => self.failed(now, id, status, None, random),
            Some(RegistrationState::Removing) => self.over(now, id),
            _ => {}
        }
        self.arm(id);
    }

    /// The resolver answered.
    pub(crate) fn handle_resolved(
        &mut self,
        now: Instant,
        id: RegistrationId,
        serial: u8,
        targets: &[Target],
        random: &mut dyn Random,
    ) {
        let Some(entry) = self.all.get_mut(&id) else { return };
        if entry.machine.state() != RegistrationState::Resolving || entry.serial != serial {
            return;
        }
        entry.targets = targets.iter().take(ADDRESSES_A_ROUND).cloned().collect();
        if !self.ask_next(id) {
            self.failed(now, id, 0, None, random);
        }
        self.arm(id);
    }

    /// A connection closed. The binding led over it, so a new one is made at once.
    pub(crate) fn handle_connection_closed(&mut self, now: Instant, connection: ConnectionId) {
        let concerned: Vec<RegistrationId> = self
            .all
            .iter()
            .filter(|(_, entry)| entry.connection == Some(connection))
            .map(|(id, _)| *id)
            .collect();
        for id in concerned {
            let Some(entry) = self.all.get_mut(&id) else { continue };
            entry.connection = None;
            if entry.machine.state() == RegistrationState::Registered {
                entry.due = Some(now);
                self.arm(id);
            }
        }
    }

    /// A new round: where the registration is held already, or wherever the name leads now.
    fn begin(&mut self, now: Instant, id: RegistrationId) {
        let Some(entry) = self.all.get_mut(&id) else { return };
        entry.located = false;
        entry.brief_refusals = 0;
        match entry.target.clone().filter(|_| entry.until.is_some()) {
            Some(target) => {
                entry.targets = [target].into();
                self.ask_next(id);
            }
            None => self.locate(now, id),
        }
    }

    fn locate(&mut self, now: Instant, id: RegistrationId) {
        let Some(entry) = self.all.get_mut(&id) else { return };
        entry.located = true;
        let carrier = &entry.carrier;
        match &carrier.host {
            Host::Ip(ip) => {
                let port = carrier.port.unwrap_or(carrier.transport.default_port());
                let target = Target::literal((*ip, port).into(), carrier.transport);
                entry.targets = [target].into();
                self.ask_next(id);
            }
            Host::Name(name) => {
                let chosen = carrier.choose_transport && carrier.port.is_none();
                let transport = (!chosen).then_some(carrier.transport);
                let host = name.clone();
                let wanted = Wanted { host, port: carrier.port, transport, secure: false };
                entry.machine.go(RegistrationState::Resolving);
                entry.serial = entry.serial.wrapping_add(1);
                entry.due = Some(now + PATIENCE);
                let serial = entry.serial;
                self.actions.push_back(Action::Resolve { id, serial, wanted });
            }
        }
    }

    /// Tries the next address of this round; `false` when there is none.
    fn ask_next(&mut self, id: RegistrationId) -> bool {
        let Some(entry) = self.all.get_mut(&id) else { return false };
        let Some(target) = entry.targets.pop_front() else { return false };
        if entry.target.as_ref().is_none_or(|old| old.address != target.address) {
            let address = target.address.ip();
            entry.authentication = LegAuthentication::of(&entry.carrier, address);
            entry.connection = None;
        }
        entry.target = Some(target);
        entry.machine.go(RegistrationState::Asking);
        self.send(id);
        true
    }

    fn send(&mut self, id: RegistrationId) {
        self.actions.push_back(Action::Send { id });
    }

    /// An address failed: the next one is tried, then the name is asked for anew, then we wait.
    /// `status` is 0 for a name without addresses.
    fn failed(
        &mut self,
        now: Instant,
        id: RegistrationId,
        status: u16,
        retry_after: Option<Duration>,
        random: &mut dyn Random,
    ) {
        self.forget_client(id);
        // What one server of the carrier refuses, the others refuse as well.
        let elsewhere = matches!(status, 0 | 408 | 430 | 500..600);
        if elsewhere && self.ask_next(id) {
            return;
        }
        let Some(entry) = self.all.get_mut(&id) else { return };
        if entry.leaving {
            return self.over(now, id);
        }
        let is_name = matches!(entry.carrier.host, Host::Name(_));
        if elsewhere && is_name && !entry.located {
            return self.locate(now, id);
        }
        let doubled = BASE_WAIT.saturating_mul(1 << entry.failures.min(6));
        let wait = half_jittered(doubled.min(LONGEST_WAIT), random);
        let wait = retry_after.unwrap_or_default().min(LONGEST_WAIT).max(wait);
        entry.failures = entry.failures.saturating_add(1);
        entry.due = Some(now + wait);
        entry.targets.clear();
        entry.machine.go(RegistrationState::Waiting);
        self.tell(now, id, RegistrationNews::Failed { status, retry_in: wait });
    }

    /// Takes a registration back, if there is or may be one.
    fn remove(&mut self, now: Instant, id: RegistrationId) {
        let Some(entry) = self.all.get_mut(&id) else { return };
        match (entry.machine.state(), entry.until, &entry.target) {
            // Its outcome decides.
            (RegistrationState::Asking, _, _) => {}
            (RegistrationState::Removing, _, _) => {}
            (_, Some(_), Some(_)) => {
                entry.machine.go(RegistrationState::Removing);
                entry.due = Some(now + PATIENCE);
                self.send(id);
                self.arm(id);
            }
            _ => self.over(now, id),
        }
    }

    fn over(&mut self, now: Instant, id: RegistrationId) {
        self.forget_client(id);
        if self.all.get(&id).is_some_and(|entry| entry.until.is_some()) {
            self.tell(now, id, RegistrationNews::Removed);
        }
        let Some(entry) = self.all.remove(&id) else { return };
        if let Some(at) = entry.armed {
            self.deadlines.remove(&(at, id));
        }
    }

    fn tell(&mut self, at: Instant, id: RegistrationId, news: RegistrationNews) {
        let Some(entry) = self.all.get(&id) else { return };
        let destination = entry.target.as_ref().map(|target| target.address);
        let carrier = entry.carrier.id.clone();
        self.news.push_back(RegistrationEvent { carrier, at, destination, news });
    }

    fn forget_client(&mut self, id: RegistrationId) {
        let client = self.all.get_mut(&id).and_then(|entry| entry.client.take());
        if let Some(client) = client {
            self.by_client.remove(&client);
        }
    }

    fn arm(&mut self, id: RegistrationId) {
        let Some(entry) = self.all.get_mut(&id) else { return };
        let wanted = entry.due.into_iter().chain(entry.until).chain(entry.keep_alive_at).min();
        if entry.armed == wanted {
            return;
        }
        if let Some(old) = std::mem::replace(&mut entry.armed, wanted) {
            self.deadlines.remove(&(old, id));
        }
        if let Some(at) = wanted {
            self.deadlines.insert((at, id));
        }
    }
}
