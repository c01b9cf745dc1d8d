use super::*;
use crate::random::StepRandom;
use model::TransportProtocol::{Tcp, Tls, Udp};

const LATER: Instant = Instant::from_millis(60_000);

fn all() -> Abilities {
    Abilities::new([Udp, Tcp, Tls].into_iter().flat_map(|t| [(t, IpFamily::V4), (t, IpFamily::V6)]))
}

fn v4(transports: &[TransportProtocol]) -> Abilities {
    Abilities::new(transports.iter().map(|t| (*t, IpFamily::V4)))
}

fn wanted(uri: &str) -> Wanted {
    let (scheme, rest) = uri.split_once(':').unwrap();
    let (rest, transport) = match rest.split_once(";transport=") {
        Some((rest, transport)) => (rest, TransportProtocol::parse(transport)),
        None => (rest, None),
    };
    let (host, port) = match rest.rsplit_once('#') {
        Some((host, port)) => (host, Some(port.parse().unwrap())),
        None => (rest, None),
    };
    Wanted { host: host.into(), port, transport, secure: scheme == "sips" }
}

/// A zone as text: one record a line, with its time to live in seconds from the start.
struct Zone(&'static str);

impl Zone {
    fn answer(&self, question: &Question) -> Answer {
        let mut until = LATER;
        let mut records = Vec::new();
        for line in self.0.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, ttl, kind, data @ ..] = words.as_slice() else { continue };
            let of_kind = match question.kind {
                RecordKind::Naptr => "NAPTR",
                RecordKind::Srv => "SRV",
                RecordKind::A => "A",
                RecordKind::Aaaa => "AAAA",
            };
            if **name != *question.name || *kind != of_kind {
                continue;
            }
            if *ttl == "FAIL" {
                return Answer::Failed;
            }
            let number = |at: usize| data[at].parse().unwrap();
            until = until.min(Instant::from_millis(ttl.parse::<u64>().unwrap() * 1000));
            records.push(match question.kind {
                RecordKind::Naptr => Record::Naptr(Naptr {
                    order: number(0),
                    preference: number(1),
                    flags: data[2].into(),
                    service: data[3].into(),
                    replacement: data[4].into(),
                }),
                RecordKind::Srv => Record::Srv(Srv {
                    priority: number(0),
                    weight: number(1),
                    port: number(2),
                    target: data[3].into(),
                }),
                RecordKind::A | RecordKind::Aaaa => Record::Address(data[0].parse().unwrap()),
            });
        }
        Answer::Records(records.into(), until)
    }
}

struct Run {
    asked: Vec<String>,
    outcome: Result<Vec<Target>, LocateFailure>,
}

fn run(uri: &str, abilities: Abilities, zone: &'static str) -> Run {
    let mut random = StepRandom::new(0);
    let mut locate = Locate::new(wanted(uri), abilities);
    let mut asked = Vec::new();
    while let Some(question) = locate.poll_question() {
        assert_eq!(locate.outcome(), None, "nothing is asked after the outcome");
        asked.push(format!("{:?} {}", question.kind, question.name));
        locate.handle_answer(&question, &Zone(zone).answer(&question), &mut random);
    }
    let outcome = locate.outcome().expect("every question was answered");
    Run { asked, outcome: outcome.map(<[Target]>::to_vec) }
}

impl Run {
    fn targets(&self) -> Vec<String> {
        let targets = self.outcome.as_ref().expect("targets");
        targets.iter().map(|t| format!("{} {}", t.transport, t.address)).collect()
    }
}

#[test]
fn a_numeric_host_needs_no_question() {
    for (uri, target) in [
        ("sip:192.0.2.1", "udp 192.0.2.1:5060"),
        ("sip:192.0.2.1#5080", "udp 192.0.2.1:5080"),
        ("sip:192.0.2.1;transport=tcp", "tcp 192.0.2.1:5060"),
        ("sips:192.0.2.1", "tls 192.0.2.1:5061"),
        ("sips:192.0.2.1;transport=tcp", "tls 192.0.2.1:5061"),
        ("sip:[2001:db8::1]", "udp [2001:db8::1]:5060"),
        ("sip:2001:db8::1", "udp [2001:db8::1]:5060"),
    ] {
        let run = run(uri, all(), "");
        assert!(run.asked.is_empty(), "{uri}");
        assert_eq!(run.targets(), [target], "{uri}");
        let targets = run.outcome.unwrap();
        assert_eq!((targets[0].tls_name.as_ref(), targets[0].until), (None, None));
    }
}

