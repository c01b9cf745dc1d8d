//! Limits on what a voice connector may ask for: calls a second and calls at once.

use directory::VoiceConnector;
use model::{Instant, Refusal, VoiceConnectorId};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Admits or refuses calls by rate and number.
#[derive(Default)]
pub(crate) struct Policing {
    connectors: HashMap<VoiceConnectorId, Usage>,
    /// Calls to the meeting rooms of those who are nobody's customers, by where they come from; as many at
    /// most as there are calls.
    sources: HashMap<IpAddr, u32>,
}

struct Usage {
    calls: TokenBucket,
    active: u32,
}

impl Policing {
    /// Counts a call of `connector` in, under its present limits.
    ///
    /// # Errors
    /// Which limit is used up; then nothing was counted.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        connector: &VoiceConnector,
        cps_limit: u32,
        concurrent_limit: u32,
    ) -> Result<(), Refusal> {
        let usage = self
            .connectors
            .entry(connector.id.clone())
            .or_insert_with(|| Usage { calls: TokenBucket::full(cps_limit, now), active: 0 });
        if usage.active >= concurrent_limit {
            return Err(Refusal::ConcurrentCallLimit);
        }
        // Calls that no rate holds for leave the tokens to those that one does.
        if cps_limit != u32::MAX && !usage.calls.take(cps_limit, now) {
            return Err(Refusal::CallRateLimit);
        }
        usage.active += 1;
        Ok(())
    }

    /// Counts in a call that takes the place of another one, or that no limit holds for.
    pub(crate) fn count_in(&mut self, now: Instant, connector: &VoiceConnector) {
        let rate = connector.termination.as_ref().map_or(0, |termination| termination.cps_limit);
        let usage = self
            .connectors
            .entry(connector.id.clone())
            .or_insert_with(|| Usage { calls: TokenBucket::full(rate, now), active: 0 });
        usage.active += 1;
    }

    /// Counts a call out.
    pub(crate) fn release(&mut self, connector: &VoiceConnectorId) {
        if let Some(usage) = self.connectors.get_mut(connector) {
            usage.active = usage.active.saturating_sub(1);
        }
    }

    /// Counts in a call to the meeting rooms of a stranger at `source`, who may have `most`.
    ///
    /// # Errors
    /// It has as many; then nothing was counted.
    pub(crate) fn admit_source(&mut self, source: IpAddr, most: u32) -> Result<(), Refusal> {
        let active = self.sources.get(&source).copied().unwrap_or(0);
        if active >= most {
            return Err(Refusal::SourceCallLimit);
        }
        self.sources.insert(source, active + 1);
        Ok(())
    }

    /// Counts such a call out.
    pub(crate) fn release_source(&mut self, source: IpAddr) {
        if let Some(active) = self.sources.get_mut(&source) {
            *active = active.saturating_sub(1);
            if *active == 0 {
                self.sources.remove(&source);
            }
        }
    }

    /// Forgets connectors that are neither in use nor in the directory any more.
    pub(crate) fn retain(&mut self, exists: impl Fn(&VoiceConnectorId) -> bool) {
        self.connectors.retain(|id, usage| usage.active > 0 || exists(id));
    }

    /// How long a refused caller should wait, in seconds, for Retry-After.
    pub(crate) fn retry_after(refusal: Refusal) -> Option<u32> {
        match refusal {
            Refusal::CallRateLimit => Some(1),
            Refusal::ConcurrentCallLimit
            | Refusal::SourceCallLimit
            | Refusal::PortsExhausted
            | Refusal::RelayUnavailable
            | Refusal::RoutesFull => Some(5),
            Refusal::Overloaded => Some(10),
            Refusal::Draining => Some(60),
            _ => None,
        }
    }
}

/// A bucket that holds one second's worth of tokens, so that a second never sees more than twice
/// the rate and a long run never more than the rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    /// Billionths of a token.
    nanotokens: u64,
    updated: Instant,
}

const TOKEN: u64 = 1_000_000_000;

impl TokenBucket {
    pub(crate) fn full(per_second: u32, now: Instant) -> Self {
        TokenBucket { nanotokens: u64::from(per_second) * TOKEN, updated: now }
    }

