//! What waits for the ports of further lines, and what becomes of it meanwhile.

use crate::lines::{h264, on, with_video};
use model::AllocationFailure;
use simnet::{CARRIER, PBX, RelayMode, Ua, World};

/// A re-INVITE that adds video waits for its ports.
fn waiting() -> (World, Ua, Ua) {
    let mut w = World::new();
    let (mut pbx, pstn) = Ua::establish(&mut w);
    w.relay.mode = RelayMode::Holds;
    let offer = with_video(&pbx, 30_000, 2);
    pbx.invite(&mut w, Some(&offer));
    pstn.expect_silence(&mut w);
    (w, pbx, pstn)
}

#[test]
fn a_re_invite_waits_for_its_ports() {
    let (mut w, mut pbx, mut pstn) = waiting();
    w.answer_relay();
    assert_eq!(on(&pstn.expect(&mut w, "INVITE")), [true, true]);
    let answer = with_video(&pstn, 40_000, 2);
    pstn.answer(&mut w, &mut pbx, &answer);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn what_waits_for_ports_goes_without_them_when_something_else_comes() {
    // A digit from the other side.
    let (mut w, mut pbx, mut pstn) = waiting();
    pstn.target = "sip:tandem@203.0.113.1:5060".to_owned();
    pstn.request(&mut w, "INFO", &[], None);
    assert_eq!(on(&pstn.expect(&mut w, "INVITE")), [true, false]);
    pbx.expect(&mut w, "INFO");
    pbx.ok(&mut w);
    pstn.expect(&mut w, "200");
    w.answer_relay();
    let answer = pstn.sdp_with(40_000, 2, "sendrecv") + &h264(0);
    assert_eq!(on(&pstn.answer(&mut w, &mut pbx, &answer)), [true, false]);
    assert_eq!(w.relay.open(), 1);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_relay_that_says_nothing_costs_the_line_alone() {
    let (mut w, mut pbx, mut pstn) = waiting();
    w.advance(std::time::Duration::from_millis(2_100));
    assert_eq!(on(&pstn.expect(&mut w, "INVITE")), [true, false]);
    pstn.reply(&mut w, 488, None);
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "488");
    pbx.ack_failure(&mut w);
    w.answer_relay();
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_call_may_end_while_an_offer_waits_for_ports() {
    let (mut w, mut pbx, mut pstn) = waiting();
    pbx.cancel(&mut w);
    pbx.expect(&mut w, "200");
    pbx.expect(&mut w, "487");
    pbx.ack_failure(&mut w);
    pstn.expect(&mut w, "INVITE");
    pstn.reply(&mut w, 100, None);
    pstn.expect(&mut w, "CANCEL");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    pstn.expect(&mut w, "ACK");
    w.answer_relay();
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();

    let (mut w, mut pbx, mut pstn) = waiting();
    w.command(|edge, now| edge.end_all(now));
    w.answer_relay();
    for ua in [&mut pbx, &mut pstn] {
        ua.expect(&mut w, "BYE");
        ua.ok(&mut w);
    }
    pbx.expect(&mut w, "481");
    pbx.ack_failure(&mut w);
    w.finish();
}

#[test]
fn the_ports_of_all_lines_are_asked_for_at_once_and_come_together_or_not() {
    let mut w = World::new();
    w.relay.mode = RelayMode::Holds;
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = with_video(&pbx, 30_000, 1);
    pbx.invite(&mut w, Some(&offer));
    assert_eq!(w.relay.open(), 2);
    pbx.expect_silence(&mut w);
    // The caller gives up meanwhile.
    pbx.cancel(&mut w);
    pbx.expect(&mut w, "200");
    pbx.expect(&mut w, "487");
    pbx.ack_failure(&mut w);
    w.answer_relay();
    assert_eq!(w.relay.open(), 0);
    // No ports at all refuse the call as ever.
    w.relay.mode = RelayMode::Fails(AllocationFailure::PortsExhausted);
    let mut other = w.caller(PBX, "+12065550124");
    other.invite(&mut w, Some(&offer));
    other.expect(&mut w, "503");
    other.ack_failure(&mut w);
    w.finish();
}

#[test]
fn a_call_does_without_the_lines_that_the_relay_does_not_answer_for() {
    let mut w = World::new();
    w.relay.mode = RelayMode::Holds;
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = with_video(&pbx, 30_000, 1);
    pbx.invite(&mut w, Some(&offer));
    let late = w.answer_first();
    assert!(w.take(CARRIER, None).is_none(), "it waits");
    w.advance(std::time::Duration::from_millis(32_100));
    let mut pstn = w.callee(CARRIER);
    assert_eq!(on(pstn.invited.as_ref().unwrap()), [true, false]);
    w.say(late);
    assert_eq!(w.relay.open(), 1);
    let answer = pstn.sdp_with(40_000, 1, "sendrecv") + &h264(0);
    pstn.answer(&mut w, &mut pbx, &answer);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}
