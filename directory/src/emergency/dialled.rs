//! What is dialled in a country: in distress, and for a test call.

/// The data that comes with this version; its head says where it is from.
const DATA: &str = include_str!("../../data/emergency.tsv");

/// What is dialled where no other number is known.
const COMMON: &str = "112";

/// The numbers that are dialled in distress, the first one first.
pub(super) fn in_distress(country: &str) -> impl Iterator<Item = &'static str> {
    let row = rows().find(|(listed, _)| *listed == country);
    row.map_or(COMMON, |(_, numbers)| numbers).split(' ')
}

/// 933 is what North American emergency routing services answer for tests.
pub(super) fn for_a_test(country: &str) -> impl Iterator<Item = &'static str> {
    let is_served = matches!(country, "US" | "CA" | "PR" | "VI" | "GU");
    is_served.then_some("933").into_iter()
}

fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    DATA.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_row_is_a_country_with_its_numbers() {
        let lines = DATA.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(rows().count(), lines, "a line is neither a remark nor a row");
        let mut seen = HashSet::new();
        for (country, numbers) in rows() {
            assert_eq!(crate::country_code(country), Some(country));
            assert!(seen.insert(country), "{country} is listed twice");
            for number in numbers.split(' ') {
                let is_short = (2..=5).contains(&number.len());
                assert!(
                    is_short && number.bytes().all(|b| b.is_ascii_digit()),
                    "{country} {number}"
                );
            }
        }
    }

    #[test]
    fn numbers_of_some_countries() {
        let all = |country| in_distress(country).collect::<Vec<_>>().join(" ");
        for (country, numbers) in [
            ("US", "911"),
            ("GB", "999 112"),
            ("CN", "110 119 120"),
            ("JP", "110 118 119"),
            ("AR", "100 101 107 911"),
            ("FR", "112 15 17 18"),
            ("FI", "112"),
        ] {
            assert_eq!(all(country), numbers, "{country}");
        }
        assert_eq!(for_a_test("CA").collect::<Vec<_>>(), ["933"]);
        assert_eq!(for_a_test("GB").count(), 0);
    }
}
