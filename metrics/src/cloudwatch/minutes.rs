//! From events to minutes.

use super::definition::{
    CloudWatchMetric as M, FROM_CUSTOMER, FROM_REMOTE, PathMetrics, TO_CUSTOMER, TO_REMOTE,
};
use super::figures::Figures;
use super::levels::{Levels, Run};
use crate::quality::{Growth, micros};
use model::{CallDirection, Instant, QualityReport, Side, UnixTime, VoiceConnectorId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

const MINUTE: u64 = 60;
/// A minute is closed this many seconds after its end: what happened in it may still be on its way
/// through the queues. What comes later counts in the minute after.
const GRACE: u64 = 2;
/// Minutes without news that are made up for, with their levels; of a longer gap, the last ones.
const GAP_LIMIT: u64 = 120;
/// A voice connector of which nothing is heard for this many minutes is not written any more.
const IDLE_LIMIT: u32 = 60;
/// Stands for every voice connector over the limit.
const OTHER: &str = "other";

/// Adds up what happens in each minute, of the node and of each voice connector. Pure: events carry
/// their time, and [`Minutes::close_until`] tells it.
#[derive(Debug)]
pub(crate) struct Minutes {
    origin: UnixTime,
    /// What began before is of an earlier run, which has written it.
    begun: Instant,
    /// Voice connectors with figures of their own; the rest share [`OTHER`].
    connector_limit: usize,
    /// The oldest minute that is not closed, in minutes since the epoch.
    next: u64,
    /// Minute `next` and the one after it, as far as something happened in them.
    open: VecDeque<Minute>,
    /// Taken by [`Minutes::poll_minute`] after each event; at most [`GAP_LIMIT`] and 2 between.
    closed: VecDeque<Minute>,
    node: Levels,
    connectors: BTreeMap<Arc<str>, Levels>,
}

/// All that a minute holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Minute {
    /// In seconds since the epoch.
    pub(crate) start: u64,
    pub(crate) node: Figures,
    pub(crate) connectors: BTreeMap<Arc<str>, Figures>,
}

impl Minute {
    pub(super) fn new(minute: u64) -> Self {
        Minute {
            start: minute.saturating_mul(MINUTE),
            node: Figures::default(),
            connectors: BTreeMap::new(),
        }
    }

    /// Of the node without a label, or of a voice connector.
    pub(super) fn figures(&mut self, label: Option<&Arc<str>>) -> &mut Figures {
        match label {
            Some(label) => self.connectors.entry(Arc::clone(label)).or_default(),
            None => &mut self.node,
        }
    }
}

impl Minutes {
    /// Begins with the minute of `begun`; `origin` is the calendar time of [`Instant::ZERO`].
    pub(crate) fn new(origin: UnixTime, begun: Instant, connector_limit: usize) -> Self {
        let second = second(origin, begun);
        Minutes {
            origin,
            begun,
            connector_limit,
            next: second / MINUTE,
            open: VecDeque::new(),
            closed: VecDeque::new(),
            node: Levels::new(second),
            connectors: BTreeMap::new(),
        }
    }

    /// Whether something began in an earlier run, which has counted it.
    pub(crate) fn is_earlier(&self, at: Instant) -> bool {
        at < self.begun
    }

    pub(crate) fn call_began(&mut self, at: Instant, vc: &VoiceConnectorId, way: CallDirection) {
        let label = self.label(at, vc);
        self.change(at, &label, way, true);
        if !self.is_earlier(at) {
            let metric = by(way, M::InboundCallAttempts, M::OutboundCallAttempts);
            self.each(at, Some(&label), |figures| figures.count(metric, 1));
        }
    }

    /// A call counts for another voice connector from now on, as one that began there.
    pub(crate) fn call_moved(
        &mut self,
        at: Instant,
        [from, to]: [&VoiceConnectorId; 2],
        way: CallDirection,
    ) {
        let label = self.holder(at, from, way);
        self.change(at, &label, way, false);
        self.call_began(at, to, way);
    }

    /// An application steers a call from now on.
    pub(crate) fn call_steered(&mut self, at: Instant, vc: &VoiceConnectorId, way: CallDirection) {
        let label = self.holder(at, vc, way);
        self.change_with(at, &label, |levels| levels.change_steered(true));
    }

    /// A call that an application steers ends; [`Minutes::call_ended`] follows.
    pub(crate) fn steered_ended(&mut self, at: Instant, vc: &VoiceConnectorId, way: CallDirection) {
        let label = self.holder(at, vc, way);
        self.change_with(at, &label, |levels| levels.change_steered(false));
    }

    pub(crate) fn call_answered(&mut self, at: Instant, vc: &VoiceConnectorId, way: CallDirection) {
        if !self.is_earlier(at) {
            let label = self.label(at, vc);
            let metric = by(way, M::InboundCallsAnswered, M::OutboundCallsAnswered);
            self.each(at, Some(&label), |figures| figures.count(metric, 1));
        }
    }

