//! RTCP (RFC 3550 section 6): compound packets as an iterator of checked views, and builders for
//! what we send ourselves.
//!
//! A packet's own length, its counts and every inner length are compared with the octets that
//! really came. The first lie ends the iteration with an [`RtcpError`].

mod app;
mod bye;
mod feedback;
mod rate;
mod rr;
mod sdes;
mod sr;
mod xr;

pub use app::{App, write_app};
pub use bye::{Bye, write_bye};
pub use feedback::{
    Feedback, FeedbackKind, FeedbackMessage, FeedbackSubject, FullIntraRequest, FullIntraRequests,
    Nack, Nacks, write_feedback, write_full_intra_request, write_nack, write_picture_loss,
};
pub use rate::{MaxBitRate, MaxBitRates, Remb, write_max_bit_rates, write_remb};
pub use rr::{
    CUMULATIVE_LOST_MAX, CUMULATIVE_LOST_MIN, ReceiverReport, ReportBlock, ReportBlocks,
    clamp_cumulative_lost, write_receiver_report,
};
pub use sdes::{Sdes, SdesChunk, SdesItem, SdesKind, write_cname, write_source_description};
pub use sr::{SenderInfo, SenderReport, write_sender_report};
pub use xr::{
    DlrrReport, DlrrReports, ExtendedReport, OwnExtendedReport, PacketRange, ReceiptTimes,
    RunLengths, StatisticsSummary, VoipMetrics, XrBlock, XrBlocks, write_dlrr,
    write_extended_report, write_packet_blocks, write_receiver_reference_time, write_voip_metrics,
};

use crate::wire::u16_at;
use std::fmt;

/// Octets of the header that all RTCP packets share.
pub(crate) const HEADER_BYTES: usize = 4;
const VERSION: u8 = 2;
const PADDING_BIT: u8 = 0x20;
const COUNT_MASK: u8 = 0x1f;

/// RTCP packet types (RFC 3550 section 12.1, RFC 4585 section 6.1, RFC 3611 section 2).
pub mod packet_type {
    /// Sender report.
    pub const SENDER_REPORT: u8 = 200;
    /// Receiver report.
    pub const RECEIVER_REPORT: u8 = 201;
    /// Source description.
    pub const SOURCE_DESCRIPTION: u8 = 202;
    /// Goodbye.
    pub const GOODBYE: u8 = 203;
    /// Application-defined.
    pub const APPLICATION: u8 = 204;
    /// Transport-layer feedback.
    pub const TRANSPORT_FEEDBACK: u8 = 205;
    /// Payload-specific feedback.
    pub const PAYLOAD_FEEDBACK: u8 = 206;
    /// Extended report.
    pub const EXTENDED_REPORT: u8 = 207;
}

/// Why bytes are not RTCP.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RtcpError {
    /// Fewer octets left than a header or the packet's announced length.
    Truncated {
        /// The packet type, or 0 when the header itself is cut.
        packet_type: u8,
    },
    /// The version field is not 2.
    Version(u8),
    /// The padding count is 0, no multiple of 4, larger than the packet, or not in the last packet.
    Padding,
    /// A count or an inner length is larger than the packet.
    Inner {
        /// The packet type.
        packet_type: u8,
    },
}

impl fmt::Display for RtcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RtcpError::Truncated { packet_type: 0 } => {
                f.write_str("RTCP datagram ends inside a packet header")
            }
            RtcpError::Truncated { packet_type } => {
                write!(f, "RTCP packet type {packet_type} announces more octets than came")
            }
            RtcpError::Version(version) => write!(f, "RTCP version is {version}, only 2 is known"),
            RtcpError::Padding => f.write_str("RTCP padding count does not fit its packet"),
            RtcpError::Inner { packet_type } => write!(
                f,
                "RTCP packet type {packet_type} has a count or length that does not fit in it"
            ),
        }
    }
}

impl std::error::Error for RtcpError {}

