//! The live calls, as `tandem calls` shows them.

use crate::lines::LiveLine;
use serde::{Deserialize, Serialize};

/// One call that is not over.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LiveCall {
    /// The call's identity in every log.
    pub transaction_id: String,
    /// The voice connector that it counts for.
    pub voice_connector_id: String,
    /// `Outbound` or `Inbound`.
    pub direction: String,
    /// Calling number.
    pub from_user: String,
    /// Called number.
    pub to_user: String,
    /// Where leg A's INVITE came from.
    pub source: String,
    /// The route that was tried last: address and port.
    pub destination: Option<String>,
    /// How far it is.
    pub state: LiveState,
    /// When it began, milliseconds since 1970-01-01T00:00:00Z.
    pub began_ms: u64,
    /// Milliseconds since it began.
    pub age_ms: u64,
    /// Milliseconds since it was answered.
    pub talk_ms: Option<u64>,
    /// Quality on the customer's side, from the last report.
    pub customer: Option<LiveQuality>,
    /// Quality on the carrier's side, from the last report.
    pub remote: Option<LiveQuality>,
    /// The lines beside the audio.
    #[serde(default)]
    pub lines: Vec<LiveLine>,
}

/// How far a live call is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LiveState {
    /// The called side has not said anything.
    Calling,
    /// It alerts.
    Ringing,
    /// It answered.
    Answered,
}

/// What the last live report said of one side.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LiveQuality {
    /// Encoding name.
    pub codec: Option<String>,
    /// RTP packets from the side.
    pub received_packets: u64,
    /// RTP packets to the side.
    pub sent_packets: u64,
    /// Packets lost on the way to us.
    pub lost_packets: i64,
    /// Jitter of what came, µs.
    pub jitter_us: u64,
    /// Round trip, µs.
    pub rtt_us: Option<u64>,
    /// MOS of the last live interval (seconds, not the minute of the records), 1.0 to 4.5.
    pub mos: Option<f64>,
}
