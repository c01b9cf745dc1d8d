//! One call's application: what it is told, and what is done of what it answers.

mod collecting;
mod list;
mod listener;
mod recording;
mod running;
mod sending;
mod told;

#[cfg(test)]
mod tests;

use crate::action::{Legs, MeetingRefusal, MeetingRequest, Planned, Sound};
use crate::facts::{Direction, Facts};
use crate::invocation::{Event, Participant, tag};
use crate::reader::SYSTEM;
use crate::response;
use listener::Listener;
use model::{ApplicationNews, ApplicationOrder, AudioSource, DtmfKey, Instant, LegSide, UnixTime};
use running::{Desk, Outcome, Step};
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::time::Duration;
use told::{Invocations, Told};

/// How long a call that is not answered may wait for an action.
const UNANSWERED: Duration = Duration::from_secs(30);
/// What ends a call that nobody wants to answer.
const UNAVAILABLE: u16 = 480;
/// Participants of a call over its time: a leg B comes after another.
const MOST_PARTICIPANTS: u32 = 1_000;

/// What a program wants.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// The call is to do this; news repeat the number.
    Order(u32, ApplicationOrder),
    /// The application is to be told this, JSON in one line. Exactly one of
    /// [`Program::handle_response`] and [`Program::handle_failure`] is to follow.
    Invoke(String),
    /// The recording of this order keeps silence from now on, or goes on.
    PauseRecording(u32, bool),
    /// This is wanted of the meetings of the node; [`Program::handle_meeting`] with the number is to follow,
    /// but for [`MeetingRequest::Leave`].
    Meeting(u32, MeetingRequest),
    /// This is to be fetched or spoken; [`Program::handle_sound`] with the number is to follow.
    Fetch(u32, Sound),
}

/// An action that has ended, to be counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acted {
    /// Its `Type`; `other` of what is none here.
    pub action: &'static str,
    /// Whether it succeeded.
    pub is_done: bool,
}

/// The call has as many requests waiting as it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy;

/// Why a program has ended its call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// The application answered what cannot be understood.
    InvalidResponse(String),
    /// The application could not be asked; no order was given before.
    Unreachable(String),
    /// The application could not be asked in the middle of the call.
    Failed(String),
    /// It was asked 1,000 times.
    TooOften,
    /// No action answered the call or ended it for 30 s.
    Unanswered,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ended::InvalidResponse(why) => write!(f, "its answer cannot be understood: {why}"),
            Ended::Unreachable(why) | Ended::Failed(why) => write!(f, "it cannot be asked: {why}"),
            Ended::TooOften => f.write_str("it was asked 1,000 times about one call"),
            Ended::Unanswered => f.write_str("it left the call unanswered for 30 s"),
        }
    }
}

/// The state of one call's application.
///
/// Inputs are [`Program::handle_news`], [`Program::handle_response`], [`Program::handle_failure`],
/// [`Program::handle_sound`], [`Program::handle_meeting`], [`Program::update`] and [`Program::handle_timeout`]; after each of them
/// [`Program::poll_output`] is asked until it gives nothing, then [`Program::poll_timeout`]. When
/// [`Program::is_over`], nothing follows.
#[derive(Debug)]
pub struct Program {
    facts: Facts,
    began: Instant,
    legs: [Option<Participant>; 2],
    participants: u32,
    is_answered: bool,
    attributes: Option<Map<String, Value>>,
    list: VecDeque<Planned>,
    running: Option<Running>,
    listeners: [Option<Listener>; 2],
    /// The order of the recording of the call, which goes on beside actions, and what its action said.
    recording: Option<(u32, Map<String, Value>)>,
    /// Leg A is in a meeting.
    is_in_meeting: bool,
    invocations: Invocations,
    outputs: VecDeque<Output>,
    acted: VecDeque<Acted>,
    last_number: u32,
    phase: Phase,
    ended: Option<Ended>,
    /// When to end the call: nobody answers it.
    unanswered_at: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Running,
    /// The end of the call was ordered; its news is waited for.
    Ending,
    /// Leg A is gone.
    Gone,
    Over,
}

/// The action that runs, as the application named it.
#[derive(Debug)]
struct Running {
    name: String,
    parameters: Map<String, Value>,
    step: Step,
}

