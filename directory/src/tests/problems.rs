//! Every rule about resources, from both sides.

use crate::{
    Carrier, Host, NumberPool, NumberRange, OriginationRoute, Problem, Resources, Snapshot,
    Streaming, Termination, VoiceConnector,
};
use model::{CarrierId, VoiceConnectorId};
use std::time::Duration;

fn carrier() -> Carrier {
    Carrier::new(CarrierId::new("pstn-1").unwrap(), Host::parse("192.0.2.1").unwrap())
}

fn connector() -> VoiceConnector {
    VoiceConnector::new(VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap())
}

fn terminating(termination: Termination) -> VoiceConnector {
    VoiceConnector { termination: Some(termination), ..connector() }
}

fn problems(carriers: Vec<Carrier>, voice_connectors: Vec<VoiceConnector>) -> Vec<Problem> {
    let domain = "tandem.localhost".to_owned();
    match Snapshot::build(Resources { domain, carriers, voice_connectors, ..Resources::default() })
    {
        Ok(_) => Vec::new(),
        Err(problems) => problems,
    }
}

#[track_caller]
fn one(problems: &[Problem], path: &str, word: &str) {
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].path, path);
    assert!(problems[0].message.contains(word), "{}", problems[0]);
}

#[test]
fn priorities_and_weights_are_1_to_100() {
    for value in [1, 100] {
        let carrier = Carrier { priority: value, weight: value, ..carrier() };
        assert!(problems(vec![carrier], vec![]).is_empty());
    }
    for value in [0, 101] {
        let priority = Carrier { priority: value, ..carrier() };
        one(&problems(vec![priority], vec![]), "carrier[0].priority", "use 1 to 100");
        let weight = Carrier { weight: value, ..carrier() };
        one(&problems(vec![weight], vec![]), "carrier[0].weight", "use 1 to 100");
        let mut vc = connector();
        let host = Host::parse("pbx.example.com").unwrap();
        vc.origination.routes =
            vec![OriginationRoute { weight: value, ..OriginationRoute::new(host) }];
        let path = "voice_connector[0].origination[0].weight";
        one(&problems(vec![], vec![vc]), path, "use 1 to 100");
    }
}

#[test]
fn rates_and_call_counts_have_limits() {
    for cps_limit in [1, 100_000] {
        let vc = terminating(Termination { cps_limit, ..Termination::default() });
        assert!(problems(vec![], vec![vc]).is_empty());
    }
    for cps_limit in [0, 100_001] {
        let vc = terminating(Termination { cps_limit, ..Termination::default() });
        let path = "voice_connector[0].termination.cps_limit";
        one(&problems(vec![], vec![vc]), path, "use 1 to 100000");
    }
    for concurrent_calls_limit in [0, 1_000_001] {
        let vc = terminating(Termination { concurrent_calls_limit, ..Termination::default() });
        let path = "voice_connector[0].termination.concurrent_calls_limit";
        one(&problems(vec![], vec![vc]), path, "use 1 to 1000000");
    }
}

#[test]
fn timeouts_and_final_codes_have_limits() {
    for millis in [500, 32_000] {
        let no_response_timeout = Duration::from_millis(millis);
        assert!(problems(vec![Carrier { no_response_timeout, ..carrier() }], vec![]).is_empty());
    }
    for millis in [499, 32_001] {
        let no_response_timeout = Duration::from_millis(millis);
        let found = problems(vec![Carrier { no_response_timeout, ..carrier() }], vec![]);
        one(&found, "carrier[0].no_response_timeout", "use 500ms to 32s");
    }
    for secs in [5, 600] {
        let no_answer_timeout = Duration::from_secs(secs);
        assert!(
            problems(vec![], vec![VoiceConnector { no_answer_timeout, ..connector() }]).is_empty()
        );
    }
    for secs in [4, 601] {
        let no_answer_timeout = Duration::from_secs(secs);
        let found = problems(vec![], vec![VoiceConnector { no_answer_timeout, ..connector() }]);
        one(&found, "voice_connector[0].no_answer_timeout", "use 5s to 600s");
    }
    let with = |codes: &[u16]| VoiceConnector { hunt_final_codes: codes.into(), ..connector() };
    assert!(problems(vec![], vec![with(&[400, 699])]).is_empty());
    assert!(problems(vec![], vec![with(&[])]).is_empty());
    for code in [399, 700] {
        let path = "voice_connector[0].hunt_final_codes[1]";
        one(&problems(vec![], vec![with(&[486, code])]), path, "use 400 to 699");
    }
}

