//! Which ports are free: pairs of an even RTP and the next odd RTCP port (RFC 3550 section 11),
//! per address, with a quarantine after use so that late packets of a former call reach nobody.

use model::Instant;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The port pairs of every address that the relay binds.
///
/// Bounded by the range: a pair is in exactly one of *free*, *in use* and *quarantined*. When none
/// is free [`PortPool::take`] says so and nothing is shared or stolen.
#[derive(Debug)]
pub(crate) struct PortPool {
    quarantine: Duration,
    /// Free pairs on each address that only emergency calls get.
    kept: usize,
    draw: Draw,
    addresses: Vec<AddressPorts>,
}

/// Where random numbers come from. In the relay from the operating system for every pair: whoever has
/// seen the ports of many calls of his own still cannot tell the next one (RFC 6056 section 3.1).
pub(crate) struct Draw(pub(crate) Box<dyn FnMut() -> u64 + Send>);

impl std::fmt::Debug for Draw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Draw")
    }
}

#[derive(Debug)]
struct AddressPorts {
    ip: IpAddr,
    /// RTP ports.
    free: Vec<u16>,
    /// RTP ports in the order of their release, with the time from which they may be used again.
    quarantined: VecDeque<(Instant, u16)>,
    /// By half the RTP port.
    in_use: Vec<u64>,
    used: usize,
}

/// The ports of one address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressPortCounts {
    /// The address.
    pub address: IpAddr,
    /// Ports that it has in all: two a pair.
    pub all: usize,
    /// Those that can be given out now; the others are in use or rest after it.
    pub free: usize,
}

/// How many pairs there are of each kind, over all addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PortCounts {
    pub(crate) free: usize,
    pub(crate) used: usize,
    pub(crate) quarantined: usize,
}

impl PortPool {
    /// All pairs of `range` on each of `addresses`, given out as `draw` says. The last free pairs are kept for `emergency_calls` such calls, two for each, but not more than a
    /// twentieth of the range.
    pub(crate) fn new(
        addresses: &[IpAddr],
        range: &RangeInclusive<u16>,
        quarantine: Duration,
        emergency_calls: usize,
        draw: Draw,
    ) -> Self {
        let pairs: Vec<u16> = range
            .clone()
            .filter(|port| port % 2 == 0 && *port != 0 && *port < *range.end())
            .collect();
        let kept = emergency_calls.saturating_mul(2).min(pairs.len() / 20);
        let addresses = addresses
            .iter()
            .map(|ip| AddressPorts {
                ip: *ip,
                free: pairs.clone(),
                quarantined: VecDeque::new(),
                in_use: vec![0; 32_768 / 64],
                used: 0,
            })
            .collect();
        PortPool { quarantine, kept, draw, addresses }
    }

    /// Takes a pair on `ip` at random; the RTP port. `None` when none is free. An emergency call has
    /// the kept ones too, and after them the pair that has rested the longest.
    pub(crate) fn take(&mut self, ip: IpAddr, now: Instant, emergency: bool) -> Option<u16> {
        let (draw, kept) = ((self.draw.0)(), self.kept);
        let ports = self.addresses.iter_mut().find(|a| a.ip == ip)?;
        ports.end_quarantines(now);
        if !emergency && ports.free.len() <= kept {
            return None;
        }
        if ports.free.is_empty()
            && emergency
            && let Some((_, port)) = ports.quarantined.pop_front()
        {
            ports.mark(port, true);
            return Some(port);
        }
        let choices = u64::try_from(ports.free.len()).ok().filter(|n| *n > 0)?;
        let port = ports.free.swap_remove(usize::try_from(draw % choices).ok()?);
        ports.mark(port, true);
        Some(port)
    }

    /// Gives a pair back; it rests for the quarantine. A port that is not in use is ignored.
    pub(crate) fn release(&mut self, ip: IpAddr, rtp_port: u16, now: Instant) {
        let until = now + self.quarantine;
        let Some(ports) = self.addresses.iter_mut().find(|a| a.ip == ip) else { return };
        if ports.is_used(rtp_port) {
            ports.mark(rtp_port, false);
            ports.quarantined.push_back((until, rtp_port));
        }
    }

