//! Session timers, one per leg (RFC 4028): each leg's peer negotiates with us, never with the
//! other leg.

use crate::deadline::{Deadline, Deadlines};
use model::{Instant, LegSide};
use sip_proto::{HeaderName, Message, Refresher};
use std::time::Duration;

/// The state of the session timer on one leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct SessionTimer {
    /// The agreed interval; `None` when the leg runs without a session timer.
    interval: Option<Duration>,
    /// Whether we send the refreshes.
    we_refresh: bool,
    /// The largest Min-SE that the peer has asked for, in seconds.
    pub(crate) min_se_seconds: u32,
}

/// What our 2xx to a request says about the session timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SessionAnswer {
    pub(crate) seconds: u32,
    pub(crate) refresher: Refresher,
    /// The peer refreshes, so it must understand the timer: `Require: timer`.
    pub(crate) require: bool,
}

/// The interval that a request asks for is below our minimum: 422 with this Min-SE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct IntervalTooSmall {
    pub(crate) min_se_seconds: u32,
}

impl SessionTimer {
    /// As it was agreed before this process began: the interval in seconds, and whether we refresh.
    pub(crate) fn restored(agreed: Option<(u32, bool)>, min_se_seconds: u32) -> Self {
        let interval = agreed.map(|(seconds, _)| Duration::from_secs(seconds.into()));
        let we_refresh = agreed.is_some_and(|(_, we_refresh)| we_refresh);
        SessionTimer { interval, we_refresh, min_se_seconds }
    }

    /// What [`SessionTimer::restored`] takes.
    pub(crate) fn agreed(&self) -> Option<(u32, bool)> {
        self.interval_seconds().map(|seconds| (seconds, self.we_refresh))
    }

    /// For a new request to a peer that has asked for at least this Min-SE before; 0 when it has
    /// not.
    pub(crate) fn asking_for(min_se_seconds: u32) -> Self {
        SessionTimer { min_se_seconds, ..SessionTimer::default() }
    }

    /// We answer a request that sets or refreshes the session (RFC 4028 section 9).
    ///
    /// A peer that does not support timers gets none: nothing would refresh it but us, and the
    /// call's hard lifetime bounds it anyway.
    pub(crate) fn answer(
        &mut self,
        request: &Message,
        ours: Duration,
        min_se: Duration,
    ) -> Result<Option<SessionAnswer>, IntervalTooSmall> {
        let min_se_seconds = seconds(min_se);
        let asked = request.session_expires().ok().flatten();
        let supports = request.has_option_tag(HeaderName::Supported, "timer")
            || request.has_option_tag(HeaderName::Require, "timer");
        if let Some(asked) = &asked
            && asked.seconds < min_se_seconds
            && supports
        {
            return Err(IntervalTooSmall { min_se_seconds });
        }
        if !supports {
            self.interval = None;
            return Ok(None);
        }
        let floor = request.min_se().ok().flatten().unwrap_or(0).max(min_se_seconds);
        let seconds = match &asked {
            Some(asked) => asked.seconds.min(seconds(ours)).max(floor).min(asked.seconds),
            None => seconds(ours).max(floor),
        };
        let refresher = asked.and_then(|asked| asked.refresher).unwrap_or(Refresher::Uac);
        self.interval = Some(Duration::from_secs(seconds.into()));
        self.we_refresh = refresher == Refresher::Uas;
        Ok(Some(SessionAnswer { seconds, refresher, require: refresher == Refresher::Uac }))
    }

    /// The peer answered our request with a 2xx (RFC 4028 section 7.2).
    pub(crate) fn answered(&mut self, response: &Message) {
        match response.session_expires().ok().flatten() {
            Some(agreed) => {
                // A peer cannot make us refresh more often than the RFC's floor.
                self.interval = Some(Duration::from_secs(agreed.seconds.max(90).into()));
                self.we_refresh = agreed.refresher != Some(Refresher::Uas);
            }
            None => self.interval = None,
        }
    }

    /// The peer refused our interval (422); returns the one to ask for next, `None` when the peer
    /// asks for nothing larger.
    pub(crate) fn refused(&mut self, response: &Message, asked_seconds: u32) -> Option<u32> {
        let min_se = response.min_se().ok().flatten()?;
        if min_se <= self.min_se_seconds && min_se <= asked_seconds {
            return None;
        }
        self.min_se_seconds = min_se;
        Some(asked_seconds.max(min_se))
    }

    /// Sets the leg's deadlines anew from a refresh at `now` (RFC 4028 section 10).
    pub(crate) fn arm(&self, deadlines: &mut Deadlines, leg: LegSide, now: Instant) {
        self.arm_as(deadlines, [Deadline::Refresh(leg), Deadline::SessionExpiry(leg)], now);
    }

    /// The same of a dialog whose refresh and expiry have deadlines of their own.
    pub(crate) fn arm_as(&self, deadlines: &mut Deadlines, kinds: [Deadline; 2], now: Instant) {
        let [refresh, expiry] = kinds;
        kinds.into_iter().for_each(|kind| deadlines.clear(kind));
        let Some(interval) = self.interval else { return };
        if self.we_refresh {
            deadlines.set(refresh, now + interval / 2);
        }
        let margin = Duration::from_secs(32).min(interval / 3);
        deadlines.set(expiry, now + interval.saturating_sub(margin));
    }

    /// The interval to name in a refresh of ours, in seconds.
    pub(crate) fn interval_seconds(&self) -> Option<u32> {
        self.interval.map(seconds)
    }

    /// Asks for another interval from the next refresh on.
    pub(crate) fn set_interval(&mut self, seconds: u32) {
        self.interval = Some(Duration::from_secs(seconds.into()));
    }
}

pub(crate) fn seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}
