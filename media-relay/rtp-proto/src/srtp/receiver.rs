//! The receiving context of one master key.

use super::SrtpError;
use super::sources::Sources;
use super::transform::{Packet, RTCP_HEADER, Transform, WORD, rtcp_index};
use crate::rtp::payload_start;
use crate::wire::{u16_at, u32_at};
use model::SrtpKey;
use std::fmt;

/// Octets of a packet that is tried with several roll-over counters; a longer one is tried with one.
const LONGEST_TRIAL: usize = 2048;
/// Roll-over counters beside 0 that one packet of an unknown SSRC is tried with: what anybody who
/// sends rubbish can make us compute.
const TRIED_AT_ONCE: u64 = 4;
/// Packets in a row that between them try every roll-over counter of the search.
const SEARCHING_PACKETS: u64 = 32;

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

    /// The context of the key that replaces this one. It continues the roll-over counters (RFC 3711
    /// section 3.3.1) unless an SSRC's first packet shows that the peer began again at 0, as RFC
    /// 4568 section 7.1.4 wants from one that moved, and as some always do.
    pub fn successor(&self, key: &SrtpKey) -> Self {
        SrtpReceiver { rtp: self.rtp.inherited(), ..SrtpReceiver::new(key) }
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

    /// The same context once more, for a stream to which the peer's media moves under its key.
    #[must_use]
    pub fn copy(&self) -> Self {
        let (rtp, rtcp) = (self.rtp.copy(), self.rtcp.copy());
        SrtpReceiver { rtp, rtcp, ..SrtpReceiver::new(&self.key) }
    }

    /// Learns the SSRCs that `other`, a context of the same key, knows and this one does not, as far
    /// as there is room; may allocate.
    pub fn learn(&mut self, other: &SrtpReceiver) {
        self.rtp.learn(&other.rtp);
        self.rtcp.learn(&other.rtcp);
    }

    /// Authenticates and decrypts an SRTP packet in place; the length of the RTP packet, which
    /// begins where the SRTP packet did.
    ///
    /// An SSRC that was not met before may be one whose first 65,536 packets went elsewhere, and
    /// nothing in SDP tells its roll-over counter (RFC 3711 section 3.3.1 leaves that to key
    /// management). So its packets are tried with 0 and with four others of 1 to 128, which its
    /// sequence number picks: 32 packets in a row try all, and no packet that is not authentic
    /// leaves a trace.
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
        let (len, index) = if source.is_inherited() {
            let from_zero = std::iter::once(u64::from(sequence));
            open_any(&self.transform, facts, from_zero, front, tag)?
        } else if source.is_new() {
            open_any(&self.transform, facts, late_indices(sequence), front, tag)?
        } else {
            (self.transform.open_rtp(&facts, front, tag)?, index)
        };
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

/// The indices beside the first cycle's that a packet of an unknown SSRC may have.
fn late_indices(sequence: u16) -> impl Iterator<Item = u64> {
    let sequence = u64::from(sequence);
    let first = 1 + sequence % SEARCHING_PACKETS * TRIED_AT_ONCE;
    (first..first + TRIED_AT_ONCE).map(move |roll_over_counter| roll_over_counter << 16 | sequence)
}

/// Opens a packet whose roll-over counter is not certain: with the most probable index, else with
/// `others`. Its length, and the index that was right.
#[cold]
fn open_any(
    transform: &Transform,
    facts: Packet,
    others: impl Iterator<Item = u64>,
    front: &mut [u8],
    tag: &[u8],
) -> Result<(usize, u64), SrtpError> {
    let mut copy = [0; LONGEST_TRIAL];
    let Some(copy) = copy.get_mut(..front.len()) else {
        return Ok((transform.open_rtp(&facts, front, tag)?, facts.index));
    };
    copy.copy_from_slice(front);
    let mut opened = transform.open_rtp(&facts, front, tag).map(|len| (len, facts.index));
    for index in others {
        if opened.is_ok() {
            break;
        }
        // A failed attempt may have destroyed it.
        front.copy_from_slice(copy);
        opened = transform.open_rtp(&Packet { index, ..facts }, front, tag).map(|len| (len, index));
    }
    opened
}

impl fmt::Debug for SrtpReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpReceiver").field("key", &self.key).finish_non_exhaustive()
    }
}
