//! Calls that are over, of callers who may come back by another one: not to what has ended for them.

use crate::MeetingId;
use model::TransactionId;
use std::collections::VecDeque;

/// How many are known; of more the first are forgotten, and may come back.
const MOST: usize = 1024;

/// Whom the rooms have sent away, and who has gone otherwise and from which meeting.
#[derive(Debug, Default)]
pub(super) struct Gone {
    calls: VecDeque<(TransactionId, Option<MeetingId>)>,
}

impl Gone {
    /// A call was lost, or hung up, in a meeting.
    pub(super) fn note(&mut self, call: TransactionId, meeting: MeetingId) {
        self.push(call, Some(meeting));
    }

    /// Somebody was sent away.
    pub(super) fn note_sent_away(&mut self, call: TransactionId) {
        self.push(call, None);
    }

    /// A meeting was ended: for those, too, who had gone before.
    pub(super) fn note_ended(&mut self, meeting: MeetingId) {
        for (_, of) in &mut self.calls {
            if *of == Some(meeting) {
                *of = None;
            }
        }
    }

    /// Whether there is nothing to come back to.
    pub(super) fn is_over_for(&self, call: TransactionId) -> bool {
        self.calls.contains(&(call, None))
    }

    fn push(&mut self, call: TransactionId, meeting: Option<MeetingId>) {
        if self.calls.len() >= MOST {
            self.calls.pop_front();
        }
        self.calls.push_back((call, meeting));
    }
}
