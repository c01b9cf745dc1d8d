//! One side of a call: its dialog, its path to the peer, and what it owes that peer.

use crate::call::Indicated;
use crate::call::LegAuthentication;
use crate::call::SentKeys;
use crate::carry;
use crate::config::Listener;
use crate::context::Context;
use crate::next_hop::NextHop;
use crate::session_timer::SessionTimer;
use bytes::Bytes;
use model::{Flow, Instant, TransportProtocol};
use sip_proto::{
    ClientKey, Composer, Dialog, HeaderName, Host, Message, Method, NameAddr, SendOptions,
    ServerKey, Uri, push_address,
};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The methods that a dialog of ours takes, as an Allow header.
pub(crate) const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, UPDATE, PRACK, REFER, NOTIFY";

/// The Allow header of a 405 (RFC 3261 section 21.4.6): what is taken instead of `refused`.
pub(crate) fn allow_without(refused: &str) -> String {
    let others: Vec<_> = ALLOW.split(", ").filter(|method| *method != refused).collect();
    others.join(", ")
}

/// The option tags that we understand, as a Supported header.
pub(crate) const SUPPORTED: &str = "timer, 100rel, replaces, norefersub";
/// The same, each by itself, and what only recording clients ask for.
pub(crate) const OPTION_TAGS: [&str; 5] =
    ["timer", "100rel", "replaces", "norefersub", crate::recorded::SIPREC];
/// What we name inside a dialog: provisional responses to a re-INVITE stop at us, so none of them
/// is worth a PRACK.
pub(crate) const IN_DIALOG_SUPPORTED: &str = "timer, replaces, norefersub";

/// What the dialog of a recording client takes, as an Allow header: nobody is there for the rest.
pub(crate) const RECORDER_ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE";
/// What we name in such a dialog.
const RECORDER_SUPPORTED: &str = "timer, siprec";

/// A 2xx to an INVITE that the peer has not acknowledged (RFC 3261 section 13.3.1.4).
pub(crate) struct Unacknowledged {
    pub(crate) cseq: u32,
    pub(crate) response: Bytes,
    pub(crate) flow: Flow,
    pub(crate) interval: Duration,
    pub(crate) give_up: Instant,
}

/// The ACK that we sent last, for every further copy of the 2xx (RFC 3261 section 13.2.2.4).
pub(crate) struct SentAck {
    cseq: u32,
    local_tag: Arc<str>,
    remote_tag: Arc<str>,
    flow: Flow,
    bytes: Bytes,
}

impl SentAck {
    /// Whether `response` is a copy of the 2xx that this ACK answered.
    pub(crate) fn is_for(&self, response: &Message) -> bool {
        response.cseq().is_ok_and(|cseq| cseq.number == self.cseq)
            && response.from().is_ok_and(|from| from.tag() == Some(&*self.local_tag))
            && response.to().is_ok_and(|to| to.tag().unwrap_or_default() == &*self.remote_tag)
    }

    pub(crate) fn send(&self, context: &mut Context) {
        context.endpoint.send_directly(self.flow, self.bytes.clone());
    }
}

