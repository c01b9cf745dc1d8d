//! Where requests inside a dialog go: route sets, Contacts, and what they may be.

use simnet::{CARRIER, PBX, Ua, World};
use sip_proto::HeaderName;

#[test]
fn ack_and_bye_follow_a_loose_route_set_to_its_first_hop() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    // Two proxies before the PBX; the one next to us added its value last.
    pbx.record_routes =
        vec!["<sip:192.0.2.60;lr>".to_owned(), "<sip:192.0.2.61:5066;lr;id=a%20b>".to_owned()];
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    pstn.record_routes = vec!["<sip:198.51.100.81;lr>, <sip:198.51.100.80;lr>".to_owned()];
    pstn.contact = "sip:gw-7@198.51.100.99:5062;transport=udp".to_owned();
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    // Leg B's set is reversed: the proxy next to us is the last value.
    let mut proxy = pstn.clone();
    proxy.at = "198.51.100.80:5060".parse().unwrap();
    let ack = proxy.expect(&mut w, "ACK");
    assert_eq!(ack.request_uri(), Some("sip:gw-7@198.51.100.99:5062;transport=udp"));
    let routes: Vec<_> = ack.header_lines(HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:198.51.100.80;lr>", "<sip:198.51.100.81;lr>"]);
    let ok = pbx.expect(&mut w, "200");
    assert_eq!(ok.header_lines(HeaderName::RecordRoute).count(), 2);
    pbx.ack(&mut w, None);

    pstn.bye(&mut w);
    pstn.expect(&mut w, "200");
    // Leg A's set is in the order of its INVITE: its first value is where we send.
    let mut edge_proxy = pbx.clone();
    edge_proxy.at = "192.0.2.60:5060".parse().unwrap();
    let bye = edge_proxy.expect(&mut w, "BYE");
    assert_eq!(bye.request_uri(), Some(format!("sip:inner@{PBX}").as_str()));
    let routes: Vec<_> = bye.header_lines(HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:192.0.2.60;lr>", "<sip:192.0.2.61:5066;lr;id=a%20b>"]);
    edge_proxy.ok(&mut w);
    w.finish();
}

#[test]
fn a_strict_router_gets_itself_as_request_uri_and_the_target_last() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    pstn.record_routes =
        vec!["<sip:198.51.100.81;lr>".to_owned(), "<sip:198.51.100.80>".to_owned()];
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    let mut proxy = pstn.clone();
    proxy.at = "198.51.100.80:5060".parse().unwrap();
    let ack = proxy.expect(&mut w, "ACK");
    assert_eq!(ack.request_uri(), Some("sip:198.51.100.80"));
    let routes: Vec<_> = ack.header_lines(HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:198.51.100.81;lr>", "<sip:inner@198.51.100.20:5080>"]);
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    let bye = proxy.expect(&mut w, "BYE");
    assert_eq!(bye.request_uri(), Some("sip:198.51.100.80"));
    proxy.ok(&mut w);
    w.finish();
}

#[test]
fn a_private_contact_behind_a_public_address_is_reached_where_it_comes_from() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    pbx.contact = "sip:pbx@10.0.0.7:5060".to_owned();
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let answer = pstn.sdp(40_000);
    pstn.answer(&mut w, &mut pbx, &answer);
    pstn.bye(&mut w);
    pstn.expect(&mut w, "200");
    let bye = pbx.expect(&mut w, "BYE");
    assert_eq!(bye.request_uri(), Some("sip:pbx@10.0.0.7:5060"));
    pbx.ok(&mut w);
    w.finish();
}

#[test]
fn a_re_invite_moves_the_target() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pstn.contact = "sip:moved@198.51.100.20:5088".to_owned();
    let same = pstn.sdp(40_000);
    pstn.invite(&mut w, Some(&same));
    pstn.expect(&mut w, "200");
    pstn.ack(&mut w, None);
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    pstn.at = "198.51.100.20:5088".parse().unwrap();
    let bye = pstn.expect(&mut w, "BYE");
    assert_eq!(bye.request_uri(), Some("sip:moved@198.51.100.20:5088"));
    pstn.ok(&mut w);
    w.finish();
}

