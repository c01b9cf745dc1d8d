//! Peers whose connection to us closes, and who come back or can be reached elsewhere.

use super::{PATIENCE, Rig, Seen, client_key, message};
use crate::transport::TcpLimits;
use model::Flow;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::TryRecvError;

fn connect(rig: &Rig) -> TcpStream {
    let stream = TcpStream::connect(rig.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_exactly(stream: &mut TcpStream, expected: &str) {
    let mut octets = vec![0; expected.len()];
    stream.read_exact(&mut octets).unwrap();
    assert_eq!(String::from_utf8(octets).unwrap(), expected);
}

/// A peer connected, said something and is gone; its flow.
fn gone(rig: &Rig) -> Flow {
    let mut stream = connect(rig);
    stream.write_all(message("INVITE", "z9hG4bK1", "").as_bytes()).unwrap();
    let (flow, _) = rig.next_input();
    drop(stream);
    assert!(matches!(rig.next(), Seen::Closed(id) if Some(id) == flow.connection));
    flow
}

#[test]
fn what_is_for_a_peer_behind_a_nat_waits_until_it_connects_again() {
    let rig = Rig::start(&[], &["127.0.0.1:0"], TcpLimits::default());
    let flow = gone(&rig);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let to_contact = Flow { remote: closed, ..flow };
    rig.transmit(to_contact, "BYE,", Some(client_key()));
    rig.transmit(to_contact, "INFO,", None);
    // Nobody listens at its Contact.
    let deadline = rig.clock.now() + PATIENCE;
    while rig.edge.statistics().transport.tcp_connect_failed == 0 {
        assert!(rig.clock.now() < deadline, "the address was not tried");
    }
    let mut back = connect(&rig);
    read_exactly(&mut back, "BYE,INFO,");
    rig.transmit(to_contact, "more", None);
    read_exactly(&mut back, "more");
    assert!(matches!(rig.seen.try_recv(), Err(TryRecvError::Empty)), "nothing was unreachable");
}

#[test]
fn a_contact_that_can_be_reached_is_not_waited_for() {
    let rig = Rig::start(&[], &["127.0.0.1:0"], TcpLimits::default());
    let flow = gone(&rig);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rig.transmit(Flow { remote: listener.local_addr().unwrap(), ..flow }, "BYE", None);
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    read_exactly(&mut stream, "BYE");
}

#[test]
fn neither_an_older_connection_nor_one_of_two_from_an_address_is_taken_for_the_peer() {
    let rig = Rig::start(&[], &["127.0.0.1:0"], TcpLimits::default());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut older = connect(&rig);
    older.write_all(message("OPTIONS", "z9hG4bK0", "").as_bytes()).unwrap();
    let (with_older, _) = rig.next_input();
    let flow = gone(&rig);
    let mut two = [connect(&rig), connect(&rig)];
    for stream in &mut two {
        stream.write_all(b"\r\n\r\n").unwrap();
        read_exactly(stream, "\r\n");
    }
    rig.transmit(Flow { remote: closed, ..flow }, "never", None);
    let deadline = rig.clock.now() + PATIENCE;
    while rig.edge.statistics().transport.tcp_connect_failed == 0 {
        assert!(rig.clock.now() < deadline, "the address was not tried");
    }
    // Each of the three still gets only what is its own.
    rig.transmit(with_older, "older", None);
    read_exactly(&mut older, "older");
    for stream in &mut two {
        stream.write_all(b"\r\n\r\n").unwrap();
        read_exactly(stream, "\r\n");
    }
}

#[test]
fn a_request_to_nobody_s_former_connection_fails_at_once() {
    let rig = Rig::start(&[], &["127.0.0.1:0"], TcpLimits::default());
    let flow = gone(&rig);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let key = client_key();
    rig.transmit(Flow { remote: closed, connection: None, ..flow }, "never", Some(key));
    assert!(matches!(rig.next(), Seen::Unreachable(reported) if reported == key));
}
