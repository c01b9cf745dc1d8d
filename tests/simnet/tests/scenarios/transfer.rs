//! Transfers: REFER blind and attended, Replaces, and what goes wrong with them.

use directory::Refer;
use model::{CallEventKind, Refusal, TransactionId};
use simnet::{CARRIER, PBX, Ua, World, config, directory};
use sip_proto::{HeaderName, Message};
use std::time::Duration;

pub(super) const TARGET: &str = "<sip:+12065550177@tandem.example>";

/// The status line in a NOTIFY's fragment, and whether the subscription is over.
fn told(notify: &Message) -> (String, bool) {
    assert_eq!(notify.header(HeaderName::ContentType), Some("message/sipfrag;version=2.0"));
    assert!(notify.header(HeaderName::Event).unwrap().starts_with("refer"));
    let state = notify.header(HeaderName::SubscriptionState).unwrap();
    let line = String::from_utf8_lossy(notify.body_bytes()).trim_end().to_owned();
    (line, state.starts_with("terminated"))
}

pub(super) fn expect_notify(w: &mut World, ua: &mut Ua, line: &str) {
    let notify = ua.expect(w, "NOTIFY");
    assert_eq!(told(&notify), (line.to_owned(), !line.contains(" 1")), "\n{}", w.ladder());
    ua.ok(w);
}

/// A REFER that is accepted, and the target's INVITE.
pub(super) fn refer(w: &mut World, by: &mut Ua) -> Ua {
    by.request(w, "REFER", &[("Refer-To", TARGET)], None);
    let accepted = by.expect(w, "202");
    assert!(accepted.contact().unwrap().is_some());
    expect_notify(w, by, "SIP/2.0 100 Trying");
    w.callee(CARRIER)
}

/// A call whose caller has asked for a transfer: the PBX, the carrier, the target.
pub(super) fn referred() -> (World, Ua, Ua, Ua) {
    let mut w = World::new();
    let (mut pbx, pstn) = Ua::establish(&mut w);
    let target = refer(&mut w, &mut pbx);
    (w, pbx, pstn, target)
}

/// The target answers, and the transferee agrees to its media.
pub(super) fn join(w: &mut World, target: &mut Ua, transferee: &mut Ua) {
    let answer = target.sdp(41_000);
    target.reply(w, 200, Some(&answer));
    target.expect(w, "ACK");
    take_offer(w, transferee, 42_000);
}

/// An endpoint answers a re-INVITE and gets its ACK.
pub(super) fn take_offer(w: &mut World, ua: &mut Ua, port: u16) -> Message {
    let offer = ua.expect(w, "INVITE");
    let body = ua.sdp_with(port, 7, "sendrecv");
    ua.reply(w, 200, Some(&body));
    ua.expect(w, "ACK");
    offer
}

/// The transferor hears that its transfer is done, and is hung up.
pub(super) fn released(w: &mut World, by: &mut Ua) {
    expect_notify(w, by, "SIP/2.0 200 OK");
    by.expect(w, "BYE");
    by.ok(w);
}

/// Both far ends of a joined call hang up through the edge, and know nothing of it before.
pub(super) fn part(w: &mut World, one: &mut Ua, other: &mut Ua) {
    assert_eq!(w.edge.active_calls(), 1, "\n{}", w.ladder());
    one.hang_up(w, other);
}

pub(super) fn transfers(w: &World) -> (Vec<TransactionId>, Vec<TransactionId>) {
    let (mut to, mut from) = (Vec::new(), Vec::new());
    for event in &w.audit.events {
        match event.kind {
            CallEventKind::Transferred { to: call } => to.push(call),
            CallEventKind::TookOver { from: call } => from.push(call),
            _ => {}
        }
    }
    (to, from)
}

#[test]
fn a_blind_transfer_joins_the_far_end_to_the_target() {
    let (mut w, mut pbx, mut pstn, mut target) = referred();
    let invite = target.invited.clone().unwrap();
    assert!(invite.request_uri().unwrap().starts_with("sip:+12065550177@"), "routed by number");
    assert!(invite.header(HeaderName::ReferredBy).unwrap().contains("+12065550100@203.0.113.1"));
    let offer = String::from_utf8_lossy(invite.body_bytes()).into_owned();
    assert!(offer.contains("RTP/AVP 0 101") && offer.contains("a=sendrecv"), "{offer}");
    target.reply(&mut w, 180, None);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 180 Ringing");
    join(&mut w, &mut target, &mut pstn);
    released(&mut w, &mut pbx);
    let plan = w.plan().clone();
    let remotes = plan.legs.map(|leg| leg.remote_rtp.unwrap().port());
    assert_eq!(remotes, [42_000, 41_000]);
    part(&mut w, &mut pstn, &mut target);
    let (to, from) = transfers(&w);
    assert_eq!((to.len(), from.len()), (1, 1));
    assert_ne!(to, from);
    assert_eq!(w.audit.ends()[0].cause, "transferred");
    w.finish();
}

