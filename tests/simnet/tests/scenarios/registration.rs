//! Registrations both ways: ours at a carrier, and those of customers whose addresses change.

use crate::transfer::{part, take_offer};
use directory::{
    CarrierRegistration, Credential, Host, OriginationRoute, RegistrationPolicy, Resources,
};
use model::{CredentialProblem, Refusal, RegistrationNews, VoiceConnectorId};
use simnet::{CARRIER, CARRIER_2, PBX, STRANGER, Ua, World, config, directory};
use sip_proto::auth::{Answerer, Challenge, Credentials};
use sip_proto::{HeaderName, Message, Method, StepRandom};
use std::net::SocketAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// The customer's system, at an address that nobody has configured.
const ROAMER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 77)), 41_000);

fn credential(user: &str, password: &str) -> Credential {
    Credential { username: user.into(), password: password.into() }
}

// Ours at a carrier ------------------------------------------------------------------------------

fn registering() -> Resources {
    let mut resources = directory();
    let carrier = &mut resources.carriers[0];
    carrier.registration = Some(CarrierRegistration { expires: Duration::from_secs(600) });
    carrier.credential = Some(credential("trunk", "carrier secret"));
    carrier.inbound_cidrs.clear();
    resources
}

/// Waits for the next REGISTER to `at`, at most so long.
fn await_register(w: &mut World, at: SocketAddr, most: Duration) -> (Message, Ua) {
    let step = Duration::from_millis(20);
    let end = w.now() + most;
    while w.now() < end {
        w.advance(step);
        if let Some(request) = w.take(at, None) {
            assert_eq!(request.method(), Some(Method::Register), "\n{}", w.ladder());
            return (request, w.caller(at, "+12065550100"));
        }
    }
    panic!("no REGISTER to {at}\n{}", w.ladder());
}

/// The REGISTER that has come to `at`, and whoever may answer it.
fn register_at(w: &mut World, at: SocketAddr) -> (Message, Ua) {
    let request = w.take(at, None).unwrap_or_else(|| panic!("no REGISTER\n{}", w.ladder()));
    assert_eq!(request.method(), Some(Method::Register), "\n{}", w.ladder());
    (request, w.caller(at, "+12065550100"))
}

fn reply(w: &mut World, (request, registrar): &(Message, Ua), status: u16, more: &[(&str, &str)]) {
    let raw = registrar.response(request, status, more, None);
    w.send(registrar.at, raw);
}

/// Grants the Contact of a REGISTER some seconds.
fn grant(w: &mut World, asked: &(Message, Ua), seconds: u32) {
    let contact = asked.0.contact().unwrap().unwrap().uri_text.to_owned();
    let own = format!("<{contact}>;expires={seconds}");
    let other = "<sip:somebody@192.0.2.250>;expires=5";
    reply(w, asked, 200, &[("Contact", other), ("Contact", &own)]);
}

const CHALLENGE: &str = "Digest realm=\"pstn\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256";

/// Challenged, registered for 200 s; returns the REGISTER that was accepted.
fn registered(w: &mut World) -> Message {
    let asked = await_register(w, CARRIER, SECOND);
    assert_eq!(asked.0.header(HeaderName::Authorization), None);
    reply(w, &asked, 401, &[("WWW-Authenticate", CHALLENGE)]);
    let proved = register_at(w, CARRIER);
    grant(w, &proved, 200);
    proved.0
}

/// Takes everything back, and then nothing may be left.
fn stop(mut w: World) {
    w.command(|edge, now| edge.drain(now));
    for at in [CARRIER, CARRIER_2] {
        while let Some(request) = w.take(at, None) {
            if request.header(HeaderName::Expires) == Some("0") {
                let registrar = w.caller(at, "+12065550100");
                reply(&mut w, &(request, registrar), 200, &[]);
            }
        }
    }
    w.finish();
}

fn shown(request: &Message) -> (String, Option<u32>) {
    let line = request.header(HeaderName::Authorization).unwrap();
    let shown = Credentials::parse(line).unwrap().unwrap();
    (shown.nonce.to_string(), shown.count())
}

