//! What moderators, attendees and the API can have done.

use super::{Departure, Meeting, Place, Role};
use crate::event::{EndReason, EventKind};
use crate::id::Draw;
use crate::output::{Now, Order, Outputs};
use crate::prompt::Prompt;
use crate::registry::Capabilities;
use model::{PictureLayout, TransactionId};
use std::fmt;

/// Who wants it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// Somebody in the meeting.
    Call(TransactionId),
    /// The API, which may do what moderators may.
    Api,
}

/// Something to be done in a meeting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Locks it, or unlocks it.
    Lock(bool),
    /// Starts recording, or stops it.
    Record(bool),
    /// Mutes everyone but moderators and who wants it, or ends that. Those who have muted themselves
    /// stay so.
    MuteAll(bool),
    /// Mutes somebody, or ends it. Of somebody else only what a moderator has done is ended: nobody
    /// opens another one's microphone.
    Mute(TransactionId, bool),
    /// Raises one's own hand, or lowers anybody's.
    Hand(TransactionId, bool),
    /// Lets somebody in who waits, though it is locked.
    Admit(TransactionId),
    /// Lets everyone in who waits, though it is locked.
    AdmitAll,
    /// Somebody is made to leave.
    Remove(TransactionId),
    /// Somebody becomes a moderator.
    Promote(TransactionId),
    /// A number is called; its policy is asked.
    DialOut(String),
    /// A text to everyone.
    Say(String),
    /// One's own screen is to be shown; or a moderator has somebody else show one.
    TakeFloor(TransactionId),
    /// It is shown no more, or what was asked for is not given.
    LeaveFloor(TransactionId),
    /// One sees the others in another way; or a moderator has somebody else see them so.
    LayOut(TransactionId, PictureLayout),
    /// It ends for all.
    End,
}

/// Why nothing was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// No such meeting is held now.
    NoMeeting,
    /// Nobody of this id is in it.
    NobodyThere,
    /// Only moderators may.
    ModeratorsOnly,
    /// The meeting's or attendee's settings do not allow it.
    NotAllowed,
    /// So many people are in it, or called, already.
    Full,
    /// Too many in a short time.
    TooFast,
    /// A text or number that cannot be taken.
    Malformed,
    /// Meetings are not recorded here.
    Unrecorded,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::NoMeeting => "no such meeting is held now",
            Refused::NobodyThere => "nobody of this id is in the meeting",
            Refused::ModeratorsOnly => "only moderators may do this",
            Refused::NotAllowed => "the settings of the meeting or attendee do not allow it",
            Refused::Full => "so many people are in the meeting, or called, already",
            Refused::TooFast => "too many in a short time; wait some seconds",
            Refused::Malformed => "the text or number is empty, too long or malformed",
            Refused::Unrecorded => {
                "meetings are not recorded here: add [rooms.recording] to the configuration, and \
                 restart the node"
            }
        })
    }
}

impl std::error::Error for Refused {}

