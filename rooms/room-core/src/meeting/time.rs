//! What happens in a meeting because it is late.

use super::{CalledNews, Departure, Meeting, Member, Place};
use crate::event::{EndReason, EventKind};
use crate::output::{Now, Outputs};
use crate::prompt::Prompt;
use crate::settings::MeetingSettings;
use model::{Instant, TransactionId};
use std::time::Duration;

/// Silence is said again every ten seconds. Of whom it is not for so long packets have come.
const SILENCE_LASTS: Duration = Duration::from_secs(15);

/// When a meeting that begins now ends at the latest, and when it is said how long that is; the
/// next time last.
pub(super) fn ends(now: Now, settings: &MeetingSettings) -> (Instant, Vec<(Instant, u8)>) {
    let minutes = |minutes: u32| Duration::from_secs(u64::from(minutes) * 60);
    let mut ends_at = now.at + minutes(settings.longest_minutes);
    if let Some(end) = settings.last_end() {
        let left = end.as_millis().saturating_sub(now.unix.as_millis());
        ends_at = ends_at.min(now.at + Duration::from_millis(left));
    }
    let mut warnings: Vec<(Instant, u8)> = settings
        .warnings
        .iter()
        .map(|left| (ends_at - minutes(u32::from(*left)), *left))
        .filter(|(at, _)| *at > now.at)
        .collect();
    warnings.sort_unstable_by(|one, other| other.cmp(one));
    warnings.dedup();
    (ends_at, warnings)
}

impl Meeting {
    /// When [`Meeting::handle_timeout`] is to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.ended.is_some() {
            return None;
        }
        let waiting = self.people.values().filter_map(|member| match member.place {
            Place::Waiting { until, .. } => Some(until),
            Place::In => None,
        });
        let silent = self.people.values().filter_map(|member| member.silent_at);
        let heard_again = silent.map(|at| at + SILENCE_LASTS);
        let called = self.called.values().map(|called| called.until);
        let warning = self.warnings.last().map(|(at, _)| *at);
        [Some(self.ends_at), self.empty_at, self.unled_at, warning]
            .into_iter()
            .flatten()
            .chain(waiting)
            .chain(heard_again)
            .chain(called)
            .min()
    }

    /// It is this late.
    pub(crate) fn handle_timeout(&mut self, now: Now, out: &mut Outputs) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now.at);
        if self.ends_at <= now.at {
            self.end(now, EndReason::TimeOver, out);
        } else if is_due(self.unled_at) {
            self.end(now, EndReason::NoModerator, out);
        } else if is_due(self.empty_at) {
            self.end(now, EndReason::Empty, out);
        }
        if self.ended.is_some() {
            return;
        }
        let mut said = None;
        while let Some((at, minutes)) = self.warnings.last().copied()
            && at <= now.at
        {
            // Of several that are late together, the last is true.
            said = Some(minutes);
            self.warnings.pop();
        }
        if let Some(minutes) = said {
            self.announce(vec![Prompt::MinutesLeft(minutes)], out);
        }
        for (call, departure) in self.late(now.at) {
            self.depart(now, call, departure, out);
        }
        self.note_heard_again(now, out);
        let late = self.called.iter().filter(|(_, called)| called.until <= now.at);
        let late: Vec<TransactionId> = late.map(|(call, _)| *call).collect();
        for call in late {
            self.handle_called(now, call, CalledNews::Failed(408), out);
        }
    }

    fn late(&self, now: Instant) -> Vec<(TransactionId, Departure)> {
        let late = |(call, member): (&TransactionId, &Member)| match member.place {
            Place::Waiting { until, .. } if until <= now => Some((*call, Departure::WaitedTooLong)),
            _ => None,
        };
        self.people.iter().filter_map(late).collect()
    }

    /// No packet of somebody has come for so long: at first that is told, and in the end it is given up.
    pub(crate) fn handle_silence(
        &mut self,
        now: Now,
        call: TransactionId,
        silent_for: Duration,
        out: &mut Outputs,
    ) {
        let patience = Duration::from_secs(self.facts.settings.vanished_seconds.into());
        let Some(member) = self.people.get_mut(&call) else { return };
        if silent_for >= patience {
            self.depart(now, call, Departure::MediaLost, out);
        } else if member.silent_at.replace(now.at).is_none() {
            let event = EventKind::MediaLost(member.person());
            self.tell(now, event, out);
        }
    }

    /// Of whom silence is not said again packets have come.
    fn note_heard_again(&mut self, now: Now, out: &mut Outputs) {
        let is_back =
            |member: &&mut Member| member.silent_at.is_some_and(|at| at + SILENCE_LASTS <= now.at);
        let back: Vec<_> = self
            .people
            .values_mut()
            .filter(is_back)
            .map(|member| {
                member.silent_at = None;
                member.person()
            })
            .collect();
        for person in back {
            self.tell(now, EventKind::MediaBack(person), out);
        }
    }
}
