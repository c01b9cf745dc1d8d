use bytes::Bytes;

use super::*;
use crate::message::Limits;

const GOOD: &str = "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\n\
    Max-Forwards: 70\r\nFrom: <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: x\r\n\
    CSeq: 1 INVITE\r\nContact: <sip:c@h>\r\nContent-Length: 0\r\n\r\n";

fn message(raw: &str) -> Message {
    Message::parse(Bytes::copy_from_slice(raw.as_bytes()), &Limits::default()).unwrap()
}

fn status(from: &str, to: &str) -> Option<u16> {
    assert!(GOOD.contains(from), "{from:?} is in the message");
    let raw = GOOD.replace(from, to);
    validate_request(&message(&raw), &["timer"]).err().map(|violation| violation.status)
}

#[test]
fn a_good_request_passes_and_each_fault_has_its_status() {
    assert_eq!(status("70", "70"), None);
    for (from, to, expected) in [
        ("SIP/2.0\r\n", "SIP/2.1\r\n", 505),
        ("sip:a@b SIP", "isdn:1 SIP", 416),
        ("sip:a@b SIP", "sip:a@b?x=y SIP", 400),
        ("sip:a@b SIP", "sip: SIP", 400),
        ("Via: SIP/2.0/UDP", "Via: SIP/1.0/UDP", 400),
        ("Via: ", "X: ", 400),
        ("From: ", "X: ", 400),
        ("To: ", "X: ", 400),
        ("Call-ID: ", "X: ", 400),
        ("Call-ID: x", "Call-ID: x y", 400),
        ("CSeq: ", "X: ", 400),
        ("CSeq: 1 INVITE", "CSeq: 1 BYE", 400),
        ("CSeq: 1 ", "CSeq: 2147483648 ", 400),
        ("Max-Forwards: 70", "Max-Forwards: 0", 483),
        ("Max-Forwards: 70", "Max-Forwards: x", 400),
        ("Max-Forwards: 70\r\n", "Max-Forwards: 70\r\nMax-Forwards: 70\r\n", 400),
        ("<sip:c@d>", "<nothing>", 400),
        ("<sip:c@h>", "<sip:c@h>, <sip:", 400),
        ("Content-Length: 0", "Content-Length: 1", 400),
        ("Content-Length: 0", "Content-Length: 0\r\nl: 0", 400),
        ("Content-Length: 0", "Require: timer, foo", 420),
        ("Content-Length: 0", "Proxy-Require: foo", 420),
    ] {
        assert_eq!(status(from, to), Some(expected), "{to:?}");
    }
    for (from, to) in [
        ("CSeq: 1 ", "CSeq: 2147483647 "),
        ("Max-Forwards: 70", "Max-Forwards: 1"),
        ("Max-Forwards: 70\r\n", ""),
        ("Content-Length: 0", "Require: TIMER"),
        ("sip:a@b SIP", "tel:+12065550100 SIP"),
        ("<sip:c@h>", "*"),
        ("Content-Length: 0\r\n", ""),
    ] {
        assert_eq!(status(from, to), None, "{to:?}");
    }
}

/// RFC 3261 section 8.2.2.3: an ACK cannot be refused, and a CANCEL not for what it requires.
#[test]
fn ack_and_cancel_are_not_refused_for_extensions() {
    for method in ["ACK", "CANCEL"] {
        let raw = GOOD.replace("INVITE", method).replace("Content-Length: 0", "Require: foo");
        assert_eq!(validate_request(&message(&raw), &[]), Ok(()));
    }
    let ack = GOOD.replace("INVITE", "ACK").replace("Max-Forwards: 70", "Max-Forwards: 0");
    assert_eq!(validate_request(&message(&ack), &[]), Ok(()));
}

#[test]
fn responses() {
    let good = GOOD.replace("INVITE sip:a@b SIP/2.0", "SIP/2.0 200 OK");
    assert_eq!(validate_response(&message(&good)), Ok(()));
    for (from, to) in [
        ("SIP/2.0 200", "SIP/2.1 200"),
        ("Via: ", "X: "),
        ("To: ", "X: "),
        ("CSeq: 1", "CSeq: 99999999999"),
        ("Content-Length: 0", "Content-Length: 9"),
        ("Call-ID: x\r\n", "Call-ID: x\r\nCall-ID: x\r\n"),
    ] {
        assert!(validate_response(&message(&good.replace(from, to))).is_err(), "{to:?}");
    }
    assert!(validate_response(&message(GOOD)).is_err(), "a request is no response");
    assert_eq!(validate_request(&message(&good), &[]).map_err(|v| v.status), Err(400));
}
