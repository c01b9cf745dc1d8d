//! What a relay holds: the edges that it serves, whose stream is whose, and what they are still to
//! be told.

use crate::delivery::{Inbound, Outbound};
use crate::message::{
    Claim, DRAINING, EdgeBody, EdgeHello, Frame, Greeting, HELD_MAX, Malformed, RelayBody,
    RelayHello, decode, encode,
};
use model::{
    AllocationFailure, Fingerprint, Instant, MediaCommand, MediaEvent, MediaId, ReportKind,
    TransactionId,
};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Edges that are known at once, with or without a connection.
const EDGES_MAX: usize = 64;
/// Events that wait for one edge. Live reports and what is said again are kept only for an edge that is
/// connected. When there are more, whatever is not a final report goes first, the oldest first; then
/// the oldest final report.
const EVENTS_MAX: usize = 65_536;
/// Commands that wait for the relay's workers. Beyond it a command is dropped and counted; an
/// `Allocate` never waits.
const COMMANDS_MAX: usize = 65_536;
/// How long an edge without streams is remembered, for what it is still to be told.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);
/// Without its edge a stream counts as silent after so many live reports without a new packet, and
/// after this time at least.
const SILENT_REPORTS: u32 = 3;
const SILENT_AFTER: Duration = Duration::from_secs(15);
/// How long after its release a stream may still send reports.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How a relay serves edges.
#[derive(Clone, Debug)]
pub struct EdgesConfig {
    /// The name of its node.
    pub node: String,
    /// Any random number but 0, another one at each start.
    pub incarnation: u64,
    /// Of its certificate for DTLS-SRTP.
    pub fingerprint: Option<Fingerprint>,
    /// For how long streams without their edge are kept; after it those that are silent end.
    pub orphan_timeout: Duration,
    /// Time between two live reports of a stream.
    pub live_interval: Duration,
}

/// How one edge is, for people and metrics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EdgeStatus {
    /// The name of its node.
    pub node: String,
    /// It is connected.
    pub is_connected: bool,
    /// Its streams here.
    pub streams: u64,
    /// Connections that broke.
    pub losses: u64,
    /// Events that it is not known to have.
    pub waiting: u64,
}

/// The relay's own number of a stream.
type Local = u64;

struct Edge {
    hello: EdgeHello,
    /// The connection that counts.
    connection: Option<u64>,
    gone_since: Instant,
    outbound: Outbound<MediaEventOrList>,
    inbound: Inbound,
    /// By the id that the edge has for it.
    streams: HashMap<MediaId, Local>,
    /// Streams of an incarnation before, by the id that that one had.
    held: HashMap<MediaId, Local>,
    /// Old ids that were claimed, and what was to be told the incarnation before.
    claimed: HashMap<MediaId, MediaId>,
    left_over: VecDeque<MediaEvent>,
    pings: VecDeque<u64>,
    acknowledge: bool,
    losses: u64,
}

#[derive(Debug)]
enum MediaEventOrList {
    Event(Box<MediaEvent>),
    Held { streams: Vec<(MediaId, TransactionId)>, last: bool },
}

struct Stream {
    edge: usize,
    /// The edge's id for it.
    id: MediaId,
    transaction_id: TransactionId,
    packets: [u64; 2],
    last_media: Instant,
    /// When it was released; its last words may still come.
    ended: Option<Instant>,
}

/// The edges of a relay. [`Edges::greet`] for each connection, then [`Edges::handle`] and
/// [`Edges::poll_transmit`] until [`Edges::disconnected`]; [`Edges::deliver`] for each event of the
/// workers, [`Edges::handle_timeout`] every second; [`Edges::poll_command`] after each of them.
pub struct Edges {
    config: EdgesConfig,
    edges: Vec<Option<Edge>>,
    streams: HashMap<Local, Stream>,
    next: Local,
    commands: VecDeque<MediaCommand>,
    draining: bool,
    commands_lost: u64,
    events_lost: u64,
}

impl Edges {
    /// No edge yet.
    pub fn new(config: EdgesConfig) -> Self {
        Edges {
            config,
            edges: Vec::new(),
            streams: HashMap::new(),
            next: 0,
            commands: VecDeque::new(),
            draining: false,
            commands_lost: 0,
            events_lost: 0,
        }
    }

