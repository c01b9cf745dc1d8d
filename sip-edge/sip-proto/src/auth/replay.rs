//! Which nonce counts have been used (RFC 7616 section 3.3: a repeated count is a replay).

use std::collections::BTreeMap;
use std::time::Duration;

use model::Instant;

use super::nonce::NonceId;

/// The nonces that a right answer was given to, with the counts used.
///
/// Only somebody who knows a password gets an entry made. Full policy: the oldest nonce is given
/// up, and from then on every nonce as old as it counts as stale, so that nothing given up can be
/// replayed; its holder asks once more.
pub(crate) struct ReplayTable {
    used: BTreeMap<NonceId, Counts>,
    most: usize,
    /// Nonces issued up to here are no longer known.
    given_up: Option<NonceId>,
}

/// A window over the highest counts, as datagrams may overtake each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Counts {
    highest: u32,
    /// Bit n: `highest - n` was used.
    seen: u64,
}

impl ReplayTable {
    pub(crate) fn new(most: usize) -> Self {
        ReplayTable { used: BTreeMap::new(), most: most.max(1), given_up: None }
    }

    /// Notes the use of a count; `false` when it was used before or is too old to say.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        lifetime: Duration,
        nonce: NonceId,
        count: u32,
    ) -> bool {
        if let Some(counts) = self.used.get_mut(&nonce) {
            return counts.accept(count);
        }
        if self.given_up.is_some_and(|last| nonce <= last) {
            return false;
        }
        self.forget_expired(now, lifetime);
        if self.used.len() >= self.most
            && let Some((oldest, _)) = self.used.pop_first()
        {
            self.given_up = Some(self.given_up.map_or(oldest, |last| last.max(oldest)));
            if nonce <= oldest {
                return false;
            }
        }
        self.used.insert(nonce, Counts { highest: count, seen: 1 });
        true
    }

    /// Whether a nonce was used at all.
    pub(crate) fn knows(&self, nonce: NonceId) -> bool {
        self.used.contains_key(&nonce)
    }

    pub(crate) fn len(&self) -> usize {
        self.used.len()
    }

    fn forget_expired(&mut self, now: Instant, lifetime: Duration) {
        while let Some(entry) = self.used.first_entry()
            && entry.key().age(now).is_none_or(|age| age > lifetime)
        {
            entry.remove();
        }
    }
}

impl Counts {
    fn accept(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        let Some(bit) = 1_u64.checked_shl(behind) else { return false };
        let fresh = self.seen & bit == 0;
        self.seen |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(300);

    fn nonce(issued_millis: u64) -> NonceId {
        NonceId { issued_millis, random: 0 }
    }

    #[test]
    fn a_count_is_used_once_in_any_order_within_the_window() {
        let mut table = ReplayTable::new(4);
        let now = Instant::from_millis(10);
        let mut take = |count| table.accept(now, LIFETIME, nonce(1), count);
        for (count, fresh) in
            [(1, true), (1, false), (5, true), (3, true), (3, false), (5, false), (69, true)]
        {
            assert_eq!(take(count), fresh, "{count}");
        }
        assert!(!take(5), "64 behind: too old to say");
        assert!(take(6), "63 behind: known to be unused");
        assert!(take(u32::MAX) && !take(u32::MAX) && !take(69));
    }

    #[test]
    fn a_full_table_gives_up_the_oldest_and_lets_none_of_them_be_replayed() {
        let mut table = ReplayTable::new(2);
        let now = Instant::from_millis(100);
        assert!(table.accept(now, LIFETIME, nonce(10), 1));
        assert!(table.accept(now, LIFETIME, nonce(20), 1));
        assert!(table.accept(now, LIFETIME, nonce(30), 1));
        assert_eq!(table.len(), 2);
        assert!(!table.accept(now, LIFETIME, nonce(10), 1), "given up");
        assert!(!table.accept(now, LIFETIME, nonce(5), 1), "older than what was given up");
        assert!(!table.accept(now, LIFETIME, nonce(20), 1), "still known");
        assert!(table.accept(now, LIFETIME, nonce(20), 2));
    }

    #[test]
    fn expired_nonces_make_room() {
        let mut table = ReplayTable::new(2);
        assert!(table.accept(Instant::from_millis(1), LIFETIME, nonce(1), 1));
        assert!(table.accept(Instant::from_millis(2), LIFETIME, nonce(2), 1));
        let later = Instant::from_millis(300_003);
        assert!(table.accept(later, LIFETIME, nonce(300_003), 1));
        assert_eq!(table.len(), 1);
        assert_eq!(table.given_up, None);
    }
}
