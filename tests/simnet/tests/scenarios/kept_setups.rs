//! Calls that are being set up when their edge is started anew: nobody is left ringing, or waiting.

use crate::support::{calling, prack, ring_reliably};
use b2bua::EdgeConfig;
use model::{EndedBy, UnixTime};
use simnet::{CARRIER, CARRIER_2, CARRIER_TCP, PBX, PBX_TCP, Ua, World, config, directory};
use sip_proto::{HeaderName, Message};
use std::time::Duration;

/// Keeps calls, and counts instants from the beginning of 2030.
fn keeping() -> EdgeConfig {
    let origin = UnixTime::from_millis(1_893_456_000_000);
    EdgeConfig { keep_calls: true, origin, ..config() }
}

fn world() -> World {
    World::with(keeping(), directory())
}

fn restart(w: &mut World) {
    w.restart(keeping(), directory());
}

/// The caller has rung at the carrier, and hears it.
fn ringing(w: &mut World) -> (Ua, Ua) {
    let (mut pbx, mut pstn) = calling(w, &[], true);
    pstn.reply(w, 180, None);
    pbx.expect(w, "180");
    (pbx, pstn)
}

/// The caller is told that the call is over, and when to try again.
fn is_refused(w: &mut World, caller: &mut Ua) -> Message {
    let refusal = caller.expect(w, "503");
    assert_eq!(refusal.header(HeaderName::RetryAfter), Some("5"));
    caller.ack_failure(w);
    refusal
}

/// Takes the CANCEL, which is of the INVITE that came.
fn is_cancelled(w: &mut World, callee: &mut Ua) {
    let invite = callee.invited.clone().unwrap();
    let cancel = callee.expect(w, "CANCEL");
    assert_eq!(cancel.request_uri(), invite.request_uri());
    for header in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId] {
        assert_eq!(cancel.header(header), invite.header(header), "RFC 3261 section 9.1");
    }
    assert_eq!(cancel.cseq().unwrap().number, invite.cseq().unwrap().number);
    callee.ok(w);
}

fn declines(w: &mut World, callee: &mut Ua) {
    callee.reply(w, 487, None);
    callee.expect(w, "ACK");
}

/// The INVITE comes once more, as it was but for its description.
fn comes_again(w: &mut World, callee: &mut Ua) {
    let before = callee.invited.clone().unwrap();
    let again = callee.expect(w, "INVITE");
    for header in [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
        assert_eq!(again.header(header), before.header(header), "the same transaction");
    }
    assert!(again.body_bytes().is_empty(), "keys are nobody's business");
}

fn over(w: World) {
    assert!(w.kept.is_empty() && w.farewells.is_empty());
    let end = w.end();
    assert_eq!((end.status, end.ended_by), (503, EndedBy::Edge));
    assert_eq!(end.cause, "the edge was started anew during the setup");
    ended(w);
}

fn ended(mut w: World) {
    w.advance(Duration::from_secs(300));
    assert!(w.setups.is_empty());
    w.finish();
}

#[test]
fn a_called_side_that_has_said_nothing_is_asked_again_and_cancelled_when_it_speaks() {
    let mut w = world();
    let (mut pbx, mut pstn) = calling(&mut w, &[], true);
    restart(&mut w);
    is_refused(&mut w, &mut pbx);
    comes_again(&mut w, &mut pstn);
    pstn.expect_silence(&mut w);
    pstn.reply(&mut w, 100, None);
    is_cancelled(&mut w, &mut pstn);
    declines(&mut w, &mut pstn);
    over(w);
}

#[test]
fn a_called_side_that_never_says_anything_is_given_up() {
    let mut w = world();
    let (mut pbx, mut pstn) = calling(&mut w, &[], true);
    restart(&mut w);
    is_refused(&mut w, &mut pbx);
    w.advance(Duration::from_secs(40));
    while let Some(message) = pstn.poll(&mut w) {
        assert!(message.body_bytes().is_empty(), "an INVITE, again and again: {message:?}");
        assert_eq!(message.cseq().unwrap().method.as_str(), "INVITE");
    }
    over(w);
}

