use super::*;
use crate::recorder::tests::{id, ms, report};
use crate::{KEY_LENGTH, NumberKey, Privacy, RecorderConfig};
use bytes::Bytes;
use model::{
    CallDirection, CallEnd, CallEvent, CallEventKind, CallParties, CarrierId, EndedBy, Flow,
    LegSide, MediaId, MessageDirection, ReportKind, SipObservation, TransportProtocol,
    VoiceConnectorId,
};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// 2019-03-01 17:10:00.020 UTC.
const ORIGIN_MS: u64 = 1_551_460_200_020;
const RUN: u64 = 77;
const RECEIVED: MessageDirection = MessageDirection::Received;
const SENT: MessageDirection = MessageDirection::Sent;

/// A call that is told message by message.
struct Told {
    recorder: Recorder,
    id: TransactionId,
    /// The edge still knows the call.
    known: bool,
}

impl Told {
    fn new(config: TraceConfig) -> Self {
        let origin = UnixTime::from_millis(ORIGIN_MS);
        let names = RecorderConfig::new("edge-1", "us-east-1", "111122223333", origin);
        let traces = Numbers::Masked { shown: 4 };
        let privacy = Privacy { traces, ..Privacy::default() };
        let recorder = Recorder::new(RecorderConfig { traces: Some(config), privacy, ..names });
        Told { recorder, id: id(), known: true }
    }

    fn begun() -> Self {
        let mut told = Told::new(TraceConfig::new(RUN));
        told.message(0, LegSide::A, RECEIVED, "INVITE a1 1");
        told.begin();
        told
    }

    fn begin(&mut self) {
        let parties = Arc::new(CallParties {
            direction: CallDirection::Outbound,
            voice_connector: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
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
            log_sip_messages: false,
            log_media_metrics: true,
        });
        self.happen(1, CallEventKind::Attempted { parties });
        self.happen(2, CallEventKind::MediaAllocated { media: MediaId(1) });
        self.route(3, "pstn-1", 1);
    }

    fn route(&mut self, at: u64, carrier: &str, attempt: u32) {
        let carrier = Some(CarrierId::new(carrier).unwrap());
        let destination = "127.0.0.2:5080".parse().unwrap();
        let protocol = TransportProtocol::Tls;
        self.happen(at, CallEventKind::Routed { carrier, destination, protocol, attempt });
    }

    fn happen(&mut self, at: u64, kind: CallEventKind) {
        self.recorder.handle_call_event(CallEvent { transaction_id: self.id, at: ms(at), kind });
    }

    /// `METHOD branch number` or `status METHOD branch number [to tag]`.
    fn message(&mut self, at: u64, leg: LegSide, direction: MessageDirection, text: &str) {
        let words: Vec<&str> = text.split(' ').collect();
        let status: Option<u16> = words[0].parse().ok();
        let [method, branch, number] = words[usize::from(status.is_some())..][..3] else {
            panic!()
        };
        let line = match status {
            Some(status) => format!("SIP/2.0 {status} Words"),
            None => format!("{method} sip:+81312345678@example.com SIP/2.0"),
        };
        let tag = words.get(4).map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let raw = format!(
            "{line}\r\nVia: SIP/2.0/UDP 127.0.0.9;branch=z9hG4bK{branch}\r\nTo: <sip:b@c>{tag}\r\n\
             CSeq: {number} {method}\r\n\r\n"
        );
        let (remote, protocol) = match leg {
            LegSide::A => ("127.0.0.3:5070", TransportProtocol::Udp),
            LegSide::B => ("127.0.0.2:5080", TransportProtocol::Tls),
        };
        let event = SipMessageEvent {
            transaction_id: self.known.then_some(self.id),
            voice_connector: None,
            leg: self.known.then_some(leg),
            at: ms(at),
            direction,
            flow: Flow::new(protocol, "127.0.0.1:5060".parse().unwrap(), remote.parse().unwrap()),
            status,
            message: Some(Bytes::from(raw)),
            is_logged: false,
            start_line: Bytes::from(line),
        };
        self.recorder.handle_sip(SipObservation::Message(event));
    }

