//! A whole message: its head, and what becomes of its body.

use super::Bodies;
use super::head;
use super::numbers::Numbers;
use super::text::{self, HIDDEN, HOSTS, WORDS};

/// Bodies within bodies that are looked into; what is deeper is hidden.
const DEPTH: u8 = 4;
/// Parts of a body that are looked at.
const PARTS: usize = 32;

/// `message`, whose credentials are hidden already, as it may be written. One pass over each part.
pub(super) fn rewritten(numbers: &Numbers, bodies: Bodies, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 64);
    Writer { numbers, bodies }.message(message, DEPTH, &mut out);
    out
}

struct Writer<'a> {
    numbers: &'a Numbers,
    bodies: Bodies,
}

/// What a body is, as far as it matters here.
#[derive(Clone, PartialEq, Eq)]
enum Kind {
    SessionDescription,
    /// A SIP message or a part of one (RFC 3420).
    Sip,
    /// Parts between lines with this boundary (RFC 2046 section 5.1).
    Parts(Vec<u8>),
    /// Metadata of a recording client (RFC 7865).
    Metadata,
    Other,
}

impl Writer<'_> {
    fn message(&self, message: &[u8], depth: u8, out: &mut Vec<u8>) {
        let start = message.len() - message.trim_ascii_start().len();
        let (blank, message) = message.split_at_checked(start).unwrap_or_default();
        out.extend_from_slice(blank);
        let end = line_end(message, 0);
        let line = message.get(..end).unwrap_or_default();
        // A part of a message may begin with a header field.
        let is_field =
            line.iter().position(|o| b": ".contains(o)).map(|at| line.get(at) == Some(&b':'));
        let at = if is_field == Some(true) {
            0
        } else {
            self.start_line(line, out);
            end
        };
        self.entity(message.get(at..).unwrap_or_default(), depth, out);
    }

    fn start_line(&self, line: &[u8], out: &mut Vec<u8>) {
        if *self.numbers == Numbers::Plain {
            return out.extend_from_slice(line);
        }
        let (line, end) = line.split_at_checked(line.trim_ascii_end().len()).unwrap_or_default();
        head::start_line(self.numbers, line, out);
        out.extend_from_slice(end);
    }

    /// Header fields, an empty line, a body.
    fn entity(&self, entity: &[u8], depth: u8, out: &mut Vec<u8>) {
        let mut at = 0;
        let mut kind = Kind::Other;
        let mut encoded = false;
        while at < entity.len() {
            let end = field_end(entity, at);
            let field = entity.get(at..end).unwrap_or_default();
            at = end;
            if field.trim_ascii().is_empty() {
                out.extend_from_slice(field);
                let body = entity.get(at..).unwrap_or_default();
                let kind = if encoded { Kind::Other } else { kind };
                return self.body(&kind, body, depth, out);
            }
            if let Some(value) = value_of(field, b"content-type", b"c") {
                kind = kind_of(value);
            }
            encoded |= value_of(field, b"content-encoding", b"e")
                .is_some_and(|value| !value.eq_ignore_ascii_case(b"identity"));
            match self.numbers {
                Numbers::Plain => out.extend_from_slice(field),
                Numbers::Masked { .. } | Numbers::Hashed(_) => {
                    head::field(self.numbers, field, out)
                }
            }
        }
    }

    fn body(&self, kind: &Kind, body: &[u8], depth: u8, out: &mut Vec<u8>) {
        let depth = depth.saturating_sub(1);
        match (kind, self.bodies) {
            (_, Bodies::Omitted) => {}
            (Kind::SessionDescription, _) => self.session_description(body, out),
            (Kind::Parts(boundary), _) if depth > 0 => self.parts(boundary, body, depth, out),
            (_, Bodies::SdpWithoutKeys) => {}
            _ if *self.numbers == Numbers::Plain => out.extend_from_slice(body),
            (Kind::Sip, Bodies::Kept) if depth > 0 => self.message(body, depth, out),
            _ => match (kind, std::str::from_utf8(body)) {
                (Kind::Metadata, Ok(xml)) => {
                    out.extend_from_slice(self.numbers.metadata(xml).as_bytes());
                }
                (_, Ok(_)) => text::words(self.numbers, body, WORDS, out),
                (_, Err(_)) => out.extend_from_slice(HIDDEN),
            },
        }
    }

    /// Media lines stay as they are; of the rest (RFC 8866 section 5) what may name a person does not.
    fn session_description(&self, body: &[u8], out: &mut Vec<u8>) {
        let mut at = 0;
        while at < body.len() {
            let end = line_end(body, at);
            let line = body.get(at..end).unwrap_or_default();
            at = end;
            if self.bodies == Bodies::SdpWithoutKeys && has_key(line) {
                continue;
            }
            match line {
                _ if *self.numbers == Numbers::Plain => out.extend_from_slice(line),
                [b'o', b'=', origin @ ..] => {
                    let user = origin.iter().position(|o| *o == b' ').unwrap_or(origin.len());
                    out.extend_from_slice(b"o=");
                    self.numbers.put_user(origin.get(..user).unwrap_or_default(), out);
                    out.extend_from_slice(origin.get(user..).unwrap_or_default());
                }
                [b's' | b'i' | b'u' | b'e' | b'p', b'=', ..] => {
                    text::words(self.numbers, line, WORDS, out);
                }
                // What is no line of a description may be anything.
                [b'a'..=b'z', b'=', ..] => out.extend_from_slice(line),
                _ => text::words(self.numbers, line, HOSTS, out),
            }
        }
    }

    fn parts(&self, boundary: &[u8], body: &[u8], depth: u8, out: &mut Vec<u8>) {
        let mut at = 0;
        for _ in 0..PARTS {
            let (start, next) = delimiter(body, at, boundary);
            let part = body.get(at..start).unwrap_or_default();
            // Nothing is said before the first delimiter.
            if at > 0 {
                self.entity(part, depth, out);
                if !out.ends_with(b"\n") {
                    out.extend_from_slice(b"\r\n");
                }
            }
            let line = body.get(start..next).unwrap_or_default();
            out.extend_from_slice(line);
            // Nor behind the last one.
            if next >= body.len() || line.trim_ascii_end().len() > boundary.len() + 2 {
                return;
            }
            at = next;
        }
    }
}

