//! The start line and the header fields of a SIP message.

use super::numbers::Numbers;
use super::text::{self, ALL, HIDDEN, PARAMETERS, PRODUCTS, WORDS};
use super::uri;

/// What the value of a header field is made of, as far as people are in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// Nobody: counters, tags, names of functions, Call-IDs.
    Protocol,
    /// Addresses with names (RFC 3261 section 20.10).
    Addresses,
    /// What proves who the user is; secrets are hidden already.
    Credentials,
    /// Why something failed.
    Reason,
    /// A product.
    Product,
    /// A signed token that holds numbers (RFC 8224); nothing is left of it.
    Token,
    /// All others, known or not.
    Text,
}

/// By their names in small letters, compact forms too. What is missing is [`Value::Text`].
const VALUES: &[(&str, Value)] = &[
    ("from", Value::Addresses),
    ("f", Value::Addresses),
    ("to", Value::Addresses),
    ("t", Value::Addresses),
    ("contact", Value::Addresses),
    ("m", Value::Addresses),
    ("p-asserted-identity", Value::Addresses),
    ("p-preferred-identity", Value::Addresses),
    ("p-called-party-id", Value::Addresses),
    ("p-associated-uri", Value::Addresses),
    ("remote-party-id", Value::Addresses),
    ("diversion", Value::Addresses),
    ("history-info", Value::Addresses),
    ("refer-to", Value::Addresses),
    ("r", Value::Addresses),
    ("referred-by", Value::Addresses),
    ("b", Value::Addresses),
    ("reply-to", Value::Addresses),
    ("route", Value::Addresses),
    ("record-route", Value::Addresses),
    ("path", Value::Addresses),
    ("service-route", Value::Addresses),
    ("authorization", Value::Credentials),
    ("proxy-authorization", Value::Credentials),
    ("reason", Value::Reason),
    ("warning", Value::Reason),
    ("user-agent", Value::Product),
    ("server", Value::Product),
    ("identity", Value::Token),
    ("y", Value::Token),
    ("via", Value::Protocol),
    ("v", Value::Protocol),
    ("call-id", Value::Protocol),
    ("i", Value::Protocol),
    ("cseq", Value::Protocol),
    ("max-forwards", Value::Protocol),
    ("content-length", Value::Protocol),
    ("l", Value::Protocol),
    ("content-type", Value::Protocol),
    ("c", Value::Protocol),
    ("content-encoding", Value::Protocol),
    ("e", Value::Protocol),
    ("content-disposition", Value::Protocol),
    ("mime-version", Value::Protocol),
    ("expires", Value::Protocol),
    ("min-expires", Value::Protocol),
    ("session-expires", Value::Protocol),
    ("x", Value::Protocol),
    ("min-se", Value::Protocol),
    ("rseq", Value::Protocol),
    ("rack", Value::Protocol),
    ("timestamp", Value::Protocol),
    ("retry-after", Value::Protocol),
    ("date", Value::Protocol),
    ("allow", Value::Protocol),
    ("supported", Value::Protocol),
    ("k", Value::Protocol),
    ("require", Value::Protocol),
    ("proxy-require", Value::Protocol),
    ("unsupported", Value::Protocol),
    ("accept", Value::Protocol),
    ("accept-encoding", Value::Protocol),
    ("accept-language", Value::Protocol),
    ("event", Value::Protocol),
    ("o", Value::Protocol),
    ("allow-events", Value::Protocol),
    ("u", Value::Protocol),
    ("subscription-state", Value::Protocol),
    ("replaces", Value::Protocol),
    ("join", Value::Protocol),
    ("in-reply-to", Value::Protocol),
    ("session-id", Value::Protocol),
    ("www-authenticate", Value::Protocol),
    ("proxy-authenticate", Value::Protocol),
    ("authentication-info", Value::Protocol),
    ("proxy-authentication-info", Value::Protocol),
    ("privacy", Value::Protocol),
];

/// Parameters of an address whose value is the protocol's: a dialog is told by its tags.
const PROTOCOL_PARAMETERS: [&str; 7] = ["tag", "expires", "q", "index", "rc", "mp", "np"];

/// The longest name in [`VALUES`].
const LONGEST_NAME: usize = 32;

