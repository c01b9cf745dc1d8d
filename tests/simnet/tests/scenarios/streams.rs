//! Calls over TCP: the connection of a dialog is used again, in both directions.

use simnet::{CARRIER, CARRIER_TCP, PBX, PBX_TCP, Ua, World};
use std::time::Duration;

fn over_tcp(w: &mut World) -> Ua {
    w.connect(PBX_TCP);
    let mut pbx = w.caller(PBX_TCP, "+81312345678");
    pbx.transport = "TCP";
    pbx
}

fn establish(w: &mut World) -> (Ua, Ua) {
    let mut pbx = over_tcp(w);
    let offer = pbx.sdp(30_000);
    pbx.invite(w, Some(&offer));
    let mut pstn = w.callee(CARRIER_TCP);
    assert_eq!(w.opened, [CARRIER_TCP]);
    let answer = pstn.sdp(40_000);
    pstn.answer(w, &mut pbx, &answer);
    (pbx, pstn)
}

#[test]
fn requests_go_over_the_accepted_connection_whatever_the_contact_says() {
    let mut w = World::new();
    let mut pbx = over_tcp(&mut w);
    pbx.contact = "sip:pbx@192.0.2.10:5070;transport=tcp".to_owned();
    pbx.record_routes = vec!["<sip:192.0.2.10:5999;transport=tcp;lr>".to_owned()];
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER_TCP);
    let invite = pstn.invited.clone().unwrap();
    assert_eq!(invite.top_via().unwrap().protocol, "TCP");
    assert!(invite.contact().unwrap().unwrap().uri_text.ends_with(";transport=tcp"));
    let answer = pstn.sdp(40_000);
    pstn.answer(&mut w, &mut pbx, &answer);
    pstn.bye(&mut w);
    pstn.expect(&mut w, "200");
    let bye = pbx.expect(&mut w, "BYE");
    assert_eq!(bye.request_uri(), Some("sip:pbx@192.0.2.10:5070;transport=tcp"));
    pbx.ok(&mut w);
    assert_eq!(w.opened, [CARRIER_TCP], "no other connection was opened");
    w.finish();
}

#[test]
fn an_answer_over_tcp_is_repeated_until_its_ack_as_well() {
    let mut w = World::new();
    let mut pbx = over_tcp(&mut w);
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER_TCP);
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    w.advance(Duration::from_millis(500));
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_call_survives_its_connections() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = establish(&mut w);
    w.disconnect(PBX_TCP);
    w.disconnect(CARRIER_TCP);
    assert_eq!(w.edge.active_calls(), 1);
    // The PBX comes back over a new one and is asked over that.
    w.connect(PBX_TCP);
    pbx.request(&mut w, "OPTIONS", &[], None);
    pbx.expect(&mut w, "200");
    w.connect(CARRIER_TCP);
    pstn.bye(&mut w);
    pstn.expect(&mut w, "200");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    w.finish();
}

#[test]
fn a_connection_that_closes_under_an_unanswered_invite_fails_that_route() {
    let mut w = World::new();
    let mut pbx = over_tcp(&mut w);
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    w.callee(CARRIER_TCP);
    // The transport could not connect: the driver says so for the transaction.
    w.advance(Duration::from_secs(5));
    let mut second = w.callee(CARRIER);
    second.reply(&mut w, 486, None);
    pbx.expect(&mut w, "486");
    pbx.ack_failure(&mut w);
    w.finish();
}

#[test]
fn each_leg_has_its_own_transport() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+81312345678");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER_TCP);
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    let ok = pbx.expect(&mut w, "200");
    assert_eq!(ok.contact().unwrap().unwrap().uri_text, "sip:tandem@203.0.113.1:5060");
    pbx.ack(&mut w, None);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}