#[test]
fn the_origin_line_of_the_transferee_goes_on() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let first = String::from_utf8_lossy(pstn.invited.clone().unwrap().body_bytes()).into_owned();
    let mut target = refer(&mut w, &mut pbx);
    let answer = target.sdp(41_000);
    target.reply(&mut w, 200, Some(&answer));
    target.expect(&mut w, "ACK");
    let offer = take_offer(&mut w, &mut pstn, 42_000);
    let second = String::from_utf8_lossy(offer.body_bytes()).into_owned();
    let origin = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("o=")).unwrap().to_owned();
        let mut fields = line.split(' ').map(str::to_owned);
        (fields.nth(1).unwrap(), fields.next().unwrap().parse::<u64>().unwrap())
    };
    assert_eq!(origin(&first).0, origin(&second).0, "RFC 3264 section 8: the same id");
    assert_eq!(origin(&first).1 + 1, origin(&second).1, "one version more");
    released(&mut w, &mut pbx);
    part(&mut w, &mut target, &mut pstn);
    w.finish();
}

#[test]
fn a_transferee_on_hold_is_offered_a_stream_both_ways() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let hold = pbx.sdp_with(30_000, 2, "sendonly");
    pbx.invite(&mut w, Some(&hold));
    pstn.expect(&mut w, "INVITE");
    let held = pstn.sdp_with(40_000, 2, "recvonly");
    pstn.answer(&mut w, &mut pbx, &held);
    let mut target = refer(&mut w, &mut pbx);
    let invite = target.invited.clone().unwrap();
    assert!(String::from_utf8_lossy(invite.body_bytes()).contains("a=sendrecv"));
    join(&mut w, &mut target, &mut pstn);
    released(&mut w, &mut pbx);
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}

#[test]
fn an_early_bye_of_the_transferor_does_not_end_the_transfer() {
    let (mut w, mut pbx, mut pstn, mut target) = referred();
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    pstn.expect_silence(&mut w);
    // Nobody is there to negotiate with.
    let hold = pstn.sdp_with(40_000, 5, "sendonly");
    pstn.target = "sip:tandem@203.0.113.1:5060".to_owned();
    pstn.invite(&mut w, Some(&hold));
    pstn.expect(&mut w, "491");
    pstn.ack_failure(&mut w);
    join(&mut w, &mut target, &mut pstn);
    // The subscription outlives the BYE (RFC 5057 section 5.1), and its refusal ends only itself.
    pbx.expect(&mut w, "NOTIFY");
    pbx.refuse(&mut w, 481, &[]);
    pbx.expect_silence(&mut w);
    part(&mut w, &mut target, &mut pstn);
    w.finish();
}

#[test]
fn a_target_that_fails_leaves_the_transferee_with_the_transferor() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    for attempt in 0..2 {
        pbx.request(&mut w, "REFER", &[("Refer-To", TARGET)], None);
        pbx.expect(&mut w, "202");
        let notify = pbx.expect(&mut w, "NOTIFY");
        let event = notify.header(HeaderName::Event).unwrap();
        assert_eq!(event.contains(";id="), attempt > 0, "RFC 3515 section 2.4.6");
        pbx.ok(&mut w);
        let mut target = w.callee(CARRIER);
        target.reply(&mut w, 486, None);
        target.expect(&mut w, "ACK");
        expect_notify(&mut w, &mut pbx, "SIP/2.0 486 Busy Here");
    }
    assert_eq!(w.edge.active_calls(), 1);
    pbx.hang_up(&mut w, &mut pstn);
    assert_eq!(transfers(&w), (vec![], vec![]));
    w.finish();
}

