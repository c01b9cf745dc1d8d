//! Messages to bytes. Whatever text goes in, no line comes out that was not asked for.

use std::fmt::{self, Write as _};

use bytes::Bytes;

use super::header_name::HeaderName;
use super::scan::is_token;
use super::{HeaderLine, Message, Method};

/// Writes one message, line by line, into one buffer.
///
/// Injection is not possible: CR, LF and NUL in a value become spaces (so a folded value comes out
/// unfolded), bytes that are no token are left out of names and methods, and white space is left
/// out of the Request-URI. Content-Length is written by [`Composer::body`] and
/// [`Composer::finish`] alone; every other attempt to write it is ignored.
#[derive(Clone, Debug)]
pub struct Composer {
    buffer: Vec<u8>,
}

impl Composer {
    /// Starts a request.
    pub fn request(method: &str, uri: &str) -> Composer {
        let mut buffer = Vec::with_capacity(1024);
        buffer.extend(method.bytes().filter(|byte| is_token(*byte)));
        buffer.push(b' ');
        buffer.extend(uri.bytes().filter(|byte| *byte > b' ' && *byte != 0x7f));
        buffer.extend_from_slice(b" SIP/2.0\r\n");
        Composer { buffer }
    }

    /// Starts a response. `status` is 100 to 699; any other number becomes 500.
    pub fn response(status: u16, reason: &str) -> Composer {
        let status = if (100..=699).contains(&status) { status } else { 500 };
        let mut composer = Composer { buffer: Vec::with_capacity(768) };
        composer.buffer.extend_from_slice(b"SIP/2.0 ");
        composer.number(usize::from(status));
        composer.buffer.push(b' ');
        composer.value(reason);
        composer.buffer.extend_from_slice(b"\r\n");
        composer
    }

    /// A response to `request` with its Via set, From, To, Call-ID and CSeq, and for 101 to 299 its
    /// Record-Route set (RFC 3261 sections 8.2.6 and 12.1.1). `to_tag` is added when To has none; a
    /// 100 carries the Timestamp (section 8.2.6.1). The caller stamps `received` and `rport`.
    pub fn response_to(
        request: &Message,
        status: u16,
        reason: &str,
        to_tag: Option<&str>,
    ) -> Composer {
        let mut composer = Composer::response(status, reason);
        composer.copy_all(request, HeaderName::Via);
        if (101..300).contains(&status) {
            composer.copy_all(request, HeaderName::RecordRoute);
        }
        composer.copy_first(request, HeaderName::From);
        // When To does not parse, a tag could land inside a quote: it is copied as it is.
        match to_tag.filter(|_| request.to().is_ok_and(|to| to.tag().is_none())) {
            Some(tag) => {
                let to = request.header(HeaderName::To).unwrap_or_default();
                let to = to.strip_suffix(';').unwrap_or(to);
                composer.header_pieces(HeaderName::To, &[to, ";tag=", tag]);
            }
            None => composer.copy_first(request, HeaderName::To),
        }
        composer.copy_first(request, HeaderName::CallId);
        composer.copy_first(request, HeaderName::CSeq);
        if status == 100 {
            composer.copy_first(request, HeaderName::Timestamp);
        }
        composer
    }

    /// Writes `Name: value`.
    pub fn header(&mut self, name: HeaderName, value: impl AsRef<str>) -> &mut Self {
        if self.start_header(name) {
            self.value(value.as_ref());
            self.end_header();
        }
        self
    }

    /// Writes `Name: value` from the pieces of the value, which costs less than format arguments.
    pub fn header_pieces(&mut self, name: HeaderName, pieces: &[&str]) -> &mut Self {
        if self.start_header(name) {
            pieces.iter().for_each(|piece| self.value(piece));
            self.end_header();
        }
        self
    }

    /// Writes CSeq.
    pub fn cseq(&mut self, number: u32, method: Method<'_>) -> &mut Self {
        self.buffer.extend_from_slice(b"CSeq: ");
        self.number(number as usize);
        self.buffer.push(b' ');
        self.value(method.as_str());
        self.end_header();
        self
    }

    /// Writes `Name: number`.
    pub fn header_number(&mut self, name: HeaderName, number: u32) -> &mut Self {
        if self.start_header(name) {
            self.number(number as usize);
            self.end_header();
        }
        self
    }

