//! Calls that an application begins: whoever is called is its leg A.

use crate::steered::{FIRST, file, hung_up, key, news, order, steering};
use b2bua::{EdgeConfig, NotCalled};
use directory::Resources;
use model::{
    ApplicationNews, ApplicationOrder, ApplicationTold, AudioSource, Bridge, CallDirection,
    CallEventKind, Codec, LegSide, OutboundCall, Refusal, SteeredCall, TransactionId,
    TranscodableFormat, VoiceConnectorId,
};
use simnet::{CARRIER, CARRIER_2, CONNECTOR, PBX, Ua, World, config};
use sip_proto::Method;
use std::net::SocketAddr;
use std::time::Duration;

const A: LegSide = LegSide::A;
const B: LegSide = LegSide::B;
const TO: &str = "+12065550177";

fn wanted() -> OutboundCall {
    OutboundCall {
        application: FIRST.into(),
        to: TO.into(),
        from: "+12065550500".into(),
        headers: vec![("X-Reminder".into(), "7".into())],
        arguments: vec![("appointment".into(), "tomorrow".into())],
    }
}

fn ask(w: &mut World, wanted: OutboundCall) -> Result<TransactionId, NotCalled> {
    let mut outcome = Err(NotCalled::NoApplication);
    w.command(|edge, now| outcome = edge.call_for_application(now, wanted));
    outcome
}

/// The application has somebody called.
pub(super) fn begin(w: &mut World) -> TransactionId {
    ask(w, wanted()).unwrap()
}

fn begun(w: &mut World) -> SteeredCall {
    match w.told.remove(0).told {
        ApplicationTold::Begun(begun) => *begun,
        ApplicationTold::News(news) => panic!("{news:?}"),
    }
}

/// The application has somebody called, who has the INVITE.
fn calling_in(mut w: World) -> (World, Ua, TransactionId) {
    let call = ask(&mut w, wanted()).unwrap();
    begun(&mut w);
    let callee = w.callee(CARRIER);
    (w, callee, call)
}

fn calling() -> (World, Ua, TransactionId) {
    calling_in(World::with(config(), steering()))
}

fn pick_up(w: &mut World, callee: &mut Ua, port: u16) {
    let body = callee.sdp(port);
    callee.reply(w, 200, Some(&body));
    callee.expect(w, "ACK");
}

fn answered_in(w: World) -> (World, Ua, TransactionId) {
    let (mut w, mut callee, call) = calling_in(w);
    pick_up(&mut w, &mut callee, 30_000);
    assert_eq!(news(&mut w), [ApplicationNews::Answered(A)], "\n{}", w.ladder());
    (w, callee, call)
}

pub(super) fn answered() -> (World, Ua, TransactionId) {
    answered_in(World::with(config(), steering()))
}

/// What whoever was called first hears: leg B of the call's stream.
fn heard(w: &World) -> Option<AudioSource> {
    let found = w.relay.playing.iter().find(|((_, to), _)| *to == B)?;
    Some(found.1.source.clone())
}

