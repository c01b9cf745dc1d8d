//! What a relay holds: the edges that it serves, whose stream is whose, and what they are still to
//! be told.

mod greeting;
mod orders;
mod telling;

use crate::delivery::{Inbound, Outbound};
use crate::message::{Claim, EdgeBody, EdgeHello, Frame, Malformed, decode};
use crate::seal::SealKey;
use crate::tls::PeerName;
use model::{Fingerprint, Instant, MediaCommand, MediaEvent, MediaId, MediaLine, TransactionId};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

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
    /// Who has the name, until the edge is forgotten.
    owner: PeerName,
    /// What opens the secrets that its incarnations have written down; the newest at the end.
    seals: VecDeque<SealKey>,
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
    /// Which of the call's it is.
    line: MediaLine,
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
        // What it has written down before is written anew, or given up.
        let present = &edge.hello.seal;
        edge.seals.retain(|seal| seal == present);
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