    fn end(&mut self, at: u64, status: u16, cause: &'static str) {
        let end = CallEnd { status, cause, ended_by: EndedBy::LegA, refusal: None };
        self.happen(at, CallEventKind::Ended(end));
    }

    fn trace(&mut self, closed: u64) -> CallTrace {
        self.recorder.handle_timeout(ms(closed));
        let trace = self.recorder.poll_trace().expect("a trace");
        assert!(self.recorder.poll_trace().is_none());
        assert!(self.recorder.awaited.is_empty(), "nothing is waited for any more");
        trace
    }

    fn spans(&mut self, closed: u64) -> Vec<Span> {
        let spans = self.trace(closed).spans();
        check(&spans);
        spans
    }
}

/// What holds for every trace.
fn check(spans: &[Span]) {
    let ids: HashMap<u64, &Span> = spans.iter().map(|span| (span.span_id, span)).collect();
    assert_eq!(ids.len(), spans.len(), "ids are unique");
    assert_eq!(spans.iter().filter(|span| span.parent.is_none()).count(), 1);
    for span in spans {
        assert_eq!(span.trace_id, spans[0].trace_id);
        assert!(span.start <= span.end);
        if let Some(parent) = span.parent {
            let parent = ids[&parent];
            assert!(parent.start <= span.start && span.end <= parent.end, "{span:?} in {parent:?}");
        }
        for event in &span.events {
            assert!((span.start..=span.end).contains(&event.at), "{event:?} in {span:?}");
        }
        let names: HashSet<_> = span.attributes.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), span.attributes.len(), "{:?}", span.attributes);
    }
}

/// Kind, name and status of the transactions of a leg, in order.
fn shape(spans: &[Span], leg: &str) -> Vec<String> {
    let parent = spans.iter().find(|span| span.name == leg).expect("the leg").span_id;
    let children = spans.iter().filter(|span| span.parent == Some(parent));
    let status = |span: &Span| match of(span, "sip.status_code") {
        Some(AttributeValue::Int(status)) => status.to_string(),
        _ => "-".to_owned(),
    };
    children.map(|span| format!("{:?} {} {}", span.kind, span.name, status(span))).collect()
}

fn of<'a>(span: &'a Span, name: &str) -> Option<&'a AttributeValue> {
    span.attributes.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
}

fn text<'a>(span: &'a Span, name: &str) -> &'a str {
    match of(span, name) {
        Some(AttributeValue::Text(text)) => text,
        other => panic!("{name}: {other:?}"),
    }
}

/// INVITE on leg B up to its answer, and ACKs.
fn answer(told: &mut Told) {
    told.message(2, LegSide::A, SENT, "100 INVITE a1 1");
    told.message(4, LegSide::B, SENT, "INVITE b1 7");
    told.message(504, LegSide::B, SENT, "INVITE b1 7");
    told.message(900, LegSide::B, RECEIVED, "180 INVITE b1 7 t1");
    told.happen(900, CallEventKind::Ringing);
    told.message(901, LegSide::A, SENT, "180 INVITE a1 1 u1");
    told.message(2_000, LegSide::B, RECEIVED, "200 INVITE b1 7 t1");
    told.happen(2_000, CallEventKind::Answered);
    told.message(2_001, LegSide::A, SENT, "200 INVITE a1 1 u1");
    told.message(2_001, LegSide::B, SENT, "ACK b2 7 t1");
    told.message(2_010, LegSide::A, RECEIVED, "ACK a2 1 u1");
}

