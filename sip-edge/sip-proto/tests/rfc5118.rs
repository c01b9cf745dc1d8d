//! RFC 5118, SIP torture tests for IPv6. The messages are written after the RFC's, with lengths
//! that fit.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod corpus;

use std::net::IpAddr;

use sip_proto::{Limits, Message, Uri, validate_request};

/// File, section, the status it is owed (`None`: valid), host and port of the Request-URI.
type Row = (&'static str, &'static str, Option<u16>, &'static str, Option<u16>);
const TABLE: &[Row] = &[
    ("ipv6-good", "4.1", None, "2001:db8::10", None),
    ("ipv6-bad", "4.2", Some(400), "", None),
    // What looks like a port belongs to the address: everything in the brackets does.
    ("port-ambiguous", "4.3", None, "2001:db8::10:5070", None),
    ("port-unambiguous", "4.4", None, "2001:db8::10", Some(5070)),
    ("via-received-with-delimiters", "4.5", None, "2001:db8::10", None),
    ("via-received-without-delimiters", "4.5", None, "2001:db8::10", None),
    ("ipv6-in-sdp", "4.6", None, "2001:db8::10", None),
    ("many-addresses-in-headers", "4.7", None, "", None),
    ("many-addresses-in-sdp", "4.8", None, "2001:db8::10", None),
    ("ipv4-mapped", "4.9", None, "", None),
    // "An implementation must tolerate both of the above constructs."
    ("reference-three-colons", "4.10", None, "2001:db8::192.0.2.1", None),
    ("reference-two-colons", "4.10", None, "2001:db8::192.0.2.1", None),
];

fn message(name: &str) -> Message {
    let raw = corpus::read("rfc5118", name);
    Message::parse(raw.into(), &Limits::default()).unwrap()
}

#[test]
fn every_message_has_its_outcome() {
    let mut files = corpus::names("rfc5118");
    let mut listed: Vec<_> = TABLE.iter().map(|(name, ..)| (*name).to_owned()).collect();
    files.sort();
    listed.sort();
    assert_eq!(files, listed, "every file is in the table");
    for (name, section, status, host, port) in TABLE {
        let message = message(name);
        let found = validate_request(&message, &[]).err().map(|violation| violation.status);
        assert_eq!(found, *status, "{name} (section {section})");
        if status.is_some() {
            continue;
        }
        let uri = Uri::parse(message.request_uri().unwrap()).unwrap();
        assert_eq!(uri.host.ip(), host.parse().ok(), "{name}");
        assert_eq!(uri.port, *port, "{name}");
    }
}

#[test]
fn received_with_and_without_brackets_is_the_same_address() {
    let expected = "2001:db8::9:255".parse::<IpAddr>().ok();
    for name in ["via-received-with-delimiters", "via-received-without-delimiters"] {
        let message = message(name);
        let via = message.top_via().unwrap();
        assert_eq!(via.received_ip(), expected, "{name}");
        assert_eq!(via.sent_by_host.ip(), "2001:db8::9:1".parse().ok());
    }
}

#[test]
fn addresses_of_both_families_in_one_via_list() {
    let message = message("many-addresses-in-headers");
    let sent_by: Vec<_> =
        message.vias().map(|via| via.map(|v| (v.sent_by_host.ip(), v.sent_by_port))).collect();
    let ip = |text: &str| text.parse::<IpAddr>().ok();
    assert_eq!(
        sent_by,
        [
            Ok((ip("2001:db8::9:1"), Some(6050))),
            Ok((ip("192.0.2.1"), None)),
            Ok((ip("2001:db8::9:255"), None)),
        ]
    );
    let last = message.vias().last().unwrap().unwrap();
    assert_eq!(last.received_ip(), ip("192.0.2.200"));
}

#[test]
fn mapped_addresses_in_via_and_contact() {
    let message = message("ipv4-mapped");
    let via = message.top_via().unwrap();
    assert_eq!(via.sent_by_host.ip(), "::ffff:192.0.2.10".parse().ok());
    assert_eq!(via.sent_by_port, Some(19823));
    let contact = message.contact().unwrap().unwrap();
    assert_eq!(contact.display_name_unquoted().unwrap(), "T. desk phone");
    assert_eq!(contact.uri().unwrap().host.ip(), "::ffff:192.0.2.2".parse().ok());
}

#[test]
fn three_colons_are_tolerated_only_before_an_ipv4_address() {
    for (host, legal) in [
        ("[:::192.0.2.1]", true),
        ("[2001:db8:::10]", false),
        ("[2001:db8::::192.0.2.1]", false),
        ("[2001:db8::1:::192.0.2.1]", false),
    ] {
        assert_eq!(Uri::parse(&format!("sip:{host}")).is_ok(), legal, "{host}");
    }
}

/// A Via without brackets has no port: the last group belongs to the address.
#[test]
fn via_without_brackets_is_read() {
    let via = sip_proto::Via::parse("SIP/2.0/UDP 2001:db8::9:1;branch=z9hG4bKx").unwrap();
    assert_eq!(via.sent_by_host.ip(), "2001:db8::9:1".parse().ok());
    assert_eq!(via.sent_by_port, None);
}
