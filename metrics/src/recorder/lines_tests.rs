//! Lines beside the audio: recorded, shown and logged by themselves.

use super::tests::{begin, id, lines_in, ms, recorder, records, report};
use super::*;
use crate::CallRecord;
use model::{CallDirection, Codec, Codecs, FaxView, MediaId, MediaLine, MediaType};
use model::{CallEnd, EndedBy};

fn video(leg: LegSide, stream: u64, at: u64, kind: ReportKind) -> QualityReport {
    QualityReport {
        id: MediaId(stream),
        line: MediaLine::Further { index: 1, media: MediaType::Video },
        codecs: Codecs { received: Some(Codec::H264), transcoded: None },
        mos: None,
        interval_mos: None,
        ..report(leg, at, kind)
    }
}

fn answered(recorder: &mut Recorder) {
    begin(recorder, CallDirection::Inbound);
    let answered = CallEventKind::Answered;
    recorder.handle_call_event(CallEvent { transaction_id: id(), at: ms(3), kind: answered });
}

fn end(recorder: &mut Recorder) -> Vec<Record> {
    let end = CallEnd { status: 200, cause: "BYE", ended_by: EndedBy::LegB, refusal: None };
    let kind = CallEventKind::Ended(end);
    recorder.handle_call_event(CallEvent { transaction_id: id(), at: ms(60_000), kind });
    recorder.handle_timeout(ms(75_000));
    records(recorder)
}

#[test]
fn what_is_measured_of_audio_knows_nothing_of_video() {
    let audio = |recorder: &mut Recorder| {
        for leg in LegSide::BOTH {
            recorder.handle_quality(report(leg, 50_000, ReportKind::Interval));
            recorder.handle_quality(report(leg, 60_000, ReportKind::Final));
        }
    };
    let mut plain = recorder();
    answered(&mut plain);
    audio(&mut plain);
    let expected = end(&mut plain);
    let mut with_video = recorder();
    answered(&mut with_video);
    for (at, kind) in [(1_000, ReportKind::Live), (60_000, ReportKind::Final)] {
        for leg in LegSide::BOTH {
            with_video.handle_quality(video(leg, 9, at, kind));
        }
    }
    audio(&mut with_video);
    let found = end(&mut with_video);
    let aws = "ChimeVoiceConnectorLogs";
    assert_eq!(lines_in(&found, aws), lines_in(&expected, aws));
    let page = |recorder: &Recorder| {
        let text = recorder.page().encode();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(page(&with_video), page(&plain));
}

#[test]
fn each_time_that_a_line_is_on_is_recorded_logged_and_shown() {
    let mut recorder = recorder();
    answered(&mut recorder);
    for leg in LegSide::BOTH {
        recorder.handle_quality(video(leg, 9, 20_000, ReportKind::Final));
        recorder.handle_quality(video(leg, 10, 30_000, ReportKind::Live));
    }
    let live = recorder.calls(ms(30_000));
    let [line] = &live[0].lines[..] else { panic!("{live:?}") };
    assert_eq!((line.media.as_str(), line.index), ("video", 1));
    // Inbound: leg B is the customer.
    let packets = |side: &Option<crate::LiveQuality>| side.as_ref().unwrap().received_packets;
    assert!(packets(&line.customer) > packets(&line.remote));
    let floor = MediaLine::Further { index: 2, media: MediaType::Application };
    let datagrams = FaxView { received_packets: 5, ..FaxView::default() };
    for leg in LegSide::BOTH {
        recorder.handle_quality(video(leg, 10, 60_000, ReportKind::Final));
        recorder.handle_quality(QualityReport {
            line: floor,
            fax: Some(datagrams),
            ..video(leg, 11, 60_000, ReportKind::Final)
        });
    }
    let written = end(&mut recorder);
    let call = written.iter().find(|r| r.path.as_str().starts_with("calls/")).unwrap();
    let call: CallRecord = serde_json::from_slice(&call.body).unwrap();
    let media: Vec<_> = call.lines.iter().map(|line| (line.index, line.media.as_str())).collect();
    assert_eq!(media, [(1, "video"), (1, "video"), (2, "application")]);
    let quality = call.lines[0].quality[0].as_ref().unwrap();
    assert_eq!((quality.codec.as_deref(), quality.mos), (Some("H264"), None));
    assert_eq!(call.lines[2].quality[1].as_ref().unwrap().fax.unwrap().received_packets, 5);
    let log = lines_in(&written, "logs/lines/");
    assert_eq!(log.len(), 6, "{log:?}");
    assert_eq!((&log[0]["media"], &log[0]["line"]), (&"video".into(), &1.into()));
    assert_eq!((&log[0]["side"], &log[0]["final"]), (&"remote".into(), &true.into()));
    assert!(log[0].get("mos").is_none());
    let text = crate::explain(&call);
    assert!(text.contains("\nLine 2: video (H264)\n"), "{text}");
    assert!(text.contains("\nLine 3: application"), "{text}");
}

#[test]
fn a_line_that_is_switched_for_ever_is_forgotten_and_counted() {
    let mut recorder = recorder();
    answered(&mut recorder);
    for stream in 0..100 {
        recorder.handle_quality(video(LegSide::A, stream, 20_000, ReportKind::Final));
    }
    let written = end(&mut recorder);
    let call = written.iter().find(|r| r.path.as_str().starts_with("calls/")).unwrap();
    let call: CallRecord = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(call.lines.len(), 24);
    assert!(recorder.page().encode().contains("what=\"line\"} 76"));
}
