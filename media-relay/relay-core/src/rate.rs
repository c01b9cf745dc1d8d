//! How many packets a leg may send: far more than any of its formats does, and no more than that, so
//! that one leg cannot use up the relay or flood the other.

use model::Instant;

/// Packets that a leg may send at once after it was quiet: as many as in this much time at its rate.
const BURST: u64 = 1_000_000_000;

/// The bound: at most so many packets a second, and as many at once.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct PacketRate {
    /// Nanoseconds that one packet costs, at most [`BURST`]; 0 without a bound.
    interval: u32,
}

impl PacketRate {
    /// So many packets a second; 0 is no bound.
    pub(crate) fn per_second(packets: u32) -> Self {
        PacketRate { interval: (BURST as u32).checked_div(packets).unwrap_or(0) }
    }
}

/// A token bucket, kept as the time until which its tokens are spent (GCRA). What is refused takes
/// nothing.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct PacketBucket {
    spent_until: u64,
}

impl PacketBucket {
    /// Takes a packet's token; `false` when there is none.
    #[inline]
    pub(crate) fn take(&mut self, rate: PacketRate, now: Instant) -> bool {
        let (now, interval) = (now.as_nanos(), u64::from(rate.interval));
        let begin = self.spent_until.max(now);
        if begin - now > BURST - interval {
            return false;
        }
        self.spent_until = begin.saturating_add(interval);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken((rate, bucket): &mut (PacketRate, PacketBucket), packets: u32, now: Instant) -> u32 {
        (0..packets).map(|_| u32::from(bucket.take(*rate, now))).sum()
    }

    fn full(packets: u32) -> (PacketRate, PacketBucket) {
        (PacketRate::per_second(packets), PacketBucket::default())
    }

    #[test]
    fn a_burst_has_one_second_of_packets_and_then_each_costs_its_time() {
        let mut rate = full(2_000);
        let begin = Instant::from_millis(5_000);
        assert_eq!(taken(&mut rate, 10_000, begin), 2_000);
        let next = Instant::from_nanos(begin.as_nanos() + 500_000);
        assert_eq!(taken(&mut rate, 10, Instant::from_nanos(next.as_nanos() - 1)), 0);
        assert_eq!(taken(&mut rate, 10, next), 1);
        assert_eq!(taken(&mut rate, 10_000, Instant::from_millis(5_100)), 199);
    }

    #[test]
    fn quiet_saves_no_more_than_one_burst() {
        let mut rate = full(600);
        assert_eq!(taken(&mut rate, 1, Instant::ZERO), 1);
        assert_eq!(taken(&mut rate, 10_000, Instant::from_millis(3_600_000)), 600);
    }

    #[test]
    fn at_its_rate_nothing_is_refused_and_above_it_only_the_excess() {
        for (sent, refused) in [(1_999, 0), (2_000, 0), (4_000, 18_000)] {
            let mut rate = full(2_000);
            let packets = sent * 10;
            let taken: u64 = (0..packets)
                .map(|n| {
                    u64::from(taken(&mut rate, 1, Instant::from_nanos(n * 1_000_000_000 / sent)))
                })
                .sum();
            // Ten seconds, and the burst before.
            assert!((packets - taken).abs_diff(refused) <= 2, "{sent}: {taken}");
        }
    }

    #[test]
    fn without_a_bound_everything_passes_and_odd_clocks_harm_nothing() {
        let mut none = full(0);
        assert_eq!(taken(&mut none, 100_000, Instant::ZERO), 100_000);
        let mut rate = full(1);
        assert_eq!(taken(&mut rate, 1, Instant::from_nanos(u64::MAX)), 1);
        // Notes of the kernel may be older than what a socket had.
        assert_eq!(taken(&mut rate, 1, Instant::ZERO), 0);
        let mut fastest = full(u32::MAX);
        assert_eq!(taken(&mut fastest, 1_000, Instant::ZERO), 1_000);
    }
}
