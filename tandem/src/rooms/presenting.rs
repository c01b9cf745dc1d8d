//! The floor of the slides: what devices have asked for by floor control goes to the meetings, and what those
//! decide to the devices.

use super::desk::{Desk, draw};
use super::floor::Decision;
use model::TransactionId;
use room_core::{By, Command, MeetingId, Now};
use std::sync::atomic::Ordering;

impl Desk {
    /// Has meetings decide what devices have asked for.
    pub(super) fn decide_floor(&mut self, now: Now) {
        let Some((floors, _)) = &mut self.floor else { return };
        for wish in floors.take_wishes() {
            let (meeting, call) = (wish.meeting, wish.call);
            let command =
                if wish.shows { Command::TakeFloor(call) } else { Command::LeaveFloor(call) };
            let done = self.focus.command(now, meeting, By::Call(wish.by()), command, &mut draw);
            let decision = match done {
                Err(why) => {
                    tracing::debug!(%call, %why, "a caller does not get the floor of the slides");
                    Decision::Denied
                }
                Ok(()) if self.focus.floor(meeting) == Some(call) => Decision::Granted,
                Ok(()) => Decision::Waits,
            };
            floors.decided(wish, decision);
        }
    }

    /// Somebody shows slides from now on, or does not.
    pub(super) fn set_floor(&mut self, meeting: MeetingId, call: TransactionId, shows: bool) {
        if let Some(ears) = self.callers.get_mut(&call) {
            ears.present(meeting, shows);
        }
        if let Some((floors, _)) = &mut self.floor {
            floors.set_floor(meeting, call, shows);
        }
    }

    /// Gives the sockets of floor control what is for them, as far as they take it.
    pub(super) fn send_floor(&mut self) {
        let Some((floors, sockets)) = &mut self.floor else { return };
        self.floor_is_told = sockets.take(floors.orders());
        self.counters.floor_lost.store(floors.lost(), Ordering::Relaxed);
    }
}
