//! What is sent: whole fragments.

use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// Octets of a fragment at most.
pub const MAX_FRAGMENT_BYTES: usize = 50_000_000;

/// A piece of a stream that the service takes as a whole or not at all: a cluster of Matroska with
/// the tags before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// What is written behind a head or another fragment.
    pub octets: Bytes,
    /// The cluster's timecode: milliseconds since 1970. It is greater than that of the fragment
    /// before.
    pub timecode: u64,
}

/// The name that the service gives to a fragment: up to [`FragmentNumber::MAX_DIGITS`] digits.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FragmentNumber(Arc<str>);

impl FragmentNumber {
    /// AWS's have 47.
    pub const MAX_DIGITS: usize = 128;

    /// Reads a number; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_DIGITS).contains(&text.len());
        (fits && text.bytes().all(|b| b.is_ascii_digit())).then(|| FragmentNumber(text.into()))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FragmentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a fragment is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rejected {
    /// It is empty, or larger than [`MAX_FRAGMENT_BYTES`] or than all that is kept.
    Size,
    /// Its timecode is not after that of the fragment before.
    Order,
    /// The stream is at its end, or was given up.
    Over,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rejected::Size => "the fragment is empty or too large",
            Rejected::Order => "the fragment is not after the one before it",
            Rejected::Over => "the stream takes no more fragments",
        })
    }
}

impl std::error::Error for Rejected {}
