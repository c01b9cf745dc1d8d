//! One OPTIONS request (RFC 3261 section 11): is somebody there, and what does it say?

use super::agent::{ALLOW, Agent, PRODUCT};
use super::target::route_source;
use super::transport::Transport;
use crate::trust::Trust;
use bytes::Bytes;
use directory::{Credential, Host, TlsPolicy};
use model::{Flow, TransportProtocol};
use sip_edge::tls;
use sip_proto::auth::{Answerer, Challenge, with_credentials};
use sip_proto::{HeaderName, Limits, Message, Method, TransactionEvent};
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
    /// Whether it has seen credentials.
    pub(crate) shown: Shown,
}

/// Why there is none; the text continues "the OPTIONS request …".
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PingFailure {
    /// It could not be sent, or the operating system says that nobody listens.
    Unreachable(String),
    /// Nothing came back in time.
    Silence(Duration),
}

/// What became of the credentials, when the peer asked for some.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shown {
    /// The peer asked for none.
    NotAsked,
    /// It asked, and there are none to show.
    None,
    /// It asked for a realm that they are not for, or in a way that cannot be answered.
    NotForThis,
    /// It has seen them; the status is its answer to that.
    Yes,
}

/// Whom to ask, and with what.
#[derive(Clone, Copy)]
pub(crate) struct Ping<'a> {
    pub(crate) to: SocketAddr,
    pub(crate) protocol: TransportProtocol,
    /// What the server knows itself as.
    pub(crate) host: &'a Host,
    pub(crate) policy: &'a TlsPolicy,
    pub(crate) credential: Option<&'a Credential>,
    /// The only realm that the credential is shown to.
    pub(crate) realm: Option<&'a str>,
    /// For each request.
    pub(crate) patience: Duration,
}

impl Ping<'_> {
    /// Asks, and once more with credentials where they are wanted.
    ///
    /// # Errors
    /// [`PingFailure`] when there is no final response in time.
    pub(crate) fn ask(&self) -> Result<Pong, PingFailure> {
        let mut agent = self.agent()?;
        let flow = agent.transport().flow_to(self.protocol, self.to).map_err(unreachable)?;
        let uri = format!("sip:{};transport={}", self.host, self.protocol);
        let (branch, request) = self.request(&mut agent, &uri);
        let (response, after) = self.exchange(&mut agent, flow, &branch, request.clone())?;
        if !matches!(response.status(), Some(401 | 407)) {
            return Ok(pong(&response, after, Shown::NotAsked));
        }
        let Some(credential) = self.credential else {
            return Ok(pong(&response, after, Shown::None));
        };
        let branch = agent.new_branch();
        let Some(again) =
            self.with_credential(&mut agent, &request, &branch, &response, credential)
        else {
            return Ok(pong(&response, after, Shown::NotForThis));
        };
        let (response, after) = self.exchange(&mut agent, flow, &branch, again)?;
        Ok(pong(&response, after, Shown::Yes))
    }

    fn agent(&self) -> Result<Agent, PingFailure> {
        let ip = route_source(self.to).map_err(unreachable)?;
        let is_udp = self.protocol == TransportProtocol::Udp;
        let is_tcp = self.protocol == TransportProtocol::Tcp;
        let mut transport =
            Transport::bind(SocketAddr::new(ip, 0), is_udp, is_tcp).map_err(unreachable)?;
        if self.protocol == TransportProtocol::Tls {
            let trust = Trust::new(self.host, self.policy).map_err(unreachable)?;
            let ours = tls::self_signed_server(&[ip.to_string()], None).map_err(unreachable)?;
            transport.listen_tls(SocketAddr::new(ip, 0), ours).map_err(unreachable)?;
            transport.trust(trust);
        }
        let mut agent = Agent::new(transport);
        if is_udp {
            agent.transport().probe(self.to).map_err(unreachable)?;
        }
        Ok(agent)
    }

    fn request(&self, agent: &mut Agent, uri: &str) -> (String, Bytes) {
        let (mut request, branch) = agent.compose(Method::Options, uri, self.protocol);
        let (tag, call_id) = (agent.token(), agent.token());
        let contact = agent.contact("tandem-doctor", self.protocol);
        let host = self.host;
        request
            .header_args(HeaderName::From, format_args!("<sip:tandem-doctor@{host}>;tag={tag}"))
            .header_args(HeaderName::To, format_args!("<sip:{host}>"))
            .header(HeaderName::CallId, &call_id)
            .header(HeaderName::CSeq, "1 OPTIONS")
            .header(HeaderName::Contact, contact)
            .header(HeaderName::Allow, ALLOW)
            .header(HeaderName::Accept, "application/sdp")
            .header(HeaderName::UserAgent, PRODUCT);
        (branch, request.finish())
    }

    /// The same request with what the response asks for; `None` when that cannot be given.
    fn with_credential(
        &self,
        agent: &mut Agent,
        request: &Bytes,
        branch: &str,
        response: &Message,
        credential: &Credential,
    ) -> Option<Bytes> {
        let request = Message::parse(request.clone(), &Limits::default()).ok()?;
        let uri = request.request_uri()?;
        let asked = Challenge::of_response(response);
        let wanted = |realm: &str| self.realm.is_none_or(|only| only == realm);
        let headers: Vec<_> = asked
            .into_iter()
            .filter(|(_, challenge)| wanted(&challenge.realm))
            .map(|(by, challenge)| {
                let answerer = Answerer::new(by, challenge, &mut agent.random);
                answerer.answer("OPTIONS", uri, &[], &credential.username, &credential.password)
            })
            .collect();
        if headers.is_empty() { None } else { with_credentials(&request, branch, 2, &headers) }
    }

    /// Sends a request and waits for its final response.
    fn exchange(
        &self,
        agent: &mut Agent,
        flow: Flow,
        branch: &str,
        request: Bytes,
    ) -> Result<(Message, Duration), PingFailure> {
        let sent_at = agent.clock.now();
        if agent.send_request(flow, branch, Method::Options, request).is_none() {
            return Err(PingFailure::Unreachable("it could not be sent".to_owned()));
        }
        let until = sent_at + self.patience;
        while agent.clock.now() < until {
            agent.wait(until);
            let after = agent.clock.now().saturating_since(sent_at);
            while let Some(event) = agent.poll_event() {
                match event {
                    TransactionEvent::Response { message, .. }
                        if message.status().is_some_and(|status| status >= 200) =>
                    {
                        return Ok((message, after));
                    }
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
        Err(PingFailure::Silence(self.patience))
    }
}

fn unreachable(error: impl std::fmt::Display) -> PingFailure {
    PingFailure::Unreachable(error.to_string())
}

fn pong(response: &Message, after: Duration, shown: Shown) -> Pong {
    let product =
        response.header(HeaderName::Server).or_else(|| response.header(HeaderName::UserAgent));
    Pong {
        status: response.status().unwrap_or_default(),
        reason: response.reason_phrase().to_owned(),
        after,
        product: product.map(str::to_owned),
        shown,
    }
}
