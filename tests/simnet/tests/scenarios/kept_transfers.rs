//! Transfers that are under way when their edge is started anew.

use crate::attended::{refer_to, two_calls};
use crate::transfer::{expect_notify, join, part, refer, take_offer};
use b2bua::EdgeConfig;
use model::UnixTime;
use simnet::{CARRIER, PBX, Ua, World, config, directory};
use sip_proto::{HeaderName, Message};
use std::time::Duration;

const LOST: &str = "SIP/2.0 503 Service Unavailable";

/// Keeps calls, and counts instants from the beginning of 2030.
fn keeping() -> EdgeConfig {
    let origin = UnixTime::from_millis(1_893_456_000_000);
    EdgeConfig { keep_calls: true, origin, ..config() }
}

fn restart(w: &mut World) {
    w.restart(keeping(), directory());
}

/// The PBX, the carrier that it talks to, and the target that it wants that one brought to.
fn referred() -> (World, Ua, Ua, Ua) {
    let mut w = World::with(keeping(), directory());
    let (mut pbx, pstn) = Ua::establish(&mut w);
    let target = refer(&mut w, &mut pbx);
    (w, pbx, pstn, target)
}

/// Nothing is left. Attempts of the edge before have no record, so that [`World::finish`] is no use.
fn over(mut w: World) {
    w.advance(Duration::from_secs(300));
    assert!(w.edge.is_idle(), "{:?}\n{}", w.edge.statistics(), w.ladder());
    assert_eq!(w.edge.active_calls(), 0);
    assert_eq!(w.relay.open(), 0);
    assert!(w.kept.is_empty() && w.farewells.is_empty() && w.setups.is_empty());
}

/// The INVITE that was not answered at all comes once more, and is cancelled as soon as it is.
fn is_cancelled(w: &mut World, target: &mut Ua) {
    let before = target.invited.clone().unwrap();
    let again = target.expect(w, "INVITE");
    for header in [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
        assert_eq!(again.header(header), before.header(header), "the same transaction");
    }
    assert!(again.body_bytes().is_empty(), "keys are nobody's business");
    target.reply(w, 180, None);
    is_withdrawn(w, target);
}

/// Its INVITE is cancelled.
fn is_withdrawn(w: &mut World, target: &mut Ua) {
    target.expect(w, "CANCEL");
    target.ok(w);
    target.reply(w, 487, None);
    target.expect(w, "ACK");
}

fn ends_with(w: &mut World, ua: &mut Ua, reason: &str) {
    let bye = ua.expect(w, "BYE");
    assert!(bye.header(HeaderName::Reason).unwrap().contains(reason), "{bye:?}");
    ua.ok(w);
}

fn version(message: &Message) -> u64 {
    let body = String::from_utf8_lossy(message.body_bytes()).into_owned();
    let line = body.lines().find(|line| line.starts_with("o=")).unwrap().to_owned();
    line.split(' ').nth(2).unwrap().parse().unwrap()
}

fn remotes(w: &World) -> [u16; 2] {
    w.plan().legs.clone().map(|leg| leg.remote_rtp.unwrap().port())
}

#[test]
fn a_call_whose_target_rang_goes_on_and_the_transfer_has_failed() {
    let (mut w, mut pbx, mut pstn, mut target) = referred();
    target.reply(&mut w, 180, None);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 180 Ringing");
    restart(&mut w);
    expect_notify(&mut w, &mut pbx, LOST);
    is_withdrawn(&mut w, &mut target);
    pstn.expect_silence(&mut w);
    assert_eq!((w.kept.len(), w.farewells.len()), (1, 0));
    // The transferor may try again.
    let mut target = refer(&mut w, &mut pbx);
    join(&mut w, &mut target, &mut pstn);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 200 OK");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    part(&mut w, &mut pstn, &mut target);
    over(w);
}

