use super::*;
use crate::mutate::{Generator, mutate};

#[test]
fn every_target_has_its_own_name_and_generated_seeds() {
    let mut names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), TARGETS.len());
    for target in TARGETS {
        assert!(!seeds::generated(target.name).is_empty(), "{}", target.name);
    }
}

#[test]
fn mutations_repeat_and_stay_bounded() {
    let seed = vec![b'x'; MAX_INPUT - 1];
    let run = |start| {
        let mut generator = Generator::new(start);
        (0..50).map(|_| mutate(&mut generator, &seed, b"other", &["word"])).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    assert!(run(3).iter().all(|input| input.len() <= MAX_INPUT));
    let mut generator = Generator::new(4);
    for _ in 0..200 {
        mutate(&mut generator, b"", b"", &[]);
    }
}

#[test]
fn the_target_of_a_whole_call_reaches_the_carrier_and_back() {
    // A broken script would make the smoke replay pass by doing nothing.
    let call = include_bytes!("../corpus/edge/call.script");
    let reached = edge::trace(call);
    for step in ["INVITE", "180", "200", "ACK", "BYE"] {
        assert!(reached.iter().any(|sent| sent.contains(step)), "{step} not in {reached:#?}");
    }
}

#[test]
fn the_target_of_a_room_call_is_answered_and_steered() {
    let reached = edge::trace(include_bytes!("../corpus/edge/room.script"));
    let finals = reached.iter().filter(|sent| sent.starts_with("SIP/2.0 2")).count();
    assert_eq!(finals, 5, "INVITE, two INFO, INVITE and BYE: {reached:#?}");
}
