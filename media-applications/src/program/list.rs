//! The action list: what a response puts in it, and one action after the other.

use super::listener::Listener;
use super::running::{Desk, Outcome, Step};
use super::told::Invocations;
use super::{Acted, Ended, MOST_PARTICIPANTS, Output, Phase, Program, Running, UNANSWERED, data};
use crate::action::{self, Action, MeetingRefusal, MeetingRequest, Planned};
use crate::facts::Direction;
use crate::invocation::{self, Event};
use crate::reader::{ActionError, INVALID, UNSUPPORTED};
use crate::response::Response;
use model::{ApplicationOrder, Instant, LegSide};
use serde_json::{Map, Value, json};

/// Actions whose success is always told, as the service tells it.
const ALWAYS_TOLD: [&str; 3] = ["CallAndBridge", "JoinChimeMeeting", "ModifyChimeMeetingAttendees"];

/// Actions that have ended and that nobody has asked for.
const MOST_ACTED: usize = 32;

impl Program {
    /// Does what a response says.
    pub(super) fn follow(&mut self, event: Event, response: Response) {
        if let Some(attributes) = response.attributes {
            self.attributes = (!attributes.is_empty()).then_some(attributes);
        }
        let Some(actions) = response.actions else { return };
        self.list = actions.into();
        if event != Event::CallUpdateRequested {
            return;
        }
        let running = self.running.take_if(|running| running.step.is_interruptible());
        if let Some(Running { name, parameters, step }) = running {
            let (outputs, last_number) = (&mut self.outputs, &mut self.last_number);
            step.interrupt(&mut Desk { outputs, last_number });
            self.tell(Event::ActionInterrupted, Some(data(&name, parameters)));
        }
    }

    /// A response cannot be understood: the application is told why, and the call ends.
    pub(super) fn reject(&mut self, why: String) {
        let mut data = Map::new();
        data.insert("ErrorType".to_owned(), "InvalidResponse".into());
        data.insert("ErrorMessage".to_owned(), why.clone().into());
        self.tell(Event::InvalidResponse, Some(data));
        self.end_call(self.facts.on_failure, Ended::InvalidResponse(why));
    }

    /// Says how the action that ran has ended.
    pub(super) fn end_action(&mut self, outcome: Option<Outcome>) {
        let Some(outcome) = outcome else { return };
        let Some(Running { name, parameters, step }) = self.running.take() else { return };
        if let (Step::Recording(recording), Outcome::Done { .. }) = (&step, &outcome) {
            self.recording = recording.of_call().map(|order| (order, parameters.clone()));
        }
        self.tell_end(&name, parameters, outcome);
    }

    fn tell_end(&mut self, name: &str, parameters: Map<String, Value>, outcome: Outcome) {
        if self.acted.len() < MOST_ACTED {
            let is_done = !matches!(outcome, Outcome::Failed { .. });
            self.acted.push_back(Acted { action: action::known(name), is_done });
        }
        let mut data = data(name, parameters);
        let event = match outcome {
            Outcome::Recorded { object, terminator } => {
                let destination = json!({
                    "Type": "S3", "BucketName": &*object.bucket, "Key": &*object.key,
                });
                data.insert("RecordingDestination".to_owned(), destination);
                if let Some(key) = terminator {
                    let key = key.symbol().to_string();
                    data.insert("RecordingTerminatorUsed".to_owned(), key.into());
                }
                Event::ActionSuccessful
            }
            Outcome::Done { digits } => {
                // Only the last one is told, but for those that have found something out or let somebody in.
                if !self.list.is_empty() && digits.is_none() && !ALWAYS_TOLD.contains(&name) {
                    return;
                }
                if let Some(digits) = digits {
                    data.insert("ReceivedDigits".to_owned(), digits.into());
                }
                Event::ActionSuccessful
            }
            Outcome::Failed { kind, message, digits } => {
                self.list.clear();
                data.insert("ErrorType".to_owned(), kind.into());
                data.insert("ErrorMessage".to_owned(), message.into());
                if let Some(digits) = digits {
                    data.insert("ReceivedDigits".to_owned(), digits.into());
                }
                Event::ActionFailed
            }
        };
        self.tell(event, Some(data));
    }

    /// Begins what can be begun: the next actions, the next invocation.
    pub(super) fn settle(&mut self, now: Instant) {
        while self.phase == Phase::Running
            && self.running.is_none()
            && !self.invocations.hold_actions()
        {
            let Some(planned) = self.list.pop_front() else { break };
            self.begin(now, planned);
        }
        self.invoke();
        if self.phase == Phase::Gone && self.invocations.is_idle() {
            self.phase = Phase::Over;
        }
        let is_idle = self.phase == Phase::Running
            && self.facts.direction == Direction::Inbound
            && !self.is_answered
            && self.running.is_none()
            && self.invocations.is_idle();
        self.unanswered_at =
            if is_idle { self.unanswered_at.or(Some(now + UNANSWERED)) } else { None };
    }

    fn begin(&mut self, now: Instant, planned: Planned) {
        let Planned { name, parameters, action } = planned;
        let begun = match action {
            Ok(action) => self.step(now, action, &parameters),
            Err(ActionError { kind, message }) => Err(Outcome::failed(kind, message)),
        };
        match begun {
            Ok(step) => self.running = Some(Running { name, parameters, step }),
            Err(outcome) => self.tell_end(&name, parameters, outcome),
        }
    }

