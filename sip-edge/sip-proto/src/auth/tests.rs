//! Vectors of the RFCs, and what a verifier makes of what a peer may send.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use model::Instant;

use super::*;
use crate::message::{HeaderName, Limits, Message};
use crate::random::StepRandom;

const MD5: Algorithm = Algorithm::plain(HashFunction::Md5);
const SHA_256: Algorithm = Algorithm::plain(HashFunction::Sha256);
const BOTH: [HashFunction; 2] = [HashFunction::Sha256, HashFunction::Md5];
const REALM: &str = "pbx.example";
const PROTECTED: Protected<'_> = Protected {
    realm: REALM,
    source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)),
    offered: &BOTH,
    by: ChallengedBy::Server,
};
const URI: &str = "sip:+12065550123@pbx.example";

fn input<'a>(
    algorithm: Algorithm,
    parts: [&'a str; 5],
    integrity: Option<bool>,
) -> DigestInput<'a> {
    let [username, realm, nonce, cnonce, uri] = parts;
    DigestInput {
        algorithm,
        username,
        realm,
        nonce,
        cnonce,
        nonce_count: "00000001",
        integrity,
        method: "GET",
        uri,
        body: b"",
    }
}

#[test]
fn rfc_7616_section_3_9() {
    let parts = [
        "Mufasa",
        "http-auth@example.org",
        "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        "/dir/index.html",
    ];
    for (algorithm, response) in [
        (MD5, "8ca523f5e9506fed4657c9700eebdbec"),
        (SHA_256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let input = input(algorithm, parts, Some(false));
        assert_eq!(digest_response(&input, "Circle of Life"), response);
    }
    // The inputs of section 3.9.2, whose own result is not that of SHA-512/256; computed with
    // another implementation.
    let sha_512_256 = Algorithm::plain(HashFunction::Sha512_256);
    let parts = [
        "J\u{e4}s\u{f8}n Doe",
        "api@example.org",
        "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm",
        "/doe.json",
    ];
    assert_eq!(
        digest_response(&input(sha_512_256, parts, Some(false)), "Secret, or not?"),
        "7a4e1192babbba02e91182d2895bfdbf7adafc6e48d4e517ca301974843d840c"
    );
}

#[test]
fn rfc_2617_section_3_5_and_rfc_2069() {
    let parts = [
        "Mufasa",
        "testrealm@host.com",
        "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        "0a4f113b",
        "/dir/index.html",
    ];
    assert_eq!(
        digest_response(&input(MD5, parts, Some(false)), "Circle Of Life"),
        "6629fae49393a05397450978507c4ef1"
    );
    // RFC 2069 section 2.4 as corrected by erratum 749.
    assert_eq!(
        digest_response(&input(MD5, parts, None), "CircleOfLife"),
        "1949323746fe6a43ef61f9606e7febea"
    );
}

#[test]
fn variants_keyed_by_the_nonce_and_with_the_body() {
    // Computed with another implementation.
    let vectors = [
        ("MD5-sess", false, "e4e4ea61d186d07a92c9e1f6919902e9"),
        ("SHA-256-sess", false, "5da59c9ca40954be9d5063a15a174066c8251be2c10cf47c144c366dc7daf792"),
        ("MD5", true, "77226bb823dc077c1ad3537415667bae"),
        ("SHA-256", true, "554a9ffe79ce71c3cb6c9630deddd2787d8033f895e5cdef6a73c8e84ed4c979"),
    ];
    for (algorithm, integrity, response) in vectors {
        let algorithm = Algorithm::parse(algorithm).unwrap();
        let input = DigestInput {
            algorithm,
            username: "bob",
            realm: "biloxi.com",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            cnonce: "0a4f113b",
            nonce_count: "00000001",
            integrity: Some(integrity),
            method: "INVITE",
            uri: "sip:bob@biloxi.com",
            body: b"v=0\r\n",
        };
        assert_eq!(digest_response(&input, "zanzibar"), response, "{algorithm}");
    }
}

#[test]
fn algorithms_are_named_as_registered() {
    for name in ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"] {
        assert_eq!(Algorithm::parse(&name.to_ascii_lowercase()).unwrap().as_str(), name);
    }
    assert_eq!(Algorithm::parse("AKAv1-MD5"), None);
}

