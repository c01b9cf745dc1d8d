//! The client against a name server over real sockets.

use super::server::{Behaviour, Server};
use crate::resolver::{Lookup, Reply, lookup_over};
use simple_dns::RCODE;
use sip_proto::locate::{Naptr, Question, Record, RecordKind, Srv};
use std::net::SocketAddr;
use std::time::Duration;

const ZONE: &str = "\
    a.example 30 A 192.0.2.1\n\
    a.example 20 A 192.0.2.2\n\
    a.example 60 AAAA 2001:db8::1\n\
    b.example 60 NAPTR 10 20 s SIP+D2U _sip._udp.b.example\n\
    b.example 60 NAPTR 10 30 u E2U+sip . !^.*$!sip:x@y!\n\
    _sip._udp.b.example 60 SRV 1 2 5070 a.example\n\
    _sip._udp.none.example 60 SRV 0 0 0 .\n\
    alias.example 9 CNAME c.example\n\
    c.example 60 CNAME a.example\n\
    outside.example 8 CNAME elsewhere.example\n\
    loop.example 60 CNAME loop2.example\n\
    loop2.example 60 CNAME loop.example\n\
    old.example 4000000000 A 192.0.2.9";

async fn ask_over(lookup: &Lookup, name: &str, kind: RecordKind) -> Reply {
    let asking = lookup(Question { name: name.into(), kind });
    tokio::time::timeout(crate::tests::PATIENCE, asking).await.expect("it ends by itself")
}

async fn ask(server: &Server, name: &str, kind: RecordKind) -> Reply {
    ask_over(&lookup_over(&[server.at]), name, kind).await
}

fn addresses(reply: Reply) -> (Vec<String>, Option<u64>) {
    let Reply::Records(records, lives) = reply else { panic!("nothing came") };
    let text = |record: &Record| match record {
        Record::Address(ip) => ip.to_string(),
        other => panic!("{other:?}"),
    };
    (records.iter().map(text).collect(), lives.map(|lives| lives.as_secs()))
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test]
async fn every_kind_of_record_is_read_with_the_shortest_life() {
    let server = Server::start(Behaviour::Answers, ZONE);
    let (found, lives) = addresses(ask(&server, "a.example", RecordKind::A).await);
    assert_eq!((found, lives), (strings(&["192.0.2.1", "192.0.2.2"]), Some(20)));
    let (found, lives) = addresses(ask(&server, "a.example", RecordKind::Aaaa).await);
    assert_eq!((found, lives), (strings(&["2001:db8::1"]), Some(60)));
    let Reply::Records(records, _) = ask(&server, "b.example", RecordKind::Naptr).await else {
        panic!("nothing came")
    };
    let naptr = Naptr {
        order: 10,
        preference: 20,
        flags: "s".into(),
        service: "SIP+D2U".into(),
        replacement: "_sip._udp.b.example".into(),
    };
    assert_eq!(records, [Record::Naptr(naptr)], "the one with an expression is left out");
    let srv = |priority, weight, port, target: &str| {
        Record::Srv(Srv { priority, weight, port, target: target.into() })
    };
    for (name, expected) in [
        ("_sip._udp.b.example", srv(1, 2, 5070, "a.example")),
        ("_sip._udp.none.example", srv(0, 0, 0, ".")),
    ] {
        let Reply::Records(records, _) = ask(&server, name, RecordKind::Srv).await else {
            panic!("nothing came")
        };
        assert_eq!(records, [expected]);
    }
    let (_, lives) = addresses(ask(&server, "old.example", RecordKind::A).await);
    assert_eq!(lives, Some(0), "RFC 2181 section 8");
}

#[tokio::test]
async fn absence_comes_with_how_long_it_holds() {
    let server = Server::start(Behaviour::Answers, ZONE);
    for (name, kind) in [("nowhere.example", RecordKind::A), ("a.example", RecordKind::Srv)] {
        assert_eq!(addresses(ask(&server, name, kind).await), (Vec::new(), Some(17)), "{name}");
    }
}

#[tokio::test]
async fn aliases_are_followed_and_loops_end() {
    let server = Server::start(Behaviour::Answers, ZONE);
    let (found, lives) = addresses(ask(&server, "alias.example", RecordKind::A).await);
    assert_eq!((found.len(), lives), (2, Some(9)));
    // The alias leads out of the zone: a question of its own.
    let (found, _) = addresses(ask(&server, "outside.example", RecordKind::A).await);
    assert!(found.is_empty());
    assert_eq!(server.asked().last().map(String::as_str), Some("udp A elsewhere.example"));
    assert!(matches!(ask(&server, "loop.example", RecordKind::A).await, Reply::Failed));
    assert!(server.asked().len() < 30);
}

#[tokio::test]
async fn what_does_not_fit_comes_over_tcp() {
    for behaviour in [Behaviour::Truncates, Behaviour::Oversize] {
        let server = Server::start(behaviour, ZONE);
        let (found, _) = addresses(ask(&server, "a.example", RecordKind::A).await);
        assert_eq!(found.len(), 2, "{behaviour:?}");
        assert_eq!(server.asked(), ["udp A a.example", "tcp A a.example"]);
    }
}

#[tokio::test]
async fn a_server_that_fails_is_followed_by_the_next() {
    for behaviour in [
        Behaviour::Fails(RCODE::ServerFailure),
        Behaviour::Fails(RCODE::Refused),
        Behaviour::Fails(RCODE::NotImplemented),
        Behaviour::Silent,
        Behaviour::HangsUp,
        Behaviour::WrongSource,
        Behaviour::Garbles,
    ] {
        let (bad, good) = (Server::start(behaviour, ZONE), Server::start(Behaviour::Answers, ZONE));
        let lookup = lookup_over(&[bad.at, good.at]);
        let (found, _) = addresses(ask_over(&lookup, "a.example", RecordKind::A).await);
        assert_eq!(found.len(), 2, "{behaviour:?}");
        assert!(!bad.asked().is_empty());
    }
    // Nobody listens there: the system says so at once.
    let closed: SocketAddr = {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let lookup = lookup_over(&[closed]);
    let asking = ask_over(&lookup, "a.example", RecordKind::A);
    let reply = tokio::time::timeout(Duration::from_millis(900), asking).await;
    assert!(matches!(reply, Ok(Reply::Failed)));
}

#[tokio::test]
async fn a_server_of_before_edns_is_asked_without() {
    let server = Server::start(Behaviour::OldFashioned, ZONE);
    let (found, _) = addresses(ask(&server, "a.example", RecordKind::A).await);
    assert_eq!(found.len(), 2);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn lies_are_passed_over() {
    let server = Server::start(Behaviour::LiesFirst, ZONE);
    let (found, _) = addresses(ask(&server, "a.example", RecordKind::A).await);
    assert_eq!(found, strings(&["192.0.2.1", "192.0.2.2"]));
    assert_eq!(server.asked().len(), 1, "the right answer came behind them");
    let server = Server::start(Behaviour::Stuffs, ZONE);
    let (found, _) = addresses(ask(&server, "a.example", RecordKind::A).await);
    assert_eq!(found, strings(&["192.0.2.1", "192.0.2.2"]));
}

#[tokio::test]
async fn the_hosts_file_comes_before_the_dns() {
    let server = Server::start(Behaviour::Answers, "localhost 60 A 203.0.113.66");
    let (found, _) = addresses(ask(&server, "localhost", RecordKind::A).await);
    assert!(found.iter().any(|ip| ip == "127.0.0.1"), "{found:?}");
    assert_eq!(server.asked(), [] as [&str; 0]);
}
