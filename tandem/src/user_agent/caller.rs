//! Placing one call: the UAC of `tandem call`.

mod ending;

use super::agent::{ALLOW, Agent, PRODUCT};
use super::description::{LocalDescription, Unusable};
use super::error::CallError;
use super::established::{After, Established};
use super::media::{MediaSockets, MediaStream};
use super::options::{CallOptions, Progress};
use super::outcome::{CallOutcome, EndedBy};
use super::speech::Voice;
use super::target::{Target, route_source};
use super::transport::Transport;
use crate::trust::Trust;
use bytes::Bytes;
use model::{Flow, Instant, LegSecurity, TransportProtocol};
use sdp::Encryption;
use sip_edge::tls;
use sip_proto::{
    ClientKey, Dialog, HeaderName, Message, Method, ServerKey, TransactionEvent, Uri, unfold,
    unquote,
};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A number that is nobody's (NANP keeps 555-0100 to 555-0199 for such use).
const DEFAULT_CALLER: &str = "+12065550100";
/// Nothing at all came back by then: nobody is there. RFC 3261 would wait 32 s.
const FIRST_RESPONSE: Duration = Duration::from_secs(6);
/// Places a call, talks, hangs up. Blocks for as long.
///
/// # Errors
/// [`CallError`] when the call is not answered; its text says what to do.
pub(crate) fn place_call(options: &CallOptions) -> Result<CallOutcome, CallError> {
    place_call_watched(options, &mut |_| {})
}

/// The same, telling `watch` how it gets on.
///
/// # Errors
/// As [`place_call`].
pub(crate) fn place_call_watched(
    options: &CallOptions,
    watch: &mut dyn FnMut(Progress),
) -> Result<CallOutcome, CallError> {
    let mut call = OutgoingCall::start(options, watch)?;
    let mut established = call.set_up(watch)?;
    let ended_by = call.talk(&mut established);
    call.hang_up(*established, ended_by)
}

struct OutgoingCall<'a> {
    options: &'a CallOptions,
    agent: Agent,
    target: Target,
    local: SocketAddr,
    user: String,
    call_id: String,
    invite: ClientKey,
    sent_at: Instant,
    answered_at: Instant,
    rang: bool,
    /// Taken by the answer.
    media: Option<(MediaStream, LocalDescription)>,
    srtp: Option<&'static str>,
    /// The ACK, for every repeated 2xx.
    ack: Option<(Flow, Bytes)>,
}

/// What an event during setup means.
enum Step {
    Waits,
    Answered(Box<Established>),
}

impl<'a> OutgoingCall<'a> {
    fn start(options: &'a CallOptions, watch: &mut dyn FnMut(Progress)) -> Result<Self, CallError> {
        let target = Target::resolve(
            &options.target,
            options.transport,
            options.local,
            &options.dns_servers,
        )?;
        let ip = match options.local {
            Some(local) => local,
            None => route_source(target.address)?,
        };
        let local_error = |error| CallError::Local { local: ip, error };
        let is_udp = target.protocol == TransportProtocol::Udp;
        let is_tcp = target.protocol == TransportProtocol::Tcp;
        let mut transport =
            Transport::bind(SocketAddr::new(ip, 0), is_udp, is_tcp).map_err(local_error)?;
        if target.protocol == TransportProtocol::Tls {
            let names = [ip.to_string()];
            let config = tls::self_signed_server(&names, None).map_err(CallError::Tls)?;
            transport.listen_tls(SocketAddr::new(ip, 0), config).map_err(local_error)?;
            let config = tls::client_config(&options.tls).map_err(CallError::Tls)?;
            transport.trust(Trust { config, name: target.host.clone() });
        }
        let mut agent = Agent::new(transport);
        let sockets = MediaSockets::bind(ip).map_err(local_error)?;
        let (rtp, rtcp) = (sockets.rtp_address, sockets.rtcp_address);
        let encryption = if options.srtp { Encryption::Required } else { Encryption::Off };
        let mut description = LocalDescription::new(&mut agent.random, rtp, rtcp, encryption);
        let offer = description.offer();
        let media = MediaStream::start(sockets, Voice::Caller, agent.clock).map_err(local_error)?;

        let (to, protocol) = (target.address, target.protocol);
        let unreachable = |error| CallError::Unreachable { to, protocol, error: Some(error) };
        if is_udp {
            agent.transport().probe(to).map_err(unreachable)?;
        }
        let flow = agent.transport().flow_to(protocol, to).map_err(unreachable)?;
        let local = agent.transport().local(protocol).unwrap_or(flow.local);
        let (user, from) = caller_address(options.from.as_deref(), ip)?;
        let call_id = format!("{}{}", agent.token(), agent.token());
        let (request, branch) = invite(&mut agent, &target, &user, &from, &call_id, &offer);
        let sent_at = agent.clock.now();
        let invite = agent
            .send_request(flow, &branch, Method::Invite, request)
            .ok_or(CallError::Unreachable { to, protocol, error: None })?;
        watch(Progress::Calling { to, protocol, local });
        Ok(OutgoingCall {
            options,
            agent,
            target,
            local,
            user,
            call_id,
            invite,
            sent_at,
            answered_at: sent_at,
            rang: false,
            media: Some((media, description)),
            srtp: None,
            ack: None,
        })
    }