#[test]
fn what_rings_is_cancelled_at_once_and_the_caller_hears_the_end() {
    let mut w = world();
    let (mut pbx, mut pstn) = calling(&mut w, &[], true);
    pstn.reply(&mut w, 180, None);
    let rang = pbx.expect(&mut w, "180");
    restart(&mut w);
    let refusal = is_refused(&mut w, &mut pbx);
    assert_eq!(refusal.header(HeaderName::To), rang.header(HeaderName::To), "the same dialog");
    assert_eq!(refusal.header(HeaderName::Via), rang.header(HeaderName::Via));
    is_cancelled(&mut w, &mut pstn);
    declines(&mut w, &mut pstn);
    assert_eq!(w.edge.active_calls(), 0);
    over(w);
}

#[test]
fn a_hundred_is_enough_to_be_cancelled() {
    let mut w = world();
    let (mut pbx, mut pstn) = calling(&mut w, &[], true);
    pstn.reply(&mut w, 100, None);
    restart(&mut w);
    is_refused(&mut w, &mut pbx);
    is_cancelled(&mut w, &mut pstn);
    declines(&mut w, &mut pstn);
    over(w);
}

#[test]
fn a_caller_that_asks_again_hears_the_same() {
    let mut w = world();
    let (mut pbx, mut pstn) = ringing(&mut w);
    restart(&mut w);
    pbx.expect(&mut w, "503");
    is_cancelled(&mut w, &mut pstn);
    declines(&mut w, &mut pstn);
    w.advance(Duration::from_millis(600));
    pbx.expect(&mut w, "503");
    // A CANCEL that crossed it changes nothing.
    pbx.cancel(&mut w);
    pbx.expect(&mut w, "200");
    pbx.ack_failure(&mut w);
    w.advance(Duration::from_secs(3));
    pbx.expect_silence(&mut w);
    over(w);
}

#[test]
fn nothing_is_kept_before_somebody_is_called() {
    let mut resources = directory();
    resources.carriers[0].host = directory::Host::parse("sip.carrier.example").unwrap();
    let mut w = World::with(keeping(), resources);
    w.relay.mode = simnet::RelayMode::Holds;
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    w.answer_question(&[CARRIER]);
    assert_eq!(w.setup_notes, 0);
    w.relay.mode = simnet::RelayMode::Answers;
    w.answer_relay();
    let mut pstn = w.callee(CARRIER);
    assert_eq!(w.setup_notes, 1);
    pstn.reply(&mut w, 503, None);
    pstn.expect(&mut w, "ACK");
    // The caller still waits, while the next route is tried.
    let mut second = w.callee(CARRIER_2);
    assert_eq!(w.setups.len(), 1);
    restart(&mut w);
    is_refused(&mut w, &mut pbx);
    comes_again(&mut w, &mut second);
    second.reply(&mut w, 486, None);
    second.expect(&mut w, "ACK");
    over(w);
}

#[test]
fn forks_hear_one_cancel_and_one_that_answers_all_the_same_is_hung_up() {
    let mut w = world();
    let (mut pbx, mut first) = ringing(&mut w);
    let mut second = first.fork(&mut w, "second");
    let early = second.sdp(42_000);
    second.reply(&mut w, 183, Some(&early));
    pbx.expect(&mut w, "183");
    restart(&mut w);
    is_refused(&mut w, &mut pbx);
    is_cancelled(&mut w, &mut first);
    for copy in [false, true] {
        let answer = second.sdp(42_000);
        second.reply(&mut w, 200, Some(&answer));
        assert_eq!(second.expect(&mut w, "ACK").to().unwrap().tag(), Some(&*second.tag));
        if !copy {
            let bye = second.expect(&mut w, "BYE");
            assert_eq!(bye.to().unwrap().tag(), Some(&*second.tag));
            assert_eq!(bye.request_uri(), Some(second.contact.as_str()));
            second.ok(&mut w);
        }
    }
    first.expect_silence(&mut w);
    over(w);
}

#[test]
fn an_answer_that_crossed_the_restart_is_acknowledged_and_hung_up() {
    for rang in [false, true] {
        let mut w = world();
        let (mut pbx, mut pstn) = calling(&mut w, &[], true);
        if rang {
            pstn.reply(&mut w, 180, None);
            pbx.expect(&mut w, "180");
        }
        restart(&mut w);
        is_refused(&mut w, &mut pbx);
        pstn.record_routes = vec![format!("<sip:{CARRIER};lr;edge=1>")];
        let next = if rang { "CANCEL" } else { "INVITE" };
        pstn.expect(&mut w, next);
        let answer = pstn.sdp(40_000);
        pstn.reply(&mut w, 200, Some(&answer));
        for what in ["ACK", "BYE"] {
            let message = pstn.expect(&mut w, what);
            assert_eq!(message.header(HeaderName::Route), Some(&*pstn.record_routes[0]));
        }
        pstn.ok(&mut w);
        over(w);
    }
}