#[test]
fn several_challenges_in_one_line_and_what_is_left_out() {
    let line = r#"Basic realm="b", Digest realm="a \"q\" \\z", nonce="n1", algorithm=SHA-256,
      qop="auth,auth-int",opaque="", domain="sip:x", weird=yes, Digest realm = r2 ,nonce="n2",
      stale=TRUE, Digest realm="r3", nonce="n3", algorithm=AKAv1-MD5, Negotiate a,
      Digest nonce="no realm", Digest realm="r4", nonce="n4", qop="other""#;
    let found = Challenge::parse_line(line).unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].realm, r#"a "q" \z"#);
    assert_eq!(found[0].algorithm, SHA_256);
    assert_eq!(found[0].qop, Qop { auth: true, auth_int: true });
    assert_eq!(found[0].opaque.as_deref(), Some(""));
    assert!(!found[0].stale);
    assert_eq!((found[1].realm.as_str(), found[1].nonce.as_str()), ("r2", "n2"));
    assert_eq!(found[1].algorithm, MD5);
    assert!(found[1].qop.is_absent() && found[1].stale);
    for broken in ["Digest realm=\"x", "Digest realm=\"x\" nonce=\"y\"", "=", "Digest ;"] {
        assert!(Challenge::parse_line(broken).is_err(), "{broken}");
    }
    assert_eq!(Challenge::parse_line("").unwrap(), []);
}

#[test]
fn a_challenge_is_read_as_it_was_written() {
    let challenge = Challenge {
        realm: "quote \" and \\".to_owned(),
        nonce: "abc=".to_owned(),
        opaque: Some("o".to_owned()),
        algorithm: Algorithm::parse("SHA-512-256").unwrap(),
        qop: Qop { auth: true, auth_int: false },
        stale: true,
    };
    assert_eq!(
        Challenge::parse_line(&challenge.to_value()).unwrap(),
        std::slice::from_ref(&challenge)
    );
    assert!(!format!("{challenge:?}").contains("abc="));
}

fn message(text: &str) -> Message {
    Message::parse(Bytes::from(text.to_owned()), &Limits::default()).unwrap()
}

fn response(headers: &str) -> Message {
    message(&format!(
        "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKb\r\nFrom: <sip:a@h>;tag=1\r\n\
         To: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{headers}Content-Length: 0\r\n\r\n"
    ))
}

#[test]
fn the_top_most_challenge_that_can_be_answered_counts_for_each_realm() {
    // RFC 8760 section 2.4.
    let asked = response(
        "WWW-Authenticate: Digest realm=\"r\", qop=\"auth\", nonce=\"n0\", algorithm=SHA-3\r\n\
         WWW-Authenticate: Digest realm=\"r\", qop=\"auth\", nonce=\"n1\", algorithm=SHA-256\r\n\
         WWW-Authenticate: Digest realm=\"r\", qop=\"auth\", nonce=\"n2\", algorithm=MD5\r\n\
         WWW-Authenticate: Digest broken\"\r\n\
         Proxy-Authenticate: Digest realm=\"p\", nonce=\"n3\"\r\n",
    );
    let chosen = Challenge::of_response(&asked);
    let told: Vec<_> =
        chosen.iter().map(|(by, c)| (*by, c.realm.as_str(), c.nonce.as_str())).collect();
    assert_eq!(told, [(ChallengedBy::Server, "r", "n1"), (ChallengedBy::Proxy, "p", "n3")]);
    let many: String = (0..20)
        .map(|n| format!("WWW-Authenticate: Digest realm=\"r{n}\", nonce=\"n\"\r\n"))
        .collect();
    assert_eq!(Challenge::of_response(&response(&many)).len(), 8);
}

fn invite(header: &str) -> Message {
    message(&format!(
        "INVITE {URI} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKold;rport\r\n\
         From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{header}\
         Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
    ))
}

/// A verifier, its clock and one customer.
struct Desk {
    verifier: Verifier,
    random: StepRandom,
    now: Instant,
}

impl Desk {
    fn new(config: VerifierConfig) -> Self {
        let mut random = StepRandom::new(9);
        let verifier = Verifier::new(config, &mut random);
        Desk { verifier, random, now: Instant::from_millis(5_000) }
    }

    fn answerer(&mut self, position: usize) -> Answerer {
        let random = &mut self.random;
        let offers = self.verifier.challenges(self.now, &PROTECTED, false, random);
        Answerer::new(ChallengedBy::Server, offers[position].clone(), random)
    }

    fn verify(&mut self, header: &str) -> Verdict {
        let request = invite(&format!("Authorization: {header}\r\n"));
        self.verify_request(&request)
    }

    fn verify_request(&mut self, request: &Message) -> Verdict {
        let password = |user: &str| (user == "pbx").then_some("open sesame");
        self.verifier.verify(self.now, &PROTECTED, request, password)
    }
}

fn header(answerer: &Answerer, user: &str, password: &str) -> String {
    answerer.answer("INVITE", URI, b"v=0\r\n", user, password).1
}

fn accepted() -> Verdict {
    Verdict::Accepted { username: "pbx".to_owned() }
}

