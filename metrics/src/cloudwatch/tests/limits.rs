//! No body is more than PutMetricData takes, and nothing is lost where one is split.

use super::*;
use crate::cloudwatch::definition::CloudWatchMetric as M;
use crate::cloudwatch::metric_data::bodies;
use crate::cloudwatch::minutes::Minute;

/// Connectors with every count and wide distributions.
fn full(connectors: usize, values: u64) -> Minute {
    let mut minute = Minute::new(MINUTE / 60);
    let labels = (0..connectors).map(|n| Some(connector(n).as_str().into())).chain([None]);
    for label in labels {
        let figures = minute.figures(label.as_ref());
        figures.count(M::InboundCallAttempts, 3);
        for value in 0..values {
            figures.measured(M::CustomerToVcJitter, 1_000 + value);
            figures.measured(M::RTTBetweenVcAndRemote, 4_000_000_000 + value);
        }
    }
    minute
}

fn checked(minute: &Minute) -> Vec<Value> {
    let place =
        Place { namespace: "Tandem/\"quoted\"", region: "us-east-1", set: CloudWatchSet::All };
    let bodies = bodies(minute, &place);
    bodies
        .iter()
        .map(|body| {
            assert!(body.len() <= 1_000_000, "{} octets", body.len());
            assert!(!body.contains(&b'\n'), "a record is a line");
            let line: Value = serde_json::from_slice(body).unwrap();
            assert_eq!(line["Namespace"], "Tandem/\"quoted\"");
            let data = line["MetricData"].as_array().unwrap();
            assert!((1..=1_000).contains(&data.len()), "{} data", data.len());
            for datum in data {
                let length = |name: &str| datum[name].as_array().map_or(0, Vec::len);
                assert!(length("Values") <= 150 && length("Values") == length("Counts"));
                assert!(datum["Value"].is_number() != (length("Values") > 0));
                assert!(length("Dimensions") <= 30);
            }
            line
        })
        .collect()
}

#[test]
fn a_thousand_data_to_a_body() {
    let lines = checked(&full(40, 1));
    assert!(lines.len() > 1);
    let counted: f64 = (0..40)
        .flat_map(|n| lines.iter().map(move |line| (n, line)))
        .filter_map(|(n, line)| {
            let own = data(line, &[("VoiceConnectorId", &connector(n))]);
            own.get("InboundCallAttempts").map(|values| values[0].0)
        })
        .sum();
    assert_eq!(counted, 120.0);
}

#[test]
fn a_hundred_and_fifty_values_to_a_datum_and_a_megabyte_to_a_body() {
    let lines = checked(&full(100, 500));
    let own = [("VoiceConnectorId", connector(0))];
    let own: Vec<_> = own.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let jitter: Vec<_> = lines
        .iter()
        .flat_map(|line| data(line, &own).remove("CustomerToVcJitter").unwrap_or_default())
        .collect();
    assert_eq!(jitter.len(), 500);
    assert!(jitter.iter().all(|(_, count)| *count == 1));
}

#[test]
fn names_units_and_kinds_are_those_of_aws() {
    // AWS has no recordings of its own.
    let ours = CLOUDWATCH_METRICS.iter().filter(|metric| metric.name.starts_with("Recordings"));
    assert_eq!((CLOUDWATCH_METRICS.len(), ours.count()), (45 + 3, 3));
    for (at, definition) in CLOUDWATCH_METRICS.iter().enumerate() {
        let name = definition.name;
        assert_eq!(definition.metric as usize, at, "{name}");
        assert!(!definition.help.ends_with('.'), "{name}: the page adds the stop");
        let unit = if name.starts_with("MOS") {
            "None"
        } else if name.starts_with("RTT") || name.ends_with("Jitter") {
            "Microseconds"
        } else {
            "Count"
        };
        assert_eq!(definition.unit.name(), unit, "{name}");
        let gauge = name.ends_with("Active") || name.ends_with("ActiveCallCount");
        assert_eq!(definition.kind == CloudWatchKind::Gauge, gauge, "{name}");
    }
}