    fn step(
        &mut self,
        now: Instant,
        action: Action,
        parameters: &Map<String, Value>,
    ) -> Result<Step, Outcome> {
        let has_leg_b = matches!(&self.legs, [_, Some(leg)] if !leg.is_gone);
        let concerns_b = match &action {
            Action::HangUp { leg, .. } | Action::Receive { leg, .. } => *leg == LegSide::B,
            action => action.media_leg() == Some(LegSide::B),
        };
        if concerns_b && !has_leg_b {
            return Err(Outcome::failed(INVALID, "LEG-B is not in the call"));
        }
        let action = self.named(action);
        self.may_meet(&action, has_leg_b)?;
        match action {
            Action::Answer if self.is_answered => Err(Outcome::DONE),
            Action::Bridge { .. } if has_leg_b => {
                Err(Outcome::failed(INVALID, "LEG-B is in the call already; hang it up first"))
            }
            Action::Bridge { .. } if self.participants >= MOST_PARTICIPANTS => {
                Err(Outcome::failed(INVALID, "too many were bridged in this call"))
            }
            Action::StopRecording | Action::PauseRecording(_) => {
                Err(self.change_recording(&action))
            }
            Action::Record(_) if self.facts.unrecorded.is_some() => {
                let why = self.facts.unrecorded.as_deref().unwrap_or_default();
                Err(Outcome::failed(UNSUPPORTED, why))
            }
            Action::Record(record) if record.is_of_call && self.recording.is_some() => {
                let why = "the call is recorded already; StopCallRecording ends that";
                Err(Outcome::failed(INVALID, why))
            }
            Action::Receive { leg, rule } => {
                if let Some(listener) = self.listeners.get_mut(leg.index()) {
                    *listener = Some(Listener::new(rule, parameters.clone()));
                }
                Err(Outcome::Done { digits: None })
            }
            action if action.media_leg() == Some(LegSide::A) && !self.is_answered => {
                let (outputs, last_number) = (&mut self.outputs, &mut self.last_number);
                let order = Desk { outputs, last_number }.order(ApplicationOrder::Answer);
                Ok(Step::Answering(order, Some(Box::new(action))))
            }
            action => {
                let (outputs, last_number) = (&mut self.outputs, &mut self.last_number);
                Step::begin(now, action, &mut Desk { outputs, last_number })
            }
        }
    }

    /// A request to join with whose it is.
    fn named(&self, mut action: Action) -> Action {
        if let Action::Meeting(MeetingRequest::Join { from, .. }) = &mut action {
            // Whom the application has called is the one of the other end.
            *from = match self.facts.direction {
                Direction::Inbound => self.facts.from.clone(),
                Direction::Outbound => self.facts.to.clone(),
            };
        }
        action
    }

    /// A meeting and a leg B exclude each other, and a leg is in one meeting.
    fn may_meet(&self, action: &Action, has_leg_b: bool) -> Result<(), Outcome> {
        let why = match action {
            Action::Meeting(MeetingRequest::Join { .. }) if has_leg_b => {
                "LEG-B is in the call; hang it up first"
            }
            Action::Meeting(MeetingRequest::Join { .. }) if self.is_in_meeting => {
                "LEG-A is in a meeting already"
            }
            Action::Bridge { .. } if self.is_in_meeting => {
                "LEG-A is in a meeting, and nobody else is bridged with it"
            }
            Action::Meeting(MeetingRequest::Mute { .. }) if !self.is_in_meeting => {
                let (kind, message) = MeetingRefusal::NotIn.error();
                return Err(Outcome::failed(kind, message));
            }
            _ => return Ok(()),
        };
        Err(Outcome::failed(INVALID, why))
    }

    /// Ends, pauses or resumes the recording of the call.
    fn change_recording(&mut self, action: &Action) -> Outcome {
        let Some(order) = self.recording.as_ref().map(|(order, _)| *order) else {
            let why = "the call is not recorded; StartCallRecording begins that";
            return Outcome::failed(INVALID, why);
        };
        match action {
            Action::PauseRecording(on) => {
                self.outputs.push_back(Output::PauseRecording(order, *on));
            }
            _ => {
                self.recording = None;
                let (outputs, last_number) = (&mut self.outputs, &mut self.last_number);
                Desk { outputs, last_number }.order(ApplicationOrder::StopRecording { order });
            }
        }
        Outcome::DONE
    }

    /// Gives out the next invocation, when there is one and none is under way.
    fn invoke(&mut self) {
        if self.phase == Phase::Over {
            return;
        }
        if self.invocations.is_one_too_many() {
            if self.phase == Phase::Running {
                self.end_call(self.facts.on_failure, Ended::TooOften);
            }
            self.invocations = Invocations::default();
            return;
        }
        let view = (&self.legs, self.attributes.as_ref());
        if let Some((sequence, told)) = self.invocations.next() {
            let (event, data) = (told.event, told.data.clone());
            let body = invocation::body(event, sequence, data, &self.facts, view);
            self.outputs.push_back(Output::Invoke(body));
            // From the next one on nobody is told of who is gone.
            if event == Event::HangUp {
                let [_, leg] = &mut self.legs;
                leg.take_if(|leg| leg.is_gone);
            }
        }
    }
}
