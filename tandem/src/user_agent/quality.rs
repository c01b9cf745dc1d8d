//! What a user agent measured of its call's media, by the relay's own arithmetic
//! ([`relay_core::quality`]).

use serde::{Serialize, Serializer};
use std::time::Duration;

/// Media quality of one call, as one of its two user agents knows it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct MediaQuality {
    /// The format that was sent: `PCMU` or `PCMA`; `None` when none was agreed.
    pub(crate) codec: Option<&'static str>,
    /// RTP packets that we sent.
    pub(crate) packets_sent: u64,
    /// RTP payload octets that we sent.
    pub(crate) bytes_sent: u64,
    /// What we received.
    pub(crate) received: ReceivedQuality,
    /// What the far end says in its RTCP that it received of ours; `None` when it said nothing.
    pub(crate) far_end: Option<FarEndQuality>,
    /// Mean round-trip time between the two user agents, from LSR and DLSR.
    #[serde(rename = "rtt_ms", serialize_with = "optional_milliseconds")]
    pub(crate) rtt: Option<Duration>,
}

/// Measured by us.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub(crate) struct ReceivedQuality {
    /// RTP packets.
    pub(crate) packets: u64,
    /// Packets that the sequence numbers say were sent.
    pub(crate) expected: u64,
    /// Of these, packets that never came (duplicates repair nothing).
    pub(crate) lost: i64,
    /// Lost share, 0 to 1.
    pub(crate) loss_ratio: f64,
    /// RFC 3550's running estimate at the end.
    #[serde(rename = "jitter_ms", serialize_with = "milliseconds")]
    pub(crate) jitter: Duration,
    /// Packets that arrived after a later one.
    pub(crate) reordered: u64,
    /// Packets that arrived twice.
    pub(crate) duplicated: u64,
    /// Datagrams from elsewhere or of no known kind, dropped.
    pub(crate) dropped: u64,
    /// Mean level of the decoded audio in dBov; `None` for silence. Speech is about -20.
    pub(crate) level_dbov: Option<f64>,
    /// E-model score of this direction, 1.0 to 4.5; `None` without a packet.
    pub(crate) mos: Option<f64>,
}

/// Reported by the far end's last RTCP report block.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct FarEndQuality {
    /// Packets that it expected.
    pub(crate) expected: u64,
    /// Packets that it misses; negative when duplicates came.
    pub(crate) lost: i64,
    /// Lost share, 0 to 1.
    pub(crate) loss_ratio: f64,
    /// Jitter that it reports.
    #[serde(rename = "jitter_ms", serialize_with = "milliseconds")]
    pub(crate) jitter: Duration,
    /// Reports that came.
    pub(crate) reports: u64,
    /// E-model score of this direction, 1.0 to 4.5.
    pub(crate) mos: Option<f64>,
}

impl MediaQuality {
    /// Whether the call was heard on our side.
    pub(crate) const fn is_heard(&self) -> bool {
        self.received.packets > 0
    }

    /// Column titles over [`row`](Self::row).
    pub(crate) const ROW_HEADER: &'static str =
        "codec  RTT        we: packets   loss  jitter      MOS   they:  loss  jitter      MOS";

    /// One line: codec, round trip, then each direction by who received it. `-` is not known.
    pub(crate) fn row(&self) -> String {
        let codec = self.codec.unwrap_or("-");
        let rtt = self.rtt.map_or_else(|| "-".to_owned(), show_milliseconds);
        let ReceivedQuality { packets, loss_ratio, jitter, mos, .. } = &self.received;
        let (loss, jitter) = (percent(*loss_ratio), show_milliseconds(*jitter));
        let we = format!("{packets:>11}  {loss:>5}  {jitter:<10}  {}", score(*mos));
        let they = match &self.far_end {
            Some(far) => format!(
                "{:>12}  {:<10}  {}",
                percent(far.loss_ratio),
                show_milliseconds(far.jitter),
                score(far.mos)
            ),
            None => format!("{:>12}  {:<10}  -", "-", "-"),
        };
        format!("{codec:<5}  {rtt:<9}  {we}  {they}")
    }
}

/// A duration for people: `0.42 ms`.
pub(super) fn show_milliseconds(span: Duration) -> String {
    format!("{:.2} ms", span.as_secs_f64() * 1_000.0)
}

/// A share for people: `1.3%`.
pub(super) fn percent(ratio: f64) -> String {
    format!("{:.1}%", ratio * 100.0)
}

/// A score for people: `4.41`.
pub(super) fn score(mos: Option<f64>) -> String {
    mos.map_or_else(|| "-".to_owned(), |mos| format!("{mos:.2}"))
}

/// Serializes as milliseconds with microseconds behind the point.
pub(super) fn milliseconds<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(rounded(*span))
}

/// The same, or null.
pub(super) fn optional_milliseconds<S: Serializer>(
    span: &Option<Duration>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) => to.serialize_f64(rounded(*span)),
        None => to.serialize_none(),
    }
}

fn rounded(span: Duration) -> f64 {
    (span.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
