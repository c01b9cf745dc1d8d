//! RFC 4475, the SIP torture tests: for every message, what becomes of it and why.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod corpus;

use sip_proto::{
    Composer, Frame, FramingFault, HeaderName, Limits, Message, Method, StreamFramer, salvage,
    validate_request, validate_response,
};

/// What the message layer makes of a message.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Outcome {
    /// Parses and is valid; what follows is for the core to decide.
    Accepted,
    /// Does not parse; the request is owed this status, answered from what was salvaged.
    Unreadable(u16),
    /// Parses, is refused with this status.
    Refused(u16),
    /// A response that is dropped without a word.
    Dropped,
}
use Outcome::{Accepted, Dropped, Refused, Unreadable};

/// File, section of RFC 4475, outcome. Where the RFC leaves a choice, the reason is behind it.
const TABLE: &[(&str, &str, Outcome)] = &[
    // 3.1.1 Valid messages
    ("wsinv", "3.1.1.1", Accepted),
    ("intmeth", "3.1.1.2", Accepted),
    ("esc01", "3.1.1.3", Accepted),
    ("escnull", "3.1.1.4", Accepted),
    ("esc02", "3.1.1.5", Accepted),
    ("lwsdisp", "3.1.1.6", Accepted),
    ("longreq", "3.1.1.7", Accepted),
    ("dblreq", "3.1.1.8", Accepted),
    ("semiuri", "3.1.1.9", Accepted),
    ("transports", "3.1.1.10", Accepted),
    ("mpart01", "3.1.1.11", Accepted),
    ("unreason", "3.1.1.12", Accepted),
    ("noreason", "3.1.1.13", Accepted),
    // 3.1.2 Invalid messages
    ("badinv01", "3.1.2.1", Refused(400)),
    ("clerr", "3.1.2.2", Refused(400)),
    ("ncl", "3.1.2.3", Unreadable(400)),
    ("scalar02", "3.1.2.4", Refused(400)),
    ("scalarlg", "3.1.2.5", Dropped),
    ("quotbal", "3.1.2.6", Refused(400)),
    ("ltgtruri", "3.1.2.7", Refused(400)),
    ("lwsruri", "3.1.2.8", Unreadable(400)),
    // "Acceptable to reject"; a second reading of a start line is how requests are smuggled.
    ("lwsstart", "3.1.2.9", Unreadable(400)),
    ("trws", "3.1.2.10", Unreadable(400)),
    ("escruri", "3.1.2.11", Refused(400)),
    // "Shouldn't [reject] unless the Date is important to its processing"; to us it is not.
    ("baddate", "3.1.2.12", Accepted),
    ("regbadct", "3.1.2.13", Refused(400)),
    ("badaspec", "3.1.2.14", Refused(400)),
    ("baddn", "3.1.2.15", Refused(400)),
    ("badvers", "3.1.2.16", Refused(505)),
    ("mismatch01", "3.1.2.17", Refused(400)),
    // 400 is acceptable, 501 has "better future-proof characteristics".
    ("mismatch02", "3.1.2.18", Refused(501)),
    ("bigcode", "3.1.2.19", Dropped),
    // 3.2 Transaction layer semantics: without more than the cookie it is an RFC 2543 branch.
    ("badbranch", "3.2.1", Accepted),
    // 3.3 Application layer semantics
    ("insuf", "3.3.1", Refused(400)),
    ("unkscm", "3.3.2", Refused(416)),
    ("novelsc", "3.3.3", Refused(416)),
    // A registrar's business; the message is well-formed.
    ("unksm2", "3.3.4", Accepted),
    ("bext01", "3.3.5", Refused(420)),
    // 415 is the core's.
    ("invut", "3.3.6", Accepted),
    // An unknown authorization scheme is ignored by whoever wants credentials.
    ("regaut01", "3.3.7", Accepted),
    ("multi01", "3.3.8", Refused(400)),
    ("mcl01", "3.3.9", Unreadable(400)),
    // Dropped by the transaction layer: the top Via is not ours.
    ("bcast", "3.3.10", Accepted),
    ("zeromf", "3.3.11", Refused(483)),
    ("cparam01", "3.3.12", Accepted),
    ("cparam02", "3.3.13", Accepted),
    ("regescrt", "3.3.14", Accepted),
    // 406 is the core's.
    ("sdp01", "3.3.15", Accepted),
    // 3.4 Backward compatibility
    ("inv2543", "3.4.1", Accepted),
    // Not in the RFC but in its working group's archive: no version, a line without a colon.
    ("test", "-", Unreadable(400)),
];

fn outcome(raw: &[u8]) -> Outcome {
    match Message::parse(raw.to_vec().into(), &Limits::default()) {
        Err(fault) if raw.starts_with(b"SIP/") => {
            assert_eq!(salvage(raw), None, "{fault}");
            Dropped
        }
        Err(fault) => Unreadable(fault.status),
        Ok(message) if message.is_request() => match validate_request(&message, &[]) {
            Ok(()) => Accepted,
            Err(violation) => Refused(violation.status),
        },
        Ok(message) => validate_response(&message).map_or(Dropped, |()| Accepted),
    }
}

