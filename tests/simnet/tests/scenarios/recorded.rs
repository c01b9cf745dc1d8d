//! Copies of calls that recording clients send (RFC 7866): taken without calling anybody, each line a
//! stream of its own that is listened to.

use directory::ForeignCaller;
use model::{
    AllocationFailure, CallEventKind, LegSide, ListenFailure, Listening, MediaLine, MediaType,
    RecordedCall, RecordedMetadata, Refusal,
};
use simnet::{CARRIER, PBX, RelayMode, Ua, World, config, directory};
use sip_proto::{HeaderName, Message};

pub(crate) const CUBE: &str = include_str!("../../../corpus/siprec/cube.xml");
pub(crate) const SECOND: MediaLine = MediaLine::Further { index: 1, media: MediaType::Audio };
pub(crate) const SIPREC: [(&str, &str); 2] =
    [("Require", "siprec"), ("Allow", "INVITE, BYE, UPDATE")];

/// A fixture whose voice connector streams.
pub(crate) fn streaming() -> World {
    let mut resources = directory();
    resources.voice_connectors[0].streaming.enabled = true;
    World::with(config(), resources)
}

/// A line of audio that the client sends.
pub(crate) fn line(port: u16, label: &str, direction: &str) -> String {
    format!(
        "m=audio {port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=label:{label}\r\na={direction}\r\n"
    )
}

/// The client's description.
pub(crate) fn described(version: u32, lines: &[String]) -> String {
    let ip = PBX.ip();
    let lines = lines.concat();
    format!("v=0\r\no=SRC 7 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n{lines}")
}

pub(crate) fn two_lines(version: u32, direction: &str) -> String {
    described(version, &[line(30_000, "1", direction), line(30_002, "2", direction)])
}

/// A body of a description and metadata.
pub(crate) fn with_metadata(sdp: &str, metadata: &str) -> String {
    format!(
        "--part\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--part\r\n\
         Content-Type: application/rs-metadata+xml\r\n\
         Content-Disposition: recording-session\r\n\r\n{metadata}\r\n--part--\r\n"
    )
}

pub(crate) const MULTIPART: &str = "multipart/mixed;boundary=part";

/// A client at the PBX's address.
pub(crate) fn client(w: &mut World) -> Ua {
    let mut src = w.caller(PBX, "recorder");
    src.contact_params = ";+sip.src";
    src
}

/// A recorded call of two lines; returns the answer too.
pub(crate) fn recorded(w: &mut World, metadata: &str) -> (Ua, Message) {
    let mut src = client(w);
    let body = with_metadata(&two_lines(1, "sendonly"), metadata);
    src.invite_of(w, &SIPREC, Some((MULTIPART, &body)));
    let answer = src.expect(w, "200");
    src.ack(w, None);
    (src, answer)
}

pub(crate) fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.body_bytes()).into_owned()
}

/// What is listened to, by the line's place.
pub(crate) fn listened(w: &World) -> Vec<Listening> {
    let mut all: Vec<_> = w.relay.listened.values().cloned().collect();
    all.sort_by_key(|one| one.channels[0].as_ref().map(|channel| channel.media_index));
    all
}

pub(crate) fn told(w: &World) -> Vec<RecordedCall> {
    let of = |kind: &CallEventKind| match kind {
        CallEventKind::Recorded(recorded) => Some(recorded.clone()),
        _ => None,
    };
    w.audit.events.iter().filter_map(|event| of(&event.kind)).collect()
}

pub(crate) fn hang_up(w: &mut World, src: &mut Ua) {
    src.bye(w);
    src.expect(w, "200");
}

