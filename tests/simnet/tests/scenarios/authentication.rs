//! A voice connector that asks its customer for credentials.

use b2bua::{AuthenticationConfig, EdgeConfig};
use directory::{Credential, DigestAlgorithm, Resources};
use model::{CallEventKind, Refusal};
use simnet::{CARRIER, PBX, STRANGER, Ua, World, config, connector_host, directory};
use sip_proto::auth::{Answerer, Challenge, ChallengedBy};
use sip_proto::{HeaderName, Message, StepRandom};
use std::time::Duration;

pub(super) const PASSWORD: &str = "correct horse";

pub(super) fn with_credentials() -> Resources {
    let mut resources = directory();
    let termination = resources.voice_connectors[0].termination.as_mut().unwrap();
    let credential = |user: &str, password: &str| Credential {
        username: user.into(),
        password: password.into(),
    };
    termination.credentials = vec![credential("other", "else"), credential("pbx", PASSWORD)];
    resources
}

pub(super) fn world() -> World {
    World::with(config(), with_credentials())
}

pub(super) fn challenge(asked: &Message) -> Answerer {
    let (by, challenge) = Challenge::of_response(asked).remove(0);
    Answerer::new(by, challenge, &mut StepRandom::new(3))
}

pub(super) fn proof(ua: &Ua, answerer: &Answerer, password: &str) -> String {
    answerer.answer("INVITE", &ua.target, b"", "pbx", password).1
}

/// Sends an INVITE and takes the challenge that comes back.
pub(super) fn challenged(w: &mut World) -> (Ua, Answerer) {
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(w, Some(&offer));
    let asked = pbx.expect(w, "401");
    pbx.ack_failure(w);
    pbx.start_over();
    (pbx, challenge(&asked))
}

pub(super) fn again(w: &mut World, pbx: &mut Ua, authorization: &str) {
    pbx.start_over();
    let offer = pbx.sdp(30_000);
    pbx.invite_with(w, &[("Authorization", authorization)], Some(&offer));
}

fn completes(w: &mut World, pbx: &mut Ua) {
    let mut pstn = w.callee(CARRIER);
    assert_eq!(pstn.invited.as_ref().unwrap().header(HeaderName::Authorization), None);
    let answer = pstn.sdp(40_000);
    pstn.answer(w, pbx, &answer);
    // Requests inside the dialog are not asked.
    pbx.hang_up(w, &mut pstn);
}

#[test]
fn a_caller_that_knows_the_password_gets_through_and_its_name_into_the_record() {
    let mut w = world();
    let (mut pbx, answerer) = challenged(&mut w);
    assert_eq!(answerer.challenge().realm, connector_host());
    assert!(w.audit.events.is_empty(), "nothing is kept of a call that proved nothing");
    assert_eq!(w.edge.statistics().calls, 0);
    let header = proof(&pbx, &answerer, PASSWORD);
    again(&mut w, &mut pbx, &header);
    completes(&mut w, &mut pbx);
    let CallEventKind::Attempted { parties } = &w.audit.events[0].kind else { panic!() };
    assert_eq!(parties.sip_auth_user.as_deref(), Some("pbx"));
    assert_eq!(w.refusals(), [], "a challenge is no refusal");
    let counted = w.edge.statistics().authentication;
    assert_eq!((counted.challenged, counted.accepted, counted.wrong), (1, 1, 0));
    w.finish();
}

#[test]
fn a_challenge_offers_sha_256_before_md5_and_both_are_taken() {
    for position in [0, 1] {
        let mut w = world();
        let mut pbx = w.caller(PBX, "+12065550123");
        pbx.invite(&mut w, None);
        let asked = pbx.expect(&mut w, "401");
        pbx.ack_failure(&mut w);
        let lines: Vec<_> = asked.header_lines(HeaderName::WwwAuthenticate).collect();
        assert_eq!(lines.len(), 2);
        let offer = Challenge::parse_line(lines[position]).unwrap().remove(0);
        assert_eq!(offer.algorithm.as_str(), ["SHA-256", "MD5"][position]);
        let random = &mut StepRandom::new(1);
        let answerer = Answerer::new(ChallengedBy::Server, offer, random);
        let header = proof(&pbx, &answerer, PASSWORD);
        again(&mut w, &mut pbx, &header);
        completes(&mut w, &mut pbx);
        w.finish();
    }
}

#[test]
fn only_the_algorithms_of_the_connector_are_offered() {
    let mut resources = with_credentials();
    let termination = resources.voice_connectors[0].termination.as_mut().unwrap();
    termination.digest_algorithms = vec![DigestAlgorithm::Md5];
    let mut w = World::with(config(), resources);
    let (mut pbx, answerer) = challenged(&mut w);
    assert_eq!(answerer.challenge().algorithm.as_str(), "MD5");
    let header = proof(&pbx, &answerer, PASSWORD);
    again(&mut w, &mut pbx, &header);
    completes(&mut w, &mut pbx);
    w.finish();
}