    /// Whether `port` of `ip`, RTP or RTCP, is in use by the relay.
    pub(crate) fn is_used(&self, ip: IpAddr, port: u16) -> bool {
        self.addresses.iter().any(|a| a.ip == ip && a.is_used(port))
    }

    /// The ports of each address now.
    pub(crate) fn by_address(&mut self, now: Instant) -> Vec<AddressPortCounts> {
        let counted = |ports: &mut AddressPorts| {
            ports.end_quarantines(now);
            let free = ports.free.len();
            let all = free + ports.used + ports.quarantined.len();
            AddressPortCounts { address: ports.ip, all: 2 * all, free: 2 * free }
        };
        self.addresses.iter_mut().map(counted).collect()
    }

    /// The counts now.
    pub(crate) fn counts(&mut self, now: Instant) -> PortCounts {
        let mut counts = PortCounts { free: 0, used: 0, quarantined: 0 };
        for ports in &mut self.addresses {
            ports.end_quarantines(now);
            counts.free += ports.free.len();
            counts.used += ports.used;
            counts.quarantined += ports.quarantined.len();
        }
        counts
    }
}

impl AddressPorts {
    fn end_quarantines(&mut self, now: Instant) {
        while let Some(&(until, port)) = self.quarantined.front()
            && until <= now
        {
            self.quarantined.pop_front();
            self.free.push(port);
        }
    }

    fn is_used(&self, port: u16) -> bool {
        let pair = usize::from(port / 2);
        self.in_use.get(pair / 64).is_some_and(|word| word & (1 << (pair % 64)) != 0)
    }

    fn mark(&mut self, port: u16, used: bool) {
        let pair = usize::from(port / 2);
        let Some(word) = self.in_use.get_mut(pair / 64) else { return };
        if used {
            *word |= 1 << (pair % 64);
            self.used += 1;
        } else {
            *word &= !(1 << (pair % 64));
            self.used -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64.
    fn numbers(seed: u64) -> Draw {
        let mut state = seed;
        Draw(Box::new(move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }))
    }
    use std::collections::HashSet;
    use std::net::Ipv4Addr;

    const IP: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const REST: Duration = Duration::from_secs(5);

    fn pool(range: RangeInclusive<u16>) -> PortPool {
        PortPool::new(&[IP], &range, REST, 0, numbers(7))
    }

    #[test]
    fn pairs_are_even_complete_and_never_given_twice() {
        let mut pool = pool(4001..=4010);
        let mut seen = HashSet::new();
        while let Some(port) = pool.take(IP, Instant::ZERO, false) {
            assert_eq!(port % 2, 0);
            assert!((4002..4010).contains(&port), "{port} and {} lie in the range", port + 1);
            assert!(seen.insert(port));
        }
        assert_eq!(seen.len(), 4);
        assert_eq!(pool.take(IP, Instant::ZERO, false), None);
    }

    #[test]
    fn an_end_of_65535_is_used_and_does_not_overflow() {
        let mut pool = pool(65_534..=65_535);
        assert_eq!(pool.take(IP, Instant::ZERO, false), Some(65_534));
        assert!(pool.is_used(IP, 65_535));
    }

    #[test]
    fn a_released_pair_rests_for_exactly_the_quarantine() {
        let mut pool = pool(4000..=4001);
        let port = pool.take(IP, Instant::ZERO, false).unwrap();
        pool.release(IP, port, Instant::ZERO);
        assert_eq!(pool.take(IP, Instant::ZERO + REST - Duration::from_nanos(1), false), None);
        assert_eq!(pool.take(IP, Instant::ZERO + REST, false), Some(port));
    }

    #[test]
    fn each_address_has_ports_of_its_own_and_those_that_rest_are_not_free() {
        let other = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);
        let mut pool = PortPool::new(&[IP, other], &(4000..=4007), REST, 0, numbers(7));
        let [first, _] = [(); 2].map(|()| pool.take(IP, Instant::ZERO, false).unwrap());
        pool.release(IP, first, Instant::ZERO);
        let counted = |free| [(IP, free), (other, 8)];
        for (now, free) in [(Instant::ZERO, 4), (Instant::ZERO + REST, 6)] {
            let counts = pool.by_address(now);
            assert!(counts.iter().all(|counts| counts.all == 8));
            let found: Vec<_> = counts.iter().map(|counts| (counts.address, counts.free)).collect();
            assert_eq!(found, counted(free));
        }
    }

