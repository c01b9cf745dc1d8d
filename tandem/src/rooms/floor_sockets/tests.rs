//! Real sockets: devices over UDP and TCP, and rooms that are but a queue.

use super::*;
use bfcp::{Admission, ClientEvent, Datagrams, FloorClient, Framer, Message, Received};
use model::FloorTransport;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, UdpSocket as StdUdp};
use std::sync::mpsc::{Receiver as Told, sync_channel};

/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
const USER: u16 = 4;

struct Rig {
    sockets: FloorSockets,
    place: SocketAddr,
    told: Told<Input>,
    counters: Arc<FloorCounters>,
}

fn started() -> Rig {
    let (rooms, told) = sync_channel(64);
    let counters = Arc::new(FloorCounters::default());
    // A port that is free for both now may be somebody's in a moment: then another one.
    for _ in 0..50 {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        if let Ok(sockets) = FloorSockets::start(free, rooms.clone(), Arc::clone(&counters)) {
            return Rig { sockets, place: free, told, counters };
        }
    }
    panic!("no port is free");
}

impl Rig {
    fn order(&self, order: FloorOrder) {
        assert!(self.sockets.take(&mut VecDeque::from([order])));
    }

    fn admit(&self, conference: u32, transport: FloorTransport) {
        self.order(FloorOrder::Admit(Admission {
            conference,
            user: USER,
            transport,
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            first_transaction: 1,
        }));
    }

    /// What a device has said.
    fn said(&self) -> Message {
        match self.news() {
            FloorNews::Said(message) => message,
            other => panic!("{other:?}"),
        }
    }

    fn news(&self) -> FloorNews {
        match self.told.recv_timeout(PATIENCE) {
            Ok(Input::Floor(news)) => news,
            Ok(_) => panic!("of something else"),
            Err(_) => panic!("nothing is told"),
        }
    }

    fn answer(&self, message: &Message, primitive: bfcp::Primitive) {
        let header = bfcp::Header { primitive: primitive as u8, ..message.header };
        self.order(FloorOrder::Send(Message { header, attributes: Vec::new() }, true));
    }

    fn wait_for(&self, what: &str, is_so: impl Fn(FloorCounts) -> bool) {
        for _ in 0..6_000 {
            if is_so(self.counters.read()) {
                return;
            }
            let _ = self.told.recv_timeout(Duration::from_millis(10));
        }
        panic!("{what}: {:?}", self.counters.read());
    }
}

#[test]
fn a_device_over_udp_speaks_and_is_answered() {
    let rig = started();
    let socket = StdUdp::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(rig.place).unwrap();
    // Nobody's, which is answered nothing.
    socket.send(&FloorClient::new(99, USER).hello().write()).unwrap();
    rig.wait_for("a stranger", |counts| counts.tally.strangers == 1);
    rig.admit(7, FloorTransport::Udp);
    rig.wait_for("an admission", |counts| counts.admitted == 1);
    let mut client = FloorClient::new(7, USER);
    let mut datagrams = Datagrams::new(1);
    let clock = Clock::start();
    datagrams.request(clock.now(), client.hello()).unwrap();
    while let Some(datagram) = datagrams.poll_transmit() {
        socket.send(&datagram).unwrap();
    }
    let hello = rig.said();
    rig.answer(&hello, bfcp::Primitive::HelloAck);
    let mut buffer = [0; 2_000];
    let octets = socket.recv(&mut buffer).unwrap();
    let answered = datagrams.handle_datagram(clock.now(), &buffer[..octets]);
    let Some(Received::Response(message)) = answered else { panic!("{answered:?}") };
    assert_eq!(client.handle_message(&message).0, Some(ClientEvent::Connected));
    assert_eq!(rig.counters.read().tally.messages, 1);
    rig.order(FloorOrder::Release(7));
    rig.wait_for("the end", |counts| counts.admitted == 0);
}

#[test]
fn a_device_over_tcp_speaks_and_is_answered() {
    let rig = started();
    let mut stream = std::net::TcpStream::connect(rig.place).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = FloorClient::new(8, USER);
    // Faster than the news of its call.
    stream.write_all(&client.hello().write()).unwrap();
    rig.wait_for("a connection", |counts| counts.links == 1);
    rig.admit(8, FloorTransport::Tcp);
    let hello = rig.said();
    rig.answer(&hello, bfcp::Primitive::HelloAck);
    let mut framer = Framer::new();
    let mut buffer = [0; 64];
    let message = loop {
        if let Some(read) = framer.poll() {
            break read.unwrap();
        }
        let octets = stream.read(&mut buffer).unwrap();
        assert!(octets > 0, "the connection has ended");
        assert_eq!(framer.push(&buffer[..octets]), octets);
    };
    assert_eq!(client.handle_message(&message).0, Some(ClientEvent::Connected));
    // Its call ends: so does the connection.
    rig.order(FloorOrder::Release(8));
    assert_eq!(stream.read(&mut buffer).unwrap(), 0);
    rig.wait_for("the end", |counts| counts.links == 0);
}

#[test]
fn a_device_whose_connection_ends_is_lost() {
    let rig = started();
    rig.admit(9, FloorTransport::Tcp);
    let mut stream = std::net::TcpStream::connect(rig.place).unwrap();
    stream.write_all(&FloorClient::new(9, USER).hello().write()).unwrap();
    rig.said();
    drop(stream);
    assert_eq!(rig.news(), FloorNews::Lost(9));
}

#[test]
fn what_is_no_bfcp_ends_its_connection_alone() {
    let rig = started();
    rig.admit(9, FloorTransport::Tcp);
    let mut stranger = std::net::TcpStream::connect(rig.place).unwrap();
    stranger.set_read_timeout(Some(PATIENCE)).unwrap();
    stranger.write_all(&[0xff; 40]).unwrap();
    // Closed, or reset for what nobody has read.
    assert!(!matches!(stranger.read(&mut [0; 8]), Ok(octets) if octets > 0));
    let mut stream = std::net::TcpStream::connect(rig.place).unwrap();
    stream.write_all(&FloorClient::new(9, USER).hello().write()).unwrap();
    rig.said();
}

#[test]
fn a_place_that_is_taken_is_named() {
    let rig = started();
    let (rooms, _told) = sync_channel(1);
    let refused = FloorSockets::start(rig.place, rooms, Arc::default());
    let StartError(message) = refused.err().unwrap();
    let expected = format!("[rooms] bfcp: {} over UDP cannot be served: ", rig.place);
    assert!(message.starts_with(&expected), "{message}");
}

#[test]
fn that_a_device_is_gone_is_kept_however_much_waits() {
    let said = |conference| FloorNews::Said(FloorClient::new(conference, USER).hello());
    let mut untold = VecDeque::new();
    for _ in 0..UNTOLD {
        assert!(keep(&mut untold, said(1)));
    }
    assert!(!keep(&mut untold, said(1)));
    for conference in [2, 1, 2, 1] {
        assert!(keep(&mut untold, FloorNews::Lost(conference)));
    }
    let last: Vec<_> = untold.range(UNTOLD..).map(FloorNews::conference).collect();
    assert_eq!(last, [2, 1], "once for each device");
}
