//! The recorder: events in, records out.

mod closing;
mod counts;
mod lines;

use crate::cdr::CdrForm;
use crate::cloudwatch::{CloudWatchConfig, Minutes};
use crate::health::{HealthTable, LiveTermination, PeerHealth};
use crate::hep::HepConfig;
use crate::live::LiveCall;
use crate::media_log::{self, Place};
use crate::page::Page;
use crate::privacy::{Privacy, Reach};
use crate::quality::Growth;
use crate::traces::{self, CallTrace, TraceConfig};
use crate::tracked::{Node, TrackedCall};
use model::{
    CallEvent, CallEventKind, Instant, LegSide, ProxySessionId, QualityReport, Refusal, ReportKind,
    SipMessageEvent, SipObservation, TransactionId, UnixTime, VoiceConnectorId,
};
use outbox::{Record, RecordKind, RecordPath};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Names and bounds of a [`Recorder`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecorderConfig {
    /// The node's name (`endpoint_id` in the media quality log).
    pub node: String,
    /// The node's region.
    pub region: String,
    /// The account, 12 digits.
    pub account_id: String,
    /// The version on the Prometheus page.
    pub version: String,
    /// The calendar time of [`Instant::ZERO`].
    pub origin: UnixTime,
    /// Calls that are recorded at once. Full policy: the newest is not recorded, and counted.
    pub max_calls: usize,
    /// Calls of which messages came but no beginning. Full policy: the message is in no ladder.
    pub max_orphans: usize,
    /// Messages in a call's ladder: the first three quarters and the newest quarter stay.
    pub ladder_messages: usize,
    /// Intervals in a call's record; when there are more, neighbours are merged.
    pub intervals: usize,
    /// Voice connectors with their own label on the Prometheus page.
    pub max_voice_connectors: usize,
    /// Records that wait for [`Recorder::poll_record`]. Full policy: the newest is dropped.
    pub max_records: usize,
    /// A report of one leg waits this long for the other leg's.
    pub pair_wait: Duration,
    /// A call that ended stays open this long for its last messages.
    pub linger: Duration,
    /// A call that ended waits at most this long for its final reports.
    pub final_wait: Duration,
    /// A call without a beginning is forgotten after this time.
    pub orphan_after: Duration,
    /// A call of which nothing was heard for this time is closed: its end was lost.
    pub idle_after: Duration,
    /// A collector that gets copies; `None` for none.
    pub hep: Option<HepConfig>,
    /// What is traced; `None` for nothing.
    pub traces: Option<TraceConfig>,
    /// What CloudWatch gets; `None` for nothing. Voice connectors beyond `max_voice_connectors`
    /// count as `other`.
    pub cloudwatch: Option<CloudWatchConfig>,
    /// In which form call detail records are written.
    pub cdr: CdrForm,
    /// When this run began: calls from before it count as active, not as attempts.
    pub begun: Instant,
    /// What of people is written where; it does not touch [`Recorder::calls`], which nobody keeps.
    pub privacy: Privacy,
}

impl RecorderConfig {
    /// The usual bounds.
    pub fn new(node: &str, region: &str, account_id: &str, origin: UnixTime) -> Self {
        RecorderConfig {
            node: node.to_owned(),
            region: region.to_owned(),
            account_id: account_id.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            origin,
            max_calls: 100_000,
            max_orphans: 4_096,
            ladder_messages: 200,
            intervals: 120,
            max_voice_connectors: 1_000,
            max_records: 16_384,
            pair_wait: Duration::from_secs(5),
            linger: Duration::from_millis(500),
            final_wait: Duration::from_secs(5),
            orphan_after: Duration::from_secs(60),
            idle_after: Duration::from_secs(6 * 3_600),
            hep: None,
            traces: None,
            cloudwatch: Some(CloudWatchConfig::default()),
            cdr: CdrForm::default(),
            begun: Instant::ZERO,
            privacy: Privacy::default(),
        }
    }
}

/// Aggregates what the call logic and the relay report. Pure: every event carries its time.
///
/// Feed it with `handle_*`, then take what there is from [`Recorder::poll_record`]; call
/// [`Recorder::handle_timeout`] a few times a second.
#[derive(Debug)]
pub struct Recorder {
    pub(crate) config: RecorderConfig,
    pub(crate) page: Arc<Page>,
    pub(crate) calls: HashMap<TransactionId, TrackedCall>,
    orphans: usize,
    /// Ended calls in the order of their ends: the only ones that need frequent looks.
    ended: VecDeque<TransactionId>,
    /// Calls with a report that waits for the other leg's, oldest first.
    unpaired: VecDeque<(Instant, TransactionId)>,
    swept: Instant,
    records: VecDeque<(Record, Reach)>,
    /// Packets for the collector.
    pub(crate) copies: VecDeque<Vec<u8>>,
    pub(crate) traces: VecDeque<CallTrace>,
    /// Of calls that ended: whose transaction a last answer is of.
    pub(crate) awaited: HashMap<traces::Key, TransactionId>,
    /// Answers that name no call.
    pub(crate) unclaimed: VecDeque<(traces::Key, SipMessageEvent)>,
    health: HealthTable,
    pub(crate) minutes: Minutes,
}

/// Whether an event of an unknown call makes an entry for it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    No,
    /// A message may come before its call's beginning.
    Orphan,
    Call,
}