#[test]
fn a_target_that_fails_after_the_transferor_has_left_ends_the_call() {
    let (mut w, mut pbx, mut pstn, mut target) = referred();
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    target.reply(&mut w, 486, None);
    target.expect(&mut w, "ACK");
    let bye = pstn.expect(&mut w, "BYE");
    assert!(bye.header(HeaderName::Reason).unwrap().contains("Transfer failed"));
    pstn.ok(&mut w);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 486 Busy Here");
    w.finish();
}

#[test]
fn a_transferee_that_hangs_up_withdraws_the_call_to_the_target() {
    let (mut w, mut pbx, mut pstn, mut target) = referred();
    target.reply(&mut w, 180, None);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 180 Ringing");
    pstn.target = "sip:tandem@203.0.113.1:5060".to_owned();
    pstn.bye(&mut w);
    pstn.expect(&mut w, "200");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    target.expect(&mut w, "CANCEL");
    target.ok(&mut w);
    target.reply(&mut w, 487, None);
    target.expect(&mut w, "ACK");
    expect_notify(&mut w, &mut pbx, "SIP/2.0 487 Request Terminated");
    w.finish();
}

#[test]
fn without_a_subscription_the_transferor_is_hung_up_at_once() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.request(&mut w, "REFER", &[("Refer-To", TARGET), ("Refer-Sub", "false")], None);
    let accepted = pbx.expect(&mut w, "202");
    assert_eq!(accepted.header(HeaderName::ReferSub), Some("false"));
    pbx.expect_silence(&mut w);
    let mut target = w.callee(CARRIER);
    join(&mut w, &mut target, &mut pstn);
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}

#[test]
fn notifies_that_are_lost_keep_their_order_and_stop_nothing() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.request(&mut w, "REFER", &[("Refer-To", TARGET)], None);
    pbx.expect(&mut w, "202");
    let first = pbx.expect(&mut w, "NOTIFY");
    let mut target = w.callee(CARRIER);
    target.reply(&mut w, 180, None);
    join(&mut w, &mut target, &mut pstn);
    w.advance(Duration::from_millis(600));
    let again = pbx.expect(&mut w, "NOTIFY");
    assert_eq!(first.raw(), again.raw(), "nothing newer before the first is answered");
    pbx.ok(&mut w);
    // 180 was overtaken by the answer.
    released(&mut w, &mut pbx);
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}

#[test]
fn a_silent_transferor_is_hung_up_in_the_end() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.request(&mut w, "REFER", &[("Refer-To", TARGET)], None);
    pbx.expect(&mut w, "202");
    let mut target = w.callee(CARRIER);
    join(&mut w, &mut target, &mut pstn);
    w.advance(Duration::from_secs(33));
    let last = w.take_all(PBX).pop().unwrap();
    assert_eq!(last.method().unwrap().as_str(), "BYE");
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}

#[test]
fn a_transfer_is_policed_as_an_outbound_call() {
    let mut resources = directory();
    resources.voice_connectors[0].termination.as_mut().unwrap().concurrent_calls_limit = 2;
    let mut w = World::with(config(), resources);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    for (target, status) in [
        ("<sip:+442079460000@x.example>", "403"),
        ("<sip:201@192.0.2.10>", "404"),
        ("<sip:+12065550177@x.example;method=BYE>", "603"),
        ("not an address <", "400"),
        ("<sip:+12065550177@x.example?Replaces=unknown%3Bto-tag%3Da%3Bfrom-tag%3Db>", "404"),
    ] {
        pbx.request(&mut w, "REFER", &[("Refer-To", target)], None);
        pbx.expect(&mut w, status);
    }
    assert_eq!(w.refusals(), [Refusal::RegionNotAllowed, Refusal::NotE164]);
    // The second of two calls that the connector may have is the transfer's own.
    let mut second = w.caller(PBX, "+12065550124");
    let offer = second.sdp(31_000);
    second.invite(&mut w, Some(&offer));
    let mut other = w.callee(CARRIER);
    pbx.request(&mut w, "REFER", &[("Refer-To", TARGET)], None);
    pbx.expect(&mut w, "503");
    other.reply(&mut w, 486, None);
    other.expect(&mut w, "ACK");
    second.expect(&mut w, "486");
    second.ack_failure(&mut w);
    let mut target = refer(&mut w, &mut pbx);
    join(&mut w, &mut target, &mut pstn);
    released(&mut w, &mut pbx);
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}