/// Writes a start line (RFC 3261 section 7).
pub(super) fn start_line(numbers: &Numbers, line: &[u8], out: &mut Vec<u8>) {
    let space = |text: &[u8]| text.iter().position(|octet| *octet == b' ');
    let Some(first) = space(line) else { return text::words(numbers, line, WORDS, out) };
    let (word, rest) = line.split_at_checked(first + 1).unwrap_or_default();
    if is_version(word) {
        // Version and status stand in front of the reason phrase.
        let status = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
        let kept = if status == 3 { first + 1 + status } else { first + 1 };
        out.extend_from_slice(line.get(..kept).unwrap_or_default());
        return text::words(numbers, line.get(kept..).unwrap_or_default(), WORDS, out);
    }
    text::coarse(word, WORDS, out);
    let last = rest.iter().rposition(|octet| *octet == b' ');
    let version = last.filter(|at| rest.get(at + 1..).is_some_and(is_version));
    let (target, version) =
        rest.split_at_checked(version.unwrap_or(rest.len())).unwrap_or_default();
    uri::whole(numbers, target, out);
    out.extend_from_slice(version);
}

/// `SIP/` with a short version behind it.
fn is_version(word: &[u8]) -> bool {
    let word = word.trim_ascii_end();
    word.len() <= 9 && word.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"))
}

/// Writes a header field, folded lines and line end included.
pub(super) fn field(numbers: &Numbers, field: &[u8], out: &mut Vec<u8>) {
    let Some(colon) = field.iter().position(|octet| *octet == b':') else {
        return text::words(numbers, field, WORDS, out);
    };
    let (name, value) = field.split_at_checked(colon + 1).unwrap_or_default();
    let kind = value_of(name.get(..colon).unwrap_or_default().trim_ascii());
    if kind != Value::Text {
        out.extend_from_slice(name);
    } else {
        // A line that is no header field may have anything in front of a colon.
        text::coarse(name, WORDS, out);
    }
    let (value, end) = value.split_at_checked(value.trim_ascii_end().len()).unwrap_or_default();
    if kind == Value::Token {
        out.push(b' ');
    }
    value_as(numbers, kind, value, out);
    out.extend_from_slice(end);
}

/// Writes the value of the header field `name`.
pub(super) fn value(numbers: &Numbers, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    value_as(numbers, value_of(name), value, out);
}

fn value_as(numbers: &Numbers, kind: Value, value: &[u8], out: &mut Vec<u8>) {
    match kind {
        Value::Protocol => out.extend_from_slice(value),
        Value::Addresses => addresses(numbers, value, out),
        Value::Credentials => credentials(numbers, value, out),
        Value::Reason => text::reason(numbers, value, out),
        Value::Product => text::words(numbers, value, PRODUCTS, out),
        Value::Token => out.extend_from_slice(HIDDEN),
        Value::Text => text::words(numbers, value, WORDS, out),
    }
}

fn value_of(name: &[u8]) -> Value {
    if name.len() > LONGEST_NAME {
        return Value::Text;
    }
    let known = VALUES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
    known.map_or(Value::Text, |(_, value)| *value)
}

/// Writes a list of addresses, with or without brackets. What is no address is hidden to its last
/// digit.
fn addresses(numbers: &Numbers, value: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    let mut in_parameters = false;
    while let Some(first) = value.get(at).copied() {
        let rest = value.get(at..).unwrap_or_default();
        at += match first {
            b',' => {
                in_parameters = false;
                out.push(b',');
                1
            }
            b';' => {
                in_parameters = true;
                parameter(numbers, rest, out)
            }
            b'<' => {
                let end = rest.iter().position(|octet| *octet == b'>').unwrap_or(rest.len());
                out.push(b'<');
                uri::whole(numbers, rest.get(1..end).unwrap_or_default(), out);
                end.max(1)
            }
            b'>' => {
                out.push(b'>');
                1
            }
            b'"' => {
                out.extend_from_slice(b"\"***\"");
                quoted_length(rest)
            }
            _ if first.is_ascii_whitespace() => {
                out.push(first);
                1
            }
            _ if in_parameters => {
                let end = ending(rest, b",;<\"");
                text::coarse(rest.get(..end).unwrap_or_default(), PARAMETERS, out);
                end
            }
            _ => word(numbers, rest, out),
        };
    }
}

