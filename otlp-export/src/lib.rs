//! Traces of calls to an OpenTelemetry collector: OTLP 1 over HTTP, protobuf.
//!
//! [`TraceExporter::start`] runs one thread behind a bounded queue of finished calls
//! ([`call_metrics::CallTrace`]). Whoever hands one over never waits; what does not fit is dropped and
//! counted. The thread makes spans of them, sends them in batches, and repeats what the collector may
//! take later (OTLP 1.10, "Failures"). Traces are not kept on disk: what a collector that is away for
//! long does not get is lost, and counted.
#![forbid(unsafe_code)]

mod answer;
mod batch;
mod client;
mod counters;
mod endpoint;
mod exporter;
mod probe;
mod request;
mod wire;

pub use answer::{Refused, read_refused};
pub use counters::{ExportError, TraceStatistics};
pub use endpoint::{Endpoint, InvalidEndpoint, InvalidHeader, check_header};
pub use exporter::{StartError, TraceExporter, TraceSender};
pub use probe::{Probe, probe};
pub use request::encode;

use std::fmt;
use std::time::Duration;

/// Where traces go, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct OtlpConfig {
    /// The collector.
    pub endpoint: Endpoint,
    /// Headers of every request, checked by [`check_header`]; they may hold a key, and are not shown.
    pub headers: Vec<(String, String)>,
    /// Whether requests are compressed.
    pub gzip: bool,
    /// How long the collector may take for one answer.
    pub timeout: Duration,
    /// What the spans come from, such as `service.name`; each name once.
    pub resource: Vec<(String, String)>,
}

impl fmt::Debug for OtlpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("OtlpConfig")
            .field("endpoint", &self.endpoint)
            .field("headers", &names)
            .field("gzip", &self.gzip)
            .field("timeout", &self.timeout)
            .field("resource", &self.resource)
            .finish()
    }
}

#[cfg(test)]
mod tests;