#[test]
fn an_answered_call_is_a_tree_with_times_of_its_events() {
    let mut told = Told::begun();
    answer(&mut told);
    for leg in LegSide::BOTH {
        told.recorder.handle_quality(report(leg, 9_000, ReportKind::Final));
    }
    told.message(9_000, LegSide::A, RECEIVED, "BYE a3 2");
    told.message(9_001, LegSide::B, SENT, "BYE b3 8");
    told.end(9_002, 200, "BYE");
    told.message(9_002, LegSide::A, SENT, "200 BYE a3 2");
    // The edge has forgotten the call when the last answer comes.
    told.known = false;
    told.message(9_040, LegSide::B, RECEIVED, "200 BYE b3 8");
    let spans = told.spans(9_600);
    assert_eq!(shape(&spans, "leg A"), ["Server INVITE 200", "Server BYE 200"]);
    assert_eq!(shape(&spans, "leg B"), ["Client INVITE 200", "Client BYE 200"]);
    assert!(spans.iter().all(|span| span.error.is_none()), "{spans:?}");
    let root = &spans[0];
    assert_eq!((root.name, root.trace_id), ("call outbound", id().as_u128()));
    assert_eq!(root.span_id, call_span_id(RUN, id()));
    assert_eq!((root.start, root.end), (ORIGIN_MS * 1_000_000, (ORIGIN_MS + 9_040) * 1_000_000));
    let names: Vec<_> =
        root.events.iter().map(|event| (event.name, event.at - root.start)).collect();
    assert_eq!(names, [("sip.call.ringing", 900_000_000), ("sip.call.answered", 2_000_000_000)]);
    for (name, expected) in [
        ("sip.call.transaction_id", id().to_string().as_str()),
        ("sip.call.direction", "outbound"),
        ("sip.call.voice_connector", "abcdef1ghij2klmno3pqr4"),
        ("sip.call.carrier", "pstn-1"),
        ("sip.call_id", "a84b4c76e66710@pbx"),
        ("sip.call.from", "+*******0100"),
        ("sip.call.to", "+*******5678"),
        ("sip.call.end", "BYE"),
        ("sip.call.ended_by", "leg_a"),
    ] {
        assert_eq!(text(root, name), expected, "{name}");
    }
    assert_eq!(of(root, "sip.call.status_code"), Some(&AttributeValue::Int(200)));
    for name in ["sip.call.mos.customer", "sip.call.mos.remote"] {
        assert_eq!(of(root, name), Some(&AttributeValue::Double(4.5)));
    }
    let invite = spans.iter().find(|span| span.name == "INVITE" && span.kind == SpanKind::Client);
    let invite = invite.unwrap();
    assert_eq!(invite.end - invite.start, 1_996_000_000, "from the first INVITE to its answer");
    assert_eq!(of(invite, "sip.retransmissions"), Some(&AttributeValue::Int(1)));
    assert_eq!((text(invite, "sip.transport"), text(invite, "network.transport")), ("tls", "tcp"));
    assert_eq!(text(invite, "network.peer.address"), "127.0.0.2");
    assert_eq!(of(invite, "network.peer.port"), Some(&AttributeValue::Int(5080)));
    let ringing = &invite.events[0];
    assert_eq!((invite.events.len(), ringing.name), (1, "sip.provisional"));
    assert!(ringing.attributes.contains(&("sip.to_tag", "t1".into())));
    let leg = spans.iter().find(|span| span.name == "leg B").unwrap();
    let names: Vec<_> = leg.events.iter().map(|event| event.name).collect();
    assert_eq!(names, ["sip.route", "ACK"]);
    assert_eq!((text(leg, "sip.leg.side"), text(leg, "sip.leg.codec")), ("remote", "PCMU"));
}

#[test]
fn the_answer_that_ends_a_call_is_told_before_the_end() {
    let mut told = Told::begun();
    answer(&mut told);
    told.message(9_000, LegSide::B, SENT, "BYE b3 8");
    told.known = false;
    for number in 0..100 {
        told.message(9_010, LegSide::B, RECEIVED, &format!("200 OPTIONS p{number} 1"));
    }
    told.message(9_040, LegSide::B, RECEIVED, "200 BYE b3 8");
    told.end(9_040, 200, "BYE");
    assert!(told.recorder.unclaimed.len() <= UNCLAIMED);
    let spans = told.spans(15_000);
    assert_eq!(shape(&spans, "leg B"), ["Client INVITE 200", "Client BYE 200"]);
}

