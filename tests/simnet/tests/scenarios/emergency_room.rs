//! Calls for help when there is no room, no safety or no time for other calls.

use crate::emergency::{ROUTER, answered, call, helped_by, prepared};
use crate::keys::{KEY, one, secure};
use crate::transfer::{expect_notify, part, take_offer};
use directory::{Credential, Resources};
use model::{CallEventKind, EmergencyKind, Refusal, TransportProtocol};
use simnet::{CARRIER, PBX, RelayMode, Ua, World, config};
use sip_proto::HeaderName;
use std::time::Duration;

const HOST: &str = "203.0.113.1";

/// OPTIONS until one gets 503.
fn flood(w: &mut World) {
    for _ in 0..2_000 {
        let mut ua = w.caller(PBX, "+12065550123");
        ua.request(w, "OPTIONS", &[], None);
        if ua.expect_any(w).status() == Some(503) {
            return;
        }
    }
    panic!("nothing was refused");
}

#[test]
fn a_full_table_of_transactions_takes_a_call_for_help_to_its_end() {
    for (most, of_one_source) in [(100, 100), (1_000, 50)] {
        let mut settings = config();
        settings.max_transactions = most;
        settings.max_transactions_per_source = of_one_source;
        settings.emergency_headroom = 1;
        let mut w = World::with(settings, prepared());
        flood(&mut w);
        let mut refused = call(&mut w, "+12065550123");
        refused.expect(&mut w, "503");
        refused.ack_failure(&mut w);
        let (mut ua, mut router) = helped_by(&mut w, "911");
        let hold = ua.sdp_with(30_000, 2, "sendonly");
        ua.invite(&mut w, Some(&hold));
        take_offer(&mut w, &mut router, 40_000);
        ua.expect(&mut w, "200");
        ua.ack(&mut w, None);
        ua.hang_up(&mut w, &mut router);
        // The reserve has an end as well.
        let refused = (0..16).find_map(|_| {
            let ua = call(&mut w, "911");
            w.take(PBX, Some(&ua.call_id))
        });
        assert_eq!(refused.and_then(|refused| refused.status()), Some(503));
        w.advance(Duration::from_secs(200));
        w.finish();
    }
}

