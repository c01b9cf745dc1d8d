//! Calls that applications steer and have sent into a meeting: they are the meeting's for what is heard
//! there, and the application's for everything else. Their keys are the application's.

use super::desk::{Desk, draw, now, queue};
use super::ears::Ears;
use super::{Input, RoomsHandle};
use media_applications::{MeetingRefusal, MeetingRequest, Room};
use model::{ApplicationNews, LegSide, TransactionId};
use room_core::{AttendeeId, MeetingId, Now, Refused, Source};
use std::collections::HashMap;
use std::sync::mpsc::TrySendError;
use std::sync::{Mutex, PoisonError};

/// Where answers for applications go: the call, the number of what it has asked, and what came of it.
pub(crate) type Met = Box<dyn Fn(TransactionId, u32, Result<(), MeetingRefusal>) + Send>;

/// Calls that have left, and for which the queue had no room. There are no more of them than calls.
pub(super) type Left = Mutex<Vec<TransactionId>>;

/// Calls that are over, with the status, and for whose end the queue had no room. Each call of the rooms is
/// there once at most, and none begins while the queue is full.
pub(super) type Gone = Mutex<Vec<(TransactionId, u16)>>;

/// A call is over, and the queue is full.
pub(super) fn note_gone(gone: &Gone, call: TransactionId, status: u16) {
    gone.lock().unwrap_or_else(PoisonError::into_inner).push((call, status));
}

/// What the rooms' thread has of applications' calls, and of all that the queue had no room for.
pub(super) struct Steered {
    met: Met,
    /// The node has meeting rooms.
    has_rooms: bool,
    /// Whose answer is still to come, by the number of what was asked.
    joining: HashMap<TransactionId, u32>,
    left: std::sync::Arc<Left>,
    gone: std::sync::Arc<Gone>,
    /// Of those that are gone, whose beginning may still be in the queue.
    unknown: Vec<(TransactionId, u16)>,
}

impl Steered {
    pub(super) fn new(
        met: Met,
        has_rooms: bool,
        (left, gone): (std::sync::Arc<Left>, std::sync::Arc<Gone>),
    ) -> Self {
        Steered { met, has_rooms, joining: HashMap::new(), left, gone, unknown: Vec::new() }
    }

    /// Before the queue is looked at: what is found here was noted when all that it follows was in there.
    pub(super) fn look_for_gone(&mut self) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        self.unknown.append(&mut gone);
    }

    /// Tells the application what came of joining; `false` where nobody waits for that.
    pub(super) fn joined(
        &mut self,
        call: TransactionId,
        outcome: Result<(), MeetingRefusal>,
    ) -> bool {
        let Some(number) = self.joining.remove(&call) else { return false };
        (self.met)(call, number, outcome);
        true
    }
}

impl RoomsHandle {
    /// Has the rooms do what an application wants for its call; never waits. What comes of it is told,
    /// but for leaving, which always comes of it.
    ///
    /// # Errors
    /// Why nothing was done.
    pub(crate) fn meet(
        &self,
        call: TransactionId,
        number: u32,
        request: MeetingRequest,
    ) -> Result<(), MeetingRefusal> {
        let leaves = request == MeetingRequest::Leave;
        match self.inputs.try_send(Input::Meet(call, number, request)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) if leaves => {
                self.left.lock().unwrap_or_else(PoisonError::into_inner).push(call);
                Ok(())
            }
            Err(TrySendError::Full(_)) => {
                let why = "too much waits for the meeting rooms; try again in a second";
                Err(MeetingRefusal::Failed(why.to_owned()))
            }
            Err(TrySendError::Disconnected(_)) => {
                Err(MeetingRefusal::Failed("the node stops".to_owned()))
            }
        }
    }
}

impl Desk {
    /// Does what an application wants for its call.
    pub(super) fn meet(&mut self, call: TransactionId, number: u32, request: MeetingRequest) {
        let now = now(self.clock);
        let outcome = match request {
            MeetingRequest::Join { room, from } => match self.join(now, call, &room, &from) {
                // Told once it is heard there.
                Ok(()) => {
                    self.steered.joining.insert(call, number);
                    return;
                }
                Err(refusal) => Err(refusal),
            },
            MeetingRequest::Mute { meeting, attendees, on } => {
                self.mute(now, (call, &meeting), &attendees, on)
            }
            MeetingRequest::Leave => {
                self.steered.joining.remove(&call);
                self.focus.handle_gone(now, call, None);
                return self.let_go(call);
            }
        };
        (self.steered.met)(call, number, outcome);
    }

