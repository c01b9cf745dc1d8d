//! The transaction layer, fed by a peer that knows one of our branches.

use crate::{bounded, parts};
use bytes::Bytes;
use model::{Flow, Instant, TransportProtocol};
use sip_proto::{
    ClientKey, Composer, Endpoint, HeaderName, Method, OwnerTag, StepRandom, TransactionConfig,
    TransactionEvent,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const OWNER: OwnerTag = OwnerTag { node: 1, worker: 1 };
/// Datagrams of one script.
const MOST_PARTS: usize = 64;
/// Deadlines until everything must have ended.
const MOST_STEPS: usize = 20_000;

/// A script of datagrams to an endpoint that has one INVITE of its own in flight, in virtual time
/// with 250 ms between parts. `%B` in a part stands for the branch of that INVITE. Every request is
/// refused with 486, and the INVITE is cancelled in the end; then no transaction may be left.
///
/// # Panics
/// When a transaction outlives its timers.
pub fn sip_endpoint(data: &[u8]) {
    let mut endpoint = Endpoint::new(TransactionConfig::new(OWNER));
    let mut now = Instant::from_millis(1_000);
    let (branch, invite) = send_invite(&mut endpoint, now);
    for part in parts(bounded(data), MOST_PARTS) {
        let raw = replaced(part, b"%B", branch.as_bytes());
        endpoint.handle_input(now, flow(), raw.into());
        drain(&mut endpoint, now);
        now += Duration::from_millis(250);
        endpoint.handle_timeout(now);
        drain(&mut endpoint, now);
    }
    // A ringing INVITE has no timer of its own: giving up is the core's part. It may be over.
    let _ = endpoint.cancel(now, invite, &mut StepRandom::new(2));
    drain(&mut endpoint, now);
    for _ in 0..MOST_STEPS {
        let Some(deadline) = endpoint.poll_timeout() else { break };
        now = now.max(deadline);
        endpoint.handle_timeout(now);
        drain(&mut endpoint, now);
    }
    assert_eq!(endpoint.len(), (0, 0), "every transaction ends by its timers");
}

/// `part` with every `name` replaced.
pub(crate) fn replaced(part: &[u8], name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len() + value.len());
    let mut rest = part;
    while let Some((&first, after)) = rest.split_first() {
        if let Some(tail) = rest.strip_prefix(name) {
            out.extend_from_slice(value);
            rest = tail;
        } else {
            out.push(first);
            rest = after;
        }
    }
    out
}

fn flow() -> Flow {
    Flow {
        protocol: TransportProtocol::Udp,
        local: SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 5060)),
        remote: SocketAddr::from((Ipv4Addr::new(192, 0, 2, 9), 5060)),
        connection: None,
        identity: None,
    }
}

fn send_invite(endpoint: &mut Endpoint, now: Instant) -> (String, ClientKey) {
    let branch = endpoint.new_branch(&mut StepRandom::new(1));
    let mut request = Composer::request("INVITE", "sip:b@192.0.2.9");
    let via = format_args!("SIP/2.0/UDP 192.0.2.1:5060;branch={branch}");
    request.header_args(HeaderName::Via, via);
    request.header(HeaderName::From, "<sip:a@192.0.2.1>;tag=a");
    request.header(HeaderName::To, "<sip:b@192.0.2.9>");
    request.header(HeaderName::CallId, "c");
    request.header(HeaderName::CSeq, "1 INVITE");
    request.header(HeaderName::MaxForwards, "70");
    let request = request.finish();
    match endpoint.send_request(now, flow(), &branch, Method::Invite, request) {
        Ok(key) => (branch, key),
        Err(full) => panic!("an empty table has room: {full}"),
    }
}

/// Acts like a core that refuses everything.
fn drain(endpoint: &mut Endpoint, now: Instant) {
    while let Some(event) = endpoint.poll_event() {
        if let TransactionEvent::Request { key, message, .. } = event {
            let response = Composer::response_to(&message, 486, "Busy Here", Some("t")).finish();
            // A transaction that has ended meanwhile needs no answer.
            let _ = endpoint.respond(now, key, 486, response);
        }
    }
    while let Some(transmit) = endpoint.poll_transmit() {
        let _: Bytes = transmit.payload;
    }
}