#[test]
fn a_target_that_answered_meanwhile_is_hung_up() {
    let (mut w, mut pbx, mut pstn, mut target) = referred();
    restart(&mut w);
    expect_notify(&mut w, &mut pbx, LOST);
    target.expect(&mut w, "INVITE");
    let answer = target.sdp(41_000);
    target.reply(&mut w, 200, Some(&answer));
    target.expect(&mut w, "ACK");
    target.expect(&mut w, "BYE");
    target.ok(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    over(w);
}

#[test]
fn who_waited_alone_for_the_target_is_hung_up() {
    let (mut w, mut pbx, mut pstn, mut target) = referred();
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    restart(&mut w);
    ends_with(&mut w, &mut pstn, "Transfer failed");
    is_cancelled(&mut w, &mut target);
    pbx.expect_silence(&mut w);
    over(w);
}

#[test]
fn without_a_subscription_nobody_is_told() {
    let mut w = World::with(keeping(), directory());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let headers = [("Refer-To", crate::transfer::TARGET), ("Refer-Sub", "false")];
    pbx.request(&mut w, "REFER", &headers, None);
    pbx.expect(&mut w, "202");
    let mut target = w.callee(CARRIER);
    restart(&mut w);
    pbx.expect_silence(&mut w);
    is_cancelled(&mut w, &mut target);
    pbx.hang_up(&mut w, &mut pstn);
    over(w);
}

/// The target has answered, and the transferee is asked whether it agrees to its media.
fn on_trial() -> (World, Ua, Ua, Ua, Message) {
    let (mut w, pbx, mut pstn, mut target) = referred();
    let answer = target.sdp(41_000);
    target.reply(&mut w, 200, Some(&answer));
    target.expect(&mut w, "ACK");
    let offer = pstn.expect(&mut w, "INVITE");
    (w, pbx, pstn, target, offer)
}

#[test]
fn who_was_being_joined_is_back_with_the_transferor_and_its_media() {
    let (mut w, mut pbx, mut pstn, mut target, offer) = on_trial();
    restart(&mut w);
    ends_with(&mut w, &mut target, "Edge restarted");
    expect_notify(&mut w, &mut pbx, LOST);
    let back = take_offer(&mut w, &mut pstn, 42_000);
    assert!(version(&back) > version(&offer), "no version twice");
    assert_eq!(remotes(&w), [30_000, 42_000]);
    pbx.hang_up(&mut w, &mut pstn);
    over(w);
}

#[test]
fn who_was_being_joined_and_has_nobody_to_go_back_to_is_hung_up() {
    let (mut w, mut pbx, mut pstn, mut target, _) = on_trial();
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    restart(&mut w);
    ends_with(&mut w, &mut target, "Edge restarted");
    ends_with(&mut w, &mut pstn, "Transfer failed");
    over(w);
}

#[test]
fn a_leg_that_refused_its_new_far_end_is_kept_with_the_old_one() {
    let (mut w, mut pbx, mut pstn, mut target, _) = on_trial();
    pstn.reply(&mut w, 488, None);
    pstn.expect(&mut w, "ACK");
    target.expect(&mut w, "BYE");
    target.ok(&mut w);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 488 Not Acceptable Here");
    restart(&mut w);
    pstn.expect_silence(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    over(w);
}

#[test]
fn a_transferor_that_was_to_be_hung_up_is() {
    let (mut w, mut pbx, mut pstn, mut target) = referred();
    join(&mut w, &mut target, &mut pstn);
    // It has not answered that the transfer is done.
    pbx.expect(&mut w, "NOTIFY");
    restart(&mut w);
    ends_with(&mut w, &mut pbx, "Edge restarted");
    assert_eq!(remotes(&w), [42_000, 41_000]);
    part(&mut w, &mut pstn, &mut target);
    over(w);
}

#[test]
fn both_calls_of_an_attended_transfer_go_on() {
    let mut w = World::with(keeping(), directory());
    let [(mut first, mut one), (mut second, mut two)] = two_calls(&mut w);
    refer_to(&mut w, &mut first, &second);
    one.expect(&mut w, "INVITE");
    restart(&mut w);
    expect_notify(&mut w, &mut first, LOST);
    take_offer(&mut w, &mut one, 42_000);
    two.expect_silence(&mut w);
    first.hang_up(&mut w, &mut one);
    second.hang_up(&mut w, &mut two);
    over(w);
}

#[test]
fn a_far_end_that_was_to_hear_of_the_new_media_does() {
    let mut w = World::with(keeping(), directory());
    let [(mut first, mut one), (mut second, mut two)] = two_calls(&mut w);
    refer_to(&mut w, &mut first, &second);
    take_offer(&mut w, &mut one, 42_000);
    let offer = two.expect(&mut w, "INVITE");
    first.expect(&mut w, "NOTIFY");
    restart(&mut w);
    for transferor in [&mut first, &mut second] {
        ends_with(&mut w, transferor, "Edge restarted");
    }
    let again = take_offer(&mut w, &mut two, 43_000);
    assert!(version(&again) > version(&offer));
    assert_eq!(remotes(&w), [42_000, 43_000]);
    part(&mut w, &mut one, &mut two);
    over(w);
}

#[test]
fn who_was_taking_a_legs_place_is_hung_up_and_the_leg_stays() {
    let mut w = World::with(keeping(), directory());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let replaces = format!("{};to-tag={};from-tag={}", pbx.call_id, pbx.remote_tag(), pbx.tag);
    let mut other = w.caller(PBX, "+12065550100");
    other.target = "sip:tandem@203.0.113.1:5060".to_owned();
    let offer = other.sdp(33_000);
    other.invite_with(&mut w, &[("Replaces", &replaces)], Some(&offer));
    other.expect(&mut w, "200");
    other.ack(&mut w, None);
    pstn.expect(&mut w, "INVITE");
    restart(&mut w);
    ends_with(&mut w, &mut other, "Edge restarted");
    take_offer(&mut w, &mut pstn, 42_000);
    assert_eq!(remotes(&w), [30_000, 42_000]);
    pbx.hang_up(&mut w, &mut pstn);
    over(w);
}