    /// What to say to an edge over a new `connection`, and its place here; `None` for one that only
    /// looks, or is refused.
    pub fn greet(
        &mut self,
        now: Instant,
        connection: u64,
        hello: EdgeHello,
    ) -> (Greeting, Option<usize>) {
        if !hello.is_plausible() {
            return (Greeting::Refused("give the edge another [node] name".to_owned()), None);
        }
        if hello.probe {
            return (self.welcome(false, 0), None);
        }
        match self.place_of(now, connection, &hello) {
            Ok((place, resumed)) => {
                let received = self.edge(place).map_or(0, |edge| edge.inbound.last());
                (self.welcome(resumed, received), Some(place))
            }
            Err(reason) => (Greeting::Refused(reason), None),
        }
    }

    fn welcome(&self, resumed: bool, received: u64) -> Greeting {
        let orphans = self.config.orphan_timeout.as_millis();
        Greeting::Welcome(RelayHello {
            node: self.config.node.clone(),
            incarnation: self.config.incarnation,
            resumed,
            received,
            fingerprint: self.config.fingerprint,
            orphan_timeout_ms: u64::try_from(orphans).unwrap_or(u64::MAX),
        })
    }

    fn place_of(
        &mut self,
        now: Instant,
        connection: u64,
        hello: &EdgeHello,
    ) -> Result<(usize, bool), String> {
        let named = |edge: &Option<Edge>| edge.as_ref().is_some_and(|e| e.hello.node == hello.node);
        let Some(place) = self.edges.iter().position(named) else {
            return self.take_in(now, connection, hello).map(|place| (place, false));
        };
        let incarnation = self.config.incarnation;
        let Some(edge) = self.edge(place) else { return Err("gone".to_owned()) };
        let same = edge.hello.incarnation == hello.incarnation;
        if !same && edge.connection.is_some() {
            return Err(format!(
                "an edge with the name \"{}\" is connected already: give each edge its own [node] \
                 name",
                hello.node
            ));
        }
        edge.connection = Some(connection);
        edge.pings.clear();
        edge.hello.clone_from(hello);
        if same {
            if hello.relay == incarnation {
                edge.outbound.acknowledge(hello.received);
            }
            edge.outbound.rewind();
        } else {
            self.begin_again(now, place);
        }
        Ok((place, same))
    }

    fn take_in(
        &mut self,
        now: Instant,
        connection: u64,
        hello: &EdgeHello,
    ) -> Result<usize, String> {
        let free = self.edges.iter().position(Option::is_none);
        let place = free.unwrap_or(self.edges.len());
        if place >= EDGES_MAX {
            return Err(format!("this relay serves {EDGES_MAX} edges already"));
        }
        let mut edge = Edge {
            hello: hello.clone(),
            connection: Some(connection),
            gone_since: now,
            outbound: Outbound::default(),
            inbound: Inbound::default(),
            streams: HashMap::new(),
            held: HashMap::new(),
            claimed: HashMap::new(),
            left_over: VecDeque::new(),
            pings: VecDeque::new(),
            acknowledge: false,
            losses: 0,
        };
        edge.outbound.push(MediaEventOrList::Held { streams: Vec::new(), last: true });
        match self.edges.get_mut(place) {
            Some(vacant) => *vacant = Some(edge),
            None => self.edges.push(Some(edge)),
        }
        Ok(place)
    }

    /// The edge was started anew: it is told what is held for it.
    fn begin_again(&mut self, now: Instant, place: usize) {
        let mut nobodys = Vec::new();
        let Edges { edges, streams, .. } = self;
        let Some(edge) = edges.get_mut(place).and_then(Option::as_mut) else { return };
        edge.inbound = Inbound::default();
        let again: Vec<_> = edge.streams.drain().collect();
        for (id, local) in again {
            // Of an incarnation that ended before it had claimed anything.
            nobodys.extend(edge.held.insert(id, local));
        }
        for item in edge.outbound.restart() {
            if let MediaEventOrList::Event(event) = item
                && is_for_records(&event)
            {
                edge.left_over.push_back(*event);
            }
        }
        let call_of = |local: &Local| streams.get(local).map(|stream| stream.transaction_id);
        let held = edge.held.iter().filter_map(|(id, local)| Some((*id, call_of(local)?)));
        let held: Vec<_> = held.collect();
        for some in held.chunks(HELD_MAX) {
            edge.outbound.push(MediaEventOrList::Held { streams: some.to_vec(), last: false });
        }
        edge.outbound.push(MediaEventOrList::Held { streams: Vec::new(), last: true });
        for local in nobodys {
            self.release(now, local);
        }
    }

