//! Calls that are running, forgotten or too many, and any order of events.

use super::*;
use crate::LiveState;
use proptest::prelude::*;

#[test]
fn live_calls_are_listed_until_they_end() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    assert_eq!(recorder.calls(ms(10))[0].state, LiveState::Calling);
    happen(&mut recorder, 100, CallEventKind::Ringing);
    assert_eq!(recorder.calls(ms(110))[0].state, LiveState::Ringing);
    happen(&mut recorder, 1_000, CallEventKind::Answered);
    recorder.handle_quality(report(LegSide::A, 2_000, ReportKind::Interval));
    let call = recorder.calls(ms(3_000)).remove(0);
    assert_eq!((call.state, call.age_ms, call.talk_ms), (LiveState::Answered, 3_000, Some(2_000)));
    assert_eq!(call.customer.unwrap().received_packets, 101);
    assert_eq!(call.remote, None);
    happen(&mut recorder, 4_000, bye(EndedBy::LegA));
    assert!(recorder.calls(ms(4_000)).is_empty());
}

#[test]
fn forgotten_and_fatherless_calls_go_and_leave_a_record_if_they_began() {
    let mut recorder = recorder();
    recorder.handle_sip(message(0, LegSide::A, MessageDirection::Received, "INVITE sip:a SIP/2.0"));
    records(&mut recorder);
    recorder.handle_timeout(ms(59_999));
    assert_eq!(recorder.calls.len(), 1);
    recorder.handle_timeout(ms(70_000));
    assert_eq!((recorder.calls.len(), recorder.orphans), (0, 0));
    assert!(records(&mut recorder).is_empty());

    begin(&mut recorder, CallDirection::Outbound);
    recorder.handle_timeout(Instant::ZERO + Duration::from_secs(7 * 3_600));
    assert!(recorder.calls.is_empty());
    let records = records(&mut recorder);
    assert_eq!(lines_in(&records, "CDRs").len(), 1);
    assert_eq!(lines_in(&records, "calls/").len(), 1);
    assert!(recorder.encode().contains("direction=\"outbound\"} 0\n"), "no call is active");
}

#[test]
fn a_full_table_records_no_new_call_and_says_so() {
    let config = RecorderConfig { max_calls: 1, ..recorder().config };
    let mut recorder = Recorder::new(config);
    for number in 1..=2 {
        recorder.handle_call_event(CallEvent {
            transaction_id: TransactionId::from_random(number),
            at: ms(0),
            kind: CallEventKind::Attempted { parties: parties(CallDirection::Outbound) },
        });
    }
    assert_eq!(recorder.calls(ms(0)).len(), 1);
    assert!(
        recorder.encode().contains("tandem_recorder_dropped_total{what=\"call_table_full\"} 1")
    );
}

#[test]
fn a_shutdown_leaves_a_record_of_every_running_call() {
    let mut recorder = recorder();
    for number in 0..3_000 {
        recorder.handle_call_event(CallEvent {
            transaction_id: TransactionId::from_random(number),
            at: ms(0),
            kind: CallEventKind::Attempted { parties: parties(CallDirection::Outbound) },
        });
    }
    let mut written = Vec::new();
    while recorder.handle_shutdown(ms(1)) {
        written.extend(records(&mut recorder));
    }
    written.extend(records(&mut recorder));
    assert_eq!(lines_in(&written, "calls/").len(), 3_000);
    assert_eq!(lines_in(&written, "CDRs").len(), 3_000);
}

fn any_event() -> impl Strategy<Value = (u8, u64, u8, u32)> {
    (0..12u8, 0..8u64, any::<u8>(), 0..400_000u32)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes in whatever order, nothing panics, tables keep their bounds, and when all
    /// is over nothing is left.
    #[test]
    fn any_order_of_events_is_survived(events in prop::collection::vec(any_event(), 0..400)) {
        let config = RecorderConfig {
            max_calls: 4, max_orphans: 2, ladder_messages: 4, intervals: 4, max_records: 50,
            ..recorder().config
        };
        let mut recorder = Recorder::new(config);
        for (what, call, detail, at) in events {
            let transaction_id = TransactionId::from_random(u128::from(call));
            let leg = if detail % 2 == 0 { LegSide::A } else { LegSide::B };
            let kind = match what {
                0 | 1 => CallEventKind::Attempted { parties: parties(CallDirection::Inbound) },
                2 => CallEventKind::MediaAllocated { media: MediaId(1) },
                3 => CallEventKind::Ringing,
                4 => CallEventKind::Answered,
                5 => bye(EndedBy::Edge),
                6 | 7 => {
                    let kind = match detail {
                        0..50 => ReportKind::Final,
                        50..100 => ReportKind::Live,
                        _ => ReportKind::Interval,
                    };
                    let mut report = report(leg, at.into(), kind);
                    report.transaction_id = transaction_id;
                    report.received.burst_ratio = f64::NAN;
                    report.received.rtp_packets = u64::from(detail);
                    recorder.handle_quality(report);
                    continue;
                }
                8 | 9 => {
                    let mut sip = message(at.into(), leg, MessageDirection::Sent, "\u{0}");
                    if let SipObservation::Message(event) = &mut sip {
                        event.transaction_id = Some(transaction_id);
                    }
                    recorder.handle_sip(sip);
                    continue;
                }
                _ => {
                    recorder.handle_timeout(ms(at.into()));
                    continue;
                }
            };
            recorder.handle_call_event(CallEvent { transaction_id, at: ms(at.into()), kind });
            prop_assert!(recorder.calls.len() <= 4);
            prop_assert!(recorder.orphans <= 4);
            prop_assert!(recorder.records.len() <= 50);
            prop_assert!(recorder.unpaired.len() <= 8);
        }
        while recorder.handle_shutdown(ms(1_000_000)) {}
        prop_assert_eq!((recorder.calls.len(), recorder.orphans), (0, 0));
        for record in records(&mut recorder) {
            if record.path.as_str().starts_with("calls/") {
                let call: CallRecord = serde_json::from_slice(&record.body).unwrap();
                prop_assert!(explain(&call).contains("Why"));
            }
        }
    }
}

