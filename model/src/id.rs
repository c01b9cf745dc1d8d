//! Identities. Each is its own type, so that one cannot stand in for another.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The identity of a voice connector: 21 or 22 characters of `[a-z0-9]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VoiceConnectorId(Arc<str>);

/// The identity of a carrier: 1 to 64 characters of `[A-Za-z0-9_.-]`, chosen by the operator.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CarrierId(Arc<str>);

/// Why a text is not an identity of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidId {
    /// What the text was meant to be, for example "voice connector id".
    pub kind: &'static str,
    /// What such an id looks like.
    pub expected: &'static str,
    /// The text that was given.
    pub given: String,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a {}: expected {}", self.given, self.kind, self.expected)
    }
}

impl std::error::Error for InvalidId {}

impl VoiceConnectorId {
    /// Checks `text` and makes it an id.
    ///
    /// # Errors
    /// [`InvalidId`] unless `text` is 21 or 22 characters of `[a-z0-9]`.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let valid = matches!(text.len(), 21 | 22)
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if valid {
            Ok(VoiceConnectorId(text.into()))
        } else {
            Err(InvalidId {
                kind: "voice connector id",
                expected: "21 or 22 characters of a-z and 0-9",
                given: text.to_owned(),
            })
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CarrierId {
    /// Checks `text` and makes it an id.
    ///
    /// # Errors
    /// [`InvalidId`] unless `text` is 1 to 64 characters of `[A-Za-z0-9_.-]`.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let valid = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        if valid {
            Ok(CarrierId(text.into()))
        } else {
            Err(InvalidId {
                kind: "carrier id",
                expected: "1 to 64 characters of letters, digits, '_', '.' and '-'",
                given: text.to_owned(),
            })
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VoiceConnectorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for VoiceConnectorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CarrierId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CarrierId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identity of a call in every log, event, metric and record: a UUID (RFC 9562, version 4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransactionId(u128);

impl TransactionId {
    /// Makes a version 4 UUID of 128 random bits; the six version and variant bits are set here.
    pub const fn from_random(bits: u128) -> Self {
        const VERSION: u128 = 0x4 << 76;
        const VARIANT: u128 = 0x2 << 62;
        let cleared = bits & !(0xf << 76) & !(0x3 << 62);
        TransactionId(cleared | VERSION | VARIANT)
    }

    /// Reads the 36-character form, in either case.
    ///
    /// # Errors
    /// [`InvalidId`] when the text is not a UUID.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId {
            kind: "transaction id",
            expected: "a UUID such as 123e4567-e89b-42d3-a456-426614174000",
            given: text.to_owned(),
        };
        if text.len() != 36 {
            return Err(invalid());
        }
        let mut bits: u128 = 0;
        for (position, byte) in text.bytes().enumerate() {
            if matches!(position, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return Err(invalid());
                }
                continue;
            }
            let digit = char::from(byte).to_digit(16).ok_or_else(invalid)?;
            bits = bits << 4 | u128::from(digit);
        }
        Ok(TransactionId(bits))
    }

    /// The 128 bits.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The id of which [`TransactionId::as_u128`] gave these bits.
    pub const fn from_u128(bits: u128) -> Self {
        TransactionId(bits)
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let b = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            (b >> 96) as u32,
            (b >> 80) as u16,
            (b >> 64) as u16,
            (b >> 48) as u16,
            b & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The identity of one relayed media stream (both its sides), unique while the node runs.
///
/// Signalling makes it; the media relay finds the stream by it and spreads streams over its
/// workers by its [`place`](MediaId::place).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct MediaId(pub u64);

impl MediaId {
    /// What says which of a relay's workers has the stream: streams of one place are on the same one.
    /// The other eight bits, the highest, tell the streams of a place apart.
    pub const fn place(self) -> u64 {
        self.0 & (u64::MAX >> 8)
    }

    /// Another stream's id at the same place.
    #[must_use]
    pub const fn beside(self, serial: u8) -> MediaId {
        MediaId(self.place() | (serial as u64) << 56)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_transaction_id_is_a_version_4_uuid_that_survives_its_text() {
        let id = TransactionId::from_random(u128::MAX);
        let text = id.to_string();
        assert_eq!(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(TransactionId::parse(&text), Ok(id));
        assert_eq!(
            TransactionId::from_random(0).to_string(),
            "00000000-0000-4000-8000-000000000000"
        );
    }

    #[test]
    fn what_is_not_a_uuid_is_refused() {
        for text in [
            "",
            "ffffffff-ffff-4fff-bfff-fffffffffff",
            "ffffffffx4fff-4fff-bfff-ffffffffffff",
            "gfffffff-ffff-4fff-bfff-ffffffffffff",
        ] {
            assert!(TransactionId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ids_hold_both_sides_of_their_length_bounds() {
        assert!(VoiceConnectorId::new("abcdef1ghij2klmno3pqr").is_ok());
        assert!(VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").is_ok());
        assert!(VoiceConnectorId::new("abcdef1ghij2klmno3pqr45").is_err());
        assert!(VoiceConnectorId::new("abcdef1ghij2klmno3pq").is_err());
        assert!(VoiceConnectorId::new("Abcdef1ghij2klmno3pqr4").is_err());
        assert!(CarrierId::new("").is_err());
        assert!(CarrierId::new(&"a".repeat(64)).is_ok());
        assert!(CarrierId::new(&"a".repeat(65)).is_err());
    }
}
