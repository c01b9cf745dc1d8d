//! Somebody else's recorder, which gets copies of a voice connector's calls (SIPREC, RFC 7866).

use crate::carrier::{Credential, Srtp};
use crate::route::Host;
use crate::tls::TlsPolicy;
use model::TransportProtocol;
use std::sync::Arc;

/// Where a voice connector's calls are copied to, and which of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SiprecClient {
    /// The recorder, as its INVITEs name it: a `sip` or `sips` URI.
    pub uri: Arc<str>,
    /// The URI's host.
    pub host: Host,
    /// Its port; `None` where it has none.
    pub port: Option<u16>,
    /// Over what: its `transport`, else UDP, and TLS for `sips`.
    pub protocol: TransportProtocol,
    /// Whether the DNS may choose the transport: the URI names none, and its host is a name.
    pub choose_transport: bool,
    /// It is a `sips` URI: everything goes over TLS.
    pub secure: bool,
    /// How a TLS connection there is made.
    pub tls: Arc<TlsPolicy>,
    /// Whether the copies are encrypted; never [`Srtp::Dtls`].
    pub srtp: Srtp,
    /// Copy every call, from its answer on.
    pub enabled: bool,
    /// The customer's systems may say of a call whether it is copied, with a header.
    pub by_header: bool,
    /// What a calling or called number begins with, in E.164 form, for `enabled` to hold; empty for any
    /// number. A header goes before it.
    pub numbers: Arc<[Arc<str>]>,
    /// What answers a recorder that asks who we are (RFC 3261 section 22).
    pub credential: Option<Credential>,
}

impl SiprecClient {
    /// Whether a call between these numbers is copied unless somebody says otherwise.
    pub fn is_for(&self, numbers: [&str; 2]) -> bool {
        let is_one = |prefix: &Arc<str>| numbers.iter().any(|number| number.starts_with(&**prefix));
        self.enabled && (self.numbers.is_empty() || self.numbers.iter().any(is_one))
    }
}
