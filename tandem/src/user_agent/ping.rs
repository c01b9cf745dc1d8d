//! One OPTIONS request (RFC 3261 section 11): is somebody there, and what does it say?

use super::agent::{ALLOW, Agent, PRODUCT};
use super::target::route_source;
use super::tls::Trust;
use super::transport::Transport;
use directory::{Host, TlsPolicy};
use model::TransportProtocol;
use sip_edge::tls;
use sip_proto::{HeaderName, Message, Method, TransactionEvent};
use std::net::SocketAddr;
use std::time::Duration;

/// A peer's answer to OPTIONS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pong {
    /// The status of its final response. Any of them shows that a SIP server is there.
    pub(crate) status: u16,
    /// The reason phrase.
    pub(crate) reason: String,
    /// From the request to the final response.
    pub(crate) after: Duration,
    /// `Server`, or `User-Agent`, where the peer names its product.
    pub(crate) product: Option<String>,
}

/// Why there is none; the text continues "the OPTIONS request …".
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PingFailure {
    /// It could not be sent, or the operating system says that nobody listens.
    Unreachable(String),
    /// Nothing came back in time.
    Silence(Duration),
}

/// Asks the SIP server at `to`, which knows itself as `host`.
///
/// # Errors
/// [`PingFailure`] when there is no final response within `patience`.
pub(crate) fn ping(
    to: SocketAddr,
    protocol: TransportProtocol,
    host: &Host,
    policy: &TlsPolicy,
    patience: Duration,
) -> Result<Pong, PingFailure> {
    let unreachable = |error: &dyn std::fmt::Display| PingFailure::Unreachable(error.to_string());
    let ip = route_source(to).map_err(|error| unreachable(&error))?;
    let is_udp = protocol == TransportProtocol::Udp;
    let is_tcp = protocol == TransportProtocol::Tcp;
    let mut transport = Transport::bind(SocketAddr::new(ip, 0), is_udp, is_tcp)
        .map_err(|error| unreachable(&error))?;
    if protocol == TransportProtocol::Tls {
        let trust = Trust::new(host, policy).map_err(|error| unreachable(&error))?;
        let ours = tls::self_signed_server(&[ip.to_string()], None);
        let ours = ours.map_err(|error| unreachable(&error))?;
        transport.listen_tls(SocketAddr::new(ip, 0), ours).map_err(|error| unreachable(&error))?;
        transport.trust(trust);
    }
    let mut agent = Agent::new(transport);
    if is_udp {
        agent.transport().probe(to).map_err(|error| unreachable(&error))?;
    }
    let flow = agent.transport().flow_to(protocol, to).map_err(|error| unreachable(&error))?;
    let uri = format!("sip:{host};transport={protocol}");
    let (mut request, branch) = agent.compose(Method::Options, &uri, protocol);
    let (tag, call_id) = (agent.token(), agent.token());
    request
        .header_args(HeaderName::From, format_args!("<sip:tandem-doctor@{ip}>;tag={tag}"))
        .header_args(HeaderName::To, format_args!("<sip:{host}>"))
        .header(HeaderName::CallId, &call_id)
        .header(HeaderName::CSeq, "1 OPTIONS")
        .header(HeaderName::Contact, agent.contact("tandem-doctor", protocol))
        .header(HeaderName::Allow, ALLOW)
        .header(HeaderName::Accept, "application/sdp")
        .header(HeaderName::UserAgent, PRODUCT);
    let sent_at = agent.clock.now();
    let request = request.finish();
    if agent.send_request(flow, &branch, Method::Options, request).is_none() {
        return Err(PingFailure::Unreachable("it could not be sent".to_owned()));
    }
    let until = sent_at + patience;
    while agent.clock.now() < until {
        agent.wait(until);
        let after = agent.clock.now().saturating_since(sent_at);
        while let Some(event) = agent.poll_event() {
            match event {
                TransactionEvent::Response { message, .. } => match pong(&message, after) {
                    Some(pong) => return Ok(pong),
                    None => continue,
                },
                TransactionEvent::ClientUnreachable { .. } => {
                    let said = agent.send_error.take().map(|error| error.to_string());
                    let said = said.unwrap_or_else(|| "nothing listens there".to_owned());
                    return Err(PingFailure::Unreachable(said));
                }
                TransactionEvent::ClientTimeout { .. } => {
                    return Err(PingFailure::Silence(after));
                }
                _ => {}
            }
        }
    }
    Err(PingFailure::Silence(patience))
}

fn pong(response: &Message, after: Duration) -> Option<Pong> {
    let status = response.status().filter(|status| *status >= 200)?;
    let product =
        response.header(HeaderName::Server).or_else(|| response.header(HeaderName::UserAgent));
    Some(Pong {
        status,
        reason: response.reason_phrase().to_owned(),
        after,
        product: product.map(str::to_owned),
    })
}