#[test]
fn what_cannot_be_is_refused_without_a_question() {
    for (uri, abilities, failure) in [
        ("sips:example.com;transport=udp", all(), LocateFailure::NoTransport),
        ("sip:example.com;transport=tls", v4(&[Udp]), LocateFailure::NoTransport),
        ("sips:192.0.2.1", v4(&[Udp, Tcp]), LocateFailure::NoTransport),
        ("sip:[2001:db8::1]", v4(&[Udp]), LocateFailure::NoAddress),
        ("sip:a..example", all(), LocateFailure::NotAHost),
        ("sip:", all(), LocateFailure::NotAHost),
        ("sip:two words", all(), LocateFailure::NotAHost),
    ] {
        let run = run(uri, abilities, "");
        assert_eq!(run.outcome, Err(failure), "{uri}");
        assert!(run.asked.is_empty(), "{uri}");
    }
}

#[test]
fn a_port_asks_for_addresses_only_and_its_transport_is_the_default() {
    let zone = "sip.example.com 30 A 192.0.2.7\nsip.example.com 20 AAAA 2001:db8::7";
    let found = run("sip:SIP.Example.com#5080", all(), zone);
    assert_eq!(found.asked, ["Aaaa sip.example.com", "A sip.example.com"]);
    assert_eq!(found.targets(), ["udp [2001:db8::7]:5080", "udp 192.0.2.7:5080"]);
    let targets = found.outcome.unwrap();
    assert_eq!(targets[0].until, Some(Instant::from_millis(20_000)), "the first that grows stale");

    let found = run("sips:sip.example.com#5080", all(), zone);
    assert_eq!(found.targets(), ["tls [2001:db8::7]:5080", "tls 192.0.2.7:5080"]);
    assert_eq!(found.outcome.unwrap()[1].tls_name.as_deref(), Some("sip.example.com"));
}

/// RFC 3263 section 4.1's own example.
const RFC: &str = "\
    example.com 60 NAPTR 50 50 s SIPS+D2T _sips._tcp.example.com\n\
    example.com 60 NAPTR 90 50 s SIP+D2T _sip._tcp.example.com\n\
    example.com 60 NAPTR 100 50 s SIP+D2U _sip._udp.example.com\n\
    _sips._tcp.example.com 60 SRV 0 1 5061 server1.example.com\n\
    _sip._tcp.example.com 60 SRV 0 1 5060 server1.example.com\n\
    _sip._tcp.example.com 60 SRV 1 2 5070 server2.example.com\n\
    _sip._udp.example.com 60 SRV 0 1 5062 server2.example.com\n\
    server1.example.com 9 A 192.0.2.1\n\
    server2.example.com 60 A 192.0.2.2";

#[test]
fn the_domain_orders_transports_by_naptr() {
    let found = run("sip:example.com", v4(&[Udp, Tcp]), RFC);
    assert_eq!(
        found.asked,
        [
            "Naptr example.com",
            "Srv _sip._tcp.example.com",
            "Srv _sip._udp.example.com",
            "A server1.example.com",
            "A server2.example.com"
        ]
    );
    assert_eq!(found.targets(), ["tcp 192.0.2.1:5060", "tcp 192.0.2.2:5070", "udp 192.0.2.2:5062"]);
    let until: Vec<u64> =
        found.outcome.unwrap().iter().map(|t| t.until.unwrap().as_millis()).collect();
    assert_eq!(until, [9_000, 60_000, 60_000], "one host's time to live is not another's");
}