#[test]
fn a_carrier_is_registered_at_refreshed_and_left() {
    let mut w = World::with(config(), registering());
    let first = registered(&mut w);
    assert_eq!(first.request_uri(), Some("sip:198.51.100.20:5080"));
    assert_eq!(first.to().unwrap().uri_text, "sip:trunk@198.51.100.20");
    assert_eq!(first.header(HeaderName::Expires), Some("600"));
    assert_eq!(shown(&first), ("n1".to_owned(), Some(1)));
    let statistics = w.edge.statistics();
    assert_eq!((statistics.registrations_wanted, statistics.registrations), (1, 1));
    w.advance(Duration::from_secs(149));
    assert!(w.take(CARRIER, None).is_none(), "too early");
    let refresh = await_register(&mut w, CARRIER, Duration::from_secs(22));
    assert_eq!(shown(&refresh.0), ("n1".to_owned(), Some(2)), "without being asked again");
    assert_eq!(refresh.0.call_id(), first.call_id());
    let number = |message: &Message| message.cseq().unwrap().number;
    assert_eq!(number(&refresh.0), number(&first) + 1);
    grant(&mut w, &refresh, 200);
    w.command(|edge, now| edge.drain(now));
    let removal = register_at(&mut w, CARRIER);
    assert_eq!(removal.0.header(HeaderName::Expires), Some("0"));
    assert_eq!(shown(&removal.0), ("n1".to_owned(), Some(3)));
    let stale = CHALLENGE.replace("n1", "n2") + ", stale=true";
    reply(&mut w, &removal, 401, &[("WWW-Authenticate", &stale)]);
    let removal = register_at(&mut w, CARRIER);
    assert_eq!(shown(&removal.0), ("n2".to_owned(), Some(1)));
    reply(&mut w, &removal, 200, &[]);
    let told: Vec<_> = w.audit.registrations.iter().map(|event| event.news).collect();
    let begun = RegistrationNews::Registered { seconds: 200 };
    assert_eq!(told, [begun, RegistrationNews::Removed]);
    w.finish();
}

#[test]
fn a_lost_refresh_is_repeated_and_a_silent_registrar_is_asked_again_later() {
    let mut w = World::with(config(), registering());
    registered(&mut w);
    let refresh = await_register(&mut w, CARRIER, Duration::from_secs(171));
    w.advance(Duration::from_secs(4));
    let copies = w.take_all(CARRIER);
    assert!(copies.len() >= 2);
    assert!(copies.iter().all(|copy| copy.raw() == refresh.0.raw()), "a lost one is repeated");
    // Silence for the rest of its time: it is lost, and comes back when the registrar does.
    w.advance(Duration::from_secs(40));
    let told: Vec<_> = w.audit.registrations.iter().map(|event| event.news).collect();
    assert!(told.contains(&RegistrationNews::Lost), "{told:?}");
    assert!(told.iter().any(|n| matches!(n, RegistrationNews::Failed { status: 408, .. })));
    assert_eq!(w.edge.statistics().registrations, 0);
    w.take_all(CARRIER);
    // The first that comes may be the last copy of a try that was given up.
    for _ in 0..3 {
        if w.edge.statistics().registrations == 0 {
            let again = await_register(&mut w, CARRIER, Duration::from_secs(120));
            grant(&mut w, &again, 200);
        }
    }
    assert_eq!(w.edge.statistics().registrations, 1);
    stop(w);
}

#[test]
fn a_registrar_that_wants_longer_times_gets_them() {
    let mut w = World::with(config(), registering());
    let asked = await_register(&mut w, CARRIER, SECOND);
    reply(&mut w, &asked, 423, &[("Min-Expires", "3600")]);
    let longer = register_at(&mut w, CARRIER);
    assert_eq!(longer.0.header(HeaderName::Expires), Some("3600"));
    reply(&mut w, &longer, 200, &[("Expires", "3600")]);
    assert_eq!(w.edge.statistics().registrations, 1);
    stop(w);
}

#[test]
fn another_address_of_the_carrier_takes_over() {
    let mut resources = registering();
    resources.carriers[0].host = Host::parse("sip.carrier.example").unwrap();
    let mut w = World::with(config(), resources);
    w.names.insert("sip.carrier.example", vec![CARRIER, CARRIER_2]);
    w.unreachable.push(CARRIER);
    let asked = await_register(&mut w, CARRIER_2, SECOND);
    assert_eq!(asked.0.request_uri(), Some("sip:sip.carrier.example"));
    grant(&mut w, &asked, 200);
    assert_eq!(w.edge.statistics().registrations, 1);
    stop(w);
}

