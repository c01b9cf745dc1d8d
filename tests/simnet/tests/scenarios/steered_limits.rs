//! What holds for a steered call beside its application's word: limits of leg B, and what comes late.

use crate::keys::{KEY, media_lines, one, over_tls, secure, with_required};
use crate::steered::{NUMBER, answered, answered_with, file, hung_up, news, order, steering};
use model::{ApplicationNews, ApplicationOrder, Bridge, LegSide, TransactionId, VoiceConnectorId};
use simnet::{CARRIER, CONNECTOR, PBX, Ua, World, config};
use sip_proto::Method;
use std::time::Duration;

const A: LegSide = LegSide::A;
const B: LegSide = LegSide::B;

fn wanted() -> Bridge {
    Bridge {
        to: "+12065550177".into(),
        from: "+12065550500".into(),
        voice_connector: None,
        ring_timeout: Duration::from_secs(30),
        headers: Vec::new(),
        ringback: Some(file("ring.wav")),
    }
}

fn to_connector() -> Bridge {
    let voice_connector = Some(VoiceConnectorId::new(CONNECTOR).unwrap());
    Bridge { voice_connector, to: "+12065550100".into(), ..wanted() }
}

/// Leg B answers, and then the re-INVITE that tells it of leg A's stream.
fn answer(w: &mut World, callee: &mut Ua, headers: &[(&str, &str)]) {
    let body = callee.sdp(40_000);
    callee.reply_with(w, 200, headers, Some(&body));
    callee.expect(w, "ACK");
    callee.expect(w, "INVITE");
    let body = callee.sdp_with(40_000, 2, "sendrecv");
    callee.reply_with(w, 200, headers, Some(&body));
    callee.expect(w, "ACK");
}