    /// Takes a token if there is one, filling at `per_second` first.
    pub(crate) fn take(&mut self, per_second: u32, now: Instant) -> bool {
        let elapsed = (now - self.updated).min(Duration::from_secs(1)).as_nanos() as u64;
        self.updated = now;
        let capacity = u64::from(per_second) * TOKEN;
        self.nanotokens = (self.nanotokens + elapsed * u64::from(per_second)).min(capacity);
        if self.nanotokens < TOKEN {
            return false;
        }
        self.nanotokens -= TOKEN;
        true
    }
}

/// What counts as one source: an IPv4 address; of IPv6 a network of 64 bits, by its first address, for one
/// host may have all of them.
pub(crate) fn source_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_its_share_and_no_more() {
        let source = |text: &str| source_of(text.parse().unwrap());
        let mut policing = Policing::default();
        let (one, other) = (source("192.0.2.7"), source("192.0.2.8"));
        assert_eq!(one, source("::ffff:192.0.2.7"));
        assert_eq!(policing.admit_source(one, 2), Ok(()));
        assert_eq!(policing.admit_source(one, 2), Ok(()));
        assert_eq!(policing.admit_source(one, 2), Err(Refusal::SourceCallLimit));
        assert_eq!(policing.admit_source(other, 2), Ok(()));
        policing.release_source(one);
        assert_eq!(policing.admit_source(one, 2), Ok(()));
        let network = source("2001:db8:0:1::1");
        assert_eq!(network, source("2001:db8:0:1:ffff::9"));
        assert_ne!(network, source("2001:db8:0:2::1"));
        for source in [one, one, other, network] {
            policing.release_source(source);
        }
        assert!(policing.sources.is_empty(), "nothing is kept of who has gone");
    }

    #[test]
    fn a_bucket_gives_its_rate_and_not_one_more() {
        let start = Instant::from_millis(0);
        let mut bucket = TokenBucket::full(10, start);
        assert_eq!((0..20).filter(|_| bucket.take(10, start)).count(), 10);
        assert!(!bucket.take(10, Instant::from_millis(99)));
        assert!(bucket.take(10, Instant::from_millis(100)));
        assert!(!bucket.take(10, Instant::from_millis(100)));
        let mut long_run = 0;
        for millis in 100..10_100 {
            long_run += u32::from(bucket.take(10, Instant::from_millis(millis)));
        }
        assert_eq!(long_run, 99, "just under 10 s at 10 a second");
    }

    #[test]
    fn as_many_calls_as_can_be_counted_are_a_limit_too() {
        let id = VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap();
        let mut connector = VoiceConnector::new(id.clone());
        let termination = directory::Termination { cps_limit: 1, ..Default::default() };
        connector.termination = Some(termination);
        let mut policing = Policing::default();
        // No rate holds: no token is taken from those calls that one holds for.
        for _ in 0..3 {
            assert_eq!(policing.admit(Instant::ZERO, &connector, u32::MAX, u32::MAX), Ok(()));
        }
        policing.release(&id);
        assert_eq!(
            policing.admit(Instant::ZERO, &connector, u32::MAX, 2),
            Err(Refusal::ConcurrentCallLimit)
        );
        assert_eq!(policing.admit(Instant::ZERO, &connector, 1, u32::MAX), Ok(()));
        assert_eq!(
            policing.admit(Instant::ZERO, &connector, 1, u32::MAX),
            Err(Refusal::CallRateLimit)
        );
        // The greatest rate does not overflow.
        let start = Instant::ZERO;
        let mut bucket = TokenBucket::full(u32::MAX, start);
        assert!(bucket.take(u32::MAX, Instant::from_millis(86_400_000)));
        assert!(bucket.nanotokens < u64::from(u32::MAX) * TOKEN);
    }

    #[test]
    fn a_rate_of_zero_admits_nothing() {
        let mut bucket = TokenBucket::full(0, Instant::ZERO);
        assert!(!bucket.take(0, Instant::from_millis(60_000)));
    }
}
