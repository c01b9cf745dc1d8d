//! The only place that reads clocks and draws random numbers, for this crate and for what delivers
//! beside it.

use model::{Instant, UnixTime};

/// A monotonic clock, for pauses: its instants count from [`Clock::start`].
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A clock that begins now.
    #[expect(clippy::disallowed_methods, reason = "the shell's zero")]
    pub fn start() -> Self {
        Clock { origin: std::time::Instant::now() }
    }

    /// What it shows.
    #[expect(clippy::disallowed_methods, reason = "the shell's one reading of the clock")]
    pub fn now(&self) -> Instant {
        Instant::ZERO + std::time::Instant::now().saturating_duration_since(self.origin)
    }
}

/// The calendar's time, for what people read.
#[expect(clippy::disallowed_methods, reason = "the shell's reading of the calendar")]
pub fn unix_time() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    UnixTime::from_millis(millis)
}

/// A random number, for pauses and names; where the system has none, one that no other moment has.
pub fn draw() -> u64 {
    getrandom::u64().unwrap_or_else(|_| unix_time().as_millis().rotate_left(20))
}