    /// Until the answer.
    fn set_up(&mut self, watch: &mut dyn FnMut(Progress)) -> Result<Box<Established>, CallError> {
        let deadline = self.sent_at + self.options.setup_timeout;
        let mut heard = false;
        loop {
            let now = self.agent.clock.now();
            let waited = now.saturating_since(self.sent_at);
            let (to, protocol) = (self.target.address, self.target.protocol);
            if !heard && waited >= FIRST_RESPONSE.min(self.options.setup_timeout) {
                return Err(CallError::NoResponse { to, protocol, waited });
            }
            if self.options.stop.load(Ordering::Relaxed) {
                self.cancel();
                return Err(CallError::Stopped);
            }
            if now >= deadline {
                let rang = self.rang;
                self.cancel();
                return Err(CallError::NotAnswered { to, rang, waited });
            }
            self.agent.wait(deadline);
            while let Some(event) = self.agent.poll_event() {
                heard |= matches!(event, TransactionEvent::Response { .. });
                if let Step::Answered(established) = self.on_setup_event(event, watch)? {
                    return Ok(established);
                }
            }
        }
    }

    fn on_setup_event(
        &mut self,
        event: TransactionEvent,
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Step, CallError> {
        let (to, protocol) = (self.target.address, self.target.protocol);
        match event {
            TransactionEvent::Response { key, message, .. } if key == self.invite => {
                self.on_response(&message, watch)
            }
            TransactionEvent::ClientTimeout { key } if key == self.invite => {
                let waited = self.agent.clock.now().saturating_since(self.sent_at);
                Err(CallError::NoResponse { to, protocol, waited })
            }
            TransactionEvent::ClientUnreachable { key, .. } if key == self.invite => {
                let error = self.agent.send_error.take();
                Err(CallError::Unreachable { to, protocol, error })
            }
            TransactionEvent::Request { key, message, .. } => {
                self.answer_outside(key, &message);
                Ok(Step::Waits)
            }
            _ => Ok(Step::Waits),
        }
    }

    fn on_response(
        &mut self,
        response: &Message,
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Step, CallError> {
        let after = self.agent.clock.now().saturating_since(self.sent_at);
        match response.status().unwrap_or(500) {
            ..=100 => Ok(Step::Waits),
            status @ 101..200 => {
                if !self.rang {
                    watch(Progress::Ringing { status, after });
                }
                self.rang = true;
                // Early media is heard at once; we speak after the answer.
                if let Some((media, local)) = &self.media
                    && let Ok((remote, security)) = local.read_answer(response)
                {
                    let silent = super::description::RemoteMedia { sends: false, ..remote };
                    media.direct(silent, security);
                }
                Ok(Step::Waits)
            }
            200..300 => self.on_answer(response, watch).map(|e| Step::Answered(Box::new(e))),
            status => Err(self.refusal(status, response)),
        }
    }

    fn on_answer(
        &mut self,
        response: &Message,
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Established, CallError> {
        self.answered_at = self.agent.clock.now();
        let by = self.target.address;
        let bad = |reason: String| CallError::BadAnswer { by, reason };
        let mut dialog = Dialog::from_response_uac(response)
            .map_err(|error| bad(format!("the 200 makes no dialog: {error}")))?;
        let cseq = dialog.local_cseq();
        let protocol = self.target.protocol;
        self.ack = self.agent.acknowledge(&dialog, cseq, protocol);
        if self.ack.is_none() {
            return Err(bad(format!("its Contact {} cannot be reached", dialog.remote_target())));
        }
        let (media, local) =
            self.media.take().ok_or_else(|| bad("there are no sockets left".to_owned()))?;
        let (remote, security) = match local.read_answer(response) {
            Ok(read) => read,
            Err(unusable) => {
                self.agent.bye(&mut dialog, protocol);
                self.drain();
                let what = match unusable {
                    Unusable::NoCommonCodec => "its answer takes a format that was not offered",
                    _ => "its session description cannot be used",
                };
                return Err(bad(format!("{what}: {unusable}")));
            }
        };
        let srtp = match &security {
            LegSecurity::Sdes(keys) => Some(keys.send.suite().name()),
            _ => None,
        };
        self.srtp = srtp;
        media.direct(remote, security);
        let (after, codec) = (self.setup_time(), remote.codec.name());
        watch(Progress::Answered { after, codec, srtp });
        let user = self.user.clone();
        Ok(Established { dialog, protocol, user, local, media, unacknowledged: None })
    }

    /// Until the time is over, the user stops, or the callee hangs up.
    fn talk(&mut self, call: &mut Established) -> EndedBy {
        let until = self.answered_at + Duration::from_secs(u64::from(self.options.seconds));
        loop {
            if self.agent.clock.now() >= until || self.options.stop.load(Ordering::Relaxed) {
                return EndedBy::Caller;
            }
            self.agent.wait(call.deadline().map_or(until, |at| at.min(until)));
            while let Some(event) = self.agent.poll_event() {
                if self.on_talk_event(call, event) == After::Ended {
                    return EndedBy::Callee;
                }
            }
            if call.on_timer(&mut self.agent) == After::Ended {
                return EndedBy::Caller;
            }
        }
    }

    fn on_talk_event(&mut self, call: &mut Established, event: TransactionEvent) -> After {
        match event {
            TransactionEvent::Request { key, message, .. } => {
                if call.dialog.matches_request(&message) {
                    return call.on_request(&mut self.agent, key, &message);
                }
                self.answer_outside(key, &message);
            }
            TransactionEvent::Ack { message, .. } => call.on_ack(&message),
            TransactionEvent::Response { key, message, .. } if key == self.invite => {
                self.on_further_answer(call, &message);
            }
            TransactionEvent::StrayResponse { message, .. } => {
                self.on_further_answer(call, &message);
            }
            _ => {}
        }
        After::GoesOn
    }

    /// A repeated 2xx wants its ACK again; one of another fork wants ACK and BYE
    /// (RFC 3261 section 13.2.2.4).
    fn on_further_answer(&mut self, call: &Established, response: &Message) {
        if !matches!(response.status(), Some(200..300)) {
            return;
        }
        let tag = response.to().ok().and_then(|to| to.tag()).unwrap_or_default();
        if tag == call.dialog.remote_tag() {
            if let Some((flow, ack)) = self.ack.clone() {
                self.agent.send_directly(flow, ack);
            }
            return;
        }
        let protocol = self.target.protocol;
        if let Ok(mut other) = Dialog::from_response_uac(response) {
            let cseq = other.local_cseq();
            self.agent.acknowledge(&other, cseq, protocol);
            self.agent.bye(&mut other, protocol);
        }
    }

    fn answer_outside(&mut self, key: ServerKey, message: &Message) {
        let tag = self.agent.token();
        let status = match message.method() {
            _ if message.to().is_ok_and(|to| to.tag().is_some()) => 481,
            Some(Method::Options) => 200,
            Some(Method::Invite) => 486,
            _ => 405,
        };
        self.agent.respond(key, message, status, Some(&tag));
    }

    fn setup_time(&self) -> Duration {
        self.answered_at.saturating_since(self.sent_at)
    }

    fn refusal(&self, status: u16, response: &Message) -> CallError {
        // RFC 3326 and RFC 3261 section 20.43: what a person may read.
        let text = response
            .header(HeaderName::Reason)
            .and_then(|reason| reason.split_once("text=").map(|(_, text)| text))
            .or_else(|| response.header(HeaderName::Warning)?.splitn(3, ' ').nth(2))
            .map(|text| unquote(&unfold(text)).into_owned());
        let phrase = response.reason_phrase();
        let reason = match text {
            Some(text) if !text.is_empty() && text != phrase => format!("{phrase} ({text})"),
            _ => phrase.to_owned(),
        };
        let contact = response.contact().ok().flatten();
        CallError::Refused {
            status,
            reason,
            by: self.target.address,
            local: self.local.ip(),
            retry_after: response.retry_after().ok().flatten(),
            contact: contact.map(|contact| contact.uri_text.to_owned()),
        }
    }
}

/// The user part of our Contact and the URI of our From.
fn caller_address(from: Option<&str>, local: IpAddr) -> Result<(String, String), CallError> {
    let host = match local {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let from = from.unwrap_or(DEFAULT_CALLER);
    let text = match from.starts_with("sip:") {
        true => from.to_owned(),
        false => format!("sip:{from}@{host}"),
    };
    let uri = Uri::parse(&text)
        .map_err(|fault| CallError::From { from: from.to_owned(), reason: fault.to_string() })?;
    Ok((uri.user.unwrap_or("call").to_owned(), text.clone()))
}

fn invite(
    agent: &mut Agent,
    target: &Target,
    user: &str,
    from: &str,
    call_id: &str,
    offer: &str,
) -> (Bytes, String) {
    let tag = agent.token();
    let mut contact = agent.contact(user, target.protocol);
    if target.secure {
        // RFC 3261 section 8.1.1.8.
        contact = contact.replacen("<sip:", "<sips:", 1);
    }
    let (mut request, branch) = agent.compose(Method::Invite, &target.uri, target.protocol);
    request
        .header_args(HeaderName::From, format_args!("<{from}>;tag={tag}"))
        .header_args(HeaderName::To, format_args!("<{}>", target.to))
        .header(HeaderName::CallId, call_id)
        .header(HeaderName::CSeq, "1 INVITE")
        .header(HeaderName::Contact, contact)
        .header(HeaderName::Allow, ALLOW)
        .header(HeaderName::Accept, "application/sdp")
        .header(HeaderName::UserAgent, PRODUCT);
    (request.body(Some("application/sdp"), offer.as_bytes()), branch)
}
