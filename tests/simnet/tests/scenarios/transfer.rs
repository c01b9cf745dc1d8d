//! Transfers: REFER blind and attended, Replaces, and what goes wrong with them.

use directory::Refer;
use model::{CallEventKind, Refusal, TransactionId};
use simnet::{CARRIER, CARRIER_2, PBX, Ua, World, config, connector, directory};
use sip_proto::{HeaderName, Message};
use std::time::Duration;

const TARGET: &str = "<sip:+12065550177@tandem.example>";

/// The status line in a NOTIFY's fragment, and whether the subscription is over.
fn told(notify: &Message) -> (String, bool) {
    assert_eq!(notify.header(HeaderName::ContentType), Some("message/sipfrag;version=2.0"));
    assert!(notify.header(HeaderName::Event).unwrap().starts_with("refer"));
    let state = notify.header(HeaderName::SubscriptionState).unwrap();
    let line = String::from_utf8_lossy(notify.body_bytes()).trim_end().to_owned();
    (line, state.starts_with("terminated"))
}

fn expect_notify(w: &mut World, ua: &mut Ua, line: &str) {
    let notify = ua.expect(w, "NOTIFY");
    assert_eq!(told(&notify), (line.to_owned(), !line.contains(" 1")), "\n{}", w.ladder());
    ua.ok(w);
}

/// A REFER that is accepted, and the target's INVITE.
fn refer(w: &mut World, by: &mut Ua) -> Ua {
    by.request(w, "REFER", &[("Refer-To", TARGET)], None);
    let accepted = by.expect(w, "202");
    assert!(accepted.contact().unwrap().is_some());
    expect_notify(w, by, "SIP/2.0 100 Trying");
    w.callee(CARRIER)
}

/// The target answers, and the transferee agrees to its media.
fn join(w: &mut World, target: &mut Ua, transferee: &mut Ua) {
    let answer = target.sdp(41_000);
    target.reply(w, 200, Some(&answer));
    target.expect(w, "ACK");
    take_offer(w, transferee, 42_000);
}

/// An endpoint answers a re-INVITE and gets its ACK.
fn take_offer(w: &mut World, ua: &mut Ua, port: u16) -> Message {
    let offer = ua.expect(w, "INVITE");
    let body = ua.sdp_with(port, 7, "sendrecv");
    ua.reply(w, 200, Some(&body));
    ua.expect(w, "ACK");
    offer
}

/// Both far ends of a joined call hang up through the edge, and know nothing of it before.
fn part(w: &mut World, one: &mut Ua, other: &mut Ua) {
    assert_eq!(w.edge.active_calls(), 1, "\n{}", w.ladder());
    one.hang_up(w, other);
}

