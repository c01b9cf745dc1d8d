//! Sender reports (RFC 3550 section 6.4.1).

use super::{Frame, ReportBlock, ReportBlocks, RtcpError, packet_type, rr, write_packet};
use crate::NtpTime;
use crate::wire::{u32_at, u64_at};

const SENDER_BYTES: usize = 24;

/// A sender report over borrowed bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderReport<'a> {
    /// Who sends.
    pub ssrc: u32,
    /// What the sender says of its stream.
    pub info: SenderInfo,
    /// What it received from others.
    pub blocks: ReportBlocks<'a>,
}

/// The sender information of a sender report.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SenderInfo {
    /// When the report was sent, by the sender's clock.
    pub ntp: NtpTime,
    /// The same instant in the units and offset of its RTP timestamps.
    pub rtp_timestamp: u32,
    /// Packets sent since the stream began; wraps.
    pub packet_count: u32,
    /// Payload octets sent since the stream began; wraps.
    pub octet_count: u32,
}

impl<'a> SenderReport<'a> {
    pub(crate) fn parse(frame: &Frame<'a>) -> Result<Self, RtcpError> {
        let (sender, rest) =
            frame.body.split_at_checked(SENDER_BYTES).ok_or(frame.inner_error())?;
        let word = |at| u32_at(sender, at).ok_or(frame.inner_error());
        Ok(SenderReport {
            ssrc: word(0)?,
            info: SenderInfo {
                ntp: NtpTime(u64_at(sender, 4).ok_or(frame.inner_error())?),
                rtp_timestamp: word(12)?,
                packet_count: word(16)?,
                octet_count: word(20)?,
            },
            blocks: ReportBlocks::parse(frame, rest)?,
        })
    }
}

/// Appends a sender report. Of more than 31 blocks only the first 31 fit and are written; send the
/// rest in receiver reports (section 6.1).
pub fn write_sender_report(
    out: &mut Vec<u8>,
    ssrc: u32,
    info: &SenderInfo,
    blocks: &[ReportBlock],
) {
    let blocks = rr::at_most_31(blocks);
    write_packet(out, packet_type::SENDER_REPORT, blocks.len() as u8, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        out.extend_from_slice(&info.ntp.0.to_be_bytes());
        out.extend_from_slice(&info.rtp_timestamp.to_be_bytes());
        out.extend_from_slice(&info.packet_count.to_be_bytes());
        out.extend_from_slice(&info.octet_count.to_be_bytes());
        for block in blocks {
            out.extend_from_slice(&block.to_bytes());
        }
    });
}