fn message(name: &str) -> Message {
    let raw = corpus::read("rfc4475", name);
    Message::parse(raw.into(), &Limits::default()).unwrap()
}

#[test]
fn every_message_has_its_outcome() {
    let mut files = corpus::names("rfc4475");
    let mut listed: Vec<_> = TABLE.iter().map(|(name, ..)| (*name).to_owned()).collect();
    files.sort();
    listed.sort();
    assert_eq!(files, listed, "every file is in the table");
    for (name, section, expected) in TABLE {
        let found = outcome(&corpus::read("rfc4475", name));
        assert_eq!(found, *expected, "{name} (section {section})");
    }
}

#[test]
fn unreadable_requests_can_be_answered() {
    for (name, _, outcome) in TABLE {
        let Unreadable(status) = outcome else { continue };
        let raw = corpus::read("rfc4475", name);
        // Without a Via there is nowhere to send an answer to.
        let has_via = raw.windows(6).any(|line| line == b"\r\nVia:");
        let salvaged = salvage(&raw);
        assert_eq!(salvaged.is_some(), has_via, "{name}");
        let Some(salvaged) = salvaged else { continue };
        let response = salvaged.response(*status, "Bad Request", "t1").finish();
        let response = Message::parse(response, &Limits::default()).unwrap();
        assert_eq!(validate_response(&response), Ok(()), "{name}");
        assert_eq!(response.status(), Some(*status));
        let tag = response.to().unwrap().tag().unwrap();
        // lwsruri has a To tag of its own.
        assert!(tag == "t1" || tag == "3xfe-9921883-z9f", "{name}: {tag}");
    }
}

