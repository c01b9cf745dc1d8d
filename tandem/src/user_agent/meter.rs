//! The receiving half of a call's media: RTP and RTCP in, numbers out. Without sockets or clock.

use super::clock::Clock;
use super::description::RemoteMedia;
use super::quality::{FarEndQuality, MediaQuality, ReceivedQuality};
use super::speech::{LevelMeter, SAMPLE_RATE};
use model::{Codec, Instant, LossCounts};
use relay_core::quality::{self, PacketFacts, PacketKind, RoundTrips, StreamTotals};
use rtp_proto::codecs::g711::{decode_a_law, decode_mu_law};
use rtp_proto::rtcp::{ReportBlock, ReportBlocks, RtcpPacket, parse_compound};
use rtp_proto::{NtpMid, RtpPacket};
use std::time::Duration;

/// What we send, as far as reports about it are concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnStream {
    pub(super) ssrc: u32,
    pub(super) first_sequence: u16,
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

/// Measures what comes in.
#[derive(Debug, Default)]
pub(super) struct Meter {
    totals: StreamTotals,
    level: LevelMeter,
    round_trips: RoundTrips,
    /// What our last report said.
    reported: LossCounts,
    /// NTP middle bits and arrival of the last sender report, and whose it was.
    last_sender_report: Option<(u32, NtpMid, Instant)>,
    far_end: Option<(ReportBlock, u64)>,
    pub(super) dropped: u64,
}

impl Meter {
    /// Takes a datagram that looks like RTP.
    pub(super) fn on_rtp(&mut self, arrival: Instant, datagram: &[u8], remote: &RemoteMedia) {
        let Ok(packet) = RtpPacket::parse(datagram) else {
            self.dropped += 1;
            return;
        };
        let kind = match packet.payload_type() {
            13 => PacketKind::ComfortNoise,
            other if Some(other) == remote.telephone_event => PacketKind::TelephoneEvent,
            _ => PacketKind::Audio,
        };
        let facts = PacketFacts {
            sequence: packet.sequence(),
            timestamp: packet.timestamp(),
            arrival,
            clock_rate: SAMPLE_RATE,
            payload_bytes: packet.payload().len(),
            marker: packet.marker(),
            kind,
            was_asked: false,
        };
        self.totals.on_packet(packet.ssrc(), &facts);
        let samples = packet.payload().iter().copied();
        match packet.payload_type() {
            0 => self.level.add(samples.map(decode_mu_law)),
            8 => self.level.add(samples.map(decode_a_law)),
            _ => {}
        }
    }

    /// Takes a datagram that looks like RTCP. Returns whether the peer says goodbye in it.
    pub(super) fn on_rtcp(
        &mut self,
        arrival: Instant,
        datagram: &[u8],
        own: &OwnStream,
        clock: &Clock,
    ) -> bool {
        let mut goodbye = false;
        let now = clock.ntp(arrival).mid();
        for packet in parse_compound(datagram) {
            match packet {
                Ok(RtcpPacket::SenderReport(report)) => {
                    self.last_sender_report = Some((report.ssrc, report.info.ntp.mid(), arrival));
                    self.on_blocks(now, &report.blocks, own);
                }
                Ok(RtcpPacket::ReceiverReport(report)) => self.on_blocks(now, &report.blocks, own),
                Ok(RtcpPacket::Goodbye(_)) => goodbye = true,
                Ok(_) => {}
                Err(_) => self.dropped += 1,
            }
        }
        goodbye
    }

    fn on_blocks(&mut self, now: NtpMid, blocks: &ReportBlocks<'_>, own: &OwnStream) {
        for block in blocks.iter().filter(|block| block.ssrc == own.ssrc) {
            let reports = self.far_end.map_or(0, |(_, reports)| reports) + 1;
            self.far_end = Some((block, reports));
            let lsr = block.last_sender_report;
            let rtt = quality::round_trip_time(now, lsr, block.delay_since_last_sender_report);
            if let Some(rtt) = rtt {
                self.round_trips.on_sample(rtt);
            }
        }
    }

    /// Our report about what the peer sends; begins a new interval. `None` before its first packet.
    pub(super) fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        let ssrc = self.totals.ssrc()?;
        let highest_sequence = self.totals.current()?.highest_sequence()?;
        let jitter = self.totals.current()?.jitter_units();
        let (lsr, dlsr) = match self.last_sender_report {
            Some((source, ntp, at)) if source == ssrc => {
                (ntp, rtp_proto::dlsr_from_duration(now.saturating_since(at)))
            }
            _ => (NtpMid(0), 0),
        };
        let loss = self.totals.cumulative();
        let interval = LossCounts {
            expected: loss.expected.saturating_sub(self.reported.expected),
            lost: loss.lost.saturating_sub(self.reported.lost),
        };
        self.reported = loss;
        Some(ReportBlock {
            ssrc,
            fraction_lost: quality::fraction_lost(interval),
            cumulative_lost: rtp_proto::rtcp::clamp_cumulative_lost(loss.lost),
            highest_sequence,
            jitter,
            last_sender_report: lsr,
            delay_since_last_sender_report: dlsr,
        })
    }

    /// All of it.
    pub(super) fn quality(&self, own: &OwnStream, codec: Option<Codec>) -> MediaQuality {
        let rtt = self.round_trips.mean();
        let delay = quality::network_delay(rtt);
        let rated = codec.unwrap_or(Codec::Pcmu);
        let loss = self.totals.distinct_loss();
        let loss_ratio = loss.loss_ratio();
        let jitter = self.totals.jitter();
        let mos = (loss.expected > 0).then(|| {
            quality::estimate(rated, loss_ratio, self.totals.burst_ratio(), delay, jitter).value()
        });
        MediaQuality {
            codec: codec.map(Codec::name),
            packets_sent: own.packets,
            bytes_sent: own.bytes,
            received: ReceivedQuality {
                packets: self.totals.packets(),
                expected: loss.expected,
                lost: loss.lost,
                loss_ratio,
                jitter,
                reordered: self.totals.reordered(),
                duplicated: self.totals.duplicated(),
                dropped: self.dropped,
                level_dbov: self.level.dbov().map(to_hundredths),
                mos: mos.map(to_hundredths),
            },
            far_end: self
                .far_end
                .map(|(block, reports)| far_end(&block, reports, own, rated, delay)),
            rtt,
        }
    }
}

/// The far end's own words. It knows nothing of bursts, so its losses count as random.
fn far_end(
    block: &ReportBlock,
    reports: u64,
    own: &OwnStream,
    codec: Codec,
    delay: Duration,
) -> FarEndQuality {
    let behind_first = block.highest_sequence.wrapping_sub(u32::from(own.first_sequence));
    let expected = (u64::from(behind_first) + 1).min(own.packets);
    let loss = LossCounts { expected, lost: i64::from(block.cumulative_lost) };
    let jitter = quality::jitter_duration(block.jitter, SAMPLE_RATE);
    let mos = (expected > 0)
        .then(|| quality::estimate(codec, loss.loss_ratio(), 1.0, delay, jitter).value());
    FarEndQuality {
        expected,
        lost: loss.lost,
        loss_ratio: loss.loss_ratio(),
        jitter,
        reports,
        mos: mos.map(to_hundredths),
    }
}

/// More digits than a model or a meter is worth would only blur the record.
fn to_hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
