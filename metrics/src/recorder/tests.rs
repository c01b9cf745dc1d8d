use super::*;
use crate::report::explain;
use crate::{CallRecord, CdrForm};
use bytes::Bytes;
use model::{
    CallDirection, CallEnd, CallParties, CarrierId, Codec, Codecs, EndedBy, Flow, LossCounts,
    MediaId, MessageDirection, Mos, PeerView, PeerVoipMetrics, ReceivedView, Refusal, RefusalEvent,
    ReportKind, SentView, SipMessageEvent, TransportProtocol, VoiceConnectorId,
};
use serde_json::{Value, json};

const VC: &str = "abcdef1ghij2klmno3pqr4";
const UUID: &str = "00000000-0000-4000-8000-000000000007";
/// 2019-03-01 17:10:00.020 UTC.
const ORIGIN: UnixTime = UnixTime::from_millis(1_551_460_200_020);

pub(crate) fn recorder() -> Recorder {
    Recorder::new(RecorderConfig::new("edge-1", "us-east-1", "111122223333", ORIGIN))
}

pub(crate) fn id() -> TransactionId {
    TransactionId::from_random(7)
}

pub(crate) fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn parties(direction: CallDirection) -> Arc<CallParties> {
    Arc::new(CallParties {
        direction,
        voice_connector: VoiceConnectorId::new(VC).unwrap(),
        from_user: "+12065550100".into(),
        from_country: "US",
        to_user: "+81312345678".into(),
        to_country: "JP",
        call_id: "a84b4c76e66710@pbx".into(),
        carrier: None,
        emergency: None,
        source: "127.0.0.3:5070".parse().unwrap(),
        sip_auth_user: None,
        proxy: None,
        log_sip_messages: true,
        log_media_metrics: true,
    })
}

/// Of an outbound call of the voice connector with this number.
pub(crate) fn parties_of(connector: usize) -> Arc<CallParties> {
    let id = format!("abcdef1ghij2klmno3p{connector:03}");
    let voice_connector = VoiceConnectorId::new(&id).unwrap();
    Arc::new(CallParties { voice_connector, ..(*parties(CallDirection::Outbound)).clone() })
}

fn happen(recorder: &mut Recorder, at: u64, kind: CallEventKind) {
    recorder.handle_call_event(CallEvent { transaction_id: id(), at: ms(at), kind });
}

pub(crate) fn begin(recorder: &mut Recorder, direction: CallDirection) {
    happen(recorder, 0, CallEventKind::Attempted { parties: parties(direction) });
    happen(recorder, 2, CallEventKind::MediaAllocated { media: MediaId(1) });
    happen(
        recorder,
        3,
        CallEventKind::Routed {
            carrier: Some(CarrierId::new("pstn-1").unwrap()),
            destination: "127.0.0.2:5080".parse().unwrap(),
            protocol: TransportProtocol::Udp,
            attempt: 1,
        },
    );
}

fn bye(by: EndedBy) -> CallEventKind {
    CallEventKind::Ended(CallEnd { status: 200, cause: "BYE", ended_by: by, refusal: None })
}

