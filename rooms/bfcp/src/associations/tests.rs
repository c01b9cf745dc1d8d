use super::*;
use crate::{Attribute, ClientEvent, ErrorCode, FloorClient, SEND_ATTEMPTS, T1};
use proptest::prelude::*;

const CONFERENCE: u32 = 0xdead_beef;
const USER: u16 = 7;
const DEVICE: &str = "192.0.2.7:40000";

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

fn source(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn admission(transport: FloorTransport) -> Admission {
    Admission {
        conference: CONFERENCE,
        user: USER,
        transport,
        addresses: vec![source(DEVICE).ip()],
        first_transaction: 100,
    }
}

fn admitted(transport: FloorTransport) -> Associations {
    let mut associations = Associations::default();
    assert!(associations.admit(at(0), admission(transport)));
    associations
}

fn client() -> FloorClient {
    FloorClient::new(CONFERENCE, USER)
}

/// As it is over UDP.
fn datagram(mut message: Message) -> Vec<u8> {
    message.header.version = 2;
    message.write()
}

fn actions(associations: &mut Associations) -> Vec<Action> {
    std::iter::from_fn(|| associations.poll()).collect()
}

fn answer(message: &Message, primitive: Primitive) -> Message {
    let header = Header { primitive: primitive as u8, ..message.header };
    Message { header, attributes: Vec::new() }
}

#[test]
fn a_device_over_udp_is_heard_and_answered_where_it_speaks_from() {
    let mut associations = admitted(FloorTransport::Udp);
    let hello = datagram(client().hello());
    associations.handle_datagram(at(0), source(DEVICE), &hello);
    let [Action::Message(message)] = &actions(&mut associations)[..] else { panic!() };
    assert_eq!(message.primitive(), Some(Primitive::Hello));
    associations.send(at(1), answer(message, Primitive::HelloAck), true);
    let [Action::Send { to, datagram: sent }] = &actions(&mut associations)[..] else { panic!() };
    assert_eq!(*to, source(DEVICE));
    let told = client().handle_message(&Message::parse(sent).unwrap());
    assert_eq!(told.0, Some(ClientEvent::Connected));
    // Said again, it is answered again without asking anybody.
    associations.handle_datagram(at(600), source(DEVICE), &hello);
    assert!(matches!(&actions(&mut associations)[..], [Action::Send { .. }]));
}

#[test]
fn nobody_else_is_heard_or_answered() {
    let wrong_user = datagram(FloorClient::new(CONFERENCE, USER + 1).hello());
    let wrong_conference = datagram(FloorClient::new(CONFERENCE + 1, USER).hello());
    let hello = datagram(client().hello());
    let cases: [(&str, &[u8]); 5] = [
        ("192.0.2.8:40000", &hello),
        (DEVICE, &wrong_user),
        (DEVICE, &wrong_conference),
        (DEVICE, b""),
        (DEVICE, &[0xff; 11]),
    ];
    let mut associations = admitted(FloorTransport::Udp);
    for (count, (from, octets)) in (1..).zip(cases) {
        associations.handle_datagram(at(0), source(from), octets);
        assert_eq!(actions(&mut associations), [], "{from}");
        assert_eq!(associations.tally().strangers, count);
    }
    let mut over_tcp = admitted(FloorTransport::Tcp);
    over_tcp.handle_datagram(at(0), source(DEVICE), &hello);
    assert_eq!((actions(&mut over_tcp).len(), over_tcp.tally().strangers), (0, 1));
}

#[test]
fn another_port_of_a_device_must_say_hello_first() {
    let mut associations = admitted(FloorTransport::Udp);
    let mut client = client();
    associations.handle_datagram(at(0), source(DEVICE), &datagram(client.hello()));
    let moved = source("192.0.2.7:40001");
    associations.handle_datagram(at(1), moved, &datagram(client.follow(1)));
    assert_eq!(actions(&mut associations).len(), 1, "only the first Hello");
    associations.handle_datagram(at(2), moved, &datagram(client.hello()));
    let [Action::Message(message)] = &actions(&mut associations)[..] else { panic!() };
    associations.send(at(2), answer(message, Primitive::HelloAck), true);
    assert!(matches!(&actions(&mut associations)[..], [Action::Send { to, .. }] if *to == moved));
}

#[test]
fn a_device_that_acknowledges_nothing_is_lost() {
    let mut associations = admitted(FloorTransport::Udp);
    let status = |conference| {
        let header = FloorClient::new(conference, USER).hello().header;
        let header = Header { primitive: Primitive::FloorStatus as u8, ..header };
        Message { header, attributes: Vec::new() }
    };
    associations.send(at(0), status(CONFERENCE), false);
    assert_eq!(
        (actions(&mut associations).len(), associations.tally().unsent),
        (0, 1),
        "never heard"
    );
    associations.handle_datagram(at(0), source(DEVICE), &datagram(client().hello()));
    actions(&mut associations);
    associations.send(at(0), status(CONFERENCE), false);
    let mut sent = 0;
    let mut now = at(0);
    let lost = loop {
        let actions = actions(&mut associations);
        sent += actions.iter().filter(|one| matches!(one, Action::Send { .. })).count();
        if actions.contains(&Action::Lost { conference: CONFERENCE }) {
            break now;
        }
        assert!(associations.poll_timeout().is_some(), "it waits");
        now += Duration::from_millis(100);
        associations.handle_timeout(now);
    };
    assert_eq!(sent, SEND_ATTEMPTS as usize);
    assert!(lost >= at(0) + T1 * 7, "{lost:?}");
    assert_eq!(associations.poll_timeout(), None);
}

#[test]
fn what_cannot_be_read_is_answered_with_an_error() {
    let mut associations = admitted(FloorTransport::Udp);
    let mut bad = datagram(client().hello());
    bad[1] = 200;
    associations.handle_datagram(at(0), source(DEVICE), &bad);
    let [Action::Send { datagram, .. }] = &actions(&mut associations)[..] else { panic!() };
    let read = Message::parse(datagram).unwrap();
    let expected = Attribute::ErrorCode(ErrorCode::UnknownPrimitive, Vec::new());
    assert_eq!(read.attributes, [expected]);
    assert_eq!(associations.tally().unreadable, 1);
}

#[test]
fn more_than_a_burst_is_dropped_until_time_has_passed() {
    let mut associations = admitted(FloorTransport::Udp);
    let mut client = client();
    for _ in 0..BURST + 5 {
        associations.handle_datagram(at(0), source(DEVICE), &datagram(client.hello()));
    }
    assert_eq!(actions(&mut associations).len(), BURST as usize);
    assert_eq!(associations.tally().too_fast, 5);
    associations.handle_datagram(at(1_000), source(DEVICE), &datagram(client.hello()));
    assert_eq!(actions(&mut associations).len(), 1);
}

#[test]
fn a_connection_belongs_to_the_call_of_its_first_message() {
    let mut associations = admitted(FloorTransport::Tcp);
    let mut client = client();
    let link = LinkId(1);
    assert!(associations.handle_connected(at(0), link, source(DEVICE)));
    let octets = [client.hello().write(), client.follow(1).write()].concat();
    for octet in &octets {
        associations.handle_octets(at(0), link, std::slice::from_ref(octet));
    }
    let heard = actions(&mut associations);
    let [Action::Message(hello), Action::Message(_)] = &heard[..] else { panic!("{heard:?}") };
    associations.send(at(0), answer(hello, Primitive::HelloAck), true);
    let written = actions(&mut associations);
    let [Action::Write { link: LinkId(1), octets }] = &written[..] else { panic!("{written:?}") };
    assert_eq!(Message::parse(octets).unwrap().header.version, VERSION_RELIABLE);
    // It connects anew: the old connection goes, and nobody counts as lost.
    associations.handle_connected(at(1), LinkId(2), source(DEVICE));
    associations.handle_octets(at(1), LinkId(2), &client.hello().write());
    let moved = actions(&mut associations);
    assert!(matches!(&moved[..], [Action::Close { link: LinkId(1) }, Action::Message(_)]));
    associations.handle_closed(LinkId(2));
    assert_eq!(actions(&mut associations), [Action::Lost { conference: CONFERENCE }]);
    associations.release(CONFERENCE);
    assert_eq!((actions(&mut associations), associations.links()), (Vec::new(), 0));
}

#[test]
fn a_connection_may_be_faster_than_the_news_of_its_call() {
    let mut associations = Associations::default();
    let link = LinkId(1);
    associations.handle_connected(at(0), link, source(DEVICE));
    associations.handle_octets(at(0), link, &client().hello().write());
    assert_eq!(actions(&mut associations), []);
    associations.admit(at(10), admission(FloorTransport::Tcp));
    assert!(matches!(&actions(&mut associations)[..], [Action::Message(_)]));
    associations.release(CONFERENCE);
    assert_eq!(actions(&mut associations), [Action::Close { link }]);
}

#[test]
fn connections_that_are_nobodys_are_closed() {
    let mut associations = admitted(FloorTransport::Tcp);
    // From elsewhere, of another user, of no BFCP, of a call over UDP.
    let octets = client().hello().write();
    let other = FloorClient::new(CONFERENCE, USER + 1).hello().write();
    let cases = [
        ("192.0.2.9:1", octets),
        (DEVICE, other),
        (DEVICE, b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n".to_vec()),
    ];
    for (link, (from, octets)) in (1..).map(LinkId).zip(cases) {
        associations.handle_connected(at(0), link, source(from));
        associations.handle_octets(at(0), link, &octets);
        let last = actions(&mut associations);
        // HTTP is long for BFCP: it is closed for its silence.
        if last.is_empty() {
            associations.handle_timeout(at(PATIENCE.as_millis() as u64));
            assert_eq!(actions(&mut associations), [Action::Close { link }]);
        } else {
            assert_eq!(last, [Action::Close { link }]);
        }
    }
    assert_eq!((associations.links(), associations.tally().strangers), (0, 3));
    // One address has few at a time, others have theirs.
    let most = MAX_LINKS_OF_SOURCE as u64;
    for link in 10..10 + most {
        assert!(associations.handle_connected(at(9_000), LinkId(link), source(DEVICE)));
    }
    assert!(!associations.handle_connected(at(9_000), LinkId(100), source(DEVICE)));
    assert!(associations.handle_connected(at(9_000), LinkId(101), source("192.0.2.8:1")));
}

#[test]
fn a_flood_over_a_connection_ends_it() {
    let mut associations = admitted(FloorTransport::Tcp);
    associations.handle_connected(at(0), LinkId(1), source(DEVICE));
    let mut client = client();
    for _ in 0..=BURST {
        associations.handle_octets(at(0), LinkId(1), &client.hello().write());
    }
    let last = actions(&mut associations);
    assert_eq!(last.len(), BURST as usize + 2);
    assert!(matches!(last[BURST as usize..], [Action::Lost { .. }, Action::Close { .. }]));
}

proptest! {
    #[test]
    fn no_octets_disturb_it(parts in proptest::collection::vec(
        (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..80)), 0..40,
    )) {
        let mut associations = admitted(FloorTransport::Tcp);
        let second = Admission { conference: 1, ..admission(FloorTransport::Udp) };
        associations.admit(at(0), second);
        associations.handle_connected(at(0), LinkId(1), source(DEVICE));
        associations.handle_octets(at(0), LinkId(1), &client().hello().write());
        for (is_datagram, octets) in parts {
            if is_datagram {
                let mut named = datagram(FloorClient::new(1, USER).hello());
                named.truncate(4);
                named.extend([0, 0, 0, 1]);
                named.extend(&octets);
                associations.handle_datagram(at(5), source(DEVICE), &named);
            } else {
                associations.handle_octets(at(5), LinkId(1), &octets);
            }
            prop_assert!(actions(&mut associations).len() <= 8);
        }
    }
}
