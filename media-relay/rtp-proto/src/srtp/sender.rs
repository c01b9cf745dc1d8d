//! The sending context of one master key.

use super::SrtpError;
use super::sources::Sources;
use super::transform::{Packet, RTCP_HEADER, Transform, WORD};
use crate::rtp::payload_start;
use crate::wire::{u16_at, u32_at};
use model::SrtpKey;
use std::fmt;

/// The last index of SRTCP.
const LAST_RTCP_INDEX: u32 = (1 << 31) - 1;

/// Protects what we send under one master key.
///
/// Packets keep their sequence numbers, so it refuses to protect a number again: the second packet
/// would be encrypted with the keystream of the first. A repeated packet is refused too, which a
/// receiver would drop as a replay anyway.
pub struct SrtpSender {
    key: SrtpKey,
    transform: Transform,
    rtp: Sources,
    /// One for all SSRCs: gaps are allowed, and no index is ever used twice.
    next_rtcp_index: u32,
}

impl SrtpSender {
    /// A context that has sent nothing. The key must be one that nothing was sent under.
    pub fn new(key: &SrtpKey) -> Self {
        SrtpSender {
            key: key.clone(),
            transform: Transform::new(key),
            rtp: Sources::new(),
            next_rtcp_index: 0,
        }
    }

    /// The context of the key that replaces this one, with roll-over counters and SRTCP index
    /// continued (RFC 3711 sections 3.3.1 and 3.4).
    pub fn successor(&self, key: &SrtpKey) -> Self {
        SrtpSender {
            rtp: self.rtp.inherited(),
            next_rtcp_index: self.next_rtcp_index,
            ..SrtpSender::new(key)
        }
    }

    /// The same context once more, for a stream to which our media moves under its key. Only one of
    /// the two may go on to send.
    #[must_use]
    pub fn copy(&self) -> Self {
        let next_rtcp_index = self.next_rtcp_index;
        SrtpSender { rtp: self.rtp.copy(), next_rtcp_index, ..SrtpSender::new(&self.key) }
    }

    /// Learns what `other`, a context of the same key, has sent, as far as there is room; may
    /// allocate.
    pub fn learn(&mut self, other: &SrtpSender) {
        self.rtp.learn(&other.rtp);
        self.next_rtcp_index = self.next_rtcp_index.max(other.next_rtcp_index);
    }

    /// The master key.
    pub fn key(&self) -> &SrtpKey {
        &self.key
    }

    /// As [`super::SrtpReceiver::make_room`].
    pub fn make_room(&mut self) {
        self.rtp.make_room();
    }

    /// What was sent of `ssrc`, or else of the source that was sent last: which that is, and its
    /// highest sequence number. What was refused can go on behind it.
    pub fn sent_before(&mut self, ssrc: u32) -> Option<(u32, u16)> {
        self.rtp.known_or_recent(ssrc).map(|source| source.highest())
    }

    /// Protects the RTP packet in the first `len` octets of `buffer` in place; the length of the
    /// SRTP packet, at most [`super::LONGEST_GROWTH`] more.
    ///
    /// # Errors
    /// [`SrtpError`]; the octets are undefined then.
    #[inline]
    pub fn protect_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let mki = self.key.mki();
        if buffer.len() < len + self.transform.rtp_tag() + mki.len() {
            return Err(SrtpError::NoRoom);
        }
        let packet = buffer.get(..len).ok_or(SrtpError::NoRoom)?;
        let header = payload_start(packet).map_err(|_| SrtpError::Malformed)?;
        let sequence = u16_at(packet, 2).ok_or(SrtpError::Malformed)?;
        let ssrc = u32_at(packet, 8).ok_or(SrtpError::Malformed)?;
        let mut source = self.rtp.get(ssrc);
        let index = source.rtp_index(sequence)?;
        source.check(index)?;
        // A receiver would look for it before the beginning (RFC 3711 appendix A).
        if source.is_before_the_first(index) {
            return Err(SrtpError::Replayed);
        }
        source.note(index);
        self.rtp.set(source)?;
        let facts = Packet { ssrc, index, header, len };
        self.transform.seal_rtp(&facts, buffer, mki).ok_or(SrtpError::NoRoom)
    }

    /// Protects the RTCP compound in the first `len` octets of `buffer` in place; the length of the
    /// SRTCP packet.
    ///
    /// # Errors
    /// [`SrtpError`]; the octets are undefined then.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let mki = self.key.mki();
        if buffer.len() < len + self.transform.rtcp_tag() + WORD + mki.len() {
            return Err(SrtpError::NoRoom);
        }
        if len < RTCP_HEADER || buffer.first().is_none_or(|first| first >> 6 != 2) {
            return Err(SrtpError::Malformed);
        }
        let ssrc = u32_at(buffer, 4).ok_or(SrtpError::Malformed)?;
        let index = self.next_rtcp_index;
        if index > LAST_RTCP_INDEX {
            return Err(SrtpError::KeyExhausted);
        }
        self.next_rtcp_index += 1;
        let facts = Packet { ssrc, index: u64::from(index), header: RTCP_HEADER, len };
        self.transform.seal_rtcp(&facts, buffer, mki).ok_or(SrtpError::NoRoom)
    }
}

impl fmt::Debug for SrtpSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpSender").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::SrtpSuite;

    /// RFC 3711 section 9.2: SRTCP ends first, and SRTP goes on.
    #[test]
    fn a_key_protects_2_to_the_31_rtcp_packets_and_no_more() {
        let key = SrtpKey::new(SrtpSuite::AesCm128HmacSha1_80, &[7; 30]).unwrap();
        let mut sender = SrtpSender::new(&key);
        sender.next_rtcp_index = LAST_RTCP_INDEX;
        let mut buffer = [0; 64];
        buffer[..8].copy_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, 9]);
        assert!(sender.protect_rtcp(&mut buffer, 8).is_ok());
        buffer[..8].copy_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, 9]);
        for mut sender in [sender.copy(), sender] {
            assert_eq!(sender.protect_rtcp(&mut buffer, 8), Err(SrtpError::KeyExhausted));
            let mut packet = [0; 64];
            packet[0] = 0x80;
            assert!(sender.protect_rtp(&mut packet, 32).is_ok());
        }
    }
}
