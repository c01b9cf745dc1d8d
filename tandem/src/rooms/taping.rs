//! Meetings that are to be recorded. The relay is told of a conference by way of a call in it: which one, and
//! when another must, is kept here. Pure.

use model::{ConferenceRecordingFailure, ConferenceRecordingId, TransactionId};
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
    /// The meeting hears that it is not, or not any more; and which recording that was.
    Failed(ConferenceRecordingId),
}

/// The meetings that are to be recorded.
#[derive(Default)]
pub(super) struct Tapings {
    meetings: HashMap<MeetingId, Taping>,
    /// The number of the newest recording.
    newest: u64,
}

#[derive(Default)]
struct Taping {
    id: ConferenceRecordingId,
    /// The call by which it was ordered, until that is answered.
    asked: Option<TransactionId>,
    is_begun: bool,
    /// Calls in a row that turned out to be in no conference.
    refusals: u32,
}

/// Of those so many; then the meeting is not recorded.
const MOST_REFUSALS: u32 = 16;

impl Tapings {
    /// A meeting is to be recorded: the order is to go by a call. `now` is the time of the day, in
    /// milliseconds: recordings of another run of the node are older.
    pub(super) fn start(&mut self, meeting: MeetingId, now: u64) {
        self.newest = now.max(self.newest + 1);
        let id = ConferenceRecordingId(self.newest);
        self.meetings.insert(meeting, Taping { id, ..Taping::default() });
    }

    /// Which recording of a meeting runs, or is to.
    pub(super) fn id(&self, meeting: MeetingId) -> Option<ConferenceRecordingId> {
        self.meetings.get(&meeting).map(|taping| taping.id)
    }

    /// It is not any more; which one that was.
    pub(super) fn stop(&mut self, meeting: MeetingId) -> Option<ConferenceRecordingId> {
        self.meetings.remove(&meeting).map(|taping| taping.id)
    }

    pub(super) fn has(&self, meeting: MeetingId) -> bool {
        self.meetings.contains_key(&meeting)
    }

    /// The order went by this call. What comes with somebody who joins needs no other's answer.
    pub(super) fn asked(&mut self, meeting: MeetingId, call: TransactionId) {
        if let Some(taping) = self.meetings.get_mut(&meeting) {
            taping.asked.get_or_insert(call);
        }
    }

    /// The relay records the conference of a call of this meeting.
    pub(super) fn records(&mut self, meeting: MeetingId) -> Next {
        match self.meetings.get_mut(&meeting) {
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
            let taping = self.meetings.get_mut(&meeting).filter(|_| next == Next::Ask);
            let refusals = taping.map_or(0, |taping| {
                taping.refusals += 1;
                taping.refusals
            });
            if refusals < MOST_REFUSALS {
                return next;
            }
        }
        self.stop(meeting).map_or(Next::Nothing, Next::Failed)
    }

    /// A call is in no meeting any more.
    pub(super) fn gone(&mut self, call: TransactionId) -> Option<MeetingId> {
        let meetings: Vec<_> = self.meetings.keys().copied().collect();
        meetings.into_iter().find(|meeting| self.left(*meeting, call) == Next::Ask)
    }

    fn left(&mut self, meeting: MeetingId, call: TransactionId) -> Next {
        match self.meetings.get_mut(&meeting) {
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
        tapings.start(meeting, 1_000);
        tapings.asked(meeting, call(1));
        assert_eq!(tapings.records(meeting), Next::Begun);
        // Somebody joins: the relay answers again.
        tapings.asked(meeting, call(2));
        assert_eq!(tapings.records(meeting), Next::Nothing);
        let full = ConferenceRecordingFailure::File("no space left".into());
        let id = tapings.id(meeting).unwrap();
        assert_eq!(tapings.failed(meeting, call(2), &full), Next::Failed(id));
        assert_eq!(tapings.failed(meeting, call(2), &full), Next::Nothing);
        assert!(!tapings.has(meeting));
    }

    #[test]
    fn each_recording_has_a_larger_number_than_the_one_before() {
        let mut tapings = Tapings::default();
        let meeting = MeetingId::draw(&mut || 7);
        tapings.start(meeting, 1_000);
        let first = tapings.id(meeting).unwrap();
        assert_eq!((tapings.stop(meeting), tapings.stop(meeting)), (Some(first), None));
        // In the same moment, and after the clock was set back.
        for now in [1_000, 5, 2_000] {
            let before = tapings.newest;
            tapings.start(meeting, now);
            assert!(tapings.id(meeting).unwrap() > ConferenceRecordingId(before));
        }
        assert_eq!(tapings.id(meeting), Some(ConferenceRecordingId(2_000)));
    }

    #[test]
    fn whose_order_is_lost_with_its_call_is_ordered_by_another() {
        let mut tapings = Tapings::default();
        let meeting = MeetingId::draw(&mut || 7);
        tapings.start(meeting, 1_000);
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
        let ended = tapings.failed(meeting, call(3), &no_seat);
        assert!(matches!(ended, Next::Failed(_)), "it has an end");
        tapings.start(meeting, 1_000);
        tapings.asked(meeting, call(5));
        assert_eq!(tapings.records(meeting), Next::Begun);
        assert_eq!(tapings.gone(call(5)), None, "it was answered");
        tapings.stop(meeting);
        assert_eq!(tapings.records(meeting), Next::Nothing);
    }
}
