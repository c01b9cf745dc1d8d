//! What an edge holds: its relays, which stream is on which of them, and what they said.

use crate::link::{Link, LinkState, LinkStatus, WAITING_MAX};
use crate::message::{Claim, EdgeHello, Frame, Malformed, RelayBody, RelayHello, decode};
use crate::seal::SealKey;
use model::{
    AllocationFailure, Fingerprint, Instant, MediaCommand, MediaEvent, MediaId, MediaLine,
    MediaPlan, ReportKind, TransactionId,
};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// Events that wait for the edge. When there are more, live reports and copies of RTCP go first, then the
/// oldest.
const EVENTS_MAX: usize = WAITING_MAX;
/// How long after the edge's start streams from before are waited for at least.
const CLAIM_PATIENCE: Duration = Duration::from_secs(60);

/// How an edge uses its relays.
#[derive(Clone, Debug)]
pub struct RelaysConfig {
    /// The name of its node.
    pub node: String,
    /// Any random number but 0, another one at each start.
    pub incarnation: u64,
    /// Drawn at each start too, for the relays to keep.
    pub seal: SealKey,
    /// Where the relays listen, at least one.
    pub addresses: Vec<SocketAddr>,
    /// How long a relay may take to reserve ports.
    pub allocation_timeout: Duration,
}

/// A stream that a call from before the edge's start has, which is taken up again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claimed {
    /// The ids that it had and has.
    pub ids: Claim,
    /// Its call.
    pub transaction_id: TransactionId,
}

#[derive(Clone, Copy, Debug)]
struct Assigned {
    link: usize,
    /// Its ports are there.
    is_open: bool,
    /// Its call.
    call: TransactionId,
}

struct PendingClaim {
    claimed: Claimed,
    /// What is to be told once its relay is known.
    plan: Option<Box<MediaPlan>>,
}

/// The relays of an edge. [`Relays::command`] at any time; for each connection
/// [`Relays::hello`], [`Relays::connected`], then [`Relays::handle`] and [`Relays::poll_transmit`]
/// until [`Relays::disconnected`]; [`Relays::poll_event`] after each of them.
pub struct Relays {
    config: RelaysConfig,
    links: Vec<Link>,
    streams: HashMap<MediaId, Assigned>,
    /// By the old id.
    claims: HashMap<MediaId, PendingClaim>,
    claims_until: Option<Instant>,
    /// In the order of their ends; what has been answered meanwhile stays until then.
    asked: VecDeque<(Instant, MediaId)>,
    events: VecDeque<MediaEvent>,
    events_lost: u64,
    reports: u64,
}

impl Relays {
    /// Relays that are all still away. `claims` are the streams that calls from before have.
    pub fn new(config: RelaysConfig, claims: Vec<Claimed>, now: Instant) -> Self {
        let links = config.addresses.iter().copied().map(Link::new).collect();
        let pending = |claimed: Claimed| (claimed.ids.old, PendingClaim { claimed, plan: None });
        Relays {
            config,
            links,
            streams: HashMap::new(),
            claims_until: (!claims.is_empty()).then(|| now + CLAIM_PATIENCE),
            claims: claims.into_iter().map(pending).collect(),
            asked: VecDeque::new(),
            events: VecDeque::new(),
            events_lost: 0,
            reports: 0,
        }
    }

    /// Takes a command for the relay that its stream is on, or will be on.
    ///
    /// # Errors
    /// The command, when too much waits for that relay.
    pub fn command(&mut self, now: Instant, command: MediaCommand) -> Result<(), MediaCommand> {
        let id = command.id();
        if let MediaCommand::Allocate { transaction_id, line, .. } = command {
            return self.allocate(now, id, (transaction_id, line), command);
        }
        let Some(assigned) = self.streams.get(&id).copied() else {
            self.note_for_claim(id, command);
            return Ok(());
        };
        if let MediaCommand::MoveLeg { to: (to, _), .. } = &command
            && self.streams.get(to).is_none_or(|other| other.link != assigned.link)
        {
            // Another relay finds the roll-over counters by trying.
            return Ok(());
        }
        if let MediaCommand::Copy { to: Some(to), .. } = &command
            && self.streams.get(to).is_none_or(|other| other.link != assigned.link)
        {
            // Its edge hears of the stream's loss, or has given it up.
            return Ok(());
        }
        let Some(link) = self.links.get_mut(assigned.link) else { return Ok(()) };
        let ends = matches!(command, MediaCommand::Release { .. });
        link.push(command)?;
        if ends {
            self.forget(id);
        }
        Ok(())
    }

