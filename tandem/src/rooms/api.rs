//! The rooms behind the control API: what is written down of meetings, and what goes on in them.

use super::desk::conference_of;
use super::{NoAnswer, RoomsHandle};
use crate::live_directory::LiveDirectory;
use control_api::{ComposedPicture, HeldMeeting};
use room_core::{By, Command, MeetingId, Refused};
use room_media::{GridView, Mixing};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Between two attempts to have a change taken over, and how many there are: while the rooms' queue is
/// full, that many seconds are waited at most.
const AGAIN: Duration = Duration::from_millis(50);
const TRIES: u32 = 200;

impl RoomsHandle {
    /// The same, which also sees what is composed where the meetings are mixed in this process.
    pub(crate) fn mixed_by(self, mixing: Option<Weak<Mixing>>) -> Self {
        RoomsHandle { mixing, ..self }
    }

    /// Has the rooms go on with the meetings as they are written down, now and after each change, and as
    /// another file has them.
    pub(crate) fn follow(&self, directory: &Arc<LiveDirectory>) {
        let (rooms, of) = (self.clone(), Arc::downgrade(directory));
        directory.meetings().wake(move || rooms.take_over(&of));
    }

    fn take_over(&self, directory: &Weak<LiveDirectory>) {
        for _ in 0..TRIES {
            let directory = Weak::clone(directory);
            let taken = self.ask(move |focus, now, _| {
                let Some(directory) = directory.upgrade() else { return };
                let changed = directory.meetings().take_changed();
                for (id, error) in focus.follow_meetings(now, changed) {
                    tracing::error!(meeting = %id, "a meeting cannot be held: {error}");
                }
            });
            match taken {
                Err(NoAnswer::Busy) => pause(),
                // It is in the queue, or the node stops.
                Ok(()) | Err(NoAnswer::Late) => return,
            }
        }
        tracing::error!(
            "the meeting rooms are too busy: a change of a meeting is taken over later"
        );
    }

    /// How a meeting is, and who is in it; `None` of one that is not held.
    pub(crate) fn meeting(&self, id: MeetingId) -> Option<HeldMeeting> {
        let asked = self.ask(move |focus, now, _| {
            let state = focus.state(id)?;
            Some(HeldMeeting { state, people: focus.roster(id), at: now.at, composed: None })
        });
        let held = asked.ok().flatten()?;
        Some(HeldMeeting { composed: self.composed(id), ..held })
    }

    /// A meeting's composed picture, where there is one and it is composed in this process.
    fn composed(&self, id: MeetingId) -> Option<ComposedPicture> {
        let conference = conference_of(id).0;
        let grids = self.mixing.as_ref().and_then(Weak::upgrade)?.grids();
        let grid = grids.into_iter().find(|grid| grid.name == conference)?;
        let GridView { tiles, viewers, frames_per_second, cpu_percent, .. } = grid;
        Some(ComposedPicture { tiles, viewers, frames_per_second, cpu_percent })
    }

    /// The meetings that are held; `None` when the rooms do not answer.
    pub(crate) fn held(&self) -> Option<Vec<MeetingId>> {
        self.ask(|focus, _, _| focus.held().collect()).ok()
    }

    /// Has something done in a meeting.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) fn command(&self, id: MeetingId, command: Command) -> Result<(), Refused> {
        if matches!(command, Command::DialOut(_)) && !self.call_out.is_on() {
            return Err(Refused::NotAllowed);
        }
        let done = self.ask(move |focus, now, draw| match command {
            Command::DialOut(number) => focus.dial_out(now, id, &number, draw),
            command => focus.command(now, id, By::Api, command, draw),
        });
        done.unwrap_or(Err(Refused::TooFast))
    }

    /// Meetings that are gone because they have ended, since this was asked last.
    pub(crate) fn take_ended(&self) -> Vec<MeetingId> {
        let asked = self.ask(|focus, _, _| {
            let changed = focus.registry_mut().take_changed();
            changed.into_iter().filter(|(_, stored)| stored.is_none()).map(|(id, _)| id).collect()
        });
        asked.unwrap_or_default()
    }
}

#[expect(clippy::disallowed_methods, reason = "a full queue tells nobody when it has room again")]
fn pause() {
    std::thread::sleep(AGAIN);
}