#[test]
fn an_answer_that_the_caller_has_not_acknowledged_ends_with_a_bye_each_way() {
    let mut w = world();
    let (mut pbx, mut pstn) = ringing(&mut w);
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    restart(&mut w);
    pstn.expect(&mut w, "ACK");
    pstn.expect(&mut w, "BYE");
    pstn.ok(&mut w);
    let bye = pbx.expect(&mut w, "BYE");
    assert!(bye.header(HeaderName::Reason).unwrap().contains("Edge restarted"));
    assert_eq!(bye.to().unwrap().tag(), Some(&*pbx.tag));
    pbx.ok(&mut w);
    assert_eq!(w.end().status, 200);
    ended(w);
}

#[test]
fn an_answer_that_waits_for_the_callers_prack_is_hung_up_and_the_caller_refused() {
    let mut w = world();
    let (mut pbx, mut pstn) = calling(&mut w, &[("Require", "100rel")], true);
    let early = pstn.sdp(40_000);
    pstn.reply(&mut w, 183, Some(&early));
    pbx.expect(&mut w, "183");
    pstn.reply(&mut w, 200, Some(&early));
    pstn.expect(&mut w, "ACK");
    pbx.expect_silence(&mut w);
    restart(&mut w);
    is_refused(&mut w, &mut pbx);
    pstn.expect(&mut w, "ACK");
    pstn.expect(&mut w, "BYE");
    pstn.ok(&mut w);
    over(w);
}

#[test]
fn reliable_provisional_responses_do_not_confuse_the_end() {
    let mut w = world();
    let (mut pbx, mut pstn) = calling(&mut w, &[("Supported", "100rel")], true);
    ring_reliably(&mut w, &mut pstn, 180, 7, None);
    let rang = pbx.expect(&mut w, "180");
    let last = pstn.expect(&mut w, "PRACK").cseq().unwrap().number;
    pstn.ok(&mut w);
    ring_reliably(&mut w, &mut pstn, 180, 8, None);
    restart(&mut w);
    // The PRACK of before the restart is sent no more, and the next one is not wanted.
    while pstn.poll(&mut w).is_some_and(|message| message.method().unwrap().as_str() == "PRACK") {}
    ring_reliably(&mut w, &mut pstn, 180, 8, None);
    pstn.expect_silence(&mut w);
    prack(&mut w, &mut pbx, &rang, None);
    is_refused(&mut w, &mut pbx);
    pbx.expect(&mut w, "481");
    pstn.reply(&mut w, 200, None);
    pstn.expect(&mut w, "ACK");
    let bye = pstn.expect(&mut w, "BYE");
    assert!(bye.cseq().unwrap().number > last + 1, "RFC 3261 section 12.2.1.1");
    pstn.ok(&mut w);
    over(w);
}

#[test]
fn a_caller_that_had_cancelled_hears_487_and_its_call_has_one_record() {
    for rings in [false, true] {
        let mut w = world();
        let (mut pbx, mut pstn) = calling(&mut w, &[], true);
        if rings {
            pstn.reply(&mut w, 180, None);
            pbx.expect(&mut w, "180");
        }
        pbx.cancel(&mut w);
        pbx.expect(&mut w, "200");
        pbx.expect(&mut w, "487");
        if rings {
            pstn.expect(&mut w, "CANCEL");
        }
        // Neither its ACK nor what the called side says comes before the restart.
        restart(&mut w);
        pbx.expect(&mut w, "487");
        pbx.ack_failure(&mut w);
        if !rings {
            comes_again(&mut w, &mut pstn);
            pstn.reply(&mut w, 180, None);
        }
        is_cancelled(&mut w, &mut pstn);
        declines(&mut w, &mut pstn);
        assert_eq!((w.end().status, w.end().ended_by), (487, EndedBy::LegA));
        ended(w);
    }
}

#[test]
fn a_route_that_was_given_up_and_has_not_answered_is_cancelled_too() {
    let mut w = world();
    let (mut pbx, mut first) = calling(&mut w, &[], true);
    let mut waited = 0;
    let mut second = loop {
        w.advance(Duration::from_secs(1));
        waited += 1;
        assert!(waited < 31, "{}", w.ladder());
        if w.ladder().contains(&format!("{CARRIER_2} <- INVITE")) {
            break w.callee(CARRIER_2);
        }
    };
    second.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    while first.poll(&mut w).is_some() {}
    restart(&mut w);
    is_refused(&mut w, &mut pbx);
    is_cancelled(&mut w, &mut second);
    declines(&mut w, &mut second);
    comes_again(&mut w, &mut first);
    first.reply(&mut w, 180, None);
    is_cancelled(&mut w, &mut first);
    declines(&mut w, &mut first);
    over(w);
}

