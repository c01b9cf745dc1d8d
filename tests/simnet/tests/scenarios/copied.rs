//! Copies of calls for somebody else's recorder (RFC 7866, the client's side): a dialog beside the legs',
//! which the call never learns of.

use crate::attended::{refer_to, two_calls};
use crate::recorded::text;
use crate::transfer::{join, part, refer, released, take_offer};
use directory::{Host, Resources, SiprecClient, Srtp};
use model::{
    CallEventKind, Codec, CopyFailure, CopyState, LegSecurity, LegSide, MediaLine, MediaPlan,
    TransportProtocol,
};
use simnet::{CARRIER, CARRIER_2, PBX, RelayMode, Ua, World, config, directory};
use sip_proto::{HeaderName, Message};
use siprec::Metadata;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The recorder.
const SRS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(100, 64, 7, 7)), 5066);

fn client() -> SiprecClient {
    SiprecClient {
        uri: "sip:srs@100.64.7.7:5066".into(),
        host: Host::Ip(SRS.ip()),
        port: Some(SRS.port()),
        protocol: TransportProtocol::Udp,
        choose_transport: false,
        secure: false,
        tls: Arc::default(),
        srtp: Srtp::Off,
        enabled: true,
        by_header: false,
        numbers: Arc::default(),
    }
}

fn resources(change: impl Fn(&mut SiprecClient)) -> Resources {
    let mut resources = directory();
    let mut client = client();
    change(&mut client);
    resources.voice_connectors[0].siprec_client = Some(Arc::new(client));
    resources
}

fn world(change: impl Fn(&mut SiprecClient)) -> World {
    World::with(config(), resources(change))
}

/// What the recorder answers: both lines, in `format`.
fn answer_in(srs: &Ua, format: &str, direction: &str) -> String {
    let ip = srs.at.ip();
    let line = |port: u16, label: &str| {
        format!("m=audio {port} RTP/AVP {format}\r\na={direction}\r\na=label:{label}\r\n")
    };
    let lines = [line(50_000, "1"), line(50_002, "2")].concat();
    format!("v=0\r\no=SRS 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n{lines}")
}

