//! Receiver reports and the report blocks that they share with sender reports (RFC 3550
//! sections 6.4.1 and 6.4.2).

use super::{Frame, RtcpError, packet_type, write_packet};
use crate::NtpMid;
use crate::wire::u32_at;

const BLOCK_BYTES: usize = 24;
const BLOCKS_MAX: usize = 31;

/// The largest cumulative loss that 24 signed bits hold.
pub const CUMULATIVE_LOST_MAX: i32 = 0x7f_ffff;
/// The smallest (duplicates make it negative).
pub const CUMULATIVE_LOST_MIN: i32 = -0x80_0000;

/// A receiver report over borrowed bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiverReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    /// What it received.
    pub blocks: ReportBlocks<'a>,
}

/// The report blocks of one SR or RR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReportBlocks<'a> {
    bytes: &'a [u8],
}

/// What a receiver says of one source.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ReportBlock {
    /// The source that it speaks of.
    pub ssrc: u32,
    /// Loss since its report before, in 1/256.
    pub fraction_lost: u8,
    /// Loss since the stream began; signed 24 bits on the wire. Writing clamps it.
    pub cumulative_lost: i32,
    /// Highest sequence number received, wraps in the high half.
    pub highest_sequence: u32,
    /// Interarrival jitter in units of the source's clock.
    pub jitter: u32,
    /// LSR: the middle of the last sender report's NTP time; 0 when none came.
    pub last_sender_report: NtpMid,
    /// DLSR: delay since that report in 1/65,536 s.
    pub delay_since_last_sender_report: u32,
}

impl<'a> ReceiverReport<'a> {
    pub(crate) fn parse(frame: &Frame<'a>) -> Result<Self, RtcpError> {
        let ssrc = u32_at(frame.body, 0).ok_or(frame.inner_error())?;
        let rest = frame.body.get(4..).unwrap_or_default();
        Ok(ReceiverReport { ssrc, blocks: ReportBlocks::parse(frame, rest)? })
    }
}

impl<'a> ReportBlocks<'a> {
    /// Octets after the announced blocks are a profile's extension (section 6.4.3) and ignored.
    pub(crate) fn parse(frame: &Frame<'a>, rest: &'a [u8]) -> Result<Self, RtcpError> {
        let length = usize::from(frame.count) * BLOCK_BYTES;
        let bytes = rest.get(..length).ok_or(frame.inner_error())?;
        Ok(ReportBlocks { bytes })
    }

    /// Number of blocks, at most 31.
    pub const fn len(&self) -> usize {
        self.bytes.len() / BLOCK_BYTES
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The blocks in wire order.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.bytes.chunks_exact(BLOCK_BYTES).filter_map(ReportBlock::parse)
    }
}

impl ReportBlock {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let loss = u32_at(bytes, 4)?;
        Some(ReportBlock {
            ssrc: u32_at(bytes, 0)?,
            fraction_lost: (loss >> 24) as u8,
            // The shifts spread the sign of bit 23.
            cumulative_lost: ((loss << 8) as i32) >> 8,
            highest_sequence: u32_at(bytes, 8)?,
            jitter: u32_at(bytes, 12)?,
            last_sender_report: NtpMid(u32_at(bytes, 16)?),
            delay_since_last_sender_report: u32_at(bytes, 20)?,
        })
    }

    /// The block's octets.
    pub fn to_bytes(&self) -> [u8; BLOCK_BYTES] {
        let lost = clamp_cumulative_lost(i64::from(self.cumulative_lost)) as u32 & 0xff_ffff;
        let words = [
            self.ssrc,
            (u32::from(self.fraction_lost) << 24) | lost,
            self.highest_sequence,
            self.jitter,
            self.last_sender_report.0,
            self.delay_since_last_sender_report,
        ];
        let mut bytes = [0; BLOCK_BYTES];
        for (field, word) in bytes.chunks_exact_mut(4).zip(words) {
            field.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }
}

/// A loss count within the 24 signed bits of a report block (RFC 3550 appendix A.3).
pub fn clamp_cumulative_lost(lost: i64) -> i32 {
    lost.clamp(i64::from(CUMULATIVE_LOST_MIN), i64::from(CUMULATIVE_LOST_MAX)) as i32
}

/// Appends a receiver report. Of more than 31 blocks only the first 31 are written.
pub fn write_receiver_report(out: &mut Vec<u8>, ssrc: u32, blocks: &[ReportBlock]) {
    let blocks = at_most_31(blocks);
    write_packet(out, packet_type::RECEIVER_REPORT, blocks.len() as u8, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        for block in blocks {
            out.extend_from_slice(&block.to_bytes());
        }
    });
}

pub(super) fn at_most_31(blocks: &[ReportBlock]) -> &[ReportBlock] {
    blocks.get(..BLOCKS_MAX).unwrap_or(blocks)
}
