//! What a recorder that hides numbers writes.

use super::tests::{begin, id, message, ms, records, report};
use super::*;
use crate::{KEY_LENGTH, MessagePrivacy, NumberKey, Numbers, PerSink, Privacy};
use model::{CallDirection, MediaId, MessageDirection, RtcpCopy};
use proptest::prelude::*;
use rtp_proto::rtcp::{SdesItem, SdesKind, write_source_description};

const RUNS: [&[u8]; 4] = [b"12065550", b"2065550100", b"8131234", b"1312345678"];

fn privacy(numbers: &Numbers) -> Privacy {
    let messages = MessagePrivacy { numbers: numbers.clone(), ..MessagePrivacy::default() };
    Privacy {
        cdrs: PerSink::same(numbers.clone()),
        media_quality: PerSink::same(numbers.clone()),
        history: numbers.clone(),
        log: numbers.clone(),
        traces: numbers.clone(),
        events: PerSink::same(numbers.clone()),
        recordings: numbers.clone(),
        sip_messages: PerSink::same(messages.clone()),
        hep: messages,
    }
}

/// RTCP in which a leg says who it is.
fn described() -> RtcpCopy {
    let mut octets = Vec::new();
    let items = [(SdesKind::Cname, "12065550100@pbx"), (SdesKind::Phone, "+81312345678")]
        .map(|(kind, text)| SdesItem { kind, text: text.as_bytes() });
    write_source_description(&mut octets, 9, &items);
    RtcpCopy {
        id: MediaId(1),
        transaction_id: id(),
        leg: LegSide::A,
        direction: MessageDirection::Received,
        local: "192.0.2.1:10001".parse().unwrap(),
        remote: "198.51.100.7:4001".parse().unwrap(),
        at: ms(4_000),
        octets,
    }
}

#[test]
fn no_record_and_no_copy_of_a_call_has_its_numbers() {
    let hashed = Numbers::Hashed(Arc::new([NumberKey::new([7; KEY_LENGTH])]));
    for numbers in [Numbers::Plain, Numbers::Masked { shown: 4 }, hashed] {
        let base = RecorderConfig::new("edge-1", "us-east-1", "111122223333", UnixTime::default());
        let hep = HepConfig::new("192.0.2.9:9060".parse().unwrap());
        let (privacy, hep, cdr) = (privacy(&numbers), Some(hep), CdrForm::Both);
        let mut recorder = Recorder::new(RecorderConfig { privacy, hep, cdr, ..base });
        begin(&mut recorder, CallDirection::Outbound);
        let invite = "INVITE sip:+81312345678@a SIP/2.0\r\nFrom: <sip:+12065550100@b>;tag=1";
        recorder.handle_sip(message(4, LegSide::A, MessageDirection::Received, invite));
        recorder.handle_rtcp(&described());
        for leg in LegSide::BOTH {
            recorder.handle_quality(report(leg, 5_000, ReportKind::Final));
        }
        assert!(!recorder.handle_shutdown(ms(6_000)));
        let records = records(&mut recorder);
        let copies: Vec<_> = std::iter::from_fn(|| recorder.poll_copy()).collect();
        assert!(records.len() >= 5 && copies.len() >= 3, "{} {}", records.len(), copies.len());
        let all = records
            .iter()
            .map(|record| record.body.as_slice())
            .chain(copies.iter().map(Vec::as_slice));
        let shows =
            |octets: &[u8]| RUNS.iter().any(|run| octets.windows(run.len()).any(|w| w == *run));
        let showing = all.filter(|octets| shows(octets)).count();
        match numbers {
            // The log of quality, that of messages, three records, the copies of the message and of RTCP.
            Numbers::Plain => assert!(showing >= 7, "{showing}"),
            Numbers::Masked { .. } | Numbers::Hashed(_) => assert_eq!(showing, 0, "{numbers:?}"),
        }
    }
}

/// A place of records, and how its sinks have numbers.
type Place = (&'static str, PerSink<Numbers>);

fn numbers() -> impl Strategy<Value = Numbers> {
    let hashed = || Numbers::Hashed(Arc::new([NumberKey::new([7; KEY_LENGTH])]));
    let masked = (0u8..5).prop_map(|shown| Numbers::Masked { shown });
    prop_oneof![Just(Numbers::Plain), masked, any::<bool>().prop_map(move |_| hashed())]
}

fn per_sink() -> impl Strategy<Value = PerSink<Numbers>> {
    (numbers(), numbers()).prop_map(|(file, service)| PerSink { file, service })
}

/// What a recorder so configured writes of one call.
fn written(places: &[Place; 3]) -> Vec<(Record, Reach)> {
    let [(_, cdrs), (_, media_quality), (_, messages)] = places.clone();
    let sip_messages = messages
        .map(|numbers| MessagePrivacy { numbers: numbers.clone(), ..MessagePrivacy::default() });
    let privacy = Privacy { cdrs, media_quality, sip_messages, ..Privacy::default() };
    let base = RecorderConfig::new("edge-1", "us-east-1", "111122223333", UnixTime::default());
    let mut recorder = Recorder::new(RecorderConfig { privacy, ..base });
    begin(&mut recorder, CallDirection::Outbound);
    let invite = "INVITE sip:+81312345678@a SIP/2.0\r\nFrom: <sip:+12065550100@b>;tag=1";
    recorder.handle_sip(message(4, LegSide::A, MessageDirection::Received, invite));
    for leg in LegSide::BOTH {
        recorder.handle_quality(report(leg, 5_000, ReportKind::Final));
    }
    assert!(!recorder.handle_shutdown(ms(6_000)));
    std::iter::from_fn(|| recorder.poll_record()).collect()
}

proptest! {
    #[test]
    fn no_number_reaches_the_sink_that_hides_it(
        cdrs in per_sink(),
        media_quality in per_sink(),
        messages in per_sink(),
    ) {
        let places = [
            ("s3/", cdrs),
            ("ChimeVoiceConnectorLogs/", media_quality),
            ("ChimeVoiceConnectorSipMessages/", messages),
        ];
        let written = written(&places);
        for (place, numbers) in &places {
            let records = written.iter().filter(|(record, _)| record.path.as_str().contains(place));
            for (other, hides) in
                [(Reach::Services, &numbers.file), (Reach::Files, &numbers.service)]
            {
                // All that this sink gets.
                let got: Vec<_> = records.clone().filter(|(_, reach)| *reach != other).collect();
                prop_assert_eq!(got.len(), 1, "{} gets each record once", place);
                let body = &got[0].0.body;
                let shows = RUNS.iter().any(|run| body.windows(run.len()).any(|w| w == *run));
                prop_assert_eq!(shows, *hides == Numbers::Plain, "{} {:?}", place, hides);
            }
        }
    }
}
