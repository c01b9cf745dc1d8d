//! Calendar texts, always UTC.

use jiff::Timestamp;
use model::UnixTime;

/// `YYYY/MM/DD/HH.MM.SS.mmm`, where a recording is.
pub(crate) fn place(time: UnixTime) -> String {
    timestamp(time).strftime("%Y/%m/%d/%H.%M.%S%.3f").to_string()
}

/// `2026-11-22T13:52:00.123Z`, so many samples after `began`.
pub(crate) fn readable(began: UnixTime, samples: u64, sample_rate: u32) -> String {
    let millis = samples.saturating_mul(1_000) / u64::from(sample_rate.max(1));
    let time = UnixTime::from_millis(began.as_millis().saturating_add(millis));
    timestamp(time).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The time of such a text.
pub(crate) fn parse(text: &str) -> Option<UnixTime> {
    let time: Timestamp = text.parse().ok()?;
    Some(UnixTime::from_millis(u64::try_from(time.as_millisecond()).ok()?))
}

fn timestamp(time: UnixTime) -> Timestamp {
    // jiff ends with the year 9999; a time beyond it can only come of a broken clock.
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}
