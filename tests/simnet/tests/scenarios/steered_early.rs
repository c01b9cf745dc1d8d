//! Leg B's early media, which leg A of a steered call hears before leg B is there.

use crate::steered::{answered_with, file, hung_up, key, news, order, ringing_with, steering};
use directory::EarlyMedia;
use model::{ApplicationNews, ApplicationOrder, Bridge, LegSide, OtherMedia, TransactionId};
use simnet::{CARRIER, CARRIER_2, Ua, World, config};
use std::net::SocketAddr;
use std::time::Duration;

const A: LegSide = LegSide::A;
const B: LegSide = LegSide::B;

fn wanted() -> Bridge {
    Bridge {
        to: "+12065550177".into(),
        from: "+12065550500".into(),
        voice_connector: None,
        ring_timeout: Duration::from_secs(60),
        headers: Vec::new(),
        ringback: Some(file("ring.wav")),
    }
}

/// What leg A hears of us, and whether leg B's media takes its place.
fn tone(w: &World) -> Option<OtherMedia> {
    w.relay.playing.iter().find(|((_, to), _)| *to == A).map(|(_, playing)| playing.with)
}

/// Leg B is called; and where the steered call has leg B's place.
fn calling() -> (World, Ua, Ua, TransactionId, SocketAddr) {
    let (mut w, caller, call) = answered_with(World::with(config(), steering()));
    let place = w.relay.local()[1].rtp;
    order(&mut w, call, 2, ApplicationOrder::Bridge(wanted()));
    let callee = w.callee(CARRIER);
    assert_eq!(tone(&w), Some(OtherMedia::Yields));
    (w, caller, callee, call, place)
}

/// Both streams send to each other, and that of the call to leg B to leg B.
fn assert_heard(w: &World, place: SocketAddr, port: u16) {
    let [.., of_target, of_steered] = &w.relay.plans[..] else { panic!("two plans") };
    assert_eq!(of_target.legs[0].remote_rtp, Some(place), "leg B's place in the steered call");
    assert_eq!(of_target.legs[1].remote_rtp.unwrap().port(), port);
    assert_eq!(of_steered.legs[0].remote_rtp.unwrap().port(), 30_000);
    let other = of_steered.legs[1].remote_rtp.unwrap();
    assert_eq!(other.ip(), place.ip(), "leg A's place in the call to leg B");
    assert_eq!((of_target.joined, of_steered.joined), ([true, false], [false, true]));
    for plan in [of_target, of_steered] {
        assert!(plan.legs.iter().all(|leg| leg.sends_to && leg.accepts_from));
        assert_eq!(plan.timeouts, model::MediaTimeouts::default(), "who rings may be silent");
    }
}

