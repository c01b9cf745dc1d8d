//! Transfers whose far end refuses the media of its new one: it goes back to where it was, and the
//! calls that have two ends go on.

use crate::attended::{consulted, two_calls};
use crate::transfer::{expect_notify, part, referred, transfers};
use simnet::{CARRIER, PBX, Ua, World};
use sip_proto::HeaderName;
use std::time::Duration;

/// The transferee refuses what it is offered.
fn refuse_offer(w: &mut World, ua: &mut Ua, status: u16) {
    ua.expect(w, "INVITE");
    ua.reply(w, status, None);
    ua.expect(w, "ACK");
}

/// The target answers, and is hung up because the transferee refused.
fn answer_in_vain(w: &mut World, target: &mut Ua, transferee: &mut Ua) {
    let answer = target.sdp(41_000);
    target.reply(w, 200, Some(&answer));
    target.expect(w, "ACK");
    refuse_offer(w, transferee, 488);
}

fn hung_up(w: &mut World, ua: &mut Ua, reason: &str) {
    let bye = ua.expect(w, "BYE");
    assert!(bye.header(HeaderName::Reason).unwrap().contains(reason), "\n{}", w.ladder());
    ua.ok(w);
}

/// A call takes a change of its media from either end, on the ports that it had.
fn still_changes(w: &mut World, one: &mut Ua, other: &mut Ua) {
    let offer = one.sdp_with(34_000, 8, "sendonly");
    one.invite(w, Some(&offer));
    other.expect(w, "INVITE");
    let answer = other.sdp_with(44_000, 8, "recvonly");
    other.answer(w, one, &answer);
    let remotes = w.plan().legs.clone().map(|leg| leg.remote_rtp.unwrap().port());
    assert_eq!(remotes, [34_000, 44_000]);
}

#[test]
fn a_blind_transfer_leaves_the_transferee_with_the_transferor() {
    let (mut w, mut pbx, mut pstn, mut target) = referred();
    answer_in_vain(&mut w, &mut target, &mut pstn);
    hung_up(&mut w, &mut target, "488");
    expect_notify(&mut w, &mut pbx, "SIP/2.0 488 Not Acceptable Here");
    assert_eq!(transfers(&w), (vec![], vec![]));
    still_changes(&mut w, &mut pbx, &mut pstn);
    part(&mut w, &mut pbx, &mut pstn);
    w.finish();
}

#[test]
fn an_attended_transfer_leaves_both_calls() {
    let mut w = World::new();
    let [(mut first, mut one), (mut second, mut two)] = two_calls(&mut w);
    let target = consulted(&second);
    // A second attempt is as good as the first.
    for status in [606, 488] {
        first.request(&mut w, "REFER", &[("Refer-To", &target)], None);
        first.expect(&mut w, "202");
        expect_notify(&mut w, &mut first, "SIP/2.0 100 Trying");
        refuse_offer(&mut w, &mut one, status);
        let notify = first.expect(&mut w, "NOTIFY");
        let line = format!("SIP/2.0 {status} ");
        assert!(notify.body_bytes().starts_with(line.as_bytes()), "\n{}", w.ladder());
        first.ok(&mut w);
        two.expect_silence(&mut w);
        second.expect_silence(&mut w);
    }
    assert_eq!(w.edge.active_calls(), 2);
    still_changes(&mut w, &mut first, &mut one);
    still_changes(&mut w, &mut second, &mut two);
    second.hang_up(&mut w, &mut two);
    part(&mut w, &mut first, &mut one);
    assert_eq!(transfers(&w), (vec![], vec![]));
    w.finish();
}

#[test]
fn a_replacement_is_hung_up_and_the_replaced_leg_stays() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let replaces = format!("{};to-tag={};from-tag={}", pbx.call_id, pbx.remote_tag(), pbx.tag);
    let mut other = w.caller(PBX, "+12065550100");
    other.target = "sip:tandem@203.0.113.1:5060".to_owned();
    let offer = other.sdp(33_000);
    other.invite_with(&mut w, &[("Replaces", &replaces)], Some(&offer));
    other.expect(&mut w, "200");
    other.ack(&mut w, None);
    refuse_offer(&mut w, &mut pstn, 488);
    hung_up(&mut w, &mut other, "488");
    pbx.expect_silence(&mut w);
    still_changes(&mut w, &mut pbx, &mut pstn);
    part(&mut w, &mut pbx, &mut pstn);
    w.finish();
}

/// While the far end is asked, its old call has nobody to negotiate with, and may lose whoever is
/// left in it.
#[test]
fn whoever_hangs_up_meanwhile_is_not_waited_for() {
    for agrees in [true, false] {
        let mut w = World::new();
        let [(mut first, mut one), (mut second, mut two)] = two_calls(&mut w);
        let target = consulted(&second);
        first.request(&mut w, "REFER", &[("Refer-To", &target), ("Refer-Sub", "false")], None);
        first.expect(&mut w, "202");
        one.expect(&mut w, "INVITE");
        let hold = first.sdp_with(30_000, 5, "sendonly");
        first.invite(&mut w, Some(&hold));
        first.expect(&mut w, "491");
        first.ack_failure(&mut w);
        for ua in [&mut first, &mut second] {
            ua.bye(&mut w);
            ua.expect(&mut w, "200");
        }
        two.expect_silence(&mut w);
        if agrees {
            let body = one.sdp_with(42_000, 7, "sendrecv");
            one.reply(&mut w, 200, Some(&body));
            one.expect(&mut w, "ACK");
            crate::transfer::take_offer(&mut w, &mut two, 43_000);
            assert_eq!(transfers(&w).0.len(), 1);
            part(&mut w, &mut one, &mut two);
        } else {
            one.reply(&mut w, 488, None);
            one.expect(&mut w, "ACK");
            hung_up(&mut w, &mut two, "488");
            hung_up(&mut w, &mut one, "Transfer failed");
        }
        w.finish();
    }
}

/// A transferee that is gone takes the transfer with it: the transferor hears that it failed.
#[test]
fn a_transferee_that_is_silent_or_gone_ends_everything() {
    for status in [Some(481), None] {
        let (mut w, mut pbx, mut pstn, mut target) = referred();
        let answer = target.sdp(41_000);
        target.reply(&mut w, 200, Some(&answer));
        target.expect(&mut w, "ACK");
        match status {
            Some(status) => refuse_offer(&mut w, &mut pstn, status),
            None => {
                w.advance(Duration::from_secs(32));
                while w.take(CARRIER, Some(&pstn.call_id)).is_some() {}
            }
        }
        hung_up(&mut w, &mut target, "408");
        expect_notify(&mut w, &mut pbx, "SIP/2.0 480 Temporarily Unavailable");
        pbx.expect(&mut w, "BYE");
        pbx.ok(&mut w);
        assert_eq!((transfers(&w).0.len(), transfers(&w).1.len()), (1, 1));
        w.finish();
    }
}

/// The node stops while the transferee is asked.
#[test]
fn the_end_of_the_node_ends_a_transfer_under_way() {
    let (mut w, _, pstn, mut target) = referred();
    let answer = target.sdp(41_000);
    target.reply(&mut w, 200, Some(&answer));
    target.expect(&mut w, "ACK");
    w.command(|edge, now| edge.end_all(now));
    target.expect(&mut w, "BYE");
    target.ok(&mut w);
    assert_eq!(w.edge.active_calls(), 0);
    assert!(w.take(CARRIER, Some(&pstn.call_id)).is_some());
    w.finish();
}
