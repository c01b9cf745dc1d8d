//! How often something may be started.

use model::Instant;
use std::time::Duration;

/// So many at once, and then one at each interval: a bucket of tokens.
#[derive(Clone, Debug)]
pub struct Pace {
    burst: u32,
    interval: Duration,
    /// When the bucket was, or will be, full.
    full_at: Instant,
}

impl Pace {
    /// `burst` at once (at least 1), then one each `interval`.
    pub const fn new(burst: u32, interval: Duration) -> Self {
        let burst = if burst == 0 { 1 } else { burst };
        Pace { burst, interval, full_at: Instant::ZERO }
    }

    /// When the next one may start.
    pub fn next(&self) -> Instant {
        self.full_at - self.interval.saturating_mul(self.burst - 1)
    }

    /// Starts one at `now`, or as soon as it may; returns when.
    pub fn take(&mut self, now: Instant) -> Instant {
        let at = self.next().max(now);
        self.full_at = self.full_at.max(at) + self.interval;
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn after_the_burst_each_waits_for_its_interval() {
        let mut pace = Pace::new(3, Duration::from_millis(100));
        let now = Instant::from_millis(5_000);
        let starts: Vec<_> = (0..5).map(|_| pace.take(now).as_millis()).collect();
        assert_eq!(starts, [5_000, 5_000, 5_000, 5_100, 5_200]);
        assert_eq!(pace.take(Instant::from_millis(9_000)).as_millis(), 9_000);
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_it_may(steps in proptest::collection::vec(0_u64..400, 1..100), burst in 1_u32..6) {
            let interval = Duration::from_millis(200);
            let mut pace = Pace::new(burst, interval);
            let (mut now, mut starts) = (1_000, Vec::new());
            for step in steps {
                now += step;
                let at = pace.take(Instant::from_millis(now));
                now = at.as_millis();
                starts.push(now);
            }
            for (index, start) in starts.iter().enumerate() {
                let later = starts[index..].iter().filter(|at| **at - start < 1_000).count();
                prop_assert!(later <= burst as usize + 5, "{} from {}", later, start);
            }
        }
    }
}
