use super::*;
use crate::RecorderConfig;
use crate::recorder::tests::{begin, id, message, ms, parties_of, report};
use model::{
    CallDirection, CallEnd, CallEvent, CallEventKind, EndedBy, Instant, LegSide, MessageDirection,
    QualityReport, ReportKind, TransactionId, UnixTime,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

mod dashboards;
mod embedded_tests;
mod limits;

const VC: &str = "abcdef1ghij2klmno3pqr4";
/// A minute's beginning, 2019-03-01 17:10:00 UTC.
const MINUTE: u64 = 1_551_460_200;

/// Begins 20 ms into a minute.
fn recorder() -> Recorder {
    recorder_with(CloudWatchConfig::default())
}

fn recorder_with(cloudwatch: CloudWatchConfig) -> Recorder {
    let origin = UnixTime::from_millis(MINUTE * 1_000 + 20);
    let config = RecorderConfig::new("edge-1", "us-east-1", "111122223333", origin);
    Recorder::new(RecorderConfig { cloudwatch: Some(cloudwatch), ..config })
}

/// The lines that have been written.
fn lines(recorder: &mut Recorder) -> Vec<Value> {
    std::iter::from_fn(|| recorder.poll_record().map(|(record, _)| record))
        .filter(|record| record.path.as_str() == METRIC_DATA_PATH)
        .map(|record| serde_json::from_slice(&record.body).unwrap())
        .collect()
}

/// Values and counts by metric, of the data with these dimensions.
fn data(line: &Value, dimensions: &[(&str, &str)]) -> BTreeMap<String, Vec<(f64, u64)>> {
    let wanted: Vec<_> = dimensions.iter().map(|(n, v)| json!({"Name": n, "Value": v})).collect();
    let wanted = Value::from(wanted);
    let mut found: BTreeMap<String, Vec<(f64, u64)>> = BTreeMap::new();
    for datum in line["MetricData"].as_array().unwrap() {
        if datum["Dimensions"] != wanted {
            continue;
        }
        let pairs = match datum["Value"].as_f64() {
            Some(value) => vec![(value, 1)],
            None => {
                let values = datum["Values"].as_array().unwrap().iter();
                let counts = datum["Counts"].as_array().unwrap().iter();
                values
                    .zip(counts)
                    .map(|(v, n)| (v.as_f64().unwrap(), n.as_u64().unwrap()))
                    .collect()
            }
        };
        found.entry(datum["MetricName"].as_str().unwrap().to_owned()).or_default().extend(pairs);
    }
    found
}

const OWN: &[(&str, &str)] = &[("VoiceConnectorId", VC), ("Region", "us-east-1")];

fn happen(recorder: &mut Recorder, call: u128, at: u64, kind: CallEventKind) {
    let transaction_id = TransactionId::from_random(call);
    recorder.handle_call_event(CallEvent { transaction_id, at: ms(at), kind });
}

fn ended(status: u16) -> CallEventKind {
    CallEventKind::Ended(CallEnd { status, cause: "", ended_by: EndedBy::LegA, refusal: None })
}

#[test]
fn a_minute_tells_all_that_happened_in_it_under_all_dimensions() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    happen(&mut recorder, 7, 1_500, CallEventKind::Answered);
    recorder.handle_sip(message(10, LegSide::A, MessageDirection::Sent, "SIP/2.0 100 Trying"));
    recorder.handle_sip(message(20, LegSide::B, MessageDirection::Received, "SIP/2.0 200 OK"));
    recorder.handle_quality(report(LegSide::A, 30_000, ReportKind::Interval));
    recorder.handle_quality(report(LegSide::B, 30_001, ReportKind::Interval));
    // 30.980 s after the minute began, which counts as a second with a call.
    happen(&mut recorder, 7, 30_960, ended(200));
    recorder.handle_timeout(ms(61_979));
    assert!(lines(&mut recorder).is_empty(), "what happened may still be on its way");
    recorder.handle_timeout(ms(61_980));
    let lines = lines(&mut recorder);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(line["Namespace"], "Tandem/VoiceConnector");
    let own = data(line, OWN);
    for (metric, expected) in [
        ("VoiceConnectorActiveCallCount", vec![(0.0, 29), (1.0, 31)]),
        ("OutboundCallsActive", vec![(0.0, 29), (1.0, 31)]),
        ("InboundCallsActive", vec![(0.0, 60)]),
        ("OutboundCallAttempts", vec![(1.0, 1)]),
        ("OutboundCallsAnswered", vec![(1.0, 1)]),
        ("OutboundCallFailures", vec![(0.0, 1)]),
        ("InboundCallAttempts", vec![(0.0, 1)]),
        ("Sip1xxCodes", vec![(1.0, 1)]),
        ("Sip2xxCodes", vec![(1.0, 1)]),
        ("CustomerToVcRtpPackets", vec![(101.0, 1)]),
        ("CustomerToVcRtpBytes", vec![(102.0, 1)]),
        ("CustomerToVcRtcpPackets", vec![(103.0, 1)]),
        ("CustomerToVcRtcpBytes", vec![(104.0, 1)]),
        ("CustomerToVcPacketsLost", vec![(105.0, 1)]),
        ("CustomerToVcJitter", vec![(106.0, 1)]),
        ("VcToCustomerRtpPackets", vec![(111.0, 1)]),
        ("VcToCustomerPacketsLost", vec![(115.0, 1)]),
        ("VcToCustomerJitter", vec![(116.0, 1)]),
        ("RemoteToVcRtpPackets", vec![(201.0, 1)]),
        ("VcToRemoteRtcpBytes", vec![(214.0, 1)]),
        ("RTTBetweenVcAndCustomer", vec![(120.0, 1)]),
        ("RTTBetweenVcAndRemote", vec![(220.0, 1)]),
        ("MOSBetweenVcAndRemote", vec![(4.1, 1)]),
    ] {
        assert_eq!(own[metric], expected, "{metric}");
    }
    assert_eq!(own.len(), CLOUDWATCH_METRICS.len(), "every metric has its datum");
    for dimensions in [&[("VoiceConnectorId", VC)] as &[_], &[("Region", "us-east-1")], &[]] {
        assert_eq!(
            data(line, dimensions),
            own,
            "one connector is all that there is: {dimensions:?}"
        );
    }
    for datum in line["MetricData"].as_array().unwrap() {
        assert_eq!(datum["Timestamp"], MINUTE);
        let definition = CLOUDWATCH_METRICS.iter().find(|d| datum["MetricName"] == d.name).unwrap();
        assert_eq!(datum["Unit"], definition.unit.name());
    }
}

