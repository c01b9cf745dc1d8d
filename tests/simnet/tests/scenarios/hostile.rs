//! What an attacker tries: the classes of docs/hostile-input.md that concern the whole edge.

use directory::{Credential, Resources};
use simnet::{CARRIER, EDGE, PBX, STRANGER, Ua, World, config, connector_host, directory};
use sip_proto::{HeaderName, Message};
use std::net::SocketAddr;
use std::time::Duration;

const CHALLENGE: &str = "Digest realm=\"pstn\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256";

/// A request as text, with any headers; what is in `more` must end with CRLF.
fn request(method: &str, from: SocketAddr, n: u32, to_tag: &str, more: &str) -> String {
    let host = connector_host();
    format!(
        "{method} sip:+12065550123@{host} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKh{n}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+12065550100@{from}>;tag=h{n}\r\n\
         To: <sip:+12065550123@{host}>{to_tag}\r\nCall-ID: hostile-{n}@{from}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:x@{from}>\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

fn with_password() -> Resources {
    let mut resources = directory();
    let credential = Credential { username: "tandem".into(), password: "carrier secret".into() };
    resources.carriers[0].credential = Some(credential);
    resources
}

/// CVE-2021-41158: a challenge that nobody asked for is no reason to prove anything to anybody.
#[test]
fn a_challenge_to_a_request_that_we_did_not_send_gets_no_credentials() {
    let mut w = World::with(config(), with_password());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let invite = pstn.invited.clone().unwrap();
    let challenge = |message: &Message, from: &Ua| {
        from.response(message, 401, &[("WWW-Authenticate", CHALLENGE)], None)
    };
    // The INVITE that has been answered, once more; then one with a branch of our own making that
    // was never sent; both from the carrier itself and from somebody else.
    let genuine = challenge(&invite, &pstn);
    let forged = String::from_utf8_lossy(&genuine).replacen("branch=z9hG4bK", "branch=z9hG4bKq", 1);
    for from in [CARRIER, STRANGER, PBX] {
        w.send(from, genuine.clone());
        w.send(from, forged.clone());
    }
    for at in [CARRIER, STRANGER, PBX] {
        for message in w.take_all(at) {
            let what = String::from_utf8_lossy(message.raw()).into_owned();
            assert_eq!(message.header(HeaderName::Authorization), None, "{what}");
            assert_eq!(message.header(HeaderName::ProxyAuthorization), None, "{what}");
        }
    }
    // The customer's PBX may ask us as well: it is not the one that we have a password for.
    pstn.bye(&mut w);
    pstn.expect(&mut w, "200");
    let bye = pbx.expect(&mut w, "BYE");
    let raw = challenge(&bye, &pbx);
    w.send(PBX, raw);
    assert!(w.take(PBX, None).is_none(), "the BYE is not repeated with a proof");
    w.finish();
}

/// CVE-2021-41145 from a peer that is configured: it gets 503 when the tables are full, and the
/// calls that run can still be ended.
#[test]
fn a_flood_of_a_known_peer_fills_no_more_than_its_tables() {
    let mut settings = config();
    settings.max_transactions = 500;
    settings.max_calls = 50;
    let mut resources = directory();
    resources.voice_connectors[0].termination.as_mut().unwrap().cps_limit = 20;
    let mut w = World::with(settings, resources);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let (mut most, mut refused) = (0, 0);
    for n in 0..5_000 {
        let method = ["INVITE", "REGISTER", "SUBSCRIBE", "OPTIONS"][n as usize % 4];
        w.send(PBX, request(method, PBX, n, "", ""));
        let now = w.edge.statistics();
        most = most.max(now.server_transactions + now.client_transactions);
        assert!(now.calls <= 50);
        refused += w.take_all(PBX).iter().filter(|m| m.status() == Some(503)).count();
        // The carrier takes part, but says nothing.
        w.take_all(CARRIER);
    }
    assert!(most <= 500, "{most} transactions");
    assert!(refused > 3_000, "{refused} were told to come back");
    pbx.hang_up(&mut w, &mut pstn);
    // When the flood is over there is room again, and nothing is left of it.
    w.advance(Duration::from_secs(120));
    w.take_all(CARRIER);
    w.take_all(PBX);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

/// CVE-2021-41145: a stranger that writes tokens of our form is a stranger still.
#[test]
fn a_stranger_with_tokens_of_our_form_costs_no_transaction() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let ours = pbx.remote_tag().to_owned();
    for n in 0..5_000 {
        let method = ["INVITE", "OPTIONS", "REGISTER", "MESSAGE", "BYE", "INFO"][n as usize % 6];
        let to_tag = format!(";tag={}x{n}", &ours[..8]);
        let raw = request(method, STRANGER, n, &to_tag, "");
        w.send(STRANGER, raw.replace("Call-ID: ", &format!("Call-ID: {}", &ours[..8])));
    }
    let answers = w.take_all(STRANGER);
    assert!((1..=10).contains(&answers.len()), "{} answers", answers.len());
    assert!(w.edge.statistics().server_transactions < 15);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

/// CVE-2021-37624 and CVE-2021-41157: what acts on behalf of somebody needs a right to it.
#[test]
fn messages_and_subscriptions_of_strangers_reach_nobody() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let methods = ["MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER", "REGISTER", "OPTIONS"];
    for (n, method) in (0..).zip(methods) {
        let more = "Event: presence\r\nRefer-To: <sip:+19005550123@x.example>\r\n";
        w.send(STRANGER, request(method, STRANGER, n, "", more));
        let refused = w.take(STRANGER, None).unwrap();
        assert_eq!(refused.status(), Some(403), "{method}");
        assert!(w.take(STRANGER, None).is_none(), "{method}");
        assert!(w.take(PBX, None).is_none() && w.take(CARRIER, None).is_none(), "{method}");
    }
    assert_eq!(w.edge.statistics().server_transactions, 1, "that of the call");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

/// CVE-2020-28361: every way to write a header that another reader may understand otherwise.
#[test]
fn what_two_readers_could_read_differently_is_refused_or_written_anew() {
    let mut w = World::new();
    // A header name with a blank before its colon is the header all the same (HCOLON).
    let two_lengths = "Content-Length : 10\r\n";
    let two_from = "From\t: <sip:+19005550123@evil.example>;tag=other\r\n";
    let two_to = "t : <sip:+19005550123@evil.example>\r\n";
    for (n, more) in (0..).zip([two_lengths, two_from, two_to]) {
        w.send(PBX, request("INVITE", PBX, n, "", more));
        assert_eq!(w.take(PBX, None).unwrap().status(), Some(400), "{more:?}");
    }
    // A bare LF or CR ends no line: not one header more or less, the whole message is refused.
    for (n, more) in (10..).zip(["X-A: b\nX-B: c\r\n", "X-A: b\rX-B: c\r\n", "X-A: b\0c\r\n"]) {
        w.send(PBX, request("INVITE", PBX, n, "", more));
        assert_eq!(w.take(PBX, None).unwrap().status(), Some(400), "{more:?}");
    }
    assert!(w.take(CARRIER, None).is_none());
    // What passes is in one line and one form.
    let more = "X-Folded \t: one\r\n X-Admin: yes\r\nSubject: two\r\n\tP-Asserted-Identity: <sip:x@y>\
                \r\n";
    w.send(PBX, request("INVITE", PBX, 20, "", more));
    let invite = w.take(CARRIER, None).unwrap();
    let text = String::from_utf8(invite.raw().to_vec()).unwrap();
    assert!(text.contains("\r\nX-Folded: one X-Admin: yes\r\n"), "{text}");
    assert!(text.contains("\r\nSubject: two P-Asserted-Identity: <sip:x@y>\r\n"), "{text}");
    assert!(!text.contains("\r\n ") && !text.contains("\r\n\t"), "{text}");
    assert_eq!(invite.header(HeaderName::PAssertedIdentity), None);
    w.take_all(PBX);
    w.finish();
}

/// CVE-2020-28361 again: escapes and folds of one leg must not become lines of the other.
#[test]
fn no_line_is_injected_into_the_other_leg() {
    let mut w = World::new();
    let more =
        "P-Asserted-Identity: \"a\r\n b\" <sip:+12065550100%0d%0aX-Evil:1@inner.example>\r\n";
    let raw = request("INVITE", PBX, 1, "", more).replace(
        "From: <sip:+12065550100@",
        "From: \"Al\r\n ice\r\n X-Evil: 1\" <sip:+12065550100%0D%0AX-Evil%3A%201@",
    );
    w.send(PBX, raw);
    let invite = w.take(CARRIER, None).unwrap();
    let text = String::from_utf8(invite.raw().to_vec()).unwrap();
    assert!(!text.lines().any(|line| line.trim_start().starts_with("X-Evil")), "{text}");
    assert_eq!(text.matches("\r\nFrom: ").count(), 1, "{text}");
    assert_eq!(text.matches("\r\nP-Asserted-Identity: ").count(), 1, "{text}");
    w.take_all(PBX);
    w.finish();
}

/// The number that policy looks at is the number that is called, however it is written.
#[test]
fn the_number_that_is_policed_is_the_number_that_is_called() {
    let host = connector_host();
    let expensive = "+19005550123";
    for (n, user) in (0..).zip([
        "+19005550123",
        "%2B19005550123",
        "+1900555012%33",
        "+19005550123;npdi",
        "+19005550123:+12065550123",
    ]) {
        let mut w = World::new();
        let raw = request("INVITE", PBX, n, "", "").replacen("+12065550123", user, 1);
        w.send(PBX, raw);
        assert_eq!(w.take(PBX, None).unwrap().status(), Some(403), "{user}");
        assert!(w.take(CARRIER, None).is_none(), "{user}");
        w.finish();
    }
    // To may say what it likes: neither is it policed, nor is it called.
    let mut w = World::new();
    let raw = request("INVITE", PBX, 9, "", "").replace(
        &format!("To: <sip:+12065550123@{host}>"),
        &format!("To: <sip:{expensive}@{host}>"),
    );
    w.send(PBX, raw);
    let invite = w.take(CARRIER, None).unwrap();
    let text = String::from_utf8(invite.raw().to_vec()).unwrap();
    assert!(!text.contains("19005550123"), "{text}");
    assert!(invite.request_uri().unwrap().starts_with("sip:+12065550123@"));
    assert!(invite.to().unwrap().uri_text.starts_with("sip:+12065550123@"));
    w.take_all(PBX);
    w.finish();
}

/// How far a call is when every method comes at once.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Early {
    /// The carrier has said nothing.
    Calling,
    /// It has sent 100.
    Trying,
    /// It rings.
    Ringing,
    /// It has sent a description with the ringing.
    Media,
    /// It answered, and the caller has not acknowledged.
    Answered,
}

/// Dialogs that are used before they are complete: nothing may crash, hang or stay behind.
#[test]
fn every_method_in_every_early_state_is_answered_and_leaves_nothing() {
    let methods = [
        "PRACK",
        "UPDATE",
        "INFO",
        "OPTIONS",
        "REFER",
        "NOTIFY",
        "MESSAGE",
        "SUBSCRIBE",
        "ACK",
        "INVITE",
        "CANCEL",
        "BYE",
    ];
    let states = [Early::Calling, Early::Trying, Early::Ringing, Early::Media, Early::Answered];
    for (state, method, from_caller) in states
        .into_iter()
        .flat_map(|state| methods.map(|method| (state, method)))
        .flat_map(|(state, method)| [(state, method, true), (state, method, false)])
    {
        let mut w = World::new();
        let (mut pbx, mut pstn) = early(&mut w, state);
        let ua = if from_caller { &mut pbx } else { &mut pstn };
        let body = ua.sdp_with(30_000, 7, "sendonly");
        let body = matches!(method, "UPDATE" | "INVITE").then_some(("application/sdp", &*body));
        let more = [("RAck", "1 1 INVITE"), ("Refer-To", "<sip:+12065550199@x.example>")];
        // Twice, so that what was ended by the first one is met as well.
        for _ in 0..2 {
            ua.request(&mut w, method, &more, body);
        }
        pbx.cancel(&mut w);
        pbx.bye(&mut w);
        w.advance(Duration::from_secs(1));
        pstn.bye(&mut w);
        // Nobody answers anything from here on; `finish` lets every timer run and looks for what is
        // left of the call.
        w.finish();
    }
}

/// The caller and the callee of a call in this state.
fn early(w: &mut World, state: Early) -> (Ua, Ua) {
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let answer = pstn.sdp(40_000);
    match state {
        Early::Calling => {}
        Early::Trying => pstn.reply(w, 100, None),
        Early::Ringing => pstn.reply(w, 180, None),
        Early::Media => pstn.reply(w, 183, Some(&answer)),
        Early::Answered => pstn.reply(w, 200, Some(&answer)),
    }
    if matches!(state, Early::Ringing | Early::Media | Early::Answered) {
        pbx.expect_any(w);
    }
    (pbx, pstn)
}

/// The edge takes nothing for its own that only claims to be.
#[test]
fn a_request_in_the_name_of_the_edge_is_a_loop() {
    let mut w = World::new();
    w.send(EDGE, request("INVITE", EDGE, 1, "", ""));
    for message in w.take_all(EDGE) {
        assert!(message.status().is_some_and(|status| status >= 400));
    }
    assert!(w.take(CARRIER, None).is_none());
    w.finish();
}