    /// Takes a frame of an edge.
    ///
    /// # Errors
    /// [`Malformed`]; the connection is of no use then.
    pub fn handle(&mut self, now: Instant, place: usize, content: &[u8]) -> Result<(), Malformed> {
        let frame: Frame<EdgeBody> = decode(content)?;
        let Some(edge) = self.edge(place) else { return Ok(()) };
        match frame {
            Frame::Ping { sent, acknowledged } => {
                edge.outbound.acknowledge(acknowledged);
                // One answer is enough for one that asks faster than it reads.
                edge.pings.truncate(1);
                edge.pings.push_back(sent);
            }
            Frame::Pong { acknowledged, .. } => edge.outbound.acknowledge(acknowledged),
            Frame::Message { number, acknowledged, body } => {
                edge.outbound.acknowledge(acknowledged);
                edge.acknowledge = true;
                if edge.inbound.accept(number) {
                    self.take(now, place, body);
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, now: Instant, place: usize, body: EdgeBody) {
        match body {
            EdgeBody::Command(command) => self.take_command(now, place, command),
            EdgeBody::Claim(claims) => {
                let Some(edge) = self.edge(place) else { return };
                let mut renamed = Vec::new();
                for Claim { old, new } in claims {
                    if let Some(local) = edge.held.remove(&old) {
                        edge.streams.insert(new, local);
                        edge.claimed.insert(old, new);
                        renamed.push((local, new));
                    }
                }
                for (local, new) in renamed {
                    if let Some(stream) = self.streams.get_mut(&local) {
                        stream.id = new;
                    }
                }
            }
            EdgeBody::Claimed => self.finish_claims(now, place),
        }
    }

    /// What nobody claimed ends; what the edge missed is told.
    fn finish_claims(&mut self, now: Instant, place: usize) {
        let Some(edge) = self.edge(place) else { return };
        let claimed = std::mem::take(&mut edge.claimed);
        for mut event in std::mem::take(&mut edge.left_over) {
            if let Some(new) = claimed.get(&event.id()) {
                *event.id_mut() = *new;
            }
            edge.outbound.push(MediaEventOrList::Event(Box::new(event)));
        }
        let nobodys: Vec<Local> = edge.held.drain().map(|(_, local)| local).collect();
        for local in nobodys {
            self.release(now, local);
        }
    }

    /// Takes no new streams from now on; edges use other relays, or none.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// The workers have stopped: edges are told that every stream is lost.
    pub fn lose_all(&mut self) {
        for place in 0..self.edges.len() {
            let Some(edge) = self.edge(place) else { continue };
            let lost: Vec<MediaId> = edge.streams.drain().map(|(id, _)| id).collect();
            for id in lost {
                self.tell(place, MediaEvent::Lost { id });
            }
        }
    }

    /// Messages that connected edges are not known to have.
    pub fn waiting(&self) -> usize {
        let connected = self.edges.iter().flatten().filter(|edge| edge.connection.is_some());
        connected.map(|edge| edge.outbound.len()).sum()
    }

    fn take_command(&mut self, now: Instant, place: usize, mut command: MediaCommand) {
        let id = command.id();
        if self.draining && matches!(command, MediaCommand::Allocate { .. }) {
            let reason = AllocationFailure::Unavailable;
            return self.tell(place, MediaEvent::AllocationFailed { id, reason });
        }
        if let MediaCommand::Allocate { transaction_id, .. } = command {
            self.begin_stream(now, place, id, transaction_id);
        }
        let Some(edge) = self.edge(place) else { return };
        for id in command.ids_mut().into_iter().flatten() {
            // Of a stream that has ended here, which the edge has been or will be told.
            let Some(local) = edge.streams.get(id) else { return };
            *id = MediaId(*local);
        }
        if let MediaCommand::Release { id: MediaId(local) } = command {
            edge.streams.remove(&id);
            return self.release(now, local);
        }
        self.order(command);
    }

    fn begin_stream(
        &mut self,
        now: Instant,
        place: usize,
        id: MediaId,
        transaction_id: TransactionId,
    ) {
        let local = self.next;
        let Some(edge) = self.edge(place) else { return };
        if edge.streams.contains_key(&id) {
            return;
        }
        edge.streams.insert(id, local);
        let stream = Stream {
            edge: place,
            id,
            transaction_id,
            packets: [0; 2],
            last_media: now,
            ended: None,
        };
        self.streams.insert(local, stream);
        self.next += 1;
    }

    fn release(&mut self, now: Instant, local: Local) {
        if let Some(stream) = self.streams.get_mut(&local) {
            stream.ended = Some(now);
            self.order(MediaCommand::Release { id: MediaId(local) });
        }
    }

    fn order(&mut self, command: MediaCommand) {
        if self.commands.len() < COMMANDS_MAX {
            self.commands.push_back(command);
        } else {
            self.commands_lost += 1;
        }
    }

    /// The next command for the relay's workers.
    pub fn poll_command(&mut self) -> Option<MediaCommand> {
        self.commands.pop_front()
    }

    /// The workers have no room for a command: an `Allocate` fails, others are to come again.
    /// Whether it is to be tried again.
    pub fn refused(&mut self, now: Instant, command: MediaCommand) -> bool {
        if let MediaCommand::Allocate { id, .. } = command {
            let reason = AllocationFailure::Overloaded;
            self.deliver(now, MediaEvent::AllocationFailed { id, reason });
            return false;
        }
        self.commands.push_front(command);
        true
    }

    /// Takes an event of the relay's workers for the edge whose stream it is about.
    pub fn deliver(&mut self, now: Instant, mut event: MediaEvent) {
        let local = event.id().0;
        let Some(stream) = self.streams.get_mut(&local) else { return };
        stream.note(now, &event);
        *event.id_mut() = stream.id;
        let (place, id) = (stream.edge, stream.id);
        let failed = matches!(event, MediaEvent::AllocationFailed { .. });
        if failed {
            self.streams.remove(&local);
        }
        let Some(edge) = self.edge(place) else { return };
        if failed && edge.streams.get(&id) == Some(&local) {
            edge.streams.remove(&id);
        }
        if edge.connection.is_none() && !must_be_told(&event) {
            return;
        }
        self.tell(place, event);
    }

    fn tell(&mut self, place: usize, event: MediaEvent) {
        let Some(edge) = self.edge(place) else { return };
        let mut lost = 0;
        while edge.outbound.len() >= EVENTS_MAX {
            lost += 1;
            let ordinary = |item: &MediaEventOrList| match item {
                MediaEventOrList::Event(event) => !is_final(event),
                MediaEventOrList::Held { .. } => false,
            };
            let any = |item: &MediaEventOrList| matches!(item, MediaEventOrList::Event(_));
            if !edge.outbound.give_up(ordinary) && !edge.outbound.give_up(any) {
                break;
            }
        }
        edge.outbound.push(MediaEventOrList::Event(Box::new(event)));
        self.events_lost += lost;
    }

    /// A connection broke; whether it was one that counted.
    pub fn disconnected(&mut self, now: Instant, place: usize, connection: u64) -> bool {
        let Some(edge) = self.edge(place) else { return false };
        if edge.connection != Some(connection) {
            return false;
        }
        edge.connection = None;
        edge.gone_since = now;
        edge.losses += 1;
        true
    }

    /// Whether a connection is still the one that counts for its edge.
    pub fn is_current(&mut self, place: usize, connection: u64) -> bool {
        self.edge(place).is_some_and(|edge| edge.connection == Some(connection))
    }

    /// Ends streams that have been without their edge for too long and are silent, and forgets edges
    /// that are gone for good. To be called every second or more often.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.streams.retain(|_, stream| {
            stream.ended.is_none_or(|at| now.saturating_since(at) < LAST_WORDS)
        });
        let silent_after = (self.config.live_interval * SILENT_REPORTS).max(SILENT_AFTER);
        for place in 0..self.edges.len() {
            let orphan_timeout = self.config.orphan_timeout;
            let Some(edge) = self.edge(place) else { continue };
            let gone = now.saturating_since(edge.gone_since);
            if edge.connection.is_some() || gone < orphan_timeout {
                continue;
            }
            let all = edge.streams.iter().chain(&edge.held);
            let all: Vec<_> = all.map(|(id, local)| (*id, *local)).collect();
            if all.is_empty() && gone >= FORGET_AFTER.max(orphan_timeout) {
                if let Some(place) = self.edges.get_mut(place) {
                    *place = None;
                }
                continue;
            }
            for (id, local) in all {
                let silent = self
                    .streams
                    .get(&local)
                    .is_none_or(|stream| now.saturating_since(stream.last_media) >= silent_after);
                if !silent {
                    continue;
                }
                self.release(now, local);
                let Some(edge) = self.edge(place) else { continue };
                edge.held.remove(&id);
                if edge.streams.remove(&id).is_some() {
                    self.tell(place, MediaEvent::Lost { id });
                }
            }
        }
    }

