//! The only place of the crate that reads the clock.

use model::Instant;

/// The clock of packets' arrivals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A clock that counts from `origin`.
    pub(crate) const fn new(origin: std::time::Instant) -> Self {
        Clock { origin }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Instant {
        let nanos = self.origin.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
