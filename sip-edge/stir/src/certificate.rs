//! The certificates that signers have: their chain, their key and the numbers that they may speak
//! for (RFC 8226).

use crate::pem;
use model::UnixTime;
use rustls_pki_types::{CertificateDer, UnixTime as PkiTime};
use std::fmt;
use std::time::Duration;
use x509_parser::der_parser::asn1_rs::{Any, FromDer};
use x509_parser::prelude::X509Certificate;

/// Why a certificate cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CertificateError {
    /// No block `CERTIFICATE` in the text, or one that is no certificate.
    NotPem,
    /// Its key is not one on the curve P-256, which ES256 needs.
    NotP256,
    /// It does not chain to any of the configured roots at this time.
    NotTrusted,
    /// Its TNAuthList cannot be read (RFC 8226 section 9).
    BadAuthorization,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CertificateError::NotPem => "no readable block CERTIFICATE in PEM",
            CertificateError::NotP256 => "its key is not on the curve P-256 (prime256v1)",
            CertificateError::NotTrusted => "it does not chain to a configured root now",
            CertificateError::BadAuthorization => "its TNAuthList cannot be read",
        })
    }
}

impl std::error::Error for CertificateError {}

/// One entry of a TNAuthList (RFC 8226 section 9).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TnAuthorization {
    /// A service provider code: it may speak for whatever numbers the provider has.
    Provider(String),
    /// A range: the first number and how many.
    Range {
        /// The first number, canonical.
        start: String,
        /// How many numbers, 2 and more.
        count: u64,
    },
    /// One number, canonical.
    One(String),
}

impl TnAuthorization {
    fn covers(&self, number: &str) -> bool {
        match self {
            TnAuthorization::Provider(_) => true,
            TnAuthorization::One(one) => one == number,
            TnAuthorization::Range { start, count } => {
                let as_number = |text: &str| text.parse::<u64>().ok();
                start.len() == number.len()
                    && as_number(number)
                        .zip(as_number(start))
                        .and_then(|(number, start)| number.checked_sub(start))
                        .is_some_and(|offset| offset < *count)
            }
        }
    }
}

/// A signer's certificate that chained to a root when it was loaded.
#[derive(Clone, Debug)]
pub(crate) struct SignerCertificate {
    /// Uncompressed point.
    pub(crate) public_key: Vec<u8>,
    pub(crate) authorizations: Vec<TnAuthorization>,
    /// Seconds since 1970: every certificate of the chain is valid from the first to the second.
    pub(crate) valid: (u64, u64),
    pub(crate) subject: String,
}

impl SignerCertificate {
    /// Reads a chain in PEM, the signer's own certificate first, and checks it against `roots`.
    pub(crate) fn load(
        chain: &str,
        roots: &[CertificateDer<'static>],
        now: UnixTime,
    ) -> Result<Self, CertificateError> {
        let blocks = pem::blocks(chain, "CERTIFICATE").ok_or(CertificateError::NotPem)?;
        let ders: Vec<CertificateDer<'static>> = blocks.into_iter().map(Into::into).collect();
        let (end_entity, intermediates) = ders.split_first().ok_or(CertificateError::NotPem)?;
        let parsed = ders.iter().map(parsed).collect::<Option<Vec<_>>>();
        let parsed = parsed.ok_or(CertificateError::NotPem)?;
        let own = parsed.first().ok_or(CertificateError::NotPem)?;
        let public_key = p256_point(own).ok_or(CertificateError::NotP256)?;
        check_chain(end_entity, intermediates, roots, now)?;
        let seconds = |at: i64| u64::try_from(at).unwrap_or(0);
        let validity = parsed.iter().map(|certificate| {
            let validity = certificate.validity();
            (seconds(validity.not_before.timestamp()), seconds(validity.not_after.timestamp()))
        });
        let valid = validity.fold((0, u64::MAX), |(from, to), (f, t)| (from.max(f), to.min(t)));
        let authorizations = authorizations(own).ok_or(CertificateError::BadAuthorization)?;
        Ok(SignerCertificate {
            public_key,
            authorizations,
            valid,
            subject: own.subject().to_string(),
        })
    }

    /// Whether it may speak for a number (RFC 8226 section 4). A certificate without a TNAuthList
    /// is bound by its root's policy only.
    pub(crate) fn covers(&self, number: &str) -> bool {
        self.authorizations.is_empty() || self.authorizations.iter().any(|a| a.covers(number))
    }
}

/// Reads roots in PEM.
pub(crate) fn roots(text: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let blocks = pem::blocks(text, "CERTIFICATE").filter(|blocks| !blocks.is_empty());
    let ders: Vec<CertificateDer<'static>> =
        blocks.ok_or(CertificateError::NotPem)?.into_iter().map(Into::into).collect();
    match ders.iter().all(|der| webpki::anchor_from_trusted_cert(der).is_ok()) {
        true => Ok(ders),
        false => Err(CertificateError::NotPem),
    }
}

/// When the first of the certificates in PEM ends that ends at all.
pub(crate) fn not_after(text: &str) -> Result<UnixTime, CertificateError> {
    let blocks = pem::blocks(text, "CERTIFICATE").ok_or(CertificateError::NotPem)?;
    let ends = blocks.into_iter().map(|block| {
        let der: CertificateDer<'static> = block.into();
        let seconds = parsed(&der)?.validity().not_after.timestamp();
        u64::try_from(seconds).ok()
    });
    let ends = ends.collect::<Option<Vec<u64>>>().ok_or(CertificateError::NotPem)?;
    let first = ends.into_iter().min().ok_or(CertificateError::NotPem)?;
    Ok(UnixTime::from_millis(first.saturating_mul(1_000)))
}

/// The public key of the first certificate in PEM, to compare with a private key's.
pub(crate) fn public_key_of(chain: &str) -> Result<Vec<u8>, CertificateError> {
    let blocks = pem::blocks(chain, "CERTIFICATE").ok_or(CertificateError::NotPem)?;
    let der = blocks.into_iter().next().ok_or(CertificateError::NotPem)?.into();
    let certificate = parsed(&der).ok_or(CertificateError::NotPem)?;
    p256_point(&certificate).ok_or(CertificateError::NotP256)
}

fn parsed<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    rest.is_empty().then_some(certificate)
}