#[test]
fn a_call_over_minutes_is_active_in_each_and_its_packets_count_once() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Inbound);
    let grown = |at, packets, reports| {
        let mut report: QualityReport = report(LegSide::A, at, ReportKind::Interval);
        report.received.rtp_packets = packets;
        report.peer.as_mut().unwrap().reports = reports;
        report
    };
    let mut written = Vec::new();
    for (at, packets, reports) in [(59_000, 100, 1), (119_000, 250, 2), (179_000, 300, 2)] {
        recorder.handle_quality(grown(at, packets, reports));
        recorder.handle_timeout(ms(at + 3_500));
        written.extend(lines(&mut recorder));
    }
    let own: Vec<_> = written.iter().map(|line| data(line, OWN)).collect();
    assert_eq!(own.len(), 3);
    let packets: Vec<_> = own.iter().map(|of| of["RemoteToVcRtpPackets"][0].0).collect();
    assert_eq!(packets, [100.0, 150.0, 50.0]);
    assert!(own.iter().all(|of| of["InboundCallsActive"] == [(1.0, 60)]));
    let attempts: Vec<_> = own.iter().map(|of| of["InboundCallAttempts"][0].0).collect();
    assert_eq!(attempts, [1.0, 0.0, 0.0]);
    assert!(own[1].contains_key("VcToRemoteJitter"));
    assert!(!own[2].contains_key("VcToRemoteJitter"), "the peer said nothing new");
    let lost: Vec<_> = own.iter().map(|of| of["RemoteToVcPacketsLost"][0].0).collect();
    assert_eq!(lost, [105.0; 3], "as AWS has it: of the whole call, every minute");
}

#[test]
fn a_call_shorter_than_a_second_shows_among_the_active_ones() {
    let mut recorder = recorder();
    happen(&mut recorder, 1, 10_000, CallEventKind::Attempted { parties: parties_of(1) });
    happen(&mut recorder, 1, 10_100, ended(486));
    recorder.handle_timeout(ms(62_000));
    let own = data(&lines(&mut recorder)[0], &[("VoiceConnectorId", &connector(1))]);
    assert_eq!(own["OutboundCallsActive"], [(0.0, 59), (1.0, 1)]);
    assert_eq!(own["OutboundCallFailures"], [(1.0, 1)]);
    assert!(!own.contains_key("CustomerToVcJitter"), "no media, no figure of it");
}

fn connector(number: usize) -> String {
    format!("abcdef1ghij2klmno3p{number:03}")
}

