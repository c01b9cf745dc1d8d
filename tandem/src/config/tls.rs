//! TLS: the certificates of `[sip]`, and what carriers, routes and customers must prove.

use super::reader::Table;
use super::sip::Sip;
use super::value;
use directory::{ClientCertificate, ClientCertificatePolicy, Host, KeyPairFiles, TlsPolicy};
use model::TransportProtocol;
use sip_edge::tls::TlsHost;
use std::path::Path;
use std::sync::Arc;

/// A file of TLS and where the configuration names it; looked at after reading, since reading is a
/// function of the text alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TlsFiles {
    /// The line that names it.
    pub(crate) line: usize,
    /// What it must be.
    pub(crate) kind: TlsFileKind,
}

/// What a file must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TlsFileKind {
    /// A chain and its key.
    Pair(KeyPairFiles),
    /// Authorities.
    Authorities(Arc<Path>),
}

/// The two keys of a pair, both or neither.
pub(super) fn pair(
    table: &mut Table<'_>,
    certificate_key: &'static str,
    key_key: &'static str,
) -> Option<KeyPairFiles> {
    let certificate = table.optional(certificate_key, value::path);
    let key = table.optional(key_key, value::path);
    if certificate.is_some() != key.is_some() {
        let lonely = if key.is_some() { key_key } else { certificate_key };
        let message = format!("{certificate_key} and {key_key} go together; give both or neither");
        table.error_at(lonely, message);
    }
    let files = KeyPairFiles { certificate: certificate?.into(), key: key?.into() };
    table.note_tls_file(certificate_key, TlsFileKind::Pair(files.clone()));
    Some(files)
}

/// Calls over TLS leave from a TLS listener, whose address stands in their Via and Contact.
pub(super) fn need_listener(table: &Table<'_>, sip: &Sip, protocol: TransportProtocol, key: &str) {
    let tls = TransportProtocol::Tls;
    if protocol == tls && !sip.listeners.iter().any(|listener| listener.protocol == tls) {
        let message =
            "needs a TLS listener; add a line such as tls = [\"192.0.2.1:5061\"] to [sip]";
        table.error_at(key, message);
    }
}

/// A file of authorities.
pub(super) fn authorities(table: &mut Table<'_>, key: &'static str) -> Option<Arc<Path>> {
    let path: Arc<Path> = table.optional(key, value::path)?.into();
    table.note_tls_file(key, TlsFileKind::Authorities(Arc::clone(&path)));
    Some(path)
}

/// `[[sip.tls_host]]`.
pub(super) fn read_host(mut table: Table<'_>) -> Option<TlsHost> {
    let name = table.required("name", "name = \"sip.example.com\"", host_name);
    let present = table.is_present();
    let files = pair(&mut table, "certificate", "key");
    if present && files.is_none() {
        table.error("[[sip.tls_host]] needs `certificate` and `key`; add both, PEM files");
    }
    table.finish();
    Some(TlsHost { name: name?, files: files? })
}

fn host_name(value: &toml::de::DeValue<'_>) -> Result<Arc<str>, String> {
    let text = value::text(value)?;
    match Host::parse(text.strip_prefix("*.").unwrap_or(text)) {
        Ok(Host::Name(_)) => Ok(text.trim_end_matches('.').to_ascii_lowercase().into()),
        _ => {
            Err(format!("{text:?} is no host name; write \"sip.example.com\" or \"*.example.com\""))
        }
    }
}

/// `tls_ca`, `tls_verify`, `tls_certificate` and `tls_key` of a carrier or an origination route.
/// `transport` is the key that must say `tls`.
pub(super) fn read_policy(table: &mut Table<'_>, is_tls: bool, transport: &str) -> Arc<TlsPolicy> {
    let policy = TlsPolicy {
        verify: table.or("tls_verify", true, value::boolean),
        ca: authorities(table, "tls_ca"),
        certificate: pair(table, "tls_certificate", "tls_key"),
    };
    if !policy.verify {
        let message = "whoever answers at its address is taken for this peer, keys and all";
        table.warn_at("tls_verify", message);
        if policy.ca.is_some() {
            table.error_at("tls_ca", "is never used while tls_verify = false; remove one");
        }
    }
    if !is_tls && policy != TlsPolicy::default() {
        let used = ["tls_verify", "tls_ca", "tls_certificate"];
        let used = used.into_iter().find(|key| table.has(key)).unwrap_or("tls_verify");
        table.warn_at(used, format!("is not used: {transport} is not \"tls\""));
    }
    Arc::new(policy)
}

/// `client_certificate` and what belongs to it. `host` is the name that counts when none is given,
/// and `ca` the authority.
pub(super) fn read_client_certificate(
    table: &mut Table<'_>,
    host: Option<&Host>,
    ca: Option<&Arc<Path>>,
) -> ClientCertificatePolicy {
    let demand =
        table.or("client_certificate", ClientCertificate::Off, |v| match value::text(v)? {
            "off" => Ok(ClientCertificate::Off),
            "optional" => Ok(ClientCertificate::Optional),
            "required" => Ok(ClientCertificate::Required),
            other => {
                Err(format!("{other:?} is unknown; use \"off\", \"optional\" or \"required\""))
            }
        });
    let names = table.list("client_certificate_names", |v| {
        value::string(v).map(|name| Arc::from(name.to_ascii_lowercase()))
    });
    let own_ca = authorities(table, "client_certificate_ca");
    if demand == ClientCertificate::Off {
        for key in ["client_certificate_names", "client_certificate_ca"] {
            if table.has(key) {
                table.warn_at(key, "is not used: client_certificate is \"off\"");
            }
        }
    }
    let names = names.unwrap_or_else(|| match host {
        Some(Host::Name(name)) if demand != ClientCertificate::Off => vec![Arc::clone(name)],
        _ => Vec::new(),
    });
    ClientCertificatePolicy { demand, names, ca: own_ca.or_else(|| ca.cloned()) }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