#[test]
fn refused_requests_can_be_answered() {
    for (name, _, outcome) in TABLE {
        let Refused(status) = outcome else { continue };
        let request = message(name);
        let response = Composer::response_to(&request, *status, "No", Some("t1")).finish();
        let response = Message::parse(response, &Limits::default()).unwrap();
        assert_eq!(response.status(), Some(*status), "{name}");
        let vias = |message: &Message| {
            message.header_lines(HeaderName::Via).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(vias(&response), vias(&request), "{name}");
    }
}

/// 3.1.1.1: folds, blanks around every separator, compact forms, lists over lines.
#[test]
fn tortuous_invite_is_read_through_its_folds() {
    let message = message("wsinv");
    assert_eq!(message.method(), Some(Method::Invite));
    let cseq = message.cseq().unwrap();
    assert_eq!((cseq.number, cseq.method), (9, Method::Invite));
    assert_eq!(message.max_forwards(), Ok(Some(68)));
    let to = message.to().unwrap();
    assert_eq!(to.tag(), Some("1918181833n"));
    assert_eq!(to.uri_text, "sip:vivekg@chair-dnrc.example.com");
    let from = message.from().unwrap();
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(from.display_name_unquoted().unwrap(), "J Rosenberg \\\"");
    let vias: Vec<_> = message.vias().map(Result::unwrap).collect();
    let transports: Vec<_> = vias.iter().map(|via| via.protocol).collect();
    assert_eq!(transports, ["UDP", "TCP", "UDP"]);
    let branches: Vec<_> = vias.iter().map(|via| via.branch.unwrap()).collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    assert_eq!(message.header(HeaderName::Subject), Some(""));
    let newfangled = message.headers().find(|line| line.raw_name == "NewFangledHeader").unwrap();
    assert_eq!(newfangled.unfolded(), "newfangled value continued newfangled value");
    assert_eq!(message.header_named("unknownheaderwithunusualvalue"), Some(";;,,;;,;"));
    let route = message.routes().next().unwrap().unwrap();
    assert_eq!(route.uri().unwrap().param("lr"), Some(None));
    let contact = message.contact().unwrap().unwrap();
    assert_eq!(contact.display_name_unquoted().unwrap(), "Quoted string \"\"");
    assert_eq!(contact.params.get("q"), Some(Some("0.33")));
    assert_eq!(contact.params.get("newparam"), Some(Some("newvalue")));
    assert_eq!(contact.params.get("secondparam"), Some(None));
    assert_eq!(message.body().len(), 150);
}

/// 3.1.1.2: every character that a token, a URI and a quoted string may hold.
#[test]
fn wide_range_of_characters_is_kept() {
    let message = message("intmeth");
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    assert_eq!(message.method(), Some(Method::Other(method)));
    let uri = message.request_uri().unwrap();
    let uri = sip_proto::Uri::parse(uri).unwrap();
    assert_eq!(uri.user, Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(uri.password, Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    assert_eq!(uri.host.to_string(), "example.com");
    let to = message.to().unwrap();
    assert_eq!(to.display_name_unquoted().unwrap(), "BEL:\u{7} NUL:\0 DEL:\u{7f}");
    assert_eq!(message.from().unwrap().tag(), Some("_token~1'+`*%!-."));
    let extension = message.header_named("extensionHeader-!.%*+_`'~").unwrap();
    assert_eq!(extension, "\u{feff}大停電");
}

/// 3.1.1.3, 3.1.1.5: `%HH` is an escape in a URI and nowhere else.
#[test]
fn escapes_count_in_uris_only() {
    let first = message("esc01");
    let uri = sip_proto::Uri::parse(first.request_uri().unwrap()).unwrap();
    assert_eq!(uri.user_unescaped(), "sips:user@example.com");
    assert_eq!(uri.host.to_string(), "example.net");
    let contact = first.contact().unwrap().unwrap().uri().unwrap();
    assert_eq!(contact.user_unescaped(), "caller");
    assert_eq!(contact.param("lr"), Some(None));
    assert_eq!(contact.param("name"), Some(Some("v%61lue%25%34%31")));
    let to = first.to().unwrap().uri().unwrap();
    assert!(to.equivalent(&sip_proto::Uri::parse("sip:user@EXAMPLE.com").unwrap()));

    let second = message("esc02");
    assert_eq!(second.method(), Some(Method::Other("RE%47IST%45R")));
    assert_eq!(second.to().unwrap().display_name_unquoted().unwrap(), "%Z%45");
    assert_eq!(second.values(HeaderName::Contact).count(), 2, "C%6Fntact is no Contact");
    assert_eq!(second.top_via().unwrap().branch, Some("z9hG4bK209%fzsnel234"));

    let third = message("escnull");
    assert_eq!(third.to().unwrap().uri().unwrap().user_unescaped(), "null-\0-null");
}

/// 3.1.1.6 to 3.1.1.13.
#[test]
fn details_of_the_other_valid_messages() {
    assert_eq!(message("lwsdisp").from().unwrap().display_name, Some("caller"));
    let long = message("longreq");
    assert_eq!(long.vias().map(Result::unwrap).count(), 34);
    assert!(long.top_via().unwrap().branch.is_none());
    let semicolon = message("semiuri");
    let uri = sip_proto::Uri::parse(semicolon.request_uri().unwrap()).unwrap();
    assert_eq!(uri.user_unescaped(), "user;par=u@example.net");
    assert!(uri.params.is_empty());
    assert_eq!(semicolon.values(HeaderName::Accept).count(), 6);
    assert_eq!(message("mpart01").body().len(), 553);
    assert_eq!(message("mpart01").content_type(), Some("multipart/mixed"));
    assert!(message("unreason").reason_phrase().starts_with("= 2**3 * 5**2 "));
    assert_eq!(message("noreason").reason_phrase(), "");
    assert_eq!(message("noreason").status(), Some(100));
}

/// 3.1.1.8: in a datagram what follows the message is ignored, on a stream it is the next one.
#[test]
fn second_request_in_one_buffer() {
    let raw = corpus::read("rfc4475", "dblreq");
    let message = message("dblreq");
    assert_eq!(message.method(), Some(Method::Register));
    assert!(message.body().is_empty());
    let mut framer = StreamFramer::new(Limits::default());
    framer.push(&raw);
    let Ok(Some(Frame::Message(first))) = framer.next() else { panic!("no first message") };
    assert!(first.starts_with(b"REGISTER "));
    assert_eq!(framer.next(), Ok(Some(Frame::KeepAlivePong)));
    let Ok(Some(Frame::Message(second))) = framer.next() else { panic!("no second message") };
    assert!(second.starts_with(b"INVITE "));
    assert!(Message::parse(second, &Limits::default()).is_ok());
}

/// 3.3.5: the 420 names what is not supported, and nothing else.
#[test]
fn unsupported_extensions_are_named() {
    let message = message("bext01");
    let violation = validate_request(&message, &["nothingsupportsthis"]).unwrap_err();
    let expected =
        ["nothingSupportsThisEither", "noProxiesSupportThis", "norDoAnyProxiesSupportThis"];
    assert_eq!(violation.unsupported, expected);
    let all: Vec<_> = message
        .values(HeaderName::Require)
        .chain(message.values(HeaderName::ProxyRequire))
        .collect();
    assert_eq!(validate_request(&message, &all), Ok(()));
}

/// 3.1.2.3, 3.3.9 and 3.4.1 on a stream: where the message ends is not known.
#[test]
fn lengths_that_end_a_stream() {
    for (name, missing) in [("ncl", false), ("mcl01", false), ("inv2543", true)] {
        let mut framer = StreamFramer::new(Limits::default());
        framer.push(&corpus::read("rfc4475", name));
        let error = framer.next().unwrap_err();
        assert_eq!(error.fault == FramingFault::MissingContentLength, missing, "{name}");
        assert_eq!(error.status(), 400);
        assert!(salvage(&error.head).is_some(), "{name}: the head suffices for an answer");
        assert!(framer.next().is_err(), "{name}: the stream stays broken");
    }
}
