//! One SIP message: its bytes, where each header is, and typed values read when asked for.
//!
//! A [`Message`] owns one [`Bytes`] and a list of header offsets. Nothing is copied or decoded
//! until somebody asks, and what is read borrows from the message. Folded lines keep their folds
//! in the borrowed text; typed values read through them and [`unfold`] removes them.

mod compose;
mod header_name;
mod host;
mod malformed;
mod method;
mod name_addr;
mod params;
pub(crate) mod parser;
mod salvage;
pub(crate) mod scan;
mod typed;
mod uri;
mod via;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;

pub use compose::{Composer, default_reason};
pub use header_name::HeaderName;
pub use host::Host;
pub use malformed::{Limits, Malformed};
pub use method::Method;
pub use name_addr::NameAddr;
pub use params::Params;
pub use salvage::{Salvaged, salvage};
pub use scan::{unfold, unquote};
pub use typed::{CSeq, RAck, Refresher, SessionExpires};
pub use uri::{HostPort, Scheme, Uri};
pub use via::Via;

use scan::CommaSplit;
use typed::{leading_seconds, saturating_number};

/// A parsed request or response.
#[derive(Clone)]
pub struct Message {
    raw: Bytes,
    /// The start line and the headers, found to be UTF-8 once and for all.
    head: ByteString,
    start_text: Span,
    start_line: StartLine,
    slots: Vec<Slot>,
    body: Span,
    truncated: bool,
}

/// One header line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderLine<'a> {
    /// Which header, compact forms resolved.
    pub name: HeaderName,
    /// The name as sent.
    pub raw_name: &'a str,
    /// The value without white space at its ends; folds inside are kept.
    pub value: &'a str,
    /// The whole line as sent, with its CRLF.
    pub wire: &'a [u8],
}

impl<'a> HeaderLine<'a> {
    /// The value with each fold replaced by one space.
    pub fn unfolded(&self) -> Cow<'a, str> {
        unfold(self.value)
    }
}

#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

#[derive(Clone, Copy)]
enum StartLine {
    Request { method: Span, uri: Span, version_is_2_0: bool },
    Response { status: u16, reason: Span, version_is_2_0: bool },
}

#[derive(Clone, Copy)]
struct Slot {
    name_text: Span,
    value: Span,
    end: u32,
    name: HeaderName,
}

impl Message {
    /// Reads one datagram, or one message cut from a stream. Costs one allocation for a message
    /// with no more headers than a typical INVITE.
    ///
    /// The body is what Content-Length says, or the rest without one; a datagram that is shorter
    /// than its Content-Length is kept as it is and [`Message::is_truncated`] (the validator
    /// answers it 400).
    ///
    /// # Errors
    /// When the bytes cannot be represented as a message, or exceed `limits`. The error carries the
    /// status that a request is owed; [`salvage`] finds what an answer needs.
    pub fn parse(raw: Bytes, limits: &Limits) -> Result<Message, Malformed> {
        parser::parse(raw, limits)
    }

    /// The bytes that were parsed, all of them.
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Whether this is a request.
    pub const fn is_request(&self) -> bool {
        matches!(self.start_line, StartLine::Request { .. })
    }

