//! How long to wait before the next attempt. Pure: chance is an argument.

use std::time::Duration;

/// Pauses that double, each drawn between nothing and the whole (full jitter), so that nodes that
/// failed together do not come back together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// The longest first pause.
    pub first: Duration,
    /// No pause is longer, unless the service asks for it.
    pub most: Duration,
}

impl Backoff {
    /// The longest Retry-After that is believed.
    pub const MOST_AFTER: Duration = Duration::from_secs(3_600);

    /// The pause after `failures` attempts in a row (1 for the first), from a random number. When
    /// the service said when to come back, no sooner.
    pub fn pause(&self, failures: u32, after: Option<Duration>, draw: u64) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let whole = match after {
            Some(_) => self.first,
            None => doubled.min(self.most),
        };
        let share = draw as f64 / u64::MAX as f64;
        after.unwrap_or_default().min(Self::MOST_AFTER) + whole.mul_f64(share)
    }
}

impl Default for Backoff {
    /// From 1 s to 60 s.
    fn default() -> Self {
        Backoff { first: Duration::from_secs(1), most: Duration::from_secs(60) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longest_pause_doubles_up_to_its_bound() {
        let longest = |failures| Backoff::default().pause(failures, None, u64::MAX).as_secs();
        assert_eq!([1, 2, 3, 6, 7, 32, 33, u32::MAX].map(longest), [1, 2, 4, 32, 60, 60, 60, 60]);
        assert_eq!(Backoff::default().pause(9, None, 0), Duration::ZERO);
    }

    #[test]
    fn what_the_service_asks_for_is_kept_up_to_an_hour() {
        let pause =
            |after, draw| Backoff::default().pause(5, Some(Duration::from_secs(after)), draw);
        assert_eq!(pause(300, 0).as_secs(), 300);
        assert_eq!(pause(300, u64::MAX).as_secs(), 301);
        assert_eq!(pause(u64::MAX, 0).as_secs(), 3_600);
    }

    proptest! {
        #[test]
        fn every_pause_is_within_its_bounds(failures in any::<u32>(), draw in any::<u64>(), after in proptest::option::of(any::<u64>())) {
            let backoff = Backoff::default();
            let after = after.map(Duration::from_millis);
            let pause = backoff.pause(failures, after, draw);
            let least = after.unwrap_or_default().min(Backoff::MOST_AFTER);
            prop_assert!(pause >= least && pause <= least + backoff.most);
        }
    }
}
