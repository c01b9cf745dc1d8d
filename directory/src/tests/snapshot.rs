//! Lookups of call routing on a built snapshot.

use crate::{
    Carrier, GroupMember, Host, NumberEntry, NumberOwner, NumberTable, OriginationRoute, Resources,
    Route, Snapshot, Termination, VoiceConnector, VoiceConnectorGroup,
};
use model::{CarrierId, VoiceConnectorId};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

const FIRST: &str = "abcdef1ghij2klmno3pqr4";
const SECOND: &str = "zzzzzz1ghij2klmno3pqr";

fn carrier(id: &str, prefixes: &[&str], priority: u8, weight: u8) -> Carrier {
    Carrier {
        prefixes: prefixes.iter().map(|prefix| (*prefix).into()).collect(),
        priority,
        weight,
        ..Carrier::new(CarrierId::new(id).unwrap(), Host::parse("192.0.2.1").unwrap())
    }
}

fn from(mut carrier: Carrier, networks: &[&str]) -> Carrier {
    carrier.inbound_cidrs = networks.iter().map(|net| net.parse().unwrap()).collect();
    carrier
}

fn connector(id: &str, networks: &[&str], numbers: &[&str]) -> VoiceConnector {
    VoiceConnector {
        numbers: numbers.iter().map(|number| (*number).into()).collect(),
        termination: Some(Termination {
            cidr_allowed_list: networks.iter().map(|net| net.parse().unwrap()).collect(),
            ..Termination::default()
        }),
        ..VoiceConnector::new(VoiceConnectorId::new(id).unwrap())
    }
}

fn snapshot(carriers: Vec<Carrier>, voice_connectors: Vec<VoiceConnector>) -> Snapshot {
    let domain = "Tandem.Localhost".to_owned();
    Snapshot::build(Resources { domain, carriers, voice_connectors, ..Resources::default() })
        .unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn carriers_of(routes: &[Route]) -> Vec<&str> {
    routes.iter().map(|route| route.carrier.as_ref().unwrap().id.as_str()).collect()
}

fn ids<'a>(found: impl Iterator<Item = &'a std::sync::Arc<VoiceConnector>>) -> Vec<&'a str> {
    found.map(|vc| vc.id.as_str()).collect()
}

/// Even steps through all 64 bits, so that a distribution is exact and repeatable.
fn stepping_draw() -> impl FnMut() -> u64 {
    let mut state = 0u64;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        state
    }
}

#[test]
fn a_voice_connector_is_found_by_its_host_name_in_any_case() {
    let snapshot = snapshot(vec![], vec![connector(FIRST, &[], &[])]);
    let found = |host: &str| snapshot.voice_connector_by_host(host).map(|vc| vc.id.as_str());
    assert_eq!(found("abcdef1ghij2klmno3pqr4.voiceconnector.tandem.localhost"), Some(FIRST));
    assert_eq!(found("ABCDEF1ghij2klmno3pqr4.VoiceConnector.Tandem.LOCALHOST."), Some(FIRST));
    for other in [
        "",
        ".",
        "abcdef1ghij2klmno3pqr4",
        "abcdef1ghij2klmno3pqr4.voiceconnector.example.com",
        "abcdef1ghij2klmno3pqr4.meet.tandem.localhost",
        "abcdef1ghij2klmno3pqr5.voiceconnector.tandem.localhost",
        "abcdef1ghij2klmno3pqr44.voiceconnector.tandem.localhost",
        "abcdef1ghij2klmno3pqr4.voiceconnector.tandem.localhost..",
        "äbcdef1ghij2klmno3pqr4.voiceconnector.tandem.localhost",
    ] {
        assert_eq!(found(other), None, "{other:?}");
    }
    assert_eq!(snapshot.domain(), "tandem.localhost");
}

#[test]
fn a_voice_connector_is_found_by_identity_and_by_number() {
    let snapshot = snapshot(
        vec![],
        vec![
            connector(FIRST, &[], &["+12065550100"]),
            connector(SECOND, &[], &["+12065550101", "+81312345678"]),
        ],
    );
    let id = VoiceConnectorId::new(SECOND).unwrap();
    assert_eq!(snapshot.voice_connector(&id).unwrap().id, id);
    assert!(snapshot.voice_connector(&VoiceConnectorId::new(&"q".repeat(21)).unwrap()).is_none());
    let by_number = |number: &str| ids(snapshot.voice_connector_by_number(number).into_iter());
    assert_eq!(by_number("+12065550100"), [FIRST]);
    assert_eq!(by_number("+81312345678"), [SECOND]);
    assert!(by_number("+1206555010").is_empty());
    assert_eq!(ids(snapshot.voice_connectors()), [FIRST, SECOND]);
}