fn leave(mut w: World, mut caller: Ua) {
    caller.bye(&mut w);
    caller.expect(&mut w, "200");
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn a_caller_that_offers_nothing_is_bridged_at_once() {
    let mut w = World::with(config(), steering());
    let mut caller = w.caller(CARRIER, NUMBER);
    caller.invite(&mut w, None);
    caller.expect(&mut w, "180");
    let call = w.told.remove(0).call;
    order(&mut w, call, 2, ApplicationOrder::Bridge(wanted()));
    let told = caller.expect(&mut w, "200");
    assert!(!told.body_bytes().is_empty(), "it gets our offer");
    assert!(w.take_all(CARRIER).is_empty(), "where it takes media is not known yet");
    assert_eq!(news(&mut w), []);
    let body = caller.sdp(30_000);
    caller.ack(&mut w, Some(&body));
    let mut callee = w.callee(CARRIER);
    answer(&mut w, &mut callee, &[]);
    assert_eq!(news(&mut w), [ApplicationNews::Answered(A), ApplicationNews::Answered(B)]);
    let plan = w.plan();
    assert_eq!(plan.legs[0].remote_rtp.unwrap().port(), 30_000);
    assert_eq!(plan.legs[1].remote_rtp.unwrap().port(), 40_000);
    caller.hang_up(&mut w, &mut callee);
    w.finish();
}

#[test]
fn whom_a_caller_without_an_offer_wanted_is_forgotten_with_it() {
    let mut w = World::with(config(), steering());
    let mut caller = w.caller(CARRIER, NUMBER);
    caller.invite(&mut w, None);
    caller.expect(&mut w, "180");
    let call = w.told.remove(0).call;
    order(&mut w, call, 2, ApplicationOrder::Bridge(wanted()));
    caller.expect(&mut w, "200");
    // It answers our offer with nothing.
    caller.ack(&mut w, None);
    caller.expect(&mut w, "BYE");
    caller.ok(&mut w);
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn the_applications_limits_hold_for_calls_to_voice_connectors() {
    let mut resources = steering();
    resources.media_applications[0].cps_limit = 2;
    resources.media_applications[0].concurrent_calls_limit = 2;
    let (mut w, caller, call) = answered_with(World::with(config(), resources));
    let refused = |w: &mut World, number| {
        let all = news(w);
        assert_eq!(
            all,
            [ApplicationNews::BridgeFailed { order: number, status: 503 }],
            "\n{}",
            w.ladder()
        );
    };
    // Leg A and one leg B that rings are two; two a second were begun.
    for number in 2..4 {
        order(&mut w, call, number, ApplicationOrder::Bridge(to_connector()));
        let mut pbx = w.callee(PBX);
        pbx.reply(&mut w, 486, None);
        pbx.expect(&mut w, "ACK");
        assert_eq!(news(&mut w), [ApplicationNews::BridgeFailed { order: number, status: 486 }]);
    }
    order(&mut w, call, 4, ApplicationOrder::Bridge(to_connector()));
    refused(&mut w, 4);
    w.advance(Duration::from_secs(1));
    let mut second = w.caller(CARRIER, NUMBER);
    let offer = second.sdp(31_000);
    second.invite(&mut w, Some(&offer));
    second.expect(&mut w, "180");
    w.told.clear();
    order(&mut w, call, 5, ApplicationOrder::Bridge(to_connector()));
    refused(&mut w, 5);
    second.cancel(&mut w);
    while second.poll(&mut w).is_some() {}
    second.ack_failure(&mut w);
    w.told.clear();
    order(&mut w, call, 6, ApplicationOrder::Bridge(to_connector()));
    let mut pbx = w.callee(PBX);
    answer(&mut w, &mut pbx, &[]);
    assert_eq!(news(&mut w), [ApplicationNews::Answered(B)], "there is room again");
    let mut caller = caller;
    caller.hang_up(&mut w, &mut pbx);
    w.finish();
}

/// A customer's call that an application steers; its voice connector's calls last two minutes at most.
fn of_customer() -> (World, Ua, TransactionId) {
    let mut resources = steering();
    resources.voice_connectors[0].caps.max_call_duration = Some(Duration::from_secs(120));
    of_customer_with(resources)
}

fn of_customer_with(resources: directory::Resources) -> (World, Ua, TransactionId) {
    let mut w = World::with(config(), resources);
    let mut pbx = w.caller(PBX, "menu");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    pbx.expect(&mut w, "180");
    let call = w.told.remove(0).call;
    order(&mut w, call, 1, ApplicationOrder::Answer);
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    w.told.clear();
    (w, pbx, call)
}

#[test]
fn the_cap_of_a_leg_b_that_has_left_does_not_end_leg_as_call() {
    let (mut w, pbx, call) = of_customer();
    order(&mut w, call, 2, ApplicationOrder::Bridge(wanted()));
    let mut callee = w.callee(CARRIER);
    answer(&mut w, &mut callee, &[]);
    callee.bye(&mut w);
    callee.expect(&mut w, "200");
    w.told.clear();
    w.advance(Duration::from_secs(150));
    assert_eq!(news(&mut w), [], "\n{}", w.ladder());
    leave(w, pbx);
}

#[test]
fn what_leg_b_costs_counts_for_the_day_of_the_voice_connector() {
    let mut resources = steering();
    resources.voice_connectors[0].caps.minutes_per_day = Some(1);
    let (mut w, mut pbx, call) = of_customer_with(resources);
    order(&mut w, call, 2, ApplicationOrder::Bridge(wanted()));
    let mut callee = w.callee(CARRIER);
    answer(&mut w, &mut callee, &[]);
    w.advance(Duration::from_secs(61));
    callee.bye(&mut w);
    callee.expect(&mut w, "200");
    w.told.clear();
    order(&mut w, call, 3, ApplicationOrder::Bridge(wanted()));
    assert!(
        matches!(news(&mut w)[..], [ApplicationNews::BridgeFailed { order: 3, .. }]),
        "\n{}",
        w.ladder()
    );
    while pbx.poll(&mut w).is_some() {}
    leave(w, pbx);
}

#[test]
fn the_cap_of_a_leg_b_that_is_there_ends_the_call() {
    let (mut w, mut pbx, call) = of_customer();
    order(&mut w, call, 2, ApplicationOrder::Bridge(wanted()));
    let mut callee = w.callee(CARRIER);
    answer(&mut w, &mut callee, &[]);
    w.told.clear();
    w.advance(Duration::from_secs(121));
    for ua in [&mut pbx, &mut callee] {
        ua.expect(&mut w, "BYE");
        ua.ok(&mut w);
    }
    assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
    w.finish();
}

#[test]
fn what_a_leg_b_that_has_left_answers_later_does_not_end_leg_as_call() {
    for late in [Some(481), Some(408), Some(200), None] {
        let (mut w, caller, call) = answered();
        order(&mut w, call, 2, ApplicationOrder::Bridge(wanted()));
        let mut callee = w.callee(CARRIER);
        // We are to refresh its session.
        let timer = [("Session-Expires", "90;refresher=uac"), ("Require", "timer")];
        answer(&mut w, &mut callee, &timer);
        w.told.clear();
        let refresh = loop {
            w.advance(Duration::from_secs(1));
            if let Some(message) = callee.poll(&mut w) {
                break message;
            }
        };
        assert!(matches!(refresh.method(), Some(Method::Invite | Method::Update)));
        callee.bye(&mut w);
        callee.expect(&mut w, "200");
        assert_eq!(news(&mut w), [hung_up(B, false, 200)]);
        if let Some(status) = late {
            let body = callee.sdp_with(40_000, 2, "sendrecv");
            callee.reply(&mut w, status, (status == 200).then_some(&*body));
        }
        w.advance(Duration::from_secs(40));
        while callee.poll(&mut w).is_some() {}
        assert_eq!(news(&mut w), [], "{late:?}\n{}", w.ladder());
        assert_eq!(w.edge.active_calls(), 1);
        leave(w, caller);
    }
}

#[test]
fn a_caller_who_must_encrypt_cannot_answer_our_offer_in_plain() {
    for is_plain in [true, false] {
        let mut resources = with_required();
        let rules = steering();
        resources.media_applications = rules.media_applications;
        resources.sip_rules = rules.sip_rules;
        let mut w = over_tls(resources);
        let mut pbx = w.caller(PBX, "menu");
        pbx.transport = "TLS";
        pbx.invite(&mut w, None);
        pbx.expect(&mut w, "180");
        let call = w.told.remove(0).call;
        order(&mut w, call, 1, ApplicationOrder::Answer);
        let offered = pbx.expect(&mut w, "200");
        assert!(media_lines(&offered)[0].contains("RTP/SAVP"));
        let answer = match is_plain {
            true => pbx.sdp(30_000),
            false => secure(&mut w, PBX, 1, &one(4, KEY)),
        };
        pbx.ack(&mut w, Some(&answer));
        if is_plain {
            pbx.expect(&mut w, "BYE");
            pbx.ok(&mut w);
            assert_eq!(news(&mut w), [hung_up(A, false, 200)]);
            w.finish();
        } else {
            assert_eq!(news(&mut w), [ApplicationNews::Answered(A)]);
            leave(w, pbx);
        }
    }
}
