//! Calls that applications steer, with leg A alone: orders in and out of turn, and every way to end.

use directory::{
    ApplicationEndpoint, EmergencyCalling, EmergencyDnis, MediaApplication, Resources, RuleTarget,
    RuleTrigger, SipRule,
};
use model::{
    ApplicationNews, ApplicationOrder, ApplicationTold, AudioSource, DtmfConversion, DtmfKey,
    DtmfPress, LegSide, MediaEvent, OtherMedia, PlayFailure, PlayOutcome, SteeredCall,
    TransactionId,
};
use simnet::{CARRIER, PBX, Ua, World, config, connector_host, directory};
use sip_proto::HeaderName;
use std::time::Duration;

pub(super) const NUMBER: &str = "+12065550500";
pub(super) const FIRST: &str = "11111111-1111-4111-8111-111111111111";
pub(super) const SECOND: &str = "22222222-2222-4222-8222-222222222222";
const A: LegSide = LegSide::A;
const B: LegSide = LegSide::B;

/// Two applications for one number, which may call the US, and the first one for a host.
pub(super) fn steering() -> Resources {
    let application = |id| {
        let endpoint = ApplicationEndpoint::parse("https://menu.example.com/").unwrap();
        let mut application = MediaApplication::new(id, endpoint);
        application.calling_regions = vec!["US"];
        application.cps_limit = 100;
        application.on_failure = 480;
        application
    };
    let rule = |id: &str, trigger, targets: &[(&str, u16)]| SipRule {
        id: id.into(),
        name: id.into(),
        disabled: false,
        trigger,
        targets: targets
            .iter()
            .map(|(id, priority)| RuleTarget { application: (*id).into(), priority: *priority })
            .collect(),
    };
    let by_number = RuleTrigger::ToPhoneNumber(NUMBER.into());
    let by_host = RuleTrigger::RequestUriHostname(connector_host().into());
    Resources {
        media_applications: vec![application(FIRST), application(SECOND)],
        sip_rules: vec![
            rule("number", by_number, &[(SECOND, 2), (FIRST, 1)]),
            rule("host", by_host, &[(FIRST, 1)]),
        ],
        ..directory()
    }
}

/// What the application's side was told since the last time.
pub(super) fn told(w: &mut World) -> Vec<ApplicationTold> {
    w.told.drain(..).map(|event| event.told).collect()
}

pub(super) fn news(w: &mut World) -> Vec<ApplicationNews> {
    let news = |told| match told {
        ApplicationTold::News(news) => news,
        ApplicationTold::Begun(begun) => panic!("{begun:?}"),
    };
    told(w).into_iter().map(news).collect()
}

fn begun(w: &mut World) -> (TransactionId, SteeredCall) {
    assert_eq!(w.told.len(), 1, "{:?}\n{}", w.told, w.ladder());
    let event = w.told.remove(0);
    match event.told {
        ApplicationTold::Begun(begun) => (event.call, *begun),
        ApplicationTold::News(news) => panic!("{news:?}"),
    }
}

pub(super) fn order(w: &mut World, call: TransactionId, number: u32, order: ApplicationOrder) {
    w.command(|edge, now| edge.order_application(now, call, number, order));
}

/// Somebody calls the number, and rings.
pub(super) fn ringing_with(mut w: World) -> (World, Ua, TransactionId) {
    let mut caller = w.caller(CARRIER, NUMBER);
    let offer = caller.sdp(30_000);
    caller.invite(&mut w, Some(&offer));
    caller.expect(&mut w, "180");
    let (call, _) = begun(&mut w);
    (w, caller, call)
}

pub(super) fn ringing() -> (World, Ua, TransactionId) {
    ringing_with(World::with(config(), steering()))
}

pub(super) fn answered_with(w: World) -> (World, Ua, TransactionId) {
    let (mut w, mut caller, call) = ringing_with(w);
    order(&mut w, call, 1, ApplicationOrder::Answer);
    caller.expect(&mut w, "200");
    assert_eq!(news(&mut w), [], "not before the ACK");
    caller.ack(&mut w, None);
    assert_eq!(news(&mut w), [ApplicationNews::Answered(A)]);
    (w, caller, call)
}