#[test]
fn sources_find_every_connector_once_the_most_specific_first() {
    let snapshot = snapshot(
        vec![],
        vec![
            connector(FIRST, &["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"], &[]),
            connector(SECOND, &["10.1.2.0/24", "10.1.3.0/24", "192.0.2.1/32"], &[]),
        ],
    );
    let by_source = |source: &str| ids(snapshot.voice_connectors_by_source(ip(source)));
    assert_eq!(by_source("10.1.2.3"), [SECOND, FIRST]);
    assert_eq!(by_source("10.1.3.255"), [SECOND, FIRST]);
    assert_eq!(by_source("10.1.4.0"), [FIRST]);
    assert_eq!(by_source("::ffff:10.1.2.3"), [SECOND, FIRST]);
    assert_eq!(by_source("192.0.2.1"), [SECOND]);
    assert_eq!(by_source("2001:db8::7"), [FIRST]);
    for stranger in ["9.255.255.255", "11.0.0.0", "192.0.2.0", "192.0.2.2", "2001:db9::", "::1"] {
        assert!(by_source(stranger).is_empty(), "{stranger}");
    }
}

#[test]
fn the_most_specific_network_decides_which_carrier_calls() {
    let snapshot = snapshot(
        vec![
            from(carrier("wide", &[], 1, 1), &["0.0.0.0/0", "198.51.100.7/32"]),
            from(carrier("narrow", &[], 1, 1), &["198.51.100.0/24"]),
            from(carrier("last", &[], 1, 1), &["255.255.255.255/32", "::/0"]),
        ],
        vec![],
    );
    let by_source = |source: &str| {
        snapshot.carrier_by_source(ip(source)).map(|carrier| carrier.id.as_str().to_owned())
    };
    for (source, expected) in [
        ("198.51.100.7", "wide"),
        ("198.51.100.6", "narrow"),
        ("198.51.100.255", "narrow"),
        ("198.51.101.0", "wide"),
        ("0.0.0.0", "wide"),
        ("255.255.255.255", "last"),
        ("255.255.255.254", "wide"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "last"),
    ] {
        assert_eq!(by_source(source).as_deref(), Some(expected), "{source}");
    }
}

#[test]
fn outbound_hunts_go_by_longest_prefix_then_priority() {
    let snapshot = snapshot(
        vec![
            carrier("any-2", &["+"], 2, 1),
            carrier("any-1", &["+", "+44"], 1, 1),
            carrier("seattle", &["+1206"], 100, 1),
            carrier("north-america", &["+1"], 50, 1),
        ],
        vec![],
    );
    let hunt = |number: &str| {
        let routes = snapshot.outbound_routes(number, &mut || 0);
        carriers_of(&routes).join(" ")
    };
    assert_eq!(hunt("+12065550100"), "seattle north-america any-1 any-2");
    assert_eq!(hunt("+12125550100"), "north-america any-1 any-2");
    assert_eq!(hunt("+442079460100"), "any-1 any-2");
    assert_eq!(hunt("+81312345678"), "any-1 any-2");
    assert_eq!(hunt("2065550100"), "");
}

#[test]
fn a_number_that_no_carrier_serves_has_no_route() {
    let snapshot = snapshot(vec![carrier("seattle", &["+1206"], 1, 1)], vec![]);
    assert!(snapshot.outbound_routes("+12125550100", &mut || 0).is_empty());
    assert!(snapshot.outbound_routes("+120", &mut || 0).is_empty());
    assert!(snapshot.outbound_routes("", &mut || 0).is_empty());
    assert!(snapshot.outbound_routes("+é1206", &mut || 0).is_empty());
}

#[test]
fn weights_share_the_first_place_and_priorities_are_never_mixed() {
    let snapshot = snapshot(
        vec![
            carrier("backup", &["+"], 2, 100),
            carrier("a", &["+"], 1, 60),
            carrier("b", &["+"], 1, 30),
            carrier("c", &["+"], 1, 10),
        ],
        vec![],
    );
    let mut draw = stepping_draw();
    let mut first: HashMap<String, u32> = HashMap::new();
    for _ in 0..10_000 {
        let routes = snapshot.outbound_routes("+12065550100", &mut draw);
        let order = carriers_of(&routes);
        assert_eq!(order.len(), 4);
        assert_eq!(order[3], "backup");
        *first.entry(order[0].to_owned()).or_default() += 1;
    }
    for (id, share) in [("a", 6_000), ("b", 3_000), ("c", 1_000)] {
        let seen = first[id];
        assert!(seen.abs_diff(share) < 150, "{id} was first {seen} times of 10,000");
    }
}

