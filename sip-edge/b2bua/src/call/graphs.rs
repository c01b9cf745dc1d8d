//! The graphs of a call's sub-machines, as reviewed; and that each has no dead end but its last
//! states.

use super::forks::PrackState;
use super::realign::RealignState;
use super::recording_client::CopyPhase;
use super::referral::ReferralState;
use super::reliable::ReliableState;
use super::renegotiation::RenegotiationState;
use super::setup::SetupState;
use super::takeover::TakeoverState;
use super::teardown::TeardownState;
use crate::machine::{State, graph};

#[test]
fn setup() {
    insta::assert_snapshot!(graph::<SetupState>("Setup"));
    assert_eq!(ends::<SetupState>(), ["Established", "Failed"]);
}

#[test]
fn renegotiation() {
    insta::assert_snapshot!(graph::<RenegotiationState>("Renegotiation"));
    assert_eq!(ends::<RenegotiationState>(), [""; 0]);
}

#[test]
fn reliable() {
    insta::assert_snapshot!(graph::<ReliableState>("Reliable"));
    assert_eq!(ends::<ReliableState>(), [""; 0]);
}

#[test]
fn prack() {
    insta::assert_snapshot!(graph::<PrackState>("Prack"));
    assert_eq!(ends::<PrackState>(), [""; 0]);
}

#[test]
fn realign() {
    insta::assert_snapshot!(graph::<RealignState>("Realign"));
    assert_eq!(ends::<RealignState>(), [""; 0]);
}

#[test]
fn copying() {
    insta::assert_snapshot!(graph::<CopyPhase>("Copying"));
    assert_eq!(ends::<CopyPhase>(), ["Over"]);
}

#[test]
fn teardown() {
    insta::assert_snapshot!(graph::<TeardownState>("Teardown"));
    assert_eq!(ends::<TeardownState>(), ["Done"]);
}

#[test]
fn referral() {
    insta::assert_snapshot!(graph::<ReferralState>("Referral"));
    assert_eq!(ends::<ReferralState>(), ["Left"]);
}

#[test]
fn takeover() {
    insta::assert_snapshot!(graph::<TakeoverState>("Takeover"));
    assert_eq!(ends::<TakeoverState>(), [""; 0]);
}

/// The states that nothing leads out of, by name. Every other state must be reachable.
fn ends<S: State>() -> Vec<String> {
    let mut ends = Vec::new();
    for (from, to) in S::EDGES {
        let reachable = *from == S::INITIAL
            || S::EDGES.iter().any(|(other, next)| other != from && next == from);
        assert!(reachable, "nothing leads to {from:?}");
        let name = format!("{to:?}");
        if !S::EDGES.iter().any(|(next, _)| next == to) && !ends.contains(&name) {
            ends.push(name);
        }
    }
    ends.sort();
    ends
}