/// Where the next line with the delimiter begins and ends, from the line at `from` on.
fn delimiter(body: &[u8], from: usize, boundary: &[u8]) -> (usize, usize) {
    let mut at = from;
    while at < body.len() {
        let end = line_end(body, at);
        let line = body.get(at..end).unwrap_or_default();
        let is_delimiter = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary));
        // Nothing else may stand in its line, so nothing else is shown of it.
        if is_delimiter.is_some_and(|rest| matches!(rest.trim_ascii(), b"" | b"--")) {
            return (at, end);
        }
        at = end;
    }
    (body.len(), body.len())
}

fn kind_of(value: &[u8]) -> Kind {
    let ends = |octet: &u8| *octet == b';' || octet.is_ascii_whitespace();
    let end = value.iter().position(ends).unwrap_or(value.len());
    let (media, parameters) = value.split_at_checked(end).unwrap_or_default();
    let media = media.to_ascii_lowercase();
    match media.as_slice() {
        b"application/sdp" => Kind::SessionDescription,
        b"message/sipfrag" | b"message/sip" => Kind::Sip,
        // Some clients still say it as its first drafts did.
        b"application/rs-metadata+xml" | b"application/rs-metadata" => Kind::Metadata,
        media if media.starts_with(b"multipart/") => {
            boundary_of(parameters).map_or(Kind::Other, Kind::Parts)
        }
        _ => Kind::Other,
    }
}

/// 1 to 70 octets (RFC 2046 section 5.1.1).
fn boundary_of(parameters: &[u8]) -> Option<Vec<u8>> {
    const NAME: &[u8] = b"boundary";
    let value = parameters.split(|octet| *octet == b';').find_map(|parameter| {
        let (name, value) = parameter.trim_ascii().split_at_checked(NAME.len())?;
        let value = value.trim_ascii_start().strip_prefix(b"=")?.trim_ascii();
        name.eq_ignore_ascii_case(NAME).then_some(value)
    })?;
    let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
    (1..=70).contains(&value.len()).then(|| value.to_vec())
}

/// The value of a header field with this name, or compact form.
fn value_of<'a>(field: &'a [u8], name: &[u8], compact: &[u8]) -> Option<&'a [u8]> {
    let colon = field.iter().position(|octet| *octet == b':')?;
    let (own, value) = field.split_at_checked(colon)?;
    let own = own.trim_ascii_end();
    let is = own.eq_ignore_ascii_case(name) || own.eq_ignore_ascii_case(compact);
    is.then(|| value.get(1..).unwrap_or_default().trim_ascii())
}

/// Keys of SRTP, and passwords of ICE.
fn has_key(line: &[u8]) -> bool {
    const NAMES: [&[u8]; 4] = [b"k=", b"a=crypto:", b"a=key-mgmt:", b"a=ice-pwd:"];
    NAMES.iter().any(|name| line.get(..name.len()).is_some_and(|l| l.eq_ignore_ascii_case(name)))
}

/// The end of the line that begins at `start`, past its line feed.
fn line_end(text: &[u8], start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    rest.iter().position(|octet| *octet == b'\n').map_or(text.len(), |at| start + at + 1)
}

/// The same of a header field with the lines that it is folded into (RFC 3261 section 7.3.1).
fn field_end(text: &[u8], start: usize) -> usize {
    let mut end = line_end(text, start);
    let is_empty = text.get(start..end).unwrap_or_default().trim_ascii().is_empty();
    while !is_empty && matches!(text.get(end), Some(b' ' | b'\t')) {
        end = line_end(text, end);
    }
    end
}
