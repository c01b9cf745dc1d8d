//! Log events are valid by the specification of the Embedded Metric Format.

use super::*;
use crate::cloudwatch::definition::CloudWatchMetric as M;
use crate::cloudwatch::embedded::events;
use crate::cloudwatch::minutes::Minute;

const UNITS: [&str; 3] = ["Count", "Microseconds", "None"];

/// What the specification says of a document, its metadata, directives and target members.
fn check(event: &Value) {
    let root = event.as_object().unwrap();
    let aws = root["_aws"].as_object().unwrap();
    assert!(aws["Timestamp"].is_u64());
    for directive in aws["CloudWatchMetrics"].as_array().unwrap() {
        let namespace = directive["Namespace"].as_str().unwrap();
        assert!((1..=1_024).contains(&namespace.len()));
        let sets = directive["Dimensions"].as_array().unwrap();
        assert!(!sets.is_empty());
        for set in sets.iter().map(|set| set.as_array().unwrap()) {
            assert!(set.len() <= 30);
            for name in set.iter().map(|name| name.as_str().unwrap()) {
                assert!((1..=250).contains(&name.len()));
                let value = root[name].as_str().unwrap();
                assert!((1..=1_024).contains(&value.len()));
            }
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()));
        for metric in metrics {
            let name = metric["Name"].as_str().unwrap();
            assert!((1..=1_024).contains(&name.len()));
            assert!(UNITS.contains(&metric["Unit"].as_str().unwrap()));
            match &root[name] {
                Value::Number(_) => {}
                Value::Array(values) => {
                    assert!((1..=100).contains(&values.len()), "{name}: {}", values.len());
                    assert!(values.iter().all(Value::is_number));
                }
                other => panic!("{name}: {other}"),
            }
        }
    }
}

fn emitted(minute: &Minute) -> Vec<Value> {
    let place =
        Place { namespace: "Tandem/VoiceConnector", region: "us-east-1", set: CloudWatchSet::All };
    let events = events(minute, &place);
    let events: Vec<Value> = events
        .iter()
        .map(|event| {
            assert!(event.len() <= 262_144, "within the older limit of an event too");
            serde_json::from_slice(event).unwrap()
        })
        .collect();
    events.iter().for_each(check);
    events
}

#[test]
fn an_event_has_its_metrics_beside_their_metadata() {
    let mut minute = Minute::new(MINUTE / 60);
    let label = Some(VC.into());
    let figures = minute.figures(label.as_ref());
    figures.count(M::OutboundCallAttempts, 2);
    figures.level(M::OutboundCallsActive, 1, 3);
    figures.measured(M::MOSBetweenVcAndRemote, 413);
    let events = emitted(&minute);
    let [own] = events.as_slice() else { panic!("the idle node has no figures: {events:?}") };
    assert_eq!(own["_aws"]["Timestamp"], MINUTE * 1_000);
    let directive = &own["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(
        directive["Dimensions"],
        json!([["VoiceConnectorId", "Region"], ["VoiceConnectorId"]])
    );
    assert_eq!(own["VoiceConnectorId"], VC);
    assert_eq!(own["Region"], "us-east-1");
    assert_eq!(own["OutboundCallAttempts"], 2);
    assert_eq!(own["OutboundCallsActive"], json!([1, 1, 1]));
    assert_eq!(own["MOSBetweenVcAndRemote"], json!([4.13]));
}

#[test]
fn more_than_a_hundred_values_go_on_in_further_events() {
    let mut minute = Minute::new(MINUTE / 60);
    minute.node.count(M::InboundCallAttempts, 5);
    for value in 0..250 {
        minute.node.measured(M::CustomerToVcJitter, value / 2);
    }
    let events = emitted(&minute);
    assert_eq!(events.len(), 3);
    let attempts: Vec<_> = events.iter().map(|e| e["InboundCallAttempts"].as_u64()).collect();
    assert_eq!(attempts, [Some(5), None, None], "counted once");
    let mut jitter: Vec<u64> = Vec::new();
    for event in &events {
        let values = event["CustomerToVcJitter"].as_array().unwrap();
        jitter.extend(values.iter().map(|value| value.as_u64().unwrap()));
        let dimensions = &event["_aws"]["CloudWatchMetrics"][0]["Dimensions"];
        assert_eq!(*dimensions, json!([["Region"], []]));
    }
    assert_eq!(jitter, (0..250).map(|value| value / 2).collect::<Vec<u64>>());
}

#[test]
fn the_recorder_writes_the_form_that_is_asked_for() {
    let mut recorder = recorder_with(CloudWatchConfig {
        format: CloudWatchFormat::Embedded,
        ..CloudWatchConfig::default()
    });
    begin(&mut recorder, CallDirection::Outbound);
    recorder.handle_timeout(ms(62_000));
    let records: Vec<_> =
        std::iter::from_fn(|| recorder.poll_record().map(|(record, _)| record)).collect();
    assert_eq!(records.len(), 2, "the connector and the node");
    for record in records {
        assert_eq!(record.path.as_str(), EMBEDDED_METRICS_PATH);
        check(&serde_json::from_slice(&record.body).unwrap());
    }
}