impl Meeting {
    /// Does it, or says why not.
    pub(crate) fn command(
        &mut self,
        now: Now,
        by: By,
        command: Command,
        draw: Draw<'_>,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        if self.ended.is_some() {
            return Err(Refused::NoMeeting);
        }
        if let By::Call(call) = by
            && !self.is_in(call)
        {
            return Err(Refused::NobodyThere);
        }
        match command {
            Command::Say(text) => return self.say(now, by, &text, out),
            Command::Mute(call, on) => return self.mute(now, by, call, on, out),
            Command::Hand(call, on) => return self.raise(now, by, call, on, out),
            Command::TakeFloor(call) => return self.take_floor(now, by, call, out),
            Command::LeaveFloor(call) => return self.leave_floor(now, by, call, out),
            Command::LayOut(call, layout) => return self.lay_out(by, call, layout, out),
            _ => self.moderator(by)?,
        }
        match command {
            Command::Lock(on) => self.lock(now, on, out),
            Command::Record(on) => self.record(now, on, out),
            Command::MuteAll(on) => self.mute_all(now, by, on, out),
            Command::Admit(call) => return self.admit(now, call, out),
            Command::AdmitAll => {
                for call in self.waiting() {
                    self.let_in(now, call, false, out);
                }
            }
            Command::Remove(call) => {
                if !self.is_member(call) {
                    return Err(Refused::NobodyThere);
                }
                self.depart(now, call, Departure::Removed, out);
            }
            Command::Promote(call) => {
                if !self.is_member(call) {
                    return Err(Refused::NobodyThere);
                }
                self.promote(now, call, out);
            }
            Command::DialOut(number) => return self.dial_out(now, by, &number, draw, out),
            Command::End => {
                let reason = if by == By::Api { EndReason::Api } else { EndReason::Moderator };
                self.end(now, reason, out);
            }
            Command::Say(_)
            | Command::Mute(..)
            | Command::Hand(..)
            | Command::TakeFloor(_)
            | Command::LeaveFloor(_)
            | Command::LayOut(..) => {}
        }
        Ok(())
    }

    /// Whether `by` may moderate.
    pub(super) fn moderator(&self, by: By) -> Result<(), Refused> {
        match by {
            By::Api => Ok(()),
            By::Call(call) => match self.people.get(&call) {
                Some(member) if member.role == Role::Moderator => Ok(()),
                Some(_) => Err(Refused::ModeratorsOnly),
                None => Err(Refused::NobodyThere),
            },
        }
    }

    fn lock(&mut self, now: Now, on: bool, out: &mut Outputs) {
        if self.locked == on {
            return;
        }
        self.locked = on;
        let (event, prompt) = if on {
            (EventKind::Locked, Prompt::Locked)
        } else {
            (EventKind::Unlocked, Prompt::Unlocked)
        };
        self.announce(vec![prompt], out);
        self.tell(now, event, out);
        self.let_in_who_waits(now, out);
    }

    fn admit(&mut self, now: Now, call: TransactionId, out: &mut Outputs) -> Result<(), Refused> {
        let member = self.people.get(&call).ok_or(Refused::NobodyThere)?;
        if matches!(member.place, Place::Waiting { .. }) {
            self.let_in(now, call, false, out);
        }
        Ok(())
    }

    fn mute_all(&mut self, now: Now, by: By, on: bool, out: &mut Outputs) {
        self.everyone_muted = on;
        let calls: Vec<_> = self
            .people
            .values()
            .filter(|member| member.role == Role::Attendee && by != By::Call(member.call))
            .map(|member| member.call)
            .collect();
        for call in calls {
            self.set_muted(now, call, None, Some(on), out);
        }
        let prompt = if on { Prompt::EveryoneMuted } else { Prompt::EveryoneUnmuted };
        self.announce(vec![prompt], out);
    }

    pub(super) fn mute(
        &mut self,
        now: Now,
        by: By,
        call: TransactionId,
        on: bool,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let member = self.people.get(&call).ok_or(Refused::NobodyThere)?;
        let (oneself, by_moderator) = if by == By::Call(call) {
            let may = self.facts.settings.unmute_oneself || member.role == Role::Moderator;
            if !on && member.muted_by_moderator && !may {
                return Err(Refused::NotAllowed);
            }
            (Some(on), (!on).then_some(false))
        } else {
            self.moderator(by)?;
            (None, Some(on))
        };
        let language = member.language.clone();
        let changed = self.set_muted(now, call, oneself, by_moderator, out);
        if changed && self.is_in(call) {
            let prompt = if on { Prompt::Muted } else { Prompt::Unmuted };
            out.play(call, &language, vec![prompt]);
        }
        Ok(())
    }

    /// Returns whether it is another one now.
    fn set_muted(
        &mut self,
        now: Now,
        call: TransactionId,
        oneself: Option<bool>,
        by_moderator: Option<bool>,
        out: &mut Outputs,
    ) -> bool {
        let Some(member) = self.people.get_mut(&call) else { return false };
        let before = member.is_muted();
        member.muted_by_oneself = oneself.unwrap_or(member.muted_by_oneself);
        member.muted_by_moderator = by_moderator.unwrap_or(member.muted_by_moderator);
        let after = member.is_muted();
        if before == after {
            return false;
        }
        let (is_in, person) = (member.is_in(), member.person());
        if is_in {
            out.order(call, if after { Order::Mute } else { Order::Unmute });
        }
        let event = if after { EventKind::Muted(person) } else { EventKind::Unmuted(person) };
        self.tell(now, event, out);
        true
    }

    pub(super) fn raise(
        &mut self,
        now: Now,
        by: By,
        call: TransactionId,
        on: bool,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        if by != By::Call(call) {
            self.moderator(by)?;
            if on {
                return Err(Refused::NotAllowed);
            }
        }
        let member = self.people.get_mut(&call).ok_or(Refused::NobodyThere)?;
        if member.hand == on || !member.is_in() {
            return Ok(());
        }
        member.hand = on;
        let prompt = if on { Prompt::HandRaised } else { Prompt::HandLowered };
        out.play(call, &member.language, vec![prompt]);
        let person = member.person();
        let event = if on { EventKind::HandRaised(person) } else { EventKind::HandLowered(person) };
        self.tell(now, event, out);
        if on {
            self.tell_moderators_but(call, Prompt::SomebodyRaisedHand, out);
        }
        Ok(())
    }

    fn tell_moderators_but(&self, except: TransactionId, prompt: Prompt, out: &mut Outputs) {
        for (call, member) in &self.people {
            if *call != except && member.role == Role::Moderator && member.is_in() {
                out.play(*call, &member.language, vec![prompt]);
            }
        }
    }

    /// What an attendee may send and get is another from now on.
    pub(crate) fn allow(
        &mut self,
        now: Now,
        call: TransactionId,
        capabilities: Capabilities,
        out: &mut Outputs,
    ) {
        let Some(member) = self.people.get_mut(&call) else { return };
        if member.capabilities == capabilities {
            return;
        }
        member.capabilities = capabilities;
        if member.is_in() {
            out.order(call, Order::Allow(capabilities));
        }
        if !capabilities.content.sends() {
            self.forget_floor(now, call, out);
        }
    }

    /// The attendee is gone from the meeting's record.
    pub(crate) fn remove(&mut self, now: Now, call: TransactionId, out: &mut Outputs) {
        self.depart(now, call, Departure::Removed, out);
    }
}
