//! When a stream's reports are due.

use crate::relay::RelayConfig;
use model::{Instant, MediaId};
use std::time::Duration;

/// The two rhythms of a stream's reports.
#[derive(Debug)]
pub(super) struct Reports {
    interval: Rhythm,
    /// `None` when live reports are switched off.
    live: Option<Rhythm>,
}

#[derive(Debug)]
struct Rhythm {
    next: Instant,
    every: Duration,
}

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Due {
    pub(super) interval: bool,
    pub(super) live: bool,
}

impl Reports {
    /// The rhythms of a stream that begins now.
    pub(super) fn begin(id: MediaId, now: Instant, config: &RelayConfig) -> Self {
        let (every, live) = (config.report_interval, config.live_interval);
        Reports {
            interval: Rhythm { next: now + every, every },
            live: (!live.is_zero()).then(|| Rhythm { next: now + spread(id, live), every: live }),
        }
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Instant {
        let interval = self.interval.next;
        self.live.as_ref().map_or(interval, |live| live.next.min(interval))
    }

    /// What is due, once.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        Due {
            interval: self.interval.beat(now),
            live: self.live.as_mut().is_some_and(|live| live.beat(now)),
        }
    }
}

impl Rhythm {
    fn beat(&mut self, now: Instant) -> bool {
        let is_due = self.next <= now;
        // Late by more than an interval: do not make up for what was missed.
        while self.next <= now {
            self.next += self.every.max(Duration::from_millis(1));
        }
        is_due
    }
}

/// A share of `interval` between an eighth and the whole that differs from stream to stream.
fn spread(id: MediaId, interval: Duration) -> Duration {
    // Fibonacci hashing: neighbouring numbers land far apart.
    let eighths = (id.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % 897 + 128;
    let nanos = interval.as_nanos().saturating_mul(u128::from(eighths)) / 1_024;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(live: Duration) -> RelayConfig {
        RelayConfig {
            live_interval: live,
            ..RelayConfig::new(vec![[127, 0, 0, 1].into()], 10_000..=10_003)
        }
    }

    #[test]
    fn streams_that_begin_together_spread_their_live_reports() {
        let live = Duration::from_secs(5);
        let mut firsts: Vec<Instant> = (0..1_000)
            .map(|id| Reports::begin(MediaId(id), Instant::ZERO, &config(live)).next())
            .collect();
        firsts.sort_unstable();
        assert!(firsts[0] >= Instant::from_millis(625), "{:?}", firsts[0]);
        assert!(firsts[999] <= Instant::from_millis(5_000));
        let busiest = firsts.windows(20).map(|w| w[19] - w[0]).min().unwrap();
        assert!(busiest >= Duration::from_millis(20), "20 reports within {busiest:?}");
    }

    #[test]
    fn the_first_interval_ends_a_minute_after_the_beginning_and_the_live_rhythm_does_not_move_it() {
        let mut reports =
            Reports::begin(MediaId(3), Instant::from_millis(7), &config(Duration::from_secs(5)));
        let (mut intervals, mut live) = (Vec::new(), 0);
        while reports.next() <= Instant::from_millis(130_000) {
            let now = reports.next();
            let due = reports.due(now);
            assert!(due.interval || due.live);
            live += u32::from(due.live);
            intervals.extend(due.interval.then_some(now.as_millis()));
        }
        assert_eq!(intervals, [60_007, 120_007]);
        assert!((25..=26).contains(&live), "{live}");
    }

    #[test]
    fn what_was_missed_is_not_made_up_for_and_zero_is_never() {
        let mut reports = Reports::begin(MediaId(3), Instant::ZERO, &config(Duration::ZERO));
        assert_eq!(reports.next(), Instant::from_millis(60_000));
        let late = Instant::from_millis(190_000);
        assert_eq!(reports.due(late), Due { interval: true, live: false });
        assert_eq!(reports.due(late), Due { interval: false, live: false });
        assert_eq!(reports.next(), Instant::from_millis(240_000));
    }
}