#[test]
fn prefixes_are_plus_and_up_to_15_digits() {
    let with = |prefix: &str| Carrier { prefixes: vec![prefix.into()], ..carrier() };
    for fine in ["+", "+1", "+1206", "+123456789012345"] {
        assert!(problems(vec![with(fine)], vec![]).is_empty(), "{fine}");
    }
    for wrong in ["", "1", "+1234567890123456", "+1a", "+0", "+1 206", "++"] {
        one(&problems(vec![with(wrong)], vec![]), "carrier[0].prefixes[0]", "not a number prefix");
    }
    let twice = Carrier { prefixes: vec!["+1".into(), "+1".into()], ..carrier() };
    one(&problems(vec![twice], vec![]), "carrier[0].prefixes[1]", "listed twice");
}

#[test]
fn identities_and_numbers_are_unique() {
    let found = problems(vec![carrier(), carrier()], vec![connector(), connector()]);
    let places: Vec<_> =
        found.iter().map(|p| (p.path.as_str(), p.conflicts_with.as_deref().unwrap())).collect();
    assert_eq!(
        places,
        [("carrier[1].id", "carrier[0].id"), ("voice_connector[1].id", "voice_connector[0].id"),]
    );
    let mut second = VoiceConnector::new(VoiceConnectorId::new("zzzzzz1ghij2klmno3pqr4").unwrap());
    second.numbers = vec!["+12065550101".into(), "+12065550100".into()];
    let first = VoiceConnector { numbers: vec!["+12065550100".into()], ..connector() };
    let found = problems(vec![], vec![first, second]);
    one(&found, "voice_connector[1].numbers[1]", "reaches one voice connector");
    assert_eq!(found[0].conflicts_with.as_deref(), Some("voice_connector[0].numbers[0]"));
}

#[test]
fn numbers_are_e164() {
    let with = |number: &str| VoiceConnector { numbers: vec![number.into()], ..connector() };
    assert!(problems(vec![], vec![with("+12065550100")]).is_empty());
    for wrong in ["12065550100", "+120655", "+1234567890123456", "+1-206-555-0100"] {
        let path = "voice_connector[0].numbers[0]";
        one(&problems(vec![], vec![with(wrong)]), path, "not an E.164 number");
    }
}

#[test]
fn carriers_may_not_share_a_network_of_equal_length() {
    let with = |id: &str, net: &str| Carrier {
        inbound_cidrs: vec![net.parse().unwrap()],
        ..Carrier::new(CarrierId::new(id).unwrap(), Host::parse("192.0.2.1").unwrap())
    };
    let nested = vec![with("a", "10.0.0.0/8"), with("b", "10.0.0.0/9")];
    assert!(problems(nested, vec![]).is_empty());
    let same = vec![with("a", "10.0.0.0/8"), with("b", "10.0.0.0/8")];
    one(&problems(same, vec![]), "carrier[1].inbound_cidrs[0]", "cannot be told apart");
}

#[test]
fn a_connector_may_be_inside_a_carriers_network() {
    let carrier = Carrier { inbound_cidrs: vec!["10.0.0.0/8".parse().unwrap()], ..carrier() };
    let vc = terminating(Termination {
        cidr_allowed_list: vec!["10.0.0.0/8".parse().unwrap()],
        ..Termination::default()
    });
    assert!(problems(vec![carrier], vec![vc]).is_empty());
}

