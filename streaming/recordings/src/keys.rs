//! Keys: of data, and those that wrap them.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_sinks::{Access, Kms, Unserved};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Octets of a data key.
pub(crate) const DATA_KEY_BYTES: usize = 32;
const WRAPS: &[u8] = b"tandem recording data key";
/// What names a file's key without telling it.
const NAMES: &[u8] = b"tandem recording key id";
const FILE: &str = "file";
const AWS_KMS: &str = "aws-kms";

/// A key that encrypts, wiped when it goes.
#[derive(Clone)]
pub struct PlainKey(Zeroizing<[u8; DATA_KEY_BYTES]>);

impl PlainKey {
    /// Keeps a key.
    pub fn new(octets: [u8; DATA_KEY_BYTES]) -> Self {
        PlainKey(Zeroizing::new(octets))
    }

    pub(crate) fn octets(&self) -> &[u8; DATA_KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainKey(…)")
    }
}

/// A data key as a file carries it: encrypted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// Who opens it: `file` or `aws-kms`.
    pub provider: String,
    /// Which key of theirs: an ARN, or the name of a file's key.
    pub key_id: String,
    /// The data key in Base64. Of a key file: 12 octets of nonce, then AES-256-GCM of it.
    pub wrapped: String,
    /// What KMS is told besides, and has in its trail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<(String, String)>,
}

/// A data key, both ways.
#[derive(Clone, Debug)]
pub(crate) struct DataKey {
    pub(crate) plain: PlainKey,
    pub(crate) envelope: Envelope,
}

/// What KMS is told of the keys that it makes here, which its policies may demand.
pub fn key_context() -> Vec<(String, String)> {
    vec![("purpose".to_owned(), "tandem recording".to_owned())]
}

/// What wraps data keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyConfig {
    /// A file with 64 hexadecimal digits.
    File(PathBuf),
    /// A key of KMS.
    Kms {
        /// Where KMS is.
        access: Access,
        /// Id, alias or ARN.
        key: String,
    },
}

/// Why a key cannot be had.
#[derive(Debug)]
pub enum KeyError {
    /// The file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// The file has no key.
    NoKey(PathBuf),
    /// It was wrapped by another key than this.
    OtherKey {
        /// The envelope's.
        wrapped_by: String,
        /// Ours.
        ours: String,
    },
    /// The envelope was changed.
    Changed,
    /// KMS does not serve it.
    Kms(Unserved),
    /// No random number, or no thread, could be had.
    System(io::Error),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Unreadable(path, error) => write!(
                f,
                "key_file: {}: {error}; make one: (umask 077; openssl rand -hex 32 > {0})",
                path.display()
            ),
            KeyError::NoKey(path) => write!(
                f,
                "key_file: {} holds no key of 64 hexadecimal digits; make one: (umask 077; openssl \
                 rand -hex 32 > FILE)",
                path.display()
            ),
            KeyError::OtherKey { wrapped_by, ours } => write!(
                f,
                "it was encrypted with the key {wrapped_by}, and this configuration has {ours}: name the \
                 other one by key_file or kms_key"
            ),
            KeyError::Changed => f.write_str("its wrapped key was changed"),
            KeyError::Kms(unserved) => write!(f, "KMS: {unserved}"),
            KeyError::System(error) => write!(f, "no key can be made: {error}"),
        }
    }
}

impl std::error::Error for KeyError {}

/// Gives data keys, and opens them again.
pub struct Keys(Provider);

enum Provider {
    File { key: LessSafeKey, key_id: String },
    Kms { kms: Box<Kms>, key: String, runtime: tokio::runtime::Runtime },
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Provider::File { key_id, .. } => write!(f, "Keys(file {key_id})"),
            Provider::Kms { key, .. } => write!(f, "Keys(KMS {key})"),
        }
    }
}

impl Keys {
    /// Reads the key file; KMS is asked when it is needed.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn new(config: &KeyConfig) -> Result<Self, KeyError> {
        Ok(Keys(match config {
            KeyConfig::File(path) => {
                let (key, key_id) = read_key_file(path)?;
                Provider::File { key, key_id }
            }
            KeyConfig::Kms { access, key } => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.map_err(KeyError::System)?;
                Provider::Kms { kms: Box::new(Kms::new(access)), key: key.clone(), runtime }
            }
        }))
    }

    /// A new data key. It may take as long as KMS does.
    pub(crate) fn generate(&mut self) -> Result<DataKey, KeyError> {
        match &mut self.0 {
            Provider::File { key, key_id } => {
                let plain = PlainKey::new(random()?);
                let wrapped = wrap(key, &plain)?;
                let (provider, key_id) = (FILE.to_owned(), key_id.clone());
                let wrapped = STANDARD.encode(wrapped);
                let envelope = Envelope { provider, key_id, wrapped, context: Vec::new() };
                Ok(DataKey { plain, envelope })
            }
            Provider::Kms { kms, key, runtime } => {
                let context = key_context();
                let made = runtime.block_on(kms.generate(key, &context)).map_err(KeyError::Kms)?;
                let plain = PlainKey::new(made.plain);
                let wrapped = STANDARD.encode(made.wrapped);
                let (provider, key_id) = (AWS_KMS.to_owned(), made.key_id);
                Ok(DataKey { plain, envelope: Envelope { provider, key_id, wrapped, context } })
            }
        }
    }

    /// The data key of an envelope. It may take as long as KMS does.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(&mut self, envelope: &Envelope) -> Result<PlainKey, KeyError> {
        let wrapped = STANDARD.decode(&envelope.wrapped).map_err(|_| KeyError::Changed)?;
        let other = |ours: String| {
            let wrapped_by = format!("{} of {}", envelope.key_id, envelope.provider);
            Err(KeyError::OtherKey { wrapped_by, ours })
        };
        match &mut self.0 {
            Provider::File { key, key_id } => {
                if envelope.provider != FILE || envelope.key_id != *key_id {
                    return other(format!("{key_id} of {FILE}"));
                }
                unwrap(key, wrapped).ok_or(KeyError::Changed)
            }
            Provider::Kms { kms, key, runtime } => {
                if envelope.provider != AWS_KMS {
                    return other(format!("{key} of {AWS_KMS}"));
                }
                // By the envelope's own key, which the setting may have named by an alias, or before it
                // was changed.
                let opened = kms.open(&envelope.key_id, &wrapped, &envelope.context);
                runtime.block_on(opened).map(PlainKey::new).map_err(KeyError::Kms)
            }
        }
    }
}

