use super::{PATIENCE, Rig, Seen, client_key, message};
use crate::transport::TcpLimits;
use model::{Flow, TransportProtocol};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

const LISTEN: [&str; 1] = ["127.0.0.1:0"];

fn connect(rig: &Rig) -> TcpStream {
    let stream = TcpStream::connect(rig.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn to(rig: &Rig, remote: SocketAddr) -> Flow {
    let protocol = TransportProtocol::Tcp;
    Flow { protocol, local: rig.address(), remote, connection: None, identity: None }
}

fn read_exactly(stream: &mut TcpStream, expected: &str) {
    let mut octets = vec![0; expected.len()];
    stream.read_exact(&mut octets).unwrap();
    assert_eq!(String::from_utf8(octets).unwrap(), expected);
}

/// Reads to the end; a reset counts as one.
fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn messages_are_cut_out_of_the_stream_and_answers_follow_it_back() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let rig = Rig::start(&[], &[listen], TcpLimits::default());
        let mut stream = connect(&rig);
        let first = message("INVITE", "z9hG4bK1", "v=0\r\n");
        let second = message("OPTIONS", "z9hG4bK2", "");
        let third = message("BYE", "z9hG4bK3", "");
        let (head, tail) = third.split_at(40);
        stream.write_all(format!("{first}{second}{head}").as_bytes()).unwrap();
        let (flow, raw) = rig.next_input();
        assert_eq!(raw, first);
        assert_eq!(rig.next_input().1, second);
        stream.write_all(tail.as_bytes()).unwrap();
        let (same, raw) = rig.next_input();
        assert_eq!((same, &raw[..]), (flow, third.as_bytes()));
        assert_eq!((flow.local, flow.remote), (rig.address(), stream.local_addr().unwrap()));

        rig.transmit(flow, "SIP/2.0 200 OK\r\n\r\n", None);
        read_exactly(&mut stream, "SIP/2.0 200 OK\r\n\r\n");
        drop(stream);
        assert!(matches!(rig.next(), Seen::Closed(id) if Some(id) == flow.connection));
    }
}

#[test]
fn a_ping_between_messages_gets_its_pong() {
    let rig = Rig::start(&[], &LISTEN, TcpLimits::default());
    let mut stream = connect(&rig);
    stream.write_all(b"\r\n\r\n").unwrap();
    read_exactly(&mut stream, "\r\n");
    let request = message("OPTIONS", "z9hG4bK1", "");
    stream.write_all(format!("{request}\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(rig.next_input().1, request);
    read_exactly(&mut stream, "\r\n");
}

#[test]
fn a_message_that_drips_is_cut_off_at_its_deadline() {
    let message_deadline = Duration::from_millis(150);
    let rig = Rig::start(&[], &LISTEN, TcpLimits { message_deadline, ..TcpLimits::default() });
    let began = rig.clock.now();
    let mut stream = connect(&rig);
    stream.write_all(b"INVITE sip:edge.example SIP/2.0\r\n").unwrap();
    // Each octet starts no new deadline.
    let mut dripper = stream.try_clone().unwrap();
    let (stop, stopped) = std::sync::mpsc::sync_channel::<()>(0);
    let dripping = std::thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(5)).is_err() {
            if dripper.write_all(b"x").is_err() {
                break;
            }
        }
    });
    read_to_end(&mut stream);
    let lasted = rig.clock.now() - began;
    drop(stop);
    dripping.join().unwrap();
    assert!(lasted >= message_deadline, "{lasted:?}");
    assert!(lasted < PATIENCE / 2, "{lasted:?}");
    assert_eq!(rig.edge.statistics().transport.tcp_slow_messages, 1);
}

#[test]
fn silent_connections_end_and_those_of_calls_outlive_them() {
    let limits = TcpLimits {
        first_message_timeout: Duration::from_millis(50),
        idle_timeout: Duration::from_millis(100),
        call_idle_timeout: Duration::from_secs(3600),
        ..TcpLimits::default()
    };
    let rig = Rig::start(&[], &LISTEN, limits);
    let mut of_a_call = connect(&rig);
    of_a_call.write_all(message("INVITE", "z9hG4bK1", "").as_bytes()).unwrap();
    let (flow, _) = rig.next_input();
    let mut mute = connect(&rig);
    assert_eq!(read_to_end(&mut mute), "");
    let mut idle = connect(&rig);
    idle.write_all(message("OPTIONS", "z9hG4bK2", "").as_bytes()).unwrap();
    rig.next_input();
    assert_eq!(read_to_end(&mut idle), "");
    assert!(matches!(rig.next(), Seen::Closed(_)));
    rig.transmit(flow, "BYE", None);
    read_exactly(&mut of_a_call, "BYE");
    assert_eq!(rig.edge.statistics().transport.tcp_idle, 2);
}