#[test]
fn a_carrier_may_not_spend_the_customers_money() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pstn.request(&mut w, "REFER", &[("Refer-To", TARGET)], None);
    pstn.expect(&mut w, "603");
    pstn.request(&mut w, "NOTIFY", &[("Event", "refer")], None);
    pstn.expect(&mut w, "481");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_second_refer_waits_for_the_first() {
    let (mut w, mut pbx, mut pstn, mut target) = referred();
    pbx.request(&mut w, "REFER", &[("Refer-To", TARGET)], None);
    pbx.expect(&mut w, "491");
    join(&mut w, &mut target, &mut pstn);
    released(&mut w, &mut pbx);
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}

#[test]
fn refused_by_the_connectors_policy() {
    let mut resources = directory();
    resources.voice_connectors[0].refer = Refer::Refuse;
    let mut w = World::with(config(), resources);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.request(&mut w, "REFER", &[("Refer-To", TARGET)], None);
    pbx.expect(&mut w, "603");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn an_inbound_caller_is_transferred_out_again() {
    let mut w = World::new();
    let mut pstn = w.caller(CARRIER, "+12065550100");
    let offer = pstn.sdp(40_000);
    pstn.invite(&mut w, Some(&offer));
    let mut pbx = w.callee(PBX);
    let answer = pbx.sdp(30_000);
    pbx.answer(&mut w, &mut pstn, &answer);
    let mut target = refer(&mut w, &mut pbx);
    join(&mut w, &mut target, &mut pstn);
    released(&mut w, &mut pbx);
    part(&mut w, &mut target, &mut pstn);
    w.finish();
}

#[test]
fn a_transferred_call_keeps_the_limit_of_its_life() {
    let mut settings = config();
    settings.max_call_duration = Duration::from_secs(100);
    let mut w = World::with(settings, directory());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.advance(Duration::from_secs(60));
    let mut target = refer(&mut w, &mut pbx);
    join(&mut w, &mut target, &mut pstn);
    released(&mut w, &mut pbx);
    w.advance(Duration::from_secs(39));
    assert_eq!(w.edge.active_calls(), 1);
    w.advance(Duration::from_secs(1));
    for ua in [&mut pstn, &mut target] {
        let bye = ua.expect(&mut w, "BYE");
        assert!(bye.header(HeaderName::Reason).unwrap().contains("Maximum call duration"));
        ua.ok(&mut w);
    }
    w.finish();
}

#[test]
fn a_join_that_meets_another_offer_is_tried_again() {
    let (mut w, mut pbx, mut pstn, mut target) = referred();
    let answer = target.sdp(41_000);
    target.reply(&mut w, 200, Some(&answer));
    target.expect(&mut w, "ACK");
    pstn.expect(&mut w, "INVITE");
    pbx.expect_silence(&mut w);
    // While ours is out, theirs is refused, and the other way round.
    let hold = pstn.sdp_with(40_000, 5, "sendonly");
    let mut crossing = pstn.clone();
    crossing.target = "sip:tandem@203.0.113.1:5060".to_owned();
    crossing.invite(&mut w, Some(&hold));
    crossing.expect(&mut w, "491");
    crossing.ack_failure(&mut w);
    pstn.reply(&mut w, 491, None);
    pstn.expect(&mut w, "ACK");
    let waited = (0..40).find(|_| {
        w.advance(Duration::from_millis(100));
        pstn.invited = w.take(CARRIER, Some(&pstn.call_id));
        pstn.invited.is_some()
    });
    assert!(waited.unwrap() >= 20, "2.1 to 4 s (RFC 3261 section 14.1)");
    let body = pstn.sdp_with(42_000, 7, "sendrecv");
    pstn.reply(&mut w, 200, Some(&body));
    pstn.expect(&mut w, "ACK");
    released(&mut w, &mut pbx);
    crossing.cseq = pstn.cseq.max(crossing.cseq);
    pstn.cseq = crossing.cseq;
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}

#[test]
fn copies_of_an_old_answer_do_not_hang_up_the_leg_that_has_moved() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let first = pstn.invited.clone().unwrap();
    let mut target = refer(&mut w, &mut pbx);
    join(&mut w, &mut target, &mut pstn);
    let body = pstn.sdp(40_000);
    let copy = pstn.response(&first, 200, &[], Some(("application/sdp", &body)));
    w.send(CARRIER, copy);
    let ack = pstn.expect(&mut w, "ACK");
    assert_eq!(ack.cseq().unwrap().number, first.cseq().unwrap().number);
    pstn.expect_silence(&mut w);
    released(&mut w, &mut pbx);
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}