fn leave(mut w: World, mut callee: Ua) {
    callee.bye(&mut w);
    callee.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

/// Takes the CANCEL and ends the INVITE.
fn withdrawn(w: &mut World, callee: &mut Ua) {
    callee.expect(w, "CANCEL");
    callee.ok(w);
    callee.reply(w, 487, None);
    callee.expect(w, "ACK");
}

#[test]
fn an_application_has_somebody_called_plays_hears_keys_and_hangs_up() {
    let mut w = World::with(config(), steering());
    let call = ask(&mut w, wanted()).unwrap();
    let told = begun(&mut w);
    assert_eq!((&*told.application, &told.rule), (FIRST, &None));
    assert_eq!(told.direction, CallDirection::Outbound);
    assert_eq!((&*told.from, &*told.to), ("+12065550500", TO));
    assert_eq!(told.arguments, wanted().arguments);
    let mut callee = w.callee(CARRIER);
    let invite = callee.invited.clone().unwrap();
    assert!(invite.from().unwrap().uri_text.contains("+12065550500"));
    assert!(invite.request_uri().unwrap().contains(TO));
    assert_eq!(invite.header_named("X-Reminder"), Some("7"));
    let offer = String::from_utf8_lossy(invite.body_bytes()).into_owned();
    assert!(offer.contains("203.0.113.1") && offer.contains("RTP/AVP 0 8 101"), "{offer}");

    callee.reply(&mut w, 100, None);
    callee.reply(&mut w, 180, None);
    callee.reply(&mut w, 183, None);
    assert_eq!(news(&mut w), [ApplicationNews::Ringing(A)]);
    let early = ApplicationOrder::Play { leg: A, source: file("x"), rounds: None };
    order(&mut w, call, 1, early.clone());
    assert!(matches!(news(&mut w)[..], [ApplicationNews::Refused { order: 1, .. }]));
    order(&mut w, call, 2, ApplicationOrder::Answer);
    assert!(matches!(news(&mut w)[..], [ApplicationNews::Refused { order: 2, .. }]));
    order(&mut w, call, 2, ApplicationOrder::Bridge(bridge_to("+12065550188")));
    assert!(matches!(news(&mut w)[..], [ApplicationNews::Refused { order: 2, .. }]));
    pick_up(&mut w, &mut callee, 30_000);
    assert_eq!(news(&mut w), [ApplicationNews::Answered(A)]);
    let plan = w.plan();
    assert!(plan.legs[1].sends_to && plan.legs[1].accepts_from && !plan.legs[0].sends_to);
    assert_eq!(plan.legs[1].remote_rtp.unwrap().port(), 30_000);

    order(&mut w, call, 3, early);
    assert_eq!(heard(&w), Some(file("x")));
    w.press(B, key('7'));
    assert_eq!(news(&mut w), [ApplicationNews::Key { leg: A, key: key('7').key }]);
    order(&mut w, call, 4, ApplicationOrder::HangUp { leg: Some(A), status: 480 });
    callee.expect(&mut w, "BYE");
    callee.ok(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, true, 200)]);
    let direction = w.audit.events.iter().find_map(|event| match &event.kind {
        CallEventKind::Attempted { parties } => Some(parties.direction),
        _ => None,
    });
    assert_eq!(direction, Some(CallDirection::Outbound), "the record knows");
    w.finish();
}

#[test]
fn a_carrier_that_may_be_transcoded_for_is_offered_wideband_formats_too() {
    let mut resources = steering();
    for carrier in &mut resources.carriers {
        carrier.transcoding = Some(TranscodableFormat::USUAL.into());
    }
    let (mut w, mut callee, call) = calling_in(World::with(config(), resources));
    let invite = callee.invited.clone().unwrap();
    let offer = String::from_utf8_lossy(invite.body_bytes()).into_owned();
    assert!(offer.contains("RTP/AVP 0 8 101 9 96"), "{offer}");
    assert!(offer.contains("a=rtpmap:96 opus/48000/2"), "{offer}");
    // It answers with Opus alone: what is played is encoded so, and nothing is transcoded.
    let body: String = callee
        .sdp(30_000)
        .lines()
        .filter(|line| !line.starts_with("a=rtpmap") && !line.starts_with("a=fmtp"))
        .map(|line| match line.starts_with("m=") {
            true => "m=audio 30000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n".to_owned(),
            false => format!("{line}\r\n"),
        })
        .collect();
    callee.reply(&mut w, 200, Some(&body));
    callee.expect(&mut w, "ACK");
    assert_eq!(news(&mut w), [ApplicationNews::Answered(A)], "\n{}", w.ladder());
    let plan = w.plan();
    assert_eq!(plan.legs[1].codecs[0].codec, Codec::Opus);
    assert!(plan.legs[1].sends_to && plan.transcoding.iter().all(Option::is_none));
    order(&mut w, call, 1, ApplicationOrder::Play { leg: A, source: file("x"), rounds: None });
    assert_eq!(heard(&w), Some(file("x")));
    leave(w, callee);
}

#[test]
fn who_refuses_is_told_of_with_its_status() {
    for (status, told) in [(486, 486), (603, 603), (600, 600)] {
        let (mut w, mut callee, call) = calling();
        callee.reply(&mut w, 180, None);
        callee.reply(&mut w, status, None);
        callee.expect(&mut w, "ACK");
        assert_eq!(
            news(&mut w),
            [ApplicationNews::Ringing(A), hung_up(A, false, told)],
            "\n{}",
            w.ladder()
        );
        assert_eq!(w.end().status, told);
        order(&mut w, call, 1, ApplicationOrder::HangUp { leg: None, status: 480 });
        assert!(matches!(news(&mut w)[..], [ApplicationNews::Refused { .. }]), "it is over");
        w.finish();
    }
}

