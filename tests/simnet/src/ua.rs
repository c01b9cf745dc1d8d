//! A user agent that does what a test says, and nothing of its own accord.

use crate::fixture::{connector_host, sdp};
use crate::world::{World, word};
use bytes::Bytes;
use sip_proto::{Composer, HeaderName, Message, Method};
use std::net::SocketAddr;

/// One dialog of an endpoint, and the transactions in it.
#[derive(Clone, Debug)]
pub struct Ua {
    /// Where it is.
    pub at: SocketAddr,
    /// Request URI of its requests: the peer's Contact once that is known.
    pub target: String,
    /// Route headers of its requests.
    pub routes: Vec<String>,
    /// Record-Route values that proxies on its side would add to its INVITE and its responses.
    pub record_routes: Vec<String>,
    /// Its Contact, without angle brackets.
    pub contact: String,
    /// Parameters of its Contact, with their semicolons.
    pub contact_params: &'static str,
    /// Its tag.
    pub tag: String,
    /// Number of its last request.
    pub cseq: u32,
    /// `UDP` or `TCP`.
    pub transport: &'static str,
    /// Its Call-ID.
    pub call_id: String,
    /// The last INVITE that it received.
    pub invited: Option<Message>,
    local: String,
    remote: String,
    remote_tag: String,
    branch: String,
    invite_cseq: u32,
    /// The last request other than INVITE that it received.
    asked: Option<Message>,
}

impl Ua {
    pub(crate) fn caller(w: &mut World, at: SocketAddr, number: &str) -> Ua {
        let serial = w.next_serial();
        let inner = format!("host{serial}.inner-{}.example", at.port());
        let host = connector_host();
        let mut ua = Ua::blank(w, at, serial);
        ua.call_id = format!("inner-call-{serial}@{inner}");
        ua.local = format!("\"Alice\" <sip:+12065550100@{inner}>");
        ua.remote = format!("<sip:{number}@{host}>");
        ua.target = format!("sip:{number}@{host}");
        w.audit.keep_secret(at, &inner);
        w.audit.keep_secret(at, &ua.call_id);
        ua
    }

    pub(crate) fn callee(w: &mut World, at: SocketAddr) -> Ua {
        let invite = w
            .take_expected(at, None, "INVITE")
            .unwrap_or_else(|| panic!("no INVITE at {at}\n{}", w.ladder()));
        assert_eq!(word(&invite), "INVITE", "\n{}", w.ladder());
        let serial = w.next_serial();
        let mut ua = Ua::blank(w, at, serial);
        ua.call_id = invite.call_id().unwrap().to_owned();
        ua.learn(&invite);
        ua
    }

    fn blank(w: &mut World, at: SocketAddr, serial: u32) -> Ua {
        let tag = format!("inner-tag-{serial}-{}", at.port());
        w.audit.keep_secret(at, &tag);
        w.audit.keep_secret(at, &at.ip().to_string());
        w.audit.keep_secret(at, &user_agent(at));
        Ua {
            at,
            target: String::new(),
            routes: Vec::new(),
            record_routes: Vec::new(),
            contact: format!("sip:inner@{at}"),
            contact_params: "",
            tag,
            cseq: 100 * serial,
            transport: "UDP",
            call_id: String::new(),
            invited: None,
            local: String::new(),
            remote: String::new(),
            remote_tag: String::new(),
            branch: String::new(),
            invite_cseq: 0,
            asked: None,
        }
    }

    /// Calls a URI that names no host of ours, in Request-URI and To.
    pub fn call_uri(&mut self, uri: &str) {
        self.target = uri.to_owned();
        self.remote = format!("<{uri}>");
    }

    /// Calls under another number than +12065550100.
    pub fn set_caller(&mut self, number: &str) {
        self.local = self.local.replace("+12065550100", number);
    }

    /// Calls under another display name than Alice.
    pub fn set_display_name(&mut self, name: &str) {
        self.local = self.local.replacen("Alice", name, 1);
    }