/// A report whose numbers differ by leg: leg A counts from 100, leg B from 200.
pub(crate) fn report(leg: LegSide, at: u64, kind: ReportKind) -> QualityReport {
    let base = 100 * (leg.index() as u64 + 1);
    QualityReport {
        id: MediaId(1),
        transaction_id: id(),
        line: Default::default(),
        leg,
        at: ms(at),
        kind,
        codecs: Codecs { received: Some(Codec::Pcmu), transcoded: None },
        received: ReceivedView {
            rtp_packets: base + 1,
            rtp_bytes: base + 2,
            rtcp_packets: base + 3,
            rtcp_bytes: base + 4,
            loss: LossCounts { expected: base + 6, lost: base as i64 + 5 },
            interval_loss: LossCounts { expected: 50, lost: 1 },
            jitter: Duration::from_micros(base + 6),
            interval_jitter_max: Duration::from_micros(base + 7),
            burst_ratio: 1.0,
            ..ReceivedView::default()
        },
        sent: SentView {
            rtp_packets: base + 11,
            rtp_bytes: base + 12,
            rtcp_packets: base + 13,
            rtcp_bytes: base + 14,
            dropped: 0,
        },
        peer: Some(PeerView {
            packets_lost: base as i64 + 15,
            jitter: Duration::from_micros(base + 16),
            reports: 2,
        }),
        peer_metrics: (leg == LegSide::A).then(|| PeerVoipMetrics {
            discard_ratio: 0.25,
            r_factor: Some(80),
            mos_conversational: Some(3.9),
            jitter_buffer: Some(Duration::from_millis(60)),
            ..PeerVoipMetrics::default()
        }),
        rtt: Some(Duration::from_micros(base + 20)),
        mos: Some(Mos::new(4.5)),
        interval_mos: Some(Mos::new(4.1)),
        fax: None,
    }
}

/// Without the minutes for CloudWatch.
pub(crate) fn records(recorder: &mut Recorder) -> Vec<Record> {
    let is_of_calls = |record: &Record| record.path.as_str() != crate::METRIC_DATA_PATH;
    let next = || recorder.poll_record().map(|(record, _)| record);
    std::iter::from_fn(next).filter(is_of_calls).collect()
}

pub(crate) fn lines_in(records: &[Record], part: &str) -> Vec<Value> {
    records
        .iter()
        .filter(|r| r.path.as_str().contains(part))
        .map(|r| serde_json::from_slice(&r.body).unwrap())
        .collect()
}

pub(crate) fn message(
    at: u64,
    leg: LegSide,
    direction: MessageDirection,
    line: &str,
) -> SipObservation {
    let remote = if leg == LegSide::A { "127.0.0.3:5070" } else { "127.0.0.2:5080" };
    SipObservation::Message(SipMessageEvent {
        transaction_id: Some(id()),
        voice_connector: Some(VoiceConnectorId::new(VC).unwrap()),
        leg: Some(leg),
        at: ms(at),
        direction,
        flow: Flow {
            protocol: TransportProtocol::Udp,
            local: "127.0.0.1:5060".parse().unwrap(),
            remote: remote.parse().unwrap(),
            connection: None,
            identity: None,
        },
        status: line.strip_prefix("SIP/2.0 ").and_then(|l| l.get(..3)?.parse().ok()),
        message: Some(Bytes::from(format!(
            "{line}\r\nAuthorization: Digest username=\"pbx\", response=\"0123\"\r\n\r\n"
        ))),
        is_logged: true,
        start_line: Bytes::copy_from_slice(line.as_bytes()),
    })
}

#[test]
fn a_media_line_has_every_field_of_an_outbound_call() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    recorder.handle_quality(report(LegSide::A, 60_000, ReportKind::Interval));
    assert!(records(&mut recorder).is_empty(), "one leg alone is no line");
    recorder.handle_quality(report(LegSide::B, 60_001, ReportKind::Interval));
    let records = records(&mut recorder);
    let record = records.first().unwrap();
    assert_eq!(record.path.as_str(), format!("logs/aws/ChimeVoiceConnectorLogs/{VC}.jsonl"));
    assert_eq!(record.kind, RecordKind::AppendLine);
    assert_eq!(
        serde_json::from_slice::<Value>(&record.body).unwrap(),
        json!({
            "voice_connector_id": VC,
            "event_timestamp": ORIGIN.as_millis() + 60_001,
            "call_id": UUID,
            "from_sip_user": "+12065550100", "from_country": "US",
            "to_sip_user": "+81312345678", "to_country": "JP",
            "endpoint_id": "edge-1", "aws_region": "us-east-1",
            "cust2vc_rtp_packets": 101, "cust2vc_rtp_bytes": 102,
            "cust2vc_rtcp_packets": 103, "cust2vc_rtcp_bytes": 104,
            "cust2vc_packets_lost": 105, "cust2vc_jitter": 106,
            "vc2cust_rtp_packets": 111, "vc2cust_rtp_bytes": 112,
            "vc2cust_rtcp_packets": 113, "vc2cust_rtcp_bytes": 114,
            "vc2cust_packets_lost": 115, "vc2cust_jitter": 116,
            "rem2vc_rtp_packets": 201, "rem2vc_rtp_bytes": 202,
            "rem2vc_rtcp_packets": 203, "rem2vc_rtcp_bytes": 204,
            "rem2vc_packets_lost": 205, "rem2vc_jitter": 206,
            "vc2rem_rtp_packets": 211, "vc2rem_rtp_bytes": 212,
            "vc2rem_rtcp_packets": 213, "vc2rem_rtcp_bytes": 214,
            "vc2rem_packets_lost": 215, "vc2rem_jitter": 216,
            "rtt_btwn_vc_and_cust": 120, "mos_btwn_vc_and_cust": 4.4,
            "rtt_btwn_vc_and_rem": 220, "mos_btwn_vc_and_rem": 4.4,
        })
    );
}

