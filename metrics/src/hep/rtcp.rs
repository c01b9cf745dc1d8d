//! RTCP in the form that collectors know: captagent, heplify and rtpengine send a compound as one JSON
//! object, by the same names.

use super::{Envelope, HepConfig, Payload, UDP, write};
use crate::Numbers;
use model::{MessageDirection, RtcpCopy};
use rtp_proto::rtcp::{
    FeedbackKind, ReportBlock, RtcpPacket, Sdes, SdesItem, SdesKind, SenderInfo, VoipMetrics,
    XrBlock, packet_type, parse_compound,
};
use serde::Serialize;

/// A packet with a compound of a leg; `None` when it holds no RTCP. `at` is in µs since 1970, `call_id`
/// leg A's.
pub(crate) fn of_rtcp(
    config: &HepConfig,
    numbers: &Numbers,
    at: u64,
    copy: &RtcpCopy,
    call_id: &str,
) -> Option<Vec<u8>> {
    let mut told = Compound::default();
    for packet in parse_compound(&copy.octets).flatten() {
        told.add(&packet, numbers);
    }
    told.leg = Some(if copy.leg == model::LegSide::A { "A" } else { "B" });
    // Without a packet there is no type.
    told.kind?;
    // Serialising plain fields into memory cannot fail.
    let body = serde_json::to_vec(&told).unwrap_or_default();
    let (source, destination) = match copy.direction {
        MessageDirection::Received => (copy.remote, copy.local),
        MessageDirection::Sent => (copy.local, copy.remote),
    };
    let payload = Payload::Rtcp;
    let envelope =
        Envelope { source, destination, protocol: UDP, at, payload, correlation: call_id };
    Some(write(config, &envelope, &body))
}

/// What of a compound is told. Of several reports in one the blocks stand behind each other, as in a
/// compound of more than 31 (RFC 3550 section 6.1).
#[derive(Default, Serialize)]
struct Compound {
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_information: Option<Sender>,
    ssrc: u32,
    /// Of the first packet: 200 with a sender report, 201 with a receiver report.
    #[serde(rename = "type")]
    kind: Option<u8>,
    report_count: usize,
    report_blocks: Vec<Block>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report_blocks_xr: Option<Metrics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sdes_ssrc: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sdes_report_count: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sdes_information: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bye: Option<Goodbye>,
    leg: Option<&'static str>,
}

#[derive(Serialize)]
struct Sender {
    /// Seconds since 1900.
    ntp_timestamp_sec: u32,
    /// In spite of its name, the fraction of a second in 1/2^32: every sender of HEP writes that.
    ntp_timestamp_usec: u32,
    rtp_timestamp: u32,
    packets: u32,
    octets: u32,
}

#[derive(Serialize)]
struct Block {
    source_ssrc: u32,
    /// Of 256.
    fraction_lost: u8,
    /// Negative when duplicates came.
    packets_lost: i32,
    highest_seq_no: u32,
    /// In units of the source's clock.
    ia_jitter: u32,
    lsr: u32,
    dlsr: u32,
}

/// VoIP metrics (RFC 3611 section 4.7), as on the wire.
#[derive(Serialize)]
struct Metrics {
    #[serde(rename = "type")]
    kind: u8,
    id: u32,
    fraction_lost: u8,
    fraction_discard: u8,
    burst_density: u8,
    gap_density: u8,
    burst_duration: u16,
    gap_duration: u16,
    round_trip_delay: u16,
    end_system_delay: u16,
    r_factor: u8,
    mos_lq: u8,
    mos_cq: u8,
}

#[derive(Serialize)]
struct Item {
    sdes_chunk_ssrc: u32,
    #[serde(rename = "type")]
    kind: u8,
    text: String,
}

#[derive(Serialize)]
struct Goodbye {
    sources: Vec<u32>,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
}

const VOIP_METRICS: u8 = 7;

