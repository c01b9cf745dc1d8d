//! What each voice connector's outbound calls have used up today: minutes and money.
//!
//! A call costs from its answer on, and running calls count with what they have cost so far, so that
//! a cap holds while they run. The sums of the running calls' beginnings are kept, not a list of
//! them: asking costs the same for one call and for ten thousand.
//!
//! The counters live as long as the worker: a reload keeps them. A restart begins the day anew, but for
//! calls that go on over it.

use directory::{Caps, VoiceConnector};
use model::{Instant, Refusal, UnixTime, VoiceConnectorId};
use std::collections::HashMap;

/// By voice connector; at most one entry for each in the directory or in use.
#[derive(Default)]
pub(crate) struct Spending {
    connectors: HashMap<VoiceConnectorId, DayUse>,
}

/// A running call that costs something; to be given back at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Running {
    pub(crate) since: Instant,
    /// Millionths of the currency a minute.
    pub(crate) price: u64,
}

/// All times in nanoseconds of the node's clock, all costs in millionths × nanoseconds / minute.
#[derive(Clone, Copy, Default)]
struct DayUse {
    day: u64,
    ended_talk: u128,
    ended_cost: u128,
    running: u32,
    running_price: u128,
    /// Sum of the beginnings of the running calls, none of them before the day's.
    since: u128,
    /// The same, each times its call's price.
    priced_since: u128,
}

const DAY_NANOS: u64 = 86_400 * 1_000_000_000;
const MINUTE_NANOS: u128 = 60 * 1_000_000_000;

impl Spending {
    /// Whether another call may begin.
    ///
    /// # Errors
    /// The cap that is reached.
    pub(crate) fn check(
        &mut self,
        now: Instant,
        origin: UnixTime,
        connector: &VoiceConnector,
    ) -> Result<(), Refusal> {
        let caps: &Caps = &connector.caps;
        if !caps.limits_a_day() {
            return Ok(());
        }
        let Some(used) = self.connectors.get_mut(&connector.id) else { return Ok(()) };
        used.turn(now, origin);
        let (talk, cost) = used.so_far(now);
        if caps.minutes_per_day.is_some_and(|most| talk >= u128::from(most) * MINUTE_NANOS) {
            return Err(Refusal::DailyMinutesCap);
        }
        if caps.spend_per_day.is_some_and(|most| cost / MINUTE_NANOS >= u128::from(most.0)) {
            return Err(Refusal::DailySpendCap);
        }
        Ok(())
    }

    /// A call to `e164` was answered; `None` when its connector's days are not limited.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        origin: UnixTime,
        connector: &VoiceConnector,
        e164: &str,
    ) -> Option<Running> {
        if !connector.caps.limits_a_day() {
            return None;
        }
        let price = connector.caps.price_of(e164).0;
        let used = self.connectors.entry(connector.id.clone()).or_default();
        used.turn(now, origin);
        used.running += 1;
        used.running_price += u128::from(price);
        used.since += u128::from(now.as_nanos());
        used.priced_since += u128::from(price) * u128::from(now.as_nanos());
        Some(Running { since: now, price })
    }

    /// A call from before the worker's start goes on; `None` when its connector's days are not
    /// limited.
    pub(crate) fn resume(
        &mut self,
        now: Instant,
        origin: UnixTime,
        connector: &VoiceConnector,
        call: Running,
    ) -> Option<Running> {
        if !connector.caps.limits_a_day() {
            return None;
        }
        let used = self.connectors.entry(connector.id.clone()).or_default();
        used.turn(now, origin);
        let since = u128::from(call.since.max(used.begin(origin)).as_nanos());
        used.running += 1;
        used.running_price += u128::from(call.price);
        used.since += since;
        used.priced_since += u128::from(call.price) * since;
        Some(call)
    }

    /// A call is over.
    pub(crate) fn ended(
        &mut self,
        now: Instant,
        origin: UnixTime,
        connector: &VoiceConnectorId,
        call: Running,
    ) {
        let Some(used) = self.connectors.get_mut(connector) else { return };
        used.turn(now, origin);
        // What a call cost before midnight belongs to the day before.
        let since = call.since.max(used.begin(origin)).as_nanos();
        let talk = u128::from(now.as_nanos().saturating_sub(since));
        let price = u128::from(call.price);
        used.ended_talk += talk;
        used.ended_cost += talk * price;
        used.running = used.running.saturating_sub(1);
        used.running_price = used.running_price.saturating_sub(price);
        used.since = used.since.saturating_sub(u128::from(since));
        used.priced_since = used.priced_since.saturating_sub(price * u128::from(since));
    }

    /// Forgets connectors that are neither in use nor in the directory any more.
    pub(crate) fn retain(&mut self, exists: impl Fn(&VoiceConnectorId) -> bool) {
        self.connectors.retain(|id, used| used.running > 0 || exists(id));
    }
}

impl DayUse {
    /// Begins a new day if one has come: running calls count from its midnight.
    fn turn(&mut self, now: Instant, origin: UnixTime) {
        let day = calendar_nanos(now, origin) / DAY_NANOS;
        if day == self.day {
            return;
        }
        let is_first = self.running == 0 && self.ended_talk == 0;
        self.day = day;
        if is_first {
            return;
        }
        let midnight = u128::from(self.begin(origin).as_nanos());
        self.ended_talk = 0;
        self.ended_cost = 0;
        self.since = midnight * u128::from(self.running);
        self.priced_since = midnight * self.running_price;
    }