#[test]
fn a_wrong_password_is_asked_again_and_slowed_down() {
    let mut w = world();
    let (mut pbx, mut answerer) = challenged(&mut w);
    for _ in 0..10 {
        let header = proof(&pbx, &answerer, "guess");
        again(&mut w, &mut pbx, &header);
        let asked = pbx.expect(&mut w, "401");
        pbx.ack_failure(&mut w);
        answerer = challenge(&asked);
        assert!(!answerer.challenge().stale);
    }
    assert_eq!(w.refusals(), [Refusal::WrongCredentials; 10]);
    // From now on not even the right one is looked at, so that no guess tells anything.
    let header = proof(&pbx, &answerer, PASSWORD);
    again(&mut w, &mut pbx, &header);
    pbx.expect(&mut w, "403");
    pbx.ack_failure(&mut w);
    assert_eq!(w.refusals().last(), Some(&Refusal::TooManyFailures));
    assert_eq!(w.edge.statistics().authentication.failing_sources, 1);
    w.advance(Duration::from_secs(31));
    let header = proof(&pbx, &answerer, PASSWORD);
    again(&mut w, &mut pbx, &header);
    completes(&mut w, &mut pbx);
    w.finish();
}

#[test]
fn an_old_nonce_is_stale_and_the_next_one_is_taken() {
    let mut authentication = AuthenticationConfig::default();
    authentication.verifier.nonce_lifetime = Duration::from_secs(20);
    let config = EdgeConfig { authentication, ..config() };
    let mut w = World::with(config, with_credentials());
    let (mut pbx, answerer) = challenged(&mut w);
    w.advance(Duration::from_secs(21));
    let header = proof(&pbx, &answerer, PASSWORD);
    again(&mut w, &mut pbx, &header);
    let asked = pbx.expect(&mut w, "401");
    pbx.ack_failure(&mut w);
    let answerer = challenge(&asked);
    assert!(answerer.challenge().stale);
    let header = proof(&pbx, &answerer, PASSWORD);
    again(&mut w, &mut pbx, &header);
    completes(&mut w, &mut pbx);
    assert_eq!(w.refusals(), []);
    w.finish();
}

#[test]
fn credentials_that_were_overheard_start_no_second_call() {
    let mut w = world();
    let (mut pbx, answerer) = challenged(&mut w);
    let header = proof(&pbx, &answerer, PASSWORD);
    again(&mut w, &mut pbx, &header);
    completes(&mut w, &mut pbx);
    let mut replayed = w.caller(PBX, "+12065550123");
    again(&mut w, &mut replayed, &header);
    let asked = replayed.expect(&mut w, "401");
    replayed.ack_failure(&mut w);
    assert!(challenge(&asked).challenge().stale);
    // Nor do they reach another number.
    let other_number = answerer.answer("INVITE", &pbx.target, b"", "pbx", PASSWORD).1;
    let mut thief = w.caller(PBX, "+12065550199");
    again(&mut w, &mut thief, &other_number.replace("+12065550123", "+12065550188"));
    thief.expect(&mut w, "401");
    thief.ack_failure(&mut w);
    assert!(w.take(CARRIER, None).is_none());
    w.finish();
}

#[test]
fn the_source_is_checked_before_the_password_and_carriers_are_not_asked() {
    let mut w = world();
    let mut stranger = w.caller(STRANGER, "+12065550123");
    stranger.invite(&mut w, None);
    stranger.expect(&mut w, "403");
    let mut pstn = w.caller(CARRIER, "+12065550100");
    let offer = pstn.sdp(30_000);
    pstn.invite(&mut w, Some(&offer));
    let mut pbx = w.callee(PBX);
    pbx.reply(&mut w, 486, None);
    pbx.expect(&mut w, "ACK");
    pstn.expect(&mut w, "486");
    pstn.ack_failure(&mut w);
    w.finish();
}

#[test]
fn a_call_with_credentials_can_be_cancelled() {
    let mut w = world();
    let (mut pbx, answerer) = challenged(&mut w);
    let header = proof(&pbx, &answerer, PASSWORD);
    again(&mut w, &mut pbx, &header);
    let mut pstn = w.callee(CARRIER);
    pbx.cancel(&mut w);
    pbx.expect(&mut w, "200");
    pbx.expect(&mut w, "487");
    pbx.ack_failure(&mut w);
    pstn.reply(&mut w, 180, None);
    w.finish();
}