#[test]
fn a_carrier_that_has_no_time_is_followed_by_the_next() {
    let (mut w, mut callee, _) = calling();
    callee.reply(&mut w, 503, None);
    callee.expect(&mut w, "ACK");
    let mut second = w.callee(CARRIER_2);
    pick_up(&mut w, &mut second, 30_000);
    assert_eq!(news(&mut w), [ApplicationNews::Answered(A)]);
    leave(w, second);
}

#[test]
fn who_rings_for_too_long_or_says_nothing_is_given_up() {
    let (mut w, mut callee, _) = calling();
    callee.reply(&mut w, 180, None);
    w.advance(config().no_answer_timeout);
    withdrawn(&mut w, &mut callee);
    assert_eq!(news(&mut w), [ApplicationNews::Ringing(A), hung_up(A, false, 480)]);
    w.finish();

    let mut w = World::with(config(), steering());
    ask(&mut w, wanted()).unwrap();
    begun(&mut w);
    w.advance(Duration::from_secs(120));
    let all = news(&mut w);
    assert!(
        matches!(all[..], [ApplicationNews::HungUp { leg: A, status: 408 | 480 | 503, .. }]),
        "{all:?}\n{}",
        w.ladder()
    );
    assert_eq!(w.edge.active_calls(), 0);
}

#[test]
fn an_application_that_gives_up_cancels_and_a_crossing_answer_is_hung_up() {
    for crosses in [false, true] {
        let (mut w, mut callee, call) = calling();
        callee.reply(&mut w, 180, None);
        order(&mut w, call, 1, ApplicationOrder::HangUp { leg: Some(A), status: 487 });
        if crosses {
            callee.expect(&mut w, "CANCEL");
            callee.ok(&mut w);
            pick_up(&mut w, &mut callee, 30_000);
            callee.expect(&mut w, "BYE");
            callee.ok(&mut w);
        } else {
            withdrawn(&mut w, &mut callee);
        }
        assert_eq!(news(&mut w), [ApplicationNews::Ringing(A), hung_up(A, true, 487)]);
        w.finish();
    }
}

#[test]
fn nobody_rings_for_an_application_that_cannot_be_asked() {
    let (mut w, mut callee, call) = calling();
    callee.reply(&mut w, 180, None);
    w.command(|edge, now| edge.application_unreachable(now, call));
    withdrawn(&mut w, &mut callee);
    assert_eq!(news(&mut w), [ApplicationNews::Ringing(A), hung_up(A, true, 480)]);
    w.finish();
}

#[test]
fn an_answer_that_came_early_holds_and_one_that_is_none_ends_the_call() {
    let (mut w, mut callee, _) = calling();
    let body = callee.sdp(30_000);
    callee.reply(&mut w, 183, Some(&body));
    assert!(w.relay.playing.is_empty());
    callee.reply(&mut w, 200, None);
    callee.expect(&mut w, "ACK");
    assert_eq!(news(&mut w), [ApplicationNews::Ringing(A), ApplicationNews::Answered(A)]);
    assert_eq!(w.plan().legs[1].remote_rtp.unwrap().port(), 30_000);
    leave(w, callee);

    let (mut w, mut callee, _) = calling();
    let body = callee.sdp(30_000).replace("RTP/AVP 0 101", "RTP/AVP 101");
    callee.reply(&mut w, 200, Some(&body));
    callee.expect(&mut w, "ACK");
    callee.expect(&mut w, "BYE");
    callee.ok(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, false, 502)]);
    w.finish();
}

