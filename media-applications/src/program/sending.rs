//! `SendDigits`: keys on their way, and the pauses between them.

use super::running::{Desk, MARGIN, Outcome};
use crate::action::Sent;
use model::{ApplicationOrder, Instant, LegSide};
use std::time::Duration;

/// Keys on their way, and what comes after them.
#[derive(Debug)]
pub(super) struct Sending {
    leg: LegSide,
    left: std::vec::IntoIter<Sent>,
    duration: Duration,
    now: SendingNow,
}

#[derive(Debug)]
enum SendingNow {
    /// The keys of this order, and when their end is overdue.
    Keys(u32, Instant),
    Pause(Instant),
}

impl Sending {
    pub(super) fn begin(
        now: Instant,
        leg: LegSide,
        keys: Vec<Sent>,
        duration: Duration,
        desk: &mut Desk<'_>,
    ) -> Option<Self> {
        let pause = SendingNow::Pause(now);
        let mut sending = Sending { leg, left: keys.into_iter(), duration, now: pause };
        sending.next(now, desk).then_some(sending)
    }

    pub(super) fn leg(&self) -> LegSide {
        self.leg
    }

    /// The order that is carried out.
    pub(super) fn order(&self) -> Option<u32> {
        match self.now {
            SendingNow::Keys(order, _) => Some(order),
            SendingNow::Pause(_) => None,
        }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        let (SendingNow::Keys(_, until) | SendingNow::Pause(until)) = &self.now;
        *until
    }

    /// Whether there was something left.
    fn next(&mut self, now: Instant, desk: &mut Desk<'_>) -> bool {
        let (leg, duration) = (self.leg, self.duration);
        self.now = match self.left.next() {
            Some(Sent::Keys(keys)) => {
                // Each has a pause of its length behind it.
                let count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
                let overdue = now + duration.saturating_mul(2).saturating_mul(count) + MARGIN;
                let order = desk.order(ApplicationOrder::SendKeys { leg, keys, duration });
                SendingNow::Keys(order, overdue)
            }
            Some(Sent::Pause(pause)) => SendingNow::Pause(now + pause),
            None => return false,
        };
        true
    }

    pub(super) fn handle_sent(
        &mut self,
        now: Instant,
        order: u32,
        desk: &mut Desk<'_>,
    ) -> Option<Outcome> {
        match self.now {
            SendingNow::Keys(mine, _) if mine == order => self.go_on(now, desk),
            _ => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, desk: &mut Desk<'_>) -> Option<Outcome> {
        match self.now {
            SendingNow::Pause(until) if until <= now => self.go_on(now, desk),
            SendingNow::Keys(_, overdue) if overdue <= now => Some(Outcome::lost("sent")),
            _ => None,
        }
    }

    fn go_on(&mut self, now: Instant, desk: &mut Desk<'_>) -> Option<Outcome> {
        (!self.next(now, desk)).then_some(Outcome::DONE)
    }
}
