//! One call while it is being recorded.

use crate::Numbers;
use crate::call_record::{CopiedRecord, MeetingRecord, RecordedRecord, Times};
use crate::description::{self, DescriptionRecord};
use crate::lines::TrackedLines;
use crate::live::{LiveCall, LiveCopy, LiveCopyState, LiveState};
use crate::quality::{LegQuality, millis};
use crate::traces::Transactions;
use crate::written::{WrittenCall, WrittenEnd, WrittenRoute, WrittenRung};
use model::{
    CallDirection, CallEnd, CallParties, CallerVerification, CarrierId, CopyNews, CopyState,
    EmergencyKind, EndedBy, Instant, LegSide, ListenFailure, MediaId, MessageDirection,
    ProxySessionId, RecordedCall, RecordedMetadata, Refusal, Side, SipMessageEvent, TransactionId,
    TransportProtocol, UnixTime,
};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Routes of one call that are kept; a hunt is shorter than this.
const ROUTE_LIMIT: usize = 32;
/// Meetings of a call that are kept.
const MEETINGS: usize = 8;
/// Characters of a start line that are kept.
const START_LINE_CHARACTERS: usize = 160;

/// A call between its first event and its record.
#[derive(Debug)]
pub(crate) struct TrackedCall {
    pub(crate) first_seen: Instant,
    pub(crate) last_seen: Instant,
    /// `None` for an orphan: messages came, `Attempted` did not (yet).
    pub(crate) parties: Option<Arc<CallParties>>,
    pub(crate) ringing: Option<Instant>,
    pub(crate) answered: Option<Instant>,
    pub(crate) ended: Option<(Instant, CallEnd)>,
    pub(crate) media: Option<MediaId>,
    pub(crate) verification: Option<CallerVerification>,
    /// Of the signature that the last carrier got.
    pub(crate) attestation: Option<&'static str>,
    /// Legs in whose audio nothing was ever heard, by [`LegSide::index`].
    pub(crate) unheard: [bool; 2],
    /// An application steers it.
    pub(crate) steered: bool,
    /// Its audio went to listeners, or why it did not.
    pub(crate) streaming: Option<Result<(), ListenFailure>>,
    /// Why the application that steers it has failed, with its id.
    pub(crate) application_failure: Option<Arc<str>>,
    /// How its copy stands, once one was tried.
    copy_state: Option<LiveCopyState>,
    /// What became of its copy for somebody else's recorder.
    copied: Option<CopiedRecord>,
    /// Why what its application has ordered is not recorded.
    pub(crate) not_recorded: Option<Arc<str>>,
    /// The meetings that it was in.
    meetings: Vec<MeetingRecord>,
    /// Of the copy of another call.
    recorded: Option<RecordedCall>,
    /// Those of them that the page counts now.
    pub(crate) counted_unheard: [Option<CountedUnheard>; 2],
    /// Rules that were set aside for it, each once.
    excused: Vec<Refusal>,
    /// Of leg B's peer since the last route, when it did not connect the call.
    pub(crate) final_response: Option<u16>,
    pub(crate) transferred_to: Option<TransactionId>,
    pub(crate) transferred_from: Option<TransactionId>,
    /// By [`LegSide::index`].
    pub(crate) legs: [LegQuality; 2],
    pub(crate) lines: TrackedLines,
    /// Of a call that is traced.
    pub(crate) transactions: Option<Box<Transactions>>,
    pub(crate) routes: Vec<Route>,
    attempted: Option<Instant>,
    ladder: Ladder,
}

/// A leg that nobody hears, as the page counts it.
#[derive(Debug)]
pub(crate) struct CountedUnheard {
    pub(crate) carrier: Option<CarrierId>,
}

#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) at: Instant,
    pub(crate) carrier: Option<CarrierId>,
    pub(crate) destination: SocketAddr,
    pub(crate) protocol: TransportProtocol,
    pub(crate) attempt: u32,
}

