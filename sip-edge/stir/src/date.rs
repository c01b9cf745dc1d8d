//! The Date header (RFC 3261 section 20.17).

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A SIP-date, `Sat, 13 Nov 2010 23:29:00 GMT`, in seconds since 1970. The day of the week says
/// nothing that the rest does not, and is passed over.
pub(crate) fn seconds_of(date: &str) -> Option<u64> {
    let (_, rest) = date.trim().split_once(',')?;
    let mut parts = rest.split_ascii_whitespace();
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (time, zone) = (parts.next()?, parts.next()?);
    if !zone.eq_ignore_ascii_case("GMT") || parts.next().is_some() {
        return None;
    }
    let mut time = time.split(':');
    let (hour, minute, second) = (time.next()?, time.next()?, time.next()?);
    let number = |text: &str, most: u64| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u64>().ok().filter(|number| is_number && *number <= most)
    };
    let (hour, minute, second) = (number(hour, 23)?, number(minute, 59)?, number(second, 60)?);
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?;
    let (day, year) = (number(day, 31)?, number(year, 9_999).filter(|year| *year >= 1970)?);
    let is_whole = time.next().is_none() && day >= 1;
    is_whole.then(|| days(year, month as u64, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Days from 1970-01-01; `month` counts from 0.
fn days(year: u64, month: u64, day: u64) -> u64 {
    // Years that begin in March: the leap day is the last of its year.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let of_months = (153 * month + 2) / 5;
    let to_1970 = 719_468;
    year * 365 + year / 4 - year / 100 + year / 400 + of_months + day - 1 - to_1970
}

#[cfg(test)]
mod tests {
    use super::seconds_of;

    #[test]
    fn dates_of_rfc_3261_and_others() {
        for (date, seconds) in [
            ("Sat, 13 Nov 2010 23:29:00 GMT", 1_289_690_940),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
            ("Fri, 01 Mar 2024 00:00:00 gmt", 1_709_251_200),
            ("Tue, 31 Dec 2030 23:59:59 GMT", 1_924_991_999),
        ] {
            assert_eq!(seconds_of(date), Some(seconds), "{date}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for date in [
            "",
            "13 Nov 2010 23:29:00 GMT",
            "Sat, 13 Nov 2010 23:29:00",
            "Sat, 13 Nov 2010 23:29:00 EST",
            "Sat, 13 Nov 2010 23:29 GMT",
            "Sat, 00 Nov 2010 23:29:00 GMT",
            "Sat, 13 Nov 1969 23:29:00 GMT",
            "Sat, 13 Nov 99999 23:29:00 GMT",
            "Sat, 13 Nov 2010 24:00:00 GMT",
            "Sat, 13 Nov 2010 +1:00:00 GMT",
            "Sat, 13 Nov 2010 23:29:00:00 GMT",
            "Sat, 13 Nov 2010 23:29:00 GMT more",
        ] {
            assert_eq!(seconds_of(date), None, "{date}");
        }
    }
}
