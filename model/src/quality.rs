//! What was measured of one leg's media. Every number says who measured it and over what.

use crate::{Codec, Instant, LegSide, MediaId, MediaLine, TransactionId};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// Mean opinion score, conversational quality, estimated by the E-model (ITU-T G.107 and G.107.1),
/// within 1.0 to 4.5.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct Mos(f32);

impl From<f64> for Mos {
    fn from(value: f64) -> Self {
        Mos::new(value)
    }
}

impl From<Mos> for f64 {
    fn from(mos: Mos) -> Self {
        mos.value()
    }
}

impl Mos {
    /// Keeps `value` within 1.0 to 4.5; a value that is no number becomes 1.0.
    pub fn new(value: f64) -> Self {
        if value.is_nan() { Mos(1.0) } else { Mos(value.clamp(1.0, 4.5) as f32) }
    }

    /// The score.
    pub fn value(self) -> f64 {
        f64::from(self.0)
    }

    /// The score within 1.0 to 4.4, as the fields that AWS defines ask.
    pub fn aws_value(self) -> f64 {
        f64::from(self.0.clamp(1.0, 4.4))
    }
}

/// Interarrival jitter, RFC 3550 section 6.4.1, as a duration (never RTP timestamp units).
pub type Jitter = Duration;

/// Packet counts behind a loss figure (RFC 3550 appendix A.3).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct LossCounts {
    /// Packets that the sequence numbers say were sent.
    pub expected: u64,
    /// Expected less received. Negative when duplicates came (RFC 3550 section 6.4.1).
    pub lost: i64,
}

impl LossCounts {
    /// The lost share, 0 to 1; 0 when nothing was expected or duplicates outweigh losses.
    pub fn loss_ratio(&self) -> f64 {
        if self.expected == 0 || self.lost <= 0 {
            return 0.0;
        }
        (self.lost as f64 / self.expected as f64).min(1.0)
    }
}

/// What a report is for: the records of a minute, those of the whole stream, or the eyes only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ReportKind {
    /// A periodic report; more follow.
    Interval,
    /// The last report of the stream; sent once.
    Final,
    /// A look in between, every few seconds, for whoever watches the call. Its `interval` fields
    /// count from the live report before; it belongs in no record, log or histogram, because its
    /// packets are counted again by the next [`ReportKind::Interval`] or [`ReportKind::Final`].
    Live,
}

/// Quality of one leg: what we received from it (`cust2vc` or `rem2vc`), what we sent to it, and
/// what it reported having received from us (`vc2cust` or `vc2rem`).
///
/// Counters are cumulative since the stream began unless their name says `interval`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct QualityReport {
    /// The stream.
    pub id: MediaId,
    /// The call.
    pub transaction_id: TransactionId,
    /// Which of the call's streams it is.
    pub line: MediaLine,
    /// The leg that was measured.
    pub leg: LegSide,
    /// When the report was made.
    pub at: Instant,
    /// Interval, final or live.
    pub kind: ReportKind,
    /// The formats seen.
    pub codecs: Codecs,
    /// Measured by us on what came from the leg.
    pub received: ReceivedView,
    /// What we sent to the leg.
    pub sent: SentView,
    /// What the leg's RTCP said about what it received from us; `None` while it has said nothing.
    pub peer: Option<PeerView>,
    /// What the leg's extended reports said of the same; `None` while there were none.
    pub peer_metrics: Option<PeerVoipMetrics>,
    /// Round-trip time between us and the leg, from LSR and DLSR; `None` when no report allowed it.
    /// Mean over the interval; in a live report the last measurement.
    pub rtt: Option<Duration>,
    /// Estimated quality between us and the leg over the whole stream: the worse of both
    /// directions where both are known. `None` before the first packet, and for what is no audio.
    pub mos: Option<Mos>,
    /// The same for the interval alone.
    pub interval_mos: Option<Mos>,
    /// Of a stream that has carried datagrams other than RTP: T.38 fax or BFCP.
    pub fax: Option<FaxView>,
}

/// The formats on a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Codecs {
    /// The format of the last audio packet from the leg; `None` before the first.
    pub received: Option<Codec>,
    /// The format that it gets what the other leg sends in, where that is transcoded.
    pub transcoded: Option<Codec>,
}

