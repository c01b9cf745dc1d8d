//! The hash functions of digest authentication.

use std::fmt;

use md5::Md5;
use sha2::digest::Output;
use sha2::{Digest, Sha256, Sha512_256};

/// A hash function that RFC 7616 section 3.2 and RFC 8760 register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HashFunction {
    /// MD5: broken for signatures, still what most of the installed base can.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512/256.
    Sha512_256,
}

/// The `algorithm` of a challenge.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Algorithm {
    /// The hash function.
    pub hash: HashFunction,
    /// The `-sess` variant, whose key also depends on nonce and cnonce (RFC 7616 section 3.4.2).
    pub keyed_by_nonce: bool,
}

impl Algorithm {
    /// The plain form of a hash function.
    pub const fn plain(hash: HashFunction) -> Self {
        Algorithm { hash, keyed_by_nonce: false }
    }

    /// Reads the token, in any case; `None` for one that is not served.
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| token.eq_ignore_ascii_case(known.as_str()))
    }

    /// The registered token.
    pub const fn as_str(self) -> &'static str {
        match (self.hash, self.keyed_by_nonce) {
            (HashFunction::Md5, false) => "MD5",
            (HashFunction::Md5, true) => "MD5-sess",
            (HashFunction::Sha256, false) => "SHA-256",
            (HashFunction::Sha256, true) => "SHA-256-sess",
            (HashFunction::Sha512_256, false) => "SHA-512-256",
            (HashFunction::Sha512_256, true) => "SHA-512-256-sess",
        }
    }

    const ALL: [Algorithm; 6] = [
        Algorithm { hash: HashFunction::Md5, keyed_by_nonce: false },
        Algorithm { hash: HashFunction::Md5, keyed_by_nonce: true },
        Algorithm { hash: HashFunction::Sha256, keyed_by_nonce: false },
        Algorithm { hash: HashFunction::Sha256, keyed_by_nonce: true },
        Algorithm { hash: HashFunction::Sha512_256, keyed_by_nonce: false },
        Algorithm { hash: HashFunction::Sha512_256, keyed_by_nonce: true },
    ];
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl HashFunction {
    /// The hash of the pieces put together with colons, as lower-case hexadecimal digits.
    pub(crate) fn of(self, pieces: &[&[u8]]) -> Hex {
        match self {
            HashFunction::Md5 => joined::<Md5>(pieces),
            HashFunction::Sha256 => joined::<Sha256>(pieces),
            HashFunction::Sha512_256 => joined::<Sha512_256>(pieces),
        }
    }
}

fn joined<D: Digest>(pieces: &[&[u8]]) -> Hex {
    let mut hasher = D::new();
    for (position, piece) in pieces.iter().enumerate() {
        if position > 0 {
            hasher.update(b":");
        }
        hasher.update(piece);
    }
    let output: Output<D> = hasher.finalize();
    Hex::of(&output)
}

/// Up to 64 hexadecimal digits. A secret as a rule, so it has no `Debug`.
#[derive(Clone, Copy)]
pub(crate) struct Hex {
    digits: [u8; 64],
    length: usize,
}

impl Hex {
    /// Of at most 32 bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Hex { digits, length: (bytes.len() * 2).min(64) }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.length]
    }

    pub(crate) fn as_str(&self) -> &str {
        // Hexadecimal digits are ASCII.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// Whether two texts are the same, in a time that depends on nothing but their lengths.
pub(crate) fn same_in_constant_time(one: &[u8], two: &[u8]) -> bool {
    let difference = one.iter().zip(two).fold(0_u8, |found, (a, b)| found | (a ^ b));
    // Keeps the compiler from leaving the loop early.
    std::hint::black_box(difference) == 0 && one.len() == two.len()
}