    fn allocate(
        &mut self,
        now: Instant,
        id: MediaId,
        (call, line): (TransactionId, MediaLine),
        command: MediaCommand,
    ) -> Result<(), MediaCommand> {
        // One description has one address: all lines of a call are on the relay of its main one.
        let of_call = |assigned: &&Assigned| assigned.call == call;
        let main = match line {
            MediaLine::Main => None,
            MediaLine::Further { .. } | MediaLine::Copy { .. } => {
                self.streams.values().find(of_call).map(|main| main.link)
            }
        };
        let fits = |index: usize| main.is_none_or(|main| main == index);
        let up = self.links.iter_mut().enumerate();
        let up = up.filter(|(index, link)| link.is_up() && fits(*index));
        // Ours are known at once, all only as of the last heartbeat.
        let Some((index, link)) = up.min_by_key(|(_, link)| (link.streams, link.load)) else {
            self.fail_allocation(id);
            return Ok(());
        };
        link.push(command)?;
        link.streams += 1;
        self.streams.insert(id, Assigned { link: index, is_open: false, call });
        self.asked.push_back((now + self.config.allocation_timeout, id));
        Ok(())
    }

    fn fail_allocation(&mut self, id: MediaId) {
        let reason = AllocationFailure::Unavailable;
        self.emit(MediaEvent::AllocationFailed { id, reason });
    }

    /// A command for a stream from before whose relay has not been heard yet.
    fn note_for_claim(&mut self, id: MediaId, command: MediaCommand) {
        let found = self.claims.iter_mut().find(|(_, claim)| claim.claimed.ids.new == id);
        match (found, command) {
            (Some((_, claim)), MediaCommand::Apply { plan, .. }) => claim.plan = Some(plan),
            (Some((old, _)), MediaCommand::Release { .. }) => {
                // Its relay ends what nobody claims.
                let old = *old;
                self.claims.remove(&old);
            }
            // Of a stream that was lost; the call has been told.
            _ => {}
        }
    }

    fn forget(&mut self, id: MediaId) {
        if let Some(assigned) = self.streams.remove(&id)
            && let Some(link) = self.links.get_mut(assigned.link)
        {
            link.streams = link.streams.saturating_sub(1);
        }
    }

    /// What to say first over a new connection to a relay.
    pub fn hello(&self, link: usize) -> Option<EdgeHello> {
        let RelaysConfig { node, incarnation, seal, .. } = &self.config;
        Some(self.links.get(link)?.hello(node, *incarnation, seal.clone()))
    }

    /// A relay has taken the connection.
    pub fn connected(&mut self, link: usize, hello: &RelayHello) {
        let Some(known) = self.links.get_mut(link) else { return };
        if known.welcome(hello) {
            return;
        }
        let lost = self.streams.iter().filter(|(_, assigned)| assigned.link == link);
        let lost: Vec<_> = lost.map(|(id, assigned)| (*id, assigned.is_open)).collect();
        for (id, was_open) in lost {
            self.streams.remove(&id);
            if was_open {
                self.emit(MediaEvent::Lost { id });
            } else {
                self.fail_allocation(id);
            }
        }
    }

