//! The key parameters of a crypto attribute (RFC 4568 section 6.1).

use super::{CryptoFault, base64};
use model::{SrtpKey, SrtpSuite};
use std::fmt;
use std::fmt::Write as _;
use zeroize::Zeroizing;

/// More keys in one line than this are no crypto attribute.
const MAX_KEYS: usize = 16;
/// The longest identifier that RFC 4568 section 6.1 allows, in bytes.
const LONGEST_MKI: usize = 128;
/// The most packets that any suite protects with one key (RFC 3711 section 9.2).
const LONGEST_LIFETIME: u64 = 1 << 48;

/// One `inline:` key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct InlineKey {
    /// With its identifier, unless that is longer than a key can hold.
    pub(super) key: SrtpKey,
    /// As it was written: the value in decimal and the length in bytes.
    pub(super) mki: Option<(Box<str>, usize)>,
    pub(super) lifetime: Option<u64>,
}

impl fmt::Debug for InlineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

impl InlineKey {
    fn parse(suite: SrtpSuite, text: &str) -> Result<Self, CryptoFault> {
        let malformed = CryptoFault::Malformed;
        let (method, info) = text.split_once(':').ok_or(malformed("a=crypto has no key method"))?;
        if !method.eq_ignore_ascii_case("inline") {
            return Err(malformed("the key method of a=crypto is not inline"));
        }
        let mut parts = info.split('|');
        let material = base64::bytes(parts.next().unwrap_or_default())
            .map(Zeroizing::new)
            .ok_or(malformed("the key of a=crypto is not Base64"))?;
        let key = SrtpKey::new(suite, &material)
            .ok_or(malformed("the key of a=crypto has not its suite's length"))?;
        let mut inline = InlineKey { key, mki: None, lifetime: None };
        for part in parts {
            match part.split_once(':') {
                Some((value, length)) if inline.mki.is_none() => inline.take_mki(value, length)?,
                None if inline.mki.is_none() && inline.lifetime.is_none() => {
                    let lifetime = lifetime(part);
                    inline.lifetime =
                        Some(lifetime.ok_or(malformed("the lifetime of a=crypto is no number"))?);
                }
                _ => return Err(malformed("a=crypto has too many key parameters")),
            }
        }
        Ok(inline)
    }

    fn take_mki(&mut self, value: &str, length: &str) -> Result<(), CryptoFault> {
        let malformed = CryptoFault::Malformed("the MKI of a=crypto is not 'value:length'");
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // 128 bytes are 309 digits.
        if !digits(value) || value.len() > 309 || !digits(length) {
            return Err(malformed);
        }
        let length: usize = length.parse().map_err(|_| malformed)?;
        if !(1..=LONGEST_MKI).contains(&length) {
            return Err(malformed);
        }
        self.mki = Some((value.into(), length));
        if length > LONGEST_HELD {
            return Ok(());
        }
        let number: u128 = value.parse().map_err(|_| malformed)?;
        let bytes = number.to_be_bytes();
        let (over, fits) = bytes.split_at(bytes.len() - length);
        if over.iter().any(|&byte| byte != 0) {
            return Err(malformed);
        }
        self.key = self.key.clone().with_mki(fits).ok_or(malformed)?;
        Ok(())
    }

    pub(super) fn has_long_mki(&self) -> bool {
        self.mki.as_ref().is_some_and(|(_, length)| *length > LONGEST_HELD)
    }

    pub(super) fn push(&self, out: &mut String) {
        out.push_str("inline:");
        let material = [self.key.master_key(), self.key.master_salt()].concat();
        base64::push(out, &Zeroizing::new(material));
        // Writing into a String cannot fail.
        match self.lifetime {
            Some(packets) if packets.is_power_of_two() => {
                let _ = write!(out, "|2^{}", packets.trailing_zeros());
            }
            Some(packets) => {
                let _ = write!(out, "|{packets}");
            }
            None => {}
        }
        if let Some((value, length)) = &self.mki {
            let _ = write!(out, "|{value}:{length}");
        }
    }
}

/// The longest identifier that [`SrtpKey`] holds, in bytes.
const LONGEST_HELD: usize = 16;

/// `key-param *(";" key-param)`.
pub(super) fn parse(suite: SrtpSuite, text: &str) -> Result<Vec<InlineKey>, CryptoFault> {
    let mut keys = Vec::with_capacity(1);
    for param in text.split(';') {
        if keys.len() == MAX_KEYS {
            return Err(CryptoFault::Malformed("a=crypto has too many keys"));
        }
        keys.push(InlineKey::parse(suite, param)?);
    }
    // RFC 4568 section 6.1: several keys need identifiers, all of one length.
    let length = |key: &InlineKey| key.mki.as_ref().map(|(_, length)| *length);
    let first = keys.first().and_then(length);
    if keys.len() > 1 && (first.is_none() || keys.iter().any(|key| length(key) != first)) {
        return Err(CryptoFault::Malformed("several keys of a=crypto without MKIs of one length"));
    }
    Ok(keys)
}

/// `2^n` or a decimal, from 1 to 2^48.
fn lifetime(text: &str) -> Option<u64> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let packets = match text.strip_prefix("2^") {
        Some(power) if digits(power) => 1_u64.checked_shl(power.parse().ok()?)?,
        None if digits(text) => text.parse().ok()?,
        _ => return None,
    };
    (1..=LONGEST_LIFETIME).contains(&packets).then_some(packets)
}