/// One leg.
pub(crate) struct Leg {
    pub(crate) call_id: Arc<str>,
    pub(crate) local_tag: Arc<str>,
    /// Our address in From (To, when the peer asks), without the tag.
    pub(crate) local_party: Box<str>,
    /// The peer's address in To (From, when the peer asks), without the tag.
    pub(crate) remote_party: Box<str>,
    /// `None` on leg B until a response creates it.
    pub(crate) dialog: Option<Dialog>,
    /// The address of the dialog's next hop, where that is a name.
    pub(crate) next_hop: NextHop,
    /// Number of our last request.
    pub(crate) cseq: u32,
    pub(crate) flow: Flow,
    /// The connection in `flow` has closed. The transport still knows by it who the peer was.
    pub(crate) disconnected: bool,
    pub(crate) listener: Listener,
    /// The peer is a recording client, and we are its recorder.
    pub(crate) is_recorder: bool,
    /// The peer is a recorder, and we are its recording client.
    pub(crate) is_recorded: bool,
    /// The dialog is a `sips` one: everything of it goes over TLS (RFC 3261 section 12.1).
    pub(crate) secure: bool,
    pub(crate) unacknowledged: Option<Unacknowledged>,
    pub(crate) sent_ack: Option<SentAck>,
    pub(crate) session: SessionTimer,
    /// The peer's Allow names UPDATE.
    pub(crate) takes_update: bool,
    /// The peer wants to know whether it is recorded (RFC 7866 section 6.3).
    pub(crate) record_aware: bool,
    /// What came of telling it in mid-call.
    pub(crate) indicated: Indicated,
    /// The peer has sent an Allow that does not name INFO.
    pub(crate) refuses_info: bool,
    /// The peer has sent an Allow that does not name MESSAGE.
    pub(crate) refuses_message: bool,
    /// The keys that the peer is told by INFO.
    pub(crate) keys: SentKeys,
    /// A re-INVITE of our own is under way, or an offer of ours in an UPDATE: no other may overlap it
    /// (RFC 3261 section 14.1, RFC 3311 section 5.2).
    pub(crate) refreshing: bool,
    /// Our BYE waits for the ACK of our 2xx (RFC 3261 section 15).
    pub(crate) bye_after_ack: bool,
    /// The peer hung up this leg while the call goes on without it.
    pub(crate) gone: bool,
    /// The peer asked that its name and number be withheld (RFC 3323).
    pub(crate) anonymous: bool,
    /// What answers the carrier's challenges; `None` on a leg without a carrier's credentials.
    pub(crate) authentication: Option<Box<LegAuthentication>>,
}

impl Leg {
    pub(crate) fn new(flow: Flow, listener: Listener, ids: [Arc<str>; 2]) -> Self {
        let [call_id, local_tag] = ids;
        Leg {
            call_id,
            local_tag,
            local_party: Box::default(),
            remote_party: Box::default(),
            dialog: None,
            next_hop: NextHop::default(),
            cseq: 0,
            flow,
            disconnected: false,
            listener,
            is_recorder: false,
            is_recorded: false,
            secure: false,
            unacknowledged: None,
            sent_ack: None,
            session: SessionTimer::default(),
            takes_update: false,
            record_aware: false,
            indicated: Indicated::default(),
            refuses_info: false,
            refuses_message: false,
            keys: SentKeys::default(),
            refreshing: false,
            bye_after_ack: false,
            gone: false,
            anonymous: false,
            authentication: None,
        }
    }

    /// Goes on over a connection that is open.
    pub(crate) fn follow(&mut self, flow: Flow) {
        self.flow = flow;
        self.disconnected = false;
    }

    /// Our Contact on this leg.
    pub(crate) fn contact(&self) -> String {
        let mut contact = contact_of(&self.listener, self.secure);
        if self.is_recorder {
            // RFC 7866 section 6.1.2.
            contact.push_str(";+sip.srs");
        } else if self.is_recorded {
            // RFC 7866 section 6.1.1.
            contact.push_str(";+sip.src");
        }
        contact
    }

    /// The methods that the leg's dialog takes, and the extensions that we name in it.
    pub(crate) const fn abilities(&self) -> (&'static str, &'static str) {
        match self.is_recorder || self.is_recorded {
            true => (RECORDER_ALLOW, RECORDER_SUPPORTED),
            false => (ALLOW, IN_DIALOG_SUPPORTED),
        }
    }

    /// Takes the identities and the dialog that a peer's INVITE to us makes.
    pub(crate) fn adopt_request(&mut self, invite: &Message) {
        let (Ok(from), Ok(to)) = (invite.from(), invite.to()) else { return };
        self.local_party = without_tag(&to).into();
        self.remote_party = without_tag(&from).into();
        self.dialog = Dialog::from_request_uas(invite, &self.local_tag).ok();
        self.anonymous = carry::Privacy::of(invite).user;
    }

