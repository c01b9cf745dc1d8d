//! The record as it is written is the record as it is read.

use super::tests::{begin, id, message, ms, recorder, records, report};
use super::*;
use crate::CallRecord;
use model::{CallDirection, MessageDirection};
use model::{CallEnd, EndedBy};

#[test]
fn a_record_that_is_read_and_written_again_is_the_same_text() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    let id = id();
    for line in ["INVITE sip:+81312345678@tandem.localhost SIP/2.0", "SIP/2.0 200 \"OK\"\u{1}é"] {
        recorder.handle_sip(message(4, LegSide::A, MessageDirection::Received, line));
        recorder.handle_sip(message(5, LegSide::B, MessageDirection::Sent, line));
    }
    for leg in LegSide::BOTH {
        recorder.handle_quality(report(leg, 60_000, ReportKind::Final));
    }
    let end = CallEnd { status: 200, cause: "BYE", ended_by: EndedBy::LegB, refusal: None };
    for kind in [CallEventKind::Ringing, CallEventKind::Answered, CallEventKind::Ended(end)] {
        recorder.handle_call_event(CallEvent { transaction_id: id, at: ms(60_000), kind });
    }
    recorder.handle_timeout(ms(70_000));
    let records = records(&mut recorder);
    let written = records.iter().find(|r| r.path.as_str().starts_with("calls/")).unwrap();
    let read: CallRecord = serde_json::from_slice(&written.body).unwrap();
    assert_eq!((read.ladder.len(), read.routes.len()), (4, 1));
    let again = serde_json::to_string(&read).unwrap();
    assert_eq!(again, String::from_utf8_lossy(&written.body));
}
