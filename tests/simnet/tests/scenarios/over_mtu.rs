//! Requests too big for a datagram (RFC 3261 section 18.1.1).

use model::TransportProtocol;
use simnet::{CARRIER, EDGE, EDGE_TCP, PBX, Ua, World, config, directory};
use sip_proto::{HeaderName, Message};
use std::time::Duration;

/// A description that makes any INVITE too big.
fn big(ua: &Ua, port: u16, version: u32) -> String {
    let mut sdp = ua.sdp_with(port, version, "sendrecv");
    for n in 0..40 {
        sdp.push_str(&format!("a=x-attribute-{n}:{}\r\n", "0123456789".repeat(2)));
    }
    sdp
}

fn calling(w: &mut World) -> Ua {
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = big(&pbx, 30_000, 1);
    pbx.invite(w, Some(&offer));
    pbx
}

fn callee(w: &mut World, transport: &'static str) -> (Ua, Message) {
    let mut pstn = w.callee(CARRIER);
    pstn.transport = transport;
    let invite = pstn.invited.clone().unwrap();
    assert!(invite.raw().len() > 1_300);
    assert_eq!(invite.top_via().unwrap().protocol, transport);
    let contact = invite.header(HeaderName::Contact).unwrap().to_owned();
    match transport {
        "TCP" => {
            assert_eq!(invite.top_via().unwrap().sent_by_port, Some(EDGE_TCP.port()));
            assert_eq!(contact, format!("<sip:tandem@{EDGE_TCP};transport=tcp>"));
        }
        _ => assert_eq!(contact, format!("<sip:tandem@{EDGE}>")),
    }
    (pstn, invite)
}

fn answers(w: &mut World, pbx: &mut Ua, pstn: &mut Ua) {
    let answer = pstn.sdp(40_000);
    pstn.answer(w, pbx, &answer);
}

#[test]
fn a_big_invite_takes_tcp_and_its_dialog_stays_on_that_connection() {
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    let (mut pstn, _) = callee(&mut w, "TCP");
    assert_eq!(w.opened, [CARRIER]);
    answers(&mut w, &mut pbx, &mut pstn);
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    let bye = pstn.expect(&mut w, "BYE");
    assert_eq!(bye.top_via().unwrap().protocol, "TCP");
    pstn.ok(&mut w);
    assert_eq!(w.opened, [CARRIER], "one connection served it all");
    let statistics = w.edge.statistics();
    assert_eq!((statistics.stream_switches, statistics.stream_fallbacks), (1, 0));
    w.finish();
}

#[test]
fn the_next_small_call_is_a_datagram_again() {
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    let (mut pstn, _) = callee(&mut w, "TCP");
    pstn.reply(&mut w, 486, None);
    assert_eq!(pstn.expect(&mut w, "ACK").top_via().unwrap().protocol, "TCP");
    pbx.expect(&mut w, "486");
    pbx.ack_failure(&mut w);
    w.disconnect(CARRIER);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    assert_eq!(pstn.invited.clone().unwrap().top_via().unwrap().protocol, "UDP");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_refused_stream_falls_back_to_datagrams_and_is_remembered() {
    let mut w = World::new();
    w.no_streams.push(CARRIER);
    let mut pbx = calling(&mut w);
    let (mut pstn, _) = callee(&mut w, "UDP");
    answers(&mut w, &mut pbx, &mut pstn);
    pbx.hang_up(&mut w, &mut pstn);
    for _ in 0..2 {
        // Nothing is tried in vain a second time.
        let mut pbx = calling(&mut w);
        let (mut pstn, _) = callee(&mut w, "UDP");
        answers(&mut w, &mut pbx, &mut pstn);
        pbx.hang_up(&mut w, &mut pstn);
    }
    let statistics = w.edge.statistics();
    assert_eq!((statistics.stream_switches, statistics.stream_fallbacks), (1, 1));
    // But not for good.
    w.advance(Duration::from_secs(600));
    w.no_streams.clear();
    let mut pbx = calling(&mut w);
    let (mut pstn, _) = callee(&mut w, "TCP");
    answers(&mut w, &mut pbx, &mut pstn);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_stream_into_the_void_costs_two_seconds_and_no_route() {
    let mut w = World::new();
    w.lost_streams.push(CARRIER);
    let mut pbx = calling(&mut w);
    w.advance(Duration::from_millis(1_999));
    assert!(w.take(CARRIER, None).is_none());
    w.advance(Duration::from_millis(1));
    let (mut pstn, _) = callee(&mut w, "UDP");
    answers(&mut w, &mut pbx, &mut pstn);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_cancel_follows_its_invite() {
    for transport in ["TCP", "UDP"] {
        let mut w = World::new();
        if transport == "UDP" {
            w.no_streams.push(CARRIER);
        }
        let mut pbx = calling(&mut w);
        let (mut pstn, invite) = callee(&mut w, transport);
        pstn.reply(&mut w, 180, None);
        pbx.expect(&mut w, "180");
        pbx.cancel(&mut w);
        pbx.expect(&mut w, "200");
        pbx.expect(&mut w, "487");
        pbx.ack_failure(&mut w);
        let cancel = pstn.expect(&mut w, "CANCEL");
        assert_eq!(cancel.top_via().unwrap().text(), invite.top_via().unwrap().text());
        pstn.ok(&mut w);
        pstn.reply(&mut w, 487, None);
        let ack = pstn.expect(&mut w, "ACK");
        assert_eq!(ack.top_via().unwrap().protocol, transport);
        w.finish();
    }
}

#[test]
fn an_opt_out_or_no_listener_keeps_datagrams() {
    let mut resources = directory();
    resources.carriers[0].udp_only = true;
    let mut only_udp = config();
    only_udp.listeners.retain(|listener| listener.protocol == TransportProtocol::Udp);
    let mut wide = config();
    wide.max_datagram_request = 65_000;
    for mut w in [
        World::with(config(), resources),
        World::with(only_udp, directory()),
        World::with(wide, directory()),
    ] {
        let mut pbx = calling(&mut w);
        let (mut pstn, _) = callee(&mut w, "UDP");
        answers(&mut w, &mut pbx, &mut pstn);
        pbx.hang_up(&mut w, &mut pstn);
        assert_eq!(w.edge.statistics().stream_switches, 0);
        w.finish();
    }
}

#[test]
fn a_big_request_inside_a_dialog_takes_tcp_alone() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let offer = big(&pbx, 30_000, 2);
    pbx.invite(&mut w, Some(&offer));
    let again = pstn.expect(&mut w, "INVITE");
    assert_eq!(again.top_via().unwrap().protocol, "TCP");
    pstn.transport = "TCP";
    let answer = pstn.sdp_with(40_000, 2, "sendrecv");
    pstn.answer(&mut w, &mut pbx, &answer);
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    assert_eq!(pstn.expect(&mut w, "BYE").top_via().unwrap().protocol, "UDP");
    pstn.ok(&mut w);
    w.finish();
}
