//! The response that proves a password (RFC 7616 section 3.4.1).

use super::algorithm::{Algorithm, Hex};

/// Everything but the password that a response depends on. Texts are without quotes and escapes.
#[derive(Clone, Copy)]
pub struct DigestInput<'a> {
    /// The hash function.
    pub algorithm: Algorithm,
    /// Who.
    pub username: &'a str,
    /// For what.
    pub realm: &'a str,
    /// Of the challenge.
    pub nonce: &'a str,
    /// Of the answering side; only used with a quality of protection or a `-sess` algorithm.
    pub cnonce: &'a str,
    /// Eight hexadecimal digits; only used with a quality of protection.
    pub nonce_count: &'a str,
    /// `None` as in RFC 2069, `Some(false)` for `auth`, `Some(true)` for `auth-int`.
    pub integrity: Option<bool>,
    /// Of the request.
    pub method: &'a str,
    /// `uri` of the credentials.
    pub uri: &'a str,
    /// Of the request; only used with `auth-int`.
    pub body: &'a [u8],
}

/// The response as lower-case hexadecimal digits.
pub fn digest_response(input: &DigestInput<'_>, password: &str) -> String {
    response(input, password).as_str().to_owned()
}

pub(crate) fn response(input: &DigestInput<'_>, password: &str) -> Hex {
    let hash = input.algorithm.hash;
    let (nonce, cnonce) = (input.nonce.as_bytes(), input.cnonce.as_bytes());
    let mut secret =
        hash.of(&[input.username.as_bytes(), input.realm.as_bytes(), password.as_bytes()]);
    if input.algorithm.keyed_by_nonce {
        secret = hash.of(&[secret.as_bytes(), nonce, cnonce]);
    }
    let (method, uri) = (input.method.as_bytes(), input.uri.as_bytes());
    let request = if input.integrity == Some(true) {
        hash.of(&[method, uri, hash.of(&[input.body]).as_bytes()])
    } else {
        hash.of(&[method, uri])
    };
    let Some(integrity) = input.integrity else {
        return hash.of(&[secret.as_bytes(), nonce, request.as_bytes()]);
    };
    let qop: &[u8] = if integrity { b"auth-int" } else { b"auth" };
    let count = input.nonce_count.as_bytes();
    hash.of(&[secret.as_bytes(), nonce, count, cnonce, qop, request.as_bytes()])
}
