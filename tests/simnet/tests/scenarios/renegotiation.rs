//! Changes of an established call: hold and resume, glare, refusals, UPDATE.

use simnet::{CARRIER, PBX, Ua, World, sdp};
use sip_proto::{HeaderName, Message};
use std::time::Duration;

fn direction(message: &Message) -> String {
    let body = String::from_utf8_lossy(message.body_bytes()).into_owned();
    let known = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
    body.lines().find(|line| known.contains(line)).unwrap_or("none").to_owned()
}

/// One re-INVITE through both legs: `offer` by the asker, `answer` by the other.
fn renegotiate(
    w: &mut World,
    asker: &mut Ua,
    other: &mut Ua,
    offer: &str,
    answer: &str,
) -> [String; 2] {
    asker.invite(w, Some(offer));
    let seen_offer = direction(&other.expect(w, "INVITE"));
    other.reply(w, 200, Some(answer));
    other.expect(w, "ACK");
    let seen_answer = direction(&asker.expect(w, "200"));
    asker.ack(w, None);
    [seen_offer, seen_answer]
}

/// Whether media flows [from leg A, to leg A, from leg B, to leg B].
fn flows(w: &World) -> [bool; 4] {
    let [a, b] = &w.plan().legs;
    [a.accepts_from, a.sends_to, b.accepts_from, b.sends_to]
}

#[test]
fn hold_and_resume_by_either_side_follow_the_direction_table() {
    for from_carrier in [false, true] {
        let mut w = World::new();
        let (mut pbx, mut pstn) = Ua::establish(&mut w);
        let (asker, other) =
            if from_carrier { (&mut pstn, &mut pbx) } else { (&mut pbx, &mut pstn) };
        let mut version = 1;
        // Each with whether its writer sends and receives.
        let directions = [
            ("inactive", false, false),
            ("sendrecv", true, true),
            ("sendonly", true, false),
            ("recvonly", false, true),
        ];
        for (offered, offers_to_send, offers_to_receive) in directions {
            for (wanted, wants_to_send, wants_to_receive) in directions {
                version += 1;
                let offer = sdp(asker.at, 31_000, version, offered);
                let answer = sdp(other.at, 41_000, version, wanted);
                let seen = renegotiate(&mut w, asker, other, &offer, &answer);
                // RFC 3264 section 6.1: no more than the offer allows, seen from the answerer.
                let sends = wants_to_send && offers_to_receive;
                let receives = wants_to_receive && offers_to_send;
                let told = match (sends, receives) {
                    (true, true) => "sendrecv",
                    (true, false) => "sendonly",
                    (false, true) => "recvonly",
                    (false, false) => "inactive",
                };
                assert_eq!(seen, [format!("a={offered}"), format!("a={told}")], "{wanted}");
                let expected = if from_carrier {
                    [sends, receives, receives, sends]
                } else {
                    [receives, sends, sends, receives]
                };
                assert_eq!(flows(&w), expected, "{offered} answered {wanted}");
            }
        }
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

#[test]
fn hold_by_address_becomes_hold_by_direction() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let offer =
        pbx.sdp_with(30_000, 2, "sendrecv").replace("c=IN IP4 192.0.2.10", "c=IN IP4 0.0.0.0");
    pbx.invite(&mut w, Some(&offer));
    let seen = pstn.expect(&mut w, "INVITE");
    assert_eq!(direction(&seen), "a=sendonly");
    assert!(!String::from_utf8_lossy(seen.body_bytes()).contains("0.0.0.0\r\n"));
    let answer = pstn.sdp_with(40_000, 2, "recvonly");
    pstn.answer(&mut w, &mut pbx, &answer);
    assert!(!w.plan().legs[0].sends_to);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_re_invite_that_changes_nothing_is_answered_without_the_other_leg() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let (plans, same) = (w.relay.plans.len(), pbx.sdp(30_000));
    pbx.invite(&mut w, Some(&same));
    let ok = pbx.expect(&mut w, "200");
    assert!(!ok.body_bytes().is_empty());
    pstn.expect_silence(&mut w);
    pbx.ack(&mut w, None);
    assert_eq!(w.relay.plans.len(), plans);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_re_invite_without_an_offer_asks_the_other_leg_for_one() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.invite(&mut w, None);
    assert!(pstn.expect(&mut w, "INVITE").body_bytes().is_empty());
    let offer = pstn.sdp_with(42_000, 2, "sendrecv");
    pstn.reply(&mut w, 200, Some(&offer));
    pstn.expect_silence(&mut w);
    // A copy meanwhile must not be acknowledged without the answer.
    pstn.reply(&mut w, 200, Some(&offer));
    pstn.expect_silence(&mut w);
    pbx.expect(&mut w, "200");
    let answer = pbx.sdp_with(32_000, 2, "sendrecv");
    pbx.ack(&mut w, Some(&answer));
    let ack = pstn.expect(&mut w, "ACK");
    assert_eq!(direction(&ack), "a=sendrecv");
    assert_eq!(w.plan().legs[0].remote_rtp.unwrap().port(), 32_000);
    assert_eq!(w.plan().legs[1].remote_rtp.unwrap().port(), 42_000);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn crossing_re_invites_get_491_and_overlapping_ones_500() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let offer = pbx.sdp_with(30_000, 2, "sendonly");
    pbx.invite(&mut w, Some(&offer));
    pstn.expect(&mut w, "INVITE");
    let mut crossing = pstn.clone();
    let other_offer = pstn.sdp_with(40_000, 2, "sendonly");
    crossing.invite(&mut w, Some(&other_offer));
    crossing.expect(&mut w, "491");
    crossing.ack_failure(&mut w);
    let mut overlapping = pbx.clone();
    overlapping.invite(&mut w, Some(&offer));
    let refused = overlapping.expect(&mut w, "500");
    assert!(refused.retry_after().unwrap().is_some_and(|seconds| seconds < 10));
    overlapping.ack_failure(&mut w);
    // The first exchange goes on.
    let answer = pstn.sdp_with(40_000, 2, "recvonly");
    pstn.answer(&mut w, &mut pbx, &answer);
    pbx.cseq += 10;
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_refused_change_leaves_everything_as_it_was() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let (plans, before) = (w.relay.plans.len(), w.plan().clone());
    for (status, told) in [(488, "488"), (491, "491"), (606, "606"), (503, "500"), (401, "502")] {
        let offer = pbx.sdp_with(33_000, 9, "inactive");
        pbx.invite(&mut w, Some(&offer));
        let version = origin(&pstn.expect(&mut w, "INVITE"));
        assert_eq!(version, 2, "a refused version is used again");
        pstn.reply(&mut w, status, None);
        pstn.expect(&mut w, "ACK");
        pbx.expect(&mut w, told);
        pbx.ack_failure(&mut w);
    }
    assert_eq!((w.relay.plans.len(), w.plan()), (plans, &before));
    let same = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&same));
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    pstn.expect_silence(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

/// The version in the o= line.
fn origin(message: &Message) -> u64 {
    let body = String::from_utf8_lossy(message.body_bytes()).into_owned();
    let line = body.lines().find(|line| line.starts_with("o=")).unwrap();
    line.split(' ').nth(2).unwrap().parse().unwrap()
}

#[test]
fn a_change_that_the_far_end_knows_nothing_of_ends_the_call() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let offer = pbx.sdp_with(30_000, 2, "sendonly");
    pbx.invite(&mut w, Some(&offer));
    pstn.expect(&mut w, "INVITE");
    pstn.reply(&mut w, 481, None);
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "500");
    pbx.ack_failure(&mut w);
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    pstn.expect(&mut w, "BYE");
    pstn.ok(&mut w);
    w.finish();
}

