//! The quality arithmetic: what sequence numbers, timestamps, arrivals and reports say about a leg.
//!
//! [`StreamTotals`] measures what comes from a leg and lives beside its forwarding plan;
//! [`SenderReportMemory`] and [`RoundTrips`] time the way to the leg and back; [`PeerReports`]
//! keeps what the leg says of what it received; [`estimate`] turns loss, delay and jitter into a
//! score. Everything has a fixed size, and nothing allocates.

pub mod burst;
pub mod codec_impairment;
pub mod emodel;
mod jitter;
mod loss;
mod mos;
mod peer;
mod reception;
mod rtt;
mod totals;
mod voip_metrics;

pub use burst::LossPattern;
pub use jitter::{InterarrivalJitter, jitter_duration};
pub use loss::fraction_lost;
pub(crate) use loss::since;
pub use mos::{UNKNOWN_NETWORK_DELAY, estimate, mouth_to_ear_delay, network_delay, r_factor};
pub use peer::PeerReports;
pub use reception::{Arrival, PacketFacts, PacketKind, Reception};
pub use rtt::{RoundTrips, SenderReportMemory, round_trip_time};
pub use totals::{IntervalReader, IntervalReception, StreamTotals};
pub(crate) use voip_metrics::{measured, told};
