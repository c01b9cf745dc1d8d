//! How a leg's media is encrypted (SRTP, RFC 3711): what signalling agreed and the relay carries
//! out.

use crate::DtlsPlan;
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroize;

/// The longest master key and salt of any suite, in bytes.
pub(crate) const LONGEST_MATERIAL: usize = 46;
/// The longest master key identifier, in bytes. RFC 4568 section 6.1 allows 128; what peers send
/// has 1 to 4.
const LONGEST_MKI: usize = 16;

/// A cipher and an authentication for SRTP and SRTCP, by the name that `a=crypto` gives it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum SrtpSuite {
    /// AES-128 in counter mode, HMAC-SHA1 of 80 bits (RFC 4568 section 6.2.1).
    AesCm128HmacSha1_80,
    /// AES-128 in counter mode, HMAC-SHA1 of 32 bits on RTP and 80 on RTCP (section 6.2.2).
    AesCm128HmacSha1_32,
    /// AES-256 in counter mode, HMAC-SHA1 of 80 bits (RFC 6188).
    AesCm256HmacSha1_80,
    /// AES-256 in counter mode, HMAC-SHA1 of 32 bits on RTP and 80 on RTCP (RFC 6188).
    AesCm256HmacSha1_32,
    /// AES-128 in Galois/counter mode, tag of 128 bits (RFC 7714).
    AeadAes128Gcm,
    /// AES-256 in Galois/counter mode, tag of 128 bits (RFC 7714).
    AeadAes256Gcm,
}

impl SrtpSuite {
    /// Every suite, the strongest first.
    pub const ALL: [SrtpSuite; 6] = [
        SrtpSuite::AeadAes256Gcm,
        SrtpSuite::AeadAes128Gcm,
        SrtpSuite::AesCm256HmacSha1_80,
        SrtpSuite::AesCm256HmacSha1_32,
        SrtpSuite::AesCm128HmacSha1_80,
        SrtpSuite::AesCm128HmacSha1_32,
    ];

    /// The name in `a=crypto` (RFC 4568, RFC 6188 and RFC 7714).
    pub const fn name(self) -> &'static str {
        match self {
            SrtpSuite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            SrtpSuite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            SrtpSuite::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            SrtpSuite::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            SrtpSuite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            SrtpSuite::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// Length of the master key, in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            SrtpSuite::AesCm128HmacSha1_80
            | SrtpSuite::AesCm128HmacSha1_32
            | SrtpSuite::AeadAes128Gcm => 16,
            SrtpSuite::AesCm256HmacSha1_80
            | SrtpSuite::AesCm256HmacSha1_32
            | SrtpSuite::AeadAes256Gcm => 32,
        }
    }

    /// Length of the master salt, in bytes.
    pub const fn salt_len(self) -> usize {
        match self {
            SrtpSuite::AeadAes128Gcm | SrtpSuite::AeadAes256Gcm => 12,
            _ => 14,
        }
    }
}

impl fmt::Display for SrtpSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A suite with its master key, master salt and, where agreed, a master key identifier. Printing
/// it shows the suite only, and it is wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtpKey {
    suite: SrtpSuite,
    material: [u8; LONGEST_MATERIAL],
    mki: [u8; LONGEST_MKI],
    mki_len: u8,
}

impl SrtpKey {
    /// A key from the concatenation of master key and master salt, as `inline:` of `a=crypto`
    /// carries it; `None` when its length is not the suite's.
    pub fn new(suite: SrtpSuite, key_and_salt: &[u8]) -> Option<Self> {
        if key_and_salt.len() != suite.key_len() + suite.salt_len() {
            return None;
        }
        let mut material = [0; LONGEST_MATERIAL];
        material.get_mut(..key_and_salt.len())?.copy_from_slice(key_and_salt);
        Some(SrtpKey { suite, material, mki: [0; LONGEST_MKI], mki_len: 0 })
    }

    /// The same key with an identifier that stands in every packet (RFC 3711 section 3.1); `None`
    /// when it is longer than 16 bytes. An empty one means none.
    pub fn with_mki(mut self, mki: &[u8]) -> Option<Self> {
        self.mki.get_mut(..mki.len())?.copy_from_slice(mki);
        self.mki_len = u8::try_from(mki.len()).ok()?;
        Some(self)
    }

    /// The suite.
    pub const fn suite(&self) -> SrtpSuite {
        self.suite
    }

    /// The master key.
    pub fn master_key(&self) -> &[u8] {
        self.material.get(..self.suite.key_len()).unwrap_or_default()
    }

    /// The master salt.
    pub fn master_salt(&self) -> &[u8] {
        let start = self.suite.key_len();
        self.material.get(start..start + self.suite.salt_len()).unwrap_or_default()
    }

    /// The identifier; empty when there is none.
    pub fn mki(&self) -> &[u8] {
        self.mki.get(..usize::from(self.mki_len)).unwrap_or_default()
    }
}

impl Drop for SrtpKey {
    fn drop(&mut self) {
        self.material.zeroize();
    }
}

impl fmt::Debug for SrtpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpKey").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// How the media between Tandem and one leg is protected.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub enum LegSecurity {
    /// RTP as it is.
    #[default]
    Plain,
    /// SRTP with keys from the session descriptions (SDES, RFC 4568).
    Sdes(Box<SdesKeys>),
    /// SRTP with keys from a handshake on the media path (DTLS-SRTP, RFC 5764).
    Dtls(Box<DtlsPlan>),
}

/// The keys of one leg, one for each direction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SdesKeys {
    /// With which the leg protects what it sends to us: from its `a=crypto`.
    pub receive: SrtpKey,
    /// With which we protect what we send to it: from ours.
    pub send: SrtpKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_exactly_its_suites_length() {
        for suite in SrtpSuite::ALL {
            let length = suite.key_len() + suite.salt_len();
            let bytes: Vec<u8> = (0..=u8::MAX).take(length + 1).collect();
            let key = SrtpKey::new(suite, &bytes[..length]).expect("the right length");
            assert_eq!([key.master_key(), key.master_salt()].concat(), &bytes[..length]);
            assert_eq!(SrtpKey::new(suite, &bytes), None);
            assert_eq!(SrtpKey::new(suite, &bytes[..length - 1]), None);
        }
    }

    #[test]
    fn printing_a_key_shows_no_material() {
        let key = SrtpKey::new(SrtpSuite::AesCm128HmacSha1_80, &[0xab; 30]).expect("30 bytes");
        let key = key.with_mki(&[1]).expect("short");
        assert_eq!(key.mki(), [1]);
        assert_eq!(format!("{key:?}"), "SrtpKey { suite: AesCm128HmacSha1_80, .. }");
    }
}
