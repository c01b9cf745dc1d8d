//! `[traces]`: what is gathered of calls, and the thread that sends it.

use crate::config::Config;
use crate::node::StartError;
use crate::readings;
use call_metrics::{Reading, TraceConfig};
use otlp_export::{TraceExporter, TraceSender};
use std::time::Duration;

/// How long traces that wait are still sent when the node stops; the rest is dropped.
const LIMIT: Duration = Duration::from_secs(3);

/// The export of a node's traces; does nothing without the section.
pub(crate) struct Traces(Option<Running>);

struct Running {
    exporter: TraceExporter,
    config: TraceConfig,
}

impl Traces {
    /// Starts the thread of a node that has the section.
    pub(crate) fn start(config: &Config) -> Result<Self, StartError> {
        let Some(traces) = &config.traces else { return Ok(Traces(None)) };
        let run = getrandom::u64()
            .map_err(|error| StartError(format!("no random numbers from the system: {error}")))?;
        let config = TraceConfig { share: traces.share, run };
        let exporter = TraceExporter::start(traces.otlp.clone());
        let exporter = exporter.map_err(|error| StartError(error.to_string()))?;
        Ok(Traces(Some(Running { exporter, config })))
    }

    /// What the recorder is to gather.
    pub(crate) fn config(&self) -> Option<TraceConfig> {
        self.0.as_ref().map(|running| running.config)
    }

    /// Where traces go.
    pub(crate) fn sender(&self) -> Option<TraceSender> {
        self.0.as_ref().map(|running| running.exporter.sender())
    }

    /// Sends what waits, for a moment.
    pub(crate) fn stop(self) {
        if let Some(running) = self.0 {
            running.exporter.stop(LIMIT);
        }
    }
}

/// What the exporter counted.
pub(crate) fn read(sender: Option<&TraceSender>, out: &mut Vec<Reading>) {
    if let Some(sender) = sender {
        readings::of_traces(&sender.statistics(), out);
    }
}
