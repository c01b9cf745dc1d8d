use super::*;
use proptest::prelude::*;

fn text(message: &str) -> String {
    String::from_utf8(masked(message.as_bytes()).into_owned()).unwrap()
}

#[test]
fn a_message_without_credentials_is_borrowed() {
    let message = b"INVITE sip:+1@a:5060;transport=udp SIP/2.0\r\nFrom: <sip:b@c>\r\nP-Asserted-Identity: <sip:x@y>\r\n\r\nk";
    assert!(matches!(masked(message), Cow::Borrowed(same) if same == message));
}

#[test]
fn digest_keeps_what_helps_and_hides_what_proves() {
    assert_eq!(
        text(
            "Proxy-Authorization: Digest username=\"p,b\\\"x\", realm=\"r\", nonce=\"n,1\", uri=\"sip:a\", response=\"0a\", qop=auth, nc=00000001,cnonce = \"c\", opaque=o\r\nX: y\r\n"
        ),
        "Proxy-Authorization: Digest username=\"p,b\\\"x\", realm=\"r\", nonce=\"***\", uri=\"sip:a\", response=\"***\", qop=auth, nc=00000001,cnonce = \"***\", opaque=***\r\nX: y\r\n"
    );
}

#[test]
fn folds_cases_and_other_schemes_are_no_way_out() {
    for (message, expected) in [
        (
            "AUTHORIZATION :Digest realm=\"r\",\r\n response=\"ab\"\r\nX: y\r\n",
            "AUTHORIZATION :Digest realm=\"r\",\r\n response=\"***\"\r\nX: y\r\n",
        ),
        ("Authorization: Basic dXNlcjpwdw==\r\nX: y\r\n", "Authorization: Basic ***\r\nX: y\r\n"),
        ("Authorization: secret\n", "Authorization: ***\n"),
        ("Authorization: Digest response=\"ab", "Authorization: Digest response=***"),
        (
            "Authentication-Info: rspauth=\"ab\", qop=auth\r\n",
            "Authentication-Info: rspauth=\"***\", qop=auth\r\n",
        ),
    ] {
        assert_eq!(text(message), expected);
    }
}

#[test]
fn media_keys_and_passwords_in_uris_are_hidden() {
    for (message, expected) in [
        (
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVC|2^20|1:32;inline:QUJD\r\n",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***|2^20|1:32;inline:***\r\n",
        ),
        ("k=clear:secret\r\n", "k=***\r\n"),
        ("a=key-mgmt:mikey AQAF\r\n", "a=key-mgmt:***\r\n"),
        ("To: <SIP:alice:pa$s@host:5060>\r\n", "To: <SIP:alice:***@host:5060>\r\n"),
        ("INVITE sips:a:b@c SIP/2.0\r\n", "INVITE sips:a:***@c SIP/2.0\r\n"),
        (
            "INVITE sip:10.0.0.1:5060;x=a@b SIP/2.0\r\n",
            "INVITE sip:10.0.0.1:5060;x=a@b SIP/2.0\r\n",
        ),
        ("Call-ID: a:b@c\r\n", "Call-ID: a:b@c\r\n"),
        (
            "INVITE sip:4081234567*987654@meet.example SIP/2.0\r\n",
            "INVITE sip:4081234567****@meet.example SIP/2.0\r\n",
        ),
        (
            "To: <sip:a:pw@b>, <sips:4081234567.1.2.99887766@MEET.example>\r\n",
            "To: <sip:a:***@b>, <sips:4081234567.***@MEET.example>\r\n",
        ),
        (
            "INVITE sip:%23408%201234567%23987@meet.x SIP/2.0\r\n",
            "INVITE sip:%23408%201234567%***@meet.x SIP/2.0\r\n",
        ),
        ("To: <sip:4081234567;x=1@meet.x>\r\n", "To: <sip:4081234567;x=1@meet.x>\r\n"),
        // Without what separates them.
        ("To: <sip:7035550123456987654@meet.x>\r\n", "To: <sip:7035550123456***@meet.x>\r\n"),
        (
            "To: <sip:%23%37035550123456987@meet.x>\r\n",
            "To: <sip:%23%37035550123456***@meet.x>\r\n",
        ),
        ("To: <sip:7035550123456%39%38@meet.x>\r\n", "To: <sip:7035550123456%***@meet.x>\r\n"),
        ("To: <sip:%34081234567*9@meet.x>\r\n", "To: <sip:%34081234567****@meet.x>\r\n"),
        ("To: <sip:%23%237035550123456@meet.x>\r\n", "To: <sip:%23%237035550123456@meet.x>\r\n"),
        ("To: <sip:4081234567*1@pbx.x>\r\n", "To: <sip:4081234567*1@pbx.x>\r\n"),
    ] {
        assert_eq!(text(message), expected);
    }
}

proptest! {
    #[test]
    fn no_secret_survives_any_surroundings(head in "[ -~\r\n\t]{0,40}", tail in "[ -~\r\n\t]{0,40}") {
        let message = format!("{head}\r\nAuthorization: Digest x=1, response=\"5ec12e7k\"\r\nY: {tail}\r\n");
        prop_assert!(!text(&message).contains("5ec12e7k"));
        let message = format!("{head}\r\na=crypto:1 S inline:5ec12e7k {tail}\r\n");
        prop_assert!(!text(&message).contains("5ec12e7k"));
    }

    #[test]
    fn any_octets_are_survived(message in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = masked(&message);
    }
}

#[test]
fn bodies_of_telephone_keys_are_hidden() {
    for (message, expected) in [
        (
            "INFO sip:a@b SIP/2.0\r\nContent-Type: application/dtmf-relay\r\nX: y\r\n\r\nSignal=5\r\nDuration=160\r\n",
            "INFO sip:a@b SIP/2.0\r\nContent-Type: application/dtmf-relay\r\nX: y\r\n\r\n***\r\n",
        ),
        ("c:APPLICATION/dtmf;x=y\n\n7", "c:APPLICATION/dtmf;x=y\n\n***"),
        (
            "Content-Type :\r\n application/dtmf\r\n\r\n7",
            "Content-Type :\r\n application/dtmf\r\n\r\n***",
        ),
        (
            "Content-Type: application/kpml-response+xml\r\n\r\n<r digits=\"1234\"/>",
            "Content-Type: application/kpml-response+xml\r\n\r\n***",
        ),
        (
            "Content-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\nContent-Type: application/dtmf\r\n\r\n7\r\n--b\r\nContent-Type: text/plain\r\n\r\n8\r\n--b--\r\n",
            "Content-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\nContent-Type: application/dtmf\r\n\r\n***\r\n--b\r\nContent-Type: text/plain\r\n\r\n8\r\n--b--\r\n",
        ),
        ("Content-Type: text/plain\r\n\r\nSignal=5", "Content-Type: text/plain\r\n\r\nSignal=5"),
        ("Content-Type: application/dtmf\r\n\r\n", "Content-Type: application/dtmf\r\n\r\n"),
    ] {
        assert_eq!(text(message), expected);
    }
}
