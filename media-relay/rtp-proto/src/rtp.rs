//! The RTP header (RFC 3550 section 5.1), read in place.

use crate::wire::{u16_at, u32_at};
use std::fmt;

const FIXED_HEADER: usize = 12;
const VERSION: u8 = 2;
const PADDING_BIT: u8 = 0x20;
pub(crate) const EXTENSION_BIT: u8 = 0x10;
const MARKER_BIT: u8 = 0x80;

/// Why bytes are not an RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RtpError {
    /// Shorter than the fixed header and the contributing sources that it announces.
    TruncatedHeader,
    /// The version field is not 2.
    Version(u8),
    /// The header extension runs past the end.
    TruncatedExtension,
    /// The padding count is 0, or larger than what follows the header.
    Padding(u8),
}

impl fmt::Display for RtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RtpError::TruncatedHeader => f.write_str("RTP packet ends inside its header"),
            RtpError::Version(version) => write!(f, "RTP version is {version}, only 2 is known"),
            RtpError::TruncatedExtension => {
                f.write_str("RTP header extension is longer than the packet")
            }
            RtpError::Padding(count) => {
                write!(f, "RTP padding count {count} does not fit behind the header")
            }
        }
    }
}

impl std::error::Error for RtpError {}

/// A checked RTP packet over borrowed bytes. Getters cost an offset read each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    raw: &'a [u8],
    fixed: [u8; FIXED_HEADER],
    payload_start: usize,
    payload_end: usize,
}

/// The header extension (RFC 3550 section 5.3.1): its profile word and its data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extension<'a> {
    /// "Defined by profile": 0xBEDE for RFC 8285's one-byte headers.
    pub profile: u16,
    /// Whole 32-bit words.
    pub data: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    /// Checks version, contributing sources, extension and padding against the length.
    ///
    /// # Errors
    /// [`RtpError`] names the first field that does not fit.
    #[inline]
    pub fn parse(raw: &'a [u8]) -> Result<Self, RtpError> {
        let fixed = *raw.first_chunk::<FIXED_HEADER>().ok_or(RtpError::TruncatedHeader)?;
        let first = fixed[0];
        let payload_start = payload_start(raw)?;
        let mut payload_end = raw.len();
        if first & PADDING_BIT != 0 {
            let count = raw.last().copied().unwrap_or_default();
            if count == 0 || usize::from(count) > raw.len() - payload_start {
                return Err(RtpError::Padding(count));
            }
            payload_end -= usize::from(count);
        }
        Ok(RtpPacket { raw, fixed, payload_start, payload_end })
    }

    /// Payload type, 0 to 127.
    pub const fn payload_type(&self) -> u8 {
        self.fixed[1] & !MARKER_BIT
    }

    /// The marker bit; in audio the first packet of a talkspurt (RFC 3551 section 4.1).
    pub const fn marker(&self) -> bool {
        self.fixed[1] & MARKER_BIT != 0
    }

    /// Sequence number.
    pub const fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.fixed[2], self.fixed[3]])
    }

    /// Timestamp in units of the payload's clock rate.
    pub const fn timestamp(&self) -> u32 {
        u32::from_be_bytes([self.fixed[4], self.fixed[5], self.fixed[6], self.fixed[7]])
    }

    /// Synchronization source.
    pub const fn ssrc(&self) -> u32 {
        u32::from_be_bytes([self.fixed[8], self.fixed[9], self.fixed[10], self.fixed[11]])
    }

    /// Contributing sources, at most 15.
    pub fn csrcs(&self) -> impl Iterator<Item = u32> + use<'a> {
        let raw = self.raw;
        let count = usize::from(self.fixed[0] & 0x0f);
        (0..count).filter_map(move |index| u32_at(raw, FIXED_HEADER + 4 * index))
    }

    /// The header extension, if there is one.
    pub fn extension(&self) -> Option<Extension<'a>> {
        if self.fixed[0] & EXTENSION_BIT == 0 {
            return None;
        }
        let at = FIXED_HEADER + 4 * usize::from(self.fixed[0] & 0x0f);
        let data = self.raw.get(at + 4..self.payload_start)?;
        Some(Extension { profile: u16_at(self.raw, at)?, data })
    }

    /// The payload without padding. Empty is legal.
    pub fn payload(&self) -> &'a [u8] {
        self.raw.get(self.payload_start..self.payload_end).unwrap_or_default()
    }

    /// Octets of padding, its count octet included; 0 without padding.
    pub const fn padding_bytes(&self) -> usize {
        self.raw.len() - self.payload_end
    }

    /// Octets of the whole header: fixed part, contributing sources and extension.
    pub const fn header_bytes(&self) -> usize {
        self.payload_start
    }

    /// The whole packet.
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }
}

impl fmt::Debug for RtpPacket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpPacket")
            .field("payload_type", &self.payload_type())
            .field("marker", &self.marker())
            .field("sequence", &self.sequence())
            .field("timestamp", &self.timestamp())
            .field("ssrc", &self.ssrc())
            .field("payload_bytes", &self.payload().len())
            .finish_non_exhaustive()
    }
}

/// Length of the header with its contributing sources and its extension: what SRTP leaves in the
/// clear. Padding is not looked at, for it is encrypted there.
#[inline]
pub(crate) fn payload_start(raw: &[u8]) -> Result<usize, RtpError> {
    let first = raw.first().copied().ok_or(RtpError::TruncatedHeader)?;
    if raw.len() < FIXED_HEADER {
        return Err(RtpError::TruncatedHeader);
    }
    if first >> 6 != VERSION {
        return Err(RtpError::Version(first >> 6));
    }
    let mut payload_start = FIXED_HEADER + 4 * usize::from(first & 0x0f);
    if raw.len() < payload_start {
        return Err(RtpError::TruncatedHeader);
    }
    if first & EXTENSION_BIT != 0 {
        let words = u16_at(raw, payload_start + 2).ok_or(RtpError::TruncatedExtension)?;
        payload_start += 4 + 4 * usize::from(words);
        if raw.len() < payload_start {
            return Err(RtpError::TruncatedExtension);
        }
    }
    Ok(payload_start)
}

/// The fields of a packet that we originate: no contributing sources, extension or padding.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RtpHeader {
    /// Payload type; only the low 7 bits are written.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Synchronization source.
    pub ssrc: u32,
}

impl RtpHeader {
    /// Octets that [`RtpHeader::write_header`] writes.
    pub const BYTES: usize = FIXED_HEADER;

    /// Writes the header to the front of `out` and returns its length, or `None` (and writes
    /// nothing) when `out` is shorter than [`RtpHeader::BYTES`].
    pub fn write_header(&self, out: &mut [u8]) -> Option<usize> {
        *out.first_chunk_mut::<FIXED_HEADER>()? = self.to_bytes();
        Some(FIXED_HEADER)
    }

    /// The header's octets.
    pub const fn to_bytes(&self) -> [u8; FIXED_HEADER] {
        let marker = if self.marker { MARKER_BIT } else { 0 };
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.to_be_bytes();
        let second = marker | (self.payload_type & !MARKER_BIT);
        [VERSION << 6, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
    }
}

#[cfg(test)]
mod tests;
