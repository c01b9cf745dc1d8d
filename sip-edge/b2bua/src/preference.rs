//! Which of several Contacts is preferred (RFC 3261 section 20.10).

/// A Contact's q value in thousandths; without one it is preferred to all that have less than 1, and
/// one that cannot be read counts as 0.
pub(crate) fn preference(q: Option<Option<&str>>) -> u16 {
    let Some(Some(q)) = q else { return HIGHEST };
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    match (whole, thousandths.parse::<u16>()) {
        ("1", _) => HIGHEST,
        ("0" | "", Ok(thousandths)) => thousandths,
        _ => 0,
    }
}

/// q = 1.
pub(crate) const HIGHEST: u16 = 1_000;

#[cfg(test)]
mod tests {
    use super::preference;

    #[test]
    fn q_values_order_as_numbers_and_a_missing_one_is_the_highest() {
        let values = [None, Some("1.0"), Some("0.75"), Some("0.7"), Some("0.07"), Some("0")];
        let read: Vec<_> = values.into_iter().map(|q| preference(q.map(Some))).collect();
        assert_eq!(read, [1000, 1000, 750, 700, 70, 0]);
        assert_eq!(preference(Some(Some("x"))), 0);
        assert_eq!(preference(Some(None)), 1000);
    }
}