/// Our own measurement of what came from a leg.
#[derive(Clone, Copy, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct ReceivedView {
    /// RTP packets.
    pub rtp_packets: u64,
    /// RTP octets, header and payload, without UDP and IP.
    pub rtp_bytes: u64,
    /// RTCP datagrams.
    pub rtcp_packets: u64,
    /// RTCP octets.
    pub rtcp_bytes: u64,
    /// Loss over the whole stream.
    pub loss: LossCounts,
    /// Loss in the interval.
    pub interval_loss: LossCounts,
    /// Jitter now (RFC 3550's running estimate).
    pub jitter: Jitter,
    /// The largest running estimate in the interval.
    pub interval_jitter_max: Jitter,
    /// Packets that arrived after a later one, in all.
    pub reordered: u64,
    /// Packets that arrived twice, in all.
    pub duplicated: u64,
    /// Burst ratio (ITU-T G.107 clause B): 1.0 for random loss, larger for bursts.
    pub burst_ratio: f64,
    /// The source of the last RTP packet (RFC 3550 section 3); `None` before the first.
    pub ssrc: Option<u32>,
    /// The address that its RTP is accepted from; `None` until it is learned.
    pub source: Option<SocketAddr>,
    /// No plan has let the leg send so far (recvonly, inactive, or not answered): nothing was to
    /// be expected from it.
    pub forbidden: bool,
    /// Datagrams from a source that was not the leg's, dropped.
    pub wrong_source: u64,
    /// Datagrams that were neither RTP nor RTCP nor anything known, dropped.
    pub malformed: u64,
    /// Packets on a leg with SRTP that its key does not prove, dropped: plain RTP, another key, or
    /// forged.
    pub unauthentic: u64,
}

/// What we sent to a leg.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct SentView {
    /// RTP packets.
    pub rtp_packets: u64,
    /// RTP octets, header and payload.
    pub rtp_bytes: u64,
    /// RTCP datagrams.
    pub rtcp_packets: u64,
    /// RTCP octets.
    pub rtcp_bytes: u64,
    /// Datagrams that the operating system did not take, dropped.
    pub dropped: u64,
}

/// Datagrams of T.38 fax (UDPTL) of one leg, without UDP and IP.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct FaxView {
    /// Received from the leg.
    pub received_packets: u64,
    /// Octets of those.
    pub received_bytes: u64,
    /// Sent to the leg.
    pub sent_packets: u64,
    /// Octets of those.
    pub sent_bytes: u64,
}

/// What a leg reported about what it received from us, with the loss that already happened before
/// us taken out, so that it speaks of this leg alone.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct PeerView {
    /// Cumulative loss that the leg reported less what we had lost on the other leg; not below 0.
    pub packets_lost: i64,
    /// Jitter that it reported (end to end).
    pub jitter: Jitter,
    /// Reports that were counted.
    pub reports: u64,
}

/// What a leg says of the audio that it received and of itself (RFC 3611 section 4.7), as it says it:
/// end to end, and not checked beyond what can be.
#[derive(Clone, Copy, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct PeerVoipMetrics {
    /// Share lost in the network, 0 to 1.
    pub loss_ratio: f64,
    /// Share that came too late for its jitter buffer, 0 to 1.
    pub discard_ratio: f64,
    /// Share lost or discarded within bursts, 0 to 1.
    pub burst_density: f64,
    /// Share lost or discarded between bursts, 0 to 1.
    pub gap_density: f64,
    /// Mean length of a burst.
    pub burst_duration: Duration,
    /// Mean length from burst to burst.
    pub gap_duration: Duration,
    /// The round trip that it measured; `None` when it says none.
    pub round_trip: Option<Duration>,
    /// Delay within the leg's own system.
    pub end_system_delay: Option<Duration>,
    /// R factor, 0 to 100.
    pub r_factor: Option<u8>,
    /// MOS for listening quality, 1.0 to 5.0.
    pub mos_listening: Option<f64>,
    /// MOS for conversational quality, 1.0 to 5.0.
    pub mos_conversational: Option<f64>,
    /// Nominal delay of its jitter buffer.
    pub jitter_buffer: Option<Duration>,
    /// The largest delay of its jitter buffer now.
    pub jitter_buffer_max: Option<Duration>,
}