/// Room for so many messages is taken at a time: a call that is up has had two INVITEs, with three responses
/// and an ACK each.
const STEP: usize = 10;

/// Messages of a call: the first three quarters of the limit stay, of the rest the newest.
#[derive(Debug)]
struct Ladder {
    rungs: VecDeque<Rung>,
    limit: usize,
    omitted: u64,
}

#[derive(Debug)]
struct Rung {
    at: Instant,
    leg: Option<LegSide>,
    direction: MessageDirection,
    protocol: TransportProtocol,
    peer: SocketAddr,
    start_line: Box<str>,
    description: Option<Box<DescriptionRecord>>,
    reason: Option<Box<str>>,
}

/// The node's names in a record.
pub(crate) struct Node<'a> {
    pub(crate) name: &'a str,
    pub(crate) region: &'a str,
    pub(crate) origin: UnixTime,
}

impl Node<'_> {
    pub(crate) fn unix(&self, at: Instant) -> UnixTime {
        UnixTime::from_millis(self.origin.as_millis().saturating_add(at.as_millis()))
    }
}

impl TrackedCall {
    pub(crate) fn new(now: Instant, ladder_limit: usize) -> Self {
        TrackedCall {
            first_seen: now,
            last_seen: now,
            parties: None,
            ringing: None,
            answered: None,
            ended: None,
            media: None,
            verification: None,
            attestation: None,
            transferred_to: None,
            transferred_from: None,
            unheard: [false; 2],
            streaming: None,
            application_failure: None,
            copy_state: None,
            copied: None,
            not_recorded: None,
            meetings: Vec::new(),
            recorded: None,
            steered: false,
            counted_unheard: [None, None],
            excused: Vec::new(),
            final_response: None,
            legs: Default::default(),
            lines: TrackedLines::default(),
            transactions: None,
            routes: Vec::new(),
            attempted: None,
            ladder: Ladder { rungs: VecDeque::new(), limit: ladder_limit.max(4), omitted: 0 },
        }
    }

    /// When the call began.
    pub(crate) fn began(&self) -> Instant {
        self.attempted.unwrap_or(self.first_seen)
    }

    pub(crate) fn attempt(&mut self, at: Instant, parties: Arc<CallParties>) {
        self.attempted = Some(at);
        self.parties = Some(parties);
    }

    /// Nobody listens: a call that was listened to before is one that was streamed.
    pub(crate) fn not_streamed(&mut self, failure: ListenFailure) {
        if self.streaming != Some(Ok(())) {
            self.streaming = Some(Err(failure));
        }
    }

    /// It takes part in a meeting. Full policy: an application may send a call into any number of them, and
    /// of the first few it is written down.
    pub(crate) fn note_meeting(&mut self, meeting: &str, is_recorded: bool) {
        if let Some(known) = self.meetings.iter_mut().find(|known| known.meeting_id == meeting) {
            known.recorded |= is_recorded;
        } else if self.meetings.len() < MEETINGS {
            let meeting_id = meeting.to_owned();
            self.meetings.push(MeetingRecord { meeting_id, recorded: is_recorded });
        }
    }

    /// The first meeting that it was in, by its id.
    pub(crate) fn first_meeting(&self) -> Option<&str> {
        self.meetings.first().map(|meeting| &*meeting.meeting_id)
    }

