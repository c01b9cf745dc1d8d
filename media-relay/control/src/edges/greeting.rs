//! Who an edge is, and what it is told when it connects.

use super::telling::is_for_records;
use super::{Edge, Edges, Local, MediaEventOrList};
use crate::delivery::{Inbound, Outbound};
use crate::message::{EdgeHello, Greeting, HELD_MAX, Purpose, RelayHello};
use crate::seal::SealKey;
use crate::tls::PeerName;
use model::Instant;
use std::collections::{HashMap, VecDeque};

/// Edges that are known at once, with or without a connection.
const EDGES_MAX: usize = 64;
/// Keys of one edge: each start of it adds one, and the first that is in use drops those before it.
const SEALS_MAX: usize = 8;

impl Edges {
    /// What to say to an edge over a new `connection`, and its place here; `None` for one that only
    /// looks or asks, or is refused. `owner` is whom its certificate shows: a name belongs to the one
    /// who used it first, until the edge is forgotten.
    pub fn greet(
        &mut self,
        now: Instant,
        connection: u64,
        owner: PeerName,
        hello: EdgeHello,
    ) -> (Greeting, Option<usize>) {
        if !hello.is_plausible() {
            return (Greeting::Refused("give the edge another [node] name".to_owned()), None);
        }
        if let Err(reason) = self.check_owner(owner, &hello) {
            return (Greeting::Refused(reason), None);
        }
        match hello.purpose {
            Purpose::Look => (self.welcome(false, 0, Vec::new()), None),
            Purpose::Ask => (self.answer(&hello), None),
            Purpose::Serve => match self.place_of(now, connection, owner, &hello) {
                Ok((place, resumed)) => {
                    let received = self.edge(place).map_or(0, |edge| edge.inbound.last());
                    (self.welcome(resumed, received, Vec::new()), Some(place))
                }
                Err(reason) => (Greeting::Refused(reason), None),
            },
        }
    }

    fn welcome(&self, resumed: bool, received: u64, seals: Vec<SealKey>) -> Greeting {
        let orphans = self.config.orphan_timeout.as_millis();
        Greeting::Welcome(RelayHello {
            node: self.config.node.clone(),
            incarnation: self.config.incarnation,
            resumed,
            received,
            fingerprint: self.config.fingerprint,
            orphan_timeout_ms: u64::try_from(orphans).unwrap_or(u64::MAX),
            seals,
        })
    }

    /// An edge that is being started asks for the keys of those before it, and leaves its own. One
    /// that is not known has nothing here that they would be for.
    fn answer(&mut self, hello: &EdgeHello) -> Greeting {
        let Some(edge) = self.edges.iter_mut().flatten().find(|e| e.hello.node == hello.node)
        else {
            return self.welcome(false, 0, Vec::new());
        };
        if edge.connection.is_some() && edge.hello.incarnation != hello.incarnation {
            return Greeting::Refused(taken(&hello.node));
        }
        let before = edge.seals.iter().filter(|seal| **seal != hello.seal).cloned().collect();
        edge.leave(&hello.seal);
        self.welcome(false, 0, before)
    }

    fn check_owner(&self, owner: PeerName, hello: &EdgeHello) -> Result<(), String> {
        let mut edges = self.edges.iter().flatten();
        let known = edges.find(|edge| edge.hello.node == hello.node);
        if known.is_none_or(|edge| edge.owner == owner) {
            return Ok(());
        }
        Err(format!(
            "the name \"{}\" belongs to an edge with another certificate: give each edge its own \
             [node] name; when this one is to take its place, start the relay anew",
            hello.node
        ))
    }

    fn place_of(
        &mut self,
        now: Instant,
        connection: u64,
        owner: PeerName,
        hello: &EdgeHello,
    ) -> Result<(usize, bool), String> {
        let named = |edge: &Option<Edge>| edge.as_ref().is_some_and(|e| e.hello.node == hello.node);
        let Some(place) = self.edges.iter().position(named) else {
            return self.take_in(now, connection, owner, hello).map(|place| (place, false));
        };
        let incarnation = self.config.incarnation;
        let Some(edge) = self.edge(place) else { return Err("gone".to_owned()) };
        let same = edge.hello.incarnation == hello.incarnation;
        if !same && edge.connection.is_some() {
            return Err(taken(&hello.node));
        }
        edge.connection = Some(connection);
        edge.pings.clear();
        edge.hello.clone_from(hello);
        edge.leave(&hello.seal);
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
        owner: PeerName,
        hello: &EdgeHello,
    ) -> Result<usize, String> {
        let free = self.edges.iter().position(Option::is_none);
        let place = free.unwrap_or(self.edges.len());
        if place >= EDGES_MAX {
            return Err(format!("this relay serves {EDGES_MAX} edges already"));
        }
        let mut edge = Edge {
            hello: hello.clone(),
            owner,
            seals: VecDeque::from([hello.seal.clone()]),
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
}

impl Edge {
    fn leave(&mut self, seal: &SealKey) {
        if self.seals.contains(seal) {
            return;
        }
        if self.seals.len() >= SEALS_MAX {
            self.seals.pop_front();
        }
        self.seals.push_back(seal.clone());
    }
}

fn taken(node: &str) -> String {
    format!(
        "an edge with the name \"{node}\" is connected already: give each edge its own [node] name"
    )
}
