//! The probes in virtual time.

use super::probe::{Liveness, Probe, RoundState};
use super::probes::{Action, ProbeId, Probes};
use super::{Health, HealthConfig};
use crate::machine::graph;
use crate::statistics::EdgeStatistics;
use directory::{Carrier, Host, Resources, Snapshot};
use model::{CarrierId, HealthCause, HealthEvent, Instant, TransportProtocol};
use sip_proto::Random;
use sip_proto::locate::Target as ServerTarget;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

struct Half;

impl Random for Half {
    fn next_u64(&mut self) -> u64 {
        1 << 63
    }
}

fn carrier(id: &str, host: &str, ping: Option<u64>) -> Carrier {
    Carrier {
        options_ping: ping.map(Duration::from_secs),
        prefixes: vec!["+".into()],
        ..Carrier::new(CarrierId::new(id).unwrap(), Host::parse(host).unwrap())
    }
}

fn directory(carriers: Vec<Carrier>) -> Snapshot {
    let domain = "tandem.example".to_owned();
    Snapshot::build(Resources { domain, carriers, ..Resources::default() }).unwrap()
}

fn probes(directory: &Snapshot) -> Probes {
    let mut probes = Probes::new(HealthConfig::default());
    probes.follow(directory, &mut VecDeque::new());
    probes
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// Runs to the next thing that the probes want done.
fn next_action(probes: &mut Probes) -> (Instant, Action) {
    for _ in 0..100 {
        let now = probes.poll_timeout().unwrap();
        probes.handle_timeout(now, &mut Half);
        if let Some(action) = probes.poll_action() {
            return (now, action);
        }
    }
    panic!("nothing is asked");
}

fn asked(action: Action) -> (ProbeId, SocketAddr) {
    match action {
        Action::Ask { probe, address, .. } => (probe, address),
        Action::Resolve { .. } => panic!("{action:?}"),
    }
}

/// One round that ends with `status`; the changes that it makes known.
fn round(probes: &mut Probes, status: Option<u16>) -> Vec<bool> {
    let (now, action) = next_action(probes);
    let (id, _) = asked(action);
    match status {
        Some(status) => probes.handle_response(now, id, status, &mut Half),
        None => {
            let end = probes.poll_timeout().unwrap();
            assert_eq!(end, now + Duration::from_secs(4));
            probes.handle_timeout(end, &mut Half);
        }
    }
    let mut changes = Vec::new();
    while let Some(HealthEvent::Target(health)) = probes.poll_news() {
        changes.extend(health.is_change.then_some(health.is_up));
    }
    changes
}

#[test]
fn three_failures_make_it_dead_and_two_answers_alive() {
    let mut probes = probes(&directory(vec![carrier("a", "192.0.2.1", Some(30))]));
    assert_eq!(round(&mut probes, Some(200)), [true]);
    assert!(round(&mut probes, None).is_empty());
    assert!(round(&mut probes, None).is_empty());
    assert!(round(&mut probes, Some(200)).is_empty(), "an answer forgives");
    assert!(round(&mut probes, None).is_empty());
    assert!(round(&mut probes, Some(503)).is_empty());
    assert_eq!(round(&mut probes, Some(408)), [false]);
    assert!(probes.knows_of_dead());
    assert!(round(&mut probes, None).is_empty());
    assert!(round(&mut probes, Some(200)).is_empty());
    assert!(round(&mut probes, None).is_empty());
    assert!(round(&mut probes, Some(404)).is_empty());
    assert_eq!(round(&mut probes, Some(200)), [true]);
    assert!(!probes.knows_of_dead());
}

#[test]
fn every_final_response_but_408_and_503_is_a_sign_of_life() {
    for status in [200, 302, 400, 401, 403, 404, 405, 407, 480, 481, 486, 500, 501, 504, 603] {
        assert!(Probe::is_alive(status), "{status}");
    }
    assert!(!Probe::is_alive(408) && !Probe::is_alive(503));
}

#[test]
fn a_destination_that_several_share_is_asked_once() {
    let shared = [
        carrier("a", "192.0.2.1", Some(30)),
        carrier("b", "192.0.2.1", Some(10)),
        carrier("c", "192.0.2.2", None),
    ];
    let directory = directory(shared.to_vec());
    let mut probes = probes(&directory);
    let (now, action) = next_action(&mut probes);
    let (id, address) = asked(action);
    assert_eq!(address, "192.0.2.1:5060".parse().unwrap());
    assert_eq!(probes.poll_action(), None);
    probes.handle_response(now, id, 200, &mut Half);
    let mut names = Vec::new();
    while let Some(HealthEvent::Target(health)) = probes.poll_news() {
        names.push(health.name.to_string());
    }
    names.sort();
    assert_eq!(names, ["a", "b"]);
    // The shorter interval counts, give or take a tenth.
    assert_eq!(probes.poll_timeout(), Some(now + Duration::from_secs(10)));
    // Who is not asked is never known to be dead.
    assert!(directory.targets().all(|target| !probes.is_down(target)));
}

#[test]
fn a_name_is_resolved_each_round_and_lives_if_one_of_its_addresses_does() {
    let mut probes = probes(&directory(vec![carrier("a", "sip.example.com", Some(30))]));
    let (now, action) = next_action(&mut probes);
    let Action::Resolve { probe, serial, .. } = action else { panic!("{action:?}") };
    let addresses: Vec<SocketAddr> =
        (1..=9).map(|n| SocketAddr::from(([192, 0, 2, n], 5060))).collect();
    let targets: Vec<_> =
        addresses.iter().map(|at| ServerTarget::literal(*at, TransportProtocol::Udp)).collect();
    probes.handle_resolved(now, probe, serial.wrapping_add(1), &targets, &mut Half);
    assert_eq!(probes.poll_action(), None, "an answer to another question");
    probes.handle_resolved(now, probe, serial, &targets, &mut Half);
    for (n, address) in addresses.iter().enumerate().take(4) {
        assert_eq!(asked(probes.poll_action().unwrap()), (probe, *address));
        if n < 3 {
            probes.handle_no_response(now, probe, HealthCause::Unreachable, &mut Half);
        }
    }
    probes.handle_no_response(now, probe, HealthCause::Timeout, &mut Half);
    assert_eq!(probes.poll_action(), None, "no more than four a round");
    let Some(HealthEvent::Target(health)) = probes.poll_news() else { panic!("no news") };
    assert_eq!((health.is_up, health.cause), (true, HealthCause::Timeout));
    // A resolver that does not answer, or knows no address, ends the round as well.
    let (now, action) = next_action(&mut probes);
    let Action::Resolve { probe, serial, .. } = action else { panic!("{action:?}") };
    probes.handle_resolved(now, probe, serial, &[], &mut Half);
    let Some(HealthEvent::Target(health)) = probes.poll_news() else { panic!("no news") };
    assert_eq!(health.cause, HealthCause::Unresolved);
    let (now, _) = next_action(&mut probes);
    probes.handle_timeout(now + Duration::from_secs(4), &mut Half);
    let Some(HealthEvent::Target(health)) = probes.poll_news() else { panic!("no news") };
    assert_eq!((health.is_up, health.cause), (false, HealthCause::Unresolved));
}

#[test]
fn a_request_that_cannot_be_sent_is_a_failure() {
    let mut probes = probes(&directory(vec![carrier("a", "192.0.2.1", Some(30))]));
    for _ in 0..3 {
        let (now, action) = next_action(&mut probes);
        probes.asked(now, asked(action).0, None, &mut Half);
        assert!(probes.is_idle());
    }
    assert!(probes.knows_of_dead());
}

#[test]
fn rounds_keep_no_step() {
    let probe = Probe::new(Duration::from_secs(30));
    assert_eq!(probe.next_interval(0), Duration::from_secs(27));
    let most = probe.next_interval(u64::MAX);
    assert!(most > Duration::from_millis(32_999) && most <= Duration::from_secs(33), "{most:?}");
    assert_eq!(probe.first_delay(0), Duration::ZERO);
    assert!(probe.first_delay(u64::MAX) <= Duration::from_secs(5));
}

#[test]
fn a_reload_keeps_what_is_known_and_forgets_who_is_gone() {
    let before =
        directory(vec![carrier("a", "192.0.2.1", Some(30)), carrier("b", "192.0.2.2", Some(30))]);
    let mut health = Health::new(HealthConfig { down_after: 1, ..Default::default() }, &before);
    for _ in 0..2 {
        let (now, action) = next_action(&mut health.probes);
        let (id, _) = asked(action);
        health.probes.handle_no_response(now, id, HealthCause::Timeout, &mut Half);
    }
    assert!(before.targets().all(|target| health.probes.is_down(target)));
    while health.poll_news().is_some() {}
    let after = directory(vec![carrier("a", "192.0.2.1", Some(60))]);
    health.set_directory(&after);
    assert!(after.targets().all(|target| health.probes.is_down(target)));
    assert_eq!(health.poll_news(), Some(HealthEvent::TargetForgotten { name: "b".into() }));
    assert_eq!(health.poll_news(), None);
    health.set_directory(&directory(vec![carrier("a", "192.0.2.1", None)]));
    assert!(!health.probes.knows_of_dead());
    assert_eq!(health.probes.poll_timeout(), None);
}

#[test]
fn marks_last_as_long_as_asked_within_bounds() {
    let directory =
        directory(vec![carrier("a", "192.0.2.1", None), carrier("b", "192.0.2.2", None)]);
    let mut health = Health::new(HealthConfig::default(), &directory);
    let target = directory.targets().next().unwrap().clone();
    let first = |health: &Health, now| {
        let routes = directory.outbound_routes("+12065550123", &mut || 0);
        let mut statistics = EdgeStatistics::default();
        let sorted = health.sort(now, routes, &mut statistics);
        let names: Vec<_> = sorted.alive.iter().map(|r| r.target.name.to_string()).collect();
        assert_eq!(statistics.routes_avoided as usize, sorted.dead.len());
        names.join(" ")
    };
    for (asked, until) in
        [(Some(0), 1_000), (Some(7), 7_000), (Some(100_000), 300_000), (None, 30_000)]
    {
        let asked = asked.map(Duration::from_secs);
        health.avoid(at(0), &target, HealthCause::Status(503), asked);
        assert_eq!(first(&health, at(until - 1)), "b", "{asked:?}");
        assert!(first(&health, at(until)).contains('a'), "{asked:?}");
        health.works(&target);
        assert!(first(&health, at(0)).contains('a'));
    }
    // A shorter wish does not shorten a longer one.
    health.avoid(at(0), &target, HealthCause::Timeout, Some(Duration::from_secs(20)));
    health.avoid(at(0), &target, HealthCause::Timeout, Some(Duration::from_secs(1)));
    assert_eq!(first(&health, at(19_000)), "b");
    let mut told = 0;
    while health.poll_news().is_some() {
        told += 1;
    }
    assert_eq!(told, 5, "once for each time that it begins");
}

#[test]
fn the_graphs() {
    insta::assert_snapshot!("round", graph::<RoundState>("round"));
    insta::assert_snapshot!("liveness", graph::<Liveness>("liveness"));
}
