//! The only place of the hub that reads the clock.

use model::Instant;

/// The clock of packets' arrivals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A clock that counts from `origin`.
    pub(super) const fn new(origin: std::time::Instant) -> Self {
        Clock { origin }
    }

    /// The time now.
    pub(super) fn now(&self) -> Instant {
        let nanos = self.origin.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