/// Reads a key file, and what its key is called.
fn read_key_file(path: &Path) -> Result<(LessSafeKey, String), KeyError> {
    let text = Zeroizing::new(
        fs::read(path).map_err(|error| KeyError::Unreadable(path.to_owned(), error))?,
    );
    let octets = hexadecimal(text.trim_ascii()).ok_or_else(|| KeyError::NoKey(path.to_owned()))?;
    let named = Zeroizing::new([NAMES, octets.as_slice()].concat());
    let name = digest(&SHA256, &named);
    let key_id: String = name.as_ref().iter().take(8).map(|octet| format!("{octet:02x}")).collect();
    let key = UnboundKey::new(&AES_256_GCM, octets.as_slice());
    let key = key.map_err(|_| KeyError::NoKey(path.to_owned()))?;
    Ok((LessSafeKey::new(key), key_id))
}

fn hexadecimal(text: &[u8]) -> Option<Zeroizing<[u8; DATA_KEY_BYTES]>> {
    if text.len() != 2 * DATA_KEY_BYTES {
        return None;
    }
    let digit =
        |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut key = Zeroizing::new([0; DATA_KEY_BYTES]);
    for (octet, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
        *octet = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}

fn wrap(key: &LessSafeKey, plain: &PlainKey) -> Result<Vec<u8>, KeyError> {
    let nonce: [u8; NONCE_LEN] = random()?;
    let mut octets = Zeroizing::new(plain.octets().to_vec());
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(WRAPS),
            &mut octets,
        )
        .map_err(|_| KeyError::System(io::ErrorKind::Other.into()))?;
    Ok([nonce.as_slice(), &octets, tag.as_ref()].concat())
}

fn unwrap(key: &LessSafeKey, wrapped: Vec<u8>) -> Option<PlainKey> {
    let (nonce, octets) = wrapped.split_at_checked(NONCE_LEN)?;
    let mut octets = Zeroizing::new(octets.to_vec());
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let opened = key.open_in_place(nonce, Aad::from(WRAPS), &mut octets).ok()?;
    Some(PlainKey::new(<[u8; DATA_KEY_BYTES]>::try_from(&*opened).ok()?))
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut octets = [0; N];
    let drawn = aws_lc_rs::rand::fill(&mut octets);
    drawn.map_err(|_| KeyError::System(io::Error::other("there is no random number")))?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";

    fn keys(text: &str) -> Result<Keys, KeyError> {
        let scratch = Scratch::new();
        let path = scratch.path().join("key");
        fs::write(&path, text).unwrap();
        Keys::new(&KeyConfig::File(path))
    }

    #[test]
    fn a_data_key_is_opened_by_the_key_that_wrapped_it() {
        let mut keys_of_file = keys(&format!("{HEX}\n")).unwrap();
        let made = keys_of_file.generate().unwrap();
        let other = keys_of_file.generate().unwrap();
        assert_ne!(made.plain.octets(), other.plain.octets());
        let opened = keys_of_file.open(&made.envelope).unwrap();
        assert_eq!(opened.octets(), made.plain.octets());
        let changed =
            Envelope { wrapped: other.envelope.wrapped.replace('A', "B"), ..made.envelope };
        if changed.wrapped != other.envelope.wrapped {
            assert!(matches!(keys_of_file.open(&changed), Err(KeyError::Changed)));
        }
        let mut stranger = keys(&HEX.replace("00", "ff")).unwrap();
        assert!(matches!(stranger.open(&other.envelope), Err(KeyError::OtherKey { .. })));
    }

    #[test]
    fn what_is_no_key_is_told_with_what_to_do() {
        for text in ["", "00", &HEX.replace('0', "g"), &format!("{HEX}00")] {
            let error = keys(text).unwrap_err().to_string();
            assert!(error.contains("openssl rand -hex 32"), "{error}");
        }
        let missing = Keys::new(&KeyConfig::File("/nonexistent/key".into())).unwrap_err();
        assert!(missing.to_string().contains("openssl rand -hex 32 > /nonexistent/key"));
    }

    #[test]
    fn keys_are_not_shown() {
        assert_eq!(format!("{:?}", PlainKey::new([1; 32])), "PlainKey(…)");
        assert!(!format!("{:?}", keys(HEX).unwrap()).contains("0102"));
    }
}
