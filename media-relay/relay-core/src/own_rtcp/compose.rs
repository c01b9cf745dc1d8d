//! Writes our reports.

use super::{OwnRtcp, media_source};
use crate::quality::{self, fraction_lost, since};
use crate::rtp_session::{Leg, RtpSession};
use crate::stream::LegStream;
use model::{Instant, LegSide, LossCounts};
use rtp_proto::rtcp::{
    DlrrReport, OwnExtendedReport, ReportBlock, SenderInfo, clamp_cumulative_lost, write_bye,
    write_cname, write_extended_report, write_receiver_report, write_sender_report,
};
use rtp_proto::{NtpMid, NtpTime, RtpHeader, dlsr_from_duration};

/// What a report of ours holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Compound {
    /// SR or RR, SDES, XR where it is asked for, and BYE.
    Report {
        /// Ends with BYE.
        goodbye: bool,
    },
    /// XR, behind an RR of a source of our own that says nothing: who reports on the media is
    /// another.
    Metrics,
    /// What the other side says of the leg's media, behind an RR that says nothing and our SDES.
    Feedback,
    /// BYE of a source that we no longer have, behind an RR and an SDES of it.
    Goodbye(u32),
}

/// What was said last of a leg's source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reported {
    ssrc: u32,
    loss: LossCounts,
    packets: u64,
}

impl RtpSession {
    /// Replaces what is in `out`.
    pub(super) fn compose(
        &mut self,
        to: LegSide,
        now: Instant,
        ntp: NtpTime,
        compound: Compound,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        out.clear();
        let [a, b] = &mut self.legs;
        let (leg, other) = match to {
            LegSide::A => (a, &*b),
            LegSide::B => (b, &*a),
        };
        let own: &mut OwnRtcp = self.own_rtcp.as_deref_mut()?;
        let towards = &mut own.towards[to.index()];
        let media = media_source(leg, other);
        let mut ssrc = towards.ssrc;
        if let Compound::Report { .. } = compound {
            ssrc = media.unwrap_or(ssrc);
            let (block, reported) = block(&leg.stream, towards.reported, now);
            towards.reported = reported;
            let sent = leg.stream.sent.rtp_packets;
            let [older, newer] = towards.sent;
            towards.sent = [newer, sent];
            let block = block.as_slice();
            // A sender is who sent since the report before the last (section 6.4).
            match sender_info(leg, other, now, ntp).filter(|_| media.is_some() && sent > older) {
                Some(info) => {
                    leg.stream.note_sender_report(ntp.mid(), now);
                    write_sender_report(out, ssrc, &info, block);
                }
                None => write_receiver_report(out, ssrc, block),
            }
        } else {
            match compound {
                Compound::Feedback => ssrc = media.unwrap_or(ssrc),
                Compound::Goodbye(former) => ssrc = former,
                Compound::Metrics | Compound::Report { .. } => {}
            }
            write_receiver_report(out, ssrc, &[]);
        }
        write_cname(out, ssrc, &towards.cname);
        if let Compound::Goodbye(former) = compound {
            write_bye(out, former, b"");
            return Some(());
        }
        if compound == Compound::Feedback {
            out.extend_from_slice(&towards.feedback.as_deref()?.packets);
            return Some(());
        }
        let extended = extended(leg, now, ntp);
        if !extended.is_empty() {
            write_extended_report(out, ssrc, &extended);
        }
        if let Compound::Report { goodbye } = compound {
            towards.speaks = !goodbye;
            if goodbye {
                write_bye(out, ssrc, b"");
            }
        }
        Some(())
    }
}