#[test]
fn a_leg_that_was_never_heard_is_in_the_record() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    for _ in 0..2 {
        happen(&mut recorder, 4, CallEventKind::Unheard { leg: LegSide::B });
    }
    happen(&mut recorder, 9, bye(EndedBy::LegA));
    while recorder.handle_shutdown(ms(10)) {}
    let written = lines_in(&records(&mut recorder), "calls/");
    assert_eq!(written[0]["unheard"], json!(["B"]));
}

#[test]
fn a_record_names_the_meetings_that_its_call_was_in() {
    let met =
        |meeting: &str, is_recorded| CallEventKind::Met { meeting: meeting.into(), is_recorded };
    let written = |events: Vec<CallEventKind>| {
        let mut recorder = recorder();
        begin(&mut recorder, CallDirection::Outbound);
        for event in events {
            happen(&mut recorder, 4, event);
        }
        happen(&mut recorder, 9, bye(EndedBy::LegA));
        while recorder.handle_shutdown(ms(10)) {}
        lines_in(&records(&mut recorder), "calls/")[0]["meetings"].clone()
    };
    assert_eq!(written(vec![]), json!(null));
    // It waits once more for a moderator, comes in again, and then the meeting is recorded.
    let again = vec![met("a", false), met("a", true), met("a", false), met("b", false)];
    assert_eq!(
        written(again),
        json!([{ "meeting_id": "a", "recorded": true }, { "meeting_id": "b", "recorded": false }])
    );
    let many = (0..20).map(|number| met(&number.to_string(), false)).collect();
    assert_eq!(written(many).as_array().map(Vec::len), Some(8), "it has a bound");
}

#[test]
fn a_call_that_was_streamed_says_so_in_both_records() {
    use model::ListenFailure::{NoListeners, TooMany};
    let (told, failed) = (CallEventKind::ListenedTo, CallEventKind::NotListenedTo);
    for (events, record, is_streamed) in [
        (vec![], json!(null), false),
        (vec![failed(TooMany), told.clone(), failed(NoListeners)], json!("streamed"), true),
        (vec![failed(TooMany)], json!(TooMany.to_string()), false),
    ] {
        let mut recorder = recorder();
        begin(&mut recorder, CallDirection::Outbound);
        for event in events {
            happen(&mut recorder, 4, event);
        }
        happen(&mut recorder, 9, bye(EndedBy::LegA));
        while recorder.handle_shutdown(ms(10)) {}
        let written = records(&mut recorder);
        assert_eq!(lines_in(&written, "calls/")[0]["streaming"], record);
        assert_eq!(lines_in(&written, "s3/")[0]["Streaming"], json!(is_streamed));
    }
}

#[test]
fn rules_that_were_set_aside_for_an_emergency_call_are_in_its_record() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    for rule in [Refusal::PlainSignalling, Refusal::PlainMedia, Refusal::PlainSignalling] {
        happen(&mut recorder, 4, CallEventKind::Excused(rule));
    }
    happen(&mut recorder, 9, bye(EndedBy::LegA));
    while recorder.handle_shutdown(ms(10)) {}
    let written = lines_in(&records(&mut recorder), "calls/");
    assert_eq!(written[0]["excused"], json!(["plain_signalling", "plain_media"]));
}

#[test]
fn a_leg_that_was_never_heard_is_counted_by_connector_and_carrier_and_stands_until_the_end() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    let lines = |recorder: &Recorder, connector: &str, now: u8| {
        let text = recorder.encode();
        let labels = [format!("voice_connector=\"{connector}\""), "carrier=\"pstn-1\"".to_owned()];
        for (name, labels) in ["", "carrier_"].into_iter().zip(labels) {
            let labels = format!("{{{labels},side=\"remote\"}}");
            for line in [
                format!("tandem_{name}unheard_legs_total{labels} 1"),
                format!("tandem_{name}unheard_legs{labels} {now}"),
            ] {
                let total = connector != VC && name.is_empty() && line.contains("_total");
                assert!(total || text.lines().any(|l| l == line), "{line}\nis not in\n{text}");
            }
        }
    };
    for _ in 0..2 {
        happen(&mut recorder, 4, CallEventKind::Unheard { leg: LegSide::B });
        lines(&recorder, VC, 1);
    }
    let moved = parties_of(7);
    let other = moved.voice_connector.as_str().to_owned();
    happen(&mut recorder, 5, CallEventKind::Moved { parties: moved });
    lines(&recorder, &other, 1);
    happen(&mut recorder, 9, bye(EndedBy::LegA));
    for connector in [VC, &other] {
        lines(&recorder, connector, 0);
    }
    // What comes behind the end counts no more.
    happen(&mut recorder, 10, CallEventKind::Unheard { leg: LegSide::A });
    assert!(!recorder.encode().contains("side=\"customer\"} 1"));
}
