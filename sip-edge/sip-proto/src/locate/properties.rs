//! Whatever the DNS says, the search ends, within its bounds, and sends nothing where it must not.

use super::srv::rank;
use super::*;
use crate::random::Random;
use proptest::prelude::*;
use std::collections::HashSet;

struct Numbers(u64);

impl Random for Numbers {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn name() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![
        4 => (0..30u8).prop_map(|n| format!("h{n}.example")),
        1 => Just("example.com".to_owned()),
        1 => Just("_sip._udp.example.com".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just("192.0.2.1".to_owned()),
        1 => ".{0,20}",
    ]
    .prop_map(Into::into)
}

fn record() -> impl Strategy<Value = Record> {
    let text = |choices: &'static [&'static str]| prop::sample::select(choices);
    let service = text(&["SIP+D2U", "sip+d2t", "SIPS+D2T", "SIP+D2S", ""]);
    prop_oneof![
        (0..4u16, 0..4u16, text(&["s", "S", "a", "u", ""]), service, name()).prop_map(
            |(order, preference, flags, service, replacement)| Record::Naptr(Naptr {
                order,
                preference,
                flags: flags.into(),
                service: service.into(),
                replacement
            })
        ),
        (0..3u16, any::<u16>(), any::<u16>(), name()).prop_map(
            |(priority, weight, port, target)| Record::Srv(Srv { priority, weight, port, target })
        ),
        any::<[u8; 4]>().prop_map(|ip| Record::Address(ip.into())),
        any::<[u8; 16]>().prop_map(|ip| Record::Address(ip.into())),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        1 => Just(Answer::Failed),
        6 => (prop::collection::vec(record(), 0..60), 0..100_000u64)
            .prop_map(|(records, at)| Answer::Records(records.into(), Instant::from_millis(at))),
    ]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let transport = prop::sample::select(
        &[
            None,
            Some(TransportProtocol::Udp),
            Some(TransportProtocol::Tcp),
            Some(TransportProtocol::Tls),
        ][..],
    );
    (name(), prop::option::of(1..u16::MAX), transport, any::<bool>())
        .prop_map(|(host, port, transport, secure)| Wanted { host, port, transport, secure })
}

fn abilities() -> impl Strategy<Value = Abilities> {
    let transport = prop::sample::select(
        &[TransportProtocol::Udp, TransportProtocol::Tcp, TransportProtocol::Tls][..],
    );
    let family = prop::sample::select(&[IpFamily::V4, IpFamily::V6][..]);
    prop::collection::vec((transport, family), 0..6).prop_map(Abilities::new)
}

proptest! {
    #[test]
    fn any_answers_lead_to_an_end_within_bounds(
        wanted in wanted(),
        abilities in abilities(),
        answers in prop::collection::vec(answer(), 1..40),
        seed in any::<u64>(),
    ) {
        let mut random = Numbers(seed);
        let mut locate = Locate::new(wanted.clone(), abilities.clone());
        let mut asked = HashSet::new();
        for n in 0.. {
            let Some(question) = locate.poll_question() else { break };
            prop_assert!(asked.insert(question.clone()), "asked twice: {question:?}");
            prop_assert!(is_domain_name(&question.name));
            locate.handle_answer(&question, &answers[n % answers.len()], &mut random);
        }
        prop_assert!(asked.len() <= 1 + MAX_SERVICES + 2 * MAX_HOSTS);
        let outcome = locate.outcome().expect("it ends");
        let Ok(targets) = outcome else { return Ok(()) };
        prop_assert!(!targets.is_empty() && targets.len() <= MAX_TARGETS);
        let mut seen = HashSet::new();
        for target in targets {
            prop_assert!(seen.insert((target.address, target.transport)), "twice");
            prop_assert!(abilities.reach(target.transport, IpFamily::of(&target.address)));
            prop_assert!(!wanted.secure || target.transport == TransportProtocol::Tls);
            prop_assert!(target.address.port() != 0);
            if let Some(port) = wanted.port {
                prop_assert_eq!(target.address.port(), port);
            }
            if let Some(transport) = wanted.transport.filter(|_| !wanted.secure) {
                prop_assert_eq!(target.transport, transport);
            }
            let named = target.until.is_some() && target.transport == TransportProtocol::Tls;
            prop_assert_eq!(target.tls_name.is_some(), named);
        }
    }

    #[test]
    fn ranking_keeps_every_record_and_never_prefers_a_worse_priority(
        records in prop::collection::vec((0..4u16, any::<u16>()), 0..16),
        seed in any::<u64>(),
    ) {
        let records: Vec<Srv> = records
            .into_iter()
            .zip(1..)
            .map(|((priority, weight), port)| Srv { priority, weight, port, target: "a".into() })
            .collect();
        let ranked = rank(records.clone(), &mut Numbers(seed));
        prop_assert!(ranked.is_sorted_by_key(|record| record.priority));
        let ports: HashSet<u16> = ranked.iter().map(|record| record.port).collect();
        prop_assert_eq!(ports.len(), records.len());
    }
}

#[test]
fn weights_decide_how_often_a_server_comes_first() {
    let srv = |weight, port| Srv { priority: 7, weight, port, target: "a".into() };
    let mut random = Numbers(4711);
    let mut firsts = [0u32; 3];
    for _ in 0..10_000 {
        let ranked = rank(vec![srv(10, 0), srv(30, 1), srv(60, 2)], &mut random);
        firsts[usize::from(ranked[0].port)] += 1;
    }
    for (count, expected) in firsts.into_iter().zip([1_000, 3_000, 6_000]) {
        assert!(count.abs_diff(expected) < 200, "{firsts:?}");
    }
    // RFC 2782: a server of weight 0 beside weighted ones has a very small chance.
    let zero_first =
        (0..10_000).filter(|_| rank(vec![srv(99, 0), srv(0, 1)], &mut random)[0].port == 1).count();
    assert!((50..200).contains(&zero_first), "{zero_first}");
    let among_zeros =
        (0..10_000).filter(|_| rank(vec![srv(0, 0), srv(0, 1)], &mut random)[0].port == 1).count();
    assert!((4_700..5_300).contains(&among_zeros), "{among_zeros}");
}