    /// What ended it, in words: an end that its application ordered because it failed has the reason.
    pub(crate) fn cause_of(&self, end: &CallEnd) -> Cow<'static, str> {
        match &self.application_failure {
            Some(failure) if end.cause.starts_with("the application ") => {
                format!("application {failure}").into()
            }
            _ => end.cause.into(),
        }
    }

    /// News of its copy for somebody else's recorder.
    pub(crate) fn note_copied(&mut self, news: &CopyNews) {
        let copied = self.copied.get_or_insert_with(|| CopiedRecord {
            recorder: news.recorder.to_string(),
            begun: 0,
            failures: 0,
            last_failure: None,
            was_given_up: false,
        });
        self.copy_state = Some(match &news.state {
            CopyState::Begun => {
                copied.begun += 1;
                LiveCopyState::Copied
            }
            CopyState::Ended => LiveCopyState::Ended,
            CopyState::Failed { failure, retry_in } => {
                copied.failures += 1;
                copied.last_failure = Some(failure.to_string());
                copied.was_given_up = retry_in.is_none();
                match retry_in {
                    Some(_) => LiveCopyState::Waiting,
                    None => LiveCopyState::GivenUp,
                }
            }
        });
    }

    /// News of the copy of another call; its metadata is that of the last document.
    pub(crate) fn note_recorded(&mut self, mut news: RecordedCall) {
        let before = self.recorded.take();
        if let Some(before) = before.filter(|_| news.metadata == RecordedMetadata::Missing) {
            news.metadata = before.metadata;
        }
        self.recorded = Some(news);
    }

    /// Whether it is the copy of another call.
    pub(crate) fn is_recorded(&self) -> bool {
        self.recorded.is_some()
    }

    pub(crate) fn excuse(&mut self, rule: Refusal) {
        if !self.excused.contains(&rule) {
            self.excused.push(rule);
        }
    }

    pub(crate) fn route(
        &mut self,
        at: Instant,
        carrier: Option<CarrierId>,
        destination: SocketAddr,
        protocol: TransportProtocol,
        attempt: u32,
    ) {
        self.final_response = None;
        if self.routes.len() < ROUTE_LIMIT {
            // Most calls have one.
            self.routes.reserve_exact(1);
            self.routes.push(Route { at, carrier, destination, protocol, attempt });
        }
    }

    /// The carrier that was tried last; none when the last route leads to a customer.
    pub(crate) fn carrier(&self) -> Option<&CarrierId> {
        self.routes.last()?.carrier.as_ref()
    }

    pub(crate) fn message(&mut self, event: &SipMessageEvent) {
        let message = event.message.as_deref();
        self.ladder.push(Rung {
            at: event.at,
            leg: event.leg,
            direction: event.direction,
            protocol: event.flow.protocol,
            peer: event.flow.remote,
            start_line: printable(&event.start_line),
            description: message.and_then(description::of_message).map(Box::new),
            reason: message.filter(|_| gives_reasons(event)).and_then(reason_of),
        });
    }

    /// Its record is written.
    pub(crate) fn forget_ladder(&mut self) {
        self.ladder.rungs = VecDeque::new();
    }

    /// Time from the answer to the end (or to `now`).
    pub(crate) fn talk(&self, now: Instant) -> Option<Duration> {
        let end = self.ended.as_ref().map_or(now, |(at, _)| *at);
        self.answered.map(|answered| end.saturating_since(answered))
    }

    /// The leg on a side; leg A while the call's direction is unknown.
    pub(crate) fn leg_on(&self, side: Side) -> &LegQuality {
        let leg = LegSide::BOTH
            .into_iter()
            .find(|leg| self.parties.as_ref().is_some_and(|p| p.direction.side_of(*leg) == side));
        let [a, b] = &self.legs;
        if leg == Some(LegSide::B) { b } else { a }
    }

    pub(crate) fn leg_mut(&mut self, leg: LegSide) -> &mut LegQuality {
        let [a, b] = &mut self.legs;
        match leg {
            LegSide::A => a,
            LegSide::B => b,
        }
    }

    /// The proxy phone session that the call is of, as long as it is not over.
    pub(crate) fn live_proxy_session(&self) -> Option<ProxySessionId> {
        self.parties.as_ref().filter(|_| self.ended.is_none())?.proxy.as_ref()?.session
    }

    pub(crate) fn live(
        &self,
        id: TransactionId,
        node: &Node<'_>,
        now: Instant,
    ) -> Option<LiveCall> {
        let parties = self.parties.as_ref().filter(|_| self.ended.is_none())?;
        Some(LiveCall {
            transaction_id: id.to_string(),
            voice_connector_id: parties.voice_connector.to_string(),
            direction: parties.direction.name().to_owned(),
            from_user: parties.from_user.to_string(),
            to_user: parties.to_user.to_string(),
            source: parties.source.to_string(),
            destination: self.routes.last().map(|r| r.destination.to_string()),
            state: match (self.answered, self.ringing) {
                (Some(_), _) => LiveState::Answered,
                (None, Some(_)) => LiveState::Ringing,
                (None, None) => LiveState::Calling,
            },
            began_ms: node.unix(self.began()).as_millis(),
            age_ms: millis(now.saturating_since(self.began())),
            talk_ms: self.talk(now).map(millis),
            customer: self.leg_on(Side::Customer).live(),
            remote: self.leg_on(Side::Remote).live(),
            lines: self.lines.live(match parties.direction {
                CallDirection::Outbound => LegSide::A,
                CallDirection::Inbound => LegSide::B,
            }),
            copied: self.copied.as_ref().zip(self.copy_state).map(|(copied, state)| LiveCopy {
                recorder: copied.recorder.clone(),
                state,
                failures: copied.failures,
                last_failure: copied.last_failure.clone(),
            }),
        })
    }

    /// The call's record as JSON; `None` for an orphan.
    pub(crate) fn record(
        &self,
        id: TransactionId,
        node: &Node<'_>,
        numbers: &Numbers,
        ended: Instant,
        end: &CallEnd,
    ) -> Option<Vec<u8>> {
        let parties = self.parties.as_ref()?;
        let began = self.began();
        let unix = |at: Instant| node.unix(at).as_millis();
        let [leg_a, leg_b] = &self.legs;
        let record = WrittenCall {
            transaction_id: id,
            node: node.name,
            region: node.region,
            voice_connector_id: parties.voice_connector.as_str(),
            direction: parties.direction.name(),
            call_id: &parties.call_id,
            from_user: numbers.user(&parties.from_user),
            from_country: parties.from_country,
            to_user: numbers.user(&parties.to_user),
            to_country: parties.to_country,
            numbers: (*numbers != Numbers::Plain).then(|| numbers.name()),
            carrier: parties.carrier.as_ref().map(CarrierId::as_str),
            caller_verification: self.verification.map(verdict),
            attestation: self.attestation,
            transferred_to: self.transferred_to,
            transferred_from: self.transferred_from,
            proxy_session: parties.proxy.as_ref().map(|proxy| match proxy.session {
                Some(session) => session.to_string(),
                None => "fallback".to_owned(),
            }),
            emergency: parties.emergency.map(EmergencyKind::name),
            unheard: ["A", "B"]
                .into_iter()
                .zip(self.unheard)
                .filter(|(_, is)| *is)
                .map(|(leg, _)| leg)
                .collect(),
            streaming: self.streaming.map(|streaming| match streaming {
                Ok(()) => "streamed".to_owned(),
                Err(failure) => failure.to_string(),
            }),
            excused: self.excused.iter().map(|rule| rule.name()).collect(),
            copied: self.copied.clone(),
            not_recorded: self.not_recorded.as_deref().map(str::to_owned),
            recorded: self.recorded.as_ref().map(recorded),
            meetings: &self.meetings,
            source: parties.source,
            times: Times {
                attempted: unix(began),
                ringing: self.ringing.map(unix),
                answered: self.answered.map(unix),
                ended: unix(ended),
            },
            routes: self.routes.iter().map(|route| route.written(began)).collect(),
            end: WrittenEnd {
                status: end.status,
                cause: &self.cause_of(end),
                ended_by: ended_by(end.ended_by),
                refusal: end.refusal.map(Refusal::name),
            },
            ladder: self.ladder.rungs.iter().map(|rung| rung.written(began, numbers)).collect(),
            ladder_omitted: self.ladder.omitted,
            // Of the copy of a call there is no leg B.
            quality: [leg_a.record(), leg_b.record().filter(|_| self.recorded.is_none())],
            lines: self.lines.records(),
        };
        let mut body = Vec::with_capacity(2_048 + 192 * record.ladder.len());
        // Serialising plain fields into memory cannot fail.
        let _ = serde_json::to_writer(&mut body, &record);
        Some(body)
    }
}

