use bytes::Bytes;

use super::*;
use crate::message::Limits;
use crate::transaction::machine::graph;

fn message(start: &str, headers: &[&str]) -> Message {
    let mut raw = format!(
        "{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: \"A\" <sips:alice@a>;tag=at\r\n\
         To: <sip:bob@b>;tag=bt\r\nCall-ID: c1\r\nCSeq: 8 INVITE\r\n"
    );
    for header in headers {
        raw += header;
        raw += "\r\n";
    }
    Message::parse(Bytes::from(raw + "\r\n"), &Limits::default()).unwrap()
}

fn uac(headers: &[&str]) -> Dialog {
    Dialog::from_response_uac(&message("SIP/2.0 200 OK", headers)).unwrap()
}

#[test]
fn dialog_graph() {
    insta::assert_snapshot!(graph(TRANSITIONS));
}

#[test]
fn the_uas_keeps_the_order_of_record_route_and_the_uac_reverses_it() {
    // RFC 3261 sections 12.1.1, 12.1.2 and the example of 16.12.1.1.
    let headers = [
        "Contact: <sip:caller@u1.example.com>",
        "Record-Route: <sip:p2.domain.com;lr>",
        "Record-Route: <sip:p1.example.com;lr>;x=y",
    ];
    let invite = message("INVITE sips:callee@u2.domain.com SIP/2.0", &headers);
    let uas = Dialog::from_request_uas(&invite, "mine").unwrap();
    assert_eq!(uas.route_set(), ["<sip:p2.domain.com;lr>", "<sip:p1.example.com;lr>;x=y"]);
    assert_eq!((uas.local_uri(), uas.remote_uri()), ("sip:bob@b", "sips:alice@a"));
    assert_eq!((uas.local_tag(), uas.remote_tag()), ("mine", "at"));
    assert_eq!((uas.local_cseq(), uas.remote_cseq()), (0, Some(8)));
    assert_eq!((uas.state(), uas.is_secure()), (Early, true));
    let target = uas.request_target();
    assert_eq!(target.request_uri(), "sip:caller@u1.example.com");
    assert_eq!(target.next_hop(), "sip:p2.domain.com;lr");

    let uac = uac(&headers);
    assert_eq!(uac.route_set(), ["<sip:p1.example.com;lr>;x=y", "<sip:p2.domain.com;lr>"]);
    assert_eq!((uac.local_uri(), uac.remote_uri()), ("sips:alice@a", "sip:bob@b"));
    assert_eq!((uac.local_tag(), uac.remote_tag()), ("at", "bt"));
    assert_eq!((uac.local_cseq(), uac.remote_cseq()), (8, None));
    assert_eq!((uac.state(), uac.is_secure()), (Confirmed, false));
    assert_eq!(
        uac.id(),
        DialogId { call_id: "c1".into(), local_tag: "at".into(), remote_tag: "bt".into() }
    );
}

#[test]
fn without_routes_the_target_is_everything() {
    let dialog = uac(&["Contact: <sip:bob@10.0.0.1:5070;transport=tcp>"]);
    let target = dialog.request_target();
    assert_eq!(target.request_uri(), "sip:bob@10.0.0.1:5070;transport=tcp");
    assert_eq!(target.next_hop(), target.request_uri());
    assert_eq!(target.routes().count(), 0);
}

#[test]
fn loose_routers_stay_in_route() {
    let dialog = uac(&[
        "Contact: sip:bob@b",
        "Record-Route: <sip:proxy4;lr>, <sip:proxy3>, <sip:proxy2;LR=on>, <sip:proxy1;lr>",
    ]);
    let target = dialog.request_target();
    assert_eq!(target.request_uri(), "sip:bob@b");
    assert_eq!(target.next_hop(), "sip:proxy1;lr");
    assert_eq!(
        target.routes().collect::<Vec<_>>(),
        ["<sip:proxy1;lr>", "<sip:proxy2;LR=on>", "<sip:proxy3>", "<sip:proxy4;lr>"]
    );
}

