//! How guessing of meeting ids is slowed down.

use model::Instant;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Who guesses, as far as it can be told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Source {
    /// An address: of IPv6 its /64 counts, for a single host has as many addresses as it likes.
    Network(IpAddr),
    /// A calling number that a carrier vouches for; at most 64 octets of it count.
    Caller(Arc<str>),
}

impl Source {
    fn key(&self) -> Source {
        match self {
            Source::Network(IpAddr::V6(address)) => {
                let network = u128::from(*address) >> 64 << 64;
                Source::Network(IpAddr::V6(network.into()))
            }
            Source::Caller(number) if number.len() > 64 => {
                Source::Caller(number.chars().take(64).collect::<String>().into())
            }
            source => source.clone(),
        }
    }
}

/// Bounds of [`GuessLimiter`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GuessLimits {
    /// Sources that are remembered; when there are more, the one that tried the longest ago is
    /// forgotten.
    pub sources: usize,
    /// Wrong ids of a source that cost it nothing.
    pub free: u32,
    /// The pause after the first that is not free; each further one doubles it.
    pub first_delay: Duration,
    /// The longest pause.
    pub longest_delay: Duration,
    /// How long somebody is let wait for the pauses of a source; beyond it the call is asked to try
    /// later.
    pub patience: Duration,
    /// The time after which one wrong id is forgiven.
    pub forgive_after: Duration,
}

impl Default for GuessLimits {
    fn default() -> Self {
        GuessLimits {
            sources: 4_096,
            free: 5,
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(64),
            patience: Duration::from_secs(20),
            forgive_after: Duration::from_secs(120),
        }
    }
}

/// When somebody may know whether an id is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// From then on.
    At(Instant),
    /// Too many wait already.
    TooMany,
}

/// Attempts of sources.
///
/// Each attempt takes a turn; turns of one source are a pause apart that doubles with its wrong
/// attempts, so that many calls at once are no faster than one. An attempt counts as wrong from the
/// moment that it takes its turn until it was right: whoever hangs up meanwhile gains nothing. The
/// pause is the same before a right id and a wrong one.
#[derive(Clone, Debug)]
pub struct GuessLimiter {
    limits: GuessLimits,
    sources: BTreeMap<Source, Attempts>,
    /// Which source tried when, oldest first.
    order: BTreeMap<(Instant, u64), Source>,
    last_number: u64,
    turned_away: u64,
}

#[derive(Clone, Copy, Debug)]
struct Attempts {
    /// Wrong, or not yet right.
    wrong: u32,
    /// When the next turn is.
    next: Instant,
    /// From when on wrong ones are forgiven.
    since: Instant,
    /// Its place in `order`.
    place: (Instant, u64),
}

impl GuessLimiter {
    /// Remembers nobody.
    pub fn new(limits: GuessLimits) -> Self {
        GuessLimiter {
            limits,
            sources: BTreeMap::new(),
            order: BTreeMap::new(),
            last_number: 0,
            turned_away: 0,
        }
    }

    /// Takes a turn.
    pub fn take_turn(&mut self, now: Instant, source: &Source) -> Turn {
        let source = source.key();
        let fresh = Attempts { wrong: 0, next: now, since: now, place: (now, 0) };
        let mut attempts = self.sources.get(&source).copied().unwrap_or(fresh);
        self.forgive(now, &mut attempts);
        let at = attempts.next.max(now);
        if at - now > self.limits.patience {
            self.turned_away += 1;
            return Turn::TooMany;
        }
        attempts.wrong = attempts.wrong.saturating_add(1);
        attempts.next = at + self.delay(attempts.wrong);
        self.remember(now, source, attempts);
        Turn::At(at)
    }

    /// The attempt that took a turn was right.
    pub fn was_right(&mut self, source: &Source) {
        let source = source.key();
        let limits = self.limits;
        let Some(attempts) = self.sources.get_mut(&source) else { return };
        attempts.wrong = attempts.wrong.saturating_sub(1);
        if attempts.wrong == 0 {
            let place = attempts.place;
            self.order.remove(&place);
            self.sources.remove(&source);
        } else if attempts.wrong <= limits.free {
            attempts.next = attempts.since.min(attempts.next);
        }
    }

    /// How often [`Turn::TooMany`] was said, since the beginning.
    pub const fn turned_away(&self) -> u64 {
        self.turned_away
    }