/// One packet of a compound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RtcpPacket<'a> {
    /// SR, 200.
    SenderReport(SenderReport<'a>),
    /// RR, 201.
    ReceiverReport(ReceiverReport<'a>),
    /// SDES, 202.
    SourceDescription(Sdes<'a>),
    /// BYE, 203.
    Goodbye(Bye<'a>),
    /// APP, 204.
    Application(App<'a>),
    /// RTPFB 205 and PSFB 206.
    Feedback(Feedback<'a>),
    /// XR, 207.
    ExtendedReport(ExtendedReport<'a>),
    /// A type that is not interpreted; its frame is sound.
    Unknown {
        /// The packet type.
        packet_type: u8,
        /// The five bits beside version and padding.
        count: u8,
        /// What follows the four header octets, without padding.
        body: &'a [u8],
    },
}

/// The packets of one datagram, in order; after an error there are no more.
#[derive(Clone, Debug)]
pub struct Compound<'a> {
    rest: &'a [u8],
}

/// Iterates over the RTCP packets of one datagram.
///
/// Reduced-size RTCP (RFC 5506) is accepted: the first packet may be of any type. See
/// [`validate_compound`] for RFC 3550's stricter rules. An empty datagram has no packets.
pub const fn parse_compound(datagram: &[u8]) -> Compound<'_> {
    Compound { rest: datagram }
}

/// RFC 3550 appendix A.2 without reading the packets' insides: the first is SR or RR without
/// padding, all have version 2, and their lengths add up to the datagram.
pub fn validate_compound(datagram: &[u8]) -> bool {
    let first_type = datagram.get(1).copied().unwrap_or_default();
    let reports = [packet_type::SENDER_REPORT, packet_type::RECEIVER_REPORT];
    if !reports.contains(&first_type) {
        return false;
    }
    let mut rest = datagram;
    let mut first = true;
    while !rest.is_empty() {
        let Ok((frame, after)) = split_frame(rest) else {
            return false;
        };
        let padded = frame.padding > 0;
        if padded && first {
            return false;
        }
        first = false;
        rest = after;
    }
    true
}

impl<'a> Iterator for Compound<'a> {
    type Item = Result<RtcpPacket<'a>, RtcpError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let parsed = split_frame(self.rest).and_then(|(frame, rest)| {
            self.rest = rest;
            parse_frame(&frame)
        });
        if parsed.is_err() {
            self.rest = &[];
        }
        Some(parsed)
    }
}

/// One packet cut out by its own header.
pub(crate) struct Frame<'a> {
    pub(crate) packet_type: u8,
    pub(crate) count: u8,
    /// Without header and padding.
    pub(crate) body: &'a [u8],
    padding: usize,
}

impl Frame<'_> {
    pub(crate) const fn inner_error(&self) -> RtcpError {
        RtcpError::Inner { packet_type: self.packet_type }
    }
}

fn split_frame(bytes: &[u8]) -> Result<(Frame<'_>, &[u8]), RtcpError> {
    let &[first, packet_type, ..] = bytes else {
        return Err(RtcpError::Truncated { packet_type: 0 });
    };
    if first >> 6 != VERSION {
        return Err(RtcpError::Version(first >> 6));
    }
    let words = u16_at(bytes, 2).ok_or(RtcpError::Truncated { packet_type: 0 })?;
    let length = HEADER_BYTES + 4 * usize::from(words);
    let (packet, rest) =
        bytes.split_at_checked(length).ok_or(RtcpError::Truncated { packet_type })?;
    let body = packet.get(HEADER_BYTES..).unwrap_or_default();
    let mut padding = 0;
    if first & PADDING_BIT != 0 {
        padding = usize::from(body.last().copied().unwrap_or_default());
        // Section 6.4.1: a multiple of four, in the last packet of the compound alone.
        if padding == 0 || padding % 4 != 0 || padding > body.len() || !rest.is_empty() {
            return Err(RtcpError::Padding);
        }
    }
    let body = body.get(..body.len() - padding).unwrap_or_default();
    Ok((Frame { packet_type, count: first & COUNT_MASK, body, padding }, rest))
}

fn parse_frame<'a>(frame: &Frame<'a>) -> Result<RtcpPacket<'a>, RtcpError> {
    Ok(match frame.packet_type {
        packet_type::SENDER_REPORT => RtcpPacket::SenderReport(SenderReport::parse(frame)?),
        packet_type::RECEIVER_REPORT => RtcpPacket::ReceiverReport(ReceiverReport::parse(frame)?),
        packet_type::SOURCE_DESCRIPTION => RtcpPacket::SourceDescription(Sdes::parse(frame)?),
        packet_type::GOODBYE => RtcpPacket::Goodbye(Bye::parse(frame)?),
        packet_type::APPLICATION => RtcpPacket::Application(App::parse(frame)?),
        packet_type::TRANSPORT_FEEDBACK => {
            RtcpPacket::Feedback(Feedback::parse(frame, FeedbackKind::Transport)?)
        }
        packet_type::PAYLOAD_FEEDBACK => {
            RtcpPacket::Feedback(Feedback::parse(frame, FeedbackKind::PayloadSpecific)?)
        }
        packet_type::EXTENDED_REPORT => RtcpPacket::ExtendedReport(ExtendedReport::parse(frame)?),
        packet_type => RtcpPacket::Unknown { packet_type, count: frame.count, body: frame.body },
    })
}

/// Appends a packet: its header, then what `write_body` appends, padded with zeros to a word.
///
/// The bodies that this crate writes are far below the 256 KiB that the length field can say.
pub(crate) fn write_packet(
    out: &mut Vec<u8>,
    packet_type: u8,
    count: u8,
    write_body: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&[(VERSION << 6) | (count & COUNT_MASK), packet_type, 0, 0]);
    write_body(out);
    while !(out.len() - start).is_multiple_of(4) {
        out.push(0);
    }
    let words = (out.len() - start) / 4 - 1;
    let length = u16::try_from(words).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(field) = out.get_mut(start + 2..start + 4) {
        field.copy_from_slice(&length);
    }
}

#[cfg(test)]
mod tests;
