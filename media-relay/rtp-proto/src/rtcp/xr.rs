//! Extended reports (RFC 3611): all seven kinds of blocks are read; receiver reference time, DLRR and
//! VoIP metrics are written too.

mod packets;
mod voip_metrics;

pub use packets::{PacketRange, ReceiptTimes, RunLengths, StatisticsSummary};
pub use voip_metrics::VoipMetrics;

use super::{Frame, RtcpError, packet_type, write_packet};
use crate::wire::{u16_at, u32_at, u64_at};
use crate::{NtpMid, NtpTime};
use voip_metrics::VOIP_METRICS_BYTES;

const BLOCK_HEADER: usize = 4;
const LOSS_RUNS: u8 = 1;
const DUPLICATE_RUNS: u8 = 2;
const RECEIPT_TIMES: u8 = 3;
const RECEIVER_REFERENCE_TIME: u8 = 4;
const DLRR: u8 = 5;
const STATISTICS_SUMMARY: u8 = 6;
const VOIP_METRICS: u8 = 7;
const DLRR_BYTES: usize = 12;

/// An extended report over borrowed bytes; all its blocks were checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtendedReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    /// The report blocks.
    pub blocks: XrBlocks<'a>,
}

/// The report blocks of one extended report, in wire order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct XrBlocks<'a> {
    rest: &'a [u8],
}

/// One report block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XrBlock<'a> {
    /// Which packets were lost (section 4.1): a 1 for each that came.
    LossRuns(RunLengths<'a>),
    /// Which packets came twice (section 4.2): a 0 for each that did.
    DuplicateRuns(RunLengths<'a>),
    /// When packets came (section 4.3).
    ReceiptTimes(ReceiptTimes<'a>),
    /// Receiver reference time (section 4.4): a receiver's clock, answered by DLRR.
    ReceiverReferenceTime(NtpTime),
    /// Delay since the last receiver reference time (section 4.5).
    Dlrr(DlrrReports<'a>),
    /// Statistics summary (section 4.6).
    StatisticsSummary(StatisticsSummary),
    /// VoIP metrics (section 4.7).
    VoipMetrics(VoipMetrics),
    /// Any other block.
    Other {
        /// Block type.
        block_type: u8,
        /// Type-specific octet.
        specific: u8,
        /// Content after the block's header.
        content: &'a [u8],
    },
}

/// The sub-blocks of a DLRR block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DlrrReports<'a> {
    bytes: &'a [u8],
}

/// One sub-block of DLRR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DlrrReport {
    /// The receiver that sent the reference time.
    pub ssrc: u32,
    /// LRR: the middle of its reference time; 0 when none came.
    pub last_receiver_report: NtpMid,
    /// DLRR: delay since then in 1/65,536 s.
    pub delay: u32,
}

impl<'a> ExtendedReport<'a> {
    pub(crate) fn parse(frame: &Frame<'a>) -> Result<Self, RtcpError> {
        let ssrc = u32_at(frame.body, 0).ok_or(frame.inner_error())?;
        let mut rest = frame.body.get(4..).unwrap_or_default();
        let blocks = XrBlocks { rest };
        while !rest.is_empty() {
            let (_, after) = split_block(rest).ok_or(frame.inner_error())?;
            rest = after;
        }
        Ok(ExtendedReport { ssrc, blocks })
    }
}

impl<'a> ExtendedReport<'a> {
    /// The blocks that tell packet by packet, or as a sum over packets, what came (sections 4.1 to 4.3
    /// and 4.6): the source of which each speaks, and its octets with the block's header.
    pub fn packet_blocks(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let mut rest = self.blocks.rest;
        let blocks = std::iter::from_fn(move || {
            let (_, after) = split_block(rest)?;
            let (block, _) = rest.split_at_checked(rest.len() - after.len())?;
            rest = after;
            Some(block)
        });
        blocks.filter_map(|block| {
            let tells = matches!(
                block.first(),
                Some(&(LOSS_RUNS | DUPLICATE_RUNS | RECEIPT_TIMES | STATISTICS_SUMMARY))
            );
            Some((u32_at(block, BLOCK_HEADER).filter(|_| tells)?, block))
        })
    }
}

/// Appends an extended report with blocks of [`ExtendedReport::packet_blocks`], each about the source
/// that stands beside it.
pub fn write_packet_blocks<'a>(
    out: &mut Vec<u8>,
    ssrc: u32,
    blocks: impl Iterator<Item = (u32, &'a [u8])>,
) {
    write_packet(out, packet_type::EXTENDED_REPORT, 0, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        for (source, block) in blocks {
            let (header, content) = block.split_at(block.len().min(BLOCK_HEADER));
            out.extend_from_slice(header);
            out.extend_from_slice(&source.to_be_bytes());
            out.extend_from_slice(content.get(size_of::<u32>()..).unwrap_or_default());
        }
    });
}

