//! Times as clients write them.

/// Seconds since 1970 of `2015-08-30T12:36:00Z`, also with fractions of a second or an offset such as
/// `+02:00` (RFC 3339); `None` for anything else.
pub(super) fn from_iso(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't'])?;
    let (time, rest) = rest.split_at_checked(8)?;
    let compact = |text: &str, mark: u8, at: [usize; 2]| {
        let octets = text.as_bytes();
        let is_shaped = octets.iter().enumerate().all(|(n, octet)| match at.contains(&n) {
            true => *octet == mark,
            false => octet.is_ascii_digit(),
        });
        is_shaped.then(|| text.replace(char::from(mark), ""))
    };
    let (date, time) = (compact(date, b'-', [4, 7])?, compact(time, b':', [2, 5])?);
    let seconds = crate::calendar::from_basic(&format!("{date}T{time}Z"))?;
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|letter: char| letter.is_ascii_digit());
            (zone.len() < fraction.len()).then_some(zone)?
        }
        None => rest,
    };
    Some(seconds - offset(zone)?)
}

fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let number = |text: &str, below: i64| {
        let is_number = text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_digit());
        is_number.then(|| text.parse::<i64>().ok()).flatten().filter(|value| *value < below)
    };
    Some(sign * (number(hours, 24)? * 3_600 + number(minutes, 60)? * 60))
}

#[cfg(test)]
mod tests {
    use super::from_iso;

    #[test]
    fn known_moments() {
        assert_eq!(from_iso("2015-08-30T12:36:00Z"), Some(1_440_938_160));
        assert_eq!(from_iso("2015-08-30T14:36:00.123456+02:00"), Some(1_440_938_160));
        assert_eq!(from_iso("2015-08-30t05:06:00-07:30"), Some(1_440_938_160));
        for wrong in [
            "",
            "2015-08-30",
            "2015-08-30 12:36:00Z",
            "2015-08-30T12:36:00",
            "2015-08-30T12:36:00.Z",
            "2015-08-30T12:36:00+2:00",
            "2015-08-30T12:36:00+24:00",
            "2015-02-30T12:36:00Z",
            "2015-08-30T12:36:00Zé",
            "２０15-08-30T12:36:00Z",
        ] {
            assert_eq!(from_iso(wrong), None, "{wrong}");
        }
    }
}