    /// Takes a frame of a relay. Its instants are moved to our clock.
    ///
    /// # Errors
    /// [`Malformed`]; the connection is of no use then.
    pub fn handle(&mut self, now: Instant, link: usize, content: &[u8]) -> Result<(), Malformed> {
        let frame: Frame<RelayBody> = decode(content)?;
        let Some(known) = self.links.get_mut(link) else { return Ok(()) };
        match frame {
            Frame::Ping { acknowledged, .. } => known.outbound.acknowledge(acknowledged),
            Frame::Pong { sent, acknowledged, streams } => {
                known.outbound.acknowledge(acknowledged);
                known.load = streams;
                known.round_trip = Some(now.saturating_since(Instant::from_nanos(sent)));
            }
            Frame::Message { number, acknowledged, body } => {
                known.outbound.acknowledge(acknowledged);
                known.acknowledge = true;
                if known.inbound.accept(number) {
                    self.take(now, link, body);
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, now: Instant, link: usize, body: RelayBody) {
        match body {
            RelayBody::Event { mut event, now: then } => {
                adjust(&mut event, now, then);
                self.take_event(link, *event);
            }
            RelayBody::Held { streams, last } => {
                for (old, transaction_id) in streams {
                    self.take_held(link, old, transaction_id);
                }
                let Some(known) = self.links.get_mut(link) else { return };
                if last {
                    known.finish_listing();
                    self.give_plans(link);
                    self.review_claims();
                }
            }
        }
    }

    fn take_event(&mut self, link: usize, event: MediaEvent) {
        let id = event.id();
        match &event {
            MediaEvent::Allocated { .. } => match self.streams.get_mut(&id) {
                Some(assigned) if assigned.link == link => assigned.is_open = true,
                _ => {
                    // Given up meanwhile; its release is under way.
                    return;
                }
            },
            MediaEvent::AllocationFailed { .. } if !self.streams.contains_key(&id) => return,
            MediaEvent::AllocationFailed { .. } | MediaEvent::Lost { .. } => self.forget(id),
            MediaEvent::Report(report) if report.kind == ReportKind::Final => self.reports += 1,
            MediaEvent::Silent { .. }
            | MediaEvent::TimedOut { .. }
            | MediaEvent::Unheard { .. }
            | MediaEvent::Plays { .. }
            | MediaEvent::Played { .. }
            | MediaEvent::Records { .. }
            | MediaEvent::RecordingFailed { .. }
            | MediaEvent::Listens { .. }
            | MediaEvent::ListenFailed { .. }
            | MediaEvent::Sits { .. }
            | MediaEvent::SeatFailed { .. }
            | MediaEvent::PictureWanted { .. }
            | MediaEvent::ConferenceRecords { .. }
            | MediaEvent::ConferenceRecordingFailed { .. }
            | MediaEvent::Uttered { .. }
            | MediaEvent::Heard { .. }
            | MediaEvent::Dtmf { .. }
            | MediaEvent::Rtcp(_)
            | MediaEvent::Report(_) => {}
        }
        self.emit(event);
    }

    /// A stream that the relay holds from before our start: claimed, if a call of ours has it.
    fn take_held(&mut self, link: usize, old: MediaId, transaction_id: TransactionId) {
        let ours = self.claims.get(&old).map(|claim| claim.claimed);
        let ours = ours.filter(|claimed| claimed.transaction_id == transaction_id);
        let (Some(claimed), Some(known)) = (ours, self.links.get_mut(link)) else { return };
        known.claims.push(claimed.ids);
        known.streams += 1;
        self.streams
            .insert(claimed.ids.new, Assigned { link, is_open: true, call: transaction_id });
    }

    /// What calls wanted done with their streams while these were not found.
    fn give_plans(&mut self, link: usize) {
        let Relays { claims, streams, links, .. } = self;
        let Some(known) = links.get_mut(link) else { return };
        claims.retain(|_, claim| {
            let id = claim.claimed.ids.new;
            let found = streams.get(&id).is_some_and(|assigned| assigned.link == link);
            if found && let Some(plan) = claim.plan.take() {
                // Full before anything has been said: the next plan will do.
                let _ = known.push(MediaCommand::Apply { id, plan });
            }
            !found
        });
    }

    /// When every relay has said what it holds, the rest is lost.
    fn review_claims(&mut self) {
        if self.links.iter().all(|link| link.relay != 0 && link.state != LinkState::Listing) {
            self.give_claims_up();
        }
    }

    fn give_claims_up(&mut self) {
        self.claims_until = None;
        let lost: Vec<_> = self.claims.drain().map(|(_, claim)| claim.claimed.ids.new).collect();
        for id in lost {
            self.emit(MediaEvent::Lost { id });
        }
    }

    /// The connection to a relay broke.
    pub fn disconnected(&mut self, link: usize) {
        if let Some(link) = self.links.get_mut(link)
            && link.state != LinkState::Away
        {
            link.state = LinkState::Away;
            link.losses += 1;
            link.round_trip = None;
        }
    }

    /// Has the next [`Relays::poll_transmit`] ask a relay whether it is there.
    pub fn ping(&mut self, now: Instant, link: usize) {
        if let Some(link) = self.links.get_mut(link) {
            link.ping = Some(now);
        }
    }

    /// Writes the next frame for a relay; `false` when there is none.
    pub fn poll_transmit(&mut self, link: usize, out: &mut Vec<u8>) -> bool {
        self.links.get_mut(link).is_some_and(|link| link.poll_transmit(out))
    }

    /// Runs what is due: allocations without an answer, and streams that no relay has.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.asked.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, id)) = self.asked.pop_front() else { break };
            let Some(assigned) = self.streams.get(&id).filter(|assigned| !assigned.is_open) else {
                continue;
            };
            if let Some(link) = self.links.get_mut(assigned.link) {
                // A queue without room for it is lost with its relay.
                let _ = link.push(MediaCommand::Release { id });
            }
            self.forget(id);
            self.fail_allocation(id);
        }
        let kept = self.links.iter().map(|link| link.orphan_timeout).max().unwrap_or_default();
        let until = self.claims_until.map(|until| until + kept);
        if until.is_some_and(|until| until <= now) {
            self.give_claims_up();
        }
    }

    /// The next event for the edge or the recorder.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }

    fn emit(&mut self, event: MediaEvent) {
        if self.events.len() >= EVENTS_MAX {
            let may_go = |event: &MediaEvent| match event {
                MediaEvent::Report(report) => report.kind == ReportKind::Live,
                event => matches!(event, MediaEvent::Rtcp(_)),
            };
            let first = self.events.iter().position(may_go).unwrap_or(0);
            self.events.remove(first);
            self.events_lost += 1;
        }
        self.events.push_back(event);
    }

    /// Events that were lost because nobody took them.
    pub const fn events_lost(&self) -> u64 {
        self.events_lost
    }

    /// Final reports that have come.
    pub(crate) const fn reports(&self) -> u64 {
        self.reports
    }

    /// The certificate that the relays in use show in DTLS-SRTP handshakes; `None` when there is none
    /// or when they differ, because a call's description names one before its relay is chosen.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        let mut known = self.links.iter().filter(|link| link.relay != 0);
        let first = known.next()?.fingerprint?;
        known.all(|link| link.fingerprint == Some(first)).then_some(first)
    }

