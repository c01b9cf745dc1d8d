//! One route after the other, and what the caller hears when none answers.

use model::{CallEventKind, EndedBy};
use simnet::{CARRIER, CARRIER_2, EDGE, PBX, Ua, World, carrier, config, directory};
use sip_proto::HeaderName;
use std::time::Duration;

fn calling(w: &mut World) -> Ua {
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(w, Some(&offer));
    pbx
}

fn answers(w: &mut World, pbx: &mut Ua, pstn: &mut Ua) {
    let answer = pstn.sdp(40_000);
    pstn.answer(w, pbx, &answer);
    pbx.hang_up(w, pstn);
}

#[test]
fn a_failed_route_is_followed_by_the_next_as_a_new_dialog() {
    for status in [500, 503, 408, 403, 480, 401] {
        let mut w = World::new();
        let mut pbx = calling(&mut w);
        let mut first = w.callee(CARRIER);
        first.reply(&mut w, status, None);
        first.expect(&mut w, "ACK");
        let mut second = w.callee(CARRIER_2);
        assert_ne!(first.call_id, second.call_id);
        answers(&mut w, &mut pbx, &mut second);
        let routes =
            w.audit.events.iter().filter(|e| matches!(e.kind, CallEventKind::Routed { .. }));
        assert_eq!(routes.count(), 2, "{status}");
        w.finish();
    }
}

#[test]
fn final_codes_end_the_hunt_and_reach_the_caller_with_their_reason() {
    for status in [404, 410, 484, 485, 486, 487, 600, 603, 604, 606, 607, 608] {
        let mut w = World::new();
        let mut pbx = calling(&mut w);
        let mut first = w.callee(CARRIER);
        first.reply_with(&mut w, status, &[("Reason", "Q.850;cause=17")], None);
        first.expect(&mut w, "ACK");
        let failed = pbx.expect(&mut w, &status.to_string());
        assert_eq!(failed.header(HeaderName::Reason), Some("Q.850;cause=17"));
        pbx.ack_failure(&mut w);
        assert!(w.take(CARRIER_2, None).is_none());
        assert_eq!((w.end().status, w.end().ended_by), (status, EndedBy::LegB));
        w.finish();
    }
}

#[test]
fn what_the_caller_hears_of_the_last_failure() {
    let table = [
        (503, "500"),
        (401, "502"),
        (407, "502"),
        (420, "500"),
        (488, "488"),
        (305, "480"),
        (580, "580"),
        (699, "699"),
    ];
    for (status, told) in table {
        let mut w = World::new();
        let mut pbx = calling(&mut w);
        for at in [CARRIER, CARRIER_2] {
            if status < 600 || at == CARRIER {
                let mut pstn = w.callee(at);
                pstn.reply(&mut w, status, None);
                pstn.expect(&mut w, "ACK");
            }
        }
        let failed = pbx.expect(&mut w, told);
        let reason = format!("SIP;cause={status}");
        assert_eq!(failed.header(HeaderName::Reason), Some(reason.as_str()));
        pbx.ack_failure(&mut w);
        w.finish();
    }
}

#[test]
fn a_moved_number_is_shown_at_our_host() {
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    for at in [CARRIER, CARRIER_2] {
        let mut pstn = w.callee(at);
        let moved = format!("<sip:+12065550199@{}>", at.ip());
        pstn.reply_with(&mut w, 302, &[("Contact", &moved)], None);
        pstn.expect(&mut w, "ACK");
    }
    let moved = pbx.expect(&mut w, "302");
    assert_eq!(moved.contact().unwrap().unwrap().uri_text, "sip:+12065550199@203.0.113.1");
    pbx.ack_failure(&mut w);
    w.finish();
}

#[test]
fn the_better_of_two_failures_is_told() {
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    let mut first = w.callee(CARRIER);
    first.reply(&mut w, 480, None);
    let mut second = w.callee(CARRIER_2);
    second.reply(&mut w, 503, None);
    pbx.expect(&mut w, "480");
    pbx.ack_failure(&mut w);
    w.finish();
}

#[test]
fn a_silent_route_is_given_up_in_its_time_and_cancelled_when_it_wakes() {
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    let mut first = w.callee(CARRIER);
    w.advance(Duration::from_millis(4_990));
    assert!(w.take(CARRIER_2, None).is_none());
    w.advance(Duration::from_millis(20));
    let mut second = w.callee(CARRIER_2);
    w.take_all(CARRIER);
    first.reply(&mut w, 180, None);
    first.expect(&mut w, "CANCEL");
    first.ok(&mut w);
    pbx.expect_silence(&mut w);
    // It answers all the same, and gets hung up.
    let answer = first.sdp(40_000);
    first.reply(&mut w, 200, Some(&answer));
    first.expect(&mut w, "ACK");
    first.expect(&mut w, "BYE");
    first.ok(&mut w);
    answers(&mut w, &mut pbx, &mut second);
    w.finish();
}