/// The same, answered.
pub(super) fn answered() -> (World, Ua, TransactionId) {
    answered_with(World::with(config(), steering()))
}

pub(super) fn file(name: &str) -> AudioSource {
    AudioSource::File(name.into())
}

fn play(leg: LegSide, name: &str, rounds: Option<u32>) -> ApplicationOrder {
    ApplicationOrder::Play { leg, source: file(name), rounds }
}

/// What leg A or B of the only stream hears.
pub(super) fn heard(w: &World, leg: LegSide) -> Option<AudioSource> {
    let found = w.relay.playing.iter().find(|((_, to), _)| *to == leg)?;
    assert_eq!(found.1.with, OtherMedia::Yields);
    Some(found.1.source.clone())
}

pub(super) fn hung_up(leg: LegSide, ordered: bool, status: u16) -> ApplicationNews {
    ApplicationNews::HungUp { leg, ordered, status }
}

pub(super) fn key(symbol: char) -> DtmfPress {
    let key = DtmfKey::from_symbol(symbol).unwrap();
    DtmfPress { key, duration: Duration::from_millis(100) }
}

fn refused(news: &[ApplicationNews]) -> Vec<u32> {
    let number = |news: &ApplicationNews| match news {
        ApplicationNews::Refused { order, .. } => *order,
        other => panic!("{other:?}"),
    };
    news.iter().map(number).collect()
}

#[test]
fn an_application_is_told_of_a_call_answers_it_plays_and_hangs_up() {
    let mut w = World::with(config(), steering());
    let mut caller = w.caller(CARRIER, NUMBER);
    let offer = caller.sdp(30_000);
    let headers = [("X-Account", "42"), ("User-to-User", "56a390f3d2b7310023a2;encoding=hex")];
    caller.invite_with(&mut w, &headers, Some(&offer));
    caller.expect(&mut w, "180");
    let (call, begun) = begun(&mut w);
    assert_eq!((&*begun.application, begun.rule.as_deref()), (FIRST, Some("number")));
    assert_eq!((&*begun.from, &*begun.to), ("+12065550100", NUMBER));
    assert_eq!(begun.voice_connector.as_str(), "1111111111114111811111");
    assert_eq!(*begun.call_id, *caller.call_id);
    assert!(begun.headers.iter().any(|(n, v)| &**n == "X-Account" && &**v == "42"));
    assert!(begun.headers.iter().any(|(n, _)| &**n == "User-to-User"));

    order(&mut w, call, 1, ApplicationOrder::Answer);
    let answer = caller.expect(&mut w, "200");
    let body = String::from_utf8_lossy(answer.body_bytes()).into_owned();
    assert!(body.contains(" RTP/AVP 0 101\r\n") && body.contains("a=sendrecv"), "{body}");
    assert!(body.contains("203.0.113.1"), "{body}");
    order(&mut w, call, 2, play(A, "hello.wav", Some(1)));
    assert_eq!(heard(&w, A), None, "the ACK has not come");
    caller.ack(&mut w, None);
    assert_eq!(news(&mut w), [ApplicationNews::Answered(A)]);
    assert_eq!(heard(&w, A), Some(file("hello.wav")));
    let plan = w.plan();
    assert!(plan.legs[0].sends_to && plan.legs[0].accepts_from);
    assert_eq!(plan.dtmf[0], DtmfConversion::EventsToSignalling);

    w.play_to_end(A);
    let outcome = PlayOutcome::Finished;
    assert_eq!(news(&mut w), [ApplicationNews::Played { order: 2, outcome }]);
    assert_eq!(heard(&w, A), None);
    w.press(A, key('7'));
    assert_eq!(news(&mut w), [ApplicationNews::Key { leg: A, key: key('7').key }]);

    order(&mut w, call, 3, ApplicationOrder::HangUp { leg: None, status: 480 });
    caller.expect(&mut w, "BYE");
    caller.ok(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, true, 200)]);
    w.finish();
}

#[test]
fn who_is_not_answered_gets_the_applications_status() {
    for (leg, status) in [(None, 486), (Some(A), 603), (None, 12)] {
        let (mut w, mut caller, call) = ringing();
        order(&mut w, call, 1, ApplicationOrder::HangUp { leg, status });
        let told = status.clamp(400, 699);
        caller.expect(&mut w, &told.to_string());
        caller.ack_failure(&mut w);
        assert_eq!(news(&mut w), [hung_up(A, true, told)]);
        order(&mut w, call, 2, ApplicationOrder::Answer);
        assert_eq!(refused(&news(&mut w)), [2], "the call is over");
        w.finish();
    }
}

