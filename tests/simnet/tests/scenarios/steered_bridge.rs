//! Somebody called as leg B for an application, joined with leg A, and leaving again.

use crate::steered::{
    FIRST, answered, answered_with, file, heard, hung_up, key, news, order, ringing_with, steering,
};
use model::{
    ApplicationNews, ApplicationOrder, AudioSource, Bridge, LegSide, TransactionId,
    VoiceConnectorId,
};
use simnet::{CARRIER, CONNECTOR, PBX, Ua, World, config};
use sip_proto::Message;
use std::time::Duration;

const A: LegSide = LegSide::A;
const B: LegSide = LegSide::B;

pub(super) fn wanted() -> Bridge {
    Bridge {
        to: "+12065550177".into(),
        from: "+12065550500".into(),
        voice_connector: None,
        ring_timeout: Duration::from_secs(30),
        headers: vec![("X-Menu".into(), "sales".into())],
        ringback: Some(file("ring.wav")),
    }
}

fn failed(status: u16) -> ApplicationNews {
    ApplicationNews::BridgeFailed { order: 2, status }
}

/// The application has somebody called, who has the INVITE.
fn calling() -> (World, Ua, Ua, TransactionId) {
    let (mut w, caller, call) = answered();
    order(&mut w, call, 2, ApplicationOrder::Bridge(wanted()));
    let callee = w.callee(CARRIER);
    (w, caller, callee, call)
}

fn audio_port(message: &Message) -> String {
    let body = String::from_utf8_lossy(message.body_bytes()).into_owned();
    body.lines().find(|line| line.starts_with("m=audio")).unwrap_or_default().to_owned()
}

/// Leg B answers, and then the re-INVITE that tells it of leg A's stream.
pub(super) fn answer(w: &mut World, callee: &mut Ua) {
    let body = callee.sdp(40_000);
    callee.reply(w, 200, Some(&body));
    callee.expect(w, "ACK");
    callee.expect(w, "INVITE");
    let body = callee.sdp_with(40_000, 2, "sendrecv");
    callee.reply(w, 200, Some(&body));
    callee.expect(w, "ACK");
}

fn bridged() -> (World, Ua, Ua, TransactionId) {
    let (mut w, caller, mut callee, call) = calling();
    answer(&mut w, &mut callee);
    assert_eq!(news(&mut w), [ApplicationNews::Answered(B)], "\n{}", w.ladder());
    (w, caller, callee, call)
}

