//! Finding the servers of a domain: RFC 3263 section 4, pure.
//!
//! [`Locate`] says which DNS question is to be asked next, takes the answers as plain records, and
//! ends with an ordered list of [`Target`]s or a [`LocateFailure`]. It asks in at most three
//! rounds (NAPTR, SRV, addresses), each name and type once, so no chain of records can keep it
//! busy. A CNAME is followed by whoever answers the questions.
//!
//! Bounds, and what happens beyond them: of the NAPTR records the first [`MAX_SERVICES`] in the
//! domain's order count; of each SRV answer the first [`MAX_SERVERS`] in the order of RFC 2782; of
//! all servers the first [`MAX_HOSTS`] are asked for addresses; of each name the first
//! [`MAX_ADDRESSES`] of a family count; and the first [`MAX_TARGETS`] targets are given. What comes
//! later in the order is left out, never what comes first.

mod machine;
mod srv;

pub use machine::Locate;

use model::{Instant, IpFamily, TransportProtocol};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Services of a domain (NAPTR) that are followed.
pub const MAX_SERVICES: usize = 8;
/// Servers of one service (SRV) that count.
pub const MAX_SERVERS: usize = 16;
/// Server names that are asked for addresses.
pub const MAX_HOSTS: usize = 8;
/// Addresses of one family that count of one name.
pub const MAX_ADDRESSES: usize = 8;
/// Targets in a result.
pub const MAX_TARGETS: usize = 16;
/// The longest domain name (RFC 1035 section 2.3.4), less its root.
const MAX_NAME_CHARS: usize = 253;

/// Whose servers are wanted.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Wanted {
    /// The host of a URI: an address (IPv6 with or without brackets) or a domain name.
    pub host: Arc<str>,
    /// The port, where the URI has one.
    pub port: Option<u16>,
    /// The transport, where the URI or the configuration names one.
    pub transport: Option<TransportProtocol>,
    /// `sips`: nothing but TLS will do.
    pub secure: bool,
}

/// The transports that we can send over, most preferred first, and the address families of each.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Abilities {
    pairs: Vec<(TransportProtocol, IpFamily)>,
}

impl Abilities {
    /// What our listeners can do. Transports are preferred in the order in which they come.
    pub fn new(pairs: impl IntoIterator<Item = (TransportProtocol, IpFamily)>) -> Self {
        let mut abilities = Abilities::default();
        for pair in pairs {
            if !abilities.pairs.contains(&pair) {
                abilities.pairs.push(pair);
            }
        }
        abilities
    }

    /// Whether a target of this transport and family can be reached.
    pub fn reach(&self, transport: TransportProtocol, family: IpFamily) -> bool {
        self.pairs.contains(&(transport, family))
    }

    fn has(&self, transport: TransportProtocol) -> bool {
        self.pairs.iter().any(|(own, _)| *own == transport)
    }

    fn transports(&self) -> Vec<TransportProtocol> {
        let mut found = Vec::new();
        for (transport, _) in &self.pairs {
            if !found.contains(transport) {
                found.push(*transport);
            }
        }
        found
    }
}

/// One question to the DNS.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Question {
    /// The domain name, in lower case, without a trailing dot.
    pub name: Arc<str>,
    /// What is asked about it.
    pub kind: RecordKind,
}

/// The types of record that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RecordKind {
    /// Services of a domain (RFC 3403).
    Naptr,
    /// Servers of a service (RFC 2782).
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// One record of an answer. Names are as they came, without a trailing dot; `.` is the root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// A service of a domain.
    Naptr(Naptr),
    /// A server of a service.
    Srv(Srv),
    /// An address of a name.
    Address(IpAddr),
}

/// A NAPTR record (RFC 3403 section 4.1) without its regular expression, which RFC 3263 does not
/// use: a record that has one is left out by whoever reads the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Naptr {
    /// The lowest comes first.
    pub order: u16,
    /// The lowest comes first among those of one order.
    pub preference: u16,
    /// `s` for an SRV record.
    pub flags: Box<str>,
    /// Such as `SIP+D2U`.
    pub service: Box<str>,
    /// Where to ask next.
    pub replacement: Arc<str>,
}

/// An SRV record (RFC 2782).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Srv {
    /// The lowest comes first.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
    /// The port there.
    pub port: u16,
    /// The server; `.` says that the domain decidedly lacks this service.
    pub target: Arc<str>,
}

/// What the DNS said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// These records, good until then; none of them when the name has none of this type.
    Records(Arc<[Record]>, Instant),
    /// Nobody answered, or only with an error: nothing is known.
    Failed,
}

/// Where a request may be sent.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Target {
    /// The address and port.
    pub address: SocketAddr,
    /// The transport.
    pub transport: TransportProtocol,
    /// For TLS to a named host: the domain that was asked for in the first place, which the peer's
    /// certificate must show (RFC 3263 section 4.1, RFC 5922 section 4), whatever names the DNS
    /// put between it and the address.
    pub tls_name: Option<Arc<str>>,
    /// When the first of the records that led here grows stale; `None` for an address that was
    /// given as one.
    pub until: Option<Instant>,
}

impl Target {
    /// An address that needs no DNS.
    pub const fn literal(address: SocketAddr, transport: TransportProtocol) -> Self {
        Target { address, transport, tls_name: None, until: None }
    }
}

/// Why there is no target.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LocateFailure {
    /// The host is neither an address nor a domain name.
    NotAHost,
    /// We do not listen on the transport that is asked for, or `sips` was combined with UDP.
    NoTransport,
    /// The domain says that it has no SIP service of a transport of ours (an SRV target of `.`).
    Declined,
    /// There is no address, or none of a family that we have.
    NoAddress,
    /// The DNS did not answer.
    Unanswered,
}

impl fmt::Display for LocateFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LocateFailure::NotAHost => "neither an address nor a domain name",
            LocateFailure::NoTransport => {
                "no listener for that transport; add one to [sip], or change the transport"
            }
            LocateFailure::Declined => "the domain says that it has no SIP service there",
            LocateFailure::NoAddress => "no address of a family that [sip] listens on",
            LocateFailure::Unanswered => {
                "the DNS did not answer; look at /etc/resolv.conf or [sip] dns_servers"
            }
        })
    }
}

impl std::error::Error for LocateFailure {}

/// Whether `text` can be asked about: labels of 1 to 63 letters, digits, hyphens and underscores.
pub fn is_domain_name(text: &str) -> bool {
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    text.len() <= MAX_NAME_CHARS && text.split('.').all(label_ok)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