#[test]
fn two_lines_are_taken_and_listened_to_and_nobody_is_called() {
    let mut w = streaming();
    let (mut src, answer) = recorded(&mut w, CUBE);
    let ours = [w.relay.local_of(MediaLine::Main), w.relay.local_of(SECOND)];
    let body = text(&answer);
    for (local, label) in ours.iter().zip(["1", "2"]) {
        let port = local[0].rtp.port();
        assert!(body.contains(&format!("m=audio {port} RTP/AVP 0 101\r\n")), "{body}");
        assert!(body.contains(&format!("a=label:{label}\r\n")), "{body}");
    }
    assert_eq!(body.matches("a=recvonly\r\n").count(), 2, "{body}");
    let contact = answer.header(HeaderName::Contact).unwrap();
    assert!(contact.ends_with(">;+sip.srs"), "{contact}");
    assert!(answer.has_option_tag(HeaderName::Require, "siprec"));
    assert!(answer.has_option_tag(HeaderName::Supported, "siprec"));
    assert!(answer.header(HeaderName::Accept).unwrap().contains("application/rs-metadata+xml"));
    for plan in [&w.relay.plans[0], &w.relay.further[0].1] {
        let [a, b] = &plan.legs;
        assert!(a.accepts_from && !a.sends_to, "{a:?}");
        assert!(!b.accepts_from && !b.sends_to && b.remote_rtp.is_none(), "{b:?}");
    }
    let [first, second] = <[Listening; 2]>::try_from(listened(&w)).unwrap();
    assert_eq!(first.call, second.call, "one call to listeners");
    let call = &first.call;
    assert_eq!(call.siprec_metadata.as_deref(), Some(CUBE), "as it came");
    assert_eq!((&*call.from_number, &*call.to_number), ("+12065550100", "4000"));
    assert!(call.invite_headers.iter().any(|(name, _)| &**name == "call-id"));
    let channels = [&first, &second].map(|one| one.channels[0].clone().unwrap());
    assert_eq!(
        channels.each_ref().map(|c| (c.side, c.is_caller)),
        [(LegSide::A, true), (LegSide::B, false)]
    );
    assert_eq!(channels[1].label.as_deref(), Some("2"));
    assert!(first.channels[1].is_none() && second.channels[1].is_none());
    assert!(w.take(CARRIER, None).is_none(), "nobody is called");
    let (lines, metadata) = (2, RecordedMetadata::Read);
    assert_eq!(told(&w), [RecordedCall { lines, declined: 0, metadata, unknown_label: None }]);
    hang_up(&mut w, &mut src);
    assert_eq!(w.end().cause, "leg A hung up");
    assert!(w.relay.listened.is_empty());
    w.finish();
}

#[test]
fn the_word_of_a_network_that_records_is_enough() {
    for (header, uri) in [(true, false), (false, true)] {
        let mut w = streaming();
        let mut src = w.caller(PBX, "+13605550199");
        let record_only = [("X-Voice-Connector-Record-Only", "true")];
        if uri {
            src.target.push_str(";X-Voice-Connector-Record-Only=true");
        }
        let headers: &[(&str, &str)] = if header { &record_only } else { &[] };
        let offer = two_lines(1, "sendonly");
        src.invite_with(&mut w, headers, Some(&offer));
        let answer = src.expect(&mut w, "200");
        assert!(!answer.has_option_tag(HeaderName::Require, "siprec"), "it was not asked for");
        src.ack(&mut w, None);
        let call = listened(&w)[0].call.clone();
        assert_eq!((&*call.to_number, &call.siprec_metadata), ("+13605550199", &None));
        assert_eq!(told(&w)[0].metadata, RecordedMetadata::Missing);
        hang_up(&mut w, &mut src);
        w.finish();
    }
}

