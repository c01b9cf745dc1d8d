//! Attended transfers, and calls that replace a leg.

use crate::authentication as customer;
use crate::transfer::{expect_notify, part, released, take_offer, transfers};
use simnet::{CARRIER, CARRIER_2, PBX, Ua, World};
use std::time::Duration;

/// The PBX talks to one carrier, then to another.
pub(super) fn two_calls(w: &mut World) -> [(Ua, Ua); 2] {
    let first = Ua::establish(w);
    let mut pbx = w.caller(PBX, "+12065550124");
    let offer = pbx.sdp(31_000);
    pbx.invite(w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let body = pstn.sdp_with(43_000, 1, "sendrecv");
    pstn.answer(w, &mut pbx, &body);
    [first, (pbx, pstn)]
}

/// What a transferor puts into Refer-To for its own other dialog.
pub(super) fn consulted(of: &Ua) -> String {
    format!(
        "<sip:+12065550124@x.example?Replaces={}%3Bto-tag%3D{}%3Bfrom-tag%3D{}>",
        of.call_id.replace('@', "%40"),
        of.remote_tag(),
        of.tag
    )
}

/// Asks for a transfer to the far end of another call of its own.
pub(super) fn refer_to(w: &mut World, by: &mut Ua, other: &Ua) {
    by.request(w, "REFER", &[("Refer-To", &consulted(other))], None);
    by.expect(w, "202");
    expect_notify(w, by, "SIP/2.0 100 Trying");
}

#[test]
fn an_attended_transfer_joins_both_far_ends() {
    let mut w = World::new();
    let [(mut first, mut one), (mut second, mut two)] = two_calls(&mut w);
    refer_to(&mut w, &mut first, &second);
    take_offer(&mut w, &mut one, 42_000);
    let confirmed = take_offer(&mut w, &mut two, 43_000);
    let body = String::from_utf8_lossy(confirmed.body_bytes()).into_owned();
    assert!(body.contains("a=sendrecv"), "{body}");
    released(&mut w, &mut first);
    second.expect(&mut w, "BYE");
    second.ok(&mut w);
    let remotes = w.plan().legs.clone().map(|leg| leg.remote_rtp.unwrap().port());
    assert_eq!(remotes, [42_000, 43_000]);
    part(&mut w, &mut one, &mut two);
    assert_eq!(transfers(&w).0.len(), 1);
    w.finish();
}

#[test]
fn an_attended_transfer_waits_for_a_busy_leg() {
    let mut w = World::new();
    let [(mut first, mut one), (mut second, mut two)] = two_calls(&mut w);
    // The far end is just changing its media.
    let change = one.sdp_with(40_000, 3, "sendrecv");
    one.target = "sip:tandem@203.0.113.1:5060".to_owned();
    one.invite(&mut w, Some(&change));
    first.expect(&mut w, "INVITE");
    refer_to(&mut w, &mut first, &second);
    let body = first.sdp_with(30_000, 3, "sendrecv");
    first.answer(&mut w, &mut one, &body);
    one.expect_silence(&mut w);
    w.advance(Duration::from_millis(500));
    take_offer(&mut w, &mut one, 42_000);
    take_offer(&mut w, &mut two, 43_000);
    released(&mut w, &mut first);
    second.expect(&mut w, "BYE");
    second.ok(&mut w);
    part(&mut w, &mut one, &mut two);
    w.finish();
}

#[test]
fn an_attended_transfer_whose_target_hangs_up_leaves_the_first_call() {
    let mut w = World::new();
    let [(mut first, mut one), (mut second, mut two)] = two_calls(&mut w);
    let change = one.sdp_with(40_000, 3, "sendrecv");
    one.target = "sip:tandem@203.0.113.1:5060".to_owned();
    one.invite(&mut w, Some(&change));
    first.expect(&mut w, "INVITE");
    refer_to(&mut w, &mut first, &second);
    two.target = "sip:tandem@203.0.113.1:5060".to_owned();
    two.hang_up(&mut w, &mut second);
    expect_notify(&mut w, &mut first, "SIP/2.0 480 Temporarily Unavailable");
    let body = first.sdp_with(30_000, 3, "sendrecv");
    first.answer(&mut w, &mut one, &body);
    first.hang_up(&mut w, &mut one);
    w.finish();
}

#[test]
fn an_invite_with_replaces_takes_over_the_leg() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let replaces = format!("{};to-tag={};from-tag={}", pbx.call_id, pbx.remote_tag(), pbx.tag);
    let mut other = w.caller(PBX, "+12065550100");
    other.target = "sip:tandem@203.0.113.1:5060".to_owned();
    let offer = other.sdp(33_000);
    other.invite_with(&mut w, &[("Replaces", &replaces)], Some(&offer));
    other.expect(&mut w, "200");
    other.ack(&mut w, None);
    take_offer(&mut w, &mut pstn, 42_000);
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    let remotes = w.plan().legs.clone().map(|leg| leg.remote_rtp.unwrap().port());
    assert_eq!(remotes, [33_000, 42_000]);
    part(&mut w, &mut other, &mut pstn);
    w.finish();
}

/// Whoever knows a dialog must prove the password as for any other call.
#[test]
fn replaces_is_asked_for_credentials_first() {
    let mut w = customer::world();
    let (mut pbx, answerer) = customer::challenged(&mut w);
    let proof = customer::proof(&pbx, &answerer, customer::PASSWORD);
    customer::again(&mut w, &mut pbx, &proof);
    let mut pstn = w.callee(CARRIER);
    let answer = pstn.sdp(40_000);
    pstn.answer(&mut w, &mut pbx, &answer);

    let replaces = format!("{};to-tag={};from-tag={}", pbx.call_id, pbx.remote_tag(), pbx.tag);
    let mut other = w.caller(PBX, "+12065550100");
    let offer = other.sdp(33_000);
    other.invite_with(&mut w, &[("Replaces", &replaces)], Some(&offer));
    let asked = other.expect(&mut w, "401");
    other.ack_failure(&mut w);
    let answerer = customer::challenge(&asked);
    for (password, status) in [("a guess", "401"), (customer::PASSWORD, "200")] {
        // Before the proof nothing happens to the call.
        assert_eq!(w.edge.statistics().calls, 1);
        pstn.expect_silence(&mut w);
        pbx.expect_silence(&mut w);
        let proof = customer::proof(&other, &answerer, password);
        other.start_over();
        let headers = [("Replaces", &*replaces), ("Authorization", &*proof)];
        other.invite_with(&mut w, &headers, Some(&offer));
        other.expect(&mut w, status);
        if status == "401" {
            other.ack_failure(&mut w);
            w.advance(Duration::from_secs(5));
        }
    }
    other.ack(&mut w, None);
    take_offer(&mut w, &mut pstn, 42_000);
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    part(&mut w, &mut other, &mut pstn);
    w.finish();
}

#[test]
fn replaces_needs_a_dialog_of_ours_and_its_owner() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let named = |tag: &str| format!("{};to-tag={};from-tag={tag}", pbx.call_id, pbx.remote_tag());
    let (right, wrong) = (named(&pbx.tag), named("other"));
    for (from, replaces, status) in [
        (PBX, wrong.as_str(), "481"),
        (PBX, "nonsense", "400"),
        (PBX, &*format!("{right};early-only"), "486"),
        (CARRIER_2, right.as_str(), "403"),
    ] {
        let mut other = w.caller(from, "+12065550100");
        let offer = other.sdp(33_000);
        other.invite_with(&mut w, &[("Replaces", replaces)], Some(&offer));
        other.expect(&mut w, status);
        other.ack_failure(&mut w);
    }
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}