#[test]
fn a_withdrawn_change_is_cancelled_on_the_other_leg() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let offer = pbx.sdp_with(30_000, 2, "sendonly");
    pbx.invite(&mut w, Some(&offer));
    pstn.expect(&mut w, "INVITE");
    pstn.reply(&mut w, 100, None);
    pbx.cancel(&mut w);
    pbx.expect(&mut w, "200");
    pbx.expect(&mut w, "487");
    pbx.ack_failure(&mut w);
    pstn.expect(&mut w, "CANCEL");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    pstn.expect(&mut w, "ACK");
    assert_eq!(w.edge.active_calls(), 1);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_withdrawn_change_that_was_taken_all_the_same_ends_the_call() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let offer = pbx.sdp_with(30_000, 2, "sendonly");
    pbx.invite(&mut w, Some(&offer));
    pstn.expect(&mut w, "INVITE");
    pbx.cancel(&mut w);
    pbx.expect(&mut w, "200");
    pbx.expect(&mut w, "487");
    pbx.ack_failure(&mut w);
    let answer = pstn.sdp_with(40_000, 2, "recvonly");
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    pstn.expect(&mut w, "BYE");
    pstn.ok(&mut w);
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    w.finish();
}

#[test]
fn an_update_changes_media_through_a_re_invite_and_refreshes_without_one() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.request(&mut w, "UPDATE", &[], None);
    pbx.expect(&mut w, "200");
    pstn.expect_silence(&mut w);
    let offer = pbx.sdp_with(34_000, 2, "sendrecv");
    pbx.request(&mut w, "UPDATE", &[], Some(("application/sdp", &offer)));
    pstn.expect(&mut w, "INVITE");
    let answer = pstn.sdp_with(44_000, 2, "sendrecv");
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    assert_eq!(direction(&pbx.expect(&mut w, "200")), "a=sendrecv");
    assert_eq!(w.plan().legs[0].remote_rtp.unwrap().port(), 34_000);
    // One that takes too long is answered in time and withdrawn.
    let slow = pbx.sdp_with(36_000, 3, "sendrecv");
    pbx.request(&mut w, "UPDATE", &[], Some(("application/sdp", &slow)));
    pstn.expect(&mut w, "INVITE");
    pstn.reply(&mut w, 180, None);
    w.advance(Duration::from_secs(25));
    pbx.expect(&mut w, "504");
    pstn.expect(&mut w, "CANCEL");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    pstn.expect(&mut w, "ACK");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn nothing_changes_before_the_call_is_established() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    pstn.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    let mut early = pbx.clone();
    early.request(&mut w, "UPDATE", &[], Some(("application/sdp", &offer)));
    assert!(early.expect(&mut w, "500").header(HeaderName::RetryAfter).is_some());
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    let body = pstn.sdp_with(40_000, 2, "sendonly");
    let mut eager = pstn.clone();
    eager.invite(&mut w, Some(&body));
    eager.expect(&mut w, "491");
    eager.ack_failure(&mut w);
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    pbx.cseq += 5;
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_bad_description_in_a_re_invite_is_refused_and_the_call_goes_on() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let video = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
        m=video 5000 RTP/AVP 96\r\n";
    for (body, status) in [("garbage", "400"), (video, "488")] {
        pbx.invite(&mut w, Some(body));
        pbx.expect(&mut w, status);
        pbx.ack_failure(&mut w);
        pstn.expect_silence(&mut w);
    }
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}
