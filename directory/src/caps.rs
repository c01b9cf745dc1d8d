//! Caps: what a voice connector's outbound calls may cost at the most.

use std::sync::Arc;
use std::time::Duration;

/// Millionths of the operator's currency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Money(pub u64);

/// Limits on the outbound calls of a voice connector. Days are UTC days. Emergency calls count
/// nowhere here.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Caps {
    /// Minutes of answered outbound calls a day, running calls included; `None` without a limit.
    pub minutes_per_day: Option<u32>,
    /// What a day's answered outbound calls may cost, running calls included.
    pub spend_per_day: Option<Money>,
    /// What a minute costs, by the leading digits of the called number; the longest prefix counts.
    pub prices: Vec<Price>,
    /// How long an answered outbound call may last.
    pub max_call_duration: Option<Duration>,
}

/// What a minute to numbers with a prefix costs; parts of a minute cost their part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Price {
    /// `+` alone for every number, or `+` and leading digits.
    pub prefix: Arc<str>,
    /// For a minute.
    pub per_minute: Money,
}

impl Caps {
    /// What a minute to `e164` costs; nothing when no prefix fits.
    pub fn price_of(&self, e164: &str) -> Money {
        self.prices
            .iter()
            .filter(|price| e164.starts_with(&*price.prefix))
            .max_by_key(|price| price.prefix.len())
            .map_or(Money(0), |price| price.per_minute)
    }

    /// Whether a day's calls are limited at all.
    pub fn limits_a_day(&self) -> bool {
        self.minutes_per_day.is_some() || self.spend_per_day.is_some()
    }
}
