//! Streams that nobody speaks on any more.

use crate::rtp_session::RtpSession;
use model::{Instant, LegSide, MediaTimeouts};
use std::time::Duration;

/// Between two words about the same silence: whoever is told may have lost the first.
const AGAIN: Duration = Duration::from_secs(10);

/// What the plan says of silence, and when it was last told.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Timeouts {
    limits: MediaTimeouts,
    /// When the limits came into force: silence before does not count.
    since: Instant,
    said: Option<Instant>,
}

impl Timeouts {
    pub(crate) fn apply(&mut self, limits: MediaTimeouts, now: Instant) {
        if self.limits != limits {
            *self = Timeouts { limits, since: now, said: None };
        }
    }
}

/// A silence that has lasted for as long as [`model::MediaPlan::timeouts`] says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimedOut {
    /// The silent leg; `None` when every leg that should send is silent.
    pub leg: Option<LegSide>,
    /// For how long.
    pub silent_for: Duration,
}

impl RtpSession {
    /// Whether the stream has been silent for too long; said again every ten seconds.
    pub fn poll_timeout(&mut self, now: Instant) -> Option<TimedOut> {
        if self.timeouts.said.is_some_and(|said| now < said + AGAIN) {
            return None;
        }
        let reached = self.limits().find(|(at, _)| *at <= now).map(|(_, leg)| leg)?;
        let legs = self.expected().filter(|(side, _)| leg_is(reached, *side));
        let silent_for = legs.map(|(_, heard)| now.saturating_since(heard)).min()?;
        self.timeouts.said = Some(now);
        Some(TimedOut { leg: reached, silent_for })
    }

    /// When [`RtpSession::poll_timeout`] can first say something if nothing more arrives.
    pub fn timeout_deadline(&self) -> Option<Instant> {
        let first = self.limits().map(|(at, _)| at).min()?;
        Some(self.timeouts.said.map_or(first, |said| first.max(said + AGAIN)))
    }

    /// When each limit is reached, all legs' before a single one's.
    fn limits(&self) -> impl Iterator<Item = (Instant, Option<LegSide>)> {
        let MediaTimeouts { one, both } = self.timeouts.limits;
        let last = self.expected().map(|(_, heard)| heard).max();
        let all = last.zip(both).map(|(heard, both)| (heard + both, None));
        let each =
            self.expected().filter_map(move |(side, heard)| Some((heard + one?, Some(side))));
        all.into_iter().chain(each)
    }

    /// The legs that should send, and since when each is silent.
    fn expected(&self) -> impl Iterator<Item = (LegSide, Instant)> {
        LegSide::BOTH.into_iter().filter_map(|side| {
            let leg = &self.legs[side.index()];
            let should_send = leg.plan.as_ref().is_some_and(|plan| plan.accepts_from)
                && !self.legs[side.other().index()].is_played_to();
            should_send.then_some((side, leg.heard.max(self.timeouts.since)))
        })
    }
}

fn leg_is(reached: Option<LegSide>, side: LegSide) -> bool {
    reached.is_none_or(|leg| leg == side)
}

#[cfg(test)]
mod tests;
