//! Whose certificates are believed.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// TLS towards applications whose certificates come from the authorities of `file`, a PEM file, or from
/// those of the system.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn client(file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            let named = |why: String| format!("{}: {why}", file.display());
            let text = std::fs::read(file).map_err(|error| named(error.to_string()))?;
            for certificate in CertificateDer::pem_slice_iter(&text) {
                let certificate =
                    certificate.map_err(|error| named(format!("is no PEM file: {error}")))?;
                let added = roots.add(certificate);
                added.map_err(|error| named(format!("has no authority: {error}")))?;
            }
            if roots.is_empty() {
                return Err(named("has no certificate; write the authority's in PEM".to_owned()));
            }
        }
        None => {
            // Where the system has none, every certificate is refused, with its reason.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("no TLS: {error}"))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