#[test]
fn on_an_inbound_call_leg_a_is_the_carrier_and_what_is_unknown_is_null() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Inbound);
    let quiet = QualityReport {
        peer: None,
        rtt: None,
        mos: None,
        ..report(LegSide::A, 60_000, ReportKind::Interval)
    };
    recorder.handle_quality(quiet);
    recorder.handle_quality(report(LegSide::B, 60_000, ReportKind::Interval));
    let lines = lines_in(&records(&mut recorder), "ConnectorLogs");
    let line = lines.first().unwrap();
    assert_eq!(line["rem2vc_rtp_packets"], 101);
    assert_eq!(line["cust2vc_rtp_packets"], 201);
    for unknown in
        ["vc2rem_packets_lost", "vc2rem_jitter", "rtt_btwn_vc_and_rem", "mos_btwn_vc_and_rem"]
    {
        assert_eq!(line.get(unknown), Some(&Value::Null), "{unknown}");
    }
}

#[test]
fn each_minute_is_one_line_even_when_a_leg_missed_one() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    for minute in 1..=3 {
        recorder.handle_quality(report(LegSide::A, minute * 60_000, ReportKind::Interval));
        if minute != 2 {
            recorder.handle_quality(report(LegSide::B, minute * 60_000, ReportKind::Interval));
        }
    }
    let lines = lines_in(&records(&mut recorder), "ConnectorLogs");
    let at: Vec<_> =
        lines.iter().map(|l| l["event_timestamp"].as_u64().unwrap() - ORIGIN.as_millis()).collect();
    assert_eq!(at, [60_000, 120_000, 180_000]);
}

#[test]
fn a_report_without_its_pair_is_logged_after_the_wait_and_not_before() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    recorder.handle_quality(report(LegSide::A, 60_000, ReportKind::Interval));
    recorder.handle_timeout(ms(64_999));
    assert!(records(&mut recorder).is_empty());
    recorder.handle_timeout(ms(65_000));
    let lines = lines_in(&records(&mut recorder), "ConnectorLogs");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["rem2vc_rtp_packets"], Value::Null);
    recorder.handle_timeout(ms(90_000));
    assert!(records(&mut recorder).is_empty(), "once");
}