#[test]
fn sips_takes_only_what_is_secure_and_keeps_the_first_name() {
    let found = run("sips:Example.com", v4(&[Udp, Tcp, Tls]), RFC);
    assert_eq!(found.targets(), ["tls 192.0.2.1:5061"]);
    assert_eq!(found.outcome.unwrap()[0].tls_name.as_deref(), Some("example.com"));
    // A NAPTR that replaces the domain does not replace the name that is expected.
    let zone = "example.com 60 NAPTR 1 1 S sips+d2t _sips._tcp.provider.example\n\
        _sips._tcp.provider.example 60 SRV 0 0 5061 a.provider.example\n\
        a.provider.example 60 A 192.0.2.3";
    let found = run("sip:example.com", v4(&[Tls]), zone);
    assert_eq!(found.outcome.unwrap()[0].tls_name.as_deref(), Some("example.com"));
}

#[test]
fn records_that_cannot_be_used_are_passed_over() {
    let zone = "\
        example.com 60 NAPTR 1 1 u E2U+sip bad.example\n\
        example.com 60 NAPTR 1 2 a SIP+D2U bad.example\n\
        example.com 60 NAPTR 1 3 s SIP+D2S _sip._sctp.example.com\n\
        example.com 60 NAPTR 1 4 s SIP+D2U .\n\
        example.com 60 NAPTR 2 5 s SIP+D2U _sip._udp.example.com\n\
        _sip._udp.example.com 60 SRV 0 0 0 zero.example.com\n\
        _sip._udp.example.com 60 SRV 0 0 5060 192.0.2.66\n\
        _sip._udp.example.com 60 SRV 1 0 5060 good.example.com\n\
        good.example.com 60 A 0.0.0.0\n\
        good.example.com 60 A 224.0.0.1\n\
        good.example.com 60 A 255.255.255.255\n\
        good.example.com 60 A 192.0.2.4";
    assert_eq!(run("sip:example.com", v4(&[Udp]), zone).targets(), ["udp 192.0.2.4:5060"]);
}

#[test]
fn without_naptr_each_of_our_transports_is_asked_for() {
    let zone = "\
        _sip._tcp.example.com 60 SRV 0 0 5065 a.example.com\n\
        _sip._udp.example.com 60 SRV 0 0 5066 a.example.com\n\
        a.example.com 60 A 192.0.2.1";
    let found = run("sip:example.com", v4(&[Udp, Tcp]), zone);
    assert_eq!(
        found.asked[1..],
        ["Srv _sip._udp.example.com", "Srv _sip._tcp.example.com", "A a.example.com"]
    );
    assert_eq!(found.targets(), ["udp 192.0.2.1:5066", "tcp 192.0.2.1:5065"], "our order");
    let found = run("sip:example.com;transport=tcp", v4(&[Udp, Tcp]), zone);
    assert_eq!(found.asked, ["Srv _sip._tcp.example.com", "A a.example.com"]);
    assert_eq!(found.targets(), ["tcp 192.0.2.1:5065"]);
    let found = run("sips:example.com", v4(&[Udp, Tcp, Tls]), zone);
    assert_eq!(found.asked[1], "Srv _sips._tcp.example.com");
    assert_eq!(found.outcome, Err(LocateFailure::NoAddress), "sips does not fall back to plain");
}

#[test]
fn without_srv_the_domain_s_own_addresses_are_taken() {
    let zone = "example.com 60 A 192.0.2.1";
    for (uri, abilities, target) in [
        ("sip:example.com", v4(&[Tcp, Udp]), "udp 192.0.2.1:5060"),
        ("sip:example.com", v4(&[Tcp]), "tcp 192.0.2.1:5060"),
        ("sip:example.com;transport=tcp", v4(&[Tcp, Udp]), "tcp 192.0.2.1:5060"),
        ("sips:example.com", v4(&[Tcp, Tls]), "tls 192.0.2.1:5061"),
    ] {
        assert_eq!(run(uri, abilities, zone).targets(), [target], "{uri}");
    }
    // A DNS that is silent about NAPTR and SRV is no reason to send nothing.
    let zone = "example.com FAIL NAPTR\n_sip._udp.example.com FAIL SRV\nexample.com 60 A 192.0.2.1";
    assert_eq!(run("sip:example.com", v4(&[Udp]), zone).targets(), ["udp 192.0.2.1:5060"]);
    // What NAPTR named is not replaced by something weaker.
    let zone = "example.com 60 NAPTR 1 1 s SIPS+D2T _sips._tcp.example.com\n\
        example.com 60 A 192.0.2.1";
    assert_eq!(run("sip:example.com", v4(&[Udp, Tls]), zone).targets(), ["tls 192.0.2.1:5061"]);
}