impl Ladder {
    fn push(&mut self, rung: Rung) {
        if self.rungs.len() >= self.limit {
            self.rungs.remove(self.limit * 3 / 4);
            self.omitted += 1;
        }
        if self.rungs.len() == self.rungs.capacity() {
            self.rungs.reserve_exact(STEP);
        }
        self.rungs.push_back(rung);
    }
}

impl Route {
    fn written(&self, began: Instant) -> WrittenRoute<'_> {
        WrittenRoute {
            offset_ms: millis(self.at.saturating_since(began)),
            attempt: self.attempt,
            carrier: self.carrier.as_ref().map(CarrierId::as_str),
            destination: self.destination,
            protocol: self.protocol,
        }
    }
}

impl Rung {
    fn written(&self, began: Instant, numbers: &Numbers) -> WrittenRung<'_> {
        WrittenRung {
            offset_ms: millis(self.at.saturating_since(began)),
            leg: match self.leg {
                Some(LegSide::A) => "A",
                Some(LegSide::B) => "B",
                None => "",
            },
            direction: match self.direction {
                MessageDirection::Received => "received",
                MessageDirection::Sent => "sent",
            },
            protocol: self.protocol,
            peer: self.peer,
            start_line: numbers.start_line(&self.start_line),
            description: self.description.as_deref(),
            reason: self.reason.as_deref().map(|reason| numbers.reason(reason)),
        }
    }
}

