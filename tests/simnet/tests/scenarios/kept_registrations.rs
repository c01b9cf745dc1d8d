//! What keeps registrations reachable: ways over UDP that are used, preferences, and a restart.

use b2bua::EdgeConfig;
use directory::{
    CarrierRegistration, Credential, Host, OriginationRoute, RegistrationPolicy, Resources,
};
use model::UnixTime;
use simnet::{CARRIER, Ua, World, config, directory};
use sip_proto::auth::{Answerer, Challenge};
use sip_proto::{HeaderName, Message, Method, StepRandom};
use std::net::SocketAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_secs(25);

fn credential(user: &str) -> Credential {
    Credential { username: user.into(), password: "open sesame".into() }
}

fn registrar() -> Resources {
    let mut resources = directory();
    let connector = &mut resources.voice_connectors[0];
    connector.registration = Some(RegistrationPolicy::default());
    let termination = connector.termination.as_mut().unwrap();
    termination.cidr_allowed_list.clear();
    termination.credentials = vec![credential("pbx")];
    let mut route = OriginationRoute::new(Host::parse("registered").unwrap());
    route.registered = true;
    connector.origination.routes = vec![route];
    resources
}

fn keeping() -> EdgeConfig {
    EdgeConfig { udp_keep_alive: Some(INTERVAL), ..config() }
}

fn place(last: u8) -> SocketAddr {
    ([192, 0, 2, last], 41_000).into()
}

/// Registers with these headers from an address that nobody has configured.
fn register(w: &mut World, at: SocketAddr, headers: &[(&str, &str)]) -> Message {
    let ua = w.caller(at, "+12065550199");
    register_as(w, ua, headers)
}

fn register_as(w: &mut World, mut ua: Ua, headers: &[(&str, &str)]) -> Message {
    ua.request(w, "REGISTER", headers, None);
    let asked = ua.expect(w, "401");
    let (by, challenge) = Challenge::of_response(&asked).remove(0);
    let answerer = Answerer::new(by, challenge, &mut StepRandom::new(3));
    let proof = answerer.answer("REGISTER", &ua.target, b"", "pbx", "open sesame").1;
    let mut all = vec![("Authorization", proof.as_str())];
    all.extend_from_slice(headers);
    ua.request(w, "REGISTER", &all, None);
    ua.expect(w, "200")
}

/// A carrier's call that everybody in turn refuses as unavailable; who was called, in order.
fn called(w: &mut World, places: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut pstn = w.caller(CARRIER, "+12065550100");
    let offer = pstn.sdp(30_000);
    pstn.invite(w, Some(&offer));
    let mut order = Vec::new();
    while let Some((at, invite)) =
        places.iter().find_map(|at| w.take(*at, None).map(|invite| (*at, invite)))
    {
        assert_eq!(invite.method(), Some(Method::Invite));
        order.push(at);
        let ua = w.caller(at, "+12065550199");
        let refusal = ua.response(&invite, 503, &[], None);
        w.send(at, refusal);
        let ack = w.take(at, None).unwrap();
        assert_eq!(ack.method(), Some(Method::Ack));
    }
    pstn.expect_any(w);
    pstn.ack_failure(w);
    order
}

#[test]
fn the_preferred_contact_is_called_first() {
    let mut w = World::with(config(), registrar());
    let places = [place(71), place(72), place(73)];
    for (at, q) in places.iter().zip([";q=0.2", ";q=0.9", ";q=0.5"]) {
        let mut ua = w.caller(*at, "+12065550199");
        ua.contact_params = q;
        let bound = register_as(&mut w, ua, &[("Expires", "120")]);
        let mut said = bound.header_lines(HeaderName::Contact);
        assert!(said.any(|line| line.ends_with(&[q, "00"].concat())), "{q}");
    }
    assert_eq!(called(&mut w, &places), [place(72), place(73), place(71)]);
    w.finish();
}

#[test]
fn ways_to_registered_systems_are_used_now_and_then() {
    let mut w = World::with(keeping(), registrar());
    let path = "<sip:192.0.2.78;lr>";
    register(&mut w, place(71), &[("Expires", "60"), ("Path", path), ("Supported", "path")]);
    w.advance(INTERVAL - SECOND);
    assert!(w.take(place(71), None).is_none(), "too early");
    w.advance(SECOND);
    let asked = w.take(place(71), None).unwrap();
    assert_eq!(asked.method(), Some(Method::Options));
    assert_eq!(asked.request_uri(), Some("sip:inner@192.0.2.71:41000"));
    assert_eq!(asked.header(HeaderName::Route), Some(path));
    // Whatever comes of it: an answer, a refusal, or nothing but repetitions.
    let ua = w.caller(place(71), "+12065550199");
    let answer = ua.response(&asked, 405, &[], None);
    w.send(place(71), answer);
    w.advance(INTERVAL);
    let unanswered = w.take_all(place(71));
    assert!(unanswered.iter().all(|m| m.method() == Some(Method::Options)));
    w.advance(INTERVAL);
    w.take_all(place(71));
    assert_eq!(w.edge.statistics().bindings, 0);
    assert_eq!(w.edge.statistics().keep_alives, 2, "the binding has ended");
    w.finish();
}

