//! VoIP metrics (RFC 3611 section 4.7): ours of what came from a leg, and what a leg says of itself.

use super::{StreamTotals, estimate, network_delay, r_factor};
use model::{Codec, PeerVoipMetrics};
use rtp_proto::rtcp::VoipMetrics;
use std::time::Duration;

/// What we measured of source `ssrc` of a leg. There is no jitter buffer here: nothing is discarded,
/// and its fields are 0.
pub(crate) fn measured(
    ssrc: u32,
    reception: &StreamTotals,
    codec: Option<Codec>,
    rtt: Option<Duration>,
    packet_ms: u16,
) -> VoipMetrics {
    let pattern = reception.pattern();
    let loss = reception.distinct_loss().loss_ratio();
    let (bursts, jitter) = (pattern.burst_ratio(), reception.jitter());
    let codec = codec.unwrap_or(Codec::Other);
    let delay = network_delay(rtt);
    let span = |packets: f64| (packets * f64::from(packet_ms)).round() as u16;
    let score = |delay| (estimate(codec, loss, bursts, delay, jitter).value() * 10.0).round() as u8;
    VoipMetrics {
        loss_rate: share(loss),
        burst_density: share(pattern.burst_density()),
        gap_density: share(pattern.gap_density()),
        burst_duration: span(pattern.mean_burst_packets()),
        gap_duration: span(pattern.mean_gap_packets()),
        round_trip_delay: rtt.map_or(0, |rtt| rtt.as_millis().try_into().unwrap_or(u16::MAX)),
        r_factor: r_factor(codec, loss, bursts, delay, jitter).round() as u8,
        // Listening does not suffer from delay.
        mos_lq: score(Duration::ZERO),
        mos_cq: score(delay),
        ..VoipMetrics::unknown(ssrc)
    }
}

/// What a leg says of what it received, as far as it can be.
pub(crate) fn told(metrics: &VoipMetrics) -> PeerVoipMetrics {
    let ratio = |rate: u8| f64::from(rate) / 256.0;
    let span = |millis: u16| Duration::from_millis(millis.into());
    let known = |millis: u16| (millis > 0).then(|| span(millis));
    let score = |tenths: Option<u8>| tenths.map(|tenths| f64::from(tenths) / 10.0);
    PeerVoipMetrics {
        loss_ratio: ratio(metrics.loss_rate),
        discard_ratio: ratio(metrics.discard_rate),
        burst_density: ratio(metrics.burst_density),
        gap_density: ratio(metrics.gap_density),
        burst_duration: span(metrics.burst_duration),
        gap_duration: span(metrics.gap_duration),
        round_trip: known(metrics.round_trip_delay),
        end_system_delay: known(metrics.end_system_delay),
        r_factor: metrics.known_r_factor(),
        mos_listening: score(metrics.known_mos_lq()),
        mos_conversational: score(metrics.known_mos_cq()),
        jitter_buffer: known(metrics.jitter_buffer_nominal),
        jitter_buffer_max: known(metrics.jitter_buffer_maximum),
    }
}

/// A share in 1/256, at most 255.
fn share(ratio: f64) -> u8 {
    (ratio * 256.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::{PacketFacts, PacketKind};
    use model::Instant;

    fn reception(came: impl Iterator<Item = u16>) -> StreamTotals {
        let mut totals = StreamTotals::new();
        for sequence in came {
            let facts = PacketFacts {
                sequence,
                timestamp: u32::from(sequence) * 160,
                arrival: Instant::from_millis(u64::from(sequence) * 20),
                clock_rate: 8_000,
                payload_bytes: 160,
                marker: false,
                kind: PacketKind::Audio,
                was_asked: false,
            };
            totals.on_packet(7, &facts);
        }
        totals
    }

    #[test]
    fn a_burst_between_two_gaps_is_told_with_its_length() {
        // 100 packets, of which 40, 42 and 44 are missing: a burst of 5 with 3 lost.
        let totals = reception((0..100).filter(|n| ![40, 42, 44].contains(n)));
        let rtt = Some(Duration::from_millis(80));
        let metrics = measured(7, &totals, Some(Codec::Pcmu), rtt, 20);
        assert_eq!((metrics.ssrc, metrics.loss_rate), (7, 7));
        assert_eq!((metrics.burst_duration, metrics.burst_density), (100, 153));
        assert_eq!((metrics.gap_duration, metrics.gap_density), (950, 0));
        assert_eq!((metrics.round_trip_delay, metrics.gap_threshold), (80, 16));
        assert!((75..95).contains(&metrics.r_factor), "{metrics:?}");
        assert!(metrics.mos_lq >= metrics.mos_cq && metrics.mos_cq >= 36, "{metrics:?}");
        assert_eq!((metrics.external_r_factor, metrics.signal_level), (127, 127));
    }

    #[test]
    fn what_a_leg_cannot_say_is_none() {
        let unknown = told(&VoipMetrics::unknown(1));
        assert_eq!(
            (unknown.r_factor, unknown.mos_listening, unknown.round_trip),
            (None, None, None)
        );
        let known = told(&VoipMetrics {
            loss_rate: 64,
            r_factor: 93,
            mos_cq: 43,
            jitter_buffer_nominal: 60,
            ..VoipMetrics::unknown(1)
        });
        assert_eq!((known.loss_ratio, known.r_factor), (0.25, Some(93)));
        assert_eq!(known.mos_conversational, Some(4.3));
        assert_eq!(known.jitter_buffer, Some(Duration::from_millis(60)));
    }
}
