//! The session parameters of a crypto attribute (RFC 4568 section 6.3).

use super::CryptoFault;
use std::fmt;
use std::fmt::Write as _;

/// In which order forward error correction and SRTP apply at the sender (RFC 4568 section 6.3.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FecOrder {
    /// FEC before SRTP.
    FecSrtp,
    /// SRTP before FEC.
    SrtpFec,
}

/// A session parameter.
#[derive(Clone, PartialEq, Eq)]
pub enum SessionParameter {
    /// New session keys every 2^n packets; n is 1 to 24 (section 6.3.1).
    Kdr(u8),
    /// RTP is not encrypted.
    UnencryptedSrtp,
    /// RTCP is not encrypted.
    UnencryptedSrtcp,
    /// RTP is not authenticated.
    UnauthenticatedSrtp,
    /// The order of FEC and SRTP.
    FecOrder(FecOrder),
    /// The FEC stream has keys of its own; they are not kept.
    FecKey,
    /// The size of the sender's replay window, at least 64 packets: a hint for the receiver
    /// (section 6.3.6).
    Wsh(u32),
    /// An extension. One whose name begins with "-" may be ignored (section 6.3.7).
    Other(Box<str>),
}

impl fmt::Debug for SessionParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = String::new();
        self.push(&mut name);
        // An extension's value may be a key.
        f.write_str(name.split('=').next().unwrap_or_default())
    }
}

impl SessionParameter {
    pub(super) fn parse(word: &str) -> Result<Self, CryptoFault> {
        let malformed = Err(CryptoFault::Malformed("a session parameter of a=crypto is not valid"));
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let number = |value: Option<&str>| {
            let value = value.filter(|v| v.bytes().all(|b| b.is_ascii_digit()))?;
            value.parse::<u32>().ok()
        };
        Ok(match (name.to_ascii_uppercase().as_str(), value) {
            ("KDR", _) => match number(value).and_then(|n| u8::try_from(n).ok()) {
                Some(n @ 1..=24) => SessionParameter::Kdr(n),
                _ => return malformed,
            },
            ("UNENCRYPTED_SRTP", None) => SessionParameter::UnencryptedSrtp,
            ("UNENCRYPTED_SRTCP", None) => SessionParameter::UnencryptedSrtcp,
            ("UNAUTHENTICATED_SRTP", None) => SessionParameter::UnauthenticatedSrtp,
            ("FEC_ORDER", Some("FEC_SRTP")) => SessionParameter::FecOrder(FecOrder::FecSrtp),
            ("FEC_ORDER", Some("SRTP_FEC")) => SessionParameter::FecOrder(FecOrder::SrtpFec),
            ("FEC_KEY", Some(_)) => SessionParameter::FecKey,
            ("WSH", _) => match number(value) {
                Some(size @ 64..) => SessionParameter::Wsh(size),
                _ => return malformed,
            },
            _ => SessionParameter::Other(word.into()),
        })
    }

    /// Whether a line with it may be taken. What weakens the protection is not, and neither is
    /// what the relay does not do.
    pub(super) fn is_served(&self) -> bool {
        match self {
            SessionParameter::Wsh(_) => true,
            SessionParameter::Other(word) => word.starts_with('-'),
            SessionParameter::Kdr(_)
            | SessionParameter::UnencryptedSrtp
            | SessionParameter::UnencryptedSrtcp
            | SessionParameter::UnauthenticatedSrtp
            | SessionParameter::FecOrder(_)
            | SessionParameter::FecKey => false,
        }
    }

    pub(super) fn push(&self, out: &mut String) {
        // Writing into a String cannot fail.
        let _ = match self {
            SessionParameter::Kdr(n) => write!(out, "KDR={n}"),
            SessionParameter::UnencryptedSrtp => write!(out, "UNENCRYPTED_SRTP"),
            SessionParameter::UnencryptedSrtcp => write!(out, "UNENCRYPTED_SRTCP"),
            SessionParameter::UnauthenticatedSrtp => write!(out, "UNAUTHENTICATED_SRTP"),
            SessionParameter::FecOrder(FecOrder::FecSrtp) => write!(out, "FEC_ORDER=FEC_SRTP"),
            SessionParameter::FecOrder(FecOrder::SrtpFec) => write!(out, "FEC_ORDER=SRTP_FEC"),
            SessionParameter::FecKey => write!(out, "FEC_KEY"),
            SessionParameter::Wsh(size) => write!(out, "WSH={size}"),
            SessionParameter::Other(word) => write!(out, "{word}"),
        };
    }
}