    /// Whether a request comes from the peer of this leg's dialog, and not from another fork of
    /// our INVITE, which shares everything with it but the peer's tag (RFC 3261 section 12.2.2).
    pub(crate) fn is_from_peer(&self, request: &Message) -> bool {
        let same_call = request.call_id().is_ok_and(|call_id| call_id == &*self.call_id);
        same_call
            && self.dialog.as_ref().is_none_or(|dialog| {
                let from = request.from();
                from.is_ok_and(|from| from.tag().unwrap_or_default() == dialog.remote_tag())
            })
    }

    /// Whether a response to our INVITE is of this leg's dialog.
    pub(crate) fn is_of_dialog(&self, response: &Message) -> bool {
        self.dialog.as_ref().is_some_and(|dialog| {
            response.from().is_ok_and(|from| from.tag() == Some(&*self.local_tag))
                && response.to().is_ok_and(|to| to.tag().unwrap_or_default() == dialog.remote_tag())
        })
    }

    /// Takes the dialog that a response to our INVITE makes.
    pub(crate) fn adopt_response(&mut self, response: &Message, target: &str) {
        self.dialog = Dialog::from_response_uac_at(response, target).ok();
    }

    /// Notes what the peer's message says about its abilities.
    pub(crate) fn note_abilities(&mut self, message: &Message) {
        self.record_aware |= message.has_option_tag(HeaderName::Supported, "record-aware");
        if message.header(HeaderName::Allow).is_some() {
            let names = |method| message.has_option_tag(HeaderName::Allow, method);
            self.takes_update = names("UPDATE");
            self.refuses_info = !names("INFO");
            self.refuses_message = !names("MESSAGE");
        }
    }

    /// Starts a request inside the dialog, with a new branch and the given CSeq number.
    pub(crate) fn request(
        &self,
        context: &mut Context,
        method: Method<'_>,
        cseq: u32,
    ) -> Option<(Composer, String, Flow)> {
        let dialog = self.dialog.as_ref()?;
        let target = dialog.request_target();
        let flow = self.flow_to(target.next_hop());
        let branch = context.new_branch();
        let mut composer = Composer::request(method.as_str(), target.request_uri());
        via(&mut composer, &self.listener, &branch, context.identities.alias(&flow));
        composer.header(HeaderName::MaxForwards, "70");
        for route in target.routes() {
            composer.header(HeaderName::Route, route);
        }
        // A peer of RFC 2543 sends no tag.
        let to_tag = dialog.remote_tag();
        let tag_mark = if to_tag.is_empty() { "" } else { ";tag=" };
        let to = [&*self.remote_party, tag_mark, to_tag];
        composer
            .header_pieces(HeaderName::From, &[&self.local_party, ";tag=", &self.local_tag])
            .header_pieces(HeaderName::To, &to)
            .header(HeaderName::CallId, &self.call_id)
            .cseq(cseq, method);
        if let Some(authentication) = &self.authentication {
            authentication.write(&mut composer, method, target.request_uri(), flow);
        }
        Some((composer, branch, flow))
    }

    /// Sends the ACK of a 2xx, with the answer if the 2xx held the offer, and keeps it for repeats.
    pub(crate) fn acknowledge(&mut self, context: &mut Context, cseq: u32, answer: Option<&[u8]>) {
        let Some((composer, _, flow)) = self.request(context, Method::Ack, cseq) else { return };
        let bytes = match answer {
            Some(body) => composer.body(Some("application/sdp"), body),
            None => composer.finish(),
        };
        context.endpoint.send_directly(flow, bytes.clone());
        let remote_tag = self.dialog.as_ref().map(|dialog| Arc::from(dialog.remote_tag()));
        let local_tag = self.local_tag.clone();
        self.sent_ack =
            remote_tag.map(|remote_tag| SentAck { cseq, local_tag, remote_tag, flow, bytes });
    }

