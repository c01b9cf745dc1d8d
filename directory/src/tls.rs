//! What a peer must prove over TLS, and what we show it.

use std::path::Path;
use std::sync::Arc;

/// How we connect to a peer over TLS.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TlsPolicy {
    /// Whether the peer's certificate must be valid for its configured host name (RFC 5922). Without
    /// it, whoever answers at the address is taken for the peer.
    pub verify: bool,
    /// PEM file of the authorities that may vouch for the peer; `None` means the system's.
    pub ca: Option<Arc<Path>>,
    /// The certificate that we show when the peer asks for one.
    pub certificate: Option<KeyPairFiles>,
}

impl Default for TlsPolicy {
    fn default() -> Self {
        TlsPolicy { verify: true, ca: None, certificate: None }
    }
}

/// A certificate chain and its private key, as PEM files.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct KeyPairFiles {
    /// The chain, leaf first.
    pub certificate: Arc<Path>,
    /// The private key: PKCS#8, SEC1 or PKCS#1.
    pub key: Arc<Path>,
}

/// Whether a peer that connects to us must show a certificate.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ClientCertificatePolicy {
    /// How strongly we ask.
    pub demand: ClientCertificate,
    /// The certificate must be for one of these: DNS names, hosts of SIP URIs or IP addresses, in
    /// lower case. Wildcards match only themselves (RFC 5922 section 7.2).
    pub names: Vec<Arc<str>>,
    /// PEM file of the authorities that may vouch for it; `None` means the system's.
    pub ca: Option<Arc<Path>>,
}

impl ClientCertificatePolicy {
    /// Whether requests without a verified certificate are refused.
    pub const fn is_required(&self) -> bool {
        matches!(self.demand, ClientCertificate::Required)
    }
}

/// How strongly a client certificate is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum ClientCertificate {
    /// Not at all.
    #[default]
    Off,
    /// Asked for, and checked when it is shown.
    Optional,
    /// Requests without a verified one are refused.
    Required,
}
