//! How often a key may ask: a token bucket each.

use model::UnixTime;
use std::collections::HashMap;

/// Keys that are counted apart. When there are more, the one that has rested the longest is forgotten,
/// and so has its whole burst again.
const KEYS_MAX: usize = 1_024;
/// How many seconds' worth of requests may come at once.
const BURST_SECONDS: u64 = 2;

/// Counts requests.
pub(crate) struct RateLimit {
    per_second: u32,
    /// What is left of each bucket, in thousandths of a request, and when that was so.
    buckets: HashMap<String, (u64, UnixTime)>,
}

impl RateLimit {
    pub(crate) fn new(per_second: u32) -> Self {
        RateLimit { per_second, buckets: HashMap::new() }
    }

    /// Counts a request of `key`; `false` when it comes too soon.
    pub(crate) fn admits(&mut self, now: UnixTime, key: &str) -> bool {
        let full = u64::from(self.per_second) * BURST_SECONDS * 1_000;
        if !self.buckets.contains_key(key) {
            self.make_room();
            self.buckets.insert(key.to_owned(), (full, now));
        }
        let Some((left, at)) = self.buckets.get_mut(key) else { return true };
        // A calendar that is set back gives nothing, and takes nothing away.
        let passed = now.as_millis().saturating_sub(at.as_millis());
        *left = left.saturating_add(passed.saturating_mul(u64::from(self.per_second))).min(full);
        *at = now;
        let admitted = *left >= 1_000;
        if admitted {
            *left -= 1_000;
        }
        admitted
    }

    fn make_room(&mut self) {
        if self.buckets.len() < KEYS_MAX {
            return;
        }
        let oldest = self.buckets.iter().min_by_key(|(_, (_, at))| at.as_millis());
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            self.buckets.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_a_rate_for_each_key() {
        let mut rate = RateLimit::new(10);
        let at = UnixTime::from_millis;
        let admitted = |rate: &mut RateLimit, ms, key: &str| {
            (0..100).filter(|_| rate.admits(at(ms), key)).count()
        };
        assert_eq!(admitted(&mut rate, 5_000, "a"), 20);
        assert_eq!(admitted(&mut rate, 5_099, "a"), 0);
        assert_eq!(admitted(&mut rate, 5_100, "a"), 1);
        assert_eq!(admitted(&mut rate, 4_000, "a"), 0, "set back");
        assert_eq!(admitted(&mut rate, 5_100, "b"), 20);
        assert_eq!(admitted(&mut rate, 60_000, "a"), 20);
    }

    #[test]
    fn the_table_stays_bounded() {
        let mut rate = RateLimit::new(1);
        for key in 0..KEYS_MAX as u64 * 2 {
            assert!(rate.admits(UnixTime::from_millis(key), &key.to_string()));
        }
        assert_eq!(rate.buckets.len(), KEYS_MAX);
    }
}
