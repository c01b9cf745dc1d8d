//! Our side of connections that peers open.

use super::files::Pair;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};
use std::collections::HashMap;
use std::sync::Arc;

/// The certificates that we show, by the host name that the peer asks for (SNI, RFC 6066).
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(crate) default: Arc<CertifiedKey>,
    /// In lower case; `*.example.com` stands for one label before `.example.com`.
    pub(crate) by_name: HashMap<Arc<str>, Arc<CertifiedKey>>,
}

impl Certificates {
    fn of(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        self.by_name.get(&*name).or_else(|| {
            let (_, rest) = name.split_once('.')?;
            self.by_name.get(&*format!("*.{rest}"))
        })
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.of(name));
        Some(Arc::clone(named.unwrap_or(&self.default)))
    }
}

impl Certificates {
    pub(crate) fn new(default: &Pair, hosts: Vec<(Arc<str>, Pair)>) -> Certificates {
        let by_name = hosts.into_iter().map(|(name, pair)| (name, pair.key)).collect();
        Certificates { default: Arc::clone(&default.key), by_name }
    }
}

/// Takes any certificate whose key the peer holds; what it is worth is judged after the handshake,
/// by the directory, because one listener serves peers with different authorities, and peers that
/// show a certificate nobody asked for.
#[derive(Debug)]
struct Collect {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Collect {
    fn client_auth_mandatory(&self) -> bool {
        false
    }
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// TLS 1.2 and 1.3 with ephemeral keys only; in our order of preference. `ask` for a client
/// certificate only when somebody may need it: some telephones stumble over the question.
pub(crate) fn config(
    provider: &Arc<CryptoProvider>,
    certificates: Arc<Certificates>,
    tickets: &Arc<dyn ProducesTickets>,
    ask: bool,
) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = if ask {
        builder.with_client_cert_verifier(Arc::new(Collect { provider: Arc::clone(provider) }))
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_cert_resolver(certificates);
    config.ignore_client_order = true;
    // Peers that reconnect often do so cheaply; keys of tickets rotate every six hours.
    config.ticketer = Arc::clone(tickets);
    config.send_tls13_tickets = 1;
    Ok(config)
}
