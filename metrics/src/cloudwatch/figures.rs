//! What a minute holds of one voice connector, or of the whole node.

use super::CloudWatchSet;
use super::definition::{
    CLOUDWATCH_METRICS, CloudWatchDefinition, CloudWatchKind, CloudWatchMetric,
};
use super::distribution::Distribution;
use std::collections::BTreeMap;

/// Counts and distributions of one minute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Figures {
    counts: [u64; CLOUDWATCH_METRICS.len()],
    distributions: BTreeMap<CloudWatchMetric, Distribution>,
    /// Something happened, or a call was there: more than levels at 0.
    pub(crate) is_busy: bool,
}

/// What there is to tell of a metric.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Data<'a> {
    Count(u64),
    Distribution(&'a Distribution),
}

impl Default for Figures {
    fn default() -> Self {
        Figures {
            counts: [0; CLOUDWATCH_METRICS.len()],
            distributions: BTreeMap::new(),
            is_busy: false,
        }
    }
}

impl Figures {
    pub(crate) fn count(&mut self, metric: CloudWatchMetric, times: u64) {
        if let Some(count) = self.counts.get_mut(metric as usize) {
            *count = count.saturating_add(times);
        }
        self.is_busy = true;
    }

    pub(crate) fn measured(&mut self, metric: CloudWatchMetric, value: u64) {
        self.distributions.entry(metric).or_default().add(value, 1);
        self.is_busy = true;
    }

    /// A level that was kept for some seconds.
    pub(crate) fn level(&mut self, metric: CloudWatchMetric, value: u64, seconds: u64) {
        self.distributions.entry(metric).or_default().add(value, seconds);
        self.is_busy |= value > 0;
    }

    /// What is to be written of a set, in the order of the definitions: levels always; counts, those
    /// at 0 too, while there is something to tell; distributions that have a value.
    pub(crate) fn data(
        &self,
        set: CloudWatchSet,
    ) -> impl Iterator<Item = (&'static CloudWatchDefinition, Data<'_>)> {
        CLOUDWATCH_METRICS.iter().zip(&self.counts).filter_map(move |(definition, count)| {
            if !set.has(definition.metric) {
                return None;
            }
            let data = match definition.kind {
                CloudWatchKind::Count if self.is_busy => Data::Count(*count),
                CloudWatchKind::Count => return None,
                CloudWatchKind::Gauge | CloudWatchKind::Distribution => {
                    Data::Distribution(self.distributions.get(&definition.metric)?)
                }
            };
            Some((definition, data))
        })
    }
}