    pub(crate) fn call_ended(
        &mut self,
        at: Instant,
        vc: &VoiceConnectorId,
        way: CallDirection,
        failed: bool,
    ) {
        let label = self.holder(at, vc, way);
        self.change(at, &label, way, false);
        if failed {
            let metric = by(way, M::InboundCallFailures, M::OutboundCallFailures);
            self.each(at, Some(&label), |figures| figures.count(metric, 1));
        }
    }

    /// A call was refused by a rate or number; of the node alone when nobody knows whose it was.
    pub(crate) fn throttled(&mut self, at: Instant, vc: Option<&VoiceConnectorId>) {
        let label = vc.map(|vc| self.label(at, vc));
        self.each(at, label.as_ref(), |figures| figures.count(M::Throttles, 1));
    }

    /// A SIP response passed; of the node alone when it belongs to no voice connector.
    pub(crate) fn response(&mut self, at: Instant, vc: Option<&VoiceConnectorId>, status: u16) {
        let metric = match status / 100 {
            1 => M::Sip1xxCodes,
            2 => M::Sip2xxCodes,
            3 => M::Sip3xxCodes,
            4 => M::Sip4xxCodes,
            5 => M::Sip5xxCodes,
            6 => M::Sip6xxCodes,
            _ => return,
        };
        let label = vc.map(|vc| self.label(at, vc));
        self.each(at, label.as_ref(), |figures| figures.count(metric, 1));
    }

    /// Takes in a leg's report of an interval that ended now, and how much its counters grew.
    pub(crate) fn media(
        &mut self,
        vc: &VoiceConnectorId,
        side: Side,
        report: &QualityReport,
        growth: &Growth,
    ) {
        let label = self.label(report.at, vc);
        self.each(report.at, Some(&label), |figures| media(figures, side, report, growth));
    }

    /// Closes the minutes that are over.
    pub(crate) fn close_until(&mut self, now: Instant) {
        let over = second(self.origin, now).saturating_sub(GRACE) / MINUTE;
        self.close_before(over);
    }

    /// Closes every minute, the present one at this second: the node stops.
    pub(crate) fn close_all(&mut self, now: Instant) {
        let second = second(self.origin, now);
        self.close_before(second / MINUTE);
        if self.next <= second / MINUTE {
            self.close(second.saturating_add(1));
        }
    }

    /// The next minute that is closed.
    pub(crate) fn poll_minute(&mut self) -> Option<Minute> {
        self.closed.pop_front()
    }

    /// Closes what is before a minute.
    fn close_before(&mut self, minute: u64) {
        while self.next < minute {
            if self.open.is_empty() && minute - self.next > GAP_LIMIT {
                self.next = minute - GAP_LIMIT;
                let second = self.next.saturating_mul(MINUTE);
                for levels in self.connectors.values_mut().chain([&mut self.node]) {
                    levels.skip_to(second);
                }
            }
            self.close(self.next.saturating_add(1).saturating_mul(MINUTE));
        }
    }

    /// Closes minute `next`, whose last second is before `end`.
    fn close(&mut self, end: u64) {
        let minute = self.next;
        self.opened(minute);
        let heard: Vec<_> = self
            .open
            .front()
            .map(|open| open.connectors.keys().cloned().collect())
            .unwrap_or_default();
        for (label, levels) in &mut self.connectors {
            let is_quiet = levels.is_idle() && heard.binary_search(label).is_err();
            levels.idle_minutes = if is_quiet { levels.idle_minutes.saturating_add(1) } else { 0 };
            for run in levels.advance(end) {
                note(&mut self.open, run, Some(label));
            }
        }
        for run in self.node.advance(end) {
            note(&mut self.open, run, None);
        }
        self.connectors.retain(|_, levels| levels.idle_minutes < IDLE_LIMIT);
        self.closed.extend(self.open.pop_front());
        self.next = minute.saturating_add(1);
    }

    /// The label of a voice connector, with levels of its own from now on.
    fn label(&mut self, at: Instant, vc: &VoiceConnectorId) -> Arc<str> {
        if let Some((label, _)) = self.connectors.get_key_value(vc.as_str()) {
            return Arc::clone(label);
        }
        let second = self.open_for(at);
        let full = self.connectors.len() >= self.connector_limit;
        let label: Arc<str> = if full { OTHER.into() } else { vc.as_str().into() };
        // It was at 0 in this minute so far.
        let levels = || Levels::new((second / MINUTE).saturating_mul(MINUTE).max(self.first()));
        if !self.connectors.contains_key(&label) {
            let levels = levels();
            self.connectors.insert(Arc::clone(&label), levels);
        }
        label
    }

    /// Under which label a call of a voice connector was counted when it began.
    fn holder(&mut self, at: Instant, vc: &VoiceConnectorId, way: CallDirection) -> Arc<str> {
        let own = self.connectors.get(vc.as_str()).is_some_and(|levels| levels.calls(way) > 0);
        let other = self.connectors.get_key_value(OTHER).filter(|(_, o)| o.calls(way) > 0);
        match other {
            Some((label, _)) if !own => Arc::clone(label),
            _ => self.label(at, vc),
        }
    }

    /// The first second of this run.
    fn first(&self) -> u64 {
        second(self.origin, self.begun)
    }

