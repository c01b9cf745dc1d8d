//! Verifies who calls.

use crate::certificate::{CertificateError, SignerCertificate, roots};
use crate::header::IdentityHeader;
use crate::passport::{Attestation, TokenFault, Unverified};
use crate::{canonical_number, certificate};
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
    /// How well the signer knows the caller.
    pub attestation: Attestation,
    /// Where the signer says that the call came from.
    pub origid: String,
    /// Who signed: the certificate's subject.
    pub signer: String,
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

    /// What the Identity headers of a request prove about a call from `orig` to `dest`. The first
    /// one that verifies counts; of several failures, the last one's.
    ///
    /// # Errors
    /// [`Failure`], with the SIP status that says so.
    pub fn verify<'a>(
        &self,
        values: impl IntoIterator<Item = &'a str>,
        orig: &str,
        dest: &str,
        now: UnixTime,
    ) -> Result<Verified, Failure> {
        let mut failure = Failure::Missing;
        for value in values.into_iter().take(MAX_HEADERS) {
            match self.verify_one(value, orig, dest, now) {
                Ok(verified) => return Ok(verified),
                Err(fault) => failure = fault,
            }
        }
        Err(failure)
    }

    fn verify_one(
        &self,
        value: &str,
        orig: &str,
        dest: &str,
        now: UnixTime,
    ) -> Result<Verified, Failure> {
        let header = IdentityHeader::parse(value).ok_or(Failure::Invalid)?;
        let right = |given: Option<&str>, ours: &str| given.is_none_or(|given| given == ours);
        if !right(header.alg, "ES256") || !right(header.ppt, "shaken") {
            return Err(Failure::Invalid);
        }
        let token = Unverified::parse(header.token).map_err(|fault| match fault {
            TokenFault::Malformed | TokenFault::Unsupported => Failure::Invalid,
        })?;
        // RFC 8224 section 6.2 step 3: both name the same certificate.
        if header.info != Some(token.x5u.as_str()) {
            return Err(Failure::Invalid);
        }
        let claims = &token.claims;
        let orig = canonical_number(orig).ok_or(Failure::Invalid)?;
        let dest = canonical_number(dest).ok_or(Failure::Invalid)?;
        if claims.orig != orig || !claims.dest.contains(&dest) {
            return Err(Failure::Invalid);
        }
        if now.as_secs().abs_diff(claims.issued_at) > Self::FRESH_SECONDS {
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
        Ok(Verified {
            attestation: claims.attestation,
            origid: claims.origid.clone(),
            signer: certificate.subject.clone(),
        })
    }
}

/// More Identity headers than this are not looked at: each costs a signature's check.
const MAX_HEADERS: usize = 4;
