//! The receiving context of one master key.

use super::SrtpError;
use super::sources::Sources;
use super::transform::{Packet, RTCP_HEADER, Transform, WORD, rtcp_index};
use crate::rtp::payload_start;
use crate::wire::{u16_at, u32_at};
use model::SrtpKey;
use std::fmt;

/// Unprotects what a peer sends under one master key.
pub struct SrtpReceiver {
    key: SrtpKey,
    transform: Transform,
    rtp: Sources,
    rtcp: Sources,
}

impl SrtpReceiver {
    /// A context that has seen nothing: roll-over counters begin at 0.
    pub fn new(key: &SrtpKey) -> Self {
        SrtpReceiver {
            key: key.clone(),
            transform: Transform::new(key),
            rtp: Sources::new(),
            rtcp: Sources::new(),
        }
    }

    /// The master key.
    pub fn key(&self) -> &SrtpKey {
        &self.key
    }

    /// Makes room for more SSRCs when more than half of it is used: 16 at first, 256 at most. May
    /// allocate, so it is not for the packet path. A packet of an SSRC beyond the room is refused.
    pub fn make_room(&mut self) {
        self.rtp.make_room();
        self.rtcp.make_room();
    }

    /// Authenticates and decrypts an SRTP packet in place; the length of the RTP packet, which
    /// begins where the SRTP packet did.
    ///
    /// # Errors
    /// [`SrtpError`]; nothing is remembered then, and the octets are undefined.
    #[inline]
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let tag = self.transform.rtp_tag();
        let header = payload_start(packet).map_err(|_| SrtpError::Malformed)?;
        let (front, tag) = self.split(packet, tag, header)?;
        let sequence = u16_at(front, 2).ok_or(SrtpError::Malformed)?;
        let ssrc = u32_at(front, 8).ok_or(SrtpError::Malformed)?;
        let mut source = self.rtp.get(ssrc);
        let index = source.rtp_index(sequence)?;
        source.check(index)?;
        let facts = Packet { ssrc, index, header, len: front.len() };
        let len = self.transform.open_rtp(&facts, front, tag)?;
        source.note(index);
        self.rtp.set(source)?;
        Ok(len)
    }

    /// Authenticates and decrypts an SRTCP packet in place; the length of the compound. One whose E
    /// bit says that it is not encrypted is taken too: it is authenticated all the same.
    ///
    /// # Errors
    /// As [`SrtpReceiver::unprotect_rtp`].
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let tag = self.transform.rtcp_tag();
        let (front, tag) = self.split(packet, tag, RTCP_HEADER + WORD)?;
        if front.first().is_none_or(|first| first >> 6 != 2) {
            return Err(SrtpError::Malformed);
        }
        let ssrc = u32_at(front, 4).ok_or(SrtpError::Malformed)?;
        let index = rtcp_index(*front.last_chunk().ok_or(SrtpError::Malformed)?);
        let mut source = self.rtcp.get(ssrc);
        source.check(index)?;
        let facts = Packet { ssrc, index, header: RTCP_HEADER, len: front.len() };
        let len = self.transform.open_rtcp(&facts, front, tag)?;
        source.note(index);
        self.rtcp.set(source)?;
        Ok(len)
    }

    /// What stands before the master key identifier and what stands behind it, when the packet has
    /// at least `least` octets beside them and the identifier is ours.
    #[inline]
    fn split<'a>(
        &self,
        packet: &'a mut [u8],
        tag: usize,
        least: usize,
    ) -> Result<(&'a mut [u8], &'a [u8]), SrtpError> {
        let mki = self.key.mki();
        if packet.len() < least + tag + mki.len() {
            return Err(SrtpError::Malformed);
        }
        let behind = if self.transform.tag_is_last() { tag } else { 0 };
        let at = packet.len() - behind - mki.len();
        let (front, rest) = packet.split_at_mut_checked(at).ok_or(SrtpError::Malformed)?;
        let (name, tag) = rest.split_at_checked(mki.len()).ok_or(SrtpError::Malformed)?;
        if name != mki {
            return Err(SrtpError::UnknownMki);
        }
        Ok((front, tag))
    }
}

impl fmt::Debug for SrtpReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpReceiver").field("key", &self.key).finish_non_exhaustive()
    }
}
