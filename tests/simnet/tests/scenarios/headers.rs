//! Which headers pass, in what form, and what stays on its side.

use simnet::{CARRIER, PBX, World};
use sip_proto::{HeaderName, Message};

/// The INVITE that the far end sees of an outbound call with these headers.
fn outbound(headers: &[(&str, &str)]) -> Message {
    seen(PBX, "+12065550123", CARRIER, headers)
}

fn inbound(headers: &[(&str, &str)]) -> Message {
    seen(CARRIER, "+12065550100", PBX, headers)
}

fn seen(
    from: std::net::SocketAddr,
    number: &str,
    to: std::net::SocketAddr,
    headers: &[(&str, &str)],
) -> Message {
    let mut w = World::new();
    let mut caller = w.caller(from, number);
    let offer = caller.sdp(30_000);
    caller.invite_with(&mut w, headers, Some(&offer));
    let mut callee = w.callee(to);
    let invite = callee.invited.clone().unwrap();
    callee.reply(&mut w, 486, None);
    caller.expect(&mut w, "486");
    caller.ack_failure(&mut w);
    w.finish();
    invite
}

#[test]
fn identities_and_diversions_pass_with_our_host() {
    let invite = outbound(&[
        ("P-Asserted-Identity", "\"Bob\" <sip:+12065550100@192.0.2.10:5070;user=phone>"),
        ("P-Asserted-Identity", "<tel:+12065550100>"),
        ("Diversion", "<sip:+12065550177@192.0.2.10>;reason=no-answer;counter=2"),
        ("History-Info", "<sip:+12065550178@192.0.2.10?Reason=SIP%3Bcause%3D302>;index=1"),
        ("X-Account", "42"),
        ("User-to-User", "48656c6c6f;encoding=hex"),
        ("Subject", "about"),
    ]);
    let identities: Vec<_> = invite.header_lines(HeaderName::PAssertedIdentity).collect();
    assert_eq!(identities, ["\"Bob\" <sip:+12065550100@203.0.113.1>", "<tel:+12065550100>"]);
    assert_eq!(
        invite.header(HeaderName::Diversion),
        Some("<sip:+12065550177@203.0.113.1>;reason=no-answer;counter=2")
    );
    assert_eq!(
        invite.header(HeaderName::HistoryInfo),
        Some("<sip:+12065550178@203.0.113.1>;index=1")
    );
    assert_eq!(invite.header_named("X-Account"), Some("42"));
    assert_eq!(invite.header(HeaderName::UserToUser), Some("48656c6c6f;encoding=hex"));
    assert_eq!(invite.header(HeaderName::Subject), Some("about"));
    let product = invite.header(HeaderName::UserAgent).unwrap();
    assert!(product.starts_with("Tandem/"), "{product}");
}

#[test]
fn what_is_not_named_stays_on_its_side() {
    let invite = outbound(&[
        ("P-Charging-Vector", "icid-value=secret-icid"),
        ("Call-Info", "<http://192.0.2.10/photo.jpg>"),
        ("Proxy-Authorization", "Digest username=\"secret\""),
        ("Geolocation", "<cid:secret@192.0.2.10>"),
        ("Record-Route", "<sip:192.0.2.10;lr>"),
    ]);
    let text = String::from_utf8_lossy(invite.raw()).into_owned();
    for inner in ["secret", "photo", "192.0.2.10"] {
        assert!(!text.contains(inner), "{text}");
    }
}

#[test]
fn privacy_hides_the_caller_from_the_callee_and_not_from_the_carrier() {
    let invite = outbound(&[
        ("Privacy", "id;user"),
        ("P-Asserted-Identity", "<sip:+12065550100@192.0.2.10>"),
        ("Subject", "from Alice"),
    ]);
    let from = invite.header(HeaderName::From).unwrap();
    assert!(from.starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="), "{from}");
    assert_eq!(
        invite.header(HeaderName::PAssertedIdentity),
        Some("<sip:+12065550100@203.0.113.1>"),
        "the carrier is trusted with it"
    );
    assert_eq!(invite.header(HeaderName::Privacy), Some("id;user"));
    assert_eq!(invite.header(HeaderName::Subject), None);

    let identity = ("P-Asserted-Identity", "<sip:+12065550123@198.51.100.20>");
    let open = inbound(&[identity]);
    assert!(open.header(HeaderName::PAssertedIdentity).is_some());
    let hidden = inbound(&[identity, ("Privacy", "id")]);
    assert!(hidden.header(HeaderName::PAssertedIdentity).is_none());
    let header = inbound(&[
        ("Privacy", "header"),
        ("Diversion", "<sip:+12065550177@198.51.100.20>;reason=unknown"),
    ]);
    assert!(header.header(HeaderName::From).unwrap().contains("anonymous.invalid"));
    assert!(header.header(HeaderName::Diversion).is_none());
    let none = inbound(&[identity, ("Privacy", "none")]);
    assert!(none.header(HeaderName::PAssertedIdentity).is_some());
}

#[test]
fn responses_carry_headers_the_other_way() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let extra = [
        ("X-Rate", "7"),
        ("P-Asserted-Identity", "<sip:+12065550123@198.51.100.20>"),
        ("Alert-Info", "<http://198.51.100.20/ring.wav>"),
    ];
    pstn.reply_with(&mut w, 180, &extra, None);
    let ringing = pbx.expect(&mut w, "180");
    assert_eq!(ringing.header_named("X-Rate"), Some("7"));
    assert_eq!(
        ringing.header(HeaderName::PAssertedIdentity),
        Some("<sip:+12065550123@203.0.113.1>")
    );
    assert!(ringing.header(HeaderName::Server).unwrap().starts_with("Tandem/"));
    let answer = pstn.sdp(40_000);
    pstn.reply_with(&mut w, 200, &extra, Some(&answer));
    pstn.expect(&mut w, "ACK");
    assert_eq!(pbx.expect(&mut w, "200").header_named("X-Rate"), Some("7"));
    pbx.ack(&mut w, None);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn extensions_that_we_do_not_know_are_refused_when_required() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite_with(&mut w, &[("Require", "precondition, timer")], Some(&offer));
    let refused = pbx.expect(&mut w, "420");
    assert_eq!(refused.header(HeaderName::Unsupported), Some("precondition"));
    pbx.ack_failure(&mut w);
    w.finish();
}