#[test]
fn a_right_password_is_accepted_with_each_count_once() {
    let mut desk = Desk::new(VerifierConfig::default());
    for position in [0, 1] {
        let answerer = desk.answerer(position);
        let first = header(&answerer, "pbx", "open sesame");
        let second = header(&answerer, "pbx", "open sesame");
        assert!(second.contains("nc=00000002"), "{second}");
        // Datagrams may overtake each other.
        assert_eq!(desk.verify(&second), accepted());
        assert_eq!(desk.verify(&first), accepted());
        assert_eq!(desk.verify(&first), Verdict::Stale, "replayed");
        assert_eq!(desk.verify(&second), Verdict::Stale, "replayed");
    }
    assert_eq!(desk.verifier.remembered(), 2);
}

#[test]
fn what_is_wrong_is_told_from_what_cannot_be_used() {
    let mut desk = Desk::new(VerifierConfig::default());
    let answerer = desk.answerer(0);
    let good = header(&answerer, "pbx", "open sesame");
    let wrong = [
        header(&answerer, "pbx", "open Sesame"),
        header(&answerer, "PBX", "open sesame"),
        header(&answerer, "nobody", "nobody's"),
        answerer.answer("BYE", URI, b"", "pbx", "open sesame").1,
        good.replace("nc=00000001", "nc=00000009"),
        good.replace("response=\"", "response=\"0"),
    ];
    for header in wrong {
        assert_eq!(desk.verify(&header), Verdict::Wrong, "{header}");
    }
    let unusable = [
        // The number that is called is another than the one that was signed.
        answerer.answer("INVITE", "sip:+12065550999@pbx.example", b"", "pbx", "open sesame").1,
        good.replace("nc=00000001", "nc=1"),
        good.replace("nc=00000001", "nc=00000001, nc=00000002"),
        good.replace(", cnonce=", ", nocnonce="),
        good.replace("algorithm=SHA-256", "algorithm=SHA-512-256"),
        good.replace("algorithm=SHA-256", "algorithm=AKAv1-MD5"),
        good.replace("qop=auth", "qop=other"),
        good.replace("qop=auth", "qop=auth, userhash=true"),
        format!("{good}, Digest realm=\"x\""),
        "Digest".to_owned(),
    ];
    for header in unusable {
        assert_eq!(desk.verify(&header), Verdict::Unusable, "{header}");
    }
    assert_eq!(desk.verifier.remembered(), 0, "only right answers take room");
    assert_eq!(desk.verify(&good), accepted());
}

#[test]
fn credentials_for_somebody_else_are_none() {
    let mut desk = Desk::new(VerifierConfig::default());
    assert_eq!(desk.verify_request(&invite("")), Verdict::Absent);
    assert_eq!(desk.verify("Basic cGJ4OnB3"), Verdict::Absent);
    let good = header(&desk.answerer(1), "pbx", "open sesame");
    let other = good.replace(REALM, "elsewhere.example");
    assert_eq!(desk.verify(&other), Verdict::Absent);
    let both = format!("Authorization: {other}\r\nAuthorization: {good}\r\n");
    assert_eq!(desk.verify_request(&invite(&both)), accepted());
    let good = header(&desk.answerer(1), "pbx", "open sesame");
    let request = invite(&format!("Proxy-Authorization: {good}\r\n"));
    assert_eq!(desk.verify_request(&request), Verdict::Absent, "it answers another question");
}

#[test]
fn an_old_or_foreign_nonce_is_stale_and_tells_nothing_of_the_password() {
    let config = VerifierConfig { nonce_lifetime: Duration::from_secs(30), ..Default::default() };
    let mut desk = Desk::new(config);
    let answerer = desk.answerer(0);
    let (first, second) =
        (header(&answerer, "pbx", "open sesame"), header(&answerer, "pbx", "open sesame"));
    desk.now += Duration::from_secs(30);
    assert_eq!(desk.verify(&first), accepted(), "just in time");
    desk.now += Duration::from_millis(1);
    assert_eq!(desk.verify(&second), Verdict::Stale);
    assert_eq!(desk.verify(&header(&answerer, "pbx", "guess")), Verdict::Stale);
    // Of before a restart.
    let mut before = Desk { verifier: Verifier::new(config, &mut StepRandom::new(70)), ..desk };
    let old = before.answerer(0);
    let mut desk = Desk { verifier: Verifier::new(config, &mut StepRandom::new(80)), ..before };
    assert_eq!(desk.verify(&header(&old, "pbx", "open sesame")), Verdict::Stale);
    assert_eq!(desk.verify(&header(&old, "pbx", "guess")), Verdict::Stale);
    // Of another source.
    let elsewhere = Protected { source: "192.0.2.11".parse().unwrap(), ..PROTECTED };
    let offers = desk.verifier.challenges(desk.now, &elsewhere, false, &mut desk.random);
    let theirs = Answerer::new(ChallengedBy::Server, offers[0].clone(), &mut desk.random);
    assert_eq!(desk.verify(&header(&theirs, "pbx", "open sesame")), Verdict::Stale);
}

