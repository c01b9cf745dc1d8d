use super::*;

fn parse(raw: &str) -> Result<Message, Malformed> {
    Message::parse(Bytes::copy_from_slice(raw.as_bytes()), &Limits::default())
}

fn with_lines(lines: &str) -> Result<Message, Malformed> {
    parse(&format!("OPTIONS sip:a@b SIP/2.0\r\n{lines}\r\n"))
}

#[test]
fn empty_lines_before_the_start_line_are_passed_over() {
    let message = parse("\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\nX: y\r\n\r\nbody").unwrap();
    assert_eq!(message.method(), Some(Method::Options));
    assert_eq!(message.start_line(), "OPTIONS sip:a@b SIP/2.0");
    assert_eq!(message.body(), "body", "without Content-Length a datagram's rest is the body");
}

#[test]
fn lines_that_could_be_read_two_ways_are_refused() {
    for lines in [
        "A: b\nC: d\r\n",           // LF alone
        "A: b\rC: d\r\n",           // CR alone
        "A: b\r\r\nC: d\r\n",       // CR CR LF
        "A: b\0\r\n",               // NUL
        "A: \\\0\r\n",              // NUL escaped, but in no quoted string
        " A: b\r\n",                // a fold of the start line
        "A b: c\r\n",               // blank inside a name
        ": c\r\n",                  // no name
        "A\r\n",                    // no colon
        "A\r\n : b\r\n",            // a fold before the colon
        "Content-Length: 1, 1\r\n", // a list of lengths
        "Content-Length: 0x1\r\n",
        "Content-Length: \r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1\r\nL : 2\r\n",
    ] {
        let fault = with_lines(lines).unwrap_err();
        assert_eq!(fault.status, 400, "{lines:?}: {fault}");
    }
    assert!(parse("OPTIONS sip:a@b SIP/2.0\r\nA: b\r\n").is_err(), "no blank line");
    assert!(with_lines("A: \"\\\0\"\r\n").is_ok(), "a quoted pair may hold NUL");
    assert!(with_lines("A \t: b\r\n").is_ok(), "RFC 3261 HCOLON");
    let raw = b"OPTIONS sip:a@b SIP/2.0\r\nSubject: \xff\r\n\r\n".as_slice();
    assert!(Message::parse(Bytes::from_static(raw), &Limits::default()).is_err());
}

#[test]
fn start_lines() {
    for (line, good) in [
        ("OPTIONS sip:a@b SIP/2.0", true),
        ("OPTIONS sip:a@b sip/2.0", true),
        ("OPTIONS sip:a@b SIP/3.0", true),
        ("OPTIONS  sip:a@b SIP/2.0", false),
        ("OPTIONS sip:a@b  SIP/2.0", false),
        ("OPTIONS sip:a@b SIP/2.0 ", false),
        ("OPTIONS sip:a@b HTTP/1.1", false),
        ("OPTIONS sip:a@b", false),
        ("OPT(ONS sip:a@b SIP/2.0", false),
        ("SIP/2.0 200 OK", true),
        ("SIP/2.0 200 ", true),
        ("SIP/2.0 200", true),
        ("SIP/2.0 2000 OK", false),
        ("SIP/2.0 099 OK", false),
        ("SIP/2.0 700 OK", false),
        ("SIP/2.0  200 OK", false),
        ("SIP/2.0 20 OK", false),
        ("SIP/2.0", false),
    ] {
        assert_eq!(parse(&format!("{line}\r\nA: b\r\n\r\n")).is_ok(), good, "{line:?}");
    }
    assert!(!parse("OPTIONS sip:a@b SIP/3.0\r\n\r\n").unwrap().is_version_2_0());
}

#[test]
fn limits_hold_on_both_sides() {
    let limits = Limits { headers: 2, uri_bytes: 7, header_bytes: 12, ..Limits::default() };
    let parse = |raw: &str, limits: &Limits| {
        Message::parse(Bytes::copy_from_slice(raw.as_bytes()), limits).map_err(|f| f.status).err()
    };
    assert_eq!(parse("A sip:a@b SIP/2.0\r\nB: 2345678\r\nC: d\r\n\r\n", &limits), None);
    assert_eq!(parse("A sip:a@bc SIP/2.0\r\n\r\n", &limits), Some(414));
    assert_eq!(parse("A sip:a@b SIP/2.0\r\nB: 23456789\r\n\r\n", &limits), Some(513));
    assert_eq!(parse("A sip:a@b SIP/2.0\r\nB: c\r\nB: c\r\nB: c\r\n\r\n", &limits), Some(513));
    let raw = "A sip:a@b SIP/2.0\r\n\r\nbody";
    for (bytes, expected) in [(raw.len(), None), (raw.len() - 1, Some(513))] {
        let limits = Limits { message_bytes: bytes, ..Limits::default() };
        assert_eq!(parse(raw, &limits), expected);
    }
    for (bytes, expected) in [(4, None), (3, Some(513))] {
        let limits = Limits { body_bytes: bytes, ..Limits::default() };
        assert_eq!(parse(raw, &limits), expected);
    }
}

