//! Why a session description was not accepted, and the SIP status that is owed for it.

use std::fmt;

/// Bytes that are no session description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// The line at fault, counted from 1; `None` when it is no single line.
    pub line: Option<u32>,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "session description, line {line}: {}", self.reason),
            None => write!(f, "session description: {}", self.reason),
        }
    }
}

impl std::error::Error for Malformed {}

/// Why a session description is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SdpError {
    /// It cannot be read.
    Malformed(Malformed),
    /// It is larger than [`crate::Limits`] allows.
    OverLimit {
        /// What there is too much of: "bytes", "lines" or "media descriptions".
        what: &'static str,
        /// How many are allowed.
        allowed: usize,
    },
    /// It has no audio stream over RTP, or SRTP with keys or a fingerprint that can be taken, that
    /// its leg's [`crate::Encryption`] allows and whose port is not 0.
    NoAudio,
    /// Keys are to be agreed by DTLS, for which we have no certificate.
    NoCertificate,
    /// Its audio stream names an address that media must not be sent to.
    UnsuitableAddress(&'static str),
}

impl SdpError {
    /// The status of the response to the request that carried it.
    pub const fn status(&self) -> u16 {
        match self {
            SdpError::Malformed(_) => 400,
            SdpError::OverLimit { .. } => 413,
            // RFC 3261 section 21.4.26.
            SdpError::NoAudio | SdpError::NoCertificate | SdpError::UnsuitableAddress(_) => 488,
        }
    }
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SdpError::Malformed(malformed) => malformed.fmt(f),
            SdpError::OverLimit { what, allowed } => {
                write!(f, "session description: more than {allowed} {what}; send a smaller one")
            }
            SdpError::NoAudio => f.write_str(
                "session description: no audio that this side may have; offer an m= line over \
                 RTP/AVP, over RTP/SAVP with a=crypto, or over UDP/TLS/RTP/SAVP with a=fingerprint \
                 (sha-256 or better), as the encryption of the trunk wants it",
            ),
            SdpError::NoCertificate => f.write_str(
                "session description: no certificate for UDP/TLS/RTP/SAVP; use a=crypto",
            ),
            SdpError::UnsuitableAddress(reason) => {
                write!(f, "session description: {reason}; give a unicast address")
            }
        }
    }
}

impl std::error::Error for SdpError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SdpError::Malformed(malformed) => Some(malformed),
            SdpError::OverLimit { .. }
            | SdpError::NoAudio
            | SdpError::NoCertificate
            | SdpError::UnsuitableAddress(_) => None,
        }
    }
}

impl From<Malformed> for SdpError {
    fn from(malformed: Malformed) -> Self {
        SdpError::Malformed(malformed)
    }
}
