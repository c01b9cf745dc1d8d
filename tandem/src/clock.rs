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
    /// The same moment told from an earlier one, so that what happened after that, before the process
    /// began, has its instant; this one when the clock does not go back so far.
    pub(crate) fn back_to(self, calendar: UnixTime) -> Self {
        let millis = self.calendar.as_millis().saturating_sub(calendar.as_millis());
        match self.monotonic.checked_sub(std::time::Duration::from_millis(millis)) {
            Some(monotonic) if millis > 0 => Origin { monotonic, calendar },
            _ => self,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the one reading that all instants count from")]
    pub(crate) fn now() -> Self {
        let since_epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        Origin { monotonic: std::time::Instant::now(), calendar: UnixTime::from_millis(millis) }
    }
}
