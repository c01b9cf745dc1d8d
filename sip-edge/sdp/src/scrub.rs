//! What of one network's description may be told to the other network.

use crate::audio::{packet_duration, rtcp_host};
use crate::direction::Direction;
use sdp_types::{Attribute, Bandwidth, Session};
use std::net::IpAddr;

/// The names by which a description calls its own hosts: nothing that repeats one is passed on.
pub(crate) struct InnerHosts(Vec<String>);

/// Host names that are remembered of one description; a real one has one or two. Literal addresses
/// are recognised without being remembered.
const MAX_HOSTS: usize = 32;

impl InnerHosts {
    pub(crate) fn of(description: &Session) -> Self {
        let connections = description
            .connection
            .iter()
            .chain(description.medias.iter().flat_map(|m| m.connections.iter()));
        let rtcp = description
            .medias
            .iter()
            .flat_map(|m| &m.attributes)
            .filter(|a| a.attribute.trim().eq_ignore_ascii_case("rtcp"))
            .filter_map(|a| rtcp_host(a.value.as_deref()?));
        let hosts = std::iter::once(description.origin.unicast_address.as_str())
            .chain(connections.map(|c| c.connection_address.as_str()))
            .chain(rtcp)
            .filter(|host| host.len() > 2 && host.parse::<IpAddr>().is_err());
        let mut names: Vec<String> = Vec::new();
        for host in hosts {
            let name = host.to_ascii_lowercase();
            if names.len() < MAX_HOSTS && !names.contains(&name) {
                names.push(name);
            }
        }
        InnerHosts(names)
    }

    /// Whether `text` holds an address literal or one of the names.
    fn revealed_by(&self, text: &str) -> bool {
        if self.0.is_empty() && !may_hold_address(text, 0) {
            return false;
        }
        if has_ipv4_literal(text) || has_ipv6_literal(text) {
            return true;
        }
        if self.0.is_empty() {
            return false;
        }
        let text = text.to_ascii_lowercase();
        self.0.iter().any(|name| has_word(&text, name))
    }

    /// The attributes of `attributes` that may be passed on, in their order. Directions, `rtcp`
    /// and `rtcp-mux` are among those left out: they are written anew.
    pub(crate) fn passable<'a>(&self, attributes: &'a [Attribute]) -> Vec<&'a Attribute> {
        let mut passable = Vec::with_capacity(attributes.len());
        passable.extend(attributes.iter().filter(|a| self.may_pass(a)));
        passable
    }

    /// The bandwidths that may be passed on.
    pub(crate) fn passable_bandwidths<'a>(
        &self,
        bandwidths: &'a [Bandwidth],
    ) -> Vec<&'a Bandwidth> {
        bandwidths.iter().filter(|b| !self.revealed_by(&b.bwtype)).collect()
    }

    fn may_pass(&self, attribute: &Attribute) -> bool {
        let name = attribute.attribute.trim();
        let value = attribute.value.as_deref();
        let is = |other: &&str| name.eq_ignore_ascii_case(other);
        if is_not_passed(name) || Direction::from_attribute(name).is_some() {
            return false;
        }
        // A key is a key under any name: RFC 3407 wraps whole lines, vendors have their own.
        if value.is_some_and(holds_key) {
            return false;
        }
        if ["ptime", "maxptime"].iter().any(is) {
            return value.is_some_and(|v| packet_duration(v).is_some());
        }
        // As one text: an IPv6 address that stands alone is cut at its first colon.
        !match value {
            Some(value) => {
                let plain =
                    self.0.is_empty() && !may_hold_address(name, 0) && !may_hold_address(value, 1);
                !plain && self.revealed_by(&format!("{name}:{value}"))
            }
            None => self.revealed_by(name),
        }
    }
}