#[test]
fn over_a_stream_the_called_side_is_cancelled_over_a_new_connection() {
    let mut w = world();
    w.connect(PBX_TCP);
    let mut pbx = w.caller(PBX_TCP, "+81312345678");
    pbx.transport = "TCP";
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER_TCP);
    pstn.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    w.opened.clear();
    restart(&mut w);
    assert!(w.opened.contains(&CARRIER_TCP) && w.opened.contains(&PBX_TCP), "{:?}", w.opened);
    is_refused(&mut w, &mut pbx);
    is_cancelled(&mut w, &mut pstn);
    declines(&mut w, &mut pstn);
    over(w);
}

#[test]
fn a_voice_connector_that_is_gone_leaves_nobody_ringing() {
    let mut w = world();
    let (mut pbx, mut pstn) = ringing(&mut w);
    let mut resources = directory();
    resources.voice_connectors[0].id =
        model::VoiceConnectorId::new("zyxwvu1ghij2klmno3pqr4").unwrap();
    w.restart(keeping(), resources);
    is_refused(&mut w, &mut pbx);
    is_cancelled(&mut w, &mut pstn);
    declines(&mut w, &mut pstn);
    over(w);
}

#[test]
fn without_the_address_that_peers_know_the_record_is_closed_in_silence() {
    let mut w = world();
    let (pbx, pstn) = ringing(&mut w);
    let mut moved = keeping();
    moved.listeners.retain(|listener| listener.protocol.is_reliable());
    w.restart(moved, directory());
    pbx.expect_silence(&mut w);
    pstn.expect_silence(&mut w);
    over(w);
}

#[test]
fn a_second_restart_goes_on_with_what_the_first_had_begun() {
    let mut w = world();
    let (mut pbx, mut pstn) = ringing(&mut w);
    restart(&mut w);
    is_refused(&mut w, &mut pbx);
    pstn.expect(&mut w, "CANCEL");
    restart(&mut w);
    is_cancelled(&mut w, &mut pstn);
    declines(&mut w, &mut pstn);
    over(w);
}

#[test]
fn a_target_whose_transfer_was_called_off_is_cancelled_all_the_same() {
    let mut w = world();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut target = crate::transfer::refer(&mut w, &mut pbx);
    pstn.bye(&mut w);
    pstn.expect(&mut w, "200");
    // Its CANCEL waits for the first word.
    restart(&mut w);
    comes_again(&mut w, &mut target);
    target.reply(&mut w, 180, None);
    is_cancelled(&mut w, &mut target);
    declines(&mut w, &mut target);
    w.advance(Duration::from_secs(300));
    assert!(w.edge.is_idle() && w.setups.is_empty(), "{}", w.ladder());
}

#[test]
fn a_call_costs_few_notes_and_none_once_it_is_established_or_over() {
    let mut w = world();
    let (mut pbx, mut pstn) = calling(&mut w, &[], true);
    pstn.reply(&mut w, 100, None);
    for _ in 0..3 {
        pstn.reply(&mut w, 180, None);
        pbx.expect(&mut w, "180");
    }
    assert_eq!((w.setups.len(), w.setup_notes), (1, 3), "the INVITE, the 100, the 180");
    let saved = w.setups.values().next().unwrap();
    let texts = saved.invites.iter().chain(&saved.caller).map(|request| &request.text);
    for text in texts {
        assert!(text.len() < 800 && !text.contains("c=IN"), "{text}");
    }
    let answer = pstn.sdp(40_000);
    pstn.answer(&mut w, &mut pbx, &answer);
    assert_eq!((w.kept.len(), w.setups.len(), w.setup_notes), (1, 0, 4));
    pbx.hang_up(&mut w, &mut pstn);
    let (mut pbx, mut pstn) = calling(&mut w, &[], true);
    pstn.reply(&mut w, 404, None);
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "404");
    pbx.ack_failure(&mut w);
    assert_eq!((w.kept.len(), w.setups.len(), w.setup_notes), (0, 0, 5));
    w.finish();
}
