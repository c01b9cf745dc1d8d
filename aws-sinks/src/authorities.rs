//! Whom a service's certificate must come from.

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The variable by which AWS's own tools are told of other authorities than the system's.
const VARIABLE: &str = "AWS_CA_BUNDLE";

/// A client for HTTP and HTTPS that takes certificates of the authorities in `file`, else of those in
/// the file that `AWS_CA_BUNDLE` names, else of the system's (`SSL_CERT_FILE`).
///
/// # Errors
/// In words, when the file has no certificates.
pub(crate) fn connector(file: Option<&Path>) -> Result<SharedHttpConnector, String> {
    let trusted = match named(file)? {
        None => TrustStore::default(),
        Some((pem, _)) => TrustStore::empty().with_pem_certificate(pem),
    };
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let context = context.map_err(|error| format!("no TLS: {error}"))?;
    let provider = Provider::Rustls(CryptoMode::AwsLc);
    let builder = Connector::builder().tls_provider(provider).tls_context(context);
    Ok(SharedHttpConnector::new(builder.build()))
}

/// The settings of TLS connections, with the same authorities, for HTTP/1.1 over a connection of the
/// caller's.
///
/// # Errors
/// In words, when the file, or the system, has no certificates.
pub(crate) fn client_config(file: Option<&Path>) -> Result<rustls::ClientConfig, String> {
    let roots = match named(file)? {
        Some((_, roots)) => roots,
        None => {
            let mut roots = RootCertStore::empty();
            let system = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(system.certs);
            if roots.is_empty() {
                return Err("no TLS: the system has no authorities; install ca-certificates, or \
                            set tls_ca of [sinks]"
                    .to_owned());
            }
            roots
        }
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("no TLS: {error}"))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The authorities in `file`, else those in the file that `AWS_CA_BUNDLE` names; `None` for the
/// system's.
fn named(file: Option<&Path>) -> Result<Option<(Vec<u8>, RootCertStore)>, String> {
    let variable = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let (file, named_by) = match (file, &variable) {
        (Some(file), _) => (Some(file), "tls_ca of [sinks]"),
        (None, file) => (file.as_deref(), VARIABLE),
    };
    let read = |file: &Path| {
        certificates(file).map_err(|why| format!("{named_by}: {}: {why}", file.display()))
    };
    file.map(read).transpose()
}

/// A file's text, every certificate of which can be an authority: the client takes no others.
fn certificates(file: &Path) -> Result<(Vec<u8>, RootCertStore), String> {
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| format!("is no PEM file: {error}"))?;
        roots.add(certificate).map_err(|error| format!("has no authority: {error}"))?;
    }
    if roots.is_empty() {
        return Err("has no certificate; write the authority's in PEM".to_owned());
    }
    Ok((text, roots))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_authorities_is_named() {
        let file = std::env::temp_dir().join(format!("tandem-authorities-{}", std::process::id()));
        let told = || connector(Some(&file)).unwrap_err();
        assert!(told().starts_with("tls_ca of [sinks]: "), "{}", told());
        for (text, expected) in [
            ("", "has no certificate"),
            ("words", "has no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no authority"),
            ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "no PEM file"),
        ] {
            std::fs::write(&file, text).unwrap();
            assert!(told().contains(expected), "{text}: {}", told());
        }
        std::fs::remove_file(&file).unwrap();
    }
}