/// All calls are looked at this often, to find those whose end was lost.
const SWEEP: Duration = Duration::from_secs(10);
/// Calls closed in one go, so that their records do not fill the record queue.
const CLOSED_AT_ONCE: usize = 1_024;

impl Recorder {
    /// A recorder of no calls yet.
    pub fn new(config: RecorderConfig) -> Self {
        let page = Arc::new(Page::new(config.max_voice_connectors, &config.version));
        let minutes = Minutes::new(config.origin, config.begun, config.max_voice_connectors);
        Recorder {
            config,
            minutes,
            page,
            calls: HashMap::new(),
            orphans: 0,
            ended: VecDeque::new(),
            unpaired: VecDeque::new(),
            swept: Instant::ZERO,
            records: VecDeque::new(),
            copies: VecDeque::new(),
            traces: VecDeque::new(),
            awaited: HashMap::new(),
            unclaimed: VecDeque::new(),
            health: HealthTable::default(),
        }
    }

    /// The counters; shared, so that the page can be read while the recorder works.
    pub fn page(&self) -> &Arc<Page> {
        &self.page
    }

    /// The Prometheus page as text.
    pub fn encode(&self) -> String {
        self.page.encode()
    }

    /// The calls that are not over, oldest first.
    pub fn calls(&self, now: Instant) -> Vec<LiveCall> {
        let node = self.node();
        let mut live: Vec<_> =
            self.calls.iter().filter_map(|(id, call)| call.live(*id, &node, now)).collect();
        live.sort_unstable_by(|a, b| {
            (a.began_ms, &a.transaction_id).cmp(&(b.began_ms, &b.transaction_id))
        });
        live
    }

    /// The proxy phone sessions of calls that are not over, once for each call.
    pub fn proxied_calls(&self) -> Vec<ProxySessionId> {
        self.calls.values().filter_map(TrackedCall::live_proxy_session).collect()
    }

    /// What is known of peers' health.
    pub fn health(&self) -> PeerHealth {
        self.health.view()
    }

    /// The last OPTIONS of a voice connector's customer.
    pub fn termination(&self, id: &VoiceConnectorId) -> Option<LiveTermination> {
        self.health.termination(id)
    }

    /// The next record to be written, and where it may go.
    pub fn poll_record(&mut self) -> Option<(Record, Reach)> {
        self.records.pop_front()
    }

