//! What a client certificate is worth, once the handshake has shown that the peer holds its key.

use super::files::facts;
use b2bua::PeerCertificate;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use std::path::Path;
use std::sync::Arc;

/// Names of a certificate that are looked at; its maker decides how many there are.
const NAMES_MAX: usize = 64;

/// One authority that the directory names.
pub(crate) struct Judge {
    ca: Option<Arc<Path>>,
    as_client: Arc<dyn ClientCertVerifier>,
    as_server: Arc<dyn ServerCertVerifier>,
}

impl Judge {
    pub(crate) fn new(
        provider: &Arc<CryptoProvider>,
        ca: Option<Arc<Path>>,
        roots: &Arc<RootCertStore>,
    ) -> Result<Judge, rustls::Error> {
        let said =
            |error: rustls::server::VerifierBuilderError| rustls::Error::General(error.to_string());
        let roots = || Arc::clone(roots);
        let provider = || Arc::clone(provider);
        Ok(Judge {
            ca,
            as_client: WebPkiClientVerifier::builder_with_provider(roots(), provider())
                .build()
                .map_err(said)?,
            as_server: WebPkiServerVerifier::builder_with_provider(roots(), provider())
                .build()
                .map_err(said)?,
        })
    }

    /// A SIP server shows the same certificate whether it connects or is connected to, and public
    /// authorities issue fewer and fewer for clients: either usage will do (RFC 5922 section 7.4
    /// asks for neither).
    fn vouches(&self, chain: &[CertificateDer<'_>], names: &[Box<str>], now: UnixTime) -> bool {
        let Some((leaf, rest)) = chain.split_first() else { return false };
        let as_server = || {
            let name = names.iter().find_map(|name| ServerName::try_from(&**name).ok());
            name.is_some_and(|name| {
                self.as_server.verify_server_cert(leaf, rest, &name, &[], now).is_ok()
            })
        };
        self.as_client.verify_client_cert(leaf, rest, now).is_ok() || as_server()
    }
}

/// Judges the chain that a peer showed.
pub(crate) fn judge(judges: &[Judge], chain: &[CertificateDer<'_>]) -> Option<PeerCertificate> {
    let mut names = facts(chain.first()?)?.names;
    names.truncate(NAMES_MAX);
    let now = UnixTime::now();
    let trusted_by = judges
        .iter()
        .filter(|judge| judge.vouches(chain, &names, now))
        .map(|judge| judge.ca.clone())
        .collect::<Vec<_>>();
    (!trusted_by.is_empty()).then_some(PeerCertificate { names, trusted_by })
}
