//! What happens in a meeting because it is late.

use super::{CalledNews, Departure, Meeting, Place};
use crate::event::EndReason;
use crate::output::{Now, Outputs};
use crate::prompt::Prompt;
use crate::settings::MeetingSettings;
use model::{Instant, TransactionId};
use std::time::Duration;

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
        let vanished = self.people.values().filter_map(|member| member.vanishes_at);
        let called = self.called.values().map(|called| called.until);
        let warning = self.warnings.last().map(|(at, _)| *at);
        [Some(self.ends_at), self.empty_at, self.unled_at, warning]
            .into_iter()
            .flatten()
            .chain(waiting)
            .chain(vanished)
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
        let late = self.called.iter().filter(|(_, called)| called.until <= now.at);
        let late: Vec<TransactionId> = late.map(|(call, _)| *call).collect();
        for call in late {
            self.handle_called(now, call, CalledNews::Failed(408), out);
        }
    }

    fn late(&self, now: Instant) -> Vec<(TransactionId, Departure)> {
        let late = |(call, member): (&TransactionId, &super::Member)| match member.place {
            Place::Waiting { until, .. } if until <= now => Some((*call, Departure::WaitedTooLong)),
            _ if member.vanishes_at.is_some_and(|at| at <= now) => {
                Some((*call, Departure::MediaLost))
            }
            _ => None,
        };
        self.people.iter().filter_map(late).collect()
    }

    /// Packets of somebody no longer come, or come again.
    pub(crate) fn handle_media(&mut self, now: Now, call: TransactionId, lost: bool) {
        let span = Duration::from_secs(self.facts.settings.vanished_seconds.into());
        let Some(member) = self.people.get_mut(&call) else { return };
        member.vanishes_at = match (lost, member.vanishes_at) {
            (true, Some(at)) => Some(at),
            (true, None) => Some(now.at + span),
            (false, _) => None,
        };
    }
}
