//! How people go, and what follows when it was the last moderator.

use super::member::{Member, Place, Role};
use super::{Announced, CalledNews, Departure, Meeting};
use crate::event::{DropReason, EventKind, LeaveReason};
use crate::output::{Now, Order, Outputs};
use crate::prompt::Prompt;
use crate::settings::LastModerator;
use model::TransactionId;
use std::time::Duration;

impl Meeting {
    /// Somebody's call is over, or has failed with this status.
    pub(crate) fn handle_gone(
        &mut self,
        now: Now,
        call: TransactionId,
        failed: Option<u16>,
        out: &mut Outputs,
    ) {
        if self.called.contains_key(&call) {
            self.handle_called(now, call, CalledNews::Failed(failed.unwrap_or(487)), out);
            return;
        }
        let departure = failed.map_or(Departure::HungUp, Departure::Failed);
        self.depart(now, call, departure, out);
    }

    /// Somebody goes, or is made to.
    pub(super) fn depart(
        &mut self,
        now: Now,
        call: TransactionId,
        departure: Departure,
        out: &mut Outputs,
    ) {
        // While it is there to be told of.
        self.forget_floor(now, call, out);
        let Some(member) = self.people.remove(&call) else { return };
        let was_in = member.place == Place::In;
        if was_in {
            out.order(call, Order::Leave);
        } else if matches!(member.place, Place::Waiting { music: true, .. }) {
            out.order(call, Order::StopMusic);
        }
        self.forget(now, call, out);
        let person = member.person();
        let left = |why| EventKind::Left(person.clone(), why);
        let (event, words) = match departure {
            Departure::HungUp => (left(LeaveReason::HungUp), None),
            Departure::Failed(status) => {
                (EventKind::Dropped(person.clone(), DropReason::CallFailed(status)), None)
            }
            Departure::MediaLost => {
                out.drop_silent(call);
                (EventKind::Dropped(person.clone(), DropReason::MediaLost), None)
            }
            Departure::Removed => (left(LeaveReason::Removed), Some(vec![Prompt::Removed])),
            Departure::Replaced => {
                (left(LeaveReason::Replaced), Some(vec![Prompt::JoinedElsewhere]))
            }
            Departure::WaitedTooLong => {
                let words = vec![Prompt::NoModerator, Prompt::Goodbye];
                (left(LeaveReason::WaitedTooLong), Some(words))
            }
            Departure::Ended => (left(LeaveReason::MeetingEnded), Some(vec![Prompt::MeetingEnded])),
        };
        self.tell(now, event, out);
        if let Some(words) = words {
            out.dismiss(call, words);
        }
        if departure == Departure::Ended {
            return;
        }
        if was_in && departure != Departure::Replaced {
            let has_said_name = member.has_said_name;
            let (tone, words) = (Prompt::LeaveTone, Prompt::HasLeft);
            self.announce_person(now, Announced { call, has_said_name, tone, words }, out);
        }
        if was_in && member.role == Role::Moderator && !self.has_moderator() {
            self.lose_last_moderator(now, out);
        }
        self.note_empty(now, out);
    }

    /// What somebody had is nobody's any more.
    pub(super) fn forget(&mut self, now: Now, call: TransactionId, out: &mut Outputs) {
        if self.speaker == Some(call) {
            self.speaker = None;
        }
        self.forget_floor(now, call, out);
    }

    pub(super) fn lose_last_moderator(&mut self, now: Now, out: &mut Outputs) {
        match self.facts.settings.last_moderator {
            LastModerator::Continue => {}
            LastModerator::EndAfter(seconds) => {
                if !self.people.is_empty() {
                    self.unled_at = Some(now.at + Duration::from_secs(seconds.into()));
                    self.announce(vec![Prompt::ModeratorLeft], out);
                }
            }
            LastModerator::Promote => {
                let people = self.people.values().filter(|member| member.place == Place::In);
                let first = people.min_by_key(|member| member.arrival).map(|member| member.call);
                if let Some(call) = first {
                    self.promote(now, call, out);
                }
            }
            LastModerator::BackToWaiting => {
                self.sent_back = true;
                if self.recording {
                    self.record(now, false, out);
                }
                let waiting =
                    Duration::from_secs(u64::from(self.facts.settings.waiting_minutes) * 60);
                let inside = |member: &&Member| member.place == Place::In;
                let calls: Vec<_> =
                    self.people.values().filter(inside).map(|member| member.call).collect();
                for call in calls {
                    out.order(call, Order::Leave);
                    self.forget(now, call, out);
                    if let Some(member) = self.people.get_mut(&call) {
                        (member.is_speaking, member.level) = (false, -127);
                        member.place = Place::Waiting { until: now.at + waiting, music: false };
                    }
                    self.let_wait(now, call, out);
                }
            }
        }
    }
}
