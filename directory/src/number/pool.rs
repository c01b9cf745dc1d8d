//! Pools of numbers that may be ordered.

use super::table::{packed, unpacked};
use std::sync::Arc;

/// Most numbers of one range.
const RANGE_MAX: u64 = 1_000_000;

/// North American codes of freephone numbers.
const TOLL_FREE: [u64; 7] = [800, 833, 844, 855, 866, 877, 888];

/// Numbers that the operator has and has not given away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NumberPool {
    /// Which numbers.
    pub ranges: Vec<NumberRange>,
    /// ISO 3166-1 alpha-2.
    pub country: Arc<str>,
    /// Freephone numbers, or local ones.
    pub is_toll_free: bool,
    /// The city that the numbers are of.
    pub city: Option<Arc<str>>,
    /// The state or province that the numbers are of, as its two letters.
    pub state: Option<Arc<str>>,
}

/// One number or several that follow each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NumberRange {
    first: u64,
    last: u64,
}

impl NumberRange {
    /// Reads `+12065550100` or `+12065550100-+12065550199`.
    ///
    /// # Errors
    /// In words.
    pub fn parse(text: &str) -> Result<NumberRange, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| {
            packed(text.trim()).ok_or_else(|| {
                format!(
                    "{text:?} is not an E.164 number; write \"+12065550100\", or a range such as \
                     \"+12065550100-+12065550199\""
                )
            })
        };
        let (first, last) = (number(first)?, number(last)?);
        if last < first || first.ilog10() != last.ilog10() {
            return Err(format!(
                "{text:?} is no range; write the lowest number first, and both with as many digits"
            ));
        }
        if last - first >= RANGE_MAX {
            return Err(format!("{text:?} has more than {RANGE_MAX} numbers; write several pools"));
        }
        Ok(NumberRange { first, last })
    }

    /// The lowest number.
    pub fn first(&self) -> String {
        unpacked(self.first)
    }

    /// The highest number, which has as many digits.
    pub fn last(&self) -> String {
        unpacked(self.last)
    }

    /// All numbers of the range after `after`, or all, that begin with `prefix`, in order.
    pub fn numbers(
        &self,
        after: Option<&str>,
        prefix: Option<&str>,
    ) -> impl Iterator<Item = String> + use<> {
        let after = after.and_then(packed).map_or(0, |after| after.saturating_add(1));
        let (mut first, mut last) = (self.first.max(after), self.last);
        if let Some(prefix) = prefix.and_then(|prefix| prefix.strip_prefix('+')) {
            let digits = self.first.ilog10() as usize + 1;
            let rest = u32::try_from(digits.saturating_sub(prefix.len())).unwrap_or(0);
            match prefix.parse::<u64>() {
                Ok(lead) if prefix.len() <= digits => {
                    let step = 10_u64.saturating_pow(rest);
                    first = first.max(lead.saturating_mul(step));
                    last = last.min(lead.saturating_add(1).saturating_mul(step).saturating_sub(1));
                }
                _ => last = 0,
            }
        }
        (first..=last).map(unpacked)
    }

    /// Whether a number is in both.
    pub fn meets(&self, other: &NumberRange) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Whether it has the number.
    pub fn contains(&self, e164: &str) -> bool {
        packed(e164).is_some_and(|number| (self.first..=self.last).contains(&number))
    }
}

/// Whether it is a North American freephone number.
pub fn is_toll_free(e164: &str) -> bool {
    packed(e164).is_some_and(|number| {
        number.ilog10() == 10
            && TOLL_FREE.contains(&(number / 10_000_000 % 1_000))
            && number / 10_000_000_000 == 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(range: &str, after: Option<&str>, prefix: Option<&str>) -> Vec<String> {
        NumberRange::parse(range).unwrap().numbers(after, prefix).collect()
    }

    #[test]
    fn ranges_are_what_is_written() {
        let range = "+12065550199-+12065550201";
        assert_eq!(numbers(range, None, None), ["+12065550199", "+12065550200", "+12065550201"]);
        assert_eq!(numbers(range, Some("+12065550200"), None), ["+12065550201"]);
        assert!(numbers(range, Some("+12065550201"), None).is_empty());
        assert_eq!(numbers(range, None, Some("+12065550200")), ["+12065550200"]);
        assert_eq!(numbers(range, None, Some("+1206")).len(), 3);
        assert_eq!(numbers(range, None, Some("+120655501")), ["+12065550199"]);
        for other in ["+1207", "+44", "+120655501990", "+"] {
            assert!(numbers(range, None, Some(other)).is_empty(), "{other}");
        }
        assert_eq!(numbers("+442079460000", None, Some("+44")), ["+442079460000"]);
    }

    #[test]
    fn what_is_no_range_is_told() {
        for (text, word) in [
            ("12065550100", "E.164"),
            ("+12065550100-", "E.164"),
            ("+12065550101-+12065550100", "lowest"),
            ("+4420794600-+44207946000", "digits"),
            ("+12060000000-+12069999999", "more than"),
        ] {
            let error = NumberRange::parse(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn freephone_numbers() {
        assert!(is_toll_free("+18005550100") && is_toll_free("+18885550100"));
        for other in ["+12065550100", "+18015550100", "+448005550100", "+180055501000", "800"] {
            assert!(!is_toll_free(other), "{other}");
        }
    }
}