impl<'a> Iterator for XrBlocks<'a> {
    type Item = XrBlock<'a>;

    fn next(&mut self) -> Option<XrBlock<'a>> {
        let (block, rest) = split_block(self.rest)?;
        self.rest = rest;
        Some(block)
    }
}

impl<'a> DlrrReports<'a> {
    /// The sub-blocks in wire order.
    pub fn iter(&self) -> impl Iterator<Item = DlrrReport> + use<'a> {
        self.bytes.chunks_exact(DLRR_BYTES).filter_map(|bytes| {
            Some(DlrrReport {
                ssrc: u32_at(bytes, 0)?,
                last_receiver_report: NtpMid(u32_at(bytes, 4)?),
                delay: u32_at(bytes, 8)?,
            })
        })
    }
}

fn split_block(bytes: &[u8]) -> Option<(XrBlock<'_>, &[u8])> {
    let &[block_type, specific, ..] = bytes else {
        return None;
    };
    let length = 4 * usize::from(u16_at(bytes, 2)?);
    let (content, rest) = bytes.get(BLOCK_HEADER..)?.split_at_checked(length)?;
    let block = match block_type {
        RECEIVER_REFERENCE_TIME if length == 8 => {
            XrBlock::ReceiverReferenceTime(NtpTime(u64_at(content, 0)?))
        }
        DLRR if length.is_multiple_of(DLRR_BYTES) => XrBlock::Dlrr(DlrrReports { bytes: content }),
        VOIP_METRICS if length == VOIP_METRICS_BYTES => {
            XrBlock::VoipMetrics(VoipMetrics::parse(content)?)
        }
        RECEIVER_REFERENCE_TIME | DLRR | VOIP_METRICS => return None,
        LOSS_RUNS => XrBlock::LossRuns(RunLengths::parse(specific, content)?),
        DUPLICATE_RUNS => XrBlock::DuplicateRuns(RunLengths::parse(specific, content)?),
        RECEIPT_TIMES => XrBlock::ReceiptTimes(ReceiptTimes::parse(specific, content)?),
        STATISTICS_SUMMARY => {
            XrBlock::StatisticsSummary(StatisticsSummary::parse(specific, content)?)
        }
        block_type => XrBlock::Other { block_type, specific, content },
    };
    Some((block, rest))
}

/// What an extended report of ours says; one packet for all of it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct OwnExtendedReport {
    /// Our clock, which the peer answers with DLRR.
    pub reference_time: Option<NtpTime>,
    /// The answer to the peer's clock.
    pub dlrr: Option<DlrrReport>,
    /// What we measured of a source.
    pub voip_metrics: Option<VoipMetrics>,
}

impl OwnExtendedReport {
    /// Whether it says nothing, and need not be sent.
    pub fn is_empty(&self) -> bool {
        *self == OwnExtendedReport::default()
    }
}

/// Appends an extended report with the blocks that `report` has.
pub fn write_extended_report(out: &mut Vec<u8>, ssrc: u32, report: &OwnExtendedReport) {
    write_packet(out, packet_type::EXTENDED_REPORT, 0, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        if let Some(now) = report.reference_time {
            out.extend_from_slice(&[RECEIVER_REFERENCE_TIME, 0, 0, 2]);
            out.extend_from_slice(&now.0.to_be_bytes());
        }
        if let Some(dlrr) = &report.dlrr {
            out.extend_from_slice(&[DLRR, 0, 0, 3]);
            for word in [dlrr.ssrc, dlrr.last_receiver_report.0, dlrr.delay] {
                out.extend_from_slice(&word.to_be_bytes());
            }
        }
        if let Some(metrics) = &report.voip_metrics {
            out.extend_from_slice(&[VOIP_METRICS, 0, 0, (VOIP_METRICS_BYTES / 4) as u8]);
            metrics.write(out);
        }
    });
}

/// Appends an extended report with our clock, which the peer answers with DLRR.
pub fn write_receiver_reference_time(out: &mut Vec<u8>, ssrc: u32, now: NtpTime) {
    let report = OwnExtendedReport { reference_time: Some(now), ..OwnExtendedReport::default() };
    write_extended_report(out, ssrc, &report);
}

/// Appends an extended report that answers one receiver's reference time.
pub fn write_dlrr(out: &mut Vec<u8>, ssrc: u32, report: &DlrrReport) {
    let report = OwnExtendedReport { dlrr: Some(*report), ..OwnExtendedReport::default() };
    write_extended_report(out, ssrc, &report);
}

/// Appends an extended report with one VoIP metrics block.
pub fn write_voip_metrics(out: &mut Vec<u8>, ssrc: u32, metrics: &VoipMetrics) {
    let report = OwnExtendedReport { voip_metrics: Some(*metrics), ..OwnExtendedReport::default() };
    write_extended_report(out, ssrc, &report);
}