    /// Sends the ACK of a 2xx to an INVITE that is not remembered, with nothing in it.
    pub(crate) fn acknowledge_only(&self, context: &mut Context, cseq: u32) {
        if let Some((composer, _, flow)) = self.request(context, Method::Ack, cseq) {
            context.endpoint.send_directly(flow, composer.finish());
        }
    }

    /// Sends the kept ACK again if `response` is a copy of the 2xx that it answered.
    pub(crate) fn acknowledge_again(&self, context: &mut Context, response: &Message) -> bool {
        let Some(sent) = &self.sent_ack else { return false };
        let same = sent.is_for(response);
        if same {
            // A copy can mean that the ACK went astray, before the next hop's name was resolved.
            let dialog = self.dialog.as_ref();
            let flow = dialog.map(|d| self.flow_to(d.request_target().next_hop()));
            context.endpoint.send_directly(flow.unwrap_or(sent.flow), sent.bytes.clone());
        }
        same
    }

    pub(crate) fn next_cseq(&mut self) -> u32 {
        self.cseq = self.cseq.wrapping_add(1) & 0x7fff_ffff;
        self.cseq
    }

    /// The path of a request that was sent on this leg: that of the dialog, once there is one.
    pub(crate) fn flow_of(&self, request: &Message) -> Flow {
        let in_dialog = request.to().is_ok_and(|to| to.tag().is_some());
        match &self.dialog {
            Some(dialog) if in_dialog => self.flow_to(dialog.request_target().next_hop()),
            _ => self.flow,
        }
    }

    /// The path of a request inside the dialog.
    ///
    /// A stream goes back over the connection that the dialog already uses. A datagram, or a stream
    /// whose connection has closed, goes where the route set or the peer's Contact says, by number
    /// or by a name that has been resolved; one that has not, and a private address behind a public
    /// one, which is a NAT, go to where the dialog's messages come from; so does what is for a
    /// Contact that is reached over its own connection alone (`ob`, RFC 5626 section 4.3), and waits
    /// for that peer to connect again.
    fn flow_to(&self, next_hop: &str) -> Flow {
        if self.flow.protocol.is_web_socket() {
            // A browser has no address; without its connection there is no way to it.
            return self.flow;
        }
        let reliable = self.flow.protocol.is_reliable();
        let connected = self.flow.connection.is_some() && !self.disconnected;
        if reliable && (connected || is_outbound(next_hop)) {
            return self.flow;
        }
        let known = literal_address(next_hop, self.flow.protocol);
        let Some(remote) = known.or(self.next_hop.address()) else { return self.flow };
        let same_family = remote.is_ipv4() == self.flow.remote.is_ipv4();
        let behind_nat = is_private(remote.ip()) && !is_private(self.flow.remote.ip());
        if same_family && !behind_nat { Flow { remote, ..self.flow } } else { self.flow }
    }

    /// Starts a response to a request of the peer, with what every response of ours says.
    pub(crate) fn response(&self, context: &Context, request: &Message, status: u16) -> Composer {
        let reason = sip_proto::default_reason(status);
        let mut composer = Composer::response_to(request, status, reason, Some(&self.local_tag));
        composer.header(HeaderName::Server, &context.config.product);
        if (101..300).contains(&status) && request.method() != Some(Method::Bye) {
            composer.header(HeaderName::Contact, self.contact());
        }
        composer
    }

    /// Answers a request of the peer without a body.
    pub(crate) fn answer(
        &self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        request: &Message,
        status: u16,
    ) {
        let response = self.response(context, request, status).finish();
        context.respond(now, server, status, response);
    }
}

impl Context {
    /// Hands a response to its transaction. One that is gone has nobody left to hear it.
    pub(crate) fn respond(&mut self, now: Instant, server: ServerKey, status: u16, bytes: Bytes) {
        let _ = self.endpoint.respond(now, server, status, bytes);
    }