#[test]
fn a_100_gives_a_route_more_time_and_the_last_one_all_of_it() {
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    let mut first = w.callee(CARRIER);
    first.reply(&mut w, 100, None);
    w.advance(Duration::from_millis(19_900));
    first.expect_silence(&mut w);
    w.advance(Duration::from_millis(200));
    first.expect(&mut w, "CANCEL");
    let mut second = w.callee(CARRIER_2);
    second.reply(&mut w, 100, None);
    w.advance(Duration::from_secs(60));
    pbx.expect_silence(&mut w);
    answers(&mut w, &mut pbx, &mut second);
    w.finish();
}

#[test]
fn an_unreachable_route_is_followed_at_once() {
    let mut w = World::new();
    w.unreachable.push(CARRIER);
    let mut pbx = calling(&mut w);
    let mut second = w.callee(CARRIER_2);
    answers(&mut w, &mut pbx, &mut second);
    w.finish();

    // The network says so (ICMP).
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    w.command(|edge, now| edge.handle_peer_unreachable(now, CARRIER));
    let mut second = w.callee(CARRIER_2);
    answers(&mut w, &mut pbx, &mut second);
    w.finish();
}

#[test]
fn nobody_reachable_at_all() {
    let mut w = World::new();
    w.unreachable.extend([CARRIER, CARRIER_2]);
    let mut pbx = calling(&mut w);
    pbx.expect(&mut w, "500");
    pbx.ack_failure(&mut w);
    assert_eq!(w.end().ended_by, EndedBy::Edge);
    w.finish();
}

#[test]
fn a_callee_that_only_rings_ends_in_480_without_another_route() {
    let mut settings = config();
    settings.no_answer_timeout = Duration::from_secs(30);
    let mut w = World::with(settings, directory());
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    pstn.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    w.advance(Duration::from_secs(30));
    let failed = pbx.expect(&mut w, "480");
    assert!(failed.header(HeaderName::Reason).unwrap().contains("cause=19"));
    pbx.ack_failure(&mut w);
    pstn.expect(&mut w, "CANCEL");
    assert!(w.take(CARRIER_2, None).is_none());
    w.finish();
}

#[test]
fn without_a_route_it_is_404() {
    let mut resources = directory();
    resources.carriers.truncate(1);
    resources.carriers[0].prefixes = vec!["+44".into()];
    let mut w = World::with(config(), resources);
    let mut pbx = calling(&mut w);
    pbx.expect(&mut w, "404");
    pbx.ack_failure(&mut w);
    assert_eq!(w.end().refusal, Some(model::Refusal::NoRoute));
    w.finish();
}

#[test]
fn a_route_that_leads_back_to_us_is_a_loop() {
    let mut resources = directory();
    resources.carriers[0] = carrier("mirror", EDGE, "+", 1);
    resources.carriers[0].inbound_cidrs.clear();
    let mut w = World::with(config(), resources);
    let mut pbx = calling(&mut w);
    pbx.expect(&mut w, "482");
    pbx.ack_failure(&mut w);
    w.finish();
}

#[test]
fn the_longest_prefix_then_the_priority_then_the_weight_decide() {
    let mut resources = directory();
    resources.carriers.push(carrier("seattle", "203.0.116.5:5060".parse().unwrap(), "+1206", 9));
    let mut w = World::with(config(), resources);
    let _pbx = calling(&mut w);
    w.callee("203.0.116.5:5060".parse().unwrap());
    w.advance(Duration::from_secs(5));
    w.callee(CARRIER);

    let mut resources = directory();
    resources.carriers[1].priority = 1;
    resources.carriers[0].weight = 3;
    resources.voice_connectors[0].termination.as_mut().unwrap().cps_limit = 100_000;
    let mut w = World::with(config(), resources);
    let mut first = 0;
    for _ in 0..120 {
        let mut pbx = calling(&mut w);
        first += u32::from(w.take(CARRIER, None).is_some());
        w.take(CARRIER_2, None);
        pbx.cancel(&mut w);
        pbx.expect(&mut w, "200");
        pbx.expect(&mut w, "487");
        pbx.ack_failure(&mut w);
    }
    assert!((72..108).contains(&first), "{first} of 120 with a weight of 3 to 1");
    w.finish();
}