impl Program {
    /// The program of a call that begins at `now`.
    pub fn new(now: Instant, facts: Facts) -> Self {
        let direction = facts.direction;
        let leg_a = Participant {
            call_id: facts.call_id(0),
            to: facts.to.clone(),
            from: facts.from.clone(),
            direction,
            since: facts.started,
            headers: facts.headers.clone(),
            is_gone: false,
        };
        let mut program = Program {
            began: now,
            legs: [Some(leg_a), None],
            participants: 1,
            is_answered: false,
            attributes: None,
            list: VecDeque::new(),
            running: None,
            listeners: [None, None],
            recording: None,
            is_in_meeting: false,
            invocations: Invocations::default(),
            outputs: VecDeque::new(),
            acted: VecDeque::new(),
            last_number: 0,
            phase: Phase::Running,
            ended: None,
            unanswered_at: None,
            facts,
        };
        let (event, data) = match direction {
            Direction::Inbound => (Event::NewInboundCall, None),
            Direction::Outbound => (Event::NewOutboundCall, Some(program.arguments())),
        };
        program.tell(event, data);
        program.settle(now);
        program
    }

    /// What is to be done next; `None` when there is nothing.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// An action that has ended since; `None` when there is none. Of those that nobody asks for, 32 are kept.
    pub fn poll_acted(&mut self) -> Option<Acted> {
        self.acted.pop_front()
    }

