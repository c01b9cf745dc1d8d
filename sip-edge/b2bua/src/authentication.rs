//! Who asks is who they say: digest credentials of the customers' systems (RFC 3261 section 22).
//!
//! A challenge costs no memory beyond the request's transaction. Guessing is slowed: each wrong
//! password takes a token from its source's bucket, and without one the source's credentials are
//! not looked at. Only somebody who received a challenge at that source can take tokens, so nobody
//! locks another out.

use directory::{Credential, DigestAlgorithm};
use model::Instant;
use sip_proto::auth::{
    Challenge, ChallengedBy, HashFunction, Protected, Verdict, Verifier, VerifierConfig,
};
use sip_proto::{Message, Random};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// How credentials are asked for and how guessing is slowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuthenticationConfig {
    /// Nonces.
    pub verifier: VerifierConfig,
    /// Wrong passwords that a source may give at once, 1 or more. Default 10.
    pub failures: u32,
    /// How soon a source may give another one after that. Default 30 s.
    pub failure_interval: Duration,
    /// Sources whose failures are remembered, 1 or more. Default 4,096. When it is full, the one
    /// that failed longest ago is forgotten.
    pub max_sources: usize,
}

impl Default for AuthenticationConfig {
    fn default() -> Self {
        AuthenticationConfig {
            verifier: VerifierConfig::default(),
            failures: 10,
            failure_interval: Duration::from_secs(30),
            max_sources: 4_096,
        }
    }
}

/// What the authentication of requests counts, since the start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct AuthenticationCounters {
    /// Requests that had no credentials and were asked for some.
    pub challenged: u64,
    /// Requests whose credentials were right.
    pub accepted: u64,
    /// Requests whose nonce was not fresh.
    pub stale: u64,
    /// Requests whose password or user was wrong.
    pub wrong: u64,
    /// Requests whose credentials could not be read or were for another request.
    pub unusable: u64,
    /// Requests whose credentials were not looked at, because their source had failed too often.
    pub blocked: u64,
    /// Sources that failed lately (a present number).
    pub failing_sources: u64,
}

/// What to do with a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Decision {
    /// Let it in, as this user.
    Admit(Arc<str>),
    /// Ask for credentials; `wrong` when those that came are.
    Ask { challenges: Vec<Challenge>, wrong: bool },
    /// Refuse it unseen.
    Block,
}

/// The door of one worker.
pub(crate) struct Authentication {
    config: AuthenticationConfig,
    verifier: Verifier,
    failures: HashMap<IpAddr, Failures>,
    counters: AuthenticationCounters,
}

/// What a source may still get wrong.
#[derive(Clone, Copy)]
struct Failures {
    left: u32,
    /// When `left` was last reduced or topped up.
    since: Instant,
}

impl Authentication {
    pub(crate) fn new(config: AuthenticationConfig, random: &mut dyn Random) -> Self {
        Authentication {
            config,
            verifier: Verifier::new(config.verifier, random),
            failures: HashMap::new(),
            counters: AuthenticationCounters::default(),
        }
    }

    /// Checks what `request` from `source` has to show for `realm`.
    #[expect(clippy::too_many_arguments, reason = "the facts of one decision, each used once")]
    pub(crate) fn decide(
        &mut self,
        now: Instant,
        random: &mut dyn Random,
        realm: &str,
        source: IpAddr,
        credentials: &[Credential],
        algorithms: &[DigestAlgorithm],
        request: &Message,
    ) -> Decision {
        let by = ChallengedBy::Server;
        let offered: Vec<HashFunction> = algorithms.iter().copied().map(hash_of).collect();
        let protected = Protected { realm, source, offered: &offered, by };
        let shows_some = request.header(by.credentials_header()).is_some();
        if shows_some && self.is_blocked(now, source) {
            self.counters.blocked += 1;
            return Decision::Block;
        }
        let password_of = |user: &str| {
            let found = credentials.iter().find(|known| &*known.username == user);
            found.map(|known| &*known.password)
        };
        let verdict = self.verifier.verify(now, &protected, request, password_of);
        let counters = &mut self.counters;
        let (stale, wrong) = match verdict {
            Verdict::Accepted { username } => {
                counters.accepted += 1;
                return Decision::Admit(username.into());
            }
            Verdict::Absent => {
                counters.challenged += 1;
                (false, false)
            }
            Verdict::Stale => {
                counters.stale += 1;
                (true, false)
            }
            Verdict::Unusable => {
                counters.unusable += 1;
                (false, true)
            }
            Verdict::Wrong => {
                counters.wrong += 1;
                self.note_failure(now, source);
                (false, true)
            }
        };
        let challenges = self.verifier.challenges(now, &protected, stale, random);
        Decision::Ask { challenges, wrong }
    }

