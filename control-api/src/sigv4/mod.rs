//! Signatures, version 4, by AWS's rules for every service but S3.
//!
//! [`read`] takes a request's claim, from its `Authorization` header or its query (presigned);
//! [`Claim::verify`] computes the signature anew with the secret of the claimed key. The body's hash
//! is always computed here, so that an unsigned body is never taken. The region of a credential's
//! scope may be any (docs/decisions/0087). [`Signer`] is the other side, for Tandem's own commands.

mod canonical;
mod claim;
mod signer;
#[cfg(test)]
mod tests;

pub use claim::{Claim, read};
pub use signer::Signer;

use crate::calendar::{basic, from_basic};
use crate::encoding::{from_hex, hex};
use crate::error::{ApiError, ErrorKind};
use crate::request::Request;
use aws_lc_rs::{constant_time, digest, hmac};
use canonical::{Query, canonical_request};
use model::UnixTime;

/// How far a client's clock may be off, in seconds.
pub const CLOCK_SKEW_SECONDS: i64 = 15 * 60;

pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const MISMATCH: &str = "The request signature we calculated does not match the signature you \
    provided. Check your AWS Secret Access Key and signing method. Consult the service \
    documentation for details.";

impl Claim {
    /// Whether the request was signed for `service` with `secret`, and is of now.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidSignature`] or [`ErrorKind::IncompleteSignature`], with what is wrong.
    pub fn verify(
        &self,
        request: &Request<'_>,
        secret: &str,
        service: &str,
        now: UnixTime,
    ) -> Result<(), ApiError> {
        let invalid = |message: String| ApiError::new(ErrorKind::InvalidSignature, message);
        if self.service != service {
            let message = format!("Credential should be scoped to correct service: '{service}'.");
            return Err(invalid(message));
        }
        self.check_time(now).map_err(invalid)?;
        let content = request.header("x-amz-content-sha256").unwrap_or_default();
        if content.starts_with("UNSIGNED-") || content.starts_with("STREAMING-") {
            let message = format!("x-amz-content-sha256: {content}: the body must be signed whole");
            return Err(invalid(message));
        }
        let key = self.signing_key(secret);
        let body = hex(digest::digest(&digest::SHA256, request.body).as_ref());
        let ways = [Query::Normalised, Query::AsSent];
        let is_ours = ways.into_iter().any(|query| {
            canonical_request(request, &self.signed_headers, query, &body)
                .is_some_and(|canonical| self.is_signature_of(&canonical, &key))
        });
        if is_ours { Ok(()) } else { Err(invalid(MISMATCH.to_owned())) }
    }

    fn is_signature_of(&self, canonical: &str, key: &hmac::Tag) -> bool {
        let theirs = from_hex(&self.signature).unwrap_or_default();
        let ours = self.signature_of(canonical, key);
        constant_time::verify_slices_are_equal(ours.as_ref(), &theirs).is_ok()
    }

    fn signature_of(&self, canonical: &str, key: &hmac::Tag) -> hmac::Tag {
        let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let text = format!(
            "{ALGORITHM}\n{}\n{}/{}/{}/aws4_request\n{hash}",
            self.time, self.date, self.region, self.service
        );
        sign(key.as_ref(), text.as_bytes())
    }

    fn signing_key(&self, secret: &str) -> hmac::Tag {
        let first = zeroize::Zeroizing::new(format!("AWS4{secret}"));
        let date = sign(first.as_bytes(), self.date.as_bytes());
        let region = sign(date.as_ref(), self.region.as_bytes());
        let service = sign(region.as_ref(), self.service.as_bytes());
        sign(service.as_ref(), b"aws4_request")
    }

    fn check_time(&self, now: UnixTime) -> Result<(), String> {
        let at = from_basic(&self.time).ok_or_else(|| {
            format!("Date must be in ISO-8601 'basic format'. Got '{}'.", self.time)
        })?;
        if !self.time.starts_with(&self.date) {
            return Err(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date \
                 from HTTP: '{}' != '{}'.",
                self.date, self.time
            ));
        }
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let valid = self.expires.map_or(CLOCK_SKEW_SECONDS, i64::from);
        let ours = basic(now);
        if at > seconds.saturating_add(CLOCK_SKEW_SECONDS) {
            return Err(format!(
                "Signature not yet current: {} is still later than {ours} + 15 min.",
                self.time
            ));
        }
        if seconds > at.saturating_add(valid) {
            return Err(format!(
                "Signature expired: {} is now earlier than {ours} - {valid} s.",
                self.time
            ));
        }
        Ok(())
    }
}

fn sign(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}
