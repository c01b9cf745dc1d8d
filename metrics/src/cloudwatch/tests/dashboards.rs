//! The dashboard and the alarms in `configs/dashboards/` ask for what is written.

use super::*;
use std::collections::BTreeSet;
use std::path::Path;

fn file(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/dashboards").join(name);
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

fn definition(name: &Value) -> &'static CloudWatchDefinition {
    let found = CLOUDWATCH_METRICS.iter().find(|definition| *name == definition.name);
    found.unwrap_or_else(|| panic!("{name} is no metric"))
}

/// Whether a statistic means something of a metric.
fn suits(definition: &CloudWatchDefinition, statistic: &str) -> bool {
    let is_percentile = statistic.strip_prefix('p').is_some_and(|p| p.parse::<f64>().is_ok());
    match definition.kind {
        CloudWatchKind::Count => statistic == "Sum",
        CloudWatchKind::Gauge => {
            ["Maximum", "Minimum", "Average", "SampleCount"].contains(&statistic)
        }
        CloudWatchKind::Distribution => {
            is_percentile || ["Maximum", "Minimum", "Average"].contains(&statistic)
        }
    }
}

/// The sets that each metric is written under.
fn is_written_under(names: &[&str]) -> bool {
    [&["VoiceConnectorId", "Region"] as &[_], &["VoiceConnectorId"], &["Region"], &[]]
        .contains(&names)
}

#[test]
fn the_dashboard_shows_every_metric_with_a_statistic_that_suits_it() {
    let mut shown = BTreeSet::new();
    for widget in file("cloudwatch-dashboard.json")["widgets"].as_array().unwrap() {
        let Some(metrics) = widget["properties"]["metrics"].as_array() else { continue };
        for metric in metrics.iter().map(|metric| metric.as_array().unwrap()) {
            let (options, path) = metric.split_last().unwrap();
            let [namespace, name, dimensions @ ..] = path else {
                assert!(options["expression"].is_string(), "{metric:?}");
                continue;
            };
            assert_eq!(namespace, DEFAULT_NAMESPACE);
            let definition = definition(name);
            let names: Vec<_> =
                dimensions.chunks(2).map(|pair| pair[0].as_str().unwrap()).collect();
            assert!(is_written_under(&names), "{names:?}");
            let statistic = options["stat"].as_str().unwrap();
            assert!(suits(definition, statistic), "{statistic} of {}", definition.name);
            shown.insert(definition.name);
        }
    }
    let all: BTreeSet<_> = CLOUDWATCH_METRICS.iter().map(|definition| definition.name).collect();
    assert_eq!(shown, all);
}

#[test]
fn alarms_watch_metrics_in_their_unit_and_a_statistic_that_suits_them() {
    let alarms = file("cloudwatch-alarms.json");
    let mut names = BTreeSet::new();
    for alarm in alarms.as_array().unwrap() {
        assert!(names.insert(alarm["AlarmName"].as_str().unwrap()), "{alarm}");
        assert!(alarm["AlarmDescription"].as_str().is_some_and(|text| text.len() > 20), "{alarm}");
        let asked: Vec<(&Value, &Value, &Value)> = match alarm["Metrics"].as_array() {
            None => {
                let statistic = alarm.get("Statistic").or_else(|| alarm.get("ExtendedStatistic"));
                vec![(alarm, statistic.unwrap(), &alarm["Unit"])]
            }
            Some(queries) => {
                let stats = queries.iter().filter_map(|query| query.get("MetricStat"));
                stats.map(|stat| (&stat["Metric"], &stat["Stat"], &stat["Unit"])).collect()
            }
        };
        assert!(!asked.is_empty(), "{alarm}");
        for (metric, statistic, unit) in asked {
            assert_eq!(metric["Namespace"], DEFAULT_NAMESPACE);
            let definition = definition(&metric["MetricName"]);
            assert_eq!(*unit, definition.unit.name(), "{}", definition.name);
            assert!(suits(definition, statistic.as_str().unwrap()), "{alarm}");
            let dimensions = metric["Dimensions"].as_array().unwrap().iter();
            let dimensions: Vec<_> = dimensions.map(|d| d["Name"].as_str().unwrap()).collect();
            assert!(is_written_under(&dimensions), "{dimensions:?}");
        }
    }
    assert!(names.len() >= 8);
}
