//! How calls end.

use model::EndedBy;
use simnet::{CARRIER, PBX, Ua, World, config, directory};
use sip_proto::HeaderName;
use std::time::Duration;

#[test]
fn a_bye_carries_its_reason_to_the_other_leg() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pstn.request(
        &mut w,
        "BYE",
        &[("Reason", "Q.850;cause=16;text=\"bye\""), ("X-Why", "tired")],
        None,
    );
    pstn.expect(&mut w, "200");
    let bye = pbx.expect(&mut w, "BYE");
    assert_eq!(bye.header(HeaderName::Reason), Some("Q.850;cause=16;text=\"bye\""));
    assert_eq!(bye.header_named("X-Why"), Some("tired"));
    pbx.ok(&mut w);
    w.finish();
}

#[test]
fn every_message_of_a_call_is_told_of_it_to_the_last() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.request(&mut w, "BYE", &[], None);
    pbx.expect(&mut w, "200");
    pstn.expect(&mut w, "BYE");
    // The call is gone when this has been dealt with.
    pstn.ok(&mut w);
    assert_eq!(w.audit.strays, [""; 0]);
    w.finish();
}

#[test]
fn a_lost_ack_has_the_answer_repeated_and_then_both_legs_hung_up() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    w.advance(Duration::from_millis(31_900));
    let copies = w.take_all(PBX);
    let answers = copies.iter().filter(|m| m.status() == Some(200)).count();
    // At 0, 0.5, 1.5, 3.5, then every 4 s.
    assert_eq!(answers, 11);
    w.advance(Duration::from_millis(200));
    // The callee side may hang up without the ACK only now (RFC 3261 section 15).
    pbx.target = "sip:tandem@203.0.113.1:5060".to_owned();
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    let bye = pstn.expect(&mut w, "BYE");
    assert!(bye.header(HeaderName::Reason).unwrap().contains("408"));
    pstn.ok(&mut w);
    assert_eq!(w.end().ended_by, EndedBy::Edge);
    w.finish();
}

#[test]
fn an_answer_is_repeated_until_its_ack_and_not_after() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pbx.expect(&mut w, "200");
    w.advance(Duration::from_millis(700));
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    w.advance(Duration::from_secs(40));
    pbx.expect_silence(&mut w);
    assert_eq!(w.edge.active_calls(), 1);
    w.take_all(CARRIER);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_bye_from_leg_b_waits_for_leg_as_ack() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    pstn.bye(&mut w);
    pstn.expect(&mut w, "200");
    pbx.expect_silence(&mut w);
    pbx.ack(&mut w, None);
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    w.finish();
}

#[test]
fn a_bye_from_leg_a_before_its_ack_ends_both_at_once() {
    for delayed in [false, true] {
        let mut w = World::new();
        let mut pbx = w.caller(PBX, "+12065550123");
        let offer = pbx.sdp(30_000);
        pbx.invite(&mut w, Some(offer.as_str()).filter(|_| !delayed));
        let mut pstn = w.callee(CARRIER);
        let body = pstn.sdp(40_000);
        pstn.reply(&mut w, 200, Some(&body));
        pbx.expect(&mut w, "200");
        pbx.bye(&mut w);
        pbx.expect(&mut w, "200");
        pstn.expect(&mut w, "ACK");
        pstn.expect(&mut w, "BYE");
        pstn.ok(&mut w);
        w.finish();
    }
}

#[test]
fn crossing_byes_both_get_200() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    pstn.bye(&mut w);
    pstn.expect(&mut w, "BYE");
    pstn.expect(&mut w, "200");
    pstn.ok(&mut w);
    w.finish();
}

#[test]
fn a_bye_during_a_re_invite_ends_that_with_487() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let offer = pbx.sdp_with(30_000, 2, "sendonly");
    pbx.invite(&mut w, Some(&offer));
    pstn.expect(&mut w, "INVITE");
    pstn.bye(&mut w);
    pstn.expect(&mut w, "200");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    pbx.expect(&mut w, "487");
    pbx.ack_failure(&mut w);
    pstn.reply(&mut w, 487, None);
    w.finish();
}

#[test]
fn a_call_lives_no_longer_than_any_call_may() {
    let mut settings = config();
    settings.max_call_duration = Duration::from_secs(60);
    let mut w = World::with(settings.clone(), directory());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.advance(Duration::from_millis(59_900));
    pbx.expect_silence(&mut w);
    w.advance(Duration::from_millis(200));
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    pstn.expect(&mut w, "BYE");
    pstn.ok(&mut w);
    w.finish();

    // Also one that only rings.
    let mut w = World::with(settings, directory());
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    pstn.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    w.advance(Duration::from_secs(61));
    pbx.expect(&mut w, "408");
    pstn.expect(&mut w, "CANCEL");
    w.finish();
}

