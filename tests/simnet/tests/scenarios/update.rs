//! UPDATE (RFC 3311), before and after the answer, and the longer intervals that it is asked for.

use crate::support::{prack, ring_reliably};
use simnet::{CARRIER, PBX, Ua, World};
use sip_proto::{HeaderName, Message};
use std::time::Duration;

pub(super) const ALLOW: (&str, &str) = ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE, PRACK");

fn has(message: &Message, line: &str) -> bool {
    String::from_utf8_lossy(message.body_bytes()).lines().any(|found| found == line)
}

/// A call whose legs have agreed on media before the answer. Both take UPDATE.
pub(super) fn early(w: &mut World) -> (Ua, Ua) {
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite_with(w, &[("Supported", "100rel"), ALLOW], Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let answer = pstn.sdp(40_000);
    ring_reliably(w, &mut pstn, 183, 1, Some(&answer));
    let early = pbx.expect(w, "183");
    prack(w, &mut pbx, &early, None);
    pbx.expect(w, "200");
    pstn.expect(w, "PRACK");
    pstn.ok(w);
    (pbx, pstn)
}

/// The answer after early media, and the end.
fn answer_and_hang_up(mut w: World, mut pbx: Ua, mut pstn: Ua) {
    pstn.reply(&mut w, 200, None);
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    w.advance(Duration::from_secs(5));
    pbx.expect_silence(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn an_early_update_passes_either_way_and_its_answer_comes_back() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = early(&mut w);
    let offer = pbx.sdp_with(31_000, 2, "sendonly");
    pbx.request(&mut w, "UPDATE", &[], Some(("application/sdp", &offer)));
    assert!(has(&pstn.expect(&mut w, "UPDATE"), "a=sendonly"));
    let answer = pstn.sdp_with(41_000, 2, "recvonly");
    pstn.ok_with_sdp(&mut w, &answer);
    assert!(has(&pbx.expect(&mut w, "200"), "a=recvonly"));
    assert_eq!(w.plan().legs[0].remote_rtp.unwrap().port(), 31_000);
    let offer = pstn.sdp_with(42_000, 3, "sendrecv");
    pstn.request(&mut w, "UPDATE", &[], Some(("application/sdp", &offer)));
    assert!(has(&pbx.expect(&mut w, "UPDATE"), "a=sendrecv"));
    let answer = pbx.sdp_with(32_000, 3, "sendrecv");
    pbx.ok_with_sdp(&mut w, &answer);
    assert!(has(&pstn.expect(&mut w, "200"), "a=sendrecv"));
    assert_eq!(w.plan().legs[0].remote_rtp.unwrap().port(), 32_000);
    assert_eq!(w.plan().legs[1].remote_rtp.unwrap().port(), 42_000);
    answer_and_hang_up(w, pbx, pstn);
}

#[test]
fn an_early_update_that_is_refused_or_crosses_another_changes_nothing() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = early(&mut w);
    let before = w.plan().clone();
    let offer = pbx.sdp_with(31_000, 2, "sendonly");
    pbx.request(&mut w, "UPDATE", &[], Some(("application/sdp", &offer)));
    pstn.expect(&mut w, "UPDATE");
    let mut crossing = pstn.clone();
    let other = pstn.sdp_with(41_000, 2, "sendonly");
    crossing.request(&mut w, "UPDATE", &[], Some(("application/sdp", &other)));
    crossing.expect(&mut w, "491");
    pbx.request(&mut w, "UPDATE", &[], Some(("application/sdp", &offer)));
    assert!(pbx.expect(&mut w, "500").header(HeaderName::RetryAfter).is_some());
    pstn.refuse(&mut w, 488, &[]);
    pbx.expect(&mut w, "488");
    assert_eq!(w.plan(), &before);
    pstn.cseq += 1;
    answer_and_hang_up(w, pbx, pstn);
}

#[test]
fn an_early_update_waits_for_the_first_answer_and_for_a_peer_that_takes_it() {
    // The first answer has not come reliably: 500 for the offerer, 491 for the answerer.
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite_with(&mut w, &[("Supported", "100rel")], Some(&offer));
    let mut pstn = w.callee(CARRIER);
    pstn.reply_with(&mut w, 180, &[ALLOW], None);
    pbx.expect(&mut w, "180");
    let mut other = pbx.clone();
    other.request(&mut w, "UPDATE", &[], Some(("application/sdp", &offer)));
    other.expect(&mut w, "500");
    pstn.request(&mut w, "UPDATE", &[], Some(("application/sdp", &offer)));
    pstn.expect(&mut w, "491");
    // Without an offer it moves the target, and nobody else hears of it.
    pstn.contact = "sip:moved@198.51.100.20:5099".to_owned();
    pstn.request(&mut w, "UPDATE", &[], None);
    pstn.expect(&mut w, "200");
    pbx.expect_silence(&mut w);
    // Leg A does not take UPDATE: the change has to wait for the answer.
    let answer = pstn.sdp(40_000);
    ring_reliably(&mut w, &mut pstn, 183, 1, Some(&answer));
    let early = pbx.expect(&mut w, "183");
    other.cseq += 1;
    pbx.cseq = other.cseq;
    prack(&mut w, &mut pbx, &early, None);
    pbx.expect(&mut w, "200");
    pstn.at = "198.51.100.20:5099".parse().unwrap();
    pstn.expect(&mut w, "PRACK");
    pstn.ok(&mut w);
    let change = pstn.sdp_with(41_000, 2, "sendrecv");
    pstn.request(&mut w, "UPDATE", &[], Some(("application/sdp", &change)));
    pstn.expect(&mut w, "504");
    pstn.at = CARRIER;
    pstn.contact = "sip:inner@198.51.100.20:5080".to_owned();
    answer_and_hang_up(w, pbx, pstn);
}

#[test]
fn an_early_update_dies_with_its_route_and_with_its_call() {
    for ends in ["route", "cancel", "silence"] {
        let mut w = World::new();
        let (mut pbx, mut pstn) = early(&mut w);
        let offer = pbx.sdp_with(31_000, 2, "sendonly");
        pbx.request(&mut w, "UPDATE", &[], Some(("application/sdp", &offer)));
        pstn.expect(&mut w, "UPDATE");
        match ends {
            "route" => {
                pstn.reply(&mut w, 486, None);
                pstn.expect(&mut w, "ACK");
                pbx.expect(&mut w, "487");
                pbx.expect(&mut w, "486");
                pbx.ack_failure(&mut w);
                pstn.ok(&mut w);
            }
            "cancel" => {
                pbx.cancel(&mut w);
                pbx.expect(&mut w, "200");
                let left: Vec<_> = w.take_all(PBX).iter().map(|m| m.status()).collect();
                assert_eq!(left, [Some(487), Some(487)]);
                pbx.ack_failure(&mut w);
                pstn.expect(&mut w, "CANCEL");
                pstn.reply(&mut w, 487, None);
                pstn.expect(&mut w, "ACK");
            }
            _ => {
                w.advance(Duration::from_secs(33));
                assert_eq!(w.edge.active_calls(), 1, "an early dialog outlives it");
                while w.take(CARRIER, None).is_some() {}
                while w.take(PBX, None).is_some() {}
                pstn.reply(&mut w, 200, None);
                pstn.expect(&mut w, "ACK");
                pbx.expect(&mut w, "200");
                pbx.ack(&mut w, None);
                pbx.hang_up(&mut w, &mut pstn);
            }
        }
        w.finish();
    }
}

#[test]
fn an_update_passes_as_update_where_the_other_leg_takes_it() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &[ALLOW], &[ALLOW]);
    for round in 2..5 {
        let offer = pbx.sdp_with(30_000 + 2 * round as u16, round, "sendonly");
        pbx.request(&mut w, "UPDATE", &[], Some(("application/sdp", &offer)));
        assert!(has(&pstn.expect(&mut w, "UPDATE"), "a=sendonly"));
        let answer = pstn.sdp_with(40_000 + 2 * round as u16, round, "recvonly");
        pstn.ok_with_sdp(&mut w, &answer);
        assert!(has(&pbx.expect(&mut w, "200"), "a=recvonly"));
        assert_eq!(w.plan().legs[1].remote_rtp.unwrap().port(), 40_000 + 2 * round as u16);
    }
    let offer = pstn.sdp_with(45_000, 9, "inactive");
    pstn.request(&mut w, "UPDATE", &[], Some(("application/sdp", &offer)));
    pbx.expect(&mut w, "UPDATE");
    pbx.refuse(&mut w, 488, &[]);
    pstn.expect(&mut w, "488");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn an_update_that_nobody_answers_ends_the_call() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &[ALLOW], &[ALLOW]);
    let offer = pbx.sdp_with(31_000, 2, "sendonly");
    pbx.request(&mut w, "UPDATE", &[], Some(("application/sdp", &offer)));
    for _ in 0..2 {
        pstn.expect(&mut w, "UPDATE");
        w.advance(Duration::from_millis(500));
    }
    w.advance(Duration::from_secs(31));
    while w.take(PBX, None).is_some() {}
    pstn.at = CARRIER;
    while let Some(message) = w.take(CARRIER, None) {
        if message.method() == Some(sip_proto::Method::Bye) {
            w.send(CARRIER, pstn.response(&message, 200, &[], None));
        }
    }
    assert_eq!(w.edge.active_calls(), 0);
    w.finish();
}