    /// When [`Program::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let running = self.running.as_ref().and_then(|running| running.step.poll_timeout());
        let listeners = self.listeners.iter().flatten().filter_map(Listener::poll_timeout);
        listeners.chain(running).chain(self.unanswered_at).min()
    }

    /// Whether nothing follows any more.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over && self.outputs.is_empty()
    }

    /// Why the program ended the call itself; `None` when it did not.
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Something happened in the call.
    pub fn handle_news(&mut self, now: Instant, news: &ApplicationNews) {
        match news {
            ApplicationNews::Key { leg, key } => self.handle_key(now, *leg, *key),
            ApplicationNews::HungUp { leg, status, .. } => self.handle_hang_up(*leg, *status),
            ApplicationNews::Refused { .. } if self.phase == Phase::Ending => {
                self.phase = Phase::Over;
            }
            _ if self.phase != Phase::Running => {}
            ApplicationNews::Ringing(LegSide::A) => {
                if self.facts.direction == Direction::Outbound && self.invocations.has_room() {
                    self.tell(Event::Ringing, None);
                }
            }
            news => {
                self.note_answer(now, news);
                self.note_recording(news);
                let outcome = self.with_step(|step, desk| step.handle_news(now, news, desk));
                self.end_action(outcome);
            }
        }
        self.settle(now);
    }

    /// The application has answered the invocation that is under way.
    pub fn handle_response(&mut self, now: Instant, body: &[u8]) {
        let Some(told) = self.invocations.finish() else { return };
        if !told.ignored && !told.event.is_told_only() && self.phase == Phase::Running {
            match response::read(body, &self.present()) {
                Ok(response) => self.follow(told.event, response),
                Err(why) => self.reject(why),
            }
        }
        self.settle(now);
    }

    /// The application could not be asked, or has not answered, for good. The call ends, unless it does
    /// so anyway.
    pub fn handle_failure(&mut self, now: Instant, reason: &str) {
        let Some(told) = self.invocations.finish() else { return };
        if self.phase == Phase::Running {
            if matches!(told.event, Event::NewInboundCall | Event::NewOutboundCall) {
                self.ended = Some(Ended::Unreachable(reason.to_owned()));
                self.drop_everything();
                self.phase = Phase::Over;
            } else {
                self.end_call(self.facts.on_failure, Ended::Failed(reason.to_owned()));
                self.invocations = Invocations::default();
            }
        }
        self.settle(now);
    }

    /// What [`Output::Fetch`] asked for is here, or is not to be had, with the reason.
    pub fn handle_sound(&mut self, now: Instant, number: u32, sound: Result<AudioSource, String>) {
        let outcome = self.with_step(|step, desk| step.handle_sound(now, number, sound, desk));
        self.end_action(outcome);
        self.settle(now);
    }

    /// What became of [`Output::Meeting`]. Who has joined, or waits for a moderator, is in the meeting until
    /// leg A ends.
    pub fn handle_meeting(
        &mut self,
        now: Instant,
        number: u32,
        outcome: Result<(), MeetingRefusal>,
    ) {
        let joins = self.running.as_ref().is_some_and(|running| running.step.joins(number));
        self.is_in_meeting |= joins && outcome.is_ok();
        let ended = self.with_step(|step, _| step.handle_meeting(number, outcome));
        self.end_action(ended);
        self.settle(now);
    }

    /// Somebody wants the application to think again (`UpdateSipMediaApplicationCall`).
    ///
    /// # Errors
    /// [`Busy`].
    pub fn update(&mut self, now: Instant, arguments: Map<String, Value>) -> Result<(), Busy> {
        if self.phase != Phase::Running || !self.invocations.has_room() {
            return Err(Busy);
        }
        let mut parameters = Map::new();
        parameters.insert("Arguments".to_owned(), arguments.into());
        self.tell(Event::CallUpdateRequested, Some(data("CallUpdateRequest", parameters)));
        self.settle(now);
        Ok(())
    }

    /// It is this late.
    pub fn handle_timeout(&mut self, now: Instant) {
        let outcome = self.with_step(|step, desk| step.handle_timeout(now, desk));
        self.end_action(outcome);
        for index in 0..self.listeners.len() {
            let Some(listener) = self.listeners.get_mut(index).and_then(Option::as_mut) else {
                continue;
            };
            let Some(digits) = listener.handle_timeout(now) else { continue };
            let mut data = data("ReceiveDigits", listener.parameters.clone());
            data.insert("ReceivedDigits".to_owned(), digits.into());
            if self.invocations.has_room() {
                self.tell(Event::DigitsReceived, Some(data));
            }
        }
        if self.unanswered_at.is_some_and(|at| at <= now) {
            self.end_call(UNAVAILABLE, Ended::Unanswered);
        }
        self.settle(now);
    }

    fn handle_key(&mut self, now: Instant, leg: LegSide, key: DtmfKey) {
        let mut is_taken = false;
        let outcome = self.with_step(|step, desk| {
            let (outcome, taken) = step.handle_key(now, (leg, key), desk);
            is_taken = taken;
            outcome
        });
        self.end_action(outcome);
        if let (false, Some(Some(listener))) = (is_taken, self.listeners.get_mut(leg.index())) {
            listener.handle_key(now, key);
        }
    }

    fn handle_hang_up(&mut self, leg: LegSide, status: u16) {
        if matches!(self.phase, Phase::Gone | Phase::Over) {
            return;
        }
        let [a, b] = &mut self.legs;
        let participant = match leg {
            LegSide::A => a,
            LegSide::B => b,
        };
        let Some(participant) = participant else { return };
        participant.is_gone = true;
        let mut parameters = Map::new();
        let code = if (200..300).contains(&status) { 0 } else { status };
        parameters.insert("SipResponseCode".to_owned(), code.into());
        parameters.insert("CallId".to_owned(), participant.call_id.clone().into());
        parameters.insert("ParticipantTag".to_owned(), tag(leg).into());
        let data = Some(data("Hangup", parameters));
        if leg == LegSide::A {
            self.drop_everything();
            self.invocations.call_is_over();
            self.phase = Phase::Gone;
            if !matches!(self.ended, Some(Ended::Failed(_) | Ended::TooOften)) {
                self.invocations.push(Told { event: Event::HangUp, data, ignored: true });
            }
            return;
        }
        if self.phase == Phase::Running {
            if let Some(running) = self.running.take_if(|running| running.step.needs(leg)) {
                let (outputs, last_number) = (&mut self.outputs, &mut self.last_number);
                running.step.abandon(&mut Desk { outputs, last_number });
            }
            self.tell(Event::HangUp, data);
        }
        let [_, listener] = &mut self.listeners;
        *listener = None;
    }

    /// Who is in the call now.
    fn note_answer(&mut self, now: Instant, news: &ApplicationNews) {
        match news {
            ApplicationNews::Answered(LegSide::A) if !self.is_answered => {
                self.is_answered = true;
                if self.facts.direction == Direction::Outbound {
                    self.tell(Event::CallAnswered, None);
                }
            }
            ApplicationNews::Answered(LegSide::B) => {
                let since = self.facts.started.as_millis();
                let since =
                    since.saturating_add((now - self.began).as_millis().try_into().unwrap_or(0));
                let parties = self.running.as_ref().map(|running| parties(&running.parameters));
                let (to, from) = parties.unwrap_or_default();
                let leg_b = Participant {
                    call_id: self.facts.call_id(self.participants),
                    to: to.into(),
                    from: from.into(),
                    direction: Direction::Outbound,
                    since: UnixTime::from_millis(since),
                    headers: Vec::new(),
                    is_gone: false,
                };
                self.participants = self.participants.saturating_add(1);
                let [_, b] = &mut self.legs;
                *b = Some(leg_b);
                self.is_answered = true;
            }
            _ => {}
        }
    }

    /// The recording of the call may end before the call does: the call is not to record it any longer.
    /// The application is told when it has failed. The service has no event for that: what the
    /// application answers does nothing, since it may not know that it comes.
    fn note_recording(&mut self, news: &ApplicationNews) {
        let ApplicationNews::Recorded { order: ended, outcome } = news else { return };
        let Some((order, parameters)) = self.recording.take_if(|(order, _)| order == ended) else {
            return;
        };
        let (outputs, last_number) = (&mut self.outputs, &mut self.last_number);
        Desk { outputs, last_number }.order(ApplicationOrder::StopRecording { order });
        if let (Err(why), true) = (outcome, self.invocations.has_room()) {
            let mut data = data("StartCallRecording", parameters);
            data.insert("ErrorType".to_owned(), SYSTEM.into());
            data.insert("ErrorMessage".to_owned(), why.as_str().into());
            let event = Event::ActionFailed;
            self.invocations.push(Told { event, data: Some(data), ignored: true });
        }
    }

    fn with_step(
        &mut self,
        act: impl FnOnce(&mut Step, &mut Desk<'_>) -> Option<Outcome>,
    ) -> Option<Outcome> {
        let running = self.running.as_mut()?;
        let (outputs, last_number) = (&mut self.outputs, &mut self.last_number);
        act(&mut running.step, &mut Desk { outputs, last_number })
    }

    fn tell(&mut self, event: Event, data: Option<Map<String, Value>>) {
        self.invocations.push(Told { event, data, ignored: false });
    }

    fn end_call(&mut self, status: u16, why: Ended) {
        self.drop_everything();
        self.ended = Some(why);
        self.phase = Phase::Ending;
        let (outputs, last_number) = (&mut self.outputs, &mut self.last_number);
        Desk { outputs, last_number }.order(ApplicationOrder::HangUp { leg: None, status });
    }

    fn drop_everything(&mut self) {
        self.list.clear();
        self.running = None;
        self.listeners = [None, None];
        self.unanswered_at = None;
    }

    /// The ids of those who are in the call.
    fn present(&self) -> Legs {
        let id = |leg: &Option<Participant>| {
            leg.as_ref().filter(|leg| !leg.is_gone).map(|leg| leg.call_id.clone())
        };
        let [a, b] = &self.legs;
        Legs([id(a), id(b)])
    }

    fn arguments(&self) -> Map<String, Value> {
        let pairs = self.facts.arguments.iter();
        let pairs = pairs.map(|(name, value)| (name.to_string(), (**value).into()));
        let mut parameters = Map::new();
        parameters.insert("Arguments".to_owned(), Value::Object(pairs.collect()));
        data("CallCreateRequest", parameters)
    }
}

/// `ActionData`.
fn data(name: &str, parameters: Map<String, Value>) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("Type".to_owned(), name.into());
    data.insert("Parameters".to_owned(), parameters.into());
    data
}

/// Whom `CallAndBridge` calls, and as whom.
fn parties(parameters: &Map<String, Value>) -> (String, String) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let endpoint = parameters.get("Endpoints").and_then(|list| list.get(0));
    (text(endpoint.and_then(|of| of.get("Uri"))), text(parameters.get("CallerIdNumber")))
}
