//! `a=crypto` (RFC 4568): the keys of an SRTP stream in its description.

mod base64;
mod key_params;
mod parameters;

use key_params::InlineKey;
pub use parameters::{FecOrder, SessionParameter};

use model::{SrtpKey, SrtpSuite};
use std::fmt;

/// More session parameters than any suite has are no crypto attribute.
const MAX_PARAMETERS: usize = 16;

/// One `a=crypto` line: a suite, under a tag, with the keys of whoever wrote it.
///
/// Printing it shows no key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CryptoAttribute {
    tag: u32,
    suite: SrtpSuite,
    /// As the line names the suite: an answer has to name it as its offer did.
    name: &'static str,
    keys: Vec<InlineKey>,
    parameters: Vec<SessionParameter>,
}

/// Why an `a=crypto` line cannot be taken. The other lines of its stream may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CryptoFault {
    /// It is not as RFC 4568 section 9.1 writes it.
    Malformed(&'static str),
    /// A suite that the relay does not have.
    UnknownSuite,
    /// A session parameter that has to be obeyed (RFC 4568 section 6.3) and is not served.
    Parameter,
    /// More than one master key: the relay holds one for each direction.
    SeveralKeys,
    /// A master key identifier of more than 16 bytes.
    LongMki,
}

impl fmt::Display for CryptoFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CryptoFault::Malformed(reason) => reason,
            CryptoFault::UnknownSuite => "the suite is not supported",
            CryptoFault::Parameter => "a mandatory session parameter is not supported",
            CryptoFault::SeveralKeys => "several master keys in one line are not supported",
            CryptoFault::LongMki => "the master key identifier is longer than 16 bytes",
        })
    }
}

impl std::error::Error for CryptoFault {}

impl CryptoAttribute {
    /// A line of ours: one key, without lifetime, identifier or session parameters.
    ///
    /// `tag` is a decimal of at most nine digits (RFC 4568 section 9.1); one that is longer is cut
    /// to those.
    pub fn new(tag: u32, key: SrtpKey) -> Self {
        CryptoAttribute {
            tag: tag % 1_000_000_000,
            suite: key.suite(),
            name: key.suite().name(),
            keys: vec![InlineKey { key, mki: None, lifetime: None }],
            parameters: Vec::new(),
        }
    }

    /// The line that answers this one with a key of ours: its tag, and its suite as it is spelled.
    /// `None` when the key is of another suite.
    pub fn answered_with(&self, key: SrtpKey) -> Option<Self> {
        let name = self.name;
        (key.suite() == self.suite).then(|| CryptoAttribute { name, ..Self::new(self.tag, key) })
    }

    /// Reads the value of the attribute: what follows `a=crypto:`.
    ///
    /// # Errors
    /// [`CryptoFault::Malformed`] or [`CryptoFault::UnknownSuite`], whose keys have no length that
    /// is known. A line that is read may still not be [`usable`](Self::usable).
    pub fn parse(value: &str) -> Result<Self, CryptoFault> {
        let malformed = |reason| Err(CryptoFault::Malformed(reason));
        let mut words = value.split_ascii_whitespace();
        let (Some(tag), Some(suite), Some(keys)) = (words.next(), words.next(), words.next())
        else {
            return malformed("a=crypto is not 'tag suite key-params'");
        };
        if tag.len() > 9 || !tag.bytes().all(|byte| byte.is_ascii_digit()) {
            return malformed("the tag of a=crypto is not a decimal of at most nine digits");
        }
        let Ok(tag) = tag.parse() else { return malformed("the tag of a=crypto is no number") };
        let (suite, name) = suite_of(suite).ok_or(CryptoFault::UnknownSuite)?;
        let keys = key_params::parse(suite, keys)?;
        let mut parameters = Vec::new();
        for word in words {
            if parameters.len() == MAX_PARAMETERS {
                return malformed("a=crypto has too many session parameters");
            }
            parameters.push(SessionParameter::parse(word)?);
        }
        Ok(CryptoAttribute { tag, suite, name, keys, parameters })
    }

    /// The tag, by which an answer names the line that it chose.
    pub const fn tag(&self) -> u32 {
        self.tag
    }

    /// The suite.
    pub const fn suite(&self) -> SrtpSuite {
        self.suite
    }

    /// The session parameters, in their order.
    pub fn parameters(&self) -> &[SessionParameter] {
        &self.parameters
    }

    /// For how many packets each key may be used (RFC 4568 section 6.1), in the order of the keys;
    /// `None` is the most that the suite allows. It binds whoever wrote the line.
    pub fn lifetimes(&self) -> impl Iterator<Item = Option<u64>> + '_ {
        self.keys.iter().map(|key| key.lifetime)
    }

    /// The key, with its identifier if every packet has one.
    ///
    /// # Errors
    /// Why the line cannot be taken: RFC 4568 section 6.3 wants a line refused that has a
    /// mandatory parameter which is not supported.
    pub fn usable(&self) -> Result<&SrtpKey, CryptoFault> {
        if self.parameters.iter().any(|parameter| !parameter.is_served()) {
            return Err(CryptoFault::Parameter);
        }
        match self.keys.as_slice() {
            [only] if only.has_long_mki() => Err(CryptoFault::LongMki),
            [only] => Ok(&only.key),
            _ => Err(CryptoFault::SeveralKeys),
        }
    }

    /// The value as it stands behind `a=crypto:`. It holds the keys: for a description only.
    pub fn to_value(&self) -> String {
        let mut out = format!("{} {} ", self.tag, self.name);
        for (at, key) in self.keys.iter().enumerate() {
            if at > 0 {
                out.push(';');
            }
            key.push(&mut out);
        }
        for parameter in &self.parameters {
            out.push(' ');
            parameter.push(&mut out);
        }
        out
    }
}

/// A suite and how it was spelled. RFC 6188 puts the key's length behind "AES", many peers put it
/// where RFC 4568 has it.
fn suite_of(name: &str) -> Option<(SrtpSuite, &'static str)> {
    const OTHER_SPELLINGS: [(SrtpSuite, &str); 2] = [
        (SrtpSuite::AesCm256HmacSha1_80, "AES_CM_256_HMAC_SHA1_80"),
        (SrtpSuite::AesCm256HmacSha1_32, "AES_CM_256_HMAC_SHA1_32"),
    ];
    let names = SrtpSuite::ALL.into_iter().map(|suite| (suite, suite.name()));
    names.chain(OTHER_SPELLINGS).find(|(_, known)| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