const TAKES: [(&str, &str); 2] =
    [("Require", "siprec"), ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE")];

/// The recorder, which has an INVITE. Metadata makes it too big for a datagram.
fn called(w: &mut World) -> Ua {
    let mut srs = w.callee(SRS);
    (srs.transport, srs.contact_params) = ("TCP", ";+sip.srs");
    srs
}

/// The recorder takes a copy; returns the INVITE too.
fn take(w: &mut World) -> (Ua, Message) {
    let mut srs = called(w);
    let invite = srs.invited.clone().unwrap();
    let body = answer_in(&srs, "0", "recvonly");
    srs.reply_with(w, 200, &TAKES, Some(&body));
    srs.expect(w, "ACK");
    (srs, invite)
}

/// The recorder refuses its last INVITE.
fn refuse(w: &mut World, srs: &mut Ua, status: u16, headers: &[(&str, &str)]) {
    srs.reply_with(w, status, headers, None);
    srs.expect(w, "ACK");
}

fn metadata_of(message: &Message) -> Metadata {
    let content_type = message.header(HeaderName::ContentType).unwrap();
    let document =
        sdp::extract_part(siprec::MEDIA_TYPE, content_type, message.body_bytes()).unwrap();
    Metadata::read(document).unwrap()
}

fn copy(index: u8) -> MediaLine {
    MediaLine::Copy { index }
}

/// The last plan of each line.
fn plans(w: &World) -> [MediaPlan; 2] {
    [0, 1].map(|index| {
        let mut of_line = w.relay.further.iter().rev().filter(|(line, _)| *line == copy(index));
        of_line.next().unwrap().1.clone()
    })
}

fn told(w: &World) -> Vec<CopyState> {
    let of = |kind: &CallEventKind| match kind {
        CallEventKind::Copied(news) => Some(news.state.clone()),
        _ => None,
    };
    w.audit.events.iter().filter_map(|event| of(&event.kind)).collect()
}

fn failed(failure: CopyFailure, seconds: Option<u64>) -> CopyState {
    CopyState::Failed { failure, retry_in: seconds.map(Duration::from_secs) }
}

/// Both parties hang up, and the recorder hears of it.
fn hang_up(w: &mut World, [pbx, pstn]: [&mut Ua; 2], srs: &mut Ua) {
    pbx.bye(w);
    pbx.expect(w, "200");
    pstn.expect(w, "BYE");
    pstn.ok(w);
    srs.expect(w, "BYE");
    srs.ok(w);
}

#[test]
fn an_answered_call_is_copied_to_the_recorder_until_its_end() {
    let mut w = world(|_| {});
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let body = pstn.sdp(40_000);
    pstn.reply(&mut w, 183, Some(&body));
    pbx.expect(&mut w, "183");
    assert!(w.take(SRS, None).is_none(), "not before the answer");
    pstn.reply(&mut w, 200, Some(&body));
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    let (mut srs, invite) = take(&mut w);
    assert!(invite.has_option_tag(HeaderName::Require, "siprec"));
    assert_eq!(invite.request_uri(), Some("sip:srs@100.64.7.7:5066"));
    let contact = invite.header(HeaderName::Contact).unwrap();
    assert!(contact.ends_with(">;+sip.src"), "{contact}");
    let body = text(&invite);
    let ours = [0, 1].map(|index| w.relay.local_of(copy(index))[1].rtp.port());
    for (port, label) in ours.iter().zip(["1", "2"]) {
        assert!(body.contains(&format!("m=audio {port} RTP/AVP 0 8\r\n")), "{body}");
        assert!(body.contains(&format!("a=label:{label}\r\n")), "{body}");
    }
    assert_eq!(body.matches("a=sendonly\r\n").count(), 2, "{body}");
    assert!(!body.contains("telephone-event"), "keys are nobody's business: {body}");
    let metadata = metadata_of(&invite);
    let caller = metadata.sender_of("1").unwrap();
    let callee = metadata.sender_of("2").unwrap();
    assert_eq!((caller.user(), callee.user()), (Some("+12065550100"), Some("+12065550123")));
    for (plan, port) in plans(&w).iter().zip([50_000, 50_002]) {
        let [from, to] = &plan.legs;
        assert!(!from.accepts_from && !from.sends_to, "nobody but the copied leg");
        assert!(to.sends_to && !to.accepts_from);
        assert_eq!(to.remote_rtp, Some(SocketAddr::new(SRS.ip(), port)));
        assert_eq!(from.codecs.len(), 1);
    }
    let mut copied: Vec<_> = w.relay.copied.keys().map(|(_, leg)| *leg).collect();
    copied.sort();
    assert_eq!(copied, LegSide::BOTH);
    assert_eq!(told(&w), [CopyState::Begun]);
    hang_up(&mut w, [&mut pbx, &mut pstn], &mut srs);
    assert_eq!(told(&w), [CopyState::Begun, CopyState::Ended]);
    assert!(w.relay.copied.is_empty());
    w.finish();
}

#[test]
fn numbers_and_the_customers_header_choose_the_calls() {
    const ON: (&str, &str) = ("X-Tandem-Recording", "on");
    const OFF: (&str, &str) = ("x-tandem-recording", "Off");
    for (enabled, by_header, numbers, header, is_one) in [
        (true, false, &["+12065550123"][..], ON, true),
        (true, false, &["+1312"][..], ON, false),
        (false, true, &[][..], ON, true),
        (true, true, &[][..], OFF, false),
        (true, false, &[][..], OFF, true),
    ] {
        let mut w = world(|of| {
            (of.enabled, of.by_header) = (enabled, by_header);
            of.numbers = numbers.iter().map(|number| Arc::from(*number)).collect();
        });
        let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &[header], &[]);
        assert_eq!(pstn.invited.as_ref().unwrap().header_named(header.0), None, "it is for us");
        if is_one {
            let (mut srs, _) = take(&mut w);
            hang_up(&mut w, [&mut pbx, &mut pstn], &mut srs);
        } else {
            assert!(w.take(SRS, None).is_none(), "{enabled} {by_header} {numbers:?}");
            pbx.hang_up(&mut w, &mut pstn);
        }
        w.finish();
    }
}

