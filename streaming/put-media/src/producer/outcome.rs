//! What a producer does when something fails.

use super::{End, Link, Output, Producer};
use crate::acknowledgement::Acknowledgement;
use crate::rule::{self, Refusal, Remedy, Rule};
use model::Instant;
use std::time::Duration;

/// The longest pause that a service is granted.
const MOST_AFTER: Duration = Duration::from_secs(60);

/// Failures in a row, with nothing confirmed between.
#[derive(Debug)]
pub(super) struct Outage {
    failures: u32,
    /// What failed last, and how often in a row just that did.
    last: Option<(Fault, u32)>,
    reason: String,
    /// Since when something waits to be confirmed.
    since: Instant,
    was_told: bool,
    chance: u64,
}

/// Faults that are counted apart from each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    Connection,
    Refusal(u16, Remedy),
    Fragment(u16),
}

impl Outage {
    pub(super) fn new(chance: u64) -> Self {
        let (last, reason) = (None, String::new());
        Outage { failures: 0, last, reason, since: Instant::ZERO, was_told: false, chance }
    }

    /// From now on something waits to be confirmed.
    pub(super) fn begin(&mut self, now: Instant) {
        self.since = now;
    }

    /// Something was confirmed.
    pub(super) fn end(&mut self, now: Instant) {
        (self.failures, self.last, self.since, self.was_told) = (0, None, now, false);
        self.reason.clear();
    }

    /// How often in a row `fault` occurred.
    fn count(&mut self, fault: Fault, reason: &str) -> u32 {
        self.failures = self.failures.saturating_add(1);
        reason.clone_into(&mut self.reason);
        let times = match self.last {
            Some((last, times)) if last == fault => times.saturating_add(1),
            _ => 1,
        };
        self.last = Some((fault, times));
        times
    }

    /// When it is to be said that something is wrong.
    pub(super) fn due(&self, after: Duration, waits: bool) -> Option<Instant> {
        (waits && self.failures > 0 && !self.was_told).then(|| self.since + after)
    }

    pub(super) fn told(&mut self, now: Instant, after: Duration, waits: bool) -> Option<String> {
        self.due(after, waits).filter(|due| *due <= now)?;
        self.was_told = true;
        Some(self.reason.clone())
    }

    /// A number that no other call has (SplitMix64).
    fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.chance ^ (self.chance >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

impl Producer {
    /// The service answered with another status than 200, or refused what a connection needs before; the
    /// connection is over.
    pub fn handle_refusal(&mut self, now: Instant, refusal: &Refusal) {
        if matches!(self.link, Link::Down { .. } | Link::Over) {
            return;
        }
        self.counters.refused_connections += 1;
        self.hang_up(now);
        let rule = rule::of_refusal(refusal);
        let fault = Fault::Refusal(refusal.status, rule.remedy);
        self.apply(now, rule, fault, &refusal.to_string(), refusal.retry_after);
    }

    /// An acknowledgement names a fault.
    pub(super) fn handle_fault(&mut self, now: Instant, id: u16, told: &Acknowledgement) {
        self.counters.error(id);
        let rule = rule::of_error(id);
        if rule.remedy == Remedy::Skip {
            // Fragments are read in order: one that is not named is the first that is not done.
            let timecode = told.timecode.or_else(|| self.kept.oldest_in_flight());
            if timecode.and_then(|timecode| self.kept.remove(timecode)).is_some() {
                self.counters.refused_fragments += 1;
            }
        }
        // What the service has read of the fragment that it reads now is lost with the fault.
        self.queue.push_back(Output::Close);
        self.hang_up(now);
        let reason = match told.code.as_str() {
            "" => format!("PutMedia: error {id}"),
            code => format!("PutMedia: error {id} {code}"),
        };
        self.apply(now, rule, Fault::Fragment(id), &reason, None);
    }

    /// The connection is over without anybody having said why.
    pub(super) fn fail(&mut self, now: Instant, reason: String) {
        self.counters.broken_connections += 1;
        self.apply(now, rule::PASSES, Fault::Connection, &reason, None);
    }

    fn apply(
        &mut self,
        now: Instant,
        rule: Rule,
        fault: Fault,
        reason: &str,
        after: Option<Duration>,
    ) {
        let times = self.outage.count(fault, reason);
        if rule.attempts.is_some_and(|attempts| times >= attempts) {
            let reason = match rule.advice {
                "" => format!("{reason}, {times} times in a row"),
                advice => format!("{reason}: {advice}"),
            };
            return self.give_up(reason, !rule.is_own);
        }
        match rule.remedy {
            Remedy::NewEndpoint => self.needs.endpoint = true,
            Remedy::MakeStream => (self.needs.stream, self.needs.endpoint) = (true, true),
            Remedy::RenewCredentials => self.needs.credentials = true,
            Remedy::Again | Remedy::Skip | Remedy::GiveUp => {}
        }
        if !(rule.at_once && times == 1) || after.is_some() {
            let pause = self.pause(after);
            self.pause_until(now + pause);
        }
    }

    /// Half of a pause that doubles, and a random part of the other half.
    fn pause(&mut self, after: Option<Duration>) -> Duration {
        let config = &self.config;
        let doublings = self.outage.failures.saturating_sub(1).min(16);
        let whole = config.first_pause.saturating_mul(1 << doublings).min(config.longest_pause);
        let share = self.outage.draw() as f64 / u64::MAX as f64;
        (whole / 2 + (whole / 2).mul_f64(share)).max(after.unwrap_or_default().min(MOST_AFTER))
    }

    fn give_up(&mut self, reason: String, is_usable: bool) {
        while let Some(left) = self.kept.remove_oldest() {
            self.count_left(left);
        }
        self.counters.given_up_streams += 1;
        self.link = Link::Over;
        self.queue.push_back(Output::Over(End::GivenUp { reason, is_usable }));
    }
}
