//! Times of metadata: `xs:dateTime` of XML Schema.

use model::UnixTime;

const DAY_SECONDS: i64 = 86_400;

/// Reads `YYYY-MM-DDThh:mm:ss[.fraction][Z|±hh:mm]`; without a zone it counts as UTC. `None` for
/// everything else, for a day that there is not, and for times before 1970 or after 9999.
pub(crate) fn read(text: &str) -> Option<UnixTime> {
    let (date, time) = text.trim().split_once(['T', 't'])?;
    let mut date = date.splitn(3, '-');
    let (year, month) = (digits(date.next()?, 4)?, digits(date.next()?, 2)?);
    let day = digits(date.next()?, 2)?;
    let (clock, offset) = split_zone(time)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.splitn(3, ':');
    let (hour, minute) = (digits(clock.next()?, 2)?, digits(clock.next()?, 2)?);
    let second = digits(clock.next()?, 2)?;
    let leaps = i64::from(is_leap(year) && month > 2);
    let month_index = usize::try_from(month.checked_sub(1)?).ok()?;
    let length = DAYS.get(month_index)? + i64::from(is_leap(year) && month == 2);
    // A leap second has no place of its own in Unix time.
    let right = (1970..=9999).contains(&year)
        && (1..=length).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !right {
        return None;
    }
    let before: i64 = DAYS.iter().take(month_index).sum();
    let days = days_to_year(year) + before + leaps + day - 1;
    let seconds = days * DAY_SECONDS + hour * 3_600 + minute * 60 + second - offset;
    let millis = u64::try_from(seconds).ok()?.checked_mul(1_000)?;
    Some(UnixTime::from_millis(millis.checked_add(milliseconds(fraction)?)?))
}

/// Writes a time in UTC, with milliseconds where it has some.
pub(crate) fn write(time: UnixTime) -> String {
    let (seconds, millis) = (time.as_secs(), time.as_millis() % 1_000);
    let day_seconds = DAY_SECONDS.unsigned_abs();
    let (mut days, clock) = (seconds / day_seconds, seconds % day_seconds);
    let mut year = 1970_i64;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length || year >= 9999 {
            break;
        }
        days -= length;
        year += 1;
    }
    let mut month = 1;
    for (index, length) in DAYS.iter().enumerate() {
        let length = length.unsigned_abs() + u64::from(index == 1 && is_leap(year));
        if days < length || month == 12 {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
    let fraction = if millis > 0 { format!(".{millis:03}") } else { String::new() };
    let day = days.min(30) + 1;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

const DAYS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from 1970 to the first of January of a later year.
fn days_to_year(year: i64) -> i64 {
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

/// The clock's part, and by how many seconds the zone is ahead of UTC.
fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (clock, zone) = time.split_at(at);
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 14 && minutes < 60).then_some((clock, sign * (hours * 3_600 + minutes * 60)))
}

/// The first three digits of a fraction.
fn milliseconds(fraction: &str) -> Option<u64> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut value = 0;
    for index in 0..3 {
        let digit = fraction.as_bytes().get(index).map_or(0, |byte| byte.saturating_sub(b'0'));
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let right = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    right.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_as_clients_write_them() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0.0)),
            ("2010-12-16T23:41:07Z", Some(1_292_542_867.0)),
            ("2010-12-16T23:41:07", Some(1_292_542_867.0)),
            ("2010-12-17T00:41:07.250+01:00", Some(1_292_542_867.25)),
            ("2010-12-16T18:11:07-05:30", Some(1_292_542_867.0)),
            ("2000-02-29T12:00:00.1Z", Some(951_825_600.1)),
            ("2026-11-22T00:00:60Z", Some(1_795_305_660.0)),
            (" 2010-12-16T23:41:07Z\n", Some(1_292_542_867.0)),
            ("2001-02-29T12:00:00Z", None),
            ("2010-13-01T00:00:00Z", None),
            ("2010-00-01T00:00:00Z", None),
            ("2010-01-01T24:00:00Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("1970-01-01T00:00:00+01:00", None),
            ("2010-12-16 23:41:07Z", None),
            ("2010-12-16T23:41Z", None),
            ("2010-12-16T23:41:07.x5Z", None),
            ("2010-12-16T23:41:07+1:00", None),
            ("99999-01-01T00:00:00Z", None),
            ("", None),
        ] {
            let read = read(text).map(|time| time.as_millis());
            assert_eq!(read, seconds.map(|s: f64| (s * 1_000.0).round() as u64), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(millis in 0_u64..253_402_300_799_999) {
            let time = UnixTime::from_millis(millis);
            prop_assert_eq!(read(&write(time)), Some(time));
        }

        #[test]
        fn any_text_is_a_time_or_none(text in "\\PC*") {
            let _ = read(&text);
        }

        #[test]
        fn any_time_can_be_written(millis in any::<u64>()) {
            let _ = write(UnixTime::from_millis(millis));
        }
    }
}