#[test]
fn a_bye_of_ours_is_told_after_the_end() {
    let mut told = Told::begun();
    answer(&mut told);
    told.message(9_000, LegSide::A, RECEIVED, "BYE a3 2");
    told.end(9_000, 200, "BYE");
    told.message(9_000, LegSide::A, SENT, "200 BYE a3 2");
    told.message(9_000, LegSide::B, SENT, "BYE b3 8");
    told.known = false;
    told.message(9_040, LegSide::B, RECEIVED, "200 BYE b3 8");
    let spans = told.spans(15_000);
    assert_eq!(shape(&spans, "leg B"), ["Client INVITE 200", "Client BYE 200"]);
}

#[test]
fn a_failed_call_says_why_and_hides_the_number_in_the_sentence() {
    let mut told = Told::begun();
    told.message(4, LegSide::B, SENT, "INVITE b1 7");
    told.message(300, LegSide::B, RECEIVED, "404 INVITE b1 7 t1");
    told.message(300, LegSide::B, SENT, "ACK b1 7 t1");
    told.message(301, LegSide::A, SENT, "404 INVITE a1 1 u1");
    told.end(301, 404, "the called side refused");
    told.message(320, LegSide::A, RECEIVED, "ACK a1 1 u1");
    let spans = told.spans(6_000);
    let root = &spans[0];
    assert_eq!((text(root, "error.type"), text(root, "sip.call.cause")), ("404", "UnknownNumber"));
    let sentence = root.error.as_deref().unwrap();
    assert_eq!(text(root, "sip.call.reason"), sentence);
    assert!(sentence.contains("404") && sentence.contains("+*******5678"), "{sentence}");
    assert!(!sentence.contains("81312345678"), "{sentence}");
    assert_eq!(shape(&spans, "leg B"), ["Client INVITE 404"]);
    let failed: Vec<_> = spans.iter().filter(|span| span.error.is_some()).collect();
    let kinds: Vec<_> = failed.iter().map(|span| span.kind).collect();
    assert_eq!(
        kinds,
        [SpanKind::Internal, SpanKind::Client],
        "what we answered is no fault of ours"
    );
}

#[test]
fn a_hunt_with_forks_shows_routes_and_early_dialogs() {
    let mut told = Told::begun();
    told.message(4, LegSide::B, SENT, "INVITE b1 7");
    told.message(300, LegSide::B, RECEIVED, "503 INVITE b1 7 t0");
    told.route(301, "pstn-2", 2);
    told.message(301, LegSide::B, SENT, "INVITE b2 7");
    for (at, tag) in [(400, "t1"), (500, "t2"), (600, "t1")] {
        told.message(at, LegSide::B, RECEIVED, &format!("180 INVITE b2 7 {tag}"));
    }
    told.message(900, LegSide::B, RECEIVED, "200 INVITE b2 7 t2");
    told.happen(900, CallEventKind::Answered);
    told.message(950, LegSide::B, RECEIVED, "200 INVITE b2 7 t1");
    told.message(990, LegSide::B, RECEIVED, "200 INVITE b2 7 t2");
    told.message(901, LegSide::A, SENT, "200 INVITE a1 1 u1");
    told.end(2_000, 200, "BYE");
    let spans = told.spans(8_000);
    assert_eq!(shape(&spans, "leg B"), ["Client INVITE 503", "Client INVITE 200"]);
    let second = spans.iter().rfind(|span| span.name == "INVITE").unwrap();
    let tags: Vec<_> = second.events.iter().map(|event| event.attributes[1].1.clone()).collect();
    assert_eq!(tags, ["t1".into(), "t2".into(), "t1".into()]);
    assert_eq!(of(second, "sip.more_answers"), Some(&AttributeValue::Int(1)));
    assert_eq!(of(second, "sip.retransmissions"), Some(&AttributeValue::Int(1)));
    let leg = spans.iter().find(|span| span.name == "leg B").unwrap();
    let routes: Vec<_> = leg.events.iter().map(|event| event.attributes[0].1.clone()).collect();
    assert_eq!(routes, [1_u32.into(), 2_u32.into()]);
    assert_eq!(text(&spans[0], "sip.call.carrier"), "pstn-2");
    assert!(spans[0].error.is_none(), "the call was answered");
}

