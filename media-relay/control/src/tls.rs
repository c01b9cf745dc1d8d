//! Who may be at the other end: TLS 1.3 with certificates on both sides, which an authority vouches
//! for or which are known by their SHA-256 fingerprint.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    ServerConfig, SignatureScheme,
};
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The other side's certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trust {
    /// One that an authority of this PEM file has signed.
    Authority(PathBuf),
    /// One of these, by the SHA-256 of the whole certificate.
    Pinned(Vec<[u8; 32]>),
}

/// What one side shows and wants to see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// PEM: the chain, leaf first.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
    /// The other side's.
    pub trust: Trust,
}

/// Whom a certificate shows, for the name that an edge calls itself: where an authority vouches, the
/// DNS names of it, which stay when it is renewed; where it is known by its fingerprint, or has no
/// such names, itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerName([u8; 32]);

impl PeerName {
    /// Of the certificate in `der`.
    pub fn of(der: &[u8], by_authority: bool) -> Self {
        let certificate = CertificateDer::from(der);
        let parsed = webpki::EndEntityCert::try_from(&certificate).ok().filter(|_| by_authority);
        let mut names: Vec<String> = parsed
            .iter()
            .flat_map(|parsed| parsed.valid_dns_names())
            .map(str::to_ascii_lowercase)
            .collect();
        if names.is_empty() {
            return PeerName(Sha256::digest(der).into());
        }
        names.sort_unstable();
        // No DNS name has a line feed.
        PeerName(Sha256::digest(names.join("\n")).into())
    }
}

/// A file that cannot be used, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustError(String);

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TrustError {}

fn at(path: &Path, reason: impl fmt::Display) -> TrustError {
    TrustError(format!("{}: {reason}", path.display()))
}

impl Credentials {
    /// The SHA-256 of our own certificate, by which the other side can know us.
    ///
    /// # Errors
    /// [`TrustError`] names the file and what to do.
    pub fn fingerprint(&self) -> Result<[u8; 32], TrustError> {
        let chain = self.chain()?;
        let leaf = chain.first().ok_or_else(|| at(&self.certificate, "holds no certificate"))?;
        Ok(Sha256::digest(leaf).into())
    }

    /// How to be connected to.
    ///
    /// # Errors
    /// [`TrustError`] names the file and what to do.
    pub fn server(&self) -> Result<Arc<ServerConfig>, TrustError> {
        let provider = provider();
        let verifier: Arc<dyn ClientCertVerifier> = match &self.trust {
            Trust::Pinned(pins) => Arc::new(Pins::new(pins, &provider)),
            Trust::Authority(path) => {
                WebPkiClientVerifier::builder_with_provider(roots(path)?, Arc::clone(&provider))
                    .build()
                    .map_err(|error| at(path, error))?
            }
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| TrustError(error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain()?, self.private_key()?)
            .map_err(|error| at(&self.key, error))?;
        // Every connection proves itself anew.
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// How to connect.
    ///
    /// # Errors
    /// [`TrustError`] names the file and what to do.
    pub fn client(&self) -> Result<Arc<ClientConfig>, TrustError> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| TrustError(error.to_string()))?;
        let builder = match &self.trust {
            Trust::Pinned(pins) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pins::new(pins, &provider))),
            Trust::Authority(path) => builder.with_root_certificates(roots(path)?),
        };
        let config = builder
            .with_client_auth_cert(self.chain()?, self.private_key()?)
            .map_err(|error| at(&self.key, error))?;
        Ok(Arc::new(config))
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TrustError> {
        certificates(&self.certificate)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, TrustError> {
        PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| at(&self.key, format!("holds no private key: {error}")))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| at(path, error))?;
    let chain = read.collect::<Result<Vec<_>, _>>().map_err(|error| at(path, error))?;
    if chain.is_empty() {
        return Err(at(path, "holds no certificate; it must be PEM"));
    }
    Ok(chain)
}

fn roots(path: &Path) -> Result<Arc<RootCertStore>, TrustError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| at(path, error))?;
    }
    Ok(Arc::new(roots))
}

/// Knows certificates by their fingerprint alone: neither names nor dates count.
#[derive(Debug)]
struct Pins {
    pins: Vec<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl Pins {
    fn new(pins: &[[u8; 32]], provider: &Arc<CryptoProvider>) -> Self {
        Pins { pins: pins.to_vec(), provider: Arc::clone(provider) }
    }

    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let shown: [u8; 32] = Sha256::digest(certificate).into();
        if self.pins.contains(&shown) {
            return Ok(());
        }
        tracing::warn!(
            "relay control: the other side shows a certificate that [relay_control] fingerprints \
             does not name: {}",
            fingerprint_text(&shown)
        );
        Err(CertificateError::ApplicationVerificationFailure.into())
    }
}

impl ServerCertVerifier for Pins {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Pins {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, certificate, signed)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ServerCertVerifier::verify_tls13_signature(self, message, certificate, signed)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }
}

/// A fingerprint as `openssl x509 -fingerprint -sha256` prints it.
pub fn fingerprint_text(fingerprint: &[u8; 32]) -> String {
    let pairs: Vec<String> = fingerprint.iter().map(|octet| format!("{octet:02X}")).collect();
    pairs.join(":")
}

/// Reads 64 hexadecimal digits, with or without colons.
pub fn parse_fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.trim().bytes().filter(|b| *b != b':').collect();
    let mut fingerprint = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (octet, pair) in fingerprint.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        // The standard library's reader would take a sign too.
        if !pair.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        *octet = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(fingerprint)
}