#[test]
fn a_connection_needs_no_keeping() {
    let mut w = World::with(keeping(), registrar());
    w.connect(place(71));
    let mut ua = w.caller(place(71), "+12065550199");
    ua.transport = "TCP";
    register_as(&mut w, ua, &[("Expires", "60")]);
    w.advance(2 * INTERVAL);
    assert!(w.take(place(71), None).is_none());
    assert_eq!(w.edge.statistics().keep_alives, 0);
    w.finish();
}

#[test]
fn the_way_to_a_carrier_that_we_are_registered_at_is_used() {
    let mut resources = directory();
    let carrier = &mut resources.carriers[0];
    carrier.registration = Some(CarrierRegistration { expires: Duration::from_secs(600) });
    carrier.credential = Some(credential("trunk"));
    let mut w = World::with(keeping(), resources);
    let grant = |w: &mut World, most: u32| {
        let asked = (0..most).find_map(|_| {
            w.advance(SECOND / 10);
            w.take(CARRIER, None)
        });
        let asked = asked.expect("a REGISTER");
        let granted = asked.contact().unwrap().unwrap().uri_text.to_owned();
        let registrar: Ua = w.caller(CARRIER, "+12065550100");
        let expires = asked.header(HeaderName::Expires).unwrap().to_owned();
        let left = if expires == "0" { 0 } else { 120 };
        let contact = format!("<{granted}>;expires={left}");
        let answer = registrar.response(&asked, 200, &[("Contact", &contact)], None);
        w.send(CARRIER, answer);
    };
    grant(&mut w, 20);
    let begun = w.now();
    w.advance(Duration::from_secs(80));
    let sent: Vec<_> =
        w.keep_alives.iter().map(|(at, to)| (at.saturating_since(begun), *to)).collect();
    assert_eq!(sent, [1, 2, 3].map(|n| (INTERVAL * n, CARRIER)));
    assert_eq!(w.edge.statistics().keep_alives, 3);
    grant(&mut w, 230);
    w.command(|edge, now| edge.drain(now));
    grant(&mut w, 1);
    let before = w.keep_alives.len();
    w.advance(2 * INTERVAL);
    assert_eq!(w.keep_alives.len(), before, "no longer registered");
    w.finish();
}

#[test]
fn registered_systems_are_called_after_a_restart() {
    let at = |seconds: u64| UnixTime::from_millis(1_900_000_000_000 + seconds * 1_000);
    let mut w = World::with(keeping(), registrar());
    w.command(|edge, now| edge.set_calendar(now, at(0)));
    let path = [("Expires", "120"), ("Path", "<sip:192.0.2.78;lr>"), ("Supported", "path")];
    register(&mut w, place(71), &path);
    let revision = w.edge.bindings_revision();
    w.connect(place(72));
    let mut connected = w.caller(place(72), "+12065550199");
    connected.transport = "TCP";
    register_as(&mut w, connected, &[("Expires", "120")]);
    assert_ne!(w.edge.bindings_revision(), revision);
    w.advance(10 * SECOND);
    let saved = w.edge.bindings(w.now());
    assert_eq!(saved.len(), 1, "a connection does not outlive us");
    assert_eq!(saved[0].until, at(120));
    w.advance(Duration::from_secs(60));
    w.take_all(place(71));
    w.finish();

    let settings = EdgeConfig { bindings: saved.into(), origin: at(30), ..keeping() };
    let mut w = World::with(settings, registrar());
    assert_eq!(w.edge.statistics().bindings, 1);
    w.advance(SECOND / 4);
    let asked = w.take(place(71), None).expect("the way is used soon");
    assert_eq!(asked.method(), Some(Method::Options));
    let ua = w.caller(place(71), "+12065550199");
    let answer = ua.response(&asked, 200, &[], None);
    w.send(place(71), answer);
    assert_eq!(called(&mut w, &[place(71)]), [place(71)]);
    w.advance(Duration::from_secs(87));
    w.take_all(place(71));
    assert_eq!(w.edge.statistics().bindings, 1);
    w.advance(2 * SECOND);
    assert_eq!(w.edge.statistics().bindings, 0, "90 s were left of it");
    w.finish();
}
