//! From measured loss, delay and jitter to a score.

use super::codec_impairment::{Band, impairment};
use super::emodel::{PacketLoss, Transmission, WIDEBAND_SCALE, mean_opinion_score};
use model::{Codec, Mos};
use std::time::Duration;

/// One-way network delay to assume while no round-trip time is known: a call within a continent.
/// With the receiver's delay it stays below the 100 ms from which G.107 counts delay itself.
pub const UNKNOWN_NETWORK_DELAY: Duration = Duration::from_millis(20);

/// Gathering one packet's speech at the sender.
const PACKETIZATION: Duration = Duration::from_millis(20);
const JITTER_BUFFER_MIN: Duration = Duration::from_millis(20);
const JITTER_BUFFER_MAX: Duration = Duration::from_millis(200);

/// The estimated conversational score of one direction.
///
/// - `loss_ratio`: lost share, 0 to 1; use packets that never came
///   ([`super::StreamTotals::distinct_loss`]), because duplicates repair nothing.
/// - `burst_ratio`: BurstR, at least 1.
/// - `network_delay`: one way, see [`network_delay`].
/// - `jitter`: RFC 3550's estimate. It costs delay in the receiver's jitter buffer, and beyond
///   what the buffer holds it costs packets.
///
/// Monotonic in each: more is never better. It needs no RTCP: without a round-trip time it stands
/// on [`UNKNOWN_NETWORK_DELAY`].
pub fn estimate(
    codec: Codec,
    loss_ratio: f64,
    burst_ratio: f64,
    network_delay: Duration,
    jitter: Duration,
) -> Mos {
    let (rating, band) = rated(codec, loss_ratio, burst_ratio, network_delay, jitter);
    Mos::new(mean_opinion_score(rating, band))
}

/// The R factor behind [`estimate`], 0 to 100; wideband's scale is brought down to that
/// (G.107.1 annex A).
pub fn r_factor(
    codec: Codec,
    loss_ratio: f64,
    burst_ratio: f64,
    network_delay: Duration,
    jitter: Duration,
) -> f64 {
    let (rating, band) = rated(codec, loss_ratio, burst_ratio, network_delay, jitter);
    let scale = if band == Band::Wide { WIDEBAND_SCALE } else { 1.0 };
    (rating / scale).clamp(0.0, 100.0)
}

fn rated(
    codec: Codec,
    loss_ratio: f64,
    burst_ratio: f64,
    network_delay: Duration,
    jitter: Duration,
) -> (f64, Band) {
    let impairment = impairment(codec);
    let lost = if loss_ratio.is_nan() { 0.0 } else { loss_ratio.clamp(0.0, 1.0) };
    let loss = PacketLoss { ratio: lost + (1.0 - lost) * late_ratio(jitter), burst_ratio };
    let delay_ms = mouth_to_ear_delay(network_delay, jitter).as_secs_f64() * 1_000.0;
    let transmission = Transmission { delay_ms, ..Transmission::default() };
    (transmission.rating(&impairment, loss), impairment.band)
}

/// One-way network delay: half of the round trip, or [`UNKNOWN_NETWORK_DELAY`].
pub fn network_delay(rtt: Option<Duration>) -> Duration {
    rtt.map_or(UNKNOWN_NETWORK_DELAY, |rtt| rtt / 2)
}

/// Delay from mouth to ear: the network, 20 ms of packetization, and an adaptive jitter buffer of
/// twice the jitter within 20 to 200 ms.
pub fn mouth_to_ear_delay(network_delay: Duration, jitter: Duration) -> Duration {
    let buffer = jitter.saturating_mul(2).clamp(JITTER_BUFFER_MIN, JITTER_BUFFER_MAX);
    network_delay.saturating_add(PACKETIZATION).saturating_add(buffer)
}

/// The share of packets that come too late for a jitter buffer that cannot grow any more.
///
/// Up to a jitter of 100 ms the buffer adapts and nothing is late. Beyond, delays are taken as
/// exponentially distributed with the jitter as mean: e^(-200 ms / jitter) miss the buffer. That
/// is shifted and scaled to begin at 0 where the buffer stops growing and to end at 1.
fn late_ratio(jitter: Duration) -> f64 {
    let limit = JITTER_BUFFER_MAX.as_secs_f64();
    let jitter = jitter.as_secs_f64();
    if jitter * 2.0 <= limit {
        return 0.0;
    }
    let at_limit = (-2.0f64).exp();
    (((-limit / jitter).exp() - at_limit) / (1.0 - at_limit)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests;
