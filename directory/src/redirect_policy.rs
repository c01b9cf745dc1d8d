//! Whether a callee's redirects (3xx) are followed.

use crate::route::Host;

/// Following a redirect lets a callee choose where a call goes and what it costs, so it is bounded
/// in number and to hosts that the operator names.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RedirectPolicy {
    /// How many redirected targets one call may try, 0 to [`RedirectPolicy::MAX_LIMIT`]; default 0,
    /// which shows redirects to the caller instead.
    pub limit: u8,
    /// Hosts that a target may have, besides the host that redirected.
    pub hosts: Vec<Host>,
}

impl RedirectPolicy {
    /// The largest [`RedirectPolicy::limit`]: longer chains are loops.
    pub const MAX_LIMIT: u8 = 5;

    /// Whether `target` may be called after a redirect from `own`.
    pub fn allows(&self, own: &Host, target: &Host) -> bool {
        self.limit > 0 && (target == own || self.hosts.contains(target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_redirecting_host_and_listed_ones_are_allowed_and_none_by_default() {
        let host = |text: &str| Host::parse(text).unwrap_or_else(|_| unreachable!("{text}"));
        let (own, listed) = (host("192.0.2.1"), host("sip.example.com"));
        assert!(!RedirectPolicy::default().allows(&own, &own));
        let policy = RedirectPolicy { limit: 1, hosts: vec![listed.clone()] };
        assert!(policy.allows(&own, &own) && policy.allows(&own, &listed));
        assert!(!policy.allows(&own, &host("192.0.2.2")));
    }
}
