//! Carriers that die and come back, that ask for a rest, and that are full.

use model::{HealthCause, HealthEvent, Refusal};
use simnet::{CARRIER, CARRIER_2, PBX, Ua, World, carrier, config, directory};
use sip_proto::{HeaderName, Method};
use std::net::SocketAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn calling(w: &mut World) -> Ua {
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(w, Some(&offer));
    pbx
}

fn answers(w: &mut World, pbx: &mut Ua, pstn: &mut Ua) {
    let answer = pstn.sdp(40_000);
    pstn.answer(w, pbx, &answer);
}

fn give_up(w: &mut World, pbx: &mut Ua, pstn: &mut Ua) {
    pstn.reply(w, 486, None);
    pstn.expect(w, "ACK");
    pbx.expect(w, "486");
    pbx.ack_failure(w);
}

/// Lets time pass in which `at` answers its pings with `status`, or not at all. Returns how many
/// came, repetitions not counted.
fn pinged(w: &mut World, at: SocketAddr, seconds: u32, status: Option<u16>) -> usize {
    let mut pings = std::collections::HashSet::new();
    for _ in 0..seconds {
        w.advance(SECOND);
        while let Some(message) = w.take(at, None) {
            assert_eq!(message.method(), Some(Method::Options), "\n{}", w.ladder());
            pings.insert(message.call_id().unwrap().to_owned());
            if let Some(status) = status {
                let answerer = w.caller(at, "+12065550123");
                let raw = answerer.response(&message, status, &[], None);
                w.send(at, raw);
            }
        }
    }
    pings.len()
}

fn changes(w: &World) -> Vec<(String, bool)> {
    let of = |event: &HealthEvent| match event {
        HealthEvent::Target(health) if health.is_change => {
            Some((health.name.to_string(), health.is_up))
        }
        _ => None,
    };
    w.audit.health.iter().filter_map(of).collect()
}

/// Pings are asked for ever; a node that stops stops them.
fn finish(mut w: World) {
    w.command(|edge, now| edge.drain(now));
    w.finish();
}

fn with_pings(carriers: &[usize]) -> World {
    let mut resources = directory();
    for index in carriers {
        resources.carriers[*index].options_ping = Some(30 * SECOND);
    }
    World::with(config(), resources)
}

#[test]
fn a_dead_route_is_skipped_until_it_has_answered_again() {
    let mut w = with_pings(&[0]);
    assert_eq!(pinged(&mut w, CARRIER, 6, Some(200)), 1);
    assert_eq!(changes(&w), [("first".to_owned(), true)]);
    // Two in vain are forgiven.
    assert_eq!(pinged(&mut w, CARRIER, 66, None), 2);
    assert_eq!(changes(&w).len(), 1);
    pinged(&mut w, CARRIER, 39, None);
    assert_eq!(changes(&w).last(), Some(&("first".to_owned(), false)), "\n{}", w.ladder());

    let mut pbx = calling(&mut w);
    let mut second = w.callee(CARRIER_2);
    assert!(w.take(CARRIER, None).is_none());
    assert_eq!(w.edge.statistics().routes_down, 1);
    answers(&mut w, &mut pbx, &mut second);
    pbx.hang_up(&mut w, &mut second);

    // One answer is chance, two are life. Any final response is one.
    pinged(&mut w, CARRIER, 75, Some(404));
    assert_eq!(changes(&w).last(), Some(&("first".to_owned(), true)), "\n{}", w.ladder());
    let mut pbx = calling(&mut w);
    let mut first = w.callee(CARRIER);
    give_up(&mut w, &mut pbx, &mut first);
    finish(w);
}

#[test]
fn when_all_are_dead_they_are_tried_all_the_same() {
    let mut w = with_pings(&[0, 1]);
    pinged(&mut w, CARRIER, 120, None);
    w.take_all(CARRIER_2);
    assert_eq!(changes(&w).len(), 2);
    let mut pbx = calling(&mut w);
    let mut first = w.callee(CARRIER);
    first.reply(&mut w, 500, None);
    first.expect(&mut w, "ACK");
    let mut second = w.callee(CARRIER_2);
    give_up(&mut w, &mut pbx, &mut second);
    assert_eq!(w.edge.statistics().routes_down, 0);
    finish(w);
}

#[test]
fn a_dead_route_is_the_last_resort_of_a_call_that_the_living_did_not_take() {
    let mut w = with_pings(&[0]);
    pinged(&mut w, CARRIER, 120, None);
    let mut pbx = calling(&mut w);
    let mut second = w.callee(CARRIER_2);
    second.reply(&mut w, 500, None);
    second.expect(&mut w, "ACK");
    let mut first = w.callee(CARRIER);
    give_up(&mut w, &mut pbx, &mut first);
    finish(w);
}