#[test]
fn peers_of_rfc_2069_are_taken_once_a_nonce_and_with_md5_only() {
    let mut desk = Desk::new(VerifierConfig::default());
    let random = &mut desk.random;
    let mut offers = desk.verifier.challenges(desk.now, &PROTECTED, false, random);
    for (offer, verdict) in offers.iter_mut().zip([Verdict::Unusable, accepted()]) {
        // Such a peer does not see qop.
        offer.qop = Qop::default();
        let answerer = Answerer::new(ChallengedBy::Server, offer.clone(), &mut desk.random);
        let answer = header(&answerer, "pbx", "open sesame");
        assert!(!answer.contains("qop") && !answer.contains("nc=") && !answer.contains("cnonce"));
        let request = invite(&format!("Authorization: {answer}\r\n"));
        let password = |_: &str| Some("open sesame");
        let mut verify = |at| desk.verifier.verify(at, &PROTECTED, &request, password);
        assert_eq!(verify(desk.now), verdict);
        if verdict == accepted() {
            assert_eq!(verify(desk.now), Verdict::Stale);
        }
    }
}

#[test]
fn the_body_is_protected_when_nothing_else_is_offered() {
    let mut desk = Desk::new(VerifierConfig::default());
    let random = &mut desk.random;
    let mut offers = desk.verifier.challenges(desk.now, &PROTECTED, false, random);
    offers[0].qop = Qop { auth: false, auth_int: true };
    let answerer = Answerer::new(ChallengedBy::Server, offers[0].clone(), random);
    assert!(answerer.needs_body());
    let bent = answerer.answer("INVITE", URI, b"v=1\r\n", "pbx", "open sesame").1;
    assert!(bent.contains("qop=auth-int"));
    assert_eq!(desk.verify(&bent), Verdict::Wrong);
    assert_eq!(desk.verify(&header(&answerer, "pbx", "open sesame")), accepted());
}

#[test]
fn quotes_in_names_and_passwords_survive() {
    let mut desk = Desk::new(VerifierConfig::default());
    let answerer = desk.answerer(0);
    let answer = header(&answerer, "a \"b\" \\c", "p\"\\:w");
    let request = invite(&format!("Authorization: {answer}\r\n"));
    let password = |user: &str| (user == "a \"b\" \\c").then_some("p\"\\:w");
    let verdict = desk.verifier.verify(desk.now, &PROTECTED, &request, password);
    assert_eq!(verdict, Verdict::Accepted { username: "a \"b\" \\c".to_owned() });
}

#[test]
fn the_signed_uri_may_name_the_server_alone() {
    let mut desk = Desk::new(VerifierConfig::default());
    for uri in ["sip:192.0.2.1:5060", "sip:+12065550123@192.0.2.1;transport=tcp"] {
        let answer = desk.answerer(0).answer("INVITE", uri, b"", "pbx", "open sesame").1;
        assert_eq!(desk.verify(&answer), accepted(), "{uri}");
    }
}

#[test]
fn a_retry_is_the_same_request_with_credentials() {
    let sent = invite("Authorization: Digest old\r\nX-Mine: yes\r\n");
    let credentials = [(HeaderName::Authorization, "Digest new".to_owned())];
    let again = message(
        std::str::from_utf8(&with_credentials(&sent, "z9hG4bKnew", 2, &credentials).unwrap())
            .unwrap(),
    );
    assert_eq!(again.top_via().unwrap().branch, Some("z9hG4bKnew"));
    assert_eq!(again.header(HeaderName::Via), Some("SIP/2.0/UDP h;branch=z9hG4bKnew;rport"));
    assert_eq!(again.cseq().unwrap().number, 2);
    assert_eq!(again.header_lines(HeaderName::Authorization).collect::<Vec<_>>(), ["Digest new"]);
    for name in [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::ContentType] {
        assert_eq!(again.header(name), sent.header(name));
    }
    assert_eq!(again.header_named("X-Mine"), Some("yes"));
    assert_eq!(again.body(), sent.body());
    assert_eq!(again.request_uri(), sent.request_uri());
    assert!(with_credentials(&response(""), "z9hG4bKnew", 2, &[]).is_none());
}

#[test]
fn no_debug_output_shows_a_secret() {
    let mut desk = Desk::new(VerifierConfig::default());
    let answerer = desk.answerer(0);
    let header = header(&answerer, "pbx", "open sesame");
    let credentials = Credentials::parse(&header).unwrap().unwrap();
    let shown = format!("{answerer:?} {credentials:?}");
    assert!(!shown.contains(&*credentials.response) && !shown.contains("open"), "{shown}");
}