#[test]
fn content_length_decides_the_body() {
    let body = |length: &str| {
        let raw = format!("A sip:a@b SIP/2.0\r\nContent-Length: {length}\r\n\r\nbody");
        let message = parse(&raw).unwrap();
        (message.body(), message.is_truncated())
    };
    assert_eq!(body("2"), (Bytes::from_static(b"bo"), false));
    assert_eq!(body("4"), (Bytes::from_static(b"body"), false));
    assert_eq!(body("5"), (Bytes::from_static(b"body"), true));
    assert_eq!(body("99999999999999999999999"), (Bytes::from_static(b"body"), true));
}

#[test]
fn unknown_headers_pass_in_order_and_untouched() {
    let message = with_lines("X-B : 1\r\nP-Foo:bar\r\n  baz\r\nx-b:2\r\n").unwrap();
    let wire: Vec<_> = message.headers().map(|line| line.wire).collect();
    assert_eq!(wire, [b"X-B : 1\r\n".as_slice(), b"P-Foo:bar\r\n  baz\r\n", b"x-b:2\r\n"]);
    let first = message.headers().next().unwrap();
    assert_eq!((first.name, first.raw_name, first.value), (HeaderName::Other, "X-B", "1"));
    assert_eq!(message.header_named("x-B"), Some("1"));
    assert_eq!(message.header_named("p-foo").map(unfold), Some("bar baz".into()));
    assert_eq!(message.header(HeaderName::Other), None, "Other is no name");
}

#[test]
fn values_split_at_commas_outside_quotes_and_brackets() {
    let lines = "m: \"a, \\\" b\" <sip:a,b@c;x=1,2>;q=1, <sip:d@e>\r\nContact: sip:f@g ,,\r\n";
    let message = with_lines(lines).unwrap();
    let values: Vec<_> = message.values(HeaderName::Contact).collect();
    let expected = ["\"a, \\\" b\" <sip:a,b@c;x=1,2>;q=1", "<sip:d@e>", "sip:f@g"];
    assert_eq!(values, expected);
    assert_eq!(message.contact().unwrap().unwrap().uri_text, "sip:a,b@c;x=1,2");
}