    /// Hands a request to a new transaction; `None` when the table is full.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        flow: Flow,
        branch: &str,
        method: Method<'_>,
        bytes: Bytes,
    ) -> Option<ClientKey> {
        let precedence = self.precedence;
        let (flow, bytes, fallback) = match self.switch_to_stream(now, flow, &bytes) {
            None => (flow, bytes, None),
            Some((stream, rewritten)) => {
                self.statistics.stream_switches += 1;
                (stream, rewritten, Some((flow, bytes)))
            }
        };
        let options = SendOptions { fallback, precedence };
        self.endpoint.send_request_with(now, flow, branch, method, bytes, options).ok()
    }
}

/// Writes our Via, asking for the response on the port it leaves from (RFC 3581). `alias` is what
/// [`Identities::alias`](crate::identity::Identities::alias) says of its flow.
pub(crate) fn via(composer: &mut Composer, listener: &Listener, branch: &str, alias: &str) {
    let mut sent_by = String::with_capacity(ADDRESS_CHARS);
    push_address(&mut sent_by, listener.advertised);
    let protocol = listener.protocol.via_token();
    let pieces = ["SIP/2.0/", protocol, " ", &sent_by, ";branch=", branch, ";rport", alias];
    composer.header_pieces(HeaderName::Via, &pieces);
}

/// A Contact that leads back to a listener.
///
/// Over TLS it is a `sip` one with `transport=tls`, which more peers take than `sips`; in a `sips`
/// dialog it must be `sips` (RFC 3261 section 8.1.1.8), where the transport is TLS without saying.
pub(crate) fn contact_of(listener: &Listener, secure: bool) -> String {
    let mut contact = String::with_capacity(ADDRESS_CHARS + 32);
    contact.push_str(if secure { "<sips:tandem@" } else { "<sip:tandem@" });
    push_address(&mut contact, listener.advertised);
    if !secure {
        contact.push_str(transport_parameter(listener.protocol));
    }
    contact.push('>');
    contact
}

/// The URI of whoever is at the other end of a flow.
pub(crate) fn address_uri(flow: &Flow) -> String {
    let mut uri = String::with_capacity(ADDRESS_CHARS + 32);
    uri.push_str("sip:");
    push_address(&mut uri, flow.remote);
    uri.push_str(transport_parameter(flow.protocol));
    uri
}

/// What asks for a transport in a URI; UDP needs no word.
pub(crate) const fn transport_parameter(protocol: TransportProtocol) -> &'static str {
    match protocol {
        TransportProtocol::Udp => "",
        TransportProtocol::Tcp => ";transport=tcp",
        TransportProtocol::Tls => ";transport=tls",
        TransportProtocol::Ws | TransportProtocol::Wss => ";transport=ws",
    }
}

/// Room for most addresses with their port.
const ADDRESS_CHARS: usize = 48;

/// An address as the peer wrote it, less its header parameters (the tag among them).
fn without_tag(address: &NameAddr<'_>) -> String {
    match address.display_name {
        Some(name) => [name, " <", address.uri_text, ">"].concat(),
        None => ["<", address.uri_text, ">"].concat(),
    }
}

/// Whether a URI can be reached over connections of its owner's making only.
fn is_outbound(uri: &str) -> bool {
    Uri::parse(uri).is_ok_and(|uri| uri.params.get("ob").is_some())
}

/// The address that a URI names by number.
fn literal_address(uri: &str, protocol: TransportProtocol) -> Option<SocketAddr> {
    let uri = Uri::parse(uri).ok()?;
    match uri.host {
        Host::Ip(ip) => Some(SocketAddr::new(ip, uri.port.unwrap_or(protocol.default_port()))),
        Host::Name(_) => None,
    }
}

/// Loopback, link-local and the private ranges (RFC 1918, RFC 4193, RFC 6598).
fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
