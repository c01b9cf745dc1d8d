//! The action that runs.

use super::Output;
use super::collecting::Collecting;
use super::recording::Recording;
use super::sending::Sending;
use crate::action::{Action, MeetingRefusal, MeetingRequest, Sound};
use crate::digits::KeySet;
use crate::reader::{AUDIO, SYSTEM};
use crate::wav;
use model::{
    ApplicationNews, ApplicationOrder, AudioSource, Bridge, DtmfKey, Instant, LegSide, PlayOutcome,
    RecordedObject,
};
use std::collections::VecDeque;
use std::time::Duration;

/// How much later than it must the end of something is taken to be lost. A leg that is on hold, or is
/// told first that it is recorded, hears a sound later.
pub(super) const MARGIN: Duration = Duration::from_secs(30);

/// Where orders and questions are put, and numbered.
pub(super) struct Desk<'a> {
    pub(super) outputs: &'a mut VecDeque<Output>,
    pub(super) last_number: &'a mut u32,
}

impl Desk<'_> {
    fn number(&mut self) -> u32 {
        *self.last_number = self.last_number.wrapping_add(1);
        *self.last_number
    }

    pub(super) fn order(&mut self, order: ApplicationOrder) -> u32 {
        let number = self.number();
        self.outputs.push_back(Output::Order(number, order));
        number
    }

    /// Gives an order that has its own number in it.
    pub(super) fn order_numbered(&mut self, order: impl FnOnce(u32) -> ApplicationOrder) -> u32 {
        let number = self.number();
        self.outputs.push_back(Output::Order(number, order(number)));
        number
    }

    pub(super) fn ask_meeting(&mut self, request: MeetingRequest) -> u32 {
        let number = self.number();
        self.outputs.push_back(Output::Meeting(number, request));
        number
    }

    pub(super) fn fetch(&mut self, sound: Sound) -> u32 {
        let number = self.number();
        self.outputs.push_back(Output::Fetch(number, sound));
        number
    }

    /// Has a sound played, and says when its end is overdue.
    pub(super) fn play(
        &mut self,
        now: Instant,
        leg: LegSide,
        (source, rounds): (AudioSource, u32),
    ) -> (u32, Instant) {
        let overdue = now + wav::duration(&source).saturating_mul(rounds) + MARGIN;
        let rounds = Some(rounds);
        (self.order(ApplicationOrder::Play { leg, source, rounds }), overdue)
    }

    pub(super) fn stop_playing(&mut self, leg: LegSide) {
        self.order(ApplicationOrder::StopPlaying { leg });
    }
}

/// How an action ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Done {
        digits: Option<String>,
    },
    /// `RecordAudio` is done: where it is, and which key ended it.
    Recorded {
        object: RecordedObject,
        terminator: Option<DtmfKey>,
    },
    Failed {
        kind: &'static str,
        message: String,
        digits: Option<String>,
    },
}

impl Outcome {
    pub(super) const DONE: Outcome = Outcome::Done { digits: None };

    pub(super) fn failed(kind: &'static str, message: impl Into<String>) -> Self {
        Outcome::Failed { kind, message: message.into(), digits: None }
    }

    /// Nobody said that something has ended.
    pub(super) fn lost(what: &str) -> Self {
        let message = format!("the end of what was {what} was lost in this node; the call goes on");
        Outcome::failed(SYSTEM, message)
    }
}

/// What an action waits for.
#[derive(Debug)]
pub(super) enum Step {
    /// Leg A's answer, by this order, before the action begins, if there is one.
    Answering(u32, Option<Box<Action>>),
    Pausing(Instant),
    Fetching {
        number: u32,
        leg: LegSide,
        rounds: u32,
        terminators: KeySet,
    },
    Playing {
        order: u32,
        leg: LegSide,
        terminators: KeySet,
        /// When its end is overdue.
        overdue: Instant,
    },
    Collecting(Collecting),
    Recording(Recording),
    Sending(Sending),
    /// The sound that is played until leg B answers.
    FetchingRingback(u32, Box<Bridge>),
    Bridging(u32),
    HangingUp(u32, LegSide),
    /// What was asked of the meetings by this number, whether it was to join, and when the answer is overdue.
    Meeting {
        number: u32,
        joins: bool,
        overdue: Instant,
    },
}

