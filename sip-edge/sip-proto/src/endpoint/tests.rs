use model::{Flow, TransportProtocol};

use super::*;
use crate::owner::OwnerTag;
use crate::transaction::Transmit;

const NOW: Instant = Instant::from_millis(1_000);

fn flow() -> Flow {
    Flow {
        protocol: TransportProtocol::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "192.0.2.9:6000".parse().unwrap(),
        connection: None,
        identity: None,
    }
}

fn input(endpoint: &mut Endpoint, raw: &str) -> Vec<Transmit> {
    endpoint.handle_input(NOW, flow(), Bytes::from(raw.to_owned()));
    std::iter::from_fn(|| endpoint.poll_transmit()).collect()
}

fn head(start: &str, via: &str, cseq: &str) -> String {
    format!(
        "{start}\r\nVia: {via}\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c@h\r\n\
         CSeq: {cseq}\r\n"
    )
}

const VIA: &str = "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa;rport";

fn endpoint() -> Endpoint {
    Endpoint::new(TransactionConfig::new(OwnerTag { node: 3, worker: 1 }))
}

#[test]
fn a_request_that_does_not_parse_gets_400_where_it_came_from() {
    let mut endpoint = endpoint();
    let raw = head("INVITE sip:b@h SIP/2.0", VIA, "1 INVITE") + "no header at all\r\n\r\n";
    let sent = input(&mut endpoint, &raw);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].payload.starts_with(b"SIP/2.0 400 Bad Request"), "{:?}", sent[0].payload);
    assert_eq!(sent[0].flow, flow());
    assert_eq!(endpoint.counters().malformed_requests, 1);
    let again = input(&mut endpoint, &raw);
    assert_eq!(again, sent, "the tag is the same for every copy");
}

#[test]
fn a_violation_gets_its_status_and_an_ack_gets_nothing() {
    let mut endpoint = endpoint();
    let raw = head("INVITE sip:b@h SIP/2.0", VIA, "1 INVITE") + "Require: teleport\r\n\r\n";
    let sent = input(&mut endpoint, &raw);
    let text = str::from_utf8(&sent[0].payload).unwrap();
    assert!(text.starts_with("SIP/2.0 420 Bad Extension\r\n"), "{text}");
    assert!(text.contains("\r\nUnsupported: teleport\r\n"));
    assert!(text.contains(";received=192.0.2.9;rport=6000\r\n"));
    let owner = OwnerTag { node: 3, worker: 1 }.encode();
    assert!(text.contains(&format!("To: <sip:b@h>;tag={owner}")), "{text}");

    let ack = head("ACK sip:b@h SIP/2.0", VIA, "1 BYE") + "\r\n";
    assert_eq!(input(&mut endpoint, &ack), []);
    let broken = head("ACK sip:b@h SIP/2.0", VIA, "1 ACK") + "no header at all\r\n\r\n";
    assert_eq!(input(&mut endpoint, &broken), []);
    let counters = endpoint.counters();
    assert_eq!((counters.violations, counters.bad_acks, counters.garbage), (1, 1, 1));
    assert_eq!(endpoint.len(), (0, 0));
}

#[test]
fn responses_that_are_not_ours_are_dropped_by_name() {
    let mut endpoint = endpoint();
    let ours = format!(
        "SIP/2.0/UDP 192.0.2.1;branch={}x",
        OwnerTag { node: 3, worker: 1 }.branch_prefix()
    );
    for via in [VIA.to_owned(), format!("{ours}, {VIA}"), ours] {
        let raw = head("SIP/2.0 200 OK", &via, "1 BYE") + "\r\n";
        assert_eq!(input(&mut endpoint, &raw), []);
    }
    let raw = "SIP/2.0 200 OK\r\nTo: x\r\n\r\n";
    assert_eq!(input(&mut endpoint, raw), []);
    let counters = endpoint.counters();
    assert_eq!(counters.responses, 4);
    assert_eq!(counters.foreign_responses, 1);
    assert_eq!(counters.extra_via_responses, 1);
    assert_eq!(counters.bad_responses, 1);
    assert_eq!(endpoint.transaction_counters().unmatched_responses, 1);
    assert!(endpoint.poll_event().is_none());
}

#[test]
fn keep_alives_and_garbage_are_counted() {
    let mut endpoint = endpoint();
    for raw in ["\r\n\r\n", "", "\0"] {
        assert_eq!(input(&mut endpoint, raw), []);
    }
    for raw in ["hello", "\r\nSIP", "INVITE sip:x SIP/2.0\r\n\r\n"] {
        input(&mut endpoint, raw);
    }
    assert_eq!(endpoint.counters().keep_alives, 3);
    assert_eq!(endpoint.counters().requests, 3);
}

#[test]
fn every_counter_has_a_name_of_its_own() {
    let endpoint = endpoint();
    let names: std::collections::BTreeSet<_> = endpoint
        .counters()
        .iter()
        .chain(endpoint.transaction_counters().iter())
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names.len(), 24);
}

#[test]
fn a_framing_error_is_answered_from_its_head() {
    let mut endpoint = endpoint();
    let head = head("INVITE sip:b@h SIP/2.0", VIA, "1 INVITE");
    endpoint.reject_malformed(flow(), head.as_bytes(), 400, "Missing Content-Length");
    let sent = endpoint.poll_transmit().unwrap();
    assert!(sent.payload.starts_with(b"SIP/2.0 400 Missing Content-Length\r\n"));
    endpoint.reject_malformed(flow(), b"\xff\xfe", 400, "Bad Request");
    assert!(endpoint.poll_transmit().is_none());
}