fn leave(mut w: World, mut caller: Ua) {
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn leg_b_is_called_rings_answers_and_hears_leg_a_which_is_left_in_peace() {
    let (mut w, caller, mut callee, _) = calling();
    let invite = callee.invited.clone().unwrap();
    assert_eq!(invite.header_named("X-Menu"), Some("sales"));
    assert!(invite.from().unwrap().uri_text.contains("+12065550500"));
    assert!(invite.request_uri().unwrap().contains("+12065550177"));
    assert_eq!(heard(&w, A), Some(file("ring.wav")));
    callee.reply(&mut w, 180, None);
    callee.reply(&mut w, 180, None);
    assert_eq!(news(&mut w), [ApplicationNews::Ringing(B)]);
    assert_eq!(w.edge.active_calls(), 2);
    answer(&mut w, &mut callee);
    assert_eq!(news(&mut w), [ApplicationNews::Answered(B)]);
    assert_eq!(heard(&w, A), None);
    assert_eq!(w.edge.active_calls(), 1, "the call to leg B is over\n{}", w.ladder());
    let plan = w.plan();
    assert_eq!(plan.legs[0].remote_rtp.unwrap().port(), 30_000);
    assert_eq!(plan.legs[1].remote_rtp.unwrap().port(), 40_000);
    assert!(plan.legs.iter().all(|leg| leg.sends_to && leg.accepts_from));
    caller.expect_silence(&mut w);
    let mut caller = caller;
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    callee.expect(&mut w, "BYE");
    callee.ok(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn without_a_tone_of_its_own_leg_a_hears_the_nodes_once_leg_b_rings() {
    let config = || b2bua::EdgeConfig { ringback: Some(model::Ringback::Europe), ..config() };
    let (mut w, caller, call) = answered_with(World::with(config(), steering()));
    let bridge = Bridge { ringback: None, ..wanted() };
    order(&mut w, call, 2, ApplicationOrder::Bridge(bridge));
    let mut callee = w.callee(CARRIER);
    assert_eq!(heard(&w, A), None);
    callee.reply(&mut w, 180, None);
    assert_eq!(heard(&w, A), Some(AudioSource::Ringback(model::Ringback::Europe)));
    callee.reply(&mut w, 486, None);
    callee.expect(&mut w, "ACK");
    assert_eq!(heard(&w, A), None);
    w.told.clear();
    leave(w, caller);
}

#[test]
fn leg_b_leaves_and_the_next_one_comes() {
    for ordered in [false, true] {
        let (mut w, caller, mut callee, call) = bridged();
        for round in 0..3 {
            if ordered {
                order(&mut w, call, 5, ApplicationOrder::HangUp { leg: Some(B), status: 480 });
                callee.expect(&mut w, "BYE");
                callee.ok(&mut w);
            } else {
                callee.bye(&mut w);
                callee.expect(&mut w, "200");
            }
            assert_eq!(news(&mut w), [hung_up(B, ordered, 200)]);
            let plan = w.plan();
            assert!(!plan.legs[1].sends_to && plan.legs[0].sends_to);
            order(
                &mut w,
                call,
                6,
                ApplicationOrder::Play { leg: A, source: file("x"), rounds: None },
            );
            assert_eq!(heard(&w, A), Some(file("x")));
            order(&mut w, call, 7, ApplicationOrder::StopPlaying { leg: A });
            if round < 2 {
                order(&mut w, call, 8, ApplicationOrder::Bridge(wanted()));
                callee = w.callee(CARRIER);
                answer(&mut w, &mut callee);
                assert_eq!(news(&mut w), [ApplicationNews::Answered(B)], "\n{}", w.ladder());
            }
        }
        leave(w, caller);
    }
}

#[test]
fn everybody_who_cannot_be_reached_is_told_of_and_leg_a_goes_on() {
    for status in [404, 486, 603] {
        let (mut w, caller, mut callee, _) = calling();
        callee.reply(&mut w, status, None);
        callee.expect(&mut w, "ACK");
        // The second carrier may be asked.
        while let Some(mut next) = w.take_all(simnet::CARRIER_2).first().map(|_| 0) {
            next += 1;
            assert!(next < 5);
        }
        w.advance(Duration::from_secs(40));
        let all = news(&mut w);
        assert!(matches!(all[..], [ApplicationNews::BridgeFailed { order: 2, .. }]), "{all:?}");
        assert_eq!(heard(&w, A), None);
        leave(w, caller);
    }
}

#[test]
fn numbers_that_may_not_be_called_are_refused_by_policy() {
    let (mut w, caller, call) = answered();
    // Japan is none of its countries.
    let bridge = Bridge { to: "+81312345678".into(), ..wanted() };
    order(&mut w, call, 2, ApplicationOrder::Bridge(bridge));
    assert_eq!(news(&mut w), [failed(403)]);
    for bridge in [
        Bridge { to: "5550100".into(), ..wanted() },
        Bridge { from: "anonymous".into(), ..wanted() },
        Bridge { ring_timeout: Duration::from_secs(121), ..wanted() },
        Bridge { headers: vec![("Via".into(), "x".into())], ..wanted() },
        Bridge { headers: vec![("X-A".into(), "a\r\nX-B: b".into())], ..wanted() },
    ] {
        order(&mut w, call, 3, ApplicationOrder::Bridge(bridge));
        assert!(matches!(news(&mut w)[..], [ApplicationNews::Refused { order: 3, .. }]));
    }
    leave(w, caller);
}

#[test]
fn an_application_that_takes_over_has_rules_of_its_own() {
    let mut resources = steering();
    resources.media_applications[1].calling_regions = Vec::new();
    let (mut w, mut caller, call) = ringing_with(World::with(config(), resources));
    w.command(|edge, now| edge.application_unreachable(now, call));
    w.told.clear();
    order(&mut w, call, 1, ApplicationOrder::Answer);
    caller.expect(&mut w, "200");
    caller.ack(&mut w, None);
    w.told.clear();
    // The first one may call the US.
    order(&mut w, call, 2, ApplicationOrder::Bridge(wanted()));
    assert_eq!(news(&mut w), [failed(403)]);
    leave(w, caller);
}

#[test]
fn who_does_not_answer_in_time_is_given_up() {
    let (mut w, caller, mut callee, _) = calling();
    callee.reply(&mut w, 180, None);
    w.advance(Duration::from_secs(29));
    assert_eq!(news(&mut w), [ApplicationNews::Ringing(B)]);
    w.advance(Duration::from_secs(1));
    assert_eq!(news(&mut w), [failed(408)]);
    callee.expect(&mut w, "CANCEL");
    callee.ok(&mut w);
    callee.reply(&mut w, 487, None);
    callee.expect(&mut w, "ACK");
    assert_eq!(w.edge.active_calls(), 1);
    leave(w, caller);
}

#[test]
fn an_application_gives_up_whom_it_has_called() {
    let (mut w, caller, mut callee, call) = calling();
    callee.reply(&mut w, 180, None);
    order(&mut w, call, 3, ApplicationOrder::HangUp { leg: Some(B), status: 480 });
    callee.expect(&mut w, "CANCEL");
    callee.ok(&mut w);
    // The answer has crossed it.
    let body = callee.sdp(40_000);
    callee.reply(&mut w, 200, Some(&body));
    callee.expect(&mut w, "ACK");
    callee.expect(&mut w, "BYE");
    callee.ok(&mut w);
    assert_eq!(news(&mut w), [ApplicationNews::Ringing(B), failed(487)]);
    leave(w, caller);
}

#[test]
fn a_caller_that_hangs_up_while_leg_b_rings_ends_both() {
    let (mut w, mut caller, mut callee, _) = calling();
    callee.reply(&mut w, 180, None);
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    callee.expect(&mut w, "CANCEL");
    callee.ok(&mut w);
    callee.reply(&mut w, 487, None);
    callee.expect(&mut w, "ACK");
    assert_eq!(news(&mut w), [ApplicationNews::Ringing(B), hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn either_leg_may_hang_up_while_leg_b_is_joined() {
    for (by_caller, by_order) in [(true, false), (false, false), (false, true)] {
        let (mut w, mut caller, mut callee, call) = calling();
        let body = callee.sdp(40_000);
        callee.reply(&mut w, 200, Some(&body));
        callee.expect(&mut w, "ACK");
        callee.expect(&mut w, "INVITE");
        if by_order {
            order(&mut w, call, 3, ApplicationOrder::HangUp { leg: Some(B), status: 480 });
            callee.expect(&mut w, "BYE");
            callee.ok(&mut w);
            assert_eq!(news(&mut w), [failed(487)]);
        } else if by_caller {
            caller.bye(&mut w);
            caller.expect(&mut w, "200");
            callee.expect(&mut w, "BYE");
            callee.ok(&mut w);
            assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
        } else {
            callee.bye(&mut w);
            callee.expect(&mut w, "200");
            assert_eq!(news(&mut w), [failed(480)]);
        }
        callee.reply(&mut w, 481, None);
        while let Some(message) = callee.poll(&mut w) {
            assert!(matches!(message.method(), Some(sip_proto::Method::Ack)), "\n{}", w.ladder());
        }
        if by_caller {
            w.finish();
        } else {
            leave(w, caller);
        }
    }
}

#[test]
fn a_leg_b_that_refuses_leg_as_media_is_hung_up_and_leg_a_goes_on() {
    for status in [488, 481] {
        let (mut w, caller, mut callee, _) = calling();
        let body = callee.sdp(40_000);
        callee.reply(&mut w, 200, Some(&body));
        callee.expect(&mut w, "ACK");
        callee.expect(&mut w, "INVITE");
        callee.reply(&mut w, status, None);
        callee.expect(&mut w, "ACK");
        callee.expect(&mut w, "BYE");
        callee.ok(&mut w);
        assert_eq!(news(&mut w), [failed(status)], "\n{}", w.ladder());
        assert_eq!(w.edge.active_calls(), 1);
        leave(w, caller);
    }
}

#[test]
fn a_call_that_is_not_answered_is_before_somebody_is_called() {
    let (mut w, mut caller, call) = ringing_with(World::with(config(), steering()));
    order(&mut w, call, 2, ApplicationOrder::Bridge(wanted()));
    caller.expect(&mut w, "200");
    let mut callee = w.callee(CARRIER);
    // The application need not know that it is on its way.
    order(&mut w, call, 3, ApplicationOrder::Answer);
    // Leg B is faster than leg A's ACK.
    let body = callee.sdp(40_000);
    callee.reply(&mut w, 200, Some(&body));
    callee.expect(&mut w, "ACK");
    callee.expect_silence(&mut w);
    caller.ack(&mut w, None);
    w.advance(Duration::from_millis(500));
    callee.expect(&mut w, "INVITE");
    let body = callee.sdp_with(40_000, 2, "sendrecv");
    callee.reply(&mut w, 200, Some(&body));
    callee.expect(&mut w, "ACK");
    assert_eq!(news(&mut w), [ApplicationNews::Answered(A), ApplicationNews::Answered(B)]);
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    callee.expect(&mut w, "BYE");
    callee.ok(&mut w);
    w.finish();
}

#[test]
fn leg_a_learns_of_a_format_that_leg_b_has_chosen() {
    let mut w = World::with(config(), steering());
    let mut caller = w.caller(CARRIER, crate::steered::NUMBER);
    let two = |text: String| {
        text.replace("AVP 0 101", "AVP 0 8 101")
            .replace("a=rtpmap:0 PCMU/8000", "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000")
    };
    let alaw = |text: String| {
        text.replace("AVP 0 101", "AVP 8 101")
            .replace("a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000")
    };
    let offer = two(caller.sdp(30_000));
    caller.invite(&mut w, Some(&offer));
    caller.expect(&mut w, "180");
    let call = w.told.remove(0).call;
    order(&mut w, call, 1, ApplicationOrder::Answer);
    caller.expect(&mut w, "200");
    caller.ack(&mut w, None);
    order(&mut w, call, 2, ApplicationOrder::Bridge(wanted()));
    let mut callee = w.callee(CARRIER);
    assert!(audio_port(callee.invited.as_ref().unwrap()).ends_with("RTP/AVP 0 8 101"));
    let body = alaw(callee.sdp(40_000));
    callee.reply(&mut w, 200, Some(&body));
    callee.expect(&mut w, "ACK");
    callee.expect(&mut w, "INVITE");
    let body = alaw(callee.sdp_with(40_000, 2, "sendrecv"));
    callee.reply(&mut w, 200, Some(&body));
    callee.expect(&mut w, "ACK");
    let told = caller.expect(&mut w, "INVITE");
    assert!(audio_port(&told).ends_with("RTP/AVP 8 101"), "{}", audio_port(&told));
    // Leg B leaves before leg A has answered: its answer still counts.
    callee.bye(&mut w);
    callee.expect(&mut w, "200");
    let body = alaw(caller.sdp_with(30_000, 2, "sendrecv"));
    caller.reply(&mut w, 200, Some(&body));
    caller.expect(&mut w, "ACK");
    w.told.clear();
    leave(w, caller);
}

#[test]
fn keys_of_either_leg_are_told_and_go_on_to_the_other() {
    let (mut w, mut caller, mut callee, call) = bridged();
    w.press(B, key('9'));
    w.press(A, key('3'));
    let (three, nine) = (key('3'), key('9'));
    assert_eq!(
        news(&mut w),
        [
            ApplicationNews::Key { leg: B, key: nine.key },
            ApplicationNews::Key { leg: A, key: three.key }
        ]
    );
    assert_eq!(w.relay.keys, [(A, 9, nine.duration), (B, 3, three.duration)]);
    let keys = vec![key('5').key];
    let duration = Duration::from_millis(100);
    order(&mut w, call, 3, ApplicationOrder::SendKeys { leg: B, keys, duration });
    assert_eq!(w.relay.keys.last(), Some(&(B, 5, duration)));
    caller.hang_up(&mut w, &mut callee);
    w.finish();
}

#[test]
fn a_leg_that_is_muted_is_not_heard_until_it_is_heard_again() {
    let (mut w, mut caller, mut callee, call) = bridged();
    order(&mut w, call, 3, ApplicationOrder::Mute { leg: A, on: true });
    assert!(matches!(heard(&w, B), Some(AudioSource::Octets(_))), "silence in its place");
    assert_eq!(heard(&w, A), None);
    order(&mut w, call, 4, ApplicationOrder::Play { leg: B, source: file("x"), rounds: Some(1) });
    assert_eq!(heard(&w, B), Some(file("x")));
    w.play_to_end(B);
    assert!(matches!(heard(&w, B), Some(AudioSource::Octets(_))), "silence again");
    order(&mut w, call, 5, ApplicationOrder::Mute { leg: A, on: false });
    assert_eq!(heard(&w, B), None);
    caller.hang_up(&mut w, &mut callee);
    w.finish();
}

#[test]
fn both_legs_renegotiate_while_they_are_joined() {
    let (mut w, mut caller, mut callee, _) = bridged();
    let hold = caller.sdp_with(30_000, 2, "sendonly");
    caller.invite(&mut w, Some(&hold));
    callee.expect(&mut w, "INVITE");
    let body = callee.sdp_with(40_000, 3, "recvonly");
    callee.answer(&mut w, &mut caller, &body);
    // Leg B leaves while leg A's next change is with it.
    let resume = caller.sdp_with(30_000, 3, "sendrecv");
    caller.invite(&mut w, Some(&resume));
    callee.expect(&mut w, "INVITE");
    callee.bye(&mut w);
    callee.expect(&mut w, "200");
    caller.expect(&mut w, "487");
    caller.ack_failure(&mut w);
    while let Some(message) = callee.poll(&mut w) {
        if message.method() == Some(sip_proto::Method::Cancel) {
            callee.ok(&mut w);
            callee.reply(&mut w, 487, None);
        }
    }
    assert_eq!(news(&mut w), [hung_up(B, false, 200)]);
    // And leg A may ask again, alone.
    caller.invite(&mut w, Some(&resume));
    caller.expect(&mut w, "200");
    caller.ack(&mut w, None);
    leave(w, caller);
}

#[test]
fn a_customer_is_called_through_its_voice_connector() {
    let (mut w, mut caller, call) = answered();
    let voice_connector = Some(VoiceConnectorId::new(CONNECTOR).unwrap());
    let to = "+12065550100".into();
    let bridge = Bridge { voice_connector, to, ..wanted() };
    order(&mut w, call, 2, ApplicationOrder::Bridge(bridge));
    let mut pbx = w.callee(PBX);
    answer(&mut w, &mut pbx);
    assert_eq!(news(&mut w), [ApplicationNews::Answered(B)]);
    caller.hang_up(&mut w, &mut pbx);
    w.told.clear();
    let _ = FIRST;
    w.finish();
}

#[test]
fn after_a_restart_two_legs_go_on_without_the_application() {
    let config = || b2bua::EdgeConfig { keep_calls: true, ..config() };
    let (mut w, mut caller, call) = answered_with(World::with(config(), steering()));
    order(&mut w, call, 2, ApplicationOrder::Bridge(wanted()));
    let mut callee = w.callee(CARRIER);
    answer(&mut w, &mut callee);
    assert_eq!((w.kept.len(), w.farewells.len()), (1, 0));
    w.restart(config(), steering());
    assert_eq!(w.edge.active_calls(), 1);
    w.told.clear();
    callee.hang_up(&mut w, &mut caller);
    assert!(w.told.is_empty());
    w.finish();
}