    /// Writes the next frame for an edge; `false` when there is none.
    pub fn poll_transmit(&mut self, now: Instant, place: usize, out: &mut Vec<u8>) -> bool {
        let streams = if self.draining { DRAINING } else { self.streams.len() as u64 };
        let Some(edge) = self.edge(place) else { return false };
        let acknowledged = edge.inbound.last();
        if let Some(sent) = edge.pings.pop_front() {
            edge.acknowledge = false;
            return encode(&Frame::<RelayBody>::Pong { sent, acknowledged, streams }, out);
        }
        while let Some((number, item)) = edge.outbound.next() {
            edge.acknowledge = false;
            let body = item.written(now);
            if encode(&Frame::Message { number, acknowledged, body }, out) {
                return true;
            }
            tracing::error!("an event for an edge is too long for a frame, and is not sent");
        }
        if std::mem::take(&mut edge.acknowledge) {
            let sent = now.as_nanos();
            return encode(&Frame::<RelayBody>::Ping { sent, acknowledged }, out);
        }
        false
    }

    /// How the edges are.
    pub fn status(&self) -> Vec<EdgeStatus> {
        let status = |edge: &Edge| EdgeStatus {
            node: edge.hello.node.clone(),
            is_connected: edge.connection.is_some(),
            streams: (edge.streams.len() + edge.held.len()) as u64,
            losses: edge.losses,
            waiting: edge.outbound.len() as u64,
        };
        self.edges.iter().flatten().map(status).collect()
    }