/// The block about what came from the leg; none when nothing did since the last.
fn block(
    stream: &LegStream,
    last: Option<Reported>,
    now: Instant,
) -> (Option<ReportBlock>, Option<Reported>) {
    let (Some(ssrc), Some(reception)) = (stream.reception.ssrc(), stream.reception.current())
    else {
        return (None, last);
    };
    let reported = Reported { ssrc, loss: reception.cumulative(), packets: reception.packets() };
    let before = last.filter(|last| last.ssrc == ssrc);
    if before.is_some_and(|before| before.packets == reported.packets) {
        return (None, last);
    }
    let interval = since(reported.loss, before.map(|before| before.loss).unwrap_or_default());
    let heard = stream.heard.sender_report.filter(|report| report.ssrc == ssrc);
    let block = ReportBlock {
        ssrc,
        fraction_lost: fraction_lost(interval),
        cumulative_lost: clamp_cumulative_lost(reported.loss.lost),
        highest_sequence: reception.highest_sequence().unwrap_or_default(),
        jitter: reception.jitter_units(),
        last_sender_report: heard.map_or(NtpMid(0), |report| report.ntp),
        delay_since_last_sender_report: heard.map_or(0, |report| report.age(now)),
    };
    (Some(block), Some(reported))
}

/// What we say of the other side's media that goes to the leg; `None` while there is none.
fn sender_info(leg: &Leg, other: &Leg, now: Instant, ntp: NtpTime) -> Option<SenderInfo> {
    if let Some(made) = leg.made.as_deref() {
        let packets = leg.stream.sent.rtp_packets;
        let headers = packets.saturating_mul(RtpHeader::BYTES as u64);
        return Some(SenderInfo {
            ntp,
            rtp_timestamp: made.outbound.timestamp_at(now),
            packet_count: packets as u32,
            // Of SRTP with its tags: it tells a receiver how much to expect, no more (section 6.4.1).
            octet_count: leg.stream.sent.rtp_bytes.saturating_sub(headers) as u32,
        });
    }
    let (reception, (timestamp, at)) = (other.stream.reception.current()?, other.stream.last_rtp?);
    let clock_rate = u64::from(other.stream.format.unwrap_or_default().clock_rate);
    let gone = u128::from((now - at).as_nanos() as u64) * u128::from(clock_rate);
    // What was withheld was not sent, in packets of the same size.
    let packets = reception.packets().min(leg.stream.sent.rtp_packets);
    let octets = u128::from(reception.payload_bytes()) * u128::from(packets)
        / u128::from(reception.packets().max(1));
    Some(SenderInfo {
        ntp,
        rtp_timestamp: timestamp.wrapping_add((gone / 1_000_000_000) as u32),
        packet_count: packets as u32,
        octet_count: octets as u32,
    })
}

/// What the leg asks for of RFC 3611.
fn extended(leg: &mut Leg, now: Instant, ntp: NtpTime) -> OwnExtendedReport {
    let Some(plan) = &leg.plan else { return OwnExtendedReport::default() };
    let stream = &mut leg.stream;
    let dlrr = stream.heard.reference_time.map(|time| DlrrReport {
        ssrc: time.ssrc,
        last_receiver_report: time.ntp,
        delay: time.age(now),
    });
    let reference_time = plan.xr.receiver_rtt.then_some(ntp);
    if reference_time.is_some() {
        // Its answer quotes the time as one to a sender report does.
        stream.note_sender_report(ntp.mid(), now);
    }
    let source = stream.reception.ssrc().filter(|_| plan.xr.voip_metrics);
    let voip_metrics = source.map(|ssrc| {
        let (codec, rtt) = (stream.format.map(|f| f.codec), stream.round_trips.mean());
        quality::measured(ssrc, &stream.reception, codec, rtt, plan.packet_ms)
    });
    OwnExtendedReport { reference_time, dlrr: dlrr.filter(|_| plan.xr.receiver_rtt), voip_metrics }
}

impl super::heard::Stamp {
    /// For how long it has been here, in 1/65,536 s.
    fn age(&self, now: Instant) -> u32 {
        dlsr_from_duration(now.saturating_since(self.at))
    }
}