fn transfers(w: &World) -> (Vec<TransactionId>, Vec<TransactionId>) {
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
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut target = refer(&mut w, &mut pbx);
    let invite = target.invited.clone().unwrap();
    assert!(invite.request_uri().unwrap().starts_with("sip:+12065550177@"), "routed by number");
    assert!(invite.header(HeaderName::ReferredBy).unwrap().contains("+12065550100@203.0.113.1"));
    let offer = String::from_utf8_lossy(invite.body_bytes()).into_owned();
    assert!(offer.contains("RTP/AVP 0 101") && offer.contains("a=sendrecv"), "{offer}");
    target.reply(&mut w, 180, None);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 180 Ringing");
    join(&mut w, &mut target, &mut pstn);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 200 OK");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
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
    expect_notify(&mut w, &mut pbx, "SIP/2.0 200 OK");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
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
    pstn.reply(&mut w, 200, Some(&held));
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    let mut target = refer(&mut w, &mut pbx);
    let invite = target.invited.clone().unwrap();
    assert!(String::from_utf8_lossy(invite.body_bytes()).contains("a=sendrecv"));
    join(&mut w, &mut target, &mut pstn);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 200 OK");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}

#[test]
fn an_early_bye_of_the_transferor_does_not_end_the_transfer() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut target = refer(&mut w, &mut pbx);
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
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut target = refer(&mut w, &mut pbx);
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
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut target = refer(&mut w, &mut pbx);
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
    expect_notify(&mut w, &mut pbx, "SIP/2.0 200 OK");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
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
    expect_notify(&mut w, &mut pbx, "SIP/2.0 200 OK");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
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
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut target = refer(&mut w, &mut pbx);
    pbx.request(&mut w, "REFER", &[("Refer-To", TARGET)], None);
    pbx.expect(&mut w, "491");
    join(&mut w, &mut target, &mut pstn);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 200 OK");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
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
    pbx.reply(&mut w, 200, Some(&answer));
    pbx.expect(&mut w, "ACK");
    pstn.expect(&mut w, "200");
    pstn.ack(&mut w, None);
    let mut target = refer(&mut w, &mut pbx);
    join(&mut w, &mut target, &mut pstn);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 200 OK");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
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
    expect_notify(&mut w, &mut pbx, "SIP/2.0 200 OK");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
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
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut target = refer(&mut w, &mut pbx);
    let answer = target.sdp(41_000);
    target.reply(&mut w, 200, Some(&answer));
    target.expect(&mut w, "ACK");
    pstn.expect(&mut w, "INVITE");
    expect_notify(&mut w, &mut pbx, "SIP/2.0 200 OK");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
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
    crossing.cseq = pstn.cseq.max(crossing.cseq);
    pstn.cseq = crossing.cseq;
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}

#[test]
fn a_transferee_without_common_media_is_hung_up_with_its_target() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut target = refer(&mut w, &mut pbx);
    let answer = target.sdp(41_000);
    target.reply(&mut w, 200, Some(&answer));
    target.expect(&mut w, "ACK");
    pstn.expect(&mut w, "INVITE");
    pstn.reply(&mut w, 488, None);
    pstn.expect(&mut w, "ACK");
    for ua in [&mut pstn, &mut target] {
        let bye = ua.expect(&mut w, "BYE");
        assert!(bye.header(HeaderName::Reason).unwrap().contains("488"));
        ua.ok(&mut w);
    }
    expect_notify(&mut w, &mut pbx, "SIP/2.0 200 OK");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
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
    expect_notify(&mut w, &mut pbx, "SIP/2.0 200 OK");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}

