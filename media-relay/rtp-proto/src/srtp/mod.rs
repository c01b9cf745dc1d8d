//! SRTP and SRTCP (RFC 3711): protects and unprotects packets in the caller's buffer.
//!
//! One [`SrtpSender`] and one [`SrtpReceiver`] for a master key each; each keeps the roll-over
//! counter and the replay window of every SSRC (RFC 3711 section 3.2.3: the cryptographic context).
//! A context lives as long as its key: whoever makes a new one for a key in use loses the
//! roll-over counters and, worse, sends two packets under one keystream.
//!
//! - Nothing allocates but [`SrtpSender::new`], [`SrtpReceiver::new`] and their `make_room`.
//! - State changes only after a packet has been authenticated.
//! - Tags are compared in constant time, and keys are wiped from memory when dropped.
//!
//! Suites: AES in counter mode with HMAC-SHA1 (RFC 3711, RFC 6188), AES-GCM (RFC 7714), each with
//! or without a master key identifier. The key derivation rate is 0: session keys are derived once.

mod counter_mode;
mod galois;
mod hmac;
mod key_derivation;
mod receiver;
mod sender;
mod sources;
mod transform;

use std::fmt;

pub use receiver::SrtpReceiver;
pub use sender::SrtpSender;

/// Octets by which protection can lengthen a packet: the longest tag (16), the SRTCP index (4) and
/// the longest master key identifier that [`model::SrtpKey`] holds (16).
pub const LONGEST_GROWTH: usize = 36;

/// Why a packet was not protected or unprotected. After an error the packet's octets are undefined.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SrtpError {
    /// Too short for header, tag and identifier, or no RTP or RTCP header.
    Malformed,
    /// It names another master key than ours (RFC 3711 section 3.1, MKI).
    UnknownMki,
    /// Its tag is wrong: another key, another roll-over counter, no SRTP at all, or forged.
    Authentication,
    /// Its index was seen before, or is older than the window tells. For a sender: the keystream of
    /// this index has been, or may have been, used.
    Replayed,
    /// More SSRCs than a context keeps, see [`SrtpReceiver::make_room`].
    TooManySources,
    /// The SSRC has used all 2^48 indices of SRTP, or the context all 2^31 of SRTCP (section 9.2).
    KeyExhausted,
    /// The caller's buffer has no room for tag, index and identifier.
    NoRoom,
}

impl fmt::Display for SrtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SrtpError::Malformed => "no SRTP packet: too short, or without an RTP header",
            SrtpError::UnknownMki => "the SRTP packet names another master key",
            SrtpError::Authentication => "the SRTP packet's tag is wrong",
            SrtpError::Replayed => "the SRTP packet's index was used before",
            SrtpError::TooManySources => "too many SSRCs under one SRTP key",
            SrtpError::KeyExhausted => "the SRTP key has protected all packets that it may",
            SrtpError::NoRoom => "the buffer has no room for the SRTP tag",
        })
    }
}

impl std::error::Error for SrtpError {}

#[cfg(test)]
mod tests;
