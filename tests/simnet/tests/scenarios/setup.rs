//! From INVITE to ACK.

use model::{CallDirection, CallEventKind, EndedBy, Refusal};
use simnet::{CARRIER, EDGE, PBX, RelayMode, Ua, World};
use sip_proto::HeaderName;
use std::time::Duration;

#[test]
fn an_outbound_call_rings_is_answered_and_hung_up() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));

    let mut pstn = w.callee(CARRIER);
    let invite = pstn.invited.clone().unwrap();
    assert_eq!(invite.request_uri(), Some("sip:+12065550123@198.51.100.20:5080"));
    assert_eq!(invite.max_forwards().unwrap(), Some(69));
    assert_eq!(
        invite.header(HeaderName::From).unwrap().split(";tag").next(),
        Some("\"Alice\" <sip:+12065550100@203.0.113.1>")
    );
    pstn.reply(&mut w, 180, None);
    let ringing = pbx.expect(&mut w, "180");
    assert!(ringing.to().unwrap().tag().is_some());
    assert_eq!(ringing.contact().unwrap().unwrap().uri_text, format!("sip:tandem@{EDGE}"));

    let answer = pstn.sdp(40_000);
    pstn.answer(&mut w, &mut pbx, &answer);
    assert_eq!(w.edge.active_calls(), 1);

    let plan = w.plan();
    assert_eq!(plan.legs[0].remote_rtp, Some("192.0.2.10:30000".parse().unwrap()));
    assert_eq!(plan.legs[1].remote_rtp, Some("198.51.100.20:40000".parse().unwrap()));
    assert!(plan.legs.iter().all(|leg| leg.accepts_from && leg.sends_to));

    pbx.hang_up(&mut w, &mut pstn);
    assert_eq!((w.end().status, w.end().ended_by), (200, EndedBy::LegA));
    w.finish();
}

#[test]
fn an_inbound_call_reaches_the_pbx_and_names_its_carrier() {
    let mut w = World::new();
    let mut pstn = w.caller(CARRIER, "+12065550100");
    let offer = pstn.sdp(40_000);
    pstn.invite(&mut w, Some(&offer));
    let mut pbx = w.callee(PBX);
    assert_eq!(
        pbx.invited.as_ref().unwrap().request_uri(),
        Some("sip:+12065550100@192.0.2.10:5070")
    );
    let CallEventKind::Attempted { parties } = &w.audit.events[0].kind else { panic!() };
    assert_eq!(parties.direction, CallDirection::Inbound);
    assert_eq!(parties.carrier.as_ref().unwrap().as_str(), "first");
    let answer = pbx.sdp(30_000);
    pbx.answer(&mut w, &mut pstn, &answer);
    pbx.hang_up(&mut w, &mut pstn);
    assert_eq!(w.end().ended_by, EndedBy::LegB);
    w.finish();
}

#[test]
fn early_media_opens_both_directions_before_the_answer() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 183, Some(&answer));
    let progress = pbx.expect(&mut w, "183");
    assert!(!progress.body_bytes().is_empty());
    assert_eq!(w.plan().legs[1].remote_rtp, Some("198.51.100.20:40000".parse().unwrap()));
    // The answer without a body repeats what the 183 promised.
    pstn.reply(&mut w, 200, None);
    pstn.expect(&mut w, "ACK");
    let ok = pbx.expect(&mut w, "200");
    assert_eq!(ok.body_bytes(), progress.body_bytes(), "the same description, the same version");
    pbx.ack(&mut w, None);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_delayed_offer_travels_in_the_200_and_its_answer_in_the_ack() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    pbx.invite(&mut w, None);
    let mut pstn = w.callee(CARRIER);
    assert!(pstn.invited.as_ref().unwrap().body_bytes().is_empty());
    let offer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&offer));
    // The ACK to leg B waits for leg A's answer, also when the 200 comes again.
    pstn.expect_silence(&mut w);
    pstn.reply(&mut w, 200, Some(&offer));
    pstn.expect_silence(&mut w);
    let ok = pbx.expect(&mut w, "200");
    assert!(!ok.body_bytes().is_empty());
    let answer = pbx.sdp(30_000);
    pbx.ack(&mut w, Some(&answer));
    let ack = pstn.expect(&mut w, "ACK");
    assert!(!ack.body_bytes().is_empty());
    assert_eq!(w.plan().legs[0].remote_rtp, Some("192.0.2.10:30000".parse().unwrap()));
    // From now on a copy gets the same ACK.
    pstn.reply(&mut w, 200, Some(&offer));
    let again = pstn.expect(&mut w, "ACK");
    assert_eq!(again.raw(), ack.raw());
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_delayed_offer_that_is_not_answered_ends_both_legs() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    pbx.invite(&mut w, None);
    let mut pstn = w.callee(CARRIER);
    let offer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&offer));
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    pstn.expect(&mut w, "ACK");
    pstn.expect(&mut w, "BYE");
    pstn.ok(&mut w);
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    w.finish();
}

#[test]
fn an_answer_without_media_is_hung_up_and_the_caller_gets_502() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
    pstn.reply(&mut w, 200, None);
    pstn.expect(&mut w, "ACK");
    pstn.expect(&mut w, "BYE");
    pstn.ok(&mut w);
    pbx.expect(&mut w, "502");
    pbx.ack_failure(&mut w);
    w.finish();
}

#[test]
fn a_repeated_200_is_acknowledged_again() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    pstn.expect_silence(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_second_fork_that_answers_is_acknowledged_and_hung_up_once() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut fork = pstn.clone();
    fork.tag = "inner-tag-of-the-fork".to_owned();
    fork.contact = "sip:fork@198.51.100.20:5099".to_owned();
    let answer = fork.sdp(42_000);
    fork.reply(&mut w, 200, Some(&answer));
    fork.at = "198.51.100.20:5099".parse().unwrap();
    fork.expect(&mut w, "ACK");
    fork.expect(&mut w, "BYE");
    fork.ok(&mut w);
    // Its copy: an ACK, and no second BYE.
    let mut at_carrier = fork.clone();
    at_carrier.at = CARRIER;
    at_carrier.reply(&mut w, 200, Some(&answer));
    fork.expect(&mut w, "ACK");
    fork.expect_silence(&mut w);
    // The fork's own BYE is not the call's.
    fork.bye(&mut w);
    fork.expect(&mut w, "481");
    assert_eq!(w.edge.active_calls(), 1);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_repeated_invite_gets_the_last_response_again() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| ua.sdp(30_000));
    pstn.reply(&mut w, 486, None);
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "486");
    w.advance(Duration::from_millis(600));
    pbx.expect(&mut w, "486");
    pbx.ack_failure(&mut w);
    pbx.expect_silence(&mut w);
    w.finish();
}

#[test]
fn a_relay_that_never_answers_is_not_waited_for() {
    let mut w = World::new();
    w.relay.mode = RelayMode::Holds;
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    w.advance(Duration::from_millis(32_100));
    assert!(pbx.expect(&mut w, "503").header(HeaderName::RetryAfter).is_some());
    pbx.ack_failure(&mut w);
    assert_eq!(w.end().refusal, Some(Refusal::RelayUnavailable));
    // What comes too late is given back.
    w.answer_relay();
    assert_eq!(w.relay.open(), 0);
    w.finish();
}