/// Whether why it was sent is worth knowing.
fn gives_reasons(event: &SipMessageEvent) -> bool {
    let line = &event.start_line;
    event.status.is_some_and(|status| status >= 300)
        || line.starts_with(b"BYE ")
        || line.starts_with(b"CANCEL ")
}

fn reason_of(message: &[u8]) -> Option<Box<str>> {
    description::reason_of(message).map(String::into_boxed_str)
}

/// `passed_A`, `failed_stale`, `no_identity`.
fn verdict(verification: CallerVerification) -> String {
    match verification {
        CallerVerification::Passed { attestation: "" } => "passed".to_owned(),
        CallerVerification::Passed { attestation } => format!("passed_{attestation}"),
        CallerVerification::Failed(why) => format!("failed_{why}"),
        CallerVerification::Missing => "no_identity".to_owned(),
    }
}

pub(crate) fn ended_by(who: EndedBy) -> &'static str {
    match who {
        EndedBy::LegA => "leg_a",
        EndedBy::LegB => "leg_b",
        EndedBy::Edge => "edge",
    }
}

/// A start line that can be shown on a terminal: peers must not be able to send it commands.
/// Copied, so that the ladder does not hold whole messages.
fn printable(start_line: &[u8]) -> Box<str> {
    let masked = crate::masking::masked(start_line);
    // Nearly every start line.
    if masked.len() <= START_LINE_CHARACTERS
        && masked.iter().all(|b| matches!(b, b' '..=b'~'))
        && let Ok(text) = std::str::from_utf8(&masked)
    {
        return text.into();
    }
    let text = String::from_utf8_lossy(&masked);
    crate::printable_line(&text).chars().take(START_LINE_CHARACTERS).collect()
}

fn recorded(call: &RecordedCall) -> RecordedRecord {
    let metadata = match call.metadata {
        RecordedMetadata::Missing => "missing",
        RecordedMetadata::Read => "read",
        RecordedMetadata::Unreadable(why) => why,
    };
    RecordedRecord {
        lines: call.lines,
        declined: call.declined,
        metadata: metadata.to_owned(),
        unknown_label: call.unknown_label.as_deref().map(str::to_owned),
    }
}