#[test]
fn a_caller_that_gives_up_is_told_of_and_so_is_one_that_hangs_up() {
    let (mut w, mut caller, _) = ringing();
    caller.cancel(&mut w);
    caller.expect(&mut w, "200");
    caller.expect(&mut w, "487");
    caller.ack_failure(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, false, 487)]);
    w.finish();

    let (mut w, mut caller, call) = answered();
    order(&mut w, call, 2, play(A, "music.wav", None));
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    assert!(w.relay.playing.is_empty());
    w.finish();
}

#[test]
fn orders_out_of_turn_are_refused_and_change_nothing() {
    let keys = |leg| ApplicationOrder::SendKeys {
        leg,
        keys: vec![key('1').key],
        duration: Duration::from_millis(100),
    };
    let (mut w, mut caller, call) = ringing();
    order(&mut w, call, 1, play(A, "early.wav", Some(1)));
    order(&mut w, call, 2, keys(A));
    order(&mut w, call, 3, play(B, "nobody.wav", Some(1)));
    order(&mut w, call, 4, ApplicationOrder::HangUp { leg: Some(B), status: 486 });
    assert_eq!(refused(&news(&mut w)), [1, 2, 3, 4]);
    order(&mut w, call, 5, ApplicationOrder::Answer);
    order(&mut w, call, 6, ApplicationOrder::Answer);
    assert_eq!(refused(&news(&mut w)), [6]);
    caller.expect(&mut w, "200");
    caller.ack(&mut w, None);
    order(&mut w, call, 7, play(A, "none.wav", Some(0)));
    order(&mut w, call, 8, keys(B));
    order(&mut w, TransactionId::from_random(1), 9, ApplicationOrder::Answer);
    assert_eq!(news(&mut w).remove(0), ApplicationNews::Answered(A));
    order(&mut w, call, 10, ApplicationOrder::StopPlaying { leg: A });
    order(&mut w, call, 11, ApplicationOrder::Mute { leg: B, on: true });
    assert!(news(&mut w).is_empty() && w.relay.playing.is_empty());
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    w.finish();
}

#[test]
fn what_is_played_is_replaced_stopped_and_played_again() {
    let (mut w, mut caller, call) = answered();
    order(&mut w, call, 2, play(A, "one.wav", Some(1)));
    let late = w.relay.playing.keys().next().copied().unwrap();
    order(&mut w, call, 3, play(A, "two.wav", None));
    assert_eq!(heard(&w, A), Some(file("two.wav")));
    order(&mut w, call, 4, ApplicationOrder::StopPlaying { leg: A });
    assert_eq!(heard(&w, A), None);
    assert_eq!(news(&mut w), [], "nothing is told of what was stopped");
    // What the relay says of something that is not played any more is nobody's.
    let (id, leg) = late;
    w.say(vec![MediaEvent::Played { id, leg, outcome: PlayOutcome::Finished }]);
    assert_eq!(news(&mut w), []);
    // The same twice is played twice.
    for number in [5, 6] {
        order(&mut w, call, number, play(A, "same.wav", Some(1)));
        w.play_to_end(A);
        let outcome = PlayOutcome::Finished;
        assert_eq!(news(&mut w), [ApplicationNews::Played { order: number, outcome }]);
    }
    order(&mut w, call, 7, play(A, "missing.wav", Some(1)));
    let outcome = PlayOutcome::Failed(PlayFailure::File);
    w.say(vec![MediaEvent::Played { id, leg, outcome }]);
    assert_eq!(news(&mut w), [ApplicationNews::Played { order: 7, outcome }]);
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    w.finish();
}

