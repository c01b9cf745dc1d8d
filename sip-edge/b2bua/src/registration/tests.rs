//! Registrations in virtual time.

use super::entry::{Granted, RegistrationState};
use super::{Action, RegistrationId, Registrations};
use crate::machine::graph;
use directory::{Carrier, CarrierRegistration, Credential, Host, Resources, Snapshot};
use model::{CarrierId, ConnectionId, Flow, Instant, RegistrationNews, TransportProtocol};
use sip_proto::locate::Target;
use sip_proto::{Random, StepRandom};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The middle of every range.
struct Half;

impl Random for Half {
    fn next_u64(&mut self) -> u64 {
        1 << 63
    }
}

fn carrier(host: &str) -> Carrier {
    Carrier {
        registration: Some(CarrierRegistration::default()),
        credential: Some(Credential { username: "u".into(), password: "p".into() }),
        prefixes: vec!["+".into()],
        ..Carrier::new(CarrierId::new("pstn").unwrap(), Host::parse(host).unwrap())
    }
}

fn directory(carriers: Vec<Carrier>) -> Snapshot {
    let domain = "tandem.example".to_owned();
    Snapshot::build(Resources { domain, carriers, ..Resources::default() }).unwrap()
}

fn follow(registrations: &mut Registrations, carriers: Vec<Carrier>) {
    let mut random = StepRandom::new(1);
    let mut token = || Arc::from(format!("token{}", random.next_u64()));
    registrations.follow(&directory(carriers), &mut token);
}

fn registrations(host: &str) -> Registrations {
    let mut registrations = Registrations::default();
    follow(&mut registrations, vec![carrier(host)]);
    registrations
}

/// Runs to the next thing that is wanted.
fn next_action(registrations: &mut Registrations) -> (Instant, Action) {
    let mut now = Instant::ZERO;
    for _ in 0..20 {
        if let Some(action) = registrations.poll_action() {
            return (now, action);
        }
        now = registrations.poll_timeout().unwrap();
        registrations.handle_timeout(now, &mut Half);
    }
    panic!("nothing is wanted");
}

fn sent(registrations: &mut Registrations) -> (Instant, RegistrationId, SocketAddr) {
    let (now, action) = next_action(registrations);
    let (id, address) = to(registrations, &action);
    (now, id, address)
}

/// Where a REGISTER is to go; as if it had been sent.
fn to(registrations: &mut Registrations, action: &Action) -> (RegistrationId, SocketAddr) {
    let Action::Send { id } = action else { panic!("{action:?}") };
    let entry = registrations.get_mut(*id).unwrap();
    entry.due = Some(Instant::from_millis(u64::MAX / 2_000_000));
    (*id, entry.target.as_ref().unwrap().address)
}

fn flow(connection: Option<u64>) -> Flow {
    let at = |text: &str| text.parse().unwrap();
    Flow {
        connection: connection.map(ConnectionId),
        ..Flow::new(TransportProtocol::Udp, at("203.0.113.1:5060"), at("192.0.2.1:5060"))
    }
}

fn answer(registrations: &mut Registrations, now: Instant, id: RegistrationId, granted: Granted) {
    registrations.handle_response(now, id, granted, flow(None), &mut Half);
}

fn news(registrations: &mut Registrations) -> Vec<RegistrationNews> {
    std::iter::from_fn(|| registrations.poll_news()).map(|event| event.news).collect()
}

#[test]
fn a_registration_is_refreshed_at_four_fifths_of_what_is_granted() {
    let mut all = registrations("192.0.2.1");
    let (now, id, address) = sent(&mut all);
    assert_eq!(now, Instant::from_millis(500), "half of the first second");
    assert_eq!(address, "192.0.2.1:5060".parse().unwrap());
    assert_eq!(all.counts(), (1, 0));
    answer(&mut all, now, id, Granted::For(100));
    assert_eq!(news(&mut all), [RegistrationNews::Registered { seconds: 100 }]);
    assert_eq!(all.counts(), (1, 1));
    let (again, id, _) = sent(&mut all);
    assert_eq!(again, now + Duration::from_secs(80));
    answer(&mut all, again, id, Granted::For(100));
    assert_eq!(news(&mut all), [], "refreshes are no news");
}