    /// How the relays are.
    pub fn status(&self) -> Vec<LinkStatus> {
        self.links.iter().map(Link::status).collect()
    }

    /// Where a relay listens.
    pub fn address(&self, link: usize) -> Option<SocketAddr> {
        self.links.get(link).map(|link| link.address)
    }

    /// Streams that were asked for and not released.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }
}

/// Moves an event's instants from the relay's clock, which said `then`, to ours, which says `now`.
fn adjust(event: &mut MediaEvent, now: Instant, then: Instant) {
    let ours = |at: Instant| now - then.saturating_since(at);
    match event {
        MediaEvent::Silent { at, .. } => *at = ours(*at),
        MediaEvent::Report(report) => report.at = ours(report.at),
        MediaEvent::Rtcp(copy) => copy.at = ours(copy.at),
        MediaEvent::Allocated { .. }
        | MediaEvent::AllocationFailed { .. }
        | MediaEvent::TimedOut { .. }
        | MediaEvent::Unheard { .. }
        | MediaEvent::Plays { .. }
        | MediaEvent::Played { .. }
        | MediaEvent::Records { .. }
        | MediaEvent::RecordingFailed { .. }
        | MediaEvent::Listens { .. }
        | MediaEvent::ListenFailed { .. }
        | MediaEvent::Sits { .. }
        | MediaEvent::SeatFailed { .. }
        | MediaEvent::PictureWanted { .. }
        | MediaEvent::ConferenceRecords { .. }
        | MediaEvent::ConferenceRecordingFailed { .. }
        | MediaEvent::Uttered { .. }
        | MediaEvent::Heard { .. }
        | MediaEvent::Dtmf { .. }
        | MediaEvent::Lost { .. } => {}
    }
}
