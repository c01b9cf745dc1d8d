//! Secrets in the file: sealed with AES-256-GCM under a key that is on no disk. Each start of an edge
//! draws one; its relays keep it for the next start.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use relay_control::SealKey;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// What nobody reads without the key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// Another one for each that is sealed under a key.
    number: u64,
    /// Ciphertext and tag, in hexadecimal digits.
    content: String,
}

/// Seals under a key of its own.
pub(crate) struct Sealer {
    key: LessSafeKey,
    next: u64,
}

impl Sealer {
    /// `key` seals nowhere else: the numbers begin anew.
    pub(crate) fn new(key: &SealKey) -> Self {
        Sealer { key: cipher(key), next: 0 }
    }

    /// Seals `content` for its place, which is known to the reader too; `None` when the cipher fails.
    pub(crate) fn seal(&mut self, place: &[u8], mut content: Vec<u8>) -> Option<Sealed> {
        let number = self.next;
        self.next += 1;
        self.key.seal_in_place_append_tag(nonce(number), Aad::from(place), &mut content).ok()?;
        let mut digits = String::with_capacity(content.len() * 2);
        for octet in content {
            // Writing into a String cannot fail.
            let _ = write!(digits, "{octet:02x}");
        }
        Some(Sealed { number, content: digits })
    }
}

impl Sealed {
    /// What was sealed for `place`, if it was under one of `keys`.
    pub(crate) fn open(&self, place: &[u8], keys: &[SealKey]) -> Option<Vec<u8>> {
        let sealed = octets(&self.content)?;
        keys.iter().find_map(|key| {
            let mut content = sealed.clone();
            let opened =
                cipher(key).open_in_place(nonce(self.number), Aad::from(place), &mut content);
            let length = opened.ok()?.len();
            content.truncate(length);
            Some(content)
        })
    }
}

fn cipher(key: &SealKey) -> LessSafeKey {
    #[expect(clippy::expect_used, reason = "the key has the cipher's length by its type")]
    let key = UnboundKey::new(&AES_256_GCM, key.as_bytes()).expect("32 octets");
    LessSafeKey::new(key)
}

fn nonce(number: u64) -> Nonce {
    let mut octets = [0; NONCE_LEN];
    octets[NONCE_LEN - 8..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(octets)
}

fn octets(digits: &str) -> Option<Vec<u8>> {
    let digit = |d: &u8| char::from(*d).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}