impl Step {
    /// Begins an action; leg A has been answered where that is needed.
    ///
    /// # Errors
    /// How it ended at once.
    pub(super) fn begin(
        now: Instant,
        action: Action,
        desk: &mut Desk<'_>,
    ) -> Result<Step, Outcome> {
        match action {
            Action::Answer => Ok(Step::Answering(desk.order(ApplicationOrder::Answer), None)),
            Action::HangUp { leg, status } => {
                let order = ApplicationOrder::HangUp { leg: Some(leg), status };
                Ok(Step::HangingUp(desk.order(order), leg))
            }
            Action::Pause(duration) => Ok(Step::Pausing(now + duration)),
            Action::Play { leg, sound, rounds, terminators } => {
                Ok(Step::Fetching { number: desk.fetch(sound), leg, rounds, terminators })
            }
            Action::GetDigits(what) => Ok(Step::Collecting(Collecting::begin(what, desk))),
            Action::Send { leg, keys, duration } => {
                let sending = Sending::begin(now, leg, keys, duration, desk);
                sending.map(Step::Sending).ok_or(Outcome::DONE)
            }
            Action::Bridge { bridge, ringback: Some(sound) } => {
                Ok(Step::FetchingRingback(desk.fetch(sound), bridge))
            }
            Action::Bridge { bridge, ringback: None } => {
                Ok(Step::Bridging(desk.order(ApplicationOrder::Bridge(*bridge))))
            }
            Action::Record(record) => Ok(Step::Recording(Recording::begin(now, &record, desk))),
            Action::Meeting(request) => Ok(Step::ask(now, request, desk)),
            // They are the program's, which has what runs on beside other actions.
            Action::Receive { .. } | Action::StopRecording | Action::PauseRecording(_) => {
                Err(Outcome::DONE)
            }
        }
    }

    /// Asks something of the meetings.
    pub(super) fn ask(now: Instant, request: MeetingRequest, desk: &mut Desk<'_>) -> Step {
        let joins = matches!(request, MeetingRequest::Join { .. });
        Step::Meeting { number: desk.ask_meeting(request), joins, overdue: now + MARGIN }
    }

    /// Whether this request to join is waited for.
    pub(super) fn joins(&self, number: u32) -> bool {
        matches!(self, Step::Meeting { number: mine, joins: true, .. } if *mine == number)
    }

    /// What the meetings say.
    pub(super) fn handle_meeting(
        &self,
        number: u32,
        outcome: Result<(), MeetingRefusal>,
    ) -> Option<Outcome> {
        if !matches!(self, Step::Meeting { number: mine, .. } if *mine == number) {
            return None;
        }
        Some(match outcome {
            Ok(()) => Outcome::DONE,
            Err(refusal) => {
                let (kind, message) = refusal.error();
                Outcome::failed(kind, message)
            }
        })
    }

    /// Whether an update of the call ends it before its time.
    pub(super) fn is_interruptible(&self) -> bool {
        match self {
            Step::Pausing(_) | Step::Fetching { .. } | Step::Playing { .. } => true,
            Step::Answering(_, next) => matches!(next.as_deref(), Some(Action::Play { .. })),
            _ => false,
        }
    }

    /// Ends it before its time.
    pub(super) fn interrupt(&self, desk: &mut Desk<'_>) {
        if let Step::Playing { leg, .. } = self {
            desk.stop_playing(*leg);
        }
    }

    /// Its leg is gone: what it has begun for it ends.
    pub(super) fn abandon(&self, desk: &mut Desk<'_>) {
        if let Step::Recording(recording) = self {
            recording.stop(desk);
        }
    }

    /// Whether it cannot go on without this leg.
    pub(super) fn needs(&self, lost: LegSide) -> bool {
        match self {
            Step::Fetching { leg, .. } | Step::Playing { leg, .. } | Step::HangingUp(_, leg) => {
                *leg == lost
            }
            Step::Collecting(collecting) => collecting.leg() == lost,
            Step::Recording(recording) => recording.leg() == lost,
            Step::Sending(sending) => sending.leg() == lost,
            Step::Answering(..) => lost == LegSide::A,
            Step::Pausing(_)
            | Step::FetchingRingback(..)
            | Step::Bridging(_)
            | Step::Meeting { .. } => false,
        }
    }

    /// Takes a key; the second value says whether it was for this action.
    pub(super) fn handle_key(
        &mut self,
        now: Instant,
        (leg, key): (LegSide, DtmfKey),
        desk: &mut Desk<'_>,
    ) -> (Option<Outcome>, bool) {
        match self {
            Step::Playing { leg: of, terminators, .. } if *of == leg && terminators.has(key) => {
                desk.stop_playing(leg);
                (Some(Outcome::DONE), true)
            }
            Step::Collecting(collecting) if collecting.leg() == leg => {
                (collecting.handle_key(now, key, desk), true)
            }
            Step::Recording(recording) => (None, recording.handle_key(now, (leg, key), desk)),
            _ => (None, false),
        }
    }

