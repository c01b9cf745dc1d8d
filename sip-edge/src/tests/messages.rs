//! Connections that others serve: a browser's WebSocket.

use super::{PATIENCE, Rig, Seen, client_key, message};
use crate::transport::{MessageConnection, MessageEnd, TcpLimits};
use bytes::Bytes;
use model::{Flow, TransportProtocol};
use std::net::{SocketAddr, TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

const REMOTE: &str = "192.0.2.9:50000";

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn rig(limits: TcpLimits) -> Rig {
    Rig::start(&[], &["127.0.0.1:0"], limits)
}

fn open(rig: &Rig, runtime: &Runtime) -> MessageConnection {
    let local: SocketAddr = "192.0.2.1:8443".parse().unwrap();
    let connections = rig.edge.message_connections();
    let opening = connections.open(TransportProtocol::Wss, local, REMOTE.parse().unwrap());
    runtime.block_on(opening).unwrap()
}

fn deliver(runtime: &Runtime, connection: &MessageConnection, text: &str) {
    assert!(runtime.block_on(connection.deliver(Bytes::copy_from_slice(text.as_bytes()))));
}

fn next(runtime: &Runtime, connection: &mut MessageConnection) -> Option<Bytes> {
    runtime.block_on(async { tokio::time::timeout(PATIENCE, connection.next()).await.unwrap() })
}

#[test]
fn messages_pass_whole_and_answers_go_back_over_the_same_connection() {
    let (rig, runtime) = (rig(TcpLimits::default()), runtime());
    let mut connection = open(&rig, &runtime);
    let other = open(&rig, &runtime);
    let request = message("INVITE", "z9hG4bK1", "v=0\r\n");
    deliver(&runtime, &connection, &request);
    let (flow, raw) = rig.next_input();
    assert_eq!(raw, request);
    assert_eq!((flow.protocol, flow.remote), (TransportProtocol::Wss, REMOTE.parse().unwrap()));
    rig.transmit(flow, "SIP/2.0 200 OK\r\n\r\n", None);
    assert_eq!(next(&runtime, &mut connection).unwrap(), "SIP/2.0 200 OK\r\n\r\n");
    drop(other);
    drop(connection);
    // One that has said nothing is nobody's business.
    assert!(matches!(rig.next(), Seen::Closed(id) if Some(id) == flow.connection));
}

#[test]
fn nobody_else_gets_what_was_for_a_browser_that_is_gone() {
    let (rig, runtime) = (rig(TcpLimits::default()), runtime());
    let connection = open(&rig, &runtime);
    deliver(&runtime, &connection, &message("OPTIONS", "z9hG4bK1", ""));
    let (flow, _) = rig.next_input();
    drop(connection);
    assert!(matches!(rig.next(), Seen::Closed(_)));
    // From the same address, as behind one NAT.
    let mut next_one = open(&rig, &runtime);
    deliver(&runtime, &next_one, &message("OPTIONS", "z9hG4bK2", ""));
    let (its, _) = rig.next_input();
    let client = client_key();
    rig.transmit(flow, "BYE sip:a@b.invalid SIP/2.0\r\n\r\n", Some(client));
    assert!(matches!(rig.next(), Seen::Unreachable(of) if of == client));
    rig.transmit(its, "SIP/2.0 200 OK\r\n\r\n", None);
    assert_eq!(next(&runtime, &mut next_one).unwrap(), "SIP/2.0 200 OK\r\n\r\n");
    // Nor is one opened: nobody listens there.
    let nowhere = Flow { connection: None, ..its };
    rig.transmit(nowhere, "OPTIONS sip:a@b.invalid SIP/2.0\r\n\r\n", Some(client));
    assert!(matches!(rig.next(), Seen::Unreachable(of) if of == client));
}

#[test]
fn browsers_take_no_place_of_connections_that_we_open() {
    let (rig, runtime) = (rig(TcpLimits { connections: 1, ..TcpLimits::default() }), runtime());
    let browsers: Vec<_> = (0..4).map(|_| open(&rig, &runtime)).collect();
    deliver(&runtime, &browsers[3], &message("OPTIONS", "z9hG4bK1", ""));
    rig.next_input();
    let peers = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [flow, more] = [&peers[0], &peers[1]]
        .map(|peer| Flow::new(TransportProtocol::Tcp, rig.address(), peer.local_addr().unwrap()));
    rig.transmit(flow, "OPTIONS sip:a@b.invalid SIP/2.0\r\n\r\n", None);
    let opened = accepted(&rig, &peers[0]);
    // No more than so many of these.
    let client = client_key();
    rig.transmit(more, "OPTIONS sip:a@b.invalid SIP/2.0\r\n\r\n", Some(client));
    assert!(matches!(rig.next(), Seen::Unreachable(of) if of == client));
    // A place that was given back can be taken again.
    drop(opened);
    let deadline = rig.clock.now() + PATIENCE;
    while rig.edge.statistics().transport.tcp_opened < 2 {
        assert!(rig.clock.now() < deadline, "the closed connection keeps its place");
        rig.transmit(more, "OPTIONS sip:a@b.invalid SIP/2.0\r\n\r\n", None);
        std::thread::yield_now();
    }
    accepted(&rig, &peers[1]);
}

fn accepted(rig: &Rig, listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let deadline = rig.clock.now() + PATIENCE;
    loop {
        match listener.accept() {
            Ok((stream, _)) => return stream,
            Err(_) => assert!(rig.clock.now() < deadline, "nothing is opened"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_browser_that_does_not_read_is_let_go() {
    let limits = TcpLimits { queued_messages: 2, ..TcpLimits::default() };
    let (rig, runtime) = (rig(limits), runtime());
    let mut connection = open(&rig, &runtime);
    deliver(&runtime, &connection, &message("OPTIONS", "z9hG4bK1", ""));
    let (flow, _) = rig.next_input();
    for _ in 0..3 {
        rig.transmit(flow, "SIP/2.0 200 OK\r\n\r\n", None);
    }
    assert!(matches!(rig.next(), Seen::Closed(_)));
    assert!(next(&runtime, &mut connection).is_some());
    assert!(next(&runtime, &mut connection).is_some());
    assert!(next(&runtime, &mut connection).is_none(), "it ends with what was queued");
    connection.note_end(MessageEnd::WriteStalled);
    drop(connection);
    assert_eq!(rig.edge.statistics().transport.tcp_write_stalled, 1, "it is counted once");
}