#[test]
fn nobody_is_called_against_the_rules_of_the_application() {
    let mut resources = steering();
    resources.media_applications[0].cps_limit = 2;
    resources.media_applications[0].concurrent_calls_limit = 3;
    let mut w = World::with(config(), resources);
    let refused = |refusal| Err(NotCalled::Refused(refusal));
    let to = |to: &str| OutboundCall { to: to.into(), ..wanted() };
    assert_eq!(ask(&mut w, to("+81312345678")), refused(Refusal::RegionNotAllowed));
    assert_eq!(ask(&mut w, to("+19005550100")), refused(Refusal::HighRisk));
    let unknown = OutboundCall { application: "unknown".into(), ..wanted() };
    assert_eq!(ask(&mut w, unknown), Err(NotCalled::NoApplication));
    for unfit in [
        to("911"),
        to("5550100"),
        OutboundCall { from: "anonymous".into(), ..wanted() },
        OutboundCall { headers: vec![("Route".into(), "<sip:x>".into())], ..wanted() },
        OutboundCall { headers: vec![("X-A".into(), "a\r\nVia: b".into())], ..wanted() },
    ] {
        assert!(matches!(ask(&mut w, unfit), Err(NotCalled::Unfit(_))));
    }
    assert!(w.told.is_empty() && w.edge.active_calls() == 0);
    let mut called = Vec::new();
    for _ in 0..2 {
        called.push(ask(&mut w, wanted()).unwrap());
    }
    assert_eq!(ask(&mut w, wanted()), refused(Refusal::CallRateLimit));
    w.advance(Duration::from_secs(1));
    called.push(ask(&mut w, wanted()).unwrap());
    w.advance(Duration::from_secs(1));
    assert_eq!(ask(&mut w, wanted()), refused(Refusal::ConcurrentCallLimit));
    w.told.clear();
    for call in called {
        order(&mut w, call, 1, ApplicationOrder::HangUp { leg: None, status: 487 });
    }
    assert_eq!(w.edge.active_calls(), 0);
    assert!(ask(&mut w, wanted()).is_ok(), "they are counted out");
    w.command(|edge, now| edge.drain(now));
    assert_eq!(ask(&mut w, wanted()), refused(Refusal::Draining));
}

fn bridge_to(to: &str) -> Bridge {
    Bridge {
        to: to.into(),
        from: "+12065550500".into(),
        voice_connector: None,
        ring_timeout: Duration::from_secs(30),
        headers: Vec::new(),
        ringback: Some(file("ring.wav")),
    }
}

/// Leg B answers at `at`, and then the re-INVITE that tells it of leg A's stream.
fn joined(w: &mut World, at: SocketAddr) -> Ua {
    let mut other = w.callee(at);
    assert_eq!(heard(w), Some(file("ring.wav")));
    pick_up(w, &mut other, 40_000);
    other.expect(w, "INVITE");
    let body = other.sdp_with(40_000, 2, "sendrecv");
    other.reply(w, 200, Some(&body));
    other.expect(w, "ACK");
    assert_eq!(news(w), [ApplicationNews::Answered(B)], "\n{}", w.ladder());
    other
}

