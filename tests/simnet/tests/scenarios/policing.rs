//! Who may call whom, how often, and what a refused request costs us.

use model::Refusal;
use simnet::{CARRIER, EDGE, PBX, STRANGER, Ua, World, config, connector_host, directory};
use std::net::SocketAddr;
use std::time::Duration;

fn call(w: &mut World, from: SocketAddr, number: &str) -> Ua {
    let mut ua = w.caller(from, number);
    let offer = ua.sdp(30_000);
    ua.invite(w, Some(&offer));
    ua
}

fn refused(w: &mut World, from: SocketAddr, number: &str, status: &str, refusal: Refusal) {
    let mut ua = call(w, from, number);
    ua.expect(w, status);
    ua.ack_failure(w);
    assert_eq!(w.refusals().last(), Some(&refusal), "{number} from {from}");
}

#[test]
fn a_stranger_gets_a_stateless_403_at_a_limited_rate() {
    let mut settings = config();
    settings.stranger_answers_per_second = 10;
    let mut w = World::with(settings, directory());
    for _ in 0..100 {
        call(&mut w, STRANGER, "+12065550123");
    }
    let answers = w.take_all(STRANGER);
    assert_eq!(answers.len(), 10);
    assert!(answers.iter().all(|answer| answer.status() == Some(403)));
    let statistics = w.edge.statistics();
    assert_eq!((statistics.server_transactions, statistics.attempts), (0, 0));
    assert_eq!(statistics.strangers_dropped, 90);
    assert_eq!(w.refusals(), vec![Refusal::UnknownSource; 10]);
    // Nor does it reach anything by other methods.
    w.advance(Duration::from_secs(1));
    let mut other = w.caller(STRANGER, "x");
    other.request(&mut w, "OPTIONS", &[], None);
    other.expect(&mut w, "403");
    w.finish();
}

#[test]
fn a_source_outside_the_allowed_list_is_refused_even_if_it_is_known() {
    let mut resources = directory();
    let mut other = simnet::connector();
    other.id = model::VoiceConnectorId::new("zyxwvu1tsrq2ponml3kjih").unwrap();
    other.numbers.clear();
    other.termination.as_mut().unwrap().cidr_allowed_list = vec!["100.64.9.0/24".parse().unwrap()];
    resources.voice_connectors.push(other);
    let mut w = World::with(config(), resources);
    // It names the first connector, which does not list it.
    refused(&mut w, STRANGER, "+12065550123", "403", Refusal::SourceNotAllowed);
    w.finish();
}

#[test]
fn a_call_belongs_to_the_connector_that_its_source_fits_when_it_names_none() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    pbx.target = "sip:+12065550123@203.0.113.1".to_owned();
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    pstn.reply(&mut w, 486, None);
    pbx.expect(&mut w, "486");
    pbx.ack_failure(&mut w);
    w.finish();
}

#[test]
fn what_is_no_number_or_in_no_allowed_country_is_refused() {
    let mut w = World::new();
    for number in ["12065550123", "+1206", "alice", "+1206555012345678", "+1-206-555-0123"] {
        refused(&mut w, PBX, number, "404", Refusal::NotE164);
    }
    for number in ["+447700900123", "+8801712345678", "+18765550123"] {
        refused(&mut w, PBX, number, "403", Refusal::RegionNotAllowed);
    }
    refused(&mut w, PBX, "+881612345678", "403", Refusal::HighRisk);
    assert_eq!(w.edge.statistics().attempts, 0);
    w.finish();
}

#[test]
fn parameters_in_the_user_part_do_not_hide_the_number() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123;npdi;rn=+12065559999");
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let pstn = w.callee(CARRIER);
    let uri = pstn.invited.as_ref().unwrap().request_uri().unwrap().to_owned();
    assert!(uri.starts_with("sip:+12065550123@"), "{uri}");
    pbx.cancel(&mut w);
    w.finish();
}

