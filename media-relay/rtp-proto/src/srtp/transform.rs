//! One interface over the suites: where tags and indices stand in a packet.

use super::SrtpError;
use super::counter_mode::{self, CounterMode};
use super::galois::{self, Galois};
use aes::{Aes128Enc, Aes256Enc};
use model::{SrtpKey, SrtpSuite};

/// Octets at the front of an RTCP compound that stay in the clear (RFC 3711 section 3.4).
pub(super) const RTCP_HEADER: usize = 8;
/// Octets of the E bit and the SRTCP index.
pub(super) const WORD: usize = 4;
const E_BIT: u32 = 1 << 31;

/// What a transform has to know of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) ssrc: u32,
    /// 48 bits for SRTP, 31 for SRTCP.
    pub(super) index: u64,
    /// Octets that stay in the clear; for SRTCP always [`RTCP_HEADER`].
    pub(super) header: usize,
    /// Octets before protection.
    pub(super) len: usize,
}

impl Packet {
    pub(super) fn roll_over_counter(&self) -> [u8; 4] {
        ((self.index >> 16) as u32).to_be_bytes()
    }
}

/// The session keys of one master key. Boxed, because an expanded key is large.
pub(super) enum Transform {
    Counter128(Box<CounterMode<Aes128Enc>>),
    Counter256(Box<CounterMode<Aes256Enc>>),
    Galois(Galois),
}

impl Transform {
    pub(super) fn new(key: &SrtpKey) -> Self {
        match key.suite() {
            SrtpSuite::AesCm128HmacSha1_80 | SrtpSuite::AesCm128HmacSha1_32 => {
                Transform::Counter128(Box::new(CounterMode::new(key)))
            }
            SrtpSuite::AesCm256HmacSha1_80 | SrtpSuite::AesCm256HmacSha1_32 => {
                Transform::Counter256(Box::new(CounterMode::new(key)))
            }
            SrtpSuite::AeadAes128Gcm | SrtpSuite::AeadAes256Gcm => {
                Transform::Galois(Galois::new(key))
            }
        }
    }

    /// Octets of the tag of an RTP packet.
    #[inline]
    pub(super) fn rtp_tag(&self) -> usize {
        match self {
            Transform::Counter128(keys) => keys.rtp_tag,
            Transform::Counter256(keys) => keys.rtp_tag,
            Transform::Galois(_) => galois::TAG,
        }
    }

    /// Octets of the tag of an RTCP packet.
    pub(super) fn rtcp_tag(&self) -> usize {
        match self {
            Transform::Counter128(_) | Transform::Counter256(_) => counter_mode::RTCP_TAG,
            Transform::Galois(_) => galois::TAG,
        }
    }

    /// Whether the tag stands behind the master key identifier (RFC 3711 figure 1), not before it
    /// (RFC 7714 figure 1).
    #[inline]
    pub(super) fn tag_is_last(&self) -> bool {
        !matches!(self, Transform::Galois(_))
    }

    /// Authenticates and decrypts what stands before the identifier, `front`, with the `tag` behind
    /// it, if there; the length of the packet.
    #[inline]
    pub(super) fn open_rtp(
        &self,
        packet: &Packet,
        front: &mut [u8],
        tag: &[u8],
    ) -> Result<usize, SrtpError> {
        match self {
            Transform::Counter128(keys) => keys.open_rtp(packet, front, tag),
            Transform::Counter256(keys) => keys.open_rtp(packet, front, tag),
            Transform::Galois(keys) => keys.open_rtp(packet, front),
        }
    }

    /// The same for RTCP; `front` ends with E bit and index.
    pub(super) fn open_rtcp(
        &self,
        packet: &Packet,
        front: &mut [u8],
        tag: &[u8],
    ) -> Result<usize, SrtpError> {
        match self {
            Transform::Counter128(keys) => keys.open_rtcp(packet, front, tag),
            Transform::Counter256(keys) => keys.open_rtcp(packet, front, tag),
            Transform::Galois(keys) => keys.open_rtcp(packet, front),
        }
    }

    /// Encrypts the first `packet.len` octets of `buffer` and appends identifier and tag; the new
    /// length, or `None` when it does not fit.
    #[inline]
    pub(super) fn seal_rtp(&self, packet: &Packet, buffer: &mut [u8], mki: &[u8]) -> Option<usize> {
        match self {
            Transform::Counter128(keys) => keys.seal_rtp(packet, buffer, mki),
            Transform::Counter256(keys) => keys.seal_rtp(packet, buffer, mki),
            Transform::Galois(keys) => keys.seal_rtp(packet, buffer, mki),
        }
    }

    /// The same for RTCP, with E bit and index.
    pub(super) fn seal_rtcp(
        &self,
        packet: &Packet,
        buffer: &mut [u8],
        mki: &[u8],
    ) -> Option<usize> {
        match self {
            Transform::Counter128(keys) => keys.seal_rtcp(packet, buffer, mki),
            Transform::Counter256(keys) => keys.seal_rtcp(packet, buffer, mki),
            Transform::Galois(keys) => keys.seal_rtcp(packet, buffer, mki),
        }
    }
}

/// Writes `octets` at `at`; where they end, or `None` when they do not fit.
#[inline]
pub(super) fn put(buffer: &mut [u8], at: usize, octets: &[u8]) -> Option<usize> {
    let end = at.checked_add(octets.len())?;
    buffer.get_mut(at..end)?.copy_from_slice(octets);
    Some(end)
}

/// Index and E bit of a packet that we encrypt.
pub(super) fn rtcp_word(index: u64) -> [u8; WORD] {
    (E_BIT | index as u32).to_be_bytes()
}

/// What stands before the word at the end of `front`, whether the word's E bit is set, and the word.
pub(super) fn split_word(front: &mut [u8]) -> Option<(&mut [u8], bool, [u8; WORD])> {
    let (before, word) = front.split_last_chunk_mut::<WORD>()?;
    Some((before, u32::from_be_bytes(*word) & E_BIT != 0, *word))
}

/// The SRTCP index of a word.
pub(super) fn rtcp_index(word: [u8; WORD]) -> u64 {
    u64::from(u32::from_be_bytes(word) & !E_BIT)
}
