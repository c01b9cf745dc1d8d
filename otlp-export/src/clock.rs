//! The only place of this crate that reads clocks and draws random numbers.

use model::{Instant, UnixTime};

/// A monotonic clock, for pauses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the shell's zero")]
    pub(crate) fn start() -> Self {
        Clock { origin: std::time::Instant::now() }
    }

    #[expect(clippy::disallowed_methods, reason = "the shell's one reading of the clock")]
    pub(crate) fn now(&self) -> Instant {
        Instant::ZERO + std::time::Instant::now().saturating_duration_since(self.origin)
    }
}

/// The calendar's time, for what people read.
#[expect(clippy::disallowed_methods, reason = "the shell's reading of the calendar")]
pub(crate) fn unix_time() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    UnixTime::from_millis(millis)
}

/// A random number, for pauses; where the system has none, one that no other moment has.
pub(crate) fn draw() -> u64 {
    getrandom::u64().unwrap_or_else(|_| unix_time().as_millis().rotate_left(20))
}
