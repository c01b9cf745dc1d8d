//! TLS for programs without a directory: the test user agent.

use super::files::{TlsFileError, read_certificates, read_pair, read_roots};
use super::self_signed::make_self_signed;
use super::{TlsSettings, client, provider};
use crate::clock::unix_seconds;
use directory::{KeyPairFiles, TlsPolicy};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ServerConfig};
use std::path::Path;
use std::sync::Arc;

/// How to connect under `policy`.
///
/// # Errors
/// [`TlsFileError`] names the file and what to do.
pub fn client_config(policy: &TlsPolicy) -> Result<Arc<ClientConfig>, TlsFileError> {
    let provider = provider();
    let roots = if policy.verify { Some(read_roots(policy.ca.as_deref())?) } else { None };
    let pair = policy.certificate.as_ref().map(|files| read_pair(files, &provider)).transpose()?;
    client::config(&provider, roots, pair.as_ref())
        .map_err(|error| TlsFileError { path: None, reason: error.to_string() })
}

/// How to connect to a server of ours that shows the first certificate of a PEM file: no authority and no
/// name is asked for.
///
/// # Errors
/// [`TlsFileError`] names the file and what to do.
pub fn pinned_client_config(certificate: &Path) -> Result<Arc<ClientConfig>, TlsFileError> {
    let broken = |reason: String| TlsFileError { path: Some(certificate.to_owned()), reason };
    let first = read_certificates(certificate)?.into_iter().next();
    let first = first.ok_or_else(|| broken("holds no certificate".to_owned()))?;
    client::pinned(&provider(), first).map_err(|error| broken(error.to_string()))
}

/// The self-signed pair of `settings`, as an edge that starts with them uses it.
///
/// # Errors
/// [`TlsFileError`] when it cannot be written.
pub fn self_signed_files(settings: &TlsSettings) -> Result<KeyPairFiles, TlsFileError> {
    super::self_signed::self_signed(settings, unix_seconds())
}

/// How to be connected to: with `files`, or else with a self-signed certificate for `names` that
/// lives as long as the process.
///
/// # Errors
/// [`TlsFileError`] names the file and what to do.
pub fn self_signed_server(
    names: &[String],
    files: Option<&KeyPairFiles>,
) -> Result<Arc<ServerConfig>, TlsFileError> {
    let provider = provider();
    let general = |reason: String| TlsFileError { path: None, reason };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| general(error.to_string()))?
        .with_no_client_auth();
    let config = match files {
        Some(files) => {
            let pair = read_pair(files, &provider)?;
            let shown = rustls::sign::SingleCertAndKey::from(Arc::clone(&pair.key));
            builder.with_cert_resolver(Arc::new(shown))
        }
        None => {
            let (certificate, key) = make_self_signed(names, unix_seconds()).map_err(general)?;
            let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
                .map_err(|error| general(error.to_string()))?;
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                .map_err(|error| general(error.to_string()))?;
            builder
                .with_single_cert(vec![certificate], key)
                .map_err(|error| general(error.to_string()))?
        }
    };
    Ok(Arc::new(config))
}
