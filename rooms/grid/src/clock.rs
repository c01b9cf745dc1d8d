//! The only place of the crate that reads clocks.

use model::Instant;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Counts from when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the clock of the threads that compose")]
    pub(crate) fn new() -> Self {
        Clock { origin: std::time::Instant::now() }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Instant {
        let nanos = self.origin.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// CPU time of the calling thread.
pub(crate) fn thread_time() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = Duration::from_secs(u64::try_from(used.tv_sec).unwrap_or_default());
    seconds + Duration::from_nanos(u64::try_from(used.tv_nsec).unwrap_or_default())
}