    fn change(&mut self, at: Instant, label: &Arc<str>, way: CallDirection, begins: bool) {
        self.change_with(at, label, |levels| levels.change(way, begins));
    }

    /// Changes the levels of a label and of the node.
    fn change_with(&mut self, at: Instant, label: &Arc<str>, change: impl Fn(&mut Levels)) {
        let second = self.open_for(at);
        let Minutes { open, node, connectors, .. } = self;
        let own = connectors.get_mut(label).map(|levels| (Some(label), levels));
        for (label, levels) in own.into_iter().chain([(None, node)]) {
            for run in levels.advance(second) {
                note(open, run, label);
            }
            change(levels);
        }
    }

    /// A file of a recording is whole, with its octets, or lost; whose it was, where that is known.
    pub(crate) fn recorded(
        &mut self,
        at: Instant,
        vc: Option<&VoiceConnectorId>,
        bytes: Option<u64>,
    ) {
        let label = vc.map(|vc| self.label(at, vc));
        self.each(at, label.as_ref(), |figures| match bytes {
            Some(bytes) => {
                figures.count(M::RecordingsSaved, 1);
                figures.count(M::RecordingsSavedBytes, bytes);
            }
            None => figures.count(M::RecordingsFailed, 1),
        });
    }

    /// Has something counted for the node and for the voice connector.
    fn each(&mut self, at: Instant, label: Option<&Arc<str>>, mut count: impl FnMut(&mut Figures)) {
        let minute = self.open_for(at) / MINUTE;
        let Some(minute) = self.opened(minute) else { return };
        count(&mut minute.node);
        if label.is_some() {
            count(minute.figures(label));
        }
    }

    /// Makes the minute of an instant one that is open, and tells the second, which is the first one
    /// still open for what comes late.
    fn open_for(&mut self, at: Instant) -> u64 {
        let second = second(self.origin, at).max(self.next.saturating_mul(MINUTE));
        self.close_before((second / MINUTE).saturating_sub(1));
        self.opened(second / MINUTE);
        second
    }

    /// An open minute; opened with those before it.
    fn opened(&mut self, minute: u64) -> Option<&mut Minute> {
        let at = usize::try_from(minute.checked_sub(self.next)?).ok()?;
        while self.open.len() <= at && at < 2 {
            self.open.push_back(Minute::new(self.next.saturating_add(self.open.len() as u64)));
        }
        self.open.get_mut(at)
    }
}

/// Puts a run of a level into the open minutes that it spans.
fn note(open: &mut VecDeque<Minute>, mut run: Run, label: Option<&Arc<str>>) {
    for minute in open {
        let end = minute.start.saturating_add(MINUTE);
        if run.from < end && run.to > run.from {
            run = run.note(minute.figures(label), end);
        }
    }
}

fn second(origin: UnixTime, at: Instant) -> u64 {
    UnixTime::from_millis(origin.as_millis().saturating_add(at.as_millis())).as_secs()
}

fn by(way: CallDirection, inbound: M, outbound: M) -> M {
    match way {
        CallDirection::Inbound => inbound,
        CallDirection::Outbound => outbound,
    }
}

fn media(figures: &mut Figures, side: Side, report: &QualityReport, growth: &Growth) {
    let (from, to, rtt, mos): (PathMetrics, PathMetrics, M, M) = match side {
        Side::Customer => {
            (FROM_CUSTOMER, TO_CUSTOMER, M::RTTBetweenVcAndCustomer, M::MOSBetweenVcAndCustomer)
        }
        Side::Remote => {
            (FROM_REMOTE, TO_REMOTE, M::RTTBetweenVcAndRemote, M::MOSBetweenVcAndRemote)
        }
    };
    figures.count(from.packets, growth.received_packets);
    figures.count(from.bytes, growth.received_bytes);
    figures.count(from.rtcp_packets, growth.received_rtcp_packets);
    figures.count(from.rtcp_bytes, growth.received_rtcp_bytes);
    figures.count(to.packets, growth.sent_packets);
    figures.count(to.bytes, growth.sent_bytes);
    figures.count(to.rtcp_packets, growth.sent_rtcp_packets);
    figures.count(to.rtcp_bytes, growth.sent_rtcp_bytes);
    let received = &report.received;
    if received.loss.expected > 0 {
        figures.measured(from.lost, received.loss.lost.max(0).unsigned_abs());
    }
    if received.interval_loss.expected > 0 {
        figures.measured(from.jitter, micros(received.jitter));
    }
    if let Some(peer) = report.peer {
        figures.measured(to.lost, peer.packets_lost.max(0).unsigned_abs());
        // Else it is what it said in an earlier interval.
        if growth.peer_reports > 0 {
            figures.measured(to.jitter, micros(peer.jitter));
        }
    }
    if let Some(round_trip) = report.rtt {
        figures.measured(rtt, micros(round_trip));
    }
    if let Some(score) = report.interval_mos {
        // Within 1.0 to 4.4, in hundredths.
        figures.measured(mos, (score.aws_value() * 100.0).round() as u64);
    }
}
