//! Legs that want to know whether they are recorded (RFC 7866 section 6.3), and learn in mid-call that it
//! begins or ends.

use crate::recorded::text;
use crate::transfer::{join, part, refer, released, take_offer, transfers};
use b2bua::EdgeConfig;
use directory::Resources;
use model::{MediaPlan, UnixTime};
use simnet::{CARRIER, Ua, World, config, directory};
use sip_proto::{HeaderName, Message, Method};
use std::time::Duration;

const AWARE: (&str, &str) = ("Supported", "timer, record-aware");
/// One that takes UPDATE.
const UPDATES: (&str, &str) = ("Allow", "INVITE, ACK, BYE, CANCEL, INFO, UPDATE");
/// No wait is longer: RFC 3261 section 14.1, and between two words.
const LONG: Duration = Duration::from_secs(5);

fn resources() -> Resources {
    let mut resources = directory();
    resources.voice_connectors[0].streaming.by_header = true;
    resources
}

fn world() -> World {
    World::with(config(), resources())
}

/// A call whose carrier wants to know, and takes re-INVITEs alone.
fn aware(w: &mut World) -> (Ua, Ua) {
    Ua::establish_with(w, &[], &[AWARE])
}

/// The operator's word on the call that began last.
fn switch(w: &mut World, wanted: bool) {
    let id = w.audit.events.last().unwrap().transaction_id;
    w.command(|edge, now| edge.set_listening(now, id, wanted).unwrap());
}

/// What a description says of a recording, and everything else but its version.
fn parts(message: &Message) -> (Vec<String>, String, u64) {
    let body = text(message);
    let origin = body.lines().find(|line| line.starts_with("o=")).unwrap();
    let version = origin.split(' ').nth(2).unwrap();
    let is_said = |line: &&str| line.starts_with("a=record");
    let said = body.lines().filter(is_said).map(str::to_owned).collect();
    let rest: Vec<_> = body.lines().filter(|line| !is_said(line)).collect();
    let rest = rest.join("\n").replace(&format!(" {version} IN"), " IN");
    (said, rest, version.parse().unwrap())
}

fn said(message: &Message) -> Vec<String> {
    parts(message).0
}

/// The next re-INVITE, before it is repeated, and how long it took.
fn soon(w: &mut World, ua: &mut Ua) -> (Message, Duration) {
    const STEP: Duration = Duration::from_millis(100);
    for steps in 0..100 {
        if let Some(message) = ua.poll(w) {
            assert_eq!(message.method(), Some(Method::Invite), "\n{}", w.ladder());
            return (message, STEP * steps);
        }
        w.advance(STEP);
    }
    panic!("no INVITE\n{}", w.ladder());
}

/// The leg takes the re-INVITE that tells it so.
fn told(w: &mut World, ua: &mut Ua, state: &str) -> Message {
    let (offer, _) = soon(w, ua);
    assert_eq!(said(&offer), [format!("a=record:{state}")], "\n{}", w.ladder());
    let body = ua.sdp(if ua.at == CARRIER { 40_000 } else { 30_000 });
    ua.reply(w, 200, Some(&body));
    ua.expect(w, "ACK");
    offer
}

/// What does not say how the relay is to find a leg.
fn plan(w: &World) -> MediaPlan {
    let mut plan = w.plan().clone();
    plan.legs.iter_mut().for_each(|leg| leg.relearn = false);
    plan
}

