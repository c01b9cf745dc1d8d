//! What both kinds of user agent share: sockets and transactions, joined, and the requests and
//! responses that they compose.

use super::clock::Clock;
use super::random::OsRandom;
use super::target::next_hop;
use super::transport::{Input, Transport};
use bytes::Bytes;
use model::{Flow, Instant, TransportProtocol};
use sip_proto::{
    ClientKey, Composer, Dialog, Endpoint, HeaderName, Message, Method, Random as _, ServerKey,
    TransactionConfig, TransactionEvent, Uri, default_reason,
};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// What we understand in a dialog.
pub(super) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO";
/// What we call ourselves.
pub(super) const PRODUCT: &str = concat!("Tandem-call/", env!("CARGO_PKG_VERSION"));
/// The longest uninterrupted wait: how soon a stop is noticed.
const NOTICE: Duration = Duration::from_millis(50);

/// The user agent's engine.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) clock: Clock,
    pub(super) random: OsRandom,
    transport: Transport,
    endpoint: Endpoint,
    /// The operating system's word on why sending failed last.
    pub(super) send_error: Option<io::Error>,
}

impl Agent {
    pub(super) fn new(transport: Transport) -> Agent {
        let mut random = OsRandom;
        // Both option tags that the default promises would have to be kept: we promise none.
        let config = TransactionConfig {
            max_transactions: 20_000,
            hash_seed: random.next_u64(),
            supported: Vec::new(),
            ..TransactionConfig::default()
        };
        let endpoint = Endpoint::new(config);
        Agent { clock: Clock::start(), random, transport, endpoint, send_error: None }
    }

    pub(super) fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    /// A new tag or Call-ID.
    pub(super) fn token(&mut self) -> String {
        format!("{:016x}", self.random.next_u64())
    }

    /// Sends what is due and waits for news until `until`, but for at most 50 ms. Then call
    /// [`poll_event`](Self::poll_event) until it has nothing more.
    pub(super) fn wait(&mut self, until: Instant) {
        self.flush();
        let until = self.endpoint.poll_timeout().map_or(until, |at| at.min(until));
        let inputs = self.transport.wait(until.saturating_since(self.clock.now()).min(NOTICE));
        let now = self.clock.now();
        for input in inputs {
            match input {
                Input::Message(flow, raw) => self.endpoint.handle_input(now, flow, raw),
                Input::Broken { flow, head, status } => {
                    self.endpoint.reject_malformed(flow, &head, status, default_reason(status));
                }
                Input::Unreachable(remote) => self.endpoint.handle_peer_unreachable(now, remote),
                Input::Closed(id) => self.endpoint.handle_connection_closed(now, id),
            }
        }
        self.endpoint.handle_timeout(now);
        self.flush();
    }

    pub(super) fn poll_event(&mut self) -> Option<TransactionEvent> {
        self.endpoint.poll_event()
    }

