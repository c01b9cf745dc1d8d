//! The only place of this crate that reads a clock.

use model::UnixTime;
use std::time::SystemTime;

/// The calendar's time, for signatures.
#[expect(clippy::disallowed_methods, reason = "the shell's reading of the calendar")]
pub(crate) fn system_time() -> SystemTime {
    SystemTime::now()
}

/// The calendar's time, for what services say of records that are too old or too new.
pub(crate) fn unix_time() -> UnixTime {
    let since = system_time().duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    UnixTime::from_millis(millis)
}
