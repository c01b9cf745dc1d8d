//! Hosts: names, IPv4 addresses, IPv6 references (RFC 3261 section 25.1, RFC 5118).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::malformed::Malformed;
use super::scan::part;

/// The host of a URI or of a Via.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Host<'a> {
    /// A domain name, as sent.
    Name(&'a str),
    /// An address; an IPv6 one without its brackets.
    Ip(IpAddr),
}

impl Host<'_> {
    /// The address, when the host is one.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::Name(_) => None,
            Host::Ip(address) => Some(*address),
        }
    }

    /// Whether two hosts are the same: names in any case, addresses by value.
    pub fn same_as(&self, other: &Host<'_>) -> bool {
        match (self, other) {
            (Host::Name(one), Host::Name(two)) => one.eq_ignore_ascii_case(two),
            (Host::Ip(one), Host::Ip(two)) => one == two,
            _ => false,
        }
    }
}

impl fmt::Display for Host<'_> {
    /// As it stands in a URI: an IPv6 address in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V4(address)) => address.fmt(f),
            Host::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Reads a host at the start of `text`; returns it and the offset past it.
pub(crate) fn leading_host(text: &str) -> Result<(Host<'_>, usize), Malformed> {
    let bytes = text.as_bytes();
    if bytes.first() == Some(&b'[') {
        let close = memchr::memchr(b']', bytes).ok_or(Malformed::new(
            "host",
            "the IPv6 reference has no ']'",
            0,
        ))?;
        let address = reference(part(text, 1, close)).ok_or(Malformed::new(
            "host",
            "not an IPv6 address",
            1,
        ))?;
        return Ok((Host::Ip(IpAddr::V6(address)), close + 1));
    }
    let end = bytes.iter().take_while(|byte| HOST[usize::from(**byte)]).count();
    if end == 0 {
        return Err(Malformed::new("host", "the host is empty", 0));
    }
    let name = part(text, 0, end);
    // Only a name whose first and last bytes are digits can be an IPv4 address.
    let numeric = bytes[0].is_ascii_digit() && bytes[end - 1].is_ascii_digit();
    match numeric.then(|| name.parse::<Ipv4Addr>()) {
        Some(Ok(address)) => Ok((Host::Ip(IpAddr::V4(address)), end)),
        _ => Ok((Host::Name(name), end)),
    }
}

/// Reads `:port` digits.
pub(crate) fn port(text: &str) -> Result<u16, Malformed> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match digits.then(|| text.parse::<u16>()) {
        Some(Ok(port)) => Ok(port),
        _ => Err(Malformed::new("port", "not a number from 0 to 65535", 0)),
    }
}

/// What stands between the brackets. RFC 5118 section 4.10: RFC 3261's grammar let `:::` stand
/// before an embedded IPv4 address, and that must be tolerated.
fn reference(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (before, embedded) = text.split_once(":::")?;
    embedded.parse::<Ipv4Addr>().ok()?;
    format!("{before}::{embedded}").parse().ok()
}

/// An address with or without brackets, as `received` carries it (RFC 5118 section 4.5).
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').and_then(reference).map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

/// Letters, digits, hyphen and dot; the underscore, which no domain may hold, occurs in the wild.
static HOST: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        byte += 1;
    }
    table
};
