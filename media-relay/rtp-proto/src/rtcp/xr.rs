//! Extended reports (RFC 3611): receiver reference time, DLRR and VoIP metrics.

use super::{Frame, RtcpError, packet_type, write_packet};
use crate::wire::{u16_at, u32_at, u64_at};
use crate::{NtpMid, NtpTime};

const BLOCK_HEADER: usize = 4;
const RECEIVER_REFERENCE_TIME: u8 = 4;
const DLRR: u8 = 5;
const VOIP_METRICS: u8 = 7;
const DLRR_BYTES: usize = 12;
const VOIP_METRICS_BYTES: usize = 32;

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
    /// Receiver reference time (section 4.4): a receiver's clock, answered by DLRR.
    ReceiverReferenceTime(NtpTime),
    /// Delay since the last receiver reference time (section 4.5).
    Dlrr(DlrrReports<'a>),
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

/// What an endpoint measured of a call (section 4.7). Values as on the wire; 127 stands for
/// "unavailable" in levels, RERL, R and MOS.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct VoipMetrics {
    /// The source that it speaks of.
    pub ssrc: u32,
    /// Packets lost in the network, in 1/256.
    pub loss_rate: u8,
    /// Packets discarded by the jitter buffer, in 1/256.
    pub discard_rate: u8,
    /// Share lost or discarded within bursts, in 1/256.
    pub burst_density: u8,
    /// Share lost or discarded within gaps, in 1/256.
    pub gap_density: u8,
    /// Mean length of a burst, ms.
    pub burst_duration: u16,
    /// Mean length of a gap, ms.
    pub gap_duration: u16,
    /// Round-trip time, ms; 0 when unknown.
    pub round_trip_delay: u16,
    /// Delay inside the reporting endpoint, ms.
    pub end_system_delay: u16,
    /// Signal level, dBm0.
    pub signal_level: i8,
    /// Noise level, dBm0.
    pub noise_level: i8,
    /// Residual echo return loss, dB.
    pub residual_echo_return_loss: u8,
    /// Gmin: received packets that end a burst; 16 is recommended.
    pub gap_threshold: u8,
    /// R factor, 0 to 100.
    pub r_factor: u8,
    /// R factor of a segment in another network.
    pub external_r_factor: u8,
    /// MOS for listening quality, times 10.
    pub mos_lq: u8,
    /// MOS for conversational quality, times 10.
    pub mos_cq: u8,
    /// Packet loss concealment and jitter buffer kind.
    pub receiver_configuration: u8,
    /// Nominal jitter buffer delay, ms.
    pub jitter_buffer_nominal: u16,
    /// Largest jitter buffer delay now, ms.
    pub jitter_buffer_maximum: u16,
    /// Largest jitter buffer delay possible, ms.
    pub jitter_buffer_absolute_maximum: u16,
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
        block_type => XrBlock::Other { block_type, specific, content },
    };
    Some((block, rest))
}

impl VoipMetrics {
    fn parse(content: &[u8]) -> Option<Self> {
        let octet = |at: usize| content.get(at).copied();
        let half = |at: usize| u16_at(content, at);
        Some(VoipMetrics {
            ssrc: u32_at(content, 0)?,
            loss_rate: octet(4)?,
            discard_rate: octet(5)?,
            burst_density: octet(6)?,
            gap_density: octet(7)?,
            burst_duration: half(8)?,
            gap_duration: half(10)?,
            round_trip_delay: half(12)?,
            end_system_delay: half(14)?,
            signal_level: octet(16)? as i8,
            noise_level: octet(17)? as i8,
            residual_echo_return_loss: octet(18)?,
            gap_threshold: octet(19)?,
            r_factor: octet(20)?,
            external_r_factor: octet(21)?,
            mos_lq: octet(22)?,
            mos_cq: octet(23)?,
            receiver_configuration: octet(24)?,
            jitter_buffer_nominal: half(26)?,
            jitter_buffer_maximum: half(28)?,
            jitter_buffer_absolute_maximum: half(30)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(&[self.loss_rate, self.discard_rate]);
        out.extend_from_slice(&[self.burst_density, self.gap_density]);
        for half in
            [self.burst_duration, self.gap_duration, self.round_trip_delay, self.end_system_delay]
        {
            out.extend_from_slice(&half.to_be_bytes());
        }
        out.extend_from_slice(&[self.signal_level as u8, self.noise_level as u8]);
        out.extend_from_slice(&[self.residual_echo_return_loss, self.gap_threshold]);
        out.extend_from_slice(&[self.r_factor, self.external_r_factor, self.mos_lq, self.mos_cq]);
        out.extend_from_slice(&[self.receiver_configuration, 0]);
        for half in [
            self.jitter_buffer_nominal,
            self.jitter_buffer_maximum,
            self.jitter_buffer_absolute_maximum,
        ] {
            out.extend_from_slice(&half.to_be_bytes());
        }
    }
}

/// Appends an extended report with our clock, which the peer answers with DLRR.
pub fn write_receiver_reference_time(out: &mut Vec<u8>, ssrc: u32, now: NtpTime) {
    write_packet(out, packet_type::EXTENDED_REPORT, 0, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        out.extend_from_slice(&[RECEIVER_REFERENCE_TIME, 0, 0, 2]);
        out.extend_from_slice(&now.0.to_be_bytes());
    });
}

/// Appends an extended report that answers one receiver's reference time.
pub fn write_dlrr(out: &mut Vec<u8>, ssrc: u32, report: &DlrrReport) {
    write_packet(out, packet_type::EXTENDED_REPORT, 0, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        out.extend_from_slice(&[DLRR, 0, 0, 3]);
        for word in [report.ssrc, report.last_receiver_report.0, report.delay] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    });
}

/// Appends an extended report with one VoIP metrics block.
pub fn write_voip_metrics(out: &mut Vec<u8>, ssrc: u32, metrics: &VoipMetrics) {
    write_packet(out, packet_type::EXTENDED_REPORT, 0, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        out.extend_from_slice(&[VOIP_METRICS, 0, 0, (VOIP_METRICS_BYTES / 4) as u8]);
        metrics.write(out);
    });
}