#[test]
fn addresses() {
    let good = |text| {
        let address = NameAddr::parse(text).unwrap();
        (address.display_name, address.uri_text, address.tag())
    };
    assert_eq!(good("<sip:a@b>;tag=1"), (None, "sip:a@b", Some("1")));
    assert_eq!(good("sip:a@b ; TAG = 1"), (None, "sip:a@b", Some("1")));
    assert_eq!(good("Grüße <sip:a@b>"), (Some("Grüße"), "sip:a@b", None));
    assert_eq!(
        good("\"a<b>;tag=9\"<sip:a@b;tag=2>"),
        (Some("\"a<b>;tag=9\""), "sip:a@b;tag=2", None)
    );
    assert_eq!(good("<sip:a@b>;"), (None, "sip:a@b", None));
    assert_eq!(good("<sip:a@b>;x=\";tag=2\";tag=3"), (None, "sip:a@b", Some("3")));
    assert_eq!(good("*"), (None, "*", None));
    for bad in [
        "",
        "<>",
        "<sip:a@b",
        "\"a <sip:a@b>",
        "a, b <sip:a@b>",
        "\"a\" sip:a@b",
        "< sip:a@b>",
        "<sip:a@b> x",
        "<sip:a@b>;tag=1;tag=2",
        "<sip:a@b>;;tag=1",
        "<sip:a@b>;=1",
        "sip:a@b?x=y",
        "<sip:a@b>;tag=1, <sip:c@d>",
        "<sip:a@b>;x=\"1",
        "<sip:a@b>;t(g=1",
    ] {
        assert!(NameAddr::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn uris() {
    let uri = Uri::parse("SIPS:al%69ce;x=1:pw@Example.COM:5061;Transport=UDP;lr?Subject=a&to=b");
    let uri = uri.unwrap();
    assert_eq!(uri.scheme, Scheme::Sips);
    assert_eq!((uri.user, uri.password), (Some("al%69ce;x=1"), Some("pw")));
    assert_eq!(uri.user_unescaped(), "alice;x=1");
    assert_eq!(uri.host_port().to_string(), "Example.COM:5061");
    assert_eq!(uri.param("transport"), Some(Some("UDP")));
    assert_eq!((uri.param("LR"), uri.param("x")), (Some(None), None));
    assert_eq!(uri.headers, "Subject=a&to=b");
    let empty_user = Uri::parse("sip:@host").unwrap();
    assert_eq!((empty_user.user, empty_user.host), (Some(""), Host::Name("host")));
    let tel = Uri::parse("tel:+1-201-555-0123;phone-context=example.com").unwrap();
    assert_eq!((tel.scheme, tel.user), (Scheme::Tel, Some("+1-201-555-0123")));
    assert_eq!(tel.param("phone-context"), Some(Some("example.com")));
    assert_eq!(Uri::parse("urn:service:sos").unwrap().scheme, Scheme::Other);
    for bad in [
        "",
        "sip:",
        "alice@b",
        ":a",
        "sip:a@",
        "sip:a@b:",
        "sip:a@b:65536",
        "sip:a@b:5o60",
        "sip:a@b:1:2",
        "sip:a@[::1",
        "sip:a@[1.2.3.4]",
        "sip:a@b/c",
        "sip:a b@c",
        "<sip:a@b>",
        "tel:",
        "tel:;x=1",
        "sip:a@b@c",
        "2p:x",
    ] {
        assert!(Uri::parse(bad).is_err(), "{bad:?}");
    }
}

/// The examples of RFC 3261 section 19.1.4.
#[test]
fn uri_equivalence() {
    let same = |one, two| Uri::parse(one).unwrap().equivalent(&Uri::parse(two).unwrap());
    for (one, two) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
    ] {
        assert!(same(one, two) && same(two, one), "{one} = {two}");
    }
    for (one, two) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=off", "sip:carol@chicago.com;security=on"),
        ("sip:a%3Bb@c", "sip:a;b@c"),
        ("sip:a@b", "sips:a@b"),
        ("tel:+12015550123", "tel:+12015550124"),
    ] {
        assert!(!same(one, two) && !same(two, one), "{one} != {two}");
    }
}

#[test]
fn vias() {
    let via = Via::parse("sip/2.0/udp Host.example:5070 ;Branch=z9hG4bKa;RPORT;ttl=16").unwrap();
    assert_eq!((via.protocol, via.sent_by_port), ("udp", Some(5070)));
    assert_eq!((via.branch, via.rport), (Some("z9hG4bKa"), Some(None)));
    assert_eq!(via.params.get("TTL"), Some(Some("16")));
    assert!(via.has_magic_cookie() && via.is_version_2_0());
    let via = Via::parse("SIP/2.0/TLS [::1]:5061;rport=6000;received=10.0.0.1;branch=z9hG4bK");
    let via = via.unwrap();
    assert!(!via.has_magic_cookie(), "the cookie alone makes no branch");
    assert_eq!(via.rport, Some(Some(6000)));
    assert_eq!(via.received_ip(), "10.0.0.1".parse().ok());
    for bad in [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 host",
        "HTTP/2.0/UDP h",
        "SIP/2.0/UDP h:0x1",
        "SIP/2.0/UDP h i",
        "SIP/2.0/UDP ;branch=1",
        "SIP/2.0/UDP h;branch=1;branch=2",
        "SIP/2.0/UDP h;;branch=1",
        "SIP/2.0/UDP h;rport=70000",
        "SIP/2.0/UDP h;received=1;received=2",
    ] {
        assert!(Via::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn small_values() {
    let cseq = CSeq::parse("4294967295 \r\n FOO").unwrap();
    assert_eq!((cseq.number, cseq.method), (u32::MAX, Method::Other("FOO")));
    for bad in ["", "1", "1INVITE", "INVITE", "4294967296 INVITE", "-1 INVITE", "1 A B"] {
        assert!(CSeq::parse(bad).is_err(), "{bad:?}");
    }
    let rack = RAck::parse("776656 1 INVITE").unwrap();
    assert_eq!((rack.rseq, rack.cseq.number, rack.cseq.method), (776_656, 1, Method::Invite));
    let timer = SessionExpires::parse("1800 ; Refresher=UAS").unwrap();
    assert_eq!(timer, SessionExpires { seconds: 1800, refresher: Some(Refresher::Uas) });
    assert!(SessionExpires::parse("1800;refresher=me").is_err());
    assert!(SessionExpires::parse("soon").is_err());
    let message =
        with_lines("Expires: 99999999999\r\nMin-SE: 90;x=y\r\nRetry-After: 18 (soon)\r\n").unwrap();
    assert_eq!(message.expires(), Ok(Some(u32::MAX)));
    assert_eq!(message.min_se(), Ok(Some(90)));
    assert_eq!(message.retry_after(), Ok(Some(18)));
    assert_eq!(message.max_forwards(), Ok(None));
    assert!(with_lines("Max-Forwards: ten\r\n").unwrap().max_forwards().is_err());
}

#[test]
fn option_tags_and_content_type() {
    let message =
        with_lines("k: timer, 100REL\r\nSupported: replaces\r\nc: Application/SDP ;charset=x\r\n")
            .unwrap();
    assert!(message.has_option_tag(HeaderName::Supported, "100rel"));
    assert!(message.has_option_tag(HeaderName::Supported, "replaces"));
    assert!(!message.has_option_tag(HeaderName::Supported, "time"));
    assert_eq!(message.content_type(), Some("Application/SDP"));
}

#[test]
fn nothing_can_be_injected() {
    let mut composer = Composer::request("INV\r\nITE", "sip:a@b\r\nX: 1 SIP/2.0");
    composer
        .header(HeaderName::Subject, "a\r\nEvil: 1\n\0")
        .header_args(HeaderName::Reason, format_args!("{}", "b\r\n\r\nbody"))
        .header_named("X-\r\nEvil: ", "c\rd")
        .header_named("\r\n", "gone")
        .header_named("l", "7")
        .header_named("content-LENGTH", "7")
        .header(HeaderName::ContentLength, "7")
        .header(HeaderName::Other, "gone");
    let raw = composer.body(Some("text/plain\r\nEvil: 2"), b"hello");
    let expected = "INVITE sip:a@bX:1SIP/2.0 SIP/2.0\r\nSubject: a  Evil: 1  \r\n\
        Reason: b    body\r\nX-Evil: c d\r\nContent-Type: text/plain  Evil: 2\r\n\
        Content-Length: 5\r\n\r\nhello";
    assert_eq!(raw, expected);
}

#[test]
fn response_copies_what_it_must() {
    let request = parse(
        "INVITE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP one\r\nVia: SIP/2.0/UDP two\r\n\
         Record-Route: <sip:p;lr>\r\nt: <sip:a@b>\r\nf: <sip:c@d>;tag=1\r\ni: x\r\n\
         CSeq: 1 INVITE\r\nTimestamp: 54\r\n\r\n",
    )
    .unwrap();
    let text = |status, tag| {
        let bytes = Composer::response_to(&request, status, "R", tag).finish();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    assert_eq!(
        text(180, Some("t")),
        "SIP/2.0 180 R\r\nv: SIP/2.0/UDP one\r\nVia: SIP/2.0/UDP two\r\n\
         Record-Route: <sip:p;lr>\r\nf: <sip:c@d>;tag=1\r\nTo: <sip:a@b>;tag=t\r\ni: x\r\n\
         CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
    let trying = text(100, None);
    assert!(trying.contains("\r\nTimestamp: 54\r\n") && !trying.contains("Record-Route"));
    assert!(trying.contains("\r\nt: <sip:a@b>\r\n"));
    assert!(!text(404, Some("t")).contains("Record-Route"));
}

#[test]
fn reasons_have_a_phrase_in_every_class() {
    assert_eq!(default_reason(486), "Busy Here");
    assert_eq!(default_reason(608), "Rejected");
    assert!((100..700).all(|status| !default_reason(status).is_empty()));
}

#[test]
fn salvage_needs_a_request_with_everything_an_answer_copies() {
    let raw = b"\r\nINVITE bad uri SIP/2.0\nVia: SIP/2.0/UDP h\r\n ;branch=1\r\nv:\xffx\n\
        f: a\r\nt: sip:b@c\nCall-ID: d\nCSeq: 1 INVITE\r\nnot a header\r\n\r\nVia: body";
    let salvaged = salvage(raw).unwrap();
    assert_eq!(salvaged.method, "INVITE");
    assert_eq!(salvaged.vias, ["SIP/2.0/UDP h ;branch=1", "\u{fffd}x"]);
    assert!(salvaged.can_be_answered());
    let response = salvaged.response(400, "Bad Request", "t").finish();
    let response = Message::parse(response, &Limits::default()).unwrap();
    assert_eq!(response.header(HeaderName::To), Some("sip:b@c;tag=t"));
    let ack = String::from_utf8_lossy(raw).replace("INVITE", "ACK");
    assert!(!salvage(ack.as_bytes()).unwrap().can_be_answered());
    for (missing, why) in [("Via", "v:"), ("f:", ""), ("t:", ""), ("Call-ID:", ""), ("CSeq:", "")] {
        let mut less = String::from_utf8_lossy(raw).replace(missing, "X:");
        if !why.is_empty() {
            less = less.replace(why, "X:");
        }
        assert_eq!(salvage(less.as_bytes()), None, "without {missing}");
    }
    assert_eq!(salvage(b"SIP/2.0 200 OK\r\n\r\n"), None);
    assert_eq!(salvage(b""), None);
}
