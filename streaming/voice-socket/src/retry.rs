//! When a connection is tried again, and when no more.

use std::time::Duration;

/// Attempts that may fail one after the other before a call is given up.
pub(crate) const MOST_FAILURES: u32 = 6;
/// Connections of a call at most: one that is lost again and again after a while is none.
const MOST_CONNECTIONS: u32 = 50;
/// A connection that lasted so long was good: failures are counted anew behind it.
const GOOD: Duration = Duration::from_secs(10);
/// Before the second attempt; doubled with each.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// The attempts of one call.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Attempts {
    failures: u32,
    connections: u32,
}

impl Attempts {
    /// Connections that there were.
    pub(crate) const fn connections(self) -> u32 {
        self.connections
    }

    /// A connection stands.
    pub(crate) fn connected(&mut self) {
        self.connections = self.connections.saturating_add(1);
    }

    /// An attempt failed, or a connection was lost after `lasted`. How long to wait before the next
    /// attempt, with chance from `draw`; `None` when there is to be none.
    pub(crate) fn failed(&mut self, lasted: Duration, draw: u64) -> Option<Duration> {
        self.failures = if lasted >= GOOD { 1 } else { self.failures.saturating_add(1) };
        if self.failures >= MOST_FAILURES || self.connections >= MOST_CONNECTIONS {
            return None;
        }
        let doublings = (self.failures - 1).min(8);
        let longest = (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE);
        // Half of it is left to chance: the calls of a service that broke down do not come back as one.
        let part = (draw >> 32) as u32;
        let chance = (longest.as_nanos() as u64 / 2 * u64::from(part)) >> 32;
        Some(longest / 2 + Duration::from_nanos(chance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_then_it_is_given_up() {
        let mut attempts = Attempts::default();
        let longest: Vec<Option<u128>> = (0..6)
            .map(|_| attempts.failed(Duration::ZERO, u64::MAX).map(|pause| pause.as_millis()))
            .collect();
        assert_eq!(longest, [Some(249), Some(499), Some(999), Some(1_999), Some(3_999), None]);
        let mut attempts = Attempts::default();
        assert_eq!(attempts.failed(Duration::ZERO, 0), Some(Duration::from_millis(125)));
    }

    #[test]
    fn a_good_connection_begins_the_count_anew() {
        let mut attempts = Attempts::default();
        for _ in 0..5 {
            attempts.failed(Duration::ZERO, 0);
        }
        attempts.connected();
        assert_eq!(attempts.failed(GOOD, 0), Some(Duration::from_millis(125)));
        assert_eq!(attempts.connections(), 1);
    }

    #[test]
    fn no_call_connects_for_ever() {
        let mut attempts = Attempts::default();
        let mut connections = 0;
        loop {
            attempts.connected();
            connections += 1;
            if attempts.failed(GOOD, 0).is_none() {
                break;
            }
        }
        assert_eq!(connections, MOST_CONNECTIONS);
    }
}