#[test]
fn a_password_that_the_registrar_refuses_is_told() {
    let mut w = World::with(config(), registering());
    let asked = await_register(&mut w, CARRIER, SECOND);
    reply(&mut w, &asked, 401, &[("WWW-Authenticate", CHALLENGE)]);
    let proved = register_at(&mut w, CARRIER);
    reply(&mut w, &proved, 401, &[("WWW-Authenticate", &CHALLENGE.replace("n1", "n2"))]);
    assert!(w.take(CARRIER, None).is_none(), "not again at once");
    assert_eq!(w.audit.credentials[0].problem, CredentialProblem::Refused);
    let failed = w.audit.registrations[0].news;
    assert!(matches!(failed, RegistrationNews::Failed { status: 401, .. }), "{failed:?}");
    stop(w);
}

#[test]
fn the_carrier_calls_our_contact_and_nobody_else_gets_in_by_it() {
    let mut w = World::with(config(), registering());
    let first = registered(&mut w);
    let contact = first.contact().unwrap().unwrap().uri_text.to_owned();
    // From the registrar, and from another machine of the carrier that knows the Contact.
    for from in [CARRIER, STRANGER] {
        let mut pstn = w.caller(from, "+12065550100");
        pstn.target.clone_from(&contact);
        let offer = pstn.sdp(30_000);
        pstn.invite(&mut w, Some(&offer));
        let mut pbx = w.callee(PBX);
        assert!(pbx.invited.as_ref().unwrap().to().unwrap().uri_text.contains("+12065550100"));
        pbx.reply(&mut w, 486, None);
        pbx.expect(&mut w, "ACK");
        pstn.expect(&mut w, "486");
        pstn.ack_failure(&mut w);
    }
    let mut guess = w.caller(STRANGER, "+12065550100");
    guess.target = "sip:tandem@203.0.113.1:5060".to_owned();
    guess.invite(&mut w, None);
    guess.expect(&mut w, "403");
    assert_eq!(w.refusals(), [Refusal::UnknownSource]);
    stop(w);
}

// Customers here ---------------------------------------------------------------------------------

fn registrar() -> Resources {
    let mut resources = directory();
    let connector = &mut resources.voice_connectors[0];
    connector.registration = Some(RegistrationPolicy::default());
    let termination = connector.termination.as_mut().unwrap();
    termination.cidr_allowed_list.clear();
    termination.credentials = vec![credential("pbx", "open sesame")];
    let mut route = OriginationRoute::new(Host::parse("registered").unwrap());
    route.registered = true;
    connector.origination.routes = vec![route];
    resources
}

fn proof(ua: &Ua, asked: &Message, method: &str, password: &str) -> String {
    let (by, challenge) = Challenge::of_response(asked).remove(0);
    let answerer = Answerer::new(by, challenge, &mut StepRandom::new(3));
    answerer.answer(method, &ua.target, b"", "pbx", password).1
}

/// REGISTERs with a right password and these headers; the final response.
fn register(w: &mut World, ua: &mut Ua, headers: &[(&str, &str)], status: &str) -> Message {
    ua.request(w, "REGISTER", headers, None);
    let asked = ua.expect(w, "401");
    let authorization = proof(ua, &asked, "REGISTER", "open sesame");
    let mut all = vec![("Authorization", authorization.as_str())];
    all.extend_from_slice(headers);
    ua.request(w, "REGISTER", &all, None);
    ua.expect(w, status)
}

fn call_in(w: &mut World) -> Ua {
    let mut pstn = w.caller(CARRIER, "+12065550100");
    let offer = pstn.sdp(30_000);
    pstn.invite(w, Some(&offer));
    pstn
}