#[test]
fn idle_connectors_are_at_zero_for_an_hour_and_the_node_always() {
    let mut recorder = recorder();
    happen(&mut recorder, 1, 1_000, CallEventKind::Attempted { parties: parties_of(1) });
    happen(&mut recorder, 1, 2_000, ended(200));
    let mut with_connector = 0;
    for minute in 1..=90 {
        recorder.handle_timeout(ms(minute * 60_000 + 2_000));
        let lines = lines(&mut recorder);
        let [line] = lines.as_slice() else { panic!("minute {minute}: {lines:?}") };
        let own = data(line, &[("VoiceConnectorId", &connector(1))]);
        with_connector += u64::from(!own.is_empty());
        if minute > 1 {
            assert!(own.values().all(|values| *values == [(0.0, 60)]));
            let node = data(line, &[]);
            assert_eq!(node["VoiceConnectorActiveCallCount"], [(0.0, 60)]);
            assert_eq!(node.len(), 4, "what did not happen is not written: {node:?}");
        }
    }
    // The minute of the call, and sixty after it.
    assert_eq!(with_connector, 61);
}

#[test]
fn the_present_minute_is_written_when_the_node_stops() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    recorder.handle_timeout(ms(62_000));
    recorder.handle_quality(report(LegSide::A, 70_000, ReportKind::Final));
    while recorder.handle_shutdown(ms(72_000)) {}
    let lines = lines(&mut recorder);
    assert_eq!(lines.len(), 2);
    let last = data(&lines[1], OWN);
    assert_eq!(lines[1]["MetricData"][0]["Timestamp"], MINUTE + 60);
    // Seconds 0 to 12 of the minute; the node's stop ended the call.
    assert_eq!(last["OutboundCallsActive"], [(1.0, 13)]);
    assert_eq!(last["CustomerToVcRtpPackets"], [(101.0, 1)]);
    recorder.handle_shutdown(ms(72_000));
    assert!(recorder.poll_record().is_none(), "not twice");
}

#[test]
fn what_comes_late_counts_in_the_first_minute_that_is_open() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    recorder.handle_timeout(ms(130_000));
    assert_eq!(lines(&mut recorder).len(), 2);
    recorder.handle_quality(report(LegSide::A, 30_000, ReportKind::Interval));
    recorder.handle_timeout(ms(190_000));
    let line = &lines(&mut recorder)[0];
    assert_eq!(data(line, OWN)["CustomerToVcRtpPackets"], [(101.0, 1)]);
    assert_eq!(line["MetricData"][0]["Timestamp"], MINUTE + 120);
}

#[test]
fn minutes_without_a_look_are_made_up_for_within_a_bound() {
    let mut recorder = recorder();
    let stamps = |recorder: &mut Recorder| -> Vec<u64> {
        let lines = lines(recorder);
        lines.iter().map(|l| l["MetricData"][0]["Timestamp"].as_u64().unwrap()).collect()
    };
    recorder.handle_timeout(ms(10 * 60_000 + 5_000));
    assert_eq!(stamps(&mut recorder), (0..10).map(|n| MINUTE + 60 * n).collect::<Vec<_>>());
    // Two days later: the last two hours.
    recorder.handle_timeout(ms(2 * 86_400_000 + 5_000));
    let written = stamps(&mut recorder);
    assert_eq!(written.len(), 120);
    assert_eq!(written.last(), Some(&(MINUTE + 2 * 86_400 - 60)));
    // An instant that goes back changes nothing.
    recorder.handle_timeout(ms(60_000));
    assert!(stamps(&mut recorder).is_empty());
}

#[test]
fn calls_of_an_earlier_run_are_active_but_not_attempted_again() {
    let origin = UnixTime::from_millis(MINUTE * 1_000);
    let config = RecorderConfig::new("edge-1", "us-east-1", "111122223333", origin);
    let begun = Instant::from_millis(3_600_000);
    let mut recorder = Recorder::new(RecorderConfig { begun, ..config });
    begin(&mut recorder, CallDirection::Outbound);
    happen(&mut recorder, 7, 5_000, CallEventKind::Answered);
    let later = |at, packets| {
        let mut report = report(LegSide::A, at, ReportKind::Interval);
        report.received.rtp_packets = packets;
        report
    };
    recorder.handle_quality(later(3_610_000, 9_000));
    recorder.handle_quality(later(3_640_000, 9_500));
    recorder.handle_timeout(ms(3_662_000));
    let lines = lines(&mut recorder);
    assert_eq!(lines.len(), 1, "no minute of the earlier run");
    let own = data(&lines[0], OWN);
    assert_eq!(own["OutboundCallsActive"], [(1.0, 60)]);
    for (metric, count) in [
        ("OutboundCallAttempts", 0.0),
        ("OutboundCallsAnswered", 0.0),
        ("CustomerToVcRtpPackets", 500.0),
    ] {
        assert_eq!(own[metric], [(count, 1)], "{metric}");
    }
    assert!(recorder.calls(ms(3_662_000)).iter().any(|c| c.transaction_id == id().to_string()));
}

