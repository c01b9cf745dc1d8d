//! A minute as log events in CloudWatch's Embedded Metric Format: a log event with metadata that
//! has CloudWatch Logs extract metrics from it.

use super::Place;
use super::definition::CloudWatchDefinition;
use super::figures::{Data, Figures};
use super::metric_data::{Number, number};
use super::minutes::Minute;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// Values of one metric in one event.
const MAX_VALUES: usize = 100;

/// The log events of a minute. An event has the figures of one voice connector, or of the node, for
/// all of its dimensions. A distribution is an array of its values, each as often as it came; what
/// is more than 100 goes on in further events, which CloudWatch adds up.
pub(crate) fn events(minute: &Minute, place: &Place<'_>) -> Vec<Vec<u8>> {
    let mut events = Vec::new();
    for (label, figures) in &minute.connectors {
        of_scope(&mut events, minute.start, place, Some(label), figures);
    }
    of_scope(&mut events, minute.start, place, None, &minute.node);
    events
}

/// The dimension sets of a voice connector's figures, and of the node's. Their values stand beside
/// the metrics.
const OF_CONNECTOR: &[&[&str]] = &[&["VoiceConnectorId", "Region"], &["VoiceConnectorId"]];
const OF_NODE: &[&[&str]] = &[&["Region"], &[]];

fn of_scope(
    events: &mut Vec<Vec<u8>>,
    start: u64,
    place: &Place<'_>,
    connector: Option<&str>,
    figures: &Figures,
) {
    let data = figures.data(place.set);
    let mut targets: Vec<_> = data.map(|(d, data)| (d, Values::of(data))).collect();
    while !targets.is_empty() {
        let parts: Vec<_> = targets.iter_mut().map(|(d, values)| (*d, values.take(d))).collect();
        targets.retain(|(_, values)| !values.is_empty());
        let event = Event { start, place, connector, targets: parts };
        let mut body = Vec::with_capacity(4_096);
        // Serialising plain fields into memory cannot fail.
        let _ = serde_json::to_writer(&mut body, &event);
        events.push(body);
    }
}

/// Values that are still to be written, and how often each.
struct Values {
    is_single: bool,
    left: Vec<(u64, u64)>,
}

impl Values {
    fn of(data: Data<'_>) -> Self {
        match data {
            Data::Count(count) => Values { is_single: true, left: vec![(count, 1)] },
            Data::Distribution(distribution) => {
                let mut left: Vec<_> = distribution.iter().collect();
                left.reverse();
                Values { is_single: false, left }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    fn take(&mut self, definition: &CloudWatchDefinition) -> Target {
        let mut part = Vec::new();
        while part.len() < MAX_VALUES
            && let Some((value, times)) = self.left.last_mut()
        {
            let taken = (*times).min((MAX_VALUES - part.len()) as u64);
            part.extend((0..taken).map(|_| number(definition, *value)));
            *times -= taken;
            if *times == 0 {
                self.left.pop();
            }
        }
        match part.as_slice() {
            [single] if self.is_single => Target::Single(*single),
            _ => Target::Array(part),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Target {
    Single(Number),
    Array(Vec<Number>),
}

struct Event<'a> {
    start: u64,
    place: &'a Place<'a>,
    connector: Option<&'a str>,
    targets: Vec<(&'static CloudWatchDefinition, Target)>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    timestamp: u64,
    cloud_watch_metrics: [Directive<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    dimensions: &'static [&'static [&'static str]],
    metrics: Vec<MetricDefinition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetricDefinition {
    name: &'static str,
    unit: &'static str,
}

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let metric = |(definition, _): &(&'static CloudWatchDefinition, Target)| MetricDefinition {
            name: definition.name,
            unit: definition.unit.name(),
        };
        let directive = Directive {
            namespace: self.place.namespace,
            dimensions: if self.connector.is_some() { OF_CONNECTOR } else { OF_NODE },
            metrics: self.targets.iter().map(metric).collect(),
        };
        let mut map = serializer.serialize_map(None)?;
        let metadata = Metadata {
            timestamp: self.start.saturating_mul(1_000),
            cloud_watch_metrics: [directive],
        };
        map.serialize_entry("_aws", &metadata)?;
        if let Some(connector) = self.connector {
            map.serialize_entry("VoiceConnectorId", connector)?;
        }
        map.serialize_entry("Region", self.place.region)?;
        for (definition, target) in &self.targets {
            map.serialize_entry(definition.name, target)?;
        }
        map.end()
    }
}