    /// When the day began on the node's clock; zero when that was before its origin.
    fn begin(&self, origin: UnixTime) -> Instant {
        let origin = origin.as_millis().saturating_mul(1_000_000);
        Instant::from_nanos(self.day.saturating_mul(DAY_NANOS).saturating_sub(origin))
    }

    fn so_far(&self, now: Instant) -> (u128, u128) {
        let now = u128::from(now.as_nanos());
        let talk = (now * u128::from(self.running)).saturating_sub(self.since);
        let cost = (now * self.running_price).saturating_sub(self.priced_since);
        (self.ended_talk + talk, self.ended_cost + cost)
    }
}

fn calendar_nanos(now: Instant, origin: UnixTime) -> u64 {
    origin.as_millis().saturating_mul(1_000_000).saturating_add(now.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use directory::{Money, Price};

    fn connector(minutes: Option<u32>, spend: Option<u64>) -> VoiceConnector {
        let id = VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap();
        let price = |prefix: &str, per_minute| Price {
            prefix: prefix.into(),
            per_minute: Money(per_minute),
        };
        VoiceConnector {
            caps: Caps {
                minutes_per_day: minutes,
                spend_per_day: spend.map(Money),
                prices: vec![price("+", 1_000_000), price("+44", 50_000)],
                max_call_duration: None,
            },
            ..VoiceConnector::new(id)
        }
    }

    const ORIGIN: UnixTime = UnixTime::from_millis(20_000 * 86_400_000 + 43_200_000);

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    #[test]
    fn minutes_of_ended_and_running_calls_count() {
        let (mut spending, vc) = (Spending::default(), connector(Some(10), None));
        let first = spending.answered(at(0), ORIGIN, &vc, "+12065550123").unwrap();
        spending.ended(at(240), ORIGIN, &vc.id, first);
        spending.answered(at(300), ORIGIN, &vc, "+12065550123").unwrap();
        spending.answered(at(300), ORIGIN, &vc, "+12065550123").unwrap();
        assert_eq!(spending.check(at(479), ORIGIN, &vc), Ok(()));
        assert_eq!(spending.check(at(480), ORIGIN, &vc), Err(Refusal::DailyMinutesCap));
    }

    #[test]
    fn money_is_counted_by_the_longest_prefix_and_by_the_second() {
        let (mut spending, vc) = (Spending::default(), connector(None, Some(1_050_000)));
        let cheap = spending.answered(at(0), ORIGIN, &vc, "+442071234567").unwrap();
        spending.ended(at(60), ORIGIN, &vc.id, cheap);
        spending.answered(at(60), ORIGIN, &vc, "+12065550123").unwrap();
        assert_eq!(spending.check(at(119), ORIGIN, &vc), Ok(()));
        assert_eq!(spending.check(at(120), ORIGIN, &vc), Err(Refusal::DailySpendCap));
    }

    #[test]
    fn a_new_day_begins_at_midnight_utc_also_for_running_calls() {
        let (mut spending, vc) = (Spending::default(), connector(Some(10), None));
        let midnight = 43_200;
        let long = spending.answered(at(midnight - 3_600), ORIGIN, &vc, "+12065550123").unwrap();
        assert!(spending.check(at(midnight - 1), ORIGIN, &vc).is_err());
        assert_eq!(spending.check(at(midnight + 1), ORIGIN, &vc), Ok(()));
        assert_eq!(spending.check(at(midnight + 599), ORIGIN, &vc), Ok(()));
        assert!(spending.check(at(midnight + 600), ORIGIN, &vc).is_err());
        spending.ended(at(midnight + 540), ORIGIN, &vc.id, long);
        assert_eq!(spending.check(at(midnight + 541), ORIGIN, &vc), Ok(()));
        let used = spending.connectors[&vc.id];
        assert_eq!((used.running, used.since, used.priced_since), (0, 0, 0));
        assert_eq!(used.ended_talk, 540_000_000_000);
    }

    #[test]
    fn a_day_that_only_an_end_noticed_counts_from_midnight_too() {
        let (mut spending, vc) = (Spending::default(), connector(Some(10), None));
        let call = spending.answered(at(43_140), ORIGIN, &vc, "+12065550123").unwrap();
        spending.ended(at(43_260), ORIGIN, &vc.id, call);
        assert_eq!(spending.connectors[&vc.id].ended_talk, 60_000_000_000);
        spending.retain(|_| false);
        assert!(spending.connectors.is_empty());
    }

    #[test]
    fn a_call_that_goes_on_over_a_restart_counts_from_its_beginning_or_midnight() {
        let (mut spending, vc) = (Spending::default(), connector(Some(10), None));
        let call = Running { since: at(43_100), price: 1 };
        let (begun, midnight) = (at(43_300), 43_200);
        let call = spending.resume(begun, ORIGIN, &vc, call).unwrap();
        assert_eq!(spending.check(at(midnight + 599), ORIGIN, &vc), Ok(()));
        assert!(spending.check(at(midnight + 600), ORIGIN, &vc).is_err());
        spending.ended(at(midnight + 600), ORIGIN, &vc.id, call);
        let used = spending.connectors[&vc.id];
        assert_eq!((used.running, used.since, used.priced_since), (0, 0, 0));
        assert_eq!(used.ended_talk, 600_000_000_000);
    }

    #[test]
    fn connectors_without_caps_cost_nothing() {
        let (mut spending, vc) = (Spending::default(), connector(None, None));
        assert_eq!(spending.answered(at(0), ORIGIN, &vc, "+12065550123"), None);
        assert!(spending.connectors.is_empty());
    }
}
