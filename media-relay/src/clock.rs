//! The only place of the relay that reads the clock.

use crate::sys;
use model::Instant;
use relay_core::NtpTime;

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

    /// The wall clock as RTCP carries it. It may be set while the node runs: only differences within
    /// one peer's answer count, and those are taken by [`Clock::now`].
    #[expect(clippy::disallowed_methods, reason = "a shell's clock.rs")]
    pub(crate) fn ntp(&self) -> NtpTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        NtpTime::from_unix(since.unwrap_or_default())
    }

    /// The calendar, in nanoseconds since 1970.
    #[expect(clippy::disallowed_methods, reason = "a shell's clock.rs")]
    pub(crate) fn unix_nanos(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
    }

    /// CLOCK_MONOTONIC, in nanoseconds, at this clock's origin.
    pub(crate) fn monotonic_origin(&self) -> u64 {
        sys::monotonic_nanos().saturating_sub(self.now().as_nanos())
    }

    /// The same moment for a library that counts by the standard library's clock.
    pub(crate) fn to_std(self, at: Instant) -> std::time::Instant {
        self.origin + at.saturating_since(Instant::ZERO)
    }

    /// The same moment by this clock.
    pub(crate) fn of_std(self, at: std::time::Instant) -> Instant {
        Instant::ZERO + at.saturating_duration_since(self.origin)
    }
}