#[test]
fn connections_over_the_limit_of_a_source_or_of_all_are_refused() {
    let limits = TcpLimits { connections: 3, connections_per_source: 2, ..TcpLimits::default() };
    let rig = Rig::start(&[], &LISTEN, limits);
    let greet = |stream: &mut TcpStream| {
        stream.write_all(b"\r\n\r\n").unwrap();
        read_exactly(stream, "\r\n");
    };
    let (mut first, mut second) = (connect(&rig), connect(&rig));
    greet(&mut first);
    greet(&mut second);
    assert_eq!(read_to_end(&mut connect(&rig)), "");
    let mut other = from_address("127.0.0.2", rig.address());
    greet(&mut other);
    assert_eq!(read_to_end(&mut from_address("127.0.0.3", rig.address())), "");
    let transport = rig.edge.statistics().transport;
    assert_eq!((transport.tcp_accepted, transport.tcp_refused), (3, 2));
    greet(&mut first);

    // A place that was given back can be taken again.
    drop(second);
    let deadline = rig.clock.now() + PATIENCE;
    while rig.edge.statistics().transport.tcp_connections == 3 {
        assert!(rig.clock.now() < deadline, "the closed connection keeps its place");
    }
    greet(&mut connect(&rig));
}

fn from_address(source: &str, to: SocketAddr) -> TcpStream {
    let stream = {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let source: SocketAddr = format!("{source}:0").parse().unwrap();
        socket.bind(&source.into()).unwrap();
        socket.connect(&to.into()).unwrap();
        TcpStream::from(socket)
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn a_stream_that_is_not_sip_is_refused_and_closed() {
    let rig = Rig::start(&[], &LISTEN, TcpLimits::default());
    let mut stream = connect(&rig);
    let request = message("OPTIONS", "z9hG4bK1", "").replace("Content-Length: 0\r\n", "");
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let answer = read_to_end(&mut stream);
    assert!(answer.starts_with("SIP/2.0 400 "), "{answer}");
    assert!(answer.contains("branch=z9hG4bK1"), "{answer}");
    let mut binary = connect(&rig);
    binary.write_all(&[0xff; 4096]).unwrap();
    binary.write_all(b"\r\n\r\n").unwrap();
    assert_eq!(read_to_end(&mut binary), "");
    assert_eq!(rig.edge.statistics().transport.tcp_framing_errors, 2);
}

#[test]
fn one_connection_is_opened_for_all_that_goes_to_a_peer() {
    let rig = Rig::start(&[], &LISTEN, TcpLimits::default());
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let flow = to(&rig, listener.local_addr().unwrap());
    rig.transmit(flow, "first,", Some(client_key()));
    rig.transmit(flow, "second,", None);
    let (mut stream, from) = listener.accept().unwrap();
    assert_eq!(from.ip(), rig.address().ip());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    read_exactly(&mut stream, "first,second,");
    stream.write_all(message("OPTIONS", "z9hG4bK1", "").as_bytes()).unwrap();
    let (heard, _) = rig.next_input();
    assert_eq!((heard.local, heard.remote), (flow.local, flow.remote));
    rig.transmit(heard, "third", None);
    read_exactly(&mut stream, "third");
    assert_eq!(rig.edge.statistics().transport.tcp_opened, 1);
    // The request was followed by a message, so its transaction is left alone.
    drop(stream);
    assert!(matches!(rig.next(), Seen::Closed(id) if Some(id) == heard.connection));

    // What answers a closed connection goes over a new one.
    rig.transmit(heard, "fourth", None);
    let (mut again, _) = listener.accept().unwrap();
    again.set_read_timeout(Some(PATIENCE)).unwrap();
    read_exactly(&mut again, "fourth");
}

#[test]
fn an_accepted_connection_is_used_for_requests_to_its_peer() {
    let rig = Rig::start(&[], &LISTEN, TcpLimits::default());
    let mut stream = connect(&rig);
    stream.write_all(message("OPTIONS", "z9hG4bK1", "").as_bytes()).unwrap();
    let (flow, _) = rig.next_input();
    rig.transmit(to(&rig, flow.remote), "INVITE", None);
    read_exactly(&mut stream, "INVITE");
    assert_eq!(rig.edge.statistics().transport.tcp_opened, 0);
}

#[test]
fn a_connection_that_cannot_be_opened_is_reported_for_every_transaction() {
    let rig = Rig::start(&[], &LISTEN, TcpLimits::default());
    let nobody = TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
    let key = client_key();
    rig.transmit(to(&rig, nobody), "INVITE", Some(key));
    assert!(matches!(rig.next(), Seen::Unreachable(reported) if reported == key));
    assert_eq!(rig.edge.statistics().transport.tcp_connect_failed, 1);

    // A request that went out, and nothing came back before the connection broke.
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    rig.transmit(to(&rig, listener.local_addr().unwrap()), "INVITE", Some(key));
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    read_exactly(&mut stream, "INVITE");
    drop(stream);
    assert!(matches!(rig.next(), Seen::Unreachable(reported) if reported == key));
}

#[test]
fn a_peer_that_does_not_read_loses_its_connection_and_not_our_memory() {
    let limits = TcpLimits { queued_bytes: 100_000, ..TcpLimits::default() };
    let rig = Rig::start(&[], &LISTEN, limits);
    let mut deaf = connect(&rig);
    deaf.write_all(message("OPTIONS", "z9hG4bK1", "").as_bytes()).unwrap();
    let (flow, _) = rig.next_input();
    // More than both kernels' buffers take.
    let block = "x".repeat(60_000);
    let closed = (0..2_000).any(|_| {
        rig.transmit(flow, &block, None);
        matches!(rig.seen.try_recv(), Ok(Seen::Closed(id)) if Some(id) == flow.connection)
    });
    assert!(closed || matches!(rig.next(), Seen::Closed(id) if Some(id) == flow.connection));
    assert_eq!(rig.edge.statistics().transport.tcp_write_stalled, 1);
}
