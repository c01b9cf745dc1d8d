//! Which targets have just failed. A request still tries them, but after all others: RFC 3263
//! section 4.3 lets a client remember a failure, and one dead server of a name must neither slow
//! every call down nor be lost for good.

use model::{Instant, TransportProtocol};
use sip_proto::locate::Target;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a failed target is tried last, unless its 503 says otherwise.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(30);
/// The longest that a Retry-After counts: a server that is wrong about itself comes back.
pub(crate) const LONGEST: Duration = Duration::from_secs(300);
/// Targets that are remembered. When full, the one that would be forgotten first makes room.
const MAX_REMEMBERED: usize = 1_024;

/// What a worker's calls have learned of targets. Keyed by address and transport alone, so that
/// the failure of one server says nothing of the others behind its name.
#[derive(Debug, Default)]
pub(crate) struct TargetHealth {
    failed: HashMap<(SocketAddr, TransportProtocol), Instant>,
    /// Targets that failed while they were thought well.
    pub(crate) failures: u64,
    /// Failed targets that answered again.
    pub(crate) recoveries: u64,
}

impl TargetHealth {
    /// A target did not answer, could not be reached, or said 503.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        address: SocketAddr,
        transport: TransportProtocol,
        retry_after: Option<Duration>,
    ) {
        let key = (address, transport);
        if self.failed.len() >= MAX_REMEMBERED && !self.failed.contains_key(&key) {
            let oldest = self.failed.iter().min_by_key(|(key, until)| (**until, **key));
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.failed.remove(&oldest);
            }
        }
        let until = now + retry_after.unwrap_or(REMEMBERED).min(LONGEST);
        let before = self.failed.insert(key, until);
        self.failures += u64::from(before.is_none_or(|until| until <= now));
    }

    /// A target gave a response other than 503.
    pub(crate) fn worked(&mut self, address: SocketAddr, transport: TransportProtocol) {
        if !self.failed.is_empty() && self.failed.remove(&(address, transport)).is_some() {
            self.recoveries += 1;
        }
    }

    /// Puts targets that have failed lately behind the others; the order is kept otherwise.
    pub(crate) fn order(&mut self, now: Instant, targets: &mut [Target]) {
        if self.failed.is_empty() {
            return;
        }
        self.failed.retain(|_, until| *until > now);
        targets.sort_by_key(|t| self.failed.contains_key(&(t.address, t.transport)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TransportProtocol::{Tcp, Udp};

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn order(health: &mut TargetHealth, now: Instant) -> Vec<u16> {
        let mut targets = [1, 2, 3].map(|port| Target::literal(address(port), Udp));
        health.order(now, &mut targets);
        targets.iter().map(|target| target.address.port()).collect()
    }

    #[test]
    fn a_failed_target_is_tried_last_until_its_time_is_over_or_it_answers() {
        let mut health = TargetHealth::default();
        health.failed(at(0), address(1), Udp, None);
        assert_eq!(order(&mut health, at(29)), [2, 3, 1]);
        assert_eq!(order(&mut health, at(30)), [1, 2, 3]);
        health.failed(at(40), address(2), Udp, None);
        health.failed(at(40), address(3), Tcp, None);
        assert_eq!(order(&mut health, at(41)), [1, 3, 2], "TCP says nothing of UDP");
        health.worked(address(2), Udp);
        assert_eq!(order(&mut health, at(42)), [1, 2, 3]);
        assert_eq!((health.failures, health.recoveries), (3, 1));
    }

    #[test]
    fn retry_after_counts_up_to_a_limit() {
        let mut health = TargetHealth::default();
        health.failed(at(0), address(1), Udp, Some(Duration::from_secs(60)));
        health.failed(at(0), address(2), Udp, Some(Duration::from_secs(86_400)));
        assert_eq!(order(&mut health, at(59)), [3, 1, 2]);
        assert_eq!(order(&mut health, at(60)), [1, 3, 2]);
        assert_eq!(order(&mut health, at(300)), [1, 2, 3]);
    }

    #[test]
    fn a_full_table_forgets_what_it_would_forget_first() {
        let mut health = TargetHealth::default();
        for port in 1..=1_024 {
            health.failed(at(u64::from(port % 7)), address(port), Udp, None);
        }
        health.failed(at(9), address(5_000), Udp, None);
        assert_eq!(health.failed.len(), MAX_REMEMBERED);
        assert!(!health.failed.contains_key(&(address(7), Udp)), "the first of the oldest");
        assert!(health.failed.contains_key(&(address(5_000), Udp)));
    }
}