    /// Takes in what happened to a call.
    pub fn handle_call_event(&mut self, event: CallEvent) {
        let CallEvent { transaction_id: id, at, kind } = event;
        let may_begin = matches!(kind, CallEventKind::Attempted { .. });
        let begin = if may_begin { Begin::Call } else { Begin::No };
        let Some(call) = self.call(id, at, begin) else { return };
        match kind {
            CallEventKind::Attempted { parties } => {
                if call.parties.is_some() {
                    return;
                }
                call.attempt(at, Arc::clone(&parties));
                self.orphans = self.orphans.saturating_sub(1);
                self.page.call_began(&parties.voice_connector, parties.direction);
                self.minutes.call_began(at, &parties.voice_connector, parties.direction);
                if let Some(carrier) = &parties.carrier {
                    self.page.carrier_call(carrier, parties.direction);
                }
            }
            CallEventKind::Moved { parties } => {
                let Some(present) = call.parties.as_mut() else { return };
                let old = std::mem::replace(present, Arc::clone(&parties));
                let moved = [&old.voice_connector, &parties.voice_connector];
                let unheard = call.counted_unheard.each_ref().map(Option::is_some);
                for leg in LegSide::BOTH {
                    if unheard[leg.index()] {
                        self.page.unheard_moved(moved, parties.direction.side_of(leg));
                    }
                }
                self.page.call_moved(moved, parties.direction);
                self.minutes.call_moved(at, moved, parties.direction);
            }
            CallEventKind::Routed { carrier, destination, protocol, attempt } => {
                if let Some(call) = self.calls.get(&id) {
                    self.count_route(call, carrier.as_ref());
                }
                if let Some(call) = self.calls.get_mut(&id) {
                    call.route(at, carrier, destination, protocol, attempt);
                }
            }
            CallEventKind::MediaAllocated { media } => call.media = Some(media),
            CallEventKind::Ringing => {
                if call.ringing.is_none() && call.answered.is_none() {
                    call.ringing = Some(at);
                    self.count_progress(id, at);
                }
            }
            CallEventKind::Answered => {
                if call.answered.is_none() && call.ended.is_none() {
                    call.answered = Some(at);
                    self.count_answer(id, at);
                }
            }
            CallEventKind::CallerVerified(verification) => call.verification = Some(verification),
            CallEventKind::CallerSigned { attestation } => call.attestation = Some(attestation),
            CallEventKind::Excused(rule) => call.excuse(rule),
            CallEventKind::Unheard { leg } => {
                call.unheard[leg.index()] = true;
                self.count_unheard(id, leg);
            }
            CallEventKind::Recorded(news) => call.note_recorded(news),
            CallEventKind::Copied(news) => call.note_copied(&news),
            CallEventKind::NotRecorded(why) => call.not_recorded = Some(why),
            CallEventKind::Met { meeting, is_recorded } => call.note_meeting(&meeting, is_recorded),
            CallEventKind::ListenedTo => call.streaming = Some(Ok(())),
            CallEventKind::NotListenedTo(failure) => call.not_streamed(failure),
            CallEventKind::ApplicationFailed(why) => call.application_failure = why,
            CallEventKind::Transferred { to } => call.transferred_to = Some(to),
            CallEventKind::TookOver { from } => call.transferred_from = Some(from),
            CallEventKind::Steered { .. } => {
                let parties = call.parties.clone();
                if let Some(parties) = parties
                    && !std::mem::replace(&mut call.steered, true)
                {
                    self.minutes.call_steered(at, &parties.voice_connector, parties.direction);
                }
            }
            CallEventKind::Ended(end) => self.end(id, at, end),
        }
    }

    /// Takes in a SIP message or a refusal.
    pub fn handle_sip(&mut self, observation: SipObservation) {
        match observation {
            SipObservation::Refused(event) => {
                self.count_refusal(event.at, event.refusal, event.voice_connector.as_ref());
            }
            SipObservation::WouldRefuse(event) => self.page.would_refuse(event.refusal),
            SipObservation::Health(event) => {
                self.page.health(&event);
                let origin = self.config.origin.as_millis();
                self.health.take(&event, |at| {
                    UnixTime::from_millis(origin.saturating_add(at.as_millis()))
                });
            }
            SipObservation::Registration(event) => self.page.registration(&event),
            SipObservation::CarrierCredential(event) => self.page.credential(event.problem),
            SipObservation::Message(event) => {
                self.page.sip_message(event.direction, event.status, &event.start_line);
                if let Some(status) = event.status {
                    self.minutes.response(event.at, event.voice_connector.as_ref(), status);
                }
                if let Some(id) = event.transaction_id
                    && let Some(call) = self.call(id, event.at, Begin::Orphan)
                {
                    call.final_response = counts::failure(&event).or(call.final_response);
                    call.message(&event);
                }
                self.trace_message(&event);
                self.log_message(&event);
                self.copy_message(&event);
            }
        }
    }