#[test]
fn a_system_that_registers_is_called_and_may_call_from_where_it_is() {
    let mut w = World::with(config(), registrar());
    let mut stranger = w.caller(ROAMER, "+12065550123");
    stranger.invite(&mut w, None);
    stranger.expect(&mut w, "403");
    let mut roamer = w.caller(ROAMER, "+12065550199");
    let path = "<sip:192.0.2.78;lr>";
    let headers = [("Expires", "120"), ("Path", path), ("Supported", "path")];
    let bound = register(&mut w, &mut roamer, &headers, "200");
    assert_eq!(bound.header(HeaderName::Contact), Some("<sip:inner@192.0.2.77:41000>;expires=120"));
    assert_eq!(bound.header(HeaderName::Path), Some(path));
    assert_eq!(w.edge.statistics().bindings, 1);
    // It is called at its Contact, over the way that it came.
    let mut pstn = call_in(&mut w);
    let mut pbx = w.callee(ROAMER);
    let invite = pbx.invited.clone().unwrap();
    assert_eq!(invite.request_uri(), Some("sip:inner@192.0.2.77:41000"));
    assert_eq!(invite.header(HeaderName::Route), Some(path));
    assert!(invite.header_named("P-Called-Party-ID").unwrap().contains("+12065550100"));
    let answer = pbx.sdp(40_000);
    pbx.answer(&mut w, &mut pstn, &answer);
    pstn.hang_up(&mut w, &mut pbx);
    // It calls, with its password.
    let mut caller = w.caller(ROAMER, "+12065550123");
    caller.invite(&mut w, None);
    let asked = caller.expect(&mut w, "401");
    caller.ack_failure(&mut w);
    caller.start_over();
    let authorization = proof(&caller, &asked, "INVITE", "open sesame");
    let offer = caller.sdp(30_000);
    caller.invite_with(&mut w, &[("Authorization", &authorization)], Some(&offer));
    let mut far = w.callee(CARRIER);
    far.reply(&mut w, 486, None);
    far.expect(&mut w, "ACK");
    caller.expect(&mut w, "486");
    caller.ack_failure(&mut w);
    // It goes, and is a stranger again.
    register(&mut w, &mut roamer, &[("Expires", "0")], "200");
    assert_eq!(w.edge.statistics().bindings, 0);
    stranger.start_over();
    stranger.invite(&mut w, None);
    stranger.expect(&mut w, "403");
    let mut pstn = call_in(&mut w);
    pstn.expect(&mut w, "480");
    pstn.ack_failure(&mut w);
    w.finish();
}

#[test]
fn a_registered_system_is_the_customer_for_health_and_for_replacing_its_calls() {
    let mut w = World::with(config(), registrar());
    let id = VoiceConnectorId::new(simnet::CONNECTOR).unwrap();
    let mut ping = w.caller(ROAMER, "+12065550199");
    ping.request(&mut w, "OPTIONS", &[], None);
    ping.expect(&mut w, "403");
    assert!(w.edge.termination_health(&id).is_none());
    let mut roamer = w.caller(ROAMER, "+12065550199");
    register(&mut w, &mut roamer, &[], "200");
    // Named by the request or known by the binding alone.
    for uri in [None, Some("sip:203.0.113.1")] {
        w.advance(SECOND);
        let mut ping = w.caller(ROAMER, "+12065550199");
        if let Some(uri) = uri {
            ping.call_uri(uri);
        }
        ping.request(&mut w, "OPTIONS", &[], None);
        ping.expect(&mut w, "200");
        let health = w.edge.termination_health(&id).unwrap();
        assert_eq!((health.source, health.at), (ROAMER, w.now()));
    }
    let mut pstn = call_in(&mut w);
    let mut pbx = w.callee(ROAMER);
    let answer = pbx.sdp(40_000);
    pbx.answer(&mut w, &mut pstn, &answer);
    let replaces = format!("{};to-tag={};from-tag={}", pbx.call_id, pbx.remote_tag(), pbx.tag);
    let mut stranger = w.caller(STRANGER, "+12065550100");
    stranger.invite_with(&mut w, &[("Replaces", &replaces)], None);
    stranger.expect(&mut w, "403");
    let mut other = w.caller(ROAMER, "+12065550100");
    other.target = "sip:tandem@203.0.113.1:5060".to_owned();
    let offer = other.sdp(33_000);
    other.invite_with(&mut w, &[("Replaces", &replaces)], Some(&offer));
    let asked = other.expect(&mut w, "401");
    other.ack_failure(&mut w);
    other.start_over();
    let authorization = proof(&other, &asked, "INVITE", "open sesame");
    let headers = [("Replaces", replaces.as_str()), ("Authorization", &authorization)];
    other.invite_with(&mut w, &headers, Some(&offer));
    other.expect(&mut w, "200");
    other.ack(&mut w, None);
    take_offer(&mut w, &mut pstn, 42_000);
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    part(&mut w, &mut other, &mut pstn);
    register(&mut w, &mut roamer, &[("Expires", "0")], "200");
    w.finish();
}

