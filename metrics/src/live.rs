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
    /// Its copy for somebody else's recorder (RFC 7866), once one was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied: Option<LiveCopy>,
}

/// The copy of a call that somebody else's recorder gets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LiveCopy {
    /// The recorder, as the configuration names it.
    pub recorder: String,
    /// How it stands.
    pub state: LiveCopyState,
    /// How often the recorder did not take it, or gave it up.
    pub failures: u32,
    /// Why the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

/// How the copy of a call stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveCopyState {
    /// The recorder gets it.
    Copied,
    /// It failed, and is tried again.
    Waiting,
    /// It failed, and is not tried again.
    GivenUp,
    /// It was switched off.
    Ended,
}

impl LiveCopyState {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            LiveCopyState::Copied => "copied",
            LiveCopyState::Waiting => "not copied for now",
            LiveCopyState::GivenUp => "not copied any more",
            LiveCopyState::Ended => "copied no more",
        }
    }
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
