//! How a call went.

use super::quality::{MediaQuality, milliseconds};
use serde::Serialize;
use std::net::SocketAddr;
use std::time::Duration;

/// Who hung up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EndedBy {
    /// The side that called.
    Caller,
    /// The side that was called.
    Callee,
}

/// A call that was answered, as its caller saw it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct CallOutcome {
    /// The URI that was called.
    pub(crate) target: String,
    /// Call-ID of our leg; the record of the call has it too.
    pub(crate) call_id: String,
    /// `udp` or `tcp`.
    pub(crate) transport: &'static str,
    /// Our signalling address.
    pub(crate) local: SocketAddr,
    /// Where the INVITE went.
    pub(crate) remote: SocketAddr,
    /// From INVITE to 200.
    #[serde(rename = "setup_ms", serialize_with = "milliseconds")]
    pub(crate) setup_time: Duration,
    /// From 200 to the end.
    #[serde(rename = "talked_ms", serialize_with = "milliseconds")]
    pub(crate) talked: Duration,
    /// Who hung up.
    pub(crate) ended_by: EndedBy,
    /// The suite of SRTP; `None` when the media was plain RTP.
    pub(crate) srtp: Option<&'static str>,
    /// Both directions.
    pub(crate) media: MediaQuality,
}

impl CallOutcome {
    /// Whether audio came.
    pub(crate) const fn is_good(&self) -> bool {
        self.media.is_heard()
    }
}
