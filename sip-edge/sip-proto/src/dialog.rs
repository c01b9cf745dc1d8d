//! Dialogs: RFC 3261 section 12, and the routes of its requests.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

use crate::message::{HeaderName, Malformed, Message, NameAddr, Scheme, Uri};
use crate::transaction::machine::{self, Row};

/// What identifies a dialog on our side (RFC 3261 section 12).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag; empty when it sends none, as RFC 2543 allowed.
    pub remote_tag: String,
}

/// One dialog with a peer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Dialog {
    state: DialogState,
    call_id: String,
    local_tag: String,
    remote_tag: String,
    local_uri: String,
    remote_uri: String,
    remote_target: String,
    route_set: Vec<String>,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    secure: bool,
}

/// How far a dialog has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum DialogState {
    /// Made by a provisional response.
    Early,
    /// Made or confirmed by a 2xx.
    Confirmed,
    /// Over: no request may be sent in it.
    Terminated,
}

/// What moves a dialog from state to state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DialogInput {
    /// A provisional response with a To tag, in either direction.
    Provisional,
    /// A 2xx to the INVITE, in either direction.
    Success,
    /// A non-2xx final response to the INVITE that made the dialog.
    Failure,
    /// A BYE, in either direction.
    Bye,
    /// A 408 or 481 to a request of ours inside the dialog, or no response at all
    /// (RFC 3261 section 12.2.1.2).
    Lost,
}

use DialogState::{Confirmed, Early, Terminated};

#[rustfmt::skip]
static TRANSITIONS: &[Row<DialogState, DialogInput, ()>] = &[
    Row { from: Early, on: DialogInput::Provisional, to: Early, actions: &[] },
    Row { from: Early, on: DialogInput::Success, to: Confirmed, actions: &[] },
    Row { from: Early, on: DialogInput::Failure, to: Terminated, actions: &[] },
    Row { from: Early, on: DialogInput::Bye, to: Terminated, actions: &[] },
    Row { from: Early, on: DialogInput::Lost, to: Terminated, actions: &[] },
    Row { from: Confirmed, on: DialogInput::Success, to: Confirmed, actions: &[] },
    Row { from: Confirmed, on: DialogInput::Bye, to: Terminated, actions: &[] },
    Row { from: Confirmed, on: DialogInput::Lost, to: Terminated, actions: &[] },
];

/// Why a dialog cannot be made or a request does not fit it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DialogError {
    /// A header that the dialog needs cannot be read.
    Malformed(Malformed),
    /// A header that the dialog needs is missing.
    Missing(HeaderName),
    /// The request's CSeq number is lower than that of an earlier one: it is owed a 500
    /// (RFC 3261 section 12.2.2).
    OutOfOrder {
        /// The highest number so far.
        highest: u32,
        /// The request's.
        received: u32,
    },
}

impl fmt::Display for DialogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialogError::Malformed(fault) => fault.fmt(f),
            DialogError::Missing(name) => write!(f, "{} is missing", name.as_str()),
            DialogError::OutOfOrder { highest, received } => {
                write!(f, "CSeq number {received} comes after {highest}")
            }
        }
    }
}

impl std::error::Error for DialogError {}

impl From<Malformed> for DialogError {
    fn from(fault: Malformed) -> Self {
        DialogError::Malformed(fault)
    }
}

/// How to address the next request of a dialog (RFC 3261 section 12.2.1.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestTarget<'a> {
    request_uri: Cow<'a, str>,
    routes: Vec<Cow<'a, str>>,
    next_hop: Cow<'a, str>,
}

impl RequestTarget<'_> {
    /// The Request-URI.
    pub fn request_uri(&self) -> &str {
        &self.request_uri
    }

    /// The Route values, in order.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(AsRef::as_ref)
    }

    /// The URI to send to: the first route, or the Request-URI when there is none or when the first
    /// hop is a strict router (section 8.1.2).
    pub fn next_hop(&self) -> &str {
        &self.next_hop
    }
}