#[test]
fn keys_are_sent_one_after_the_other() {
    let (mut w, mut caller, call) = answered();
    let duration = Duration::from_millis(250);
    let keys = "12#".chars().map(|symbol| key(symbol).key).collect();
    order(&mut w, call, 2, ApplicationOrder::SendKeys { leg: A, keys, duration });
    assert_eq!(w.relay.keys, [(A, 1, duration)]);
    let more = ApplicationOrder::SendKeys { leg: A, keys: vec![key('9').key], duration };
    order(&mut w, call, 3, more);
    assert_eq!(refused(&news(&mut w)), [3]);
    w.advance(duration * 2 - Duration::from_millis(1));
    assert_eq!(w.relay.keys.len(), 1);
    w.advance(Duration::from_millis(1));
    assert_eq!(w.relay.keys.len(), 2);
    w.advance(duration * 2);
    assert_eq!(w.relay.keys, [(A, 1, duration), (A, 2, duration), (A, 11, duration)]);
    assert_eq!(news(&mut w), []);
    w.advance(duration * 2);
    assert_eq!(news(&mut w), [ApplicationNews::KeysSent { order: 2 }]);
    for (count, duration) in [(0, duration), (51, duration), (1, Duration::from_millis(49))] {
        let keys = vec![key('9').key; count];
        order(&mut w, call, 4, ApplicationOrder::SendKeys { leg: A, keys, duration });
        assert_eq!(refused(&news(&mut w)), [4]);
    }
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    w.finish();
}

#[test]
fn keys_by_info_are_told_and_other_info_has_nobody_to_go_to() {
    let (mut w, mut caller, _) = answered();
    let body = "Signal=5\r\nDuration=160\r\n";
    caller.request(&mut w, "INFO", &[], Some(("application/dtmf-relay", body)));
    caller.expect(&mut w, "200");
    assert_eq!(news(&mut w), [ApplicationNews::Key { leg: A, key: key('5').key }]);
    caller.request(&mut w, "INFO", &[], Some(("application/dtmf-relay", "Signal=x")));
    caller.expect(&mut w, "400");
    caller.request(&mut w, "INFO", &[], Some(("text/plain", "hello")));
    caller.expect(&mut w, "405");
    caller.request(&mut w, "REFER", &[("Refer-To", "<sip:+12065550177@x.example>")], None);
    caller.expect(&mut w, "603");
    assert_eq!(news(&mut w), []);
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    w.finish();
}

#[test]
fn a_caller_alone_changes_its_media_and_is_answered_here() {
    let (mut w, mut caller, call) = answered();
    let moved = caller.sdp_with(31_000, 2, "sendrecv");
    caller.invite(&mut w, Some(&moved));
    let answer = caller.expect(&mut w, "200");
    assert!(String::from_utf8_lossy(answer.body_bytes()).contains("a=sendrecv"));
    caller.ack(&mut w, None);
    assert_eq!(w.plan().legs[0].remote_rtp.unwrap().port(), 31_000);
    // On hold it hears nothing, and hears it again afterwards.
    order(&mut w, call, 2, play(A, "menu.wav", None));
    let hold = caller.sdp_with(31_000, 3, "sendonly");
    caller.invite(&mut w, Some(&hold));
    let answer = caller.expect(&mut w, "200");
    assert!(String::from_utf8_lossy(answer.body_bytes()).contains("a=recvonly"));
    caller.ack(&mut w, None);
    assert_eq!(heard(&w, A), None);
    let resume = caller.sdp_with(31_000, 4, "sendrecv");
    caller.request(&mut w, "UPDATE", &[], Some(("application/sdp", &resume)));
    caller.expect(&mut w, "200");
    assert_eq!(heard(&w, A), Some(file("menu.wav")));
    // Who asks for our offer gets what was agreed, and may move with its answer.
    caller.invite(&mut w, None);
    let offer = caller.expect(&mut w, "200");
    assert!(!offer.body_bytes().is_empty());
    let body = caller.sdp_with(32_000, 5, "sendrecv");
    caller.ack(&mut w, Some(&body));
    assert_eq!(w.plan().legs[0].remote_rtp.unwrap().port(), 32_000);
    let video = caller.sdp_with(32_000, 6, "sendrecv").replace("RTP/AVP 0 101", "RTP/AVP 18");
    let video = video.replace("a=rtpmap:0 PCMU/8000", "a=rtpmap:18 G729/8000");
    caller.invite(&mut w, Some(&video));
    caller.expect(&mut w, "488");
    caller.ack_failure(&mut w);
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    w.finish();
}

