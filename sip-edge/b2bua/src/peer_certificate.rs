//! What the certificates of peers that connect to us are worth (RFC 5922 section 7.4).

use crate::context::Context;
use directory::{Carrier, ClientCertificatePolicy, Snapshot, VoiceConnector};
use model::{ConnectionId, Flow};
use std::path::Path;
use std::sync::Arc;

/// A client certificate whose key the peer has proved to hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerCertificate {
    /// Whom it is for, in lower case: DNS names, hosts of SIP URIs, IP addresses.
    pub names: Vec<Box<str>>,
    /// The authorities that vouch for it, of those that the directory names; `None` stands for the
    /// system's.
    pub trusted_by: Vec<Option<Arc<Path>>>,
}

impl PeerCertificate {
    /// Whether it is what `policy` asks for.
    pub fn satisfies(&self, policy: &ClientCertificatePolicy) -> bool {
        self.trusted_by.contains(&policy.ca)
            && policy.names.iter().any(|name| self.names.iter().any(|held| **held == **name))
    }
}

/// Whether anybody in the directory must show a certificate.
pub(crate) fn are_demanded(directory: &Snapshot) -> bool {
    directory.carriers().any(|carrier| carrier.client_certificate.is_required())
        || directory.voice_connectors().any(|connector| {
            connector.termination.as_ref().is_some_and(|t| t.client_certificate.is_required())
        })
}

impl Context {
    /// Notes what the peer of a connection has proved. Forgotten when the connection closes.
    pub(crate) fn note_certificate(&mut self, id: ConnectionId, certificate: PeerCertificate) {
        self.certificates.insert(id, certificate);
    }

    /// Whether what came over `flow` is backed by what `policy` demands. A connection that we
    /// opened ourselves was verified by us.
    fn is_proved(&self, flow: &Flow, policy: &ClientCertificatePolicy) -> bool {
        if !policy.is_required() || flow.identity.is_some() {
            return true;
        }
        flow.connection
            .and_then(|id| self.certificates.get(&id))
            .is_some_and(|certificate| certificate.satisfies(policy))
    }

    /// Whether a carrier has shown what it must.
    pub(crate) fn is_proved_carrier(&self, flow: &Flow, carrier: &Carrier) -> bool {
        self.is_proved(flow, &carrier.client_certificate)
    }

    /// Whether a customer has shown what it must.
    pub(crate) fn is_proved_customer(&self, flow: &Flow, connector: &VoiceConnector) -> bool {
        let termination = connector.termination.as_ref();
        termination.is_none_or(|termination| self.is_proved(flow, &termination.client_certificate))
    }

    /// Whether nobody who may send from this source needs a certificate that is missing: a request
    /// outside calls that belongs to several customers passes if one of them would take it, and is
    /// looked at again when its owner is known.
    pub(crate) fn is_proved_source(&self, flow: &Flow) -> bool {
        if !self.certificates_demanded {
            return true;
        }
        let source = flow.remote.ip().to_canonical();
        if let Some(carrier) = self.directory.carrier_by_source(source) {
            return self.is_proved_carrier(flow, carrier);
        }
        let mut customers = self.directory.voice_connectors_by_source(source).peekable();
        customers.peek().is_none()
            || customers.any(|connector| self.is_proved_customer(flow, connector))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use directory::ClientCertificate;

    #[test]
    fn a_certificate_needs_the_right_authority_and_one_of_the_names() {
        let ours: Arc<Path> = Path::new("ca.pem").into();
        let certificate = PeerCertificate {
            names: vec!["sbc.example.com".into(), "192.0.2.1".into()],
            trusted_by: vec![Some(Arc::clone(&ours))],
        };
        let asked = |names: &[&str], ca: Option<&Arc<Path>>| ClientCertificatePolicy {
            demand: ClientCertificate::Required,
            names: names.iter().map(|name| Arc::from(*name)).collect(),
            ca: ca.cloned(),
        };
        assert!(certificate.satisfies(&asked(&["other.example", "sbc.example.com"], Some(&ours))));
        assert!(certificate.satisfies(&asked(&["192.0.2.1"], Some(&ours))));
        assert!(!certificate.satisfies(&asked(&["example.com"], Some(&ours))));
        assert!(!certificate.satisfies(&asked(&["sbc.example.com"], None)));
        let other: Arc<Path> = Path::new("other.pem").into();
        assert!(!certificate.satisfies(&asked(&["sbc.example.com"], Some(&other))));
        assert!(!certificate.satisfies(&asked(&[], Some(&ours))));
    }
}
