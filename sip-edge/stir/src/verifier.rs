//! Verifies who calls.

use crate::certificate::{CertificateError, SignerCertificate, roots};
use crate::header::IdentityHeader;
use crate::passport::{Attestation, TokenFault, Told, Unverified};
use crate::{canonical_number, certificate, date};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use model::UnixTime;
use rustls_pki_types::CertificateDer;
use std::collections::HashMap;

/// Why an Identity header proves nothing (RFC 8224 section 6.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Failure {
    /// There is none.
    Missing,
    /// It is older or newer than allowed.
    Stale,
    /// The certificate that it names is unknown.
    UnknownCertificate,
    /// The certificate is expired, or may not speak for the calling number.
    UnsupportedCredential,
    /// It is malformed, of another kind, names other numbers, or its signature is not right.
    Invalid,
}

impl Failure {
    /// The SIP status that says so.
    pub const fn status(self) -> u16 {
        match self {
            Failure::Missing => 428,
            Failure::Stale => 403,
            Failure::UnknownCertificate => 436,
            Failure::UnsupportedCredential => 437,
            Failure::Invalid => 438,
        }
    }

    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Failure::Missing => "no_identity",
            Failure::Stale => "stale",
            Failure::UnknownCertificate => "unknown_certificate",
            Failure::UnsupportedCredential => "unsupported_credential",
            Failure::Invalid => "invalid",
        }
    }
}

/// What an Identity header proves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// How well the signer knows the caller; `None` for a PASSporT without that claim of SHAKEN, which
    /// vouches for the number alone.
    pub attestation: Option<Attestation>,
    /// Where the signer says that the call came from; a claim of SHAKEN as well.
    pub origid: Option<String>,
    /// Who signed: the certificate's subject.
    pub signer: String,
}

/// What a request says about its call beside its Identity headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallFacts<'a> {
    /// The calling number.
    pub orig: &'a str,
    /// The called number.
    pub dest: &'a str,
    /// The Date header; what is signed in compact form is dated by it.
    pub date: Option<&'a str>,
}

/// Roots and the certificates that they vouch for, by the address under which headers name them.
#[derive(Debug, Default)]
pub struct Verifier {
    roots: Vec<CertificateDer<'static>>,
    certificates: HashMap<String, SignerCertificate>,
}

impl Verifier {
    /// How far `iat` may be from now, in seconds (RFC 8224 section 6.2 step 4 asks for at most
    /// minutes; SHAKEN for one).
    pub const FRESH_SECONDS: u64 = 60;

    /// Trusts the roots in a PEM text, beside those it trusts already.
    ///
    /// # Errors
    /// When the text holds none.
    pub fn add_roots(&mut self, pem: &str) -> Result<(), CertificateError> {
        self.roots.extend(roots(pem)?);
        Ok(())
    }

    /// Knows the certificate that headers name by `url`. `chain` is PEM, the signer's own first.
    ///
    /// # Errors
    /// When it cannot be read, or does not chain to a root that was added before.
    pub fn add_certificate(
        &mut self,
        url: &str,
        chain: &str,
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        let certificate = SignerCertificate::load(chain, &self.roots, now)?;
        self.certificates.insert(url.to_owned(), certificate);
        Ok(())
    }

    /// Whether the first certificate of a PEM text has this public key.
    ///
    /// # Errors
    /// When there is no usable certificate.
    pub fn has_key(chain: &str, public_key: &[u8]) -> Result<bool, CertificateError> {
        Ok(certificate::public_key_of(chain)? == public_key)
    }

    /// When the certificates of a PEM text are over: the end of the one that ends first.
    ///
    /// # Errors
    /// When there is no readable certificate.
    pub fn end_of(pem: &str) -> Result<UnixTime, CertificateError> {
        certificate::not_after(pem)
    }

    /// What the Identity headers of a request prove about its call. The first one that verifies
    /// counts; of several failures, the last one's.
    ///
    /// # Errors
    /// [`Failure`], with the SIP status that says so.
    pub fn verify<'a>(
        &self,
        values: impl IntoIterator<Item = &'a str>,
        call: CallFacts<'_>,
        now: UnixTime,
    ) -> Result<Verified, Failure> {
        let mut failure = Failure::Missing;
        for value in values.into_iter().take(MAX_HEADERS) {
            match self.verify_one(value, call, now) {
                Ok(verified) => return Ok(verified),
                Err(fault) => failure = fault,
            }
        }
        Err(failure)
    }

    fn verify_one(
        &self,
        value: &str,
        call: CallFacts<'_>,
        now: UnixTime,
    ) -> Result<Verified, Failure> {
        let header = IdentityHeader::parse(value).ok_or(Failure::Invalid)?;
        let orig = canonical_number(call.orig).ok_or(Failure::Invalid)?;
        let dest = canonical_number(call.dest).ok_or(Failure::Invalid)?;
        let token = read(&header, &orig, &dest, call.date)?;
        if token.orig != orig || !token.dest.contains(&dest) {
            return Err(Failure::Invalid);
        }
        if now.as_secs().abs_diff(token.issued_at) > Self::FRESH_SECONDS {
            return Err(Failure::Stale);
        }
        let certificate = self.certificates.get(&token.x5u).ok_or(Failure::UnknownCertificate)?;
        let (from, to) = certificate.valid;
        if !(from..=to).contains(&now.as_secs()) || !certificate.covers(&orig) {
            return Err(Failure::UnsupportedCredential);
        }
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &certificate.public_key)
            .verify(token.signed.as_bytes(), &token.signature)
            .map_err(|_| Failure::Invalid)?;
        let (attestation, origid) = token.shaken.unzip();
        Ok(Verified { attestation, origid, signer: certificate.subject.clone() })
    }
}

/// The token of a header, rebuilt where it is in compact form.
fn read<'a>(
    header: &IdentityHeader<'a>,
    orig: &str,
    dest: &str,
    date: Option<&str>,
) -> Result<Unverified<'a>, Failure> {
    let invalid = |_: TokenFault| Failure::Invalid;
    if header.alg.is_some_and(|alg| alg != "ES256") {
        return Err(Failure::Invalid);
    }
    if Unverified::is_compact(header.token) {
        // What SHAKEN claims beside the numbers stands in no other header: it has no compact form.
        let (Some(x5u), None) = (header.info, header.ppt) else { return Err(Failure::Invalid) };
        let date = date.and_then(date::seconds_of).ok_or(Failure::Invalid)?;
        return Unverified::rebuild(header.token, x5u, Told { orig, dest, date }).map_err(invalid);
    }
    let token = Unverified::parse(header.token).map_err(invalid)?;
    // RFC 8224 section 6.2 step 3: both name the same certificate.
    let is_named = header.info == Some(token.x5u.as_str());
    let ppt = token.shaken.as_ref().map(|_| "shaken");
    match is_named && header.ppt.is_none_or(|given| Some(given) == ppt) {
        true => Ok(token),
        false => Err(Failure::Invalid),
    }
}

/// More Identity headers than this are not looked at: each costs a signature's check.
const MAX_HEADERS: usize = 4;
