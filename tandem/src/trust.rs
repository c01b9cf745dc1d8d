//! Whom connections over TLS that we open by ourselves must lead to.

use directory::{Host, TlsPolicy};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// Whom connections that we open must lead to.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    pub(crate) config: Arc<ClientConfig>,
    /// What the certificate must be for.
    pub(crate) name: ServerName<'static>,
}

impl Trust {
    /// Whom `policy` asks for at `host`.
    pub(crate) fn new(host: &Host, policy: &TlsPolicy) -> Result<Trust, String> {
        let name = match host {
            Host::Ip(ip) => ServerName::IpAddress((*ip).into()),
            Host::Name(name) => {
                ServerName::try_from(name.to_string()).map_err(|error| error.to_string())?
            }
        };
        let config = sip_edge::tls::client_config(policy).map_err(|error| error.to_string())?;
        Ok(Trust { config, name })
    }
}

/// TLS towards services of the web, whose certificates come from the authorities of `file`, a PEM file, or
/// from those of the system. What SIP asks of certificates beside that (RFC 5922) is not asked.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn believing(file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let roots = match file {
        Some(file) => authorities(file).map_err(|why| format!("{}: {why}", file.display()))?,
        None => {
            let mut roots = RootCertStore::empty();
            // Where the system has none, every certificate is refused, with its reason.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("no TLS: {error}"))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn authorities(file: &Path) -> Result<RootCertStore, String> {
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| format!("is no PEM file: {error}"))?;
        roots.add(certificate).map_err(|error| format!("has no authority: {error}"))?;
    }
    match roots.is_empty() {
        true => Err("has no certificate; write the authority's in PEM".to_owned()),
        false => Ok(roots),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_authorities_is_named() {
        let file = std::env::temp_dir().join(format!("tandem-trust-{}.pem", std::process::id()));
        let told = || believing(Some(&file)).unwrap_err();
        assert!(told().starts_with(&format!("{}: ", file.display())), "{}", told());
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, why) in [("", "has no certificate"), (broken, "has no authority")] {
            std::fs::write(&file, text).unwrap();
            assert!(told().contains(why), "{}", told());
        }
        std::fs::remove_file(file).unwrap();
    }
}
