//! How many calls there are at once, looked at every second.

use super::definition::CloudWatchMetric;
use super::figures::Figures;
use model::CallDirection;

/// What [`Levels::values`] are of, in its order.
const METRICS: [CloudWatchMetric; 4] = [
    CloudWatchMetric::SmaActiveCallCount,
    CloudWatchMetric::VoiceConnectorActiveCallCount,
    CloudWatchMetric::InboundCallsActive,
    CloudWatchMetric::OutboundCallsActive,
];

/// The calls of a voice connector or of the node.
#[derive(Debug)]
pub(super) struct Levels {
    inbound: u64,
    outbound: u64,
    /// Those of both that applications steer.
    steered: u64,
    /// The second that is being looked at, since the epoch.
    second: u64,
    /// The most within it: a call that is shorter than a second shows too.
    highest: [u64; METRICS.len()],
    /// Minutes in a row without a call and without anything else.
    pub(super) idle_minutes: u32,
}

/// A level that was kept for some seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// The first of them, since the epoch.
    pub(super) from: u64,
    /// The one after the last.
    pub(super) to: u64,
    values: [u64; METRICS.len()],
}

impl Run {
    /// Puts the part before `end` into the figures of its minute; what is left of it.
    pub(super) fn note(self, figures: &mut Figures, end: u64) -> Run {
        let to = self.to.min(end);
        for (metric, value) in METRICS.into_iter().zip(self.values) {
            figures.level(metric, value, to.saturating_sub(self.from));
        }
        Run { from: to, ..self }
    }
}

impl Levels {
    pub(super) fn new(second: u64) -> Self {
        Levels {
            inbound: 0,
            outbound: 0,
            steered: 0,
            second,
            highest: [0; METRICS.len()],
            idle_minutes: 0,
        }
    }

    pub(super) fn calls(&self, direction: CallDirection) -> u64 {
        match direction {
            CallDirection::Inbound => self.inbound,
            CallDirection::Outbound => self.outbound,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.inbound == 0 && self.outbound == 0
    }

    /// Takes a call in or lets one go.
    pub(super) fn change(&mut self, direction: CallDirection, begins: bool) {
        let calls = match direction {
            CallDirection::Inbound => &mut self.inbound,
            CallDirection::Outbound => &mut self.outbound,
        };
        *calls = if begins { calls.saturating_add(1) } else { calls.saturating_sub(1) };
        self.raise_highest();
    }

    /// An application takes a call of these, or lets go of it.
    pub(super) fn change_steered(&mut self, begins: bool) {
        let calls = self.steered;
        self.steered = if begins { calls.saturating_add(1) } else { calls.saturating_sub(1) };
        self.raise_highest();
    }

    fn raise_highest(&mut self) {
        let values = self.values();
        for (highest, value) in self.highest.iter_mut().zip(values) {
            *highest = (*highest).max(value);
        }
    }

    /// Goes on to a second, not back; the seconds before it, as runs of the same level.
    pub(super) fn advance(&mut self, to: u64) -> impl Iterator<Item = Run> {
        let (first, values) = (self.second, self.values());
        let after = first.saturating_add(1);
        let runs = [
            Run { from: first, to: after.min(to), values: self.highest },
            Run { from: after, to, values },
        ];
        if to > first {
            self.second = to;
            self.highest = values;
        }
        runs.into_iter().filter(|run| run.to > run.from)
    }

    /// Goes on to a second without having looked.
    pub(super) fn skip_to(&mut self, second: u64) {
        if second > self.second {
            self.second = second;
            self.highest = self.values();
        }
    }

    fn values(&self) -> [u64; METRICS.len()] {
        let all = self.inbound.saturating_add(self.outbound);
        [self.steered, all, self.inbound, self.outbound]
    }
}
