//! Answers to sources that nobody has configured: so many a second in all, and so many to each.

use crate::policing::TokenBucket;
use model::Instant;
use std::net::IpAddr;

/// Buckets of sources, in sets of [`WAYS`] that a source's hash chooses.
///
/// Memory is fixed: [`SETS`] × [`WAYS`] sources, made when the first stranger comes. Full policy: in
/// a full set the source that was heard the longest ago is forgotten; when it comes back its bucket
/// is full again, and the bound over all sources holds for it as for everybody.
pub(crate) struct Strangers {
    all: TokenBucket,
    sources: Vec<Source>,
    hasher: Seeded,
}

#[derive(Clone, Copy)]
struct Source {
    key: u64,
    heard: Instant,
    bucket: TokenBucket,
}

const SETS: usize = 1_024;
const WAYS: usize = 4;

/// A keyed mixer, so that nobody outside can choose sources that share a set.
struct Seeded(u64);

impl Strangers {
    pub(crate) fn new(per_second: u32, seed: u64) -> Self {
        Strangers {
            all: TokenBucket::full(per_second, Instant::ZERO),
            sources: Vec::new(),
            hasher: Seeded(seed),
        }
    }

    /// Whether a request from `source` may be answered: first its own share decides, so that one
    /// that floods does not use up what all share.
    pub(crate) fn may_answer(
        &mut self,
        now: Instant,
        source: IpAddr,
        per_source: u32,
        per_second: u32,
    ) -> bool {
        let key = network_of(source);
        self.bucket_of(now, key, per_source).take(per_source, now) && self.all.take(per_second, now)
    }

    fn bucket_of(&mut self, now: Instant, key: u64, rate: u32) -> &mut TokenBucket {
        let fresh = Source { key, heard: now, bucket: TokenBucket::full(rate, now) };
        if self.sources.is_empty() {
            let nobody = Source { key: 0, heard: Instant::ZERO, bucket: TokenBucket::full(0, now) };
            self.sources = vec![nobody; SETS * WAYS];
        }
        let first = (self.hasher.mix(key) as usize % SETS) * WAYS;
        let set = &self.sources[first..first + WAYS];
        let known = set.iter().position(|s| s.key == key && s.heard > Instant::ZERO);
        let oldest = || (0..WAYS).min_by_key(|way| set[*way].heard).unwrap_or(0);
        let at = first + known.unwrap_or_else(oldest);
        if known.is_none() {
            self.sources[at] = fresh;
        }
        self.sources[at].heard = now;
        &mut self.sources[at].bucket
    }
}

impl Seeded {
    /// The finaliser of SplitMix64 over the key and the seed.
    fn mix(&self, key: u64) -> u64 {
        let mut x = key ^ self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

/// What counts as one source: an IPv4 address, or the /64 that one IPv6 host can have to itself.
fn network_of(source: IpAddr) -> u64 {
    match source.to_canonical() {
        IpAddr::V4(ip) => u64::from(u32::from(ip)) | 0xff << 56,
        IpAddr::V6(ip) => (u128::from(ip) >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::V4(n.to_be_bytes().into())
    }

    #[test]
    fn one_that_floods_leaves_the_others_their_answers() {
        let mut strangers = Strangers::new(100, 7);
        let now = Instant::from_millis(1);
        let loud = (0..10_000).filter(|_| strangers.may_answer(now, ip(1), 10, 100)).count();
        assert_eq!(loud, 10);
        let quiet = (2..=9).filter(|n| strangers.may_answer(now, ip(*n), 10, 100)).count();
        assert_eq!(quiet, 8);
    }

    #[test]
    fn many_sources_together_get_what_all_share() {
        let mut strangers = Strangers::new(100, 7);
        let now = Instant::from_millis(1);
        let answered = (1..=200_000).filter(|n| strangers.may_answer(now, ip(*n), 10, 100)).count();
        assert_eq!(answered, 100);
        assert_eq!(strangers.sources.len(), SETS * WAYS, "however many come");
        let later = Instant::from_millis(1_001);
        assert!(strangers.may_answer(later, ip(1), 10, 100));
    }

    #[test]
    fn a_host_with_a_whole_ipv6_network_is_one_source() {
        let mut strangers = Strangers::new(100, 7);
        let now = Instant::from_millis(1);
        let of = |n: u128| IpAddr::V6((0x2001_0db8 << 96 | n).into());
        let answered = (0..1_000).filter(|n| strangers.may_answer(now, of(*n), 10, 100)).count();
        assert_eq!(answered, 10);
        assert!(strangers.may_answer(now, of(1 << 64), 10, 100), "another network");
    }

    #[test]
    fn without_a_share_there_is_no_answer() {
        let mut strangers = Strangers::new(100, 7);
        assert!(!strangers.may_answer(Instant::from_millis(5), ip(1), 0, 100));
        assert!(!strangers.may_answer(Instant::from_millis(5), ip(1), 10, 0));
    }
}