#[test]
fn the_ends_of_the_draw_choose_the_first_and_the_last_candidate() {
    let snapshot = snapshot(vec![carrier("a", &["+"], 1, 1), carrier("b", &["+"], 1, 100)], vec![]);
    let hunt = |draw: u64| {
        let routes = snapshot.outbound_routes("+12065550100", &mut || draw);
        carriers_of(&routes).join(" ")
    };
    assert_eq!(hunt(0), "a b");
    assert_eq!(hunt(u64::MAX / 101), "a b");
    assert_eq!(hunt(u64::MAX / 101 + 2), "b a");
    assert_eq!(hunt(u64::MAX), "b a");
}

#[test]
fn inbound_hunts_use_the_connectors_own_order_and_timeout() {
    let mut vc = connector(FIRST, &[], &["+12065550100"]);
    let route = |host: &str, priority| OriginationRoute {
        priority,
        port: Some(5070),
        ..OriginationRoute::new(Host::parse(host).unwrap())
    };
    vc.origination.routes = vec![route("10.0.0.2", 2), route("pbx.example.com", 1)];
    let snapshot = snapshot(vec![], vec![vc.clone()]);
    let routes = snapshot.inbound_routes(&std::sync::Arc::new(vc.clone()), &mut || 0);
    let hosts: Vec<_> = routes.iter().map(|route| route.host.to_string()).collect();
    assert_eq!(hosts, ["pbx.example.com", "10.0.0.2"]);
    assert_eq!(routes[0].port, Some(5070));
    assert_eq!(routes[0].timeout, Carrier::DEFAULT_NO_RESPONSE_TIMEOUT);
    assert!(routes[0].carrier.is_none());
    vc.origination.disabled = true;
    assert!(snapshot.inbound_routes(&std::sync::Arc::new(vc), &mut || 0).is_empty());
}

#[test]
fn each_route_has_its_own_final_codes_and_timeouts() {
    let mut own = carrier("own", &["+"], 1, 1);
    own.hunt_final_codes = [480].into();
    own.no_response_timeout = Duration::from_secs(1);
    own.no_answer_timeout = Duration::from_secs(20);
    let snapshot = snapshot(vec![own, carrier("plain", &["+"], 2, 1)], vec![]);
    let routes = snapshot.outbound_routes("+12065550100", &mut || 0);
    assert!(routes[0].ends_hunt(480) && !routes[0].ends_hunt(486));
    assert_eq!(routes[0].timeout, Duration::from_secs(1));
    assert_eq!(routes[0].no_answer_timeout, Duration::from_secs(20));
    assert!(routes[1].ends_hunt(486) && !routes[1].ends_hunt(480) && !routes[1].ends_hunt(503));
    assert_eq!(routes[1].timeout, Duration::from_secs(5));
    assert_eq!(routes[1].no_answer_timeout, Duration::from_secs(180));
}

#[test]
fn nothing_may_be_called_and_nobody_may_call_until_it_is_listed() {
    let fresh = Termination::default();
    assert!(!fresh.allows_region(Some("US")));
    assert!(!fresh.allows_region(None));
    assert!(!fresh.allows_source(ip("127.0.0.1")));
    assert_eq!((fresh.cps_limit, fresh.concurrent_calls_limit), (1, 10_000));
    let open = Termination {
        calling_regions: vec!["US"],
        cidr_allowed_list: vec!["127.0.0.0/8".parse().unwrap()],
        ..fresh
    };
    assert!(open.allows_region(Some("US")));
    assert!(!open.allows_region(Some("CA")));
    assert!(!open.allows_region(None));
    assert!(open.allows_source(ip("::ffff:127.0.0.1")));
    assert!(!open.allows_source(ip("128.0.0.0")));
}

#[test]
fn credentials_do_not_print_their_password() {
    let credential = crate::Credential { username: "pbx".into(), password: "hunter2".into() };
    let printed = format!("{credential:?}");
    assert!(printed.contains("pbx") && !printed.contains("hunter2"), "{printed}");
}

#[test]
fn hosts_are_addresses_or_names() {
    for (text, printed) in [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("SIP.Example.COM.", "sip.example.com"),
        ("localhost", "localhost"),
    ] {
        assert_eq!(Host::parse(text).unwrap().to_string(), printed);
    }
    let long_label = format!("{}.com", "a".repeat(64));
    for wrong in
        ["", ".", "192.0.2", "1.2.3.4.5", "a..b", "-a.com", "a-.com", "a b", "[::1", &long_label]
    {
        assert!(Host::parse(wrong).is_err(), "{wrong:?}");
    }
    assert!(Host::parse(&format!("{}.com", "a".repeat(63))).is_ok());
}

