//! Rules on pools of numbers.

use super::Problems;
use crate::{NumberPool, NumberRange, country_code};

impl Problems {
    pub(super) fn number_pools(&mut self, pools: &[NumberPool]) {
        let mut ranges: Vec<(NumberRange, String)> = Vec::new();
        for (i, pool) in pools.iter().enumerate() {
            let at = format!("phone_number_pool[{i}]");
            self.check(!pool.ranges.is_empty(), format!("{at}.numbers"), || {
                "the pool has no numbers; add a line such as \
                 numbers = [\"+12065550100-+12065550199\"]"
                    .to_owned()
            });
            let is_known = country_code(&pool.country) == Some(&*pool.country);
            self.check(is_known, format!("{at}.country"), || {
                format!("{:?} is no country; write two capitals such as \"US\"", pool.country)
            });
            let ranges_of = pool.ranges.iter().enumerate();
            ranges.extend(ranges_of.map(|(n, range)| (*range, format!("{at}.numbers[{n}]"))));
        }
        ranges.sort_by_key(|(range, _)| *range);
        for pair in ranges.windows(2) {
            let [(first, at_first), (second, at_second)] = pair else { continue };
            self.check(!first.meets(second), at_second, || {
                format!("{} is in {at_first} already; take it out of one", second.first())
            });
        }
    }
}