    pub(super) fn handle_sound(
        &mut self,
        now: Instant,
        number: u32,
        sound: Result<AudioSource, String>,
        desk: &mut Desk<'_>,
    ) -> Option<Outcome> {
        match (&mut *self, sound) {
            (Step::Collecting(collecting), sound) => {
                collecting.handle_sound(now, (number, sound), desk)
            }
            (Step::Fetching { number: mine, .. } | Step::FetchingRingback(mine, _), Err(why))
                if *mine == number =>
            {
                Some(Outcome::failed(AUDIO, why))
            }
            (Step::Fetching { number: mine, leg, rounds, terminators }, Ok(source))
                if *mine == number =>
            {
                let (leg, terminators) = (*leg, *terminators);
                let (order, overdue) = desk.play(now, leg, (source, *rounds));
                *self = Step::Playing { order, leg, terminators, overdue };
                None
            }
            (Step::FetchingRingback(mine, bridge), Ok(source)) if *mine == number => {
                bridge.ringback = Some(source);
                let order = desk.order(ApplicationOrder::Bridge((**bridge).clone()));
                *self = Step::Bridging(order);
                None
            }
            _ => None,
        }
    }

    /// News that are no key and no hang-up.
    pub(super) fn handle_news(
        &mut self,
        now: Instant,
        news: &ApplicationNews,
        desk: &mut Desk<'_>,
    ) -> Option<Outcome> {
        match (&mut *self, news) {
            (Step::Answering(_, None), ApplicationNews::Answered(LegSide::A))
            | (Step::Bridging(_), ApplicationNews::Answered(LegSide::B)) => Some(Outcome::DONE),
            (Step::Answering(_, next), ApplicationNews::Answered(LegSide::A)) => {
                let action = next.take()?;
                match Step::begin(now, *action, desk) {
                    Ok(step) => *self = step,
                    Err(outcome) => return Some(outcome),
                }
                None
            }
            (Step::Playing { order, .. }, ApplicationNews::Played { order: played, outcome })
                if order == played =>
            {
                Some(match outcome {
                    PlayOutcome::Finished => Outcome::DONE,
                    PlayOutcome::Failed(why) => Outcome::failed(AUDIO, why.to_string()),
                })
            }
            (Step::Collecting(collecting), ApplicationNews::Played { order, outcome }) => {
                collecting.handle_played(now, *order, *outcome, desk)
            }
            (Step::Sending(sending), ApplicationNews::KeysSent { order }) => {
                sending.handle_sent(now, *order, desk)
            }
            (Step::Recording(recording), news) => recording.handle_news(news, desk),
            (Step::Bridging(order), ApplicationNews::BridgeFailed { order: failed, status })
                if order == failed =>
            {
                Some(Outcome::failed("CallNotAnswered", not_answered(*status)))
            }
            (_, ApplicationNews::Refused { order, why }) => self.handle_refused(*order, why),
            _ => None,
        }
    }

    fn handle_refused(&self, refused: u32, why: &str) -> Option<Outcome> {
        let order = match self {
            Step::Collecting(collecting) => {
                return collecting.handle_refused(refused, why.to_owned());
            }
            Step::Answering(order, _)
            | Step::Playing { order, .. }
            | Step::Bridging(order)
            | Step::HangingUp(order, _) => *order,
            Step::Sending(sending) => sending.order()?,
            Step::Pausing(_)
            | Step::Fetching { .. }
            | Step::FetchingRingback(..)
            | Step::Meeting { .. }
            | Step::Recording(_) => return None,
        };
        (order == refused).then(|| Outcome::failed(SYSTEM, why))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Step::Pausing(until)
            | Step::Playing { overdue: until, .. }
            | Step::Meeting { overdue: until, .. } => Some(*until),
            Step::Sending(sending) => Some(sending.poll_timeout()),
            Step::Recording(recording) => Some(recording.poll_timeout()),
            Step::Collecting(collecting) => collecting.poll_timeout(),
            _ => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, desk: &mut Desk<'_>) -> Option<Outcome> {
        match self {
            Step::Pausing(until) if *until <= now => Some(Outcome::DONE),
            Step::Playing { overdue, leg, .. } if *overdue <= now => {
                desk.stop_playing(*leg);
                Some(Outcome::lost("played"))
            }
            Step::Meeting { joins, overdue, .. } if *overdue <= now => {
                if *joins {
                    desk.ask_meeting(MeetingRequest::Leave);
                }
                let why = "the meeting rooms have not answered; the call goes on";
                Some(Outcome::failed(SYSTEM, why))
            }
            Step::Sending(sending) => sending.handle_timeout(now, desk),
            Step::Recording(recording) => recording.handle_timeout(now, desk),
            Step::Collecting(collecting) => collecting.handle_timeout(now, desk),
            _ => None,
        }
    }
}

fn not_answered(status: u16) -> String {
    match status {
        408 => "Call not answered: nobody answered in time".to_owned(),
        status => format!("Call not answered: SIP status {status}"),
    }
}