    /// The call is the application's alone again, or over.
    pub(super) fn let_go(&mut self, call: TransactionId) {
        self.pump();
        let Some(mut ears) = self.callers.remove(&call) else { return };
        ears.stop_music();
        ears.stop();
        for (number, order) in ears.take_orders() {
            queue(&mut self.unsent, (call, number, order));
        }
        self.record_by_another(call);
    }

    /// Calls whose leaving found the queue full.
    pub(super) fn forget_left(&mut self) {
        let left =
            std::mem::take(&mut *self.steered.left.lock().unwrap_or_else(PoisonError::into_inner));
        for call in left {
            self.meet(call, 0, MeetingRequest::Leave);
        }
    }

    /// Calls whose end found the queue full. With the queue `empty` no other is still to begin.
    pub(super) fn forget_gone(&mut self, empty: bool) {
        for (call, status) in std::mem::take(&mut self.steered.unknown) {
            if self.callers.contains_key(&call) {
                let news = ApplicationNews::HungUp { leg: LegSide::A, ordered: false, status };
                self.take_news(call, news);
            } else if !empty {
                self.steered.unknown.push((call, status));
            }
        }
    }

    fn join(
        &mut self,
        now: Now,
        call: TransactionId,
        room: &Room,
        from: &std::sync::Arc<str>,
    ) -> Result<(), MeetingRefusal> {
        if !self.steered.has_rooms {
            return Err(MeetingRefusal::NoRooms);
        }
        if self.callers.contains_key(&call) {
            let why = "the call is in a meeting already";
            return Err(MeetingRefusal::Failed(why.to_owned()));
        }
        let joined = match room {
            Room::Attendee { meeting, token } => match MeetingId::parse(meeting) {
                Ok(id) => self.focus.handle_token(now, call, id, token),
                Err(_) => Err(Refused::NobodyThere),
            },
            Room::Number { digits, passcode } => {
                let passcode = Some(&**passcode).filter(|passcode| !passcode.is_empty());
                let of = (Source::Caller(from.clone()), &**from);
                self.focus.handle_number(now, call, (digits, passcode), of)
            }
        };
        joined.map_err(refusal_of)?;
        self.callers.insert(call, Ears::steered(call, self.language.clone()));
        Ok(())
    }

    fn mute(
        &mut self,
        now: Now,
        (call, meeting): (TransactionId, &str),
        attendees: &[std::sync::Arc<str>],
        on: bool,
    ) -> Result<(), MeetingRefusal> {
        let meeting = MeetingId::parse(meeting).map_err(|_| MeetingRefusal::NotIn)?;
        let ids: Result<Vec<_>, _> = attendees.iter().map(|id| AttendeeId::parse(id)).collect();
        let ids = ids.map_err(|_| MeetingRefusal::Stranger)?;
        let done = self.focus.mute_attendees(now, (call, meeting), &ids, on, &mut draw);
        done.map_err(|refused| match refused {
            Refused::NoMeeting => MeetingRefusal::NotIn,
            Refused::NobodyThere => MeetingRefusal::Stranger,
            other => MeetingRefusal::Failed(other.to_string()),
        })
    }

    /// Tells the applications of callers who wait for a moderator, and have no part in the mix yet.
    pub(super) fn tell_joined(&mut self) {
        let joining = self.steered.joining.keys();
        let waits =
            |call: &&TransactionId| self.callers.get(*call).is_some_and(|ears| !ears.has_place());
        let waiting: Vec<_> = joining.filter(waits).copied().collect();
        for call in waiting {
            self.steered.joined(call, Ok(()));
        }
    }
}

fn refusal_of(refused: Refused) -> MeetingRefusal {
    match refused {
        Refused::NoMeeting | Refused::NobodyThere => MeetingRefusal::Wrong,
        Refused::NotAllowed => MeetingRefusal::Closed,
        Refused::Full => MeetingRefusal::Full,
        Refused::TooFast => MeetingRefusal::Guessed,
        other => MeetingRefusal::Failed(other.to_string()),
    }
}