impl Dialog {
    /// The dialog that we, as UAS, make by answering `request` with `local_tag` in To
    /// (section 12.1.1). It begins early; a 2xx confirms it.
    ///
    /// # Errors
    /// When Contact is missing, or one of the headers cannot be read.
    pub fn from_request_uas(request: &Message, local_tag: &str) -> Result<Dialog, DialogError> {
        let (from, to) = (request.from()?, request.to()?);
        let contact = request.contact()?.ok_or(DialogError::Missing(HeaderName::Contact))?;
        let request_uri = request.request_uri().unwrap_or_default();
        Ok(Dialog {
            state: Early,
            call_id: request.call_id()?.to_owned(),
            local_tag: local_tag.to_owned(),
            remote_tag: from.tag().unwrap_or_default().to_owned(),
            local_uri: to.uri_text.to_owned(),
            remote_uri: from.uri_text.to_owned(),
            remote_target: contact.uri_text.to_owned(),
            route_set: route_set(request)?,
            local_cseq: 0,
            remote_cseq: Some(request.cseq()?.number),
            secure: is_secure(request_uri),
        })
    }

    /// The dialog that a response to our INVITE makes (section 12.1.2): confirmed by a 2xx, early by
    /// a provisional one. Each To tag makes its own dialog.
    ///
    /// All of it is read from the response, whose From, To, Call-ID and CSeq are those of the
    /// request; that it answers a request of ours is the transaction layer's finding.
    ///
    /// # Errors
    /// When Contact is missing (there is nobody to acknowledge a 2xx to), or one of the headers
    /// cannot be read.
    pub fn from_response_uac(response: &Message) -> Result<Dialog, DialogError> {
        let contact = response.contact()?.ok_or(DialogError::Missing(HeaderName::Contact))?;
        Dialog::from_response_uac_at(response, contact.uri_text)
    }

    /// The same for a peer that leaves out its Contact: the dialog's target then is `target`, the
    /// URI that was called.
    ///
    /// # Errors
    /// When one of the headers cannot be read.
    pub fn from_response_uac_at(response: &Message, target: &str) -> Result<Dialog, DialogError> {
        let (from, to) = (response.from()?, response.to()?);
        let mut dialog = Dialog {
            state: Early,
            call_id: response.call_id()?.to_owned(),
            local_tag: from.tag().unwrap_or_default().to_owned(),
            remote_tag: to.tag().unwrap_or_default().to_owned(),
            local_uri: from.uri_text.to_owned(),
            remote_uri: to.uri_text.to_owned(),
            remote_target: target.to_owned(),
            route_set: Vec::new(),
            local_cseq: response.cseq()?.number,
            remote_cseq: None,
            secure: is_secure(to.uri_text),
        };
        dialog.take_response(response)?;
        Ok(dialog)
    }

    /// Takes another response to the INVITE that made this dialog. The 2xx confirms the dialog and
    /// sets route set and target anew (section 13.2.2.4).
    ///
    /// # Errors
    /// When Record-Route cannot be read: the dialog stays as it was.
    pub fn take_response(&mut self, response: &Message) -> Result<(), DialogError> {
        let mut routes = route_set(response)?;
        routes.reverse();
        self.route_set = routes;
        self.update_remote_target(response);
        self.step(match response.status() {
            Some(200..300) => DialogInput::Success,
            _ => DialogInput::Provisional,
        });
        Ok(())
    }

    /// Early, confirmed or ended.
    pub const fn state(&self) -> DialogState {
        self.state
    }

