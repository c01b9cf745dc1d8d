//! Nonces that need no memory: their time of issue, a random number, and a keyed hash of both.

use std::net::IpAddr;
use std::time::Duration;

use model::Instant;
use sha2::{Digest, Sha256};

use super::algorithm::{Hex, same_in_constant_time};
use crate::random::Random;

/// What tells one nonce from another, in the order of their issue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct NonceId {
    pub(crate) issued_millis: u64,
    pub(crate) random: u64,
}

/// Issues nonces and recognises its own. The secret lives as long as the process: after a restart
/// every nonce is stale, and clients ask once more with a fresh one.
pub(crate) struct NonceMint {
    secret: [u8; 32],
}

const ID_CHARS: usize = 12 + 16;
const MAC_CHARS: usize = 32;

impl NonceMint {
    pub(crate) fn new(random: &mut dyn Random) -> Self {
        let mut secret = [0; 32];
        for chunk in secret.chunks_exact_mut(8) {
            chunk.copy_from_slice(&random.next_u64().to_be_bytes());
        }
        NonceMint { secret }
    }

    /// A nonce for `realm`, to be used from `source` alone: nobody who sends under another's
    /// address can have one, so a failure is that of its source.
    pub(crate) fn issue(
        &self,
        now: Instant,
        realm: &str,
        source: IpAddr,
        random: &mut dyn Random,
    ) -> String {
        let id = NonceId {
            issued_millis: now.as_millis() & 0xffff_ffff_ffff,
            random: random.next_u64(),
        };
        let mut nonce = format!("{:012x}{:016x}", id.issued_millis, id.random);
        let mac = self.mac(&nonce, realm, source);
        nonce.push_str(&mac.as_str()[..MAC_CHARS]);
        nonce
    }

    /// Which nonce it is, if it was issued here for this realm and source.
    pub(crate) fn recognise(&self, nonce: &str, realm: &str, source: IpAddr) -> Option<NonceId> {
        if nonce.len() != ID_CHARS + MAC_CHARS {
            return None;
        }
        let (id, mac) = (nonce.get(..ID_CHARS)?, nonce.get(ID_CHARS..)?);
        let expected = self.mac(id, realm, source);
        if !same_in_constant_time(&expected.as_bytes()[..MAC_CHARS], mac.as_bytes()) {
            return None;
        }
        Some(NonceId {
            issued_millis: u64::from_str_radix(id.get(..12)?, 16).ok()?,
            random: u64::from_str_radix(id.get(12..)?, 16).ok()?,
        })
    }

    fn mac(&self, id: &str, realm: &str, source: IpAddr) -> Hex {
        let source = match source.to_canonical() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        self.hmac(&[id.as_bytes(), &source, realm.as_bytes()])
    }

    /// HMAC-SHA-256 (RFC 2104); the key is shorter than a block.
    fn hmac(&self, pieces: &[&[u8]]) -> Hex {
        let keyed = |pad: u8| {
            let mut block = [pad; 64];
            block.iter_mut().zip(self.secret).for_each(|(byte, key)| *byte ^= key);
            let mut hasher = Sha256::new();
            hasher.update(block);
            hasher
        };
        let mut inner = keyed(0x36);
        pieces.iter().for_each(|piece| inner.update(piece));
        let mut outer = keyed(0x5c);
        outer.update(inner.finalize());
        Hex::of(&outer.finalize())
    }
}

impl NonceId {
    pub(crate) fn age(self, now: Instant) -> Option<Duration> {
        now.as_millis().checked_sub(self.issued_millis).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::StepRandom;

    #[test]
    fn the_keyed_hash_is_hmac_sha_256() {
        // RFC 4231 section 4.2: key of 20 bytes 0x0b, zero-padded, over "Hi There".
        let mut secret = [0; 32];
        secret[..20].fill(0x0b);
        let mint = NonceMint { secret };
        assert_eq!(
            mint.hmac(&[b"Hi ", b"There"]).as_str(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }

    #[test]
    fn only_untouched_nonces_of_the_realm_and_source_are_recognised() {
        let mut random = StepRandom::new(5);
        let mint = NonceMint::new(&mut random);
        let now = Instant::from_millis(77_000);
        let source: IpAddr = "192.0.2.1".parse().unwrap();
        let nonce = mint.issue(now, "realm", source, &mut random);
        let recognised = |mint: &NonceMint, nonce: &str, realm: &str, source: &str| {
            mint.recognise(nonce, realm, source.parse().unwrap()).map(|id| id.issued_millis)
        };
        assert_eq!(recognised(&mint, &nonce, "realm", "192.0.2.1"), Some(77_000));
        assert_eq!(recognised(&mint, &nonce, "realm", "::ffff:192.0.2.1"), Some(77_000));
        assert_eq!(recognised(&mint, &nonce, "other", "192.0.2.1"), None);
        assert_eq!(recognised(&mint, &nonce, "realm", "192.0.2.2"), None);
        let other = NonceMint::new(&mut random);
        assert_eq!(recognised(&other, &nonce, "realm", "192.0.2.1"), None);
        for at in 0..nonce.len() {
            let mut bent = nonce.clone().into_bytes();
            bent[at] ^= 1;
            let bent = String::from_utf8(bent).unwrap();
            assert_eq!(recognised(&mint, &bent, "realm", "192.0.2.1"), None);
            assert_eq!(recognised(&mint, &nonce[..at], "realm", "192.0.2.1"), None);
        }
    }
}