#[test]
fn a_source_over_its_share_is_refused_and_the_others_are_not() {
    let mut settings = config();
    settings.max_transactions = 1_000;
    settings.max_transactions_per_source = 50;
    let mut w = World::with(settings, prepared());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    flood(&mut w);
    let statistics = w.edge.statistics();
    assert_eq!((statistics.share_refusals, statistics.table_refusals), (1, 0));
    assert!(statistics.server_transactions < 60);
    // Another peer calls, and the flooder's own call can be used and hung up.
    let mut inbound = w.caller(CARRIER, "+12065550100");
    let offer = inbound.sdp(40_000);
    inbound.invite(&mut w, Some(&offer));
    let mut callee = w.callee(PBX);
    callee.reply(&mut w, 486, None);
    callee.expect(&mut w, "ACK");
    inbound.expect(&mut w, "486");
    inbound.ack_failure(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.advance(Duration::from_secs(33));
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn accepted_calls_are_no_part_of_a_share() {
    let mut settings = config();
    settings.max_transactions_per_source = 3;
    let mut w = World::with(settings, prepared());
    for _ in 0..10 {
        let (mut pbx, mut pstn) = Ua::establish(&mut w);
        pbx.hang_up(&mut w, &mut pstn);
    }
    assert_eq!(w.edge.statistics().share_refusals, 0);
    w.finish();
}

#[test]
fn the_last_ports_are_asked_for() {
    let mut w = World::with(config(), prepared());
    w.relay.mode = RelayMode::HelpsOnly;
    let mut refused = call(&mut w, "+12065550123");
    refused.expect(&mut w, "503");
    refused.ack_failure(&mut w);
    let (mut ua, mut router) = helped_by(&mut w, "911");
    ua.hang_up(&mut w, &mut router);
    w.finish();
}

#[test]
fn a_drain_takes_calls_for_help_until_its_own_end() {
    let mut w = World::with(config(), prepared());
    w.command(|edge, now| edge.drain(now));
    let mut refused = call(&mut w, "+12065550123");
    refused.expect(&mut w, "503");
    refused.ack_failure(&mut w);
    let (mut ua, mut router) = helped_by(&mut w, "911");
    assert_eq!(w.edge.active_calls(), 1, "the drain waits for it");
    w.command(|edge, now| edge.end_all(now));
    for ua in [&mut ua, &mut router] {
        ua.expect(&mut w, "BYE");
        ua.ok(&mut w);
    }
    let mut late = call(&mut w, "911");
    let refused = late.expect(&mut w, "503");
    assert!(refused.header(HeaderName::RetryAfter).is_some());
    late.ack_failure(&mut w);
    assert_eq!(w.refusals(), [Refusal::Draining; 2]);
    w.finish();
}

fn encrypted() -> Resources {
    let mut resources = prepared();
    let connector = &mut resources.voice_connectors[0];
    connector.require_encryption = true;
    connector.origination.routes[0].protocol = TransportProtocol::Tls;
    resources
}

fn excuses(w: &World) -> Vec<Refusal> {
    let of = |event: &model::CallEvent| match event.kind {
        CallEventKind::Excused(rule) => Some(rule),
        _ => None,
    };
    w.audit.events.iter().filter_map(of).collect()
}

#[test]
fn encryption_that_is_required_keeps_nobody_from_help_and_the_record_says_so() {
    let mut w = World::with(config(), encrypted());
    let (mut ua, mut router) = helped_by(&mut w, "911");
    assert_eq!(excuses(&w), [Refusal::PlainSignalling, Refusal::PlainMedia]);
    let hold = ua.sdp_with(30_000, 2, "sendonly");
    ua.invite(&mut w, Some(&hold));
    take_offer(&mut w, &mut router, 40_000);
    ua.expect(&mut w, "200");
    ua.ack(&mut w, None);
    ua.hang_up(&mut w, &mut router);
    let mut refused = call(&mut w, "+12065550123");
    refused.expect(&mut w, "403");
    refused.ack_failure(&mut w);
    assert_eq!(w.refusals(), [Refusal::PlainSignalling]);
    w.finish();
}

#[test]
fn an_encrypted_call_for_help_needs_no_excuse_and_stays_encrypted() {
    let mut w = World::with(config(), encrypted());
    w.connect_tls(PBX);
    let mut ua = w.caller(PBX, "911");
    ua.transport = "TLS";
    let offer = secure(&mut w, PBX, 1, &one(1, KEY));
    ua.invite(&mut w, Some(&offer));
    let mut router = w.callee(ROUTER);
    let answer = router.sdp(40_000);
    router.reply(&mut w, 200, Some(&answer));
    router.expect(&mut w, "ACK");
    let told = ua.expect(&mut w, "200");
    assert!(String::from_utf8_lossy(told.body_bytes()).contains("RTP/SAVP"));
    ua.ack(&mut w, None);
    assert_eq!(excuses(&w), []);
    ua.hang_up(&mut w, &mut router);
    w.finish();
}

#[test]
fn who_wants_no_open_calls_for_help_says_so() {
    let mut resources = encrypted();
    resources.voice_connectors[0].emergency.as_mut().unwrap().require_encryption = true;
    let mut w = World::with(config(), resources);
    let mut refused = call(&mut w, "911");
    refused.expect(&mut w, "403");
    refused.ack_failure(&mut w);
    assert_eq!(w.refusals(), [Refusal::PlainSignalling]);
    w.finish();
}

#[test]
fn service_urns_are_calls_for_help() {
    for (urn, number) in [
        ("urn:service:sos", "+13125550911"),
        ("URN:service:SOS.fire", "+13125550911"),
        ("urn:service:test.sos", "+13125550933"),
    ] {
        let mut w = World::with(config(), prepared());
        let mut ua = w.caller(PBX, "911");
        ua.call_uri(urn);
        let offer = ua.sdp(30_000);
        ua.invite(&mut w, Some(&offer));
        let mut router = answered(&mut w, &mut ua);
        let uri = router.invited.as_ref().unwrap().request_uri().unwrap().to_owned();
        assert!(uri.starts_with(&format!("sip:{number}@")), "{urn}: {uri}");
        router.target = format!("sip:tandem@{HOST}:5060");
        router.hang_up(&mut w, &mut ua);
        w.finish();
    }
}

#[test]
fn a_service_urn_of_a_connector_without_emergency_numbers_is_refused_with_the_reason() {
    let mut resources = prepared();
    resources.voice_connectors[0].emergency = None;
    let mut w = World::with(config(), resources);
    let mut ua = w.caller(PBX, "911");
    ua.call_uri("urn:service:sos");
    let offer = ua.sdp(30_000);
    ua.invite(&mut w, Some(&offer));
    let refused = ua.expect(&mut w, "404");
    assert!(refused.header(HeaderName::Reason).unwrap().contains("no_emergency_number"));
    ua.ack_failure(&mut w);
    assert_eq!(w.refusals(), [Refusal::NoEmergencyNumber]);
    // Other services are none of ours.
    let mut ua = w.caller(PBX, "911");
    ua.call_uri("urn:service:counseling");
    ua.invite(&mut w, None);
    ua.expect(&mut w, "416");
    w.finish();
}

#[test]
fn of_several_connectors_at_a_source_route_names_one_or_any_that_can_is_taken() {
    let mut resources = prepared();
    let mut other = resources.voice_connectors[0].clone();
    other.id = model::VoiceConnectorId::new("zbcdef1ghij2klmno3pqr4").unwrap();
    other.numbers = vec!["+12065550199".into()];
    let us = &mut other.emergency.as_mut().unwrap().dnis[0];
    us.emergency_phone_number = "+13125550912".into();
    resources.voice_connectors.push(other);
    let mut w = World::with(config(), resources);
    let route = "<sip:zbcdef1ghij2klmno3pqr4.voiceconnector.tandem.example;lr>";
    for (routes, number) in [(vec![route.to_owned()], "+13125550912"), (vec![], "+1312555091")] {
        let mut ua = w.caller(PBX, "911");
        ua.call_uri("urn:service:sos");
        ua.routes = routes;
        let offer = ua.sdp(30_000);
        ua.invite(&mut w, Some(&offer));
        let mut router = answered(&mut w, &mut ua);
        let uri = router.invited.as_ref().unwrap().request_uri().unwrap().to_owned();
        assert!(uri.starts_with(&format!("sip:{number}")), "{uri}");
        ua.hang_up(&mut w, &mut router);
    }
    w.finish();
}

fn kinds(w: &World) -> Vec<Option<EmergencyKind>> {
    let of = |event: &model::CallEvent| match &event.kind {
        CallEventKind::Attempted { parties } | CallEventKind::Moved { parties } => {
            Some(parties.emergency)
        }
        _ => None,
    };
    w.audit.events.iter().filter_map(of).collect()
}

#[test]
fn a_call_that_replaces_one_for_help_is_for_help_and_policed_by_nobody() {
    let mut resources = prepared();
    let termination = resources.voice_connectors[0].termination.as_mut().unwrap();
    termination.cps_limit = 1;
    termination.concurrent_calls_limit = 1;
    let credential = Credential { username: "pbx".into(), password: "open sesame".into() };
    termination.credentials = vec![credential];
    let mut settings = config();
    settings.max_calls = 0;
    settings.emergency_headroom = 2;
    let mut w = World::with(settings, resources);
    let (mut ua, mut router) = helped_by(&mut w, "911");
    let replaces = format!("{};to-tag={};from-tag={}", ua.call_id, ua.remote_tag(), ua.tag);
    let mut other = w.caller(PBX, "+12065550100");
    other.target = format!("sip:tandem@{HOST}:5060");
    let offer = other.sdp(33_000);
    other.invite_with(&mut w, &[("Replaces", &replaces)], Some(&offer));
    other.expect(&mut w, "200");
    other.ack(&mut w, None);
    take_offer(&mut w, &mut router, 42_000);
    ua.expect(&mut w, "BYE");
    ua.ok(&mut w);
    assert_eq!(kinds(&w), [Some(EmergencyKind::Emergency); 2]);
    part(&mut w, &mut other, &mut router);
    w.finish();
}

#[test]
fn whoever_takes_over_a_call_for_help_is_in_one() {
    let mut resources = prepared();
    resources.voice_connectors[0].caps.max_call_duration = Some(Duration::from_secs(60));
    let mut w = World::with(config(), resources);
    let (mut ua, mut router) = helped_by(&mut w, "911");
    // The first caller asks a colleague to talk on, who is reached through a carrier.
    ua.request(&mut w, "REFER", &[("Refer-To", "<sip:+12065550177@x.example>")], None);
    ua.expect(&mut w, "202");
    expect_notify(&mut w, &mut ua, "SIP/2.0 100 Trying");
    let mut colleague = w.callee(CARRIER);
    let answer = colleague.sdp(41_000);
    colleague.reply(&mut w, 200, Some(&answer));
    colleague.expect(&mut w, "ACK");
    take_offer(&mut w, &mut router, 42_000);
    expect_notify(&mut w, &mut ua, "SIP/2.0 200 OK");
    ua.expect(&mut w, "BYE");
    ua.ok(&mut w);
    let emergency = Some(EmergencyKind::Emergency);
    assert_eq!(kinds(&w), [emergency, None, emergency]);
    w.advance(Duration::from_secs(120));
    router.target = format!("sip:tandem@{HOST}:5060");
    part(&mut w, &mut router, &mut colleague);
    w.finish();
}