#[test]
fn a_422_to_a_forwarded_change_is_met_with_the_longer_interval() {
    for allow in ["INVITE, ACK, BYE", "INVITE, ACK, BYE, UPDATE"] {
        let mut w = World::new();
        let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &[], &[("Allow", allow)]);
        let (method, body) = if allow.contains("UPDATE") {
            ("UPDATE", ("application/sdp", pbx.sdp_with(31_000, 2, "sendonly")))
        } else {
            ("INVITE", ("application/sdp", pbx.sdp_with(31_000, 2, "sendonly")))
        };
        pbx.request(&mut w, "UPDATE", &[], Some((body.0, &body.1)));
        for round in 0..3 {
            let asked = pstn.expect(&mut w, method);
            let min_se = 2_000 + 100 * round;
            if round > 0 {
                let asked = asked.session_expires().unwrap().unwrap().seconds;
                assert_eq!(asked, min_se - 100);
            }
            let min_se = min_se.to_string();
            if method == "INVITE" {
                pstn.reply_with(&mut w, 422, &[("Min-SE", &min_se)], None);
                pstn.expect(&mut w, "ACK");
            } else {
                pstn.refuse(&mut w, 422, &[("Min-SE", &min_se)]);
            }
        }
        // A peer that is never content is refused like any other.
        pbx.expect(&mut w, "500");
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}
