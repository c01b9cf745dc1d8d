//! What one leg's reports add up to.

use crate::call_record::{FaxRecord, IntervalRecord, PeerMetricsRecord, QualityRecord};
use crate::live::LiveQuality;
use crate::spells::Spells;
use model::{Codec, Instant, LossCounts, Mos, PeerVoipMetrics, QualityReport, ReportKind};
use std::time::Duration;

/// One leg of one call: the newest report, what is still to be logged, and the series.
#[derive(Debug, Default)]
pub(crate) struct LegQuality {
    latest: Option<Box<QualityReport>>,
    /// From the newest live report.
    watched: Option<Watched>,
    /// The newest report is not in the media log yet.
    pub(crate) unlogged: bool,
    /// The last report of the stream came.
    pub(crate) is_final: bool,
    jitter_max: Duration,
    rtt_last: Option<Duration>,
    rtt_max: Option<Duration>,
    series: Vec<IntervalRecord>,
    spells: Spells,
}

/// What a live report tells, kept small: it is there for every call.
#[derive(Clone, Copy, Debug)]
struct Watched {
    codec: Option<Codec>,
    received_packets: u64,
    sent_packets: u64,
    lost_packets: i64,
    jitter: Duration,
    rtt: Option<Duration>,
    mos: Option<Mos>,
}

impl Watched {
    fn of(report: &QualityReport) -> Self {
        Watched {
            codec: report.codecs.received,
            received_packets: report.received.rtp_packets,
            sent_packets: report.sent.rtp_packets,
            lost_packets: report.received.loss.lost,
            jitter: report.received.jitter,
            rtt: report.rtt,
            mos: report.interval_mos.or(report.mos),
        }
    }
}

/// How much the counters of a leg grew with a report.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Growth {
    pub(crate) received_packets: u64,
    pub(crate) received_bytes: u64,
    pub(crate) received_lost: u64,
    pub(crate) sent_packets: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) sent_lost: u64,
    pub(crate) received_rtcp_packets: u64,
    pub(crate) received_rtcp_bytes: u64,
    pub(crate) sent_rtcp_packets: u64,
    pub(crate) sent_rtcp_bytes: u64,
    /// Reports of the peer on what it received.
    pub(crate) peer_reports: u64,
}

impl LegQuality {
    pub(crate) fn latest(&self) -> Option<&QualityReport> {
        self.latest.as_deref()
    }

    /// What the media log tells: a round trip of an earlier interval is better than none.
    pub(crate) fn logged(&self) -> Option<QualityReport> {
        let report = self.latest()?.clone();
        let rtt = report.rtt.or(self.rtt_last);
        Some(QualityReport { rtt, ..report })
    }

    /// Takes a report in and tells how much the counters grew. `began` is when the call began.
    pub(crate) fn take(
        &mut self,
        report: Box<QualityReport>,
        began: Instant,
        series_limit: usize,
    ) -> Growth {
        let growth = self.growth_to(&report);
        self.jitter_max = self.jitter_max.max(report.received.interval_jitter_max);
        self.rtt_last = report.rtt.or(self.rtt_last);
        self.rtt_max = self.rtt_max.max(report.rtt);
        self.push_interval(&report, began, series_limit);
        self.note_loss(&report, began);
        self.unlogged = true;
        self.is_final |= report.kind == ReportKind::Final;
        self.latest = Some(report);
        growth
    }

    /// Takes a live report in: it changes nothing but what is shown of a running call.
    pub(crate) fn watch(&mut self, report: &QualityReport, began: Instant) {
        self.watched = Some(Watched::of(report));
        self.note_loss(report, began);
    }

    pub(crate) fn live(&self) -> Option<LiveQuality> {
        let watched = self.watched.or_else(|| self.latest().map(Watched::of))?;
        Some(LiveQuality {
            codec: watched.codec.map(|c| c.name().to_owned()),
            received_packets: watched.received_packets,
            sent_packets: watched.sent_packets,
            lost_packets: watched.lost_packets,
            jitter_us: micros(watched.jitter),
            rtt_us: watched.rtt.or(self.rtt_last).map(micros),
            mos: watched.mos.map(|m| rounded(m.value())),
        })
    }

