//! Calls for help: they find a way when others do not.

use directory::{EmergencyCalling, EmergencyDnis, Resources};
use model::{CallEventKind, EmergencyKind, Refusal};
use simnet::{CARRIER, PBX, Ua, World, carrier, config, directory};
use std::net::SocketAddr;
use std::time::Duration;

pub(super) const ROUTER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 18, 0, 20)), 5060);

pub(super) fn prepared() -> Resources {
    let mut resources = directory();
    let mut router = carrier("router", ROUTER, "+", 1);
    router.prefixes.clear();
    router.emergency = true;
    resources.carriers.push(router);
    let us = EmergencyDnis {
        test_phone_number: Some("+13125550933".into()),
        ..EmergencyDnis::new("+13125550911", "US")
    };
    resources.voice_connectors[0].emergency =
        Some(EmergencyCalling { dnis: vec![us], ..EmergencyCalling::default() });
    resources
}

pub(super) fn call(w: &mut World, number: &str) -> Ua {
    let mut ua = w.caller(PBX, number);
    let offer = ua.sdp(30_000);
    ua.invite(w, Some(&offer));
    ua
}

/// A call for help that is answered.
pub(super) fn helped_by(w: &mut World, dialled: &str) -> (Ua, Ua) {
    let mut ua = call(w, dialled);
    let router = answered(w, &mut ua);
    (ua, router)
}

/// The router answers the call of `ua`.
pub(super) fn answered(w: &mut World, ua: &mut Ua) -> Ua {
    let mut router = w.callee(ROUTER);
    let answer = router.sdp(40_000);
    router.answer(w, ua, &answer);
    router
}

#[track_caller]
fn reaches(w: &mut World, dialled: &str, at: SocketAddr, number: &str) {
    let mut ua = call(w, dialled);
    let mut router = w.callee(at);
    let uri = router.invited.as_ref().unwrap().request_uri().unwrap().to_owned();
    assert!(uri.starts_with(&format!("sip:{number}@")), "{dialled}: {uri}");
    router.reply(w, 486, None);
    router.expect(w, "ACK");
    // Even a busy router does not end the hunt, but here is nobody else.
    w.take_all(CARRIER).clear();
    ua.cancel(w);
    w.advance(Duration::from_secs(40));
    for at in [CARRIER, PBX, simnet::CARRIER_2] {
        w.take_all(at);
    }
}

#[test]
fn what_is_dialled_in_distress_goes_to_the_router_and_is_marked() {
    let mut w = World::with(config(), prepared());
    for dialled in ["911", "+911", "+13125550911"] {
        reaches(&mut w, dialled, ROUTER, "+13125550911");
    }
    reaches(&mut w, "933", ROUTER, "+13125550933");
    let kinds: Vec<_> = w
        .audit
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            CallEventKind::Attempted { parties } => parties.emergency,
            _ => None,
        })
        .collect();
    let emergency = EmergencyKind::Emergency;
    assert_eq!(kinds, [emergency, emergency, emergency, EmergencyKind::Test]);
    w.finish();
}

#[test]
fn without_a_configuration_it_is_a_number_like_any_other() {
    let mut w = World::new();
    let mut ua = call(&mut w, "911");
    ua.expect(&mut w, "404");
    ua.ack_failure(&mut w);
    assert_eq!(w.refusals(), [Refusal::NotE164]);
    w.finish();
}

#[test]
fn it_is_not_throttled_by_rate_number_cap_or_a_full_node() {
    let mut resources = prepared();
    let vc = &mut resources.voice_connectors[0];
    let termination = vc.termination.as_mut().unwrap();
    termination.cps_limit = 1;
    termination.concurrent_calls_limit = 1;
    termination.calling_regions.clear();
    termination.calling_regions.push("US");
    vc.caps.minutes_per_day = Some(1);
    resources.carriers[3].max_calls = Some(1);
    let mut settings = config();
    settings.max_calls = 1;
    settings.emergency_headroom = 2;
    let mut w = World::with(settings, resources);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    w.advance(Duration::from_secs(120));
    let mut over = call(&mut w, "+12065550123");
    over.expect(&mut w, "503");
    over.ack_failure(&mut w);
    assert_eq!(w.refusals(), [Refusal::Overloaded]);
    let mut helped: Vec<(Ua, Ua)> = Vec::new();
    for _ in 0..2 {
        helped.push(helped_by(&mut w, "911"));
    }
    // Everything has an end.
    let mut third = call(&mut w, "911");
    third.expect(&mut w, "503");
    third.ack_failure(&mut w);
    for (ua, router) in &mut helped {
        ua.hang_up(&mut w, router);
    }
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn when_the_router_fails_the_ordinary_carriers_take_it() {
    for status in [404, 486, 503] {
        let mut w = World::with(config(), prepared());
        let mut ua = call(&mut w, "911");
        let mut router = w.callee(ROUTER);
        router.reply_with(&mut w, status, &[("Reason", "Q.850;cause=17")], None);
        router.expect(&mut w, "ACK");
        let pstn = w.callee(CARRIER);
        assert!(pstn.invited.as_ref().unwrap().request_uri().unwrap().contains("+13125550911"));
        ua.cancel(&mut w);
        w.finish();
    }
}

#[test]
fn a_connectors_own_carrier_comes_first() {
    let mut resources = prepared();
    let own = resources.carriers[1].id.clone();
    resources.voice_connectors[0].emergency.as_mut().unwrap().carrier = Some(own);
    let mut w = World::with(config(), resources);
    let mut ua = call(&mut w, "911");
    w.callee(simnet::CARRIER_2);
    ua.cancel(&mut w);
    w.finish();
}

#[test]
fn the_callers_country_chooses_the_router() {
    let mut resources = prepared();
    let emergency = resources.voice_connectors[0].emergency.as_mut().unwrap();
    emergency.dnis.insert(0, EmergencyDnis::new("+525555550911", "MX"));
    let mut w = World::with(config(), resources);
    // The fixture's caller has a number of the US.
    let mut ua = call(&mut w, "911");
    let router = w.callee(ROUTER);
    let uri = router.invited.as_ref().unwrap().request_uri().unwrap().to_owned();
    assert!(uri.starts_with("sip:+13125550911@"), "{uri}");
    ua.cancel(&mut w);
    w.finish();
}