#[test]
fn info_passes_both_ways_with_its_body_and_its_response() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let dtmf = ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n");
    pbx.request(&mut w, "INFO", &[("Info-Package", "dtmf"), ("X-Trace", "7")], Some(dtmf));
    let info = pstn.expect(&mut w, "INFO");
    assert_eq!(info.body_bytes(), dtmf.1.as_bytes());
    assert_eq!(info.content_type(), Some(dtmf.0));
    assert_eq!(info.header_named("X-Trace"), Some("7"));
    pstn.refuse(&mut w, 469, &[]);
    pbx.expect(&mut w, "469");
    pstn.request(&mut w, "INFO", &[], Some(dtmf));
    pbx.expect(&mut w, "INFO");
    pbx.ok(&mut w);
    pstn.expect(&mut w, "200");
    // Nobody answers: then neither do we (RFC 4320 section 4.2).
    pstn.request(&mut w, "INFO", &[], Some(dtmf));
    w.advance(std::time::Duration::from_secs(33));
    w.take_all(PBX);
    pstn.expect_silence(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn options_is_answered_in_and_out_of_a_dialog() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.request(&mut w, "OPTIONS", &[], None);
    let ok = pbx.expect(&mut w, "200");
    assert!(ok.has_option_tag(HeaderName::Allow, "INVITE"));
    pstn.expect_silence(&mut w);
    let mut other = w.caller(CARRIER, "ping");
    other.request(&mut w, "OPTIONS", &[], None);
    let ok = other.expect(&mut w, "200");
    assert!(ok.has_option_tag(HeaderName::Supported, "timer"));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn messages_and_registrations_are_refused() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    for method in ["PUBLISH", "SUBSCRIBE", "FOO"] {
        pbx.request(&mut w, method, &[], None);
        let refused = pbx.expect(&mut w, "405");
        assert!(refused.has_option_tag(HeaderName::Allow, "INFO"), "{method}");
        pstn.expect_silence(&mut w);
    }
    pbx.hang_up(&mut w, &mut pstn);
    for (method, status) in
        [("REGISTER", "405"), ("MESSAGE", "405"), ("SUBSCRIBE", "405"), ("REFER", "403")]
    {
        let mut other = w.caller(PBX, "+12065550123");
        other.request(&mut w, method, &[], None);
        let refused = other.expect(&mut w, status);
        assert!(!refused.has_option_tag(HeaderName::Allow, method), "{method}");
        assert_eq!(refused.has_option_tag(HeaderName::Allow, "INVITE"), status == "405");
    }
    w.finish();
}

#[test]
fn requests_of_unknown_dialogs_get_481() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut forged = pbx.clone();
    forged.call_id = "someone-elses-call".to_owned();
    forged.bye(&mut w);
    forged.expect(&mut w, "481");
    let mut stranger_tag = pstn.clone();
    stranger_tag.tag = "not-the-peers-tag".to_owned();
    stranger_tag.bye(&mut w);
    stranger_tag.expect(&mut w, "481");
    assert_eq!(w.edge.active_calls(), 1);
    pbx.hang_up(&mut w, &mut pstn);
    w.advance(std::time::Duration::from_secs(100));
    pbx.bye(&mut w);
    pbx.expect(&mut w, "481");
    for method in ["BYE", "INFO", "UPDATE"] {
        let mut lost = w.caller(PBX, "+12065550123");
        lost.request(&mut w, method, &[], None);
        lost.expect(&mut w, "481");
    }
    w.finish();
}

#[test]
fn a_request_with_an_old_number_gets_500() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.cseq -= 50;
    pbx.request(&mut w, "INFO", &[], None);
    pbx.expect(&mut w, "500");
    pbx.cseq += 50;
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}