#[test]
fn an_invite_without_an_offer_gets_ours_with_the_answer() {
    let mut w = World::with(config(), steering());
    let mut caller = w.caller(CARRIER, NUMBER);
    caller.invite(&mut w, None);
    caller.expect(&mut w, "180");
    let (call, _) = begun(&mut w);
    order(&mut w, call, 1, ApplicationOrder::Answer);
    let offer = caller.expect(&mut w, "200");
    let text = String::from_utf8_lossy(offer.body_bytes()).into_owned();
    assert!(text.contains("RTP/AVP 0 8 101") && !text.contains("192.0.2.1"), "{text}");
    order(&mut w, call, 2, play(A, "hello.wav", Some(1)));
    let answer = caller.sdp(30_000);
    caller.ack(&mut w, Some(&answer));
    assert_eq!(news(&mut w), [ApplicationNews::Answered(A)]);
    assert_eq!(heard(&w, A), Some(file("hello.wav")));
    assert_eq!(w.plan().legs[0].remote_rtp.unwrap().port(), 30_000);
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    w.finish();
}

#[test]
fn an_invite_without_an_offer_and_an_ack_without_an_answer_ends() {
    let mut w = World::with(config(), steering());
    let mut caller = w.caller(CARRIER, NUMBER);
    caller.invite(&mut w, None);
    caller.expect(&mut w, "180");
    let (call, _) = begun(&mut w);
    order(&mut w, call, 1, ApplicationOrder::Answer);
    caller.expect(&mut w, "200");
    caller.ack(&mut w, None);
    caller.expect(&mut w, "BYE");
    caller.ok(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn who_offers_nothing_that_can_be_played_is_refused_when_answered() {
    let mut w = World::with(config(), steering());
    let mut caller = w.caller(CARRIER, NUMBER);
    let offer = caller.sdp(30_000).replace("AVP 0 101", "AVP 18 101");
    let offer = offer.replace("a=rtpmap:0 PCMU/8000", "a=rtpmap:18 G729/8000");
    caller.invite(&mut w, Some(&offer));
    caller.expect(&mut w, "180");
    let (call, _) = begun(&mut w);
    order(&mut w, call, 1, ApplicationOrder::Answer);
    caller.expect(&mut w, "488");
    caller.ack_failure(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, false, 488)]);
    w.finish();
}

#[test]
fn the_next_application_is_asked_where_the_first_cannot_be() {
    let (mut w, mut caller, call) = ringing();
    w.command(|edge, now| edge.application_unreachable(now, call));
    let (again, second) = begun(&mut w);
    assert_eq!((again, &*second.application), (call, SECOND));
    w.command(|edge, now| edge.application_unreachable(now, call));
    caller.expect(&mut w, "480");
    caller.ack_failure(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, true, 480)]);
    w.finish();
    // Nobody takes over from an application that has begun.
    let (mut w, mut caller, call) = answered();
    w.command(|edge, now| edge.application_unreachable(now, call));
    caller.expect(&mut w, "BYE");
    caller.ok(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, true, 200)]);
    w.command(|edge, now| edge.application_unreachable(now, call));
    w.finish();
}

#[test]
fn an_application_that_says_nothing_does_not_hold_the_call() {
    let (mut w, mut caller, _) = ringing();
    w.advance(config().no_answer_timeout + Duration::from_secs(1));
    caller.expect(&mut w, "480");
    caller.ack_failure(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, false, 480)]);
    w.finish();
}

#[test]
fn a_call_of_a_customer_to_the_host_of_a_rule_is_steered() {
    let mut w = World::with(config(), steering());
    let mut pbx = w.caller(PBX, "menu");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    pbx.expect(&mut w, "180");
    let (call, begun) = begun(&mut w);
    assert_eq!((&*begun.to, begun.rule.as_deref()), ("menu", Some("host")));
    assert_eq!(begun.voice_connector.as_str(), simnet::CONNECTOR);
    order(&mut w, call, 1, ApplicationOrder::Answer);
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    w.finish();
}

