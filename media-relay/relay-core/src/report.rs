//! Makes quality reports of what the legs have counted.

use crate::quality::{self, IntervalReader, IntervalReception, network_delay};
use crate::rtp_session::RtpSession;
use crate::stream::LegStream;
use model::{
    Codec, Codecs, Instant, Jitter, LegSide, LossCounts, MediaType, Mos, QualityReport,
    ReceivedView, ReportKind,
};
use std::time::Duration;

impl RtpSession {
    /// One report for each leg. It ends the interval: the next report's interval begins here. Live
    /// reports have intervals of their own and leave those of the others alone.
    pub fn poll_report(&mut self, now: Instant, kind: ReportKind) -> [QualityReport; 2] {
        let (id, transaction_id, line) = (self.id, self.transaction_id, self.line);
        let reader = match kind {
            ReportKind::Interval | ReportKind::Final => IntervalReader::Record,
            ReportKind::Live => IntervalReader::Live,
        };
        // What a leg receives from us is in the format that the other leg sends, or made from it.
        let codecs = LegSide::BOTH.map(|leg| self.legs[leg.index()].stream.format.map(|f| f.codec));
        let made = LegSide::BOTH.map(|leg| self.transcodes(leg.other()).map(|[_, to]| to));
        let fax = self.fax_counts();
        LegSide::BOTH.map(|leg| {
            let forbidden = !self.legs[leg.index()].was_allowed;
            let unauthentic = self.security.unauthentic(leg);
            let source = self.legs[leg.index()].rtp.locked();
            let stream = &mut self.legs[leg.index()].stream;
            let from = codecs[leg.index()];
            let transcoded = made[leg.index()].filter(|_| codecs[leg.other().index()].is_some());
            let towards = transcoded.or(codecs[leg.other().index()]);
            let interval = stream.reception.take_interval(reader);
            let scores = match line.media() {
                MediaType::Audio => scores(stream, &interval, reader, from, towards),
                // The E-model knows nothing of pictures and text.
                MediaType::Video | MediaType::Text | MediaType::Application => {
                    unscored(stream, reader)
                }
            };
            QualityReport {
                id,
                transaction_id,
                line,
                leg,
                at: now,
                kind,
                codecs: Codecs { received: from, transcoded },
                received: ReceivedView {
                    forbidden,
                    unauthentic,
                    source,
                    ..received_view(stream, &interval)
                },
                sent: stream.sent,
                peer: stream.peer.view(),
                peer_metrics: stream.heard.voip_metrics.as_ref().map(quality::told),
                rtt: match reader {
                    IntervalReader::Record => stream.round_trips.take_interval(),
                    IntervalReader::Live => stream.round_trips.last(),
                },
                mos: scores.stream,
                interval_mos: scores.interval,
                fax: fax.map(|counts| counts[leg.index()]),
            }
        })
    }
}

struct Scores {
    stream: Option<Mos>,
    interval: Option<Mos>,
}

/// The peer's interval ends all the same.
fn unscored(stream: &mut LegStream, reader: IntervalReader) -> Scores {
    let _ = stream.take_peer_interval(reader);
    Scores { stream: None, interval: None }
}

/// The score of each direction where it is known, and the worse of them.
fn scores(
    stream: &mut LegStream,
    interval: &IntervalReception,
    reader: IntervalReader,
    from: Option<Codec>,
    towards: Option<Codec>,
) -> Scores {
    let delay = network_delay(stream.round_trips.mean());
    let reception = &stream.reception;
    let heard =
        rate(from, reception.distinct_loss(), reception.burst_ratio(), delay, reception.jitter());
    let heard_lately =
        rate(from, interval.distinct_loss, interval.burst_ratio, delay, interval.jitter_max);
    // Reports say nothing of bursts: take random loss.
    let peer_jitter = stream.peer.view().map_or(Duration::ZERO, |view| view.jitter);
    let told = stream.peer_loss().and_then(|loss| rate(towards, loss, 1.0, delay, peer_jitter));
    let told_lately = stream
        .take_peer_interval(reader)
        .and_then(|loss| rate(towards, loss, 1.0, delay, peer_jitter));
    Scores { stream: worse(heard, told), interval: worse(heard_lately, told_lately) }
}

/// `None` when nothing was expected: silence has no quality.
fn rate(
    codec: Option<Codec>,
    loss: LossCounts,
    burst_ratio: f64,
    delay: Duration,
    jitter: Jitter,
) -> Option<Mos> {
    (loss.expected > 0).then(|| {
        quality::estimate(
            codec.unwrap_or(Codec::Other),
            loss.loss_ratio(),
            burst_ratio,
            delay,
            jitter,
        )
    })
}

fn worse(one: Option<Mos>, other: Option<Mos>) -> Option<Mos> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other < one { other } else { one }),
        (one, other) => one.or(other),
    }
}

fn received_view(stream: &LegStream, interval: &IntervalReception) -> ReceivedView {
    let reception = &stream.reception;
    ReceivedView {
        rtp_packets: stream.rtp_packets,
        rtp_bytes: stream.rtp_bytes,
        rtcp_packets: stream.rtcp_packets,
        rtcp_bytes: stream.rtcp_bytes,
        loss: reception.cumulative(),
        interval_loss: interval.loss,
        jitter: reception.jitter(),
        interval_jitter_max: interval.jitter_max,
        reordered: reception.reordered(),
        duplicated: reception.duplicated(),
        burst_ratio: reception.burst_ratio(),
        ssrc: reception.ssrc(),
        wrong_source: u64::from(stream.wrong_source),
        malformed: u64::from(stream.malformed),
        ..ReceivedView::default()
    }
}

#[cfg(test)]
mod tests;