#[test]
fn a_declared_number_stands_before_the_table_and_only_the_table_changes() {
    let mut table = NumberTable::default();
    let to = |id: &str| NumberOwner::Connector(VoiceConnectorId::new(id).unwrap());
    for (number, owner) in [
        ("+12065550100", to(SECOND)),
        ("+12065550103", to(SECOND)),
        ("+12065550102", to(SECOND)),
        ("+12065550104", NumberOwner::Group("hq".into())),
        ("+12065550105", NumberOwner::Group("gone".into())),
    ] {
        let calling_name = Some("Front desk".into());
        assert!(table.set(number, Some(NumberEntry { owner, calling_name })));
    }
    let first = connector(FIRST, &[], &["+12065550100"]);
    let second = connector(SECOND, &[], &[]);
    let members = vec![GroupMember { voice_connector: first.id.clone(), priority: 1 }];
    let group =
        VoiceConnectorGroup { id: "hq".into(), name: "hq".into(), members, numbers: Vec::new() };
    let without = Snapshot::build(Resources {
        domain: "tandem.localhost".to_owned(),
        voice_connectors: vec![first.clone(), second.clone()],
        groups: vec![group],
        ..Resources::default()
    })
    .unwrap();
    let with = without.with_numbers(table);
    assert!(with.shares_resources(&without));
    let reached = |snapshot: &Snapshot, number: &str| -> Vec<String> {
        let found = snapshot.voice_connectors_by_number(number);
        found.iter().map(|each| each.id.to_string()).collect()
    };
    for (number, owner) in [
        ("+12065550100", vec![FIRST]),
        ("+12065550102", vec![SECOND]),
        ("+12065550104", vec![FIRST]),
        ("+12065550105", vec![]),
        ("+12065550199", vec![]),
    ] {
        assert_eq!(reached(&with, number), owner, "{number}");
    }
    assert!(reached(&without, "+12065550102").is_empty());
    assert!(
        with.is_number_of(&first, "+12065550100") && !with.is_number_of(&second, "+12065550100")
    );
    assert!(!with.is_number_of(&first, "+12065550104"), "a group's is nobody's own");
    assert_eq!(with.first_number_of(&first).as_deref(), Some("+12065550100"));
    assert_eq!(with.first_number_of(&second).as_deref(), Some("+12065550102"));
    assert_eq!(with.calling_name("+12065550100"), None);
    assert_eq!(with.calling_name("+12065550102").map(|name| &**name), Some("Front desk"));
}

#[test]
fn one_voice_connector_is_put_in_anothers_place() {
    let numbers = &["+12065550100"][..];
    let first = connector(FIRST, &["192.0.2.0/24"], numbers);
    let second = connector(SECOND, &["198.51.100.0/24"], &[]);
    let before = snapshot(vec![carrier("pstn", &["+"], 1, 1)], vec![first, second]);
    let next = |connector| before.with_connector(connector).map(|next| next.map(|_| ()));
    // It would be another one for numbers that lead to it.
    assert_eq!(next(connector(FIRST, &[], &[])), Ok(None));
    assert_eq!(next(connector("aaaaaa1ghij2klmno3pqr", &[], &[])), Ok(None));
    let mut wrong = connector(SECOND, &["192.0.2.1/24"], &[]);
    wrong.streaming.carriers = vec![CarrierId::new("nobody").unwrap()].into();
    let problems = next(wrong).unwrap_err();
    let paths: Vec<_> = problems.iter().map(|problem| &*problem.path).collect();
    assert_eq!(
        paths,
        [
            "voice_connector[1].termination.cidr_allowed_list[0]",
            "voice_connector[1].streaming.carriers[0]"
        ]
    );
    let mut moved = connector(FIRST, &["203.0.113.0/24"], numbers);
    moved.origination.routes = vec![OriginationRoute::new(Host::parse("192.0.2.9").unwrap())];
    let after = before.with_connector(moved).unwrap().unwrap();
    assert!(after.shares_ids(&before) && !after.shares_resources(&before));
    assert_eq!(ids(after.voice_connectors_by_source(ip("203.0.113.1"))), [FIRST]);
    assert!(ids(after.voice_connectors_by_source(ip("192.0.2.1"))).is_empty());
    assert_eq!(ids(before.voice_connectors_by_source(ip("192.0.2.1"))), [FIRST]);
    assert_eq!((before.targets().count(), after.targets().count()), (1, 2));
    let owner = after.voice_connector_by_number("+12065550100").unwrap();
    assert_eq!(after.inbound_routes(owner, &mut stepping_draw()).len(), 1);
    // Its networks stayed: the next one shares their index.
    let again =
        after.with_connector(connector(SECOND, &["198.51.100.0/24"], &[])).unwrap().unwrap();
    assert_eq!(ids(again.voice_connectors_by_source(ip("203.0.113.1"))), [FIRST]);
}