/// Attributes that describe the sender's transport, keys or software rather than the audio. What
/// of them is ours to say is written anew.
const NOT_PASSED: [&str; 44] = [
    // Addresses and connectivity: RFC 3605, 5761, 8445, 8838, 8859, 6947, 4570, 4145.
    "rtcp",
    "rtcp-mux",
    "rtcp-mux-only",
    "candidate",
    "remote-candidates",
    "end-of-candidates",
    "ice-ufrag",
    "ice-pwd",
    "ice-lite",
    "ice-options",
    "ice-mismatch",
    "ice-pacing",
    "altc",
    "source-filter",
    "connection",
    "direction",
    "alt",
    "nortpproxy",
    "path",
    // Keys, which would promise a protection that plain RTP does not give: RFC 4568, 4567, 8122.
    "crypto",
    "cryptoscale",
    "3ge2ae",
    "key-mgmt",
    "fingerprint",
    "setup",
    "tls-id",
    "dtls-id",
    "identity",
    "encryption",
    // Sources and their canonical names: RFC 5576, 8830. Each is `user@host` in many devices.
    "ssrc",
    "ssrc-group",
    "msid",
    "msid-semantic",
    "cname",
    // Groups name streams that are declined (RFC 5888, 9143), alternatives name transports that
    // are (RFC 5939).
    "group",
    "bundle-only",
    "tcap",
    "acap",
    "pcfg",
    "acfg",
    "csup",
    "creq",
    // The inner software's name.
    "tool",
    "x-tool",
];

fn is_not_passed(name: &str) -> bool {
    let length = 1_u32.checked_shl(name.len() as u32).unwrap_or_default();
    let first = name.bytes().next().map_or(0, |letter| usize::from(letter & 31));
    LENGTHS[first] & length != 0 && NOT_PASSED.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// How long the names are that begin with a letter, as bits: nearly every name that passes differs
/// from all of [`NOT_PASSED`] in this. The index is the letter's lowest five bits, which do not
/// depend on its case.
static LENGTHS: [u32; 32] = {
    let mut lengths = [0; 32];
    let mut at = 0;
    while at < NOT_PASSED.len() {
        let name = NOT_PASSED[at].as_bytes();
        lengths[(name[0] & 31) as usize] |= 1 << name.len();
        at += 1;
    }
    lengths
};

/// Whether `text` holds key material as RFC 4568 section 6.1 writes it.
fn holds_key(text: &str) -> bool {
    const METHOD: &[u8] = b"inline:";
    text.len() > METHOD.len()
        && text.as_bytes().windows(METHOD.len()).any(|part| part.eq_ignore_ascii_case(METHOD))
}

/// Whether `host` stands in `text` by itself, not as a part of a longer word.
fn has_word(text: &str, host: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(host).any(|(at, _)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + host.len()..).and_then(|t| t.chars().next());
        !before.is_some_and(in_word) && !after.is_some_and(in_word)
    })
}

/// Whether `text`, with as many further colons, has the dots or colons of an address literal: a
/// quick look that spares nearly every attribute the closer ones.
fn may_hold_address(text: &str, further_colons: usize) -> bool {
    let count = |wanted: u8| text.bytes().filter(|&byte| byte == wanted).count();
    count(b'.') >= 3 || count(b':') + further_colons >= 2
}

/// Four numbers up to 255 with dots between them, anywhere in `text`.
fn has_ipv4_literal(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').any(|run| {
        let mut consecutive = 0;
        run.split('.').any(|part| {
            let is_octet = !part.is_empty() && part.len() <= 3 && part.parse::<u8>().is_ok();
            consecutive = if is_octet { consecutive + 1 } else { 0 };
            consecutive == 4
        })
    })
}

/// Hexadecimal groups with `::` or at least seven colons between them, anywhere in `text`.
fn has_ipv6_literal(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_hexdigit() && c != ':').any(|run| {
        let colons = run.bytes().filter(|&byte| byte == b':').count();
        colons < run.len() && (run.contains("::") || colons >= 7)
    })
}

#[cfg(test)]
mod tests;
