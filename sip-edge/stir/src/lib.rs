//! STIR/SHAKEN: who vouches for a calling number. Signs the Identity header of outbound calls and
//! verifies that of inbound ones (RFC 8224, RFC 8225, RFC 8588).
//!
//! Pure: keys and certificates come as text, the time as [`model::UnixTime`]. Nothing is fetched:
//! a certificate that an Identity header names is one that the operator has put into the
//! [`Verifier`], or it is unknown.
//!
//! - [`Signer::sign`] makes the value of an Identity header of [`Claims`].
//! - [`Verifier::verify`] says what such a value proves, or the [`Failure`] and its SIP status.
//! - [`canonical_number`] is the form in which numbers are signed and compared.
#![forbid(unsafe_code)]

mod base64url;
mod certificate;
mod date;
mod header;
mod number;
mod passport;
mod pem;
mod signer;
mod verifier;

pub use certificate::{CertificateError, TnAuthorization};
pub use number::canonical_number;
pub use passport::{Attestation, Claims};
pub use signer::{KeyError, Signer};
pub use verifier::{CallFacts, Failure, Verified, Verifier};

#[cfg(test)]
mod tests;
