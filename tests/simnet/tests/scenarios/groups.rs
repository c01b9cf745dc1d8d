//! Numbers of a group of voice connectors.

use directory::{GroupMember, Host, OriginationRoute, Resources, VoiceConnectorGroup};
use model::{CallEventKind, Refusal, VoiceConnectorId};
use simnet::{CARRIER, PBX, Ua, World, config, directory};
use std::net::SocketAddr;

const SECOND_PBX: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 18, 0, 9)), 5070);
const SECOND_ID: &str = "zyxwvu1tsrq2ponml3kjih";
const NUMBER: &str = "+12065550199";

/// The fixture's connector first, then one with its PBX elsewhere.
fn grouped() -> Resources {
    let mut resources = directory();
    let mut second = simnet::connector();
    second.id = VoiceConnectorId::new(SECOND_ID).unwrap();
    second.numbers.clear();
    second.termination.as_mut().unwrap().cidr_allowed_list =
        vec![format!("{}/32", SECOND_PBX.ip()).parse().unwrap()];
    let mut route = OriginationRoute::new(Host::Ip(SECOND_PBX.ip()));
    route.port = Some(SECOND_PBX.port());
    second.origination.routes = vec![route];
    let member =
        |id: &VoiceConnectorId, priority| GroupMember { voice_connector: id.clone(), priority };
    resources.groups = vec![VoiceConnectorGroup {
        id: "both".into(),
        name: "both".into(),
        members: vec![member(&second.id, 2), member(&resources.voice_connectors[0].id, 1)],
        numbers: vec![NUMBER.into()],
    }];
    resources.voice_connectors.push(second);
    resources
}

fn calling(w: &mut World) -> Ua {
    let mut pstn = w.caller(CARRIER, NUMBER);
    let offer = pstn.sdp(30_000);
    pstn.invite(w, Some(&offer));
    pstn
}

fn establish(w: &mut World, at: SocketAddr) -> (Ua, Ua) {
    let mut pstn = calling(w);
    let mut pbx = w.callee(at);
    take(w, &mut pstn, &mut pbx);
    (pstn, pbx)
}

fn take(w: &mut World, pstn: &mut Ua, pbx: &mut Ua) {
    let answer = pbx.sdp(40_000);
    pbx.answer(w, pstn, &answer);
}

fn limited(mut resources: Resources, limits: [u32; 2]) -> Resources {
    for (vc, limit) in resources.voice_connectors.iter_mut().zip(limits) {
        vc.termination.as_mut().unwrap().concurrent_calls_limit = limit;
    }
    resources
}

#[test]
fn the_routes_of_the_first_are_followed_by_those_of_the_next() {
    // One call at a time each: the call must hold one place only, where it is.
    let mut w = World::with(config(), limited(grouped(), [1, 1]));
    let mut pstn = calling(&mut w);
    let mut first = w.callee(PBX);
    first.reply(&mut w, 503, None);
    first.expect(&mut w, "ACK");
    let mut second = w.callee(SECOND_PBX);
    take(&mut w, &mut pstn, &mut second);
    let moved: Vec<_> = w
        .audit
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            CallEventKind::Moved { parties } => Some(parties.voice_connector.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(moved, [SECOND_ID]);
    // The first one's place is free again, the second one's is not.
    let (mut pstn_2, mut pbx_2) = establish(&mut w, PBX);
    let mut over = calling(&mut w);
    over.expect(&mut w, "503");
    over.ack_failure(&mut w);
    assert_eq!(w.refusals(), [Refusal::ConcurrentCallLimit]);
    pstn.hang_up(&mut w, &mut second);
    let (mut pstn_3, mut pbx_3) = establish(&mut w, SECOND_PBX);
    pstn_3.hang_up(&mut w, &mut pbx_3);
    pstn_2.hang_up(&mut w, &mut pbx_2);
    w.finish();
}

#[test]
fn a_connector_that_has_its_calls_is_passed_over() {
    let mut w = World::with(config(), limited(grouped(), [1, 10]));
    let (mut pstn, mut pbx) = establish(&mut w, PBX);
    let (mut pstn_2, mut pbx_2) = establish(&mut w, SECOND_PBX);
    pstn.hang_up(&mut w, &mut pbx);
    pstn_2.hang_up(&mut w, &mut pbx_2);
    // Nor does a hunt go on to one that has.
    let mut w = World::with(config(), limited(grouped(), [10, 1]));
    let mut pstn = calling(&mut w);
    let mut first = w.callee(PBX);
    first.reply(&mut w, 500, None);
    first.expect(&mut w, "ACK");
    let mut pbx = w.callee(SECOND_PBX);
    take(&mut w, &mut pstn, &mut pbx);
    let mut other = calling(&mut w);
    let mut first = w.callee(PBX);
    first.reply(&mut w, 500, None);
    first.expect(&mut w, "ACK");
    other.expect(&mut w, "500");
    other.ack_failure(&mut w);
    pstn.hang_up(&mut w, &mut pbx);
    w.finish();
}

#[test]
fn a_connector_without_origination_is_left_out() {
    let mut resources = grouped();
    resources.voice_connectors[0].origination.disabled = true;
    let mut w = World::with(config(), resources);
    let (mut pstn, mut pbx) = establish(&mut w, SECOND_PBX);
    pstn.hang_up(&mut w, &mut pbx);
    w.finish();

    let mut resources = grouped();
    resources.voice_connectors[0].origination.disabled = true;
    resources.voice_connectors[1].origination.routes.clear();
    let mut w = World::with(config(), resources);
    let mut pstn = calling(&mut w);
    pstn.expect(&mut w, "404");
    pstn.ack_failure(&mut w);
    assert_eq!(w.refusals(), [Refusal::NoOrigination]);
    w.finish();
}

#[test]
fn a_final_code_of_the_first_ends_the_hunt() {
    let mut w = World::with(config(), grouped());
    let mut pstn = calling(&mut w);
    let mut first = w.callee(PBX);
    first.reply(&mut w, 486, None);
    first.expect(&mut w, "ACK");
    pstn.expect(&mut w, "486");
    pstn.ack_failure(&mut w);
    assert!(w.take(SECOND_PBX, None).is_none());
    w.finish();
}
