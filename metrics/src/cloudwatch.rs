//! What CloudWatch gets: every minute's figures of the node and of each voice connector.
//!
//! [`Minutes`] adds up, [`metric_data`] and [`embedded`] write a minute down; where that goes is the
//! business of whoever takes the record. A datum belongs to the minute that it happened in, a report
//! of media to the minute that its interval ended in. Minutes are those of the calendar at the
//! node's start plus the monotonic clock: a calendar that jumps neither repeats one nor skips one.

mod definition;
mod distribution;
mod embedded;
mod figures;
mod levels;
mod metric_data;
mod minutes;

pub use definition::{
    CLOUDWATCH_METRICS, CloudWatchDefinition, CloudWatchKind, CloudWatchMetric, CloudWatchUnit,
};
pub(crate) use minutes::Minutes;

use crate::Recorder;
use minutes::Minute;
use outbox::RecordKind;

/// The file of [`CloudWatchFormat::MetricData`]: a line is a body for PutMetricData.
pub const METRIC_DATA_PATH: &str = "cloudwatch/metrics.jsonl";
/// The file of [`CloudWatchFormat::Embedded`], named after its log group: a line is a log event.
pub const EMBEDDED_METRICS_PATH: &str = "logs/aws/ChimeVoiceConnectorMetrics.jsonl";
/// The namespace unless the configuration says another one. Real AWS refuses `AWS/…`.
pub const DEFAULT_NAMESPACE: &str = "Tandem/VoiceConnector";

/// What CloudWatch gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CloudWatchConfig {
    /// The namespace of every metric.
    pub namespace: String,
    /// How a minute is written.
    pub format: CloudWatchFormat,
    /// Which metrics.
    pub set: CloudWatchSet,
}

/// Which of the metrics a process writes. CloudWatch adds up what several write, and takes the least and the
/// most of levels: whoever knows of no calls must not say that there are none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum CloudWatchSet {
    /// All of them.
    #[default]
    All,
    /// Those of recordings, of minutes that had one: of a relay without calls of its own.
    Recordings,
}

impl CloudWatchSet {
    /// Whether a metric is one of them.
    pub(crate) const fn has(self, metric: CloudWatchMetric) -> bool {
        use CloudWatchMetric::{RecordingsFailed, RecordingsSaved, RecordingsSavedBytes};
        match self {
            CloudWatchSet::All => true,
            CloudWatchSet::Recordings => {
                matches!(metric, RecordingsSaved | RecordingsFailed | RecordingsSavedBytes)
            }
        }
    }
}

/// How a minute is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CloudWatchFormat {
    /// Bodies for PutMetricData, to [`METRIC_DATA_PATH`].
    MetricData,
    /// Log events in Embedded Metric Format, to [`EMBEDDED_METRICS_PATH`].
    Embedded,
}

impl Default for CloudWatchConfig {
    fn default() -> Self {
        CloudWatchConfig {
            namespace: DEFAULT_NAMESPACE.to_owned(),
            format: CloudWatchFormat::MetricData,
            set: CloudWatchSet::All,
        }
    }
}

/// What every datum of a node has in common.
pub(crate) struct Place<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) region: &'a str,
    pub(crate) set: CloudWatchSet,
}

impl Recorder {
    /// Writes the minutes that are closed.
    pub(crate) fn write_minutes(&mut self) {
        while let Some(minute) = self.minutes.poll_minute() {
            let Some((path, bodies)) = self.written(&minute) else { continue };
            for body in bodies {
                self.write(path.to_owned(), body, RecordKind::AppendLine);
            }
        }
    }

    fn written(&self, minute: &Minute) -> Option<(&'static str, Vec<Vec<u8>>)> {
        let CloudWatchConfig { namespace, format, set } = self.config.cloudwatch.as_ref()?;
        let place = Place { namespace, region: &self.config.region, set: *set };
        Some(match format {
            CloudWatchFormat::MetricData => (METRIC_DATA_PATH, metric_data::bodies(minute, &place)),
            CloudWatchFormat::Embedded => (EMBEDDED_METRICS_PATH, embedded::events(minute, &place)),
        })
    }
}

#[cfg(test)]
mod tests;
