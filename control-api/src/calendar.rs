//! Times as AWS writes them, in UTC.

use model::UnixTime;

/// Days from 1970-01-01 to a day of the Gregorian calendar; years begin in March, so that the leap
/// day is a year's last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Reads `20150830T123600Z`: seconds since 1970.
pub(crate) fn from_basic(text: &str) -> Option<i64> {
    let octets = text.as_bytes();
    let shape = octets.len() == 16 && octets.get(8) == Some(&b'T') && octets.get(15) == Some(&b'Z');
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse::<i64>().ok()
    };
    if !shape {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    let at = days(year, month, day);
    let fits = date(at) == (year, month, day) && hour < 24 && minute < 60 && second < 60;
    fits.then_some(at * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Writes `20150830T123600Z`.
pub(crate) fn basic(time: UnixTime) -> String {
    let ((year, month, day), hour, minute, second) = parts(time);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Writes `2015-08-30T12:36:00Z`.
pub(crate) fn extended(time: UnixTime) -> String {
    let ((year, month, day), hour, minute, second) = parts(time);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Writes `2015-08-30T12:36:00.123Z`.
pub(crate) fn iso_millis(time: UnixTime) -> String {
    let ((year, month, day), hour, minute, second) = parts(time);
    let millis = time.as_millis() % 1_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

fn parts(time: UnixTime) -> ((i64, i64, i64), i64, i64, i64) {
    // The year 9999 is far enough.
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX).min(253_402_300_799);
    let of_day = seconds % 86_400;
    (date(seconds / 86_400), of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments() {
        assert_eq!(from_basic("19700101T000000Z"), Some(0));
        assert_eq!(from_basic("20150830T123600Z"), Some(1_440_938_160));
        assert_eq!(from_basic("20240229T235959Z"), Some(1_709_251_199));
        let time = UnixTime::from_millis(1_440_938_160_999);
        assert_eq!(extended(time), "2015-08-30T12:36:00Z");
        for wrong in
            ["20230229T000000Z", "20150830T240000Z", "20150830123600Z", "", "2015083éT1236Z"]
        {
            assert_eq!(from_basic(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(seconds in 0u64..253_402_300_799) {
            let time = UnixTime::from_millis(seconds * 1_000);
            prop_assert_eq!(from_basic(&basic(time)), i64::try_from(seconds).ok());
        }
    }
}
