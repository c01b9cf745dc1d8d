//! What comes over the sockets of floor control, from devices and strangers, with the floor server behind it.

use crate::{bounded, parts};
use bfcp::{
    Action, Admission, Associations, FloorEvent, FloorPolicy, FloorServer, LinkId, MAX_DATAGRAM,
    Message, UserId,
};
use model::{FloorTransport, Instant};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

const MOST_PARTS: usize = 300;
/// Those with even numbers speak UDP, the others TCP.
const DEVICES: u8 = 4;
/// Actions that one act may lead to: what a whole piece of a connection says, answered and told.
const MOST_ACTIONS: usize = 4_096;

/// A script: the first octet of each part has an act in its low three bits and a device in the next two. Acts are a
/// datagram as it is, or with the device's own numbers; octets over its connection, or over another one; time that
/// passes; a call that ends or begins; a floor that is given; a connection that ends.
///
/// # Panics
/// When something grows without bound, goes to a connection that is closed, or to nobody's address.
pub fn floor_control(data: &[u8]) {
    let mut node = Node::new();
    for part in parts(bounded(data), MOST_PARTS) {
        let Some((&act, payload)) = part.split_first() else { continue };
        node.act(act & 7, (act >> 3) % DEVICES, payload);
        node.settle();
    }
}

struct Node {
    now: Instant,
    associations: Associations,
    server: FloorServer,
    open: BTreeSet<LinkId>,
    last_link: [u64; DEVICES as usize],
    links: u64,
}

fn conference(device: u8) -> u32 {
    0x0101_0100 + u32::from(device)
}

fn address(device: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, device], 5_070))
}

impl Node {
    fn new() -> Self {
        let policy = FloorPolicy { asks_room: true, ..FloorPolicy::default() };
        let mut server = FloorServer::new(0, policy);
        assert!(server.add_floor(1).is_ok());
        let mut node = Node {
            now: Instant::ZERO,
            associations: Associations::default(),
            server,
            open: BTreeSet::new(),
            last_link: [0; DEVICES as usize],
            links: 0,
        };
        (0..DEVICES).for_each(|device| node.begin(device));
        node
    }

    fn begin(&mut self, device: u8) {
        let user = u16::from(device) + 1;
        assert!(self.server.add_user(UserId(user), "device", "", false).is_ok());
        let transport = match device % 2 {
            0 => FloorTransport::Udp,
            _ => FloorTransport::Tcp,
        };
        assert!(self.associations.admit(
            self.now,
            Admission {
                conference: conference(device),
                user,
                transport,
                addresses: vec![address(device).ip(), IpAddr::V4(Ipv4Addr::LOCALHOST)],
                first_transaction: 1,
            }
        ));
    }

    fn act(&mut self, act: u8, device: u8, payload: &[u8]) {
        let first = payload.first().copied().unwrap_or_default();
        match act {
            0 => self.associations.handle_datagram(self.now, address(device), payload),
            1 => {
                let mut own = payload.to_vec();
                own.iter_mut().skip(4).zip(conference(device).to_be_bytes()).for_each(set);
                let user = u16::from(device) + 1;
                own.iter_mut().skip(10).zip(user.to_be_bytes()).for_each(set);
                self.associations.handle_datagram(self.now, address(device), &own);
            }
            2 => self.stream(device, payload),
            3 => {
                self.links += 1;
                let link = LinkId(self.links);
                if self.associations.handle_connected(self.now, link, address(device)) {
                    self.open.insert(link);
                    if let Some(last) = self.last_link.get_mut(usize::from(device)) {
                        *last = self.links;
                    }
                }
            }
            4 => {
                self.now += Duration::from_millis(u64::from(first) * 20);
                self.associations.handle_timeout(self.now);
            }
            5 if first & 1 == 0 => self.associations.release(conference(device)),
            5 => self.begin(device),
            6 => self.server.give(1, UserId(u16::from(first) % 6)),
            _ => {
                let link = self.link_of(device);
                if self.open.remove(&link) {
                    self.associations.handle_closed(link);
                }
            }
        }
    }