#[test]
fn a_recorder_that_is_overloaded_is_asked_again_later() {
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut srs = called(&mut w);
    refuse(&mut w, &mut srs, 503, &[]);
    assert_eq!(told(&w), [failed(CopyFailure::Refused(503), Some(2))]);
    assert_eq!(w.relay.open_lines(), [], "nothing is held meanwhile");
    w.advance(Duration::from_millis(1_900));
    assert!(w.take(SRS, None).is_none());
    w.advance(Duration::from_millis(200));
    let mut srs = called(&mut w);
    refuse(&mut w, &mut srs, 503, &[("Retry-After", "30")]);
    w.advance(Duration::from_secs(29));
    assert!(w.take(SRS, None).is_none());
    w.advance(Duration::from_secs(2));
    let (mut srs, _) = take(&mut w);
    let states = told(&w);
    assert_eq!(states.get(1), Some(&failed(CopyFailure::Refused(503), Some(30))));
    assert_eq!(states.last(), Some(&CopyState::Begun));
    hang_up(&mut w, [&mut pbx, &mut pstn], &mut srs);
    w.finish();
}

#[test]
fn a_recorder_that_never_answers_is_given_up_and_the_call_goes_on() {
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.advance(Duration::from_secs(300));
    let states = told(&w);
    assert_eq!(states.len(), 6, "{states:?}");
    assert_eq!(states[0], failed(CopyFailure::Silent, Some(2)));
    assert_eq!(states[5], failed(CopyFailure::Silent, None));
    w.take_all(SRS);
    assert_eq!(w.relay.open_lines(), []);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn what_would_be_refused_again_is_not_asked_again() {
    for (status, failure) in [(403, CopyFailure::Refused(403)), (420, CopyFailure::Refused(420))] {
        let mut w = world(|_| {});
        let (mut pbx, mut pstn) = Ua::establish(&mut w);
        let mut srs = called(&mut w);
        refuse(&mut w, &mut srs, status, &[]);
        assert_eq!(told(&w), [failed(failure, None)]);
        w.advance(Duration::from_secs(100));
        assert!(w.take(SRS, None).is_none());
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
    // Nor what takes no line.
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut srs = called(&mut w);
    let body =
        answer_in(&srs, "0", "recvonly").replace("m=audio 5000", "m=audio 0 RTP/AVP 0\r\na=x:");
    srs.reply_with(&mut w, 200, &TAKES, Some(&body));
    srs.expect(&mut w, "ACK");
    srs.expect(&mut w, "BYE");
    srs.ok(&mut w);
    assert_eq!(told(&w), [failed(CopyFailure::Unusable, None)]);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_recorder_that_hangs_up_gets_another_copy() {
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let (mut srs, _) = take(&mut w);
    srs.bye(&mut w);
    srs.expect(&mut w, "200");
    assert_eq!(told(&w), [CopyState::Begun, failed(CopyFailure::HungUp, Some(2))]);
    assert!(w.relay.copied.is_empty(), "the kernel may forward the call again");
    pbx.expect_silence(&mut w);
    w.advance(Duration::from_secs(3));
    let (mut srs, _) = take(&mut w);
    hang_up(&mut w, [&mut pbx, &mut pstn], &mut srs);
    w.finish();
}

#[test]
fn a_call_that_ends_before_the_recorder_answers_withdraws() {
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut srs = called(&mut w);
    srs.reply(&mut w, 180, None);
    pbx.hang_up(&mut w, &mut pstn);
    srs.expect(&mut w, "CANCEL");
    srs.ok(&mut w);
    // Its answer crosses the CANCEL.
    let body = answer_in(&srs, "0", "recvonly");
    srs.reply_with(&mut w, 200, &TAKES, Some(&body));
    srs.expect(&mut w, "ACK");
    srs.expect(&mut w, "BYE");
    srs.ok(&mut w);
    assert_eq!(told(&w), []);
    w.finish();
}

#[test]
fn hold_and_resume_leave_the_dialog_as_it_is() {
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let (mut srs, _) = take(&mut w);
    for (version, direction, answer) in [(2, "sendonly", "recvonly"), (3, "sendrecv", "sendrecv")] {
        let offer = pbx.sdp_with(30_000, version, direction);
        pbx.invite(&mut w, Some(&offer));
        pstn.expect(&mut w, "INVITE");
        let body = pstn.sdp_with(40_000, version, answer);
        pstn.reply(&mut w, 200, Some(&body));
        pstn.expect(&mut w, "ACK");
        pbx.expect(&mut w, "200");
        pbx.ack(&mut w, None);
        srs.expect_silence(&mut w);
        assert_eq!(w.relay.copied.len(), 2, "what a leg on hold does not say is not copied");
    }
    hang_up(&mut w, [&mut pbx, &mut pstn], &mut srs);
    w.finish();
}

#[test]
fn a_recorder_has_formats_of_its_own() {
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut srs = called(&mut w);
    let body = answer_in(&srs, "8", "recvonly");
    srs.reply_with(&mut w, 200, &TAKES, Some(&body));
    srs.expect(&mut w, "ACK");
    for plan in plans(&w) {
        let made = plan.transcoding[0].as_ref().unwrap();
        assert_eq!((made.from[0].codec, made.to.codec), (Codec::Pcmu, Codec::Pcma));
        assert!(plan.transcoding[1].is_none());
    }
    hang_up(&mut w, [&mut pbx, &mut pstn], &mut srs);
    w.finish();
}

#[test]
fn a_copy_is_encrypted_where_that_is_asked_for() {
    let mut w = world(|of| of.srtp = Srtp::Required);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut srs = called(&mut w);
    let offer = text(srs.invited.as_ref().unwrap());
    assert_eq!(offer.matches("RTP/SAVP").count(), 2, "{offer}");
    let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
               inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let body = answer_in(&srs, "0", "recvonly")
        .replace("RTP/AVP", "RTP/SAVP")
        .replace("a=recvonly\r\n", &format!("a=recvonly\r\n{key}"));
    srs.reply_with(&mut w, 200, &TAKES, Some(&body));
    srs.expect(&mut w, "ACK");
    for plan in plans(&w) {
        assert_eq!(plan.legs[0].security, LegSecurity::Plain);
        assert!(matches!(plan.legs[1].security, LegSecurity::Sdes(_)));
        assert!(plan.legs[1].sends_to);
    }
    hang_up(&mut w, [&mut pbx, &mut pstn], &mut srs);
    w.finish();
}

#[test]
fn a_recorder_may_pause_and_move() {
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let (mut srs, _) = take(&mut w);
    let body = answer_in(&srs, "0", "inactive").replace("50000", "50010");
    srs.invite_with(&mut w, &TAKES, Some(&body));
    let answer = srs.expect(&mut w, "200");
    srs.ack(&mut w, None);
    assert_eq!(text(&answer).matches("a=inactive\r\n").count(), 2, "{}", text(&answer));
    assert!(plans(&w).iter().all(|plan| !plan.legs[1].sends_to));
    let body = answer_in(&srs, "0", "recvonly").replace("50000", "50010");
    srs.request(&mut w, "UPDATE", &TAKES, Some(("application/sdp", &body)));
    let answer = srs.expect(&mut w, "200");
    assert_eq!(text(&answer).matches("a=sendonly\r\n").count(), 2, "{}", text(&answer));
    let [first, second] = plans(&w);
    assert!(first.legs[1].sends_to && second.legs[1].sends_to);
    assert_eq!(first.legs[1].remote_rtp, Some(SocketAddr::new(SRS.ip(), 50_010)));
    // What no copy needs.
    srs.request(&mut w, "OPTIONS", &[], None);
    srs.expect(&mut w, "200");
    srs.request(&mut w, "REFER", &[("Refer-To", "<sip:1@a>")], None);
    srs.expect(&mut w, "405");
    pbx.expect_silence(&mut w);
    hang_up(&mut w, [&mut pbx, &mut pstn], &mut srs);
    w.finish();
}

#[test]
fn the_session_is_refreshed_with_metadata() {
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut srs = called(&mut w);
    let first = metadata_of(srs.invited.as_ref().unwrap());
    let body = answer_in(&srs, "0", "recvonly");
    let timed = [("Require", "timer"), ("Session-Expires", "120;refresher=uac")];
    srs.reply_with(&mut w, 200, &timed, Some(&body));
    srs.expect(&mut w, "ACK");
    w.advance(Duration::from_secs(61));
    let again = srs.expect(&mut w, "INVITE");
    assert_eq!(metadata_of(&again).participants, first.participants);
    srs.reply_with(&mut w, 200, &timed, Some(&body));
    srs.expect(&mut w, "ACK");
    // One that does not hear of it any more.
    w.advance(Duration::from_secs(61));
    srs.expect(&mut w, "INVITE");
    refuse(&mut w, &mut srs, 481, &[]);
    assert_eq!(told(&w).last(), Some(&failed(CopyFailure::HungUp, Some(2))));
    w.advance(Duration::from_secs(3));
    let (mut srs, _) = take(&mut w);
    hang_up(&mut w, [&mut pbx, &mut pstn], &mut srs);
    w.finish();
}

#[test]
fn a_relay_without_ports_costs_the_call_nothing() {
    let mut w = world(|_| {});
    w.relay.mode = RelayMode::AudioOnly;
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    assert_eq!(told(&w), [failed(CopyFailure::NoPorts, Some(2))]);
    w.relay.mode = RelayMode::Answers;
    w.advance(Duration::from_secs(3));
    let (mut srs, _) = take(&mut w);
    hang_up(&mut w, [&mut pbx, &mut pstn], &mut srs);
    w.finish();
}

#[test]
fn a_named_recorder_is_looked_up_and_its_servers_tried_in_turn() {
    let mut w = world(|of| {
        of.host = Host::Name("recorder.example.com".into());
        (of.uri, of.port) = ("sip:recorder.example.com".into(), None);
    });
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.answer_question(&[]);
    assert_eq!(told(&w), [failed(CopyFailure::Unresolved, Some(2))]);
    w.advance(Duration::from_secs(3));
    w.answer_question(&[CARRIER_2, SRS]);
    let mut first = w.callee(CARRIER_2);
    first.transport = "TCP";
    refuse(&mut w, &mut first, 503, &[]);
    let (mut srs, _) = take(&mut w);
    hang_up(&mut w, [&mut pbx, &mut pstn], &mut srs);
    w.finish();
}

#[test]
fn every_call_has_a_copy_of_its_own() {
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let (mut srs, one) = take(&mut w);
    let (mut other, mut callee) = Ua::establish(&mut w);
    let (mut second, two) = take(&mut w);
    assert_ne!(one.call_id().unwrap(), two.call_id().unwrap());
    assert_ne!(metadata_of(&one).groups[0].id, metadata_of(&two).groups[0].id);
    assert_eq!(w.relay.copied.len(), 4);
    hang_up(&mut w, [&mut pbx, &mut pstn], &mut srs);
    assert_eq!(w.relay.copied.len(), 2);
    second.expect_silence(&mut w);
    hang_up(&mut w, [&mut other, &mut callee], &mut second);
    w.finish();
}

#[test]
fn aware_parties_are_told() {
    let mut w = world(|_| {});
    let aware = [("Supported", "record-aware")];
    let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &aware, &[]);
    let (mut srs, _) = take(&mut w);
    // Whoever is called may say later that it wants to know.
    assert!(text(pstn.invited.as_ref().unwrap()).contains("a=record:on\r\n"));
    let offer = pbx.sdp_with(30_000, 2, "sendrecv");
    pbx.invite(&mut w, Some(&offer));
    pstn.expect(&mut w, "INVITE");
    let body = pstn.sdp_with(40_000, 2, "sendrecv");
    pstn.reply(&mut w, 200, Some(&body));
    pstn.expect(&mut w, "ACK");
    let answer = pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    assert!(text(&answer).contains("a=record:on\r\n"), "{}", text(&answer));
    hang_up(&mut w, [&mut pbx, &mut pstn], &mut srs);
    w.finish();
}

#[test]
fn aware_parties_learn_that_a_copy_begins_pauses_and_ends() {
    let mut w = world(|of| (of.enabled, of.by_header) = (false, true));
    let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &[], &[("Supported", "record-aware")]);
    let told = |w: &mut World, pstn: &mut Ua, state: &str| {
        let offer = text(&take_offer(w, pstn, 40_000));
        assert_eq!(offer.matches("a=record").count(), 1, "{offer}");
        assert!(offer.contains(&format!("a=record:{state}\r\n")), "{offer}");
        w.advance(Duration::from_secs(2));
        pstn.expect_silence(w);
    };
    pbx.request(&mut w, "INFO", &[("X-Tandem-Recording", "on")], None);
    pbx.expect(&mut w, "200");
    let (mut srs, _) = take(&mut w);
    told(&mut w, &mut pstn, "on");
    for (direction, state) in [("inactive", "paused"), ("recvonly", "on")] {
        let body = answer_in(&srs, "0", direction);
        srs.invite_with(&mut w, &[("Require", "siprec")], Some(&body));
        srs.expect(&mut w, "200");
        srs.ack(&mut w, None);
        told(&mut w, &mut pstn, state);
    }
    pbx.request(&mut w, "INFO", &[("X-Tandem-Recording", "off")], None);
    pbx.expect(&mut w, "200");
    srs.expect(&mut w, "BYE");
    srs.ok(&mut w);
    told(&mut w, &mut pstn, "off");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_transferred_call_is_copied_anew_in_the_same_group() {
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let (mut srs, before) = take(&mut w);
    let mut target = refer(&mut w, &mut pbx);
    srs.expect_silence(&mut w);
    join(&mut w, &mut target, &mut pstn);
    srs.expect(&mut w, "BYE");
    srs.ok(&mut w);
    let (mut srs, after) = take(&mut w);
    released(&mut w, &mut pbx);
    let (before, after) = (metadata_of(&before), metadata_of(&after));
    assert_eq!(after.groups[0].id, before.groups[0].id);
    assert_ne!(after.communications[0].id, before.communications[0].id);
    let users = [after.sender_of("1").unwrap().user(), after.sender_of("2").unwrap().user()];
    assert_eq!(users, [Some("+12065550123"), Some("+12065550177")]);
    assert_eq!(w.relay.copied.len(), 2);
    part(&mut w, &mut pstn, &mut target);
    srs.expect(&mut w, "BYE");
    srs.ok(&mut w);
    w.finish();
}

#[test]
fn a_copied_call_that_takes_over_a_leg_tells_its_recorder_who_came() {
    let mut w = world(|_| {});
    let [(mut first, mut one), (mut second, mut two)] = two_calls(&mut w);
    let mut recorders = [take(&mut w), take(&mut w)];
    // The second call is the one that stays.
    if metadata_of(&recorders[0].1).sender_of("2").unwrap().user() != Some("+12065550123") {
        recorders.swap(0, 1);
    }
    let [(mut of_first, _), (mut of_second, _)] = recorders;
    refer_to(&mut w, &mut first, &second);
    take_offer(&mut w, &mut one, 42_000);
    take_offer(&mut w, &mut two, 43_000);
    released(&mut w, &mut first);
    second.expect(&mut w, "BYE");
    second.ok(&mut w);
    of_first.expect(&mut w, "BYE");
    of_first.ok(&mut w);
    let told = metadata_of(&of_second.expect(&mut w, "INVITE"));
    let body = answer_in(&of_second, "0", "recvonly");
    of_second.reply_with(&mut w, 200, &TAKES, Some(&body));
    of_second.expect(&mut w, "ACK");
    let users = [told.sender_of("1").unwrap().user(), told.sender_of("2").unwrap().user()];
    assert_eq!(users, [Some("+12065550123"), Some("+12065550124")]);
    part(&mut w, &mut one, &mut two);
    of_second.expect(&mut w, "BYE");
    of_second.ok(&mut w);
    w.finish();
}

#[test]
fn the_customer_switches_a_copy_off_and_on() {
    let mut w = world(|of| of.by_header = true);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let (mut srs, _) = take(&mut w);
    pbx.request(&mut w, "INFO", &[("X-Tandem-Recording", "off")], None);
    pbx.expect(&mut w, "200");
    srs.expect(&mut w, "BYE");
    srs.ok(&mut w);
    assert_eq!(told(&w), [CopyState::Begun, CopyState::Ended]);
    // The carrier's side has no say.
    pstn.request(&mut w, "UPDATE", &[("X-Tandem-Recording", "on")], None);
    pstn.expect(&mut w, "200");
    assert!(w.take(SRS, None).is_none());
    pbx.request(&mut w, "INFO", &[("X-Tandem-Recording", "on")], None);
    pbx.expect(&mut w, "200");
    let (mut srs, _) = take(&mut w);
    pstn.expect_silence(&mut w);
    hang_up(&mut w, [&mut pbx, &mut pstn], &mut srs);
    w.finish();
}
