//! The only place of the binary that reads the clock, once at the start: everything after counts
//! from there.

use model::UnixTime;

/// The moment that the whole process counts from, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// On the monotonic clock.
    pub(crate) monotonic: std::time::Instant,
    /// On the calendar.
    pub(crate) calendar: UnixTime,
}

impl Origin {
    #[expect(clippy::disallowed_methods, reason = "the one reading that all instants count from")]
    pub(crate) fn now() -> Self {
        let since_epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        Origin { monotonic: std::time::Instant::now(), calendar: UnixTime::from_millis(millis) }
    }
}
