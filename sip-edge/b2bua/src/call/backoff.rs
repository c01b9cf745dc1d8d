//! How long to wait before a re-INVITE that was refused with 491 is tried again.

use model::LegSide;
use std::time::Duration;

/// RFC 3261 section 14.1, in units of 10 ms: the owner of the Call-ID waits 2.1 to 4 seconds, the
/// other side 0 to 2. Leg A's Call-ID is its own, leg B's is ours.
pub(super) fn glare_wait(side: LegSide, random: u64) -> Duration {
    let units = match side {
        LegSide::A => random % 201,
        LegSide::B => 210 + random % 191,
    };
    Duration::from_millis(units * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_the_call_id_waits_longer_than_anybody_else() {
        let range = |side| {
            let waits = || (0..2_000).map(|random| glare_wait(side, random).as_millis());
            assert!(waits().all(|millis| millis % 10 == 0));
            (waits().min(), waits().max())
        };
        assert_eq!(range(LegSide::A), (Some(0), Some(2_000)));
        assert_eq!(range(LegSide::B), (Some(2_100), Some(4_000)));
    }
}