#[test]
fn at_the_limit_of_a_drain_every_call_ends() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut ringing = w.caller(PBX, "+12065550124");
    let offer = ringing.sdp(30_100);
    ringing.invite(&mut w, Some(&offer));
    let mut far = w.callee(CARRIER);
    far.reply(&mut w, 180, None);
    ringing.expect(&mut w, "180");
    w.command(|edge, now| edge.drain(now));
    let mut late = w.caller(PBX, "+12065550125");
    late.invite(&mut w, Some(&offer));
    assert!(late.expect(&mut w, "503").retry_after().unwrap().is_some());
    late.ack_failure(&mut w);
    assert_eq!(w.edge.active_calls(), 2);
    w.command(|edge, now| edge.end_all(now));
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    pstn.expect(&mut w, "BYE");
    pstn.ok(&mut w);
    ringing.expect(&mut w, "503");
    ringing.ack_failure(&mut w);
    far.expect(&mut w, "CANCEL");
    w.finish();
}

#[test]
fn a_peer_that_never_answers_our_bye_is_forgotten() {
    let mut w = World::new();
    let (mut pbx, _pstn) = Ua::establish(&mut w);
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    w.finish();
}

#[test]
fn a_call_that_is_over_leaves_the_table_before_its_transactions_end() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    assert_eq!(w.edge.statistics().calls, 1);
    pbx.hang_up(&mut w, &mut pstn);
    assert_eq!(w.edge.statistics().calls, 0, "the table must not hold 32 s of ended calls");
    assert!(w.edge.statistics().client_transactions > 0);
    w.finish();
}

#[test]
fn every_method_after_the_end_meets_nobody_and_harms_nothing() {
    let methods = ["PRACK", "UPDATE", "INFO", "OPTIONS", "REFER", "NOTIFY", "MESSAGE", "BYE"];
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    pstn.expect(&mut w, "BYE");
    // Leg B has not answered its BYE: the call is ending, and both sides go on talking.
    let mut late = pstn.clone();
    for ua in [&mut pbx, &mut late] {
        for method in methods {
            let body = ua.sdp_with(30_000, 7, "sendonly");
            let body = (method == "UPDATE").then_some(("application/sdp", &*body));
            ua.request(&mut w, method, &[("RAck", "1 1 INVITE")], body);
            let status = ua.expect_any(&mut w).status().unwrap();
            assert!(status >= 400 || matches!(method, "OPTIONS" | "BYE"), "{method}: {status}");
        }
        let body = ua.sdp_with(30_000, 8, "sendonly");
        ua.invite(&mut w, Some(&body));
        assert!(ua.expect_any(&mut w).status().is_some_and(|status| status >= 400));
        ua.ack_failure(&mut w);
    }
    pstn.refuse(&mut w, 481, &[]);
    for method in methods {
        pbx.request(&mut w, method, &[], None);
        assert!(pbx.expect_any(&mut w).status().is_some_and(|status| status >= 400), "{method}");
    }
    w.finish();
}

#[test]
fn a_bye_that_is_refused_or_challenged_ends_its_leg_all_the_same() {
    for status in [401, 407, 408, 481, 500] {
        let mut w = World::new();
        let (mut pbx, mut pstn) = Ua::establish(&mut w);
        pbx.bye(&mut w);
        pbx.expect(&mut w, "200");
        pstn.expect(&mut w, "BYE");
        pstn.refuse(&mut w, status, &[]);
        assert_eq!(w.edge.active_calls(), 0);
        pstn.expect_silence(&mut w);
        w.finish();
    }
}

#[test]
fn a_flood_inside_a_dialog_is_refused_and_the_leg_can_still_hang_up() {
    for method in ["UPDATE", "PRACK", "INFO"] {
        let mut w = World::new();
        let (mut pbx, mut pstn) = Ua::establish(&mut w);
        let mut refused = 0;
        for _ in 0..500 {
            pbx.request(&mut w, method, &[("RAck", "1 1 INVITE")], None);
            let answer = w.take(PBX, None);
            refused += u32::from(answer.is_some_and(|a| a.status() == Some(500)));
        }
        assert_eq!(refused, 450, "{method}");
        assert!(w.take_all(CARRIER).len() <= 50);
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}
