//! Certificates, keys and authorities in PEM files.

use directory::KeyPairFiles;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Far more than a chain or a list of authorities takes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A file that TLS needs and that is not as it must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFileError {
    /// The file; `None` for the system's authorities.
    pub path: Option<PathBuf>,
    /// What is wrong and what to do.
    pub reason: String,
}

impl TlsFileError {
    fn at(path: &Path, reason: impl Into<String>) -> TlsFileError {
        TlsFileError { path: Some(path.to_owned()), reason: reason.into() }
    }
}

impl fmt::Display for TlsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", path.display(), self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for TlsFileError {}

/// A certificate chain with its key, ready for use.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) key: Arc<CertifiedKey>,
    /// Seconds since 1970 when the leaf ends.
    pub(crate) not_after: i64,
}

/// What a certificate is checked for when it is only looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFacts {
    /// Seconds since 1970 from when on it is valid.
    pub not_before: i64,
    /// Seconds since 1970 when it ends.
    pub not_after: i64,
    /// Whom it is for, in lower case: DNS names, hosts of SIP URIs, IP addresses.
    pub names: Vec<Box<str>>,
}

impl CertificateFacts {
    /// How long it is still valid, in seconds; negative when it has ended.
    pub fn seconds_left(&self) -> i64 {
        self.not_after.saturating_sub(crate::clock::unix_seconds())
    }

    /// How long until it is valid, in seconds; not above 0 when it is.
    pub fn seconds_to_begin(&self) -> i64 {
        self.not_before.saturating_sub(crate::clock::unix_seconds())
    }
}

/// Reads a chain and its key, and sees that they belong together.
///
/// # Errors
/// [`TlsFileError`] names the file and what to do.
pub fn check_pair(files: &KeyPairFiles) -> Result<CertificateFacts, TlsFileError> {
    let pair = read_pair(files, &super::provider())?;
    let leaf = pair.key.cert.first().ok_or_else(|| no_certificate(&files.certificate))?;
    facts(leaf).ok_or_else(|| TlsFileError::at(&files.certificate, "not an X.509 certificate"))
}

/// Reads a file of authorities.
///
/// # Errors
/// [`TlsFileError`] names the file and what to do.
pub fn check_authorities(path: &Path) -> Result<(), TlsFileError> {
    read_roots(Some(path)).map(|_| ())
}

fn no_certificate(path: &Path) -> TlsFileError {
    TlsFileError::at(
        path,
        "holds no certificate; it must be PEM, with lines -----BEGIN CERTIFICATE-----",
    )
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    let failed = |error: std::io::Error| {
        TlsFileError::at(path, format!("cannot be read: {error}; give an existing, readable file"))
    };
    let file = File::open(path).map_err(failed)?;
    let mut octets = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut octets).map_err(failed)?;
    if octets.len() as u64 > FILE_BYTES_MAX {
        return Err(TlsFileError::at(path, "is larger than 4 MiB; it is not a certificate file"));
    }
    Ok(octets)
}

pub(crate) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsFileError::at(path, format!("is not valid PEM: {error}")))?;
    if chain.is_empty() { Err(no_certificate(path)) } else { Ok(chain) }
}

pub(crate) fn read_pair(
    files: &KeyPairFiles,
    provider: &CryptoProvider,
) -> Result<Pair, TlsFileError> {
    let chain = read_certificates(&files.certificate)?;
    let not_after = chain.first().and_then(facts).map(|facts| facts.not_after);
    let not_after = not_after.ok_or_else(|| {
        TlsFileError::at(&files.certificate, "its first certificate is not valid X.509")
    })?;
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|_| {
        let reason = "holds no private key that can be used; it must be PEM, PKCS#8, SEC1 or \
                      PKCS#1, and not encrypted";
        TlsFileError::at(&files.key, reason)
    })?;
    let key = provider.key_provider.load_private_key(key).map_err(|_| {
        let reason = "the kind of key is not supported; use RSA of at least 2048 bits, or ECDSA \
                      P-256 or P-384";
        TlsFileError::at(&files.key, reason)
    })?;
    let key = CertifiedKey::new(chain, key);
    key.keys_match().map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            let certificate = files.certificate.display();
            let reason = format!("is not the key of the first certificate in {certificate}");
            TlsFileError::at(&files.key, reason)
        }
        // Such as one of version 1, which has no place for the names that it is for.
        error => TlsFileError::at(
            &files.certificate,
            format!(
                "its first certificate cannot be used: {error}; have one of X.509 version 3 made"
            ),
        ),
    })?;
    Ok(Pair { key: Arc::new(key), not_after })
}

/// The authorities in a file, or the system's.
pub(crate) fn read_roots(path: Option<&Path>) -> Result<Arc<RootCertStore>, TlsFileError> {
    let mut roots = RootCertStore::empty();
    match path {
        Some(path) => {
            for certificate in read_certificates(path)? {
                roots.add(certificate).map_err(|error| {
                    TlsFileError::at(path, format!("holds a broken certificate: {error}"))
                })?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        let reason = "this system has no certificate authorities: install the package \
                      ca-certificates, or set tls_ca";
        return Err(TlsFileError { path: path.map(Path::to_owned), reason: reason.to_owned() });
    }
    Ok(Arc::new(roots))
}

/// When a certificate ends, and whom it is for.
pub(crate) fn facts(certificate: &CertificateDer<'_>) -> Option<CertificateFacts> {
    let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate).ok()?;
    let not_before = parsed.validity().not_before.timestamp();
    let not_after = parsed.validity().not_after.timestamp();
    let names = match parsed.subject_alternative_name() {
        Ok(Some(alternatives)) => {
            alternatives.value.general_names.iter().filter_map(name_of).collect()
        }
        // RFC 5922 section 7.1: a certificate without alternative names stands for its common name.
        Ok(None) => common_name(&parsed).into_iter().collect(),
        Err(_) => Vec::new(),
    };
    Some(CertificateFacts { not_before, not_after, names })
}

/// The last common name of the subject, if it is a host name.
fn common_name(certificate: &x509_parser::certificate::X509Certificate<'_>) -> Option<Box<str>> {
    let name = certificate.subject().iter_common_name().last()?.as_str().ok()?;
    match directory::Host::parse(name) {
        Ok(directory::Host::Name(name)) => Some(name.to_ascii_lowercase().into()),
        _ => None,
    }
}

/// RFC 5922 section 7.1: DNS names, and SIP URIs without a user part, stand for domains.
fn name_of(name: &GeneralName<'_>) -> Option<Box<str>> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase().into()),
        GeneralName::URI(uri) => {
            let uri = sip_proto::Uri::parse(uri).ok()?;
            let sip = matches!(uri.scheme, sip_proto::Scheme::Sip | sip_proto::Scheme::Sips);
            match uri.host {
                sip_proto::Host::Name(host) if sip && uri.user.is_none() => {
                    Some(host.to_ascii_lowercase().into())
                }
                _ => None,
            }
        }
        GeneralName::IPAddress(octets) => {
            let ip = match <[u8; 4]>::try_from(*octets) {
                Ok(v4) => std::net::IpAddr::from(v4),
                Err(_) => std::net::IpAddr::from(<[u8; 16]>::try_from(*octets).ok()?),
            };
            Some(ip.to_string().into())
        }
        _ => None,
    }
}

/// What changes when a file is written or replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    changed: (i64, i64),
    inode: u64,
    length: u64,
}

/// `None` when the file is not there.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let data = fs::metadata(path).ok()?;
    let changed = (data.mtime(), data.mtime_nsec());
    Some(Stamp { changed, inode: data.ino(), length: data.len() })
}