#[test]
fn a_named_route_is_resolved_and_each_of_its_addresses_tried() {
    let mut resources = directory();
    resources.carriers[0].host = directory::Host::parse("sip.carrier.example").unwrap();
    let mut w = World::with(config(), resources.clone());
    let other = "198.51.100.21:5080".parse().unwrap();
    w.names.insert("sip.carrier.example", vec![CARRIER, other]);
    let mut pbx = calling(&mut w);
    let mut first = w.callee(CARRIER);
    first.reply(&mut w, 503, None);
    let mut second = w.callee(other);
    answers(&mut w, &mut pbx, &mut second);
    w.finish();

    // A name that is not found, or not in time: the next route. A late answer is nobody's.
    for answer_late in [false, true] {
        let mut w = World::with(config(), resources.clone());
        let mut pbx = calling(&mut w);
        if answer_late {
            w.advance(Duration::from_secs(5));
            w.answer_question(&[CARRIER]);
        } else {
            w.answer_question(&[]);
        }
        assert!(w.take(CARRIER, None).is_none());
        let mut second = w.callee(CARRIER_2);
        answers(&mut w, &mut pbx, &mut second);
        w.finish();
    }
}

#[test]
fn the_answer_to_an_old_question_is_not_taken_for_the_present_one() {
    let mut resources = directory();
    resources.carriers[0].host = directory::Host::parse("slow.example").unwrap();
    resources.carriers[1].host = directory::Host::parse("second.example").unwrap();
    let mut w = World::with(config(), resources);
    let mut pbx = calling(&mut w);
    w.advance(Duration::from_secs(5));
    assert_eq!(w.questions.len(), 2);
    w.answer_question(&[CARRIER]);
    assert!(w.take(CARRIER, None).is_none());
    w.answer_question(&[CARRIER_2]);
    let mut second = w.callee(CARRIER_2);
    answers(&mut w, &mut pbx, &mut second);
    w.finish();
}

/// The first carrier's redirects are followed `limit` times, to itself and to the second one.
pub(super) fn following(limit: u8) -> World {
    let mut resources = directory();
    resources.carriers[0].redirects =
        ::directory::RedirectPolicy { limit, hosts: vec![::directory::Host::Ip(CARRIER_2.ip())] };
    resources.carriers.truncate(1);
    World::with(config(), resources)
}

#[test]
fn redirects_are_followed_in_order_of_preference_where_policy_allows() {
    let mut w = following(2);
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut first = w.callee(CARRIER);
    let targets = [
        // Nobody listed this host, and Britain is not among the connector's regions.
        "<sip:+12065550123@203.0.113.99>;q=1.0".to_owned(),
        format!("<sip:+442071838750@{CARRIER}>;q=0.9"),
        format!("<sips:+12065550199@{CARRIER}>;q=0.9"),
        "<tel:+12065550199>;q=0.9".to_owned(),
        format!("<sip:+12065550150@{CARRIER_2}>;q=0.2"),
        format!("<sip:+12065550199@{CARRIER}>;q=0.5"),
        format!("<sip:+12065550151@{CARRIER}>;q=0.1"),
    ];
    let contact = ("Contact", &*targets.join(", "));
    first.reply_with(&mut w, 302, &[contact], None);
    first.expect(&mut w, "ACK");
    let mut second = w.callee(CARRIER);
    let uri = second.invited.as_ref().unwrap().request_uri().unwrap().to_owned();
    assert_eq!(uri, format!("sip:+12065550199@{CARRIER}"));
    // A loop: both were called already.
    let again = format!("<sip:+12065550199@{CARRIER}>");
    second.reply_with(&mut w, 302, &[("Contact", &again)], None);
    second.expect(&mut w, "ACK");
    let mut third = w.callee(CARRIER_2);
    let uri = third.invited.as_ref().unwrap().request_uri().unwrap().to_owned();
    assert_eq!(uri, format!("sip:+12065550150@{CARRIER_2}"));
    // The limit of two is reached: the caller hears the rest.
    let more = format!("<sip:+12065550152@{CARRIER}>");
    third.reply_with(&mut w, 302, &[("Contact", &more)], None);
    third.expect(&mut w, "ACK");
    let told = pbx.expect(&mut w, "302");
    let contact = told.contact().unwrap().unwrap().uri_text.to_owned();
    assert!(contact.starts_with("sip:+12065550152@203.0.113.1"), "{contact}");
    pbx.ack_failure(&mut w);
    w.finish();
}

#[test]
fn a_followed_redirect_that_answers_is_a_call_like_any_other() {
    let mut w = following(1);
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut first = w.callee(CARRIER);
    let moved = format!("<sip:+12065550150@{CARRIER_2}>");
    first.reply_with(&mut w, 301, &[("Contact", &moved)], None);
    first.expect(&mut w, "ACK");
    let mut second = w.callee(CARRIER_2);
    let answer = second.sdp(40_000);
    second.answer(&mut w, &mut pbx, &answer);
    pbx.hang_up(&mut w, &mut second);
    w.finish();
}
