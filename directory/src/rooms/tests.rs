use crate::{Resources, Rooms, RuleTrigger, SipRule, Snapshot, VoiceConnector};
use model::{ROOMS, VoiceConnectorId};
use std::net::IpAddr;

fn rooms() -> Rooms {
    Rooms {
        regions: vec!["us-east-1".into(), "Tokyo".into()],
        allow_plain: vec!["192.0.2.0/28".parse().unwrap()],
        numbers: vec!["+12065550777".into()],
        ..Rooms::new("Tandem.Example.")
    }
}

fn resources(rooms: Rooms) -> Resources {
    Resources { domain: "tandem.example".into(), rooms: Some(rooms), ..Resources::default() }
}

fn problems(resources: Resources) -> Vec<String> {
    let problems = Snapshot::build(resources).unwrap_err();
    problems.into_iter().map(|problem| problem.to_string()).collect()
}

#[test]
fn names_lead_to_the_rooms_in_any_case() {
    let snapshot = Snapshot::build(resources(rooms())).unwrap();
    for (host, region) in [
        ("meet.tandem.example", Some(None)),
        ("MEET.tandem.EXAMPLE.", Some(None)),
        ("meet.us-east-1.tandem.example", Some(Some("us-east-1"))),
        ("meet.tokyo.tandem.example", Some(Some("Tokyo"))),
        ("meet.osaka.tandem.example", None),
        ("tandem.example", None),
        ("meet.example", None),
        ("mee", None),
        ("méet.tandem.example", None),
    ] {
        let found = snapshot.rooms_by_host(host);
        let found = found.map(|rooms| rooms.region().map(|region| &**region));
        assert_eq!(found, region, "{host}");
    }
    assert!(
        Snapshot::build(Resources { rooms: None, ..resources(rooms()) })
            .unwrap()
            .rooms_by_host("meet.tandem.example")
            .is_none()
    );
}

#[test]
fn who_may_come_plain_need_not_encrypt_either() {
    let snapshot = Snapshot::build(resources(rooms())).unwrap();
    let reached = snapshot.rooms_by_host("meet.tandem.example").unwrap();
    for (ip, may) in [("192.0.2.15", true), ("::ffff:192.0.2.1", true), ("192.0.2.16", false)] {
        assert_eq!(reached.allows_plain(ip.parse::<IpAddr>().unwrap()), may, "{ip}");
    }
    let [strict, excused] = [false, true].map(|is_excused| reached.target(is_excused));
    assert!(strict.connector.require_encryption && !excused.connector.require_encryption);
    assert_eq!(strict.connector.id, excused.connector.id);
    assert_eq!(&*strict.application.id, ROOMS);
    assert!(snapshot.connector_of_calls(&strict.connector.id).is_some());
    assert!(snapshot.voice_connector(&strict.connector.id).is_none(), "of nobody's list");
}

#[test]
fn numbers_of_rooms_are_declared_and_nobody_elses() {
    let snapshot = Snapshot::build(resources(rooms())).unwrap();
    assert!(snapshot.rooms_by_number("+12065550777").is_some());
    assert!(snapshot.rooms_by_number("+12065550778").is_none());
    assert!(snapshot.declares_number("+12065550777"));
    let mut connector =
        VoiceConnector::new(VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap());
    connector.numbers = vec!["+12065550777".into()];
    let twice = Resources { voice_connectors: vec![connector.clone()], ..resources(rooms()) };
    let found = problems(twice);
    assert!(found[0].starts_with("rooms.numbers[0]: +12065550777 is listed twice"), "{found:?}");
    // What the API made gives way.
    let made = Resources { voice_connectors: vec![connector], ..Resources::default() };
    let (merged, left_out) = resources(rooms()).with_made(made);
    assert_eq!(left_out, ["number +12065550777 of voice connector abcdef1ghij2klmno3pqr4"]);
    assert!(Snapshot::build(merged).is_ok());
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    for (rooms, problem) in [
        (Rooms::new("two words"), "rooms.domain: "),
        (Rooms { regions: vec!["a.b".into()], ..rooms() }, "rooms.regions[0].code: "),
        (Rooms { regions: vec!["A".into(), "a".into()], ..rooms() }, "rooms.regions[1].code: "),
        (
            Rooms { allow_plain: vec!["192.0.2.1/24".parse().unwrap()], ..rooms() },
            "rooms.allow_plain[0]: ",
        ),
        (Rooms { numbers: vec!["911".into()], ..rooms() }, "rooms.numbers[0]: "),
        (Rooms { max_calls: 0, ..rooms() }, "rooms.max_calls: "),
    ] {
        let found = problems(resources(rooms));
        assert!(found.len() == 1 && found[0].starts_with(problem), "{problem} {found:?}");
    }
}

#[test]
fn a_rule_cannot_have_the_rooms_name() {
    let rule = SipRule {
        id: "r".into(),
        name: "r".into(),
        disabled: false,
        trigger: RuleTrigger::RequestUriHostname("Meet.tandem.example.".into()),
        targets: Vec::new(),
    };
    let found = problems(Resources { sip_rules: vec![rule.clone()], ..resources(rooms()) });
    assert!(found.iter().any(|each| each.contains("is a name of the meeting rooms")), "{found:?}");
    let made = Resources { sip_rules: vec![rule], ..Resources::default() };
    assert_eq!(resources(rooms()).with_made(made).1, ["SIP rule r"]);
}