#[test]
fn failures_are_spaced_more_and_more_and_never_beyond_half_an_hour() {
    let mut all = registrations("192.0.2.1");
    let mut last = Instant::ZERO;
    let mut waits = Vec::new();
    for _ in 0..9 {
        let (now, id, _) = sent(&mut all);
        waits.push(now.saturating_since(last).as_secs());
        last = now;
        answer(&mut all, now, id, Granted::Refused { status: 403, retry_after: None });
    }
    // 30 s doubled each time, of which from a half to the whole is waited: three quarters here.
    assert_eq!(waits, [0, 22, 45, 90, 180, 360, 720, 1350, 1350]);
    let (now, id, _) = sent(&mut all);
    news(&mut all);
    let retry_after = Some(Duration::from_secs(1_500));
    answer(&mut all, now, id, Granted::Refused { status: 503, retry_after });
    let retry_in = Duration::from_secs(1_500);
    assert_eq!(news(&mut all), [RegistrationNews::Failed { status: 503, retry_in }]);
}

#[test]
fn a_longer_time_that_the_registrar_wants_is_asked_for_at_once() {
    let mut all = registrations("192.0.2.1");
    let (now, id, _) = sent(&mut all);
    answer(&mut all, now, id, Granted::TooBrief { min_seconds: 7_200 });
    let action = all.poll_action().unwrap();
    assert_eq!(to(&mut all, &action).0, id);
    assert_eq!(all.get_mut(id).unwrap().expires, 7_200);
    answer(&mut all, now, id, Granted::TooBrief { min_seconds: 7_200 });
    assert!(all.poll_action().is_none(), "it asks for what it refuses");
    assert!(matches!(news(&mut all)[..], [RegistrationNews::Failed { status: 423, .. }]));
}

fn targets(addresses: &[&str]) -> Vec<Target> {
    let target = |at: &&str| Target::literal(at.parse().unwrap(), TransportProtocol::Udp);
    addresses.iter().map(target).collect()
}

/// A name is asked for and leads to `addresses`; the REGISTER to the first of them.
fn resolved(all: &mut Registrations, addresses: &[&str]) -> (Instant, RegistrationId, SocketAddr) {
    let (now, action) = next_action(all);
    let Action::Resolve { id, serial, wanted } = action else { panic!("{action:?}") };
    assert_eq!(&*wanted.host, "sip.carrier.example");
    all.handle_resolved(now, id, serial, &targets(addresses), &mut Half);
    let action = all.poll_action().unwrap();
    let (id, address) = to(all, &action);
    (now, id, address)
}

#[test]
fn a_silent_address_is_followed_by_the_next_one_and_a_refusal_is_not() {
    let mut all = registrations("sip.carrier.example");
    let (first, second) = ("192.0.2.1:5060", "192.0.2.2:5060");
    let (now, id, address) = resolved(&mut all, &[first, second]);
    assert_eq!(address, first.parse().unwrap());
    all.handle_no_response(now, id, 408, &mut Half);
    let action = all.poll_action().unwrap();
    assert_eq!(to(&mut all, &action).1, second.parse().unwrap());
    answer(&mut all, now, id, Granted::For(100));
    assert!(all.carrier_of(None, "192.0.2.2".parse().unwrap()).is_some());
    assert!(all.carrier_of(None, "192.0.2.1".parse().unwrap()).is_none());
    // The refresh goes where the registration is, and when that is gone, where the name leads.
    let (now, id, address) = sent(&mut all);
    assert_eq!(address, second.parse().unwrap());
    all.handle_no_response(now, id, 408, &mut Half);
    let (_, id, address) = resolved(&mut all, &[first, second]);
    assert_eq!(address, first.parse().unwrap());
    answer(&mut all, now, id, Granted::Refused { status: 403, retry_after: None });
    assert!(all.poll_action().is_none());
    assert_eq!(all.counts(), (1, 1), "the old one is still in force");
    let lost = now + Duration::from_secs(20);
    all.handle_timeout(lost, &mut Half);
    assert_eq!(all.counts(), (1, 0));
    assert!(news(&mut all).contains(&RegistrationNews::Lost));
}