    /// The peer's tag; empty before there is a dialog.
    pub fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    /// Its description of `port`, sending and receiving.
    pub fn sdp(&self, port: u16) -> String {
        sdp(self.at, port, 1, "sendrecv")
    }

    /// Its description with another direction; `version` must differ from the last one's.
    pub fn sdp_with(&self, port: u16, version: u32, direction: &str) -> String {
        sdp(self.at, port, version, direction)
    }

    /// Sends an INVITE.
    pub fn invite(&mut self, w: &mut World, body: Option<&str>) {
        self.invite_with(w, &[], body);
    }

    /// Sends an INVITE with more headers.
    pub fn invite_with(&mut self, w: &mut World, headers: &[(&str, &str)], body: Option<&str>) {
        self.invite_of(w, headers, body.map(|body| ("application/sdp", body)));
    }

    /// The same with a body of any type.
    pub fn invite_of(
        &mut self,
        w: &mut World,
        headers: &[(&str, &str)],
        body: Option<(&str, &str)>,
    ) {
        self.request(w, "INVITE", headers, body);
        self.invite_cseq = self.cseq;
    }

    /// Forgets the tag of a refusal: its next INVITE is outside a dialog again.
    pub fn start_over(&mut self) {
        self.remote_tag.clear();
    }

    /// Its last request was an INVITE: ACK and CANCEL name that one.
    pub fn answered(&mut self) {
        self.invite_cseq = self.cseq;
    }

    /// Sends a BYE.
    pub fn bye(&mut self, w: &mut World) {
        self.request(w, "BYE", &[], None);
    }