    /// Writes `Name: value` from format arguments, without a string in between.
    pub fn header_args(&mut self, name: HeaderName, value: fmt::Arguments<'_>) -> &mut Self {
        if self.start_header(name) {
            self.write(value);
            self.end_header();
        }
        self
    }

    /// Writes a header that [`HeaderName`] does not know. Bytes that are no token are left out of
    /// the name; with nothing left of it, nothing is written.
    pub fn header_named(&mut self, name: &str, value: &str) -> &mut Self {
        let start = self.buffer.len();
        self.buffer.extend(name.bytes().filter(|byte| is_token(*byte)));
        let written = &self.buffer[start..];
        if written.is_empty() || HeaderName::parse_bytes(written) == HeaderName::ContentLength {
            self.buffer.truncate(start);
            return self;
        }
        self.buffer.extend_from_slice(b": ");
        self.value(value);
        self.end_header();
        self
    }

    /// Copies a line of another message byte for byte.
    pub fn copy_line(&mut self, line: &HeaderLine<'_>) -> &mut Self {
        if line.name != HeaderName::ContentLength {
            self.buffer.extend_from_slice(line.wire);
        }
        self
    }

    /// Copies every line of that name, byte for byte and in order.
    pub fn copy_all(&mut self, from: &Message, name: HeaderName) -> &mut Self {
        if name != HeaderName::ContentLength {
            from.wire_lines(name).for_each(|line| self.buffer.extend_from_slice(line));
        }
        self
    }

    /// Ends the message with a body. With `content_type` a Content-Type line is written first.
    pub fn body(mut self, content_type: Option<&str>, body: &[u8]) -> Bytes {
        if let Some(content_type) = content_type {
            self.header(HeaderName::ContentType, content_type);
        }
        self.buffer.reserve(body.len() + 32);
        self.buffer.extend_from_slice(b"Content-Length: ");
        self.number(body.len());
        self.buffer.extend_from_slice(b"\r\n\r\n");
        self.buffer.extend_from_slice(body);
        // Messages are kept to be repeated, some as long as their call: without the room to spare.
        Bytes::copy_from_slice(&self.buffer)
    }

    /// Ends the message without a body.
    pub fn finish(self) -> Bytes {
        self.body(None, b"")
    }

    fn copy_first(&mut self, from: &Message, name: HeaderName) {
        if let Some(line) = from.wire_lines(name).next() {
            self.buffer.extend_from_slice(line);
        }
    }

    /// Writes the name, unless it is one that is not the caller's to write.
    fn start_header(&mut self, name: HeaderName) -> bool {
        if matches!(name, HeaderName::ContentLength | HeaderName::Other) {
            return false;
        }
        self.buffer.extend_from_slice(name.as_str().as_bytes());
        self.buffer.extend_from_slice(b": ");
        true
    }

    fn end_header(&mut self) {
        self.buffer.extend_from_slice(b"\r\n");
    }

    fn value(&mut self, text: &str) {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(text.as_bytes());
        for byte in &mut self.buffer[start..] {
            if matches!(byte, b'\r' | b'\n' | 0) {
                *byte = b' ';
            }
        }
    }

    fn number(&mut self, mut number: usize) {
        let start = self.buffer.len();
        loop {
            self.buffer.push(b'0' + (number % 10) as u8);
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.buffer[start..].reverse();
    }

    fn write(&mut self, arguments: fmt::Arguments<'_>) {
        // `write_str` below never fails.
        let _ = Sanitised(self).write_fmt(arguments);
    }
}

struct Sanitised<'a>(&'a mut Composer);

impl fmt::Write for Sanitised<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.value(text);
        Ok(())
    }
}

/// The reason phrase of a status as its RFC registers it, or its class's name.
pub fn default_reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400..=499 => client_error(status),
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        555 => "Push Notification Service Not Supported",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ => match status / 100 {
            1 => "Progress",
            2 => "Success",
            3 => "Redirection",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}

fn client_error(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        428 => "Use Identity Header",
        429 => "Provide Referrer Identity",
        430 => "Flow Failed",
        433 => "Anonymity Disallowed",
        436 => "Bad Identity Info",
        437 => "Unsupported Credential",
        438 => "Invalid Identity Header",
        439 => "First Hop Lacks Outbound Support",
        469 => "Bad Info Package",
        470 => "Consent Needed",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        _ => "Request Failure",
    }
}
