use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

#[test]
fn fires_at_its_tick_and_not_one_earlier() {
    for delay in [0, 1, 9, 10, 11, 639, 640, 641, 32_000, 40_960, 2_621_440, 86_400_000] {
        let mut wheel = TimerWheel::new();
        wheel.insert(ms(delay), "timer");
        let tick = delay.div_ceil(10) * 10;
        if tick > 0 {
            assert_eq!(wheel.pop(ms(tick - 1)), None, "{delay} ms fired early");
        }
        assert_eq!(wheel.pop(ms(tick)), Some("timer"), "{delay} ms did not fire");
        assert!(wheel.is_empty());
        assert_eq!(wheel.next_deadline(), None);
    }
}

#[test]
fn a_stopped_timer_does_not_fire_and_its_id_stays_harmless() {
    let mut wheel = TimerWheel::new();
    let first = wheel.insert(ms(100), 1);
    assert_eq!(wheel.cancel(first), Some(1));
    assert_eq!(wheel.cancel(first), None);
    let second = wheel.insert(ms(100), 2);
    assert_eq!(wheel.cancel(first), None, "the entry belongs to another timer now");
    assert_eq!(wheel.pop(ms(100)), Some(2));
    assert_eq!(wheel.cancel(second), None);
}

#[test]
fn a_timer_in_the_past_fires_at_once() {
    let mut wheel = TimerWheel::new();
    assert_eq!(wheel.pop(ms(50_000)), None);
    wheel.insert(ms(10), ());
    assert_eq!(wheel.next_deadline(), Some(ms(50_000)));
    assert_eq!(wheel.pop(ms(50_000)), Some(()));
}

#[test]
fn the_last_instant_of_the_clock_is_reachable() {
    let mut wheel = TimerWheel::new();
    wheel.insert(Instant::from_nanos(u64::MAX), ());
    assert_eq!(wheel.pop(ms(1)), None);
    assert_eq!(wheel.pop(Instant::from_nanos(u64::MAX - TICK_NANOS)), None);
    // Rounded up, the deadline lies past the end of the clock: it never fires, which is not early.
    assert_eq!(wheel.pop(Instant::from_nanos(u64::MAX)), None);
    assert_eq!(wheel.len(), 1);
}

#[test]
fn entries_are_reused() {
    let mut wheel = TimerWheel::new();
    for round in 0..10_000_u64 {
        let id = wheel.insert(ms(round * 10 + 5_000), round);
        if round % 2 == 0 {
            wheel.cancel(id);
        } else {
            assert_eq!(wheel.pop(ms(round * 10 + 5_000)), Some(round));
        }
    }
    assert_eq!(wheel.entries.len(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Insert { delay: u64 },
    Cancel { nth: usize },
    Advance { by: u64 },
    Jump,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let delay = prop_oneof![0_u64..200, 0_u64..70_000, 0_u64..400_000_000];
    let step = prop_oneof![
        4 => delay.clone().prop_map(|delay| Step::Insert { delay }),
        2 => any::<usize>().prop_map(|nth| Step::Cancel { nth }),
        2 => delay.prop_map(|by| Step::Advance { by }),
        2 => Just(Step::Jump),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn agrees_with_a_sorted_map(steps in steps()) {
        let mut wheel = TimerWheel::new();
        let mut model: BTreeMap<(u64, u64), TimerId> = BTreeMap::new();
        let mut now = 7;
        let mut number = 0;
        for step in steps {
            match step {
                Step::Insert { delay } => {
                    number += 1;
                    let tick = (now + delay).div_ceil(10);
                    let id = wheel.insert(ms(now + delay), (tick, number));
                    model.insert((tick, number), id);
                }
                Step::Cancel { nth } if !model.is_empty() => {
                    let (&key, &id) = model.iter().nth(nth % model.len()).unwrap();
                    prop_assert_eq!(wheel.cancel(id), Some(key));
                    model.remove(&key);
                }
                Step::Cancel { .. } => {}
                Step::Advance { by } => now += by,
                // Follow the wheel's own advice, as a shell does.
                Step::Jump => now = wheel.next_deadline().map_or(now, |at| at.as_millis().max(now)),
            }
            let mut last = 0;
            while let Some((tick, number)) = wheel.pop(ms(now)) {
                prop_assert!(tick * 10 <= now, "early");
                prop_assert!(tick >= last, "out of order");
                last = tick;
                prop_assert!(model.remove(&(tick, number)).is_some(), "fired twice");
            }
            let earliest = model.keys().next().map(|&(tick, _)| tick * 10);
            prop_assert!(earliest.is_none_or(|at| at > now), "late");
            match (wheel.next_deadline(), earliest) {
                (None, None) => {}
                (Some(advice), Some(at)) => {
                    prop_assert!(advice.as_millis() > now, "no progress");
                    prop_assert!(advice.as_millis() <= at, "would be late");
                }
                other => prop_assert!(false, "{:?}", other),
            }
            prop_assert_eq!(wheel.len(), model.len());
        }
    }
}