/// The PBX talks to one carrier, then to another.
fn two_calls(w: &mut World) -> [(Ua, Ua); 2] {
    let first = Ua::establish(w);
    let mut pbx = w.caller(PBX, "+12065550124");
    let offer = pbx.sdp(31_000);
    pbx.invite(w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let body = pstn.sdp_with(43_000, 1, "sendrecv");
    pstn.reply(w, 200, Some(&body));
    pstn.expect(w, "ACK");
    pbx.expect(w, "200");
    pbx.ack(w, None);
    [first, (pbx, pstn)]
}

/// What a transferor puts into Refer-To for its own other dialog.
fn consulted(of: &Ua) -> String {
    format!(
        "<sip:+12065550124@x.example?Replaces={}%3Bto-tag%3D{}%3Bfrom-tag%3D{}>",
        of.call_id.replace('@', "%40"),
        of.remote_tag(),
        of.tag
    )
}

#[test]
fn an_attended_transfer_joins_both_far_ends() {
    let mut w = World::new();
    let [(mut first, mut one), (mut second, mut two)] = two_calls(&mut w);
    let target = consulted(&second);
    first.request(&mut w, "REFER", &[("Refer-To", &target)], None);
    first.expect(&mut w, "202");
    expect_notify(&mut w, &mut first, "SIP/2.0 100 Trying");
    take_offer(&mut w, &mut one, 42_000);
    let confirmed = take_offer(&mut w, &mut two, 43_000);
    let body = String::from_utf8_lossy(confirmed.body_bytes()).into_owned();
    assert!(body.contains("a=sendrecv"), "{body}");
    expect_notify(&mut w, &mut first, "SIP/2.0 200 OK");
    for ua in [&mut first, &mut second] {
        ua.expect(&mut w, "BYE");
        ua.ok(&mut w);
    }
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
    let target = consulted(&second);
    first.request(&mut w, "REFER", &[("Refer-To", &target)], None);
    first.expect(&mut w, "202");
    expect_notify(&mut w, &mut first, "SIP/2.0 100 Trying");
    let body = first.sdp_with(30_000, 3, "sendrecv");
    first.reply(&mut w, 200, Some(&body));
    first.expect(&mut w, "ACK");
    one.expect(&mut w, "200");
    one.ack(&mut w, None);
    one.expect_silence(&mut w);
    w.advance(Duration::from_millis(500));
    take_offer(&mut w, &mut one, 42_000);
    take_offer(&mut w, &mut two, 43_000);
    expect_notify(&mut w, &mut first, "SIP/2.0 200 OK");
    for ua in [&mut first, &mut second] {
        ua.expect(&mut w, "BYE");
        ua.ok(&mut w);
    }
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
    let target = consulted(&second);
    first.request(&mut w, "REFER", &[("Refer-To", &target)], None);
    first.expect(&mut w, "202");
    expect_notify(&mut w, &mut first, "SIP/2.0 100 Trying");
    two.target = "sip:tandem@203.0.113.1:5060".to_owned();
    two.hang_up(&mut w, &mut second);
    expect_notify(&mut w, &mut first, "SIP/2.0 480 Temporarily Unavailable");
    let body = first.sdp_with(30_000, 3, "sendrecv");
    first.reply(&mut w, 200, Some(&body));
    first.expect(&mut w, "ACK");
    one.expect(&mut w, "200");
    one.ack(&mut w, None);
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

#[test]
fn a_refer_is_passed_in_terms_that_the_far_end_knows() {
    let mut resources = directory();
    let mut passing = connector();
    passing.refer = Refer::Pass;
    resources.voice_connectors = vec![passing];
    let mut w = World::with(config(), resources);
    let [(mut first, mut one), (mut second, mut two)] = two_calls(&mut w);
    first.request(&mut w, "REFER", &[("Refer-To", TARGET), ("Refer-Sub", "true")], None);
    let passed = one.expect(&mut w, "REFER");
    let refer_to = passed.header(HeaderName::ReferTo).unwrap();
    assert_eq!(refer_to, format!("<sip:+12065550177@{CARRIER}>"));
    one.refuse(&mut w, 202, &[]);
    first.expect(&mut w, "202");
    let headers = [("Event", "refer"), ("Subscription-State", "active;expires=60")];
    one.target = "sip:tandem@203.0.113.1:5060".to_owned();
    let fragment = "SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP 198.51.100.20\r\n";
    one.request(&mut w, "NOTIFY", &headers, Some(("message/sipfrag", fragment)));
    let notify = first.expect(&mut w, "NOTIFY");
    assert_eq!(notify.body_bytes(), b"SIP/2.0 100 Trying\r\n");
    assert_eq!(notify.header(HeaderName::Event), Some("refer"));
    first.ok(&mut w);
    one.expect(&mut w, "200");
    // The other call's dialog, as the carrier knows it.
    let target = consulted(&second);
    first.request(&mut w, "REFER", &[("Refer-To", &target)], None);
    let passed = one.expect(&mut w, "REFER");
    let refer_to = passed.header(HeaderName::ReferTo).unwrap();
    assert!(refer_to.contains(&two.call_id) && refer_to.contains(&two.tag), "{refer_to}");
    one.refuse(&mut w, 503, &[]);
    first.expect(&mut w, "500");
    first.hang_up(&mut w, &mut one);
    second.hang_up(&mut w, &mut two);
    w.finish();
}