#[test]
fn a_503_says_for_how_long_others_are_tried_first() {
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    let mut first = w.callee(CARRIER);
    first.reply_with(&mut w, 503, &[("Retry-After", "20")], None);
    first.expect(&mut w, "ACK");
    let mut second = w.callee(CARRIER_2);
    give_up(&mut w, &mut pbx, &mut second);
    let avoided = w.audit.health.iter().find_map(|event| match event {
        HealthEvent::Avoided { name, cause, span } => Some((name.to_string(), *cause, *span)),
        _ => None,
    });
    assert_eq!(avoided, Some(("first".to_owned(), HealthCause::Status(503), 20 * SECOND)));

    w.advance(Duration::from_millis(19_500));
    let mut pbx = calling(&mut w);
    let mut second = w.callee(CARRIER_2);
    give_up(&mut w, &mut pbx, &mut second);
    assert_eq!(w.edge.statistics().routes_avoided, 1);

    w.advance(SECOND);
    let mut pbx = calling(&mut w);
    let mut first = w.callee(CARRIER);
    give_up(&mut w, &mut pbx, &mut first);
    w.finish();
}

#[test]
fn a_503_without_a_time_and_a_busy_callee_mark_nobody() {
    let mut w = World::new();
    for status in [503, 500, 480] {
        let mut pbx = calling(&mut w);
        let mut first = w.callee(CARRIER);
        first.reply(&mut w, status, None);
        first.expect(&mut w, "ACK");
        let mut second = w.callee(CARRIER_2);
        give_up(&mut w, &mut pbx, &mut second);
    }
    assert!(w.audit.health.is_empty());
    w.finish();
}

#[test]
fn silence_and_unreachability_mark_a_route_until_it_works_again() {
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    w.advance(Duration::from_millis(5_100));
    let mut second = w.callee(CARRIER_2);
    give_up(&mut w, &mut pbx, &mut second);
    w.take_all(CARRIER);
    let mut pbx = calling(&mut w);
    let mut second = w.callee(CARRIER_2);
    // The second one fails as well: then the first one is tried again, and it works.
    second.reply(&mut w, 500, None);
    second.expect(&mut w, "ACK");
    let mut first = w.callee(CARRIER);
    first.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    give_up(&mut w, &mut pbx, &mut first);
    let mut pbx = calling(&mut w);
    let mut first = w.callee(CARRIER);
    give_up(&mut w, &mut pbx, &mut first);

    w.unreachable.push(CARRIER);
    let mut pbx = calling(&mut w);
    let mut second = w.callee(CARRIER_2);
    give_up(&mut w, &mut pbx, &mut second);
    w.unreachable.clear();
    let mut pbx = calling(&mut w);
    let mut second = w.callee(CARRIER_2);
    give_up(&mut w, &mut pbx, &mut second);
    w.advance(30 * SECOND);
    w.take_all(CARRIER);
    let mut pbx = calling(&mut w);
    assert!(w.take(CARRIER_2, None).is_none());
    let mut first = w.callee(CARRIER);
    give_up(&mut w, &mut pbx, &mut first);
    w.finish();
}

#[test]
fn a_full_route_is_passed_over_without_being_a_failure() {
    let mut resources = directory();
    resources.carriers[0].max_calls = Some(1);
    resources.carriers[1].max_calls = Some(1);
    let mut w = World::with(config(), resources);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut pbx_2 = calling(&mut w);
    let mut pstn_2 = w.callee(CARRIER_2);
    answers(&mut w, &mut pbx_2, &mut pstn_2);
    assert_eq!(w.edge.statistics().routes_full, 1);

    let mut over = calling(&mut w);
    assert!(over.expect(&mut w, "503").retry_after().unwrap().is_some());
    over.ack_failure(&mut w);
    let refused = w.audit.ends().last().and_then(|end| end.refusal);
    assert_eq!(refused, Some(Refusal::RoutesFull));

    pbx.hang_up(&mut w, &mut pstn);
    let mut next = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    give_up(&mut w, &mut next, &mut pstn);
    pbx_2.hang_up(&mut w, &mut pstn_2);
    w.finish();
}

