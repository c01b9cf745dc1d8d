//! The only place of the relay that reads the clock.

use model::Instant;

/// The node's monotonic clock (CLOCK_MONOTONIC), counted from an origin that the whole process
/// shares, so that instants of signalling and of media can be compared.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A clock that counts from `origin`.
    pub const fn new(origin: std::time::Instant) -> Self {
        Clock { origin }
    }

    /// The time now.
    #[inline]
    pub fn now(&self) -> Instant {
        let nanos = self.origin.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