#[test]
fn a_binding_that_is_not_refreshed_ends() {
    let mut w = World::with(config(), registrar());
    let mut roamer = w.caller(ROAMER, "+12065550199");
    register(&mut w, &mut roamer, &[("Expires", "60")], "200");
    w.advance(Duration::from_secs(59));
    assert_eq!(w.edge.statistics().bindings, 1);
    w.advance(SECOND);
    assert_eq!(w.edge.statistics().bindings, 0);
    w.finish();
}

#[test]
fn refusals_say_what_is_wrong() {
    let mut w = World::with(config(), registrar());
    let mut roamer = w.caller(ROAMER, "+12065550199");
    let brief = register(&mut w, &mut roamer, &[("Expires", "30")], "423");
    assert_eq!(brief.header(HeaderName::MinExpires), Some("60"));
    roamer.request(&mut w, "REGISTER", &[], None);
    let asked = roamer.expect(&mut w, "401");
    let wrong = proof(&roamer, &asked, "REGISTER", "guess");
    roamer.request(&mut w, "REGISTER", &[("Authorization", &wrong)], None);
    roamer.expect(&mut w, "401");
    assert_eq!(w.refusals(), [Refusal::WrongCredentials]);
    assert_eq!(w.edge.statistics().bindings, 0);
    w.finish();
}

#[test]
fn without_registration_a_register_from_outside_is_a_stranger() {
    let mut w = World::new();
    let mut stranger = w.caller(ROAMER, "+12065550199");
    stranger.request(&mut w, "REGISTER", &[], None);
    stranger.expect(&mut w, "403");
    let mut known = w.caller(PBX, "+12065550199");
    known.request(&mut w, "REGISTER", &[], None);
    known.expect(&mut w, "405");
    w.finish();
}

#[test]
fn registers_of_strangers_come_at_a_bounded_rate() {
    let config = b2bua::EdgeConfig { stranger_answers_per_source: 5, ..config() };
    let mut w = World::with(config, registrar());
    for _ in 0..50 {
        let mut stranger = w.caller(STRANGER, "+12065550199");
        stranger.request(&mut w, "REGISTER", &[], None);
    }
    assert_eq!(w.take_all(STRANGER).len(), 5);
    w.finish();
}

#[test]
fn a_binding_over_a_connection_lives_as_long_as_that() {
    let mut w = World::with(config(), registrar());
    w.connect(ROAMER);
    let mut roamer = w.caller(ROAMER, "+12065550199");
    roamer.transport = "TCP";
    register(&mut w, &mut roamer, &[("Expires", "120")], "200");
    let mut pstn = call_in(&mut w);
    let mut pbx = w.callee(ROAMER);
    assert!(w.opened.is_empty(), "over the connection that is there");
    pbx.reply(&mut w, 486, None);
    pbx.expect(&mut w, "ACK");
    pstn.expect(&mut w, "486");
    pstn.ack_failure(&mut w);
    w.disconnect(ROAMER);
    assert_eq!(w.edge.statistics().bindings, 0);
    let mut pstn = call_in(&mut w);
    pstn.expect(&mut w, "480");
    pstn.ack_failure(&mut w);
    w.finish();
}

#[test]
fn a_dead_binding_is_followed_by_the_next() {
    let mut w = World::with(config(), registrar());
    let other: SocketAddr = "192.0.2.79:5060".parse().unwrap();
    for at in [ROAMER, other] {
        let mut roamer = w.caller(at, "+12065550199");
        register(&mut w, &mut roamer, &[("Expires", "120")], "200");
    }
    w.unreachable.push(other);
    let mut pstn = call_in(&mut w);
    let mut pbx = w.callee(ROAMER);
    pbx.reply(&mut w, 486, None);
    pbx.expect(&mut w, "ACK");
    pstn.expect(&mut w, "486");
    pstn.ack_failure(&mut w);
    w.finish();
}