#[test]
fn a_target_of_the_root_declines_the_service() {
    let zone = "_sip._udp.example.com 60 SRV 0 0 0 .\nexample.com 60 A 192.0.2.1";
    let declined = Err(LocateFailure::Declined);
    assert_eq!(run("sip:example.com;transport=udp", v4(&[Udp]), zone).outcome, declined);
    assert_eq!(run("sip:example.com", v4(&[Udp]), zone).outcome, declined);
    assert_eq!(run("sip:example.com", v4(&[Udp, Tcp]), zone).targets(), ["tcp 192.0.2.1:5060"]);
}

#[test]
fn nothing_found_and_nothing_heard_are_told_apart() {
    assert_eq!(run("sip:example.com", all(), "").outcome, Err(LocateFailure::NoAddress));
    let silent = "example.com FAIL A\nexample.com FAIL AAAA";
    assert_eq!(run("sip:example.com", all(), silent).outcome, Err(LocateFailure::Unanswered));
    let half = "example.com FAIL AAAA\nexample.com 5 A 192.0.2.1";
    assert_eq!(run("sip:example.com", all(), half).targets(), ["udp 192.0.2.1:5060"]);
}

#[test]
fn a_family_that_we_lack_is_not_asked_for_and_families_take_turns() {
    let zone = "\
        a.example 60 A 192.0.2.1\na.example 60 A 192.0.2.2\na.example 60 A 192.0.2.3\n\
        a.example 60 AAAA 2001:db8::1";
    assert_eq!(run("sip:a.example#5060", v4(&[Udp]), zone).asked, ["A a.example"]);
    assert_eq!(
        run("sip:a.example#5060", all(), zone).targets(),
        [
            "udp [2001:db8::1]:5060",
            "udp 192.0.2.1:5060",
            "udp 192.0.2.2:5060",
            "udp 192.0.2.3:5060"
        ]
    );
    // IPv6 over TCP, IPv4 over UDP: a target needs both its transport and its family.
    let odd = Abilities::new([(Udp, IpFamily::V4), (Tcp, IpFamily::V6)]);
    assert_eq!(run("sip:a.example;transport=tcp", odd, zone).targets(), ["tcp [2001:db8::1]:5060"]);
}

#[test]
fn a_long_name_that_takes_no_prefix_is_asked_for_addresses() {
    let name: &'static str = Box::leak([vec!["a"; 125].join("."), "bcd".into()].join(".").into());
    let uri: &'static str = Box::leak(["sip:", name].concat().into());
    let found = run(uri, v4(&[Udp]), "");
    assert_eq!(found.asked, [format!("Naptr {name}"), format!("A {name}")]);
}

#[test]
fn an_answer_that_nobody_awaits_changes_nothing() {
    let mut random = StepRandom::new(0);
    let mut locate = Locate::new(wanted("sip:a.example#5060"), v4(&[Udp]));
    let question = locate.poll_question().unwrap();
    let address = |ip: &str| Answer::Records([Record::Address(ip.parse().unwrap())].into(), LATER);
    for (name, kind) in [
        ("b.example", RecordKind::A),
        ("a.example", RecordKind::Aaaa),
        ("a.example", RecordKind::Srv),
    ] {
        let other = Question { name: name.into(), kind };
        locate.handle_answer(&other, &address("192.0.2.66"), &mut random);
        assert_eq!(locate.outcome(), None);
    }
    locate.handle_answer(&question, &address("192.0.2.1"), &mut random);
    locate.handle_answer(&question, &address("192.0.2.66"), &mut random);
    let targets = locate.outcome().unwrap().unwrap();
    assert_eq!(targets.len(), 1);
    assert_eq!(targets[0].address, "192.0.2.1:5060".parse().unwrap());
}