#[test]
fn a_call_detail_record_has_its_place_and_every_field() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    happen(&mut recorder, 1_000, CallEventKind::Answered);
    happen(&mut recorder, 6_500, bye(EndedBy::LegA));
    let records = records(&mut recorder);
    let record = records.first().unwrap();
    assert_eq!(
        record.path.as_str(),
        format!("s3/Amazon-Chime-Voice-Connector-CDRs/json/{VC}/2019/03/01/17.10.00.020_{UUID}")
    );
    assert_eq!(record.kind, RecordKind::WholeFile);
    assert_eq!(
        serde_json::from_slice::<Value>(&record.body).unwrap(),
        json!({
            "AwsAccountId": "111122223333", "TransactionId": UUID,
            "CallId": "a84b4c76e66710@pbx", "VoiceConnectorId": VC,
            "Status": "Completed", "StatusMessage": "OK", "SipAuthUser": null,
            "BillableDurationSeconds": 6, "BillableDurationMinutes": 0.1,
            "SchemaVersion": "2.0",
            "SourcePhoneNumber": "+12065550100", "SourcePhoneNumberName": null,
            "SourceCountry": "US",
            "DestinationPhoneNumber": "+81312345678", "DestinationPhoneNumberName": null,
            "DestinationCountry": "JP",
            "UsageType": "USE1-US-JP-outbound-minutes",
            "ServiceCode": "AmazonChimeVoiceConnector", "Direction": "Outbound",
            "StartTimeEpochSeconds": 1_551_460_200, "EndTimeEpochSeconds": 1_551_460_206,
            "Region": "us-east-1", "Streaming": false,
        })
    );
}

#[test]
fn a_call_that_failed_is_recorded_as_failed_and_billed_nothing() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Inbound);
    let end = CallEnd { status: 486, cause: "Busy Here", ended_by: EndedBy::LegB, refusal: None };
    happen(&mut recorder, 900, CallEventKind::Ended(end));
    let cdr = lines_in(&records(&mut recorder), "CDRs").remove(0);
    assert_eq!(cdr["Status"], "Failed");
    assert_eq!(cdr["StatusMessage"], "486 Busy Here");
    assert_eq!(cdr["BillableDurationSeconds"], 0);
    assert_eq!(cdr["UsageType"], "USE1-US-JP-inbound-minutes");
    assert!(recorder.encode().contains("tandem_call_failures_total{voice_connector=\"abcdef1ghij2klmno3pqr4\",direction=\"inbound\"} 1"));
}

