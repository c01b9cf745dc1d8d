//! The only place of the user agent that reads a clock.

use model::Instant;
use rtp_proto::NtpTime;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A monotonic clock that also knows the calendar time of its origin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: std::time::Instant,
    origin_since_epoch: Duration,
}

impl Clock {
    /// A clock whose origin is now.
    #[expect(clippy::disallowed_methods, reason = "the user agent's reading of the clocks")]
    pub(super) fn start() -> Clock {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { origin: std::time::Instant::now(), origin_since_epoch: since_epoch }
    }

    /// Time since the origin.
    #[expect(clippy::disallowed_methods, reason = "the user agent's reading of the clocks")]
    pub(super) fn now(&self) -> Instant {
        Instant::ZERO + std::time::Instant::now().saturating_duration_since(self.origin)
    }

    /// The NTP time of an instant, for sender reports. It never jumps, because only the origin is
    /// calendar time.
    pub(super) fn ntp(&self, at: Instant) -> NtpTime {
        NtpTime::from_unix(self.origin_since_epoch + at.saturating_since(Instant::ZERO))
    }
}