    /// Streams of all edges, those too whose last words are still awaited.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Commands and events that were lost because too many waited.
    pub const fn lost(&self) -> (u64, u64) {
        (self.commands_lost, self.events_lost)
    }

    fn edge(&mut self, place: usize) -> Option<&mut Edge> {
        self.edges.get_mut(place)?.as_mut()
    }
}

impl Stream {
    fn note(&mut self, now: Instant, event: &MediaEvent) {
        let MediaEvent::Report(report) = event else { return };
        if let Some(packets) = self.packets.get_mut(report.leg.index())
            && *packets < report.received.rtp_packets
        {
            *packets = report.received.rtp_packets;
            self.last_media = now;
        }
    }
}

impl MediaEventOrList {
    fn written(&self, now: Instant) -> RelayBody {
        match self {
            MediaEventOrList::Event(event) => RelayBody::Event { event: event.clone(), now },
            MediaEventOrList::Held { streams, last } => {
                RelayBody::Held { streams: streams.clone(), last: *last }
            }
        }
    }
}

fn is_final(event: &MediaEvent) -> bool {
    matches!(event, MediaEvent::Report(report) if report.kind == ReportKind::Final)
}

/// What the record of a call needs.
fn is_for_records(event: &MediaEvent) -> bool {
    matches!(event, MediaEvent::Report(report) if report.kind != ReportKind::Live)
}

/// What waits for an edge that is away.
fn must_be_told(event: &MediaEvent) -> bool {
    match event {
        MediaEvent::Allocated { .. }
        | MediaEvent::AllocationFailed { .. }
        | MediaEvent::Lost { .. } => true,
        MediaEvent::Report(_) => is_for_records(event),
        MediaEvent::Silent { .. }
        | MediaEvent::TimedOut { .. }
        | MediaEvent::Dtmf { .. }
        | MediaEvent::Plays { .. }
        | MediaEvent::Played { .. } => false,
    }
}