    /// Takes in a leg's quality; live reports go into [`Recorder::calls`] alone. A report of a call that is not recorded is counted and dropped.
    pub fn handle_quality(&mut self, report: QualityReport) {
        let id = report.transaction_id;
        self.copy_quality(&report);
        let intervals = self.config.intervals;
        let Some(call) = self.calls.get_mut(&id).filter(|c| c.parties.is_some()) else {
            return self.page.dropped("quality_without_call");
        };
        let Some(parties) = call.parties.clone() else { return };
        let (leg, at) = (report.leg, report.at);
        let side = parties.direction.side_of(leg);
        call.last_seen = call.last_seen.max(at);
        if !report.line.is_main() {
            return self.handle_line(&parties, report);
        }
        if report.kind == ReportKind::Live {
            let began = call.began();
            return call.leg_mut(leg).watch(&report, began);
        }
        self.page.quality(side, &report);
        // The other leg's report of this leg's previous interval never came.
        if call.leg_mut(leg).unlogged {
            self.log_quality(id);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let began = call.began();
        // What a call of an earlier run had sent by then, that run has told.
        let is_told = self.minutes.is_earlier(began) && call.leg_mut(leg).latest().is_none();
        let growth = call.leg_mut(leg).take(Box::new(report), began, intervals);
        let paired = call.legs.iter().all(|leg| leg.unlogged);
        self.page.media_grew(&parties.voice_connector, side, growth);
        if let Some(report) = call.leg_mut(leg).latest() {
            let growth = if is_told { Growth::default() } else { growth };
            self.minutes.media(&parties.voice_connector, side, report, &growth);
        }
        if paired {
            self.log_quality(id);
        } else if self.unpaired.len() < self.config.max_calls.saturating_mul(2) {
            self.unpaired.push_back((at, id));
        }
    }

    /// Does what is due: reports that lost their pair, calls that ended, calls that were
    /// forgotten.
    pub fn handle_timeout(&mut self, now: Instant) {
        let waited = |since: Instant, wait: Duration| now.saturating_since(since) >= wait;
        while let Some((since, id)) = self.unpaired.front().copied() {
            if !waited(since, self.config.pair_wait) {
                break;
            }
            self.unpaired.pop_front();
            if self.calls.get(&id).is_some_and(|call| unlogged_since(call, since)) {
                self.log_quality(id);
            }
        }
        self.close_ended(now);
        if waited(self.swept, SWEEP) {
            self.swept = now;
            self.sweep(now);
        }
        self.minutes.close_until(now);
        self.write_minutes();
    }

    /// Closes calls, also those that still run: the node stops. True while calls remain: take the
    /// records from [`Recorder::poll_record`] and call again.
    pub fn handle_shutdown(&mut self, now: Instant) -> bool {
        let ids: Vec<_> = self.calls.keys().copied().take(CLOSED_AT_ONCE).collect();
        for id in ids {
            self.close_lost(id, now, "the node stopped while the call was running");
        }
        if self.calls.is_empty() {
            self.minutes.close_all(now);
            self.write_minutes();
        }
        !self.calls.is_empty()
    }

    pub(crate) fn node(&self) -> Node<'_> {
        Node { name: &self.config.node, region: &self.config.region, origin: self.config.origin }
    }

