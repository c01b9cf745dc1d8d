//! Floor control: messages over TCP and UDP from several users, and lines of descriptions.

use crate::{PART, bounded, parts};
use bfcp::sdp::{BfcpLine, FloorLabels, Own, answer};
use bfcp::{
    Attribute, Busy, Datagrams, FloorClient, FloorPolicy, FloorServer, Framer, MAX_DATAGRAM,
    MAX_MESSAGE, Message, Received, UserId,
};
use model::Instant;

const MOST_PARTS: usize = 300;
const CONFERENCE: u32 = 7;
const USERS: u16 = 4;

/// A script: the first octet of each part has an act in its low three bits and a user in the others. Acts are
/// octets over TCP, a datagram, time that passes, a moderator's decision, a line of a description.
///
/// # Panics
/// When the server writes what cannot be read, a floor has two holders, or something grows without bound.
pub fn bfcp(data: &[u8]) {
    let mut room = Room::new();
    for part in parts(bounded(data), MOST_PARTS) {
        let Some((&act, payload)) = part.split_first() else { continue };
        room.act(act & 7, u16::from(act >> 3) % USERS, payload);
        room.settle();
    }
}

struct Room {
    server: FloorServer,
    framers: Vec<Framer>,
    datagrams: Vec<Datagrams>,
    client: FloorClient,
    now: Instant,
}

impl Room {
    fn new() -> Self {
        let mut server = FloorServer::new(CONFERENCE, FloorPolicy::default());
        for floor in 1..=3 {
            assert!(server.add_floor(floor).is_ok());
        }
        for user in 0..USERS {
            assert!(server.add_user(UserId(user), "name", "sip:u@example.com", user == 0).is_ok());
        }
        let framers = (0..USERS).map(|_| Framer::new()).collect();
        let datagrams = (0..USERS).map(|_| Datagrams::new(1)).collect();
        let client = FloorClient::new(CONFERENCE, 1);
        Room { server, framers, datagrams, client, now: Instant::ZERO }
    }

    fn act(&mut self, act: u8, user: u16, payload: &[u8]) {
        let first = payload.first().copied().unwrap_or_default();
        let id = UserId(user);
        match act {
            0..=1 => self.stream(id, payload),
            2 | 3 => {
                let Some(own) = self.datagrams.get_mut(usize::from(user)) else { return };
                match own.handle_datagram(self.now, payload) {
                    Some(Received::Request(message)) => self.server.handle_message(id, &message),
                    Some(Received::Unreadable(fault)) => self.server.handle_unreadable(id, &fault),
                    Some(Received::Response(_)) | None => {}
                }
            }
            4 => {
                self.now += std::time::Duration::from_millis(u64::from(first) * 50);
                for own in &mut self.datagrams {
                    own.handle_timeout(self.now);
                }
            }
            5 => self.server.decide(bfcp::RequestId(u16::from(first)), user & 1 == 1),
            6 => match user {
                0 => self.server.revoke(u16::from(first)),
                1 => {
                    let busy = [Busy::TakesOver, Busy::Waits, Busy::IsDenied];
                    let busy = busy.get(usize::from(first) % 3).copied().unwrap_or_default();
                    let asks_moderator = first & 0x80 != 0;
                    self.server.set_policy(FloorPolicy {
                        busy,
                        asks_moderator,
                        asks_room: first & 0x40 != 0,
                    });
                }
                _ => self.server.remove_user(id),
            },
            _ => describe(payload),
        }
    }

    fn stream(&mut self, id: UserId, octets: &[u8]) {
        let Some(framer) = self.framers.get_mut(usize::from(id.0)) else { return };
        let mut rest = octets;
        loop {
            let taken = framer.push(rest);
            rest = rest.get(taken..).unwrap_or_default();
            while let Some(read) = framer.poll() {
                match read {
                    Ok(message) => {
                        let written = message.write();
                        assert!(written.len() <= MAX_MESSAGE);
                        assert!(Message::parse(&written).is_ok(), "{message:?}");
                        self.client.handle_message(&message);
                        self.server.handle_message(id, &message);
                    }
                    Err(fault) => self.server.handle_unreadable(id, &fault),
                }
            }
            if taken == 0 || rest.is_empty() {
                return;
            }
        }
    }

    fn settle(&mut self) {
        for outgoing in self.server.take_outgoing() {
            let written = outgoing.message.write();
            let read = Message::parse(&written);
            assert_eq!(read.as_ref(), Ok(&outgoing.message), "all of it has room");
            let own = self.datagrams.get_mut(usize::from(outgoing.to.0));
            let Some(own) = own else { continue };
            if outgoing.response {
                own.respond(outgoing.message);
            } else {
                // Full: whoever does not acknowledge is told no more.
                let _ = own.request(self.now, outgoing.message);
            }
        }
        for own in &mut self.datagrams {
            while let Some(datagram) = own.poll_transmit() {
                assert!(datagram.len() <= MAX_DATAGRAM);
            }
        }
        self.server.take_events();
        for floor in 1..=3 {
            let holder = self.server.holder(floor);
            assert!(holder.is_none_or(|user| user.0 < USERS));
        }
    }
}

/// The first line is `port protocol`, the others are attributes.
fn describe(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines();
    let Some((port, protocol)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
    let attributes = lines.filter_map(|line| line.split_once(':'));
    let Some(offer) = BfcpLine::parse(port.parse().unwrap_or(0), protocol, attributes) else {
        return;
    };
    let floor = FloorLabels { floor: 1, labels: vec!["3".into()] };
    let own = Own { port: 9, conference: CONFERENCE, user: 1, floor };
    if let Ok(line) = answer(&offer, own) {
        let written = line.attributes();
        let pairs = written.iter().filter_map(|line| line.split_once(':'));
        let again = BfcpLine::parse(line.port, line.transport.name(), pairs);
        assert_eq!(again, Some(line));
    }
}

/// A conference over TCP and UDP, and an offer.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut tcp = Vec::new();
    let mut udp = Vec::new();
    for user in 0..USERS {
        let mut client = FloorClient::new(CONFERENCE, user);
        let mut asking = client.request(1);
        asking.attributes.push(Attribute::StatusInfo("slides".into()));
        let act = (user as u8) << 3;
        for message in [client.hello(), client.follow(1), asking, client.goodbye()] {
            let octets = message.write();
            tcp.extend([&[act], &octets[..], &[PART]].concat());
            let mut second = octets.clone();
            second.iter_mut().take(1).for_each(|flags| *flags = 0x40);
            udp.extend([&[act | 2], &second[..], &[PART]].concat());
        }
    }
    let mut long = Datagrams::new(1);
    let mut message = FloorClient::new(CONFERENCE, 1).hello();
    message.attributes = vec![Attribute::StatusInfo("x".repeat(200)); 20];
    // Nothing waits before it.
    let _ = long.request(Instant::ZERO, message);
    let mut fragments = Vec::new();
    while let Some(datagram) = long.poll_transmit() {
        fragments.extend([&[2 | 1 << 3], &datagram[..], &[PART]].concat());
    }
    let offer = b"\x075070 UDP/BFCP\nfloorctrl:c-s\nconfid:1\nfloorid:2 mstrm:12\nuserid:2\n\
        setup:actpass\nconnection:new\nbfcpver:1 2";
    vec![("tcp", tcp), ("udp", udp), ("fragments", fragments), ("offer", offer.to_vec())]
}