#[test]
fn the_business_calling_form_has_its_place_and_every_field() {
    let config = RecorderConfig::new("edge-1", "us-east-1", "111122223333", ORIGIN);
    let mut recorder = Recorder::new(RecorderConfig { cdr: CdrForm::BusinessCalling, ..config });
    begin(&mut recorder, CallDirection::Outbound);
    happen(&mut recorder, 1_000, CallEventKind::Answered);
    happen(&mut recorder, 25_000, bye(EndedBy::LegA));
    let records = records(&mut recorder);
    let record = records.first().unwrap();
    let place = "s3/Amazon-Chime-Business-Calling-CDRs/json/111122223333/2019/03/01";
    assert_eq!(record.path.as_str(), format!("{place}/{UUID}_2019-03-01-17.10.01.020_{UUID}"));
    assert_eq!(record.kind, RecordKind::WholeFile);
    let text = format!(
        r#"{{"SchemaVersion":"2.0","CdrId":"{UUID}","ServiceCode":"AmazonChimeBusinessCalling","#
    ) + &format!(r#""ChimeAccountId":"{VC}","AwsAccountId":"111122223333","#)
        + &format!(r#""ConferenceId":"{UUID}","ConferencePin":"","OrganizerUserId":"","#)
        + r#""OrganizerEmail":"","CallerPhoneNumber":"+12065550100","CallerCountry":"US","#
        + r#""DestinationPhoneNumber":"+81312345678","DestinationCountry":"JP","#
        + r#""ConferenceStartTimeEpochSeconds":"1551460200","#
        + r#""ConferenceEndTimeEpochSeconds":"1551460225","StartTimeEpochSeconds":"1551460201","#
        + r#""EndTimeEpochSeconds":"1551460225","BillableDurationSeconds":"24","#
        + r#""BillableDurationMinutes":".4","Direction":"Outbound"}"#;
    assert_eq!(str::from_utf8(&record.body).unwrap(), text);
    assert!(lines_in(&records, "Voice-Connector-CDRs").is_empty());
}

#[test]
fn the_conference_of_a_call_is_its_meeting_in_the_business_calling_form() {
    let config = RecorderConfig::new("edge-1", "us-east-1", "111122223333", ORIGIN);
    let mut recorder = Recorder::new(RecorderConfig { cdr: CdrForm::BusinessCalling, ..config });
    begin(&mut recorder, CallDirection::Inbound);
    let meeting = "17bc8b19-cac7-45cb-b632-af6821e0843e";
    for meeting in [meeting, "another"] {
        happen(
            &mut recorder,
            2,
            CallEventKind::Met { meeting: meeting.into(), is_recorded: false },
        );
    }
    happen(&mut recorder, 25_000, bye(EndedBy::LegA));
    let records = records(&mut recorder);
    let record = records.first().unwrap();
    let name = record.path.as_str().rsplit_once('/').unwrap().1;
    assert!(name.starts_with(&format!("{meeting}_")) && name.ends_with(UUID), "{name}");
    let written = lines_in(&records, "Business-Calling-CDRs").remove(0);
    assert_eq!((&written["ConferenceId"], &written["CdrId"]), (&json!(meeting), &json!(UUID)));
}

#[test]
fn both_forms_tell_of_a_call_that_nobody_answered() {
    let config = RecorderConfig::new("edge-1", "us-east-1", "111122223333", ORIGIN);
    let mut recorder = Recorder::new(RecorderConfig { cdr: CdrForm::Both, ..config });
    begin(&mut recorder, CallDirection::Inbound);
    let end = CallEnd { status: 486, cause: "Busy Here", ended_by: EndedBy::LegB, refusal: None };
    happen(&mut recorder, 900, CallEventKind::Ended(end));
    let records = records(&mut recorder);
    assert_eq!(lines_in(&records, "Voice-Connector-CDRs").len(), 1);
    let business = lines_in(&records, "Business-Calling-CDRs").remove(0);
    assert_eq!(business["BillableDurationSeconds"], "0");
    assert_eq!(business["BillableDurationMinutes"], "0");
    assert_eq!(business["StartTimeEpochSeconds"], "1551460200");
}

#[test]
fn the_record_waits_for_the_final_reports_but_not_forever() {
    for finals in [true, false] {
        let mut recorder = recorder();
        begin(&mut recorder, CallDirection::Outbound);
        happen(&mut recorder, 1_000, CallEventKind::Answered);
        happen(&mut recorder, 9_000, bye(EndedBy::LegB));
        recorder.handle_timeout(ms(9_600));
        assert!(lines_in(&records(&mut recorder), "calls/").is_empty());
        if finals {
            recorder.handle_quality(report(LegSide::A, 9_001, ReportKind::Final));
            recorder.handle_quality(report(LegSide::B, 9_001, ReportKind::Final));
        }
        recorder.handle_timeout(ms(if finals { 9_700 } else { 14_000 }));
        let records = records(&mut recorder);
        let record = records.iter().find(|r| r.path.as_str() == "calls/2019-03-01.jsonl").unwrap();
        let call: CallRecord = serde_json::from_slice(&record.body).unwrap();
        assert_eq!(call.quality.iter().filter(|q| q.is_some()).count(), if finals { 2 } else { 0 });
        assert_eq!(call.end.ended_by, "leg_b");
        let lines = lines_in(&records, "ConnectorLogs");
        assert_eq!(lines.len(), usize::from(finals), "one line at the end");
        assert!(recorder.calls.is_empty() && recorder.ended.is_empty());
    }
}

#[test]
fn the_message_log_is_masked_and_the_ladder_bounded() {
    let mut recorder = recorder();
    let early =
        message(0, LegSide::A, MessageDirection::Received, "INVITE sip:+81312345678@x SIP/2.0");
    recorder.handle_sip(early);
    begin(&mut recorder, CallDirection::Outbound);
    for at in 1..1_000 {
        recorder.handle_sip(message(
            at,
            LegSide::B,
            MessageDirection::Received,
            "SIP/2.0 180 Ringing\x1b[2J",
        ));
    }
    happen(&mut recorder, 1_000, bye(EndedBy::LegA));
    recorder.handle_timeout(ms(10_000));
    let records = records(&mut recorder);
    let log = lines_in(&records, "SipMessages");
    assert_eq!(log.len(), 1_000);
    assert_eq!(
        log[0],
        json!({
            "voice_connector_id": VC, "aws_region": "us-east-1",
            "event_timestamp": ORIGIN.as_millis(), "call_id": UUID,
            "sip_message": "INVITE sip:+81312345678@x SIP/2.0\r\nAuthorization: Digest username=\"pbx\", response=\"***\"\r\n\r\n",
        })
    );
    let line = records.iter().find(|r| r.path.as_str().starts_with("calls/")).unwrap();
    let call: CallRecord = serde_json::from_slice(&line.body).unwrap();
    assert_eq!((call.ladder.len(), call.ladder_omitted), (200, 800));
    assert_eq!(call.ladder[0].start_line, "INVITE sip:+81312345678@x SIP/2.0");
    assert_eq!(call.ladder[199].offset_ms, 999);
    assert!(!call.ladder[199].start_line.contains('\x1b'), "no terminal commands");
    assert!(explain(&call).lines().count() > 200);
}

#[test]
fn the_page_counts_calls_codes_refusals_and_media() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound);
    happen(&mut recorder, 100, CallEventKind::Ringing);
    happen(&mut recorder, 1_000, CallEventKind::Answered);
    recorder.handle_sip(message(1, LegSide::A, MessageDirection::Received, "INVITE sip:a SIP/2.0"));
    recorder.handle_sip(message(2, LegSide::A, MessageDirection::Sent, "SIP/2.0 200 OK"));
    recorder.handle_sip(message(
        2,
        LegSide::A,
        MessageDirection::Received,
        "EVIL{label} sip:a SIP/2.0",
    ));
    recorder.handle_sip(SipObservation::Refused(RefusalEvent {
        refusal: Refusal::CallRateLimit,
        at: ms(3),
        source: "127.0.0.9:5060".parse().unwrap(),
        voice_connector: None,
        start_line: Bytes::new(),
    }));
    recorder.handle_quality(report(LegSide::A, 60_000, ReportKind::Interval));
    recorder.handle_quality(report(LegSide::A, 120_000, ReportKind::Interval));
    let page = recorder.encode();
    let labels = format!("voice_connector=\"{VC}\"");
    for line in [
        format!("tandem_calls_active{{{labels},direction=\"outbound\"}} 1"),
        format!("tandem_call_attempts_total{{{labels},direction=\"outbound\"}} 1"),
        format!("tandem_calls_answered_total{{{labels},direction=\"outbound\"}} 1"),
        "tandem_sip_requests_total{method=\"INVITE\",direction=\"received\"} 1".to_owned(),
        "tandem_sip_requests_total{method=\"other\",direction=\"received\"} 1".to_owned(),
        "tandem_sip_responses_total{class=\"2xx\",direction=\"sent\"} 1".to_owned(),
        "tandem_refusals_total{reason=\"call_rate_limit\"} 1".to_owned(),
        "tandem_throttles_total{voice_connector=\"other\"} 1".to_owned(),
        // Cumulative counters of two equal reports count once.
        format!("tandem_rtp_packets_total{{{labels},path=\"cust2vc\"}} 101"),
        format!("tandem_rtp_bytes_total{{{labels},path=\"vc2cust\"}} 112"),
        format!("tandem_rtp_lost_packets_total{{{labels},path=\"cust2vc\"}} 105"),
        "tandem_mos_count{side=\"customer\"} 2".to_owned(),
        "tandem_jitter_seconds_count{side=\"customer\"} 2".to_owned(),
        "tandem_round_trip_seconds_bucket{le=\"0.001\",side=\"customer\"} 2".to_owned(),
    ] {
        assert!(page.contains(&line), "{line}\nis not in\n{page}");
    }
    assert!(!page.contains(UUID), "no label names a call");
}

mod upkeep;