#[test]
fn a_cancelled_call_is_nobody_s_error() {
    let mut told = Told::begun();
    told.message(4, LegSide::B, SENT, "INVITE b1 7");
    told.message(100, LegSide::B, RECEIVED, "180 INVITE b1 7 t1");
    told.message(500, LegSide::A, RECEIVED, "CANCEL a1 1");
    told.message(500, LegSide::A, SENT, "200 CANCEL a1 1");
    told.message(500, LegSide::A, SENT, "487 INVITE a1 1 u1");
    told.message(501, LegSide::B, SENT, "CANCEL b1 7");
    told.end(501, 487, "the caller gave up");
    told.message(540, LegSide::B, RECEIVED, "200 CANCEL b1 7 t1");
    told.message(541, LegSide::B, RECEIVED, "487 INVITE b1 7 t1");
    told.message(541, LegSide::B, SENT, "ACK b1 7 t1");
    let spans = told.spans(6_000);
    assert_eq!(shape(&spans, "leg A"), ["Server INVITE 487", "Server CANCEL 200"]);
    assert_eq!(shape(&spans, "leg B"), ["Client INVITE 487", "Client CANCEL 200"]);
    assert!(spans.iter().all(|span| span.error.is_none()));
    assert_eq!(of(&spans[0], "sip.call.answered"), Some(&AttributeValue::Bool(false)));
}

#[test]
fn a_request_that_nobody_answers_is_an_error_once_it_was_waited_for() {
    let spans_closed_at = |closed| {
        let mut told = Told::begun();
        told.message(5_000, LegSide::B, SENT, "INVITE b1 7");
        told.end(5_001, 408, "no answer");
        told.spans(closed)
    };
    let invite =
        |spans: &[Span]| spans.iter().find(|span| span.kind == SpanKind::Client).unwrap().clone();
    let early = invite(&spans_closed_at(10_001));
    assert_eq!(early.error.as_deref(), Some("no final response from 127.0.0.2:5080"));
    assert_eq!(text(&early, "error.type"), "timeout");
    let mut told = Told::begun();
    answer(&mut told);
    for leg in LegSide::BOTH {
        told.recorder.handle_quality(report(leg, 9_000, ReportKind::Final));
    }
    told.message(9_000, LegSide::B, SENT, "BYE b3 8");
    told.end(9_000, 200, "BYE");
    let spans = told.spans(9_500);
    assert_eq!(shape(&spans, "leg B"), ["Client INVITE 200", "Client BYE -"]);
    assert!(spans.iter().all(|span| span.error.is_none()), "too early to tell");
}

#[test]
fn transferred_calls_are_linked_both_ways() {
    let other = TransactionId::from_random(8);
    let mut told = Told::begun();
    answer(&mut told);
    told.message(3_000, LegSide::A, RECEIVED, "REFER a4 2");
    told.message(3_001, LegSide::A, SENT, "202 REFER a4 2 u1");
    told.happen(3_500, CallEventKind::Transferred { to: other });
    told.end(3_500, 200, "transferred");
    let spans = told.spans(9_000);
    let [link] = &spans[0].links[..] else { panic!("{:?}", spans[0].links) };
    assert_eq!((link.trace_id, link.span_id), (other.as_u128(), call_span_id(RUN, other)));
    assert_eq!(link.attributes, [("sip.call.relation", "transferred_to".into())]);
    assert_eq!(shape(&spans, "leg A"), ["Server INVITE 200", "Server REFER 202"]);
    let mut told = Told::begun();
    told.happen(5, CallEventKind::TookOver { from: other });
    told.end(6, 200, "BYE");
    assert_eq!(told.spans(9_000)[0].links[0].attributes[0].1, "transferred_from".into());
}

