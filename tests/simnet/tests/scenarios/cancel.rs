//! CANCEL in every phase of a setup.

use model::{AllocationFailure, EndedBy};
use simnet::{CARRIER, EDGE, PBX, RelayMode, Ua, World, directory};
use std::time::Duration;

fn calling(w: &mut World) -> Ua {
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(w, Some(&offer));
    pbx
}

fn cancelled(w: &mut World, pbx: &mut Ua) {
    pbx.cancel(w);
    pbx.expect(w, "200");
    pbx.expect(w, "487");
    pbx.ack_failure(w);
    assert_eq!((w.end().status, w.end().ended_by), (487, EndedBy::LegA));
}

#[test]
fn while_a_name_is_resolved() {
    let mut resources = directory();
    resources.carriers[0].host = directory::Host::parse("sip.carrier.example").unwrap();
    let mut w = World::with(simnet::config(), resources);
    let mut pbx = calling(&mut w);
    assert_eq!(&*w.questions[0].1, "sip.carrier.example");
    cancelled(&mut w, &mut pbx);
    w.answer_question(&[CARRIER]);
    assert!(w.take(CARRIER, None).is_none(), "nobody is called any more");
    w.finish();
}

#[test]
fn while_ports_are_reserved() {
    let mut w = World::new();
    w.relay.mode = RelayMode::Holds;
    let mut pbx = calling(&mut w);
    cancelled(&mut w, &mut pbx);
    // The ports come too late and go back at once.
    w.answer_relay();
    assert!(w.take(CARRIER, None).is_none());
    w.finish();
}

#[test]
fn while_ports_are_reserved_and_the_call_is_forgotten_before_they_come() {
    let mut w = World::new();
    w.relay.mode = RelayMode::Holds;
    let mut pbx = calling(&mut w);
    cancelled(&mut w, &mut pbx);
    w.advance(Duration::from_secs(200));
    w.answer_relay();
    w.finish();
}

#[test]
fn before_leg_b_says_anything_the_cancel_waits_for_its_first_word() {
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    cancelled(&mut w, &mut pbx);
    pstn.expect_silence(&mut w);
    pstn.reply(&mut w, 100, None);
    pstn.expect(&mut w, "CANCEL");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    pstn.expect(&mut w, "ACK");
    w.finish();
}

#[test]
fn while_leg_b_rings() {
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    pstn.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    cancelled(&mut w, &mut pbx);
    pstn.expect(&mut w, "CANCEL");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    pstn.expect(&mut w, "ACK");
    w.finish();
}

#[test]
fn the_answer_that_crosses_it_is_acknowledged_and_hung_up_through_its_route_set() {
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    pstn.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    cancelled(&mut w, &mut pbx);
    pstn.expect(&mut w, "CANCEL");
    pstn.record_routes = vec!["<sip:198.51.100.77:5060;lr>".to_owned()];
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    let mut proxy = pstn.clone();
    proxy.at = "198.51.100.77:5060".parse().unwrap();
    let ack = proxy.expect(&mut w, "ACK");
    assert_eq!(ack.request_uri(), Some("sip:inner@198.51.100.20:5080"));
    let bye = proxy.expect(&mut w, "BYE");
    assert_eq!(bye.routes().count(), 1);
    proxy.ok(&mut w);
    // A copy of the answer: acknowledged again, not hung up again.
    pstn.reply(&mut w, 200, Some(&answer));
    proxy.expect(&mut w, "ACK");
    proxy.expect_silence(&mut w);
    w.finish();
}

#[test]
fn after_the_answer_it_changes_nothing() {
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    pbx.cancel(&mut w);
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    assert_eq!(w.edge.active_calls(), 1);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn an_answer_long_after_the_call_is_gone_is_still_hung_up() {
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    pstn.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    cancelled(&mut w, &mut pbx);
    pstn.expect(&mut w, "CANCEL");
    w.advance(Duration::from_secs(120));
    assert!(w.edge.is_idle());
    w.take_all(CARRIER);
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    pstn.expect(&mut w, "BYE");
    w.finish();
}

#[test]
fn for_nothing_that_is_known_it_gets_481() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    pbx.cancel(&mut w);
    pbx.expect(&mut w, "481");
    w.finish();
}

#[test]
fn a_bye_in_the_early_dialog_ends_the_setup_like_a_cancel() {
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    pstn.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    pbx.expect(&mut w, "487");
    pbx.ack_failure(&mut w);
    pstn.expect(&mut w, "CANCEL");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    w.finish();
}

#[test]
fn without_ports_the_caller_is_told_to_come_back() {
    for reason in [
        AllocationFailure::PortsExhausted,
        AllocationFailure::Socket,
        AllocationFailure::Overloaded,
        AllocationFailure::Unavailable,
    ] {
        let mut w = World::new();
        w.relay.mode = RelayMode::Fails(reason);
        let mut pbx = calling(&mut w);
        let refused = pbx.expect(&mut w, "503");
        assert!(refused.retry_after().unwrap().is_some(), "{reason:?}");
        pbx.ack_failure(&mut w);
        w.finish();
    }
    let mut w = World::new();
    w.relay.mode = RelayMode::Fails(AllocationFailure::NoAddress(model::IpFamily::of(&EDGE)));
    let mut pbx = calling(&mut w);
    pbx.expect(&mut w, "488");
    pbx.ack_failure(&mut w);
    w.finish();
}
