use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

const RULES: BatchRules = BatchRules {
    max_entries: 10,
    max_bytes: 100,
    overhead_bytes: 1,
    one_stream: false,
    max_span: None,
};
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(60) };

fn position(sequence: u64, stream: u64) -> Position {
    let time = UnixTime::from_millis(sequence * 1_000);
    Position { sequence, segment: (0, 0), offset: 0, bytes: 10, stream, time }
}

fn window(streams: &[u64]) -> Window {
    let mut window = Window::new(100);
    window.push((0..).zip(streams).map(|(sequence, stream)| position(sequence, *stream)));
    window
}

fn chosen(window: &Window, millis: u64, rules: &BatchRules) -> Vec<u64> {
    let choice = window.choose(Instant::from_millis(millis), rules, |_| Some(9));
    choice.batch.iter().map(|(position, _)| position.sequence).collect()
}

#[test]
fn an_entry_that_waits_holds_up_its_stream_and_no_other() {
    let mut window = window(&[1, 2, 1, 0, 0, 2]);
    assert_eq!(chosen(&window, 0, &RULES), [0, 1, 2, 3, 4, 5]);
    let again = [(0, None), (3, None)];
    window.put_back(Instant::ZERO, &again, &BACKOFF, u64::MAX);
    assert_eq!(chosen(&window, 999, &RULES), [1, 4, 5]);
    assert_eq!(chosen(&window, 1_000, &RULES), [0, 1, 2, 3, 4, 5]);
    window.forget(&[1, 4, 5]);
    assert_eq!(window.next_attempt(), Some(Instant::from_millis(1_000)));
    assert!(chosen(&window, 0, &RULES).is_empty());
    assert_eq!(window.oldest(), Some(UnixTime::from_millis(0)));
    window.forget_before(3);
    assert_eq!(chosen(&window, 1_000, &RULES), [3]);
}

#[test]
fn every_rule_of_a_batch_is_kept() {
    let window = window(&[1, 2, 1, 0, 1]);
    let one = BatchRules { one_stream: true, ..RULES };
    assert_eq!(chosen(&window, 0, &one), [0, 2, 4]);
    assert_eq!(chosen(&window, 0, &BatchRules { max_entries: 2, ..RULES }), [0, 1]);
    assert_eq!(chosen(&window, 0, &BatchRules { max_bytes: 30, ..RULES }), [0, 1, 2]);
    assert_eq!(chosen(&window, 0, &BatchRules { max_bytes: 29, ..RULES }), [0, 1]);
    let span = |seconds| BatchRules { max_span: Some(Duration::from_secs(seconds)), ..RULES };
    assert_eq!(chosen(&window, 0, &span(2)), [0, 1, 2]);
    assert_eq!(chosen(&window, 0, &span(3)), [0, 1, 2, 3]);
}

#[test]
fn what_fits_into_no_batch_or_is_gone_is_told_and_the_rest_goes_on() {
    let window = window(&[1, 1, 1]);
    let size = |position: &Position| [Some(100), None, Some(9)][position.sequence as usize];
    let choice = window.choose(Instant::ZERO, &RULES, size);
    assert_eq!(choice.oversized, [position(0, 1)]);
    assert_eq!(choice.gone, [1]);
    assert_eq!(choice.batch, [(position(2, 1), 0)]);
}

/// A day without the service, minute by minute on a clock of numbers: it is asked at a bounded rate,
/// and when it is back everything goes, in the order of each stream.
#[test]
fn a_day_s_outage_delays_and_loses_nothing() {
    let mut window = Window::new(100_000);
    let (mut now, mut attempts, mut failures) = (Instant::ZERO, 0_u32, 0);
    let mut resume_at = Instant::ZERO;
    let mut draw = 7_u64;
    let day = 24 * 60;
    for minute in 0..day {
        window.push((0..10).map(|n| position(minute * 10 + n, n % 3 + 1)));
        let next_minute = now + Duration::from_secs(60);
        while resume_at.max(now) < next_minute {
            now = resume_at.max(now);
            let batch = chosen(&window, now.as_millis(), &RULES);
            assert!(!batch.is_empty());
            (attempts, failures) = (attempts + 1, failures + 1);
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            window.count_attempt(&batch);
            resume_at = now + BACKOFF.pause(failures, None, draw).max(Duration::from_millis(1));
        }
        now = next_minute;
    }
    assert!((1_440..6_000).contains(&attempts), "{attempts} attempts in a day");
    let mut last: HashMap<u64, u64> = HashMap::new();
    let mut delivered = 0;
    loop {
        let choice = window.choose(resume_at.max(now), &RULES, |_| Some(1));
        if choice.batch.is_empty() {
            break;
        }
        let sequences: Vec<_> = choice.batch.iter().map(|(p, _)| p.sequence).collect();
        for (position, _) in &choice.batch {
            let before = last.insert(position.stream, position.sequence);
            assert!(before.is_none_or(|before| before < position.sequence));
        }
        delivered += sequences.len() as u64;
        window.forget(&sequences);
    }
    assert_eq!((delivered, window.oldest()), (day * 10, None));
}

proptest! {
    /// Whatever the verdicts are, each stream is delivered in order and everything at last.
    #[test]
    fn each_stream_keeps_its_order(
        streams in vec(0..4_u64, 1..60),
        verdicts in vec((0..3_u8, any::<u64>()), 0..100),
        one_stream in any::<bool>(),
    ) {
        let mut window = window(&streams);
        let rules = BatchRules { max_entries: 5, one_stream, ..RULES };
        let mut now = Instant::ZERO;
        let mut delivered: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let mut verdicts = verdicts.into_iter();
        for _ in 0..1_000 {
            let choice = window.choose(now, &rules, |_| Some(1));
            if choice.batch.is_empty() {
                let Some(next) = window.next_attempt() else { break };
                prop_assert!(next > now, "something is to wait for");
                now = next;
                continue;
            }
            let (mut done, mut again) = (Vec::new(), Vec::new());
            let mut blocked = HashSet::new();
            let mut draw = 0;
            for (position, _) in &choice.batch {
                let (verdict, number) = verdicts.next().unwrap_or((0, 0));
                draw = number;
                // As a service would: nothing of a stream after what it did not take.
                if verdict == 1 || (position.stream != 0 && blocked.contains(&position.stream)) {
                    blocked.insert(position.stream);
                    again.push((position.sequence, (number % 2 == 0).then_some(Duration::from_secs(3))));
                } else {
                    done.push(position.sequence);
                    delivered.entry(position.stream).or_default().push(position.sequence);
                }
            }
            window.forget(&done);
            window.put_back(now, &again, &BACKOFF, draw);
        }
        let count: usize = delivered.values().map(Vec::len).sum();
        prop_assert_eq!(count, streams.len());
        for (stream, sequences) in delivered {
            prop_assert!(stream == 0 || sequences.is_sorted(), "{}: {:?}", stream, sequences);
        }
        prop_assert_eq!(window.room(), 100);
    }
}
