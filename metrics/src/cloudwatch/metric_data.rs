//! A minute as bodies of PutMetricData, in JSON: `{"Namespace":…,"MetricData":[…]}`.

use super::definition::{CloudWatchDefinition, CloudWatchUnit};
use super::figures::{Data, Figures};
use super::minutes::Minute;
use super::{CloudWatchSet, Place};
use serde::{Serialize, Serializer};

/// Data in one call of PutMetricData.
const MAX_DATA: usize = 1_000;
/// Values in one datum.
const MAX_VALUES: usize = 150;
/// Octets of one body: PutMetricData takes 1 MB, whichever MB is meant.
const MAX_BYTES: usize = 1_000_000;

/// The bodies, each within every limit of PutMetricData. `Timestamp` is the minute's beginning in
/// seconds since the epoch, as the API's JSON has it.
pub(crate) fn bodies(minute: &Minute, place: &Place<'_>) -> Vec<Vec<u8>> {
    let mut bodies = Bodies::new(place);
    let region = Dimension { name: "Region", value: place.region };
    for (label, figures) in &minute.connectors {
        let connector = Dimension { name: "VoiceConnectorId", value: label };
        bodies.add(minute.start, figures, &[connector, region]);
        bodies.add(minute.start, figures, &[connector]);
    }
    bodies.add(minute.start, &minute.node, &[region]);
    bodies.add(minute.start, &minute.node, &[]);
    bodies.finish()
}

struct Bodies {
    set: CloudWatchSet,
    /// `{"Namespace":…,"MetricData":[`
    head: Vec<u8>,
    done: Vec<Vec<u8>>,
    body: Vec<u8>,
    /// Data in `body`.
    data: usize,
    datum: Vec<u8>,
}

impl Bodies {
    fn new(place: &Place<'_>) -> Self {
        let mut head = b"{\"Namespace\":".to_vec();
        // Serialising plain fields into memory cannot fail, here and below.
        let _ = serde_json::to_writer(&mut head, place.namespace);
        head.extend_from_slice(b",\"MetricData\":[");
        let (done, body, datum) = (Vec::new(), Vec::new(), Vec::new());
        Bodies { set: place.set, head, done, body, data: 0, datum }
    }

    fn add(&mut self, timestamp: u64, figures: &Figures, dimensions: &[Dimension<'_>]) {
        for (definition, data) in figures.data(self.set) {
            let datum = Datum {
                metric_name: definition.name,
                dimensions,
                timestamp,
                unit: definition.unit.name(),
                value: None,
                values: Vec::new(),
                counts: Vec::new(),
            };
            match data {
                Data::Count(count) => {
                    self.push(&Datum { value: Some(number(definition, count)), ..datum });
                }
                Data::Distribution(distribution) => {
                    let pairs: Vec<_> = distribution.iter().collect();
                    for part in pairs.chunks(MAX_VALUES) {
                        let values = part.iter().map(|(v, _)| number(definition, *v)).collect();
                        let counts = part.iter().map(|(_, times)| *times).collect();
                        self.push(&Datum { values, counts, ..datum });
                    }
                }
            }
        }
    }

    fn push(&mut self, datum: &Datum<'_>) {
        self.datum.clear();
        let _ = serde_json::to_writer(&mut self.datum, datum);
        // The comma before it and `]}`.
        let is_full = self.data >= MAX_DATA || self.body.len() + self.datum.len() + 3 > MAX_BYTES;
        if is_full {
            self.end();
        }
        if self.data == 0 {
            self.body.extend_from_slice(&self.head);
        } else {
            self.body.push(b',');
        }
        self.body.extend_from_slice(&self.datum);
        self.data += 1;
    }

    fn end(&mut self) {
        if self.data > 0 {
            self.body.extend_from_slice(b"]}");
            self.done.push(std::mem::take(&mut self.body));
            self.data = 0;
        }
    }

    fn finish(mut self) -> Vec<Vec<u8>> {
        self.end();
        self.done
    }
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension<'a> {
    name: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Datum<'a> {
    metric_name: &'static str,
    dimensions: &'a [Dimension<'a>],
    timestamp: u64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Number>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<Number>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    counts: Vec<u64>,
}

/// A value as it is written: whole, or a score with two decimals.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Whole(u64),
    Hundredths(u64),
}

/// A value of a metric as it is written.
pub(super) fn number(definition: &CloudWatchDefinition, value: u64) -> Number {
    match definition.unit {
        CloudWatchUnit::Count | CloudWatchUnit::Microseconds => Number::Whole(value),
        CloudWatchUnit::None => Number::Hundredths(value),
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Number::Whole(value) => serializer.serialize_u64(*value),
            Number::Hundredths(value) => serializer.serialize_f64(*value as f64 / 100.0),
        }
    }
}