fn leave(mut w: World, mut caller: Ua) {
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn leg_a_hears_leg_b_before_its_answer_and_after_it() {
    let (mut w, mut caller, mut callee, _, place) = calling();
    let body = callee.sdp(40_000);
    callee.reply(&mut w, 183, Some(&body));
    assert_heard(&w, place, 40_000);
    assert_eq!(tone(&w), Some(OtherMedia::Wins), "until leg B is heard");
    let plans = w.relay.plans.len();
    callee.reply(&mut w, 183, Some(&body));
    assert_eq!(w.relay.plans.len(), plans, "said twice");
    // Keys of somebody who is not there are nobody's.
    w.press(B, key('1'));
    assert_eq!(news(&mut w), [ApplicationNews::Ringing(B)]);
    callee.reply(&mut w, 200, Some(&body));
    callee.expect(&mut w, "ACK");
    callee.expect(&mut w, "INVITE");
    let body = callee.sdp_with(40_000, 2, "sendrecv");
    callee.reply(&mut w, 200, Some(&body));
    callee.expect(&mut w, "ACK");
    assert_eq!(news(&mut w), [ApplicationNews::Answered(B)], "\n{}", w.ladder());
    assert_eq!(tone(&w), None);
    let plan = w.plan();
    assert_eq!(plan.joined, [false; 2], "leg B itself is there");
    assert_eq!(plan.legs[0].remote_rtp.unwrap().port(), 30_000);
    assert_eq!(plan.legs[1].remote_rtp.unwrap().port(), 40_000);
    assert_eq!(w.edge.active_calls(), 1);
    caller.hang_up(&mut w, &mut callee);
    w.finish();
}

#[test]
fn leg_b_that_speaks_before_leg_a_has_acknowledged_is_heard_from_then_on() {
    let (mut w, mut caller, call) = ringing_with(World::with(config(), steering()));
    let place = w.relay.local()[1].rtp;
    order(&mut w, call, 1, ApplicationOrder::Bridge(wanted()));
    caller.expect(&mut w, "200");
    let mut callee = w.callee(CARRIER);
    let body = callee.sdp(40_000);
    callee.reply(&mut w, 183, Some(&body));
    assert_eq!(tone(&w), None, "the call is not there yet");
    caller.ack(&mut w, None);
    assert_heard(&w, place, 40_000);
    assert_eq!(tone(&w), Some(OtherMedia::Wins));
    callee.reply(&mut w, 486, None);
    callee.expect(&mut w, "ACK");
    news(&mut w);
    leave(w, caller);
}

#[test]
fn a_leg_b_that_is_heard_and_refuses_is_heard_no_more() {
    for gives_up in [false, true] {
        let (mut w, caller, mut callee, call, place) = calling();
        let body = callee.sdp(40_000);
        callee.reply(&mut w, 183, Some(&body));
        assert_heard(&w, place, 40_000);
        if gives_up {
            order(&mut w, call, 3, ApplicationOrder::HangUp { leg: Some(B), status: 480 });
            callee.expect(&mut w, "CANCEL");
            callee.ok(&mut w);
            callee.reply(&mut w, 487, None);
        } else {
            callee.reply(&mut w, 486, None);
        }
        callee.expect(&mut w, "ACK");
        assert!(matches!(
            news(&mut w)[..],
            [ApplicationNews::Ringing(B), ApplicationNews::BridgeFailed { .. }]
        ));
        assert_eq!(tone(&w), None);
        assert!(!w.plan().legs[1].sends_to && w.plan().legs[0].sends_to);
        order(&mut w, call, 4, ApplicationOrder::Bridge(wanted()));
        assert_eq!(tone(&w), Some(OtherMedia::Yields));
        let mut next = w.callee(CARRIER);
        let body = next.sdp(40_010);
        next.reply(&mut w, 183, Some(&body));
        assert_heard(&w, place, 40_010);
        next.reply(&mut w, 486, None);
        next.expect(&mut w, "ACK");
        w.told.clear();
        leave(w, caller);
    }
}

#[test]
fn the_next_carrier_is_heard_after_the_one_that_failed() {
    let (mut w, caller, mut callee, _, place) = calling();
    let body = callee.sdp(40_000);
    callee.reply(&mut w, 183, Some(&body));
    callee.reply(&mut w, 503, None);
    callee.expect(&mut w, "ACK");
    let mut second = w.callee(CARRIER_2);
    let body = second.sdp(40_020);
    second.reply(&mut w, 183, Some(&body));
    assert_heard(&w, place, 40_020);
    second.reply(&mut w, 486, None);
    second.expect(&mut w, "ACK");
    w.told.clear();
    leave(w, caller);
}

#[test]
fn a_caller_that_hangs_up_or_changes_while_leg_b_is_heard() {
    let (mut w, mut caller, mut callee, _, _) = calling();
    let body = callee.sdp(40_000);
    callee.reply(&mut w, 183, Some(&body));
    let moved = caller.sdp_with(30_010, 2, "sendrecv");
    caller.invite(&mut w, Some(&moved));
    caller.expect(&mut w, "200");
    caller.ack(&mut w, None);
    assert_eq!(w.plan().legs[0].remote_rtp.unwrap().port(), 30_010);
    assert!(w.plan().legs[1].sends_to, "leg B is heard on");
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
fn where_ringback_is_wanted_no_early_media_passes() {
    let mut resources = steering();
    resources.voice_connectors[0].early_media = EarlyMedia::Ringback;
    let mut w = World::with(config(), resources);
    let mut pbx = w.caller(simnet::PBX, "menu");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    pbx.expect(&mut w, "180");
    let call = w.told.remove(0).call;
    order(&mut w, call, 1, ApplicationOrder::Answer);
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    order(&mut w, call, 2, ApplicationOrder::Bridge(wanted()));
    let mut callee = w.callee(CARRIER);
    let body = callee.sdp(40_000);
    callee.reply(&mut w, 183, Some(&body));
    assert_eq!(tone(&w), Some(OtherMedia::Yields));
    assert!(!w.plan().legs[1].sends_to);
    callee.reply(&mut w, 486, None);
    callee.expect(&mut w, "ACK");
    w.told.clear();
    leave(w, pbx);
}
