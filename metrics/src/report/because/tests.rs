//! Causes are named right, and say what proves them.

use super::faults::{Dice, FAULTS, clean};
use super::{Cause, because};
use crate::CallRecord;
use crate::report::tests::{good_call, rung};
use crate::{DescriptionRecord, SpellRecord};
use std::collections::{BTreeMap, BTreeSet};

const SEEDS: u64 = 40;

fn injected(position: usize, seed: u64) -> CallRecord {
    let (_, inject) = FAULTS[position];
    let mut dice = Dice(seed * 1_000 + position as u64);
    let mut call = clean(&mut dice);
    inject(&mut dice, &mut call);
    call
}

#[test]
fn injected_faults_are_named_right() {
    named_right(0..SEEDS);
}

/// Other seeds than those that the causes were tried on.
#[test]
fn injected_faults_of_other_seeds_are_named_right() {
    let share = named_right(1_000..1_100);
    assert!(share >= 0.99, "{share}");
}

/// The share of calls whose cause was named.
fn named_right(seeds: std::ops::Range<u64>) -> f64 {
    let count = seeds.end - seeds.start;
    let mut all_right = 0;
    let mut wrong: BTreeMap<(Cause, Cause), (u32, String)> = BTreeMap::new();
    let mut failed: BTreeSet<Cause> = BTreeSet::new();
    for (position, (cause, _)) in FAULTS.iter().enumerate() {
        let mut right = 0;
        for seed in seeds.clone() {
            let told = because(&injected(position, seed));
            if told.cause == *cause {
                right += 1;
            } else {
                let entry = wrong.entry((*cause, told.cause)).or_insert((0, told.text));
                entry.0 += 1;
            }
        }
        all_right += right;
        if right * 100 < count * 95 {
            failed.insert(*cause);
        }
    }
    for ((cause, named), (times, text)) in &wrong {
        println!("{cause:?} was named {named:?} {times} times of {count}: {text}");
    }
    assert!(failed.is_empty(), "named wrong in more than 5 %: {failed:?}");
    let kinds: BTreeSet<_> = FAULTS.iter().map(|(cause, _)| *cause).collect();
    assert!(kinds.len() > 40, "{} causes have a fault", kinds.len());
    let share = all_right as f64 / (count * FAULTS.len() as u64) as f64;
    println!("{:.2} % of {} calls were named right", share * 100.0, count * FAULTS.len() as u64);
    share
}

#[test]
fn every_sentence_is_one_line_with_its_evidence() {
    for (position, (cause, _)) in FAULTS.iter().enumerate() {
        for seed in 0..5 {
            let text = because(&injected(position, seed)).text;
            if seed == 0 {
                println!("{cause:?}: {text}");
            }
            assert!(text.ends_with('.') && !text.contains('\n'), "{cause:?}: {text}");
            assert!(text.len() < 480, "{cause:?}: {text}");
            assert!(text.chars().any(|c| c.is_ascii_digit()), "{cause:?} has no number: {text}");
            assert!(!text.contains("  ") && !text.contains("NaN"), "{cause:?}: {text}");
        }
    }
}

/// Nobody's fault, or nothing to be repaired.
const FINE: [Cause; 6] = [
    Cause::Good,
    Cause::NoAnswer,
    Cause::Busy,
    Cause::Declined,
    Cause::Unavailable,
    Cause::CallerGaveUp,
];

#[test]
fn every_sentence_names_a_side_and_a_time_and_what_to_look_at() {
    let todo = [
        "look ", "check ", "compare ", "set ", "ask ", "add ", "raise ", "let ", "use ", "wait ",
        "widen ",
    ];
    for (position, (cause, _)) in FAULTS.iter().enumerate() {
        for seed in 0..40 {
            let text = because(&injected(position, seed)).text;
            let lower = text.to_lowercase();
            let sides = ["customer", "carrier", "node", "relay", "host"];
            let good = *cause == Cause::Good;
            assert!(good || sides.iter().any(|side| lower.contains(side)), "{cause:?}: {text}");
            let clock = text.as_bytes().windows(3).any(|w| w[0].is_ascii_digit() && w[1] == b':');
            let span = [" ms", " s", " min"].iter().any(|unit| {
                text.match_indices(unit).any(|(at, _)| text.as_bytes()[at - 1].is_ascii_digit())
            });
            let whole = text.contains("over the whole call");
            assert!(clock || span || whole, "{cause:?} has no time: {text}");
            let acts = todo.iter().any(|verb| {
                lower
                    .match_indices(verb)
                    .any(|(at, _)| !lower.as_bytes()[at - 1].is_ascii_alphabetic())
            });
            assert!(acts || FINE.contains(cause), "{cause:?} says nothing to do: {text}");
        }
    }
}

#[test]
fn loss_is_told_with_its_time_and_the_other_side() {
    let mut call = good_call();
    let quality = call.quality[0].as_mut().unwrap();
    quality.lost_packets = 293;
    quality.burst_ratio = 2.2;
    quality.loss_spells =
        vec![SpellRecord { from_ms: 10_000, to_ms: 45_000, expected: 1_750, lost: 293 }];
    assert_eq!(
        because(&call).text,
        "The customer's uplink lost 8.1 % in bursts from 17:10:10 to 17:10:45; the carrier's side was \
         clean (293 of 3620 packets were lost); look at the access line and the Wi-Fi of the side that \
         lost, and at its other calls then."
    );
}

#[test]
fn codecs_are_told_as_offered_and_as_taken() {
    let mut call = good_call();
    call.times.answered = None;
    call.times.ended = call.times.attempted + 900;
    call.end.status = 488;
    let described = |codecs: &[&str]| {
        Some(DescriptionRecord {
            codecs: codecs.iter().map(|codec| (*codec).to_owned()).collect(),
            profile: "RTP/AVP".to_owned(),
            ..DescriptionRecord::default()
        })
    };
    call.ladder.truncate(4);
    call.ladder[2].description = described(&["opus", "telephone-event"]);
    call.ladder.push(rung(900, "B", "received", "SIP/2.0 488 Not Acceptable Here"));
    call.ladder.last_mut().unwrap().description = described(&["PCMU", "PCMA"]);
    assert_eq!(
        because(&call).text,
        "488 from the carrier: no common codec (offered opus; it takes PCMU, PCMA); pstn-1 said it at \
         17:10:00, 900 ms after the call came; let one side offer what the other takes, or set transcode \
         = \"needed\" in [voice_connector.media]."
    );
}

#[test]
fn limits_hold_on_both_sides() {
    let cause = |change: &dyn Fn(&mut crate::QualityRecord)| {
        let mut call = good_call();
        change(call.quality[1].as_mut().unwrap());
        because(&call).cause
    };
    assert_eq!(cause(&|q| q.jitter_max_us = 29_999), Cause::Good);
    assert_eq!(cause(&|q| q.jitter_max_us = 30_000), Cause::Jitter);
    assert_eq!(cause(&|q| (q.expected_packets, q.lost_packets) = (10_000, 99)), Cause::Good);
    assert_eq!(cause(&|q| (q.expected_packets, q.lost_packets) = (10_000, 100)), Cause::UplinkLoss);
    assert_eq!(cause(&|q| q.rtt_max_us = Some(299_999)), Cause::Good);
    assert_eq!(cause(&|q| q.rtt_max_us = Some(300_000)), Cause::Delay);
    assert_eq!(cause(&|q| (q.expected_packets, q.lost_packets) = (0, i64::MAX)), Cause::Good);
}
