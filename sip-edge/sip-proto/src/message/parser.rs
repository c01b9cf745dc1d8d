//! The one pass over a message: start line, header slots, body.

use bytes::Bytes;
use bytestring::ByteString;

use super::header_name::HeaderName;
use super::malformed::{Limits, Malformed};
use super::scan::{self, Line, is_token};
use super::{Message, Slot, Span, StartLine};

/// Slots that a message is given at first: a typical INVITE fits, so that parsing it allocates once.
const TYPICAL_HEADERS: usize = 24;

/// Reads `raw` as one datagram, or as one message that [`crate::StreamFramer`] cut out.
pub(super) fn parse(raw: Bytes, limits: &Limits) -> Result<Message, Malformed> {
    if raw.len() > limits.message_bytes || u32::try_from(raw.len()).is_err() {
        let fault = Malformed::new("message", "it is larger than the limit", limits.message_bytes);
        return Err(fault.with_status(513));
    }
    let start = skip_empty_lines(&raw);
    let start_end = scan::start_line(&raw, start)?;
    let start_line = start_line(&raw, start, start_end, limits)?;
    let mut slots = Vec::with_capacity(TYPICAL_HEADERS.min(limits.headers));
    let mut declared = None;
    let mut at = start_end + 2;
    while let Some(line) = scan::header_line(&raw, at, limits)? {
        if slots.len() == limits.headers {
            let fault = Malformed::new("headers", "there are more than the limit", at);
            return Err(fault.with_status(513));
        }
        let slot = Slot::new(&raw, &line);
        if slot.name == HeaderName::ContentLength {
            declared = Some(content_length(&raw, &line, declared)?);
        }
        at = line.end;
        slots.push(slot);
    }
    if at - start > limits.head_bytes {
        let fault = Malformed::new("headers", "together they are larger than the limit", at);
        return Err(fault.with_status(513));
    }
    // Delimiters are ASCII, so once the head is UTF-8 every part of it is.
    let head = ByteString::try_from(raw.slice(..at))
        .map_err(|fault| Malformed::new("header", "the text is not UTF-8", fault.valid_up_to()))?;
    let body_start = at + 2;
    let rest = raw.len() - body_start;
    let body_length = declared.map_or(rest, |declared| declared.min(rest));
    if body_length > limits.body_bytes {
        let fault = Malformed::new("body", "it is larger than the limit", body_start);
        return Err(fault.with_status(513));
    }
    let start_text = Span::new(start, start_end);
    let body = Span::new(body_start, body_start + body_length);
    let truncated = declared.is_some_and(|declared| declared > rest);
    Ok(Message { raw, head, start_text, start_line, slots, body, truncated })
}

impl Slot {
    fn new(raw: &[u8], line: &Line) -> Slot {
        Slot {
            name: HeaderName::parse_bytes(&raw[line.start..line.name_end]),
            name_text: Span::new(line.start, line.name_end),
            value: Span::new(line.value_start, line.value_end),
            end: Span::offset(line.end),
        }
    }
}

/// RFC 3261 section 7.5: empty lines before the start line are ignored.
pub(crate) fn skip_empty_lines(raw: &[u8]) -> usize {
    raw.chunks_exact(2).take_while(|pair| *pair == b"\r\n").count() * 2
}

/// Reads a Content-Length. Two that differ make the end of the message a matter of opinion, which
/// is how messages are smuggled; so does one that is no number.
pub(crate) fn content_length(
    raw: &[u8],
    line: &Line,
    before: Option<usize>,
) -> Result<usize, Malformed> {
    let fault = |reason| Malformed::new("Content-Length", reason, line.value_start);
    let digits = &raw[line.value_start..line.value_end];
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(fault("it is not a number"));
    }
    let length = digits.iter().fold(0_usize, |length, digit| {
        length.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
    });
    match before {
        Some(other) if other != length => Err(fault("two that differ")),
        _ => Ok(length),
    }
}

fn start_line(
    raw: &[u8],
    start: usize,
    end: usize,
    limits: &Limits,
) -> Result<StartLine, Malformed> {
    let line = &raw[start..end];
    // `/` is no token byte, so no method can start like this.
    if line.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"SIP/")) {
        return status_line(line, start);
    }
    let fault = |reason, at| Malformed::new("start line", reason, start + at);
    let method_end = line.iter().take_while(|byte| is_token(**byte)).count();
    if method_end == 0 || line.get(method_end) != Some(&b' ') {
        return Err(fault("it must start with a method and one space", method_end));
    }
    let uri_start = method_end + 1;
    let uri_length = memchr::memchr(b' ', &line[uri_start..])
        .ok_or(fault("the version is missing", line.len()))?;
    let uri_end = uri_start + uri_length;
    let version = &line[uri_end + 1..];
    if uri_length == 0 || memchr::memchr2(b'\t', b'"', &line[uri_start..uri_end]).is_some() {
        return Err(fault("the Request-URI is missing or holds a blank or a quote", uri_start));
    }
    if uri_length > limits.uri_bytes {
        let fault = Malformed::new("Request-URI", "it is longer than the limit", start + uri_start);
        return Err(fault.with_status(414));
    }
    if !is_version(version) {
        return Err(fault("it must end with one space and SIP/2.0", uri_end));
    }
    Ok(StartLine::Request {
        method: Span::new(start, start + method_end),
        uri: Span::new(start + uri_start, start + uri_end),
        version_is_2_0: version.eq_ignore_ascii_case(b"SIP/2.0"),
    })
}

fn status_line(line: &[u8], start: usize) -> Result<StartLine, Malformed> {
    let fault = |reason, at| Malformed::new("status line", reason, start + at);
    let version_end =
        memchr::memchr(b' ', line).ok_or(fault("the status code is missing", line.len()))?;
    let version = &line[..version_end];
    if !is_version(version) {
        return Err(fault("it must start with SIP/2.0", 0));
    }
    let code = line.get(version_end + 1..version_end + 4).unwrap_or_default();
    let status = match code {
        [hundreds @ b'1'..=b'6', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            u16::from(hundreds - b'0') * 100 + u16::from(tens - b'0') * 10 + u16::from(ones - b'0')
        }
        _ => return Err(fault("the status code is not one of 100 to 699", version_end + 1)),
    };
    let reason_start = match line.get(version_end + 4) {
        None => line.len(),
        Some(b' ') => version_end + 5,
        Some(_) => return Err(fault("the status code has three digits", version_end + 4)),
    };
    Ok(StartLine::Response {
        status,
        reason: Span::new(start + reason_start, start + line.len()),
        version_is_2_0: version.eq_ignore_ascii_case(b"SIP/2.0"),
    })
}

/// `SIP/` digits `.` digits, in any case.
fn is_version(text: &[u8]) -> bool {
    let Some((name, number)) = text.split_at_checked(4) else { return false };
    let mut halves = number.splitn(2, |byte| *byte == b'.');
    let mut digits = || {
        halves.next().is_some_and(|half| !half.is_empty() && half.iter().all(u8::is_ascii_digit))
    };
    name.eq_ignore_ascii_case(b"SIP/") && digits() && digits()
}
