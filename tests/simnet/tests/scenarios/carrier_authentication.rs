//! A carrier that asks us for credentials.

use directory::{Credential, Resources};
use model::CredentialProblem;
use simnet::{CARRIER, CARRIER_2, PBX, STRANGER, Ua, World, config, directory};
use sip_proto::auth::{Algorithm, Credentials, DigestInput, digest_response};
use sip_proto::{HeaderName, Message};
use std::net::SocketAddr;
use std::time::Duration;

const PASSWORD: &str = "carrier secret";

fn resources() -> Resources {
    let mut resources = directory();
    let credential = Credential { username: "tandem".into(), password: PASSWORD.into() };
    resources.carriers[0].credential = Some(credential);
    resources
}

pub(super) fn world() -> World {
    World::with(config(), resources())
}

pub(super) fn digest(realm: &str, nonce: &str, more: &str) -> String {
    format!("Digest realm=\"{realm}\", nonce=\"{nonce}\"{more}")
}

pub(super) const QOP: &str = ", qop=\"auth\", algorithm=SHA-256";

/// The credentials of a request, which must prove our password and hold this nonce and count.
fn proven(request: &Message, header: HeaderName, nonce: &str, count: Option<u32>) {
    let line = request.header(header).unwrap_or_else(|| panic!("no {header:?}"));
    let shown = Credentials::parse(line).unwrap().unwrap();
    assert_eq!((&*shown.username, &*shown.nonce), ("tandem", nonce));
    assert_eq!(shown.count(), count);
    assert_eq!(Some(&*shown.uri), request.request_uri());
    let input = DigestInput {
        algorithm: shown.algorithm,
        username: "tandem",
        realm: &shown.realm,
        nonce,
        cnonce: shown.cnonce.as_deref().unwrap_or_default(),
        nonce_count: shown.nonce_count.unwrap_or_default(),
        integrity: shown.integrity,
        method: request.method().unwrap().as_str(),
        uri: &shown.uri,
        body: request.body_bytes(),
    };
    assert_eq!(digest_response(&input, PASSWORD), shown.response);
}

pub(super) fn calling(w: &mut World) -> Ua {
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(w, Some(&offer));
    pbx
}

/// The carrier asks for credentials; then the INVITE with them has come.
pub(super) fn ask(w: &mut World, pstn: &mut Ua, status: u16, challenge: &str) -> Message {
    let header = if status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
    pstn.reply_with(w, status, &[(header, challenge)], None);
    pstn.expect(w, "ACK");
    pstn.expect(w, "INVITE")
}

pub(super) fn answers(w: &mut World, pbx: &mut Ua, pstn: &mut Ua) -> Message {
    let answer = pstn.sdp(40_000);
    pstn.reply(w, 200, Some(&answer));
    let ack = pstn.expect(w, "ACK");
    pbx.expect(w, "200");
    pbx.ack(w, None);
    ack
}

#[test]
fn the_invite_comes_again_with_credentials_in_the_same_dialog() {
    for (status, header) in
        [(401, HeaderName::Authorization), (407, HeaderName::ProxyAuthorization)]
    {
        let mut w = world();
        let mut pbx = calling(&mut w);
        let mut pstn = w.callee(CARRIER);
        let first = pstn.invited.clone().unwrap();
        assert_eq!(first.header(header), None);
        let second = ask(&mut w, &mut pstn, status, &digest("pstn", "n1", QOP));
        proven(&second, header, "n1", Some(1));
        assert_eq!(second.call_id(), first.call_id());
        assert_eq!(second.from().unwrap().tag(), first.from().unwrap().tag());
        assert_eq!(second.to().unwrap().tag(), None);
        assert_eq!(second.cseq().unwrap().number, first.cseq().unwrap().number + 1);
        assert_ne!(second.top_via().unwrap().branch, first.top_via().unwrap().branch);
        assert_eq!(second.body(), first.body());
        let ack = answers(&mut w, &mut pbx, &mut pstn);
        assert_eq!(ack.header(header), second.header(header), "RFC 3261 section 22.1");
        // The BYE carries the next count without having been asked.
        pbx.bye(&mut w);
        pbx.expect(&mut w, "200");
        let bye = pstn.expect(&mut w, "BYE");
        proven(&bye, header, "n1", Some(2));
        pstn.ok(&mut w);
        assert!(w.audit.credentials.is_empty());
        w.finish();
    }
}