    /// The call, made when it is new and `begin` allows it.
    fn call(&mut self, id: TransactionId, at: Instant, begin: Begin) -> Option<&mut TrackedCall> {
        let full = self.calls.len() >= self.config.max_calls;
        let orphans_full = begin == Begin::Orphan && self.orphans >= self.config.max_orphans;
        let call = match self.calls.entry(id) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(_) if begin == Begin::No => {
                self.page.dropped("event_without_call");
                return None;
            }
            Entry::Vacant(_) if full || orphans_full => {
                self.page.dropped("call_table_full");
                return None;
            }
            Entry::Vacant(entry) => {
                self.orphans += 1;
                let call = entry.insert(TrackedCall::new(at, self.config.ladder_messages));
                call.transactions = self.config.traces.and_then(|traces| traces.begin(id));
                call
            }
        };
        call.last_seen = call.last_seen.max(at);
        Some(call)
    }

    fn count_progress(&self, id: TransactionId, at: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        if let Some(parties) = call.parties.as_deref() {
            self.page.call_progressed(parties.direction, at.saturating_since(call.began()));
        }
    }

    fn count_answer(&mut self, id: TransactionId, at: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(parties) = call.parties.as_deref() else { return };
        self.page.call_answered(&parties.voice_connector, parties.direction);
        self.minutes.call_answered(at, &parties.voice_connector, parties.direction);
        if call.ringing.is_none() {
            self.page.call_progressed(parties.direction, at.saturating_since(call.began()));
        }
        self.count_carrier_answer(call);
    }

    fn count_refusal(&mut self, at: Instant, refusal: Refusal, vc: Option<&VoiceConnectorId>) {
        self.page.refused(refusal, vc);
        if refusal.is_throttle() {
            self.minutes.throttled(at, vc);
        }
    }

    /// Writes a line of the media quality log from the newest report of both legs.
    fn log_quality(&mut self, id: TransactionId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        for leg in LegSide::BOTH {
            call.leg_mut(leg).unlogged = false;
        }
        let Some(call) = self.calls.get(&id) else { return };
        let Some(parties) = call.parties.as_ref().filter(|p| p.log_media_metrics) else { return };
        let newest = call.legs.iter().filter_map(|leg| leg.latest().map(|r| r.at)).max();
        let Some(newest) = newest else { return };
        let at = self.node().unix(newest);
        let bodies = self.config.privacy.media_quality.made(|numbers| {
            let place = Place { node: &self.config.node, region: &self.config.region, numbers };
            media_log::line(&place, id, parties, at, |side| call.leg_on(side).logged())
        });
        let path = media_log::path(parties.voice_connector.as_str());
        self.write_each(&path, bodies, RecordKind::AppendLine);
    }

    /// Writes a record that sinks may have differently.
    pub(crate) fn write_each(
        &mut self,
        path: &str,
        bodies: Vec<(Vec<u8>, Reach)>,
        kind: RecordKind,
    ) {
        for (body, reach) in bodies {
            self.write_to(path.to_owned(), body, kind, reach);
        }
    }

    pub(crate) fn write(&mut self, path: String, body: Vec<u8>, kind: RecordKind) {
        self.write_to(path, body, kind, Reach::Everywhere);
    }

    fn write_to(&mut self, path: String, body: Vec<u8>, kind: RecordKind, reach: Reach) {
        if self.records.len() >= self.config.max_records {
            return self.page.dropped("record");
        }
        match RecordPath::new(path) {
            Ok(path) => self.records.push_back((Record { path, body, kind }, reach)),
            // Every path is made of checked ids and dates, so this is not reached.
            Err(_) => self.page.dropped("record_path"),
        }
    }
}

/// Whether a report that came at `since` or before is still to be logged.
fn unlogged_since(call: &TrackedCall, since: Instant) -> bool {
    call.legs
        .iter()
        .any(|leg| leg.unlogged && leg.latest().is_some_and(|report| report.at <= since))
}

#[cfg(test)]
mod counts_tests;
#[cfg(test)]
mod lines_tests;
#[cfg(test)]
mod live_tests;
#[cfg(test)]
mod privacy_tests;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod written_tests;