    /// Sends everything that the transaction layer has ready.
    pub(super) fn flush(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            if let Err(error) = self.transport.send(transmit.flow, &transmit.payload) {
                self.send_error = Some(error);
                if let Some(key) = transmit.client {
                    self.endpoint.handle_unreachable(self.clock.now(), key);
                }
            }
        }
    }

    pub(super) fn contact(&self, user: &str, protocol: TransportProtocol) -> String {
        let at = match self.transport.local(protocol) {
            Some(local) => local.to_string(),
            None => "invalid.invalid".to_owned(),
        };
        match protocol {
            TransportProtocol::Udp => format!("<sip:{user}@{at}>"),
            other => format!("<sip:{user}@{at};transport={other}>"),
        }
    }

    /// A branch for a transaction of our own.
    pub(super) fn new_branch(&mut self) -> String {
        self.endpoint.new_branch(&mut self.random)
    }

    /// A request with Via and Max-Forwards, and the branch of its transaction.
    pub(super) fn compose(
        &mut self,
        method: Method<'_>,
        uri: &str,
        protocol: TransportProtocol,
    ) -> (Composer, String) {
        let branch = self.endpoint.new_branch(&mut self.random);
        let at = self.transport.local(protocol).map(|local| local.to_string());
        let at = at.unwrap_or_else(|| "invalid.invalid".to_owned());
        let mut request = Composer::request(method.as_str(), uri);
        let via = format_args!("SIP/2.0/{} {at};branch={branch};rport", protocol.via_token());
        request.header_args(HeaderName::Via, via).header(HeaderName::MaxForwards, "70");
        (request, branch)
    }

    pub(super) fn send_request(
        &mut self,
        flow: Flow,
        branch: &str,
        method: Method<'_>,
        request: Bytes,
    ) -> Option<ClientKey> {
        let now = self.clock.now();
        self.endpoint.send_request(now, flow, branch, method, request).ok()
    }

    pub(super) fn cancel(&mut self, key: ClientKey) {
        // It has its final response: then there is nothing to cancel.
        let _ = self.endpoint.cancel(self.clock.now(), key, &mut self.random);
    }

    /// A request inside a dialog (RFC 3261 section 12.2.1.1) and the way it goes. `cseq` is that of
    /// the INVITE for ACK.
    fn compose_in_dialog(
        &mut self,
        dialog: &Dialog,
        method: Method<'_>,
        cseq: u32,
        fallback: TransportProtocol,
    ) -> Option<(Flow, String, Bytes)> {
        let target = dialog.request_target();
        let (protocol, address) = hop(target.next_hop(), fallback)?;
        let flow = match self.transport.flow_to(protocol, address) {
            Ok(flow) => flow,
            Err(error) => {
                self.send_error = Some(error);
                return None;
            }
        };
        let (mut request, branch) = self.compose(method, target.request_uri(), protocol);
        for route in target.routes() {
            request.header(HeaderName::Route, route);
        }
        let (from, tag) = (dialog.local_uri(), dialog.local_tag());
        request.header_args(HeaderName::From, format_args!("<{from}>;tag={tag}"));
        let (to, tag) = (dialog.remote_uri(), dialog.remote_tag());
        match tag {
            "" => request.header_args(HeaderName::To, format_args!("<{to}>")),
            tag => request.header_args(HeaderName::To, format_args!("<{to}>;tag={tag}")),
        };
        request
            .header(HeaderName::CallId, dialog.call_id())
            .header_args(HeaderName::CSeq, format_args!("{cseq} {method}"))
            .header(HeaderName::UserAgent, PRODUCT);
        Some((flow, branch, request.finish()))
    }

    /// The ACK of a 2xx: to the Contact through the route set, in no transaction. Send it again for
    /// every repeated 2xx.
    pub(super) fn acknowledge(
        &mut self,
        dialog: &Dialog,
        cseq: u32,
        fallback: TransportProtocol,
    ) -> Option<(Flow, Bytes)> {
        let (flow, _, ack) = self.compose_in_dialog(dialog, Method::Ack, cseq, fallback)?;
        self.send_directly(flow, ack.clone());
        Some((flow, ack))
    }

    pub(super) fn send_directly(&mut self, flow: Flow, payload: Bytes) {
        self.endpoint.send_directly(flow, payload);
    }

    /// Sends BYE; `None` when the peer cannot be reached.
    pub(super) fn bye(
        &mut self,
        dialog: &mut Dialog,
        fallback: TransportProtocol,
    ) -> Option<ClientKey> {
        let cseq = dialog.next_cseq();
        let (flow, branch, bye) = self.compose_in_dialog(dialog, Method::Bye, cseq, fallback)?;
        self.send_request(flow, &branch, Method::Bye, bye)
    }

    /// Responds without a body.
    pub(super) fn respond(
        &mut self,
        key: ServerKey,
        request: &Message,
        status: u16,
        to_tag: Option<&str>,
    ) {
        let mut response = Composer::response_to(request, status, default_reason(status), to_tag);
        response.header(HeaderName::Server, PRODUCT);
        if status == 405 || request.method() == Some(Method::Options) {
            response.header(HeaderName::Allow, ALLOW).header(HeaderName::Accept, "application/sdp");
        }
        self.send_response(key, status, response.finish());
    }

    /// Responds with what the caller composed. Returns the way it went.
    pub(super) fn send_response(&mut self, key: ServerKey, status: u16, response: Bytes) {
        // Gone: the transaction ended in the meantime, and nobody waits for the response.
        let _ = self.endpoint.respond(self.clock.now(), key, status, response);
    }

    pub(super) fn server_flow(&self, key: ServerKey) -> Option<Flow> {
        self.endpoint.server_flow(key)
    }

    /// Repeats a 2xx to INVITE.
    pub(super) fn repeat_response(&mut self, key: ServerKey, flow: Flow, response: &Bytes) {
        let now = self.clock.now();
        if self.endpoint.respond(now, key, 200, response.clone()).is_err() {
            self.endpoint.send_directly(flow, response.clone());
        }
    }
}

/// Where a URI of a dialog leads. Without a `transport` parameter the dialog's protocol is kept:
/// user agents on TCP often forget to write it.
fn hop(uri: &str, fallback: TransportProtocol) -> Option<(TransportProtocol, SocketAddr)> {
    let uri = Uri::parse(uri).ok()?;
    let told = uri.param("transport").flatten().and_then(TransportProtocol::parse);
    let protocol = told.unwrap_or(fallback);
    next_hop(&uri, Some(protocol), None, &[]).ok()
}
