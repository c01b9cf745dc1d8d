//! Values and how often each came, within a bound.

use std::collections::BTreeMap;

/// Distinct values that one distribution keeps: four data of CloudWatch's 150.
///
/// Full policy: values are rounded, in all by at most 0.4 %, then 1.2, 2.8 and 6 %, as little as it
/// takes; counts are always exact.
const DISTINCT_LIMIT: usize = 600;
/// Binary digits after the first that are kept once values are rounded, in this order. The last has
/// room for every 32-bit value: 16 for each of 28 octaves, and the 32 below them.
const DIGITS: [u32; 4] = [7, 6, 5, 4];

/// A distribution of whole numbers.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Distribution {
    counts: BTreeMap<u64, u64>,
    /// How many of [`DIGITS`] were tried.
    roundings: usize,
}

impl Distribution {
    /// Takes in a value `times`; one over 32 bits counts as the largest of them.
    pub(crate) fn add(&mut self, value: u64, times: u64) {
        let value = self.rounded(value.min(u64::from(u32::MAX)));
        *self.counts.entry(value).or_default() += times;
        while self.counts.len() > DISTINCT_LIMIT && self.roundings < DIGITS.len() {
            self.roundings += 1;
            for (value, times) in std::mem::take(&mut self.counts) {
                *self.counts.entry(self.rounded(value)).or_default() += times;
            }
        }
    }

    /// Values in ascending order, with their counts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts.iter().map(|(value, times)| (*value, *times))
    }

    fn rounded(&self, value: u64) -> u64 {
        let digits = self.roundings.checked_sub(1).and_then(|at| DIGITS.get(at));
        let octave = value.checked_ilog2().unwrap_or(0);
        match digits.and_then(|digits| octave.checked_sub(*digits)) {
            None | Some(0) => value,
            Some(cut) => ((value + (1 << (cut - 1))) >> cut) << cut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn few_values_stay_exact() {
        let mut distribution = Distribution::default();
        for value in (0..DISTINCT_LIMIT as u64).map(|n| n * 1_001) {
            distribution.add(value, 2);
        }
        let kept: Vec<_> = distribution.iter().collect();
        assert_eq!(kept.len(), DISTINCT_LIMIT);
        assert!(kept.iter().enumerate().all(|(at, kept)| *kept == (at as u64 * 1_001, 2)));
        distribution.add(1_000_001, 1);
        assert!(distribution.iter().count() <= DISTINCT_LIMIT);
        assert_eq!(distribution.iter().map(|(_, times)| times).sum::<u64>(), 1_201);
    }

    proptest! {
        #[test]
        fn many_values_are_near_and_none_is_lost(
            values in prop::collection::vec((0_u32..32, any::<u32>()), 1..5_000)
        ) {
            let mut values: Vec<u64> =
                values.into_iter().map(|(shift, v)| u64::from(v >> shift)).collect();
            let mut distribution = Distribution::default();
            for value in &values {
                distribution.add(*value, 1);
            }
            prop_assert!(distribution.iter().count() <= DISTINCT_LIMIT);
            // Rounding keeps the order, so that both sorted lists belong together one by one. Each
            // coarser rounding adds its own half step to those before it.
            values.sort_unstable();
            let kept: Vec<u64> = distribution
                .iter()
                .flat_map(|(value, times)| std::iter::repeat_n(value, times as usize))
                .collect();
            prop_assert_eq!(kept.len(), values.len());
            for (was, is) in values.iter().zip(&kept) {
                prop_assert!(was.abs_diff(*is) as f64 <= *was as f64 * 0.06, "{was} became {is}");
            }
        }
    }
}
