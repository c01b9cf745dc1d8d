//! What a recorder that hides numbers writes.

use super::tests::{begin, message, ms, records, report};
use super::*;
use crate::{KEY_LENGTH, MessagePrivacy, NumberKey, Numbers, Privacy};
use model::{CallDirection, MessageDirection};

const RUNS: [&[u8]; 4] = [b"12065550", b"2065550100", b"8131234", b"1312345678"];

fn privacy(numbers: &Numbers) -> Privacy {
    let messages = MessagePrivacy { numbers: numbers.clone(), ..MessagePrivacy::default() };
    Privacy {
        cdrs: numbers.clone(),
        media_quality: numbers.clone(),
        history: numbers.clone(),
        log: numbers.clone(),
        traces: numbers.clone(),
        sip_messages: messages.clone(),
        hep: messages,
    }
}

#[test]
fn no_record_and_no_copy_of_a_call_has_its_numbers() {
    let hashed = Numbers::Hashed(Arc::new([NumberKey::new([7; KEY_LENGTH])]));
    for numbers in [Numbers::Plain, Numbers::Masked { shown: 4 }, hashed] {
        let base = RecorderConfig::new("edge-1", "us-east-1", "111122223333", UnixTime::default());
        let hep = HepConfig::new("192.0.2.9:9060".parse().unwrap());
        let mut recorder =
            Recorder::new(RecorderConfig { privacy: privacy(&numbers), hep: Some(hep), ..base });
        begin(&mut recorder, CallDirection::Outbound);
        let invite = "INVITE sip:+81312345678@a SIP/2.0\r\nFrom: <sip:+12065550100@b>;tag=1";
        recorder.handle_sip(message(4, LegSide::A, MessageDirection::Received, invite));
        for leg in LegSide::BOTH {
            recorder.handle_quality(report(leg, 5_000, ReportKind::Final));
        }
        assert!(!recorder.handle_shutdown(ms(6_000)));
        let records = records(&mut recorder);
        let copies: Vec<_> = std::iter::from_fn(|| recorder.poll_copy()).collect();
        assert!(records.len() >= 4 && copies.len() >= 3, "{} {}", records.len(), copies.len());
        let all = records
            .iter()
            .map(|record| record.body.as_slice())
            .chain(copies.iter().map(Vec::as_slice));
        let shows =
            |octets: &[u8]| RUNS.iter().any(|run| octets.windows(run.len()).any(|w| w == *run));
        let showing = all.filter(|octets| shows(octets)).count();
        match numbers {
            // The log of quality, that of messages, both records, the copy of the message.
            Numbers::Plain => assert!(showing >= 5, "{showing}"),
            Numbers::Masked { .. } | Numbers::Hashed(_) => assert_eq!(showing, 0, "{numbers:?}"),
        }
    }
}