#[test]
fn only_the_share_is_traced_and_nothing_without_a_configuration() {
    let share = |share| TraceConfig { share, ..TraceConfig::new(RUN) };
    let mut traced = 0;
    for number in 0..400_u128 {
        let mut told = Told::new(share(2_500));
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        told.id = TransactionId::from_random(spread);
        told.message(0, LegSide::A, RECEIVED, "INVITE a1 1");
        told.begin();
        told.end(10, 404, "refused");
        told.recorder.handle_timeout(ms(9_000));
        traced += usize::from(told.recorder.poll_trace().is_some());
    }
    assert!((60..=140).contains(&traced), "{traced} of 400 calls at a quarter");
    let mut told = Told::begun();
    told.recorder.config.traces = None;
    told.id = TransactionId::from_random(9);
    told.begin();
    told.end(10, 404, "refused");
    told.recorder.handle_timeout(ms(9_000));
    assert!(told.recorder.poll_trace().is_none());
}

#[test]
fn numbers_are_plain_or_hashed_where_that_is_asked_for() {
    let of = |numbers: Numbers| {
        let mut told = Told::new(TraceConfig::new(RUN));
        told.recorder.config.privacy.traces = numbers;
        told.begin();
        told.end(10, 404, "refused");
        let spans = told.spans(9_000);
        assert_eq!(spans.len(), 1, "no message, no leg");
        assert_eq!(text(&spans[0], "sip.call.reason"), spans[0].error.as_deref().unwrap());
        [text(&spans[0], "sip.call.from"), text(&spans[0], "sip.call.to")].map(str::to_owned)
    };
    assert_eq!(of(Numbers::Plain), ["+12065550100", "+81312345678"]);
    let hashed = || of(Numbers::Hashed([NumberKey::new([7; KEY_LENGTH])].into()));
    let [from, to] = hashed();
    assert!(from.starts_with('h') && from.len() == 17 && from != to, "{from} {to}");
    assert_eq!(hashed(), [from, to], "one number, one hash");
}

#[test]
fn what_peers_overdo_is_counted_and_not_kept() {
    let mut told = Told::begun();
    for number in 0..300 {
        told.message(10 + number, LegSide::A, RECEIVED, &format!("INFO i{number} {number}"));
        told.message(400 + number, LegSide::A, SENT, "183 INVITE a1 1 u1");
    }
    told.message(800, LegSide::A, RECEIVED, "EVIL\x1b a9 9");
    told.message(801, LegSide::A, SENT, "603 INVITE a1 1 u1");
    told.end(900, 603, "refused");
    let spans = told.spans(9_000);
    assert_eq!(spans.len(), 2 + 128, "call, leg A and 128 transactions");
    assert_eq!(of(&spans[0], "sip.call.dropped_transactions"), Some(&AttributeValue::Int(174)));
    let invite = spans.iter().find(|span| span.name == "INVITE").unwrap();
    assert_eq!((invite.events.len(), invite.dropped_events), (32, 268));
    let mut told = Told::begun();
    told.message(8, LegSide::A, RECEIVED, "EVIL a9 9");
    told.end(900, 603, "refused");
    assert_eq!(shape(&told.spans(9_000), "leg A"), ["Server INVITE -", "Server _OTHER -"]);
}

#[test]
fn a_node_that_stops_gives_its_running_calls_away() {
    let mut told = Told::begun();
    answer(&mut told);
    while told.recorder.handle_shutdown(ms(5_000)) {}
    let spans = told.recorder.poll_trace().unwrap().spans();
    check(&spans);
    assert_eq!(text(&spans[0], "sip.call.end"), "the node stopped while the call was running");
}