    pub(crate) fn record(&self) -> Option<QualityRecord> {
        let report = self.latest()?;
        let received = &report.received;
        Some(QualityRecord {
            codec: report.codecs.received.map(|c| c.name().to_owned()),
            transcoded: report.codecs.transcoded.map(|c| c.name().to_owned()),
            received_packets: received.rtp_packets,
            received_bytes: received.rtp_bytes,
            received_rtcp_packets: received.rtcp_packets,
            expected_packets: received.loss.expected,
            lost_packets: received.loss.lost,
            jitter_us: micros(received.jitter),
            jitter_max_us: micros(self.jitter_max.max(received.jitter)),
            reordered: received.reordered,
            duplicated: received.duplicated,
            // JSON has no infinity and no NaN.
            burst_ratio: if received.burst_ratio.is_finite() {
                rounded(received.burst_ratio)
            } else {
                1.0
            },
            forbidden: received.forbidden,
            wrong_source: received.wrong_source,
            malformed: received.malformed,
            unauthentic: received.unauthentic,
            sent_packets: report.sent.rtp_packets,
            sent_bytes: report.sent.rtp_bytes,
            sent_rtcp_packets: report.sent.rtcp_packets,
            send_dropped: report.sent.dropped,
            peer_lost_packets: report.peer.map(|p| p.packets_lost),
            peer_jitter_us: report.peer.map(|p| micros(p.jitter)),
            peer_metrics: report.peer_metrics.as_ref().map(peer_metrics),
            rtt_us: self.rtt_last.map(micros),
            rtt_max_us: self.rtt_max.map(micros),
            mos: report.mos.map(|m| rounded(m.value())),
            intervals: self.series.clone(),
            loss_spells: self.spells.records(),
            fax: report.fax.map(|fax| FaxRecord {
                received_packets: fax.received_packets,
                received_bytes: fax.received_bytes,
                sent_packets: fax.sent_packets,
                sent_bytes: fax.sent_bytes,
            }),
        })
    }

    fn note_loss(&mut self, report: &QualityReport, began: Instant) {
        self.spells.take(millis(report.at.saturating_since(began)), report.received.loss);
    }

    fn growth_to(&self, new: &QualityReport) -> Growth {
        let peer_lost = |r: &QualityReport| r.peer.map_or(0, |p| p.packets_lost).max(0) as u64;
        let lost = |r: &QualityReport| r.received.loss.lost.max(0) as u64;
        let old = self.latest().filter(|old| old.id == new.id);
        let since =
            |read: &dyn Fn(&QualityReport) -> u64| read(new).saturating_sub(old.map_or(0, read));
        Growth {
            received_packets: since(&|r| r.received.rtp_packets),
            received_bytes: since(&|r| r.received.rtp_bytes),
            received_lost: since(&lost),
            sent_packets: since(&|r| r.sent.rtp_packets),
            sent_bytes: since(&|r| r.sent.rtp_bytes),
            sent_lost: since(&peer_lost),
            received_rtcp_packets: since(&|r| r.received.rtcp_packets),
            received_rtcp_bytes: since(&|r| r.received.rtcp_bytes),
            sent_rtcp_packets: since(&|r| r.sent.rtcp_packets),
            sent_rtcp_bytes: since(&|r| r.sent.rtcp_bytes),
            peer_reports: since(&|r| r.peer.map_or(0, |p| p.reports)),
        }
    }

    fn push_interval(&mut self, report: &QualityReport, began: Instant, limit: usize) {
        let LossCounts { expected, lost } = report.received.interval_loss;
        // A stream that ends on an interval's edge has nothing to add.
        if expected == 0 && report.interval_mos.is_none() && !self.series.is_empty() {
            return;
        }
        if self.series.len() >= limit.max(2) {
            self.series = self.series.chunks(2).map(merged).collect();
        }
        self.series.push(IntervalRecord {
            offset_ms: millis(report.at.saturating_since(began)),
            expected,
            lost,
            jitter_max_us: micros(report.received.interval_jitter_max),
            rtt_us: report.rtt.map(micros),
            mos: report.interval_mos.map(|m| rounded(m.value())),
        });
    }
}

fn peer_metrics(told: &PeerVoipMetrics) -> PeerMetricsRecord {
    // Three decimals: the wire has 1/256.
    let ratio = |ratio: f64| (ratio * 1_000.0).round() / 1_000.0;
    PeerMetricsRecord {
        loss_ratio: ratio(told.loss_ratio),
        discard_ratio: ratio(told.discard_ratio),
        burst_density: ratio(told.burst_density),
        burst_ms: millis(told.burst_duration),
        gap_density: ratio(told.gap_density),
        gap_ms: millis(told.gap_duration),
        round_trip_ms: told.round_trip.map(millis),
        end_system_delay_ms: told.end_system_delay.map(millis),
        r_factor: told.r_factor,
        mos_lq: told.mos_listening.map(rounded),
        mos_cq: told.mos_conversational.map(rounded),
        jitter_buffer_ms: told.jitter_buffer.map(millis),
        jitter_buffer_max_ms: told.jitter_buffer_max.map(millis),
    }
}

pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Two decimals: more would pretend a precision that the E-model does not have.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Neighbouring intervals as one: sums of counts, the worse of everything else.
fn merged(pair: &[IntervalRecord]) -> IntervalRecord {
    let empty = IntervalRecord {
        offset_ms: 0,
        expected: 0,
        lost: 0,
        jitter_max_us: 0,
        rtt_us: None,
        mos: None,
    };
    pair.iter().fold(empty, |sum, next| IntervalRecord {
        offset_ms: next.offset_ms,
        expected: sum.expected.saturating_add(next.expected),
        lost: sum.lost.saturating_add(next.lost),
        jitter_max_us: sum.jitter_max_us.max(next.jitter_max_us),
        rtt_us: sum.rtt_us.max(next.rtt_us),
        mos: match (sum.mos, next.mos) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
    })
}