#[test]
fn networks_are_written_as_networks() {
    let with = |net: &str| {
        terminating(Termination {
            cidr_allowed_list: vec!["192.0.2.0/24".parse().unwrap(), net.parse().unwrap()],
            ..Termination::default()
        })
    };
    let path = "voice_connector[0].termination.cidr_allowed_list[1]";
    assert!(problems(vec![], vec![with("10.0.0.0/24")]).is_empty());
    one(&problems(vec![], vec![with("10.0.0.1/24")]), path, "write 10.0.0.0/24");
    one(&problems(vec![], vec![with("::ffff:10.0.0.0/120")]), path, "write it as IPv4");
    one(&problems(vec![], vec![with("192.0.2.0/24")]), path, "listed twice");
}

#[test]
fn ports_retention_routes_and_the_domain_are_checked() {
    let zero = Carrier { port: Some(0), ..carrier() };
    one(&problems(vec![zero], vec![]), "carrier[0].port", "port 0");
    let mut vc = connector();
    vc.streaming.retention_hours = 87_601;
    let path = "voice_connector[0].streaming.retention_hours";
    one(&problems(vec![], vec![vc]), path, "use 0 to 87600");
    let streaming = |change: fn(&mut Streaming)| {
        let mut vc = connector();
        change(&mut vc.streaming);
        problems(vec![], vec![vc])
    };
    let path = |key| format!("voice_connector[0].streaming.{key}");
    one(&streaming(|of| of.sample_rate = 44_100), &path("sample_rate"), "use 8000 or 16000");
    one(&streaming(|of| of.numbers = ["1206".into()].into()), &path("numbers[0]"), "prefix");
    let wide = streaming(|of| (of.sample_rate, of.mu_law) = (16_000, true));
    one(&wide, &path("mu_law"), "sample_rate = 8000");
    let deaf = streaming(|of| (of.enabled, of.kinesis_video) = (true, false));
    one(&deaf, &path("kinesis_video"), "nobody would listen");
    assert!(streaming(|of| of.kinesis_video = false).is_empty());
    assert!(streaming(|of| (of.enabled, of.sample_rate) = (true, 16_000)).is_empty());

    let route = || OriginationRoute::new(Host::parse("192.0.2.9").unwrap());
    let mut vc = connector();
    vc.origination.routes = (0..20).map(|_| route()).collect();
    assert!(problems(vec![], vec![vc.clone()]).is_empty());
    vc.origination.routes.push(route());
    one(&problems(vec![], vec![vc]), "voice_connector[0].origination", "at most 20");

    for domain in ["", "not a domain", "192.0.2.1", "a..b"] {
        let resources = Resources { domain: domain.to_owned(), ..Resources::default() };
        one(&Snapshot::build(resources).unwrap_err(), "sip.domain", "not a domain name");
    }
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let bad = Carrier { priority: 0, weight: 0, port: Some(0), ..carrier() };
    let vc = VoiceConnector { numbers: vec!["x".into(), "y".into()], ..connector() };
    assert_eq!(problems(vec![bad], vec![vc]).len(), 5);
}

#[test]
fn a_number_is_in_one_pool() {
    let pool = |country: &str, numbers: &[&str]| NumberPool {
        ranges: numbers.iter().map(|text| NumberRange::parse(text).unwrap()).collect(),
        country: country.into(),
        is_toll_free: false,
        city: None,
        state: None,
    };
    let problems = |number_pools: Vec<NumberPool>| {
        let domain = "tandem.localhost".to_owned();
        Snapshot::build(Resources { domain, number_pools, ..Resources::default() })
            .err()
            .unwrap_or_default()
    };
    let first = "+12065550100-+12065550199";
    let second = ["+12065550200", "+12065550099"];
    assert_eq!(problems(vec![pool("US", &[first]), pool("US", &second)]), []);
    let second = ["+12065550200", "+12065550199"];
    let found = problems(vec![pool("US", &[first]), pool("US", &second)]);
    one(&found, "phone_number_pool[1].numbers[1]", "phone_number_pool[0].numbers[0]");
    one(&problems(vec![pool("us", &[first])]), "phone_number_pool[0].country", "capitals");
    one(&problems(vec![pool("US", &[])]), "phone_number_pool[0].numbers", "no numbers");
}
