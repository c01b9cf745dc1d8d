//! How values with bounds of their own are written for another process, and read back: what comes
//! in is checked as at every other place that makes one.

use crate::srtp::LONGEST_MATERIAL;
use crate::{
    CarrierId, Fingerprint, FingerprintHash, InvalidId, SrtpKey, SrtpSuite, VoiceConnectorId,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroize as _;

impl TryFrom<String> for VoiceConnectorId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        VoiceConnectorId::new(&text)
    }
}

impl From<VoiceConnectorId> for String {
    fn from(id: VoiceConnectorId) -> String {
        id.as_str().to_owned()
    }
}

impl TryFrom<String> for CarrierId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        CarrierId::new(&text)
    }
}

impl From<CarrierId> for String {
    fn from(id: CarrierId) -> String {
        id.as_str().to_owned()
    }
}

/// As a pair of the hash function and the digest.
impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (self.hash(), self.digest()).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (hash, digest) = <(FingerprintHash, Vec<u8>)>::deserialize(from)?;
        Fingerprint::new(hash, &digest).ok_or_else(|| D::Error::custom("a digest of wrong length"))
    }
}

/// As the suite, the master key, the master salt and the identifier. For encrypted ways only.
impl Serialize for SrtpKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (self.suite(), self.master_key(), self.master_salt(), self.mki()).serialize(to)
    }
}

impl<'de> Deserialize<'de> for SrtpKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        type Parts = (SrtpSuite, Vec<u8>, Vec<u8>, Vec<u8>);
        let (suite, mut key, mut salt, mki) = Parts::deserialize(from)?;
        let mut material = [0; LONGEST_MATERIAL];
        let len = key.len() + salt.len();
        let whole = (key.len() == suite.key_len()).then(|| material.get_mut(..len)).flatten();
        let parsed = whole.and_then(|whole| {
            let (first, last) = whole.split_at_mut(key.len());
            first.copy_from_slice(&key);
            last.copy_from_slice(&salt);
            SrtpKey::new(suite, whole)
        });
        key.as_mut_slice().zeroize();
        salt.as_mut_slice().zeroize();
        material.zeroize();
        let key = parsed.and_then(|key| key.with_mki(&mki));
        key.ok_or_else(|| D::Error::custom("a key of wrong length"))
    }
}