    fn link_of(&self, device: u8) -> LinkId {
        LinkId(self.last_link.get(usize::from(device)).copied().unwrap_or_default())
    }

    fn stream(&mut self, device: u8, octets: &[u8]) {
        let link = self.link_of(device);
        if self.open.contains(&link) {
            self.associations.handle_octets(self.now, link, octets);
        }
    }

    fn settle(&mut self) {
        let mut actions = 0;
        loop {
            while let Some(action) = self.associations.poll() {
                actions += 1;
                assert!(actions <= MOST_ACTIONS, "one act, and no end");
                self.follow(action);
            }
            for event in self.server.take_events() {
                if let FloorEvent::Chaired { by, user, grant } = event {
                    self.chair(by, user, grant);
                }
            }
            let said = self.server.take_outgoing();
            if said.is_empty() {
                break;
            }
            for mut outgoing in said {
                let device = (outgoing.to.0.saturating_sub(1)) as u8;
                outgoing.message.header.conference = conference(device);
                self.associations.send(self.now, outgoing.message, outgoing.response);
            }
        }
        assert_eq!(self.associations.links(), self.open.len(), "connections that nobody has");
        assert!(self.associations.admitted() <= usize::from(DEVICES));
    }

    /// The first device moderates; nobody else decides.
    fn chair(&mut self, by: UserId, user: UserId, grant: bool) {
        let leads = by == UserId(1);
        match (leads, grant) {
            (true, true) => self.server.give(1, user),
            (true, false) if self.server.holder(1) == Some(user) => self.server.revoke(1),
            (true, false) => self.server.deny(user),
            (false, _) => {}
        }
        self.server.answer_chair(by, leads);
    }

    fn follow(&mut self, action: Action) {
        match action {
            Action::Message(mut message) => {
                let device = (message.header.conference & 3) as u8;
                assert_eq!(message.header.conference, conference(device), "a call's");
                assert_eq!(message.header.user, u16::from(device) + 1, "and nobody else's");
                message.header.conference = 0;
                self.server.handle_message(UserId(message.header.user), &message);
            }
            Action::Lost { conference } => {
                self.server.remove_user(UserId((conference & 3) as u16 + 1));
                let user = UserId((conference & 3) as u16 + 1);
                assert!(self.server.add_user(user, "device", "", false).is_ok());
            }
            Action::Send { to, datagram } => {
                assert!((0..DEVICES).any(|device| address(device) == to), "{to}");
                assert!(datagram.len() <= MAX_DATAGRAM);
            }
            Action::Write { link, octets } => {
                assert!(self.open.contains(&link) && Message::parse(&octets).is_ok());
            }
            Action::Close { link } => assert!(self.open.remove(&link), "it is closed once"),
        }
    }
}

fn set((octet, value): (&mut u8, u8)) {
    *octet = value;
}

/// Devices over both transports that ask, are told and leave.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, device) in [("floor_udp", 0_u8), ("floor_tcp", 1)] {
        let mut client = bfcp::FloorClient::new(conference(device), u16::from(device) + 1);
        let mut script = vec![3 | device << 3, 0, crate::PART];
        let (hello, follow, ask) = (client.hello(), client.follow(1), client.request(1));
        let (grants, denies) = (client.chair(1, 1, true), client.chair(1, 1, false));
        for mut message in [hello, follow, ask, grants, denies, client.goodbye()] {
            if device == 0 {
                message.header.version = 2;
            }
            let act = if device == 0 { 1 } else { 2 };
            script.extend([&[act | device << 3], &message.write()[..], &[crate::PART]].concat());
            script.extend([6, device + 1, crate::PART, 4, 100, crate::PART]);
        }
        script.extend([5 | device << 3, 0, crate::PART, 7 | device << 3]);
        all.push((name, script));
    }
    all
}
