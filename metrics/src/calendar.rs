//! Calendar texts of a [`UnixTime`], always UTC.

use jiff::Timestamp;
use model::UnixTime;

/// `YYYY/MM/DD/HH.MM.SS.mmm`, the middle of a call detail record's key.
pub(crate) fn key(time: UnixTime) -> String {
    text("%Y/%m/%d/%H.%M.%S%.3f", time)
}

/// `YYYY-MM-DD`.
pub(crate) fn day(time: UnixTime) -> String {
    text("%Y-%m-%d", time)
}

/// `YYYY-MM-DD HH:MM:SS.mmm UTC`.
pub(crate) fn readable(time: UnixTime) -> String {
    text("%Y-%m-%d %H:%M:%S%.3f UTC", time)
}

/// `HH:MM:SS`.
pub(crate) fn clock(time: UnixTime) -> String {
    text("%H:%M:%S", time)
}

fn text(format: &str, time: UnixTime) -> String {
    // jiff ends with the year 9999; a time beyond it can only come of a broken clock.
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_utc_with_fixed_width_milliseconds() {
        let time = UnixTime::from_millis(1_551_460_200_020);
        assert_eq!(key(time), "2019/03/01/17.10.00.020");
        assert_eq!(key(UnixTime::from_millis(1_551_460_200_000)), "2019/03/01/17.10.00.000");
        assert_eq!(day(time), "2019-03-01");
        assert_eq!(readable(time), "2019-03-01 17:10:00.020 UTC");
    }

    #[test]
    fn a_broken_clock_is_no_panic() {
        assert!(day(UnixTime::from_millis(u64::MAX)).starts_with("9999"));
    }
}