#[test]
fn a_client_that_may_not_hears_why() {
    let offer = with_metadata(&two_lines(1, "sendonly"), CUBE);
    for (change, status, refusal) in [
        (0, "403", Refusal::StreamingDisabled),
        (1, "403", Refusal::Disabled),
        (2, "403", Refusal::PlainSignalling),
        (3, "403", Refusal::SourceNotAllowed),
    ] {
        let mut resources = directory();
        let connector = &mut resources.voice_connectors[0];
        connector.streaming.enabled = change != 0;
        connector.require_encryption = change == 2;
        let termination = connector.termination.as_mut().unwrap();
        termination.disabled = change == 1;
        if change == 3 {
            let mut other = connector.clone();
            other.id = model::VoiceConnectorId::new("zyxwv1utsr2qponm3lkji4").unwrap();
            other.numbers = vec!["+12065550177".into()];
            connector.termination.as_mut().unwrap().cidr_allowed_list =
                vec!["192.0.2.99/32".parse().unwrap()];
            resources.voice_connectors.push(other);
        }
        if change == 2 {
            resources.voice_connectors[0].origination = Default::default();
        }
        let mut w = World::with(config(), resources);
        let mut src = client(&mut w);
        src.invite_of(&mut w, &SIPREC, Some((MULTIPART, &offer)));
        let refused = src.expect(&mut w, status);
        if refusal == Refusal::StreamingDisabled {
            assert!(refused.header(HeaderName::Reason).unwrap().contains("streaming_disabled"));
        }
        src.ack_failure(&mut w);
        assert_eq!(w.refusals(), [refusal]);
        w.finish();
    }
}

#[test]
fn the_limits_of_the_voice_connector_hold_and_the_rules_on_numbers_do_not() {
    let mut resources = directory();
    let connector = &mut resources.voice_connectors[0];
    connector.streaming.enabled = true;
    connector.caller.foreign = ForeignCaller::Refuse;
    connector.caps.minutes_per_day = Some(1);
    connector.termination.as_mut().unwrap().concurrent_calls_limit = 1;
    let mut w = World::with(config(), resources);
    let (mut src, _) = recorded(&mut w, CUBE);
    let mut other = client(&mut w);
    other.invite_with(&mut w, &SIPREC, Some(&two_lines(1, "sendonly")));
    other.expect(&mut w, "503");
    other.ack_failure(&mut w);
    assert_eq!(w.refusals(), [Refusal::ConcurrentCallLimit]);
    w.advance(std::time::Duration::from_secs(120));
    hang_up(&mut w, &mut src);
    let (mut src, _) = recorded(&mut w, CUBE);
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn lines_beyond_two_and_lines_that_cannot_be_read_are_declined() {
    let mut w = streaming();
    let mut src = client(&mut w);
    let g729 = "m=audio 30008 RTP/AVP 18\r\na=sendonly\r\n".to_owned();
    let video = "m=video 30006 RTP/AVP 31\r\na=sendonly\r\n".to_owned();
    let lines = [
        g729,
        line(30_000, "1", "sendonly"),
        video,
        line(30_002, "2", "sendonly"),
        line(30_004, "3", "sendonly"),
    ];
    src.invite_with(&mut w, &SIPREC, Some(&described(1, &lines)));
    let body = text(&src.expect(&mut w, "200"));
    src.ack(&mut w, None);
    let ports: Vec<_> = body.lines().filter(|l| l.starts_with("m=")).collect();
    let on: Vec<_> = ports.iter().map(|line| line.split(' ').nth(1) != Some("0")).collect();
    assert_eq!(on, [false, true, false, true, false], "{body}");
    assert_eq!(w.relay.open(), 2);
    assert_eq!((told(&w)[0].lines, told(&w)[0].declined), (2, 3));
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn a_description_with_nothing_to_be_heard_is_refused() {
    let video = "m=video 30000 RTP/AVP 31\r\n".to_owned();
    for (body, status) in [
        (Some(described(1, &[video])), "488"),
        (Some(described(1, &["m=audio 30000 RTP/AVP 18\r\n".to_owned()])), "488"),
        (Some("v=1\r\n".to_owned()), "400"),
        (None, "488"),
    ] {
        let mut w = streaming();
        let mut src = client(&mut w);
        src.invite_with(&mut w, &SIPREC, body.as_deref());
        src.expect(&mut w, status);
        src.ack_failure(&mut w);
        w.finish();
    }
    let mut w = streaming();
    let mut src = client(&mut w);
    src.invite_of(&mut w, &SIPREC, Some(("application/rs-metadata+xml", CUBE)));
    src.expect(&mut w, "415");
    src.ack_failure(&mut w);
    w.finish();
}

#[test]
fn without_ports_for_one_line_the_other_is_recorded_and_without_any_none() {
    let mut w = streaming();
    w.relay.mode = RelayMode::AudioOnly;
    let (mut src, answer) = recorded(&mut w, CUBE);
    assert!(text(&answer).contains("m=audio 0 RTP/AVP 0 101\r\n"), "{}", text(&answer));
    assert_eq!((w.relay.open(), told(&w)[0].declined), (1, 1));
    hang_up(&mut w, &mut src);
    w.finish();
    let mut w = streaming();
    w.relay.mode = RelayMode::Fails(AllocationFailure::PortsExhausted);
    let mut src = client(&mut w);
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(1, "sendonly")));
    src.expect(&mut w, "503");
    src.ack_failure(&mut w);
    assert_eq!(w.end().refusal, Some(Refusal::PortsExhausted));
    w.finish();
}

