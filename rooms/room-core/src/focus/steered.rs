//! Calls that applications of others steer, and have sent into a meeting.

use super::{By, Caller, Command, Draw, Focus, Newcomer, Now, Refused, Stage};
use crate::guess::{Source, Turn};
use crate::id::same_text;
use crate::meeting::CannotJoin;
use crate::registry::Capabilities;
use crate::settings::shown_name;
use crate::welcome::Door as _;
use crate::{AttendeeId, MeetingId};
use model::TransactionId;
use std::sync::Arc;

impl Focus {
    /// A call joins as the attendee whom this token was made for.
    ///
    /// # Errors
    /// As [`Focus::handle_guest`].
    pub fn handle_token(
        &mut self,
        now: Now,
        call: TransactionId,
        meeting: MeetingId,
        token: &str,
    ) -> Result<(), Refused> {
        let record = self.registry.get_meeting(meeting).map_err(|_| Refused::NobodyThere)?;
        let mut attendees = record.attendees.iter();
        let of_token = attendees.find(|attendee| same_text(&attendee.join_token, token));
        let attendee = of_token.ok_or(Refused::NobodyThere)?.attendee_id;
        self.handle_guest(now, call, (meeting, attendee, token), "")
    }

    /// A call joins by an id and a passcode that its application has, perhaps as somebody has typed them:
    /// a `source` that has guessed wrong too often must wait, as in the welcome.
    ///
    /// # Errors
    /// [`Refused::NobodyThere`] for a wrong id or passcode, or where it is not the meeting's time;
    /// [`Refused::TooFast`] for too many wrong ones; [`Refused::NotAllowed`] when it is locked or over;
    /// [`Refused::Full`].
    pub fn handle_number(
        &mut self,
        now: Now,
        call: TransactionId,
        (digits, passcode): (&str, Option<&str>),
        (source, name): (Source, &str),
    ) -> Result<(), Refused> {
        if self.callers.contains_key(&call) || self.is_full() {
            return Err(Refused::Full);
        }
        let name: Arc<str> = shown_name(name).into();
        let mut caller = Caller {
            source: Some(source),
            name: name.clone(),
            language: self.settings.languages.default.clone(),
            is_telephone: false,
            pictures: [false; 2],
            layout: None,
            stage: Stage::Moving,
        };
        let (mut door, _) = self.door(&caller);
        let turn = door.take_turn(now);
        if !matches!(turn, Turn::At(at) if at <= now.at) {
            return Err(Refused::TooFast);
        }
        let Some(ticket) = door.open(now, digits, passcode) else {
            self.out.wrong_ids += 1;
            return Err(Refused::NobodyThere);
        };
        caller.stage = Stage::Meeting(ticket.meeting);
        let newcomer = Newcomer {
            call,
            role: ticket.role,
            name,
            attendee: None,
            language: caller.language.clone(),
            capabilities: Capabilities::default(),
            has_said_name: false,
            invited: false,
            layout: None,
        };
        self.admit_caller(now, ticket.meeting, caller, newcomer)
    }

    /// Joins a caller who needs no welcome; whoever cannot join is none.
    pub(super) fn admit_caller(
        &mut self,
        now: Now,
        meeting: MeetingId,
        caller: Caller,
        newcomer: Newcomer,
    ) -> Result<(), Refused> {
        let call = newcomer.call;
        self.callers.insert(call, caller);
        let joined = self.join(now, meeting, newcomer);
        if joined.is_err() {
            self.callers.remove(&call);
        }
        self.settle(now);
        joined.map_err(|why| match why {
            CannotJoin::Full => Refused::Full,
            CannotJoin::Closed => Refused::NotAllowed,
        })
    }

    /// Has attendees of the meeting that `call` is in muted, or heard again, as the API may: nobody is where
    /// one of them is not in it.
    ///
    /// # Errors
    /// [`Refused::NoMeeting`] where the call is not in this meeting, [`Refused::NobodyThere`] where one
    /// of the attendees is not.
    pub fn mute_attendees(
        &mut self,
        now: Now,
        (call, id): (TransactionId, MeetingId),
        attendees: &[AttendeeId],
        on: bool,
        draw: Draw<'_>,
    ) -> Result<(), Refused> {
        let held = self.meetings.get(&id).filter(|meeting| meeting.is_member(call));
        let held = held.ok_or(Refused::NoMeeting)?;
        let calls: Option<Vec<_>> = attendees.iter().map(|of| held.call_of(*of)).collect();
        for of in calls.ok_or(Refused::NobodyThere)? {
            self.command(now, id, By::Api, Command::Mute(of, on), &mut *draw)?;
        }
        Ok(())
    }
}
