//! The only place of this crate that reads a clock.

use model::{Instant, UnixTime};

/// The node's monotonic clock. Every shell of a process shares one origin, so that an instant of
/// the signalling worker and one of a relay worker can be compared.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A clock that counts from `origin`, the moment that the process chose as its zero.
    pub const fn new(origin: std::time::Instant) -> Clock {
        Clock { origin }
    }

    /// Time since the origin.
    #[expect(clippy::disallowed_methods, reason = "the shell's one reading of the clock")]
    pub fn now(&self) -> Instant {
        Instant::ZERO + std::time::Instant::now().saturating_duration_since(self.origin)
    }

    /// The same instant for tokio's timers.
    pub(crate) fn timer_at(&self, at: Instant) -> tokio::time::Instant {
        let since_origin = std::time::Duration::from_nanos(at.as_nanos());
        // Beyond what the operating system can express: a day is as good, the timer is armed again.
        let far = std::time::Duration::from_secs(86_400);
        let at = self.origin.checked_add(since_origin).unwrap_or(self.origin + far);
        tokio::time::Instant::from_std(at)
    }
}

/// The calendar's time, which callers' signatures are dated by.
#[expect(clippy::disallowed_methods, reason = "the shell's reading of the calendar")]
pub(crate) fn unix_time() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    UnixTime::from_millis(millis)
}

/// Seconds since 1970, which certificates are measured by.
#[expect(clippy::disallowed_methods, reason = "the shell's one reading of the calendar")]
pub(crate) fn unix_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