#[test]
fn both_legs_learn_one_after_the_other_that_a_recording_begins_and_ends() {
    let mut w = world();
    let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &[AWARE, UPDATES], &[AWARE]);
    let first = parts(&pstn.invited.clone().unwrap());
    assert!(first.0.is_empty());
    let before = plan(&w);
    let mut last = [None, Some(first)];
    for (wanted, state) in [(true, "on"), (false, "off"), (true, "on")] {
        switch(&mut w, wanted);
        pstn.expect_silence(&mut w);
        let offer = pbx.expect(&mut w, "UPDATE");
        let body = pbx.sdp(30_000);
        pbx.ok_with_sdp(&mut w, &body);
        let to_pstn = told(&mut w, &mut pstn, state);
        for (last, message) in last.iter_mut().zip([offer, to_pstn]) {
            let now = parts(&message);
            assert_eq!(now.0, [format!("a=record:{state}")]);
            if let Some(last) = last.replace(now.clone()) {
                assert_eq!(now.1, last.1, "nothing else has changed");
                assert_eq!(now.2, last.2 + 1, "RFC 3264 section 8");
            }
        }
        assert_eq!(plan(&w), before);
        w.advance(LONG);
        pbx.expect_silence(&mut w);
        pstn.expect_silence(&mut w);
    }
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn legs_that_do_not_want_to_know_are_left_in_peace() {
    let mut w = world();
    let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &[UPDATES], &[UPDATES]);
    switch(&mut w, true);
    switch(&mut w, false);
    w.advance(LONG);
    pbx.expect_silence(&mut w);
    pstn.expect_silence(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn of_a_switch_that_goes_back_and_forth_only_what_it_comes_to_is_told() {
    for (words, last) in [(&[false, true][..], None), (&[false, true, false][..], Some("off"))] {
        let mut w = world();
        let (mut pbx, mut pstn) = aware(&mut w);
        switch(&mut w, true);
        let offer = pstn.expect(&mut w, "INVITE");
        assert_eq!(said(&offer), ["a=record:on"]);
        words.iter().for_each(|wanted| switch(&mut w, *wanted));
        pstn.expect_silence(&mut w);
        let body = pstn.sdp(40_000);
        pstn.reply(&mut w, 200, Some(&body));
        pstn.expect(&mut w, "ACK");
        // Not in the same breath.
        w.advance(Duration::from_millis(900));
        pstn.expect_silence(&mut w);
        if let Some(state) = last {
            told(&mut w, &mut pstn, state);
        }
        w.advance(LONG);
        pstn.expect_silence(&mut w);
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

#[test]
fn a_word_that_crosses_an_offer_of_the_leg_is_repeated_later() {
    let mut w = world();
    let (mut pbx, mut pstn) = aware(&mut w);
    switch(&mut w, true);
    pstn.expect(&mut w, "INVITE");
    let hold = pstn.sdp_with(40_000, 2, "sendonly");
    pstn.invite(&mut w, Some(&hold));
    pstn.expect(&mut w, "491");
    pstn.ack_failure(&mut w);
    pbx.expect_silence(&mut w);
    pstn.reply(&mut w, 491, None);
    pstn.expect(&mut w, "ACK");
    // The Call-ID is ours: 2.1 s at least.
    let (offer, wait) = soon(&mut w, &mut pstn);
    let range = Duration::from_millis(2_100)..Duration::from_millis(4_200);
    assert!(range.contains(&wait), "{wait:?}");
    assert_eq!(said(&offer), ["a=record:on"]);
    let body = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&body));
    pstn.expect(&mut w, "ACK");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn what_a_leg_was_told_in_its_own_exchange_is_not_told_again() {
    let mut w = world();
    let (mut pbx, mut pstn) = aware(&mut w);
    switch(&mut w, true);
    pstn.expect(&mut w, "INVITE");
    pstn.reply(&mut w, 491, None);
    pstn.expect(&mut w, "ACK");
    let hold = pstn.sdp_with(40_000, 2, "sendonly");
    pstn.invite(&mut w, Some(&hold));
    pbx.expect(&mut w, "INVITE");
    // Its time comes amid the exchange.
    pbx.reply(&mut w, 100, None);
    w.advance(LONG);
    pstn.expect_silence(&mut w);
    let held = pbx.sdp_with(30_000, 2, "recvonly");
    let answer = pbx.answer(&mut w, &mut pstn, &held);
    assert_eq!(said(&answer), ["a=record:on"]);
    w.advance(LONG);
    pstn.expect_silence(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_leg_on_hold_stays_so() {
    let mut w = world();
    let (mut pbx, mut pstn) = aware(&mut w);
    let hold = pbx.sdp_with(30_000, 2, "sendonly");
    pbx.invite(&mut w, Some(&hold));
    let offered = parts(&pstn.expect(&mut w, "INVITE"));
    assert!(offered.0.is_empty());
    // Recording begins amid the exchange, which is the leg's first.
    switch(&mut w, true);
    pstn.expect_silence(&mut w);
    let held = pstn.sdp_with(40_000, 2, "recvonly");
    pstn.reply(&mut w, 200, Some(&held));
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    pstn.expect_silence(&mut w);
    pbx.ack(&mut w, None);
    let before = plan(&w);
    let offer = pstn.expect(&mut w, "INVITE");
    let now = parts(&offer);
    assert_eq!((now.0, now.1, now.2), (vec!["a=record:on".to_owned()], offered.1, offered.2 + 1));
    assert!(text(&offer).contains("a=sendonly\r\n"));
    // Nobody else may make an offer now.
    let resume = pbx.sdp_with(30_000, 3, "sendrecv");
    pbx.invite(&mut w, Some(&resume));
    pbx.expect(&mut w, "491");
    pbx.ack_failure(&mut w);
    pstn.reply(&mut w, 200, Some(&held));
    pstn.expect(&mut w, "ACK");
    assert_eq!(plan(&w), before);
    pbx.invite(&mut w, Some(&resume));
    let offer = pstn.expect(&mut w, "INVITE");
    assert_eq!(said(&offer), ["a=record:on"]);
    let body = pstn.sdp_with(40_000, 3, "sendrecv");
    pstn.answer(&mut w, &mut pbx, &body);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_leg_that_refuses_keeps_the_call_and_is_told_of_the_next_change() {
    for status in [400, 403, 415, 488, 603] {
        let mut w = world();
        let (mut pbx, mut pstn) = aware(&mut w);
        switch(&mut w, true);
        let version = parts(&pstn.expect(&mut w, "INVITE")).2;
        pstn.reply(&mut w, status, None);
        pstn.expect(&mut w, "ACK");
        w.advance(Duration::from_secs(60));
        pstn.expect_silence(&mut w);
        assert_eq!(w.edge.active_calls(), 1);
        // It never heard that it began.
        switch(&mut w, false);
        w.advance(LONG);
        pstn.expect_silence(&mut w);
        switch(&mut w, true);
        let offer = told(&mut w, &mut pstn, "on");
        assert_eq!(parts(&offer).2, version, "the refused one was never in force");
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

#[test]
fn a_leg_that_is_always_busy_is_left_in_peace_in_the_end() {
    let mut w = world();
    let (mut pbx, mut pstn) = aware(&mut w);
    switch(&mut w, true);
    for tries in 0..8 {
        let (_, wait) = soon(&mut w, &mut pstn);
        assert!(wait >= Duration::from_secs(if tries > 0 { 7 } else { 0 }), "{wait:?}");
        pstn.reply_with(&mut w, 500, &[("Retry-After", "7")], None);
        pstn.expect(&mut w, "ACK");
    }
    w.advance(Duration::from_secs(60));
    pstn.expect_silence(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_dialog_that_is_gone_ends_the_call() {
    for status in [Some(481), Some(408), None] {
        let mut w = world();
        let (mut pbx, mut pstn) = aware(&mut w);
        switch(&mut w, true);
        pstn.expect(&mut w, "INVITE");
        match status {
            Some(status) => {
                pstn.reply(&mut w, status, None);
                pstn.expect(&mut w, "ACK");
            }
            // Timer B.
            None => w.advance(Duration::from_secs(33)),
        }
        pbx.expect(&mut w, "BYE");
        pbx.ok(&mut w);
        while let Some(message) = pstn.poll(&mut w) {
            if message.method() == Some(Method::Bye) {
                pstn.ok(&mut w);
            }
        }
        w.finish();
    }
}

#[test]
fn who_does_not_take_an_update_after_all_gets_a_re_invite() {
    let mut w = world();
    let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &[], &[AWARE, UPDATES]);
    switch(&mut w, true);
    pstn.expect(&mut w, "UPDATE");
    pstn.refuse(&mut w, 405, &[]);
    told(&mut w, &mut pstn, "on");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn the_session_timer_goes_on_as_it_was_agreed() {
    let mut w = world();
    let timer = ("Session-Expires", "1800;refresher=uac");
    let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &[], &[AWARE, UPDATES, timer]);
    switch(&mut w, true);
    let update = pstn.expect(&mut w, "UPDATE");
    assert_eq!(update.header(HeaderName::SessionExpires), Some("1800;refresher=uac"));
    pstn.refuse(&mut w, 422, &[("Min-SE", "2400")]);
    let update = pstn.expect(&mut w, "UPDATE");
    assert_eq!(update.header(HeaderName::SessionExpires), Some("2400;refresher=uac"));
    assert_eq!(update.header(HeaderName::MinSe), Some("2400"));
    // One that asks for more each time is not humoured for ever.
    let mut more = 0;
    while more < 20 {
        more += 1;
        let seconds = (2_400 + more).to_string();
        pstn.refuse(&mut w, 422, &[("Min-SE", &seconds)]);
        if pstn.poll(&mut w).is_none() {
            break;
        }
    }
    assert!(more < 10, "{more}");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_re_invite_that_rings_is_withdrawn() {
    let mut w = world();
    let (mut pbx, mut pstn) = aware(&mut w);
    switch(&mut w, true);
    pstn.expect(&mut w, "INVITE");
    pstn.reply(&mut w, 180, None);
    w.advance(Duration::from_secs(9));
    pstn.expect_silence(&mut w);
    w.advance(Duration::from_millis(1_100));
    pstn.expect(&mut w, "CANCEL");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    pstn.expect(&mut w, "ACK");
    let hold = pbx.sdp_with(30_000, 2, "sendonly");
    pbx.invite(&mut w, Some(&hold));
    let offer = pstn.expect(&mut w, "INVITE");
    assert_eq!(said(&offer), ["a=record:on"], "whatever is offered says so");
    let held = pstn.sdp_with(40_000, 2, "recvonly");
    pstn.answer(&mut w, &mut pbx, &held);
    w.advance(LONG);
    pstn.expect_silence(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn who_hangs_up_meanwhile_ends_the_call() {
    let mut w = world();
    let (mut pbx, mut pstn) = aware(&mut w);
    switch(&mut w, true);
    pstn.expect(&mut w, "INVITE");
    pbx.hang_up(&mut w, &mut pstn);
    let body = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&body));
    pstn.expect(&mut w, "ACK");
    w.finish();
}

#[test]
fn a_leg_of_a_transferred_call_is_told_as_ever() {
    let mut w = world();
    let (mut pbx, mut pstn) = aware(&mut w);
    switch(&mut w, true);
    told(&mut w, &mut pstn, "on");
    let mut target = refer(&mut w, &mut pbx);
    join(&mut w, &mut target, &mut pstn);
    let offer = pstn.invited.clone().unwrap();
    assert_eq!(said(&offer), ["a=record:on"], "its listeners have gone with it");
    released(&mut w, &mut pbx);
    w.advance(LONG);
    pstn.expect_silence(&mut w);
    target.expect_silence(&mut w);
    // The call that was made of it.
    let id = transfers(&w).0[0];
    w.command(|edge, now| edge.set_listening(now, id, false).unwrap());
    assert_eq!(said(&take_offer(&mut w, &mut pstn, 42_000)), ["a=record:off"]);
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}

#[test]
fn a_call_that_was_taken_up_after_a_restart_says_only_what_is_new() {
    let keeping = || {
        let origin = UnixTime::from_millis(1_893_456_000_000);
        EdgeConfig { keep_calls: true, origin, ..config() }
    };
    let mut w = World::with(keeping(), resources());
    let (mut pbx, mut pstn) = aware(&mut w);
    switch(&mut w, true);
    let before = parts(&told(&mut w, &mut pstn, "on"));
    w.restart(keeping(), resources());
    w.advance(LONG);
    pstn.expect_silence(&mut w);
    switch(&mut w, false);
    let after = parts(&told(&mut w, &mut pstn, "off"));
    assert_eq!((after.1, after.2), (before.1, before.2 + 1));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}
