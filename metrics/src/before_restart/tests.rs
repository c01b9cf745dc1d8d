//! Logs of calls that were taken up.

use super::*;
use crate::sip_log_of;

const CALLER: &str = "192.0.2.10:5060";

fn record(ladder: Vec<LadderRecord>) -> CallRecord {
    let record = crate::report::tests::good_call();
    CallRecord {
        transaction_id: "t-1".to_owned(),
        call_id: "a@pbx".to_owned(),
        source: CALLER.to_owned(),
        ladder,
        ..record
    }
}

fn bye() -> LadderRecord {
    LadderRecord {
        offset_ms: 60_000,
        leg: "A".to_owned(),
        direction: "received".to_owned(),
        protocol: "udp".to_owned(),
        peer: CALLER.to_owned(),
        start_line: "BYE sip:x SIP/2.0".to_owned(),
        description: None,
        reason: None,
    }
}

fn logged(record: &CallRecord, offset_ms: u64, line: &str, call_id: &str, from: &str) -> Logged {
    Logged {
        event_timestamp: record.times.attempted + offset_ms,
        call_id: Some(record.transaction_id.clone()),
        sip_message: format!(
            "{line}\r\nVia: SIP/2.0/TCP 203.0.113.1;branch=z9hG4bK1\r\n\
             From: \"A;tag=no\" <sip:a@h;tag=no>;x=1;tag={from}\r\nCall-ID: {call_id}\r\n\r\n"
        ),
    }
}

#[test]
fn the_messages_before_the_restart_are_told_apart_by_who_made_their_dialog() {
    let call = record(vec![bye()]);
    let log = [
        (0, "INVITE sip:1@h SIP/2.0", "a@pbx", "caller", "A received"),
        (1, "INVITE sip:1@c SIP/2.0", "b@edge", "edge", "B sent"),
        (5, "SIP/2.0 200 OK", "b@edge", "edge", "B received"),
        (6, "SIP/2.0 200 OK", "a@pbx", "caller", "A sent"),
        (9, "OPTIONS sip:e@h SIP/2.0", "b@edge", "carrier", "B received"),
        (10, "SIP/2.0 200 OK", "b@edge", "carrier", "B sent"),
        (20, "UPDATE sip:p@h SIP/2.0", "a@pbx", "edge-a", "A sent"),
        (21, "SIP/2.0 200 OK", "a@pbx", "edge-a", "A received"),
        (60_000, "BYE sip:x SIP/2.0", "a@pbx", "caller", ""),
    ];
    let messages: Vec<_> =
        log.iter().map(|(at, line, id, from, _)| logged(&call, *at, line, id, from)).collect();
    let rungs = rungs_before(&call, 60_000, &messages);
    let found: Vec<_> = rungs.iter().map(|r| format!("{} {}", r.leg, r.direction)).collect();
    let wanted: Vec<_> = log.iter().map(|entry| entry.4).filter(|of| !of.is_empty()).collect();
    assert_eq!(found, wanted);
    assert!(rungs.iter().all(|rung| rung.protocol == "tcp"));
    assert_eq!(rungs[0].peer, CALLER);
    assert_eq!(rungs[1].peer, call.routes[0].destination);
}

#[test]
fn a_ladder_is_joined_where_it_begins_late_and_a_log_is_there() {
    let place = std::env::temp_dir().join(format!("tandem-before-restart-{}", std::process::id()));
    let whole = record(vec![LadderRecord { offset_ms: 0, ..bye() }, bye()]);
    assert_eq!(with_whole_ladder(&place, whole.clone()).unwrap(), whole);
    let late = record(vec![bye()]);
    assert_eq!(with_whole_ladder(&place, late.clone()).unwrap(), late, "nothing is logged");
    let log = sip_log_of(&place, &late);
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    let line = |at: u64, start: &str| {
        let message = logged(&late, at, start, "a@pbx", "caller");
        serde_json::json!({
            "event_timestamp": message.event_timestamp, "call_id": message.call_id,
            "sip_message": message.sip_message
        })
        .to_string()
    };
    let mut text = format!("{}\n", line(0, "INVITE sip:1@h SIP/2.0"));
    for at in 1..300 {
        text += &format!("{}\n", line(at, "INFO sip:1@h SIP/2.0"));
    }
    text += &line(60_000, "BYE sip:x SIP/2.0");
    std::fs::write(log, text).unwrap();
    let joined = with_whole_ladder(&place, late.clone()).unwrap();
    assert_eq!(joined.ladder.len(), RUNGS + 1);
    assert_eq!(joined.ladder_omitted, late.ladder_omitted + 100);
    assert_eq!(joined.ladder.last(), Some(&bye()));
    assert!(joined.ladder.is_sorted_by_key(|rung| rung.offset_ms));
    std::fs::remove_dir_all(place).unwrap();
}

#[test]
fn what_is_no_message_is_left_out() {
    let call = record(vec![bye()]);
    let odd =
        |text: &str| Logged { event_timestamp: 0, call_id: None, sip_message: text.to_owned() };
    let texts =
        ["", "\r\n", "INVITE", "x\r\nFrom: a", "x\r\nCall-ID: 1\r\nFrom: <", ":\r\n:::\r\n"];
    let rungs = rungs_before(&call, 60_000, &texts.map(odd));
    assert_eq!(rungs.len(), 1, "{rungs:?}");
    assert_eq!((&*rungs[0].protocol, rungs[0].offset_ms), ("", 0));
}

#[test]
fn compact_headers_are_read() {
    let text = "BYE x SIP/2.0\r\nv: SIP/2.0/TLS h\r\ni: 1\r\nf: <sip:a>;tag=2\r\n\r\nFrom: body";
    assert_eq!(header(text, "Call-ID", "i"), Some("1"));
    assert_eq!(tag(header(text, "From", "f").unwrap()), "2");
    assert_eq!(protocol(text), "tls");
}