#[test]
fn no_application_comes_between_a_call_for_help_and_who_takes_it() {
    let mut resources = steering();
    let dnis = vec![EmergencyDnis::new("+13125550911", "US")];
    resources.voice_connectors[0].emergency =
        Some(EmergencyCalling { dnis, ..EmergencyCalling::default() });
    let mut w = World::with(config(), resources);
    let mut pbx = w.caller(PBX, "911");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut callee = w.callee(CARRIER);
    assert!(callee.invited.as_ref().unwrap().request_uri().unwrap().contains("+13125550911"));
    assert!(w.told.is_empty(), "{:?}", w.told);
    let answer = callee.sdp(40_000);
    callee.answer(&mut w, &mut pbx, &answer);
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    callee.expect(&mut w, "BYE");
    callee.ok(&mut w);
    w.finish();
}

#[test]
fn a_rule_that_is_disabled_steers_nothing() {
    let mut resources = steering();
    resources.sip_rules[0].disabled = true;
    let mut w = World::with(config(), resources);
    let mut caller = w.caller(CARRIER, NUMBER);
    let offer = caller.sdp(30_000);
    caller.invite(&mut w, Some(&offer));
    caller.expect(&mut w, "404");
    caller.ack_failure(&mut w);
    assert!(w.told.is_empty());
    w.finish();
}

#[test]
fn an_answer_that_nobody_acknowledges_ends_the_call() {
    let (mut w, mut caller, call) = ringing();
    order(&mut w, call, 1, ApplicationOrder::Answer);
    w.advance(Duration::from_secs(33));
    while let Some(message) = caller.poll(&mut w) {
        match message.status() {
            Some(status) => assert_eq!(status, 200),
            None => caller.ok(&mut w),
        }
    }
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn a_call_without_a_relay_or_ports_is_not_told_of() {
    let mut w = World::with(config(), steering());
    w.relay.mode = simnet::RelayMode::Fails(model::AllocationFailure::PortsExhausted);
    let mut caller = w.caller(CARRIER, NUMBER);
    let offer = caller.sdp(30_000);
    caller.invite(&mut w, Some(&offer));
    let refusal = caller.expect(&mut w, "503");
    assert!(refusal.header(HeaderName::RetryAfter).is_some());
    caller.ack_failure(&mut w);
    assert!(w.told.is_empty());
    w.finish();
}

#[test]
fn a_lost_stream_and_a_silent_caller_end_the_call() {
    for lost in [false, true] {
        let (mut w, mut caller, _) = answered();
        if lost {
            w.lose_media();
        } else {
            w.fall_silent(None);
        }
        caller.expect(&mut w, "BYE");
        caller.ok(&mut w);
        assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
        w.finish();
    }
}

#[test]
fn no_call_is_longer_than_any_call_may_be() {
    let (mut w, mut caller, call) = answered();
    order(&mut w, call, 2, play(A, "for-ever.wav", None));
    // Session refreshes of ours are answered until the end.
    let end = w.now() + config().max_call_duration;
    while w.now() < end {
        w.advance(Duration::from_secs(60));
        while let Some(message) = caller.poll(&mut w) {
            match message.method() {
                Some(sip_proto::Method::Invite) => {
                    let body = caller.sdp_with(30_000, 1, "sendrecv");
                    caller.reply(&mut w, 200, Some(&body));
                }
                Some(sip_proto::Method::Ack) | None => {}
                Some(_) => caller.ok(&mut w),
            }
        }
    }
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn after_a_restart_the_caller_is_hung_up_and_one_that_rings_is_refused() {
    let config = || b2bua::EdgeConfig { keep_calls: true, ..config() };
    let (mut w, mut caller, _) = answered_with(World::with(config(), steering()));
    assert_eq!((w.kept.len(), w.farewells.len()), (0, 1));
    w.restart(config(), steering());
    caller.expect(&mut w, "BYE");
    caller.ok(&mut w);
    w.told.clear();
    // The record of a call that is told good-bye stays open, as that of a transfer.
    w.audit.events.clear();
    w.finish();

    let (mut w, mut caller, call) = ringing_with(World::with(config(), steering()));
    w.restart(config(), steering());
    caller.expect(&mut w, "503");
    caller.ack_failure(&mut w);
    order(&mut w, call, 1, ApplicationOrder::Answer);
    assert_eq!(refused(&news(&mut w)), [1]);
    w.finish();
}
