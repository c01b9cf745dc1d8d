//! SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966) in what may be none.

use super::numbers::Numbers;
use super::text::{self, ALL, HOSTS, PARAMETERS, WORDS};
use std::net::Ipv4Addr;

/// Schemes that have a user in front of a host.
const WITH_HOST: [&[u8]; 6] = [b"sip:", b"sips:", b"im:", b"pres:", b"mailto:", b"xmpp:"];
/// Schemes of numbers alone.
const NUMBER: [&[u8]; 5] = [b"tel:", b"fax:", b"modem:", b"callto:", b"sms:"];

/// A scheme that can name a person.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    WithHost(usize),
    Number(usize),
}

/// The scheme that `text` begins with, and its octets.
pub(super) fn scheme(text: &[u8]) -> Option<Scheme> {
    let starts = |s: &&&[u8]| text.get(..s.len()).is_some_and(|t| t.eq_ignore_ascii_case(s));
    let with_host = WITH_HOST.iter().find(starts).map(|s| Scheme::WithHost(s.len()));
    with_host.or_else(|| NUMBER.iter().find(starts).map(|s| Scheme::Number(s.len())))
}

/// Writes the whole of `uri`, as it stands between angle brackets or in a request line.
pub(super) fn whole(numbers: &Numbers, uri: &[u8], out: &mut Vec<u8>) {
    let lead = uri.len() - uri.trim_ascii_start().len();
    let (space, rest) = uri.split_at_checked(lead).unwrap_or_default();
    out.extend_from_slice(space);
    match scheme(rest) {
        Some(Scheme::Number(length)) => {
            let (scheme, number) = rest.split_at_checked(length).unwrap_or_default();
            out.extend_from_slice(scheme);
            numbers.put_user(number, out);
        }
        Some(Scheme::WithHost(length)) => {
            let at = user(numbers, rest, length, out);
            tail(numbers, rest.get(at..).unwrap_or_default(), out);
        }
        None if has_scheme(rest) => text::words(numbers, rest, WORDS, out),
        None => text::coarse(rest, ALL, out),
    }
}

/// Writes the URI that stands at the start of `text` without brackets, up to the end of its host;
/// gives its octets.
pub(super) fn bare(numbers: &Numbers, text: &[u8], out: &mut Vec<u8>) -> usize {
    let ends = |octet: &u8| octet.is_ascii_whitespace() || b",\"<>".contains(octet);
    let end = text.iter().position(ends).unwrap_or(text.len());
    let uri = text.get(..end).unwrap_or_default();
    match scheme(uri) {
        Some(Scheme::Number(length)) => {
            // Parameters belong to the header then (RFC 3261 section 20.10).
            let end = position(uri, b";?").unwrap_or(uri.len());
            out.extend_from_slice(uri.get(..length).unwrap_or_default());
            numbers.put_user(uri.get(length..end).unwrap_or_default(), out);
            end
        }
        Some(Scheme::WithHost(length)) => {
            let at = user(numbers, uri, length, out);
            let rest = uri.get(at..).unwrap_or_default();
            let host = position(rest, b";?").unwrap_or(rest.len());
            text::coarse(rest.get(..host).unwrap_or_default(), HOSTS, out);
            at + host
        }
        None => 0,
    }
}

/// Writes the scheme and the user, with its `@`; gives their octets. Without an `@` what is no host is
/// taken for a user.
fn user(numbers: &Numbers, uri: &[u8], scheme: usize, out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(uri.get(..scheme).unwrap_or_default());
    let rest = uri.get(scheme..).unwrap_or_default();
    if let Some(at) = end_of_user(rest) {
        let user = rest.get(..at).unwrap_or_default();
        // Parameters of a number may stand in the user part, a password behind a colon.
        numbers.put_user(user, out);
        out.push(b'@');
        return scheme + at + 1;
    }
    let end = position(rest, b";?").unwrap_or(rest.len());
    let host = rest.get(..end).unwrap_or_default();
    if is_number(host) {
        numbers.put_user(host, out);
        return scheme + end;
    }
    scheme
}

/// Where the `@` of the user is. An `@` may stand nowhere else; where one does, all before it is user.
fn end_of_user(rest: &[u8]) -> Option<usize> {
    let mut at = rest.iter().position(|octet| *octet == b'@')?;
    loop {
        let behind = rest.get(at + 1..).unwrap_or_default();
        let host = position(behind, b";?").unwrap_or(behind.len());
        let next = behind.get(..host).unwrap_or_default().iter().position(|octet| *octet == b'@');
        match next {
            Some(next) => at += 1 + next,
            None => return Some(at),
        }
    }
}

/// A number where a host should be; addresses are none.
fn is_number(host: &[u8]) -> bool {
    let address = host.split(|octet| *octet == b':').next().unwrap_or_default();
    let is_address =
        std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv4Addr>().is_ok());
    !is_address
        && text::units(host).all(|u| u.octet.is_ascii_digit() || b"+-.()*#".contains(&u.octet))
}

/// Host, parameters and headers.
fn tail(numbers: &Numbers, tail: &[u8], out: &mut Vec<u8>) {
    let parameters = position(tail, b";?").unwrap_or(tail.len());
    let (host, rest) = tail.split_at_checked(parameters).unwrap_or_default();
    text::coarse(host, HOSTS, out);
    let headers = position(rest, b"?").unwrap_or(rest.len());
    let (parameters, headers) = rest.split_at_checked(headers).unwrap_or_default();
    text::coarse(parameters, PARAMETERS, out);
    text::words(numbers, headers, WORDS, out);
}

/// Another scheme than those that name people.
fn has_scheme(uri: &[u8]) -> bool {
    let letters = uri.iter().take_while(|octet| octet.is_ascii_alphabetic()).count();
    letters > 0 && uri.get(letters) == Some(&b':')
}

fn position(text: &[u8], of: &[u8]) -> Option<usize> {
    text.iter().position(|octet| of.contains(octet))
}
