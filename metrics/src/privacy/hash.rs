//! Numbers as hashes under a key: the same number, the same letters, and no way back without the key.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// Octets of a key.
pub const KEY_LENGTH: usize = 32;
/// SHA-256 works on blocks of so many octets.
const BLOCK: usize = 64;
/// Octets of the HMAC that are shown: 64 bit, so that among a hundred million numbers two have the
/// same hash with a probability of 1 in 3,700.
const SHOWN: usize = 8;
/// One letter for four bits. No digits, so that a hash is never taken for a number, and no vowels.
const LETTERS: &[u8; 16] = b"bcdfghjkmnpqrstv";

/// The key of hashes. Whoever has it can find a number by trying all; keep it as secret as the numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct NumberKey([u8; KEY_LENGTH]);

impl NumberKey {
    /// The key that these octets are.
    pub const fn new(octets: [u8; KEY_LENGTH]) -> Self {
        NumberKey(octets)
    }

    /// `h` and sixteen letters, for `text` as a thing of kind `kind`.
    pub(super) fn hash(&self, kind: &str, text: &[u8]) -> String {
        let mac = hmac(&self.0, &[kind.as_bytes(), b"\0", text]);
        let letter = |bits: u8| LETTERS.get(usize::from(bits & 15)).map_or('h', |l| char::from(*l));
        let pair = |octet: &u8| [letter(octet >> 4), letter(*octet)];
        let letters = mac.iter().take(SHOWN).flat_map(pair);
        std::iter::once('h').chain(letters).collect()
    }
}

impl fmt::Debug for NumberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NumberKey(…)")
    }
}

/// HMAC-SHA-256 (RFC 2104) of the parts, one after the other. `key` is not longer than a block.
fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let pad = |octet: u8| {
        let mut block = [octet; BLOCK];
        block.iter_mut().zip(key).for_each(|(place, key)| *place ^= key);
        block
    };
    let mut inner = Sha256::new_with_prefix(pad(0x36));
    parts.iter().for_each(|part| inner.update(part));
    let mut outer = Sha256::new_with_prefix(pad(0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    #[test]
    fn hmac_gives_the_vectors_of_rfc_4231() {
        assert_eq!(
            hex(&hmac(&[0x0b; 20], &[b"Hi There"])),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            hex(&hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&hmac(&[0xaa; 20], &[&[0xdd; 50]])),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
        );
    }

    #[test]
    fn a_hash_has_letters_alone_and_tells_its_key_and_kind_apart() {
        let (one, other) = (NumberKey::new([1; 32]), NumberKey::new([2; 32]));
        let hash = one.hash("number", b"12065550100");
        assert_eq!(hash.len(), 17);
        assert!(hash.bytes().all(|octet| octet.is_ascii_lowercase()), "{hash}");
        assert_eq!(hash, one.hash("number", b"12065550100"));
        assert_ne!(hash, other.hash("number", b"12065550100"));
        assert_ne!(hash, one.hash("name", b"12065550100"));
        assert_eq!(format!("{one:?}"), "NumberKey(…)");
    }
}