    /// The method of a request.
    pub fn method(&self) -> Option<Method<'_>> {
        match self.start_line {
            StartLine::Request { method, .. } => Some(Method::parse(self.text(method))),
            StartLine::Response { .. } => None,
        }
    }

    /// The Request-URI of a request, as sent.
    pub fn request_uri(&self) -> Option<&str> {
        match self.start_line {
            StartLine::Request { uri, .. } => Some(self.text(uri)),
            StartLine::Response { .. } => None,
        }
    }

    /// The status code of a response, 100 to 699.
    pub const fn status(&self) -> Option<u16> {
        match self.start_line {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(status),
        }
    }

    /// The reason phrase of a response; empty for a request.
    pub fn reason_phrase(&self) -> &str {
        match self.start_line {
            StartLine::Request { .. } => "",
            StartLine::Response { reason, .. } => self.text(reason),
        }
    }

    /// Whether the start line says SIP/2.0.
    pub const fn is_version_2_0(&self) -> bool {
        match self.start_line {
            StartLine::Request { version_is_2_0, .. }
            | StartLine::Response { version_is_2_0, .. } => version_is_2_0,
        }
    }

    /// Whether a datagram ended before the Content-Length that it declared.
    pub const fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The start line without its CRLF.
    pub fn start_line(&self) -> Bytes {
        self.slice(self.start_text)
    }

    /// Every header line in wire order.
    pub fn headers(&self) -> impl Iterator<Item = HeaderLine<'_>> {
        self.slots.iter().map(|slot| HeaderLine {
            name: slot.name,
            raw_name: self.text(slot.name_text),
            value: self.text(slot.value),
            wire: self.bytes(Span { start: slot.name_text.start, end: slot.end }),
        })
    }

    /// The lines of that name as sent, each with its CRLF.
    pub(crate) fn wire_lines(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        let of_name = self.slots.iter().filter(move |slot| slot.name == name);
        of_name.map(|slot| self.bytes(Span { start: slot.name_text.start, end: slot.end }))
    }

    /// The value of the first line of that name. [`HeaderName::Other`] finds nothing: use
    /// [`Message::header_named`].
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.header_lines(name).next()
    }

    /// The value of the first line with that name, in any case; for headers that [`HeaderName`]
    /// does not know.
    pub fn header_named(&self, name: &str) -> Option<&str> {
        match HeaderName::parse(name) {
            HeaderName::Other => self
                .slots
                .iter()
                .find(|slot| {
                    slot.name == HeaderName::Other
                        && self.bytes(slot.name_text).eq_ignore_ascii_case(name.as_bytes())
                })
                .map(|slot| self.text(slot.value)),
            known => self.header(known),
        }
    }

    /// The value of each line of that name.
    pub fn header_lines(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.slots
            .iter()
            .filter(move |slot| slot.name == name && name != HeaderName::Other)
            .map(|slot| self.text(slot.value))
    }

    /// The comma-separated values of every line of that name; commas in quotes and in angle
    /// brackets do not separate. Only for headers whose grammar is a list.
    pub fn values(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.header_lines(name).flat_map(CommaSplit::new)
    }

    /// The first Via.
    ///
    /// # Errors
    /// When there is none or it does not parse.
    pub fn top_via(&self) -> Result<Via<'_>, Malformed> {
        self.vias().next().unwrap_or(Err(Malformed::new("Via", MISSING, 0)))
    }

    /// Every Via, from the top.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'_>, Malformed>> {
        self.values(HeaderName::Via).map(|value| Via::parse(value).map_err(|f| f.in_part("Via")))
    }

    /// From.
    ///
    /// # Errors
    /// When it is missing or does not parse.
    pub fn from(&self) -> Result<NameAddr<'_>, Malformed> {
        self.address(HeaderName::From)?.ok_or(Malformed::new("From", MISSING, 0))
    }

    /// To.
    ///
    /// # Errors
    /// When it is missing or does not parse.
    pub fn to(&self) -> Result<NameAddr<'_>, Malformed> {
        self.address(HeaderName::To)?.ok_or(Malformed::new("To", MISSING, 0))
    }

    /// Call-ID.
    ///
    /// # Errors
    /// When it is missing, empty or holds white space.
    pub fn call_id(&self) -> Result<&str, Malformed> {
        let value = self.header(HeaderName::CallId).ok_or(Malformed::new("Call-ID", MISSING, 0))?;
        if value.is_empty() || value.bytes().any(scan::is_lws) {
            return Err(Malformed::new("Call-ID", "it is empty or holds white space", 0));
        }
        Ok(value)
    }

    /// CSeq.
    ///
    /// # Errors
    /// When it is missing or does not parse.
    pub fn cseq(&self) -> Result<CSeq<'_>, Malformed> {
        CSeq::parse(self.header(HeaderName::CSeq).ok_or(Malformed::new("CSeq", MISSING, 0))?)
    }

    /// The first Contact.
    ///
    /// # Errors
    /// When it does not parse.
    pub fn contact(&self) -> Result<Option<NameAddr<'_>>, Malformed> {
        match self.values(HeaderName::Contact).next() {
            Some(value) => match NameAddr::parse(value) {
                Ok(address) => Ok(Some(address)),
                Err(fault) => Err(fault.in_part("Contact")),
            },
            None => Ok(None),
        }
    }

    /// Max-Forwards. A number over 2^32-1 counts as that.
    ///
    /// # Errors
    /// When it is no number.
    pub fn max_forwards(&self) -> Result<Option<u32>, Malformed> {
        self.number(HeaderName::MaxForwards, saturating_number)
    }

    /// Expires, in seconds. A number over 2^32-1 counts as that.
    ///
    /// # Errors
    /// When it is no number.
    pub fn expires(&self) -> Result<Option<u32>, Malformed> {
        self.number(HeaderName::Expires, saturating_number)
    }

    /// Min-SE, in seconds (RFC 4028 section 5).
    ///
    /// # Errors
    /// When it is no number.
    pub fn min_se(&self) -> Result<Option<u32>, Malformed> {
        self.number(HeaderName::MinSe, leading_seconds)
    }

    /// Retry-After, in seconds, without its comment and parameters.
    ///
    /// # Errors
    /// When it is no number.
    pub fn retry_after(&self) -> Result<Option<u32>, Malformed> {
        self.number(HeaderName::RetryAfter, leading_seconds)
    }

    /// RSeq (RFC 3262 section 7.1).
    ///
    /// # Errors
    /// When it is no number.
    pub fn rseq(&self) -> Result<Option<u32>, Malformed> {
        self.number(HeaderName::RSeq, saturating_number)
    }

    /// RAck (RFC 3262 section 7.2).
    ///
    /// # Errors
    /// When it does not parse.
    pub fn rack(&self) -> Result<Option<RAck<'_>>, Malformed> {
        self.header(HeaderName::RAck).map(RAck::parse).transpose()
    }

    /// Session-Expires (RFC 4028 section 4).
    ///
    /// # Errors
    /// When it does not parse.
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, Malformed> {
        self.header(HeaderName::SessionExpires).map(SessionExpires::parse).transpose()
    }

    /// Every Route, from the top.
    pub fn routes(&self) -> impl Iterator<Item = Result<NameAddr<'_>, Malformed>> {
        self.addresses(HeaderName::Route)
    }

    /// Every Record-Route, from the top.
    pub fn record_routes(&self) -> impl Iterator<Item = Result<NameAddr<'_>, Malformed>> {
        self.addresses(HeaderName::RecordRoute)
    }

    /// Every address in the headers of that name.
    pub fn addresses(
        &self,
        name: HeaderName,
    ) -> impl Iterator<Item = Result<NameAddr<'_>, Malformed>> {
        self.values(name)
            .map(move |value| NameAddr::parse(value).map_err(|f| f.in_part(name.as_str())))
    }

    /// The media type of Content-Type without its parameters, in the case it was sent.
    pub fn content_type(&self) -> Option<&str> {
        let value = self.header(HeaderName::ContentType)?;
        value.split(';').next().map(scan::trim)
    }

    /// Whether a list of option tags (Supported, Require and the like) holds `tag`, in any case.
    pub fn has_option_tag(&self, header: HeaderName, tag: &str) -> bool {
        self.values(header).any(|value| value.eq_ignore_ascii_case(tag))
    }

    /// The body; empty when there is none.
    pub fn body(&self) -> Bytes {
        self.slice(self.body)
    }

    /// The body, borrowed.
    pub fn body_bytes(&self) -> &[u8] {
        self.bytes(self.body)
    }

    /// The first header field that may stand once and stands twice.
    pub(crate) fn repeated_single(&self) -> Option<HeaderName> {
        let mut seen = 0_u128;
        self.slots.iter().map(|slot| slot.name).filter(|name| name.is_single()).find(|name| {
            let bit = 1_u128 << (*name as u8);
            let before = seen & bit != 0;
            seen |= bit;
            before
        })
    }

    fn address(&self, name: HeaderName) -> Result<Option<NameAddr<'_>>, Malformed> {
        match self.header(name) {
            Some(value) => match NameAddr::parse(value) {
                Ok(address) => Ok(Some(address)),
                Err(fault) => Err(fault.in_part(name.as_str())),
            },
            None => Ok(None),
        }
    }

    fn number(
        &self,
        name: HeaderName,
        read: fn(&str) -> Option<u32>,
    ) -> Result<Option<u32>, Malformed> {
        match self.header(name) {
            Some(value) => match read(value) {
                Some(number) => Ok(Some(number)),
                None => Err(Malformed::new(name.as_str(), "it is not a number", 0)),
            },
            None => Ok(None),
        }
    }

    fn bytes(&self, span: Span) -> &[u8] {
        self.raw.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn text(&self, span: Span) -> &str {
        // Spans of text lie in the head and end at ASCII bytes, so this never fails.
        self.head.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn slice(&self, span: Span) -> Bytes {
        self.raw.slice(span.start as usize..span.end as usize)
    }
}

const MISSING: &str = "it is missing";

impl fmt::Debug for Message {
    /// The start line and nothing else: headers hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({:?}, {} headers)", self.text(self.start_text), self.slots.len())
    }
}

impl Span {
    fn new(start: usize, end: usize) -> Span {
        Span { start: Span::offset(start), end: Span::offset(end) }
    }

    /// The parser refuses messages whose offsets do not fit.
    fn offset(offset: usize) -> u32 {
        u32::try_from(offset).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests;
