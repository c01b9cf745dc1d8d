//! Signs who calls.

use crate::base64url;
use crate::passport::{Claims, signing_input};
use crate::pem;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use std::fmt;

/// Why a private key cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyError {
    /// No block `PRIVATE KEY` or `EC PRIVATE KEY` in the text.
    NotPem,
    /// Not a key on the curve P-256, which ES256 needs.
    NotP256,
    /// The address of the certificate is not one that fits into a header: `https:`, no white space,
    /// no angle brackets.
    BadUrl,
    /// The certificate is not that key's.
    OtherCertificate,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyError::NotPem => "no block PRIVATE KEY or EC PRIVATE KEY in PEM",
            KeyError::NotP256 => "not an EC key on the curve P-256 (prime256v1)",
            KeyError::BadUrl => "not an https: address",
            KeyError::OtherCertificate => "the certificate has another key",
        })
    }
}

impl std::error::Error for KeyError {}

/// A private key and the address where everybody finds its certificate.
pub struct Signer {
    key: EcdsaKeyPair,
    x5u: String,
}

impl fmt::Debug for Signer {
    /// The key is never shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("x5u", &self.x5u).finish_non_exhaustive()
    }
}

impl Signer {
    /// Takes a key in PEM (PKCS #8 or SEC 1) and the certificate's address.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn new(key: &str, x5u: &str) -> Result<Self, KeyError> {
        let safe = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"');
        if !x5u.starts_with("https://") || x5u.len() > 1_024 || !x5u.chars().all(safe) {
            return Err(KeyError::BadUrl);
        }
        let block = |label| pem::blocks(key, label).and_then(|blocks| blocks.into_iter().next());
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = if let Some(pkcs8) = block("PRIVATE KEY") {
            EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8)
        } else {
            let sec1 = block("EC PRIVATE KEY").ok_or(KeyError::NotPem)?;
            EcdsaKeyPair::from_private_key_der(algorithm, &sec1)
        };
        Ok(Signer { key: key.map_err(|_| KeyError::NotP256)?, x5u: x5u.to_owned() })
    }

    /// The public key, an uncompressed point, to compare with a certificate's.
    pub fn public_key(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// The value of an Identity header in full form. `None` if the library fails to sign.
    ///
    /// The signature's nonce is the library's own: two calls give two signatures of one meaning.
    pub fn sign(&self, claims: &Claims) -> Option<String> {
        let mut value = signing_input(claims, &self.x5u);
        let signature = self.key.sign(&SystemRandom::new(), value.as_bytes()).ok()?;
        value.push('.');
        base64url::push_encoded(&mut value, signature.as_ref());
        value.push_str(";info=<");
        value.push_str(&self.x5u);
        value.push_str(">;alg=ES256;ppt=shaken");
        Some(value)
    }
}