/// The key as an uncompressed point, when it is one of the curve P-256.
fn p256_point(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    const P256: &str = "1.2.840.10045.3.1.7";
    let key = certificate.public_key();
    let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
    let point = &key.subject_public_key.data;
    let right = curve.to_id_string() == P256 && point.len() == 65 && point.first() == Some(&4);
    right.then(|| point.to_vec())
}

fn check_chain(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), CertificateError> {
    use CertificateError::{NotPem, NotTrusted};
    let certificate = webpki::EndEntityCert::try_from(end_entity).map_err(|_| NotPem)?;
    let anchors: Vec<_> =
        roots.iter().filter_map(|root| webpki::anchor_from_trusted_cert(root).ok()).collect();
    let algorithms = [webpki::aws_lc_rs::ECDSA_P256_SHA256, webpki::aws_lc_rs::ECDSA_P384_SHA384];
    // RFC 8226 asks for no extended key usage; this one is nobody's, so that only certificates
    // that name none fit.
    const NONE: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x1a];
    let usage = webpki::KeyUsage::required_if_present(NONE);
    let now = PkiTime::since_unix_epoch(Duration::from_secs(now.as_secs()));
    certificate
        .verify_for_usage(&algorithms, &anchors, intermediates, now, usage, None, None)
        .map(|_| ())
        .map_err(|_| NotTrusted)
}

/// The TNAuthList extension (RFC 8226 section 9); empty when there is none.
fn authorizations(certificate: &X509Certificate<'_>) -> Option<Vec<TnAuthorization>> {
    const TN_AUTH_LIST: &str = "1.3.6.1.5.5.7.1.26";
    let mut extensions = certificate.extensions().iter();
    let Some(extension) = extensions.find(|e| e.oid.to_id_string() == TN_AUTH_LIST) else {
        return Some(Vec::new());
    };
    let (rest, list) = Any::from_der(extension.value).ok()?;
    if !rest.is_empty() || list.tag().0 != 16 {
        return None;
    }
    let mut list = list.data;
    let mut entries = Vec::new();
    while !list.is_empty() {
        let (rest, entry) = Any::from_der(list).ok()?;
        entries.push(entry_of(entry.tag().0, entry.data)?);
        list = rest;
    }
    // SEQUENCE SIZE (1..MAX).
    (!entries.is_empty()).then_some(entries)
}

/// `spc [0] IA5String`, `range [1] { start, count }`, `one [2] IA5String`; all explicitly tagged.
fn entry_of(tag: u32, inner: &[u8]) -> Option<TnAuthorization> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let number = |bytes: &[u8]| crate::canonical_number(std::str::from_utf8(bytes).ok()?);
    let (_, first) = Any::from_der(inner).ok()?;
    match tag {
        0 => Some(TnAuthorization::Provider(text(first.data)?)),
        1 => {
            // The range is a SEQUENCE inside the tag.
            let (rest, start) = Any::from_der(first.data).ok()?;
            let (_, count) = Any::from_der(rest).ok()?;
            let count = count
                .data
                .iter()
                .try_fold(0_u64, |n, byte| n.checked_mul(256)?.checked_add(u64::from(*byte)))?;
            Some(TnAuthorization::Range { start: number(start.data)?, count })
        }
        2 => Some(TnAuthorization::One(number(first.data)?)),
        _ => None,
    }
}