    /// What was counted.
    pub(crate) fn counters(&self) -> AuthenticationCounters {
        AuthenticationCounters { failing_sources: self.failures.len() as u64, ..self.counters }
    }

    fn is_blocked(&mut self, now: Instant, source: IpAddr) -> bool {
        let Some(failures) = self.failures.get_mut(&bucket_of(source)) else { return false };
        failures.top_up(now, &self.config);
        failures.left == 0
    }

    fn note_failure(&mut self, now: Instant, source: IpAddr) {
        let source = bucket_of(source);
        if !self.failures.contains_key(&source) {
            self.make_room(now);
        }
        let full = Failures { left: self.config.failures.max(1), since: now };
        let failures = self.failures.entry(source).or_insert(full);
        failures.top_up(now, &self.config);
        failures.left = failures.left.saturating_sub(1);
    }

    fn make_room(&mut self, now: Instant) {
        if self.failures.len() < self.config.max_sources.max(1) {
            return;
        }
        let config = self.config;
        self.failures.retain(|_, failures| {
            failures.top_up(now, &config);
            failures.left < config.failures
        });
        if self.failures.len() >= self.config.max_sources.max(1) {
            let oldest = self.failures.iter().min_by_key(|(_, failures)| failures.since);
            if let Some(source) = oldest.map(|(source, _)| *source) {
                self.failures.remove(&source);
            }
        }
    }
}

impl Failures {
    fn top_up(&mut self, now: Instant, config: &AuthenticationConfig) {
        let interval = config.failure_interval.max(Duration::from_millis(1));
        let waited = now.saturating_since(self.since).as_nanos() / interval.as_nanos();
        let gained = u32::try_from(waited).unwrap_or(u32::MAX);
        if gained > 0 {
            self.left = self.left.saturating_add(gained).min(config.failures.max(1));
            self.since = now;
        }
    }
}

/// IPv6 hosts have a whole /64 to send from.
fn bucket_of(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
    }
}

fn hash_of(algorithm: DigestAlgorithm) -> HashFunction {
    match algorithm {
        DigestAlgorithm::Md5 => HashFunction::Md5,
        DigestAlgorithm::Sha256 => HashFunction::Sha256,
        DigestAlgorithm::Sha512_256 => HashFunction::Sha512_256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_proto::StepRandom;

    fn door(max_sources: usize) -> Authentication {
        let config = AuthenticationConfig { max_sources, failures: 3, ..Default::default() };
        Authentication::new(config, &mut StepRandom::new(1))
    }

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn a_source_may_fail_a_few_times_and_then_once_an_interval() {
        let mut door = door(8);
        let now = Instant::from_millis(1_000);
        for _ in 0..3 {
            assert!(!door.is_blocked(now, ip(1)));
            door.note_failure(now, ip(1));
        }
        assert!(door.is_blocked(now, ip(1)));
        assert!(!door.is_blocked(now, ip(2)), "others are not concerned");
        assert!(door.is_blocked(now + Duration::from_millis(29_999), ip(1)));
        let later = now + Duration::from_secs(30);
        assert!(!door.is_blocked(later, ip(1)));
        door.note_failure(later, ip(1));
        assert!(door.is_blocked(later, ip(1)), "one more, not three");
        assert!(!door.is_blocked(later + Duration::from_secs(3_600), ip(1)));
    }

    #[test]
    fn the_table_of_sources_is_bounded_and_forgets_the_oldest() {
        let mut door = door(2);
        for n in 1..=3 {
            for _ in 0..3 {
                door.note_failure(Instant::from_millis(u64::from(n)), ip(n));
            }
        }
        assert_eq!(door.counters().failing_sources, 2);
        let now = Instant::from_millis(4);
        assert!(!door.is_blocked(now, ip(1)));
        assert!(door.is_blocked(now, ip(2)) && door.is_blocked(now, ip(3)));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_source() {
        let mut door = door(8);
        let now = Instant::from_millis(1);
        for n in 0..3_u8 {
            door.note_failure(now, format!("2001:db8::{n}").parse().unwrap());
        }
        assert!(door.is_blocked(now, "2001:db8::ffff:1".parse().unwrap()));
        assert!(!door.is_blocked(now, "2001:db8:0:1::1".parse().unwrap()));
    }
}
