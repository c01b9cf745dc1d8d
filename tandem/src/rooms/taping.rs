//! Meetings that are to be recorded. The relay is told of a conference by way of a call in it: which one, and
//! when another must, is kept here. Pure.

use model::{ConferenceRecordingFailure, TransactionId};
use room_core::MeetingId;
use std::collections::HashMap;

/// What is to be done next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// Nothing.
    Nothing,
    /// The order is to go by another call.
    Ask,
    /// The meeting hears that it is recorded.
    Begun,
    /// The meeting hears that it is not, or not any more.
    Failed,
}

/// The meetings that are to be recorded.
#[derive(Default)]
pub(super) struct Tapings(HashMap<MeetingId, Taping>);

#[derive(Default)]
struct Taping {
    /// The call by which it was ordered, until that is answered.
    asked: Option<TransactionId>,
    is_begun: bool,
    /// Calls in a row that turned out to be in no conference.
    refusals: u32,
}

/// Of those so many; then the meeting is not recorded.
const MOST_REFUSALS: u32 = 16;

impl Tapings {
    /// A meeting is to be recorded: the order is to go by a call.
    pub(super) fn start(&mut self, meeting: MeetingId) {
        self.0.insert(meeting, Taping::default());
    }

    /// It is not any more.
    pub(super) fn stop(&mut self, meeting: MeetingId) {
        self.0.remove(&meeting);
    }

    pub(super) fn has(&self, meeting: MeetingId) -> bool {
        self.0.contains_key(&meeting)
    }

    /// The order went by this call. What comes with somebody who joins needs no other's answer.
    pub(super) fn asked(&mut self, meeting: MeetingId, call: TransactionId) {
        if let Some(taping) = self.0.get_mut(&meeting) {
            taping.asked.get_or_insert(call);
        }
    }

    /// The relay records the conference of a call of this meeting.
    pub(super) fn records(&mut self, meeting: MeetingId) -> Next {
        match self.0.get_mut(&meeting) {
            Some(taping) => {
                (taping.asked, taping.refusals) = (None, 0);
                if std::mem::replace(&mut taping.is_begun, true) {
                    Next::Nothing
                } else {
                    Next::Begun
                }
            }
            None => Next::Nothing,
        }
    }

    /// It does not. A call that has left says nothing of the meeting.
    pub(super) fn failed(
        &mut self,
        meeting: MeetingId,
        call: TransactionId,
        failure: &ConferenceRecordingFailure,
    ) -> Next {
        if *failure == ConferenceRecordingFailure::NoSeat {
            let next = self.left(meeting, call);
            let taping = self.0.get_mut(&meeting).filter(|_| next == Next::Ask);
            let refusals = taping.map_or(0, |taping| {
                taping.refusals += 1;
                taping.refusals
            });
            if refusals < MOST_REFUSALS {
                return next;
            }
        }
        if self.0.remove(&meeting).is_some() { Next::Failed } else { Next::Nothing }
    }

    /// A call is in no meeting any more.
    pub(super) fn gone(&mut self, call: TransactionId) -> Option<MeetingId> {
        let meetings: Vec<_> = self.0.keys().copied().collect();
        meetings.into_iter().find(|meeting| self.left(*meeting, call) == Next::Ask)
    }

    fn left(&mut self, meeting: MeetingId, call: TransactionId) -> Next {
        match self.0.get_mut(&meeting) {
            Some(taping) if taping.asked == Some(call) => {
                taping.asked = None;
                Next::Ask
            }
            _ => Next::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(n: u128) -> TransactionId {
        TransactionId::from_random(n)
    }

    #[test]
    fn a_meeting_hears_once_that_it_is_recorded() {
        let mut tapings = Tapings::default();
        let meeting = MeetingId::draw(&mut || 7);
        assert_eq!(tapings.records(meeting), Next::Nothing, "nobody asked");
        tapings.start(meeting);
        tapings.asked(meeting, call(1));
        assert_eq!(tapings.records(meeting), Next::Begun);
        // Somebody joins: the relay answers again.
        tapings.asked(meeting, call(2));
        assert_eq!(tapings.records(meeting), Next::Nothing);
        let full = ConferenceRecordingFailure::File("no space left".into());
        assert_eq!(tapings.failed(meeting, call(2), &full), Next::Failed);
        assert_eq!(tapings.failed(meeting, call(2), &full), Next::Nothing);
        assert!(!tapings.has(meeting));
    }

    #[test]
    fn whose_order_is_lost_with_its_call_is_ordered_by_another() {
        let mut tapings = Tapings::default();
        let meeting = MeetingId::draw(&mut || 7);
        tapings.start(meeting);
        tapings.asked(meeting, call(1));
        tapings.asked(meeting, call(2));
        assert_eq!(tapings.gone(call(2)), None, "the first one's is still to be answered");
        assert_eq!(tapings.gone(call(1)), Some(meeting));
        assert_eq!(tapings.gone(call(1)), None);
        tapings.asked(meeting, call(3));
        let no_seat = ConferenceRecordingFailure::NoSeat;
        assert_eq!(tapings.failed(meeting, call(4), &no_seat), Next::Nothing);
        for _ in 1..MOST_REFUSALS {
            assert_eq!(tapings.failed(meeting, call(3), &no_seat), Next::Ask);
            tapings.asked(meeting, call(3));
        }
        assert_eq!(tapings.failed(meeting, call(3), &no_seat), Next::Failed, "it has an end");
        tapings.start(meeting);
        tapings.asked(meeting, call(5));
        assert_eq!(tapings.records(meeting), Next::Begun);
        assert_eq!(tapings.gone(call(5)), None, "it was answered");
        tapings.stop(meeting);
        assert_eq!(tapings.records(meeting), Next::Nothing);
    }
}
