//! Whose a name is, and the keys that are kept under it.

use super::{Pair, edge_config, owner, seal};
use crate::message::{EdgeHello, Greeting, Purpose};
use crate::relays::Relays;
use crate::seal::SealKey;
use crate::tls::PeerName;
use std::time::Duration;

fn hello(incarnation: u64, purpose: Purpose) -> EdgeHello {
    EdgeHello {
        node: "edge-1".to_owned(),
        incarnation,
        received: 0,
        relay: 0,
        purpose,
        seal: seal(incarnation),
    }
}

fn ask(pair: &mut Pair, incarnation: u64) -> Vec<SealKey> {
    let asked = hello(incarnation, Purpose::Ask);
    match pair.relay.greet(pair.now, 50, owner(), asked) {
        (Greeting::Welcome(welcome), None) => welcome.seals,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_belongs_to_the_certificate_that_used_it_first_until_the_edge_is_forgotten() {
    let mut pair = Pair::new();
    pair.connect();
    pair.cut();
    let other = PeerName::of(b"another certificate", false);
    for purpose in [Purpose::Look, Purpose::Ask, Purpose::Serve] {
        let (greeting, place) = pair.relay.greet(pair.now, 60, other, hello(9, purpose));
        let Greeting::Refused(why) = greeting else { panic!("{greeting:?}") };
        assert!(place.is_none() && why.contains("another certificate"), "{why}");
    }
    pair.pass(Duration::from_secs(3_601));
    let (greeting, place) = pair.relay.greet(pair.now, 61, other, hello(9, Purpose::Serve));
    assert!(matches!(greeting, Greeting::Welcome(_)) && place.is_some());
}

#[test]
fn what_an_incarnation_left_is_given_to_the_next_ones_until_one_has_claimed() {
    let mut pair = Pair::new();
    assert!(ask(&mut pair, 1).is_empty(), "nothing is kept for an edge that was never there");
    pair.connect();
    pair.open(1);
    pair.cut();
    assert_eq!(ask(&mut pair, 5), [seal(1)]);
    // That one ended before it was in use; what it wrote may be sealed with either.
    pair.edge = Relays::new(edge_config(6), Vec::new(), pair.now);
    assert_eq!(ask(&mut pair, 6), [seal(1), seal(5)]);
    pair.connect();
    pair.cut();
    assert_eq!(ask(&mut pair, 7), [seal(6)], "the claims were over: those before are forgotten");
}

#[test]
fn keys_are_told_to_those_who_ask_while_the_edge_is_away_and_to_nobody_else() {
    let mut pair = Pair::new();
    pair.connect();
    let (greeting, _) = pair.relay.greet(pair.now, 50, owner(), hello(2, Purpose::Ask));
    assert!(matches!(greeting, Greeting::Refused(_)), "it is connected");
    pair.cut();
    let (greeting, _) = pair.relay.greet(pair.now, 51, owner(), hello(2, Purpose::Look));
    let Greeting::Welcome(welcome) = greeting else { panic!("{greeting:?}") };
    assert!(welcome.seals.is_empty());
    for incarnation in 10..40 {
        assert!(ask(&mut pair, incarnation).len() <= 8, "bounded");
    }
}

#[test]
fn an_authoritys_certificate_is_known_by_its_names() {
    let issue = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        rcgen::generate_simple_self_signed(names).unwrap().cert.der().to_vec()
    };
    let (first, renewed) = (issue(&["a.test", "b.test"]), issue(&["B.test", "a.test"]));
    assert_eq!(PeerName::of(&first, true), PeerName::of(&renewed, true));
    assert_ne!(PeerName::of(&first, false), PeerName::of(&renewed, false), "known by itself");
    assert_ne!(PeerName::of(&first, true), PeerName::of(&issue(&["a.test"]), true));
    assert_ne!(PeerName::of(&issue(&[]), true), PeerName::of(&issue(&[]), true));
}