#[test]
fn the_peers_of_rfc_2069_get_what_they_know() {
    let mut w = world();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    let second = ask(&mut w, &mut pstn, 401, &digest("pstn", "n1", ""));
    proven(&second, HeaderName::Authorization, "n1", None);
    let line = second.header(HeaderName::Authorization).unwrap();
    assert!(!line.contains("qop") && !line.contains("cnonce"), "{line}");
    answers(&mut w, &mut pbx, &mut pstn);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_body_is_protected_when_the_carrier_wants_nothing_else() {
    let mut w = world();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    let challenge = digest("pstn", "n1", ", qop=\"auth-int\", algorithm=MD5");
    let second = ask(&mut w, &mut pstn, 401, &challenge);
    assert!(second.header(HeaderName::Authorization).unwrap().contains("qop=auth-int"));
    proven(&second, HeaderName::Authorization, "n1", Some(1));
    answers(&mut w, &mut pbx, &mut pstn);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn of_several_challenges_the_top_most_that_we_can_is_answered() {
    let mut w = world();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    let unknown = digest("pstn", "n1", ", qop=\"auth\", algorithm=SHA-9");
    let good = digest("pstn", "n2", ", qop=\"auth\", algorithm=SHA-256");
    let weak = digest("pstn", "n3", "");
    let lines: Vec<_> =
        [&unknown, &good, &weak].map(|line| ("WWW-Authenticate", line.as_str())).into();
    pstn.reply_with(&mut w, 401, &lines, None);
    pstn.expect(&mut w, "ACK");
    let second = pstn.expect(&mut w, "INVITE");
    proven(&second, HeaderName::Authorization, "n2", Some(1));
    let line = second.header(HeaderName::Authorization).unwrap();
    let shown = Credentials::parse(line).unwrap().unwrap();
    assert_eq!(Some(shown.algorithm), Algorithm::parse("SHA-256"));
    answers(&mut w, &mut pbx, &mut pstn);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_proxy_and_the_server_behind_it_both_get_theirs() {
    let mut w = world();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    ask(&mut w, &mut pstn, 407, &digest("proxy", "p1", QOP));
    let third = ask(&mut w, &mut pstn, 401, &digest("server", "s1", QOP));
    proven(&third, HeaderName::ProxyAuthorization, "p1", Some(2));
    proven(&third, HeaderName::Authorization, "s1", Some(1));
    answers(&mut w, &mut pbx, &mut pstn);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_stale_nonce_is_replaced_and_a_carrier_that_never_stops_asking_is_given_up() {
    let mut w = world();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    ask(&mut w, &mut pstn, 401, &digest("pstn", "n1", QOP));
    for n in 2..=4 {
        let stale = digest("pstn", &format!("n{n}"), &format!("{QOP}, stale=true"));
        let next = ask(&mut w, &mut pstn, 401, &stale);
        proven(&next, HeaderName::Authorization, &format!("n{n}"), Some(1));
    }
    let stale = digest("pstn", "n5", &format!("{QOP}, stale=true"));
    pstn.reply_with(&mut w, 401, &[("WWW-Authenticate", &stale)], None);
    pstn.expect(&mut w, "ACK");
    pstn.expect_silence(&mut w);
    // The hunt goes on.
    let mut second = w.callee(CARRIER_2);
    answers(&mut w, &mut pbx, &mut second);
    pbx.hang_up(&mut w, &mut second);
    assert_eq!(w.audit.credentials[0].problem, CredentialProblem::TooOften);
    w.finish();
}

#[test]
fn refused_credentials_fail_the_route_and_name_the_carrier() {
    let mut w = world();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    ask(&mut w, &mut pstn, 401, &digest("pstn", "n1", QOP));
    pstn.reply_with(&mut w, 401, &[("WWW-Authenticate", &digest("pstn", "n2", QOP))], None);
    pstn.expect(&mut w, "ACK");
    pstn.expect_silence(&mut w);
    let mut second = w.callee(CARRIER_2);
    answers(&mut w, &mut pbx, &mut second);
    pbx.hang_up(&mut w, &mut second);
    let told = &w.audit.credentials[0];
    assert_eq!((told.carrier.as_str(), told.problem), ("first", CredentialProblem::Refused));
    assert!(told.problem.advice().contains("password"));
    w.finish();
}

#[test]
fn nobody_but_the_carrier_and_no_other_realm_is_answered() {
    let mut resources = resources();
    resources.carriers[0].realm = Some("pstn".into());
    let mut w = World::with(config(), resources);
    for (source, realm, problem) in [
        (CARRIER, "evil", CredentialProblem::OtherRealm),
        (STRANGER, "pstn", CredentialProblem::Stranger),
    ] {
        let mut pbx = calling(&mut w);
        let mut pstn = w.callee(CARRIER);
        let invite = pstn.invited.clone().unwrap();
        let challenge = digest(realm, "n1", QOP);
        let raw = pstn.response(&invite, 401, &[("WWW-Authenticate", &challenge)], None);
        w.send(source, raw);
        assert_eq!(w.audit.credentials.pop().unwrap().problem, problem);
        pstn.expect(&mut w, "ACK");
        pstn.expect_silence(&mut w);
        let mut second = w.callee(CARRIER_2);
        answers(&mut w, &mut pbx, &mut second);
        pbx.hang_up(&mut w, &mut second);
    }
    w.finish();
}

#[test]
fn a_carrier_that_asks_without_having_been_given_a_password_is_named() {
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    pstn.reply_with(&mut w, 407, &[("Proxy-Authenticate", &digest("pstn", "n1", QOP))], None);
    pstn.expect(&mut w, "ACK");
    let mut second = w.callee(CARRIER_2);
    answers(&mut w, &mut pbx, &mut second);
    pbx.hang_up(&mut w, &mut second);
    assert_eq!(w.audit.credentials[0].problem, CredentialProblem::Missing);
    w.finish();
}

#[test]
fn a_target_elsewhere_gets_no_credentials_with_the_bye() {
    // CVE-2021-41158: who moves the dialog to an address of his own must not be shown a proof.
    // A neighbour of the carrier, whom the audit of secrets takes for one side.
    let thief: SocketAddr = "198.51.100.66:5060".parse().unwrap();
    let mut w = world();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    ask(&mut w, &mut pstn, 401, &digest("pstn", "n1", QOP));
    pstn.contact = format!("sip:inner@{thief}");
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    let ack = w.take(thief, None).unwrap();
    assert_eq!(ack.header(HeaderName::Authorization), None);
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    let bye = w.take(thief, None).unwrap();
    assert_eq!(bye.header(HeaderName::Authorization), None);
    let challenge = digest("pstn", "n1", QOP);
    let raw = pstn.response(&bye, 401, &[("WWW-Authenticate", &challenge)], None);
    w.send(thief, raw);
    assert!(w.take(thief, None).is_none());
    assert_eq!(w.audit.credentials[0].problem, CredentialProblem::Stranger);
    w.finish();
}

#[test]
fn changes_of_media_and_hang_ups_are_asked_as_well() {
    let mut w = world();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    // The INVITE is let in unasked; what follows is not.
    answers(&mut w, &mut pbx, &mut pstn);
    let hold = pbx.sdp_with(30_000, 2, "sendonly");
    pbx.invite(&mut w, Some(&hold));
    let first = pstn.expect(&mut w, "INVITE");
    let second = ask(&mut w, &mut pstn, 407, &digest("pstn", "n1", QOP));
    proven(&second, HeaderName::ProxyAuthorization, "n1", Some(1));
    assert_eq!(second.to().unwrap().tag(), first.to().unwrap().tag());
    assert_eq!(second.cseq().unwrap().number, first.cseq().unwrap().number + 1);
    let held = pstn.sdp_with(40_000, 2, "recvonly");
    pstn.answer(&mut w, &mut pbx, &held);
    pbx.request(&mut w, "INFO", &[], Some(("application/dtmf-relay", "Signal=1\r\n")));
    let info = pstn.expect(&mut w, "INFO");
    proven(&info, HeaderName::ProxyAuthorization, "n1", Some(2));
    // Its nonce served once.
    let again = digest("pstn", "n2", QOP);
    pstn.refuse(&mut w, 407, &[("Proxy-Authenticate", &again)]);
    let info = pstn.expect(&mut w, "INFO");
    proven(&info, HeaderName::ProxyAuthorization, "n2", Some(1));
    assert_eq!(info.body_bytes(), b"Signal=1\r\n");
    pstn.ok(&mut w);
    pbx.expect(&mut w, "200");
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    pstn.expect(&mut w, "BYE");
    pstn.refuse(&mut w, 407, &[("Proxy-Authenticate", &digest("pstn", "n3", QOP))]);
    let bye = pstn.expect(&mut w, "BYE");
    proven(&bye, HeaderName::ProxyAuthorization, "n3", Some(1));
    pstn.ok(&mut w);
    w.finish();
}

#[test]
fn a_lost_second_invite_is_repeated_and_then_the_hunt_goes_on() {
    let mut w = world();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    let second = ask(&mut w, &mut pstn, 401, &digest("pstn", "n1", QOP));
    w.advance(Duration::from_millis(600));
    let copy = pstn.expect(&mut w, "INVITE");
    assert_eq!(copy.raw(), second.raw(), "a repetition, not another request");
    w.advance(Duration::from_millis(4_400));
    let mut other = w.callee(CARRIER_2);
    answers(&mut w, &mut pbx, &mut other);
    pbx.hang_up(&mut w, &mut other);
    w.take_all(CARRIER);
    w.finish();
}

#[test]
fn a_caller_that_gives_up_meanwhile_is_not_called_for_again() {
    let mut w = world();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    pbx.cancel(&mut w);
    pbx.expect(&mut w, "200");
    pbx.expect(&mut w, "487");
    pbx.ack_failure(&mut w);
    pstn.reply_with(&mut w, 401, &[("WWW-Authenticate", &digest("pstn", "n1", QOP))], None);
    pstn.expect(&mut w, "ACK");
    pstn.expect_silence(&mut w);
    w.finish();
}

#[test]
fn the_invite_with_credentials_can_be_cancelled() {
    let mut w = world();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    let second = ask(&mut w, &mut pstn, 401, &digest("pstn", "n1", QOP));
    pstn.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    pbx.cancel(&mut w);
    pbx.expect(&mut w, "200");
    pbx.expect(&mut w, "487");
    pbx.ack_failure(&mut w);
    let cancel = pstn.expect(&mut w, "CANCEL");
    assert_eq!(cancel.cseq().unwrap().number, second.cseq().unwrap().number);
    assert_eq!(cancel.header(HeaderName::Authorization), None, "RFC 3261 section 22.1");
    pstn.ok(&mut w);
    pstn.reply(&mut w, 487, None);
    pstn.expect(&mut w, "ACK");
    w.finish();
}

#[test]
fn an_acknowledgement_of_a_reliable_response_is_asked_as_well() {
    let mut w = world();
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    let second = ask(&mut w, &mut pstn, 407, &digest("pstn", "n1", QOP));
    pstn.reply_with(&mut w, 180, &[("Require", "100rel"), ("RSeq", "7")], None);
    pbx.expect(&mut w, "180");
    let prack = pstn.expect(&mut w, "PRACK");
    proven(&prack, HeaderName::ProxyAuthorization, "n1", Some(2));
    let number = second.cseq().unwrap().number;
    let acknowledged = format!("7 {number} INVITE");
    assert_eq!(prack.header(HeaderName::RAck), Some(&*acknowledged), "the INVITE that was let in");
    pstn.refuse(&mut w, 407, &[("Proxy-Authenticate", &digest("pstn", "n2", QOP))]);
    let prack = pstn.expect(&mut w, "PRACK");
    proven(&prack, HeaderName::ProxyAuthorization, "n2", Some(1));
    assert_eq!(prack.header(HeaderName::RAck), Some(&*acknowledged));
    pstn.ok(&mut w);
    answers(&mut w, &mut pbx, &mut pstn);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}
