use std::time::Duration;

use bytes::Bytes;
use model::{ConnectionId, Flow, Instant, TransportProtocol};

use super::*;
use crate::endpoint::Endpoint;
use crate::message::Composer;
use crate::random::StepRandom;

mod cancel;
mod fallback;
mod graphs;
mod matching;
mod resumed;
mod storm;
mod timer_table;

/// An endpoint in virtual time, and everything that it did.
pub(super) struct Fixture {
    pub(super) endpoint: Endpoint,
    pub(super) now: Instant,
    random: StepRandom,
    pub(super) events: Vec<TransactionEvent>,
    pub(super) sent: Vec<Transmit>,
}

pub(super) const PEER: &str = "192.0.2.9:5060";

pub(super) fn flow(protocol: TransportProtocol) -> Flow {
    Flow {
        protocol,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: PEER.parse().unwrap(),
        connection: protocol.is_reliable().then_some(ConnectionId(7)),
        identity: None,
    }
}

pub(super) const UDP: TransportProtocol = TransportProtocol::Udp;
pub(super) const TCP: TransportProtocol = TransportProtocol::Tcp;

impl Fixture {
    pub(super) fn new() -> Self {
        Fixture::with(TransactionConfig::new(OwnerTag { node: 1, worker: 2 }))
    }

    pub(super) fn with(config: TransactionConfig) -> Self {
        Fixture {
            endpoint: Endpoint::new(config),
            now: Instant::from_millis(1_000),
            random: StepRandom::new(1),
            events: Vec::new(),
            sent: Vec::new(),
        }
    }

    pub(super) fn input(&mut self, protocol: TransportProtocol, raw: impl Into<Bytes>) {
        self.input_over(flow(protocol), raw);
    }

    pub(super) fn input_over(&mut self, flow: Flow, raw: impl Into<Bytes>) {
        self.endpoint.handle_input(self.now, flow, raw.into());
        self.drain();
    }

    /// Sends a request of ours; returns its transaction and its branch.
    pub(super) fn send(
        &mut self,
        protocol: TransportProtocol,
        method: &str,
    ) -> (ClientKey, String) {
        let branch = self.endpoint.new_branch(&mut self.random);
        let mut request = Composer::request(method, "sip:bob@192.0.2.9;x=1");
        request
            .header_named("Via", &format!("SIP/2.0/UDP 192.0.2.1;rport;branch={branch}"))
            .header_named("Max-Forwards", "70")
            .header_named("Route", "<sip:p1;lr>")
            .header_named("Route", "<sip:p2;lr>")
            .header_named("From", "<sip:alice@192.0.2.1>;tag=ours")
            .header_named("To", "<sip:bob@192.0.2.9>")
            .header_named("Call-ID", "out@us")
            .header_named("CSeq", &format!("77 {method}"))
            .header_named("Contact", "<sip:192.0.2.1>");
        let flow = flow(protocol);
        let method = Method::parse(method);
        let key =
            self.endpoint.send_request(self.now, flow, &branch, method, request.finish()).unwrap();
        self.drain();
        (key, branch)
    }

    /// The peer's response to a request of ours.
    pub(super) fn reply(
        &mut self,
        protocol: TransportProtocol,
        branch: &str,
        status: u16,
        method: &str,
    ) {
        let raw = format!(
            "SIP/2.0 {status} Status\r\n\
             Via: SIP/2.0/UDP 192.0.2.1;branch={branch};received=192.0.2.1;rport=5060\r\n\
             From: <sip:alice@192.0.2.1>;tag=ours\r\nTo: <sip:bob@192.0.2.9>;tag=theirs\r\n\
             Call-ID: out@us\r\nCSeq: 77 {method}\r\nContact: <sip:bob@192.0.2.9>\r\n\
             Content-Length: 0\r\n\r\n"
        );
        self.input(protocol, raw);
    }

    /// Answers the newest request event.
    pub(super) fn respond(&mut self, status: u16) {
        let key = self.last_request();
        let request = self.endpoint.request_of(key).expect("unanswered").clone();
        let response = Composer::response_to(&request, status, "Status", Some("core")).finish();
        self.endpoint.respond(self.now, key, status, response).unwrap();
        self.drain();
    }

    pub(super) fn last_request(&self) -> ServerKey {
        let keys = self.events.iter().filter_map(|event| match event {
            TransactionEvent::Request { key, .. } => Some(*key),
            _ => None,
        });
        keys.last().expect("a request event")
    }

    pub(super) fn cancel(&mut self, key: ClientKey) -> Result<(), Gone> {
        let result = self.endpoint.cancel(self.now, key, &mut self.random);
        self.drain();
        result
    }

    /// Runs timers as they come due, up to and including `until`.
    pub(super) fn run_to(&mut self, until: Instant) {
        while let Some(next) = self.endpoint.poll_timeout()
            && next <= until
        {
            self.now = self.now.max(next);
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
        self.endpoint.handle_timeout(until);
        self.drain();
    }

    pub(super) fn run_for(&mut self, span: Duration) {
        self.run_to(self.now + span);
    }

    /// The start lines of all that was sent and begins with `prefix`.
    pub(super) fn count_sent(&self, prefix: &str) -> usize {
        self.sent.iter().filter(|t| t.payload.starts_with(prefix.as_bytes())).count()
    }

    pub(super) fn last_sent(&self) -> &str {
        str::from_utf8(&self.sent.last().expect("something was sent").payload).unwrap()
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.events.iter().map(event_name).collect()
    }

    pub(super) fn drain(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            self.events.push(event);
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.sent.push(transmit);
        }
    }
}

/// A request from the peer, whose sent-by is its source address.
pub(super) fn request(method: &str, branch: &str) -> String {
    request_with(method, &format!("SIP/2.0/UDP 192.0.2.9;branch={branch}"), "", 5)
}

pub(super) fn request_with(method: &str, via: &str, to_tag: &str, cseq: u32) -> String {
    let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    format!(
        "{method} sip:bob@192.0.2.1 SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@192.0.2.9>;tag=a1\r\nTo: <sip:bob@192.0.2.1>{to_tag}\r\n\
         Call-ID: in@peer\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@192.0.2.9>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn event_name(event: &TransactionEvent) -> &'static str {
    match event {
        TransactionEvent::Request { .. } => "Request",
        TransactionEvent::Ack { .. } => "Ack",
        TransactionEvent::Cancelled { .. } => "Cancelled",
        TransactionEvent::Response { .. } => "Response",
        TransactionEvent::ClientTimeout { .. } => "ClientTimeout",
        TransactionEvent::ClientUnreachable { .. } => "ClientUnreachable",
        TransactionEvent::ServerDone { acked: true, .. } => "ServerDone acked",
        TransactionEvent::ServerDone { acked: false, .. } => "ServerDone not acked",
        TransactionEvent::ClientDone { .. } => "ClientDone",
        TransactionEvent::StrayResponse { .. } => "StrayResponse",
        TransactionEvent::FellBack { .. } => "FellBack",
    }
}

#[test]
fn a_transaction_stays_small() {
    assert!(size_of::<ServerTransaction>() < 450, "{}", size_of::<ServerTransaction>());
    assert!(size_of::<ClientTransaction>() < 300, "{}", size_of::<ClientTransaction>());
}