#[test]
fn somebody_else_is_called_beside_leaves_and_the_next_one_comes() {
    let (mut w, mut callee, call) = answered();
    for (round, by_order) in [(0, false), (1, true)] {
        order(&mut w, call, 2, ApplicationOrder::Bridge(bridge_to("+12065550188")));
        let mut other = joined(&mut w, CARRIER);
        let plan = w.plan();
        assert_eq!(plan.legs[0].remote_rtp.unwrap().port(), 40_000);
        assert_eq!(plan.legs[1].remote_rtp.unwrap().port(), 30_000);
        assert_eq!(w.edge.active_calls(), 1);
        w.press(A, key('9'));
        w.press(B, key('3'));
        let told = [(B, '9'), (A, '3')].map(|(leg, symbol)| {
            let key = key(symbol).key;
            ApplicationNews::Key { leg, key }
        });
        assert_eq!(news(&mut w), told);
        let sent: Vec<LegSide> = w.relay.keys.drain(..).map(|(to, ..)| to).collect();
        assert_eq!(sent, [B, A], "to the other leg");
        order(&mut w, call, 3, ApplicationOrder::Mute { leg: B, on: true });
        assert!(matches!(heard(&w), Some(AudioSource::Octets(_))));
        if by_order {
            order(&mut w, call, 4, ApplicationOrder::HangUp { leg: Some(B), status: 480 });
            other.expect(&mut w, "BYE");
            other.ok(&mut w);
        } else {
            other.bye(&mut w);
            other.expect(&mut w, "200");
        }
        assert_eq!(news(&mut w), [hung_up(B, by_order, 200)], "round {round}");
        assert_eq!(heard(&w), None);
        assert!(!w.plan().legs[0].sends_to && w.plan().legs[1].sends_to);
        callee.expect_silence(&mut w);
        w.told.clear();
    }
    // Leg A hangs up on leg B.
    let voice_connector = Some(VoiceConnectorId::new(CONNECTOR).unwrap());
    let bridge = Bridge { voice_connector, ..bridge_to("+12065550100") };
    order(&mut w, call, 5, ApplicationOrder::Bridge(bridge));
    let mut pbx = joined(&mut w, PBX);
    callee.hang_up(&mut w, &mut pbx);
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn leg_a_changes_its_media_alone_and_meets_the_joining_of_leg_b() {
    let (mut w, mut callee, call) = answered();
    let hold = callee.sdp_with(30_000, 2, "sendonly");
    callee.invite(&mut w, Some(&hold));
    let body = String::from_utf8_lossy(callee.expect(&mut w, "200").body_bytes()).into_owned();
    assert!(body.contains("a=recvonly"), "{body}");
    callee.ack(&mut w, None);
    let resume = callee.sdp_with(30_002, 3, "sendrecv");
    callee.invite(&mut w, Some(&resume));
    callee.expect(&mut w, "200");
    callee.ack(&mut w, None);
    assert_eq!(w.plan().legs[1].remote_rtp.unwrap().port(), 30_002);
    // Without an offer it gets what it has, and answers in the ACK.
    callee.invite(&mut w, None);
    assert!(!callee.expect(&mut w, "200").body_bytes().is_empty());
    let answer = callee.sdp_with(30_004, 4, "sendrecv");
    callee.ack(&mut w, Some(&answer));
    assert_eq!(w.plan().legs[1].remote_rtp.unwrap().port(), 30_004);

    order(&mut w, call, 2, ApplicationOrder::Bridge(bridge_to("+12065550188")));
    let mut other = w.callee(CARRIER);
    pick_up(&mut w, &mut other, 40_000);
    other.expect(&mut w, "INVITE");
    let moved = callee.sdp_with(30_006, 5, "sendrecv");
    callee.invite(&mut w, Some(&moved));
    callee.expect(&mut w, "491");
    callee.ack_failure(&mut w);
    let body = other.sdp_with(40_000, 2, "sendrecv");
    other.reply(&mut w, 200, Some(&body));
    other.expect(&mut w, "ACK");
    assert_eq!(news(&mut w), [ApplicationNews::Answered(B)]);
    callee.invite(&mut w, Some(&moved));
    other.expect(&mut w, "INVITE");
    let body = other.sdp_with(40_000, 3, "sendrecv");
    other.answer(&mut w, &mut callee, &body);
    callee.hang_up(&mut w, &mut other);
    w.finish();
}

fn keeping() -> EdgeConfig {
    EdgeConfig { keep_calls: true, ..config() }
}

fn resources() -> Resources {
    steering()
}

#[test]
fn after_a_restart_who_rings_is_let_go_and_who_is_alone_is_hung_up() {
    let (mut w, mut callee, _) = calling_in(World::with(keeping(), resources()));
    callee.reply(&mut w, 180, None);
    w.restart(keeping(), resources());
    withdrawn(&mut w, &mut callee);
    w.told.clear();
    w.finish();

    let (mut w, mut callee, _) = answered_in(World::with(keeping(), resources()));
    assert_eq!((w.kept.len(), w.farewells.len()), (0, 1));
    w.restart(keeping(), resources());
    callee.expect(&mut w, "BYE");
    callee.ok(&mut w);
    w.told.clear();
    // The record of a call that is told good-bye stays open, as that of a transfer.
    w.audit.events.clear();
    w.finish();

    let (mut w, mut callee, call) = answered_in(World::with(keeping(), resources()));
    order(&mut w, call, 2, ApplicationOrder::Bridge(bridge_to("+12065550188")));
    let mut other = joined(&mut w, CARRIER);
    w.restart(keeping(), resources());
    assert_eq!(w.edge.active_calls(), 1);
    callee.hang_up(&mut w, &mut other);
    assert!(w.told.is_empty());
    w.finish();
}

#[test]
fn the_relay_loses_the_stream_and_the_node_stops() {
    for stops in [false, true] {
        let (mut w, mut callee, _) = answered();
        if stops {
            w.command(|edge, now| edge.end_all(now));
        } else {
            w.lose_media();
        }
        let bye = callee.expect(&mut w, "BYE");
        assert_eq!(bye.method(), Some(Method::Bye));
        callee.ok(&mut w);
        assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
        w.finish();
    }
}
