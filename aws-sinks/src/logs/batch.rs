//! What one PutLogEvents may carry, and the requests that a batch becomes.

use model::UnixTime;
use std::time::Duration;

/// Events of a request.
pub const MAX_EVENTS: usize = 10_000;
/// Octets of a request: of the messages, in UTF-8, and [`EVENT_OVERHEAD`] for each.
pub const MAX_BYTES: usize = 1_048_576;
/// Octets that each event counts beside its message.
pub const EVENT_OVERHEAD: usize = 26;
/// The longest time between the first and the last event.
pub const MAX_SPAN: Duration = Duration::from_secs(24 * 3_600);

/// An event of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// The place of its entry in the batch.
    pub entry: usize,
    /// When it happened.
    pub time: UnixTime,
    /// Its text, not empty.
    pub message: String,
}

/// Puts `events` into requests, each within every limit and in the order of time; those of one time
/// keep their order. An event that is empty, or larger than a request, is in the second list, with
/// the reason.
pub fn requests(mut events: Vec<Event>) -> (Vec<Vec<Event>>, Vec<(Event, &'static str)>) {
    let span = u64::try_from(MAX_SPAN.as_millis()).unwrap_or(u64::MAX);
    events.sort_by_key(|event| event.time);
    let (mut requests, mut refused) = (Vec::new(), Vec::new());
    let (mut request, mut bytes, mut first) = (Vec::new(), 0, 0);
    for event in events {
        let size = event.message.len() + EVENT_OVERHEAD;
        if event.message.is_empty() {
            refused.push((event, "it is empty"));
            continue;
        }
        if size > MAX_BYTES {
            refused.push((event, "it is larger than a request of CloudWatch Logs"));
            continue;
        }
        let at = event.time.as_millis();
        let is_full = request.len() == MAX_EVENTS || bytes + size > MAX_BYTES || at - first > span;
        if is_full && !request.is_empty() {
            requests.push(std::mem::take(&mut request));
        }
        if request.is_empty() {
            (bytes, first) = (0, at);
        }
        bytes += size;
        request.push(event);
    }
    if !request.is_empty() {
        requests.push(request);
    }
    (requests, refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(entry: usize, millis: u64, length: usize) -> Event {
        Event { entry, time: UnixTime::from_millis(millis), message: "x".repeat(length) }
    }

    fn check(request: &[Event]) {
        assert!(!request.is_empty() && request.len() <= MAX_EVENTS);
        let bytes: usize = request.iter().map(|e| e.message.len() + EVENT_OVERHEAD).sum();
        assert!(bytes <= MAX_BYTES, "{bytes}");
        assert!(request.is_sorted_by_key(|e| e.time));
        let times = request.iter().map(|e| e.time.as_millis());
        let span = times.clone().max().unwrap() - times.min().unwrap();
        assert!(u128::from(span) <= MAX_SPAN.as_millis(), "{span}");
    }

    #[test]
    fn each_limit_is_reached_and_not_exceeded() {
        let sizes = |events| requests(events).0.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes((0..10_000).map(|n| event(n, 0, 1)).collect()), [10_000]);
        assert_eq!(sizes((0..10_001).map(|n| event(n, 0, 1)).collect()), [10_000, 1]);
        let half = MAX_BYTES / 2 - EVENT_OVERHEAD;
        assert_eq!(sizes(vec![event(0, 0, half), event(1, 0, half)]), [2]);
        assert_eq!(sizes(vec![event(0, 0, half), event(1, 0, half + 1)]), [1, 1]);
        let day = 86_400_000;
        assert_eq!(sizes(vec![event(0, 5, 1), event(1, 5 + day, 1)]), [2]);
        assert_eq!(sizes(vec![event(0, 5, 1), event(1, 6 + day, 1)]), [1, 1]);
    }

    #[test]
    fn what_no_request_can_carry_is_told() {
        let most = MAX_BYTES - EVENT_OVERHEAD;
        let (good, refused) =
            requests(vec![event(0, 0, 0), event(1, 0, most + 1), event(2, 0, most)]);
        assert_eq!(good, [vec![event(2, 0, most)]]);
        let reasons: Vec<_> = refused.iter().map(|(event, why)| (event.entry, *why)).collect();
        let large = "it is larger than a request of CloudWatch Logs";
        assert_eq!(reasons, [(0, "it is empty"), (1, large)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_is_lost_and_no_limit_exceeded(
            shapes in prop::collection::vec(
                (0u64..260_000_000, prop_oneof![9 => 0usize..2_000, 1 => 0usize..1_100_000]), 0..400)
        ) {
            let events: Vec<_> =
                shapes.iter().enumerate().map(|(n, (at, size))| event(n, *at, *size)).collect();
            let (requests, refused) = requests(events);
            requests.iter().for_each(|request| check(request));
            let all: Vec<_> = requests.concat();
            // In order over the requests too; those of one time as they came.
            prop_assert!(all.is_sorted_by_key(|e| (e.time, e.entry)));
            let mut seen: Vec<_> = all.iter().chain(refused.iter().map(|(e, _)| e)).map(|e| e.entry).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..shapes.len()).collect::<Vec<_>>());
            for (event, _) in refused {
                prop_assert!(event.message.is_empty() || event.message.len() + EVENT_OVERHEAD > MAX_BYTES);
            }
        }
    }
}