#[test]
fn connectors_over_the_limit_share_figures_and_none_goes_below_zero() {
    let origin = UnixTime::from_millis(MINUTE * 1_000);
    let config = RecorderConfig::new("edge-1", "us-east-1", "111122223333", origin);
    let mut recorder = Recorder::new(RecorderConfig { max_voice_connectors: 2, ..config });
    for call in 0..5 {
        let parties = parties_of(call);
        let kind = CallEventKind::Attempted { parties };
        happen(&mut recorder, call as u128, 1_000, kind);
    }
    for call in 0..4 {
        happen(&mut recorder, call, 59_500, ended(200));
    }
    recorder.handle_timeout(ms(122_000));
    let lines = lines(&mut recorder);
    let other = data(&lines[0], &[("VoiceConnectorId", "other")]);
    assert_eq!(other["OutboundCallAttempts"], [(3.0, 1)]);
    let other = data(&lines[1], &[("VoiceConnectorId", "other")]);
    assert_eq!(other["OutboundCallsActive"], [(1.0, 60)]);
    assert_eq!(data(&lines[1], &[])["OutboundCallsActive"], [(1.0, 60)]);
}

/// Two files of a voice connector, and one lost that was nobody knows whose.
fn record(recorder: &mut Recorder) {
    let vc = model::VoiceConnectorId::new(VC).unwrap();
    for (at, vc, bytes) in
        [(1_000, Some(&vc), Some(64_044)), (2_000, Some(&vc), Some(1_000)), (3_000, None, None)]
    {
        let recorded = crate::KeptRecording { at: ms(at), voice_connector: vc.cloned(), bytes };
        recorder.handle_recorded(&recorded);
    }
}

const RECORDINGS: [&str; 3] = ["RecordingsSaved", "RecordingsFailed", "RecordingsSavedBytes"];

fn of_recordings(data: &BTreeMap<String, Vec<(f64, u64)>>) -> [f64; 3] {
    RECORDINGS.map(|name| data[name][0].0)
}

#[test]
fn recordings_count_in_the_minute_in_which_they_are_whole_or_lost() {
    let mut recorder = recorder();
    record(&mut recorder);
    recorder.handle_timeout(ms(63_000));
    let line = lines(&mut recorder).remove(0);
    let node = data(&line, &[("Region", "us-east-1")]);
    let own = data(&line, &[("VoiceConnectorId", VC)]);
    assert_eq!(of_recordings(&node), [2.0, 1.0, 65_044.0]);
    assert_eq!(of_recordings(&own), [2.0, 0.0, 65_044.0]);
}

#[test]
fn who_knows_of_recordings_alone_tells_of_no_calls() {
    for format in [CloudWatchFormat::MetricData, CloudWatchFormat::Embedded] {
        let set = CloudWatchSet::Recordings;
        let mut recorder = recorder_with(CloudWatchConfig { format, set, ..Default::default() });
        record(&mut recorder);
        // Minutes without a recording have nothing to tell, not even that there are no calls.
        recorder.handle_timeout(ms(200_000));
        let records: Vec<_> = std::iter::from_fn(|| recorder.poll_record()).collect();
        let text: Vec<_> = records.iter().map(|(r, _)| String::from_utf8_lossy(&r.body)).collect();
        let text = text.join("\n");
        for definition in CLOUDWATCH_METRICS {
            let is_told = text.contains(&format!("\"{}\"", definition.name));
            assert_eq!(is_told, RECORDINGS.contains(&definition.name), "{definition:?}: {text}");
        }
        if format == CloudWatchFormat::MetricData {
            let line: Value = serde_json::from_str(&text).expect("one minute");
            assert_eq!(of_recordings(&data(&line, &[])), [2.0, 1.0, 65_044.0]);
            assert_eq!(of_recordings(&data(&line, OWN)), [2.0, 0.0, 65_044.0]);
        }
    }
}

#[test]
fn calls_that_applications_steer_are_counted_while_they_last() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    let steered = || CallEventKind::Steered { application: "menu".into() };
    happen(&mut recorder, 7, 1_500, steered());
    // Another application of its rule takes over: it is one call still.
    happen(&mut recorder, 7, 2_000, steered());
    happen(&mut recorder, 7, 30_960, ended(200));
    recorder.handle_timeout(ms(61_980));
    let lines = lines(&mut recorder);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    for dimensions in [OWN, &[("Region", "us-east-1")]] {
        let found = data(line, dimensions);
        let count = |value: f64| {
            let of = found["SmaActiveCallCount"].iter();
            of.filter(|(v, _)| *v == value).map(|(_, n)| n).sum::<u64>()
        };
        assert_eq!(count(0.0) + count(1.0), 60, "{:?}", found["SmaActiveCallCount"]);
        assert!((29..=31).contains(&count(1.0)), "{:?}", found["SmaActiveCallCount"]);
    }
}