#[test]
fn a_name_without_addresses_is_asked_for_again() {
    let mut all = registrations("sip.carrier.example");
    let (now, action) = next_action(&mut all);
    let Action::Resolve { id, serial, .. } = action else { panic!("{action:?}") };
    all.handle_resolved(now, id, serial.wrapping_add(1), &targets(&["192.0.2.9:1"]), &mut Half);
    assert!(all.poll_action().is_none(), "an answer to another question");
    all.handle_resolved(now, id, serial, &[], &mut Half);
    assert!(matches!(news(&mut all)[..], [RegistrationNews::Failed { status: 0, .. }]));
    // A resolver that never answers holds nothing up.
    let (now, action) = next_action(&mut all);
    assert!(matches!(action, Action::Resolve { .. }));
    all.handle_timeout(now + Duration::from_secs(5), &mut Half);
    assert!(matches!(news(&mut all)[..], [RegistrationNews::Failed { status: 0, .. }]));
}

#[test]
fn a_connection_that_closes_takes_the_binding_with_it() {
    let mut all = registrations("192.0.2.1");
    let (now, id, _) = sent(&mut all);
    all.handle_response(now, id, Granted::For(1_000), flow(Some(7)), &mut Half);
    let later = now + Duration::from_secs(10);
    all.handle_connection_closed(later, ConnectionId(8));
    assert!(all.poll_timeout().unwrap() > later);
    all.handle_connection_closed(later, ConnectionId(7));
    let (again, id, _) = sent(&mut all);
    assert_eq!(again, later);
    assert_eq!(all.get_mut(id).unwrap().connection, None);
}

#[test]
fn what_is_not_wanted_any_more_is_taken_back() {
    let mut all = registrations("192.0.2.1");
    let (now, id, _) = sent(&mut all);
    answer(&mut all, now, id, Granted::For(100));
    follow(&mut all, vec![carrier("192.0.2.1")]);
    assert_eq!(all.counts(), (1, 1), "the same carrier keeps its registration");
    follow(&mut all, vec![]);
    let (now, gone, _) = sent(&mut all);
    assert_eq!(gone, id);
    assert!(all.get_mut(id).unwrap().is_removal());
    answer(&mut all, now, id, Granted::For(0));
    assert_eq!(news(&mut all).last(), Some(&RegistrationNews::Removed));
    assert!(all.is_idle() && all.poll_timeout().is_none() && all.all.is_empty());
}

#[test]
fn a_node_that_stops_takes_back_even_what_is_under_way() {
    let mut all = registrations("192.0.2.1");
    let (now, id, _) = sent(&mut all);
    all.stop();
    all.handle_timeout(now, &mut Half);
    assert!(all.poll_action().is_none(), "its outcome decides");
    answer(&mut all, now, id, Granted::For(100));
    let action = all.poll_action().unwrap();
    to(&mut all, &action);
    assert!(all.get_mut(id).unwrap().is_removal());
    all.handle_no_response(now, id, 408, &mut Half);
    assert!(all.is_idle() && all.all.is_empty());
    follow(&mut all, vec![carrier("192.0.2.1")]);
    assert!(all.all.is_empty(), "nothing begins any more");
}

#[test]
fn only_the_unguessable_contact_or_the_registrar_names_the_carrier() {
    let mut all = registrations("192.0.2.1");
    let (now, id, _) = sent(&mut all);
    let token = all.get_mut(id).unwrap().token.clone();
    let (registrar, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.9".parse().unwrap());
    assert!(all.carrier_of(Some(&token), registrar).is_none(), "not registered yet");
    answer(&mut all, now, id, Granted::For(100));
    assert!(all.carrier_of(Some(&token), other).is_some() && all.is_contact(&token));
    assert!(all.carrier_of(Some("tandem"), registrar).is_some());
    assert!(all.carrier_of(Some("tandem"), other).is_none());
}

#[test]
fn the_graph() {
    insta::assert_snapshot!(graph::<RegistrationState>("Registration"));
}
