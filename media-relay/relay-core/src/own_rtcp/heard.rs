//! What a leg's RTCP told us, for the reports that we send and make.

use crate::rtp_session::Leg;
use model::Instant;
use rtp_proto::NtpMid;
use rtp_proto::rtcp::{RtcpPacket, VoipMetrics, XrBlock};

/// What was heard of a leg.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Heard {
    /// When its last sender or receiver report came.
    pub(crate) report_at: Option<Instant>,
    /// When its last VoIP metrics came.
    pub(crate) metrics_at: Option<Instant>,
    /// Its last sender report, which a report block of ours quotes.
    pub(crate) sender_report: Option<Stamp>,
    /// Its last receiver reference time, which a DLRR block of ours quotes.
    pub(crate) reference_time: Option<Stamp>,
    /// What it last said of the audio that we send to it.
    pub(crate) voip_metrics: Option<VoipMetrics>,
}

/// A time by a leg's clock, and when it came by ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    pub(crate) ssrc: u32,
    pub(crate) ntp: NtpMid,
    pub(crate) at: Instant,
}

/// Takes one packet of a compound of `leg`; `passes` when it goes on to `other`. Whether it says
/// goodbye.
pub(crate) fn note_report(
    leg: &mut Leg,
    other: &mut Leg,
    packet: &RtcpPacket<'_>,
    passes: bool,
    arrival: Instant,
) -> bool {
    let blocks = match packet {
        RtcpPacket::SenderReport(report) => {
            let ntp = report.info.ntp.mid();
            if passes {
                other.stream.note_sender_report(ntp, arrival);
            }
            // Where lines share a transport, one hears of the others' sources too.
            if leg.stream.ssrc().is_none_or(|own| own == report.ssrc) {
                let stamp = Stamp { ssrc: report.ssrc, ntp, at: arrival };
                leg.stream.heard.sender_report = Some(stamp);
            }
            report.blocks
        }
        RtcpPacket::ReceiverReport(report) => report.blocks,
        RtcpPacket::ExtendedReport(report) => {
            for block in report.blocks {
                note_extended(leg, other, report.ssrc, &block, arrival);
            }
            return false;
        }
        RtcpPacket::Goodbye(_) => return true,
        _ => return false,
    };
    leg.stream.heard.report_at = Some(arrival);
    for block in blocks.iter() {
        // The leg knows our source, the numbers are kept by the other's.
        let passing = passed_as(leg, other, block.ssrc);
        leg.stream.note_report_block(&block, passing, &other.stream, arrival);
        if is_made_alone(leg, other, block.ssrc) {
            let delay = block.delay_since_last_sender_report;
            leg.stream.note_answer(block.last_sender_report, delay, arrival);
        }
    }
    false
}

/// Whether `ssrc` is all made here, as in a conference, where the other leg is nobody: the block is not about
/// what that one sends, but answers reports of ours.
fn is_made_alone(leg: &Leg, other: &Leg, ssrc: u32) -> bool {
    let is_made = leg.made.as_deref().is_some_and(|made| made.outbound.ssrc() == ssrc);
    is_made && other.stream.reception.ssrc().is_none()
}

/// The other leg's source of what `leg` knows as `ssrc`.
pub(super) fn passed_as(leg: &Leg, other: &Leg, ssrc: u32) -> u32 {
    match (leg.made.as_deref(), other.stream.reception.ssrc()) {
        (Some(made), Some(passing)) if made.outbound.ssrc() == ssrc => passing,
        _ => ssrc ^ leg.ssrc_mask,
    }
}

fn note_extended(leg: &mut Leg, other: &Leg, reporter: u32, block: &XrBlock<'_>, arrival: Instant) {
    match block {
        XrBlock::ReceiverReferenceTime(time) => {
            let stamp = Stamp { ssrc: reporter, ntp: time.mid(), at: arrival };
            leg.stream.heard.reference_time = Some(stamp);
        }
        XrBlock::Dlrr(reports) => {
            for report in reports.iter() {
                leg.stream.note_answer(report.last_receiver_report, report.delay, arrival);
            }
        }
        XrBlock::VoipMetrics(metrics)
            if other.stream.reception.ssrc() == Some(passed_as(leg, other, metrics.ssrc)) =>
        {
            leg.stream.heard.metrics_at = Some(arrival);
            leg.stream.heard.voip_metrics = Some(*metrics);
        }
        _ => {}
    }
}
