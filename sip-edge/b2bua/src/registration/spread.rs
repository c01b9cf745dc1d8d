//! Waits that differ from node to node and from time to time, so that no burst comes of them.

use sip_proto::Random;
use std::time::Duration;

/// When to refresh: from 75 to 85 % of the time, so that a lost refresh can be repeated in time.
pub(super) fn refresh_after(lifetime: Duration, random: &mut dyn Random) -> Duration {
    lifetime * 3 / 4 + jittered(lifetime / 10, random)
}

/// From nothing to the whole of `span`.
pub(super) fn jittered(span: Duration, random: &mut dyn Random) -> Duration {
    let share = u128::from(random.next_u64() >> 32);
    let nanos = (span.as_nanos() * share) >> 32;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// From half of `span` to the whole.
pub(super) fn half_jittered(span: Duration, random: &mut dyn Random) -> Duration {
    span / 2 + jittered(span / 2, random)
}