    #[test]
    fn a_second_release_does_not_duplicate_the_pair() {
        let mut pool = pool(4000..=4003);
        let port = pool.take(IP, Instant::ZERO, false).unwrap();
        pool.release(IP, port, Instant::ZERO);
        pool.release(IP, port, Instant::ZERO);
        let later = Instant::ZERO + REST;
        assert_eq!(pool.counts(later), PortCounts { free: 2, used: 0, quarantined: 0 });
    }

    #[test]
    fn other_numbers_give_other_orders() {
        let order = |seed| {
            let mut pool = PortPool::new(&[IP], &(4000..=4099), REST, 0, numbers(seed));
            std::iter::from_fn(move || pool.take(IP, Instant::ZERO, false)).collect::<Vec<_>>()
        };
        assert_ne!(order(1), order(2));
    }

    #[test]
    fn the_last_pairs_are_for_emergency_calls_and_then_those_that_rest() {
        let mut pool = PortPool::new(&[IP], &(4000..=4079), REST, 64, numbers(7));
        let take = |pool: &mut PortPool, emergency| pool.take(IP, Instant::ZERO, emergency);
        let ordinary: Vec<u16> = std::iter::from_fn(|| take(&mut pool, false)).collect();
        assert_eq!(ordinary.len(), 38, "a twentieth of 40 is kept, however many calls it is for");
        assert!(take(&mut pool, true).is_some() && take(&mut pool, true).is_some());
        assert_eq!(take(&mut pool, true), None);
        pool.release(IP, ordinary[3], Instant::ZERO);
        pool.release(IP, ordinary[5], Instant::ZERO);
        assert_eq!(take(&mut pool, false), None);
        assert_eq!(take(&mut pool, true), Some(ordinary[3]), "it has rested the longest");
        let counts = pool.counts(Instant::ZERO);
        assert_eq!(counts, PortCounts { free: 0, used: 39, quarantined: 1 });
    }

    /// Pearson's chi-squared of counts that should be equal, over its degrees of freedom: about 1.
    fn unevenness(counts: &[u32]) -> f64 {
        let total: u32 = counts.iter().sum();
        let expected = f64::from(total) / counts.len() as f64;
        let sum: f64 = counts.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
        sum / (counts.len() - 1) as f64
    }

    #[test]
    fn ports_are_spread_over_the_range_and_do_not_follow_each_other() {
        const PAIRS: usize = 64;
        let (mut firsts, mut steps) = ([0; PAIRS], [0; PAIRS]);
        for seed in 0..20_000 {
            let mut pool = PortPool::new(&[IP], &(4_000..=4_127), REST, 0, numbers(seed));
            let mut take = || usize::from(pool.take(IP, Instant::ZERO, false).unwrap() - 4_000) / 2;
            let (first, second) = (take(), take());
            firsts[first] += 1;
            steps[(second + PAIRS - first) % PAIRS] += 1;
        }
        // With 63 degrees of freedom, chance exceeds 1.7 once in 2,000 tries; the seeds are fixed.
        assert!(unevenness(&firsts) < 1.7, "{firsts:?}");
        // No step is 0 (that port is taken) and every other one is as likely.
        assert_eq!(steps[0], 0);
        assert!(unevenness(&steps[1..]) < 1.7, "{steps:?}");
    }

    #[test]
    fn the_port_of_a_call_says_nothing_about_the_next_calls() {
        // One pool over its life: calls come and go, ports rest and return.
        const PAIRS: usize = 64;
        let mut pool = PortPool::new(&[IP], &(4_000..=4_127), REST, 0, numbers(99));
        let (mut now, mut steps, mut last) = (Instant::ZERO, [0; PAIRS], 0);
        for _ in 0..20_000 {
            let port = pool.take(IP, now, false).unwrap();
            pool.release(IP, port, now);
            now += REST;
            let pair = usize::from(port - 4_000) / 2;
            steps[(pair + PAIRS - last) % PAIRS] += 1;
            last = pair;
        }
        assert!(unevenness(&steps) < 1.7, "{steps:?}");
    }
}
