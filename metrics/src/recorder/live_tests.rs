//! Live reports: shown, and left behind nowhere.

use super::tests::{begin, id, lines_in, ms, recorder, records, report};
use super::*;
use crate::live::LiveCopyState;
use model::{CallDirection, CallEvent, CallEventKind, CopyFailure, CopyNews, CopyState, Mos};

#[test]
fn a_live_report_is_shown_within_seconds_and_left_behind_nowhere() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    let page = recorder.encode();
    let mut live = report(LegSide::A, 5_000, ReportKind::Live);
    live.interval_mos = Some(Mos::new(3.2));
    recorder.handle_quality(live.clone());
    let shown = recorder.calls(ms(5_001)).remove(0);
    assert_eq!(shown.remote, None);
    let customer = shown.customer.unwrap();
    assert_eq!((customer.received_packets, customer.mos), (101, Some(3.2)));
    assert_eq!(customer.rtt_us, Some(120));
    recorder.handle_timeout(ms(60_000));
    assert_eq!(recorder.encode(), page, "the page counts no live report");
    assert!(lines_in(&records(&mut recorder), "ChimeVoiceConnectorLogs").is_empty());
    // The minute goes into the records; the eyes stay with the last seconds.
    recorder.handle_quality(report(LegSide::A, 60_000, ReportKind::Interval));
    assert_eq!(recorder.calls(ms(60_001)).remove(0).customer.unwrap().mos, Some(3.2));
    live.at = ms(64_000);
    live.received.rtp_packets = 400;
    recorder.handle_quality(live);
    assert_eq!(recorder.calls(ms(64_001)).remove(0).customer.unwrap().received_packets, 400);
    while recorder.handle_shutdown(ms(65_000)) {}
    let records = records(&mut recorder);
    let line = lines_in(&records, "ChimeVoiceConnectorLogs").remove(0);
    assert_eq!(line["cust2vc_rtp_packets"], 101);
    let call = lines_in(&records, "calls/").remove(0);
    assert_eq!(call["transaction_id"], id().to_string());
    assert_eq!(call["quality"][0]["received_packets"], 101);
    assert_eq!(call["quality"][0]["intervals"].as_array().unwrap().len(), 1);
}

#[test]
fn the_log_keeps_a_round_trip_that_the_last_interval_did_not_measure() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    for (at, rtt) in [(60_000, Some(Duration::from_millis(20))), (65_000, None)] {
        for leg in LegSide::BOTH {
            let report = QualityReport { rtt, ..report(leg, at, ReportKind::Interval) };
            recorder.handle_quality(report);
        }
    }
    let lines = lines_in(&records(&mut recorder), "ChimeVoiceConnectorLogs");
    let rtts: Vec<_> = lines.iter().map(|l| l["rtt_btwn_vc_and_cust"].as_u64()).collect();
    assert_eq!(rtts, [Some(20_000), Some(20_000)]);
}

#[test]
fn a_call_shows_how_its_copy_stands() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    assert_eq!(recorder.calls(ms(1)).remove(0).copied, None);
    let failed = |retry_in| CopyState::Failed { failure: CopyFailure::Silent, retry_in };
    for (state, wanted, failures) in [
        (CopyState::Begun, LiveCopyState::Copied, 0),
        (failed(Some(Duration::from_secs(2))), LiveCopyState::Waiting, 1),
        (CopyState::Begun, LiveCopyState::Copied, 1),
        (CopyState::Ended, LiveCopyState::Ended, 1),
        (failed(None), LiveCopyState::GivenUp, 2),
    ] {
        let news = CopyNews { recorder: "sip:srs@192.0.2.7".into(), state };
        let kind = CallEventKind::Copied(news);
        recorder.handle_call_event(CallEvent { transaction_id: id(), at: ms(2), kind });
        let copied = recorder.calls(ms(3)).remove(0).copied.unwrap();
        assert_eq!((copied.state, copied.failures), (wanted, failures));
        assert_eq!(copied.last_failure.is_some(), failures > 0);
        assert_eq!(copied.recorder, "sip:srs@192.0.2.7");
    }
}