#[test]
fn a_strict_router_becomes_the_request_uri_and_the_target_the_last_route() {
    // The example of RFC 3261 section 12.2.1.1.
    let dialog = uac(&[
        "Contact: <sip:user@remoteua>",
        "Record-Route: <sip:proxy4>,<sip:proxy3;lr>,<sip:proxy2>",
        "Record-Route: <sip:proxy1;method=INVITE;x?Subject=a>",
    ]);
    let target = dialog.request_target();
    assert_eq!(target.request_uri(), "sip:proxy1;x");
    assert_eq!(target.next_hop(), "sip:proxy1;x");
    assert_eq!(
        target.routes().collect::<Vec<_>>(),
        ["<sip:proxy2>", "<sip:proxy3;lr>", "<sip:proxy4>", "<sip:user@remoteua>"]
    );
}

#[test]
fn a_2xx_replaces_the_early_route_set_and_target_but_a_refresh_only_the_target() {
    let early =
        message("SIP/2.0 183 Progress", &["Contact: <sip:early@b>", "Record-Route: <sip:one;lr>"]);
    let mut dialog = Dialog::from_response_uac(&early).unwrap();
    assert_eq!(dialog.state(), Early);
    let answer =
        message("SIP/2.0 200 OK", &["Contact: <sip:late@b>", "Record-Route: <sip:two;lr>"]);
    dialog.take_response(&answer).unwrap();
    assert_eq!(dialog.state(), Confirmed);
    assert_eq!(dialog.remote_target(), "sip:late@b");
    assert_eq!(dialog.route_set(), ["<sip:two;lr>"]);

    let refresh = message(
        "UPDATE sip:us SIP/2.0",
        &["Contact: <sip:moved@b>", "Record-Route: <sip:three;lr>"],
    );
    dialog.update_remote_target(&refresh);
    assert_eq!(dialog.remote_target(), "sip:moved@b");
    assert_eq!(dialog.route_set(), ["<sip:two;lr>"]);
    dialog.update_remote_target(&message("UPDATE sip:us SIP/2.0", &[]));
    assert_eq!(dialog.remote_target(), "sip:moved@b");
}

#[test]
fn a_dialog_needs_a_contact_and_readable_routes() {
    let missing = Err(DialogError::Missing(HeaderName::Contact));
    let invite = message("INVITE sip:b SIP/2.0", &[]);
    assert_eq!(Dialog::from_request_uas(&invite, "t"), missing);
    assert_eq!(Dialog::from_response_uac(&message("SIP/2.0 200 OK", &[])), missing);
    let bad = message("SIP/2.0 200 OK", &["Contact: <sip:b>", "Record-Route: <sip:x"]);
    assert!(matches!(Dialog::from_response_uac(&bad), Err(DialogError::Malformed(_))));
}

#[test]
fn sequence_numbers_only_grow() {
    let mut dialog = uac(&["Contact: <sip:b>"]);
    assert_eq!(dialog.next_cseq(), 9);
    assert_eq!(dialog.next_cseq(), 10);
    dialog.local_cseq = MAX_CSEQ;
    assert_eq!(dialog.next_cseq(), 1, "stays below 2^31");

    assert_eq!(dialog.check_remote_cseq(100), Ok(()));
    assert_eq!(dialog.check_remote_cseq(101), Ok(()));
    assert_eq!(
        dialog.check_remote_cseq(100),
        Err(DialogError::OutOfOrder { highest: 101, received: 100 })
    );
    assert_eq!(dialog.remote_cseq(), Some(101));
}

#[test]
fn only_requests_with_its_tags_belong_to_it() {
    let invite = message("INVITE sip:b SIP/2.0", &["Contact: <sip:a>"]);
    let ours = Dialog::from_request_uas(&invite, "bt").unwrap();
    assert!(ours.matches_request(&message("BYE sip:b SIP/2.0", &[])));
    let other = Dialog::from_request_uas(&invite, "other").unwrap();
    assert!(!other.matches_request(&message("BYE sip:b SIP/2.0", &[])));
}

#[test]
fn a_dialog_that_is_over_stays_over() {
    let mut dialog = uac(&["Contact: <sip:b>"]);
    assert!(dialog.step(DialogInput::Bye));
    for input in [DialogInput::Success, DialogInput::Provisional, DialogInput::Lost] {
        assert!(!dialog.step(input));
        assert_eq!(dialog.state(), Terminated);
    }
}
