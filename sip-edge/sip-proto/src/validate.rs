//! Which status a legal but wrong message is owed (RFC 3261 sections 8.2 and 16.3).

use std::fmt;

use crate::message::{HeaderName, Message, Method, Scheme, Uri};
use model::EmergencyKind;

/// A request that parses and must be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The status that the request is owed.
    pub status: u16,
    /// What is wrong, for the log and the reason phrase.
    pub reason: &'static str,
    /// The option tags for the Unsupported header of a 420; empty otherwise.
    pub unsupported: Vec<String>,
}

impl Violation {
    const fn new(status: u16, reason: &'static str) -> Violation {
        Violation { status, reason, unsupported: Vec::new() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.reason)
    }
}

impl std::error::Error for Violation {}

/// Checks a request in the order in which RFC 3261 section 16.3 has faults answered: version,
/// form, scheme, hops, extensions. `supported` are the option tags that the caller implements.
///
/// Methods and content types (405, 501, 415), loops (482) and dialogs (481) are the core's to judge.
/// An unknown method is a violation only when CSeq names another one (RFC 4475 section 3.1.2.18).
///
/// # Errors
/// The first violation: 505, 400, 501, 416, 483 or 420.
pub fn validate_request(message: &Message, supported: &[&str]) -> Result<(), Violation> {
    let Some(method) = message.method() else {
        return Err(Violation::new(400, "Not a Request"));
    };
    if !message.is_version_2_0() {
        return Err(Violation::new(505, "Version Not Supported"));
    }
    check_form(message).map_err(|reason| Violation::new(400, reason))?;
    check_cseq(message, method)?;
    check_request_uri(message)?;
    match message.max_forwards() {
        Err(_) => return Err(Violation::new(400, "Bad Max-Forwards")),
        Ok(Some(0)) if method != Method::Ack => {
            return Err(Violation::new(483, "Too Many Hops"));
        }
        Ok(_) => {}
    }
    check_extensions(message, method, supported)
}

/// Checks what a response needs to be matched and used. One that fails is dropped.
///
/// # Errors
/// Why it cannot be used.
pub fn validate_response(message: &Message) -> Result<(), &'static str> {
    if message.is_request() {
        return Err("not a response");
    }
    if !message.is_version_2_0() {
        return Err("version not supported");
    }
    check_form(message)?;
    match message.cseq() {
        Ok(_) => Ok(()),
        Err(_) => Err("bad CSeq"),
    }
}

/// What requests and responses share: the mandatory headers, once each and well-formed.
fn check_form(message: &Message) -> Result<(), &'static str> {
    if message.is_truncated() {
        return Err("Content-Length Exceeds the Message");
    }
    if let Some(name) = message.repeated_single() {
        return Err(repeated(name));
    }
    for (missing, name) in [
        ("Missing Via", HeaderName::Via),
        ("Missing From", HeaderName::From),
        ("Missing To", HeaderName::To),
        ("Missing Call-ID", HeaderName::CallId),
        ("Missing CSeq", HeaderName::CSeq),
    ] {
        if message.header(name).is_none() {
            return Err(missing);
        }
    }
    let via = message.top_via().map_err(|_| "Bad Via")?;
    if !via.is_version_2_0() {
        return Err("Bad Via");
    }
    message.from().and_then(|from| from.uri()).map_err(|_| "Bad From")?;
    message.to().and_then(|to| to.uri()).map_err(|_| "Bad To")?;
    message.call_id().map_err(|_| "Bad Call-ID")?;
    for contact in message.addresses(HeaderName::Contact) {
        match contact {
            Ok(contact) if contact.uri_text == "*" || contact.uri().is_ok() => {}
            _ => return Err("Bad Contact"),
        }
    }
    Ok(())
}

fn check_cseq(message: &Message, method: Method<'_>) -> Result<(), Violation> {
    let cseq = message.cseq().map_err(|_| Violation::new(400, "Bad CSeq"))?;
    // RFC 3261 section 8.1.1.5.
    if cseq.number >= 1 << 31 {
        return Err(Violation::new(400, "CSeq Number Too Large"));
    }
    match (cseq.method == method, method) {
        (true, _) => Ok(()),
        (false, Method::Other(_)) => Err(Violation::new(501, "Not Implemented")),
        (false, _) => Err(Violation::new(400, "CSeq Method Does Not Match")),
    }
}

fn check_request_uri(message: &Message) -> Result<(), Violation> {
    let uri = Uri::parse(message.request_uri().unwrap_or_default())
        .map_err(|_| Violation::new(400, "Bad Request-URI"))?;
    // RFC 5031: an emergency call may name the service alone.
    if uri.scheme == Scheme::Other && EmergencyKind::of_service_urn(uri.text()).is_none() {
        return Err(Violation::new(416, "Unsupported URI Scheme"));
    }
    // RFC 3261 section 19.1.1, table 1: headers are not allowed in a Request-URI.
    if !uri.headers.is_empty() {
        return Err(Violation::new(400, "Headers in the Request-URI"));
    }
    Ok(())
}

/// RFC 3261 sections 8.2.2.3 and 16.3: as a back-to-back user agent we stand for both roles. ACK
/// and CANCEL are never refused for this.
fn check_extensions(
    message: &Message,
    method: Method<'_>,
    supported: &[&str],
) -> Result<(), Violation> {
    if matches!(method, Method::Ack | Method::Cancel) {
        return Ok(());
    }
    let required = message.values(HeaderName::Require);
    let unsupported: Vec<String> = required
        .chain(message.values(HeaderName::ProxyRequire))
        .filter(|tag| !supported.iter().any(|known| known.eq_ignore_ascii_case(tag)))
        .map(str::to_owned)
        .collect();
    if unsupported.is_empty() {
        return Ok(());
    }
    Err(Violation { unsupported, ..Violation::new(420, "Bad Extension") })
}

/// The reason for the fields that decide how a message is matched; the others share one.
const fn repeated(name: HeaderName) -> &'static str {
    match name {
        HeaderName::From => "Repeated From",
        HeaderName::To => "Repeated To",
        HeaderName::CallId => "Repeated Call-ID",
        HeaderName::CSeq => "Repeated CSeq",
        HeaderName::MaxForwards => "Repeated Max-Forwards",
        HeaderName::ContentLength => "Repeated Content-Length",
        HeaderName::ContentType => "Repeated Content-Type",
        _ => "Repeated Single-Valued Header",
    }
}

#[cfg(test)]
mod tests;