#[test]
fn a_client_that_withdraws_before_the_answer_leaves_nothing() {
    let mut w = streaming();
    w.relay.mode = RelayMode::Holds;
    let mut src = client(&mut w);
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(1, "sendonly")));
    src.cancel(&mut w);
    src.expect(&mut w, "200");
    src.expect(&mut w, "487");
    src.ack_failure(&mut w);
    w.answer_relay();
    w.finish();
}

#[test]
fn a_relay_that_never_answers_is_not_waited_for() {
    let mut w = streaming();
    w.relay.mode = RelayMode::Holds;
    let mut src = client(&mut w);
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(1, "sendonly")));
    w.advance(std::time::Duration::from_millis(32_100));
    src.expect(&mut w, "503");
    src.ack_failure(&mut w);
    assert_eq!(w.end().refusal, Some(Refusal::RelayUnavailable));
    w.answer_relay();
    w.finish();

    // One line is better than none.
    let mut w = streaming();
    w.relay.mode = RelayMode::Holds;
    let mut src = client(&mut w);
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(1, "sendonly")));
    let late = w.answer_first();
    src.expect_silence(&mut w);
    w.advance(std::time::Duration::from_millis(32_100));
    let body = text(&src.expect(&mut w, "200"));
    src.ack(&mut w, None);
    assert_eq!(body.matches("m=audio 0 ").count(), 1, "{body}");
    w.say(late);
    assert_eq!(w.relay.open(), 1);
    hang_up(&mut w, &mut src);
    w.finish();
}

#[test]
fn where_nobody_takes_audio_the_client_is_told_so() {
    let mut w = streaming();
    w.relay.cannot_listen = Some(ListenFailure::NoListeners);
    let (mut src, _) = recorded(&mut w, CUBE);
    let bye = src.expect(&mut w, "BYE");
    assert!(bye.header(HeaderName::Reason).unwrap().contains("Q.850;cause=41"));
    src.ok(&mut w);
    assert_eq!(w.end().cause, "nobody takes the audio of recorded calls");
    w.finish();
}

#[test]
fn an_unacknowledged_answer_ends_the_recording() {
    let mut w = streaming();
    let mut src = client(&mut w);
    src.invite_with(&mut w, &SIPREC, Some(&two_lines(1, "sendonly")));
    src.expect(&mut w, "200");
    w.advance(std::time::Duration::from_secs(33));
    let bye = loop {
        let message = src.expect_any(&mut w);
        if message.method().is_some() {
            break message;
        }
    };
    assert!(bye.header(HeaderName::Reason).unwrap().contains("ACK timeout"));
    src.ok(&mut w);
    w.finish();
}