impl Compound {
    fn add(&mut self, packet: &RtcpPacket<'_>, numbers: &Numbers) {
        match packet {
            RtcpPacket::SenderReport(report) => {
                self.begin(packet_type::SENDER_REPORT, report.ssrc);
                self.sender_information.get_or_insert_with(|| Sender::of(&report.info));
                self.add_blocks(report.blocks.iter());
            }
            RtcpPacket::ReceiverReport(report) => {
                self.begin(packet_type::RECEIVER_REPORT, report.ssrc);
                self.add_blocks(report.blocks.iter());
            }
            RtcpPacket::SourceDescription(sdes) => {
                let first = sdes.chunks().next().map(|chunk| chunk.ssrc).unwrap_or_default();
                self.begin(packet_type::SOURCE_DESCRIPTION, first);
                self.describe(sdes, numbers);
            }
            RtcpPacket::Goodbye(bye) => {
                let sources: Vec<u32> = bye.sources().collect();
                self.begin(packet_type::GOODBYE, sources.first().copied().unwrap_or_default());
                let reason = String::from_utf8_lossy(bye.reason);
                let reason = numbers.reason(&reason).into_owned();
                self.bye = Some(Goodbye { sources, reason });
            }
            RtcpPacket::ExtendedReport(report) => {
                self.begin(packet_type::EXTENDED_REPORT, report.ssrc);
                let mut blocks = report.blocks;
                let metrics = blocks.find_map(|block| match block {
                    XrBlock::VoipMetrics(metrics) => Some(Metrics::of(&metrics)),
                    _ => None,
                });
                self.report_blocks_xr = metrics.or(self.report_blocks_xr.take());
            }
            RtcpPacket::Feedback(feedback) => {
                let kind = match feedback.kind {
                    FeedbackKind::Transport => packet_type::TRANSPORT_FEEDBACK,
                    FeedbackKind::PayloadSpecific => packet_type::PAYLOAD_FEEDBACK,
                };
                self.begin(kind, feedback.sender_ssrc);
            }
            RtcpPacket::Application(app) => self.begin(packet_type::APPLICATION, app.ssrc),
            RtcpPacket::Unknown { packet_type, .. } => self.begin(*packet_type, 0),
        }
    }

    /// The first packet says what the whole is.
    fn begin(&mut self, kind: u8, ssrc: u32) {
        if self.kind.is_none() {
            (self.kind, self.ssrc) = (Some(kind), ssrc);
        }
    }

    fn add_blocks(&mut self, blocks: impl Iterator<Item = ReportBlock>) {
        self.report_blocks.extend(blocks.map(|block| Block {
            source_ssrc: block.ssrc,
            fraction_lost: block.fraction_lost,
            packets_lost: block.cumulative_lost,
            highest_seq_no: block.highest_sequence,
            ia_jitter: block.jitter,
            lsr: block.last_sender_report.0,
            dlsr: block.delay_since_last_sender_report,
        }));
        self.report_count = self.report_blocks.len();
    }

    fn describe(&mut self, sdes: &Sdes<'_>, numbers: &Numbers) {
        for chunk in sdes.chunks() {
            self.sdes_ssrc.get_or_insert(chunk.ssrc);
            *self.sdes_report_count.get_or_insert(0) += 1;
            self.sdes_information.extend(chunk.items().map(|item| Item {
                sdes_chunk_ssrc: chunk.ssrc,
                kind: item.kind.to_wire(),
                text: text_of(&item, numbers),
            }));
        }
    }
}

/// An item's text as this place may have it. Who hides numbers hides what else tells of a person: a
/// canonical name often is a user's at the address of his host (RFC 3550 section 6.5.1).
fn text_of(item: &SdesItem<'_>, numbers: &Numbers) -> String {
    let text = String::from_utf8_lossy(item.text);
    match (numbers, item.kind) {
        (Numbers::Plain, _) => text.into_owned(),
        (_, SdesKind::Phone) => numbers.user(&text).into_owned(),
        (_, SdesKind::Tool) => numbers.product(&text).into_owned(),
        _ => "***".to_owned(),
    }
}

impl Sender {
    fn of(info: &SenderInfo) -> Self {
        Sender {
            ntp_timestamp_sec: info.ntp.seconds(),
            ntp_timestamp_usec: info.ntp.fraction(),
            rtp_timestamp: info.rtp_timestamp,
            packets: info.packet_count,
            octets: info.octet_count,
        }
    }
}

impl Metrics {
    fn of(metrics: &VoipMetrics) -> Self {
        Metrics {
            kind: VOIP_METRICS,
            id: metrics.ssrc,
            fraction_lost: metrics.loss_rate,
            fraction_discard: metrics.discard_rate,
            burst_density: metrics.burst_density,
            gap_density: metrics.gap_density,
            burst_duration: metrics.burst_duration,
            gap_duration: metrics.gap_duration,
            round_trip_delay: metrics.round_trip_delay,
            end_system_delay: metrics.end_system_delay,
            r_factor: metrics.r_factor,
            mos_lq: metrics.mos_lq,
            mos_cq: metrics.mos_cq,
        }
    }
}

#[cfg(test)]
mod tests;