#[test]
fn inbound_calls_need_a_known_number_with_a_route() {
    let mut w = World::new();
    refused(&mut w, CARRIER, "+12065559999", "404", Refusal::UnknownNumber);
    refused(&mut w, CARRIER, "reception", "404", Refusal::NotE164);
    w.finish();

    let mut resources = directory();
    resources.voice_connectors[0].origination.routes.clear();
    let mut w = World::with(config(), resources);
    refused(&mut w, CARRIER, "+12065550100", "404", Refusal::NoOrigination);
    w.finish();

    let mut resources = directory();
    resources.voice_connectors[0].origination.disabled = true;
    resources.voice_connectors[0].termination.as_mut().unwrap().disabled = true;
    let mut w = World::with(config(), resources);
    refused(&mut w, CARRIER, "+12065550100", "403", Refusal::Disabled);
    refused(&mut w, PBX, "+12065550123", "403", Refusal::Disabled);
    w.finish();
}

#[test]
fn calls_over_the_rate_are_throttled_with_retry_after() {
    let mut resources = directory();
    resources.voice_connectors[0].termination.as_mut().unwrap().cps_limit = 3;
    let mut w = World::with(config(), resources);
    let mut calls: Vec<Ua> = (0..3).map(|_| call(&mut w, PBX, "+12065550123")).collect();
    let mut over = call(&mut w, PBX, "+12065550123");
    assert_eq!(over.expect(&mut w, "503").retry_after().unwrap(), Some(1));
    over.ack_failure(&mut w);
    assert_eq!(w.refusals(), [Refusal::CallRateLimit]);
    w.advance(Duration::from_secs(1));
    calls.push(call(&mut w, PBX, "+12065550123"));
    assert_eq!(w.edge.active_calls(), 4);
    for ua in &mut calls {
        ua.cancel(&mut w);
    }
    w.finish();
}

#[test]
fn calls_at_once_are_counted_until_they_end() {
    let mut resources = directory();
    resources.voice_connectors[0].termination.as_mut().unwrap().concurrent_calls_limit = 1;
    let mut w = World::with(config(), resources);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut over = call(&mut w, PBX, "+12065550123");
    assert!(over.expect(&mut w, "503").retry_after().unwrap().is_some());
    over.ack_failure(&mut w);
    refused(&mut w, CARRIER, "+12065550100", "503", Refusal::ConcurrentCallLimit);
    pbx.hang_up(&mut w, &mut pstn);
    let mut next = call(&mut w, PBX, "+12065550123");
    assert_eq!(w.edge.active_calls(), 1);
    next.cancel(&mut w);
    w.finish();
}

#[test]
fn a_full_table_of_calls_refuses_new_ones_and_keeps_the_old() {
    let mut settings = config();
    settings.max_calls = 2;
    let mut w = World::with(settings, directory());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut second = call(&mut w, PBX, "+12065550123");
    refused(&mut w, PBX, "+12065550123", "503", Refusal::Overloaded);
    second.cancel(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn hops_and_loops() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite_with(&mut w, &[("Max-Forwards", "0")], Some(&offer));
    pbx.expect(&mut w, "483");
    pbx.ack_failure(&mut w);
    let mut pbx = w.caller(PBX, "+12065550123");
    pbx.invite_with(&mut w, &[("Max-Forwards", "1")], Some(&offer));
    let pstn = w.callee(CARRIER);
    assert_eq!(pstn.invited.as_ref().unwrap().max_forwards().unwrap(), Some(0));
    pbx.cancel(&mut w);
    w.finish();

    // From our own address.
    let mut resources = directory();
    let termination = resources.voice_connectors[0].termination.as_mut().unwrap();
    termination.cidr_allowed_list.push(format!("{}/32", EDGE.ip()).parse().unwrap());
    let mut w = World::with(config(), resources);
    refused(&mut w, EDGE, "+12065550123", "482", Refusal::Loop);
    w.finish();
}

#[test]
fn a_new_directory_counts_for_the_next_call_and_leaves_running_ones() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut resources = directory();
    resources.voice_connectors.clear();
    let snapshot = simnet::snapshot(resources);
    w.command(|edge, _| edge.set_directory(snapshot));
    let mut late = call(&mut w, PBX, "+12065550123");
    late.expect(&mut w, "403");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
    assert!(connector_host().ends_with(".voiceconnector.tandem.example"));
}