    /// Sends any request with a new CSeq.
    pub fn request(
        &mut self,
        w: &mut World,
        method: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, &str)>,
    ) {
        self.cseq += 1;
        let branch = format!("z9hG4bKinner{:06}", w.next_serial());
        if method == "INVITE" {
            self.branch.clone_from(&branch);
        }
        w.audit.keep_secret(self.at, &branch);
        let raw = self.compose(method, self.cseq, &branch, headers, body);
        w.send(self.at, raw);
    }

    /// Acknowledges a 2xx.
    pub fn ack(&mut self, w: &mut World, body: Option<&str>) {
        let raw = self.ack_bytes(w, body);
        w.send(self.at, raw);
    }

    /// The ACK of a 2xx, not sent.
    pub fn ack_bytes(&mut self, w: &mut World, body: Option<&str>) -> Bytes {
        let branch = format!("z9hG4bKinner{:06}", w.next_serial());
        let body = body.map(|body| ("application/sdp", body));
        self.compose("ACK", self.invite_cseq, &branch, &[], body)
    }

    /// Acknowledges a failure: same branch as the INVITE.
    pub fn ack_failure(&mut self, w: &mut World) {
        let branch = self.branch.clone();
        let raw = self.compose("ACK", self.invite_cseq, &branch, &[], None);
        w.send(self.at, raw);
    }

    /// Sends a CANCEL for its INVITE.
    pub fn cancel(&mut self, w: &mut World) {
        let (branch, tag) = (self.branch.clone(), std::mem::take(&mut self.remote_tag));
        let raw = self.compose("CANCEL", self.invite_cseq, &branch, &[], None);
        self.remote_tag = tag;
        w.send(self.at, raw);
    }

    /// Answers the last INVITE that it received.
    pub fn reply(&mut self, w: &mut World, status: u16, body: Option<&str>) {
        self.reply_with(w, status, &[], body);
    }

    /// The same with more headers.
    pub fn reply_with(
        &mut self,
        w: &mut World,
        status: u16,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) {
        let invite = self.invited.clone().expect("an INVITE came");
        let raw = self.response(&invite, status, headers, body.map(|b| ("application/sdp", b)));
        w.send(self.at, raw);
    }

    /// Answers the last other request with 200.
    pub fn ok(&mut self, w: &mut World) {
        self.refuse(w, 200, &[]);
    }

    /// Answers the last other request with 200 and a description.
    pub fn ok_with_sdp(&mut self, w: &mut World, body: &str) {
        let request = self.asked.take().expect("a request came");
        let raw = self.response(&request, 200, &[], Some(("application/sdp", body)));
        w.send(self.at, raw);
    }

    /// Answers the last other request.
    pub fn refuse(&mut self, w: &mut World, status: u16, headers: &[(&str, &str)]) {
        let request = self.asked.take().expect("a request came");
        let raw = self.response(&request, status, headers, None);
        w.send(self.at, raw);
    }

    /// Takes the next message, which must be this method or status, and learns from it.
    pub fn expect(&mut self, w: &mut World, what: &str) -> Message {
        let Some(message) = w.take_expected(self.at, Some(&self.call_id), what) else {
            panic!("nothing came to {} instead of {what}\n{}", self.at, w.ladder());
        };
        let text = String::from_utf8_lossy(message.raw()).into_owned();
        assert_eq!(word(&message), what, "at {}\n{}\n{text}", self.at, w.ladder());
        self.learn(&message);
        message
    }

    /// Takes a message if there is one, and learns from it.
    pub fn poll(&mut self, w: &mut World) -> Option<Message> {
        let message = w.take(self.at, Some(&self.call_id))?;
        self.learn(&message);
        Some(message)
    }

    /// Takes the next message, whatever it is.
    pub fn expect_any(&mut self, w: &mut World) -> Message {
        let Some(message) = w.take(self.at, Some(&self.call_id)) else {
            panic!("nothing came to {}\n{}", self.at, w.ladder());
        };
        self.learn(&message);
        message
    }

    /// Another telephone that the same INVITE reached: the same dialog but for its own tag and
    /// Contact.
    pub fn fork(&self, w: &mut World, name: &str) -> Ua {
        let mut other = self.clone();
        other.tag = format!("inner-{name}-{}", w.next_serial());
        other.contact = format!("sip:{name}@{}", self.at);
        w.audit.keep_secret(self.at, &other.tag);
        other
    }

    /// Nothing came but 100.
    pub fn expect_silence(&self, w: &mut World) {
        if let Some(message) = w.take(self.at, Some(&self.call_id)) {
            panic!("{} came to {}\n{}", word(&message), self.at, w.ladder());
        }
    }

    /// A response to a request, not sent.
    pub fn response(
        &self,
        request: &Message,
        status: u16,
        headers: &[(&str, &str)],
        body: Option<(&str, &str)>,
    ) -> Bytes {
        let reason = sip_proto::default_reason(status);
        let tag = (status > 100).then_some(self.tag.as_str());
        let mut composer = Composer::response_to(request, status, reason, tag);
        if (101..300).contains(&status) {
            for route in &self.record_routes {
                composer.header(HeaderName::RecordRoute, route);
            }
            composer.header_args(HeaderName::Contact, format_args!("<{}>", self.contact));
        }
        composer.header(HeaderName::Server, user_agent(self.at));
        self.end(composer, headers, body)
    }

    fn learn(&mut self, message: &Message) {
        let is_invite = message.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        if message.is_request() {
            match message.method() {
                Some(Method::Invite) => {
                    self.local = strip_tag(message.to().unwrap().text());
                    self.remote = strip_tag(message.from().unwrap().text());
                    self.remote_tag = message.from().unwrap().tag().unwrap_or_default().to_owned();
                    self.invited = Some(message.clone());
                }
                Some(Method::Ack) => return,
                _ => self.asked = Some(message.clone()),
            }
        } else if is_invite && message.status().is_some_and(|status| status > 100) {
            self.remote_tag = message.to().unwrap().tag().unwrap_or_default().to_owned();
        }
        let success = message.status().is_none_or(|status| status < 300);
        if let Ok(Some(contact)) = message.contact()
            && is_invite
            && success
        {
            contact.uri_text.clone_into(&mut self.target);
        }
    }

    fn compose(
        &self,
        method: &str,
        cseq: u32,
        branch: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, &str)>,
    ) -> Bytes {
        let mut composer = Composer::request(method, &self.target);
        composer.header_args(
            HeaderName::Via,
            format_args!("SIP/2.0/{} {};branch={branch};rport", self.transport, self.at),
        );
        if !headers.iter().any(|(name, _)| *name == "Max-Forwards") {
            composer.header(HeaderName::MaxForwards, "70");
        }
        for route in &self.routes {
            composer.header(HeaderName::Route, route);
        }
        if method == "INVITE" && self.remote_tag.is_empty() {
            for route in &self.record_routes {
                composer.header(HeaderName::RecordRoute, route);
            }
        }
        let to_tag = if self.remote_tag.is_empty() {
            String::new()
        } else {
            format!(";tag={}", self.remote_tag)
        };
        composer
            .header_args(HeaderName::From, format_args!("{};tag={}", self.local, self.tag))
            .header_args(HeaderName::To, format_args!("{}{to_tag}", self.remote))
            .header(HeaderName::CallId, &self.call_id)
            .header_args(HeaderName::CSeq, format_args!("{cseq} {method}"))
            .header(HeaderName::UserAgent, user_agent(self.at));
        if !matches!(method, "ACK" | "BYE" | "CANCEL") {
            let (contact, params) = (&self.contact, self.contact_params);
            composer.header_args(HeaderName::Contact, format_args!("<{contact}>{params}"));
        }
        self.end(composer, headers, body)
    }

    fn end(
        &self,
        mut composer: Composer,
        headers: &[(&str, &str)],
        body: Option<(&str, &str)>,
    ) -> Bytes {
        for (name, value) in headers {
            composer.header_named(name, value);
        }
        match body {
            Some((content_type, body)) => composer.body(Some(content_type), body.as_bytes()),
            None => composer.finish(),
        }
    }

    /// A call from the PBX with the offer that `describe` makes; the carrier has its INVITE.
    pub fn offering(w: &mut World, describe: impl FnOnce(&Ua) -> String) -> (Ua, Ua) {
        let mut caller = w.caller(crate::PBX, "+12065550123");
        let offer = describe(&caller);
        caller.invite(w, Some(&offer));
        let callee = w.callee(crate::CARRIER);
        (caller, callee)
    }

    /// Answers the INVITE of `asking` with `body`; both acknowledge. Returns the answer that it got.
    pub fn answer(&mut self, w: &mut World, asking: &mut Ua, body: &str) -> Message {
        self.reply(w, 200, Some(body));
        self.expect(w, "ACK");
        let answer = asking.expect(w, "200");
        asking.ack(w, None);
        answer
    }

    /// A whole outbound call up to its ACK: the PBX, then the carrier.
    pub fn establish(w: &mut World) -> (Ua, Ua) {
        Ua::establish_with(w, &[], &[])
    }

    /// The same with headers in the INVITE and in the 200.
    pub fn establish_with(
        w: &mut World,
        invite: &[(&str, &str)],
        answer: &[(&str, &str)],
    ) -> (Ua, Ua) {
        let mut pbx = w.caller(crate::PBX, "+12065550123");
        let offer = pbx.sdp(30_000);
        pbx.invite_with(w, invite, Some(&offer));
        let mut pstn = w.callee(crate::CARRIER);
        let body = pstn.sdp(40_000);
        pstn.reply_with(w, 200, answer, Some(&body));
        pstn.expect(w, "ACK");
        pbx.expect(w, "200");
        pbx.ack(w, None);
        (pbx, pstn)
    }

    /// Hangs up and sees the far end hang up.
    pub fn hang_up(&mut self, w: &mut World, far: &mut Ua) {
        self.bye(w);
        self.expect(w, "200");
        far.expect(w, "BYE");
        far.ok(w);
    }
}

/// The product that an endpoint names, a secret of its side.
fn user_agent(at: SocketAddr) -> String {
    format!("InnerBox-{}/1.0", at.port())
}

fn strip_tag(address: &str) -> String {
    address.split(";tag=").next().unwrap_or_default().to_owned()
}