    /// How many sources are remembered.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    fn delay(&self, wrong: u32) -> Duration {
        let Some(over) = wrong.checked_sub(self.limits.free + 1) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(over).unwrap_or(u32::MAX);
        self.limits.first_delay.saturating_mul(factor).min(self.limits.longest_delay)
    }

    fn forgive(&self, now: Instant, attempts: &mut Attempts) {
        let span = self.limits.forgive_after.as_nanos().max(1);
        let forgiven = (now - attempts.since).as_nanos() / span;
        let forgiven = u32::try_from(forgiven).unwrap_or(u32::MAX).min(attempts.wrong);
        if forgiven > 0 {
            attempts.wrong -= forgiven;
            attempts.since = now;
        }
    }

    fn remember(&mut self, now: Instant, source: Source, mut attempts: Attempts) {
        self.last_number += 1;
        let place = (now, self.last_number);
        attempts.place = place;
        if let Some(before) = self.sources.insert(source.clone(), attempts) {
            self.order.remove(&before.place);
        }
        self.order.insert(place, source);
        while self.sources.len() > self.limits.sources {
            let Some((_, oldest)) = self.order.pop_first() else { return };
            self.sources.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn source(last: u32) -> Source {
        Source::Network(Ipv4Addr::from(last).into())
    }

    fn seconds(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    #[test]
    fn wrong_ids_cost_more_and_more() {
        let mut limiter = GuessLimiter::new(GuessLimits::default());
        let mut turns = Vec::new();
        let mut now = seconds(0);
        for _ in 0..12 {
            loop {
                match limiter.take_turn(now, &source(1)) {
                    Turn::At(at) => {
                        turns.push(at.as_millis() / 1_000);
                        now = at;
                        break;
                    }
                    Turn::TooMany => now += Duration::from_secs(1),
                }
            }
        }
        assert_eq!(turns, [0, 0, 0, 0, 0, 0, 1, 3, 7, 15, 31, 63]);
        // Another one is not concerned.
        assert_eq!(limiter.take_turn(now, &source(2)), Turn::At(now));
    }

    #[test]
    fn many_calls_at_once_are_no_faster_than_one() {
        let mut limiter = GuessLimiter::new(GuessLimits::default());
        let now = seconds(100);
        let turns: Vec<_> = (0..100).map(|_| limiter.take_turn(now, &source(1))).collect();
        let at_once = turns.iter().filter(|turn| **turn == Turn::At(now)).count();
        let later = turns.iter().filter(|turn| matches!(turn, Turn::At(at) if *at > now)).count();
        assert_eq!((at_once, later), (6, 4), "{turns:?}");
    }

    #[test]
    fn right_ids_are_free_but_forgive_no_wrong_one() {
        let mut limiter = GuessLimiter::new(GuessLimits::default());
        let now = seconds(0);
        for _ in 0..1_000 {
            assert_eq!(limiter.take_turn(now, &source(1)), Turn::At(now));
            limiter.was_right(&source(1));
        }
        assert!(limiter.is_empty());
        for _ in 0..6 {
            limiter.take_turn(now, &source(1));
        }
        let Turn::At(at) = limiter.take_turn(now, &source(1)) else { panic!() };
        assert_eq!(at, seconds(1));
        limiter.was_right(&source(1));
        let Turn::At(at) = limiter.take_turn(now, &source(1)) else { panic!() };
        assert!(at > now);
    }

    #[test]
    fn time_forgives() {
        let mut limiter = GuessLimiter::new(GuessLimits::default());
        for _ in 0..6 {
            limiter.take_turn(seconds(0), &source(1));
        }
        // Nothing is forgiven before two minutes, everything after long.
        let Turn::At(at) = limiter.take_turn(seconds(119), &source(1)) else { panic!() };
        assert_eq!(at, seconds(119));
        let Turn::At(at) = limiter.take_turn(seconds(119), &source(1)) else { panic!() };
        assert_eq!(at, seconds(121));
        let Turn::At(at) = limiter.take_turn(seconds(10_000), &source(1)) else { panic!() };
        assert_eq!(at, seconds(10_000));
        assert_eq!(limiter.sources[&source(1)].wrong, 1);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let limits = GuessLimits { sources: 10, ..GuessLimits::default() };
        let mut limiter = GuessLimiter::new(limits);
        for at in 0..1_000_u32 {
            limiter.take_turn(seconds(u64::from(at)), &source(at));
            // This one stays, for it goes on.
            limiter.take_turn(seconds(u64::from(at)), &source(5_000));
            assert!(limiter.len() <= 10 && limiter.order.len() == limiter.len());
        }
        assert!(limiter.sources.contains_key(&source(5_000)));
        assert!(limiter.sources.contains_key(&source(999)));
        assert!(!limiter.sources.contains_key(&source(1)));
    }

    #[test]
    fn addresses_of_one_network_are_one_source() {
        let v6 = |last| Source::Network(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last).into());
        assert_eq!(v6(1).key(), v6(99).key());
        let other = Source::Network(Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 1).into());
        assert_ne!(v6(1).key(), other.key());
        let long = Source::Caller("é".repeat(200).into());
        assert!(matches!(long.key(), Source::Caller(text) if text.chars().count() == 64));
    }
}
