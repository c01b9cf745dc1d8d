//! Routes: where to send a call, in which order.

use crate::carrier::{Carrier, Srtp};
use crate::target::Target;
use crate::tls::TlsPolicy;
use crate::voice_connector::VoiceConnector;
use model::TransportProtocol;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// Final codes that end a hunt unless configured: the ones that say something about the called
/// user or number (RFC 3261 section 21, RFC 8197, RFC 8599, RFC 8688), which another route would
/// only say again. Anything else, and every 5xx, lets the next route try.
pub const DEFAULT_HUNT_FINAL_CODES: [u16; 12] =
    [404, 410, 484, 485, 486, 487, 600, 603, 604, 606, 607, 608];

/// Where a peer is: an address, or a name to be resolved (RFC 3263).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Host {
    /// A literal address.
    Ip(IpAddr),
    /// A domain name, in lower case, without a trailing dot.
    Name(Arc<str>),
}

impl Host {
    /// Reads an address (IPv6 with or without brackets) or a domain name.
    ///
    /// # Errors
    /// [`InvalidHost`] when the text is neither.
    pub fn parse(text: &str) -> Result<Host, InvalidHost> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return inner
                .parse::<Ipv6Addr>()
                .map(|ip| Host::Ip(ip.into()))
                .map_err(|_| InvalidHost);
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Host::Ip(ip));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if is_domain_name(name) {
            Ok(Host::Name(name.to_ascii_lowercase().into()))
        } else {
            Err(InvalidHost)
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

/// The text is neither an IP address nor a domain name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidHost;

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a host: write an IP address such as 192.0.2.1 or a name such as sip.example.com",
        )
    }
}

impl std::error::Error for InvalidHost {}

/// One attempt of a hunt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// What health and limits know it by.
    pub target: Arc<Target>,
    /// The carrier, for outbound calls.
    pub carrier: Option<Arc<Carrier>>,
    /// The voice connector whose customer is called, for inbound calls.
    pub voice_connector: Option<Arc<VoiceConnector>>,
    /// Where to.
    pub host: Host,
    /// The same as in [`crate::OriginationRoute::registered`].
    pub registered: bool,
    /// The port there; `None` means the same as in [`Carrier::port`].
    pub port: Option<u16>,
    /// Over what.
    pub protocol: TransportProtocol,
    /// How to connect, over TLS.
    pub tls: Arc<TlsPolicy>,
    /// The same as in [`Carrier::choose_transport`].
    pub choose_transport: bool,
    /// The same as in [`Carrier::udp_only`].
    pub udp_only: bool,
    /// Whether the media there is encrypted.
    pub srtp: Srtp,
    /// How long to wait for any response before the next route is tried; four times that once
    /// a 100 has come.
    pub timeout: Duration,
    /// How long the far end may ring before the attempt is given up.
    pub no_answer_timeout: Duration,
    /// Final codes after which no further route is tried: the carrier's for an outbound call, the
    /// voice connector's for an inbound one.
    pub hunt_final_codes: Arc<[u16]>,
}

impl Route {
    /// Whether a final `status` from this route ends the hunt.
    pub fn ends_hunt(&self, status: u16) -> bool {
        self.hunt_final_codes.contains(&status)
    }
}

/// RFC 1123 section 2.1, and letters, digits, hyphens and (seen in private zones) underscores. The
/// last label has a letter, so that a broken address is not taken for a name.
pub(crate) fn is_domain_name(text: &str) -> bool {
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253
        && text.split('.').all(label_ok)
        && text.rsplit('.').next().is_some_and(|l| l.bytes().any(|b| b.is_ascii_alphabetic()))
}

/// One candidate of a hunt: what the order depends on, and which it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) priority: u8,
    pub(crate) weight: u8,
    pub(crate) index: usize,
}

/// Puts candidates that are sorted by priority into the order of one hunt: within a priority, each
/// next one is drawn from those left, in proportion to weight (as RFC 2782 does for SRV).
pub(crate) fn draw_order(candidates: &mut [Candidate], draw: &mut dyn FnMut() -> u64) {
    for group in candidates.chunk_by_mut(|a, b| a.priority == b.priority) {
        let mut rest = group;
        while rest.len() > 1 {
            let total: u64 = rest.iter().map(|c| u64::from(c.weight)).sum();
            let point = scale(draw(), total);
            rest.swap(0, position_of(rest, point));
            rest = &mut rest[1..];
        }
    }
}

/// Maps 64 random bits evenly onto `0..total`.
fn scale(bits: u64, total: u64) -> u64 {
    ((u128::from(bits) * u128::from(total)) >> 64) as u64
}

/// The candidate whose share of the summed weights holds `point`.
fn position_of(candidates: &[Candidate], point: u64) -> usize {
    let mut below = 0;
    candidates
        .iter()
        .position(|candidate| {
            below += u64::from(candidate.weight);
            point < below
        })
        .unwrap_or(0)
}
