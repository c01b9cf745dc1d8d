//! Ranges of numbers that fraud pays for, as data.

use std::collections::HashMap;

/// Why a range of numbers is a risk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RiskClass {
    /// Premium rate and shared revenue.
    Premium,
    /// Satellite and international networks.
    Satellite,
    /// Numbers of global services that belong to no country.
    Global,
    /// Personal and follow-me numbers.
    Personal,
    /// A destination that international revenue share fraud is known for.
    RevenueShareFraud,
    /// Listed by the operator.
    Listed,
}

impl RiskClass {
    /// Its word in the data file and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            RiskClass::Premium => "premium",
            RiskClass::Satellite => "satellite",
            RiskClass::Global => "global",
            RiskClass::Personal => "personal",
            RiskClass::RevenueShareFraud => "irsf",
            RiskClass::Listed => "listed",
        }
    }

    fn parse(word: &str) -> Option<RiskClass> {
        [
            RiskClass::Premium,
            RiskClass::Satellite,
            RiskClass::Global,
            RiskClass::Personal,
            RiskClass::RevenueShareFraud,
        ]
        .into_iter()
        .find(|class| class.name() == word)
    }
}

/// The ranges, by prefix with `+`.
#[derive(Clone, Debug)]
pub(crate) struct HighRisk {
    ranges: HashMap<Box<str>, Option<RiskClass>>,
    longest: usize,
}

/// The data that comes with this version; its head says where it is from.
const DATA: &str = include_str!("../../data/high_risk.tsv");

impl HighRisk {
    /// The ranges that come with this version, and the operator's.
    pub(crate) fn with<'a>(listed: impl Iterator<Item = &'a str>) -> Self {
        let ranges: HashMap<Box<str>, Option<RiskClass>> = lines()
            .map(|(prefix, class)| (prefix.into(), RiskClass::parse(class)))
            .chain(listed.map(|prefix| (prefix.into(), Some(RiskClass::Listed))))
            .collect();
        let longest = ranges.keys().map(|prefix| prefix.len()).max().unwrap_or(0);
        HighRisk { ranges, longest }
    }

    /// The class of a number's longest listed prefix.
    pub(crate) fn class_of(&self, e164: &str) -> Option<RiskClass> {
        (1..=self.longest.min(e164.len()))
            .rev()
            .find_map(|length| self.ranges.get(e164.get(..length)?))
            .copied()
            .flatten()
    }
}

fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    DATA.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut columns = line.split('\t');
        Some((columns.next()?, columns.next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> HighRisk {
        HighRisk::with(std::iter::empty())
    }

    #[test]
    fn every_line_of_the_data_is_whole_and_stands_once() {
        let mut seen = std::collections::HashSet::new();
        for line in DATA.lines().filter(|line| !line.starts_with('#')) {
            let columns: Vec<_> = line.split('\t').collect();
            let [prefix, class, what] = columns[..] else { panic!("{line:?}") };
            let digits = prefix.strip_prefix('+').unwrap();
            assert!(!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()), "{line:?}");
            assert!(class == "none" || RiskClass::parse(class).is_some(), "{line:?}");
            assert!(!what.is_empty(), "{line:?}");
            assert!(seen.insert(prefix), "{prefix} twice");
        }
        assert!(seen.len() > 100);
    }

    #[test]
    fn classes_of_well_known_ranges() {
        for (number, class) in [
            ("+881612345678", Some(RiskClass::Satellite)),
            ("+882131234567", Some(RiskClass::Satellite)),
            ("+883510012345", Some(RiskClass::Satellite)),
            ("+979112345678", Some(RiskClass::Premium)),
            ("+19005550123", Some(RiskClass::Premium)),
            ("+18765550123", Some(RiskClass::RevenueShareFraud)),
            ("+447012345678", Some(RiskClass::Personal)),
            ("+449012345678", Some(RiskClass::Premium)),
            ("+2472345", Some(RiskClass::RevenueShareFraud)),
            ("+12065550123", None),
            ("+442071234567", None),
            ("+81312345678", None),
            ("+493012345678", None),
            ("+35315240000", None),
            ("+27901234567", Some(RiskClass::Premium)),
            ("+3523701234", None),
            ("+41878123456", Some(RiskClass::Personal)),
        ] {
            assert_eq!(shipped().class_of(number), class, "{number}");
        }
    }

    #[test]
    fn the_longest_prefix_counts_and_the_operator_adds_his() {
        let mine = HighRisk::with(["+4420", "+4470"].into_iter());
        assert_eq!(mine.class_of("+442071234567"), Some(RiskClass::Listed));
        assert_eq!(mine.class_of("+447012345678"), Some(RiskClass::Listed));
        assert_eq!(mine.class_of("+441134960000"), None);
        assert_eq!(mine.class_of(""), None);
    }
}