    /// Call-ID.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        &self.local_tag
    }

    /// The peer's tag; empty when it sends none, as RFC 2543 allowed.
    pub fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    /// Our URI, as in our From.
    pub fn local_uri(&self) -> &str {
        &self.local_uri
    }

    /// The peer's URI, as in our To.
    pub fn remote_uri(&self) -> &str {
        &self.remote_uri
    }

    /// The URI of the peer's Contact: whom requests are meant for.
    pub fn remote_target(&self) -> &str {
        &self.remote_target
    }

    /// The Route values of our requests in their order, each as Record-Route had it.
    pub fn route_set(&self) -> &[String] {
        &self.route_set
    }

    /// The CSeq number of our last request; 0 before the first.
    pub const fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// The CSeq number of the peer's last request.
    pub const fn remote_cseq(&self) -> Option<u32> {
        self.remote_cseq
    }

    /// Whether the dialog was made with a `sips` URI: its requests then go over TLS.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Makes the transition that `input` asks for; returns whether there was one.
    pub fn step(&mut self, input: DialogInput) -> bool {
        let row = machine::step(TRANSITIONS, self.state, input);
        if let Some(row) = row {
            self.state = row.to;
        }
        row.is_some()
    }

    /// What identifies the dialog.
    pub fn id(&self) -> DialogId {
        DialogId {
            call_id: self.call_id.clone(),
            local_tag: self.local_tag.clone(),
            remote_tag: self.remote_tag.clone(),
        }
    }

    /// Whether a request from the peer belongs to this dialog (section 12.2.2).
    pub fn matches_request(&self, request: &Message) -> bool {
        let tag = |address: Result<NameAddr<'_>, Malformed>, expected: &str| {
            address.is_ok_and(|address| address.tag().unwrap_or_default() == expected)
        };
        request.call_id().is_ok_and(|call_id| call_id == self.call_id)
            && tag(request.to(), &self.local_tag)
            && tag(request.from(), &self.remote_tag)
    }

    /// The CSeq number of our next request (section 12.2.1.1). ACK and CANCEL take that of their
    /// INVITE instead.
    pub fn next_cseq(&mut self) -> u32 {
        // Section 8.1.1.5: below 2^31.
        self.local_cseq = if self.local_cseq >= MAX_CSEQ { 1 } else { self.local_cseq + 1 };
        self.local_cseq
    }

    /// Takes the CSeq number of a request from the peer; not for ACK and CANCEL.
    ///
    /// # Errors
    /// [`DialogError::OutOfOrder`] when an earlier request had a higher number: answer 500.
    pub fn check_remote_cseq(&mut self, number: u32) -> Result<(), DialogError> {
        match self.remote_cseq {
            Some(highest) if number < highest => {
                Err(DialogError::OutOfOrder { highest, received: number })
            }
            _ => {
                self.remote_cseq = Some(number);
                Ok(())
            }
        }
    }

    /// Takes the Contact of a target refresh (INVITE or UPDATE, and their 2xx; section 12.2). The
    /// route set stays. A message whose Contact is missing or cannot be read changes nothing.
    pub fn update_remote_target(&mut self, message: &Message) {
        if let Ok(Some(contact)) = message.contact() {
            contact.uri_text.clone_into(&mut self.remote_target);
        }
    }

    /// How to address the next request (section 12.2.1.1): through loose routers with the target as
    /// Request-URI, to a strict router with the target as last Route.
    pub fn request_target(&self) -> RequestTarget<'_> {
        let target = Cow::Borrowed(self.remote_target.as_str());
        let Some((first, rest)) = self.route_set.split_first() else {
            return RequestTarget {
                request_uri: target.clone(),
                routes: Vec::new(),
                next_hop: target,
            };
        };
        let first_uri = NameAddr::parse(first).map_or(first.as_str(), |route| route.uri_text);
        let uri = Uri::parse(first_uri);
        if uri.as_ref().is_ok_and(|uri| uri.param("lr").is_none()) {
            let request_uri: Cow<'_, str> = Cow::Owned(without_method_and_headers(first_uri));
            let mut routes: Vec<_> = rest.iter().map(|r| Cow::Borrowed(r.as_str())).collect();
            routes.push(Cow::Owned(format!("<{}>", self.remote_target)));
            return RequestTarget { next_hop: request_uri.clone(), request_uri, routes };
        }
        RequestTarget {
            request_uri: target,
            routes: self.route_set.iter().map(|r| Cow::Borrowed(r.as_str())).collect(),
            next_hop: Cow::Borrowed(first_uri),
        }
    }
}

const MAX_CSEQ: u32 = (1 << 31) - 1;

/// The Record-Route values in wire order, each checked.
fn route_set(message: &Message) -> Result<Vec<String>, DialogError> {
    let mut routes = Vec::new();
    for route in message.record_routes() {
        let route = route?;
        route.uri()?;
        routes.push(crate::message::unfold(route.text()).into_owned());
    }
    Ok(routes)
}

fn is_secure(uri: &str) -> bool {
    Uri::parse(uri).is_ok_and(|uri| uri.scheme == Scheme::Sips)
}

/// What a Request-URI must not carry (section 19.1.1, table 1).
fn without_method_and_headers(uri: &str) -> String {
    let uri = uri.split('?').next().unwrap_or_default();
    let mut kept = String::with_capacity(uri.len());
    for (n, piece) in uri.split(';').enumerate() {
        let name = piece.split('=').next().unwrap_or_default().trim();
        if n > 0 && name.eq_ignore_ascii_case("method") {
            continue;
        }
        if n > 0 {
            kept.push(';');
        }
        kept.push_str(piece);
    }
    kept
}

#[cfg(test)]
mod tests;
