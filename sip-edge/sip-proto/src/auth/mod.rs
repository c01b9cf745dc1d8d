//! Digest authentication (RFC 3261 section 22, RFC 7616, RFC 8760): what the headers say, what a
//! response must be, a verifier for the side that asks and an answerer for the side that is asked.
//!
//! Passwords come in as text and leave as hashes only. No type here shows a password, a response
//! or a keyed nonce in its `Debug` output.

mod algorithm;
mod answer;
mod challenge;
mod credentials;
mod digest;
mod nonce;
mod parameters;
mod replay;
mod retry;
mod verifier;

#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, HashFunction};
pub use answer::Answerer;
pub use challenge::{Challenge, ChallengedBy, Qop};
pub use credentials::Credentials;
pub use digest::{DigestInput, digest_response};
pub use retry::with_credentials;
pub use verifier::{Protected, Verdict, Verifier, VerifierConfig};