/// Writes an address without brackets, or a name in front of one with brackets; gives its octets.
fn word(numbers: &Numbers, text: &[u8], out: &mut Vec<u8>) -> usize {
    if uri::scheme(text).is_some() {
        let length = uri::bare(numbers, text, out);
        if length > 0 {
            return length;
        }
    }
    let end = ending(text, b",;<\"");
    let word = text.get(..end).unwrap_or_default();
    match text.get(end) {
        Some(b'<') => {
            out.extend_from_slice(HIDDEN);
            let space = word.len() - word.trim_ascii_end().len();
            out.extend_from_slice(word.get(word.len() - space..).unwrap_or_default());
        }
        _ => text::words(numbers, word, ALL, out),
    }
    end
}

/// Writes `;name=value` of an address; gives its octets.
fn parameter(numbers: &Numbers, text: &[u8], out: &mut Vec<u8>) -> usize {
    let rest = text.get(1..).unwrap_or_default();
    let length = 1 + parameter_length(rest);
    let whole = text.get(..length).unwrap_or_default();
    let equals = whole.iter().position(|octet| *octet == b'=');
    let name = whole.get(1..equals.unwrap_or(length)).unwrap_or_default().trim_ascii();
    let value = equals.and_then(|at| whole.get(at + 1..)).unwrap_or_default();
    let is_token = |octet: &u8| octet.is_ascii_graphic() && !b"<>\"@:%".contains(octet);
    let is_protocol =
        PROTOCOL_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    if is_protocol && value.trim_ascii().iter().all(is_token) {
        out.extend_from_slice(whole);
    } else {
        text::words(numbers, whole, WORDS, out);
    }
    length
}

/// Octets up to the `;` or `,` that ends a parameter; none within quotes does.
fn parameter_length(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(octet) = text.get(at) {
        match octet {
            b';' | b',' => break,
            b'"' => at += quoted_length(text.get(at..).unwrap_or_default()),
            _ => at += 1,
        }
    }
    at
}

/// Octets of the quoted text that `text` begins with; all of it when its end is missing.
fn quoted_length(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, octet) in text.iter().enumerate().skip(1) {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn ending(text: &[u8], of: &[u8]) -> usize {
    text.iter().position(|octet| of.contains(octet)).unwrap_or(text.len()).max(1)
}

/// Writes digest credentials (RFC 7616 section 3.4): the user and the URI may be numbers.
fn credentials(numbers: &Numbers, value: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < value.len() {
        let rest = value.get(at..).unwrap_or_default();
        let length = parameter_length(rest);
        let part = rest.get(..length).unwrap_or_default();
        credential(numbers, part, out);
        out.extend(rest.get(length));
        at += length + 1;
    }
}

fn credential(numbers: &Numbers, part: &[u8], out: &mut Vec<u8>) {
    const PLAIN: [&[u8]; 6] = [b"realm", b"nonce", b"nc", b"qop", b"algorithm", b"opaque"];
    let Some(equals) = part.iter().position(|octet| *octet == b'=') else {
        return text::words(numbers, part, WORDS, out);
    };
    let (name, value) = part.split_at_checked(equals + 1).unwrap_or_default();
    // The first one stands behind the scheme.
    let last = name.get(..equals).unwrap_or_default().trim_ascii();
    let last = last.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
    let is = |known: &[u8]| last.eq_ignore_ascii_case(known);
    if PLAIN.iter().any(|known| is(known)) {
        return out.extend_from_slice(part);
    }
    out.extend_from_slice(name);
    let spaces = value.len() - value.trim_ascii_start().len();
    let quote = usize::from(value.get(spaces) == Some(&b'"'));
    let (lead, inner) = value.split_at_checked(spaces + quote).unwrap_or_default();
    out.extend_from_slice(lead);
    let end = match quote {
        0 => inner.trim_ascii_end().len(),
        _ => inner.iter().rposition(|octet| *octet == b'"').unwrap_or(inner.len()),
    };
    let (inner, tail) = inner.split_at_checked(end).unwrap_or_default();
    if is(b"username") {
        // With or without a domain behind it.
        let at = inner.iter().position(|octet| *octet == b'@').unwrap_or(inner.len());
        numbers.put_user(inner.get(..at).unwrap_or_default(), out);
        text::coarse(inner.get(at..).unwrap_or_default(), PARAMETERS, out);
    } else if is(b"uri") {
        uri::whole(numbers, inner, out);
    } else {
        text::words(numbers, inner, WORDS, out);
    }
    out.extend_from_slice(tail);
}