#[test]
fn a_carriers_rate_sends_the_rest_elsewhere() {
    let mut resources = directory();
    resources.carriers[0].cps_limit = Some(2);
    let mut w = World::with(config(), resources);
    for at in [CARRIER, CARRIER, CARRIER_2] {
        let mut pbx = calling(&mut w);
        let mut pstn = w.callee(at);
        give_up(&mut w, &mut pbx, &mut pstn);
    }
    assert_eq!(w.edge.statistics().routes_over_rate, 1);
    w.finish();
}

#[test]
fn the_networks_cause_decides_over_the_status() {
    // The callee is busy, says a carrier that sends 503 for everything.
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    let mut first = w.callee(CARRIER);
    first.reply_with(&mut w, 503, &[("Reason", "Q.850;cause=17;text=\"busy\"")], None);
    first.expect(&mut w, "ACK");
    let told = pbx.expect(&mut w, "500");
    assert!(told.header(HeaderName::Reason).unwrap().contains("cause=17"));
    pbx.ack_failure(&mut w);
    assert!(w.take(CARRIER_2, None).is_none());
    w.finish();

    // No circuit, says a carrier that sends 404 for it.
    let mut w = World::new();
    let mut pbx = calling(&mut w);
    let mut first = w.callee(CARRIER);
    first.reply_with(&mut w, 404, &[("Reason", "Q.850;cause=34")], None);
    first.expect(&mut w, "ACK");
    let mut second = w.callee(CARRIER_2);
    give_up(&mut w, &mut pbx, &mut second);
    w.finish();
}

#[test]
fn carriers_at_one_place_are_asked_once_and_a_name_is_looked_up() {
    let mut resources = directory();
    resources.carriers.truncate(1);
    resources.carriers[0].options_ping = Some(30 * SECOND);
    let mut twin = carrier("twin", CARRIER, "+44", 1);
    twin.inbound_cidrs.clear();
    twin.options_ping = Some(30 * SECOND);
    resources.carriers.push(twin);
    let mut named = carrier("named", CARRIER_2, "+1", 2);
    named.host = directory::Host::parse("sip.carrier.example").unwrap();
    named.options_ping = Some(30 * SECOND);
    resources.carriers.push(named);
    let mut w = World::with(config(), resources);
    w.names.insert("sip.carrier.example", vec![CARRIER_2]);
    assert_eq!(pinged(&mut w, CARRIER, 6, Some(200)), 1);
    let ping = w.take(CARRIER_2, None).expect("a ping");
    assert_eq!(ping.request_uri(), Some("sip:sip.carrier.example:5081"));
    let mut up = changes(&w);
    up.sort();
    assert_eq!(up, [("first".to_owned(), true), ("twin".to_owned(), true)]);
    finish(w);
}

#[test]
fn a_reload_forgets_who_is_no_longer_asked() {
    let mut w = with_pings(&[0]);
    pinged(&mut w, CARRIER, 120, None);
    let snapshot = simnet::snapshot(directory());
    w.command(|edge, _| edge.set_directory(snapshot));
    w.advance(SECOND);
    let gone = HealthEvent::TargetForgotten { name: "first".into() };
    assert_eq!(w.audit.health.last(), Some(&gone));
    w.take_all(CARRIER);
    let mut pbx = calling(&mut w);
    let mut first = w.callee(CARRIER);
    give_up(&mut w, &mut pbx, &mut first);
    w.finish();
}

#[test]
fn a_pbx_that_asks_is_remembered_as_its_connectors_health() {
    let mut w = World::new();
    let id = simnet::connector().id;
    assert_eq!(w.edge.termination_health(&id), None);
    w.advance(SECOND);
    let mut pbx = w.caller(PBX, "x");
    pbx.request(&mut w, "OPTIONS", &[], None);
    pbx.expect(&mut w, "200");
    let health = w.edge.termination_health(&id).unwrap();
    assert_eq!((health.source, health.at), (PBX, w.now()));
    // Nor does a customer that asks all the time flood the records.
    for _ in 0..100 {
        w.advance(Duration::from_millis(5));
        pbx.request(&mut w, "OPTIONS", &[], None);
    }
    w.take_all(PBX);
    assert_eq!(w.edge.termination_health(&id).map(|health| health.at), Some(w.now()));
    // A carrier's question is nobody's termination health.
    let mut pstn = w.caller(CARRIER, "x");
    pstn.request(&mut w, "OPTIONS", &[], None);
    pstn.expect(&mut w, "200");
    assert_eq!(w.edge.termination_health(&id).map(|health| health.source), Some(PBX));
    let told = w.audit.health.iter().filter(|e| matches!(e, HealthEvent::Termination(_))).count();
    assert_eq!(told, 1);
    w.finish();
}
